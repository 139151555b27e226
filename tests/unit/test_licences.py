"""Licences of what is installed: known, allowed, and listed in docs/licences.md."""

import re
from email.message import Message
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from pipelines import licences
from pipelines.licences import LicenceError, dependencies, is_allowed, licence_of, licensed

PAGE = Path(__file__).parents[2] / "docs" / "licences.md"


class Fake(Distribution):
    """A package that says what it is told to."""

    def __init__(self, *said: tuple[str, str]) -> None:
        self._said = Message()
        for name, value in (("Name", "fake"), *said):
            self._said[name] = value

    @property
    def metadata(self) -> Message:  # type: ignore[override]
        return self._said

    def read_text(self, filename: str) -> None:
        return None

    def locate_file(self, path: object) -> Path:  # type: ignore[override]
        return Path(str(path))


def test_every_dependency_has_a_licence_that_is_allowed_or_declared_and_its_line_in_the_page():
    rows = licensed()
    assert len(rows) > 100
    listed = dict(re.findall(r"^\| (\S+) \| (.+?) \| .*\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    lacking = {row.name: row.licence for row in rows if listed.get(row.name) != row.licence}
    assert lacking == {}, "run: python -m pipelines.licences > docs/licences.md"


def test_dependencies_of_dependencies_are_found_and_tools_for_development_are_not():
    names = {package.name.lower() for package in dependencies()}
    assert {"dagster", "duckdb", "sqlalchemy", "starlette", "markupsafe"} <= names
    assert not {"pytest", "ruff", "mypy", "headwaters"} & names


@pytest.mark.parametrize(
    ("said", "licence", "allowed"),
    [
        ([("License-Expression", "MIT")], "MIT", True),
        ([("License-Expression", "GPL-3.0-or-later")], "GPL-3.0-or-later", False),
        ([("License-Expression", "Apache-2.0 OR GPL-2.0")], "Apache-2.0 OR GPL-2.0", True),
        ([("License-Expression", "MIT AND AGPL-3.0-only")], "MIT AND AGPL-3.0-only", False),
        ([("License-Expression", "BSD-2-Clause AND Apache-2.0 WITH LLVM-exception")],
         "BSD-2-Clause AND Apache-2.0 WITH LLVM-exception", True),
        ([("License", "BSD 3-Clause License")], "BSD-3-Clause", True),
        ([("License", "Copyright 2015\nmany lines"), ("Classifier", "License :: OSI Approved :: BSD License")],
         "BSD", True),
        ([("License", "GPLv3")], "GPLv3", False),
        ([("Classifier", "License :: OSI Approved :: GNU Affero General Public License v3")],
         "GNU Affero General Public License v3", False),
        ([("License", "see the file")], "see the file", False),
        ([], "unknown", False),
    ],
)  # fmt: skip
def test_a_licence_is_read_from_what_a_package_says(said: list[tuple[str, str]], licence: str, allowed: bool):
    assert licence_of(Fake(*said)) == licence
    assert is_allowed(licence) is allowed


def test_a_package_that_is_not_allowed_is_refused_by_name_unless_it_is_declared(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(licences, "dependencies", lambda: iter([Fake(("License-Expression", "GPL-3.0-only"))]))
    with pytest.raises(LicenceError, match=r"fake \(GPL-3\.0-only\): use another package, or declare it"):
        licensed()
    monkeypatch.setattr(licences, "DECLARED", {"fake": ("GPL-3.0-only", "runs as a process of its own")})
    assert [(row.licence, row.why) for row in licensed()] == [("GPL-3.0-only", "runs as a process of its own")]
