"""The results of a run as files to keep and compare: scores, a map, the board's paragraphs, and what they are.

Everything comes from the published file, sorted and rounded, so that the same release gives the same bytes.
"""

import csv
import io
from pathlib import Path
from typing import Any

from atlas.map import county_map
from atlas.reading import Published, Row
from atlas.words import chance

COLUMNS = (
    "index_id", "geo_id", "geo_name", "period", "score", "score_p05", "score_p95", "rank", "rank_p05", "rank_p95",
    "rank_joint_lower", "rank_joint_upper", "n_ranked", "p_top_5", "p_top_10", "p_top_20", "tier", "tier_probability",
    "coverage", "quality", "is_simulated",
)  # fmt: skip
"""Of risk.scores, in the order of scores.csv; a column that the file lacks is left out."""
N_TOP, N_DRIVERS = 10, 3
_FORMULA = tuple("=+-@＝＋－＠")
"""Characters with which a spreadsheet begins a formula; no text of scores.csv is a number."""
COMMAND = "headwaters results --out docs/results --home <HOME>"


def _cell(value: Any) -> Any:
    """A cell of CSV: numbers rounded, no text that a spreadsheet takes for a formula (OWASP, CSV Injection)."""
    if isinstance(value, str) and value.lstrip()[:1] in _FORMULA:
        return f"'{value}"
    return round(value, 4) if isinstance(value, float) else value


def scores_csv(published: Published) -> str:
    """All indices of all counties, one row an index and county, as CSV without anything but a head and rows."""
    rows = published.rows("risk.scores", "geo_level = 'county'", order="index_id, geo_id")
    names = [name for name in COLUMNS if rows and name in rows[0]]
    text = io.StringIO()
    out = csv.writer(text, lineterminator="\n")
    out.writerow(names)
    out.writerows([_cell(row[name]) for name in names] for row in rows)
    return text.getvalue()


def _plain(text: object) -> str:
    """Text that Markdown takes for text: what begins a tag, a link or a table cell is escaped."""
    escaped = str(text).replace("\\", "\\\\").replace("\n", " ")
    for mark in "`*_[]|<>":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped


def _warned(published: Published) -> str:
    return "**SIMULATED DATA, NO REAL PLACE.**\n\n" if published.release()["is_simulated"] else ""


def board_md(published: Published) -> str:
    """The board's paragraph on every county, in order of rank; those that are not ranked come last."""
    rows = published.rows("analyst.board_memo", order="rank NULLS LAST, geo_id")
    said = "\n\n".join(_plain(row["sentence"]) for row in rows)
    why = " ".join(published.why_absent("analyst.board_memo"))
    return (
        f"# The counties in words\n\n{_warned(published)}{_plain(published.limits()['non_uses'])}\n\n"
        f"{said or f'The published file has no board paragraphs. {_plain(why)}'.strip()}\n"
    )


def _drivers(published: Published, county: str) -> str:
    where = "index_id = 'priority' AND geo_id = ? AND difference > 0"
    rows = published.rows("risk.drivers", where, [county], "difference DESC, indicator_id")[:N_DRIVERS]
    titles = {row["indicator_id"]: row["title"] for row in published.rows("meta.indicators")}
    return "; ".join(f"{titles.get(row['indicator_id'], row['indicator_id'])} {row['difference']:+.1f}" for row in rows)


def _table(heads: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    lines = [heads, tuple("---" for _ in heads), *(tuple(_plain(cell) for cell in row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _top(published: Published) -> str:
    where = "index_id = 'priority' AND geo_level = 'county' AND rank IS NOT NULL AND rank_p05 IS NOT NULL"
    rows = published.rows("risk.scores", where, order="rank, geo_id")[:N_TOP]

    def line(row: Row) -> tuple[object, ...]:
        ranked = f"{row['rank']} of {row['n_ranked']} ({row['rank_p05']:.0f} to {row['rank_p95']:.0f})"
        tier = "none" if row["tier"] is None else f"{row['tier']} ({chance(row['tier_probability'])})"
        return ranked, row["geo_name"], row["geo_id"], chance(row["p_top_20"]), tier, _drivers(published, row["geo_id"])

    heads = (
        "Rank (90 % range)",
        "County",
        "FIPS",
        "Chance of top 20",
        "Tier (how sure)",
        "Above the reference, points",
    )
    return _table(heads, [line(row) for row in rows])


def _alone(published: Published) -> str:
    rows = published.rows("risk.validation", "check_id = 'child_poverty_alone'", order="index_id, scope")
    if not rows:
        why = " ".join(published.why_absent("risk.validation")) or "the published file has no table risk.validation"
        return f"The rank correlation with child poverty alone is not at hand: {_plain(why)}."
    titles = {row["index_id"]: row["title"] for row in published.rows("meta.indices")}
    return "\n".join(f"- {_plain(titles.get(row['index_id'], row['index_id']))}: {_plain(row['text'])}" for row in rows)


def _sources(published: Published) -> str:
    rows = published.sql(
        "SELECT s.title, s.citation, string_agg(DISTINCT n.vintage, ', ' ORDER BY n.vintage) AS vintages "
        "FROM meta.sources s JOIN meta.snapshots n USING (source_id) GROUP BY ALL ORDER BY ALL"
    )
    return "\n".join(f"- {_plain(row['citation'] or row['title'])} Vintages: {row['vintages']}." for row in rows)


def readme_md(published: Published) -> str:
    """What the folder holds, of which run, what it is not for, and the areas of greatest priority."""
    release, limits = published.release(), published.limits()
    absent = [row for row in published.rows("meta.absent", order="part, reason") if "_areas." not in row["part"]]
    run = (
        f"Region `{release['region']}`, code {release['code_version']}, seed {release['seed']}, {release['n_draws']} "
        f"draws, inputs `{release['inputs_sha256']}`."
    )
    parts = [
        "# Results",
        f"{_warned(published)}{_plain(limits['non_uses'])}",
        _plain(limits["what_it_is"]),
        f"{run} Written by `{COMMAND}` and by nothing else.",
        "| File | What it holds |\n| --- | --- |\n"
        "| `scores.csv` | every county and index: score, rank, chances and tier with 90 % intervals, coverage |\n"
        "| `map.svg` | the chance of being among the counties of greatest need |\n"
        "| `board.md` | each county in words |",
        "Columns of `scores.csv` are those of `risk.scores` (`meta.columns`); an empty cell is unknown, never zero. "
        "Rank 1 is the greatest need; never show a rank without `rank_p05` and `rank_p95`. Quality 3: do not act.",
        "## The ten counties of greatest priority",
        _top(published),
        "## Beside child poverty alone",
        _alone(published),
        "No public measure of incidence exists to validate any index against.",
        "## Sources",
        _sources(published),
        "## Absent",
        "\n".join(f"- `{row['part']}`: {_plain(row['reason'])}" for row in absent) or "Nothing.",
    ]
    return "\n\n".join(parts) + "\n"


def write(home: Path, out: Path) -> list[Path]:
    """Write scores.csv, map.svg, board.md and README.md into a folder; the map only where there is geometry.

    A map of an earlier run is removed where this one has none, so that the folder is of one run throughout.

    Raises:
        NotPublishedError: nothing was published in this home yet.
    """
    with Published(home) as published:
        texts = {
            "README.md": readme_md(published),
            "scores.csv": scores_csv(published),
            "board.md": board_md(published),
            "map.svg": county_map(published),
        }
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in texts.items():
        if text is None:
            (out / name).unlink(missing_ok=True)
            continue
        (out / name).write_text(text if text.endswith("\n") else f"{text}\n", encoding="utf-8")
        written.append(out / name)
    return written
