"""docs/equity-and-harm.md: every test that it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "equity-and-harm.md").read_text(encoding="utf-8")


def test_every_named_test_exists():
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", PAGE)
    assert len(named) > 15
    for file, test in named:
        found = list((ROOT / "tests").rglob(file))
        assert any(f"def {test}(" in path.read_text(encoding="utf-8") for path in found), f"{file}::{test}"


def test_every_named_file_exists():
    for name in re.findall(r"`((?:tests|models|docs)/[\w/.-]+)`", PAGE):
        assert name == "docs/results/" or (ROOT / name).exists(), name


def test_the_page_names_every_use_that_is_ruled_out():
    for use in ("policing", "child removal", "immigration enforcement", "school discipline", "tenants", "insured"):
        assert use in PAGE.lower()
