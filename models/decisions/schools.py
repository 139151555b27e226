"""Outreach: middle and high schools where need is greatest, with how sure that is, and what the school itself tells.

A school inherits the rank of the county where it stands, not a score of its own; its pupils may live elsewhere.
"""

import polars as pl

from models.decisions.decision import Decision, Found, Inputs, Place
from models.geography.sizes import newest
from models.indicators.assemble import AbsentPart
from quality.columns import GEO_NAME, geo_id, measured
from quality.contract import Column, Table

SCHOOLS, ENROLMENT = "core.nces_ccd_school", "core.nces_ccd_enrolment"
LUNCH, SCORES, ELSI = "core.nces_ccd_school_lunch", "risk.scores", "core.nces_ccd_elsi_school"
INDEX = "priority"
FILE = "nces_ccd/2024/schools/directory/2023/page-1.json"
MIDDLE, HIGH = 2, 3
CLOSED = (2, 6, 7)
"""Status of schools that are closed, inactive or to be opened."""
FIRST_MIDDLE_GRADE, LAST_GRADE = 7, 13
"""A school of other levels counts where it teaches grade 7; 14 and above are no grades."""
LEVELS = {0: "prekindergarten", 1: "primary", MIDDLE: "middle", HIGH: "high"}
OTHER = "other"
KINDS = {2: "special education", 3: "vocational", 4: "alternative", 5: "a programme"}


def _rank(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit="rank, 1 = greatest need", minimum=1)


def _share(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit="share, 0 to 1", minimum=0, maximum=1)


TABLE = Table(
    key="decision.schools",
    title="Schools for outreach",
    description="Middle and high schools of the region, in order of the need of their county and, inside it, of their "
    "own. Rank, tier and chances are the county's by the priority index; they say nothing of the school. Lunch "
    "eligibility measures income, and schools that feed all pupils report it in other ways: compare inside one state. "
    "Not for discipline, policing or the choice of pupils.",
    columns=(
        Column("school_id", pl.String, "NCES id of the school, 12 digits.", nullable=False, pattern=r"^\d{12}$"),
        Column("district_id", pl.String, "NCES id of the district that runs it."),
        geo_id("county"),
        GEO_NAME,
        Column("school_name", pl.String, "Name of the school."),
        Column("school_level", pl.String, "Level by the directory.", allowed=(*LEVELS.values(), OTHER)),
        Column("lowest_grade", pl.Int64, "Lowest grade; -1 prekindergarten, 0 kindergarten."),
        Column("highest_grade", pl.Int64, "Highest grade."),
        *measured("enrolment_count", "Pupils enrolled.", "pupils"),
        _share("school_need_share", "Pupils eligible for free or reduced-price lunch over pupils enrolled."),
        _share("school_need_share_lower", "The least that the two cells allow."),
        _share("school_need_share_upper", "The most that the two cells allow."),
        _rank("area_rank", "Rank of the county by the priority index, among the region's."),
        _rank("area_rank_p05", "Lower bound of its 90 % interval."),
        _rank("area_rank_p95", "Upper bound of its 90 % interval."),
        Column("area_p_top_10", pl.Float64, "Chance that the county is among the ten of greatest need.", minimum=0,
               maximum=1, unit="probability"),
        Column("area_tier", pl.Int64, "Tier of the county; 1 = greatest need.", minimum=1, unit="tier"),
        Column("outreach_order", pl.Int64, "Order: mean rank of the county, then the school's own share, then its "
               "size; what is unknown comes last. Order inside a county is not need that is known to differ.",
               nullable=False, minimum=1),
        Column("note", pl.String, "What else to mind."),
        Column("vintage", pl.String, "Release of the directory.", nullable=False),
        Column("snapshot_sha256", pl.String, "SHA-256 of the publisher's files; see meta.snapshots.", nullable=False),
        Column("is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.",
               nullable=False),
    ),
    primary_key=("school_id",),
    may_be_empty=True,
)  # fmt: skip


def is_open() -> pl.Expr:
    """Whether a school of the directory is open; one without a status is taken to be."""
    return ~pl.col("school_status").is_in(CLOSED).fill_null(False)


def is_middle_or_high() -> pl.Expr:
    """Whether a school is a middle or high school, or teaches grade 7 as the schools of small districts do."""
    by_level = pl.col("school_level").is_in([MIDDLE, HIGH])
    return (by_level | pl.col("highest_grade").is_between(FIRST_MIDDLE_GRADE, LAST_GRADE)).fill_null(False)


def enrolled(enrolment: pl.DataFrame) -> pl.DataFrame:
    """Pupils of all kinds by school_id and district_id, with bounds, kind and file."""
    total = (pl.col("race") == "total") & (pl.col("sex") == "total")
    figures = [f"enrolment_count{part}" for part in ("", "_lower", "_upper", "_kind")]
    return newest(enrolment.filter(total)).select("school_id", "district_id", *figures, of_pupils="snapshot_sha256")


def _lunch(lunch: pl.DataFrame) -> pl.DataFrame:
    eligible = newest(lunch.filter(pl.col("program") == "free_or_reduced_price"))
    return eligible.select(
        "school_id",
        eligible="student_count",
        eligible_lower="student_count_lower",
        eligible_upper="student_count_upper",
        of_lunch="snapshot_sha256",
    )


def _over(top: str, bottom: str) -> pl.Expr:
    return pl.when(pl.col(bottom) > 0).then((pl.col(top) / pl.col(bottom)).clip(0, 1))


def _note() -> pl.Expr:
    kind = pl.col("school_type").replace_strict(KINDS, default=None, return_dtype=pl.String)
    return pl.concat_str(
        kind,
        pl.when(pl.col("charter") == 1).then(pl.lit("charter school")),
        pl.when(pl.col("virtual") == 1).then(pl.lit("online: its pupils live elsewhere")),
        pl.when(pl.col("school_need_share_upper").is_null()).then(pl.lit("lunch eligibility is not reported")),
        pl.when(pl.col("area_rank").is_null()).then(pl.lit("the county has no rank")),
        separator="; ",
        ignore_nulls=True,
    ).replace("", None)


def _areas(scores: pl.DataFrame, counties: pl.DataFrame) -> pl.DataFrame:
    mine = scores.filter((pl.col("index_id") == INDEX) & (pl.col("geo_level") == "county"))
    ranked = mine.select(
        "geo_id",
        "rank_mean",
        area_rank="rank",
        area_rank_p05="rank_p05",
        area_rank_p95="rank_p95",
        area_p_top_10="p_top_10",
        area_tier="tier",
    )
    return counties.select("geo_id", "geo_name").join(ranked, on="geo_id", how="left")


def compute(inputs: Inputs, place: Place) -> Found:
    """Every open middle and high school that stands in a county of the region, the greatest need first."""
    directory = newest(inputs[SCHOOLS]).rename({"county_id": "geo_id"})
    chosen = directory.filter(is_open() & is_middle_or_high())
    here = chosen.join(_areas(inputs[SCORES], place.counties), on="geo_id")
    pupils = enrolled(inputs[ENROLMENT]).drop("district_id")
    known = here.join(pupils, on="school_id", how="left").join(_lunch(inputs[LUNCH]), on="school_id", how="left")
    files = pl.concat_str("snapshot_sha256", "of_pupils", "of_lunch", separator=",", ignore_nulls=True)
    rows = known.with_columns(
        school_level=pl.when(pl.col("school_level").is_not_null()).then(
            pl.col("school_level").replace_strict(LEVELS, default=OTHER, return_dtype=pl.String)
        ),
        enrolment_count_kind=pl.col("enrolment_count_kind").fill_null("missing"),
        school_need_share=_over("eligible", "enrolment_count"),
        school_need_share_lower=_over("eligible_lower", "enrolment_count_upper"),
        school_need_share_upper=_over("eligible_upper", "enrolment_count_lower"),
        snapshot_sha256=files,
        is_simulated=pl.lit(place.is_simulated),
    ).with_columns(note=_note())
    ordered = rows.sort(
        "rank_mean",
        "school_need_share",
        "enrolment_count",
        "school_id",
        descending=[False, True, True, False],
        nulls_last=True,
    ).with_row_index("outreach_order", offset=1)
    table = TABLE.conform(ordered.select(TABLE.column_names))
    return Found({TABLE.key: table}, _absent(inputs))


def _absent(inputs: Inputs) -> list[AbsentPart]:
    absent = []
    if inputs[SCHOOLS].is_empty():
        has_elsi = "; the ELSI file has neither level nor grades" if inputs[ELSI].height else ""
        reason = f"no directory of schools with level and grades was landed{has_elsi}"
        absent.append(AbsentPart(TABLE.key, reason, FILE))
    return absent


DECISION = Decision(
    id="schools",
    tables=(TABLE,),
    reads=(SCHOOLS, ENROLMENT, LUNCH, ELSI, SCORES),
    compute=compute,
)
