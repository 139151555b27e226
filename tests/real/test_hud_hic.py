"""The real housing inventory: it parses, known figures hold, the simulated workbook is written as it is.

No real workbook by state is at hand: its layout is inferred, and only `tests/sources/test_hud_hic.py` reads it.
"""

import re

import polars as pl
import pytest

from sources.hud_hic import COC, SOURCE
from sources.simulated import files
from sources.source import ParseError, RawFile
from sources.workbook import Workbook

PATH = "2024/2007-2024-HIC-Counts-by-CoC.xlsx"


def parse(real_data, name: str = "2007-2024-HIC-Counts-by-CoC.xlsx") -> pl.DataFrame:
    ((key, frame),) = SOURCE.parse(RawFile("hud_hic", "2024", name, real_data / "hud_hic" / PATH)).items()
    assert key == COC.key
    return COC.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


@pytest.fixture(scope="module")
def beds(real_data) -> pl.DataFrame:
    return parse(real_data)


@pytest.fixture(scope="module")
def books(real_data) -> tuple[Workbook, Workbook]:
    """The simulated and the real workbook."""
    [ours] = [body for vintage, name, body in files("hud_hic") if f"{vintage}/{name}" == PATH]
    return tuple(Workbook(RawFile("any", "any", "any.xlsx", body)) for body in (ours, real_data / "hud_hic" / PATH))


def test_every_real_file_is_read(real_data):
    here = {path.relative_to(real_data / "hud_hic").as_posix() for path in (real_data / "hud_hic").rglob("*.*")}
    assert here == {PATH}


def test_rows_years_and_known_figures(beds):
    assert beds.height == 405_190
    assert sorted(set(beds["period"])) == [str(year) for year in range(2007, 2025)]
    assert not beds.select(COC.primary_key).is_duplicated().any()
    now = beds.filter(period="2024")
    assert now.filter(measure="Total Year-Round Beds (ES, TH, SH)")["count"].sum() == 509_710
    youth = now.filter(measure="Dedicated Youth Beds (ES, TH, SH)")
    assert youth["count"].sum() == 17_510
    assert youth.filter(geo_id="MO-501")["count"].item() == 54
    assert youth.filter(geo_id="MO-604")["count"].item() == 193
    assert beds.filter(geo_id="MO-604", period="2016")["publisher_code"].unique().to_list() == ["MO-604a"]
    assert beds.filter(geo_id="MO-604")["period"].n_unique() == 18


def test_no_beds_are_fewer_than_none_and_what_was_is_missing(beds):
    assert beds["count"].min() == 0
    for known in SOURCE.corrections:
        at = beds.filter(period=known.where["sheet"], geo_id=known.holds, measure=known.column)
        assert at.select("count", "count_kind").rows() == [(None, "missing")], known.id


def test_known_errors_are_told_in_every_edition(real_data):
    assert parse(real_data, "2007-2025-HIC-Counts-by-CoC.xlsx")["count"].min() == 0
    assert parse(real_data, "some-HIC-Counts-by-CoC.xlsx")["count"].min() < 0


def test_a_mended_error_asks_for_its_correction_to_go(real_data, monkeypatch):
    from dataclasses import replace

    from sources import hud_hic

    mended = replace(SOURCE.corrections[0], published="-754")
    monkeypatch.setattr(hud_hic, "_CORRECTIONS", (mended, *SOURCE.corrections[1:]))
    with pytest.raises(ParseError, match=rf"correction {mended.id} expects -754.*remove or renew"):
        parse(real_data)


@pytest.mark.parametrize("sheet", ["2024", "2016", "2012"])
def test_headings_titles_and_codes(sheet, books):
    ours, theirs = (book.rows(sheet) for book in books)
    assert ours[:2] == theirs[:2]
    found = [
        {cell for row in rows[2:] if row[0] for cell in row[1:] if not re.fullmatch(r"[\d.]*\d(E-\d+)?", cell or "")}
        for rows in (ours, theirs)
    ]
    # The footnote stands alone in its row.
    assert found[0] <= found[1] <= {None, "."}
    ends = [[bool(row[0]) and "".join(row[0].split()[:1]) for row in rows[-3:]] for rows in (ours, theirs)]
    assert ends[0][-1] == ends[1][-1] == ("a" if sheet == "2016" else "Total")


def test_sheets(books):
    ours, theirs = (book.sheet_names for book in books)
    assert [name for name in theirs if name in ours] == ours
    assert [name for name in ours if not name.isdigit()] == [name for name in theirs if not name.isdigit()]
