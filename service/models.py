"""The pose models and detectors that jobs can be done with: those shipped, and a folder's own."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from model.spec.errors import ModelError
from model.spec.onnx_file import ModelFile, read_model_file
from model.weights import shipped
from service.errors import ModelUnknownError

_log = logging.getLogger(__name__)

DEFAULT_POSE_MODEL: Final = "aggpose-t-infant21"


class ModelCatalogue:
    """Model files by the names in their manifests; a file is read once, and again when it changes.

    Args:
        folder: Of `.onnx` files beside those that ship with the service; one of the same name wins
            over the shipped one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[tuple[Path, int, int], ModelFile | None] = {}

    def models(self) -> Sequence[ModelFile]:
        """The models by name. A file that is no model, or not whole, is none."""
        found: dict[str, ModelFile] = {}
        for path in self._paths():
            if (model := self._read(path)) is not None:
                found[model.manifest.name] = model
        return [found[name] for name in sorted(found)]

    def pose_model(self, name: str | None = None) -> ModelFile:
        """The pose model of this name, or the one that is taken when none is asked for.

        Raises:
            ModelUnknownError: There is none.
        """
        poses = {m.manifest.name: m for m in self.models() if m.manifest.task == "pose"}
        wanted = name or (
            DEFAULT_POSE_MODEL if DEFAULT_POSE_MODEL in poses else min(poses, default="")
        )
        if wanted not in poses:
            known = ", ".join(poses) or "none"
            raise ModelUnknownError(f"expected one of the pose models ({known})")
        return poses[wanted]

    def _paths(self) -> list[Path]:
        """The shipped files first, so that the folder's win."""
        own = sorted(self._folder.glob("*.onnx")) if self._folder else []
        return [path for path in shipped().values() if path.suffix == ".onnx"] + own

    def _read(self, path: Path) -> ModelFile | None:
        try:
            state = path.stat()
        except FileNotFoundError:
            return None
        key = (path, state.st_mtime_ns, state.st_size)
        if key not in self._known:
            try:
                self._known[key] = read_model_file(path)
            except ModelError as error:
                _log.warning("a model file was left out: %s", error)
                self._known[key] = None
        return self._known[key]
