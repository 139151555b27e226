"""Graduation rates: intervals as published, what is refused, and the same from the loopback publisher."""

import csv
import io
import zipfile

import polars as pl
import pytest

from pipelines.http import HttpFetcher
from sources.ed_acgr import SCHOOL, SOURCE
from sources.simulated import files
from sources.source import EVERYTHING, ParseError, RawFile, SourceError
from tests.publisher import Publisher

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

FILES = {(vintage, name): body for vintage, name, body in files(SOURCE.id)}
TOOL, SCHOOLS, WIDE = "edfactsdownload.csv", "acgr_sch_2014-15.csv", "acgr-lea-sy2017-18.csv"
ZIP = "SY2021_FS150_FS151_DG695_DG696_LEA_data_files.zip"
SHARES = ("graduation_share", "graduation_share_lower", "graduation_share_upper", "graduation_share_kind")


def parse(vintage: str, name: str, body: bytes | None = None) -> pl.DataFrame:
    file = RawFile(SOURCE.id, vintage, name, FILES[vintage, name] if body is None else body)
    ((key, frame),) = SOURCE.parse(file).items()
    table = next(table for table in SOURCE.tables if table.key == key)
    return table.conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


def tool(**change: str) -> pl.DataFrame:
    """The first row of the download tool's file, changed."""
    row = next(csv.DictReader(io.StringIO(FILES["2022", TOOL].decode()))) | change
    out = io.StringIO()
    writer = csv.DictWriter(out, list(row), lineterminator="\n")
    writer.writeheader()
    writer.writerow(row)
    return parse("2022", TOOL, out.getvalue().encode())


def school(
    cohort: str, rate: str, header: str = "LEAID,LEANM,NCESSCH,SCHNAM,ALL_COHORT_1415,ALL_RATE_1415"
) -> pl.DataFrame:
    return parse("2015", SCHOOLS, f"{header}\n0100005,Any,010000500871,Any High,{cohort},{rate}\n".encode())


@pytest.mark.parametrize(("vintage", "name"), list(FILES))
def test_every_simulated_file_parses(vintage, name):
    frame = parse(vintage, name)
    assert frame.height and set(frame["vintage"]) == {vintage}
    assert frame["period"].unique().to_list() == [f"{int(vintage) - 1}-{vintage}"]
    assert SOURCE.reads(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("74%", (0.74, 0.74, 0.74, "exact")),
        ("90-94%", (None, 0.90, 0.94, "interval")),
        (">=95%", (None, 0.95, 1.0, "interval")),
        ("<=1%", (None, 0.0, 0.01, "interval")),
        ("<50%", (None, 0.0, 0.5, "interval")),
        ("S", (None, None, None, "suppressed")),
        ("MISSING", (None, None, None, "missing")),
    ],
)
def test_the_words_of_the_long_files(text, expected):
    frame = tool(Value=text, Denominator="1404")
    assert frame.select(SHARES).row(0) == expected
    assert frame.select("cohort_count", "cohort_count_kind").row(0) == (1404, "exact")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("94", (0.94, 0.94, 0.94, "exact")),
        ("85-89", (None, 0.85, 0.89, "interval")),
        ("GE95", (None, 0.95, 1.0, "interval")),
        ("LE20", (None, 0.0, 0.2, "interval")),
        ("LT50", (None, 0.0, 0.5, "interval")),
        ("14-Oct", (None, 0.10, 0.14, "interval")),
        ("9-Jun", (None, 0.06, 0.09, "interval")),
        ("PS", (None, None, None, "suppressed")),
        (".", (None, None, None, "missing")),
    ],
)
def test_the_codes_of_the_wide_files(text, expected):
    assert school("12", text).select(SHARES).row(0) == expected


def test_a_cohort_that_was_not_sent_is_missing_and_a_group_that_is_not_there_is_left_out():
    assert school(".", "GE50").select("cohort_count", "cohort_count_kind").row(0) == (None, "missing")
    header = "LEAID,LEANM,NCESSCH,SCHNAM,ALL_COHORT_1415,ALL_RATE_1415,MBL_COHORT_1415,MBL_RATE_1415"
    for nobody in (".,.", ","):
        assert school("12", f"GE50,{nobody}", header)["subgroup"].to_list() == ["all"]


def test_groups_have_one_name_in_all_forms():
    groups = [set(parse(*where)["subgroup"]) for where in (("2018", WIDE), ("2021", ZIP))]
    assert groups[0] == groups[1] >= {"all", "black", "white", "homeless", "foster_care", "disability"}
    assert set(parse("2015", SCHOOLS)["subgroup"]) == groups[0] - {"homeless", "foster_care"}
    assert tool(Subgroup="Something New")["subgroup"].to_list() == ["Something New"]


def test_ids_keep_their_leading_zeros():
    body = FILES["2015", SCHOOLS].decode().splitlines()[0] + "\n"
    row = ["STATE", "1", "100005", "Any", "10000500871", "Any High", "9", "GE50", *["."] * 18, "26NOV16"]
    frame = parse("2015", SCHOOLS, (body + ",".join(row) + "\n").encode())
    assert frame.select("school_id", "district_id").row(0) == ("010000500871", "0100005")


def test_a_states_row_without_a_district_is_left_out_only_where_it_says_nothing():
    with pytest.raises(ParseError, match="must have rows of data group 695"):
        tool(**{"Data Group": "697"})
    with pytest.raises(ParseError, match="row 2: column 'NCES LEA ID': must be a district's seven digits"):
        tool(**{"NCES LEA ID": "0000000", "Value": "90%"})
    assert tool(**{"NCES LEA ID": "0000000", "Value": "MISSING"}).is_empty()


@pytest.mark.parametrize(
    ("cohort", "rate", "rule"),
    [
        ("12", "94-90", "column 'ALL_RATE_1415': '94-90' is no interval"),
        ("12", "101", "column 'ALL_RATE_1415': '101' is no percentage"),
        ("12", "XX", "column 'ALL_RATE_1415': 'XX' is neither a number nor a known code"),
        ("12.5", "90", "column 'ALL_COHORT_1415': '12.5' is no count of students"),
        ("12,90", "90", "must have 6 values as its header, but has 7"),
    ],
)
def test_a_wrong_cell_is_named(cohort, rate, rule):
    with pytest.raises(ParseError) as caught:
        school(cohort, rate)
    assert rule in str(caught.value) and "ed_acgr/2015/acgr_sch_2014-15.csv, row 2" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("MBL_RATE_1415", "MBL_QUOTA_1415", r"a cohort and a rate of each group, but not of \['MBL'\]"),
        ("MBL_RATE_1415", "MBL_RATE_1516", r"columns of one school year, but has \['1415', '1516'\]"),
        ("NCESSCH", "SCHOOL", r"must have the columns \['NCESSCH'\]"),
        ("LEAID", "DISTRICT", r"must have the columns \['LEAID'\]"),
    ],
)
def test_a_renamed_column_of_a_wide_file_is_refused(old, new, rule):
    with pytest.raises(ParseError, match=rule):
        parse("2015", SCHOOLS, FILES["2015", SCHOOLS].replace(old.encode(), new.encode(), 1))


@pytest.mark.parametrize("column", ["Value", "Denominator", "NCES LEA ID", "Subgroup", "Data Group", "School Year"])
def test_a_renamed_column_of_a_long_file_is_named(column):
    with pytest.raises(ParseError, match=rf"must have the columns \['{column}'\]"):
        parse("2022", TOOL, FILES["2022", TOOL].replace(column.encode(), b"Renamed", 1))


@pytest.mark.parametrize("name", [TOOL, SCHOOLS, WIDE])
def test_swapped_columns_give_the_same_table(name):
    vintage = next(vintage for vintage, known in FILES if known == name)
    out = io.StringIO()
    rows = csv.reader(io.StringIO(FILES[vintage, name].decode()))
    csv.writer(out, lineterminator="\n").writerows(row[::-1] for row in rows)
    assert parse(vintage, name, out.getvalue().encode()).equals(parse(vintage, name))


@pytest.mark.parametrize("body", [b"", b"<!DOCTYPE html><html></html>\n", FILES["2022", TOOL].split(b"\n")[0] + b"\n"])
def test_what_is_no_table_is_refused(body):
    with pytest.raises(ParseError, match="must have"):
        parse("2022", TOOL, body)


def test_a_file_that_was_cut_off_in_a_row_is_refused():
    body = FILES["2022", TOOL]
    with pytest.raises(ParseError, match="must have 18 values as its header"):
        parse("2022", TOOL, body[: len(body) - 40])


def test_an_archive_without_its_table_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("readme.txt", "nothing")
    with pytest.raises(ParseError, match=r"must hold one member like '\*_lea\.csv', but holds 0"):
        parse("2021", ZIP, out.getvalue())


RACES = "LEAID,LEANM,NCESSCH,SCHNAM,ALL_COHORT_1415,ALL_RATE_1415," + ",".join(
    f"{race}_{kind}_1415" for race in ("MBL", "MWH", "CWD") for kind in ("COHORT", "RATE")
)


def test_a_suppressed_rate_that_the_other_races_give_away_takes_theirs_with_it():
    """Read at its narrowest, 235 or 236 of 250 students graduated and 236 of 245 White ones: no Black student did."""
    given_away = school("250", "94,5,PS,245,96,40,70-79", RACES)
    kinds = dict(given_away.select("subgroup", "graduation_share_kind").iter_rows())
    assert kinds == {"all": "exact", "black": "suppressed", "white": "suppressed", "disability": "interval"}
    assert given_away.filter(pl.col("subgroup") == "white")["cohort_count"].to_list() == [245]


def test_a_suppressed_rate_that_may_be_several_numbers_leaves_the_others_as_published():
    hidden = school("250", "94,5,PS,245,90-94,40,70-79", RACES)
    kinds = dict(hidden.select("subgroup", "graduation_share_kind").iter_rows())
    assert kinds == {"all": "exact", "black": "suppressed", "white": "interval", "disability": "interval"}


def test_a_doubled_row_breaks_the_primary_key():
    rows = FILES["2015", SCHOOLS].decode().splitlines()
    frame = parse("2015", SCHOOLS, "\n".join([*rows, rows[1], ""]).encode())
    assert frame.select(SCHOOL.primary_key).is_duplicated().any()


def test_live_brings_the_published_files():
    live = {vintage.id for vintage in SOURCE.vintages if vintage.live}
    with Publisher({(SOURCE.id, *where): body for where, body in FILES.items()}) as publisher:
        fetcher = HttpFetcher(rewrite=publisher.rewrite, attempts=2, wait_initial=0.01)
        assert SOURCE.fetch and SOURCE.probe
        found = {(v, fetched.name): fetched.body for v in live for fetched in SOURCE.fetch(fetcher, v, EVERYTHING)}
        assert fetcher.get(SOURCE.probe("2021")).body == FILES["2021", ZIP]
    assert found == {where: body for where, body in FILES.items() if where[0] in live}


def test_the_next_release_has_no_address():
    assert SOURCE.probe
    with pytest.raises(SourceError, match="ed_acgr/2022: no address is known"):
        SOURCE.probe("2022")
