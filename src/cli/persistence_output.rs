//! What `persistence` writes and prints, for matrices and for images.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::output::log;

/// Result of `persistence`.
pub(super) struct Output {
    /// Archive with the diagrams.
    pub(super) archive: Vec<u8>,
    /// Description of the input, which is stored with the diagrams.
    pub(super) description: Value,
    /// Summary of each homology dimension.
    pub(super) dimensions: Vec<Value>,
}

/// Progress bar on stderr; hidden for a single item.
pub(super) fn progress_bar(n_items: usize, what: &str) -> ProgressBar {
    if n_items == 1 {
        return ProgressBar::hidden();
    }
    let template = format!("{{bar:24}} {{pos}}/{{len}} {what} [{{elapsed}}<{{eta}}] {{per_sec}}");
    let style = ProgressStyle::with_template(&template);
    let bar = ProgressBar::with_draw_target(Some(n_items as u64), ProgressDrawTarget::stderr());
    match style {
        Ok(style) => bar.with_style(style),
        Err(error) => {
            log(&format!("no progress bar: {error}"));
            bar
        }
    }
}

/// Summary of the diagrams of one homology dimension: sums and means over the items.
///
/// `persistences` are those of all bars, `inf` for essential ones.
pub(super) fn summarize(
    dim: usize,
    n_items: usize,
    persistences: impl Iterator<Item = f64> + Clone,
) -> Value {
    let finite = || persistences.clone().filter(|x| x.is_finite());
    // The sum of no numbers is -0.
    let total: f64 = finite().sum::<f64>() + 0.0;
    json!({
        "homology_dim": dim,
        "n_finite": finite().count(),
        "n_essential": persistences.clone().filter(|x| x.is_infinite()).count(),
        "mean_total_persistence": total / n_items.max(1) as f64,
        "longest": finite().fold(0.0, f64::max),
    })
}
