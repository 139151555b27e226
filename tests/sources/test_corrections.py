"""A known break is accepted as long as it stands, and fails once the publisher has fixed it."""

import pytest

from sources.corrections import check_total, load
from sources.source import ParseError, SourceError, TotalBreak

KNOWN = TotalBreak("veterans-2009", "book.xlsb", "2009", "MO", "Veterans", 73367, 73362, "misprint", "summed")


def judge(published: float | None, rows_sum: float, known: tuple[TotalBreak, ...] = (KNOWN,)) -> None:
    check_total(
        "hud_pit/2024/book.xlsb",
        "book.xlsb",
        "2009",
        "Veterans",
        published=published,
        rows_sum=rows_sum,
        corrections=known,
    )


def test_rows_that_sum_to_their_total_need_no_correction():
    judge(73362, 73362, ())
    judge(None, 73362, ())  # no Total is printed for this column


def test_rows_that_do_not_sum_are_refused_with_file_sheet_row_and_rule():
    with pytest.raises(ParseError) as caught:
        judge(73367, 73362, ())
    error = caught.value
    assert (error.file, error.sheet, error.row) == ("hud_pit/2024/book.xlsb", "2009", "Total")
    assert "rows must sum to their Total, but sum to 73362 and the Total says 73367" in error.rule


def test_a_known_break_is_accepted():
    judge(73367, 73362)


@pytest.mark.parametrize(("published", "rows_sum"), [(73362, 73362), (73367, 73367), (73400, 73362), (None, 73362)])
def test_a_correction_fails_once_the_publisher_has_changed_its_figure(published, rows_sum):
    with pytest.raises(ParseError, match=r"correction veterans-2009 .* remove or renew the entry in corrections\.yaml"):
        judge(published, rows_sum)


def test_entries_are_judged_when_they_are_read(tmp_path):
    path = tmp_path / "corrections.yaml"
    assert load(path) == ()
    entry = "- id: a\n  file: f\n  sheet: 2009\n  with_row: MO\n  column: c\n  published: 1\n  rows_sum: 2\n  why: w\n"
    path.write_text(entry, encoding="utf-8")
    with pytest.raises(SourceError, match="entry 'a' must have exactly"):
        load(path)
    whole = entry + "  evidence: e\n"
    path.write_text(whole, encoding="utf-8")
    assert load(path)[0].sheet == "2009"
    path.write_text(whole + whole, encoding="utf-8")
    with pytest.raises(SourceError, match="an id stands twice"):
        load(path)
