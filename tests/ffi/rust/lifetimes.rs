// SPDX-License-Identifier: Apache-2.0

//! Programs that the compiler must reject, each with its error, and one that it must accept; see test_lifetimes.sh.

#[path = "../../../examples/ffi/rust/falign.rs"]
mod falign;

use falign::{Matrix, Network, Quantity, Rule, Trainer, View};

fn main() -> falign::Result<()> {
    let mut network = Network::new(&[4, 3, 2])?;
    let mut other = Network::new(&[4, 3, 2])?;
    let mut rule = Rule::new("fa", &network)?;
    let mut numbers = vec![0.0; 12];
    let (x, y) = (vec![0.0; 4], vec![0.0; 2]);

    #[cfg(case = "accepted")]
    {
        let w = network.view(Quantity::W, 0)?;
        let sum = w[(0, 0)] + w[(0, 1)];
        network.edit(Quantity::W, 0)?[(0, 0)] = sum;
        let mut trainer = Trainer::new(&mut network, &mut rule, 0.1)?;
        trainer.step(&View::new(&x, 1, 4), &View::new(&y, 1, 2))?;
        std::mem::swap(trainer.network_mut(), &mut *other); // moves nothing: there is nothing behind the reference
        other.set(Quantity::W, 0, &View::new(&numbers, 4, 3))?;
    }
    #[cfg(case = "E0505: a view outlives its network")]
    {
        let w = network.view(Quantity::W, 0)?;
        drop(network);
        let _ = w[(0, 0)];
    }
    #[cfg(case = "E0502: a network changes under a view")]
    {
        let w = network.view(Quantity::W, 0)?;
        network.draw(0.3, 0.3, 1, 0)?;
        let _ = w[(0, 0)];
    }
    #[cfg(case = "E0499: a matrix is lent twice for writing")]
    {
        let mut w = network.edit(Quantity::W, 0)?;
        network.edit(Quantity::W, 0)?.fill(0.0);
        w.fill(0.0);
    }
    #[cfg(case = "E0505: a view outlives its numbers")]
    {
        let view = View::new(&numbers, 4, 3);
        drop(numbers);
        network.set(Quantity::W, 0, &view)?;
    }
    #[cfg(case = "E0502: numbers are read while a matrix is lent for writing")]
    {
        let mut matrix = Matrix::new(&mut numbers, 4, 3);
        let _ = numbers[0];
        matrix.fill(0.0);
    }
    #[cfg(case = "E0502: weights are viewed beside a trainer that changes them")]
    {
        let mut trainer = Trainer::new(&mut network, &mut rule, 0.1)?;
        let w = network.view(Quantity::W, 0)?;
        trainer.step(&View::new(&x, 1, 4), &View::new(&y, 1, 2))?;
        let _ = w[(0, 0)];
    }
    #[cfg(case = "E0502: a trace is kept beyond the next step")]
    {
        let mut trainer = Trainer::new(&mut network, &mut rule, 0.1)?;
        let dw = trainer.trace().expect("a step").view(Quantity::Dw, 0)?;
        trainer.step(&View::new(&x, 1, 4), &View::new(&y, 1, 2))?;
        let _ = dw[(0, 0)];
    }
    #[cfg(case = "E0505: a rule is dropped while its trainer uses it")]
    {
        let mut trainer = Trainer::new(&mut network, &mut rule, 0.1)?;
        drop(rule);
        trainer.step(&View::new(&x, 1, 4), &View::new(&y, 1, 2))?;
    }
    #[cfg(case = "E0521: a closure keeps a matrix that it was lent")]
    {
        let mut kept = None;
        let _ = |rule: &falign::RuleRef| {
            kept = rule.view(Quantity::Feedback, 1).ok();
        };
    }
    #[cfg(case = "E0277: a network is sent to another thread")]
    {
        std::thread::spawn(move || network.draw(0.3, 0.3, 1, 0).is_ok());
    }
    Ok(())
}
