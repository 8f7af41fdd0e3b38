# SPDX-License-Identifier: Apache-2.0
"""The paper's sentences that its figures bear on, each with what is measured for it: a module for each figure."""

import importlib
import importlib.util

from figures import NAMES

for name in NAMES:
    if importlib.util.find_spec(f"claims.{name}") is None:
        continue
    importlib.import_module(f"claims.{name}")
