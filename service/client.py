"""A client of the REST API: upload videos, have them worked on, fetch what came out.

with Client("http://127.0.0.1:8000", key) as client:
    video = client.upload(Path("film.mp4"))
    job = client.wait(client.create_job(video.id).id)
    client.download(job.id, "keypoints.csv", Path("keypoints.csv"))
"""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Final, Literal, Self
from uuid import UUID

import httpx

from service.api.schemas import (
    JobAnswer,
    JobSummary,
    Stills,
    UploadAnswer,
    VideoAnswer,
    VideoDetail,
    VideoList,
)
from service.client_errors import ProblemError
from service.connection import WAIT_S, Connection, pause_asked_for_s, read_answer

ResultFile = Literal[
    "keypoints.csv", "keypoints.json", "keypoints-filtered.csv", "keypoints-filtered.json",
    "quality.json", "quality.png", "preview.mp4", "preview.masks.csv",
]  # fmt: skip
"""What a job leaves beside its stills, by the names that `aggpose extract` gives."""

ENDED: Final = ("succeeded", "failed", "canceled")
"""The states that a job does not leave by itself."""


class Client:
    """One service and one API key. Everything that it asks can be asked twice, and is.

    Args:
        url: Where the service is, as in `https://aggpose.example.org`.
        key: The API key.
        patience_s: How long a service that has answered once and does not now is asked again.
        transport: How bytes get there; the network when not given.

    Raises:
        ClientError: The key cannot be one.
    """

    def __init__(
        self, url: str, key: str, *, patience_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:  # fmt: skip
        self._connection = Connection(url, key, patience_s=patience_s, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._connection.close()

    def find_video(self, sha256: str) -> VideoAnswer | None:
        """The video of these bytes, if it was uploaded before.

        Raises:
            ClientError: The service does not answer, or refuses.
        """
        found = self._connection.ask(VideoList, "GET", "/v1/videos", params={"sha256": sha256})
        return found.items[0] if found.items else None

    def video(self, video_id: UUID) -> VideoDetail:
        """A video, and whether its bytes are there.

        Raises:
            ClientError: The service does not answer, or refuses.
        """
        return self._connection.ask(VideoDetail, "GET", f"/v1/videos/{video_id}")

    def upload(
        self, path: Path, *, subject_reference: str | None = None,
        metadata: Mapping[str, object] | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> VideoAnswer:  # fmt: skip
        """Upload a video, piece by piece; one that the service has is not sent again.

        The file's name stays here: it may be a patient's.

        Args:
            path: The file.
            subject_reference: Your own word for the infant.
            metadata: To be kept with the video, where nothing is yet.
            progress: Told how many more bytes were sent; a negative number when it starts over.

        Raises:
            OSError: The file cannot be read.
            ClientError: The service does not answer, or refuses.
        """
        fields = {} if subject_reference is None else {"subject_reference": subject_reference}
        if metadata is not None:
            fields["metadata"] = json.dumps(metadata)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            known = self.find_video(sha256)
            # Words about the infant that it lacks, and bytes that it has lost, come by an upload.
            if (
                known is not None
                and subject_reference in (None, known.subject_reference)
                and (not metadata or known.metadata)
                and self.video(known.id).stored is not False
            ):
                return known
            told = _Told(file, progress)

            form = {"file": ("video", told, "application/octet-stream")}
            sent = self._connection.ask(UploadAnswer, "POST", "/v1/videos", data=fields, files=form)
        return sent.video

    def create_job(
        self, video_id: UUID, *, model: str | None = None,
        parameters: Mapping[str, object] | None = None, idempotency_key: str | None = None,
    ) -> JobSummary:  # fmt: skip
        """Have a video worked on.

        Args:
            video_id: The video.
            model: The pose model's name; the service's usual one when not given.
            parameters: Options of `aggpose extract`, by name.
            idempotency_key: The same request with the same key makes one job only.

        Raises:
            ClientError: The service does not answer, or refuses.
        """
        wanted: dict[str, object] = {"video_id": str(video_id), "parameters": parameters or {}}
        if model is not None:
            wanted["model"] = model
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        return self._connection.ask(JobSummary, "POST", "/v1/jobs", json=wanted, headers=headers)

    def job(self, job_id: UUID) -> JobAnswer:
        """How far a job is.

        Raises:
            ClientError: The service does not answer, or refuses.
        """
        return self._connection.ask(JobAnswer, "GET", f"/v1/jobs/{job_id}")

    def wait(
        self, job_id: UUID, *, progress: Callable[[JobAnswer], None] = lambda _: None
    ) -> JobAnswer:
        """Wait until a job has ended, however it did.

        Args:
            job_id: The job.
            progress: Told whenever anything has changed.

        Raises:
            ClientError: The service refuses, or does not answer for longer than the patience.
        """
        etag = ""
        while True:
            asked_s = time.monotonic()
            answer = self._connection.answer(
                "GET", f"/v1/jobs/{job_id}",
                params={"wait": WAIT_S} if etag else {},
                headers={"If-None-Match": etag} if etag else {},
            )  # fmt: skip
            if answer.status_code == httpx.codes.OK:
                job = read_answer(JobAnswer, answer)
                progress(job)
                if job.state in ENDED:
                    return job
                etag = answer.headers.get("ETag", "")
            elif time.monotonic() - asked_s < 1:  # it does not wait: do not ask all the time
                time.sleep(pause_asked_for_s(answer) or 1.0)

    def cancel(self, job_id: UUID) -> JobSummary:
        """Stop a job.

        Raises:
            ClientError: It has ended, or the service does not answer.
        """
        return self._connection.ask(JobSummary, "POST", f"/v1/jobs/{job_id}/cancel")

    def retry(self, job_id: UUID) -> JobSummary:
        """Have a failed or cancelled job tried again, behind its last stored frame.

        One that is queued or runs already is given as it is.

        Raises:
            ClientError: It has succeeded, or the service does not answer.
        """
        try:
            return self._connection.ask(JobSummary, "POST", f"/v1/jobs/{job_id}/retry")
        except ProblemError as error:
            if error.code != "job.not_retryable":
                raise
            # The answer to a first request may have got lost on its way.
            job = self.job(job_id)
            if job.state not in ("queued", "running"):
                raise
            return job

    def stills(self, job_id: UUID) -> list[int]:
        """The frames of which there is a masked still.

        Raises:
            ClientError: The service does not answer, or refuses.
        """
        return self._connection.ask(Stills, "GET", f"/v1/jobs/{job_id}/previews").frames

    def download(self, job_id: UUID, file: ResultFile, path: Path) -> None:
        """Fetch a file of a job's results; `path` has it whole, or is left as it was.

        Raises:
            OSError: It cannot be written there.
            ClientError: The service does not answer, or refuses.
        """
        name, params = file.replace("-filtered", ""), {}
        if file.startswith("keypoints"):
            params["series"] = "raw" if name == file else "filtered"
        self._connection.fetch(f"/v1/jobs/{job_id}/{name}", params, path)

    def download_still(self, job_id: UUID, frame: int, path: Path) -> None:
        """Fetch a masked still (JPEG); `path` has it whole, or is left as it was.

        Raises:
            OSError: It cannot be written there.
            ClientError: The service does not answer, or refuses.
        """
        self._connection.fetch(f"/v1/jobs/{job_id}/previews/{frame}.jpg", {}, path)


class _Told:
    """A file that tells how much of it was read, as httpx reads it."""

    def __init__(self, file: BinaryIO, progress: Callable[[int], None]) -> None:
        self._file, self._progress = file, progress
        self._told = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        piece = self._file.read(size)
        self._told += len(piece)
        self._progress(len(piece))
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; what was told from there on is taken back."""
        place = self._file.seek(offset, whence)
        if place < self._told:
            self._progress(place - self._told)
            self._told = place
        return place

    def fileno(self) -> int:
        """By which httpx learns the length."""
        return self._file.fileno()
