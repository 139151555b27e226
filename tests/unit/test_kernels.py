from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from scipy.special import erfinv, ndtri

from models.engine.kernels import (
    METHODS,
    _deviate,
    _philox,
    add_percentile_rows,
    fill_normal,
    fill_uniform,
    percentile_rows,
    rank_rows,
    stream_key,
)

SCIPY = {"min": "min", "mean": "average", "max": "max"}
INF = np.float32(np.inf)


def expected(values: np.ndarray, method: str, descending: bool = False) -> np.ndarray:
    ranks = np.full(values.shape, np.nan)
    for row, line in zip(ranks, values.astype(np.float64), strict=True):
        valid = ~np.isnan(line)
        row[valid] = stats.rankdata(-line[valid] if descending else line[valid], method=SCIPY[method])
    return ranks


def ranked(values: np.ndarray, **how) -> np.ndarray:
    out = np.full(values.shape, 77, np.float32)
    counted = rank_rows(values, out, **how)
    assert counted.tolist() == (~np.isnan(values)).sum(axis=1).tolist()
    return out


FEW = st.sampled_from([0.0, -0.0, 1.5, -1.5, np.nan, np.inf, -np.inf, 1e-45, -1e-45, 3e38, 100.0, 100.00001])
ANY = st.floats(width=32)


@settings(deadline=None, max_examples=150)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 40)), elements=st.one_of(FEW, ANY)),
    st.sampled_from(sorted(METHODS)),
    st.booleans(),
)
def test_ranks_are_those_of_scipy_whatever_the_values(values, method, descending):
    np.testing.assert_array_equal(
        ranked(values, method=method, descending=descending), expected(values, method, descending)
    )


def many(name: str, n: int) -> np.ndarray:
    generator = np.random.default_rng(11)
    drawn = {
        "normal": lambda: generator.normal(size=(3, n)),
        "lognormal": lambda: generator.lognormal(0, 3, (3, n)),
        "heavy tails": lambda: generator.standard_cauchy((3, n)) ** 3,
        "percentages": lambda: np.round(100 * generator.beta(2, 8, (3, n)), 1),
        "one leading digit": lambda: generator.uniform(64, 79, (3, n)),
        "a few ties": lambda: np.round(generator.uniform(0, 50 * n, (3, n))),
        "clipped": lambda: np.clip(generator.normal(0.1, 0.2, (3, n)), 0, 1),
        "constant": lambda: np.full((3, n), 0.3),
        "two values": lambda: generator.integers(0, 2, (3, n)),
        "sorted": lambda: np.sort(generator.normal(size=(3, n)), axis=1),
        "tiny": lambda: generator.normal(size=(3, n)) * 1e-43,
        "holes": lambda: np.where(generator.random((3, n)) < 0.3, np.nan, generator.normal(size=(3, n))),
    }
    return drawn[name]().astype(np.float32)


NAMES = (
    "normal", "lognormal", "heavy tails", "percentages", "one leading digit", "a few ties", "clipped", "constant",
    "two values", "sorted", "tiny", "holes",
)  # fmt: skip


@pytest.mark.parametrize("n", [1023, 1024, 20_000])
@pytest.mark.parametrize("name", NAMES)
def test_ranks_are_those_of_scipy_for_long_rows(name, n):
    values = many(name, n)
    for method in METHODS:
        for descending in (False, True):
            np.testing.assert_array_equal(
                ranked(values, method=method, descending=descending), expected(values, method, descending)
            )


def test_negative_zero_ties_with_zero():
    values = np.array([[0.0, -0.0, -1.0, 1.0]], np.float32)
    assert ranked(values, method="mean").tolist() == [[2.5, 2.5, 1, 4]]


def test_a_row_without_any_value_has_no_ranks():
    values = np.array([[np.nan, np.nan], [2, 1]], np.float32)
    np.testing.assert_array_equal(ranked(values), [[np.nan, np.nan], [2, 1]])


def test_nan_of_either_sign_is_no_value():
    values = np.array([[1.0, np.nan, 2.0]], np.float32)
    values[0, 1] = np.copysign(values[0, 1], np.float32(-1))
    np.testing.assert_array_equal(ranked(values, descending=True), [[2, np.nan, 1]])


@pytest.mark.parametrize("method", ["min", "max"])
def test_whole_ranks_have_zero_for_no_value(method):
    for n in (50, 5000):
        values = many("holes", n)
        values[:, :20] = 0.25
        out = np.full(values.shape, 77, np.int32)
        rank_rows(values, out, method=method)
        np.testing.assert_array_equal(out, np.nan_to_num(expected(values, method)))


def test_ranks_may_take_the_place_of_the_values():
    values = many("normal", 2000)
    plain, whole = values.copy(), values.copy()
    rank_rows(plain, plain)
    rank_rows(whole, whole.view(np.int32))
    np.testing.assert_array_equal(plain, expected(values, "min"))
    np.testing.assert_array_equal(whole.view(np.int32), plain)


def test_rows_may_lie_apart_in_memory():
    values = many("normal", 300)
    assert (ranked(np.asfortranarray(values)) == ranked(values)).all()
    assert (ranked(values[:, ::3]) == expected(values[:, ::3], "min")).all()


def test_no_rows_and_no_areas_are_nothing_to_rank():
    assert ranked(np.empty((0, 5), np.float32)).shape == (0, 5)
    assert ranked(np.empty((5, 0), np.float32)).shape == (5, 0)
    assert percentile_rows(np.empty((2, 0), np.float32), np.empty((2, 0), np.float32)).tolist() == [0, 0]


def test_threads_change_no_rank():
    values = np.tile(many("a few ties", 5000), (4, 1))
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda i: ranked(values[i : i + 1]), range(12)))
    np.testing.assert_array_equal(np.concatenate(rows), ranked(values))


@pytest.mark.parametrize(
    ("values", "out", "how", "message"),
    [
        (np.zeros((2, 3)), np.zeros((2, 3), np.float32), {}, "must be float32"),
        (np.zeros(3, np.float32), np.zeros(3, np.float32), {}, "must be float32"),
        (np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32), {}, "out must be"),
        (np.zeros((2, 3), np.float32), np.zeros((2, 3)), {}, "out must be"),
        (np.zeros((2, 3), np.float32), np.zeros((2, 6), np.float32)[:, ::2], {}, "out must be"),
        (np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32), {"method": "dense"}, "unknown method"),
        (np.zeros((2, 3), np.float32), np.zeros((2, 3), np.int32), {"method": "mean"}, "unknown method"),
    ],
)
def test_what_cannot_be_ranked_is_refused(values, out, how, message):
    with pytest.raises(ValueError, match=message):
        rank_rows(values, out, **how)


def test_more_areas_than_float32_can_count_are_refused():
    values = np.broadcast_to(np.zeros((1, 1), np.float32), (1, 2**24))
    with pytest.raises(ValueError, match="exact below"):
        rank_rows(values, np.zeros((1, 1), np.float32))


def percentiles(values: np.ndarray, **how) -> np.ndarray:
    out = np.full(values.shape, 77, np.float32)
    percentile_rows(values, out, **how)
    return out


def test_percentiles_by_hand():
    # of 30, 10, 10, 50 the ranks are 3, 1.5, 1.5, 4: (3 - 0.5) / 4, (1.5 - 0.5) / 4, (4 - 0.5) / 4
    values = np.array([[30, 10, 10, 50, np.nan]], np.float32)
    np.testing.assert_array_equal(percentiles(values), [[0.625, 0.25, 0.25, 0.875, np.nan]])
    # least ranks 3, 1, 1, 4: (r - 1) / 3
    third = np.float32(1 / 3)
    np.testing.assert_array_equal(percentiles(values, kind="min"), [[2 * third, 0, 0, 1, np.nan]])
    # greatest ranks 3, 2, 2, 4
    np.testing.assert_array_equal(percentiles(values, kind="max"), [[2 * third, third, third, 1, np.nan]])


def test_percentiles_turn_round_without_ranking_the_negatives():
    values = np.array([[30, 10, 10, 50]], np.float32)
    # the tied least values have no value below them: 1 - 0, where ranking the negatives would give 2 / 3
    assert percentiles(values, kind="min", reverse=True) == pytest.approx(np.array([[1 / 3, 1, 1, 0]]))
    assert percentiles(values, scale=100, reverse=True).tolist() == [[37.5, 75, 75, 12.5]]


def test_a_single_value_has_a_percentile_only_with_the_half_taken_off():
    values = np.array([[np.nan, 7.0]], np.float32)
    np.testing.assert_array_equal(percentiles(values), [[np.nan, 0.5]])
    assert np.isnan(percentiles(values, kind="min")).all()


@pytest.mark.parametrize("name", NAMES)
def test_percentiles_follow_from_ranks(name):
    values = many(name, 3142)
    count = (~np.isnan(values)).sum(axis=1, keepdims=True)
    exact = {
        "mean": (expected(values, "mean") - 0.5) / count,
        "min": (expected(values, "min") - 1) / (count - 1),
        "max": (expected(values, "max") - 1) / (count - 1),
    }
    for kind, share in exact.items():
        np.testing.assert_array_equal(percentiles(values, kind=kind), share.astype(np.float32))
        total = np.full(values.shape, 5, np.float32)
        counted = add_percentile_rows(values, total, weight=0.25, kind=kind, reverse=True)
        assert (counted == count[:, 0]).all()
        np.testing.assert_allclose(total, 5 + 0.25 * (1 - share), rtol=1e-6)


# --- standard normal draws


def philox(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 in whole numbers, as Salmon et al. 2011 define it."""
    (a, b, c, d), (k, m) = counter, key
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (right >> 32) ^ b ^ k, right & 0xFFFFFFFF, (left >> 32) ^ d ^ m, left & 0xFFFFFFFF
        k, m = (k + 0x9E3779B9) & 0xFFFFFFFF, (m + 0xBB67AE85) & 0xFFFFFFFF
    return a, b, c, d


def test_philox_gives_the_numbers_that_its_authors_publish():
    ones = 0xFFFFFFFF
    assert philox((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox((ones,) * 4, (ones,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    words = np.empty(1024, np.uint32)
    for block, key in ((0, 0), (0, 2**64 - 1), (2**24 + 5, 0x0123456789ABCDEF)):
        _philox(block, np.uint64(key), words)
        for j in (0, 1, 255):
            at = block * 256 + j
            found = tuple(int(words[256 * lane + j]) for lane in range(4))
            assert found == philox((at & ones, at >> 32, 0, 0), (key & ones, key >> 32))


def test_the_deviate_is_the_inverse_of_the_normal_distribution():
    generator = np.random.default_rng(5)
    ends = np.concatenate([np.arange(2000), np.geomspace(2e3, 2**31 - 1, 4000).astype(np.int64)])
    m = np.concatenate([ends, 2**31 - 1 - ends, generator.integers(0, 2**31, 5000)])
    z = np.array([_deviate(np.uint32(word)) for word in m])
    p = (m + 0.5) / 2**31  # the chance of exceeding |z|
    exact = np.where(p < 0.5, -ndtri(p / 2), np.sqrt(2) * erfinv((2**31 - 0.5 - m) / 2**31))
    np.testing.assert_allclose(z, exact, rtol=5e-7)
    assert z.max() == pytest.approx(6.338, abs=1e-3)
    negative = np.array([_deviate(np.uint32(word + 2**31)) for word in m[:2000]])
    assert (negative == -z[:2000]).all()


@pytest.fixture(scope="module")
def normals() -> np.ndarray:
    return fill_normal(stream_key(20260101, 3), np.empty(40_000_000, np.float32))


def test_moments_are_those_of_the_normal_distribution(normals):
    part = normals[:10_000_000].astype(np.float64)
    n, square = part.size, part * part
    # standard errors of the mean of z, z^2, z^3, z^4: sqrt of 1, 2, 15, 96 over n
    for found, mean, variance in ((part, 0, 1), (square, 1, 2), (part * square, 0, 15), (square * square, 3, 96)):
        assert abs(found.mean() - mean) < 4 * np.sqrt(variance / n)


def test_tails_are_those_of_the_normal_distribution(normals):
    for cut in (1, 2, 3, 4, 4.5, 5):
        for found in (int((normals > cut).sum()), int((normals < -cut).sum())):
            mean = normals.size * stats.norm.sf(cut)  # 11.5 beyond five deviations
            assert stats.poisson.sf(found - 1, mean) > 1e-4 or found < mean
            assert stats.poisson.cdf(found, mean) > 1e-4 or found > mean


def test_draws_pass_the_test_of_kolmogorov_and_smirnov(normals):
    assert stats.kstest(normals[:1_000_000], "norm").pvalue > 0.01


def test_neighbours_in_a_stream_are_independent(normals):
    part = normals[:4_000_000].astype(np.float64)
    limit = 4.5 / np.sqrt(part.size)
    for lag in (1, 2, 3, 255, 256, 257, 512, 768, 1023, 1024, 85_000):
        assert abs(np.mean(part[lag:] * part[:-lag])) < limit
        assert abs(np.mean((part[lag:] ** 2 - 1) * (part[:-lag] ** 2 - 1)) / 2) < limit


def test_streams_are_independent_however_near_their_keys():
    streams = np.stack(
        [fill_normal(key, np.empty(200_000, np.float32)) for key in (0, 1, 2, 3, 2**32, 2**63, 2**64 - 1)]
    )
    correlation = np.corrcoef(streams) - np.eye(len(streams))
    assert np.abs(correlation).max() < 4.5 / np.sqrt(streams.shape[1])


def test_a_longer_fill_begins_with_the_shorter_one():
    whole = fill_normal(9, np.empty(5000, np.float32))
    for n in (0, 1, 255, 256, 1023, 1024, 1025, 4999):
        assert (fill_normal(9, np.empty(n, np.float32)) == whole[:n]).all()
    assert (fill_normal(9, np.empty((50, 100), np.float32)).ravel() == whole).all()


def test_threads_change_no_draw():
    keys = [stream_key(1, block) for block in range(16)]
    alone = [fill_normal(key, np.empty(3000, np.float32)) for key in keys]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda key: fill_normal(key, np.empty(3000, np.float32)), keys))
    np.testing.assert_array_equal(alone, together)


def test_uniform_draws_are_24_bits_of_the_words():
    words = np.empty(1024, np.uint32)
    _philox(0, np.uint64(77), words)
    drawn = fill_uniform(77, np.empty(1500, np.float32))
    assert (drawn[:1024] == (words >> 8) / 2**24).all()
    many_drawn = fill_uniform(3, np.empty((1000, 1000), np.float32))
    assert many_drawn.min() >= 0
    assert many_drawn.max() < 1
    assert stats.kstest(many_drawn.ravel(), "uniform").pvalue > 0.01


def test_keys_are_those_of_the_seed_sequence():
    assert stream_key(1, 2) == np.random.SeedSequence([1, 2]).generate_state(1, np.uint64)[0]
    assert len({stream_key(a, b) for a in range(20) for b in range(20)}) == 400


def test_only_float32_in_one_piece_is_filled():
    for out in (np.empty(4), np.empty((4, 4), np.float32)[:, ::2]):
        for fill in (fill_normal, fill_uniform):
            with pytest.raises(ValueError, match="float32"):
                fill(1, out)
