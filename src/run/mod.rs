//! Files of a run: its directory, manifest, metrics, event files and checkpoints.

mod event_writer;
mod tensorboard_values;

#[cfg(feature = "cli")]
mod atomic_file;
#[cfg(feature = "cli")]
mod checkpoint;
#[cfg(feature = "cli")]
mod checkpoint_state;
#[cfg(feature = "cli")]
mod checksums;
#[cfg(feature = "cli")]
mod config_check;
#[cfg(feature = "cli")]
mod device;
#[cfg(feature = "cli")]
mod directory;
#[cfg(feature = "cli")]
mod exchange;
#[cfg(feature = "cli")]
mod extension;
#[cfg(feature = "cli")]
mod files_below;
#[cfg(feature = "cli")]
mod host;
#[cfg(feature = "cli")]
mod lock;
#[cfg(feature = "cli")]
mod machine_memory;
#[cfg(feature = "cli")]
mod manifest;
#[cfg(feature = "cli")]
mod metrics;
#[cfg(feature = "cli")]
mod output_directory;
#[cfg(feature = "cli")]
mod owned_files;
#[cfg(feature = "cli")]
mod partial;
#[cfg(feature = "cli")]
mod reference;

#[cfg(feature = "cli")]
pub(crate) use directory::{ERROR_START, STOPPED};
pub use event_writer::EventWriter;
pub use tensorboard_values::{Chart, HparamValue};

#[cfg(feature = "cli")]
pub use self::{
    atomic_file::{AtomicFile, write_atomically},
    checkpoint::Checkpoints,
    checkpoint_state::{CheckpointState, StoppingState, ValidationScore},
    checksums::sha256_hex,
    config_check::{CHECKPOINT_CONFIG, check_config},
    device::{DEVICES, DeviceReport, check_device, device_reports, open_device, open_devices},
    directory::RunDirectory,
    extension::extend_run,
    lock::RunLock,
    machine_memory::machine_memory,
    manifest::{DataDirectory, Extension, Manifest, Session, SplitSizes},
    metrics::{MetricsLog, Record},
    output_directory::{OutputDirectory, claim_directory},
    reference::{store_reference, stored_reference},
};
