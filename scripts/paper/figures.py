# SPDX-License-Identifier: Apache-2.0
"""The figures, and the programs that make them."""

import dataclasses
import os
import shlex

TRAINED = ("data", "runs", "epochs", "seed", "threads", "quick")


@dataclasses.dataclass(frozen=True)
class Figure:
    name: str  # of the program and of its files
    number: str
    title: str
    shows: str
    takes: tuple = TRAINED  # the options that are handed on
    extra: bool = False  # not in the paper


FIGURES = (
    Figure("open_loop", "Fig. 1B", "Imposed signals",
           "The angle of W[1] with B[1]^T in a network on which signals are imposed: constant ones, ones that are "
           "drawn anew for each iteration with delta[2] = L[0], and independent ones. No task is learnt.",
           ("runs", "seed")),
    Figure("alignment_terms", "Figs. 2, S2", "Alignment terms of single orders",
           "The angle with B[l]^T of the alignment terms of orders 1 to 64, early and late in training, and of some "
           "orders over the iterations with dW[1] and W[1] beside; the data in one order, or in a new one each epoch."),
    Figure("remainder", "Figs. 3, S6", "Remainder and zero-degree term",
           "What is left of an update beside its alignment terms: the angle with B[l]^T, and the norm over that of "
           "dW[l], of the remainder and of the zero-degree term, over the iterations."),
    Figure("disturbed_terms", "Figs. 4, 5", "Disturbed alignment terms",
           "The angle with feedback weights of weights that alignment terms alone have made: as they are, without the "
           "derivatives, with other feedback weights, and with the rows of the errors shuffled."),
    Figure("label_shuffle", "Fig. 6", "Shuffled labels",
           "The angle of W[l] with B[l]^T, and the test error, where labels of a part of the data are random."),
    Figure("weight_norm", "Figs. 7A, B, D, E", "Weight normalization",
           "FA and BP with and without normalized weights: the angle of W[l] with B[l]^T, that of dW[l] with BP's, the "
           "norm of W[l], and the test error, over the epochs."),
    Figure("trajectories", "Figs. 7C, F", "Trajectories",
           "The way of all parameters in the plane of their first two principal components: trained by BP and by FA, "
           "and by FA with and without normalized weights."),
    Figure("transformation", "Fig. S1", "Transformation matrices",
           "The symmetric and the skew-symmetric part of M, their share, and how the eigenvalues of the symmetric part "
           "decide about alignment."),
    Figure("autocorrelation", "Fig. S3", "Autocorrelation",
           "The angle of outputs and of errors with the same of 1, 59, 60, 61 and 120 iterations earlier; a pass over "
           "the data has 60."),
    Figure("similarity", "Figs. S4, S5", "Similarity within and between categories",
           "Dot products of outputs, of errors, and their product, of pairs of data points of one category and of two; "
           "their mean over the iterations, and their distribution early and late."),
    Figure("product_angle", "Fig. S7", "Angles of products",
           "The angle of the products of two pairs of random matrices, by the angles of the pairs.",
           ("runs", "seed", "threads", "quick")),
    Figure("sensitivity", "Fig. S8", "Sensitivity to gamma and eta",
           "The final angle of dW[l] with BP's, and the final test error, for several gamma and two eta."),
    Figure("norm_control", "added", "Is it W or B that is to be normalized?",
           "FA with neither, either and both of the forward and the feedback weights normalized.", extra=True),
    Figure("similarity_gap", "added", "Alignment and the gap of similarities",
           "Alignment on synthetic data, by how much more alike points of one category are than those of two.",
           ("runs", "epochs", "seed", "threads", "quick"), extra=True),
    Figure("direct_alignment", "added", "Direct feedback alignment",
           "DFA: the angle of products of forward weights with F^T, the share of F that the others do not span, and "
           "the direct alignment terms by their orders.", extra=True),
)
NAMES = [figure.name for figure in FIGURES]


# ---- Commands ----

def program_of(figure, build):
    return os.path.join(build, "examples", figure.name)


def command(figure, build, out, settings):
    """The program with the options that it takes; settings is {option: value}, None where not given."""
    words = [program_of(figure, build)]
    if figure.name == "open_loop":
        words += ["--out", os.path.join(out, "open_loop.csv"), "--plot", os.path.join(out, "open_loop.svg")]
    else:
        words += ["--out", out]
    for option in figure.takes:
        value = settings.get(option)
        if value is True:
            words.append("--" + option)
        elif value is not None and value is not False:
            words += ["--" + option, str(value)]
    return words


def rerun(figure, build, out, config):
    """The command that gives the same numbers wherever it is started, and whatever defaults become."""
    settings = {name: config.get(name) for name in ("data", "runs", "epochs", "seed")}
    settings["quick"] = "quick" in config  # where it means more than fewer runs and epochs
    if os.path.isdir(settings["data"] or ""):
        settings["data"] = os.path.abspath(settings["data"])
    return shlex.join(command(figure, os.path.abspath(build), os.path.abspath(out), settings))
