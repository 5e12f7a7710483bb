//! Fused operations: the costly operations of a transformer, each as one node of the graph on the CPU.
//!
//! Burn's CPU backend computes softmax and GELU value by value on one thread, and records them and layer
//! norm as several operations. Each file here holds one function in two forms: a vectorised one with its own
//! backward pass for the CPU backend in single precision, and one in Burn's operations for every other
//! device, precision and graph. Sums run in blocks of fixed size, so results do not depend on the number of
//! threads.

mod adamw;
mod attention;
mod gelu;
mod given_gradient;
mod layer_norm;
mod linear;
#[cfg(feature = "flex")]
mod matmul;
#[cfg(feature = "flex")]
mod node;
mod read_values;
mod selected_rows;
#[cfg(feature = "flex")]
mod simd;

pub use adamw::AdamW;
pub use attention::{MixedTokens, attention};
pub use gelu::{Gelu, gelu};
pub(crate) use given_gradient::{linearised, with_gradient};
pub use layer_norm::layer_norm;
pub use linear::linear;
pub use read_values::ReadCount;
pub(crate) use read_values::{
    HostReads, ReadPlace, ReadValues, is_on_host, read_value, read_values,
};
pub(crate) use selected_rows::{SelectedRows, as_one_node, copy_to_host, select_on_host};
