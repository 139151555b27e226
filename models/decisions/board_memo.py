"""The board sentence: what a board needs to hear of each county, put together by template from the tables.

Nothing is computed here but the rounding of counts. A rank never stands without its range, and a count that is
withheld says so.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from models.decisions.decision import Decision, Found, Inputs, Place
from models.decisions.wording import about, chance, listed, rounded
from models.indicators.assemble import AbsentPart
from models.indicators.indicator import all_indicators
from models.indices.spec import all_indices, leaf_members
from models.indices.tables import RANK
from quality.columns import GEO_NAME, geo_id, geo_level
from quality.contract import Column, Table

INDEX = "priority"
POPULATIONS, SCORES, DRIVERS, VALUES = "decision.populations", "risk.scores", "risk.drivers", "indicator.values"
N_DRIVERS, N_STRENGTHS, N_NAMED = 3, 2, 4


class Headline(NamedTuple):
    """A population that the sentence may open with: what is said of it, and who counts it."""

    population_id: str
    words: str
    source: str


HEADLINES = (
    Headline("low_income_youth_5_17", "children of 5 to 17 live in families in poverty", "SAIPE"),
    Headline("poor_youth_12_17", "young people of 12 to 17 live in poverty", "American Community Survey"),
    Headline("poor_youth_12_24", "young people of 12 to 24 live in poverty", "American Community Survey"),
)
"""In order of preference; the first that is counted anywhere in the region opens every sentence."""

SOURCE_NAMES = {
    "acf_afcars": "AFCARS",
    "bls_laus": "Local Area Unemployment Statistics",
    "cdc_svi": "CDC SVI",
    "census_acs5": "American Community Survey",
    "census_dhc": "2020 Census",
    "census_pep": "Population Estimates",
    "census_saipe": "SAIPE",
    "ed_acgr": "EDFacts graduation rates",
    "ed_homeless_students": "EDFacts homeless students",
    "foster_county": "county foster care files",
    "hud_hic": "Housing Inventory Count",
    "hud_pit": "Point-in-Time count",
    "nces_ccd": "Common Core of Data",
    "seda": "Stanford Education Data Archive",
}
"""Short names by the beginning of a core table's name; meta.sources has the full citations."""

ALWAYS_UNCOUNTED = (
    "No public source counts trafficking, and young people whom no survey or agency reaches are in no figure here."
)


def _text(name: str, description: str, *, nullable: bool = False) -> Column:
    return Column(name, pl.String, description, nullable=nullable)


TABLE = Table(
    key="analyst.board_memo",
    title="A paragraph for the board on each county",
    description="Each county in words: how many young people, which rank and how sure, what drives it, what could not "
    "be counted, from which sources. Counts are rounded to two digits or tens; exact figures stand in "
    "decision.populations and risk.priority. Conditions of places, not of persons.",
    columns=(
        geo_level("county"),
        geo_id("county"),
        GEO_NAME,
        _text("sentence", "The whole paragraph: the other texts in short, and the rank."),
        _text("needs", "How many young people of how many, with the 90 % interval, or why no count is given."),
        _text("drivers", "The indicators that raise the priority score most against the reference, and that lower it."),
        _text("not_counted", "What could not be counted here: withheld, known only for larger areas, not observed."),
        _text("sources", "Sources and vintages of the count and of the index."),
        Column("rank", pl.Int64, "Rank of the priority index.", minimum=1, unit=RANK),
        Column("rank_p05", pl.Float64, "Lower bound of the 90 % interval of the rank.", minimum=1, unit=RANK),
        Column("rank_p95", pl.Float64, "Upper bound of the 90 % interval of the rank.", minimum=1, unit=RANK),
        Column("tier", pl.Int64, "Tier of the priority index; 1 = greatest need.", minimum=1, unit="tier"),
        Column(
            "tier_probability", pl.Float64, "Chance that the area's true rank lies in its tier.", unit="probability",
            minimum=0, maximum=1,
        ),
        Column(
            "is_simulated", pl.Boolean, "Whether the figures are SIMULATED and describe no real place.", nullable=False
        ),
    ),
    primary_key=("geo_level", "geo_id"),
)  # fmt: skip

Row = dict[str, Any]


def leaves(index_id: str = INDEX) -> list[str]:
    """The indicators of an index, through the indices that it is made of."""
    return [member.id for member, _ in leaf_members(all_indices()[index_id], all_indices())]


def title_of(indicator_id: str) -> str:
    """The indicator's title; an unknown one keeps its id."""
    known = all_indicators().get(indicator_id)
    return known.title if known else indicator_id


def source_of(indicator_id: str) -> str:
    """Short names of the sources that an indicator is computed from."""
    known = all_indicators().get(indicator_id)
    tables = [key.removeprefix("core.") for key in (known.tables if known else ()) if key.startswith("core.")]
    names = [next((n for start, n in SOURCE_NAMES.items() if table.startswith(start)), table) for table in tables]
    return listed(list(dict.fromkeys(names))) or indicator_id


def _headline(populations: pl.DataFrame) -> Headline | None:
    counted = set(populations.drop_nulls("count")["population_id"])
    return next((headline for headline in HEADLINES if headline.population_id in counted), None)


def needs_of(row: Row | None, headline: Headline | None) -> str:
    """How many of how many, or why nobody says.

    Args:
        row: the county's row of the headline's population in `decision.populations`.
        headline: None where no population of HEADLINES is counted anywhere in the region.
    """
    if headline is None:
        return "Counts of young people are not at hand."
    if row is None or row["count"] is None or row["status"] == "withheld":
        how = "withheld" if row and row["status"] == "withheld" else "not at hand"
        why = f": {row['reason']}" if row and row["reason"] else ""
        return f"How many {headline.words} is {how}{why}."
    words = about(row["count"], row["count_lower"], row["count_upper"])
    of = f" of {rounded(row['universe_count'])}" if row["universe_count"] else ""
    caution = ""
    if row["status"] == "caution":
        caution = f" Use with caution: {(row['reason'] or 'the count is imprecise').removeprefix('caution: ')}."
    return f"{words[0].upper()}{words[1:]}{of} {headline.words}.{caution}"


def _is_ranked(row: Row) -> bool:
    return None not in (row["rank"], row["rank_p05"], row["rank_p95"])


def rank_of(row: Row | None) -> str:
    """The rank with its range and tier, or why there is none: a rank never stands alone."""
    if row is None:
        return "It is not ranked by the priority conditions index: no score is published for it."
    if not _is_ranked(row):
        needed = all_indices()[INDEX].min_coverage
        return (
            f"It is not ranked by the priority conditions index: {row['coverage']:.0%} of the index's weight is "
            f"observed there, and {needed:.0%} is needed."
        )
    tier = "no tier is told apart"
    if row["tier"] is not None and row["tier_probability"] is not None:
        tier = f"tier {row['tier']} ({chance(row['tier_probability'])} sure)"
    return (
        f"By the priority conditions index it ranks {row['rank']} of {row['n_ranked']} (1 = greatest need; 90 % rank "
        f"range {row['rank_p05']:.0f} to {row['rank_p95']:.0f}), {tier}."
    )


def drivers_of(rows: Sequence[Row]) -> str:
    """What raises the score most against the reference, and what lowers it most.

    Args:
        rows: the county's rows of `risk.drivers` of the priority index.
    """
    known = sorted((row for row in rows if row["difference"] is not None), key=lambda row: -row["difference"])
    if not known:
        return "What drives its score is not at hand."

    def said(row: Row) -> str:
        mark = ", estimated" if row["is_imputed"] else ""
        return f"{title_of(row['indicator_id'])} ({row['difference']:+.1f} points{mark})"

    raised = [said(row) for row in known if row["difference"] >= 0.05][:N_DRIVERS]
    lowered = [said(row) for row in reversed(known) if row["difference"] <= -0.05][:N_STRENGTHS]
    up = f"Above the reference most by: {'; '.join(raised)}." if raised else "Nothing raises it above the reference."
    return f"{up} Below it by: {'; '.join(lowered)}." if lowered else up


def _some(titles: Sequence[str], most: int | None) -> str:
    """All titles, or the first of them and how many more."""
    if most is None or len(titles) <= most:
        return "; ".join(titles)
    return f"{'; '.join(titles[:most])}; and {len(titles) - most} more"


class Counted(NamedTuple):
    """What is counted in the region: titles of all populations by id, and ids counted for areas other than counties."""

    titles: dict[str, str]
    larger: set[str]


def counted_in(populations: pl.DataFrame) -> Counted:
    """Read `decision.populations` once for all counties."""
    titles = dict(populations.select("population_id", "title").unique("population_id", maintain_order=True).iter_rows())
    larger = populations.filter((pl.col("geo_level") != "county") & pl.col("count").is_not_null())
    return Counted(titles, set(larger["population_id"]))


def not_counted_of(
    counted: Counted, here: Sequence[Row], score: Row | None, drivers: Sequence[Row], most: int | None = None
) -> str:
    """What is withheld here, known for larger areas only, estimated, or in no figure at all.

    Args:
        counted: what is counted in the region.
        here: the county's rows of `decision.populations`.
        score: the county's row of the priority index.
        drivers: its rows of `risk.drivers`.
        most: how many titles of a kind are named before the rest is only numbered; None names all.
    """
    titles, larger = counted
    withheld = [row["population_id"] for row in here if row["status"] == "withheld"]
    known = {row["population_id"] for row in here if row["count"] is not None}
    left = [name for name in titles if name not in known and name not in withheld]
    groups = {
        "Withheld here": [titles[name] for name in withheld],
        "Counted for larger areas only": [titles[name] for name in left if name in larger],
        "Not counted": [titles[name] for name in left if name not in larger],
        "Not in the index for want of data": [],
        "Estimated from its other figures": [title_of(row["indicator_id"]) for row in drivers if row["is_imputed"]],
    }
    if drivers:
        members = {row["indicator_id"] for row in drivers}
        groups["Not in the index for want of data"] = [title_of(leaf) for leaf in leaves() if leaf not in members]
    said = [f"{words}: {_some(parts, most)}." for words, parts in groups.items() if parts]
    if not titles:
        said.insert(0, "No priority population is counted.")
    if score is not None and score["coverage"] is not None and score["coverage"] < 1:
        said.append(f"{1 - score['coverage']:.0%} of the index's weight is not observed here.")
    return " ".join([*said, ALWAYS_UNCOUNTED])


def sources_of(count: Row | None, headline: Headline | None, values: pl.DataFrame, drivers: Sequence[Row]) -> str:
    """Sources with vintages.

    Args:
        count: the county's row of the headline's population, None where there is none.
        values: the county's rows of `indicator.values`.
        drivers: the county's rows of `risk.drivers`; their indicators are cited.
    """
    said = []
    if headline and count and count["vintage"]:
        said.append(f"count: {headline.source}, vintage {count['vintage']}, of {count['period']}")
    year = all_indices()[INDEX].reference_year
    fresh = values.filter(pl.col("value").is_not_null() & (pl.col("period").cast(pl.Int64) <= year))
    newest = fresh.sort("period").group_by("indicator_id", maintain_order=True).last()
    used: dict[str, set[str]] = {}
    for row in newest.filter(pl.col("indicator_id").is_in([row["indicator_id"] for row in drivers])).iter_rows(
        named=True
    ):
        used.setdefault(source_of(row["indicator_id"]), set()).add(row["vintage"] or "unknown")
    if used:
        cited = "; ".join(f"{name}, vintage {listed(sorted(used[name]))}" for name in sorted(used))
        said.append(f"index, reference year {year}: {cited}")
    return f"Sources: {'. '.join(part[0].upper() + part[1:] for part in said)}." if said else "Sources are not at hand."


def _by_county(frame: pl.DataFrame) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in frame.iter_rows(named=True):
        found.setdefault(row["geo_id"], []).append(row)
    return found


def compute(inputs: Inputs, place: Place) -> Found:
    """A row for every county of the region."""
    is_county = pl.col("geo_level") == "county"
    populations = inputs[POPULATIONS]
    headline = _headline(populations.filter(is_county))
    wanted = pl.col("population_id") == (headline.population_id if headline else "")
    counts = _by_county(populations.filter(is_county & wanted))
    counted = counted_in(populations)
    told = _by_county(populations.filter(is_county).select("geo_id", "population_id", "status", "count"))
    scores = _by_county(inputs[SCORES].filter(is_county & (pl.col("index_id") == INDEX)))
    drivers = _by_county(inputs[DRIVERS].filter(is_county & (pl.col("index_id") == INDEX)))
    cited = inputs[VALUES].filter(is_county & pl.col("indicator_id").is_in(leaves()))
    values = {str(key[0]): frame for key, frame in cited.partition_by("geo_id", as_dict=True).items()}
    rows = []
    for county, name in place.counties.select("geo_id", "geo_name").iter_rows():
        count, score = counts.get(county, [None])[0], scores.get(county, [None])[0]
        parts, here = drivers.get(county, []), told.get(county, [])
        texts = {
            "needs": needs_of(count, headline),
            "drivers": drivers_of(parts),
            "not_counted": not_counted_of(counted, here, score, parts),
            "sources": sources_of(count, headline, values.get(county, cited.clear()), parts),
        }
        opening = f"{'SIMULATED, no real place. ' if place.is_simulated else ''}{name}: "
        short = not_counted_of(counted, here, score, parts, N_NAMED)
        body = (texts["needs"], rank_of(score), texts["drivers"], short, texts["sources"])
        figures = {
            key: score[key] if score is not None and _is_ranked(score) else None
            for key in ("rank", "rank_p05", "rank_p95", "tier", "tier_probability")
        }
        row = {"geo_level": "county", "geo_id": county, "geo_name": name, "sentence": opening + " ".join(body)}
        rows.append({**row, **texts, **figures, "is_simulated": place.is_simulated})
    schema = {column.name: column.dtype for column in TABLE.columns}
    absent = []
    if headline is None:
        reason = "no count of young people in poverty is at hand: the sentences give ranks without counts"
        absent.append(AbsentPart(f"{TABLE.key}.needs", reason, None))
    return Found({TABLE.key: TABLE.conform(pl.DataFrame(rows, schema=schema))}, absent)


DECISION = Decision(id="board_memo", tables=(TABLE,), reads=(POPULATIONS, SCORES, DRIVERS, VALUES), compute=compute)
