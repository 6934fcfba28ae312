"""The manifest inside every model file: what the model is, what it takes and what it gives.

It is one JSON value under the ONNX metadata key `aggpose.manifest`.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from model.spec.codec import HeatmapCodec
from model.spec.errors import ManifestError, ModelError
from model.spec.geometry import PIXEL_CONVENTION
from model.spec.skeleton import Skeleton

MANIFEST_KEY = "aggpose.manifest"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Provenance(_Part):
    """Where the weights come from.

    Attributes:
        trained: False for random weights: such a model finds nothing.
        summary: One sentence for people.
        data: What it was trained on.
        recipe: The recipe's name.
        commit: The commit of the training code.
        metrics: Names to numbers, as measured on held-out data.
    """

    trained: bool
    summary: str
    data: str | None = None
    recipe: str | None = None
    commit: str | None = None
    metrics: dict[str, float] = Field(default_factory=dict)


class CodecFacts(_Part):
    """How heatmaps become keypoints; see `HeatmapCodec`."""

    name: Literal["dark"] = "dark"
    sigma_px: float
    blur_kernel: int


class Manifest(_Part):
    """What a model file says of itself.

    Attributes:
        schema_version: Of the manifest.
        task: `pose` or `detector`.
        name: Of the model, as in `aggpose-t-infant21`.
        version: Of the model.
        architecture: Of the network, as in `aggpose-t`.
        input_hw: Height and width of the input in px.
        pixel_convention: How crops and heatmaps are aligned; see `model.spec.geometry`.
        skeleton: The keypoints, of a pose model.
        codec: The heatmap codec, of a pose model.
        classes: Names of the classes, of a detector.
        flip_test: Whether the graph averages the crop and its mirror picture.
        outputs: Names of the graph's outputs.
        opset: ONNX operator set.
        parameters: Number of trained numbers in the network.
        provenance: Where the weights come from.
        licence: SPDX expression for the weights.
        weights_sha256: Over the initialisers in name order; see `model.spec.onnx_file`.
    """

    schema_version: Literal[1] = 1
    task: Literal["pose", "detector"]
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    architecture: str
    input_hw: tuple[int, int]
    pixel_convention: Literal["centre-aligned-isotropic"] = PIXEL_CONVENTION
    skeleton: Skeleton | None = None
    codec: CodecFacts | None = None
    classes: tuple[str, ...] = ()
    flip_test: bool = False
    outputs: tuple[str, ...]
    opset: int
    parameters: int
    provenance: Provenance
    licence: str
    weights_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.task == "pose" and (self.skeleton is None or self.codec is None):
            raise ValueError("a pose model needs a skeleton and a codec")
        if self.task == "detector" and not self.classes:
            raise ValueError("a detector needs classes")
        return self

    @property
    def heatmap_codec(self) -> HeatmapCodec:
        """The codec of a pose model.

        Raises:
            ManifestError: The model is no pose model, or the codec's numbers cannot be.
        """
        if self.codec is None:
            raise ManifestError(f"expected a pose model, got a {self.task}")
        height, width = self.input_hw
        try:
            return HeatmapCodec((width, height), self.codec.sigma_px, self.codec.blur_kernel)
        except ModelError as error:
            raise ManifestError(f"manifest of {self.name}: {error}") from error


def parse_manifest(text: str) -> Manifest:
    """Read a manifest from its JSON text.

    Raises:
        ManifestError: A field is missing, unknown or of another kind; the message names it.
    """
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        raise ManifestError(f"malformed model manifest: {_problems(error)}") from error


def parse_provenance(values: dict[str, object]) -> Provenance:
    """Read the provenance of a checkpoint.

    Raises:
        ManifestError: A field is missing, unknown or of another kind.
    """
    try:
        return Provenance.model_validate(values)
    except ValidationError as error:
        raise ManifestError(f"malformed provenance: {_problems(error)}") from error


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'all of it'}: {problem['msg']}"
        for problem in error.errors()
    )
