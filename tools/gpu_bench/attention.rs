//! Synthetic attention rows.

use burn_topology::burn::prelude::*;
use burn_topology::burn::tensor::activation::softmax;
use clap::ValueEnum;

/// Kind of attention.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Kind {
    /// Each token attends to those near it on a line, which is the usual case after some training.
    Structured,
    /// Independent scores, as at the start of a training; the slow case for persistence and matching.
    Random,
    /// Rows that nearly agree.
    Collapsed,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Structured, Self::Random, Self::Collapsed];

    /// Rows: `[batch_size, n_points, n_points]`, the same on every device.
    pub fn rows(self, [batch_size, n_points]: [usize; 2], device: &Device) -> Tensor<3> {
        let mut state = 1u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32
        };
        let mut scores = Vec::with_capacity(batch_size * n_points * n_points);
        for _ in 0..batch_size {
            for i in 0..n_points {
                for j in 0..n_points {
                    let apart = (i as f32 - j as f32).abs() / n_points as f32;
                    scores.push(match self {
                        Self::Structured => 1.0 - 12.0 * apart + 0.5 * random(),
                        Self::Random => 4.0 * random(),
                        Self::Collapsed => 0.01 * random(),
                    });
                }
            }
        }
        // On the host, because softmax differs between devices in its last digits.
        let scores = TensorData::new(scores, [batch_size, n_points, n_points]);
        let rows = softmax(Tensor::<3>::from_data(scores, &Device::flex()), 2);
        Tensor::from_data(rows.into_data(), device)
    }
}
