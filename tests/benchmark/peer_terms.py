# SPDX-License-Identifier: Apache-2.0
"""One alignment term of one order of a 50 x 50 layer, batch 1000, f32, in PyTorch. Argument: threads. Prints
"NAME SECONDS".

torch_eq_4: eq. 4 as the paper writes it, from the activities of both iterations, as a notebook has it.
torch_term: from what the library's history holds, W[l-1] and dW[l-1] of the past: the library's own way to write it."""

import sys
import time

import torch

torch.set_num_threads(int(sys.argv[1]))
torch.set_grad_enabled(False)
torch.manual_seed(1)
outputs = torch.rand(1000, 50)
delta = 0.1 * torch.randn(1000, 50)
past_outputs, past_states = torch.rand(1000, 50), torch.randn(1000, 50)
past_delta = 0.1 * torch.randn(1000, 50)
weights, update = 0.1 * torch.randn(50, 50), 0.001 * torch.randn(50, 50)
feedback = 0.1 * torch.randn(50, 50)
bias = 0.1 * torch.randn(50)
eta = 0.0005


def slope(z):
    return (1 - torch.tanh(z) ** 2) * (z > 0)


def equation_4():
    zeta = torch.addmm(bias, outputs, weights)
    error = slope(past_states).t() * torch.mm(feedback.t(), past_delta.t())
    step = torch.mm(eta * torch.mm(error, past_outputs), outputs.t())
    return eta * torch.mm(slope(zeta).t() * step, delta)


def term():
    zeta = torch.addmm(bias, outputs, weights)
    return eta * torch.mm((slope(zeta) * torch.mm(outputs, update)).t(), delta)


def measure(name, work):
    work()
    began, calls = time.perf_counter(), 0
    while time.perf_counter() - began < 0.4:
        work()
        calls += 1
    print(name, (time.perf_counter() - began) / calls)


measure("torch_eq_4", equation_4)
measure("torch_term", term)
