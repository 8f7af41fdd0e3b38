// SPDX-License-Identifier: Apache-2.0

// falign.hpp: the same numbers as in C, exceptions of callbacks, lifetimes, and what does not compile.

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <falign/falign.hpp>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace {

using falign::matrix;

int failures = 0;
void expect(bool holds, const char *what, int line) {
  if (holds) return;
  failures++;
  std::fprintf(stderr, "test_cpp.cpp:%d: not so: %s\n", line, what);
}
#define EXPECT(...) expect((__VA_ARGS__), #__VA_ARGS__, __LINE__)

// Thrown by this test only: not a std::exception, and told apart by its number.
struct own_failure {
  int number;
};
class named_failure : public std::runtime_error {
 public:
  explicit named_failure(const std::string &what) : std::runtime_error(what) {}
};

// The number of the own_failure that `f` throws; -1 for none.
template <class F>
int number_of(F f) {
  try {
    f();
  } catch (const own_failure &thrown) {
    return thrown.number;
  } catch (const std::exception &thrown) {
    std::fprintf(stderr, "another exception: %s\n", thrown.what());
  }
  return -1;
}

// The status of the falign::error that `f` throws, whose message must hold `text`.
template <class F>
falign_status status_of(F f, const char *text) {
  try {
    f();
  } catch (const falign::error &thrown) {
    if (std::string(thrown.what()).find(text) != std::string::npos) return thrown.status();
    std::fprintf(stderr, "the message is: %s\n", thrown.what());
    return -1;
  }
  return FALIGN_OK;
}

const std::vector<std::size_t> widths = {12, 8, 9, 10};
enum : std::size_t { POINTS = 200 };

falign::batches make_batches(std::size_t size = POINTS) {
  const auto data = falign::dataset::synthetic({POINTS, 12, 5, 0.6, 0.0}, FALIGN_TRAIN, 1);
  return falign::batches(data, falign::code::n_hot(5, 10, 2, 1, 0), size);
}

// All that a run takes, each of which a test may replace.
struct setting {
  explicit setting(falign_precision precision = FALIGN_F64) : network(precision, widths), rule("fa", network) {
    draw();
  }
  explicit setting(const falign::rule_table &table) : network(FALIGN_F64, widths), rule(table, network) { draw(); }
  void draw() {
    network.draw(0.3, 0.3, 1, 0);
    rule.draw(0.3, 1, 0);
  }
  falign::network network;
  falign::rule rule;
  falign::batches batches = make_batches();
  falign::trainer trainer{network, rule, 0.002};
};

void silent(const falign::rule &, const falign::network &, const falign::trace &, std::uint32_t, falign::writable out) {
  std::fill_n(out.as<double>().data(), out.rows() * out.cols(), 0.0);
}

falign::rule_table throwing_rule(bool concurrent) {
  falign::rule_table table;
  table.name = "throwing";
  table.concurrent = concurrent;
  table.signal = [](const falign::rule &, const falign::network &, const falign::trace &, std::uint32_t l,
                    falign::writable) { throw own_failure{static_cast<int>(l)}; };
  return table;
}

template <class T>
void multiply(T alpha, matrix<const T> a, matrix<const T> b, T beta, matrix<T> c) {
  for (std::size_t i = 0; i < c.rows(); i++) {
    for (std::size_t j = 0; j < c.cols(); j++) {
      T sum = 0;
      for (std::size_t p = 0; p < a.cols(); p++) sum += a(i, p) * b(p, j);
      c(i, j) = alpha * sum + (beta == 0 ? 0 : beta * c(i, j));
    }
  }
}

// ---- The same numbers as in C ----

template <class T>
std::vector<T> weights_in_c(falign_precision precision, std::uint64_t until) {
  falign_dataset *data = nullptr;
  falign_code *code = nullptr;
  falign_batches *batches = nullptr;
  falign_network *network = nullptr;
  falign_rule *rule = nullptr;
  falign_trainer *trainer = nullptr;
  const falign_synthetic like = {POINTS, 12, 5, 0.6, 0.0};
  if (falign_dataset_create_synthetic(&like, FALIGN_TRAIN, 1, &data) ||
      falign_code_create_n_hot(5, 10, 2, 1, 0, &code) || falign_batches_create(data, code, POINTS, &batches) ||
      falign_network_create(precision, 3, widths.data(), 1, &network) || falign_network_draw(network, 0.3, 0.3, 1, 0) ||
      falign_rule_create("fa", network, &rule) || falign_rule_draw(rule, 0.3, 1, 0) ||
      falign_trainer_create(network, rule, 0.002, &trainer) || falign_trainer_run(trainer, batches, until))
    std::abort();
  std::vector<T> w(12 * 8);
  const falign::writable out(w, 12, 8);
  if (falign_network_get(network, FALIGN_W, 0, out.c())) std::abort();
  falign_trainer_destroy(trainer);
  falign_rule_destroy(rule);
  falign_network_destroy(network);
  falign_batches_destroy(batches);
  falign_code_destroy(code);
  falign_dataset_destroy(data);
  return w;
}

void test_same_bits_as_in_c() {
  setting single(FALIGN_F32), twice(FALIGN_F64);
  single.trainer.run(single.batches, 20);
  twice.trainer.run(twice.batches, 20);
  EXPECT(single.network.get<float>(FALIGN_W, 0).numbers() == weights_in_c<float>(FALIGN_F32, 20));
  EXPECT(twice.network.get<double>(FALIGN_W, 0).numbers() == weights_in_c<double>(FALIGN_F64, 20));
  EXPECT(twice.network.get<double>(FALIGN_W, 0).numbers() != weights_in_c<double>(FALIGN_F64, 19));
}

void test_matrices() {
  falign::network network(FALIGN_F32, {2, 3});
  const std::vector<float> numbers = {1, 2, 3, -1, 4, 5, 6, -1};  // rows of 3, 4 apart
  network.set(FALIGN_W, 0, matrix(numbers.data(), 2, 3, 4));
  EXPECT(network.get<double>(FALIGN_W, 0).numbers() == std::vector<double>{1, 2, 3, 4, 5, 6});
  EXPECT(network.view(FALIGN_W, 0).as<float>()(1, 2) == 6);
  network.edit(FALIGN_W, 0).as<float>()(1, 2) = 7;
  EXPECT(network.get<float>(FALIGN_W, 0)(1, 2) == 7);
  EXPECT(status_of([&] { (void)network.view(FALIGN_W, 0).as<double>(); }, "f32") == FALIGN_SHAPE);
  EXPECT(status_of([&] { (void)network.view(FALIGN_W, 1); }, "W[1]") == FALIGN_INVALID);
  EXPECT(status_of([&] { network.set(FALIGN_W, 0, matrix(numbers, 3, 2)); }, "W[0] is 2 x 3, got 3 x 2") ==
         FALIGN_SHAPE);
  EXPECT(status_of([&] { matrix(numbers, 3, 3); }, "8 numbers are too few for a matrix of 3 x 3") == FALIGN_SHAPE);

  // Transposed and reversed, without a copy; and of temporaries, where they are read.
  const std::vector<double> columns = {1, 4, 2, 5, 3, 6};
  network.set(FALIGN_W, 0, matrix(columns, 3, 2).transposed());
  EXPECT(network.get<double>(FALIGN_W, 0).numbers() == std::vector<double>{1, 2, 3, 4, 5, 6});
  network.set(FALIGN_W, 0, matrix(columns.data() + 5, 2, 3, -1, -2));
  EXPECT(network.get<double>(FALIGN_W, 0).numbers() == std::vector<double>{6, 5, 4, 3, 2, 1});
  std::vector<double> back(6);
  network.get(FALIGN_W, 0, matrix(back, 3, 2).transposed());
  EXPECT(back == std::vector<double>{6, 3, 5, 2, 4, 1});
  network.set(FALIGN_BIAS, 1, std::vector<double>{7, 8, 9});
  EXPECT(network.get<float>(FALIGN_BIAS, 1).numbers() == std::vector<float>{7, 8, 9});
  EXPECT(network.get<float>(FALIGN_BIAS, 1).rows() == 1);
  network.set(FALIGN_W, 0, network.get<double>(FALIGN_W, 0));
  EXPECT(network.get<double>(FALIGN_PARAMETERS, 0).numbers() == std::vector<double>{6, 5, 4, 3, 2, 1, 7, 8, 9});
  double sum = 0;
  for (const double each : network.get<double>(FALIGN_BIAS, 1)) sum += each;
  EXPECT(sum == 24);

  const std::vector<double> a = {1, 0, 0, 1}, b = {0, 1, -1, 0};
  EXPECT(falign::angle(matrix(a, 2, 2), matrix(b, 2, 2)).angle == 90);
  EXPECT(falign::angle(a, matrix(a, 4, 1).transposed()).inner == 2);
  EXPECT(status_of([&] { (void)falign::angle(a, matrix(a, 4, 1)); }, "1 x 4") == FALIGN_SHAPE);
  EXPECT(falign::frobenius(matrix(a, 2, 2)) == std::sqrt(2.0));
}

void test_errors() {
  falign::network network(FALIGN_F64, widths);
  EXPECT(status_of([&] { falign::rule("hebb", network); }, "hebb") == FALIGN_UNSUPPORTED);
  EXPECT(status_of([&] { falign::activation("step"); }, "step") == FALIGN_UNSUPPORTED);
  EXPECT(status_of([&] { falign::norm("rows", {1}); }, "rows") == FALIGN_UNSUPPORTED);
  EXPECT(status_of([&] { falign::network(FALIGN_F64, {}); }, "layers") == FALIGN_INVALID);
  EXPECT(status_of([&] { network.set(FALIGN_BIAS, 1, std::vector<double>{1}); }, "b[1]") == FALIGN_SHAPE);
  EXPECT(status_of([&] { falign::rule(falign::rule_table{}, network); }, "signal") == FALIGN_INVALID);
  EXPECT(status_of([&] { falign::dataset::read_mnist("/nonexistent", FALIGN_TRAIN, 0); }, "") != FALIGN_OK);
  setting s;
  falign::metric angle("angle_w_b");
  EXPECT(status_of([&] { s.trainer.observe(angle, 1, nullptr); }, "sink of angle_w_b") == FALIGN_INVALID);
  s.trainer.cancel();
  EXPECT(status_of([&] { s.trainer.run(s.batches, 1); }, "cancelled") == FALIGN_CANCELLED);
  EXPECT(!falign::backend::names().empty() && !falign::metric::names().empty());
  EXPECT(falign::metric::names().size() == falign::metric::descriptions().size());
}

// ---- What does not compile: pointers into objects that are gone, and numbers that must not be written ----

template <class T, class = void>
struct lends_c : std::false_type {};
template <class T>
struct lends_c<T, std::void_t<decltype(std::declval<T>().c())>> : std::true_type {};
template <class T, class = void>
struct lends_view : std::false_type {};
template <class T>
struct lends_view<T, std::void_t<decltype(std::declval<T>().view(FALIGN_W, 0))>> : std::true_type {};
template <class T, class = void>
struct lends_edit : std::false_type {};
template <class T>
struct lends_edit<T, std::void_t<decltype(std::declval<T>().edit(FALIGN_W, 0))>> : std::true_type {};
template <class T, class = void>
struct lends_network : std::false_type {};
template <class T>
struct lends_network<T, std::void_t<decltype(std::declval<T>().network())>> : std::true_type {};

static_assert(lends_view<falign::network &>::value && lends_view<const falign::network &>::value);
static_assert(!lends_view<falign::network>::value && !lends_view<falign::rule>::value);
static_assert(!lends_view<falign::trace>::value && lends_view<const falign::trace &>::value);
static_assert(lends_edit<falign::rule &>::value && !lends_edit<const falign::rule &>::value);
static_assert(!lends_edit<falign::rule>::value);
static_assert(lends_network<falign::trainer &>::value && !lends_network<falign::trainer>::value);
static_assert(lends_c<falign::readable &>::value && !lends_c<falign::readable>::value);
static_assert(!std::is_convertible_v<decltype(*std::declval<falign::borrowed<falign::network>>()), falign::network &>);
static_assert(
    std::is_convertible_v<decltype(*std::declval<falign::borrowed<const falign::trace>>()), const falign::trace &>);

template <class T, class Numbers>
constexpr bool views = std::is_constructible_v<matrix<T>, Numbers, std::size_t, std::size_t>;
static_assert(views<double, std::vector<double> &> && views<const double, const std::vector<double> &>);
static_assert(!views<double, std::vector<double>> && !views<const double, std::vector<double>>);
static_assert(!views<const double, const std::array<double, 4>> && !views<double, const std::vector<double> &>);
static_assert(!views<float, std::vector<double> &> && !views<void, const std::vector<double> &>);
static_assert(std::is_convertible_v<std::vector<double>, falign::readable>);
static_assert(!std::is_convertible_v<std::vector<double>, falign::writable>);
static_assert(!std::is_convertible_v<falign::readable, falign::writable>);
static_assert(std::is_convertible_v<matrix<double>, matrix<const double>>);
static_assert(!std::is_convertible_v<matrix<const double>, matrix<double>>);
static_assert(!std::is_convertible_v<matrix<float>, matrix<double>>);

// ---- What callbacks throw ----

void test_rules_throw() {
  for (const bool concurrent : {false, true}) {
    setting s(throwing_rule(concurrent));
    if (concurrent && status_of([&] { s.trainer.set_threads(3); }, "threads") != FALIGN_OK) continue;
    EXPECT(number_of([&] { s.trainer.run(s.batches, 1); }) == 2);
    EXPECT(number_of([&] { s.trainer.run(s.batches, 1); }) == 2);  // again, not only once
    EXPECT(s.trainer.iteration() == 0);
    EXPECT(s.trainer.evaluate(s.batches).error > 0);  // nothing is left over
  }
  falign::rule_table table = throwing_rule(false);
  table.signal = [](auto &&...) { throw falign::error(FALIGN_UNSUPPORTED, "no feedback today"); };
  setting s(table);
  EXPECT(status_of([&] { s.trainer.run(s.batches, 1); }, "no feedback today") == FALIGN_UNSUPPORTED);

  table.signal = silent;
  table.adapt = [](auto &&...) { throw own_failure{11}; };
  table.save = [](auto &&...) { throw own_failure{12}; };
  table.load = [](auto &&...) { throw own_failure{13}; };
  setting t(table);
  falign::tensors set;
  EXPECT(number_of([&] { t.trainer.run(t.batches, 1); }) == 11);
  EXPECT(number_of([&] { t.rule.export_to(set); }) == 12);
  EXPECT(number_of([&] { t.trainer.export_to(set); }) == 12);
  EXPECT(number_of([&] { t.rule.import_from(set); }) == 13);
}

void test_rules_keep_their_state() {
  falign::rule_table table;
  std::vector<double> state = {1, 2, 3};
  table.name = "stateful";
  table.signal = [](auto &&...) {};
  table.save = [&](falign::tensors &set) { set.add("rule.state", {3}, state); };
  table.load = [&](const falign::tensors &set) { state = set.get<double>("rule.state").numbers(); };
  setting s(table);
  falign::tensors set;
  s.trainer.export_to(set);
  state = {4, 5, 6};
  s.trainer.import_from(set);
  EXPECT(state == std::vector<double>{1, 2, 3});
  const falign_tensor w = set.view("W.0");
  EXPECT(set.has("W.0") && w.rank == 2 && w.dims[0] == 12 && w.dims[1] == 8);
}

void test_norms_throw() {
  setting s;
  const falign::norm norm("throwing", [](falign::network &, std::uint32_t l) {
    if (l == 1) throw own_failure{21};
  });
  EXPECT(number_of([&] { norm.apply(s.network); }) == 21);
  s.trainer.set_norm(norm);
  EXPECT(number_of([&] { s.trainer.run(s.batches, 1); }) == 21);
  s.trainer.set_norm(nullptr);
  s.trainer.run(s.batches, 3);
}

void test_metrics_and_sinks_throw() {
  falign::metric_table table;
  table.name = "own";
  table.measure = [](falign::trainer &trainer, const falign::trace &, const falign::sink &emit) {
    const double w = trainer.network()->view(FALIGN_W, 0).as<double>()(0, 0);
    emit({static_cast<std::int64_t>(trainer.iteration()), "own", -1, -1, w});
  };
  falign::metric own(table), built_in("angle_w_b");
  table.measure = [](auto &&...) { throw own_failure{31}; };
  falign::metric throwing(table);
  const auto nothing = [](const falign::value &) {};
  const auto sink = [](const falign::value &) { throw own_failure{32}; };
  {
    setting s;
    s.trainer.observe(throwing, 1, nothing);
    EXPECT(number_of([&] { s.trainer.run(s.batches, 1); }) == 31);
    EXPECT(number_of([&] { s.trainer.measure(); }) == 31);
  }
  for (falign::metric *const each : {&own, &built_in}) {
    setting s;
    s.trainer.observe_at(*each, {1}, sink);
    s.trainer.run(s.batches, 1);
    EXPECT(number_of([&] { s.trainer.run(s.batches, 2); }) == 32);
    EXPECT(number_of([&] { s.trainer.measure(); }) == 32);
  }
  setting s;
  double first = 0, value = s.network.view(FALIGN_W, 0).as<double>()(0, 0);
  s.trainer.observe(own, 1, [&](const falign::value &one) { first = one.value; });
  s.trainer.run(s.batches, 1);
  EXPECT(first == value);
}

void test_activations_throw() {
  for (const std::uint32_t threads : {1U, 3U}) {
    setting s;
    if (status_of([&] { s.trainer.set_threads(threads); }, "threads") != FALIGN_OK) continue;
    bool f_throws = false, df_throws = false;
    s.network.set_activation(
        2, falign::activation(
               "own", [&](double z) { return f_throws ? throw own_failure{41} : std::tanh(z); },
               [&](double z) { return df_throws ? throw own_failure{42} : 1 - std::tanh(z) * std::tanh(z); }));
    s.trainer.run(s.batches, 3);
    f_throws = true;
    std::vector<double> x(12), y(10);
    EXPECT(number_of([&] { s.trainer.forward(matrix(x, 1, 12), matrix(y, 1, 10)); }) == 41);
    EXPECT(number_of([&] { s.trainer.evaluate(s.batches); }) == 41);
    f_throws = false;
    df_throws = true;
    EXPECT(number_of([&] { s.trainer.run(s.batches, 4); }) == 42);
    df_throws = false;
    s.trainer.run(s.batches, 4);
    EXPECT(s.trainer.iteration() == 4);
  }
}

// A user's activation equals the built-in one up to the rounding of tanh.
void test_activations() {
  setting own, built_in;
  built_in.network.set_activation(1, falign::activation("tanh"));
  own.trainer.network()->set_activation(  // on the network as the trainer lends it
      1, falign::activation(
             "own", [](double z) { return std::tanh(z); }, [](double z) { return 1 - std::tanh(z) * std::tanh(z); }));
  EXPECT(own.network.activation(1)->name() == "own" && built_in.network.activation(1)->name() == "tanh");
  EXPECT(!own.network.activation(4));
  own.trainer.run(own.batches, 5);
  built_in.trainer.run(built_in.batches, 5);
  const auto a = own.network.get<double>(FALIGN_W, 0), b = built_in.network.get<double>(FALIGN_W, 0);
  for (std::size_t i = 0; i < a.size(); i++) EXPECT(std::fabs(a.data()[i] - b.data()[i]) < 1e-13);
}

void test_progress_throws() {
  setting s;
  s.trainer.set_progress([](std::uint64_t done, std::uint64_t) { return done == 2 ? throw own_failure{51} : false; });
  EXPECT(number_of([&] { s.trainer.run(s.batches, 5); }) == 51);
  EXPECT(s.trainer.iteration() == 2);
  s.trainer.set_progress([](std::uint64_t done, std::uint64_t until) { return done + 1 == until; });
  EXPECT(status_of([&] { s.trainer.run(s.batches, 5); }, "progress callback") == FALIGN_CANCELLED);
  EXPECT(s.trainer.iteration() == 4);
  s.trainer.set_progress(nullptr);
  s.trainer.run(s.batches, 5);
}

// A backend whose product in double precision may throw.
struct own_gemm {
  std::function<void()> before;
  void operator()(float alpha, matrix<const float> a, matrix<const float> b, float beta, matrix<float> c) const {
    multiply(alpha, a, b, beta, c);
  }
  void operator()(double alpha, matrix<const double> a, matrix<const double> b, double beta, matrix<double> c) const {
    before();
    multiply(alpha, a, b, beta, c);
  }
};

void test_backends_throw() {
  bool throwing = false;
  const own_gemm gemm{[&throwing] {
    if (throwing) throw own_failure{61};
  }};
  const falign::backend backend("own", gemm);
  std::vector<double> numbers = {1, 2, 3, 4, 5, 6}, product(4);
  const matrix a(numbers, 2, 3), c(product, 2, 2);
  backend.gemm(1, a, a.transposed(), 0, c);
  EXPECT(product == std::vector<double>{14, 32, 32, 77});
  EXPECT(status_of([&] { backend.gemm(1, a, a, 0, c); }, "2 x 3") == FALIGN_SHAPE);
  setting s;
  s.trainer.set_backend(backend);
  EXPECT(s.trainer.backend()->name() == "own");
  s.trainer.run(s.batches, 2);
  throwing = true;
  EXPECT(number_of([&] { backend.gemm(1, a, a.transposed(), 0, c); }) == 61);
  EXPECT(number_of([&] { s.trainer.run(s.batches, 3); }) == 61);
  EXPECT(number_of([&] { s.trainer.backend()->gemm(1, a, a.transposed(), 0, c); }) == 61);
  EXPECT(number_of([&] { falign::backend("own", gemm); }) == 61);  // it is tried out when it is made
}

// Two threads use one backend; its exceptions have the same text for both.
void test_exceptions_of_the_same_text() {
  static thread_local int thread = 0;
  std::atomic<bool> throwing{false};
  const falign::backend backend("own", own_gemm{[&] {
                                  if (throwing) throw own_failure{thread};
                                }});
  throwing = true;
  const auto use = [&backend](int number, int &own) {
    thread = number;
    std::vector<double> a = {1, 2, 3, 4}, c(4);
    for (int i = 0; i < 20000; i++)
      own += number_of([&] { backend.gemm(1, matrix(a, 2, 2), matrix(a, 2, 2), 0, matrix(c, 2, 2)); }) == number;
  };
  int own[2] = {0, 0};
  std::thread other(use, 1, std::ref(own[0]));
  use(2, own[1]);
  other.join();
  EXPECT(own[0] == 20000 && own[1] == 20000);
}

// An exception that a callback catches fails no call, whatever its text.
void test_exceptions_that_are_caught() {
  falign::metric_table table;
  table.name = "catching";
  table.measure = [](falign::trainer &, const falign::trace &, const falign::sink &emit) {
    try {
      emit({0, "catching", -1, -1, 1});
    } catch (...) {
    }
  };
  falign::metric catching(table);
  for (const char *const text : {"", "a", "cancelled"}) {
    setting s;
    s.trainer.observe(catching, 1, [=](auto &&...) { throw named_failure(text); });
    s.trainer.run(s.batches, 3);
    EXPECT(s.trainer.iteration() == 3);
    s.trainer.set_progress([](std::uint64_t done, std::uint64_t) { return done == 5; });
    EXPECT(status_of([&] { s.trainer.run(s.batches, 9); }, "cancelled by the progress callback") == FALIGN_CANCELLED);
  }
}

void test_ensembles_throw() {
  EXPECT(number_of([] {
           falign::ensemble::run(4, 1, [](std::uint32_t number) {
             if (number >= 2) throw own_failure{static_cast<int>(number)};
           });
         }) == 2);
  setting a, b;
  std::uint64_t seen = 0;
  b.trainer.set_progress(
      [&](std::uint64_t done, std::uint64_t) { return (seen = done) == 3 ? throw own_failure{71} : false; });
  EXPECT(number_of([&] { falign::ensemble::train({a.trainer, b.trainer}, {a.batches, b.batches}, 6, 1); }) == 71);
  EXPECT(a.trainer.iteration() == 6 && b.trainer.iteration() == 3 && seen == 3);
  EXPECT(status_of([&] { falign::ensemble::train({a.trainer}, {}, 1, 1); }, "batches: got 0, want 1") == FALIGN_SHAPE);
}

// One rule serves two threads; each call throws the exception that it has caused itself.
void test_exceptions_are_not_mixed_up() {
  falign::rule_table table;
  table.name = "shared";
  table.signal = [](const falign::rule &, const falign::network &, const falign::trace &trace, std::uint32_t,
                    falign::writable) { throw named_failure("eta " + std::to_string(trace.step().eta)); };
  falign::network first(FALIGN_F64, widths), second(FALIGN_F64, widths);
  falign::rule rule(table, first);
  const auto train = [&rule](falign::network &network, double eta, bool &right) {
    falign::trainer trainer(network, rule, eta);
    falign::batches batches = make_batches();
    right = true;
    for (int i = 0; i < 200; i++) {
      try {
        trainer.run(batches, 1);
        right = false;
      } catch (const named_failure &thrown) {
        right = right && thrown.what() == "eta " + std::to_string(eta);
      }
    }
  };
  bool first_right = false, second_right = false;
  std::thread other(train, std::ref(second), 0.25, std::ref(second_right));
  train(first, 0.5, first_right);
  other.join();
  EXPECT(first_right);
  EXPECT(second_right);
}

// An exception that ended a plain call of C, and was dropped there, is not taken for a later failure.
void test_exceptions_are_not_stale() {
  setting s(throwing_rule(false));
  EXPECT(falign_trainer_run(s.trainer.handle(), s.batches.handle(), 1) == FALIGN_CALLBACK);
  EXPECT(status_of([&] { s.trainer.set_eta(-1); }, "eta") == FALIGN_INVALID);

  setting t;
  falign::metric angle("angle_w_b");
  t.trainer.observe(angle, 1, [](auto &&...) { throw falign::error(FALIGN_IO, "the disk is full"); });
  EXPECT(falign_trainer_run(t.trainer.handle(), t.batches.handle(), 1) == FALIGN_IO);  // the status that was thrown
  EXPECT(std::string(falign_last_error()) == "the disk is full");

  int count = 0;  // not even for one of the same text
  falign::rule_table table;
  table.name = "counting";
  table.signal = [&count](auto &&...) { throw own_failure{++count}; };
  setting u(table);
  EXPECT(falign_trainer_run(u.trainer.handle(), u.batches.handle(), 1) == FALIGN_CALLBACK);
  EXPECT(count > 0);
  count = 100;
  EXPECT(number_of([&] { u.trainer.run(u.batches, 1); }) > 100);

  setting v;  // what progress throws has no text
  v.trainer.set_progress([](auto &&...) -> bool { throw own_failure{1}; });
  EXPECT(falign_trainer_run(v.trainer.handle(), v.batches.handle(), 1) == FALIGN_CANCELLED);
  v.trainer.set_eta(0.1);
}

// ---- Lifetimes ----

template <class T>
void test_moves_of(T made) {
  auto *const c = made.handle();
  T moved(std::move(made));
  EXPECT(!made && moved && moved.handle() == c);  // NOLINT: a moved object is empty
  moved = std::move(moved);
  EXPECT(moved.handle() == c);
  made = std::move(moved);
  EXPECT(made.handle() == c && !moved);
  T again(made.release());
  EXPECT(again.handle() == c && !made);
}

void test_moves() {
  static_assert(!std::is_copy_constructible_v<falign::network> && !std::is_copy_assignable_v<falign::trainer>);
  static_assert(std::is_nothrow_move_constructible_v<falign::rule> &&
                std::is_nothrow_move_assignable_v<falign::metric>);
  setting s;
  test_moves_of(falign::network(FALIGN_F32, widths));
  test_moves_of(falign::rule("dfa", s.network));
  test_moves_of(falign::trainer(s.network, s.rule, 0.1));
  test_moves_of(falign::metric("angle_w_b"));
  test_moves_of(falign::tensors());
  std::vector<falign::network> networks;
  for (std::size_t i = 1; i < 6; i++) networks.emplace_back(FALIGN_F32, std::vector<std::size_t>{i, i});
  networks.erase(networks.begin());
  EXPECT(networks.front().width(1) == 2 && networks.back().width(1) == 5);
}

// A trainer keeps what it was given when that is destroyed here; callables live as long as something may call them.
void test_any_order_of_destruction() {
  const auto counted = std::make_shared<int>(0);
  std::optional<falign::trainer> trainer;
  falign::batches batches = make_batches();
  {
    falign::rule_table table;
    table.name = "counting";
    table.signal = [counted](auto &&...all) { silent(all...), ++*counted; };
    falign::network network(FALIGN_F64, widths);
    network.set_activation(1, falign::activation(
                                  "own", [counted](double z) { return z; }, [counted](double) { return 1; }));
    falign::rule rule(table, network);
    falign::norm norm("counting", [counted](falign::network &, std::uint32_t) { ++*counted; });
    falign::metric metric(falign::metric_table{"silent", 0, [counted](auto &&...) {}, nullptr});
    trainer.emplace(network, rule, 0.001);
    trainer->set_norm(norm);
    trainer->observe(metric, 1, [counted](auto &&...) {});
    trainer->set_progress([counted](auto &&...) { return false; });
  }
  const long while_it_lives = counted.use_count();
  trainer->run(batches, 2);
  EXPECT(*counted > 0);
  falign::trainer moved(std::move(*trainer));
  trainer.reset();
  moved.run(batches, 4);
  setting other;
  other.trainer = std::move(moved);
  other.trainer.run(batches, 6);
  EXPECT(counted.use_count() == while_it_lives && while_it_lives == 8);  // one here, two of the activation, five others
  { const falign::trainer gone(std::move(other.trainer)); }
  EXPECT(counted.use_count() == 1);
}

// The callables of objects that were released to C are still there when C calls them.
void test_release() {
  setting s;
  const auto counted = std::make_shared<int>(0);
  falign::metric own(falign::metric_table{"own", 0, [counted](auto &&...) { ++*counted; }, nullptr});
  s.network.set_activation(1, falign::activation(
                                  "own", [counted](double z) { return ++*counted, z; }, [](double) { return 1; }));
  s.trainer.observe(own, 1, [](auto &&...) {});
  falign_network *const network = s.network.release();
  falign_trainer *const trainer = s.trainer.release();
  falign_metric *const metric = own.release();
  EXPECT(falign_trainer_run(trainer, s.batches.handle(), 2) == FALIGN_OK && *counted > 2);
  falign_metric_destroy(metric);
  falign_trainer_destroy(trainer);
  falign_network_destroy(network);
}

// Activations that are set after the trainer was released to C live as long as it may call them.
void test_activations_after_release() {
  falign_trainer *trainer = nullptr;
  falign::batches batches = make_batches();
  const auto counted = std::make_shared<int>(0);
  {
    setting s;
    trainer = s.trainer.release();
    s.network.set_activation(1, falign::activation(
                                    "own", [counted](double z) { return ++*counted, z; }, [](double) { return 1; }));
    EXPECT(status_of([&] { s.trainer.set_progress(nullptr); }, "moved or released") == FALIGN_INVALID);
  }
  EXPECT(falign_trainer_run(trainer, batches.handle(), 2) == FALIGN_OK && *counted > 2);
  falign_trainer_destroy(trainer);
}

void test_trainer_gone_within_a_callback() {
  auto s = std::make_unique<setting>();
  falign::batches batches = make_batches();
  s->trainer.set_progress([&](std::uint64_t, std::uint64_t) -> bool {
    s.reset();
    throw own_failure{81};
  });
  EXPECT(number_of([&] { s->trainer.run(batches, 2); }) == 81);
}

// ---- The rest of the interface ----

void test_data() {
  const std::vector<double> x = {1, 2, 3, 4, 5, 6}, rows = {1, 0, 0, 1};
  const falign::dataset data(matrix(x, 3, 2), {0, 1, 0}, 2);
  const falign_dataset_shape &shape = data.shape();
  EXPECT(shape.points == 3 && shape.width == 2 && shape.categories == 2 && shape.labels[1] == 1);
  EXPECT(status_of([&] { falign::dataset(matrix(x, 3, 2), {0, 1}, 2); }, "labels: got 2, want 3") == FALIGN_SHAPE);
  std::vector<float> back(4);
  data.get(1, matrix(back, 2, 2));
  EXPECT(back == std::vector<float>{3, 4, 5, 6});

  const falign::code code(matrix(rows, 2, 2));
  const std::vector<float> y = {0.1F, 0.9F, 0.8F, 0.2F};
  EXPECT(code.decode(matrix(y, 2, 2)) == std::vector<std::uint32_t>{1, 0});
  falign::batches batches(data, code, 2);
  EXPECT(batches.shape().count == 2 && batches.code()->view()(1, 1) == 1);
  EXPECT(batches.points_of(1) == std::vector<std::uint32_t>{2} &&
         batches.labels_of(0) == std::vector<std::uint32_t>{0, 1});
  std::vector<double> batch_x(4), batch_y(4);
  batches.get(0, matrix(batch_x, 2, 2), matrix(batch_y, 2, 2));
  EXPECT(batch_x == std::vector<double>{1, 2, 3, 4} && batch_y == rows);

  const auto regression = falign::dataset::regression(matrix(x, 3, 2), matrix(x, 3, 1));
  const falign::batches without_code(regression, 3);
  EXPECT(regression.shape().target_width == 1 && !without_code.code());
  const falign::dataset inputs(matrix(x, 3, 2));
  EXPECT(inputs.shape().categories == 0 && inputs.fingerprint() != data.fingerprint());
}

void test_files() {
  falign::tensors set;
  set.add("counts", {2}, std::vector<std::int64_t>{-1, 7});
  set.add("empty", {0, 3}, std::vector<float>{});
  set.add("one", {}, std::vector<double>{5});
  const auto empty = set.get<float>("empty");
  EXPECT(empty.rows() == 0 && empty.cols() == 3 && set.get<float>("one")(0, 0) == 5);
  EXPECT(set.names() == std::vector<std::string>{"counts", "empty", "one"});
  EXPECT(static_cast<const std::int64_t *>(set.view("counts").data)[1] == 7);
  EXPECT(status_of([&] { set.add("short", {3}, std::vector<double>{1}); }, "short: got 1, want 3") == FALIGN_SHAPE);
  EXPECT(status_of([&] { (void)set.get<double>("counts"); }, "counts") == FALIGN_FORMAT);
  set.set_note("said", "so");
  EXPECT(set.note("said") == "so" && !set.note("unsaid"));

  falign::table table(FALIGN_F64), other(FALIGN_F64, "condition");
  table.set_run(3);
  table.add({7, "loss", -1, 2, 0.5});
  const falign_row row = table.row(0);
  EXPECT(row.run == 3 && row.value.iteration == 7 && row.value.order == 2 && row.value.value == 0.5);
  EXPECT(row.condition == nullptr && std::isnan(row.epoch) && std::string(row.value.name) == "loss");
  EXPECT(status_of([&] { table.append(other); }, "column") == FALIGN_INVALID);
  table.export_to(set);
  table.import_from(set);
  EXPECT(table.rows() == 1);
}

void test_analysis() {
  setting s;
  falign::history history(s.network);
  history.keep(FALIGN_KEEP_C);
  s.trainer.set_history(history);
  s.trainer.keep(FALIGN_NEEDS_ACTIVITY);
  falign::terms terms(history, s.rule);
  falign::disturbance undisturbed("undisturbed", history, s.rule);
  std::size_t values = 0;
  s.trainer.observe(falign::metric::disturbance(undisturbed), 1, [&](const falign::value &) { values++; });
  s.trainer.run(s.batches, 3);
  EXPECT(values == 3 * 2);  // two layers
  EXPECT(history.range() == std::make_pair(std::uint64_t{0}, std::uint64_t{3}));
  EXPECT(status_of([&] { falign::disturbance("fresh_feedback", history, s.rule); }, "") == FALIGN_INVALID);

  // dW[l] = all terms + zero-degree term + remainder (eq. 3).
  const auto trace = s.trainer.trace();
  const auto update = trace->view(FALIGN_DW, 1).as<double>();
  const auto sum = terms.sum(*trace, FALIGN_TERM, 1, falign::all_orders()), zero = terms.zero(*trace, 1, 2);
  const auto rest = terms.remainder(*trace, 1, 1), orders = terms.get(*trace, FALIGN_TERM, 1, {{1, 2}});
  EXPECT(orders.rows() == 2 * sum.rows() && sum.rows() == widths[1] && sum.cols() == widths[2]);
  for (std::size_t i = 0; i < sum.rows(); i++) {
    for (std::size_t j = 0; j < sum.cols(); j++) {
      EXPECT(std::fabs(sum(i, j) + zero(i, j) + rest(i, j) - update(i, j)) < 1e-14);
      EXPECT(std::fabs(orders(i, j) + orders(sum.rows() + i, j) - sum(i, j)) < 1e-14);
    }
  }
  EXPECT(falign::frobenius(terms.sum(*trace, FALIGN_TERM, 1, {})) == 0);  // of no orders, not of all
  EXPECT(terms.compare(*trace, 1, sum).norm == falign::frobenius(sum));
  EXPECT(terms.sum(*s.trainer.trace(), FALIGN_TERM, 1, {{1}}).size() == sum.size());  // of a temporary, passed on
  EXPECT(status_of([&] { terms.compare(*trace, 1, std::vector<double>{1}); }, "1 x 1") == FALIGN_SHAPE);
  EXPECT(status_of([&] { (void)terms.zero(*trace, 7, 1); }, "7") == FALIGN_INVALID);

  const falign::transformation m(history, 2, 1, 1);
  const auto all = m.get(FALIGN_M);
  double diagonal = 0;
  for (std::size_t i = 0; i < m.size(); i++) diagonal += all(i, i);
  EXPECT(std::fabs(diagonal - m.trace()) < 1e-12 * falign::frobenius(all));
  EXPECT(m.skew_ratio(s.rule.view(FALIGN_FEEDBACK, 1)) > 0);
  EXPECT(m.apply(FALIGN_M, s.rule.view(FALIGN_FEEDBACK, 1)).second > 0);

  const std::vector<double> l = {1, 2, 3, 4}, delta = {1, -1};
  falign::similarity similarity(FALIGN_F64, 2, 1, 2);
  for (const int side : {FALIGN_SIDE_PAST, FALIGN_SIDE_PRESENT})
    similarity.set_side(side, matrix(l, 2, 2), matrix(delta, 2, 1), {0, 1});
  const falign_pair_sums within = similarity.sums(FALIGN_PAIRS_WITHIN);
  EXPECT(within.count == 2 && within.s_l == 5 + 25 && within.s_delta == 2 && within.s_product == 30);
  const auto counts = similarity.histogram(FALIGN_SIMILARITY_L, {0, 32, 4}, 1);
  EXPECT(counts.rows() == 4 && counts.cols() == 6 && counts(1, 1) == 1);
  EXPECT(falign::row_norms(l).front() == std::sqrt(30.0));
  EXPECT(status_of([&] { similarity.set_side(0, matrix(l, 2, 2), matrix(l, 2, 2), {0, 1}); }, "2 x 1") == FALIGN_SHAPE);
}

// A program that trains by itself records what it did; the terms are those of the trainer.
void test_own_steps() {
  setting s;
  falign::history own(s.network), trained(s.network);
  falign::terms own_terms(own, s.rule), trained_terms(trained, s.rule);
  std::vector<double> x(POINTS * 12), y(POINTS * 10);
  s.batches.get(0, matrix(x, POINTS, 12), matrix(y, POINTS, 10));
  s.trainer.keep(FALIGN_NEEDS_ACTIVITY);
  s.trainer.probe(matrix(x, POINTS, 12), matrix(y, POINTS, 10));
  EXPECT(s.trainer.iteration() == 0 && s.trainer.trace()->step().rows == POINTS);
  s.trainer.set_history(trained);
  for (std::uint64_t k = 0; k < 3; k++) {
    const auto before = s.network.get<double>(FALIGN_PARAMETERS, 0);
    s.trainer.step(matrix(x, POINTS, 12), matrix(y, POINTS, 10));
    const auto done = s.trainer.trace();
    falign::trace made(s.network, {k, POINTS, 0, done->step().eta, done->step().loss, 0, nullptr});
    for (std::uint32_t l = 0; l < 3; l++) {
      made.set(FALIGN_L, l, done->view(FALIGN_L, l));
      made.set(FALIGN_DELTA, l + 1, done->view(FALIGN_DELTA, l + 1));
      made.set(FALIGN_Z, l + 1, done->view(FALIGN_Z, l + 1));
      made.set(FALIGN_DW, l, done->view(FALIGN_DW, l));
    }
    const auto after = s.network.get<double>(FALIGN_PARAMETERS, 0);
    s.network.set(FALIGN_PARAMETERS, 0, before);
    own.record(made);
    s.network.set(FALIGN_PARAMETERS, 0, after);
    EXPECT(own_terms.sum(made, FALIGN_TERM, 1, falign::all_orders()).numbers() ==
           trained_terms.sum(*done, FALIGN_TERM, 1, falign::all_orders()).numbers());
  }
  EXPECT(own.range() == trained.range());
  const falign::network other(FALIGN_F64, {2, 3});
  EXPECT(status_of([&] { own.record(falign::trace(other, {3, 1, 0, 0.1, 0, 0, nullptr})); }, "") == FALIGN_SHAPE);
}

// Terms run activations, and a history the rule of what is disturbed.
void test_analysis_throws() {
  bool f_throws = false, df_throws = false, rule_throws = false;
  falign::rule_table table;
  table.name = "own";
  table.feedback = FALIGN_FEEDBACK_LAYER;
  table.signal = [&](auto &&...all) { return rule_throws ? throw own_failure{101} : silent(all...); };
  setting s;
  s.network.set_activation(1, falign::activation(
                                  "own", [&](double z) { return f_throws ? throw own_failure{102} : z; },
                                  [&](double) { return df_throws ? throw own_failure{103} : 1; }));
  falign::history history(s.network);
  falign::rule fresh(table, s.network);
  fresh.draw(0.3, 2, 0);
  s.trainer.set_history(history);
  s.trainer.keep(FALIGN_NEEDS_ACTIVITY);
  falign::terms terms(history, s.rule);
  const falign::disturbance disturbed("fresh_feedback", history, s.rule, &fresh);
  s.trainer.run(s.batches, 2);
  f_throws = true;
  EXPECT(number_of([&] { (void)terms.zero(*s.trainer.trace(), 1, 1); }) == 102);
  f_throws = false;
  df_throws = true;  // C does not fail here: the terms are NaN
  EXPECT(number_of([&] { (void)terms.get(*s.trainer.trace(), FALIGN_TERM, 1, {{1}}); }) == 103);
  df_throws = false;
  EXPECT(terms.zero(*s.trainer.trace(), 1, 1).size() == widths[1] * widths[2]);
  rule_throws = true;
  EXPECT(number_of([&] { s.trainer.run(s.batches, 3); }) == 101);
}

// A metric that looks sees every step, and what it throws ends that step.
void test_metrics_look() {
  falign::metric_table table;
  std::uint64_t looks = 0, measured = 0;
  table.name = "looking";
  table.needs = FALIGN_NEEDS_STEP;
  table.measure = [&](falign::trainer &, const falign::trace &trace, const falign::sink &) {
    measured += trace ? 1 : 100;
  };
  table.look = [&](falign::trainer &trainer, const falign::trace &trace) {
    EXPECT(trace.step().iteration == trainer.iteration());
    if (++looks == 7) throw own_failure{33};
  };
  setting s;
  s.trainer.observe(falign::metric(table), 3, [](auto &&...) {});
  s.trainer.run(s.batches, 6);
  EXPECT(looks == 6 && measured == 2);
  EXPECT(number_of([&] { s.trainer.run(s.batches, 7); }) == 33);
}

void test_trajectories() {
  setting s;
  falign::trajectory path(FALIGN_F64, s.network.parameters());
  for (std::uint64_t k = 1; k < 4; k++) {
    path.add(s.network.view(FALIGN_PARAMETERS, 0));
    s.trainer.run(s.batches, k);
  }
  const auto points = path.view().as<double>();
  EXPECT(points.rows() == 3 && points.cols() == s.network.parameters());
  try {
    const falign::components components(path, 2);
    const auto at = components.project(points), back = components.project(components.point(at));
    EXPECT(at.rows() == 3 && at.cols() == 2);
    for (std::size_t i = 0; i < at.size(); i++) EXPECT(std::fabs(at.data()[i] - back.data()[i]) < 1e-12);
    EXPECT(components.project_feedback(s.network, s.rule).size() == 2);
    const auto throwing = [](std::uint64_t done, std::uint64_t) { return done == 2 ? throw own_failure{91} : false; };
    EXPECT(number_of([&] { components.loss_grid(0, 1, s.network, s.batches, {0, 1}, {0, 1}, 1, throwing); }) == 91);
    EXPECT(components.loss_grid(0, 1, s.network, s.batches, {0, 1}, {0}, 1).cols() == 2);
  } catch (const falign::error &thrown) {  // a build without LAPACK
    EXPECT(thrown.status() == FALIGN_UNSUPPORTED);
  }
}

void test_randomness() {
  falign::rng rng(1, FALIGN_RNG_USER, 0, 0);
  falign::array<double> numbers(2, 2);
  std::vector<float> same(4);
  rng.normal(2, numbers);
  EXPECT(rng.position() > 0);
  rng.seek(0);
  rng.normal(2, same);
  EXPECT(same[3] == static_cast<float>(numbers(1, 1)));
  EXPECT(rng.permutation(3).size() == 3 && rng.below(1) == 0 && rng.uniform() < 1);
  EXPECT(falign::product_angle(3, 2, 3, 1, 0).draw(5).cols() == 5);
}

}  // namespace

int main() try {
  test_same_bits_as_in_c();
  test_matrices();
  test_errors();
  test_rules_throw();
  test_rules_keep_their_state();
  test_norms_throw();
  test_metrics_and_sinks_throw();
  test_metrics_look();
  test_activations_throw();
  test_activations();
  test_progress_throws();
  test_backends_throw();
  test_exceptions_of_the_same_text();
  test_exceptions_that_are_caught();
  test_ensembles_throw();
  test_exceptions_are_not_mixed_up();
  test_exceptions_are_not_stale();
  test_moves();
  test_activations_after_release();
  test_any_order_of_destruction();
  test_release();
  test_trainer_gone_within_a_callback();
  test_data();
  test_files();
  test_analysis();
  test_own_steps();
  test_analysis_throws();
  test_trajectories();
  test_randomness();
  std::printf("%d failed\n", failures);
  return failures == 0 ? 0 : 1;
} catch (const std::exception &thrown) {
  std::fprintf(stderr, "an exception too many: %s\n", thrown.what());
  return 1;
}
