// SPDX-License-Identifier: Apache-2.0

/**
 * Holds falign.js to what it says of arguments, errors and lifetimes.
 * Usage: node --expose-gc test_falign.js LIBRARY
 */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { Batches, Code, Dataset, FalignError, Matrix, Metric, Network, Part, Precision, Rule, Status, Trainer, load,
  version } from './falign.js';

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

/** Has garbage collected until all are gone. What a turn of the event loop has looked at stays until it ends. */
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

  'matrices have the numbers that they say'() {
    assert.throws(() => new Matrix(2, 3, new Float64Array(5)), /a 2 x 3 matrix has 6 numbers, got 5/);
    assert.throws(() => new Matrix(1, 2, [1, 2]), TypeError);
    assert.throws(() => new Matrix(1, 2, new Int32Array(2)), TypeError);
    const m = new Matrix(2, 3);
    m.set(1, 0, 5);
    assert.deepEqual([...m.data], [0, 0, 0, 5, 0, 0]);
    assert.equal(m.at(1, 0), 5);
    assert.throws(() => { m.data = new Float64Array(1); }, TypeError);
    assert.deepEqual(new Matrix(1n, 2n, Float64Array.of(1, 2)), new Matrix(1, 2, Float64Array.of(1, 2)));
  },

  'objects of another kind are refused'() {
    const network = drawn();
    const rule = Rule.named('fa', network);
    const trainer = trainerOf(network, rule);
    for (const wrong of [() => trainer.run(synthetic(1), 1), () => new Trainer(rule, network, 0.1),
      () => trainer.evaluate(network), () => trainer.observe('norm_w', 1, () => {}), () => new Batches(batches, 20),
      () => Rule.named('fa', rule), () => network.setWeights(0, { rows: 12, cols: 8, data: new Float64Array(1) })]) {
      assert.throws(wrong, TypeError);
    }
    assert.throws(() => new Network([2, 1], { precision: 2 ** 32 + 2 }), RangeError);
  },

  'weights come back in both precisions'() {
    for (const precision of Object.values(Precision)) {
      for (const Type of [Float64Array, Float32Array]) {
        const network = new Network([2, 3, 1], { precision });
        const numbers = Type.from([1, -2, 3.5, -4.25, 5.125, 6]);
        network.setWeights(0, new Matrix(2, 3, numbers));
        assert.deepEqual(network.weights(0, Type).data, numbers);
        assert.deepEqual([...network.weights(0).data], [...numbers]);
        assert.deepEqual([...network.weights(1).data], [0, 0, 0]);
      }
    }
  },

  'a rule sees its block and writes its signal in both precisions'() {
    for (const [precision, Type, most] of [[Precision.F64, Float64Array, 1e-14], [Precision.F32, Float32Array, 1e-6]]) {
      const [own, builtin] = [drawn(precision), drawn(precision)];
      const rule = Rule.custom('own', own, (block, l, out) => {
        assert.deepEqual([block.rows, l, out.rows, out.cols], [20, 1, 20, 8]);
        const [delta, b] = [block.delta(2), block.feedback(1)];
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
    for (const error of odd) { // it is a failure all the same
      const trainer = trainerOf(network, rule, () => { throw error; });
      assert.throws(() => trainer.run(batches, 1), { status: Status.CALLBACK, cause: error });
    }
    // A later failure has nothing to do with it.
    assert.throws(() => new Metric('beauty'), (error) => error.message.includes('beauty') && !('cause' in error));
    // In a rule, a call that fails tells its own message.
    const asks = Rule.custom('asks', network, (block) => { block.feedback(7); });
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

  'a rule that cannot be made is an error'() {
    assert.throws(() => Rule.custom(null, drawn(), () => {}), { status: Status.INVALID });
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

  async 'objects that are forgotten give their functions back'() {
    let reference;
    (() => {
      const network = drawn();
      const sink = () => {};
      reference = new WeakRef(sink);
      trainerOf(network, Rule.custom('forgotten', network, () => {}), sink).run(batches, 1);
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
