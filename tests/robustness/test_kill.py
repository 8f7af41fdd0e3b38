#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs that SIGKILL ends at any moment, also within the writing of a checkpoint: the same command line, begun again,
comes to the bytes of a run that nothing disturbed.

usage: test_kill.py [--kills N] [--seed N] PROGRAM...

Of the programs, mnist is killed N times (5), and weight_norm a fifth as often. The seed that is printed draws the same
moments again.
"""

import argparse
import os
import random
import re
import subprocess
import tempfile
import time

LITTER = re.compile(r"\.falign-\d+-\d+$")  # what one interrupted write leaves
MNIST = ["--data", "synthetic:0.6,0.2", "--rule", "fa", "--norm", "columns", "--shuffle", "epoch", "--label-shuffle",
         "0.2", "--precision", "f64", "--threads", "2", "--batch", "500", "--hidden", "20,20", "--runs", "2",
         "--iterations", "60", "--log-every", "5", "--metrics", "all", "--checkpoint-every", "1"]
WEIGHT_NORM = ["--data", "synthetic:0.6,0.2", "--runs", "2", "--epochs", "1", "--threads", "2"]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def contents(directory):
    found = {}
    for folder, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, directory)] = read(path)
    return found


class Mnist:
    """Goes on from its last checkpoint, or from the start where there is none."""

    writers = 1  # files that it writes at once

    def __init__(self, program, directory):
        self.program, self.directory = program, directory

    def command(self):
        resume = ["--resume", "checkpoint"] if os.path.exists(os.path.join(self.directory, "checkpoint")) else []
        return [self.program, *MNIST, "--checkpoint", "checkpoint", "--out", "table.csv", *resume]

    def results(self):
        """All files, but for the option --resume, which is among the settings that the JSON file tells."""
        found = contents(self.directory)
        if "table.json" in found:
            found["table.json"] = re.sub(rb'\s*"resume":\s*"checkpoint",?', b"", found["table.json"])
        return found


class WeightNorm:
    """Goes on with its finished runs, which it keeps itself."""

    writers = 2

    def __init__(self, program, directory):
        self.program, self.directory = program, directory

    def command(self):
        return [self.program, *WEIGHT_NORM, "--out", "."]

    def results(self):
        return contents(self.directory)


def start(job):
    return subprocess.Popen(job.command(), cwd=job.directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(job):
    """Lets it come to its end, and returns how long that took."""
    begin = time.monotonic()
    child = start(job)
    error = child.communicate()[1].decode()
    assert child.returncode == 0, f"exit {child.returncode}: {error}"
    return time.monotonic() - begin


def kill_once(job, after):
    """True where it was killed, and not at its end before; it must not have failed by itself."""
    child = start(job)
    try:
        error = child.communicate(timeout=after)[1].decode()
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return True
    assert child.returncode == 0, f"exit {child.returncode}: {error}"
    return False


def split_litter(job):
    """Results, and names of the temporary files that are beside them."""
    found = job.results()
    litter = {name for name in found if LITTER.search(os.path.basename(name))}
    return {name: data for name, data in found.items() if name not in litter}, litter


def clear(directory):
    for folder, folders, names in os.walk(directory, topdown=False):
        for name in names:
            os.remove(os.path.join(folder, name))
        for name in folders:
            os.rmdir(os.path.join(folder, name))


def torture(make, kills, draw):
    """Kills jobs until `kills` have been; each time one comes to its end, compares it and begins another."""
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as directory:
        length = finish(make(whole))
        want, litter = split_litter(make(whole))
        assert want and not litter, f"an undisturbed run leaves {litter}"
        done = within_writes = ended = 0
        known = set()  # litter of the job at hand, which stays: it must not hinder
        while True:
            job = make(directory)
            killed = done < kills and kill_once(job, draw.uniform(0, length))
            if not killed and done == kills:
                finish(job)
            got, litter = split_litter(job)
            assert len(litter - known) <= (job.writers if killed else 0), f"left over: {litter - known}"
            if killed:
                done += 1
                within_writes += litter != known
                known = litter
                continue
            assert litter == known, f"taken away: {known - litter}"
            compare(want, got)
            ended += 1
            if done == kills:
                return length, done, within_writes, ended
            clear(directory)
            known = set()


def compare(want, got):
    assert sorted(want) == sorted(got), f"files: {sorted(got)}, not {sorted(want)}"
    for name, data in want.items():
        assert got[name] == data, f"{name} is another than that of an undisturbed run"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", nargs="+")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    args = parser.parse_args()
    programs = {os.path.basename(path): os.path.abspath(path) for path in args.programs}
    draw = random.Random(args.seed)
    print(f"seed {args.seed}", flush=True)
    for name, kills, job in (("mnist", args.kills, Mnist), ("weight_norm", max(1, args.kills // 5), WeightNorm)):
        length, done, within_writes, ended = torture(lambda d: job(programs[name], d), kills, draw)
        print(f"{name}: {length:.2f} s undisturbed; killed {done} times, {within_writes} of them within a write; "
              f"{ended} runs came to their end, all with the same bytes", flush=True)


if __name__ == "__main__":
    main()
