"""Of pixels that are not square: keypoints and previews are those of the displayed picture."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.geometry import Size
from model.spec.sequence import STATUSES, Rows, Sightings
from model.spec.skeleton import load_skeleton
from tests.drawn_infants import (
    Drawn,
    DrawnDetector,
    DrawnPose,
    drawn_detector,
    drawn_pose,
    picture_of,
)
from tests.tracks import sample_rows
from tests.unit.pipeline.decoding.coded import encode
from tests.unit.pipeline.decoding.test_pixel_shape import (
    FLOOR,
    RADIUS_PX,
    disc,
    middle_and_radii,
    pixels_of,
)
from workers.pipeline.decoding.source import open_video
from workers.pipeline.extracting import Extraction
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.masking.plan import MaskSettings
from workers.pipeline.outputs.results import sequence_video
from workers.pipeline.preview.picture import PreviewSettings
from workers.pipeline.preview.rendering import render_preview

INFANT = load_skeleton("infant21")
SETTINGS = ExtractionSettings(window=8, detect_every=8)
RED = 120


def _clean(red: NDArray[Any], edge_px: int) -> NDArray[np.float32]:
    """The drawn infant's red where a coder has made it almost that, without its edge."""
    body = (np.abs(red.astype(np.float32) - RED) < 12).astype(np.uint8)
    inside = cv2.erode(body, np.ones((2 * edge_px + 1, 2 * edge_px + 1), np.uint8))
    return np.where(inside > 0, np.float32(RED), np.float32(0))


class _CodedDetector(DrawnDetector):
    """Sees drawn infants in films that were coded."""

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
        planes = batch.copy()
        planes[0, 0] = _clean(batch[0, 0] * 255, 0) / 255
        return super().run(planes)


class _CodedPose(DrawnPose):
    """Reads drawn infants in films that were coded."""

    def _keypoints(self, crop: NDArray[np.uint8]) -> NDArray[np.float32]:
        cleaned = crop.copy()
        cleaned[..., 0] = _clean(crop[..., 0], 3)
        return super()._keypoints(cleaned)


@pytest.mark.parametrize(
    ("coded_wh", "ratio", "degrees"),
    [((120, 120), "4/3", 0), ((120, 120), "4/3", 90), ((150, 120), "16/15", 270)],
)
def test_keypoints_are_those_of_the_displayed_picture(
    tmp_path: Path, coded_wh: Size, ratio: str, degrees: int
) -> None:
    displayed_wh = (120, 160) if degrees else (160, 120)
    infants = [Drawn((55 + 0.8 * i, 70), 30 + 2.0 * i, wh=(36, 72)) for i in range(16)]

    def draw(index: int, _: Size) -> NDArray[np.uint8]:
        displayed = picture_of(infants[index], size_wh=displayed_wh)
        upright = np.ascontiguousarray(np.rot90(displayed, -degrees // 90))
        return np.asarray(cv2.resize(upright, coded_wh, interpolation=cv2.INTER_AREA), np.uint8)

    path = encode(
        tmp_path / "film.mp4", pixels="yuv444p", frames=16, size_wh=coded_wh, draw=draw,
        options={"crf": "3", "preset": "veryfast"}, prepare=pixels_of(ratio, degrees=degrees),
    )  # fmt: skip
    pose, detector = drawn_pose(_CodedPose()), drawn_detector(_CodedDetector())
    with open_video(path, window=8) as video:
        parts = [each.rows for each in Extraction(video, pose, detector, SETTINGS)]
        said = sequence_video(video.facts)
    rows = Rows.joined(parts)
    assert (said.displayed_wh, said.coded_wh) == (displayed_wh, coded_wh)
    assert said.pixel_aspect_ratio == Fraction(ratio).as_integer_ratio()
    assert {STATUSES[status] for status in rows.status} == {"ok"}
    true_xy = np.stack([infant.keypoints_xy for infant in infants])
    assert np.linalg.norm(rows.keypoints_xy - true_xy, axis=-1).max() < 0.5


def test_what_is_round_is_round_in_the_preview(tmp_path: Path) -> None:
    coded_wh, count = (240, 240), 6
    path = encode(
        tmp_path / "film.mp4", frames=count, size_wh=coded_wh, options={"crf": "8"},
        prepare=pixels_of("4/3"), draw=lambda _, size_wh: disc(size_wh, 4 / 3),
    )  # fmt: skip
    true_xy, _ = middle_and_radii(disc((320, 240)))
    rows = _lying_right_of_the_disc(path, count)
    nothing = np.zeros(0, np.int64)
    sightings = Sightings(nothing, nothing, nothing.astype(np.uint8),
                          np.zeros((0, 4), np.float32), np.zeros(0, np.float32))  # fmt: skip
    plain = PreviewSettings(skeleton=False, masks=MaskSettings(style="solid"), quality=12)
    out = tmp_path / "preview.mp4"
    with open_video(path, window=8) as video:
        result = render_preview(video, rows, sightings, INFANT, out, plain, displayed_wh=(320, 240))
    assert result.picture_wh == (320, 240)
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.sample_aspect_ratio or 1) == 1
        assert (stream.width, stream.height) == result.film_wh
        frames = [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for frame in container.decode(stream)
        ]
    assert len(frames) == count
    for frame in frames:
        covered = frame[:240].copy()
        covered[:, 200:] = FLOOR  # where the infant's head is
        found_xy, radii = middle_and_radii(covered)
        np.testing.assert_allclose(found_xy, true_xy, atol=0.5)
        np.testing.assert_allclose(radii, RADIUS_PX, rtol=0.03)


def _lying_right_of_the_disc(path: Path, count: int) -> Rows:
    """An infant in a box that is the picture, its keypoints on the right, at the film's times."""
    rows = sample_rows("landscape")[:1]
    points = rows.keypoints_xy[0] - rows.keypoints_xy[0].min(0)
    points = points * 90 / points.max() + np.array([220, 75])
    still = Rows.joined([rows] * count)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        pts = np.array([frame.pts for frame in container.decode(stream)], np.int64)
        assert stream.time_base is not None
        time_s = np.asarray(pts * float(stream.time_base), np.float64)
    return replace(
        still,
        frame_index=np.arange(count),
        pts=pts,
        time_s=time_s,
        keypoints_xy=np.repeat(points[None].astype(np.float32), count, axis=0),
        box_xyxy=np.tile(np.array([0, 0, 319, 239], np.float32), (count, 1)),
    )
