"""Cells as publishers print them: a number, an interval, or one of three kinds of nothing."""

import pytest

from sources.values import Value, exact, interval, nothing, parse_nces, parse_number, parse_percent


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2,522", exact(2522)),
        ("0", exact(0)),
        ("-3", exact(-3)),
        (" 7.5 ", exact(7.5)),
        (None, nothing("missing")),
        (" ", nothing("missing")),
        (".", nothing("missing")),
        ("MISSING", nothing("missing")),
        ("N.R.", nothing("missing")),
        ("N.A.", nothing("missing")),
        ("\u2013", nothing("missing")),
        ("S", nothing("suppressed")),
        ("PS", nothing("suppressed")),
        ("*", nothing("suppressed")),
        ("DQ*", nothing("suppressed")),
        ("\u2021", nothing("suppressed")),
        ("\u2020", nothing("not_applicable")),
    ],
)
def test_a_cell_that_holds_a_count(text: str | None, value: Value):
    assert parse_number(text) == value
    assert parse_number(text, intervals=True) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (">=95%", interval(0.95, 1)),
        (">=99%", interval(0.99, 1)),
        ("90-94%", interval(0.90, 0.94)),
        ("60-64", interval(0.60, 0.64)),
        ("GE95", interval(0.95, 1)),
        ("LT50", interval(0, 0.50)),
        ("LE20", interval(0, 0.20)),
        ("<=1%", interval(0, 0.01)),
        ("<.5%", interval(0, 0.005)),
        ("14-Oct", interval(0.10, 0.14)),
        ("9-May", interval(0.05, 0.09)),
        ("90%", exact(0.9)),
        ("94", exact(0.94)),
        ("100%", exact(1)),
        ("PS", nothing("suppressed")),
        (".", nothing("missing")),
        ("", nothing("missing")),
    ],
)
def test_a_cell_that_holds_a_percentage(text: str, value: Value):
    assert parse_percent(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("14-Oct", interval(10, 14)), (">=5", interval(5, None)), ("<10", interval(0, 10))]
)
def test_a_count_is_an_interval_only_where_the_table_has_room_for_its_bounds(text: str, value: Value):
    assert parse_number(text, intervals=True) == value
    with pytest.raises(ValueError, match="neither a number nor a known code"):
        parse_number(text)


@pytest.mark.parametrize("text", ["about 5", "1e999", "nan", "DQ!", "5 to 9"])
def test_what_nobody_knows_is_refused(text: str):
    with pytest.raises(ValueError, match=r"neither a number|not a finite"):
        parse_number(text, intervals=True)


@pytest.mark.parametrize("text", ["101%", "-1", "94-90", "90-104", "12-Oct-2020", "ninety"])
def test_what_is_no_percentage_is_refused(text: str):
    with pytest.raises(ValueError, match=r"percentage|interval|known code"):
        parse_percent(text)


def test_codes_of_the_education_data_portal():
    kinds = [parse_nces(number).kind for number in (None, -1, -2, -3)]
    assert kinds == ["missing", "missing", "not_applicable", "suppressed"]
    assert parse_nces(-9) == interval(0, 0.5)
    assert parse_nces(0) == exact(0)
    with pytest.raises(ValueError, match="neither a figure nor a known code"):
        parse_nces(-4)
