"""Reading what matters of an ONNX file without the onnx package: metadata and weights' hash.

An ONNX file is a protocol-buffers message. Few of its fields matter here (numbers as in
onnx.proto): ModelProto graph = 7 and metadata_props = 14; GraphProto initializer = 5; TensorProto
dims = 1, data_type = 2, name = 8, raw_data = 9, data_location = 14. All else is passed over.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from model.spec.errors import ManifestError, ModelFileError
from model.spec.manifest import MANIFEST_KEY, Manifest, parse_manifest

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TYPED_DATA = {4, 5, 6, 7, 10, 11}


@dataclass(frozen=True)
class ModelFile:
    """A model file that was read and checked.

    Attributes:
        path: Where it lies.
        manifest: What it says of itself.
        sha256: Of the whole file.
    """

    path: Path
    manifest: Manifest
    sha256: str


def read_model_file(path: Path) -> ModelFile:
    """Read a model file's manifest and check that the weights are those it was written for.

    Raises:
        ModelFileError: Not there, not ONNX, cut short, or not self-contained.
        ManifestError: No manifest, a malformed one, or one whose weights hash does not fit.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
    metadata, tensors = _read_model(memoryview(content), path)
    if MANIFEST_KEY not in metadata:
        raise ManifestError(
            f"{path}: expected a manifest under {MANIFEST_KEY}, got an ONNX file without one; "
            "export it with `aggpose model export`"
        )
    try:
        manifest = parse_manifest(metadata[MANIFEST_KEY])
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from error
    digest = weights_sha256(tensors)
    if digest != manifest.weights_sha256:
        raise ManifestError(
            f"{path}: expected weights {manifest.weights_sha256}, got {digest}: the file was "
            "changed after its manifest was written"
        )
    return ModelFile(path, manifest, hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class RawTensor:
    """One initialiser: its name, ONNX data type, shape, and little-endian bytes."""

    name: str
    data_type: int
    shape: tuple[int, ...]
    raw: bytes | memoryview


def weights_sha256(tensors: list[RawTensor]) -> str:
    """SHA-256 over initialisers in name order.

    Each adds a line `name|data type|shape` in UTF-8, ended by a line feed, then its bytes.
    """
    digest = hashlib.sha256()
    for tensor in sorted(tensors, key=lambda t: t.name):
        shape = ",".join(map(str, tensor.shape))
        digest.update(f"{tensor.name}|{tensor.data_type}|{shape}\n".encode())
        digest.update(tensor.raw)
    return digest.hexdigest()


def _read_model(content: memoryview, path: Path) -> tuple[dict[str, str], list[RawTensor]]:
    metadata: dict[str, str] = {}
    tensors: list[RawTensor] = []
    has_graph = False
    try:
        for number, value in _fields(content):
            if number == 7 and isinstance(value, memoryview):
                has_graph = True
                tensors += [
                    _read_tensor(inner, path)
                    for field, inner in _fields(value)
                    if field == 5 and isinstance(inner, memoryview)
                ]
            elif number == 14 and isinstance(value, memoryview):
                entry = {f: bytes(v).decode() for f, v in _fields(value) if not isinstance(v, int)}
                metadata[entry.get(1, "")] = entry.get(2, "")
    except (IndexError, ValueError) as error:
        raise ModelFileError(
            f"{path}: expected an ONNX model, got {len(content)} bytes that are cut short or none"
        ) from error
    if not has_graph:
        raise ModelFileError(f"{path}: expected an ONNX model, got a file without a graph")
    return metadata, tensors


def _read_tensor(content: memoryview, path: Path) -> RawTensor:
    name, data_type, raw = "", 0, memoryview(b"")
    shape: list[int] = []
    for number, value in _fields(content):
        if number == 1:
            shape += [value] if isinstance(value, int) else _packed(value)
        elif number == 2 and isinstance(value, int):
            data_type = value
        elif number == 8 and isinstance(value, memoryview):
            name = bytes(value).decode()
        elif number == 9 and isinstance(value, memoryview):
            raw = value
        elif number in _TYPED_DATA or (number == 14 and value != 0):
            where = "beside the file" if number == 14 else "in typed fields"
            raise ModelFileError(
                f"{path}: expected every weight inside the file as raw bytes, got one {where}; "
                "export it with `aggpose model export`"
            )
    return RawTensor(name, data_type, tuple(shape), raw)


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of one message, in order: number and value.

    Raises:
        IndexError: The message ends inside a field.
        ValueError: It is no message.
    """
    at = 0
    while at < len(content):
        tag, at = _varint(content, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(content, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(content, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(content):
            raise IndexError(at + size)
        yield number, content[at : at + size]
        at += size


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("number too long")


def _packed(content: memoryview) -> list[int]:
    numbers, at = [], 0
    while at < len(content):
        number, at = _varint(content, at)
        numbers.append(number)
    return numbers
