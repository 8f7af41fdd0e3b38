#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Changes copies of the headers, and sees what scripts/check-abi says. usage: test_abi.py BUILD

Skipped, but for what can be told without it, where there is no abidiff."""

import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "examples"))
from toy import Skip, run, run_tests  # noqa: E402

BUILD = os.path.abspath(sys.argv[1])
ABIDIFF = shutil.which("abidiff")
BROKEN, FINE = "may not go on:", "go on.\n"


class Copy:
    """What the check reads of the source tree."""

    def __init__(self):
        self.root = tempfile.mkdtemp(prefix="falign-abi-test-")
        self.record = os.path.join(self.root, "tests", "abi", "declarations")
        for part in ("include", "scripts/check-abi", "tests/abi/declarations"):
            source, target = os.path.join(ROOT, part), os.path.join(self.root, part)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, target)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root)

    def replace(self, path, *pairs):
        path = os.path.join(self.root, path)
        text = read(path)
        for old, new in pairs:
            assert text.count(old) == 1, f"{old} is {text.count(old)} times in {path}"
            text = text.replace(old, new)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def header(self, name, *pairs):
        self.replace(f"include/falign/{name}.h", *pairs)

    def check(self, code, *words, env=None):
        done = run(os.path.join(self.root, "scripts", "check-abi"), BUILD, code=code, env=env)
        return self.said(done, words)

    def update(self, code, *words):
        before = read(self.record)
        done = run(os.path.join(self.root, "scripts", "check-abi"), "--update", code=code)
        assert code == 0 or read(self.record) == before, "a refused update has changed the record"
        return self.said(done, words)

    @staticmethod
    def said(done, words):
        text = done.stdout.decode()
        for word in words:
            assert word in text, f"'{word}' is not in: {text}"
        return text


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def need_abidiff():
    if not ABIDIFF:
        raise Skip("there is no abidiff")


def broken(header, old, new, *words):
    """A change is found and said."""
    with Copy() as copy:
        copy.header(header, (old, new))
        copy.check(1, BROKEN, *words)


def test_as_recorded():
    with Copy() as copy:
        copy.check(0, "functions", "are as recorded")
        copy.update(0)
        assert read(copy.record) == read(os.path.join(ROOT, "tests", "abi", "declarations"))


def test_removed_function():
    broken("rng", "FALIGN_API double falign_rng_uniform(falign_rng *rng);\n", "", "falign_rng_uniform is gone")


def test_function_not_declared():
    with Copy() as copy:  # as if it were new, and its declaration forgotten
        copy.header("rng", ("FALIGN_API double falign_rng_uniform(falign_rng *rng);\n", ""))
        copy.replace("tests/abi/declarations", ("FALIGN_API double falign_rng_uniform(falign_rng *rng);\n", ""))
        copy.check(1, "falign_rng_uniform is exported, but not declared")


def test_function_not_exported():
    with Copy() as copy:
        copy.header("rng", ("FALIGN_API double falign_rng_uniform(", "FALIGN_API double falign_rng_other(void);\n"
                            "FALIGN_API double falign_rng_uniform("))
        copy.check(1, "falign_rng_other is declared, but not exported")


def test_enumerators():
    broken("matrix", "FALIGN_BIAS = 2,", "FALIGN_BIAS = 77,", "FALIGN_BIAS is 77, was 2\n")
    broken("status", "FALIGN_CALLBACK = 9 ", "FALIGN_CALL = 9 ", "FALIGN_CALLBACK is gone")
    broken("metric", "FALIGN_NEEDS_STEP = 1, ", "FALIGN_NEEDS_STEP = 1 << 1,", "FALIGN_NEEDS_STEP is 2, was 1\n")


def test_type_names():
    broken("dataset", "typedef int32_t falign_part;", "#define falign_part int32_t", "falign_part is gone")


def test_macros():
    broken("terms", "#define FALIGN_TERMS_MAX_DEGREE 10", "", "FALIGN_TERMS_MAX_DEGREE is gone")
    need_abidiff()
    with Copy() as copy:  # a limit may grow; the change is seen
        copy.header("terms", ("#define FALIGN_TERMS_MAX_DEGREE 10", "#define FALIGN_TERMS_MAX_DEGREE 12"))
        copy.check(1, FINE, "-#define FALIGN_TERMS_MAX_DEGREE 10\n+#define FALIGN_TERMS_MAX_DEGREE 12\n")


def test_parameters():
    need_abidiff()
    broken("rng", "falign_rng_below(falign_rng *rng, uint64_t bound)",
           "falign_rng_below(falign_rng *rng, uint32_t bound)", "falign_rng_below", "from uint64_t to uint32_t")
    broken("rng", "falign_rng_uniform(falign_rng *rng)", "falign_rng_uniform(falign_rng *rng, int32_t bits)",
           "falign_rng_uniform", "parameter 2 of type 'typedef int32_t' was added")
    broken("network", "falign_network_layers(const falign_network *network)",
           "falign_network_layers(falign_network *network)", "falign_network_layers", "const falign_network")
    broken("dataset", "FALIGN_API uint64_t falign_dataset_fingerprint", "FALIGN_API uint32_t falign_dataset_fingerprint",
           "falign_dataset_fingerprint", "return type changed")


def test_tables():
    need_abidiff()
    broken("metric", "  const char *name; /**< required; copied */\n  int32_t needs;    /**< FALIGN_NEEDS_..., of `look` too */",
           "  int32_t needs;\n  const char *name;", "falign_metric_table", "'int32_t needs' offset changed")
    broken("metric", "int32_t needs;    /**< FALIGN_NEEDS_..., of `look` too */", "", "falign_metric_table", "member deletion")
    broken("metric", "int32_t needs;    /**<", "int32_t wants;    /**<", "falign_metric_table", "needs", "wants")
    broken("metric", "  size_t size;      /**<", "  int64_t first;\n  size_t size;      /**<", "falign_metric_table",
           "member insertion")
    broken("backend", "float beta, float *c, size_t ldc);\n/** As falign_sgemm_fn",
           "double beta, float *c, size_t ldc);\n/** As falign_sgemm_fn", "falign_backend_create_custom",
           "from 'float' to 'double'")


END = """  void (*destroy)(void *user); /**< optional: called once when the last reference is released */
} falign_norm_table;"""


def grow(copy, *members):
    copy.header("norm", (END, END.replace("}", "".join(f"  {member};\n" for member in members) + "}")))


def test_table_grows():
    need_abidiff()
    with Copy() as copy:
        grow(copy, "int32_t per_layer")
        copy.check(1, "+int32_t per_layer;", FINE, "--update")
        copy.update(0, "+int32_t per_layer;", FINE)
        copy.check(0)
    with Copy() as copy:  # and at once something else
        grow(copy, "int32_t per_layer")
        copy.header("norm", ("falign_status (*apply)(void *user, falign_network *network, uint32_t l);",
                             "falign_status (*apply)(void *user, falign_network *network, uint64_t l);"))
        copy.check(1, BROKEN, "falign_norm_table", "from uint32_t to uint64_t")


def test_returned_struct_grows():
    need_abidiff()
    last = "  size_t target_width; /**< numbers of a target row */\n} falign_batches_shape;"
    with Copy() as copy:
        copy.header("batches", (last, last.replace("}", "  size_t channels;\n}")))
        copy.check(1, "+size_t channels;", FINE)


def test_table_grows_into_padding():
    need_abidiff()
    with Copy() as copy:
        grow(copy, "int32_t per_layer")
        copy.update(0)
        copy.header("norm", ("  int32_t per_layer;\n", "  int32_t per_layer;\n  int32_t per_step;\n"))
        copy.check(1, BROKEN, "what was appended to struct falign_norm_table lies within its former size")
        copy.update(1, BROKEN)
        copy.header("norm", ("  int32_t per_step;\n", "  void (*step)(void *user);\n"))
        copy.check(1, FINE)


def test_new_function_and_number():
    need_abidiff()
    with Copy() as copy:
        copy.replace("tests/abi/declarations", ("FALIGN_API double falign_rng_uniform(falign_rng *rng);\n", ""))
        copy.header("metric", ("FALIGN_NEEDS_BP = 4 ", "FALIGN_NEEDS_BP = 4, FALIGN_NEEDS_MORE = 8 "))
        copy.check(1, "+FALIGN_API double falign_rng_uniform(falign_rng *rng);", "FALIGN_NEEDS_MORE = 8", FINE, "--update")
        copy.update(0, FINE)
        copy.check(0)


def test_harmless_changes():
    need_abidiff()
    with Copy() as copy:
        copy.header("rng", ("falign_rng_below(falign_rng *rng, uint64_t bound)",
                            "falign_rng_below(falign_rng *rng,\n uint64_t limit)"))
        copy.check(1, "uint64_t limit", FINE)
        copy.update(0, FINE)
    with Copy() as copy:  # comments, blanks and marks are not recorded
        copy.header("rng", ("FALIGN_API double falign_rng_uniform(falign_rng *rng);",
                            'FALIGN_API FALIGN_DEPRECATED("old") double\nfalign_rng_uniform(falign_rng *rng); /* x */'))
        copy.check(0)


def test_breaks_are_not_recorded():
    with Copy() as copy:
        copy.header("matrix", ("FALIGN_BIAS = 2,", "FALIGN_BIAS = 77,"))
        copy.update(1, BROKEN, "FALIGN_BIAS is 77, was 2\n", "Nothing was recorded.")
    need_abidiff()
    with Copy() as copy:
        copy.header("rng", ("uint64_t bound)", "uint32_t bound)"))
        copy.update(1, BROKEN, "from uint64_t to uint32_t", "Nothing was recorded.")


def test_raised():
    with Copy() as copy:
        copy.header("version", ("#define FALIGN_ABI 0", "#define FALIGN_ABI 1"))
        copy.header("matrix", ("FALIGN_BIAS = 2,", "FALIGN_BIAS = 77,"))
        said = copy.check(1, "FALIGN_ABI was raised from 0 to 1", "--update", "have the version 'FALIGN_0', want "
                          "'FALIGN_1'", "the soname is libfalign.so.0, want libfalign.so.1")
        assert BROKEN not in said
        copy.update(0, "FALIGN_ABI was raised from 0 to 1")
        assert "#define FALIGN_ABI 1\n" in read(copy.record) and "FALIGN_BIAS = 77" in read(copy.record)
        copy.header("version", ("#define FALIGN_ABI 1", "#define FALIGN_ABI 0"))
        copy.update(1, "FALIGN_ABI is 0, was 1: it only grows.")


def test_no_record():
    with Copy() as copy:
        recorded = read(copy.record)
        os.remove(copy.record)
        copy.check(1, "there is no record")
        run(os.path.join(copy.root, "scripts", "check-abi"), "--update")
        assert read(copy.record) == recorded


def test_without_abidiff():
    with Copy() as copy:
        tools = os.path.join(copy.root, "tools")
        os.mkdir(tools)
        for tool in ("as", "cc", "env", "ld", "python3", "readelf", *os.environ.get("CC", "").split()[:1]):
            found = shutil.which(tool)
            if found and not os.path.exists(os.path.join(tools, os.path.basename(tool))):
                os.symlink(found, os.path.join(tools, os.path.basename(tool)))
        env = {"PATH": tools}
        copy.check(0, "are as recorded", env=env)
        copy.header("rng", ("uint64_t bound)", "uint32_t bound)"))
        copy.check(1, BROKEN, "abidiff", "is not installed", env=env)
        copy.header("matrix", ("FALIGN_BIAS = 2,", "FALIGN_BIAS = 77,"))
        copy.check(1, BROKEN, "FALIGN_BIAS is 77, was 2\n", env=env)


def test_usage():
    script = os.path.join(ROOT, "scripts", "check-abi")
    assert b"--update" in run(script, "--help").stdout
    run(script, "--nonsense", code=2)
    assert "libfalign.so" in run(script, os.path.join(BUILD, "nowhere"), code=1).err


if __name__ == "__main__":
    failed = run_tests(globals())
    sys.exit(failed or (0 if ABIDIFF else 77))
