"""The index of any table: what its declaration and its rows make, with how sure it is."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.engine.alternatives import Alternatives
from models.engine.defaults import N_DRAWS
from models.engine.errors import Drawer
from models.engine.evaluate import Evaluator
from models.engine.explain import decompose
from models.engine.sensitivity import analyse
from models.engine.simulate import Simulation, simulate
from models.engine.tree import TreeError
from models.engine.variants import ImpossibleError
from models.indices.assess import COVERAGE_GOOD
from models.indices.declared import located
from models.indices.table_errors import Measured, centres, drawers, measure
from models.indices.table_output import Options, Result, constant, of_all, provenance, remarks, uncertain_columns
from models.indices.table_presets import imd_table, svi_table
from models.indices.table_spec import TableSpec
from models.indices.table_values import TableError, Values, read_values
from models.indices.yaml_lines import DeclarationError

Vector = NDArray[np.float64]


def compute(
    spec: TableSpec,
    frame: pl.DataFrame,
    options: Options,
    *,
    where: str = "table",
    matrix: pl.DataFrame | None = None,
) -> Result:
    """Compute an index of a table.

    Args:
        frame: every cell as text.
        where: the table's name in errors.
        matrix: of error correlations, every cell as text, where the declaration names a file.

    Raises:
        DeclarationError: what is declared cannot be computed; with file, line and key.
        TableError: the table cannot be computed from; with row and column.
    """
    if spec.preset is not None:
        preset = {"svi": svi_table, "imd": imd_table}[spec.preset.name]
        return preset(spec, frame, options, where)
    if options.sensitivity and spec.sensitivity is None:
        raise spec.entry.error("--sensitivity needs the key `sensitivity`, which names the alternatives")
    values = read_values(spec, frame, where)
    measured = measure(spec, values, where, matrix)
    try:
        return _Index(spec, values, measured, options).result()
    except TreeError as error:
        raise located(spec.entry, error, [group.id for group in spec.groups], spec.member_ids) from None
    except (DeclarationError, TableError):
        raise
    except ValueError as error:
        raise TableError(f"{where}: {error}") from None


class _Index:
    """The deterministic index, and the draws if there are any."""

    def __init__(self, spec: TableSpec, values: Values, measured: Measured, options: Options) -> None:
        self.spec, self.values, self.measured, self.options = spec, values, measured, options
        self.notes = list(measured.notes)
        # A frozen reference is the table's own distribution, which then does not move with the draws.
        self.direct = Evaluator(spec.tree, measured.points, references=measured.points)
        self.evaluator = self.direct
        wanted = options.draws if options.draws is not None else N_DRAWS
        self.n_draws = wanted if measured.has_errors else 0
        self.drawers: list[Drawer] = []
        self.simulation: Simulation | None = None
        self.points = measured.points
        if self.n_draws:
            self.drawers = drawers(spec, measured, options.mode, options.seed)
            if options.mode == "posterior":
                self.points = centres(self.drawers, measured, options.seed)
                self.evaluator = Evaluator(spec.tree, self.points, references=self.points)
            self.simulation = simulate(self.evaluator, self.drawers, n_draws=self.n_draws, seed=options.seed)
        point = self.direct.point()
        self.scores = {name: block[0] for name, block in point.scores.items()}
        self.normalised = {name: block[0] for name, block in point.normalised.items()}
        self.direct_score = self.scores[spec.id]
        if self.simulation is not None:
            self.scores, self.normalised = self.simulation.score_mean, self.simulation.normalised_mean
        self.score = self.scores[spec.id]
        self.ranked = np.isfinite(self.score)

    def result(self) -> Result:
        self._remark()
        columns = self._identity() | self._ranks() | self._parts()
        table = pl.DataFrame(columns).with_columns(pl.selectors.float().fill_nan(None))
        beside: dict[str, pl.DataFrame] = {}
        treatments = self._treatments()
        if treatments.height:
            beside["treatments"] = treatments
        if self.options.sensitivity and self.spec.sensitivity is not None and self.ranked.any():
            beside |= self._sensitivity(self.spec.sensitivity)
        return Result(table, beside, tuple(self.notes))

    def _remark(self) -> None:
        gone = int((~self.ranked).sum())
        if gone:
            self.notes.append(f"rows without a score, because too much of them is missing: {gone} of {self.values.n}")
        filled = sum(int((mask & self.ranked).sum()) for mask in self.direct.imputed.values())
        if filled:
            self.notes.append(f"missing values predicted from the other members of their rows: {filled}")
        if self.simulation is not None:
            self.notes += remarks(self.spec, self.drawers, self.options.mode)
            return
        why = "no draws were asked for" if self.measured.has_errors else "no member declares an error"
        self.notes.append(f"ranks are written without an interval, because {why}")

    def _identity(self) -> dict[str, Any]:
        names = {} if self.values.names is None else {"name": self.values.names}
        return {"id": self.values.ids, **names}

    def _ranks(self) -> dict[str, Any]:
        n, coverage = self.values.n, self.direct.coverage[self.spec.id]
        quality = np.where(~self.ranked, 3, np.where(coverage >= COVERAGE_GOOD - 1e-9, 1, 2))
        found: dict[str, Any] = {"score": self.score}
        if self.simulation is None:
            found["rank"] = pl.Series(self.score, nan_to_null=True).rank("min", descending=True).cast(pl.Int64)
        else:
            draws = np.ascontiguousarray(self.simulation.draws[:, self.ranked])
            ends = np.quantile(draws, [0.05, 0.95], axis=0) if draws.size else np.empty((2, 0))
            found["score_direct"] = np.where(self.ranked, self.direct_score, np.nan)
            found["score_p05"], found["score_p95"] = (of_all(end, self.ranked) for end in ends)
            found |= uncertain_columns(draws, self.ranked)
        found |= {"coverage": coverage, "quality": quality, "n_ranked": constant(int(self.ranked.sum()), n)}
        if self.simulation is None:
            return found | {"n_draws": constant(0, n)}
        return found | provenance(self.drawers, self.options, self.n_draws, n)

    def _parts(self) -> dict[str, Any]:
        """Scores of the groups, and each member's normalised value and contribution."""
        groups = {f"group_{group.id}": self.scores[group.id] for group in self.spec.groups}
        contributions = decompose(self.spec.tree, self.evaluator.weights, self.normalised, self.scores)
        members = {}
        for member in self.spec.members:
            members[f"normalised_{member.id}"] = self.normalised[member.id]
            members[f"contribution_{member.id}"] = contributions[member.id]
        return {**groups, **members}

    def _treatments(self) -> pl.DataFrame:
        """Every treated point, of the published values and of the posterior means where both are used."""
        found = [self.direct.treatments.with_columns(of=pl.lit("published values"))]
        if self.evaluator is not self.direct:
            found.append(self.evaluator.treatments.with_columns(of=pl.lit("posterior means")))
        rows = pl.DataFrame({"position": np.arange(self.values.n), "id": self.values.ids})
        table = pl.concat(found).with_columns(pl.col("position").cast(pl.Int64))
        joined = table.join(rows, on="position", how="left", maintain_order="left")
        return joined.select("id", "indicator", "of", "before", "after", "rule")

    def _sensitivity(self, alternatives: Alternatives) -> dict[str, pl.DataFrame]:
        entry = self.spec.entry.mapping("sensitivity")
        try:
            found = analyse(
                self.spec.tree, self.points, alternatives, drawers=self.drawers,
                seed=self.options.seed, ranked=self.ranked, references=self.points,
            )  # fmt: skip
        except ImpossibleError as error:
            raise entry.error(str(error), next(iter(error.choices), "")) from None
        except ValueError as error:
            raise entry.error(str(error)) from None
        ids = pl.DataFrame({"position": np.arange(self.values.n), **self._identity()})
        areas = found.areas.with_columns(pl.col("position").cast(pl.Int64))
        by_row = ids.join(areas, on="position", how="left", maintain_order="left").drop("position")
        return {"sensitivity": by_row, "factors": found.factors}
