import pytest

from sources.values import parse_number


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("2,522", 2522, "exact"),
        ("0", 0, "exact"),
        (" 12.5 ", 12.5, "exact"),
        ("-666666666", -666666666, "exact"),  # what a code means is for the source that uses it to say
        ("", None, "missing"),
        (None, None, "missing"),
        (" ", None, "missing"),
        (".", None, "missing"),
        ("NA", None, "missing"),
        ("S", None, "suppressed"),
        ("DQ*", None, "suppressed"),
    ],
)
def test_a_cell_is_a_number_missing_or_suppressed_and_never_a_zero_instead(text, value, kind):
    assert parse_number(text) == (value, kind)


@pytest.mark.parametrize("text", ["many", "1.2.3", "12%", "nan", "inf", "=1+1"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="is n"):
        parse_number(text)
