//! Where the time of a training goes.

use std::time::{Duration, Instant};

/// Wall-clock time, that of earlier processes included.
pub(super) struct Timing {
    before: f64,
    started: Instant,
    pub(super) in_steps: f64,
    pub(super) in_topology: f64,
}

impl Timing {
    pub(super) fn new(seconds: f64, in_steps: f64, in_topology: f64) -> Self {
        Self {
            before: seconds,
            started: Instant::now(),
            in_steps,
            in_topology,
        }
    }

    pub(super) fn add(&mut self, step: Duration, topology: Duration) {
        self.in_steps += step.as_secs_f64();
        self.in_topology += topology.as_secs_f64();
    }

    pub(super) fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Share of the time of training steps that went to the penalties, a fraction.
    pub(super) fn topology_share(&self) -> f64 {
        self.in_topology / self.in_steps.max(f64::MIN_POSITIVE)
    }
}

/// A part of a training step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Samples as tensors, and the wait for those that are not yet made or decoded.
    Data,
    /// The model and the task's loss.
    Forward,
    /// Distances between rows of attention, or tokens.
    Distances,
    /// Bars of the distances.
    Persistence,
    /// Comparison of the diagrams.
    Matching,
    /// From derivatives of bars to those of rows.
    CriticalEdges,
    /// The rest of the backward pass.
    Backward,
    /// Clipping, and the new parameters.
    Optimizer,
    /// Numbers written.
    Logging,
}

impl Phase {
    /// All, in the order of a step.
    pub const ALL: [Self; 9] = [
        Self::Data,
        Self::Forward,
        Self::Distances,
        Self::Persistence,
        Self::Matching,
        Self::CriticalEdges,
        Self::Backward,
        Self::Optimizer,
        Self::Logging,
    ];

    /// One word, as in the tags of TensorBoard.
    pub fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Forward => "forward",
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

/// Where the time of steps went.
///
/// On a device that works in the background a phase is charged with the wait for its results, which
/// may be results of earlier phases.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Profile {
    /// Steps taken.
    pub n_steps: usize,
    /// Wall-clock time of the steps.
    pub in_steps: Duration,
    in_phases: [Duration; Phase::ALL.len()],
}

impl Profile {
    /// Wall-clock time of a part of the steps.
    pub fn time(&self, phase: Phase) -> Duration {
        self.in_phases[phase as usize]
    }

    /// Time in no phase: measurements of gradient shares, checks.
    pub fn rest(&self) -> Duration {
        let in_phases: Duration = self.in_phases.iter().sum();
        self.in_steps.saturating_sub(in_phases)
    }

    pub(super) fn in_topology(&self) -> Duration {
        let phases = [
            Phase::Distances,
            Phase::Persistence,
            Phase::Matching,
            Phase::CriticalEdges,
        ];
        phases.map(|phase| self.time(phase)).iter().sum()
    }

    pub(super) fn add(&mut self, phase: Phase, time: Duration) {
        self.in_phases[phase as usize] += time;
    }

    /// Runs a part of a step.
    pub(super) fn measure<R>(&mut self, phase: Phase, part: impl FnOnce() -> R) -> R {
        let started = Instant::now();
        let found = part();
        self.add(phase, started.elapsed());
        found
    }

    pub(super) fn add_step(&mut self, step: &Self) {
        self.n_steps += step.n_steps;
        self.in_steps += step.in_steps;
        for (sum, time) in self.in_phases.iter_mut().zip(step.in_phases) {
            *sum += time;
        }
    }
}

/// The high-water mark of this process's resident memory in bytes, which Linux tells.
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
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
    fn phases_and_the_rest_make_up_the_steps() {
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
        assert_eq!(in_phases, Duration::from_millis(36));
        assert_eq!(in_phases + profile.rest(), profile.in_steps);
        assert_eq!(profile.n_steps, 9);
        assert_eq!(profile.time(Phase::Logging), Duration::from_millis(8));
    }
}
