# SPDX-License-Identifier: Apache-2.0
"""Holds the example programs against figures of the paper's procedure, measured elsewhere (mean and s.d. over runs).

usage: test_bands.py OPEN_LOOP MNIST [--full]

The paper plots these curves and prints no numbers. Those of the tables come from the procedure of the authors' public
notebooks, run again elsewhere; each table says in how many runs. Where a limit is of another kind, the comment beside
it says what the paper claims, and what was measured here by which command.

A mean over n runs here and one over m runs there differ by a standard error of sd sqrt(1/n + 1/m); each check allows
four of these, so that a wrong alarm is rarer than 1 in 10,000, and half a unit of the last printed digit. --full takes
as many runs and epochs as the reference. MNIST is found through FALIGN_MNIST_DIR; without it those checks are skipped."""

import csv
import math
import os
import statistics
import subprocess
import sys

passed, failed, skipped = 0, 0, 0

# Fig. 1B with the text's eta of 0.002: mean and s.d. of the angle of W[1] with B[1]^T in degrees after so many updates,
# 30 runs; the notebooks' eta is 0.0004.
OPEN_LOOP = {
    "constant": {11: (80.8, 1.5), 51: (59.3, 1.5), 101: (56.0, 1.7), 201: (54.6, 1.8), 501: (53.9, 1.9),
                 1500: (53.5, 2.0)},
    "crosscorrelated": {0: (89.9, 1.0), 11: (69.8, 1.3), 51: (24.1, 0.5), 101: (13.4, 0.3), 201: (7.8, 0.3),
                        501: (4.1, 0.1), 1500: (2.1, 0.1)},
    "independent": {0: (90.0, 1.2), 101: (90.1, 1.2), 201: (90.3, 1.2), 501: (90.1, 1.6), 1500: (90.3, 1.7)},
}
# FA without normalization (Figs. 7A, E), 10 runs in MNIST's file order: test accuracy in percent by epoch, angle of
# W[l] with B[l]^T by iteration and l. The authors' own ten runs had 91.8 % after 90 epochs, from 91.2 to 92.3.
FA_ACCURACY = {1: (22.0, 6), 2: (42.8, 6), 5: (72.0, 2.5), 10: (82.3, 1.2), 20: (86.8, 0.7), 50: (90.3, 0.4),
               90: (91.9, 0.3), 100: (92.1, 0.3)}
FA_ANGLES = {60: [(89.7, 0.7), (88.9, 1.3), (89.8, 1.1), (88.0, 1.2)],
             300: [(86.0, 0.8), (84.4, 1.3), (83.4, 0.8), (78.2, 1.2)],
             3000: [(81.3, 0.9), (79.4, 1.0), (77.2, 0.6), (72.8, 0.9)],
             6000: [(79.8, 1.0), (77.9, 1.0), (75.6, 0.6), (72.0, 0.8)]}  # measured one update earlier
# BP without normalization, with the notebooks' eta of 0.0004, 5 runs: test accuracy by epoch. The authors' own run had
# 94.3 after 10 epochs and 96.8 in the end.
BP_ACCURACY = {10: (94.7, 0.35), 50: (96.8, 0.15), 100: (96.8, 0.15)}
# Fig. 2: angle of T^o with B^T at k = 66 in one order of the data, 5 runs, for l = 1..4: order 1, the mean of 1..64
# without 60, and order 60. Five runs tell a standard deviation badly: it is taken to be the layers' mean, 1.5, at
# least.
TERMS = {"order 1": [(78.4, 1.8), (81.6, 2.1), (83.3, 1.5), (83.0, 2.0)],
         "orders 1 to 64": [(80.9, 0.9), (82.4, 0.8), (83.9, 0.7), (83.5, 1.6)],
         "order 60": [(82.6, 0.7), (83.9, 1.9), (84.7, 1.4), (84.0, 1.7)]}


def check(what, holds, detail):
    global passed, failed
    print(f"{'ok' if holds else 'NOT OK'}: {what}: {detail}")
    if holds:
        passed += 1
    else:
        failed += 1


def compare(what, values, reference, reference_runs):
    mean, sd = reference
    allowed = 4 * sd * math.sqrt(1 / len(values) + 1 / reference_runs) + 0.05
    here = statistics.mean(values)
    check(what, abs(here - mean) <= allowed, f"{here:.2f}, reference {mean} +- {sd}, allowed {allowed:.2f} off")


def run(command):
    """The rows that a program writes, by (condition, metric, iteration, layer), and where there is one the order: the
    values of all runs."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rows = {}
    for row in csv.DictReader(done.stdout.splitlines()):
        key = (row.get("condition"), row["metric"], int(row["iteration"]), row["layer"] and int(row["layer"]))
        if row["order"]:
            key += (int(row["order"]),)
        rows.setdefault(key, []).append(float(row["value"]))
    return rows


def open_loop(program, full):
    rows = run([program, "--runs", "30" if full else "10"])
    for condition, bands in OPEN_LOOP.items():
        for iteration, band in bands.items():
            compare(f"open loop, {condition}, iteration {iteration}", rows[condition, "angle_w_b", iteration, 1], band, 30)


def accuracy(rows, epoch):
    return [100 - error for error in rows[None, "test_error", 60 * epoch, ""]]


def angle(rows, iteration, l):
    return rows[None, "angle_w_b", iteration, l]


def feedback_alignment(program, runs, epochs):
    rows = run([program, "--rule", "fa", "--runs", str(runs), "--epochs", str(epochs)])
    for epoch, band in FA_ACCURACY.items():
        if epoch <= epochs:
            compare(f"FA, accuracy after {epoch} epochs", accuracy(rows, epoch), band, 10)
    for iteration, bands in FA_ANGLES.items():
        for l, band in enumerate(bands, 1):
            if iteration <= 60 * epochs:
                compare(f"FA, W[{l}] at iteration {iteration}", angle(rows, iteration, l), band, 10)
    return rows


def normalization_helps(program, plain, runs, epochs):
    """Fig. 7A, E: better in the angles and in the error; by how much, the paper only plots. The amounts asked for are
    below those measured here: by this test, 3 runs of 10 epochs, 4.4, 1.9, 1.2 and 1.4 degrees in W[1] to W[4], their
    mean 2.2, and 7.7 % of error; after 100 epochs (weight_norm.9, .10 and .12 in docs/claims.md, 3 runs) 9.7, 6.5, 2.0
    and 0.5 degrees, their mean 4.7, and 2.9 % of error. W[4], whose update is BP's own, counts in the mean alone."""
    rows = run([program, "--rule", "fa", "--norm", "columns", "--normalize-feedback", "yes", "--runs", str(runs),
                "--epochs", str(epochs)])
    with_norm, without = ([statistics.mean(angle(x, 60 * epochs, l)) for l in range(1, 5)] for x in (rows, plain))
    for l in range(1, 4):
        a, b = with_norm[l - 1], without[l - 1]
        check(f"normalization lowers the angle of W[{l}]", a < b - 0.5, f"{a:.1f} against {b:.1f} degrees")
    a, b = statistics.mean(with_norm), statistics.mean(without)
    check("normalization lowers the angles", a < b - 2, f"{a:.1f} against {b:.1f} degrees, W[4] "
          f"{with_norm[3]:.1f} against {without[3]:.1f}")
    a, b = (statistics.mean(accuracy(x, epochs)) for x in (rows, plain))
    check("normalization lowers the error", a > b + 1, f"{100 - a:.2f} against {100 - b:.2f} %")


def backpropagation(program, runs, epochs):
    rows = run([program, "--rule", "bp", "--eta", "0.0004", "--runs", str(runs), "--epochs", str(epochs)])
    for epoch, band in BP_ACCURACY.items():
        if epoch <= epochs:
            compare(f"BP, accuracy after {epoch} epochs", accuracy(rows, epoch), band, 5)


def alignment_terms(program, runs):
    """Section 2.3.2, Fig. 2: at k = 66 all orders show alignment; late, without shuffling order 60 stands out, and with
    shuffling it does not."""
    rows = run([program, "--shuffle", "once", "--runs", str(runs), "--iterations", "67", "--terms-at", "66"])
    for l in range(1, 5):
        by_order = {o: rows[None, "angle_t", 66, l, o] for o in range(1, 65)}
        without = [statistics.mean(by_order[o][i] for o in by_order if o != 60) for i in range(runs)]
        for name, values in (("order 1", by_order[1]), ("orders 1 to 64", without), ("order 60", by_order[60])):
            mean, sd = TERMS[name][l - 1]
            compare(f"terms at iteration 66, layer {l}, {name}", values, (mean, max(sd, 1.5)), 5)
        ratio = statistics.mean(r / w for r, w in zip(rows[None, "norm_remainder", 66, l], rows[None, "norm_dw", 66, l]))
        # Section 2.3.3: R is small, and slightly opposes the alignment; the zero-degree term shows little of it.
        # Measured here by `mnist --shuffle once --runs 10 --iterations 67 --terms-at 66`: R is 0.024 of dW at most in
        # any run (the ratio has a heavy tail over initial draws, for which 0.3 leaves room), at 90.9 to 94.1 degrees,
        # s.d. 1.8 at most; the zero-degree term is at 89.1 to 90.6, s.d. 1.6 at most. Four standard errors of three
        # runs are 4.
        check(f"remainder at iteration 66, layer {l}", ratio < 0.3, f"{ratio:.3f} of dW")
        zero, rest = (statistics.mean(rows[None, "angle_" + name, 66, l]) for name in ("zero", "remainder"))
        check(f"zero-degree term at iteration 66, layer {l}", 85 < zero < 95, f"{zero:.1f} degrees")
        check(f"remainder at iteration 66, layer {l}", rest > 88, f"{rest:.1f} degrees")
    # Section 2.3.2: late, the orders that are multiples of 60 alone stay aligned, and with shuffling none does.
    # Measured here by the call below, --runs 8: order 60 is 8.3 to 11.5 degrees below the six orders beside it, s.d.
    # 2.3 at most, and 5 is nearly three standard errors of four runs away from that. With shuffling it is 1.8 to 2.4
    # degrees below, s.d. 3.5 at most, and by --seed 101 --runs 24 0.0 to 0.5 degrees, s.d. 2.9 at most: none is
    # expected, and four standard errors of 3.5 are allowed.
    late, late_runs = {}, 8 if runs > 5 else 4
    for shuffle in ("once", "epoch"):
        rows = run([program, "--shuffle", shuffle, "--runs", str(late_runs), "--iterations", "1261", "--terms-at", "1260", "--orders",
                    "57,58,59,60,61,62,63", "--metrics", "norm_w", "--log-every", "10000"])
        late[shuffle] = [statistics.mean(rows[None, "angle_t", 1260, l, o][i] for o in (57, 58, 59, 61, 62, 63)
                                         for i in range(late_runs)) - statistics.mean(rows[None, "angle_t", 1260, l, 60])
                         for l in range(1, 5)]
    for l in range(1, 5):
        apart, together = late["once"][l - 1], late["epoch"][l - 1]
        check(f"order 60 at iteration 1260, layer {l}", apart > 5 and abs(together) < 4 * 3.5 / math.sqrt(late_runs),
              f"{apart:.1f} degrees below the orders beside it, with shuffling {together:.1f}")


def main():
    global skipped
    programs, full = sys.argv[1:3], "--full" in sys.argv[3:]
    open_loop(programs[0], full)
    if "FALIGN_MNIST_DIR" in os.environ:
        plain = feedback_alignment(programs[1], 10 if full else 3, 100 if full else 10)
        normalization_helps(programs[1], plain, 10 if full else 3, 100 if full else 10)
        backpropagation(programs[1], 5 if full else 2, 100 if full else 10)
        alignment_terms(programs[1], 10 if full else 3)
    else:
        skipped = 4
        print("SKIP all but the open loop: FALIGN_MNIST_DIR is not set, so there is no MNIST to train on")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
