#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Looks at the page of scripts/reproduce in a browser, at the width of a desktop and of a phone.

usage: test_page.py BUILD

The page stands in frames, whose width is all that it knows: a window is never as narrow as a phone. A script in it
looks for what is cut, overlaps, or is missing. That it would find such things is shown on pages that were broken on
purpose. Skipped where there is no chromium."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "examples"))
from toy import Skip, main, make_data, run  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
SCRIPT = os.path.join(ROOT, "scripts", "reproduce")
WORK = tempfile.mkdtemp(prefix="falign-page-")
WIDTHS = (1280, 390)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRAWN, FAILING = ("open_loop", "weight_norm", "autocorrelation"), "remainder"

LOOK = """<script>
function describe(e) {
  const name = e.id ? "#" + e.id : e.className ? "." + e.className : "";
  return e.tagName.toLowerCase() + name + " '" + (e.textContent || "").trim().slice(0, 30) + "'";
}
function scrolls(e) { return ["auto", "scroll"].includes(getComputedStyle(e).overflowX); }
function inScroller(e) {
  for (let p = e.parentElement; p; p = p.parentElement) if (scrolls(p)) return true;
  return false;
}
function blocks(e) {
  return [...e.children].filter(c => c.getClientRects().length && getComputedStyle(c).display != "inline");
}
function overlap(a, b) {
  const p = a.getBoundingClientRect(), q = b.getBoundingClientRect();
  return Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 &&
         Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 1;
}
function look() {
  const found = [], width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > width) found.push("the page is wider than its window");
  for (const e of document.querySelectorAll("img"))
    if (!e.complete || e.naturalWidth == 0) found.push("picture not loaded: " + e.alt.slice(0, 30));
  for (const e of document.querySelectorAll("body, body *")) {
    const box = e.getBoundingClientRect();
    const outside = box.width > 0 && (box.right > width + 1 || box.left < -1);
    if (outside && !inScroller(e)) found.push("too wide: " + describe(e));
    if (!scrolls(e) && e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1) found.push("cut: " + describe(e));
    const inside = blocks(e);
    inside.forEach((a, i) => inside.slice(i + 1).forEach(b => {
      if (overlap(a, b)) found.push("overlap: " + describe(a) + " and " + describe(b)); }));
  }
  parent.postMessage({name: name, width: width, elements: document.body.querySelectorAll("*").length,
                      pictures: document.images.length, found: found}, "*");
}
addEventListener("load", () => setTimeout(look, 50));
</script>"""

HARMS = {  # what each does to the page, and the word by which it is found
    "as it is": ("", None),
    "a wide block": ('<div style="width: 2000px">wide</div>', "wider"),
    "a broken picture": ('<img alt="broken" src="data:image/png;base64,AAAA">', "not loaded"),
    "an overlapping block": ('<div style="position: absolute; top: 0; left: 0; width: 9rem; height: 9rem">over</div>',
                             "overlap"),
    "cut text": ('<div style="width: 9rem; overflow: hidden; white-space: nowrap">a text that is much too long for its '
                 "box</div>", "cut"),
}


def browse(*options):
    """Chromium with a profile of its own; what it writes on standard output."""
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             f"--user-data-dir={os.path.join(WORK, 'profile')}", *options]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 0, done.returncode
    return done.stdout.decode()


def write(name, text):
    path = os.path.join(WORK, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def read_page():
    if not CHROMIUM:
        raise Skip("there is no chromium")
    with open(os.path.join(WORK, "out", "index.html"), encoding="utf-8") as file:
        return file.read()


def look_at_all(text):
    """What the script reports of each harm at each width."""
    frames = []
    for number, (harm, _) in enumerate(HARMS.values()):
        write(f"page{number}.html", text.replace("</body>", harm + LOOK + "</body>"))
        frames += [f'<iframe name="{number} {width}" src="page{number}.html" style="width: {width}px; height: 800px; '
                   f'border: 0"></iframe>' for width in WIDTHS]
    wrapper = write("wrapper.html", f"""<!DOCTYPE html><title>all</title><pre></pre>
<script>const all = []; addEventListener("message", m => {{ all.push(m.data);
  document.querySelector("pre").textContent = JSON.stringify(all); }});</script>{"".join(frames)}""")
    shown = browse("--virtual-time-budget=20000", "--dump-dom", "file://" + wrapper)
    reports = json.loads(html.unescape(re.search(r"<pre>(.*?)</pre>", shown, re.S).group(1) or "[]"))
    return {report["name"]: report for report in reports}


def test_layout():
    text = read_page()
    reports = look_at_all(text)
    assert len(reports) == len(HARMS) * len(WIDTHS), sorted(reports)
    for number, (harm, (_, word)) in enumerate(HARMS.items()):
        for width in WIDTHS:
            report = reports[f"{number} {width}"]
            assert width - 20 <= report["width"] <= width and report["elements"] > 100, report
            if word is None:
                assert report["pictures"] == text.count("<img ") and report["found"] == [], (width, report["found"])
            else:
                assert any(word in line for line in report["found"]), (harm, width, report["found"])


def test_pictures_are_there():
    assert read_page().count("<img ") == (len(DRAWN) if shutil.which("gnuplot") else 0)


def test_print():
    read_page()
    path = os.path.join(WORK, "page.pdf")
    browse(f"--print-to-pdf={path}", "--no-pdf-header-footer", "file://" + os.path.join(WORK, "out", "index.html"))
    with open(path, "rb") as file:
        pdf = file.read()
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert pdf.startswith(b"%PDF") and 2 <= pages <= 30, pages


def make_build():
    """Programs, and one that fails."""
    examples = os.path.join(WORK, "build", "examples")
    os.makedirs(examples)
    for name in DRAWN:
        os.symlink(os.path.join(BUILD, "examples", name), os.path.join(examples, name))
    with open(os.path.join(examples, FAILING), "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\necho no luck with {'a_very_long_path/' * 20} >&2\nexit 1\n")
    os.chmod(file.name, 0o755)


def prepare():
    data = os.path.join(WORK, "data")
    make_data(data)
    make_build()
    if CHROMIUM:
        run(SCRIPT, "--build", os.path.join(WORK, "build"), "--data", data, "--out", os.path.join(WORK, "out"),
            "--runs", 2, "--epochs", 12, "--threads", 1, *DRAWN, FAILING, code=1)


if __name__ == "__main__":
    main(globals(), WORK, prepare)
