# SPDX-License-Identifier: Apache-2.0
"""Figs. 7C and 7F: the paths of two networks in the plane of their principal components."""

from claim import claim, part
from claims.common import at_end
from results import gather

FIGURE = "trajectories"
APART = "the ends of the two paths are further apart than each is, on average, from where it began"


def begin(r, condition, path):
    """Two coordinates, of each run."""
    return [r.values(f"path_{axis}", condition, None, path, 0) for axis in ("pc1", "pc2")]


def end(r, condition, path):
    return [at_end(r, f"path_{axis}", condition, None, path) for axis in ("pc1", "pc2")]


def distance(a, b):
    return gather([*a, *b], lambda x: ((x[0] - x[2]) ** 2 + (x[1] - x[3]) ** 2) ** 0.5)


def ends_apart(r, condition):
    ends = [end(r, condition, path) for path in (0, 1)]
    ways = [distance(begin(r, condition, path), ends[path]) for path in (0, 1)]
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
