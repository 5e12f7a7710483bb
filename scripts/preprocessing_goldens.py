"""Creates the reference files for the tests of preprocessing: what the image processors of transformers and the
evaluation transforms of timm make of a picture that is not square, and the attention of models whose preprocessing
gives another size than that of their position embeddings.

    python scripts/preprocessing_goldens.py     creates tests/data_files/preprocessing anew

Needs torch, torchvision, transformers, timm, pillow and safetensors; the files in the repository were created by torch
2.15.0, torchvision 0.29.2, transformers 5.24.0, timm 1.0.31 and pillow 13.0.0. `cases.json` has the cases, each with
the settings that its library reads; `expected.safetensors` has the pixels after normalisation under their names, and for
cases with a model the attention maps as `<name>.attention.0` and so on. `classes.json` has the values that each class of
image processors takes for keys that a file leaves out. The models are those of scripts/pretrained_goldens.py.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.data import create_transform, resolve_data_config
from transformers import AutoImageProcessor
from transformers.image_utils import SizeDict

FILES = Path(__file__).resolve().parent.parent / "tests" / "data_files"
HERE = FILES / "preprocessing"
IMAGENET = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
CLASSES = ["ViT", "DeiT", "Bit", "CLIP", "VideoMAE", "Vivit"]


def picture():
    """64 by 43 pixels with a gradient, waves finer than a resized pixel, and noise."""
    row, column = np.mgrid[:43, :64]
    noise = np.random.default_rng(0).uniform(-25, 25, (43, 64, 3))
    red = 4 * column
    green = 128 + 110 * np.sin(row / 1.7) * np.cos(column / 5)
    blue = 255 - 5 * row
    pixels = np.stack([red, green, blue], axis=-1) + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def hf(name, kind, model="dinov2", backend="pil", **processor):
    """Case of transformers: `model` names the directory whose weights and configuration are used."""
    processor = dict(image_processor_type=f"{kind}ImageProcessor", **processor) if kind else processor
    return dict(name=name, model=model, processor=processor, backend=backend)


def tm(name, size=(16, 16), model="timm_vit", **settings):
    """Case of timm, with the settings of `pretrained_cfg`."""
    settings = dict(input_size=[3, *size], fixed_input_size=True, **settings)
    return dict(name=name, model=model, pretrained_cfg=settings, image_size=list(size))


CASES = [
    hf("vit", "ViT", model="vit", size=dict(height=16, width=16), resample=2),
    hf("vit_one_number", None, model="vit", feature_extractor_type="ViTFeatureExtractor", size=16),
    hf("vit_two_numbers", "ViT", size=[16, 24]),
    hf("vit_fast_name", None, model="vit", image_processor_type="ViTImageProcessorFast", size=16, resample=3),
    hf("deit_exact_then_crop", "DeiT", model="vit", size=20, crop_size=16),
    hf("bit_one_number", "Bit", size=20, crop_size=16),
    hf("bit_one_number_square", "Bit", size=20, crop_size=16, default_to_square=True),
    hf("bit_no_class_named", None, size=20, crop_size=16, **{f"image_{k}": v for k, v in IMAGENET.items()}),
    hf("bit_rectangle", "Bit", size=dict(shortest_edge=30), crop_size=dict(height=24, width=12)),
    hf("bit_lanczos", "Bit", size=dict(shortest_edge=19), crop_size=16, resample=1),
    hf("bit_nearest", "Bit", size=dict(shortest_edge=19), crop_size=16, resample=0),
    hf("bit_enlarged", "Bit", size=dict(shortest_edge=60), crop_size=dict(height=56, width=12)),
    hf("clip", "CLIP", size=16, crop_size=16),
    hf("not_resized", "Bit", do_resize=False, crop_size=16),
    hf("padded", "Bit", backend="torchvision", do_resize=False, crop_size=dict(height=48, width=16)),
    hf("not_normalised", "Bit", size=20, crop_size=16, do_normalize=False),
    hf("not_rescaled", "Bit", size=20, crop_size=16, do_rescale=False),
    hf("videomae_one_number", "VideoMAE", size=20, crop_size=16),
    hf("vivit_offset", "Vivit", size=dict(shortest_edge=20), crop_size=16),
    hf("vivit_no_offset", "Vivit", size=20, crop_size=16, offset=False, rescale_factor=1 / 255),
    tm("timm_defaults"),
    tm("timm_odd_crop", crop_pct=1.0, interpolation="bilinear", mean=[0.5] * 3, std=[0.5] * 3),
    tm("timm_center", crop_pct=0.9, crop_mode="center", interpolation="lanczos"),
    tm("timm_squash", crop_pct=0.9, crop_mode="squash"),
    tm("timm_border", crop_pct=0.875, crop_mode="border", **IMAGENET),
    tm("timm_border_whole", crop_pct=1.0, crop_mode="border"),
    tm("timm_rectangle", size=(24, 12), crop_pct=0.9),
    tm("timm_rectangle_squash", size=(12, 24), crop_pct=0.9, crop_mode="squash", interpolation="nearest"),
    tm("timm_rectangle_border", size=(24, 12), crop_pct=0.9, crop_mode="border"),
]

# Cases whose preprocessing gives another size than that of the position embeddings, which the libraries interpolate.
MODELS = [
    hf("dinov2_larger", "Bit", size=22, crop_size=20),
    hf("dinov2_smaller", "Bit", size=14, crop_size=12),
    hf("dinov2_registers_larger", "Bit", model="dinov2_registers", size=22, crop_size=20),
    hf("dinov2_registers_smaller", "Bit", model="dinov2_registers", size=14, crop_size=12),
    dict(
        name="timm_dynamic",
        model="timm_vit",
        pretrained_cfg=dict(input_size=[3, 12, 20], fixed_input_size=False),
        model_args=dict(dynamic_img_size=True),
    ),
]


def pixels(case, image):
    """Pixels after normalisation: [channel, row, column]."""
    if "pretrained_cfg" in case:
        settings = case["pretrained_cfg"]
        data = resolve_data_config(pretrained_cfg=settings)
        return create_transform(**data, is_training=False)(image)
    with tempfile.TemporaryDirectory() as directory:
        shutil.copy(FILES / "pretrained" / case["model"] / "config.json", directory)
        (Path(directory) / "preprocessor_config.json").write_text(json.dumps(case["processor"]))
        kind = case["processor"].get("image_processor_type", "")
        if kind.startswith("Vivit"):
            processor = transformers.VivitImageProcessor.from_pretrained(directory)
        else:
            processor = AutoImageProcessor.from_pretrained(directory, backend=case["backend"])
    values = processor(image, return_tensors="pt")["pixel_values"]
    return values.reshape(values.shape[-3:]).float().contiguous()


@torch.no_grad()
def attention(case, values):
    """Attention maps of the model of a case: [layer][batch, head, token, token]."""
    directory = FILES / "pretrained" / case["model"]
    if "pretrained_cfg" not in case:
        config = json.loads((directory / "config.json").read_text())
        model = getattr(transformers, config["architectures"][0])
        model = model.from_pretrained(directory, attn_implementation="eager").eval()
        return model(values[None], output_attentions=True).attentions
    config = json.loads((directory / "config.json").read_text())
    model = timm.create_model(config["architecture"], **config["model_args"], **case["model_args"]).eval()
    model.load_state_dict(load_file(directory / "model.safetensors"))
    captured = []
    for block in model.blocks:
        # Fused attention never forms the attention maps.
        block.attn.fused_attn = False
        block.attn.attn_drop.register_forward_hook(lambda module, inputs, _: captured.append(inputs[0]))
    model(values[None])
    return captured


def defaults(kind):
    """Values of a class of image processors for keys that a file leaves out."""
    processor = getattr(transformers, f"{kind}ImageProcessor")()
    keys = "size crop_size resample do_resize do_center_crop do_rescale rescale_factor offset image_mean image_std"
    values = {key: getattr(processor, key, None) for key in keys.split()}
    plain = lambda value: dict(value) if isinstance(value, SizeDict | dict) else value
    values = {key: plain(value) for key, value in values.items()}
    values["size"] = {key: value for key, value in values["size"].items() if value}
    return values | dict(resample=int(values["resample"]))


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    image = picture()
    image.save(HERE / "picture.png", optimize=True)
    expected = {}
    for case in CASES + MODELS:
        values = pixels(case, image)
        expected[case["name"]] = values.clone()
        if case in MODELS:
            for layer, maps in enumerate(attention(case, values)):
                expected[f"{case['name']}.attention.{layer}"] = maps.contiguous().clone()
        print(case["name"], list(values.shape))
    save_file(expected, HERE / "expected.safetensors")
    cases = [{key: value for key, value in case.items() if key != "backend"} for case in CASES + MODELS]
    (HERE / "cases.json").write_text("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")
    classes = {f"{kind}ImageProcessor": defaults(kind) for kind in CLASSES}
    (HERE / "classes.json").write_text(json.dumps(classes, indent=1, default=str) + "\n")
    print(*(f"{file.name}:{file.stat().st_size}" for file in sorted(HERE.iterdir())))


if __name__ == "__main__":
    main()
