# SPDX-License-Identifier: Apache-2.0
"""Runs the programs of figures, and keeps account of the time that they take."""

import dataclasses
import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import typing

from figures import command, rerun
from results import Results


class Interrupted(Exception):
    pass


# ---- Times ----

def key_of(config):
    """Of what runs depend on: more runs of the same add to the time of those before."""
    kept = {name: value for name, value in config.items() if name not in ("runs", "data")}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


class Times:
    """OUT/times.json: what the runs that are kept have taken, by figure and configuration, in seconds; and what was
    spent on runs that were kept before their figure failed or was interrupted."""

    def __init__(self, out):
        self.path = os.path.join(out, "times.json")
        try:
            with open(self.path, encoding="utf-8") as file:
                self.all = json.load(file)
        except (FileNotFoundError, ValueError):
            self.all = {}
        if not isinstance(self.all, dict) or not all(map(self._are_times, self.all.values())):
            self.all = {}

    @staticmethod
    def _are_times(entry):
        return isinstance(entry, dict) and all(isinstance(seconds, (int, float)) for seconds in entry.values())

    def of(self, name, config):
        """None if unknown."""
        return self.all.get(name, {}).get(key_of(config))

    def ended(self, name, config, seconds, done, taken):
        """After a start that did some runs and took others from before."""
        times, key = self.all.setdefault(name, {}), key_of(config)
        unfinished = times.pop("unfinished", 0)
        before = times.get(key, 0) + unfinished if taken else 0
        if done or unfinished:
            times[key] = round(before + (seconds if done else 0), 3)
        self.write()

    def stopped(self, name, seconds, taken):
        times = self.all.setdefault(name, {})
        times["unfinished"] = round((times.get("unfinished", 0) if taken else 0) + seconds, 3)
        self.write()

    def write(self):
        write_whole(self.path, json.dumps(self.all, indent=1) + "\n")


def write_whole(path, text):
    """All of the file or nothing."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


# ---- Running ----

@dataclasses.dataclass
class Outcome:
    """What came out of a figure."""
    figure: object
    results: typing.Optional[Results] = None
    pictures: list = dataclasses.field(default_factory=list)  # SVG, as bytes
    command: str = ""
    seconds: typing.Optional[float] = None  # unknown where times.json does not have it
    failure: str = ""


def stamp(path):
    """Changes when the file is written anew."""
    try:
        info = os.stat(path)
        return info.st_ino, info.st_mtime_ns, info.st_size
    except FileNotFoundError:
        return None


def kept_runs(figure, out):
    directory = os.path.join(out, figure.name + ".runs")
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return {name: stamp(os.path.join(directory, name)) for name in names if not name.endswith(".tmp")}


class Runner:
    """Starts programs one after the other. The first signal to stop is handed on to the one that runs, which keeps what
    it has."""

    def __init__(self):
        self.child, self.interrupted = None, False

    def watch_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)

    def _stop(self, *_):
        child = self.child
        if child is not None and not self.interrupted:
            child.send_signal(signal.SIGINT)
        elif child is not None:
            child.kill()
        self.interrupted = True

    def run(self, words):
        """Returns the exit code, and the last line of what the program said if that was no terminal's. It has a process
        group of its own, so that Ctrl-C reaches it once; what it says on standard error is passed through."""
        if self.interrupted:
            raise Interrupted
        piped = subprocess.PIPE if not sys.stderr.isatty() else None  # on a terminal it shows its progress itself
        self.child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=piped,
                                      start_new_session=True, text=True, errors="replace")
        if self.interrupted:  # while it was started
            self.child.send_signal(signal.SIGINT)
        said = ""
        for said in self.child.stderr or ():
            print(said, end="", file=sys.stderr, flush=True)
        code = self.child.wait()
        self.child = None
        if self.interrupted and code != 0:
            raise Interrupted
        return code, said.strip()


def picture_paths(figure, out):
    return [os.path.join(out, figure.name + ending) for ending in (".svg", "-more.svg")]


def read_results(figure, out):
    """None where there are none."""
    return Results(out, figure.name) if os.path.exists(os.path.join(out, figure.name + ".json")) else None


def read_pictures(paths):
    pictures = []
    for path in paths:
        if os.path.exists(path):
            with open(path, "rb") as file:
                pictures.append(file.read())
    return pictures


def kept(figure, build, out, times):
    """The Outcome of an earlier start; None where there was none."""
    outcome = Outcome(figure)
    try:
        outcome.results = read_results(figure, out)
    except (OSError, ValueError) as error:
        outcome.failure = f"results that were kept cannot be read: {error}"
        return outcome
    if outcome.results is None:
        return None
    outcome.pictures = read_pictures(picture_paths(figure, out))
    outcome.command = rerun(figure, build, out, outcome.results.config)
    outcome.seconds = times.of(figure.name, outcome.results.config)
    return outcome


def make(figure, build, out, settings, runner, times):
    """Runs a figure's program; returns the Outcome."""
    words = command(figure, build, out, settings)
    outcome = Outcome(figure, command=shlex.join(words))
    if not os.access(words[0], os.X_OK):
        outcome.failure = f"there is no program {words[0]}; build it: " \
            f"meson setup {build} && meson configure {build} -Dexamples=true && ninja -C {build}"
        return outcome
    pictures = picture_paths(figure, out)
    files = [os.path.join(out, figure.name + ending) for ending in (".json", ".csv")] + pictures
    runs, stamps, began = kept_runs(figure, out), [stamp(path) for path in files], time.monotonic()
    code, said, complete = 0, "", False
    try:
        code, said = runner.run(words)
        fresh = [stamp(path) not in (None, before) for path, before in zip(files, stamps)]
        complete = fresh[0] and fresh[1]
    except OSError as error:
        outcome.failure = f"cannot start {words[0]}: {error.strerror}"
    finally:
        seconds, now = time.monotonic() - began, kept_runs(figure, out)
        if not complete:
            times.stopped(figure.name, seconds, any(runs.get(name) == at for name, at in now.items()))
    if code:
        ending = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
        outcome.failure = f"{ending}: {said}" if said else ending
    if complete:
        outcome.results = read_results(figure, out)
        for path, is_new in zip(pictures, fresh[2:]):
            if not is_new and os.path.exists(path):
                os.remove(path)  # of the numbers before
        outcome.pictures = read_pictures(pictures)
        outcome.command = rerun(figure, build, out, outcome.results.config)
        times.ended(figure.name, outcome.results.config, seconds, *done_and_taken(runs, now, outcome.results.counted))
        outcome.seconds = times.of(figure.name, outcome.results.config)
    return outcome


def done_and_taken(before, after, counted):
    """How many runs were done, and how many were taken from before. A program that keeps none does all."""
    done = sum(before.get(name) != at for name, at in after.items())
    return (done, len(counted) - done) if after else (len(counted), 0)
