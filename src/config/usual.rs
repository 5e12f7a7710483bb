//! Usual values of required keys, for messages about those that are missing.

/// Dotted path of a required key, without the indices of arrays, and a usual value as TOML.
///
/// For a key that takes one of a few words, a message lists the words instead.
const USUAL: &[(&str, &str)] = &[
    ("run", "{ name = \"my_run\" }"),
    ("run.name", "\"my_run\""),
    ("data", "{ kind = \"digits\" }"),
    ("data.kind", "\"image_folder\""),
    ("data.path", "\"data/images\""),
    ("data.image_size", "224"),
    ("data.n_classes", "10"),
    ("data.n_frames", "16"),
    ("data.side", "24"),
    ("data.clips", "[\"constant\", \"bounce\"]"),
    ("model.kind", "\"vit\""),
    ("model.patch_size", "16"),
    ("model.d_model", "64"),
    ("model.n_layers", "4"),
    ("model.n_heads", "4"),
    ("model.head", "\"clip\""),
    ("model.text.kind", "\"learned\""),
    (
        "model",
        "{ kind = \"vit\", size = \"tiny\", patch_size = 16 }",
    ),
    (
        "training",
        "{ epochs = 100, batch_size = 64, optimizer = { kind = \"adamw\", lr = 1e-3 } }",
    ),
    ("training.epochs", "100"),
    ("training.batch_size", "64"),
    ("training.optimizer", "{ kind = \"adamw\", lr = 1e-3 }"),
    ("training.optimizer.kind", "\"adamw\""),
    ("training.optimizer.lr", "1e-3"),
    ("training.optimizer.weight_decay", "1e-4"),
    ("training.early_stopping.patience", "10"),
    ("training.augment.rand_augment.n_operations", "2"),
    ("training.augment.rand_augment.magnitude", "9"),
    ("training.levels.kind", "\"logit_normal\""),
    ("training.schedule.kind", "\"cosine\""),
    ("training.schedule.every_epochs", "30"),
    ("training.schedule.factor", "0.1"),
    ("training.schedule.warmup_steps", "100"),
    ("training.view.kind", "\"noise\""),
    ("training.view.severity", "2"),
    ("training.view.epsilon", "0.05"),
    ("training.view.steps", "5"),
    ("robustness.epsilon", "0.05"),
    ("robustness.pgd_steps", "20"),
    ("topology.pairs.stride", "2"),
    ("topology.homology_dim", "1"),
    ("topology.penalty.kind", "\"wasserstein\""),
    ("topology.penalty.n_directions", "20"),
    ("topology.penalty.number", "1"),
    ("topology.penalty.low", "0.5"),
    ("topology.penalty.high", "0.9"),
    ("topology.weight.kind", "\"gradient_share\""),
    ("topology.weight.value", "0.1"),
    ("topology.weight.share", "0.1"),
];

/// A usual value of the key at a dotted path without indices, as it is written in a file; `None` if there is none.
pub(super) fn usual_value(path: &str) -> Option<&'static str> {
    let entry = USUAL.iter().find(|(key, _)| *key == path);
    entry.map(|(_, value)| *value)
}
