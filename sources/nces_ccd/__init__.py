"""Common Core of Data: every public school and district, live from the Education Data Portal or as ELSI exports."""

import polars as pl

from sources.nces_ccd import elsi, portal
from sources.nces_ccd.tables import DISTRICT, ELSI_SCHOOL, ENROLMENT, LUNCH, SCHOOL
from sources.source import RawFile, Source, Vintage

_DISTRICTS, _SCHOOLS = "leacrosswalk.csv", "elsi_schools_lunch.zip"


def parse(file: RawFile) -> dict[str, pl.DataFrame]:
    """Read a page of the portal, or an export of districts or of schools."""
    if file.name == _DISTRICTS:
        return {DISTRICT.key: elsi.districts(file)}
    if file.name == _SCHOOLS:
        return {ELSI_SCHOOL.key: elsi.schools(file)}
    return portal.parse(file)


SOURCE = Source(
    id="nces_ccd",
    title="Common Core of Data: public schools and districts",
    publisher="National Center for Education Statistics; served by the Urban Institute",
    licence="Open Data Commons Attribution License (ODC-BY) 1.0 for the portal; ELSI exports are in the public domain",
    citation="US Department of Education, National Center for Education Statistics, Common Core of Data, via the "
    "Education Data Portal (Urban Institute), https://educationdata.urban.org, under ODC-BY 1.0.",
    landing_page="https://educationdata.urban.org/documentation/schools.html",
    cadence="yearly",
    cadence_days=500,
    vintages=(
        Vintage("2022", live=False),
        Vintage("2023", live=False),
        # That the portal has the school year 2023-24, and since when, is inferred from notes of its users.
        Vintage("2024", released="2025-06-01"),
    ),
    tables=(DISTRICT, SCHOOL, ENROLMENT, LUNCH, ELSI_SCHOOL),
    files={
        DISTRICT.key: (_DISTRICTS, "districts/directory/*/page-*.json"),
        SCHOOL.key: ("schools/directory/*/page-*.json",),
        ENROLMENT.key: ("schools/enrollment/*/page-*.json", "districts/enrollment/*/page-*.json"),
        LUNCH.key: ("schools/directory/*/page-*.json",),
        ELSI_SCHOOL.key: (_SCHOOLS,),
    },
    parse=parse,
    fetch=portal.fetch,
    probe=portal.probe,
)
