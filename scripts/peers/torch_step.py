"""Times a training step of a PyTorch ViT, with and without the penalty of torch-topological.

    python scripts/peers/torch_step.py --tokens 65 --dim 64 --layers 4 --heads 4 --batch 64

The penalty is the mean 2-Wasserstein distance between the diagrams of consecutive layers, from the
Jensen-Shannon distances of the mean of the heads. This is what the regulariser of this project computes,
written with torch-topological, which uses giotto-ph and POT. Prints lines of `name minimum median` in
ms per step.
"""

import argparse
import time

import torch
import torch.nn.functional as F
from torch import nn
from torch_topological.nn import VietorisRipsComplex, WassersteinDistance

PATCH_VALUES, N_CLASSES = 16, 10


class Block(nn.Module):
    """Transformer block that also returns its attention."""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x):
        """Maps tokens to tokens and attention, [batch, heads, tokens, tokens]."""
        batch, tokens, dim = x.shape
        split = (batch, tokens, 3, self.heads, dim // self.heads)
        q, k, v = self.qkv(self.norm_attention(x)).reshape(split).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-1, -2) / (dim // self.heads) ** 0.5).softmax(-1)
        x = x + self.out((attention @ v).transpose(1, 2).reshape(batch, tokens, dim))
        return x + self.mlp(self.norm_mlp(x)), attention


class VisionTransformer(nn.Module):
    """Model that maps patches to logits, and returns the attention of every layer."""

    def __init__(self, options):
        super().__init__()
        dim = options.dim
        self.embed = nn.Linear(PATCH_VALUES, dim)
        self.class_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.position = nn.Parameter(0.02 * torch.randn(1, options.tokens, dim))
        self.blocks = nn.ModuleList(Block(dim, options.heads) for _ in range(options.layers))
        self.head = nn.Linear(dim, N_CLASSES)

    def forward(self, patches):
        """Maps patches, [batch, patches, values], to logits and the attention of every layer."""
        class_tokens = self.class_token.expand(len(patches), -1, -1)
        x, layers = torch.cat([class_tokens, self.embed(patches)], 1) + self.position, []
        for block in self.blocks:
            x, attention = block(x)
            layers.append(attention)
        return self.head(x[:, 0]), layers


def jensen_shannon(rows):
    """Pairwise distances from entropies; the lower bound keeps the gradient of the root finite."""
    xlogy = torch.special.xlogy
    entropies, mean = xlogy(rows, rows).sum(1), 0.5 * (rows[:, None] + rows[None])
    divergence = 0.5 * (entropies[:, None] + entropies[None]) - xlogy(mean, mean).sum(-1)
    return divergence.clamp_min(1e-10).sqrt()


def penalty(layers, max_dim):
    """Mean over images and consecutive layers of the distance of their diagrams."""
    rips, wasserstein = VietorisRipsComplex(dim=max_dim), WassersteinDistance(q=2)
    total, n_images = 0.0, len(layers[0])
    for image in range(n_images):
        previous = None
        for attention in layers:
            distances = jensen_shannon(attention[image].mean(0))
            # The lower bound leaves 1e-5 on the diagonal, which has to be 0.
            distances = distances - torch.diag(torch.diag(distances))
            diagrams = rips(distances, treat_as_distances=True)
            if previous is not None:
                total = total + wasserstein(previous, diagrams)
            # Each diagram is computed once, although it is compared with two others.
            previous = diagrams
    return total / (n_images * (len(layers) - 1))


def step_times(step, repeats):
    """Sorted times of a step in ms, after one that is not counted."""
    step()
    times = []
    for _ in range(repeats):
        before = time.perf_counter()
        step()
        times.append((time.perf_counter() - before) * 1e3)
    return sorted(times)


def arguments():
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=65, help="class token included")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--max-dim", type=int, default=1, help="largest homology dimension")
    parser.add_argument("--steps", type=int, default=3, help="number of steps with the penalty")
    return parser.parse_args()


def main():
    """Times both kinds of steps."""
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    net = VisionTransformer(options)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    patches = torch.randn(options.batch, options.tokens - 1, PATCH_VALUES)
    labels = torch.randint(0, N_CLASSES, (options.batch,))

    def step(penalised):
        logits, layers = net(patches)
        loss = F.cross_entropy(logits, labels)
        if penalised:
            loss = loss + 0.05 * penalty(layers, options.max_dim)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    for name, penalised, repeats in (("plain", False, 20), ("penalised", True, options.steps)):
        times = step_times(lambda: step(penalised), repeats)
        print(f"{name} {times[0]:.2f} {times[len(times) // 2]:.2f}", flush=True)


if __name__ == "__main__":
    main()
