//! Selection of attention rows: the distributions between which distances are taken.

use burn::prelude::*;
use burn::tensor::DType;

use crate::counted::counted;
use crate::error::{Error, Result};
use crate::fused::{HostReads, SelectedRows, as_one_node, is_on_host, select_on_host};

/// Heads of which distance matrices are computed: their mean, or each on its own.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::{AttentionRows, Heads, Tokens};
///
/// let weights = Tensor::<4>::full([2, 3, 5, 5], 1.0 / 5.0, &Device::flex());
/// let dims = |heads| {
///     let rows = AttentionRows { heads, tokens: Tokens::All, n_prefix_tokens: 1 };
///     rows.select(weights.clone()).map(|rows| rows.dims())
/// };
/// assert_eq!(dims(Heads::Mean)?, [2, 5, 5]);
/// assert_eq!(dims(Heads::Each)?, [6, 5, 5]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Heads {
    /// Mean of all heads: one matrix per image.
    #[default]
    Mean,
    /// Each head on its own: `n_heads` matrices per image.
    Each,
}

/// Tokens that are the points of the filtration, and the columns of their attention rows.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::{AttentionRows, Heads, Tokens};
///
/// // One class token and four patches.
/// let weights = Tensor::<4>::full([2, 3, 5, 5], 1.0 / 5.0, &Device::flex());
/// let dims = |tokens| {
///     let rows = AttentionRows { heads: Heads::Mean, tokens, n_prefix_tokens: 1 };
///     rows.select(weights.clone()).map(|rows| rows.dims())
/// };
/// assert_eq!(dims(Tokens::Patches)?, [2, 4, 4]);
/// assert_eq!(dims(Tokens::All)?, [2, 5, 5]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "cli",
    derive(clap::ValueEnum),
    value(rename_all = "snake_case")
)]
pub enum Tokens {
    /// Patch tokens only; their rows are renormalised over the patches.
    #[default]
    Patches,
    /// All tokens, including class and register tokens.
    All,
}

/// Selection of attention rows as distributions over tokens.
///
/// ```text
/// row_i = (a_i1, ..., a_in) / (a_i1 + ... + a_in)      over the selected tokens
/// ```
///
/// # Example
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::prelude::*;
/// use burn_topology::nn::{AttentionRows, Heads, Tokens};
///
/// // A class token that takes half of each row, and two patches.
/// let weights = [[0.5, 0.25, 0.25], [0.5, 0.5, 0.0], [0.5, 0.1, 0.4]];
/// let weights = Tensor::<4>::from_data([[weights]], &Device::flex());
/// let rows = AttentionRows { heads: Heads::Mean, tokens: Tokens::Patches, n_prefix_tokens: 1 };
/// let rows = rows.select(weights.clone())?;
/// assert_eq!(rows.into_data().try_into_vec::<f32>().unwrap(), [1.0, 0.0, 0.2, 0.8]);
/// # }
/// # Ok::<(), burn_topology::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionRows {
    /// Heads that are selected: their mean, or each on its own.
    pub heads: Heads,
    /// Tokens that are selected: the patches, or all.
    pub tokens: Tokens,
    /// Number of tokens before the first patch: class token, register tokens.
    pub n_prefix_tokens: usize,
}

impl AttentionRows {
    /// Returns the selected rows, renormalised: `[n_items, n_points, n_points]`.
    ///
    /// # Shapes
    ///
    /// - `weights`: `[batch_size, n_heads, n_tokens, n_tokens]`, after softmax and before dropout
    /// - output: `n_items` is `batch_size`, or `batch_size * n_heads` if each head is an item; heads vary
    ///   faster than images
    ///
    /// # Gradient
    ///
    /// Through the mean, the selection and the renormalisation.
    ///
    /// # Errors
    ///
    /// - [`Error::is_invalid_distribution`] if a row does not sum to one within 1e-4 (64 bits: 1e-9, 16 bits:
    ///   1e-2), is NaN or has no weight on the patches, or if the numbers of rows and columns differ.
    /// - [`Error::is_invalid_parameter`] if there is no patch.
    /// - [`Error::is_device_error`] if sums of rows cannot be read from their device.
    ///
    /// # Cost
    ///
    /// A few passes over the weights; one or two numbers per row are copied to the host, in one read.
    pub fn select(&self, weights: Tensor<4>) -> Result<Tensor<3>> {
        let mut reads = HostReads::default();
        let rows = self.select_later(weights, &mut reads)?;
        reads.execute()?.check()?;
        Ok(rows)
    }

    /// Does the same, but leaves checks that need values of another device to a later read.
    pub(crate) fn select_later(
        &self,
        weights: Tensor<4>,
        reads: &mut HostReads,
    ) -> Result<Tensor<3>> {
        let [_, _, n_tokens, n_columns] = weights.dims();
        if n_tokens != n_columns {
            return Err(Error::invalid_distribution(format!(
                "attention has {n_tokens} rows and {n_columns} columns, expected self-attention over the same tokens"
            )));
        }
        if self.tokens == Tokens::Patches && self.n_prefix_tokens >= n_tokens {
            return Err(Error::invalid_parameter(format!(
                "attention has {}, of which {} come before the patches, expected at least one patch",
                counted(n_tokens, "token"),
                self.n_prefix_tokens
            )));
        }
        // The tolerance is that of the precision in which the softmax ran, before the cast.
        let tolerance = row_sum_tolerance(weights.dtype());
        let weights = match weights.dtype() {
            DType::F64 | DType::F32 => weights,
            _ => weights.cast(DType::F32),
        };
        let mut select = |weights| self.renormalised(weights, tolerance, reads);
        // One node of the graph instead of one per operation, where the backend is known.
        match as_one_node(&weights, &mut select) {
            Some(rows) => rows,
            None => Ok(select(weights)?.rows),
        }
    }

    /// Selects and renormalises rows, and checks their sums, or adds them to those that are read and checked later.
    fn renormalised(
        &self,
        weights: Tensor<4>,
        tolerance: f64,
        reads: &mut HostReads,
    ) -> Result<SelectedRows> {
        let [_, n_heads, n_tokens, _] = weights.dims();
        let takes_mean = self.heads == Heads::Mean;
        let first = match self.tokens {
            Tokens::All => 0,
            Tokens::Patches => self.n_prefix_tokens,
        };
        let n_heads = (!takes_mean).then_some(n_heads);
        let mut own_reads = HostReads::default();
        let selected = match select_on_host(&weights, takes_mean, first) {
            Some((selected, totals)) => {
                // All rows are checked, also those of prefix tokens: a wrong one shows that the weights are wrong.
                check_totals(&totals, n_tokens, n_heads, tolerance)?;
                self.check_patches(&selected, n_heads, &mut own_reads);
                own_reads.execute()?.check()?;
                selected
            }
            None => {
                let is_on_host = is_on_host(&weights.device());
                let reads = if is_on_host { &mut own_reads } else { reads };
                let (selected, totals) = select(weights, takes_mean, first);
                reads.add_check(totals, move |totals| {
                    check_totals(&totals, n_tokens, n_heads, tolerance)
                });
                self.check_patches(&selected, n_heads, reads);
                // On a backend of the processor nothing is won by waiting.
                own_reads.execute()?.check()?;
                selected
            }
        };
        Ok(selected)
    }

    /// Checks that every row has some weight on the patches.
    ///
    /// A class token can attract so much of a row that the weights on all patches underflow to 0. Such a row was
    /// divided by 0 and is NaN. Rows over all tokens sum to 1.
    fn check_patches(
        &self,
        selected: &SelectedRows,
        n_heads: Option<usize>,
        reads: &mut HostReads,
    ) {
        let n_prefix_tokens = self.n_prefix_tokens;
        if self.tokens == Tokens::All || n_prefix_tokens == 0 {
            return;
        }
        let n_patches = selected.sums.dims()[1];
        reads.add_check(selected.sums.clone(), move |sums| {
            let Some(bad) = sums.iter().position(|&sum| sum <= 0.0) else {
                return Ok(());
            };
            let token = n_prefix_tokens + bad % n_patches;
            Err(Error::invalid_distribution(format!(
                "attention row ({}) has no weight on the patches, expected some; compare all tokens instead",
                describe_row(bad / n_patches, n_heads, token)
            )))
        });
    }
}

/// Selects rows with Burn's operations; also returns the sums of all rows, `[n_items, n_tokens, 1]`.
fn select(weights: Tensor<4>, takes_mean: bool, first: usize) -> (SelectedRows, Tensor<3>) {
    let [batch_size, n_heads, n_tokens, _] = weights.dims();
    let rows: Tensor<3> = if takes_mean {
        weights.mean_dim(1).squeeze_dim(1)
    } else {
        weights.reshape([batch_size * n_heads, n_tokens, n_tokens])
    };
    let totals = rows.clone().sum_dim(2);
    let n_items = rows.dims()[0];
    let rows = rows.slice([0..n_items, first..n_tokens, first..n_tokens]);
    let sums = rows.clone().sum_dim(2); // [item, token, 1]
    let rows = rows / sums.clone();
    (SelectedRows { rows, sums }, totals)
}

/// Largest deviation of a row's sum from 1 that rounding alone can cause.
fn row_sum_tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-9,
        DType::F16 | DType::BF16 => 1e-2,
        _ => 1e-4,
    }
}

/// Checks that the sums of all rows, `[n_items, n_tokens]`, are one within the tolerance.
fn check_totals(
    totals: &[f64],
    n_tokens: usize,
    n_heads: Option<usize>,
    tolerance: f64,
) -> Result<()> {
    // NaN is tested for, because every comparison with it is false.
    let is_off = |sum: &f64| sum.is_nan() || (sum - 1.0).abs() > tolerance;
    let Some(bad) = totals.iter().position(is_off) else {
        return Ok(());
    };
    let advice = if totals[bad].is_nan() {
        "the model's output is not finite"
    } else {
        "pass weights from after softmax and before dropout"
    };
    Err(Error::invalid_distribution(format!(
        "attention row ({}) sums to {:.4}, expected 1 within {tolerance:.0e}; {advice}",
        describe_row(bad / n_tokens, n_heads, bad % n_tokens),
        totals[bad]
    )))
}

/// Describes a row in an error message by its image, head and token; `n_heads` is `None` for their mean.
fn describe_row(item: usize, n_heads: Option<usize>, token: usize) -> String {
    match n_heads {
        None => format!("image {item}, mean of heads, token {token}"),
        Some(n_heads) => format!(
            "image {}, head {}, token {token}",
            item / n_heads,
            item % n_heads
        ),
    }
}
