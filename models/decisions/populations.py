"""Priority populations: for each area count and rate of the young people whom the fund puts first, and how sure.

Every area has a row for every population: what is withheld, missing or known for larger areas alone says so and is
never zero. Groups overlap, so nothing here is added over groups; `sum_areas` adds one group over areas.
"""

from typing import NamedTuple

import polars as pl

from models.decisions.decision import Decision, Found, Inputs, Place
from models.decisions.population_acs import COUNTED, count_acs
from models.decisions.population_counts import FILES, SOURCES, count_others, file_for
from models.decisions.population_registry import (
    LEVELS,
    POPULATIONS,
    Population,
    PopulationError,
    all_cells,
    are_disjoint,
    published,
    refuse_overlap,
)
from models.decisions.population_status import (
    CV_CAUTION,
    CV_WITHHELD,
    MIN_COUNT,
    STATUSES,
    guard_universes,
    judge,
    protect,
    sums_of,
)
from models.decisions.population_sums import AreaSum, sum_areas
from models.geography.areas import ACS_AREA
from models.geography.places import region_areas
from models.geography.published import CROSSWALK
from models.indicators.assemble import AbsentPart
from quality.columns import GEO_NAME, geo_id, geo_level
from quality.contract import Column, Table

__all__ = [
    "DECISION",
    "POPULATIONS",
    "TABLE",
    "AreaSum",
    "PopulationError",
    "all_cells",
    "are_disjoint",
    "refuse_overlap",
    "sum_areas",
]

ACS_COUNTY, ACS_DISTRICT = "core.census_acs5_county", "core.census_acs5_district"
COCS = "core.hud_pit_coc"
"""Lists the Continuums of Care with their names."""
_AREA_ID = geo_id(*LEVELS)
_LEVEL_NAMES = {
    "county": "county",
    "school_district": "school district",
    "coc": "Continuum of Care",
    "service_area": "service area",
    "state": "state",
}


def _persons(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit="persons", minimum=0)


def _rate(name: str, description: str) -> Column:
    return Column(name, pl.Float64, description, unit="share, 0 to 1", minimum=0, maximum=1)


TABLE = Table(
    key="decision.populations",
    title="Priority populations",
    description="One row an area and population: how many young people of each group live there, and what share they "
    "are, with 90 % intervals. Groups overlap: NEVER add counts of two populations. Every area has a row for every "
    f"population. Withheld are counts below {MIN_COUNT}, counts of which the coefficient of variation is above "
    f"{100 * CV_WITHHELD:.0f} %, and those with which a withheld one could be computed; above {100 * CV_CAUTION:.0f} % "
    "a count is to be used with caution; these limits are this project's choice. What is known of a whole state or "
    "Continuum of Care is not divided among its counties. Children who are not citizens are not published unless the "
    "registry turns them on. Counts of agencies measure what agencies do, and count children where they were placed.",
    columns=(
        geo_level(*LEVELS),
        _AREA_ID,
        GEO_NAME,
        Column("population_id", pl.String, "The population; see docs/populations.md.", nullable=False),
        Column("title", pl.String, "Who is counted.", nullable=False),
        _persons("count", "How many; null where it is withheld or missing."),
        _persons("count_lower", "Lower bound of the 90 % interval, or the least that suppression leaves open."),
        _persons("count_upper", "Upper bound of the 90 % interval, or the most that suppression leaves open."),
        _persons("universe_count", "How many people the rate is a share of."),
        _rate("rate", "count over universe_count."),
        _rate("rate_lower", "Lower bound of the rate, as of the count."),
        _rate("rate_upper", "Upper bound of the rate, as of the count."),
        Column("rate_of", pl.String, "The people whom the rate is a share of; null where there is no rate."),
        Column(
            "status",
            pl.String,
            "ok; caution: unsure; withheld: known but not shown, by the publisher or the stated rule; missing: nobody "
            "counts it here.",
            nullable=False,
            allowed=STATUSES,
        ),
        Column("reason", pl.String, "Why it is withheld, missing or unsure, and what else to mind."),
        Column("period", pl.String, "The time that the count describes."),
        Column("vintage", pl.String, "The publisher's release."),
        Column("snapshot_sha256", pl.String, "SHA-256 of the publisher's files behind the row; see meta.snapshots."),
        Column(
            "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
        ),
    ),
    primary_key=("geo_level", "geo_id", "population_id"),
)


class _Areas(NamedTuple):
    """geo_level, geo_id, geo_name of all areas; and of those made of counties geo_level, geo_id, county_id, weight."""

    listed: pl.DataFrame
    members: pl.DataFrame


def _areas(inputs: Inputs, counties: pl.DataFrame) -> _Areas:
    """The region's counties, districts with ground of their own, Continuums of Care, service areas and states."""
    crosswalk = inputs[CROSSWALK.key]
    to_coc = crosswalk.filter((pl.col("from_level") == "county") & (pl.col("to_level") == "coc"))
    to_coc = to_coc.filter(pl.col("vintage") == pl.col("vintage").max())
    to_service = crosswalk.filter(pl.col("to_level") == "service_area")
    newest = pl.concat([crosswalk.filter(pl.col("from_level") == "school_district"), to_coc, to_service])
    named = ["geo_level", "geo_id", "geo_name"]
    districts = pl.concat([inputs[key].select(named) for key in ("core.census_saipe_district", ACS_DISTRICT)])
    made = pl.concat([inputs[COCS].select(named), inputs[ACS_AREA.key].select(named)])
    lists = {"school_district": districts, "coc": made, "service_area": made}
    found = region_areas(lists, newest, counties)
    states = counties["geo_id"].str.head(2).unique().sort()
    names = pl.concat([inputs[key].select(named) for key in ("core.acf_afcars_state", "core.acf_cwo_state")])
    names = names.unique("geo_id", keep="first", maintain_order=True).select("geo_id", "geo_name")
    found["state"] = pl.DataFrame({"geo_id": states}).join(names, on="geo_id", how="left")
    listed = pl.concat(
        [
            frame.select(geo_level=pl.lit(level), geo_id="geo_id", geo_name=pl.col("geo_name").cast(pl.String))
            for level, frame in {"county": counties, **found}.items()
        ]
    )
    weights = pl.concat([to_coc, to_service]).filter(pl.col("weight") > 0)
    # Of two crosswalks of one vintage the finer one was summed; which counties take part is the same in both.
    members = weights.sort("crosswalk_id").unique(["from_id", "to_id"], keep="last", maintain_order=True)
    inside = members.select(geo_level="to_level", geo_id="to_id", county_id="from_id", weight="weight")
    return _Areas(listed, inside.join(listed, on=["geo_level", "geo_id"], how="semi"))


def _count(inputs: Inputs, areas: _Areas) -> tuple[pl.DataFrame, dict[str, str]]:
    """Every count of the region's areas, one a population and area; and by population the file that could bring it."""
    by_cell = [population for population in published().values() if population.numerator]
    columns = ["vintage", "period", "geo_level", "geo_id", "cell", "estimate", "moe", "snapshot_sha256"]
    wanted = pl.col("cell").is_in(all_cells())
    acs = pl.concat(
        [
            inputs[key].filter(wanted).select(columns).join(areas.listed, on=["geo_level", "geo_id"], how="semi")
            for key in (ACS_COUNTY, ACS_DISTRICT, ACS_AREA.key)
        ]
    )
    own, missing = count_acs(acs, by_cell)
    declared = pl.DataFrame(
        [(level, one.id) for one in published().values() for level in one.levels],
        schema=["geo_level", "population_id"],
        orient="row",
    )
    others = count_others(inputs).join(areas.listed, on=["geo_level", "geo_id"], how="semi")
    others = others.join(declared, on=["geo_level", "population_id"], how="semi")
    # Sources are never mixed within a level: a population is the survey's there, or another's.
    taken = own.filter(pl.col("count").is_not_null()).select("geo_level", "population_id").unique()
    others = others.join(taken, on=["geo_level", "population_id"], how="anti")
    own = own.join(others.select("geo_level", "population_id").unique(), on=["geo_level", "population_id"], how="anti")
    return _with_universes(pl.concat([own, others])), {**missing, **FILES}


def _with_universes(found: pl.DataFrame) -> pl.DataFrame:
    """Rates of agencies' counts among the children of the same area."""
    frames = [found]
    for population, base in (("homeless_youth_under_25", "youth_10_24"), ("youth_in_foster_care", "under_18")):
        size = found.filter(pl.col("population_id") == base).select("geo_level", "geo_id", size="count")
        rows = found.filter(pl.col("population_id") == population).join(size, on=["geo_level", "geo_id"], how="left")
        has_size = pl.col("size") > 0

        def share(name: str, has_size: pl.Expr = has_size) -> pl.Expr:
            return pl.when(has_size).then((pl.col(name) / pl.col("size")).clip(0, 1))

        frames.append(
            rows.with_columns(
                universe_count=pl.when(has_size).then("size"),
                rate=share("count"),
                rate_lower=share("count_lower"),
                rate_upper=share("count_upper"),
            ).select(*COUNTED)
        )
        frames[0] = frames[0].filter(pl.col("population_id") != population)
    return pl.concat(frames)


def _rounded(frame: pl.DataFrame) -> pl.DataFrame:
    """Round the counts of populations that are published in round numbers only; nothing finer is told of them."""
    for population in published().values():
        if population.round_to > 1:
            here = pl.col("population_id") == population.id
            step = population.round_to
            frame = frame.with_columns(
                *(
                    pl.when(here).then((pl.col(name) / step).round(0) * step).otherwise(name).alias(name)
                    for name in ("count", "count_lower", "count_upper")
                ),
                *(
                    pl.when(~here).then(name).alias(name)
                    for name in ("universe_count", "rate", "rate_lower", "rate_upper")
                ),
            )
    return frame


def _in_service_areas(frame: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """What no cell counts for a service area: the sum over its counties, where each is counted."""
    rows = []
    inside = members.filter(pl.col("geo_level") == "service_area")
    populations = [one.id for one in published().values() if "service_area" in one.levels and not one.numerator]
    for (area,), group in inside.group_by("geo_id", maintain_order=True):
        for population in populations:
            parts = frame.filter(
                (pl.col("geo_level") == "county")
                & (pl.col("population_id") == population)
                & pl.col("geo_id").is_in(group["county_id"].implode())
            )
            if parts.height:
                rows.append(_area_row(str(area), population, parts))
    return pl.DataFrame(rows, schema=frame.schema) if rows else frame.clear()


def _area_row(area: str, population: str, parts: pl.DataFrame) -> dict[str, object]:
    row: dict[str, object] = {"geo_level": "service_area", "geo_id": area, "population_id": population}
    try:
        found = sum_areas(parts)
    except PopulationError as error:
        return {**row, "status": "missing", "reason": str(error)}
    told = parts.drop_nulls("count")
    first = told.row(0, named=True) if told.height else {}
    figures = found.row()
    if found.count is None:
        figures = {**figures, "count_lower": None, "status": "withheld" if told.height else "missing"}
    return {**row, **figures, "interval": None, **{n: first.get(n) for n in ("period", "vintage", "snapshot_sha256")}}


def _why_missing(population: Population, counted_levels: set[str], files: dict[str, str]) -> pl.Expr:
    """Why an area has no count, by its level."""
    if population.unknown:
        return pl.lit(population.unknown)
    known = " and ".join(_LEVEL_NAMES[level] for level in population.levels)
    elsewhere = f"known by {known} alone; it is not divided among smaller areas nor added up to larger ones"
    reasons = {}
    for level in population.levels:
        file = file_for(population.id, level, files)
        gone = population.gap or f"no landed file counts it by {_LEVEL_NAMES[level]}" + (
            f"; {file} would" if file else ""
        )
        reasons[level] = "the publisher gives no count for this area" if level in counted_levels else gone
    return pl.col("geo_level").replace_strict(reasons, default=elsewhere, return_dtype=pl.String)


def _absent(counted_levels: dict[str, set[str]], listed: set[str], files: dict[str, str]) -> list[AbsentPart]:
    """Populations that nobody counts at all, and by level those that are counted at other levels alone."""
    absent, by_level = [], dict[str, list[str]]()
    for population in published().values():
        have = counted_levels.get(population.id, set())
        if not have:
            reason = population.unknown or population.gap or f"{population.title}: counted in no landed file"
            file = file_for(population.id, population.levels[0], files)
            absent.append(AbsentPart(f"{TABLE.key} of {population.id}", reason, file))
            continue
        for level in population.levels:
            if level in listed and level not in have:
                by_level.setdefault(level, []).append(population.id)
    for level, ids in by_level.items():
        reason = f"no landed file has by {_LEVEL_NAMES[level]}: {', '.join(ids)}"
        file = file_for(ids[0], level, files) if len(ids) == 1 else None
        absent.append(AbsentPart(f"{TABLE.key} by {_LEVEL_NAMES[level]}", reason, file))
    return absent


def compute(inputs: Inputs, place: Place) -> Found:
    """Every population for every area of the region."""
    areas = _areas(inputs, place.counties)
    found, files = _count(inputs, areas)
    judged = judge(_rounded(found))
    judged = pl.concat([judged, _in_service_areas(judged, areas.members)])
    safe = guard_universes(protect(judged, sums_of(judged, areas.members)))
    has_any = safe.filter(pl.col("status") != "missing").select("population_id", "geo_level").unique()
    counted_levels: dict[str, set[str]] = {}
    for population_id, level in has_any.iter_rows():
        counted_levels.setdefault(population_id, set()).add(level)
    frames = [_rows(one, areas.listed, safe, counted_levels, files) for one in published().values()]
    table = TABLE.conform(pl.concat(frames).with_columns(is_simulated=pl.lit(place.is_simulated)))
    return Found({TABLE.key: table}, _absent(counted_levels, set(areas.listed["geo_level"]), files))


def _rows(
    population: Population,
    listed: pl.DataFrame,
    safe: pl.DataFrame,
    counted_levels: dict[str, set[str]],
    files: dict[str, str],
) -> pl.DataFrame:
    """A row of one population for every area."""
    own = safe.filter(pl.col("population_id") == population.id).drop("population_id", "interval")
    why = _why_missing(population, counted_levels.get(population.id, set()), files)
    status = pl.col("status").fill_null("missing")
    return listed.join(own, on=["geo_level", "geo_id"], how="left").with_columns(
        population_id=pl.lit(population.id),
        title=pl.lit(population.title),
        rate_of=pl.when(pl.col("rate").is_not_null()).then(pl.lit(population.rate_of)),
        status=status,
        reason=pl.when(status == "missing").then(pl.coalesce("reason", why)).otherwise("reason"),
    )


DECISION = Decision(
    id="populations",
    tables=(TABLE,),
    reads=(ACS_COUNTY, ACS_DISTRICT, ACS_AREA.key, CROSSWALK.key, COCS, *SOURCES),
    compute=compute,
)
