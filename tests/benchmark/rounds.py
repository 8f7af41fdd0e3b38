# SPDX-License-Identifier: Apache-2.0
"""Runs programs in turn, so that a noisy neighbour meets all of them alike, and keeps what they print."""

import os
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "tests", "benchmark")
PAPER_EPOCHS = 100


def say(text):
    print(text, file=sys.stderr, flush=True)


def limited(threads):
    """The environment in which a BLAS has so many threads of its own."""
    return dict(os.environ, **{name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
                                                               "BLIS_NUM_THREADS")})


class Rounds:
    """`values` has what was measured: seconds, FLOP a second or bytes, under (kind, what, threads)."""

    def __init__(self, directory, python, each):
        self.directory = directory
        self.python = python
        self.each = each
        self.values = {}

    # ---- Running ----

    def program(self, name):
        return os.path.join(self.directory, "tests", "benchmark", name)

    def run(self, command, environment, keys):
        """Keeps the value of each line "NAME VALUE" under keys(NAME)."""
        done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True,
                              env=environment)
        for line in done.stdout.splitlines():
            name, value = line.split()
            self.keep(keys(name), float(value))

    def keep(self, key, value):
        self.values.setdefault(key, []).append(value)

    def named(self, name, arguments, threads):
        """A program that names itself what it measures."""
        self.run([self.program(name), *arguments], limited(1), lambda what: ("named", what, threads))

    def peer(self, name, arguments, keys):
        """A peer in Python looks after its threads itself."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS_", "OMP_"))}
        self.run([self.python, os.path.join(HERE, name), *arguments], environment, keys)

    def steps(self, cases):
        for blas in sorted({case.blas for case in cases}):
            chosen = [case for case in cases if case.blas == blas]
            by_argument = {case.argument(): case for case in chosen}
            self.run([self.program("bench_step"), self.each, *by_argument], limited(blas),
                     lambda what, known=by_argument: ("step", known[what], known[what].threads))

    def torch_steps(self, cases, threads):
        by_argument = {case.peer_argument(): case for case in cases}
        self.peer("peer_step.py", [self.each, threads, *by_argument],
                  lambda what: ("torch", by_argument[what], threads))

    def memory(self, name, command, environment):
        """The most memory that a child has had, in bytes."""
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode == 0:
            self.keep(("memory", name, 1), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))

    def paper_runs(self, threads, epochs):
        """Ten runs with the test error of each epoch, and the memory they take; of fewer epochs, scaled up."""
        command = [os.path.join(self.directory, "examples", "mnist"), "--runs", "10", "--epochs", str(epochs),
                   "--threads", str(threads), "--out", os.path.join(self.directory, "runs.csv")]
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=limited(1))
        self.keep(("named", "ten_runs", threads), (time.perf_counter() - began) * PAPER_EPOCHS / epochs)

    # ---- Reading ----

    def median(self, key):
        values = self.values.get(key)
        return statistics.median(values) if values else None

    def step(self, case):
        return self.median(("step", case, case.threads))

    def torch(self, case, threads):
        """PyTorch's best with any number of threads."""
        return min((t for n in threads if (t := self.median(("torch", case, n)))), default=None)

    def torch_threads(self, case, threads):
        """The number of threads with which that is."""
        return min((n for n in threads if self.median(("torch", case, n))),
                   key=lambda n: self.median(("torch", case, n)), default=None)

    def peak(self, precision, threads):
        """FLOP a second that the machine can do: the best of all rounds, since nothing but neighbours slows it down."""
        return max(self.values.get(("named", f"peak_{precision}", threads), ()), default=None)

    def named_median(self, name, threads):
        return self.median(("named", name, threads))
