# SPDX-License-Identifier: Apache-2.0
"""What a claim is, and how it is judged.

A claim gives one or more numbers of each run and the range in which their mean has to be. It holds where a one-sided
interval of 95 % confidence (Student's t, over the runs) lies within the range, and does not where it lies outside. In
between, the runs are too few to tell."""

import dataclasses
import math
import statistics
import typing

from results import NotMeasured

# Quantiles of Student's t at 95 %, for 1 to 30 degrees of freedom; beyond, 1.645 + 1.56 / degrees is close.
T_95 = (6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753,
        1.746, 1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697)

HOLDS, FAILS = "holds", "does not hold"
UNMEASURED, TOO_FEW = "not measured in a run of this size", "too few runs to tell"

ALL = []  # in the order of the figures


def may_be_off(values):
    """By how much their mean may be off, to one side."""
    degrees = len(values) - 1
    if degrees < 1:
        return math.inf
    t = T_95[degrees - 1] if degrees <= len(T_95) else 1.645 + 1.56 / degrees
    return t * statistics.stdev(values) / math.sqrt(len(values))


@dataclasses.dataclass(frozen=True)
class Part:
    """A number of each run. With neither limit it is shown and not judged."""
    label: str
    values: tuple
    at_least: typing.Optional[float]
    at_most: typing.Optional[float]
    unit: str
    digits: int

    @property
    def judged(self):
        return self.at_least is not None or self.at_most is not None

    @property
    def limits(self):
        return (-math.inf if self.at_least is None else self.at_least,
                math.inf if self.at_most is None else self.at_most)

    @property
    def holds(self):
        mean, off = statistics.fmean(self.values), may_be_off(self.values)
        low, high = self.limits
        if low <= mean - off and mean + off <= high:
            return True
        return False if mean + off < low or mean - off > high else None

    @property
    def within(self):
        """Whether the mean itself is, however sure that be."""
        low, high = self.limits
        return low <= statistics.fmean(self.values) <= high

    @property
    def text(self):
        number = f"{{:.{self.digits}f}}".format
        spread = f" ± {number(statistics.stdev(self.values))}" if len(self.values) > 1 else ""
        return f"{number(statistics.fmean(self.values))}{spread}{self.unit}"


def part(label, runs, at_least=None, at_most=None, unit="°", digits=1):
    if not runs:
        raise NotMeasured(f"no run has {label}")
    return Part(label, tuple(runs.values()), at_least, at_most, unit, digits)


@dataclasses.dataclass(frozen=True)
class Finding:
    """What came out of a claim."""
    holds: typing.Optional[bool]
    parts: tuple = ()
    why: str = ""  # nothing was measured

    @property
    def verdict(self):
        return {True: HOLDS, False: FAILS, None: self._open}[self.holds]

    @property
    def within(self):
        """Whether all means are within the criterion; not where nothing was measured."""
        return bool(self.parts) and all(p.within for p in self.parts if p.judged)

    @property
    def _open(self):
        if not self.parts:
            return UNMEASURED
        return f"{TOO_FEW}; {'so far it holds' if self.within else 'so far it does not hold'}"

    @property
    def runs(self):
        return min((len(p.values) for p in self.parts), default=0)

    @property
    def text(self):
        """Numbers with their spread, on one line."""
        if not self.parts:
            return self.why
        listed = "; ".join(f"{p.label}: {p.text}" if p.label else p.text for p in self.parts)
        return f"{listed} (n = {self.runs})"


def judge(parts):
    verdicts = [p.holds for p in parts if p.judged]
    holds = False if False in verdicts else None if None in verdicts or not verdicts else True
    return Finding(holds, tuple(parts))


@dataclasses.dataclass(frozen=True)
class Claim:
    name: str  # of its function
    figure: str
    number: int  # within the figure
    section: str
    quote: str
    criterion: str
    measure: typing.Callable
    reproduces: typing.Optional[bool]
    note: str

    @property
    def label(self):
        return f"{self.figure}.{self.number}"

    @property
    def where(self):
        """In the paper."""
        return f"caption of {self.section}" if self.section.startswith("Fig.") else f"section {self.section}"

    def find(self, results):
        """What was measured; with no results, nothing."""
        if results is None:
            return Finding(None, why="not measured yet")
        try:
            return judge(self.measure(results))
        except NotMeasured as missing:
            return Finding(None, why=str(missing))
        except (ArithmeticError, ValueError) as error:  # such as a quotient by the spread of what is constant
            return Finding(None, why=f"these numbers have no such value: {error}")


def claim(figure, section, quote, criterion, reproduces=True, note=""):
    """Makes a claim of a function that takes the figure's results and returns parts. One that is known not to
    reproduce (False), or of which it is not known (None), says in its note what speaks against it."""
    if not reproduces and not note:
        raise ValueError(f"the claim '{quote}' needs a note")

    def add(function):
        number = 1 + sum(other.figure == figure for other in ALL)
        ALL.append(Claim(function.__name__, figure, number, section, quote, criterion, function, reproduces, note))
        return function
    return add
