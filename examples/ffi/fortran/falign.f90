! SPDX-License-Identifier: Apache-2.0

!> Interfaces of libfalign: the nouns of training, in double precision. The C headers document the functions; names are
!! the same.
!!
!! - An n x m matrix is an array (n, m). falign_view() and falign_matrix() describe an array where it is, with its own
!!   steps; nothing is copied or transposed. It must be a `target`, and stay where it is as long as the description is
!!   used; sections are fine. A rank-1 array is a matrix of one row.
!! - Fortran has no unsigned integers. Seeds and iterations are c_int64_t with the same bits.
!! - Text ends with c_null_char; see falign_text().
!! - Objects are c_ptr, released with falign_X_destroy().
module falign
  use, intrinsic :: iso_c_binding
  use, intrinsic :: iso_fortran_env, only: error_unit
  implicit none
  public
  private :: view_f64, view_f32, view_row_f64, view_row_f32, matrix_f64, matrix_f32, matrix_row_f64, matrix_row_f32, &
    matrix_of, moved, step_between

  integer(c_int32_t), parameter :: falign_ok = 0, falign_invalid = 1, falign_shape = 2, falign_memory = 3, &
    falign_io = 4, falign_format = 5, falign_diverged = 6, falign_unsupported = 7, falign_cancelled = 8, &
    falign_callback = 9
  integer(c_int32_t), parameter :: falign_f32 = 1, falign_f64 = 2
  integer(c_int32_t), parameter :: falign_train = 1, falign_test = 2
  integer(c_int32_t), parameter :: falign_feedback_none = 0, falign_feedback_layer = 1, falign_feedback_direct = 2
  integer(c_int32_t), parameter :: falign_w = 1, falign_bias = 2, falign_parameters = 3, falign_feedback = 4, &
    falign_l = 5, falign_z = 6, falign_delta = 7, falign_target = 8, falign_dw = 9, falign_db = 10, &
    falign_dw_applied = 11, falign_delta_bp = 12, falign_dw_bp = 13, falign_db_bp = 14
  integer(c_int32_t), parameter :: falign_needs_step = 1, falign_needs_activity = 2, falign_needs_bp = 4
  integer(c_int32_t), parameter :: falign_order_none = 0, falign_order_once = 1, falign_order_epoch = 2

  !> A matrix to read; see falign/matrix.h. falign_view(array) describes an array.
  type, bind(c) :: falign_view
    type(c_ptr) :: data = c_null_ptr
    integer(c_size_t) :: rows = 0, cols = 0
    integer(c_intptr_t) :: row_step = 0, col_step = 0 !< in elements
    integer(c_int32_t) :: precision = 0
  end type

  !> A matrix to write. falign_matrix(array) describes an array.
  type, bind(c) :: falign_matrix
    type(c_ptr) :: data = c_null_ptr
    integer(c_size_t) :: rows = 0, cols = 0
    integer(c_intptr_t) :: row_step = 0, col_step = 0 !< in elements
    integer(c_int32_t) :: precision = 0
  end type

  !> One measured value. Iteration, layer and order are -1 where they do not apply.
  type, bind(c) :: falign_value
    integer(c_int64_t) :: iteration = -1
    type(c_ptr) :: name = c_null_ptr
    integer(c_int64_t) :: layer = -1, order = -1
    real(c_double) :: value = 0
  end type

  !> The numbers of a step; see falign/trace.h and falign_step_of().
  type, bind(c) :: falign_step
    integer(c_int64_t) :: iteration
    integer(c_size_t) :: rows, first_row
    real(c_double) :: eta, loss
    integer(c_int32_t) :: precision
    type(c_ptr) :: backend
  end type

  !> What synthetic data is like; see falign/dataset.h.
  type, bind(c) :: falign_synthetic
    integer(c_size_t) :: points, width
    integer(c_int32_t) :: categories
    real(c_double) :: within, between
  end type

  !> A user's rule; see falign/rule.h. Entries that are not set are absent.
  type, bind(c) :: falign_rule_table
    integer(c_size_t) :: size = 0 !< c_sizeof() of the table
    type(c_ptr) :: name = c_null_ptr
    integer(c_int32_t) :: feedback = falign_feedback_none
    integer(c_int32_t) :: concurrent = 0
    type(c_funptr) :: signal = c_null_funptr !< of falign_signal()
    type(c_funptr) :: adapt = c_null_funptr
    integer(c_int32_t) :: needs_activity = 0
    type(c_funptr) :: save = c_null_funptr
    type(c_funptr) :: load = c_null_funptr
    type(c_funptr) :: destroy = c_null_funptr
  end type

  !> A user's metric; see falign/metric.h.
  type, bind(c) :: falign_metric_table
    integer(c_size_t) :: size = 0 !< c_sizeof() of the table
    type(c_ptr) :: name = c_null_ptr
    integer(c_int32_t) :: needs = 0
    type(c_funptr) :: measure = c_null_funptr !< of falign_measure()
    type(c_funptr) :: destroy = c_null_funptr
    type(c_funptr) :: look = c_null_funptr !< of falign_look()
  end type

  !> A user's activation; see falign/activation.h.
  type, bind(c) :: falign_activation_table
    integer(c_size_t) :: size = 0 !< c_sizeof() of the table
    type(c_ptr) :: name = c_null_ptr
    type(c_funptr) :: f = c_null_funptr !< of falign_map()
    type(c_funptr) :: df = c_null_funptr !< of falign_map()
    type(c_funptr) :: destroy = c_null_funptr
  end type

  !> Describes an array of either precision without a copy.
  interface falign_view
    module procedure view_f64, view_f32, view_row_f64, view_row_f32
  end interface
  interface falign_matrix
    module procedure matrix_f64, matrix_f32, matrix_row_f64, matrix_row_f32
  end interface

  !> A user's procedures, which the library calls.
  abstract interface
    !> Writes the signal that reaches layer l, before f', to `out`, rows of the trace x n[l]; see falign_put().
    function falign_signal_fn(user, rule, network, trace, l, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_matrix
      type(c_ptr), value :: user, rule, network, trace
      integer(c_int32_t), value :: l
      type(falign_matrix), intent(in) :: out
      integer(c_int32_t) :: status
    end function

    !> Receives a measured value.
    function falign_value_fn(user, value) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_value
      type(c_ptr), value :: user
      type(falign_value), intent(in) :: value
      integer(c_int32_t) :: status
    end function

    !> Measures a step and passes each value to `emit`; see falign_emit().
    function falign_measure_fn(user, trainer, trace, emit, emit_user) bind(c) result(status)
      import :: c_ptr, c_funptr, c_int32_t
      type(c_ptr), value :: user, trainer, trace, emit_user
      type(c_funptr), value :: emit
      integer(c_int32_t) :: status
    end function

    !> Sees every step, whether due or not.
    function falign_look_fn(user, trainer, trace) bind(c) result(status)
      import :: c_ptr, c_int32_t
      type(c_ptr), value :: user, trainer, trace
      integer(c_int32_t) :: status
    end function

    !> Writes f(z) or f'(z) of each z to `out`.
    subroutine falign_map_fn(user, z, out, count) bind(c)
      import :: c_ptr, c_size_t, c_double
      type(c_ptr), value :: user
      integer(c_size_t), value :: count
      real(c_double), intent(in) :: z(count)
      real(c_double), intent(out) :: out(count)
    end subroutine
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

  ! activation.h
  interface
    function falign_activation_create(name, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_char
      character(kind=c_char), intent(in) :: name(*)
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_activation_create_custom(table, user, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_activation_table
      type(falign_activation_table), intent(in) :: table
      type(c_ptr), value :: user
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    subroutine falign_activation_destroy(activation) bind(c)
      import :: c_ptr
      type(c_ptr), value :: activation
    end subroutine
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
      type(c_ptr), value :: network, activation
      integer(c_int32_t), value :: l
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

    function falign_network_set(network, what, l, values) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_view
      type(c_ptr), value :: network
      integer(c_int32_t), value :: what, l
      type(falign_view), intent(in) :: values
      integer(c_int32_t) :: status
    end function

    function falign_network_get(network, what, l, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_matrix
      type(c_ptr), value :: network
      integer(c_int32_t), value :: what, l
      type(falign_matrix), intent(in) :: out
      integer(c_int32_t) :: status
    end function

    function falign_network_view(network, what, l, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_view
      type(c_ptr), value :: network
      integer(c_int32_t), value :: what, l
      type(falign_view), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_network_edit(network, what, l, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_matrix
      type(c_ptr), value :: network
      integer(c_int32_t), value :: what, l
      type(falign_matrix), intent(out) :: out
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
    function falign_rule_create(name, network, out) bind(c) result(status)
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

    function falign_rule_set(rule, what, l, values) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_view
      type(c_ptr), value :: rule
      integer(c_int32_t), value :: what, l
      type(falign_view), intent(in) :: values
      integer(c_int32_t) :: status
    end function

    function falign_rule_get(rule, what, l, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_matrix
      type(c_ptr), value :: rule
      integer(c_int32_t), value :: what, l
      type(falign_matrix), intent(in) :: out
      integer(c_int32_t) :: status
    end function

    function falign_rule_view(rule, what, l, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_view
      type(c_ptr), value :: rule
      integer(c_int32_t), value :: what, l
      type(falign_view), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_rule_edit(rule, what, l, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_matrix
      type(c_ptr), value :: rule
      integer(c_int32_t), value :: what, l
      type(falign_matrix), intent(out) :: out
      integer(c_int32_t) :: status
    end function
  end interface

  ! norm.h
  interface
    function falign_norm_create(name, gamma, count, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, c_double, c_char
      character(kind=c_char), intent(in) :: name(*)
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
    function falign_dataset_create_synthetic(synthetic, part, seed, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_int64_t, falign_synthetic
      type(falign_synthetic), intent(in) :: synthetic
      integer(c_int32_t), value :: part
      integer(c_int64_t), value :: seed
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_dataset_create(x, labels, categories, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_view
      type(falign_view), intent(in) :: x
      integer(c_int32_t), intent(in) :: labels(*)
      integer(c_int32_t), value :: categories
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_dataset_get(dataset, first, x) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_size_t, falign_matrix
      type(c_ptr), value :: dataset
      integer(c_size_t), value :: first
      type(falign_matrix), intent(in) :: x
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

    function falign_trainer_step(trainer, x, y) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_view
      type(c_ptr), value :: trainer
      type(falign_view), intent(in) :: x, y
      integer(c_int32_t) :: status
    end function

    function falign_trainer_forward(trainer, x, y) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_view, falign_matrix
      type(c_ptr), value :: trainer
      type(falign_view), intent(in) :: x
      type(falign_matrix), intent(in) :: y
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
    !> See falign_step_of().
    function falign_trace_step(trace) bind(c) result(step)
      import :: c_ptr
      type(c_ptr), value :: trace
      type(c_ptr) :: step
    end function

    function falign_trace_view(trace, what, l, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_view
      type(c_ptr), value :: trace
      integer(c_int32_t), value :: what, l
      type(falign_view), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_metric_create(name, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_char
      character(kind=c_char), intent(in) :: name(*)
      type(c_ptr), intent(out) :: out
      integer(c_int32_t) :: status
    end function

    function falign_metric_create_custom(table, user, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, falign_metric_table
      type(falign_metric_table), intent(in) :: table
      type(c_ptr), value :: user
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

    function falign_tensors_get(tensors, name, out) bind(c) result(status)
      import :: c_ptr, c_int32_t, c_char, falign_matrix
      type(c_ptr), value :: tensors
      character(kind=c_char), intent(in) :: name(*)
      type(falign_matrix), intent(in) :: out
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

  !> Returns text for the library.
  pure function falign_text(text) result(ended)
    character(*), intent(in) :: text
    character(kind=c_char, len=len(text) + 1) :: ended
    ended = text // c_null_char
  end function

  !> Returns text of the library; empty for a null pointer.
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

  !> Returns what went wrong in the last call that failed.
  function falign_message() result(message)
    character(:), allocatable :: message
    message = falign_string(falign_last_error())
  end function

  !> Ends the program with the library's message if a call failed.
  subroutine falign_check(status)
    integer(c_int32_t), intent(in) :: status
    if (status == falign_ok) return
    write (error_unit, '(3a)') falign_string(falign_status_name(status)), ': ', falign_message()
    error stop 1
  end subroutine

  !> As c_funloc(), but the compiler checks the interface.
  function falign_signal(signal) result(pointer)
    procedure(falign_signal_fn) :: signal
    type(c_funptr) :: pointer
    pointer = c_funloc(signal)
  end function

  !> As falign_signal(), for a procedure that receives values.
  function falign_sink(sink) result(pointer)
    procedure(falign_value_fn) :: sink
    type(c_funptr) :: pointer
    pointer = c_funloc(sink)
  end function

  !> As falign_signal(), for a procedure that measures.
  function falign_measure(measure) result(pointer)
    procedure(falign_measure_fn) :: measure
    type(c_funptr) :: pointer
    pointer = c_funloc(measure)
  end function

  !> As falign_signal(), for a procedure that sees every step.
  function falign_look(look) result(pointer)
    procedure(falign_look_fn) :: look
    type(c_funptr) :: pointer
    pointer = c_funloc(look)
  end function

  !> As falign_signal(), for an activation or its derivative.
  function falign_map(map) result(pointer)
    procedure(falign_map_fn) :: map
    type(c_funptr) :: pointer
    pointer = c_funloc(map)
  end function

  !> Passes a value to the `emit` of a metric.
  function falign_emit(emit, emit_user, value) result(status)
    type(c_funptr), intent(in) :: emit
    type(c_ptr), intent(in) :: emit_user
    type(falign_value), intent(in) :: value
    integer(c_int32_t) :: status
    procedure(falign_value_fn), pointer :: send
    call c_f_procpointer(emit, send)
    status = send(emit_user, value)
  end function

  !> Returns the numbers of a step.
  function falign_step_of(trace) result(step)
    type(c_ptr), intent(in) :: trace
    type(falign_step) :: step
    type(falign_step), pointer :: at
    call c_f_pointer(falign_trace_step(trace), at)
    step = at
  end function

  !> Returns a copy of W[l], (n[l], n[l+1]).
  function falign_weights(network, l) result(w)
    type(c_ptr), intent(in) :: network
    integer, intent(in) :: l
    real(c_double), allocatable :: w(:, :)
    type(falign_view) :: view
    call falign_check(falign_network_view(network, falign_w, int(l, c_int32_t), view))
    w = falign_values(view)
  end function

  !> Returns a copy of a matrix of the library, (rows, cols).
  function falign_values(view) result(values)
    type(falign_view), intent(in) :: view
    real(c_double) :: values(view%rows, view%cols)
    real(c_double), pointer :: double
    real(c_float), pointer :: float
    type(c_ptr) :: at
    integer(c_intptr_t) :: i, j
    do j = 1, size(values, 2, c_intptr_t)
      do i = 1, size(values, 1, c_intptr_t)
        at = moved(view, (i - 1) * view%row_step + (j - 1) * view%col_step)
        if (view%precision == falign_f32) then
          call c_f_pointer(at, float)
          values(i, j) = float
        else
          call c_f_pointer(at, double)
          values(i, j) = double
        end if
      end do
    end do
  end function

  !> Writes an array (rows, cols) to a matrix of the library, such as the `out` of a rule.
  subroutine falign_put(array, matrix)
    real(c_double), intent(in) :: array(:, :)
    type(falign_matrix), intent(in) :: matrix
    type(falign_view) :: view
    real(c_double), pointer :: double
    real(c_float), pointer :: float
    type(c_ptr) :: at
    integer(c_intptr_t) :: i, j
    if (size(array, 1, c_size_t) /= matrix%rows .or. size(array, 2, c_size_t) /= matrix%cols) &
      error stop 'falign_put: the array and the matrix have different shapes'
    view = falign_view(matrix%data, matrix%rows, matrix%cols, matrix%row_step, matrix%col_step, matrix%precision)
    do j = 1, size(array, 2, c_intptr_t)
      do i = 1, size(array, 1, c_intptr_t)
        at = moved(view, (i - 1) * view%row_step + (j - 1) * view%col_step)
        if (view%precision == falign_f32) then
          call c_f_pointer(at, float)
          float = real(array(i, j), c_float)
        else
          call c_f_pointer(at, double)
          double = array(i, j)
        end if
      end do
    end do
  end subroutine

  !> Points `array` to a matrix of the library without a copy. The library's own matrices are row-major, so the array is
  !! transposed, (cols, rows). Another order or precision leaves it not associated.
  subroutine falign_point_transposed(view, array)
    type(falign_view), intent(in) :: view
    real(c_double), pointer, intent(out) :: array(:, :)
    real(c_double), pointer :: all(:, :)
    nullify (array)
    if (view%precision /= falign_f64 .or. view%col_step /= 1 .or. view%row_step < int(view%cols, c_intptr_t)) return
    call c_f_pointer(view%data, all, [view%row_step, int(view%rows, c_intptr_t)])
    array => all(:view%cols, :)
  end subroutine

  !> The address of an element.
  pure function moved(view, place) result(address)
    type(falign_view), intent(in) :: view
    integer(c_intptr_t), intent(in) :: place
    type(c_ptr) :: address
    integer(c_intptr_t) :: bytes
    bytes = merge(c_sizeof(1.0_c_float), c_sizeof(1.0_c_double), view%precision == falign_f32)
    address = transfer(transfer(view%data, place) + place * bytes, address)
  end function

  !> The elements between two addresses.
  function step_between(from, to, bytes) result(step)
    type(c_ptr), intent(in) :: from, to
    integer(c_size_t), intent(in) :: bytes
    integer(c_intptr_t) :: step
    step = transfer(to, step) - transfer(from, step)
    if (modulo(step, int(bytes, c_intptr_t)) /= 0) error stop 'falign: the steps of an array are not whole elements'
    step = step / int(bytes, c_intptr_t)
  end function

  function view_f64(array) result(view)
    real(c_double), intent(in), target :: array(:, :)
    type(falign_view) :: view
    view = falign_view(c_null_ptr, size(array, 1, c_size_t), size(array, 2, c_size_t), 1, size(array, 1, c_intptr_t), &
      falign_f64)
    if (size(array) == 0) return
    view%data = c_loc(array(1, 1))
    if (view%rows > 1) view%row_step = step_between(view%data, c_loc(array(2, 1)), c_sizeof(array(1, 1)))
    if (view%cols > 1) view%col_step = step_between(view%data, c_loc(array(1, 2)), c_sizeof(array(1, 1)))
  end function

  function view_row_f64(array) result(view)
    real(c_double), intent(in), target :: array(:)
    type(falign_view) :: view
    real(c_double), pointer :: row(:, :)
    row(1:1, 1:size(array)) => array
    view = view_f64(row)
  end function

  function view_f32(array) result(view)
    real(c_float), intent(in), target :: array(:, :)
    type(falign_view) :: view
    view = falign_view(c_null_ptr, size(array, 1, c_size_t), size(array, 2, c_size_t), 1, size(array, 1, c_intptr_t), &
      falign_f32)
    if (size(array) == 0) return
    view%data = c_loc(array(1, 1))
    if (view%rows > 1) view%row_step = step_between(view%data, c_loc(array(2, 1)), c_sizeof(array(1, 1)))
    if (view%cols > 1) view%col_step = step_between(view%data, c_loc(array(1, 2)), c_sizeof(array(1, 1)))
  end function

  function view_row_f32(array) result(view)
    real(c_float), intent(in), target :: array(:)
    type(falign_view) :: view
    real(c_float), pointer :: row(:, :)
    row(1:1, 1:size(array)) => array
    view = view_f32(row)
  end function

  pure function matrix_of(view) result(matrix)
    type(falign_view), intent(in) :: view
    type(falign_matrix) :: matrix
    matrix = falign_matrix(view%data, view%rows, view%cols, view%row_step, view%col_step, view%precision)
  end function

  function matrix_f64(array) result(matrix)
    real(c_double), intent(inout), target :: array(:, :)
    type(falign_matrix) :: matrix
    matrix = matrix_of(view_f64(array))
  end function

  function matrix_row_f64(array) result(matrix)
    real(c_double), intent(inout), target :: array(:)
    type(falign_matrix) :: matrix
    matrix = matrix_of(view_row_f64(array))
  end function

  function matrix_f32(array) result(matrix)
    real(c_float), intent(inout), target :: array(:, :)
    type(falign_matrix) :: matrix
    matrix = matrix_of(view_f32(array))
  end function

  function matrix_row_f32(array) result(matrix)
    real(c_float), intent(inout), target :: array(:)
    type(falign_matrix) :: matrix
    matrix = matrix_of(view_row_f32(array))
  end function

end module
