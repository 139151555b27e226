"""The service-area brief: one self-contained page on a few counties, for an applicant to print or to paste from."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from atlas.brief_facts import BriefError, checksums, gather
from atlas.brief_sections import CRITERIA, paragraph
from atlas.brief_tables import absent, citations
from atlas.map import county_map
from atlas.reading import Published

__all__ = ["BriefError", "render", "write"]


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("atlas"),
        autoescape=True,  # publishers' names and notes are text, whatever they contain
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(home: Path, counties: Sequence[str]) -> str:
    """The page as HTML that asks nothing of anybody else and needs no script.

    Args:
        home: the home whose published file is read.
        counties: five-digit FIPS codes, in the order in which they are to be shown.

    Raises:
        NotPublishedError: nothing was published in this home yet.
        BriefError: no county is given, one is given twice, or one is not of the published region.
    """
    with Published(home) as published:
        facts = gather(published, counties)
        drawn = county_map(published, outlined=facts.counties)
        files, cited = citations(published, checksums(facts))
        independent = any(row.get("independence_assumed") for row in facts.scores.values())
        return _environment().get_template("brief.html").render(
            names=list(facts.names.values()),
            release=published.release(),
            limits=published.limits(),
            paragraph=paragraph(published, facts),
            sections=[make(published, facts) for make in CRITERIA],
            # Every text in the picture was escaped when it was drawn.
            map=Markup(drawn) if drawn else None,  # noqa: S704
            files=files,
            cited=cited,
            absent=absent(published),
            independent=independent,
        )  # fmt: skip


def write(home: Path, counties: Sequence[str], out: Path) -> Path:
    """Write the page to a file; see `render`."""
    page = render(home, counties)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page, encoding="utf-8")
    return out
