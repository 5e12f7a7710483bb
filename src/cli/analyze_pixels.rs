//! `analyze --pixels`: bars of pictures and clips, drawn over their pixels.

use std::path::Path;

use super::Failure;
use super::output::log;
use super::progress::Bar;
use super::tables::counted;
use crate::analysis::pixels::{PixelBars, write_report};
use crate::run::OutputDirectory;

/// Least persistence of bars if none is given.
const DEFAULT_MIN_PERSISTENCE: f64 = 0.05;

/// Computes the bars of files, and writes the report.
pub(super) fn run(
    files: &[impl AsRef<Path>],
    min_persistence: Option<f64>,
    report: &Path,
    replaces_others: bool,
) -> Result<(), Failure> {
    // Before the computation, so that a directory that cannot be written is reported at once.
    let output = OutputDirectory::create(report, "analyze", replaces_others)?;
    let mut bar = Bar::new(files.len(), "files");
    let min_persistence = min_persistence.unwrap_or(DEFAULT_MIN_PERSISTENCE);
    let bars = PixelBars::of_files(files, min_persistence, |n_done| bar.set(n_done));
    bar.finish();
    let bars = bars?;
    let command: Vec<String> = std::env::args().collect();
    write_report(output, &command.join(" "), &bars)?;
    let n_bars: usize = bars.images.iter().map(|image| image.bars.len()).sum();
    log(&format!(
        "{} of {}; report: {}",
        counted(n_bars, "bar"),
        counted(files.len(), "file"),
        report.join("report.html").display()
    ));
    Ok(())
}
