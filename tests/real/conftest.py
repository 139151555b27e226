"""Homes in which real files were published once, shared by all workers."""

from pathlib import Path

import duckdb
import pytest

from atlas.summary import CURRENT
from tests.conftest import publish_once


@pytest.fixture(scope="session")
def region_home(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> Path:
    """Real data of Missouri and Metro East."""
    return publish_once(tmp_path_factory, "real-region", str(real_data), "mo-metro-east")


@pytest.fixture(scope="session")
def nation_home(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> Path:
    """Real data of the nation."""
    return publish_once(tmp_path_factory, "real-nation", str(real_data), "us")


class Warehouse:
    """Short questions to a published file."""

    def __init__(self, home: Path) -> None:
        self._path = (home / CURRENT).resolve()

    def rows(self, sql: str) -> list[tuple]:
        with duckdb.connect(str(self._path), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def value(self, sql: str):
        [[value]] = self.rows(sql)
        return value


@pytest.fixture(scope="session")
def region(region_home: Path) -> Warehouse:
    return Warehouse(region_home)


@pytest.fixture(scope="session")
def nation(nation_home: Path) -> Warehouse:
    return Warehouse(nation_home)
