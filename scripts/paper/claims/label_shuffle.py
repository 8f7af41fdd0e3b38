# SPDX-License-Identifier: Apache-2.0
"""Fig. 6: training labels of which a fraction is random."""

from claim import claim, part
from claims.common import LAYERS, NEAR_90, at_end, by_layer, with_mean
from results import gather, mean

FIGURE = "label_shuffle"
PERCENT = (0, 20, 40, 60, 80, 100)
OTHERS = [o for o in range(1, 65) if o != 60]
LATE = 1260
BINS = range(64)
QUICKLY = 300  # iterations


def overlap(r, percent):
    """Of the two histograms of S_L0: the share that they have in common, of each run."""
    shares = [[r.values(f"pairs_s_l_{group}", str(percent), 0, i) for i in BINS] for group in ("within", "between")]
    return gather((gather(pair, min) for pair in zip(*shares)), lambda common: 100 * sum(common))


def angle_at(r, percent, iteration):
    """Of W with B^T, averaged over the layers."""
    return mean(r.values("angle_w_b", str(percent), l, None, iteration) for l in LAYERS)


@claim(FIGURE, "2.3.6", "Shuffling all (100%) of the true labels makes the histograms of S_L0 corresponding to both "
       "within and between categories similarity terms to lie on each other",
       "the histograms of dot products of inputs, within and between categories, have 97 % or more in common where all "
       "labels are random, and 90 % or less where none is")
def shuffling_merges_histograms(r):
    return [part("100 %", overlap(r, 100), at_least=97, unit=" %"), part("0 %", overlap(r, 0), at_most=90, unit=" %")]


@claim(FIGURE, "2.3.6", "prevents the alignment terms whose orders are not a multiple of 60 from being aligned",
       "all labels random, iterations 66 and 1260: the mean angle of orders 1 to 64 but 60, over the layers, is within "
       "2 of 90")
def other_terms_do_not_align(r):
    return [part(f"k = {k}", mean(r.values("angle_t", "100", l, o, k) for l in LAYERS for o in OTHERS),
                 **NEAR_90) for k in (66, LATE)]


@claim(FIGURE, "2.3.6", "while the alignment term of order 60 is still aligned due to autocorrelated neural activities "
       "at the lag of 60", "all labels random, iteration 1260: the angle of order 60 is at most 87 in each layer")
def order_60_still_aligns(r):
    return by_layer(lambda l: r.values("angle_t", "100", l, 60, LATE), at_most=87)


@claim(FIGURE, "2.3.6", "In this condition, network learns no useful information (Fig. 6B)",
       "all labels random: the last test error is 85 % or more, where chance has 90")
def nothing_is_learnt(r):
    return [part("", at_end(r, "test_error", "100"), at_least=85, unit=" %")]


@claim(FIGURE, "2.3.6", "yet W_ℓ slightly aligns with B_ℓ^T (Fig. 6A)",
       "all labels random: the last angle is below that at the start, averaged over the layers, by 0.5 or more")
def weights_align_slightly(r):
    return with_mean(lambda l: r.values("angle_w_b", "100", l, None, 0) - at_end(r, "angle_w_b", "100", l), at_least=0.5)


@claim(FIGURE, "2.3.6", "Decreasing the percentage of the shuffled labels makes the alignment to occur more quickly",
       "iteration 300: the angle of W with B^T, averaged over the layers, is less for each step of 20 % fewer random "
       "labels")
def true_labels_align_quickly(r):
    return [part(f"{more} % less {less} %", angle_at(r, more, QUICKLY) - angle_at(r, less, QUICKLY), at_least=0)
            for less, more in zip(PERCENT, PERCENT[1:])]


@claim(FIGURE, "2.3.6", "and robustly (Fig. 6A)",
       "the last angle of W with B^T, averaged over the layers, is less with true labels than with 60 % random ones or "
       "more; 20 and 40 %, which hardly cost alignment in the end, are shown")
def true_labels_align_robustly(r):
    def end(percent):
        return mean(at_end(r, "angle_w_b", str(percent), l) for l in LAYERS)
    return [part(f"{more} % less 0 %", end(more) - end(0), **({"at_least": 0} if more >= 60 else {}))
            for more in PERCENT[1:]]
