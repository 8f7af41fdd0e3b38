#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the programs that make the paper's figures, by their command lines.

usage: test_figures.py PROGRAM...

Only Python's own library is used; the data are a small synthetic set in MNIST's format, of one batch an epoch.
"""

import gzip
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from toy import DRAWS, TRAIN, check_figure, main, make_data, on_terminal, refused, rows_of, run, select  # noqa: E402

PROGRAMS = {os.path.basename(program): os.path.abspath(program) for program in sys.argv[1:]}
MNIST, WEIGHT_NORM = PROGRAMS["mnist"], PROGRAMS["weight_norm"]
WORK = tempfile.mkdtemp(prefix="falign-figures-")
DATA = os.path.join(WORK, "data")
CONDITIONS = {"fa": ("fa", 0.0005, None), "fa-normalized": ("fa", 0.0005, 1), "bp": ("bp", 0.0005, None),
              "bp-normalized": ("bp", 0.0005, 1), "bp-authors": ("bp", 0.0004, None),
              "bp-normalized-authors": ("bp", 0.0003, 0.6)}
EPOCHS, EVERY = 100, 20
RESULTS = ["weight_norm.csv", "weight_norm.json", "weight_norm.summary.csv"]


def path(*names):
    return os.path.join(WORK, *names)


def read(*names):
    with open(path(*names), "rb") as file:
        return file.read()


def make(program, out, *args, **keywords):
    done = run(program, "--data", DATA, "--out", path(out), *args, **{"code": 0 if DRAWS else 1, **keywords})
    if not keywords:
        check_figure(path(out), os.path.basename(program))
    return done


def figure(out, *args, **keywords):
    return make(WEIGHT_NORM, out, "--epochs", EPOCHS, *args, **keywords)


def kept(out):
    return sorted(os.listdir(path(out, "weight_norm.runs")))


def mnist(condition, *args):
    """The same runs, by the other program."""
    rule, eta, gamma = CONDITIONS[condition]
    norm = ["--norm", "columns", "--gamma", gamma] if gamma else []
    return rows_of(run(MNIST, "--data", DATA, "--batch", TRAIN, "--hidden", "50,50,50,50", "--image-size", 15,
                       "--shuffle", "none", "--rule", rule, "--eta", eta, *norm, "--epochs", EPOCHS, "--runs", 2,
                       *args).stdout)


def test_what_it_measures():
    figure("results", "--runs", 2)
    rows = rows_of(read("results", "weight_norm.csv"))
    assert list(dict.fromkeys(r["condition"] for r in rows)) == list(CONDITIONS)
    for condition, (rule, _, gamma) in CONDITIONS.items():
        mine = [r for r in rows if r["condition"] == condition]
        assert {r["run"] for r in mine} == {"0", "1"}
        metrics = ["norm_w", "angle_w_b"] if rule == "fa" else ["norm_w"]
        want = mnist(condition, "--log-every", EVERY, "--metrics", ",".join(["test_error", *metrics]))
        for metric in metrics:
            assert [{**r, "condition": condition} for r in select(want, metric)] == select(mine, metric), metric
        errors = select(mine, "test_error")
        assert [r["iteration"] for r in errors] == [str(k) for k in range(EPOCHS + 1)] * 2
        assert [{**r, "condition": condition} for r in select(want, "test_error")] == errors
        for r in select(mine, "norm_w") if gamma else ():  # 50 columns of norm gamma, to the precision of float
            assert abs(float(r["value"]) - gamma * math.sqrt(50)) < 1e-4, r
    assert float(select(rows, "test_error", condition="bp", iteration=EPOCHS)[0]["value"]) < 50


def test_moving_average():
    rows = rows_of(read("results", "weight_norm.csv"))
    for condition in ("fa", "fa-normalized"):
        angles = mnist(condition, "--log-every", 1, "--metrics", "angle_dw_bp")
        for layer in range(5):
            for number in ("0", "1"):
                single = [float(r["value"]) for r in select(angles, "angle_dw_bp", layer=layer, run=number)]
                mine = select(rows, "angle_dw_bp", condition=condition, layer=layer, run=number)
                # iteration k has the mean over k - 59 to k
                assert [int(r["iteration"]) for r in mine] == [60, 80], mine
                for r in mine:
                    k = int(r["iteration"])
                    assert abs(float(r["value"]) - sum(single[k - 59:k + 1]) / 60) < 1e-5, (r, condition)
    assert not [r for r in select(rows, "angle_dw_bp") if r["condition"].startswith("bp")]


def test_files():
    there = sorted(os.listdir(path("results")))
    pictures = ["weight_norm.png", "weight_norm.svg"] if DRAWS else []
    assert there == sorted([*RESULTS, *pictures, "weight_norm.runs"]), there
    config = json.loads(read("results", "weight_norm.json"))
    assert config["program"] == "weight_norm" and config["runs"] == 2 and config["epochs"] == EPOCHS
    for condition, (rule, eta, gamma) in CONDITIONS.items():
        assert config[condition + ".rule"] == rule and config[condition + ".eta"] == eta
        assert config.get(condition + ".gamma") == gamma
    rows, means = (rows_of(read("results", name)) for name in ("weight_norm.csv", "weight_norm.summary.csv"))
    fields = {"condition": "fa", "layer": 1, "iteration": EPOCHS}
    values = [float(r["value"]) for r in select(rows, "angle_w_b", **fields)]
    found = select(means, "angle_w_b", **fields)[0]
    assert found["n"] == "2" and abs(float(found["mean"]) - sum(values) / 2) < 1e-5
    if DRAWS:
        assert read("results", "weight_norm.png").startswith(b"\x89PNG")
        picture = read("results", "weight_norm.svg").decode()
        for words in ("layer 4, normalized", "BP, eta 0.0003, gamma 0.6", "test error (%)", "dW[l] with BP's"):
            assert words in picture.replace("&#39;", "'").replace("&apos;", "'"), words


def test_kept_runs_are_taken():
    before = read("results", "weight_norm.csv")
    assert "12 of 12 runs are there already" in figure("results", "--runs", 2, "--threads", 1).err
    assert read("results", "weight_norm.csv") == before
    os.remove(path("results", "weight_norm.runs", "bp-1.safetensors"))
    with open(path("results", "weight_norm.runs", "fa-0.safetensors"), "wb") as file:
        file.write(b"damaged")
    assert "10 of 12 runs are there already" in figure("results", "--runs", 2).err
    assert read("results", "weight_norm.csv") == before
    figure("results", "--runs", 3)
    rows = [r for r in rows_of(read("results", "weight_norm.csv")) if r["run"] != "2"]
    assert rows == rows_of(before)


def test_other_settings_are_done_anew():
    before = rows_of(read("results", "weight_norm.csv"))
    shutil.copytree(path("results"), path("other"))
    assert "already" not in figure("other", "--runs", 1, "--seed", 2).err
    assert len(kept("other")) == 18  # those of runs 1 and 2 wait for their seed
    assert rows_of(read("other", "weight_norm.csv")) != [r for r in before if r["run"] == "0"]


def test_interruption():
    longer = ["--runs", 1, "--epochs", 400, "--threads", 1]
    figure("whole", *longer)
    program = subprocess.Popen([WEIGHT_NORM, "--data", DATA, "--out", path("parts"), *map(str, longer)],
                               stderr=subprocess.PIPE)
    while not os.path.isdir(path("parts", "weight_norm.runs")) or not kept("parts"):
        assert program.poll() is None
        time.sleep(0.01)
    program.send_signal(signal.SIGINT)
    err = program.communicate(timeout=300)[1].decode()
    done = len(kept("parts"))
    assert program.returncode == 1 and 0 < done < 6, (program.returncode, done)
    assert f"interrupted: {done} of 6 runs are kept in {path('parts')}" in err, err
    assert not os.path.exists(path("parts", "weight_norm.csv"))
    assert f"{done} of 6 runs are there already" in figure("parts", *longer).err
    assert read("parts", "weight_norm.csv") == read("whole", "weight_norm.csv")


def analysis(epochs, *args):
    """The runs of the analyses that have the data in one order, by the other program."""
    return rows_of(run(MNIST, "--data", DATA, "--batch", TRAIN, "--hidden", "50,50,50,50", "--image-size", 15,
                       "--shuffle", "once", "--rule", "fa", "--eta", 0.0005, "--epochs", epochs, "--runs", 2,
                       *args).stdout)


def test_alignment_terms():
    make(PROGRAMS["alignment_terms"], "terms", "--runs", 2, "--epochs", 70)
    rows = rows_of(read("terms", "alignment_terms.csv"))
    traced = [1, 59, 60, 61, 120]
    for condition in ("unshuffled", "shuffled"):
        for layer in range(1, 5):
            mine = select(rows, "angle_t", condition=condition, layer=layer, run=1)
            found = {k: [int(r["order"]) for r in mine if r["iteration"] == str(k)] for k in range(71)}
            assert all(found[k] == ([o for o in traced if o <= k] if k % 10 == 0 and k < 70 else [])
                       for k in found if k != 66) and found[66] == list(range(1, 65))
    unshuffled = [{k: v for k, v in r.items() if k != "condition"} for r in rows if r["condition"] == "unshuffled"]
    want = analysis(70, "--terms-at", "10,60,66", "--orders", "1,2,33,59,60,64", "--metrics", "loss")
    terms = [r for r in select(want, "angle_t") if r["iteration"] == "66" or r["order"] in ("1", "59", "60")]
    assert len(terms) == 2 * 4 * (1 + 3 + 6)
    for r in terms:  # products of other sets of orders may be rounded otherwise
        fields = {k: r[k] for k in ("run", "iteration", "layer", "order")}
        found, = select(unshuffled, "angle_t", **fields)
        assert abs(float(found["value"]) - float(r["value"])) < 1e-6, (r, found)
    for name in ("angle_w_b", "angle_dw_b"):
        want = select(analysis(70, "--log-every", 10, "--metrics", name), name)
        assert [r for r in want if r["iteration"] != "70"] == [
            r for r in select(unshuffled, name) if r["iteration"] != "70"] != [], name


def test_autocorrelation():
    make(PROGRAMS["autocorrelation"], "autocorrelation", "--runs", 2, "--epochs", 65)
    rows = rows_of(read("autocorrelation", "autocorrelation.csv"))
    for layer in range(6):
        for lag in (1, 59, 60, 61, 120):
            for condition in ("unshuffled", "shuffled"):
                found = select(rows, "angle_l_lag", condition=condition, layer=layer, order=lag, run=0)
                assert [int(r["iteration"]) for r in found] == [k for k in range(10, 65, 10) if k >= lag], (layer, lag)
    # All points are one batch: unshuffled, L[0] is the same each time, and the other outputs change by learning alone.
    first = [float(r["value"]) for r in select(rows, "angle_l_lag", layer=0)]
    still = [float(r["value"]) for r in select(rows, "angle_l_lag", layer=0, condition="unshuffled")]
    assert len(first) == 2 * len(still) > 0 and max(still) < 1e-4 and sum(first) / len(first) > 5
    for layer in range(1, 6):
        values = {condition: [float(r["value"]) for r in select(rows, "angle_delta_lag", condition=condition,
                                                                layer=layer, order=1)]
                  for condition in ("unshuffled", "shuffled")}
        assert 0 < max(values["unshuffled"]) < min(values["shuffled"]), layer


def test_remainder():
    make(PROGRAMS["remainder"], "remainder", "--runs", 2, "--epochs", 31)
    rows = rows_of(read("remainder", "remainder.csv"))
    at = "0,10,20,30"
    names = ["angle_remainder", "norm_remainder", "angle_zero", "norm_zero"]
    assert {r["metric"] for r in rows} == {*names, "ratio_remainder", "ratio_zero"}
    want = analysis(31, "--terms-at", at, "--orders", 1, "--metrics", "loss")
    for name in names:
        assert [{**r, "condition": "unshuffled"} for r in select(want, name)] == select(rows, name), name
    for name in ("remainder", "zero"):
        for r in select(rows, "ratio_" + name):
            fields = {"run": r["run"], "iteration": r["iteration"], "layer": r["layer"]}
            norm, whole = (float(select(want, m, **fields)[0]["value"]) for m in ("norm_" + name, "norm_dw"))
            assert abs(float(r["value"]) - norm / whole) <= 1e-6 * norm / whole, r
        assert len(select(rows, "ratio_" + name)) == 4 * 4 * 2


def values(rows, metric, key, **fields):
    """The values of a metric by what the column `key` holds."""
    return {int(r[key]): float(r["value"]) for r in select(rows, metric, **fields)}


def test_disturbed_terms():
    make(PROGRAMS["disturbed_terms"], "disturbed", "--runs", 2, "--epochs", 71)
    rows = rows_of(read("disturbed", "disturbed_terms.csv"))
    kinds = ("linear", "fresh_feedback", "shuffled_rows")
    assert {r["metric"] for r in rows} == {"angle_w_b", "angle_t", *("angle_w_" + k for k in kinds),
                                           *("angle_t_" + k for k in kinds)}
    want = analysis(71, "--terms-at", "10,60,66", "--orders", "1,2,33,59,60,64", "--metrics", "loss")
    for metric in ("angle_t", "angle_t_linear"):
        found = [r for r in select(want, metric) if r["iteration"] == "66" or r["order"] in ("1", "59", "60")]
        for r in found:
            mine, = select(rows, metric, **{k: r[k] for k in ("run", "iteration", "layer", "order")})
            assert abs(float(mine["value"]) - float(r["value"])) < 1e-6, (r, mine)
    fresh = []
    for layer in range(1, 5):
        for number in (0, 1):
            where = {"layer": layer, "run": number}
            learnt = values(rows, "angle_w_b", "iteration", **where)
            assert sorted(learnt) == list(range(0, 71, 10))
            built = {k: values(rows, "angle_w_" + k, "iteration", **where) for k in kinds}
            # all begin as W; the angle of fresh feedback weights is another one
            for k in ("linear", "shuffled_rows"):
                assert abs(built[k][0] - learnt[0]) < 1e-5 and abs(built[k][70] - learnt[70]) > 1e-3, (k, where)
            assert abs(built["fresh_feedback"][0] - learnt[0]) > 1e-3
            for k in kinds:
                angles = values(rows, "angle_t_" + k, "order", iteration=66, **where)
                assert len(angles) == 64
                fresh += angles.values() if k == "fresh_feedback" else []
    # A batch of all points is the same at every lag: terms align with the feedback weights that they are made of. With
    # others their angles would be 90 on average, with a standard error of half a degree for eight pairs of matrices.
    assert sum(fresh) / len(fresh) < 87, sum(fresh) / len(fresh)


def test_label_shuffle():
    make(PROGRAMS["label_shuffle"], "labels", "--runs", 2, "--epochs", 80)
    rows = rows_of(read("labels", "label_shuffle.csv"))
    for percent in (0, 40, 100):
        want = analysis(80, "--label-shuffle", percent / 100, "--log-every", 20, "--metrics", "test_error,angle_w_b")
        mine = [r for r in rows if r["condition"] == str(percent)]
        assert select(mine, "angle_w_b") == [{**r, "condition": str(percent)} for r in select(want, "angle_w_b")] != []
        found = [r for r in select(mine, "test_error") if int(r["iteration"]) % 20 == 0]
        assert found == [{**r, "condition": str(percent)} for r in select(want, "test_error")
                         if int(r["iteration"]) % 20 == 0] != []
    assert {r["condition"] for r in select(rows, "angle_t")} == {"0", "100"}
    gap = {}
    for percent in (0, 100):
        mean = {}
        for group in ("within", "between"):
            where = {"condition": percent, "run": 1}
            middle, share = (values(rows, "pairs_s_l_" + what, "order", **where) for what in ("bin", group))
            assert sorted(middle) == sorted(share) == list(range(64)) and middle[3] == 3.5
            assert abs(sum(share.values()) - 1) < 1e-6
            mean[group] = sum(middle[i] * share[i] for i in middle)
        gap[percent] = mean["within"] - mean["between"]
    assert gap[0] > 5 and abs(gap[100]) < 1, gap  # pictures of one category are one picture with noise


def test_similarity():
    make(PROGRAMS["similarity"], "similarity", "--runs", 2, "--epochs", 25)
    rows = rows_of(read("similarity", "similarity.csv"))
    with gzip.open(path("data", "train-labels-idx1-ubyte.gz")) as file:
        labels = file.read()[8:]
    within = sum(labels.count(c) ** 2 for c in range(10))
    pairs = {"within": within, "between": TRAIN ** 2 - within}
    for layer in range(1, 5):
        for number in (0, 1):
            where = {"layer": layer, "run": number}
            # eq. 12: tr(M) is the sum of S_delta S_L over all pairs
            eigenvalue = values(rows, "mean_eigenvalue", "iteration", **where)
            product = {g: values(rows, "s_product_" + g, "iteration", **where) for g in pairs}
            assert sorted(eigenvalue) == [10, 20]
            for k, mean in eigenvalue.items():
                parts = [pairs[g] * product[g][k] for g in pairs]
                assert abs(50 * mean - sum(parts)) < 1e-5 * max(map(abs, parts)), (where, k)
        for s in ("s_l", "s_delta"):
            middle = values(rows, f"pairs_{s}_bin", "order", layer=layer, iteration=3, run=0)
            width = middle[1] - middle[0]
            for group in ("within", "between", "within_well", "within_poor", "between_well", "between_poor"):
                share = values(rows, f"pairs_{s}_{group}", "order", layer=layer, iteration=3, run=0)
                mean, = values(rows, f"mean_{s}_{group}", "layer", layer=layer, iteration=3, run=0).values()
                assert abs(sum(share.values()) - 1) < 1e-6, (s, group)  # none beyond the bins
                assert abs(sum(middle[i] * share[i] for i in share) - mean) < width / 2, (s, group, layer)
        assert len(values(rows, "norm_delta", "order", layer=layer, iteration=24, run=0)) == 20
    assert not select(rows, "pairs_s_l_bin", run=1) and select(rows, "mean_s_l_within", run=1)


def test_trajectories():
    make(PROGRAMS["trajectories"], "paths", "--quick", "--epochs", 200)
    rows = rows_of(read("paths", "trajectories.csv"))
    taken = [*range(0, 200, 3), 200]
    for condition in ("fa-and-bp", "fa-and-normalized"):
        mine = [r for r in rows if r["condition"] == condition]
        shares = values(mine, "explained", "order")
        assert 0 < shares[2] < shares[1] and sum(shares.values()) <= 1, shares
        places = [{axis: values(mine, f"path_{axis}", "iteration", order=i) for axis in ("pc1", "pc2")}
                  for i in (0, 1)]
        assert all(list(p[axis]) == taken for p in places for axis in p)
        for axis in ("pc1", "pc2"):  # centred
            assert abs(sum(sum(p[axis].values()) for p in places)) < 1e-3
        apart = [sum((places[0][axis][k] - places[1][axis][k]) ** 2 for axis in ("pc1", "pc2")) for k in (0, 200)]
        assert (apart[0] < 1e-8) == (condition == "fa-and-bp") and apart[1] > 0.01, apart
        arrows = values(mine, "bp_update_pc1", "iteration", order=1)
        assert sorted(arrows) == [0, 75, 150]
        assert len(select(mine, "feedback_pc1")) == (1 if condition == "fa-and-bp" else 2)
        side = 20
        loss = {(int(r["layer"]), int(r["order"])): float(r["value"]) for r in select(mine, "half_norm_e")}
        assert len(loss) == side ** 2
        lowest = [(i, j) for i in range(1, side - 1) for j in range(1, side - 1)
                  if all(loss[i, j] <= loss[i + a, j + b] for a in (-1, 0, 1) for b in (-1, 0, 1))]
        found = list(zip(*(values(mine, f"minimum_{axis}", "order").values() for axis in ("pc2", "pc1"))))
        assert len(found) == len(lowest)
        for place, at in zip(found, lowest):
            assert all(abs(x - (-20 + 40 * i / (side - 1))) < 1e-5 for x, i in zip(place, at)), (place, at)


def test_synthetic_data():
    """Points of two batches are of one category in a tenth of all pairs, which sets the angle of L[0] with itself."""
    make(PROGRAMS["autocorrelation"], "synthetic", "--data", "synthetic:0.6,0.2", "--runs", 1, "--epochs", 1)
    rows = rows_of(read("synthetic", "autocorrelation.csv"))
    assert json.loads(read("synthetic", "autocorrelation.json"))["data"] == "synthetic:0.6,0.2"
    angles = values(rows, "angle_l_lag", "iteration", condition="shuffled", layer=0, order=1)
    want = math.degrees(math.acos(0.1 * 0.6 + 0.9 * 0.2))
    mean = sum(angles.values()) / len(angles)
    assert len(angles) == 5 and abs(mean - want) < 1, (mean, want)  # centres of 225 numbers: a s.d. of about 0.3
    for wrong in ("synthetic:0.2,0.6", "synthetic:1.5,0", "synthetic:nan,0", "synthetic:0.5", "synthetic:0.5,0.1,2"):
        refused(make(PROGRAMS["autocorrelation"], "wrong", "--data", wrong, code=2), wrong, "synthetic:WITHIN,BETWEEN")


def test_options():
    """All programs take the same, but for what would mean nothing."""
    without = {"product_angle": {"epochs", "data"}, "similarity_gap": {"data"}}
    for name in set(PROGRAMS) - {"mnist"}:
        words = run(PROGRAMS[name], "--help").stdout.decode()
        for option in ("runs", "epochs", "seed", "threads", "data", "out", "quick"):
            takes = re.search(rf"^  --{option}\b", words, re.MULTILINE) is not None
            assert takes == (option not in without.get(name, ())), (name, option)


def test_progress():
    command = [WEIGHT_NORM, "--data", DATA, "--epochs", 200, "--runs", 1, "--threads", 1]
    text = on_terminal(*command, "--out", path("shown"), code=0 if DRAWS else 1).replace("\033[K", "")
    assert re.search(r"\rweight_norm: [1-5] of 6 runs done, now \S+, \d+:\d\d left", text), text
    assert "\r" not in run(command[0], *command[1:], "--out", path("silent"), code=0 if DRAWS else 1).err


def test_without_gnuplot():
    done = figure("undrawn", "--runs", 1, env={"PATH": os.path.dirname(shutil.which("false")) + "/none"}, code=1)
    assert done.err.splitlines()[-1].count("gnuplot is not installed"), done.err
    assert all(os.path.exists(path("undrawn", name)) for name in RESULTS)


def test_refusals():
    with open(path("file"), "w"):
        pass
    refused(figure("file", code=1), path("file"), "directory")
    refused(figure("missing/x", code=1), "missing/x")
    refused(run(WEIGHT_NORM, "--quick=2", code=2), "--quick takes no value")
    refused(figure("nothing", "--runs", 0, code=2), "--runs '0'")
    refused(run(WEIGHT_NORM, "--data", path("none"), "--out", path("nothing"), code=1), path("none"))
    if os.path.exists("/dev/full"):
        os.makedirs(path("full", "weight_norm.runs"))
        os.symlink("/dev/full", path("full", "weight_norm.csv"))
        assert "weight_norm.csv" in figure("full", "--runs", 1, code=1).err
    os.makedirs(path("blocked", "weight_norm.runs", "fa-0.safetensors"))
    refused(figure("blocked", "--runs", 1, code=1), "fa, run 0", "fa-0.safetensors")
    words = run(WEIGHT_NORM, "--help").stdout.decode()
    assert "10 runs of 100 epochs" in words and "--quick" in words


if __name__ == "__main__":
    main(globals(), WORK, lambda: make_data(DATA))
