from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from models.engine.audit import (
    MUCH_IMPUTED,
    NOT_COMPUTED,
    OPEN,
    SCHEMA,
    SKEWED,
    STEPS,
    THIN,
    UNSCORED,
    WIDE,
    About,
    Evidence,
    Ranking,
    audit_page,
    audit_rows,
    escape,
)
from models.engine.coherence import LOW_ALPHA, NEGATIVE, OUTWEIGHS, coherence, links
from models.engine.evaluate import Evaluator
from models.engine.explain import drivers
from models.engine.tree import Node, Recipe

NAN = float("nan")
N = 60
TREE = Node(
    "hardship",
    children=(
        Node(
            "home",
            2.0,
            children=(Node("poverty", 3.0), Node("crowding")),
            recipe=Recipe(normalisation="min_max", scale=(1.0, 100.0), treatment="winsorise_log"),
        ),
        Node("school", children=(Node("absence"), Node("graduation", 1.0, -1)), recipe=Recipe(min_coverage=0.5)),
    ),
    recipe=Recipe(missing="renormalise"),
)
SAID = {
    name: About(name.title(), "ACS", "2019 to 2023", "Evidence is strong.")
    for name in ("poverty", "crowding", "absence", "graduation")
}


def points() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(11)
    common = generator.normal(size=N)
    values = {name: common + 0.7 * generator.normal(size=N) for name in ("poverty", "crowding", "absence")}
    return values | {"graduation": -common + 0.7 * generator.normal(size=N)}


def evidence(values: dict[str, np.ndarray] | None = None, **other: object) -> Evidence:
    """Everything computed and everything said: nothing is open unless a test takes it away."""
    values = points() if values is None else values
    evaluator = Evaluator(TREE, values)
    found = evaluator.point()
    normalised = {name: block[0] for name, block in found.normalised.items()}
    scores = {name: block[0] for name, block in found.scores.items()}
    score = scores["hardship"]
    full = Evidence(
        title="Hardship",
        question="Where do young people live in hardship?",
        tree=TREE,
        weights=evaluator.weights,
        coverage=evaluator.coverage,
        score=score,
        imputed=evaluator.imputed,
        treatments=evaluator.treatments,
        coherence=coherence(TREE, evaluator.weights, normalised, score, imputed=evaluator.imputed),
        drivers=drivers(TREE, evaluator.weights, normalised, scores, imputed=evaluator.imputed),
        sensitivity=pl.DataFrame({"factor": ["normalisation", "weights"], "s1": [0.25, -0.002], "st": [0.4, 0.75]}),
        ranking=Ranking(N, 1000, 14.0, 10, 6, "sampling error"),
        links=links(score, {"child poverty alone": values["poverty"]}),
        about=SAID,
        approved_by="the council",
    )
    return replace(full, **other)


def finding(rows: pl.DataFrame, step: int, item: str) -> dict[str, object]:
    found = rows.filter((pl.col("step") == step) & (pl.col("item") == item))
    assert found.height == 1, found
    return found.row(0, named=True)


def cells(page: str) -> list[list[str]]:
    """What a reader sees in each row of each table of the page."""
    tokens = MarkdownIt("commonmark").enable("table").parse(page)
    rows: list[list[str]] = []
    for position, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif token.type in ("td_open", "th_open"):
            inline = tokens[position + 1].children or []
            assert not any(child.type in ("html_inline", "link_open", "image") for child in inline)
            rows[-1].append("".join(child.content for child in inline))
    return rows


# Rows


def test_every_step_has_its_findings_in_order():
    rows = audit_rows(evidence())
    assert dict(rows.schema) == SCHEMA
    assert rows["step"].is_sorted()
    assert rows["step"].unique(maintain_order=True).to_list() == list(range(1, 11))
    assert (rows["title"] == rows["step"].replace_strict(STEPS)).all()
    assert rows.select("item", "text").null_count().row(0) == (0, 0)
    assert rows["text"].str.ends_with(".").sum() >= rows.height - 1


def test_what_is_complete_leaves_nothing_open():
    assert audit_rows(evidence()).filter(pl.col("flag") == OPEN).is_empty()


def test_what_was_not_done_is_open():
    bare = Evidence(
        title="Hardship",
        question="",
        tree=TREE,
        weights=evidence().weights,
        coverage=evidence().coverage,
        score=evidence().score,
    )
    rows = audit_rows(bare)
    opened = rows.filter(pl.col("flag") == OPEN).select("step", "item").rows()
    assert opened == [
        (1, "question"),
        (1, "rationale"),
        (1, "approval"),
        (2, "source"),
        (2, "period"),
        (4, "coherence"),
        (5, "treatments"),
        (6, "importance"),
        (7, "ranks"),
        (7, "method"),
        (8, "drivers"),
        (9, "comparison"),
        (10, "ranks"),
    ]


def test_who_lacks_a_rationale_is_named():
    partly = {**SAID, "crowding": About("Crowding", "ACS", "2019 to 2023"), "absence": About("Absence")}
    rows = audit_rows(evidence(about=partly))
    assert finding(rows, 1, "rationale")["text"] == "No reason is given for Crowding, Absence."
    assert finding(rows, 1, "rationale")["value"] == 2
    assert finding(rows, 2, "source")["text"] == "No source is named for Absence."


def test_coverage_is_the_share_of_areas_and_thin_below_two_thirds():
    values = points()
    values["absence"][:19] = NAN
    values["crowding"][:21] = NAN
    rows = audit_rows(evidence(values))
    assert finding(rows, 2, "Absence")["value"] == pytest.approx(41 / 60)
    assert finding(rows, 2, "Absence")["flag"] is None
    assert finding(rows, 2, "Crowding")["value"] == pytest.approx(39 / 60)
    assert finding(rows, 2, "Crowding")["flag"] == THIN
    assert "Less is greater need" in finding(rows, 2, "Graduation")["text"]


def test_predicted_values_and_areas_without_a_score_are_counted():
    values = points()
    values["absence"][:13] = NAN
    values["poverty"][:5] = NAN
    for name in values:
        values[name][-2:] = NAN
    # Without any member there is nothing to predict from but the joint distribution: `home` is predicted, and
    # `school`, which asks for half of its weight, is not scored.
    score = evidence(values).score.copy()
    score[-2:] = NAN
    rows = audit_rows(evidence(values, score=score))
    assert finding(rows, 3, "Absence: predicted")["value"] == pytest.approx(15 / 60)
    assert finding(rows, 3, "Absence: predicted")["flag"] == MUCH_IMPUTED
    assert finding(rows, 3, "Poverty: predicted")["flag"] is None
    assert finding(rows, 3, "areas without a score")["value"] == 2
    assert finding(rows, 3, "areas without a score")["flag"] == UNSCORED
    assert "no score below 50% of the weight" in finding(rows, 3, "school")["text"]
    assert finding(audit_rows(evidence()), 3, "predicted values")["value"] == 0


def test_correlations_inside_a_group_that_cancel_out_are_flagged():
    values = points()
    values["graduation"] = -values["graduation"]
    rows = audit_rows(evidence(values))
    found = finding(rows, 4, "Absence and Graduation")
    assert found["flag"] == NEGATIVE
    assert found["value"] < -0.3
    assert "both in school" in found["text"]
    assert "distinguishable" not in found["text"]
    assert finding(rows, 4, "school: alpha")["flag"] == LOW_ALPHA


def test_a_negative_correlation_within_its_error_says_so():
    values = points()
    x = values["poverty"] - values["poverty"].mean()
    noise = np.random.default_rng(2).normal(size=N)
    noise -= noise.mean() + x * (noise @ x) / (x @ x)
    values["crowding"] = noise / noise.std() - 0.05 * x / x.std()
    found = finding(audit_rows(evidence(values)), 4, "Poverty and Crowding")
    assert found["flag"] == NEGATIVE
    assert found["text"].endswith("Not distinguishable from zero.")


def test_alpha_of_groups_and_of_all_indicators_is_told():
    rows = audit_rows(evidence())
    assert finding(rows, 4, "hardship: alpha of all indicators")["text"].startswith("4 members, 60 areas; standardised")
    assert "p < 0.001" in finding(rows, 4, "hardship: alpha of all indicators")["text"]
    assert "KMO" not in finding(rows, 4, "home: alpha")["text"]
    assert finding(rows, 4, "mean correlation across groups")["text"].startswith("4 pairs, from ")


def test_a_constant_indicator_is_told_and_breaks_nothing():
    rows = audit_rows(evidence({**points(), "crowding": np.full(N, 3.0)}))
    assert finding(rows, 4, "home: alpha")["flag"] == NOT_COMPUTED
    assert finding(rows, 4, "home: alpha")["text"] == "crowding is equal in all 60 areas that can be compared."
    assert finding(rows, 6, "Crowding")["flag"] == NOT_COMPUTED
    assert finding(rows, 4, "pairs without a correlation")["value"] == 3


def test_normalisation_and_aggregation_are_told_for_each_node():
    rows = audit_rows(evidence())
    assert finding(rows, 5, "home")["text"] == (
        "Normalised by min_max onto 1 to 100, against the areas at hand; outliers winsorised or put on a log scale."
    )
    assert finding(rows, 5, "hardship")["text"] == "Normalised by percentile, against the areas at hand."
    assert finding(rows, 6, "home")["text"] == "Arithmetic mean of 2 children, weights as declared."
    assert rows.filter(pl.col("step") == 6)["item"].to_list()[:3] == ["hardship", "home", "school"]


def test_treated_points_are_counted_by_rule():
    table = pl.DataFrame(
        [
            ("crowding", None, None, None, "untreated, still skewed"),
            ("poverty", 3, 90.0, 40.0, "winsorised"),
            ("poverty", 9, 80.0, 40.0, "winsorised"),
        ],
        schema=Evaluator(TREE, points()).treatments.schema,
        orient="row",
    )
    rows = audit_rows(evidence(treatments=table))
    assert finding(rows, 5, "Poverty: treated")["value"] == 2
    assert finding(rows, 5, "Poverty: treated")["flag"] is None
    assert finding(rows, 5, "Crowding: treated")["value"] == 0
    assert finding(rows, 5, "Crowding: treated")["flag"] == SKEWED
    assert finding(audit_rows(evidence(treatments=table.clear())), 5, "treated points")["value"] == 0


def test_weights_stand_beside_importance():
    rows = audit_rows(evidence())
    poverty = finding(rows, 6, "Poverty")
    # Two thirds of the index are home, three quarters of home are poverty.
    assert poverty["value"] == pytest.approx(1 / 2)
    assert poverty["text"].startswith("75.0% of home; importance 0.")
    # Half of a third, in an index whose members correlate: it counts for more.
    assert finding(rows, 6, "Crowding")["value"] == pytest.approx(1 / 6)


def test_an_indicator_that_counts_above_its_weight_is_flagged():
    found = evidence()
    judged = found.coherence.importance.with_columns(
        flag=pl.when(pl.col("indicator") == "crowding").then(pl.lit(OUTWEIGHS))
    )
    rows = audit_rows(replace(found, coherence=replace(found.coherence, importance=judged)))
    assert finding(rows, 6, "Crowding")["flag"] == OUTWEIGHS


def test_ranks_are_wide_above_a_third():
    assert finding(audit_rows(evidence()), 7, "median width of the rank intervals")["flag"] is None
    wide = audit_rows(evidence(ranking=Ranking(N, 1000, 20.5, 10, 6)))
    assert finding(wide, 7, "median width of the rank intervals")["flag"] == WIDE


def test_the_ranking_is_summed_up_from_intervals_and_chances():
    # Widths 1, 3 and 7, ends included; one area has no rank. Two chances reach 0.9.
    p05, p95 = np.array([1, 2, 3, NAN]), np.array([1, 4, 9, NAN])
    found = Ranking.of(p05, p95, np.array([1.0, 0.9, 0.89, NAN]), top=2, n_draws=500)
    assert (found.n_ranked, found.median_width, found.sure_of_top, found.top, found.n_draws) == (3, 3, 2, 2, 500)


def test_choices_of_method_come_by_their_effect():
    rows = audit_rows(evidence()).filter((pl.col("step") == 7) & pl.col("item").str.starts_with("choice"))
    assert rows["item"].to_list() == ["choice: weights", "choice: normalisation"]
    assert rows["value"].to_list() == [0.75, 0.4]
    assert rows["text"][0] == "Of the variance that the choices of method make; alone 0%."


def test_first_drivers_are_counted():
    found = evidence()
    rows = audit_rows(found)
    first = found.drivers.filter(pl.col("rank") == 1)["leaf"].value_counts()
    for leaf, count in first.iter_rows():
        assert finding(rows, 8, leaf.title())["value"] == count
    poverty = found.drivers.filter(pl.col("leaf") == "poverty")
    moves = np.abs(poverty["difference"].to_numpy()).mean()
    assert f"moves a score by {moves:.3g} on average" in finding(rows, 8, "Poverty")["text"]


def test_what_the_index_adds_to_poverty_alone_is_told():
    found = evidence()
    row = finding(audit_rows(found), 9, "child poverty alone")
    rho = found.links["spearman"][0]
    assert row["value"] == rho
    assert row["text"].startswith(f"{1 - rho**2:.0%} of the variance of the ranks is what the index adds")
    absent = links(found.score, {"suspensions": np.full(N, NAN)})
    assert finding(audit_rows(evidence(links=absent)), 9, "suspensions")["flag"] == NOT_COMPUTED


def test_notes_stand_in_their_step():
    rows = audit_rows(evidence(done={2: ["Seen by two readers."]}, open_points={10: ["No map yet.", "No print."]}))
    assert finding(rows, 2, "also done")["text"] == "Seen by two readers."
    opened = rows.filter(pl.col("flag") == OPEN)
    assert opened.select("step", "text").rows() == [(10, "No map yet."), (10, "No print.")]


def test_the_order_of_the_evidence_changes_nothing():
    values = points()
    found = evidence({**values, "graduation": -values["graduation"], "crowding": -values["crowding"]})
    assert found.coherence.correlations["flag"].count() > 2
    turned = replace(
        found,
        weights=dict(reversed(found.weights.items())),
        coverage=dict(reversed(found.coverage.items())),
        imputed=dict(reversed(found.imputed.items())),
        about=dict(reversed(SAID.items())),
        treatments=found.treatments.reverse(),
        drivers=found.drivers.reverse(),
        sensitivity=found.sensitivity.reverse(),
        coherence=replace(
            found.coherence,
            importance=found.coherence.importance.reverse(),
            correlations=found.coherence.correlations.reverse(),
            reliability=found.coherence.reliability.reverse(),
        ),
    )
    assert audit_page(audit_rows(turned), title="x") == audit_page(audit_rows(found), title="x")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"coverage": {}}, "coverage of poverty"),
        ({"imputed": {"poverty": np.ones(3, dtype=bool)}}, "imputed of poverty"),
        ({"score": np.empty(0)}, "at least one area"),
        ({"done": {11: ["x"]}}, "no step 11"),
        ({"weights": {}}, "has no weights"),
    ],
)
def test_evidence_that_does_not_fit_is_refused(other, message):
    with pytest.raises(ValueError, match=message):
        audit_rows(evidence(**other))


# Page


def test_the_page_prints_every_row_and_no_other():
    rows = audit_rows(evidence(open_points={1: ["Nobody asked the young."]}))
    summary = 1 + len(STEPS)
    printed = [row for row in cells(audit_page(rows, title="Hardship"))[summary:] if row[0] != "Item"]
    assert [row[0] for row in printed] == rows["item"].to_list()
    assert [row[3] for row in printed] == rows["text"].to_list()
    assert [row[2] or None for row in printed] == rows["flag"].to_list()
    assert [not row[1] for row in printed] == rows["value"].is_null().to_list()


def test_the_summary_counts_flags_and_open_points():
    rows = audit_rows(evidence(approved_by=None, about={**SAID, "absence": About("Absence", "ACS", "2020")}))
    page = audit_page(rows, title="Hardship")
    flagged = rows.filter(pl.col("flag") != OPEN).height
    assert f"\n{rows.height} findings: {flagged} flagged, 2 open.\n" in page
    assert ["1", "Theoretical framework", "0", "2"] in cells(page)
    for step, title in STEPS.items():
        assert f"\n## {step}. {title}\n" in page


def test_values_have_their_units():
    made = [
        ("share of areas", 0.5, "50.0% of areas"),
        ("share of areas", -0.0001, "0.0% of areas"),
        ("alpha", 0.666, "0.67"),
        ("correlation", -0.001, "0.00"),
        ("correlation", -0.5, "-0.50"),
        ("areas", 1.0, "1 area"),
        ("areas", 85000.0, "85,000 areas"),
        ("ranks", 13.5, "13.5 ranks"),
        (None, None, ""),
        ("a|*b*", 2.0, "2 a|*b*"),
    ]
    rows = pl.DataFrame(
        [(1, STEPS[1], "item", value, unit, None, "text") for unit, value, _ in made], schema=SCHEMA, orient="row"
    )
    printed = [row for row in cells(audit_page(rows, title="x")) if row[0] == "item"]
    assert [row[1] for row in printed] == [shown for _, _, shown in made]


def test_a_step_without_rows_is_said():
    page = audit_page(audit_rows(evidence()).filter(pl.col("step") != 9), title="x")
    assert "## 9. Links to other indicators\n\nNothing was found.\n" in page


def test_rows_that_are_none_are_refused():
    with pytest.raises(ValueError, match="flag"):
        audit_page(audit_rows(evidence()).drop("flag"), title="x")


NASTY = "a|b <script>alert(1)</script> [x](http://y) *z* _u_ `c|d` \\ \\* & &lt; # ~s~ ![i](j)\nnext"


def test_names_show_as_they_are_and_are_never_markup():
    about = {**SAID, "poverty": About(NASTY, NASTY, NASTY, NASTY)}
    rows = audit_rows(evidence(question=NASTY, about=about, approved_by=NASTY, done={4: [NASTY]}))
    page = audit_page(rows, title=NASTY)
    assert "<" not in page
    printed = cells(page)
    assert {len(row) for row in printed} == {4}
    on_one_line = NASTY.replace("\n", " ")
    assert ["question", "", "", on_one_line] in printed
    assert any(row[0] == on_one_line for row in printed)
    assert page.count("\n# ") == 0
    assert page.count("\n## ") == 10


SIGNS = st.sampled_from("\\|*_[]()#~`<>&!-+=:;\"'.a1")
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"])


@given(st.text(SIGNS | LETTERS, min_size=1))
@example("a\\.b")
@example("\\*z\\*")
@example("`a|b`")
def test_any_text_survives_a_table(text):
    page = f"| a | b |\n| --- | --- |\n| {escape(text)} | x |\n"
    assert cells(page)[1] == [text, "x"]
