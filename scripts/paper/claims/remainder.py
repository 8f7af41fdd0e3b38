# SPDX-License-Identifier: Apache-2.0
"""Figs. 3 and S6: the remainder and the zero-degree term."""

from claim import claim, part
from claims.common import CHANCE, EPOCH, by_layer, last_epoch, with_mean
from results import gather, mean


@claim("remainder", "2.3.3", "‖R_ℓ‖_F is small relative to ‖ΔW_ℓ,FA‖_F", "the norm of R over that of dW, averaged over "
       "the iterations, is at most 0.2 in each layer")
def remainder_is_small(r):
    return by_layer(lambda l: mean(r.between("ratio_remainder", None, l)), at_most=0.2, unit="", digits=3)


@claim("remainder", "2.3.3", "slightly oppose the alignment at the initial phase of the learning process",
       "the angle of R with B^T in the first epoch, from iteration 10 on: between 90 and 100 in each layer")
def remainder_opposes_early(r):
    return by_layer(lambda l: early_remainder(r, l), at_least=90, at_most=100)


def early_remainder(r, l):
    return mean(r.between("angle_remainder", None, l, first=1, last=EPOCH))


@claim("remainder", "2.3.3", "Its opposition decreases through iterations",
       "the angle of R in the first epoch, less that in the last, averaged over the layers, is above 0")
def opposition_decreases(r):
    return with_mean(lambda l: early_remainder(r, l) - last_epoch(r, "angle_remainder", None, l), at_least=0)


@claim("remainder", "2.3.3", "but it still does not show considerable amount of alignment",
       f"the angle of R in the last epoch is at least {CHANCE} in each layer")
def remainder_does_not_align(r):
    return by_layer(lambda l: last_epoch(r, "angle_remainder", None, l), at_least=CHANCE)


@claim("remainder", "2.3.3", "remainder terms are not responsible for the occurrence of alignment",
       f"the smallest angle of R in any iteration is at least {CHANCE - 2} in each layer: the least of many is taken, "
       "so two more are allowed")
def remainder_never_aligns(r):
    return by_layer(lambda l: gather(r.between("angle_remainder", None, l, first=1), min), at_least=CHANCE - 2)


@claim("remainder", "2.3.3", "does not show considerable amount of alignment (Fig. 3C)",
       f"l = 1: the angle of the zero-degree term with B^T, averaged over the iterations, is at least {CHANCE}")
def zero_degree_term_does_not_align(r):
    return [part("l = 1", mean(r.between("angle_zero", None, 1)), at_least=CHANCE)]


@claim("remainder", "Fig. S6", "in the specific network under investigation, does not show considerable amount of "
       "alignment", f"the same in each layer: at least {CHANCE}")
def zero_degree_term_does_not_align_anywhere(r):
    return by_layer(lambda l: mean(r.between("angle_zero", None, l)), at_least=CHANCE)
