"""Times the forward pass of a DINOv2 of transformers in PyTorch, for comparison with `tools/time_forward.rs`.

    python scripts/peers/torch_forward.py WEIGHTS PIXELS BATCH... [--threads 2]

WEIGHTS is a directory with config.json and model.safetensors. Prints lines `attention,BATCH,min_ms,median_ms`,
for a pass that returns the attention of every layer as the pass of this project does, and `fused,...`, for
one that uses PyTorch's fused attention and returns none. Needs torch and transformers.
"""

import argparse
import statistics
import time

import torch
from transformers import Dinov2Model

BUDGET_SECONDS = 3.0
MIN_REPEATS = 5


def measure(work):
    """Minimum and median time of repeated work in ms, after one unmeasured run."""
    work()
    times, started = [], time.perf_counter()
    while len(times) < MIN_REPEATS or time.perf_counter() - started < BUDGET_SECONDS:
        before = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - before))
    return min(times), statistics.median(times)


def main():
    """Times both kinds of attention for each size of a batch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights")
    parser.add_argument("pixels", type=int)
    parser.add_argument("batches", type=int, nargs="+")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name, implementation in [("attention", "eager"), ("fused", "sdpa")]:
        model = Dinov2Model.from_pretrained(options.weights, attn_implementation=implementation).eval()
        for batch in options.batches:
            images = torch.rand(batch, 3, options.pixels, options.pixels)
            with torch.inference_mode():
                least, median = measure(lambda: model(images, output_attentions=name == "attention"))
            print(f"{name},{batch},{least:.3f},{median:.3f}", flush=True)


if __name__ == "__main__":
    main()
