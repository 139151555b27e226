"""Services and grants that the fund lists itself: what exists where, from files that people put into a folder."""

import polars as pl

from quality.columns import SNAPSHOT, VINTAGE, geo_id, geo_level
from quality.contract import Column, Table
from sources.local_services import grants, providers
from sources.source import RawFile, Source, Vintage, parsed_schema

_ABSENCE = (
    "A table without rows means that no list is at hand, NEVER that there is no service. A county without rows in a "
    "list has no listed service: what the list's author did not know of may still exist."
)
_ISO_DAY = r"^\d{4}-\d{2}-\d{2}$"


def _text(name: str, description: str, allowed: tuple[str, ...] | None = None) -> Column:
    return Column(name, pl.String, description, nullable=False, allowed=allowed)


def _day(name: str, description: str) -> Column:
    return Column(name, pl.String, f"{description}, ISO 8601.", nullable=False, pattern=_ISO_DAY)


def _whole(name: str, description: str, unit: str, maximum: int | None = None) -> Column:
    return Column(name, pl.Int64, f"{description}; null where the list says nothing.", unit, minimum=0, maximum=maximum)


_COUNTIES = Column(
    "counties_count",
    pl.Int64,
    "In how many counties the row's line stands: what it says as a whole is repeated in each.",
    unit="counties",
    nullable=False,
    minimum=1,
)

PROVIDER = Table(
    key="core.local_services_provider",
    title="Listed services for young people",
    description="One row a provider, service and county that it serves, from providers.csv, which the fund keeps. "
    f"{_ABSENCE} Beds and ages are those of the whole service and are repeated in each of its counties: never sum beds "
    "over counties, take each provider and service once. Beds for LGBTQ youth and for male youth overlap: never add "
    "them.",
    columns=(
        VINTAGE,
        _text("provider", "Name of the provider, as the public knows it."),
        _text("service", "What it offers.", providers.SERVICES),
        geo_level("county"),
        geo_id("county"),
        _COUNTIES,
        _whole("beds_count", "Beds for young people in all counties together", "beds"),
        _whole("min_age", "Youngest age that is served", "years", providers.OLDEST),
        _whole("max_age", "Oldest age that is served", "years", providers.OLDEST),
        _whole("beds_lgbtq_count", "Of the beds, those that are declared open to LGBTQ youth", "beds"),
        _whole("beds_male_count", "Of the beds, those that are open to male youth", "beds"),
        _day("checked_on", "Day on which somebody last made sure that the line is right"),
        _text("information_source", "Where the line comes from: an address, a document, a person."),
        SNAPSHOT,
    ),
    primary_key=("vintage", "provider", "service", "geo_id"),
    may_be_empty=True,
)
GRANT = Table(
    key="core.local_services_grant",
    title="Grants that the fund made",
    description="One row a grant and county that it serves, from grants.csv, which the fund keeps. A table without "
    "rows means that no list is at hand, NEVER that nothing was granted. The amount is that of the whole grant and is "
    "repeated in each of its counties: never sum amounts over counties, take each grant once.",
    columns=(
        VINTAGE,
        _text("grant_id", "The fund's own id of the grant."),
        _text("provider", "Who received it."),
        _text("programme_line", "The fund's line that it belongs to.", grants.LINES),
        geo_level("county"),
        geo_id("county"),
        _COUNTIES,
        Column("amount_usd", pl.Float64, "Amount of the whole grant.", unit="US dollars", nullable=False, minimum=0.01),
        _day("start_on", "First day of the grant"),
        _day("end_on", "Its last day"),
        SNAPSHOT,
    ),
    primary_key=("vintage", "grant_id", "geo_id"),
    may_be_empty=True,
)


def _by_county(file: RawFile, table: Table, lines: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """A row for each county of a line."""
    typed = [pl.col(name).cast(dtype) for name, dtype in parsed_schema(table).items()]
    rows = lines.with_columns(
        vintage=pl.lit(file.vintage),
        geo_level=pl.lit("county"),
        counties_count=pl.col("counties").list.len().cast(pl.Int64),
    )
    return {table.key: rows.explode("counties").rename({"counties": "geo_id"}).select(typed)}


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read `providers.csv` or `grants.csv`; a file with nothing below its header is no list and is refused.

    Raises:
        ParseError: names the file, the row and the rule that it breaks; see `providers.read` and `grants.read`.
    """
    if file.name == "providers.csv":
        return _by_county(file, PROVIDER, providers.read(file))
    return _by_county(file, GRANT, grants.read(file))


SOURCE = Source(
    id="local_services",
    title="Local services and grants",
    publisher="The fund",
    licence="As the fund states",
    citation="Lists of services and grants kept by the fund; each service names where its information comes from.",
    landing_page="docs/local-services-files.md",
    cadence="whenever the fund looks again, at least yearly",
    cadence_days=400,
    vintages=tuple(Vintage(str(year), live=False) for year in range(2023, 2028)),
    tables=(PROVIDER, GRANT),
    files={PROVIDER.key: ("providers.csv",), GRANT.key: ("grants.csv",)},
    parse=parse,
    not_live="Nobody publishes these: put providers.csv and grants.csv into <DIR>/local_services/<year>/ and run with "
    "--input DIR; docs/local-services-files.md describes their columns.",
)
