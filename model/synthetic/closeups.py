"""Close-up pictures of where the labels lie, for the documentation and for checking by eye."""

from dataclasses import replace

import cv2
import numpy as np

from model.synthetic.camera import View, aim
from model.synthetic.freedoms import INDEX
from model.synthetic.labels import label
from model.synthetic.landmarks import infant21
from model.synthetic.posing import Posture
from model.synthetic.rendering import Rendered
from model.synthetic.scene import draw, sample_scene
from model.synthetic.seeds import PictureSeed
from model.synthetic.sensor import Picture, gain_for, record, sample_sensor
from model.synthetic.setting import sample_ground
from model.synthetic.subject import Subject, lay_down, sample_subject

TILE_WH = (360, 300)
REGIONS = (
    (("right_eye", "left_eye", "chin"), 12.0),
    (("chin", "chest", "left_shoulder", "right_shoulder"), 12.0),
    (("navel", "left_hip", "right_hip"), 12.0),
    (("left_shoulder", "left_elbow", "left_wrist", "left_middle_finger"), 12.0),
    (("left_hip", "left_knee", "left_ankle"), 12.0),
    (("left_ankle", "left_toe"), 38.0),
)
"""Points of each close-up, and the camera's tilt in degrees."""
_OPEN = {
    "sh_abd": 75, "sh_fwd": 8, "sh_ext": 60, "elbow": 25, "curl": 20,
    "hip_flex": 28, "hip_abd": 24, "hip_ext": 15, "knee": 35,
}  # fmt: skip


def _bare_subject(seed: int) -> Subject:
    """The first drawn infant in a nappy alone."""
    for number in range(200):
        subject = sample_subject(PictureSeed("sheet", seed, 4 * number).subject_rng())
        if subject.outfit.name == "nappy" and not subject.outfit.extras:
            return subject
    raise AssertionError


def open_posture(subject: Subject, rng: np.random.Generator) -> Posture:
    """On the back, arms and legs spread, so that every point can be seen."""
    angles = np.zeros(len(INDEX))
    for name, degrees in _OPEN.items():
        for side in "LR":
            angles[INDEX[f"{name}.{side}"]] = degrees
    drawn = subject.poser.sample(rng)
    return replace(drawn, angles_deg=angles, trunk_roll_deg=0.0)


def make_closeups(seed: int) -> Picture:
    """Six close views of one infant with its points drawn in and named, uint8 (H, W, 3) RGB."""
    rng = np.random.default_rng(seed)
    subject = _bare_subject(seed)
    posture = open_posture(subject, rng)
    posed = lay_down(subject, posture)
    ground = sample_ground(rng)
    scene = sample_scene(rng, ground, subject, posed, arm=False)
    scene = replace(scene, drapes=(), things=(), attached=())
    sensor = replace(
        sample_sensor(rng, "ceiling"), noise=0.002, detail=1.0, defocus_px=0.0, grey=False,
        white=(1.0, 1.0, 1.0), exposure=0.8,
    )  # fmt: skip
    names = infant21().keypoints
    tiles = []
    for region, tilt_deg in REGIONS:
        around = posed.keypoints_xyz[[names.index(name) for name in region]]
        spread = max(0.05, float(np.ptp(around, axis=0).max()) * 0.35)
        box = np.concatenate([around + spread, around - spread]).repeat(7, axis=0)
        camera = aim(View(tilt_deg, 90.0, 0.0, 40.0, 0.95), box, TILE_WH)
        rendered: Rendered = draw(scene, subject, posed, camera)
        labels = label(subject, posed, camera, rendered)
        picture = record(rendered.light, sensor, rng, gain=gain_for(rendered.light, sensor))
        for name in region:
            k = names.index(name)
            if labels.keypoints.visibility[0, k]:
                _cross(picture, labels.keypoints.keypoints_xy[0, k], name)
        tiles.append(picture)
    return np.vstack([np.hstack(tiles[:3]), np.hstack(tiles[3:])])


def _cross(
    picture: Picture, point_xy: np.ndarray[tuple[int], np.dtype[np.float32]], name: str
) -> None:
    x, y = (int(value) for value in np.round(point_xy))
    cv2.drawMarker(picture, (x, y), (255, 30, 30), cv2.MARKER_CROSS, 13, 1, cv2.LINE_AA)
    cv2.circle(picture, (x, y), 4, (255, 30, 30), 1, cv2.LINE_AA)
    place = (min(x + 8, picture.shape[1] - 9 * len(name)), max(y - 6, 12))
    cv2.putText(picture, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
