"""What no index may be computed from is refused by row and column; what is missing is missing."""

import numpy as np
import polars as pl
import pytest

from models.indices.table_spec import TableSpec, read_table_index
from models.indices.table_values import TableError, read_values
from models.indices.yaml_lines import DeclarationError, read

SPEC = """\
id: need
table: {id: area, name: called, missing_code: [-999, NA, 1e6]}
members:
  - {column: poverty, direction: 1, margin: moe}
  - {column: income, direction: -1}
"""


def spec(text: str = SPEC) -> TableSpec:
    return read_table_index(read(text, "need.yaml"))


def cells(**changed: list[str | None]) -> pl.DataFrame:
    columns: dict[str, list[str | None]] = {
        "area": ["01", "02", "003"],
        "called": ["A", "B", "C"],
        "poverty": ["1.5", "-2", " 3e1 "],
        "moe": ["0", "1", "2"],
        "income": ["5", "", None],
        "unread": ["x", "y", "z"],
    }
    return pl.DataFrame({**columns, **changed}, schema_overrides=dict.fromkeys(columns, pl.String))


def numbers(frame: pl.DataFrame, column: str) -> list[float]:
    return read_values(spec(), frame, "need.csv").columns[column].tolist()


def test_ids_stay_texts_and_cells_become_numbers():
    values = read_values(spec(), cells(), "need.csv")
    assert values.ids.to_list() == ["01", "02", "003"]
    assert values.names is not None
    assert values.names.to_list() == ["A", "B", "C"]
    assert set(values.columns) == {"poverty", "moe", "income"}, "what nothing names is not read"
    assert values.columns["poverty"].tolist() == [1.5, -2.0, 30.0]
    np.testing.assert_equal(values.columns["income"], [5.0, np.nan, np.nan])


@pytest.mark.parametrize("code", ["-999", "-999.0", " -999 ", "NA", "1000000", "1e6"])
def test_a_declared_code_means_missing_however_the_number_is_written(code):
    np.testing.assert_equal(numbers(cells(income=["1", code, "3"]), "income"), [1.0, np.nan, 3.0])


@pytest.mark.parametrize(
    "cell", ["NaN", "nan", "inf", "-Infinity", "1e999", "n/a", "1,000", "5%", "1_0", "0x1f", "-", "٣"]
)
def test_a_cell_that_is_no_finite_number_is_refused_by_row_and_column(cell):
    with pytest.raises(TableError, match=r"need\.csv: row 3 \(id 02\), column poverty: must be a number") as caught:
        numbers(cells(poverty=["1", cell, "3"]), "poverty")
    assert f"but is {cell!r}" in str(caught.value)


def test_a_number_that_draws_cannot_hold_is_refused():
    with pytest.raises(TableError, match=r"row 3 \(id 02\), column poverty: is too large .*but is '-1e31'"):
        numbers(cells(poverty=["1", "-1e31", "3"]), "poverty")


def test_several_wrong_cells_are_counted():
    with pytest.raises(TableError, match=r"row 2 .*'x'; so are 2 more rows$"):
        numbers(cells(poverty=["x", "y", "z"]), "poverty")
    with pytest.raises(TableError, match=r"row 3 .*'y'; so is one more row$"):
        numbers(cells(poverty=["1", "y", "z"]), "poverty")


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        (["1", "", "3"], r"row 3, column area: an id must not be empty"),
        (["1", "  ", "3"], r"row 3, column area: an id must not be empty"),
        (["1", None, "3"], r"row 3, column area: an id must not be empty"),
        (["1", "2", "1 "], r"row 4, column area: the id 1 stands already in row 2"),
    ],
)
def test_ids_that_name_no_row_are_refused(ids, says):
    with pytest.raises(TableError, match=says):
        read_values(spec(), cells(area=ids), "need.csv")


def test_ids_that_differ_by_zeros_are_different():
    assert read_values(spec(), cells(area=["1", "01", "001"]), "need.csv").n == 3


@pytest.mark.parametrize(("height", "says"), [(0, "has no rows"), (1, "has 1 row below its header")])
def test_a_table_that_has_nothing_to_rank_is_refused(height, says):
    with pytest.raises(TableError, match=rf"need\.csv: {says}.*at least two"):
        read_values(spec(), cells().head(height), "need.csv")


@pytest.mark.parametrize(
    ("column", "line", "hint"),
    [
        ("poverty", 4, ""),
        ("moe", 4, ""),
        ("income", 5, ""),
        ("area", 2, ""),
        ("called", 2, ""),
    ],
)
def test_a_column_that_the_table_lacks_is_told_by_the_line_that_names_it(column, line, hint):
    frame = cells().rename({column: f"{column}s"})
    with pytest.raises(
        DeclarationError, match=rf"^need\.yaml:{line}: need\.csv has no column {column}; did you mean {column}s"
    ):
        read_values(spec(), frame, "need.csv")


def test_a_table_with_another_separator_is_told_so():
    frame = pl.DataFrame({"area;called;poverty;moe;income": ["1;A;2;3;4"]})
    with pytest.raises(DeclarationError, match=r"its header is the one column .*divided by commas"):
        read_values(spec(), frame, "need.csv")


def test_a_preset_names_its_columns_too():
    svi = "id: svi\npreset: svi\nthemes: {1: [POV], 2: [PCI]}\npopulation: E_TOTPOP\ntable: {id: FIPS}\n"
    frame = pl.DataFrame({"FIPS": ["1", "2"], "EP_POV": ["1", "2"], "EP_PCI": ["1", "2"], "MP_POV": ["1", "x"]})
    with pytest.raises(DeclarationError, match=r"need\.yaml:4: need\.csv has no column E_TOTPOP"):
        read_values(spec(svi), frame, "need.csv")
    with pytest.raises(DeclarationError, match=r"need\.yaml:3: need\.csv has no column EP_PCI; did you mean EP_P"):
        read_values(spec(svi), frame.drop("EP_PCI").with_columns(E_TOTPOP=pl.lit("1")), "need.csv")
    whole = frame.with_columns(E_TOTPOP=pl.lit("1"))
    assert set(read_values(spec(svi), whole, "x").columns) == {"EP_POV", "EP_PCI", "E_TOTPOP"}
    with pytest.raises(TableError, match="column MP_POV"):
        read_values(spec(svi), whole, "x", optional=["MP_POV", "MP_PCI"])
