//! What TensorBoard shows beside numbers.

use std::io;

use super::monitor::LayerMonitor;
use super::summary::Summary;
use crate::config::Config;
use crate::run::EventWriter;

/// The configuration.
pub(super) fn start(events: &mut EventWriter, config: &Config) -> io::Result<()> {
    let _ = (events, config);
    Ok(())
}
pub(super) fn lifetimes(
    events: &mut EventWriter,
    monitor: &LayerMonitor,
    step: usize,
) -> io::Result<()> {
    let _ = (events, monitor, step);
    Ok(())
}
pub(super) fn pictures(
    events: &mut EventWriter,
    monitor: &LayerMonitor,
    step: usize,
) -> io::Result<()> {
    let _ = (events, monitor, step);
    Ok(())
}
pub(super) fn finish(events: &mut EventWriter, summary: &Summary) -> io::Result<()> {
    let _ = (events, summary);
    Ok(())
}
