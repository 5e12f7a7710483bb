//! Generated clips: their ground truth is checked against the pixels and, for the topology, against
//! persistent homology.

use std::collections::HashSet;

use burn_topology::data::{ClipKind, ClipTruth, MovingDigits, Sample, Samples};
use burn_topology::topology::{DistanceMatrix, VietorisRips};

/// Training split of clips of these kinds.
fn generated(kinds: &[ClipKind], n_frames: usize, side: usize) -> Samples {
    let settings = MovingDigits::new(kinds.to_vec(), n_frames, side, 1, 0.2).unwrap();
    settings.splits().train
}

fn truth(clip: &Sample) -> &ClipTruth {
    clip.truth.as_ref().unwrap()
}

/// Selects `n` clips at equal distances: they cover all classes, because the split is sorted by class.
fn select(samples: &Samples, n: usize) -> Vec<Sample> {
    let every = samples.len() / n;
    (0..n).map(|k| samples.get(k * every).unwrap()).collect()
}

#[test]
fn clips_are_reproducible_and_distinct() {
    let settings = MovingDigits::new(ClipKind::ALL.to_vec(), 5, 16, 2, 0.2).unwrap();
    let (first, again) = (settings.splits(), settings.splits());
    assert_eq!(first.train.len(), 2 * 1077);
    let clip = |samples: &Samples, index| samples.get(index).unwrap();
    for index in [0, 7, 1076, 1077 + 7] {
        assert_eq!(clip(&first.train, index), clip(&again.train, index));
    }
    // A digit moves differently when it occurs for the second time.
    let constant = MovingDigits::new(vec![ClipKind::Constant], 5, 16, 2, 0.2)
        .unwrap()
        .splits();
    assert_ne!(
        clip(&constant.train, 3).pixels,
        clip(&constant.train, 1080).pixels
    );
    assert_eq!(
        clip(&constant.train, 3).label,
        clip(&constant.train, 1080).label
    );
    let bits = |samples: &Samples| -> HashSet<Vec<u32>> {
        let clips = (0..200).map(|k| clip(samples, k).pixels);
        clips
            .map(|pixels| pixels.iter().map(|p| p.to_bits()).collect())
            .collect()
    };
    let (train, test) = (bits(&first.train), bits(&first.test));
    assert_eq!((train.len(), test.len()), (200, 200));
    assert!(train.is_disjoint(&test));
}

// The next frame has the same brightness where the flow leads: `x_t(p) = x_{t+1}(p + flow(p))`.
#[test]
fn flow_maps_each_frame_to_the_next() {
    for kind in ClipKind::ALL {
        if matches!(kind, ClipKind::Noise | ClipKind::Blur) {
            // The ground truth is that of the clip before its corruption.
            continue;
        }
        for side in [16, 21] {
            let (mut error, mut error_without_flow, mut n) = (0.0, 0.0, 0);
            for clip in select(&generated(&[kind], 6, side), 20) {
                let truth = truth(&clip);
                let size = side * side;
                let frames: Vec<&[f32]> = clip.pixels.chunks_exact(size).collect();
                for (step, pair) in frames.windows(2).enumerate() {
                    for pixel in 0..size {
                        let is_object = truth.masks[step * size + pixel] > 0;
                        if !is_object || !truth.is_visible_next[step * size + pixel] {
                            continue;
                        }
                        let flow = [0, 1].map(|axis| truth.flow[(2 * step + axis) * size + pixel]);
                        let target = [
                            (pixel / side) as f32 + flow[0],
                            (pixel % side) as f32 + flow[1],
                        ];
                        error +=
                            f64::from((bilinear(pair[1], side, target) - pair[0][pixel]).abs());
                        error_without_flow += f64::from((pair[1][pixel] - pair[0][pixel]).abs());
                        n += 1;
                    }
                }
            }
            let (error, error_without_flow) =
                (error / f64::from(n), error_without_flow / f64::from(n));
            // The remaining error comes from resampling the digits twice.
            assert!(
                n > 1000 && error < 0.12,
                "{kind:?} {side}: {error} over {n} pixels"
            );
            assert!(
                error < 0.7 * error_without_flow || error_without_flow < 0.05,
                "{kind:?} {side}: {error} {error_without_flow}"
            );
        }
    }
}

fn bilinear(frame: &[f32], side: usize, [y, x]: [f32; 2]) -> f32 {
    let last = (side - 1) as f32;
    let (y, x) = (y.clamp(0.0, last), x.clamp(0.0, last));
    let [top, left] = [y, x].map(|coordinate| coordinate.floor() as usize);
    let [below, right] = [top, left].map(|index| (index + 1).min(side - 1));
    let (down, over) = (y - y.floor(), x - x.floor());
    let at = |row: usize, column: usize| frame[row * side + column];
    (1.0 - down) * ((1.0 - over) * at(top, left) + over * at(top, right))
        + down * ((1.0 - over) * at(below, left) + over * at(below, right))
}

#[test]
fn masks_are_the_bright_pixels_and_keep_their_size() {
    for kind in [
        ClipKind::Constant,
        ClipKind::Bounce,
        ClipKind::RotateScale,
        ClipKind::TwoDigits,
    ] {
        for clip in select(&generated(&[kind], 6, 16), 20) {
            for (pixel, mask) in clip.pixels.iter().zip(&truth(&clip).masks) {
                assert_eq!(*pixel >= 0.3, *mask > 0, "{kind:?}");
            }
            // About the same area of the digit is visible in every frame.
            let sizes: Vec<usize> = truth(&clip)
                .masks
                .chunks(256)
                .map(|mask| mask.iter().filter(|&&object| object > 0).count())
                .collect();
            let [least, most] = [sizes.iter().min().unwrap(), sizes.iter().max().unwrap()];
            assert!(2 * least > *most, "{kind:?}: {sizes:?}");
        }
    }
}

#[test]
fn visible_pixels_have_the_same_mask_at_their_target() {
    for kind in ClipKind::ALL {
        for clip in select(&generated(&[kind], 5, 16), 20) {
            let truth = truth(&clip);
            let mut n_lost = 0;
            for step in 0..4 {
                for pixel in 0..256 {
                    let object = truth.masks[step * 256 + pixel];
                    let flow = [0, 1].map(|axis| truth.flow[(2 * step + axis) * 256 + pixel]);
                    assert!(object > 0 || flow == [0.0; 2], "the background moves");
                    let position = [pixel / 16, pixel % 16];
                    let around = |axis: usize| {
                        let target = position[axis] as f32 + flow[axis];
                        [target.floor() as i64, target.ceil() as i64]
                    };
                    let is_visible = around(0).iter().any(|&row| {
                        around(1).iter().any(|&column| {
                            let is_inside = (0..16).contains(&row) && (0..16).contains(&column);
                            is_inside
                                && truth.masks[(step + 1) * 256 + (row * 16 + column) as usize]
                                    == object
                        })
                    });
                    assert_eq!(
                        is_visible,
                        truth.is_visible_next[step * 256 + pixel],
                        "{kind:?}"
                    );
                    n_lost += usize::from(object > 0 && !is_visible);
                }
            }
            if kind == ClipKind::Constant {
                assert!(
                    n_lost < 20,
                    "{kind:?}: {n_lost} pixels of a digit that nothing covers are not visible"
                );
            }
        }
    }
}

/// Betti numbers of a mask by persistent homology.
///
/// The union of closed pixels is homotopy equivalent to the Vietoris-Rips complex of their centres at
/// diameter 1 in the Chebyshev distance, by the nerve theorem: squares that meet pairwise have a common
/// point.
fn betti_by_persistent_homology(mask: &[u8], side: usize) -> [usize; 2] {
    let points: Vec<[i64; 2]> = (0..mask.len())
        .filter(|&pixel| mask[pixel] > 0)
        .map(|pixel| [(pixel / side) as i64, (pixel % side) as i64])
        .collect();
    let distance = |a: &[i64; 2], b: &[i64; 2]| (a[0] - b[0]).abs().max((a[1] - b[1]).abs()) as f64;
    let distances: Vec<f64> = points
        .iter()
        .flat_map(|a| points.iter().map(move |b| distance(a, b)))
        .collect();
    let matrix = DistanceMatrix::new(&distances, points.len()).unwrap();
    let mut rips = VietorisRips::new(1).unwrap().with_threshold(1.0).unwrap();
    let diagrams = rips.diagrams(&matrix).unwrap();
    [0, 1].map(|dim: usize| diagrams[dim].essential().count())
}

#[test]
fn betti_numbers_equal_those_of_persistent_homology() {
    for kind in ClipKind::ALL {
        for side in [16, 19] {
            for clip in select(&generated(&[kind], 4, side), 12) {
                let truth = truth(&clip);
                for (mask, betti) in truth.masks.chunks(side * side).zip(&truth.betti) {
                    assert_eq!(betti_by_persistent_homology(mask, side), *betti, "{kind:?}");
                }
            }
        }
    }
}

#[test]
fn kinds_keep_or_change_the_topology_as_documented() {
    for kind in ClipKind::ALL {
        for (n_frames, side) in [(8, 16), (2, 17), (5, 32)] {
            for clip in select(&generated(&[kind], n_frames, side), 50) {
                let betti = &truth(&clip).betti;
                assert_eq!(betti.len(), n_frames);
                let is_constant = betti.iter().all(|b| *b == betti[0]);
                match kind {
                    ClipKind::Occlusion => {}
                    kind if kind.keeps_topology() => assert!(is_constant, "{kind:?}: {betti:?}"),
                    kind => assert!(!is_constant, "{kind:?}: {betti:?}"),
                }
            }
        }
    }
}

#[test]
fn every_digit_moves() {
    for kind in ClipKind::ALL {
        if kind == ClipKind::Still {
            continue;
        }
        for clip in select(&generated(&[kind], 8, 16), 120) {
            let speed = truth(&clip)
                .flow
                .iter()
                .fold(0.0f32, |most, part| most.max(part.abs()));
            // The slowest digits are those that may rotate by a part of the usual turn only.
            let least = match kind {
                ClipKind::RotateScale => 0.02,
                _ => 0.2,
            };
            assert!(speed > least, "{kind:?}: {speed} pixels per frame");
        }
    }
}

#[test]
fn invalid_settings_are_refused() {
    let error = |kinds: &[ClipKind], n_frames, side, repeats, noise| {
        let error = MovingDigits::new(kinds.to_vec(), n_frames, side, repeats, noise).unwrap_err();
        assert!(error.is_invalid_parameter());
        error.to_string()
    };
    let one = [ClipKind::Constant];
    assert!(error(&[], 8, 16, 1, 0.2).contains("at least one kind"));
    assert!(error(&one, 1, 16, 1, 0.2).contains("n_frames is 1"));
    assert!(error(&one, 8, 11, 1, 0.2).contains("side is 11, expected 12 to 4096"));
    assert!(error(&[ClipKind::Merge], 8, 15, 1, 0.2).contains("expected 16 to 4096"));
    assert!(error(&one, 8, 16, 0, 0.2).contains("repeats is 0"));
    assert!(error(&one, 1_000_000, 16, 1, 0.2).contains("expected 2 to 10000"));
    assert!(error(&one, 8, 16, 1_000_000_000, 0.2).contains("expected 1 to 100000"));
    assert!(error(&one, 8, 16, 1, f32::NAN).contains("noise is NaN"));
}
