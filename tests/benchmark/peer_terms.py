# SPDX-License-Identifier: Apache-2.0
"""One alignment term of one order of a 50 x 50 layer, batch 1000, f32, in PyTorch, from the same matrices that the
library has: L, W and dW of the past, b, delta. Argument: threads. Prints "NAME SECONDS"."""

import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]))
torch.set_grad_enabled(False)
torch.manual_seed(1)
outputs = torch.rand(1000, 50)
delta = 0.1 * torch.randn(1000, 50)
weights, update = 0.1 * torch.randn(50, 50), 0.001 * torch.randn(50, 50)
bias = 0.1 * torch.randn(50)
eta = 0.0005


def term():
    zeta = torch.addmm(bias, outputs, weights)
    slope = (1 - torch.tanh(zeta) ** 2) * (zeta > 0)
    return eta * torch.mm((slope * torch.mm(outputs, update)).t(), delta)


def written_out(past_delta, past_outputs):
    """Eq. 4 as it stands, from the activities of the past."""
    zeta = torch.addmm(bias, outputs, weights)
    slope = (1 - torch.tanh(zeta) ** 2) * (zeta > 0)
    step = torch.mm(eta * torch.mm(past_delta.t(), past_outputs), outputs.t())
    return eta * torch.mm(slope.t() * step, delta)


def measure(name, work):
    work()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < 0.4:
        work()
        calls += 1
    print(name, (time.perf_counter() - began) / calls)


measure("torch_term", term)
measure("torch_term_of_activities", lambda: written_out(delta, outputs))
