//! Checks of `[training]`: optimisers, schedules, early stopping, averages and augmentation.

use super::*;

/// Asserts that an override is refused with this message at the end.
fn assert_refused(set: &str, expected: &str) {
    let message = read(TEXT, &[set]).expect_err(set);
    assert!(
        message.ends_with(expected),
        "{set}:\n  actual {message}\nexpected {expected}"
    );
}

#[test]
fn optimisers_have_their_own_keys() {
    let sgd = "training.optimizer={ kind = \"sgd\", lr = 0.1, weight_decay = 0.0 }";
    let config = read(TEXT, &[sgd]).unwrap();
    let expected = UpdateRule::Sgd {
        momentum: 0.9,
        nesterov: false,
    };
    assert_eq!(config.spec.training.optimizer.rule, expected);
    let lion = "training.optimizer={ kind = \"lion\", lr = 1e-4, weight_decay = 0.1 }";
    let config = read(TEXT, &[lion]).unwrap();
    assert_eq!(config.spec.training.optimizer.rule, UpdateRule::Lion);
    let n_moments = |set: &[&str]| {
        read(TEXT, set)
            .unwrap()
            .spec
            .training
            .optimizer
            .rule
            .n_moments()
    };
    assert_eq!(
        [n_moments(&[]), n_moments(&[sgd]), n_moments(&[lion])],
        [2, 1, 1]
    );
    assert_eq!(n_moments(&[sgd, "training.optimizer.momentum=0.0"]), 0);
    let refused = |set: &str, expected: &str| {
        let message = read(TEXT, &[sgd, set]).expect_err(set);
        assert!(message.ends_with(expected), "{message}");
    };
    refused(
        "training.optimizer.momentum=1.0",
        "momentum is 1, expected a factor of at least 0 and below 1; 0 is off",
    );
    refused(
        "training.optimizer={ kind = \"sgd\", lr = 0.1, weight_decay = 0.0, momentum = 0.0, nesterov = true }",
        "nesterov is true, but momentum is 0; set momentum, or leave nesterov out",
    );
    assert!(
        read(TEXT, &["training.optimizer.momentum=0.9"])
            .unwrap_err()
            .contains("unknown key `momentum`")
    );
}

#[test]
fn schedules_are_checked() {
    let schedule = |text: &str| format!("training.schedule={{ {text} }}");
    assert_refused(
        &schedule("kind = \"step\", every_epochs = 0, factor = 0.1"),
        "every_epochs is 0, expected at least 1",
    );
    assert_refused(
        &schedule("kind = \"step\", every_epochs = 1, factor = 1.0"),
        "factor is 1, expected a number above 0 and below 1",
    );
    assert_refused(
        &schedule("kind = \"one_cycle\", rise = 1.0"),
        "rise is 1, expected a fraction of at least 0 and below 1",
    );
    assert_refused(
        &schedule("kind = \"one_cycle\", end_divisor = 0.5"),
        "end_divisor is 0.5, expected a finite number of at least 1",
    );
}

#[test]
fn early_stopping_watches_a_metric_of_the_task() {
    let stopping = |text: &str| format!("training.early_stopping={{ {text} }}");
    let config = read(TEXT, &[&stopping("patience = 3")]).unwrap();
    let expected = EarlyStopping {
        patience: 3,
        metric: StoppingMetric::Accuracy,
        min_delta: 0.0,
    };
    assert_eq!(config.spec.training.early_stopping, Some(expected));
    assert_refused(
        &stopping("patience = 0"),
        "patience is 0, expected 1 to 1000000000",
    );
    assert_refused(
        &stopping("patience = 1, metric = \"mse\""),
        "this model has no validation mse, expected \"accuracy\" or \"loss\"",
    );
    assert_refused(
        &stopping("patience = 1, min_delta = -0.1"),
        "min_delta is -0.1, expected a finite number of at least 0",
    );
    assert_refused(
        "training.ema_decay=1.0",
        "ema_decay is 1, expected a number above 0 and below 1, such as 0.999; leave it out for no average",
    );
}

#[test]
fn augmentation_fits_the_images() {
    assert_refused(
        "training.augment.rand_augment={ n_operations = 2, magnitude = 11.0 }",
        "magnitude is 11, expected 0 to 10",
    );
    assert_refused(
        "training.augment.rand_augment={ n_operations = 0, magnitude = 9.0 }",
        "n_operations is 0, expected 1 to 100",
    );
    assert_refused(
        "training.augment.color_jitter={ brightness = 1.5 }",
        "brightness is 1.5, expected 0 to 1; 0 is off",
    );
    assert_refused(
        "training.augment.color_jitter={ hue = 0.1 }",
        "hue is 0.1, but grey images have no colours; leave it out",
    );
    assert_refused(
        "training.augment.erasing_probability=1.5",
        "erasing_probability is 1.5, expected 0 to 1",
    );
    assert_refused(
        "training.cutmix_alpha=-1.0",
        "cutmix_alpha is -1, expected a finite number of at least 0; 0 is off",
    );
}

#[test]
fn options_that_are_off_do_not_change_the_identity() {
    // The identity names the cells of studies, which must stay what they were.
    let identity = read(TEXT, &[]).unwrap().identity();
    for key in [
        "ema",
        "early_stopping",
        "cutmix",
        "rand_augment",
        "color_jitter",
        "erasing",
    ] {
        assert!(!identity.contains(key), "{identity}");
    }
    let off = [
        "training.cutmix_alpha=0.0",
        "training.augment.erasing_probability=0.0",
    ];
    assert_eq!(read(TEXT, &off).unwrap().identity(), identity);
}
