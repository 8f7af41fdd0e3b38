/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_FALIGN_HPP
#define FALIGN_FALIGN_HPP

/** @file falign.hpp
 *  @brief libfalign for C++17: objects that give themselves back, exceptions, and functions of any kind as callbacks.
 *
 *  falign::x is falign_x of the C headers, and x.verb() is falign_x_verb(), but for what are words of C++ (export_to(),
 *  import_from()) or the handle (get_points()). Shapes, units, equations, errors and threads are as told there.
 *  - An object is moved and not copied: it is one reference. What it was given to keeps another, so that objects may go
 *    in any order. get() lends the C handle, release() hands it over, and x(handle) takes one over: what is not here
 *    can be called in C. Of similarity and components, which must know their sizes, there is no x(handle).
 *  - A failure is a falign::error, with the status and the library's message.
 *  - What the caller's functions throw does not pass through C: it ends the call that has run them, which throws it
 *    again; of several at once, one. The functions live as long as the library may call them.
 *  - matrix<T> is a view of numbers that belong to another; float takes the _f32 functions, double the _f64 ones.
 *    Arrays of one dimension are std::vector.
 *  - borrowed<x> is an x that belongs to another object, and is valid as long as in C. So are all x that callbacks are
 *    given. */

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "falign/falign.h"

namespace falign {

/** A call that failed: what() is the library's message. Callbacks may throw it to choose their status. */
class error : public std::runtime_error {
 public:
  error(falign_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
  /** FALIGN_SHAPE and the like. */
  falign_status status() const noexcept { return status_; }

 private:
  falign_status status_;
};

/** A row-major matrix of float or double that belongs to another, with `stride` elements from row to row. */
template <class T>
class matrix {
 public:
  matrix(T *data, std::size_t rows, std::size_t cols, std::size_t stride) noexcept
      : data_(data), rows_(rows), cols_(cols), stride_(stride) {}
  matrix(T *data, std::size_t rows, std::size_t cols) noexcept : matrix(data, rows, cols, cols) {}
  /** Of a std::vector or another container with data() and size(), which has at least rows x cols numbers. */
  template <class Numbers,
            class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<Numbers &>().data()), T *>>>
  matrix(Numbers &numbers, std::size_t rows, std::size_t cols) : matrix(numbers.data(), rows, cols) {
    if (cols > 0 && numbers.size() / cols < rows)
      throw error(FALIGN_SHAPE, std::to_string(numbers.size()) + " numbers are no matrix of " + std::to_string(rows) +
                                    " x " + std::to_string(cols));
  }
  /** For reading, of one for writing. */
  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
  matrix(const matrix<U> &other) noexcept : matrix(other.data(), other.rows(), other.cols(), other.stride()) {}

  T *data() const noexcept { return data_; }
  std::size_t rows() const noexcept { return rows_; }
  std::size_t cols() const noexcept { return cols_; }
  std::size_t stride() const noexcept { return stride_; }
  T &operator()(std::size_t i, std::size_t j) const noexcept { return data_[i * stride_ + j]; }

 private:
  T *data_;
  std::size_t rows_, cols_, stride_;
};
template <class Numbers>
matrix(Numbers &, std::size_t, std::size_t)
    -> matrix<std::remove_pointer_t<decltype(std::declval<Numbers &>().data())>>;

/** A value that a metric has measured; layer and order are -1 where they do not apply. */
struct measurement {
  std::uint64_t iteration;
  const char *metric; /**< lives until the function that was given it returns */
  std::int64_t layer, order;
  double value;
};
/** Receives what is measured. */
using sink = std::function<void(const measurement &)>;
/** Is told how much is done of how much there is; true cancels. */
using progress = std::function<bool(std::uint64_t done, std::uint64_t total)>;

namespace detail {

struct activations;

/* The order of all calls and exceptions. */
inline std::uint64_t now() noexcept {
  static std::atomic<std::uint64_t> next{0};
  return next++;
}

/* What a caller's function has thrown, and the text that C was told; none where it has no status to return. */
struct letter {
  std::uint64_t put;
  bool said;
  std::string text;
  std::exception_ptr thrown;
};
using letters = std::vector<letter>;

inline void add(letters &to, letter &&one) {
  if (to.size() == 64) to.erase(to.begin());
  to.push_back(std::move(one));
}

/* Whether C's message ends with the text; C cuts messages at 1023 bytes. */
inline bool ends(const std::string &message, const std::string &text) {
  const std::size_t begin = message.size() - text.size();
  if (message.size() >= text.size() && message.compare(begin, text.size(), text) == 0) return true;
  return message.size() > 1000 && message.find(text.substr(0, 100)) != std::string::npos;
}

/* What a call that began at `since` and failed with this message, or NULL if it did not, comes from, if anything. */
inline std::exception_ptr take(letters &from, std::uint64_t since, const char *message) noexcept try {
  const auto last = std::find_if(from.rbegin(), from.rend(), [=](const letter &each) {
    return each.put >= since && each.said && message != nullptr && ends(message, each.text);
  });
  const auto found =
      last != from.rend()
          ? std::prev(last.base())
          : std::find_if(from.begin(), from.end(), [=](const letter &each) { return each.put >= since && !each.said; });
  if (found == from.end()) return nullptr;
  std::exception_ptr thrown = std::move(found->thrown);
  from.erase(found);
  return thrown;
} catch (...) { /* no memory: the call ends with the message alone */
  return nullptr;
}

/* A call under way on this thread: what functions have thrown that ran on it, and so within the call. */
struct frame {
  frame() noexcept : outer(std::exchange(innermost(), this)) {}
  frame(const frame &) = delete;
  frame &operator=(const frame &) = delete;
  ~frame() { innermost() = outer; }
  static frame *&innermost() noexcept {
    static thread_local frame *here = nullptr;
    return here;
  }
  frame *outer;
  letters thrown;
};

/* What functions have thrown on threads of the library's, until the call that ran them takes it: it is not older than
 * the call, and its text is in the library's message, since rules, backends and the like may serve several at once. */
class outbox {
 public:
  outbox() = default;
  outbox(const outbox &) = delete;
  outbox &operator=(const outbox &) = delete;
  virtual ~outbox() = default;

  /* NULL: there is no status to return, and any call that was under way takes it. */
  void put(std::exception_ptr thrown, const char *text) noexcept try {
    letter made{now(), text != nullptr, text != nullptr ? text : "", std::move(thrown)};
    if (frame::innermost() != nullptr) return add(frame::innermost()->thrown, std::move(made));
    const std::lock_guard<std::mutex> lock(mutex_);
    add(waiting_, std::move(made));
  } catch (...) { /* no memory: the call ends with the message alone */
  }

  virtual std::exception_ptr take(std::uint64_t since, const char *message) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    return detail::take(waiting_, since, message);
  }

  /* Whether functions live here that C objects call. */
  virtual bool holds_functions() const noexcept { return false; }
  /* Itself, where it is the box of a network of the caller's; needs no RTTI. */
  virtual activations *of_network() noexcept { return nullptr; }

 private:
  std::mutex mutex_;
  letters waiting_;
};
using box = std::shared_ptr<outbox>;

/* The boxes of all that one object may run. */
struct group : outbox {
  explicit group(std::vector<box> of) : members(std::move(of)) {}
  std::exception_ptr take(std::uint64_t since, const char *message) noexcept override {
    std::exception_ptr first = outbox::take(since, message);
    for (const box &member : members) {
      std::exception_ptr thrown = member ? member->take(since, message) : nullptr;
      if (!first) first = std::move(thrown);
    }
    return first;
  }
  bool holds_functions() const noexcept override {
    return std::any_of(members.begin(), members.end(), [](const box &each) { return each && each->holds_functions(); });
  }
  std::vector<box> members;
};

template <class F>
struct function_box : outbox {
  explicit function_box(F of) : function(std::move(of)) {}
  bool holds_functions() const noexcept override { return true; }
  const F function;
};

inline void check(falign_status status) {
  if (status != FALIGN_OK) throw error(status, falign_last_error());
}

/* Calls f, which may run functions whose exceptions go to `of` from other threads; it may be NULL. */
template <class F, class... Arguments>
void run(outbox *of, F f, Arguments... arguments) {
  frame here;
  const std::uint64_t since = now();
  const falign_status status = f(arguments...);
  const char *const message = status == FALIGN_OK ? nullptr : falign_last_error();
  std::exception_ptr thrown = take(here.thrown, since, message);
  if (!thrown && of != nullptr) thrown = of->take(since, message);
  if (thrown) std::rethrow_exception(thrown);
  check(status);
}

inline falign_status keep(outbox &of, falign_status status, const char *text) noexcept {
  of.put(std::current_exception(), text);
  falign_set_last_error(text);
  return status == FALIGN_OK ? FALIGN_CALLBACK : status;
}

/* Runs a caller's function within C. */
template <class F>
falign_status guard(outbox &of, F &&function) noexcept {
  try {
    function();
    return FALIGN_OK;
  } catch (const error &thrown) {
    return keep(of, thrown.status(), thrown.what());
  } catch (const std::exception &thrown) {
    return keep(of, FALIGN_CALLBACK, thrown.what());
  } catch (...) {
    return keep(of, FALIGN_CALLBACK, "a callback threw what is no std::exception");
  }
}

inline std::int32_t report(void *user, std::uint64_t done, std::uint64_t total) noexcept {
  auto &own = *static_cast<function_box<progress> *>(user);
  try {
    return own.function(done, total);
  } catch (...) {
    own.put(std::current_exception(), nullptr);
    return 1;
  }
}

inline falign_status receive(void *user, std::uint64_t iteration, const char *metric, std::int64_t layer,
                             std::int64_t order, double value) noexcept {
  auto &own = *static_cast<function_box<sink> *>(user);
  return guard(own, [&] { own.function({iteration, metric, layer, order, value}); });
}

/* A table of a caller's functions: it belongs to the C object, and its box to the C++ ones as well. */
template <class Table>
struct custom {
  Table table;
  box thrown;
  static void destroy(void *user) noexcept { delete static_cast<custom *>(user); }
};

/* What `make` makes of a table of C's; it takes over `own` if it succeeds. */
template <class C, class Own, class Make, class Table, class... Arguments>
C *create_custom(std::unique_ptr<Own> own, Make make, const Table &table, Arguments... arguments) {
  C *out = nullptr;
  run(own->thrown.get(), make, &table, static_cast<void *>(own.get()), arguments..., &out);
  own.release(); /* the C object destroys it */
  return out;
}

template <class C, class Make, class... Arguments>
C *create(Make make, Arguments... arguments) {
  C *out = nullptr;
  run(nullptr, make, arguments..., &out);
  return out;
}

template <class T>
constexpr bool is_float = std::is_same_v<std::remove_const_t<T>, float>;

/* The function for T of the two. */
template <class T, class F32, class F64>
constexpr auto pick(F32 f32, F64 f64) noexcept {
  static_assert(is_float<T> || std::is_same_v<std::remove_const_t<T>, double>, "numbers are float or double");
  if constexpr (is_float<T>)
    return f32;
  else
    return f64;
}

inline void want(const char *what, std::size_t got, std::size_t wanted) {
  if (got != wanted)
    throw error(FALIGN_SHAPE, std::string(what) + ": got " + std::to_string(got) + ", want " + std::to_string(wanted));
}

/* A matrix in an object's own storage, where there is one in this precision. */
template <class T>
matrix<T> in_place(T *data, falign_precision precision, std::size_t rows, std::size_t cols) {
  if (data == nullptr)
    throw error(precision == (is_float<T> ? FALIGN_F32 : FALIGN_F64) ? FALIGN_INVALID : FALIGN_SHAPE,
                falign_last_error());
  return matrix<T>(data, rows, cols);
}

inline std::string text(const char *from) { return from == nullptr ? "" : from; }

/* Not NULL for an empty array either, where NULL means all. */
inline const std::uint64_t *given(const std::vector<std::uint64_t> &numbers) noexcept {
  static constexpr std::uint64_t none = 0;
  return numbers.empty() ? &none : numbers.data();
}

/* Functions of objects that went over to C: nobody tells when they are called no more. */
inline void keep_for_ever(box functions) {
  static std::mutex mutex;
  static auto &kept = *new std::vector<box>;
  const std::lock_guard<std::mutex> lock(mutex);
  kept.push_back(std::move(functions));
}

}  // namespace detail

template <class T>
class borrowed;

/** One reference to a C object; see the head of this file. */
template <class C, void (*destroy)(C *)>
class object {
 public:
  using c_type = C;
  /** Takes the reference over. */
  explicit object(C *c) noexcept : c_(c) {}
  object(C *c, detail::box box) noexcept : c_(c), box_(std::move(box)) {}
  object(object &&other) noexcept : c_(std::exchange(other.c_, nullptr)), box_(std::move(other.box_)) {}
  object &operator=(object &&other) noexcept {
    object taken(std::move(other));
    std::swap(c_, taken.c_);
    std::swap(box_, taken.box_);
    return *this;
  }
  ~object() { destroy(c_); }

  /** The C handle, which stays here. */
  C *get() const noexcept { return c_; }
  /** The C handle, which the caller gives back. Activations, sinks and progress that were set here then live on until
   *  the program ends. */
  C *release() {
    if (c_ != nullptr && box_ && box_->holds_functions()) detail::keep_for_ever(box_);
    box_.reset();
    return std::exchange(c_, nullptr);
  }
  /** False after a move and release(), and where a borrowed object is not there. */
  explicit operator bool() const noexcept { return c_ != nullptr; }
  /** Where the exceptions of the caller's functions wait; for the other classes here. */
  const detail::box &thrown() const noexcept { return box_; }

 protected:
  /* Calls f(handle, arguments...); the object itself may be gone when it returns. */
  template <class F, class... Arguments>
  void call(F f, Arguments... arguments) const {
    const detail::box box = box_;
    detail::run(box.get(), f, c_, arguments...);
  }

 private:
  template <class>
  friend class borrowed;
  C *c_;
  detail::box box_;
};

/** An object that belongs to another. */
template <class T>
class borrowed {
 public:
  using object_type = std::remove_const_t<T>;
  explicit borrowed(const typename object_type::c_type *c, detail::box box = nullptr) noexcept
      : object_(const_cast<typename object_type::c_type *>(c), std::move(box)) {}
  borrowed(const borrowed &) = delete;
  borrowed &operator=(const borrowed &) = delete;
  ~borrowed() { object_.c_ = nullptr; }

  T &operator*() noexcept { return object_; }
  T *operator->() noexcept { return &object_; }
  /** Whether there is one. */
  explicit operator bool() const noexcept { return object_.get() != nullptr; }

 private:
  object_type object_;
};

/** How alike two matrices are; see falign_angle_f64(). */
struct likeness {
  double angle, cosine, inner;
};
/** Of A and B, or of A and B^T. */
template <class A, class B>
likeness angle(matrix<A> a, matrix<B> b, bool transpose_b = false) {
  detail::want("rows of b", transpose_b ? b.cols() : b.rows(), a.rows());
  detail::want("columns of b", transpose_b ? b.rows() : b.cols(), a.cols());
  likeness out{};
  detail::check(detail::pick<A>(falign_angle_f32, falign_angle_f64)(a.data(), a.rows(), a.cols(), a.stride(), b.data(),
                                                                    b.stride(), transpose_b, &out.angle, &out.cosine,
                                                                    &out.inner));
  return out;
}
/** The Frobenius norm. */
template <class T>
double frobenius(matrix<T> a) noexcept {
  return detail::pick<T>(falign_frobenius_f32, falign_frobenius_f64)(a.data(), a.rows(), a.cols(), a.stride());
}

/** A random stream. */
class rng : public object<falign_rng, falign_rng_destroy> {
 public:
  using object::object;
  rng(std::uint64_t seed, std::uint32_t purpose, std::uint32_t layer, std::uint32_t run)
      : object(detail::create<falign_rng>(falign_rng_create, seed, purpose, layer, run)) {}

  std::uint64_t position() const noexcept { return falign_rng_position(get()); }
  void seek(std::uint64_t position) noexcept { falign_rng_seek(get(), position); }
  std::array<std::uint32_t, 4> block() noexcept {
    std::array<std::uint32_t, 4> words{};
    falign_rng_block(get(), words.data());
    return words;
  }
  /** `count` numbers from N(0, sd). */
  template <class T>
  std::vector<T> normal(double sd, std::size_t count) {
    std::vector<T> out(count);
    detail::pick<T>(falign_rng_normal_f32, falign_rng_normal_f64)(get(), sd, out.data(), count);
    return out;
  }
  double uniform() noexcept { return falign_rng_uniform(get()); }
  std::uint64_t below(std::uint64_t bound) noexcept { return falign_rng_below(get(), bound); }
  std::vector<std::uint32_t> permutation(std::uint32_t count) {
    std::vector<std::uint32_t> out(count);
    falign_rng_permutation(get(), out.data(), count);
    return out;
  }
};

/** Named arrays and notes. */
class tensors : public object<falign_tensors, falign_tensors_destroy> {
 public:
  /** One array, in the set's own storage. */
  struct tensor {
    falign_dtype dtype;
    std::vector<std::size_t> dims;
    const void *data;
  };

  using object::object;
  tensors() : object(detail::create<falign_tensors>(falign_tensors_create)) {}
  /** Of a safetensors file. */
  static tensors read(const std::string &path) {
    return tensors(detail::create<falign_tensors>(falign_tensors_read, path.c_str()));
  }

  /** Adds an array of float, double, std::int64_t or std::uint8_t. */
  template <class T>
  void add(const std::string &name, const std::vector<std::size_t> &dims, const std::vector<T> &data) {
    detail::want(name.c_str(), data.size(), product(dims));
    call(falign_tensors_add, name.c_str(), dtype_of<T>(), dims.data(), dims.size(),
         static_cast<const void *>(data.data()));
  }
  std::size_t count() const noexcept { return falign_tensors_count(get()); }
  std::string name_at(std::size_t index) const { return detail::text(falign_tensors_name_at(get(), index)); }
  bool has(const std::string &name) const noexcept { return falign_tensors_has(get(), name.c_str()) != 0; }
  tensor view(const std::string &name) const {
    tensor out{};
    const std::size_t *dims = nullptr;
    std::size_t rank = 0;
    call(falign_tensors_view, name.c_str(), &out.dtype, &dims, &rank, &out.data);
    out.dims.assign(dims, dims + rank);
    return out;
  }
  /** A tensor of these dimensions as float or double. */
  template <class T>
  std::vector<T> read(const std::string &name, const std::vector<std::size_t> &dims) const {
    std::vector<T> out(std::max<std::size_t>(product(dims), 1));
    call(detail::pick<T>(falign_tensors_read_f32, falign_tensors_read_f64), name.c_str(), dims.data(), dims.size(),
         out.data());
    out.resize(product(dims));
    return out;
  }
  void set_note(const std::string &name, const std::string &text) {
    call(falign_tensors_set_note, name.c_str(), text.c_str());
  }
  /** NULL where there is none; valid until the note or the set changes. */
  const char *note(const std::string &name) const noexcept { return falign_tensors_note(get(), name.c_str()); }
  void write(const std::string &path) const { call(falign_tensors_write, path.c_str()); }

 private:
  template <class T>
  static constexpr falign_dtype dtype_of() noexcept {
    if constexpr (std::is_same_v<T, std::int64_t>)
      return FALIGN_DTYPE_I64;
    else if constexpr (std::is_same_v<T, std::uint8_t>)
      return FALIGN_DTYPE_U8;
    else
      return detail::pick<T>(FALIGN_DTYPE_F32, FALIGN_DTYPE_F64);
  }
  static std::size_t product(const std::vector<std::size_t> &dims) {
    std::size_t out = 1;
    for (const std::size_t dim : dims) {
      if (dim > 0 && out > std::numeric_limits<std::size_t>::max() / dim)
        throw error(FALIGN_MEMORY, "the product of a tensor's dimensions overflows");
      out *= dim;
    }
    return out;
  }
};

/** Measured values as a CSV table. */
class table : public object<falign_table, falign_table_destroy> {
 public:
  /** One row; empty fields are -1 (epoch: NaN). */
  struct line {
    const char *condition; /**< in the table's own storage; NULL without such a column */
    std::int64_t run, iteration;
    double epoch;
    std::int64_t layer, order;
    const char *metric; /**< in the table's own storage */
    double value;
  };

  using object::object;
  explicit table(falign_precision precision, const char *condition = nullptr)
      : object(detail::create<falign_table>(falign_table_create, precision, condition)) {}

  void set_condition(const std::string &value) { call(falign_table_set_condition, value.c_str()); }
  void set_run(std::int64_t run) noexcept { falign_table_set_run(get(), run); }
  void add(const measurement &value, double epoch = std::numeric_limits<double>::quiet_NaN()) {
    call(falign_table_add, static_cast<std::int64_t>(value.iteration), epoch, value.layer, value.order, value.metric,
         value.value);
  }
  void append(const table &other) { call(falign_table_append, other.get()); }
  std::size_t rows() const noexcept { return falign_table_rows(get()); }
  line row(std::size_t i) const {
    line out{};
    call(falign_table_row, i, &out.condition, &out.run, &out.iteration, &out.epoch, &out.layer, &out.order, &out.metric,
         &out.value);
    return out;
  }
  void write(const std::string &path) const { call(falign_table_write, path.c_str()); }
  void write_descriptor(std::int32_t descriptor) const { call(falign_table_write_descriptor, descriptor); }
  void write_summary(const std::string &path) const { call(falign_table_write_summary, path.c_str()); }
  void export_to(tensors &set) const { call(falign_table_export, set.get()); }
  void import_from(const tensors &set) { call(falign_table_import, set.get()); }
};

/** Data points with labels or targets. */
class dataset : public object<falign_dataset, falign_dataset_destroy> {
 public:
  using object::object;
  /** Inputs without labels. */
  template <class T>
  explicit dataset(matrix<T> x) : object(create_of(x, nullptr, 0)) {}
  /** Inputs with a label below `categories` for each row. */
  template <class T>
  dataset(matrix<T> x, const std::vector<std::uint32_t> &labels, std::uint32_t categories)
      : object((detail::want("labels", labels.size(), x.rows()), create_of(x, labels.data(), categories))) {}
  /** Inputs with targets, for regression. */
  template <class X, class Y>
  static dataset regression(matrix<X> x, matrix<Y> y) {
    detail::want("rows of y", y.rows(), x.rows());
    return dataset(detail::create<falign_dataset>(
        detail::pick<X>(falign_dataset_create_regression_f32, falign_dataset_create_regression_f64), x.data(), x.rows(),
        x.cols(), x.stride(), y.data(), y.cols(), y.stride()));
  }
  static dataset read_idx(const std::string &images, const std::string &labels, std::size_t image_size,
                          std::uint32_t categories) {
    return dataset(detail::create<falign_dataset>(falign_dataset_read_idx, images.c_str(), labels.c_str(), image_size,
                                                  categories));
  }
  static dataset read_mnist(const std::string &directory, falign_part part, std::size_t image_size) {
    return dataset(detail::create<falign_dataset>(falign_dataset_read_mnist, directory.c_str(), part, image_size));
  }
  static dataset synthetic(std::size_t points, std::size_t width, std::uint32_t categories, double within,
                           double between, falign_part part, std::uint64_t seed) {
    return dataset(detail::create<falign_dataset>(falign_dataset_create_synthetic, points, width, categories, within,
                                                  between, part, seed));
  }

  std::size_t points() const noexcept { return falign_dataset_points(get()); }
  std::size_t width() const noexcept { return falign_dataset_width(get()); }
  std::size_t target_width() const noexcept { return falign_dataset_target_width(get()); }
  std::uint32_t categories() const noexcept { return falign_dataset_categories(get()); }
  /** In the dataset's own storage; NULL without labels. */
  const std::uint32_t *labels() const noexcept { return falign_dataset_labels(get()); }
  /** Copies the points from `first` on to x, as many as it has rows. */
  template <class T>
  void get_points(std::size_t first, matrix<T> x) const {
    call(detail::pick<T>(falign_dataset_get_f32, falign_dataset_get_f64), first, x.rows(), x.data(), x.cols(),
         x.stride());
  }
  std::uint64_t fingerprint() const noexcept { return falign_dataset_fingerprint(get()); }

 private:
  template <class T>
  static falign_dataset *create_of(matrix<T> x, const std::uint32_t *labels, std::uint32_t categories) {
    return detail::create<falign_dataset>(detail::pick<T>(falign_dataset_create_f32, falign_dataset_create_f64),
                                          x.data(), x.rows(), x.cols(), x.stride(), labels, categories);
  }
};

/** The desired output of each category. */
class code : public object<falign_code, falign_code_destroy> {
 public:
  using object::object;
  explicit code(matrix<const double> rows)
      : object(detail::create<falign_code>(falign_code_create, rows.data(), rows.rows(), rows.cols(), rows.stride())) {}
  static code n_hot(std::uint32_t categories, std::size_t width, std::size_t hot, std::uint64_t seed,
                    std::uint32_t run) {
    return code(detail::create<falign_code>(falign_code_create_n_hot, categories, width, hot, seed, run));
  }
  static code import_from(const tensors &set) {
    return code(detail::create<falign_code>(falign_code_import, set.get()));
  }

  void export_to(falign_precision precision, tensors &set) const { call(falign_code_export, precision, set.get()); }
  std::uint32_t categories() const noexcept { return falign_code_categories(get()); }
  std::size_t width() const noexcept { return falign_code_width(get()); }
  /** In the code's own storage; NULL beyond the last. */
  const double *row(std::uint32_t category) const noexcept { return falign_code_row(get(), category); }
  /** The category of each row of outputs. */
  template <class T>
  std::vector<std::uint32_t> decode(matrix<T> y) const {
    std::vector<std::uint32_t> out(y.rows());
    call(detail::pick<T>(falign_code_decode_f32, falign_code_decode_f64), y.data(), y.rows(), y.cols(), y.stride(),
         out.data());
    return out;
  }
};

/** A dataset as one run sees it. */
class batches : public object<falign_batches, falign_batches_destroy> {
 public:
  using object::object;
  batches(const dataset &data, const falign::code &code, std::size_t size)
      : object(detail::create<falign_batches>(falign_batches_create, data.get(), code.get(), size)) {}
  /** Of a dataset with targets of its own. */
  batches(const dataset &data, std::size_t size)
      : object(detail::create<falign_batches>(falign_batches_create, data.get(), nullptr, size)) {}

  void set_smoothing(double smoothing) { call(falign_batches_set_smoothing, smoothing); }
  void shuffle_labels(double fraction, std::uint64_t seed, std::uint32_t run) {
    call(falign_batches_shuffle_labels, fraction, seed, run);
  }
  void set_order(falign_order order, std::uint64_t seed, std::uint32_t run) {
    call(falign_batches_set_order, order, seed, run);
  }
  std::uint64_t count() const noexcept { return falign_batches_count(get()); }
  std::size_t points() const noexcept { return falign_batches_points(get()); }
  std::size_t size() const noexcept { return falign_batches_size(get()); }
  std::size_t input_width() const noexcept { return falign_batches_input_width(get()); }
  std::size_t target_width() const noexcept { return falign_batches_target_width(get()); }
  borrowed<const falign::code> code() const noexcept {
    return borrowed<const falign::code>(falign_batches_code(get()));
  }
  std::size_t rows(std::uint64_t k) const noexcept { return falign_batches_rows(get(), k); }
  /** Which points the batch of iteration k holds. */
  std::vector<std::uint32_t> points_of(std::uint64_t k) {
    std::vector<std::uint32_t> out(rows(k));
    call(falign_batches_points_of, k, out.data(), nullptr, out.size());
    return out;
  }
  /** Their labels. */
  std::vector<std::uint32_t> labels_of(std::uint64_t k) {
    std::vector<std::uint32_t> out(rows(k));
    call(falign_batches_points_of, k, nullptr, out.data(), out.size());
    return out;
  }
  /** Copies inputs and targets of the batch of iteration k. */
  template <class T>
  void get_batch(std::uint64_t k, matrix<T> x, matrix<T> y) {
    call(detail::pick<T>(falign_batches_get_f32, falign_batches_get_f64), k, x.data(), x.rows(), x.cols(), x.stride(),
         y.data(), y.rows(), y.cols(), y.stride());
  }
  void export_to(std::uint64_t k, tensors &set) { call(falign_batches_export, k, set.get()); }
  void import_from(std::uint64_t k, const tensors &set) { call(falign_batches_import, k, set.get()); }
};

namespace detail {

/* The caller's activations, by layer; C has but pointers to them. */
struct activations : outbox {
  bool holds_functions() const noexcept override { return true; } /* or may, as long as there is a network */
  activations *of_network() noexcept override { return this; }
  std::map<std::uint32_t, std::shared_ptr<void>> functions;
};

template <class F, class D>
struct activation {
  F f;
  D df;
  outbox *thrown;

  static void map_f(void *user, const double *z, double *out, std::size_t count) noexcept {
    auto &own = *static_cast<activation *>(user);
    own.map(own.f, z, out, count);
  }
  static void map_df(void *user, const double *z, double *out, std::size_t count) noexcept {
    auto &own = *static_cast<activation *>(user);
    own.map(own.df, z, out, count);
  }

 private:
  template <class G>
  void map(const G &g, const double *z, double *out, std::size_t count) noexcept {
    try {
      std::transform(z, z + count, out, [&g](double each) -> double { return g(each); });
    } catch (...) { /* C goes on: numbers that are not finite end the call */
      thrown->put(std::current_exception(), nullptr);
      std::fill(out, out + count, std::numeric_limits<double>::quiet_NaN());
    }
  }
};

}  // namespace detail

/** What is learnt. */
class network : public object<falign_network, falign_network_destroy> {
 public:
  using object::object;
  explicit network(falign_network *c) : object(c, std::make_shared<detail::activations>()) {}
  /** Of the widths n[0..d]. */
  network(falign_precision precision, const std::vector<std::size_t> &widths, bool biases = true)
      : network(detail::create<falign_network>(falign_network_create, precision,
                                               static_cast<std::uint32_t>(widths.empty() ? 0 : widths.size() - 1),
                                               widths.data(), biases)) {}

  falign_precision precision() const noexcept { return falign_network_precision(get()); }
  std::uint32_t layers() const noexcept { return falign_network_layers(get()); }
  std::size_t width(std::uint32_t l) const noexcept { return falign_network_width(get(), l); }
  bool has_biases() const noexcept { return falign_network_has_biases(get()) != 0; }
  std::size_t parameters() const noexcept { return falign_network_parameters(get()); }

  void set_activation(std::uint32_t l, falign_activation activation) {
    call(falign_network_set_activation, l, activation);
  }
  /** The caller's f and its derivative df: functions double(double), which several threads may call at once. They must
   *  not be replaced from within a call that runs them. */
  template <class F, class D>
  void set_activation(std::uint32_t l, F f, D df) {
    using own = detail::activation<F, D>;
    detail::activations *const kept = thrown() ? thrown()->of_network() : nullptr;
    if (kept == nullptr) throw error(FALIGN_UNSUPPORTED, "activations of one's own cannot be set within a callback");
    const auto made = std::make_shared<own>(own{std::move(f), std::move(df), kept});
    auto &place = kept->functions[l]; /* before the call, after which nothing may fail */
    try {
      call(falign_network_set_custom_activation, l, own::map_f, own::map_df, static_cast<void *>(made.get()));
    } catch (...) {
      if (place == nullptr) kept->functions.erase(l);
      throw;
    }
    place = made;
  }
  falign_activation activation(std::uint32_t l) const noexcept { return falign_network_activation(get(), l); }

  void draw(double sd_w, double sd_b, std::uint64_t seed, std::uint32_t run) {
    call(falign_network_draw, sd_w, sd_b, seed, run);
  }
  template <class T>
  void set_weights(std::uint32_t l, matrix<T> w) {
    call(detail::pick<T>(falign_network_set_weights_f32, falign_network_set_weights_f64), l, w.data(), w.rows(),
         w.cols(), w.stride());
  }
  template <class T>
  void get_weights(std::uint32_t l, matrix<T> w) const {
    call(detail::pick<T>(falign_network_get_weights_f32, falign_network_get_weights_f64), l, w.data(), w.rows(),
         w.cols(), w.stride());
  }
  /** A copy of W[l], n[l] x n[l+1]. */
  template <class T>
  std::vector<T> get_weights(std::uint32_t l) const {
    std::vector<T> out(width(l) * width(l + 1));
    get_weights(l, matrix<T>(out, width(l), width(l + 1)));
    return out;
  }
  template <class T>
  void set_bias(std::uint32_t l, const std::vector<T> &b) {
    call(detail::pick<T>(falign_network_set_bias_f32, falign_network_set_bias_f64), l, b.data(), b.size());
  }
  /** A copy of b[l]. */
  template <class T>
  std::vector<T> get_bias(std::uint32_t l) const {
    std::vector<T> out(width(l));
    call(detail::pick<T>(falign_network_get_bias_f32, falign_network_get_bias_f64), l, out.data(), out.size());
    return out;
  }
  /** W[l] in place, in the network's own precision. */
  template <class T>
  matrix<T> weights(std::uint32_t l) {
    return in_place(detail::pick<T>(falign_network_weights_f32, falign_network_weights_f64), l, width(l), width(l + 1));
  }
  template <class T>
  matrix<const T> view_weights(std::uint32_t l) const {
    return in_place(detail::pick<T>(falign_network_view_weights_f32, falign_network_view_weights_f64), l, width(l),
                    width(l + 1));
  }
  /** b[l] in place, 1 x n[l]. */
  template <class T>
  matrix<T> bias(std::uint32_t l) {
    return in_place(detail::pick<T>(falign_network_bias_f32, falign_network_bias_f64), l, 1, width(l));
  }
  template <class T>
  matrix<const T> view_bias(std::uint32_t l) const {
    return in_place(detail::pick<T>(falign_network_view_bias_f32, falign_network_view_bias_f64), l, 1, width(l));
  }

  void export_to(tensors &set) const { call(falign_network_export, set.get()); }
  void import_from(const tensors &set) { call(falign_network_import, set.get()); }

 private:
  template <class F>
  auto in_place(F f, std::uint32_t l, std::size_t rows, std::size_t cols) const {
    auto *const data = f(get(), l);
    return detail::in_place(data, precision(), rows, cols);
  }
};

/** A caller's backend: C = alpha op(A) op(B) + beta C, the matrices as they are stored. Called from several threads. */
struct backend_table {
  template <class T>
  using gemm = std::function<void(bool transpose_a, bool transpose_b, T alpha, matrix<const T> a, matrix<const T> b,
                                  T beta, matrix<T> c)>;
  std::string name;
  gemm<float> sgemm;
  gemm<double> dgemm;
};

/** What multiplies matrices. */
class backend : public object<falign_backend, falign_backend_destroy> {
 public:
  using object::object;
  explicit backend(const backend_table &table) : backend(table, std::make_shared<detail::outbox>()) {}
  /** A backend of this build, or "auto". */
  static backend find(const std::string &name) {
    return backend(detail::create<falign_backend>(falign_backend_find, name.c_str()));
  }
  static std::size_t count() noexcept { return falign_backend_count(); }
  static std::string name_at(std::size_t index) { return detail::text(falign_backend_name_at(index)); }

  std::string name() const { return falign_backend_name(get()); }
  std::string detail() const { return falign_backend_detail(get()); }
  std::int32_t own_threads() const noexcept { return falign_backend_own_threads(get()); }
  template <class A, class B, class T>
  void gemm(bool transpose_a, bool transpose_b, T alpha, matrix<A> a, matrix<B> b, T beta, matrix<T> c) const {
    const std::size_t k = transpose_a ? a.rows() : a.cols();
    detail::want("rows of op(A)", transpose_a ? a.cols() : a.rows(), c.rows());
    detail::want("rows of op(B)", transpose_b ? b.cols() : b.rows(), k);
    detail::want("columns of op(B)", transpose_b ? b.rows() : b.cols(), c.cols());
    call(detail::pick<T>(falign_backend_gemm_f32, falign_backend_gemm_f64), transpose_a, transpose_b, c.rows(),
         c.cols(), k, alpha, a.data(), a.stride(), b.data(), b.stride(), beta, c.data(), c.stride());
  }

 private:
  using own = detail::custom<backend_table>;
  backend(const backend_table &table, const detail::box &thrown)
      : object(detail::create_custom<falign_backend>(std::make_unique<own>(own{table, thrown}), falign_backend_create,
                                                     c_table(table)),
               thrown) {}
  static falign_backend_table c_table(const backend_table &table) noexcept {
    falign_backend_table out{};
    out.size = sizeof out;
    out.name = table.name.c_str();
    if (table.sgemm) out.sgemm = multiply<float>;
    if (table.dgemm) out.dgemm = multiply<double>;
    out.destroy = own::destroy;
    return out;
  }
  template <class T>
  static falign_status multiply(void *user, std::int32_t transpose_a, std::int32_t transpose_b, std::size_t m,
                                std::size_t n, std::size_t k, T alpha, const T *a, std::size_t lda, const T *b,
                                std::size_t ldb, T beta, T *c, std::size_t ldc) noexcept {
    const auto &mine = *static_cast<own *>(user);
    return detail::guard(*mine.thrown, [&] {
      (*detail::pick<T>(&mine.table.sgemm, &mine.table.dgemm))(
          transpose_a != 0, transpose_b != 0, alpha, matrix<const T>(a, transpose_a ? k : m, transpose_a ? m : k, lda),
          matrix<const T>(b, transpose_b ? n : k, transpose_b ? k : n, ldb), beta, matrix<T>(c, m, n, ldc));
    });
  }
};

/** What happened in one step, or in a block of its rows: a view, as short-lived as in C. */
class trace {
 public:
  using c_type = falign_trace;
  explicit trace(const falign_trace *c) noexcept : c_(c) {}
  const falign_trace *get() const noexcept { return c_; }
  /** False where there is none. */
  explicit operator bool() const noexcept { return c_ != nullptr; }

  template <class T>
  matrix<const T> view(falign_quantity quantity, std::uint32_t l) const {
    const T *data = nullptr;
    std::size_t rows = 0, cols = 0, stride = 0;
    detail::check(
        detail::pick<T>(falign_trace_view_f32, falign_trace_view_f64)(c_, quantity, l, &data, &rows, &cols, &stride));
    return matrix<const T>(data, rows, cols, stride);
  }
  std::size_t rows() const noexcept { return falign_trace_rows(c_); }
  std::size_t first_row() const noexcept { return falign_trace_first_row(c_); }
  std::uint64_t iteration() const noexcept { return falign_trace_iteration(c_); }
  double eta() const noexcept { return falign_trace_eta(c_); }
  double loss() const noexcept { return falign_trace_loss(c_); }
  falign_precision precision() const noexcept { return falign_trace_precision(c_); }
  borrowed<const falign::backend> backend() const noexcept {
    return borrowed<const falign::backend>(falign_trace_backend(c_));
  }

 private:
  const falign_trace *c_;
};

class rule;

/** A caller's rule. What is empty is not there. */
struct rule_table {
  /** Writes the signal that reaches layer l to `out`, rows of the trace x n[l]. */
  template <class T>
  using signal = std::function<void(const rule &, const network &, const trace &, std::uint32_t l, matrix<T> out)>;
  std::string name;
  falign_feedback feedback = FALIGN_FEEDBACK_NONE;
  bool concurrent = false; /**< whether several threads may call the signals at once */
  signal<float> signal_f32;
  signal<double> signal_f64;
  std::function<void(rule &, network &, const trace &)> adapt;
  bool needs_activity = false;
  std::function<void(tensors &)> save;
  std::function<void(const tensors &)> load;
};

/** How the error travels back. */
class rule : public object<falign_rule, falign_rule_destroy> {
 public:
  using object::object;
  rule(const rule_table &table, const network &of) : rule(table, of, std::make_shared<detail::outbox>()) {}
  /** "bp", "fa" or "dfa". */
  rule(const std::string &name, const network &of)
      : object(detail::create<falign_rule>(falign_rule_create_named, name.c_str(), of.get())) {}

  std::string name() const { return falign_rule_name(get()); }
  falign_feedback feedback() const noexcept { return falign_rule_feedback(get()); }
  void draw(double sd, std::uint64_t seed, std::uint32_t run) { call(falign_rule_draw, sd, seed, run); }
  void normalize_columns(double gamma) { call(falign_rule_normalize_columns, gamma); }
  template <class T>
  void set_feedback(std::uint32_t l, matrix<T> b) {
    call(detail::pick<T>(falign_rule_set_feedback_f32, falign_rule_set_feedback_f64), l, b.data(), b.rows(), b.cols(),
         b.stride());
  }
  template <class T>
  void get_feedback(std::uint32_t l, matrix<T> b) const {
    call(detail::pick<T>(falign_rule_get_feedback_f32, falign_rule_get_feedback_f64), l, b.data(), b.rows(), b.cols(),
         b.stride());
  }
  /** B[l] or F[l] in place; `of` is the network that the rule was made for. */
  template <class T>
  matrix<T> feedback(std::uint32_t l, const network &of) {
    return in_place(detail::pick<T>(falign_rule_feedback_f32, falign_rule_feedback_f64)(get(), l), l, of);
  }
  template <class T>
  matrix<const T> view_feedback(std::uint32_t l, const network &of) const {
    return in_place(detail::pick<T>(falign_rule_view_feedback_f32, falign_rule_view_feedback_f64)(get(), l), l, of);
  }
  void export_to(tensors &set) const { call(falign_rule_export, set.get()); }
  void import_from(const tensors &set) { call(falign_rule_import, set.get()); }

 private:
  using own = detail::custom<rule_table>;
  rule(const rule_table &table, const network &of, const detail::box &thrown)
      : object(detail::create_custom<falign_rule>(std::make_unique<own>(own{table, thrown}), falign_rule_create_custom,
                                                  c_table(table), of.get()),
               thrown) {}
  static falign_rule_table c_table(const rule_table &table) noexcept {
    falign_rule_table out{};
    out.size = sizeof out;
    out.name = table.name.c_str();
    out.feedback = table.feedback;
    out.concurrent = table.concurrent;
    if (table.signal_f32) out.signal_f32 = signal<float>;
    if (table.signal_f64) out.signal_f64 = signal<double>;
    if (table.adapt) out.adapt = adapt;
    out.needs_activity = table.needs_activity;
    if (table.save) out.save = save;
    if (table.load) out.load = load;
    out.destroy = own::destroy;
    return out;
  }
  template <class T>
  static falign_status signal(void *user, const falign_rule *c_rule, const falign_network *c_network,
                              const falign_trace *c_trace, std::uint32_t l, T *out) noexcept {
    const auto &mine = *static_cast<own *>(user);
    return detail::guard(*mine.thrown, [&] {
      borrowed<const rule> of(c_rule);
      borrowed<const network> in(c_network);
      const trace block(c_trace);
      (*detail::pick<T>(&mine.table.signal_f32, &mine.table.signal_f64))(*of, *in, block, l,
                                                                         matrix<T>(out, block.rows(), in->width(l)));
    });
  }
  static falign_status adapt(void *user, falign_rule *c_rule, falign_network *c_network,
                             const falign_trace *c_trace) noexcept {
    const auto &mine = *static_cast<own *>(user);
    return detail::guard(*mine.thrown, [&] {
      borrowed<rule> of(c_rule);
      borrowed<network> in(c_network);
      mine.table.adapt(*of, *in, trace(c_trace));
    });
  }
  static falign_status save(void *user, falign_tensors *set) noexcept {
    const auto &mine = *static_cast<own *>(user);
    return detail::guard(*mine.thrown, [&] { mine.table.save(*borrowed<tensors>(set)); });
  }
  static falign_status load(void *user, const falign_tensors *set) noexcept {
    const auto &mine = *static_cast<own *>(user);
    return detail::guard(*mine.thrown, [&] { mine.table.load(*borrowed<const tensors>(set)); });
  }
  template <class T>
  matrix<T> in_place(T *data, std::uint32_t l, const network &of) const {
    const std::uint32_t above = feedback() == FALIGN_FEEDBACK_DIRECT ? of.layers() : l + 1;
    return detail::in_place(data, of.precision(), of.width(above), of.width(l));
  }
};

/** A caller's normalization: changes W[l] in place. */
struct norm_table {
  std::string name;
  std::function<void(network &, std::uint32_t l)> apply;
};

/** What holds the weights after each step. */
class norm : public object<falign_norm, falign_norm_destroy> {
 public:
  using object::object;
  explicit norm(const norm_table &table) : norm(table, std::make_shared<detail::outbox>()) {}
  static norm none() { return norm(detail::create<falign_norm>(falign_norm_create_none)); }
  static norm columns(const std::vector<double> &gamma) {
    return norm(detail::create<falign_norm>(falign_norm_create_columns, gamma.data(), gamma.size()));
  }
  static norm matrices(const std::vector<double> &gamma) {
    return norm(detail::create<falign_norm>(falign_norm_create_matrices, gamma.data(), gamma.size()));
  }

  std::string name() const { return falign_norm_name(get()); }
  void match_feedback(bool on) { call(falign_norm_match_feedback, on); }
  void apply(network &to) const { call(falign_norm_apply, to.get(), nullptr); }
  void apply(network &to, rule &with) const { call(falign_norm_apply, to.get(), with.get()); }

 private:
  using own = detail::custom<norm_table>;
  norm(const norm_table &table, const detail::box &thrown)
      : object(detail::create_custom<falign_norm>(std::make_unique<own>(own{table, thrown}), falign_norm_create_custom,
                                                  c_table(table)),
               thrown) {}
  static falign_norm_table c_table(const norm_table &table) noexcept {
    falign_norm_table out{};
    out.size = sizeof out;
    out.name = table.name.c_str();
    if (table.apply) out.apply = apply_to;
    out.destroy = own::destroy;
    return out;
  }
  static falign_status apply_to(void *user, falign_network *c_network, std::uint32_t l) noexcept {
    const auto &mine = *static_cast<own *>(user);
    return detail::guard(*mine.thrown, [&] { mine.table.apply(*borrowed<network>(c_network), l); });
  }
};

class trainer;
class disturbance;

/** A caller's metric: measures the trainer before an update and emits values. The trace may not be there. */
struct metric_table {
  std::string name;
  std::int32_t needs = 0;
  std::function<void(const trainer &, const trace &, const sink &emit)> measure;
};

/** What is measured. */
class metric : public object<falign_metric, falign_metric_destroy> {
 public:
  using object::object;
  explicit metric(const metric_table &table) : metric(table, std::make_shared<detail::outbox>()) {}
  explicit metric(const std::string &name)
      : object(detail::create<falign_metric>(falign_metric_create, name.c_str())) {}
  static metric test_error(batches &test) {
    return metric(detail::create<falign_metric>(falign_metric_create_test_error, test.get()));
  }
  /** Alignment terms of all orders. */
  static metric terms() {
    return metric(detail::create<falign_metric>(falign_metric_create_terms, nullptr, std::size_t{0}));
  }
  static metric terms(const std::vector<std::uint64_t> &orders) {
    return metric(detail::create<falign_metric>(falign_metric_create_terms, detail::given(orders), orders.size()));
  }
  static metric disturbance(falign::disturbance &of, std::uint64_t every);
  static metric similarity(batches &of, std::uint64_t lag, std::uint64_t every) {
    return metric(detail::create<falign_metric>(falign_metric_create_similarity, of.get(), lag, every));
  }
  static metric autocorrelation(const std::vector<std::uint64_t> &lags, std::uint64_t every) {
    return metric(detail::create<falign_metric>(falign_metric_create_autocorrelation, lags.data(), lags.size(), every));
  }
  static std::size_t count() noexcept { return falign_metric_count(); }
  static std::string name_at(std::size_t index) { return detail::text(falign_metric_name_at(index)); }
  static std::string description_at(std::size_t index) { return detail::text(falign_metric_description_at(index)); }

  std::string name() const { return falign_metric_name(get()); }
  std::int32_t needs() const noexcept { return falign_metric_needs(get()); }

 private:
  using own = detail::custom<metric_table>;
  metric(const metric_table &table, const detail::box &thrown)
      : object(detail::create_custom<falign_metric>(std::make_unique<own>(own{table, thrown}),
                                                    falign_metric_create_custom, c_table(table)),
               thrown) {}
  static falign_metric_table c_table(const metric_table &table) noexcept {
    falign_metric_table out{};
    out.size = sizeof out;
    out.name = table.name.c_str();
    out.needs = table.needs;
    if (table.measure) out.measure = measure;
    out.destroy = own::destroy;
    return out;
  }
  static falign_status measure(void *user, const falign_trainer *c_trainer, const falign_trace *c_trace,
                               falign_value_fn emit, void *emit_user) noexcept;
};

/** The past steps of a run. */
class history : public object<falign_history, falign_history_destroy> {
 public:
  /** Iterations first to end - 1. */
  struct iterations {
    std::uint64_t first, end;
  };
  struct bytes_used {
    std::uint64_t memory, file;
  };

  using object::object;
  explicit history(falign_history *c) : object(c, std::make_shared<detail::group>(std::vector<detail::box>())) {}
  explicit history(network &of) : history(detail::create<falign_history>(falign_history_create, of.get())) {
    runs({of.thrown()});
  }

  void keep(std::int32_t quantities) { call(falign_history_keep, quantities); }
  void set_window(std::uint64_t steps) { call(falign_history_set_window, steps); }
  void set_limit(std::uint64_t bytes, const char *directory = nullptr) {
    call(falign_history_set_limit, bytes, directory);
  }
  std::uint64_t bytes(std::uint64_t steps) const {
    std::uint64_t out = 0;
    call(falign_history_bytes, steps, &out);
    return out;
  }
  void clear() noexcept { falign_history_clear(get()); }
  iterations range() const {
    iterations out{};
    call(falign_history_range, &out.first, &out.end);
    return out;
  }
  bytes_used used() const {
    bytes_used out{};
    call(falign_history_used, &out.memory, &out.file);
    return out;
  }
  void get_record(std::uint64_t k, falign_record record, std::uint32_t l, matrix<double> out) const {
    call(falign_history_get, k, record, l, out.data(), out.rows(), out.cols(), out.stride());
  }
  /** The boxes of what recording a step runs besides; for disturbance. */
  const detail::box &runs(std::initializer_list<detail::box> others) {
    if (thrown()) {
      auto &members = static_cast<detail::group &>(*thrown()).members;
      members.insert(members.end(), others);
    }
    return thrown();
  }
};

/** The loop. */
class trainer : public object<falign_trainer, falign_trainer_destroy> {
 public:
  struct evaluation {
    double loss, error;
  };

  using object::object;
  explicit trainer(falign_trainer *c) : object(c, std::make_shared<detail::group>(std::vector<detail::box>(places))) {}
  trainer(falign::network &network, falign::rule &rule, double eta)
      : trainer(detail::create<falign_trainer>(falign_trainer_create, network.get(), rule.get(), eta)) {
    place(of_network) = network.thrown();
    place(of_rule) = rule.thrown();
  }

  void set_eta(double eta) { call(falign_trainer_set_eta, eta); }
  double eta() const noexcept { return falign_trainer_eta(get()); }
  void set_norm(const norm &with) {
    call(falign_trainer_set_norm, with.get());
    place(of_norm) = with.thrown();
  }
  void set_norm(std::nullptr_t) { call(falign_trainer_set_norm, nullptr); }
  void set_backend(const falign::backend &with) {
    call(falign_trainer_set_backend, with.get());
    place(of_backend) = with.thrown();
  }
  borrowed<const falign::backend> backend() const noexcept {
    return borrowed<const falign::backend>(falign_trainer_backend(get()), box_of(of_backend));
  }
  void set_threads(std::uint32_t threads) { call(falign_trainer_set_threads, threads); }
  std::uint32_t threads() const noexcept { return falign_trainer_threads(get()); }
  void keep(std::int32_t needs) { call(falign_trainer_keep, needs); }
  void set_history(falign::history &in) {
    call(falign_trainer_set_history, in.get());
    place(of_history) = in.thrown();
  }
  void set_history(std::nullptr_t) { call(falign_trainer_set_history, nullptr); }
  borrowed<falign::history> history() noexcept {
    return borrowed<falign::history>(falign_trainer_history(get()), box_of(of_history));
  }
  borrowed<const falign::history> history() const noexcept {
    return borrowed<const falign::history>(falign_trainer_history(get()), box_of(of_history));
  }
  borrowed<falign::network> network() noexcept {
    return borrowed<falign::network>(falign_trainer_network(get()), box_of(of_network));
  }
  borrowed<const falign::network> network() const noexcept {
    return borrowed<const falign::network>(falign_trainer_network(get()), box_of(of_network));
  }
  borrowed<falign::rule> rule() noexcept { return borrowed<falign::rule>(falign_trainer_rule(get()), box_of(of_rule)); }
  borrowed<const falign::rule> rule() const noexcept {
    return borrowed<const falign::rule>(falign_trainer_rule(get()), box_of(of_rule));
  }
  std::uint64_t iteration() const noexcept { return falign_trainer_iteration(get()); }
  double start_norm(std::uint32_t l) const noexcept { return falign_trainer_start_norm(get(), l); }

  template <class X, class Y>
  void step(matrix<X> x, matrix<Y> y) {
    detail::want("rows of y", y.rows(), x.rows());
    call(detail::pick<X>(falign_trainer_step_f32, falign_trainer_step_f64), x.data(), x.rows(), x.cols(), x.stride(),
         y.data(), y.cols(), y.stride());
  }
  template <class X, class D>
  void impose(matrix<X> x, matrix<D> delta) {
    detail::want("rows of delta", delta.rows(), x.rows());
    call(detail::pick<X>(falign_trainer_impose_f32, falign_trainer_impose_f64), x.data(), x.rows(), x.cols(),
         x.stride(), delta.data(), delta.cols(), delta.stride());
  }
  falign::trace trace() const noexcept { return falign::trace(falign_trainer_trace(get())); }
  void run(batches &on, std::uint64_t until) { call(falign_trainer_run, on.get(), until); }
  template <class X, class Y>
  void forward(matrix<X> x, matrix<Y> y) {
    detail::want("rows of y", y.rows(), x.rows());
    call(detail::pick<X>(falign_trainer_forward_f32, falign_trainer_forward_f64), x.data(), x.rows(), x.cols(),
         x.stride(), y.data(), y.cols(), y.stride());
  }
  evaluation evaluate(batches &on) const {
    evaluation out{};
    call(falign_trainer_evaluate, on.get(), &out.loss, &out.error);
    return out;
  }

  void observe(metric &what, std::uint64_t every, sink to) {
    add(what, std::move(to),
        [&](void *user) { call(falign_trainer_observe, what.get(), every, detail::receive, user); });
  }
  void observe_at(metric &what, const std::vector<std::uint64_t> &iterations, sink to) {
    add(what, std::move(to), [&](void *user) {
      call(falign_trainer_observe_at, what.get(), iterations.data(), iterations.size(), detail::receive, user);
    });
  }
  void measure() { call(falign_trainer_measure); }
  /** An empty function removes it. It must not be replaced from within itself. */
  void set_progress(falign::progress report) {
    detail::box &kept = place(of_progress);
    if (report) {
      const auto own = std::make_shared<detail::function_box<falign::progress>>(std::move(report));
      falign_trainer_set_progress(get(), detail::report, own.get());
      kept = own;
    } else {
      falign_trainer_set_progress(get(), nullptr, nullptr);
      kept = nullptr;
    }
  }
  void cancel() noexcept { falign_trainer_cancel(get()); }
  void export_to(tensors &set) const { call(falign_trainer_export, set.get()); }
  void import_from(const tensors &set) { call(falign_trainer_import, set.get()); }

 private:
  /* What the trainer may run, and then its observers: each metric after its sink, whose exceptions it passes on. */
  enum : std::size_t { of_network, of_rule, of_norm, of_backend, of_history, of_progress, places };

  std::vector<detail::box> &boxes() const {
    if (!thrown()) throw error(FALIGN_INVALID, "the trainer was moved or released");
    return static_cast<detail::group &>(*thrown()).members;
  }
  detail::box &place(std::size_t which) { return boxes()[which]; }
  detail::box box_of(std::size_t which) const noexcept { return thrown() ? boxes()[which] : nullptr; }

  template <class Observe>
  void add(const metric &what, sink to, Observe observe) {
    if (!to) throw error(FALIGN_INVALID, "the sink of " + what.name() + " is empty");
    const auto own = std::make_shared<detail::function_box<sink>>(std::move(to));
    boxes().reserve(boxes().size() + 2);
    observe(own.get());
    boxes().push_back(own);
    boxes().push_back(what.thrown());
  }
};

inline falign_status metric::measure(void *user, const falign_trainer *c_trainer, const falign_trace *c_trace,
                                     falign_value_fn emit, void *emit_user) noexcept {
  const auto &mine = *static_cast<own *>(user);
  return detail::guard(*mine.thrown, [&] {
    mine.table.measure(*borrowed<const trainer>(c_trainer), trace(c_trace), [&](const measurement &value) {
      detail::run(nullptr, emit, emit_user, value.iteration, value.metric, value.layer, value.order, value.value);
    });
  });
}

/** Many runs at once. */
namespace ensemble {

/** Does the runs 0 to runs - 1. */
inline void run(std::uint32_t runs, std::uint32_t threads, std::function<void(std::uint32_t number)> each) {
  detail::function_box<std::function<void(std::uint32_t)>> own(std::move(each));
  const auto one = [](void *user, std::uint32_t number) {
    auto &of = *static_cast<decltype(own) *>(user);
    return detail::guard(of, [&] { of.function(number); });
  };
  detail::run(&own, falign_ensemble_run, runs, threads, one, &own);
}

/** trainer::run() with each, trainers[i] on batches[i]. */
inline void train(const std::vector<trainer *> &trainers, const std::vector<batches *> &on, std::uint64_t until,
                  std::uint32_t threads) {
  detail::want("batches", on.size(), trainers.size());
  detail::group thrown({});
  std::vector<falign_trainer *> c_trainers;
  std::vector<falign_batches *> c_batches;
  for (const trainer *const each : trainers) {
    thrown.members.push_back(each->thrown());
    c_trainers.push_back(each->get());
  }
  for (const batches *const each : on) c_batches.push_back(each->get());
  detail::run(&thrown, falign_ensemble_train, c_trainers.data(), c_batches.data(), c_trainers.size(), until, threads);
}

}  // namespace ensemble

namespace detail {

/* How many numbers W[l] has. */
inline std::size_t numbers_of(const trace &of, std::uint32_t l) {
  const auto count = [](auto w) { return w.rows() * w.cols(); };
  return of.precision() == FALIGN_F32 ? count(of.view<float>(FALIGN_DW, l)) : count(of.view<double>(FALIGN_DW, l));
}

}  // namespace detail

/** Alignment terms. All have the shape of W[l]; several stand one after the other. */
class terms : public object<falign_terms, falign_terms_destroy> {
 public:
  struct comparison {
    double angle, norm, ratio;
  };
  using numbers = std::vector<double>;
  using order_list = std::vector<std::uint64_t>;

  using object::object;
  terms(history &of, rule &by)
      : object(detail::create<falign_terms>(falign_terms_create, of.get(), by.get()),
               std::make_shared<detail::group>(std::vector<detail::box>{of.thrown(), by.thrown()})) {}

  void set_threads(std::uint32_t threads) { call(falign_terms_set_threads, threads); }
  numbers orders(const trace &at, std::uint32_t l, std::uint32_t degree, const order_list &orders) {
    return several(falign_terms_orders, at, l, orders, degree);
  }
  /** The sum over all orders. */
  numbers sum(const trace &at, std::uint32_t l, std::uint32_t degree) {
    return one(falign_terms_sum, at, l, degree, nullptr, std::size_t{0});
  }
  numbers sum(const trace &at, std::uint32_t l, std::uint32_t degree, const order_list &orders) {
    return one(falign_terms_sum, at, l, degree, detail::given(orders), orders.size());
  }
  numbers zero(const trace &at, std::uint32_t l, std::uint64_t order) { return one(falign_terms_zero, at, l, order); }
  numbers remainder(const trace &at, std::uint32_t l, std::uint32_t degree) {
    return one(falign_terms_remainder, at, l, degree);
  }
  numbers linear(const trace &at, std::uint32_t l, const order_list &orders) {
    return several(falign_terms_linear, at, l, orders);
  }
  numbers linear_diagonal(const trace &at, std::uint32_t l, const order_list &orders) {
    return several(falign_terms_linear_diagonal, at, l, orders);
  }
  /** The sum over all orders. */
  numbers linear_sum(const trace &at, std::uint32_t l) {
    return one(falign_terms_linear_sum, at, l, nullptr, std::size_t{0});
  }
  numbers linear_sum(const trace &at, std::uint32_t l, const order_list &orders) {
    return one(falign_terms_linear_sum, at, l, detail::given(orders), orders.size());
  }
  numbers simplified(const trace &at, std::uint32_t l, const order_list &orders) {
    return several(falign_terms_simplified, at, l, orders);
  }
  comparison compare(const trace &at, std::uint32_t l, const numbers &t) {
    comparison out{};
    detail::want("numbers of t", t.size(), detail::numbers_of(at, l));
    call(falign_terms_compare, at.get(), l, t.data(), &out.angle, &out.norm, &out.ratio);
    return out;
  }

 private:
  template <class F, class... Arguments>
  numbers one(F f, const trace &at, std::uint32_t l, Arguments... arguments) {
    numbers out(detail::numbers_of(at, l));
    call(f, at.get(), l, arguments..., out.data());
    return out;
  }
  template <class F, class... Arguments>
  numbers several(F f, const trace &at, std::uint32_t l, const order_list &orders, Arguments... arguments) {
    numbers out(orders.size() * detail::numbers_of(at, l));
    call(f, at.get(), l, arguments..., detail::given(orders), orders.size(), out.data());
    return out;
  }
};

/** M, which the linear terms apply to B^T. */
class transformation : public object<falign_transformation, falign_transformation_destroy> {
 public:
  struct turn {
    double angle, norm;
  };

  using object::object;
  transformation(const history &of, std::uint64_t k, std::uint64_t order, std::uint32_t l)
      : object(detail::create<falign_transformation>(falign_transformation_create, of.get(), k, order, l)) {}
  /** Any square matrix. */
  explicit transformation(matrix<const double> m)
      : object(
            (detail::want("columns of M", m.cols(), m.rows()),
             detail::create<falign_transformation>(falign_transformation_create_of, m.data(), m.rows(), m.stride()))) {}

  std::size_t size() const noexcept { return falign_transformation_size(get()); }
  void get_part(falign_part_of_m part, matrix<double> out) const {
    call(falign_transformation_get, part, out.data(), out.rows(), out.cols(), out.stride());
  }
  double trace() const noexcept { return falign_transformation_trace(get()); }
  std::vector<double> eigenvalues() const {
    std::vector<double> out(size());
    call(falign_transformation_eigenvalues, out.data(), out.size());
    return out;
  }
  turn apply(falign_part_of_m part, matrix<const double> b) const {
    turn out{};
    call(falign_transformation_apply, part, b.data(), b.rows(), b.cols(), b.stride(), &out.angle, &out.norm);
    return out;
  }
  double skew_ratio(matrix<const double> b) const {
    double out = 0;
    call(falign_transformation_skew_ratio, b.data(), b.rows(), b.cols(), b.stride(), &out);
    return out;
  }
};

/** DFA's F as products Q through the layers. */
class decomposition : public object<falign_decomposition, falign_decomposition_destroy> {
 public:
  using object::object;
  explicit decomposition(const rule &of)
      : object(detail::create<falign_decomposition>(falign_decomposition_create, of.get())) {}

  void get_factor(falign_factor factor, std::uint32_t l, matrix<double> out) const {
    call(falign_decomposition_get, factor, l, out.data(), out.rows(), out.cols(), out.stride());
  }
  double share(std::uint32_t l) const noexcept { return falign_decomposition_share(get(), l); }
};

/** Disturbed terms, and the weights that they alone would build. */
class disturbance : public object<falign_disturbance, falign_disturbance_destroy> {
 public:
  using object::object;
  static disturbance none(history &of, rule &by) {
    return disturbance(detail::create<falign_disturbance>(falign_disturbance_create_none, of.get(), by.get()),
                       of.runs({by.thrown()}));
  }
  static disturbance linear(history &of, rule &by) {
    return disturbance(detail::create<falign_disturbance>(falign_disturbance_create_linear, of.get(), by.get()),
                       of.runs({by.thrown()}));
  }
  static disturbance feedback(history &of, rule &by, rule &fresh) {
    return disturbance(
        detail::create<falign_disturbance>(falign_disturbance_create_feedback, of.get(), by.get(), fresh.get()),
        of.runs({by.thrown(), fresh.thrown()}));
  }
  static disturbance rows(history &of, rule &by, std::uint64_t seed, std::uint32_t run) {
    return disturbance(
        detail::create<falign_disturbance>(falign_disturbance_create_rows, of.get(), by.get(), seed, run),
        of.runs({by.thrown()}));
  }

  std::string name() const { return falign_disturbance_name(get()); }
  void set_threads(std::uint32_t threads) { call(falign_disturbance_set_threads, threads); }
  std::vector<double> orders(const trace &at, std::uint32_t l, const std::vector<std::uint64_t> &orders) {
    std::vector<double> out(orders.size() * detail::numbers_of(at, l));
    call(falign_disturbance_orders, at.get(), l, detail::given(orders), orders.size(), out.data());
    return out;
  }
  void update(const trace &with) { call(falign_disturbance_update, with.get()); }
  void get_weights(std::uint32_t l, matrix<double> w) const {
    call(falign_disturbance_get_weights, l, w.data(), w.rows(), w.cols(), w.stride());
  }
  double angle(std::uint32_t l) {
    double out = 0;
    call(falign_disturbance_angle, l, &out);
    return out;
  }
};

inline metric metric::disturbance(falign::disturbance &of, std::uint64_t every) {
  return metric(detail::create<falign_metric>(falign_metric_create_disturbance, of.get(), every), of.thrown());
}

/** S = A B^T, rows of a x rows of b. */
template <class A, class B>
std::vector<std::remove_const_t<A>> similarity_matrix(matrix<A> a, matrix<B> b) {
  detail::want("columns of b", b.cols(), a.cols());
  std::vector<std::remove_const_t<A>> out(a.rows() * b.rows());
  detail::check(detail::pick<A>(falign_similarity_matrix_f32, falign_similarity_matrix_f64)(
      a.data(), a.rows(), a.stride(), b.data(), b.rows(), b.stride(), a.cols(), out.data()));
  return out;
}
/** Norms of the rows. */
template <class T>
std::vector<double> row_norms(matrix<T> a) {
  std::vector<double> out(a.rows());
  detail::check(detail::pick<T>(falign_row_norms_f32, falign_row_norms_f64)(a.data(), a.rows(), a.cols(), a.stride(),
                                                                            out.data()));
  return out;
}

/** How alike the data points' outputs and error signals are. */
class similarity : public object<falign_similarity, falign_similarity_destroy> {
 public:
  struct pair_sums {
    std::uint64_t count;
    double l, delta, product;
  };

  similarity(falign_precision precision, std::size_t l_width, std::size_t delta_width, std::uint32_t categories)
      : object(
            detail::create<falign_similarity>(falign_similarity_create, precision, l_width, delta_width, categories)),
        l_width_(l_width),
        delta_width_(delta_width) {}

  template <class L, class D>
  void set_side(std::int32_t side, matrix<L> l, matrix<D> delta, const std::vector<std::uint32_t> &labels) {
    detail::want("columns of L", l.cols(), l_width_);
    detail::want("columns of delta", delta.cols(), delta_width_);
    detail::want("rows of delta", delta.rows(), l.rows());
    detail::want("labels", labels.size(), l.rows());
    call(detail::pick<L>(falign_similarity_set_side_f32, falign_similarity_set_side_f64), side, l.data(), l.stride(),
         delta.data(), delta.stride(), labels.data(), labels.size());
  }
  void classify(std::int32_t side, const std::vector<double> &errors, double share) {
    call(falign_similarity_classify, side, errors.data(), errors.size(), share);
  }
  pair_sums sums(falign_pairs pairs) const {
    pair_sums out{};
    call(falign_similarity_sums, pairs, &out.count, &out.l, &out.delta, &out.product);
    return out;
  }
  /** 4 x (bins + 2) counts. */
  std::vector<std::uint64_t> histogram(std::int32_t quantity, double low, double high, std::size_t bins,
                                       std::uint32_t threads) const {
    std::vector<std::uint64_t> out(4 * (bins + 2));
    call(falign_similarity_histogram, quantity, low, high, bins, threads, out.data());
    return out;
  }

 private:
  std::size_t l_width_, delta_width_;
};

/** The path of all learnable parameters. */
class trajectory : public object<falign_trajectory, falign_trajectory_destroy> {
 public:
  using object::object;
  trajectory(falign_precision precision, std::size_t numbers)
      : object(detail::create<falign_trajectory>(falign_trajectory_create, precision, numbers)) {}

  template <class T>
  void add(const std::vector<T> &point) {
    call(detail::pick<T>(falign_trajectory_add_f32, falign_trajectory_add_f64), point.data(), point.size());
  }
  void add(const network &point) { call(falign_trajectory_add_network, point.get()); }
  std::size_t points() const noexcept { return falign_trajectory_points(get()); }
  std::size_t numbers() const noexcept { return falign_trajectory_numbers(get()); }
  std::vector<double> get_point(std::size_t i) const {
    std::vector<double> out(numbers());
    call(falign_trajectory_get, i, out.data(), out.size());
    return out;
  }
};

/** Principal components of a trajectory. */
class components : public object<falign_components, falign_components_destroy> {
 public:
  components(const trajectory &of, std::size_t count)
      : object(detail::create<falign_components>(falign_components_create, of.get(), count)), numbers_(of.numbers()) {}

  std::size_t count() const noexcept { return falign_components_count(get()); }
  double variance(std::size_t i) const noexcept { return falign_components_variance(get(), i); }
  double explained(std::size_t i) const noexcept { return falign_components_explained(get(), i); }
  /** In the components' own storage; NULL beyond the last. */
  const double *direction(std::size_t i) const noexcept { return falign_components_direction(get(), i); }
  const double *mean() const noexcept { return falign_components_mean(get()); }
  /** Coordinates of a point. */
  std::vector<double> project(const std::vector<double> &point) const {
    return coordinates(falign_components_project, point.data(), point.size());
  }
  std::vector<double> project(const network &point) const {
    return coordinates(falign_components_project_network, point.get());
  }
  std::vector<double> project_direction(const std::vector<double> &direction) const {
    return coordinates(falign_components_project_direction, direction.data(), direction.size());
  }
  std::vector<double> project_feedback(const network &in, const rule &of) const {
    return coordinates(falign_components_project_feedback, in.get(), of.get());
  }
  std::vector<double> point(const std::vector<double> &coordinates) const {
    std::vector<double> out(numbers_);
    call(falign_components_point, coordinates.data(), coordinates.size(), out.data(), out.size());
    return out;
  }
  /** The loss in the plane of components a and b, y.size() x x.size(). */
  std::vector<double> loss_grid(std::size_t a, std::size_t b, const network &of, batches &on,
                                const std::vector<double> &x, const std::vector<double> &y, std::uint32_t threads,
                                progress report = nullptr) const {
    std::vector<double> out(x.size() * y.size());
    const bool told = static_cast<bool>(report);
    const auto own = std::make_shared<detail::function_box<progress>>(std::move(report));
    detail::group thrown({own, of.thrown()});
    detail::run(&thrown, falign_components_loss_grid, get(), a, b, of.get(), on.get(), x.data(), x.size(), y.data(),
                y.size(), threads, told ? detail::report : nullptr, own.get(), out.data());
    return out;
  }

 private:
  template <class F, class... Arguments>
  std::vector<double> coordinates(F f, Arguments... arguments) const {
    std::vector<double> out(count());
    call(f, arguments..., out.data(), out.size());
    return out;
  }
  std::size_t numbers_;
};

/** Angles of products of random matrices. */
class product_angle : public object<falign_product_angle, falign_product_angle_destroy> {
 public:
  struct draws {
    std::vector<double> theta_1, theta_2, theta_3, theta_3_nonlinear;
  };

  using object::object;
  product_angle(std::size_t rows, std::size_t inner, std::size_t cols, std::uint64_t seed, std::uint32_t run)
      : object(detail::create<falign_product_angle>(falign_product_angle_create, rows, inner, cols, seed, run)) {}

  draws draw(std::size_t count) {
    const std::vector<double> zeros(count);
    draws out{zeros, zeros, zeros, zeros};
    call(falign_product_angle_draw, count, out.theta_1.data(), out.theta_2.data(), out.theta_3.data(),
         out.theta_3_nonlinear.data());
    return out;
  }
};

}  // namespace falign

#endif
