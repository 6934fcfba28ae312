"""Labels are exact: they agree with an independent look at the same mesh."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from model.spec.arrays import LabelledKeypoints
from model.synthetic.camera import MAX_TILT_DEG, Camera, View, aim
from model.synthetic.labels import (
    HEAD_MARGIN_PX,
    Labels,
    head_region,
    label,
    mask_box,
    polygon_box,
)
from model.synthetic.landmarks import infant21
from model.synthetic.posing import Posture
from model.synthetic.sample import Moment
from model.synthetic.scene import draw, sample_scene
from model.synthetic.setting import sample_ground
from model.synthetic.subject import Posed, Subject, lay_down

NAMES = infant21().keypoints


def _parts(moment: Moment) -> tuple[Subject, Posed]:
    assert moment.subject is not None
    assert moment.posed is not None
    return moment.subject, moment.posed


def _pinhole(points: np.ndarray, camera: Camera) -> np.ndarray:
    """A projection written with a 3 x 4 matrix, pixel centres at integers."""
    width, height = camera.size_wh
    inner = np.array(
        [[camera.focal_px, 0, (width - 1) / 2], [0, camera.focal_px, (height - 1) / 2], [0, 0, 1]]
    )
    outer = np.c_[camera.axes.T, -camera.axes.T @ camera.position]
    image = np.c_[points, np.ones(len(points))] @ (inner @ outer).T
    return np.asarray(image[:, :2] / image[:, 2:])


def test_surface_points_agree_with_a_projection_of_the_mesh(moments: list[Moment]) -> None:
    checked = 0
    for moment in moments:
        subject, posed = _parts(moment)
        labelled = moment.labels.keypoints
        for k, mark in enumerate(subject.landmarks.marks):
            if mark.vertices and labelled.visibility[0, k]:
                point = posed.vertices[list(mark.vertices)].astype(np.float64).mean(0)
                expected = _pinhole(point[None], moment.camera)[0]
                np.testing.assert_allclose(labelled.keypoints_xy[0, k], expected, atol=0.01)
                checked += 1
    assert checked > 100


def test_visible_surface_points_lie_on_the_bodys_mask(moments: list[Moment]) -> None:
    checked = 0
    for moment in moments:
        subject, _ = _parts(moment)
        labels = moment.labels
        for k in np.flatnonzero(subject.landmarks.is_surface):
            if labels.keypoints.visibility[0, k] == 2:
                x, y = np.round(labels.keypoints.keypoints_xy[0, k]).astype(int)
                assert labels.mask[y, x], NAMES[k]
                checked += 1
    assert checked > 60


def test_points_outside_the_picture_are_unlabelled(moments: list[Moment]) -> None:
    outside = 0
    for moment in moments:
        _, posed = _parts(moment)
        pixels = _pinhole(posed.keypoints_xyz, moment.camera)
        inside = (np.round(pixels) >= 0).all(1)
        inside &= (np.round(pixels) <= np.array(moment.camera.size_wh) - 1).all(1)
        np.testing.assert_array_equal(moment.labels.keypoints.visibility[0] > 0, inside)
        outside += int((~inside).sum())
    assert outside > 0, "some infants are cut by the border"


def test_every_head_vertex_lies_inside_the_head_region(moments: list[Moment]) -> None:
    for moment in moments:
        subject, posed = _parts(moment)
        head = posed.vertices[subject.body.rig.vertices_of("head")]
        pixels = _pinhole(head.astype(np.float64), moment.camera)
        seen = (pixels >= -0.5).all(1) & (pixels <= np.array(moment.camera.size_wh) - 0.5).all(1)
        polygon = moment.labels.head_polygon
        if not seen.any():
            continue
        for point in pixels[seen]:
            where = cv2.pointPolygonTest(polygon, (float(point[0]), float(point[1])), True)  # noqa: FBT003 - OpenCV's signature
            assert where > -0.01


def test_the_head_region_is_clipped_to_the_picture() -> None:
    points = np.array([[-20.0, 10], [30, 10], [30, 60], [-20, 60]])
    region = head_region(points, (100, 50))
    assert region[:, 0].min() == pytest.approx(-0.5)
    assert region[:, 1].max() == pytest.approx(49.5)
    assert region[:, 0].max() == pytest.approx(30 + HEAD_MARGIN_PX)
    assert len(head_region(points - 500, (100, 50))) == 0


def test_boxes_are_tight(moments: list[Moment]) -> None:
    for moment in moments:
        labels = moment.labels
        assert labels.infant_xyxy is not None
        x1, y1, x2, y2 = labels.infant_xyxy.astype(int)
        outside = labels.mask.copy()
        outside[y1 : y2 + 1, x1 : x2 + 1] = False
        assert not outside.any()
        for edge in (
            labels.mask[y1, :],
            labels.mask[y2, :],
            labels.mask[:, x1],
            labels.mask[:, x2],
        ):
            assert edge.any()


def _flipped(labels: Labels) -> Labels:
    """The labels of the picture mirrored left to right."""
    order = infant21().flip_order

    def points(xy: np.ndarray) -> np.ndarray:
        return np.stack([labels.mask.shape[1] - 1 - xy[..., 0], xy[..., 1]], -1)

    def box(xyxy: np.ndarray | None) -> np.ndarray | None:
        return None if xyxy is None else points(xyxy.reshape(2, 2)).ravel()[[2, 1, 0, 3]]

    known = labels.keypoints
    return Labels(
        LabelledKeypoints(points(known.keypoints_xy)[:, order], known.visibility[:, order]),
        labels.mask[:, ::-1],
        box(labels.infant_xyxy),
        box(labels.head_xyxy),
        points(labels.head_polygon),
    )


def test_flipping_twice_is_the_identity(moments: list[Moment]) -> None:
    for moment in moments[:6]:
        labels = moment.labels
        twice = _flipped(_flipped(labels))
        for one, other in (
            (twice.keypoints.keypoints_xy, labels.keypoints.keypoints_xy),
            (twice.keypoints.visibility, labels.keypoints.visibility),
            (twice.mask, labels.mask),
            (twice.infant_xyxy, labels.infant_xyxy),
            (twice.head_xyxy, labels.head_xyxy),
            (twice.head_polygon, labels.head_polygon),
        ):
            np.testing.assert_array_equal(one, other)


def test_flipped_labels_are_those_of_the_flipped_picture(moments: list[Moment]) -> None:
    """Coordinates are of pixel centres: width - 1 - x, no half pixel to either side."""
    heads = 0
    for moment in moments[:6]:
        light, labels = moment.rendered.light, moment.labels
        mirrored, once = light[:, ::-1], _flipped(moment.labels)
        assert once.infant_xyxy is not None
        np.testing.assert_array_equal(once.infant_xyxy, mask_box(once.mask))
        np.testing.assert_array_equal(
            once.head_xyxy, polygon_box(once.head_polygon, moment.camera.size_wh)
        )
        for before, after in (
            (labels.infant_xyxy, once.infant_xyxy),
            (labels.head_xyxy, once.head_xyxy),
        ):
            if before is not None and after is not None:
                np.testing.assert_array_equal(_cut(mirrored, after), _cut(light, before)[:, ::-1])
        heads += labels.head_xyxy is not None
    assert heads > 3


def _cut(picture: np.ndarray, box_xyxy: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = box_xyxy.astype(int)
    return picture[y1 : y2 + 1, x1 : x2 + 1]


@pytest.fixture(scope="module")
def frontal(subjects: list[Subject]) -> Moment:
    """Seen from above, head up, looking at the camera, nothing in between."""
    subject = subjects[3]
    posture = replace(subject.poser.sample(np.random.default_rng(1)), trunk_roll_deg=0.0)
    angles = np.zeros_like(posture.angles_deg)
    for side in (0, 15):
        angles[6 + side : 10 + side] = (80, 5, 60, 30)
        angles[14 + side : 18 + side] = (30, 25, 15, 40)
    posed = lay_down(subject, Posture(angles, 0.0, posture.habits))
    camera = aim(View(0.0, 90.0, 0.0, 50.0, 0.8), posed.vertices, (320, 240))
    rng = np.random.default_rng(0)
    scene = sample_scene(rng, sample_ground(rng), subject, posed, arm=False)
    scene = replace(scene, drapes=(), things=(), attached=())
    rendered = draw(scene, subject, posed, camera)
    labels = label(subject, posed, camera, rendered)
    return Moment(subject, posture, posed, scene, camera, rendered, labels)


def test_pictures_are_not_mirrored(frontal: Moment) -> None:
    xy = dict(zip(NAMES, frontal.labels.keypoints.keypoints_xy[0], strict=True))
    for part in ("eye", "shoulder", "hip", "knee", "wrist"):
        assert xy[f"right_{part}"][0] < xy[f"left_{part}"][0], part
    assert xy["chin"][1] < xy["chest"][1] < xy["navel"][1] < xy["left_hip"][1]


def test_an_open_posture_shows_most_points(frontal: Moment) -> None:
    seen = dict(zip(NAMES, frontal.labels.keypoints.visibility[0], strict=True))
    hidden = [name for name, value in seen.items() if value != 2 and "finger" not in name]
    assert len(hidden) <= 2, hidden


def test_cameras_tilt_up_to_their_limit(moments: list[Moment]) -> None:
    tilts = [moment.camera.tilt_deg for moment in moments]
    assert max(tilts) <= MAX_TILT_DEG + 1e-6
    assert max(tilts) > 25
    assert min(tilts) < 12


def test_cameras_keep_the_infant_in_view(moments: list[Moment]) -> None:
    """Whole in most pictures, most of it in all: 0.71 of the vertices where it was least."""
    shares = []
    for moment in moments:
        _, posed = _parts(moment)
        pixels = _pinhole(posed.vertices.astype(np.float64), moment.camera)
        inside = (pixels >= -0.5).all(1) & (pixels < np.array(moment.camera.size_wh) - 0.5).all(1)
        shares.append(inside.mean())
    assert min(shares) > 0.6
    assert np.mean(np.array(shares) == 1) > 0.75
