# SPDX-License-Identifier: Apache-2.0
"""Runs the example for Node, and the tests of its module, in a folder where npm installs koffi.
Usage: test_node.py EXAMPLE LIBRARY FOLDER

Exit code: 77 where Node, npm or koffi cannot be had."""

import json
import pathlib
import shutil
import subprocess
import sys

LIMIT = 120  # seconds for npm
WRONG = ("E404", "ETARGET", "EJSONPARSE", "EINVALIDPACKAGENAME")  # errors of package.json, not of this machine


def skip(reason):
    print(f"SKIP test_node: {reason}")
    sys.exit(77)


def install(npm, folder):
    """Installs what package.json names, unless it is there already; no script of a package is run."""
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    installed = {name: folder / "node_modules" / name / "package.json" for name in wanted}
    if all(path.exists() and json.loads(path.read_text())["version"] == wanted[name]
           for name, path in installed.items()):
        return
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--prefer-offline",
               "--fetch-retries=1", "--fetch-timeout=20000", "--loglevel=error"]
    try:
        done = subprocess.run([npm, "install", *options], cwd=folder, timeout=LIMIT, text=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        skip(f"npm has not installed {', '.join(wanted)} within {LIMIT} seconds")
    if done.returncode != 0:
        print(done.stdout)
        if any(f"code {code}" in done.stdout for code in WRONG):
            sys.exit("npm refuses package.json")
        skip(f"npm cannot install {', '.join(wanted)}: no network?")


def main():
    example, library, folder = (pathlib.Path(path).resolve() for path in sys.argv[1:])
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        skip("there is no node" if not node else "there is no npm")
    folder.mkdir(parents=True, exist_ok=True)
    for path in [*example.iterdir(), *pathlib.Path(__file__).with_name("node").iterdir()]:
        shutil.copy(path, folder)
    install(npm, folder)
    if subprocess.run([node, "--input-type=module", "--eval", "import 'koffi'"], cwd=folder).returncode != 0:
        skip("koffi does not load here")
    results = [subprocess.run([node, *program, library], cwd=folder).returncode
               for program in (["train.js"], ["--expose-gc", "test_falign.js"])]
    sys.exit(1 if any(results) else 0)


main()
