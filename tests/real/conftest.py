"""Real public files: read where they lie, never copied."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real files: `$HEADWATERS_REAL_DATA`, else `../shared/real` beside the project."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "real"
    folder = Path(os.environ.get("HEADWATERS_REAL_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real files at {folder}: set HEADWATERS_REAL_DATA")
    return folder
