! SPDX-License-Identifier: Apache-2.0

!> What train.f90 does not use of the module. Usage: test_falign FILE; FILE is written.
program test_falign
  use falign
  implicit none
  integer, parameter :: n0 = 12, n1 = 8, n2 = 10, points = 30
  real(c_double), parameter :: eta = 0.02_c_double, few_roundings = 1e-13_c_double
  real(c_double) :: x(n0, points), targets(n2, points)

  call random_number(x)
  call random_number(targets)
  call test_text()
  call test_data()
  call test_step()
  call test_norm()
  call test_order()
  call test_tensors()
  print '(a)', 'all hold'

contains

  subroutine assert(holds, claim)
    logical, intent(in) :: holds
    character(*), intent(in) :: claim
    if (holds) return
    write (error_unit, '(2a)') 'test_falign: it does not hold that ', claim
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
    call falign_check(falign_rule_create_named(falign_text('fa'), network, rule))
    call falign_check(falign_rule_draw(rule, 0.3_c_double, 1_c_int64_t, 0))
  end function

  function trainer_of(network, rule) result(trainer)
    type(c_ptr), intent(in) :: network, rule
    type(c_ptr) :: trainer
    call falign_check(falign_trainer_create(network, rule, eta, trainer))
  end function

  subroutine step(trainer)
    type(c_ptr), intent(in) :: trainer
    call falign_check(falign_trainer_step_f64(trainer, x, size(x, 2, c_size_t), size(x, 1, c_size_t), &
      size(x, 1, c_size_t), targets, size(targets, 1, c_size_t), size(targets, 1, c_size_t)))
  end subroutine

  !> Z[l] for rows L[l-1], in plain Fortran.
  function state_of(network, l, below) result(z)
    type(c_ptr), intent(in) :: network
    integer, intent(in) :: l
    real(c_double), intent(in) :: below(:, :)
    real(c_double) :: b(merge(n1, n2, l == 1)), z(merge(n1, n2, l == 1), size(below, 2))
    call falign_check(falign_network_get_bias_f64(network, l, b, size(b, kind=c_size_t)))
    z = matmul(falign_weights(network, l - 1), below) + spread(b, 2, size(below, 2))
  end function

  subroutine test_text()
    character(:), allocatable :: version
    version = falign_string(falign_version())
    call assert(index(version, '.') > 1 .and. verify(version, '0123456789.') == 0, 'the library has a version')
    call assert(falign_string(falign_status_name(falign_callback)) == 'FALIGN_CALLBACK', 'the last status is CALLBACK')
    call assert(falign_string(c_null_ptr) == '', 'NULL is an empty text')
  end subroutine

  subroutine test_data()
    type(c_ptr) :: data
    real(c_double) :: some(n0, 3)
    integer(c_int32_t) :: labels(points)
    labels = 0
    call falign_check(falign_dataset_create_f64(x, size(x, 2, c_size_t), size(x, 1, c_size_t), size(x, 1, c_size_t), &
      labels, 1, data))
    call falign_check(falign_dataset_get_f64(data, 4_c_size_t, 3_c_size_t, some, size(x, 1, c_size_t), &
      size(x, 1, c_size_t)))
    call assert(.not. differ(some, x(:, 5:7)) > 0, 'point 4 of the library is column 5')
    call falign_dataset_destroy(data)
  end subroutine

  !> One step of FA against Fortran's own: activities, loss, delta, updates.
  subroutine test_step()
    type(c_ptr) :: network, rule, trainer, trace
    real(c_double) :: y(n2, points), b1(n1, n2), bias(n1), changed(n1)
    real(c_double) :: l1(n1, points), y_here(n2, points), delta2(n2, points), delta1(n1, points), w0(n1, n0), w1(n2, n1)
    real(c_double), pointer :: seen(:, :), kept(:, :)
    network = drawn_network()
    rule = drawn_rule(network)
    trainer = trainer_of(network, rule)
    call falign_check(falign_network_set_activation(network, 1, falign_tanh))
    call falign_check(falign_network_set_activation(network, 2, falign_logistic))
    call falign_check(falign_set_weights(network, 1, 2 * falign_weights(network, 1)))
    bias = [0.1_c_double, -0.2_c_double, 0.3_c_double, -0.4_c_double, 0.5_c_double, -0.6_c_double, 0.7_c_double, &
      -0.8_c_double]
    call falign_check(falign_network_set_bias_f64(network, 1, bias, size(bias, kind=c_size_t)))

    l1 = tanh(state_of(network, 1, x))
    y_here = 1 / (1 + exp(-state_of(network, 2, l1)))
    call falign_check(falign_trainer_forward_f64(trainer, x, size(x, 2, c_size_t), size(x, 1, c_size_t), &
      size(x, 1, c_size_t), y, size(y, 1, c_size_t), size(y, 1, c_size_t)))
    call assert(differ(y, y_here) < few_roundings, 'L[2] is the logistic function of Z[2]')

    call falign_check(falign_rule_get_feedback_f64(rule, 1, b1, int(n2, c_size_t), int(n1, c_size_t), &
      int(n1, c_size_t)))
    call c_f_pointer(falign_rule_view_feedback_f64(rule, 1), kept, [n1, n2])
    call assert(maxval(abs(b1)) > 0 .and. .not. differ(b1, kept) > 0, 'B[1], 10 x 8, is an array (8, 10)')
    delta2 = (targets - y_here) * y_here * (1 - y_here)
    delta1 = matmul(b1, delta2) * (1 - l1**2)
    w0 = falign_weights(network, 0)
    w1 = falign_weights(network, 1)
    call step(trainer)
    trace = falign_trainer_trace(trainer)
    call assert(falign_trace_rows(trace) == points, 'the trace has all rows')
    call assert(abs(falign_trace_loss(trace) - sum((targets - y_here)**2) / 2) < points * few_roundings, &
      'the loss is half the squared error')
    call falign_check(falign_view(trace, falign_dw, 0, seen))
    call assert(differ(seen, eta * matmul(delta1, transpose(x))) < few_roundings, 'DW[0] is eta L[0]^T delta[1]')
    call assert(differ(falign_weights(network, 0), w0 + seen) < few_roundings, 'DW[0] is added to W[0]')
    call falign_check(falign_view(trace, falign_dw, 1, seen))
    call assert(all(shape(seen) == [n2, n1]), 'DW[1], 8 x 10, is an array (10, 8)')
    call assert(differ(falign_weights(network, 1), w1 + eta * matmul(delta2, transpose(l1))) < few_roundings, &
      'eta L[1]^T delta[2] is added to W[1]')
    call falign_check(falign_network_get_bias_f64(network, 1, changed, size(changed, kind=c_size_t)))
    call assert(maxval(abs(changed - bias - eta * sum(delta1, 2))) < few_roundings, 'eta 1^T delta[1] is added to b[1]')
    call assert(falign_view(trace, falign_z, 1, seen) == falign_unsupported, 'Z is not kept')
    call assert(.not. associated(seen), 'what is not there has no view')
    call falign_trainer_destroy(trainer)
    call falign_rule_destroy(rule)
    call falign_network_destroy(network)
  end subroutine

  subroutine test_norm()
    type(c_ptr) :: network, rule, trainer, norm
    network = drawn_network()
    rule = drawn_rule(network)
    trainer = trainer_of(network, rule)
    call falign_check(falign_norm_create_columns([2.0_c_double, 3.0_c_double], 2_c_size_t, norm))
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
    call assert(maxval(abs(norm2(falign_weights(network, 0), 2) - 2)) < few_roundings, &
      'the input weights of each neuron of layer 1 have norm 2')
    call assert(maxval(abs(norm2(falign_weights(network, 1), 2) - 3)) < few_roundings, &
      'the input weights of each neuron of layer 2 have norm 3')
  end subroutine

  subroutine test_order()
    real(c_double) :: w(n1, n0)
    w = weights_after(falign_order_none)
    call assert(.not. differ(w, weights_after(falign_order_none)) > 0, 'weights come out alike twice')
    call assert(differ(w, weights_after(falign_order_epoch)) > 0, 'another order leads to other weights')
  end subroutine

  function weights_after(order) result(w)
    integer(c_int32_t), intent(in) :: order
    real(c_double) :: w(n1, n0)
    type(c_ptr) :: network, rule, trainer, data, code, batches
    network = drawn_network()
    rule = drawn_rule(network)
    trainer = trainer_of(network, rule)
    call falign_check(falign_dataset_create_synthetic(100_c_size_t, int(n0, c_size_t), 5, 0.6_c_double, 0.0_c_double, &
      falign_train, 1_c_int64_t, data))
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

  !> Weights by name, through a file where the library has files, and into another network.
  subroutine test_tensors()
    type(c_ptr) :: network, other, tensors
    real(c_double) :: w(n1, n0)
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
    call falign_check(falign_tensors_read_f64(tensors, falign_text('W.0'), int([n0, n1], c_size_t), 2_c_size_t, w))
    call assert(.not. differ(w, falign_weights(network, 0)) > 0, 'W.0 is W[0]')

    call falign_check(falign_network_create(falign_f64, 2, int([n0, n1, n2], c_size_t), 1, other))
    call falign_check(falign_network_import(other, tensors))
    call assert(.not. differ(falign_weights(other, 1), falign_weights(network, 1)) > 0, 'the other network has W[1]')
    call falign_tensors_destroy(tensors)
    call falign_network_destroy(other)
    call falign_network_destroy(network)
  end subroutine

end program
