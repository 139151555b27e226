"""SVI: real county inputs of 2018 and 2020, and the simulated ones beside them.

The full files of 2022, by county and by tract, have no real counterpart at hand: the header below was copied from a
public copy of CDC's county file, the tract file has the same by CDC's documentation.
"""

import csv
import io
import re
from pathlib import Path

import polars as pl
import pytest

from sources.cdc_svi import SOURCE
from sources.simulated import files
from sources.source import RawFile

TABLES = {table.key: table for table in SOURCE.tables}
HEADER_2022 = (
    "ST,STATE,ST_ABBR,STCNTY,COUNTY,FIPS,LOCATION,AREA_SQMI,E_TOTPOP,M_TOTPOP,E_HU,M_HU,E_HH,M_HH,E_POV150,M_POV150,"
    "E_UNEMP,M_UNEMP,E_HBURD,M_HBURD,E_NOHSDP,M_NOHSDP,E_UNINSUR,M_UNINSUR,E_AGE65,M_AGE65,E_AGE17,M_AGE17,E_DISABL,"
    "M_DISABL,E_SNGPNT,M_SNGPNT,E_LIMENG,M_LIMENG,E_MINRTY,M_MINRTY,E_MUNIT,M_MUNIT,E_MOBILE,M_MOBILE,E_CROWD,M_CROWD,"
    "E_NOVEH,M_NOVEH,E_GROUPQ,M_GROUPQ,EP_POV150,MP_POV150,EP_UNEMP,MP_UNEMP,EP_HBURD,MP_HBURD,EP_NOHSDP,MP_NOHSDP,"
    "EP_UNINSUR,MP_UNINSUR,EP_AGE65,MP_AGE65,EP_AGE17,MP_AGE17,EP_DISABL,MP_DISABL,EP_SNGPNT,MP_SNGPNT,EP_LIMENG,"
    "MP_LIMENG,EP_MINRTY,MP_MINRTY,EP_MUNIT,MP_MUNIT,EP_MOBILE,MP_MOBILE,EP_CROWD,MP_CROWD,EP_NOVEH,MP_NOVEH,EP_GROUPQ,"
    "MP_GROUPQ,EPL_POV150,EPL_UNEMP,EPL_HBURD,EPL_NOHSDP,EPL_UNINSUR,SPL_THEME1,RPL_THEME1,EPL_AGE65,EPL_AGE17,"
    "EPL_DISABL,EPL_SNGPNT,EPL_LIMENG,SPL_THEME2,RPL_THEME2,EPL_MINRTY,SPL_THEME3,RPL_THEME3,EPL_MUNIT,EPL_MOBILE,"
    "EPL_CROWD,EPL_NOVEH,EPL_GROUPQ,SPL_THEME4,RPL_THEME4,SPL_THEMES,RPL_THEMES,F_POV150,F_UNEMP,F_HBURD,F_NOHSDP,"
    "F_UNINSUR,F_THEME1,F_AGE65,F_AGE17,F_DISABL,F_SNGPNT,F_LIMENG,F_THEME2,F_MINRTY,F_THEME3,F_MUNIT,F_MOBILE,F_CROWD,"
    "F_NOVEH,F_GROUPQ,F_THEME4,F_TOTAL,E_DAYPOP,E_NOINT,M_NOINT,E_AFAM,M_AFAM,E_HISP,M_HISP,E_ASIAN,M_ASIAN,E_AIAN,"
    "M_AIAN,E_NHPI,M_NHPI,E_TWOMORE,M_TWOMORE,E_OTHERRACE,M_OTHERRACE,EP_NOINT,MP_NOINT,EP_AFAM,MP_AFAM,EP_HISP,"
    "MP_HISP,EP_ASIAN,MP_ASIAN,EP_AIAN,MP_AIAN,EP_NHPI,MP_NHPI,EP_TWOMORE,MP_TWOMORE,EP_OTHERRACE,MP_OTHERRACE"
)


def path_of(real_data: Path, year: str) -> Path:
    return real_data / "cdc_svi" / year / f"SVI_{year}_US_county_inputs.csv"


def real(real_data: Path, year: str) -> pl.DataFrame:
    path = path_of(real_data, year)
    ((key, frame),) = SOURCE.parse(RawFile("cdc_svi", year, path.name, path)).items()
    assert key == "core.cdc_svi_county"
    return TABLES[key].conform(frame.with_columns(snapshot_sha256=pl.lit("0" * 64)))


@pytest.mark.parametrize(("year", "counties", "variables"), [("2018", 3142, 20), ("2020", 3143, 28)])
def test_every_county_and_variable(year, counties, variables, real_data):
    frame = real(real_data, year)
    assert frame.height == counties * variables == frame.select("geo_id", "variable").n_unique()
    assert frame["geo_id"].n_unique() == counties
    missouri = frame.filter(pl.col("geo_id").str.starts_with("29"))
    assert missouri["geo_id"].n_unique() == 115


@pytest.mark.parametrize(
    ("year", "variable", "figures"),
    [
        ("2018", "POV", (73_172, 2_780, 0.242, 0.009)),
        ("2018", "PCI", (28_478, 518, None, None)),
        ("2020", "POV150", (93_006, 3_368, 0.314, 0.011)),
        ("2020", "NOVEH", (26_880, 1_232, 0.187, 0.008)),
    ],
)
def test_figures_of_st_louis(year, variable, figures, real_data):
    frame = real(real_data, year).filter(geo_id="29510", variable=variable)
    assert frame.select("estimate", "estimate_moe", "share", "share_moe").rows() == [figures]


def test_only_one_county_lost_figures(real_data):
    missing = real(real_data, "2018").filter(estimate_kind="missing")
    assert missing.select("geo_id", "variable").rows() == [("35039", name) for name in ("PCI", "POV", "UNEMP")]
    assert real(real_data, "2020").filter(estimate_kind="missing").is_empty()


def test_every_real_column_is_read(real_data):
    """But for the place's names and area, and the "percentage" of an income."""
    for year, missing in (("2018", {"EP_PCI", "MP_PCI"}), ("2020", set())):
        with path_of(real_data, year).open(encoding="utf-8") as file:
            header = next(csv.reader(file))
        named = {match[1] for name in header if (match := re.fullmatch(r"E_(\w+)", name))}
        assert named == set(real(real_data, year)["variable"])
        assert missing <= set(header)


@pytest.mark.parametrize("year", ["2018", "2020"])
def test_simulated_inputs_are_built_like_real_ones(year, real_data):
    bodies = {name: body for _, name, body in files("cdc_svi")}
    ours, theirs = bodies[path_of(real_data, year).name], path_of(real_data, year).read_bytes()
    assert ours.split(b"\n")[0] == theirs.split(b"\n")[0]
    assert b"\r" not in ours and b"\r" not in theirs
    assert ours.endswith(b"\n") and theirs.endswith(b"\n")
    our_rows, their_rows = (list(csv.DictReader(io.StringIO(body.decode()))) for body in (ours, theirs))
    for name in our_rows[0]:
        shapes = [{shape(row[name]) for row in rows} for rows in (our_rows, their_rows)]
        if name[1] == "P":  # percentages have one decimal
            assert shapes[0] <= shapes[1] == shapes[1] - {"9"}, name
        elif name.startswith("E_"):
            assert shapes[0] <= shapes[1], name
    codes = [{cell for row in rows for cell in row.values() if cell.startswith("-")} for rows in (our_rows, their_rows)]
    assert codes[0] == codes[1]


def shape(cell: str) -> str:
    """`9`, `9.9`, `-9` and the like: how a figure is written."""
    return re.sub(r"\d+", "9", cell)


def test_simulated_files_of_2022_have_the_published_header():
    bodies = {name: body for _, name, body in files("cdc_svi")}
    for name in ("SVI_2022_US_county.csv", "tracts/SimulatedState.csv"):
        assert bodies[name].decode().splitlines()[0] == HEADER_2022
