// SPDX-License-Identifier: Apache-2.0

//! Trains by feedback alignment in Rust: reads weights and angles, gets error messages, and brings a rule, a metric and
//! an activation of its own. Exit code: 0 if everything came out as it should.

mod falign;

use falign::{Activation, Batches, Code, Dataset, Emit, Error, Matrix, Measure, Metric, Network, NetworkRef};
use falign::{Quantity, Rule, RuleRef, TraceRef, Trainer, TrainerRef, Value, View};
use std::cell::Cell;
use std::ffi::CStr;
use std::rc::Rc;

const WIDTHS: [usize; 4] = [12, 8, 9, 10];

/// The rule FA, written here: delta[l+1] B[l] (eq. 21).
fn feedback_alignment(
    rule: &RuleRef, _network: &NetworkRef, trace: &TraceRef, l: u32, out: &mut Matrix,
) -> Result<(), Error> {
    let delta = trace.view(Quantity::Delta, l + 1)?;
    let b = rule.view(Quantity::Feedback, l)?;
    for i in 0..out.rows() {
        for j in 0..out.cols() {
            out[(i, j)] = (0..b.rows()).map(|q| delta[(i, q)] * b[(q, j)]).sum();
        }
    }
    Ok(())
}

fn batches() -> Result<Batches, Error> {
    let data = Dataset::synthetic(100, 12, 5, 0.6, 0.0, 1)?;
    let code = Code::n_hot(5, 10, 2, 1, 0)?;
    Batches::new(&data, &code, 50)
}

/// Trains a network by a rule, shows how its weights align, and returns the share of points that it gets wrong.
fn train(network: &mut Network, rule: &mut Rule) -> Result<f64, Error> {
    let mut batches = batches()?;
    network.draw(0.3, 0.3, 1, 0)?;
    rule.draw(0.3, 1, 0)?;
    let mut trainer = Trainer::new(network, rule, 0.02)?;
    trainer.observe(&Metric::new("angle_w_b")?, 100, |m| {
        println!("update {:3}, layer {}: {:.1} degrees", m.iteration, m.layer, m.value);
        Ok(())
    })?;
    trainer.run(&mut batches, 200)?;
    trainer.measure()?;
    trainer.error(&mut batches)
}

fn show_training() -> Result<(), Error> {
    let (mut network, mut own_network) = (Network::new(&WIDTHS)?, Network::new(&WIDTHS)?);
    let mut rule = Rule::new("fa", &network)?;
    let mut own_rule = Rule::custom("own-fa", &own_network, feedback_alignment)?;
    let error = train(&mut network, &mut rule)?;
    println!("{:.0} % of the points are decoded wrongly. The same by a rule written here:", 100.0 * error);
    let own_error = train(&mut own_network, &mut own_rule)?;
    assert!(error < 0.1 && own_error < 0.1, "{} and {} of the points are decoded wrongly", error, own_error);

    let mut difference: f64 = 0.0;
    for l in 0..network.layers() {
        let (w, own) = (network.view(Quantity::W, l)?, own_network.view(Quantity::W, l)?);
        for (w, own) in w.to_vec().iter().zip(own.to_vec()) {
            difference = difference.max((w - own).abs());
        }
    }
    println!("the weights differ by at most {:e}", difference);
    assert!(difference < 1e-12);
    Ok(())
}

/// A metric written here: the change of the loss since the last step, whether that was due or not.
#[derive(Default)]
struct LossChange {
    last: Cell<Option<f64>>,
}

impl Measure for LossChange {
    fn needs(&self) -> i32 {
        falign::NEEDS_STEP
    }
    fn measure(&self, trainer: &TrainerRef, trace: Option<&TraceRef>, emit: &Emit) -> Result<(), Error> {
        let name = CStr::from_bytes_with_nul(b"loss_change\0").unwrap();
        if let (Some(last), Some(trace)) = (self.last.get(), trace) {
            emit.send(&Value::new(trainer.iteration() as i64, name, -1, -1, trace.step().loss - last))?;
        }
        Ok(())
    }
    fn look(&self, _: &TrainerRef, trace: &TraceRef) -> Result<(), Error> {
        self.last.set(Some(trace.step().loss));
        Ok(())
    }
}

fn show_metric_and_activation() -> Result<(), Error> {
    let mut network = Network::new(&WIDTHS)?;
    network.draw(0.3, 0.3, 1, 0)?;
    network.set_activation(1, &Activation::new("tanh")?)?;
    let softplus = Activation::custom("softplus", |z| z.exp().ln_1p(), |z| 1.0 / (1.0 + (-z).exp()))?;
    network.set_activation(2, &softplus)?;
    let mut rule = Rule::new("bp", &network)?;
    let changes = Cell::new(0);
    let mut trainer = Trainer::new(&mut network, &mut rule, 0.001)?;
    trainer.observe(&Metric::custom("loss_change", LossChange::default())?, 5, |m| {
        println!("update {}: the {} is {:.4}", m.iteration, m.name(), m.value);
        changes.set(changes.get() + 1);
        if m.value < 0.0 { Ok(()) } else { Err(Error { status: falign::DIVERGED, message: "uphill".to_string() }) }
    })?;
    let data = Dataset::synthetic(100, 12, 5, 0.6, 0.0, 1)?;
    let code = Code::n_hot(5, 10, 2, 1, 0)?;
    trainer.run(&mut Batches::new(&data, &code, 100)?, 11)?;
    assert_eq!(changes.get(), 2, "there is a change at updates 5 and 10");
    Ok(())
}

/// Runs it without the report of the panics that are meant to happen.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    std::panic::set_hook(Box::new(|_| ()));
    let out = run();
    let _ = std::panic::take_hook();
    out
}

fn show_errors() -> Result<(), Error> {
    let mut network = Network::new(&WIDTHS)?;
    let numbers = [0.0; 8 * 12];
    let error = network.set(Quantity::W, 0, &View::new(&numbers, 8, 12)).expect_err("the shape is wrong");
    println!("{}", error);
    assert_eq!((error.status, error.message.as_str()), (falign::SHAPE, "W[0] is 12 x 8, got 8 x 12"));
    network.set(Quantity::W, 0, &View::new(&numbers, 8, 12).transposed())?;

    // What a closure returns as an error, or panics with, comes out of the call that ran it.
    let fails = |rule: &RuleRef, _: &NetworkRef, _: &TraceRef, l: u32, _: &mut Matrix| {
        rule.view(Quantity::Feedback, l + 7).map(drop)
    };
    let panics = |_: &RuleRef, _: &NetworkRef, _: &TraceRef, l: u32, _: &mut Matrix| panic!("no feedback to {}", l);
    for (mut rule, text) in [
        (Rule::custom("fails", &network, fails)?, "rule fails failed at layer 2: there is no B[9]"),
        (Rule::custom("panics", &network, panics)?, "rule panics failed at layer 2: no feedback to 2"),
    ] {
        let mut trainer = Trainer::new(&mut network, &mut rule, 0.02)?;
        let mut batches = batches()?;
        let error = quietly(|| trainer.run(&mut batches, 1)).expect_err("the rule fails");
        println!("{}", error);
        assert!(error.status == falign::CALLBACK && error.message.starts_with(text), "{}", error);
    }
    let mut rule = Rule::new("fa", &network)?;
    let mut trainer = Trainer::new(&mut network, &mut rule, 0.02)?;
    trainer.observe(&Metric::new("angle_w_b")?, 1, |m| panic!("no room for {}", m.layer))?;
    let mut batches = batches()?;
    let error = quietly(|| trainer.run(&mut batches, 1)).expect_err("the sink panics");
    assert_eq!((error.status, error.message.as_str()), (falign::CALLBACK, "no room for 1"));
    Ok(())
}

/// Makes a trainer that keeps its network and its rule, whose closure holds `inside`.
fn counted_trainer(inside: Rc<()>) -> Result<Trainer<'static>, Error> {
    let network = Network::new(&WIDTHS)?;
    let rule = Rule::custom("counted", &network, move |_, _, _, _, out| {
        out.fill(0.0);
        Ok(drop(inside.clone()))
    })?;
    Trainer::owning(network, rule, 0.02)
}

/// A closure is dropped with the last object that uses it.
fn show_lifetimes() -> Result<(), Error> {
    let counted = Rc::new(());
    let mut trainer = counted_trainer(counted.clone())?;
    trainer.run(&mut batches()?, 1)?;
    assert_eq!(Rc::strong_count(&counted), 2);
    drop(trainer);
    assert_eq!(Rc::strong_count(&counted), 1);
    Ok(())
}

fn main() -> Result<(), Error> {
    show_training()?;
    show_metric_and_activation()?;
    show_errors()?;
    show_lifetimes()
}
