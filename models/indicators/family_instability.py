"""Family instability: children who grow up without both or either of their parents."""

import polars as pl

from models.indicators import acs
from models.indicators.indicator import Indicator, Inputs

_FRANCHINO = (
    "Caregiver strain, conflict with parents and involvement of child protection recur in Franchino-Olsen 2019, "
    "10.1177/1524838018821956."
)
_KIN = (
    "Children whose parents are gone are raised by kin mostly outside the foster system; caregiver strain recurs in "
    "Franchino-Olsen 2019, 10.1177/1524838018821956."
)


@acs.share_indicator(
    id="single_parent_share",
    title="Children with one unpartnered adult",
    topic="family_instability",
    definition="Children under 18 in the household of an adult without spouse or partner over children in households.",
    universe="Children under 18 in households, householders, spouses and unmarried partners apart.",
    # Since 2019 _003 is a cohabiting couple: unpartnered are _004 and _005.
    numerator="B09005_004+B09005_005",
    denominator="B09005_001",
    direction=+1,
    reference=_FRANCHINO,
    bias="Says how many adults there are, not how they care: most such children are safe. The householder may be a "
    "grandparent. The table changed in 2019, and earlier vintages are another quantity.",
)
def single_parent_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Before 2019 the table's lines meant something else: older vintages are left out."""
    figures = acs.figures(tables, this).filter(pl.col("vintage") >= "2019")
    return acs.share(figures, this.numerator, this.denominator)


@acs.share_indicator(
    id="no_parent_share",
    title="Children who are not the householder's own",
    topic="family_instability",
    definition="Children under 18 who are a grandchild, other relative or unrelated to the householder over children.",
    universe="Children under 18 in households, householders and spouses apart.",
    numerator="B09018_006+B09018_007+B09018_008",
    denominator="B09018_001",
    direction=+1,
    reference=_FRANCHINO,
    bias="Stands beside the index and not in it: many grandchildren here have a parent in the same home, and the rest "
    "is counted by children_with_other_relatives_share. Mixes kin care, foster care and lodging.",
)
def no_parent_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Mixes kin care, foster care and lodging: no count of children in custody."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="kin_care_share",
    title="Children raised by grandparents alone",
    topic="family_instability",
    definition="Grandchildren whose grandparent is responsible, with no parent present, over children under 18.",
    universe="Children under 18; the two tables have different universes.",
    numerator="B10002_004",
    denominator="B09001_001",
    direction=+1,
    reference=_KIN,
    bias="Kin care is a strength as well as a sign of loss. Rare: margins are wide in small counties.",
)
def kin_care_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """The best single cell for a family that has lost its middle generation."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="grandparents_responsible_share",
    title="Grandparents responsible for grandchildren at home",
    topic="family_instability",
    definition="Persons responsible for grandchildren they live with over persons who live with grandchildren.",
    universe="Persons of 30 and over who live with own grandchildren under 18.",
    numerator="B10050_003",
    denominator="B10050_002",
    direction=+1,
    reference=_KIN,
    bias="Over those who live with grandchildren, not over families: high where few live together at all. The base is "
    "small in rural counties and tracts.",
)
def grandparents_responsible_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Whether the grandparents in the home carry the care."""
    return acs.shares(tables, this)


@acs.share_indicator(
    id="no_parent_working_share",
    title="Children of 6 to 17 with no parent in the labour force",
    topic="family_instability",
    definition="Own children of 6 to 17 years of whose parents at home none is in the labour force over own children.",
    universe="Own children of 6 to 17 years in families and subfamilies.",
    numerator="B23008_020+B23008_024+B23008_027",
    denominator="B23008_015",
    direction=+1,
    reference=_FRANCHINO,
    bias="Illness, disability and care for others are the usual reasons. Children without a parent at home are not in "
    "the universe. Goes with poverty, which is another index.",
)
def no_parent_working_share(tables: Inputs, this: Indicator) -> pl.DataFrame:
    """Two parents of whom neither works, and lone fathers and mothers outside the labour force."""
    return acs.shares(tables, this)
