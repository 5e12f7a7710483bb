//! Burn's own training loop, end to end.

use crate::burn_train;
use crate::util::TestDir;

#[test]
fn the_example_trains_and_its_event_files_name_the_topology() {
    let directory = TestDir::new();
    let weight = burn_train::train(directory.path()).expect("a measured weight");
    assert!(weight > 0.0 && weight.is_finite());
    for (split, tags) in [
        ("train", ["Loss", "Topology loss", "Topology penalty 0"]),
        ("valid", ["Loss", "Accuracy", "Topology loss"]),
    ] {
        let run = directory.path().join("tensorboard").join(split);
        let file = std::fs::read_dir(run).unwrap().next().unwrap().unwrap();
        let bytes = std::fs::read(file.path()).unwrap();
        for tag in tags {
            let found = bytes.windows(tag.len()).filter(|at| *at == tag.as_bytes());
            // Four steps in each of two epochs, or one value for each.
            let expected = if split == "train" { 8 } else { 2 };
            assert_eq!(found.count(), expected, "{split}: {tag}");
        }
    }
    // Burn's own logger answers where ours does not.
    assert!(directory.path().join("valid").join("epoch-2").is_dir());
    assert!(directory.path().join("checkpoint/model-2.bpk").is_file());
}
