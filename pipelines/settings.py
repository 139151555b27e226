"""What a run is about: which input, which region, which home; from arguments, environment and headwaters.toml."""

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.geography.regions import Region, find_region
from pipelines.files import write_atomically
from sources.registry import all_sources

CONFIG_FILE = "headwaters.toml"
INPUT_VARIABLE, REGION_VARIABLE, HOME_VARIABLE = "HEADWATERS_INPUT", "HEADWATERS_REGION", "HEADWATERS_HOME"
SAMPLE, LIVE = "sample", "live"


class SettingsError(Exception):
    """Settings that contradict each other or the home; says what to change."""


@dataclass(frozen=True)
class Settings:
    """Everything that a run depends on besides the code.

    Args:
        home: the folder of the landing, the tables and the published warehouse.
        input: `sample`, `live` or a directory laid out `<source>/<vintage>/<file>`.
        without: sources that are not asked: what was landed of them before stays.
        tracts: whether tracts are ranked too: many are small, and they are there for conditions only.
    """

    home: Path
    input: str
    region: Region
    without: tuple[str, ...] = ()
    tracts: bool = False

    @property
    def is_simulated(self) -> bool:
        return self.input == SAMPLE

    @property
    def kind(self) -> str:
        return "sample" if self.is_simulated else "real"


def asked(settings: Settings) -> dict[str, Any]:
    """What was asked of a run and decides its figures: the region and the levels."""
    region = settings.region
    return {
        "region": region.id,
        "title": region.title,
        "states": None if region.states is None else list(region.states),
        "counties": list(region.counties),
        "is_simulated": settings.is_simulated,
        "tracts": settings.tracts,
    }


def load_config(path: Path | None = None) -> dict[str, Any]:
    """Read headwaters.toml of the working directory; without one, an empty configuration.

    Raises:
        SettingsError: the file is no TOML or has sections that nothing reads.
    """
    path = path or Path(CONFIG_FILE)
    if not path.exists():
        return {}
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    unknown = (set(config) - {"nightly", "regions", "retention", "alerts"}) | (
        set(config.get("nightly", {})) - {"input", "region", "home", "without", "tracts"}
        | set(config.get("retention", {})) - {"releases", "days"}
        | set(config.get("alerts", {})) - {"urls", "nights", "runbook"}
    )
    if unknown:
        raise SettingsError(
            f"{path}: nothing reads {', '.join(sorted(unknown))}; sections are [nightly], [retention], [alerts] and "
            "[regions.<id>]"
        )
    return config


def resolve(
    input: str | None = None,  # noqa: A002 - the command line's own word
    region: str | None = None,
    home: str | Path | None = None,
    config: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
    tracts: bool = False,
) -> Settings:
    """Settings of a run from what was given and the defaults.

    An input that is not given comes from the environment, else it is the sample. The region
    defaults to the simulated one for the sample and to mo-metro-east otherwise; the home to
    data/sample or data/real. The sample ranks its tracts always.

    Raises:
        SettingsError: the input directory does not exist, or there is no source of a name under `without`.
        RegionError: the region is unknown.
    """
    config = load_config() if config is None else config
    chosen = input or os.environ.get(INPUT_VARIABLE) or SAMPLE
    if chosen not in (SAMPLE, LIVE) and not Path(chosen).is_dir():
        raise SettingsError(f"input {chosen!r} is neither 'sample' nor 'live' nor a directory")
    if unknown := [name for name in without if name not in all_sources()]:
        raise SettingsError(f"no source is called {', '.join(unknown)}; known are {', '.join(all_sources())}")
    default_region = "simulated" if chosen == SAMPLE else "mo-metro-east"
    region_id = region or os.environ.get(REGION_VARIABLE) or default_region
    default_home = Path("data") / ("sample" if chosen == SAMPLE else "real")
    return Settings(
        home=Path(home or os.environ.get(HOME_VARIABLE) or default_home).resolve(),
        input=chosen,
        region=find_region(region_id, config.get("regions")),
        without=tuple(sorted(without)),
        tracts=tracts or chosen == SAMPLE,
    )


def nightly(config: Mapping[str, Any]) -> Settings | None:
    """The settings of the nightly schedule, or None where headwaters.toml names no input and region."""
    section = config.get("nightly", {})
    if not (section.get("input") and section.get("region")):
        return None
    given = {name: section[name] for name in ("home", "without", "tracts") if name in section}
    return resolve(section["input"], section["region"], config=config, **given)


KEEP, KEEP_DAYS = 5, 0


def retention(config: Mapping[str, Any]) -> tuple[int, int]:
    """How many releases are kept at least, and for how many days every release is kept.

    Raises:
        SettingsError: not a whole number, or fewer than one release.
    """
    section = config.get("retention", {})
    keep, days = section.get("releases", KEEP), section.get("days", KEEP_DAYS)
    for name, value, least in (("releases", keep, 1), ("days", days, 0)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise SettingsError(f"[retention] {name} must be a whole number of {least} or more, not {value!r}")
    return keep, days


def bound_to(home: Path) -> dict[str, Any] | None:
    """What a home was bound to at its first publish, or None."""
    path = home / "home.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _identity(settings: Settings) -> dict[str, Any]:
    region = settings.region
    return {
        "kind": settings.kind,
        "region": region.id,
        "states": "all" if region.states is None else list(region.states),
        "counties": list(region.counties),
    }


def check_binding(settings: Settings) -> None:
    """Refuse a run whose region or kind is not the home's.

    Raises:
        SettingsError: names what the home holds, what was asked for, and how to go on.
    """
    bound, asked = bound_to(settings.home), _identity(settings)
    if bound is not None and bound != asked:
        raise SettingsError(
            f"the home {settings.home.name!r} is bound to {bound['kind']} data of region {bound['region']!r}, but "
            f"{asked['kind']} data of region {asked['region']!r} were asked for: give another --home"
            + ("" if bound["region"] != asked["region"] else " (the region's definition has changed)")
        )


def bind(settings: Settings) -> None:
    """Bind a home to its region and kind; called by the first publish."""
    check_binding(settings)
    if bound_to(settings.home) is None:
        write_atomically(settings.home / "home.json", json.dumps(_identity(settings), indent=1).encode())
