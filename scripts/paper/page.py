# SPDX-License-Identifier: Apache-2.0
"""The page that shows all figures, with what the paper says about them."""

import base64
import datetime
import html
import json
import os
import platform
import re

import claim

STYLE = """
:root { color-scheme: light dark; --ground: #fff; --ink: #1c1e21; --soft: #5a6068; --line: #d5d9de; --panel: #f5f6f8;
  --link: #1a4f9c; --good: #1b6e3c; --bad: #a3261d; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #15171a; --ink: #e4e6e9; --soft: #a2a9b2; --line: #363b42; --panel: #1e2125; --link: #8ab8ff;
    --good: #71c88f; --bad: #ff938a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem 1.25rem 4rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.3rem; margin: 0; } h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
a { color: var(--link); } code, pre { font: .85rem/1.45 ui-monospace, monospace; }
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 4px; padding: .6rem .8rem;
  margin: .5rem 0; white-space: pre-wrap; }
.soft { color: var(--soft); } .number { text-align: right; white-space: nowrap; }
section { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: 1.25rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1rem; margin: 1rem 0; }
dt { color: var(--soft); } dd { margin: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
td.number, th.number { text-align: right; padding-right: 0; }
tbody th { font-weight: normal; } tr.sum > * { font-weight: 600; }
.summary { overflow-wrap: normal; }
figure { margin: 1rem 0; } figcaption { color: var(--soft); margin-top: .5rem; }
.picture { background: #fff; border: 1px solid var(--line); border-radius: 4px; }
.picture img { display: block; width: 100%; height: auto; max-width: var(--wide); min-width: min(var(--wide), 56rem);
  margin: 0 auto; }
.enlarge { display: inline-block; color: var(--soft); font-size: .9rem; margin-bottom: .35rem; }
.enlarge:has(:checked) + .picture img { width: var(--wide); min-width: var(--wide); }
ol.claims { list-style: none; margin: 0; padding: 0; }
.claims > li { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 6fr); gap: .25rem 2rem; padding: .8rem 0;
  border-top: 1px solid var(--line); break-inside: avoid; }
.claims p, blockquote { margin: 0 0 .3rem; } blockquote { font-style: italic; }
.verdict { font-weight: 600; } .holds .verdict { color: var(--good); } .fails .verdict { color: var(--bad); }
.measured b { font-weight: normal; white-space: nowrap; }
.criterion, .note, .where { font-size: .9rem; color: var(--soft); }
.failure { border-left: 4px solid var(--bad); padding-left: .75rem; }
details { margin: .5rem 0; } summary { cursor: pointer; }
@media (max-width: 44rem) {
  body { padding: 1rem .9rem 3rem; } .claims > li { grid-template-columns: minmax(0, 1fr); }
  dl { grid-template-columns: minmax(0, 1fr); } dd { margin-bottom: .4rem; }
  .summary td.number { white-space: normal; } }
@media print {
  :root { color-scheme: light; --ground: #fff; --ink: #000; --soft: #444; --line: #bbb; --panel: #fff; --link: #000;
    --good: #000; --bad: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; } .enlarge { display: none; }
  .scroll { overflow: visible; } .picture img { min-width: 0; width: 100%; max-width: 100%; }
  figure, tr, pre, h2, h3 { break-inside: avoid; } h2, h3 { break-after: avoid; } }
"""

MARKS = {True: ("holds", "✓"), False: ("fails", "✗"), None: ("untold", "–")}


def escape(value):
    return html.escape(str(value), quote=True)


def duration(seconds):
    if seconds is None:
        return "not recorded"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


# ---- What is known of the place ----

def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def distinct(outcomes, *names):
    """What the configurations have of these, without repetition."""
    found = [" ".join(str(o.results.config[name]) for name in names if name in o.results.config)
             for o in outcomes if o.results]
    return "; ".join(dict.fromkeys(text for text in found if text)) or ("none" if found else "unknown")


def facts(outcomes, out):
    version, backend = distinct(outcomes, "version"), distinct(outcomes, "backend-detail")
    return {
        "Machine": f"{processor()}, {cores()} cores, {platform.system()} {platform.release()}",
        "Library": f"libfalign {version}; backends: {backend}",
        "Data": distinct(outcomes, "data"),
        "Fingerprints of the data": distinct(outcomes, "training-data", "test-data"),
        "Results": out,
        "Written": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
    }


# ---- Claims ----

def findings(outcome):
    return [(c, c.find(outcome.results)) for c in claim.ALL if c.figure == outcome.figure.name]


def count(found):
    """In words: how many hold."""
    verdicts = [finding.holds for _, finding in found]
    said = [f"{verdicts.count(True)} of {len(verdicts)} claims hold"]
    if False in verdicts:
        said.append(f"{verdicts.count(False)} {'does' if verdicts.count(False) == 1 else 'do'} not")
    if None in verdicts:
        within = sum(finding.holds is None and finding.within for _, finding in found)
        said.append(f"{verdicts.count(None)} not told" + (f" ({within} of them hold so far)" if within else ""))
    return ", ".join(said)


def whole_words(text):
    """Which are not torn apart where a line ends."""
    return escape(text).replace(" = ", "\u00a0=\u00a0")


def measured(finding):
    if not finding.parts:
        return escape(finding.why)
    said = "; ".join(f"{whole_words(p.label)}{': ' if p.label else ''}<b>{escape(p.text)}</b>" for p in finding.parts)
    return f"{said} <b>(n = {finding.runs})</b>"


def remarks(c, finding):
    if None not in (finding.holds, c.reproduces) and finding.holds != c.reproduces:
        yield f"At full size this {'held' if c.reproduces else 'did not hold'}."
    if c.note:
        yield c.note


def show_claim(c, finding):
    kind, mark = MARKS[finding.holds]
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in remarks(c, finding))
    return f"""<li class="{kind}" id="claim-{escape(c.label)}">
<div><blockquote>“{escape(c.quote)}”</blockquote><p class="where">Claim {escape(c.label)}, {escape(c.where)}</p></div>
<div><p class="verdict">{mark} {escape(finding.verdict)}</p><p class="measured">{measured(finding)}</p>
<p class="criterion">Holds if: {escape(c.criterion)}.</p>{notes}</div>
</li>"""


# ---- Figures ----

def size_of(svg):
    """Width and height in pixels."""
    head = svg[:2000].decode("utf-8", "replace")
    found = [re.search(rf'\b{name}="([\d.]+)', head) for name in ("width", "height")]
    return tuple(round(float(match.group(1))) if match else 600 for match in found)


def picture(f, svg, number):
    """One of a figure's pictures."""
    width, height = size_of(svg)
    data = base64.b64encode(svg).decode()
    title = escape(f"{f.title}: picture {number}" if number > 1 else f"{f.title}: picture")
    alt = escape(f"{f.number}. {f.shows}" if number == 1 else f"{f.number}: a second picture")
    return f"""<label class="enlarge"><input type="checkbox"> natural size</label>
<div class="scroll picture" tabindex="0" role="group" aria-label="{title}" style="--wide: {width}px">
<img width="{width}" height="{height}" alt="{alt}" src="data:image/svg+xml;base64,{data}">
</div>"""


def pictures(outcome):
    f = outcome.figure
    if not outcome.pictures:
        return '<p class="soft">There is no picture.</p>'
    shown = "\n".join(picture(f, svg, number) for number, svg in enumerate(outcome.pictures, 1))
    return f"<figure>{shown}<figcaption>{escape(f.shows)}</figcaption></figure>"


def configuration(outcome):
    if outcome.results is None:
        return ""
    text = json.dumps(outcome.results.config, indent=2, ensure_ascii=False)
    return f"<details><summary>Configuration</summary><pre>{escape(text)}</pre></details>"


def show_figure(outcome):
    f, found = outcome.figure, findings(outcome)
    failure = f'<p class="failure"><strong>Failed:</strong> {escape(outcome.failure)}</p>' if outcome.failure else ""
    listed = "\n".join(show_claim(*pair) for pair in found)
    claims = f'<ol class="claims">{listed}</ol>'
    size = ""
    if outcome.results:
        config = outcome.results.config
        size = ", ".join(f"{config[name]} {name}" for name in ("runs", "epochs", "iterations") if name in config)
    return f"""<section id="{escape(f.name)}" aria-labelledby="title-{escape(f.name)}">
<h2 id="title-{escape(f.name)}">{escape(f.title)} <span class="soft">{escape(f.number)}</span></h2>
{failure}{pictures(outcome)}
<p>Time: {escape(duration(outcome.seconds))}{escape(f", {size}" if size else "")}; {escape(count(found))}.</p>
<h3>Command</h3><pre>{escape(outcome.command)}</pre>{configuration(outcome)}
<h3>{"Claims" if f.extra else "What the paper says"}</h3>{claims}
</section>"""


# ---- The whole ----

def total(outcomes):
    known = [o.seconds for o in outcomes if o.seconds is not None]
    return sum(known) if known else None


def show_row(outcome):
    f = outcome.figure
    failed = "failed; " if outcome.failure else ""
    return f"""<tr><th scope="row"><a href="#{escape(f.name)}">{escape(f.title)}</a>
<span class="soft">{escape(f.number)}</span></th><td>{failed}{escape(count(findings(outcome)))}</td>
<td class="number">{escape(duration(outcome.seconds))}</td></tr>"""


def group(title, outcomes):
    if not outcomes:
        return ""
    every = [pair for outcome in outcomes for pair in findings(outcome)]
    return f"""<tbody>{"".join(map(show_row, outcomes))}
<tr class="sum"><th scope="row">{escape(title)}</th><td>{escape(count(every))}</td>
<td class="number">{escape(duration(total(outcomes)))}</td></tr></tbody>"""


def summary(outcomes):
    own, added = [o for o in outcomes if not o.figure.extra], [o for o in outcomes if o.figure.extra]
    return f"""<div class="scroll" tabindex="0" role="group" aria-label="Summary"><table class="summary">
<thead><tr><th scope="col">Experiment</th><th scope="col">Claims</th>
<th scope="col" class="number">Time</th></tr></thead>
{group("The paper's figures", own)}{group("Added experiments", added)}</table></div>"""


def whole(outcomes, out):
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts(outcomes, out).items())
    sections = "\n".join(show_figure(o) for o in outcomes)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The paper's figures</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>The paper's figures</h1>
<p>A. Rahmansetayesh, A. Ghazizadeh and F. Marvasti: <cite>The underlying mechanism of feedback alignment in error
backpropagation through random synaptic feedback weights</cite>. Each figure was made again from runs, and each sentence
that it bears on was measured.</p>
<dl>{listed}<dt>Total time</dt><dd>{escape(duration(total(outcomes)))}</dd></dl>
</header>
<main>
{summary(outcomes)}
<p class="soft">Numbers are means ± standard deviations over n runs. A claim holds, or does not, where an interval of
95 % confidence for the mean lies within its criterion, or outside; else it is not told. Times are those that
the runs took when they were done, on any number of cores.</p>
{sections}
</main>
</body>
</html>
"""
