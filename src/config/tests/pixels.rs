//! Penalties on predicted frames.

use super::*;
use crate::loss::{
    FrameComparison, Pairs, PartnerChoice, PenaltyKind, PixelChoice, PixelComparison, PixelPenalty,
};
use crate::topology::{DiagramDistance, DiagramSummary, Filtration, GroundNorm, Power};

const PREDICTOR: &str = r#"[run]
name = "a"
[data]
kind = "moving_digits"
clips = ["constant"]
n_frames = 5
side = 12
[model]
kind = "timesformer"
head = "next_frame"
d_model = 8
n_layers = 2
n_heads = 2
patch_size = 4
[training]
epochs = 1
batch_size = 16
optimizer = { kind = "adamw", lr = 1e-3 }
"#;

/// Text of a configuration of a predictor with one table on its frames.
fn with_table(keys: &str) -> String {
    format!("topology = [{{ source = \"prediction\", homology_dim = 1, {keys} }}]\n{PREDICTOR}")
}

fn read_table(keys: &str) -> Result<Config, String> {
    read(&with_table(keys), &[])
}

/// Penalty that a table is read into.
fn penalty(keys: &str) -> PixelPenalty {
    let config = read_table(keys).unwrap();
    match config.spec.penalties[0].kind {
        PenaltyKind::Pixels(pixels) => pixels,
        ref kind => panic!("{kind:?}"),
    }
}

#[test]
fn tables_on_predicted_frames_are_read() {
    let same = PartnerChoice::Same;
    let frames = FrameComparison::WASSERSTEIN;
    let truth = |frames| PixelComparison::Truth {
        frames,
        partners: same,
    };
    let bottleneck = FrameComparison::Distance(DiagramDistance::Bottleneck {
        ground_norm: GroundNorm::Infinity,
    });
    let sliced = FrameComparison::Distance(DiagramDistance::SlicedWasserstein {
        order: 1.0,
        n_directions: 9,
        power: Power::P,
    });
    let FrameComparison::Distance(distance) = frames else {
        panic!("a distance")
    };
    let total = DiagramSummary::TotalPersistence {
        order: 1.0,
        window: [0.0, f64::INFINITY],
    };
    let matching = FrameComparison::BettiMatching {
        order: 1.0,
        ground_norm: GroundNorm::L2,
    };
    let seed = 0;
    let shuffled = PartnerChoice::Shuffled { seed };
    let cases = [
        ("", "truth", truth(frames)),
        (
            "between = \"frames\", pairs = \"all\"",
            "frames",
            PixelComparison::Frames {
                frames,
                pairs: Pairs::All,
            },
        ),
        (
            "between = \"change\", partners = \"shuffled\"",
            "change",
            PixelComparison::Change {
                frames,
                pairs: Pairs::Consecutive,
                partners: shuffled,
            },
        ),
        (
            "between = \"volume\"",
            "volume",
            PixelComparison::Volume {
                distance,
                partners: same,
            },
        ),
        (
            "penalty = { kind = \"bottleneck\" }",
            "truth",
            truth(bottleneck),
        ),
        (
            "penalty = { kind = \"sliced_wasserstein\", n_directions = 9 }",
            "truth",
            truth(sliced),
        ),
        (
            "penalty = { kind = \"betti_matching\", order = 1.0 }",
            "truth",
            truth(matching),
        ),
        (
            "penalty = { kind = \"total_persistence\" }",
            "summary",
            PixelComparison::Summary(total),
        ),
        (
            "penalty = { kind = \"persistent_entropy\" }",
            "summary",
            PixelComparison::Summary(DiagramSummary::PersistentEntropy),
        ),
        (
            "penalty = { kind = \"betti_number\", number = 2 }",
            "betti_number",
            PixelComparison::BettiNumber(2),
        ),
    ];
    for (keys, name, comparison) in cases {
        assert_eq!(penalty(keys), PixelPenalty::new(1, comparison), "{keys}");
        let config = read_table(keys).unwrap();
        assert_eq!(config.spec.penalty_names(), [format!("h1_pixels_{name}")]);
        // Overrides find the table by the same name, before it is checked.
        let set = format!("topology.h1_pixels_{name}.weight=3");
        let config = read(&with_table(keys), &[&set]).unwrap();
        assert_eq!(
            config.raw.topology[0].weight,
            RawWeight::Fixed { value: 3.0 }
        );
        // The resolved configuration says everything, and is read as the same.
        let resolved = config.to_toml();
        assert!(resolved.contains("pixels = \"critical\""), "{resolved}");
        assert_eq!(read(&resolved, &[]).unwrap().raw, config.raw);
    }
    let settings = "min_persistence = 0.05, filtration = \"sublevel\", pixels = \"random\"";
    let expected = PixelPenalty::new(1, truth(frames))
        .with_min_persistence(0.05)
        .with_filtration(Filtration::Sublevel)
        .with_pixels(PixelChoice::Random { seed });
    assert_eq!(penalty(settings), expected);
}

#[test]
fn keys_that_do_not_apply_to_predicted_frames_are_refused() {
    let unused = "does not use";
    let alone = "from each predicted frame on its own";
    let total = "penalty = { kind = \"total_persistence\" }, ";
    for (before, change, expected) in [
        ("", "layers = [0]", unused),
        ("", "distance = \"hellinger\"", unused),
        ("", "exponent = 2.0", unused),
        ("", "heads = \"each\"", unused),
        ("", "tokens = \"all\"", unused),
        ("", "alignment = \"flow\"", unused),
        ("", "edges = \"random\"", unused),
        ("", "direction = \"towards_first\"", unused),
        ("", "normalize = \"spanning_tree\"", unused),
        ("", "between = \"layers\"", "have no layers"),
        ("", "between = \"views\"", "have no layers"),
        ("", "between = \"reference\"", "have no layers"),
        ("", "pairs = \"all\"", "no other pairs"),
        (
            "between = \"volume\", ",
            "pairs = \"all\"",
            "no other pairs",
        ),
        (
            "between = \"frames\", ",
            "partners = \"shuffled\"",
            "no other clip",
        ),
        (
            "between = \"frames\", ",
            "pairs = { stride = 4 }",
            "(pairs: stride 4), but a clip has 4 predicted frames",
        ),
        (total, "between = \"frames\"", alone),
        (total, "pairs = \"all\"", alone),
        (total, "partners = \"shuffled\"", alone),
        ("", "penalty = { kind = \"rtd\" }", "compares tokens"),
        (
            "",
            "penalty = { kind = \"cosine_consistency\" }",
            "compares tokens",
        ),
        (
            "",
            "penalty = { kind = \"sorted_wasserstein\" }",
            "equal births",
        ),
        (
            "between = \"volume\", ",
            "penalty = { kind = \"betti_matching\" }",
            "frames and not volumes",
        ),
    ] {
        let error = read_table(&format!("{before}{change}")).unwrap_err();
        let key = change.split(' ').next().unwrap();
        assert!(error.contains(&format!(".{key}`: ")), "{change}: {error}");
        assert!(error.contains(expected), "{change}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    for (keys, expected) in [
        ("min_persistence = 1.5", "expected a number from 0 to 1"),
        (
            "pixels = \"random\", penalty = { kind = \"betti_matching\" }",
            "these cannot be random; use a distance",
        ),
        (
            "penalty = { kind = \"betti_number\" }",
            "missing key `number`",
        ),
    ] {
        let error = read_table(keys).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn keys_of_predicted_frames_are_refused_elsewhere() {
    for (change, expected) in [
        ("filtration=sublevel", "expected source `prediction`"),
        ("min_persistence=0.1", "expected source `prediction`"),
        ("pixels=random", "expected source `prediction`"),
        ("between=truth", "expected source `prediction`"),
        ("between=volume", "expected source `prediction`"),
        (
            "penalty={ kind = \"betti_matching\" }",
            "expected source `prediction`",
        ),
        (
            "penalty={ kind = \"betti_number\", number = 1 }",
            "expected source `prediction`",
        ),
        ("source=prediction", "does not use normalize"),
    ] {
        let set = format!("topology.0.{change}");
        let error = read(&with_penalties(&[H1]), &[&set]).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    // A classifier predicts no frames.
    let table = "source = \"prediction\", homology_dim = 0";
    let error = read(&with_penalties(&[table]), &[]).unwrap_err();
    assert!(error.contains(".source`: "), "{error}");
    assert!(error.contains("set model.head = \"next_frame\""), "{error}");
    // The reduction of a large volume would take long.
    let sets = ["data.n_frames=20", "data.side=64"];
    let error = read(&with_table("between = \"volume\""), &sets).unwrap_err();
    assert!(
        error.contains("may have 65536 voxels, found 77824"),
        "{error}"
    );
}
