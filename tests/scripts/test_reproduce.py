#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of scripts/reproduce, by its command line, on a small synthetic set in MNIST's format.

usage: test_reproduce.py BUILD
"""

import base64
import html.parser
import json
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(ROOT, "tests", "examples"), os.path.join(ROOT, "scripts", "paper")]
import claim  # noqa: E402
import claims  # noqa: E402, F401
import listing  # noqa: E402
from figures import FIGURES  # noqa: E402
from results import NotMeasured, Results, Runs, mean  # noqa: E402
from toy import DRAWS, Skip, main, make_data, refused, run  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
SCRIPT = os.path.join(ROOT, "scripts", "reproduce")
WORK = tempfile.mkdtemp(prefix="falign-reproduce-")
DATA = os.path.join(WORK, "data <&\"' é")  # whatever a path may have
# Those that are done in seconds on small data, one with a second picture among them.
THERE = ["open_loop", "alignment_terms", "remainder", "weight_norm", "autocorrelation", "similarity"]
SMALL = ["--runs", 2, "--epochs", 12, "--threads", 1]
SLOW = {"open_loop"}  # keeps no runs, and takes seconds
CLAIMED = ["alignment_terms", "autocorrelation", "remainder", "weight_norm"]


def path(*names):
    return os.path.join(WORK, *names)


def read(*names):
    with open(path(*names), encoding="utf-8") as file:
        return file.read()


def reproduce(out, *args, **keywords):
    return run(SCRIPT, "--build", BUILD, "--data", DATA, "--out", path(out), *args, **keywords)


def times(out):
    return json.loads(read(out, "times.json"))


# ---- Pages ----

class Page(html.parser.HTMLParser):
    """Checks that tags balance, and collects what is on the page."""
    VOID = {"meta", "img", "input", "br", "hr", "link"}
    MAY_END = {"p", "li", "dt", "dd", "tr", "td", "th"}  # written with their end here all the same

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.images, self.texts, self.attributes = [], [], [], [], {}, []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert len(given) == len(attributes), f"an attribute twice in {tag}"
        self.attributes += given.items()
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        if tag == "img":
            self.images.append((self.section(), given))
        if tag not in self.VOID:
            self.open.append((tag, given.get("id"), given.get("class") or ""))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1][0] == tag, f"</{tag}> after {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data):
        for tag, name, kind in self.open:
            for key in (name, (self.section(), tag), (self.section(), kind)):
                self.texts.setdefault(key, []).append(data)

    def section(self):
        return next((name for tag, name, _ in self.open if tag == "section"), None)

    def text(self, *key):
        return "".join(self.texts.get(key[0] if len(key) == 1 else key, []))


def page(out):
    text = read(out, "index.html")
    found = Page(text)
    assert len(set(found.ids)) == len(found.ids), "ids are not unique"
    for link in found.links:
        assert link.startswith("#") and link[1:] in found.ids, link
    for name, value in found.attributes:
        assert name not in ("onclick", "onload", "srcset") and not re.match(r"(https?:)?//", value or ""), (name, value)
    for reference in re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)|@import', text):
        assert reference[0].startswith(("#", "data:")), reference
    return found


def check_figure(found, name, out):
    """A section that has all its parts."""
    if DRAWS:
        images = [given for section, given in found.images if section == name]
        endings = [".svg", "-more.svg"] if name == "similarity" else [".svg"]
        assert len(images) == len(endings) and len(images[0]["alt"]) > 40
        for image, ending in zip(images, endings):
            svg = base64.b64decode(urllib.parse.urlparse(image["src"]).path.split(",")[1])
            with open(path(out, name + ending), "rb") as file:
                assert svg == file.read() and int(image["width"]) > 0
    for c in [c for c in claim.ALL if c.figure == name]:
        text = found.text(f"claim-{c.label}")
        assert c.quote in text and c.where in text and c.criterion in text, text
        finding = c.find(Results(path(out), name))
        assert finding.verdict in text and (finding.why or f"n = {finding.runs}") in text, text
    assert re.search(r"Time: [\d.]+ s[,;]", found.text(name)), found.text(name)[:400]
    config = json.loads(read(out, name + ".json"))
    assert json.dumps(config, indent=2, ensure_ascii=False) in found.text(name, "pre")
    command = found.text(name, "pre").splitlines()[0]
    words = shlex.split(command[:command.index("{")] if "{" in command else command)
    assert words[0].endswith("/examples/" + name) and os.access(words[0], os.X_OK), words
    return words


def test_page():
    done = reproduce("page", *SMALL, *THERE, code=0 if DRAWS else 1)
    found = page("page")
    assert [i for i in found.ids if i in THERE] == THERE
    for name in THERE:
        assert f"reproduce: {name} (" in done.err and f"reproduce: {name}: " in done.err, done.err
        words = check_figure(found, name, "page")
        assert words[words.index("--runs") + 1] == "2" and words[words.index("--seed") + 1] == "1", words
        assert name in times("page")
    for fact in ("Machine", "Library", "Data", "Total time"):
        assert fact in found.text(None, "dt"), fact
    assert DATA in found.text(None, "dd")
    rows = found.text(None, "table")
    assert "The paper's figures" in rows and all(f.title in rows for f in FIGURES if f.name in THERE)


def test_rerun_and_its_command():
    before, numbers = times("page"), {name: read("page", name + ".csv") for name in CLAIMED}
    done = reproduce("page", *SMALL, *CLAIMED)
    assert times("page") == before
    for name in CLAIMED:
        assert f"{name}: " in done.err and "runs are there already" in done.err
        words = check_figure(page("page"), name, "page")
        again = run(*words)
        assert "runs are there already" in again.err and read("page", name + ".csv") == numbers[name]


def test_more_runs_add_to_the_time():
    name = "weight_norm"
    reproduce("more", *SMALL, name)
    (key, first), = times("more")[name].items()
    reproduce("more", "--runs", 3, "--epochs", 12, "--threads", 1, name)
    assert list(times("more")[name]) == [key] and times("more")[name][key] > first
    reproduce("more", "--runs", 2, "--epochs", 11, "--threads", 1, name)
    assert len(times("more")[name]) == 2 and page("more").text(name).count("2 runs, 11 epochs") == 1


def test_interruption():
    name, longer = "weight_norm", ["--runs", 1, "--epochs", 400, "--threads", 1]
    words = [SCRIPT, "--build", BUILD, "--data", DATA, "--out", path("parts"), *map(str, longer), name]
    program = subprocess.Popen(words, stderr=subprocess.PIPE)
    kept, began = path("parts", name + ".runs"), time.monotonic()
    while not os.path.isdir(kept) or not os.listdir(kept):
        assert program.poll() is None and time.monotonic() - began < 60
        time.sleep(0.01)
    program.send_signal(signal.SIGINT)
    err = program.communicate(timeout=60)[1].decode()
    assert program.returncode == 130 and "Traceback" not in err, err
    assert "interrupted: " in err and err.splitlines()[-1].startswith("reproduce: interrupted: "), err
    spent = times("parts")[name]["unfinished"]
    assert spent > 0 and not os.path.exists(path("parts", "index.html"))
    assert "runs are there already" in reproduce("parts", *longer, name).err
    (_, seconds), = times("parts")[name].items()
    assert seconds > spent
    page("parts")


def test_failures():
    build = path("some build")
    os.makedirs(os.path.join(build, "examples"))
    for name, text in (("weight_norm", "echo 'no <luck> & no \"runs\"' >&2; exit 3"), ("remainder", "kill -9 $$")):
        with open(os.path.join(build, "examples", name), "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{text}\n")
        os.chmod(file.name, 0o755)
    done = run(SCRIPT, "--build", build, "--out", path("failed"), "remainder", "weight_norm", "sensitivity", code=1)
    assert "no program" in done.err and "ninja -C" in done.err and "Traceback" not in done.err
    found = page("failed")
    assert 'exit code 3: no <luck> & no "runs"' in found.text("weight_norm", "failure")
    assert "signal 9" in found.text("remainder", "failure") and "sensitivity" in found.text("sensitivity", "failure")
    assert found.text(None, "table").count("failed") == 3
    assert "not measured in a run of this size" in found.text("claim-remainder.1")


def test_without_picture():
    if not DRAWS:
        raise Skip("there is no gnuplot to take away")
    done = reproduce("undrawn", *SMALL, "weight_norm", env={"PATH": tools_without_gnuplot()}, code=1)
    assert "gnuplot" in done.err
    found = page("undrawn")
    assert "gnuplot" in found.text("weight_norm", "failure") and not found.images
    assert "2 runs, 12 epochs" in found.text("weight_norm")  # the numbers are there
    seconds = times("undrawn")["weight_norm"]
    reproduce("undrawn", *SMALL, "weight_norm")
    assert times("undrawn")["weight_norm"] == seconds and len(page("undrawn").images) == 1
    reproduce("undrawn", "--runs", 1, "--epochs", 1, "weight_norm", env={"PATH": path("tools")}, code=1)
    reproduce("undrawn", *SMALL, "remainder")  # the page has no picture of the numbers before
    assert [name for name, _ in page("undrawn").images] == ["remainder"]


def tools_without_gnuplot():
    directory = path("tools")
    os.mkdir(directory)
    for name in ("env", "sh", "python3"):
        os.symlink(os.path.realpath(sys.executable if name == "python3" else shutil.which(name)),
                   os.path.join(directory, name))
    return directory


def test_refusals():
    refused(run(SCRIPT, "weight_norn", code=2), "weight_norn", *(f.name for f in FIGURES))
    refused(run(SCRIPT, "--runs", "0", code=2), "--runs", "'0'")
    refused(run(SCRIPT, "--epochs", "-1", code=2), "--epochs")
    refused(run(SCRIPT, "--quack", code=2), "--quack")
    refused(run(SCRIPT, "--claims", "", code=2), "empty")
    refused(run(SCRIPT, "--build", path("nowhere"), "--out", path("none"), code=1), path("nowhere"), "ninja -C")
    assert not os.path.exists(path("none"))
    with open(path("file"), "w"):
        pass
    refused(run(SCRIPT, "--build", BUILD, "--out", path("file"), code=1), path("file"))
    refused(run(SCRIPT, "--build", BUILD, "--out", path("file", "below"), code=1), path("file"))
    if os.geteuid() != 0:
        os.mkdir(path("locked"), 0o500)
        refused(run(SCRIPT, "--build", BUILD, "--out", path("locked", "x"), code=1), path("locked"), "denied")
    os.makedirs(path("blocked", "index.html"))
    done = reproduce("blocked", *SMALL, "weight_norm", code=1)
    assert done.err.splitlines()[-1].count("index.html") and "Traceback" not in done.err
    assert sorted(n for n in os.listdir(path("blocked")) if n.endswith(".tmp")) == []


def test_damaged_files():
    os.makedirs(path("damaged"))
    for text in ("{", "[1]", "\0", '{"weight_norm": 3}', '{"weight_norm": {"unfinished": "x"}}'):
        with open(path("damaged", "times.json"), "w", encoding="utf-8") as file:
            file.write(text)
        reproduce("damaged", "--runs", 1, "--epochs", 1, "weight_norm")
        page("damaged")


def test_damaged_results():
    """Errors name the file, and other figures are made all the same."""
    reproduce("broken", "--runs", 1, "--epochs", 1, "weight_norm")
    whole = {ending: read("broken", "weight_norm" + ending) for ending in (".csv", ".json")}
    for ending, text in ((".csv", whole[".csv"] + "bp,0\n"), (".csv", ""), (".csv", whole[".csv"] + "bp,0,1,1,,,x,y\n"),
                         (".json", "3"), (".json", "[]"), (".json", whole[".json"][:20])):
        with open(path("broken", "weight_norm" + ending), "w", encoding="utf-8") as file:
            file.write(text)
        refused(run(SCRIPT, "--claims", path("list.md"), "--out", path("broken"), code=1), "weight_norm" + ending)
        reproduce("broken", *SMALL, "remainder")
        assert "weight_norm" + ending in page("broken").text("weight_norm", "failure")
        with open(path("broken", "weight_norm" + ending), "w", encoding="utf-8") as file:
            file.write(whole[ending])
    reproduce("broken", *SMALL, "remainder")  # the page has both
    found = page("broken")
    assert [i for i in found.ids if i in THERE] == ["remainder", "weight_norm"]
    assert "1 runs, 1 epochs" in found.text("weight_norm") and "2 runs, 12 epochs" in found.text("remainder")


def test_command_of_quick_runs():
    """It gives the same numbers, of as many points."""
    reproduce("quick", "--quick", *SMALL, "similarity", code=0 if DRAWS else 1)
    words, numbers = check_figure(page("quick"), "similarity", "quick"), read("quick", "similarity.csv")
    assert "--quick" in words and words[words.index("--data") + 1] == DATA
    assert "runs are there already" in run(*words, code=0 if DRAWS else 1).err and read("quick", "similarity.csv") == numbers


def test_claims_of_undefined_numbers():
    """Such as a quotient by the spread of an error that never changes."""
    def undefined(_results):
        return [claim.part("", Runs({0: 1.0, 1: 2.0}) / Runs({0: 0.0, 1: 0.0}))]
    c = claim.Claim("undefined", "weight_norm", 1, "1", "", "", undefined, True, "")
    finding = c.find(Invented(0, "weight_norm"))
    assert finding.holds is None and "division by zero" in finding.text


def test_lists():
    listed = run(SCRIPT, "--list").stdout.decode().splitlines()
    assert [line.split()[0] for line in listed] == [f.name for f in FIGURES]
    words = " ".join(run(SCRIPT, "--help").stdout.decode().split())
    assert all(option in words for option in ("--quick", "--no-extra", "--claims", "reproduction/quick"))
    own = [f.name for f in FIGURES if not f.extra]
    build = path("empty build")
    os.makedirs(os.path.join(build, "examples"))
    run(SCRIPT, "--build", build, "--no-extra", "--quick", cwd=WORK, code=1)
    assert [i for i in page("reproduction/quick").ids if i in [f.name for f in FIGURES]] == own


def test_claims():
    """docs/claims.md has all claims and no others, in order."""
    with open(os.path.join(ROOT, "docs", "claims.md"), encoding="utf-8") as file:
        rows = [line for line in file.read().splitlines() if re.match(r"\| [a-z\\_]+\.\d", line)]
    want = [listing.fixed(c) for f in FIGURES for c in claim.ALL if c.figure == f.name]
    assert len(want) == len(claim.ALL), "a claim is of no figure"
    assert len(rows) == len(want), (len(rows), len(want))
    for row, beginning in zip(rows, want):
        assert row.startswith(beginning), f"run scripts/reproduce --claims docs/claims.md: {row}"
    run(SCRIPT, "--claims", path("claims.md"), "--out", path("page"))
    text = read("claims.md")
    assert all(beginning in text for beginning in want) and "Here: 2 runs, 12 epochs." in text


def test_each_figure_has_its_page():
    with open(os.path.join(ROOT, "docs", "figures.md"), encoding="utf-8") as file:
        listed = re.findall(r"\]\(figures/(\w+)\.md\)", file.read())
    assert sorted(listed) == sorted(f.name for f in FIGURES), listed
    for name in listed:
        with open(os.path.join(ROOT, "docs", "figures", name + ".md"), encoding="utf-8") as file:
            text = file.read()
        folder = "" if name == "open_loop" else "paper/"
        assert f"](images/{name}.png)" in text and f"examples/{folder}{name}.c" in text, name


def test_judgement():
    """A claim holds, does not, or is not told, by how far the mean is off."""
    def verdict(values, **limits):
        return claim.judge([claim.part("", Runs(enumerate(values)), **limits)]).holds
    assert verdict([10, 11, 12], at_least=8) is True  # the mean 11, t 2.92, s.d. 1: 1.69 off
    assert verdict([10, 11, 12], at_least=9.4) is None and verdict([10, 11, 12], at_least=9.3) is True
    assert verdict([10, 11, 12], at_most=9.3) is False and verdict([10, 11, 12], at_most=12.8) is True
    assert verdict([10, 11, 12], at_least=9, at_most=13) is True
    assert verdict([10], at_least=0) is None and verdict([10, 11, 12]) is None
    for low, words in ((0, "so far it holds"), (11, "so far it does not hold")):
        assert claim.judge([claim.part("", Runs({0: 10}), at_least=low)]).verdict == f"too few runs to tell; {words}"
    parts = [claim.part("", Runs({0: 1, 1: 1}), at_least=0), claim.part("", Runs({0: 1, 1: 1}), at_least=2)]
    assert claim.judge(parts).holds is False and "1.0 ± 0.0°" in claim.judge(parts).text
    assert mean([Runs({0: 1, 1: 5}), Runs({0: 3})]) == {0: 2}


class Invented(Results):
    """Numbers out of the air, of any metric: a level for each series, which grows or falls as the metric or the series
    does, and little difference of runs."""
    ITERATIONS = [0, 3, *range(10, 61, 10), 66, 120, 300, 600, 660, 780, 800, 1000, 1250, 1260, 1300, 1500]

    def __init__(self, seed, name):
        self.name, self.made, self.growths = name, {}, {}
        self.draw, self.conditions = random.Random(seed), ["unshuffled"]
        self.apart = self.draw.choice((0, 0.1))  # how much the series of one metric grow apart

    def series(self, metric, condition=None, layer=None, order=None):
        key = (metric, condition, layer, order)
        if key not in self.made:
            level, trend = self.draw.uniform(-60, 180), self.draw.uniform(-self.apart, self.apart)
            growth = self.growths.setdefault(metric, self.draw.uniform(-0.001, 0.001))
            self.made[key] = {k: Runs({run: level * (1 + growth * k) + trend * k + self.draw.gauss(0, 0.1)
                                       for run in range(3)}) for k in self.ITERATIONS}
        return self.made[key]


def test_claims_can_fail():
    """No claim holds whatever the numbers are, or where there are none."""
    class Nothing(Invented):
        def series(self, *_, **__):
            raise NotMeasured("there is nothing")
    for c in claim.ALL:
        assert c.find(None).holds is None and c.find(Nothing(0, c.figure)).holds is None, c.name
        assert any(c.find(Invented(seed, c.figure)).holds is False for seed in range(60)), f"{c.name} cannot fail"


if __name__ == "__main__":
    main(globals(), WORK, lambda: make_data(DATA))
