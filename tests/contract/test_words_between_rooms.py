"""What service and workers say to each other, and what both say to people."""

from dataclasses import fields
from typing import get_args

from model.spec.sequence import Series
from model.training.detector.evaluation import THRESHOLDS
from service.api.problems import PROBLEMS
from service.client import ResultFile
from service.jobs import JobParameters
from service.queue import EXTRACT_QUEUE, EXTRACT_TASK, PREVIEW_QUEUE, PREVIEW_TASK
from service.results import FileKind, Form, keypoints_kind
from service.submit_command import submit
from workers.pipeline.commands import extract
from workers.pipeline.extraction_settings import ExtractionSettings
from workers.previewing_job import FILES


def test_a_job_takes_options_of_both_commands() -> None:
    for command in (extract, submit):
        options = {option.name for option in command.params}
        assert JobParameters.model_fields.keys() <= options
    defaults = {field.name: field.default for field in fields(ExtractionSettings)}
    assert (defaults["window"], defaults["detect_every"]) == (16, 16)
    window = JobParameters.model_json_schema()["properties"]["window"]["anyOf"][0]
    assert window["maximum"] == ExtractionSettings.MOST_FRAMES


def test_tasks_and_queues_keep_their_names() -> None:
    """Messages of an older version must still be understood."""
    assert (EXTRACT_TASK, EXTRACT_QUEUE) == ("aggpose.extract_pose", "extract")
    assert (PREVIEW_TASK, PREVIEW_QUEUE) == ("aggpose.render_preview", "preview")


def test_what_the_api_gives_and_clients_fetch_is_what_workers_store() -> None:
    kinds = {keypoints_kind(series, form) for series in get_args(Series) for form in get_args(Form)}
    assert kinds | {*get_args(FileKind)} == FILES.keys()
    assert {*get_args(ResultFile)} == FILES.keys()


def test_every_problem_has_a_status_and_a_title_of_its_own() -> None:
    titles = [title for _, title in PROBLEMS.values()]
    assert all(400 <= status < 600 for status, _ in PROBLEMS.values())
    assert len({*titles}) == len(titles)


def test_a_detector_is_judged_at_the_scores_that_the_pipeline_goes_by() -> None:
    settings = ExtractionSettings()
    assert {settings.sighting_score, settings.keep_score} <= set(THRESHOLDS)
