#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the paper's figures that draw matrices at random, and of the one that trains in many ways.

usage: test_random_figures.py PROGRAM...

Only Python's own library is used; the data are a small synthetic set in MNIST's format, of two batches an epoch.
"""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from toy import check_figure, main, make_data, refused, rows_of, run, select  # noqa: E402

PROGRAMS = {os.path.basename(program): os.path.abspath(program) for program in sys.argv[1:]}
MNIST, PRODUCT_ANGLE, SENSITIVITY, TRANSFORMATION = (
    PROGRAMS[name] for name in ("mnist", "product_angle", "sensitivity", "transformation"))
WORK = tempfile.mkdtemp(prefix="falign-random-figures-")
DATA = os.path.join(WORK, "data")
POINTS = 2000
PER_EPOCH = 2
DRAWN = 0 if shutil.which("gnuplot") is not None else 1  # without gnuplot all is there but the picture


def path(*names):
    return os.path.join(WORK, *names)


def read(*names):
    with open(path(*names), "rb") as file:
        return file.read()


def number(rows):
    """The value of the only row."""
    row, = rows
    return float(row["value"])


def on_data(program, *args):
    return run(program, "--data", DATA, *args, code=DRAWN)


def mnist(*args):
    return rows_of(run(MNIST, "--data", DATA, *args).stdout)


# ---- product_angle ----

DRAWS, WIDTH = 50000, 5
EDGES = range(0, 180, WIDTH)


def test_product_angle_goes_on():
    command = [PRODUCT_ANGLE, "--out", path("product"), "--runs", "2", "--threads", "1"]
    program = subprocess.Popen(command, stderr=subprocess.PIPE)
    while not os.path.isdir(path("product", "product_angle.runs")) or not os.listdir(
            path("product", "product_angle.runs")):
        assert program.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)  # the other run is in its midst
    program.send_signal(signal.SIGINT)
    err = program.communicate(timeout=300)[1].decode()
    assert program.returncode == 1 and "interrupted: 1 of 2 runs are kept" in err, err
    assert "1 of 2 runs are there already" in run(*command, code=DRAWN).err
    before = read("product", "product_angle.csv")
    assert "2 of 2 runs are there already" in run(*command, code=DRAWN).err
    assert read("product", "product_angle.csv") == before


def bins_of(number_of_run, metric):
    """Values by the lower edges of theta_1 and theta_2."""
    rows = select(rows_of(read("product", "product_angle.csv")), metric, run=number_of_run, condition="random")
    assert all(r["iteration"] == r["epoch"] == "" for r in rows)
    return {(int(r["layer"]), int(r["order"])): float(r["value"]) for r in rows if r["layer"] != ""}


def whole_of(number_of_run, metric):
    return number(select(rows_of(read("product", "product_angle.csv")), metric, run=number_of_run, layer="", order=""))


def test_product_angle_counts():
    for i in (0, 1):
        counts = bins_of(i, "draws")
        assert sorted(counts) == [(a, b) for a in EDGES for b in EDGES]
        assert sum(counts.values()) == whole_of(i, "draws") == DRAWS
        # Both angles are uniform: chi squared of 1295 degrees of freedom, whose s.d. is 51.
        expected = DRAWS / len(counts)
        chi = sum((c - expected) ** 2 for c in counts.values()) / expected
        assert abs(chi - 1295) < 5 * 51, chi
    assert bins_of(0, "draws") != bins_of(1, "draws")


def test_product_angle_bins_make_the_whole():
    counts = bins_of(1, "draws")
    for name in ("theta_3", "theta_3_nonlinear"):
        means, variances = (bins_of(1, f"{name}_{what}") for what in ("mean", "variance"))
        mean, variance = (whole_of(1, f"{name}_{what}") for what in ("mean", "variance"))
        assert all(c > 1 for c in counts.values())
        pooled = sum(counts[b] * means[b] for b in counts) / DRAWS
        squares = sum((counts[b] - 1) * variances[b] + counts[b] * (means[b] - mean) ** 2 for b in counts)
        assert abs(mean - pooled) < 1e-5, (mean, pooled)  # the file has nine digits
        assert abs(variance - squares / (DRAWS - 1)) < 1e-5 * variance, (variance, squares)
    difference = whole_of(1, "theta_3_nonlinear_mean") - whole_of(1, "theta_3_mean")
    assert abs(whole_of(1, "theta_3_difference_mean") - difference) < 1e-5


def test_product_angle_means():
    for i in (0, 1):
        # -W is as likely as W, so that 90 is the mean.
        for name in ("theta_3", "theta_3_nonlinear"):
            error = math.sqrt(whole_of(i, name + "_variance") / DRAWS)
            assert 0.1 < error < 0.3 and abs(whole_of(i, name + "_mean") - 90) < 4 * error, name
        error = whole_of(i, "theta_3_difference_error")
        assert 0.005 < error < 0.03 and abs(whole_of(i, "theta_3_difference_mean")) < 4 * error, error
        # What is random in W_1 and W_2 has nothing in common with B, so cos theta_3 is near cos theta_1 cos theta_2.
        parts = [WIDTH * (n + 0.5) / 5 for n in range(5)]
        counts, means = bins_of(i, "draws"), bins_of(i, "theta_3_mean")
        for (a, b), mean in means.items():
            want = sum(math.degrees(math.acos(math.cos(math.radians(a + x)) * math.cos(math.radians(b + y))))
                       for x in parts for y in parts) / len(parts) ** 2
            # s.d. in a bin: up to 3 degrees, with what the bin is wide
            assert abs(mean - want) < 5 * 3 / math.sqrt(counts[a, b]), (a, b, mean, want)
        # Near theta_1 = 0, theta_3 follows theta_2, and the other way round.
        for b in EDGES:
            assert abs(means[0, b] - (b + WIDTH / 2)) < 4 and abs(means[b, 0] - (b + WIDTH / 2)) < 4, b


def test_product_angle_axes():
    """f'(Z_2) meets B_2 alone: more of the variance is where theta_1 is near 0 or 180."""
    spread = [bins_of(i, "theta_3_nonlinear_variance") for i in (0, 1)]
    ends, middle = (0, 5, 170, 175), range(75, 105, WIDTH)
    first = [s[a, b] for s in spread for a in ends for b in middle]
    second = [s[b, a] for s in spread for a in ends for b in middle]
    assert sum(first) > 1.3 * sum(second), (sum(first), sum(second))


def test_product_angle_configuration():
    config = json.loads(read("product", "product_angle.json"))
    assert config["draws"] == DRAWS and config["bin-width"] == WIDTH and config["shapes"] == "30 x 15, 15 x 40"
    assert config["runs"] == 2 and "epochs" not in config and "data" not in config
    for option in ("--epochs", "--data"):
        refused(run(PRODUCT_ANGLE, option, 3, code=2), f"unknown option '{option}'")
    assert "10 runs; with --quick 2." in run(PRODUCT_ANGLE, "--help").stdout.decode()


# ---- transformation ----

LAST = 62  # iterations


def transformation_rows():
    return rows_of(read("transformation", "transformation.csv"))


def test_transformation_kept():
    command = ("--out", path("transformation"), "--runs", 2, "--epochs", LAST // PER_EPOCH)
    on_data(TRANSFORMATION, *command)
    before = read("transformation", "transformation.csv")
    os.remove(path("transformation", "transformation.runs", "random-1.safetensors"))
    assert "3 of 4 runs are there already" in on_data(TRANSFORMATION, *command).err
    assert read("transformation", "transformation.csv") == before
    config = json.loads(read("transformation", "transformation.json"))
    assert config["fa.rule"] == "fa" and config["fa.shuffle"] == "once" and "random.rule" not in config


def sweep(metric):
    """Means over the runs by hundredths."""
    rows = select(transformation_rows(), metric, condition="random", iteration="", layer="")
    runs = [{int(r["order"]): float(r["value"]) for r in rows if r["run"] == str(i)} for i in (0, 1)]
    assert list(runs[0]) == list(runs[1]) and runs[0] != runs[1] or metric == "angle_skew_alone"
    return {at: (runs[0][at] + runs[1][at]) / 2 for at in runs[0]}


def near(angles, expected, sd):
    """Each within five s.d., and all together as near as that is."""
    away = {at: angle - math.degrees(math.acos(expected(at / 100))) for at, angle in angles.items()}
    assert all(abs(d) < 5 * sd for d in away.values()), away
    assert math.sqrt(sum(d * d for d in away.values()) / len(away)) < 1.2 * sd, away


def test_transformation_eigenvalues():
    spread, negative = sweep("angle_spread"), sweep("angle_negative")
    assert list(spread) == list(range(0, 401, 10)) and list(negative) == list(range(0, 101, 2))
    # A sum of squares of 50 numbers has an s.d. of 0.2, of which the cosine has 0.2 / sqrt(50), or 1.6 degrees; the
    # mean of 20 draws 0.36.
    near(spread, lambda x: (x - 2) / math.hypot(x - 2, 1), 0.36)
    near(negative, lambda x: 1 - 2 * x, 0.36)
    assert abs(spread[300] - 45) < 2 and abs(spread[200] - 90) < 2 and abs(negative[50] - 90) < 2  # by hand
    assert negative[0] < 1e-5 and abs(negative[100] - 180) < 1e-5  # B^T itself, and its opposite


def test_transformation_skew_part():
    skew, alone = sweep("angle_skew"), sweep("angle_skew_alone")
    assert list(skew) == list(range(0, 401, 10)) and list(alone) == list(range(10, 401, 10))
    assert all(abs(angle - 90) < 1e-9 for angle in alone.values())
    # Of uniform eigenvalues, mean over root of mean square is sqrt(3/4), with an s.d. of 2.5 degrees in 50.
    near(skew, lambda x: math.sqrt(0.75) / math.hypot(1, x), 0.6)


def test_transformation_of_a_network():
    rows = [r for r in transformation_rows() if r["condition"] == "fa"]
    for metric in ("eigenvalue_spread", "skew_ratio", "angle_m", "angle_m_sym", "angle_m_random"):
        for layer in range(1, 5):
            found = [(int(r["iteration"]), int(r["order"])) for r in select(rows, metric, layer=layer, run=1)]
            assert found == [(k, 1) for k in range(10, 61, 10)] + [(60, 60)], (metric, found)
    # B[l]^T M is a linear alignment term, but for eta.
    terms = mnist("--shuffle", "once", "--rule", "fa", "--eta", 0.0005, "--epochs", LAST // PER_EPOCH, "--runs", 2,
                  "--terms-at", "10,60", "--orders", "1,60", "--metrics", "loss")
    terms = select(terms, "angle_t_linear")
    assert len(terms) == 2 * 4 * 3
    for r in terms:
        fields = {name: r[name] for name in ("run", "iteration", "layer", "order")}
        angle = number(select(rows, "angle_m", **fields))
        assert abs(angle - float(r["value"])) < 1e-4, (r, angle)


def test_transformation_parts():
    rows = [r for r in transformation_rows() if r["condition"] == "fa"]
    for r in select(rows, "angle_m"):
        fields = {name: r[name] for name in ("run", "iteration", "layer", "order")}
        spread, ratio = (number(select(rows, metric, **fields)) for metric in ("eigenvalue_spread", "skew_ratio"))
        whole, symmetric, random = (math.cos(math.radians(number(select(rows, metric, **fields))))
                                    for metric in ("angle_m", "angle_m_sym", "angle_m_random"))
        # As for drawn matrices, the cosine has an s.d. of 0.2 / sqrt(50).
        assert abs(symmetric - spread / math.hypot(spread, 1)) < 0.14, r
        assert abs(random - whole) < 0.14, r
        # The skew part adds to the norm alone, but for a product of both parts that is small.
        assert abs(whole - symmetric / math.hypot(1, ratio)) < 0.03, r
    assert max(float(r["value"]) for r in select(rows, "eigenvalue_spread")) > 0.3


# ---- sensitivity ----

EPOCHS = 11
GAMMAS = {"none": None, "0.25": 0.25, "0.5": 0.5, "0.75": 0.75, "1": 1, "1.5": 1.5, "2": 2, "2.5": 2.5}
GROUPS = {"fa-0.0005": ("fa", 0.0005), "fa-0.0003": ("fa", 0.0003), "bp-0.0005": ("bp", 0.0005),
          "bp-0.0003": ("bp", 0.0003), "fa-authors-0.0005": ("fa", 0.0005)}
ALL = {f"{group}-{gamma}{smoothed}": (group, gamma, smoothed)
       for group in GROUPS for smoothed in ("", "-smoothed") for gamma in GAMMAS}


def sensitivity(out, *args):
    return on_data(SENSITIVITY, "--out", path(out), "--runs", 1, *args)


def sensitivity_rows(out, condition):
    return [r for r in rows_of(read(out, "sensitivity.csv")) if r["condition"] == condition]


def test_sensitivity_conditions():
    sensitivity("sensitivity", "--epochs", EPOCHS)
    config = json.loads(read("sensitivity", "sensitivity.json"))
    assert list(dict.fromkeys(r["condition"] for r in rows_of(read("sensitivity", "sensitivity.csv")))) == list(ALL)
    errors = {}
    for condition, (group, gamma, smoothed) in ALL.items():
        authors = group == "fa-authors-0.0005"
        want = {"rule": GROUPS[group][0], "eta": GROUPS[group][1], "gamma": GAMMAS[gamma], "shuffle": "none",
                "normalized": None if gamma == "none" else "W" if authors else "W and B",
                "biases": "none" if authors else None, "label-smoothing": 0.05 if smoothed else None}
        assert {name: config.get(f"{condition}.{name}") for name in want} == want, condition
        rows = sensitivity_rows("sensitivity", condition)
        layers = [str(l) for l in range(5)] if want["rule"] == "fa" else []
        assert [r["layer"] for r in select(rows, "angle_dw_bp")] == layers, condition
        assert len(rows) == 2 + len(layers) and all(r["iteration"] == str(EPOCHS * PER_EPOCH) for r in rows)
        assert number(select(rows, "diverged")) == 0
        errors[condition] = number(select(rows, "test_error"))
        if layers:
            # The output's updates are BP's (nan where no unit is active any more).
            assert not number(select(rows, "angle_dw_bp", layer=4)) >= 1e-3, condition
    assert len(set(errors.values())) > 40  # settings take effect


def means_of_mnist(condition, epochs):
    """Test error and angles over the last ten epochs, by the other program."""
    group, gamma, smoothed = ALL[condition]
    rule, eta = GROUPS[group]
    norm = ["--norm", "columns", "--gamma", gamma] if gamma != "none" else []
    names = ["test_error"] + (["angle_dw_bp"] if rule == "fa" else [])
    rows = mnist("--rule", rule, "--eta", eta, *norm, "--label-smoothing", 0.05 if smoothed else 0, "--epochs", epochs,
                 "--log-every", 1, "--metrics", ",".join(names))
    first = PER_EPOCH * max(0, epochs - 10)
    groups = {}
    for r in rows:
        k = int(r["iteration"])
        wanted = k > first and k % PER_EPOCH == 0 if r["metric"] == "test_error" else k >= first and k % 10 == 0
        if wanted:
            groups.setdefault((r["metric"], r["layer"]), []).append(float(r["value"]))
    assert len(groups["test_error", ""]) == min(epochs, 10)
    return {key: sum(values) / len(values) for key, values in groups.items()}


def test_sensitivity_means():
    sensitivity("short", "--epochs", 6)  # fewer than ten: all
    for out, epochs in (("sensitivity", EPOCHS), ("short", 6)):
        for condition in ("fa-0.0005-none", "fa-0.0003-1.5-smoothed", "bp-0.0003-none-smoothed", "bp-0.0005-0.5"):
            want = means_of_mnist(condition, epochs)
            found = {(r["metric"], r["layer"]): float(r["value"]) for r in sensitivity_rows(out, condition)
                     if r["metric"] != "diverged"}
            assert sorted(found) == sorted(want), condition
            for key, value in want.items():
                assert abs(found[key] - value) < 1e-5, (out, condition, key, found[key], value)


def test_sensitivity_kept():
    before = read("sensitivity", "sensitivity.csv")
    os.remove(path("sensitivity", "sensitivity.runs", "fa-authors-0.0005-1-smoothed-0.safetensors"))
    assert "79 of 80 runs are there already" in sensitivity("sensitivity", "--epochs", EPOCHS).err
    assert read("sensitivity", "sensitivity.csv") == before


def test_files():
    for folder, name in (("product", "product_angle"), ("transformation", "transformation"),
                         ("sensitivity", "sensitivity")):
        check_figure(path(folder), name)


if __name__ == "__main__":
    main(globals(), WORK, lambda: make_data(DATA, POINTS))
