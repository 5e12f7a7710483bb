//! What a run leaves on disk: its directory, manifest, metrics, event files and checkpoints.

mod checkpoint;
mod device;
mod directory;
mod event_writer;
mod manifest;
mod metrics;

pub use checkpoint::{CheckpointState, Checkpoints};
pub use device::{DEVICES, open_device};
pub use directory::{RunDirectory, write_atomically};
pub use event_writer::EventWriter;
pub use manifest::Manifest;
pub use metrics::{MetricsLog, Record};
