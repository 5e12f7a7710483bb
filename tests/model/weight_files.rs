//! Forms in which weights are met: prefixes, checkpoints of trainers, shards, other names of the same tensors.
//!
//! The files are made from those of `scripts/pretrained_goldens.py`, whose outputs they must give.

use std::collections::BTreeMap;
use std::path::Path;

use burn::prelude::*;
use burn_topology::model::Activation;
use burn_topology::model::pretrained::{ModelOverrides, Pretrained, open};
use burn_topology::model::{NetworkConfig, VitConfig};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Map, Value, json};

use super::pretrained::{Expected, assert_computes, cases, copy, write};
use crate::util::{TestDir, run_program};

/// Shapes and bytes of tensors of single precision, by name.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

fn read(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            assert_eq!(view.dtype(), Dtype::F32);
            let tensor = (view.shape().to_vec(), view.data().to_vec());
            (name.to_owned(), tensor)
        })
        .collect()
}

fn save(tensors: &Tensors, path: &Path) {
    let views = tensors.iter().map(|(name, (shape, bytes))| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap();
        (name, view)
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

fn zeros(shape: &[usize]) -> (Vec<usize>, Vec<u8>) {
    let size = 4 * shape.iter().product::<usize>();
    (shape.to_vec(), vec![0; size])
}

/// Copy of a case whose tensors were changed.
fn changed(case: &str, change: impl FnOnce(Tensors) -> Tensors) -> TestDir {
    let directory = TestDir::new();
    copy(case, directory.path());
    let file = directory.path().join("model.safetensors");
    save(&change(read(&file)), &file);
    directory
}

/// Copy of a case whose tensors have other names.
fn renamed(case: &str, name: impl Fn(&str) -> String) -> TestDir {
    changed(case, |tensors| {
        let tensors = tensors.into_iter();
        tensors.map(|(old, tensor)| (name(&old), tensor)).collect()
    })
}

fn read_model(directory: &Path) -> Pretrained {
    open(directory, &ModelOverrides::default(), &Device::flex()).unwrap()
}

fn error_message(path: &Path) -> String {
    let error = open(path, &ModelOverrides::default(), &Device::flex()).unwrap_err();
    assert!(error.is_invalid_format() || error.is_file_error());
    let error = error.to_string();
    assert!(!error.contains('\n') && !error.contains(". "), "{error}");
    error
}

/// Asserts that the model in a directory computes what the original case does.
fn assert_same(case: &str, directory: &Path) -> Pretrained {
    let expected = Expected::read(&cases().join(case).join("expected.safetensors"));
    let model = read_model(directory);
    assert_computes(&model, &expected, case, &Device::flex());
    model
}

#[test]
fn prefixes_are_removed() {
    for case in ["vit", "timm_vit"] {
        for prefix in [
            "module.",
            "_orig_mod.",
            "state_dict.module._orig_mod.model.",
        ] {
            let directory = renamed(case, |name| format!("{prefix}{name}"));
            let model = assert_same(case, directory.path());
            assert_eq!(model.notes, [""; 0], "{prefix}");
            // The library's own names are exported.
            let saved = TestDir::new();
            write(&model, saved.path());
            let names = |path: &Path| -> Vec<String> {
                read(&path.join("model.safetensors")).into_keys().collect()
            };
            assert_eq!(names(saved.path()), names(&cases().join(case)));
        }
    }
}

#[test]
fn the_averaged_weights_of_a_trainers_checkpoint_are_read() {
    let model = read_model(&cases().join("timm_checkpoint"));
    assert_eq!(
        model.notes,
        [
            "of 2 models the one under `state_dict_ema.` is read, by its name an average over the training; passed over: \
          optimizer (32 tensors), state_dict (32 tensors)"
        ]
    );
    // Without an average, the only model is read.
    let directory = changed("timm_vit", |tensors| {
        let mut checkpoint = Tensors::new();
        for (name, tensor) in tensors {
            checkpoint.insert(format!("state_dict.{name}"), tensor.clone());
            checkpoint.insert(format!("optimizer.state.{name}.exp_avg"), tensor.clone());
            checkpoint.insert(format!("optimizer.state.{name}.exp_avg_sq"), tensor);
        }
        checkpoint.insert("loss.temperature".to_owned(), zeros(&[1]));
        checkpoint
    });
    let model = assert_same("timm_vit", directory.path());
    assert_eq!(
        model.notes,
        [
            "the weights are those under `state_dict.`; passed over: loss (1 tensor), optimizer (64 tensors)"
        ]
    );
}

/// Divides the tensors of a case into shards, as transformers names them; returns the index.
fn divide(directory: &Path, n_shards: usize) -> Value {
    let file = directory.join("model.safetensors");
    let tensors = read(&file);
    std::fs::remove_file(file).unwrap();
    let mut shards = vec![Tensors::new(); n_shards];
    let mut weight_map = Map::new();
    for (index, (name, tensor)) in tensors.into_iter().enumerate() {
        let shard = index % n_shards;
        weight_map.insert(name.clone(), json!(shard_name(shard, n_shards)));
        shards[shard].insert(name, tensor);
    }
    for (shard, tensors) in shards.iter().enumerate() {
        save(tensors, &directory.join(shard_name(shard, n_shards)));
    }
    json!({ "metadata": { "total_size": 1 }, "weight_map": weight_map })
}

fn shard_name(shard: usize, n_shards: usize) -> String {
    format!("model-{:05}-of-{n_shards:05}.safetensors", shard + 1)
}

fn write_index(directory: &Path, index: &Value) {
    let path = directory.join("model.safetensors.index.json");
    std::fs::write(path, index.to_string()).unwrap();
}

#[test]
fn shards_are_read_by_their_index() {
    let directory = TestDir::new();
    copy("vit", directory.path());
    let index = divide(directory.path(), 3);
    write_index(directory.path(), &index);
    assert_eq!(assert_same("vit", directory.path()).notes, [""; 0]);
    let path = directory.path().join("model.safetensors.index.json");
    assert_same("vit", &path);
}

#[test]
fn shards_of_pytorch_are_read_by_their_index() {
    let directory = TestDir::new();
    copy("vit_float64", directory.path());
    let whole = directory.path().join("pytorch_model.bin");
    let shards = [
        "pytorch_model-00001-of-00002.bin",
        "pytorch_model-00002-of-00002.bin",
    ];
    for shard in shards {
        std::fs::copy(&whole, directory.path().join(shard)).unwrap();
    }
    std::fs::remove_file(whole).unwrap();
    let names = read(&cases().join("vit/model.safetensors"));
    let weight_map: Map<String, Value> = names
        .into_keys()
        .enumerate()
        .map(|(index, name)| (name, json!(shards[index % 2])))
        .collect();
    let index = json!({ "weight_map": weight_map }).to_string();
    std::fs::write(directory.path().join("pytorch_model.bin.index.json"), index).unwrap();
    let model = assert_same("vit_float64", directory.path());
    assert_eq!(
        model.notes,
        shards.map(|shard| format!(
            "passed over in {shard}: 20 tensors that the index does not name"
        ))
    );
}

#[test]
fn defective_shards_are_rejected_with_one_sentence() {
    let directory = TestDir::new();
    let root = directory.path();
    copy("vit", root);
    let index = divide(root, 2);
    let start = root.display();
    let [first, second] = [0, 1].map(|shard| shard_name(shard, 2));
    assert_eq!(
        error_message(root),
        format!(
            "{start}: there is no index of the shards of weights, such as {first}, in this directory; download \
             model.safetensors.index.json or pytorch_model.bin.index.json, too"
        )
    );
    write_index(root, &index);
    assert!(
        error_message(&root.join(&second)).starts_with(&format!(
            "{start}/{second}: this is one of the shards that {start}/model.safetensors.index.json names"
        ))
    );

    let name = "vit.layernorm.weight";
    for place in ["../vit/model.safetensors", "/etc/passwd", "..", ""] {
        let mut outside = index.clone();
        outside["weight_map"][name] = json!(place);
        write_index(root, &outside);
        assert_eq!(
            error_message(root),
            format!(
                "{start}/model.safetensors.index.json: weight_map places {name} in \"{place}\", expected the name of a \
                 file in the same directory for every tensor"
            )
        );
    }
    write_index(root, &json!({ "weight_map": {} }));
    assert!(error_message(root).starts_with(&format!(
        "{start}/model.safetensors.index.json: there is no list of tensors, weight_map, expected"
    )));

    let mut promising = index.clone();
    promising["weight_map"]["vit.more"] = json!(first);
    write_index(root, &promising);
    assert_eq!(
        error_message(root),
        format!(
            "{start}/{first}: the tensor vit.more is missing, which {start}/model.safetensors.index.json promises in \
             this shard; download both again"
        )
    );
    write_index(root, &index);
    std::fs::remove_file(root.join(&second)).unwrap();
    assert_eq!(
        error_message(root),
        format!(
            "{start}/{second}: this shard is missing, which {start}/model.safetensors.index.json names; download it, too"
        )
    );
}

#[test]
fn names_of_transformers_5_in_memory_are_read() {
    let attention = [
        ("attention.attention.query", "attention.q_proj"),
        ("attention.attention.key", "attention.k_proj"),
        ("attention.attention.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
    ];
    let mlp = [
        ("encoder.layer.", "layers."),
        ("intermediate.dense", "mlp.fc1"),
        // The projection of the attention no longer ends like this.
        ("output.dense", "mlp.fc2"),
    ];
    let plain = [&attention[..], &mlp].concat();
    let videomae = [
        ("attention.q_bias", "attention.query.bias"),
        ("attention.v_bias", "attention.value.bias"),
    ];
    for (case, names) in [
        ("vit", &plain[..]),
        ("deit", &plain),
        ("deit_teacher", &plain),
        ("vivit", &plain),
        ("dinov2", &attention),
        ("dinov2_registers", &attention),
        ("videomae", &videomae),
    ] {
        let directory = renamed(case, |name| {
            let names = names.iter();
            names.fold(name.to_owned(), |name, (file, memory)| {
                name.replace(file, memory)
            })
        });
        let model = assert_same(case, directory.path());
        assert_eq!(model.notes, [""; 0], "{case}");
    }
}

#[test]
fn the_halves_of_a_gated_mlp_in_memory_are_joined() {
    let directory = changed("dinov2_bare", |tensors| {
        let mut separate = Tensors::new();
        for (name, (mut shape, bytes)) in tensors {
            let name = name.replace("weights_out", "down_proj");
            if name.contains("weights_in") {
                shape[0] /= 2;
                let (gate, up) = bytes.split_at(bytes.len() / 2);
                for (half, bytes) in [("gate_proj", gate), ("up_proj", up)] {
                    let name = name.replace("weights_in", half);
                    separate.insert(name, (shape.clone(), bytes.to_vec()));
                }
            } else {
                separate.insert(name, (shape, bytes));
            }
        }
        separate
    });
    assert_same("dinov2_bare", directory.path());
    // One half alone is named.
    let file = directory.path().join("model.safetensors");
    let mut tensors = read(&file);
    tensors.remove("encoder.layer.1.mlp.up_proj.weight");
    save(&tensors, &file);
    let error = error_message(directory.path());
    assert!(
        error.contains("1 tensor is missing (encoder.layer.1.mlp.weights_in.weight), 1 tensor is not part of the model \
                        (encoder.layer.1.mlp.gate_proj.weight)"),
        "{error}"
    );
}

#[test]
fn the_decoder_of_pretraining_is_kept_for_export() {
    let decoder = ["decoder.0.weight", "decoder.0.bias"];
    let directory = changed("vit", |mut tensors| {
        tensors.retain(|name, _| !name.starts_with("classifier"));
        tensors.insert(decoder[0].to_owned(), zeros(&[48, 12, 1, 1]));
        tensors.insert(decoder[1].to_owned(), zeros(&[48]));
        tensors
    });
    let model = read_model(directory.path());
    assert!(!model.has_trained_head);
    assert_eq!(
        model.notes,
        ["2 tensors are kept for export, but not used (decoder.0.bias, decoder.0.weight)"]
    );
    let saved = TestDir::new();
    write(&model, saved.path());
    let tensors = read(&saved.path().join("model.safetensors"));
    assert!(decoder.iter().all(|name| tensors.contains_key(*name)));
}

#[test]
fn names_of_the_authors_of_dinov2_are_read() {
    let directory = renamed("timm_swiglu", |name| {
        let name = name
            .replace("mlp.fc1", "mlp.w12")
            .replace("mlp.fc2", "mlp.w3");
        // Distributed training numbers chunks of blocks, too.
        let name = name
            .replace("blocks.1.", "blocks.1.1.")
            .replace("blocks.0.", "blocks.0.0.");
        format!("teacher.backbone.{name}")
    });
    let model = assert_same("timm_swiglu", directory.path());
    let NetworkConfig::Vit(VitConfig { style, .. }) = model.config else {
        panic!("a vision transformer");
    };
    assert_eq!(style.activation, Activation::SwiGlu);
    assert!(style.layer_scale.is_some());
}

#[test]
fn what_only_pretraining_uses_is_passed_over_in_files_of_timm() {
    let directory = changed("timm_vit", |mut tensors| {
        tensors.retain(|name, _| !name.starts_with("head."));
        for name in [
            "decoder_pos_embed",
            "decoder_blocks.0.norm1.weight",
            "head.0.weight",
        ] {
            tensors.insert(name.to_owned(), zeros(&[4, 4]));
        }
        tensors
    });
    let model = read_model(directory.path());
    assert!(!model.has_trained_head);
    assert_eq!(
        model.notes,
        [
            "passed over, since only pretraining uses them: 3 tensors, such as decoder_blocks.0.norm1.weight"
        ]
    );
}

/// Weights of a ViT of timm with one block, all zero, without a configuration.
fn zero_vit(d_model: usize, prefix: &str) -> TestDir {
    let d = d_model;
    let shapes: [(&str, &[usize]); 16] = [
        ("cls_token", &[1, 1, d]),
        ("pos_embed", &[1, 5, d]),
        ("patch_embed.proj.weight", &[d, 3, 2, 2]),
        ("patch_embed.proj.bias", &[d]),
        ("blocks.0.norm1.weight", &[d]),
        ("blocks.0.norm1.bias", &[d]),
        ("blocks.0.attn.qkv.weight", &[3 * d, d]),
        ("blocks.0.attn.proj.weight", &[d, d]),
        ("blocks.0.attn.proj.bias", &[d]),
        ("blocks.0.norm2.weight", &[d]),
        ("blocks.0.norm2.bias", &[d]),
        ("blocks.0.mlp.fc1.weight", &[1, d]),
        ("blocks.0.mlp.fc1.bias", &[1]),
        ("blocks.0.mlp.fc2.weight", &[d, 1]),
        ("blocks.0.mlp.fc2.bias", &[d]),
        ("norm.weight", &[d]),
    ];
    let mut tensors: Tensors = shapes
        .iter()
        .map(|(name, shape)| (format!("{prefix}{name}"), zeros(shape)))
        .collect();
    tensors.insert(format!("{prefix}norm.bias"), zeros(&[d]));
    let directory = TestDir::new();
    save(&tensors, &directory.path().join("model.safetensors"));
    directory
}

fn n_heads(model: &Pretrained) -> usize {
    match &model.config {
        NetworkConfig::Vit(config) => config.n_heads,
        _ => panic!("a vision transformer"),
    }
}

#[test]
fn a_guessed_number_of_heads_is_told() {
    for (d_model, prefix, heads, source) in [
        (192, "", 3, "with d_model = 192"),
        (256, "", 4, "with d_model = 256"),
        (384, "", 6, "with d_model = 384; that of MoCo v3 has 12"),
        (
            384,
            "module.base_encoder.",
            12,
            "with d_model = 384 of MoCo v3; others have 6",
        ),
    ] {
        let directory = zero_vit(d_model, prefix);
        let model = read_model(directory.path());
        assert_eq!(n_heads(&model), heads);
        // Preprocessing is a guess, too, and told after this.
        assert_eq!(
            model.notes[..1],
            [format!(
                "there is no config.json, so these are guesses: images of 4 by 4 pixels, the activation GELU, {heads} \
                 heads (as in the published model {source}); timm's config.json beside the weights, with \
                 `model_args`, would state them"
            )]
        );
    }
}

#[test]
fn the_architecture_in_the_configuration_states_the_number_of_heads() {
    let configured = |architecture: &str, arguments: Value| {
        let directory = zero_vit(192, "");
        let config = json!({
            "architecture": architecture,
            "model_args": arguments,
            "pretrained_cfg": { "input_size": [3, 4, 4] },
        });
        std::fs::write(directory.path().join("config.json"), config.to_string()).unwrap();
        read_model(directory.path())
    };
    for (architecture, arguments, heads) in [
        ("vit_tiny_patch16_224", Value::Null, 3),
        ("vit_small_patch16_224", json!({ "embed_dim": 192 }), 6),
        ("vit_base_patch16_gap_224", Value::Null, 16),
        ("vit_tiny_patch16_224", json!({ "num_heads": 4 }), 4),
    ] {
        let model = configured(architecture, arguments);
        assert_eq!(
            (n_heads(&model), model.notes),
            (heads, Vec::new()),
            "{architecture}"
        );
    }
    let model = configured("vit_of_my_own", Value::Null);
    assert_eq!(n_heads(&model), 3);
    assert_eq!(
        model.notes,
        [
            "the settings in config.json are incomplete, so these are guesses: 3 heads (as in the published model with \
          d_model = 192); timm's config.json beside the weights, with `model_args`, would state them"
        ]
    );
}

#[test]
fn a_model_of_timm_that_transformers_wrapped_is_exported_for_timm() {
    let directory = renamed("timm_vit", |name| format!("timm_model.{name}"));
    let file = directory.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    config["model_type"] = json!("timm_wrapper");
    config["architectures"] = json!(["TimmWrapperForImageClassification"]);
    std::fs::write(&file, config.to_string()).unwrap();
    let model = assert_same("timm_vit", directory.path());
    let saved = TestDir::new();
    write(&model, saved.path());
    let text = std::fs::read_to_string(saved.path().join("config.json")).unwrap();
    assert!(
        !text.contains("timm_wrapper") && !text.contains("TimmWrapper"),
        "{text}"
    );
}

#[test]
fn tensors_of_whole_numbers_are_passed_over_unless_they_may_be_weights() {
    for (dtype, n_bytes) in [(Dtype::I64, 8), (Dtype::I8, 1)] {
        let directory = TestDir::new();
        copy("vit", directory.path());
        let file = directory.path().join("model.safetensors");
        let bytes = std::fs::read(&file).unwrap();
        let views = SafeTensors::deserialize(&bytes).unwrap();
        let more = vec![0; 4 * n_bytes];
        let more = TensorView::new(dtype, vec![4], &more).unwrap();
        let name = "vit.embeddings.position_ids";
        let views = views.iter().chain([(name, more)]);
        std::fs::write(&file, serialize(views, None).unwrap()).unwrap();
        if dtype == Dtype::I64 {
            let model = assert_same("vit", directory.path());
            assert_eq!(
                model.notes,
                [format!(
                    "passed over, since weights are no whole numbers: 1 of the tensors, such as {name}"
                )]
            );
        } else {
            let error = error_message(directory.path());
            assert!(error.ends_with(&format!(
                "model.safetensors: the tensor {name} has elements of type I8, expected float32, float16, bfloat16 or \
                 float64"
            )));
        }
    }
}

#[test]
fn a_configuration_of_the_other_library_is_named() {
    let mixed = |weights: &str, config: &str| {
        let directory = TestDir::new();
        copy(weights, directory.path());
        let config = cases().join(config).join("config.json");
        std::fs::copy(config, directory.path().join("config.json")).unwrap();
        let error = error_message(directory.path());
        let start = directory.path().join("model.safetensors: ");
        error.replacen(start.to_str().unwrap(), "", 1)
    };
    let error = mixed("vit", "timm_vit");
    assert!(
        error.starts_with(
            "the 40 tensors, such as classifier.bias, are not those of a vision transformer of timm, whose architecture \
             config.json states"
        ),
        "{error}"
    );
    let error = mixed("timm_vit", "vit");
    assert!(
        error.starts_with("no tensor has a name that ends with embeddings.patch_embeddings"),
        "{error}"
    );
}

#[test]
fn weights_prints_notes_as_lines_and_as_json() {
    let directory = TestDir::new();
    let path = cases().join("timm_checkpoint");
    let arguments = ["weights", path.to_str().unwrap(), "--json"];
    let output = run_program(directory.path(), &arguments);
    assert!(output.status.success());
    let description: Value = serde_json::from_slice(&output.stdout).unwrap();
    let notes = description["notes"].as_array().unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = messages.lines().collect();
    assert_eq!(lines.len(), 1, "{messages}");
    assert!(lines[0].starts_with("of 2 models the one under `state_dict_ema.` is read"));
    assert_eq!(notes[..], [json!(lines[0])]);
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    for value in [f32::NAN, f32::NEG_INFINITY] {
        let directory = changed("vit", |mut tensors| {
            let (_, bytes) = tensors.get_mut("vit.layernorm.bias").unwrap();
            bytes[..4].copy_from_slice(&value.to_le_bytes());
            tensors
        });
        let error = open(
            directory.path(),
            &ModelOverrides::default(),
            &Device::flex(),
        )
        .unwrap_err();
        assert!(error.is_invalid_format());
        let message = error.to_string();
        assert!(
            message.contains(&format!("parameter norm.beta holds {value}")),
            "{message}"
        );
    }
}
