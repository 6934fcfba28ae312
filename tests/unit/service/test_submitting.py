"""Submitting a video: one job for one order, results as `aggpose extract` leaves them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from service.api.schemas import JobAnswer, VideoAnswer
from service.client import Client
from service.client_errors import JobFailedError
from service.submitting import Order, Steps, Submission

ORDER = Order(model=None, parameters={"window": 32}, subject_reference=None, again=False)


def job(**facts: object) -> JobAnswer:
    example: dict[str, Any] = JobAnswer.model_json_schema()["examples"][0]
    return JobAnswer.model_validate(example | facts)


class FakeClient:
    """A service of one video and one job, whose news are told one after another."""

    def __init__(self, *news: JobAnswer) -> None:
        self.news = news
        self.keys: list[str] = []
        self.retried: list[UUID] = []

    def upload(self, path: Path, *, progress: Any, **_: object) -> VideoAnswer:  # noqa: ANN401 - a call
        size = path.stat().st_size
        for part in (size // 2, -(size // 2), size):
            progress(part)
        return VideoAnswer.model_validate(VideoAnswer.model_json_schema()["examples"][0])

    def create_job(self, _: UUID, *, idempotency_key: str, **__: object) -> JobAnswer:
        self.keys.append(idempotency_key)
        return self.news[0]

    def retry(self, job_id: UUID) -> JobAnswer:
        self.retried.append(job_id)
        return job(state="queued")

    def wait(self, _: UUID, *, progress: Any) -> JobAnswer:  # noqa: ANN401 - a call
        for one in self.news:
            progress(one)
        return self.news[-1]

    def stills(self, _: UUID) -> list[int]:
        return [0, 299]

    def download(self, _: UUID, file: str, path: Path) -> None:
        path.write_text(file)

    def download_still(self, _: UUID, frame: int, path: Path) -> None:
        path.write_text(str(frame))


class Shown:
    """Keeps what would be shown."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, int | None, int]] = []
        self.told: list[str] = []

    @contextmanager
    def progress(self, unit: str, total: int | None, done: int) -> Iterator[Steps]:
        counter = _Counter(done)
        yield counter
        self.lines.append((unit, total, counter.done))


class _Counter:
    def __init__(self, done: int) -> None:
        self.done = done

    def step(self, count: int = 1) -> None:
        self.done += count


def submission(client: FakeClient, shown: Shown, order: Order = ORDER) -> Submission:
    service = cast("Client", client)
    return Submission(service, order, progress=shown.progress, tell=shown.told.append)


def test_an_order_of_a_video_has_one_key() -> None:
    video = uuid4()
    key = ORDER.idempotency_key(video)
    assert ORDER.idempotency_key(video) == key
    other = Order(model=None, parameters={"window": 16}, subject_reference=None, again=False)
    again = Order(model=None, parameters={"window": 32}, subject_reference=None, again=True)
    keys = {
        key, ORDER.idempotency_key(uuid4()), other.idempotency_key(video),
        again.idempotency_key(video), again.idempotency_key(video),
    }  # fmt: skip
    assert len(keys) == 5


def test_an_upload_is_counted_in_megabytes(tmp_path: Path) -> None:
    video, shown = tmp_path / "film.mp4", Shown()
    video.write_bytes(bytes(2_500_000))
    submission(FakeClient(job(state="queued")), shown).start(video)
    assert shown.lines == [("MB sent", 3, 3)]


@pytest.mark.parametrize("state", ["failed", "canceled"])
def test_what_failed_before_is_tried_again(state: str, tmp_path: Path) -> None:
    video = tmp_path / "film.mp4"
    video.write_bytes(b"film")
    client = FakeClient(job(state=state))
    started = submission(client, Shown()).start(video)
    assert client.retried == [started.id]
    client = FakeClient(job(state="succeeded"))
    submission(client, Shown()).start(video)
    assert client.retried == []


def test_frames_are_counted_to_the_last() -> None:
    shown = Shown()
    news = [
        job(state="queued", frames_done=0, frames_total=None),
        job(frames_done=0, frames_total=None),
        job(frames_done=16, frames_total=300),
        job(frames_done=160, frames_total=300),
        job(state="queued", stage="preview", frames_done=300, frames_total=300),
        job(stage="preview", frames_done=300, frames_total=300),
        job(state="succeeded", stage="done", frames_done=300, frames_total=300),
    ]
    assert submission(FakeClient(*news), shown).finish(news[0].id).state == "succeeded"
    assert shown.lines == [("frames", 300, 300)]
    assert shown.told == ["waiting for a worker", "making the preview and the files"]


def test_a_job_without_results_is_an_error() -> None:
    error = {"code": "video.damaged", "detail": "The file breaks off."}
    with pytest.raises(JobFailedError, match="breaks off") as raised:
        submission(FakeClient(job(state="failed", error=error)), Shown()).finish(uuid4())
    assert raised.value.code == "video.damaged"
    with pytest.raises(JobFailedError, match="canceled"):
        submission(FakeClient(job(state="canceled")), Shown()).finish(uuid4())


def test_results_lie_as_extract_leaves_them(tmp_path: Path) -> None:
    old = tmp_path / "film" / "stills" / "0000150.jpg"
    old.parent.mkdir(parents=True)
    old.write_text("of an older job")
    submission(FakeClient(job()), Shown()).fetch(uuid4(), tmp_path / "film")
    found = {str(path.relative_to(tmp_path / "film")) for path in tmp_path.rglob("*.*")}
    assert found == {
        "keypoints.csv", "keypoints.json", "keypoints-filtered.csv", "keypoints-filtered.json",
        "quality.json", "quality.png", "preview.mp4", "preview.masks.csv", "stills/0000000.jpg",
        "stills/0000299.jpg",
    }  # fmt: skip
