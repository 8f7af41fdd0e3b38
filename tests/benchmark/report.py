# SPDX-License-Identifier: Apache-2.0
"""Tables, for a terminal and for the page of the documentation, and the JSON file of all figures."""

import dataclasses
import json
import os

import cases
import place as places
import plots
from cases import Case, of

BEGIN, END = "<!-- figures: written by scripts/benchmark --docs -->", "<!-- end of figures -->"


def duration(seconds):
    if seconds is None:
        return "-"
    for unit, name in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e9:.3g} ns"


class Report:
    def __init__(self, rounds, threads, place, claims):
        self.rounds, self.threads, self.place, self.claims = rounds, threads, place, claims
        self.backends = list(place["backends"])

    # ---- Cells ----

    def step(self, case):
        """Seconds, GFLOP/s and share of the peak of as many threads."""
        seconds = self.rounds.step(case)
        if seconds is None:
            return ["-", "-", "-"]
        rate = case.flop() / seconds
        peak = self.rounds.peak(case.precision, case.threads)
        return [duration(seconds), f"{rate / 1e9:.3g}", f"{100 * rate / peak:.0f} %" if peak else "-"]

    def heads(self, first):
        return first + [head for n in self.threads for head in (f"{n} thr.", "GFLOP/s", "of peak")]

    def over_threads(self, first, case):
        return first + [cell for n in self.threads for cell in self.step(of(case, threads=n))]

    # ---- Tables: (title, heads, rows) ----

    def matrix(self):
        rows = [self.over_threads([backend, precision, rule.upper(), norm],
                                  Case(rule=rule, norm=norm, backend=backend, precision=precision))
                for backend in ["auto", *self.backends] for precision in ("f32", "f64")
                for rule in ("fa", "bp", "dfa") for norm in ("none", "columns")]
        return "A step of the paper's network, batch 1000", self.heads(["backend", "", "rule", "norm"]), rows

    def scaling(self):
        rows = [self.over_threads([str(width), str(batch), precision],
                                  Case(widths=cases.network(width), batch=batch, precision=precision))
                for precision in ("f32", "f64") for width in cases.WIDTHS for batch in cases.BATCHES]
        return "An FA step of depth 5, 225 inputs", self.heads(["width", "batch", ""]), rows

    def backend_scaling(self):
        rows = [[str(width), str(batch)] + [cell for backend in self.backends
                                            for cell in self.step(Case(widths=cases.network(width), batch=batch,
                                                                       backend=backend))]
                for width in cases.WIDTHS for batch in cases.BATCHES]
        heads = ["width", "batch"] + [head for backend in self.backends for head in (backend, "GFLOP/s", "of peak")]
        return "The same by backend, f32, one thread", heads, rows

    def depth(self):
        rows = [self.over_threads([str(depth)], Case(widths=cases.network(50, depth))) for depth in cases.DEPTHS]
        return "An FA step of width 50, batch 1000, f32", self.heads(["depth"]), rows

    def peers(self):
        rows = []
        for case in cases.peers():
            torch = self.rounds.torch(case, self.threads)
            count = self.rounds.torch_threads(case, self.threads)
            shape = "784-1024-1024-10" if case.widths == cases.LARGE else "the paper's"
            rows.append([shape, str(case.batch), case.rule.upper(),
                         *(duration(self.rounds.step(of(case, threads=n))) for n in self.threads),
                         duration(torch), str(count or "-"), self.third(case)])
        return ("Beside others doing the same work, f32",
                ["network", "batch", "rule", *(f"{n} thr." for n in self.threads), "PyTorch's best", "its thr.",
                 "FANN, or products alone"], rows)

    def third(self, case):
        """FANN where it can do the same; for the large network what the BLAS takes for the products."""
        if case.widths == cases.LARGE:
            found = [self.rounds.step(of(case, work="products", backend="cblas", blas=n)) for n in self.threads]
            return duration(min((t for t in found if t), default=None))
        if case.batch == 1 and case.rule == "bp":
            names = ("fann_bp_1", "fann_stepwise_bp_1")
            return duration(min((t for name in names if (t := self.rounds.named_median(name, 1))), default=None))
        return "-"

    def others(self):
        wanted = [("angle_w_b, angle_dw_bp at every iteration", Case(log=1)), ("the same at every 60th", Case(log=60)),
                  ("evaluation of 10,000 points", Case(work="evaluate")),
                  ("an epoch of 60 steps and an evaluation", Case(work="epoch")), ("MNIST loaded, size 15",
                                                                                  Case(work="load"))]
        rows = [[text, *(duration(self.rounds.step(of(case, threads=n))) for n in self.threads)]
                for text, case in wanted]
        return "What belongs to a step, FA, f32", ["", *(f"{n} thr." for n in self.threads)], rows

    def named(self):
        names = sorted({key[1] for key in self.rounds.values if key[0] == "named" and not key[1].startswith("peak")})
        rows = [[name, *(duration(self.rounds.named_median(name, n)) for n in self.threads)] for name in names]
        return "Terms, histories, similarities, and whole runs", ["", *(f"{n} thr." for n in self.threads)], rows

    def machine(self):
        rows = [[precision, *(f"{peak / 1e9:.4g}" if (peak := self.rounds.peak(precision, n)) else "-"
                              for n in self.threads)] for precision in ("f32", "f64")]
        return "Peak of fused products and sums, GFLOP/s", ["", *(f"{n} thr." for n in self.threads)], rows

    def memory(self):
        rows = [[name, f"{max(values) / 2**20:.0f}"]
                for (kind, name, _), values in self.rounds.values.items() if kind == "memory"]
        return "The most memory that a process has had", ["", "MiB"], rows

    def tables(self):
        """Those that have a figure, without the rows that have none."""
        for title, heads, rows in (self.machine(), self.matrix(), self.others(), self.scaling(), self.backend_scaling(),
                                   self.depth(), self.peers(), self.named(), self.memory()):
            labels = sum(1 for head in heads if head in LABELS) or 1
            rows = [row for row in rows if any(cell != "-" for cell in row[labels:])]
            if rows:
                yield title, heads, rows

    # ---- Writing ----

    def doubts(self):
        """Where the machine's own peak shows that the cores were not free."""
        one, most = (self.rounds.peak("f32", n) for n in (1, self.threads[-1]))
        if not one or not most or most > 0.9 * self.threads[-1] * one:
            return []
        return [f"doubtful: {self.threads[-1]} threads have reached only {most / one:.2f} times the peak of one, so "
                "the cores were not free, and figures of several threads say little"]

    def plain(self):
        lines = places.text(self.place) + self.doubts()
        for title, heads, rows in self.tables():
            widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
            lines += ["", title]
            lines += ["  ".join(cell.rjust(width) if i else cell.ljust(width)
                                for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in [heads, *rows]]
        lines += ["", "Claims"]
        lines += [f"{figure:>8}  {text} ({bound}): {verdict}" for text, figure, bound, verdict in self.verdicts()]
        return "\n".join(lines)

    def verdicts(self):
        for claim in self.claims:
            figure = "-" if claim.figure is None else f"{claim.figure:.2f}"
            yield claim.text, figure, f"{claim.how} {claim.limit:g}", claim.verdict()

    def markdown(self):
        lines = ["Measured on:", "", *(f"- {line}" for line in places.text(self.place) + self.doubts()), ""]
        for title, heads, rows in self.tables():
            lines += [f"### {title}", "", *markdown_table(heads, rows), ""]
        lines += ["### Claims", "", *markdown_table(["what", "measured", "claimed", ""], list(self.verdicts())), ""]
        return "\n".join(lines)

    def write_json(self, path):
        values = [{"kind": kind, "what": dataclasses.asdict(what) if isinstance(what, Case) else what,
                   "threads": threads, "values": found, "median": self.rounds.median((kind, what, threads)),
                   **({"flop": what.flop()} if isinstance(what, Case) and what.work in ("step", "products") else {})}
                  for (kind, what, threads), found in self.rounds.values.items()]
        with open(path, "w") as file:
            json.dump({"machine": self.place, "measured": values,
                       "claims": [{**dataclasses.asdict(c), "verdict": c.verdict()} for c in self.claims]}, file, indent=1)
            file.write("\n")

    def write_docs(self, root):
        """Puts the tables into the page, and the plots beside it."""
        page = os.path.join(root, "docs", "performance.md")
        with open(page) as file:
            text = file.read()
        before, rest = text.split(BEGIN)
        after = rest.split(END)[1]
        with open(page, "w") as file:
            file.write(f"{before}{BEGIN}\n\n{self.markdown()}\n{END}{after}")
        plots.draw(self, os.path.join(root, "docs", "images"), ("png",))


LABELS = ("", "backend", "rule", "norm", "width", "batch", "depth", "network")


def markdown_table(heads, rows):
    head, *body = ("| " + " | ".join(row) + " |" for row in [heads, *rows])
    return [head, "|" + "---|" * len(heads), *body]
