# SPDX-License-Identifier: Apache-2.0
"""Figs. 4 and 5: weights that are built from disturbed alignment terms."""

from claim import claim, part
from claims.common import LAYERS, NEAR_90, by_layer, with_mean
from results import mean

FIGURE = "disturbed_terms"
EARLY = 66
ORDERS = range(1, 65)  # measured at this iteration
BESIDE_90 = "within 2 of 90"


def weights(r, kind, l):
    """The last angle of the weights that disturbed terms have built."""
    return r.values("angle_w_" + kind, layer=l)


def fallen(r, kind, l):
    """By how much that is less than at the start."""
    return r.values("angle_w_" + kind, layer=l, iteration=0) - weights(r, kind, l)


def terms(r, kind, l, orders=ORDERS):
    return mean(r.values("angle_t" + kind, layer=l, order=o, iteration=EARLY) for o in orders)


@claim(FIGURE, "2.3.4", "nonlinearity reduces the amount of alignment",
       "the last angle of W[l] with B[l]^T is above that of weights built without the nonlinearity, in each layer")
def nonlinearity_reduces_alignment(r):
    return by_layer(lambda l: r.values("angle_w_b", layer=l) - weights(r, "linear", l), at_least=0)


@claim(FIGURE, "2.3.4", "ignoring it does not prevent alignment from occurring (Fig. 4A)",
       "the angle of weights built without the nonlinearity falls by 2 or more in each layer")
def linear_terms_align(r):
    return by_layer(lambda l: fallen(r, "linear", l), at_least=2)


@claim(FIGURE, "2.3.4", "although nonlinearity reduce their amount of alignment, it does not change their overall "
       "behavior", "iteration 66, mean over orders 1 to 64 and the layers: terms are at a larger angle than linear "
       "terms, and both at 87 or less")
def nonlinearity_reduces_alignment_of_terms(r):
    own, linear = (mean(terms(r, kind, l) for l in LAYERS) for kind in ("", "_linear"))
    return [part("T less linear T", own - linear, at_least=0), part("T", own, at_most=87),
            part("linear T", linear, at_most=87)]


@claim(FIGURE, "2.3.4", "abolishing this dependency by using this disturbance does not disrupt alignment (Fig. 4B)",
       "the angle of weights built with fresh feedback, with that feedback, falls by 2 or more in each layer")
def fresh_feedback_aligns(r):
    return by_layer(lambda l: fallen(r, "fresh_feedback", l), at_least=2)


@claim(FIGURE, "2.3.4", "although there is a slight dependency between backward weights and the transformation "
       "matrices which slightly impacts the amount of alignment",
       "with fresh feedback the angle falls by as much as that of W, to 2, averaged over the layers")
def feedback_matters_little(r):
    return with_mean(lambda l: fallen(r, "fresh_feedback", l) - fallen(r, "b", l), at_least=-2, at_most=2)


@claim(FIGURE, "2.3.4", "although it slightly changes their amount of alignment, it does not change their overall "
       "behavior", "iteration 66, mean over orders 1 to 64 and the layers: fresh feedback changes the angle of the "
       "terms by less than 3, and it stays at 87 or less")
def fresh_feedback_changes_terms_little(r):
    own, fresh = (mean(terms(r, kind, l) for l in LAYERS) for kind in ("", "_fresh_feedback"))
    return [part("change", fresh - own, at_least=-3, at_most=3), part("with fresh feedback", fresh, at_most=87)]


@claim(FIGURE, "2.3.6", "this disturbance disrupts occurrence of alignment (Fig. 5)",
       "the angle of weights built with shuffled errors falls or grows by less than 1, averaged over the layers, where "
       "that of W falls by 2 or more")
def shuffled_errors_disrupt_alignment(r):
    return [part("shuffled errors", mean(fallen(r, "shuffled_rows", l) for l in LAYERS), at_least=-1, at_most=1),
            part("W", mean(fallen(r, "b", l) for l in LAYERS), at_least=2)]


@claim(FIGURE, "2.3.6", "changes their overall behavior and disrupt their alignment",
       f"iteration 66, mean over orders 1 to 64 but 60 and the layers: terms of shuffled errors are {BESIDE_90}")
def shuffled_errors_disrupt_terms(r):
    others = [o for o in ORDERS if o != 60]
    return [part("shuffled", mean(terms(r, "_shuffled_rows", l, others) for l in LAYERS), **NEAR_90),
            part("undisturbed", mean(terms(r, "", l, others) for l in LAYERS))]
