"""Child Welfare Outcomes and AFCARS: what the simulated files say, and what is refused."""

import polars as pl
import pytest

from sources.acf_afcars import SOURCE as AFCARS
from sources.acf_cwo import SOURCE
from sources.simulated import files
from sources.source import ParseError, RawFile

FILES = {vintage: (name, body) for vintage, name, body in files("acf_cwo")}
COUNT = "Number of Children Exiting to Emancipation"
YOUNG = "Children Age 12 or Younger at Entry (%)"


def parse(body: bytes, vintage: str = "2022") -> pl.DataFrame:
    [table] = SOURCE.tables
    name = f"foster_care_aging_out_{vintage}.csv"
    frame = SOURCE.parse(RawFile("acf_cwo", vintage, name, body))[table.key]
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def figures(frame: pl.DataFrame, measure: str) -> tuple[object, ...]:
    [row] = frame.filter(measure=measure).select("count", "count_kind", "share", "share_kind").rows()
    return row


def test_a_year():
    _, body = FILES["2022"]
    frame = parse(body)
    assert set(frame["period"]) == {"FY2022"} and set(frame["geo_id"]) == {"97"}
    cells = body.decode("utf-8-sig").splitlines()[1].strip('"').split('","')
    assert figures(frame, COUNT) == (float(cells[5]), "exact", None, "not_applicable")
    assert figures(frame, YOUNG) == (None, "not_applicable", pytest.approx(float(cells[2]) / 100), "exact")


def test_commas_in_thousands():
    _, body = FILES["2022"]
    last = body.rsplit(b'"', 2)[1]
    assert figures(parse(body.replace(b'"%s"' % last, b'"2,522"')), COUNT)[:2] == (2522.0, "exact")


def test_a_withheld_state_is_suppressed_and_not_zero():
    frame = parse(FILES["2023"][1], "2023")
    assert figures(frame, COUNT) == (None, "suppressed", None, "not_applicable")
    assert figures(frame, YOUNG) == (None, "not_applicable", None, "suppressed")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"Exiting to Emancipation", b"Emancipated", r"row 1: must have the columns \['Number of Children Exiting"),
        (b"Simulated State", b"National Total", r"row 2: 'National Total' is no state"),
        (b'"2022"', b'"FY22"', r"row 2: a year has four digits"),
        (b'"0.0"', b'"none"', r"row 2: column 'Missing Data \(%\)': 'none' is neither"),
        (b'"0.0"', b'"120.0"', r"row 2: column 'Missing Data \(%\)': '120.0' is no percentage"),
        (b'"0.0",', b"", r"row 2: must have 6 values as its header"),
    ],
)
def test_a_changed_file_is_refused(old, new, message):
    _, body = FILES["2022"]
    assert old in body
    with pytest.raises(ParseError, match=message) as caught:
        parse(body.replace(old, new))
    assert caught.value.file == "acf_cwo/2022/foster_care_aging_out_2022.csv"


@pytest.mark.parametrize("body", [b"<!DOCTYPE html>\n<html></html>", b"", FILES["2022"][1].splitlines()[0]])
def test_what_holds_no_figures_is_refused(body):
    with pytest.raises(ParseError):
        parse(body)


@pytest.mark.parametrize("source", [SOURCE, AFCARS])
def test_what_cannot_be_fetched_says_what_to_do(source):
    assert source.fetch is None and not any(vintage.live for vintage in source.vintages)
    assert f"<DIR>/{source.id}/<year>/" in source.not_live
