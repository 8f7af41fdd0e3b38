# SPDX-License-Identifier: Apache-2.0
"""Plots, drawn by gnuplot, that can be read without colour: lines differ in dashes and points, bars in pattern."""

import os
import shutil
import subprocess

import cases
from cases import Case, of
from rounds import say

TERMINALS = {"png": "pngcairo size 800,500 font 'sans,11'", "svg": "svg size 800,500 font 'sans,13' background 'white'"}
STYLE = "\n".join(f"set style line {i} lc rgb '{colour}' lt 1 lw 2 dt {i} pt {point} ps 1.3"
                  for i, (colour, point) in enumerate((("#000000", 7), ("#0060a0", 4), ("#b04000", 8), ("#007050", 2),
                                                       ("#804080", 6), ("#606060", 12)), 1))


def block(rows):
    return "\n".join(" ".join(str(value) for value in row) for row in rows) + "\ne\n"


class Lines:
    """A plot of lines: (name, points) each; those without points are left out."""

    def __init__(self, name, title, x, y, settings, lines):
        self.name, self.title, self.x, self.y, self.settings = name, title, x, y, settings
        self.lines = [(label, points) for label, points in lines if points]

    def script(self):
        drawn = ", ".join(f"'-' with linespoints ls {i} title '{label}'" for i, (label, _) in enumerate(self.lines, 1))
        return (f"set title \"{self.title}\"\nset xlabel '{self.x}'\nset ylabel '{self.y}'\nset key left top\n"
                f"set grid lc rgb '#c0c0c0'\n{self.settings}\n{STYLE}\nplot {drawn}\n" +
                "".join(block(points) for _, points in self.lines))


class Bars:
    """Groups of bars: a label and a number or None for each of `names`."""

    def __init__(self, name, title, y, names, groups):
        self.name, self.title, self.y, self.names = name, title, y, names
        self.lines = self.groups = [(label, values) for label, values in groups if any(values)]

    def script(self):
        patterns = (3, 1, 0, 2)
        data = block([f'"{label}"', *(value or "NaN" for value in values)] for label, values in self.groups)
        drawn = ", ".join(f"'-' using {i + 2}:xtic(1) fs pattern {patterns[i]} lc rgb '#000000' title \"{name}\""
                          for i, name in enumerate(self.names))
        return (f"set title \"{self.title}\"\nset ylabel '{self.y}'\nset style data histograms\n"
                "set style histogram clustered gap 1\nset boxwidth 0.9\nset key outside top center horizontal\n"
                f"set logscale y\nset grid y lc rgb '#c0c0c0'\nset yrange [1:]\nset bmargin 4\nplot {drawn}\n" +
                data * len(self.names))


def over(report, xs, make):
    """Milliseconds of a step over x."""
    return [(x, 1e3 * t) for x in xs if (t := report.rounds.step(make(x))) is not None]


def by_threads(report, xs, make, label=""):
    return [(f"{label}{n} thread{'s' if n > 1 else ''}", over(report, xs, lambda x, n=n: of(make(x), threads=n)))
            for n in report.threads]


def width_plot(report):
    lines = [line for batch in (100, 1000) for line in by_threads(
        report, cases.WIDTHS, lambda w, b=batch: Case(widths=cases.network(w), batch=b), f"batch {batch}, ")]
    return Lines("width", "An FA step over the width (depth 5, f32)", "width", "ms a step",
                 "set logscale xy\nset xtics (50, 200, 1000)", lines)


def batch_plot(report):
    lines = [line for width in (50, 200) for line in by_threads(
        report, cases.BATCHES, lambda b, w=width: Case(widths=cases.network(w), batch=b), f"width {width}, ")]
    return Lines("batch", "An FA step over the batch (depth 5, f32)", "data points in a batch", "ms a step",
                 "set logscale xy", lines)


def depth_plot(report):
    lines = by_threads(report, cases.DEPTHS, lambda d: Case(widths=cases.network(50, d)))
    return Lines("depth", "An FA step over the depth (width 50, batch 1000, f32)", "depth", "ms a step",
                 "set yrange [0:]", lines)


def threads_plot(report):
    """How many times faster than on one thread."""
    def gain(case):
        one = report.rounds.step(case)
        return [(n, one / t) for n in report.threads if (t := report.rounds.step(of(case, threads=n))) and one]

    lines = [(f"width {width}, batch {batch}", gain(Case(widths=cases.network(width), batch=batch)))
             for width, batch in ((50, 100), (50, 1000), (200, 1000), (1000, 1000))]
    if any(points for _, points in lines):
        lines.append(("as many times as threads", [(n, n) for n in report.threads]))
    return Lines("threads", "An FA step over the threads (depth 5, f32)", "threads", "times faster than one",
                 f"set xtics 1\nset yrange [0:{report.threads[-1] + 0.5}]", lines)


def share_plot(report):
    def share(precision, n, width):
        case = Case(widths=cases.network(width), threads=n, precision=precision)
        seconds, peak = report.rounds.step(case), report.rounds.peak(precision, n)
        return 100 * case.flop() / seconds / peak if seconds and peak else None

    lines = [(f"{precision}, {n} thread{'s' if n > 1 else ''}",
              [(width, value) for width in cases.WIDTHS if (value := share(precision, n, width))])
             for precision in ("f32", "f64") for n in report.threads]
    return Lines("share", "Useful FLOP of an FA step, batch 1000", "width", "percent of the measured peak",
                 "set logscale x\nset xtics (50, 200, 1000)\nset yrange [0:100]", lines)


def peers_plot(report):
    fann = [t for name in ("fann_bp_1", "fann_stepwise_bp_1") if (t := report.rounds.named_median(name, 1))]

    def group(case):
        ours = min((t for n in report.threads if (t := report.rounds.step(of(case, threads=n)))), default=None)
        theirs = report.rounds.torch(case, report.threads)
        third = min(fann, default=None) if case.batch == 1 and case.rule == "bp" else None
        shape = "784-1024-\\n1024-10" if case.widths == cases.LARGE else f"batch {case.batch}"
        return f"{shape}\\n{case.rule.upper()}", [value and 1e6 * value for value in (ours, theirs, third)]

    return Bars("peers", "A step, each with its best number of threads (f32)", "microseconds a step, logarithmic",
                ["libfalign", "PyTorch", "FANN"], [group(case) for case in cases.peers()])


def draw(report, directory, endings=("svg", "png")):
    if shutil.which("gnuplot") is None:
        say("gnuplot is not installed: there are no plots")
        return
    os.makedirs(directory, exist_ok=True)
    for make in (width_plot, batch_plot, depth_plot, threads_plot, share_plot, peers_plot):
        plot = make(report)
        for ending in endings if plot.lines else ():
            path = os.path.join(directory, f"performance_{plot.name}.{ending}")
            head = f"set terminal {TERMINALS[ending]}\nset output '{path}'\n"
            subprocess.run(["gnuplot"], input=head + plot.script(), text=True, check=True)
