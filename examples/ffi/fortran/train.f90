! SPDX-License-Identifier: Apache-2.0

!> What the library calls back: a rule and an observer.
module callbacks
  use falign
  implicit none

  !> What the rule has done, and is to do.
  type :: rule_state
    integer :: calls = 0
    logical :: fails = .false.
    logical :: strange = .false. !< a signal for layer l was not of width n[l]
  end type

  !> The values that an observer has seen, and when it is to cancel the run once.
  type :: record
    integer :: count = 0
    integer(c_int64_t) :: iteration(10) = -1
    real(c_double) :: angle(10) = 0
    integer(c_int64_t) :: cancel_at = -1
    logical :: strange = .false. !< something else than an angle of layer 1
  end type

contains

  !> The rule FA, written here: delta[l+1] B[l] (eq. 21).
  function feedback_alignment(user, rule, network, trace, l, out) bind(c) result(status)
    type(c_ptr), value :: user, rule, network, trace
    integer(c_int32_t), value :: l
    type(falign_matrix), intent(in) :: out
    integer(c_int32_t) :: status
    type(rule_state), pointer :: state
    type(falign_view) :: delta, b
    call c_f_pointer(user, state)
    state%calls = state%calls + 1
    if (out%cols /= falign_network_width(network, l)) state%strange = .true.
    if (state%fails) then
      call falign_set_last_error(falign_text('no feedback today'))
      status = falign_invalid
      return
    end if
    status = falign_trace_view(trace, falign_delta, l + 1, delta)
    if (status /= falign_ok) return
    status = falign_rule_view(rule, falign_feedback, l, b)
    if (status /= falign_ok) return
    call falign_put(matmul(falign_values(delta), falign_values(b)), out)
  end function

  !> Records an angle.
  function note(user, value) bind(c) result(status)
    type(c_ptr), value :: user
    type(falign_value), intent(in) :: value
    integer(c_int32_t) :: status
    type(record), pointer :: seen
    call c_f_pointer(user, seen)
    status = falign_ok
    if (value%iteration == seen%cancel_at) then
      seen%cancel_at = -1
      call falign_set_last_error(falign_text('enough for now'))
      status = falign_cancelled
      return
    end if
    if (falign_string(value%name) /= 'angle_w_b' .or. value%layer /= 1 .or. value%order /= -1) seen%strange = .true.
    seen%count = seen%count + 1
    if (seen%count > size(seen%angle)) return
    seen%iteration(seen%count) = value%iteration
    seen%angle(seen%count) = value%value
  end function

end module

!> Trains by feedback alignment in Fortran: reads weights and angles back, gets error messages, and brings a rule and an
!! observer of its own. Exit code: 0 if everything came out as it should.
program train
  use callbacks
  implicit none
  integer(c_int64_t), parameter :: steps = 100

  call show_training()
  call show_own_rule()
  call show_errors()
  call show_cancelling()

contains

  subroutine assert(holds, claim)
    logical, intent(in) :: holds
    character(*), intent(in) :: claim
    if (holds) return
    write (error_unit, '(2a)') 'train: this is wrong: ', claim
    error stop 1
  end subroutine

  function drawn_network(widths) result(network)
    integer, intent(in) :: widths(0:)
    type(c_ptr) :: network
    call falign_check(falign_network_create(falign_f64, size(widths) - 1, int(widths, c_size_t), 1, network))
    call falign_check(falign_network_draw(network, 0.3_c_double, 0.3_c_double, 1_c_int64_t, 0))
  end function

  function named_rule(name, network) result(rule)
    character(*), intent(in) :: name
    type(c_ptr), intent(in) :: network
    type(c_ptr) :: rule
    call falign_check(falign_rule_create(falign_text(name), network, rule))
  end function

  !> The rule of `feedback_alignment`. `state` lives as long as the rule.
  function own_rule(name, network, state) result(rule)
    character(*), intent(in) :: name
    type(c_ptr), intent(in) :: network
    type(rule_state), target, intent(in) :: state
    type(c_ptr) :: rule
    type(falign_rule_table) :: table
    character(kind=c_char, len=:), allocatable, target :: ended
    ended = falign_text(name)
    table%size = c_sizeof(table)
    table%name = c_loc(ended)
    table%feedback = falign_feedback_layer
    table%signal = falign_signal(feedback_alignment)
    call falign_check(falign_rule_create_custom(table, c_loc(state), network, rule))
  end function

  function batches_of(part) result(batches)
    integer(c_int32_t), intent(in) :: part
    type(c_ptr) :: batches, data, code
    call falign_check(falign_dataset_create_synthetic(falign_synthetic(points=100, width=12, categories=5, &
      within=0.6_c_double, between=0.0_c_double), part, 1_c_int64_t, data))
    call falign_check(falign_code_create_n_hot(5, 10_c_size_t, 2_c_size_t, 1_c_int64_t, 0, code))
    call falign_check(falign_batches_create(data, code, 50_c_size_t, batches))
    call falign_code_destroy(code) ! the batches keep both
    call falign_dataset_destroy(data)
  end function

  !> A trainer that sends the angles of W[l] with B[l]^T to `seen`, which lives as long as the trainer.
  function trainer_of(network, rule, every, seen) result(trainer)
    type(c_ptr), intent(in) :: network, rule
    integer(c_int64_t), intent(in) :: every
    type(record), target, intent(in) :: seen
    type(c_ptr) :: trainer, metric
    call falign_check(falign_rule_draw(rule, 0.3_c_double, 1_c_int64_t, 0))
    call falign_check(falign_trainer_create(network, rule, 0.02_c_double, trainer))
    call falign_check(falign_metric_create(falign_text('angle_w_b'), metric))
    call falign_check(falign_trainer_observe(trainer, metric, every, falign_sink(note), c_loc(seen)))
    call falign_metric_destroy(metric)
  end function

  subroutine run(network, rule, error)
    type(c_ptr), intent(in) :: network, rule
    real(c_double), intent(out) :: error
    type(record), target :: seen
    call run_and_see(network, rule, seen, error)
  end subroutine

  !> Trains `network` and returns the share of test points that it then decodes wrongly.
  subroutine run_and_see(network, rule, seen, error)
    type(c_ptr), intent(in) :: network, rule
    type(record), target, intent(inout) :: seen
    real(c_double), intent(out) :: error
    type(c_ptr) :: trainer, batches, test
    real(c_double) :: loss
    batches = batches_of(falign_train)
    test = batches_of(falign_test)
    trainer = trainer_of(network, rule, steps, seen)
    call falign_check(falign_trainer_run(trainer, batches, steps))
    call falign_check(falign_trainer_measure(trainer))
    call falign_check(falign_trainer_evaluate(trainer, test, loss, error))
    call falign_trainer_destroy(trainer)
    call falign_batches_destroy(test)
    call falign_batches_destroy(batches)
  end subroutine

  function largest_difference(network, other) result(largest)
    type(c_ptr), intent(in) :: network, other
    real(c_double) :: largest
    integer :: l
    largest = 0
    do l = 0, falign_network_layers(network) - 1
      largest = max(largest, maxval(abs(falign_weights(network, l) - falign_weights(other, l))))
    end do
  end function

  subroutine show_training()
    type(c_ptr) :: network, rule
    type(record), target :: seen
    real(c_double) :: before(8, 12)
    real(c_double) :: error
    integer :: i
    network = drawn_network([12, 8, 10])
    rule = named_rule('fa', network)
    before = falign_weights(network, 0)
    call run_and_see(network, rule, seen, error)
    do i = 1, seen%count
      print '(a, i0, a, f0.1, a)', 'update ', seen%iteration(i), ', layer 1: ', seen%angle(i), ' degrees'
    end do
    print '(f4.1, a)', 100 * error, ' % of the test points are decoded wrongly'
    call assert(seen%count == 2 .and. all(seen%iteration(:2) == [0_c_int64_t, steps]), 'the angle is seen twice')
    call assert(.not. seen%strange, 'all values are angles of layer 1')
    call assert(seen%angle(2) < seen%angle(1) - 10, 'the angle falls by 10 degrees')
    call assert(error < 0.1, 'errors are below 10 %')
    call assert(all(shape(falign_weights(network, 0)) == [12, 8]), 'W[0], 12 x 8, is an array (12, 8)')
    call assert(maxval(abs(falign_weights(network, 0) - before)) > 0, 'W[0] has changed')
    call falign_rule_destroy(rule)
    call falign_network_destroy(network)
  end subroutine

  subroutine show_own_rule()
    type(c_ptr) :: own, builtin, ruled, built
    type(rule_state), target :: state
    real(c_double) :: error, difference
    own = drawn_network([12, 8, 9, 10])
    builtin = drawn_network([12, 8, 9, 10])
    ruled = own_rule('own-fa', own, state)
    built = named_rule('fa', builtin)
    call run(own, ruled, error)
    call run(builtin, built, error)
    difference = largest_difference(own, builtin)
    print '(a, es7.1)', 'by a rule written here, weights differ by at most ', difference
    call assert(state%calls == 2 * steps, 'the rule is called for two layers in each step')
    call assert(.not. state%strange, 'each signal is as wide as its layer')
    call assert(difference < 1e-12_c_double, 'both rules give the same weights but for roundings')
    call falign_rule_destroy(ruled)
    call falign_rule_destroy(built)
    call falign_network_destroy(own)
    call falign_network_destroy(builtin)
  end subroutine

  subroutine show_errors()
    type(c_ptr) :: network, rule, trainer, batches
    type(rule_state), target :: state
    type(record), target :: seen
    real(c_double), target :: w(8, 12)
    network = drawn_network([12, 8, 10])
    w = 0
    call assert(falign_network_set(network, falign_w, 0, falign_view(w)) == falign_shape, 'W[0] is not (8, 12)')
    print '(a)', falign_message()
    call assert(falign_message() == 'W[0] is 12 x 8, got 8 x 12', 'the message has both shapes')

    state%fails = .true.
    rule = own_rule('failing', network, state)
    batches = batches_of(falign_train)
    trainer = trainer_of(network, rule, steps, seen)
    call assert(falign_trainer_run(trainer, batches, 1_c_int64_t) == falign_callback, 'the rule fails')
    print '(a)', falign_message()
    call assert(index(falign_message(), 'failing') > 0, 'the message names the rule')
    call assert(index(falign_message(), 'no feedback today') > 0, 'the message has what the rule said')
    call falign_trainer_destroy(trainer)
    call falign_batches_destroy(batches)
    call falign_rule_destroy(rule)
    call falign_network_destroy(network)
  end subroutine

  !> An observer stops a run, which then resumes as if it had not been stopped.
  subroutine show_cancelling()
    type(c_ptr) :: stopped, whole, stopped_rule, whole_rule, trainer, batches
    type(record), target :: seen
    real(c_double) :: error
    stopped = drawn_network([12, 8, 10])
    whole = drawn_network([12, 8, 10])
    stopped_rule = named_rule('fa', stopped)
    whole_rule = named_rule('fa', whole)
    call run(whole, whole_rule, error)

    batches = batches_of(falign_train)
    trainer = trainer_of(stopped, stopped_rule, 30_c_int64_t, seen)
    seen%cancel_at = 60
    call assert(falign_trainer_run(trainer, batches, steps) == falign_cancelled, 'the observer cancels the run')
    print '(a)', falign_message()
    call assert(falign_message() == 'enough for now', 'the message is that of the observer')
    call assert(falign_trainer_iteration(trainer) == 60, 'the run stops at update 60')
    call falign_check(falign_trainer_run(trainer, batches, steps))
    call assert(falign_trainer_iteration(trainer) == steps, 'the run resumes to its end')
    call assert(.not. largest_difference(stopped, whole) > 0, 'the weights are those of a run that was not stopped')
    call falign_trainer_destroy(trainer)
    call falign_batches_destroy(batches)
    call falign_rule_destroy(whole_rule)
    call falign_rule_destroy(stopped_rule)
    call falign_network_destroy(whole)
    call falign_network_destroy(stopped)
  end subroutine

end program
