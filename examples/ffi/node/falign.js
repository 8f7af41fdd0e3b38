// SPDX-License-Identifier: Apache-2.0

/**
 * Calls libfalign through koffi: what train.js needs of it. The headers say what functions do, of shapes and errors.
 *
 * - load() first. Each object has close(), which gives its reference back; one that is forgotten is closed by the
 *   garbage collector, but not as long as a function that the library holds refers to it.
 * - Sizes, iterations and seeds are numbers up to 2^53 - 1 or BigInts up to 2^64 - 1. Results of 64 bits are BigInts
 *   where a number would not be exact.
 * - A call that fails throws a FalignError. What a function that the library calls throws, ends the call that has run
 *   it; it is then the `cause` of a FalignError with its message.
 * - Functions are called on the thread that runs JavaScript, which run() occupies until it returns.
 */
import koffi from 'koffi';

export const Status = Object.freeze({
  OK: 0, INVALID: 1, SHAPE: 2, MEMORY: 3, IO: 4, FORMAT: 5, DIVERGED: 6, UNSUPPORTED: 7, CANCELLED: 8, CALLBACK: 9,
});
export const Precision = Object.freeze({ F32: 1, F64: 2 });
export const Part = Object.freeze({ TRAIN: 1, TEST: 2 });
const LAYER_FEEDBACK = 1;
const DELTA = 3;

for (const noun of ['batches', 'code', 'dataset', 'metric', 'network', 'rule', 'trace', 'trainer']) {
  koffi.opaque(`falign_${noun}`);
}
const RuleTable = koffi.struct('falign_rule_table', {
  size: 'size_t', name: 'const char *', feedback: 'int32_t', concurrent: 'int32_t', signal_f32: 'void *',
  signal_f64: 'void *', adapt: 'void *', needs_activity: 'int32_t', save: 'void *', load: 'void *', destroy: 'void *',
});

const prototypes = `
  const char *falign_version();
  const char *falign_last_error();
  void falign_set_last_error(const char *message);

  int32_t falign_network_create(int32_t precision, uint32_t layers, const size_t *widths, int32_t biases,
                                _Out_ falign_network **out);
  void falign_network_destroy(falign_network *network);
  int32_t falign_network_precision(const falign_network *network);
  uint32_t falign_network_layers(const falign_network *network);
  size_t falign_network_width(const falign_network *network, uint32_t l);
  int32_t falign_network_draw(falign_network *network, double sd_w, double sd_b, uint64_t seed, uint32_t run);
  int32_t falign_network_set_weights_f32(falign_network *network, uint32_t l, const float *w, size_t rows, size_t cols,
                                         size_t stride);
  int32_t falign_network_set_weights_f64(falign_network *network, uint32_t l, const double *w, size_t rows, size_t cols,
                                         size_t stride);
  int32_t falign_network_get_weights_f32(const falign_network *network, uint32_t l, float *w, size_t rows, size_t cols,
                                         size_t stride);
  int32_t falign_network_get_weights_f64(const falign_network *network, uint32_t l, double *w, size_t rows, size_t cols,
                                         size_t stride);

  int32_t falign_rule_create_named(const char *name, const falign_network *network, _Out_ falign_rule **out);
  int32_t falign_rule_create_custom(const falign_rule_table *table, void *user, const falign_network *network,
                                    _Out_ falign_rule **out);
  void falign_rule_destroy(falign_rule *rule);
  int32_t falign_rule_draw(falign_rule *rule, double sd, uint64_t seed, uint32_t run);
  int32_t falign_rule_get_feedback_f32(const falign_rule *rule, uint32_t l, float *b, size_t rows, size_t cols,
                                       size_t stride);
  int32_t falign_rule_get_feedback_f64(const falign_rule *rule, uint32_t l, double *b, size_t rows, size_t cols,
                                       size_t stride);

  int32_t falign_dataset_create_synthetic(size_t points, size_t width, uint32_t categories, double within,
                                          double between, int32_t part, uint64_t seed, _Out_ falign_dataset **out);
  void falign_dataset_destroy(falign_dataset *dataset);
  uint64_t falign_dataset_fingerprint(const falign_dataset *dataset);

  int32_t falign_code_create_n_hot(uint32_t categories, size_t width, size_t hot, uint64_t seed, uint32_t run,
                                   _Out_ falign_code **out);
  void falign_code_destroy(falign_code *code);

  int32_t falign_batches_create(const falign_dataset *dataset, const falign_code *code, size_t size,
                                _Out_ falign_batches **out);
  void falign_batches_destroy(falign_batches *batches);

  int32_t falign_metric_create(const char *name, _Out_ falign_metric **out);
  void falign_metric_destroy(falign_metric *metric);

  int32_t falign_trainer_create(falign_network *network, falign_rule *rule, double eta, _Out_ falign_trainer **out);
  void falign_trainer_destroy(falign_trainer *trainer);
  uint64_t falign_trainer_iteration(const falign_trainer *trainer);
  int32_t falign_trainer_observe(falign_trainer *trainer, falign_metric *metric, uint64_t every, void *sink,
                                 void *user);
  int32_t falign_trainer_run(falign_trainer *trainer, falign_batches *batches, uint64_t until);
  int32_t falign_trainer_measure(falign_trainer *trainer);
  int32_t falign_trainer_evaluate(const falign_trainer *trainer, falign_batches *batches, _Out_ double *loss,
                                  _Out_ double *error);

  size_t falign_trace_rows(const falign_trace *trace);
  int32_t falign_trace_view_f32(const falign_trace *trace, int32_t quantity, uint32_t l, _Out_ const float **data,
                                _Out_ size_t *rows, _Out_ size_t *cols, _Out_ size_t *stride);
  int32_t falign_trace_view_f64(const falign_trace *trace, int32_t quantity, uint32_t l, _Out_ const double **data,
                                _Out_ size_t *rows, _Out_ size_t *cols, _Out_ size_t *stride)`;

const c = {};

/** Loads the library, from the places where the system looks for libraries or by its path. */
export function load(path = { darwin: 'libfalign.dylib', win32: 'falign.dll' }[process.platform] ?? 'libfalign.so') {
  const library = koffi.load(path);
  for (const prototype of prototypes.split(';')) {
    c[prototype.match(/(falign_\w+)\(/)[1]] = library.func(prototype.trim());
  }
}

/** The version of the library that is loaded. */
export const version = () => c.falign_version();

/** A call that failed: its status and, as message, what the library says. */
export class FalignError extends Error {
  constructor(status, message, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'FalignError';
    this.status = status;
  }
}

let thrown; // by a function that the library has called, until the call that has run it returns

function check(status) {
  const cause = thrown;
  thrown = undefined;
  if (status === Status.OK) return;
  throw new FalignError(status, c.falign_last_error(), cause);
}

/** What create(out) writes to its last argument. */
function created(create) {
  const out = [null];
  check(create(out));
  return out[0];
}

/** Arguments of C are checked here: koffi would cut them to their size. */
function whole(value, bits = 64) {
  const exact = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (exact && value >= 0 && value < 2n ** BigInt(bits)) return value;
  throw new RangeError(`expected a whole number from 0 to 2^${bits} - 1, beyond 2^53 - 1 a BigInt; got ${value}`);
}

/** rows x cols numbers, row after row, in a Float64Array or a Float32Array. */
export class Matrix {
  constructor(rows, cols, data = new Float64Array(Number(rows) * Number(cols))) {
    [rows, cols] = [Number(whole(rows)), Number(whole(cols))];
    if (!(data instanceof Float64Array || data instanceof Float32Array)) {
      throw new TypeError('a matrix needs a Float64Array or a Float32Array');
    }
    if (data.length !== rows * cols) {
      throw new RangeError(`a ${rows} x ${cols} matrix has ${rows * cols} numbers, got ${data.length}`);
    }
    Object.assign(this, { rows, cols, data });
    Object.freeze(this);
  }

  at(i, j) { return this.data[i * this.cols + j]; }
  set(i, j, value) { this.data[i * this.cols + j] = value; }
}

const suffix = (data) => (data instanceof Float32Array ? 'f32' : 'f64');
const arrayOf = (network) => (c.falign_network_precision(network) === Precision.F32 ? Float32Array : Float64Array);
/** An array in C's memory, which must not outlive it. */
const view = (Type, pointer, length) => new Type(koffi.view(pointer, length * Type.BYTES_PER_ELEMENT));

/** The functions that the library may call, by the user pointer that it has for them. */
const functions = new Map();
let users = 0n;

function keep(call) {
  users += 1n;
  functions.set(users, call);
  return users;
}

let calls = 0; // under way that may run functions
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

/** Calls one of them. C gets a status for what it throws; koffi would make FALIGN_OK of that. */
function guarded(user, ...values) {
  try {
    functions.get(user)(...values);
    return Status.OK;
  } catch (error) {
    thrown = error;
    c.falign_set_last_error(textOf(error));
    const chosen = error instanceof FalignError && Object.values(Status).includes(error.status);
    return chosen && error.status !== Status.OK ? error.status : Status.CALLBACK;
  }
}

// One C function of each kind serves all objects, so there are none to give back.
const callback = (call, prototype) => koffi.register(call, koffi.pointer(koffi.proto(prototype)));
const onSignal = callback(guarded,
  'int32_t falign_signal(void *user, void *rule, void *network, void *trace, uint32_t l, void *out)');
const onValue = callback(guarded,
  'int32_t falign_value(void *user, uint64_t k, const char *metric, int64_t layer, int64_t order, double value)');
const onDestroy = callback((user) => { functions.delete(user); }, 'void falign_destroy(void *user)');

function giveBack({ noun, pointer, users }) {
  c[`falign_${noun}_destroy`](pointer);
  if (calls > 0) closed.push(...users);
  else for (const user of users) functions.delete(user);
}

const forgotten = new FinalizationRegistry(giveBack);

/** One reference to an object of the library. */
class Handle {
  #held;

  /** @param users functions that the object alone calls, and that go with it */
  constructor(noun, pointer, users = []) {
    this.#held = { noun, pointer, users };
    forgotten.register(this, this.#held, this);
  }

  get pointer() {
    if (this.#held === null) throw new Error(`this ${this.constructor.name} is closed`);
    return this.#held.pointer;
  }

  /** Gives the reference back; a second time does nothing. Other objects that were given this one keep their own. */
  close() {
    if (this.#held === null) return;
    forgotten.unregister(this);
    giveBack(this.#held);
    this.#held = null;
  }
}

/** C's pointer of an object, which must be of this class: C itself cannot tell. */
function pointerOf(Class, object) {
  if (!(object instanceof Class)) throw new TypeError(`expected a ${Class.name}, got ${object?.constructor?.name}`);
  return object.pointer;
}

export class Network extends Handle {
  /** @param widths n[0..d] */
  constructor(widths, { precision = Precision.F64, biases = true } = {}) {
    const sizes = widths.map((width) => whole(width));
    super('network', created((out) =>
      c.falign_network_create(whole(precision, 31), sizes.length - 1, sizes, biases ? 1 : 0, out)));
  }

  get layers() { return c.falign_network_layers(this.pointer); }

  width(l) { return c.falign_network_width(this.pointer, whole(l, 32)); }

  draw(sdW, sdB, seed, run = 0) {
    check(c.falign_network_draw(this.pointer, sdW, sdB, whole(seed), whole(run, 32)));
  }

  /** A copy of W[l], in either precision. */
  weights(l, Type = Float64Array) {
    const [rows, cols] = [this.width(l), this.width(l + 1)];
    const w = new Matrix(rows, cols, new Type(rows * cols));
    check(c[`falign_network_get_weights_${suffix(w.data)}`](this.pointer, l, w.data, rows, cols, cols));
    return w;
  }

  setWeights(l, w) {
    if (!(w instanceof Matrix)) throw new TypeError('weights are a Matrix');
    const set = c[`falign_network_set_weights_${suffix(w.data)}`];
    check(set(this.pointer, whole(l, 32), w.data, w.rows, w.cols, w.cols));
  }
}

/** What a rule's function sees of a block of rows, while it runs; matrices are copies in the network's precision. */
class Block {
  #rule;
  #network;
  #trace;

  constructor(rule, network, trace) {
    this.#rule = rule;
    this.#network = network;
    this.#trace = trace;
  }

  get rows() { return c.falign_trace_rows(this.#trace); }

  width(l) { return c.falign_network_width(this.#network, whole(l, 32)); }

  /** delta[l] of the layers above the one that the signal is for. */
  delta(l) {
    const Type = arrayOf(this.#network);
    const [data, rows, cols, stride] = [[null], [0], [0], [0]];
    const look = c[`falign_trace_view_${suffix(new Type())}`];
    check(look(this.#trace, DELTA, whole(l, 32), data, rows, cols, stride));
    const delta = new Matrix(rows[0], cols[0], new Type(rows[0] * cols[0]));
    const all = view(Type, data[0], rows[0] * stride[0]);
    for (let i = 0; i < delta.rows; i++) {
      delta.data.set(all.subarray(i * stride[0], i * stride[0] + delta.cols), i * delta.cols);
    }
    return delta;
  }

  /** B[l], n[l+1] x n[l]. */
  feedback(l) {
    const [rows, cols] = [this.width(l + 1), this.width(l)];
    const b = new Matrix(rows, cols, new (arrayOf(this.#network))(rows * cols));
    check(c[`falign_rule_get_feedback_${suffix(b.data)}`](this.#rule, l, b.data, rows, cols, cols));
    return b;
  }
}

export class Rule extends Handle {
  /** The library's rule "bp", "fa" or "dfa". */
  static named(name, network) {
    return new Rule('rule', created((out) => c.falign_rule_create_named(name, pointerOf(Network, network), out)));
  }

  /** A rule with feedback B[l]: `signal(block, l, out)` writes the signal that reaches layer l, before f', to `out`. */
  static custom(name, network, signal) {
    const user = keep((rule, network, trace, l, pointer) => {
      const Type = arrayOf(network);
      const block = new Block(rule, network, trace);
      const out = new Matrix(block.rows, block.width(l), new Type(block.rows * block.width(l)));
      signal(block, l, out);
      view(Type, pointer, out.data.length).set(out.data);
    });
    const table = { size: koffi.sizeof(RuleTable), name, feedback: LAYER_FEEDBACK, signal_f32: onSignal,
      signal_f64: onSignal, destroy: onDestroy };
    try {
      return new Rule('rule', created((out) => c.falign_rule_create_custom(table, user,
        pointerOf(Network, network), out)));
    } catch (error) {
      functions.delete(user);
      throw error;
    }
  }

  draw(sd, seed, run = 0) { check(c.falign_rule_draw(this.pointer, sd, whole(seed), whole(run, 32))); }
}

export class Dataset extends Handle {
  static synthetic(points, width, categories, within, between, part, seed) {
    whole(categories, 32);
    return new Dataset('dataset', created((out) => c.falign_dataset_create_synthetic(whole(points), whole(width),
      categories, within, between, whole(part, 31), whole(seed), out)));
  }

  get fingerprint() { return c.falign_dataset_fingerprint(this.pointer); }
}

export class Code extends Handle {
  static nHot(categories, width, hot, seed, run = 0) {
    return new Code('code', created((out) => c.falign_code_create_n_hot(whole(categories, 32), whole(width), whole(hot),
      whole(seed), whole(run, 32), out)));
  }
}

export class Batches extends Handle {
  constructor(dataset, code, size) {
    super('batches', created((out) => c.falign_batches_create(pointerOf(Dataset, dataset), pointerOf(Code, code),
      whole(size), out)));
  }
}

export class Metric extends Handle {
  constructor(name) { super('metric', created((out) => c.falign_metric_create(name, out))); }
}

export class Trainer extends Handle {
  #users;

  constructor(network, rule, eta) {
    const users = [];
    super('trainer', created((out) => c.falign_trainer_create(pointerOf(Network, network),
      pointerOf(Rule, rule), eta, out)), users);
    this.#users = users;
  }

  get iteration() { return c.falign_trainer_iteration(this.pointer); }

  /** Sends each value to `sink({ iteration, metric, layer, order, value })`. A FalignError that it throws chooses the
   *  status, such as CANCELLED. */
  observe(metric, every, sink) {
    const user = keep((iteration, name, layer, order, value) => sink({ iteration, metric: name, layer, order, value }));
    this.#users.push(user);
    check(c.falign_trainer_observe(this.pointer, pointerOf(Metric, metric), whole(every), onValue, user));
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
