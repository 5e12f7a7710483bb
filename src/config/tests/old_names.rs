//! Old names of keys, which are still accepted.

use super::*;

#[test]
fn an_old_name_is_accepted_with_a_warning() {
    let text = TEXT.replace("log_every_steps = 5", "pictures_every_epochs = 7");
    let config = read(&text, &[]).unwrap();
    assert_eq!(config.spec.logging.images_every_epochs, 7);
    assert_eq!(
        config.warnings,
        [
            "a.toml:22:1: `logging.pictures_every_epochs` is now called \
          `logging.images_every_epochs`"
        ]
    );
    assert!(config.to_toml().contains("images_every_epochs = 7"));
    let current = read(TEXT, &[]).unwrap();
    assert_eq!(current.warnings, [""; 0]);
}

#[test]
fn old_names_are_accepted_in_overrides_too() {
    let sliced = H1.replace(
        "{ kind = \"rtd\" }",
        "{ kind = \"sliced_wasserstein\", order = 1.0, directions = 9, power = \"p\" }",
    );
    let list = format!("topology=[{{ {sliced} }}]");
    let overrides = [
        "logging.pictures_every_epochs=3",
        "model.pooling=mean_beside_cls",
        &list,
        "topology.h1_layers.penalty.directions=5",
    ];
    let config = read(TEXT, &overrides).unwrap();
    assert_eq!(config.spec.logging.images_every_epochs, 3);
    assert!(matches!(
        config.raw.topology[0].penalty,
        RawPenalty::SlicedWasserstein {
            n_directions: 5,
            ..
        }
    ));
    let warnings = config.warnings;
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    assert_eq!(
        warnings[1],
        "--set model.pooling=mean_beside_cls: `model.pooling = \"mean_beside_cls\"` is now called \
         `\"mean_before_norm_with_cls\"`"
    );
}

#[test]
fn an_override_by_either_name_replaces_the_value_of_the_file() {
    let old = TEXT.replace("log_every_steps = 5", "pictures_every_epochs = 7");
    let new = old.replace("pictures_every_epochs", "images_every_epochs");
    for text in [&old, &new] {
        for key in ["pictures_every_epochs", "images_every_epochs"] {
            let config = read(text, &[&format!("logging.{key}=2")]).unwrap();
            assert_eq!(config.spec.logging.images_every_epochs, 2);
        }
    }
}

#[test]
fn the_old_and_the_new_name_in_one_file_are_an_error() {
    let text = TEXT.replace(
        "log_every_steps = 5",
        "images_every_epochs = 3\npictures_every_epochs = 7",
    );
    assert_eq!(
        read(&text, &[]).unwrap_err(),
        "a.toml:23:1: `logging.pictures_every_epochs` is now called \
         `logging.images_every_epochs`, and both are set; remove the old one"
    );
}

#[test]
fn a_key_by_its_old_name_keeps_its_position_in_errors() {
    let text = TEXT.replace("log_every_steps = 5", "pictures_every_epochs = 0");
    assert_eq!(
        read(&text, &[]).unwrap_err(),
        "a.toml:22:1: `logging.images_every_epochs`: images_every_epochs is 0, expected at least 1"
    );
}

#[test]
fn a_renamed_key_does_not_change_the_identity() {
    let sliced = H1.replace(
        "{ kind = \"rtd\" }",
        "{ kind = \"sliced_wasserstein\", order = 1.0, n_directions = 9, power = \"p\" }",
    );
    let text = with_penalties(&[&sliced]).replace(
        "patch_size = 2",
        "patch_size = 2\npooling = \"mean_before_norm_with_cls\"",
    );
    let config = read(&text, &[]).unwrap();
    let first_names = config
        .to_toml()
        .replace("images_every_epochs", "pictures_every_epochs")
        .replace("n_directions", "directions")
        .replace("mean_before_norm_with_cls", "mean_beside_cls");
    assert_eq!(config.identity(), first_names);
    assert_ne!(config.identity(), config.to_toml());
}

#[test]
fn a_key_that_has_its_first_name_again_keeps_its_identity() {
    let clips = |key: &str| {
        format!(
            "data={{ kind = \"clip_folder\", path = \"c\", n_frames = 4, image_size = 8, n_classes = 2, {key} = \"skip\" }}"
        )
    };
    let model = "model={ kind = \"timesformer\", head = \"clip\", d_model = 8, n_layers = 2, n_heads = 2, patch_size = 4 }";
    let [now, before] =
        ["unreadable", "unreadable_clips"].map(|key| read(TEXT, &[&clips(key), model]).unwrap());
    assert!(now.identity().contains("\nunreadable = \"skip\"\n"));
    assert_eq!(now.identity(), before.identity());
    assert_eq!((now.warnings.len(), before.warnings.len()), (0, 1));
    let images = "data={ kind = \"image_folder\", path = \"c\", image_size = 8, n_classes = 2 }";
    let images = read(TEXT, &[images]).unwrap();
    assert!(!images.identity().contains("unreadable"));
}
