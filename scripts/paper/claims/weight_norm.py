# SPDX-License-Identifier: Apache-2.0
"""Figs. 7A, B, D, E: FA and BP with and without weight normalization."""

import math
import statistics

from claim import claim, part
from claims import common
from claims.common import CHANCE, EPOCH, LAYERS, by_layer
from results import gather, mean

LONG = 9 * EPOCH  # iterations after which networks have settled somewhat


def at_end(r, *series):
    return common.at_end(r, *series, least=LONG)


@claim("weight_norm", "2.3.7", "forward weight matrices align with backward weights",
       f"FA: the last angle of W[l] with B[l]^T is at most {CHANCE} in each layer")
def weights_align(r):
    return by_layer(lambda l: at_end(r, "angle_w_b", "fa", l), at_most=CHANCE)


@claim("weight_norm", "2.3.7", "Update directions of BP-TRW aligns with those of BP",
       f"FA: the last angle of dW[l] with BP's, over an epoch, is at most {CHANCE} in each layer before the last")
def updates_align(r):
    return by_layer(lambda l: at_end(r, "angle_dw_bp", "fa", l), (0, 1, 2, 3), at_most=CHANCE)


def steps(r, condition):
    """By how much the angle of dW with BP's grows at each layer on the way back."""
    return [part(f"l = {l}", at_end(r, "angle_dw_bp", condition, l) - at_end(r, "angle_dw_bp", condition, l + 1),
                 at_least=0) for l in (3, 2, 1, 0)]


@claim("weight_norm", "2.3.7", "the amount of alignment between them decreases step by step as error is backpropagated "
       "towards the earlier layers", "FA: the angle of dW[l] with BP's is larger than that of dW[l+1], at each step")
def updates_deviate_step_by_step(r):
    return steps(r, "fa")


@claim("weight_norm", "2.2", "potentially increases (less alignment) as the error is backpropagated towards earlier "
       "layers", "the same with normalized weights, where layers are more alike")
def normalized_updates_deviate_step_by_step(r):
    return steps(r, "fa-normalized")


@claim("weight_norm", "Fig. 7", "At the last layer (ℓ = 4) update direction of BP-TRW is the same as BP",
       "the angle of dW[4] with BP's is at most 0.1: rounding in single precision")
def last_updates_are_the_same(r):
    return [part(name, at_end(r, "angle_dw_bp", name, 4), at_most=0.1, digits=3) for name in ("fa", "fa-normalized")]


@claim("weight_norm", "2.2", "it reduces the efficiency of BP-TRW compared to BP in deep ANNs",
       "the last test error of FA, less that of BP, both without normalization, is above 0")
def backpropagation_learns_more(r):
    return [part(f"less {name}", at_end(r, "test_error", "fa") - at_end(r, "test_error", name), at_least=0, unit=" %")
            for name in ("bp", "bp-authors")]


def growth(r, l):
    """Of the norm of W[l] over the last half of a run."""
    end = r.last("norm_w", "fa", l)
    half = min(r.iterations("norm_w", "fa", l), key=lambda k: abs(k - end / 2))
    return at_end(r, "norm_w", "fa", l) - r.values("norm_w", "fa", l, None, half)


@claim("weight_norm", "2.3.8", "without WN, Frobenius norms of weight matrices grow continuously",
       "FA: each norm of W[l] grows still in the last half of the run")
def norms_grow(r):
    return by_layer(lambda l: growth(r, l), (0, *LAYERS), at_least=0, unit="", digits=3)


@claim("weight_norm", "2.3.8", "although they saturate very quickly in the earlier layers",
       "FA: in the last half of the run the norm of W[l], l < 4, grows by a third at most of what that of W[4] does")
def early_norms_saturate(r):
    return by_layer(lambda l: growth(r, l) / growth(r, 4), (0, 1, 2, 3), at_most=1 / 3, unit="", digits=2)


def gain(r, metric, l=None):
    """What normalization takes away, with FA."""
    return at_end(r, metric, "fa", l) - at_end(r, metric, "fa-normalized", l)


@claim("weight_norm", "2.3.8", "By applying the proposed WN method with γ = 1 alignment improved significantly (Fig. "
       "7A,B)", "normalization lowers the last angles, averaged over the layers: of W with B^T by 1 or more, of dW "
       "with BP's by 5 or more")
def normalization_improves_alignment(r):
    return [part("W with B^T", mean(gain(r, "angle_w_b", l) for l in LAYERS), at_least=1),
            part("dW with BP's", mean(gain(r, "angle_dw_bp", l) for l in (0, 1, 2, 3)), at_least=5)]


@claim("weight_norm", "Fig. 7", "W_ℓ aligns with B_ℓ^T and WN can improve alignment",
       "normalization lowers the last angle of W[l] with B[l]^T, l = 1, 2, 3; l = 4, updated as by BP, is shown")
def normalization_aligns_hidden_weights(r):
    return (by_layer(lambda l: gain(r, "angle_w_b", l), (1, 2, 3), at_least=0) +
            by_layer(lambda l: gain(r, "angle_w_b", l), (4,)))


@claim("weight_norm", "Fig. 7", "Update directions prescribed by BP-TRW align with update directions prescribed by BP "
       "and WN can improve their alignment", "normalization lowers the last angle of dW[l] with BP's in each layer "
       "before the last")
def normalization_aligns_updates(r):
    return by_layer(lambda l: gain(r, "angle_dw_bp", l), (0, 1, 2, 3), at_least=0)


@claim("weight_norm", "2.3.8", "This WN method also improved test accuracy of the network when it was trained by "
       "BP-TRW", "normalization lowers the last test error of FA by 1 % or more")
def normalization_lowers_the_error(r):
    return [part("gain", gain(r, "test_error"), at_least=1, unit=" %"),
            *(part(name, at_end(r, "test_error", name), unit=" %") for name in ("fa", "fa-normalized"))]


def unrest(r, condition):
    """Standard deviation of a run's test error over its last half."""
    end = r.last("test_error", condition)
    at_end(r, "test_error", condition)
    return gather(r.between("test_error", condition, first=end / 2), statistics.stdev)


@claim("weight_norm", "2.3.8", "makes the test accuracy less robust when the network was trained by BP (Fig. 7E)",
       "BP: the s.d. of a run's test error over its last half is larger with normalization; its logarithm to base two "
       "is judged, as it has a heavy tail")
def normalization_makes_bp_less_robust(r):
    ratio = unrest(r, "bp-normalized") / unrest(r, "bp")
    return [part("log2 of the ratio", ratio.map(math.log2), at_least=0, unit=""),
            *(part(name, unrest(r, name), unit=" %", digits=2) for name in
              ("bp", "bp-normalized", "bp-authors", "bp-normalized-authors"))]


@claim("weight_norm", "1", "although FA is accompanied by the continuous growth of norm of weight matrices, this is "
       "not the underlying mechanism of FA", f"with norms fixed to a thousandth, W[l] still aligns: at most {CHANCE}")
def alignment_does_not_need_growing_norms(r):
    def kept(l):
        return at_end(r, "norm_w", "fa-normalized", l) / r.values("norm_w", "fa-normalized", l, None, 0)
    return ([part("norm, last over first", mean(kept(l) for l in LAYERS), at_least=0.999, at_most=1.001, unit="",
                  digits=4)] + by_layer(lambda l: at_end(r, "angle_w_b", "fa-normalized", l), at_most=CHANCE))
