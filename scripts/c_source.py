# SPDX-License-Identifier: Apache-2.0
"""A simple parser of this project's C: top-level functions begin in the first column. For the scripts beside it."""

import collections
import re

# `defined`: whether it has a body. `arguments`: their texts.
Function = collections.namedtuple("Function", "name arguments static defined line")

START = re.compile(r"^(?:[A-Za-z_][^\n;{}()=#]*?[\s*])?(REAL\()?(\w+)\)?\(", re.MULTILINE)
CALLBACK = re.compile(r"\(\*(\w+)\)\(")
MACROS = re.compile(r'FALIGN_DEPRECATED\("[^"]*"\)|__attribute__\(\(.*?\)\)\)?')


def blank(match):
    """Returns only the line breaks, so that line numbers stay the same."""
    return "\n" * match[0].count("\n")


def without_comments(text):
    """The code without comments, literals and preprocessor lines."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", blank, text, flags=re.DOTALL)
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", blank, text, flags=re.MULTILINE)
    text = re.sub(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'', '""', text)
    return MACROS.sub("", text)


def closing(text, at):
    """Where the bracket that opens at `at` is closed."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
    return len(text)


def split_arguments(text):
    """The arguments between two brackets."""
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([{") - (c in ")]}")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    parts = [" ".join(part.split()) for part in parts]
    return [] if parts in ([""], ["void"]) else parts


def functions(text):
    """All functions that the code declares or defines; one with a REAL() name counts in both precisions."""
    code = without_comments(text)
    for match in START.finditer(code):
        end = closing(code, match.end() - 1)
        rest = code[end + 1 :].lstrip()
        if match[2].isupper() or not rest or rest[0] in ",)(=":
            continue
        names = [match[2] + suffix for suffix in ("_f32", "_f64")] if match[1] else [match[2]]
        static = re.search(r"\b(static|FAL_LOOP)\b", match[0]) is not None
        line = code.count("\n", 0, match.start(2)) + 1
        for name in names:
            yield Function(name, split_arguments(code[match.end() : end]), static, rest[0] == "{", line)


def callbacks(text):
    """Types and entries that are pointers to functions."""
    code = without_comments(text)
    for match in CALLBACK.finditer(code):
        arguments = split_arguments(code[match.end() : closing(code, match.end() - 1)])
        yield Function(match[1], arguments, False, False, code.count("\n", 0, match.start()) + 1)
