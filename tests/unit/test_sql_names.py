"""SQL is never built from data: what is set into a query is a name that the project declares, place by place.

Every call of `execute`, `sql` or `query` whose text is not a constant is found in the parsed source, with the
expressions that are set into it. Each has to stand below with the reason why it is no data; a new one fails until
somebody has looked.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("atlas", "models", "pipelines", "quality", "sources")
CALLS = ("execute", "executemany", "sql", "query")

DECLARED = {
    # Contracts and schemas of the project: constants of the code, checked by quality.contract.
    ("pipelines/warehouse.py", "kind"): "TABLE or VIEW, from the two callers",
    ("pipelines/warehouse.py", "name"): "schema and name of a contract",
    ("pipelines/warehouse.py", "column.name"): "a column of a contract",
    ("pipelines/warehouse.py", "table.schema_name"): "of a contract",
    ("pipelines/warehouse.py", "table.name"): "of a contract",
    ("pipelines/warehouse.py", "columns"): "names and types of a contract's columns",
    ("pipelines/warehouse.py", "schema"): "schemas of contracts",
    ("pipelines/warehouse.py", "view.key"): "of a contract",
    ("pipelines/warehouse.py", "union"): "keys of contracts",
    ("pipelines/warehouse.py", "names"): "columns of meta.releases, as declared",
    ("pipelines/warehouse.py", "STORAGE_VERSION"): "a constant",
    ("pipelines/warehouse.py", "checksum_sql(table.key)"): "key of a contract",
    # A literal whose quotes are doubled: comments take no parameters.
    ("pipelines/warehouse.py", "_literal(f'{prefix}{table.title}. {table.description}')"): "quoted by _literal",
    ("pipelines/warehouse.py", "_literal(column.description + unit)"): "quoted by _literal",
    ("pipelines/warehouse.py", "_literal(str(path))"): "quoted by _literal",
    ("pipelines/releases.py", "literal"): "a path with its quotes doubled: ATTACH takes no parameter",
    ("pipelines/releases.py", "name"): "then_ or now_",
    ("pipelines/releases.py", "one"): "then_ or now_",
    ("pipelines/releases.py", "other"): "then_ or now_",
    ("pipelines/releases.py", "schema"): "of meta.tables of a file that this home has published",
    ("pipelines/releases.py", "table"): "of meta.tables of a file that this home has published",
    ("pipelines/releases.py", "query"): "built two lines above from the four names before",
    ("pipelines/diffing.py", "table"): "a constant of its one caller",
    ("pipelines/diffing.py", "query"): "one of two constants",
    ("pipelines/allocating.py", "key.split('.')"): "a key of four that are constants",
    ("pipelines/allocating.py", "COUNTIES"): "a constant",
    ("atlas/summary.py", "names"): "fields of a class of the code",
    ("atlas/reading.py", "schema"): "of a table that a page names",
    ("atlas/reading.py", "name"): "of a table that a page names",
    ("atlas/reading.py", "where"): "written in the code of a page; its values are parameters",
    ("atlas/reading.py", "order"): "written in the code of a page",
    ("atlas/reading.py", "sql"): "written in the code of a page; its values are parameters",
    # The person at the keyboard asks; the file is opened read-only.
    ("pipelines/cli.py", "sql"): "`headwaters query SQL`",
}


def _inside(text: ast.expr) -> Iterator[str]:
    """Expressions that are set into the text of a query."""
    if isinstance(text, ast.JoinedStr):
        yield from (ast.unparse(part.value) for part in text.values if isinstance(part, ast.FormattedValue))
    if isinstance(text, ast.Call) and isinstance(text.func, ast.Attribute) and text.func.attr == "format":
        for argument in text.args:
            yield ast.unparse(argument.value if isinstance(argument, ast.Starred) else argument)
    elif not isinstance(text, ast.Constant | ast.JoinedStr):
        yield ast.unparse(text)


def _constants(tree: ast.Module) -> set[str]:
    """Names that a module binds to constant texts and to nothing else."""
    texts: set[str] = set()
    others: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            (texts if isinstance(node.value, ast.Constant) else others).update(names)
        elif isinstance(node, ast.arg):
            others.add(node.arg)
        elif isinstance(node, ast.For | ast.comprehension):
            others.update(name.id for name in ast.walk(node.target) if isinstance(name, ast.Name))
    return texts - others


def set_into_queries(source: str) -> set[str]:
    """Expressions that are set into queries of a module: names of constant texts do not count."""
    tree = ast.parse(source)
    fixed = _constants(tree)
    found: set[str] = set()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS):
            continue
        if node.args:
            found.update(_inside(node.args[0]))
    # A query that is put together first and executed later.
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.Return) and isinstance(node.value, ast.JoinedStr):
            first = node.value.values[0] if node.value.values else None
            if isinstance(first, ast.Constant) and str(first.value).lstrip().upper().startswith(("SELECT", "FROM ")):
                found.update(_inside(node.value))
    return found - fixed


def _modules() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def _uses_sql(source: str) -> bool:
    return "duckdb" in source or "sqlite3" in source or "_connection" in source


def test_every_name_in_a_query_is_declared_with_a_reason():
    found = set()
    for path in _modules():
        source = path.read_text(encoding="utf-8")
        if _uses_sql(source):
            found |= {(str(path.relative_to(ROOT)), expression) for expression in set_into_queries(source)}
    unknown = sorted(found - set(DECLARED) - {place for place in found if place[1].isupper()})
    assert unknown == [], "set values as parameters (?), or declare the name here with the reason why it is no data"


def test_no_declaration_outlives_its_query():
    sources = {path: (ROOT / path).read_text(encoding="utf-8") for path in {place[0] for place in DECLARED}}
    gone = [place for place in DECLARED if place[1].split("(")[0].split(".")[0] not in sources[place[0]]]
    assert gone == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('c.execute("SELECT 1")', set()),
        ('c.execute("SELECT ?", [county])', set()),
        ('c.execute(f"SELECT {county}")', {"county"}),
        ('q = "SELECT 1"\nc.execute(q)', set()),
        ('q = "SELECT 1"\ndef f(q): c.execute(q)', {"q"}),
        ("for q in data: c.execute(q)", {"q"}),
        ("c.execute('SELECT {}'.format(row[0]))", {"row[0]"}),
        ('c.sql("SELECT " + county)', {"'SELECT ' + county"}),
        ('c.sql("SELECT %s" % county)', {"'SELECT %s' % county"}),
        ('q = f"SELECT * FROM t WHERE x = {value}"\nc.execute(q)', {"value", "q"}),
    ],
)
def test_the_search_finds_what_is_set_in(source: str, found: set[str]):
    assert set_into_queries(source) == found


def test_a_quote_in_a_literal_cannot_end_it():
    from pipelines.warehouse import _literal

    assert _literal("O'Fallon'; DROP TABLE x; --") == "'O''Fallon''; DROP TABLE x; --'"
