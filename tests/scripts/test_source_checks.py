#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests scripts/check-includes and scripts/count-interface on small source trees."""

import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "examples"))
from toy import run, run_tests  # noqa: E402

# A tree that is fine: a public header, internal ones, code compiled for both precisions.
TREE = {
    "include/falign/status.h": "FALIGN_API const char *falign_status_name(int status);\n",
    "include/falign/trace.h": '#include "falign/status.h"\nFALIGN_API void falign_trace_fill(int rows, double eta);\n',
    "include/falign/terms.h": '#include "falign/trace.h"\nFALIGN_API void falign_terms(void);\n',
    "include/falign/learning.h": '#include "falign/trace.h"\n',
    "include/falign/analysis.h": '#include "falign/terms.h"\n',
    "lib/base/real.h": "typedef float real;\n",
    "lib/base/support.c": '#include "falign/status.h"\nconst char *falign_status_name(int status) {\n  return "";\n}\n',
    "lib/learning/trace.h": '#include "falign/trace.h"\nvoid fal_add_f32(float *x);\nvoid fal_add_f64(double *x);\n',
    "lib/learning/trace.c": '#include "learning/trace.h"\nvoid falign_trace_fill(int rows,\n    double eta) {}\n',
    "lib/learning/add_real.c": '#include "base/real.h"\n#include "learning/trace.h"\nvoid REAL(fal_add)(real *x) {}\n',
    "lib/analysis/terms.c": '#include "falign/terms.h"\n#include "learning/trace.h"\nvoid falign_terms(void) {}\n',
}


def check(script, changes, code, *words):
    """Runs a script on the tree with some files changed, or left out where None."""
    with tempfile.TemporaryDirectory(prefix="falign-source-test-") as directory:
        for name, text in {**TREE, **changes}.items():
            path = pathlib.Path(directory, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is not None:
                path.write_text(text, encoding="utf-8")
        said = run(str(ROOT / "scripts" / script), directory, code=code).stdout.decode()
        for word in words:
            assert word in said, f"no '{word}' in {said}"


def includes(changes, code, *words):
    check("check-includes", changes, code, *words)


def extended(name, text):
    return {name: text + TREE[name]}


def test_order():
    includes({}, 0, "9 includes in 9 files", "learning includes nothing of analysis: 5 includes.")
    up = '#include "falign/terms.h"\n'
    includes(extended("lib/learning/trace.c", up), 1,
             "lib/learning/trace.c:1: learning includes falign/terms.h of analysis, a later wing\n")
    includes(extended("include/falign/trace.h", up), 1, "include/falign/trace.h:1: learning includes falign/terms.h")


def test_lists_are_for_users():
    includes(extended("lib/analysis/terms.c", '#include "falign/learning.h"\n'), 1,
             "terms.c:1: includes falign/learning.h, which")


def test_every_file_has_a_wing():
    includes({"lib/more/x.c": "int x;\n"}, 1, "lib/more/x.c: is in none of the wings")
    includes({"include/falign/new.h": "\n"}, 1, "include/falign/new.h: is in none of the wings")
    includes(extended("lib/analysis/terms.c", '#include "other/x.h"\n'), 1, "other/x.h, which is in no wing")


def test_functions_are_at_home():
    includes({"lib/learning/trace.c": "void falign_terms(void) {}\n"}, 1,
             "lib/learning/trace.c:1: falign_terms() is declared in include/falign/terms.h, of analysis")
    includes({"lib/analysis/add_real.c": "\nvoid REAL(fal_add)(real *x) {}\n"}, 1,
             "lib/analysis/add_real.c:2: fal_add_f64() is declared in lib/learning/trace.h, of learning")


def test_circles():
    norm = {"lib/learning/norm.h": '#include "learning/trace.h"\n'}
    includes(norm, 0)
    includes({**norm, **extended("lib/learning/add_real.c", '#include "learning/norm.h"\n')}, 0)
    includes({**norm, **extended("lib/learning/trace.c", '#include "learning/norm.h"\n')}, 1,
             "lib/learning: the includes form a circle: ", "norm in lib/learning/trace.c:1",
             "trace in lib/learning/norm.h:1")


def test_compiled_twice():
    includes(extended("lib/learning/trace.c", '#include "base/real.h"\n'), 1, "lib/learning/trace.c: files that include")
    includes({"lib/learning/sub_real.c": "void REAL(f)(real *x) {}\n"}, 1, "lib/learning/sub_real.c: files that include")


def test_lists():
    includes({"include/falign/analysis.h": ""}, 1, "include/falign/terms.h: is in none of analysis.h, ")


def test_interface():
    check("count-interface", {}, 0, "3 public functions, at most 2 arguments\n0 functions of lib/")
    seven, name = "int a, int b, int c, int d, int e, int f, int g", "include/falign/terms.h"
    check("count-interface", {name: f"FALIGN_API void falign_terms({seven});\n"}, 1,
          "terms.h:1: falign_terms has 7 arguments")
    check("count-interface", {name: f"typedef void (*falign_fn)({seven});\n"}, 1, "falign_fn has 7 arguments")
    check("count-interface", {name: f"FALIGN_API void falign_backend_gemm({seven});\n"}, 0,
          "3 public functions, at most 2")
    many = "".join(f"FALIGN_API void falign_f{i}(void);\n" for i in range(230))
    check("count-interface", {name: many}, 1, "there are 232 public functions")
    name = "include/falign/terms.h"
    check("count-interface", {name: "FALIGN_API void falign_terms_f32(void);\n"}, 1, "falign_terms_f32 is for one")
    check("count-interface", {name: "FALIGN_API void falign_terms(int stride);\n"}, 1, "falign_terms takes a stride")
    bare = "/* NOLINTNEXTLINE(bugprone-easily-swappable-parameters) */\n"
    check("count-interface", {"lib/base/bare.c": bare}, 1, "bare.c:1: an exception without a reason")
    long = "".join(f"static void f{i}({seven}, int h) {{}}\n" for i in range(5))
    check("count-interface", {"lib/base/long.c": long.split("\n")[0] + "\n"}, 0, "1 functions of lib/")
    check("count-interface", {"lib/base/long.c": long}, 1, "5 functions of lib/ have 8 or more arguments, more than 4",
          "long.c:5: f4() has 8 arguments")


if __name__ == "__main__":
    sys.exit(run_tests(globals()))
