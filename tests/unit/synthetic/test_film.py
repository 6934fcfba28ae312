"""Films: exact timestamps, rotation that displays upright, labels that fit the decoded frames."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RLIMIT_FSIZE, getrlimit, setrlimit

import av
import numpy as np
import pytest

from model.spec.errors import OutputError, SyntheticError
from model.synthetic import film
from model.synthetic.film import FilmPlan, frames_of, make_film, prepare, truth_path

SIZE = (160, 120)


def _decoded(path: Path) -> tuple[list[np.ndarray], list[float], int]:
    """Frames as displayed, their times, and the rotation that the file states."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames, times, turn = [], [], 0
        for frame in container.decode(stream):
            turn = int(frame.rotation)
            assert frame.pts is not None
            assert stream.time_base is not None
            times.append(float(frame.pts * stream.time_base))
            frames.append(np.rot90(frame.to_ndarray(format="rgb24"), k=(turn // 90) % 4))
    return frames, times, turn


@pytest.mark.parametrize(
    ("rotate", "portrait", "vfr", "codec"),
    [(0, False, False, "h264"), (90, True, True, "h264"), (270, True, False, "hevc")],
)
def test_a_film_and_its_truth_agree(
    tmp_path: Path, *, rotate: int, portrait: bool, vfr: bool, codec: str
) -> None:
    plan = FilmPlan(
        seed=6, seconds=0.6, fps=20, size_wh=SIZE, portrait=portrait, rotate_deg=rotate,
        variable_rate=vfr, codec=codec, quality=14,
    )  # fmt: skip
    out = tmp_path / "a.mp4"
    count = make_film(out, plan)
    truth = json.loads(truth_path(out).read_text())
    frames, times, turn = _decoded(out)
    assert len(frames) == len(truth["frames"]) == count
    assert turn % 360 == -rotate % 360
    assert frames[0].shape == (truth["height"], truth["width"], 3)
    assert (truth["height"] > truth["width"]) == portrait
    np.testing.assert_allclose([row["time_s"] for row in truth["frames"]], times, atol=1e-5)
    steps = np.diff(times)
    assert (np.ptp(steps) > 0.005) == vfr
    for shown, drawn in zip(frames, frames_of(prepare(plan)), strict=True):
        assert np.abs(shown.astype(int) - drawn.picture).mean() < 8, "the picture is upright"


def test_truth_rows_carry_points_boxes_and_the_head(tmp_path: Path) -> None:
    out = tmp_path / "b.mp4"
    make_film(out, FilmPlan(seed=2, seconds=0.2, fps=10, size_wh=SIZE))
    truth = json.loads(truth_path(out).read_text())
    for number, row in enumerate(truth["frames"]):
        assert row["frame"] == number
        assert len(row["keypoints_xy"]) == len(row["visibility"]) == len(truth["keypoints"]) == 21
        for point, seen in zip(row["keypoints_xy"], row["visibility"], strict=True):
            assert (point is None) == (seen == 0)
        assert len(row["infant_xyxy"]) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.json", "b.mp4"]


def test_films_are_repeatable(tmp_path: Path) -> None:
    """Frames and truth repeat bit for bit; the coder's own choices are not ours to promise."""
    plan = FilmPlan(seed=4, seconds=0.3, fps=10, size_wh=SIZE, variable_rate=True)
    for one, other in zip(frames_of(prepare(plan)), frames_of(prepare(plan)), strict=True):
        np.testing.assert_array_equal(one.picture, other.picture)
        assert one.pts == other.pts
    for name in ("a", "b"):
        make_film(tmp_path / f"{name}.mp4", plan)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": 0}, "expected a length"),
        ({"fps": 0.5}, "frames per second"),
        ({"rotate_deg": 45}, "expected a rotation"),
        ({"codec": "mpeg2"}, "expected a codec"),
        ({"quality": 9}, "expected a quality of 10 to 45, got 9"),
        ({"quality": 46}, "expected a quality"),
        ({"seed": -1}, "expected a seed"),
        ({"size_wh": (101, 80)}, "even sides"),
    ],
)
def test_bad_plans_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SyntheticError, match=message):
        FilmPlan(**{"seed": 1, **change})  # type: ignore[arg-type]


@contextmanager
def _disk_full_at(size: int) -> Iterator[None]:
    """No file of this process may grow beyond so many bytes."""
    soft, hard = getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        setrlimit(RLIMIT_FSIZE, (soft, hard))


def test_a_film_on_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    plan, out = FilmPlan(seed=2, seconds=0.3, fps=10, size_wh=SIZE), tmp_path / "a.mp4"
    # The first one also keeps machine code, which must not be written under the limit.
    make_film(out, plan)
    assert out.stat().st_size > 2000
    out.unlink()
    truth_path(out).unlink()
    with _disk_full_at(2000), pytest.raises(OutputError, match=r"a.mp4: cannot be written"):
        make_film(out, plan)
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "prepare", lambda _: pytest.fail("found before any work"))
    plan = FilmPlan(seed=1, seconds=0.1, fps=10, size_wh=SIZE)
    with pytest.raises(SyntheticError, match=r"ends in .mp4"):
        make_film(tmp_path / "a.avi", plan)
    with pytest.raises(OutputError, match="there is no folder"):
        make_film(tmp_path / "nowhere" / "a.mp4", plan)
