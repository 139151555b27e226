"""What the published file knows of a service area: its counties, their figures, and the sums that are allowed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from atlas.reading import Published, Row, among

INDICES = ("priority", "poverty", "homelessness", "family_instability", "systemic_risk")
HEADLINES = ("low_income_youth_5_17", "poor_youth_12_17", "poor_youth_12_24")
"""Populations that may open the paragraph, in order of preference."""


class BriefError(ValueError):
    """Counties of which there can be no brief."""


@dataclass(frozen=True)
class Total:
    """A count over several counties, of one population; errors added in squares."""

    count: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Facts:
    """All rows that a brief is made of; a table that is not there has none.

    Args:
        names: geo_name by geo_id, in the order asked for.
        scores: rows of risk.scores by (geo_id, index_id).
        values: newest row of indicator.values with a value by (geo_id, indicator_id).
        indicators: rows of meta.indicators by id.
    """

    counties: tuple[str, ...]
    names: dict[str, str]
    scores: dict[tuple[str, str], Row]
    drivers: list[Row]
    values: dict[tuple[str, str], Row]
    indicators: dict[str, Row]
    indices: dict[str, Row]
    populations: list[Row]
    wider: list[Row]
    emphasis: list[Row]
    schools: list[Row]
    districts: list[Row]
    history: list[Row]
    changes: list[Row]
    validation: list[Row]
    memos: list[Row]

    def title(self, indicator_id: str) -> str:
        """The indicator's title; an unknown one keeps its id."""
        return str(self.indicators.get(indicator_id, {}).get("title") or indicator_id)

    def unit(self, indicator_id: str) -> str:
        """The indicator's unit as `atlas.words` reads it."""
        unit = str(self.indicators.get(indicator_id, {}).get("unit") or "")
        return {"usd": "US dollars", "count": "persons"}.get(unit, unit)

    def index_title(self, index_id: str) -> str:
        """The index's title; an unknown one keeps its id."""
        return str(self.indices.get(index_id, {}).get("title") or index_id)


def is_counted(row: Row) -> bool:
    """Whether a row of decision.populations has a count that may be shown."""
    return row.get("count") is not None and row.get("status") != "withheld"


def total(rows: Sequence[Row], counties: Sequence[str]) -> Total | None:
    """One population over several counties: counts added, half-widths of the intervals added in squares.

    Every county must be counted with an interval: else the sum would be of fewer places than it says, and the
    difference to a published total could give a withheld count back.

    Args:
        rows: rows of one population, one a county.
        counties: the counties that the sum is of.

    Raises:
        BriefError: the rows are of more than one population, or count a county twice.
    """
    if len({row["population_id"] for row in rows}) > 1:
        raise BriefError("counts of different populations overlap and are never added")
    by_county = {row["geo_id"]: row for row in rows}
    if len(by_county) != len(rows):
        raise BriefError("a county is counted twice in one population")
    used = [by_county.get(county) for county in counties]
    known: list[Row] = [row for row in used if row is not None and is_counted(row)]
    if len(known) < len(counties) or any(row["count_lower"] is None or row["count_upper"] is None for row in known):
        return None
    count = sum(row["count"] for row in known)
    below = math.sqrt(sum((row["count"] - row["count_lower"]) ** 2 for row in known))
    above = math.sqrt(sum((row["count_upper"] - row["count"]) ** 2 for row in known))
    return Total(count, max(count - below, 0.0), count + above)


def by_population(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of decision.populations by population, in the order of the table."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["population_id"], []).append(row)
    return found


def _wider(published: Published, counties: Sequence[str], populations: Sequence[Row]) -> list[Row]:
    """Populations that nobody counts in these counties, for the states and Continuums of Care that they lie in.

    Where no larger area counts one either, the county's own row says why.
    """
    counted_here = {row["population_id"] for row in populations if row["status"] != "missing"}
    states = sorted({county[:2] for county in counties})
    linked = published.rows("core.coc_county_crosswalk", among("county_id", counties), counties)
    cocs = sorted({row["coc_id"] for row in linked if (row.get("population_share") or 0) > 0})
    larger = [*states, *cocs]
    where = f"geo_level IN ('state', 'coc') AND {among('geo_id', larger)}"
    rows = published.rows("decision.populations", where, larger, "population_id, geo_level DESC, geo_id")
    found: list[Row] = []
    for population, known in by_population(rows).items():
        if population not in counted_here:
            found += [row for row in known if is_counted(row)]
    return found


def _districts(published: Published, counties: Sequence[str]) -> list[Row]:
    """School districts and other agencies of the counties, with their rank among districts where they have one."""
    # county_ids is text for people: ids with shares beside them; no share has five digits in a row.
    where = " OR ".join("county_ids LIKE '%' || ? || '%'" for _ in counties)
    rows = published.rows("decision.districts", where, counties, "geo_name, geo_id")
    ranked = published.rows("risk.areas", "geo_level = 'school_district' AND index_id = 'priority'")
    score: dict[str, Row] = {row["geo_id"]: row for row in ranked}
    return [row | {"score": score.get(row["geo_id"])} for row in rows]


def _newest_values(published: Published, counties: Sequence[str]) -> dict[tuple[str, str], Row]:
    where = f"geo_level = 'county' AND value IS NOT NULL AND {among('geo_id', counties)}"
    rows = published.rows("indicator.values", where, counties, "period")
    return {(row["geo_id"], row["indicator_id"]): row for row in rows}


def _keyed(rows: Sequence[Row], column: str) -> dict[Any, Row]:
    return {row[column]: row for row in rows}


def gather(published: Published, counties: Sequence[str]) -> Facts:
    """Everything that the file knows of these counties.

    Raises:
        BriefError: no county is given, one is given twice, or one is not of the published region.
    """
    if not counties or len(set(counties)) != len(counties):
        raise BriefError("name at least one county, and each once: five-digit FIPS codes with commas between them")
    here = f"geo_level = 'county' AND {among('geo_id', counties)}"
    scores = published.rows("risk.scores", here, counties, "geo_id, index_id")
    names = {row["geo_id"]: row["geo_name"] or row["geo_id"] for row in scores}
    if unknown := [county for county in counties if county not in names]:
        region = published.release()["region"]
        raise BriefError(
            f"the published region {region} has no county {', '.join(unknown)}: run it with a region that does"
        )
    populations = published.rows("decision.populations", here, counties, "population_id, geo_id")
    prioritised = f"{here} AND index_id = 'priority'"
    return Facts(
        counties=tuple(counties),
        names={county: names[county] for county in counties},
        scores={(row["geo_id"], row["index_id"]): row for row in scores},
        drivers=published.rows("risk.drivers", prioritised, counties, "geo_id, difference DESC"),
        values=_newest_values(published, counties),
        indicators=_keyed(published.rows("meta.indicators"), "indicator_id"),
        indices=_keyed(published.rows("meta.indices"), "index_id"),
        populations=populations,
        wider=_wider(published, counties, populations),
        emphasis=published.rows("decision.program_emphasis", here, counties, "prevention, fund_line, item_id, geo_id"),
        schools=published.rows("decision.schools", among("geo_id", counties), counties, "outreach_order, school_id"),
        districts=_districts(published, counties),
        history=published.rows("risk.history", prioritised, counties, "geo_id, reference_year DESC"),
        changes=published.rows("analyst.changes", here, counties, "geo_id, period_to DESC, indicator_id"),
        validation=published.rows("risk.validation", "check_id = 'child_poverty_alone'", order="index_id"),
        memos=published.rows("analyst.board_memo", among("geo_id", counties), counties, "geo_id"),
    )


def checksums(facts: Facts) -> set[str]:
    """Checksums of the publishers' files behind the figures of a brief."""
    driving = {row["indicator_id"] for row in facts.drivers}
    values = [row for (_, indicator), row in facts.values.items() if indicator in driving]
    rows = [*facts.populations, *facts.wider, *facts.schools, *facts.districts, *values]
    return {part for row in rows for part in (row.get("snapshot_sha256") or "").split(",") if part}
