"""Model files are read without the onnx package, and refused when anything does not fit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from model.spec.errors import ManifestError, ModelFileError
from model.spec.manifest import MANIFEST_KEY, CodecFacts, Manifest, Provenance, parse_manifest
from model.spec.onnx_file import RawTensor, read_model_file, weights_sha256
from model.spec.skeleton import load_skeleton

WEIGHTS: dict[str, NDArray[Any]] = {
    "b.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a.bias": np.arange(3, dtype=np.int64),
}


def manifest_for(digest: str) -> Manifest:
    return Manifest(
        task="pose",
        name="tiny",
        version="1",
        architecture="none",
        input_hw=(256, 192),
        skeleton=load_skeleton("infant21"),
        codec=CodecFacts(sigma_px=2.0, blur_kernel=11),
        outputs=("keypoints",),
        opset=20,
        parameters=9,
        provenance=Provenance(trained=False, summary="made up"),
        licence="AGPL-3.0-or-later",
        weights_sha256=digest,
    )


def model_proto() -> onnx.ModelProto:
    """A model whose graph is nothing but its weights."""
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in WEIGHTS.items()]
    graph = onnx.helper.make_graph([], "g", [], [], initializer=tensors)
    proto = onnx.helper.make_model(graph)
    raw = [RawTensor(t.name, t.data_type, tuple(t.dims), t.raw_data) for t in tensors]
    text = manifest_for(weights_sha256(raw)).model_dump_json(exclude_none=True)
    proto.metadata_props.add(key="other", value="ignored")
    proto.metadata_props.add(key=MANIFEST_KEY, value=text)
    return proto


def write(proto: onnx.ModelProto, path: Path) -> Path:
    onnx.save(proto, path)
    return path


def test_reads_manifest_and_checks_the_weights(tmp_path: Path) -> None:
    model_file = read_model_file(write(model_proto(), tmp_path / "m.onnx"))
    assert model_file.manifest.name == "tiny"
    assert model_file.manifest.skeleton == load_skeleton("infant21")
    assert model_file.manifest.heatmap_codec.heatmap_wh == (48, 64)
    assert len(model_file.sha256) == 64


def test_the_order_of_weights_does_not_matter(tmp_path: Path) -> None:
    proto = model_proto()
    first, second = list(proto.graph.initializer)
    del proto.graph.initializer[:]
    proto.graph.initializer.extend([second, first])
    read_model_file(write(proto, tmp_path / "m.onnx"))


def test_a_changed_weight_is_noticed(tmp_path: Path) -> None:
    proto = model_proto()
    changed = WEIGHTS["b.weight"] + np.float32(1e-6)
    proto.graph.initializer[0].raw_data = changed.tobytes()
    with pytest.raises(ManifestError, match="changed after its manifest was written"):
        read_model_file(write(proto, tmp_path / "m.onnx"))


@pytest.mark.parametrize("keep", [0.3, 0.9, 0.999])
def test_truncated_files_are_said_to_be_cut_short(tmp_path: Path, keep: float) -> None:
    path = write(model_proto(), tmp_path / "m.onnx")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(ModelFileError, match=r"cut short|without a graph"):
        read_model_file(path)


@pytest.mark.parametrize("content", [b"", b"not a model at all, but a line of text", b"\xff" * 64])
def test_files_that_are_no_models(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="expected an ONNX model"):
        read_model_file(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="No such file"):
        read_model_file(tmp_path / "nothing.onnx")
    with pytest.raises(ModelFileError, match="cannot be read"):
        read_model_file(tmp_path)


def test_a_model_without_a_manifest(tmp_path: Path) -> None:
    proto = model_proto()
    del proto.metadata_props[:]
    with pytest.raises(ManifestError, match="without one; export it with `aggpose model export`"):
        read_model_file(write(proto, tmp_path / "m.onnx"))


def test_weights_beside_the_file_or_in_typed_fields_are_refused(tmp_path: Path) -> None:
    proto = model_proto()
    typed = onnx.helper.make_tensor("typed", onnx.TensorProto.FLOAT, [2], [1.0, 2.0])
    proto.graph.initializer.append(typed)
    with pytest.raises(ModelFileError, match="typed fields"):
        read_model_file(write(proto, tmp_path / "m.onnx"))
    outside = model_proto()
    outside.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    (tmp_path / "e.onnx").write_bytes(outside.SerializeToString())
    with pytest.raises(ModelFileError, match="beside the file"):
        read_model_file(tmp_path / "e.onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights_sha256": None}, "weights_sha256"),
        ({"weights_sha256": "abc"}, "weights_sha256: String should match pattern"),
        ({"codec": None}, "a pose model needs a skeleton and a codec"),
        ({"input_hw": "256x192"}, "input_hw"),
        ({"pixel_convention": "corner"}, "centre-aligned-isotropic"),
        ({"invented": 1}, "invented: Extra inputs are not permitted"),
        ({"schema_version": 2}, "schema_version"),
    ],
)
def test_malformed_manifests_name_the_field(change: dict[str, object], message: str) -> None:
    content = manifest_for("0" * 64).model_dump(mode="json") | change
    content = {key: value for key, value in content.items() if value is not None}
    with pytest.raises(ManifestError, match=message):
        parse_manifest(json.dumps(content))


def test_codec_numbers_that_cannot_be() -> None:
    manifest = manifest_for("0" * 64).model_copy(
        update={"codec": CodecFacts(sigma_px=2.0, blur_kernel=4)}
    )
    with pytest.raises(ManifestError, match="odd blur kernel"):
        _ = manifest.heatmap_codec
    detector = manifest.model_copy(update={"task": "detector", "codec": None})
    with pytest.raises(ManifestError, match="expected a pose model, got a detector"):
        _ = detector.heatmap_codec
