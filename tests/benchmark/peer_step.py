# SPDX-License-Identifier: Apache-2.0
"""One training step in PyTorch, f32, in plain tensor operations without autograd, as the paper's authors have it; where
PyTorch has an operation that does several of them at once or in place, that is taken.

peer_step.py --describe: the versions of PyTorch and of what it multiplies with.
peer_step.py SECONDS THREADS CASE...: measures each case and prints "CASE SECONDS". A case is as in bench_step.c, of the
keys rule=fa|bp|dfa, widths and batch."""

import os
import sys
import time

import torch

POINTS, WIDE_POINTS = 60000, 6400  # as in bench_step.c
ETA = 0.0005


def read_case(text):
    settings = {"rule": "fa", "widths": "225-50-50-50-50-50", "batch": "1000"}
    settings.update(pair.split("=") for pair in text.split(","))
    return settings["rule"], [int(n) for n in settings["widths"].split("-")], int(settings["batch"])


class Step:
    def __init__(self, rule, widths, batch):
        torch.manual_seed(1)
        self.rule, self.batch, self.depth, self.at = rule, batch, len(widths) - 1, 0
        self.points = WIDE_POINTS if widths[0] > 225 else POINTS
        pairs = list(zip(widths, widths[1:]))
        self.inputs = torch.randn(self.points, widths[0]) * 0.07
        self.targets = (torch.rand(self.points, widths[-1]) < 0.1).float()
        self.weights = [torch.randn(n, m) * 0.1 for n, m in pairs]
        self.biases = [torch.randn(m) * 0.1 for _, m in pairs]
        top = widths[-1]
        self.feedback = [torch.randn(top if rule == "dfa" else m, n) * 0.1 for n, m in pairs]

    def signal(self, layer, deltas):
        if self.rule == "bp":
            return torch.mm(deltas[layer + 1], self.weights[layer].t())
        return torch.mm(deltas[-1 if self.rule == "dfa" else layer + 1], self.feedback[layer])

    def __call__(self):
        outputs = [self.inputs[self.at:self.at + self.batch]]
        target = self.targets[self.at:self.at + self.batch]
        self.at = (self.at + self.batch) % (self.points - self.batch + 1)
        for w, b in zip(self.weights, self.biases):
            outputs.append(torch.addmm(b, outputs[-1], w).relu_().tanh_())
        # f' is 1 - tanh^2 where z > 0, and that is where the output is above 0
        slopes = [None] + [(1 - y * y).mul_(y > 0) for y in outputs[1:]]
        deltas = [None] * (self.depth + 1)
        deltas[-1] = (target - outputs[-1]).mul_(slopes[-1])
        for layer in range(self.depth - 1, 0, -1):
            deltas[layer] = self.signal(layer, deltas).mul_(slopes[layer])
        for layer in range(self.depth):
            self.weights[layer].addmm_(outputs[layer].t(), deltas[layer + 1], alpha=ETA)
            self.biases[layer].add_(deltas[layer + 1].sum(0), alpha=ETA)


def measure(name, step, total):
    for _ in range(3):
        step()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < total:
        step()
        calls += 1
    print(name, (time.perf_counter() - began) / calls, flush=True)


def blas():
    """The files of the BLAS that PyTorch has loaded."""
    torch.mm(torch.ones(2, 2), torch.ones(2, 2))
    with open("/proc/self/maps") as maps:
        files = {os.path.basename(line.split()[-1]) for line in maps if "blas" in line or "mkl_" in line}
    return " ".join(sorted(files)) or "built in"


def main():
    if sys.argv[1:] == ["--describe"]:
        print(torch.__version__, "with", blas())
        return
    torch.set_num_threads(int(sys.argv[2]))
    torch.set_grad_enabled(False)
    for case in sys.argv[3:]:
        measure(case, Step(*read_case(case)), float(sys.argv[1]))


main()
