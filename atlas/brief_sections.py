"""The sections of a service-area brief, in the order of the fund's six criteria for proposals."""

from collections.abc import Callable, Sequence

from atlas import brief_tables as tables
from atlas.brief_facts import HEADLINES, Facts, by_population, is_counted, total
from atlas.brief_tables import count_words, dated_words, rank_words, sides, tier_words
from atlas.grid import Section, gone, sentence
from atlas.reading import Published
from atlas.words import about, listed, rounded


def _headline(facts: Facts) -> str:
    """The count that opens the paragraph: the whole area where every county is counted, else county by county."""
    found = by_population(facts.populations)
    for name in HEADLINES:
        rows = found.get(name, [])
        if not any(is_counted(row) for row in rows):
            continue
        title, dated = rows[0]["title"], dated_words(next(row for row in rows if is_counted(row)))
        added = total(rows, facts.counties)
        if added:
            universes = [row["universe_count"] for row in rows]
            of = f" of {rounded(sum(universes))}" if all(universes) else ""
            return f"{title}: about {about(added.count, added.lower, added.upper)}{of} ({dated})."
        parts = [f"{facts.names[row['geo_id']]} {count_words(row)}" for row in rows]
        return f"{title}, by county: {sentence(parts)} ({dated})."
    return "Counts of young people are not at hand."


def paragraph(published: Published, facts: Facts) -> str:
    """What an applicant may paste: count, ranks with ranges, drivers, strengths, limits and source."""
    named = listed([facts.names[county] for county in facts.counties])
    said = [f"The service area is {named}. {_headline(facts)}"]
    for county in facts.counties:
        row = facts.scores.get((county, "priority"))
        name = facts.names[county]
        if row is None or rank_words(row) == "not ranked":
            said.append(f"{name} is not ranked by the priority conditions index.")
            continue
        said.append(f"By the priority conditions index {name} ranks {rank_words(row)}, tier {tier_words(row)}.")
        raised, lowered = ([facts.title(entry["indicator_id"]) for entry in side[:3]] for side in sides(facts, county))
        if raised:
            said.append(f"Above the reference most: {sentence(raised)}.")
        if lowered:
            said.append(f"Lower need than the reference, and so strengths: {sentence(lowered)}.")
    release = published.release()
    said.append(
        "Brackets hold 90 % intervals; rank 1 is the greatest need. These figures describe the conditions of places; "
        "no public source counts trafficking. "
        f"Source: Headwaters, release {release['release']} of {str(release['published_at'])[:10]}, from public files "
        "listed under Citations."
    )
    simulated = "SIMULATED DATA, NO REAL PLACE: not for use. " if release["is_simulated"] else ""
    return simulated + " ".join(said)


def _needs(published: Published, facts: Facts) -> Section:
    said = {row["geo_id"]: row["sentence"] for row in facts.memos}
    texts: Sequence[str] = tuple(said[county] for county in facts.counties if county in said) or (
        gone(published, "analyst.board_memo", "the board's paragraph on each county"),
    )
    return Section(
        "needs",
        "1. Needs assessment",
        tuple(texts),
        (tables.ranks(published, facts), tables.alone(published, facts), *tables.trend(published, facts)),
    )


def _prevention(published: Published, facts: Facts) -> Section:
    return Section(
        "prevention",
        "2. All-inclusive prevention with the highest-risk youth",
        (
            "Who the young people are, with counts where a publisher has them, and which conditions speak to primary "
            "and to secondary prevention. Groups that nobody counts here are named too: they are not fewer for that.",
        ),
        (
            tables.populations(published, facts),
            tables.wider(published, facts),
            tables.profile(published, facts, "primary", "Primary prevention: all young people and their conditions"),
            tables.profile(published, facts, "secondary", "Secondary prevention: counted groups at greater risk"),
        ),
        ("Which of these groups does the programme reach, and how is nobody left out?",),
    )


def _survivors(published: Published, facts: Facts) -> Section:
    return Section(
        "survivors",
        "3. Survivors as victims",
        (
            "Data say nothing about how many survivors live here or what they need: no public source counts them, and "
            "arrests or calls to hotlines measure detection, so none is used. What is shown is need beside listed "
            "services. The rest of this section is what survivors and those who work with them know.",
        ),
        (tables.profile(published, facts, "tertiary", "Tertiary prevention: need beside listed services"),),
        (
            "How have survivors shaped this proposal, and how are they paid for it?",
            "How does the programme make sure that a young person is met as a victim, and never as an offender?",
            "Which services do survivors say are missing here?",
        ),
    )


def _systemic(published: Published, facts: Facts) -> Section:
    return Section(
        "systemic",
        "4. Systemic risk factors",
        (
            "Conditions that institutions made and can change, deficits beside strengths. The share of a racial or "
            "ethnic group is never counted as a risk.",
        ),
        (tables.balance(published, facts), tables.strengths(published, facts)),
        ("Which of these conditions does the programme change, and with whom?",),
    )


def _with_schools(published: Published, facts: Facts) -> Section:
    return Section(
        "schools",
        "5. Collaboration with schools",
        ("An order of outreach is no judgement of a school. What schools think of the proposal is not in any file.",),
        (tables.schools(published, facts), tables.districts(published, facts)),
        (
            "Which schools and districts have agreed to work with the programme (letters attached)?",
            "Who in each school is the contact, and what does the school ask for?",
        ),
    )


def _youth(published: Published, facts: Facts) -> Section:
    return Section(
        "youth",
        "6. Youth involvement",
        (
            "Data say nothing about youth involvement, and nothing is filled in here. Young people from the area "
            "should read this page and say what it gets wrong before it is used.",
        ),
        prompts=(
            "Which young people took part in planning, how were they chosen, and how are they paid?",
            "What did they change in this proposal?",
            "What do they say that this page gets wrong or leaves out?",
        ),
    )


Make = Callable[[Published, Facts], Section]
CRITERIA: tuple[Make, ...] = (_needs, _prevention, _survivors, _systemic, _with_schools, _youth)
"""The six criteria in the fund's own order."""
