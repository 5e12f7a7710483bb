//! Temporal coherence: metrics on clips whose values are known by construction, measurements of untrained
//! models, and the command on trained runs.

mod command;

use std::path::Path;

use burn_topology::analysis::coherence::{
    FRAME_BAR_METRICS, FrameEncoder, Measurement, PretrainedEncoder, Suite, SuiteClip,
    SuiteFeatures, measure,
};
use burn_topology::burn::prelude::*;
use burn_topology::data::{PredictedFrames, Sample, SampleSpec};
use burn_topology::evaluate::TaskModel;
use burn_topology::model::{NetworkConfig, Task, VideoConfig, VideoHead, VitConfig};
use burn_topology::video_metrics::{
    CLASS_METRICS, FRAME_METRICS, Frames, Motion, frame_metrics, optical_flow,
};

const MODEL: SampleSpec = SampleSpec {
    n_frames: 9,
    n_channels: 1,
    height: 20,
    width: 20,
    n_classes: 10,
};

/// Value of the metric with this name.
fn value(values: &[Option<f64>], name: &str) -> Option<f64> {
    let index = FRAME_METRICS.iter().position(|metric| metric.name == name);
    values[index.expect("a metric")]
}

/// Metrics of frames predicted for a clip.
fn metrics_of_prediction(clip: &SuiteClip, predicted: &[f32]) -> Vec<Option<f64>> {
    let PredictedFrames {
        predicted,
        true_frames,
        ground_truth,
    } = PredictedFrames::new(&clip.sample, MODEL, predicted);
    frame_metrics(&predicted, &true_frames, &ground_truth, None).to_vec()
}

/// Frames of a clip from the second one on, in the given order.
fn in_order(clip: &SuiteClip, order: impl Fn(usize) -> usize) -> Vec<f32> {
    let size = MODEL.frame_len();
    let frame = |t: usize| &clip.sample.pixels[order(t) * size..][..size];
    (1..MODEL.n_frames).flat_map(frame).copied().collect()
}

#[test]
fn true_frames_have_perfect_metrics() {
    let suite = Suite::builtin(MODEL, 60).unwrap();
    for clip in &suite.clips {
        let values = metrics_of_prediction(clip, &in_order(clip, |t| t));
        assert_eq!(
            (value(&values, "mse"), value(&values, "difference_psnr")),
            (Some(0.0), Some(100.0))
        );
        for name in ["dynamic_degree", "identification"] {
            // A digit without room to move stands still, and the metric is not defined.
            assert!(
                value(&values, name).is_none_or(|x| x == 1.0),
                "{}: {name}",
                clip.name
            );
        }
        let [flips, error] = ["betti_flips", "betti_error"].map(|name| value(&values, name));
        match &*clip.group {
            "constant" | "bounce" => {
                assert_eq!((flips, error), (Some(0.0), Some(0.0)), "{}", clip.name);
            }
            // The true topology changes, so that flips are not defined, unless it changed before the third
            // frame.
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
fn warp_errors_equal_the_noise() {
    let suite = Suite::builtin(MODEL, 100).unwrap();
    let mean = |group: &str| {
        let clips = suite.clips.iter().filter(|clip| clip.group == group);
        let errors: Vec<f64> = clips
            .filter_map(|clip| {
                value(
                    &metrics_of_prediction(clip, &in_order(clip, |t| t)),
                    "warp_error",
                )
            })
            .collect();
        errors.iter().sum::<f64>() / errors.len() as f64
    };
    // Digits rendered between pixels leave a small error. The difference of two frames with independent
    // noise of deviation 0.2, clamped to black and white, leaves a larger one.
    let [constant, noise] = ["constant", "noise"].map(mean);
    assert!(
        constant < 0.06 && (0.1..0.25).contains(&noise),
        "{constant} {noise}"
    );
}

#[test]
fn frozen_and_shuffled_clips_fail_the_guards() {
    let suite = Suite::builtin(MODEL, 60).unwrap();
    let moving = suite.clips.iter().filter(|clip| {
        let truth = Frames::new(&clip.sample.pixels, [1, 20, 20]);
        // No two frames are equal.
        !clip.is_corrupted && (1..9).all(|a| (0..a).all(|b| truth.get(a) != truth.get(b)))
    });
    let mut n_clips = 0;
    for clip in moving {
        n_clips += 1;
        let frozen = metrics_of_prediction(clip, &in_order(clip, |_| 4));
        assert_eq!(
            (value(&frozen, "flicker"), value(&frozen, "dynamic_degree")),
            (Some(0.0), Some(0.0))
        );
        assert!(
            value(&frozen, "identification").unwrap() < 0.2,
            "{}",
            clip.name
        );
        let shuffled = metrics_of_prediction(clip, &in_order(clip, |t| 1 + (5 * t) % 8));
        assert!(
            value(&shuffled, "identification").unwrap() < 0.5,
            "{}",
            clip.name
        );
        assert!(
            value(&shuffled, "difference_psnr").unwrap() < 40.0,
            "{}",
            clip.name
        );
    }
    assert!(n_clips > 20, "{n_clips}");
}

#[test]
fn estimated_motion_is_close_to_the_true_motion() {
    let suite = Suite::builtin(MODEL, 100).unwrap();
    let (mut along_estimate, mut along_truth, mut without_motion) = (0.0, 0.0, 0.0);
    for clip in suite.clips.iter().filter(|clip| clip.group == "constant") {
        let frames = Frames::new(&clip.sample.pixels, [1, 20, 20]);
        let truth =
            PredictedFrames::new(&clip.sample, MODEL, &clip.sample.pixels[400..]).ground_truth;
        let pairs: Vec<_> = (2..8)
            .map(|t| optical_flow([frames.get(t), frames.get(t + 1)], [1, 20, 20]))
            .collect();
        let flow: Vec<f32> = pairs
            .iter()
            .flat_map(|pair| &pair.displacements)
            .copied()
            .collect();
        let is_visible: Vec<bool> = pairs
            .iter()
            .flat_map(|pair| &pair.is_visible_next)
            .copied()
            .collect();
        let estimated = Motion::new(&flow, &is_visible, [20, 20]);
        let still = vec![0.0; flow.len()];
        let still = Motion::new(&still, &is_visible, [20, 20]);
        let evaluated = frames.starting_at(2);
        along_estimate += evaluated.warp_error(&estimated).unwrap();
        along_truth += evaluated.warp_error(&truth.motion.unwrap()).unwrap();
        without_motion += evaluated.warp_error(&still).unwrap();
    }
    // Either motion removes more than half of the error that no motion leaves.
    assert!(
        along_estimate < 0.5 * without_motion,
        "{along_estimate} {without_motion}"
    );
    assert!(
        along_truth < 0.5 * without_motion,
        "{along_truth} {without_motion}"
    );
}

fn video(head: VideoHead) -> (NetworkConfig, SampleSpec) {
    // A model that predicts the next frame receives all frames except the last one.
    let n_frames = match head {
        VideoHead::NextFrame => 8,
        _ => 9,
    };
    let config = VideoConfig::new(n_frames, [20, 20], 1, 10, 4, 8, 2, 2).with_head(head);
    (NetworkConfig::Video(config), MODEL)
}

fn measure_untrained(config: &NetworkConfig, spec: SampleSpec, suite: &Suite) -> Measurement {
    measure_with(config, spec, suite, FrameEncoder::default())
}

fn measure_with(
    config: &NetworkConfig,
    spec: SampleSpec,
    suite: &Suite,
    encoder: FrameEncoder,
) -> Measurement {
    let device = Device::flex();
    device.seed(3);
    let model = TaskModel {
        network: config.init(&device),
        task: Task::from_config(config),
        samples: spec,
        device,
        captions: None,
    };
    let mut n_encoded = 0;
    let features = SuiteFeatures::new(encoder, suite, &mut |n| n_encoded = n).unwrap();
    assert_eq!(n_encoded, suite.clips.len() * suite.spec.n_frames);
    let mut done = Vec::new();
    let progress = &mut |n| done.push(n);
    let measurement = measure(&model, suite, Some(&features), &[1, 4], None, progress).unwrap();
    assert_eq!(done.last(), Some(&suite.clips.len()));
    assert_eq!(spec.width, suite.spec.width);
    measurement
}

#[test]
fn every_task_is_measured_with_its_metrics() {
    let suite = Suite::builtin(MODEL, 20).unwrap();
    for (head, n_metrics) in [
        (VideoHead::Clip, 1),
        (VideoHead::Frames, CLASS_METRICS.len()),
        (
            VideoHead::NextFrame,
            FRAME_METRICS.len() + FRAME_BAR_METRICS.len(),
        ),
    ] {
        let (config, spec) = video(head);
        let measurement = measure_untrained(&config, spec, &suite);
        assert_eq!(measurement.metrics.len(), n_metrics + 2);
        assert_eq!(measurement.values.len(), 20);
        assert!(
            measurement
                .values
                .iter()
                .all(|values| values.len() == n_metrics + 2)
        );
        let is_predictor = head == VideoHead::NextFrame;
        assert_eq!(measurement.truth.len(), if is_predictor { 20 } else { 0 });
        assert_eq!(measurement.margin.is_some(), is_predictor);
        assert_eq!(measurement.events.is_some(), is_predictor);
        if is_predictor {
            // Of the true frames themselves, no event is missed or false.
            let index = |name| {
                let mut metrics = measurement.metrics.iter();
                metrics.position(|metric| metric.name == name).unwrap()
            };
            for name in ["missed_events", "false_events"] {
                let mut truth = measurement.truth.iter();
                assert!(truth.all(|clip| clip[index(name)] == Some(0.0)), "{name}");
            }
        }
        // The output of an untrained model hardly depends on its input, which a guard detects.
        assert!(
            measurement.guards.iter().any(|guard| !guard.holds),
            "{:?}",
            measurement.guards
        );
        assert_eq!(
            measurement
                .reported_clips
                .iter()
                .map(|clip| clip.index)
                .collect::<Vec<_>>(),
            [1, 4]
        );
        let clip = &measurement.reported_clips[0];
        assert_eq!(clip.layers.len(), 2);
        let n_steps = if is_predictor { 8 } else { 9 };
        assert_eq!(
            (clip.layers[0].len(), clip.distances[0][1].len()),
            (n_steps, n_steps - 1)
        );
        assert_eq!(clip.predicted.is_empty(), !is_predictor);
        // The metric is the mean of the reported distances.
        let h0: Vec<f64> = clip
            .distances
            .iter()
            .flat_map(|layer| layer[0].iter().flatten())
            .copied()
            .collect();
        let mean = h0.iter().sum::<f64>() / h0.len() as f64;
        assert!((measurement.values[1][n_metrics].unwrap() - mean).abs() < 1e-12);
    }
}

#[test]
fn image_models_receive_frames_one_by_one() {
    let spec = SampleSpec {
        n_frames: 1,
        ..MODEL
    };
    let suite = Suite::builtin(spec, 5).unwrap();
    let config = NetworkConfig::Vit(VitConfig::new([20, 20], 1, 10, 4, 8, 2, 2));
    let measurement = measure_untrained(&config, spec, &suite);
    assert_eq!(measurement.metrics.len(), CLASS_METRICS.len() + 2);
    assert_eq!(measurement.reported_clips[0].probabilities.len(), 8 * 10);
    assert_eq!(measurement.reported_clips[0].layers[0].len(), 8);
}

#[test]
fn a_repeated_frame_has_no_flips_or_distances() {
    // With a model of images: one of clips also receives the time of a frame, and may classify equal frames
    // differently.
    let image = SampleSpec {
        n_frames: 1,
        ..MODEL
    };
    let mut suite = Suite::builtin(image, 5).unwrap();
    for clip in &mut suite.clips {
        clip.sample = Sample::new(clip.sample.pixels[..400].repeat(8), clip.sample.label);
    }
    let vit = VitConfig::new([20, 20], 1, 10, 4, 8, 2, 2);
    let measurement = measure_untrained(&NetworkConfig::Vit(vit), image, &suite);
    for values in &measurement.values {
        assert_eq!(values[1..4], [Some(0.0), Some(0.0), Some(0.0)]);
        assert_eq!(values[4..], [Some(0.0), Some(0.0)]);
    }
}

#[test]
fn feature_metrics_use_the_encoder_and_nothing_else_does() {
    let suite = Suite::builtin(MODEL, 10).unwrap();
    let (config, spec) = video(VideoHead::NextFrame);
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_files/pretrained/dinov2");
    let encoder = PretrainedEncoder::open(&weights, None, &Device::flex()).unwrap();
    let by_encoder = [
        FrameEncoder::default(),
        FrameEncoder::Pretrained(Box::new(encoder)),
    ]
    .map(|encoder| measure_with(&config, spec, &suite, encoder));
    let [filters, pretrained] = &by_encoder;
    for (index, metric) in filters.metrics.iter().enumerate() {
        let values = |measurement: &Measurement| -> Vec<Option<f64>> {
            measurement.values.iter().map(|clip| clip[index]).collect()
        };
        let is_equal = values(filters) == values(pretrained);
        assert_eq!(
            is_equal,
            !metric.name.starts_with("feature_"),
            "{}",
            metric.name
        );
    }
    for measurement in &by_encoder {
        for values in measurement.values.iter().chain(&measurement.truth) {
            for name in ["feature_consistency", "feature_consistency_to_first"] {
                let value = value(values, name).unwrap();
                assert!((-1.0..=1.0 + 1e-9).contains(&value), "{name} {value}");
            }
        }
        // The first gap of the curve is the metric itself.
        for (values, gaps) in measurement.values.iter().zip(&measurement.curves[0].values) {
            assert_eq!(gaps[0], value(values, "feature_consistency"));
        }
    }
    assert!(matches!(
        pretrained.encoder,
        Some(FrameEncoder::Pretrained(_))
    ));
}

#[test]
fn equal_frames_have_a_consistency_of_1_with_any_encoder() {
    let mut suite = Suite::builtin(MODEL, 10).unwrap();
    for clip in &mut suite.clips {
        clip.sample = Sample::new(clip.sample.pixels[..400].repeat(9), clip.sample.label);
    }
    let (config, spec) = video(VideoHead::NextFrame);
    let weights =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data_files/pretrained/timm_vit");
    let encoder = PretrainedEncoder::open(&weights, None, &Device::flex()).unwrap();
    for encoder in [
        FrameEncoder::default(),
        FrameEncoder::Pretrained(Box::new(encoder)),
    ] {
        let measurement = measure_with(&config, spec, &suite, encoder);
        for truth in &measurement.truth {
            for name in ["feature_consistency", "feature_consistency_to_first"] {
                assert!((value(truth, name).unwrap() - 1.0).abs() < 1e-6, "{name}");
            }
        }
    }
}
