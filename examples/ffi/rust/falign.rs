// SPDX-License-Identifier: Apache-2.0

//! What `train.rs` uses of libfalign. Each object owns one reference and gives it back when it is dropped, in any
//! order. A failure is an `Error`. A closure that panics ends the call that has run it with an `Error`; no panic passes
//! through C. Objects are not `Send`: what C says of threads is not written down here.

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::os::raw::{c_char, c_double, c_void};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::{fmt, mem, ptr, slice};

type Status = i32;
const OK: Status = 0;
pub const SHAPE: Status = 2;
pub const CALLBACK: Status = 9;

const F64: i32 = 2;
const TRAIN: i32 = 1;
const FEEDBACK_LAYER: i32 = 1;
const DELTA: i32 = 3;

/// The C objects, of which only pointers are known.
mod c {
    macro_rules! opaque {
        ($($name:ident)*) => { $(#[repr(C)] pub struct $name { _private: [u8; 0] })* };
    }
    opaque!(Batches Code Dataset Metric Network Rule Trace Trainer);
}

type Signal =
    unsafe extern "C" fn(*mut c_void, *const c::Rule, *const c::Network, *const c::Trace, u32, *mut c_double) -> Status;
type Value = unsafe extern "C" fn(*mut c_void, u64, *const c_char, i64, i64, c_double) -> Status;

/// falign_rule_table; entries that are not used are 0.
#[repr(C)]
struct RuleTable {
    size: usize,
    name: *const c_char,
    feedback: i32,
    concurrent: i32,
    signal_f32: *const c_void,
    signal_f64: Signal,
    adapt: *const c_void,
    needs_activity: i32,
    save: *const c_void,
    load: *const c_void,
    destroy: unsafe extern "C" fn(*mut c_void),
}

extern "C" {
    fn falign_last_error() -> *const c_char;
    fn falign_set_last_error(message: *const c_char);

    fn falign_dataset_create_synthetic(
        points: usize, width: usize, categories: u32, within: c_double, between: c_double, part: i32, seed: u64,
        out: *mut *mut c::Dataset,
    ) -> Status;
    fn falign_dataset_destroy(dataset: *mut c::Dataset);
    fn falign_code_create_n_hot(
        categories: u32, width: usize, hot: usize, seed: u64, run: u32, out: *mut *mut c::Code,
    ) -> Status;
    fn falign_code_destroy(code: *mut c::Code);
    fn falign_batches_create(
        data: *const c::Dataset, code: *const c::Code, size: usize, out: *mut *mut c::Batches,
    ) -> Status;
    fn falign_batches_destroy(batches: *mut c::Batches);

    fn falign_network_create(
        precision: i32, layers: u32, widths: *const usize, biases: i32, out: *mut *mut c::Network,
    ) -> Status;
    fn falign_network_destroy(network: *mut c::Network);
    fn falign_network_width(network: *const c::Network, l: u32) -> usize;
    fn falign_network_draw(network: *mut c::Network, sd_w: c_double, sd_b: c_double, seed: u64, run: u32) -> Status;
    fn falign_network_set_weights_f64(
        network: *mut c::Network, l: u32, w: *const c_double, rows: usize, cols: usize, stride: usize,
    ) -> Status;
    fn falign_network_get_weights_f64(
        network: *const c::Network, l: u32, w: *mut c_double, rows: usize, cols: usize, stride: usize,
    ) -> Status;

    fn falign_rule_create_fa(network: *const c::Network, out: *mut *mut c::Rule) -> Status;
    fn falign_rule_create_custom(
        table: *const RuleTable, user: *mut c_void, network: *const c::Network, out: *mut *mut c::Rule,
    ) -> Status;
    fn falign_rule_destroy(rule: *mut c::Rule);
    fn falign_rule_draw(rule: *mut c::Rule, sd: c_double, seed: u64, run: u32) -> Status;
    fn falign_rule_view_feedback_f64(rule: *const c::Rule, l: u32) -> *const c_double;

    fn falign_trace_view_f64(
        trace: *const c::Trace, quantity: i32, l: u32, data: *mut *const c_double, rows: *mut usize, cols: *mut usize,
        stride: *mut usize,
    ) -> Status;

    fn falign_metric_create(name: *const c_char, out: *mut *mut c::Metric) -> Status;
    fn falign_metric_destroy(metric: *mut c::Metric);

    fn falign_trainer_create(
        network: *mut c::Network, rule: *mut c::Rule, eta: c_double, out: *mut *mut c::Trainer,
    ) -> Status;
    fn falign_trainer_destroy(trainer: *mut c::Trainer);
    fn falign_trainer_observe(
        trainer: *mut c::Trainer, metric: *mut c::Metric, every: u64, sink: Value, user: *mut c_void,
    ) -> Status;
    fn falign_trainer_run(trainer: *mut c::Trainer, batches: *mut c::Batches, until: u64) -> Status;
    fn falign_trainer_measure(trainer: *mut c::Trainer) -> Status;
    fn falign_trainer_evaluate(
        trainer: *const c::Trainer, batches: *mut c::Batches, loss: *mut c_double, error: *mut c_double,
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

/// What `make` writes to its last argument.
fn create<C>(make: impl FnOnce(*mut *mut C) -> Status) -> Result<*mut C> {
    let mut out = ptr::null_mut();
    check(make(&mut out))?;
    Ok(out)
}

/// Runs a closure within C: a failure and a panic become a status and a message.
fn guard(run: impl FnOnce() -> Result<()>) -> Status {
    let (status, message) = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => return OK,
        Ok(Err(error)) => (if error.status == OK { CALLBACK } else { error.status }, error.message),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()));
            mem::forget(panic); // whose own drop might panic
            (CALLBACK, text.unwrap_or_else(|| "a closure panicked".to_string()))
        }
    };
    let message = CString::new(message.replace('\0', " ")).unwrap_or_default();
    unsafe { falign_set_last_error(message.as_ptr()) };
    status
}

macro_rules! give_back {
    ($($name:ident: $destroy:ident),*) => {
        $(impl Drop for $name {
            fn drop(&mut self) {
                unsafe { $destroy(self.c) }
            }
        })*
    };
}
give_back!(Batches: falign_batches_destroy, Code: falign_code_destroy, Dataset: falign_dataset_destroy,
    Metric: falign_metric_destroy, Network: falign_network_destroy, Rule: falign_rule_destroy);

pub struct Dataset {
    c: *mut c::Dataset,
}

impl Dataset {
    pub fn synthetic(
        points: usize, width: usize, categories: u32, within: f64, between: f64, seed: u64,
    ) -> Result<Dataset> {
        let c = create(|out| unsafe {
            falign_dataset_create_synthetic(points, width, categories, within, between, TRAIN, seed, out)
        })?;
        Ok(Dataset { c })
    }
}

pub struct Code {
    c: *mut c::Code,
}

impl Code {
    pub fn n_hot(categories: u32, width: usize, hot: usize, seed: u64, run: u32) -> Result<Code> {
        let c = create(|out| unsafe { falign_code_create_n_hot(categories, width, hot, seed, run, out) })?;
        Ok(Code { c })
    }
}

pub struct Batches {
    c: *mut c::Batches,
}

impl Batches {
    pub fn new(data: &Dataset, code: &Code, size: usize) -> Result<Batches> {
        let c = create(|out| unsafe { falign_batches_create(data.c, code.c, size, out) })?;
        Ok(Batches { c })
    }
}

/// A row-major matrix of rows x cols numbers, with `stride` from row to row.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    numbers: &'a [f64],
    rows: usize,
    cols: usize,
    stride: usize,
}

impl<'a> Matrix<'a> {
    /// `numbers` must be rows x cols of them.
    pub fn new(numbers: &'a [f64], rows: usize, cols: usize) -> Matrix<'a> {
        assert_eq!(Some(numbers.len()), rows.checked_mul(cols), "no matrix of {} x {}", rows, cols);
        Matrix { numbers, rows, cols, stride: cols }
    }
    pub fn rows(&self) -> usize {
        self.rows
    }
    pub fn at(&self, i: usize, j: usize) -> f64 {
        assert!(j < self.cols, "there is no column {} of {}", j, self.cols);
        self.numbers[i * self.stride + j]
    }
}

/// A network in double precision.
pub struct Network {
    c: *mut c::Network,
    widths: Vec<usize>,
}

impl Network {
    pub fn new(widths: &[usize]) -> Result<Network> {
        let layers = widths.len().saturating_sub(1) as u32;
        let c = create(|out| unsafe { falign_network_create(F64, layers, widths.as_ptr(), 1, out) })?;
        Ok(Network { c, widths: widths.to_vec() })
    }
    pub fn draw(&mut self, sd_w: f64, sd_b: f64, seed: u64, run: u32) -> Result<()> {
        check(unsafe { falign_network_draw(self.c, sd_w, sd_b, seed, run) })
    }
    pub fn layers(&self) -> usize {
        self.widths.len() - 1
    }
    pub fn set_weights(&mut self, l: usize, w: Matrix) -> Result<()> {
        let (l, data) = (u32::try_from(l).unwrap_or(u32::MAX), w.numbers.as_ptr());
        check(unsafe { falign_network_set_weights_f64(self.c, l, data, w.rows, w.cols, w.stride) })
    }
    /// W[l], n[l] x n[l+1].
    pub fn weights(&self, l: usize) -> Result<Vec<f64>> {
        let (rows, cols) = (self.widths[l], self.widths[l + 1]);
        let mut w = vec![0.0; rows * cols];
        check(unsafe { falign_network_get_weights_f64(self.c, l as u32, w.as_mut_ptr(), rows, cols, cols) })?;
        Ok(w)
    }
}

/// What a rule of one's own gets to see.
pub struct Block<'a> {
    rule: *const c::Rule,
    network: *const c::Network,
    trace: *const c::Trace,
    lifetime: PhantomData<&'a ()>,
}

impl<'a> Block<'a> {
    pub fn width(&self, l: u32) -> usize {
        unsafe { falign_network_width(self.network, l) }
    }
    /// delta[l] of the rows of the block.
    pub fn delta(&self, l: u32) -> Result<Matrix<'a>> {
        let (mut data, mut rows, mut cols, mut stride) = (ptr::null(), 0, 0, 0);
        let outputs = (&mut data, &mut rows, &mut cols, &mut stride);
        check(unsafe { falign_trace_view_f64(self.trace, DELTA, l, outputs.0, outputs.1, outputs.2, outputs.3) })?;
        let length = if rows == 0 { 0 } else { (rows - 1) * stride + cols };
        Ok(Matrix { numbers: unsafe { slice::from_raw_parts(data, length) }, rows, cols, stride })
    }
    /// B[l], n[l+1] x n[l].
    pub fn feedback(&self, l: u32) -> Result<Matrix<'a>> {
        let data = unsafe { falign_rule_view_feedback_f64(self.rule, l) };
        if data.is_null() {
            return Err(Error::last(SHAPE));
        }
        let (rows, cols) = (self.width(l + 1), self.width(l));
        Ok(Matrix::new(unsafe { slice::from_raw_parts(data, rows * cols) }, rows, cols))
    }
}

/// A closure that writes the signal that reaches layer l to rows x n[l] numbers.
type SignalFn = Box<dyn Fn(&Block, u32, &mut [f64]) -> Result<()>>;

pub struct Rule {
    c: *mut c::Rule,
}

impl Rule {
    pub fn fa(network: &Network) -> Result<Rule> {
        let c = create(|out| unsafe { falign_rule_create_fa(network.c, out) })?;
        Ok(Rule { c })
    }
    /// A rule with feedback matrices B[l]. It goes with the last object that uses the rule.
    pub fn new(
        name: &str, network: &Network, signal: impl Fn(&Block, u32, &mut [f64]) -> Result<()> + 'static,
    ) -> Result<Rule> {
        let name = CString::new(name).expect("a name without zeros");
        let table = RuleTable {
            size: mem::size_of::<RuleTable>(),
            name: name.as_ptr(),
            feedback: FEEDBACK_LAYER,
            concurrent: 0,
            signal_f32: ptr::null(),
            signal_f64: send_signal,
            adapt: ptr::null(),
            needs_activity: 0,
            save: ptr::null(),
            load: ptr::null(),
            destroy: drop_signal,
        };
        let user = Box::into_raw(Box::new(Box::new(signal) as SignalFn));
        match create(|out| unsafe { falign_rule_create_custom(&table, user.cast(), network.c, out) }) {
            Ok(c) => Ok(Rule { c }),
            Err(error) => {
                unsafe { drop_signal(user.cast()) };
                Err(error)
            }
        }
    }
    pub fn draw(&mut self, sd: f64, seed: u64, run: u32) -> Result<()> {
        check(unsafe { falign_rule_draw(self.c, sd, seed, run) })
    }
}

unsafe extern "C" fn send_signal(
    user: *mut c_void, rule: *const c::Rule, network: *const c::Network, trace: *const c::Trace, l: u32,
    out: *mut c_double,
) -> Status {
    let signal = &*(user as *const SignalFn);
    guard(|| {
        let block = Block { rule, network, trace, lifetime: PhantomData };
        let numbers = block.delta(l + 1)?.rows() * block.width(l);
        signal(&block, l, slice::from_raw_parts_mut(out, numbers))
    })
}

unsafe extern "C" fn drop_signal(user: *mut c_void) {
    let signal = Box::from_raw(user as *mut SignalFn);
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(signal))) {
        mem::forget(payload); // it could panic in turn
    }
}

pub struct Metric {
    c: *mut c::Metric,
}

impl Metric {
    pub fn new(name: &str) -> Result<Metric> {
        let name = CString::new(name).expect("a name without zeros");
        let c = create(|out| unsafe { falign_metric_create(name.as_ptr(), out) })?;
        Ok(Metric { c })
    }
}

/// A measured value; the layer is -1 where it does not apply.
pub struct Measurement {
    pub iteration: u64,
    pub layer: i64,
    pub value: f64,
}

type Sink<'a> = Box<dyn FnMut(Measurement) -> Result<()> + 'a>;

/// A trainer, whose sinks live as long as it does.
pub struct Trainer<'a> {
    c: *mut c::Trainer,
    sinks: Vec<*mut Sink<'a>>,
}

impl<'a> Trainer<'a> {
    pub fn new(network: &mut Network, rule: &mut Rule, eta: f64) -> Result<Trainer<'a>> {
        let c = create(|out| unsafe { falign_trainer_create(network.c, rule.c, eta, out) })?;
        Ok(Trainer { c, sinks: Vec::new() })
    }
    pub fn observe(
        &mut self, metric: &Metric, every: u64, sink: impl FnMut(Measurement) -> Result<()> + 'a,
    ) -> Result<()> {
        let user = Box::into_raw(Box::new(Box::new(sink) as Sink<'a>));
        self.sinks.push(user);
        check(unsafe { falign_trainer_observe(self.c, metric.c, every, receive, user.cast()) })
    }
    pub fn run(&mut self, batches: &mut Batches, until: u64) -> Result<()> {
        check(unsafe { falign_trainer_run(self.c, batches.c, until) })
    }
    pub fn measure(&mut self) -> Result<()> {
        check(unsafe { falign_trainer_measure(self.c) })
    }
    /// The share of wrongly decoded points.
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

unsafe extern "C" fn receive(
    user: *mut c_void, iteration: u64, _metric: *const c_char, layer: i64, _order: i64, value: c_double,
) -> Status {
    let sink = &mut *(user as *mut Sink);
    guard(|| sink(Measurement { iteration, layer, value }))
}
