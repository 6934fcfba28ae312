"""The API keeps what its document says, whatever is asked: schemathesis over all of it."""

import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

import migrations
from service.api.app import create_app
from service.settings import Settings
from tests.model_files import write_empty_pose_model
from tests.results_rows import finished_job, running_job
from tests.served_api import served
from tests.service_api import Api, running_api, see_workers

# What a schema cannot say: which bytes are a video, and which idempotency keys were used before.
CONFIG = """\
[dictionaries]
jobs.values = ["{finished}", "{running}", "{waiting}", "{unknown}"]
videos.values = ["{video}", "{unknown}"]
frames.values = [0, 16, 1]

[[operations]]
exclude-method = "DELETE"
[operations.parameters]
"path.job_id" = {{ dictionary = "jobs", probability = 0.9 }}
"path.video_id" = {{ dictionary = "videos", probability = 0.9 }}
"path.frame" = {{ dictionary = "frames", probability = 0.9 }}

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


def test_no_request_makes_the_api_break_its_word(settings: Settings, tmp_path: Path) -> None:
    with running_api(settings) as api:
        key, ids = api.key(), things(api)
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(**ids))
    with served(create_app(settings)) as url:
        command = [
            str(Path(sys.executable).with_name("st")), "--config-file", str(config), "run",
            f"{url}/openapi.json", "--header", f"Authorization: Bearer {key}",
            "--max-examples", "12", "--continue-on-failure", "--generation-database", "none",
            "--output-sanitize", "false",
        ]  # fmt: skip
        found = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=tmp_path, timeout=600
        )
    assert found.returncode == 0, found.stdout
    assert "Tested: " in found.stdout
