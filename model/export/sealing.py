"""What every model file has in common: nothing of the machine that made it, and a manifest."""

import onnx

from model.spec.manifest import MANIFEST_KEY, Manifest
from model.spec.onnx_file import RawTensor, weights_sha256

UNSEALED = "0" * 64
"""Stands for the hash of the weights in a manifest that is not sealed into a file yet."""


def tidy(proto: onnx.ModelProto) -> None:
    """Drop what tells of the machine that exported, and make every constant a raw initialiser."""
    del proto.metadata_props[:], proto.graph.metadata_props[:], proto.graph.value_info[:]
    proto.doc_string = proto.graph.doc_string = ""
    for part in (*proto.graph.node, *proto.graph.input, *proto.graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    _constants_to_initialisers(proto.graph)
    for tensor in proto.graph.initializer:
        del tensor.metadata_props[:]
        tensor.doc_string = ""
        if not tensor.HasField("raw_data"):
            name = tensor.name
            tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor), name))


def seal(proto: onnx.ModelProto, manifest: Manifest) -> Manifest:
    """Put a manifest into a model, in place of one that is there.

    Returns:
        The manifest with the hash of the model's weights.
    """
    tensors = [
        RawTensor(t.name, t.data_type, tuple(t.dims), t.raw_data) for t in proto.graph.initializer
    ]
    sealed = manifest.model_copy(update={"weights_sha256": weights_sha256(tensors)})
    del proto.metadata_props[:]
    proto.metadata_props.add(key=MANIFEST_KEY, value=sealed.model_dump_json(exclude_none=True))
    return sealed


def _constants_to_initialisers(graph: onnx.GraphProto) -> None:
    """Make every constant an initialiser, so that the hash of the weights covers it."""
    constants = [node for node in graph.node if node.op_type == "Constant"]
    for node in constants:
        tensor = graph.initializer.add()
        tensor.CopyFrom(node.attribute[0].t)
        tensor.name = node.output[0]
        graph.node.remove(node)
