//! The optimiser of a configuration, and the record of its state.

use std::io;

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{LionConfig, ModuleOptimizer, SgdConfig};
use burn_pack::{Reader, Writer};

use crate::config::{OptimizerSpec, UpdateRule};
use crate::fused::AdamW;

/// Creates the optimiser, without its state.
///
/// ```text
/// AdamW:  see `fused::AdamW`
/// SGD:    v <- momentum v + g + weight_decay x,    x <- x - lr v      (Nesterov: x - lr (momentum v + g + weight_decay x))
/// Lion:   u = sign(0.9 m + 0.1 g),   m <- 0.99 m + 0.01 g,   x <- (1 - lr weight_decay) x - lr u
/// ```
///
/// With L2-SP, which takes the place of weight decay, the optimiser itself has none.
///
/// # Source
///
/// SGD as in PyTorch; Chen et al., "Symbolic Discovery of Optimization Algorithms", NeurIPS 2023, algorithm 2.
pub(super) fn optimizer(spec: &OptimizerSpec) -> ModuleOptimizer {
    let weight_decay = match spec.l2_sp {
        None => spec.weight_decay as f32,
        Some(_) => 0.0,
    };
    match spec.rule {
        UpdateRule::AdamW => ModuleOptimizer::from(AdamW {
            weight_decay,
            ..AdamW::default()
        }),
        UpdateRule::Sgd { momentum, nesterov } => {
            // Burn dampens the gradient unless told otherwise; PyTorch does not.
            let momentum = (momentum > 0.0).then(|| {
                MomentumConfig::new()
                    .with_momentum(momentum)
                    .with_dampening(0.0)
                    .with_nesterov(nesterov)
            });
            let decay = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay));
            SgdConfig::new()
                .with_momentum(momentum)
                .with_weight_decay(decay)
                .init()
        }
        UpdateRule::Lion => LionConfig::new().with_weight_decay(weight_decay).init(),
    }
}

/// Record of the state of an optimiser, which [`ModuleOptimizer::load`] reads; equal states are equal bytes.
///
/// Burn keeps the state by parameter in a hash map, whose order differs from process to process, and writes it in this
/// order. Here the tensors are in the order of their names.
///
/// # Errors
///
/// The state cannot be encoded.
pub(super) fn optimizer_record(optimizer: &ModuleOptimizer) -> io::Result<Writer> {
    let record = optimizer.into_bytes().map_err(io::Error::other)?;
    let reader = Reader::from_bytes(record).map_err(io::Error::other)?;
    let scalars = reader.scalars().clone();
    let metadata = reader.metadata().clone();
    let mut tensors = reader.into_tensors().map_err(io::Error::other)?;
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut writer = Writer::new(tensors);
    for (name, value) in &scalars {
        writer = writer.with_scalar(name, *value);
    }
    for (name, value) in &metadata {
        writer = writer.with_metadata(name, value);
    }
    Ok(writer)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::module::Param;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::GradientsParams;
    use burn::prelude::*;

    use super::*;

    /// Values of one weight that starts at 2, after each of three steps with the gradient 1.
    fn trajectory(rule: UpdateRule, weight_decay: f64) -> [f32; 3] {
        let device = Device::flex().autodiff();
        let mut layer: Linear = LinearConfig::new(1, 1).with_bias(false).init(&device);
        layer.weight = Param::from_tensor(Tensor::from_floats([[2.0]], &device));
        let mut optimizer = optimizer(&OptimizerSpec {
            rule,
            lr: 0.1,
            weight_decay,
            l2_sp: None,
            layer_decay: 1.0,
        });
        [0; 3].map(|_| {
            let loss = layer.forward(Tensor::<2>::ones([1, 1], &device)).sum();
            let gradients = GradientsParams::from_grads(loss.backward(), &layer);
            layer = optimizer.step(0.1, layer.clone(), gradients);
            layer.weight.val().into_scalar::<f32>()
        })
    }

    fn assert_close(actual: [f32; 3], expected: [f32; 3]) {
        for (value, expected) in actual.iter().zip(expected) {
            assert!((value - expected).abs() < 1e-5, "{actual:?}");
        }
    }

    #[test]
    fn sgd_follows_its_formula() {
        let sgd = |momentum, nesterov| UpdateRule::Sgd { momentum, nesterov };
        assert_close(trajectory(sgd(0.0, false), 0.0), [1.9, 1.8, 1.7]);
        // v: 1, 1.5, 1.75.
        assert_close(trajectory(sgd(0.5, false), 0.0), [1.9, 1.75, 1.575]);
        // v / 2 + 1: 1.5, 1.75, 1.875.
        assert_close(trajectory(sgd(0.5, true), 0.0), [1.85, 1.675, 1.4875]);
        // The gradient is 1 + x / 2: 2, 1.9, 1.805.
        assert_close(trajectory(sgd(0.0, false), 0.5), [1.8, 1.61, 1.4295]);
    }

    #[test]
    fn lion_moves_by_the_sign_and_decays() {
        assert_close(trajectory(UpdateRule::Lion, 0.0), [1.9, 1.8, 1.7]);
        // x <- 0.95 x - 0.1
        assert_close(trajectory(UpdateRule::Lion, 0.5), [1.8, 1.61, 1.4295]);
    }

    #[test]
    fn adamw_moves_by_the_learning_rate_and_decays() {
        let expected = [1.8, 1.61, 1.4295];
        assert_close(trajectory(UpdateRule::AdamW, 0.5), expected);
    }

    #[test]
    fn equal_states_are_equal_files() {
        let device = Device::flex().autodiff();
        // More parameters than would be in the same order by chance.
        let mut layers = [0; 8].map(|_| -> Linear { LinearConfig::new(2, 2).init(&device) });
        let spec = OptimizerSpec {
            rule: UpdateRule::AdamW,
            lr: 0.1,
            weight_decay: 0.0,
            l2_sp: None,
            layer_decay: 1.0,
        };
        let mut trained = optimizer(&spec);
        let input = Tensor::<2>::ones([1, 2], &device);
        let output = layers.iter().fold(input, |x, layer| layer.forward(x));
        let gradients = GradientsParams::from_grads(output.sum().backward(), &layers);
        layers = trained.step(0.1, layers, gradients);
        let directory = std::env::temp_dir().join(format!("optimizer-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("optimizer.bpk");
        let save = |optimizer: &ModuleOptimizer| {
            let record = optimizer_record(optimizer).unwrap();
            record.write_to_file(&path).unwrap();
        };
        save(&trained);
        let written = std::fs::read(&path).unwrap();
        for _ in 0..4 {
            let loaded = optimizer(&spec).load(&path).unwrap();
            save(&loaded);
            assert!(std::fs::read(&path).unwrap() == written);
        }
        // Nothing is lost: the next step is that of the state that was never saved.
        let mut loaded = optimizer(&spec).load(&path).unwrap();
        let next = |optimizer: &mut ModuleOptimizer| {
            let input = Tensor::<2>::ones([1, 2], &device);
            let output = layers.iter().fold(input, |x, layer| layer.forward(x));
            let gradients = GradientsParams::from_grads(output.sum().backward(), &layers);
            let layers = optimizer.step(0.1, layers.clone(), gradients);
            layers[3]
                .weight
                .val()
                .into_data()
                .try_into_vec::<f32>()
                .unwrap()
        };
        assert_eq!(next(&mut loaded), next(&mut trained));
        std::fs::remove_dir_all(directory).unwrap();
    }
}
