# SPDX-License-Identifier: Apache-2.0
"""Figs. S4 and S5: outputs and errors of data points within and between categories."""

from claim import claim, part
from claims.common import LAYERS, by_layer
from results import gather, mean

FIGURE = "similarity"
EARLY, LATE = 3, 800
EPOCH = 60
POINTS = range(20)


def pairs(r, what, group, l, k):
    """The mean over the pairs of the data set."""
    return r.values(f"mean_s_{what}_{group}", layer=l, order=1, iteration=k)


def eigenvalue(r, l, first, last):
    return mean(r.between("mean_eigenvalue", layer=l, order=1, first=first, last=last))


def errors(r, k):
    """The norms of delta[d] of single points over those at the start, of each run: a list for each."""
    return [r.values("norm_delta", None, 5, i, k) / r.values("norm_delta", None, 5, i, 0) for i in POINTS]


@claim(FIGURE, "2.3.6", "In within categories similarity terms, S_δ have a positive mean (Fig. S5A, blue triangles)",
       "iteration 3, the whole data set: above 0 for each l")
def errors_within_are_alike(r):
    return by_layer(lambda l: pairs(r, "delta", "within", l, EARLY), at_least=0, unit="", digits=4)


@claim(FIGURE, "2.3.6", "in between categories similarity terms, it have a negative mean (Fig. S5A, red triangles)",
       "the same: below 0")
def errors_between_are_opposed(r):
    return by_layer(lambda l: pairs(r, "delta", "between", l, EARLY), at_most=0, unit="", digits=4)


@claim(FIGURE, "2.3.6", "in within categories similarity terms S_L has a higher mean compared to between categories "
       "similarity terms (Fig. S5B)", "iteration 3, the whole data set, outputs of layers 0 to 3: the mean within over "
       "that between is above 1")
def outputs_within_are_more_alike(r):
    return by_layer(lambda l: pairs(r, "l", "within", l, EARLY) / pairs(r, "l", "between", l, EARLY), at_least=1,
                    unit="", digits=3)


@claim(FIGURE, "2.3.6", "in the initial phase of the learning process, the constructive dependency between S_L and S_δ is "
       "strong enough to overcome the number and destructive effect of between categories similarity terms",
       "the sum of S_delta S_L over all pairs, which is tr(M), is above 0 in the first epoch, from iteration 10 on")
def first_epoch_is_constructive(r):
    return by_layer(lambda l: eigenvalue(r, l, 1, EPOCH), at_least=0, unit="")


def dependency(r, l, first):
    """tr(M) of an epoch over the mean square of |delta[l+1]|, without which it falls where errors alone do."""
    squares = mean([r.values("norm_delta", None, l + 1, i, k).map(lambda norm: norm**2)
                    for i in POINTS for k in (first, first + EPOCH)])
    return eigenvalue(r, l, first + 1, first + EPOCH) / squares


@claim(FIGURE, "2.3.6", "as the learning process proceeds, this constructive dependency weakens",
       "tr(M) over the mean square of |delta[l+1]| of 20 points, in the epoch after iteration 600: at most a half of that "
       "in the first epoch")
def dependency_weakens(r):
    return by_layer(lambda l: dependency(r, l, 600) / dependency(r, l, 0), at_most=0.5, unit="", digits=3)


@claim(FIGURE, "2.3.6", "the Frobenius norm of their corresponding error signals … decrease to about zero",
       "of 20 points, the smallest norm of delta[5] at iteration 780 is at most a tenth of what it was at the start")
def some_errors_vanish(r):
    return [part("", gather(errors(r, 780), min), at_most=0.1, unit="", digits=3)]


@claim(FIGURE, "2.3.6", "some data points still remain poorly classified and consequently the Frobenius norm of their "
       "corresponding error signals remain large (Fig. S5C)", "of 20 points, the largest is a half or more")
def some_errors_remain(r):
    return [part("", gather(errors(r, 780), max), at_least=0.5, unit="", digits=3)]


@claim(FIGURE, "2.3.6", "by average, S_δ of well classified similarity terms has smaller magnitude (absolute value) "
       "compared to that of poorly classified similarity terms (Fig. S5D, dark vs. light triangles)",
       "iteration 800, the whole data set: the magnitude of the mean of well over that of poorly classified pairs is at "
       "most 1, within and between categories, for each l")
def poor_errors_dominate(r):
    return [part(f"{group}, l = {l}", (pairs(r, "delta", group + "_well", l, LATE) /
                                       pairs(r, "delta", group + "_poor", l, LATE)).map(abs), at_most=1, unit="",
                 digits=3) for group in ("within", "between") for l in LAYERS]


@claim(FIGURE, "2.3.6", "Within categories, poorly classified data points and also their representations in different "
       "layers of the network are less similar to each other compared to well classified ones",
       "iteration 800, the whole data set: the mean of S_L within categories, of poorly over that of well classified "
       "pairs, is at most 1 for each l")
def poor_points_are_less_alike(r):
    return by_layer(lambda l: pairs(r, "l", "within_poor", l, LATE) / pairs(r, "l", "within_well", l, LATE), at_most=1,
                    unit="", digits=3)
