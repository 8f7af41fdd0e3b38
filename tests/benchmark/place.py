# SPDX-License-Identifier: Apache-2.0
"""Where and with what was measured."""

import os
import platform
import subprocess
import sys

from rounds import HERE


def output(command):
    """What a command prints; None where it fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def torch_python():
    """An interpreter that has PyTorch: this one, or the system's; None without."""
    for python in dict.fromkeys((sys.executable, "/usr/bin/python3")):
        if output([python, "-c", "import torch"]) is not None:
            return python
    return None


def processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown processor"


def load():
    return [round(x, 2) for x in os.getloadavg()]


def describe(bench_step, python, fann):
    """The machine and the versions; `backends` has what stands behind each."""
    described = dict(line.split(" ", 1) for line in output([bench_step, "--describe"]).splitlines())
    found = {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform(),
             "compiler": described.pop("compiler", None), "falign": described.pop("library"),
             "auto": described.pop("auto"), "load": load()}
    found["backends"] = described
    found["torch"] = python and output([python, os.path.join(HERE, "peer_step.py"), "--describe"])
    found["fann"] = fann and (output(["pkg-config", "--modversion", "fann"]) or "unknown version")
    return found


def text(place):
    """The same for a reader."""
    lines = [f"medians of {place['rounds']} round{'s' if place['rounds'] > 1 else ''}",
             f"{place['processor']}, {place['cores']} cores, {place['system']}",
             f"load {place['load'][0]} before, {place['load_after'][0]} after" if "load_after" in place
             else f"load {place['load'][0]}",
             f"{place['falign']}, {place['compiler']}; backend auto is {place['auto']}"]
    lines += [f"backend {name}: {detail}" for name, detail in place["backends"].items()]
    lines.append(f"PyTorch {place['torch']}" if place["torch"] else "PyTorch is not installed: left out")
    lines.append(f"FANN {place['fann']}" if place["fann"] else "FANN is not installed: left out")
    return lines
