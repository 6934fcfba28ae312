"""Model files that say the right things of themselves and can do nothing."""

from pathlib import Path

import onnx

from model.export.sealing import UNSEALED, seal
from model.spec.manifest import CodecFacts, Manifest, Provenance
from model.spec.skeleton import load_skeleton


def write_empty_pose_model(folder: Path, name: str = "aggpose-t-infant21") -> Path:
    """A file whose manifest is a pose model's."""
    manifest = Manifest(
        task="pose",
        name=name,
        version="1",
        architecture="none",
        input_hw=(256, 192),
        skeleton=load_skeleton("infant21"),
        codec=CodecFacts(sigma_px=2.0, blur_kernel=11),
        outputs=("keypoints",),
        opset=18,
        parameters=0,
        provenance=Provenance(trained=False, summary="empty"),
        licence="AGPL-3.0-or-later",
        weights_sha256=UNSEALED,
    )
    graph = onnx.helper.make_graph([], "empty", [], [])
    proto = onnx.helper.make_model(graph, ir_version=10)
    seal(proto, manifest)
    path = folder / f"{name}.onnx"
    onnx.save(proto, path)
    return path
