"""Tracts of the 2020 Census: the API's answer for the state, and the derived shares by race and Hispanic origin.

Quirks kept: an answer in which every value is text, geography columns last; a tract of water, where nobody lives, with
counts of zero and without shares. Both files tell the same numbers. No noise is added for the protection of people.
"""

import io
import json
from collections.abc import Iterator

import numpy as np
import polars as pl

from sources.simulated.region import STATE_FIPS, Floats, Ints, Region, stream

# Parts that exclude each other: races of those who are not Hispanic, then Hispanic people, Black ones last.
_PARTS = ("white", "black", "aian", "asian", "nhpi", "other", "multiple", "hispanic", "hispanic_black")
_REST = {"white": 0.90, "aian": 0.012, "asian": 0.035, "nhpi": 0.004, "other": 0.006, "multiple": 0.043}
_YEARS = (5, 3, 2, 1, 1, 3)  # of 10 to 14, 15 to 17, 18 and 19, 20, 21, 22 to 24
_A_YEAR = 0.0065  # share of people in one year of age of one sex, among the young
_WATER = "990000"


def _shares(black: float, hispanic: float) -> Floats:
    total = sum(_REST.values())
    parts = {name: share / total * (1 - black) * (1 - hispanic) for name, share in _REST.items()}
    parts |= {"black": black * (1 - hispanic), "hispanic": 0.95 * hispanic, "hispanic_black": 0.05 * hispanic}
    by_race = np.array([parts[name] for name in _PARTS])
    young = np.tile(_A_YEAR * np.array(_YEARS), 2)  # boys, then girls
    return np.outer(by_race, np.append(young, 1 - young.sum()))


def _people(region: Region) -> Ints:
    """People by tract, part, and age and sex: six bands of boys, six of girls, everybody else."""
    rng = stream("dhc")
    black, hispanic = region.tract_rates("black"), region.tract_rates("hispanic")
    drawn = []
    for tract, share, latin in zip(region.tracts, black.tolist(), hispanic.tolist(), strict=True):
        shares = _shares(share, latin)
        drawn.append(rng.multinomial(tract.population, shares.ravel()).reshape(shares.shape))
    return np.array(drawn)


def _at(name: str) -> int:
    return _PARTS.index(name)


def cells(region: Region) -> dict[str, Ints]:
    """Counts by tract, a cell each, in the order in which they are asked for; the last tract is of water."""
    people = _people(region)
    people = np.concatenate([people, np.zeros_like(people[:1])])
    by_part = people.sum(axis=2)
    hispanic = [_at("hispanic"), _at("hispanic_black")]
    found: dict[str, Ints] = {"P5_001N": by_part.sum(axis=1)}
    found |= {f"P5_{3 + n:03d}N": by_part[:, n] for n in range(7)}
    black = [_at("black"), _at("hispanic_black")]
    found |= {"P5_010N": by_part[:, hispanic].sum(axis=1), "P12B_001N": by_part[:, black].sum(axis=1)}
    for table, parts in {"P12": list(range(len(_PARTS))), "P12B": black, "P12H": hispanic}.items():
        inside = people[:, parts].sum(axis=1)
        for sex, first in enumerate((5, 29)):
            found |= {f"{table}_{first + n:03d}N": inside[:, 6 * sex + n] for n in range(6)}
    return found


def _geoids(region: Region) -> list[str]:
    return [*(tract.geoid for tract in region.tracts), region.counties[0].fips + _WATER]


def answer(region: Region) -> bytes:
    """What the API says of the state's tracts, one row a line."""
    counts = cells(region)
    rows = [[*counts, "state", "county", "tract"]]
    for geoid, *values in zip(_geoids(region), *(column.tolist() for column in counts.values()), strict=True):
        rows.append([*map(str, values), geoid[:2], geoid[2:5], geoid[5:]])
    return ("[" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "]").encode()


def race_shares(region: Region) -> bytes:
    """`tract_race_shares.parquet`."""
    counts = cells(region)
    total = counts["P5_001N"]
    parts = {
        "white": counts["P5_003N"],
        "black": counts["P5_004N"],
        "native": counts["P5_005N"],
        "asian": counts["P5_006N"] + counts["P5_007N"],
        "multiple": counts["P5_008N"] + counts["P5_009N"],
        "hispanic": counts["P5_010N"],
    }
    shares = {name: [n / of if of else None for n, of in zip(part, total, strict=True)] for name, part in parts.items()}
    frame = pl.DataFrame({"tract": _geoids(region), **shares}, schema_overrides=dict.fromkeys(shares, pl.Float64))
    out = io.BytesIO()
    frame.sort("tract").write_parquet(out)
    return out.getvalue()


def files(region: Region) -> Iterator[tuple[str, str, bytes]]:
    """Both forms of the vintage."""
    yield "2020", f"tract/{STATE_FIPS}.json", answer(region)
    yield "2020", "tract_race_shares.parquet", race_shares(region)
