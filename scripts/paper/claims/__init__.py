# SPDX-License-Identifier: Apache-2.0
"""The paper's sentences that its figures bear on, each with what is measured for it: a module for each figure."""

import importlib

from figures import NAMES

for name in NAMES:
    importlib.import_module(f"claims.{name}")
