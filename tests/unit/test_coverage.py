"""A short form of `benchmarks/study_coverage.py`: rank intervals hold as often as they say."""

import numpy as np
import pytest

from benchmarks.study_coverage import composite, one_indicator


@pytest.mark.parametrize("truth", ["normal", "two-group"])
def test_rank_intervals_of_one_indicator_cover_and_redraws_do_not(truth):
    found = one_indicator(truth, "log-normal", 0.7, 123, 12)
    posterior, redraws = (np.mean(found[name].coverage) for name in ("posterior", "redraws"))
    assert posterior == pytest.approx(0.9, abs=0.03)
    assert redraws < posterior - 0.04


def test_a_composite_covers_where_the_covariance_of_errors_is_known():
    found = composite("normal", 0.4, 0.3, 0.7, 123, 2)
    known, assumed = (np.mean(found[name].coverage) for name in ("covariance", "margins"))
    assert known > 0.84
    assert assumed < known - 0.1
