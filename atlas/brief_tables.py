"""The tables of a service-area brief, each from its table of the published file."""

from collections.abc import Iterable

from atlas.brief_facts import INDICES, Facts, by_population, is_counted, total
from atlas.grid import Cell, Grid, gone, long_text, rank_bar, sentence
from atlas.reading import Published, Row
from atlas.words import NOT_KNOWN, about, between, chance, number, rounded

N_SIDE, N_SCHOOLS = 5, 40
NOT_ALL = "not added: not every county is counted with an interval"
LINES = {
    "prevention_programmes": "prevention programmes",
    "training_education": "training and education",
    "survivor_services": "survivor services",
}


def rank_words(row: Row | None) -> str:
    """A rank with its range, never alone."""
    if row is None or row["rank"] is None or row["rank_p05"] is None or row["rank_p95"] is None:
        return "not ranked"
    return f"{row['rank']} of {row['n_ranked']} (90 % range {row['rank_p05']:.0f} to {row['rank_p95']:.0f})"


def tier_words(row: Row) -> str:
    if row["tier"] is None or row["tier_probability"] is None:
        return "none told apart"
    return f"{row['tier']} ({chance(row['tier_probability'])} sure)"


def _or(value: object, otherwise: str = "") -> str:
    return otherwise if value is None else str(value)


def ranks(published: Published, facts: Facts) -> Grid:
    """Score, rank, chance and tier of every county by every index."""
    rows: list[tuple[Cell, ...]] = []
    for county in facts.counties:
        for index_id in INDICES:
            row = facts.scores.get((county, index_id))
            if row is None:
                continue
            bar: Cell = "no bar"
            if row["rank"] is not None and row["rank_p05"] is not None and row["rank_p95"] is not None:
                bar = rank_bar(row["rank"], row["rank_p05"], row["rank_p95"], row["n_ranked"])
            score = between(row["score"], row["score_p05"], row["score_p95"])
            chances = f"{chance(row['p_top_10'])}; {chance(row['p_top_20'])}"
            coverage = f"{row['coverage']:.0%}; {row['quality']}"
            names = (facts.names[county], facts.index_title(index_id))
            rows.append((*names, score, rank_words(row), bar, chances, tier_words(row), coverage))
    return Grid(
        "Conditions indices with their uncertainty (score 0 to 100, rank 1 = greatest need, 90 % intervals)",
        (
            "County",
            "Index",
            "Score",
            "Rank",
            "Rank on the axis of all",
            "Chance of top 10; top 20",
            "Tier",
            "Observed; quality",
        ),
        tuple(rows),
        gone(published, "risk.scores", "scores"),
        "Medians, scores and ranks are never added or averaged over counties. Quality 3: do not act on this number.",
    )


def alone(published: Published, facts: Facts) -> Grid:
    """Each index beside child poverty alone, and so what it adds."""
    rows = [
        (
            facts.index_title(row["index_id"]),
            f"{_two(row['spearman'])} ({_two(row['spearman_lower'])} to {_two(row['spearman_upper'])})",
            _or(row["top20_in_common"], "not compared"),
            _or(row["text"]),
        )
        for row in facts.validation
    ]
    return Grid(
        "Each index beside child poverty alone: what the index adds",
        ("Index", "Rank correlation", "Of the 20 of greatest need, in common", "Finding"),
        tuple(rows),
        gone(published, "risk.validation", "the rank correlation of each index with child poverty"),
        "No public measure of incidence exists to validate any index against.",
    )


def _two(value: float | None) -> str:
    return NOT_KNOWN if value is None else f"{value:.2f}"


def trend(published: Published, facts: Facts) -> tuple[Grid, Grid]:
    """The priority index over the years, and indicators whose change is larger than its error."""
    points = [
        (
            facts.names[row["geo_id"]],
            str(row["reference_year"]),
            between(row["score"], row["score_p05"], row["score_p95"]),
            between(row["change"], row["change_lower"], row["change_upper"]),
            {True: "yes", False: "no"}.get(row["is_significant"], "cannot be said"),
            _or(row["break_note"]),
        )
        for row in facts.history
    ]
    latest: dict[tuple[str, str], Row] = {}
    for row in facts.changes:  # the newest comes first
        latest.setdefault((row["geo_id"], row["indicator_id"]), row)
    moved = [
        (
            facts.names[row["geo_id"]],
            facts.title(row["indicator_id"]),
            f"{row['period_from']} to {row['period_to']}",
            f"{_figure(facts, row, 'value_from')} to {_figure(facts, row, 'value_to')}",
            _change(facts, row),
        )
        for row in latest.values()
        if row["is_significant"] and None not in (row["value_from"], row["value_to"], row["change"])
    ]
    return (
        Grid(
            "Priority index over the years",
            ("County", "Year", "Score", "Change since the year before it", "Larger than its error", "Break"),
            tuple(points),
            gone(published, "risk.history", "the index of earlier years"),
        ),
        Grid(
            "Indicators that changed by more than their error",
            ("County", "Indicator", "From and to", "Value", "Change (90 % interval)"),
            tuple(moved),
            "No indicator changed by more than its error between its two newest periods."
            if facts.changes
            else gone(published, "analyst.changes", "changes of indicators"),
            "The newest change of each indicator. Of many indicators one in ten would seem to change where none does.",
        ),
    )


def _change(facts: Facts, row: Row) -> str:
    """A change with its interval; of shares in percentage points, of money in dollars of the later year."""
    unit, bounds = facts.unit(row["indicator_id"]), (row["change"], row["change_lower"], row["change_upper"])
    if unit.startswith("share"):
        low, high = ("" if bound is None else f"{100 * bound:+.1f}" for bound in bounds[1:])
        return f"{100 * bounds[0]:+.1f}{f' ({low} to {high})' if low and high else ''} points"
    return f"{between(*bounds, 'change')}{' in dollars of the later year' if 'dollar' in unit else ''}"


def _figure(facts: Facts, row: Row, column: str) -> str:
    return number(row[column], facts.unit(row["indicator_id"]))


def count_words(row: Row | None) -> str:
    if row is None:
        return "not counted"
    # The status is said in its own words, so a reason that begins with it would say it twice.
    reason = (row["reason"] or "").removeprefix(f"{row['status']}: ")
    why = f": {reason}" if reason else ""
    if not is_counted(row):
        return f"{'withheld' if row['status'] == 'withheld' else 'not counted'}{why}"
    of = f" of {rounded(row['universe_count'])}" if row["universe_count"] else ""
    caution = f"; use with caution{why}" if row["status"] == "caution" else ""
    return f"{about(row['count'], row['count_lower'], row['count_upper'])}{of}{caution}"


def _rate(row: Row | None) -> str:
    if row is None or not is_counted(row) or row["rate"] is None:
        return NOT_KNOWN
    return (
        f"{between(row['rate'], row['rate_lower'], row['rate_upper'], 'share')} of {row['rate_of'] or 'the population'}"
    )


def dated_words(row: Row) -> str:
    return f"{row['period']}; vintage {row['vintage']}" if row["period"] else ""


def populations(published: Published, facts: Facts) -> Grid:
    """Counts and rates by county, and the sum within each population where every county is counted."""
    rows: list[tuple[Cell, ...]] = []
    nowhere: list[str] = []
    for found in by_population(facts.populations).values():
        title = found[0]["title"]
        if all(row["status"] == "missing" for row in found):
            nowhere.append(title)
            continue
        rows += [(title, facts.names[row["geo_id"]], count_words(row), _rate(row), dated_words(row)) for row in found]
        if len(facts.counties) > 1:
            added = total(found, facts.counties)
            words = about(added.count, added.lower, added.upper) if added else NOT_ALL
            rows.append((title, "All counties of the area", words, "", ""))
    return Grid(
        "Priority populations: count and rate by county, and added within each population",
        ("Population", "Where", "Count (90 % interval)", "Rate", "Period"),
        tuple(rows),
        gone(published, "decision.populations", "counts of priority populations"),
        "Populations overlap and are never added to each other. Sums over counties add errors in squares, which takes "
        "the errors of different counties as independent. Counts are rounded to two digits or tens."
        + (f" Not counted in any of these counties: {'; '.join(nowhere)}." if nowhere else ""),
    )


def wider(published: Published, facts: Facts) -> Grid:
    """What is known only for the state or the Continuum of Care: context, and no figure of these counties."""
    rows = [
        (row["title"], _or(row["geo_name"], row["geo_id"]), count_words(row), dated_words(row)) for row in facts.wider
    ]
    return Grid(
        "Known only for a larger area: context, not a figure of these counties",
        ("Population", "Larger area", "Count (90 % interval)", "Period"),
        tuple(rows),
        gone(published, "decision.populations", "counts for states and Continuums of Care"),
        "A larger area's number is never divided among its counties.",
    )


def profile(published: Published, facts: Facts, tier: str, caption: str) -> Grid:
    """The rows of decision.program_emphasis of one tier of prevention."""
    rows = [
        (
            row["title"],
            facts.names[row["geo_id"]],
            LINES.get(row["fund_line"], _or(row["fund_line"])),
            between(row["value"], row["value_lower"], row["value_upper"], row["unit"]),
            between(row["percentile"], row["percentile_lower"], row["percentile_upper"], "percentile"),
            sentence([_or(row["note"]), f"of {row['period']}" if row["period"] else ""]),
        )
        for row in facts.emphasis
        if row["prevention"] == tier
    ]
    return Grid(
        caption,
        (
            "What",
            "County",
            "Line of the fund",
            "Value (90 % interval)",
            "Percentile in the region (90 % interval)",
            "Note",
        ),
        tuple(rows),
        gone(published, "decision.program_emphasis", f"the profile of {tier} prevention"),
        "Percentiles rise with need; those of services and of what has no direction rise with the value. Where no list "
        "of services is at hand the value is not known: never read that as no service.",
    )


def _driver(facts: Facts, row: Row) -> str:
    value = facts.values.get((row["geo_id"], row["indicator_id"]))
    figure = ""
    if value:
        unit = facts.unit(row["indicator_id"])
        figure = f": {between(value['value'], value['value_lower'], value['value_upper'], unit)}"
    estimated = ", estimated from its other figures" if row["is_imputed"] else ""
    return f"{facts.title(row['indicator_id'])}{figure}; {row['difference']:+.1f} points{estimated}"


def sides(facts: Facts, county: str) -> tuple[list[Row], list[Row]]:
    """The drivers that lie above the reference and those below it, the greatest difference first."""
    rows = [row for row in facts.drivers if row["geo_id"] == county and row["difference"] is not None]
    raised = [row for row in rows if row["difference"] > 0][:N_SIDE]
    return raised, [row for row in reversed(rows) if row["difference"] < 0][:N_SIDE]


def balance(published: Published, facts: Facts) -> Grid:
    """What raises need beside what lowers it, county by county."""
    rows: list[tuple[Cell, ...]] = []
    for county in facts.counties:
        raised, lowered = sides(facts, county)
        for at in range(max(len(raised), len(lowered))):
            pair = (side[at] if at < len(side) else None for side in (raised, lowered))
            rows.append((facts.names[county], *(_driver(facts, row) if row else "" for row in pair)))
    return Grid(
        "What raises need and what lowers it, against the mean of the reference population",
        ("County", "Raises need", "Lowers need: strengths"),
        tuple(rows),
        gone(published, "risk.drivers", "what drives each score"),
        "Points of the priority score, 0 to 100; values with 90 % intervals.",
    )


def strengths(published: Published, facts: Facts) -> Grid:
    """Graduation and listed services: what the area has."""
    rows: list[tuple[Cell, ...]] = [
        (facts.title(indicator), facts.names[county], _value(facts, row, indicator), f"of {row['period']}")
        for (county, indicator), row in sorted(facts.values.items())
        if "graduation" in indicator
    ]
    rows += [
        (row["title"], facts.names[row["geo_id"]], _supply(row), _or(row["note"]))
        for row in facts.emphasis
        if row["item_kind"] == "supply" and row["value"]
    ]
    return Grid(
        "Strengths: graduation and listed services",
        ("What", "County", "Value", "Note"),
        tuple(rows),
        f"{gone(published, 'decision.program_emphasis', 'listed services')} No graduation rate by county either.",
        "A county without a listed service may have one that nobody listed.",
    )


def _value(facts: Facts, row: Row, indicator: str) -> str:
    return between(row["value"], row["value_lower"], row["value_upper"], facts.unit(indicator))


def _supply(row: Row) -> str:
    unit = "" if row["unit"] in (None, "number") else f" {row['unit']}"
    return f"{row['value']:,.0f}{unit}"


def schools(published: Published, facts: Facts) -> Grid:
    """Middle and high schools in the declared order of outreach."""

    def area(row: Row) -> str:
        if row["area_rank"] is None or row["area_rank_p05"] is None or row["area_rank_p95"] is None:
            return "not ranked"
        return f"{row['area_rank']:.0f} (90 % range {row['area_rank_p05']:.0f} to {row['area_rank_p95']:.0f})"

    def need(row: Row) -> str:
        bounds = (row.get("school_need_share_lower"), row.get("school_need_share_upper"))
        if row["school_need_share"] is None and None not in bounds:
            return f"{bounds[0]:.0%} to {bounds[1]:.0%}"
        return NOT_KNOWN if row["school_need_share"] is None else f"{row['school_need_share']:.0%}"

    rows = [
        (
            row["school_name"] or row["school_id"],
            facts.names[row["geo_id"]],
            f"{_or(row['lowest_grade'], '?')} to {_or(row['highest_grade'], '?')}",
            NOT_KNOWN if row["enrolment_count"] is None else f"{row['enrolment_count']:,.0f}",
            need(row),
            area(row),
            _or(row["note"]),
        )
        for row in facts.schools[:N_SCHOOLS]
    ]
    left = len(facts.schools) - len(rows)
    return Grid(
        "Middle and high schools, in the order of outreach",
        ("School", "County", "Grades", "Pupils", "Eligible for free or reduced lunch", "Rank of its county", "Note"),
        tuple(rows),
        gone(published, "decision.schools", "middle and high schools with their pupils"),
        f"{left} more schools stand in decision.schools." if left else "",
    )


def _named(facts: Facts, text: str | None) -> str:
    """County ids in a text, with the names of this brief's own counties in their place."""
    for county, name in facts.names.items():
        text = text and text.replace(county, name)
    return text or NOT_KNOWN


def _bounded(row: Row, name: str, unit: str) -> str:
    """A publisher's cell: an exact figure, its bounds, or what stands in its place."""
    value, lower, upper = (row[f"{name}{ending}"] for ending in ("", "_lower", "_upper"))
    if value is not None:
        return number(value, unit)
    if lower is not None and upper is not None:
        return f"{number(lower, unit)} to {number(upper, unit)}"
    kind = row[f"{name}_kind"]
    return "withheld by its publisher" if kind == "suppressed" else NOT_KNOWN


def districts(published: Published, facts: Facts) -> Grid:
    """Districts and other agencies that run schools: districts themselves apply for federal prevention grants."""
    rows = [
        (
            row["geo_name"] or row["geo_id"],
            _named(facts, row["county_ids"]),
            NOT_KNOWN if row["poor_children_share"] is None else f"{row['poor_children_share']:.0%}",
            _bounded(row, "graduation_share", "share"),
            _bounded(row, "homeless_students_count", "persons"),
            rank_words(row["score"]),
            _or(row["note"]),
        )
        for row in facts.districts
    ]
    return Grid(
        "School districts and other agencies that run schools here",
        (
            "District",
            "Counties, with their share of its children",
            "Children of 5 to 17 in poverty",
            "Finish in four years",
            "Homeless pupils",
            "Rank among the region's districts",
            "Note",
        ),
        tuple(rows),
        gone(published, "decision.districts", "school districts"),
        "Shares of poor children are a model's, without a published error. All figures: decision.districts.",
    )


def citations(published: Published, used: Iterable[str]) -> tuple[Grid, tuple[str, ...]]:
    """The publishers' files behind the figures, and how to cite their sources.

    Args:
        used: checksums of the files.
    """
    wanted = set(used)
    files = [
        row for row in published.rows("meta.snapshots", order="source_id, vintage, name") if row["sha256"] in wanted
    ]
    sources = {row["source_id"]: row for row in published.rows("meta.sources")}
    rows = tuple(
        (
            _or(sources.get(row["source_id"], {}).get("title"), row["source_id"]),
            row["vintage"],
            long_text(row["name"]),
            long_text(row["sha256"]),
            _or(row["licence"]),
        )
        for row in files
    )
    cited = [
        _or(sources.get(name, {}).get("citation"), name) for name in dict.fromkeys(row["source_id"] for row in files)
    ]
    grid = Grid(
        "Publishers' files behind the figures of this page",
        ("Source", "Vintage", "File", "SHA-256", "Terms"),
        rows,
        gone(published, "meta.snapshots", "the files behind these figures"),
    )
    return grid, tuple(cited)


def absent(published: Published) -> Grid:
    """What the whole release lacks; parts of areas other than counties are left out."""
    rows = [
        (row["part"], row["reason"], _or(row["file_missing"]))
        for row in published.rows("meta.absent", order="part, reason")
        if "_areas." not in row["part"]
    ]
    return Grid(
        "What could not be computed, and why",
        ("Part", "Reason", "File that would bring it"),
        tuple(rows),
        "Nothing is listed as absent.",
    )
