"""The audit of an index: the ten steps of the OECD and JRC, with what was done, what is flagged and what is open.

`audit_rows` makes one row of every finding, and `audit_page` prints those rows and nothing else, so that
the page and its machine-readable form cannot differ. The same evidence gives the same text, whatever the
order of its rows and mappings.

Source: OECD 2008, Handbook on Constructing Composite Indicators: Methodology and User Guide, OECD
Publishing (prepared with the JRC), part 1. It sets no thresholds; those below are this project's.
"""

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine.coherence import Coherence, child_weights, effective_weights
from models.engine.treat import UNTREATED
from models.engine.tree import Node, Recipe

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEPS = {
    1: "Theoretical framework",
    2: "Data selection",
    3: "Imputation of missing data",
    4: "Multivariate analysis",
    5: "Normalisation",
    6: "Weighting and aggregation",
    7: "Uncertainty and sensitivity",
    8: "Back to the data",
    9: "Links to other indicators",
    10: "Presentation",
}
SCHEMA = {
    "step": pl.Int64,
    "title": pl.String,
    "item": pl.String,
    "value": pl.Float64,
    "unit": pl.String,
    "flag": pl.String,
    "text": pl.String,
}

OPEN = "open"
"""The flag of what was not done or is not known; every other flag is a finding."""
NOT_COMPUTED = "not computed"
THIN, MUCH_IMPUTED, UNSCORED = "thin coverage", "much imputed", "areas without a score"
SKEWED, WIDE = "still skewed", "wide ranks"

THIN_BELOW = 2 / 3
"""Share of the areas that should have an observed value of an indicator."""
MUCH_IMPUTED_ABOVE = 0.2
WIDE_ABOVE = 1 / 3
"""How much of the ranking the median area's 90 % interval may span."""
SURE_FROM = 0.9
Z95 = 1.96

Row = tuple[int, str, float | None, str | None, str | None, str]
"""Step, item, value, unit, flag, text."""


@dataclass(frozen=True)
class About:
    """What is said about an indicator: all of it for people, none of it is computed with."""

    title: str = ""
    source: str = ""
    period: str = ""
    rationale: str = ""


@dataclass(frozen=True)
class Ranking:
    """How sure the ranks are.

    Args:
        n_ranked: areas that have a rank.
        n_draws: draws behind the intervals.
        median_width: of the 90 % intervals of the ranks, in ranks, both ends included.
        top: length of the list of greatest need.
        sure_of_top: areas that are in that list with a chance of SURE_FROM or more.
        error_model: what was drawn, in words.
    """

    n_ranked: int
    n_draws: int
    median_width: float
    top: int
    sure_of_top: int
    error_model: str = ""

    @classmethod
    def of(cls, p05: Vector, p95: Vector, p_top: Vector, *, top: int, n_draws: int, error_model: str = "") -> "Ranking":
        """From the interval ends (n,) and the chances (n,) to be among the first `top`; NaN is no rank."""
        width = np.asarray(p95, dtype=np.float64) - np.asarray(p05, dtype=np.float64) + 1
        known = width[~np.isnan(width)]
        median = float(np.median(known)) if known.size else 0.0
        sure = int((np.asarray(p_top) >= SURE_FROM).sum())
        return cls(int(known.size), n_draws, median, top, sure, error_model)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What an audit looks at; None is what was not computed, and makes an open point.

    Args:
        title, question: of the index.
        tree: as declared.
        weights: node id -> weights (k,) of its children.
        coverage: node id -> (n,) share of its weight that was observed, leaves included.
        score: (n,) of the root, NaN where there is none.
        imputed: child id -> (n,) where the value was predicted.
        treatments: every treated point, as `Evaluator.treatments`: indicator, position, before, after, rule.
        coherence: as `coherence.coherence`.
        drivers: as `explain.drivers`.
        sensitivity: one row a factor: factor, s1, st.
        ranking: how sure the ranks are.
        links: as `coherence.links`.
        about: leaf id -> what is said about it.
        approved_by: who answers for the framework.
        done: step -> what else was done, in sentences.
        open_points: step -> what is still open, in sentences.
    """

    title: str
    question: str
    tree: Node
    weights: Mapping[str, Vector]
    coverage: Mapping[str, Vector]
    score: Vector
    imputed: Mapping[str, Mask] = field(default_factory=dict)
    treatments: pl.DataFrame | None = None
    coherence: Coherence | None = None
    drivers: pl.DataFrame | None = None
    sensitivity: pl.DataFrame | None = None
    ranking: Ranking | None = None
    links: pl.DataFrame | None = None
    about: Mapping[str, About] = field(default_factory=dict)
    approved_by: str | None = None
    done: Mapping[int, Sequence[str]] = field(default_factory=dict)
    open_points: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def named(self, leaf: str) -> str:
        """The title of an indicator, or its id."""
        return self.told(leaf).title or leaf

    def told(self, leaf: str) -> About:
        """What is said about an indicator, or nothing."""
        return self.about.get(leaf, About())


# --- words -------------------------------------------------------------------------------------------------------


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _inner(tree: Node) -> list[Node]:
    """The nodes with children, parents before their children."""
    return [tree, *(node for child in tree.children if not child.is_leaf for node in _inner(child))]


def _how_normalised(recipe: Recipe) -> str:
    scale = f" onto {recipe.scale[0]:g} to {recipe.scale[1]:g}" if recipe.normalisation == "min_max" else ""
    if recipe.normalisation == "none":
        return "not normalised: the children are on one scale already"
    against = "the areas at hand" if recipe.reference == "frame" else "a frozen reference"
    return f"normalised by {recipe.normalisation}{scale}, against {against}"


def _how_aggregated(node: Node) -> str:
    recipe = node.recipe
    power = f" with exponent {recipe.power:g}" if recipe.power is not None else ""
    kind = {"given": "as declared", "equal": "equal", "pca": "from the first principal component"}[recipe.weighting]
    return f"{recipe.aggregation} mean{power} of {_count(len(node.children), 'child', 'children')}, weights {kind}"


_HOW_MISSING = {
    "impute": "a missing child is predicted from the others",
    "renormalise": "the weight of a missing child is spread over the others",
    "null_if_any": "an area that lacks a child has no score",
}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


# --- the steps ---------------------------------------------------------------------------------------------------


def _framework(found: Evidence) -> Iterator[Row]:
    leaves, groups = found.tree.leaves, len(_inner(found.tree)) - 1
    yield 1, "question", None, None, None if found.question else OPEN, found.question or "No question is stated."
    parts = f"{_count(len(leaves), 'indicator')} in {_count(groups, 'group')}." if groups else "No groups."
    yield 1, "indicators", float(len(leaves)), "indicators", None, parts
    bare = [found.named(leaf.id) for leaf in leaves if not found.told(leaf.id).rationale]
    if bare:
        yield 1, "rationale", float(len(bare)), "indicators", OPEN, f"No reason is given for {_listed(bare)}."
    else:
        yield 1, "rationale", 0.0, "indicators", None, "A reason is given for every indicator."
    by = found.approved_by
    yield 1, "approval", None, None, None if by else OPEN, f"Approved by {by}." if by else "Nobody has approved it yet."


def _data(found: Evidence) -> Iterator[Row]:
    for leaf in found.tree.leaves:
        told, covered = found.told(leaf.id), float(np.mean(found.coverage[leaf.id]))
        said = [f"Source: {told.source}." if told.source else "", f"Period: {told.period}." if told.period else ""]
        said.append("More is greater need." if leaf.direction > 0 else "Less is greater need.")
        flag = THIN if covered < THIN_BELOW else None
        yield 2, found.named(leaf.id), covered, "share of areas", flag, " ".join(filter(None, said))
    for what in ("source", "period"):
        bare = [found.named(leaf.id) for leaf in found.tree.leaves if not getattr(found.told(leaf.id), what)]
        if bare:
            yield 2, what, float(len(bare)), "indicators", OPEN, f"No {what} is named for {_listed(bare)}."


def _imputation(found: Evidence) -> Iterator[Row]:
    n = found.score.size
    for node in _inner(found.tree):
        recipe, missing = node.recipe, _HOW_MISSING[node.recipe.missing]
        least = f"; no score below {recipe.min_coverage:.0%} of the weight observed" if recipe.min_coverage else ""
        yield 3, node.id, None, None, None, _sentence(f"{missing}{least}")
    total = 0
    for node in found.tree.walk():
        filled = int(np.sum(found.imputed[node.id])) if node.id in found.imputed else 0
        if filled:
            total += filled
            flag = MUCH_IMPUTED if filled > MUCH_IMPUTED_ABOVE * n else None
            name = found.named(node.id)
            yield 3, f"{name}: predicted", filled / n, "share of areas", flag, f"{_count(filled, 'area')} of {n:,}."
    if not total:
        yield 3, "predicted values", 0.0, "values", None, "No value was predicted."
    lacking = int(np.isnan(found.score).sum())
    text = f"{_count(lacking, 'area')} of {n:,} without a score." if lacking else f"All {n:,} areas have a score."
    yield 3, "areas without a score", float(lacking), "areas", UNSCORED if lacking else None, text


def _multivariate(found: Evidence) -> Iterator[Row]:
    if found.coherence is None:
        yield 4, "coherence", None, None, OPEN, "Correlations and reliability were not computed."
        return
    for row in found.coherence.reliability.sort("group", "of").iter_rows(named=True):
        item = f"{row['group']}: alpha" + (" of all indicators" if row["of"] == "indicators" else "")
        if row["alpha"] is None:
            yield 4, item, None, "alpha", NOT_COMPUTED, f"{row['reason']}."
            continue
        said = [f"{row['k']} members, {_count(row['n'], 'area')}", f"standardised {_two(row['alpha_standardised'])}"]
        said.append(f"KMO {_two(row['kmo'])}" if row["kmo"] is not None else "")
        if row["bartlett_p"] is not None:
            p = "p < 0.001" if row["bartlett_p"] < 0.001 else f"p = {row['bartlett_p']:.3f}"
            said.append(f"Bartlett {row['bartlett']:,.1f} on {row['bartlett_df']}, {p}")
        said.append(row["reason"] or "")
        yield 4, item, row["alpha"], "alpha", row["flag"], f"{'; '.join(filter(None, said))}."
    yield from _correlated(found, found.coherence.correlations)


def _correlated(found: Evidence, pairs: pl.DataFrame) -> Iterator[Row]:
    flagged = pairs.filter(pl.col("flag").is_not_null()).sort("flag", "first", "second")
    for row in flagged.iter_rows(named=True):
        where = f"both in {row['first_parent']}" if row["same_parent"] else "in different groups"
        said = f"Spearman {_two(row['spearman'])}, {_count(row['n'], 'area')}, {where}."
        if _is_noise(row["pearson"], row["n"]):
            said += " Not distinguishable from zero."
        item = f"{found.named(row['first'])} and {found.named(row['second'])}"
        yield 4, item, row["pearson"], "correlation", row["flag"], said
    for same, where in ((True, "inside groups"), (False, "across groups")):
        known = np.sort(pairs.filter(pl.col("same_parent") == same)["pearson"].drop_nulls().to_numpy())
        if known.size:
            text = f"{_count(known.size, 'pair')}, from {_two(known[0])} to {_two(known[-1])}."
            yield 4, f"mean correlation {where}", float(known.mean()), "correlation", None, text
    gone = pairs.filter(pl.col("pearson").is_null())
    if gone.height:
        reasons = _listed(sorted(set(gone["reason"].to_list())))
        yield 4, "pairs without a correlation", float(gone.height), "pairs", NOT_COMPUTED, f"{reasons}."


def _is_noise(r: float, n: int) -> bool:
    """Whether zero lies in the 95 % interval of a correlation (Fisher 1921, Metron 1:3)."""
    return n <= 3 or (abs(r) < 1 and abs(math.atanh(r)) * math.sqrt(n - 3) < Z95)


def _normalisation(found: Evidence) -> Iterator[Row]:
    for node in _inner(found.tree):
        treated = "; outliers winsorised or put on a log scale" if node.recipe.treatment != "none" else ""
        yield 5, node.id, None, None, None, _sentence(f"{_how_normalised(node.recipe)}{treated}")
    if all(node.recipe.treatment == "none" for node in _inner(found.tree)):
        return
    if found.treatments is None:
        yield 5, "treatments", None, None, OPEN, "The treated points were not listed."
        return
    counts = found.treatments.group_by("indicator", "rule").agg(pl.col("position").count().alias("changed"))
    for row in counts.sort("indicator", "rule").iter_rows(named=True):
        flag = SKEWED if row["rule"] == UNTREATED else None
        item = f"{found.named(row['indicator'])}: treated"
        yield 5, item, float(row["changed"]), "points", flag, f"Rule: {row['rule']}."
    if not counts.height:
        yield 5, "treated points", 0.0, "points", None, "No indicator needed treatment."


def _weighting(found: Evidence) -> Iterator[Row]:
    for node in _inner(found.tree):
        yield 6, node.id, None, None, None, _sentence(_how_aggregated(node))
    effective = effective_weights(found.tree, found.weights)
    within = {
        child.id: (node.id, float(weight))
        for node in _inner(found.tree)
        for child, weight in zip(node.children, child_weights(node, found.weights), strict=True)
    }
    judged = {row["indicator"]: row for row in found.coherence.importance.to_dicts()} if found.coherence else {}
    for leaf in found.tree.leaves:
        parent, weight = within[leaf.id]
        row = judged.get(leaf.id, {"importance": None, "flag": None, "reason": None})
        said, flag = [f"{weight:.1%} of {parent}"], row["flag"]
        if row["importance"] is not None:
            said.append(f"importance {_two(row['importance'])}")
            if row["importance_share"] is not None:
                said.append(f"{row['importance_share']:.1%} of the importance of all")
            said.append(f"correlation with the score {_two(row['correlation'])}")
        elif row["reason"]:
            said.append(f"importance: {row['reason']}")
            flag = NOT_COMPUTED
        yield 6, found.named(leaf.id), effective[leaf.id], "share of weight", flag, f"{'; '.join(said)}."
    if not judged:
        yield 6, "importance", None, None, OPEN, "What each indicator really counts was not computed."


def _uncertainty(found: Evidence) -> Iterator[Row]:
    ranks = found.ranking
    if ranks is None:
        yield 7, "ranks", None, None, OPEN, "The ranks have no intervals."
    else:
        drawn = f" of {ranks.error_model}" if ranks.error_model else ""
        wide = ranks.median_width > WIDE_ABOVE * ranks.n_ranked
        text = f"Of the 90% intervals of {_count(ranks.n_ranked, 'area')}; {_count(ranks.n_draws, 'draw')}{drawn}."
        yield 7, "median width of the rank intervals", ranks.median_width, "ranks", WIDE if wide else None, text
        text = f"Of the first {ranks.top}, with a chance of {SURE_FROM:.0%} or more."
        yield 7, f"sure of the top {ranks.top}", float(ranks.sure_of_top), "areas", None, text
    if found.sensitivity is None:
        yield 7, "method", None, None, OPEN, "No alternative methods were tried."
        return
    for row in found.sensitivity.sort(["st", "factor"], descending=[True, False]).iter_rows(named=True):
        text = f"Of the variance that the choices of method make; alone {_percent(row['s1'])}."
        yield 7, f"choice: {row['factor']}", row["st"], "total effect", None, text


def _drivers(found: Evidence) -> Iterator[Row]:
    if found.drivers is None:
        yield 8, "drivers", None, None, OPEN, "The scores were not taken apart."
        return
    counts = found.drivers.group_by("leaf").agg(
        (pl.col("rank") == 1).sum().alias("first"),
        pl.col("difference").abs().sort().mean().alias("moves"),
        pl.col("contribution_reference").first().alias("reference"),
        ((pl.col("rank") == 1) & pl.col("is_imputed")).sum().alias("imputed"),
    )
    rows = {row["leaf"]: row for row in counts.iter_rows(named=True)}
    for leaf in found.tree.leaves:
        row = rows.get(leaf.id)
        if row is None:
            yield 8, found.named(leaf.id), None, "areas", NOT_COMPUTED, "Not among the drivers."
            continue
        said = ["First driver there"]
        if row["reference"] is not None:
            said.append(f"mean contribution {_plain(row['reference'])}")
        if row["moves"] is not None:
            said.append(f"moves a score by {_plain(row['moves'])} on average")
        if row["imputed"]:
            said.append(f"predicted in {row['imputed']:,} of those that it drives")
        yield 8, found.named(leaf.id), float(row["first"]), "areas", None, f"{'; '.join(said)}."


def _linked(found: Evidence) -> Iterator[Row]:
    if found.links is None or not found.links.height:
        yield 9, "comparison", None, None, OPEN, "The index was compared with no other measure."
        return
    for row in found.links.sort("comparison").iter_rows(named=True):
        if row["spearman"] is None:
            yield 9, row["comparison"], None, "rank correlation", NOT_COMPUTED, f"{row['reason']}."
            continue
        text = (
            f"{_percent(row['unshared'])} of the variance of the ranks is what the index adds; "
            f"{row['shared_top']} of the first {row['top']} are the same; half of {_count(row['n'], 'area')} "
            f"move by {_plain(row['median_shift'])} ranks or more."
        )
        yield 9, row["comparison"], row["spearman"], "rank correlation", None, text


def _presentation(found: Evidence) -> Iterator[Row]:
    scored = int((~np.isnan(found.score)).sum())
    yield 10, "scores", float(scored), "areas", None, "A higher score is greater need; rank 1 is the greatest need."
    with_intervals = found.ranking is not None
    text = "Ranks are shown with their intervals." if with_intervals else "Ranks are shown without intervals."
    yield 10, "ranks", None, None, None if with_intervals else OPEN, text


_FINDERS = {
    1: _framework,
    2: _data,
    3: _imputation,
    4: _multivariate,
    5: _normalisation,
    6: _weighting,
    7: _uncertainty,
    8: _drivers,
    9: _linked,
    10: _presentation,
}


def audit_rows(found: Evidence) -> pl.DataFrame:
    """Every finding of an audit, in the order of the steps.

    Args:
        found: what the audit looks at.

    Returns:
        step, title (of the step), item, value, unit, flag, text. A flag is null where there is nothing to
        look at, `open` for what was not done or is not known, and otherwise says what was found.

    Raises:
        ValueError: coverage, weights or predicted values do not fit the tree or the areas, or a note belongs
            to no step.
    """
    _judge(found)
    rows: list[Row] = []
    for step, find in _FINDERS.items():
        rows += find(found)
        rows += [(step, "also done", None, None, None, text) for text in found.done.get(step, ())]
        rows += [(step, "open point", None, None, OPEN, text) for text in found.open_points.get(step, ())]
    named = [(step, STEPS[step], *rest) for step, *rest in rows]
    return pl.DataFrame(named, schema=SCHEMA, orient="row")


def _judge(found: Evidence) -> None:
    n = found.score.size
    if n == 0:
        raise ValueError("an audit needs the score of at least one area")
    lacking = [leaf.id for leaf in found.tree.leaves if leaf.id not in found.coverage]
    if lacking:
        raise ValueError(f"the coverage of {_listed(lacking)} is missing: give that of every indicator")
    for what, by_node in (("coverage", found.coverage), ("imputed", found.imputed)):
        wrong = [name for name, values in by_node.items() if np.shape(values) != (n,)]
        if wrong:
            raise ValueError(f"{what} of {_listed(sorted(wrong))} must be given for the {n} areas of the score")
    wrong_steps = sorted({*found.done, *found.open_points} - set(STEPS))
    if wrong_steps:
        raise ValueError(f"there is no step {wrong_steps[0]}: the steps are 1 to {max(STEPS)}")


# --- the page ----------------------------------------------------------------------------------------------------


def _two(value: float | None) -> str:
    """Two decimals, and never -0.00."""
    return "none" if value is None else f"{value:.2f}".replace("-0.00", "0.00")


def _percent(value: float, decimals: int = 0) -> str:
    """A share in per cent, and never -0%."""
    return f"{round(value, decimals + 2) + 0.0:.{decimals}%}"


def _plain(value: float) -> str:
    """Three figures, and no more decimals than a reader needs."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


_SHARES = {"share of areas": "of areas", "share of weight": "of weight", "total effect": "in all"}
_TWO_DECIMALS = ("alpha", "correlation", "rank correlation")
_COUNTS = ("areas", "indicators", "points", "pairs", "values")
_MARKUP = "\\|*_[]#~"
"""Signs that mean something in Markdown, beside those that mean something in HTML."""


def _shown(value: float | None, unit: str | None) -> str:
    """A value with its unit."""
    if value is None:
        return ""
    if unit in _SHARES:
        return f"{_percent(value, 1)} {_SHARES[unit]}"
    if unit in _TWO_DECIMALS:
        return _two(value)
    if unit in _COUNTS:
        return f"{value:,.0f} {unit if value != 1 else str(unit)[:-1]}"
    return f"{_plain(value)} {unit or ''}".strip()


def escape(text: str) -> str:
    """Text as Markdown that shows this text, in a table too: no markup, no HTML, on one line."""
    line = html.escape(" ".join(text.split()), quote=False)
    # A backslash does not end a code span, so that a code mark is written as what it is called in HTML.
    signs = (f"\\{sign}" if sign in _MARKUP else "&#96;" if sign == "`" else sign for sign in line)
    return "".join(signs)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    line = "| " + " | ".join("---" for _ in head) + " |"
    return ["| " + " | ".join(head) + " |", line, *("| " + " | ".join(row) + " |" for row in rows)]


def audit_page(rows: pl.DataFrame, *, title: str) -> str:
    """The rows of an audit as a page in Markdown.

    Args:
        rows: as `audit_rows` gives them.
        title: of the index.

    Returns:
        A summary by step and a section for each of the ten steps, ending with a line break.

    Raises:
        ValueError: a column is missing.
    """
    lacking = [name for name in SCHEMA if name not in rows.columns]
    if lacking:
        raise ValueError(f"these are no rows of an audit, {_listed(lacking)} is missing: take those of audit_rows")
    n_open = rows.filter(pl.col("flag") == OPEN).height
    n_flagged = rows.filter(pl.col("flag") != OPEN).height
    page = [f"# Audit: {escape(title)}", ""]
    page += [
        "The ten steps of the OECD and JRC Handbook on Constructing Composite Indicators (OECD 2008). A higher "
        "score is greater need.",
        "",
        f"{_count(rows.height, 'finding')}: {n_flagged:,} flagged, {n_open:,} open.",
        "",
    ]
    summary = []
    for step, name in STEPS.items():
        flags = rows.filter(pl.col("step") == step)["flag"].drop_nulls()
        opened = int((flags == OPEN).sum())
        summary.append([str(step), name, str(flags.len() - opened), str(opened)])
    page += _table(["Step", "", "Flagged", "Open"], summary)
    for step, name in STEPS.items():
        page += ["", f"## {step}. {name}", ""]
        lines = [
            [escape(item), escape(_shown(value, unit)), f"**{escape(flag)}**" if flag else "", escape(text)]
            for item, value, unit, flag, text in rows.filter(pl.col("step") == step)
            .select("item", "value", "unit", "flag", "text")
            .iter_rows()
        ]
        page += _table(["Item", "Value", "Flag", "Finding"], lines) if lines else ["Nothing was found."]
    return "\n".join(page) + "\n"
