"""What `aggpose submit` does with one video: upload, have it worked on, wait, fetch the results."""

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self, get_args
from uuid import UUID

from service.api.schemas import JobAnswer, JobSummary
from service.client import Client, ResultFile
from service.client_errors import JobFailedError

MEGABYTE: Final = 1_000_000
STILLS: Final = "stills"
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
        with self._progress("MB sent", -(-size // MEGABYTE), 0) as shown:
            stored = self._client.upload(
                video, subject_reference=self._order.subject_reference,
                progress=_Megabytes(shown).add,
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


class _Megabytes:
    """Counts bytes, and tells whole megabytes."""

    def __init__(self, shown: Steps) -> None:
        self._shown, self._bytes = shown, 0

    def add(self, count: int) -> None:
        """Count; negative where an upload starts over."""
        before = self._bytes // MEGABYTE
        self._bytes += count
        self._shown.step(self._bytes // MEGABYTE - before)


class _Stages:
    """Says how far a job is: its frames are counted, and what counts nothing gets a sentence."""

    def __init__(self, progress: ShowProgress, tell: Callable[[str], None]) -> None:
        self._progress, self._tell = progress, tell
        self._line: AbstractContextManager[Steps] | None = None
        self._steps: Steps | None = None
        self._now: tuple[str, ...] = ()
        self._done = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def show(self, job: JobAnswer) -> None:
        """Say how far it is."""
        now = (job.state, job.stage, str(job.frames_total))
        if self._steps is not None:
            self._steps.step(job.frames_done - self._done)
        self._done = job.frames_done
        if now == self._now:
            return
        self._close()
        self._now = now
        if job.state == "running" and job.stage == "extract":
            self._line = self._progress("frames", job.frames_total, job.frames_done)
            self._steps = self._line.__enter__()
        elif (sentence := _SENTENCES.get(now[:2])) is not None:
            self._tell(sentence)

    def _close(self) -> None:
        if self._line is not None:
            self._line.__exit__(None, None, None)
        self._line = self._steps = None
