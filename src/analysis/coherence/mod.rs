//! Temporal coherence of models on clips: how steady predicted frames, classes and attention are over time.

mod browser;
mod clip_measurement;
mod comparison;
mod comparison_json;
mod files;
mod frame_bars;
mod frame_distances;
mod frame_encoder;
mod frame_events;
mod guards;
mod measurement;
mod metric_tables;
mod page;
mod page_events;
mod pretrained_encoder;
mod run_measurement;
mod runs;
mod suite;

pub use clip_measurement::ReportedClip;
pub use comparison::{ArmComparisons, ArmGuard, MeanCurve};
pub use files::{report_json, reported_clips, write_report};
pub use frame_bars::{BarMargin, FRAME_BAR_METRICS};
pub use frame_distances::FRAME_DISTANCE_METRICS;
pub use frame_encoder::{FrameEncoder, SuiteFeatures};
pub use frame_events::{EventComparison, EventCounts, EventKind};
pub use guards::Guard;
pub use measurement::{GapCurve, Measurement, measure};
pub use metric_tables::{ArmDifferences, ArmMean, Difference, EQUIVALENCE_MARGIN};
pub use pretrained_encoder::PretrainedEncoder;
pub use run_measurement::RunMeasurement;
pub use runs::ComparableRuns;
pub use suite::{Suite, SuiteClip};
