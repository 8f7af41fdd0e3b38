// SPDX-License-Identifier: Apache-2.0

//! Trains by feedback alignment in Rust: reads weights and angles back, gets error messages, and brings a rule of its
//! own. Exit code: 0 if all came out as it should.

mod falign;

use falign::{Batches, Block, Code, Dataset, Error, Matrix, Metric, Network, Rule, Trainer};

const WIDTHS: [usize; 4] = [12, 8, 9, 10];

/// The rule FA, written here: delta[l+1] B[l] (eq. 21).
fn feedback_alignment(block: &Block, l: u32, out: &mut [f64]) -> Result<(), Error> {
    let delta = block.delta(l + 1)?;
    let b = block.feedback(l)?;
    let width = block.width(l);
    for i in 0..delta.rows() {
        for j in 0..width {
            out[i * width + j] = (0..b.rows()).map(|q| delta.at(i, q) * b.at(q, j)).sum();
        }
    }
    Ok(())
}

fn batches() -> Result<Batches, Error> {
    let data = Dataset::synthetic(100, 12, 5, 0.6, 0.0, 1)?;
    let code = Code::n_hot(5, 10, 2, 1, 0)?;
    Batches::new(&data, &code, 50)
}

/// Trains a network by a rule, shows how its weights align, and tells the share of points that it gets wrong.
fn train(network: &mut Network, rule: &mut Rule) -> Result<f64, Error> {
    let mut batches = batches()?;
    let mut trainer = Trainer::new(network, rule, 0.02)?;
    network.draw(0.3, 0.3, 1, 0)?;
    rule.draw(0.3, 1, 0)?;
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
    let mut rule = Rule::fa(&network)?;
    let mut own_rule = Rule::new("own-fa", &own_network, feedback_alignment)?;
    let error = train(&mut network, &mut rule)?;
    println!("{:.0} % of the points are decoded wrongly; and by a rule of one's own:", 100.0 * error);
    let own_error = train(&mut own_network, &mut own_rule)?;
    assert!(error < 0.1 && own_error < 0.1, "{} and {} of the points are decoded wrongly", error, own_error);

    let mut difference: f64 = 0.0;
    for l in 0..network.layers() {
        for (w, own) in network.weights(l)?.iter().zip(own_network.weights(l)?) {
            difference = difference.max((w - own).abs());
        }
    }
    println!("the weights differ by at most {:e}", difference);
    assert!(difference < 1e-12);
    Ok(())
}

/// Without the report of panics that are meant.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    std::panic::set_hook(Box::new(|_| ()));
    let out = run();
    let _ = std::panic::take_hook();
    out
}

fn show_errors() -> Result<(), Error> {
    let mut network = Network::new(&WIDTHS)?;
    let numbers = vec![0.0; 8 * 12];
    let error = network.set_weights(0, Matrix::new(&numbers, 8, 12)).expect_err("the shape is wrong");
    println!("{}", error);
    assert_eq!((error.status, error.message.as_str()), (falign::SHAPE, "W[0] is 12 x 8, got 8 x 12"));

    // What a closure says, or panics with, comes out of the call that has run it.
    let says = |block: &Block, l: u32, _: &mut [f64]| block.feedback(l + 7).map(drop);
    let panics = |_: &Block, l: u32, _: &mut [f64]| panic!("no feedback to layer {}", l);
    for (mut rule, text) in [
        (Rule::new("says", &network, says)?, "rule says failed at layer 2: there is no B[9]"),
        (Rule::new("panics", &network, panics)?, "rule panics failed at layer 2: no feedback to layer 2"),
    ] {
        let mut trainer = Trainer::new(&mut network, &mut rule, 0.02)?;
        drop(rule); // the trainer keeps it
        let mut batches = batches()?;
        let error = quietly(|| trainer.run(&mut batches, 1)).expect_err("the rule fails");
        println!("{}", error);
        assert!(error.status == falign::CALLBACK && error.message.starts_with(text), "{}", error);
    }
    let mut rule = Rule::fa(&network)?;
    let mut trainer = Trainer::new(&mut network, &mut rule, 0.02)?;
    trainer.observe(&Metric::new("angle_w_b")?, 1, |m| panic!("no room for {}", m.layer))?;
    let mut batches = batches()?;
    let error = quietly(|| trainer.run(&mut batches, 1)).expect_err("the sink panics");
    assert_eq!((error.status, error.message.as_str()), (falign::CALLBACK, "no room for 1"));
    Ok(())
}

/// Whoever goes last takes the closure along.
fn show_lifetimes() -> Result<(), Error> {
    let counted = std::rc::Rc::new(());
    let inside = counted.clone();
    let mut network = Network::new(&WIDTHS)?;
    let own = move |_: &Block, _: u32, out: &mut [f64]| {
        out.fill(0.0);
        Ok(drop(inside.clone()))
    };
    let mut rule = Rule::new("counted", &network, own)?;
    let mut trainer = Trainer::new(&mut network, &mut rule, 0.02)?;
    drop(network);
    drop(rule);
    trainer.run(&mut batches()?, 1)?;
    assert_eq!(std::rc::Rc::strong_count(&counted), 2);
    drop(trainer);
    assert_eq!(std::rc::Rc::strong_count(&counted), 1);
    Ok(())
}

fn main() -> Result<(), Error> {
    show_training()?;
    show_errors()?;
    show_lifetimes()
}
