//! A loop that takes long, by which drivers are found that end such loops early.

use cubecl::prelude::*;

/// Number of steps of the loop: more than any kernel takes for the largest items, and few enough to take a few milliseconds.
pub(in crate::gpu) const N_STEPS: u32 = 1 << 18;

/// Writes the word that follows another one after [`N_STEPS`] steps of a linear congruential generator.
#[cube(launch_unchecked)]
pub(in crate::gpu) fn long_loop(first: &[u32], last: &mut [u32]) {
    if UNIT_POS == 0 {
        let mut state = first[0];
        let mut step = 0u32;
        while step < N_STEPS {
            state = state * 1_664_525u32 + 1_013_904_223u32;
            step += 1;
        }
        last[0] = state;
    }
}

/// The word that [`long_loop`] has to return.
pub(in crate::gpu) fn expected(word: u32) -> u32 {
    (0..N_STEPS).fold(word, |state, _| {
        state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)
    })
}
