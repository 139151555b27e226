"""A known error is accepted or corrected as long as it stands, and fails once the publisher has fixed it."""

from dataclasses import replace

import pytest

from sources.corrections import apply_values, check_total, load
from sources.source import Correction, ParseError, RawFile, SourceError

BOOK = RawFile("hud_pit", "2024", "book.xlsb", b"")
KNOWN = Correction(
    "veterans-2009", "total", "book.xlsb", "MO", {"sheet": "2009"}, "Veterans", "73367", "73362", "misprint", "summed"
)
MANGLED = Correction(
    "rate-2015", "value", "book.xlsb", "MISSOURI", {"LEAID": "29"}, "RATE", "9999", "99", "slipped digits", "its PDF"
)


def judge(published: float | None, rows_sum: float, known: tuple[Correction, ...] = (KNOWN,)) -> None:
    check_total(BOOK, "2009", "Veterans", published=published, rows_sum=rows_sum, corrections=known)


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


ROWS = [{"STATE": "MISSOURI", "LEAID": "29", "RATE": "9999"}, {"STATE": "MISSOURI", "LEAID": "30", "RATE": "90"}]


def test_a_known_wrong_value_is_read_as_what_it_means_and_nothing_else_is_touched():
    assert apply_values(BOOK, ROWS, [MANGLED]) == [{**ROWS[0], "RATE": "99"}, ROWS[1]]
    assert ROWS[0]["RATE"] == "9999"


@pytest.mark.parametrize("rows", [[{**ROWS[0], "RATE": "99"}], ROWS[1:]], ids=["fixed", "withdrawn"])
def test_a_corrected_value_fails_once_the_publisher_has_changed_it(rows):
    with pytest.raises(ParseError, match=r"correction rate-2015 expects 9999 where 99 is meant"):
        apply_values(BOOK, rows, [MANGLED])


def test_a_correction_does_not_speak_of_another_file_of_the_same_name():
    elsewhere = [{"STATE": "SIMULATED STATE", "LEAID": "97", "RATE": "1"}]
    assert apply_values(BOOK, elsewhere, [MANGLED]) == elsewhere
    other = RawFile("hud_pit", "2024", "other.xlsb", b"")
    assert apply_values(other, ROWS, [MANGLED]) == ROWS


def test_a_correction_speaks_of_every_file_that_its_pattern_matches():
    later = RawFile("hud_pit", "2025", "2007-2025-book.xlsb", b"")
    every = replace(KNOWN, file="2007-????-book.xlsb")
    check_total(later, "2009", "Veterans", published=73367, rows_sum=73362, corrections=(every,))
    with pytest.raises(ParseError, match="remove or renew"):
        check_total(later, "2009", "Veterans", published=73362, rows_sum=73362, corrections=(every,))
    with pytest.raises(ParseError, match="rows must sum to their Total"):
        check_total(BOOK, "2009", "Veterans", published=73367, rows_sum=73362, corrections=(every,))
    mangled = replace(MANGLED, file="2007-????-book.xlsb")
    assert apply_values(later, ROWS, [mangled])[0]["RATE"] == "99"


def test_entries_are_judged_when_they_are_read(tmp_path):
    path = tmp_path / "corrections.yaml"
    assert load(path) == ()
    entry = (
        "- id: a\n  kind: total\n  file: f\n  holds: MO\n  where: {sheet: 2009}\n  column: c\n  published: 1\n"
        "  expected: 2\n  why: w\n"
    )
    path.write_text(entry, encoding="utf-8")
    with pytest.raises(SourceError, match="entry 'a' must have exactly"):
        load(path)
    whole = entry + "  evidence: e\n"
    path.write_text(whole, encoding="utf-8")
    assert load(path)[0].where == {"sheet": "2009"}
    path.write_text(whole.replace("total", "guess"), encoding="utf-8")
    with pytest.raises(SourceError, match=r"must be one of \('total', 'value'\)"):
        load(path)
    path.write_text(whole + whole, encoding="utf-8")
    with pytest.raises(SourceError, match="an id stands twice"):
        load(path)
