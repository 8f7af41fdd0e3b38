# SPDX-License-Identifier: Apache-2.0
"""libfalign from Python: training by BP, FA and DFA, and why weights align.

Needs only the standard library. With NumPy, matrices are NumPy arrays, else falign.Matrix. Matrices of the library
(weights, feedback, traces) are viewed without copying, and NumPy arrays are passed to it with their own strides.
docs/concepts.md explains the terms, shapes and equations.

The library is taken from the environment variable FALIGN_LIBRARY, or is found beside this file or where the system
keeps libraries.
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
import weakref
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

try:
    import numpy as _np
except ImportError:
    _np = None  # type: ignore[assignment]

VERSION = (0, 1)
ABI = 0  # the number in the shared library's name

# The functions of each object, as name=kinds of the result and of the arguments: v void, i int32, I uint32, l int64,
# L uint64, z size_t, s ptrdiff_t, f float, d double, c const char *, . a pointer to the object itself, <noun> one to
# another object, p any other pointer.
_FUNCTIONS = """
: angle=ippppp ensemble_run=iIIpp ensemble_train=ippzLI feature_at=cz frobenius=dp has_feature=ic last_error=c
  row_norms=ipp set_last_error=vc status_name=ci version=c version_number=i
activation: create=icp create_custom=ippp destroy=v. name=c.
backend: create=icp create_custom=ippp destroy=v. detail=c. gemm=i.dppdp name=c. name_at=cz own_threads=i.
batches: code=<code>. create=i<dataset><code>zp destroy=v. export=i.L<tensors> get=i.Lpp get_shape=p.
  import=i.L<tensors> points_of=i.Lppz rows=z.L set_order=i.iLI set_smoothing=i.d shuffle_labels=i.dLI
code: create=ipp create_n_hot=iIzzLIp decode=i.pp destroy=v. export=i.i<tensors> import=i<tensors>p view=i.p
components: create=i<trajectory>zp destroy=v. loss_grid=i.<network><batches>pp point=i.pp project=i.pp
  project_direction=i.pp project_feedback=i.<network><rule>p view=i.ip
dataset: create=ippIp create_regression=ippp create_synthetic=ipiLp destroy=v. fingerprint=L. get=i.zp get_shape=p.
  read_idx=icczIp read_mnist=icizp
decomposition: create=i<rule>p destroy=v. get=i.iIp share=d.I
disturbance: angle=i.Ip create=icp<history><rule>p destroy=v. get=i.<trace>Ipp get_weights=i.Ip name=c. set_threads=i.I
  update=i.<trace>
history: bytes=i.Lp clear=v. create=i<network>p destroy=v. get=i.LiIp keep=i.i range=i.pp record=i.<trace>
  set_limit=i.Lc set_window=i.L used=i.pp
metric: create=icp create_autocorrelation=ipzp create_custom=ippp create_disturbance=i<disturbance>p
  create_similarity=i<batches>Lp create_terms=ipzp create_test_error=i<batches>p description_at=cz destroy=v. name=c.
  name_at=cz needs=i.
network: activation=<activation>.I create=iiIpip destroy=v. draw=i.ddLI edit=i.iIp export=i.<tensors> get=i.iIp
  has_biases=i. import=i.<tensors> layers=I. parameters=z. precision=i. set=i.iIp set_activation=i.I<activation>
  view=i.iIp width=z.I
norm: apply=i.<network><rule> create=icpzp create_custom=ippp destroy=v. match_feedback=i.i name=c.
product_angle: create=izzzLIp destroy=v. draw=i.zpppp
rng: below=L.L block=v.p create=iLIIIp destroy=v. normal=i.dp permutation=v.pI position=L. seek=v.L uniform=d.
rule: create=ic<network>p create_custom=ipp<network>p destroy=v. draw=i.dLI edit=i.iIp export=i.<tensors> feedback=i.
  get=i.iIp import=i.<tensors> name=c. normalize_columns=i.d set=i.iIp view=i.iIp
similarity: classify=i.ipzd create=iizzIp destroy=v. histogram=i.ipIp set_side=i.ippp sums=i.ip
table: add=i.pd append=i.. create=iicp destroy=v. export=i.<tensors> import=i.<tensors> row=i.zp rows=z.
  set_condition=i.c set_run=v.l write=i.c write_descriptor=i.i write_summary=i.c
tensors: add=i.cipzp count=z. create=ip destroy=v. get=i.cp has=i.c name_at=c.z note=c.c read=icp set_note=i.cc
  view=i.cp write=i.c
terms: compare=i.<trace>Ipp create=i<history><rule>p destroy=v. get=i.<trace>iIpp remainder=i.<trace>IIp set_threads=i.I
  sum=i.<trace>iIpp zero=i.<trace>ILp
trace: create=i<network>pp destroy=v. set=i.iIp step=p. view=i.iIp
trainer: backend=<backend>. cancel=v. create=i<network><rule>dp destroy=v. eta=d. evaluate=i.<batches>pp
  export=i.<tensors> forward=i.pp history=<history>. import=i.<tensors> impose=i.pp iteration=L. keep=i.i measure=i.
  network=<network>. observe=i.<metric>Lpp observe_at=i.<metric>pzpp probe=i.pp rule=<rule>. run=i.<batches>L
  set_backend=i.<backend> set_eta=i.d set_history=i.<history> set_norm=i.<norm> set_progress=v.pp set_threads=i.I
  start_norm=d.I step=i.pp threads=I. trace=<trace>.
trajectory: add=i.p create=iizp destroy=v. view=i.p
transformation: apply=i.ippp create=i<history>LLIp create_of=ipp destroy=v. eigenvalues=i.pz get=i.ip size=z.
  skew_ratio=i.pp trace=d.
"""
PROTOTYPES: Dict[str, str] = {}
for _word in _FUNCTIONS.split():
    if _word.endswith(":"):
        _noun = _word[:-1]
    else:
        _name, _codes = _word.split("=")
        PROTOTYPES["falign_%s%s" % (_noun and _noun + "_", _name)] = _codes.replace(".", "<%s>" % _noun)

# Each struct's name, and its members with their kinds: as above, or another struct. Those named _table hold functions.
STRUCTS: Dict[str, Any] = {}
_STRUCTS = """
view data:p rows:z cols:z row_step:s col_step:s precision:i
matrix data:p rows:z cols:z row_step:s col_step:s precision:i
value iteration:l name:c layer:l order:l value:d
step iteration:L rows:z first_row:z eta:d loss:d precision:i backend:p
synthetic points:z width:z categories:I within:d between:d
dataset_shape points:z width:z target_width:z categories:I labels:p
batches_shape count:L points:z size:z input_width:z target_width:z
orders list:p count:z degree:I
comparison angle:d norm:d ratio:d
disturbance_settings fresh:p seed:L run:I
pair_sums count:L s_l:d s_delta:d s_product:d
bins low:d high:d count:z
grid a:z b:z x:p x_count:z y:p y_count:z threads:I progress:p user:p
row condition:c run:l epoch:d value:value
tensor dtype:i rank:z dims:p data:p
activation_table size:z name:c f:p df:p destroy:p
backend_table size:z name:c sgemm:p dgemm:p destroy:p
metric_table size:z name:c needs:i measure:p destroy:p look:p
norm_table size:z name:c apply:p destroy:p
rule_table size:z name:c feedback:i concurrent:i signal:p adapt:p needs_activity:i save:p load:p destroy:p
"""

_KINDS: Dict[str, Any] = {"v": None, "i": c.c_int32, "I": c.c_uint32, "l": c.c_int64, "L": c.c_uint64, "z": c.c_size_t,
                          "s": c.c_ssize_t, "f": c.c_float, "d": c.c_double, "c": c.c_char_p, "p": c.c_void_p}


def _load() -> c.CDLL:
    tried: List[str] = []
    soname = "libfalign.so.%d" % ABI
    beside = os.path.dirname(os.path.abspath(__file__))
    chosen = os.environ.get("FALIGN_LIBRARY")
    files = [os.path.join(beside, name) for name in (soname, "libfalign.so", "libfalign.dylib")]
    names = [chosen] if chosen else [*filter(os.path.exists, files), ctypes.util.find_library("falign"), soname]
    for name in filter(None, names):
        try:
            return c.CDLL(name)
        except OSError as error:
            tried.append("%s (%s)" % (name, error))
    raise ImportError("libfalign was not found; tried " + "; ".join(tried) + ". Name it in FALIGN_LIBRARY.")


class _Ranged:
    """An integer argument; ctypes alone would truncate one that is out of range."""

    def __init__(self, kind: Any):
        size, signed = 8 * c.sizeof(kind), kind(-1).value < 0
        self._kind, self._from, self._end = kind, -(1 << size - 1) if signed else 0, 1 << size - signed

    def from_param(self, value: Any) -> Any:
        value = value.value if isinstance(value, c._SimpleCData) else value
        try:
            number = operator.index(value)
        except TypeError:
            raise TypeError("%r is neither an integer nor a member of an enum, such as Precision" % (value,)) from None
        if not self._from <= number < self._end:
            raise OverflowError("%d is not within %d to %d" % (number, self._from, self._end - 1))
        return self._kind(number)


class _Text:
    """Text without a NUL, where C would end it."""

    @staticmethod
    def from_param(value: Union[str, bytes, None]) -> Any:
        value = value.encode() if isinstance(value, str) else value
        if value is not None and not isinstance(value, bytes):
            raise TypeError("%r is not text" % (value,))
        if value is not None and b"\0" in value:
            raise ValueError("%r has a NUL" % value)
        return c.c_char_p(value)


class _Pointer:
    """An array, a function or a struct; ctypes alone would take an integer or text as an address."""

    @staticmethod
    def from_param(value: Any) -> Any:
        if isinstance(value, (int, str, bytes)):
            raise TypeError("%r is not an array, a function or an object" % (value,))
        return c.c_void_p.from_param(value)


class _Reference:
    """An object of one kind, or None where the library accepts NULL."""

    def __init__(self, noun: str):
        self._noun = noun

    def from_param(self, value: Any) -> Any:
        if value is None or isinstance(value, c.c_void_p):
            return value
        if getattr(value, "_noun", None) != self._noun:
            raise TypeError("got %r where a falign_%s belongs" % (value, self._noun))
        return value._as_parameter_


_ARGUMENTS: Dict[Any, Any] = {_KINDS[k]: _Ranged(_KINDS[k]) for k in "iIlLzs"}
_ARGUMENTS.update({c.c_char_p: _Text, c.c_void_p: _Pointer})


class _Struct(c.Structure):
    """A struct of the library, made of all its members or of none; a pointer to it is what functions are passed."""

    def __init__(self, *values: Any):
        super().__init__()
        for (name, kind), value in zip(self._fields_, values):
            if isinstance(value, (c.Array, c._CFuncPtr)):
                value = c.cast(value, c.c_void_p)
            elif kind in _ARGUMENTS and kind is not c.c_void_p:
                value = _ARGUMENTS[kind].from_param(value)
            setattr(self, name, value)
        self._keep = values

    _as_parameter_ = property(c.byref)


for _line in _STRUCTS.strip().splitlines():
    _name, *_members = _line.split()
    STRUCTS[_name] = type(_name, (_Struct,), {"_fields_": [
        (member, _KINDS.get(kind) or STRUCTS[kind]) for member, kind in (m.split(":") for m in _members)]})


_lib = _load()
for _name, _codes in PROTOTYPES.items():
    try:
        _function = getattr(_lib, _name)
    except AttributeError:
        raise ImportError("%s has no %s" % (_lib._name, _name)) from None
    (_, _result), *_arguments = re.findall(r"<(\w+)>|(\w)", _codes)
    _function.restype = _KINDS[_result or "p"]
    _function.argtypes = [_Reference(_noun) if _noun else _ARGUMENTS.get(_KINDS[_kind], _KINDS[_kind])
                          for _noun, _kind in _arguments]

__version__ = _lib.falign_version().decode()
if tuple(int(n) for n in __version__.split(".")[:2])[:1 if VERSION[0] else 2] != VERSION[:1 if VERSION[0] else 2]:
    raise ImportError("%s has version %s, this module needs %d.%d" % (_lib._name, __version__, *VERSION))


def version_number() -> int:
    """The library's version as one number to compare: 1002003 for 1.2.3."""
    return int(_lib.falign_version_number())


def _listed(function: Callable[[int], Optional[bytes]]) -> List[str]:
    """The texts that a function of the library has for 0, 1, ..., up to the first NULL."""
    return [text.decode() for text in itertools.takewhile(bool, map(function, itertools.count())) if text]


def features() -> List[str]:
    """The optional parts of this build, such as "cblas", "lapack", "files" or "threads"."""
    return _listed(_lib.falign_feature_at)


def has_feature(name: str) -> bool:
    return bool(_lib.falign_has_feature(name))


# ---- Enums: the names and numbers of the headers, without FALIGN_ ----

Status = enum.IntEnum("Status", "OK INVALID SHAPE MEMORY IO FORMAT DIVERGED UNSUPPORTED CANCELLED CALLBACK", start=0)
Precision = enum.IntEnum("Precision", "F32 F64")
Quantity = enum.IntEnum("Quantity", "W BIAS PARAMETERS FEEDBACK L Z DELTA TARGET DW DB DW_APPLIED DELTA_BP DW_BP DB_BP "
                        "C DIRECT Q F_HAT F_PERP M M_SYMMETRIC M_SKEW")
Feedback = enum.IntEnum("Feedback", "FEEDBACK_NONE FEEDBACK_LAYER FEEDBACK_DIRECT", start=0)
Needs = enum.IntFlag("Needs", "NEEDS_STEP NEEDS_ACTIVITY NEEDS_BP")
Part = enum.IntEnum("Part", "TRAIN TEST")
Order = enum.IntEnum("Order", "ORDER_NONE ORDER_ONCE ORDER_EPOCH", start=0)
Dtype = enum.IntEnum("Dtype", "DTYPE_F32 DTYPE_F64 DTYPE_I64 DTYPE_U8")
Keep = enum.IntFlag("Keep", "KEEP_C KEEP_DIRECT KEEP_APPLIED")
Term = enum.IntEnum("Term", "TERM TERM_LINEAR TERM_DIAGONAL TERM_SIMPLIFIED")
Component = enum.IntEnum("Component", "COMPONENT_DIRECTIONS COMPONENT_MEAN COMPONENT_VARIANCE COMPONENT_EXPLAINED")
Side = enum.IntEnum("Side", "SIDE_PAST SIDE_PRESENT", start=0)
Pairs = enum.IntEnum("Pairs", "PAIRS_WITHIN PAIRS_BETWEEN PAIRS_WITHIN_WELL PAIRS_WITHIN_POOR PAIRS_BETWEEN_WELL "
                     "PAIRS_BETWEEN_POOR")
SimilarityOf = enum.IntEnum("SimilarityOf", "SIMILARITY_L SIMILARITY_DELTA")
Purpose = enum.IntEnum("Purpose", dict(RNG_W=1, RNG_BIAS=2, RNG_B=3, RNG_F=4, RNG_CODE=5, RNG_ORDER=6, RNG_LABELS=7,
                                       RNG_SYNTHETIC=8, RNG_SIGNAL=9, RNG_PRODUCT=10, RNG_ROWS=11, RNG_USER=128))


# ---- Errors ----

class Error(Exception):
    """A call failed: the status and the library's message."""
    status = Status.INVALID


class InvalidError(Error, ValueError): status = Status.INVALID
class ShapeError(Error, ValueError): status = Status.SHAPE
class OutOfMemoryError(Error, MemoryError): status = Status.MEMORY
class FileError(Error, OSError): status = Status.IO
class FormatError(Error, ValueError): status = Status.FORMAT
class DivergedError(Error, ArithmeticError): status = Status.DIVERGED
class UnsupportedError(Error): status = Status.UNSUPPORTED
class CancelledError(Error): status = Status.CANCELLED
class CallbackError(Error): status = Status.CALLBACK


_ERRORS: Dict[int, Any] = {error.status: error for error in Error.__subclasses__()}


class _Raised(NamedTuple):
    """An exception in a callback, on its way to the call that ran the callback."""
    time: int  # counts calls and exceptions: a call takes no exception that is older than itself
    text: Optional[bytes]  # the message that the library was given; None if the callback has no status to return
    error: BaseException


class _Calls(threading.local):
    """The calls in progress on a thread, the innermost last: the exceptions of each one's callbacks."""

    def __init__(self) -> None:
        self.stack: List[List[_Raised]] = []


_calls = _Calls()
_elsewhere: "collections.deque[_Raised]" = collections.deque(maxlen=256)  # raised on the library's threads
_lock = threading.Lock()
_time = itertools.count()


def _told(error: BaseException) -> bytes:
    """The message that the library is given for an exception; its own message then ends with it."""
    try:
        text = "%s: %s" % (type(error).__name__, error)
    except Exception:  # noqa: B902, of its __str__
        text = type(error).__name__
    whole = text.encode("utf-8", "replace").replace(b"\0", b" ")[:500]
    return whole.decode("utf-8", "ignore").encode("utf-8")


def _keep_exception(error: BaseException, says: bool = True) -> int:
    """Keeps the exception of a callback for the call that ran it, and returns its status."""
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
    return message.endswith(text) or len(message) > 1000 and text[:100] in message  # the library truncates at 1023


def _find(raised: Sequence[_Raised], status: int, message: bytes) -> List[_Raised]:
    """The exceptions behind a call's failure: the last one whose text ends the message, or those without a text."""
    said = [e for e in raised if status and e.text is not None and _ends(message, e.text)]
    return said[-1:] or [e for e in raised if e.text is None]


def _check(status: int, within: Sequence[_Raised], since: int) -> None:
    """Raises the error of a call that failed. `within` holds the exceptions that were raised on this thread; those of
    other threads are matched only by time and text."""
    if status == Status.OK and not within and not _elsewhere:
        return
    message = _lib.falign_last_error() if status else b""
    found = _find(within, status, message)
    if not found:
        with _lock:
            found = _find([e for e in _elsewhere if e.time >= since], status, message)
            for taken in found:
                _elsewhere.remove(taken)
    failed = _ERRORS.get(status, Error)(message.decode("utf-8", "replace")) if status else Error("a callback failed")
    if found:
        raise found[0].error from failed
    if status:
        raise failed


def _run(name: str, *arguments: Any) -> Any:
    try:
        return getattr(_lib, "falign_" + name)(*arguments)
    except c.ArgumentError as error:
        wrapped = re.search(r"\b(OverflowError|TypeError|ValueError)(?:'>)?: (.*)", str(error), re.S)
        if not wrapped:
            raise
        kind = getattr(builtins, wrapped.group(1))
        raise kind("falign_%s: %s" % (name, wrapped.group(2))) from None


_interrupted: List[bool] = []  # Ctrl-C, kept until the next callback on the main thread or the end of the call


def _on_interrupt(_number: int, frame: Any) -> None:
    """Raises KeyboardInterrupt in the user's code, where a thunk catches it; elsewhere ctypes would drop it."""
    if frame is not None and frame.f_code.co_filename != _on_interrupt.__code__.co_filename:
        raise KeyboardInterrupt
    _interrupted.append(True)


def _raise_interrupt() -> None:
    if _interrupted and threading.current_thread() is threading.main_thread():
        _interrupted.clear()
        raise KeyboardInterrupt


def _hears_interrupts() -> bool:
    """Whether this is the outermost call on the main thread, and Ctrl-C has Python's own handler."""
    return (not _calls.stack and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler)


def _checked(function: Callable[..., int], *arguments: Any) -> None:
    """Calls a function that returns a status, and raises its error."""
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
            if signal.getsignal(signal.SIGINT) is _on_interrupt:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            _raise_interrupt()
    _check(status, within, since)


def _call(name: str, *arguments: Any) -> None:
    _checked(_run, name, *arguments)


# ---- Arrays ----

_REALS = {Precision.F32: c.c_float, Precision.F64: c.c_double}
_TYPES = {c.c_float: "<f4", c.c_double: "<f8", c.c_uint32: "<u4", c.c_int64: "<i8", c.c_uint8: "|u1"}
_View = STRUCTS["view"]


def _row_major(shape: Sequence[int]) -> Tuple[int, ...]:
    """The steps of a contiguous array, in elements."""
    return (shape[1], 1) if len(shape) == 2 else (1,) * len(shape)


class Matrix:
    """Stands in for a NumPy array if NumPy is not installed: m[i], m[i, j], m[1:3, ::2], m.T, m.shape, m.tolist()."""

    def __init__(self, storage: Any, shape: Tuple[int, ...], steps: Tuple[int, ...], offset: int = 0,
                 writable: bool = True):
        self._storage, self.shape, self._steps, self._offset, self._writable = storage, shape, steps, offset, writable

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        size = c.sizeof(self._storage._type_)
        return {"version": 3, "shape": self.shape, "typestr": _TYPES[self._storage._type_],
                "strides": tuple(size * step for step in self._steps),
                "data": (c.addressof(self._storage) + self._offset * size, not self._writable)}

    def __len__(self) -> int: return self.shape[0]

    def _find(self, at: Any) -> Tuple[Tuple[int, ...], Tuple[int, ...], int]:
        """The shape, steps and offset of a part; a number has the shape ()."""
        at = at if isinstance(at, tuple) else (at,)
        if len(at) > len(self.shape):
            raise IndexError("%d indices for %d dimensions" % (len(at), len(self.shape)))
        shape, steps, offset = [], [], self._offset
        for i, n, step in itertools.zip_longest(at, self.shape, self._steps, fillvalue=slice(None)):
            if isinstance(i, slice):
                chosen = range(n)[i]
                shape.append(len(chosen))
                steps.append(step * chosen.step)
                offset += step * chosen.start
            else:
                offset += step * range(n)[i]
        return tuple(shape), tuple(steps), offset

    def __getitem__(self, at: Any) -> Any:
        shape, steps, offset = self._find(at)
        return Matrix(self._storage, shape, steps, offset, self._writable) if shape else self._storage[offset]

    def __setitem__(self, at: Any, value: float) -> None:
        shape, _, offset = self._find(at)
        if not self._writable:
            raise ValueError("the matrix is read-only")
        if shape:
            raise TypeError("assign numbers, not rows")
        self._storage[offset] = value

    def __iter__(self) -> Iterator[Any]: return (self[i] for i in range(len(self)))

    T = property(lambda self: Matrix(self._storage, self.shape[::-1], self._steps[::-1], self._offset, self._writable),
                 doc="The transpose, without copying.")

    def tolist(self) -> List[Any]: return [row.tolist() for row in self] if len(self.shape) == 2 else list(self)
    def __repr__(self) -> str: return "Matrix(%r)" % (self.tolist(),)


def _wrap(address: Optional[int], kind: Any, shape: Tuple[int, ...], steps: Tuple[int, ...], owner: Any = None,
          writable: bool = True) -> Any:
    """An array of elements at an address, which keeps `owner` alive."""
    size, ends = c.sizeof(kind), [(n - 1) * step for n, step in zip(shape, steps)]
    low = 0 if 0 in shape else sum(min(0, end) for end in ends)
    count = 1 if 0 in shape else 1 + sum(map(abs, ends))
    storage = (kind * 1)() if address is None or 0 in shape else (kind * count).from_address(address + low * size)
    storage._owner = owner
    if isinstance(owner, _Object):
        for holder in [owner] + [kept for kept in owner._kept if isinstance(kept, _Object)]:
            holder._views[id(storage)] = storage
    if _np is None:
        return Matrix(storage, shape, steps, -low, writable)
    array = _np.ndarray(shape, kind, storage, -low * size, tuple(size * step for step in steps))
    array.flags.writeable = writable
    return array


def _view(keep: Any, address: int, shape: Sequence[int], steps: Sequence[int], precision: int) -> Any:
    """A falign_view, which keeps the owner of its numbers alive."""
    view = _View()
    c.Structure.__init__(view, address, *shape, *steps, precision)
    view._keep = keep
    return view


def _array(view: Any, owner: Any = None, writable: bool = True) -> Any:
    """The array that a falign_view describes."""
    return _wrap(view.data, _REALS[view.precision], (view.rows, view.cols), (view.row_step, view.col_step), owner,
                 writable)


def _new(rows: int, cols: int, precision: int = Precision.F64) -> Tuple[Any, Any]:
    """A new array, and the falign_matrix that writes to it."""
    storage = (_REALS[Precision(precision)] * max(1, rows * cols))()
    view = _view(storage, c.addressof(storage), (rows, cols), (cols, 1), precision)
    return _array(view, storage), view


def _new_row(count: int) -> Tuple[Any, Any]:
    """A new array of one dimension, and its address."""
    array, matrix = _new(1, count)
    return array[0], c.c_void_p(matrix.data)


def _in_place(data: Any) -> Any:
    """What keeps an array alive, its address, precision, shape and steps; None if the library cannot read it there."""
    interface = getattr(data, "__array_interface__", None)
    if interface is None:
        try:
            memory = memoryview(data)
        except TypeError:
            return None
        shape, strides, kind = memory.shape or (), memory.strides or (), memory.format.lstrip("@=<")
        if memory.readonly or not memory.c_contiguous or 0 in shape:
            return None
        data = (c.c_char * memory.nbytes).from_buffer(memory)
        address = c.addressof(data)
    else:
        if not isinstance(interface.get("data"), tuple):
            return None
        shape, strides, address = tuple(interface["shape"]), interface.get("strides"), interface["data"][0]
        kind = {"<f4": "f", "<f8": "d"}.get(interface["typestr"], "")
    precision = {"f": Precision.F32, "d": Precision.F64}.get(kind)
    if precision is None:
        return None
    size, steps = c.sizeof(_REALS[precision]), list(_row_major(shape))
    places = 1  # that the dimensions with smaller steps span
    for n, stride, i in sorted(zip(shape, strides or (), range(8)), key=lambda dimension: abs(dimension[1])):
        if n > 1:
            if stride % size or abs(stride) // size < places:  # unaligned, repeated or overlapping elements
                return None
            steps[i] = stride // size
            places += (n - 1) * abs(steps[i])
    return None if address % size else (data, address, precision, shape, tuple(steps))


def _copied(data: Any, precision: Precision) -> Any:
    """A contiguous copy of an array, or of lists."""
    if _np is not None and hasattr(data, "__array_interface__"):
        array = _np.asarray(data)
        if array.dtype.kind in "biuf":
            return _np.array(array, _REALS[precision], order="C")
    rows = data.tolist() if hasattr(data, "tolist") else data
    rows = [row.tolist() if hasattr(row, "tolist") else row for row in (rows if hasattr(rows, "__iter__") else [rows])]
    shape: Tuple[int, ...] = (len(rows),)
    if any(hasattr(row, "__iter__") for row in rows):
        rows = [list(row) if hasattr(row, "__iter__") else [] for row in rows]
        shape = len(rows), len(rows[0])
        for i, row in enumerate(rows):
            if len(row) != shape[1]:
                raise ShapeError("row %d has %d numbers, row 0 has %d" % (i, len(row), shape[1]))
        rows = list(itertools.chain.from_iterable(rows))
    return Matrix((_REALS[precision] * max(1, len(rows)))(*rows), shape, _row_major(shape))


def _given(data: Any, precision: Optional[Precision] = None, row: bool = False, contiguous: bool = False) -> Any:
    """The falign_view of a matrix that is passed to the library, or of a vector as a `row`; it is copied only if it is
    not in the precision that the library needs, or laid out in a way that the library cannot read."""
    place = _in_place(data)
    if place and contiguous and place[4] != _row_major(place[3]):
        place, precision = None, place[2]
    if not place or precision not in (None, place[2]):
        place = _in_place(_copied(data, precision or Precision.F64))
    keep, address, precision, shape, steps = place
    if row and len(shape) == 1:
        shape, steps = (1,) + shape, shape + steps
    if len(shape) != 2:
        raise ShapeError("wanted 2 dimensions, got the shape %s" % (shape,))
    return _view(keep, address, shape, steps, precision)


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


_ROWS = (Quantity.BIAS, Quantity.PARAMETERS, Quantity.DB, Quantity.DB_BP)  # may be given as vectors


def _shape(what: int, l: int, n: Sequence[int]) -> Tuple[int, int]:
    """The shape of a matrix of layer l in a network of widths n; anything for one that the library will refuse."""
    below, here, above = (n[i] if 0 <= i < len(n) else 1 for i in (l - 1, l, l + 1))
    return {Quantity.BIAS: (1, here), Quantity.C: (below, above), Quantity.DIRECT: (below, n[-1]),
            Quantity.Q: (above, here), Quantity.F_HAT: (n[-1], here), Quantity.F_PERP: (n[-1], here)}.get(
                what, (here, above))  # type: ignore[call-overload]  # W, DW, DW_APPLIED


# ---- Objects ----

class _Object:
    """Owns a reference to an object of the library; close(), `with` or garbage collection releases it."""
    _noun = ""
    _handle: Optional[int] = None
    _owned = False
    _user = 0  # the key in _live of an object that Python functions belong to

    def __init__(self, handle: Optional[int], owned: bool = True, *keep: Any):
        self._handle, self._owned, self._kept = handle, owned, list(keep)
        self._views: "weakref.WeakValueDictionary[int, Any]" = weakref.WeakValueDictionary()

    @classmethod
    def _made(cls, function: str, *arguments: Any) -> Any:
        self = cls.__new__(cls)
        self._make(function, *arguments)
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

    def _get(self, name: str, *arguments: Any) -> Any: return _run(self._noun + "_" + name, self, *arguments)

    def _struct(self, name: str, struct: str) -> Any:
        """The C struct that the object owns, for reading."""
        return STRUCTS[struct].from_address(self._get(name))

    def _numbers(self, name: str, *arguments: Any, kind: Any = c.c_double, count: int = 2) -> List[Any]:
        """The numbers that a function writes to its last arguments."""
        out = [kind() for _ in range(count)]
        self._do(name, *arguments, *map(c.byref, out))
        return [number.value for number in out]

    def _copy(self, name: str, *arguments: Any, shape: Tuple[int, int]) -> Any:
        """The matrix, in double precision, that a function writes to its last argument."""
        array, matrix = _new(*shape)
        self._do(name, *arguments, matrix)
        return array

    def _lent(self, name: str, *arguments: Any, writable: bool = False) -> Any:
        """The object's own matrix that a function views in its last argument."""
        view = _View()
        _check(self._get(name, *arguments, view), (), next(_time))  # no callbacks, unlike _do()
        return _array(view, self, writable)

    def close(self) -> None:
        """Releases the reference: now, or when the last view of the object is gone."""
        if self._handle is not None and self._views:
            self._release_after_views()
        handle, self._handle = self._handle, None
        if handle is not None and self._owned:
            getattr(_lib, "falign_%s_destroy" % self._noun)(c.c_void_p(handle))

    def _release_after_views(self) -> None:
        """Hands the reference to another object, which the views keep alive in place of this one."""
        heir = _Object(self._handle, self._owned, *self._kept)
        heir._noun = self._noun
        for storage in self._views.values():
            storage._owner = (storage._owner, heir)
        self._views, self._owned = weakref.WeakValueDictionary(), False

    def __enter__(self) -> Any: return self
    def __exit__(self, *_: Any) -> None: self.close()

    def __del__(self) -> None:
        try:
            self.close()
        except (AttributeError, TypeError):  # at the end of the interpreter
            pass


def _getter(name: str, convert: Callable[[Any], Any] = int, doc: Optional[str] = None) -> Any:
    return property(lambda self: convert(self._get(name)), doc=doc)


def _member(name: str, struct: str, member: str, doc: Optional[str] = None) -> Any:
    return property(lambda self: getattr(self._struct(name, struct), member), doc=doc)


class _Stored(_Object):
    """Base of objects that can be exported to tensors."""

    def export_to(self, tensors: "Tensors") -> None: self._do("export", tensors)
    def import_from(self, tensors: "Tensors") -> None: self._do("import", tensors)


class _Matrices(_Stored):
    """Base of objects that own matrices, each named by a quantity and a layer (matrix.h)."""

    def view(self, what: Quantity, l: int) -> Any:
        """The matrix itself, read-only."""
        return self._lent("view", what, l)

    def edit(self, what: Quantity, l: int) -> Any:
        """The matrix itself, to read and write."""
        return self._lent("edit", what, l, writable=True)

    def get(self, what: Quantity, l: int) -> Any:
        """A copy, in double precision."""
        return self._copy("get", what, l, shape=self.view(what, l).shape)

    def set(self, what: Quantity, l: int, values: Any) -> None:
        self._do("set", what, l, _given(values, row=what in _ROWS))


_live: Dict[int, Any] = {}  # what a table's functions use, until the library calls its `destroy`
_keys = itertools.count(1)
_released = c.CFUNCTYPE(None, c.c_void_p)(lambda user: _live.pop(user, None) and None)


def _thunk(codes: str, function: Callable[..., Any], failed: Optional[int] = None) -> Any:
    """A C function that calls a Python one. It returns a status, or with `failed` that number after an exception."""
    def guarded(*arguments: Any) -> Any:
        try:
            if codes[0] != "v":  # one without a result must write something first, as it cannot report a failure
                _raise_interrupt()
            result = function(*arguments)
            if result is not None and type(result) not in (int, Status):
                raise TypeError("a callback returns None or a Status, not %s" % type(result).__name__)
            return (Status.OK if result is None else int(result)) if codes[0] != "v" else None
        except BaseException as error:  # noqa: B902, the call that ran this raises it again
            status = _keep_exception(error, says=failed is None)
            return None if codes[0] == "v" else (status if failed is None else failed)
    return c.CFUNCTYPE(_KINDS[codes[0]], *[_KINDS[k] for k in codes[1:]])(guarded)


def _progress(function: Optional[Callable[[int, int], Any]]) -> Any:
    return function and _thunk("ipLL", lambda _user, done, total: int(bool(function(done, total))), 1)


def _custom(made: Any, create: str, name: str, entries: Dict[str, Any], *after: Any) -> None:
    """Makes an object of a table of functions, of which `entries` holds those that there are."""
    kind = STRUCTS[made._noun + "_table"]
    entries = {**entries, "size": c.sizeof(kind), "name": name, "destroy": _released}
    table = kind(*(entries.get(entry, None if member is c.c_void_p else 0) for entry, member in kind._fields_))
    user = next(_keys)
    _live[user] = [entries]
    try:
        made._make(create, table, c.c_void_p(user), *after)
        made._user = user
    except BaseException:
        _live.pop(user, None)
        raise


def _unowned(own: Any, name: str) -> Any:
    """A function of an object, for the library to hold; None if there is none. It does not keep an object alive whose
    method or attribute it is, which would then never be collected: Python objects that use the object must do that."""
    function = getattr(own, name, None)
    if function is None or name not in vars(own) and getattr(function, "__self__", None) is not own:
        return function
    weak = weakref.ref(own)

    def call(*arguments: Any) -> Any:
        held = weak()
        if held is None:
            raise ReferenceError("the object of %s() is gone" % name)
        return getattr(held, name)(*arguments)
    return call


def _borrow(cls: Any, handle: Optional[int], *keep: Any) -> Any:
    if handle is None:
        return None
    self = cls.__new__(cls)
    _Object.__init__(self, handle, False, *keep)
    return self


class Activation(_Object):
    """The function of a layer's units: Activation("relu"), or Activation(name, f, df) with df(z) = f'(z). Both take an
    array of z and return as many numbers."""
    _noun = "activation"

    def __init__(self, name: str, f: Optional[Callable[[Any], Any]] = None,
                 df: Optional[Callable[[Any], Any]] = None):
        if f is None and df is None:
            self._make("activation_create", name)
            return
        self.f, self.df = f, df
        entries = {entry: self._map(_unowned(self, entry)) for entry in ("f", "df") if getattr(self, entry) is not None}
        _custom(self, "activation_create_custom", name, entries)

    @staticmethod
    def _map(function: Callable[[Any], Any]) -> Any:
        def run(_user: Any, z: int, out: int, count: int) -> None:
            to = (c.c_double * count).from_address(out)
            to[:] = [float("nan")] * count  # what an exception leaves
            _raise_interrupt()
            to[:] = [float(y) for y in function(_wrap(z, c.c_double, (count,), (1,), writable=False))]
        return _thunk("vpppz", run, 0)

    name = _getter("name", bytes.decode)


class Network(_Matrices):
    """Widths n[0..d], weights W[l] (n[l] x n[l+1], l = 0..d-1) and biases b[l] (l = 1..d); section 2.1.

    Its matrices are Quantity.W, BIAS and PARAMETERS."""
    _noun = "network"

    def __init__(self, widths: Sequence[int], precision: Precision = Precision.F32, biases: bool = True,
                 activation: Optional[Activation] = None):
        values, count = _integers(c.c_size_t, widths)
        self._make("network_create", precision, max(0, count - 1), values, int(biases))
        for l in range(1, count if activation is not None else 0):
            self.set_activation(l, activation)  # type: ignore[arg-type]

    precision = _getter("precision", Precision)
    layers = _getter("layers", int, "d.")
    has_biases = _getter("has_biases", bool)
    parameters = _getter("parameters", int, "The number of all weights and biases.")
    widths = property(lambda self: tuple(self._get("width", l) for l in range(self.layers + 1)), doc="n[0..d].")

    def activation(self, l: int) -> Optional[Activation]:
        """That of layer l = 1..d; None for another l."""
        return _borrow(Activation, self._get("activation", l), self)  # type: ignore[no-any-return]

    def set_activation(self, l: int, activation: Activation) -> None:
        self._do("set_activation", l, activation)
        (self._kept if self._owned else _live.get(activation._user, [])).append(activation)

    def draw(self, sd_w: float, sd_b: float = 0.0, seed: int = 1, run: int = 0) -> "Network":
        """Draws W from N(0, sd_w), b from N(0, sd_b)."""
        self._do("draw", sd_w, sd_b, seed, run)
        return self

    def weights(self, l: int) -> Any:
        """W[l] itself, to read and write."""
        return self.edit(Quantity.W, l)

    def bias(self, l: int) -> Any:
        """b[l] itself, to read and write."""
        return self.edit(Quantity.BIAS, l)[0]


class Rule(_Matrices):
    """How the error travels back: Rule("fa", network), or a subclass with signal(rule, network, trace, l, out), which
    writes the signal that reaches layer l, before f', to out (rows x n[l]).

    A subclass sets `name`, `feedback` and `needs_activity`, and may have adapt(rule, network, trace), save(tensors) and
    load(tensors). Its signal() is never called from several threads at once, since they would only wait for each other.
    Its matrices are Quantity.FEEDBACK, B[l] or F[l]."""
    _noun = "rule"
    name = "custom"
    feedback = Feedback.FEEDBACK_NONE
    needs_activity = False
    _widths: Tuple[int, ...] = ()

    def __init__(self, kind: Optional[str], network: Network):
        if not isinstance(network, Network):
            raise TypeError("a rule is made of a name and a Network, got %r and %r" % (kind, network))
        self._widths = network.widths
        if kind is not None:
            self._make("rule_create", kind, network)
            self.name, self.feedback = kind, Feedback(self._get("feedback"))
            return
        entries = _rule_entries(*(_unowned(self, name) for name in ("signal", "adapt", "save", "load")))
        entries.update(feedback=int(self.feedback), needs_activity=int(self.needs_activity))
        _custom(self, "rule_create_custom", self.name, entries, network)

    @staticmethod
    def _borrowed(handle: int, network: Network) -> "Rule":
        self: Rule = _borrow(Rule, handle)
        self._widths, self.name = network.widths, self._get("name").decode()
        self.feedback = Feedback(self._get("feedback"))
        return self

    def draw(self, sd: float, seed: int = 1, run: int = 0) -> "Rule":
        """Draws B or F from N(0, sd)."""
        self._do("draw", sd, seed, run)
        return self

    def normalize_columns(self, gamma: float) -> None: self._do("normalize_columns", gamma)

    def matrix(self, l: int) -> Any:
        """B[l] or F[l] itself, to read and write."""
        return self.edit(Quantity.FEEDBACK, l)


def _rule_entries(signal: Any, adapt: Any, save: Any, load: Any) -> Dict[str, Any]:
    def run_signal(_user: Any, rule: int, network: int, trace: int, l: int, out: int) -> Any:
        net = _borrow(Network, network)
        return signal(Rule._borrowed(rule, net), net, _borrow(Trace, trace), l, _array(_View.from_address(out)))

    def run_adapt(_user: Any, rule: int, network: int, trace: int) -> Any:
        net = _borrow(Network, network)
        return adapt(Rule._borrowed(rule, net), net, _borrow(Trace, trace))
    return {"signal": _thunk("ippppIp", run_signal),
            "adapt": adapt and _thunk("ipppp", run_adapt),
            "save": save and _thunk("ipp", lambda _u, tensors: save(_borrow(Tensors, tensors))),
            "load": load and _thunk("ipp", lambda _u, tensors: load(_borrow(Tensors, tensors)))}


class Trace(_Object):
    """One step, or a block of its rows. A trainer's trace, and views of it, are valid until the next step, probe or
    evaluation, or until the callback that received it returns.

    Trace(network, iteration, rows, eta) is one of a step that another program made; set() fills it."""
    _noun = "trace"

    def __init__(self, network: Network, iteration: int, rows: int, eta: float, loss: float = float("nan"),
                 backend: Optional["Backend"] = None):
        step = STRUCTS["step"](iteration, rows, 0, eta, loss, 0, _Reference("backend").from_param(backend))
        self._make("trace_create", network, step, keep=[network._kept])

    def set(self, what: Quantity, l: int, values: Any) -> None:
        self._do("set", what, l, _given(values, row=what in _ROWS))

    def view(self, what: Quantity, l: int) -> Any:
        """The matrix itself, read-only: Quantity.L to DB_BP."""
        return self._lent("view", what, l)

    iteration = _member("step", "step", "iteration")
    rows = _member("step", "step", "rows")
    first_row = _member("step", "step", "first_row")
    eta = _member("step", "step", "eta")
    loss = _member("step", "step", "loss")
    precision = property(lambda self: Precision(self._struct("step", "step").precision))
    backend = property(lambda self: _borrow(Backend, self._struct("step", "step").backend, self))


class Norm(_Object):
    """A normalization: Norm("columns" or "matrices", gamma), Norm(), or a subclass with scale(network, l)."""
    _noun = "norm"
    name = "custom"

    def __init__(self, kind: str = "none", gamma: Any = ()):
        apply: Any = _unowned(self, "scale")
        if apply is None:
            self._make("norm_create", kind, *_doubles(gamma))
        else:
            entries = {"apply": _thunk("ippI", lambda _u, n, l: apply(_borrow(Network, n), l))}
            _custom(self, "norm_create_custom", self.name, entries)

    def match_feedback(self, on: bool = True) -> None: self._do("match_feedback", int(on))
    def apply(self, network: Network, rule: Optional[Rule] = None) -> None: self._do("apply", network, rule)


class Backend(_Object):
    """A backend: Backend("auto"), or Backend(name, gemm=f) with f(A, B) = the product of two arrays."""
    _noun = "backend"

    def __init__(self, name: str = "auto", gemm: Optional[Callable[[Any, Any], Any]] = None):
        if gemm is None:
            self._make("backend_create", name)
            return
        entries = {"sgemm": _thunk("ipiizzzfpzpzfpz", self._product(gemm, c.c_float)),
                   "dgemm": _thunk("ipiizzzdpzpzdpz", self._product(gemm, c.c_double))}
        _custom(self, "backend_create_custom", name, entries)

    @staticmethod
    def _product(gemm: Callable[[Any, Any], Any], kind: Any) -> Callable[..., None]:
        def run(_user: Any, ta: int, tb: int, m: int, n: int, k: int, alpha: float, a: int, lda: int, b: int, ldb: int,
                beta: float, out: int, ldc: int) -> None:
            product = gemm(_wrap(a, kind, (m, k), (1, lda) if ta else (lda, 1), writable=False),
                           _wrap(b, kind, (k, n), (1, ldb) if tb else (ldb, 1), writable=False))
            to = _wrap(out, kind, (m, n), (ldc, 1))
            if _np is not None:
                to[...] = alpha * _np.reshape(product, (m, n)) + (beta * to if beta else 0)
                return
            for i in range(m):
                for j in range(n):
                    to[i, j] = alpha * product[i][j] + (beta * to[i, j] if beta else 0)
        return run

    @staticmethod
    def names() -> List[str]: return _listed(_lib.falign_backend_name_at)

    name = _getter("name", bytes.decode)
    detail = _getter("detail", bytes.decode)
    own_threads = _getter("own_threads")

    def product(self, a: Any, b: Any, alpha: float = 1.0) -> Any:
        """alpha A B, in the precision of A; pass a.T for the transpose."""
        x = _given(a)
        y = _given(b, x.precision)
        array, matrix = _new(x.rows, y.cols, x.precision)
        self._do("gemm", alpha, x, y, 0.0, matrix)
        return array


class Value(NamedTuple):
    """A measured value; iteration, layer and order are -1 where they do not apply."""
    iteration: int
    name: str
    layer: int
    order: int
    value: float


def _value_of(struct: Any) -> Value:
    return Value(struct.iteration, struct.name.decode(), struct.layer, struct.order, struct.value)


class Metric(_Object):
    """A metric: Metric("angle_w_b"), or a subclass with measure(trainer, trace, emit).

    measure() calls emit(value, layer, order, name) for each value; all but the value may be left out. A subclass sets
    `needs`, and may have look(trainer, trace), which sees every step, whether the metric is due or not."""
    _noun = "metric"
    needs = Needs(0)

    def __init__(self, name: str):
        measure, look = _unowned(self, "measure"), _unowned(self, "look")
        if measure is None:
            self._make("metric_create", name)
            return

        def run(_user: Any, trainer: int, trace: Optional[int], emit: int, emit_user: int) -> Any:
            send = c.CFUNCTYPE(c.c_int32, *[_KINDS[k] for k in "pp"])(emit)
            seen: Trainer = _borrow(Trainer, trainer)

            def one(value: float, layer: int = -1, order: int = -1, name: str = name) -> None:
                _checked(send, emit_user, STRUCTS["value"](seen.iteration, name, layer, order, value))
            return measure(seen, _borrow(Trace, trace), one)
        _custom(self, "metric_create_custom", name, {
            "needs": int(self.needs), "measure": _thunk("ippppp", run),
            "look": look and _thunk("ippp", lambda _u, seen, step: look(_borrow(Trainer, seen), _borrow(Trace, step)))})

    @staticmethod
    def names() -> Dict[str, str]:
        """The built-in metrics' names, each with a description of one line."""
        return dict(zip(_listed(_lib.falign_metric_name_at), _listed(_lib.falign_metric_description_at)))

    @staticmethod
    def test_error(batches: "Batches") -> "Metric": return Metric._made("metric_create_test_error", batches)

    @staticmethod
    def autocorrelation(lags: Sequence[int]) -> "Metric":
        return Metric._made("metric_create_autocorrelation", *_integers(c.c_uint64, lags))

    @staticmethod
    def terms(orders: Optional[Sequence[int]] = None) -> "Metric":
        """Angles and norms of the alignment terms: of the given orders one by one, or of all (terms.h)."""
        return Metric._made("metric_create_terms", *_integers(c.c_uint64, orders))

    @staticmethod
    def similarity(batches: "Batches", lag: int) -> "Metric":
        return Metric._made("metric_create_similarity", batches, lag)

    def _make(self, function: str, *arguments: Any, keep: Sequence[Any] = ()) -> None:
        super()._make(function, *arguments, keep=keep)
        self.needs = Needs(self._get("needs"))

    name = _getter("name", bytes.decode)


class Dataset(_Object):
    """Data points with labels or targets."""
    _noun = "dataset"

    def __init__(self, x: Any, labels: Optional[Sequence[int]] = None, categories: int = 0, targets: Any = None):
        given = _given(x)
        if targets is not None:
            self._make("dataset_create_regression", given, _given(targets))
            return
        values, count = _integers(c.c_uint32, labels)
        if labels is not None and count != given.rows:
            raise ShapeError("%d points have %d labels" % (given.rows, count))
        self._make("dataset_create", given, values, categories)

    @staticmethod
    def synthetic(points: int, width: int, categories: int, within: float, between: float, part: Part = Part.TRAIN,
                  seed: int = 1) -> "Dataset":
        settings = STRUCTS["synthetic"](points, width, categories, within, between)
        return Dataset._made("dataset_create_synthetic", settings, part, seed)

    @staticmethod
    def mnist(directory: Any, part: Part = Part.TRAIN, image_size: int = 0) -> "Dataset":
        return Dataset._made("dataset_read_mnist", os.fsencode(directory), part, image_size)

    @staticmethod
    def idx(images: Any, labels: Any, image_size: int = 0, categories: int = 10) -> "Dataset":
        return Dataset._made("dataset_read_idx", os.fsencode(images), os.fsencode(labels), image_size, categories)

    points = _member("get_shape", "dataset_shape", "points")
    width = _member("get_shape", "dataset_shape", "width")
    target_width = _member("get_shape", "dataset_shape", "target_width")
    categories = _member("get_shape", "dataset_shape", "categories")
    fingerprint = _getter("fingerprint")

    @property
    def labels(self) -> Any:
        address = self._struct("get_shape", "dataset_shape").labels
        return None if address is None else _wrap(address, c.c_uint32, (self.points,), (1,), self, False)

    def get(self, first: int = 0, count: Optional[int] = None) -> Any:
        """A copy of the inputs of `count` points."""
        count = self.points - first if count is None else count
        return self._copy("get", first, shape=(count, self.width))

    def __len__(self) -> int: return int(self.points)


class Code(_Object):
    """The desired output of each category (section 4.4)."""
    _noun = "code"

    def __init__(self, rows: Any):
        self._make("code_create", _given(rows))

    @staticmethod
    def n_hot(categories: int, width: int, hot: int, seed: int = 1, run: int = 0) -> "Code":
        return Code._made("code_create_n_hot", categories, width, hot, seed, run)

    @staticmethod
    def import_from(tensors: "Tensors") -> "Code": return Code._made("code_import", tensors)

    def export_to(self, tensors: "Tensors", precision: Precision = Precision.F64) -> None:
        self._do("export", precision, tensors)

    matrix = property(lambda self: self._lent("view"), doc="The code itself, a row for each category; read-only.")
    categories = property(lambda self: int(self.matrix.shape[0]))
    width = property(lambda self: int(self.matrix.shape[1]))

    def decode(self, y: Any) -> List[int]:
        """The category of each row of outputs."""
        given = _given(y)
        out = (c.c_uint32 * max(1, given.rows))()
        self._do("decode", given, out)
        return list(out)[:given.rows]


class Batches(_Object):
    """A dataset as one run sees it."""
    _noun = "batches"

    def __init__(self, dataset: Dataset, code: Optional[Code] = None, size: int = 100):
        self._make("batches_create", dataset, code, size)

    def set_smoothing(self, s: float) -> None: self._do("set_smoothing", s)
    def set_order(self, order: Order, seed: int = 1, run: int = 0) -> None: self._do("set_order", order, seed, run)

    def shuffle_labels(self, fraction: float, seed: int = 1, run: int = 0) -> None:
        self._do("shuffle_labels", fraction, seed, run)

    points = _member("get_shape", "batches_shape", "points")
    size = _member("get_shape", "batches_shape", "size")
    input_width = _member("get_shape", "batches_shape", "input_width")
    target_width = _member("get_shape", "batches_shape", "target_width")

    def rows(self, k: int) -> int:
        """The number of points in the batch of iteration k."""
        return int(self._get("rows", k))

    def __len__(self) -> int: return int(self._struct("get_shape", "batches_shape").count)

    def get(self, k: int) -> Tuple[Any, Any]:
        """Inputs and targets of the batch of iteration k."""
        (x, inputs), (y, targets) = (_new(self.rows(k), n) for n in (self.input_width, self.target_width))
        self._do("get", k, inputs, targets)
        return x, y

    def points_of(self, k: int, labels: bool = True) -> Tuple[List[int], Optional[List[int]]]:
        """The dataset's points in the batch of iteration k, and the labels that the batch gives them."""
        rows = self.rows(k)
        points, given = (c.c_uint32 * rows)(), (c.c_uint32 * rows)() if labels else None
        self._do("points_of", k, points, given, rows)
        return list(points), None if given is None else list(given)

    @property
    def code(self) -> Optional[Code]:
        """A copy, or None."""
        own: Optional[Code] = _borrow(Code, self._get("code"))
        return None if own is None else Code(own.matrix)

    def __iter__(self) -> Iterator[Tuple[Any, Any]]: return (self.get(k) for k in range(len(self)))
    def export_to(self, tensors: "Tensors", k: int) -> None: self._do("export", k, tensors)
    def import_from(self, tensors: "Tensors", k: int) -> None: self._do("import", k, tensors)


class Tensors(_Object):
    """Named arrays and notes: tensors["W.0"], and safetensors files."""
    _noun = "tensors"

    def __init__(self) -> None: self._make("tensors_create")

    @staticmethod
    def read(path: Any) -> "Tensors": return Tensors._made("tensors_read", os.fsencode(path))

    def write(self, path: Any) -> None: self._do("write", os.fsencode(path))
    def __len__(self) -> int: return int(self._get("count"))
    def __iter__(self) -> Iterator[str]: return (self._get("name_at", i).decode() for i in range(len(self)))
    def __contains__(self, name: str) -> bool: return bool(self._get("has", name))
    def set_note(self, name: str, text: str) -> None: self._do("set_note", name, text)

    def add(self, name: str, data: Any) -> None:
        """Copies a matrix of reals."""
        given = _given(data, contiguous=True)
        self._do("add", name, given.precision, (c.c_size_t * 2)(given.rows, given.cols), 2, c.c_void_p(given.data))

    def __getitem__(self, name: str) -> Any:
        """The tensor itself, of at most two dimensions; read-only."""
        if name not in self:
            raise KeyError(name)
        tensor = STRUCTS["tensor"]()
        self._do("view", name, tensor)
        shape = tuple((c.c_size_t * tensor.rank).from_address(tensor.dims)) if tensor.rank else (1,)
        if len(shape) > 2:
            raise UnsupportedError("%s has %d dimensions" % (name, len(shape)))
        kind = (c.c_float, c.c_double, c.c_int64, c.c_uint8)[tensor.dtype - 1]
        return _wrap(tensor.data, kind, shape, _row_major(shape), self, False)

    def note(self, name: str) -> Optional[str]:
        text = self._get("note", name)
        return None if text is None else text.decode()


class History(_Object):
    """The past steps of a run: W[l], dW[l] (n[l] x n[l+1]) and b[l], and what Keep names. Set it with
    Trainer.set_history() before the first step, or record() traces of steps that another program made."""
    _noun = "history"

    def __init__(self, network: Network, keep: Keep = Keep(0), window: int = 0):
        self._make("history_create", network, keep=[network._kept])
        self._widths = network.widths
        self._do("keep", int(keep))
        self._do("set_window", window)

    def set_limit(self, size: int, directory: Any = None) -> None:
        self._do("set_limit", size, None if directory is None else os.fsencode(directory))

    def bytes(self, steps: int) -> int:
        """The memory in bytes that a run of so many steps takes."""
        return int(self._numbers("bytes", steps, kind=c.c_uint64, count=1)[0])

    used = property(lambda self: tuple(self._numbers("used", kind=c.c_uint64)), doc="Bytes in memory and in the file.")
    range = property(lambda self: range(*self._numbers("range", kind=c.c_uint64)), doc="The iterations that it holds.")

    def clear(self) -> None: self._get("clear")

    def record(self, trace: Trace) -> None:
        """Adds a step that another program made, before it changes the weights."""
        self._do("record", trace)

    def get(self, k: int, what: Quantity, l: int) -> Any:
        """A copy of a matrix of step k."""
        return self._copy("get", k, what, l, shape=_shape(what, l, self._widths))


class Trainer(_Stored):
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
        return own if own is not None and own._handle else Rule._borrowed(self._get("rule"), self.network)

    backend = property(lambda self: _borrow(Backend, self._get("backend"), self))

    def start_norm(self, l: int) -> float:
        """||W[l]||_F before the first update."""
        return float(self._get("start_norm", l))

    iteration = _getter("iteration")
    eta = property(lambda self: float(self._get("eta")), lambda self, eta: self._do("set_eta", eta))
    threads = _getter("threads")

    def set_norm(self, norm: Optional[Norm]) -> None:
        self._do("set_norm", norm)
        self._norm = norm

    def set_backend(self, backend: Backend) -> None: self._do("set_backend", backend)
    def set_threads(self, threads: int) -> None: self._do("set_threads", threads)
    def keep(self, needs: Needs) -> None: self._do("keep", int(needs))
    def measure(self) -> None: self._do("measure")
    def cancel(self) -> None: self._get("cancel")

    def set_history(self, history: Optional[History]) -> None:
        self._do("set_history", history)
        self._kept.append(history)

    def set_progress(self, progress: Optional[Callable[[int, int], Any]]) -> None:
        """Calls progress(iteration, until) after each update of a run; a true result cancels the run."""
        self._kept.append(_progress(progress))
        self._get("set_progress", self._kept[-1], None)

    def observe(self, metric: Union[Metric, str], every: int = 1, at: Optional[Sequence[int]] = None,
                callback: Optional[Callable[[Value], Any]] = None) -> List[Value]:
        """Measures before updates; values go to `callback`, or into the list that is returned."""
        metric = Metric(metric) if isinstance(metric, str) else metric
        values: List[Value] = []
        sink = values.append if callback is None else callback

        def receive(_user: Any, value: int) -> None:
            sink(_value_of(STRUCTS["value"].from_address(value)))
        thunk, due = _thunk("ipp", receive), (every,) if at is None else _integers(c.c_uint64, at)
        self._do("observe" if at is None else "observe_at", metric, *due, thunk, None)
        self._kept.append(thunk)
        self._metrics.append(metric)
        return values

    def _feed(self, call: str, x: Any, y: Any) -> Trace:
        precision = self.network.precision
        self._do(call, _given(x, precision), _given(y, precision))
        return self.trace  # type: ignore[return-value]

    def step(self, x: Any, y: Any) -> Trace:
        """Makes one update on inputs x (rows x n[0]) with targets y (rows x n[d])."""
        return self._feed("step", x, y)

    def impose(self, x: Any, delta: Any) -> Trace:
        """Makes one update with L[0] = x and delta[d] = delta as given (Fig. 1B)."""
        return self._feed("impose", x, delta)

    def probe(self, x: Any, y: Any) -> Trace:
        """Computes everything of a step, and learns nothing."""
        return self._feed("probe", x, y)

    @property
    def trace(self) -> Optional[Trace]:
        """The last step or probe."""
        return _borrow(Trace, self._get("trace"), self)  # type: ignore[no-any-return]

    def run(self, batches: Batches, until: int) -> None:
        """Makes updates until `iteration` is `until`."""
        self._do("run", batches, until)

    def forward(self, x: Any) -> Any:
        """L[d] for inputs x."""
        network = self.network
        given = _given(x, network.precision)
        array, matrix = _new(given.rows, network.widths[-1], network.precision)
        self._do("forward", given, matrix)
        return array

    def evaluate(self, batches: Batches) -> Tuple[float, float]:
        """Loss, and the share of wrongly decoded points (NaN without a code)."""
        return tuple(self._numbers("evaluate", batches))  # type: ignore[return-value]


class Rng(_Object):
    """A random stream (seed, purpose, layer, run)."""
    _noun = "rng"

    def __init__(self, seed: int, purpose: int = Purpose.RNG_USER, layer: int = 0, run: int = 0):
        self._make("rng_create", seed, purpose, layer, run)

    position = property(lambda self: int(self._get("position")), lambda self, p: self._get("seek", p))

    def normal(self, count: int, sd: float = 1.0) -> Any: return self._copy("normal", sd, shape=(1, count))[0]

    def block(self) -> Tuple[int, ...]:
        """The next 128 random bits, as four words."""
        words = (c.c_uint32 * 4)()
        self._get("block", words)
        return tuple(words)

    def uniform(self) -> float: return float(self._get("uniform"))
    def below(self, bound: int) -> int: return int(self._get("below", bound))

    def permutation(self, count: int) -> List[int]:
        out = (c.c_uint32 * max(1, count))()
        self._get("permutation", out, count)
        return list(out)[:count]


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


Row = NamedTuple("Row", [("condition", Optional[str]), ("run", int), ("epoch", float), ("value", Value)])
Row.__doc__ = """A row of a table; an empty run is -1, an empty epoch NaN."""


class Table(_Stored):
    """Measured values, written as CSV."""
    _noun = "table"

    def __init__(self, precision: Precision = Precision.F64, condition: Optional[str] = None):
        self._make("table_create", precision, condition)

    def add(self, value: Value, epoch: float = float("nan")) -> None: self._do("add", STRUCTS["value"](*value), epoch)
    def set_run(self, run: int) -> None: self._get("set_run", run)
    def set_condition(self, value: str) -> None: self._do("set_condition", value)
    def append(self, other: "Table") -> None: self._do("append", other)
    def write(self, path: Any) -> None: self._do("write", os.fsencode(path))
    def __len__(self) -> int: return int(self._get("rows"))

    def __getitem__(self, i: int) -> Row:
        if not 0 <= i < len(self):
            raise IndexError(i)
        row = STRUCTS["row"]()
        self._do("row", i, row)
        return Row(row.condition and row.condition.decode(), row.run, row.epoch, _value_of(row.value))

    def write_descriptor(self, descriptor: int) -> None:
        """As write(), to an open file, such as 1 for standard output."""
        self._do("write_descriptor", descriptor)

    def write_summary(self, path: Any) -> None:
        """Mean, standard deviation and n over the runs."""
        self._do("write_summary", os.fsencode(path))


# ---- Analysis ----

Alike = NamedTuple("Alike", [("angle", float), ("cosine", float), ("inner", float)])
Alike.__doc__ = """Angle in degrees (eq. 24), cosine (eq. 25) and inner product."""
Compared = NamedTuple("Compared", [("angle", float), ("norm", float), ("ratio", float)])
Compared.__doc__ = """The angle in degrees (eq. 24), ||t||_F, and ||t||_F / ||dW[l]||_F."""
Sums = NamedTuple("Sums", [("count", int), ("s_l", float), ("s_delta", float), ("s_product", float)])
Sums.__doc__ = """The number of pairs in a group, and their sums of S_L, of S_delta and of S_delta S_L (eq. 12)."""


def compare(a: Any, b: Any) -> Alike:
    """How alike two matrices of one shape are; pass b.T for the transpose."""
    out = [c.c_double() for _ in range(3)]
    _call("angle", _given(a), _given(b), *map(c.byref, out))
    return Alike(*(o.value for o in out))


def angle(a: Any, b: Any) -> float:
    """The angle of two matrices in degrees (eq. 24)."""
    return compare(a, b).angle


def frobenius(a: Any) -> float:
    """The Frobenius norm."""
    return float(_lib.falign_frobenius(_given(a)))


def row_norms(a: Any) -> Any:
    """The norm of each row, such as each data point's |delta[l]| (Fig. S5C)."""
    given = _given(a)
    array, norms = _new_row(given.rows)
    _call("row_norms", given, norms)
    return array


class _Terms(_Object):
    """Terms of the steps that a history holds, each of the shape of W[l]."""

    def __init__(self, history: History, create: str, *arguments: Any):
        self._make(create, *arguments, keep=[history._kept])
        self._widths = history._widths

    def set_threads(self, threads: int) -> None: self._do("set_threads", threads)

    def _one(self, name: str, *arguments: Any, l: int) -> Any:
        return self._copy(name, *arguments, shape=_shape(Quantity.W, l, self._widths))

    def _many(self, *arguments: Any, l: int, orders: Sequence[int], degree: int = 1) -> List[Any]:
        (rows, cols), (values, count) = _shape(Quantity.W, l, self._widths), _integers(c.c_uint64, orders)
        stacked = self._copy("get", *arguments, l, STRUCTS["orders"](values, count, degree), shape=(count * rows, cols))
        return [stacked[i * rows:(i + 1) * rows] for i in range(count)]


class Terms(_Terms):
    """Alignment terms of a step that the history holds, l = 1..d-1; each has the shape of W[l], n[l] x n[l+1].

    dW[l][k] = orders 1..k + zero(k) + remainder (eq. 3), with T_l^o = eta {f'(zeta^o) .* (L[l-1][k] dW[l-1][k-o])}^T
    delta[l+1][k] and zeta^o = L[l-1][k] W[l-1][k-o] + b[l][k] (eq. 4). The trace must have the batch's activity
    (Trainer.keep(NEEDS_ACTIVITY)); linear terms (eq. 5) need Keep.KEEP_C, or KEEP_DIRECT under DFA (eq. 8)."""
    _noun = "terms"

    def __init__(self, history: History, rule: Rule, threads: int = 1):
        super().__init__(history, "terms_create", history, rule)
        self.set_threads(threads)

    def get(self, trace: Trace, l: int, orders: Sequence[int], kind: Term = Term.TERM, degree: int = 1) -> List[Any]:
        """The terms of single orders."""
        return self._many(trace, kind, l=l, orders=orders, degree=degree)

    def sum(self, trace: Trace, l: int, orders: Optional[Sequence[int]] = None, kind: Term = Term.TERM,
            degree: int = 1) -> Any:
        """The sum over the given orders, or over all."""
        return self._one("sum", trace, kind, l, STRUCTS["orders"](*_integers(c.c_uint64, orders), degree), l=l)

    def zero(self, trace: Trace, l: int, order: int) -> Any:
        """The zero-degree term of the expansion up to an order."""
        return self._one("zero", trace, l, order, l=l)

    def remainder(self, trace: Trace, l: int, degree: int = 1) -> Any:
        """R_l (eq. 11)."""
        return self._one("remainder", trace, l, degree, l=l)

    def compare(self, trace: Trace, l: int, t: Any) -> Compared:
        """Compares a matrix of the shape of W[l] with what W[l] aligns with: B[l]^T, or Q[l]^T (eq. 7)."""
        out = STRUCTS["comparison"]()
        self._do("compare", trace, l, _given(t), out)
        return Compared(out.angle, out.norm, out.ratio)


class Similarity(_Object):
    """How alike the outputs L[l-1] (rows x l_width) and the error signals delta[l+1] (rows x delta_width) of data
    points of two iterations are: S_L = L[k-o] L[k]^T, S_delta = delta[k-o] delta[k]^T (eq. 12, Figs. S4, S5)."""
    _noun = "similarity"

    def __init__(self, l_width: int, delta_width: int, categories: int, precision: Precision = Precision.F64):
        self._make("similarity_create", precision, l_width, delta_width, categories)

    def set_side(self, side: Side, l: Any, delta: Any, labels: Sequence[int]) -> None:
        x, (values, count) = _given(l), _integers(c.c_uint32, labels)
        if x.rows != count:
            raise ShapeError("%d points have %d labels" % (x.rows, count))
        self._do("set_side", side, x, _given(delta), values)

    def classify(self, side: Side, errors: Any, share: float = 0.6) -> None:
        """Makes the share of the points with the smallest errors well classified."""
        values, count = _doubles(errors)
        self._do("classify", side, values, count, share)

    def sums(self, pairs: Pairs) -> Sums:
        out = STRUCTS["pair_sums"]()
        self._do("sums", pairs, out)
        return Sums(out.count, out.s_l, out.s_delta, out.s_product)

    def histogram(self, quantity: SimilarityOf, low: float, high: float, bins: int,
                  threads: int = 1) -> Dict[Pairs, List[int]]:
        """Counts the pairs below `low`, in each bin, and from `high` on, by group: within or between, well or poor."""
        if not 0 < bins < 1 << 32:
            raise InvalidError("%d bins: want 1 to 2^32 - 1" % bins)
        counts = (c.c_uint64 * (4 * (bins + 2)))()
        self._do("histogram", quantity, STRUCTS["bins"](low, high, bins), threads, counts)
        return {Pairs(Pairs.PAIRS_WITHIN_WELL + g): list(counts[g * (bins + 2):(g + 1) * (bins + 2)])
                for g in range(4)}


class Decomposition(_Object):
    """F[l] = F_hat[l] + F_perp[l] (n[d] x n[l]; eq. 7) of a rule with direct feedback, F_hat[l] = Q[d-1] ... Q[l] with
    Q[l] of n[l+1] x n[l]."""
    _noun = "decomposition"

    def __init__(self, rule: Rule):
        self._make("decomposition_create", rule)
        self._widths = rule._widths

    def get(self, what: Quantity, l: int) -> Any:
        """A copy of Quantity.Q, F_HAT or F_PERP of layer l."""
        return self._copy("get", what, l, shape=_shape(what, l, self._widths))

    def share(self, l: int) -> float:
        """||F_perp[l]||_F / ||F[l]||_F."""
        return float(self._get("share", l))


class Transformation(_Object):
    """M_l^o[k] of a history, or Transformation(matrix) of any square matrix."""
    _noun = "transformation"

    def __init__(self, source: Any, k: int = 0, order: int = 0, l: int = 0):
        if isinstance(source, History):
            self._make("transformation_create", source, k, order, l)
        else:
            self._make("transformation_create_of", _given(source))

    size = _getter("size")
    trace = _getter("trace", float)

    def get(self, what: Quantity = Quantity.M) -> Any:
        """A copy of Quantity.M, M_SYMMETRIC or M_SKEW."""
        return self._copy("get", what, shape=(self.size, self.size))

    @property
    def eigenvalues(self) -> Any:
        """Those of the symmetric part, the largest first."""
        array, values = _new_row(self.size)
        self._do("eigenvalues", values, self.size)
        return array

    def apply(self, b: Any, what: Quantity = Quantity.M) -> Tuple[float, float]:
        """The angle of B^T with B^T M in degrees, and ||B^T M||_F, for B of n x any columns, such as B[l]."""
        return tuple(self._numbers("apply", what, _given(b)))  # type: ignore[return-value]

    def skew_ratio(self, b: Any) -> float:
        """||B^T M_skew||_F / ||B^T M_sym||_F."""
        return float(self._numbers("skew_ratio", _given(b), count=1)[0])


class Trajectory(_Object):
    """Points of parameter space, one in each row: len(path), path[i], path[1:3]."""
    _noun = "trajectory"

    def __init__(self, numbers: int, precision: Precision = Precision.F64):
        self._make("trajectory_create", precision, numbers)

    def add(self, point: Any) -> None:
        """Adds a network, or an array of coordinates."""
        self._do("add", _point(point))

    numbers = property(lambda self: int(self._lent("view").shape[1]))

    def __len__(self) -> int: return int(self._lent("view").shape[0])

    def __getitem__(self, i: Any) -> Any:
        """A copy: adding a point may move the others."""
        return _copied(self._lent("view")[i], Precision.F64)


def _point(point: Any) -> Any:
    """A falign_view of points: a network, one point, or one in each row."""
    return _given(point.view(Quantity.PARAMETERS, 0) if isinstance(point, Network) else point, row=True)


class Components(_Object):
    """The first principal components of a trajectory (Figs. 7C, 7F)."""
    _noun = "components"

    def __init__(self, trajectory: Trajectory, count: int = 2):
        self._make("components_create", trajectory, count)

    directions = property(lambda self: self._lent("view", Component.COMPONENT_DIRECTIONS),
                          doc="Unit vectors, one in each row.")
    mean = property(lambda self: self._lent("view", Component.COMPONENT_MEAN)[0])
    variance = property(lambda self: self._lent("view", Component.COMPONENT_VARIANCE)[0])
    explained = property(lambda self: self._lent("view", Component.COMPONENT_EXPLAINED)[0],
                         doc="The share of all variance along each.")

    def __len__(self) -> int: return int(self.directions.shape[0])

    def _rows(self, name: str, points: Any, cols: int) -> Any:
        given = _point(points)
        array = self._copy(name, given, shape=(given.rows, cols))
        one = isinstance(points, Network) or not hasattr(points[0], "__len__")
        return array[0] if one else array

    def project(self, points: Any) -> Any:
        """The coordinates of a network, of a point, or of one point in each row."""
        return self._rows("project", points, len(self))

    def project_direction(self, directions: Any) -> Any:
        """The coordinates of directions, such as updates: the mean is not subtracted."""
        return self._rows("project_direction", directions, len(self))

    def project_feedback(self, network: Network, rule: Rule) -> Any:
        """The coordinates of the feedback weights of FA: B[l]^T in place of W[l], l >= 1, else 0."""
        return self._copy("project_feedback", network, rule, shape=(1, len(self)))[0]

    def point(self, coordinates: Any) -> Any:
        """mean + sum_i coordinates[i] component i; for several, one in each row."""
        return self._rows("point", coordinates, self.directions.shape[1])

    def loss_grid(self, network: Network, batches: Batches, x: Any, y: Any, a: int = 0, b: int = 1, threads: int = 1,
                  progress: Optional[Callable[[int, int], Any]] = None) -> Any:
        """loss[i][j] at mean + x[j] component a + y[i] component b. A true result of progress(done, total) cancels."""
        (xs, columns), (ys, rows) = _doubles(x), _doubles(y)
        grid = STRUCTS["grid"](a, b, xs, columns, ys, rows, threads, _progress(progress), None)
        return self._copy("loss_grid", network, batches, grid, shape=(rows, columns))


class Disturbance(_Terms):
    """Disturbed terms and the weights that they build: "undisturbed", "linear", "fresh_feedback" with the rule `fresh`,
    or "shuffled_rows" with `seed` and `run`."""
    _noun = "disturbance"

    def __init__(self, name: str, history: History, rule: Rule, fresh: Optional[Rule] = None, seed: int = 1,
                 run: int = 0):
        settings = STRUCTS["disturbance_settings"](_Reference("rule").from_param(fresh), seed, run)
        super().__init__(history, "disturbance_create", name, settings, history, rule)
        history._kept.append((rule, fresh))  # it computes their signals

    name = _getter("name", bytes.decode)

    def update(self, trace: Trace) -> None: self._do("update", trace)

    def get(self, trace: Trace, l: int, orders: Sequence[int]) -> List[Any]:
        """Disturbed terms of single orders, each of the shape of W[l]."""
        return self._many(trace, l=l, orders=orders)

    def get_weights(self, l: int) -> Any:
        """A copy of the disturbed W[l]."""
        return self._one("get_weights", l, l=l)

    def angle(self, l: int) -> float:
        """The angle of the disturbed W[l] with what it aligns with, in degrees."""
        return float(self._numbers("angle", l, count=1)[0])

    def metric(self) -> Metric: return Metric._made("metric_create_disturbance", self)


class ProductAngle(_Object):
    """Angles of products of random matrices (Note 1)."""
    _noun = "product_angle"

    def __init__(self, rows: int = 30, inner: int = 15, cols: int = 40, seed: int = 1, run: int = 0):
        self._make("product_angle_create", rows, inner, cols, seed, run)

    def draw(self, count: int) -> Tuple[Any, Any, Any, Any]:
        """theta_1, theta_2, theta_3 and theta_3 with the nonlinearity (eq. S1), in degrees."""
        made = [_new_row(count) for _ in range(4)]
        self._do("draw", count, *(angles for _, angles in made))
        return tuple(array for array, _ in made)  # type: ignore[return-value]
