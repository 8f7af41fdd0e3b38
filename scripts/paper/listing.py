# SPDX-License-Identifier: Apache-2.0
"""The list of all claims, as Markdown."""

import claim

HEAD = """# What the paper claims, and what comes out

`scripts/reproduce --claims docs/claims.md --out DIR` writes this page from the results in DIR; do not edit it.
`scripts/reproduce` makes such results and shows them next to the figures. The results here are from shorter runs, as
each section says; `scripts/reproduce NAME --runs N --epochs M` repeats them.

Numbers are means ± standard deviations over n runs, angles in degrees. A claim holds if the 95 % confidence
interval of the mean lies within its criterion, and does not hold if the interval lies outside; otherwise more runs are
needed to judge it.
"""
COLUMNS = ("number", "the paper says", "holds if", "here", "verdict")


def cell(text):
    """Text that Markdown leaves as it is."""
    return "".join("\\" + c if c in "\\|*_`<>[]" else c for c in str(text)).replace("\n", " ")


def fixed(c):
    """The beginning of a claim's row, which is the same whatever comes out."""
    return f"| {cell(c.label)} | “{cell(c.quote)}” ({cell(c.where)}) | {cell(c.criterion)} | "


def row(c, results):
    finding = c.find(results)
    note = f". {c.note}" if c.note else ""
    return f"{fixed(c)}{cell(finding.text)} | {cell(finding.verdict)}{cell(note)} |"


def size(results):
    if results is None:
        return "Not measured yet."
    return "Here: " + ", ".join(f"{results.config[n]} {n}" for n in ("runs", "epochs") if n in results.config) + "."


def whole(figures, results):
    """`results` has those of each figure that has any."""
    parts = [HEAD]
    for figure in figures:
        listed = [row(c, results.get(figure.name)) for c in claim.ALL if c.figure == figure.name]
        if listed:
            parts.append(f"## {figure.title} ({figure.number}): `{figure.name}`\n\n{size(results.get(figure.name))}\n")
            parts.append("\n".join([f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|", *listed]) + "\n")
    return "\n".join(parts)
