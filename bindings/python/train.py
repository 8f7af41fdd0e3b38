# SPDX-License-Identifier: Apache-2.0
"""Trains by FA and by a user-defined rule, and prints how the forward weights align with the feedback weights."""

import falign


class SignSymmetry(falign.Rule):
    """The error travels back through the signs of the forward weights."""
    name = "sign-symmetry"

    @staticmethod
    def signal(rule, network, trace, l, out):
        delta, w = trace.view(falign.Quantity.DELTA, l + 1), network.weights(l)
        for i, row in enumerate(delta):
            for j, weights in enumerate(w):
                out[i, j] = 0.1 * sum(e if v > 0 else -e for e, v in zip(row, weights))


def batches():
    data = falign.Dataset.synthetic(points=100, width=12, categories=5, within=0.6, between=0.0, seed=1)
    return falign.Batches(data, falign.Code.n_hot(5, 10, hot=2), size=50)


def train(network, rule, steps):
    with falign.Trainer(network, rule, eta=0.02) as trainer:
        angles = trainer.observe("angle_w_b", every=steps)
        trainer.run(batches(), steps)
        trainer.measure()
        for value in angles:
            print("update %d: W[%d] and B[%d]^T: %.1f degrees"
                  % (value.iteration, value.layer, value.layer, value.value))
        print("%s: %.0f %% are decoded wrongly" % (rule.name, 100 * trainer.evaluate(batches())[1]))


with falign.Network([12, 8, 10], precision=falign.Precision.F64) as network:
    network.draw(sd_w=0.3, sd_b=0.3)
    train(network, falign.Rule("fa", network).draw(sd=0.3), 100)
    train(network.draw(sd_w=0.3, sd_b=0.3), SignSymmetry(None, network), 20)
    try:
        network.set(falign.Quantity.W, 0, [[0.0] * 12] * 8)
    except falign.ShapeError as error:
        print("a wrong shape is an error:", error)
