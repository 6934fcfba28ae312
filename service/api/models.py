"""The route of models: what jobs can be done with."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from model.spec.onnx_file import ModelFile
from service.api.auth import Reader
from service.api.context import Parts
from service.api.problems import documented

router = APIRouter(prefix="/v1/models", tags=["models"])


class ModelAnswer(BaseModel):
    """A model that jobs can be done with."""

    model_config = ConfigDict(use_attribute_docstrings=True, protected_namespaces=())

    name: str
    """What a job's `model` says."""
    version: str
    task: Literal["pose", "detector"]
    """`pose` finds keypoints; `detector` finds the infant, and is not chosen by a job."""
    architecture: str
    skeleton: str | None
    """The keypoints' name, as in `infant21`."""
    keypoints: list[str]
    """Their names, in the order of the columns."""
    trained: bool
    """False for random weights: such a model finds nothing."""
    summary: str
    """Where the weights come from."""
    licence: str
    """Of the weights, as an SPDX expression."""
    weights_sha256: str

    @classmethod
    def of(cls, model: ModelFile) -> "ModelAnswer":
        """That of a file."""
        manifest, skeleton = model.manifest, model.manifest.skeleton
        return cls(
            name=manifest.name, version=manifest.version, task=manifest.task,
            architecture=manifest.architecture,
            skeleton=None if skeleton is None else skeleton.id,
            keypoints=[] if skeleton is None else list(skeleton.keypoints),
            trained=manifest.provenance.trained, summary=manifest.provenance.summary,
            licence=manifest.licence, weights_sha256=manifest.weights_sha256,
        )  # fmt: skip


class ModelList(BaseModel):
    """The models by name."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[ModelAnswer]
    default: str | None
    """The pose model of jobs that name none; null where there is no pose model."""


@router.get("", responses=documented())
def show_models(service: Parts, caller: Reader) -> ModelList:  # noqa: ARG001 - needs the scope
    """The models that jobs can be done with."""
    models = service.models.models()
    poses = any(model.manifest.task == "pose" for model in models)
    default = service.models.pose_model().manifest.name if poses else None
    return ModelList(items=[ModelAnswer.of(model) for model in models], default=default)
