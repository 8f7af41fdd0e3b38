/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FALIGN_FALIGN_HPP
#define FALIGN_FALIGN_HPP

/** @file falign.hpp
 *  @brief libfalign for C++17: objects that release themselves, exceptions, and callables of any kind as callbacks.
 *
 *  falign::x is falign_x of the C headers, and x.verb() is falign_x_verb(); only export and import, which C++ reserves,
 *  are export_to() and import_from(). Shapes, units, equations, errors and threads are documented there.
 *  - An object owns one reference and can be moved but not copied. Objects that were given another keep a reference of
 *    their own, so any order of destruction is safe. handle() lends the C handle, release() hands it over, and
 *    x(handle) takes one over; what is missing here can be called in C.
 *  - A failure throws a falign::error with the status and the library's message.
 *  - Exceptions of callbacks do not pass through C: they end the call that ran the callback, which throws them again
 *    (one of them if there are several). The callables live as long as the library may call them.
 *  - matrix<T> views numbers that belong to someone else, with any steps and without a copy. Functions take a readable
 *    or writable matrix, to which matrices, vectors, spans and arrays convert. array<T>, which they return, owns its
 *    numbers.
 *  - borrowed<x> is an x that belongs to another object, and is valid as long as in C, as is what callbacks receive.
 *    What would dangle when a temporary is gone does not compile.
 *
 *  A comment describes the members from it to the next comment or empty line. */

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "falign/falign.h"

/** Makes clang warn about an object that outlives what it was made of. */
#if defined(__clang__)
#define FALIGN_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define FALIGN_LIFETIMEBOUND
#endif

namespace falign {

/** A call that failed: what() is the library's message. Callbacks may throw it to choose their status. */
class error : public std::runtime_error {
 public:
  error(falign_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
  /** Returns FALIGN_SHAPE or another code. */
  falign_status status() const noexcept { return status_; }

 private:
  falign_status status_;
};

/** A matrix that owns its numbers, row-major. */
template <class T>
class array : private std::vector<T> {
 public:
  array(size_t rows, size_t cols) : std::vector<T>(rows * cols), rows_(rows), cols_(cols) {}
  /** As in std::vector. */
  using std::vector<T>::begin, std::vector<T>::end, std::vector<T>::data, std::vector<T>::size;
  /** Returns the shape, and element (i, j). */
  size_t rows() const noexcept { return rows_; }
  size_t cols() const noexcept { return cols_; }
  T &operator()(size_t i, size_t j) { return (*this)[i * cols_ + j]; }
  const T &operator()(size_t i, size_t j) const { return (*this)[i * cols_ + j]; }
  /** Returns all elements, row after row. */
  const std::vector<T> &numbers() const & { return *this; }
  std::vector<T> numbers() && { return std::move(*this); }

 private:
  size_t rows_, cols_;
};

namespace detail {
template <class T>
constexpr bool is_f32 = std::is_same_v<std::remove_const_t<T>, float>;
template <class T>
constexpr bool is_number = is_f32<T> || std::is_same_v<std::remove_const_t<T>, double>;

/* What a container with data() and size() holds. */
template <class Numbers, class = decltype(std::declval<Numbers &>().size())>
using element = std::remove_pointer_t<decltype(std::declval<Numbers &>().data())>;

/* Whether matrix<T> may view a container's numbers. Those of a temporary one would dangle, but for a span, which is
 * known by its access: it can be const and let write nevertheless. */
template <class Numbers, class T>
using lends = std::enable_if_t<is_number<element<Numbers>> && std::is_convertible_v<element<Numbers> *, T *> &&
                               (std::is_lvalue_reference_v<Numbers> ||
                                !std::is_const_v<element<const std::remove_reference_t<Numbers>>>)>;

template <class Numbers>
std::pair<size_t, size_t> shape_of(const Numbers &numbers) {
  if constexpr (std::is_same_v<Numbers, array<std::remove_const_t<element<Numbers>>>>)
    return {numbers.rows(), numbers.cols()};
  else
    return {1, numbers.size()};
}

/* Not NULL for an empty container either, where NULL means something else. */
template <class Numbers>
element<Numbers> *data_of(Numbers &numbers) noexcept {
  static std::remove_const_t<element<Numbers>> none{};
  return numbers.size() == 0 ? &none : numbers.data();
}

inline void want(const std::string &what, size_t got, size_t wanted) {
  if (got != wanted)
    throw error(FALIGN_SHAPE, what + ": got " + std::to_string(got) + ", want " + std::to_string(wanted));
}

}  // namespace detail

/** A matrix in the storage of someone else; element (i, j) is data()[i * row_step() + j * col_step()]. T is float,
 *  double, const float or const double; readable and writable leave open which of float and double. */
template <class T>
class matrix {
 public:
  /** falign_view or falign_matrix. */
  using c_type = std::conditional_t<std::is_const_v<T>, falign_view, falign_matrix>;
  /** Views an array: with steps in elements, or contiguous and row-major. */
  template <class U, class = std::enable_if_t<detail::is_number<U> && std::is_convertible_v<U *, T *>>>
  matrix(U *data, size_t rows, size_t cols, ptrdiff_t row_step, ptrdiff_t col_step = 1) noexcept
      : c_{data, rows, cols, row_step, col_step, detail::is_f32<U> ? FALIGN_F32 : FALIGN_F64} {}
  template <class U, class = std::enable_if_t<detail::is_number<U> && std::is_convertible_v<U *, T *>>>
  matrix(U *data, size_t rows, size_t cols) noexcept : matrix(data, rows, cols, static_cast<ptrdiff_t>(cols)) {}
  /** Views the first rows x cols numbers of a container with data() and size(), such as a std::vector. */
  template <class Numbers, class = detail::lends<Numbers, T>>
  matrix(Numbers &&numbers, size_t rows, size_t cols) : matrix(detail::data_of(numbers), rows, cols) {
    if (cols > 0 && numbers.size() / cols < rows)
      throw error(FALIGN_SHAPE, std::to_string(numbers.size()) + " numbers are too few for a matrix of " +
                                    std::to_string(rows) + " x " + std::to_string(cols));
  }
  /** Views all numbers of a container: those of an array in its shape, those of any other as one row. */
  template <class Numbers, class = detail::lends<Numbers, T>>
  matrix(Numbers &&numbers)
      : matrix(detail::data_of(numbers), detail::shape_of(numbers).first, detail::shape_of(numbers).second) {}
  /** Views a temporary container: for a readable argument, which lives no longer. */
  template <class Numbers, class U = T, class = std::enable_if_t<std::is_same_v<U, const void>>>
  matrix(const Numbers &numbers FALIGN_LIFETIMEBOUND, detail::lends<const Numbers &, T> * = nullptr)
      : matrix(detail::data_of(numbers), detail::shape_of(numbers).first, detail::shape_of(numbers).second) {}
  /** Views the same matrix, for reading only or without its type. */
  template <class U, class = std::enable_if_t<!std::is_same_v<U, T> && std::is_convertible_v<U *, T *>>>
  matrix(const matrix<U> &other)
      : c_{other.data(), other.rows(), other.cols(), other.row_step(), other.col_step(), other.precision()} {}
  /** Views a matrix of C's. Throws FALIGN_SHAPE if it has another precision than T. */
  explicit matrix(const c_type &c) : c_(c) {
    if (!std::is_void_v<T> && (c.precision == FALIGN_F32) != detail::is_f32<T>)
      throw error(FALIGN_SHAPE, c.precision == FALIGN_F32 ? "got f32, want f64" : "got f64, want f32");
  }
  /** Returns the same view with elements of type float or double. Throws FALIGN_SHAPE if they are of the other one. */
  template <class U, class Element = std::conditional_t<std::is_const_v<T>, const U, U>>
  matrix<Element> as() const {
    return matrix<Element>({c_.data, c_.rows, c_.cols, c_.row_step, c_.col_step, c_.precision});
  }
  /** Returns the transpose, a view of the same numbers. */
  auto transposed() const { return matrix(c_type{c_.data, c_.cols, c_.rows, c_.col_step, c_.row_step, c_.precision}); }
  /** Returns the struct to pass to C, as long-lived as this object. */
  const c_type *c() const & { return &c_; }
  void c() const && = delete;
  /** Returns a pointer to element (0, 0), the shape, the steps in elements, and FALIGN_F32 or FALIGN_F64. */
  T *data() const noexcept { return static_cast<T *>(c_.data); }
  size_t rows() const noexcept { return c_.rows; }
  size_t cols() const noexcept { return c_.cols; }
  ptrdiff_t row_step() const noexcept { return c_.row_step; }
  ptrdiff_t col_step() const noexcept { return c_.col_step; }
  falign_precision precision() const noexcept { return c_.precision; }
  /** Returns element (i, j). */
  std::add_lvalue_reference_t<T> operator()(size_t i, size_t j) const {
    return data()[static_cast<ptrdiff_t>(i) * c_.row_step + static_cast<ptrdiff_t>(j) * c_.col_step];
  }

 private:
  c_type c_;
};
template <class T, class... Steps>
matrix(T *, size_t, size_t, Steps...) -> matrix<T>;
template <class Numbers, class... Shape>
matrix(Numbers &&, Shape...) -> matrix<detail::element<Numbers>>;

/** Matrices of either precision, to read and to write: what functions take. */
using readable = matrix<const void>;
using writable = matrix<void>;
/** One measured value, and what receives it. */
using value = falign_value;
using sink = std::function<void(const value &)>;
/** Receives how much is done of how much there is; returns true to cancel. */
using progress = std::function<bool(uint64_t done, uint64_t total)>;

namespace detail {
/* What callbacks threw, until the call that ran them takes it. Each call in progress has its own outbox, for
 * callbacks on its thread; what is thrown on the library's threads goes to the outbox of the rule, backend or the like.
 * That may serve several calls at once: a call takes what is not older than itself and whose text is in its message. */
struct outbox {
  inline static thread_local outbox *innermost = nullptr; /* of the call in progress on this thread */
  inline static std::atomic<uint64_t> clock{0};           /* the order of all calls and exceptions */
  std::vector<std::shared_ptr<outbox>> inner;             /* of all that the object may run */
  bool called_from_c = false; /* whether C calls functions in it, but does not destroy them */
  std::shared_ptr<outbox> &at(size_t place) {
    if (inner.size() <= place) inner.resize(place + 1);
    return inner[place];
  }
  /* Keeps the exception that is being handled. A NULL text: C is given none, and any call in progress takes it. */
  falign_status put(falign_status status, const char *text) noexcept {
    try {
      outbox &to = innermost != nullptr ? *innermost : *this;
      const std::lock_guard<std::mutex> lock(to.mutex);
      if (to.waiting.size() == 64) to.waiting.erase(to.waiting.begin());
      to.waiting.push_back({clock++, std::nullopt, std::current_exception()});
      if (text != nullptr) to.waiting.back().text = text;
    } catch (...) { /* no memory: the call ends with the message alone */
    }
    if (text != nullptr) falign_set_last_error(text);
    return status == FALIGN_OK ? FALIGN_CALLBACK : status;
  }
  /* Takes what a call that began at `since` comes from; `message` is NULL unless it failed. */
  std::exception_ptr take(uint64_t since, const char *message) noexcept try {
    std::unique_lock<std::mutex> lock(mutex);
    std::exception_ptr taken;
    const auto found = std::find_if(waiting.rbegin(), waiting.rend(), [=](const letter &each) {
      return each.put >= since && (!each.text || (message != nullptr && ends(message, *each.text)));
    });
    if (found != waiting.rend()) {
      taken = found->thrown;
      waiting.erase(std::prev(found.base()));
    }
    lock.unlock();
    for (const auto &each : inner) {
      const std::exception_ptr one = each ? each->take(since, message) : nullptr;
      if (!taken) taken = one;
    }
    return taken;
  } catch (...) { /* no memory: the call ends with the message alone */
    return nullptr;
  }

 private:
  struct letter {
    uint64_t put;
    std::optional<std::string> text; /* that C was given */
    std::exception_ptr thrown;
  };
  /* Whether C's message ends with the text; C cuts messages at 1023 bytes. */
  static bool ends(const std::string &message, const std::string &text) {
    if (message.size() > 1000) return message.find(text.substr(0, 100)) != std::string::npos;
    return message.size() >= text.size() && message.compare(message.size() - text.size(), text.size(), text) == 0;
  }
  std::mutex mutex;
  std::vector<letter> waiting;
};
using box = std::shared_ptr<outbox>;

/* Functions that C calls, with themselves as the user pointer. */
template <class F>
struct function_box : outbox {
  explicit function_box(F of) : function(std::move(of)) {}
  F function;
  box self; /* while a C object owns it */
  static void destroy(void *user) noexcept { const box last = std::move(static_cast<function_box *>(user)->self); }
  template <class Use>
  static falign_status call(void *user, Use use) noexcept {
    auto &own = *static_cast<function_box *>(user);
    try {
      use(own.function);
      return FALIGN_OK;
    } catch (const error &thrown) {
      return own.put(thrown.status(), thrown.what());
    } catch (const std::exception &thrown) {
      return own.put(FALIGN_CALLBACK, thrown.what());
    } catch (...) {
      return own.put(FALIGN_CALLBACK, "a callback threw something other than a std::exception");
    }
  }
};
inline falign_status receive(void *user, const falign_value *one) noexcept {
  return function_box<sink>::call(user, [=](const sink &to) { to(*one); });
}
inline int32_t report(void *user, uint64_t done, uint64_t total) noexcept {
  auto &own = *static_cast<function_box<progress> *>(user);
  try {
    return own.function && own.function(done, total);
  } catch (...) {
    return own.put(FALIGN_CANCELLED, nullptr);
  }
}

/* Calls f, which may run callbacks that throw into `of` on other threads; it may be NULL. */
template <class F, class... Args>
void run(outbox *of, F f, Args... args) {
  outbox here;
  outbox *const outer = std::exchange(outbox::innermost, &here);
  const uint64_t since = outbox::clock++;
  const falign_status status = f(args...);
  outbox::innermost = outer;
  const char *const message = status == FALIGN_OK ? nullptr : falign_last_error();
  std::exception_ptr thrown = here.take(since, message);
  if (!thrown && of != nullptr) thrown = of->take(since, message);
  if (thrown) std::rethrow_exception(thrown);
  if (message != nullptr) throw error(status, message);
}
template <class At>
std::vector<std::string> list(At at) {
  std::vector<std::string> out;
  while (const char *const each = at(out.size())) out.emplace_back(each);
  return out;
}

/* Functions of objects that were released to C: nobody knows when they are last called. */
inline void keep_forever(box functions) {
  static std::mutex mutex;
  static auto &kept = *new std::vector<box>;
  const std::lock_guard<std::mutex> lock(mutex);
  kept.push_back(std::move(functions));
}

/* A temporary, as a parameter that is an lvalue; it lives until the end of the expression. */
template <class T>
T &lvalue(T &&temporary) noexcept {
  return temporary;
}

/* Tags of constructors that call C, and that give it functions. */
struct by {};
struct by_functions {};

}  // namespace detail

template <class T>
class borrowed;

/** One reference to a C object; see the top of this file. */
template <class C, void (*destroy)(C *)>
class object {
 public:
  /** Takes a reference over. Moving leaves the other object empty. */
  explicit object(C *c) try : c_(c), box_(std::make_shared<detail::outbox>()) {
  } catch (...) {
    destroy(c);
  }
  object(object &&other) noexcept : c_(std::exchange(other.c_, nullptr)), box_(std::move(other.box_)) {}
  object &operator=(object &&other) noexcept {
    object taken(std::move(other));
    std::swap(c_, taken.c_);
    std::swap(box_, taken.box_);
    return *this;
  }
  ~object() { destroy(c_); }
  /** Returns the C handle; release() leaves it to the caller, and keeps a trainer's sinks until the program ends. */
  C *handle() const noexcept { return c_; }
  C *release() {
    if (c_ != nullptr && box_ && box_->called_from_c) detail::keep_forever(box_);
    box_.reset();
    return std::exchange(c_, nullptr);
  }
  /** Returns false after a move or release(), and for a borrowed object that does not exist. */
  explicit operator bool() const noexcept { return c_ != nullptr; }
  /** The C type, the outbox of callbacks and those of what it runs, and constructors: for the other classes here. */
  using c_type = C;
  using by = detail::by;
  using by_functions = detail::by_functions;
  const detail::box &thrown() const noexcept { return box_; }
  void runs(std::initializer_list<detail::box> others) const {
    if (box_) box_->inner.insert(box_->inner.end(), others);
  }
  object(C *c, detail::box thrown) noexcept : c_(c), box_(std::move(thrown)) {}
  template <class Make, class... Args>
  object(detail::by, Make make, Args... args) : object(nullptr) {
    detail::run(nullptr, make, args..., &c_);
  }
  template <class Functions, class Make, class Table, class... Args>
  object(detail::by_functions, Functions functions, Make make, Table table, Args... args) : object(nullptr) {
    const auto own = std::make_shared<detail::function_box<Functions>>(std::move(functions));
    box_ = own;
    table.size = sizeof table;
    table.destroy = detail::function_box<Functions>::destroy;
    detail::run(own.get(), make, &table, static_cast<void *>(own.get()), args..., &c_);
    own->self = own; /* until C destroys it */
  }

 protected:
  /* Calls f(handle, args...); the object itself may be gone when it returns. */
  template <class F, class... Args>
  void call(F f, Args... args) const {
    const detail::box kept = box_;
    detail::run(kept.get(), f, c_, args...);
  }
  /* The same with an output as the last argument: a struct, two numbers, a matrix to fill, or a matrix in place. */
  template <class Out, class F, class... Args>
  Out ask(F f, Args... args) const {
    Out out{};
    call(f, args..., &out);
    return out;
  }
  template <class Out, class F, class... Args>
  std::pair<Out, Out> ask_both(F f, Args... args) const {
    std::pair<Out, Out> out;
    call(f, args..., &out.first, &out.second);
    return out;
  }
  template <class T = double, class F, class... Args>
  array<T> fill(size_t rows, size_t cols, F f, Args... args) const {
    array<T> out(rows, cols);
    const writable to(out);
    call(f, args..., to.c());
    return out;
  }
  template <class T, class F, class... Args>
  matrix<T> lend(F f, Args... args) const {
    return matrix<T>(ask<typename matrix<T>::c_type>(f, args...));
  }

 private:
  template <class>
  friend class borrowed;
  C *c_;
  detail::box box_;
};

/** An object that belongs to another. Used like a pointer. */
template <class T>
class borrowed {
 public:
  using object_type = std::remove_const_t<T>;
  explicit borrowed(const typename object_type::c_type *c, detail::box thrown = nullptr) noexcept
      : object_(const_cast<typename object_type::c_type *>(c), std::move(thrown)) {}
  borrowed(const borrowed &) = delete;
  borrowed &operator=(const borrowed &) = delete;
  ~borrowed() { object_.c_ = nullptr; }
  /** Returns the object; that of a temporary is an rvalue, so that a reference to it is not kept by mistake. */
  T &operator*() const & { return object_; }
  T &&operator*() const && { return static_cast<T &&>(object_); }
  T *operator->() const noexcept { return &object_; }
  /** Returns whether there is one. */
  explicit operator bool() const noexcept { return object_.handle() != nullptr; }

 private:
  mutable object_type object_;
};

/** How alike two matrices are. */
struct likeness {
  double angle;  /**< degrees */
  double cosine; /**< of the angle */
  double inner;  /**< Frobenius inner product */
};
/** Compares two matrices; with B^T, pass b.transposed(). */
inline likeness angle(readable a, readable b) {
  likeness out{};
  detail::run(nullptr, falign_angle, a.c(), b.c(), &out.angle, &out.cosine, &out.inner);
  return out;
}
/** Returns the Frobenius norm, and the norm of each row. */
inline double frobenius(readable a) { return falign_frobenius(a.c()); }
inline std::vector<double> row_norms(readable a) {
  std::vector<double> out(a.rows());
  detail::run(nullptr, falign_row_norms, a.c(), detail::data_of(out));
  return out;
}

/** A random stream. */
struct rng : object<falign_rng, falign_rng_destroy> {
  using object::object;
  rng(uint64_t seed, uint32_t purpose, uint32_t layer, uint32_t run)
      : object(by(), falign_rng_create, seed, purpose, layer, run) {}
  /** Returns the number of blocks drawn so far, and moves there. */
  uint64_t position() const { return falign_rng_position(handle()); }
  void seek(uint64_t position) { falign_rng_seek(handle(), position); }
  /** Fills a matrix with numbers from N(0, sd). */
  void normal(double sd, writable out) { call(falign_rng_normal, sd, out.c()); }
  /** Draws a number in [0, 1), an integer in [0, bound), 128 bits, and a permutation of 0..count-1. */
  double uniform() { return falign_rng_uniform(handle()); }
  uint64_t below(uint64_t bound) { return falign_rng_below(handle(), bound); }
  std::array<uint32_t, 4> block() {
    std::array<uint32_t, 4> words{};
    falign_rng_block(handle(), words.data());
    return words;
  }
  std::vector<uint32_t> permutation(uint32_t count) {
    std::vector<uint32_t> out(count);
    falign_rng_permutation(handle(), out.data(), count);
    return out;
  }
};

/** Named arrays and notes. */
struct tensors : object<falign_tensors, falign_tensors_destroy> {
  using object::object;
  tensors() : object(by(), falign_tensors_create) {}
  /** Reads and writes a safetensors file. */
  static tensors read(const std::string &path) { return tensors(by(), falign_tensors_read, path.c_str()); }
  void write(const std::string &path) const { call(falign_tensors_write, path.c_str()); }
  /** Adds an array of float, double, int64_t or uint8_t. */
  template <class T>
  void add(const std::string &name, const std::vector<size_t> &dims, const std::vector<T> &data) {
    constexpr bool is_integer = std::is_same_v<T, int64_t> || std::is_same_v<T, uint8_t>;
    static_assert(detail::is_number<T> || is_integer, "tensors are of float, double, int64_t or uint8_t");
    const size_t count = std::accumulate(dims.begin(), dims.end(), size_t{1}, std::multiplies<size_t>());
    detail::want(name, data.size(), count); /* C refuses a product that overflows */
    call(falign_tensors_add, name.c_str(),
         is_integer ? (sizeof(T) == 1 ? FALIGN_DTYPE_U8 : FALIGN_DTYPE_I64)
                    : (sizeof(T) == 4 ? FALIGN_DTYPE_F32 : FALIGN_DTYPE_F64),
         dims.data(), dims.size(), static_cast<const void *>(data.data()));
  }
  /** Lists the names of the tensors, and returns whether there is one of a name. */
  std::vector<std::string> names() const {
    return detail::list([this](size_t i) { return falign_tensors_name_at(handle(), i); });
  }
  bool has(const std::string &name) const { return falign_tensors_has(handle(), name.c_str()) != 0; }
  /** Views a tensor in the set's own storage. */
  falign_tensor view(const std::string &name) const & { return ask<falign_tensor>(falign_tensors_view, name.c_str()); }
  void view(const std::string &name) const && = delete;
  /** Copies a tensor of floats or doubles that has up to two dimensions. */
  void get(const std::string &name, writable out) const { call(falign_tensors_get, name.c_str(), out.c()); }
  template <class T>
  array<T> get(const std::string &name) const {
    const falign_tensor shape = view(name);
    return fill<T>(shape.rank < 2 ? 1 : shape.dims[0], shape.rank == 0 ? 1 : shape.dims[shape.rank - 1],
                   falign_tensors_get, name.c_str());
  }
  /** Sets a note, and returns one if it is there. */
  void set_note(const std::string &name, const std::string &text) {
    call(falign_tensors_set_note, name.c_str(), text.c_str());
  }
  std::optional<std::string> note(const std::string &name) const {
    const char *const out = falign_tensors_note(handle(), name.c_str());
    return out == nullptr ? std::nullopt : std::optional<std::string>(out);
  }
};

/** Measured values as a CSV table. */
struct table : object<falign_table, falign_table_destroy> {
  using object::object;
  /** Makes an empty table, with a leading text column of the name `condition` unless that is NULL. */
  explicit table(falign_precision precision, const char *condition = nullptr)
      : object(by(), falign_table_create, precision, condition) {}
  /** Sets the leading column and the column `run` of the next rows; a run of -1 leaves it empty. */
  void set_condition(const std::string &condition) { call(falign_table_set_condition, condition.c_str()); }
  void set_run(int64_t run) { falign_table_set_run(handle(), run); }
  /** Adds a row, with an empty epoch if that is NaN, or the rows of another table. */
  void add(const value &one, double epoch = NAN) { call(falign_table_add, &one, epoch); }
  void append(const table &other) { call(falign_table_append, other.handle()); }
  /** Returns the number of rows, and a row, whose texts are in the table's own storage. */
  size_t rows() const { return falign_table_rows(handle()); }
  falign_row row(size_t i) const & { return ask<falign_row>(falign_table_row, i); }
  void row(size_t i) const && = delete;
  /** Writes CSV to a file or an open file descriptor, and means over runs to a file. */
  void write(const std::string &path) const { call(falign_table_write, path.c_str()); }
  void write_descriptor(int32_t descriptor) const { call(falign_table_write_descriptor, descriptor); }
  void write_summary(const std::string &path) const { call(falign_table_write_summary, path.c_str()); }
  /** Adds the rows to a set of tensors, and replaces them by those of a set. */
  void export_to(tensors &set) const { call(falign_table_export, set.handle()); }
  void import_from(const tensors &set) { call(falign_table_import, set.handle()); }
};

/** Data points with labels or targets. */
struct dataset : object<falign_dataset, falign_dataset_destroy> {
  using object::object;
  /** Copies inputs: alone, with a label below `categories` for each row, or with targets. */
  explicit dataset(readable x) : object(by(), falign_dataset_create, x.c(), nullptr, uint32_t{0}) {}
  dataset(readable x, const std::vector<uint32_t> &labels, uint32_t categories)
      : object((detail::want("labels", labels.size(), x.rows()), by()), falign_dataset_create, x.c(),
               detail::data_of(labels), categories) {}
  static dataset regression(readable x, readable y) {
    return dataset(by(), falign_dataset_create_regression, x.c(), y.c());
  }
  /** Reads two IDX files, or FALIGN_TRAIN or FALIGN_TEST of a directory with the file names of MNIST. */
  static dataset read_idx(const std::string &images, const std::string &labels, size_t image_size,
                          uint32_t categories) {
    return dataset(by(), falign_dataset_read_idx, images.c_str(), labels.c_str(), image_size, categories);
  }
  static dataset read_mnist(const std::string &directory, falign_part part, size_t image_size) {
    return dataset(by(), falign_dataset_read_mnist, directory.c_str(), part, image_size);
  }
  /** Draws Gaussian data: {points, width, categories, within, between}. */
  static dataset synthetic(const falign_synthetic &like, falign_part part, uint64_t seed) {
    return dataset(by(), falign_dataset_create_synthetic, &like, part, seed);
  }
  /** Returns sizes and labels, in the dataset's own storage. */
  const falign_dataset_shape &shape() const & { return *falign_dataset_get_shape(handle()); }
  void shape() const && = delete;
  /** Copies the points from `first` on, one for each row of x, and returns a number that differs between datasets. */
  void get(size_t first, writable x) const { call(falign_dataset_get, first, x.c()); }
  uint64_t fingerprint() const { return falign_dataset_fingerprint(handle()); }
};

/** The desired output of each category. */
struct code : object<falign_code, falign_code_destroy> {
  using object::object;
  /** Copies a matrix with one row for each category, or draws mutually exclusive n-hot codes. */
  explicit code(readable rows) : object(by(), falign_code_create, rows.c()) {}
  static code n_hot(uint32_t categories, size_t width, size_t hot, uint64_t seed, uint32_t run) {
    return code(by(), falign_code_create_n_hot, categories, width, hot, seed, run);
  }
  /** Takes the tensor "code" of a set, and adds it. */
  static code import_from(const tensors &set) { return code(by(), falign_code_import, set.handle()); }
  void export_to(falign_precision precision, tensors &set) const { call(falign_code_export, precision, set.handle()); }
  /** Views the code in its own storage, a row for each category. */
  matrix<const double> view() const & { return lend<const double>(falign_code_view); }
  void view() const && = delete;
  /** Returns the category of each row of outputs. */
  std::vector<uint32_t> decode(readable y) const {
    std::vector<uint32_t> out(y.rows());
    call(falign_code_decode, y.c(), detail::data_of(out));
    return out;
  }
};

/** A dataset as one run sees it. */
struct batches : object<falign_batches, falign_batches_destroy> {
  using object::object;
  /** Cuts a dataset with labels, or one with targets, into batches of `size` rows. */
  batches(const dataset &data, const falign::code &code, size_t size)
      : object(by(), falign_batches_create, data.handle(), code.handle(), size) {}
  batches(const dataset &data, size_t size) : object(by(), falign_batches_create, data.handle(), nullptr, size) {}
  /** Sets label smoothing, replaces a fraction of the labels by random ones, and chooses the order of the points. */
  void set_smoothing(double smoothing) { call(falign_batches_set_smoothing, smoothing); }
  void shuffle_labels(double fraction, uint64_t seed, uint32_t run) {
    call(falign_batches_shuffle_labels, fraction, seed, run);
  }
  void set_order(falign_order order, uint64_t seed, uint32_t run) { call(falign_batches_set_order, order, seed, run); }
  /** Returns sizes, and the code if there is one; both belong to the batches. */
  const falign_batches_shape &shape() const & { return *falign_batches_get_shape(handle()); }
  void shape() const && = delete;
  borrowed<const falign::code> code() const & { return borrowed<const falign::code>(falign_batches_code(handle())); }
  void code() const && = delete;
  /** Returns how many rows the batch of iteration k has, which points of the dataset these are, and their labels. */
  size_t rows(uint64_t k) const { return falign_batches_rows(handle(), k); }
  std::vector<uint32_t> points_of(uint64_t k) {
    std::vector<uint32_t> out(rows(k));
    call(falign_batches_points_of, k, out.data(), nullptr, out.size());
    return out;
  }
  std::vector<uint32_t> labels_of(uint64_t k) {
    std::vector<uint32_t> out(rows(k));
    call(falign_batches_points_of, k, nullptr, out.data(), out.size());
    return out;
  }
  /** Copies inputs and targets of the batch of iteration k. */
  void get(uint64_t k, writable x, writable y) { call(falign_batches_get, k, x.c(), y.c()); }
  /** Adds what the run has drawn for its data to a set of tensors, and takes it back. */
  void export_to(uint64_t k, tensors &set) { call(falign_batches_export, k, set.handle()); }
  void import_from(uint64_t k, const tensors &set) { call(falign_batches_import, k, set.handle()); }
};

/** An activation. */
class activation : public object<falign_activation, falign_activation_destroy> {
 public:
  using object::object;
  /** Finds a built-in activation, such as "relu". */
  explicit activation(const std::string &name) : object(by(), falign_activation_create, name.c_str()) {}
  /** Makes one of a function f and its derivative: callables double(double), which several threads may call at once. */
  template <class F, class D>
  activation(const std::string &name, F f, D df)
      : object(by_functions(), std::pair<F, D>(std::move(f), std::move(df)), falign_activation_create_custom,
               falign_activation_table{0, name.c_str(), map<F, D, 0>, map<F, D, 1>, nullptr}) {}
  /** Returns the name. */
  std::string name() const { return falign_activation_name(handle()); }

 private:
  template <class F, class D, size_t which>
  static void map(void *user, const double *z, double *out, size_t count) noexcept {
    auto &own = *static_cast<detail::function_box<std::pair<F, D>> *>(user);
    try {
      std::transform(z, z + count, out, [&](double each) -> double { return std::get<which>(own.function)(each); });
    } catch (...) { /* C continues: numbers that are not finite end the call */
      own.put(FALIGN_CALLBACK, nullptr);
      std::fill(out, out + count, double{NAN});
    }
  }
};

/** The matrices of a network or rule, addressed by quantity and layer as in C, whose functions are its parameters. */
template <class C, void (*destroy_c)(C *), auto set_c, auto get_c, auto view_c, auto edit_c>
struct with_matrices : object<C, destroy_c> {
  using object<C, destroy_c>::object;
  /** Sets and copies a matrix. */
  void set(falign_quantity what, uint32_t l, readable values) { this->call(set_c, what, l, values.c()); }
  void get(falign_quantity what, uint32_t l, writable out) const { this->call(get_c, what, l, out.c()); }
  template <class T>
  array<T> get(falign_quantity what, uint32_t l) const {
    const readable shape = view(what, l);
    return this->template fill<T>(shape.rows(), shape.cols(), get_c, what, l);
  }
  /** Gives a matrix in place, to read or to change: as<double>() or as<float>() of it has elements. */
  readable view(falign_quantity what, uint32_t l) const & { return this->template lend<const void>(view_c, what, l); }
  void view(falign_quantity what, uint32_t l) const && = delete;
  writable edit(falign_quantity what, uint32_t l) & { return this->template lend<void>(edit_c, what, l); }
};

/** A network. */
struct network : with_matrices<falign_network, falign_network_destroy, falign_network_set, falign_network_get,
                               falign_network_view, falign_network_edit> {
  using with_matrices::with_matrices;
  /** Makes a network of the widths n[0..d]. */
  network(falign_precision precision, const std::vector<size_t> &widths, bool biases = true)
      : with_matrices(by(), falign_network_create, precision,
                      static_cast<uint32_t>(widths.empty() ? 0 : widths.size() - 1), detail::data_of(widths), biases) {}
  /** Returns the precision, d, n[l], whether there are biases, and the number of all weights and biases. */
  falign_precision precision() const { return falign_network_precision(handle()); }
  uint32_t layers() const { return falign_network_layers(handle()); }
  size_t width(uint32_t l) const { return falign_network_width(handle(), l); }
  bool has_biases() const { return falign_network_has_biases(handle()) != 0; }
  size_t parameters() const { return falign_network_parameters(handle()); }
  /** Sets the activation of layer l, and returns it. */
  void set_activation(uint32_t l, const falign::activation &f) {
    call(falign_network_set_activation, l, f.handle());
    if (thrown()) thrown()->at(l) = f.thrown();
  }
  borrowed<const falign::activation> activation(uint32_t l) const & {
    return borrowed<const falign::activation>(falign_network_activation(handle(), l));
  }
  void activation(uint32_t l) const && = delete;
  /** Draws weights and biases; the parameters are standard deviations. */
  void draw(double sd_w, double sd_b, uint64_t seed, uint32_t run) { call(falign_network_draw, sd_w, sd_b, seed, run); }
  /** Adds all weights and biases to a set of tensors, and takes those that a set holds. */
  void export_to(tensors &set) const { call(falign_network_export, set.handle()); }
  void import_from(const tensors &set) { call(falign_network_import, set.handle()); }
};

/** A backend, which multiplies matrices. */
class backend : public object<falign_backend, falign_backend_destroy> {
 public:
  using object::object;
  /** Finds a backend of this build, or "auto". */
  explicit backend(const std::string &name) : object(by(), falign_backend_create, name.c_str()) {}
  /** Makes one of a callable gemm(T alpha, matrix<const T> a, matrix<const T> b, T beta, matrix<T> c), for T both float
   *  and double, that computes C = alpha A B + beta C. Several threads may call it at once. Either the rows or the
   *  columns of a and b are contiguous (a step of 1), and the rows of c. */
  template <class F>
  backend(const std::string &name, F gemm)
      : object(by_functions(), std::move(gemm), falign_backend_create_custom,
               falign_backend_table{0, name.c_str(), multiply<F, float>, multiply<F, double>, nullptr}) {}
  /** Lists the backends of this build. */
  static std::vector<std::string> names() { return detail::list(falign_backend_name_at); }
  /** Returns the name, what stands behind it, and the number of threads that the BLAS itself uses. */
  std::string name() const { return falign_backend_name(handle()); }
  std::string detail() const { return falign_backend_detail(handle()); }
  int32_t own_threads() const { return falign_backend_own_threads(handle()); }
  /** Computes C = alpha A B + beta C, all in one precision; for A^T, pass a.transposed(). */
  void gemm(double alpha, readable a, readable b, double beta, writable c) const {
    call(falign_backend_gemm, alpha, a.c(), b.c(), beta, c.c());
  }

 private:
  template <class F, class T>
  static falign_status multiply(void *user, int32_t transpose_a, int32_t transpose_b, size_t m, size_t n, size_t k,
                                T alpha, const T *a, size_t lda, const T *b, size_t ldb, T beta, T *c,
                                size_t ldc) noexcept {
    const matrix<const T> stored_a(a, transpose_a ? k : m, transpose_a ? m : k, static_cast<ptrdiff_t>(lda));
    const matrix<const T> stored_b(b, transpose_b ? n : k, transpose_b ? k : n, static_cast<ptrdiff_t>(ldb));
    return falign::detail::function_box<F>::call(user, [&](F &f) {
      f(alpha, transpose_a ? stored_a.transposed() : stored_a, transpose_b ? stored_b.transposed() : stored_b, beta,
        matrix<T>(c, m, n, static_cast<ptrdiff_t>(ldc)));
    });
  }
};

/** The trace of a step, or of a block of its rows. */
struct trace : object<falign_trace, falign_trace_destroy> {
  using object::object;
  /** Makes an empty trace of a step that the program made itself, {iteration, rows, 0, eta, loss}, and fills it. */
  trace(const network &of, const falign_step &step) : object(by(), falign_trace_create, of.handle(), &step) {}
  void set(falign_quantity what, uint32_t l, readable values) { call(falign_trace_set, what, l, values.c()); }
  /** Views a matrix: as<double>() or as<float>() of it has elements. */
  readable view(falign_quantity what, uint32_t l) const & { return lend<const void>(falign_trace_view, what, l); }
  void view(falign_quantity what, uint32_t l) const && = delete;
  /** Returns the numbers of the step, and its backend; both belong to the trace. */
  const falign_step &step() const & { return *falign_trace_step(handle()); }
  void step() const && = delete;
  borrowed<const falign::backend> backend() const & { return borrowed<const falign::backend>(step().backend); }
  void backend() const && = delete;
};

class rule;

/** A user's rule. Entries that are not required may stay empty. */
struct rule_table {
  std::string name;                                /**< required */
  falign_feedback feedback = FALIGN_FEEDBACK_NONE; /**< which feedback matrices the library keeps */
  bool concurrent = false;                         /**< whether several threads may call `signal` at once */
  /** Required: writes the signal that reaches layer l to `out`, rows of the trace x n[l], in the network's precision:
   *  out.as<double>() or out.as<float>(). */
  std::function<void(const rule &, const network &, const trace &, uint32_t l, writable out)> signal;
  std::function<void(rule &, network &, const trace &)> adapt; /**< changes feedback and network after each update */
  bool needs_activity = false;                                 /**< whether `adapt` needs L, Z and DELTA */
  std::function<void(tensors &)> save;                         /**< saves the rule's state in checkpoints */
  std::function<void(const tensors &)> load;                   /**< restores what `save` added */
};

/** How the error travels back. */
class rule : public with_matrices<falign_rule, falign_rule_destroy, falign_rule_set, falign_rule_get, falign_rule_view,
                                  falign_rule_edit> {
 public:
  using with_matrices::with_matrices;
  /** Makes "bp", "fa", "dfa" or a user's rule, for networks of this shape and precision. */
  rule(const std::string &name, const network &of)
      : with_matrices(by(), falign_rule_create, name.c_str(), of.handle()) {}
  rule(const rule_table &table, const network &of)
      : with_matrices(by_functions(), table, falign_rule_create_custom, c_table(table), of.handle()) {}
  /** Returns the name, and which feedback matrices it has. */
  std::string name() const { return falign_rule_name(handle()); }
  falign_feedback feedback() const { return falign_rule_feedback(handle()); }
  /** Draws the feedback matrices from N(0, sd), and scales each of their columns to the norm gamma. */
  void draw(double sd, uint64_t seed, uint32_t run) { call(falign_rule_draw, sd, seed, run); }
  void normalize_columns(double gamma) { call(falign_rule_normalize_columns, gamma); }
  /** Adds feedback and state to a set of tensors, and takes those that a set holds. */
  void export_to(tensors &set) const { call(falign_rule_export, set.handle()); }
  void import_from(const tensors &set) { call(falign_rule_import, set.handle()); }

 private:
  using own = detail::function_box<rule_table>;
  static falign_rule_table c_table(const rule_table &table) noexcept {
    falign_rule_table out{};
    out.name = table.name.c_str();
    out.feedback = table.feedback;
    out.concurrent = table.concurrent;
    out.needs_activity = table.needs_activity;
    if (table.signal)
      out.signal = [](void *user, const falign_rule *of, const falign_network *in, const falign_trace *at, uint32_t l,
                      const falign_matrix *to) {
        return own::call(user, [=](rule_table &mine) {
          mine.signal(*borrowed<const rule>(of), *borrowed<const network>(in), *borrowed<const trace>(at), l,
                      writable(*to));
        });
      };
    if (table.adapt)
      out.adapt = [](void *user, falign_rule *of, falign_network *in, const falign_trace *at) {
        return own::call(user, [=](rule_table &mine) {
          mine.adapt(detail::lvalue(*borrowed<rule>(of)), detail::lvalue(*borrowed<network>(in)),
                     *borrowed<const trace>(at));
        });
      };
    if (table.save)
      out.save = [](void *user, falign_tensors *set) {
        return own::call(user, [=](rule_table &mine) { mine.save(detail::lvalue(*borrowed<tensors>(set))); });
      };
    if (table.load)
      out.load = [](void *user, const falign_tensors *set) {
        return own::call(user, [=](rule_table &mine) { mine.load(*borrowed<const tensors>(set)); });
      };
    return out;
  }
};

/** A normalization, applied after each step. */
class norm : public object<falign_norm, falign_norm_destroy> {
 public:
  using object::object;
  /** Makes "none", "columns" or "matrices" with its gammas. */
  explicit norm(const std::string &name, const std::vector<double> &gamma = {})
      : object(by(), falign_norm_create, name.c_str(), gamma.data(), gamma.size()) {}
  /** Makes one of a callable apply(network &, uint32_t l) that changes W[l] in place. */
  template <class F, class = std::enable_if_t<std::is_invocable_v<F &, network &, uint32_t>>>
  norm(const std::string &name, F apply)
      : object(by_functions(), std::move(apply), falign_norm_create_custom,
               falign_norm_table{0, name.c_str(), apply_with<F>, nullptr}) {}
  /** Returns the name, and switches on or off that B[l] is scaled to the norm of W[l]. */
  std::string name() const { return falign_norm_name(handle()); }
  void match_feedback(bool on) { call(falign_norm_match_feedback, on); }
  /** Normalizes now; match_feedback() needs the rule. */
  void apply(network &to) const { call(falign_norm_apply, to.handle(), nullptr); }
  void apply(network &to, rule &with) const { call(falign_norm_apply, to.handle(), with.handle()); }

 private:
  template <class F>
  static falign_status apply_with(void *user, falign_network *to, uint32_t l) noexcept {
    return detail::function_box<F>::call(user, [=](F &f) { f(detail::lvalue(*borrowed<network>(to)), l); });
  }
};

class trainer;
struct disturbance;

/** A user's metric. The trace is empty if a metric that needs only the weights is measured without a step. */
struct metric_table {
  std::string name;  /**< required */
  int32_t needs = 0; /**< the sum of FALIGN_NEEDS_... that apply */
  /** Required: measures the trainer before an update, and passes values to `emit`. */
  std::function<void(trainer &, const trace &, const sink &emit)> measure;
  std::function<void(trainer &, const trace &)> look; /**< sees every step, due or not */
};

/** A metric. */
class metric : public object<falign_metric, falign_metric_destroy> {
 public:
  using object::object;
  /** Makes a built-in or a user's metric. */
  explicit metric(const std::string &name) : object(by(), falign_metric_create, name.c_str()) {}
  explicit metric(const metric_table &table)
      : object(by_functions(), table, falign_metric_create_custom, c_table(table)) {}
  /** Makes the metrics of test errors, of alignment terms of all orders or some, and of disturbed weights. */
  static metric test_error(batches &test) { return metric(by(), falign_metric_create_test_error, test.handle()); }
  static metric terms() { return metric(by(), falign_metric_create_terms, nullptr, size_t{0}); }
  static metric terms(const std::vector<uint64_t> &orders) {
    return metric(by(), falign_metric_create_terms, detail::data_of(orders), orders.size());
  }
  static metric disturbance(falign::disturbance &of);
  /** Makes metrics of the similarities of batches `lag` iterations apart, and of angles with earlier activity. */
  static metric similarity(batches &of, uint64_t lag) {
    return metric(by(), falign_metric_create_similarity, of.handle(), lag);
  }
  static metric autocorrelation(const std::vector<uint64_t> &lags) {
    return metric(by(), falign_metric_create_autocorrelation, lags.data(), lags.size());
  }
  /** Lists the built-in metrics, and describes them in the same order. */
  static std::vector<std::string> names() { return detail::list(falign_metric_name_at); }
  static std::vector<std::string> descriptions() { return detail::list(falign_metric_description_at); }
  /** Returns the name, and the sum of FALIGN_NEEDS_... that apply. */
  std::string name() const { return falign_metric_name(handle()); }
  int32_t needs() const { return falign_metric_needs(handle()); }

 private:
  static falign_metric_table c_table(const metric_table &table) noexcept;
};

/** The past steps of a run. */
struct history : object<falign_history, falign_history_destroy> {
  using object::object;
  /** Makes an empty history for runs of a network. */
  explicit history(network &of) : object(by(), falign_history_create, of.handle()) { runs({of.thrown()}); }
  /** Also keeps FALIGN_KEEP_..., or only the last steps. */
  void keep(int32_t quantities) { call(falign_history_keep, quantities); }
  void set_window(uint64_t steps) { call(falign_history_set_window, steps); }
  /** Limits the memory; steps beyond it go to a file in `directory`, or fail if that is NULL. */
  void set_limit(uint64_t bytes, const char *directory = nullptr) { call(falign_history_set_limit, bytes, directory); }
  /** Returns the bytes that a number of steps takes, and those in use: {in memory, in the file}. */
  uint64_t bytes(uint64_t steps) const { return ask<uint64_t>(falign_history_bytes, steps); }
  std::pair<uint64_t, uint64_t> used() const { return ask_both<uint64_t>(falign_history_used); }
  /** Returns which steps it holds, {first, behind the last}, and forgets them all. */
  std::pair<uint64_t, uint64_t> range() const { return ask_both<uint64_t>(falign_history_range); }
  void clear() { falign_history_clear(handle()); }
  /** Records a step that the program made itself, before it changes the weights, and copies a matrix of step k. */
  void record(const trace &step) { call(falign_history_record, step.handle()); }
  void get(uint64_t k, falign_quantity what, uint32_t l, writable out) const {
    call(falign_history_get, k, what, l, out.c());
  }
};

/** The loop. */
class trainer : public object<falign_trainer, falign_trainer_destroy> {
 public:
  /** How well a network does. */
  struct evaluation {
    double loss;  /**< 1/2 sum E^2 over all points */
    double error; /**< share of wrongly decoded points, 0 to 1; NaN without a code */
  };
  using object::object;
  /** Makes a trainer of a network, a rule and a learning rate. */
  trainer(falign::network &network, falign::rule &rule, double eta)
      : object(by(), falign_trainer_create, network.handle(), rule.handle(), eta) {
    place(of_network) = network.thrown();
    place(of_rule) = rule.thrown();
  }
  /** Sets and returns the learning rate. */
  void set_eta(double eta) { call(falign_trainer_set_eta, eta); }
  double eta() const { return falign_trainer_eta(handle()); }
  /** Sets what normalizes after each update; nullptr for nothing. */
  void set_norm(const norm &with) { set(falign_trainer_set_norm, with, of_norm); }
  void set_norm(std::nullptr_t) { call(falign_trainer_set_norm, nullptr); }
  /** Sets the backend, and returns it. */
  void set_backend(const falign::backend &with) { set(falign_trainer_set_backend, with, of_backend); }
  borrowed<const falign::backend> backend() & {
    return from<const falign::backend>(falign_trainer_backend, of_backend);
  }
  /** Sets the number of threads of a step, returns it, and keeps FALIGN_NEEDS_... in the trace of each step. */
  void set_threads(uint32_t threads) { call(falign_trainer_set_threads, threads); }
  uint32_t threads() const { return falign_trainer_threads(handle()); }
  void keep(int32_t needs) { call(falign_trainer_keep, needs); }
  /** Sets where each step is recorded, nullptr for nowhere, and returns the history if there is one. */
  void set_history(falign::history &in) { set(falign_trainer_set_history, in, of_history); }
  void set_history(std::nullptr_t) { call(falign_trainer_set_history, nullptr); }
  borrowed<falign::history> history() & { return from<falign::history>(falign_trainer_history, of_history); }
  /** Returns the network and the rule. */
  borrowed<falign::network> network() & { return from<falign::network>(falign_trainer_network, of_network); }
  borrowed<falign::rule> rule() & { return from<falign::rule>(falign_trainer_rule, of_rule); }
  /** Returns the number of updates made so far, and ||W[l]||_F at iteration 0. */
  uint64_t iteration() const { return falign_trainer_iteration(handle()); }
  double start_norm(uint32_t l) const { return falign_trainer_start_norm(handle(), l); }
  /** Makes one update on inputs x with targets y, or with imposed signals delta. */
  void step(readable x, readable y) { call(falign_trainer_step, x.c(), y.c()); }
  void impose(readable x, readable delta) { call(falign_trainer_impose, x.c(), delta.c()); }
  /** Computes everything of a step and learns nothing: trace() then has it. */
  void probe(readable x, readable y) { call(falign_trainer_probe, x.c(), y.c()); }
  /** Returns what happened in the last step or probe, if there was one. */
  borrowed<const falign::trace> trace() & { return borrowed<const falign::trace>(falign_trainer_trace(handle())); }
  /** Updates until iteration() is `until`; asks a run to stop, from any thread or signal handler. */
  void run(batches &on, uint64_t until) { call(falign_trainer_run, on.handle(), until); }
  void cancel() noexcept { falign_trainer_cancel(handle()); }
  /** Computes the outputs y for inputs x, or loss and error over one epoch, without training. */
  void forward(readable x, writable y) { call(falign_trainer_forward, x.c(), y.c()); }
  evaluation evaluate(batches &on) {
    evaluation out{};
    call(falign_trainer_evaluate, on.handle(), &out.loss, &out.error);
    return out;
  }
  /** Measures before each update k of which `every` is a divisor, or at the given iterations. */
  void observe(const metric &what, uint64_t every, sink to) { add(falign_trainer_observe, what, std::move(to), every); }
  void observe_at(const metric &what, const std::vector<uint64_t> &iterations, sink to) {
    add(falign_trainer_observe_at, what, std::move(to), iterations.data(), iterations.size());
  }
  /** Lets all observers that need only the weights look now. */
  void measure() { call(falign_trainer_measure); }
  /** Sets the progress callback; an empty one removes it. It must not be replaced from within itself. */
  void set_progress(falign::progress report) {
    detail::box &kept = place(of_progress);
    const auto own = std::make_shared<detail::function_box<falign::progress>>(std::move(report));
    falign_trainer_set_progress(handle(), detail::report, own.get());
    thrown()->called_from_c = true;
    kept = own;
  }
  /** Adds what a run has learned and where it is to a set of tensors, and takes it back. */
  void export_to(tensors &set) const { call(falign_trainer_export, set.handle()); }
  void import_from(const tensors &set) { call(falign_trainer_import, set.handle()); }

 private:
  /* What the trainer may run, and then its observers: each metric after its sink, whose exceptions it passes on. */
  enum : size_t { of_network, of_rule, of_norm, of_backend, of_history, of_progress, places };
  detail::box &place(size_t which) const {
    if (!thrown()) throw error(FALIGN_INVALID, "the trainer was moved or released");
    return thrown()->at(which);
  }
  template <class T, class F>
  borrowed<T> from(F f, size_t which) const {
    return borrowed<T>(f(handle()), thrown() ? place(which) : nullptr);
  }
  template <class F, class T>
  void set(F f, const T &with, size_t which) {
    call(f, with.handle());
    place(which) = with.thrown();
  }
  template <class F, class... When>
  void add(F f, const metric &what, sink to, When... when) {
    if (!to) throw error(FALIGN_INVALID, "the sink of " + what.name() + " is empty");
    const auto own = std::make_shared<detail::function_box<sink>>(std::move(to));
    place(of_progress); /* observers come behind */
    thrown()->inner.reserve(thrown()->inner.size() + 2);
    call(f, what.handle(), when..., detail::receive, static_cast<void *>(own.get()));
    thrown()->called_from_c = true;
    thrown()->inner.insert(thrown()->inner.end(), {own, what.thrown()});
  }
};

inline falign_metric_table metric::c_table(const metric_table &table) noexcept {
  using own = detail::function_box<metric_table>;
  falign_metric_table out{};
  out.name = table.name.c_str();
  out.needs = table.needs;
  if (table.measure)
    out.measure = [](void *user, falign_trainer *of, const falign_trace *at, falign_value_fn emit, void *emit_user) {
      return own::call(user, [=](metric_table &mine) {
        mine.measure(detail::lvalue(*borrowed<trainer>(of)), *borrowed<const trace>(at),
                     [=](const value &one) { detail::run(nullptr, emit, emit_user, &one); });
      });
    };
  if (table.look)
    out.look = [](void *user, falign_trainer *of, const falign_trace *at) {
      return own::call(user, [=](metric_table &mine) {
        mine.look(detail::lvalue(*borrowed<trainer>(of)), *borrowed<const trace>(at));
      });
    };
  return out;
}

/** Many runs at once. */
namespace ensemble {
/** Does the runs 0 to runs - 1. */
inline void run(uint32_t runs, uint32_t threads, std::function<void(uint32_t number)> each) {
  detail::function_box<std::function<void(uint32_t)>> own(std::move(each));
  const auto one = [](void *user, uint32_t number) {
    return decltype(own)::call(user, [=](auto &function) { function(number); });
  };
  detail::run(&own, falign_ensemble_run, runs, threads, one, &own);
}
/** Calls trainer::run() with each trainer, trainers[i] on batches[i]. */
inline void train(const std::vector<std::reference_wrapper<trainer>> &trainers,
                  const std::vector<std::reference_wrapper<batches>> &on, uint64_t until, uint32_t threads) {
  detail::want("batches", on.size(), trainers.size());
  detail::outbox thrown;
  std::vector<falign_trainer *> c_trainers;
  std::vector<falign_batches *> c_batches;
  for (const trainer &each : trainers) {
    thrown.inner.push_back(each.thrown());
    c_trainers.push_back(each.handle());
  }
  for (const batches &each : on) c_batches.push_back(each.handle());
  detail::run(&thrown, falign_ensemble_train, c_trainers.data(), c_batches.data(), c_trainers.size(), until, threads);
}
}  // namespace ensemble

/** Which orders of terms, and of which degree: {{1, 2}}, or all_orders() for a sum over all. */
struct orders {
  std::vector<uint64_t> list; /**< single orders */
  uint32_t degree = 1;        /**< of FALIGN_TERM */
  bool all = false;           /**< all orders, for sums; `list` is then ignored */
  /** Returns the struct to pass to C, valid as long as this one. */
  falign_orders c() const & { return {all ? nullptr : detail::data_of(list), list.size(), degree}; }
  void c() const && = delete;
};
inline orders all_orders(uint32_t degree = 1) { return {{}, degree, true}; }

/** Computes alignment terms in double precision. Those of several orders are stacked. */
class terms : public object<falign_terms, falign_terms_destroy> {
 public:
  using object::object;
  /** Makes one for the steps of a history, which were made by a rule. */
  terms(history &of, rule &made_by) : object(by(), falign_terms_create, of.handle(), made_by.handle()) {
    runs({of.thrown(), made_by.thrown()});
  }
  /** Sets the number of threads. */
  void set_threads(uint32_t threads) { call(falign_terms_set_threads, threads); }
  /** Computes terms of single orders, (orders * n[l]) x n[l+1], and their sum over some orders or all. */
  array<double> get(const trace &at, falign_term kind, uint32_t l, const orders &of) {
    return shaped(of.list.size(), at, l, falign_terms_get, at.handle(), kind, l, &detail::lvalue(of.c()));
  }
  array<double> sum(const trace &at, falign_term kind, uint32_t l, const orders &of) {
    return shaped(1, at, l, falign_terms_sum, at.handle(), kind, l, &detail::lvalue(of.c()));
  }
  /** Computes the zero-degree term and the remainder. */
  array<double> zero(const trace &at, uint32_t l, uint64_t order) {
    return shaped(1, at, l, falign_terms_zero, at.handle(), l, order);
  }
  array<double> remainder(const trace &at, uint32_t l, uint32_t degree) {
    return shaped(1, at, l, falign_terms_remainder, at.handle(), l, degree);
  }
  /** Compares a matrix of the shape of W[l] with what W[l] aligns with. */
  falign_comparison compare(const trace &at, uint32_t l, readable t) {
    return ask<falign_comparison>(falign_terms_compare, at.handle(), l, t.c());
  }

 private:
  friend struct disturbance;
  static std::pair<size_t, size_t> shape(const trace &at, uint32_t l) {
    return {at.view(FALIGN_L, l).cols(), at.view(FALIGN_DELTA, l + 1).cols()};
  }
  template <class F, class... Args>
  array<double> shaped(size_t count, const trace &at, uint32_t l, F f, Args... args) {
    return fill(count * shape(at, l).first, shape(at, l).second, f, args...);
  }
};

/** M, which the linear terms apply to B^T. */
struct transformation : object<falign_transformation, falign_transformation_destroy> {
  using object::object;
  /** Makes M of steps k and k - order of a history, or of any square matrix. */
  transformation(const history &of, uint64_t k, uint64_t order, uint32_t l)
      : object(by(), falign_transformation_create, of.handle(), k, order, l) {}
  explicit transformation(readable m) : object(by(), falign_transformation_create_of, m.c()) {}
  /** Returns n, and a copy of FALIGN_M, FALIGN_M_SYMMETRIC or FALIGN_M_SKEW, n x n. */
  size_t size() const { return falign_transformation_size(handle()); }
  array<double> get(falign_quantity what) const { return fill(size(), size(), falign_transformation_get, what); }
  /** Returns tr(M), and the eigenvalues of the symmetric part, the largest first. */
  double trace() const { return falign_transformation_trace(handle()); }
  std::vector<double> eigenvalues() const {
    std::vector<double> out(size());
    call(falign_transformation_eigenvalues, out.data(), out.size());
    return out;
  }
  /** Returns the angle of B^T with B^T times M or a part of it, and the norm of that product. */
  std::pair<double, double> apply(falign_quantity what, readable b) const {
    return ask_both<double>(falign_transformation_apply, what, b.c());
  }
  /** Returns ||B^T M_skew||_F / ||B^T M_sym||_F. */
  double skew_ratio(readable b) const { return ask<double>(falign_transformation_skew_ratio, b.c()); }
};

/** DFA's feedback as products Q through the layers. */
struct decomposition : object<falign_decomposition, falign_decomposition_destroy> {
  using object::object;
  explicit decomposition(const rule &of) : object(by(), falign_decomposition_create, of.handle()) {}
  /** Copies FALIGN_Q, FALIGN_F_HAT or FALIGN_F_PERP of layer l. */
  void get(falign_quantity what, uint32_t l, writable out) const { call(falign_decomposition_get, what, l, out.c()); }
  /** Returns ||F_perp[l]||_F / ||F[l]||_F. */
  double share(uint32_t l) const { return falign_decomposition_share(handle(), l); }
};

/** Disturbed terms, and the weights that they alone would build. */
struct disturbance : object<falign_disturbance, falign_disturbance_destroy> {
  using object::object;
  /** Makes a disturbance by name; "fresh_feedback" needs `fresh`, and "shuffled_rows" takes the seed and the run. */
  disturbance(const std::string &name, history &of, rule &made_by, rule *fresh = nullptr, uint64_t seed = 0,
              uint32_t run = 0)
      : object(by(), falign_disturbance_create, name.c_str(),
               &detail::lvalue(falign_disturbance_settings{fresh ? fresh->handle() : nullptr, seed, run}), of.handle(),
               made_by.handle()) {
    runs({of.thrown()});
    of.runs({made_by.thrown(), fresh ? fresh->thrown() : nullptr}); /* in its steps */
  }
  /** Returns the name, and sets the number of threads. */
  std::string name() const { return falign_disturbance_name(handle()); }
  void set_threads(uint32_t threads) { call(falign_disturbance_set_threads, threads); }
  /** Computes disturbed terms of single orders, (orders * n[l]) x n[l+1]. */
  array<double> get(const trace &at, uint32_t l, const orders &of) {
    const auto [rows, cols] = terms::shape(at, l);
    return fill(of.list.size() * rows, cols, falign_disturbance_get, at.handle(), l, &detail::lvalue(of.c()));
  }
  /** Advances the disturbed weights by a step, copies them, and returns their angle with the feedback. */
  void update(const trace &with) { call(falign_disturbance_update, with.handle()); }
  void get_weights(uint32_t l, writable w) const { call(falign_disturbance_get_weights, l, w.c()); }
  double angle(uint32_t l) { return ask<double>(falign_disturbance_angle, l); }
};

inline metric metric::disturbance(falign::disturbance &of) {
  metric out(by(), falign_metric_create_disturbance, of.handle());
  out.runs({of.thrown()});
  return out;
}

/** How alike the data points' outputs and error signals are. */
struct similarity : object<falign_similarity, falign_similarity_destroy> {
  using object::object;
  similarity(falign_precision precision, size_t l_width, size_t delta_width, uint32_t categories)
      : object(by(), falign_similarity_create, precision, l_width, delta_width, categories) {}
  /** Copies one side, and classifies its points by their errors. */
  void set_side(int32_t side, readable l, readable delta, const std::vector<uint32_t> &labels) {
    detail::want("labels", labels.size(), l.rows());
    call(falign_similarity_set_side, side, l.c(), delta.c(), labels.data());
  }
  void classify(int32_t side, const std::vector<double> &errors, double share) {
    call(falign_similarity_classify, side, errors.data(), errors.size(), share);
  }
  /** Sums up the pairs of a group. */
  falign_pair_sums sums(falign_pairs pairs) const { return ask<falign_pair_sums>(falign_similarity_sums, pairs); }
  /** Counts the pairs of each group in bins: 4 x (bins.count + 2). */
  array<uint64_t> histogram(int32_t quantity, const falign_bins &bins, uint32_t threads) const {
    array<uint64_t> out(4, bins.count + 2);
    call(falign_similarity_histogram, quantity, &bins, threads, out.data());
    return out;
  }
};

/** The path of all learnable parameters. */
struct trajectory : object<falign_trajectory, falign_trajectory_destroy> {
  using object::object;
  trajectory(falign_precision precision, size_t numbers) : object(by(), falign_trajectory_create, precision, numbers) {}
  /** Adds a point in one row, such as network.view(FALIGN_PARAMETERS, 0). */
  void add(readable point) { call(falign_trajectory_add, point.c()); }
  /** Views all points in the trajectory's own storage, one for each row; valid until the next one is added. */
  readable view() const & { return lend<const void>(falign_trajectory_view); }
  void view() const && = delete;
};

/** Principal components of a trajectory. Coordinates have a column for each, and a row for each point. */
struct components : object<falign_components, falign_components_destroy> {
  using object::object;
  components(const trajectory &of, size_t count) : object(by(), falign_components_create, of.handle(), count) {}
  /** Returns their number, and views FALIGN_COMPONENT_... in the components' own storage. */
  size_t count() const { return view(FALIGN_COMPONENT_DIRECTIONS).rows(); }
  matrix<const double> view(falign_component what) const & { return lend<const double>(falign_components_view, what); }
  void view(falign_component what) const && = delete;
  /** Returns the coordinates of points, of directions such as updates, and of the feedback weights of FA. */
  array<double> project(readable x) const { return fill(x.rows(), count(), falign_components_project, x.c()); }
  array<double> project_direction(readable directions) const {
    return fill(directions.rows(), count(), falign_components_project_direction, directions.c());
  }
  array<double> project_feedback(const network &in, const rule &of) const {
    return fill(1, count(), falign_components_project_feedback, in.handle(), of.handle());
  }
  /** Returns the points that have some coordinates. */
  array<double> point(readable coordinates) const {
    return fill(coordinates.rows(), view(FALIGN_COMPONENT_MEAN).cols(), falign_components_point, coordinates.c());
  }
  /** Returns the loss in the plane of components a and b, y.size() x x.size(). */
  array<double> loss_grid(size_t a, size_t b, const network &of, batches &on, const std::vector<double> &x,
                          const std::vector<double> &y, uint32_t threads, progress report = nullptr) const {
    const auto own = std::make_shared<detail::function_box<progress>>(std::move(report));
    own->inner.push_back(of.thrown());
    const falign_grid grid{a, b, x.data(), x.size(), y.data(), y.size(), threads, detail::report, own.get()};
    array<double> out(y.size(), x.size());
    const writable to(out);
    detail::run(own.get(), falign_components_loss_grid, handle(), of.handle(), on.handle(), &grid, to.c());
    return out;
  }
};

/** Angles of products of random matrices. */
struct product_angle : object<falign_product_angle, falign_product_angle_destroy> {
  using object::object;
  product_angle(size_t rows, size_t inner, size_t cols, uint64_t seed, uint32_t run)
      : object(by(), falign_product_angle_create, rows, inner, cols, seed, run) {}
  /** Returns the next draws, a column for each, with theta_1, theta_2, theta_3 and theta_3_nonlinear in their rows. */
  array<double> draw(size_t count) {
    array<double> out(4, count);
    double *const to = out.data();
    call(falign_product_angle_draw, count, to, to + count, to + 2 * count, to + 3 * count);
    return out;
  }
};

}  // namespace falign

#endif
