// SPDX-License-Identifier: Apache-2.0

/**
 * Trains by feedback alignment in Node: reads weights and angles back, gets error messages, and brings a rule and an
 * observer of its own. Exit code: 0 if everything came out as it should.  Usage: node train.js [LIBRARY]
 */
import assert from 'node:assert/strict';
import { Batches, Code, Dataset, FalignError, Matrix, Metric, Network, Part, Quantity, Rule, Status, Trainer, load }
  from './falign.js';

const widths = [12, 8, 10];
const steps = 100;

function batchesOf(part) {
  const data = Dataset.synthetic(100, 12, 5, 0.6, 0, part, 1);
  const code = Code.nHot(5, 10, 2, 1);
  try {
    return new Batches(data, code, 50);
  } finally {
    code.close(); // the batches keep both
    data.close();
  }
}

function drawnNetwork(sizes = widths) {
  const network = new Network(sizes);
  network.draw(0.3, 0.3, 1);
  return network;
}

/** The rule FA, written here: delta[l+1] B[l] (eq. 21). */
function feedbackAlignment(trace, l, out) {
  const delta = trace.get(Quantity.DELTA, l + 1);
  const b = trace.get(Quantity.FEEDBACK, l);
  for (let i = 0; i < out.rows; i++) {
    for (let j = 0; j < out.cols; j++) {
      let sum = 0;
      for (let q = 0; q < b.rows; q++) sum += delta.at(i, q) * b.at(q, j);
      out.set(i, j, sum);
    }
  }
}

/** Trains `network` and sends the angles of W[l] with B[l]^T before and after to `sink`.
 *  @return the share of test points that are decoded wrongly */
function train(network, rule, sink) {
  const batches = batchesOf(Part.TRAIN);
  const test = batchesOf(Part.TEST);
  const metric = new Metric('angle_w_b');
  const trainer = new Trainer(network, rule, 0.02);
  try {
    rule.draw(0.3, 1);
    trainer.observe(metric, steps, sink);
    trainer.run(batches, steps);
    trainer.measure();
    return trainer.evaluate(test).error;
  } finally {
    for (const object of [trainer, metric, test, batches]) object.close();
  }
}

function largestDifference(network, other) {
  let largest = 0;
  for (let l = 0; l < network.layers; l++) {
    const w = other.weights(l).data;
    network.weights(l).data.forEach((value, i) => { largest = Math.max(largest, Math.abs(value - w[i])); });
  }
  return largest;
}

function showTraining() {
  const network = drawnNetwork();
  const rule = Rule.named('fa', network);
  const before = network.weights(0);
  const angles = [];
  const error = train(network, rule, ({ iteration, metric, layer, order, value }) => {
    console.log(`update ${iteration}: ${metric}, layer ${layer}: ${value.toFixed(1)} degrees`);
    assert.deepEqual([metric, layer, order], ['angle_w_b', 1, -1]);
    angles.push([iteration, value]);
  });
  console.log(`${(100 * error).toFixed(1)} % of the test points are decoded wrongly`);
  assert.deepEqual(angles.map(([iteration]) => iteration), [0, steps]);
  assert(angles[1][1] < angles[0][1] - 10, `${angles}`);
  assert(error < 0.1, `${error}`);

  const after = network.weights(0);
  assert.deepEqual([after.rows, after.cols], [12, 8]);
  assert.notDeepEqual(after.data, before.data);
  rule.close();
  network.close();
}

function showOwnRule() {
  const sizes = [12, 8, 9, 10];
  const [own, builtin] = [drawnNetwork(sizes), drawnNetwork(sizes)];
  const layers = [];
  const ownRule = Rule.custom('own-fa', own, (trace, l, out) => {
    layers.push(l);
    feedbackAlignment(trace, l, out);
  });
  const builtinRule = Rule.named('fa', builtin);
  train(own, ownRule, () => {});
  train(builtin, builtinRule, () => {});
  const difference = largestDifference(own, builtin);
  console.log(`by a rule written here, weights differ by at most ${difference}`);
  assert.deepEqual(layers.slice(0, 4), [2, 1, 2, 1]);
  assert.equal(layers.length, 2 * steps);
  assert(difference < 1e-12, `${difference}`);
  for (const object of [ownRule, builtinRule, own, builtin]) object.close();
}

/** Returns what `run` throws. */
function failure(run) {
  try {
    run();
  } catch (error) {
    if (!(error instanceof FalignError)) throw error;
    console.log(`${error}`);
    return error;
  }
  throw new assert.AssertionError({ message: 'nothing failed' });
}

function showErrors() {
  const network = drawnNetwork();
  const shape = failure(() => network.set(Quantity.W, 0, new Matrix(8, 12)));
  assert.equal(shape.status, Status.SHAPE);
  assert.equal(shape.message, 'W[0] is 12 x 8, got 8 x 12');
  network.set(Quantity.W, 0, new Matrix(8, 12).transposed());

  const rule = Rule.custom('failing', network, () => { throw new Error('no feedback today'); });
  const own = failure(() => train(network, rule, () => {}));
  assert.equal(own.status, Status.CALLBACK);
  assert.match(own.message, /failing.*no feedback today/);
  assert.equal(own.cause.message, 'no feedback today');
  rule.close();
  network.close();
}

/** An observer stops a run, which then resumes as if it had not been stopped. */
function showCancelling() {
  const [stopped, whole] = [drawnNetwork(), drawnNetwork()];
  const [stoppedRule, wholeRule] = [Rule.named('fa', stopped), Rule.named('fa', whole)];
  train(whole, wholeRule, () => {});

  const batches = batchesOf(Part.TRAIN);
  const metric = new Metric('angle_w_b');
  const trainer = new Trainer(stopped, stoppedRule, 0.02);
  stoppedRule.draw(0.3, 1);
  let patience = 1;
  trainer.observe(metric, 30, ({ iteration }) => {
    if (iteration === 60 && patience-- > 0) throw new FalignError(Status.CANCELLED, 'enough for now');
  });
  const cancelled = failure(() => trainer.run(batches, steps));
  assert.equal(cancelled.status, Status.CANCELLED);
  assert.equal(cancelled.message, 'enough for now');
  assert.equal(trainer.iteration, 60);
  trainer.run(batches, steps);
  assert.equal(trainer.iteration, steps);
  assert.equal(largestDifference(stopped, whole), 0);
  for (const object of [trainer, metric, batches, stoppedRule, wholeRule, stopped, whole]) object.close();
}

load(process.argv[2]);
showTraining();
showOwnRule();
showErrors();
showCancelling();
