# SPDX-License-Identifier: Apache-2.0
"""Holds the list of the paper's claims against runs of a reduced size: each claim that is said to reproduce holds, and
each that is said not to does not; one that is left open is measured.

usage: test_claims.py BUILD

MNIST is found through FALIGN_MNIST_DIR; without it there is nothing to train on, and all is skipped."""

import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "paper"))
import claim  # noqa: E402
import claims  # noqa: E402, F401
from figures import FIGURES  # noqa: E402
from results import Results  # noqa: E402

# The least runs and epochs with which all claims of a figure can be told, by the verdicts of longer runs in
# docs/claims.md. What a claim compares, and from which value it holds, is in scripts/paper/claims/.
SIZES = {
    "open_loop": ["--runs", "10"],
    "alignment_terms": ["--runs", "6", "--epochs", "22"],  # iteration 1260, and small differences
    "remainder": ["--runs", "6", "--epochs", "10"],  # the norm of the remainder has a heavy tail
    "disturbed_terms": ["--runs", "4", "--epochs", "5"],  # time grows with their square
    "label_shuffle": ["--runs", "4", "--epochs", "25"],  # iteration 1260
    "weight_norm": ["--runs", "5", "--epochs", "20"],
    "trajectories": ["--quick", "--runs", "3", "--epochs", "25"],  # a coarse grid of losses
    "transformation": ["--runs", "4", "--epochs", "20"],
    "autocorrelation": ["--runs", "5", "--epochs", "20"],
    "similarity": ["--quick", "--runs", "4", "--epochs", "14"],  # iteration 800; histograms of fewer points
    "product_angle": ["--runs", "4"],
    "sensitivity": ["--runs", "3", "--epochs", "20"],
    "norm_control": ["--runs", "8", "--epochs", "40"],  # the angle that W alone gains comes late
    "similarity_gap": ["--runs", "4", "--epochs", "6"],
    "direct_alignment": ["--runs", "4", "--epochs", "20"],
}
LONGEST = 7000  # seconds; tests/meson.build allows 7200


def make(name, out):
    """The results of a figure."""
    script = os.path.join(ROOT, "scripts", "reproduce")
    subprocess.run([script, "--build", sys.argv[1], "--out", out, *SIZES[name], name], check=True, timeout=LONGEST)
    return Results(out, name)


def check(c, results):
    finding = c.find(results)
    right = bool(finding.parts) if c.reproduces is None else finding.holds is c.reproduces
    print(f"{'ok' if right else 'NOT OK'}: {c.label}, {c.name}: {finding.verdict}: {finding.text}")
    return right


def main():
    listed = [figure.name for figure in FIGURES if any(c.figure == figure.name for c in claim.ALL)]
    if "FALIGN_MNIST_DIR" not in os.environ:
        print("SKIP all claims: FALIGN_MNIST_DIR is not set, so there is no MNIST to train on")
        print(f"0 passed, 0 failed, {len(claim.ALL)} skipped")
        return 77
    missing = [name for name in listed if name not in SIZES]
    if missing:
        print(f"NOT OK: SIZES has no {', '.join(missing)}")
    right = []
    with tempfile.TemporaryDirectory(prefix="falign-claims-") as out:
        for name in [name for name in listed if name in SIZES]:
            results = make(name, out)
            right += [check(c, results) for c in claim.ALL if c.figure == name]
    print(f"{right.count(True)} passed, {right.count(False) + len(missing)} failed, 0 skipped")
    return 1 if missing or False in right else 0


if __name__ == "__main__":
    sys.exit(main())
