"""One labelled picture, as a pure function of (split, seed, index)."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from model.spec.errors import SyntheticError
from model.synthetic.camera import Camera, aim, sample_view
from model.synthetic.compiled import one_thread
from model.synthetic.kinematics import skin
from model.synthetic.labels import Labels, label, nothing
from model.synthetic.landmarks import infant21
from model.synthetic.overlay import mask_face, stamp, stamp_text
from model.synthetic.posing import Posture, supine
from model.synthetic.raster import Floats32
from model.synthetic.rendering import Rendered
from model.synthetic.scene import Scene, draw, sample_scene
from model.synthetic.seeds import PICTURES_PER_SUBJECT, PictureSeed
from model.synthetic.sensor import (
    blur_motion,
    motion_field,
    record,
    sample_sensor,
    to_jpeg,
)
from model.synthetic.setting import Ground, sample_ground
from model.synthetic.shading import SAMPLES
from model.synthetic.subject import Posed, Subject, lay_down, sample_subject

Size = tuple[int, int]

EMPTY_SHARE = 0.05
"""Pictures without an infant, unless asked for otherwise."""
MIN_SIDE_PX, MAX_SIDE_PX = 64, 2048
SHAPES = {"landscape": 0.55, "wide": 0.13, "portrait": 0.22, "tall": 0.10}
"""4:3 or whatever was asked for; 16:9; and both upright."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A labelled picture.

    Attributes:
        jpeg: The coded picture.
        labels: In the picture's px.
        record: What the scene was, for statistics: plain JSON values.
        size_wh: Of the picture.
    """

    jpeg: bytes
    labels: Labels
    record: dict[str, Any]
    size_wh: Size


@dataclass(frozen=True, eq=False)
class Moment:
    """Everything that a picture is drawn from, for tests and for looking.

    Attributes:
        subject: The infant, None in an empty picture.
        posture: How it lies.
        posed: Where it is in the world.
        scene: What surrounds it.
        camera: Who looks.
        rendered: The picture before the sensor.
        labels: Read off it.
    """

    subject: Subject | None
    posture: Posture | None
    posed: Posed | None
    scene: Scene
    camera: Camera
    rendered: Rendered
    labels: Labels


def check_size(size_wh: Size) -> Size:
    """A picture size that can be drawn.

    Raises:
        SyntheticError: A side is odd, or out of range.
    """
    if any(side % 2 or not MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in size_wh):
        raise SyntheticError(
            f"expected a picture of even sides from {MIN_SIDE_PX} to {MAX_SIDE_PX} px, "
            f"got {size_wh[0]}x{size_wh[1]}"
        )
    return size_wh


def shape_of(rng: np.random.Generator, size_wh: Size) -> tuple[str, Size]:
    """Draw a picture's shape: its longer side is that of `size_wh`."""
    name = str(rng.choice(list(SHAPES), p=list(SHAPES.values())))
    long, short = max(size_wh), min(size_wh)
    flat = (long, max(MIN_SIDE_PX, round(long * 9 / 16 / 2) * 2))
    shapes = {
        "landscape": (long, short), "wide": flat,
        "portrait": (short, long), "tall": (flat[1], flat[0]),
    }  # fmt: skip
    return name, shapes[name]


@lru_cache(maxsize=2)
def _cast(split: str, seed: int, group: int) -> tuple[Subject, Ground]:
    """The infant and the place of a group of pictures; they follow from the subject's number."""
    rng = PictureSeed(split, seed, group * PICTURES_PER_SUBJECT).subject_rng()
    return sample_subject(rng), sample_ground(rng)


def is_empty(which: PictureSeed, share: float = EMPTY_SHARE) -> bool:
    """Whether a picture shows no infant, where this share of them does not."""
    return bool(which.picture_rng().random() < share)


@one_thread()
def compose(
    which: PictureSeed, size_wh: Size, empty_share: float = EMPTY_SHARE
) -> tuple[Moment, dict[str, Any], np.random.Generator]:
    """Draw a picture up to the sensor.

    Returns:
        The moment, its record, and the generator that the sensor goes on with.
    """
    subject, ground = _cast(which.split, which.seed, which.index // PICTURES_PER_SUBJECT)
    rng = which.picture_rng()
    empty = bool(rng.random() < empty_share)
    shape, size = shape_of(rng, check_size(size_wh))
    posture = subject.poser.sample(rng)
    posed = lay_down(subject, posture)
    view = sample_view(rng, portrait=size[1] > size[0])
    camera = aim(view, posed.vertices, size)
    about = {"subject": which.subject, "shape": shape, "fill": round(view.fill, 3)}
    if empty:
        scene = sample_scene(rng, ground, None, None)
        rendered = draw(scene, None, None, camera)
        labels = nothing(size, infant21().num_keypoints)
        moment = Moment(None, None, None, scene, camera, rendered, labels)
        return moment, about | _about_scene(scene, camera) | {"empty": True}, rng
    scene = sample_scene(rng, ground, subject, posed)
    rendered = draw(scene, subject, posed, camera)
    labels = label(subject, posed, camera, rendered)
    moment = Moment(subject, posture, posed, scene, camera, rendered, labels)
    about |= _about_scene(scene, camera) | _about_infant(subject, posture)
    about |= {"empty": False, "orientation_deg": round(_orientation_deg(posed, camera), 1)}
    return moment, about, rng


def _about_scene(scene: Scene, camera: Camera) -> dict[str, Any]:
    return {
        "place": scene.ground.place, "cloths": list(scene.ground.layers),
        "walls": scene.walls.kind, "things": list(scene.names), "light": scene.light.kind,
        "tilt_deg": round(camera.tilt_deg, 1),
    }  # fmt: skip


def _about_infant(subject: Subject, posture: Posture) -> dict[str, Any]:
    return {
        "outfit": subject.outfit.name, "extras": list(subject.outfit.extras),
        "skin": subject.complexion.tone, "hair": subject.complexion.hair,
        "length_m": round(subject.body.length_m, 4), "habits": posture.habits,
        "trunk_roll_deg": round(posture.trunk_roll_deg, 1),
    }  # fmt: skip


def _orientation_deg(posed: Posed, camera: Camera) -> float:
    """Where the head points in the picture: 0 up, 90 to the right, in -180..180."""
    names = infant21().keypoints
    pixels, _ = camera.project(posed.keypoints_xyz)
    chest = pixels[names.index("chest")]
    hips = (pixels[names.index("left_hip")] + pixels[names.index("right_hip")]) / 2
    x, y = chest - hips
    return float(np.rad2deg(np.arctan2(x, -y)))


@one_thread()
def make_sample(
    which: PictureSeed, size_wh: Size = (640, 480), empty_share: float = EMPTY_SHARE
) -> Sample:
    """Make one labelled picture.

    Args:
        which: Which picture.
        size_wh: Its size where it is 4:3; other shapes keep the longer side.
        empty_share: Of the pictures that could be drawn, how many show no infant, 0 to 1.

    Raises:
        SyntheticError: A size that cannot be drawn.
    """
    moment, about, rng = compose(which, size_wh, empty_share)
    light = moment.rendered.light
    sensor = sample_sensor(rng, moment.scene.light.kind)
    moving = moment.subject is not None and rng.random() < 0.3
    if moving:
        light = blur_motion(light, _motion(moment, rng))
    picture = record(light, sensor, rng)
    labels = moment.labels
    masked = labels.head_xyxy is not None and rng.random() < 0.06
    if masked and labels.head_xyxy is not None:
        picture = mask_face(picture, labels.head_xyxy, rng)
        labels = _hide_face(labels)
    stamped = rng.random() < 0.12
    if stamped:
        picture = stamp(picture, stamp_text(rng), rng)
    about |= {
        "moving": moving, "masked_face": masked, "stamped": stamped, "jpeg": sensor.jpeg,
        "detail": round(sensor.detail, 2), "noise": round(sensor.noise, 4), "grey": sensor.grey,
    }  # fmt: skip
    return Sample(to_jpeg(picture, sensor.jpeg), labels, about, moment.camera.size_wh)


def _hide_face(labels: Labels) -> Labels:
    """Points under a mosaic are occluded."""
    visibility = labels.keypoints.visibility.copy()
    hidden = visibility[:, list(infant21().head)]
    visibility[:, list(infant21().head)] = np.minimum(hidden, 1)
    return replace(labels, keypoints=replace(labels.keypoints, visibility=visibility))


def _motion(moment: Moment, rng: np.random.Generator) -> Floats32:
    """Motion of the infant while the shutter is open, px, float32 (H, W, 2)."""
    if moment.subject is None or moment.posture is None or moment.posed is None:
        raise AssertionError
    subject, posture = moment.subject, moment.posture
    change = rng.normal(0, 1, len(posture.angles_deg)) * rng.uniform(0.5, 5)
    change *= rng.random(len(change)) < 0.4
    transforms, _ = subject.poser.skeleton.pose(posture.angles_deg + change)
    placed = np.einsum("ab,jbc->jac", supine(posture.trunk_roll_deg), transforms)
    placed[:, :, 3] += moment.posed.transforms[0, :, 3] - placed[0, :, 3]
    later = skin(subject.body.rig, subject.vertices, placed)
    return motion_between(moment, later)


def motion_between(moment: Moment, later: Floats32) -> Floats32:
    """Screen motion from a moment to the infant's next place.

    Args:
        moment: With an infant.
        later: float32 (V, 3) the infant's vertices a shutter's time later.

    Returns:
        float32 (H, W, 2) px.
    """
    if moment.posed is None:
        raise AssertionError
    before, _ = moment.camera.project(moment.posed.vertices)
    after, _ = moment.camera.project(later)
    width, height = moment.camera.size_wh
    out = np.empty((height, width, 2), np.float32)
    buffers, assembly = moment.rendered.buffers, moment.rendered.assembly
    motion_field(
        buffers.triangle, buffers.second, buffers.third, SAMPLES, assembly.faces,
        (after - before).astype(np.float32), assembly.body_faces, out,
    )  # fmt: skip
    return out
