"""Tables of the Social Vulnerability Index: its inputs, and apart from them the published index."""

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VALUE_KINDS, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table


def _kind(name: str) -> Column:
    return Column(f"{name}_kind", pl.String, f"What the cell of {name} says.", nullable=False, allowed=VALUE_KINDS)


def _inputs(level: str, what: str) -> Table:
    return Table(
        key=f"core.cdc_svi_{level}",
        title=f"Inputs of the Social Vulnerability Index by {what}",
        description=f"American Community Survey figures that CDC/ATSDR drew for its index, by {what}; one row a "
        "variable under CDC's name without its prefix. Names differ between releases: POV (below the poverty level) "
        "and PCI until 2018, POV150 (below 150 % of it) and HBURD since 2020. Margins are of 90 % confidence; -999 "
        "is missing.",
        columns=(
            VINTAGE,
            PERIOD,
            geo_level(level),
            geo_id(level),
            GEO_NAME,
            Column("variable", pl.String, "CDC's name of the variable.", nullable=False, pattern=r"^[A-Z0-9]+$"),
            Column(
                "unit",
                pl.String,
                "What the estimate counts: people, households or housing units; or dollars.",
                nullable=False,
                allowed=("count", "US dollars"),
            ),
            Column("estimate", pl.Float64, "The estimate.", unit="as `unit` says", minimum=0),
            _kind("estimate"),
            Column("estimate_moe", pl.Float64, "Its 90 % margin of error.", unit="as the estimate", minimum=0),
            Column(
                "share",
                pl.Float64,
                "The estimate as a share of CDC's denominator, which has one decimal of a percentage.",
                unit="share, 0 to 1",
                minimum=0,
                maximum=1,
            ),
            _kind("share"),
            Column("share_moe", pl.Float64, "Its 90 % margin of error.", unit="share", minimum=0),
            SNAPSHOT,
        ),
        primary_key=("vintage", "geo_id", "variable"),
        may_be_empty=True,
    )


def _index(level: str, what: str) -> Table:
    return Table(
        key=f"core.cdc_svi_{level}_index",
        title=f"Published Social Vulnerability Index by {what}, for validation only",
        description=f"CDC's own percentile ranks, sums and flags by {what}, under its column names. They are here to "
        "check computations against and enter no index of ours: the ranks carry no error, and theme 3 ranks places "
        "by the race of their people.",
        columns=(
            VINTAGE,
            PERIOD,
            geo_level(level),
            geo_id(level),
            GEO_NAME,
            Column(
                "measure",
                pl.String,
                "EPL percentile rank of a variable, SPL sum of ranks, RPL rank of a theme or of all, F flag (90th "
                "percentile or above) or number of flags.",
                nullable=False,
                pattern=r"^(EPL|SPL|RPL|F)_[A-Z0-9]+$",
            ),
            Column(
                "ranked_within",
                pl.String,
                "Which areas the ranks compare: files of one state rank its areas with each other only.",
                nullable=False,
                allowed=("nation", "state"),
            ),
            Column("value", pl.Float64, "The published value.", unit="rank 0 to 1, sum of ranks, or flags", minimum=0),
            _kind("value"),
            SNAPSHOT,
        ),
        primary_key=("vintage", "geo_id", "measure"),
        may_be_empty=True,
    )


COUNTY, TRACT = _inputs("county", "county"), _inputs("tract", "census tract")
COUNTY_INDEX, TRACT_INDEX = _index("county", "county"), _index("tract", "census tract")
