"""Previews: every frame at its time, nobody in it, and nothing of the source beside the pixels."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from model.spec.errors import ArrayError, OutputError
from model.spec.head_mask import region_mask
from model.spec.sequence import STATUSES, Rows, Sightings
from model.spec.skeleton import load_skeleton
from tests.films import ArraySource
from workers.pipeline.errors import CancelledError, RowsError
from workers.pipeline.masking.plan import MaskSettings, Reason
from workers.pipeline.masking.planning import plan_masks
from workers.pipeline.preview.picture import PreviewSettings, preview_wh
from workers.pipeline.preview.rendering import record_path, render_preview

INFANT = load_skeleton("infant21")
SAMPLE = Path(__file__).parents[4] / "samples" / "landscape.mp4"
COUNT = 30
Frames = list[NDArray[np.uint8]]


@pytest.fixture(scope="module")
def film() -> Frames:
    """The first frames of a sample, RGB."""
    with av.open(str(SAMPLE)) as container:
        frames = container.decode(video=0)
        return [_rgb(next(frames)) for _ in range(COUNT)]


def _rgb(frame: av.VideoFrame) -> NDArray[np.uint8]:
    return np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)


def _truth() -> list[dict[str, list[list[float]]]]:
    frames: list[dict[str, list[list[float]]]] = json.loads(
        SAMPLE.with_suffix(".json").read_text(encoding="utf-8")
    )["frames"][:COUNT]
    return frames


def _rows(status: dict[int, int] | None = None) -> Rows:
    truth = _truth()
    points = np.array([one["keypoints_xy"] for one in truth], np.float32)
    boxes = np.array([one["infant_xyxy"] for one in truth], np.float32)
    index = np.arange(COUNT)
    statuses = np.zeros(COUNT, np.uint8)
    for i, number in (status or {}).items():
        statuses[i], points[i], boxes[i] = number, np.nan, np.nan
    return Rows(
        index, index * 3600, index / np.float64(25), statuses, boxes, boxes[:, 0] * 0 + 1, points,
        points[..., 0] * 0 + np.float32(0.8),
    )  # fmt: skip


def _sightings() -> Sightings:
    truth, looks = _truth(), np.arange(0, COUNT, 16)
    heads = np.array([truth[look]["head_xyxy"] for look in looks], np.float32)
    ones = np.ones(len(looks))
    return Sightings(looks, looks, ones.astype(np.uint8), heads, ones.astype(np.float32))


PLAIN = PreviewSettings(skeleton=False)


def _decoded(path: Path) -> tuple[Frames, list[Fraction]]:
    with av.open(str(path)) as container:
        base = container.streams.video[0].time_base
        frames = list(container.decode(video=0))
    assert base is not None
    return [_rgb(frame) for frame in frames], [(frame.pts or 0) * base for frame in frames]


def test_every_frame_at_its_time_with_stills_and_a_record(film: Frames, tmp_path: Path) -> None:
    out, stills, progress = tmp_path / "preview.mp4", dict[int, bytes](), list[int]()
    lying_there: set[str] = set()

    def on_progress(frames: int) -> None:
        progress.append(frames)
        lying_there.update(path.name for path in tmp_path.iterdir())

    result = render_preview(
        ArraySource(film), _rows(), _sightings(), INFANT, out, PreviewSettings(),
        on_still=stills.__setitem__, on_progress=on_progress,
    )  # fmt: skip
    frames, times = _decoded(out)
    assert times == [Fraction(i, 25) for i in range(COUNT)]
    assert (result.frames, result.shift_s, sum(progress)) == (COUNT, 0, COUNT)
    assert progress[0] == 0  # work went on while it was planned what is covered
    assert result.picture_wh == (640, 480)
    assert frames[0].shape[1::-1] == result.film_wh
    assert set(result.seconds) == {"plan", "decode", "mask", "draw", "encode"}
    assert sorted(stills) == [0, 25]
    assert result.stills == 2
    still = cv2.imdecode(np.frombuffer(stills[25], np.uint8), cv2.IMREAD_COLOR)
    assert still is not None
    assert np.abs(still[..., ::-1].astype(int) - frames[25]).mean() < 6
    assert lying_there == {".preview.mp4.part", ".preview.masks.csv.part"}
    assert {path.name for path in tmp_path.iterdir()} == {"preview.mp4", "preview.masks.csv"}
    lines = record_path(out).read_text(encoding="utf-8").splitlines()
    assert lines[0] == "frame_index,reasons,covered,cell_px"
    assert len(lines) == COUNT + 1
    index, reasons, covered, cell = lines[3].split(",")
    assert (index, reasons) == ("2", "head_box+keypoints+neighbour+outside")
    assert 0.3 < float(covered) < 0.9
    assert float(cell) == 32


def test_nothing_of_the_source_is_in_the_file(film: Frames, tmp_path: Path) -> None:
    out = tmp_path / "preview.mp4"
    render_preview(ArraySource(film[:3]), _rows()[:3], _no_sightings(), INFANT, out, PLAIN)
    with av.open(str(out)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        known = {"major_brand", "minor_version", "compatible_brands"}
        assert set(container.metadata) == known
        stream = container.streams.video[0]
        assert set(stream.metadata) == {"language", "handler_name"}
        assert (stream.metadata["language"], stream.metadata["handler_name"]) == (
            "und", "VideoHandler",
        )  # fmt: skip
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert next(container.decode(video=0)).rotation == 0
    data = out.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "players can begin before the end has come"
    ilst = data.index(b"ilst")
    assert data[ilst - 4 : ilst] == (8).to_bytes(4, "big"), "the list of tags is empty"
    for box in (b"\xa9xyz", b"\xa9too", b"loci", b"soun", b"Lavf"):
        assert box not in data
    hours = [data[data.index(box) + 8 : data.index(box) + 16] for box in (b"mvhd", b"mdhd")]
    assert hours == [bytes(8)] * 2, "nor the hour at which it was made"


def _no_sightings() -> Sightings:
    none = np.zeros(0, np.int64)
    return Sightings(
        none, none, none.astype(np.uint8), np.zeros((0, 4), np.float32), none.astype(np.float32)
    )


def _detail(picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """What a picture has beside its coarse shades."""
    grey = picture.astype(np.float64).mean(2)
    return np.asarray(grey - cv2.GaussianBlur(grey, (0, 0), 2), np.float64)


def _alike(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.corrcoef(one, other)[0, 1])


def test_heads_and_surroundings_are_coarse_in_every_encoded_frame(
    film: Frames, tmp_path: Path
) -> None:
    out = tmp_path / "preview.mp4"
    # Grain, so that there is detail everywhere.
    grain = np.random.default_rng(0).integers(-25, 26, (COUNT, 480, 640, 1))
    grainy = [
        np.clip(frame.astype(int) + g, 0, 255).astype(np.uint8)
        for frame, g in zip(film, grain, strict=True)
    ]
    rows, sightings = _rows(), _sightings()
    settings = replace(PLAIN, quality=10)
    render_preview(ArraySource(grainy), rows, sightings, INFANT, out, settings)
    plan = plan_masks(rows, sightings, INFANT, (640, 480), MaskSettings())
    for i, (shown, truth) in enumerate(zip(_decoded(out)[0], _truth(), strict=True)):
        before, after = _detail(grainy[i]), _detail(shown[:480])
        head = region_mask(np.array(truth["head_polygon"], np.float32), (640, 480))
        clear = ~plan.mask(i, (640, 480))
        outside = np.zeros((480, 640), np.bool_)
        outside[:, :64] = True
        assert _alike(before[clear], after[clear]) > 0.8
        assert abs(_alike(before[head], after[head])) < 0.15
        assert abs(_alike(before[outside], after[outside])) < 0.15
        # Squares are flat but for what coding does to them.
        assert after[head].std() < 0.35 * before[head].std() + 5


def test_only_covered_pictures_reach_the_coder(
    film: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, sightings = _rows(), _sightings()
    plan = plan_masks(rows, sightings, INFANT, (640, 480), MaskSettings())
    coded: Frames = []
    encode = av.VideoFrame.from_ndarray

    def seen(array: NDArray[np.uint8], format: str) -> av.VideoFrame:  # noqa: A002 - PyAV's name
        coded.append(array.copy())
        return encode(array, format=format)

    monkeypatch.setattr("workers.pipeline.preview.film.av.VideoFrame.from_ndarray", seen)
    out = tmp_path / "preview.mp4"
    render_preview(ArraySource(film), rows, sightings, INFANT, out, PLAIN)
    assert len(coded) == COUNT
    for i, picture in enumerate(coded):
        np.testing.assert_array_equal(picture[:480], plan.apply(i, film[i]))


def test_damaged_frames_are_grey_and_frames_without_an_infant_covered(
    film: Frames, tmp_path: Path
) -> None:
    out = tmp_path / "preview.mp4"
    rows = _rows({4: STATUSES.index("decode_error"), 8: STATUSES.index("no_detection")})
    pictures: list[NDArray[np.uint8] | None] = [*film]
    pictures[4] = pictures[12] = None  # the second one although its row says ok
    result = render_preview(ArraySource(pictures), rows, _sightings(), INFANT, out, PLAIN)
    frames, times = _decoded(out)
    assert len(times) == COUNT
    for i in (4, 12):
        assert np.abs(frames[i][:480].astype(int) - 127).max() < 12
    for i in (4, 8, 12):
        assert result.masks.reasons[i] & Reason.WHOLE_FRAME
        assert result.masks.covered[i] == 1
    assert frames[8][:480:80, ::80].std() > 10, "a mosaic, not grey"


def test_skeleton_and_names_are_switches(film: Frames, tmp_path: Path) -> None:
    whole = []
    for number, settings in enumerate(
        (
            PLAIN, PreviewSettings(), PreviewSettings(names=True), PreviewSettings(sure_score=0.9),
            PreviewSettings(skeleton=False, names=True),
        )
    ):  # fmt: skip
        out = tmp_path / f"{number}.mp4"
        render_preview(ArraySource(film[:1]), _rows()[:1], _one_head(), INFANT, out, settings)
        whole.append(_decoded(out)[0][0].astype(int))
    plain, bones, named, unsure, no_bones = (one[:480] for one in whole)
    x, y = _rows().keypoints_xy[0, INFANT.index("left_elbow")].astype(int)
    assert bones[y, x, 2] > bones[y, x, 0] + 60, "the left is blue"
    x, y = _rows().keypoints_xy[0, INFANT.index("right_elbow")].astype(int)
    assert bones[y, x, 0] > bones[y, x, 2] + 60, "the right is orange"
    shown = (bones, named, unsure, no_bones)
    drawn = [(np.abs(one - plain).max(2) > 40).sum() for one in shown]
    assert drawn[0] > 500
    assert drawn[1] > drawn[0] + 500
    assert drawn[2] < drawn[0]
    assert 500 < drawn[3] < drawn[1] - 500
    assert no_bones[y, x, 0] > no_bones[y, x, 2] + 60, "a name stands beside its keypoint"
    legends = [np.ptp(one[480:, 320:], axis=2).max() > 60 for one in whole]
    assert legends == [False, True, True, True, True], "colours are explained where there are any"
    times = [one[480:, :160].max() for one in whole]
    assert min(times) > 150, "time and status always stand there"


def _one_head() -> Sightings:
    every = _sightings()
    return Sightings(
        every.looked_at[:1], every.frame_index[:1], every.class_id[:1], every.xyxy[:1],
        every.score[:1],
    )  # fmt: skip


def test_two_runs_give_the_same_bytes(film: Frames, tmp_path: Path) -> None:
    outs = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for out in outs:
        render_preview(
            ArraySource(film[:9]), _rows()[:9], _no_sightings(), INFANT, out, PreviewSettings()
        )
    assert outs[0].read_bytes() == outs[1].read_bytes()


@pytest.mark.parametrize("shift", [-1, 1])
def test_a_video_with_other_frames(film: Frames, tmp_path: Path, shift: int) -> None:
    rows = _rows()[: 20 + shift]
    with pytest.raises(RowsError, match=r"expected .*, as there are rows, got"):
        render_preview(
            ArraySource(film[:20]), rows, _no_sightings(), INFANT, tmp_path / "p.mp4", PLAIN
        )
    assert not list(tmp_path.iterdir())


def test_a_video_of_as_many_frames_at_other_times(film: Frames, tmp_path: Path) -> None:
    rows, out = _rows(), tmp_path / "p.mp4"
    later = replace(rows, pts=rows.pts + (rows.frame_index == 20))
    with pytest.raises(RowsError, match="expected frame 20 with the time stamp 72001 of its row"):
        render_preview(ArraySource(film), later, _no_sightings(), INFANT, out, PLAIN)
    assert not list(tmp_path.iterdir())


def test_a_video_of_another_size(film: Frames, tmp_path: Path) -> None:
    rows, source = _rows()[:2], ArraySource(film[:2])
    for size, fits in (((640, 480), True), ((480, 640), False)):
        with nullcontext() if fits else pytest.raises(RowsError, match="another video"):
            render_preview(
                source, rows, _no_sightings(), INFANT, tmp_path / "p.mp4", PLAIN, displayed_wh=size
            )


def test_a_video_without_frames(film: Frames, tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="at least one frame"):
        render_preview(
            ArraySource(film), _rows()[:0], _no_sightings(), INFANT, tmp_path / "p.mp4", PLAIN
        )


@pytest.mark.parametrize("times", [1, 2, 3, 4, 5])  # while it is planned, then after a window
def test_cancelling_leaves_nothing_behind(film: Frames, tmp_path: Path, times: int) -> None:
    answers = iter([False] * (times - 1) + [True])
    with pytest.raises(CancelledError):
        render_preview(
            ArraySource(film), _rows(), _sightings(), INFANT, tmp_path / "p.mp4", PLAIN,
            cancelled=lambda: next(answers),
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


@contextmanager
def _room_for(num_bytes: int) -> Iterator[None]:
    """Writing more than this into a file fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk(film: Frames, tmp_path: Path) -> None:
    with _room_for(20_000), pytest.raises(OutputError, match="cannot be written"):
        render_preview(ArraySource(film), _rows(), _sightings(), INFANT, tmp_path / "p.mp4", PLAIN)
    assert not list(tmp_path.iterdir())


def test_places_and_settings_that_cannot_be(film: Frames, tmp_path: Path) -> None:
    source, rows = ArraySource(film), _rows()
    with pytest.raises(OutputError, match=r"ends in \.mp4"):
        render_preview(source, rows, _sightings(), INFANT, tmp_path / "p.avi", PLAIN)
    with pytest.raises(OutputError, match="there is no folder"):
        render_preview(source, rows, _sightings(), INFANT, tmp_path / "no" / "p.mp4", PLAIN)
    for bad in ({"max_wh": (8, 8)}, {"still_every_s": 0.0}, {"quality": 0}, {"jpeg_quality": 101}):
        with pytest.raises(ArrayError, match="expected"):
            PreviewSettings(**bad)


@pytest.mark.parametrize(
    ("displayed_wh", "expected_wh"),
    [
        ((1920, 1080), (640, 360)), ((1080, 1920), (640, 1136)), ((639, 481), (638, 480)),
        ((320, 240), (320, 240)), ((1, 9), (2, 8)), ((200, 4000), (64, 1280)),
    ],
)  # fmt: skip
def test_sizes_are_even_and_within_bounds(
    displayed_wh: tuple[int, int], expected_wh: tuple[int, int]
) -> None:
    assert preview_wh(displayed_wh, (640, 1280)) == expected_wh


@pytest.mark.parametrize("size_wh", [(18, 16), (101, 57), (300, 531)])
def test_small_and_odd_pictures(size_wh: tuple[int, int], tmp_path: Path) -> None:
    rows = _rows()[:3]
    scale = np.array(size_wh, np.float32) / (640, 480)
    rows = replace(
        rows,
        keypoints_xy=(rows.keypoints_xy * scale).astype(np.float32),
        box_xyxy=(rows.box_xyxy * np.tile(scale, 2)).astype(np.float32),
    )
    pictures = [np.zeros((size_wh[1], size_wh[0], 3), np.uint8)] * 3
    out = tmp_path / "p.mp4"
    settings = PreviewSettings(names=True)
    result = render_preview(ArraySource(pictures), rows, _no_sightings(), INFANT, out, settings)
    frames, _ = _decoded(out)
    assert len(frames) == 3
    assert frames[0].shape[1::-1] == result.film_wh
