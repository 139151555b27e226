"""Populations that other sources than the ACS count: poverty, school, homelessness, care, and one publication."""

from collections.abc import Mapping

import polars as pl

from models.decisions.population_acs import COUNTED, counted
from models.decisions.population_registry import LGBTQ_BY_STATE, LGBTQ_CITATION
from models.engine.margins import total

PEP = "core.census_pep_county_age_sex"
SAIPE_COUNTY, SAIPE_DISTRICT = "core.census_saipe_county", "core.census_saipe_district"
STUDENTS_COUNTY, STUDENTS_DISTRICT = "core.ed_homeless_students_county", "core.ed_homeless_students_district"
NIGHTS = "indicator.homeless_under_25_count"
FOSTER, AFCARS, CWO = "core.foster_county_count", "core.acf_afcars_state", "core.acf_cwo_state"
SOURCES = (PEP, SAIPE_COUNTY, SAIPE_DISTRICT, STUDENTS_COUNTY, STUDENTS_DISTRICT, NIGHTS, FOSTER, AFCARS, CWO)

FILES = {
    "low_income_youth_5_17": "census_saipe/2023/est23all.xls",
    "homeless_students": "ed_homeless_students/2022",
    "homeless_youth_under_25": "hud_pit/2025/2007-2025-PIT-Counts-by-CoC.xlsb",
    "youth_in_foster_care": "acf_afcars/2021",
    "aging_out": "acf_cwo/2024/foster_care_aging_out_2024.csv",
}
"""What would bring a population that no landed file counts."""
_FILES_BY_LEVEL = {
    ("youth_in_foster_care", "county"): "foster_county/2025/county_foster_care_mo.csv",
    ("low_income_youth_5_17", "school_district"): "census_saipe/2023/ussd23.xls",
    ("homeless_students", "school_district"): None,
}


def file_for(population_id: str, level: str, files: Mapping[str, str]) -> str | None:
    """The file that would bring a population at a level; None where several could, or none is known.

    Args:
        files: by population, for counties.
    """
    if (population_id, level) in _FILES_BY_LEVEL:
        return _FILES_BY_LEVEL[population_id, level]
    return None if level == "school_district" else files.get(population_id)


_IN_CARE = "Number in foster care on September 30"
_AGED_OUT = "Number of Children Exiting to Emancipation"
_PEP_NOTE = "a population estimate to which surveys are controlled; no error of it is published"
_LIAISON = "counts how well schools find homeless pupils; Missouri and Illinois are not like for like"

Tables = Mapping[str, pl.DataFrame]


def count_others(tables: Tables) -> pl.DataFrame:
    """Rows as `COUNTED` declares of every population that the tables of `SOURCES` count; any of them may be empty."""
    return pl.concat(
        [
            _estimates(tables[PEP]),
            _poor_by_county(tables[SAIPE_COUNTY]),
            _poor_by_district(tables[SAIPE_DISTRICT]),
            _students_by_county(tables[STUDENTS_COUNTY]),
            _students_by_district(tables[STUDENTS_DISTRICT]),
            _homeless_on_a_night(tables[NIGHTS]),
            _in_care_by_county(tables[FOSTER]),
            _in_care_by_state(tables[AFCARS]),
            _aged_out(tables[CWO]),
            _lgbtq(),
        ]
    )


def _newest(frame: pl.DataFrame, *by: str) -> pl.DataFrame:
    """The rows of the newest vintage, and in it of the newest period, of each area or of all."""
    for name in ("vintage", "period"):
        newest = pl.col(name).max()
        frame = frame.filter(pl.col(name) == (newest.over(by) if by else newest))
    return frame


def _estimates(pep: pl.DataFrame) -> pl.DataFrame:
    """Young people of whole ages out of the bands of the population estimates, which overlap."""
    wide = _newest(pep.filter(pl.col("basis") == "estimate"))
    if wide.is_empty():
        return pl.DataFrame(schema=COUNTED)
    keys = ["geo_level", "geo_id", "vintage", "period", "snapshot_sha256"]
    wide = wide.pivot("age_band", index=keys, values="count")
    sums = {
        "under_18": (("all",), ("18+",)),
        "youth_10_17": (("5-13", "14-17"), ("5-9",)),
        "youth_10_24": (("10-14", "15-19", "20-24"), ()),
    }
    frames = [pl.DataFrame(schema=COUNTED)]
    for population, (plus, minus) in sums.items():
        if not {"all", *plus, *minus} <= set(wide.columns):
            continue
        count = total([*map(pl.col, plus), *(-pl.col(name) for name in minus)])
        share = pl.when(pl.col("all") > 0).then(count / pl.col("all"))
        rows = wide.select(
            *keys,
            population_id=pl.lit(population),
            count=count,
            count_lower=count,
            count_upper=count,
            universe_count=pl.col("all"),
            rate=share,
            rate_lower=share,
            rate_upper=share,
            interval=pl.lit("exact"),
            note=pl.lit(_PEP_NOTE),
        )
        frames.append(counted(rows))
    return pl.concat(frames)


def _poor_by_county(saipe: pl.DataFrame) -> pl.DataFrame:
    name = "poverty_5_17_related"
    count, share = pl.col(f"{name}_count"), pl.col(f"{name}_share")
    return counted(
        _newest(saipe).select(
            "geo_level",
            "geo_id",
            "vintage",
            "period",
            "snapshot_sha256",
            population_id=pl.lit("low_income_youth_5_17"),
            count=count,
            count_lower=f"{name}_count_lower",
            count_upper=f"{name}_count_upper",
            universe_count=pl.when(share > 0).then((count / share).round(0)),
            rate=share,
            rate_lower=f"{name}_share_lower",
            rate_upper=f"{name}_share_upper",
            interval=pl.lit("sampling"),
            note=pl.lit("a model's estimate; the children behind the rate are count over rate"),
        )
    )


def _poor_by_district(saipe: pl.DataFrame) -> pl.DataFrame:
    count, children = pl.col("poverty_5_17_related_count"), pl.col("population_5_17_count")
    return counted(
        _newest(saipe).select(
            "geo_level",
            "geo_id",
            "vintage",
            "period",
            "snapshot_sha256",
            population_id=pl.lit("low_income_youth_5_17"),
            count=count,
            universe_count=children,
            rate=pl.when(children > 0).then((count / children).clip(0, 1)),
            interval=pl.lit("none"),
            note=pl.lit("a model's estimate without a published error; the rate is of all children of 5 to 17"),
        )
    )


def _students_by_county(students: pl.DataFrame) -> pl.DataFrame:
    """Bounds are suppressed districts, not error; nobody identified, or nothing reported, is missing."""
    frame = _newest(students)
    has_any = (pl.col("count_published") > 0) & pl.col("count_kind").is_in(["exact", "interval"])
    published = pl.when(has_any).then("count_published")
    per_student = pl.col("share_published") / pl.col("count_published")
    between = pl.format(
        f"{{}} to {{}}: districts that the publisher withholds count as one each; {_LIAISON}",
        pl.col("count_lower").cast(pl.Int64),
        pl.col("count_upper").cast(pl.Int64),
    )
    is_withheld = pl.col("count_kind") == "suppressed"
    return counted(
        frame.select(
            "geo_level",
            "geo_id",
            "vintage",
            "period",
            "snapshot_sha256",
            population_id=pl.lit("homeless_students"),
            count=published,
            count_lower=pl.when(has_any).then("count_lower"),
            count_upper=pl.when(has_any).then("count_upper"),
            universe_count=pl.when(has_any & (per_student > 0)).then((1 / per_student).round(0)),
            rate=pl.when(has_any).then("share_published"),
            rate_lower=pl.when(has_any).then(per_student * pl.col("count_lower")),
            rate_upper=pl.when(has_any).then((per_student * pl.col("count_upper")).clip(0, 1)),
            interval=pl.lit("bounds"),
            is_withheld=is_withheld,
            note=pl.when(is_withheld)
            .then(pl.lit("the publisher withholds it"))
            .when(~has_any)
            .then(pl.lit("fewer than ten pupils, nobody identified, or nothing reported: not a zero"))
            .when(pl.col("count_kind") == "interval")
            .then(between)
            .otherwise(pl.lit(_LIAISON)),
        )
    )


def _students_by_district(students: pl.DataFrame) -> pl.DataFrame:
    frame = _newest(students.filter(pl.col("subgroup") == "all"))
    is_known = (pl.col("count_kind") == "exact") & (pl.col("count") > 0)
    is_withheld = pl.col("count_kind") == "suppressed"
    published = pl.when(is_known).then("count")
    return counted(
        frame.select(
            "geo_level",
            "geo_id",
            "vintage",
            "period",
            "snapshot_sha256",
            population_id=pl.lit("homeless_students"),
            count=published,
            count_lower=published,
            count_upper=published,
            interval=pl.lit("bounds"),
            is_withheld=is_withheld,
            note=pl.when(is_withheld)
            .then(pl.lit("the publisher withholds it"))
            .when(~is_known)
            .then(pl.lit("nobody identified, or nothing reported: not a zero"))
            .otherwise(pl.lit(f"no rate: pupils of the same year are not at hand; {_LIAISON}")),
        )
    )


def _homeless_on_a_night(nights: pl.DataFrame) -> pl.DataFrame:
    """The indicator's newest mean of years; its interval holds the swing between years, not the undercount."""
    frame = nights.filter((pl.col("geo_level") == "coc") & pl.col("value").is_not_null())
    frame = frame.filter(pl.col("period") == pl.col("period").max().over("geo_id"))
    own = pl.lit("people under 25 without an older adult on one night; holds nothing of the undercount")
    return counted(
        frame.select(
            "geo_level",
            "geo_id",
            "vintage",
            "snapshot_sha256",
            population_id=pl.lit("homeless_youth_under_25"),
            count="value",
            count_lower="value_lower",
            count_upper="value_upper",
            period=pl.coalesce("source_period", "period"),
            interval=pl.lit("sampling"),
            note=pl.concat_str(own, "note", separator="; ", ignore_nulls=True),
        )
    )


def _in_care_by_county(foster: pl.DataFrame) -> pl.DataFrame:
    """The newest year of each county; documents count in their own ways, so one county is never a sum of two."""
    named = (pl.col("measure") == "in_care") & (pl.col("category") == "Total") & (pl.col("geo_level") == "county")
    one = foster.filter(named).sort("vintage", "period", "source_document")
    frame = one.group_by("geo_id", maintain_order=True).last()
    is_known = pl.col("count_kind") == "exact"
    text = "in care on the last day of the year by {}; documents count in their own ways"
    return counted(
        frame.select(
            "geo_level",
            "geo_id",
            "vintage",
            "period",
            "snapshot_sha256",
            population_id=pl.lit("youth_in_foster_care"),
            count="count",
            count_lower="count_lower",
            count_upper="count_upper",
            interval=pl.when(is_known).then(pl.lit("exact")).otherwise(pl.lit("bounds")),
            is_withheld=pl.col("count_kind").is_in(["suppressed", "interval"]),
            note=pl.when(is_known)
            .then(pl.format(text, "source_document"))
            .otherwise(pl.lit("the publisher withholds the exact number")),
        )
    )


def _state(frame: pl.DataFrame, population: str, note: str) -> pl.DataFrame:
    is_known = pl.col("count_kind") == "exact"
    return counted(
        frame.select(
            "geo_level",
            "geo_id",
            "vintage",
            "period",
            "snapshot_sha256",
            population_id=pl.lit(population),
            count="count",
            count_lower="count",
            count_upper="count",
            interval=pl.lit("exact"),
            is_withheld=pl.col("count_kind") == "suppressed",
            note=pl.when(is_known).then(pl.lit(note)).otherwise(pl.lit("the publisher gives no number")),
        )
    )


def _in_care_by_state(afcars: pl.DataFrame) -> pl.DataFrame:
    frame = afcars.filter((pl.col("section") == "glance") & (pl.col("measure") == _IN_CARE))
    return _state(_newest(frame, "geo_id"), "youth_in_foster_care", "of the whole state, on 30 September")


def _aged_out(cwo: pl.DataFrame) -> pl.DataFrame:
    frame = cwo.filter(pl.col("measure") == _AGED_OUT)
    return _state(
        _newest(frame, "geo_id"), "aging_out", "of the whole state, in the year; never divided among counties"
    )


def _lgbtq() -> pl.DataFrame:
    """A publication's estimates; nothing of it is landed, so there is no snapshot."""
    rows = pl.DataFrame({"geo_id": list(LGBTQ_BY_STATE), "count": [float(count) for count in LGBTQ_BY_STATE.values()]})
    return counted(
        rows.with_columns(
            geo_level=pl.lit("state"),
            population_id=pl.lit("lgbtq_13_17"),
            interval=pl.lit("none"),
            period=pl.lit("2020"),
            vintage=pl.lit("2020"),
            note=pl.lit(
                f"a model's estimate for the whole state without an interval, never divided among counties "
                f"({LGBTQ_CITATION})"
            ),
        )
    )
