"""Tables of the Common Core of Data.

No figure of a child stands in two of them, and none as a column beside its parts: a total that is withheld in one
place would be read in the other.
"""

import polars as pl

from quality.columns import GEO_NAME, PERIOD, SNAPSHOT, VINTAGE, geo_id, geo_level, measured
from quality.contract import Additive, Column, Table

ALL, TOTAL = "all", "total"

RACES = {
    1: "white",
    2: "black",
    3: "hispanic",
    4: "asian",
    5: "american_indian_or_alaska_native",
    6: "native_hawaiian_or_pacific_islander",
    7: "two_or_more",
    8: "nonresident",
    9: "unknown",
    20: "other",
    99: TOTAL,
}
SEXES = {1: "male", 2: "female", 3: "another", 9: "unknown", 99: TOTAL}
PROGRAMS = {
    "free_lunch": "free",
    "reduced_price_lunch": "reduced_price",
    "free_or_reduced_price_lunch": "free_or_reduced_price",
    "direct_certification": "direct_certification",
}

_SCHOOL_ID = Column("school_id", pl.String, "NCES id of the school, 12 digits.", nullable=False, pattern=r"^\d{12}$")
_DISTRICT_ID = Column(
    "district_id", pl.String, "NCES id of the district that runs it.", nullable=False, pattern=r"^\d{7}$"
)
_COUNTY_ID = Column(
    "county_id",
    pl.String,
    "County FIPS where the office or school stands; its pupils may live elsewhere. Null where NCES has none.",
    pattern=r"^\d{5}$",
)


def _code(name: str, description: str) -> Column:
    return Column(name, pl.Int64, f"{description} Null where the publisher has none.", minimum=0)


def _grade(which: str) -> Column:
    return Column(
        f"{which}_grade",
        pl.Int64,
        f"The {which} grade offered: -1 prekindergarten, 0 kindergarten, 1 to 12, 13 to 15 beyond or ungraded.",
        minimum=-1,
        maximum=99,
    )


DISTRICT = Table(
    key="core.nces_ccd_district",
    title="School districts",
    description="Public education agencies and their county, each school year. Charter, regional and state-run "
    "agencies are among them and have no territory. The first two digits of an id are the agency's jurisdiction, "
    "which for a few is not the state it lies in: use county_id. ELSI exports give name and county only.",
    columns=(
        VINTAGE,
        PERIOD,
        geo_level("school_district"),
        geo_id("school_district"),
        GEO_NAME,
        _COUNTY_ID,
        _code(
            "agency_type",
            "1 regular, 2 component, 3 supervisory union, 4 regional, 5 state-run, 6 federal, 7 charter, 8 and above "
            "other.",
        ),
        _grade("lowest"),
        _grade("highest"),
        _code("school_count", "Schools that the agency runs."),
        SNAPSHOT,
    ),
    primary_key=("vintage", "geo_id"),
    may_be_empty=True,
)
SCHOOL = Table(
    key="core.nces_ccd_school",
    title="Public schools",
    description="Public schools with level, grades, place and district. Online schools stand where their office is.",
    columns=(
        VINTAGE,
        PERIOD,
        _SCHOOL_ID,
        Column("school_name", pl.String, "Name of the school as the publisher writes it."),
        _DISTRICT_ID,
        _COUNTY_ID,
        _code("school_level", "0 prekindergarten, 1 primary, 2 middle, 3 high, 4 and above other."),
        _code("school_type", "1 regular, 2 special education, 3 vocational, 4 alternative, 5 and above programmes."),
        _code("school_status", "1 open, 2 closed, 3 new, 4 and above added, changed or closed for a time."),
        _code("charter", "1 a charter school, 0 none."),
        _code("virtual", "0 not online, 1 online, 2 and 3 in part."),
        _grade("lowest"),
        _grade("highest"),
        Column("latitude", pl.Float64, "Latitude of the school.", unit="degrees", minimum=-20, maximum=75),
        Column("longitude", pl.Float64, "Longitude of the school.", unit="degrees", minimum=-180, maximum=180),
        SNAPSHOT,
    ),
    primary_key=("vintage", "school_id"),
    may_be_empty=True,
)
ENROLMENT = Table(
    key="core.nces_ccd_enrolment",
    title="Enrolment by race and sex, by school and district",
    description="Pupils of all grades on the count day in autumn, of each school and of each district as a whole "
    "(school_id is all), with totals over races and sexes. What a district reports need not be the sum of its "
    "schools to the last pupil. Where the publisher suppressed a cell, the totals that would give it away are "
    "withheld here.",
    columns=(
        VINTAGE,
        PERIOD,
        _DISTRICT_ID,
        Column(
            "school_id",
            pl.String,
            "NCES id of the school; all for the district as a whole.",
            nullable=False,
            pattern=rf"^(\d{{12}}|{ALL})$",
        ),
        Column(
            "race",
            pl.String,
            "Race and ethnicity of the pupils; Hispanic pupils in no other group.",
            nullable=False,
            allowed=tuple(RACES.values()),
        ),
        Column("sex", pl.String, "Sex of the pupils.", nullable=False, allowed=tuple(SEXES.values())),
        *measured("enrolment_count", "Pupils enrolled.", "pupils"),
        SNAPSHOT,
    ),
    primary_key=("vintage", "district_id", "school_id", "race", "sex"),
    may_be_empty=True,
    additive=(
        Additive(("vintage", "district_id", "school_id", "sex"), "race", TOTAL, "enrolment_count"),
        Additive(("vintage", "district_id", "school_id", "race"), "sex", TOTAL, "enrolment_count"),
        Additive(("vintage", "district_id", "race", "sex"), "school_id", ALL, "enrolment_count"),
    ),
)
LUNCH = Table(
    key="core.nces_ccd_school_lunch",
    title="School lunch eligibility by school",
    description="Pupils eligible for free or reduced-price lunch, or certified directly, by school. Where whole "
    "schools eat free (Community Eligibility Provision) this measures the programme, not poverty: prefer SAIPE.",
    columns=(
        VINTAGE,
        PERIOD,
        _SCHOOL_ID,
        _DISTRICT_ID,
        Column(
            "program",
            pl.String,
            "What they are eligible for: free and reduced_price sum to free_or_reduced_price; pupils certified "
            "directly through another programme are among the free.",
            nullable=False,
            allowed=tuple(PROGRAMS.values()),
        ),
        *measured("student_count", "Pupils eligible.", "pupils"),
        SNAPSHOT,
    ),
    primary_key=("vintage", "school_id", "program"),
    may_be_empty=True,
    additive=(
        Additive(
            ("vintage", "school_id"),
            "program",
            PROGRAMS["free_or_reduced_price_lunch"],
            "student_count",
            (PROGRAMS["direct_certification"],),
        ),
    ),
)
ELSI_SCHOOL = Table(
    key="core.nces_ccd_elsi_school",
    title="School lunch eligibility and enrolment by school, from an ELSI export",
    description="Every public school of an ELSI table export, which names schools but has no ids: several schools of "
    "one county share a name, so a row is known by where it stands in the file. Sum it to counties; join it to "
    "nothing. Figures that failed NCES's quality standards (double dagger) count as suppressed.",
    columns=(
        VINTAGE,
        PERIOD,
        Column("publisher_row", pl.Int64, "Line of the publisher's file.", nullable=False, minimum=1),
        Column("school_name", pl.String, "Name of the school as the publisher writes it.", nullable=False),
        Column("state_name", pl.String, "State that oversees the school, as the publisher writes it."),
        _COUNTY_ID,
        *measured("lunch_eligible_count", "Pupils eligible for free or reduced-price lunch.", "pupils"),
        *measured("enrolment_count", "Pupils of all grades, adult education apart.", "pupils"),
        SNAPSHOT,
    ),
    primary_key=("vintage", "publisher_row"),
    may_be_empty=True,
)
