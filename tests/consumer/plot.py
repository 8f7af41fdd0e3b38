#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws one metric of one layer over the iterations, a line for each condition. usage: plot.py CSV METRIC LAYER >SVG"""

import csv
import sys

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
WIDTH, HEIGHT, LEFT, TOP = 480, 300, 60, 20

if len(sys.argv) != 4:
    sys.exit(__doc__)
table, metric, layer = sys.argv[1:]
lines = {}
try:
    with open(table, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["metric"] == metric and row["layer"] == layer and row["value"] != "nan":
                lines.setdefault(row["condition"], []).append((int(row["iteration"]), float(row["value"])))
except (OSError, ValueError, LookupError) as error:
    sys.exit(f"{table} cannot be read as such a table: {type(error).__name__}: {error}")
if not lines:
    sys.exit(f"{table} has no {metric} of layer {layer}")

points = [point for line in lines.values() for point in line]
last, low, high = max(k for k, _ in points) or 1, min(v for _, v in points), max(v for _, v in points)
span = high - low or 1

print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 160}" height="{TOP + HEIGHT + 50}"'
      ' font-family="sans-serif" font-size="13">')
print(f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>')
print(f'<text x="{LEFT}" y="{TOP + HEIGHT + 35}">iteration 0 to {last}: {metric}, layer {layer}</text>')
for value, y in ((high, TOP + 10), (low, TOP + HEIGHT)):
    print(f'<text x="{LEFT - 5}" y="{y}" text-anchor="end">{value:.4g}</text>')
for at, (name, line) in enumerate(lines.items()):
    path = " ".join(f"{LEFT + WIDTH * k / last:.1f},{TOP + HEIGHT * (high - value) / span:.1f}" for k, value in line)
    colour = COLOURS[at % len(COLOURS)]
    print(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    print(f'<text x="{LEFT + WIDTH + 10}" y="{TOP + 15 + 20 * at}" fill="{colour}">{name}</text>')
print("</svg>")
