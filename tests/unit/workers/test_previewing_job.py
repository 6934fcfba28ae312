"""The second half of a job tells its lease that work gets on, also where no frame is decoded."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.jobs import JobParameters
from workers import previewing_job
from workers.pipeline.errors import CancelledError


def test_planning_what_is_covered_keeps_the_lease_and_can_be_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[str] = []

    def got_on() -> None:
        told.append("got on")
        if len(told) == 3:
            raise CancelledError("told to stop")

    def render(*_: object, on_progress: Any, **__: object) -> None:  # noqa: ANN401
        while len(told) < 9:
            on_progress(0)  # as long as it is planned

    monkeypatch.setattr(previewing_job, "render_preview", render)
    nothing: Any = None
    held: Any = SimpleNamespace(got_on=got_on)
    header = SimpleNamespace(video=SimpleNamespace(displayed_wh=(640, 480)))
    frames: Any = SimpleNamespace(rows=None, sightings=None, skeleton=None, header=header)
    with pytest.raises(CancelledError):
        previewing_job._render(  # noqa: SLF001 - all around it needs a film
            held, nothing, frames, JobParameters(), tmp_path
        )
    assert len(told) == 3
