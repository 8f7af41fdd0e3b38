// SPDX-License-Identifier: Apache-2.0

//! Tests what train.rs does not use of the module: views of all shapes, in-place changes, steps and their traces.

#[path = "../../../examples/ffi/rust/falign.rs"]
mod falign;

use falign::{Activation, Error, Matrix, Metric, Network, Quantity, Rule, Trainer, View};
use std::panic::{catch_unwind, UnwindSafe};

const WIDTHS: [usize; 3] = [4, 3, 2];

fn drawn() -> Result<(Network, Rule), Error> {
    let mut network = Network::new(&WIDTHS)?;
    let mut rule = Rule::new("fa", &network)?;
    network.draw(0.3, 0.3, 1, 0)?;
    rule.draw(0.3, 1, 0)?;
    Ok((network, rule))
}

fn assert_panics<T>(run: impl FnOnce() -> T + UnwindSafe, text: &str) {
    let payload = catch_unwind(|| drop(run())).expect_err(text);
    let message = payload.downcast_ref::<String>().expect("a message");
    assert!(message.contains(text), "{}", message);
}

/// A matrix of any steps has the elements that its description says.
fn test_views() {
    let numbers: Vec<f64> = (0..12).map(f64::from).collect();
    let all = View::new(&numbers, 3, 4);
    assert_eq!((all.rows(), all.cols(), all[(1, 2)]), (3, 4, 6.0));
    let transposed = all.transposed();
    assert_eq!((transposed.rows(), transposed.cols(), transposed[(2, 1)]), (4, 3, 6.0));
    assert_eq!(transposed.transposed().to_vec(), numbers);
    assert_eq!(View::strided(&numbers, 1, [2, 2], [8, 2]).to_vec(), [1.0, 3.0, 9.0, 11.0]);
    let turned = View::strided(&numbers, 11, [3, 4], [-4, -1]);
    assert_eq!(turned.to_vec(), (0..12).rev().map(f64::from).collect::<Vec<_>>());
    assert_eq!(View::new(&numbers[..0], 0, 4).to_vec(), []);

    let mut written = [0.0f32; 6];
    let mut matrix = Matrix::new(&mut written, 2, 3).transposed();
    matrix[(2, 1)] = 5.0;
    assert_eq!((matrix[(2, 1)], matrix.view()[(2, 1)]), (5.0, 5.0));
    assert_eq!(written, [0.0, 0.0, 0.0, 0.0, 0.0, 5.0]);
    Matrix::strided(&mut written, 4, [1, 2], [0, -2]).fill(7.0);
    assert_eq!(written, [0.0, 0.0, 7.0, 0.0, 7.0, 5.0]);
}

/// No view reaches beyond its slice, and no index beyond its matrix.
fn test_bounds() {
    let numbers = [0.0; 12];
    assert_panics(|| View::new(&numbers, 3, 5), "not the numbers of a 3 x 5 matrix");
    assert_panics(|| View::new(&numbers, usize::MAX, 2), "not the numbers");
    for (first, shape, steps) in [
        (0, [3, 4], [5, 1]),
        (1, [3, 4], [4, 1]),
        (12, [1, 1], [0, 0]),
        (usize::MAX, [1, 1], [0, 0]),
        (10, [3, 4], [-4, -1]),
        (0, [usize::MAX, 2], [1, 1]),
        (0, [3, 4], [isize::MAX, 1]),
        (0, [2, 2], [isize::MAX, isize::MAX]),
        (0, [2, 2], [isize::MIN, -1]),
    ] {
        assert_panics(|| View::strided(&numbers, first, shape, steps), "exceeds its 12 numbers");
    }
    let view = View::new(&numbers, 3, 4);
    assert_panics(|| view[(3, 0)], "has no element (3, 0)");
    assert_panics(|| view.transposed()[(0, 3)], "has no element (0, 3)");
    assert_panics(|| Metric::new("angle\0w"), "a name without zero bytes");
}

/// Weights go in and out in either precision and with any steps, and are changed in place.
fn test_weights() -> Result<(), Error> {
    let mut network = Network::new(&WIDTHS)?;
    let by_columns: Vec<f32> = (0..12).map(|i| i as f32).collect();
    network.set(Quantity::W, 0, &View::new(&by_columns, 3, 4).transposed())?;
    assert_eq!(network.view(Quantity::W, 0)?[(1, 2)], 9.0);
    let mut turned = [0.0; 12];
    network.get(Quantity::W, 0, &mut Matrix::strided(&mut turned, 11, [4, 3], [-1, -4]))?;
    assert_eq!(turned.map(|w| w as f32), *by_columns.iter().rev().copied().collect::<Vec<_>>());

    network.edit(Quantity::Bias, 1)?[(0, 2)] = 0.5;
    assert_eq!(network.view(Quantity::Bias, 1)?.to_vec(), [0.0, 0.0, 0.5]);
    assert_eq!(network.view(Quantity::Parameters, 0)?.cols(), 12 + 3 + 6 + 2);
    let error = network.view(Quantity::Bias, 0).err().expect("there is no b[0]");
    assert_eq!(error.status, falign::INVALID, "{}", error);
    let mut rule = Rule::new("bp", &network)?;
    let error = rule.view(Quantity::Feedback, 1).err().expect("BP has no B[1]");
    assert_eq!(error.status, falign::UNSUPPORTED, "{}", error);
    let one = [1.0];
    assert!(rule.set(Quantity::Feedback, 1, &View::new(&one, 1, 1)).is_err());
    for error in [Rule::new("grace", &network).err(), Activation::new("grace").err(), Metric::new("grace").err()] {
        assert_eq!(error.expect("there is no such name").status, falign::UNSUPPORTED);
    }
    // Two elements must not share a place.
    assert!(network.set(Quantity::W, 1, &View::strided(&one, 0, [3, 2], [0, 0])).is_err());
    Ok(())
}

/// One step of FA with inputs in columns against plain Rust: the trace has DW[1] = eta L[1]^T delta[2].
fn test_step() -> Result<(), Error> {
    let (mut network, mut rule) = drawn()?;
    network.set_activation(2, &Activation::new("linear")?)?;
    let feedback: Vec<f64> = (0..6).map(f64::from).collect();
    rule.set(Quantity::Feedback, 1, &View::new(&feedback, 2, 3))?;
    let mut trainer = Trainer::new(&mut network, &mut rule, 0.1)?;
    assert!(trainer.trace().is_none());
    let columns: Vec<f64> = (0..20).map(|i| (i as f64).sin()).collect();
    let x = View::new(&columns, 4, 5).transposed();
    let (mut y, targets) = ([0.0; 10], [1.0; 10]);
    trainer.forward(&x, &mut Matrix::new(&mut y, 5, 2))?;
    let before = trainer.network().view(Quantity::W, 1)?.to_vec();
    trainer.step(&x, &View::new(&targets, 5, 2))?;

    assert_eq!((trainer.iteration(), trainer.network().width(0)), (1, 4));
    assert_eq!(trainer.rule().view(Quantity::Feedback, 1)?.to_vec(), feedback);
    let trace = trainer.trace().expect("a trace of the step");
    assert_eq!((trace.step().iteration, trace.step().rows, trace.step().first_row), (0, 5, 0));
    assert_eq!(trace.step().eta, 0.1);
    let loss: f64 = y.iter().map(|y| (1.0 - y) * (1.0 - y) / 2.0).sum();
    assert!((trace.step().loss - loss).abs() < 1e-12);
    let (dw, w) = (trace.view(Quantity::Dw, 1)?, trainer.network().view(Quantity::W, 1)?);
    for i in 0..3 {
        for j in 0..2 {
            assert!((before[i * 2 + j] + dw[(i, j)] - w[(i, j)]).abs() < 1e-15);
        }
    }
    // Between steps the network and the rule are changed through their trainer.
    trainer.network_mut().edit(Quantity::W, 1)?.fill(0.0);
    trainer.rule_mut().draw(0.3, 2, 0)?;
    trainer.step(&x, &View::new(&targets, 5, 2))?;
    drop(trainer);
    assert!(rule.view(Quantity::Feedback, 1)?.to_vec() != feedback);
    Ok(())
}

/// A panic of an activation makes the network diverge; it neither ends the program nor is lost.
fn test_activation() -> Result<(), Error> {
    let (mut network, mut rule) = drawn()?;
    network.set_activation(1, &Activation::custom("panics", |_| panic!("no f today"), |_| 1.0)?)?;
    let mut trainer = Trainer::new(&mut network, &mut rule, 0.1)?;
    let (x, y) = ([1.0; 8], [1.0; 4]);
    let error = trainer.step(&View::new(&x, 2, 4), &View::new(&y, 2, 2)).expect_err("NaN");
    assert_eq!(error.status, falign::DIVERGED, "{}", error);
    Ok(())
}

fn main() -> Result<(), Error> {
    test_views();
    std::panic::set_hook(Box::new(|_| ())); // no report of the panics that are meant to happen
    test_bounds();
    test_activation()?;
    let _ = std::panic::take_hook();
    test_weights()?;
    test_step()
}
