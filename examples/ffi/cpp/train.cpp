// SPDX-License-Identifier: Apache-2.0

// Trains by feedback alignment in C++: reads weights and angles back, gets an error message, and defines its own rule.
// Exit code: 0 if all results are as expected.

#include <cmath>
#include <cstdio>
#include <falign/falign.hpp>
#include <vector>

static const std::vector<std::size_t> widths = {12, 8, 9, 10};

// The rule FA, written here: delta[l+1] B[l] (eq. 21).
static falign::rule_table feedback_alignment() {
  falign::rule_table table;
  table.name = "own-fa";
  table.feedback = FALIGN_FEEDBACK_LAYER;
  table.concurrent = true;
  table.signal = [](const falign::rule &rule, const falign::network &, const falign::trace &trace, std::uint32_t l,
                    falign::writable signal) {
    const auto delta = trace.view(FALIGN_DELTA, l + 1).as<double>(), b = rule.view(FALIGN_FEEDBACK, l).as<double>();
    const auto out = signal.as<double>();
    for (std::size_t i = 0; i < out.rows(); i++) {
      for (std::size_t j = 0; j < out.cols(); j++) {
        out(i, j) = 0;
        for (std::size_t q = 0; q < b.rows(); q++) out(i, j) += delta(i, q) * b(q, j);
      }
    }
  };
  return table;
}

// Trains `network` by `rule`, shows how its weights align, and returns the share of wrongly decoded points.
static double train(falign::network &network, falign::rule &rule) {
  const auto data = falign::dataset::synthetic({100, 12, 5, 0.6, 0.0}, FALIGN_TRAIN, 1);
  falign::batches batches(data, falign::code::n_hot(5, 10, 2, 1, 0), 50);
  falign::trainer trainer(network, rule, 0.02);
  network.draw(0.3, 0.3, 1, 0);
  rule.draw(0.3, 1, 0);
  trainer.observe(falign::metric("angle_w_b"), 100, [](const falign::value &angle) {
    std::printf("update %3d, layer %d: %.1f degrees\n", static_cast<int>(angle.iteration),
                static_cast<int>(angle.layer), angle.value);
  });
  trainer.run(batches, 200);
  trainer.measure();
  return trainer.evaluate(batches).error;
}

int main() try {
  falign::network network(FALIGN_F64, widths), own_network(FALIGN_F64, widths);
  falign::rule rule("fa", network), own_rule(feedback_alignment(), own_network);
  const double error = train(network, rule);
  std::printf("%.0f %% of the points are decoded wrongly; and by the program's own rule:\n", 100 * error);
  bool fine = error < 0.1 && train(own_network, own_rule) < 0.1;

  double difference = 0;
  for (std::uint32_t l = 0; l < network.layers(); l++) {
    const auto w = network.view(FALIGN_W, l).as<double>(), own = own_network.view(FALIGN_W, l).as<double>();
    for (std::size_t i = 0; i < w.rows(); i++)
      for (std::size_t j = 0; j < w.cols(); j++) difference = std::fmax(difference, std::fabs(w(i, j) - own(i, j)));
  }
  std::printf("the weights differ by at most %g\n", difference);
  fine = fine && difference < 1e-12;

  try {
    std::vector<double> w(8 * 12);
    network.set(FALIGN_W, 0, falign::matrix(w, 8, 12));  // its transpose would fit
    fine = false;
  } catch (const falign::error &thrown) {
    std::printf("%s: %s\n", falign_status_name(thrown.status()), thrown.what());
    fine = fine && thrown.status() == FALIGN_SHAPE;
  }
  return fine ? 0 : 1;
} catch (const std::exception &thrown) {
  std::fprintf(stderr, "%s\n", thrown.what());
  return 1;
}
