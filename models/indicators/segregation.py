"""Segregation of people in households by tract, and concentration at the extremes.

Only the corrected dissimilarity and the concentration of incomes may serve an index. Dissimilarity does not depend on
how large a group is: were a group twice as large in every tract, it would stay the same. The rest does, and describes.
Counts are of people in households (B11002A, B11002B): those of
the decennial census include prisoners, whose tract then looks segregated.
"""

from collections.abc import Callable

import polars as pl

from models.engine.defaults import SEED
from models.indicators import acs
from models.indicators.indicator import AbsentError, Indicator, Inputs, framed, indicator

TRACTS = acs.LEVELS["tract"]
WHITE, BLACK, EVERYBODY = "B11002A_001", "B11002B_001", "B11002_001"
N_DRAWS = 100
"""Redraws of the counts: chance in the redraws moves the corrected value by a tenth of its standard error."""
N_DRAWS_OF_ERROR = 50
"""Redraws where only the standard error rests on them."""

_RACISM = (
    "Segregation divides what neighbourhoods offer (Massey & Denton 1993, American Apartheid; Krieger et al. 2016, Am. "
    "J. Public Health 106:256); it describes places and never a group."
)
_BIAS = (
    "People of one race alone, Hispanic or not; others do not count. Tract counts are a five-year sample: what small "
    "samples add is taken away by redrawing. Not measured under 1,000 members of the smaller group or five tracts, so "
    "that most rural counties have none."
)


def by_tract(table: pl.DataFrame, cells: tuple[str, ...]) -> pl.DataFrame:
    """One row a tract and vintage with an estimate and a margin of each cell (`<cell>_e`, `<cell>_m`) and its county.

    Args:
        table: rows of core.census_acs5_tract.

    Raises:
        AbsentError: a cell is in no landed file.
    """
    held = table.filter(pl.col("cell").is_in(cells))
    if lacking := [cell for cell in cells if cell not in set(held["cell"])]:
        raise AbsentError(
            f"no landed file of tracts holds the ACS cells {', '.join(lacking)}",
            f"census_acs5/2023/tract/{lacking[0][:-4].rstrip('ABCDEFGHI')}.parquet",
        )
    return (
        held.group_by("vintage", "period", "geo_id")
        .agg(
            *[pl.col("estimate").filter(pl.col("cell") == cell).first().alias(f"{cell}_e") for cell in cells],
            *[pl.col("moe").filter(pl.col("cell") == cell).first().alias(f"{cell}_m") for cell in cells],
            pl.col("snapshot_sha256").unique().sort().str.join(","),
        )
        .rename({"geo_id": "tract"})
        .with_columns(county=pl.col("tract").str.head(5))
        .sort("vintage", "tract")
    )


def _rows(measured: pl.DataFrame, tracts: pl.DataFrame, value: str, se: str | None) -> pl.DataFrame:
    """Rows as `FRAME` declares from one row a county; why there is no value stands in the note."""
    about = tracts.group_by("county").agg(
        pl.col("vintage").first(),
        pl.col("period").first(),
        pl.col("snapshot_sha256").unique().sort().str.join(","),
    )
    numbers = {"value": pl.col(value).clip(0, 1), "se": pl.col(se) if se else pl.lit(None)}
    return framed(
        measured.join(about, on="county").select(
            "vintage",
            "snapshot_sha256",
            **numbers,
            geo_id="county",
            period="vintage",
            source_period="period",
            note=pl.format("not measurable: {}", "reason"),
        )
    )


def _each_vintage(
    tables: Inputs, cells: tuple[str, ...], measure: Callable[[pl.DataFrame], pl.DataFrame], value: str, se: str | None
) -> pl.DataFrame:
    """Rows as `FRAME` declares of what is measured county by county over the tracts of each vintage."""
    vintages = by_tract(tables[TRACTS], cells).partition_by("vintage", maintain_order=True)
    return pl.concat([_rows(measure(tracts), tracts, value, se) for tracts in vintages])


@indicator(
    id="segregation_theil_share",
    title="Segregation of Black and White residents",
    topic="context",
    definition="Theil's information theory index H of people in households, Black alone and White alone, over the "
    "county's tracts, less what sampling adds: 0 where each tract is mixed like the county, 1 where none is mixed.",
    universe="People in households of one race, Black or White.",
    numerator=BLACK,
    denominator=WHITE,
    direction=0,
    unit="share",
    error="declared",
    tables=(TRACTS,),
    compares_groups=True,
    reference=f"{_RACISM} Theil & Finizza 1971; Reardon & Firebaugh 2002; corrected after Allen et al. 2015.",
    bias=f"{_BIAS} It depends on how large each group is, so it describes; it is less biased than dissimilarity where "
    "segregation is slight.",
)
def segregation_theil_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The error is the spread of H over redraws of the counts with their margins."""
    from models.engine.segregation import corrected_theil_h

    def measure(tracts: pl.DataFrame) -> pl.DataFrame:
        return corrected_theil_h(
            tracts,
            area="county",
            unit="tract",
            groups=[f"{BLACK}_e", f"{WHITE}_e"],
            moes=[f"{BLACK}_m", f"{WHITE}_m"],
            seed=SEED,
            n_draws=N_DRAWS,
        )

    return _each_vintage(tables, (BLACK, WHITE), measure, "theil_h_corrected", "standard_error")


@indicator(
    id="dissimilarity_black_white_share",
    title="Dissimilarity of Black and White residents",
    topic="systemic_risk",
    definition="Share of Black or of White people in households who would have to move to another tract for both to be "
    "spread alike, less what sampling adds.",
    universe="People in households of one race, Black or White.",
    numerator=BLACK,
    denominator=WHITE,
    direction=+1,
    unit="share",
    error="declared",
    tables=(TRACTS,),
    compares_groups=True,
    reference=f"{_RACISM} Massey & Denton 1988; density correction of Allen et al. 2015.",
    bias=f"{_BIAS} Where both groups are spread evenly about half of the excess remains.",
)
def dissimilarity_black_white_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The one measure that no group's share as such moves; its error is the spread over redraws of the counts."""
    from models.engine.segregation import corrected_dissimilarity

    def measure(tracts: pl.DataFrame) -> pl.DataFrame:
        return corrected_dissimilarity(
            tracts,
            area="county",
            unit="tract",
            group=f"{BLACK}_e",
            reference=f"{WHITE}_e",
            group_moe=f"{BLACK}_m",
            reference_moe=f"{WHITE}_m",
            seed=SEED,
            n_draws=N_DRAWS_OF_ERROR,
        )

    return _each_vintage(tables, (BLACK, WHITE), measure, "dissimilarity_corrected", "standard_error")


@indicator(
    id="black_isolation_share",
    title="Isolation of Black residents",
    topic="context",
    definition="Share of Black people among people in households of the tract of the average Black resident.",
    universe="People in households.",
    numerator=BLACK,
    denominator=EVERYBODY,
    direction=0,
    unit="share",
    error="none",
    tables=(TRACTS,),
    reference=f"{_RACISM} Massey & Denton 1988.",
    bias="Depends on how large the group is, so it describes and enters no index. Not given under 1,000 members or "
    "five tracts; its error is not computed.",
)
def black_isolation_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Isolation xPx; under the limits of the corrected measures, because it is inflated where they are not given."""
    from models.engine.segregation import MIN_MEMBERS, MIN_UNITS, isolation

    group, total = pl.col(f"{BLACK}_e"), pl.col(f"{EVERYBODY}_e")

    def measure(tracts: pl.DataFrame) -> pl.DataFrame:
        # A sampled total can fall short of one of its parts.
        return (
            tracts.group_by("county")
            .agg(isolation=isolation(group, pl.max_horizontal(group, total)), members=group.sum(), n=(total > 0).sum())
            .with_columns(
                reason=pl.when(pl.col("n") < MIN_UNITS)
                .then(pl.lit(f"fewer than {MIN_UNITS} small units"))
                .when(pl.col("members") < MIN_MEMBERS)
                .then(pl.lit(f"fewer than {MIN_MEMBERS:,} members"))
            )
            .with_columns(isolation=pl.when(pl.col("reason").is_null()).then("isolation"))
            .sort("county")
        )

    return _each_vintage(tables, (BLACK, EVERYBODY), measure, "isolation", None)


def _cells(table: str, first: int, last: int) -> str:
    return "+".join(f"{table}_{line:03d}" for line in range(first, last + 1))


def concentration(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Privileged less deprived over everybody, as an indicator's numerator and denominator declare.

    The difference of two shares of one whole, each with the error of a proportion and taken as independent, as the
    Bureau advises for parts of a table.
    """
    figures = acs.figures(tables, this)
    (plus, minus), total = _signed(this.numerator), this.denominator
    shares = [acs.share(figures, part, total) for part in ("+".join(plus), "+".join(minus))]
    keys = ["geo_level", "geo_id", "period"]
    both = shares[0].join(shares[1].select(*keys, less="value", less_se="se"), on=keys)
    return both.with_columns(
        value=pl.col("value") - pl.col("less"), se=(pl.col("se") ** 2 + pl.col("less_se") ** 2).sqrt()
    ).drop("less", "less_se")


def _signed(expression: str) -> tuple[list[str], list[str]]:
    found = acs.terms(expression)
    return [cell for sign, cell in found if sign > 0], [cell for sign, cell in found if sign < 0]


@indicator(
    id="income_extremes_gap",
    title="Concentration of high and low incomes",
    topic="systemic_risk",
    definition="Households with $100,000 or more less those with less than $25,000, over households: 1 where all are "
    "rich, -1 where all are poor.",
    universe="Households.",
    numerator=f"{_cells('B19001', 14, 17)}-{_cells('B19001', 2, 5).replace('+', '-')}",
    denominator="B19001_001",
    direction=-1,
    unit="gap",
    error="moe",
    tables=acs.TABLES,
    levels=("county", "coc"),
    reference="Massey 2001, in Does It Take a Village?; Krieger et al. 2016, Am. J. Public Health 106:256 (ICE).",
    bias="The limits are those of Krieger et al., near the nation's fifths of 2010: prices have risen since. "
    "Correlates with poverty, which other members count.",
)
def income_extremes_gap(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The index of concentration at the extremes for incomes, which compares no groups."""
    return concentration(tables, this)


@indicator(
    id="racial_extremes_gap",
    title="Concentration of White and Black residents",
    topic="context",
    definition="White alone less Black alone, both not Hispanic, over everybody: 1 where all are White, -1 where all "
    "are Black.",
    universe="Total population.",
    numerator="B03002_003-B03002_004",
    denominator="B03002_001",
    direction=0,
    unit="gap",
    error="moe",
    tables=(acs.TABLE,),
    compares_groups=True,
    reference="Krieger et al. 2016, Am. J. Public Health 106:256 (ICE).",
    bias="Says who lives in a place, and so describes and enters no index. Counts all residents, prisoners among them.",
)
def racial_extremes_gap(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Described because the literature does; a racial share is never a risk."""
    return concentration(tables, this)
