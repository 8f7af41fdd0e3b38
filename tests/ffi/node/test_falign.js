// SPDX-License-Identifier: Apache-2.0

/**
 * Tests what falign.js promises about matrices, arguments, errors and lifetimes.
 * Usage: node --expose-gc test_falign.js LIBRARY
 */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { Activation, Batches, Code, Dataset, FalignError, Matrix, Metric, Needs, Network, Part, Precision, Quantity,
  Rule, Status, Trainer, load, version } from './falign.js';

load(process.argv[2]);

const synthetic = (seed) => Dataset.synthetic(20, 12, 5, 0.6, 0, Part.TRAIN, seed);
const batches = new Batches(synthetic(1), Code.nHot(5, 10, 2, 1), 20);

function drawn(precision = Precision.F64) {
  const network = new Network([12, 8, 10], { precision });
  network.draw(0.3, 0.3, 1);
  return network;
}

function trainerOf(network, rule, sink) {
  rule.draw(0.3, 1);
  const trainer = new Trainer(network, rule, 0.02);
  if (sink !== undefined) trainer.observe(new Metric('angle_w_b'), 1, sink);
  return trainer;
}

/** Collects garbage until all are gone. What a turn of the event loop used stays until the turn ends. */
async function assertCollected(references) {
  const isGone = (reference) => reference.deref() === undefined;
  for (let i = 0; i < 100 && !references.every(isGone); i++) {
    await setImmediate();
    globalThis.gc();
  }
  assert(references.every(isGone), `${references.map(isGone)}`);
}

const tests = {
  'versions are numbers'() {
    assert.match(version(), /^\d+\.\d+\.\d+$/);
  },

  'seeds have 64 bits'() {
    const fingerprint = (seed) => synthetic(seed).fingerprint;
    assert.equal(fingerprint(7), fingerprint(7n));
    assert.notEqual(fingerprint(2n ** 63n), fingerprint(2n ** 63n + 1n));
    assert.notEqual(fingerprint(2n ** 63n), fingerprint(0));
    const prints = Array.from({ length: 8 }, (_, seed) => fingerprint(seed));
    assert(prints.some((print) => typeof print === 'bigint' && print > 2n ** 53n), `${prints}`);
    for (const seed of [2 ** 53, 2n ** 64n, -1, -1n, 0.5, NaN, '1', undefined]) {
      assert.throws(() => synthetic(seed), RangeError, `${seed}`);
    }
    const network = drawn();
    assert.throws(() => network.draw(0.3, 0.3, 1, 2 ** 32), RangeError);
    assert.throws(() => network.weights(-1), RangeError);
    assert.throws(() => new Network([12, -8, 10]), RangeError);
  },

  'matrices have the shape and steps that they are given'() {
    assert.throws(() => new Matrix(2, 3, new Float64Array(5)), /a 2 x 3 matrix has 6 numbers, got 5/);
    assert.throws(() => new Matrix(1, 2, [1, 2]), TypeError);
    assert.throws(() => new Matrix(1, 2, new Int32Array(2)), TypeError);
    const m = new Matrix(2, 3);
    m.set(1, 0, 5);
    assert.deepEqual([...m.data], [0, 0, 0, 5, 0, 0]);
    assert.equal(m.at(1, 0), 5);
    assert.throws(() => { m.data = new Float64Array(1); }, TypeError);
    assert.deepEqual(new Matrix(1n, 2n, Float64Array.of(1, 2)), new Matrix(1, 2, Float64Array.of(1, 2)));

    const turned = m.transposed();
    assert.deepEqual([turned.rows, turned.cols, turned.at(0, 1)], [3, 2, 5]);
    turned.set(2, 0, 7);
    assert.equal(m.at(0, 2), 7);
    const data = Float64Array.from({ length: 12 }, (_, i) => i);
    const corners = new Matrix(2, 2, data, { first: 11, rowStep: -8, colStep: -3 });
    assert.deepEqual([corners.at(0, 0), corners.at(0, 1), corners.at(1, 0), corners.at(1, 1)], [11, 8, 3, 0]);
    for (const steps of [{ first: 1 }, { first: -1 }, { rowStep: 5 }, { rowStep: -4 }, { colStep: -2 },
      { first: 0.5 }, { rowStep: NaN }, { colStep: 2 ** 53 }]) {
      assert.throws(() => new Matrix(3, 4, data, steps), RangeError, JSON.stringify(steps));
    }
    assert.throws(() => new Matrix(2 ** 40, 2 ** 40, data, { rowStep: 0, colStep: 1 }), RangeError);
    new Matrix(0, 4, data, { first: 12 });
  },

  'matrices go in and out with their steps'() {
    const network = new Network([2, 3, 1]);
    const byColumns = Float32Array.of(1, 4, 2, 5, 3, 6);
    network.set(Quantity.W, 0, new Matrix(3, 2, byColumns).transposed());
    assert.deepEqual([...network.weights(0).data], [1, 2, 3, 4, 5, 6]);
    assert.deepEqual(network.get(Quantity.W, 0), new Matrix(2, 3, Float64Array.of(1, 2, 3, 4, 5, 6)));
    const wide = new Float64Array(20);
    network.get(Quantity.W, 0, new Matrix(2, 3, wide, { first: 19, rowStep: -10, colStep: -2 }));
    assert.deepEqual([...wide], [0, 0, 0, 0, 0, 6, 0, 5, 0, 4, 0, 0, 0, 0, 0, 3, 0, 2, 0, 1]);
    network.set(Quantity.BIAS, 1, new Matrix(1, 3, Float64Array.of(7, 8, 9)));
    assert.deepEqual([...network.get(Quantity.PARAMETERS, 0).data], [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 0]);
    assert.throws(() => network.get(Quantity.BIAS, 0), { status: Status.INVALID });
    assert.throws(() => network.get(Quantity.L, 0), { status: Status.INVALID });
    assert.throws(() => network.get(Quantity.W, 0, new Matrix(3, 2)), { status: Status.SHAPE });

    const rule = Rule.named('fa', new Network([2, 3, 2]));
    rule.setFeedback(1, new Matrix(3, 2, byColumns).transposed());
    assert.deepEqual([...rule.feedback(1).data], [1, 2, 3, 4, 5, 6]);
    assert.throws(() => Rule.named('bp', network).feedback(1), { status: Status.UNSUPPORTED });
    // An array that has lost its buffer is refused.
    const lost = new Matrix(2, 3);
    structuredClone(lost.data.buffer, { transfer: [lost.data.buffer] });
    assert.throws(() => network.set(Quantity.W, 0, lost), RangeError);
  },

  'a step and a forward pass take matrices of any steps'() {
    const network = drawn();
    network.setActivation(2, new Activation('linear'));
    const trainer = trainerOf(network, Rule.named('fa', network));
    const numbers = Float64Array.from({ length: 48 }, (_, i) => Math.sin(i));
    const [x, targets] = [new Matrix(12, 4, numbers).transposed(), new Matrix(4, 10)];
    const y = trainer.forward(x, new Matrix(10, 4).transposed());
    const w = network.weights(1);
    trainer.step(x, targets);
    // With targets of 0, delta[2] is -y: the bias of layer 2 becomes -eta times the sum of y.
    const [before, after] = [drawn().get(Quantity.BIAS, 2), network.get(Quantity.BIAS, 2)];
    for (let j = 0; j < 10; j++) {
      let sum = 0;
      for (let i = 0; i < 4; i++) sum += y.at(i, j);
      assert(Math.abs(after.at(0, j) - before.at(0, j) + 0.02 * sum) < 1e-14);
    }
    assert.notDeepEqual(network.weights(1), w);
    assert.throws(() => trainer.step(x, new Matrix(4, 10, new Float32Array(40))), { status: Status.SHAPE });
  },

  'texts are strings'() {
    const network = drawn();
    for (const name of [5, 5n, null, undefined, Symbol('fa'), ['fa'], { toString: () => 'fa' }, 'fa\0x']) {
      for (const wrong of [() => Rule.named(name, network), () => Rule.custom(name, network, () => {}),
        () => new Metric(name), () => Metric.custom(name, 0, () => {}), () => new Activation(name)]) {
        assert.throws(wrong, TypeError);
      }
    }
    for (const wrong of [() => Rule.named('grace', network), () => new Activation('grace')]) {
      assert.throws(wrong, { status: Status.UNSUPPORTED, message: /grace/ });
    }
  },

  'widths come from any list of whole numbers'() {
    for (const widths of [new Uint32Array([3, 4, 2]), new Uint8Array([3, 4, 2]), new BigUint64Array([3n, 4n, 2n]),
      [3n, 4, 2], new Set([3, 4, 2])]) {
      const network = new Network(widths);
      assert.deepEqual([0, 1, 2].map((l) => network.width(l)), [3, 4, 2]);
    }
    assert.throws(() => new Network(new Float64Array([3, 0.5, 2])), RangeError);
    for (const none of [[], [3], 3]) assert.throws(() => new Network(none), { status: Status.INVALID });
  },

  async 'functions cannot be async'() {
    const network = drawn();
    const late = Rule.custom('late', network, async (trace, l, out) => {
      await null;
      out.data.fill(9);
      throw new Error('nobody sees this');
    });
    const before = network.weights(0);
    assert.throws(() => trainerOf(network, late).run(batches, 1),
      ({ status, message, cause }) => status === Status.CALLBACK && /late.*promise/.test(message) &&
        cause instanceof TypeError);
    assert.deepEqual(network.weights(0), before);
    const rule = Rule.named('fa', network);
    assert.throws(() => trainerOf(network, rule, async () => { throw new Error('nor this'); }).run(batches, 1),
      /promise/);
    await setImmediate();
    for (const wrong of [() => Rule.custom('own', network, 5), () => Metric.custom('own', 0, null),
      () => trainerOf(network, rule, 'sink')]) {
      assert.throws(wrong, TypeError);
    }
  },

  'a metric measures when it is due and looks at every step'() {
    const network = drawn();
    const rule = Rule.named('fa', network);
    rule.draw(0.3, 1);
    const [looks, seen, losses] = [[], [], []];
    const metric = Metric.custom('loss_change', Needs.STEP + Needs.ACTIVITY, (trace, emit) => {
      const { loss, rows, iteration } = trace.step;
      assert.deepEqual([rows, trace.get(Quantity.L, 1).cols, trace.get(Quantity.FEEDBACK, 1).rows], [20, 8, 10]);
      assert.equal(iteration, losses.length);
      emit({ value: loss - (losses.at(-1) ?? NaN) });
      emit({ value: trace.get(Quantity.W, 0).at(0, 0), layer: 0, order: 3 });
    }, (trace) => {
      looks.push(trace);
      losses.push(trace.step.loss);
    });
    const trainer = new Trainer(network, rule, 0.02);
    trainer.observe(metric, 2, (value) => seen.push(value));
    const w = network.weights(0).at(0, 0);
    trainer.run(batches, 3);
    assert.equal(looks.length, 3);
    assert.deepEqual(seen.slice(0, 2), [{ iteration: 0, metric: 'loss_change', layer: -1, order: -1, value: NaN },
      { iteration: 0, metric: 'loss_change', layer: 0, order: 3, value: w }]);
    assert.deepEqual([seen[2].iteration, seen[2].value], [2, losses[2] - losses[1]]);
    for (const use of [() => looks[0].step, () => looks[0].get(Quantity.W, 0), () => looks[0].width(0)]) {
      assert.throws(use, /ended when its function returned/);
    }
  },

  'a metric of the weights is measured without a step'() {
    const network = drawn();
    let [kept, seen] = [undefined, undefined];
    const metric = Metric.custom('first', 0, (trace, emit) => {
      kept = emit;
      assert.throws(() => trace.step, /without a step/);
      assert.throws(() => trace.get(Quantity.DELTA, 1), { status: Status.INVALID });
      emit({ value: trace.get(Quantity.W, 0).at(0, 0) });
    });
    const trainer = new Trainer(network, Rule.named('fa', network), 0.02);
    trainer.observe(metric, 1, ({ value }) => { seen = value; });
    trainer.measure();
    assert.equal(seen, network.weights(0).at(0, 0));
    assert.throws(() => kept({ value: 1 }), /ended when its function returned/);
  },

  'what a metric or its sink throws comes out of the call'() {
    const network = drawn();
    const rule = Rule.named('fa', network);
    const error = new RangeError('no room');
    const fails = () => { throw error; };
    const emits = (trace, emit) => emit({ value: 1 });
    for (const [metric, sink] of [[Metric.custom('own', 0, fails), () => {}], [Metric.custom('own', 0, emits), fails],
      [Metric.custom('own', 0, () => {}, fails), () => {}]]) {
      const trainer = new Trainer(network, rule, 0.02);
      trainer.observe(metric, 1, sink);
      assert.throws(() => trainer.run(batches, 1), { status: Status.CALLBACK, message: /no room/, cause: error });
    }
    const odd = new Trainer(network, rule, 0.02);
    odd.observe(Metric.custom('odd', 0, (trace, emit) => emit({ value: 1, layer: 0.5 })), 1, () => {});
    assert.throws(() => odd.run(batches, 1), (failure) => failure.cause instanceof RangeError);
  },

  'objects of another kind are refused'() {
    const network = drawn();
    const rule = Rule.named('fa', network);
    const trainer = trainerOf(network, rule);
    for (const wrong of [() => trainer.run(synthetic(1), 1), () => new Trainer(rule, network, 0.1),
      () => trainer.evaluate(network), () => trainer.observe('norm_w', 1, () => {}), () => new Batches(batches, 20),
      () => Rule.named('fa', rule), () => network.set(Quantity.W, 0, { rows: 12, cols: 8, data: new Float64Array(1) }),
      () => network.setActivation(1, 'relu'), () => new Rule('rule', 5), () => new Metric('norm_w', 5)]) {
      assert.throws(wrong, TypeError);
    }
    assert.throws(() => new Network([2, 1], { precision: 2 ** 32 + 2 }), RangeError);
  },

  'weights come back in both precisions'() {
    for (const precision of Object.values(Precision)) {
      for (const Type of [Float64Array, Float32Array]) {
        const network = new Network([2, 3, 1], { precision });
        const numbers = Type.from([1, -2, 3.5, -4.25, 5.125, 6]);
        network.set(Quantity.W, 0, new Matrix(2, 3, numbers));
        assert.deepEqual(network.weights(0, Type).data, numbers);
        assert.deepEqual([...network.weights(0).data], [...numbers]);
        assert.deepEqual([...network.weights(1).data], [0, 0, 0]);
      }
    }
  },

  'a rule sees its block and writes its signal in both precisions'() {
    for (const [precision, Type, most] of [[Precision.F64, Float64Array, 1e-14], [Precision.F32, Float32Array, 1e-6]]) {
      const [own, builtin] = [drawn(precision), drawn(precision)];
      const rule = Rule.custom('own', own, (trace, l, out) => {
        assert.deepEqual([trace.step.rows, l, out.rows, out.cols, trace.width(1)], [20, 1, 20, 8, 8]);
        const [delta, b] = [trace.get(Quantity.DELTA, 2), trace.get(Quantity.FEEDBACK, 1)];
        for (const matrix of [delta, b, out]) assert(matrix.data instanceof Type);
        for (let i = 0; i < out.rows; i++) {
          for (let j = 0; j < out.cols; j++) {
            for (let q = 0; q < b.rows; q++) out.set(i, j, out.at(i, j) + delta.at(i, q) * b.at(q, j));
          }
        }
      });
      trainerOf(own, rule).run(batches, 3);
      trainerOf(builtin, Rule.named('fa', builtin)).run(batches, 3);
      const w = builtin.weights(0).data;
      own.weights(0).data.forEach((value, i) => assert(Math.abs(value - w[i]) < most, `${value}, ${w[i]}`));
      assert.notDeepEqual(w, drawn(precision).weights(0).data);
    }
  },

  'what a function throws comes out of the call'() {
    const network = drawn();
    const rule = Rule.named('fa', network);
    const thrown = new TypeError('no room');
    const unsupported = new FalignError(Status.UNSUPPORTED, 'not today');
    for (const [error, status] of [[thrown, Status.CALLBACK], [unsupported, Status.UNSUPPORTED]]) {
      const trainer = trainerOf(network, rule, () => { throw error; });
      const expected = { name: 'FalignError', status, message: error.message, cause: error };
      assert.throws(() => trainer.run(batches, 1), expected);
    }
    const textual = trainerOf(network, rule, () => { throw 'words'; });
    assert.throws(() => textual.run(batches, 1), { status: Status.CALLBACK, message: 'words', cause: 'words' });
    const odd = [new FalignError(Status.OK, 'fine'), new FalignError(undefined, 'none'), Object.create(null)];
    for (const error of odd) { // it is still a failure
      const trainer = trainerOf(network, rule, () => { throw error; });
      assert.throws(() => trainer.run(batches, 1), { status: Status.CALLBACK, cause: error });
    }
    // A later failure has nothing to do with it.
    assert.throws(() => new Metric('beauty'), (error) => error.message.includes('beauty') && !('cause' in error));
    // A call that fails in a rule keeps its message.
    const asks = Rule.custom('asks', network, (trace) => { trace.get(Quantity.FEEDBACK, 7); });
    assert.throws(() => trainerOf(network, asks).run(batches, 1), { status: Status.CALLBACK, message: /asks.*B\[7\]/ });
    const caught = trainerOf(network, rule, () => { assert.throws(() => new Metric('beauty'), FalignError); });
    caught.run(batches, 2);
    assert.equal(caught.iteration, 2);
  },

  'closed objects are refused, and closing twice does nothing'() {
    const network = drawn();
    network.close();
    network.close();
    assert.throws(() => network.weights(0), /this Network is closed/);
    assert.throws(() => Rule.named('fa', network), /this Network is closed/);
  },

  'a function may close its own object'() {
    const network = drawn();
    let calls = 0;
    const trainer = trainerOf(network, Rule.named('fa', network), () => {
      calls += 1;
      trainer.close();
    });
    trainer.run(batches, 3);
    assert.equal(calls, 3);
  },

  async 'functions live as long as the last that uses them'() {
    const network = drawn();
    let calls = 0;
    let [signal, sink] = [() => { calls += 1; }, () => { calls += 1; }];
    const references = [signal, sink].map((value) => new WeakRef(value));
    const rule = Rule.custom('counted', network, signal);
    const trainer = trainerOf(network, rule, sink);
    signal = sink = undefined;
    network.close();
    rule.close();
    await setImmediate();
    globalThis.gc();
    await setImmediate();
    trainer.run(batches, 1);
    assert.equal(calls, 2);
    trainer.close();
    await assertCollected(references);
  },

  async 'forgotten objects release their functions'() {
    let reference;
    (() => {
      const network = drawn();
      const sink = () => {};
      reference = new WeakRef(sink);
      const trainer = trainerOf(network, Rule.custom('forgotten', network, () => {}), sink);
      trainer.observe(Metric.custom('forgotten', 0, () => {}), 1, () => {});
      trainer.run(batches, 1);
    })();
    await assertCollected([reference]);
  },
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
  try {
    await test();
  } catch (error) {
    failed += 1;
    console.error(`${name}: ${error.stack}`);
  }
}
console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
