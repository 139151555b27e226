"""Service areas: groups of counties that the fund or an applicant plans by, in a file of their own.

No official list ships with the project: the county lists of the planning regions of Missouri's needs assessment are
not public, and none is invented (docs/service-area-files.md).
"""

import polars as pl

from quality.columns import SNAPSHOT, VINTAGE, geo_id
from quality.contract import Column, Table
from sources.source import RawFile, Source, Vintage
from sources.tabular import ROW, read_frame, refuse

COLUMNS = ("area_id", "title", "county", "source")

COUNTIES = Table(
    key="core.service_areas_county",
    title="Counties of service areas",
    description="One row a service area and county. An area is a plan of whoever wrote the file, which its source "
    "names: it is no official region unless the source says so. A county may lie in several areas.",
    columns=(
        VINTAGE,
        Column("area_id", pl.String, "Id of the service area.", nullable=False, pattern=r"^[a-z][a-z0-9_]{2,39}$"),
        Column("title", pl.String, "Name of the service area.", nullable=False),
        geo_id("county"),
        Column("source", pl.String, "Where the list of counties comes from.", nullable=False),
        SNAPSHOT,
    ),
    primary_key=("vintage", "area_id", "geo_id"),
    may_be_empty=True,
)


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read `regions.csv`; a file with nothing below its header declares no area.

    Raises:
        ParseError: a column is lacking, an id or a FIPS code is none, a cell is empty, an area has two titles, or a
            county stands twice in an area.
    """
    if len(file.body.decode("utf-8-sig", errors="replace").splitlines()) < 2:
        return {COUNTIES.key: COUNTIES.empty().drop("snapshot_sha256")}
    frame = read_frame(file, [COLUMNS])
    is_id = pl.col("area_id").str.contains(r"^[a-z][a-z0-9_]{2,39}$")
    refuse(file, frame, ~is_id, "must be lower-case letters, digits and _, from 3 to 40", "area_id")
    refuse(file, frame, ~pl.col("county").str.contains(r"^\d{5}$"), "must be a county's five-digit FIPS code", "county")
    for column in ("title", "source"):
        refuse(file, frame, pl.col(column) == "", "must not be empty", column)
    refuse(file, frame, pl.col("title").n_unique().over("area_id") > 1, "must be one title for one area", "title")
    again = pl.struct("area_id", "county").is_duplicated()
    refuse(file, frame, again, "must stand once in an area", "county")
    rows = frame.drop(ROW).select("area_id", "title", "source", geo_id="county", vintage=pl.lit(file.vintage))
    return {COUNTIES.key: rows}


SOURCE = Source(
    id="service_areas",
    title="Service areas",
    publisher="The fund and its applicants",
    licence="As the file's author states",
    citation="Service areas as declared in regions.csv; each row names the source of its list.",
    landing_page="docs/service-area-files.md",
    cadence="whenever plans change",
    cadence_days=3650,
    vintages=tuple(Vintage(str(year), live=False) for year in range(2023, 2028)),
    tables=(COUNTIES,),
    files={COUNTIES.key: ("regions.csv",)},
    parse=parse,
    not_live="Nobody publishes these: put regions.csv into service_areas/<year>/ of the input directory; its columns "
    "are described in docs/service-area-files.md.",
)
