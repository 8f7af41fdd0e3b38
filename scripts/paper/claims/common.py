# SPDX-License-Identifier: Apache-2.0
"""What the claims of several figures share. Angles are in degrees."""

from claim import part
from results import NotMeasured, mean

# The angle of two random matrices of 50 x 50 is 90 with a standard deviation of 1.15, of 100 x 20 one of 1.28: below
# CHANCE, four such deviations under 90, something is aligned.
CHANCE = 85
EPOCH = 60  # iterations
LAYERS = (1, 2, 3, 4)
NEAR_90 = {"at_least": 88, "at_most": 92}


def by_layer(measure, layers=LAYERS, **limits):
    """A part for each layer."""
    return [part(f"l = {l}", measure(l), **limits) for l in layers]


def with_mean(measure, layers=LAYERS, **limits):
    """Judges the mean over the layers, and shows each."""
    return [part("mean", mean(measure(l) for l in layers), **limits), *by_layer(measure, layers)]


def at_end(results, *series, least=20 * EPOCH):
    """The last value, of runs that are long enough to be near their end by then."""
    if results.last(*series) < least:
        raise NotMeasured(f"a last value needs {least} iterations")
    return results.values(*series)


def first_epoch(results, *series):
    begin = results.iterations(*series)[0]
    return mean(results.between(*series, first=begin, last=begin + EPOCH - 1))


def last_epoch(results, *series, least=10 * EPOCH):
    """The mean over the last epoch, of runs that are long enough to have a late phase."""
    end = results.last(*series)
    if end < least - EPOCH:
        raise NotMeasured(f"a late phase needs {least} iterations")
    return mean(results.between(*series, first=end - EPOCH + 1))
