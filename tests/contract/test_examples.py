"""What stands as an example in the API's document works when it is pasted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import migrations
from service.api.schemas import EXAMPLES, JOB_ID, VIDEO_ID
from service.database.jobs import add_job
from service.database.videos import add_video
from service.keys import recognise
from service.settings import Settings
from tests.model_files import write_empty_pose_model
from tests.results_rows import finished_job
from tests.service_api import MP4, Api, running_api, see_workers
from tests.service_rows import new_job, new_video

HAS_ENDED = {
    ("POST", "/v1/jobs/{job_id}/cancel"): "job.finished",
    ("POST", "/v1/jobs/{job_id}/retry"): "job.not_retryable",
}
"""What cannot be done to the examples' job, which has succeeded."""

Request = tuple[str, str, dict[str, Any]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Everything in one folder."""
    models = tmp_path / "models"
    models.mkdir()
    write_empty_pose_model(models)
    settings = Settings.read(data_dir=tmp_path, models_dir=models)
    migrations.upgrade(settings.database_url.get_secret_value())
    return settings


@pytest.fixture
def api(settings: Settings) -> Iterator[Api]:
    """An API in which the examples' video and job are there."""
    with running_api(settings) as api:
        key = api.key()
        with api.service.database.write() as session:
            tenant_id = recognise(session, key).tenant_id
            video, _ = add_video(session, new_video(tenant_id, id=UUID(VIDEO_ID)))
            job, _ = add_job(session, new_job(video, id=UUID(JOB_ID)))
        finished_job(api, job.id)
        see_workers(api)
        yield api


def requests_of(document: dict[str, Any]) -> list[Request]:
    """One request for each example of each operation; what deletes comes last."""
    found = [
        (method.upper(), path, request)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for request in examples_of(operation, document)
    ]
    # A video's job must be deleted before its video takes it along.
    return sorted(found, key=lambda one: (one[0] == "DELETE", "video_id" in one[1]))


def examples_of(operation: dict[str, Any], document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the examples of one operation make; one request without any where it has none."""
    parameters = operation.get("parameters", [])
    path = {one["name"]: example(one) for one in parameters if one["in"] == "path"}
    bodies = list(bodies_of(operation, document)) or [{}]
    yield from ({"path": path} | body for body in bodies)
    for one in parameters:
        if one["in"] != "path" and (value := example(one)) is not None:
            where = "headers" if one["in"] == "header" else "params"
            yield {"path": path, where: {one["name"]: value}} | bodies[0]


def example(parameter: dict[str, Any]) -> Any:  # noqa: ANN401 - as JSON has it
    """A parameter's example; those in a path must have one."""
    found = parameter["schema"].get("examples") or [None]
    assert found[0] is not None or parameter["in"] != "path", parameter
    return found[0]


def bodies_of(operation: dict[str, Any], document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The example bodies of an operation."""
    content = operation.get("requestBody", {}).get("content", {})
    if "application/json" in content:
        name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
        examples = document["components"]["schemas"][name]["examples"]
        assert examples
        yield from ({"json": body} for body in examples)
    if "multipart/form-data" in content:
        fields = content["multipart/form-data"]["schema"]["properties"]
        texts = {name: field["example"] for name, field in fields.items() if "example" in field}
        assert texts.keys() | {"file"} == fields.keys()
        yield {"files": {"file": MP4}, "data": texts}


def test_every_example_works(api: Api) -> None:
    asked = requests_of(api.app.openapi())
    assert len(asked) > len(api.app.openapi()["paths"])
    for method, path, request in asked:
        values = request.pop("path")
        answer = api.ask(method, path.format(**values), **request)
        if (method, path) in HAS_ENDED:
            assert answer.status_code == 409, path
            assert answer.json()["code"] == HAS_ENDED[method, path]
        else:
            assert answer.is_success, (method, path, request, answer.text)


def test_examples_of_answers_are_whole_answers() -> None:
    for model in EXAMPLES:
        examples = model.model_json_schema()["examples"]
        assert examples
        for one in examples:
            assert model.model_validate(one).model_dump(mode="json") == one
