"""The service-area brief in a real browser: it asks nobody, is accessible, and prints whole pages."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from atlas import brief
from tests.browser.conftest import VIEWPORT
from tests.published_file import A, B, frames, publish

SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module", params=[False, True], ids=["real", "simulated"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A brief of two counties with a row of every table, real or simulated."""
    rows = frames()
    rows["meta.releases"][0]["is_simulated"] = request.param
    rows["risk.scores"] = [
        row | {"geo_name": "<script>document.title = 'run'</script>"} if row["geo_id"] == B else row
        for row in rows["risk.scores"]
    ]
    folder = tmp_path_factory.mktemp("brief")
    return brief.write(publish(folder / "home", rows), [A, B], folder / "brief.html")


@pytest.fixture
def tab(browser: Browser, written: Path) -> Iterator[Page]:
    """The brief, opened from its file without a network; whatever else it asks for fails the test."""
    context = browser.new_context(viewport=VIEWPORT, locale="en-US", offline=True)
    opened = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: said.append(message.text))
    opened.goto(written.as_uri())
    yield opened
    context.close()
    assert asked == [written.as_uri()]
    assert said == []


def test_the_page_stands_from_its_file_alone_and_runs_no_publishers_script(tab: Page):
    expect(tab.get_by_role("heading", level=1)).to_contain_text("Service-area brief: Alder County, Nowhere")
    expect(tab.get_by_role("main")).to_be_visible()
    assert tab.get_by_role("heading", level=2).count() == 8
    expect(tab.get_by_role("img", name=re.compile("Chance of being among the 5 counties"))).to_be_visible()
    assert tab.title().startswith(("Service-area brief", "SIMULATED: "))
    tab.get_by_role("link", name="6. Youth involvement").click()
    expect(tab.get_by_role("heading", name="6. Youth involvement")).to_be_in_viewport()


def test_the_page_is_not_wider_than_a_telephone(tab: Page):
    tab.set_viewport_size({"width": 360, "height": 740})
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_axe_finds_no_serious_violation(browser: Browser, written: Path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    # axe is put into the page from outside, which the page's own policy would refuse.
    context = browser.new_context(viewport=VIEWPORT, offline=True, bypass_csp=True)
    opened = context.new_page()
    opened.goto(written.as_uri())
    found = axe.Axe().run(opened).response
    context.close()
    assert found["passes"], "axe looked at nothing"
    serious = [
        (rule["id"], [node["html"][:200] for node in rule["nodes"]])
        for rule in found["violations"]
        if rule["impact"] in SERIOUS
    ]
    assert not serious


def test_it_prints_whole_pages_in_both_formats(tab: Page):
    for size in ("A4", "Letter"):
        printed = tab.pdf(format=size, prefer_css_page_size=False)
        assert printed.startswith(b"%PDF")
        # Six criteria, citations and limits begin a page each.
        assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 8
    tab.emulate_media(media="print")
    expect(tab.get_by_role("navigation")).to_be_hidden()


def test_the_mark_of_simulated_figures_is_seen_and_keeps_out_of_the_way(tab: Page):
    mark = tab.locator(".watermark")
    if not tab.title().startswith("SIMULATED"):
        expect(mark).to_have_count(0)
        return
    expect(mark).to_be_visible()
    assert mark.evaluate("element => getComputedStyle(element).pointerEvents") == "none"
    assert mark.get_attribute("aria-hidden") == "true"
    # On paper it stands in the head of every page, which only the rules of the page can say.
    heads = tab.evaluate(
        "[...document.styleSheets[0].cssRules].filter(rule => rule instanceof CSSPageRule).map(rule => rule.cssText)"
    )
    assert "SIMULATED DATA, NO REAL PLACE" in "".join(heads)
