"""The ACS API through the `census` package: what is asked, and every answer that is not what was asked for.

Most tests ask for the cells that they name and nothing else; what is declared is asked in test_census_acs5.py.
"""

import json
import logging
import traceback
from collections.abc import Callable, Iterator

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from pipelines.http import USER_AGENT, HttpFetcher
from sources.census_acs5 import cells
from sources.census_acs5.live import fetch
from sources.source import Fetched, Scope, SourceError

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

API = "https://api.census.gov"
KEY = "MARKER-/+=%4f"
COUNTIES = [("Autauga County, Alabama", "01", "001"), ("Baldwin County, Alabama", "01", "003")]
PATH, SUBJECT = "/data/2023/acs/acs5", "/data/2023/acs/acs5/subject"


def rows(variables: str, counties: list[tuple[str, str, str]] = COUNTIES) -> list[list[str]]:
    """An answer as the API builds it: a header, then a row a county with its geography behind the variables."""
    names = variables.split(",")
    cells: list[list[str]] = [
        [name if v == "NAME" else str(i) for i, v in enumerate(names)] + [s, c] for name, s, c in counties
    ]
    return [[*names, "state", "county"], *cells]


def published(answer: object) -> bytes:
    """The API puts every row on a line of its own."""
    return json.dumps(answer, separators=(",", ":")).replace("],[", "],\n[").encode()


def api(request: Request) -> Response:
    if request.args.get("key") != KEY:
        return Response(status=302, headers={"Location": f"{API}/data/missing_key.html"})
    return Response(published(rows(request.args["get"])), headers={"ETag": '"e"', "Last-Modified": "yesterday"})


@pytest.fixture(scope="session")
def httpserver_listen_address() -> tuple[str, int]:
    return ("127.0.0.1", 0)


@pytest.fixture
def fetcher(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> HttpFetcher:
    monkeypatch.setenv("CENSUS_API_KEY", KEY)
    rewrite = {API: httpserver.url_for("").rstrip("/")}
    return HttpFetcher(attempts=2, wait_initial=0.001, timeout=5, rewrite=rewrite)


@pytest.fixture(autouse=True)
def declared(monkeypatch: pytest.MonkeyPatch) -> dict[str, frozenset[str]]:
    """Nothing is declared, unless a test fills this in."""
    held: dict[str, frozenset[str]] = {cells.COUNTY: frozenset(), cells.TRACT: frozenset(), cells.DISTRICT: frozenset()}
    monkeypatch.setattr(cells, "declared", lambda: held)
    return held


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Whatever happens in a test, the key is in no log record and on no screen."""
    caplog.set_level(logging.DEBUG)
    yield
    records = "".join(repr(vars(record)) for record in caplog.get_records("call"))
    assert "MARKER-" not in caplog.text + records + "".join(capfd.readouterr())


def failure(fetcher: HttpFetcher, *wanted: str) -> str:
    """What the error says, after a search for the key in it and in all that stands behind it."""
    got: list[Fetched] = []
    with pytest.raises(SourceError) as caught:
        got.extend(fetch(fetcher, "2023", Scope(tuple(wanted))))
    said = "".join(traceback.format_exception(caught.value))
    chain: list[BaseException | None] = [caught.value]
    while chain:
        link = chain.pop()
        if link is not None:
            said += f"{link}{link!r}{vars(link)!r}"
            chain += [link.__cause__, link.__context__]
    assert "MARKER-" not in said
    assert got == []
    return str(caught.value)


# --- what is asked and kept --------------------------------------------------------------------------------------


def test_the_answer_is_kept_as_published(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_request(PATH).respond_with_handler(api)
    fetched = list(fetch(fetcher, "2023", Scope(("B14005_010",))))
    variables = "NAME,B14005_010E,B14005_010M"
    assert fetched == [
        Fetched(
            name="county/part-01.json",
            content=published(rows(variables)),
            address=f"{API}{PATH}?get={variables}&for=county:*&in=state:*",
            etag='"e"',
            last_modified="yesterday",
        )
    ]
    asked = httpserver.log[0][0]
    assert asked.args.to_dict() == {"get": variables, "for": "county:*", "in": "state:*", "key": KEY}
    assert asked.headers["User-Agent"] == USER_AGENT


def test_cells_of_several_tables_share_a_request_and_subject_tables_have_their_own(
    httpserver: HTTPServer, fetcher: HttpFetcher
):
    httpserver.expect_request(PATH).respond_with_handler(api)
    httpserver.expect_request(SUBJECT).respond_with_handler(api)
    wanted = ("S2801_C01_014", "B17020B_005", "B14005_010", "B17020_001", "B17020B_001", "B14005_010")
    fetched = list(fetch(fetcher, "2023", Scope(wanted)))
    assert [one.name for one in fetched] == ["county/part-01.json", "county/part-02.json"]
    assert [(asked.path, asked.args["get"]) for asked, _ in httpserver.log] == [
        (
            PATH,
            "NAME,B14005_010E,B14005_010M,B17020_001E,B17020_001M,B17020B_001E,B17020B_001M,B17020B_005E,B17020B_005M",
        ),
        (SUBJECT, "NAME,S2801_C01_014E,S2801_C01_014M"),
    ]


def test_many_cells_are_asked_in_chunks_with_one_request_each(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_request(PATH).respond_with_handler(api)
    fetched = list(fetch(fetcher, "2023", Scope(tuple(f"B01001_{n:03d}" for n in range(1, 50)))))
    assert [one.name for one in fetched] == [f"county/part-0{n}.json" for n in (1, 2, 3)]
    asked = [request.args["get"].split(",") for request, _ in httpserver.log]
    assert [len(variables) for variables in asked] == [49, 49, 3]
    assert [variables[-1] for variables in asked] == ["B01001_024M", "B01001_048M", "B01001_049M"]
    assert [json.loads(one.body)[0][1] for one in fetched] == ["B01001_001E", "B01001_025E", "B01001_049E"]


def test_a_vintage_that_the_package_does_not_list_is_asked_all_the_same(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_request("/data/2031/acs/acs5").respond_with_handler(api)
    assert len(list(fetch(fetcher, "2031", Scope(("B14005_010",))))) == 1


def test_a_busy_publisher_is_asked_again(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_ordered_request(PATH).respond_with_data(b"busy", status=503)
    httpserver.expect_ordered_request(PATH).respond_with_handler(api)
    assert len(list(fetch(fetcher, "2023", Scope(("B14005_010",))))) == 1


def test_nothing_wanted_is_nothing_asked(httpserver: HTTPServer, fetcher: HttpFetcher):
    assert list(fetch(fetcher, "2023", Scope())) == []
    assert httpserver.log == []


# --- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["B14005", "DP03_0009P", "B14005_010E", "S2801_014", "b14005_010"])
def test_a_cell_must_look_like_one(fetcher: HttpFetcher, cell: str):
    said = failure(fetcher, "B14005_001", cell)
    assert "census_acs5" in said and repr(cell) in said and "Correct it in the indicator" in said


def test_no_key(fetcher: HttpFetcher, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CENSUS_API_KEY")
    assert "key_signup" in failure(fetcher, "B14005_010")


@pytest.mark.parametrize("redirect", [True, False])
@pytest.mark.parametrize("which", ["Missing", "Invalid"])
def test_a_key_that_is_missing_or_refused(httpserver: HTTPServer, fetcher: HttpFetcher, which: str, redirect: bool):
    page = f"<html><head><title>{which} Key</title></head><body>You sent {KEY}</body></html>"
    target = f"/data/{which.lower()}_key.html"
    if redirect:
        httpserver.expect_request(PATH).respond_with_data(status=302, headers={"Location": f"{API}{target}?key={KEY}"})
        httpserver.expect_request(target).respond_with_data(page, content_type="text/html")
    else:
        httpserver.expect_request(PATH).respond_with_data(page, content_type="text/html")
    said = failure(fetcher, "B14005_010")
    assert (
        "census_acs5, vintage 2023, county/part-01.json (table B14005)" in said
        and f"({which} Key)" in said
        and "key_signup" in said
    )


def test_an_unknown_variable(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_request(PATH).respond_with_data(b"error: error: unknown variable 'B14005_999E'", status=400)
    said = failure(fetcher, "B14005_999")
    assert "table B14005" in said and "unknown variable 'B14005_999E' (HTTP 400)" in said
    assert f"{API}/data/2023/acs/acs5/groups/B14005.html" in said and "correct the cells" in said


def answers_with(body: bytes | str, status: int = 200) -> Callable[[Request], Response]:
    return lambda request: Response(body, status=status)


def cut(change: Callable[[list[list[str]]], object]) -> Callable[[Request], Response]:
    return lambda request: Response(published(change(rows(request.args["get"]))))


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        (answers_with(b"", 204), "no rows (HTTP 204)"),
        (answers_with(f"<title>Bad Gateway {KEY}</title>", 502), "got HTTP 502: Bad Gateway ***"),
        (answers_with("x" * 192 + KEY, 502), "xxx***"),
        (answers_with(b"slow down", 429), "got HTTP 429: slow down"),
        (answers_with(b"", 403), "got HTTP 403"),
        (answers_with(b""), "expected a whole JSON array"),
        (answers_with("error", 500), "got HTTP 500: error"),
        (answers_with(f"<title>Site under maintenance {KEY}</title>"), "got 'Site under maintenance ***'"),
        (answers_with(b'{"error": "no"}'), "expected a whole JSON array"),
        (answers_with(b"[]"), "expected a whole JSON array"),
        (answers_with(b"[1, 2]"), "expected a whole JSON array"),
        (answers_with(b'[["NAME","B14005_010E"'), "expected a whole JSON array"),
        (cut(lambda answer: [row[:-1] for row in answer]), "expected a whole JSON array with state and county"),
        (cut(lambda answer: answer[:1]), "a header and no rows"),
        (cut(lambda answer: [[row[0], row[2], *row[3:]] for row in answer]), "the answer lacks B14005_010E"),
        (cut(lambda answer: [*answer[:-1], answer[-1][:-1]]), "row 3 has 4 values under a header of 5"),
        (cut(lambda answer: [*answer, answer[-1] + ["x"]]), "row 4 has 6 values under a header of 5"),
        (cut(lambda answer: [*answer, None]), "row 4 has no values"),
        (cut(lambda answer: [*answer, answer[-1]]), "3 rows stand for 2 areas"),
    ],
)
def test_an_answer_that_is_not_whole(
    httpserver: HTTPServer, fetcher: HttpFetcher, handler: Callable[[Request], Response], says: str
):
    httpserver.expect_request(PATH).respond_with_handler(handler)
    said = failure(fetcher, "B14005_010")
    assert said.startswith("census_acs5, vintage 2023, county/part-01.json (table B14005): ") and says in said


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (COUNTIES[:1], "part 2 covers 1 areas and part 1 2, of which 1 are the same"),
        ([COUNTIES[0], ("Barbour County, Alabama", "01", "005")], "part 2 covers 2 areas and part 1 2, of which 1"),
    ],
)
def test_chunks_of_a_table_must_cover_the_same_counties(
    httpserver: HTTPServer, fetcher: HttpFetcher, second: list[tuple[str, str, str]], says: str
):
    httpserver.expect_ordered_request(PATH).respond_with_handler(api)
    httpserver.expect_ordered_request(PATH).respond_with_handler(
        lambda request: Response(published(rows(request.args["get"], second)))
    )
    said = failure(fetcher, *(f"B01001_{n:03d}" for n in range(1, 50)))
    assert "table B01001" in said and says in said and "Run again" in said


def test_rows_of_a_chunk_may_come_in_another_order(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_ordered_request(PATH).respond_with_handler(api)
    httpserver.expect_ordered_request(PATH).respond_with_handler(
        lambda request: Response(published(rows(request.args["get"], COUNTIES[::-1])))
    )
    assert len(list(fetch(fetcher, "2023", Scope(tuple(f"B01001_{n:03d}" for n in range(1, 26)))))) == 2


def test_nobody_answers(fetcher: HttpFetcher, monkeypatch: pytest.MonkeyPatch):
    unreachable = HttpFetcher(attempts=2, wait_initial=0.001, rewrite={API: "http://127.0.0.1:9"})
    said = failure(unreachable, "B14005_010")
    assert "table B14005" in said and "ConnectionError" in said and "Check the network" in said


def test_an_answer_that_breaks_off(httpserver: HTTPServer, fetcher: HttpFetcher):
    httpserver.expect_request(PATH).respond_with_handler(
        lambda request: Response(iter([b'[["NAME"']), headers={"Content-Length": "600"})
    )
    said = failure(fetcher, "B14005_010")
    assert "table B14005" in said and "ChunkedEncodingError" in said
