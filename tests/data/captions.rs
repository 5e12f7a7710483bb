//! Captions of generated clips: every word is read back from the flow, the masks and the label of the clip.

use std::collections::BTreeSet;

use burn_topology::data::{
    ClipKind, ClipTruth, DigitCaptions, HeldOut, MovingDigits, Partners, Sample, Samples, Splits,
};

use super::items;

const DIGITS: [&str; 10] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
];

fn captioned(kinds: &[ClipKind], n_frames: usize, side: usize, repeats: usize) -> MovingDigits {
    MovingDigits::new(kinds.to_vec(), n_frames, side, repeats, 0.2)
        .unwrap()
        .with_partners(Partners::AnyDigit)
        .with_captions(DigitCaptions {
            hold_out: kinds.len() > 1,
        })
        .unwrap()
}

/// Facts about a clip, read from its flow and its masks.
struct Facts<'a> {
    truth: &'a ClipTruth,
    n_frames: usize,
    side: usize,
}

impl Facts<'_> {
    /// Flow at the pixels of an object, with their positions: rows, then columns.
    fn flow(&self, frame: usize, object: u8) -> Vec<([f32; 2], [f32; 2])> {
        let (side, size) = (self.side, self.side * self.side);
        (0..size)
            .filter(|pixel| self.truth.masks[frame * size + pixel] == object)
            .map(|pixel| {
                let at = |axis: usize| self.truth.flow[(2 * frame + axis) * size + pixel];
                let position = [(pixel / side) as f32, (pixel % side) as f32];
                (position, [at(0), at(1)])
            })
            .collect()
    }

    /// Mean flow of the first digit from each frame to the next; frames in which it is hidden are left out.
    fn steps(&self) -> Vec<[f32; 2]> {
        (0..self.n_frames - 1)
            .map(|frame| self.flow(frame, 1))
            .filter(|flow| !flow.is_empty())
            .map(|flow| {
                let n = flow.len() as f32;
                [0, 1].map(|axis| flow.iter().map(|(_, step)| step[axis]).sum::<f32>() / n)
            })
            .collect()
    }

    /// Sums, over frames, of the rotation (counterclockwise) and the growth of the flow of the first digit.
    fn turn_and_growth(&self) -> [f32; 2] {
        let mut sums = [0.0; 2];
        for frame in 0..self.n_frames - 1 {
            let flow = self.flow(frame, 1);
            let n = flow.len() as f32;
            let mut center = [0.0; 2];
            let mut step = [0.0; 2];
            for (position, moved) in &flow {
                for axis in 0..2 {
                    center[axis] += position[axis] / n;
                    step[axis] += moved[axis] / n;
                }
            }
            let (mut cross, mut dot, mut square) = (0.0, 0.0, 0.0);
            for (position, moved) in &flow {
                let [y, x] = [position[0] - center[0], position[1] - center[1]];
                let [v, u] = [moved[0] - step[0], moved[1] - step[1]];
                // For a viewer, a counterclockwise turn moves what is on the right up, to smaller rows.
                cross += y * u - x * v;
                dot += y * v + x * u;
                square += y * y + x * x;
            }
            sums[0] += cross / square;
            sums[1] += dot / square;
        }
        sums
    }

    /// Middle of the rows and columns that an object covers; `None` if it is absent.
    fn middle(&self, frame: usize, object: u8) -> Option<[f32; 2]> {
        let size = self.side * self.side;
        let mask = &self.truth.masks[frame * size..][..size];
        let range = |coordinate: &dyn Fn(usize) -> usize| {
            let values = (0..size)
                .filter(|&pixel| mask[pixel] == object)
                .map(coordinate);
            let (least, most) = values.fold((usize::MAX, 0), |(least, most), value| {
                (least.min(value), most.max(value))
            });
            (least <= most).then(|| (least + most) as f32 / 2.0)
        };
        Some([
            range(&|pixel| pixel / self.side)?,
            range(&|pixel| pixel % self.side)?,
        ])
    }

    /// Mean distance of the two digits along rows and columns, over frames in which both are seen.
    fn distance(&self, frames: std::ops::Range<usize>) -> [f32; 2] {
        let pairs: Vec<[[f32; 2]; 2]> = frames
            .filter_map(|frame| Some([self.middle(frame, 1)?, self.middle(frame, 2)?]))
            .collect();
        assert!(!pairs.is_empty());
        [0, 1].map(|axis: usize| {
            let gap = |[first, second]: &[[f32; 2]; 2]| (first[axis] - second[axis]).abs();
            pairs.iter().map(gap).sum::<f32>() / pairs.len() as f32
        })
    }
}

/// True if a caption has one of these phrases.
fn says(text: &str, phrases: &[&str]) -> bool {
    phrases
        .iter()
        .any(|phrase| format!(" {text} ").contains(&format!(" {phrase} ")))
}

/// Digits of a caption, in their order.
fn digits(text: &str) -> Vec<usize> {
    const PLURALS: [&str; 10] = [
        "zeros", "ones", "twos", "threes", "fours", "fives", "sixes", "sevens", "eights", "nines",
    ];
    let words: Vec<&str> = text.split(' ').collect();
    let place = |list: &[&str; 10], word: &str| list.iter().position(|known| *known == word);
    if words[0] == "two"
        && let Some(digit) = place(&PLURALS, words[1])
    {
        return vec![digit; 2];
    }
    // The subject ends before the place of two digits or the verb, which may contain the word "one".
    let subject = words.iter().take_while(|word| {
        [
            "a", "an", "and", "the", "digit", "digits", "number", "numbers",
        ]
        .contains(word)
            || place(&DIGITS, word).is_some()
    });
    let mut found: Vec<usize> = subject.filter_map(|word| place(&DIGITS, word)).collect();
    if text.contains(" one above the other") && found.len() == 3 {
        found.pop();
    }
    found
}

/// Checks every word of a caption; returns a problem.
fn problem(clip: &Sample, kind: ClipKind, n_frames: usize, side: usize) -> Option<String> {
    let text = &clip.caption.as_ref().unwrap().text;
    let facts = Facts {
        truth: clip.truth.as_ref().unwrap(),
        n_frames,
        side,
    };
    let n_objects = if matches!(
        kind,
        ClipKind::TwoDigits | ClipKind::Merge | ClipKind::Split | ClipKind::Appear
    ) {
        2
    } else {
        1
    };
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            wrong.push(what.to_owned());
        }
    };
    let named = digits(text);
    check(named.len() == n_objects && named[0] == clip.label, "digit");
    let steps = facts.steps();
    let mean = [0, 1]
        .map(|axis: usize| steps.iter().map(|step| step[axis]).sum::<f32>() / steps.len() as f32);
    let distance = mean[0].hypot(mean[1]) * (n_frames - 1) as f32;
    if n_objects == 1 {
        let turns_back = (0..2).any(|axis: usize| {
            steps.iter().any(|step| step[axis] > 0.4) && steps.iter().any(|step| step[axis] < -0.4)
        });
        check(turns_back == says(text, &["bounces"]), "bounces");
        let [turn, growth] = facts.turn_and_growth();
        let is_turning = turn.abs() > 0.05;
        check(
            is_turning == says(text, &["turns", "rotates", "spins"]),
            "turns",
        );
        let verbs = ["moves", "goes", "drifts"];
        let is_still = says(text, &["stays still", "stands still", "does not move"]);
        check(
            is_still == (distance < 0.01 && !turns_back && !is_turning),
            "still",
        );
        check(
            says(text, &verbs) == (distance > 1.0 && !turns_back && !is_turning),
            "moves",
        );
        if is_turning {
            check(says(text, &["left"]) == (turn > 0.0), "left");
            check(says(text, &["right"]) == (turn < 0.0), "right");
            check(says(text, &["grows"]) == (growth > 0.0), "grows");
            check(says(text, &["shrinks"]) == (growth < 0.0), "shrinks");
        } else if says(text, &verbs) {
            // Each of two words is said if its part of the path is more than the tangent of 22.5 degrees of the other.
            let parts = [
                ("up", -mean[0]),
                ("down", mean[0]),
                ("left", -mean[1]),
                ("right", mean[1]),
            ];
            for (word, part) in parts {
                let across = if matches!(word, "up" | "down") {
                    mean[1]
                } else {
                    mean[0]
                };
                let is_there = part > across.abs() * 22.5_f32.to_radians().tan();
                check(says(text, &[word]) == is_there, word);
            }
            let share = distance / (side - 8) as f32;
            check(!says(text, &["slowly"]) || share < 0.65, "slowly");
            check(!says(text, &["fast"]) || share > 0.7, "fast");
            check(
                says(text, &["slowly", "fast"]) || (0.55..0.8).contains(&share),
                "speed",
            );
        }
        let size = side * side;
        let has_bar = (0..size).any(|pixel| facts.truth.masks[pixel] == 2);
        check(says(text, &["behind a bar"]) == has_bar, "bar");
        // Behind: the digit touches the bar in some frame.
        let touches = (0..n_frames * size).any(|pixel| {
            let is = |pixel: usize, object| facts.truth.masks[pixel] == object;
            let (row, column) = (pixel % size / side, pixel % side);
            is(pixel, 1)
                && ((row > 0 && is(pixel - side, 2))
                    || (row + 1 < side && is(pixel + side, 2))
                    || (column > 0 && is(pixel - 1, 2))
                    || (column + 1 < side && is(pixel + 1, 2)))
        });
        check(!has_bar || touches, "behind");
    } else {
        let betti = |frame: usize| facts.truth.betti[frame][0];
        let last = n_frames - 1;
        let both = [0, last].map(|frame| facts.middle(frame, 2).is_some());
        check(
            says(text, &["appear", "show up"]) == (!both[0] && both[1]),
            "appear",
        );
        check(
            says(text, &["come together", "merge", "meet"]) == (both[0] && betti(last) < betti(0)),
            "merge",
        );
        check(
            says(text, &["move apart", "separate", "part"]) == (both[0] && betti(last) > betti(0)),
            "split",
        );
        let touch = (0..n_frames).any(|frame| betti(frame) != betti(0));
        check(
            says(text, &["stay apart", "keep apart", "do not touch"]) != touch,
            "apart",
        );
        let frames = match kind {
            ClipKind::Merge => 0..1,
            ClipKind::Split => last..n_frames,
            _ => 0..n_frames,
        };
        let [rows, columns] = facts.distance(frames);
        check(
            says(text, &["side by side"]) == (columns > rows),
            "side by side",
        );
        check(
            says(text, &["one above the other"]) == (rows > columns),
            "above",
        );
    }
    let corrupted = [
        (ClipKind::Noise, "in noise"),
        (ClipKind::Blur, "out of focus"),
    ];
    for (corrupting, phrase) in corrupted {
        check(says(text, &[phrase]) == (kind == corrupting), phrase);
    }
    (!wrong.is_empty()).then(|| format!("{kind:?} `{text}`: {wrong:?}"))
}

#[test]
fn every_word_of_every_caption_is_read_back_from_the_clip() {
    let mut problems = Vec::new();
    let mut n_clips = 0;
    for kind in ClipKind::ALL {
        for (n_frames, side) in [(8, 16), (6, 21)] {
            let splits = captioned(&[kind], n_frames, side, 1).splits();
            for clip in items(&splits.validation) {
                n_clips += 1;
                problems.extend(problem(&clip, kind, n_frames, side));
            }
        }
    }
    let shown: Vec<&String> = problems.iter().take(10).collect();
    assert!(
        problems.is_empty(),
        "{} of {n_clips}: {shown:#?}",
        problems.len()
    );
    assert_eq!(n_clips, 2 * 11 * 360);
}

const KINDS: [ClipKind; 6] = [
    ClipKind::Still,
    ClipKind::Constant,
    ClipKind::RotateScale,
    ClipKind::TwoDigits,
    ClipKind::Merge,
    ClipKind::Split,
];

/// Combinations of digit and kind, and wordings without the words that depend on the clip.
fn combinations(samples: &Samples) -> BTreeSet<(usize, String)> {
    let families: [(&str, &[&str]); 6] = [
        ("still", &["stays still", "stands still", "does not move"]),
        ("moves", &["moves", "goes", "drifts"]),
        ("turns", &["turns", "rotates", "spins"]),
        ("apart", &["stay apart", "keep apart", "do not touch"]),
        ("merge", &["come together", "merge", "meet"]),
        ("split", &["move apart", "separate", "part"]),
    ];
    let mut found = BTreeSet::new();
    for clip in items(samples) {
        let text = &clip.caption.as_ref().unwrap().text;
        let family = families
            .iter()
            .find(|(_, phrases)| says(text, phrases))
            .unwrap()
            .0;
        for digit in digits(text) {
            found.insert((digit, family.to_owned()));
        }
    }
    found
}

#[test]
fn held_out_combinations_and_wordings_are_outside_of_training_only() {
    let settings = captioned(&KINDS, 4, 16, 3);
    let splits: Splits = settings.splits();
    let (seen, tested) = (combinations(&splits.train), combinations(&splits.test));
    // The digits 0 to 9 against 6 kinds: the remainders 0 to 3 occur twice among the digits.
    assert_eq!((seen.len(), tested.len()), (50, 60));
    let digits_seen: BTreeSet<usize> = seen.iter().map(|(digit, _)| *digit).collect();
    assert_eq!(digits_seen.len(), 10);
    let words = |samples: &Samples| -> BTreeSet<String> {
        let texts = items(samples)
            .into_iter()
            .map(|clip| clip.caption.unwrap().text.clone());
        texts
            .flat_map(|text| text.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    assert!(
        words(&splits.train).is_superset(&words(&splits.test)),
        "a word is never trained on"
    );
    let held_out = |samples: &Samples, wanted| {
        let clips = items(samples);
        let is_wanted = |clip: &&Sample| clip.caption.as_ref().unwrap().held_out == wanted;
        clips.iter().filter(is_wanted).count() as f64 / clips.len() as f64
    };
    for wanted in [HeldOut::Combination, HeldOut::Paraphrase] {
        assert_eq!(held_out(&splits.train, wanted), 0.0);
        let share = held_out(&splits.test, wanted);
        assert!((0.1..0.3).contains(&share), "{wanted:?}: {share}");
    }
    // The same is found from the text alone.
    for clip in items(&splits.test) {
        let caption = clip.caption.unwrap();
        assert_eq!(
            settings.held_out(&caption.text),
            caption.held_out,
            "{}",
            caption.text
        );
    }
    assert_eq!(settings.held_out("a cow jumps"), HeldOut::Nothing);
    // Every caption can be encoded, labels are known without rendering, and no clip occurs twice.
    let vocabulary = settings.vocabulary().unwrap();
    let mut clips = BTreeSet::new();
    for (index, clip) in items(&splits.train).into_iter().enumerate() {
        vocabulary.encode(&clip.caption.unwrap().text, 16).unwrap();
        assert_eq!(splits.train.label(index), clip.label);
        let bits: Vec<u32> = clip.pixels.iter().map(|pixel| pixel.to_bits()).collect();
        clips.insert(bits);
    }
    assert_eq!(clips.len(), splits.train.len());
}

#[test]
fn ten_thousands_of_repeats_cost_nothing() {
    let started = std::time::Instant::now();
    let splits = captioned(&KINDS, 8, 16, 50_000)
        .with_evaluation_repeats(1)
        .unwrap()
        .splits();
    assert_eq!(splits.test.len(), 360);
    let n_clips = splits.train.len();
    assert!((40_000_000..53_850_000).contains(&n_clips), "{n_clips}");
    let last = splits.train.get(n_clips - 1).unwrap();
    assert!(last.caption.is_some());
    assert!(started.elapsed().as_secs_f64() < 2.0);
}

// The value is that of version 2 of the clips before there were captions, over all kinds that it had.
const HASH: u64 = 0xb211_fc0c_24ce_6912;

#[test]
fn clips_without_captions_are_those_of_their_version() {
    let kinds: Vec<ClipKind> = ClipKind::ALL
        .into_iter()
        .filter(|kind| *kind != ClipKind::Still)
        .collect();
    let splits = MovingDigits::new(kinds, 6, 17, 2, 0.2).unwrap().splits();
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for samples in [&splits.train, &splits.validation, &splits.test] {
        for index in (0..samples.len()).step_by(7) {
            let clip = samples.get(index).unwrap();
            let truth = clip.truth.as_ref().unwrap();
            for bits in clip
                .pixels
                .iter()
                .chain(&truth.flow)
                .map(|value| value.to_bits())
            {
                hash = (hash ^ u64::from(bits)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
    }
    assert_eq!(hash, HASH);
}

#[test]
fn one_kind_has_no_combinations_to_hold_out() {
    let one = MovingDigits::new(vec![ClipKind::Merge; 2], 4, 16, 1, 0.2).unwrap();
    let error = one
        .with_captions(DigitCaptions { hold_out: true })
        .unwrap_err();
    assert!(error.to_string().contains("a single kind"), "{error}");
}
