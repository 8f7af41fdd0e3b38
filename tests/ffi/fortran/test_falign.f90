! SPDX-License-Identifier: Apache-2.0

!> What the library calls back: a metric that looks at every step, and an activation.
module callbacks
  use falign
  implicit none

  !> The loss of the last step, and what came of its changes.
  type :: loss_state
    integer :: looks = 0
    real(c_double) :: last = 0
    integer :: count = 0
    real(c_double) :: change(10) = 0
    integer(c_int64_t) :: iteration(10) = -1
  end type
  character(kind=c_char, len=12), target :: loss_change = 'loss_change' // c_null_char

contains

  !> Emits the change of the loss since the step before.
  function measure(user, trainer, trace, emit, emit_user) bind(c) result(status)
    type(c_ptr), value :: user, trainer, trace, emit_user
    type(c_funptr), value :: emit
    integer(c_int32_t) :: status
    type(loss_state), pointer :: state
    type(falign_step) :: step
    call c_f_pointer(user, state)
    step = falign_step_of(trace)
    status = falign_emit(emit, emit_user, falign_value(iteration=falign_trainer_iteration(trainer), &
      name=c_loc(loss_change), value=step%loss - state%last))
  end function

  function look(user, trainer, trace) bind(c) result(status)
    type(c_ptr), value :: user, trainer, trace
    integer(c_int32_t) :: status
    type(loss_state), pointer :: state
    type(falign_step) :: step
    call c_f_pointer(user, state)
    step = falign_step_of(trace)
    status = merge(falign_ok, falign_invalid, step%iteration == falign_trainer_iteration(trainer))
    state%looks = state%looks + 1
    state%last = step%loss
  end function

  function note(user, value) bind(c) result(status)
    type(c_ptr), value :: user
    type(falign_value), intent(in) :: value
    integer(c_int32_t) :: status
    type(loss_state), pointer :: state
    call c_f_pointer(user, state)
    status = merge(falign_ok, falign_invalid, falign_string(value%name) == 'loss_change' .and. value%layer == -1)
    state%count = state%count + 1
    state%change(state%count) = value%value
    state%iteration(state%count) = value%iteration
  end function

  !> f(z) = gain tanh(z), of the gain that `user` points to.
  subroutine scaled_tanh(user, z, out, count) bind(c)
    type(c_ptr), value :: user
    integer(c_size_t), value :: count
    real(c_double), intent(in) :: z(count)
    real(c_double), intent(out) :: out(count)
    real(c_double), pointer :: gain
    call c_f_pointer(user, gain)
    out = gain * tanh(z)
  end subroutine

  subroutine scaled_tanh_slope(user, z, out, count) bind(c)
    type(c_ptr), value :: user
    integer(c_size_t), value :: count
    real(c_double), intent(in) :: z(count)
    real(c_double), intent(out) :: out(count)
    real(c_double), pointer :: gain
    call c_f_pointer(user, gain)
    out = gain * (1 - tanh(z)**2)
  end subroutine

end module

!> What train.f90 does not use of the module. Usage: test_falign FILE; FILE is written.
program test_falign
  use callbacks
  implicit none
  integer, parameter :: n0 = 12, n1 = 8, n2 = 10, points = 30
  real(c_double), parameter :: eta = 0.02_c_double, few_roundings = 1e-13_c_double
  real(c_double), target :: x(points, n0), targets(points, n2)

  call random_number(x)
  call random_number(targets)
  call test_text()
  call test_views()
  call test_data()
  call test_step()
  call test_metric_and_activation()
  call test_norm()
  call test_order()
  call test_tensors()
  print '(a)', 'all tests passed'

contains

  subroutine assert(holds, claim)
    logical, intent(in) :: holds
    character(*), intent(in) :: claim
    if (holds) return
    write (error_unit, '(2a)') 'test_falign: this is wrong: ', claim
    error stop 1
  end subroutine

  pure function differ(a, b) result(difference)
    real(c_double), intent(in) :: a(:, :), b(:, :)
    real(c_double) :: difference
    difference = maxval(abs(a - b))
  end function

  function drawn_network() result(network)
    type(c_ptr) :: network
    call falign_check(falign_network_create(falign_f64, 2, int([n0, n1, n2], c_size_t), 1, network))
    call falign_check(falign_network_draw(network, 0.3_c_double, 0.3_c_double, 1_c_int64_t, 0))
  end function

  function drawn_rule(network) result(rule)
    type(c_ptr), intent(in) :: network
    type(c_ptr) :: rule
    call falign_check(falign_rule_create(falign_text('fa'), network, rule))
    call falign_check(falign_rule_draw(rule, 0.3_c_double, 1_c_int64_t, 0))
  end function

  function trainer_of(network, rule) result(trainer)
    type(c_ptr), intent(in) :: network, rule
    type(c_ptr) :: trainer
    call falign_check(falign_trainer_create(network, rule, eta, trainer))
  end function

  subroutine step(trainer)
    type(c_ptr), intent(in) :: trainer
    call falign_check(falign_trainer_step(trainer, falign_view(x), falign_view(targets)))
  end subroutine

  !> Z[l] for rows L[l-1], in plain Fortran.
  function state_of(network, l, below) result(z)
    type(c_ptr), intent(in) :: network
    integer, intent(in) :: l
    real(c_double), intent(in) :: below(:, :)
    real(c_double), target :: b(merge(n1, n2, l == 1))
    real(c_double) :: z(size(below, 1), merge(n1, n2, l == 1))
    call falign_check(falign_network_get(network, falign_bias, l, falign_matrix(b)))
    z = matmul(below, falign_weights(network, l - 1)) + spread(b, 1, size(below, 1))
  end function

  subroutine test_text()
    character(:), allocatable :: version
    version = falign_string(falign_version())
    call assert(index(version, '.') > 1 .and. verify(version, '0123456789.') == 0, 'the library has a version')
    call assert(falign_string(falign_status_name(falign_callback)) == 'FALIGN_CALLBACK', 'the last status is CALLBACK')
    call assert(falign_string(c_null_ptr) == '', 'NULL is an empty text')
  end subroutine

  !> Arrays go in and out with their own steps: whole ones, sections, backwards, of either precision, and vectors.
  subroutine test_views()
    type(c_ptr) :: network
    type(falign_view) :: view
    type(falign_matrix) :: storage
    real(c_double), target :: wide(2 * n0, n1 + 3), w(n0, n1), back(n0, n1), row(n1)
    real(c_float), target :: single(n0, n1)
    real(c_double), pointer :: transposed(:, :)
    network = drawn_network()
    call random_number(wide)
    w = wide(2::2, 2:n1 + 1)
    view = falign_view(wide(2::2, 2:n1 + 1))
    call assert(transfer(view%data, 0_c_intptr_t) == transfer(c_loc(wide(2, 2)), 0_c_intptr_t), &
      'a section is described where it is, without a copy')
    call falign_check(falign_network_set(network, falign_w, 0, falign_view(wide(2::2, 2:n1 + 1))))
    call assert(.not. differ(falign_weights(network, 0), w) > 0, 'a section goes in as it is')
    call falign_check(falign_network_get(network, falign_w, 0, falign_matrix(back(n0:1:-1, n1:1:-1))))
    call assert(.not. differ(back(n0:1:-1, n1:1:-1), w) > 0, 'a reversed section comes out reversed')
    wide = 0
    call falign_check(falign_network_get(network, falign_w, 0, falign_matrix(wide(2::2, 2:n1 + 1))))
    call assert(.not. differ(wide(2::2, 2:n1 + 1), w) > 0 .and. .not. abs(sum(wide) - sum(w)) > 1e-9_c_double, &
      'a section is written and nothing beside it')

    single = real(w, c_float)
    call falign_check(falign_network_set(network, falign_w, 0, falign_view(single)))
    call assert(.not. differ(falign_weights(network, 0), real(single, c_double)) > 0, 'single precision is converted')
    single = 0
    call falign_check(falign_network_get(network, falign_w, 0, falign_matrix(single)))
    call assert(.not. maxval(abs(falign_weights(network, 0) - single)) > 0, 'single precision comes back')
    view = falign_view(single)
    call assert(.not. differ(falign_values(view), real(single, c_double)) > 0, 'values of single precision are copied')
    view = falign_view(w(n0:1:-1, ::2))
    call assert(.not. differ(falign_values(view), w(n0:1:-1, ::2)) > 0, 'values of negative steps are copied')
    call falign_put(w, falign_matrix(single(n0:1:-1, :)))
    call assert(.not. maxval(abs(single(n0:1:-1, :) - real(w, c_float))) > 0, 'values are put with negative steps')

    call falign_check(falign_network_view(network, falign_w, 0, view))
    call falign_point_transposed(view, transposed)
    call assert(all(shape(transposed) == [n1, n0]), 'W[0] in place is an array (8, 12)')
    call assert(.not. differ(transpose(transposed), falign_weights(network, 0)) > 0, 'W[0] in place is transposed')
    call falign_check(falign_network_edit(network, falign_w, 0, storage))
    call falign_put(2 * w, storage)
    call assert(.not. differ(transpose(transposed), 2 * w) > 0, 'W[0] changes in place')
    call falign_point_transposed(falign_view(w), transposed)
    call assert(.not. associated(transposed), 'a column-major array is not transposed')

    row = wide(2, 2:n1 + 1)
    call falign_check(falign_network_set(network, falign_bias, 1, falign_view(row)))
    back(1, :) = 0
    call falign_check(falign_network_get(network, falign_bias, 1, falign_matrix(back(1, :))))
    call assert(.not. maxval(abs(back(1, :) - row)) > 0, 'a row of an array is a vector')
    call assert(falign_network_set(network, falign_bias, 1, falign_view(w(:, 1))) == falign_shape, 'b[1] has 8 numbers')
    call falign_network_destroy(network)
  end subroutine

  subroutine test_data()
    type(c_ptr) :: data
    real(c_double), target :: some(3, n0)
    integer(c_int32_t) :: labels(points)
    labels = 0
    call falign_check(falign_dataset_create(falign_view(x), labels, 1, data))
    call falign_check(falign_dataset_get(data, 4_c_size_t, falign_matrix(some)))
    call assert(.not. differ(some, x(5:7, :)) > 0, 'point 4 of the library is row 5')
    call falign_dataset_destroy(data)
  end subroutine

  !> One step of FA against Fortran's own: activities, loss, delta, updates.
  subroutine test_step()
    type(c_ptr) :: network, rule, trainer, trace
    type(falign_view) :: view
    type(falign_step) :: numbers
    real(c_double), target :: y(points, n2), b1(n2, n1), bias(n1), changed(n1), doubled(n1, n2)
    real(c_double) :: l1(points, n1), y_here(points, n2), delta2(points, n2), delta1(points, n1), w0(n0, n1), w1(n1, n2)
    real(c_double) :: dw0(n0, n1)
    network = drawn_network()
    rule = drawn_rule(network)
    trainer = trainer_of(network, rule)
    call activate(network, 1, 'tanh')
    call activate(network, 2, 'logistic')
    doubled = 2 * falign_weights(network, 1)
    call falign_check(falign_network_set(network, falign_w, 1, falign_view(doubled)))
    bias = [0.1_c_double, -0.2_c_double, 0.3_c_double, -0.4_c_double, 0.5_c_double, -0.6_c_double, 0.7_c_double, &
      -0.8_c_double]
    call falign_check(falign_network_set(network, falign_bias, 1, falign_view(bias)))

    l1 = tanh(state_of(network, 1, x))
    y_here = 1 / (1 + exp(-state_of(network, 2, l1)))
    call falign_check(falign_trainer_forward(trainer, falign_view(x), falign_matrix(y)))
    call assert(differ(y, y_here) < few_roundings, 'L[2] is the logistic function of Z[2]')

    call falign_check(falign_rule_get(rule, falign_feedback, 1, falign_matrix(b1)))
    call falign_check(falign_rule_view(rule, falign_feedback, 1, view))
    call assert(maxval(abs(b1)) > 0, 'B[1] is an array (10, 8)')
    call assert(.not. differ(b1, falign_values(view)) > 0, 'a copy and a view of B[1] are the same')
    delta2 = (targets - y_here) * y_here * (1 - y_here)
    delta1 = matmul(delta2, b1) * (1 - l1**2)
    w0 = falign_weights(network, 0)
    w1 = falign_weights(network, 1)
    call step(trainer)
    trace = falign_trainer_trace(trainer)
    numbers = falign_step_of(trace)
    call assert(numbers%iteration == 0 .and. numbers%rows == points, 'the trace is of step 0 and has all rows')
    call assert(abs(numbers%loss - sum((targets - y_here)**2) / 2) < points * few_roundings, &
      'the loss is half the squared error')
    call falign_check(falign_trace_view(trace, falign_dw, 0, view))
    dw0 = falign_values(view)
    call assert(differ(dw0, eta * matmul(transpose(x), delta1)) < few_roundings, 'DW[0] is eta L[0]^T delta[1]')
    call assert(differ(falign_weights(network, 0), w0 + dw0) < few_roundings, 'DW[0] is added to W[0]')
    call falign_check(falign_trace_view(trace, falign_dw, 1, view))
    call assert(view%rows == n1 .and. view%cols == n2, 'DW[1] is 8 x 10')
    call assert(differ(falign_weights(network, 1), w1 + eta * matmul(transpose(l1), delta2)) < few_roundings, &
      'eta L[1]^T delta[2] is added to W[1]')
    call falign_check(falign_network_get(network, falign_bias, 1, falign_matrix(changed)))
    call assert(maxval(abs(changed - bias - eta * sum(delta1, 1))) < few_roundings, 'eta 1^T delta[1] is added to b[1]')
    call assert(falign_trace_view(trace, falign_z, 1, view) == falign_unsupported, 'Z is not kept')
    call falign_trainer_destroy(trainer)
    call falign_rule_destroy(rule)
    call falign_network_destroy(network)
  end subroutine

  subroutine activate(network, l, name)
    type(c_ptr), intent(in) :: network
    integer, intent(in) :: l
    character(*), intent(in) :: name
    type(c_ptr) :: activation
    call falign_check(falign_activation_create(falign_text(name), activation))
    call falign_check(falign_network_set_activation(network, l, activation))
    call falign_activation_destroy(activation)
  end subroutine

  !> A metric written here sees every step and measures every other; an activation written here is used.
  subroutine test_metric_and_activation()
    type(c_ptr) :: network, rule, trainer, metric, activation
    type(falign_metric_table) :: metric_table
    type(falign_activation_table) :: activation_table
    type(loss_state), target :: state
    real(c_double), target :: gain, y(points, n2)
    character(kind=c_char, len=:), allocatable, target :: name
    type(falign_step) :: numbers
    real(c_double) :: l1(points, n1), loss(5)
    integer :: i
    network = drawn_network()
    rule = drawn_rule(network)
    name = falign_text('scaled')
    gain = 1.5_c_double
    activation_table%size = c_sizeof(activation_table)
    activation_table%name = c_loc(name)
    activation_table%f = falign_map(scaled_tanh)
    activation_table%df = falign_map(scaled_tanh_slope)
    call falign_check(falign_activation_create_custom(activation_table, c_loc(gain), activation))
    call falign_check(falign_network_set_activation(network, 1, activation))
    call falign_activation_destroy(activation) ! the network keeps it
    call activate(network, 2, 'linear')
    trainer = trainer_of(network, rule)
    l1 = gain * tanh(state_of(network, 1, x))
    call falign_check(falign_trainer_forward(trainer, falign_view(x), falign_matrix(y)))
    call assert(differ(y, state_of(network, 2, l1)) < few_roundings, 'L[1] is 1.5 tanh(Z[1])')

    metric_table%size = c_sizeof(metric_table)
    metric_table%name = c_loc(loss_change)
    metric_table%needs = falign_needs_step
    metric_table%measure = falign_measure(measure)
    metric_table%look = falign_look(look)
    call falign_check(falign_metric_create_custom(metric_table, c_loc(state), metric))
    call falign_check(falign_trainer_observe(trainer, metric, 2_c_int64_t, falign_sink(note), c_loc(state)))
    call falign_metric_destroy(metric) ! the trainer keeps it
    do i = 1, 5
      call step(trainer)
      numbers = falign_step_of(falign_trainer_trace(trainer))
      loss(i) = numbers%loss
    end do
    call assert(state%looks == 5, 'the metric sees every step')
    call assert(state%count == 3 .and. all(state%iteration(:3) == [0, 2, 4]), 'the metric measures every other step')
    call assert(.not. abs(state%change(3) - (loss(5) - loss(4))) > 0, 'the metric knows the loss of the step before')
    call falign_trainer_destroy(trainer)
    call falign_rule_destroy(rule)
    call falign_network_destroy(network)
  end subroutine

  subroutine test_norm()
    type(c_ptr) :: network, rule, trainer, norm
    network = drawn_network()
    rule = drawn_rule(network)
    trainer = trainer_of(network, rule)
    call falign_check(falign_norm_create(falign_text('columns'), [2.0_c_double, 3.0_c_double], 2_c_size_t, &
      norm))
    call falign_check(falign_norm_apply(norm, network, rule))
    call assert_norms(network)
    call falign_check(falign_trainer_set_norm(trainer, norm))
    call falign_norm_destroy(norm)
    call step(trainer)
    call assert_norms(network)
    call falign_trainer_destroy(trainer)
    call falign_rule_destroy(rule)
    call falign_network_destroy(network)
  end subroutine

  subroutine assert_norms(network)
    type(c_ptr), intent(in) :: network
    call assert(maxval(abs(norm2(falign_weights(network, 0), 1) - 2)) < few_roundings, &
      'the input weights of each neuron of layer 1 have norm 2')
    call assert(maxval(abs(norm2(falign_weights(network, 1), 1) - 3)) < few_roundings, &
      'the input weights of each neuron of layer 2 have norm 3')
  end subroutine

  subroutine test_order()
    real(c_double) :: w(n0, n1)
    w = weights_after(falign_order_none)
    call assert(.not. differ(w, weights_after(falign_order_none)) > 0, 'two runs give the same weights')
    call assert(differ(w, weights_after(falign_order_epoch)) > 0, 'another order leads to other weights')
  end subroutine

  function weights_after(order) result(w)
    integer(c_int32_t), intent(in) :: order
    real(c_double) :: w(n0, n1)
    type(c_ptr) :: network, rule, trainer, data, code, batches
    network = drawn_network()
    rule = drawn_rule(network)
    trainer = trainer_of(network, rule)
    call falign_check(falign_dataset_create_synthetic(falign_synthetic(points=100, width=n0, categories=5, &
      within=0.6_c_double, between=0.0_c_double), falign_train, 1_c_int64_t, data))
    call falign_check(falign_code_create_n_hot(5, int(n2, c_size_t), 2_c_size_t, 1_c_int64_t, 0, code))
    call falign_check(falign_batches_create(data, code, 50_c_size_t, batches))
    call falign_check(falign_batches_set_order(batches, order, 1_c_int64_t, 0))
    call falign_check(falign_trainer_run(trainer, batches, 1_c_int64_t))
    w = falign_weights(network, 0)
    call falign_batches_destroy(batches)
    call falign_code_destroy(code)
    call falign_dataset_destroy(data)
    call falign_trainer_destroy(trainer)
    call falign_rule_destroy(rule)
    call falign_network_destroy(network)
  end function

  !> Weights go by name into a file, if the library has files, and from it into another network.
  subroutine test_tensors()
    type(c_ptr) :: network, other, tensors
    real(c_double), target :: w(n0, n1)
    character(1000) :: path
    integer(c_int32_t) :: status
    network = drawn_network()
    call falign_check(falign_tensors_create(tensors))
    call falign_check(falign_network_export(network, tensors))
    call get_command_argument(1, path)
    status = falign_tensors_write(tensors, falign_text(trim(path)))
    if (status /= falign_unsupported) then
      call falign_check(status)
      call falign_tensors_destroy(tensors)
      call falign_check(falign_tensors_read(falign_text(trim(path)), tensors))
    end if
    call falign_check(falign_tensors_get(tensors, falign_text('W.0'), falign_matrix(w)))
    call assert(.not. differ(w, falign_weights(network, 0)) > 0, 'W.0 is W[0]')

    call falign_check(falign_network_create(falign_f64, 2, int([n0, n1, n2], c_size_t), 1, other))
    call falign_check(falign_network_import(other, tensors))
    call assert(.not. differ(falign_weights(other, 1), falign_weights(network, 1)) > 0, 'the other network has W[1]')
    call falign_tensors_destroy(tensors)
    call falign_network_destroy(other)
    call falign_network_destroy(network)
  end subroutine

end program
