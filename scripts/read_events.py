"""Reads event files with TensorBoard's own loader and lists their contents.

    python3 scripts/read_events.py RUN/tensorboard [--expect KIND:TAG]...

KIND is scalar, histogram, image, text or other (hparams and chart layout). Every value is decoded: images must be
complete PNG or GIF files whose size matches the event, and the counts of histograms must be whole numbers. Exits with 1
if there is no scalar, if something cannot be decoded, or if an expected tag is missing. Needs the `tensorboard`
package.
"""

import argparse
import struct
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util

PNG, GIF = b"\x89PNG\r\n\x1a\n", b"GIF89a"


def image_size(file: bytes) -> tuple:
    """Returns width and height of a complete PNG or GIF file."""
    if file.startswith(GIF):
        assert file.endswith(b";"), "a truncated GIF file"
        return struct.unpack("<HH", file[6:10])
    assert file.startswith(PNG), "neither a PNG nor a GIF file"
    assert file.endswith(b"IEND\xaeB`\x82"), "a truncated PNG file"
    return struct.unpack(">II", file[16:24])


def describe_image(tensor) -> str:
    width, height, *files = tensor_util.make_ndarray(tensor).tolist()
    for file in files:
        size = image_size(file)
        assert size == (int(width), int(height)), f"the file is {size}, but the event says {width}, {height}"
    return f"{int(width)} by {int(height)} pixels"


def describe_histogram(tensor) -> str:
    rows = tensor_util.make_ndarray(tensor)
    assert rows.ndim == 2 and rows.shape[1] == 3, f"shape {rows.shape}"
    counts = rows[:, 2]
    assert (counts == counts.round()).all() and (rows[:, 0] <= rows[:, 1]).all()
    return f"{len(rows)} buckets, {counts.sum():.0f} values"


def describe_text(tensor) -> str:
    text = tensor_util.make_ndarray(tensor).tolist()[0].decode()
    return f"{len(text.splitlines())} lines"


def describe_other(tag: str, metadata, tensor) -> str:
    if metadata.plugin_data.plugin_name == "hparams":
        data = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
        if data.HasField("experiment"):
            infos = data.experiment
            return f"{len(infos.hparam_infos)} settings, {len(infos.metric_infos)} metrics"
        if data.HasField("session_start_info"):
            start = data.session_start_info
            return f"{len(start.hparams)} settings, group {start.group_name}"
        return f"status {data.session_end_info.status}"
    layout = layout_pb2.Layout.FromString(tensor_util.make_ndarray(tensor).item())
    return ", ".join(f"{c.title}: {len(c.chart)} charts" for c in layout.category)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory")
    parser.add_argument("--expect", action="append", default=[], metavar="KIND:TAG")
    arguments = parser.parse_args()
    # By default, the loader keeps only a sample of the values; 0 stands for all.
    everything = {"scalars": 0, "tensors": 0}
    events = EventAccumulator(arguments.directory, size_guidance=everything)
    events.Reload()

    tags = []
    # The loader turns simple values into scalars, and keeps values that belong to a plugin as tensors.
    for tag in events.Tags()["scalars"]:
        points = events.Scalars(tag)
        first, last = points[0], points[-1]
        tags.append(f"scalar:{tag}")
        print(
            f"{tags[-1]:<64} {len(points):>5} points, step {first.step} to {last.step}, "
            f"value {first.value:.5g} to {last.value:.5g}"
        )
    describe = {
        "histograms": ("histogram", describe_histogram),
        "images": ("image", describe_image),
        "text": ("text", describe_text),
    }
    for tag in events.Tags()["tensors"]:
        metadata = events.SummaryMetadata(tag)
        points = events.Tensors(tag)
        kind, decode = describe.get(metadata.plugin_data.plugin_name, ("other", None))
        try:
            if decode is None:
                last = describe_other(tag, metadata, points[-1].tensor_proto)
            else:
                last = [decode(point.tensor_proto) for point in points][-1]
        except (AssertionError, ValueError, IndexError) as error:
            print(f"{arguments.directory}: {kind} {tag}: {error}", file=sys.stderr)
            return 1
        tags.append(f"{kind}:{tag}")
        print(f"{tags[-1]:<64} {len(points):>5} points, the last: {last}")
    if not any(tag.startswith("scalar:") for tag in tags):
        print(f"{arguments.directory}: no scalar found", file=sys.stderr)
        return 1
    missing = [tag for tag in arguments.expect if tag not in tags]
    if missing:
        print(f"{arguments.directory}: missing {', '.join(missing)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
