"""`aggpose train detector` and `aggpose evaluate detector`."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from model.runtime.detector import CLASSES, Detector
from model.runtime.engines import PRECISIONS, EngineName, EngineOptions
from model.spec.errors import ConfigurationError, OutputError
from model.spec.files import written_aside
from model.spec.manifest import Manifest
from model.spec.progress import Progress
from model.training.data.folder import LabelledFolder, read_folder
from model.training.data.pictures import find_pictures
from model.training.detector import evaluation
from model.training.detector.checkpoint import DetectorCheckpoint, load_detector, save_detector
from model.training.detector.offline import prepare_ultralytics, require_ultralytics
from model.training.detector.report import markdown, misses_sheet
from model.training.detector.run import (
    CHECKPOINT_FILE,
    GATE_PICTURES,
    MODEL_FILE,
    SETTINGS_FOLDER,
    RunSettings,
    gate_engines,
    gate_pictures_of,
    lay_out_data,
    provenance_of,
    read_run,
    start_run,
)
from model.training.detector.yolo_folder import DATA_FILE
from model.weights import ModelPath

SHEET_FILE = "misses.png"
Value = TypeVar("Value", int, str)


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Data set to learn from.")
@click.option(
    "--val", type=click.Path(path_type=Path), help="Data set to choose the best epoch by."
)
@click.option(
    "--empty", type=click.Path(file_okay=False, exists=True, path_type=Path), multiple=True,
    help="Folder of pictures that show nobody, to learn from too; may be repeated.",
)  # fmt: skip
@click.option(
    "--from", "start", type=ModelPath(),
    help="A detector.pt to go on from, with its size of network and of input.",
)  # fmt: skip
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option(
    "--imgsz", type=click.IntRange(64, 1280), help="Side of the input, px.  [default: 320]"
)
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="How long to train.")
@click.option("--epochs", type=click.IntRange(1), help="Or how often to see every picture.")
@click.option(
    "--size", type=click.Choice(["n", "s", "m", "l", "x"]), help="Of the network.  [default: n]"
)
@click.option("--batch", type=click.IntRange(1, 1024), help="Pictures a step.  [default: 16]")
@click.option(
    "--learning-rate", type=click.FloatRange(0, min_open=True),
    help="After the warm-up.  [default: 1.5e-3; with --from 7e-4]",
)  # fmt: skip
@click.option(
    "--settle",
    is_flag=True,
    default=None,
    help="To end a long run with: pictures are varied less, scores weigh more.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Draws everything.  [default: 0]")
@click.option("--device", default="cpu", show_default=True, help="`cpu`, or `0` for the first GPU.")
@click.option(
    "--workers", type=click.IntRange(0, 64), default=0, show_default=True,
    help="Processes that read pictures beside the training.",
)  # fmt: skip
@click.option("--model-version", default="0.1.0", show_default=True, help="Version of the model.")
@click.option("--resume", is_flag=True, help="Go on with the run in --out as it was planned.")
def train(
    data: Path | None, val: Path | None, empty: tuple[Path, ...], start: Path | None, out: Path,
    imgsz: int | None, minutes: float | None, epochs: int | None, size: str | None,
    batch: int | None, learning_rate: float | None, seed: int | None, device: str, workers: int,
    model_version: str, *, settle: bool | None, resume: bool,
) -> None:  # fmt: skip
    """Train a detector of infants and heads, and export it.

    DATA and VAL are folders of COCO keypoints with boxes of heads, as `aggpose synth images` makes.
    Pictures of empty cots in --empty folders, without labels, teach it to see nobody there.
    Nothing is downloaded and nothing is written beside the pictures. A run that was stopped goes on
    behind its last finished epoch with --resume. It ends with OUT/detector.onnx.
    """
    chosen = {
        "data": data, "val": val, "from": start, "imgsz": imgsz, "minutes": minutes,
        "epochs": epochs, "size": size, "batch": batch, "learning-rate": learning_rate,
        "settle": settle, "seed": seed,
        "empty": [str(folder.resolve()) for folder in empty] or None,
    }  # fmt: skip
    given = [f"--{name}" for name, value in chosen.items() if value is not None]
    if resume and given:
        raise ConfigurationError(
            f"expected --resume with the run's own settings, got {', '.join(given)} too"
        )
    require_ultralytics()
    engines = gate_engines()
    settings = read_run(out) if resume else _settings(chosen)
    origin = None if settings.start is None else load_detector(Path(settings.start))
    if not resume:
        start_run(out, settings)
    prepare_ultralytics(out / SETTINGS_FOLDER)
    # these import Ultralytics
    from model.training.detector import trainer  # noqa: PLC0415
    from model.training.detector.export import DetectorExport, export_detector  # noqa: PLC0415

    laid_out = lay_out_data(out, settings)
    click.echo(
        f"to learn from: {_count(laid_out.train)}, and {laid_out.empty} pictures that show nobody; "
        f"to choose by: {_count(laid_out.val)}"
    )
    plan = trainer.TrainingPlan(
        out / "data" / DATA_FILE, out, imgsz=settings.imgsz, batch=settings.batch,
        epochs=settings.epochs, minutes=settings.minutes, device=device, workers=workers,
        seed=settings.seed, settle=settings.settle, learning_rate=settings.learning_rate
        or (trainer.LEARNING_RATE if origin is None else trainer.LEARNING_RATE_ON),
    )  # fmt: skip
    best = trainer.train(
        plan, architecture=settings.architecture, resume=resume,
        start=None if origin is None else origin.state_dict,
    )  # fmt: skip
    metrics = trainer.best_metrics(out)
    start_provenance = None if origin is None else origin.provenance
    checkpoint = DetectorCheckpoint(
        settings.architecture,
        CLASSES,
        settings.imgsz,
        provenance_of(laid_out, settings, metrics, recipe=plan.recipe, start=start_provenance),
        trainer.trained_state(best),
    )
    save_detector(checkpoint, out / CHECKPOINT_FILE)
    manifest, reports = export_detector(
        DetectorExport(checkpoint, model_version), out / MODEL_FILE,
        engines=engines, pictures=gate_pictures_of(laid_out.val),
    )  # fmt: skip
    _tell(manifest, reports, out / MODEL_FILE)


def export_checkpoint(path: Path, out: Path, *, name: str | None, version: str) -> None:
    """Write a detector's checkpoint as one ONNX file, behind the gate, on drawn pictures."""
    require_ultralytics()
    engines = gate_engines()
    checkpoint = load_detector(path)
    with tempfile.TemporaryDirectory() as settings:
        prepare_ultralytics(Path(settings))
        # these import Ultralytics
        from model.training.detector.export import (  # noqa: PLC0415
            DetectorExport,
            draw_pictures,
            export_detector,
        )

        manifest, reports = export_detector(
            DetectorExport(checkpoint, version, name), out,
            engines=engines, pictures=draw_pictures(GATE_PICTURES),
        )  # fmt: skip
    _tell(manifest, reports, out)


def _count(data: LabelledFolder) -> str:
    return f"{len(data.pictures)} pictures, {len(data.instances)} infants"


def _tell(manifest: Manifest, reports: Sequence[object], out: Path) -> None:
    for report in reports:
        click.echo(f"agrees: {report}")
    figures = "".join(f", {name} {n:.4f}" for name, n in manifest.provenance.metrics.items())
    size_mb = out.stat().st_size / 1e6
    click.echo(f"{out}: {manifest.name} {manifest.version}, {size_mb:.1f} MB{figures}")


def _settings(chosen: dict[str, Any]) -> RunSettings:
    """The settings of a new run.

    Raises:
        ConfigurationError: One is missing, or two contradict each other.
    """
    if chosen["data"] is None or chosen["val"] is None:
        raise ConfigurationError("expected --data and --val, or --resume")
    if (chosen["epochs"] is None) == (chosen["minutes"] is None):
        raise ConfigurationError("expected either --minutes or --epochs")
    origin = None if chosen["from"] is None else load_detector(chosen["from"])
    if origin is not None and origin.classes != CLASSES:
        raise ConfigurationError(
            f"{chosen['from']}: expected a detector of {', '.join(CLASSES)}, "
            f"got {', '.join(origin.classes)}"
        )
    architecture = f"yolo26{_or(chosen['size'], 'n')}"
    if origin is not None and chosen["size"] is not None and architecture != origin.architecture:
        raise ConfigurationError(
            f"expected --size as in {chosen['from']}, which is {origin.architecture}, "
            f"got {architecture}"
        )
    imgsz = _or(chosen["imgsz"], 320 if origin is None else origin.imgsz)
    if imgsz % 32:
        raise ConfigurationError(f"expected --imgsz in steps of 32 px, got {imgsz}")
    return RunSettings(
        data=str(chosen["data"].resolve()),
        val=str(chosen["val"].resolve()),
        architecture=architecture if origin is None else origin.architecture,
        imgsz=imgsz,
        batch=_or(chosen["batch"], 16),
        epochs=chosen["epochs"],
        minutes=chosen["minutes"],
        seed=_or(chosen["seed"], 0),
        empty=chosen["empty"] or [],
        start=None if chosen["from"] is None else str(chosen["from"].resolve()),
        learning_rate=chosen["learning-rate"],
        settle=bool(chosen["settle"]),
    )


def _or(value: Value | None, default: Value) -> Value:
    return default if value is None else value


@click.command()
@click.argument("model", type=ModelPath())
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder for the report and the sheet.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@click.option(
    "--threshold", type=click.FloatRange(0, 1), default=0.25, show_default=True,
    help="Score from which the sheet of misses counts detections.",
)  # fmt: skip
@click.option(
    "--engine", type=click.Choice(list(PRECISIONS)), default="openvino", show_default=True
)
@click.option("--batch", type=click.IntRange(1, 512), default=8, show_default=True)
@click.option("--threads", type=click.IntRange(0, 256), default=0, show_default=True)
@click.option(
    "--empty", type=click.Path(file_okay=False, exists=True, path_type=Path), multiple=True,
    help="Folder of more pictures that show nobody, for false infants; may be repeated.",
)  # fmt: skip
def evaluate(
    model: Path, data: Path, out: Path | None, threshold: float, engine: EngineName, batch: int,
    threads: int, empty: tuple[Path, ...], *, as_json: bool,
) -> None:  # fmt: skip
    """Say what a detector finds and misses on DATA, labelled as for training.

    mAP by COCO's rules; infants and heads without a detection that overlaps by half, per 1000
    pictures; the share of empty scenes in which an infant is seen. OUT gets report.md, report.json
    and misses.png, where heads are covered.
    """
    detector = Detector.open(model, EngineOptions(engine=engine, batch_size=batch, threads=threads))
    folder = read_folder(data)
    nobody = [path for one in empty for path in find_pictures(one)]
    judged: list[evaluation.Judged] = []
    scenes: list[evaluation.Judged] = []
    with Progress(len(folder.pictures) + len(nobody), "pictures") as progress:
        for seen, found in (
            (judged, evaluation.judge(detector, folder)),
            (scenes, evaluation.judge_empty(detector, nobody)),
        ):
            for one in found:
                seen.append(one)
                progress.step()
    manifest = detector.manifest
    report = evaluation.report_on(
        judged,
        scenes,
        model=f"{manifest.name} {manifest.version}",
        data=folder.name,
        threshold=threshold,
    )
    content = json.dumps(report.as_dict(), indent=2) + "\n"
    click.echo(content if as_json else markdown(report), nl=False)
    if out is not None:
        _write(out, markdown(report), content, misses_sheet([*judged, *scenes], folder, threshold))


def _write(out: Path, text: str, content: str, sheet: NDArray[np.uint8] | None) -> None:
    """Write the report; where nothing was missed, there is no sheet, and none is left."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / SHEET_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from error
    for name, written in (("report.md", text), ("report.json", content)):
        with written_aside(out / name) as aside:
            aside.write_text(written)
    if sheet is not None:
        _, data = cv2.imencode(".png", sheet[..., ::-1])
        with written_aside(out / SHEET_FILE) as aside:
            aside.write_bytes(data.tobytes())
