"""What several tests need: the reference vectors and one exported model."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from model.export.onnx_export import PoseExport, export_pose_model
from model.export.parity import ParityReport, perturbed
from model.network.aggpose import AggPose, AggPoseConfig, build_aggpose
from model.network.sizes import AggPoseSize
from model.spec.codec import HeatmapCodec
from model.spec.manifest import Provenance
from model.spec.skeleton import load_skeleton

DATA = Path(__file__).parent / "data"

MICRO = AggPoseSize("aggpose-micro", (8, 16, 40, 64), (1, 2, 3, 1))
"""The size of the reference network."""


@pytest.fixture(scope="session")
def micro_reference() -> Mapping[str, NDArray[np.float32]]:
    """The micro network's weights, input and output, from the authors' code."""
    with np.load(DATA / "aggpose_micro_reference.npz") as content:
        return dict(content)


@pytest.fixture(scope="session")
def micro_state_dict(
    micro_reference: Mapping[str, NDArray[np.float32]],
) -> dict[str, torch.Tensor]:
    """The micro network's weights under released names."""
    return {
        name.removeprefix("param/"): torch.from_numpy(value).float()
        for name, value in micro_reference.items()
        if name.startswith("param/")
    }


@pytest.fixture
def micro_network() -> AggPose:
    """A fresh network of the reference's size."""
    torch.manual_seed(0)
    return AggPose(AggPoseConfig(MICRO, 21)).eval()


@pytest.fixture(scope="session")
def planted_network() -> AggPose:
    """An aggpose-t whose heatmaps have peaks, as a trained one's have."""
    torch.manual_seed(0)
    return perturbed(build_aggpose("aggpose-t"), HeatmapCodec.for_input((192, 256)))


@pytest.fixture(scope="session")
def exported(
    planted_network: AggPose, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[ParityReport]]:
    """That network as a model file with heatmaps, and what the gate said of it."""
    path = tmp_path_factory.mktemp("models") / "planted.onnx"
    request = PoseExport(
        planted_network,
        load_skeleton("infant21"),
        "planted",
        "1.2.3",
        Provenance(trained=False, summary="planted peaks"),
        heatmaps=True,
    )
    _, reports = export_pose_model(request, path, engines=("cpu", "openvino"))
    return path, reports
