"""The API keeps what its document says, whatever is asked: schemathesis over all of it."""

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import migrations
from service.api.app import create_app
from service.settings import Settings
from tests.model_files import write_empty_pose_model
from tests.results_rows import finished_job, running_job
from tests.served_api import served
from tests.service_api import Api, running_api, see_workers

CONFIG = """\
[parameters]
"path.job_id" = "{job}"
"path.video_id" = "{video}"
"path.frame" = 0
"query.wait" = 0

[[operations]]
include-path = "/v1/jobs/{{job_id}}/events"
parameters = {{ "path.job_id" = "{finished}" }}

[[operations]]
include-path = ["/v1/jobs/{{job_id}}/cancel", "/v1/jobs/{{job_id}}/retry"]
parameters = {{ "path.job_id" = "{waiting}" }}

[[operations]]
include-method = "DELETE"
parameters = {{ "path.job_id" = "{unknown}", "path.video_id" = "{unknown}" }}

# What a schema cannot say: which bytes are a video, and which idempotency keys were used before.
[[operations]]
include-path = "/v1/videos"
include-method = "POST"
checks.positive_data_acceptance.enabled = false
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Everything in one folder, without limits."""
    models = tmp_path / "models"
    models.mkdir()
    write_empty_pose_model(models)
    settings = Settings.read(
        data_dir=tmp_path, models_dir=models, max_upload_bytes=1 << 20,
        key_requests_per_minute=10**6, key_uploads_per_hour=10**6, lease_s=600, visibility_s=600,
    )  # fmt: skip
    migrations.upgrade(settings.database_url.get_secret_value())
    return settings


def things(api: Api) -> dict[str, str]:
    """Identifiers of what is there."""
    see_workers(api)
    found = {
        "finished": finished_job(api)[0], "running": running_job(api)[0], "waiting": api.job(),
        "unknown": uuid4(),
    }  # fmt: skip
    video = api.get(f"/v1/jobs/{found['waiting']}").json()["video_id"]
    return {name: str(value) for name, value in found.items()} | {"video": video}


@pytest.mark.parametrize("job", ["finished", "running"])
def test_no_request_makes_the_api_break_its_word(
    settings: Settings, tmp_path: Path, job: str
) -> None:
    with running_api(settings) as api:
        key, ids = api.key(), things(api)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(**ids, job=ids[job]))
    bearer = f"Bearer {key}"
    with served(create_app(settings)) as url:
        command = [
            str(Path(sys.executable).with_name("st")), "--config-file", str(config), "run",
            f"{url}/openapi.json", "--header", f"Authorization: {bearer}", "--max-examples", "12",
            "--seed", "1", "--continue-on-failure", "--generation-database", "none",
            "--output-sanitize", "false",
        ]  # fmt: skip
        found = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=600
        )
        figures = httpx.get(f"{url}/metrics", headers={"Authorization": bearer}, timeout=30).text
    assert found.returncode == 0, found.stdout
    # None of this would mean anything if all requests had been refused.
    assert routes_with(figures, 200) >= {
        "/v1/videos", "/v1/videos/{video_id}", "/v1/jobs", "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/frames", "/v1/jobs/{job_id}/keypoints.csv", "/v1/models", "/readyz",
        "/v1/jobs/{job_id}/previews", "/v1/jobs/{job_id}/keypoints.json",
    }  # fmt: skip
    files = {f"/v1/jobs/{{job_id}}/{name}" for name in ("preview.mp4", "quality.json")}
    assert routes_with(figures, 200 if job == "finished" else 409) >= files


def routes_with(figures: str, status: int) -> set[str]:
    """The routes that gave this status at least once."""
    return {
        sample.labels["route"]
        for family in text_string_to_metric_families(figures)
        for sample in family.samples
        if sample.name == "aggpose_requests_total" and sample.labels["status"] == str(status)
    }
