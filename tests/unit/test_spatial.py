"""Clusters on the map against formulas, full enumeration, esda's own p, SciPy's, and noise in which there are none."""

import inspect
import itertools
import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon, box, mapping

from models.engine.spatial import (
    NO_NEIGHBOUR,
    NOT_MEASURED,
    NOT_SIGNIFICANT,
    Contiguity,
    adjusted_p,
    contiguity_from_lists,
    getis_ord,
    local_moran,
    permutation_p,
    queen_contiguity,
)


def grid(size: int) -> Contiguity:
    """A square of units, each touching up to eight others."""
    around = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]
    return contiguity_from_lists(
        {
            f"{r:02d}{c:02d}": [f"{r + a:02d}{c + b:02d}" for a, b in around if 0 <= r + a < size and 0 <= c + b < size]
            for r, c in itertools.product(range(size), repeat=2)
        }
    )


def positions(contiguity: Contiguity) -> tuple[np.ndarray, np.ndarray]:
    place = {one: k for k, one in enumerate(contiguity.neighbours)}
    lists = [[place[other] for other in others] for others in contiguity.neighbours.values()]
    return np.cumsum([0, *map(len, lists)]), np.array([k for one in lists for k in one])


# --- contiguity


def test_corners_touch_and_an_island_is_joined_to_the_nearest():
    # a b
    # c d      e lies two units east of d
    squares = {
        "a": box(0, 1, 1, 2),
        "b": box(1, 1, 2, 2),
        "c": box(0, 0, 1, 1),
        "d": box(1, 0, 2, 1),
        "e": box(4, -1, 5, 0.5),
    }
    found = queen_contiguity(squares, degrees=False)
    assert found.neighbours == {
        "a": ("b", "c", "d"),
        "b": ("a", "c", "d"),
        "c": ("a", "b", "d"),
        "d": ("a", "b", "c", "e"),
        "e": ("d",),
    }
    assert found.joined == (("e", "d"),)
    assert queen_contiguity({key: mapping(one) for key, one in squares.items()}, degrees=False) == found


def test_queen_agrees_with_libpysal():
    generator = np.random.default_rng(3)
    knots = np.stack(np.meshgrid(np.arange(8.0), np.arange(8.0)), axis=-1) + generator.uniform(-0.3, 0.3, (8, 8, 2))
    polygons = {
        f"{r}{c}": Polygon([knots[r, c], knots[r, c + 1], knots[r + 1, c + 1], knots[r + 1, c]])
        for r, c in itertools.product(range(7), repeat=2)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from libpysal.weights import Queen

        theirs = Queen.from_iterable(polygons.values(), ids=list(polygons))
    ours = queen_contiguity(polygons)
    assert {one: tuple(sorted(others)) for one, others in theirs.neighbors.items()} == ours.neighbours
    assert ours.joined == ()


def test_a_degree_of_longitude_is_short_in_the_north():
    # At 60 degrees north 1.5 degrees of longitude are as long as 0.75 degrees of latitude.
    around = {"east": box(11.5, 59.9, 12, 60.1), "east2": box(12, 59.9, 12.5, 60.1), "north": box(9.9, 61.1, 10, 61.2)}
    squares = {"island": box(9.9, 59.9, 10, 60.1), "north2": box(9.9, 61.2, 10, 61.3)} | around
    assert queen_contiguity(squares).joined == (("island", "east"),)
    assert queen_contiguity(squares, degrees=False).joined == (("island", "north"),)
    lists = {"island": [], "east": ["east2"], "east2": [], "north": ["north2"], "north2": []}
    points = {"island": (10, 60), "east": (11.5, 60), "east2": (12, 60), "north": (10, 61), "north2": (10, 61.5)}
    assert contiguity_from_lists(lists, points=points).joined == (("island", "east"),)
    assert contiguity_from_lists(lists, points=points, degrees=False).joined == (("island", "north"),)


def test_lists_are_cleaned_of_the_unit_itself_and_of_strangers_and_hold_both_ways():
    found = contiguity_from_lists({"a": ["a", "b", "elsewhere"], "b": [], "c": ["c"]})
    assert found.neighbours == {"a": ("b",), "b": ("a",), "c": ()}
    assert found.joined == ()
    with pytest.raises(ValueError, match=r"no point is given for \['c'\]"):
        contiguity_from_lists({"a": ["b"], "b": [], "c": []}, points={"a": (0, 0)})


def test_a_missing_geometry_is_refused():
    with pytest.raises(ValueError, match=r"no geometry for \['b'\]"):
        queen_contiguity({"a": box(0, 0, 1, 1), "b": None})
    with pytest.raises(ValueError, match=r"no geometry for \['b'\]"):
        queen_contiguity({"a": box(0, 0, 1, 1), "b": Polygon()})


# --- false discovery rate


@given(st.lists(st.floats(1e-6, 1) | st.sampled_from([0.01, 0.02, 0.04]), min_size=1, max_size=40))
def test_adjusted_p_agrees_with_scipy(p):
    from scipy.stats import false_discovery_control

    assert adjusted_p(np.array(p)) == pytest.approx(false_discovery_control(p))


def test_discoveries_are_those_below_esdas_cut_off():
    from esda import fdr

    p = np.concatenate([np.random.default_rng(1).uniform(0, 1, 300), np.random.default_rng(2).uniform(0, 0.004, 25)])
    assert ((adjusted_p(p) <= 0.05) == (p <= fdr(p, 0.05))).all()
    assert 15 < (adjusted_p(p) <= 0.05).sum() < 40


# --- permutation test


def test_p_agrees_with_all_permutations():
    values = np.array([4.0, 9.0, 2.0, 7.5, 1.0, 3.0, 6.0])
    lists = [[1, 3], [0, 2, 3], [1], [0, 1], [5], [4, 6], [5]]
    starts, neighbours = np.cumsum([0, *map(len, lists)]), np.array([k for one in lists for k in one])
    p, high = permutation_p(values, starts, neighbours, permutations=40_000, seed=1)
    for i, own in enumerate(lists):
        others = np.delete(values, i)
        sums = np.array([sum(chosen) for chosen in itertools.combinations(others, len(own))])
        tails = (sums >= values[own].sum() - 1e-9).mean(), (sums <= values[own].sum() + 1e-9).mean()
        assert p[i] == pytest.approx(min(1, 2 * min(tails)), abs=0.015)
        assert high[i] == (tails[0] < tails[1])


def test_p_agrees_with_esda_where_nothing_ties(monkeypatch: pytest.MonkeyPatch):
    from esda import Moran_Local, crand
    from libpysal.weights import W

    contiguity = grid(10)
    ids = list(contiguity.neighbours)
    y = np.random.default_rng(5).normal(size=100)
    y[:25] += 1
    ours = local_moran(ids, y, contiguity, seed=1)["p"].to_numpy()
    # Compiling esda's loop takes 18 s; as plain Python it takes a moment.
    for name in ("compute_chunk", "_permutation_significance"):
        monkeypatch.setattr(crand, name, getattr(crand, name).py_func)
    # From 2.10 on esda has a two-sided p; before that its p is one-sided.
    two_sided = "alternative" in inspect.signature(Moran_Local).parameters
    more = {"alternative": "two-sided"} if two_sided else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights = W({one: list(others) for one, others in contiguity.neighbours.items()}, id_order=ids)
        p = Moran_Local(y, weights, permutations=9_999, seed=2, n_jobs=1, keep_simulations=False, **more).p_sim
    theirs = np.minimum(1, p if two_sided else 2 * p.astype(float))
    # Each p is a share of 9,999 draws, doubled: five standard errors of the difference.
    assert (np.abs(ours - theirs) <= 5 * np.sqrt(2 * ours * 2 / 9_999) + 4e-4).all()
    assert (ours < 0.05).any() and (ours > 0.5).any()


@pytest.mark.parametrize("zeros", [0.8, 0.95])
def test_noise_with_many_ties_is_called_nothing_more_often_than_promised(zeros):
    """esda 2.9 gives up to 30 % (four zeros in five) and up to 80 % (19 in 20) of units p < 0.05."""
    starts, neighbours = positions(grid(20))
    generator = np.random.default_rng(6)
    small = []
    for seed in range(12):
        # 1.1 is not a binary fraction: equal sums must tie in whatever order they are added up.
        y = np.where(generator.random(400) < zeros, 0.0, 1.1 * generator.integers(1, 6, 400))
        small.append((permutation_p(y, starts, neighbours, permutations=999, seed=seed)[0] < 0.05).mean())
    assert np.mean(small) < 0.06


def test_a_seed_repeats_itself_and_the_least_p_is_two_over_all():
    contiguity = grid(6)
    ids = list(contiguity.neighbours)
    y = np.random.default_rng(7).normal(size=36)
    y[:9] += 30
    one, same = (local_moran(ids, y, contiguity, seed=3, permutations=199) for _ in range(2))
    other = local_moran(ids, y, contiguity, seed=4, permutations=199)
    assert one.equals(same) and not one.equals(other)
    assert one["p"].min() == pytest.approx(2 / 200)


# --- statistics


def test_statistics_by_their_formulas():
    contiguity = grid(5)
    ids = list(contiguity.neighbours)
    n = len(ids)
    y = np.random.default_rng(8).gamma(2, size=n)
    x = y - y.mean()
    place = {one: k for k, one in enumerate(ids)}
    near = np.zeros((n, n))
    for one, others in contiguity.neighbours.items():
        near[place[one], [place[other] for other in others]] = 1
    moran = local_moran(ids, y, contiguity, seed=1, permutations=99)
    lag = near / near.sum(axis=1, keepdims=True) @ x
    spdep = x * lag / (x @ x / n)
    assert moran["statistic"].to_list() == pytest.approx((spdep * (n - 1) / n).tolist())
    star = near + np.eye(n)
    k = star.sum(axis=1)
    s = np.sqrt((y**2).mean() - y.mean() ** 2)
    z = (star @ y - y.mean() * k) / (s * np.sqrt((n * k - k**2) / (n - 1)))
    for shift in (0.0, -y.mean(), 1e3):  # a mean of zero must not divide by zero
        gi = getis_ord(ids, y + shift, contiguity, seed=1, permutations=99)
        assert gi["z"].to_list() == pytest.approx(z.tolist())
    assert gi["p"].to_list() == moran["p"].to_list()


def planted() -> tuple[list[str], np.ndarray, Contiguity]:
    """20 x 20: high in one corner, low in the opposite one, one low unit amid the high ones."""
    contiguity = grid(20)
    y = np.random.default_rng(9).normal(size=(20, 20))
    y[:6, :6] += 5
    y[14:, 14:] -= 5
    y[2, 2] = -6.0
    return list(contiguity.neighbours), y.ravel(), contiguity


def test_planted_clusters_are_found_and_named():
    ids, y, contiguity = planted()
    classes = dict(local_moran(ids, y, contiguity, seed=1).select("id", "class").rows())
    assert classes["0101"] == "High-High" and classes["1717"] == "Low-Low"
    assert classes["0202"] == "Low-High"
    assert classes["0517"] == NOT_SIGNIFICANT
    for test in ("permutation", "analytic"):
        spots = dict(getis_ord(ids, y, contiguity, seed=1, test=test).select("id", "class").rows())
        assert spots["0101"] == "Hot spot" and spots["1717"] == "Cold spot"
        assert spots["0517"] == NOT_SIGNIFICANT


def test_classes_follow_the_adjusted_p():
    ids, y, contiguity = planted()
    moran, gi = local_moran(ids, y, contiguity, seed=1), getis_ord(ids, y, contiguity, seed=1, test="analytic")
    for found, p, adjusted in ((moran, "p", "p_adjusted"), (gi, "p_analytic", "p_analytic_adjusted")):
        assert found[adjusted].to_numpy() == pytest.approx(adjusted_p(found[p].to_numpy()))
        assert (found["significant"] == (found[adjusted] <= 0.05)).all()
        assert ((found["class"] == NOT_SIGNIFICANT) == ~found["significant"]).all()
        assert 40 < found["significant"].sum() < 120
    strict = local_moran(ids, y, contiguity, seed=1, alpha=0.001)
    assert strict["significant"].sum() < moran["significant"].sum()


def test_a_peak_among_low_neighbours_is_an_outlier_and_no_hot_spot():
    ids, y, contiguity = planted()
    y[ids.index("1717")] = 80.0
    moran = local_moran(ids, y, contiguity, seed=1).row(by_predicate=pl.col("id") == "1717", named=True)
    spot = getis_ord(ids, y, contiguity, seed=1).row(by_predicate=pl.col("id") == "1717", named=True)
    assert moran["class"] == "High-Low"
    assert spot["z"] > 0 and spot["p_adjusted"] <= 0.05
    assert spot["class"] == NOT_SIGNIFICANT and spot["significant"] is False


def test_nothing_is_dropped():
    ids, y, contiguity = planted()
    y[[0, 37]] = np.nan
    # "9999" has neighbours only where nothing is measured; "8888" has none at all.
    more = {**contiguity.neighbours, "9999": ("0000",), "8888": ()}
    contiguity = contiguity_from_lists(more)
    ids, y = ["9999", *ids, "8888"], np.concatenate([[1.0], y, [2.0]])
    for found in (local_moran(ids, y, contiguity, seed=1), getis_ord(ids, y, contiguity, seed=1)):
        assert found["id"].to_list() == ids
        unmeasured = found.filter(pl.col("class") == NOT_MEASURED)
        assert unmeasured["id"].to_list() == [ids[1], ids[38]]
        assert found.filter(pl.col("class") == NO_NEIGHBOUR)["id"].to_list() == ["9999", "8888"]
        untested = found.filter(pl.col("class").is_in([NOT_MEASURED, NO_NEIGHBOUR])).drop("id", "class", "value")
        assert untested.null_count().row(0) == (4,) * untested.width
        assert found.drop("value").null_count().row(0)[1:-1] == (4,) * (found.width - 3)
        assert found["value"].null_count() == 2
        assert found["class"].null_count() == 0


def test_an_unmeasured_neighbour_is_as_if_it_were_not_there():
    ids, y, contiguity = planted()
    y[21] = np.nan
    without = [one for one in ids if one != ids[21]]
    rest = contiguity_from_lists({one: contiguity.neighbours[one] for one in without})
    left = local_moran(without, np.delete(y, 21), rest, seed=1)
    assert local_moran(ids, y, contiguity, seed=1).filter(pl.col("id") != ids[21]).equals(left)


def test_in_noise_hardly_anything_is_found():
    contiguity = grid(15)
    ids = list(contiguity.neighbours)
    generator = np.random.default_rng(10)
    maps = [local_moran(ids, generator.normal(size=225), contiguity, seed=s)["significant"].any() for s in range(30)]
    # At a rate of 5 % about one map in twenty holds a discovery.
    assert sum(maps) <= 5


def test_faults_are_refused():
    ids, y, contiguity = planted()
    with pytest.raises(ValueError, match="not in the contiguity"):
        local_moran(["x", *ids[1:]], y, contiguity, seed=1)
    with pytest.raises(ValueError, match="each id once"):
        local_moran([ids[1], *ids[1:]], y, contiguity, seed=1)
    with pytest.raises(ValueError, match="infinite"):
        getis_ord(ids, np.where(y > 5, np.inf, y), contiguity, seed=1)
    for flat in (np.ones(400), np.where(np.arange(400) < 2, y, np.nan)):
        with pytest.raises(ValueError, match="three units or more"):
            getis_ord(ids, flat, contiguity, seed=1)
