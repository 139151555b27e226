"""`analyst.reconciliation`: what two sources say of one thing, side by side.

Publishers correct, round, divide and model in different ways, so figures differ rightly; by how much is declared in
`thresholds.yaml` with a reason. A pair is outside where the gap between both 90 % intervals is larger than that: each
figure then lies outside the interval of the other. A finding is a question to a person; nothing is stopped, and no
figure is replaced by another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from models.decisions.decision import Decision, Found, Inputs, Place
from models.decisions.population_acs import summed
from models.decisions.thresholds import tolerances
from models.engine.margins import proportion_moe
from models.geography.published import CROSSWALK
from models.indicators.assemble import AbsentPart
from quality.columns import geo_id, geo_level
from quality.contract import Column, Table

SAIPE, ACS = "core.census_saipe_county", "core.census_acs5_county"
SAIPE_DISTRICT = "core.census_saipe_district"
PIT_COC, PIT_STATE = "core.hud_pit_coc", "core.hud_pit_state"
HIC_COC, HIC_STATE = "core.hud_hic_coc", "core.hud_hic_state"
STUDENTS_COUNTY, STUDENTS_DISTRICT = "core.ed_homeless_students_county", "core.ed_homeless_students_district"
TO_COUNTY = "district_county"
LEVELS = ("county", "state")
EXACT = "exact"

POOR_CHILDREN = tuple(f"B17001_{n:03d}" for n in (*range(4, 10), *range(18, 24)))
"""Boys and girls under 18 below the poverty level (B17001, ACS 5-year table shells)."""
OTHER_CHILDREN = tuple(f"B17001_{n:03d}" for n in (*range(33, 39), *range(47, 53)))
"""Boys and girls under 18 at or above it."""
POOR, PERSONS, MEDIAN_INCOME = "B17001_002", "B17001_001", "B19013_001"

TABLE = Table(
    key="analyst.reconciliation",
    title="Two sources on one thing",
    description="One row a comparison, area, measure and period: two figures, their intervals, the difference, and "
    "whether the gap between the intervals is within a declared tolerance. Over all areas at hand, not the region "
    "alone. geo_level, geo_id and the periods lead to the rows of table_a and table_b. A row that is outside asks a "
    "person to look; it stops nothing. See docs/quality.md.",
    columns=(
        Column("comparison_id", pl.String, "What is compared with what.", nullable=False),
        geo_level(*LEVELS),
        geo_id(*LEVELS),
        Column("measure", pl.String, "The measure.", nullable=False),
        Column("period_a", pl.String, "Period of the first figure.", nullable=False),
        Column("period_b", pl.String, "Period of the second: the same, or the nearest at hand.", nullable=False),
        Column("table_a", pl.String, "Table of the first figure.", nullable=False),
        Column("table_b", pl.String, "Table of the second figure.", nullable=False),
        Column("figure_a", pl.Float64, "The first figure, or the sum of its known parts."),
        Column("figure_a_lower", pl.Float64, "Lower bound of its 90 % interval; the figure where none is known."),
        Column("figure_a_upper", pl.Float64, "Upper bound; null where parts of a sum are not known."),
        Column("n_parts", pl.Int64, "Parts that were summed; 1 for a figure that stands alone.", minimum=0),
        Column("n_parts_known", pl.Int64, "Those of them that are known.", minimum=0),
        Column("figure_b", pl.Float64, "The second figure."),
        Column("figure_b_lower", pl.Float64, "Lower bound, likewise."),
        Column("figure_b_upper", pl.Float64, "Upper bound, likewise."),
        Column("difference", pl.Float64, "figure_a - figure_b; null where parts of a sum are not known."),
        Column("gap", pl.Float64, "What lies between both intervals; 0 where they touch.", minimum=0),
        Column("tolerance", pl.Float64, "How large the gap may be.", minimum=0),
        Column("is_within", pl.Boolean, "Whether the gap is within; null where either figure is not known."),
        Column("reason", pl.String, "Why the tolerance stands where it stands.", nullable=False),
        Column("sentence", pl.String, "The finding in a sentence.", nullable=False),
        Column("snapshot_sha256", pl.String, "SHA-256 of the publishers' files; see meta.snapshots."),
        Column(
            "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
        ),
    ),
    primary_key=("comparison_id", "geo_level", "geo_id", "measure", "period_a"),
    may_be_empty=True,
)  # fmt: skip

_A = ("figure_a", "figure_a_lower", "figure_a_upper")
_B = ("figure_b", "figure_b_lower", "figure_b_upper")
_SIDE = {
    "geo_level": pl.String, "geo_id": pl.String, "measure": pl.String, "period": pl.String, "figure": pl.Float64,
    "lower": pl.Float64, "upper": pl.Float64, "n_parts": pl.Int64, "n_parts_known": pl.Int64,
    "snapshot_sha256": pl.String,
}  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """One pair of sources; each side is a frame of `_SIDE`.

    Args:
        max_years: by how many years the nearest period of the second side may lie away from the middle of the first.
    """

    id: str
    a: str
    b: str
    sides: Callable[[Inputs], tuple[pl.DataFrame, pl.DataFrame]]
    max_years: float = 0.0


def _alone(frame: pl.DataFrame, **columns: pl.Expr) -> pl.DataFrame:
    """A side of figures that stand alone."""
    one = {"n_parts": pl.lit(1, pl.Int64), "n_parts_known": pl.col("figure").is_not_null().cast(pl.Int64)}
    return frame.with_columns(**columns).with_columns(**one).select(*_SIDE).cast(_SIDE)  # type: ignore[arg-type]


def _newest(frame: pl.DataFrame, *keys: str) -> pl.DataFrame:
    """Each row of the newest vintage: later ones repeat earlier periods, corrected."""
    return frame.sort("vintage").unique([*keys, "period"], keep="last", maintain_order=True)


def _files() -> pl.Expr:
    return pl.col("snapshot_sha256").drop_nulls().unique().sort().str.join(",")


def _summed(parts: pl.DataFrame, by: Sequence[str], *, is_withheld: bool = False) -> pl.DataFrame:
    """A side of sums: `figure` is each part or null; a sum with unknown parts has a lower bound only.

    Args:
        is_withheld: whether parts are unknown because their publisher withholds them: what is left of them beside
            the whole would give them back, so such a sum is not given at all.
    """
    sums = parts.group_by(by).agg(
        figure=pl.col("figure").sum(),
        n_parts=pl.len().cast(pl.Int64),
        n_parts_known=pl.col("figure").count().cast(pl.Int64),
        snapshot_sha256=_files(),
    )
    known, is_whole = pl.col("n_parts_known") > 0, pl.col("n_parts") == pl.col("n_parts_known")
    return (
        sums.with_columns(figure=pl.when(is_whole if is_withheld else known).then("figure"))
        .with_columns(lower=pl.col("figure"), upper=pl.when(is_whole).then("figure"))
        .select(*_SIDE)
        .cast(_SIDE)  # type: ignore[arg-type]
    )


# --- SAIPE and the ACS ---------------------------------------------------------------------------------------


def _saipe(inputs: Inputs, column: str, level: str = "county", measure: str | None = None) -> pl.DataFrame:
    rows = _newest(inputs[SAIPE].filter(pl.col("geo_level") == level), "geo_id")
    return _alone(
        rows,
        measure=pl.lit(measure or column),
        figure=pl.col(column),
        lower=pl.coalesce(f"{column}_lower", column),
        upper=pl.coalesce(f"{column}_upper", column),
    )


def _cells(inputs: Inputs, cells: Sequence[str]) -> pl.DataFrame:
    """Counties wide by cell, estimate and margin: only periods in which every cell is at hand."""
    keys = ["geo_level", "geo_id", "period"]
    found = inputs[ACS].filter((pl.col("geo_level") == "county") & pl.col("cell").is_in(cells))
    whole = found.group_by("period").agg(n=pl.col("cell").n_unique()).filter(pl.col("n") == len(cells))
    rows = _newest(found.join(whole, on="period", how="semi"), "geo_id", "cell")
    if rows.is_empty():
        return pl.DataFrame()
    files = rows.group_by(keys).agg(snapshot_sha256=_files())
    wide = rows.pivot("cell", index=keys, values=["estimate", "moe"])
    return wide.join(files, on=keys)


def _acs_share(inputs: Inputs, top: Sequence[str], rest: Sequence[str], measure: str) -> pl.DataFrame:
    """A share of the ACS with its margin; `rest` and `top` make up the whole, or `rest` is the whole."""
    wide = _cells(inputs, [*top, *rest])
    if wide.is_empty():
        return pl.DataFrame(schema=_SIDE)
    is_total = len(rest) == 1
    bottom = rest if is_total else [*top, *rest]

    (n, n_moe), (d, d_moe) = summed(top), summed(bottom)
    share = wide.with_columns(n=n, d=d, n_moe=n_moe, d_moe=d_moe).with_columns(
        figure=pl.when(pl.col("d") > 0).then(pl.col("n") / pl.col("d")),
        half=proportion_moe(pl.col("n"), pl.col("d"), pl.col("n_moe"), pl.col("d_moe")),
    )
    return _alone(
        share,
        measure=pl.lit(measure),
        lower=pl.coalesce((pl.col("figure") - pl.col("half")).clip(0, 1), "figure"),
        upper=pl.coalesce((pl.col("figure") + pl.col("half")).clip(0, 1), "figure"),
    )


def _acs_income(inputs: Inputs) -> pl.DataFrame:
    wide = _cells(inputs, [MEDIAN_INCOME])
    if wide.is_empty():
        return pl.DataFrame(schema=_SIDE)
    column = "estimate" if "estimate" in wide.columns else f"estimate_{MEDIAN_INCOME}"
    margin = "moe" if "moe" in wide.columns else f"moe_{MEDIAN_INCOME}"
    figure, moe = pl.col(column), pl.col(margin).fill_null(0.0)
    # Its dollars are those of the last year of the period.
    return _alone(
        wide,
        measure=pl.lit("median_household_income_usd"),
        period=pl.col("period").str.tail(4),
        figure=figure,
        lower=figure - moe,
        upper=figure + moe,
    )


# --- parts and wholes ----------------------------------------------------------------------------------------


def _hud(inputs: Inputs, coc: str, state: str, measures: Mapping[str, str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Counts by Continuum of Care summed by the state that its code begins with, and the state's own.

    Args:
        measures: names in the table by Continuum of Care, to those in the table by state.
    """
    theirs = inputs[state].filter((pl.col("geo_level") == "state") & pl.col("measure").is_in(list(measures.values())))
    theirs = _newest(theirs, "geo_id", "measure")
    codes = theirs.select(code="publisher_code", state_id="geo_id").unique()
    mine = (
        _newest(inputs[coc].filter(pl.col("measure").is_in(list(measures))), "publisher_code", "measure")
        .with_columns(pl.col("measure").replace(measures), code=pl.col("publisher_code").str.head(2))
        .join(codes, on="code")
        .select("period", "measure", "snapshot_sha256", geo_level=pl.lit("state"), geo_id="state_id", figure="count")
    )
    whole = theirs.with_columns(figure=pl.col("count"), lower=pl.col("count"), upper=pl.col("count"))
    return _summed(mine, ["geo_level", "geo_id", "measure", "period"]), _alone(whole)


PIT_MEASURES = {
    "Overall Homeless": "Overall Homeless",
    "Homeless Unaccompanied Youth (Under 25)": "Overall Homeless Unaccompanied Youth (Under 25)",
}
HIC_MEASURES = {"Total Year-Round Beds (ES, TH, SH)": "Total Year-Round Beds (ES, TH, SH)"}


def _to_county(districts: pl.DataFrame, crosswalk: pl.DataFrame) -> pl.DataFrame:
    """District counts (geo_id, figure, period, snapshot_sha256) divided among counties; a withheld one stays null."""
    weights = crosswalk.filter(pl.col("crosswalk_id") == TO_COUNTY).select(geo_id="from_id", to_id="to_id", w="weight")
    return districts.join(weights, on="geo_id").select(
        "period",
        "snapshot_sha256",
        geo_level=pl.lit("county"),
        geo_id="to_id",
        figure=pl.col("figure") * pl.col("w"),
    )


_POOR_PUPILS = "poverty_5_17_related_count"


def _districts_state(inputs: Inputs) -> tuple[pl.DataFrame, pl.DataFrame]:
    parts = _newest(inputs[SAIPE_DISTRICT], "geo_id").select(
        "period",
        "snapshot_sha256",
        geo_level=pl.lit("state"),
        geo_id=pl.col("geo_id").str.head(2),
        measure=pl.lit(_POOR_PUPILS),
        figure=pl.col(_POOR_PUPILS).cast(pl.Float64),
    )
    return _summed(parts, ["geo_level", "geo_id", "measure", "period"]), _saipe(inputs, _POOR_PUPILS, "state")


def _districts_county(inputs: Inputs) -> tuple[pl.DataFrame, pl.DataFrame]:
    figures = _newest(inputs[SAIPE_DISTRICT], "geo_id").with_columns(figure=pl.col(_POOR_PUPILS).cast(pl.Float64))
    parts = _to_county(figures, inputs[CROSSWALK.key]).with_columns(measure=pl.lit(_POOR_PUPILS))
    return _summed(parts, ["geo_level", "geo_id", "measure", "period"]), _saipe(inputs, _POOR_PUPILS)


def _students(inputs: Inputs) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Homeless pupils by district and by county; where a district is withheld the two are not set side by side."""
    districts = _newest(inputs[STUDENTS_DISTRICT].filter(pl.col("subgroup") == "all"), "geo_id")
    figures = districts.with_columns(figure=pl.when(pl.col("count_kind") == EXACT).then("count"))
    parts = _to_county(figures, inputs[CROSSWALK.key]).with_columns(measure=pl.lit("homeless_students"))
    county = _newest(inputs[STUDENTS_COUNTY], "geo_id")
    return _summed(parts, ["geo_level", "geo_id", "measure", "period"], is_withheld=True), _alone(
        county,
        measure=pl.lit("homeless_students"),
        figure=pl.coalesce("count", (pl.col("count_lower") + pl.col("count_upper")) / 2),
        lower=pl.col("count_lower"),
        upper=pl.col("count_upper"),
    )


COMPARISONS = (
    Comparison(
        "saipe_acs_child_poverty", ACS, SAIPE, max_years=2,
        sides=lambda given: (_acs_share(given, POOR_CHILDREN, OTHER_CHILDREN, "child_poverty_share"),
                             _saipe(given, "poverty_0_17_share", measure="child_poverty_share")),
    ),
    Comparison(
        "saipe_acs_poverty", ACS, SAIPE, max_years=2,
        sides=lambda given: (_acs_share(given, [POOR], [PERSONS], "poverty_all_ages_share"),
                             _saipe(given, "poverty_all_ages_share")),
    ),
    Comparison(
        "saipe_acs_income", ACS, SAIPE,
        sides=lambda given: (_acs_income(given), _saipe(given, "median_household_income_usd")),
    ),
    Comparison("pit_coc_state", PIT_COC, PIT_STATE, lambda given: _hud(given, PIT_COC, PIT_STATE, PIT_MEASURES)),
    Comparison("hic_coc_state", HIC_COC, HIC_STATE, lambda given: _hud(given, HIC_COC, HIC_STATE, HIC_MEASURES)),
    Comparison("saipe_district_state", SAIPE_DISTRICT, SAIPE, _districts_state, max_years=1),
    Comparison("saipe_district_county", SAIPE_DISTRICT, SAIPE, _districts_county, max_years=1),
    Comparison("homeless_students_district_county", STUDENTS_DISTRICT, STUDENTS_COUNTY, _students),
)  # fmt: skip
"""Every pair of sources that is compared."""

_KEYS = ["geo_level", "geo_id", "measure"]


def _middle(period: str) -> pl.Expr:
    """The middle of a period such as 2019-2023 or 2023."""
    first, last = (pl.col(period).str.extract(pattern).cast(pl.Float64) for pattern in (r"(\d{4})", r"(\d{4})$"))
    return (first + last) / 2


def _nearest(a: pl.DataFrame, b: pl.DataFrame, max_years: float) -> pl.DataFrame:
    """Each first figure beside the second of the same area whose period is nearest; of two as near, the later."""
    first = a.rename({"figure": _A[0], "lower": _A[1], "upper": _A[2], "period": "period_a", "snapshot_sha256": "of_a"})
    second = b.drop("n_parts", "n_parts_known").rename(
        {"figure": _B[0], "lower": _B[1], "upper": _B[2], "period": "period_b", "snapshot_sha256": "of_b"}
    )
    pairs = first.join(second, on=_KEYS).with_columns(away=(_middle("period_a") - _middle("period_b")).abs())
    near = pairs.filter(pl.col("away") <= max_years).sort("away", "period_b", descending=[False, True])
    return near.unique([*_KEYS, "period_a"], keep="first", maintain_order=True)


def _judge(pairs: pl.DataFrame, comparison: Comparison) -> pl.DataFrame:
    """The rows of `TABLE` of one comparison."""
    allowed = tolerances()[comparison.id]
    is_known = pl.col(_A[0]).is_not_null() & pl.col(_B[0]).is_not_null()
    is_whole = pl.col("n_parts") == pl.col("n_parts_known")
    # A sum without all its parts may be any number above: only too much of it can be seen.
    below = pl.when(is_whole).then(pl.col(_B[1]) - pl.col(_A[2])).otherwise(0.0)
    gap = pl.max_horizontal(pl.lit(0.0), pl.col(_A[1]) - pl.col(_B[2]), below)
    tolerance = pl.max_horizontal(pl.lit(float(allowed.absolute)), allowed.relative * pl.col(_B[0]).abs())
    judged = pairs.with_columns(
        difference=pl.when(is_whole).then(pl.col(_A[0]) - pl.col(_B[0])),
        gap=pl.when(is_known).then(gap),
        tolerance=pl.when(is_known).then(tolerance),
    ).with_columns(is_within=pl.col("gap") <= pl.col("tolerance") + 1e-12)

    def number(name: str) -> pl.Expr:
        value = pl.col(name)
        small = value.round(3).cast(pl.String)
        return pl.when(value.abs() < 10).then(small).otherwise(value.round(0).cast(pl.Int64, strict=False))

    verdict = (
        pl.when(~is_known)
        .then(pl.lit("one of both is not known"))
        .when(pl.col("is_within"))
        .then(pl.lit("within the tolerance"))
        .otherwise(pl.format("a gap of {} beyond both intervals, where {} is allowed", number("gap"),
                             number("tolerance")))
    )  # fmt: skip
    partial = pl.when(is_whole).then(pl.lit("")).otherwise(
        pl.format(" (of {} parts {} are known: at least)", "n_parts", "n_parts_known")
    )  # fmt: skip
    sentence = pl.format(
        "{} of {} {}: {} says {}{} ({}), {} says {} ({}): {}.",
        "measure", "geo_level", "geo_id", pl.lit(comparison.a), number(_A[0]).fill_null("nothing"), partial, "period_a",
        pl.lit(comparison.b), number(_B[0]).fill_null("nothing"), "period_b", verdict,
    )  # fmt: skip
    return judged.with_columns(
        comparison_id=pl.lit(comparison.id),
        table_a=pl.lit(comparison.a),
        table_b=pl.lit(comparison.b),
        reason=pl.lit(allowed.reason),
        sentence=sentence,
        snapshot_sha256=pl.concat_str("of_a", "of_b", separator=",", ignore_nulls=True),
    )


def reconcile(inputs: Inputs, *, is_simulated: bool) -> tuple[pl.DataFrame, list[AbsentPart]]:
    """The rows of `TABLE`, and the comparisons that could not be made.

    Args:
        inputs: the tables by key.
    """
    found, absent = [], []
    for comparison in COMPARISONS:
        first, second = comparison.sides(inputs)
        pairs = _nearest(first, second, comparison.max_years)
        if pairs.is_empty():
            absent.append(_why_absent(comparison, first, second))
            continue
        found.append(
            _judge(pairs, comparison).with_columns(is_simulated=pl.lit(is_simulated)).select(TABLE.column_names)
        )
    return TABLE.conform(pl.concat(found) if found else TABLE.empty()), absent


def _why_absent(comparison: Comparison, first: pl.DataFrame, second: pl.DataFrame) -> AbsentPart:
    empty = [key for key, side in ((comparison.a, first), (comparison.b, second)) if side.is_empty()]
    reason = (
        f"{' and '.join(empty)} has not the figures that are compared"
        if empty
        else f"{comparison.a} and {comparison.b} have no area in common within {comparison.max_years:g} years"
    )
    return AbsentPart(f"{TABLE.key}.{comparison.id}", reason, None)


def _compute(inputs: Inputs, place: Place) -> Found:
    table, absent = reconcile(inputs, is_simulated=place.is_simulated)
    return Found({TABLE.key: table}, absent)


DECISION = Decision(
    "reconciliation",
    (TABLE,),
    (
        SAIPE, ACS, SAIPE_DISTRICT, PIT_COC, PIT_STATE, HIC_COC, HIC_STATE, STUDENTS_COUNTY, STUDENTS_DISTRICT,
        CROSSWALK.key,
    ),
    _compute,
)  # fmt: skip
