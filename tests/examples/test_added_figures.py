#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the programs that make figures which the paper does not have, by their command lines.

usage: test_added_figures.py PROGRAM...

PROGRAM... are the programs of examples/paper. Only Python's own library is used; the data are a small synthetic set in
MNIST's format, of one batch an epoch, or those that a program draws.
"""

import array
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from toy import DRAWS, TRAIN, Skip, check_figure, main, make_data, rows_of, run, select  # noqa: E402

PROGRAMS = {os.path.basename(program): os.path.abspath(program) for program in sys.argv[1:]}
MNIST = PROGRAMS["mnist"]
WORK = tempfile.mkdtemp(prefix="falign-added-figures-")
DATA = os.path.join(WORK, "data")
MEAN_SQUARE = 22.83  # of a synthetic point, as of one of MNIST


def make(name, *args):
    """The rows that a program writes."""
    run(PROGRAMS[name], "--out", os.path.join(WORK, name), *args, code=0 if DRAWS else 1)
    check_figure(os.path.join(WORK, name), name)
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


def read_tensors(path):
    """The matrices of a safetensors file of single precision."""
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32" or len(entry["shape"]) != 2:
            continue
        rows, cols = entry["shape"]
        numbers = array.array("f", data[slice(*entry["data_offsets"])])
        if sys.byteorder == "big":
            numbers.byteswap()
        tensors[name] = [numbers[i * cols:(i + 1) * cols] for i in range(rows)]
    return tensors


def angle(a, b):
    inner, aa, bb = (sum(x * y for left, right in zip(p, q) for x, y in zip(left, right))
                     for p, q in ((a, b), (a, a), (b, b)))
    return math.degrees(math.acos(inner / math.sqrt(aa * bb)))


def check_weights(rows, condition, saved):
    """W[l] with F[l]^T F[l+1], and W[4] with F[4]^T."""
    for layer in range(1, 5):
        target = list(zip(*saved[f"F.{layer}"]))
        if layer < 4:
            above = list(zip(*saved[f"F.{layer + 1}"]))
            target = [[sum(x * y for x, y in zip(f, g)) for g in above] for f in target]
        found = value(rows, "angle_w_ff", condition=condition, layer=layer, iteration=70, run=0)
        assert abs(found - angle(saved[f"W.{layer}"], target)) < 1e-4, (condition, layer, found)


def check_direct_terms(rows, condition, want):
    terms = [r for r in select(want, "angle_t") if r["iteration"] == "66" or r["order"] in ("1", "59", "60")]
    assert len(terms) == 2 * 4 * (1 + 3 + 4)
    for r in terms:  # products of other sets of orders may be rounded otherwise
        fields = {k: r[k] for k in ("run", "iteration", "layer", "order")}
        found = value(rows, "angle_t", condition=condition, **fields)
        assert abs(found - float(r["value"])) < 1e-6, (r, found)
        # In the last layer F[l]^T F[l+1] is Q[l]^T, and eq. 8 the linear term.
        if r["layer"] == "4":
            assert abs(value(rows, "angle_t_ff", condition=condition, **fields) - found) < 1e-6
        if r["layer"] == "4" and r["order"] in ("1", "60"):
            linear = value(want, "angle_t_linear", **fields)
            for metric in ("angle_simplified", "angle_simplified_ff"):
                assert abs(value(rows, metric, condition=condition, **fields) - linear) < 1e-5, (metric, r)


def need_lapack():
    done = subprocess.run([MNIST, "--data", DATA, "--batch", str(TRAIN), "--rule", "dfa", "--iterations", "1",
                           "--terms-at", "0"], capture_output=True)
    if done.returncode != 0 and b"LAPACK" in done.stderr:
        raise Skip("no LAPACK")


def test_direct_alignment():
    need_lapack()
    traced = [1, 59, 60, 61, 120]
    rows = make("direct_alignment", "--data", DATA, "--runs", 2, "--epochs", 70)
    for condition, hidden in (("equal", "50,50,50,50"), ("narrow", "50,50,50,20")):
        common = ["--rule", "dfa", "--hidden", hidden, "--shuffle", "once", "--epochs", 70]
        want = mnist(*common, "--runs", 2, "--log-every", 10, "--metrics", "angle_w_f,angle_w_q")
        for metric in ("angle_w_f", "angle_w_q"):
            same(rows, want, condition, metric)
        same(rows, mnist(*common, "--runs", 2, "--log-every", 1, "--metrics", "test_error"), condition, "test_error")
        want = mnist(*common, "--runs", 2, "--terms-at", "10,60,66", "--orders", "1,33,59,60", "--metrics", "loss")
        check_direct_terms(rows, condition, want)
        orders = {k: [int(r["order"]) for r in select(rows, "angle_t_ff", condition=condition, iteration=k, layer=2,
                                                      run=1)] for k in range(71)}
        assert all(orders[k] == ([o for o in traced if o <= k] if k % 10 == 0 and k < 70 else [])
                   for k in orders if k != 66) and orders[66] == list(range(1, 65))
        saved = os.path.join(WORK, condition + ".safetensors")
        mnist(*common, "--save", saved)
        check_weights(rows, condition, read_tensors(saved))
        for layer in range(1, 5):  # 20 of 50 dimensions are left where a layer is narrow
            share = value(rows, "share_f_perp", condition=condition, layer=layer, iteration=0, run=1)
            expected = math.sqrt(0.6) if condition == "narrow" and layer < 4 else 0
            assert abs(share - expected) < (0.05 if expected else 1e-9), (condition, layer, share)


if __name__ == "__main__":
    main(globals(), WORK, lambda: make_data(DATA))
