//! Bars of a batch as one table with a row for each item, filled up to the longest.

use burn::prelude::*;

use super::diagram_batch::BarTensors;

/// Births and deaths of a batch, `[n_items, n_slots]`; slots beyond the bars of an item are filled.
pub(super) struct PaddedBars {
    pub(super) births: Tensor<2>,
    pub(super) deaths: Tensor<2>,
    /// 1 where a slot holds a bar, 0 where it is filled: `[n_items, n_slots]`.
    pub(super) is_bar: Tensor<2>,
}

impl PaddedBars {
    /// Arranges flat bars by item; `None` if there are no bars at all.
    pub(super) fn new(bars: &BarTensors) -> Option<Self> {
        let sizes = bars.offsets.windows(2).map(|ends| ends[1] - ends[0]);
        let n_slots = sizes.clone().max().filter(|&n| n > 0)?;
        let n_items = sizes.len();
        let (mut indices, mut is_bar) = (Vec::new(), Vec::new());
        for (size, start) in sizes.zip(&bars.offsets) {
            for slot in 0..n_slots {
                let holds_bar = slot < size;
                // Filled slots repeat the first bar of all, which exists; `is_bar` takes it out again.
                indices.push(if holds_bar { start + slot } else { 0 } as i64);
                is_bar.push(f32::from(u8::from(holds_bar)));
            }
        }
        let shape = [n_items, n_slots];
        let (device, dtype) = (bars.deaths.device(), bars.deaths.dtype());
        let indices =
            Tensor::<1, Int>::from_data(TensorData::new(indices, [n_items * n_slots]), &device);
        let arrange = |flat: &Tensor<1>| flat.clone().select(0, indices.clone()).reshape(shape);
        Some(Self {
            births: arrange(&bars.births),
            deaths: arrange(&bars.deaths),
            is_bar: Tensor::from_data(TensorData::new(is_bar, shape), (&device, dtype)),
        })
    }
}
