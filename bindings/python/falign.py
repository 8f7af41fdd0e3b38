# SPDX-License-Identifier: Apache-2.0
"""libfalign from Python: training by BP, FA and DFA, and why weights align.

Needs the standard library alone; with NumPy, matrices are NumPy arrays, else falign.Matrix. What the library lends
(weights, feedback, traces) is viewed without copying. The words, shapes and equations are those of docs/concepts.md.

The library is found by the environment variable FALIGN_LIBRARY, beside this file, or where the system has libraries.
"""

import builtins
import collections
import ctypes as c
import ctypes.util
import enum
import itertools
import operator
import os
import re
import signal
import threading
import types
import weakref
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

try:
    import numpy as _np
except ImportError:
    _np = None  # type: ignore[assignment]

VERSION = (0, 1)
ABI = 0  # the number in the shared library's name

# name, then the kinds of the result and of each argument: v void, i int32, I uint32, l int64, L uint64, z size_t,
# f float, d double, c const char *, <noun> a reference to an object, p any other pointer
PROTOTYPES: Dict[str, str] = dict(("falign_" + line.split()[0], line.split()[1]) for line in """
activation_find ic
activation_name ci
angle_f32 ipzzzpzippp
angle_f64 ipzzzpzippp
backend_count z
backend_create ippp
backend_destroy v<backend>
backend_detail c<backend>
backend_find icp
backend_gemm_f32 i<backend>iizzzfpzpzfpz
backend_gemm_f64 i<backend>iizzzdpzpzdpz
backend_name c<backend>
backend_name_at cz
backend_own_threads i<backend>
batches_code <code><batches>
batches_count L<batches>
batches_create i<dataset><code>zp
batches_destroy v<batches>
batches_export i<batches>L<tensors>
batches_get_f32 i<batches>Lpzzzpzzz
batches_get_f64 i<batches>Lpzzzpzzz
batches_import i<batches>L<tensors>
batches_input_width z<batches>
batches_points z<batches>
batches_points_of i<batches>Lppz
batches_rows z<batches>L
batches_set_order i<batches>iLI
batches_set_smoothing i<batches>d
batches_shuffle_labels i<batches>dLI
batches_size z<batches>
batches_target_width z<batches>
code_categories I<code>
code_create ipzzzp
code_create_n_hot iIzzLIp
code_decode_f32 i<code>pzzzp
code_decode_f64 i<code>pzzzp
code_destroy v<code>
code_export i<code>i<tensors>
code_import i<tensors>p
code_row p<code>I
code_width z<code>
components_count z<components>
components_create i<trajectory>zp
components_destroy v<components>
components_direction p<components>z
components_explained d<components>z
components_loss_grid i<components>zz<network><batches>pzpzIppp
components_mean p<components>
components_point i<components>pzpz
components_project i<components>pzpz
components_project_direction i<components>pzpz
components_project_feedback i<components><network><rule>pz
components_project_network i<components><network>pz
components_variance d<components>z
dataset_categories I<dataset>
dataset_create_f32 ipzzzpIp
dataset_create_f64 ipzzzpIp
dataset_create_regression_f32 ipzzzpzzp
dataset_create_regression_f64 ipzzzpzzp
dataset_create_synthetic izzIddiLp
dataset_destroy v<dataset>
dataset_fingerprint L<dataset>
dataset_get_f32 i<dataset>zzpzz
dataset_get_f64 i<dataset>zzpzz
dataset_labels p<dataset>
dataset_points z<dataset>
dataset_read_idx icczIp
dataset_read_mnist icizp
dataset_target_width z<dataset>
dataset_width z<dataset>
decomposition_create i<rule>p
decomposition_destroy v<decomposition>
decomposition_get i<decomposition>iIpzzz
decomposition_share d<decomposition>I
disturbance_angle i<disturbance>Ip
disturbance_create_feedback i<history><rule><rule>p
disturbance_create_linear i<history><rule>p
disturbance_create_none i<history><rule>p
disturbance_create_rows i<history><rule>LIp
disturbance_destroy v<disturbance>
disturbance_get_weights i<disturbance>Ipzzz
disturbance_name c<disturbance>
disturbance_orders i<disturbance><trace>Ipzp
disturbance_set_threads i<disturbance>I
disturbance_update i<disturbance><trace>
ensemble_run iIIpp
ensemble_train ippzLI
feature_at cz
frobenius_f32 dpzzz
frobenius_f64 dpzzz
has_feature ic
history_bytes i<history>Lp
history_clear v<history>
history_create i<network>p
history_destroy v<history>
history_get i<history>LiIpzzz
history_keep i<history>i
history_range i<history>pp
history_set_limit i<history>Lc
history_set_window i<history>L
history_used i<history>pp
last_error c
metric_count z
metric_create icp
metric_create_autocorrelation ipzLp
metric_create_custom ippp
metric_create_disturbance i<disturbance>Lp
metric_create_similarity i<batches>LLp
metric_create_terms ipzp
metric_create_test_error i<batches>p
metric_description_at cz
metric_destroy v<metric>
metric_name c<metric>
metric_name_at cz
metric_needs i<metric>
network_activation i<network>I
network_bias_f32 p<network>I
network_bias_f64 p<network>I
network_create iiIpip
network_destroy v<network>
network_draw i<network>ddLI
network_export i<network><tensors>
network_get_bias_f32 i<network>Ipz
network_get_bias_f64 i<network>Ipz
network_get_weights_f32 i<network>Ipzzz
network_get_weights_f64 i<network>Ipzzz
network_has_biases i<network>
network_import i<network><tensors>
network_layers I<network>
network_parameters z<network>
network_precision i<network>
network_set_activation i<network>Ii
network_set_bias_f32 i<network>Ipz
network_set_bias_f64 i<network>Ipz
network_set_custom_activation i<network>Ippp
network_set_weights_f32 i<network>Ipzzz
network_set_weights_f64 i<network>Ipzzz
network_view_bias_f32 p<network>I
network_view_bias_f64 p<network>I
network_view_weights_f32 p<network>I
network_view_weights_f64 p<network>I
network_weights_f32 p<network>I
network_weights_f64 p<network>I
network_width z<network>I
norm_apply i<norm><network><rule>
norm_create_columns ipzp
norm_create_custom ippp
norm_create_matrices ipzp
norm_create_none ip
norm_destroy v<norm>
norm_match_feedback i<norm>i
norm_name c<norm>
product_angle_create izzzLIp
product_angle_destroy v<product_angle>
product_angle_draw i<product_angle>zpppp
rng_below L<rng>L
rng_block v<rng>p
rng_create iLIIIp
rng_destroy v<rng>
rng_normal_f32 v<rng>dpz
rng_normal_f64 v<rng>dpz
rng_permutation v<rng>pI
rng_position L<rng>
rng_seek v<rng>L
rng_uniform d<rng>
row_norms_f32 ipzzzp
row_norms_f64 ipzzzp
rule_create_bp i<network>p
rule_create_custom ipp<network>p
rule_create_dfa i<network>p
rule_create_fa i<network>p
rule_create_named ic<network>p
rule_destroy v<rule>
rule_draw i<rule>dLI
rule_export i<rule><tensors>
rule_feedback i<rule>
rule_feedback_f32 p<rule>I
rule_feedback_f64 p<rule>I
rule_get_feedback_f32 i<rule>Ipzzz
rule_get_feedback_f64 i<rule>Ipzzz
rule_import i<rule><tensors>
rule_name c<rule>
rule_normalize_columns i<rule>d
rule_set_feedback_f32 i<rule>Ipzzz
rule_set_feedback_f64 i<rule>Ipzzz
rule_view_feedback_f32 p<rule>I
rule_view_feedback_f64 p<rule>I
set_last_error vc
similarity_classify i<similarity>ipzd
similarity_create iizzIp
similarity_destroy v<similarity>
similarity_histogram i<similarity>iddzIp
similarity_matrix_f32 ipzzpzzzp
similarity_matrix_f64 ipzzpzzzp
similarity_set_side_f32 i<similarity>ipzpzpz
similarity_set_side_f64 i<similarity>ipzpzpz
similarity_sums i<similarity>ipppp
status_name ci
table_add i<table>ldllcd
table_append i<table><table>
table_create iicp
table_destroy v<table>
table_export i<table><tensors>
table_import i<table><tensors>
table_row i<table>zpppppppp
table_rows z<table>
table_set_condition i<table>c
table_set_run v<table>l
table_write i<table>c
table_write_descriptor i<table>i
table_write_summary i<table>c
tensors_add i<tensors>cipzp
tensors_count z<tensors>
tensors_create ip
tensors_destroy v<tensors>
tensors_has i<tensors>c
tensors_name_at c<tensors>z
tensors_note c<tensors>c
tensors_read icp
tensors_read_f32 i<tensors>cpzp
tensors_read_f64 i<tensors>cpzp
tensors_set_note i<tensors>cc
tensors_view i<tensors>cpppp
tensors_write i<tensors>c
terms_compare i<terms><trace>Ipppp
terms_create i<history><rule>p
terms_destroy v<terms>
terms_linear i<terms><trace>Ipzp
terms_linear_diagonal i<terms><trace>Ipzp
terms_linear_sum i<terms><trace>Ipzp
terms_orders i<terms><trace>IIpzp
terms_remainder i<terms><trace>IIp
terms_set_threads i<terms>I
terms_simplified i<terms><trace>Ipzp
terms_sum i<terms><trace>IIpzp
terms_zero i<terms><trace>ILp
trace_backend <backend><trace>
trace_eta d<trace>
trace_first_row z<trace>
trace_iteration L<trace>
trace_loss d<trace>
trace_precision i<trace>
trace_rows z<trace>
trace_view_f32 i<trace>iIpppp
trace_view_f64 i<trace>iIpppp
trainer_backend <backend><trainer>
trainer_cancel v<trainer>
trainer_create i<network><rule>dp
trainer_destroy v<trainer>
trainer_eta d<trainer>
trainer_evaluate i<trainer><batches>pp
trainer_export i<trainer><tensors>
trainer_forward_f32 i<trainer>pzzzpzz
trainer_forward_f64 i<trainer>pzzzpzz
trainer_history <history><trainer>
trainer_import i<trainer><tensors>
trainer_impose_f32 i<trainer>pzzzpzz
trainer_impose_f64 i<trainer>pzzzpzz
trainer_iteration L<trainer>
trainer_keep i<trainer>i
trainer_measure i<trainer>
trainer_network <network><trainer>
trainer_observe i<trainer><metric>Lpp
trainer_observe_at i<trainer><metric>pzpp
trainer_rule <rule><trainer>
trainer_run i<trainer><batches>L
trainer_set_backend i<trainer><backend>
trainer_set_eta i<trainer>d
trainer_set_history i<trainer><history>
trainer_set_norm i<trainer><norm>
trainer_set_progress v<trainer>pp
trainer_set_threads i<trainer>I
trainer_start_norm d<trainer>I
trainer_step_f32 i<trainer>pzzzpzz
trainer_step_f64 i<trainer>pzzzpzz
trainer_threads I<trainer>
trainer_trace <trace><trainer>
trajectory_add_f32 i<trajectory>pz
trajectory_add_f64 i<trajectory>pz
trajectory_add_network i<trajectory><network>
trajectory_create iizp
trajectory_destroy v<trajectory>
trajectory_get i<trajectory>zpz
trajectory_numbers z<trajectory>
trajectory_points z<trajectory>
transformation_apply i<transformation>ipzzzpp
transformation_create i<history>LLIp
transformation_create_of ipzzp
transformation_destroy v<transformation>
transformation_eigenvalues i<transformation>pz
transformation_get i<transformation>ipzzz
transformation_size z<transformation>
transformation_skew_ratio i<transformation>pzzzp
transformation_trace d<transformation>
version c
version_number i
""".strip().splitlines())

_KINDS: Dict[str, Any] = {"v": None, "i": c.c_int32, "I": c.c_uint32, "l": c.c_int64, "L": c.c_uint64, "z": c.c_size_t,
                          "f": c.c_float, "d": c.c_double, "c": c.c_char_p, "p": c.c_void_p}


def _load() -> c.CDLL:
    tried: List[str] = []
    soname = "libfalign.so.%d" % ABI
    beside = os.path.dirname(os.path.abspath(__file__))
    chosen = os.environ.get("FALIGN_LIBRARY")
    if chosen:
        names: List[Optional[str]] = [chosen]
    else:
        names = [os.path.join(beside, name) for name in (soname, "libfalign.so", "libfalign.dylib")]
        names = [name for name in names if name and os.path.exists(name)]
        names += [ctypes.util.find_library("falign"), soname]
    for name in filter(None, names):
        try:
            return c.CDLL(name)
        except OSError as error:
            tried.append("%s (%s)" % (name, error))
    raise ImportError("libfalign was not found; tried " + "; ".join(tried) + ". Name it in FALIGN_LIBRARY.")


class _Ranged:
    """An integer argument: ctypes alone would cut those that are too large or negative."""

    def __init__(self, kind: Any):
        size, signed = 8 * c.sizeof(kind), kind(-1).value < 0
        self._kind, self._from, self._end = kind, -(1 << size - 1) if signed else 0, 1 << size - signed

    def from_param(self, value: Any) -> Any:
        value = value.value if isinstance(value, c._SimpleCData) else value
        try:
            number = operator.index(value)
        except TypeError:
            expected = "neither an integer nor a member of an enum, such as Precision.F32"
            raise TypeError("%r is %s" % (value, expected)) from None
        if not self._from <= number < self._end:
            raise OverflowError("%d is not within %d to %d" % (number, self._from, self._end - 1))
        return self._kind(number)


class _Text:
    """Bytes without a NUL, at which C would cut them."""

    @staticmethod
    def from_param(value: Optional[bytes]) -> Any:
        if value is not None and not isinstance(value, bytes):
            raise TypeError("%r is no text" % (value,))
        if value is not None and b"\0" in value:
            raise ValueError("%r has a NUL" % value)
        return c.c_char_p(value)


class _Pointer:
    """An array or a function: ctypes alone would take an integer or a text for an address."""

    @staticmethod
    def from_param(value: Any) -> Any:
        if isinstance(value, (int, str, bytes)):
            raise TypeError("%r is no array, function or object" % (value,))
        return c.c_void_p.from_param(value)


class _Reference:
    """An object of this kind, or None where the library takes that."""

    def __init__(self, noun: str):
        self._noun = noun

    def from_param(self, value: Any) -> Any:
        if value is None or isinstance(value, c.c_void_p):
            return value
        if getattr(value, "_noun", None) != self._noun:
            raise TypeError("got %r where a falign_%s belongs" % (value, self._noun))
        return value._as_parameter_


def _prototype(codes: str) -> Tuple[Any, List[Any]]:
    """The result's type of ctypes and those of the arguments."""
    kinds = re.findall(r"<(\w+)>|(\w)", codes)
    arguments = {"c": _Text, "p": _Pointer}
    arguments.update((k, _Ranged(_KINDS[k])) for k in "iIlLz")
    return (_KINDS[kinds[0][1] or "p"],
            [_Reference(noun) if noun else arguments.get(kind, _KINDS[kind]) for noun, kind in kinds[1:]])


_lib = _load()
for _name, _codes in PROTOTYPES.items():
    try:
        _function = getattr(_lib, _name)
    except AttributeError:
        raise ImportError("%s has no %s" % (_lib._name, _name)) from None
    _function.restype, _function.argtypes = _prototype(_codes)

__version__ = _lib.falign_version().decode()
if tuple(int(n) for n in __version__.split(".")[:2])[:1 if VERSION[0] else 2] != VERSION[:1 if VERSION[0] else 2]:
    raise ImportError("%s has version %s, this module needs %d.%d" % (_lib._name, __version__, *VERSION))


def version_number() -> int:
    """The library's version as one number to compare: 1002003 for 1.2.3."""
    return int(_lib.falign_version_number())


def features() -> List[str]:
    """The optional parts in this build, such as "cblas", "lapack", "files" or "threads"."""
    return [name.decode() for name in itertools.takewhile(bool, map(_lib.falign_feature_at, itertools.count()))]


def has_feature(name: str) -> bool:
    return bool(_lib.falign_has_feature(name.encode()))


# ---- Enums: the names and numbers of the headers, without FALIGN_ ----

class Status(enum.IntEnum):
    OK, INVALID, SHAPE, MEMORY, IO, FORMAT, DIVERGED, UNSUPPORTED, CANCELLED, CALLBACK = range(10)


class Precision(enum.IntEnum):
    F32, F64 = 1, 2


class Activation(enum.IntEnum):
    TANH_RELU, RELU, TANH, LOGISTIC, LINEAR, CUSTOM = range(1, 7)


class Feedback(enum.IntEnum):
    FEEDBACK_NONE, FEEDBACK_LAYER, FEEDBACK_DIRECT = range(3)


class Quantity(enum.IntEnum):
    L, Z, DELTA, TARGET, DW, DB, DELTA_BP, DW_BP, DB_BP = range(1, 10)


class Needs(enum.IntFlag):
    NEEDS_STEP, NEEDS_ACTIVITY, NEEDS_BP = 1, 2, 4


class Part(enum.IntEnum):
    TRAIN, TEST = 1, 2


class Order(enum.IntEnum):
    ORDER_NONE, ORDER_ONCE, ORDER_EPOCH = range(3)


class Dtype(enum.IntEnum):
    DTYPE_F32, DTYPE_F64, DTYPE_I64, DTYPE_U8 = range(1, 5)


class Factor(enum.IntEnum):
    FACTOR_Q, FACTOR_F_HAT, FACTOR_F_PERP = 1, 2, 3


class Record(enum.IntEnum):
    RECORD_W, RECORD_BIAS, RECORD_DW, RECORD_C, RECORD_DIRECT = range(1, 6)


class Keep(enum.IntFlag):
    KEEP_C, KEEP_DIRECT = 1, 2


class Purpose(enum.IntEnum):
    RNG_W, RNG_BIAS, RNG_B, RNG_F, RNG_CODE, RNG_ORDER, RNG_LABELS, RNG_SYNTHETIC, RNG_SIGNAL, RNG_PRODUCT, RNG_ROWS = \
        range(1, 12)
    RNG_USER = 128


class Side(enum.IntEnum):
    SIDE_PAST, SIDE_PRESENT = 0, 1


class Pairs(enum.IntEnum):
    PAIRS_WITHIN, PAIRS_BETWEEN, PAIRS_WITHIN_WELL, PAIRS_WITHIN_POOR, PAIRS_BETWEEN_WELL, PAIRS_BETWEEN_POOR = \
        range(1, 7)


class SimilarityOf(enum.IntEnum):
    SIMILARITY_L, SIMILARITY_DELTA = 1, 2


class PartOfM(enum.IntEnum):
    M_ALL, M_SYMMETRIC, M_SKEW = 1, 2, 3


def find_activation(name: str) -> Activation:
    """The activation of a name such as "tanh-relu"."""
    found = _lib.falign_activation_find(name.encode())
    if not found:
        raise UnsupportedError("there is no activation %r" % name)
    return Activation(found)


def activation_name(activation: Activation) -> str:
    return _text(_run("activation_name", activation))


# ---- Errors ----

class Error(Exception):
    """A call failed: `status`, and the library's message."""
    status = Status.INVALID


class InvalidError(Error, ValueError):
    status = Status.INVALID


class ShapeError(Error, ValueError):
    status = Status.SHAPE


class OutOfMemoryError(Error, MemoryError):
    status = Status.MEMORY


class FileError(Error, OSError):
    status = Status.IO


class FormatError(Error, ValueError):
    status = Status.FORMAT


class DivergedError(Error, ArithmeticError):
    status = Status.DIVERGED


class UnsupportedError(Error):
    status = Status.UNSUPPORTED


class CancelledError(Error):
    status = Status.CANCELLED


class CallbackError(Error):
    status = Status.CALLBACK


_ERRORS: Dict[int, Any] = {
    e.status: e for e in (InvalidError, ShapeError, OutOfMemoryError, FileError, FormatError, DivergedError,
                          UnsupportedError, CancelledError, CallbackError)}

class _Raised(NamedTuple):
    """What a callback raised, on its way to the call that ran it."""
    time: int  # in the order of all calls and exceptions: a call takes none that is older than itself
    text: Optional[bytes]  # what the library was told; None where the callback has no status to return
    error: BaseException


class _Calls(threading.local):
    """The calls under way on a thread, the innermost last: what callbacks on it have raised within each."""

    def __init__(self) -> None:
        self.stack: List[List[_Raised]] = []


_calls = _Calls()
_elsewhere: "collections.deque[_Raised]" = collections.deque(maxlen=256)  # on threads of the library's
_lock = threading.Lock()
_time = itertools.count()


def _told(error: BaseException) -> bytes:
    """What the library is told of an exception, in the form in which its message ends."""
    try:
        text = "%s: %s" % (type(error).__name__, error)
    except Exception:  # noqa: B902, of its __str__
        text = type(error).__name__
    whole = text.encode("utf-8", "replace").replace(b"\0", b" ")[:500]
    return whole.decode("utf-8", "ignore").encode("utf-8")


def _keep_exception(error: BaseException, says: bool = True) -> int:
    """Keeps what a callback raised for the call that ran it."""
    text = _told(error)
    if says:
        _lib.falign_set_last_error(text)
    raised = _Raised(next(_time), text if says else None, error)
    if _calls.stack:
        _calls.stack[-1].append(raised)
    else:
        with _lock:
            _elsewhere.append(raised)
    return error.status if isinstance(error, Error) else Status.CALLBACK


def _ends(message: bytes, text: bytes) -> bool:
    return message.endswith(text) or len(message) > 1000 and text[:100] in message  # the library cuts at 1023


def _find(raised: Sequence[_Raised], status: int, message: bytes) -> List[_Raised]:
    """Where a call of this outcome comes from: the last that the message ends with, or those that could not say."""
    said = [e for e in raised if status and e.text is not None and _ends(message, e.text)]
    return said[-1:] or [e for e in raised if e.text is None]


def _check(status: int, within: Sequence[_Raised], since: int) -> None:
    """Raises what a call failed with; `within` it, on its own thread, exceptions have been raised. Those of other
    threads are known by their time and text alone."""
    if status == Status.OK and not within and not _elsewhere:
        return
    message = _lib.falign_last_error() if status else b""
    found = _find(within, status, message)
    if not found:
        with _lock:
            found = _find([e for e in _elsewhere if e.time >= since], status, message)
            for taken in found:
                _elsewhere.remove(taken)
    failed = _error(status, message) if status else Error("a callback failed")
    if found:
        raise found[0].error from failed
    if status:
        raise failed


def _error(status: int, message: bytes) -> Error:
    return _ERRORS.get(status, Error)(message.decode("utf-8", "replace"))


def _run(name: str, *arguments: Any) -> Any:
    try:
        return getattr(_lib, "falign_" + name)(*arguments)
    except c.ArgumentError as error:
        wrapped = re.search(r"\b(OverflowError|TypeError|ValueError)(?:'>)?: (.*)", str(error), re.S)
        if not wrapped:
            raise
        kind = getattr(builtins, wrapped.group(1))
        raise kind("falign_%s: %s" % (name, wrapped.group(2))) from None


_interrupted: List[bool] = []  # Ctrl-C, until the next callback on the main thread or the end of the call


def _on_interrupt(_number: int, frame: Any) -> None:
    """Raises where the user's code runs, within which a thunk is ready for it; elsewhere ctypes would drop it."""
    if frame is not None and frame.f_code.co_filename != _on_interrupt.__code__.co_filename:
        raise KeyboardInterrupt
    _interrupted.append(True)


def _raise_interrupt() -> None:
    if _interrupted and threading.current_thread() is threading.main_thread():
        _interrupted.clear()
        raise KeyboardInterrupt


def _hears_interrupts() -> bool:
    """Whether Ctrl-C is Python's own and comes in the outermost call on the main thread."""
    return (not _calls.stack and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler)


def _end_hearing() -> None:
    if signal.getsignal(signal.SIGINT) is _on_interrupt:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _raise_interrupt()


def _checked(function: Callable[..., int], *arguments: Any) -> None:
    """Calls a function that returns a status, and raises what it failed with."""
    within: List[_Raised] = []
    since = next(_time)
    hears = _hears_interrupts()
    if hears:
        signal.signal(signal.SIGINT, _on_interrupt)
    _calls.stack.append(within)
    try:
        status = function(*arguments)
    finally:
        _calls.stack.pop()
        if hears:
            _end_hearing()
    _check(status, within, since)


def _call(name: str, *arguments: Any) -> None:
    _checked(_run, name, *arguments)


def _text(value: Optional[bytes]) -> str:
    return value.decode() if value is not None else ""


def _path(value: Any) -> bytes:
    return os.fsencode(value)


# ---- Arrays ----

_REALS = {Precision.F32: c.c_float, Precision.F64: c.c_double}
_SUFFIX = {Precision.F32: "_f32", Precision.F64: "_f64"}


class Matrix:
    """What stands in for a NumPy array where there is no NumPy: m[i][j], m[i, j], len(m), m.shape, m.tolist()."""

    def __init__(self, storage: Any, shape: Tuple[int, ...], stride: int, offset: int = 0, writable: bool = True):
        self._storage, self.shape, self._stride, self._offset, self._writable = storage, shape, stride, offset, writable

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        size = c.sizeof(self._storage._type_)
        kind = {c.c_float: "<f4", c.c_double: "<f8", c.c_uint32: "<u4", c.c_uint64: "<u8", c.c_int64: "<i8",
                c.c_uint8: "|u1"}[self._storage._type_]
        strides = (self._stride * size, size) if len(self.shape) == 2 else (size,)
        return {"version": 3, "shape": self.shape, "typestr": kind, "strides": strides,
                "data": (c.addressof(self._storage) + self._offset * size, not self._writable)}

    def __len__(self) -> int:
        return self.shape[0]

    def _at(self, i: int, n: int) -> int:
        if not -n <= i < n:
            raise IndexError("%d is not within %d" % (i, n))
        return i % n

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, tuple):
            return self[at[0]][at[1]]
        i = self._at(at, self.shape[0])
        if len(self.shape) == 2:
            return Matrix(self._storage, self.shape[1:], 1, self._offset + i * self._stride, self._writable)
        return self._storage[self._offset + i]

    def __setitem__(self, at: Any, value: float) -> None:
        if not self._writable:
            raise ValueError("the matrix is read-only")
        if isinstance(at, tuple):
            self[at[0]][at[1]] = value
            return
        if len(self.shape) != 1:
            raise TypeError("assign numbers, not rows")
        self._storage[self._offset + self._at(at, self.shape[0])] = value

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def tolist(self) -> List[Any]:
        return [row.tolist() for row in self] if len(self.shape) == 2 else list(self)

    def __repr__(self) -> str:
        return "Matrix(%r)" % (self.tolist(),)


def _view(address: Optional[int], kind: Any, shape: Tuple[int, ...], owner: Any, stride: Optional[int] = None,
          writable: bool = True) -> Any:
    """An array over the library's storage, which keeps `owner` alive."""
    cols = shape[-1]
    stride = cols if stride is None else stride
    count = (shape[0] - 1) * stride + cols if len(shape) == 2 and shape[0] else cols
    storage = (kind * count).from_address(address) if address is not None else (kind * count)()
    storage._owner = owner
    if isinstance(owner, _Object):
        for holder in [owner] + [kept for kept in owner._kept if isinstance(kept, _Object)]:
            holder._views[id(storage)] = storage
    if _np is None:
        return Matrix(storage, shape, stride, writable=writable)
    array = _np.frombuffer(storage, dtype=kind)
    if len(shape) == 2:
        size = c.sizeof(kind)
        array = _np.lib.stride_tricks.as_strided(array, shape, (stride * size, size))
    if not writable:
        array.flags.writeable = False
    return array


def _new(kind: Any, *shape: int) -> Tuple[Any, Any]:
    """An array of Python's own, and its storage."""
    count = 1
    for n in shape:
        count *= n
    storage = (kind * count)()
    if _np is not None:
        return _np.frombuffer(storage, dtype=kind).reshape(shape) if count else _np.empty(shape, kind), storage
    return Matrix(storage, shape, shape[-1]), storage


class _Given:
    """An array that is given to the library: address, rows, cols and stride, copied only where it has to be."""

    def __init__(self, data: Any, rank: int, precision: Optional[Precision] = None):
        self.precision = precision or Precision.F64
        if not self._borrow(data, rank, precision):
            self._copy(data, rank)

    def _borrow(self, data: Any, rank: int, precision: Optional[Precision]) -> bool:
        interface = getattr(data, "__array_interface__", None)
        if interface is None:
            try:
                view = memoryview(data)
            except TypeError:
                return False
            if view.format.lstrip("@=<") not in ("f", "d"):
                return False
            kind, shape, strides = view.format.lstrip("@=<"), view.shape or (), view.strides or ()
            if view.readonly or not view.c_contiguous or 0 in shape:
                return False
            self._keep: Any = (c.c_char * view.nbytes).from_buffer(view)
            address = c.addressof(self._keep)
        else:
            kind = {"<f4": "f", "<f8": "d"}.get(interface["typestr"], "")
            if not isinstance(interface.get("data"), tuple):
                return False
            shape, address = interface["shape"], interface["data"][0]
            strides = interface.get("strides") or tuple(
                int(interface["typestr"][2:]) * (shape[1] if len(shape) == 2 and i == 0 else 1)
                for i in range(len(shape)))
            self._keep = data
        found = {"f": Precision.F32, "d": Precision.F64}.get(kind)
        if len(shape) != rank:
            raise ShapeError("wanted %d dimensions, got the shape %s" % (rank, tuple(shape)))
        size = 4 if found == Precision.F32 else 8
        if found is None or (precision and found != precision) or (shape[-1] > 1 and strides[-1] != size):
            return False
        self.rows, self.cols = (shape[0], shape[1]) if rank == 2 else (1, shape[0])
        self.stride = self.cols
        if rank == 2 and self.rows > 1:
            if strides[0] % size or strides[0] < self.cols * size:
                return False
            self.stride = strides[0] // size
        self.precision, self._as_parameter_ = found, address
        return True

    def _copy(self, data: Any, rank: int) -> None:
        rows = data.tolist() if hasattr(data, "tolist") else data
        if rank == 1:
            rows = [rows]
        if not all(hasattr(row, "__iter__") for row in rows):
            raise ShapeError("wanted %d dimensions, got %s" % (rank, "a list of numbers" if rank == 2 else "a number"))
        rows = [list(row.tolist() if hasattr(row, "tolist") else row) for row in rows]
        self.rows, self.cols = len(rows), len(rows[0]) if rows else 0
        self.stride = self.cols
        for i, row in enumerate(rows):
            if len(row) != self.cols:
                raise ShapeError("row %d has %d numbers, row 0 has %d" % (i, len(row), self.cols))
        numbers = itertools.chain.from_iterable(rows)
        self._keep = (_REALS[self.precision] * max(1, self.rows * self.cols))(*numbers)
        self._as_parameter_ = c.addressof(self._keep)

    @property
    def matrix(self) -> Tuple[Any, int, int, int]:
        return self, self.rows, self.cols, self.stride

    @property
    def suffix(self) -> str:
        return _SUFFIX[self.precision]


def _integers(kind: Any, values: Optional[Sequence[int]]) -> Tuple[Any, int]:
    if values is None:
        return None, 0
    numbers = [operator.index(v) for v in values]
    limit = 1 << (8 * c.sizeof(kind))
    for n in numbers:
        if not 0 <= n < limit:
            raise InvalidError("%d is not within 0 to %d" % (n, limit - 1))
    return (kind * max(1, len(numbers)))(*numbers), len(numbers)


def _doubles(values: Any) -> Tuple[Any, int]:
    several = hasattr(values, "__iter__") and getattr(values, "shape", None) != ()
    numbers = [float(v) for v in values] if several else [float(values)]
    return (c.c_double * max(1, len(numbers)))(*numbers), len(numbers)


# ---- Objects ----

class _Object:
    """Owns a reference to an object of the library: given back by close(), `with`, or garbage collection."""
    _noun = ""
    _handle: Optional[int] = None
    _owned = False

    def __init__(self, handle: Optional[int], owned: bool = True, *keep: Any):
        self._handle, self._owned, self._kept = handle, owned, list(keep)
        self._views: "weakref.WeakValueDictionary[int, Any]" = weakref.WeakValueDictionary()

    @classmethod
    def _made(cls, function: str, *arguments: Any, keep: Sequence[Any] = ()) -> Any:
        self = cls.__new__(cls)
        self._make(function, *arguments, keep=keep)
        return self

    def _make(self, function: str, *arguments: Any, keep: Sequence[Any] = ()) -> None:
        out = c.c_void_p()
        _call(function, *arguments, c.byref(out))
        _Object.__init__(self, out.value, True, *keep)

    @property
    def _as_parameter_(self) -> c.c_void_p:
        if self._handle is None:
            raise ValueError("this %s is closed" % type(self).__name__)
        return c.c_void_p(self._handle)

    def _do(self, name: str, *arguments: Any) -> None:
        _call(self._noun + "_" + name, self, *arguments)

    def _get(self, name: str, *arguments: Any) -> Any:
        return _run(self._noun + "_" + name, self, *arguments)

    def close(self) -> None:
        """Gives the reference back, at once or, where views of it are still in use, when the last of them is gone."""
        if self._handle is not None and self._views:
            self._release_after_views()
        handle, self._handle = self._handle, None
        if handle is not None and self._owned:
            getattr(_lib, "falign_%s_destroy" % self._noun)(c.c_void_p(handle))

    def _release_after_views(self) -> None:
        """Hands the reference to an object that the views keep alive in this one's place."""
        heir = _Object(self._handle, self._owned, *self._kept)
        heir._noun = self._noun
        for storage in self._views.values():
            storage._owner = (storage._owner, heir)
        self._views, self._owned = weakref.WeakValueDictionary(), False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except (AttributeError, TypeError):  # the interpreter ends
            pass


_live: Dict[int, Any] = {}  # what tables of functions use, until the library calls their `destroy`
_numbers = itertools.count(1)
_DESTROY = c.CFUNCTYPE(None, c.c_void_p)
_released = _DESTROY(lambda user: _live.pop(user, None) and None)


def _table_class(fields: str) -> Any:
    kinds = {"z": c.c_size_t, "i": c.c_int32, "p": c.c_void_p, "c": c.c_char_p}
    return type("Table", (c.Structure,), {"_fields_": [(f.split(":")[0], kinds[f.split(":")[1]])
                                                       for f in fields.split()]})


TABLES: Dict[str, Any] = {
    "falign_rule_table": _table_class("size:z name:c feedback:i concurrent:i signal_f32:p signal_f64:p adapt:p "
                                      "needs_activity:i save:p load:p destroy:p"),
    "falign_norm_table": _table_class("size:z name:c apply:p destroy:p"),
    "falign_metric_table": _table_class("size:z name:c needs:i measure:p destroy:p"),
    "falign_backend_table": _table_class("size:z name:c sgemm:p dgemm:p destroy:p")}


def _thunk(codes: str, function: Callable[..., Any], failed: Optional[int] = None) -> Any:
    """A C function of a Python one. Its result is a status, or with `failed` that number where it raised."""
    def guarded(*arguments: Any) -> Any:
        try:
            if codes[0] != "v":  # which has to write first, as it cannot say that it has not
                _raise_interrupt()
            result = function(*arguments)
            if result is not None and type(result) not in (int, Status):
                raise TypeError("a callback returns None or a Status, not %s" % type(result).__name__)
            return (Status.OK if result is None else int(result)) if codes[0] != "v" else None
        except BaseException as error:  # noqa: B902, it goes on in the call that ran this
            status = _keep_exception(error, says=failed is None)
            return None if codes[0] == "v" else (status if failed is None else failed)
    return c.CFUNCTYPE(_KINDS[codes[0]], *[_KINDS[k] for k in codes[1:]])(guarded)


def _custom(made: Any, table_name: str, create: str, name: str, entries: Dict[str, Any], *after: Any) -> None:
    table = TABLES[table_name](size=c.sizeof(TABLES[table_name]), name=_Text.from_param(name.encode()))
    for entry, value in entries.items():
        if value is not None:
            setattr(table, entry, c.cast(value, c.c_void_p) if not isinstance(value, int) else value)
    table.destroy = c.cast(_released, c.c_void_p)
    user = next(_numbers)
    _live[user] = entries
    try:
        made._make(create, c.byref(table), c.c_void_p(user), *after)
    except BaseException:
        _live.pop(user, None)
        raise


def _unowned(own: Any, name: str) -> Any:
    """A function of a subclass, for the library to hold; one that is bound does not keep `own` alive, which would never
    be collected: Python objects that use it do."""
    method = getattr(own, name, None)
    if not isinstance(method, types.MethodType) or method.__self__ is not own:
        return method
    weak = weakref.WeakMethod(method)

    def call(*arguments: Any) -> Any:
        bound = weak()
        if bound is None:
            raise ReferenceError("the object of %s() is gone" % name)
        return bound(*arguments)
    return call


def _borrow(cls: Any, handle: Optional[int], *keep: Any) -> Any:
    if handle is None:
        return None
    self = cls.__new__(cls)
    _Object.__init__(self, handle, False, *keep)
    return self


class Network(_Object):
    """Widths n[0..d], weights W[l] (n[l] x n[l+1], l = 0..d-1) and biases b[l] (l = 1..d); section 2.1."""
    _noun = "network"

    def __init__(self, widths: Sequence[int], precision: Precision = Precision.F32, biases: bool = True,
                 activation: Optional[Activation] = None):
        values, count = _integers(c.c_size_t, widths)
        self._make("network_create", precision, max(0, count - 1), values, int(biases))
        for l in range(1, count if activation is not None else 0):
            self.set_activation(l, activation)  # type: ignore[arg-type]

    @property
    def precision(self) -> Precision:
        return Precision(self._get("precision"))

    @property
    def layers(self) -> int:
        """d."""
        return int(self._get("layers"))

    @property
    def widths(self) -> Tuple[int, ...]:
        return tuple(self.width(l) for l in range(self.layers + 1))

    def width(self, l: int) -> int:
        """n[l]."""
        return int(self._get("width", l))

    @property
    def has_biases(self) -> bool:
        return bool(self._get("has_biases"))

    @property
    def parameters(self) -> int:
        return int(self._get("parameters"))

    def activation(self, l: int) -> Activation:
        return Activation(self._get("activation", l))

    def set_activation(self, l: int, f: Union[Activation, Callable[[Any], Any]],
                       df: Optional[Callable[[Any], Any]] = None) -> None:
        """A built-in activation, or f and its derivative df: each is given an array of z and returns as many."""
        if isinstance(f, Activation):
            self._do("set_activation", l, f)
            return
        if not callable(f):
            raise TypeError("%r is neither an Activation, such as Activation.TANH, nor a function" % (f,))
        if not self._owned:
            raise UnsupportedError("functions cannot be set through a network that belongs to another object")
        thunks = [self._map(g) for g in (f, df)] if df is not None else [self._map(f), None]
        self._kept.append(thunks)
        self._do("set_custom_activation", l, thunks[0], thunks[1], None)

    @staticmethod
    def _map(function: Callable[[Any], Any]) -> Any:
        def run(_user: Any, z: int, out: int, count: int) -> None:
            to = (c.c_double * count).from_address(out)
            to[:] = [float("nan")] * count  # what remains where the function raises
            _raise_interrupt()
            to[:] = [float(y) for y in function(_view(z, c.c_double, (count,), None, writable=False))]
        return _thunk("vpppz", run, 0)

    def draw(self, sd_w: float, sd_b: float = 0.0, seed: int = 1, run: int = 0) -> "Network":
        """W from N(0, sd_w), b from N(0, sd_b)."""
        self._do("draw", sd_w, sd_b, seed, run)
        return self

    def _lent(self, what: str, l: int, shape: Tuple[int, ...]) -> Any:
        address = self._get(what + _SUFFIX[self.precision], l)
        if address is None:
            raise InvalidError(_text(_lib.falign_last_error()))
        return _view(address, _REALS[self.precision], shape, self)

    def weights(self, l: int) -> Any:
        """W[l] itself, to read and write."""
        return self._lent("weights", l, (self._get("width", l), self._get("width", l + 1)))

    def bias(self, l: int) -> Any:
        """b[l] itself, to read and write."""
        return self._lent("bias", l, (self._get("width", l),))

    def get_weights(self, l: int) -> Any:
        """A copy of W[l], in double precision."""
        rows, cols = self._get("width", l), self._get("width", l + 1)
        array, storage = _new(c.c_double, rows, cols)
        self._do("get_weights_f64", l, storage, rows, cols, cols)
        return array

    def set_weights(self, l: int, w: Any) -> None:
        given = _Given(w, 2)
        self._do("set_weights" + given.suffix, l, *given.matrix)

    def get_bias(self, l: int) -> Any:
        array, storage = _new(c.c_double, self._get("width", l))
        self._do("get_bias_f64", l, storage, len(storage))
        return array

    def set_bias(self, l: int, b: Any) -> None:
        given = _Given(b, 1)
        self._do("set_bias" + given.suffix, l, given, given.cols)

    def export_to(self, tensors: "Tensors") -> None:
        self._do("export", tensors)

    def import_from(self, tensors: "Tensors") -> None:
        self._do("import", tensors)


class Rule(_Object):
    """How the error travels back: Rule("fa", network), or a subclass with signal(rule, network, trace, l, out).

    A subclass sets `name`, `feedback`, and may have adapt(rule, network, trace), save(tensors) and load(tensors).
    Its signal() is never called from several threads at once: Python's global lock would make them wait anyway."""
    _noun = "rule"
    name = "custom"
    feedback = Feedback.FEEDBACK_NONE
    needs_activity = False
    _shape: Tuple[int, ...] = ()
    _precision = Precision.F64

    def __init__(self, kind: Optional[str], network: Network):
        if not isinstance(network, Network):
            raise TypeError("a rule is made of a name and a Network, got %r and %r" % (kind, network))
        self._widths, self._precision = network.widths, network.precision
        if kind is not None:
            self._make("rule_create_named", kind.encode(), network)
            self.name, self.feedback = kind, Feedback(self._get("feedback"))
            return
        entries = _rule_entries(*(_unowned(self, name) for name in ("signal", "adapt", "save", "load")), self._widths,
                                self._precision)
        entries.update(feedback=int(self.feedback), needs_activity=int(self.needs_activity))
        _custom(self, "falign_rule_table", "rule_create_custom", self.name, entries, network)

    @staticmethod
    def signal(rule: "Rule", network: Network, trace: "Trace", l: int, out: Any) -> None:
        """Writes the signal that reaches layer l, before f', to out (rows x n[l])."""
        raise NotImplementedError("a rule needs signal(rule, network, trace, l, out)")

    def draw(self, sd: float, seed: int = 1, run: int = 0) -> "Rule":
        self._do("draw", sd, seed, run)
        return self

    def normalize_columns(self, gamma: float) -> None:
        self._do("normalize_columns", gamma)

    def _feedback_shape(self, l: int) -> Tuple[int, int]:
        if not 0 < l < len(self._widths) - 1:
            raise InvalidError("there is no feedback matrix %d" % l)
        direct = self._get("feedback") == Feedback.FEEDBACK_DIRECT
        return self._widths[-1] if direct else self._widths[l + 1], self._widths[l]

    def matrix(self, l: int) -> Any:
        """B[l] or F[l] itself, to read and write."""
        address = self._get("feedback" + _SUFFIX[self._precision], l)
        if address is None:
            raise InvalidError(_text(_lib.falign_last_error()))
        return _view(address, _REALS[self._precision], self._feedback_shape(l), self)

    def set_matrix(self, l: int, b: Any) -> None:
        given = _Given(b, 2)
        self._do("set_feedback" + given.suffix, l, *given.matrix)

    def get_matrix(self, l: int) -> Any:
        rows, cols = self._feedback_shape(l)
        array, storage = _new(c.c_double, rows, cols)
        self._do("get_feedback_f64", l, storage, rows, cols, cols)
        return array

    def export_to(self, tensors: "Tensors") -> None:
        self._do("export", tensors)

    def import_from(self, tensors: "Tensors") -> None:
        self._do("import", tensors)


def _borrowed_rule(handle: int, network: Network) -> Rule:
    rule: Rule = _borrow(Rule, handle)
    rule._widths, rule._precision = network.widths, network.precision
    rule.name, rule.feedback = _text(rule._get("name")), Feedback(rule._get("feedback"))
    return rule


def _rule_entries(signal: Any, adapt: Any, save: Any, load: Any, widths: Tuple[int, ...],
                  precision: Precision) -> Dict[str, Any]:
    def run_signal(_user: Any, rule: int, network: int, trace: int, l: int, out: int) -> Any:
        net, seen = _borrow(Network, network), Trace(trace)
        return signal(_borrowed_rule(rule, net), net, seen, l,
                      _view(out, _REALS[precision], (seen.rows, widths[l]), None))

    def run_adapt(_user: Any, rule: int, network: int, trace: int) -> Any:
        net = _borrow(Network, network)
        return adapt(_borrowed_rule(rule, net), net, Trace(trace))
    return {"signal" + _SUFFIX[precision]: _thunk("ippppIp", run_signal),
            "adapt": _thunk("ipppp", run_adapt) if adapt else None,
            "save": _thunk("ipp", lambda _u, t: save(_borrow(Tensors, t))) if save else None,
            "load": _thunk("ipp", lambda _u, t: load(_borrow(Tensors, t))) if load else None}


class Trace(_Object):
    """One step, or a block of its rows: views that are valid until the callback returns or the next step."""
    _noun = "trace"

    def __init__(self, handle: Optional[int], *keep: Any):
        super().__init__(handle, False, *keep)

    def view(self, quantity: Quantity, l: int) -> Any:
        """A quantity of layer l, without copying; read-only."""
        precision = self.precision
        data, rows, cols, stride = c.c_void_p(), c.c_size_t(), c.c_size_t(), c.c_size_t()
        self._do("view" + _SUFFIX[precision], quantity, l, *map(c.byref, (data, rows, cols, stride)))
        return _view(data.value, _REALS[precision], (rows.value, cols.value), self, stride.value, False)

    precision = property(lambda self: Precision(self._get("precision")))
    rows = property(lambda self: int(self._get("rows")))
    first_row = property(lambda self: int(self._get("first_row")))
    iteration = property(lambda self: int(self._get("iteration")))
    eta = property(lambda self: float(self._get("eta")))
    loss = property(lambda self: float(self._get("loss")))


class Norm(_Object):
    """What holds the weights: Norm("columns" or "matrices", gamma), Norm(), or a subclass with scale(network, l)."""
    _noun = "norm"
    name = "custom"

    def __init__(self, kind: Optional[str] = "none", gamma: Any = 1.0):
        apply: Any = _unowned(self, "scale")
        if apply is not None:
            entries = {"apply": _thunk("ippI", lambda _u, n, l: apply(_borrow(Network, n), l))}
            _custom(self, "falign_norm_table", "norm_create_custom", self.name, entries)
        elif kind in ("columns", "matrices"):
            self._make("norm_create_" + kind, *_doubles(gamma))
        elif kind == "none":
            self._make("norm_create_none")
        else:
            raise UnsupportedError("there is no normalization %r, but none, columns and matrices" % kind)

    def match_feedback(self, on: bool = True) -> None:
        self._do("match_feedback", int(on))

    def apply(self, network: Network, rule: Optional[Rule] = None) -> None:
        self._do("apply", network, rule)


class Backend(_Object):
    """What multiplies matrices: Backend("auto"), or Backend(name, gemm=f) with f(A, B) = the product of two arrays."""
    _noun = "backend"

    def __init__(self, name: str = "auto", gemm: Optional[Callable[[Any, Any], Any]] = None):
        if gemm is None:
            self._make("backend_find", name.encode())
            return
        entries = {"sgemm": _thunk("ipiizzzfpzpzfpz", self._product(gemm, c.c_float)),
                   "dgemm": _thunk("ipiizzzdpzpzdpz", self._product(gemm, c.c_double))}
        _custom(self, "falign_backend_table", "backend_create", name, entries)

    @staticmethod
    def _product(gemm: Callable[[Any, Any], Any], kind: Any) -> Callable[..., None]:
        def turned(address: int, transpose: int, rows: int, cols: int, stride: int) -> Any:
            if not transpose:
                return _view(address, kind, (rows, cols), None, stride, False)
            view = _view(address, kind, (cols, rows), None, stride, False)
            return view.T if _np is not None else [list(column) for column in zip(*view.tolist())]

        def run(_user: Any, ta: int, tb: int, m: int, n: int, k: int, alpha: float, a: int, lda: int, b: int, ldb: int,
                beta: float, out: int, ldc: int) -> None:
            product = gemm(turned(a, ta, m, k, lda), turned(b, tb, k, n, ldb))
            to = _view(out, kind, (m, n), None, ldc)
            for i in range(m):
                for j in range(n):
                    to[i, j] = alpha * product[i][j] + (beta * to[i, j] if beta else 0)
        return run

    @staticmethod
    def names() -> List[str]:
        return [_text(_lib.falign_backend_name_at(i)) for i in range(_lib.falign_backend_count())]

    name = property(lambda self: _text(self._get("name")))
    detail = property(lambda self: _text(self._get("detail")))
    own_threads = property(lambda self: int(self._get("own_threads")))

    def product(self, a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, alpha: float = 1.0) -> Any:
        """alpha op(A) op(B), op(X) = X or X^T, in the precision of A."""
        x = _Given(a, 2)
        y = _Given(b, 2, x.precision)
        m, k = (x.cols, x.rows) if transpose_a else (x.rows, x.cols)
        inner, n = (y.cols, y.rows) if transpose_b else (y.rows, y.cols)
        if inner != k:
            raise ShapeError("op(A) is %d x %d, op(B) is %d x %d" % (m, k, inner, n))
        array, storage = _new(_REALS[x.precision], m, n)
        self._do("gemm" + x.suffix, int(transpose_a), int(transpose_b), m, n, k, alpha, x, x.stride, y, y.stride, 0.0,
                 storage, n)
        return array


class Value(NamedTuple):
    """A measured value; layer and order are -1 where they do not apply."""
    iteration: int
    metric: str
    layer: int
    order: int
    value: float


class Metric(_Object):
    """What is measured: Metric("angle_w_b"), or a subclass with measure(trainer, trace, emit)."""
    _noun = "metric"
    needs = Needs(0)

    def __init__(self, name: str):
        measure: Any = _unowned(self, "measure")
        if measure is None:
            self._make("metric_create", name.encode())
            return

        def run(_user: Any, trainer: int, trace: Optional[int], emit: int, emit_user: int) -> Any:
            send = c.CFUNCTYPE(c.c_int32, *[_KINDS[k] for k in "pLclld"])(emit)
            seen: Trainer = _borrow(Trainer, trainer)

            def one(value: float, layer: int = -1, order: int = -1, metric: str = name) -> None:
                _checked(send, emit_user, seen.iteration, metric.encode(), layer, order, value)
            return measure(seen, None if trace is None else Trace(trace), one)
        _custom(self, "falign_metric_table", "metric_create_custom", name,
                {"needs": int(self.needs), "measure": _thunk("ippppp", run)})

    @staticmethod
    def names() -> Dict[str, str]:
        """Names, with a line about each."""
        return {_text(_lib.falign_metric_name_at(i)): _text(_lib.falign_metric_description_at(i))
                for i in range(_lib.falign_metric_count())}

    @staticmethod
    def test_error(batches: "Batches") -> "Metric":
        return Metric._made("metric_create_test_error", batches)  # type: ignore[no-any-return]

    @staticmethod
    def autocorrelation(lags: Sequence[int], every: int = 1) -> "Metric":
        return Metric._made("metric_create_autocorrelation",  # type: ignore[no-any-return]
                            *_integers(c.c_uint64, lags), every)

    @staticmethod
    def terms(orders: Optional[Sequence[int]] = None) -> "Metric":
        """Angles and norms of the alignment terms, of the given orders one by one, or of all (terms.h)."""
        return Metric._made("metric_create_terms", *_integers(c.c_uint64, orders))  # type: ignore[no-any-return]

    @staticmethod
    def similarity(batches: "Batches", lag: int, every: int = 1) -> "Metric":
        return Metric._made("metric_create_similarity", batches, lag, every)  # type: ignore[no-any-return]

    def _make(self, function: str, *arguments: Any, keep: Sequence[Any] = ()) -> None:
        super()._make(function, *arguments, keep=keep)
        self.needs = Needs(self._get("needs"))

    name = property(lambda self: _text(self._get("name")))


class Dataset(_Object):
    """Data points with labels or targets."""
    _noun = "dataset"

    def __init__(self, x: Any, labels: Optional[Sequence[int]] = None, categories: int = 0, targets: Any = None):
        given = _Given(x, 2)
        if targets is not None:
            y = _Given(targets, 2, given.precision)
            if y.rows != given.rows:
                raise ShapeError("%d points have %d targets" % (given.rows, y.rows))
            self._make("dataset_create_regression" + given.suffix, *given.matrix, y, y.cols, y.stride)
            return
        values, count = _integers(c.c_uint32, labels)
        if labels is not None and count != given.rows:
            raise ShapeError("%d points have %d labels" % (given.rows, count))
        self._make("dataset_create" + given.suffix, *given.matrix, values, categories)

    @staticmethod
    def synthetic(points: int, width: int, categories: int, within: float, between: float, part: Part = Part.TRAIN,
                  seed: int = 1) -> "Dataset":
        return Dataset._made("dataset_create_synthetic", points, width, categories,  # type: ignore[no-any-return]
                             within, between, part, seed)

    @staticmethod
    def mnist(directory: Any, part: Part = Part.TRAIN, image_size: int = 0) -> "Dataset":
        return Dataset._made("dataset_read_mnist", _path(directory), part, image_size)  # type: ignore[no-any-return]

    @staticmethod
    def idx(images: Any, labels: Any, image_size: int = 0, categories: int = 10) -> "Dataset":
        return Dataset._made("dataset_read_idx", _path(images), _path(labels),  # type: ignore[no-any-return]
                             image_size, categories)

    points = property(lambda self: int(self._get("points")))
    width = property(lambda self: int(self._get("width")))
    target_width = property(lambda self: int(self._get("target_width")))
    categories = property(lambda self: int(self._get("categories")))
    fingerprint = property(lambda self: int(self._get("fingerprint")))

    @property
    def labels(self) -> Any:
        address = self._get("labels")
        return None if address is None else _view(address, c.c_uint32, (self.points,), self, writable=False)

    def get(self, first: int = 0, count: Optional[int] = None) -> Any:
        count = self.points - first if count is None else count
        array, storage = _new(c.c_double, count, self.width)
        self._do("get_f64", first, count, storage, self.width, self.width)
        return array

    def __len__(self) -> int:
        return int(self._get("points"))


class Code(_Object):
    """The desired output of each category (section 4.4)."""
    _noun = "code"

    def __init__(self, rows: Any):
        given = _Given(rows, 2, Precision.F64)
        self._make("code_create", *given.matrix)

    @staticmethod
    def n_hot(categories: int, width: int, hot: int, seed: int = 1, run: int = 0) -> "Code":
        return Code._made("code_create_n_hot", categories, width, hot, seed, run)  # type: ignore[no-any-return]

    @staticmethod
    def import_from(tensors: "Tensors") -> "Code":
        return Code._made("code_import", tensors)  # type: ignore[no-any-return]

    def export_to(self, tensors: "Tensors", precision: Precision = Precision.F64) -> None:
        self._do("export", precision, tensors)

    categories = property(lambda self: int(self._get("categories")))
    width = property(lambda self: int(self._get("width")))

    def row(self, category: int) -> Any:
        address = self._get("row", category)
        if address is None:
            raise IndexError(category)
        return _view(address, c.c_double, (self.width,), self, writable=False)

    def decode(self, y: Any) -> List[int]:
        given = _Given(y, 2)
        out = (c.c_uint32 * max(1, given.rows))()
        self._do("decode" + given.suffix, *given.matrix, out)
        return list(out)[:given.rows]


class Batches(_Object):
    """A dataset as one run sees it."""
    _noun = "batches"

    def __init__(self, dataset: Dataset, code: Optional[Code] = None, size: int = 100):
        self._make("batches_create", dataset, code, size)

    def set_smoothing(self, s: float) -> None:
        self._do("set_smoothing", s)

    def shuffle_labels(self, fraction: float, seed: int = 1, run: int = 0) -> None:
        self._do("shuffle_labels", fraction, seed, run)

    def set_order(self, order: Order, seed: int = 1, run: int = 0) -> None:
        self._do("set_order", order, seed, run)

    points = property(lambda self: int(self._get("points")))
    size = property(lambda self: int(self._get("size")))
    input_width = property(lambda self: int(self._get("input_width")))
    target_width = property(lambda self: int(self._get("target_width")))

    def rows(self, k: int) -> int:
        """The points in the batch of iteration k."""
        return int(self._get("rows", k))

    def __len__(self) -> int:
        return int(self._get("count"))

    def get(self, k: int) -> Tuple[Any, Any]:
        """Inputs and targets of the batch of iteration k."""
        rows, n, m = self.rows(k), self.input_width, self.target_width
        x, x_storage = _new(c.c_double, rows, n)
        y, y_storage = _new(c.c_double, rows, m)
        self._do("get_f64", k, x_storage, rows, n, n, y_storage, rows, m, m)
        return x, y

    def points_of(self, k: int, labels: bool = True) -> Tuple[List[int], Optional[List[int]]]:
        """Which points of the dataset the batch of iteration k holds, and the labels it gives them."""
        rows = self.rows(k)
        points, given = (c.c_uint32 * rows)(), (c.c_uint32 * rows)() if labels else None
        self._do("points_of", k, points, given, rows)
        return list(points), None if given is None else list(given)

    @property
    def code(self) -> Optional[Code]:
        """A copy, or None where there is none."""
        own: Optional[Code] = _borrow(Code, self._get("code"))
        return None if own is None else Code([own.row(category) for category in range(own.categories)])

    def __iter__(self) -> Iterator[Tuple[Any, Any]]:
        return (self.get(k) for k in range(len(self)))

    def export_to(self, tensors: "Tensors", k: int) -> None:
        self._do("export", k, tensors)

    def import_from(self, tensors: "Tensors", k: int) -> None:
        self._do("import", k, tensors)


class Tensors(_Object):
    """Named arrays and notes: tensors["W.0"], and safetensors files."""
    _noun = "tensors"

    def __init__(self) -> None:
        self._make("tensors_create")

    @staticmethod
    def read(path: Any) -> "Tensors":
        return Tensors._made("tensors_read", _path(path))  # type: ignore[no-any-return]

    def write(self, path: Any) -> None:
        self._do("write", _path(path))

    def __len__(self) -> int:
        return int(self._get("count"))

    def __iter__(self) -> Iterator[str]:
        return (_text(self._get("name_at", i)) for i in range(len(self)))

    def __contains__(self, name: str) -> bool:
        return bool(self._get("has", name.encode()))

    def add(self, name: str, data: Any) -> None:
        """Copies a matrix of reals."""
        given = _Given(data, 2)
        if given.stride != given.cols:
            given = _Given([list(row) for row in data], 2, given.precision)
        self._do("add", name.encode(), int(given.precision), (c.c_size_t * 2)(given.rows, given.cols), 2, given)

    def __getitem__(self, name: str) -> Any:
        """A tensor of at most two dimensions, without copying; read-only."""
        dtype, dims, rank, data = c.c_int32(), c.POINTER(c.c_size_t)(), c.c_size_t(), c.c_void_p()
        if name not in self:
            raise KeyError(name)
        self._do("view", name.encode(), *map(c.byref, (dtype, dims, rank, data)))
        shape = tuple(dims[i] for i in range(rank.value)) or (1,)
        if len(shape) > 2:
            raise UnsupportedError("%s has %d dimensions" % (name, len(shape)))
        kind = (c.c_float, c.c_double, c.c_int64, c.c_uint8)[dtype.value - 1]
        return _view(data.value, kind, shape, self, writable=False)

    def set_note(self, name: str, text: str) -> None:
        self._do("set_note", name.encode(), text.encode())

    def note(self, name: str) -> Optional[str]:
        text = self._get("note", name.encode())
        return None if text is None else _text(text)


class History(_Object):
    """The past steps of a run: W[l], dW[l] (n[l] x n[l+1]) and b[l]; with Keep also C[l] = L[l-1]^T delta[l+1]
    (n[l-1] x n[l+1]) and L[l-1]^T delta[d]. Set it with Trainer.set_history() before the first step."""
    _noun = "history"

    def __init__(self, network: Network, keep: Keep = Keep(0), window: int = 0):
        self._make("history_create", network, keep=[network._kept])
        self._widths = network.widths
        self._do("keep", int(keep))
        self._do("set_window", window)

    def set_limit(self, size: int, directory: Any = None) -> None:
        self._do("set_limit", size, None if directory is None else _path(directory))

    def bytes(self, steps: int) -> int:
        """The memory in bytes that a run of so many steps takes."""
        out = c.c_uint64()
        self._do("bytes", steps, c.byref(out))
        return out.value

    @property
    def used(self) -> Tuple[int, int]:
        """Bytes in memory and in the file."""
        memory, file = c.c_uint64(), c.c_uint64()
        self._do("used", c.byref(memory), c.byref(file))
        return memory.value, file.value

    def clear(self) -> None:
        self._get("clear")

    @property
    def range(self) -> range:
        first, end = c.c_uint64(), c.c_uint64()
        self._do("range", c.byref(first), c.byref(end))
        return range(first.value, end.value)


class Trainer(_Object):
    """The loop: Trainer(network, rule, eta)."""
    _noun = "trainer"

    def __init__(self, network: Network, rule: Rule, eta: float, norm: Optional[Norm] = None,
                 backend: Optional[Backend] = None, threads: int = 1):
        self._make("trainer_create", network, rule, eta, keep=[network._kept])
        self._network, self._rule = network, rule
        self._metrics: List[Metric] = []
        self.set_norm(norm)
        if backend is not None:
            self.set_backend(backend)
        self.set_threads(threads)

    @property
    def network(self) -> Network:
        own = self.__dict__.get("_network")
        return own if own is not None and own._handle else _borrow(Network, self._get("network"), self)

    @property
    def rule(self) -> Rule:
        own = self.__dict__.get("_rule")
        return own if own is not None and own._handle else _borrowed_rule(self._get("rule"), self.network)

    @property
    def backend(self) -> Backend:
        return _borrow(Backend, self._get("backend"), self)  # type: ignore[no-any-return]

    def start_norm(self, l: int) -> float:
        """||W[l]||_F before the first update."""
        return float(self._get("start_norm", l))

    iteration = property(lambda self: int(self._get("iteration")))
    eta = property(lambda self: float(self._get("eta")), lambda self, eta: self._do("set_eta", eta))
    threads = property(lambda self: int(self._get("threads")))

    def set_norm(self, norm: Optional[Norm]) -> None:
        self._do("set_norm", norm)
        self._norm = norm

    def set_backend(self, backend: Backend) -> None:
        self._do("set_backend", backend)

    def set_threads(self, threads: int) -> None:
        self._do("set_threads", threads)

    def set_history(self, history: Optional[History]) -> None:
        self._do("set_history", history)
        self._kept.append(history)

    def keep(self, needs: Needs) -> None:
        self._do("keep", int(needs))

    def set_progress(self, progress: Optional[Callable[[int, int], Any]]) -> None:
        """progress(iteration, until) after each update of a run; a true result cancels."""
        thunk = None
        if progress is not None:
            told = progress
            thunk = _thunk("ipLL", lambda _u, k, until: int(bool(told(k, until))), 1)
        self._kept.append(thunk)
        self._get("set_progress", thunk, None)

    def cancel(self) -> None:
        self._get("cancel")

    def observe(self, metric: Union[Metric, str], every: int = 1, at: Optional[Sequence[int]] = None,
                callback: Optional[Callable[[Value], Any]] = None) -> List[Value]:
        """Measures before updates; values go to `callback`, or into the list that is returned."""
        if isinstance(metric, str):
            metric = Metric(metric)
        values: List[Value] = []
        sink = values.append if callback is None else callback

        def receive(_user: Any, k: int, name: bytes, layer: int, order: int, value: float) -> None:
            sink(Value(k, name.decode(), layer, order, value))
        thunk = _thunk("ipLclld", receive)
        if at is None:
            self._do("observe", metric, every, thunk, None)
        else:
            self._do("observe_at", metric, *_integers(c.c_uint64, at), thunk, None)
        self._kept.append(thunk)
        self._metrics.append(metric)
        return values

    def measure(self) -> None:
        self._do("measure")

    def _feed(self, call: str, x: Any, y: Any) -> "Trace":
        precision = self.network.precision
        a, b = _Given(x, 2, precision), _Given(y, 2, precision)
        if a.rows != b.rows:
            raise ShapeError("%d rows of inputs, %d of targets" % (a.rows, b.rows))
        self._do(call + _SUFFIX[precision], *a.matrix, b, b.cols, b.stride)
        return self.trace  # type: ignore[return-value]

    def step(self, x: Any, y: Any) -> "Trace":
        """One update on inputs x (rows x n[0]) with targets y (rows x n[d])."""
        return self._feed("step", x, y)

    def impose(self, x: Any, delta: Any) -> "Trace":
        """One update with L[0] = x and delta[d] = delta as given (Fig. 1B)."""
        return self._feed("impose", x, delta)

    @property
    def trace(self) -> Optional["Trace"]:
        handle = self._get("trace")
        return None if handle is None else Trace(handle, self)

    def run(self, batches: Batches, until: int) -> None:
        """Updates until `iteration` is `until`; does nothing where it is there already."""
        self._do("run", batches, until)

    def forward(self, x: Any) -> Any:
        precision, width = self.network.precision, self.network.widths[-1]
        given = _Given(x, 2, precision)
        array, storage = _new(_REALS[precision], given.rows, width)
        self._do("forward" + _SUFFIX[precision], *given.matrix, storage, width, width)
        return array

    def evaluate(self, batches: Batches) -> Tuple[float, float]:
        """Loss, and the share of wrongly decoded points (NaN without a code)."""
        loss, error = c.c_double(), c.c_double()
        self._do("evaluate", batches, c.byref(loss), c.byref(error))
        return loss.value, error.value

    def export_to(self, tensors: Tensors) -> None:
        self._do("export", tensors)

    def import_from(self, tensors: Tensors) -> None:
        self._do("import", tensors)


class Rng(_Object):
    """A random stream (seed, purpose, layer, run)."""
    _noun = "rng"

    def __init__(self, seed: int, purpose: int = Purpose.RNG_USER, layer: int = 0, run: int = 0):
        self._make("rng_create", seed, purpose, layer, run)

    position = property(lambda self: int(self._get("position")), lambda self, p: self._get("seek", p))

    def normal(self, count: int, sd: float = 1.0) -> Any:
        array, storage = _new(c.c_double, count)
        self._get("normal_f64", sd, storage, count)
        return array

    def block(self) -> Tuple[int, ...]:
        """The next 128 random bits, as four words."""
        words = (c.c_uint32 * 4)()
        self._get("block", words)
        return tuple(words)

    def uniform(self) -> float:
        return float(self._get("uniform"))

    def below(self, bound: int) -> int:
        return int(self._get("below", bound))

    def permutation(self, count: int) -> List[int]:
        out = (c.c_uint32 * max(1, count))()
        self._get("permutation", out, count)
        return list(out)[:count]


class Alike(NamedTuple):
    """Angle in degrees (eq. 24), cosine (eq. 25) and inner product."""
    angle: float
    cosine: float
    inner: float


def compare(a: Any, b: Any, transpose_b: bool = False) -> Alike:
    """How alike two matrices are: A and B, or A and B^T."""
    x = _Given(a, 2)
    y = _Given(b, 2, x.precision)
    if (y.cols, y.rows) != (x.rows, x.cols) if transpose_b else (y.rows, y.cols) != (x.rows, x.cols):
        raise ShapeError("A is %d x %d, B is %d x %d" % (x.rows, x.cols, y.rows, y.cols))
    out = [c.c_double() for _ in range(3)]
    _call("angle" + x.suffix, *x.matrix, y, y.stride, int(transpose_b), *map(c.byref, out))
    return Alike(*(o.value for o in out))


def angle(a: Any, b: Any, transpose_b: bool = False) -> float:
    """The angle of two matrices in degrees (eq. 24)."""
    return compare(a, b, transpose_b).angle


def frobenius(a: Any) -> float:
    """The Frobenius norm."""
    given = _Given(a, 2)
    return float(getattr(_lib, "falign_frobenius" + given.suffix)(*given.matrix))


def row_norms(a: Any) -> Any:
    """The norm of each row, such as each data point's |delta[l]| (Fig. S5C)."""
    given = _Given(a, 2)
    array, storage = _new(c.c_double, given.rows)
    _call("row_norms" + given.suffix, *given.matrix, storage)
    return array


def similarity_matrix(a: Any, b: Any) -> Any:
    """S = A B^T of two matrices with as many columns, in the precision of A."""
    x = _Given(a, 2)
    y = _Given(b, 2, x.precision)
    if x.cols != y.cols:
        raise ShapeError("A has %d columns, B has %d" % (x.cols, y.cols))
    array, storage = _new(_REALS[x.precision], x.rows, y.rows)
    _call("similarity_matrix" + x.suffix, x, x.rows, x.stride, y, y.rows, y.stride, x.cols, storage)
    return array


# ---- Analysis ----

def _history_get(self: History, k: int, record: Record, l: int) -> Any:
    """A matrix of step k, copied."""
    w = self._widths
    rows, cols = {Record.RECORD_W: lambda: (w[l], w[l + 1]), Record.RECORD_DW: lambda: (w[l], w[l + 1]),
                  Record.RECORD_BIAS: lambda: (1, w[l]), Record.RECORD_C: lambda: (w[l - 1], w[l + 1]),
                  Record.RECORD_DIRECT: lambda: (w[l - 1], w[-1])}[record]()
    array, storage = _new(c.c_double, rows, cols)
    self._do("get", k, record, l, storage, rows, cols, cols)
    return array


History.get = _history_get  # type: ignore[attr-defined]


def _matrices(self: _Object, call: str, trace: Trace, l: int, shape: Tuple[int, int], orders: Sequence[int],
              *degree: int) -> List[Any]:
    """A matrix for each order."""
    values, count = _integers(c.c_uint64, orders)
    storage = (c.c_double * max(1, count * shape[0] * shape[1]))()
    self._do(call, trace, l, *degree, values, count, storage)
    return [_view(c.addressof(storage) + 8 * i * shape[0] * shape[1], c.c_double, shape, storage)
            for i in range(count)]


class Compared(NamedTuple):
    """Degrees (eq. 24), ||t||_F, and ||t||_F / ||dW[l]||_F."""
    angle: float
    norm: float
    ratio: float


class Terms(_Object):
    """Alignment terms of a step that the history holds, l = 1..d-1; each has the shape of W[l], n[l] x n[l+1].

    dW[l][k] = orders 1..k + zero(k) + remainder (eq. 3), with T_l^o = eta {f'(zeta^o) .* (L[l-1][k] dW[l-1][k-o])}^T
    delta[l+1][k] and zeta^o = L[l-1][k] W[l-1][k-o] + b[l][k] (eq. 4). The trace has the batch's activity
    (Trainer.keep(NEEDS_ACTIVITY)); linear terms (eq. 5) need Keep.KEEP_C, or KEEP_DIRECT under DFA (eq. 8)."""
    _noun = "terms"

    def __init__(self, history: History, rule: Rule, threads: int = 1):
        self._make("terms_create", history, rule, keep=[history._kept])
        self._widths = history._widths
        self._do("set_threads", threads)

    def _shape(self, l: int) -> Tuple[int, int]:
        if not 0 < l < len(self._widths) - 1:
            raise InvalidError("there are no terms of layer %d" % l)
        return self._widths[l], self._widths[l + 1]

    def _many(self, call: str, trace: Trace, l: int, orders: Sequence[int], *degree: int) -> List[Any]:
        return _matrices(self, call, trace, l, self._shape(l), orders, *degree)

    def _one(self, call: str, trace: Trace, l: int, *arguments: Any) -> Any:
        array, storage = _new(c.c_double, *self._shape(l))
        self._do(call, trace, l, *arguments, storage)
        return array

    def orders(self, trace: Trace, l: int, orders: Sequence[int], degree: int = 1) -> List[Any]:
        return self._many("orders", trace, l, orders, degree)

    def linear(self, trace: Trace, l: int, orders: Sequence[int]) -> List[Any]:
        return self._many("linear", trace, l, orders)

    def linear_diagonal(self, trace: Trace, l: int, orders: Sequence[int]) -> List[Any]:
        return self._many("linear_diagonal", trace, l, orders)

    def simplified(self, trace: Trace, l: int, orders: Sequence[int]) -> List[Any]:
        return self._many("simplified", trace, l, orders)

    def sum(self, trace: Trace, l: int, orders: Optional[Sequence[int]] = None, degree: int = 1) -> Any:
        return self._one("sum", trace, l, degree, *_integers(c.c_uint64, orders))

    def linear_sum(self, trace: Trace, l: int, orders: Optional[Sequence[int]] = None) -> Any:
        return self._one("linear_sum", trace, l, *_integers(c.c_uint64, orders))

    def zero(self, trace: Trace, l: int, order: int) -> Any:
        return self._one("zero", trace, l, order)

    def remainder(self, trace: Trace, l: int, degree: int = 1) -> Any:
        return self._one("remainder", trace, l, degree)

    def compare(self, trace: Trace, l: int, t: Any) -> Compared:
        """A matrix t of the shape of W[l] against what W[l] aligns with: B[l]^T, or Q[l]^T (eq. 7)."""
        given = _Given(t, 2, Precision.F64)
        if (given.rows, given.cols) != self._shape(l):
            raise ShapeError("t is %d x %d, W[%d] is %d x %d" % (given.rows, given.cols, l, *self._shape(l)))
        if given.stride != given.cols:
            given._copy([list(row) for row in t], 2)
        out = [c.c_double() for _ in range(3)]
        self._do("compare", trace, l, given, *map(c.byref, out))
        return Compared(*(x.value for x in out))


class Sums(NamedTuple):
    """Pairs of a group, and their sums of S_L, of S_delta and of S_delta S_L (eq. 12)."""
    pairs: int
    l: float
    delta: float
    product: float


class Similarity(_Object):
    """How alike the outputs L[l-1] (rows x l_width) and the error signals delta[l+1] (rows x delta_width) of data
    points of two iterations are: S_L = L[k-o] L[k]^T, S_delta = delta[k-o] delta[k]^T (eq. 12, Figs. S4, S5)."""
    _noun = "similarity"

    def __init__(self, l_width: int, delta_width: int, categories: int, precision: Precision = Precision.F64):
        self._make("similarity_create", precision, l_width, delta_width, categories)
        self._precision, self._widths = precision, (l_width, delta_width)

    def set_side(self, side: Side, l: Any, delta: Any, labels: Sequence[int]) -> None:
        x, y = _Given(l, 2, self._precision), _Given(delta, 2, self._precision)
        values, count = _integers(c.c_uint32, labels)
        if (x.rows, y.rows, x.cols, y.cols) != (count, count) + self._widths:
            raise ShapeError("%d labels come with %d x %d and %d x %d, the widths being %d and %d"
                             % ((count, x.rows, x.cols, y.rows, y.cols) + self._widths))
        self._do("set_side" + x.suffix, side, x, x.stride, y, y.stride, values, count)

    def classify(self, side: Side, errors: Any, share: float = 0.6) -> None:
        """The share of the points with the smallest errors is well classified."""
        values, count = _doubles(errors)
        self._do("classify", side, values, count, share)

    def sums(self, pairs: Pairs) -> Sums:
        out: List[Any] = [c.c_uint64()] + [c.c_double() for _ in range(3)]
        self._do("sums", pairs, *map(c.byref, out))
        return Sums(*(x.value for x in out))

    def histogram(self, quantity: SimilarityOf, low: float, high: float, bins: int,
                  threads: int = 1) -> Dict[Pairs, List[int]]:
        """Counts below `low`, in each of the bins and from `high` on, by well and poorly classified pairs."""
        if not 0 < bins < 1 << 32:
            raise InvalidError("there cannot be %d bins" % bins)
        counts = (c.c_uint64 * (4 * (bins + 2)))()
        self._do("histogram", quantity, low, high, bins, threads, counts)
        return {Pairs(Pairs.PAIRS_WITHIN_WELL + g): list(counts[g * (bins + 2):(g + 1) * (bins + 2)])
                for g in range(4)}


class Decomposition(_Object):
    """F[l] = F_hat[l] + F_perp[l] (n[d] x n[l]; eq. 7) of a rule with direct feedback, F_hat[l] = Q[d-1] ... Q[l] with
    Q[l] of n[l+1] x n[l]."""
    _noun = "decomposition"

    def __init__(self, rule: Rule):
        self._make("decomposition_create", rule)
        self._widths = rule._widths

    def get(self, factor: Factor, l: int) -> Any:
        if not 0 < l < len(self._widths) - 1:
            raise InvalidError("there is no layer %d" % l)
        rows, cols = self._widths[l + 1] if factor == Factor.FACTOR_Q else self._widths[-1], self._widths[l]
        array, storage = _new(c.c_double, rows, cols)
        self._do("get", factor, l, storage, rows, cols, cols)
        return array

    def share(self, l: int) -> float:
        return float(self._get("share", l))


class Transformation(_Object):
    """M_l^o[k] of a history, or Transformation(matrix) of any square matrix."""
    _noun = "transformation"

    def __init__(self, source: Any, k: int = 0, order: int = 0, l: int = 0):
        if isinstance(source, History):
            self._make("transformation_create", source, k, order, l)
            return
        given = _Given(source, 2, Precision.F64)
        if given.rows != given.cols:
            raise ShapeError("M is square, got %d x %d" % (given.rows, given.cols))
        self._make("transformation_create_of", given, given.rows, given.stride)

    size = property(lambda self: int(self._get("size")))
    trace = property(lambda self: float(self._get("trace")))

    def get(self, part: PartOfM = PartOfM.M_ALL) -> Any:
        n = self.size
        array, storage = _new(c.c_double, n, n)
        self._do("get", part, storage, n, n, n)
        return array

    @property
    def eigenvalues(self) -> Any:
        array, storage = _new(c.c_double, self.size)
        self._do("eigenvalues", storage, len(storage))
        return array

    def apply(self, b: Any, part: PartOfM = PartOfM.M_ALL) -> Tuple[float, float]:
        """The angle of B^T with B^T M in degrees, and ||B^T M||_F, for B of n x any columns, such as B[l]."""
        given, out = _Given(b, 2, Precision.F64), [c.c_double(), c.c_double()]
        self._do("apply", part, *given.matrix, *map(c.byref, out))
        return out[0].value, out[1].value

    def skew_ratio(self, b: Any) -> float:
        """||B^T M_skew||_F / ||B^T M_sym||_F."""
        given, out = _Given(b, 2, Precision.F64), c.c_double()
        self._do("skew_ratio", *given.matrix, c.byref(out))
        return out.value


class Trajectory(_Object):
    """Points of parameter space."""
    _noun = "trajectory"

    def __init__(self, numbers: int, precision: Precision = Precision.F64):
        self._make("trajectory_create", precision, numbers)

    def add(self, point: Any) -> None:
        """Adds a network, or an array of coordinates."""
        if isinstance(point, Network):
            self._do("add_network", point)
        else:
            given = _Given(point, 1)
            self._do("add" + given.suffix, given, given.cols)

    numbers = property(lambda self: int(self._get("numbers")))

    def __len__(self) -> int:
        return int(self._get("points"))

    def __getitem__(self, i: int) -> Any:
        if not 0 <= i < len(self):
            raise IndexError(i)
        array, storage = _new(c.c_double, self.numbers)
        self._do("get", i, storage, len(storage))
        return array


class Components(_Object):
    """The first principal components of a trajectory (Figs. 7C, 7F)."""
    _noun = "components"

    def __init__(self, trajectory: Trajectory, count: int = 2):
        self._make("components_create", trajectory, count)
        self._numbers = trajectory.numbers

    def __len__(self) -> int:
        return int(self._get("count"))

    def variance(self, i: int) -> float:
        return float(self._get("variance", i))

    def explained(self, i: int) -> float:
        return float(self._get("explained", i))

    def direction(self, i: int) -> Any:
        address = self._get("direction", i)
        if address is None:
            raise IndexError(i)
        return _view(address, c.c_double, (self._numbers,), self, writable=False)

    @property
    def mean(self) -> Any:
        return _view(self._get("mean"), c.c_double, (self._numbers,), self, writable=False)

    def project(self, point: Any) -> Any:
        """Coordinates of a network, or of an array."""
        array, storage = _new(c.c_double, len(self))
        if isinstance(point, Network):
            self._do("project_network", point, storage, len(storage))
        else:
            given = _Given(point, 1, Precision.F64)
            self._do("project", given, given.cols, storage, len(storage))
        return array

    def project_direction(self, direction: Any) -> Any:
        """Coordinates of a direction, such as an update: the mean is not taken away."""
        array, storage = _new(c.c_double, len(self))
        given = _Given(direction, 1, Precision.F64)
        self._do("project_direction", given, given.cols, storage, len(storage))
        return array

    def project_feedback(self, network: Network, rule: Rule) -> Any:
        """Coordinates of the feedback weights of FA: B[l]^T in the place of W[l], l >= 1, else 0."""
        array, storage = _new(c.c_double, len(self))
        self._do("project_feedback", network, rule, storage, len(storage))
        return array

    def point(self, coordinates: Any) -> Any:
        """mean + sum_i coordinates[i] component i."""
        values, count = _doubles(coordinates)
        array, storage = _new(c.c_double, self._numbers)
        self._do("point", values, count, storage, len(storage))
        return array

    def loss_grid(self, network: Network, batches: "Batches", x: Any, y: Any, a: int = 0, b: int = 1, threads: int = 1,
                  progress: Optional[Callable[[int, int], Any]] = None) -> Any:
        """loss[i][j] at mean + x[j] component a + y[i] component b. A true progress(done, total) cancels."""
        xs, columns = _doubles(x)
        ys, rows = _doubles(y)
        thunk = None
        if progress is not None:
            told = progress
            thunk = _thunk("ipLL", lambda _u, done, total: int(bool(told(done, total))), 1)
        array, storage = _new(c.c_double, rows, columns)
        self._do("loss_grid", a, b, network, batches, xs, columns, ys, rows, threads, thunk, None, storage)
        return array


class Row(NamedTuple):
    """A row of a table; -1 (epoch: NaN) where a field is empty."""
    condition: Optional[str]
    run: int
    iteration: int
    epoch: float
    layer: int
    order: int
    metric: str
    value: float


class Table(_Object):
    """Measured values, written as CSV."""
    _noun = "table"

    def __init__(self, precision: Precision = Precision.F64, condition: Optional[str] = None):
        self._make("table_create", precision, None if condition is None else condition.encode())

    def add(self, value: Value, epoch: float = float("nan")) -> None:
        self._do("add", value.iteration, epoch, value.layer, value.order, value.metric.encode(), value.value)

    def set_run(self, run: int) -> None:
        self._get("set_run", run)

    def __len__(self) -> int:
        return int(self._get("rows"))

    def set_condition(self, value: str) -> None:
        self._do("set_condition", value.encode())

    def append(self, other: "Table") -> None:
        self._do("append", other)

    def __getitem__(self, i: int) -> Row:
        if not 0 <= i < len(self):
            raise IndexError(i)
        out: List[Any] = [c.c_char_p(), c.c_int64(), c.c_int64(), c.c_double(), c.c_int64(), c.c_int64(),
                          c.c_char_p(), c.c_double()]
        self._do("row", i, *map(c.byref, out))
        values: List[Any] = [o.value.decode() if isinstance(o.value, bytes) else o.value for o in out]
        return Row(*values)

    def write_descriptor(self, descriptor: int) -> None:
        """The same to an open file, such as 1 for standard output."""
        self._do("write_descriptor", descriptor)

    def write_summary(self, path: Any) -> None:
        """Mean, standard deviation and n over the runs."""
        self._do("write_summary", _path(path))

    def export_to(self, tensors: Tensors) -> None:
        self._do("export", tensors)

    def import_from(self, tensors: Tensors) -> None:
        self._do("import", tensors)

    def write(self, path: Any) -> None:
        self._do("write", _path(path))


def train_all(trainers: Sequence[Trainer], batches: Sequence[Batches], until: int, threads: int = 1) -> None:
    """Trainer.run() of each trainer with its batches, at most `threads` at once, each on one thread."""
    if len(trainers) != len(batches):
        raise ShapeError("%d trainers have %d batches" % (len(trainers), len(batches)))
    lists = [(c.c_void_p * max(1, len(trainers)))(*(_Reference(noun).from_param(o).value for o in objects))
             for noun, objects in (("trainer", trainers), ("batches", batches))]
    _call("ensemble_train", lists[0], lists[1], len(trainers), until, threads)


def run_all(runs: int, threads: int, run: Callable[[int], Any]) -> None:
    """run(number) for the numbers 0 to runs - 1, at most `threads` at once."""
    def one(_user: Any, number: int) -> None:
        run(number)
    _call("ensemble_run", runs, threads, _thunk("ipI", one), None)


class Disturbance(_Object):
    """Disturbed terms ("none", "linear", "feedback" with `fresh`, "rows" with `seed`) and the weights they build."""
    _noun = "disturbance"

    def __init__(self, kind: str, history: History, rule: Rule, fresh: Optional[Rule] = None, seed: int = 1,
                 run: int = 0):
        more: Dict[str, Tuple[Any, ...]] = {"none": (), "linear": (), "feedback": (fresh,), "rows": (seed, run)}
        if kind not in more:
            raise UnsupportedError("there is no disturbance %r" % kind)
        self._make("disturbance_create_" + kind, history, rule, *more[kind], keep=[history._kept])
        history._kept.append((rule, fresh))  # it makes their signals
        self._widths = history._widths

    def update(self, trace: Trace) -> None:
        self._do("update", trace)

    def get_weights(self, l: int) -> Any:
        """A copy of the disturbed W[l]."""
        if not 0 < l < len(self._widths) - 1:
            raise InvalidError("there is no layer %d" % l)
        rows, cols = self._widths[l], self._widths[l + 1]
        array, storage = _new(c.c_double, rows, cols)
        self._do("get_weights", l, storage, rows, cols, cols)
        return array

    def orders(self, trace: Trace, l: int, orders: Sequence[int]) -> List[Any]:
        """Disturbed terms of single orders, each of the shape of W[l]."""
        if not 0 < l < len(self._widths) - 1:
            raise InvalidError("there is no layer %d" % l)
        return _matrices(self, "orders", trace, l, (self._widths[l], self._widths[l + 1]), orders)

    name = property(lambda self: _text(self._get("name")))

    def set_threads(self, threads: int) -> None:
        self._do("set_threads", threads)

    def angle(self, l: int) -> float:
        out = c.c_double()
        self._do("angle", l, c.byref(out))
        return out.value

    def metric(self, every: int = 1) -> Metric:
        return Metric._made("metric_create_disturbance", self, every)  # type: ignore[no-any-return]


class ProductAngle(_Object):
    """Angles of products of random matrices (Note 1)."""
    _noun = "product_angle"

    def __init__(self, rows: int = 30, inner: int = 15, cols: int = 40, seed: int = 1, run: int = 0):
        self._make("product_angle_create", rows, inner, cols, seed, run)

    def draw(self, count: int) -> Tuple[Any, Any, Any, Any]:
        """theta_1, theta_2, theta_3 and theta_3 with the nonlinearity (eq. S1), in degrees."""
        made = [_new(c.c_double, count) for _ in range(4)]
        self._do("draw", count, *(storage for _, storage in made))
        return tuple(array for array, _ in made)  # type: ignore[return-value]
