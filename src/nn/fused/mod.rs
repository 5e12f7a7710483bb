//! The operations that take most of a transformer's step, each as one node of the graph on the CPU.
//!
//! Burn's CPU backend computes softmax and GELU value by value on one thread, and differentiates them
//! and layer norm in parts. Each file here has the function, the same in Burn's operations for every
//! other device, precision and recomputed graph, and the vectorised form with its own backward pass.
//! Sums run in blocks of fixed size: results do not depend on the number of threads.

mod attention;
mod gelu;
mod layer_norm;
mod linear;
#[cfg(feature = "flex")]
mod matmul;
#[cfg(feature = "flex")]
mod node;
#[cfg(feature = "flex")]
mod simd;

pub use attention::{MixedTokens, attention};
pub use gelu::{Gelu, gelu};
pub use layer_norm::layer_norm;
pub use linear::linear;
