// SPDX-License-Identifier: Apache-2.0

/**
 * The parts of libfalign that train.js uses, called through koffi. The C headers document the functions.
 *
 * - Call load() first. Every object has close(), which releases its reference. A forgotten object is closed by the
 *   garbage collector, unless a function that the library holds refers to it.
 * - Matrices are typed arrays with a shape and steps, and go to C without a copy. What comes back is a copy.
 * - Sizes, iterations and seeds are numbers up to 2^53 - 1 or BigInts up to 2^64 - 1. Results of 64 bits are BigInts
 *   where a number would not be exact.
 * - A call that fails throws a FalignError. What a function that the library calls throws ends the call that ran it,
 *   and is the `cause` of a FalignError with its message. Such functions cannot be async.
 * - Functions are called on the thread that runs JavaScript, which run() occupies until it returns.
 */
import koffi from 'koffi';

export const Status = Object.freeze({
  OK: 0, INVALID: 1, SHAPE: 2, MEMORY: 3, IO: 4, FORMAT: 5, DIVERGED: 6, UNSUPPORTED: 7, CANCELLED: 8, CALLBACK: 9,
});
export const Precision = Object.freeze({ F32: 1, F64: 2 });
export const Part = Object.freeze({ TRAIN: 1, TEST: 2 });
/** Names an object's matrix; see falign/matrix.h. */
export const Quantity = Object.freeze({
  W: 1, BIAS: 2, PARAMETERS: 3, FEEDBACK: 4, L: 5, Z: 6, DELTA: 7, TARGET: 8, DW: 9, DB: 10, DW_APPLIED: 11,
  DELTA_BP: 12, DW_BP: 13, DB_BP: 14,
});
/** Parts of a step that a metric needs; add them up. See falign/metric.h. */
export const Needs = Object.freeze({ STEP: 1, ACTIVITY: 2, BP: 4 });
const LAYER_FEEDBACK = 1;

for (const noun of ['activation', 'batches', 'code', 'dataset', 'metric', 'network', 'rule', 'trace', 'trainer']) {
  koffi.opaque(`falign_${noun}`);
}
const matrixMembers = { data: 'void *', rows: 'size_t', cols: 'size_t', row_step: 'intptr_t', col_step: 'intptr_t',
  precision: 'int32_t' };
koffi.struct('falign_view', matrixMembers);
const CMatrix = koffi.struct('falign_matrix', matrixMembers);
const Value = koffi.struct('falign_value', { iteration: 'int64_t', name: 'const char *', layer: 'int64_t',
  order: 'int64_t', value: 'double' });
const Step = koffi.struct('falign_step', { iteration: 'uint64_t', rows: 'size_t', first_row: 'size_t', eta: 'double',
  loss: 'double', precision: 'int32_t', backend: 'void *' });
koffi.struct('falign_synthetic', { points: 'size_t', width: 'size_t', categories: 'uint32_t', within: 'double',
  between: 'double' });
const RuleTable = koffi.struct('falign_rule_table', { size: 'size_t', name: 'const char *', feedback: 'int32_t',
  concurrent: 'int32_t', signal: 'void *', adapt: 'void *', needs_activity: 'int32_t', save: 'void *', load: 'void *',
  destroy: 'void *' });
const MetricTable = koffi.struct('falign_metric_table', { size: 'size_t', name: 'const char *', needs: 'int32_t',
  measure: 'void *', destroy: 'void *', look: 'void *' });

const prototypes = `
  const char *falign_version();
  const char *falign_last_error();
  void falign_set_last_error(const char *message);

  int32_t falign_activation_create(const char *name, _Out_ falign_activation **out);
  void falign_activation_destroy(falign_activation *activation);

  int32_t falign_network_create(int32_t precision, uint32_t layers, const size_t *widths, int32_t biases,
                                _Out_ falign_network **out);
  void falign_network_destroy(falign_network *network);
  uint32_t falign_network_layers(const falign_network *network);
  size_t falign_network_width(const falign_network *network, uint32_t l);
  int32_t falign_network_set_activation(falign_network *network, uint32_t l, const falign_activation *activation);
  int32_t falign_network_draw(falign_network *network, double sd_w, double sd_b, uint64_t seed, uint32_t run);
  int32_t falign_network_set(falign_network *network, int32_t what, uint32_t l, const falign_view *values);
  int32_t falign_network_get(const falign_network *network, int32_t what, uint32_t l, const falign_matrix *out);
  int32_t falign_network_view(const falign_network *network, int32_t what, uint32_t l, _Out_ falign_view *out);

  int32_t falign_rule_create(const char *name, const falign_network *network, _Out_ falign_rule **out);
  int32_t falign_rule_create_custom(const falign_rule_table *table, void *user, const falign_network *network,
                                    _Out_ falign_rule **out);
  void falign_rule_destroy(falign_rule *rule);
  int32_t falign_rule_draw(falign_rule *rule, double sd, uint64_t seed, uint32_t run);
  int32_t falign_rule_set(falign_rule *rule, int32_t what, uint32_t l, const falign_view *values);
  int32_t falign_rule_view(const falign_rule *rule, int32_t what, uint32_t l, _Out_ falign_view *out);

  int32_t falign_dataset_create_synthetic(const falign_synthetic *synthetic, int32_t part, uint64_t seed,
                                          _Out_ falign_dataset **out);
  void falign_dataset_destroy(falign_dataset *dataset);
  uint64_t falign_dataset_fingerprint(const falign_dataset *dataset);

  int32_t falign_code_create_n_hot(uint32_t categories, size_t width, size_t hot, uint64_t seed, uint32_t run,
                                   _Out_ falign_code **out);
  void falign_code_destroy(falign_code *code);

  int32_t falign_batches_create(const falign_dataset *dataset, const falign_code *code, size_t size,
                                _Out_ falign_batches **out);
  void falign_batches_destroy(falign_batches *batches);

  int32_t falign_metric_create(const char *name, _Out_ falign_metric **out);
  int32_t falign_metric_create_custom(const falign_metric_table *table, void *user, _Out_ falign_metric **out);
  void falign_metric_destroy(falign_metric *metric);

  int32_t falign_trainer_create(falign_network *network, falign_rule *rule, double eta, _Out_ falign_trainer **out);
  void falign_trainer_destroy(falign_trainer *trainer);
  uint64_t falign_trainer_iteration(const falign_trainer *trainer);
  void *falign_trainer_network(const falign_trainer *trainer);
  void *falign_trainer_rule(const falign_trainer *trainer);
  int32_t falign_trainer_observe(falign_trainer *trainer, falign_metric *metric, uint64_t every, void *sink,
                                 void *user);
  int32_t falign_trainer_step(falign_trainer *trainer, const falign_view *x, const falign_view *y);
  int32_t falign_trainer_forward(falign_trainer *trainer, const falign_view *x, const falign_matrix *y);
  int32_t falign_trainer_run(falign_trainer *trainer, falign_batches *batches, uint64_t until);
  int32_t falign_trainer_measure(falign_trainer *trainer);
  int32_t falign_trainer_evaluate(falign_trainer *trainer, falign_batches *batches, _Out_ double *loss,
                                  _Out_ double *error);

  void *falign_trace_step(const falign_trace *trace);
  int32_t falign_trace_view(const falign_trace *trace, int32_t what, uint32_t l, _Out_ falign_view *out)`;

const c = {};

/** Loads the library by its path, or by its name from where the system looks for libraries. */
export function load(path = { darwin: 'libfalign.dylib', win32: 'falign.dll' }[process.platform] ?? 'libfalign.so') {
  const library = koffi.load(path);
  for (const prototype of prototypes.split(';')) {
    c[prototype.match(/(falign_\w+)\(/)[1]] = library.func(prototype.trim());
  }
}

/** Returns the version of the library that is loaded. */
export const version = () => c.falign_version();

/** A call that failed, with its status and the message of the library. */
export class FalignError extends Error {
  constructor(status, message, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'FalignError';
    this.status = status;
  }
}

let thrown; // by a function that the library called, until the call that ran it returns

function check(status) {
  const cause = thrown;
  thrown = undefined;
  if (status === Status.OK) return;
  throw new FalignError(status, c.falign_last_error(), cause);
}

/** Checks a whole number, since koffi would cut it to the size of its type. */
function whole(value, bits = 64) {
  const exact = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (exact && value >= 0 && value < 2n ** BigInt(bits)) return value;
  throw new RangeError(`expected a whole number from 0 to 2^${bits} - 1, beyond 2^53 - 1 a BigInt; got ${value}`);
}

/** Checks a name, since koffi would take a number for an address, and C ends a text at its first NUL. */
function text(value) {
  if (typeof value === 'string' && !value.includes('\0')) return value;
  throw new TypeError(`expected a string without NUL characters, got ${typeof value}`);
}

function callable(value) {
  if (typeof value === 'function') return value;
  throw new TypeError(`expected a function, got ${typeof value}`);
}

/**
 * rows x cols numbers in a Float64Array or a Float32Array: element (i, j) is data[first + i * rowStep + j * colStep].
 * Without steps they are in `data` row after row. Steps may be negative.
 */
export class Matrix {
  constructor(rows, cols, data = new Float64Array(Number(rows) * Number(cols)), steps = undefined) {
    [rows, cols] = [Number(whole(rows)), Number(whole(cols))];
    if (!(data instanceof Float64Array || data instanceof Float32Array)) {
      throw new TypeError('a matrix needs a Float64Array or a Float32Array');
    }
    if (steps === undefined && data.length !== rows * cols) {
      throw new RangeError(`a ${rows} x ${cols} matrix has ${rows * cols} numbers, got ${data.length}`);
    }
    const { first = 0, rowStep = cols, colStep = 1 } = steps ?? {};
    if (![first, rowStep, colStep].every(Number.isSafeInteger)) throw new RangeError('steps are whole numbers');
    Object.assign(this, { rows, cols, data, first, rowStep, colStep });
    Object.freeze(this);
    this.#check();
  }

  at(i, j) { return this.data[this.first + i * this.rowStep + j * this.colStep]; }
  set(i, j, value) { this.data[this.first + i * this.rowStep + j * this.colStep] = value; }

  /** The transpose: the same data. */
  transposed() {
    const { rows, cols, data, first, rowStep, colStep } = this;
    return new Matrix(cols, rows, data, { first, rowStep: colStep, colStep: rowStep });
  }

  /** All elements must be in the data. */
  #check() {
    const { rows, cols, data, first, rowStep, colStep } = this;
    if (rows === 0 || cols === 0) return;
    const [down, right] = [(rows - 1) * rowStep, (cols - 1) * colStep];
    const lowest = first + Math.min(down, 0) + Math.min(right, 0);
    const highest = first + Math.max(down, 0) + Math.max(right, 0);
    if (!(lowest >= 0 && highest < data.length)) {
      throw new RangeError(`a ${rows} x ${cols} matrix has elements ${lowest} to ${highest} of ${data.length} numbers`);
    }
  }

  /** As C takes it, without a copy. */
  get c() {
    this.#check(); // again, since a buffer can be detached or shrink
    const { rows, cols, data, first, rowStep, colStep } = this;
    return { data: data.subarray(first), rows, cols, row_step: rowStep, col_step: colStep,
      precision: data instanceof Float32Array ? Precision.F32 : Precision.F64 };
  }
}

function matrix(value) {
  if (value instanceof Matrix) return value.c;
  throw new TypeError(`expected a Matrix, got ${value?.constructor?.name}`);
}

const arrayOf = (precision) => (precision === Precision.F32 ? Float32Array : Float64Array);

/** An array in C's memory, which must not outlive it. */
const lent = (Type, pointer, length) => new Type(koffi.view(pointer, length * Type.BYTES_PER_ELEMENT));

/** Copies the matrix that look(out) writes, which has no negative steps. */
function copied(look, Type = undefined) {
  const view = {};
  check(look(view));
  const { data, rows, cols, row_step, col_step, precision } = view;
  const copy = new Matrix(rows, cols, new (Type ?? arrayOf(precision))(rows * cols));
  if (rows * cols === 0) return copy;
  const all = lent(arrayOf(precision), data, (rows - 1) * row_step + (cols - 1) * col_step + 1);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) copy.data[i * cols + j] = all[i * row_step + j * col_step];
  }
  return copy;
}

/** The functions that the library may call, by the user pointer that it has for them: { signal } and so on. */
const functions = new Map();
let users = 0n;

function keep(calls) {
  users += 1n;
  functions.set(users, calls);
  return users;
}

let calls = 0; // in progress that may run functions
const closed = []; // functions of objects that were closed meanwhile

/** Checks a call that may run functions; they stay until it returns, even if they close their object. */
function checkRunning(call) {
  calls += 1;
  try {
    check(call());
  } finally {
    calls -= 1;
    if (calls === 0) for (const user of closed.splice(0)) functions.delete(user);
  }
}

function textOf(error) {
  try {
    return String(error?.message ?? error);
  } catch {
    return 'what was thrown has no text';
  }
}

/** Returns a function for C that calls one of them. C gets a status for what it throws; koffi would make FALIGN_OK of
 *  that. */
const guarded = (name) => (user, ...values) => {
  try {
    const result = functions.get(user)[name](...values);
    if (typeof result?.then === 'function') {
      result.then(undefined, () => {}); // what it throws later comes too late
      throw new TypeError('the function returned a promise, but the library cannot wait for it');
    }
    return Status.OK;
  } catch (error) {
    thrown = error;
    c.falign_set_last_error(textOf(error));
    const chosen = error instanceof FalignError && Object.values(Status).includes(error.status);
    return chosen && error.status !== Status.OK ? error.status : Status.CALLBACK;
  }
};

// One C function of each kind serves all objects and stays registered.
const callback = (call, proto) => koffi.register(call, koffi.pointer(proto));
const valueProto = koffi.proto('int32_t falign_value_fn(void *user, const falign_value *value)');
const onSignal = callback(guarded('signal'), koffi.proto(
  'int32_t falign_signal(void *user, void *rule, void *network, void *trace, uint32_t l, void *out)'));
const onValue = callback(guarded('sink'), koffi.proto('int32_t falign_sink(void *user, void *value)'));
const onMeasure = callback(guarded('measure'), koffi.proto(
  'int32_t falign_measure(void *user, void *trainer, void *trace, void *emit, void *emit_user)'));
const onLook = callback(guarded('look'), koffi.proto('int32_t falign_look(void *user, void *trainer, void *trace)'));
const onDestroy = callback((user) => { functions.delete(user); }, koffi.proto('void falign_destroy(void *user)'));

function release({ noun, pointer, users }) {
  c[`falign_${noun}_destroy`](pointer);
  if (calls > 0) closed.push(...users);
  else for (const user of users) functions.delete(user);
}

const forgotten = new FinalizationRegistry(release);

/** One reference to an object of the library. */
class Handle {
  #held;

  /** @param create writes the new object's pointer to its argument and returns a status
   *  @param users functions that only this object calls, which are forgotten with it */
  constructor(noun, create, users = []) {
    const out = [null];
    check(create(out));
    this.#held = { noun, pointer: out[0], users };
    forgotten.register(this, this.#held, this);
  }

  get pointer() {
    if (this.#held === null) throw new Error(`this ${this.constructor.name} is closed`);
    return this.#held.pointer;
  }

  /** Releases the reference; a second call does nothing. Other objects that were given this one keep their own. */
  close() {
    if (this.#held === null) return;
    forgotten.unregister(this);
    release(this.#held);
    this.#held = null;
  }
}

/** Returns the pointer of an object, which must be of this class: C cannot check it. */
function pointerOf(Class, object) {
  if (!(object instanceof Class)) throw new TypeError(`expected a ${Class.name}, got ${object?.constructor?.name}`);
  return object.pointer;
}

export class Activation extends Handle {
  constructor(name) { super('activation', (out) => c.falign_activation_create(text(name), out)); }
}

export class Network extends Handle {
  /** @param widths n[0..d] */
  constructor(widths, { precision = Precision.F64, biases = true } = {}) {
    const sizes = Array.from(widths, (width) => whole(width));
    super('network', (out) =>
      c.falign_network_create(whole(precision, 31), Math.max(sizes.length - 1, 0), sizes, biases ? 1 : 0, out));
  }

  get layers() { return c.falign_network_layers(this.pointer); }

  width(l) { return c.falign_network_width(this.pointer, whole(l, 32)); }

  setActivation(l, activation) {
    check(c.falign_network_set_activation(this.pointer, whole(l, 32), pointerOf(Activation, activation)));
  }

  draw(sdW, sdB, seed, run = 0) {
    check(c.falign_network_draw(this.pointer, sdW, sdB, whole(seed), whole(run, 32)));
  }

  /** Sets a matrix of the network from a Matrix in either precision. */
  set(what, l, values) { check(c.falign_network_set(this.pointer, whole(what, 31), whole(l, 32), matrix(values))); }

  /** Copies a matrix of the network: to `out`, in either precision, or to a new Matrix in the network's precision. */
  get(what, l, out = undefined) {
    const [pointer, ...place] = [this.pointer, whole(what, 31), whole(l, 32)];
    if (out === undefined) return copied((view) => c.falign_network_view(pointer, ...place, view));
    check(c.falign_network_get(pointer, ...place, matrix(out)));
    return out;
  }

  /** A copy of W[l] in a Float64Array or Float32Array. */
  weights(l, Type = Float64Array) {
    return this.get(Quantity.W, l, new Matrix(this.width(l), this.width(Number(l) + 1),
      new Type(this.width(l) * this.width(Number(l) + 1))));
  }
}

/**
 * What a rule sees of the block of rows that it works on, and a metric of a step. It ends when their function returns.
 * Matrices are copies in the network's precision.
 */
class Trace {
  #held;

  constructor(rule, network, trace) {
    this.#held = { rule, network, trace };
  }

  /** Calls run(trace), after which the trace cannot be used any more. */
  static during(rule, network, pointer, run) {
    const trace = new Trace(rule, network, pointer);
    try {
      return run(trace);
    } finally {
      trace.#held = null;
    }
  }

  get #pointers() {
    if (this.#held === null) throw new Error('this trace ended when its function returned');
    return this.#held;
  }

  /** The numbers of the step: { iteration, rows, first_row, eta, loss }. */
  get step() {
    const { trace } = this.#pointers;
    if (trace === null) throw new Error('this measurement was made without a step');
    const { iteration, rows, first_row, eta, loss } = koffi.decode(c.falign_trace_step(trace), Step);
    return { iteration, rows, first_row, eta, loss };
  }

  width(l) { return c.falign_network_width(this.#pointers.network, whole(l, 32)); }

  /** A copy of a matrix of the step, of the network (W, BIAS, PARAMETERS) or of the rule (FEEDBACK). */
  get(what, l) {
    const { rule, network, trace } = this.#pointers;
    const [quantity, layer] = [whole(what, 31), whole(l, 32)];
    return copied((out) => {
      if (quantity <= Quantity.PARAMETERS) return c.falign_network_view(network, quantity, layer, out);
      if (quantity === Quantity.FEEDBACK) return c.falign_rule_view(rule, quantity, layer, out);
      return c.falign_trace_view(trace, quantity, layer, out);
    });
  }
}

export class Rule extends Handle {
  /** The built-in rule "bp", "fa" or "dfa". */
  static named(name, network) {
    return new Rule('rule', (out) => c.falign_rule_create(text(name), pointerOf(Network, network), out));
  }

  /** A rule with feedback B[l]: `signal(trace, l, out)` writes the signal that reaches layer l, before f', to `out`. */
  static custom(name, network, signal) {
    callable(signal);
    const user = keep({
      signal(rule, network, trace, l, pointer) {
        const { data, rows, cols, precision } = koffi.decode(pointer, CMatrix);
        const Type = arrayOf(precision);
        const out = new Matrix(rows, cols, new Type(rows * cols));
        const result = Trace.during(rule, network, trace, (block) => signal(block, l, out));
        lent(Type, data, rows * cols).set(out.data);
        return result;
      },
    });
    try {
      const table = { size: koffi.sizeof(RuleTable), name: text(name), feedback: LAYER_FEEDBACK, signal: onSignal,
        destroy: onDestroy };
      return new Rule('rule', (out) => c.falign_rule_create_custom(table, user, pointerOf(Network, network), out));
    } catch (error) {
      functions.delete(user);
      throw error;
    }
  }

  draw(sd, seed, run = 0) { check(c.falign_rule_draw(this.pointer, sd, whole(seed), whole(run, 32))); }

  /** Sets B[l] or F[l] from a Matrix in either precision. */
  setFeedback(l, b) { check(c.falign_rule_set(this.pointer, Quantity.FEEDBACK, whole(l, 32), matrix(b))); }

  /** A copy of B[l] or F[l]. */
  feedback(l) {
    const [pointer, layer] = [this.pointer, whole(l, 32)];
    return copied((out) => c.falign_rule_view(pointer, Quantity.FEEDBACK, layer, out));
  }
}

export class Dataset extends Handle {
  static synthetic(points, width, categories, within, between, part, seed) {
    const synthetic = { points: whole(points), width: whole(width), categories: whole(categories, 32), within,
      between };
    return new Dataset('dataset', (out) => c.falign_dataset_create_synthetic(synthetic, whole(part, 31),
      whole(seed), out));
  }

  get fingerprint() { return c.falign_dataset_fingerprint(this.pointer); }
}

export class Code extends Handle {
  static nHot(categories, width, hot, seed, run = 0) {
    return new Code('code', (out) => c.falign_code_create_n_hot(whole(categories, 32), whole(width), whole(hot),
      whole(seed), whole(run, 32), out));
  }
}

export class Batches extends Handle {
  constructor(dataset, code, size) {
    super('batches', (out) => c.falign_batches_create(pointerOf(Dataset, dataset), pointerOf(Code, code),
      whole(size), out));
  }
}

export class Metric extends Handle {
  /** The built-in metric of a name. */
  constructor(name, create = (out) => c.falign_metric_create(text(name), out)) { super('metric', create); }

  /**
   * A metric of functions. `measure(trace, emit)` measures a step that is due and calls emit({ value, layer, order })
   * for each value, where layer and order may be left out; `look(trace)` sees every step, after `measure`.
   * @param needs the sum of those Needs that apply. A metric that needs 0 can be measured without a step: its trace
   * then has the matrices of the network and of the rule only
   */
  static custom(name, needs, measure, look = () => {}) {
    [measure, look].forEach(callable);
    const during = (trainer, trace, run) =>
      Trace.during(c.falign_trainer_rule(trainer), c.falign_trainer_network(trainer), trace, run);
    const index = (value) => (value === -1 ? -1 : whole(value, 31));
    const user = keep({
      measure(trainer, pointer, emit, emitUser) {
        const send = ({ value, layer = -1, order = -1 }) => {
          if (emit === null) throw new Error('this measurement ended when its function returned');
          const status = koffi.call(emit, valueProto, emitUser,
            { iteration: c.falign_trainer_iteration(trainer), name, layer: index(layer), order: index(order), value });
          if (status === Status.OK) return;
          const cause = thrown; // by the sink
          thrown = undefined;
          throw cause ?? new FalignError(status, c.falign_last_error());
        };
        try {
          return during(trainer, pointer, (trace) => measure(trace, send));
        } finally {
          emit = null;
        }
      },
      look(trainer, pointer) { return during(trainer, pointer, look); },
    });
    try {
      const table = { size: koffi.sizeof(MetricTable), name: text(name), needs: whole(needs, 31), measure: onMeasure,
        destroy: onDestroy, look: onLook };
      return new Metric(name, (out) => c.falign_metric_create_custom(table, user, out));
    } catch (error) {
      functions.delete(user);
      throw error;
    }
  }
}

export class Trainer extends Handle {
  #users;

  constructor(network, rule, eta) {
    const users = [];
    super('trainer', (out) => c.falign_trainer_create(pointerOf(Network, network), pointerOf(Rule, rule), eta, out),
      users);
    this.#users = users;
  }

  get iteration() { return c.falign_trainer_iteration(this.pointer); }

  /** Sends each value to `sink({ iteration, metric, layer, order, value })`. A FalignError that it throws chooses the
   *  status, such as CANCELLED. */
  observe(metric, every, sink) {
    callable(sink);
    const user = keep({
      sink(pointer) {
        const { iteration, name, layer, order, value } = koffi.decode(pointer, Value);
        return sink({ iteration, metric: name, layer, order, value });
      },
    });
    this.#users.push(user);
    check(c.falign_trainer_observe(this.pointer, pointerOf(Metric, metric), whole(every), onValue, user));
  }

  /** Makes one update on inputs x, rows x n[0], with targets y, rows x n[d], in the network's precision. */
  step(x, y) { checkRunning(() => c.falign_trainer_step(this.pointer, matrix(x), matrix(y))); }

  /** Computes L[d], rows x n[d], for inputs x, rows x n[0]: y, in the network's precision. */
  forward(x, y) {
    check(c.falign_trainer_forward(this.pointer, matrix(x), matrix(y)));
    return y;
  }

  run(batches, until) {
    checkRunning(() => c.falign_trainer_run(this.pointer, pointerOf(Batches, batches), whole(until)));
  }

  measure() { checkRunning(() => c.falign_trainer_measure(this.pointer)); }

  /** @return the loss, and the share of wrongly decoded points */
  evaluate(batches) {
    const [loss, error] = [[0], [0]];
    check(c.falign_trainer_evaluate(this.pointer, pointerOf(Batches, batches), loss, error));
    return { loss: loss[0], error: error[0] };
  }
}
