//! Where diagrams are computed.

/// Where distances and diagrams are computed.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::loss::{Activations, Clock, TopologyPenalty, TopologyRegularizer};
/// use burn_topology::nn::Engine;
///
/// let layer = || Tensor::<4>::full([1, 2, 5, 5], 0.2, &Device::flex());
/// let activations = Activations::from_attention(vec![layer(), layer()], 0);
/// let loss = |engine| {
///     let regularizer = TopologyRegularizer::new(vec![TopologyPenalty::new(1)])?;
///     regularizer.with_engine(engine).forward(&activations, Clock::default())
/// };
/// // The rows of this device are on the host anyway.
/// assert_eq!(loss(Engine::Device)?.terms, loss(Engine::Host)?.terms);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Engine {
    /// Where the rows are: on a graphics card by its kernels, if they know the distance and the dimension.
    #[default]
    Device,
    /// On the processor, to which the rows are copied.
    Host,
}
