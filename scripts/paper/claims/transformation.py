# SPDX-License-Identifier: Apache-2.0
"""Fig. S1: what M does to B^T."""

import math

from claim import claim, part
from claims.common import EPOCH, LAYERS, NEAR_90, by_layer, last_epoch
from results import gather, mean

FIGURE = "transformation"
SPREADS = range(0, 401, 10)  # 100 (x + 2), x being the mean of the eigenvalues over their s.d.
NEGATIVES = range(0, 101, 2)  # percent of the eigenvalues
RATIOS = range(10, 401, 10)  # percent: the skew part over the symmetric one


def swept(r, metric, order):
    return r.values(metric, "random", None, order)


def degrees(cosine):
    return math.degrees(math.acos(max(-1, min(1, cosine))))


def furthest(r, metric, orders, expected):
    """How far the angles are from the expected ones: the mean over a sweep."""
    return mean((swept(r, metric, o) - expected(o)).map(abs) for o in orders)


@claim(FIGURE, "2.1", "Any skew-symmetric transformation matrix totally deviates the direction",
       "the angle of B^T with B^T M_skew is 90 to a millionth, over all ratios")
def skew_part_deviates(r):
    return [part("most", gather((swept(r, "angle_skew_alone", o) for o in RATIOS), max), at_least=90 - 1e-6,
                 at_most=90 + 1e-6, digits=6)]


@claim(FIGURE, "2.1", "the amount of alignment is determined by B_1^T∠ B_1^T M_ℓ,sym^o[k] and the ratio of "
       "‖B_ℓ^T M_ℓ,skew^o[k]‖_F to ‖B_ℓ^T M_ℓ,sym^o[k]‖_F (Fig. S1)",
       "M with eigenvalues between 0 and 1: the angle is arccos(sqrt(3/4) / sqrt(1 + ratio^2)), within 1 on average "
       "over the ratios; so it grows from 30 to 78")
def ratio_decides(r):
    def expected(order):
        return degrees(math.sqrt(0.75 / (1 + (order / 100) ** 2)))
    return [part("off by", furthest(r, "angle_skew", RATIOS, expected), at_most=1, digits=2),
            part("ratio 0", swept(r, "angle_skew", 0)), part("ratio 4", swept(r, "angle_skew", 400))]


@claim(FIGURE, "2.1", "when the average of them is positive and their negative ones are relatively small, alignment is "
       "expected given an independent random B_ℓ^T (Fig. S1)",
       "normal eigenvalues: the angle is arccos(x / sqrt(1 + x^2)) of their mean x over their s.d., within 1 on average; "
       "with a mean of 0 it is within 2 of 90, with a mean of one s.d. at most 60")
def mean_of_eigenvalues_decides(r):
    def expected(order):
        x = order / 100 - 2
        return degrees(x / math.sqrt(1 + x * x))
    return [part("off by", furthest(r, "angle_spread", SPREADS, expected), at_most=1, digits=2),
            part("mean 0", swept(r, "angle_spread", 200), **NEAR_90),
            part("mean of one s.d.", swept(r, "angle_spread", 300), at_most=60)]


@claim(FIGURE, "2.1", "M_ℓ,sym^o being semidefinite is not necessary for alignment",
       "eigenvalues of one size, of which a quarter are negative: the angle is at most 70; where half are, within 2 of "
       "90")
def negative_eigenvalues_are_tolerated(r):
    return [part("a quarter negative", swept(r, "angle_negative", 24), at_most=70),
            part("half negative", swept(r, "angle_negative", 50), **NEAR_90)]


@claim(FIGURE, "2.1", "dynamic of alignment terms are to a good degree of approximation independent of B_ℓ^T",
       "FA, orders 1 and 60, averaged over the iterations and the layers: the angle of B^T with B^T M differs by less "
       "than 2 from that with a random matrix in the place of B")
def transformation_is_independent_of_b(r):
    def differs(order):
        return mean(mean(r.between("angle_m", "fa", l, order)) - mean(r.between("angle_m_random", "fa", l, order))
                    for l in LAYERS)
    return [part(f"order {o}", differs(o), at_least=-2, at_most=2) for o in (1, EPOCH)]


@claim(FIGURE, "Fig. S3", "since it makes the transformation matrix M_ℓ^o to resemble a symmetric positive semidefinite "
       "matrix", "FA, order 60, last epoch: the skew part of B^T M over the symmetric one is at most a half, and less "
       "than that of order 1 by 0.2 or more, in each layer")
def same_batch_is_symmetric(r):
    def ratio(l, order):
        return last_epoch(r, "skew_ratio", "fa", l, order)
    return (by_layer(lambda l: ratio(l, EPOCH), at_most=0.5, unit="", digits=2) +
            by_layer(lambda l: ratio(l, 1) - ratio(l, EPOCH), at_least=0.2, unit=" below order 1", digits=2))
