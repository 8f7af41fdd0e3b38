# SPDX-License-Identifier: Apache-2.0
"""The Python module against the library.  Usage: test_falign.py LIBRARY MODULE_FOLDER HEADERS [--without-numpy]"""

import array
import gc
import inspect
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

os.environ["FALIGN_LIBRARY"], folder, include = map(os.path.abspath, sys.argv[1:4])
if "--without-numpy" in sys.argv:
    sys.modules["numpy"] = None
sys.path[:0] = [folder, os.path.dirname(os.path.abspath(__file__))]
import falign  # noqa: E402
import headers  # noqa: E402

F64 = falign.Precision.F64
W, BIAS, FEEDBACK = falign.Quantity.W, falign.Quantity.BIAS, falign.Quantity.FEEDBACK
WIDTHS = [12, 8, 9, 10]


def network_of(widths=WIDTHS, precision=F64):
    return falign.Network(widths, precision=precision).draw(0.3, 0.3)


def batches_of(points=100):
    data = falign.Dataset.synthetic(points, 12, 5, 0.6, 0.0)
    return falign.Batches(data, falign.Code.n_hot(5, 10, 2), 50)


# Functions that the module does not call.
EXCEPTIONS = [
    "norm_name", "status_name", "tensors_get", "trainer_history",  # Python has the same by other means
]


def rows_of(matrix):
    return [list(row) for row in matrix]


def array_of(rows):
    """An array of the module's own."""
    tensors = falign.Tensors()
    tensors.add("rows", rows)
    return tensors["rows"]


class PythonFa(falign.Rule):
    """The rule FA, written here: delta[l+1] B[l] (eq. 21)."""
    name, feedback = "python-fa", falign.Feedback.FEEDBACK_LAYER

    @staticmethod
    def signal(rule, network, trace, l, out):
        delta, b = rows_of(trace.view(falign.Quantity.DELTA, l + 1)), rows_of(rule.matrix(l))
        for i, row in enumerate(delta):
            for j in range(len(b[0])):
                out[i, j] = sum(e * b[q][j] for q, e in enumerate(row))


class Failing(PythonFa):
    @staticmethod
    def signal(rule, network, trace, l, out):
        raise KeyError("no feedback today")


def optional(test):
    """What a build without files, LAPACK or threads refuses is skipped."""
    def run(self):
        try:
            test(self)
        except falign.UnsupportedError as error:
            self.skipTest(str(error))
    return run


class Declarations(unittest.TestCase):
    def test_prototypes(self):
        self.assertEqual(falign.PROTOTYPES, headers.functions(include))
        self.assertGreater(len(falign.PROTOTYPES), 220)

    def test_version_and_features(self):
        major, minor, patch = map(int, falign.__version__.split("."))
        self.assertEqual(falign.version_number(), major * 1000000 + minor * 1000 + patch)
        known = {"cblas", "xsmm", "lapack", "files", "threads"}
        self.assertEqual({name for name in known if falign.has_feature(name)}, set(falign.features()))
        self.assertEqual(len(set(falign.features())), len(falign.features()))
        self.assertFalse(falign.has_feature("none such"))
        self.assertEqual((falign.VERSION, falign.ABI), headers.versions(include))

    def test_enums(self):
        ours = {}
        for value in vars(falign).values():
            if isinstance(value, type) and issubclass(value, falign.enum.IntEnum | falign.enum.IntFlag
                                                      if sys.version_info >= (3, 10) else falign.enum.Enum):
                ours.update({name: int(member) for name, member in value.__members__.items()})
        self.assertEqual(ours, headers.enums(include))

    def test_every_function_is_used(self):
        with open(falign.__file__) as file:
            source = file.read()
        kinds = [kind for kind in vars(falign).values() if isinstance(kind, type) and issubclass(kind, falign._Object)]
        parts = {kind._noun: "".join(inspect.getsource(part) for part in kind.__mro__ if part.__module__ == "falign")
                 for kind in kinds if kind._noun}
        unused = set()
        for name in (name[len("falign_"):] for name in falign.PROTOTYPES):
            if not re.search(r'"%s"|falign_%s\b' % (name, name), source) and not any(
                    name.startswith(noun + "_") and '"%s"' % name[len(noun) + 1:] in part
                    for noun, part in parts.items()):
                unused.add(name)
        self.assertEqual({name for name in unused if not name.endswith("_destroy")}, set(EXCEPTIONS))

    def test_callbacks(self):
        theirs = headers.callbacks(include)
        theirs = set(theirs.values())
        with open(falign.__file__) as file:
            source = file.read()
        for kind in theirs - {"vp"}:  # vp: destroy
            self.assertTrue('"%s"' % kind in source, kind)
        self.assertEqual(set(re.findall(r'_thunk\("(\w+)"', source)) - theirs, set())

    def test_structs(self):
        ours = {name: [(member, next((code for code in "iIlLzsdcp" if falign._KINDS[code] is kind), kind.__name__))
                       for member, kind in struct._fields_] for name, struct in falign.STRUCTS.items()}
        theirs = headers.structs(include)
        same = {code: next(k for k in "iIlLzsdcp" if falign._KINDS[k] is falign._KINDS[code]) for code in "iIlLzsdcp"}
        self.assertEqual(ours, {name: [(member, same.get(code, code)) for member, code in members]
                                for name, members in theirs.items()})
        self.assertGreater(len(ours), 15)


class Training(unittest.TestCase):
    def train(self, network, rule, steps):
        rule.draw(0.3)
        with falign.Trainer(network, rule, 0.02) as trainer:
            angles = trainer.observe("angle_w_b", every=steps)
            trainer.run(batches_of(), steps)
            trainer.measure()
            return angles, trainer.evaluate(batches_of())[1]

    def test_training(self):
        network = network_of([12, 8, 10])
        before = network.get(W, 0).tolist()
        angles, error = self.train(network, falign.Rule("fa", network), 100)
        self.assertNotEqual(network.get(W, 0).tolist(), before)
        self.assertEqual([(a.iteration, a.layer) for a in angles], [(0, 1), (100, 1)])
        self.assertLess(angles[1].value, angles[0].value - 10)
        self.assertLess(error, 0.1)

    def test_a_rule_of_ones_own(self):
        own, builtin = network_of(), network_of()
        self.train(own, PythonFa(None, own), 4)
        self.train(builtin, falign.Rule("fa", builtin), 4)
        largest = max(abs(x - y) for l in range(3) for p, q in zip(own.weights(l), builtin.weights(l))
                      for x, y in zip(p, q))
        self.assertLess(largest, 1e-14)  # a few roundings of weights below 1

    def test_gradient(self):
        network = falign.Network([3, 4, 2], precision=F64, activation=falign.Activation("tanh")).draw(0.5, 0.5)
        trainer = falign.Trainer(network, falign.Rule("bp", network), 1.0)
        x, y = [[0.3, -0.2, 0.5]], [[0.1, 0.7]]

        def loss():
            return 0.5 * sum((t - o) ** 2 for t, o in zip(y[0], trainer.forward(x)[0]))
        w, h = network.weights(0), 1e-6
        slopes = []
        for i in range(3):
            for j in range(4):
                w[i, j] += h
                above = loss()
                w[i, j] -= 2 * h
                slopes.append((loss() - above) / (2 * h))
                w[i, j] += h
        dw = trainer.step(x, y).view(falign.Quantity.DW, 0)
        for slope, update in zip(slopes, [v for row in dw for v in row]):
            self.assertAlmostEqual(slope, update, delta=1e-9)  # rounding of the loss over h

    def test_checkpoint(self):
        def fresh():
            network = network_of()
            return falign.Trainer(network, falign.Rule("fa", network).draw(0.3), 0.02)
        whole, first, second = fresh(), fresh(), fresh()
        whole.run(batches_of(), 6)
        first.run(batches_of(), 3)
        tensors = falign.Tensors()
        first.export_to(tensors)
        second.import_from(tensors)
        second.run(batches_of(), 6)
        for l in range(3):
            self.assertEqual(whole.network.weights(l).tolist(), second.network.weights(l).tolist())


class Storage(unittest.TestCase):
    def test_no_copy(self):
        for precision in falign.Precision:
            network = network_of(precision=precision)
            network.weights(1)[2, 3] = 0.25
            self.assertEqual(network.get(W, 1)[2][3], 0.25)
            network.bias(1)[5] = -0.5
            self.assertEqual(network.get(BIAS, 1)[0, 5], -0.5)

    def test_lifetime(self):
        network = network_of()
        view, copy = network.weights(0), network.get(W, 0).tolist()
        freed = []
        destroy = falign._lib.falign_network_destroy
        falign._lib.falign_network_destroy = lambda handle: freed.append(1) or destroy(handle)
        try:
            del network
            gc.collect()
            self.assertEqual((freed, view.tolist()), ([], copy))
            del view
            gc.collect()
            self.assertEqual(freed, [1])
        finally:
            falign._lib.falign_network_destroy = destroy

    def test_a_rule_outlives_its_wrapper(self):
        network = network_of()
        trainer = falign.Trainer(network, PythonFa(None, network).draw(0.3), 0.02)
        trainer._rule = None
        gc.collect()
        before = len(falign._live)
        trainer.run(batches_of(), 1)
        trainer.close()
        self.assertEqual(len(falign._live), before - 1)

    def test_closed_while_viewed(self):
        freed, destroy = [], falign._lib.falign_network_destroy
        falign._lib.falign_network_destroy = lambda handle: freed.append(1) or destroy(handle)
        try:
            network = network_of()
            view, copy = network.weights(0), network.get(W, 0).tolist()
            network.close()
            with self.assertRaises(ValueError):
                network.weights(0)
            self.assertEqual((freed, view.tolist()), ([], copy))
            del view
            gc.collect()
            self.assertEqual(freed, [1])
        finally:
            falign._lib.falign_network_destroy = destroy

    def test_strides(self):
        wide = memoryview(bytearray(8 * 12 * 16)).cast("B").cast("d", [12, 16])
        wide[3, 4] = 2.0
        network = network_of()
        if falign._np is not None:
            network.set(W, 0, falign._np.asarray(wide)[:, ::2])
            self.assertEqual(network.weights(0)[3, 2], 2.0)
            network.set(W, 0, falign._np.asarray(wide)[:, :8])
        else:
            network.set(W, 0, falign.Matrix((falign.c.c_double * 192).from_buffer(wide.obj), (12, 8), (16, 1)))
        self.assertEqual(network.weights(0)[3, 4], 2.0)

    def assert_given(self, array, borrowed):
        """W[0] takes the array; `borrowed`: the library reads it where it is."""
        for precision in falign.Precision:
            network = network_of(precision=precision)
            network.set(W, 0, array)
            self.assertEqual(rows_of(network.get(W, 0)), rows_of(array))
        address = array.__array_interface__["data"][0]
        self.assertEqual(falign._given(array).data == address, borrowed)

    if falign._np is not None:
        def test_any_layout_of_numpy(self):
            np = falign._np
            for kind in (np.float32, np.float64):
                base = np.arange(40 * 40, dtype=kind).reshape(40, 40)
                for array in (base[:12, :8], base[:8, :12].T, base[11::-1, :8], base[:12, 7::-1], base[11::-1, 7::-1],
                              base[3:27:2, 1:40:5], base[7::-1, :24:2].T, np.asfortranarray(base[:12, :8]),
                              base[:24, :16].reshape(12, 2, 8, 2)[:, 0, :, 1]):
                    self.assertEqual(array.shape, (12, 8))
                    self.assert_given(array, borrowed=True)
                repeated = [np.broadcast_to(base[:1, :8], (12, 8)), np.broadcast_to(base[:12, :1], (12, 8)),
                            np.lib.stride_tricks.sliding_window_view(base[0, :19], 8)]
                shifted = np.frombuffer(b"\0" + base[:12, :8].tobytes(), kind, 12 * 8, 1).reshape(12, 8)
                fields = np.zeros((12, 8), np.dtype([("tag", "u1"), ("x", kind)]))["x"]
                for array in repeated + [shifted, fields, base[:12, :8].astype(np.dtype(kind).newbyteorder())]:
                    self.assert_given(array, borrowed=False)
            for kind in (np.int64, np.uint8, np.float16, bool, object):
                self.assert_given(np.arange(12 * 8).reshape(12, 8).astype(kind), borrowed=False)
            with self.assertRaises(TypeError):
                network_of().set(W, 0, np.zeros((12, 8), complex))
            with self.assertRaises(falign.ShapeError):
                network_of().set(W, 0, np.zeros((12, 8, 1)))

    def test_any_layout_of_a_matrix(self):
        storage = (falign.c.c_double * 400)(*range(400))
        base = falign.Matrix(storage, (20, 20), (20, 1))
        self.assertEqual((base[3, 4], base.T[4, 3], base[-1][-1], base[2:8:3, ::-7].tolist()),
                         (64, 64, 399, [[59, 52, 45], [119, 112, 105]]))
        for part in (base[:12, :8], base[:8, :12].T, base[11::-1, 7::-1], base[7::-1, 8:].T):
            self.assert_given(part, borrowed=True)
        for repeated in (falign.Matrix(storage, (12, 8), (0, 1)), falign.Matrix(storage, (12, 8), (1, 1))):
            self.assert_given(repeated, borrowed=False)
        part = base[:2, 1:3]
        part[1, 0] = -1.0
        self.assertEqual(base[1, 1], -1)
        for wrong in ((20, 0), (0, -21), (0, 0, 0)):
            with self.assertRaises(IndexError):
                base[wrong]
        with self.assertRaises(TypeError):
            base[1] = 0.0

    def test_arrays_of_the_standard_library(self):
        network = network_of()
        for kind in "df":
            bias = array.array(kind, range(8))
            self.assertEqual(falign._given(bias, row=True).data, bias.buffer_info()[0])
            for given in (bias, memoryview(bias), memoryview(bytes(bias)).cast(kind), [list(bias)],
                          memoryview(bias).cast("B").cast(kind, [1, 8]), array.array("i", range(8))):
                network.set(BIAS, 1, [0.0] * 8)
                network.set(BIAS, 1, given)
                self.assertEqual(network.bias(1).tolist(), list(range(8)))
        with self.assertRaises(falign.ShapeError):
            network.set(W, 1, bias)

    def test_parameters(self):
        network, other = network_of(), network_of()
        parameters = network.view(falign.Quantity.PARAMETERS, 0)
        self.assertEqual(parameters.shape, (1, network.parameters))
        with self.assertRaises(ValueError):
            parameters[0, 0] = 1.0
        other.set(falign.Quantity.PARAMETERS, 0, [0.0] * network.parameters)
        other.set(falign.Quantity.PARAMETERS, 0, parameters)
        self.assertEqual([rows_of(other.get(W, l)) for l in range(3)], [rows_of(network.get(W, l)) for l in range(3)])
        self.assertEqual(network.edit(BIAS, 2).tolist(), [network.bias(2).tolist()])

    def test_angle(self):
        self.assertAlmostEqual(falign.angle([[1, 0], [0, 0]], [[1, 1], [0, 0]]), 45, places=12)
        self.assertEqual(falign.angle([[0, 1], [0, 0]], array_of([[0, 0], [1, 0]]).T), 0)
        self.assertEqual(falign.frobenius([[3.0, 4.0]]), 5)
        self.assertTrue(math.isnan(falign.angle([[0.0]], [[1.0]])))


class Errors(unittest.TestCase):
    def test_shape(self):
        with self.assertRaises(falign.ShapeError) as caught:
            network_of().set(W, 0, [[0.0] * 12] * 8)
        self.assertEqual(str(caught.exception), "W[0] is 12 x 8, got 8 x 12")
        self.assertIsInstance(caught.exception, ValueError)

    def test_integers_out_of_range(self):
        network = network_of()
        for call in (lambda: network.draw(0.3, 0.3, -1), lambda: network.draw(0.3, 0.3, 1 << 64),
                     lambda: network.weights(-1), lambda: network.activation(1 << 32),
                     lambda: batches_of().get(-1), lambda: falign.Rng(1, 1 << 32)):
            with self.assertRaises(OverflowError):
                call()

    def test_text_in_place_of_an_enum(self):
        network = network_of()
        for call in (lambda: falign.Network([3, 2], "f64"), lambda: network.get("W", 0)):
            with self.assertRaisesRegex(TypeError, "'(f64|W)' is neither an .*such as"):
                call()

    def test_objects_of_another_kind(self):
        network, data = network_of(), falign.Dataset([[1.0] * 12])
        rule = falign.Rule("fa", network)
        trainer = falign.Trainer(network, rule, 0.02)
        for call in (lambda: falign.Batches(data, 50), lambda: trainer.run(data, 1),
                     lambda: trainer.set_norm("columns"), lambda: trainer.set_backend("auto"),
                     lambda: network.set_activation(1, "tanh"), lambda: falign.History(network).record(network),
                     lambda: falign.Trainer(network, network, 0.02),
                     lambda: falign.train_all([network], [batches_of()], 1)):
            with self.assertRaisesRegex(TypeError, "where a falign_[a-z]+ belongs"):
                call()
        with self.assertRaisesRegex(ValueError, "NUL"):
            falign.Tensors().set_note("note", "text\0more")

    def test_functions_of_a_borrowed_network(self):
        class Norm(falign.Norm):
            def scale(self, network, l):
                network.set_activation(1, falign.Activation("half", lambda z: [0.5 * x for x in z],
                                                            lambda z: [0.5] * len(z)))
        network, norm = network_of(), Norm()
        trainer = falign.Trainer(network, falign.Rule("fa", network).draw(0.3), 0.02, norm)
        trainer.run(batches_of(), 1)
        gc.collect()  # the network keeps it, although no object of Python's does
        self.assertEqual(network.activation(1).name, "half")
        trainer.keep(falign.Needs.NEEDS_ACTIVITY)
        trace = trainer.probe(*batches_of().get(0))
        z, out = trace.view(falign.Quantity.Z, 1), trace.view(falign.Quantity.L, 1)
        self.assertEqual(out[0, 0], 0.5 * z[0, 0])

    def test_adapt_save_and_load(self):
        class Counting(PythonFa):
            seen = []

            @staticmethod
            def adapt(rule, network, trace):
                Counting.seen.append((trace.iteration, len(trace.view(falign.Quantity.DW, 1))))

            @staticmethod
            def save(tensors):
                tensors.add("rule.count", [[len(Counting.seen)]])

            @staticmethod
            def load(tensors):
                Counting.seen[:] = [None] * int(tensors["rule.count"][0][0])
        network, tensors = network_of(), falign.Tensors()
        rule = Counting(None, network).draw(0.3)
        falign.Trainer(network, rule, 0.02).run(batches_of(), 2)
        self.assertEqual(Counting.seen, [(0, 8), (1, 8)])
        rule.export_to(tensors)
        Counting.seen.append(None)
        rule.import_from(tensors)
        self.assertEqual(Counting.seen, [None, None])

    def test_callback_class(self):
        network = network_of()
        trainer = falign.Trainer(network, Failing(None, network), 0.02)
        with self.assertRaises(KeyError) as caught:
            trainer.run(batches_of(), 1)
        self.assertIs(type(caught.exception.__cause__), falign.CallbackError)
        self.assertIn("no feedback today", str(caught.exception.__cause__))

    def test_signals_that_are_not_written(self):
        class Returned(PythonFa):
            @staticmethod
            def signal(rule, network, trace, l, out):
                return [[0.0]]

        class Forgotten(PythonFa):
            @staticmethod
            def signal(rule, network, trace, l, out):
                out = [[0.0]]  # noqa: F841
        network = network_of()
        with self.assertRaisesRegex(TypeError, "a callback returns None or a Status, not list"):
            falign.Trainer(network, Returned(None, network), 0.02).run(batches_of(), 1)
        with self.assertRaisesRegex(falign.DivergedError, "signal to layer 2 is nan, or was not written"):
            falign.Trainer(network, Forgotten(None, network), 0.02).run(batches_of(), 1)
        with self.assertRaisesRegex(falign.ShapeError, "wanted 2 dimensions"):
            network.set(W, 0, [1.0, 2.0])

    def test_statuses(self):
        with self.assertRaises(falign.InvalidError):
            falign.Network([3, 0])
        with self.assertRaises(falign.UnsupportedError):
            falign.Metric("none such")
        with self.assertRaises(MemoryError):
            falign.Network([2**40, 2**40])
        network = falign.Network(WIDTHS, activation=falign.Activation("linear")).draw(0.3)
        trainer = falign.Trainer(network, falign.Rule("fa", network).draw(0.3), 1e10)
        with self.assertRaises(falign.DivergedError):
            trainer.run(batches_of(), 9)
        trainer.cancel()
        with self.assertRaises(falign.CancelledError):
            trainer.run(batches_of(), 9)

    def run_failing(self, rule=None, observe=None, progress=None, norm=None, f=None):
        network = network_of()
        if f:
            network.set_activation(1, falign.Activation("own", f, f))
        trainer = falign.Trainer(network, (rule or (lambda n: falign.Rule("fa", n).draw(0.3)))(network), 0.02, norm)
        if observe:
            trainer.observe(*observe)
        trainer.set_progress(progress)
        trainer.run(batches_of(), 2)

    def test_exceptions(self):
        def fail(*_, **__):
            raise KeyError("not today")

        class Norm(falign.Norm):
            scale = fail

        class Metric(falign.Metric):
            measure = fail
        cases = {"rule": dict(rule=lambda n: Failing(None, n)), "sink": dict(observe=("norm_w", 1, None, fail)),
                 "metric": dict(observe=(Metric("m"),)), "norm": dict(norm=Norm()), "progress": dict(progress=fail),
                 "activation": dict(f=fail)}
        for name, case in cases.items():
            with self.subTest(name), self.assertRaises(KeyError) as caught:
                self.run_failing(**case)
            self.assertIsInstance(caught.exception.__cause__, falign.Error, name)
            self.assertEqual((len(falign._elsewhere), falign._calls.stack), (0, []))
        with self.assertRaises(KeyError):
            falign.Backend("mine", gemm=fail)

    def test_exceptions_of_two_threads(self):
        class Mine(Exception):
            pass
        both, got = threading.Barrier(2), {}

        def train(name):
            def fail(z):
                both.wait(30)
                raise Mine(name)
            try:
                self.run_failing(f=fail)
            except Mine as error:
                got[name] = str(error)
        threads = [threading.Thread(target=train, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(got, {"a": "a", "b": "b"})

    @optional
    def test_exceptions_of_other_threads(self):
        main, raised = threading.current_thread(), threading.Event()

        class Bad(Exception):
            def __str__(self):
                raise RuntimeError("no text")
        for error in (KeyError("x" * 600), KeyError("\u20ac" * 600), KeyError("a\0b"), KeyError("\udc80"), Bad()):
            raised.clear()

            def fail(_number):
                if threading.current_thread() is main and not raised.wait(30):
                    return
                if threading.current_thread() is not main:
                    raised.set()
                    raise error
            with self.assertRaises(type(error)) as caught:
                falign.run_all(2, 2, fail)
            self.assertIs(caught.exception, error)

    def test_objects_with_methods_for_callbacks_are_collected(self):
        class Metric(falign.Metric):
            def measure(self, trainer, trace, emit):
                self.seen = trainer.rule.name, trainer.rule.feedback
                emit(1.0)

        class Rule(PythonFa):
            def signal(self, rule, network, trace, l, out):
                PythonFa.signal(rule, network, trace, l, out)
        network = network_of()
        trainer = falign.Trainer(network, falign.Rule("fa", network).draw(0.3), 0.02)
        before, metric = len(falign._live), Metric("mine")
        trainer.observe(metric)
        trainer.run(batches_of(), 1)
        self.assertEqual(metric.seen, ("fa", falign.Feedback.FEEDBACK_LAYER))
        trainer.close()
        rule = Rule(None, network)
        falign.Trainer(network, rule, 0.02).run(batches_of(), 1)
        del metric, rule, trainer
        gc.collect()
        self.assertEqual(len(falign._live), before)

    def test_activations(self):
        def network_with(f):
            network = network_of([12, 8, 10])
            network.set_activation(1, falign.Activation("own", lambda z: f(network, z), lambda z: [1.0] * len(z)))
            return network
        before = len(falign._live)
        network = network_with(lambda own, z: [own.layers * x for x in z])
        gc.collect()
        trainer = falign.Trainer(network, falign.Rule("fa", network).draw(0.3), 0.02)
        trainer.keep(falign.Needs.NEEDS_ACTIVITY)
        trace = trainer.step(*batches_of().get(0))
        self.assertEqual(trace.view(falign.Quantity.L, 1)[3, 2], 2 * trace.view(falign.Quantity.Z, 1)[3, 2])
        self.assertEqual((network.activation(1).name, network.activation(0)), ("own", None))
        other = network_of([12, 8, 10])
        other.set_activation(1, network.activation(1))
        del trace, trainer, network
        gc.collect()
        self.assertEqual(len(falign._live), before + 1)  # the other network uses its functions
        falign.Trainer(other, falign.Rule("bp", other), 0.02).run(batches_of(), 1)
        del other
        gc.collect()
        self.assertEqual(len(falign._live), before)
        with self.assertRaisesRegex(falign.InvalidError, "df"):
            falign.Activation("half", lambda z: z)

    def test_look(self):
        class Metric(falign.Metric):
            def look(self, trainer, trace):
                self.seen = getattr(self, "seen", []) + [trainer.iteration]

            def measure(self, trainer, trace, emit):
                emit(2.5)
                emit(0.5, 1, 2, "another")
        network, metric = network_of(), Metric("mine")
        trainer = falign.Trainer(network, falign.Rule("fa", network).draw(0.3), 0.02)
        values = trainer.observe(metric, every=3)
        trainer.run(batches_of(), 5)
        self.assertEqual(metric.seen, [0, 1, 2, 3, 4])
        self.assertEqual(values, [falign.Value(k, *v) for k in (0, 3)
                                  for v in (("mine", -1, -1, 2.5), ("another", 1, 2, 0.5))])

        class Failing(Metric):
            def look(self, trainer, trace):
                raise KeyError("not today")
        trainer.observe(Failing("failing"), every=100)
        with self.assertRaises(KeyError):
            trainer.run(batches_of(), 6)

    def test_a_backend_of_ones_own(self):
        def gemm(a, b):
            return [[sum(x * y for x, y in zip(row, column)) for column in rows_of(b.T)] for row in rows_of(a)]
        backend = falign.Backend("mine", gemm=gemm)
        a, b = array_of([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), array_of([[1.0, -1.0], [0.5, 2.0], [4.0, 0.0]])
        for x, y in ((a, b.T), (a.T, b), (b[::-1].T, a)):
            self.assertEqual(rows_of(backend.product(x, y)), gemm(x, y))
            self.assertEqual(rows_of(falign.Backend("builtin").product(x, y)), gemm(x, y))
        with self.assertRaises(falign.InvalidError):
            falign.Backend("wrong", gemm=lambda a, b: [[0.0] * len(row) for row in gemm(a, b)])

    def test_what_a_trainer_uses_stays(self):
        class Metric(falign.Metric):
            def measure(self, trainer, trace, emit):
                emit(float(self._get("needs") == 0 and type(self) is Metric))

        class Norm(falign.Norm):
            def scale(self, network, l):
                self.seen = l
        network = network_of()
        trainer = falign.Trainer(network, falign.Rule("fa", network).draw(0.3), 0.02, Norm())
        values = trainer.observe(Metric("mine"))
        gc.collect()
        trainer.run(batches_of(), 2)
        self.assertEqual([v.value for v in values], [1.0, 1.0])
        falign.Norm("columns", (gamma for gamma in [1.0])).apply(network)

    def test_needs_of_the_librarys_metrics(self):
        self.assertEqual(falign.Metric("angle_w_b").needs, falign.Needs(0))
        self.assertTrue(falign.Metric("angle_dw_bp").needs & falign.Needs.NEEDS_BP)

    def test_a_trainer_goes_on_without_its_networks_wrapper(self):
        network = network_of()
        trainer = falign.Trainer(network, falign.Rule("fa", network).draw(0.3), 0.02)
        trainer.rule.close()
        network.close()
        trainer.step(*batches_of().get(0))
        self.assertEqual(trainer.rule.name, "fa")
        self.assertEqual(len(trainer.rule.get(FEEDBACK, 1)[0]), WIDTHS[1])

    @unittest.skipIf(sys.platform == "win32", "there are no signals")
    def test_interrupts(self):
        network = network_of()

        def made(rule, progress=None, sink=None):
            trainer = falign.Trainer(network, rule.draw(0.3), 1e-9)
            trainer.set_progress(progress)
            if sink:
                trainer.observe("norm_w", callback=sink)
            return trainer
        def slow(z):
            time.sleep(1e-4)
            return [0.5 * float(x) for x in z]
        fa, own = falign.Rule("fa", network), network_of()
        own.set_activation(1, falign.Activation("slow", slow, lambda z: [0.5] * len(z)))
        cases = {"progress": made(fa, progress=lambda k, until: None), "sink": made(fa, sink=lambda value: None),
                 "rule": made(PythonFa(None, network)),
                 "activation": falign.Trainer(own, falign.Rule("fa", own).draw(0.3), 1e-9)}
        for name, trainer in cases.items():
            for _ in range(10):
                timer = threading.Timer(0.03, os.kill, (os.getpid(), signal.SIGINT))
                timer.start()
                with self.subTest(name), self.assertRaises(KeyboardInterrupt):
                    trainer.run(batches_of(), 10**9)
                timer.join()
                self.assertTrue(math.isfinite(trainer.network.weights(0)[0, 0]))

        def mine(*_):
            pass
        try:  # a handler that is set within a callback stays
            trainer = made(fa, progress=lambda k, until: bool(signal.signal(signal.SIGINT, mine)) and False)
            trainer.run(batches_of(), trainer.iteration + 1)
            self.assertIs(signal.getsignal(signal.SIGINT), mine)
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self.assertIs(signal.getsignal(signal.SIGINT), signal.default_int_handler)

    def test_exceptions_of_earlier_calls_stay_away(self):
        def fail(*_, **__):
            raise KeyError("not today")
        network = falign.Network([12, 9, 10]).draw(0.3)
        trainer = falign.Trainer(network, falign.Rule("fa", network).draw(0.3), 0.02)
        trainer.set_progress(fail)
        self.assertEqual(falign._run("trainer_run", trainer, batches_of(), 1), falign.Status.CANCELLED)  # and not taken
        trainer.set_progress(None)
        with self.assertRaisesRegex(falign.InvalidError, "eta"):
            trainer.eta = -1
        trainer.eta = 0.1
        falign._elsewhere.clear()

    def test_library_is_missing(self):
        environment = dict(os.environ, FALIGN_LIBRARY="/none/such.so", PYTHONPATH=folder)
        done = subprocess.run([sys.executable, "-c", "import falign"], env=environment, stderr=subprocess.PIPE)
        self.assertIn(b"/none/such.so", done.stderr)
        self.assertEqual(done.returncode, 1)


class Analysis(unittest.TestCase):
    def test_terms_make_up_the_update(self):
        network = network_of()
        rule = falign.Rule("fa", network).draw(0.3)
        trainer, history = falign.Trainer(network, rule, 0.02), falign.History(network)
        trainer.set_history(history)
        trainer.keep(falign.Needs.NEEDS_ACTIVITY)
        trainer.run(batches_of(), 4)
        terms, trace = falign.Terms(history, rule), trainer.trace
        self.assertEqual(history.range, range(0, 4))
        parts = terms.get(trace, 1, [1, 2, 3]) + [terms.zero(trace, 1, 3), terms.remainder(trace, 1)]
        dw = trace.view(falign.Quantity.DW, 1)
        for i, row in enumerate(dw):
            for j, update in enumerate(row):  # eq. 3
                self.assertAlmostEqual(update, sum(p[i][j] for p in parts), delta=1e-13)

    def test_steps_of_another_program(self):
        network, copy, keep = network_of(), network_of(), falign.Keep.KEEP_C
        rule, q = falign.Rule("fa", network).draw(0.3), falign.Quantity
        trainer = falign.Trainer(network, rule, 0.02)
        history, recorded = falign.History(network, keep), falign.History(copy, keep)
        trainer.set_history(history)
        trainer.keep(falign.Needs.NEEDS_ACTIVITY)
        for k in range(3):
            x, y = batches_of().get(k)
            copy.set(q.PARAMETERS, 0, network.view(q.PARAMETERS, 0))
            probe = trainer.probe(x, y)
            trace = falign.Trace(copy, probe.iteration, probe.rows, probe.eta, probe.loss)
            for what, layers in ((q.L, range(4)), (q.Z, range(1, 4)), (q.DELTA, range(1, 4)), (q.TARGET, [3]),
                                 (q.DW, range(3)), (q.DB, range(1, 4))):
                for l in layers:
                    trace.set(what, l, probe.view(what, l))
            self.assertEqual(rows_of(network.get(W, 0)), rows_of(copy.get(W, 0)))  # probes change nothing
            recorded.record(trace)
            trainer.step(x, y)
        self.assertEqual((trace.iteration, trace.rows, trace.first_row, trace.eta, trace.precision, trace.backend.name),
                         (2, 50, 0, 0.02, F64, "auto"))
        self.assertEqual((recorded.range, trainer.iteration), (range(3), 3))
        for k in range(3):
            for what, layers in ((q.W, (0, 1)), (q.BIAS, (1, 2)), (q.DW, (0, 1)), (q.DW_APPLIED, (0, 1)),
                                 (q.C, (1, 2))):
                for l in layers:
                    got, want = recorded.get(k, what, l), history.get(k, what, l)
                    self.assertEqual((got.shape, rows_of(got)), (want.shape, rows_of(want)), (k, what, l))
        mine, theirs = falign.Terms(recorded, rule), falign.Terms(history, rule)
        for kind in (falign.Term.TERM, falign.Term.TERM_LINEAR):
            self.assertEqual([rows_of(t) for t in mine.get(trace, 1, [1, 2], kind)],
                             [rows_of(t) for t in theirs.get(trainer.trace, 1, [1, 2], kind)])
            self.assertEqual(rows_of(mine.sum(trace, 2, kind=kind)), rows_of(theirs.sum(trainer.trace, 2, kind=kind)))
        with self.assertRaises(falign.InvalidError):
            recorded.record(trace)  # not the next iteration
        with self.assertRaises(falign.InvalidError):
            trainer.trace.set(q.L, 0, x)
        for wrong in (0, 3, 4):
            with self.assertRaises(falign.InvalidError):
                recorded.get(0, q.C, wrong)
        with self.assertRaises(falign.InvalidError):
            recorded.get(0, q.Q, 1)

    @optional
    def test_components(self):
        path = falign.Trajectory(3)
        for t in range(4):
            path.add([3.0 * t, 4.0 * t, 1.0])
        first = falign.Components(path, 1)
        for got, want in zip(first.directions[0], [0.6, 0.8, 0]):
            self.assertAlmostEqual(got, want, places=12)
        self.assertAlmostEqual(first.explained[0], 1, places=12)
        self.assertAlmostEqual(first.project([4.5, 6.0, 1.0])[0], 0, places=12)
        several = first.project([[4.5, 6.0, 1.0], [7.5, 10.0, 1.0]])
        self.assertEqual(several.shape, (2, 1))
        self.assertAlmostEqual(several[1][0], 5, places=12)
        self.assertAlmostEqual(first.point([[0.0], [5.0]])[1][1], 10, places=12)
        self.assertEqual((path[1].tolist(), path[-2:].tolist(), len(path), path.numbers),
                         ([3, 4, 1], [[6, 8, 1], [9, 12, 1]], 4, 3))
        early = path[0]
        for t in range(100):
            path.add([0.0, 0.0, 0.0])
        self.assertEqual(early.tolist(), [0, 0, 1])

    def test_transformation(self):
        m = falign.Transformation([[2.0, 1.0], [3.0, 4.0]])
        self.assertEqual(m.get(falign.Quantity.M_SKEW).tolist(), [[0, -1], [1, 0]])
        self.assertEqual(m.trace, 6)
        with self.assertRaises(falign.ShapeError):
            falign.Transformation([[1.0, 2.0]])

    def test_disturbance(self):
        network = network_of()
        rule = falign.Rule("fa", network).draw(0.3)
        trainer, history = falign.Trainer(network, rule, 0.02), falign.History(network)
        disturbance = falign.Disturbance("shuffled_rows", history, rule)
        trainer.set_history(history)
        values = trainer.observe(disturbance.metric(), every=1)
        trainer.run(batches_of(), 3)
        self.assertEqual([v.iteration for v in values if v.layer == 1], [0, 1, 2])
        angle = falign.angle(disturbance.get_weights(1), rule.get(FEEDBACK, 1).T)
        self.assertAlmostEqual(disturbance.angle(1), angle, places=10)

    def test_product_angle(self):
        for thetas in falign.ProductAngle().draw(5):
            self.assertTrue(all(0 <= theta <= 180 for theta in thetas))

    def test_terms_and_disturbance_by_order(self):
        network = network_of()
        rule = falign.Rule("fa", network).draw(0.3)
        trainer, history = falign.Trainer(network, rule, 0.02), falign.History(network)
        disturbance, terms = falign.Disturbance("undisturbed", history, rule), falign.Terms(history, rule)
        trainer.set_history(history)
        trainer.keep(falign.Needs.NEEDS_ACTIVITY)
        self.assertEqual(history.used[1], 0)
        trainer.run(batches_of(), 3)
        self.assertEqual(history.used, (history.bytes(3), 0))
        plain = terms.get(trainer.trace, 1, [1, 2])
        disturbed = disturbance.get(trainer.trace, 1, [1, 2])
        self.assertEqual([t.tolist() for t in disturbed], [t.tolist() for t in plain])
        compared, dw = terms.compare(trainer.trace, 1, plain[0]), trainer.trace.view(falign.Quantity.DW, 1)
        self.assertAlmostEqual(compared.angle, falign.angle(plain[0], rule.get(FEEDBACK, 1).T), places=10)
        self.assertAlmostEqual(compared.norm, falign.frobenius(plain[0]), places=14)
        self.assertAlmostEqual(compared.ratio, compared.norm / falign.frobenius(dw), places=12)

    def test_metric_of_terms(self):
        network = network_of()
        trainer = falign.Trainer(network, falign.Rule("fa", network).draw(0.3), 0.02)
        trainer.set_history(falign.History(network, falign.Keep.KEEP_C))
        values = trainer.observe(falign.Metric.terms([1]))
        trainer.run(batches_of(), 3)
        self.assertEqual([v.iteration for v in values if (v.name, v.layer, v.order) == ("angle_t", 1, 1)], [1, 2])

    def test_similarity(self):
        s = falign.Similarity(2, 1, 2)
        s.set_side(falign.Side.SIDE_PAST, [[1, 0], [0, 2]], [[1], [3]], [0, 1])
        s.set_side(falign.Side.SIDE_PRESENT, [[1, 1], [2, 0]], [[2], [-1]], [0, 1])
        # S_L = [[1, 2], [2, 0]], S_delta = [[2, -1], [6, -3]]; the diagonal is within
        self.assertEqual(s.sums(falign.Pairs.PAIRS_WITHIN), (2, 1, -1, 2))
        self.assertEqual(s.sums(falign.Pairs.PAIRS_BETWEEN), (2, 4, 5, 10))
        for side in falign.Side:
            s.classify(side, [1.0, 2.0], 0.5)
        self.assertEqual(s.sums(falign.Pairs.PAIRS_WITHIN_WELL), (1, 1, 2, 2))
        counts = s.histogram(falign.SimilarityOf.SIMILARITY_DELTA, 0.0, 4.0, 2)
        self.assertEqual(list(counts.values()), [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]])
        with self.assertRaises(falign.ShapeError):
            s.set_side(falign.Side.SIDE_PAST, [[1, 0]], [[1]], [0, 1])
        product = falign.Backend().product([[1, 0], [0, 2]], array_of([[1, 1], [2, 0]]).T)  # S_L
        self.assertEqual(product.tolist(), [[1, 2], [2, 0]])
        self.assertEqual(falign.row_norms([[3, 4], [5, 12]]).tolist(), [5, 13])

    def test_transformation_of_b(self):
        m = falign.Transformation([[2.0, 1.0], [3.0, 4.0]])  # symmetric 2 2 2 4, skew 0 -1 1 0
        angle, norm = m.apply([[1.0], [0.0]])  # (1, 0) M = (2, 1)
        self.assertAlmostEqual(angle, math.degrees(math.atan2(1, 2)), places=12)
        self.assertAlmostEqual(norm, math.sqrt(5), places=12)
        self.assertAlmostEqual(m.skew_ratio([[1.0], [0.0]]), 1 / math.sqrt(8), places=12)

    @optional
    def test_plane(self):
        network = network_of([12, 3, 10])
        rule, path = falign.Rule("fa", network).draw(0.3), falign.Trajectory(network.parameters)
        points = []
        for seed in (1, 2, 3):
            path.add(network.draw(0.3, 0.3, seed))
            points.append(path[len(path) - 1])
        plane = falign.Components(path, 2)
        at = plane.project(points[0])
        for got, want in zip(plane.point(at), points[0]):  # three points span the plane
            self.assertAlmostEqual(got, want, places=12)
        b = rule.get(FEEDBACK, 1)
        feedback = [0.0] * (12 * 3 + 3) + [b[j][i] for i in range(3) for j in range(10)] + [0.0] * 10
        for got, want in zip(plane.project_feedback(network, rule), plane.project(feedback)):
            self.assertAlmostEqual(got, want, places=12)
        moved = plane.project_direction([p - m for p, m in zip(points[0], plane.mean)])
        for got, want in zip(moved, at):
            self.assertAlmostEqual(got, want, places=12)
        batches, seen = batches_of(), []
        loss = plane.loss_grid(network, batches, [at[0], 0.0], [at[1]], progress=lambda *t: seen.append(t))
        network.draw(0.3, 0.3, 1)
        self.assertAlmostEqual(loss[0][0] / falign.Trainer(network, rule, 0.1).evaluate(batches)[0], 1, places=10)
        self.assertEqual(sorted(seen), [(1, 2), (2, 2)])
        with self.assertRaises(falign.CancelledError):
            plane.loss_grid(network, batches, [0.0], [0.0], progress=lambda done, total: True)

    def test_small_calls(self):
        a, b = [[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [1.0, 1.0]]
        backend = falign.Backend()
        self.assertEqual(backend.product(a, b).tolist(), [[2, 3], [4, 7]])
        self.assertEqual(backend.product(array_of(a).T, b, alpha=2.0).tolist(), [[6, 8], [8, 12]])
        network = network_of()
        trainer = falign.Trainer(network, falign.Rule("bp", network), 0.1, backend=falign.Backend("builtin"))
        self.assertEqual(trainer.backend.name, "builtin")
        start = falign.frobenius(network.weights(1))
        trainer.run(batches_of(), 1)
        self.assertAlmostEqual(trainer.start_norm(1), start, places=12)
        self.assertNotAlmostEqual(falign.frobenius(network.weights(1)), start, places=12)
        network.set_activation(2, falign.Activation("logistic"))
        self.assertEqual([network.activation(l).name for l in (1, 2, 3)], ["tanh-relu", "logistic", "tanh-relu"])
        with self.assertRaisesRegex(falign.UnsupportedError, "tanh-relu"):
            falign.Activation("none such")
        rng = falign.Rng(1)
        first = rng.block()
        self.assertEqual((len(first), rng.position), (4, 1))
        rng.position = 0
        self.assertEqual(rng.block(), first)
        points, labels = batches_of().points_of(1)
        self.assertEqual((points, labels), (list(range(50, 100)), [p % 5 for p in range(50, 100)]))
        tensors = falign.Tensors()
        batches_of().code.export_to(tensors)
        self.assertEqual(falign.Code.import_from(tensors).matrix[3].tolist(), batches_of().code.matrix[3].tolist())

    @optional
    def test_table(self):
        tables = [falign.Table(condition="condition") for _ in range(2)]
        for run, table in enumerate(tables):
            table.set_condition("fa")
            table.set_run(run)
            table.add(falign.Value(7, "norm_w", 1, -1, 2.0 + 2 * run))
            with self.assertRaises(OverflowError):
                table.add(falign.Value(7, "norm_w", 1 << 63, -1, 0.0))
        tables[0].append(tables[1])
        row = tables[0][1]
        self.assertEqual(row._replace(epoch=0.0), ("fa", 1, 0.0, falign.Value(7, "norm_w", 1, -1, 4.0)))
        self.assertTrue(math.isnan(row.epoch))
        tensors, again = falign.Tensors(), falign.Table(condition="condition")
        tables[0].export_to(tensors)
        again.import_from(tensors)
        self.assertEqual([r.value.value for r in again], [2.0, 4.0])
        with tempfile.TemporaryFile() as file:
            again.write_descriptor(file.fileno())
            file.seek(0)
            self.assertEqual(file.read().splitlines()[1:], [b"fa,0,7,,1,,norm_w,2", b"fa,1,7,,1,,norm_w,4"])
        with tempfile.TemporaryDirectory() as scratch:
            again.write_summary(os.path.join(scratch, "s.csv"))
            with open(os.path.join(scratch, "s.csv")) as file:
                mean, sd, n = map(float, file.read().splitlines()[1].split(",")[-3:])
        self.assertEqual((mean, n), (3, 2))
        self.assertAlmostEqual(sd, math.sqrt(2), places=12)

    @optional
    def test_files(self):
        with tempfile.TemporaryDirectory() as scratch:
            with open(os.path.join(scratch, "bad"), "w") as file:
                file.write("no tensors")
            with self.assertRaises(OSError):
                falign.Tensors.read(os.path.join(scratch, "none"))
            with self.assertRaises(falign.FormatError):
                falign.Tensors.read(os.path.join(scratch, "bad"))

    @optional
    def test_ensemble(self):
        seen = []
        falign.run_all(4, 2, seen.append)
        self.assertEqual(sorted(seen), [0, 1, 2, 3])
        with self.assertRaises(ZeroDivisionError):
            falign.run_all(4, 2, lambda number: 1 // (number - 2))


class Example(unittest.TestCase):
    def test_train(self):
        with tempfile.TemporaryDirectory() as scratch:
            text = subprocess.run([sys.executable, "-B", os.path.join(folder, "train.py")], cwd=scratch, check=True,
                                  stdout=subprocess.PIPE).stdout.decode()
        self.assertIn("W[0] is 12 x 8, got 8 x 12", text)
        self.assertIn("sign-symmetry", text)


if __name__ == "__main__":
    if falign._np is None and "--without-numpy" not in sys.argv:
        print("SKIP test_falign: NumPy is not installed")
        sys.exit(77)
    result = unittest.main(argv=sys.argv[:1], exit=False).result
    for test, reason in result.skipped:
        print(f"SKIP {test.id()}: {reason}")
    sys.exit(not result.wasSuccessful())
