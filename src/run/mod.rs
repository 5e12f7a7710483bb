//! What a run leaves on disk: its directory, manifest, metrics, event files and checkpoints.

#[cfg(feature = "cli")]
mod checkpoint;
#[cfg(feature = "cli")]
mod device;
#[cfg(feature = "cli")]
mod directory;
mod event_writer;
#[cfg(feature = "cli")]
mod manifest;
#[cfg(feature = "cli")]
mod metrics;

#[cfg(feature = "cli")]
pub use checkpoint::{CheckpointState, Checkpoints};
#[cfg(feature = "cli")]
pub use device::{DEVICES, open_device};
#[cfg(feature = "cli")]
pub use directory::{RunDirectory, write_atomically};
pub use event_writer::EventWriter;
#[cfg(feature = "cli")]
pub use manifest::Manifest;
#[cfg(feature = "cli")]
pub use metrics::{MetricsLog, Record};
