# SPDX-License-Identifier: Apache-2.0
"""Fig. S8 and Note 6: sensitivity to gamma, eta and label smoothing."""

from claim import claim, part
from claims.common import at_end
from results import gather, mean

FIGURE = "sensitivity"
GAMMAS = ("0.25", "0.5", "0.75", "1", "1.5", "2", "2.5")
FAIR = ("0.75", "1", "1.5")  # a range of gamma around the paper's
ETAS = ("0.0005", "0.0003")


def error(r, rule, eta, gamma, smoothed=False):
    return at_end(r, "test_error", f"{rule}-{eta}-{gamma}" + ("-smoothed" if smoothed else ""))


@claim(FIGURE, "2.3.8", "with small amounts of γ, the performance of the network severely drops (supplementary Fig. S8)",
       "FA, gamma = 0.25 against gamma = 1: the final test error is larger by 20 % or more, with each eta")
def small_gamma_fails(r):
    return [part(f"eta {eta}", error(r, "fa", eta, "0.25") - error(r, "fa", eta, "1"), at_least=20, unit=" %")
            for eta in ETAS]


@claim(FIGURE, "2.3.8", "However these results are robust for a fair range of γ and η",
       "FA: the final test error is less with weight normalization than without, for gamma = 0.75, 1, 1.5 and each eta")
def fair_range_improves(r):
    return [part(f"gamma {gamma}, eta {eta}", error(r, "fa", eta, "none") - error(r, "fa", eta, gamma), at_least=0,
                 unit=" %") for eta in ETAS for gamma in FAIR]


def spread(r, rule, eta, smoothed):
    """The largest less the smallest error over gamma from 0.5 on: 0.25 fails in any case."""
    return gather((error(r, rule, eta, gamma, smoothed) for gamma in GAMMAS[1:]), lambda x: max(x) - min(x))


@claim(FIGURE, "Note 6", "Label smoothing improved flexibility of network and made it less sensitive to network "
       "hyperparameters", "the range of the final test error over gamma from 0.5 to 2.5, averaged over eta, is less with "
       "smoothing than without; FA and BP", reproduces=None,
       note="Single runs collapse at a large gamma, with smoothing and without, and their ranges are most of the spread: "
       "three runs of 20 epochs do not tell")
def smoothing_makes_less_sensitive(r):
    return [part(rule, mean(spread(r, rule, eta, False) - spread(r, rule, eta, True) for eta in ETAS), at_least=0,
                 unit=" %") for rule in ("fa", "bp")]
