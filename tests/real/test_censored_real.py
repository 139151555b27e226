"""Graduation bands of real districts, read by the distribution of their state."""

import numpy as np
import pytest

from models.engine.censored import PERCENT_ROUNDING, Censored
from sources.ed_acgr import SOURCE
from sources.source import RawFile

MISSOURI = "29"


@pytest.fixture(scope="module")
def rates(real_data):
    """State, bounds, size and draws of every district that has any of 2021-22."""
    where = real_data / SOURCE.id / "2022" / "edfactsdownload.csv"
    (frame,) = SOURCE.parse(RawFile(SOURCE.id, "2022", where.name, where)).values()
    lower, upper, size = (
        frame[name].to_numpy().copy() for name in ("graduation_share_lower", "graduation_share_upper", "cohort_count")
    )
    state = frame["geo_id"].str.slice(0, 2).to_numpy()
    # Cohorts of 6 to 15 are `<50%` or `>=50%`: a half of them is in the upper band alone.
    model = Censored("graduation", lower, upper, size, groups=state, excludes_upper=(lower == 0) & (upper == 0.5))
    (drawn,) = model.draw(0, 320, np.random.Generator(np.random.SFC64(1)))
    return state, lower, upper, size, model, drawn


def test_every_published_band_holds_a_count_and_every_draw_stays_in_its_band(rates):
    _, lower, upper, _, _, drawn = rates
    published = ~np.isnan(lower)
    assert (np.isnan(drawn) == ~published).all()
    assert (drawn >= lower - PERCENT_ROUNDING - 1e-6)[:, published].all()
    assert (drawn <= upper + PERCENT_ROUNDING)[:, published].all()


def test_small_missouri_districts_are_drawn_where_its_districts_are(rates):
    """79 districts print a number, on average 90 %; 51 say `>=50%`, whose middle would be 75 %."""
    state, lower, upper, _, model, drawn = rates
    here = state == MISSOURI
    exact, wide = here & (lower == upper), here & (lower == 0.5) & (upper == 1)
    assert (exact.sum(), wide.sum()) == (79, 51)
    assert lower[exact].mean() == pytest.approx(0.904, abs=0.001)
    assert drawn[:, wide].mean() == pytest.approx(np.nanmean(drawn[:, here]), abs=0.03)
    assert drawn[:, wide].mean() > 0.87
    np.testing.assert_allclose(model.mean[wide].mean(), drawn[:, wide].mean(), atol=0.005)


def test_draws_of_printed_rates_are_those_rates(rates):
    _, lower, upper, _, _, drawn = rates
    exact = lower == upper
    assert exact.sum() > 3_000
    assert (np.abs(drawn[:, exact] - lower[exact]) <= PERCENT_ROUNDING + 1e-6).all()


def test_states_have_distributions_of_their_own_and_small_ones_that_of_all(rates):
    model = rates[4]
    assert MISSOURI in model.fits and len(model.fits) > 45
    # Hawaii and Puerto Rico are one district each.
    assert not {"15", "72"} & model.fits.keys()
