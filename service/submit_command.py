"""`aggpose submit`: a client of the REST API. It needs nothing that the service itself needs."""

import json
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click

from model.spec.exit_codes import FAILED, INTERRUPTED
from model.spec.progress import Progress
from service.client import Client
from service.client_errors import ClientError
from service.settings import ClientSettings
from service.submitting import Order, Submission

STOPPED = "stopped; jobs that were started go on: call again to wait for them and fetch the results"


@click.command()
@click.argument("videos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--url", help="Where the service is.  [default: AGGPOSE_SERVER_URL, or this machine]")
@click.option("--wait", is_flag=True, help="Wait until the jobs have ended.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path),
    help="Wait, and fetch each video's results into a folder of its name in here.",
)  # fmt: skip
@click.option("--model", help="Pose model.  [default: the service's usual one]")
@click.option("--window", type=int, help="Frames that are worked on together.")
@click.option("--detect-every", type=int, help="Frames between detections.")
@click.option("--cover", type=click.Choice(["mosaic", "solid"]), help="What lies over heads.")
@click.option("--skeleton/--no-skeleton", default=True, help="Draw it in the preview.")
@click.option("--names", is_flag=True, help="Mark and name keypoints in the preview.")
@click.option("--cutoff-hz", type=float, help="Of the filtered series' low pass.")
@click.option("--subject", help="Your own word for the infant.")
@click.option("--again", is_flag=True, help="Work anew where the same was asked for before.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON a video.")
def submit(  # noqa: PLR0913, PLR0917 - click hands a command one argument an option
    videos: tuple[Path, ...], url: str | None, out: Path | None, model: str | None,
    window: int | None, detect_every: int | None, cover: str | None, cutoff_hz: float | None,
    subject: str | None, *, wait: bool, skeleton: bool, names: bool, again: bool, as_json: bool,
) -> None:  # fmt: skip
    """Have VIDEOS worked on by a running service; the key is in AGGPOSE_API_KEY.

    OUT/NAME gets what `aggpose extract` leaves: keypoints, quality, stills and a masked preview. A
    call that was stopped goes on when it is given again: the service knows the videos and the jobs.

    Exit status: 0 all videos are done; 1 some failed, the others are done; 2 a wrong option;
    130 stopped by Ctrl-C.
    """
    settings = ClientSettings.read(**({} if url is None else {"server_url": url}))
    if settings.api_key is None:
        raise click.UsageError("expected an API key in AGGPOSE_API_KEY, got none")
    if out is not None and len({video.stem for video in videos}) < len(videos):
        raise click.UsageError("expected videos of different names: results lie in folders of them")
    given = {
        "window": window, "detect_every": detect_every, "cover": cover,
        "skeleton": None if skeleton else False, "names": names or None, "cutoff_hz": cutoff_hz,
    }  # fmt: skip
    order = Order(
        model=model,
        parameters={name: value for name, value in given.items() if value is not None},
        subject_reference=subject,
        again=again,
    )
    with Client(settings.server_url, settings.api_key.get_secret_value()) as client:
        work = _Work(
            Submission(client, order, progress=_progress, tell=partial(click.echo, err=True)),
            as_json=as_json,
        )
        try:
            work.do(videos, wait=wait or out is not None, out=out)
        except KeyboardInterrupt:
            click.echo(STOPPED, err=True)
            sys.exit(INTERRUPTED)
    sys.exit(FAILED if work.failed else 0)


class _Work:
    """Submits videos, and says how each one went."""

    def __init__(self, submission: Submission, *, as_json: bool) -> None:
        self._submission, self._as_json = submission, as_json
        self.failed = False

    def do(self, videos: tuple[Path, ...], *, wait: bool, out: Path | None) -> None:
        """Start all jobs, so that the service has work, then wait for one after another."""
        started = {}
        for video in dict.fromkeys(videos):
            try:
                started[video] = self._submission.start(video)
            except (ClientError, OSError) as error:
                self._fail(video, error)
        for video, job in started.items():
            if not wait:
                self._say(video, {"state": job.state, "job": str(job.id)}, f"job {job.id}")
                continue
            try:
                done = self._submission.finish(job.id)
                if out is not None:
                    self._submission.fetch(job.id, out / video.stem)
            except (ClientError, OSError) as error:
                self._fail(video, error, job=str(job.id))
            else:
                facts = {"state": done.state, "job": str(job.id), "frames": done.frames_done}
                place = {} if out is None else {"folder": str(out / video.stem)}
                line = f"{done.frames_done} frames; {place.get('folder', f'job {job.id}')}"
                self._say(video, facts | place, line)

    def _say(self, video: Path, facts: Mapping[str, object], line: str) -> None:
        known = {"video": str(video), **facts}
        click.echo(json.dumps(known) if self._as_json else f"{video}: {line}")

    def _fail(self, video: Path, error: ClientError | OSError, **facts: str) -> None:
        self.failed = True
        code = error.code if isinstance(error, ClientError) else "client.file"
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        request = getattr(error, "request_id", "")
        if self._as_json:
            told = {"state": "failed", "code": code, "message": reason, **facts}
            click.echo(json.dumps({"video": str(video), **told}))
        asked = f" (request {request})" if request else ""
        click.echo(f"aggpose: {video}: {reason} [{code}]{asked}", err=True)


def _progress(unit: str, total: int | None, done: int) -> Progress:
    return Progress(total, unit, done=done)
