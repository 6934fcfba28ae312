"""A job's parameters mean what the same words mean to `aggpose extract`."""

import pytest

from service.jobs import JobParameters
from workers.errors import ParametersError
from workers.parameters import (
    extraction_settings,
    preview_settings,
    read_parameters,
    smoothing_settings,
)
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.masking.plan import MaskSettings
from workers.pipeline.preview.picture import PreviewSettings
from workers.pipeline.smoothing.series import SmoothingSettings


def test_nothing_said_means_the_defaults_of_the_command() -> None:
    parameters = read_parameters({})
    assert extraction_settings(parameters) == ExtractionSettings()
    assert smoothing_settings(parameters) == SmoothingSettings()
    assert smoothing_settings(parameters).cutoff_hz is None
    assert preview_settings(parameters) == PreviewSettings()


def test_what_is_said_is_done() -> None:
    given = JobParameters(
        window=32, detect_every=8, cover="solid", skeleton=False, names=True, cutoff_hz=4.5
    )
    parameters = read_parameters(given.given())
    assert extraction_settings(parameters) == ExtractionSettings(window=32, detect_every=8)
    assert smoothing_settings(parameters) == SmoothingSettings(cutoff_hz=4.5)
    assert preview_settings(parameters) == PreviewSettings(
        masks=MaskSettings(style="solid"), skeleton=False, names=True
    )


def test_detections_follow_the_window() -> None:
    assert extraction_settings(read_parameters({"window": 24})).detect_every == 24


@pytest.mark.parametrize(
    "stored", [{"windows": 3}, {"window": 0}, {"window": 16, "detect_every": 5}]
)
def test_what_another_version_stored_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(ParametersError) as caught:
        read_parameters(stored)
    assert caught.value.code == "job.parameters"
