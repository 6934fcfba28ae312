"""What `aggpose submit` does with one video: upload, have it worked on, wait, fetch the results."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol, Self, get_args
from uuid import UUID

from service.api.schemas import JobAnswer, JobSummary
from service.client import Client, ResultFile
from service.client_errors import JobFailedError

MEGABYTE: Final = 1_000_000
STILLS: Final = "stills"
_COUNTED: Final = ("running", "extract")
_SENTENCES: Final = {
    ("queued", "extract"): "waiting for a worker",
    ("running", "preview"): "making the preview and the files",
}


class Steps(Protocol):
    """Counts finished things."""

    def step(self, count: int = 1) -> None:
        """Say that this many more are finished."""


ShowProgress = Callable[[str, int | None, int], AbstractContextManager[Steps]]
"""Makes a counter for a unit, how many there are (None: unknown), and those done before."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is wanted of every video.

    Attributes:
        model: The pose model's name; None for the service's usual one.
        parameters: Options of `aggpose extract`, by name.
        subject_reference: Your own word for the infant.
        again: Whether a new job is made where the same was asked for before.
    """

    model: str | None
    parameters: Mapping[str, object]
    subject_reference: str | None
    again: bool

    def idempotency_key(self, video_id: UUID) -> str:
        """The same for the same order of the same video, so that a second call finds its job."""
        wanted = [str(video_id), self.model, dict(self.parameters)]
        if self.again:
            wanted.append(str(uuid.uuid4()))
        return "submit-" + hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


class Submission:
    """Has videos worked on by a service.

    Args:
        client: Of the service.
        order: What is wanted.
        progress: Shows how far it is.
        tell: Says what happens, to people.
    """

    def __init__(
        self, client: Client, order: Order, *, progress: ShowProgress, tell: Callable[[str], None]
    ) -> None:
        self._client, self._order, self._progress, self._tell = client, order, progress, tell

    def start(self, video: Path) -> JobSummary:
        """Upload a video and start its job, or find the one of an earlier call.

        Raises:
            OSError: The video cannot be read.
            ClientError: The service refuses, or does not answer.
        """
        size = video.stat().st_size
        with _Line(partial(self._progress, "MB sent", -(-size // MEGABYTE), 0)) as line:
            stored = self._client.upload(
                video, subject_reference=self._order.subject_reference,
                progress=_Megabytes(line).add,
            )  # fmt: skip
        job = self._client.create_job(
            stored.id, model=self._order.model, parameters=self._order.parameters,
            idempotency_key=self._order.idempotency_key(stored.id),
        )  # fmt: skip
        return self._client.retry(job.id) if job.state in ("failed", "canceled") else job

    def finish(self, job_id: UUID) -> JobAnswer:
        """Wait for a job.

        Raises:
            JobFailedError: It failed, or somebody cancelled it.
            ClientError: The service refuses, or does not answer.
        """
        with _Stages(self._progress, self._tell) as stages:
            job = self._client.wait(job_id, progress=stages.show)
        if job.error is not None:
            raise JobFailedError(job.error.detail, job.error.code)
        if job.state != "succeeded":
            raise JobFailedError("the job was canceled", "job.canceled")
        return job

    def fetch(self, job_id: UUID, folder: Path) -> None:
        """Fetch all results into a folder, made if need be, as `aggpose extract` leaves them.

        Raises:
            OSError: They cannot be written there.
            ClientError: The service refuses, or does not answer.
        """
        stills = folder / STILLS
        stills.mkdir(parents=True, exist_ok=True)
        for file in get_args(ResultFile):
            self._client.download(job_id, file, folder / file)
        wanted = {stills / f"{frame:07}.jpg": frame for frame in self._client.stills(job_id)}
        for path, frame in wanted.items():
            self._client.download_still(job_id, frame, path)
        for path in set(stills.glob("*.jpg")) - wanted.keys():
            path.unlink()


class _Line:
    """A counter that is not shown before there is something to count."""

    def __init__(self, show: Callable[[], AbstractContextManager[Steps]]) -> None:
        self._show = show
        self._shown = ExitStack()
        self._steps: Steps | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def step(self, count: int) -> None:
        """Say that this many more are finished."""
        if self._steps is None and count:
            self._steps = self._shown.enter_context(self._show())
        if self._steps is not None:
            self._steps.step(count)


class _Megabytes:
    """Counts bytes, and tells megabytes, the last one when it has begun."""

    def __init__(self, line: _Line) -> None:
        self._line, self._bytes = line, 0

    def add(self, count: int) -> None:
        """Count; negative where an upload starts over."""
        before = -(-self._bytes // MEGABYTE)
        self._bytes += count
        self._line.step(-(-self._bytes // MEGABYTE) - before)


class _Stages:
    """Says how far a job is: its frames are counted, and what counts nothing gets a sentence."""

    def __init__(self, progress: ShowProgress, tell: Callable[[str], None]) -> None:
        self._progress, self._tell = progress, tell
        self._line: _Line | None = None
        self._now: tuple[str, ...] = ()
        self._done: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def show(self, job: JobAnswer) -> None:
        """Say how far it is."""
        now = (job.state, job.stage, str(job.frames_total))
        # Frames of an earlier call do not count for the rate.
        before = job.frames_done if self._done is None else self._done
        self._done = job.frames_done
        if now != self._now and now[:2] == _COUNTED:
            self._close()
            self._line = _Line(partial(self._progress, "frames", job.frames_total, before))
        if self._line is not None:
            self._line.step(job.frames_done - before)
        if now != self._now and now[:2] != _COUNTED:
            self._close()
            if (sentence := _SENTENCES.get(now[:2])) is not None:
                self._tell(sentence)
        self._now = now

    def _close(self) -> None:
        if self._line is not None:
            self._line.__exit__()
        self._line = None
