"""What a night costs when nothing has changed, and what it makes when one file or one weight has.

    python -m benchmarks.bench_nights --input ../shared/real --region us \
        --change ed_homeless_students/2022/homelessness_2019-2022_county.csv \
            '2022,29,189,7543,7543,7543' '2022,29,189,7600,7600,7600' \
        --weights poverty no_vehicle_share 0.1 median_household_income_usd 0.05

Every night is a process of its own: the first in an empty home, the second without news, one with a changed figure in
one file, one with other weights in one index. A copy of the input and of the project is changed, never what was given.
Printed: seconds, peak memory, steps taken, and what Dagster has recorded as materialized.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dagster as dg
import yaml

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-c", "from pipelines.cli import main; main()", "run", "--json"]


def materialized(home: Path, since: float) -> list[str]:
    """Assets that Dagster has recorded as materialized since a moment."""
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        newest = {key: instance.get_latest_materialization_event(key) for key in instance.get_asset_keys()}
    return sorted(".".join(key.path) for key, event in newest.items() if event and event.timestamp > since)


def night(label: str, home: Path, given: Path, region: str, project: Path = ROOT) -> float:
    """One night; prints what it took and returns its seconds."""
    began, told, said = time.time(), home.parent / "told.json", home.parent / "said.txt"
    environment = {**os.environ, "PYTHONPATH": str(project)}
    arguments = [*COMMAND, "--input", str(given), "--region", region, "--home", str(home)]
    with told.open("wb") as out, said.open("wb") as err:
        process = subprocess.Popen(arguments, cwd=project, env=environment, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.time() - began
    if status:
        sys.exit(f"{label}: the run failed: {said.read_text(encoding='utf-8')[-2000:]}")
    taken, made = json.loads(told.read_text(encoding="utf-8"))["taken"], materialized(home, began)
    print(f"{label}: {seconds:.1f} s, {used.ru_maxrss / 1024:,.0f} MB, {len(taken)} steps, {len(made)} materialized")
    if 0 < len(made) < 50:
        print(f"    {', '.join(made)}")
    sys.stdout.flush()
    return seconds


def with_change(given: Path, to: Path, name: str, old: str, new: str) -> Path:
    """A copy of the input in which one text of one file is another."""
    shutil.copytree(given, to, copy_function=shutil.copyfile)
    text = (to / name).read_text(encoding="utf-8")
    if text.count(old) != 1:
        sys.exit(f"{name} has {old!r} {text.count(old)} times, and not once")
    (to / name).write_text(text.replace(old, new), encoding="utf-8")
    return to


def with_weights(to: Path, index: str, weights: dict[str, float]) -> Path:
    """A copy of the project in which some members of an index weigh otherwise."""
    shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(".*", "data", "docs", "__pycache__"))
    path = to / "models" / "indices" / f"{index}.yaml"
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    for member in declared["members"]:
        member["weight"] = weights.get(member.get("indicator"), member["weight"])
    path.write_text(yaml.safe_dump(declared), encoding="utf-8")
    return to


def main() -> None:
    """Print what each night took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--region", default="us")
    parser.add_argument("--change", nargs=3, metavar=("FILE", "OLD", "NEW"))
    parser.add_argument("--weights", nargs="+", metavar="INDEX INDICATOR WEIGHT")
    asked = parser.parse_args()
    given = asked.input.resolve()
    with tempfile.TemporaryDirectory(prefix="nights-") as room:
        home = Path(room) / "home"
        first = night("first night", home, given, asked.region)
        second = night("second night, nothing changed", home, given, asked.region)
        print(f"    {second / first:.3f} of the first")
        if asked.change:
            given = with_change(given, Path(room) / "input", *asked.change)
            night(f"one figure of {asked.change[0]} changed", home, given, asked.region)
        if asked.weights:
            index, *pairs = asked.weights
            weights = {name: float(weight) for name, weight in zip(pairs[::2], pairs[1::2], strict=True)}
            project = with_weights(Path(room) / "project", index, weights)
            night(f"other weights in {index}", home, given, asked.region, project)


if __name__ == "__main__":
    main()
