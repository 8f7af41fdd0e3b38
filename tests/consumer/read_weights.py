#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads what cookbook.c has written, with Python alone. usage: read_weights.py FILE.safetensors"""

import array
import json
import sys

CODES = {"F32": "f", "F64": "d", "I64": "q", "U8": "B"}


def read(path):
    """Name: (shape, numbers in row-major order) of each tensor."""
    tensors = {}
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    for name, entry in header.items():
        if name != "__metadata__":
            first, end = entry["data_offsets"]
            tensors[name] = entry["shape"], array.array(CODES[entry["dtype"]], data[first:end])
    return tensors


if len(sys.argv) != 2:
    sys.exit(__doc__)
try:
    weights = read(sys.argv[1])
except (OSError, ValueError, LookupError, TypeError, OverflowError, MemoryError) as error:
    sys.exit(f"{sys.argv[1]} cannot be read as safetensors: {error!r}")
for name, (shape, numbers) in weights.items():
    print(name, shape, f"{sum(x * x for x in numbers) ** 0.5:.3f}")
