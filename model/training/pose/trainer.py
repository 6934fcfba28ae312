"""The trainer: a recipe, data, and a folder that a run can always go on from.

Everything random follows from the run's seed and the number of the step, so that a run that was
killed and resumed ends with the same weights, bit for bit on the CPU, as one that never was.
"""

import hashlib
import json
import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from model.network.aggpose import AggPose
from model.network.checkpoints import Checkpoint, read_torch_file, save_checkpoint, write_torch_file
from model.network.pixels import normalise
from model.runtime.engines import Precision
from model.spec.codec import HeatmapCodec
from model.spec.errors import DatasetError, TrainingError
from model.spec.manifest import Provenance
from model.training.data.folder import Instance, LabelledFolder
from model.training.evaluation.judging import spread
from model.training.pose.journal import Journal
from model.training.pose.loss import pose_loss, target_heatmaps
from model.training.pose.plan import Plan, Step, StepBatches, learning_rate
from model.training.pose.processes import Processes
from model.training.pose.recipe import Grid, Recipe
from model.training.pose.samples import Batch, PoseSamples, collate
from model.training.pose.starting import freeze, starting_network
from model.training.pose.validation import Scores, validate

STATE: Final = "state.pt"
BEST: Final = "best.pt"
LAST: Final = "last.pt"
REPORT_EVERY_S: Final = 10.0
AUTOCAST: Final = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Settings:
    """What belongs to a run beside its recipe and data.

    Attributes:
        out: The run's folder.
        source: A file to start from, where the recipe asks for one.
        device: As torch names it.
        precision: Of forward and backward passes; weights are float32.
        seed: Of everything random.
        loaders: Processes that make samples; 0 makes them in this one.
        save_every_s: Seconds between saved states.
        stop_after_s: Stop, with the state saved, after so many seconds; None for never.
        licence: SPDX expression for the weights.
        commit: Of the training code, for the provenance.
    """

    out: Path
    source: Path | None = None
    device: str = "cpu"
    precision: Precision = "float32"
    seed: int = 0
    loaders: int = 0
    save_every_s: float = 300.0
    stop_after_s: float | None = None
    licence: str = "AGPL-3.0-or-later"
    commit: str | None = None


@dataclass
class State:
    """Where a run stands: what `state.pt` holds."""

    step: int = 0
    seconds: float = 0.0
    best_ap: float = -1.0
    metrics: dict[str, float] = field(default_factory=dict)


class Trainer:
    """One run. Made, it stands where its folder was left; `run` goes on from there.

    Args:
        recipe: What to do.
        train: What to learn from; the skeleton is its.
        val: What to choose the best weights by.
        settings: The run's.
        processes: The processes that share the work.

    Raises:
        TrainingError: The folder holds a run of another recipe, data or seed.
        RecipeError: The recipe needs a file to start from.
        CheckpointError: That file does not fit.
    """

    def __init__(
        self,
        recipe: Recipe,
        train: list[LabelledFolder],
        val: LabelledFolder,
        settings: Settings,
        processes: Processes,
    ) -> None:
        self.recipe, self.settings, self.processes = recipe, settings, processes
        self.skeleton = val.skeleton
        self.train = train
        self.instances: list[Instance] = [one for folder in train for one in folder.instances]
        self.val = spread(val, recipe.validation_pictures)
        if strange := {folder.skeleton.id for folder in train} - {self.skeleton.id}:
            raise TrainingError(f"expected one skeleton, got {self.skeleton.id} and {strange}")
        self.plan = Plan(recipe, len(self.instances), settings.seed, processes.world_size)
        self.device = torch.device(settings.device)
        torch.manual_seed(settings.seed)
        self.network, self.began_from = starting_network(
            recipe, num_keypoints=self.skeleton.num_keypoints, source=settings.source
        )
        self.network.to(self.device)
        self.average = _copy_of(self.network)
        self.optimiser = torch.optim.AdamW(_groups(self.network, recipe), lr=1.0)
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=settings.precision == "float16"
        )
        self.state = State()
        if (settings.out / STATE).exists():
            self._load()

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return len(self.plan.steps)

    def run(self) -> Iterator[dict[str, float | None]]:
        """Train to the end, or until `stop_after_s`; gives a row of numbers now and then.

        Raises:
            TrainingError: The loss is no number any more.
            OutputError: The folder cannot be written to.
        """
        first = self.state.step
        journal = Journal(self.settings.out, first_step=first) if self.processes.is_first else None
        samples = PoseSamples(
            self.instances,
            self.skeleton,
            self.recipe.augmentation,
            occluded=self.recipe.loss.occluded,
        )
        loader = DataLoader(
            samples,
            batch_sampler=StepBatches(self.plan, first=first, rank=self.processes.rank),
            num_workers=self.settings.loaders,
            collate_fn=collate,
            worker_init_fn=one_thread,
            prefetch_factor=4 if self.settings.loaders else None,
        )
        freezes = any(phase.frozen_levels for phase in self.recipe.phases)
        model = self.processes.wrapped(self.network, self.device, freezes=freezes)
        try:
            yield from self._loop(iter(loader), model, journal)
        finally:
            if journal is not None:
                journal.draw_curves()
                journal.close()

    def _loop(
        self, batches: Iterator[Batch], model: nn.Module, journal: Journal | None
    ) -> Iterator[dict[str, float | None]]:
        begun = saved = shown = time.monotonic()
        before, images, losses = self.state.seconds, 0, []
        phase = None
        for step in self.plan.steps[self.state.step :]:
            if step.phase is not phase:
                phase = step.phase
                freeze(self.network, phase)
            losses.append(self._step(step, batches, model))
            self.state.step = step.number + 1
            images += images_of(step, self.processes.world_size)
            now = time.monotonic()
            self.state.seconds = before + now - begun
            done = self.state.step == self.total
            limit = self.settings.stop_after_s
            stop = limit is not None and self.processes.any(now - begun >= limit)
            judged = self.state.step % self.recipe.validate_every == 0 or done
            if not (judged or stop or done or now - shown >= REPORT_EVERY_S):
                continue
            loss = float(torch.stack(losses).mean())
            if not math.isfinite(loss):
                raise TrainingError(
                    f"step {self.state.step}: expected a finite loss, got {loss}; try a lower "
                    "learning rate or float32"
                )
            row: dict[str, float | None] = {
                "step": self.state.step,
                "images": step.position + images_of(step, self.processes.world_size),
                "seconds": self.state.seconds,
                "learning_rate": learning_rate(self.recipe.optimiser, step.number, self.total),
                "loss": loss,
                "images_per_s": images / max(now - shown, 1e-6),
            }
            if (judged or stop) and journal is not None:
                row |= self._judge(choosing=judged)
            shown, images, losses = time.monotonic(), 0, []
            if journal is not None:
                journal.add(row)
                if stop or done or judged or shown - saved >= self.settings.save_every_s:
                    self._save()
                    saved = shown
            yield row
            if stop:
                return

    def _step(self, step: Step, batches: Iterator[Batch], model: nn.Module) -> Tensor:
        """One optimiser step; gives its loss, not yet waited for."""
        torch.manual_seed(_mixed(self.settings.seed, step.number, self.processes.rank))
        model.train()
        rate = learning_rate(self.recipe.optimiser, step.number, self.total)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        total = torch.zeros((), device=self.device)
        for turn in range(step.phase.accumulate):
            batch = _next(batches).to(self.device)
            last = turn == step.phase.accumulate - 1
            with self.processes.synchronised(model, now=last):
                loss = self._loss(batch, step.grid, model) / step.phase.accumulate
                self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self.scaler.unscale_(self.optimiser)
        length = nn.utils.clip_grad_norm_(
            self.network.parameters(), self.recipe.optimiser.clip_norm
        )
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self._follow(step.number)
        # without a scaler, which skips such steps, a gradient that is no number spoils the weights
        return total if self.scaler.is_enabled() else total + 0 * length.detach()

    def _loss(self, batch: Batch, grid: Grid, model: nn.Module) -> Tensor:
        codec = codec_of(grid)
        with self._autocast():
            heatmaps = model(normalise(batch.crops))
        targets = target_heatmaps(batch.keypoints_xy, codec)
        return pose_loss(heatmaps, targets, batch.weights, self.recipe.loss)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.settings.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=AUTOCAST[self.settings.precision])

    def _follow(self, step: int) -> None:
        """Move the average of the weights; faster at first, when they run away from it."""
        decay = min(self.recipe.optimiser.ema_decay, (1 + step) / (10 + step))
        if self.recipe.optimiser.ema_decay == 0:
            decay = 0.0
        with torch.no_grad():
            for mean, weight in zip(
                self.average.parameters(), self.network.parameters(), strict=True
            ):
                mean.lerp_(weight, 1 - decay)

    def _judge(self, *, choosing: bool) -> dict[str, float | None]:
        """Validate the averaged weights, and keep them, the best too.

        Where the run is stopped for its time, the best is not chosen: gone on with, it ends as one
        that never stopped.
        """
        scores = validate(
            self.average,
            self.val,
            upright=self.recipe.augmentation.upright,
            precision=self.settings.precision,
        )
        self._write(LAST, scores)
        if choosing:
            self.state.metrics = {"val_ap": scores.ap, "val_pck20": scores.pck20}
            if scores.ap > self.state.best_ap:
                self.state.best_ap = scores.ap
                self._write(BEST, scores)
        return {"val_ap": scores.ap, "val_pck20": scores.pck20, "val_pck10": scores.pck10}

    def _write(self, name: str, scores: Scores) -> None:
        provenance = Provenance(
            trained=True,
            summary=f"{self.recipe.summary} From {self.began_from}; step {self.state.step} of "
            f"{self.total}.",
            data=f"{', '.join(one.name for one in self.train)}: {len(self.instances)} infants",
            recipe=self.recipe.name,
            commit=self.settings.commit,
            metrics={"val_ap": round(scores.ap, 3), "val_pck20": round(scores.pck20, 3)},
        )
        checkpoint = Checkpoint(self.average, provenance, self.settings.licence)
        save_checkpoint(checkpoint, self.settings.out / name)

    @cached_property
    def _identity(self) -> str:
        """What a folder's run must have been begun with to be gone on with."""
        facts = {
            "recipe": self.recipe.model_dump(mode="json"),
            "data": [_digest(folder.file) for folder in (*self.train, self.val)],
            "seed": self.settings.seed,
            "world_size": self.processes.world_size,
            "precision": self.settings.precision,
            "from": None if self.settings.source is None else _digest(self.settings.source),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def _save(self) -> None:
        content = {
            "identity": self._identity,
            "step": self.state.step,
            "seconds": self.state.seconds,
            "best_ap": self.state.best_ap,
            "metrics": self.state.metrics,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
        }
        write_torch_file(content, self.settings.out / STATE)

    def _load(self) -> None:
        path = self.settings.out / STATE
        content: dict[str, Any] = read_torch_file(path)
        if content.get("identity") != self._identity:
            raise TrainingError(
                f"{self.settings.out}: holds a run of another recipe, start, data, seed, "
                "precision or number of processes; go on with the same ones, or give another folder"
            )
        self.network.load_state_dict(content["network"])
        self.average.load_state_dict(content["average"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.scaler.load_state_dict(content["scaler"])
        self.state = State(
            content["step"], content["seconds"], content["best_ap"], content["metrics"]
        )


def codec_of(grid: Grid) -> HeatmapCodec:
    """The codec of one crop size of a recipe."""
    height, width = grid.input_hw
    return HeatmapCodec.for_input((width, height), sigma_px=grid.sigma_px)


def images_of(step: Step, world_size: int) -> int:
    """Samples of a step, all processes together."""
    return step.grid.batch_size * step.phase.accumulate * world_size


def one_thread(_worker: int) -> None:
    """Keep a loader process from using more than its one core."""
    import cv2  # noqa: PLC0415 - in the process that it is meant for

    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _next(batches: Iterator[Batch]) -> Batch:
    """The next batch; what went wrong in a loader's process, without torch's report around it."""
    try:
        return next(batches)
    except DatasetError as error:
        last = str(error).splitlines()[-1]
        raise DatasetError(
            last.removeprefix(f"{DatasetError.__module__}.DatasetError: ")
        ) from error


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _groups(network: nn.Module, recipe: Recipe) -> list[dict[str, object]]:
    """Parameters with and without weight decay (biases and norms are vectors)."""
    vectors = [p for p in network.parameters() if p.ndim < 2]
    others = [p for p in network.parameters() if p.ndim >= 2]
    return [
        {"params": others, "weight_decay": recipe.optimiser.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def _copy_of(network: AggPose) -> AggPose:
    copy = AggPose(network.config)
    copy.load_state_dict(network.state_dict())
    return copy.to(next(network.parameters()).device).eval().requires_grad_(requires_grad=False)


def _mixed(*numbers: int) -> int:
    """One seed out of several."""
    text = ",".join(str(number) for number in numbers)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
