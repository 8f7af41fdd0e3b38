# SPDX-License-Identifier: Apache-2.0
"""Figs. 7C and 7F: the paths of two networks in the plane of their principal components."""

from claim import claim, part
from results import NotMeasured, gather

FIGURE = "trajectories"
LEAST = 1200  # iterations of a path that has come to an end
APART = "the ends of the two paths are further apart than each is, on average, from where it began"


def place(r, condition, path, iteration=None):
    """Two coordinates, of each run."""
    return [r.values(f"path_{axis}", condition, None, path, iteration) for axis in ("pc1", "pc2")]


def distance(a, b):
    return gather([*a, *b], lambda x: ((x[0] - x[2]) ** 2 + (x[1] - x[3]) ** 2) ** 0.5)


def ends_apart(r, condition):
    if r.last("path_pc1", condition, None, 0) < LEAST:
        raise NotMeasured(f"the end of a path needs {LEAST} iterations")
    ends = [place(r, condition, path) for path in (0, 1)]
    ways = [distance(place(r, condition, path, 0), ends[path]) for path in (0, 1)]
    mean_way = gather(ways, lambda lengths: sum(lengths) / 2)
    return [part("distance of the ends over that from the start", distance(*ends) / mean_way, at_least=1, unit="",
                 digits=2)]


@claim(FIGURE, "2.3.7", "With BP-TRW, the networks converges to a local minimum totally different from the local "
       "minimum to which the network converges with BP", APART)
def fa_and_bp_end_apart(r):
    return ends_apart(r, "fa-and-bp")


@claim(FIGURE, "2.3.8", "With WN, the network converges to a local minimum totally different from the local minimum to "
       "which the network converges without WN", APART)
def normalization_ends_apart(r):
    return ends_apart(r, "fa-and-normalized")
