# SPDX-License-Identifier: Apache-2.0
"""What the tests of the example programs share: a small synthetic set in MNIST's format, and a loop over tests."""

import csv
import gzip
import io
import json
import os
import pty
import random
import shutil
import struct
import subprocess
import sys

TRAIN, TEST, SIDE = 300, 100, 28
DRAWS = shutil.which("gnuplot") is not None  # without it figures are all there but for their pictures


class Skip(Exception):
    pass


def write_idx(directory, name, dims, payload, gz=False):
    header = struct.pack(">BBBB", 0, 0, 8, len(dims)) + b"".join(struct.pack(">I", d) for d in dims)
    with (gzip.open if gz else open)(os.path.join(directory, name + (".gz" if gz else "")), "wb") as file:
        file.write(header + payload)


def make_data(directory, train=TRAIN):
    """Ten random pictures with noise, so that there is something to learn."""
    draw = random.Random(7)
    os.mkdir(directory)
    centres = [[draw.choice((0, 0, 0, 200)) for _ in range(SIDE * SIDE)] for _ in range(10)]
    for part, points, gz in (("train", train, True), ("t10k", TEST, False)):
        labels = bytes(draw.randrange(10) for _ in range(points))
        pixels = bytearray()
        for label in labels:
            pixels += bytes(min(255, p + draw.randrange(56)) for p in centres[label])
        write_idx(directory, part + "-images-idx3-ubyte", (points, SIDE, SIDE), bytes(pixels), gz)
        write_idx(directory, part + "-labels-idx1-ubyte", (points,), labels, gz)


def run(program, *args, env=None, code=0, stdout=subprocess.PIPE, cwd=None):
    environment = dict(os.environ, **(env or {}))
    done = subprocess.run([program, *map(str, args)], stdout=stdout, stderr=subprocess.PIPE, env=environment, cwd=cwd,
                          timeout=300)
    done.err = done.stderr.decode()
    assert done.returncode == code, f"exit {done.returncode}, not {code}, of {args}: {done.err}"
    return done


def rows_of(text):
    text = text.decode() if isinstance(text, bytes) else text
    return list(csv.DictReader(io.StringIO(text)))


def select(rows, metric, **fields):
    return [r for r in rows if r["metric"] == metric and all(r[k] == str(v) for k, v in fields.items())]


def refused(done, *words):
    """One clear line on standard error, which has all the words."""
    assert done.err.endswith("\n") and done.err.count("\n") == 1, done.err
    for word in words:
        assert word in done.err, f"'{word}' is not in: {done.err}"


def on_terminal(*args, code=0):
    """What a program writes to standard error where that is a terminal."""
    try:
        master, slave = pty.openpty()
    except OSError as error:
        raise Skip(f"no terminal: {error}")
    process = subprocess.Popen([*map(str, args)], stdout=subprocess.DEVNULL, stderr=slave)
    os.close(slave)
    text = b""
    while True:
        try:
            block = os.read(master, 4096)
        except OSError:
            break
        if not block:
            break
        text += block
    os.close(master)
    assert process.wait(timeout=60) == code
    return text.decode()


def check_figure(directory, name):
    """What a figure's program leaves: all rows, their means, the configuration and, with gnuplot, the pictures."""
    def there(ending):
        with open(os.path.join(directory, name + ending), "rb") as file:
            return file.read()
    columns = "iteration,epoch,layer,order,metric,"
    assert there(".csv").startswith(f"condition,run,{columns}value\n".encode())
    assert there(".summary.csv").startswith(f"condition,{columns}mean,sd,n\n".encode())
    config = json.loads(there(".json"))
    assert config["program"] == name and config["version"] and config["runs"] >= 1 and "seed" in config
    if DRAWS:
        assert there(".png").startswith(b"\x89PNG") and b"<svg" in there(".svg")


def run_tests(tests):
    """Calls the functions of a module whose names begin with test_; returns the exit code."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for name, test in [(n, t) for n, t in tests.items() if n.startswith("test_")]:
        try:
            test()
            counts["passed"] += 1
        except Skip as reason:
            print(f"SKIP {name}: {reason}")
            counts["skipped"] += 1
        except Exception as error:  # an assertion, or what a test stumbles over
            line = error.__traceback__.tb_next.tb_lineno if error.__traceback__.tb_next else 0
            print(f"{name} FAILED in line {line}: {type(error).__name__} {error}")
            counts["failed"] += 1
        sys.stdout.flush()
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["failed"] else 0 if counts["passed"] else 77


def main(tests, work, prepare):
    """Runs the tests of a module after `prepare`, in the folder `work`, which goes afterwards."""
    try:
        prepare()
        sys.exit(run_tests(tests))
    finally:
        shutil.rmtree(work, ignore_errors=True)
