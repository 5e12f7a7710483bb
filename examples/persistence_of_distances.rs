//! Opens loops in a cloud of points, by a custom loss on births and deaths.
//!
//! Run it with `cargo run --release --example persistence_of_distances`. It prints the persistence of the longest
//! bar of dimension 1, which grows.

use burn_topology::burn;

use burn::prelude::*;
use burn::tensor::Distribution;
use burn_topology::nn::Persistence;

/// Computes Euclidean distances between points: `[batch, point, coordinate]` to `[batch, point, point]`.
fn distances(points: Tensor<3>) -> Tensor<3> {
    let n_points = points.dims()[1];
    let difference = points.clone().unsqueeze_dim::<4>(1) - points.unsqueeze_dim::<4>(2);
    let squared = difference.square().sum_dim(3).squeeze_dim::<3>(3);
    // The root has an infinite slope at 0, which would turn the gradient 0 of the diagonal into NaN. So 1 is
    // added to the diagonal before the root, and subtracted after it.
    let diagonal = Tensor::<2>::eye(n_points, &squared.device()).unsqueeze::<3>();
    (squared + diagonal.clone()).sqrt() - diagonal
}

/// Trains for some steps, and returns the persistence of the longest bar of dimension 1 before each step.
pub fn train(n_steps: usize) -> burn_topology::Result<Vec<f64>> {
    let device = Device::flex().autodiff();
    device.seed(0);
    let persistence = Persistence::new(1)?;
    let mut points = Tensor::<3>::random([1, 40, 2], Distribution::Uniform(-1.0, 1.0), &device);

    let mut history = Vec::new();
    for _ in 0..n_steps {
        let tracked = points.require_grad();
        let diagrams = persistence.distances(distances(tracked.clone()))?;
        history.push(diagrams.diagrams(0)[1].largest_persistence());

        // Any function of births and deaths will do. Squares favour one long bar over several short ones.
        let bars = diagrams.bars(1);
        let loss = (bars.deaths - bars.births).square().sum().neg();
        let Some(gradient) = tracked.grad(&loss.backward()) else {
            break;
        };
        // Points are kept within the square; otherwise the loop would grow without end.
        points = (tracked.inner() - gradient * 0.1)
            .clamp(-1.0, 1.0)
            .autodiff();
    }
    Ok(history)
}

#[allow(
    dead_code,
    reason = "tests include this file as a module and call `train`"
)]
fn main() -> burn_topology::Result<()> {
    for (step, longest) in train(101)?.into_iter().enumerate().step_by(20) {
        println!("step {step:3}  longest bar {longest:.4}");
    }
    Ok(())
}
