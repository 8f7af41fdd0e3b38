#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the example programs by their command lines.

usage: test_examples.py MNIST OPEN_LOOP

Only Python's own library is used; the data are a small synthetic set in MNIST's format.
"""

import gzip
import json
import math
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from toy import SIDE, TRAIN, Skip, main, make_data, on_terminal, refused, rows_of, run, select  # noqa: E402

MNIST, OPEN_LOOP = (os.path.abspath(path) for path in sys.argv[1:3])
WORK = tempfile.mkdtemp(prefix="falign-examples-")
DATA = os.path.join(WORK, "data")
# 6 batches in an epoch; three layers of weights.
SMALL = ["--data", DATA, "--batch", "50", "--hidden", "12,12", "--image-size", "7", "--eta", "0.005"]
HEADER = "run,iteration,epoch,layer,order,metric,value"


def path(name):
    return os.path.join(WORK, name)


def read(name):
    with open(path(name), "rb") as file:
        return file.read()


# ---- Data ----

def read_training_set():
    with gzip.open(os.path.join(DATA, "train-images-idx3-ubyte.gz")) as file:
        pixels = file.read()[16:]
    with gzip.open(os.path.join(DATA, "train-labels-idx1-ubyte.gz")) as file:
        labels = file.read()[8:]
    size = SIDE * SIDE
    return [[p / 255 for p in pixels[i * size:(i + 1) * size]] for i in range(TRAIN)], list(labels)


# ---- Programs ----

def mnist(*args, **keywords):
    return run(MNIST, *SMALL, *args, **keywords)


def have_threads():
    return subprocess.run([MNIST, *SMALL, "--epochs", "0", "--threads", "3"], capture_output=True).returncode == 0


def need_threads():
    if not have_threads():
        raise Skip("a build without threads")


# ---- Safetensors ----

SIZES = {"F32": ("f", 4), "F64": ("d", 8), "I64": ("q", 8)}


def load_tensors(name):
    raw = read(name)
    length = struct.unpack("<Q", raw[:8])[0]
    header, data = json.loads(raw[8:8 + length]), raw[8 + length:]
    header.pop("__metadata__", None)
    out = {}
    for key, entry in header.items():
        first, last = entry["data_offsets"]
        letter, size = SIZES[entry["dtype"]]
        values = struct.unpack(f"<{(last - first) // size}{letter}", data[first:last])
        out[key] = (entry["dtype"], entry["shape"], list(values))
    return out


def save_tensors(name, tensors):
    header, data = {}, b""
    for key, (dtype, shape, values) in tensors.items():
        packed = struct.pack(f"<{len(values)}{SIZES[dtype][0]}", *values)
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    with open(path(name), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def column_norms(tensor):
    _, (rows, cols), values = tensor
    return [math.sqrt(sum(values[i * cols + j] ** 2 for i in range(rows))) for j in range(cols)]


# ---- Command lines ----

def test_wrong_usage():
    both = [
        (["--bogus", "1"], "bogus"), (["--bogus=1"], "bogus"), (["-x"], "-x"), (["positional"], "positional"),
        (["--"], "--"), (["--seed"], "--seed"), (["--seed", "--runs", "2"], "--seed"),
        (["--seed", "-1"], "--seed '-1'"),
        (["--seed", "18446744073709551616"], "--seed"), (["--seed="], "--seed ''"), (["--seed", "1x"], "--seed '1x'"),
        (["--seed", "0x10"], "--seed '0x10'"), (["--seed", " 1"], "--seed ' 1'"), (["--seed", "+1"], "--seed '+1'"),
        (["--seed", "1.0"], "--seed '1.0'"), (["--eta", "abc"], "--eta 'abc'"), (["--eta", "-0.1"], "--eta '-0.1'"),
        (["--eta", "nan"], "--eta 'nan'"), (["--eta", "inf"], "--eta 'inf'"), (["--eta", "1e999"], "--eta '1e999'"),
        (["--eta", ""], "--eta ''"), (["--eta", "0.1 "], "--eta '0.1 '"), (["--eta", "0x1p3"], "--eta '0x1p3'"),
        (["--eta", "1e"], "--eta '1e'"), (["--runs", "0"], "--runs '0'"), (["--runs", "1e3"], "--runs '1e3'"),
        (["--iterations", "-5"], "--iterations '-5'"), (["--iterations", "ten"], "--iterations 'ten'"),
        (["--precision", "f16"], "--precision 'f16'"), (["--precision", ""], "--precision ''"),
        (["--plot", "x.pdf"], "--plot 'x.pdf'"), (["--plot", "svg"], "--plot 'svg'"), (["--out="], "--out ''"),
    ]
    only_mnist = [
        (["--rule", "fb"], "--rule 'fb'"), (["--rule", "f"], "--rule 'f'"), (["--rule", "fa|dfa"], "--rule 'fa|dfa'"),
        (["--norm", "rows"], "--norm 'rows'"), (["--gamma", "0"], "--gamma '0'"), (["--gamma", "-1"], "--gamma '-1'"),
        (["--normalize-feedback", "maybe"], "--normalize-feedback 'maybe'"), (["--epochs", "-1"], "--epochs '-1'"),
        (["--epochs", "1.5"], "--epochs '1.5'"), (["--epochs", "1", "--iterations", "1"], "--iterations"),
        (["--batch", "0"], "--batch '0'"), (["--batch", "301"], "--batch '301'"),
        (["--hidden", ""], "--hidden ''"), (["--hidden", "5,,5"], "--hidden ''"), (["--hidden", "5,"], "--hidden ''"),
        (["--hidden", "0"], "--hidden '0'"), (["--hidden", "5;5"], "--hidden '5;5'"),
        (["--hidden", ",".join(["5"] * 64)], "--hidden"), (["--activation", "sigmoid"], "--activation 'sigmoid'"),
        (["--hot", "0"], "--hot '0'"), (["--hot", "6"], "--hot '6'"), (["--image-size", "0"], "--image-size '0'"),
        (["--image-size", "257"], "--image-size '257'"), (["--init-sd", "-1"], "--init-sd '-1'"),
        (["--shuffle", "yes"], "--shuffle 'yes'"), (["--label-shuffle", "1.1"], "--label-shuffle '1.1'"),
        (["--label-shuffle", "-0.1"], "--label-shuffle"), (["--label-smoothing", "0.6"], "--label-smoothing '0.6'"),
        (["--backend", "nope"], "--backend 'nope'"), (["--threads", "0"], "--threads '0'"),
        (["--threads", "1025"], "--threads '1025'"), (["--log-every", "0"], "--log-every '0'"),
        (["--metrics", "loss,nope"], "--metrics 'nope'"), (["--metrics", "loss,"], "--metrics ''"),
        (["--metrics", "all,loss"], "--metrics 'all'"), (["--checkpoint-every", "0"], "--checkpoint-every '0'"),
        (["--save", "x.safetensors", "--runs", "2"], "--save"),
        (["--terms-at", "3", "--rule", "bp"], "bp has no feedback"), (["--terms-at", "x"], "--terms-at 'x'"),
        (["--terms-at", "3,"], "--terms-at ''"), (["--terms-at", "-1"], "--terms-at '-1'"),
        (["--terms-at", "2,6", "--epochs", "1"], "--terms-at '6'"),
        (["--terms-at", "0", "--iterations", "0"], "--terms-at '0'"),
        (["--terms-at", "3", "--hidden", "none"], "hidden layer"),
        (["--terms-at", "3", "--resume", "x"], "--resume"), (["--orders", "0", "--terms-at", "3"], "--orders '0'"),
        (["--orders", "1,4", "--terms-at", "3"], "--orders '4'"), (["--orders", "some"], "--orders 'some'"),
        (["--orders", "2,1,2", "--terms-at", "3"], "--orders has '2' twice"),
    ]
    only_open_loop = [
        (["--condition", "none"], "--condition 'none'"), (["--condition", "con"], "--condition 'con'"),
        (["--rule", "fa"], "rule"), (["--data", DATA], "data"),
    ]
    out = path("usage.csv")
    for args, word in both + only_mnist:
        done = mnist("--out", out, *args, code=2)
        refused(done, word, "mnist --help")
        assert done.stdout == b""
    for args, word in both + only_open_loop:
        refused(run(OPEN_LOOP, "--out", out, *args, code=2), word, "open_loop --help")
    assert not os.path.exists(out)


def test_wrong_usage_is_found_before_anything_else():
    refused(run(MNIST, "--data", "/nowhere", "--load", "/nowhere", "--hot", "6", code=2), "--hot")
    refused(run(MNIST, "--data", "/nowhere", "--metrics", "x", code=2), "--metrics")


def test_help():
    options = {MNIST: "data rule norm gamma normalize-feedback eta epochs iterations batch hidden activation hot "
                      "image-size init-sd shuffle label-shuffle label-smoothing runs seed precision backend threads "
                      "log-every metrics terms-at orders out plot load save checkpoint checkpoint-every resume",
               OPEN_LOOP: "condition eta iterations runs seed precision out plot"}
    for program, names in options.items():
        done = run(program, "--help")
        text = done.stdout.decode()
        assert done.err == ""
        for name in names.split() + ["help", "version"]:
            assert f"--{name} " in text, name
        assert all(len(line) <= 110 for line in text.splitlines())
        assert run(program, "--version").stdout.startswith(os.path.basename(program).encode())
    text = run(MNIST, "--help").stdout.decode()
    for metric in "test_error loss angle_w_b angle_dw_bp norm_w".split():
        assert f"\n  {metric} " in text, metric
    assert "0.0004" in run(OPEN_LOOP, "--help").stdout.decode()


def test_called_by_another_name():
    name = path("falign-open_loop")
    os.symlink(OPEN_LOOP, name)
    assert run(name, "--help").stdout.startswith(b"Usage: falign-open_loop [OPTION")
    assert re.fullmatch(rb"falign-open_loop \(libfalign \d+\.\d+\.\d+\)\n", run(name, "--version").stdout)
    refused(run(name, "--runs", "0", code=2), "falign-open_loop: ", "(try 'falign-open_loop --help')")
    refused(run(OPEN_LOOP, "--plot", "a.svg", "--out", "a.svg", code=2), "--out and --plot are both 'a.svg'")
    refused(run(name, "--plot", "a.gif", code=2), "falign-open_loop: ", "(try 'falign-open_loop --help')")


def test_defaults_and_spelling():
    same = [mnist("--iterations", "7").stdout,
            mnist("--iterations=7", "--rule=fa", "--norm=none", "--shuffle=none", "--seed=1", "--runs=1",
                  "--log-every=6", "--metrics=test_error,loss,angle_w_b", "--precision=f32", "--backend=auto",
                  "--init-sd=0.1", "--activation=tanh-relu", "--hot=5", "--normalize-feedback=no", "--gamma=3").stdout,
            mnist("--seed", "9", "--seed", "1", "--iterations", "7",
                  "--metrics", "loss,angle_w_b,loss,test_error").stdout]
    assert same[0] == same[1] == same[2]
    assert mnist("--iterations", "7", "--seed", "2").stdout != same[0]


# ---- Tables ----

def check_table(text, digits):
    assert text.startswith((HEADER + "\n").encode())
    rows = rows_of(text)
    order = [(int(r["run"]), int(r["iteration"])) for r in rows]
    assert order == sorted(order)
    for r in rows:
        assert r["layer"] == "" or r["layer"].isdigit()
        assert r["order"] == "" or r["order"].isdigit()
        assert r["value"] == "nan" or r["value"] == f"{float(r['value']):.{digits}g}"
        assert r["epoch"] == f"{int(r['iteration']) / 6:.{digits}g}"
    return rows


def test_rows():
    rows = check_table(mnist("--epochs", "3", "--log-every", "4").stdout, 9)
    every_4 = [0, 4, 8, 12, 16]
    assert [int(r["iteration"]) for r in select(rows, "test_error")] == [0, 6, 12, 18]
    assert [int(r["iteration"]) for r in select(rows, "loss")] == every_4
    for layer in (1, 2):
        assert [int(r["iteration"]) for r in select(rows, "angle_w_b", layer=layer)] == every_4 + [18]
    assert len(rows) == 4 + 5 + 2 * 6
    assert [r["epoch"] for r in select(rows, "test_error")] == ["0", "1", "2", "3"]
    errors = [float(r["value"]) for r in select(rows, "test_error")]
    assert all(0 <= e <= 100 for e in errors)
    assert all(r["layer"] == "" and r["order"] == "" for r in select(rows, "loss"))


def test_learning():
    for rule in ("bp", "fa", "dfa"):
        args = ["--rule", rule, "--image-size", "14", "--hidden", "30", "--eta", "0.002", "--epochs", "40"]
        errors = [float(r["value"]) for r in select(rows_of(mnist(*args).stdout), "test_error")]
        assert errors[0] > 50 and errors[-1] < 15, (rule, errors)


def test_rows_of_runs():
    rows = check_table(mnist("--epochs", "1", "--runs", "3", "--precision", "f64").stdout, 17)
    assert [r["run"] for r in select(rows, "test_error")] == ["0", "0", "1", "1", "2", "2"]
    single = check_table(mnist("--epochs", "1", "--precision", "f64").stdout, 17)
    assert [r for r in rows if r["run"] == "0"] == single
    starts = {r["value"] for r in select(rows, "angle_w_b", iteration=0, layer=1)}
    assert len(starts) == 3


def without_threads(name):
    """A configuration without what may differ between calls that must give the same."""
    return {key: value for key, value in json.loads(read(name)).items() if key != "threads"}


def test_runs_at_once():
    """As many threads as runs, fewer, more, and with some runs left over for the last threads."""
    need_threads()
    for more in (["--shuffle", "epoch", "--label-shuffle", "0.2", "--metrics", "all"],
                 ["--rule", "dfa", "--precision", "f64", "--norm", "columns", "--batch", "130"]):
        args = ["--epochs", "4", "--log-every", "4", *more]
        mnist(*args, "--runs", "5", "--threads", "1", "--out", path("one.csv"))
        for threads in (2, 3, 4, 5, 12):
            mnist(*args, "--runs", "5", "--threads", threads, "--out", path("many.csv"))
            for name in ("csv", "summary.csv"):
                assert read(f"many.{name}") == read(f"one.{name}"), (threads, name)
            assert without_threads("many.json") == without_threads("one.json")
            assert json.loads(read("many.json"))["threads"] == threads
        table = read("one.csv")
        for runs in range(1, 5):
            assert table.startswith(mnist(*args, "--runs", runs, "--threads", "2").stdout), runs
        assert mnist(*args, "--runs", "5").stdout == table


def test_runs_that_go_one_by_one():
    """What holds one run at a time gives the same, whatever the threads."""
    need_threads()
    table = mnist("--epochs", "2", "--runs", "3", "--threads", "1").stdout
    assert mnist("--epochs", "2", "--runs", "3", "--threads", "3", "--checkpoint", path("ck")).stdout == table
    assert mnist("--epochs", "2", "--runs", "3", "--threads", "2", "--resume", path("ck")).stdout == table
    args = ["--epochs", "1", "--runs", "3", "--terms-at", "4"]
    assert mnist(*args, "--threads", "1").stdout == mnist(*args, "--threads", "3").stdout
    mnist("--epochs", "1", "--save", path("every"))
    args = ["--epochs", "1", "--runs", "3", "--load", path("every")]
    assert mnist(*args, "--threads", "1").stdout == mnist(*args, "--threads", "3").stdout


def test_no_training():
    for args in (["--epochs", "0"], ["--iterations", "0"]):
        rows = rows_of(mnist(*args).stdout)
        assert [(r["iteration"], r["metric"]) for r in rows] == [("0", "test_error")] + [("0", "angle_w_b")] * 2


def test_last_batch_may_be_smaller():
    rows = rows_of(run(MNIST, "--data", DATA, "--batch", "70", "--hidden", "12", "--epochs", "2",
                       "--log-every", "1").stdout)
    assert [int(r["iteration"]) for r in select(rows, "test_error")] == [0, 5, 10]
    losses = [float(r["value"]) for r in select(rows, "loss")]
    assert len(losses) == 10 and losses[4] < losses[3] / 2 and losses[9] < losses[8] / 2
    assert rows_of(run(MNIST, "--data", DATA, "--batch", TRAIN, "--epochs", "1").stdout)[-1]["iteration"] == "1"


def test_metrics():
    assert {r["metric"] for r in rows_of(mnist("--epochs", "1", "--metrics", "loss").stdout)} == {"loss"}
    rows = check_table(mnist("--epochs", "1", "--metrics", "all").stdout, 9)
    listed = [line.split()[0] for line in run(MNIST, "--help").stdout.decode().split("\nMetrics")[1].split("\nAlignment")[0].splitlines()
              if line.startswith("  ")]
    assert {r["metric"] for r in rows} == {m for m in listed if not m.endswith(("_w_f", "_w_q", "_f_perp"))}
    rows = rows_of(mnist("--epochs", "1", "--rule", "bp", "--metrics", "test_error,angle_w_b,angle_dw_bp").stdout)
    assert not select(rows, "angle_w_b")
    assert all(float(r["value"]) < 1e-3 for r in select(rows, "angle_dw_bp"))
    rows = rows_of(mnist("--epochs", "1", "--rule", "dfa", "--metrics", "angle_w_f").stdout)
    assert [(r["iteration"], r["layer"]) for r in rows] == [("0", "1"), ("0", "2"), ("6", "1"), ("6", "2")]


def test_files():
    done = mnist("--epochs", "2", "--runs", "2", "--threads", "1", "--out", path("t.csv"))
    assert done.stdout == b""
    assert "test_error" in done.err and "angle_w_b, layer 2" in done.err and "+-" in done.err
    table = read("t.csv")
    assert table == mnist("--epochs", "2", "--runs", "2").stdout
    config = json.loads(read("t.json"))
    expected = {"rule": "fa", "norm": "none", "gamma": 1, "normalize-feedback": "no", "eta": 0.005, "batch": 50,
                "hidden": "12,12", "activation": "tanh-relu", "hot": 5, "image-size": 7, "init-sd": 0.1,
                "shuffle": "none", "label-shuffle": 0, "label-smoothing": 0, "seed": 1, "precision": "f32", "epochs": 2,
                "iterations": 12, "runs": 2, "threads": 1, "log-every": 6, "metrics": "test_error,loss,angle_w_b",
                "data": DATA, "program": "mnist"}
    for name, value in expected.items():
        assert config[name] == value, (name, config[name])
    assert run(MNIST, "--version").stdout.decode().strip().endswith(config["version"] + ")")
    assert config["backend"] in ("auto", "builtin", "cblas") and config["backend-detail"] and config["backend-threads"] == 1
    assert len(config["training-data"]) == 16 and config["training-data"] != config["test-data"]
    summary = rows_of(read("t.summary.csv"))
    assert list(summary[0]) == "iteration,epoch,layer,order,metric,mean,sd,n".split(",")
    errors = [float(r["value"]) for r in select(rows_of(table), "test_error", iteration=12)]
    last = select(summary, "test_error", iteration=12)[0]
    assert abs(float(last["mean"]) - sum(errors) / 2) < 1e-6 and last["n"] == "2"
    mnist("--epochs", "0", "--out", path("other.name"))
    for name in ("other.name", "other.name.json", "other.name.summary.csv"):
        assert os.path.exists(path(name)), name


def test_large_seed():
    mnist("--epochs", "0", "--seed", 2 ** 64 - 1, "--out", path("seed.csv"))
    assert str(json.loads(read("seed.json"))["seed"]) == str(2 ** 64 - 1)


def test_devices_get_nothing_beside():
    before = set(os.listdir("/dev"))
    plain = mnist("--epochs", "1").stdout
    assert mnist("--epochs", "1", "--out", "/dev/stdout").stdout == plain
    with open(path("redirected.csv"), "wb") as file:
        mnist("--epochs", "1", "--out", "/dev/stdout", stdout=file)
    assert read("redirected.csv") == plain
    mnist("--epochs", "0", "--out", "/dev/null")
    assert set(os.listdir("/dev")) == before
    assert not os.path.exists(path("redirected.json"))


def test_full_disk():
    if not os.path.exists("/dev/full"):
        raise Skip("no /dev/full")
    for option in ("--out", "--save", "--checkpoint"):
        assert "/dev/full" in mnist("--epochs", "1", option, "/dev/full", code=1).err, option
    assert "/dev/full" in run(OPEN_LOOP, "--iterations", "2", "--out", "/dev/full", code=1).err
    with open("/dev/full", "wb") as full:
        for args in ([MNIST, *SMALL, "--epochs", "1"], [OPEN_LOOP, "--iterations", "2"], [MNIST, "--help"],
                     [OPEN_LOOP, "--version"]):
            assert "standard output" in run(*args, code=1, stdout=full).err, args


def test_places_that_cannot_be_written():
    for option in ("--out", "--save", "--checkpoint", "--plot"):
        name = path("missing/x.svg")
        refused(mnist("--epochs", "1", option, name, code=1), name)
    os.mkdir(path("folder.svg"))
    for option in ("--out", "--save", "--checkpoint", "--plot"):
        refused(mnist("--epochs", "1", option, path("folder.svg"), code=1), "folder.svg", "directory")


def test_working_directory():
    os.mkdir(path("here"))
    mnist("--epochs", "1", "--out", "a.csv", "--save", "a.safetensors", "--checkpoint", "a.checkpoint",
          cwd=path("here"))
    assert sorted(os.listdir(path("here"))) == ["a.checkpoint", "a.csv", "a.json", "a.safetensors", "a.summary.csv"]


# ---- Training ----

def test_threads_and_backends():
    need_threads()
    backends = run(MNIST, "--help").stdout.decode().split("Backends: ")[1].splitlines()[0].split(", ")
    for backend in backends:
        for precision in ("f32", "f64"):
            results = set()
            for threads in (1, 2, 3):
                table = mnist("--epochs", "2", "--threads", threads, "--backend", backend, "--precision", precision,
                              "--save", path("threads"), "--batch", "250").stdout
                results.add((table, read("threads")))
            assert len(results) == 1, backend


def multiply(a, b):
    columns = list(zip(*b))
    return [[math.fsum(x * y for x, y in zip(row, column)) for column in columns] for row in a]


def transpose(a):
    return [list(row) for row in zip(*a)]


def matrix(tensor):
    _, (rows, cols), values = tensor
    return [values[i * cols:(i + 1) * cols] for i in range(rows)]


def one_step(rule, start, x, labels, smoothing, eta):
    """One update in plain Python, for the activation tanh."""
    d = sum(name.startswith("W.") for name in start)
    w = [matrix(start[f"W.{l}"]) for l in range(d)]
    b = [None] + [start[f"b.{l}"][2] for l in range(1, d + 1)]
    outputs = [x]
    for l in range(d):
        z = multiply(outputs[l], w[l])
        outputs.append([[math.tanh(v + bias) for v, bias in zip(row, b[l + 1])] for row in z])
    code = matrix(start["code"])
    targets = [[c + smoothing * (1 - 2 * c) for c in code[label]] for label in labels]
    signal_ = [[t - y for t, y in zip(*pair)] for pair in zip(targets, outputs[d])]
    new, last = {}, None
    for l in range(d, 0, -1):
        delta = [[s * (1 - y * y) for s, y in zip(*pair)] for pair in zip(signal_, outputs[l])]
        last = last or delta
        update = multiply(transpose(outputs[l - 1]), delta)
        new[f"W.{l - 1}"] = [v + eta * u for row, urow in zip(w[l - 1], update) for v, u in zip(row, urow)]
        new[f"b.{l}"] = [v + eta * math.fsum(column) for v, column in zip(b[l], zip(*delta))]
        if l > 1 and rule == "bp":
            signal_ = multiply(delta, transpose(w[l - 1]))
        if l > 1 and rule == "fa":
            signal_ = multiply(delta, matrix(start[f"B.{l - 1}"]))
        if l > 1 and rule == "dfa":
            signal_ = multiply(last, matrix(start[f"F.{l - 1}"]))
    return new


def test_first_update():
    images, labels = read_training_set()
    args = ["--data", DATA, "--batch", "7", "--hidden", "6,5", "--image-size", "28", "--eta", "0.003",
            "--precision", "f64", "--activation", "tanh", "--label-smoothing", "0.05", "--metrics", "loss"]
    for rule in ("bp", "fa", "dfa"):
        run(MNIST, *args, "--rule", rule, "--iterations", "0", "--save", path("k0"))
        run(MNIST, *args, "--rule", rule, "--iterations", "1", "--save", path("k1"))
        start, after = load_tensors("k0"), load_tensors("k1")
        for name, values in one_step(rule, start, images[:7], labels[:7], 0.05, 0.003).items():
            assert max(abs(a - b) for a, b in zip(values, after[name][2])) < 1e-13, (rule, name)
        for name in start:
            if name[0] in "BFc":
                assert start[name] == after[name], name


def solve(a, b):
    """X with a X = b, by elimination with pivots."""
    rows = [list(x) + list(y) for x, y in zip(a, b)]
    for i in range(len(rows)):
        pivot = max(range(i, len(rows)), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(len(rows)):
            if r != i:
                factor = rows[r][i]
                rows[r] = [v - factor * p for v, p in zip(rows[r], rows[i])]
    return [row[len(a):] for row in rows]


def each(function, *matrices):
    return [[function(*values) for values in zip(*rows)] for rows in zip(*matrices)]


def activity(rule, tensors, x, labels):
    """L[0..d] and delta[1..d] of one batch in plain Python, for the activation tanh."""
    d = sum(name.startswith("W.") for name in tensors)
    outputs, delta = [x], [None] * (d + 1)
    for l in range(d):
        z = multiply(outputs[l], matrix(tensors[f"W.{l}"]))
        outputs.append([[math.tanh(v + b) for v, b in zip(row, tensors[f"b.{l + 1}"][2])] for row in z])
    code = matrix(tensors["code"])
    signal_ = each(lambda t, y: t - y, [code[label] for label in labels], outputs[d])
    for l in range(d, 0, -1):
        delta[l] = each(lambda s, y: s * (1 - y * y), signal_, outputs[l])
        if l > 1:
            letter, above = ("B", l) if rule == "fa" else ("F", d)
            signal_ = multiply(delta[above], matrix(tensors[f"{letter}.{l - 1}"]))
    return outputs, delta


def terms_in_python(rule, past, l, eta):
    """What --terms-at measures in the last of the steps of `past`: pairs (tensors, (L, delta)), by eqs. 3 to 5 and 11."""
    tensors, (outputs, delta) = past[-1]
    k, d = len(past) - 1, len(outputs) - 1
    bias = tensors[f"b.{l}"][2]

    def zeta(o):
        states = multiply(outputs[l - 1], matrix(past[k - o][0][f"W.{l - 1}"]))
        return [[z + b for z, b in zip(row, bias)] for row in states]

    def project(a):
        return each(lambda v: eta * v, multiply(transpose(a), delta[l + 1]))

    found, total, linear_total = {}, None, None
    for o in range(1, k + 1):
        then_out, then_delta = past[k - o][1]
        similar = multiply(outputs[l - 1], transpose(then_out[l - 1]))  # nb x nb
        step = each(lambda v: eta * v, multiply(similar, then_delta[l]))
        t = project(each(lambda z, s: (1 - math.tanh(z) ** 2) * s, zeta(o), step))
        above, letter = (l + 1, "B") if rule == "fa" else (d, "F")
        sent = multiply(then_delta[above], matrix(tensors[f"{letter}.{l}"]))
        linear = project(each(lambda v: eta * v, multiply(similar, sent)))
        found["t", o], found["t_linear", o] = t, linear
        total = t if total is None else each(lambda a, b: a + b, total, t)
        linear_total = linear if linear_total is None else each(lambda a, b: a + b, linear_total, linear)
    found["zero", None] = project(each(math.tanh, zeta(k)))
    found["sum_t", None], found["sum_t_linear", None] = total, linear_total
    found["dw", None] = project(outputs[l])
    found["remainder", None] = each(lambda a, b, c: a - b - c, found["dw", None], total, found["zero", None])
    return found


def angle_between(a, b):
    inner = math.fsum(x * y for rows in zip(a, b) for x, y in zip(*rows))
    return math.degrees(math.acos(inner / (norm(a) * norm(b))))


def norm(a):
    return math.sqrt(math.fsum(v * v for row in a for v in row))


def test_alignment_terms():
    images, labels = read_training_set()
    args = ["--data", DATA, "--batch", "7", "--hidden", "6,5", "--image-size", "28", "--eta", "0.01",
            "--precision", "f64", "--activation", "tanh", "--metrics", "norm_dw"]
    for rule in ("fa", "dfa"):
        past = []
        for k in range(4):
            run(MNIST, *args, "--rule", rule, "--iterations", k, "--save", path("past"))
            tensors = load_tensors("past")
            past.append((tensors, activity(rule, tensors, images[7 * k:7 * k + 7], labels[7 * k:7 * k + 7])))
        for load in ([], ["--load", path("start")]):
            run(MNIST, *args, "--rule", rule, "--iterations", "0", "--save", path("start"))
            done = run(MNIST, *args, "--rule", rule, "--iterations", "5", "--terms-at", "3,0", "--log-every", "100", *load)
            if rule == "dfa" and b"LAPACK" in done.stderr:
                raise Skip("no LAPACK")
            rows = rows_of(done.stdout)
            for l in (1, 2):
                against = transpose(matrix(past[0][0][f"{'B' if rule == 'fa' else 'F'}.{l}"]))
                if rule == "dfa" and l == 1:  # Q of least squares
                    above, here = (matrix(past[0][0][f"F.{i}"]) for i in (2, 1))
                    against = transpose(solve(multiply(transpose(above), above), multiply(transpose(above), here)))
                for (name, order), t in terms_in_python(rule, past, l, 0.01).items():
                    fields = dict(iteration="3", layer=str(l), order="" if order is None else str(order))
                    if name != "sum_t_linear":
                        (row,) = select(rows, "norm_" + name, **fields)
                        assert abs(float(row["value"]) - norm(t)) < 1e-10 * norm(t) + 1e-16, (rule, l, name, order)
                    if name != "dw":
                        (row,) = select(rows, "angle_" + name, **fields)
                        # the remainder is what is left of numbers some 1e4 times as large
                        off = abs(float(row["value"]) - angle_between(t, against))
                        assert off < (1e-5 if name == "remainder" else 1e-9), (rule, l, name, order, off)
                assert select(rows, "norm_sum_t", iteration="0", layer=str(l))[0]["value"] == "0"
                assert select(rows, "angle_sum_t", iteration="0", layer=str(l))[0]["value"] == "nan"
            assert {r["epoch"] for r in rows if r["iteration"] == "3"} == {"%.17g" % (3 / 43)}


def test_orders_of_alignment_terms():
    rows = rows_of(mnist("--iterations", "9", "--terms-at", "2,7", "--orders", "7,1,3", "--runs", "2").stdout)
    for metric in ("angle_t", "norm_t", "angle_t_linear", "norm_t_linear"):
        found = {(r["run"], r["iteration"], r["layer"], r["order"]) for r in select(rows, metric)}
        assert found == {(run_, k, l, o) for run_ in "01" for l in "12"
                         for k, o in (("2", "1"), ("7", "7"), ("7", "1"), ("7", "3"))}, metric
    whole = ("angle_zero", "norm_zero", "angle_remainder", "norm_remainder", "angle_sum_t", "norm_sum_t",
             "angle_sum_t_linear")
    for metric in whole:
        found = {(r["run"], r["iteration"], r["layer"], r["order"]) for r in select(rows, metric)}
        assert found == {(run_, k, l, "") for run_ in "01" for l in "12" for k in "27"}, metric
    # The sums take all orders whatever is listed, nothing depends on threads, and learning is untouched.
    every = rows_of(mnist("--iterations", "9", "--terms-at", "2,7", "--runs", "2", "--threads", "1").stdout)
    for metric in whole + ("test_error", "loss", "angle_w_b"):
        assert select(rows, metric) == select(every, metric), metric
    plain = rows_of(mnist("--iterations", "9", "--runs", "2").stdout)
    for metric in ("test_error", "loss", "angle_w_b"):
        assert select(plain, metric) == select(every, metric), metric
    # A norm that --metrics has measured is not written twice.
    rows = rows_of(mnist("--iterations", "5", "--terms-at", "2,3", "--metrics", "norm_dw", "--log-every", "2").stdout)
    found = sorted((r["iteration"], r["layer"]) for r in select(rows, "norm_dw"))
    assert found == sorted([(k, l) for k in "024" for l in "012"] + [("3", "1"), ("3", "2")])
    config = json.loads(read_config("--terms-at", "2", "--orders", "1,2"))
    assert config["terms-at"] == "2" and config["orders"] == "1,2"


def read_config(*args):
    mnist("--iterations", "3", "--out", path("terms.csv"), *args)
    return read("terms.json")


def test_saved_tensors():
    shapes = {"W.0": [49, 12], "W.1": [12, 12], "W.2": [12, 50], "b.1": [12], "b.2": [12], "b.3": [50],
              "code": [10, 50]}
    feedback = {"bp": {}, "fa": {"B.1": [12, 12], "B.2": [50, 12]}, "dfa": {"F.1": [50, 12], "F.2": [50, 12]}}
    for rule, more in feedback.items():
        for precision in ("f32", "f64"):
            mnist("--rule", rule, "--precision", precision, "--epochs", "1", "--hot", "4", "--save", path("saved"))
            tensors = load_tensors("saved")
            assert {name: t[1] for name, t in tensors.items()} == dict(shapes, **more)
            assert {t[0] for t in tensors.values()} == {precision.upper()}
            code = matrix(tensors["code"])
            assert all(sorted(set(row)) == [0, 1] and sum(row) == 4 for row in code)
            assert all(sum(column) <= 1 for column in zip(*code))


def test_networks():
    for args in (["--hidden", "none"], ["--hidden", "3"], ["--hidden", "7,1,9,4,6"], ["--activation", "linear"],
                 ["--activation", "logistic"], ["--activation", "relu"], ["--init-sd", "0"], ["--image-size", "28"],
                 ["--hot", "1"], ["--shuffle", "once"], ["--label-shuffle", "1"], ["--eta", "0"]):
        for rule in ("bp", "fa", "dfa"):
            rows = rows_of(mnist("--rule", rule, "--epochs", "1", *args).stdout)
            assert len(select(rows, "test_error")) == 2, args


def test_order_and_labels():
    plain = rows_of(mnist("--epochs", "1", "--log-every", "1").stdout)
    for args in (["--shuffle", "once"], ["--shuffle", "epoch"], ["--label-shuffle", "0.5"],
                 ["--label-smoothing", "0.05"]):
        rows = rows_of(mnist("--epochs", "1", "--log-every", "1", *args).stdout)
        assert rows[0] == plain[0], "the test set stays as it is"
        assert select(rows, "loss")[0]["value"] != select(plain, "loss")[0]["value"], args
    once = rows_of(mnist("--epochs", "2", "--log-every", "1", "--eta", "0", "--shuffle", "once").stdout)
    losses = [r["value"] for r in select(once, "loss")]
    assert losses[:6] == losses[6:]
    epoch = rows_of(mnist("--epochs", "2", "--log-every", "1", "--eta", "0", "--shuffle", "epoch").stdout)
    fresh = [r["value"] for r in select(epoch, "loss")]
    assert fresh[:6] == losses[:6] and fresh[6:] != fresh[:6]


def test_normalization():
    near = lambda norms, gamma: all(abs(n - gamma) < 1e-12 for n in norms)
    f64 = ["--precision", "f64", "--gamma", "0.7", "--save", path("norm")]
    for iterations in (0, 5):
        mnist(*f64, "--norm", "columns", "--iterations", iterations)
        tensors = load_tensors("norm")
        assert all(near(column_norms(tensors[n]), 0.7) for n in ("W.0", "W.1", "W.2", "B.1", "B.2"))
        mnist(*f64, "--norm", "columns", "--normalize-feedback", "no", "--iterations", iterations)
        tensors = load_tensors("norm")
        assert near(column_norms(tensors["W.1"]), 0.7) and not near(column_norms(tensors["B.1"]), 0.7)
        mnist(*f64, "--normalize-feedback", "yes", "--iterations", iterations, "--rule", "dfa")
        tensors = load_tensors("norm")
        assert near(column_norms(tensors["F.1"]), 0.7) and not near(column_norms(tensors["W.1"]), 0.7)
        mnist(*f64, "--iterations", iterations)
        assert not near(column_norms(load_tensors("norm")["B.2"]), 0.7)


def test_options_without_effect():
    plain = mnist("--rule", "bp", "--epochs", "1").stdout
    assert mnist("--rule", "bp", "--epochs", "1", "--gamma", "5", "--normalize-feedback", "yes").stdout == plain


def test_divergence():
    done = mnist("--activation", "linear", "--eta", "1", "--epochs", "50", "--log-every", "1",
                 "--out", path("diverged.csv"), code=1)
    refused(done, "iteration", "layer")
    rows = rows_of(read("diverged.csv"))
    last = max(int(r["iteration"]) for r in rows)
    assert f"iteration {last}" in done.err or f"iteration {last + 1}" in done.err, done.err
    assert os.path.exists(path("diverged.json"))


def find_divergence(*args):
    """A seed and a learning rate with which a run diverges that is neither the first nor the last of six."""
    for seed in range(1, 20):
        low, high = 0.001, 1.0
        for _ in range(14):
            found = ["--seed", seed, "--eta", repr(math.sqrt(low * high))]
            done = subprocess.run([MNIST, *SMALL, *args, *map(str, found), "--threads", "1"], capture_output=True)
            last = max(int(r["run"]) for r in rows_of(done.stdout))
            if done.returncode == 1 and 0 < last < 5:
                return found, done
            middle = float(found[3])
            low, high = (low, middle) if done.returncode == 1 and last == 0 else (middle, high)
    raise AssertionError("all runs diverge, or none")


def test_divergence_of_one_run():
    """The rows are those up to the run that fails, at once or one by one, and the message is that run's."""
    args = ["--activation", "linear", "--iterations", "12", "--log-every", "1", "--runs", "6", "--metrics", "loss"]
    found, done = find_divergence(*args)
    assert b"iteration" in done.stderr and done.stderr.count(b"\n") == 1
    for threads in (2, 3, 6) if have_threads() else ():
        again = mnist(*args, *found, "--threads", threads, code=1)
        assert again.stdout == done.stdout and again.stderr == done.stderr, (threads, again.err)


# ---- Loading and saving ----

def test_round_trip():
    for rule in ("bp", "fa", "dfa"):
        for precision in ("f32", "f64"):
            mnist("--rule", rule, "--precision", precision, "--epochs", "1", "--save", path("first"))
            mnist("--rule", rule, "--precision", precision, "--epochs", "0", "--seed", "77", "--load", path("first"),
                  "--save", path("second"))
            assert read("first") == read("second")
    mnist("--precision", "f64", "--epochs", "1", "--save", path("f64"))
    mnist("--precision", "f32", "--epochs", "0", "--load", path("f64"), "--save", path("f32"))
    mnist("--precision", "f64", "--epochs", "0", "--load", path("f32"), "--save", path("widened"))
    wide, narrow, widened = (load_tensors(name) for name in ("f64", "f32", "widened"))
    for name, (_, _, values) in wide.items():
        rounded = list(struct.unpack(f"<{len(values)}f", struct.pack(f"<{len(values)}f", *values)))
        assert narrow[name] == ("F32", wide[name][1], rounded), name
        assert widened[name] == ("F64", wide[name][1], rounded), name


def test_what_a_file_lacks_is_drawn():
    mnist("--precision", "f64", "--iterations", "0", "--seed", "1", "--save", path("one"))
    mnist("--precision", "f64", "--iterations", "0", "--seed", "2", "--save", path("two"))
    one, two = load_tensors("one"), load_tensors("two")
    for names in (["code"], ["W.1", "b.3"], ["B.2"], []):
        save_tensors("part", {name: two[name] for name in names})
        mnist("--precision", "f64", "--iterations", "0", "--seed", "1", "--load", path("part"), "--save", path("mixed"))
        assert load_tensors("mixed") == {name: (two if name in names else one)[name] for name in one}, names


def test_loaded_weights_are_normalized():
    mnist("--precision", "f64", "--iterations", "0", "--save", path("plain"))
    mnist("--precision", "f64", "--iterations", "0", "--norm", "columns", "--load", path("plain"),
          "--save", path("columns"))
    plain, scaled = load_tensors("plain"), load_tensors("columns")
    for name in plain:
        if name[0] in "WB":
            assert all(abs(n - 1) < 1e-12 for n in column_norms(scaled[name])), name
        else:
            assert plain[name] == scaled[name], name


def test_load_applies_to_every_run():
    mnist("--epochs", "1", "--save", path("every"))
    rows = rows_of(mnist("--epochs", "1", "--runs", "2", "--load", path("every")).stdout)
    runs = [[dict(r, run="") for r in rows if r["run"] == number] for number in "01"]
    assert runs[0] == runs[1]


def test_other_rules_feedback_is_passed_over():
    tensors = {}
    for rule in ("fa", "dfa"):
        mnist("--rule", rule, "--iterations", "0", "--save", path("other"))
        tensors.update(load_tensors("other"))
    save_tensors("both", tensors)
    for rule in ("bp", "fa", "dfa"):
        plain = mnist("--rule", rule, "--epochs", "1").stdout
        assert mnist("--rule", rule, "--epochs", "1", "--load", path("both")).stdout == plain, rule


def test_bad_files():
    mnist("--precision", "f64", "--iterations", "0", "--save", path("good"))
    good = load_tensors("good")
    zeros = lambda *shape: ("F64", list(shape), [0.0] * math.prod(shape))
    bad = {
        "unknown name": (dict(good, X=zeros(3)), "'X'"),
        "layer 0 of B": (dict(good, **{"B.0": zeros(12, 49)}), "'B.0'"),
        "layer 0 of b": (dict(good, **{"b.0": zeros(49)}), "'b.0'"),
        "layer beyond the last": (dict(good, **{"W.3": zeros(50, 50)}), "'W.3'"),
        "layer beyond the last of F": (dict(good, **{"F.3": zeros(50, 50)}), "'F.3'"),
        "leading zero": (dict(good, **{"W.01": zeros(12, 12)}), "'W.01'"),
        "shape of W": (dict(good, **{"W.1": zeros(12, 13)}), "W.1"),
        "transposed W": (dict(good, **{"W.0": zeros(12, 49)}), "W.0"),
        "shape of b": (dict(good, **{"b.1": zeros(1, 12)}), "b.1"),
        "shape of B": (dict(good, **{"B.2": zeros(12, 50)}), "B.2"),
        "shape of code": (dict(good, code=zeros(10, 49)), "code"),
        "categories of code": (dict(good, code=zeros(9, 50)), "code"),
        "mixed precisions": (dict(good, **{"b.1": ("F32", [12], [0.0] * 12)}), "'b.1'"),
        "integers": (dict(good, **{"b.1": ("I64", [12], [0] * 12)}), "'b.1'"),
        "NaN": (dict(good, **{"b.1": ("F64", [12], [math.nan] * 12)}), "b.1"),
        "infinity": (dict(good, **{"B.1": ("F64", [12, 12], [math.inf] * 144)}), "B.1"),
        "NaN in code": (dict(good, code=("F64", [10, 50], [math.nan] * 500)), "code"),
    }
    for what, (tensors, word) in bad.items():
        save_tensors("bad", tensors)
        done = mnist("--epochs", "1", "--load", path("bad"), "--out", path("bad.csv"), code=1)
        refused(done, word, path("bad"))
        assert not os.path.exists(path("bad.csv")), what
    whole = read("good")
    for what, content in {"empty": b"", "short": whole[:7], "cut header": whole[:50], "cut data": whole[:-1],
                          "text": b"these are no tensors\n" * 9, "longer": whole + b"x"}.items():
        with open(path("bad"), "wb") as file:
            file.write(content)
        refused(mnist("--epochs", "1", "--load", path("bad"), code=1), path("bad"))
        refused(mnist("--epochs", "1", "--resume", path("bad"), code=1), path("bad"))
    refused(mnist("--load", path("nowhere"), code=1), path("nowhere"))


# ---- Checkpoints ----

def check_resume(first, total, *args):
    mnist(*args, "--iterations", total, "--out", path("whole.csv"), "--save", path("whole"))
    mnist(*args, "--iterations", first, "--checkpoint", path("ck"), "--out", path("part.csv"))
    mnist(*args, "--iterations", total, "--resume", path("ck"), "--out", path("rest.csv"), "--save", path("rest"))
    assert read("rest.csv") == read("whole.csv"), args
    assert read("rest") == read("whole"), args


def test_resume():
    for rule in ("bp", "fa", "dfa"):
        check_resume(8, 20, "--rule", rule, "--shuffle", "epoch")
        check_resume(12, 20, "--rule", rule, "--shuffle", "epoch", "--precision", "f64", "--norm", "columns")
    check_resume(5, 13, "--log-every", "3", "--metrics", "all", "--label-shuffle", "0.3", "--shuffle", "once",
                 "--label-smoothing", "0.05", "--normalize-feedback", "yes", "--gamma", "0.5")
    check_resume(0, 7)
    check_resume(7, 7)
    check_resume(6, 12, "--seed", 2 ** 64 - 1)


def test_resume_after_load():
    mnist("--iterations", "3", "--seed", "5", "--save", path("from"))
    mnist("--load", path("from"), "--iterations", "9", "--norm", "columns", "--init-sd", "0", "--save", path("whole"))
    mnist("--load", path("from"), "--iterations", "4", "--norm", "columns", "--init-sd", "0",
          "--checkpoint", path("ck"))
    mnist("--iterations", "9", "--norm", "columns", "--init-sd", "0", "--resume", path("ck"), "--save", path("rest"))
    assert read("rest") == read("whole")


def test_resume_runs():
    whole = mnist("--epochs", "2", "--runs", "3", "--shuffle", "epoch").stdout
    mnist("--epochs", "2", "--runs", "2", "--shuffle", "epoch", "--checkpoint", path("ck"))
    assert mnist("--epochs", "2", "--runs", "3", "--shuffle", "epoch", "--resume", path("ck")).stdout == whole
    refused(mnist("--epochs", "3", "--runs", "3", "--shuffle", "epoch", "--resume", path("ck"), code=1),
            "12 iterations")
    refused(mnist("--epochs", "2", "--runs", "1", "--shuffle", "epoch", "--resume", path("ck"), code=1), "--runs 1")
    mnist("--iterations", "3", "--seed", "5", "--save", path("from"))
    whole = mnist("--epochs", "2", "--runs", "2", "--load", path("from")).stdout
    mnist("--epochs", "2", "--runs", "1", "--load", path("from"), "--checkpoint", path("ck"))
    refused(mnist("--epochs", "2", "--runs", "2", "--resume", path("ck"), code=1), "--load")
    assert mnist("--epochs", "2", "--runs", "2", "--resume", path("ck"), "--load", path("from")).stdout == whole


def test_resume_with_other_threads_and_paths():
    need_threads()
    whole = mnist("--epochs", "3", "--log-every", "1", "--batch", "250", "--threads", "1").stdout
    mnist("--epochs", "1", "--log-every", "1", "--batch", "250", "--threads", "3", "--checkpoint", path("ck"))
    shutil.copy(path("ck"), path("moved"))
    assert mnist("--epochs", "3", "--log-every", "1", "--batch", "250", "--threads", "2", "--gamma", "9", "--resume",
                 path("moved"), "--checkpoint", path("moved")).stdout == whole
    assert mnist("--epochs", "3", "--log-every", "1", "--batch", "250", "--resume", path("moved")).stdout == whole


def test_checkpoint_every():
    mnist("--iterations", "9", "--out", path("whole.csv"))
    for every in (1, 4, 9, 100):
        mnist("--iterations", "9", "--checkpoint", path("ck"), "--checkpoint-every", every, "--out", path("part.csv"))
        assert read("part.csv") == read("whole.csv")
        refused(mnist("--iterations", "8", "--resume", path("ck"), code=1), "iteration 9")


def test_resume_refuses_another_configuration():
    base = ["--norm", "columns", "--iterations", "3"]
    mnist(*base, "--checkpoint", path("ck"))
    other = {"rule": "dfa", "norm": "none", "gamma": "2", "normalize-feedback": "no", "eta": "0.1", "batch": "30",
             "hidden": "12,13", "activation": "tanh", "hot": "4", "image-size": "8", "init-sd": "0.2",
             "shuffle": "once", "label-shuffle": "0.1", "label-smoothing": "0.1", "seed": "3", "precision": "f64"}
    current = json.loads(mnist(*base, "--out", path("now.csv")) and read("now.json"))["backend"]
    if current != "builtin":
        other["backend"] = "builtin"
    for name, value in other.items():
        done = mnist(*base, f"--{name}", value, "--resume", path("ck"), "--out", path("refused.csv"), code=1)
        refused(done, name)
        assert not os.path.exists(path("refused.csv"))
    data = path("otherdata")
    shutil.copytree(DATA, data)
    images = os.path.join(data, "t10k-labels-idx1-ubyte")
    with open(images, "r+b") as file:
        file.seek(8)
        label = file.read(1)[0]
        file.seek(8)
        file.write(bytes([(label + 1) % 10]))
    refused(mnist(*base, "--data", data, "--resume", path("ck"), code=1), "test-data")
    mnist(*base, "--save", path("weights"))
    refused(mnist(*base, "--resume", path("weights"), code=1), path("weights"))
    refused(mnist(*base, "--load", path("ck"), code=1), "--resume")
    refused(mnist(*base, "--resume", path("nowhere"), code=1), path("nowhere"))


def interrupt(number, *args):
    """Starts mnist, interrupts it while it trains, and returns what it said."""
    process = subprocess.Popen([MNIST, *SMALL, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 1, (process.returncode, err)
    assert b"interrupted at iteration " in err, err
    return out, int(err.split(b"interrupted at iteration ")[1].split()[0])


def test_interruption():
    for number in (signal.SIGINT, signal.SIGTERM):
        table, iteration = interrupt(number, "--iterations", "100000000", "--log-every", "50",
                                     "--checkpoint", path("ck"), "--checkpoint-every", "1000000",
                                     "--shuffle", "epoch", "--metrics", "loss,angle_w_b")
        rows = rows_of(table)
        assert rows and max(int(r["iteration"]) for r in rows) < iteration
        total = iteration + 7
        args = ["--iterations", total, "--log-every", "50", "--shuffle", "epoch", "--metrics", "loss,angle_w_b"]
        whole = mnist(*args, "--save", path("whole")).stdout
        assert mnist(*args, "--resume", path("ck"), "--save", path("rest")).stdout == whole
        assert read("rest") == read("whole")


def test_interruption_of_runs():
    """All rows that there are come out, in the order of the runs."""
    need_threads()
    table, iteration = interrupt(signal.SIGINT, "--iterations", "100000000", "--log-every", "50", "--runs", "5",
                                 "--metrics", "loss,angle_w_b", "--threads", "3")
    rows = check_table(table, 9)
    assert {r["run"] for r in rows} == {"0", "1", "2"}
    assert max(int(r["iteration"]) for r in rows if r["run"] == "0") < iteration
    whole = rows_of(mnist("--iterations", "101", "--log-every", "50", "--runs", "3", "--metrics", "loss,angle_w_b").stdout)
    early = lambda table: [r for r in table if int(r["iteration"]) <= 100]
    assert early(rows) == early(whole) and len(early(rows)) == 27


# ---- Data ----

def test_finding_data():
    args = ["--epochs", "0", "--batch", "50", "--image-size", "7"]
    nothing = {"FALIGN_MNIST_DIR": "", "XDG_DATA_HOME": "", "HOME": path("nobody")}
    done = run(MNIST, *args, env=dict(nothing, FALIGN_MNIST_DIR=DATA))
    assert f"data: {DATA}" in done.err and "FALIGN_MNIST_DIR" in done.err
    for variable, place in (("XDG_DATA_HOME", "share"), ("HOME", "home/.local/share")):
        home = path(os.path.join(place, "falign"))
        os.makedirs(home)
        os.symlink(DATA, os.path.join(home, "mnist"))
        done = run(MNIST, *args, env=dict(nothing, **{variable: path(place.split("/")[0])}))
        assert f"data: {home}/mnist" in done.err, done.err
    found = {"XDG_DATA_HOME": path("share")}
    refused_data = run(MNIST, *args, env=dict(nothing, **found, FALIGN_MNIST_DIR="/nowhere"), code=1)
    assert "/nowhere" in refused_data.err
    assert "/nowhere" in run(MNIST, *args, "--data", "/nowhere", env=dict(found, FALIGN_MNIST_DIR=DATA), code=1).err
    done = run(MNIST, *args, "--data", DATA, env=nothing)
    assert "data:" not in done.err
    if os.path.exists("/usr/share/datasets/fashion-mnist"):
        raise Skip("the system has Fashion-MNIST")
    refused(run(MNIST, *args, env=nothing, code=1), "get-mnist", "dataset-fashion-mnist", "FALIGN_MNIST_DIR", "--data")


def test_broken_data():
    def broken(change):
        place = path("broken")
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(DATA, place)
        change(place)
        refused(run(MNIST, "--data", place, "--batch", "50", code=1), place)

    def truncate(name, size):
        return lambda place: os.truncate(os.path.join(place, name), size)

    broken(truncate("t10k-images-idx3-ubyte", 1000))
    broken(truncate("train-images-idx3-ubyte.gz", 1000))
    broken(lambda place: os.remove(os.path.join(place, "t10k-labels-idx1-ubyte")))
    broken(lambda place: shutil.copy(os.path.join(DATA, "train-labels-idx1-ubyte.gz"),
                                     os.path.join(place, "train-images-idx3-ubyte.gz")))


def test_synthetic_data():
    """Points of categories that are far apart are told apart; of no category, not."""
    errors = [float(select(rows_of(run(MNIST, "--data", f"synthetic:{within},0.2", "--epochs", 4).stdout), "test_error",
                           iteration=240)[0]["value"]) for within in (0.8, 0.2)]
    assert errors[0] < 20 and 85 < errors[1] < 95, errors
    refused(run(MNIST, "--data", "synthetic:0.2,0.8", code=2), "synthetic:0.2,0.8")


# ---- Terminals and plots ----

def test_progress():
    text = on_terminal(MNIST, *SMALL, "--epochs", "20", "--runs", "2", "--threads", "1")
    assert "\rrun 1/2" in text.replace("\033[K", "") and "epoch" in text and "test error" in text, text
    assert text.rstrip().endswith("2 runs")
    if have_threads():
        text = on_terminal(MNIST, *SMALL, "--epochs", "20", "--runs", "4", "--threads", "2")
        assert "\rruns 0/4 done, epoch 0." in text.replace("\033[K", "") and " on average" in text, text
        assert text.rstrip().endswith("4 runs")
    text = on_terminal(OPEN_LOOP, "--iterations", "20", "--runs", "2")
    assert "\rconstant, run 1/2" in text.replace("\033[K", ""), text
    assert "\r" not in mnist("--epochs", "20").err
    assert "\r" not in run(OPEN_LOOP, "--iterations", "20").err


def test_plots():
    if not shutil.which("gnuplot"):
        raise Skip("no gnuplot")
    for ending, magic in (("svg", b"<?xml"), ("png", b"\x89PNG")):
        for rule in ("fa", "dfa", "bp"):
            name = f"plot.{ending}"
            done = mnist("--epochs", "3", "--runs", "2", "--rule", rule, "--plot", path(name), "--metrics",
                         "test_error,angle_w_b,angle_w_f")
            assert read(name).startswith(magic) and done.stdout.startswith(HEADER.encode())
            assert "warning" not in done.err, done.err
        run(OPEN_LOOP, "--iterations", "9", "--runs", "2", "--plot", path(f"loop.{ending}"))
        assert read(f"loop.{ending}").startswith(magic)
        mnist("--epochs", "2", "--plot", path(f"single.{ending}"))
        assert read(f"single.{ending}").startswith(magic)
    for word in ("test error (%)", "epoch", "angle (degrees)", "iteration", "layer 1"):
        mnist("--epochs", "2", "--plot", path("words.svg"))
        assert word.encode() in read("words.svg"), word
    for options in (["--epochs", "0"], ["--metrics", "loss"], ["--rule", "bp", "--metrics", "norm_w"]):
        done = mnist("--epochs", "2", *options, "--plot", path("few.svg"))
        assert read("few.svg").startswith(b"<?xml") and "arning" not in done.err, (options, done.err)
    done = mnist("--epochs", "1", "--rule", "bp", "--metrics", "angle_w_b", "--plot", path("none.svg"), code=1)
    assert "nothing to plot" in done.err and "angle_w_b has no values under rule bp" in done.err, done.err
    if os.path.exists("/dev/full"):
        os.symlink("/dev/full", path("full.svg"))
        assert "full.svg" in mnist("--epochs", "1", "--plot", path("full.svg"), code=1).err


def test_outputs_of_one_name():
    for options, words in ((["--out", "a.csv", "--save", "a.csv"], "--out and --save"),
                           (["--checkpoint", "c", "--save", "c"], "--save and --checkpoint"),
                           (["--out", "a.csv", "--save", "a.json"], "a.json"),
                           (["--out", "a.csv", "--checkpoint", "a.summary.csv"], "a.summary.csv")):
        assert words in mnist("--epochs", "1", *options, code=2).err
    mnist("--epochs", "1", "--out", "/dev/null", "--save", "/dev/null")


def test_checkpoint_with_parts_missing():
    options = ["--shuffle", "epoch", "--label-shuffle", "0.2"]
    mnist("--iterations", "3", *options, "--checkpoint", path("whole"))
    data = read("whole")
    for name in ("labels", "order", "code", "trainer.start_norm", "W.1", "table.value"):
        with open(path("part"), "wb") as file:  # another name of the same length
            file.write(data.replace(f'"{name}"'.encode(), f'"{"x" * len(name)}"'.encode()))
        done = mnist("--iterations", "5", *options, "--resume", path("part"), code=1)
        assert name in done.err, (name, done.err)


def test_plot_with_many_files_open_or_none():
    if not shutil.which("gnuplot"):
        raise Skip("no gnuplot")
    with open(os.devnull) as null:
        files = [os.dup(null.fileno()) for _ in range(12)]
        try:
            subprocess.run([OPEN_LOOP, "--iterations", "9", "--runs", "1", "--out", path("many.csv"), "--plot",
                            path("many.svg")], check=True, stderr=subprocess.PIPE, pass_fds=files)
        finally:
            for file in files:
                os.close(file)
    assert b"</svg>" in read("many.svg")
    words = [OPEN_LOOP, "--iterations", "9", "--runs", "1", "--out", path("few.csv"), "--plot", path("none-open.svg")]
    subprocess.run(["sh", "-c", '"$@" <&- >&-', "sh", *words], check=True, stderr=subprocess.PIPE)
    assert b"</svg>" in read("none-open.svg")


def test_plot_without_gnuplot():
    for program, args in ((MNIST, [*SMALL, "--epochs", "1"]), (OPEN_LOOP, ["--iterations", "3"])):
        done = run(program, *args, "--out", path("noplot.csv"), "--plot", path("noplot.svg"),
                   env={"PATH": path("nobin")}, code=1)
        assert "gnuplot" in done.err and "noplot.svg" in done.err, done.err
        assert read("noplot.csv") and not os.path.exists(path("noplot.svg"))


# ---- The open loop ----

def test_open_loop():
    done = run(OPEN_LOOP, "--iterations", "60", "--runs", "3", "--out", path("loop.csv"))
    rows = rows_of(read("loop.csv"))
    assert read("loop.csv").startswith(b"condition," + HEADER.encode() + b"\n")
    assert [(r["condition"], int(r["run"]), int(r["iteration"])) for r in rows] == [
        (c, run_, k) for c in ("constant", "crosscorrelated", "independent") for run_ in range(3) for k in range(61)]
    assert all((r["metric"], r["layer"], r["order"], r["epoch"]) == ("angle_w_b", "1", "", "") for r in rows)
    assert all(r["value"] == f"{float(r['value']):.9g}" for r in rows)
    mean = lambda c, k: sum(float(r["value"]) for r in rows if r["condition"] == c and r["iteration"] == str(k)) / 3
    assert all(abs(mean(c, 0) - 90) < 4 for c in ("constant", "crosscorrelated", "independent"))
    assert mean("constant", 60) < 65 and mean("crosscorrelated", 60) < 30 and abs(mean("independent", 60) - 90) < 4
    config = json.loads(read("loop.json"))
    assert config["eta"] == 0.002 and config["iterations"] == 60 and config["runs"] == 3 and config["seed"] == 1
    assert config["version"] and config["backend"] and config["program"] == "open_loop"
    assert read("loop.summary.csv").startswith(b"condition,iteration,epoch,layer,order,metric,mean,sd,n\n")
    assert "independent" in done.err
    single = rows_of(run(OPEN_LOOP, "--condition", "crosscorrelated", "--iterations", "60", "--runs", "3").stdout)
    assert single == [r for r in rows if r["condition"] == "crosscorrelated"]


def test_open_loop_precisions():
    f32 = rows_of(run(OPEN_LOOP, "--iterations", "40", "--runs", "1").stdout)
    f64 = rows_of(run(OPEN_LOOP, "--iterations", "40", "--runs", "1", "--precision", "f64").stdout)
    assert all(r["value"] == f"{float(r['value']):.17g}" for r in f64)
    assert len(f32) == len(f64) == 123
    assert max(abs(float(a["value"]) - float(b["value"])) for a, b in zip(f32, f64)) < 0.1
    zero = rows_of(run(OPEN_LOOP, "--iterations", "0", "--condition", "constant").stdout)
    assert [(r["run"], r["iteration"]) for r in zero] == [(str(i), "0") for i in range(10)]
    still = rows_of(run(OPEN_LOOP, "--iterations", "3", "--eta", "0", "--runs", "1",
                        "--condition", "independent").stdout)
    assert len({r["value"] for r in still}) == 1


# ---- All of them ----

def prepare():
    for program in (MNIST, OPEN_LOOP):
        assert os.access(program, os.X_OK), program + " cannot be run"
    make_data(DATA)


if __name__ == "__main__":
    main(globals(), WORK, prepare)
