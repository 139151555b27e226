"""Local education agencies without ground of their own: each is shown with a host, and listed."""

from pathlib import Path
from typing import NamedTuple

import polars as pl
import yaml

from models.geography.crosswalk import NONE, WEIGHTS, Crosswalk, build, unmatched

_HOSTS = {"leaid": pl.String, "host_id": pl.String, "serves": pl.String, "basis": pl.String, "reason": pl.String}

_STATE_OR_FEDERAL = (5, 6)


class Declared(NamedTuple):
    """An entry of hosts.yaml."""

    leaid: str | None
    county: str | None
    host: str | None
    serves: str | None
    reason: str


def declared() -> list[Declared]:
    """The entries of hosts.yaml, those that name an agency first.

    Raises:
        ValueError: an entry names neither an agency nor a county, or neither a host nor the county that is served.
    """
    entries = yaml.safe_load(Path(__file__).with_name("hosts.yaml").read_text(encoding="utf-8"))
    found = [Declared(*(entry.get(name) for name in Declared._fields)) for entry in entries]
    for entry in found:
        if (entry.leaid is None) == (entry.county is None) or (entry.host is None) == (entry.serves is None):
            raise ValueError(f"hosts.yaml: names one of leaid and county, and one of host and serves: {entry}")
    return sorted(found, key=lambda entry: entry.leaid is None)


def _declared_columns(entries: list[Declared]) -> dict[str, pl.Expr]:
    """What the first entry that speaks of an agency says."""
    found: dict[str, pl.Expr] = dict.fromkeys(("host_id", "serves", "reason"), pl.lit(None, dtype=pl.String))
    for entry in reversed(entries):
        is_meant = pl.col("leaid") == entry.leaid if entry.leaid else pl.col("county_id") == entry.county
        said = {"host_id": entry.host, "serves": entry.serves, "reason": entry.reason}
        found = {
            name: pl.when(is_meant).then(pl.lit(said[name], dtype=pl.String)).otherwise(before)
            for name, before in found.items()
        }
    return found


def find_hosts(leas: pl.DataFrame, parts: pl.DataFrame, entries: list[Declared] | None = None) -> pl.DataFrame:
    """Where agencies without ground of their own are shown.

    Args:
        leas: leaid, county_id, agency_type (as the Department of Education codes it; null where it is not known).
        parts: district_id, county_id, size (children of the part, null where they are not known) of the districts
            that have ground; an agency among them needs no host.
        entries: declared hosts, those that name an agency first; hosts.yaml unless given.

    Returns:
        leaid, host_id, serves, basis and reason, one row an agency without ground. `basis` is `declared`, `rule`
        (the district with the most children of the agency's county) or `none`: the agency is run by the state or the
        nation, or no district of its county is known to be the largest.
    """
    alone = leas.filter(~pl.col("leaid").is_in(parts["district_id"].implode())).unique("leaid").sort("leaid")
    largest = (
        parts.filter((pl.len().over("county_id") == 1) | pl.col("size").is_not_null().all().over("county_id"))
        .sort(["county_id", "size", "district_id"], descending=[False, True, False])
        .unique("county_id", keep="first", maintain_order=True)
        .select("county_id", largest="district_id")
    )
    is_far = pl.col("agency_type").is_in(_STATE_OR_FEDERAL).fill_null(False)
    by_rule = pl.when(~is_far).then("largest")
    return (
        alone.join(largest, on="county_id", how="left")
        .with_columns(**_declared_columns(declared() if entries is None else entries))
        .with_columns(
            host_id=pl.when(pl.col("reason").is_null()).then(by_rule).otherwise("host_id"),
            basis=pl.when(pl.col("reason").is_not_null())
            .then(pl.lit("declared"))
            .when(by_rule.is_not_null())
            .then(pl.lit("rule"))
            .otherwise(pl.lit("none")),
            reason=pl.coalesce(
                "reason",
                pl.when(is_far)
                .then(pl.lit("run by the state or the nation: serves more than the county of its office"))
                .when(by_rule.is_not_null())
                .then(pl.lit("no ground of its own: the district with the most children of its county"))
                .otherwise(pl.lit("no ground of its own, and no district of its county is known to be the largest")),
            ),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in _HOSTS.items())
    )


def lea_to_host(hosts: pl.DataFrame) -> Crosswalk:
    """Agencies without ground to their host districts; those without one are listed.

    Args:
        hosts: as `find_hosts` returns them.
    """
    found = hosts.drop_nulls("host_id")
    weights = found.select(from_id="leaid", to_id="host_id", weight=1.0, weight_se=0.0, basis="basis").select(
        pl.col(name).cast(dtype) for name, dtype in WEIGHTS.items()
    )
    alone = hosts.filter(pl.col("host_id").is_null())
    listed = pl.concat(
        [
            unmatched("from", [row["leaid"]], row["reason"], weight=1.0, counterpart=row["serves"] or NONE)
            for row in alone.iter_rows(named=True)
        ]
        or [unmatched("from", [], "")]
    )
    return build("lea_host", "school_district", "school_district", weights, [listed])
