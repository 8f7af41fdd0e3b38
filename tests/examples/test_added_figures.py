#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the programs that make figures which the paper does not have, by their command lines.

usage: test_added_figures.py MNIST PROGRAM...

PROGRAM... are the programs of examples/paper. Only Python's own library is used; the data are a small synthetic set in
MNIST's format, of one batch an epoch, or those that a program draws.
"""

import math
import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
from toy import TRAIN, make_data, rows_of, run, run_tests, select  # noqa: E402

MNIST = os.path.abspath(sys.argv[1])
PROGRAMS = {os.path.basename(name): os.path.abspath(name) for name in sys.argv[2:]}
WORK = tempfile.mkdtemp(prefix="falign-added-figures-")
DATA = os.path.join(WORK, "data")
DRAWS = shutil.which("gnuplot") is not None
MEAN_SQUARE = 22.83  # of a synthetic point, as of one of MNIST


def make(name, *args):
    """The rows that a program writes."""
    # without gnuplot all is there but the picture
    run(PROGRAMS[name], "--out", os.path.join(WORK, name), *args, code=0 if DRAWS else 1)
    with open(os.path.join(WORK, name, name + ".csv")) as file:
        return rows_of(file.read())


def mnist(*args):
    """The same runs, by the other program."""
    return rows_of(run(MNIST, "--data", DATA, "--batch", TRAIN, "--image-size", 15, "--eta", 0.0005, *args).stdout)


def same(mine, want, condition, metric):
    want = [{**r, "condition": condition} for r in select(want, metric)]
    assert select(mine, metric, condition=condition) == want != [], (condition, metric)


def value(rows, metric, **fields):
    found, = select(rows, metric, **fields)
    return float(found["value"])


def test_norm_control():
    settings = {"neither": (), "w-and-b": ("--norm", "columns"),
                "only-w": ("--norm", "columns", "--normalize-feedback", "no"),
                "only-b": ("--normalize-feedback", "yes"),
                "only-b-0.7": ("--normalize-feedback", "yes", "--gamma", 0.7)}
    rows = make("norm_control", "--data", DATA, "--runs", 2, "--epochs", 45)
    assert list(dict.fromkeys(r["condition"] for r in rows)) == list(settings)
    for condition, setting in settings.items():
        common = [*setting, "--epochs", 45, "--runs", 2, "--log-every"]
        want = mnist(*common, 20, "--metrics", "angle_w_b,norm_w")
        for metric in ("angle_w_b", "norm_w"):
            same(rows, want, condition, metric)
        want = mnist(*common, 1, "--metrics", "test_error,angle_dw_bp,norm_delta")
        for metric in ("test_error", "angle_dw_bp", "norm_delta"):
            same(rows, want, condition, metric)
    first = {"iteration": 0, "run": 1}
    for layer in range(5):
        plain, both, w, *b = (value(rows, "norm_w", condition=c, layer=layer, **first) for c in settings)
        assert b == [plain, plain] and abs(plain - math.sqrt(50)) > 0.5
        assert max(abs(x - math.sqrt(50)) for x in (both, w)) < 1e-4
    # From the same W, errors go with the product of the sizes of all B above.
    for layer in range(1, 6):
        larger, smaller = (value(rows, "norm_delta", condition=c, layer=layer, **first)
                           for c in ("only-b", "only-b-0.7"))
        assert abs(larger / smaller * 0.7 ** (5 - layer) - 1) < 1e-5, layer


def check_similarity(rows, gap, level):
    """A point is sqrt(level) g + sqrt(gap) c[category] + noise, in which g and the ten c are drawn from N(0, 1) with
    225 numbers each. So |g|^2 / 225 is 1 with an s.d. of sqrt(2 / 225), and a mean of c.g / 225 over the categories is
    0 with one of 1 / sqrt(10 * 225). Pairs and noise add little."""
    mixed = 2 * math.sqrt(level * gap) / math.sqrt(2250)
    spreads = {"s_l_within": (level + gap, [level * math.sqrt(2 / 225), gap * math.sqrt(2 / 2250), mixed]),
               "s_l_between": (level, [level * math.sqrt(2 / 225), gap / math.sqrt(45 * 225), mixed])}
    for metric, (expected, parts) in spreads.items():
        condition = f"gap-{gap:g}-above-{level:g}"
        found = value(rows, metric, condition=condition, layer=1, iteration=66) / MEAN_SQUARE
        assert abs(found - expected) < 4 * math.hypot(*parts) + 0.003, (condition, metric, found)


def test_similarity_gap():
    levels, gaps = (0, 0.2, 0.4), (0, 0.05, 0.1, 0.2, 0.3, 0.6)
    rows = make("similarity_gap", "--runs", 1, "--epochs", 2)
    assert len({r["condition"] for r in rows}) == len(levels) * len(gaps)
    for level in levels:
        names = [f"gap-{gap:g}-above-{level:g}" for gap in gaps]
        for gap in gaps:
            check_similarity(rows, gap, level)
        errors = [value(rows, "test_error", condition=name, iteration=120) for name in names]
        assert errors[0] > 80 and max(errors[4:]) < 40, errors  # without a gap there is nothing to learn
        for layer in range(1, 5):
            angles = [value(rows, "angle_w_b", condition=name, layer=layer, iteration=60) for name in names]
            assert angles == sorted(angles, reverse=True) and angles[0] - angles[-1] > 1, (level, layer, angles)
            at = {r["iteration"] for r in select(rows, "angle_w_b", condition=names[0], layer=layer)}
            assert at == {"0", "60", "120"}
    # Another program, which takes such data in place of MNIST.
    want = make("alignment_terms", "--data", "synthetic:0.4,0.2", "--runs", 1, "--epochs", 2)
    for layer in range(1, 5):
        for metric, fields in (("angle_t", {"order": 1, "iteration": 66}), ("angle_w_b", {"iteration": 60})):
            found, expected = (value(r, metric, layer=layer, condition=name, **fields)
                               for r, name in ((rows, "gap-0.2-above-0.2"), (want, "unshuffled")))
            assert abs(found - expected) < 1e-6, (metric, layer, found, expected)


def main():
    make_data(DATA)
    return run_tests(globals())


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        shutil.rmtree(WORK)
