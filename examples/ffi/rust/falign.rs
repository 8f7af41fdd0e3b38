// SPDX-License-Identifier: Apache-2.0

//! The parts of libfalign that `train.rs` uses. The C headers document the functions; names and shapes are the same.
//!
//! - An object releases its reference when it is dropped. What the library lends is a reference with a lifetime:
//!   `&NetworkRef`, `View<'_>`; the compiler rejects a program that keeps one for too long, or that changes the object
//!   while one is in use.
//! - A call that fails returns an `Error`. A closure that panics ends the call that ran it with an `Error`; no panic
//!   passes through C.
//! - Objects are not `Send`: this module does not express the thread rules of the C interface.

#![allow(dead_code)] // a program uses a part of this module

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut, Index, IndexMut};
use std::os::raw::{c_char, c_double, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::{fmt, mem, ptr};

type Status = i32;
const OK: Status = 0;
pub const INVALID: Status = 1;
pub const SHAPE: Status = 2;
pub const DIVERGED: Status = 6;
pub const UNSUPPORTED: Status = 7;
pub const CALLBACK: Status = 9;

const F32: i32 = 1;
const F64: i32 = 2;
const TRAIN: i32 = 1;
const FEEDBACK_LAYER: i32 = 1;
pub const NEEDS_STEP: i32 = 1;
pub const NEEDS_ACTIVITY: i32 = 2;

/// falign_quantity: names an object's matrix.
#[derive(Clone, Copy, Debug)]
#[repr(i32)]
pub enum Quantity {
    W = 1,
    Bias = 2,
    Parameters = 3,
    Feedback = 4,
    L = 5,
    Z = 6,
    Delta = 7,
    Target = 8,
    Dw = 9,
    Db = 10,
}

/// The C structs and objects.
mod c {
    use super::*;

    /// falign_view and falign_matrix, which have the same members.
    #[repr(C)]
    #[derive(Clone, Copy)]
    pub struct Matrix {
        pub data: *mut c_void,
        pub rows: usize,
        pub cols: usize,
        pub row_step: isize,
        pub col_step: isize,
        pub precision: i32,
    }
    impl Matrix {
        pub const NONE: Matrix =
            Matrix { data: ptr::null_mut(), rows: 0, cols: 0, row_step: 0, col_step: 0, precision: 0 };
    }

    /// falign_synthetic
    #[repr(C)]
    pub struct Synthetic {
        pub points: usize,
        pub width: usize,
        pub categories: u32,
        pub within: c_double,
        pub between: c_double,
    }

    pub type Signal = unsafe extern "C" fn(
        *mut c_void, *const RuleRef, *const NetworkRef, *const TraceRef, u32, *const Matrix,
    ) -> Status;
    pub type Sink = unsafe extern "C" fn(*mut c_void, *const Value) -> Status;
    pub type Measure =
        unsafe extern "C" fn(*mut c_void, *mut TrainerRef, *const TraceRef, Sink, *mut c_void) -> Status;
    pub type Look = unsafe extern "C" fn(*mut c_void, *mut TrainerRef, *const TraceRef) -> Status;
    pub type Map = unsafe extern "C" fn(*mut c_void, *const c_double, *mut c_double, usize);
    pub type Destroy = unsafe extern "C" fn(*mut c_void);

    /// falign_rule_table; entries that are not used are NULL.
    #[repr(C)]
    pub struct RuleTable {
        pub size: usize,
        pub name: *const c_char,
        pub feedback: i32,
        pub concurrent: i32,
        pub signal: Signal,
        pub adapt: *const c_void,
        pub needs_activity: i32,
        pub save: *const c_void,
        pub load: *const c_void,
        pub destroy: Destroy,
    }

    /// falign_metric_table
    #[repr(C)]
    pub struct MetricTable {
        pub size: usize,
        pub name: *const c_char,
        pub needs: i32,
        pub measure: Measure,
        pub destroy: Destroy,
        pub look: Look,
    }

    /// falign_activation_table
    #[repr(C)]
    pub struct ActivationTable {
        pub size: usize,
        pub name: *const c_char,
        pub f: Map,
        pub df: Map,
        pub destroy: Destroy,
    }
}

/// C objects, which exist only behind references. They can neither be moved nor sent to another thread.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident)*) => {
        $($(#[$doc])* #[repr(C)] pub struct $name { _private: [u8; 0], _marker: PhantomData<*mut u8> })*
    };
}
opaque! {
    /// A borrowed network, in double precision.
    NetworkRef
    /// A borrowed rule.
    RuleRef
    /// One step, or the block of its rows that a rule's closure is given.
    TraceRef
    /// A borrowed trainer.
    TrainerRef
}

extern "C" {
    fn falign_last_error() -> *const c_char;
    fn falign_set_last_error(message: *const c_char);

    fn falign_dataset_create_synthetic(
        synthetic: *const c::Synthetic, part: i32, seed: u64, out: *mut *mut c_void,
    ) -> Status;
    fn falign_dataset_destroy(dataset: *mut c_void);
    fn falign_code_create_n_hot(
        categories: u32, width: usize, hot: usize, seed: u64, run: u32, out: *mut *mut c_void,
    ) -> Status;
    fn falign_code_destroy(code: *mut c_void);
    fn falign_batches_create(data: *const c_void, code: *const c_void, size: usize, out: *mut *mut c_void) -> Status;
    fn falign_batches_destroy(batches: *mut c_void);

    fn falign_activation_create(name: *const c_char, out: *mut *mut c_void) -> Status;
    fn falign_activation_create_custom(
        table: *const c::ActivationTable, user: *mut c_void, out: *mut *mut c_void,
    ) -> Status;
    fn falign_activation_destroy(activation: *mut c_void);

    fn falign_network_create(
        precision: i32, layers: u32, widths: *const usize, biases: i32, out: *mut *mut NetworkRef,
    ) -> Status;
    fn falign_network_destroy(network: *mut NetworkRef);
    fn falign_network_layers(network: *const NetworkRef) -> u32;
    fn falign_network_width(network: *const NetworkRef, l: u32) -> usize;
    fn falign_network_set_activation(network: *mut NetworkRef, l: u32, activation: *const c_void) -> Status;
    fn falign_network_draw(network: *mut NetworkRef, sd_w: c_double, sd_b: c_double, seed: u64, run: u32) -> Status;
    fn falign_network_set(network: *mut NetworkRef, what: i32, l: u32, values: *const c::Matrix) -> Status;
    fn falign_network_get(network: *const NetworkRef, what: i32, l: u32, out: *const c::Matrix) -> Status;
    fn falign_network_view(network: *const NetworkRef, what: i32, l: u32, out: *mut c::Matrix) -> Status;
    fn falign_network_edit(network: *mut NetworkRef, what: i32, l: u32, out: *mut c::Matrix) -> Status;

    fn falign_rule_create(name: *const c_char, network: *const NetworkRef, out: *mut *mut RuleRef) -> Status;
    fn falign_rule_create_custom(
        table: *const c::RuleTable, user: *mut c_void, network: *const NetworkRef, out: *mut *mut RuleRef,
    ) -> Status;
    fn falign_rule_destroy(rule: *mut RuleRef);
    fn falign_rule_draw(rule: *mut RuleRef, sd: c_double, seed: u64, run: u32) -> Status;
    fn falign_rule_set(rule: *mut RuleRef, what: i32, l: u32, values: *const c::Matrix) -> Status;
    fn falign_rule_view(rule: *const RuleRef, what: i32, l: u32, out: *mut c::Matrix) -> Status;

    fn falign_trace_view(trace: *const TraceRef, what: i32, l: u32, out: *mut c::Matrix) -> Status;
    fn falign_trace_step(trace: *const TraceRef) -> *const Step;

    fn falign_metric_create(name: *const c_char, out: *mut *mut c_void) -> Status;
    fn falign_metric_create_custom(table: *const c::MetricTable, user: *mut c_void, out: *mut *mut c_void) -> Status;
    fn falign_metric_destroy(metric: *mut c_void);

    fn falign_trainer_create(
        network: *mut NetworkRef, rule: *mut RuleRef, eta: c_double, out: *mut *mut TrainerRef,
    ) -> Status;
    fn falign_trainer_destroy(trainer: *mut TrainerRef);
    fn falign_trainer_iteration(trainer: *const TrainerRef) -> u64;
    fn falign_trainer_network(trainer: *const TrainerRef) -> *mut NetworkRef;
    fn falign_trainer_rule(trainer: *const TrainerRef) -> *mut RuleRef;
    fn falign_trainer_trace(trainer: *const TrainerRef) -> *const TraceRef;
    fn falign_trainer_observe(
        trainer: *mut TrainerRef, metric: *mut c_void, every: u64, sink: c::Sink, user: *mut c_void,
    ) -> Status;
    fn falign_trainer_step(trainer: *mut TrainerRef, x: *const c::Matrix, y: *const c::Matrix) -> Status;
    fn falign_trainer_forward(trainer: *mut TrainerRef, x: *const c::Matrix, y: *const c::Matrix) -> Status;
    fn falign_trainer_run(trainer: *mut TrainerRef, batches: *mut c_void, until: u64) -> Status;
    fn falign_trainer_measure(trainer: *mut TrainerRef) -> Status;
    fn falign_trainer_evaluate(
        trainer: *mut TrainerRef, batches: *mut c_void, loss: *mut c_double, error: *mut c_double,
    ) -> Status;
}

/// A call that failed: its status and the library's message.
#[derive(Debug)]
pub struct Error {
    pub status: Status,
    pub message: String,
}

impl Error {
    fn last(status: Status) -> Error {
        let message = unsafe { CStr::from_ptr(falign_last_error()) };
        Error { status, message: message.to_string_lossy().into_owned() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.message)
    }
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;

fn check(status: Status) -> Result<()> {
    if status == OK {
        Ok(())
    } else {
        Err(Error::last(status))
    }
}

/// Returns what `make` writes to its last argument.
fn create<C>(make: impl FnOnce(*mut *mut C) -> Status) -> Result<*mut C> {
    let mut out = ptr::null_mut();
    check(make(&mut out))?;
    Ok(out)
}

/// As `create`, of a `user` that the new object keeps and destroys.
fn create_custom<U, C>(user: U, make: impl FnOnce(*mut c_void, *mut *mut C) -> Status) -> Result<*mut C> {
    let user: *mut c_void = Box::into_raw(Box::new(user)).cast();
    let created = create(|out| make(user, out));
    if created.is_err() {
        unsafe { drop_user::<U>(user) };
    }
    created
}

unsafe extern "C" fn drop_user<U>(user: *mut c_void) {
    let user = Box::from_raw(user as *mut U);
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(user))) {
        mem::forget(payload); // its own drop might panic
    }
}

/// Runs a closure inside C: a failure or a panic becomes a status and a message.
fn guard(run: impl FnOnce() -> Result<()>) -> Status {
    let (status, message) = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => return OK,
        Ok(Err(error)) => (if error.status == OK { CALLBACK } else { error.status }, error.message),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            mem::forget(panic); // its own drop might panic
            (CALLBACK, text.unwrap_or_else(|| "a closure panicked".to_string()))
        }
    };
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    unsafe { falign_set_last_error(message.as_ptr()) };
    status
}

fn text(name: &str) -> CString {
    CString::new(name).expect("a name without zero bytes")
}

macro_rules! release {
    ($($name:ident: $destroy:ident),*) => {
        $(impl Drop for $name {
            fn drop(&mut self) {
                unsafe { $destroy(self.c) }
            }
        })*
    };
}
release!(Activation: falign_activation_destroy, Batches: falign_batches_destroy, Code: falign_code_destroy,
    Dataset: falign_dataset_destroy, Metric: falign_metric_destroy, Network: falign_network_destroy,
    Rule: falign_rule_destroy);

/// The elements of a matrix: f32 or f64.
pub trait Real: Copy + 'static + sealed::Sealed {
    const PRECISION: i32;
}
impl Real for f32 {
    const PRECISION: i32 = F32;
}
impl Real for f64 {
    const PRECISION: i32 = F64;
}
mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// Describes rows x cols elements of a slice, of which element (0, 0) is number `first`. Panics if an element would lie
/// outside the slice.
fn strided<T: Real>(
    data: *mut T, length: usize, first: usize, [rows, cols]: [usize; 2], [row_step, col_step]: [isize; 2],
) -> c::Matrix {
    let span = |count: usize, step: isize| step.checked_mul(isize::try_from(count.saturating_sub(1)).ok()?);
    let inside = || {
        let (row_span, col_span) = (span(rows, row_step)?, span(cols, col_step)?);
        let first = isize::try_from(first).ok()?;
        let lowest = first.checked_add(row_span.min(0))?.checked_add(col_span.min(0))?;
        let highest = first.checked_add(row_span.max(0))?.checked_add(col_span.max(0))?;
        Some(lowest >= 0 && highest < isize::try_from(length).ok()?)
    };
    let empty = rows == 0 || cols == 0;
    assert!(empty || inside() == Some(true), "a {} x {} matrix exceeds its {} numbers", rows, cols, length);
    let data = if empty { data } else { unsafe { data.add(first) } };
    c::Matrix { data: data.cast(), rows, cols, row_step, col_step, precision: T::PRECISION }
}

/// Describes a slice of exactly rows x cols numbers, row after row.
fn row_major<T: Real>(data: *mut T, length: usize, rows: usize, cols: usize) -> c::Matrix {
    assert_eq!(Some(length), rows.checked_mul(cols), "not the numbers of a {} x {} matrix", rows, cols);
    strided(data, length, 0, [rows, cols], [cols as isize, 1])
}

fn transposed(m: c::Matrix) -> c::Matrix {
    c::Matrix { rows: m.cols, cols: m.rows, row_step: m.col_step, col_step: m.row_step, ..m }
}

fn place(m: &c::Matrix, (i, j): (usize, usize)) -> isize {
    assert!(i < m.rows && j < m.cols, "a {} x {} matrix has no element ({}, {})", m.rows, m.cols, i, j);
    i as isize * m.row_step + j as isize * m.col_step
}

/// A matrix to read, borrowed: falign_view.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct View<'a, T: Real = f64> {
    c: c::Matrix,
    numbers: PhantomData<&'a [T]>,
}

impl<'a, T: Real> View<'a, T> {
    /// Views rows x cols numbers, row after row. Panics if the slice has another length.
    pub fn new(numbers: &'a [T], rows: usize, cols: usize) -> View<'a, T> {
        View { c: row_major(numbers.as_ptr() as *mut T, numbers.len(), rows, cols), numbers: PhantomData }
    }
    /// Views the elements `numbers[first + i * steps[0] + j * steps[1]]`; steps may be negative. Panics if one of them
    /// lies outside the slice.
    pub fn strided(numbers: &'a [T], first: usize, shape: [usize; 2], steps: [isize; 2]) -> View<'a, T> {
        View { c: strided(numbers.as_ptr() as *mut T, numbers.len(), first, shape, steps), numbers: PhantomData }
    }
    /// The transpose: the same numbers.
    pub fn transposed(self) -> View<'a, T> {
        View { c: transposed(self.c), ..self }
    }
    pub fn rows(&self) -> usize {
        self.c.rows
    }
    pub fn cols(&self) -> usize {
        self.c.cols
    }
    /// Copies the elements, row after row.
    pub fn to_vec(&self) -> Vec<T> {
        (0..self.rows()).flat_map(|i| (0..self.cols()).map(move |j| self[(i, j)])).collect()
    }
}

impl<T: Real> Index<(usize, usize)> for View<'_, T> {
    type Output = T;
    fn index(&self, at: (usize, usize)) -> &T {
        unsafe { &*(self.c.data as *const T).offset(place(&self.c, at)) }
    }
}

/// A matrix to write, borrowed mutably: falign_matrix.
#[repr(transparent)]
pub struct Matrix<'a, T: Real = f64> {
    c: c::Matrix,
    numbers: PhantomData<&'a mut [T]>,
}

impl<'a, T: Real> Matrix<'a, T> {
    /// As `View::new`.
    pub fn new(numbers: &'a mut [T], rows: usize, cols: usize) -> Matrix<'a, T> {
        Matrix { c: row_major(numbers.as_mut_ptr(), numbers.len(), rows, cols), numbers: PhantomData }
    }
    /// As `View::strided`.
    pub fn strided(numbers: &'a mut [T], first: usize, shape: [usize; 2], steps: [isize; 2]) -> Matrix<'a, T> {
        Matrix { c: strided(numbers.as_mut_ptr(), numbers.len(), first, shape, steps), numbers: PhantomData }
    }
    /// The transpose: the same numbers.
    pub fn transposed(self) -> Matrix<'a, T> {
        Matrix { c: transposed(self.c), ..self }
    }
    pub fn view(&self) -> View<'_, T> {
        View { c: self.c, numbers: PhantomData }
    }
    pub fn rows(&self) -> usize {
        self.c.rows
    }
    pub fn cols(&self) -> usize {
        self.c.cols
    }
    pub fn fill(&mut self, value: T) {
        for i in 0..self.rows() {
            for j in 0..self.cols() {
                self[(i, j)] = value;
            }
        }
    }
}

impl<T: Real> Index<(usize, usize)> for Matrix<'_, T> {
    type Output = T;
    fn index(&self, at: (usize, usize)) -> &T {
        unsafe { &*(self.c.data as *const T).offset(place(&self.c, at)) }
    }
}

impl<T: Real> IndexMut<(usize, usize)> for Matrix<'_, T> {
    fn index_mut(&mut self, at: (usize, usize)) -> &mut T {
        unsafe { &mut *(self.c.data as *mut T).offset(place(&self.c, at)) }
    }
}

/// Returns the matrix that `look` writes, which borrows from an object in double precision for 'a.
fn viewed<'a>(look: impl FnOnce(*mut c::Matrix) -> Status) -> Result<View<'a>> {
    let mut view = c::Matrix::NONE;
    check(look(&mut view))?;
    assert_eq!(view.precision, F64);
    Ok(View { c: view, numbers: PhantomData })
}

pub struct Dataset {
    c: *mut c_void,
}

impl Dataset {
    pub fn synthetic(
        points: usize, width: usize, categories: u32, within: f64, between: f64, seed: u64,
    ) -> Result<Dataset> {
        let synthetic = c::Synthetic { points, width, categories, within, between };
        let c = create(|out| unsafe { falign_dataset_create_synthetic(&synthetic, TRAIN, seed, out) })?;
        Ok(Dataset { c })
    }
}

pub struct Code {
    c: *mut c_void,
}

impl Code {
    pub fn n_hot(categories: u32, width: usize, hot: usize, seed: u64, run: u32) -> Result<Code> {
        let c = create(|out| unsafe { falign_code_create_n_hot(categories, width, hot, seed, run, out) })?;
        Ok(Code { c })
    }
}

pub struct Batches {
    c: *mut c_void,
}

impl Batches {
    pub fn new(data: &Dataset, code: &Code, size: usize) -> Result<Batches> {
        let c = create(|out| unsafe { falign_batches_create(data.c, code.c, size, out) })?;
        Ok(Batches { c })
    }
}

/// An activation function f of a layer's units.
pub struct Activation {
    c: *mut c_void,
}

/// f and its derivative.
type Functions = [Box<dyn Fn(f64) -> f64 + Send + Sync>; 2];

impl Activation {
    pub fn new(name: &str) -> Result<Activation> {
        let name = text(name);
        let c = create(|out| unsafe { falign_activation_create(name.as_ptr(), out) })?;
        Ok(Activation { c })
    }
    /// Makes an activation of f and its derivative df, both functions of z. Where one panics, its result is NaN.
    pub fn custom(
        name: &str, f: impl Fn(f64) -> f64 + Send + Sync + 'static, df: impl Fn(f64) -> f64 + Send + Sync + 'static,
    ) -> Result<Activation> {
        let name = text(name);
        let table = c::ActivationTable {
            size: mem::size_of::<c::ActivationTable>(),
            name: name.as_ptr(),
            f: map::<0>,
            df: map::<1>,
            destroy: drop_user::<Functions>,
        };
        let functions: Functions = [Box::new(f), Box::new(df)];
        let c = create_custom(functions, |user, out| unsafe { falign_activation_create_custom(&table, user, out) })?;
        Ok(Activation { c })
    }
}

unsafe extern "C" fn map<const WHICH: usize>(user: *mut c_void, z: *const c_double, out: *mut c_double, count: usize) {
    let function = &(*(user as *const Functions))[WHICH];
    for i in 0..count {
        *out.add(i) = catch_unwind(AssertUnwindSafe(|| function(*z.add(i)))).unwrap_or_else(|panic| {
            mem::forget(panic); // its own drop might panic
            f64::NAN
        });
    }
}

/// A network in double precision.
pub struct Network {
    c: *mut NetworkRef,
}

impl Network {
    /// Makes a network of the widths n[0..d].
    pub fn new(widths: &[usize]) -> Result<Network> {
        let layers = widths.len().saturating_sub(1) as u32;
        let c = create(|out| unsafe { falign_network_create(F64, layers, widths.as_ptr(), 1, out) })?;
        Ok(Network { c })
    }
}

impl Deref for Network {
    type Target = NetworkRef;
    fn deref(&self) -> &NetworkRef {
        unsafe { &*self.c }
    }
}

impl DerefMut for Network {
    fn deref_mut(&mut self) -> &mut NetworkRef {
        unsafe { &mut *self.c }
    }
}

impl NetworkRef {
    pub fn layers(&self) -> u32 {
        unsafe { falign_network_layers(self) }
    }
    pub fn width(&self, l: u32) -> usize {
        unsafe { falign_network_width(self, l) }
    }
    pub fn set_activation(&mut self, l: u32, activation: &Activation) -> Result<()> {
        check(unsafe { falign_network_set_activation(self, l, activation.c) })
    }
    pub fn draw(&mut self, sd_w: f64, sd_b: f64, seed: u64, run: u32) -> Result<()> {
        check(unsafe { falign_network_draw(self, sd_w, sd_b, seed, run) })
    }
    pub fn set<T: Real>(&mut self, what: Quantity, l: u32, values: &View<T>) -> Result<()> {
        check(unsafe { falign_network_set(self, what as i32, l, &values.c) })
    }
    pub fn get<T: Real>(&self, what: Quantity, l: u32, out: &mut Matrix<T>) -> Result<()> {
        check(unsafe { falign_network_get(self, what as i32, l, &out.c) })
    }
    /// Views a matrix in the network's own storage.
    pub fn view(&self, what: Quantity, l: u32) -> Result<View<'_>> {
        viewed(|out| unsafe { falign_network_view(self, what as i32, l, out) })
    }
    /// Gives the network's own storage of a matrix, to be changed in place.
    pub fn edit(&mut self, what: Quantity, l: u32) -> Result<Matrix<'_>> {
        let view = viewed(|out| unsafe { falign_network_edit(self, what as i32, l, out) })?;
        Ok(Matrix { c: view.c, numbers: PhantomData })
    }
}

/// A closure that writes the signal that reaches layer l, before f', to a matrix of rows x n[l].
type SignalFn = Box<dyn Fn(&RuleRef, &NetworkRef, &TraceRef, u32, &mut Matrix) -> Result<()>>;

pub struct Rule {
    c: *mut RuleRef,
}

impl Rule {
    pub fn new(name: &str, network: &NetworkRef) -> Result<Rule> {
        let name = text(name);
        let c = create(|out| unsafe { falign_rule_create(name.as_ptr(), network, out) })?;
        Ok(Rule { c })
    }
    /// Makes a rule with feedback matrices B[l] of a closure, which is dropped with the last object that uses the rule.
    pub fn custom(
        name: &str, network: &NetworkRef,
        signal: impl Fn(&RuleRef, &NetworkRef, &TraceRef, u32, &mut Matrix) -> Result<()> + 'static,
    ) -> Result<Rule> {
        let name = text(name);
        let table = c::RuleTable {
            size: mem::size_of::<c::RuleTable>(),
            name: name.as_ptr(),
            feedback: FEEDBACK_LAYER,
            concurrent: 0,
            signal: send_signal,
            adapt: ptr::null(),
            needs_activity: 0,
            save: ptr::null(),
            load: ptr::null(),
            destroy: drop_user::<SignalFn>,
        };
        let signal: SignalFn = Box::new(signal);
        let make = |user, out| unsafe { falign_rule_create_custom(&table, user, network, out) };
        Ok(Rule { c: create_custom(signal, make)? })
    }
}

impl Deref for Rule {
    type Target = RuleRef;
    fn deref(&self) -> &RuleRef {
        unsafe { &*self.c }
    }
}

impl DerefMut for Rule {
    fn deref_mut(&mut self) -> &mut RuleRef {
        unsafe { &mut *self.c }
    }
}

impl RuleRef {
    pub fn draw(&mut self, sd: f64, seed: u64, run: u32) -> Result<()> {
        check(unsafe { falign_rule_draw(self, sd, seed, run) })
    }
    pub fn set<T: Real>(&mut self, what: Quantity, l: u32, values: &View<T>) -> Result<()> {
        check(unsafe { falign_rule_set(self, what as i32, l, &values.c) })
    }
    /// Views a feedback matrix in the rule's own storage.
    pub fn view(&self, what: Quantity, l: u32) -> Result<View<'_>> {
        viewed(|out| unsafe { falign_rule_view(self, what as i32, l, out) })
    }
}

unsafe extern "C" fn send_signal(
    user: *mut c_void, rule: *const RuleRef, network: *const NetworkRef, trace: *const TraceRef, l: u32,
    out: *const c::Matrix,
) -> Status {
    let signal = &*(user as *const SignalFn);
    let mut out = Matrix { c: *out, numbers: PhantomData };
    guard(|| signal(&*rule, &*network, &*trace, l, &mut out))
}

/// falign_step: the numbers of a step.
#[repr(C)]
pub struct Step {
    pub iteration: u64,
    pub rows: usize,
    pub first_row: usize,
    pub eta: f64,
    pub loss: f64,
    precision: i32,
    backend: *const c_void,
}

impl TraceRef {
    pub fn view(&self, what: Quantity, l: u32) -> Result<View<'_>> {
        viewed(|out| unsafe { falign_trace_view(self, what as i32, l, out) })
    }
    pub fn step(&self) -> &Step {
        unsafe { &*falign_trace_step(self) }
    }
}

/// falign_value: one measured value. What does not apply is -1.
#[repr(C)]
pub struct Value<'a> {
    pub iteration: i64,
    name: *const c_char,
    pub layer: i64,
    pub order: i64,
    pub value: f64,
    lifetime: PhantomData<&'a CStr>,
}

impl<'a> Value<'a> {
    pub fn new(iteration: i64, name: &'a CStr, layer: i64, order: i64, value: f64) -> Value<'a> {
        Value { iteration, name: name.as_ptr(), layer, order, value, lifetime: PhantomData }
    }
    pub fn name(&self) -> Cow<'a, str> {
        unsafe { CStr::from_ptr(self.name) }.to_string_lossy()
    }
}

pub struct Metric {
    c: *mut c_void,
}

/// A user's metric; see falign_metric_table.
pub trait Measure {
    /// The sum of those NEEDS_... that apply.
    fn needs(&self) -> i32;
    /// Measures iteration `trainer.iteration()`, before its update, if it is due. There is no trace if a metric without
    /// needs is measured without a step.
    fn measure(&self, trainer: &TrainerRef, trace: Option<&TraceRef>, emit: &Emit) -> Result<()>;
    /// Sees every step, whether due or not, after `measure`.
    fn look(&self, _trainer: &TrainerRef, _trace: &TraceRef) -> Result<()> {
        Ok(())
    }
}

/// Where a metric sends its values.
pub struct Emit<'a> {
    sink: c::Sink,
    user: *mut c_void,
    lifetime: PhantomData<&'a ()>,
}

impl Emit<'_> {
    pub fn send(&self, value: &Value) -> Result<()> {
        check(unsafe { (self.sink)(self.user, value) })
    }
}

impl Metric {
    pub fn new(name: &str) -> Result<Metric> {
        let name = text(name);
        let c = create(|out| unsafe { falign_metric_create(name.as_ptr(), out) })?;
        Ok(Metric { c })
    }
    pub fn custom<M: Measure + 'static>(name: &str, metric: M) -> Result<Metric> {
        let name = text(name);
        let table = c::MetricTable {
            size: mem::size_of::<c::MetricTable>(),
            name: name.as_ptr(),
            needs: metric.needs(),
            measure: measure::<M>,
            destroy: drop_user::<M>,
            look: look::<M>,
        };
        let c = create_custom(metric, |user, out| unsafe { falign_metric_create_custom(&table, user, out) })?;
        Ok(Metric { c })
    }
}

unsafe extern "C" fn measure<M: Measure>(
    user: *mut c_void, trainer: *mut TrainerRef, trace: *const TraceRef, sink: c::Sink, sink_user: *mut c_void,
) -> Status {
    let emit = Emit { sink, user: sink_user, lifetime: PhantomData };
    guard(|| (*(user as *const M)).measure(&*trainer, trace.as_ref(), &emit))
}

unsafe extern "C" fn look<M: Measure>(
    user: *mut c_void, trainer: *mut TrainerRef, trace: *const TraceRef,
) -> Status {
    guard(|| (*(user as *const M)).look(&*trainer, &*trace))
}

type Sink<'a> = Box<dyn FnMut(&Value) -> Result<()> + 'a>;

/// A trainer, whose sinks live as long as it does.
pub struct Trainer<'a> {
    c: *mut TrainerRef,
    sinks: Vec<*mut Sink<'a>>,
}

impl Deref for Trainer<'_> {
    type Target = TrainerRef;
    fn deref(&self) -> &TrainerRef {
        unsafe { &*self.c }
    }
}

impl TrainerRef {
    pub fn iteration(&self) -> u64 {
        unsafe { falign_trainer_iteration(self) }
    }
    pub fn network(&self) -> &NetworkRef {
        unsafe { &*falign_trainer_network(self) }
    }
    pub fn rule(&self) -> &RuleRef {
        unsafe { &*falign_trainer_rule(self) }
    }
    /// The trace of the last step, valid until the next.
    pub fn trace(&self) -> Option<&TraceRef> {
        unsafe { falign_trainer_trace(self).as_ref() }
    }
}

impl<'a> Trainer<'a> {
    /// Makes a trainer that borrows a network and a rule. Until it is dropped, they are used through it: `network()`,
    /// `rule()`, `network_mut()`, `rule_mut()`.
    pub fn new(network: &'a mut NetworkRef, rule: &'a mut RuleRef, eta: f64) -> Result<Trainer<'a>> {
        let c = create(|out| unsafe { falign_trainer_create(network, rule, eta, out) })?;
        Ok(Trainer { c, sinks: Vec::new() })
    }
    /// Makes a trainer that keeps a network and a rule, so that it can outlive the place where they were made.
    pub fn owning(mut network: Network, mut rule: Rule, eta: f64) -> Result<Trainer<'a>> {
        let c = create(|out| unsafe { falign_trainer_create(&mut *network, &mut *rule, eta, out) })?;
        Ok(Trainer { c, sinks: Vec::new() })
    }
    pub fn network_mut(&mut self) -> &mut NetworkRef {
        unsafe { &mut *falign_trainer_network(self.c) }
    }
    pub fn rule_mut(&mut self) -> &mut RuleRef {
        unsafe { &mut *falign_trainer_rule(self.c) }
    }
    pub fn observe(
        &mut self, metric: &Metric, every: u64, sink: impl FnMut(&Value) -> Result<()> + 'a,
    ) -> Result<()> {
        let user = Box::into_raw(Box::new(Box::new(sink) as Sink<'a>));
        self.sinks.push(user);
        check(unsafe { falign_trainer_observe(self.c, metric.c, every, receive, user.cast()) })
    }
    /// Makes one update on inputs x, rows x n[0], with targets y, rows x n[d].
    pub fn step(&mut self, x: &View, y: &View) -> Result<()> {
        check(unsafe { falign_trainer_step(self.c, &x.c, &y.c) })
    }
    /// Computes L[d], rows x n[d], for inputs x, rows x n[0].
    pub fn forward(&mut self, x: &View, y: &mut Matrix) -> Result<()> {
        check(unsafe { falign_trainer_forward(self.c, &x.c, &y.c) })
    }
    pub fn run(&mut self, batches: &mut Batches, until: u64) -> Result<()> {
        check(unsafe { falign_trainer_run(self.c, batches.c, until) })
    }
    pub fn measure(&mut self) -> Result<()> {
        check(unsafe { falign_trainer_measure(self.c) })
    }
    /// Returns the share of wrongly decoded points.
    pub fn error(&mut self, batches: &mut Batches) -> Result<f64> {
        let mut error = 0.0;
        check(unsafe { falign_trainer_evaluate(self.c, batches.c, ptr::null_mut(), &mut error) })?;
        Ok(error)
    }
}

impl Drop for Trainer<'_> {
    fn drop(&mut self) {
        unsafe { falign_trainer_destroy(self.c) };
        for sink in self.sinks.drain(..) {
            drop(unsafe { Box::from_raw(sink) });
        }
    }
}

unsafe extern "C" fn receive(user: *mut c_void, value: *const Value) -> Status {
    let sink = &mut *(user as *mut Sink);
    guard(|| sink(&*value))
}
