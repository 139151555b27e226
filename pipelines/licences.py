"""Licences of what is installed to run the project: `python -m pipelines.licences > docs/licences.md`.

A package says its licence in its metadata: as an SPDX expression, as classifiers, or in free text. A copyleft licence
that reaches our own code (GPL, AGPL, SSPL) and a licence that is not known are refused unless declared with a reason.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

PROJECT = "headwaters"
ALLOWED = (
    "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "LLVM-exception", "MIT", "MIT-0",
    "MIT-CMU", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
)  # fmt: skip
"""Licences that ask for no more than a notice; MPL-2.0 asks for changes of its own files."""
DECLARED: Mapping[str, tuple[str, str]] = {}
"""Packages with another licence or none in their metadata: the licence, and why they may be used all the same."""

_SPELLED = {
    "apache license 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd license": "BSD",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "isc license": "ISC",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}


@dataclass(frozen=True)
class Licensed:
    """A package and its licence as an SPDX-like expression; `unknown` where nothing says it."""

    name: str
    licence: str
    why: str = ""


class LicenceError(ValueError):
    """A package whose licence is not allowed; says which and what to do."""


def _spdx(text: str) -> str:
    known = {name.lower(): name for name in ALLOWED}
    plain = text.strip().lower()
    return _SPELLED.get(plain) or known.get(plain) or text.strip()


def licence_of(package: Distribution) -> str:
    """The licence by a package's metadata: its expression, else its free text where short, else its classifiers."""
    metadata = package.metadata
    if "License-Expression" in metadata:
        return str(metadata["License-Expression"])
    text = str(metadata["License"]).strip() if "License" in metadata else ""
    if text and "\n" not in text and len(text) <= 60:
        found = _spdx(text)
        if all(part in ALLOWED for part in _parts(found)):
            return found
    classified = [
        _spdx(one.rsplit(" :: ", 1)[-1])
        for one in metadata.get_all("Classifier") or []
        if one.startswith("License :: ") and not one.endswith("OSI Approved")
    ]
    return " OR ".join(sorted(set(classified))) or (text.splitlines()[0][:60] if text else "unknown")


def _parts(expression: str) -> list[str]:
    return [part.strip("() ") for part in re.split(r"\s+(?:AND|OR|WITH)\s+", expression)]


def is_allowed(expression: str) -> bool:
    """Whether a licence may be used: every licence of an AND, one of an OR."""
    choices = [re.split(r"\s+(?:AND|WITH)\s+", one) for one in re.split(r"\s+OR\s+", expression.strip("() "))]
    return any(all(part.strip("() ") in ALLOWED for part in choice) for choice in choices)


def _name(text: str) -> str:
    return re.sub(r"[-_.]+", "-", text).lower()


def dependencies(root: str = PROJECT) -> Iterator[Distribution]:
    """Every installed package that the project needs to run, at any depth, by name; extras for development are not."""
    open_: list[tuple[str, frozenset[str]]] = [(root, frozenset())]
    seen: dict[tuple[str, frozenset[str]], None] = {}
    found: dict[str, Distribution] = {}
    while open_:
        name, extras = open_.pop()
        if (_name(name), extras) in seen:
            continue
        seen[_name(name), extras] = None
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # needed on other platforms only
        if _name(name) != _name(root):
            found[_name(name)] = package
        for text in package.requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": one}) for one in ("", *extras)):
                open_.append((needed.name, frozenset(needed.extras)))
    yield from (found[name] for name in sorted(found))


def licensed() -> list[Licensed]:
    """Every package with its licence, declared ones with their reason.

    Raises:
        LicenceError: a licence is not allowed or unknown, and not declared.
    """
    rows, refused = [], []
    for package in dependencies():
        name, found = _name(package.name), licence_of(package)
        declared, why = DECLARED.get(name, (found, ""))
        if not why and not is_allowed(found):
            refused.append(f"{name} ({found})")
        rows.append(Licensed(name, declared, why))
    if refused:
        raise LicenceError(
            f"not allowed or unknown: {', '.join(refused)}: use another package, or declare it in {__name__}.DECLARED "
            "with the licence and the reason"
        )
    return rows


def page() -> str:
    """docs/licences.md."""
    rows = [f"| {one.name} | {one.licence} | {one.why} |" for one in licensed()]
    return "\n".join(
        [
            "# Licences of dependencies",
            "",
            "What is installed to run the project, by the packages' own metadata; the project itself is Apache-2.0.",
            "Written by `python -m pipelines.licences > docs/licences.md`; a test refuses a licence that is not known",
            f"or not one of {', '.join(ALLOWED)}, unless it is declared with a reason. Versions stand in",
            "`requirements.lock`, terms of publishers' data in `meta.sources`.",
            "",
            "| Package | Licence | Why all the same |",
            "| --- | --- | --- |",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    sys.stdout.write(page())
