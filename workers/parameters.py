"""A job's parameters as the pipeline's settings: the same words as `aggpose extract` has."""

from pydantic import ValidationError

from service.database.columns import JsonObject
from service.jobs import JobParameters
from workers.errors import ParametersError
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.masking.plan import MaskSettings
from workers.pipeline.preview.picture import PreviewSettings
from workers.pipeline.smoothing.series import SmoothingSettings


def read_parameters(stored: JsonObject) -> JobParameters:
    """The parameters that a job's row has.

    Raises:
        ParametersError: They are of another version of this program.
    """
    try:
        return JobParameters.model_validate(stored)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "all of them"
        raise ParametersError(f"{where}: {first['msg']}") from error


def extraction_settings(parameters: JobParameters) -> ExtractionSettings:
    """How the infant is followed."""
    window = parameters.window or ExtractionSettings.window
    return ExtractionSettings(window=window, detect_every=parameters.detect_every or window)


def smoothing_settings(parameters: JobParameters) -> SmoothingSettings:
    """How the filtered series is made."""
    return SmoothingSettings(cutoff_hz=parameters.cutoff_hz)


def preview_settings(parameters: JobParameters) -> PreviewSettings:
    """How the preview looks."""
    style = parameters.cover or MaskSettings.style
    return PreviewSettings(
        masks=MaskSettings(style=style),
        skeleton=parameters.skeleton is not False,
        names=bool(parameters.names),
    )
