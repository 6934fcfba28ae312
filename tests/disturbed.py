"""Films whose geometry is known, and what a pipeline might find in them, more or less disturbed.

No picture is drawn: where head, body and keypoints of a synthetic infant lie needs only its mesh.
What a pipeline would find is the truth with noise, and with far worse where that is asked for.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.spec.geometry import Size
from model.spec.sequence import STATUSES, Rows, Sightings
from model.spec.skeleton import Skeleton
from model.synthetic.film import TIME_BASE, FilmPlan, prepare
from model.synthetic.labels import head_region, mask_box, polygon_box
from model.synthetic.raster import rasterise
from model.synthetic.subject import lay_down

LOOK_EVERY: Final = 16
"""Frames between those that the detector looks at."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Truth:
    """What is known of N frames of a film.

    Attributes:
        size_wh: Of the displayed picture, px.
        time_s: float64 (N,).
        keypoints_xy: float32 (N, K, 2) px, also of those that lie outside of the picture.
        heads_xy: Of each frame the head's region, float32 (P, 2) px; empty where it is not there.
        bodies: Of each frame the pixels of the infant, bool (H, W).
    """

    size_wh: Size
    time_s: Numbers
    keypoints_xy: NDArray[np.float32]
    heads_xy: list[NDArray[np.float32]]
    bodies: list[NDArray[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """How what is found differs from the truth.

    Attributes:
        noise: Standard deviation of keypoints, in trunk lengths.
        missing: Share of keypoints that are not found.
        astray: Share of keypoints that are found anywhere in the infant's box.
        dropped: Whether the detector sees nothing for up to a second, every few seconds, and the
            follower sometimes loses the infant, too.
        unsure: Whether there are stretches of low confidence with keypoints far off.
        upside_down: Whether whole windows are found with head and feet changed, and trusted.
        heads_unseen: Whether the detector never sees a head.
        half_out: Whether the picture's edge goes through the head.
    """

    noise: float = 0.03
    missing: float = 0.0
    astray: float = 0.0
    dropped: bool = False
    unsure: bool = False
    upside_down: bool = False
    heads_unseen: bool = False
    half_out: bool = False


DISTURBANCES: Final = {
    "undisturbed": Disturbance(),
    "noise, missing, astray": Disturbance(noise=0.08, missing=0.2, astray=0.03),
    "detections dropped up to 1 s": Disturbance(dropped=True),
    "stretches of low confidence": Disturbance(unsure=True),
    "windows upside down, trusted": Disturbance(upside_down=True),
    "heads never detected": Disturbance(heads_unseen=True),
    "heads half out of the picture": Disturbance(half_out=True),
    "all but upside down and unseen": Disturbance(
        noise=0.08, missing=0.2, astray=0.03, dropped=True, unsure=True, half_out=True
    ),
}


def film_truth(plan: FilmPlan) -> Truth:
    """A film's geometry, without drawing it."""
    shoot = prepare(plan)
    rig = shoot.subject.body.rig
    faces, head = np.ascontiguousarray(rig.faces, np.int32), rig.vertices_of("head")
    width, height = plan.shown_wh
    points, heads, bodies = [], [], []
    for i, camera in enumerate(shoot.cameras):
        shift = (float(shoot.motion.shift_xy[i, 0]), float(shoot.motion.shift_xy[i, 1]))
        posed = lay_down(shoot.subject, shoot.motion.posture(i, shoot.posture.habits), shift)
        pixels, depth = camera.project(posed.vertices)
        near = np.where(depth > 0.02, 1 / np.maximum(depth, 1e-6), 0.0)
        bodies.append(rasterise(pixels + 0.5, near, faces, height, width).triangle >= 0)
        points.append(camera.project(posed.keypoints_xyz)[0])
        heads.append(head_region(pixels[head], plan.shown_wh))
    times = np.array([float(pts * TIME_BASE) for pts in shoot.pts])
    return Truth(plan.shown_wh, times, np.asarray(points, np.float32), heads, bodies)


def cut_through_heads(truth: Truth, rng: np.random.Generator) -> Truth:
    """The film as a camera shows it whose edge goes through the head all the time."""
    regions = [one for one in truth.heads_xy if len(one)]
    middle = np.mean([one.mean(0) for one in regions], 0)
    half = np.mean([np.ptp(one, 0).max() for one in regions]) / 2
    x, y = (middle + rng.uniform(-0.5, 0.5) * half).astype(int).tolist()
    width, height = truth.size_wh
    window = [0, 0, width, height]
    edge = int(rng.integers(4))
    window[edge] = (x, y)[edge % 2]
    left, top = min(window[0], width - 64), min(window[1], height - 64)
    right, bottom = max(window[2], left + 64), max(window[3], top + 64)
    corner, size_wh = np.array([left, top], np.float32), (right - left, bottom - top)
    return replace(
        truth,
        size_wh=size_wh,
        keypoints_xy=truth.keypoints_xy - corner,
        heads_xy=[
            head_region(one.astype(np.float64) - corner, size_wh) if len(one) else one
            for one in truth.heads_xy
        ],
        bodies=[body[top:bottom, left:right] for body in truth.bodies],
    )  # fmt: skip


def found(
    truth: Truth, disturbance: Disturbance, skeleton: Skeleton, rng: np.random.Generator
) -> tuple[Rows, Sightings]:
    """What a pipeline might find in a film."""
    count = len(truth.time_s)
    boxes = _found_boxes(truth, rng)
    points = _found_points(truth, boxes, disturbance, skeleton, rng)
    scores = rng.uniform(0.5, 0.95, points.shape[:2])
    status = np.zeros(count, np.uint8)
    looks = np.arange(0, count, LOOK_EVERY)
    if disturbance.unsure:
        for start in range(5, count, 40):
            low = slice(start, start + int(rng.integers(3, 25)))
            points[low] += rng.normal(0, 0.3, points[low].shape) * _trunk(truth, skeleton)[low]
            status[low], scores[low] = STATUSES.index("low_confidence"), 0.1
    if disturbance.dropped:
        for start_s in np.arange(0.5, truth.time_s[-1], 1.8):
            blind = (truth.time_s >= start_s) & (truth.time_s < start_s + rng.uniform(0.5, 1.0))
            looks = looks[~blind[looks]]
            if rng.random() < 0.3:
                status[blind] = STATUSES.index("no_detection")
                points[blind], boxes[blind] = np.nan, np.nan
    scores[np.isnan(points).any(2)] = np.nan
    rows = Rows(
        frame_index=np.arange(count),
        pts=np.round(truth.time_s / float(TIME_BASE)).astype(np.int64),
        time_s=truth.time_s,
        status=status,
        box_xyxy=boxes.astype(np.float32),
        box_score=np.where(np.isnan(boxes[:, 0]), np.nan, 0.9).astype(np.float32),
        keypoints_xy=points.astype(np.float32),
        scores=scores.astype(np.float32),
    )
    return rows, _sighted(truth, looks, rng, heads=not disturbance.heads_unseen)


def _trunk(truth: Truth, skeleton: Skeleton) -> Numbers:
    """Lengths (N, 1, 1) of the trunk, px."""
    upper, lower = (truth.keypoints_xy[:, list(group)].mean(1) for group in skeleton.trunk)
    return np.asarray(np.linalg.norm(upper - lower, axis=1)[:, None, None], np.float64)


def _found_points(
    truth: Truth,
    boxes: Numbers,
    disturbance: Disturbance,
    skeleton: Skeleton,
    rng: np.random.Generator,
) -> Numbers:
    trunk, size = _trunk(truth, skeleton), np.asarray(truth.size_wh)
    shape = truth.keypoints_xy.shape
    points = truth.keypoints_xy + rng.normal(0, disturbance.noise, shape) * trunk
    # A network finds what is out of the picture somewhere near the edge, or not at all.
    out = ((truth.keypoints_xy < 0) | (truth.keypoints_xy >= size)).any(2)
    near_edge = points.clip(0, size - 1) + rng.normal(0, 0.1, shape) * trunk
    points[out] = np.where(rng.random(shape[:2])[..., None] < 0.5, near_edge, np.nan)[out]
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    astray = rng.random(shape[:2]) < disturbance.astray
    points[astray] = (low + rng.random(shape) * (high - low))[astray]
    points[rng.random(shape[:2]) < disturbance.missing] = np.nan
    if disturbance.upside_down:
        for start in range(LOOK_EVERY, len(points), 3 * LOOK_EVERY):
            window = slice(start, start + LOOK_EVERY)
            points[window] = (low + high)[window] - points[window]
    return points


def _found_boxes(truth: Truth, rng: np.random.Generator) -> Numbers:
    """The infant's box (N, 4), found in every LOOK_EVERYth frame and interpolated in between."""
    count = len(truth.time_s)
    looks = np.unique([*range(0, count, LOOK_EVERY), count - 1])
    boxes = []
    for look in looks:
        box = mask_box(truth.bodies[look])
        box = np.zeros(4, np.float32) if box is None else box
        boxes.append(box + rng.normal(0, 0.015, 4) * (box[2:] - box[:2]).max())
    return np.stack([np.interp(np.arange(count), looks, side) for side in np.array(boxes).T], 1)


def _sighted(
    truth: Truth, looks: NDArray[np.int64], rng: np.random.Generator, *, heads: bool
) -> Sightings:
    """Infants and heads in the frames that were looked at; now and then one is missed."""
    seen: list[tuple[int, int, Numbers]] = []
    for look in looks.tolist():
        infant = mask_box(truth.bodies[look])
        head = polygon_box(truth.heads_xy[look], truth.size_wh) if heads else None
        for class_id, box in enumerate((infant, head)):
            if box is not None and rng.random() < 0.97:
                off = rng.normal(0, 0.03, 4) * (box[2:] - box[:2]).max()
                seen.append((look, class_id, np.sort((box + off).reshape(2, 2), 0).ravel()))
    return Sightings(
        looked_at=np.asarray(looks, np.int64),
        frame_index=np.array([look for look, _, _ in seen], np.int64),
        class_id=np.array([class_id for _, class_id, _ in seen], np.uint8),
        xyxy=np.array([box for _, _, box in seen], np.float32).reshape(-1, 4),
        score=np.full(len(seen), 0.9, np.float32),
    )


def below_shoulders(
    points_xy: NDArray[np.float32], skeleton: Skeleton, size_wh: Size
) -> NDArray[np.bool_]:
    """Pixels (H, W) on the feet's side of the line that crosses the trunk at the shoulders."""
    shoulders, hips = (
        points_xy[[skeleton.index(f"left_{name}"), skeleton.index(f"right_{name}")]].mean(0)
        for name in ("shoulder", "hip")
    )
    along = hips - shoulders
    x, y = ((np.arange(size_wh[k], dtype=np.float32) - shoulders[k]) * along[k] for k in (0, 1))
    return np.asarray(x[None, :] > -y[:, None])
