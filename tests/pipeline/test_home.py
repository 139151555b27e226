"""What a run is about: settings, homes that are bound once, headwaters.toml, and the nightly schedule."""

import json
import logging
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator

from models.geography.regions import RegionError
from pipelines.schedules import CRON, TIMEZONE, build_schedule
from pipelines.settings import (
    Settings,
    SettingsError,
    bind,
    bound_to,
    check_binding,
    load_config,
    nightly,
    resolve,
)

CONFIG = {"nightly": {"input": "live", "region": "st-louis"}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- settings ----------------------------------------------------------------------------------------------------


def test_defaults_are_the_sample_in_its_own_home(here: Path):
    settings = resolve(config={})
    assert (settings.input, settings.region.id, settings.home) == ("sample", "simulated", here / "data" / "sample")
    assert (settings.is_simulated, settings.kind) == (True, "sample")


def test_real_inputs_have_another_home_and_region(here: Path):
    (here / "files").mkdir()
    for name in ("live", "files"):
        settings = resolve(name, config={})
        assert (settings.region.id, settings.home) == ("mo-metro-east", here / "data" / "real")
        assert (settings.is_simulated, settings.kind) == (False, "real")


def test_what_is_given_goes_before_the_environment_and_that_before_the_defaults(
    here: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HEADWATERS_INPUT", "live")
    monkeypatch.setenv("HEADWATERS_REGION", "us")
    monkeypatch.setenv("HEADWATERS_HOME", str(here / "of-environment"))
    settings = resolve(config={})
    assert (settings.input, settings.region.id, settings.home.name) == ("live", "us", "of-environment")
    settings = resolve("sample", "97", here / "given", {})
    assert (settings.input, settings.region.id, settings.home.name) == ("sample", "97", "given")


def test_an_input_that_is_no_directory_is_refused():
    with pytest.raises(SettingsError, match=r"'no-such-folder' is neither 'sample' nor 'live' nor a directory"):
        resolve("no-such-folder", config={})


def test_an_unknown_region_is_refused_with_those_that_are_known():
    with pytest.raises(RegionError, match=r"'atlantis' is unknown.*mo-metro-east.*FIPS codes by comma"):
        resolve(region="atlantis", config={})
    with pytest.raises(RegionError, match="'29,1700' is unknown"):
        resolve(region="29,1700", config={})


def test_a_region_may_be_a_list_of_fips_codes_or_declared_in_the_configuration():
    region = resolve(region="29,17163", config={}).region
    assert (region.id, region.states, region.counties) == ("29,17163", ("29",), ("17163",))
    declared = {"regions": {"ozarks": {"title": "Ozarks", "counties": ["29067", "29153"]}}}
    region = resolve(region="ozarks", config=declared).region
    assert (region.title, region.states, region.counties) == ("Ozarks", (), ("29067", "29153"))


# --- headwaters.toml ---------------------------------------------------------------------------------------------


def test_without_the_file_there_is_no_configuration():
    assert load_config() == {}
    assert nightly(load_config()) is None


def test_the_file_is_read_from_the_working_directory(here: Path):
    (here / "headwaters.toml").write_text(
        '[nightly]\ninput = "live"\nregion = "st-louis"\nhome = "night"\n[regions.mine]\nstates = ["29"]\n'
    )
    config = load_config()
    asked = nightly(config)
    assert asked is not None
    assert (asked.input, asked.region.id, asked.home) == ("live", "st-louis", here / "night")
    assert resolve(region="mine").region.states == ("29",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[nightlly]\ninput = 'live'", "nothing reads nightlly"),
        ("[nightly]\nregoin = 'us'", "nothing reads regoin"),
        ("nightly = [", "headwaters.toml: "),
    ],
)
def test_a_file_that_nobody_would_read_right_is_refused(here: Path, text: str, says: str):
    (here / "headwaters.toml").write_text(text)
    with pytest.raises(SettingsError, match=says):
        load_config()


@pytest.mark.parametrize("section", [{}, {"input": "live"}, {"region": "us"}, {"input": "", "region": "us"}])
def test_a_night_without_input_or_region_is_none(section: dict[str, str]):
    assert nightly({"nightly": section}) is None


# --- binding -----------------------------------------------------------------------------------------------------


def test_the_first_publish_binds_the_home(sample_home: Path):
    bound = bound_to(sample_home)
    assert bound == {"kind": "sample", "region": "simulated", "states": ["97"], "counties": []}


def test_a_home_is_bound_once_and_refuses_anything_else(here: Path):
    home = here / "home"
    bind(resolve("live", "st-louis", home, {}))
    bind(resolve("live", "st-louis", home, {}))
    (here / "files").mkdir()
    check_binding(resolve("files", "st-louis", home, {}))
    for other in (
        resolve("live", "us", home, {}),
        resolve("sample", None, home, {}),
        resolve("sample", "97", home, {}),
    ):
        with pytest.raises(SettingsError) as refused:
            bind(other)
        said = str(refused.value)
        assert "bound to real data of region 'st-louis'" in said
        assert f"{other.kind} data of region {other.region.id!r} were asked for" in said
        assert "--home" in said
    assert json.loads((home / "home.json").read_text())["region"] == "st-louis"


def test_the_same_name_for_other_counties_is_another_region(here: Path):
    home = here / "home"
    bind(resolve("live", "mine", home, {"regions": {"mine": {"counties": ["29067"]}}}))
    with pytest.raises(SettingsError, match="definition has changed"):
        check_binding(resolve("live", "mine", home, {"regions": {"mine": {"counties": ["29067", "29153"]}}}))


def test_nothing_is_written_into_a_home_that_is_bound_to_something_else(here: Path):
    """The refusal comes before landing, not at publishing."""
    from pipelines.assets import landing_key
    from pipelines.definitions import build_defs
    from pipelines.schedules import EVERYTHING

    home = here / "home"
    bind(resolve("live", "st-louis", home, {}))
    job = build_defs(resolve("sample", None, home, {})).resolve_job_def(EVERYTHING)
    result = job.execute_in_process(asset_selection=[landing_key("geo")], raise_on_error=False)
    assert not result.success
    assert sorted(path.name for path in home.rglob("*")) == ["home.json"]


# --- the schedule ------------------------------------------------------------------------------------------------


def tick(loaded: Settings, config: dict[str, dict[str, str]]) -> object:
    schedule = build_schedule(loaded, config)
    with dg.DagsterInstance.ephemeral() as instance, dg.build_schedule_context(instance=instance) as context:
        return schedule(context)


def test_an_unset_night_runs_nothing_and_warns(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]):
    with caplog.at_level(logging.WARNING):
        asked = tick(resolve(config={}), {})
    assert isinstance(asked, dg.SkipReason)
    assert "[nightly]" in (asked.skip_message or "")
    captured = capsys.readouterr()
    assert "headwaters.toml names no input and region" in caplog.text + captured.out + captured.err


def test_a_configured_night_asks_for_a_run():
    loaded = nightly(CONFIG)
    assert loaded is not None
    assert isinstance(tick(loaded, CONFIG), dg.RunRequest)


def test_a_night_that_is_not_what_was_loaded_runs_nothing_and_names_both():
    asked = tick(resolve(config={}), CONFIG)
    assert isinstance(asked, dg.SkipReason)
    for part in ("'sample'", "'simulated'", "'live'", "'st-louis'"):
        assert part in (asked.skip_message or "")


def test_the_code_location_follows_the_configured_night(here: Path):
    """What the daemon loads: the settings of [nightly], not the sample."""
    (here / "headwaters.toml").write_text('[nightly]\ninput = "live"\nregion = "st-louis"\n')
    code = (
        "import dagster as dg\n"
        "from pipelines.definitions import defs\n"
        "schedule = defs().get_schedule_def('nightly_schedule')\n"
        "with dg.DagsterInstance.ephemeral() as i, dg.build_schedule_context(instance=i) as c:\n"
        "    print(type(schedule(c)).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "RunRequest", done.stderr


@pytest.mark.parametrize(
    "days", [("2025-03-08", "2025-03-09", "2025-03-10"), ("2025-11-01", "2025-11-02", "2025-11-03")]
)
def test_it_fires_once_on_each_day_when_the_clocks_change(days: tuple[str, str, str]):
    zone = ZoneInfo(TIMEZONE)
    start = datetime.fromisoformat(days[0]).replace(tzinfo=zone)
    ticks = cron_string_iterator(start.timestamp(), CRON, TIMEZONE)
    fired = [next(ticks).astimezone(zone).date().isoformat() for _ in range(3)]
    assert fired == list(days)
