"""Settings: defaults for one machine, the environment, and errors that name what is wrong."""

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from service.errors import SettingsError
from service.settings import ClientSettings, Settings
from service.settings_table import settings_page

DOCUMENT = Path(__file__).parents[3] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("AGGPOSE_"):
            monkeypatch.delenv(name)


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """What is said of these variables."""
    for name, value in variables.items():
        monkeypatch.setenv(f"AGGPOSE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        Settings.read()
    assert caught.value.code == "settings.invalid"
    return str(caught.value)


def test_one_machine_keeps_everything_in_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    settings = Settings.embedded(folder)
    assert settings.database_url.get_secret_value() == f"sqlite:///{folder}/aggpose.sqlite"
    assert settings.broker_url.get_secret_value() == f"filesystem://{folder}/broker"
    assert settings.blob_url == f"file://{tmp_path}/with%20space/blobs"
    assert settings.s3_access().scratch_dir == folder / "scratch"
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.lease_s, settings.heartbeat_s, settings.sweeper_s) == (60, 10, 5)
    assert settings.max_attempts == 3
    assert not folder.exists()


def test_a_relative_folder_is_meant_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.read().data_dir == tmp_path / "aggpose-data"
    assert Settings.read(data_dir="~/x").data_dir == Path.home() / "x"


def test_the_environment_is_read_and_what_is_given_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGGPOSE_DATABASE_URL", "postgresql://u:p@db/aggpose")
    monkeypatch.setenv("AGGPOSE_PORT", "8080")
    monkeypatch.setenv("AGGPOSE_S3_REGION", "")
    settings = Settings.embedded(tmp_path, port=9)
    assert settings.database_url.get_secret_value() == "postgresql://u:p@db/aggpose"
    assert settings.blob_url == f"file://{tmp_path}/blobs"
    assert settings.port == 9
    assert settings.s3_region == "us-east-1"


def test_a_misspelt_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refusal(monkeypatch, MAX_UPLAOD_BYTES="5", QUITE_ANOTHER="secret-value", PORT="x")
    assert (
        "AGGPOSE_MAX_UPLAOD_BYTES: there is no such setting; did you mean AGGPOSE_MAX_UPLOAD_BYTES?"
        in said
    )
    assert "AGGPOSE_QUITE_ANOTHER: there is no such setting" in said
    assert "AGGPOSE_PORT: " in said
    assert "secret-value" not in said


def test_the_clients_variables_are_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGGPOSE_API_KEY", "key-1")
    monkeypatch.setenv("AGGPOSE_SERVER_URL", "https://aggpose.example/base")
    monkeypatch.setenv("AGGPOSE_MAX_ATTEMPTS", "4")
    assert Settings.read().max_attempts == 4
    client = ClientSettings.read()
    assert client.api_key is not None
    assert client.api_key.get_secret_value() == "key-1"
    assert client.server_url == "https://aggpose.example/base"
    assert "key-1" not in repr(client)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://user:hush@host/db"),
        ("BROKER_URL", "kafka://user:hush@host"),
        ("BLOB_URL", "ftp://hush/blobs"),
        ("S3_ENDPOINT_URL", "hush:9000"),
        ("DATA_DIR", "/hush?"),
        ("MODELS_DIR", "/hush#1"),
        ("ROOT_PATH", "hush/"),
        ("LOG_LEVEL", "hush"),
        ("PORT", "65536"),
        ("MAX_UPLOAD_BYTES", "0"),
        ("SWEEPER_S", "-1"),
        ("MAX_ATTEMPTS", "hush"),
    ],
)
def test_what_cannot_be_is_refused_by_name_alone(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    said = refusal(monkeypatch, **{name: value})
    assert said.startswith(f"AGGPOSE_{name}: ")
    assert "; " not in said
    assert "hush" not in said


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"LEASE_S": "15"}, ("LEASE_S", "HEARTBEAT_S")),
        ({"VISIBILITY_S": "30"}, ("VISIBILITY_S", "LEASE_S")),
        ({"S3_ACCESS_KEY_ID": "me"}, ("S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")),
    ],
)
def test_what_does_not_fit_together_is_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], named: tuple[str, ...]
) -> None:
    said = refusal(monkeypatch, **variables)
    assert all(f"AGGPOSE_{name}" in said for name in named)


def test_the_short_times_of_tests_fit() -> None:
    settings = Settings.read(lease_s=10, heartbeat_s=2, sweeper_s=1, visibility_s=15)
    assert settings.visibility_s == 15


def test_no_secret_is_shown_and_nothing_changes(tmp_path: Path) -> None:
    settings = Settings.embedded(
        tmp_path,
        database_url="postgresql://u:hush-1@db/aggpose",
        broker_url="redis://:hush-2@broker/0",
        s3_access_key_id="me",
        s3_secret_access_key="hush-3",  # noqa: S106 - made up here
    )
    access = settings.s3_access()
    assert access.secret_access_key == "hush-3"  # noqa: S105 - likewise
    for shown in (repr(settings), str(settings), repr(access), settings.model_dump_json()):
        assert "hush" not in shown
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]  # that is the point


def test_an_unknown_setting_is_refused_in_code_too() -> None:
    with pytest.raises(SettingsError, match="AGGPOSE_DATABSE_URL: there is no such setting"):
        Settings.read(databse_url="sqlite:///x")


def test_the_page_of_settings_is_current() -> None:
    page = settings_page()
    assert DOCUMENT.read_text(encoding="utf-8") == page, (
        "python -m service.settings_table > docs/settings.md"
    )
    for settings in (Settings, ClientSettings):
        for name, field in settings.model_fields.items():
            assert field.description
            assert f"| `AGGPOSE_{name.upper()}` |" in page
