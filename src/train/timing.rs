//! Time measurements of a training.

use std::time::{Duration, Instant};

use crate::fused::ReadCount;

/// Wall-clock time of a run, including that of earlier processes.
pub(super) struct Timing {
    /// Seconds of earlier processes.
    earlier_seconds: f64,
    started: Instant,
    /// Seconds spent in training steps.
    pub(super) in_steps: f64,
    /// Seconds spent in penalties.
    pub(super) in_topology: f64,
}

impl Timing {
    /// Continues from the seconds of earlier processes.
    pub(super) fn new(seconds: f64, in_steps: f64, in_topology: f64) -> Self {
        Self {
            earlier_seconds: seconds,
            started: Instant::now(),
            in_steps,
            in_topology,
        }
    }

    /// Adds one step, and the part of it spent in penalties.
    pub(super) fn add(&mut self, step: Duration, topology: Duration) {
        self.in_steps += step.as_secs_f64();
        self.in_topology += topology.as_secs_f64();
    }

    /// Seconds since the run was first started, without pauses between processes.
    pub(super) fn seconds(&self) -> f64 {
        self.earlier_seconds + self.started.elapsed().as_secs_f64()
    }

    /// Fraction of the time in training steps that was spent in penalties.
    pub(super) fn topology_share(&self) -> f64 {
        // Before the first step this is 0, not NaN.
        self.in_topology / self.in_steps.max(f64::MIN_POSITIVE)
    }
}

/// Phase of a training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Moving samples to the device, and waiting for samples that are not loaded yet.
    Data,
    /// Forward pass of the model, and the task loss.
    Forward,
    /// Forward pass of the reference, if a penalty compares the model with it.
    Reference,
    /// Distances between attention rows or hidden states.
    Distances,
    /// Persistence diagrams of the distances.
    Persistence,
    /// Comparison of diagrams: matchings and distances between them.
    Matching,
    /// Gradient with respect to the rows, from that with respect to births and deaths.
    CriticalEdges,
    /// Backward pass, apart from the gradients of penalties.
    Backward,
    /// Gradient clipping and the parameter update.
    Optimizer,
    /// Writing of logged numbers.
    Logging,
}

impl Phase {
    /// All phases, in the order of a step.
    pub const ALL: [Self; 10] = [
        Self::Data,
        Self::Forward,
        Self::Reference,
        Self::Distances,
        Self::Persistence,
        Self::Matching,
        Self::CriticalEdges,
        Self::Backward,
        Self::Optimizer,
        Self::Logging,
    ];

    /// Name as used in TensorBoard tags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Forward => "forward",
            Self::Reference => "reference",
            Self::Distances => "distances",
            Self::Persistence => "persistence",
            Self::Matching => "matching",
            Self::CriticalEdges => "critical_edges",
            Self::Backward => "backward",
            Self::Optimizer => "optimizer",
            Self::Logging => "logging",
        }
    }
}

/// Time of each phase, summed over steps.
///
/// On a device that computes asynchronously, a phase includes the wait for its results, which may depend on work
/// that earlier phases queued.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Profile {
    /// Number of steps.
    pub n_steps: usize,
    /// Wall-clock time of all steps.
    pub in_steps: Duration,
    /// Reads of all steps from the devices, each of which waits for a device.
    pub reads: ReadCount,
    in_phases: [Duration; Phase::ALL.len()],
}

impl Profile {
    /// Wall-clock time of one phase, summed over the steps.
    pub fn time(&self, phase: Phase) -> Duration {
        self.in_phases[phase as usize]
    }

    /// Time outside of all phases, such as measurements of gradient shares.
    pub fn rest(&self) -> Duration {
        let in_phases: Duration = self.in_phases.iter().sum();
        // Saturating, because a `Duration` below 0 would panic.
        self.in_steps.saturating_sub(in_phases)
    }

    /// Time spent in penalties.
    pub(super) fn in_topology(&self) -> Duration {
        let phases = [
            Phase::Reference,
            Phase::Distances,
            Phase::Persistence,
            Phase::Matching,
            Phase::CriticalEdges,
        ];
        phases.map(|phase| self.time(phase)).iter().sum()
    }

    /// Adds time to a phase.
    pub(super) fn add(&mut self, phase: Phase, time: Duration) {
        self.in_phases[phase as usize] += time;
    }

    /// Runs a part of a step, and adds its time to a phase.
    pub(super) fn measure<R>(&mut self, phase: Phase, part: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let result = part();
        self.add(phase, started.elapsed());
        result
    }

    /// Adds the times of another profile.
    pub(super) fn add_step(&mut self, step: &Self) {
        self.n_steps += step.n_steps;
        self.in_steps += step.in_steps;
        self.reads += step.reads;
        for (sum, time) in self.in_phases.iter_mut().zip(step.in_phases) {
            *sum += time;
        }
    }
}

/// Peak resident memory of this process, in bytes; `None` on systems other than Linux.
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    // The peak ("high water mark") of the resident set; the kernel writes kB and means KiB.
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kibibytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_and_rest_sum_to_the_step_time() {
        let mut profile = Profile::default();
        for (k, phase) in Phase::ALL.into_iter().enumerate() {
            let step = &mut Profile {
                n_steps: 1,
                in_steps: Duration::from_millis(100),
                ..Profile::default()
            };
            step.add(phase, Duration::from_millis(k as u64));
            profile.add_step(step);
        }
        let in_phases: Duration = Phase::ALL.map(|phase| profile.time(phase)).iter().sum();
        assert_eq!(in_phases, Duration::from_millis(45));
        assert_eq!(in_phases + profile.rest(), profile.in_steps);
        assert_eq!(profile.n_steps, 10);
        assert_eq!(profile.time(Phase::Logging), Duration::from_millis(9));
    }
}
