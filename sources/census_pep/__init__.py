"""PEP: the Census Bureau's yearly population estimates of counties, by age and sex, and by race and Hispanic origin."""

from collections.abc import Mapping, Sequence

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources import archive
from sources.census_pep.columns import read_columns
from sources.source import ParseError, RawFile, Request, Source, Vintage, fetch_addresses
from sources.tabular import ROW, refuse

_ROOT = "https://www2.census.gov/programs-surveys/popest/datasets"

# Publisher's (total, men, women) -> our band. The file has some thirty bands; these are the ones that concern youth.
_BANDS = {
    ("POPESTIMATE", "POPEST_MALE", "POPEST_FEM"): "all",
    **{
        (f"{name}_TOT", f"{name}_MALE", f"{name}_FEM"): band
        for name, band in {
            "AGE04": "0-4",
            "AGE59": "5-9",
            "AGE1014": "10-14",
            "AGE1519": "15-19",
            "AGE2024": "20-24",
            "AGE513": "5-13",
            "AGE1417": "14-17",
            "AGE1824": "18-24",
            "AGE18PLUS": "18+",
        }.items()
    },
}
# AGEGRP counts bands of five years; those from 25 on are left out.
_AGE_GROUPS = {"0": "all", "1": "0-4", "2": "5-9", "3": "10-14", "4": "15-19", "5": "20-24"}
_RACES = {
    "TOT": "all",
    "BA": "black_alone",
    "BAC": "black_combination",
    "IAC": "aian_combination",
    "NHWA": "white_nonhispanic",
    "H": "hispanic",
}
_KEYS = ("SUMLEV", "STATE", "COUNTY", "CTYNAME", "YEAR")

_PLACE = (
    VINTAGE,
    PERIOD,
    Column(
        "reference_date",
        pl.String,
        "The day that the figures describe: 1 April 2020 for the estimates base, else 1 July.",
        nullable=False,
        pattern=r"^\d{4}-0[47]-01$",
    ),
    Column(
        "basis",
        pl.String,
        "`base`: the population of 1 April 2020 from which the estimates start; `estimate`: of 1 July of a year.",
        nullable=False,
        allowed=("base", "estimate"),
    ),
    geo_level("county"),
    geo_id("county"),
    GEO_NAME,
)
_NO_TREND = (
    "Each vintage revises all its years: compare years within a vintage only. Both the base and an estimate describe "
    "2020. Connecticut has planning regions. No error is published."
)


def _count(name: str, who: str) -> Column:
    return Column(name, pl.Int64, f"Resident population: {who}.", unit="persons", nullable=False, minimum=0)


def _age_band(bands: Sequence[str]) -> Column:
    return Column(
        "age_band",
        pl.String,
        "Completed years of age, both ends included; `all` is everybody. Bands overlap: never add them up blindly.",
        nullable=False,
        allowed=tuple(bands),
    )


AGE_SEX = Table(
    key="core.census_pep_county_age_sex",
    title="Population estimates by county, age and sex",
    description="Resident population by county, band of age and sex, one row a county, day and band. Only everybody, "
    f"adults and the bands up to 24 years are held; the publisher's file has more. {_NO_TREND}",
    columns=(
        *_PLACE,
        _age_band(tuple(_BANDS.values())),
        _count("count", "both sexes"),
        _count("male_count", "men and boys"),
        _count("female_count", "women and girls"),
        SNAPSHOT,
    ),
    primary_key=("vintage", "reference_date", "geo_id", "age_band"),
    may_be_empty=True,
)
RACE = Table(
    key="core.census_pep_county_race",
    title="Population estimates by county, age, sex and race or Hispanic origin",
    description="Resident population by county, band of age, sex and race or origin, one row a county, day, band and "
    "group. Groups overlap (Hispanic people are of any race; `combination` counts people of several races in each): "
    "never add groups. Only everybody and the bands up to 24 years are held, and six of the publisher's groups. "
    f"{_NO_TREND}",
    columns=(
        *_PLACE,
        _age_band(tuple(_AGE_GROUPS.values())),
        Column(
            "race_group",
            pl.String,
            "`all`; Black alone; Black, or American Indian and Alaska Native, alone or in combination with other "
            "races; white alone and not Hispanic; Hispanic of any race.",
            nullable=False,
            allowed=tuple(_RACES.values()),
        ),
        _count("male_count", "men and boys"),
        _count("female_count", "women and girls"),
        SNAPSHOT,
    ),
    primary_key=("vintage", "reference_date", "geo_id", "age_band", "race_group"),
    may_be_empty=True,
)


def _numbers(file: RawFile, frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    for name in columns:
        refuse(file, frame, pl.col(name).cast(pl.Int64, strict=False).is_null(), "must be a whole number", name)
    return frame.with_columns(pl.col(columns).cast(pl.Int64))


def _placed(file: RawFile, frame: pl.DataFrame, rows_a_day: int) -> pl.DataFrame:
    """With vintage, period, day and county; every county has all days of its vintage.

    YEAR is a code: 1 is the estimates base of 1 April 2020, 2 the estimate of 1 July 2020, and so on to the vintage
    (the publisher's layout of CC-EST{vintage}; vintages of this decade only).
    """
    last = int(file.vintage) - 2018
    code = pl.col("YEAR").cast(pl.Int64, strict=False)
    refuse(file, frame, pl.col("SUMLEV").str.zfill(3) != "050", "must be of counties (SUMLEV 050)", "SUMLEV")
    rule = f"must be a code of 1 to {last} in vintage {file.vintage}"
    refuse(file, frame, ~code.is_between(1, last).fill_null(False), rule, "YEAR")
    year = pl.when(code == 1).then(2020).otherwise(code + 2018).cast(pl.String)
    placed = frame.with_columns(
        vintage=pl.lit(file.vintage),
        period=year,
        reference_date=year + pl.when(code == 1).then(pl.lit("-04-01")).otherwise(pl.lit("-07-01")),
        basis=pl.when(code == 1).then(pl.lit("base")).otherwise(pl.lit("estimate")),
        geo_level=pl.lit("county"),
        geo_id=pl.col("STATE").str.zfill(2) + pl.col("COUNTY").str.zfill(3),
        geo_name=pl.col("CTYNAME"),
    )
    whole = last * rows_a_day
    for county, rows, row in placed.group_by("geo_id").agg(pl.len(), pl.col(ROW).max()).sort(ROW).iter_rows():
        if rows != whole:
            rule = f"county {county} must have {whole} rows, but has {rows}: rows are lost or stand twice"
            raise ParseError(file.label, rule, row=row)
    return placed


def _by_age_and_sex(file: RawFile) -> pl.DataFrame:
    figures = [name for columns in _BANDS for name in columns]
    frame = _placed(file, _numbers(file, read_columns(file, [*_KEYS, *figures]), figures), rows_a_day=1)
    for total, male, female in _BANDS:
        refuse(
            file, frame, pl.col(total) != pl.col(male) + pl.col(female), f"must be {male} and {female} together", total
        )
    place = [column.name for column in _PLACE]
    return pl.concat(
        frame.select(
            *place,
            pl.lit(band).alias("age_band"),
            pl.col(total).alias("count"),
            pl.col(male).alias("male_count"),
            pl.col(female).alias("female_count"),
        )
        for (total, male, female), band in _BANDS.items()
    )


def _by_race(file: RawFile) -> pl.DataFrame:
    figures = ["TOT_POP", *(f"{race}_{sex}" for race in _RACES for sex in ("MALE", "FEMALE"))]
    frame = read_columns(file, [*_KEYS, "AGEGRP", *figures])
    group = pl.col("AGEGRP").cast(pl.Int64, strict=False)
    refuse(file, frame, ~group.is_between(0, 18).fill_null(False), "must be a code of 0 to 18", "AGEGRP")
    youth = frame.filter(group <= max(int(code) for code in _AGE_GROUPS))
    youth = _placed(file, _numbers(file, youth, figures), rows_a_day=len(_AGE_GROUPS))
    total = pl.col("TOT_MALE") + pl.col("TOT_FEMALE")
    refuse(file, youth, pl.col("TOT_POP") != total, "must be TOT_MALE and TOT_FEMALE together", "TOT_POP")
    bands: Mapping[str, str] = _AGE_GROUPS
    youth = youth.with_columns(age_band=pl.col("AGEGRP").cast(pl.Int64).cast(pl.String).replace_strict(bands))
    place = [column.name for column in _PLACE]
    return pl.concat(
        youth.select(
            *place,
            "age_band",
            pl.lit(group).alias("race_group"),
            pl.col(f"{race}_MALE").alias("male_count"),
            pl.col(f"{race}_FEMALE").alias("female_count"),
        )
        for race, group in _RACES.items()
    )


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read `cc-est{Y}-agesex-all.csv`, the same in a zip, or `cc-est{Y}-alldata.csv`.

    Raises:
        ParseError: no CSV in the publisher's layout, a figure that is no whole number, a YEAR code that the vintage
            cannot have, a county without all its rows, or a total that is not men and women.
    """
    if file.name.endswith(".zip"):
        return {AGE_SEX.key: _by_age_and_sex(archive.read_member(file, f"cc-est{file.vintage}-agesex-all.csv"))}
    if file.name.endswith("-agesex-all.csv"):
        return {AGE_SEX.key: _by_age_and_sex(file)}
    return {RACE.key: _by_race(file)}


def _folder(vintage: str) -> str:
    return f"{_ROOT}/2020-{vintage}/counties/asrh"


def _addresses(vintage: str) -> list[Request]:
    names = (f"cc-est{vintage}-agesex-all.csv", f"cc-est{vintage}-alldata.csv")
    # The file by race was 105 MB in vintage 2025.
    return [Request(name, f"{_folder(vintage)}/{name}", "csv", max_bytes=500_000_000) for name in names]


def _probe(vintage: str) -> Request:
    # Delaware's three counties, published beside the file of the nation and in its layout.
    address = f"{_folder(vintage)}/cc-est{vintage}-agesex-10.csv"
    return Request(f"cc-est{vintage}-agesex-all.csv", address, "csv")


SOURCE = Source(
    id="census_pep",
    title="Population Estimates Program, county characteristics",
    publisher="US Census Bureau",
    licence="Public domain (work of the US government)",
    citation="US Census Bureau, Population Division, Annual County Resident Population Estimates by Age, Sex, Race, "
    "and Hispanic Origin.",
    landing_page="https://www.census.gov/programs-surveys/popest.html",
    cadence="yearly, in June",
    cadence_days=400,
    vintages=(
        Vintage("2023", live=False),
        Vintage("2024", live=False),
        # The day is inferred from earlier vintages, which came out in the last week of June.
        Vintage("2025", released="2026-06-25"),
    ),
    tables=(AGE_SEX, RACE),
    files={
        AGE_SEX.key: ("cc-est????-agesex-all.csv", "cc-est????-agesex-all.zip"),
        RACE.key: ("cc-est????-alldata.csv",),
    },
    parse=parse,
    fetch=fetch_addresses(_addresses),
    probe=_probe,
)
