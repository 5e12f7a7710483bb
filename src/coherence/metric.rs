//! What the numbers of a clip are.

/// A number of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// As files and tags spell it.
    pub name: &'static str,
    /// As people read it.
    pub title: &'static str,
    /// Unit; empty for shares and other numbers without one.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// What it is for.
    pub role: Role,
}

/// Which values of a metric are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Small ones.
    Lower,
    /// Large ones.
    Higher,
    /// Those of the true frames.
    LikeTruth,
}

/// What a metric can be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It speaks for or against an output.
    Evidence,
    /// It tells whether the evidence means anything.
    Guard,
    /// A penalty may have been trained on it: it shows that the penalty works, not that it helps.
    Trained,
}

const fn metric(
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    better: Better,
    role: Role,
) -> Metric {
    Metric {
        name,
        title,
        unit,
        better,
        role,
    }
}

/// Of outputs that are class probabilities, in the order of [`of_classes`](super::of_classes).
pub const OF_CLASSES: [Metric; 4] = [
    metric(
        "accuracy",
        "right frames",
        "",
        Better::Higher,
        Role::Evidence,
    ),
    metric(
        "flip_rate",
        "flips from frame to frame",
        "",
        Better::Lower,
        Role::Evidence,
    ),
    metric(
        "flip_rate_to_first",
        "frames unlike the first",
        "",
        Better::Lower,
        Role::Evidence,
    ),
    metric(
        "prediction_distance",
        "distance of predictions from frame to frame",
        "Jensen-Shannon",
        Better::Lower,
        Role::Evidence,
    ),
];

/// Of outputs that are frames, in the order of [`of_frames`](super::of_frames).
pub const OF_FRAMES: [Metric; 13] = [
    metric(
        "mse",
        "mean squared error",
        "squared pixels",
        Better::Lower,
        Role::Evidence,
    ),
    metric(
        "psnr",
        "peak signal-to-noise ratio",
        "dB",
        Better::Higher,
        Role::Evidence,
    ),
    metric(
        "ssim",
        "structural similarity",
        "",
        Better::Higher,
        Role::Evidence,
    ),
    metric(
        "difference_psnr",
        "PSNR of changes",
        "dB",
        Better::Higher,
        Role::Evidence,
    ),
    metric(
        "flicker",
        "change from frame to frame",
        "pixels",
        Better::LikeTruth,
        Role::Evidence,
    ),
    metric(
        "second_difference",
        "change of the change",
        "pixels",
        Better::LikeTruth,
        Role::Evidence,
    ),
    metric(
        "warp_error",
        "error along the motion",
        "pixels",
        Better::LikeTruth,
        Role::Evidence,
    ),
    metric(
        "feature_consistency",
        "likeness to the next frame, frozen features",
        "cosine",
        Better::LikeTruth,
        Role::Evidence,
    ),
    metric(
        "feature_consistency_to_first",
        "likeness to the first frame, frozen features",
        "cosine",
        Better::LikeTruth,
        Role::Evidence,
    ),
    metric(
        "betti_flips",
        "changes of components or holes where there are none",
        "",
        Better::Lower,
        Role::Evidence,
    ),
    metric(
        "betti_error",
        "components and holes too many or too few",
        "",
        Better::Lower,
        Role::Evidence,
    ),
    metric(
        "dynamic_degree",
        "change over that of the true frames",
        "",
        Better::LikeTruth,
        Role::Guard,
    ),
    metric(
        "identification",
        "frames nearest to the true frame of their time",
        "",
        Better::Higher,
        Role::Guard,
    ),
];
