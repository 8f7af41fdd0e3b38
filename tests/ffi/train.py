# SPDX-License-Identifier: Apache-2.0
"""Trains through the shared library with nothing but ctypes: reads weights and angles, gets an error message, and
supplies a learning rule as a callback.  Usage: train.py LIBRARY"""

import ctypes as c
import sys

OK, SHAPE, CALLBACK = 0, 2, 9
F64, LAYER_FEEDBACK, DELTA = 2, 1, 3

lib = c.CDLL(sys.argv[1])
lib.falign_last_error.restype = c.c_char_p
lib.falign_network_width.restype = c.c_size_t
lib.falign_trace_rows.restype = c.c_size_t
lib.falign_trainer_trace.restype = c.c_void_p
lib.falign_rule_feedback_f64.restype = c.POINTER(c.c_double)

SIGNAL = c.CFUNCTYPE(c.c_int32, c.c_void_p, c.c_void_p, c.c_void_p, c.c_void_p, c.c_uint32, c.POINTER(c.c_double))
VALUE = c.CFUNCTYPE(c.c_int32, c.c_void_p, c.c_uint64, c.c_char_p, c.c_int64, c.c_int64, c.c_double)


class RuleTable(c.Structure):
    _fields_ = [("size", c.c_size_t), ("name", c.c_char_p), ("feedback", c.c_int32), ("concurrent", c.c_int32),
                ("signal_f32", c.c_void_p), ("signal_f64", SIGNAL), ("adapt", c.c_void_p),
                ("needs_activity", c.c_int32), ("save", c.c_void_p), ("load", c.c_void_p), ("destroy", c.c_void_p)]


def check(status):
    if status != OK:
        raise RuntimeError(lib.falign_last_error().decode())


def create(function, *arguments):
    handle = c.c_void_p()
    check(function(*arguments, c.byref(handle)))
    return handle


def network_of(widths):
    network = create(lib.falign_network_create, F64, len(widths) - 1, (c.c_size_t * len(widths))(*widths), 1)
    check(lib.falign_network_draw(network, c.c_double(0.3), c.c_double(0.3), c.c_uint64(1), 0))
    return network


def weights(network, l, rows, cols):
    w = (c.c_double * (rows * cols))()
    size = c.c_size_t
    check(lib.falign_network_get_weights_f64(network, l, w, size(rows), size(cols), size(cols)))
    return list(w)


def batches_of(points):
    data = create(lib.falign_dataset_create_synthetic, c.c_size_t(points), c.c_size_t(12), 5, c.c_double(0.6),
                  c.c_double(0.0), 1, c.c_uint64(1))
    code = create(lib.falign_code_create_n_hot, 5, c.c_size_t(10), c.c_size_t(2), c.c_uint64(1), 0)
    return create(lib.falign_batches_create, data, code, c.c_size_t(50))


def feedback_alignment(calls):
    """The rule FA, written here: delta[l+1] B[l] (eq. 21)."""

    def signal(_user, rule, network, trace, l, out):
        calls.append(l)
        rows = lib.falign_trace_rows(c.c_void_p(trace))
        cols = lib.falign_network_width(c.c_void_p(network), l)
        above = lib.falign_network_width(c.c_void_p(network), l + 1)
        delta = c.POINTER(c.c_double)()
        status = lib.falign_trace_view_f64(c.c_void_p(trace), DELTA, l + 1, c.byref(delta), None, None, None)
        b = lib.falign_rule_feedback_f64(c.c_void_p(rule), l)
        for i in range(rows):
            for j in range(cols):
                out[i * cols + j] = sum(delta[i * above + q] * b[q * cols + j] for q in range(above))
        return status

    return SIGNAL(signal)


def train(network, rule, steps):
    """Angles of W[l] with B[l]^T by layer, before and after; and the share of errors after."""
    check(lib.falign_rule_draw(rule, c.c_double(0.3), c.c_uint64(1), 0))
    trainer = create(lib.falign_trainer_create, network, rule, c.c_double(0.02))
    metric = create(lib.falign_metric_create, b"angle_w_b")
    angles = []
    sink = VALUE(lambda _user, iteration, _name, layer, _order, value: angles.append((iteration, layer, value)) or OK)
    check(lib.falign_trainer_observe(trainer, metric, c.c_uint64(steps), sink, None))
    batches = batches_of(100)
    check(lib.falign_trainer_run(trainer, batches, c.c_uint64(steps)))
    check(lib.falign_trainer_measure(trainer))
    error = c.c_double()
    check(lib.falign_trainer_evaluate(trainer, batches, None, c.byref(error)))
    lib.falign_trainer_destroy(trainer)
    return angles, error.value


def test_training():
    widths = [12, 8, 10]
    network = network_of(widths)
    before = weights(network, 0, 12, 8)
    angles, error = train(network, create(lib.falign_rule_create_fa, network), 100)
    assert weights(network, 0, 12, 8) != before
    assert [a[:2] for a in angles] == [(0, 1), (100, 1)], angles
    assert angles[1][2] < angles[0][2] - 10, angles
    assert error < 0.1, error


def test_a_rule_of_ones_own():
    widths, calls = [12, 8, 9, 10], []
    signal = feedback_alignment(calls)
    table = RuleTable(size=c.sizeof(RuleTable), name=b"python-fa", feedback=LAYER_FEEDBACK, signal_f64=signal)
    own, builtin = network_of(widths), network_of(widths)
    train(own, create(lib.falign_rule_create_custom, c.byref(table), None, own), 4)
    train(builtin, create(lib.falign_rule_create_fa, builtin), 4)
    assert calls[:2] == [2, 1], calls
    largest = max(abs(x - y) for l, (n, m) in enumerate(zip(widths, widths[1:]))
                  for x, y in zip(weights(own, l, n, m), weights(builtin, l, n, m)))
    assert largest < 1e-14, largest  # a few roundings of weights below 1


def test_errors():
    network = network_of([12, 8, 10])
    w = (c.c_double * 96)()
    status = lib.falign_network_set_weights_f64(network, 0, w, c.c_size_t(8), c.c_size_t(12), c.c_size_t(12))
    assert status == SHAPE, status
    assert lib.falign_last_error() == b"W[0] is 12 x 8, got 8 x 12", lib.falign_last_error()

    def failing(*_):
        lib.falign_set_last_error(b"no feedback today")
        return SHAPE

    signal = SIGNAL(failing)
    table = RuleTable(size=c.sizeof(RuleTable), name=b"failing", feedback=LAYER_FEEDBACK, signal_f64=signal)
    rule = create(lib.falign_rule_create_custom, c.byref(table), None, network)
    try:
        train(network, rule, 1)
    except RuntimeError as error:
        assert "no feedback today" in str(error) and "failing" in str(error), error
    else:
        raise AssertionError("the rule's failure was lost")


tests = [test_training, test_a_rule_of_ones_own, test_errors]
failed = 0
for test in tests:
    try:
        test()
    except (AssertionError, RuntimeError) as error:
        failed += 1
        print(f"{test.__name__}: {error}", file=sys.stderr)
print(f"{len(tests) - failed} passed, {failed} failed")
sys.exit(1 if failed else 0)
