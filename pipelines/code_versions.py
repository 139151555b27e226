"""Versions of the code behind each step: what a change of the code makes stale, and what it does not.

A version is a checksum over the parsed source of a module and of every module of the project that it imports, at any
depth; comments, docstrings and layout do not count. Data files that a module names (`hosts.yaml`) count as its code.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("atlas", "models", "pipelines", "quality", "sources")
_DATA = (".yaml", ".csv", ".html", ".json")


def _file(module: str) -> Path | None:
    """Where a module of the project lies; None for a name that is none."""
    package, *rest = module.split(".")
    # A package may have folders elsewhere, of whoever adds a source without touching the project.
    elsewhere = [Path(folder) for folder in getattr(sys.modules.get(package), "__path__", [])]
    bases = [folder.joinpath(*rest) for folder in (ROOT / package, *elsewhere)]
    files = (path for base in bases for path in (base.with_suffix(".py"), base / "__init__.py"))
    return next((path for path in files if path.exists()), None)


def _bare(tree: ast.Module) -> ast.Module:
    """The tree without docstrings, which change nothing that is computed."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            first = body[0].value
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                node.body = body[1:]  # type: ignore[attr-defined]
    return tree


@cache
def _tree(module: str) -> ast.Module:
    path = _file(module)
    assert path is not None
    return _bare(ast.parse(path.read_text(encoding="utf-8")))


def _imports(module: str) -> Iterator[str]:
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.split(".")[0] in PACKAGES and _file(name) is not None:
                yield name


@cache
def closure(module: str) -> frozenset[str]:
    """A module and every module of the project that it imports, inside functions too."""
    found, open_ = {module}, [module]
    while open_:
        for name in _imports(open_.pop()):
            if name not in found:
                found.add(name)
                open_.append(name)
    return frozenset(found)


@cache
def _own(module: str) -> str:
    """Checksum of one module and of the data files beside it that it names."""
    digest = hashlib.sha256(ast.dump(_tree(module)).encode())
    path = _file(module)
    assert path is not None
    words = {node.value for node in ast.walk(_tree(module)) if isinstance(node, ast.Constant)}
    for name in sorted(word for word in words if isinstance(word, str) and word.endswith(_DATA) and "*" not in word):
        data = path.parent / name
        if data.is_file():
            digest.update(data.read_bytes())
    return digest.hexdigest()


def of_modules(modules: Iterable[str]) -> str:
    """Checksum of these modules and all that they import."""
    names = sorted(set().union(*(closure(module) for module in modules)))
    return hashlib.sha256("".join(name + _own(name) for name in names).encode()).hexdigest()


def of_function(module: str, name: str) -> str:
    """Checksum of one registered function of a module: its own text, what its module shares, and what that imports.

    A module of indicators holds many; a change of one leaves the others as they were.
    """
    tree = _tree(module)
    shared = [node for node in tree.body if not (isinstance(node, ast.FunctionDef) and node.decorator_list)]
    own = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name]
    body = "".join(ast.dump(node) for node in (*shared, *own))
    return hashlib.sha256((body + of_modules(closure(module) - {module})).encode()).hexdigest()


def of_everything() -> str:
    """Checksum of all that may stand in a published file: models, sources, contracts, and the code that builds it."""
    files = [path for name in ("models", "sources", "quality") for path in sorted((ROOT / name).rglob("*"))]
    digest = hashlib.sha256(of_modules(["pipelines.warehouse"]).encode())
    for path in files:
        if path.suffix == ".py":
            digest.update(
                _own(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")).encode()
            )
        elif path.suffix in _DATA:
            digest.update(path.read_bytes())
    return digest.hexdigest()
