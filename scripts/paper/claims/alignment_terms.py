# SPDX-License-Identifier: Apache-2.0
"""Figs. 2 and S2: alignment terms of single orders."""

import statistics

from claim import claim, part
from claims.common import CHANCE, EPOCH, LAYERS, by_layer, with_mean
from results import gather, mean

EARLY, LATE = 66, 1260
ORDERS = range(1, 65)  # measured at these two iterations
OTHERS = [o for o in ORDERS if o != EPOCH]
BESIDE = [57, 58, 59, 61, 62, 63]  # of order 60
END = 1000  # iterations over which single ones are averaged begin here


def term(r, condition, l, order, iteration):
    return r.values("angle_t", condition, l, order, iteration)


def terms(r, condition, l, orders, iteration):
    """The mean over orders, of each run."""
    return mean(term(r, condition, l, o, iteration) for o in orders)


def traced_term(r, condition, l, order):
    """Of an order that is followed over the iterations: the mean over the late ones."""
    return mean(r.between("angle_t", condition, l, order, first=END))


def share_below_90(r, condition, l):
    return gather((term(r, condition, l, o, EARLY) for o in ORDERS),
                  lambda angles: 100 * statistics.fmean(angle < 90 for angle in angles))


def all_orders_align(r, condition):
    return (by_layer(lambda l: terms(r, condition, l, ORDERS, EARLY), at_most=87) +
            by_layer(lambda l: share_below_90(r, condition, l), at_least=90, unit=" % below 90°", digits=0))


ALL_ORDERS = ("iteration 66, orders 1 to 64, each layer: their mean angle with B^T is at most 87, three below chance, "
              "and 90 % of the orders are below 90, where chance has half")


@claim("alignment_terms", "2.3.2", "without data shuffling, at the initial phase of the learning process, all orders "
       "of alignment terms show a considerable amount of alignment", ALL_ORDERS)
def early_terms_align(r):
    return all_orders_align(r, "unshuffled")


@claim("alignment_terms", "2.3.2", "the terms whose orders are a multiple of 60 slightly show more amount of alignment "
       "compared to their adjacent orders", "iteration 66: the mean of orders 57 to 63 but 60, less order 60, averaged "
       "over the layers, is above 0")
def early_order_60_stands_out(r):
    return with_mean(lambda l: terms(r, "unshuffled", l, BESIDE, EARLY) - term(r, "unshuffled", l, 60, EARLY),
                     at_least=0)


@claim("alignment_terms", "2.3.2", "the amount of alignment of the terms whose orders are not a multiple of 60 "
       "decrease", "the mean angle of orders 1 to 64 but 60 grows by 1 or more from iteration 66 to 1260, each layer")
def other_orders_lose_alignment(r):
    return by_layer(lambda l: terms(r, "unshuffled", l, OTHERS, LATE) - terms(r, "unshuffled", l, OTHERS, EARLY),
                    at_least=1)


@claim("alignment_terms", "2.3.2", "while the terms whose orders are a multiple of 60 become more aligned as the "
       "learning process proceeds", "the angle of order 60 falls by 1 or more from iteration 66 to 1260, and that of "
       "order 120 from iteration 120 to the mean of those from 1000 on; means over the layers")
def orders_of_epochs_gain_alignment(r):
    return [part("order 60", mean(term(r, "unshuffled", l, 60, EARLY) - term(r, "unshuffled", l, 60, LATE)
                                  for l in LAYERS), at_least=1),
            part("order 120", mean(term(r, "unshuffled", l, 120, 120) - traced_term(r, "unshuffled", l, 120)
                                   for l in LAYERS), at_least=1)]


def beside_60(r, condition, l):
    return mean(traced_term(r, condition, l, o) for o in (59, 61)) - traced_term(r, condition, l, 60)


@claim("alignment_terms", "2.3.5", "cause the alignment terms whose orders are a multiple of 60 to behave differently",
       "iterations from 1000 on: the mean of orders 59 and 61, less order 60, is 5 or more in each layer")
def late_order_60_differs(r):
    return by_layer(lambda l: beside_60(r, "unshuffled", l), at_least=5)


@claim("alignment_terms", "2.3.2", "With data shuffling, at the initial phase of the learning process, all orders of "
       "alignment terms show a considerable amount of alignment", ALL_ORDERS)
def early_terms_align_when_shuffled(r):
    return all_orders_align(r, "shuffled")


@claim("alignment_terms", "2.3.2", "the alignment terms whose orders are a multiple of 60, like the other orders of "
       "alignment terms, lose their initial amount of alignment",
       "data shuffled: the angle grows from iteration 66 to those from 1000 on; order 60, and 59 and 61, averaged over "
       "the layers")
def all_orders_lose_alignment_when_shuffled(r):
    def lost(order):
        return mean(traced_term(r, "shuffled", l, order) - term(r, "shuffled", l, order, EARLY) for l in LAYERS)
    return [part(f"order {o}", lost(o), at_least=0) for o in (59, 60, 61)]


@claim("alignment_terms", "Fig. S2", "As the learning process proceeds, all of the alignment terms lose their amount "
       "of alignment", "data shuffled: the mean angle of orders 1 to 64 grows by 1 or more from iteration 66 to 1260, "
       "in each layer")
def terms_of_all_layers_lose_alignment_when_shuffled(r):
    return by_layer(lambda l: terms(r, "shuffled", l, ORDERS, LATE) - terms(r, "shuffled", l, ORDERS, EARLY),
                    at_least=1)


@claim("alignment_terms", "2.3.5", "This makes FA robust in many conditions like data shuffling",
       f"data shuffled: the last angle of W[l] with B[l]^T is at most {CHANCE} in each layer")
def weights_align_when_shuffled(r):
    r.values("angle_w_b", "shuffled", 1, None, END)
    return by_layer(lambda l: r.values("angle_w_b", "shuffled", l), at_most=CHANCE)


def shuffling_changes(r, metric, l):
    return mean(r.between(metric, "shuffled", l, first=END)) - mean(r.between(metric, "unshuffled", l, first=END))


@claim("alignment_terms", "2.3.2", "the behavior of ΔW_ℓ and W_ℓ with data shuffling are similar to their behavior "
       "without data shuffling", "iterations from 1000 on, l = 1, as in the figure: shuffling changes the angle with "
       "B^T by less than 1 for W and less than 2 for dW, which varies more")
def shuffling_does_not_change_the_resultant(r):
    return [part("W", shuffling_changes(r, "angle_w_b", 1), at_least=-1, at_most=1),
            part("dW", shuffling_changes(r, "angle_dw_b", 1), at_least=-2, at_most=2)]


@claim("alignment_terms", "2.3.5", "the behavior of ΔW_ℓ remains similar to the condition that data shuffling is not "
       "applied", "the same for dW in each layer: less than 2")
def shuffling_does_not_change_updates(r):
    return by_layer(lambda l: shuffling_changes(r, "angle_dw_b", l), at_least=-2, at_most=2)
