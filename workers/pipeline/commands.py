"""`aggpose extract`."""

import json
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Final, cast, get_args

import click

from model.runtime.detector import Detector
from model.runtime.engines import (
    PRECISIONS,
    EngineName,
    EngineOptions,
    Precision,
    installed_engines,
)
from model.runtime.pose import PoseEstimator
from model.spec.errors import ConfigurationError, MissingPackageError, ModelError
from model.spec.exit_codes import FAILED, INTERRUPTED
from model.spec.head_mask import Style
from model.spec.progress import Progress
from model.spec.sequence import Series
from model.weights import ModelPath
from workers.pipeline.decoding.limits import Limits
from workers.pipeline.errors import CancelledError, PipelineError, SmoothingError
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.masking.plan import MaskSettings
from workers.pipeline.outputs.result_folder import Outcome
from workers.pipeline.preview.picture import PreviewSettings
from workers.pipeline.smoothing.series import SmoothingSettings
from workers.pipeline.video_folder import Request, VideoFolder

POSE: Final = "aggpose-t-infant21.onnx"
DETECTOR: Final = "infant-head-detector.onnx"

CUT_SHORT: Final = (
    "the file ends before the video does, as after an upload that was broken off; "
    "what could be read was extracted"
)


@click.command()
@click.argument("videos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path),
    help="Each video's results go into a folder of its name in here.",
)  # fmt: skip
@click.option("--model", default=POSE, show_default=True, type=ModelPath(), help="Pose model.")
@click.option("--detector", default=DETECTOR, show_default=True, type=ModelPath())
@click.option(
    "--engine", type=click.Choice(list(PRECISIONS)), help="[default: openvino, where installed]"
)
@click.option(
    "--precision", type=click.Choice(get_args(Precision)), default="float32", show_default=True,
    help="Of the pose model's arithmetic.",
)  # fmt: skip
@click.option("--batch-size", type=click.IntRange(1, 256), default=8, show_default=True)
@click.option("--threads", type=click.IntRange(0, 256), default=0, help="0: the engine's choice.")
@click.option(
    "--window", type=click.IntRange(1, ExtractionSettings.MOST_FRAMES), default=16,
    show_default=True, help="Frames that are worked on together.",
)  # fmt: skip
@click.option(
    "--detect-every", type=click.IntRange(1), help="Frames between detections.  [default: --window]"
)
@click.option("--preview/--no-preview", default=True, show_default=True, help="Make a masked film.")
@click.option(
    "--cover", type=click.Choice(["mosaic", "solid"]), default="mosaic", show_default=True,
    help="What lies over heads.",
)  # fmt: skip
@click.option(
    "--series", type=click.Choice(["raw", "filtered", "both"]), default="both", show_default=True
)
@click.option(
    "--skeleton/--no-skeleton", default=True, show_default=True, help="Draw it in the preview."
)
@click.option("--names", is_flag=True, help="Mark and name keypoints in the preview.")
@click.option(
    "--cutoff-hz",
    type=click.FloatRange(0, min_open=True),
    help="Of the filtered series' low pass.  [default: 6, or less below 15 frames/s]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON a video.")
def extract(
    videos: tuple[Path, ...], out: Path, model: Path, detector: Path, engine: EngineName | None,
    precision: Precision, batch_size: int, threads: int, window: int, detect_every: int | None,
    cover: Style, series: str, cutoff_hz: float | None, *, preview: bool, skeleton: bool,
    names: bool, as_json: bool,
) -> None:  # fmt: skip
    """Find an infant's keypoints in VIDEOS, frame by frame.

    OUT/NAME gets keypoints.csv and .json, the same filtered, quality.json and .png, preview.mp4 in
    which nobody can be recognised, and stills. A call that was stopped goes on when it is given
    again; a folder that holds just what is asked for is left as it is.

    Exit status: 0 all videos are done; 1 some failed, the others are done; 2 a wrong option;
    130 stopped by Ctrl-C.
    """
    folders = _folders(videos, out)
    look = PreviewSettings(masks=MaskSettings(style=cover), skeleton=skeleton, names=names)
    with _wrong_options():
        request = Request(
            extraction=ExtractionSettings(window=window, detect_every=detect_every or window),
            smoothing=SmoothingSettings(cutoff_hz=cutoff_hz),
            series=get_args(Series) if series == "both" else (cast("Series", series),),
            preview=look if preview else None,
            limits=Limits(),
        )
        pose, finder = open_models(
            model, detector,
            engine=engine, precision=precision, batch_size=batch_size, threads=threads,
        )  # fmt: skip
    with _interrupted() as stopped:
        work = VideoFolder(
            pose, finder, request, program=metadata.version("aggpose-service"),
            progress=_progress, warn=_warn, cancelled=stopped.is_set,
        )  # fmt: skip
        failed = False
        for video, folder in folders.items():
            if stopped.is_set():
                break
            failed |= not _extracted(work, video, folder, as_json=as_json)
    if stopped.is_set():
        sys.exit(INTERRUPTED)
    if failed:
        sys.exit(FAILED)


@contextmanager
def _wrong_options() -> Iterator[None]:
    """Settings that cannot be, or not together, are a wrong option.

    Raises:
        UsageError: The block met some.
    """
    try:
        yield
    except (ConfigurationError, SmoothingError) as error:
        raise click.UsageError(f"{error} [{error.code}]") from error


def cpu_engines() -> list[EngineName]:
    """The installed engines of the CPU, fastest first; at least one.

    Raises:
        MissingPackageError: None is installed.
    """
    engines: list[EngineName] = [
        name for name in installed_engines() if name in ("openvino", "cpu")
    ]
    if not engines:
        raise MissingPackageError.of("onnxruntime", "cpu")
    return engines


def open_models(
    model: Path, detector: Path, *, engine: EngineName | None, precision: Precision,
    batch_size: int, threads: int,
) -> tuple[PoseEstimator, Detector]:  # fmt: skip
    """Open both models on one engine; the detector in float32 and one picture at a time.

    Raises:
        MissingPackageError: No engine is installed.
        ConfigurationError: There is no such engine, or it does not run that precision.
        ModelError: A model cannot be opened on it.
    """
    for_pose = EngineOptions(
        engine=engine or cpu_engines()[0],
        precision=precision, batch_size=batch_size, threads=threads,
    )  # fmt: skip
    for_detector = EngineOptions(engine=for_pose.engine, batch_size=1, threads=threads)
    return PoseEstimator.open(model, for_pose), Detector.open(detector, for_detector)


def _folders(videos: tuple[Path, ...], out: Path) -> dict[Path, Path]:
    """Where each video's results go.

    Raises:
        UsageError: Two would share a folder.
    """
    folders = {video: out / video.stem for video in dict.fromkeys(videos)}
    shared = {folder.name for folder in folders.values()}
    if len(shared) < len(folders):
        raise click.UsageError(
            f"expected videos of different names, got {len(folders)} of {len(shared)} names: "
            "results lie in folders of these names; extract them into different --out folders"
        )
    return folders


def _extracted(work: VideoFolder, video: Path, folder: Path, *, as_json: bool) -> bool:
    """Extract one video and say how it went; whether it is done."""
    try:
        outcome = work.fill(video, folder)
    except CancelledError:
        _tell({"video": str(video), "state": "stopped"}, as_json=as_json)
        click.echo("stopped; call again to go on", err=True)
        return False
    except (PipelineError, ModelError) as error:
        facts = {"state": "failed", "code": error.code, "message": str(error)}
        _tell({"video": str(video), **facts}, as_json=as_json)
        click.echo(f"aggpose: {video}: {error} [{error.code}]", err=True)
        return False
    facts = {"video": str(video), "state": "succeeded", "folder": str(folder), **asdict(outcome)}
    _tell(facts, as_json=as_json)
    if not as_json:
        click.echo(_sentence(video, folder, outcome))
    if outcome.cut_short:
        _warn(f"{video}: {CUT_SHORT}")
    return True


def _warn(line: str) -> None:
    click.echo(f"aggpose: warning: {line}", err=True)


def _tell(facts: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts))


def _sentence(video: Path, folder: Path, outcome: Outcome) -> str:
    parts = [f"{count} {name}" for name, count in outcome.by_status.items() if count]
    was = " was extracted already" if outcome.was_done else ""
    return f"{video}{was}: {outcome.frames} frames ({', '.join(parts)}); {folder}"


def _progress(unit: str, total: int | None, done: int) -> Progress:
    return Progress(total, unit, done=done)


@contextmanager
def _interrupted() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that a window is finished; the second one kills."""
    stopped = threading.Event()

    def stop(_signal: int, _frame: object) -> None:
        if stopped.is_set():
            raise KeyboardInterrupt
        stopped.set()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
