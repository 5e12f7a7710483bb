//! What a run leaves on disk: its directory, manifest, metrics, event files and checkpoints.

mod event_writer;
mod summary_value;

#[cfg(feature = "cli")]
mod checkpoint;
#[cfg(feature = "cli")]
mod device;
#[cfg(feature = "cli")]
mod directory;
#[cfg(feature = "cli")]
mod lock;
#[cfg(feature = "cli")]
mod manifest;
#[cfg(feature = "cli")]
mod metrics;
#[cfg(feature = "cli")]
mod sums;

pub use event_writer::EventWriter;
pub use summary_value::{Chart, HparamValue};

#[cfg(feature = "cli")]
pub use self::{
    checkpoint::{CheckpointState, Checkpoints, ValidationScore},
    device::{DEVICES, DeviceReport, open_device, usable_devices},
    directory::{RunDirectory, write_atomically},
    lock::RunLock,
    manifest::{Manifest, Session},
    metrics::{MetricsLog, Record},
    sums::sha256_hex,
};
