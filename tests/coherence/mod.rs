//! Temporal coherence: on clips whose numbers are known by construction, and of trained runs.

mod command;

use burn_topology::analysis::coherence::{Reading, Suite, SuiteClip, Watch, read};
use burn_topology::burn::prelude::*;
use burn_topology::coherence::{Frames, Motion, OF_CLASSES, OF_FRAMES, of_frames, optical_flow};
use burn_topology::data::{JudgedFrames, Sample, SampleSpec};
use burn_topology::model::{NetworkConfig, Task, VideoConfig, VideoHead, VitConfig};

const MODEL: SampleSpec = SampleSpec {
    n_frames: 9,
    n_channels: 1,
    height: 20,
    width: 20,
    n_classes: 10,
};

fn of(values: &[Option<f64>], name: &str) -> Option<f64> {
    let place = OF_FRAMES.iter().position(|metric| metric.name == name);
    values[place.expect("a metric")]
}

/// What is found of a clip if this is predicted of it.
fn judged(clip: &SuiteClip, predicted: &[f32]) -> Vec<Option<f64>> {
    let JudgedFrames {
        found,
        truth,
        known,
    } = JudgedFrames::new(&clip.sample, MODEL, predicted);
    of_frames(&found, &truth, &known).to_vec()
}

/// Frames of a clip from the second on, in this order.
fn in_order(clip: &SuiteClip, order: impl Fn(usize) -> usize) -> Vec<f32> {
    let size = MODEL.frame_len();
    let frame = |t: usize| &clip.sample.pixels[order(t) * size..][..size];
    (1..MODEL.n_frames).flat_map(frame).copied().collect()
}

#[test]
fn true_frames_are_right_whatever_happens_in_them() {
    let suite = Suite::builtin(MODEL, 60).unwrap();
    for clip in &suite.clips {
        let found = judged(clip, &in_order(clip, |t| t));
        assert_eq!(
            (of(&found, "mse"), of(&found, "difference_psnr")),
            (Some(0.0), Some(100.0))
        );
        for name in ["dynamic_degree", "identification"] {
            // A digit without room to move stands still.
            assert!(
                of(&found, name).is_none_or(|value| value == 1.0),
                "{}: {name}",
                clip.name
            );
        }
        let [flips, error] = ["betti_flips", "betti_error"].map(|name| of(&found, name));
        match &*clip.group {
            "constant" | "bounce" => {
                assert_eq!((flips, error), (Some(0.0), Some(0.0)), "{}", clip.name);
            }
            // The topology truly changes, and that is no flip. It may have changed before the third frame.
            "merge" | "split" | "appear" => {
                let betti = &clip.sample.truth.as_ref().unwrap().betti[2..];
                let is_constant = betti.windows(2).all(|pair| pair[0] == pair[1]);
                assert_eq!(flips.is_none(), !is_constant, "{}", clip.name);
            }
            _ => {}
        }
    }
}

#[test]
fn errors_along_the_true_motion_are_those_of_the_noise() {
    let suite = Suite::builtin(MODEL, 100).unwrap();
    let mean = |group: &str| {
        let clips = suite.clips.iter().filter(|clip| clip.group == group);
        let errors: Vec<f64> = clips
            .filter_map(|clip| of(&judged(clip, &in_order(clip, |t| t)), "warp_error"))
            .collect();
        errors.iter().sum::<f64>() / errors.len() as f64
    };
    // Digits drawn between pixels leave a little; two independent deviations of 0.2, cut at black and
    // white, leave more.
    let [constant, noise] = ["constant", "noise"].map(mean);
    assert!(
        constant < 0.06 && (0.1..0.25).contains(&noise),
        "{constant} {noise}"
    );
}

#[test]
fn frozen_and_shuffled_frames_are_caught_in_made_clips() {
    let suite = Suite::builtin(MODEL, 60).unwrap();
    let moving = suite.clips.iter().filter(|clip| {
        let truth = Frames::new(&clip.sample.pixels, [1, 20, 20]);
        // Every frame is another one.
        !clip.is_corrupted && (1..9).all(|a| (0..a).all(|b| truth.get(a) != truth.get(b)))
    });
    let mut n_clips = 0;
    for clip in moving {
        n_clips += 1;
        let frozen = judged(clip, &in_order(clip, |_| 4));
        assert_eq!(
            (of(&frozen, "flicker"), of(&frozen, "dynamic_degree")),
            (Some(0.0), Some(0.0))
        );
        assert!(
            of(&frozen, "identification").unwrap() < 0.2,
            "{}",
            clip.name
        );
        let shuffled = judged(clip, &in_order(clip, |t| 1 + (5 * t) % 8));
        assert!(
            of(&shuffled, "identification").unwrap() < 0.5,
            "{}",
            clip.name
        );
        assert!(
            of(&shuffled, "difference_psnr").unwrap() < 40.0,
            "{}",
            clip.name
        );
    }
    assert!(n_clips > 20, "{n_clips}");
}

#[test]
fn estimated_motion_is_near_the_true_one_where_something_moves() {
    let suite = Suite::builtin(MODEL, 100).unwrap();
    let (mut along_estimate, mut along_truth, mut of_still) = (0.0, 0.0, 0.0);
    for clip in suite.clips.iter().filter(|clip| clip.group == "constant") {
        let frames = Frames::new(&clip.sample.pixels, [1, 20, 20]);
        let truth = JudgedFrames::new(&clip.sample, MODEL, &clip.sample.pixels[400..]).known;
        let pairs: Vec<_> = (2..8)
            .map(|t| optical_flow([frames.get(t), frames.get(t + 1)], [1, 20, 20]))
            .collect();
        let flow: Vec<f32> = pairs.iter().flat_map(|(flow, _)| flow).copied().collect();
        let is_seen: Vec<bool> = pairs
            .iter()
            .flat_map(|(_, is_seen)| is_seen)
            .copied()
            .collect();
        let estimated = Motion::new(&flow, &is_seen, [20, 20]);
        let still = vec![0.0; flow.len()];
        let still = Motion::new(&still, &is_seen, [20, 20]);
        let judged = frames.from(2);
        along_estimate += judged.warp_error(&estimated).unwrap();
        along_truth += judged.warp_error(&truth.motion.unwrap()).unwrap();
        of_still += judged.warp_error(&still).unwrap();
    }
    // Nearer to nothing than half of what standing still would leave.
    assert!(
        along_estimate < 0.5 * of_still,
        "{along_estimate} {of_still}"
    );
    assert!(along_truth < 0.5 * of_still, "{along_truth} {of_still}");
}

fn video(head: VideoHead) -> (NetworkConfig, SampleSpec) {
    // A model that predicts is shown all frames but the last.
    let n_frames = match head {
        VideoHead::NextFrame => 8,
        _ => 9,
    };
    let config = VideoConfig::new(n_frames, [20, 20], 1, 10, 4, 8, 2, 2).with_head(head);
    (NetworkConfig::Video(config), MODEL)
}

fn reading(config: &NetworkConfig, spec: SampleSpec, suite: &Suite) -> Reading {
    let device = Device::flex();
    device.seed(3);
    let model = config.init(&device);
    let mut done = Vec::new();
    let mut watch = Watch {
        shown: &[1, 4],
        progress: &mut |n| done.push(n),
    };
    let task = Task::of(config);
    let reading = read(&model, task, suite, &device, &mut watch).unwrap();
    assert_eq!(done.last(), Some(&suite.clips.len()));
    assert_eq!(spec.width, suite.spec.width);
    reading
}

#[test]
fn every_task_is_read_with_the_numbers_it_has() {
    let suite = Suite::builtin(MODEL, 20).unwrap();
    for (head, n_metrics) in [
        (VideoHead::Clip, 1),
        (VideoHead::Frames, OF_CLASSES.len()),
        (VideoHead::NextFrame, OF_FRAMES.len()),
    ] {
        let (config, spec) = video(head);
        let found = reading(&config, spec, &suite);
        assert_eq!(found.metrics.len(), n_metrics + 2);
        assert_eq!(found.values.len(), 20);
        assert!(
            found
                .values
                .iter()
                .all(|values| values.len() == n_metrics + 2)
        );
        let is_predictor = head == VideoHead::NextFrame;
        assert_eq!(found.truth.len(), if is_predictor { 20 } else { 0 });
        // An untrained model says the same of everything, and is caught.
        assert!(
            found.guards.iter().any(|guard| !guard.holds),
            "{:?}",
            found.guards
        );
        assert_eq!(
            found
                .shown
                .iter()
                .map(|clip| clip.index)
                .collect::<Vec<_>>(),
            [1, 4]
        );
        let shown = &found.shown[0];
        assert_eq!(shown.layers.len(), 2);
        let n_steps = if is_predictor { 8 } else { 9 };
        assert_eq!(
            (shown.layers[0].len(), shown.distances[0][1].len()),
            (n_steps, n_steps - 1)
        );
        assert_eq!(shown.predicted.is_empty(), !is_predictor);
        // What is trained on is the mean of what is shown.
        let h0: Vec<f64> = shown
            .distances
            .iter()
            .flat_map(|layer| layer[0].iter().flatten())
            .copied()
            .collect();
        let mean = h0.iter().sum::<f64>() / h0.len() as f64;
        assert!((found.values[1][n_metrics].unwrap() - mean).abs() < 1e-12);
    }
}

#[test]
fn a_model_of_images_is_shown_the_frames_one_by_one() {
    let spec = SampleSpec {
        n_frames: 1,
        ..MODEL
    };
    let suite = Suite::builtin(spec, 5).unwrap();
    let config = NetworkConfig::Vit(VitConfig::new([20, 20], 1, 10, 4, 8, 2, 2));
    let found = reading(&config, spec, &suite);
    assert_eq!(found.metrics.len(), OF_CLASSES.len() + 2);
    assert_eq!(found.shown[0].probabilities.len(), 8 * 10);
    assert_eq!(found.shown[0].layers[0].len(), 8);
}

#[test]
fn a_repeated_frame_is_perfectly_steady_and_nothing_more() {
    // Of images: a model of clips knows the time, and may say other things of the same frame later.
    let image = SampleSpec {
        n_frames: 1,
        ..MODEL
    };
    let mut suite = Suite::builtin(image, 5).unwrap();
    for clip in &mut suite.clips {
        clip.sample = Sample::new(clip.sample.pixels[..400].repeat(8), clip.sample.label);
    }
    let vit = VitConfig::new([20, 20], 1, 10, 4, 8, 2, 2);
    let found = reading(&NetworkConfig::Vit(vit), image, &suite);
    for values in &found.values {
        assert_eq!(values[1..4], [Some(0.0), Some(0.0), Some(0.0)]);
        assert_eq!(values[4..], [Some(0.0), Some(0.0)]);
    }
}
