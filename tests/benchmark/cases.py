# SPDX-License-Identifier: Apache-2.0
"""What is measured: cases of bench_step and peer_step.py, and their useful FLOP."""

import dataclasses

PAPER = (225, 50, 50, 50, 50, 50)
LARGE = (784, 1024, 1024, 10)
WIDTHS = (50, 200, 1000)
BATCHES = (1, 100, 1000)
DEPTHS = tuple(range(2, 11))


def network(width=50, depth=5):
    """The paper's inputs, and `depth` layers of one width."""
    return (225,) + (width,) * depth


@dataclasses.dataclass(frozen=True)
class Case:
    """See bench_step.c. `blas` is the number of threads that the BLAS is given for itself."""
    work: str = "step"
    rule: str = "fa"
    precision: str = "f32"
    norm: str = "none"
    backend: str = "auto"
    threads: int = 1
    widths: tuple = PAPER
    batch: int = 1000
    log: int = 0
    blas: int = 1

    def argument(self):
        values = dataclasses.asdict(self)
        del values["blas"]
        values["widths"] = "-".join(str(n) for n in self.widths)
        return ",".join(f"{key}={value}" for key, value in values.items())

    def peer_argument(self):
        return f"rule={self.rule},widths={'-'.join(str(n) for n in self.widths)},batch={self.batch}"

    def flop(self):
        """The useful FLOP of a step: the products of forward, updates and deltas, and nothing else."""
        n, d = self.widths, len(self.widths) - 1
        weights = sum(n[l] * n[l + 1] for l in range(d))
        hidden = sum(n[l] * n[d if self.rule == "dfa" else l + 1] for l in range(1, d))
        return 2 * self.batch * (2 * weights + hidden)


assert Case().flop() == 105e6  # the design's figure for the paper's FA step


def of(case, **changes):
    return dataclasses.replace(case, **changes)


def matrix(backends, threads, quick):
    """The paper's step in all its variants."""
    return [Case(rule=rule, norm=norm, backend=backend, threads=n, precision=precision)
            for precision in ("f32",) + (() if quick else ("f64",))
            for backend in backends for n in threads for rule in ("fa", "bp", "dfa") for norm in ("none", "columns")]


def headline(threads):
    """What is claimed of a step with the backend that the library itself chooses."""
    found = []
    for n in threads:
        found += [Case(rule=rule, norm=norm, threads=n) for rule in ("fa", "bp", "dfa") for norm in ("none", "columns")]
        found += [Case(log=every, threads=n) for every in (60, 1)]
        found += [Case(work="evaluate", threads=n), Case(work="epoch", threads=n)]
    return found + [Case(rule=rule, batch=1) for rule in ("fa", "bp", "dfa")] + [Case(work="load")]


def large(threads):
    return [Case(rule=rule, widths=LARGE, batch=256, threads=n) for rule in ("fa", "bp") for n in threads]


def large_with_threads_of_the_blas(threads):
    """Both the products alone and the step, where the BLAS shares out its products itself."""
    return ([Case(work="products", rule=rule, widths=LARGE, batch=256, backend="cblas", blas=n)
             for rule in ("fa", "bp") for n in threads] +
            [Case(rule=rule, widths=LARGE, batch=256, blas=n) for rule in ("fa", "bp") for n in threads if n > 1])


def scaling(backends, threads, quick):
    precisions = ("f32",) if quick else ("f32", "f64")
    found = [Case(widths=network(width), batch=batch, threads=n, precision=precision)
             for precision in precisions for width in WIDTHS for batch in BATCHES for n in threads
             if not (quick and width == 1000 and batch == 1000) and (precision == "f32" or batch == 1000)]
    found += [Case(widths=network(50, depth), threads=n) for depth in DEPTHS for n in threads]
    found += [Case(widths=network(width), batch=batch, backend=backend)
              for width in WIDTHS for batch in BATCHES for backend in backends
              if not (width == 1000 and batch == 1000 and (quick or backend == "builtin"))]
    return list(dict.fromkeys(found))


def peers():
    return [Case(rule=rule, batch=batch) for batch in (1000, 1) for rule in ("fa", "bp")] + \
           [Case(rule=rule, widths=LARGE, batch=256) for rule in ("fa", "bp")]
