"""What a publisher withheld cannot be computed from what we publish."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quality.contract import Additive, Column, Table
from quality.suppression import protect, recoverable

TABLE = Table(
    "core.any",
    "Any",
    "Any.",
    (
        Column("school", pl.String, "School."),
        Column("race", pl.String, "Race."),
        Column("sex", pl.String, "Sex."),
        Column("count", pl.Float64, "Count."),
        Column("count_kind", pl.String, "Kind.", allowed=("exact", "suppressed", "missing")),
    ),
    ("school", "race", "sex"),
    additive=(Additive(("school", "sex"), "race", "all"), Additive(("school", "race"), "sex", "all")),
)
RACES, SEXES = ("black", "latinx", "white", "all"), ("girls", "boys", "all")
SCHOOL = {
    ("black", "girls"): 3, ("latinx", "girls"): 12, ("white", "girls"): 20,
    ("black", "boys"): 4, ("latinx", "boys"): 15, ("white", "boys"): 22,
}  # fmt: skip


def school(counts: dict[tuple[str, str], int], hidden: set[tuple[str, str]], name: str = "s") -> pl.DataFrame:
    rows = []
    for race in RACES:
        for sex in SEXES:
            count = sum(n for (r, s), n in counts.items() if race in (r, "all") and sex in (s, "all"))
            is_hidden = (race, sex) in hidden
            rows.append((name, race, sex, None if is_hidden else float(count), "suppressed" if is_hidden else "exact"))
    return pl.DataFrame(rows, schema={c.name: c.dtype for c in TABLE.columns}, orient="row")


def keys(frame: pl.DataFrame) -> set[tuple[str, str]]:
    return set(frame.select("race", "sex").iter_rows())


def test_a_lone_suppressed_cell_is_what_its_total_lacks():
    frame = school(SCHOOL, {("black", "girls")})
    assert keys(recoverable(TABLE, frame)) == {("black", "girls")}
    safe, withheld = protect(TABLE, frame)
    assert withheld >= 2, "its row and its column would both give it back"
    assert recoverable(TABLE, safe).is_empty()
    kept = safe.filter(pl.col("count_kind") == "exact")
    assert kept.join(frame, on=["race", "sex", "count"], how="anti").is_empty(), "no figure was changed"


def test_cells_that_hide_each_other_need_no_help():
    hidden = {("black", "girls"), ("black", "boys"), ("latinx", "girls"), ("latinx", "boys")}
    frame = school(SCHOOL, hidden)
    assert recoverable(TABLE, frame).is_empty()
    assert protect(TABLE, frame)[1] == 0


def test_two_sums_together_give_back_what_neither_gives_alone():
    """Each row hides two cells, each column hides two: but the cells form no cycle, so sums of sums fix them."""
    frame = school(SCHOOL, {("black", "girls"), ("latinx", "girls"), ("latinx", "boys")})
    assert keys(recoverable(TABLE, frame)) == {("black", "girls"), ("latinx", "girls"), ("latinx", "boys")}
    assert recoverable(TABLE, protect(TABLE, frame)[0]).is_empty()


def test_where_nothing_is_left_for_them_suppressed_cells_are_known_to_be_zero():
    empty = {**SCHOOL, ("black", "girls"): 0, ("black", "boys"): 0, ("latinx", "girls"): 0, ("latinx", "boys"): 0}
    frame = school(empty, {("black", "girls"), ("black", "boys"), ("latinx", "girls"), ("latinx", "boys")})
    assert recoverable(TABLE, frame).height == 4
    assert recoverable(TABLE, protect(TABLE, frame)[0]).is_empty()


def test_schools_do_not_touch_each_other_and_tables_without_sums_stay_as_they_are():
    frame = pl.concat([school(SCHOOL, {("black", "girls")}, "a"), school(SCHOOL, set(), "b")])
    safe, _ = protect(TABLE, frame)
    assert safe.filter(pl.col("school") == "b").equals(frame.filter(pl.col("school") == "b"))
    plain = Table("core.plain", "Plain", "Plain.", TABLE.columns, TABLE.primary_key)
    assert protect(plain, frame)[0] is frame
    assert recoverable(plain, frame).is_empty()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=6, max_size=6),
    st.sets(st.sampled_from([(race, sex) for race in RACES for sex in SEXES])),
)
def test_whatever_is_suppressed_stays_so(numbers: list[int], hidden: set[tuple[str, str]]):
    frame = school(dict(zip(SCHOOL, numbers, strict=True)), hidden)
    safe, _ = protect(TABLE, frame)
    assert recoverable(TABLE, safe).is_empty()
    assert safe.filter(pl.col("count_kind") == "suppressed").height >= len(hidden)


def test_a_table_that_is_given_back_is_not_published(monkeypatch: pytest.MonkeyPatch):
    from pipelines import warehouse

    monkeypatch.setattr(warehouse, "catalogue", lambda: {TABLE.key: TABLE})
    with pytest.raises(warehouse.PublishError, match="gives back 1 suppressed cells"):
        warehouse._refuse_recoverable({TABLE.key: school(SCHOOL, {("black", "girls")})})
