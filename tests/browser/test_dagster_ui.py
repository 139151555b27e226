"""What a user of the Dagster UI sees and does, in a real browser: graph, run, asset, checks, schedule."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from atlas import summary
from pipelines.catalogue import catalogue
from pipelines.plots import WIDTH
from sources.registry import all_sources
from tests.browser.conftest import ROOT, Ui

Picture = Callable[[Page, str], None]

RUN_SECONDS = 300
NOT_WHITE = """image => {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const bytes = context.getImageData(0, 0, canvas.width, canvas.height).data;
    let drawn = 0;
    for (let i = 0; i < bytes.length; i += 4) drawn += bytes[i + 3] > 0 && bytes[i] < 200;
    return drawn;
}"""


def groups() -> dict[str, set[str]]:
    """Every asset that the project declares, by group."""
    declared: dict[str, set[str]] = {"landing": set(all_sources()), "published": {"warehouse"}}
    for table in catalogue().values():
        declared.setdefault(table.schema_name, set()).add(table.key.split(".", 1)[1])
    return declared


def one(ui: Ui, sql: str) -> list[tuple]:
    """Rows of the file that the UI's run published."""
    with summary.connect(ui.home) as connection:
        return connection.execute(sql).fetchall()


def below(page: Page, label: str) -> Locator:
    """What stands under a label of an asset's page."""
    return page.get_by_text(label, exact=True).locator("xpath=following-sibling::*[1]")


def metadata(page: Page, key: str) -> Locator:
    """A metadata entry's markdown, rendered: in its row where it is short, else in the dialog that a click opens."""
    row = page.get_by_role("row").filter(has=page.get_by_text(key, exact=True))
    link = row.get_by_text("[Show Markdown]")
    expect(link.or_(row.locator(".dagster-markdown"))).to_be_visible()
    if link.count() == 0:
        return row
    link.click()
    return page.get_by_role("dialog")


def close(page: Page) -> None:
    """Close the dialog that `metadata` opened; a short entry stands in its row and opened none."""
    dialog = page.get_by_role("dialog")
    if dialog.count():
        dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_have_count(0)


def open_graph(page: Page, ui: Ui, selection: str | None = None) -> None:
    """The global asset lineage, of everything or of a selection typed into its search."""
    page.goto(f"{ui.url}/asset-groups")
    expect(page.locator("svg [data-tooltip]")).to_have_count(len(groups()))
    if selection:
        page.locator(".CodeMirror").first.click()
        page.keyboard.type(selection)
        page.keyboard.press("Enter")


def branch(page: Page, name: str) -> Locator:
    """A row of the tree beside the graph."""
    return page.locator("[data-index]").filter(has=page.get_by_title(name, exact=True))


def scroll_to(page: Page, asset: str) -> None:
    """Scroll the tree until a row is drawn: a long group is drawn only as far as it is seen."""
    for _ in range(40):
        if branch(page, asset).count():
            return
        page.locator("[data-index]").last.hover()
        page.mouse.wheel(0, 200)
        page.wait_for_timeout(100)


def toggle(page: Page, group: str) -> None:
    """Open or close a group in the tree."""
    branch(page, group).get_by_role("button").first.click()


def materialize_all(page: Page, ui: Ui) -> None:
    """Click on "Materialize all", follow the run and wait until it has succeeded."""
    open_graph(page, ui)
    page.get_by_role("button", name="Materialize all").click()
    page.get_by_text(re.compile("^Launched run ")).wait_for()
    page.get_by_text("View", exact=True).click()
    page.wait_for_url(re.compile(r"/runs/[0-9a-f-]{36}"))
    ended = page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    ended.wait_for(timeout=RUN_SECONDS * 1000)
    assert ended.inner_text() == "Success", ui.log.read_text()[-4000:]


def the_graph_shows_every_asset_in_its_group_and_no_welcome(page: Page, ui: Ui, picture: Picture) -> None:
    open_graph(page, ui)
    for group, assets in groups().items():
        expect(page.locator(f"svg [data-tooltip={group}]")).to_be_visible()
        toggle(page, group)
        for asset in sorted(assets):
            scroll_to(page, asset)
            expect(branch(page, asset)).to_be_visible()
        page.mouse.wheel(0, -100_000)
        expect(branch(page, group)).to_be_visible()
        toggle(page, group)
        expect(branch(page, min(assets))).to_have_count(0)
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert ui.ask("{shouldShowNux}") == {"shouldShowNux": False}


def the_schedule_is_on_and_without_settings_a_tick_runs_nothing(page: Page, ui: Ui, picture: Picture) -> None:
    before = ui.runs()
    page.goto(f"{ui.url}/automation")
    page.get_by_text("nightly_schedule", exact=True).click()
    expect(page.get_by_role("row", name="Running").get_by_role("checkbox")).to_be_checked()
    expect(page.get_by_role("row", name="Schedule").last).to_contain_text("(30 2 * * *)")
    expect(page.get_by_role("row", name="Execution timezone")).to_contain_text("America/Chicago")
    expect(page.get_by_role("row", name="Next tick")).to_contain_text(re.compile(r"2:30:00.AM C[SD]T"))
    expect(page.get_by_role("row", name="Target")).to_contain_text("nightly")
    picture(page, "schedule")

    if (ROOT / "headwaters.toml").exists():
        pytest.skip("headwaters.toml of this folder gives the schedule settings")
    page.get_by_role("button", name="Preview tick result").click()
    page.get_by_role("button", name="Continue").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Skipped")
    expect(dialog).to_contain_text("No runs requested")
    expect(dialog).to_contain_text("headwaters.toml names no input and region under [nightly]")
    expect(dialog).to_contain_text("nothing runs, least of all the sample")
    picture(page, "schedule-tick")
    close(page)
    assert ui.runs() == before


def the_run_that_was_started_in_the_page_succeeded(page: Page, ui: Ui, picture: Picture) -> None:
    n_assets = sum(len(assets) for assets in groups().values())
    page.reload()  # as whoever comes later sees it
    expect(page.get_by_text("Success", exact=True)).to_be_visible()
    expect(page.get_by_text(f"{n_assets} assets", exact=True)).to_be_visible()
    expect(page.get_by_text("Errored (0)", exact=True)).to_be_visible()
    expect(page.get_by_text("RUN_SUCCESS", exact=True)).to_be_visible()
    # Only the steps that fit into the window are drawn, and which those are depends on who was ready first.
    expect(page.locator(".chart-element[data-tooltip][style*=green]").first).to_be_visible()
    expect(page.locator(".chart-element[data-tooltip][style*=red]")).to_have_count(0)
    picture(page, "run")
    assert ui.runs() == ["SUCCESS"]
    assert one(ui, "SELECT count(*) > 0 FROM risk.priority") == [(True,)]


def after_the_run_the_graph_is_green(page: Page, ui: Ui, picture: Picture) -> None:
    open_graph(page, ui)
    for group in ("landing", "published", "risk"):
        toggle(page, group)
        for asset in groups()[group]:
            expect(branch(page, asset).get_by_label("run_success")).to_be_visible()
        if group != "risk":
            toggle(page, group)  # the list draws only what fits into the window
    picture(page, "asset-graph")

    open_graph(page, ui, '+key:"indicator/child_poverty_share"')
    for group in ("landing", "core", "indicator"):
        page.locator(f"svg [data-tooltip={group}]").click()
        page.wait_for_url(re.compile(f"expanded=.*{group}"))
    page.reload()  # draws it whole again, with the groups open
    for asset in ("census_saipe", "census_acs5", "census_acs5_county"):
        node = page.locator("foreignObject [style*=accent-green]").filter(has_text=re.compile(f"^{asset}$"))
        expect(node).to_be_visible()
    picture(page, "asset-lineage")

    open_graph(page, ui, 'key:"risk/priority"')
    node = page.locator("foreignObject").filter(has_text="priority").last
    for text in ("2 / 2 Passed", "Materialized", "Polars", "NumPy"):
        expect(node).to_contain_text(text)


def an_asset_shows_what_it_is_and_what_it_holds(page: Page, ui: Ui, picture: Picture) -> None:
    columns = one(
        ui,
        "SELECT column_name, split_part(comment, ' Unit: ', 1) FROM duckdb_columns() "
        "WHERE schema_name = 'risk' AND table_name = 'priority' ORDER BY column_index",
    )
    n_rows = one(ui, "SELECT count(*) FROM risk.priority")[0][0]
    page.goto(f"{ui.url}/assets/risk/priority")
    expect(below(page, "Row count")).to_have_text(f"{n_rows:,}")
    expect(below(page, "Group")).to_have_text("risk")
    expect(below(page, "Owners")).to_have_text("data")
    expect(below(page, "Kinds")).to_contain_text("NumPy")
    expect(below(page, "Kinds")).to_contain_text("Polars")
    expect(page.get_by_text(re.compile("^Priority: score and rank.*rank 1 = greatest need"))).to_be_visible()
    picture(page, "asset")

    schema = page.get_by_role("table").filter(has_text="Column name").get_by_role("row")
    expect(schema).to_have_count(len(columns) + 1)
    for row, (name, description) in zip(schema.all()[1:], columns, strict=True):
        expect(row).to_contain_text(re.compile(f"^{name}"))
        expect(row).to_contain_text(description.replace("`", ""))
    expect(page.get_by_role("row").filter(has=page.get_by_text("SIMULATED", exact=True))).to_be_visible()

    preview = metadata(page, "preview")
    head = preview.get_by_role("row").first
    expect(head).to_contain_text("geo_name")
    expect(head).to_contain_text("score")
    expect(preview.get_by_role("row")).to_have_count(6)
    known = {name for (name,) in one(ui, "SELECT geo_name FROM risk.priority")}
    at = [title.inner_text() for title in head.get_by_role("columnheader").all()].index("geo_name")
    assert {row.get_by_role("cell").nth(at).inner_text() for row in preview.get_by_role("row").all()[1:]} <= known
    preview.scroll_into_view_if_needed()
    picture(page, "asset-preview")
    close(page)

    ranks = metadata(page, "ranks")
    plot = ranks.get_by_role("img", name="Priority: ranks with 90 % intervals")
    expect(plot).to_be_visible()
    assert plot.evaluate("image => [image.complete, image.naturalWidth]") == [True, WIDTH]
    assert plot.evaluate(NOT_WHITE) > 2_000
    picture(page, "asset-plot")
    close(page)


def the_checks_stand_with_their_rules_and_results(page: Page, ui: Ui, picture: Picture) -> None:
    n_rules = one(
        ui, "SELECT count(*) FROM meta.checks WHERE table_key = 'core.census_acs5_county' AND severity = 'critical'"
    )[0][0]
    page.goto(f"{ui.url}/assets/core/census_acs5_county")
    page.get_by_role("tab", name="Checks").click()
    expect(page.get_by_text("Checks (2)", exact=True)).to_be_visible()
    page.get_by_title("plausibility", exact=True).click()
    expect(page.get_by_text("What would be suspicious in core.census_acs5_county; nothing is stopped.")).to_be_visible()
    expect(below(page, "Evaluation result")).to_have_text("Passed")

    page.get_by_title("contract", exact=True).click()
    expect(page.get_by_text("This is a blocking asset check.")).to_be_visible()
    expect(below(page, "Evaluation result")).to_have_text("Passed")
    expect(page.get_by_text(f"{n_rules} rules hold", exact=True)).to_be_visible()
    picture(page, "checks")

    results = metadata(page, "results")
    expect(results.get_by_role("row")).to_have_count(n_rules + 1)
    expect(results.get_by_role("row").filter(has_text=re.compile("^holds"))).to_have_count(n_rules)
    expect(results).to_contain_text("compound_columns_to_be_unique(key=vintage+geo_id+cell)")
    picture(page, "check-results")
    close(page)


def test_a_user_of_the_dagster_ui(page: Page, ui: Ui, picture: Picture, subtests: pytest.Subtests) -> None:
    """One test, so that one worker, one server and one run are enough however tests are spread."""

    def see(*steps: Callable[[Page, Ui, Picture], None]) -> None:
        for step in steps:
            with subtests.test(step.__name__.replace("_", " ")):
                step(page, ui, picture)

    see(
        the_graph_shows_every_asset_in_its_group_and_no_welcome,
        the_schedule_is_on_and_without_settings_a_tick_runs_nothing,
    )
    materialize_all(page, ui)
    see(
        the_run_that_was_started_in_the_page_succeeded,
        after_the_run_the_graph_is_green,
        an_asset_shows_what_it_is_and_what_it_holds,
        the_checks_stand_with_their_rules_and_results,
    )
