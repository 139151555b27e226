"""`headwaters index`: files in, files out, nothing written on an error, and every error told by file and line."""

import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from models.engine.svi import THEMES_2018, THEMES_2020
from models.indices.table_index import compute
from models.indices.table_output import Options
from pipelines import indexing
from pipelines.cli import app

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = DOCS / "examples"
Cli = Callable[..., Result]
SPEC = """\
id: need
table: {id: area}
members:
  - {column: poverty, direction: +1, margin: moe}
  - {column: income, direction: -1}
"""
ROWS = [("007", "12.5", "2.0", "50000"), ("010", "20.1", "3.0", "41000"), ("1", "8.0", "1.5", "60000")]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Call the command in an empty folder; nothing may end in a traceback."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Result:
        result = CliRunner().invoke(app, ["index", *(str(argument) for argument in arguments)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        assert "\x1b" not in result.output, "not a terminal: no colours"
        return result

    return call


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A declaration, a table, and an output of yesterday."""
    (tmp_path / "need.yaml").write_text(SPEC)
    lines = ["area,poverty,moe,income", *(",".join(row) for row in ROWS)]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "out.csv").write_text("yesterday\n")
    return tmp_path / "need.yaml", tmp_path / "table.csv", tmp_path / "out.csv"


def listed(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def refused(cli: Cli, files: tuple[Path, Path, Path], *options: str) -> str:
    """What is said of an error, after which everything is as it was."""
    before = listed(files[0].parent)
    result = cli(files[0], files[1], "-o", files[2], *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert files[2].read_text() == "yesterday\n", "yesterday's output stays"
    assert listed(files[0].parent) == before, "nothing else is written"
    assert result.stderr.startswith("headwaters: ")
    return result.stderr.removeprefix("headwaters: ").rstrip("\n")


def test_a_table_goes_in_and_scores_come_out(cli, files):
    result = cli(files[0], files[1], "-o", files[2], "--draws", "100", "--seed", "5")
    assert result.exit_code == 0
    assert result.stdout == f"written  {files[2]}  3 rows\n"
    assert "note: no error is declared of income" in result.stderr
    written = pl.read_csv(files[2], infer_schema=False)
    assert written["id"].to_list() == ["007", "010", "1"], "ids are texts, with their zeros and in their order"
    assert written["n_draws"].unique().to_list() == ["100"]
    assert written["seed"].unique().to_list() == ["5"]
    expected = compute(indexing.read_declaration(files[0]), indexing.read_table(files[1]), Options(100, 5)).table
    assert files[2].read_text() == expected.write_csv()
    assert listed(files[0].parent) == {"need.yaml", "table.csv", "out.csv"}


def test_ranks_without_an_interval_are_said_to_be_so(cli, files):
    result = cli(files[0], files[1], "-o", files[2], "--draws", "0")
    assert result.exit_code == 0
    assert "note: ranks are written without an interval, because no draws were asked for" in result.stderr
    assert "rank_p05" not in files[2].read_text()


def test_missing_is_blank(cli, files):
    files[1].write_text("area,poverty,moe,income\n1,5,1,\n2,,,\n3,6,1,9\n4,7,1,8\n")
    assert cli(files[0], files[1], "-o", files[2], "--draws", "0").exit_code == 0
    assert files[2].read_text().splitlines()[2].startswith("2,,,0.0,3,")


def test_the_output_may_be_in_a_new_folder(cli, files, tmp_path):
    result = cli(files[0], files[1], "-o", tmp_path / "new" / "deep" / "out.csv")
    assert result.exit_code == 0
    assert listed(tmp_path / "new" / "deep") == {"out.csv"}


def test_a_table_of_windows_is_read(cli, files):
    body = "\ufeffarea,poverty,moe,income\r\n1,5,1,7\r\n2,6,1,8\r\n\r\n".encode()
    files[1].write_bytes(body)
    assert cli(files[0], files[1], "-o", files[2]).exit_code == 0


# --- what is no table ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "table.csv: is empty"),
        (b"  \n\n", "table.csv: is empty"),
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "table.csv:1: is a web page, not CSV"),
        (b"\n  <HTML>", "table.csv:1: is a web page, not CSV"),
        (b"<?xml version='1.0'?><a/>", "table.csv:1: is XML, not CSV"),
        (b"area,poverty,moe,income\n1,5,1,7\nS\xe3o,5,1,7\n", "table.csv:3: the byte 0xe3 is not UTF-8"),
        ("area,poverty\n1,2\n".encode("utf-16"), "table.csv: is UTF-16, not text in UTF-8"),
        (b"PK\x03\x04rest", "table.csv: is a ZIP file or a workbook"),
        (b"area,poverty,moe,income\n1,5\x00,1,7\n", "table.csv: holds zero bytes"),
        (b"area,poverty,moe,income\n", "table.csv: must have rows below its header"),
        (b"area,poverty,moe,income\n1,5,1,7\n", "table.csv: has 1 row below its header"),
        (b"area,poverty,moe,income\n1,5,1,7\n2,5,1\n", "table.csv: row 3: must have 4 values as its header, but has 3"),
        (b"area,poverty,moe,income\n1,5,1,7,8\n2,5,1,7\n", "table.csv: row 2: must have 4 values as its header"),
        (b"area,poverty,moe,income\n1,5,1,7\n\n2,5,1,8\n", "table.csv: row 3: must have 4 values"),
        (b"area,poverty,poverty,moe,income\n1,5,5,1,7\n", "table.csv: row 1: must not have two columns of one name"),
        (b"area;poverty;moe;income\n1;5;1;7\n2;5;1;7\n", "need.yaml:2: table.csv has no column area; its header"),
        (b"area,povrety,moe,income\n1,5,1,7\n2,5,1,7\n", "need.yaml:4: table.csv has no column poverty; did"),
        (b"area,poverty,moe,income\n1,5,1,7\n1,5,1,7\n", "table.csv: row 3, column area: the id 1 stands already"),
        (b"area,poverty,moe,income\n1,5,1,7\n,5,1,7\n", "table.csv: row 3, column area: an id must not be empty"),
        (b"area,poverty,moe,income\n1,5,1,7\n2,many,1,7\n", "table.csv: row 3 (id 2), column poverty: must be a"),
        (b"area,poverty,moe,income\n1,5,1,7\n2,NaN,1,7\n", "table.csv: row 3 (id 2), column poverty: must be a"),
        (b"area,poverty,moe,income\n1,5,1,inf\n2,5,1,7\n", "table.csv: row 2 (id 1), column income: must be a number"),
        (b"area,poverty,moe,income\n1,5,-1,7\n2,5,1,7\n", "table.csv: row 2 (id 1), column moe: a margin must not"),
        (b"area,poverty,moe,income\n1,,1,7\n2,5,1,7\n", "table.csv: row 2 (id 1), column moe: a margin without"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_and_nothing_is_written(cli, files, body, says):
    files[1].write_bytes(body)
    assert refused(cli, files).startswith(says)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("+1", "+2", "need.yaml:4: member 1 (poverty): direction must be"),
        (
            "direction: -1",
            "direction: -1, weight: -3",
            "need.yaml:5: member 2 (income): weight must be a positive",
        ),
        ("members", "member", "need.yaml:3: unknown key member; did you mean members?"),
        ("area", "[area", "need.yaml:"),
        ("moe}", "moe, parent: x}", "need.yaml:4: member poverty: no group is called x"),
        (
            "members:",
            "groups: [{id: a, parent: b}, {id: b, parent: a}]\nmembers:",
            "need.yaml:3: groups are each other's parent: a -> b -> a",
        ),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_and_nothing_is_written(cli, files, old, new, says):
    files[0].write_text(SPEC.replace(old, new))
    assert refused(cli, files).startswith(says)


def test_files_that_are_not_there(cli, files, tmp_path):
    for missing in ("need.yaml", "table.csv"):
        path = tmp_path / missing
        path.rename(tmp_path / "away")
        assert refused(cli, files) == f"{path}: cannot be read: No such file or directory"
        (tmp_path / "away").rename(path)


def test_the_output_is_never_what_is_read(cli, files):
    for source in files[:2]:
        body = source.read_bytes()
        result = cli(files[0], files[1], "-o", source)
        assert result.exit_code == 1
        assert "is read here, so it cannot be the output" in result.stderr
        assert source.read_bytes() == body


def test_an_output_that_cannot_be_written(cli, files, tmp_path):
    result = cli(files[0], files[1], "-o", tmp_path)
    assert result.exit_code == 1
    assert "is a folder: name a file" in result.stderr
    result = cli(files[0], files[1], "-o", files[2] / "x.csv")
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
    assert files[2].read_text() == "yesterday\n"


def test_when_writing_breaks_off_the_old_files_stay(cli, files, monkeypatch):
    spec = SPEC + "sensitivity: {aggregation: [geometric]}\n"
    files[0].write_text(spec)
    written = []

    def full(path: Path, body: bytes) -> None:
        written.append(path.name)
        if len(written) > 1:
            raise OSError(28, "No space left on device", str(path))
        path.write_bytes(body)

    monkeypatch.setattr(indexing, "write_atomically", full)
    assert "No space left on device" in refused(cli, files, "--draws", "10", "--sensitivity")
    assert len(written) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--mode", "bayes"], "the mode 'bayes' is none of posterior, sampling"),
        (["--draws", "-1"], "greater than or equal to 0"),
        (["--draws", "many"], "as an integer"),
        (["--seed", "-1"], "greater than or equal to 0"),
    ],
)
def test_wrong_usage_ends_with_2(cli, files, options, says):
    result = cli(files[0], files[1], "-o", files[2], *options)
    assert result.exit_code == 2
    assert says in re.sub(r"[\s│]+", " ", result.stderr)
    assert files[2].read_text() == "yesterday\n"


# --- beside the output -----------------------------------------------------------------------------------------------


def test_what_stands_beside_the_output(cli, files, tmp_path):
    files[0].write_text(
        SPEC + "treatment: winsorise_log\nsensitivity: {aggregation: [geometric], weighting: [equal]}\n"
    )
    files[0].write_text(files[0].read_text().replace("income, direction: -1", "income, direction: -1, weight: 2"))
    rows = [f"{i},{10 + i % 7},1,{1000 + i if i else 999_999}" for i in range(40)]
    files[1].write_text("area,poverty,moe,income\n" + "\n".join(rows) + "\n")
    result = cli(files[0], files[1], "-o", files[2], "--draws", "50", "--sensitivity")
    assert result.exit_code == 0, result.stderr
    names = {"out.csv", "out.treatments.csv", "out.sensitivity.csv", "out.factors.csv"}
    assert listed(tmp_path) == {"need.yaml", "table.csv", *names}
    assert result.stdout.startswith(f"written  {files[2]}  40 rows\n")
    assert pl.read_csv(tmp_path / "out.treatments.csv")["id"].to_list()[0] == 0
    sensitivity = pl.read_csv(tmp_path / "out.sensitivity.csv")
    assert sensitivity.columns[:3] == ["id", "rank_nominal", "rank_mean"]
    result = cli(files[0], files[1], "-o", files[2], "--draws", "50")
    assert "note: out.sensitivity.csv was not written this time" in result.stderr


def test_a_matrix_of_correlations_lies_beside_the_declaration(cli, files, tmp_path):
    files[0].write_text(SPEC.replace("direction: -1}", "direction: -1, se: moe}") + "error_correlation: errors.csv\n")
    assert "errors.csv: cannot be read" in refused(cli, files)
    (tmp_path / "errors.csv").write_text("member,poverty,income\npoverty,1,0.3\nincome,0.3,1\n")
    assert cli(files[0], files[1], "-o", files[2], "--draws", "20").exit_code == 0
    assert pl.read_csv(files[2])["independence_assumed"].unique().to_list() == [False]


# --- the documented examples ---------------------------------------------------------------------------------------


def test_the_example_runs_as_the_page_says(cli, tmp_path):
    page = (DOCS / "index-any-table.md").read_text(encoding="utf-8")
    result = cli(EXAMPLES / "need.yaml", EXAMPLES / "need.csv", "-o", "scores.csv", "--sensitivity")
    assert result.exit_code == 0
    for line in [*result.stdout.splitlines(), *result.stderr.splitlines()]:
        assert re.sub(r" +", " ", line) in re.sub(r" +", " ", page), line
    table = pl.read_csv("scores.csv", schema_overrides={"id": pl.String}).sort("rank").head(5)
    for row in table.iter_rows(named=True):
        shown = (
            f"| {row['rank']} | {row['rank_p05']} to {row['rank_p95']} | {row['id']} | {row['score']:.1f} | "
            f"{row['score_direct']:.1f} | {row['p_top_5']:.2f} | {row['tier']} |"
        )
        assert shown in page, shown
    for row in pl.read_csv("scores.factors.csv").iter_rows(named=True):
        shown = f"| {row['factor']} | {row['s1']:.2f} | {row['st']:.2f} |"
        assert shown in page, shown


def test_the_declaration_on_the_page_is_the_example(tmp_path):
    page = (DOCS / "index-any-table.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.S)
    (tmp_path / "page.yaml").write_text(block)
    shown, example = (indexing.read_declaration(path) for path in (tmp_path / "page.yaml", EXAMPLES / "need.yaml"))
    for part in ("tree", "members", "groups", "recipe", "sensitivity", "id_column", "name_column", "missing_codes"):
        assert getattr(shown, part) == getattr(example, part), part
    rows = re.findall(r"```csv\n(.*?)```", page, flags=re.S)[0]
    assert (EXAMPLES / "need.csv").read_text().startswith(rows)


def test_the_page_names_every_key_and_every_column(cli):
    from models.indices.declared import COMMON_KEYS, TABLE_MEMBER_KEYS
    from models.indices.table_spec import ERROR_MODELS

    page = (DOCS / "index-any-table.md").read_text(encoding="utf-8")
    assert cli(EXAMPLES / "need.yaml", EXAMPLES / "need.csv", "-o", "scores.csv", "--draws", "20").exit_code == 0
    columns = pl.read_csv("scores.csv").columns
    plain = [name for name in columns if not name.startswith(("group_", "normalised_", "contribution_"))]
    keys = {*COMMON_KEYS, *TABLE_MEMBER_KEYS, *ERROR_MODELS, *plain}
    keys |= {key for model in ERROR_MODELS.values() for key in (*model.columns, *model.numbers)}
    assert {key for key in keys if not re.search(rf"`[^`\n]*\b{key}\b[^`\n]*`", page)} == set()


@pytest.mark.parametrize(("year", "themes"), [("2018", THEMES_2018), ("2020", THEMES_2020)])
def test_the_example_of_the_svi_declares_what_cdc_ranks(year, themes):
    spec = indexing.read_declaration(EXAMPLES / f"svi-{year}.yaml")
    assert spec.preset is not None
    assert spec.preset.themes == themes
    assert (spec.id_column, spec.preset.population, spec.missing_codes) == ("FIPS", "E_TOTPOP", ("-999",))


def test_the_example_of_the_imd_ranks_a_table(cli, tmp_path):
    spec = indexing.read_declaration(EXAMPLES / "imd-2019.yaml")
    assert spec.preset is not None
    columns = {name: [str(1 + (i * (j + 3)) % 11) for i in range(11)] for j, name in enumerate(spec.preset.domains)}
    pl.DataFrame({"lsoa_code": [f"E{i:08d}" for i in range(11)], **columns}).write_csv(tmp_path / "ranks.csv")
    result = cli(EXAMPLES / "imd-2019.yaml", tmp_path / "ranks.csv", "-o", "out.csv")
    assert result.exit_code == 0
    assert "rank 1 and decile 1 are the MOST deprived" in result.stderr
    assert pl.read_csv("out.csv")["decile"].min() == 1
    result = cli(EXAMPLES / "imd-2019.yaml", tmp_path / "ranks.csv", "-o", "out.csv", "--draws", "100")
    assert result.exit_code == 1
    assert "imd-2019.yaml:4: --draws: the preset imd" in result.stderr
