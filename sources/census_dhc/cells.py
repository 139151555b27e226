"""Which cells of the DHC are asked for, and whom each of them counts.

With these a state is one request: the API takes 50 variables at most. Cells as the variables of 2020/dec/dhc name them:
P5 Hispanic origin by race; P12 sex by age, P12B the same for Black alone, P12H for Hispanic people.
"""

_ORIGIN = {
    "P5_001N": "all",
    "P5_003N": "white_nonhispanic",
    "P5_004N": "black_nonhispanic",
    "P5_005N": "aian_nonhispanic",
    "P5_006N": "asian_nonhispanic",
    "P5_007N": "nhpi_nonhispanic",
    "P5_008N": "other_nonhispanic",
    "P5_009N": "multiple_nonhispanic",
    "P5_010N": "hispanic",
    "P12B_001N": "black_alone",
}
_BY_AGE = {"P12": "all", "P12B": "black_alone", "P12H": "hispanic"}
_FIRST = {"male": 5, "female": 29}  # the cell of ages 10 to 14; the others follow it
_YOUTH = ("10-14", "15-17", "18-19", "20", "21", "22-24")

CELLS: dict[str, tuple[str, str, str]] = {cell: (group, "all", "all") for cell, group in _ORIGIN.items()} | {
    f"{table}_{first + n:03d}N": (group, sex, band)
    for table, group in _BY_AGE.items()
    for sex, first in _FIRST.items()
    for n, band in enumerate(_YOUTH)
}
"""Cell to the race or origin, the sex and the age that it counts."""

RACE_GROUPS = tuple(dict.fromkeys(group for group, _, _ in CELLS.values()))
SEXES = ("all", "male", "female")
AGE_BANDS = ("all", *_YOUTH)
