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


def main():
    make_data(DATA)
    return run_tests(globals())


if __name__ == "__main__":
    try:
        sys.exit(main())
    finally:
        shutil.rmtree(WORK)
