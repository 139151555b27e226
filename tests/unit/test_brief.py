"""The brief and the results: in the fund's order, honest about gaps, safe whatever publishers wrote."""

import csv
import io
import itertools
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas import brief, results
from atlas.brief_facts import BriefError, total
from atlas.reading import NON_USES, Published
from atlas.summary import NotPublishedError
from atlas.words import about, between, chance
from tests.published_file import SHA, A, B, C, frames, population, publish, required

CRITERIA = (
    "Needs assessment",
    "All-inclusive prevention with the highest-risk youth",
    "Survivors as victims",
    "Systemic risk factors",
    "Collaboration with schools",
    "Youth involvement",
)
META = {"meta.releases", "risk.scores"}
"""What every published file has."""


class Page(HTMLParser):
    """Text, tags and tables of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.cells: list[list[str]] = []
        self.is_in_cell = False
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")
            self.is_in_cell = True

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] != "style":
            self.words.append(data)
        if self.is_in_cell:
            self.cells[-1][-1] += data.strip()

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.is_in_cell = False

    def headings(self, level: int) -> list[str]:
        return [tag for tag, _ in self.tags if tag == f"h{level}"]

    def rows(self, first: str) -> list[list[str]]:
        return [row for row in self.cells if row and row[0] == first]


@pytest.fixture
def page(tmp_path) -> Page:
    return Page(brief.render(publish(tmp_path, frames()), [A, B]))


def changed(tmp_path, **tables) -> str:
    rows = frames() | {key.replace("__", "."): value for key, value in tables.items()}
    return brief.render(publish(tmp_path, rows), [A, B])


def test_the_six_criteria_come_in_the_order_of_the_fund(tmp_path):
    text = brief.render(publish(tmp_path, frames()), [A, B])
    found = re.findall(r"<h2[^>]*>([^<]*)</h2>", text)
    assert found == [
        *(f"{n}. {title}" for n, title in enumerate(CRITERIA, start=1)),
        "Citations",
        "Limits and non-uses",
    ]


def test_every_rank_of_the_page_has_its_range(page):
    ranked = [row for row in page.rows("Alder County, Nowhere") if row[1] == "Priority"]
    assert ranked[0][3] == "1 of 3 (90 % range 1 to 2)"
    assert len(re.findall(r"ranks \d+ of \d+", page.text)) == 2
    assert len(re.findall(r"ranks \d+ of \d+ \(90 % range \d+ to \d+\)", page.text)) == 2
    bars = [attrs["aria-label"] for tag, attrs in page.tags if tag == "svg" and "aria-label" in attrs]
    assert "rank 1, 90 % range 1 to 2, of 3" in bars


def test_counts_are_added_within_a_population_with_errors_in_squares(page):
    # 1000 + 2000; sqrt(30^2 + 30^2) = 42.4 below and sqrt(40^2 + 40^2) = 56.6 above; in hundreds, outwards.
    rows = page.rows("Children of 5 to 17 in families in poverty")
    assert [row[2] for row in rows if row[1] == "All counties of the area"] == ["3,000 (2,900 to 3,100)"]


def test_what_is_withheld_is_withheld_and_enters_no_sum(page):
    rows = page.rows("Black girls of 10 to 17")
    assert [row[1:3] for row in rows] == [
        ["Alder County, Nowhere", "300 (270 to 340) of 10,000"],
        ["Bramble County, Nowhere", "withheld: too few"],
        ["All counties of the area", "not added: not every county is counted with an interval"],
    ]


def test_overlapping_populations_are_never_added():
    with pytest.raises(BriefError, match="never added"):
        total([population(A, "youth_10_17", "Youth", 5.0), population(B, "black_girls_10_17", "Girls", 5.0)], [A, B])
    with pytest.raises(BriefError, match="counted twice"):
        total([population(A, "youth_10_17", "Youth", 5.0)] * 2, [A])


@pytest.mark.parametrize("lacking", [{"count": None}, {"status": "withheld"}, {"count_upper": None}])
def test_a_sum_needs_every_county_with_its_interval(lacking):
    rows = [population(A, "youth_10_17", "Youth", 100.0), population(B, "youth_10_17", "Youth", 200.0) | lacking]
    assert total(rows, [A, B]) is None
    assert total(rows[:1], [A, B]) is None
    assert total(rows[:1], [A]).count == 100


def test_a_states_count_is_context_and_no_figure_of_a_county(page):
    rows = page.rows("LGBTQ young people of 13 to 17")
    assert [
        "LGBTQ young people of 13 to 17",
        "Nowhere",
        "37,000 (36,000 to 38,000) of 10,000",
        "2023; vintage 2023",
    ] in rows
    assert "Not counted in any of these counties: LGBTQ young people of 13 to 17" in page.text


def holds(text: str) -> bool:
    return all(title in text for title in CRITERIA) and not re.search(r">\s*(None|nan)\s*<", text)


@pytest.mark.parametrize("lost", [key for key in frames() if key not in META])
def test_every_section_holds_without_a_table(tmp_path, lost):
    rows = {key: found for key, found in frames().items() if key != lost}
    assert holds(brief.render(publish(tmp_path, rows), [A, B]))


def test_every_section_holds_where_all_tables_are_empty(tmp_path):
    rows = {key: found if key in META else [] for key, found in frames().items()}
    assert holds(brief.render(publish(tmp_path, rows), [A, B]))


def test_where_everything_is_null_that_may_be_nothing_breaks(tmp_path):
    known = {
        key: [{name: value for name, value in row.items() if name in required(key)} for row in found]
        for key, found in frames().items()
    }
    known["meta.releases"] = frames()["meta.releases"]
    for row in known["risk.scores"]:
        row["geo_name"] = row["geo_id"]
    page = brief.render(publish(tmp_path, known), [A, B])
    assert holds(page)
    assert not re.search(r"ranks \d", page)


def test_a_page_of_scores_alone_says_what_is_not_at_hand_and_why(tmp_path):
    rows = {key: found for key, found in frames().items() if key in META}
    reasons = [{"part": "decision.schools.grades", "reason": "the file has no grades", "file_missing": None}]
    page = Page(brief.render(publish(tmp_path, rows | {"meta.absent": reasons}), [A]))
    assert "Not at hand: middle and high schools with their pupils. The file has no grades." in page.text
    assert (
        "Not at hand: counts of priority populations. The published file has no table decision.populations."
        in page.text
    )
    assert "Counts of young people are not at hand." in page.text
    assert NON_USES in page.text


def test_the_counties_come_in_the_order_in_which_they_were_asked_for(tmp_path):
    memos = [{"geo_level": "county", "geo_id": name, "sentence": f"Sentence of {name}."} for name in (A, B)]
    page = Page(brief.render(publish(tmp_path, frames() | {"analyst.board_memo": memos}), [B, A]))
    for before, after in (("Sentence of 97003", "Sentence of 97001"), ("Bramble County, Nowhere;", "; Alder County")):
        assert page.text.index(before) < page.text.index(after)


def test_districts_are_those_of_the_counties_and_what_is_withheld_of_them_says_so(page):
    where = "Alder County, Nowhere 98.0 %; 97005 2.0 %"  # the third county is none of this brief
    row = ["One District", where, "22%", "80.0% to 84.0%", "withheld by its publisher", "not ranked", ""]
    assert page.rows("One District") == [row]
    assert not page.rows("Far District")


def test_publishers_text_is_text(tmp_path):
    bad = "<script>alert(1)</script>"
    rows = frames()
    for found in rows.values():
        for row in found:
            for name in ("geo_name", "title", "note", "reason", "school_name", "citation", "sentence"):
                if isinstance(row.get(name), str):
                    row[name] = bad
    rows["meta.absent"][0]["reason"] = bad
    text = brief.render(publish(tmp_path, rows), [A, B])
    assert "<script" not in text.lower()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert not [tag for tag, _ in Page(text).tags if tag == "script"]


def test_the_page_asks_nothing_of_anybody(page):
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "img", "iframe", "object", "embed", "form", "input")
        for name in ("src", "href", "action"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
    policy = next(attributes for tag, attributes in page.tags if attributes.get("http-equiv"))
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_simulated_data_are_marked_on_the_page_in_its_margins_and_in_what_is_pasted(tmp_path):
    release = frames()["meta.releases"][0] | {"is_simulated": True}
    text = changed(tmp_path, meta__releases=[release])
    assert "<title>SIMULATED: " in text
    assert 'class="watermark"' in text
    assert '@top-center { content: "SIMULATED DATA, NO REAL PLACE"' in text  # the head of every printed page
    assert "<p>SIMULATED DATA, NO REAL PLACE: not for use. The service area is" in text


def test_real_data_are_not_called_simulated(page):
    assert "SIMULATED" not in page.text


def test_the_page_says_what_it_is_not_for_at_its_head_and_at_its_end(page):
    assert page.text.count("Not for policing.") == 4  # head, map (drawn and described), limits
    assert not re.search("trafficking risk|hotspot|prevalence", page.text, re.IGNORECASE)


def test_each_index_stands_beside_child_poverty_alone(page):
    assert page.rows("Priority")[0] == ["Priority", "0.86 (0.80 to 0.90)", "14", "They agree in part."]


def test_strengths_stand_beside_deficits(page):
    row = page.rows("Alder County, Nowhere")
    assert [
        "Alder County, Nowhere",
        "Children in poverty: 25.0% (23.0% to 27.0%); +6.0 points",
        "Households without a vehicle: 5.0% (3.0% to 7.0%); -4.0 points",
    ] in row


def test_a_change_within_its_error_is_not_told_as_a_change(tmp_path):
    quiet = frames()["analyst.changes"][0] | {"is_significant": False}
    page = Page(changed(tmp_path, analyst__changes=[quiet]))
    assert "2018 to 2023" not in page.text
    assert "No indicator changed by more than its error between its two newest periods." in page.text


def test_a_change_of_long_ago_is_not_told_where_the_newest_is_within_its_error(tmp_path):
    old = frames()["analyst.changes"][0]
    newest = old | {"period_from": "2023", "period_to": "2024", "is_significant": False}
    assert "2018 to 2023" not in Page(changed(tmp_path, analyst__changes=[old, newest])).text


def test_changes_of_shares_are_told_in_points(page):
    row = [
        "Alder County, Nowhere",
        "Children in poverty",
        "2018 to 2023",
        "20.0% to 25.0%",
        "+5.0 (+3.4 to +6.6) points",
    ]
    assert row in page.cells


def test_citations_name_the_files_behind_the_figures_with_their_checksums(page):
    assert ["SAIPE", "2023", "est23all.xls", SHA["saipe"], "public domain"] in page.cells
    assert "Census Bureau, SAIPE." in page.text


def test_what_only_people_know_is_asked_and_never_filled_in(page):
    assert "Data say nothing about youth involvement" in page.text
    assert "Data say nothing about how many survivors live here" in page.text
    blanks = [attributes for _, attributes in page.tags if attributes.get("class") == "blank"]
    assert len(blanks) == 10


def test_tables_have_captions_and_scoped_heads_and_headings_no_gap(page):
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags) >= 12
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.tags if tag == "th")
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    names = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("counties", "words"), [([], "at least one"), ([A, A], "each once"), ([A, "29510"], "has no county 29510")]
)
def test_counties_that_cannot_be_briefed_are_refused(tmp_path, counties, words):
    with pytest.raises(BriefError, match=words):
        brief.render(publish(tmp_path, frames()), counties)


def test_a_home_without_a_published_file_is_refused(tmp_path):
    with pytest.raises(NotPublishedError, match="headwaters run"):
        brief.write(tmp_path, [A], tmp_path / "brief.html")


def test_the_brief_is_written_where_it_was_asked_for(tmp_path):
    written = brief.write(publish(tmp_path, frames()), [A], tmp_path / "new" / "brief.html")
    assert written.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@given(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 10**5))
def test_rounded_bounds_hold_the_interval(count, below, above):
    lower, upper = max(count - below, 0), count + above
    words = re.search(r"\((.*)\)", about(count, lower, upper))[1]
    said = [int(found.replace(",", "")) for found in re.findall(r"[\d,]+", words)]
    assert said[0] <= lower and upper <= said[1]


def test_figures_are_read_by_their_unit():
    assert between(0.241, 0.21, 0.272, "share, 0 to 1") == "24.1% (21.0% to 27.2%)"
    assert between(54321.4, 50000, 60000, "US dollars") == "$54,321 ($50,000 to $60,000)"
    assert between(3.0, None, None, "beds") == "3"
    assert between(1234.0, 1100, 1300, "persons") == "1,200 (1,100 to 1,300)"
    assert between(None, None, None) == "not known"
    assert [chance(p) for p in (1.0, 0.5, 0.001, None)] == ["over 99%", "50%", "under 1%", "not known"]


# --- results ---------------------------------------------------------------------------------------------------------


def test_results_hold_every_index_and_county_with_intervals_as_clean_csv(tmp_path):
    written = results.write(publish(tmp_path, frames()), tmp_path / "results")
    assert [path.name for path in written] == ["README.md", "scores.csv", "board.md", "map.svg"]
    rows = list(csv.DictReader(io.StringIO((tmp_path / "results" / "scores.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 15
    first = next(row for row in rows if row["index_id"] == "priority" and row["geo_id"] == A)
    assert [first[name] for name in ("rank", "rank_p05", "rank_p95", "score", "p_top_20")] == [
        "1",
        "1.0",
        "2.0",
        "80.0",
        "1.0",
    ]


def test_results_carry_the_non_uses_the_run_and_the_board_sentences(tmp_path):
    out = tmp_path / "results"
    results.write(publish(tmp_path, frames()), out)
    readme, board = (out / "README.md").read_text(encoding="utf-8"), (out / "board.md").read_text(encoding="utf-8")
    assert "Not for policing." in readme and "Not for policing." in board
    assert "| 1 of 3 (1 to 2) | Alder County, Nowhere | 97001 |" in readme
    assert "They agree in part." in readme and "f" * 64 in readme
    assert "Alder County, Nowhere: about 1,000 of 10,000." in board


def test_results_of_one_release_are_the_same_bytes(tmp_path):
    home = publish(tmp_path, frames())
    for name in ("one", "two"):
        results.write(home, tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_map_of_an_earlier_run_does_not_stay(tmp_path):
    out = tmp_path / "results"
    results.write(publish(tmp_path / "with", frames()), out)
    written = results.write(publish(tmp_path / "without", frames() | {"core.geo_county": []}), out)
    assert "map.svg" not in [path.name for path in written] and not (out / "map.svg").exists()


def test_results_without_sentences_say_so_and_escape_what_publishers_wrote(tmp_path):
    rows = frames() | {"analyst.board_memo": []}
    for row in rows["risk.scores"]:
        row["geo_name"] = "<b>[x](y)|z"
    results.write(publish(tmp_path, rows), tmp_path / "out")
    assert "has no board paragraphs" in (tmp_path / "out" / "board.md").read_text(encoding="utf-8")
    assert r"\<b\>\[x\](y)\|z" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_missing_table_has_no_rows_and_a_wrong_condition_is_an_error(tmp_path):
    with Published(publish(tmp_path, frames())) as published:
        assert published.rows("decision.nothing") == []
        assert [row["geo_id"] for row in published.rows("risk.priority")] == []
        assert {row["geo_id"] for row in published.rows("risk.scores")} == {A, B, C}
