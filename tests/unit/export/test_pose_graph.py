"""Decoding in the graph gives the codec's numbers, on every engine."""

import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest
import torch
from numpy.typing import NDArray

from model.export.parity import well_conditioned
from model.export.pose_graph import HeatmapDecoder, PoseGraph
from model.network.aggpose import AggPose
from model.network.pixels import normalise
from model.spec.codec import HeatmapCodec
from model.spec.skeleton import load_skeleton

CODEC = HeatmapCodec.for_input((192, 256))


def planted_heatmaps() -> NDArray[np.float32]:
    """Heatmaps with peaks everywhere, at the border too, of all heights, with a little noise."""
    generator = np.random.default_rng(0)
    points = generator.uniform(-8, 8, (40, 21, 2)) + generator.uniform(0, 1, (40, 21, 2)) * 192
    heatmaps = CODEC.encode(points) * generator.uniform(0.05, 1, (40, 21, 1, 1))
    return (heatmaps + generator.normal(0, 1e-3, heatmaps.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def decoder_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("decoder") / "decoder.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated; see docs/decisions
        torch.onnx.export(
            HeatmapDecoder(CODEC).eval(),
            (torch.zeros(2, 21, 64, 48),),
            path,
            dynamo=False,
            opset_version=20,
            input_names=["heatmaps"],
            dynamic_axes={"heatmaps": {0: "batch"}},
        )
    return path


@pytest.mark.parametrize("engine", ["torch", "onnxruntime", "openvino f32", "openvino bf16"])
def test_decoding_in_the_graph_is_the_codecs(engine: str, decoder_file: Path) -> None:
    heatmaps = planted_heatmaps()
    expected = CODEC.decode(heatmaps)
    if engine == "torch":
        found = HeatmapDecoder(CODEC)(torch.from_numpy(heatmaps)).numpy()
    elif engine == "onnxruntime":
        session = onnxruntime.InferenceSession(decoder_file, providers=["CPUExecutionProvider"])
        (found,) = session.run(None, {"heatmaps": heatmaps})
    else:
        settings = {"INFERENCE_PRECISION_HINT": engine.split()[1]}
        compiled = openvino.Core().compile_model(str(decoder_file), "CPU", settings)
        found = compiled([heatmaps])[0]
    solid = well_conditioned(heatmaps, CODEC)
    assert solid.mean() > 0.5
    offset = np.abs(found[..., :2] - expected.keypoints_xy).max(-1)
    assert offset[solid].max() < 1e-3
    np.testing.assert_allclose(found[..., 2], expected.scores, rtol=0, atol=1e-6)


def test_normalisation_is_imagenets() -> None:
    crops = torch.tensor([0, 255, 128], dtype=torch.uint8).reshape(1, 1, 1, 3)
    expected = [(0 - 0.485) / 0.229, (1 - 0.456) / 0.224, (128 / 255 - 0.406) / 0.225]
    torch.testing.assert_close(normalise(crops).flatten(), torch.tensor(expected))


def test_flip_test_averages_the_crop_and_its_mirror_picture(planted_network: AggPose) -> None:
    skeleton = load_skeleton("infant21")
    plain = PoseGraph(planted_network, skeleton, CODEC)
    flipped = PoseGraph(planted_network, skeleton, CODEC, flip_test=True)
    generator = torch.Generator().manual_seed(0)
    crops = torch.randint(0, 256, (1, 256, 192, 3), dtype=torch.uint8, generator=generator)
    order = skeleton.flip_order.tolist()
    with torch.no_grad():
        _, straight = plain(crops)
        _, mirrored = plain(crops.flip(2))
        _, averaged = flipped(crops)
        _, averaged_mirror = flipped(crops.flip(2))
    expected = (straight + mirrored.flip(-1)[:, order]) / 2
    torch.testing.assert_close(averaged, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(averaged_mirror.flip(-1)[:, order], averaged, rtol=0, atol=1e-4)
