"""A run of training: its folder, its settings, going on with it, and what it leaves.

RUN/run.json         the settings, so that a run that was stopped can go on
RUN/data/            the pictures as Ultralytics reads them; may be deleted afterwards
RUN/weights/         Ultralytics' checkpoints, of the last and of the best epoch
RUN/results.csv      Ultralytics' figures, epoch by epoch
RUN/detector.pt      the best epoch's weights: ours, tensors only
RUN/detector.onnx    the model
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.runtime.engines import EngineName, installed_engines
from model.spec.errors import MissingPackageError, OutputError, TrainingError
from model.spec.files import written_aside
from model.spec.manifest import Provenance
from model.training.commit import code_commit
from model.training.data.folder import LabelledFolder, read_folder
from model.training.data.pictures import find_pictures, read_rgb
from model.training.detector.yolo_folder import DATA_FILE, EMPTY_PICTURES, write_yolo_data

RUN_FILE = "run.json"
CHECKPOINT_FILE = "detector.pt"
MODEL_FILE = "detector.onnx"
SETTINGS_FOLDER = "ultralytics"

GATE_PICTURES = 4


@dataclass(frozen=True)
class RunSettings:
    """What a run is about, as its folder remembers it.

    Attributes:
        data: Data set to learn from.
        val: Data set to choose the checkpoint by.
        architecture: Ultralytics' name of the network.
        imgsz: Side of the input, px.
        batch: Pictures a step.
        epochs: How often all pictures are seen, or None.
        minutes: How long to train, or None.
        seed: Of everything random.
        start: Checkpoint whose weights it starts from, or None.
        learning_rate: Its height after the warm-up, or None for the recipe's.
        empty: Folders of pictures that show nobody, to learn from.
        settle: Whether this ends a long run.
    """

    data: str
    val: str
    architecture: str
    imgsz: int
    batch: int
    epochs: int | None
    minutes: float | None
    seed: int
    start: str | None = None
    learning_rate: float | None = None
    empty: list[str] = field(default_factory=list)
    settle: bool = False


def start_run(folder: Path, settings: RunSettings) -> None:
    """Make a run's folder and put its settings into it.

    Raises:
        TrainingError: The folder holds something already.
        OutputError: It cannot be made.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise TrainingError(
                f"{folder}: expected a folder that is empty or not there, got one with files; if "
                "it is a run that was stopped, go on with it by --resume"
            )
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror or error}") from error
    with written_aside(folder / RUN_FILE) as aside:
        aside.write_text(json.dumps(asdict(settings), indent=2) + "\n")


def read_run(folder: Path) -> RunSettings:
    """The settings of a run.

    Raises:
        TrainingError: There is no run, or its settings are damaged.
    """
    path = folder / RUN_FILE
    try:
        return RunSettings(**json.loads(path.read_text()))
    except OSError as error:
        raise TrainingError(f"{folder}: expected a run to go on with, got none: {error}") from error
    except (TypeError, ValueError) as error:
        raise TrainingError(f"{path}: damaged: {error}") from error


class RunData(NamedTuple):
    """What a run learns from and is judged by.

    Attributes:
        train: To learn from.
        val: To choose the checkpoint by.
        empty: How many pictures that show nobody are learned from besides those in `train`.
    """

    train: LabelledFolder
    val: LabelledFolder
    empty: int


def lay_out_data(folder: Path, settings: RunSettings) -> RunData:
    """Read both data sets, and lay them out for Ultralytics unless that is done already.

    Raises:
        DatasetError: Something is wrong with a data set, or with an empty picture.
        TrainingError: One of them has no heads.
    """
    train, val = read_folder(Path(settings.data)), read_folder(Path(settings.val))
    for data in (train, val):
        if not data.heads:
            raise TrainingError(f"{data.file}: expected boxes of the category head, got none")
    if not (folder / "data" / DATA_FILE).is_file():
        empty = [path for one in settings.empty for path in find_pictures(Path(one))]
        write_yolo_data(train, val, folder / "data", empty=empty, seed=settings.seed)
    return RunData(train, val, len(list((folder / "data").glob(EMPTY_PICTURES))))


def provenance_of(
    data: RunData,
    settings: RunSettings,
    metrics: dict[str, float],
    *,
    recipe: str,
    start: Provenance | None,
) -> Provenance:
    """What the model will say of its weights; `start` is what those that it started from say."""
    train = data.train
    pictures = len(train.pictures)
    besides = f" and {data.empty} that show nobody" if data.empty else ""
    origin = "random weights" if start is None else f"({start.summary})"
    return Provenance(
        trained=True,
        summary=f"{settings.architecture} from {origin} on {pictures} labelled pictures{besides}",
        data=f"{train.name}: {pictures} pictures, {len(train.instances)} infants{besides}",
        recipe=f"{recipe}, {settings.imgsz} px, batch {settings.batch}",
        commit=code_commit(),
        metrics=metrics,
    )


def gate_pictures_of(val: LabelledFolder) -> list[NDArray[np.uint8]]:
    """A few pictures with infants for the gate, uint8 (H, W, 3) RGB each."""
    pictures = {one.picture.id: one.picture for one in val.instances}
    return [read_rgb(picture) for picture in list(pictures.values())[:GATE_PICTURES]]


def gate_engines() -> tuple[EngineName, ...]:
    """The engines that must agree with PyTorch: all CPU engines that are installed.

    Raises:
        MissingPackageError: There is none.
    """
    engines: Sequence[EngineName] = installed_engines()
    found = tuple(engine for engine in engines if engine in ("cpu", "openvino"))
    if not found:
        raise MissingPackageError.of("onnxruntime", "cpu")
    return found
