# SPDX-License-Identifier: Apache-2.0
"""Figs. 4 and 5: weights that are built from disturbed alignment terms."""

from claim import claim, part
from claims.common import CHANCE, LAYERS, NEAR_90, by_layer, with_mean
from results import mean

FIGURE = "disturbed_terms"
EARLY = 66
ORDERS = range(1, 65)  # measured at this iteration
BESIDE_90 = "within 2 of 90"


def weights(r, kind, l):
    """The last angle of the weights that disturbed terms have built."""
    return r.values("angle_w_" + kind, layer=l)


def terms(r, kind, l, orders=ORDERS):
    return mean(r.values("angle_t" + kind, layer=l, order=o, iteration=EARLY) for o in orders)


@claim(FIGURE, "2.3.4", "nonlinearity reduces the amount of alignment",
       "the last angle of W[l] with B[l]^T is above that of weights built without the nonlinearity, in each layer")
def nonlinearity_reduces_alignment(r):
    return by_layer(lambda l: r.values("angle_w_b", layer=l) - weights(r, "linear", l), at_least=0)


@claim(FIGURE, "2.3.4", "ignoring it does not prevent alignment from occurring (Fig. 4A)",
       f"the last angle of weights built without the nonlinearity is at most {CHANCE} in each layer")
def linear_terms_align(r):
    return by_layer(lambda l: weights(r, "linear", l), at_most=CHANCE)


@claim(FIGURE, "2.3.4", "although nonlinearity reduce their amount of alignment, it does not change their overall "
       "behavior", "iteration 66, mean over orders 1 to 64 and the layers: terms are at a larger angle than linear "
       "terms, and both at 87 or less")
def nonlinearity_reduces_alignment_of_terms(r):
    own, linear = (mean(terms(r, kind, l) for l in LAYERS) for kind in ("", "_linear"))
    return [part("T less linear T", own - linear, at_least=0), part("T", own, at_most=87),
            part("linear T", linear, at_most=87)]


@claim(FIGURE, "2.3.4", "abolishing this dependency by using this disturbance does not disrupt alignment (Fig. 4B)",
       f"the last angle of weights built with fresh feedback, with that feedback, is at most {CHANCE} in each layer")
def fresh_feedback_aligns(r):
    return by_layer(lambda l: weights(r, "fresh_feedback", l), at_most=CHANCE)


@claim(FIGURE, "2.3.4", "although there is a slight dependency between backward weights and the transformation "
       "matrices which slightly impacts the amount of alignment",
       "the last angles with fresh feedback and without differ by less than 3, averaged over the layers")
def feedback_matters_little(r):
    return with_mean(lambda l: weights(r, "fresh_feedback", l) - r.values("angle_w_b", layer=l), at_least=-3,
                     at_most=3)


@claim(FIGURE, "2.3.4", "although it slightly changes their amount of alignment, it does not change their overall "
       "behavior", "iteration 66, mean over orders 1 to 64 and the layers: fresh feedback changes the angle of the "
       "terms by less than 3, and it stays at 87 or less")
def fresh_feedback_changes_terms_little(r):
    own, fresh = (mean(terms(r, kind, l) for l in LAYERS) for kind in ("", "_fresh_feedback"))
    return [part("change", fresh - own, at_least=-3, at_most=3), part("with fresh feedback", fresh, at_most=87)]


@claim(FIGURE, "2.3.6", "this disturbance disrupts occurrence of alignment (Fig. 5)",
       f"the last angle of weights built with shuffled errors, averaged over the layers, is {BESIDE_90}; and above "
       "that of W in each layer by 3 or more")
def shuffled_errors_disrupt_alignment(r):
    return with_mean(lambda l: weights(r, "shuffled_rows", l), **NEAR_90) + by_layer(
        lambda l: weights(r, "shuffled_rows", l) - r.values("angle_w_b", layer=l), at_least=3)


@claim(FIGURE, "2.3.6", "changes their overall behavior and disrupt their alignment",
       f"iteration 66, mean over orders 1 to 64 but 60 and the layers: terms of shuffled errors are {BESIDE_90}")
def shuffled_errors_disrupt_terms(r):
    others = [o for o in ORDERS if o != 60]
    return [part("shuffled", mean(terms(r, "_shuffled_rows", l, others) for l in LAYERS), **NEAR_90),
            part("undisturbed", mean(terms(r, "", l, others) for l in LAYERS))]
