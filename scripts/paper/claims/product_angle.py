# SPDX-License-Identifier: Apache-2.0
"""Fig. S7 and Note 1: angles of products of random matrices."""

import math

from claim import claim, part
from results import mean

FIGURE = "product_angle"
BINS = range(0, 180, 5)
MIDDLE = 2.5  # of a bin, above its edge


def theta_3(r, theta_1, theta_2, kind="theta_3_mean"):
    return r.values(kind, None, theta_1, theta_2)


def whole(r, metric):
    """Over all draws of a run."""
    return r.values(metric)


@claim(FIGURE, "Fig. S7", "the angle between the final product matrices (θ_3) is dominantly determined by the other pair",
       "theta_1 between 0 and 5, and between 175 and 180: theta_3 is within 3 of theta_2, or of 180 - theta_2, on "
       "average over theta_2")
def other_pair_decides(r):
    def off(theta_1, expected):
        return mean((theta_3(r, theta_1, t) - expected(t + MIDDLE)).map(abs) for t in BINS)
    return [part("near 0", off(0, lambda t: t), at_most=3), part("near 180", off(175, lambda t: 180 - t), at_most=3)]


@claim(FIGURE, "Fig. S7", "If the angle between one of the pairs of W_ℓ^T and B_ℓ, is close to 90°, the angle of final "
       "product matrices (θ_3), tends to be close to 90°",
       "theta_1 between 85 and 95: theta_3 is within 3 of 90, on average over theta_2")
def right_angles_stay(r):
    return [part("", mean((theta_3(r, t_1, t_2) - 90).map(abs) for t_1 in (85, 90) for t_2 in BINS), at_most=3)]


@claim(FIGURE, "2.2", "deviation of δ_ℓ,BP from δ_ℓ,FA potentially tends to increase",
       "two pairs at the same angle between 30 and 75: theta_3 is larger by 5 or more, on average")
def deviation_increases(r):
    return [part("", mean(theta_3(r, t, t) - (t + MIDDLE) for t in range(30, 75, 5)), at_least=5)]


@claim(FIGURE, "Note 1", "this applied nonlinearity affects the variance of the angle between product matrices (θ_3)",
       "the variance within a bin, averaged over all bins: the logarithm to base two of nonlinear over linear is 0.2 or "
       "more")
def nonlinearity_affects_the_variance(r):
    def variance(kind):
        return mean(theta_3(r, t_1, t_2, kind) for t_1 in BINS for t_2 in BINS)
    ratio = variance("theta_3_nonlinear_variance") / variance("theta_3_variance")
    return [part("log2 of the ratio", ratio.map(math.log2), at_least=0.2, unit="", digits=2)]


@claim(FIGURE, "Note 1", "it has no significant effect on its mean (t -test, p > 0.1)",
       "the mean of the paired difference over all draws is within 0.05 of 0, beyond which no figure would show it; "
       "t of each run is shown")
def nonlinearity_leaves_the_mean(r):
    difference = whole(r, "theta_3_difference_mean")
    return [part("difference", difference, at_least=-0.05, at_most=0.05, digits=3),
            part("t", difference / whole(r, "theta_3_difference_error"), unit="", digits=2)]
