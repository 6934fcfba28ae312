"""What the rewritten graph gains: against the network exported as written, on both CPU engines.

    python benchmarks/export.py [--size aggpose-t] [--rounds 40]

One thread. The candidates take turns, round by round, and ratios are of medians, so that a machine
that is not quite idle shifts all of them. Then it shows where the time of both graphs goes on ONNX
Runtime, by operator, and how far keypoints drift in bfloat16 on OpenVINO.
"""

import argparse
import json
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from model.export import fused
from model.export.onnx_export import OPSET, PoseExport, export_pose_model
from model.export.parity import gate_crops, perturbed, well_conditioned
from model.network.aggpose import AggPose, build_aggpose
from model.runtime.engines import EngineName, EngineOptions, Precision, open_session
from model.runtime.pose import PoseEstimator
from model.spec.codec import HeatmapCodec
from model.spec.manifest import Provenance
from model.spec.skeleton import load_skeleton

Run = Callable[[], object]


def export_as_written(network: AggPose, path: Path) -> None:
    """The network as it stands: normalised floats in, heatmaps out, no decoding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, *network.config.input_size_hw),),
            path,
            dynamo=False,
            opset_version=OPSET,
            input_names=["pictures"],
            dynamic_axes={"pictures": {0: "batch"}},
        )


def one_crop(path: Path, engine: EngineName) -> Run:
    """A run of one crop on one thread, as the runtime does it."""
    opened = open_session(path, EngineOptions(engine=engine, batch_size=1, threads=1))
    batch = random_crop(opened.input_shape, floats="keypoints" not in opened.output_names)
    return lambda: opened.run(batch)


def random_crop(shape: tuple[int | None, ...], *, floats: bool) -> NDArray[Any]:
    """One random crop, uint8, or in floats as the network as written takes it."""
    crop = np.random.default_rng(0).integers(0, 256, [size or 1 for size in shape], dtype=np.uint8)
    return crop.astype(np.float32) / 64 - 2 if floats else crop


def compare(runs: dict[str, Run], rounds: int) -> None:
    """Frames per CPU-second of each, and the ratio to the first."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(rounds + 3):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if i >= 3:
                times[name].append(time.process_time() - start)
    first = median(next(iter(times.values())))
    for name, values in times.items():
        print(f"{name:44} {1 / median(values):6.1f} frames/CPU-s   x{first / median(values):.2f}")


def operators(path: Path, folder: Path) -> None:
    """The operators that take ONNX Runtime's time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "profile")
    opened = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    (taken,) = opened.get_inputs()
    batch = random_crop((None, *taken.shape[1:]), floats="float" in taken.type)
    for _ in range(20):
        opened.run(None, {taken.name: batch})
    trace = Path(opened.end_profiling())
    spent: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for event in json.loads(trace.read_text()):
        if event.get("cat") == "Node" and event["name"].endswith("kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
            calls[event["args"]["op_name"]] += 1
    total = sum(spent.values())
    shares = (f"{name} {100 * t / total:.0f} % ({calls[name] // 20})" for name, t in spent.items())
    ranked = sorted(shares, key=lambda text: -int(text.split()[1]))
    print(f"  {total / 20_000:.1f} ms a crop: {', '.join(ranked[:12])}")


def drift(size: str, folder: Path) -> None:
    """Keypoints in bfloat16 against float32 on OpenVINO, on planted peaks."""
    torch.manual_seed(0)
    codec = HeatmapCodec.for_input((192, 256))
    path = folder / "planted.onnx"
    write(perturbed(build_aggpose(size), codec), path, heatmaps=True)
    crops, _ = gate_crops(32, codec.input_wh, seed=1)
    precisions: tuple[Precision, ...] = ("float32", "bfloat16")
    plain, lowered = (
        PoseEstimator.open(path, EngineOptions(engine="openvino", precision=p)).run(crops)
        for p in precisions
    )
    apart = lowered["heatmaps"] - plain["heatmaps"]
    solid = well_conditioned(plain["heatmaps"], codec)
    offset = np.abs(lowered["keypoints"] - plain["keypoints"])[solid]
    px = np.linalg.norm(offset[:, :2], axis=-1)
    print(
        f"bfloat16 on OpenVINO: heatmaps {apart.std() / plain['heatmaps'].std():.1%} off (rms over "
        f"their deviation); {len(px)} planted peaks moved {np.median(px):.2f} crop px in the "
        f"median, {np.mean(px < 2):.0%} of them under 2 px"
    )


def write(network: AggPose, path: Path, *, heatmaps: bool = False) -> None:
    """Export through the gate."""
    provenance = Provenance(trained=False, summary="random weights")
    skeleton = load_skeleton("infant21")
    request = PoseExport(network, skeleton, "benchmark", "0", provenance, heatmaps=heatmaps)
    export_pose_model(request, path, engines=("cpu",))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="aggpose-t")
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    network = build_aggpose(arguments.size).eval()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written, unfolded, exported = (folder / f"{n}.onnx" for n in "wue")
        export_as_written(network, written)
        write(network, exported)
        with mock.patch.object(fused, "folding_pays", return_value=False):
            write(network, unfolded)
        engines: dict[EngineName, str] = {"cpu": "ONNX Runtime", "openvino": "OpenVINO"}
        for engine, title in engines.items():
            print(f"{arguments.size}, {title}, float32, one thread, batch 1")
            runs = {
                "as written, heatmaps only": one_crop(written, engine),
                "rewritten, attention not folded, keypoints": one_crop(unfolded, engine),
                "rewritten, keypoints (what is exported)": one_crop(exported, engine),
            }
            compare(runs, arguments.rounds)
        print("where the time goes as written:")
        operators(written, folder)
        print("where the time goes as exported:")
        operators(exported, folder)
        drift(arguments.size, folder)


if __name__ == "__main__":
    main()
