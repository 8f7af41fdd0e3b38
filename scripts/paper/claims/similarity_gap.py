# SPDX-License-Identifier: Apache-2.0
"""Alignment against the gap between within- and between-category similarity: an experiment that the paper does not have."""

from claim import claim, part
from claims.common import EPOCH, LAYERS, NEAR_90, at_end
from results import mean

FIGURE = "similarity_gap"
LEVELS = ("0", "0.2", "0.4")
GAPS = ("0", "0.05", "0.1", "0.2", "0.3", "0.6")


def condition(gap, level):
    return f"gap-{gap}-above-{level}"


def early(r, gap, level):
    """The angle of W with B^T after an epoch, averaged over the layers."""
    return mean(r.values("angle_w_b", condition(gap, level), l, None, EPOCH) for l in LAYERS)


@claim(FIGURE, "2.3.6", "the property that within categories data points are more similar to each other than between "
       "categories ones, contributes to the fast initial alignment",
       "iteration 60: the angle of W with B^T, averaged over the layers and over three levels of similarity between "
       "categories, is less with each larger gap")
def larger_gaps_align_faster(r):
    def over_levels(gap):
        return mean(early(r, gap, level) for level in LEVELS)
    return [part(f"gap {less} less gap {more}", over_levels(less) - over_levels(more), at_least=0, digits=2)
            for less, more in zip(GAPS, GAPS[1:])]


@claim(FIGURE, "2.3.6", "prevents the alignment terms whose orders are not a multiple of 60 from being aligned",
       "points of one category that are no more alike than others: after the last update the angle, averaged over the "
       "layers, is within 2 of 90, at each level")
def no_gap_no_alignment(r):
    def last(level):
        return mean(at_end(r, "angle_w_b", condition("0", level), l, least=5 * EPOCH) for l in LAYERS)
    return [part(f"between {level}", last(level), **NEAR_90) for level in LEVELS]
