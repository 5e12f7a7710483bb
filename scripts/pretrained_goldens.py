"""Creates the reference files for the tests of pretrained weights: small models with random weights, and the
outputs that PyTorch computes with them.

    python scripts/pretrained_goldens.py                 creates tests/data_files/pretrained anew
    python scripts/pretrained_goldens.py --check PROGRAM exports every model with
                                                         `PROGRAM weights FILE --output DIR`, loads the result in
                                                         transformers or timm and compares the outputs

Needs torch, transformers, timm and safetensors; the files in the repository were created by torch 2.15.0,
transformers 5.24.0, timm 1.0.31 and safetensors 0.8.0. Each model has a directory with its weights, the
configuration and preprocessing that its library writes with them, and `expected.safetensors`: pixels in
[0, 1], the logits and, for every layer, the attention maps over space (`attention.0`, ...) and, if a clip is
one sequence, the within-frame attention (`mass.0`, ...).
"""

import argparse
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import timm
import torch
import transformers
from safetensors.torch import load_file, save_file
from timm.models._hub import save_config_for_hf
from transformers import AutoModelForImageClassification, AutoModelForVideoClassification

HERE = Path(__file__).resolve().parent.parent / "tests" / "data_files" / "pretrained"
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5] * 3, [0.5] * 3)
SMALL = dict(
    hidden_size=12,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=24,
    image_size=16,
    patch_size=4,
    num_labels=5,
)
TOLERANCE = 1e-4
# Height and width that position embeddings are interpolated to: finer in one direction, coarser in the other.
RESIZED = (24, 12)


def randomise(model, seed):
    """Replaces every parameter by noise large enough that a missing parameter changes the outputs."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        is_scale = "norm" in name and name.endswith("weight") or "lambda" in name or "gamma" in name
        parameter.data = 1 + 0.3 * noise if is_scale else noise * (0.3 if noise.dim() > 1 else 0.2)
    return model.eval()


def normalise(pixels, statistics):
    mean, std = (torch.tensor(part).reshape(3, 1, 1) for part in statistics)
    return (pixels - mean) / std


def within_frames(attention, n_frames):
    """Returns the attention within each frame, renormalised, and its fraction of all attention."""
    n_patches = attention.shape[-1] // n_frames
    patches = attention[:, :, -n_frames * n_patches :, -n_frames * n_patches :]
    batch, heads = patches.shape[:2]
    cut = patches.reshape(batch, heads, n_frames, n_patches, n_frames, n_patches)
    own = torch.stack([cut[:, :, t, :, t] for t in range(n_frames)], dim=1)
    own = own.reshape(batch * n_frames, heads, n_patches, n_patches)
    sums = own.sum(-1, keepdim=True)
    return own / sums, sums.mean(dim=(2, 3))


class HuggingFace:
    """Model of transformers."""

    def __init__(self, kind, statistics, seed, is_video=False, resized=None, dtype=None, **config):
        self.kind, self.statistics, self.seed, self.is_video = kind, statistics, seed, is_video
        self.resized, self.dtype = resized, dtype
        self.config = SMALL | config

    def make(self):
        config = getattr(transformers, self.config_name())(**self.config)
        # Faster implementations never form the attention maps.
        config._attn_implementation = "eager"
        return randomise(getattr(transformers, self.kind)(config), self.seed)

    def config_name(self):
        return self.kind.split("For")[0].removesuffix("Model") + "Config"

    def save(self, model, directory):
        model.save_pretrained(directory)
        if self.dtype == torch.float64:
            # The names of tensors in a file are not those in memory, so the saved file is read back.
            saved = load_file(directory / "model.safetensors")
            (directory / "model.safetensors").unlink()
            torch.save(saved, directory / "pytorch_model.bin")
        mean, std = self.statistics
        size = self.config["image_size"]
        processor = dict(
            do_center_crop=True,
            do_normalize=True,
            do_rescale=True,
            do_resize=True,
            crop_size=dict(height=size, width=size),
            image_mean=mean,
            image_std=std,
            image_processor_type="ViTImageProcessor",
            resample=3,
            rescale_factor=1 / 255,
            size=dict(shortest_edge=size * 8 // 7),
        )
        (directory / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n")

    def load(self, directory):
        auto = getattr(transformers, self.kind)
        model, info = auto.from_pretrained(
            directory, attn_implementation="eager", output_loading_info=True
        )
        problems = {key: value for key, value in info.items() if value}
        assert not problems, problems
        processor = json.loads((directory / "preprocessor_config.json").read_text())
        return model.eval(), (processor["image_mean"], processor["image_std"])

    def pixels(self, size=None):
        generator = torch.Generator().manual_seed(self.seed + 1000)
        frames = [1 if size else 2, self.config["num_frames"]] if self.is_video else [1]
        size = size or (self.config["image_size"],) * 2
        return torch.rand([*frames, 3, *size], generator=generator)

    @torch.no_grad()
    def expect(self, model, pixels, statistics, **arguments):
        captured = []
        hooks = []
        if self.kind.startswith("Timesformer"):
            # The input of the dropout is the attention after softmax.
            for layer in model.timesformer.encoder.layer:
                keep = lambda module, inputs, _: captured.append(inputs[0])
                hooks.append(layer.attention.attention.attn_drop.register_forward_hook(keep))
        output = model(normalise(pixels, statistics), output_attentions=True, **arguments)
        for hook in hooks:
            hook.remove()
        expected = dict(pixels=pixels)
        if hasattr(output, "logits"):
            expected["logits"] = output.logits
        elif self.is_video:
            expected["logits"] = output.last_hidden_state.mean(1)
        else:
            expected["logits"] = output.last_hidden_state[:, 0]
        for layer, attention in enumerate(captured or output.attentions):
            if self.is_video and not captured:
                n_steps = self.config["num_frames"] // self.n_in_tubelet()
                attention, expected[f"mass.{layer}"] = within_frames(attention, n_steps)
            expected[f"attention.{layer}"] = attention
        return {key: value.contiguous().clone() for key, value in expected.items()}

    def n_in_tubelet(self):
        return self.config["tubelet_size"][0] if "Vivit" in self.kind else self.config["tubelet_size"]


class Timm:
    """Model of timm, with the configuration that timm uploads to the model hub."""

    SMALL = dict(img_size=16, patch_size=4, embed_dim=12, depth=2, num_heads=3, mlp_ratio=2, num_classes=5)
    is_video = False

    def __init__(self, architecture, seed, resized=None, dtype=None, trainer=False, **arguments):
        self.architecture, self.seed = architecture, seed
        self.resized, self.dtype, self.trainer = resized, dtype, trainer
        self.arguments = self.SMALL | arguments

    def make(self):
        model = timm.create_model(self.architecture, **self.arguments)
        return randomise(model, self.seed)

    def save(self, model, directory):
        if self.trainer:
            torch.save(self.checkpoint(model), directory / "model.pth")
        elif self.dtype:
            # As training scripts do, with their own state next to the weights.
            state = dict(model=model.state_dict(), epoch=3, args=argparse.Namespace(lr=0.1))
            torch.save(state, directory / "model.pth")
        else:
            save_file(model.state_dict(), directory / "model.safetensors", metadata={"format": "pt"})
        size = self.arguments["img_size"]
        given = dict(num_classes=5, input_size=(3, size, size))
        save_config_for_hf(model, directory / "config.json", given, model_args=self.arguments)

    def checkpoint(self, model):
        """Returns what timm's trainer saves: other weights, the optimiser's state, and `model` as their average."""
        trained = self.make()
        optimizer = torch.optim.SGD(trained.parameters(), lr=0.1, momentum=0.9)
        trained(torch.zeros(1, 3, *(self.arguments["img_size"],) * 2)).sum().backward()
        optimizer.step()
        return dict(
            epoch=3,
            arch=self.architecture,
            state_dict={f"_orig_mod.{name}": value for name, value in trained.state_dict().items()},
            optimizer=optimizer.state_dict(),
            version=2,
            args=argparse.Namespace(lr=0.1),
            state_dict_ema={f"module.{name}": value for name, value in model.state_dict().items()},
        )

    def load(self, directory):
        config = json.loads((directory / "config.json").read_text())
        model = timm.create_model(config["architecture"], **config["model_args"])
        model.load_state_dict(load_file(directory / "model.safetensors"), strict=True)
        given = config["pretrained_cfg"]
        return model.eval(), (given["mean"], given["std"])

    def pixels(self, size=None):
        generator = torch.Generator().manual_seed(self.seed + 1000)
        size = size or (self.arguments["img_size"],) * 2
        return torch.rand([1, 3, *size], generator=generator)

    @property
    def statistics(self):
        given = timm.get_pretrained_cfg(self.architecture)
        return list(given.mean), list(given.std)

    @torch.no_grad()
    def expect(self, model, pixels, statistics, img_size=None):
        if img_size:
            model.set_input_size(img_size=img_size)
        captured = []
        for block in model.blocks:
            # Fused attention never forms the attention maps, and leaves the hooked dropout out.
            block.attn.fused_attn = False
            keep = lambda module, inputs, _: captured.append(inputs[0])
            block.attn.attn_drop.register_forward_hook(keep)
        logits = model(normalise(pixels, statistics))
        expected = dict(pixels=pixels, logits=logits)
        expected |= {f"attention.{layer}": attention for layer, attention in enumerate(captured)}
        return {key: value.contiguous().clone() for key, value in expected.items()}


VIDEO = dict(num_frames=4, image_size=12, is_video=True)
# The epsilons are so large that a wrong one changes the outputs.
CASES = {
    "vit": HuggingFace(
        "ViTForImageClassification",
        HALF,
        1,
        layer_norm_eps=0.02,
        resized=dict(interpolate_pos_encoding=True),
    ),
    "vit_float16": HuggingFace("ViTForImageClassification", HALF, 15, dtype=torch.float16),
    "vit_float64": HuggingFace("ViTForImageClassification", HALF, 16, dtype=torch.float64),
    "deit": HuggingFace(
        "DeiTForImageClassification",
        IMAGENET,
        2,
        layer_norm_eps=0.03,
        resized=dict(interpolate_pos_encoding=True),
    ),
    "deit_teacher": HuggingFace("DeiTForImageClassificationWithTeacher", IMAGENET, 3),
    "dinov2": HuggingFace(
        "Dinov2ForImageClassification", IMAGENET, 4, mlp_ratio=2, layer_norm_eps=0.02, resized={}
    ),
    "dinov2_bare": HuggingFace("Dinov2Model", IMAGENET, 5, mlp_ratio=4, use_swiglu_ffn=True),
    "dinov2_registers": HuggingFace(
        "Dinov2WithRegistersForImageClassification",
        IMAGENET,
        6,
        mlp_ratio=2,
        num_register_tokens=3,
        resized={},
    ),
    "timesformer": HuggingFace(
        "TimesformerForVideoClassification", HALF, 7, layer_norm_eps=0.02, resized={}, **VIDEO
    ),
    "vivit": HuggingFace(
        "VivitForVideoClassification", HALF, 8, layer_norm_eps=0.02, tubelet_size=[2, 4, 4], **VIDEO
    ),
    "videomae": HuggingFace(
        "VideoMAEForVideoClassification", IMAGENET, 9, layer_norm_eps=0.02, tubelet_size=2, **VIDEO
    ),
    "timm_vit": Timm("vit_tiny_patch16_224", 10, resized=dict(img_size=RESIZED)),
    "timm_bfloat16": Timm("deit_tiny_patch16_224", 17, dtype=torch.bfloat16),
    "timm_deit": Timm("deit_tiny_distilled_patch16_224", 11, resized=dict(img_size=RESIZED)),
    "timm_mean": Timm("vit_tiny_patch16_224", 12, global_pool="avg", qkv_bias=False),
    "timm_gap": Timm(
        "vit_medium_patch16_gap_256", 14, init_values=1e-5, resized=dict(img_size=RESIZED)
    ),
    "timm_swiglu": Timm("vit_giant_patch14_dinov2", 18, init_values=1e-5, img_size=8, mlp_ratio=4),
    "timm_checkpoint": Timm("vit_tiny_patch16_224", 19, trainer=True, img_size=8, embed_dim=6, mlp_ratio=1),
    "timm_dinov2": Timm(
        "vit_small_patch14_reg4_dinov2", 13, init_values=1e-5, resized=dict(img_size=RESIZED)
    ),
}


class RunsCode:
    """Object that runs a command when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch THE_PICKLE_WAS_RUN",)


def largest_difference(actual, expected):
    assert actual.keys() == expected.keys(), (actual.keys(), expected.keys())
    return max((actual[name] - expected[name]).abs().max().item() for name in expected)


def check(program):
    """Loads the files that the program exports for every model in Python, and compares the outputs."""
    is_equal = True
    for name, case in CASES.items():
        with tempfile.TemporaryDirectory() as directory:
            directory = Path(directory)
            command = [program, "weights", HERE / name, "--output", directory]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            model, statistics = case.load(directory)
            expected = load_file(HERE / name / "expected.safetensors")
            actual = case.expect(model, expected["pixels"], statistics)
            weights = load_file(directory / "model.safetensors")
            file = HERE / name / "model.safetensors"
            original = load_file(file) if file.exists() and case.dtype is None else None
            # A model without biases of queries, keys and values is exported with biases of 0.
            zeros = [key for key, value in weights.items() if not value.any() and key.endswith("qkv.bias")]
            weights = {key: value for key, value in weights.items() if key not in zeros}
            rounding = "" if original is None else f", weights {largest_difference(weights, original):.1e}"
        difference = largest_difference(actual, expected)
        is_equal &= difference <= TOLERANCE
        print(f"{name:18} outputs {difference:.1e}{rounding}")
    return is_equal


def make():
    shutil.rmtree(HERE, ignore_errors=True)
    for name, case in CASES.items():
        directory = HERE / name
        directory.mkdir(parents=True)
        model = case.make().to(case.dtype or torch.float32)
        case.save(model, directory)
        model = model.float()
        save_file(case.expect(model, case.pixels(), case.statistics), directory / "expected.safetensors")
        if case.resized is not None:
            pixels = case.pixels(RESIZED)
            expected = case.expect(model, pixels, case.statistics, **case.resized)
            save_file(expected, directory / "expected_resized.safetensors")
        print(name, *(f"{file.name}:{file.stat().st_size}" for file in sorted(directory.iterdir())))
    refused = HERE.with_name("pretrained_refused")
    shutil.rmtree(refused, ignore_errors=True)
    refused.mkdir()
    torch.save(RunsCode(), refused / "code.pth")
    torch.save(torch.nn.Linear(2, 3), refused / "module.pth")
    (refused / "code.pkl").write_bytes(pickle.dumps(RunsCode()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", metavar="PROGRAM", type=Path)
    arguments = parser.parse_args()
    if arguments.check:
        sys.exit(0 if check(arguments.check) else 1)
    make()


if __name__ == "__main__":
    main()
