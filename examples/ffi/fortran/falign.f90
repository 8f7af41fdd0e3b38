! SPDX-License-Identifier: Apache-2.0

!> Calls libfalign: the nouns of training, in double precision. The headers say what functions do, of units, ownership
!! and errors; names are the same.
!!
!! - The library's matrices are row-major, Fortran's are column-major. An n x m matrix of the library is a Fortran array
!!   (m, n), and so a product A B is matmul(b, a). Its stride is the size of the first dimension.
!! - Fortran has no unsigned integers. Seeds and iterations are c_int64_t of the same bits.
!! - Text ends with c_null_char; see falign_text().
!! - Handles are c_ptr, given back with falign_X_destroy().
module falign
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: error_unit
  implicit none
  public

  integer(c_int32_t), parameter :: falign_ok = 0, falign_invalid = 1, falign_shape = 2, falign_memory = 3, &
    falign_io = 4, falign_format = 5, falign_diverged = 6, falign_unsupported = 7, falign_cancelled = 8, &
    falign_callback = 9
  integer(c_int32_t), parameter :: falign_f32 = 1, falign_f64 = 2
  integer(c_int32_t), parameter :: falign_tanh_relu = 1, falign_relu = 2, falign_tanh = 3, falign_logistic = 4, &
    falign_linear = 5
  integer(c_int32_t), parameter :: falign_train = 1, falign_test = 2
  integer(c_int32_t), parameter :: falign_feedback_none = 0, falign_feedback_layer = 1, falign_feedback_direct = 2
  integer(c_int32_t), parameter :: falign_l = 1, falign_z = 2, falign_delta = 3, falign_target = 4, falign_dw = 5, &
    falign_db = 6
  integer(c_int32_t), parameter :: falign_order_none = 0, falign_order_once = 1, falign_order_epoch = 2

  !> A rule of the caller's; see falign/rule.h. What is not set is not there.
  type, bind(c) :: falign_rule_table
    integer(c_size_t) :: size = 0 !< c_sizeof() of the table
    type(c_ptr) :: name = c_null_ptr
    integer(c_int32_t) :: feedback = falign_feedback_none
    integer(c_int32_t) :: concurrent = 0
    type(c_funptr) :: signal_f32 = c_null_funptr
    type(c_funptr) :: signal_f64 = c_null_funptr !< of falign_signal()
    type(c_funptr) :: adapt = c_null_funptr
    integer(c_int32_t) :: needs_activity = 0
    type(c_funptr) :: save = c_null_funptr
    type(c_funptr) :: load = c_null_funptr
    type(c_funptr) :: destroy = c_null_funptr
  end type

  !> Procedures of the caller's, which the library calls.
  abstract interface
    !> Writes the signal that reaches layer l, before f', to `out`: n[l] numbers for each row of the trace.
    function falign_signal_fn(user, rule, network, trace, l, out) bind(c) result(status)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: user, rule, network, trace, out
      integer(c_int32_t), value :: l
      integer(c_int32_t) :: status
    end function

    !> Receives a measured value; layer and order are -1 where they do not apply.
    function falign_value_fn(user, iteration, metric, layer, order, value) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_int64_t, c_double
      type(c_ptr), value :: user, metric
      integer(c_int64_t), value :: iteration, layer, order
      real(c_double), value :: value
      integer(c_int32_t) :: status
    end function
  end interface

  ! status.h, version.h
  interface
    function falign_last_error() bind(c) result(text)
      import :: c_ptr
      type(c_ptr) :: text
    end function

    subroutine falign_set_last_error(message) bind(c)
      import :: c_char
      character(kind=c_char), intent(in) :: message(*)
    end subroutine

    function falign_status_name(status) bind(c) result(text)
      import :: c_ptr, c_int32_t
      integer(c_int32_t), value :: status
      type(c_ptr) :: text
    end function

    function falign_version() bind(c) result(text)
      import :: c_ptr
      type(c_ptr) :: text
    end function
  end interface

  ! network.h
  interface
    function falign_network_create(precision, layers, widths, biases, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t
      integer(c_int32_t), value :: precision, layers, biases
      integer(c_size_t), intent(in) :: widths(*)
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    subroutine falign_network_destroy(network) bind(c)
      import :: c_ptr
      type(c_ptr), value :: network
    end subroutine

    function falign_network_layers(network) bind(c) result(layers)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: network
      integer(c_int32_t) :: layers
    end function

    function falign_network_width(network, l) bind(c) result(width)
      import :: c_ptr, c_int32_t, c_size_t
      type(c_ptr), value :: network
      integer(c_int32_t), value :: l
      integer(c_size_t) :: width
    end function

    function falign_network_set_activation(network, l, activation) bind(c) result(status)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: network
      integer(c_int32_t), value :: l, activation
      integer(c_int32_t) :: status
    end function

    function falign_network_draw(network, sd_w, sd_b, seed, run) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_int64_t, c_double
      type(c_ptr), value :: network
      real(c_double), value :: sd_w, sd_b
      integer(c_int64_t), value :: seed
      integer(c_int32_t), value :: run
      integer(c_int32_t) :: status
    end function

    function falign_network_set_weights_f64(network, l, w, rows, cols, stride) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double
      type(c_ptr), value :: network
      integer(c_int32_t), value :: l
      real(c_double), intent(in) :: w(*)
      integer(c_size_t), value :: rows, cols, stride
      integer(c_int32_t) :: status
    end function

    function falign_network_get_weights_f64(network, l, w, rows, cols, stride) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double
      type(c_ptr), value :: network
      integer(c_int32_t), value :: l
      real(c_double), intent(inout) :: w(*)
      integer(c_size_t), value :: rows, cols, stride
      integer(c_int32_t) :: status
    end function

    function falign_network_set_bias_f64(network, l, b, length) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double
      type(c_ptr), value :: network
      integer(c_int32_t), value :: l
      real(c_double), intent(in) :: b(*)
      integer(c_size_t), value :: length
      integer(c_int32_t) :: status
    end function

    function falign_network_get_bias_f64(network, l, b, length) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double
      type(c_ptr), value :: network
      integer(c_int32_t), value :: l
      real(c_double), intent(inout) :: b(*)
      integer(c_size_t), value :: length
      integer(c_int32_t) :: status
    end function

    function falign_network_export(network, tensors) bind(c) result(status)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: network, tensors
      integer(c_int32_t) :: status
    end function

    function falign_network_import(network, tensors) bind(c) result(status)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: network, tensors
      integer(c_int32_t) :: status
    end function
  end interface

  ! rule.h
  interface
    function falign_rule_create_named(name, network, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_char
      character(kind=c_char), intent(in) :: name(*)
      type(c_ptr), value :: network
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_rule_create_custom(table, user, network, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_rule_table
      type(falign_rule_table), intent(in) :: table
      type(c_ptr), value :: user, network
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    subroutine falign_rule_destroy(rule) bind(c)
      import :: c_ptr
      type(c_ptr), value :: rule
    end subroutine

    function falign_rule_draw(rule, sd, seed, run) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_int64_t, c_double
      type(c_ptr), value :: rule
      real(c_double), value :: sd
      integer(c_int64_t), value :: seed
      integer(c_int32_t), value :: run
      integer(c_int32_t) :: status
    end function

    function falign_rule_get_feedback_f64(rule, l, b, rows, cols, stride) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double
      type(c_ptr), value :: rule
      integer(c_int32_t), value :: l
      real(c_double), intent(inout) :: b(*)
      integer(c_size_t), value :: rows, cols, stride
      integer(c_int32_t) :: status
    end function

    function falign_rule_view_feedback_f64(rule, l) bind(c) result(b)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: rule
      integer(c_int32_t), value :: l
      type(c_ptr) :: b
    end function
  end interface

  ! norm.h
  interface
    function falign_norm_create_columns(gamma, count, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double
      real(c_double), intent(in) :: gamma(*)
      integer(c_size_t), value :: count
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_norm_apply(norm, network, rule) bind(c) result(status)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: norm, network, rule
      integer(c_int32_t) :: status
    end function

    subroutine falign_norm_destroy(norm) bind(c)
      import :: c_ptr
      type(c_ptr), value :: norm
    end subroutine
  end interface

  ! dataset.h, code.h, batches.h
  interface
    function falign_dataset_create_synthetic(points, width, categories, within, between, part, seed, out) &
        bind(c) result(status)
      import :: c_ptr, c_int32_t, c_int64_t, c_size_t, c_double
      integer(c_size_t), value :: points, width
      integer(c_int32_t), value :: categories, part
      real(c_double), value :: within, between
      integer(c_int64_t), value :: seed
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_dataset_create_f64(x, rows, cols, stride, labels, categories, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double
      real(c_double), intent(in) :: x(*)
      integer(c_size_t), value :: rows, cols, stride
      integer(c_int32_t), intent(in) :: labels(*)
      integer(c_int32_t), value :: categories
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_dataset_get_f64(dataset, first, count, x, cols, stride) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double
      type(c_ptr), value :: dataset
      integer(c_size_t), value :: first, count, cols, stride
      real(c_double), intent(inout) :: x(*)
      integer(c_int32_t) :: status
    end function

    subroutine falign_dataset_destroy(dataset) bind(c)
      import :: c_ptr
      type(c_ptr), value :: dataset
    end subroutine

    function falign_code_create_n_hot(categories, width, hot, seed, run, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_int64_t, c_size_t
      integer(c_int32_t), value :: categories, run
      integer(c_size_t), value :: width, hot
      integer(c_int64_t), value :: seed
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    subroutine falign_code_destroy(code) bind(c)
      import :: c_ptr
      type(c_ptr), value :: code
    end subroutine

    function falign_batches_create(dataset, code, size, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t
      type(c_ptr), value :: dataset, code
      integer(c_size_t), value :: size
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_batches_set_order(batches, order, seed, run) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_int64_t
      type(c_ptr), value :: batches
      integer(c_int32_t), value :: order, run
      integer(c_int64_t), value :: seed
      integer(c_int32_t) :: status
    end function

    subroutine falign_batches_destroy(batches) bind(c)
      import :: c_ptr
      type(c_ptr), value :: batches
    end subroutine
  end interface

  ! trainer.h
  interface
    function falign_trainer_create(network, rule, eta, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_double
      type(c_ptr), value :: network, rule
      real(c_double), value :: eta
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    subroutine falign_trainer_destroy(trainer) bind(c)
      import :: c_ptr
      type(c_ptr), value :: trainer
    end subroutine

    function falign_trainer_set_norm(trainer, norm) bind(c) result(status)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: trainer, norm
      integer(c_int32_t) :: status
    end function

    function falign_trainer_iteration(trainer) bind(c) result(iteration)
      import :: c_ptr, c_int64_t
      type(c_ptr), value :: trainer
      integer(c_int64_t) :: iteration
    end function

    function falign_trainer_step_f64(trainer, x, rows, x_cols, x_stride, y, y_cols, y_stride) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double
      type(c_ptr), value :: trainer
      real(c_double), intent(in) :: x(*), y(*)
      integer(c_size_t), value :: rows, x_cols, x_stride, y_cols, y_stride
      integer(c_int32_t) :: status
    end function

    function falign_trainer_forward_f64(trainer, x, rows, x_cols, x_stride, y, y_cols, y_stride) &
        bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double
      type(c_ptr), value :: trainer
      real(c_double), intent(in) :: x(*)
      real(c_double), intent(inout) :: y(*)
      integer(c_size_t), value :: rows, x_cols, x_stride, y_cols, y_stride
      integer(c_int32_t) :: status
    end function

    function falign_trainer_run(trainer, batches, until) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_int64_t
      type(c_ptr), value :: trainer, batches
      integer(c_int64_t), value :: until
      integer(c_int32_t) :: status
    end function

    function falign_trainer_evaluate(trainer, batches, loss, error) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_double
      type(c_ptr), value :: trainer, batches
      real(c_double), intent(inout) :: loss, error
      integer(c_int32_t) :: status
    end function

    function falign_trainer_observe(trainer, metric, every, sink, user) bind(c) result(status)
      import :: c_ptr, c_funptr, c_int32_t, c_int64_t
      type(c_ptr), value :: trainer, metric, user
      integer(c_int64_t), value :: every
      type(c_funptr), value :: sink !< of falign_sink()
      integer(c_int32_t) :: status
    end function

    function falign_trainer_measure(trainer) bind(c) result(status)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: trainer
      integer(c_int32_t) :: status
    end function

    function falign_trainer_trace(trainer) bind(c) result(trace)
      import :: c_ptr
      type(c_ptr), value :: trainer
      type(c_ptr) :: trace
    end function
  end interface

  ! trace.h, metric.h
  interface
    function falign_trace_rows(trace) bind(c) result(rows)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: trace
      integer(c_size_t) :: rows
    end function

    function falign_trace_loss(trace) bind(c) result(loss)
      import :: c_ptr, c_double
      type(c_ptr), value :: trace
      real(c_double) :: loss
    end function

    function falign_trace_view_f64(trace, quantity, l, data, rows, cols, stride) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t
      type(c_ptr), value :: trace
      integer(c_int32_t), value :: quantity, l
      type(c_ptr), intent(inout) :: data
      integer(c_size_t), intent(inout) :: rows, cols, stride
      integer(c_int32_t) :: status
    end function

    function falign_metric_create(name, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_char
      character(kind=c_char), intent(in) :: name(*)
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    subroutine falign_metric_destroy(metric) bind(c)
      import :: c_ptr
      type(c_ptr), value :: metric
    end subroutine
  end interface

  ! tensors.h
  interface
    function falign_tensors_create(out) bind(c) result(status)
      import :: c_ptr, c_int32_t
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    subroutine falign_tensors_destroy(tensors) bind(c)
      import :: c_ptr
      type(c_ptr), value :: tensors
    end subroutine

    !> dims: the slowest dimension first, so the shape of the Fortran array from its end.
    function falign_tensors_read_f64(tensors, name, dims, rank, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_char, c_double
      type(c_ptr), value :: tensors
      character(kind=c_char), intent(in) :: name(*)
      integer(c_size_t), intent(in) :: dims(*)
      integer(c_size_t), value :: rank
      real(c_double), intent(inout) :: out(*)
      integer(c_int32_t) :: status
    end function

    function falign_tensors_write(tensors, path) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_char
      type(c_ptr), value :: tensors
      character(kind=c_char), intent(in) :: path(*)
      integer(c_int32_t) :: status
    end function

    function falign_tensors_read(path, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_char
      character(kind=c_char), intent(in) :: path(*)
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function
  end interface

contains

  !> Text for the library.
  pure function falign_text(text) result(ended)
    character(*), intent(in) :: text
    character(kind=c_char, len=len(text) + 1) :: ended
    ended = text // c_null_char
  end function

  !> Text of the library; empty for a null pointer.
  function falign_string(text) result(string)
    type(c_ptr), intent(in) :: text
    character(:), allocatable :: string
    character(kind=c_char), pointer :: bytes(:)
    integer :: length, i
    string = ''
    if (.not. c_associated(text)) return
    call c_f_pointer(text, bytes, [huge(0)])
    length = 0
    do while (bytes(length + 1) /= c_null_char)
      length = length + 1
    end do
    string = repeat(' ', length)
    do i = 1, length
      string(i:i) = bytes(i)
    end do
  end function

  !> What went wrong in the last call that failed.
  function falign_message() result(message)
    character(:), allocatable :: message
    message = falign_string(falign_last_error())
  end function

  !> Ends the program with the library's message where a call has failed.
  subroutine falign_check(status)
    integer(c_int32_t), intent(in) :: status
    if (status == falign_ok) return
    write (error_unit, '(3a)') falign_string(falign_status_name(status)), ': ', falign_message()
    error stop 1
  end subroutine

  !> c_funloc() that has the compiler compare interfaces.
  function falign_signal(signal) result(pointer)
    procedure(falign_signal_fn) :: signal
    type(c_funptr) :: pointer
    pointer = c_funloc(signal)
  end function

  !> As falign_signal(), for what receives values.
  function falign_sink(sink) result(pointer)
    procedure(falign_value_fn) :: sink
    type(c_funptr) :: pointer
    pointer = c_funloc(sink)
  end function

  !> W[l] from w(n[l+1], n[l]).
  function falign_set_weights(network, l, w) result(status)
    type(c_ptr), intent(in) :: network
    integer, intent(in) :: l
    real(c_double), intent(in) :: w(:, :)
    integer(c_int32_t) :: status
    integer(c_size_t) :: rows, cols
    rows = size(w, 2, c_size_t)
    cols = size(w, 1, c_size_t)
    status = falign_network_set_weights_f64(network, int(l, c_int32_t), w, rows, cols, cols)
  end function

  !> W[l] as an array (n[l+1], n[l]).
  function falign_weights(network, l) result(w)
    type(c_ptr), intent(in) :: network
    integer, intent(in) :: l
    real(c_double), allocatable :: w(:, :)
    integer(c_size_t) :: rows, cols
    rows = falign_network_width(network, int(l, c_int32_t))
    cols = falign_network_width(network, int(l + 1, c_int32_t))
    allocate (w(cols, rows))
    call falign_check(falign_network_get_weights_f64(network, int(l, c_int32_t), w, rows, cols, cols))
  end function

  !> Points `matrix`, (columns, rows), to a quantity of a trace, which stays the library's.
  function falign_view(trace, quantity, l, matrix) result(status)
    type(c_ptr), intent(in) :: trace
    integer(c_int32_t), intent(in) :: quantity
    integer(c_int32_t), intent(in) :: l
    real(c_double), pointer, intent(out) :: matrix(:, :)
    integer(c_int32_t) :: status
    type(c_ptr) :: data
    real(c_double), pointer :: all(:, :)
    integer(c_size_t) :: rows, cols, stride
    nullify (matrix)
    status = falign_trace_view_f64(trace, quantity, l, data, rows, cols, stride)
    if (status /= falign_ok) return
    call c_f_pointer(data, all, [stride, rows])
    matrix => all(:cols, :)
  end function

end module
