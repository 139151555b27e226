"""District profile sheets: what a school district needs beside its name to apply for federal prevention grants.

Every agency that runs schools in the region has a row. Charters and districts without ground of their own stand
with their hosts; none of them is ranked, and the poverty of residents is not theirs.
"""

import polars as pl

from models.decisions.decision import Decision, Found, Inputs, Place
from models.decisions.schools import ENROLMENT, enrolled
from models.geography.layers import LAYERS
from models.geography.published import CROSSWALK
from models.geography.sizes import newest
from models.indicators.assemble import AbsentPart
from quality.columns import geo_id, geo_level, measured
from quality.contract import Column, Table

SAIPE, GRADUATION = "core.census_saipe_district", "core.ed_acgr_district"
STUDENTS, DIRECTORY = "core.ed_homeless_students_district", "core.nces_ccd_district"
TO_COUNTY, TO_HOST, HOSTED = "district_county", "lea_host", "host"

_FILES = {
    SAIPE: ("children and poor children", "census_saipe/2023/ussd23.xls"),
    GRADUATION: ("graduation", "ed_acgr"),
    STUDENTS: ("homeless students", "ed_homeless_students"),
    ENROLMENT: ("enrolment", "nces_ccd/2024"),
}


def _persons(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit="persons", minimum=0)


TABLE = Table(
    key="decision.districts",
    title="School districts, a profile each",
    description="One row a school district or other agency that runs schools in the region. Children are residents and "
    "known for districts with ground of their own; pupils are those who attend. Elementary and high-school districts "
    "lie on the same ground: never add the children of two layers. Whether a district crosses a threshold of Title I "
    "stands in the allocation. Nothing here is ranked, and an agency without ground is no place.",
    columns=(
        geo_level("school_district"),
        geo_id("school_district"),
        Column("geo_name", pl.String, "Name of the district."),
        Column("layer", pl.String, "Layer of the district, where it is known.", allowed=LAYERS),
        Column("has_territory", pl.Boolean, "Whether the Census knows ground of its own.", nullable=False),
        Column("host_ids", pl.String, "Districts on whose ground an agency without its own lies."),
        Column("county_ids", pl.String, "Counties that it lies in with the share of its children, the largest first."),
        Column("n_counties", pl.Int64, "In how many counties it lies.", nullable=False, minimum=0, unit="counties"),
        Column("agency_type", pl.Int64, "1 regular, 7 charter; see core.nces_ccd_district."),
        Column("lowest_grade", pl.Int64, "Lowest grade; -1 prekindergarten, 0 kindergarten."),
        Column("highest_grade", pl.Int64, "Highest grade."),
        _persons("children_5_17_count", "Children of 5 to 17 who live in the district."),
        _persons("poor_children_5_17_count", "Of these, related children in families in poverty; without an error."),
        Column("poor_children_share", pl.Float64, "The second over the first.", unit="share, 0 to 1", minimum=0,
               maximum=1),
        Column("children_period", pl.String, "The year of these."),
        *measured("enrolment_count", "Pupils enrolled.", "pupils"),
        *measured("graduation_share", "Pupils of a cohort who graduated within four years.", "share, 0 to 1",
                  maximum=1),
        Column("graduation_period", pl.String, "The school year of the graduation rate."),
        *measured("homeless_students_count", "Homeless students.", "pupils"),
        Column("homeless_students_period", pl.String, "The school year of the homeless students."),
        Column("note", pl.String, "What else to mind."),
        Column(
            "snapshot_sha256", pl.String,
            "SHA-256 of the publisher's files, see meta.snapshots; null where only geography.crosswalk lists it.",
        ),
        Column("is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.",
               nullable=False),
    ),
    primary_key=("geo_id",),
    may_be_empty=True,
)  # fmt: skip


def _listed(inputs: Inputs, counties: pl.DataFrame) -> pl.DataFrame:
    """Every agency of the region: geo_id, has_territory, layer, county_ids, n_counties, office county, names."""
    weights = inputs[CROSSWALK.key].filter(pl.col("crosswalk_id") == TO_COUNTY).rename({"from_id": "geo_id"})
    inside = weights.filter(pl.col("to_id").is_in(counties["geo_id"].implode()))["geo_id"].unique()
    parts = weights.filter(pl.col("geo_id").is_in(inside.implode())).sort(
        ["geo_id", "weight", "to_id"], descending=[False, True, False]
    )
    text = pl.format("{} {} %", "to_id", (100 * pl.col("weight")).round(1))
    mapped = parts.group_by("geo_id", maintain_order=True).agg(
        county_ids=text.str.join("; "),
        n_counties=pl.len(),
        has_territory=(pl.col("basis") != HOSTED).all(),
        layer=pl.col("from_layer").drop_nulls().first(),
    )
    directory = newest(inputs[DIRECTORY])
    office = directory.filter(pl.col("county_id").is_in(counties["geo_id"].implode()))
    alone = office.filter(~pl.col("geo_id").is_in(inside.implode())).select(
        "geo_id",
        county_ids=pl.format("{} (office)", "county_id"),
        n_counties=pl.lit(0, dtype=pl.UInt32),
        has_territory=pl.lit(False),
        layer=pl.lit(None, dtype=pl.String),
    )
    return pl.concat([mapped, alone.unique("geo_id")])


def _hosts(crosswalk: pl.DataFrame) -> pl.DataFrame:
    found = crosswalk.filter(pl.col("crosswalk_id") == TO_HOST).sort("from_id", "to_id")
    return found.group_by("from_id", maintain_order=True).agg(host_ids=pl.col("to_id").str.join(", "))


def _children(saipe: pl.DataFrame) -> pl.DataFrame:
    count, poor = pl.col("population_5_17_count"), pl.col("poverty_5_17_related_count")
    return newest(saipe).select(
        "geo_id",
        saipe_name="geo_name",
        children_5_17_count=count,
        poor_children_5_17_count=poor,
        poor_children_share=pl.when(count > 0).then((poor / count).clip(0, 1)),
        children_period="period",
        of_children="snapshot_sha256",
    )


def _graduation(acgr: pl.DataFrame) -> pl.DataFrame:
    figures = [f"graduation_share{part}" for part in ("", "_lower", "_upper", "_kind")]
    every = acgr.filter(pl.col("subgroup") == "all")
    last = every.sort("vintage", "period").group_by("geo_id", maintain_order=True).last()
    return last.select("geo_id", *figures, graduation_period="period", of_graduation="snapshot_sha256")


def _students(students: pl.DataFrame) -> pl.DataFrame:
    every = students.filter(pl.col("subgroup") == "all")
    last = every.sort("vintage", "period").group_by("geo_id", maintain_order=True).last()
    # Nobody identified is read as missing: it says how well a district looks, not that nobody is homeless.
    kind = pl.when((pl.col("count_kind") == "exact") & (pl.col("count") == 0)).then(pl.lit("missing"))
    last = last.with_columns(kind=kind.otherwise("count_kind"))
    count = pl.when(pl.col("kind") == "exact").then("count")
    return last.select(
        "geo_id",
        homeless_students_count=count,
        homeless_students_count_lower=count,
        homeless_students_count_upper=count,
        homeless_students_count_kind="kind",
        homeless_students_period="period",
        of_students="snapshot_sha256",
    )


def _pupils(enrolment: pl.DataFrame) -> pl.DataFrame:
    whole = enrolled(enrolment.filter(pl.col("school_id") == "all"))
    return whole.drop("school_id").rename({"district_id": "geo_id"})


def _note() -> pl.Expr:
    no_ground = pl.when(~pl.col("has_territory"))
    spans = pl.when((pl.col("n_counties") > 1) & pl.col("has_territory"))
    return pl.concat_str(
        no_ground.then(
            pl.lit("no ground of its own: its pupils live in its hosts' or elsewhere; never a place to rank")
        ),
        spans.then(pl.lit("in several counties: a county's part is the weight times the count")),
        pl.when(pl.col("homeless_students_count_kind") == "suppressed").then(
            pl.lit("the publisher withholds its homeless students")
        ),
        separator="; ",
        ignore_nulls=True,
    ).replace("", None)


def compute(inputs: Inputs, place: Place) -> Found:
    """A row for every agency that has ground, a host or its office in a county of the region."""
    listed = _listed(inputs, place.counties)
    directory = newest(inputs[DIRECTORY]).select(
        "geo_id",
        "agency_type",
        "lowest_grade",
        "highest_grade",
        ccd_name="geo_name",
        of_directory="snapshot_sha256",
    )
    kinds = [f"{name}_kind" for name in ("enrolment_count", "graduation_share", "homeless_students_count")]
    rows = listed.join(_hosts(inputs[CROSSWALK.key]), left_on="geo_id", right_on="from_id", how="left")
    for part in (
        directory,
        _children(inputs[SAIPE]),
        _pupils(inputs[ENROLMENT]),
        _graduation(inputs[GRADUATION]),
        _students(inputs[STUDENTS]),
    ):
        rows = rows.join(part, on="geo_id", how="left")
    files = ["of_directory", "of_children", "of_pupils", "of_graduation", "of_students"]
    table = (
        rows.with_columns(pl.col(kind).fill_null("missing") for kind in kinds)
        .with_columns(
            geo_level=pl.lit("school_district"),
            geo_name=pl.coalesce("saipe_name", "ccd_name"),
            snapshot_sha256=pl.concat_str(*files, separator=",", ignore_nulls=True).replace("", None),
            is_simulated=pl.lit(place.is_simulated),
        )
        .with_columns(note=_note())
    )
    absent = [
        AbsentPart(f"{TABLE.key} of {what}", f"no landed file has {what} by district", file)
        for key, (what, file) in _FILES.items()
        if inputs[key].is_empty()
    ]
    return Found({TABLE.key: TABLE.conform(table.select(TABLE.column_names))}, absent)


DECISION = Decision(
    id="districts",
    tables=(TABLE,),
    reads=(CROSSWALK.key, DIRECTORY, SAIPE, ENROLMENT, GRADUATION, STUDENTS),
    compute=compute,
)
