use std::path::PathBuf;

use super::super::Config;
use super::super::raw::RawWeight;

/// A folder of configurations that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("inherit_{name}_{}", std::process::id()));
        std::fs::create_dir_all(path.join("inner")).unwrap();
        let folder = Self(path);
        folder.write("base.toml", BASE);
        folder
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Reads a file; the folder is left out of the error.
    fn read(&self, name: &str, text: &str, overrides: &[&str]) -> Result<Config, String> {
        let path = self.write(name, text);
        let overrides: Vec<String> = overrides.iter().map(|set| (*set).to_owned()).collect();
        let folder = format!("{}/", self.0.display());
        Config::read(&path, &overrides).map_err(|error| error.to_string().replace(&folder, ""))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const BASE: &str = r#"[run]
name = "base"

[data]
kind = "digits"

[model]
kind = "vit"
d_model = 8
n_layers = 2
n_heads = 2
patch_size = 2

[training]
epochs = 3
batch_size = 16
optimizer = { kind = "adamw", lr = 1e-3, layer_decay = 0.5 }
augment = { shift = 1 }

[[topology]]
homology_dim = 0
weight = { kind = "gradient_share", share = 0.1 }

[[topology]]
homology_dim = 1
layers = [0, 1]
weight = { kind = "gradient_share", share = 0.1 }
"#;

#[test]
fn tables_are_merged_and_what_has_a_kind_is_replaced() {
    let folder = Folder::new("merged");
    let text = r#"base = "base.toml"
[run]
name = "changed"
[training]
epochs = 5
augment = { flip = true }
optimizer = { kind = "adamw", lr = 5e-4 }
"#;
    let config = folder.read("a.toml", text, &["training.epochs=7"]).unwrap();
    let training = config.spec.training;
    // The override comes last.
    assert_eq!((config.spec.name.as_str(), training.epochs), ("changed", 7));
    assert_eq!(training.batch_size, 16);
    assert_eq!((training.augment.shift, training.augment.flip), (1, true));
    // The keys beside `kind` go with it.
    assert_eq!(
        (training.optimizer.lr, training.optimizer.layer_decay),
        (5e-4, 1.0)
    );
    assert_eq!(config.spec.penalties.len(), 2);
    // The resolved configuration needs no base.
    let resolved = folder.read("b.toml", &config.to_toml(), &[]).unwrap();
    assert_eq!(resolved.raw, config.raw);
    assert!(!config.to_toml().contains("base ="));
}

#[test]
fn penalties_are_replaced_as_an_array_and_changed_by_name() {
    let folder = Folder::new("penalties");
    let none = folder.read("a.toml", "base = \"base.toml\"\ntopology = []\n", &[]);
    assert!(none.unwrap().spec.penalties.is_empty());
    let one = "base = \"base.toml\"\n[[topology]]\nhomology_dim = 1\n";
    let one = folder.read("a.toml", one, &[]).unwrap();
    assert_eq!(one.raw.topology.len(), 1);
    assert_eq!(one.raw.topology[0].weight, RawWeight::Fixed { value: 1.0 });
    let changed =
        "base = \"base.toml\"\n[topology.h1_layers]\nlayers = [1, 0]\nweight.share = 0.3\n";
    let changed = folder.read("a.toml", changed, &[]).unwrap();
    let weights: Vec<_> = changed.raw.topology.iter().map(|t| t.weight).collect();
    let share = |share| RawWeight::GradientShare { share };
    assert_eq!(weights, [share(0.1), share(0.3)]);
    assert_eq!(
        folder
            .read(
                "a.toml",
                "base = \"base.toml\"\n[topology.h2]\nlayers = [1]\n",
                &[]
            )
            .unwrap_err(),
        "a.toml:2:1: no penalty is named `h2`; expected one of `h0_layers`, `h1_layers`, or an index, as in \
         `topology.0`"
    );
}

#[test]
fn an_error_names_the_file_that_has_the_key() {
    let folder = Folder::new("errors");
    folder.write(
        "inner/b.toml",
        "base = \"../base.toml\"\n[training]\nepoch = 2\n",
    );
    let text = "base = \"inner/b.toml\"\n[model]\nn_layers = 0\n[topology.h0_layers]\nlayer = 1\n";
    let errors = folder.read("a.toml", text, &[]).unwrap_err();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert!(
        lines[0].starts_with(
            "a.toml:5:1: unknown key `layer` in [[topology]] (did you mean `layers`?)"
        ),
        "{errors}"
    );
    assert!(
        lines[1].starts_with(
            "inner/b.toml:3:1: unknown key `epoch` in [training] (did you mean `epochs`?)"
        ),
        "{errors}"
    );
    // A value of the base that another file makes wrong.
    let text = "base = \"base.toml\"\n[model]\nd_model = 9\n";
    assert_eq!(
        folder.read("a.toml", text, &[]).unwrap_err(),
        "base.toml:11:1: `model.n_heads`: n_heads is 2, expected a divisor of d_model 9"
    );
}

#[test]
fn a_base_that_cannot_be_used_is_refused_where_it_is_named() {
    let folder = Folder::new("refused");
    let refused = |text: &str| folder.read("a.toml", text, &[]).unwrap_err();
    assert_eq!(
        refused("base = \"none.toml\"\n"),
        "a.toml:1:1: `base`: none.toml: no such file"
    );
    assert_eq!(
        refused("\nbase = 3\n"),
        "a.toml:2:1: `base`: expected the path of a configuration in quotes, relative to this file"
    );
    assert_eq!(
        refused("base = \"a.toml\"\n"),
        "a.toml:1:1: `base`: a.toml inherits from this file, expected files without a cycle"
    );
    folder.write("b.toml", "base = \"inner/c.toml\"\n");
    folder.write("inner/c.toml", "[run]\nname = \"c\"\n[x]\n");
    folder.write("inner/c.toml", "base = \"../a.toml\"\n");
    assert_eq!(
        refused("base = \"b.toml\"\n"),
        "inner/c.toml:1:1: `base`: inner/../a.toml inherits from this file, expected files without a cycle"
    );
}

#[test]
fn an_old_name_in_one_file_changes_the_new_name_in_the_other() {
    let folder = Folder::new("renamed");
    folder.write(
        "b.toml",
        &(BASE.to_owned() + "[logging]\npictures_every_epochs = 3\n"),
    );
    let text = "base = \"b.toml\"\n[logging]\nimages_every_epochs = 4\n";
    let config = folder.read("a.toml", text, &[]).unwrap();
    assert_eq!(config.spec.logging.images_every_epochs, 4);
    assert_eq!(config.warnings.len(), 1);
    assert!(
        config.warnings[0].contains("b.toml:29:1:"),
        "{:?}",
        config.warnings
    );
}
