"""What an attempt at a job may change before it is known that it can go on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from tests.drawn_infants import drawn_detector, drawn_pose
from tests.unit.pipeline.decoding.coded import encode
from workers import extracting_job
from workers.leases import HeldJob
from workers.models import Models
from workers.pipeline.errors import StateError
from workers.pipeline.state import ExtractionState


def test_stored_rows_keep_their_header_where_an_attempt_cannot_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = encode(tmp_path / "film.mp4", frames=3)

    @contextmanager
    def here(*_: object) -> Iterator[Path]:
        yield film

    monkeypatch.setattr(extracting_job, "local_video", here)
    of_another = ExtractionState.at_start({"video": {"displayed_wh": "(1440, 1080)"}})
    resume = {"extraction": json.loads(of_another.to_json()), "seconds": {}}
    job = SimpleNamespace(parameters={}, model="drawn", resume_state=resume)
    held = MagicMock(spec=HeldJob, job=job)
    models: Any = SimpleNamespace(pose=lambda _: drawn_pose(), detector=drawn_detector)
    with pytest.raises(StateError):
        extracting_job.extract(held, MagicMock(), cast("Models", models))
    held.write.assert_not_called()
