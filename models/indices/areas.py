"""An index at other levels than its own: tracts, school districts and Continuums of Care, each among their own."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from models.engine.defaults import N_DRAWS, SEED
from models.engine.ranks import summarise
from models.engine.tree import Node
from models.indicators.assemble import AbsentPart
from models.indicators.indicator import Indicator
from models.indices.assess import Index, at_level, ranks_of, scores_of
from models.indices.spec import IndexSpec
from models.indices.tables import AREAS, index_table

ENOUGH_WEIGHT = 0.5
"""Least share of an index's weight whose members are known at a level; with less it would be another index."""


def known_weights(
    spec: IndexSpec, specs: Mapping[str, IndexSpec], known: set[str], share: float = 1.0
) -> Iterator[tuple[str, float, bool]]:
    """Each indicator under an index, its share of the weight through all levels, and whether it is known."""
    total = sum(member.weight for member in spec.members)
    for member in spec.members:
        part = share * member.weight / total
        if member.is_index:
            yield from known_weights(specs[member.id], specs, known, part)
        else:
            yield member.id, part, member.id in known


def pruned(spec: IndexSpec, specs: Mapping[str, IndexSpec], known: set[str]) -> dict[str, IndexSpec]:
    """The declarations of an index and those inside it with known members only; an index left without any is gone."""
    kept: dict[str, IndexSpec] = {}
    for member in spec.members:
        if member.is_index:
            kept |= pruned(specs[member.id], specs, known)
    members = tuple(member for member in spec.members if member.id in (kept if member.is_index else known))
    tree = _without(spec.tree, {member.id for member in members})
    if tree is not None:
        kept[spec.id] = replace(spec, members=members, tree=tree, sensitivity=None)
    return kept


def _without(node: Node, kept: set[str]) -> Node | None:
    if node.is_leaf:
        return node if node.id in kept else None
    children = tuple(child for child in (_without(child, kept) for child in node.children) if child is not None)
    return replace(node, children=children) if children else None


def _known(values: Mapping[str, pl.DataFrame], spec: IndexSpec) -> set[str]:
    """Indicators that have a value with an interval at this level, fresh enough for the index or not."""
    usable = pl.col("value").is_not_null() & pl.col("value_lower").is_not_null()
    return {name for name, frame in values.items() if frame.filter(usable).height}


def score_areas(
    spec: IndexSpec,
    specs: Mapping[str, IndexSpec],
    indicators: Mapping[str, Indicator],
    values: Mapping[str, pl.DataFrame],
    areas: Mapping[str, pl.DataFrame],
    *,
    is_simulated: bool,
    n_draws: int = N_DRAWS,
    seed: int = SEED,
) -> tuple[pl.DataFrame, list[AbsentPart]]:
    """Score and rank the areas of each level that an index declares beside its own.

    Percentiles are taken among the areas that are handed in: files of tracts and districts are fetched for the region
    and not for the nation.

    Args:
        values: tables `indicator.<id>` by id.
        areas: by level, geo_id and geo_name of the region's areas; a level that is not asked for is left out.

    Returns:
        Rows of `risk.<index>_areas`, and what is absent and why.
    """
    table = index_table(AREAS, spec)
    frames, absent = [table.empty()], []
    for level in (level for level in spec.levels if level in areas):
        there = at_level(values, level)
        places = areas[level].sort("geo_id").with_row_index("position")
        there = {name: frame.join(places, on="geo_id", how="semi") for name, frame in there.items()}
        known = _known(there, spec)
        weights = list(known_weights(spec, specs, known))
        share = sum(weight for _, weight, is_known in weights if is_known)
        if share < ENOUGH_WEIGHT or places.is_empty():
            lacking = ", ".join(name for name, _, is_known in weights if not is_known)
            reason = (
                f"not computed by {level}: members with {share:.2f} of its weight are known there, and {ENOUGH_WEIGHT} "
                f"are needed; not known: {lacking}"
            )
            absent.append(AbsentPart(f"{table.key}.{level}", reason, None))
            continue
        kept = {**specs, **pruned(spec, specs, known)}
        index = Index(kept[spec.id], kept, indicators, there, places.select("position", "geo_id"), n_draws, seed)
        ranked = index.is_scored
        draws = np.ascontiguousarray(index.simulation.draws[:, ranked])
        ranks = ranks_of(index, draws, ranked, summarise(draws) if ranked.any() else None)
        who = f"{'simulated' if is_simulated else 'region'}-{level}-n{places.height}"
        frames.append(
            table.conform(
                scores_of(index, places, ranks)
                .with_columns(
                    geo_level=pl.lit(level),
                    index_id=pl.lit(spec.id),
                    reference_id=pl.lit(who),
                    is_simulated=pl.lit(is_simulated),
                )
                .select(table.column_names)
            )
        )
    return pl.concat(frames), absent
