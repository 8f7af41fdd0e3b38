# SPDX-License-Identifier: Apache-2.0
"""What is claimed, and whether it holds. All ratios are of medians of the same rounds."""

import dataclasses
import typing

import cases
from cases import Case, of


@dataclasses.dataclass
class Claim:
    text: str
    figure: typing.Optional[float]
    limit: float
    how: str  # at least, at most
    at_peak: typing.Optional[float] = None  # what it would be if the useful FLOP were done at the machine's peak

    def met_by(self, figure):
        return figure <= self.limit if self.how == "at most" else figure >= self.limit

    def verdict(self):
        if self.figure is None:
            return "not measured"
        if self.met_by(self.figure):
            return "holds"
        beyond = self.at_peak is not None and not self.met_by(self.at_peak)
        return f"DOES NOT HOLD; {self.at_peak:.2f} at the peak of this machine" if beyond else "DOES NOT HOLD"


def ratio(a, b):
    return a / b if a and b else None


class Claims:
    def __init__(self, rounds, threads):
        self.rounds, self.threads = rounds, threads
        self.most = threads[-1]
        self.claims = []

    def least(self, text, figure, limit, at_peak=None):
        self.claims.append(Claim(text, figure, limit, "at least", at_peak))

    def most_of(self, text, figure, limit, at_peak=None):
        self.claims.append(Claim(text, figure, limit, "at most", at_peak))

    def best(self, case):
        """The library's best, with any number of threads of its own or of the BLAS."""
        found = [self.rounds.step(of(case, threads=n)) for n in self.threads]
        found += [self.rounds.step(of(case, blas=n)) for n in self.threads]
        return min((t for t in found if t), default=None)

    def steps(self):
        paper, r, n = Case(), self.rounds, self.most
        peak = r.peak("f32", n)
        rate = ratio(paper.flop(), r.step(of(paper, threads=n)))
        torch = r.torch(paper, self.threads)

        def at_peak(seconds, case, threads):
            found = r.peak("f32", threads)
            return seconds and found and seconds * found / case.flop()

        self.least("FA step: times faster than PyTorch's best", ratio(torch, self.best(paper)), 5,
                   at_peak(torch, paper, n))
        self.least("the same, of one thread", ratio(torch, r.step(paper)), 2.7, at_peak(torch, paper, self.threads[0]))
        self.least(f"FA step, {n} threads: useful FLOP in percent of the peak",
                   rate and peak and 100 * rate / peak, 55)
        bp = of(paper, rule="bp")
        torch_bp = r.torch(bp, self.threads)
        self.least("BP step: times faster than PyTorch's best", ratio(torch_bp, self.best(bp)), 5,
                   at_peak(torch_bp, bp, n))
        for rule in ("fa", "bp", "dfa"):
            case = of(paper, rule=rule)
            self.least(f"{rule.upper()} step: {n} threads over one", ratio(r.step(case), r.step(of(case, threads=n))),
                       1.8 if n == 2 else 1)
        for threads in self.threads:
            case = of(paper, threads=threads)
            self.most_of(f"normalization: a step with over one without, {threads} thread(s)",
                         ratio(r.step(of(case, norm="columns")), r.step(case)), 1.05)
            self.most_of(f"angle_w_b and angle_dw_bp at every iteration, {threads} thread(s)",
                         ratio(r.step(of(case, log=1)), r.step(case)), 1.8)
            self.most_of(f"the same at every 60th, {threads} thread(s)", ratio(r.step(of(case, log=60)), r.step(case)),
                         1.05)

    def online(self):
        r = self.rounds
        for rule in ("fa", "bp"):
            case = Case(rule=rule, batch=1)
            self.least(f"batch 1, {rule.upper()}: times faster than PyTorch's best",
                       ratio(r.torch(case, self.threads), r.step(case)), 10)
        fann = min((t for name in ("fann_bp_1", "fann_stepwise_bp_1") if (t := r.named_median(name, 1))), default=None)
        self.least("batch 1, BP: times faster than FANN's best", ratio(fann, r.step(Case(rule="bp", batch=1))), 1)

    def large(self):
        for rule in ("fa", "bp"):
            case = Case(rule=rule, widths=cases.LARGE, batch=256)
            step = self.best(case)
            self.least(f"784-1024-1024-10, {rule.upper()}: times faster than PyTorch's best",
                       ratio(self.rounds.torch(case, self.threads), step), 1)
            products = self.best(of(case, work="products", backend="cblas"))
            alone = ratio(products, step)
            self.least("the same: speed in percent of what OpenBLAS takes for its products alone",
                       alone and 100 * alone, 80)

    def others(self):
        r, n = self.rounds, self.most
        self.most_of("builtin over cblas, a step on one thread",
                     ratio(r.step(Case(backend="builtin")), r.step(Case(backend="cblas"))), 4)
        steps = 10 * 100 * 60 * Case().flop()
        self.most_of("seconds of ten runs of 100 epochs with test error, all threads",
                     r.named_median("ten_runs", n), 60, ratio(steps, r.peak("f32", n)))
        self.most_of("seconds to load MNIST at size 15, one thread", r.step(Case(work="load")), 1)

    def terms(self):
        def named(a, b):
            return ratio(self.rounds.named_median(a, one), self.rounds.named_median(b, one))

        def best(name):
            return min((t for n in self.threads if (t := self.rounds.named_median(name, n))), default=None)

        one = self.threads[0]
        self.most_of("a term of one order over its three bare products, one order asked for",
                     named("term_of_1", "bare_products"), 1.5)
        self.most_of("the same, of 64 orders", named("term_of_64", "bare_products"), 1.5)
        self.least("a term, of 64 orders: times faster than eq. 4 in PyTorch's best",
                   ratio(best("torch_eq_4"), best("term_of_64")), 8)
        self.least("the same, PyTorch written as the library has it", ratio(best("torch_term"), best("term_of_64")), 1)
        self.most_of("an order of 512 over an order of 64: linear in the orders",
                     named("term_of_512", "term_of_64"), 1.2)
        self.most_of("a step with the history of eq. 4 over a step", named("step_with_history", "step"), 1.2)
        self.most_of("the same with C", named("step_with_history_and_c", "step"), 1.55)

    def similarity(self):
        for name, text in (("histogram_of_s_l0", "S_L0, 3.6e9 pairs"), ("histogram_of_s_delta", "S_delta")):
            self.most_of(f"seconds of the histogram of {text}, all threads",
                         self.rounds.named_median(name, self.most), 20)


def all_of(rounds, threads, parts):
    found = Claims(rounds, threads)
    if "step" in parts:
        found.steps()
        found.online()
        found.large()
        found.others()
    if "terms" in parts:
        found.terms()
    if "similarity" in parts:
        found.similarity()
    return found.claims
