# SPDX-License-Identifier: Apache-2.0
"""The numbers of a figure: NAME.csv and NAME.json, as its program writes them."""

import csv
import json
import math
import os
import statistics

COLUMNS = ("condition", "run", "iteration", "epoch", "layer", "order", "metric", "value")


class NotMeasured(Exception):
    """The results have no such numbers: the runs were too short, or few."""


class Runs(dict):
    """One number for each run. Differences and quotients are of the same runs."""

    def __sub__(self, other):
        return self._with(other, lambda a, b: a - b)

    def __truediv__(self, other):
        return self._with(other, lambda a, b: a / b)

    def _with(self, other, of):
        if isinstance(other, dict):
            return Runs({run: of(value, other[run]) for run, value in self.items() if run in other})
        return Runs({run: of(value, other) for run, value in self.items()})

    def map(self, of):
        return Runs({run: of(value) for run, value in self.items()})


def gather(parts, of):
    """For each run that all parts have, `of` the list of its numbers."""
    parts = list(parts)
    shared = set(parts[0]).intersection(*parts[1:]) if parts else ()
    return Runs({run: of([part[run] for part in parts]) for run in sorted(shared)})


def mean(parts):
    return gather(parts, statistics.fmean)


class Results:
    """Rows are found by metric, condition, layer and order; one that a metric does not have is None. The condition may
    be left out where there is but one."""

    def __init__(self, directory, name):
        self.name = name
        self._series = {}  # (metric, condition, layer, order): {iteration: Runs}
        self.counted = set()  # (condition, run)
        self.config = self._load(os.path.join(directory, name + ".json"), json.load)
        if not isinstance(self.config, dict):
            raise ValueError(f"{os.path.join(directory, name)}.json is no configuration")
        self._load(os.path.join(directory, name + ".csv"), lambda file: self._read(csv.reader(file)))
        self.conditions = list(dict.fromkeys(key[1] for key in self._series))

    @staticmethod
    def _load(path, read):
        """What `read` makes of the file; an error in it names the file."""
        with open(path, encoding="utf-8", newline="") as file:
            try:
                return read(file)
            except (ValueError, csv.Error) as error:
                raise ValueError(f"{path}: {error}") from error

    def _read(self, rows):
        columns = next(rows, [])
        places = [columns.index(name) if name in columns else None for name in COLUMNS]
        if None in places[1:]:
            raise ValueError(f"there is no column {COLUMNS[places.index(None, 1)]}")
        condition, run, iteration, _, layer, order, metric, value = places
        whole = {}  # few texts are turned into numbers very often

        def number(text):
            if text not in whole:
                whole[text] = int(text) if text else None
            return whole[text]

        for row in rows:
            if len(row) != len(columns):
                raise ValueError(f"line {rows.line_num} has {len(row)} columns of {len(columns)}")
            where = None if condition is None else row[condition]
            self.counted.add((where, row[run]))
            amount = float(row[value])
            if math.isnan(amount):
                continue  # undefined; the summary leaves it out as well
            series = self._series.setdefault((row[metric], where, number(row[layer]), number(row[order])), {})
            series.setdefault(number(row[iteration]), Runs())[number(row[run])] = amount

    def series(self, metric, condition=None, layer=None, order=None):
        """{iteration: Runs}."""
        if condition is None and len(self.conditions) == 1:
            condition = self.conditions[0]
        found = self._series.get((metric, condition, layer, order))
        if found is None:
            where = "".join(f", {what} {value}" for what, value in
                            (("condition", condition), ("layer", layer), ("order", order)) if value is not None)
            raise NotMeasured(f"there is no {metric}{where}")
        return found

    def iterations(self, metric, condition=None, layer=None, order=None):
        return sorted(self.series(metric, condition, layer, order))

    def last(self, metric, condition=None, layer=None, order=None):
        return self.iterations(metric, condition, layer, order)[-1]

    def values(self, metric, condition=None, layer=None, order=None, iteration=None):
        """Of each run, at one iteration; without one, at the last."""
        series = self.series(metric, condition, layer, order)
        if iteration is None:
            iteration = max(series)
        if iteration not in series:
            raise NotMeasured(f"there is no {metric} at iteration {iteration}")
        return series[iteration]

    def between(self, metric, condition=None, layer=None, order=None, first=0, last=math.inf):
        """The Runs of the iterations from `first` to `last`, in a list."""
        series = self.series(metric, condition, layer, order)
        found = [series[iteration] for iteration in sorted(series) if first <= iteration <= last]
        if not found:
            raise NotMeasured(f"there is no {metric} from iteration {first} to {last}")
        return found

    def orders(self, metric, condition=None, layer=None, iteration=None):
        """Those that have a value, at an iteration if one is given."""
        if condition is None and len(self.conditions) == 1:
            condition = self.conditions[0]
        return sorted(key[3] for key, series in self._series.items()
                      if key[:3] == (metric, condition, layer) and key[3] is not None
                      and (iteration is None or iteration in series))
