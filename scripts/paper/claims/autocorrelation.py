# SPDX-License-Identifier: Apache-2.0
"""Fig. S3: outputs and errors beside those of earlier iterations."""

from claim import claim, part
from claims.common import EPOCH, first_epoch, last_epoch
from results import mean

# L[l-1] and delta[l+1], l = 1..4, but for L[0], the data.
SIGNALS = [("L", "angle_l_lag", l) for l in (1, 2, 3)] + [("delta", "angle_delta_lag", l) for l in (2, 3, 4, 5)]


def by_signal(measure, **limits):
    """A part for each signal of the hidden layers that meets in an alignment term."""
    return [part(f"{name}[{l}]", measure(metric, l), **limits) for name, metric, l in SIGNALS]


def lag(r, condition, metric, l, order):
    """The angle with the same `order` iterations earlier: the mean over the iterations of the last epoch."""
    return last_epoch(r, metric, condition, l, order, least=5 * EPOCH)


def lag_stands_out(r, condition, metric, l, order):
    return mean(lag(r, condition, metric, l, o) for o in (59, 61)) - lag(r, condition, metric, l, order)


@claim("autocorrelation", "2.3.5", "neural activities show a considerable amount of autocorrelation at lags that are a "
       "multiple of 60", "last epoch: the angle with the same 60 iterations earlier is 20 or more below those of 59 "
       "and 61; so is that of 120")
def same_batch_is_alike(r):
    return [part(f"{p.label}, lag {order}", dict(enumerate(p.values)), at_least=20) for order in (60, 120)
            for p in by_signal(lambda metric, l: lag_stands_out(r, "unshuffled", metric, l, order))]


@claim("autocorrelation", "2.3.5", "resemble L_ℓ-1[k] and δ_ℓ+1[k], respectively, more than initial phase (Fig. S3)",
       "lag 60: the angle in the first epoch that has it, less that in the last, is 5 or more")
def same_batch_grows_more_alike(r):
    return by_signal(lambda metric, l: first_epoch(r, metric, "unshuffled", l, 60) -
                     last_epoch(r, metric, "unshuffled", l, 60), at_least=5)


@claim("autocorrelation", "Fig. S3", "δ_ℓ+1,FA[k] and L_ℓ-1,FA[k] are similar to",
       "lag 60, last epoch: the angle is at most 45, nearer to the same than to unrelated")
def same_batch_is_similar(r):
    return by_signal(lambda metric, l: lag(r, "unshuffled", metric, l, 60), at_most=45)


@claim("autocorrelation", "2.3.5", "the output and error signals of neurons corresponding to each data point become "
       "more stable", "lag 120: the angle in the first epoch that has it, less that in the last, is 5 or more")
def signals_become_stable(r):
    return by_signal(lambda metric, l: first_epoch(r, metric, "unshuffled", l, 120) -
                     last_epoch(r, metric, "unshuffled", l, 120), at_least=5)


@claim("autocorrelation", "2.3.5", "With data shuffling, this considerable amount of autocorrelation does not exist in "
       "the error signals of neurons at lags that are a multiple of 60",
       "data shuffled, last epoch: errors are within 2 of 90 from those of 60 iterations earlier, and so for 120")
def shuffled_errors_are_not_alike(r):
    return [part(f"delta[{l}], lag {order}", lag(r, "shuffled", "angle_delta_lag", l, order), at_least=88, at_most=92)
            for order in (60, 120) for l in (2, 3, 4, 5)]
