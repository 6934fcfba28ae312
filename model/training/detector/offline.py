"""Importing Ultralytics such that it asks the network for nothing and tells nobody anything.

It reads its environment and its settings when it is imported, so all of this happens before.
"""

import importlib
import importlib.util
import os
from pathlib import Path

from model.spec.errors import MissingPackageError, OutputError
from model.spec.files import written_aside
from model.training.detector.torchvision_nms import mend_torchvision

PACKAGES = (
    "ultralytics", "torchvision", "matplotlib", "polars", "psutil", "pycocotools", "requests",
    "yaml",
)  # fmt: skip

_ENVIRONMENT = {"YOLO_OFFLINE": "True", "YOLO_AUTOINSTALL": "False"}
_REPORTERS = ("sync", "clearml", "comet", "dvc", "mlflow", "raytune", "tensorboard", "wandb")


def require_ultralytics() -> None:
    """Make sure that Ultralytics can be imported.

    Raises:
        MissingPackageError: Ultralytics, or what it needs, is not installed.
    """
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingPackageError(
                f"this needs {package}, which is not installed: in the project's folder, "
                "`make detector`, or the two lines of the README under `Install it elsewhere`"
            )


def prepare_ultralytics(settings: Path) -> None:
    """Import Ultralytics offline, with its settings in a folder of ours.

    The first call of a process chooses the folder; later ones change nothing.

    Args:
        settings: Folder for what Ultralytics keeps between runs; made if need be.

    Raises:
        MissingPackageError: Ultralytics, or what it needs, is not installed.
        OutputError: The folder cannot be made.
    """
    require_ultralytics()
    try:
        settings.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{settings}: cannot be made: {error.strerror or error}") from error
    os.environ.update(_ENVIRONMENT, YOLO_CONFIG_DIR=str(settings.resolve()))
    os.environ.pop("ULTRALYTICS_API_KEY", None)
    mend_torchvision()
    utils = importlib.import_module("ultralytics.utils")
    if any(utils.SETTINGS[name] for name in _REPORTERS):
        utils.SETTINGS.update(dict.fromkeys(_REPORTERS, False))
    _give_font(utils.USER_CONFIG_DIR / "Arial.ttf")
    # decided at import by settings that were not ours yet
    importlib.import_module("ultralytics.utils.events").events.enabled = False


def _give_font(path: Path) -> None:
    """Lay matplotlib's font where Ultralytics looks for one before it downloads its own."""
    if path.exists():
        return
    font = Path(importlib.import_module("matplotlib").get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    with written_aside(path) as aside:
        aside.write_bytes(font.read_bytes())
