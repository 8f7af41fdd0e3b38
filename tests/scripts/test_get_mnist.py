#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tests scripts/get-mnist against a server on 127.0.0.1.

The right files come from FALIGN_MNIST_DIR; without it the tests that need them are skipped."""

import contextlib
import gzip
import http.server
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SCRIPT = pathlib.Path(__file__).resolve().parents[2] / "scripts" / "get-mnist"
NAMES = [f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
TOOLS = "sh cat cut dirname grep gzip mkdir mv rm rmdir sha256sum".split()


class Skip(Exception):
    pass


def real_files():
    """Names and contents of the right files, as gz."""
    directory = os.environ.get("FALIGN_MNIST_DIR")
    if not directory:
        raise Skip("FALIGN_MNIST_DIR is not set")
    contents = {}
    for name in NAMES:
        packed, plain = pathlib.Path(directory, name), pathlib.Path(directory, name[:-3])
        if packed.is_file():
            contents[name] = packed.read_bytes()
        elif plain.is_file():
            contents[name] = gzip.compress(plain.read_bytes(), 1)
        else:
            raise Skip(f"FALIGN_MNIST_DIR has no {name}")
    return contents


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        content = self.server.contents.get(self.path.lstrip("/"))
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            if self.server.cut:  # the connection ends before the file does
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                self.close_connection = True
            elif self.server.stall:  # the file does not end before the test does
                self.wfile.write(content[: len(content) // 2])
                self.wfile.flush()
                self.server.stall.wait(60)
            else:
                self.wfile.write(content)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def mirror(contents, cut=False, stall=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.contents, server.cut, server.stall, server.requests = contents, cut, stall, []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    server.url = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield server
    finally:
        if stall:
            stall.set()
        server.shutdown()
        server.server_close()
        thread.join()


def environment(path=None, **more):
    kept = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    kept.update(more)
    if path:
        kept["PATH"] = str(path)
    return kept


def get(directory, *mirrors, env=None, options=()):
    command = [str(SCRIPT)]
    if directory is not None:
        command += ["--dir", str(directory)]
    for url in mirrors:
        command += ["--mirror", url]
    return subprocess.run(command + list(options), env=env or environment(), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)


def expect(condition, what, result=None):
    if not condition:
        raise AssertionError(what + (f"\nexit code {result.returncode}\n{result.stderr}" if result else ""))


def expect_whole(directory, contents, result):
    expect(result.returncode == 0, "should succeed", result)
    expect(sorted(os.listdir(directory)) == sorted(NAMES), f"found {os.listdir(directory)}", result)
    for name in NAMES:
        expect(pathlib.Path(directory, name).read_bytes() == contents[name], f"{name} differs")


def expect_nothing(directory, result, word):
    expect(result.returncode == 1, "should fail with 1", result)
    expect(word in result.stderr, f"should say '{word}'", result)
    expect(not os.path.exists(directory), f"{directory} should not be left: {result.stderr}")


def only_with(scratch, *tools):
    """A PATH with the named programs only."""
    path = scratch / "path"
    path.mkdir()
    for tool in list(TOOLS) + list(tools):
        found = shutil.which(tool)
        if not found:
            raise Skip(f"there is no {tool}")
        (path / tool).symlink_to(found)
    return environment(path)


def test_downloads_all(scratch):
    contents = real_files()
    with mirror(contents) as server:
        expect_whole(scratch / "d", contents, get(scratch / "d", server.url))


def test_url_without_slash(scratch):
    contents = real_files()
    with mirror(contents) as server:
        expect_whole(scratch / "d", contents, get(scratch / "d", server.url.rstrip("/")))


def test_with_curl_only(scratch):
    contents, env = real_files(), only_with(scratch, "curl")
    with mirror(contents) as server:
        expect_whole(scratch / "d", contents, get(scratch / "d", server.url, env=env))


def test_with_wget_only(scratch):
    contents, env = real_files(), only_with(scratch, "wget")
    with mirror(contents) as server, mirror(contents, cut=True) as cut:
        expect_whole(scratch / "d", contents, get(scratch / "d", cut.url, server.url, env=env))


def test_default_directory(scratch):
    contents = real_files()
    with mirror(contents) as server:
        result = get(None, server.url, env=environment(XDG_DATA_HOME=str(scratch / "data dir")))
        expect_whole(scratch / "data dir" / "falign" / "mnist", contents, result)
        env = environment(HOME=str(scratch / "home"))
        env.pop("XDG_DATA_HOME", None)
        expect_whole(scratch / "home/.local/share/falign/mnist", contents, get(None, server.url, env=env))


def test_keeps_right_files(scratch):
    contents = real_files()
    directory = scratch / "d"
    directory.mkdir()
    for name in NAMES[1:]:
        (directory / name).write_bytes(contents[name])
    before = {name: (directory / name).stat().st_mtime_ns for name in NAMES[1:]}
    with mirror(contents) as server:
        expect_whole(directory, contents, get(directory, server.url))
        expect(server.requests == ["/" + NAMES[0]], f"asked for {server.requests}")
    for name, when in before.items():
        expect((directory / name).stat().st_mtime_ns == when, f"{name} was written again")


def test_replaces_wrong_file(scratch):
    contents = real_files()
    directory = scratch / "d"
    directory.mkdir()
    (directory / NAMES[0]).write_bytes(contents[NAMES[0]][:1000])
    (directory / NAMES[1]).write_bytes(gzip.compress(b"no labels"))
    with mirror(contents) as server:
        expect_whole(directory, contents, get(directory, server.url))


def test_first_mirror_bad(scratch):
    contents = real_files()
    wrong = dict(contents, **{NAMES[0]: gzip.compress(b"another file"), NAMES[1]: b"<html>no gzip</html>",
                              NAMES[2]: contents[NAMES[2]][:5000]})
    del wrong[NAMES[3]]
    with mirror(wrong) as bad, mirror(contents) as good:
        result = get(scratch / "d", bad.url, good.url)
        expect_whole(scratch / "d", contents, result)
        expect(result.stderr.count(bad.url) >= 4, "should have tried the first mirror for each file", result)


def test_first_mirror_cuts(scratch):
    contents = real_files()
    with mirror(contents, cut=True) as bad, mirror(contents) as good:
        expect_whole(scratch / "d", contents, get(scratch / "d", bad.url, good.url))


def test_first_mirror_unreachable(scratch):
    contents = real_files()
    with mirror({}) as gone:
        closed = gone.url
    with mirror(contents) as good:
        expect_whole(scratch / "d", contents, get(scratch / "d", closed, good.url))


def test_failure_keeps_old_files(scratch):
    contents = real_files()
    directory = scratch / "d"
    directory.mkdir()
    (directory / NAMES[0]).write_bytes(contents[NAMES[0]])
    (directory / NAMES[1]).write_bytes(b"a user's own file")
    with mirror({}) as server:
        result = get(directory, server.url)
    expect(result.returncode == 1, "should fail", result)
    expect(sorted(os.listdir(directory)) == sorted(NAMES[:2]), f"left {os.listdir(directory)}", result)
    expect((directory / NAMES[1]).read_bytes() == b"a user's own file", "a failure must not touch an old file")


def test_wrong_content(scratch):
    with mirror({name: gzip.compress(b"wrong") for name in NAMES}) as server:
        expect_nothing(scratch / "d", get(scratch / "d", server.url), "SHA-256")


def test_no_gzip(scratch):
    with mirror({name: b"garbage" * 100 for name in NAMES}) as server:
        expect_nothing(scratch / "d", get(scratch / "d", server.url), "gzip")


def test_truncated(scratch):
    with mirror({name: gzip.compress(os.urandom(10000))[:5000] for name in NAMES}) as server:
        expect_nothing(scratch / "d", get(scratch / "d", server.url), "gzip")


def test_cut_connection(scratch):
    with mirror({name: gzip.compress(os.urandom(10000)) for name in NAMES}, cut=True) as server:
        expect_nothing(scratch / "d", get(scratch / "d", server.url), "download failed")


def test_not_found(scratch):
    with mirror({}) as server:
        expect_nothing(scratch / "d", get(scratch / "d", server.url, server.url), "no mirror")
        expect(len(server.requests) == 2, f"each mirror is asked once, then it ends: {server.requests}")


def test_leaves_no_directories(scratch):
    with mirror({}) as server:
        result = get(scratch / "a b" / "c" / "d", server.url)
    expect(result.returncode == 1 and os.listdir(scratch) == [], f"left {os.listdir(scratch)}", result)


def test_unreachable(scratch):
    with mirror({}) as gone:
        closed = gone.url
    expect_nothing(scratch / "d", get(scratch / "d", closed), "download failed")


def test_no_downloader(scratch):
    result = get(scratch / "d", "http://127.0.0.1:1/", env=only_with(scratch))
    expect_nothing(scratch / "d", result, "neither curl nor wget")


def interrupted(scratch, number, code):
    stall = threading.Event()
    with mirror({name: gzip.compress(os.urandom(100000)) for name in NAMES}, stall=stall) as server:
        process = subprocess.Popen([str(SCRIPT), "--dir", str(scratch / "d"), "--mirror", server.url],
                                   env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while not server.requests and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)
        process.send_signal(number)
        try:
            result = process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("goes on after the signal") from None
        expect(result == code, f"exit code {result}, want {code}")
        expect(not (scratch / "d").exists(), "a file was left")


def test_interrupt(scratch):
    interrupted(scratch, signal.SIGINT, 130)


def test_terminate(scratch):
    interrupted(scratch, signal.SIGTERM, 143)


def test_directory_is_file(scratch):
    (scratch / "d").write_text("a file")
    result = get(scratch / "d", "http://127.0.0.1:1/")
    expect(result.returncode == 1, "should fail", result)
    expect("cannot make the directory" in result.stderr, "should say so", result)
    expect((scratch / "d").read_text() == "a file", "must not touch it")


def test_directory_takes_no_files(scratch):
    if not os.path.isdir("/proc/self"):
        return
    result = get("/proc/self", "http://127.0.0.1:1/")
    expect(result.returncode == 1, "should fail", result)
    expect("cannot write to /proc/self" in result.stderr, "should say so", result)


def test_wrong_usage(scratch):
    for options in (["--nonsense"], ["--dir"], ["--mirror"], ["--dir", ""], ["somewhere"]):
        result = get(None, options=options, env=environment(HOME=str(scratch)))
        expect(result.returncode == 2, f"{options} should give 2", result)
    expect(os.listdir(scratch) == [], "wrong usage must write nothing")


def test_help(scratch):
    result = get(None, options=["--help"])
    expect(result.returncode == 0 and "--mirror" in result.stdout, "should print its options", result)


DOWNLOADER = shutil.which("curl") or shutil.which("wget")
WITHOUT_DOWNLOADER = ("no_downloader", "wrong_usage", "help")


def main():
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    passed = failed = skipped = 0
    for name, test in tests:
        with tempfile.TemporaryDirectory(prefix="get-mnist-") as scratch:
            try:
                if not DOWNLOADER and name[5:] not in WITHOUT_DOWNLOADER:
                    raise Skip("there is neither curl nor wget")
                test(pathlib.Path(scratch))
            except Skip as reason:
                skipped += 1
                print(f"SKIP {name[5:]}: {reason}")
            except Exception as error:  # one failure does not hide the others
                failed += 1
                print(f"FAIL {name[5:]}: {type(error).__name__}: {error}")
            else:
                passed += 1
                print(f"ok   {name[5:]}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 77 if not passed else 0


if __name__ == "__main__":
    sys.exit(main())
