"""A film of one infant with its ground truth: one row a frame, by presentation timestamp."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

from model.spec.errors import SyntheticError
from model.spec.files import written_aside
from model.spec.progress import Progress
from model.synthetic.ahead import worked_ahead
from model.synthetic.camera import Camera, View, aim
from model.synthetic.compiled import one_thread
from model.synthetic.files import write_json
from model.synthetic.labels import Labels, label
from model.synthetic.landmarks import infant21
from model.synthetic.motion import Motion, between, sample_motion
from model.synthetic.posing import Posture
from model.synthetic.raster import Floats32
from model.synthetic.rig import Floats
from model.synthetic.sample import Moment, Size, check_size, motion_between
from model.synthetic.scene import Scene, draw, sample_scene
from model.synthetic.seeds import PictureSeed
from model.synthetic.sensor import (
    Picture,
    Sensor,
    blur_motion,
    for_film,
    gain_for,
    record,
    sample_sensor,
)
from model.synthetic.setting import sample_ground
from model.synthetic.subject import Subject, lay_down, sample_subject

TIME_BASE = Fraction(1, 90_000)
SHUTTER = 0.5
"""Share of the time between frames that the shutter is open."""
CODECS = {"h264": "libx264", "hevc": "libx265"}
ROTATIONS = (0, 90, 180, 270)
QUALITIES = (10, 45)
"""Least and greatest constant rate factor."""


@dataclass(frozen=True)
class FilmPlan:
    """What to film.

    Attributes:
        seed: Draws everything.
        seconds: Length.
        fps: Frames per second; with variable_rate about 3 % fewer, since some are left out.
        size_wh: Landscape size; a portrait film has it upright.
        portrait: Whether the displayed film is upright; it is then always held by hand, from the
            feet, with the head up. Landscape films lean to the feet or a side, and half of them
            stand on a tripod. No film tilts beyond 28 degrees: pictures have every direction.
        rotate_deg: Clockwise turn that the file asks players for; the stored frames are turned
            back by as much.
        variable_rate: Whether the time between frames varies, as phones do.
        arm: Whether an adult's hand reaches in; None leaves it to chance.
        codec: h264 or hevc.
        quality: The coder's constant rate factor, 10 fine to 45 coarse.

    Raises:
        SyntheticError: A value out of range.
    """

    seed: int
    seconds: float = 10.0
    fps: float = 25.0
    size_wh: Size = (640, 480)
    portrait: bool = False
    rotate_deg: int = 0
    variable_rate: bool = False
    arm: bool | None = None
    codec: str = "h264"
    quality: int = 27

    def __post_init__(self) -> None:
        PictureSeed("film", self.seed, 0)
        check_size(self.size_wh)
        if not 0.1 <= self.seconds <= 3600:
            raise SyntheticError(f"expected a length of 0.1 to 3600 s, got {self.seconds:g}")
        if not 1 <= self.fps <= 120:
            raise SyntheticError(f"expected 1 to 120 frames per second, got {self.fps:g}")
        if self.rotate_deg not in ROTATIONS:
            raise SyntheticError(f"expected a rotation of {ROTATIONS}, got {self.rotate_deg}")
        if self.codec not in CODECS:
            raise SyntheticError(f"expected a codec of {', '.join(CODECS)}, got {self.codec!r}")
        if not QUALITIES[0] <= self.quality <= QUALITIES[1]:
            raise SyntheticError(
                f"expected a quality of {QUALITIES[0]} to {QUALITIES[1]}, got {self.quality}"
            )

    @property
    def shown_wh(self) -> Size:
        """Size of the film as it is displayed."""
        long, short = max(self.size_wh), min(self.size_wh)
        return (short, long) if self.portrait else (long, short)


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a film.

    Attributes:
        pts: In units of TIME_BASE.
        picture: uint8 (H, W, 3) RGB, as displayed.
        labels: In displayed px.
    """

    pts: int
    picture: Picture
    labels: Labels


@dataclass(frozen=True, eq=False)
class Shoot:
    """Everything that a film is drawn from.

    Attributes:
        subject: The infant.
        posture: Its first posture.
        motion: How it moves.
        scene: What surrounds it.
        cameras: One a frame.
        sensor: The camera's recording.
        pts: Of each frame, in units of TIME_BASE.
        rng: Goes on with the noise.
    """

    subject: Subject
    posture: Posture
    motion: Motion
    scene: Scene
    cameras: list[Camera]
    sensor: Sensor
    pts: list[int]
    rng: np.random.Generator


@one_thread()
def prepare(plan: FilmPlan) -> Shoot:
    """Draw a film's infant, movement, room and camera."""
    which = PictureSeed("film", plan.seed, 0)
    subject_rng, rng = which.subject_rng(), which.picture_rng()
    subject, ground = sample_subject(subject_rng), sample_ground(subject_rng)
    pts = _timestamps(plan, rng)
    posture = subject.poser.sample(rng)
    times_s = np.array([float(p * TIME_BASE) for p in pts])
    motion = sample_motion(subject.poser, posture, times_s, rng)
    posed = lay_down(subject, motion.posture(0, posture.habits))
    scene = sample_scene(rng, ground, subject, posed, arm=plan.arm)
    cameras = _cameras(plan, posed.vertices, times_s, rng)
    sensor = for_film(sample_sensor(rng, scene.light.kind))
    return Shoot(subject, posture, motion, scene, cameras, sensor, pts, rng)


def _timestamps(plan: FilmPlan, rng: np.random.Generator) -> list[int]:
    """Even, or as a phone's: uneven steps and now and then a frame left out."""
    step = float(1 / (plan.fps * TIME_BASE))
    count = max(1, round(plan.seconds * plan.fps))
    if not plan.variable_rate:
        return [round(i * step) for i in range(count)]
    steps = step * rng.uniform(0.75, 1.25, count)
    steps *= np.where(rng.random(count) < 0.03, 2.0, 1.0)
    stamps = np.concatenate([[0.0], np.cumsum(steps)])
    return [round(t) for t in stamps if t * float(TIME_BASE) < plan.seconds]


def _cameras(
    plan: FilmPlan, vertices: Floats32, times_s: Floats, rng: np.random.Generator
) -> list[Camera]:
    """On a tripod, or held by hand: a slow sway."""
    upright = plan.portrait
    tilt = rng.uniform(0, 28)
    azimuth = 90.0 if upright else rng.choice([90.0, 0.0, 180.0])
    roll = (azimuth - 90 if tilt > 8 else 0.0) + rng.normal(0, 8)
    view = View(
        tilt_deg=float(tilt), azimuth_deg=float(azimuth), roll_deg=float(roll),
        field_deg=float(rng.uniform(38, 62)), fill=float(rng.uniform(0.6, 0.8)),
    )  # fmt: skip
    camera = aim(view, vertices, plan.shown_wh)
    if rng.random() < 0.5 and not upright:
        return [camera] * len(times_s)
    sway = np.zeros((len(times_s), 5))
    for k, height in enumerate((0.006, 0.006, 0.005, 0.004, 0.006)):
        for _ in range(4):
            wave = 2 * np.pi * rng.uniform(0.1, 1.2) * times_s + rng.uniform(0, 6.28)
            sway[:, k] += height / 2 * np.sin(wave)
    return [_swayed(camera, move) for move in sway]


def _swayed(camera: Camera, move: Floats) -> Camera:
    tilt, roll = move[3], move[4]
    nod = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return replace(camera, position=camera.position + move[:3], axes=camera.axes @ nod @ turn)


def frames_of(shoot: Shoot) -> Iterator[Frame]:
    """Draw a film frame by frame: threads draw some frames ahead, recording keeps their order."""
    gain: float | None = None
    exposures = worked_ahead(partial(_expose, shoot), len(shoot.pts))
    for pts, (light, labels) in zip(shoot.pts, exposures, strict=True):
        gain = gain_for(light, shoot.sensor) if gain is None else gain
        with one_thread():
            picture = record(light, shoot.sensor, shoot.rng, gain=gain)
        yield Frame(pts, picture, labels)


@one_thread()
def _expose(shoot: Shoot, i: int) -> tuple[Floats32, Labels]:
    """Light that falls on the sensor during frame i, float32 (H, W, 3), and the frame's labels."""
    posture = shoot.motion.posture(i, shoot.posture.habits)
    following = shoot.motion.posture(min(i + 1, len(shoot.pts) - 1), shoot.posture.habits)
    shift_xy = (float(shoot.motion.shift_xy[i, 0]), float(shoot.motion.shift_xy[i, 1]))
    posed = lay_down(shoot.subject, posture, shift_xy)
    camera = shoot.cameras[i]
    rendered = draw(shoot.scene, shoot.subject, posed, camera)
    labels = label(shoot.subject, posed, camera, rendered)
    moment = Moment(shoot.subject, posture, posed, shoot.scene, camera, rendered, labels)
    later = lay_down(shoot.subject, between(posture, following, SHUTTER), shift_xy)
    return blur_motion(rendered.light, motion_between(moment, later.vertices)), labels


def truth_path(film: Path) -> Path:
    """Where a film's ground truth lies: beside it, as .json."""
    return film.with_suffix(".json")


def make_film(out: Path, plan: FilmPlan) -> int:
    """Make a film and its ground truth.

    Args:
        out: The film, .mp4; the ground truth lies beside it as .json.
        plan: What to film.

    Returns:
        How many frames it has.

    Raises:
        SyntheticError: The name does not end in .mp4.
        OutputError: It cannot be written; nothing half done is left under its name.
    """
    if out.suffix != ".mp4":
        raise SyntheticError(f"expected a file name that ends in .mp4, got {out.name!r}")
    rows: list[dict[str, Any]] = []
    with written_aside(out) as aside:
        shoot = prepare(plan)
        with av.open(str(aside), "w", format="mp4") as container:
            stream = _open_stream(container, plan)
            with Progress(len(shoot.pts), "frames") as progress:
                for frame in frames_of(shoot):
                    rows.append(_row(len(rows), frame))
                    stored = np.rot90(frame.picture, k=plan.rotate_deg // 90)
                    coded = av.VideoFrame.from_ndarray(np.ascontiguousarray(stored), format="rgb24")
                    # On several threads the conversion does not repeat bit for bit.
                    coded = coded.reformat(format="yuv420p", threads=1)
                    coded.pts, coded.time_base = frame.pts, TIME_BASE
                    container.mux(stream.encode(coded))
                    progress.step()
            container.mux(stream.encode())
        stamps = _stored_timestamps(aside)
        _set_timestamps(rows, stamps)
        write_json(truth_path(out), _truth(plan, shoot, rows, stamps[0][1]))
    return len(rows)


def _open_stream(container: Any, plan: FilmPlan) -> Any:  # noqa: ANN401 - PyAV's own classes
    stream = container.add_stream(
        CODECS[plan.codec], rate=Fraction(plan.fps).limit_denominator(1001)
    )
    width, height = plan.shown_wh
    turned = plan.rotate_deg % 180 == 90
    stream.width, stream.height = (height, width) if turned else (width, height)
    stream.pix_fmt = "yuv420p"
    stream.time_base = TIME_BASE
    stream.codec_context.time_base = TIME_BASE
    stream.codec_context.thread_count = 1
    stream.options = {"crf": str(plan.quality), "preset": "veryfast"}
    if plan.codec == "hevc":
        stream.options |= {"x265-params": "log-level=error:pools=none:frame-threads=1"}
        stream.codec_context.codec_tag = "hvc1"
    if plan.rotate_deg:
        stream.set_display_rotation(-plan.rotate_deg)
    return stream


def _stored_timestamps(film: Path) -> list[tuple[int, Fraction]]:
    """Presentation timestamps as the file has them, in order, with their time base."""
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        return sorted(
            (int(packet.pts), Fraction(stream.time_base or TIME_BASE))
            for packet in container.demux(stream)
            if packet.pts is not None
        )


def _set_timestamps(rows: list[dict[str, Any]], stamps: list[tuple[int, Fraction]]) -> None:
    for row, (pts, base) in zip(rows, stamps, strict=True):
        row["pts"], row["time_s"] = pts, round(float(pts * base), 6)


def _row(number: int, frame: Frame) -> dict[str, Any]:
    labels = frame.labels
    seen = labels.keypoints.visibility[0]
    points = labels.keypoints.keypoints_xy[0].astype(np.float64).round(2).tolist()
    return {
        "frame": number, "pts": frame.pts, "time_s": 0.0,
        "keypoints_xy": [p if v else None for p, v in zip(points, seen.tolist(), strict=True)],
        "visibility": seen.tolist(),
        "infant_xyxy": None if labels.infant_xyxy is None else labels.infant_xyxy.tolist(),
        "head_xyxy": None if labels.head_xyxy is None else labels.head_xyxy.tolist(),
        "head_polygon": labels.head_polygon.astype(np.float64).round(1).tolist(),
    }  # fmt: skip


def _truth(
    plan: FilmPlan, shoot: Shoot, rows: list[dict[str, Any]], time_base: Fraction
) -> dict[str, Any]:
    width, height = plan.shown_wh
    skeleton = infant21()
    return {
        "skeleton": skeleton.id, "keypoints": list(skeleton.keypoints),
        "visibility": "0 out of the picture, 1 occluded, 2 visible",
        "width": width, "height": height, "rotate_deg": plan.rotate_deg,
        "time_base": f"{time_base.numerator}/{time_base.denominator}",
        "seed": plan.seed, "fps": plan.fps, "variable_rate": plan.variable_rate,
        "outfit": shoot.subject.outfit.name, "place": shoot.scene.ground.place,
        "things": list(shoot.scene.names), "startles_s": list(shoot.motion.startles_s),
        "frames": rows,
    }  # fmt: skip
