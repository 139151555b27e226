"""Publishers' own indices of a table: CDC's SVI and the English IMD, with their rounding, ties and flags."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from models.engine.evaluate import Evaluator
from models.engine.imd import imd
from models.engine.simulate import simulate
from models.engine.svi import MISSING, svi, svi_tree
from models.indices.table_errors import centres, drawers, measure
from models.indices.table_output import Options, Result, constant, provenance, remarks, uncertain_columns
from models.indices.table_spec import ColumnSpec, ErrorSpec, PresetSpec, TableSpec
from models.indices.table_values import Values, Vector, read_values, refuse


def _identity(values: Values) -> dict[str, Any]:
    return {"id": values.ids, **({} if values.names is None else {"name": values.names})}


def _nothing_else(spec: TableSpec, options: Options) -> None:
    assert spec.preset is not None
    if options.sensitivity:
        reason = f"--sensitivity: the preset {spec.preset.name} is one method, that of its publisher"
        raise spec.entry.error(f"{reason}; declare members to compare methods", "preset")


def imd_table(spec: TableSpec, frame: pl.DataFrame, options: Options, where: str) -> Result:
    """Ranks of domains in, score, rank and decile out; 1 = most deprived.

    Raises:
        DeclarationError: draws or a sensitivity analysis are asked for.
        TableError: a rank that cannot be, by row and column.
    """
    assert spec.preset is not None
    _nothing_else(spec, options)
    if options.draws:
        reason = "--draws: the preset imd starts from the ranks of domains, and ranks have no margins of error"
        raise spec.entry.error(f"{reason}; declare members with their errors instead", "preset")
    values = read_values(spec, frame, where)
    domains = spec.preset.domains
    for column in domains:
        ranks = values.columns[column]
        count = int((~np.isnan(ranks)).sum())
        rule = f"a rank goes from 1 (most deprived) to {count}, the rows that have one: rank the table's rows anew"
        refuse(where, column, values.ids, (ranks < 1) | (ranks > count), rule, ranks.tolist())
    found = imd(np.column_stack([values.columns[column] for column in domains]), list(domains.values()))
    ranked = int((~np.isnan(found.rank)).sum())
    table = pl.DataFrame(
        {
            **_identity(values),
            "score": pl.Series(found.published_score, nan_to_null=True),
            "rank": pl.Series(found.rank, nan_to_null=True).cast(pl.Int64),
            "decile": pl.Series(found.decile, nan_to_null=True).cast(pl.Int64),
            "n_ranked": constant(ranked, values.n),
            "n_draws": constant(0, values.n),
        }
    )
    notes = ["rank 1 and decile 1 are the MOST deprived; ranks are written without an interval, which imd cannot have"]
    if ranked < values.n:
        gone = f"{values.n - ranked} of {values.n}"
        notes.append(f"rows without a score, because the rank of a domain is missing: {gone}")
    return Result(table, {}, tuple(notes))


def svi_table(spec: TableSpec, frame: pl.DataFrame, options: Options, where: str) -> Result:
    """`EP_` columns in, `EPL_ SPL_ RPL_ F_` out, as CDC publishes them; with draws, how sure the ranks are.

    Raises:
        DeclarationError: a sensitivity analysis is asked for.
        TableError: a value or a margin that cannot be, by row and column.
    """
    preset = spec.preset
    assert preset is not None
    _nothing_else(spec, options)
    variables = [name for members in preset.themes.values() for name in members]
    margins = [f"MP_{name}" for name in variables] if options.draws else []
    values = read_values(spec, frame, where, margins)
    # CDC's own code of a missing figure, whether or not the declaration names it.
    columns = {name: np.where(column == MISSING, np.nan, column) for name, column in values.columns.items()}
    read = pl.DataFrame({name: pl.Series(column, nan_to_null=True) for name, column in columns.items()})
    published = svi(read, preset.themes, reversed=preset.reversed, population=preset.population)
    ranked = published["RPL_THEMES"].is_not_null().to_numpy()
    notes = []
    if not ranked.all():
        gone = f"{int((~ranked).sum())} of {values.n}"
        notes.append(f"rows without an overall rank, because a variable or the people are missing: {gone}")
    shown: dict[str, Any] = {**_identity(values), **published.to_dict()}
    if not options.draws:
        shown["n_draws"] = constant(0, values.n)
        notes.append("ranks are written without an interval, because no draws were asked for (--draws 1000)")
        return Result(pl.DataFrame(shown), {}, tuple(notes))
    shown |= _how_sure(spec, replace(values, columns=columns), options, where, notes)
    return Result(pl.DataFrame(shown), {}, tuple(notes))


def _how_sure(spec: TableSpec, values: Values, options: Options, where: str, notes: list[str]) -> dict[str, Any]:
    preset = spec.preset
    assert preset is not None
    assert options.draws is not None
    columns = dict(values.columns)
    if preset.population is not None:
        # Who is not ranked for want of people is in no draw either.
        gone = columns[preset.population] == 0
        columns = {name: np.where(gone, np.nan, column) for name, column in columns.items()}
    variables = [name for members in preset.themes.values() for name in members]
    drawn = replace(spec, members=tuple(_member(name, columns, preset) for name in variables))
    measured = measure(drawn, replace(values, columns=columns), where)
    found = drawers(drawn, measured, options.mode, options.seed)
    points = centres(found, measured, options.seed) if options.mode == "posterior" else measured.points
    tree = svi_tree(preset.themes, reversed=preset.reversed)
    simulation = simulate(Evaluator(tree, points), found, n_draws=options.draws, seed=options.seed)
    ranked = np.isfinite(simulation.score_mean[tree.id])
    draws = np.ascontiguousarray(simulation.draws[:, ranked])
    notes += measured.notes + remarks(drawn, found, options.mode)
    sure = uncertain_columns(draws, ranked)

    def share(rank: str) -> pl.Series:
        """A rank on the scale of RPL_THEMES: the share of the others that are less vulnerable."""
        return (draws.shape[1] - sure[rank]) / max(draws.shape[1] - 1, 1)

    return {
        "RPL_THEMES_mean": share("rank_mean"),
        "RPL_THEMES_p05": share("rank_p95"),
        "RPL_THEMES_p95": share("rank_p05"),
        **sure,
        "n_ranked": constant(int(ranked.sum()), values.n),
        **provenance(found, options, options.draws, values.n),
    }


def _member(name: str, columns: Mapping[str, Vector], preset: PresetSpec) -> ColumnSpec:
    """A variable of the SVI as a member, its `MP_` as its margin; percentages stay percentages."""
    value = columns[f"EP_{name}"]
    known = value[~np.isnan(value)]
    lower = 0.0 if (known >= 0).all() else -np.inf
    upper = 100.0 if (known <= 100).all() and name not in preset.reversed else np.inf
    has_margin = f"MP_{name}" in columns
    error = ErrorSpec("margin", {"margin": f"MP_{name}"}) if has_margin else ErrorSpec()
    direction = -1 if name in preset.reversed else 1
    return ColumnSpec(name, f"EP_{name}", direction, 1.0, None, error, (lower, upper), "")
