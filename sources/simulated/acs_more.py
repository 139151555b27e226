"""Simulated ACS tables of which only shares are known: cells as parts of other cells.

Each is a tree: a cell is a share of its parent, or of the table's universe, and parts of the same parent are disjoint.
A share may follow a topic of the latent model, so that deprived places show it here too.
"""

from collections.abc import Callable, Mapping

import numpy as np

from sources.simulated.acs_tables import COUNTS_2018, COUNTS_2023, Cells, Table, sample
from sources.simulated.region import TOPICS, Floats, Region

Share = float | tuple[float, str]
Tree = Mapping[str, Share]
"""Share by cell, or by `parent/cell`; with the topic that it follows, if any."""


def _draw(table: str, universe: str, tree: Tree, total: str) -> Callable[[Region], Cells]:
    def draw(region: Region) -> Cells:
        everyone = region.tract_counts(universe)
        cells: Cells = {total: everyone}
        parents = list(dict.fromkeys(path.partition("/")[0] if "/" in path else "" for path in tree))
        for parent in parents:
            whole = cells[parent] if parent else everyone
            expected = {}
            for path, share in tree.items():
                above, _, below = path.partition("/")
                if (above if below else "") == parent:
                    level, topic = share if isinstance(share, tuple) else (share, None)
                    tilt = region.tract_rates(topic) / TOPICS[topic].base if topic else 1.0
                    expected[below or above] = whole * np.minimum(0.95, level * tilt)
            cells |= sample(f"{table}/{parent}", expected, whole, 4.5)
        return cells

    return draw


def _tree(table: str, universe: str, tree: Tree, total: str = "001") -> Table:
    return Table(table, universe, _draw(table, universe, tree, total), factor=4.5, total=total)


def _renters(region: Region) -> Cells:
    return {"001": region.tract_counts("households"), "003": region.tract_counts("renters")}


def _alone(rate: Callable[[Region], Floats]) -> Callable[[Region], Cells]:
    """People in households of one race, as the tracts' own file draws them."""
    return lambda region: {"001": np.rint(region.tract_counts("population") * rate(region)).astype(np.int64)}


def _vacant(region: Region) -> Cells:
    """Homes: where nobody lives come on top of the households."""
    households = region.tract_counts("households")
    empty = sample("B25002", {"003": households * 0.11}, households, 4.5)["003"]
    return {"001": households + empty, "003": empty}


def _seasonal(region: Region) -> Cells:
    empty = _vacant(region)["003"]
    return {"006": sample("B25004", {"006": empty * 0.2}, empty, 4.5)["006"]}


_BLACK_GIRLS = {"021": 0.0020, "022": 0.0007, "023": 0.0013, "050": 0.0037, "051": 0.0012, "052": 0.0025}
_SCHOOLING = (
    0.010,
    0.0003,
    0.0003,
    0.0005,
    0.0005,
    0.0008,
    0.001,
    0.001,
    0.002,
    0.007,
    0.004,
    0.013,
    0.015,
    0.018,
    0.020,
)
_AGES = {"005": 0.033, "006": 0.020, "007": 0.0135, "008": 0.0068, "009": 0.0066, "010": 0.0195}
_GROUP_AGES = {"005": 0.0023, "006": 0.0014, "007": 0.0009, "008": 0.0021}

# Children by age, below the poverty level and at or above it, as shares of all children.
_BLACK_CHILDREN = {"003": 0.007, "004": 0.007, "011": 0.015, "012": 0.015}
_WHITE_CHILDREN = {"011": 0.23, "012": 0.23, "013": 0.23}
_LATINX_CHILDREN = {"005": 0.007, "013": 0.015, "003": 0.007, "004": 0.007, "011": 0.015, "012": 0.015}
# Households by income: under $25,000, and $100,000 or more.
_POOREST = ("002", "003", "004", "005")
_RICHEST = {"014": 0.10, "015": 0.08, "016": 0.09, "017": 0.10}


def _by_sex(ages: Mapping[str, float], women: int, topic: str | None = None) -> Tree:
    """Ages of men, and of women some lines further down."""
    both = {**ages, **{f"{int(cell) + women:03d}": share * 0.97 for cell, share in ages.items()}}
    return {cell: (share, topic) if topic else share for cell, share in both.items()}


TREES = (
    _tree("B01001", "population", _by_sex(_AGES, 24)),
    _tree("B01001B", "population", _by_sex(_GROUP_AGES, 15, "black")),
    _tree("B01001C", "population", _by_sex({"005": 0.0003, "006": 0.0002}, 15)),
    _tree("B01001I", "population", _by_sex(_GROUP_AGES, 15, "hispanic")),
    _tree(
        "B05003",
        "population",
        {"003": 0.112, "014": 0.108, "003/005": 0.03, "014/016": 0.03, "005/007": 0.6, "016/018": 0.6},
    ),
    _tree("B05009", "children", {"007": 0.03, "010": 0.02, "017": 0.012, "025": 0.05, "028": 0.03, "035": 0.025}),
    _tree(
        "B05010",
        "children",
        {
            "002": (0.17, "child_poverty"),
            "010": 0.20,
            "021": 0.05,
            "022": 0.05,
            "025": 0.015,
            "002/005": 0.06,
            "002/006": 0.03,
            "002/009": 0.06,
            "010/013": 0.08,
            "010/014": 0.04,
            "010/017": 0.04,
        },
    ),
    _tree(
        "B07001",
        "population",
        {
            "003": 0.16,
            "004": 0.026,
            "005": 0.065,
            "003/035": (0.08, "renter"),
            "003/051": 0.03,
            "003/067": 0.02,
            "003/083": 0.003,
            "004/036": 0.20,
            "004/052": 0.12,
            "004/068": 0.07,
            "004/084": 0.01,
            "005/037": 0.20,
            "005/053": 0.10,
            "005/069": 0.07,
            "005/085": 0.01,
        },
    ),
    _tree("B09010", "children", {"002": (0.24, "snap")}),
    _tree("B09019", "population", {"002": 0.975, "002/011": 0.002, "002/013": 0.0015, "002/024": 0.0012}),
    _tree("B10050", "adults", {"002": (0.035, "grandchild"), "002/003": 0.35}),
    _tree("B11001", "households", {}),
    Table("B11002A", "population", _alone(lambda region: 0.97 * (1 - region.tract_rates("black"))), total=""),
    Table("B11002B", "population", _alone(lambda region: region.tract_rates("black")), total=""),
    _tree("B11013", "households", {"003": 0.008, "005": (0.014, "single_mother"), "006": 0.004}),
    _tree("B12001", "adults", {"007": 0.008, "010": 0.05, "016": 0.011, "019": 0.062}),
    _tree("B13016", "youth", {"003": (0.008, "child_poverty"), "011": 0.47}),
    _tree(
        "B14003",
        "youth",
        {
            "007": 0.31,
            "016": 0.035,
            "025": (0.014, "disconnected"),
            "035": 0.30,
            "044": 0.035,
            "053": (0.012, "disconnected"),
        },
    ),
    _tree(
        "B15003",
        "adults",
        {f"{line:03d}": (share, "adult_poverty") for line, share in enumerate(_SCHOOLING, start=2)},
    ),
    _tree(
        "B16008",
        "children",
        {
            "003": 0.69,
            "021": 0.008,
            "038": 0.016,
            "003/007": 0.012,
            "003/010": 0.006,
            "021/025": 0.1,
            "021/028": 0.1,
            "038/042": 0.2,
            "038/045": 0.15,
        },
    ),
    _tree("B17001B", "children", {cell: (share, "black") for cell, share in _BLACK_GIRLS.items()}),
    _tree("B17010", "households", {"017": (0.03, "single_mother"), "037": (0.05, "single_mother")}),
    # Youth of 12 to 17 are drawn with B17020; here are the younger children.
    _tree("B17020B", "children", {cell: (share, "black") for cell, share in _BLACK_CHILDREN.items()}),
    _tree("B17020H", "children", {**dict.fromkeys(("003", "004", "005"), (0.035, "child_poverty")), **_WHITE_CHILDREN}),
    _tree("B17020I", "children", {cell: (share, "hispanic") for cell, share in _LATINX_CHILDREN.items()}),
    _tree("B18101", "children", {"006": 0.37, "025": 0.35, "006/007": 0.075, "025/026": 0.045}),
    _tree("B19001", "households", {**dict.fromkeys(_POOREST, (0.04, "adult_poverty")), **_RICHEST}),
    _tree("B19058", "households", {"002": (0.13, "snap")}),
    _tree(
        "B23008",
        "children",
        {
            "015": 0.65,
            "015/020": (0.035, "adult_poverty"),
            "015/021": (0.33, "single_mother"),
            "021/024": 0.04,
            "021/027": (0.12, "adult_poverty"),
        },
    ),
    _tree("B23025", "adults", {"003": 0.66, "003/005": (0.05, "adult_poverty")}),
    Table("B25002", "households", _vacant, factor=4.5),
    Table("B25003", "households", _renters, factor=4.5),
    Table("B25004", "households", _seasonal, factor=4.5),
    _tree("B25044", "households", {"003": (0.025, "no_vehicle"), "010": (0.045, "no_vehicle")}),
    _tree("B25048", "households", {"003": 0.004}),
    _tree("B25052", "households", {"003": 0.008}),
    _tree(
        "B25070",
        "renters",
        {"007": 0.085, "008": 0.06, "009": 0.09, "010": (0.22, "rent_burden"), "011": 0.07},
    ),
    _tree("B25115", "renters", {"025": (0.13, "single_mother")}, total="015"),
    _tree("B27010", "children", {"017": (0.05, "adult_poverty")}, total="002"),
    _tree("B28005", "children", {"006": (0.05, "child_poverty"), "007": (0.015, "child_poverty")}, total="002"),
    _tree("C16002", "households", {"004": (0.012, "hispanic"), "007": 0.006, "010": 0.007, "013": 0.003}),
    _tree(
        "C17002",
        "population",
        {"002": (0.05, "adult_poverty"), "003": (0.06, "adult_poverty"), "004": 0.03, "005": 0.035},
    ),
)

ALL_2023 = (*COUNTS_2023, *TREES, *(table for table in COUNTS_2018 if table.id == "B03002"))
