"""Training the detector with Ultralytics: from nothing, offline, within a given time.

Import this module after `offline.prepare_ultralytics`: it imports Ultralytics.
"""

import csv
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel, load_checkpoint

from model.spec.errors import CheckpointError, ConfigurationError, TrainingError
from model.spec.files import written_aside

SPEED_FILE = "speed.json"
ARCHITECTURE = "yolo26n"

RECIPE = "yolo26n-synthetic"
RECIPE_SETTLE = "yolo26n-synthetic-settle"
LEARNING_RATE = 1.5e-3
LEARNING_RATE_ON = 7e-4
"""For weights that have learned already."""

HYPERPARAMETERS: dict[str, Any] = {
    "optimizer": "AdamW",
    "lrf": 0.02,
    "cos_lr": True,
    "warmup_epochs": 0.3,
    "warmup_bias_lr": 0.0,
    "momentum": 0.9,
    "weight_decay": 5e-4,
    # infants lie in every direction, and cameras hang in every direction
    "degrees": 180.0,
    "fliplr": 0.5,
    "flipud": 0.5,
    "translate": 0.1,
    "scale": 0.4,
    "hsv_h": 0.03,
    "hsv_s": 0.6,
    "hsv_v": 0.4,
    "mosaic": 0.3,
    "close_mosaic": 2,
    # the head without suppression is the one that is exported, so it is the one that is judged
    "nms": False,
    # its check downloads a model, and it knows no CPU; see `HalfDetector`
    "amp": False,
    "plots": False,
    "cache": "ram",
    "deterministic": False,
    "patience": 0,
}

SETTLE: dict[str, Any] = {
    # infants lie in every direction in the pictures themselves
    "degrees": 0.0,
    "translate": 0.05,
    "scale": 0.2,
    "hsv_h": 0.01,
    "hsv_s": 0.3,
    "hsv_v": 0.2,
    # a picture that is four others shows edges and infants as no camera does
    "mosaic": 0.0,
    # boxes come to fit long before scores tell infants from cloths
    "cls": 1.0,
}
"""What ends a long run changes: pictures as the pipeline shows them, and scores weigh twice."""


@dataclass(frozen=True)
class TrainingPlan:
    """How to train.

    Attributes:
        data: The file that names both data sets, see `yolo_folder`.
        run: Folder of the run.
        imgsz: Side of the square input, px.
        batch: Pictures a step.
        epochs: How often all pictures are seen; with `minutes`, decided by the speed.
        minutes: How long to train, setting up not counted, or None.
        device: `cpu`, or `0` for the first GPU.
        workers: Processes that read pictures beside the training.
        seed: Of everything random.
        learning_rate: Its height after the warm-up.
        settle: Whether this ends a long run, see `SETTLE`.
    """

    data: Path
    run: Path
    imgsz: int = 320
    batch: int = 16
    epochs: int | None = None
    minutes: float | None = None
    device: str = "cpu"
    workers: int = 0
    seed: int = 0
    learning_rate: float = LEARNING_RATE
    settle: bool = False

    @property
    def recipe(self) -> str:
        """Name of the hyperparameters."""
        return RECIPE_SETTLE if self.settle else RECIPE

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.minutes is None):
            raise ConfigurationError("expected either --epochs or --minutes")
        if self.imgsz % 32:
            raise ConfigurationError(f"expected a multiple of 32 px, got {self.imgsz}")


@dataclass(frozen=True)
class Speed:
    """What a run has cost so far: it outlives an interruption.

    Attributes:
        epochs: Finished.
        seconds: Spent in them, validation included.
    """

    epochs: int = 0
    seconds: float = 0.0


class HalfDetector(DetectionModel):  # type: ignore[misc] # Ultralytics is untyped here
    """A detector that trains in bfloat16 where the device has it, and computes its loss in float32.

    In bfloat16 a box's corner far from the origin would be rounded to pixels.
    """

    def loss(
        self,
        batch: dict[str, Any],
        preds: Any = None,  # noqa: ANN401 - Ultralytics' trees
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, with its parts by name."""
        picture = batch["img"]
        if preds is None:
            with torch.autocast(
                picture.device.type, torch.bfloat16, enabled=has_bfloat16(picture.device)
            ):
                preds = self.forward(picture)
        return super().loss(batch, _in_float32(preds))  # type: ignore[no-any-return]


def has_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster there than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001


def _in_float32(tree: Any) -> Any:  # noqa: ANN401 - dictionaries and lists of tensors
    if isinstance(tree, Tensor):
        return tree.float() if tree.is_floating_point() else tree
    if isinstance(tree, dict):
        return {name: _in_float32(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(_in_float32(value) for value in tree)
    return tree


class Trainer(DetectionTrainer):  # type: ignore[misc] # Ultralytics is untyped here
    """Ultralytics' trainer with three things added.

    It stops after a time that holds across interruptions; on a CPU too it reads pictures in
    processes of its own, uses every core, and trains in bfloat16 and channels-last order.
    """

    model: Any
    epochs: int

    def __init__(
        self,
        plan: TrainingPlan,
        overrides: dict[str, Any],
        start: Mapping[str, Tensor] | None = None,
    ) -> None:
        self._plan = plan
        self._start = start
        self._speed = read_speed(plan.run)
        threads = torch.get_num_threads()
        super().__init__(overrides=overrides)
        torch.set_num_threads(threads)  # it leaves one core idle
        self.args.workers = plan.workers
        self._epoch_started = 0.0
        if plan.minutes is not None and self._speed.epochs:
            self.epochs = self.args.epochs = epochs_in(plan.minutes, self._speed)
        self.add_callback("on_train_epoch_start", Trainer._start_epoch)
        self.add_callback("on_fit_epoch_end", Trainer._end_epoch)

    def setup_model(self) -> Any:  # noqa: ANN401 - Ultralytics' checkpoint
        """Build the network, or take it from the checkpoint to go on from."""
        checkpoint = super().setup_model()
        if self._start is not None:
            self.model.load_state_dict(self._start)
        self.model = self.model.to(memory_format=torch.channels_last)
        return checkpoint

    def get_model(
        self,
        cfg: str | dict[str, Any] | None = None,
        weights: nn.Module | None = None,
        *,
        verbose: bool = True,
    ) -> HalfDetector:
        """Build the network, with the weights of another where given."""
        model = HalfDetector(cfg, nc=self.data["nc"], ch=self.data["channels"], verbose=verbose)
        if weights is not None:
            model.load(weights)
        return model

    def preprocess_batch(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Bring pictures to 0..1 on the device."""
        batch = super().preprocess_batch(batch)
        batch["img"] = batch["img"].contiguous(memory_format=torch.channels_last)
        return batch

    def _start_epoch(self) -> None:
        self._epoch_started = time.monotonic()

    def _end_epoch(self) -> None:
        """Count the epoch, and set the number of epochs by the time that is left."""
        if not self._epoch_started:
            return  # the last validation, of the best checkpoint
        spent = time.monotonic() - self._epoch_started
        self._epoch_started = 0.0
        self._speed = Speed(self._speed.epochs + 1, self._speed.seconds + spent)
        with written_aside(self._plan.run / SPEED_FILE) as aside:
            aside.write_text(json.dumps(asdict(self._speed)))
        if self._plan.minutes is None:
            return
        epochs = epochs_in(self._plan.minutes, self._speed)
        if epochs != self.epochs:
            self.epochs = self.args.epochs = epochs
            self._setup_scheduler()
            self.scheduler.last_epoch = self.epoch
        self.stop |= self.epoch + 1 >= epochs


def epochs_in(minutes: float, speed: Speed) -> int:
    """How many epochs fit into a time, at least those that are done."""
    return max(speed.epochs, int(minutes * 60 * speed.epochs / speed.seconds))


def read_speed(run: Path) -> Speed:
    """What a run has cost so far.

    Raises:
        CheckpointError: Its record is damaged.
    """
    path = run / SPEED_FILE
    if not path.is_file():
        return Speed()
    try:
        content = json.loads(path.read_text())
        return Speed(int(content["epochs"]), float(content["seconds"]))
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: damaged: {error}") from error


def train(
    plan: TrainingPlan,
    *,
    architecture: str = ARCHITECTURE,
    start: Mapping[str, Tensor] | None = None,
    resume: bool = False,
) -> Path:
    """Train, or go on training.

    Args:
        plan: How.
        architecture: One that Ultralytics has a YAML file of, with its scale, as in `yolo26n`.
        start: Weights to start from, those of `architecture`; None: random ones.
        resume: Go on behind the last finished epoch, where there is one; `start` is not used then.

    Returns:
        Ultralytics' best checkpoint.

    Raises:
        TrainingError: Ultralytics cannot go on.
    """
    last = plan.run / "weights" / "last.pt"
    resume = resume and last.is_file()
    if resume and load_checkpoint(last)[1]["epoch"] < 0:
        return plan.run / "weights" / "best.pt"  # it had ended
    overrides = overrides_of(plan, architecture, last if resume else None)
    try:
        trainer = Trainer(plan, overrides, None if resume else start)
        trainer.train()
    except (AssertionError, FileNotFoundError, RuntimeError, ValueError) as error:
        raise TrainingError(f"{plan.run}: Ultralytics cannot go on: {error}") from error
    return Path(trainer.best)


def overrides_of(plan: TrainingPlan, architecture: str, last: Path | None) -> dict[str, Any]:
    """Ultralytics' settings for a plan, from nothing or from the last checkpoint of its run."""
    return {
        **HYPERPARAMETERS,
        **(SETTLE if plan.settle else {}),
        "task": "detect",
        "mode": "train",
        "model": f"{architecture}.yaml" if last is None else str(last),
        "resume": False if last is None else str(last),
        "pretrained": False,
        "data": str(plan.data.resolve()),
        "save_dir": str(plan.run.resolve()),
        "project": str(plan.run.resolve().parent),
        "name": plan.run.name,
        "exist_ok": True,
        "imgsz": plan.imgsz,
        "batch": plan.batch,
        "nbs": plan.batch,
        "epochs": plan.epochs or 100,
        "device": plan.device,
        "seed": plan.seed,
        "lr0": plan.learning_rate,
    }


def trained_state(path: Path) -> dict[str, Tensor]:
    """The weights of an Ultralytics checkpoint that this run made, float32.

    It is a pickle: loading it runs what it says.
    """
    model, _ = load_checkpoint(path)
    return {name: tensor.float().cpu() for name, tensor in model.state_dict().items()}


def build_detector(architecture: str, classes: tuple[str, ...]) -> nn.Module:
    """An untrained detector.

    Raises:
        ConfigurationError: Ultralytics knows no such network.
    """
    try:
        model = DetectionModel(f"{architecture}.yaml", nc=len(classes), verbose=False)
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"expected a network that Ultralytics has a file of, got {architecture!r}"
        ) from error
    model.names = dict(enumerate(classes))
    return model  # type: ignore[no-any-return]


def best_metrics(run: Path) -> dict[str, float]:
    """Ultralytics' figures on the validation set at the best epoch, by name.

    Raises:
        CheckpointError: The run has none.
    """
    path = run / "results.csv"
    try:
        rows = list(csv.DictReader(path.read_text().splitlines()))
        best = max(rows, key=lambda row: float(row["metrics/mAP50-95(B)"]))
        names = {"val_map50": "metrics/mAP50(B)", "val_map50_95": "metrics/mAP50-95(B)"}
        return {ours: float(best[theirs]) for ours, theirs in names.items()}
    except (OSError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path}: expected the figures of a run, got {error}") from error
