"""docker-compose.yml holds together, and what does not is found."""

import dataclasses

import pytest

from service.settings import Settings
from tests.unit.docker.compose_checks import compose_problems
from tests.unit.docker.compose_file import UnsetError, fill
from tests.unit.docker.deployment import Deployment

DEPLOYMENT = Deployment.read()
VALUES = {name: f"{name.lower()}-value" for name in DEPLOYMENT.secrets()}


def test_nothing_is_wrong_with_the_services() -> None:
    assert sorted(DEPLOYMENT.services()) == [
        "api", "create-bucket", "migrate", "postgres", "redis", "s3", "sweeper", "worker-cpu",
        "worker-gpu", "worker-preview",
    ]  # fmt: skip
    assert compose_problems(DEPLOYMENT) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[db, upgrade]", "[db, upgrad]", "migrate: No such command 'upgrad'"),
        ("preview]", "previews]", "worker-preview: Invalid value for '--queue'"),
        ("preview]", "extract]", "with the profile cpu, workers serve ['extract']"),
        ("[sweeper]", "[sweeper, --every, 5]", "sweeper: No such option '--every'"),
        ("create_bucket.py]", "make_bucket.py]", "/opt/aggpose/make_bucket.py is not copied"),
        ("AGGPOSE_S3_ADDRESSING_STYLE", "AGGPOSE_S3_STYLE", "AGGPOSE_S3_STYLE is no setting"),
        ("target: worker-gpu", "target: worker-tpu", "there is no target worker-tpu"),
        ("aggpose-api:0.1.0", "aggpose-api:0.0.9", "is not the name of this version's api"),
        ("postgres:18", "postgres:latest", "postgres: postgres:latest is not pinned"),
        ("versity/", "host.example/versity/", "names a registry's host"),
        ("http://s3:7070", "http://minio:7070", "names minio, which is no service"),
        ("@redis:6379", "@broker:6379", "names broker, which is no service"),
        ("s3: {condition", "s4: {condition", "waits for s4, which is no service"),
        ("  redis: {condition: service_healthy}\n", "", "needs redis and does not wait for it"),
        ("redis: {condition: service_healthy}", "redis: {condition: service_started}",
         "api: it waits for redis to be service_started"),
        ("migrate: {condition: service_completed_successfully}",
         "migrate: {condition: service_healthy}", "health of migrate, which nobody checks"),
        ('restart: "no"', "restart: on-failure", "api: it waits for the end of migrate, which"),
        ("profiles: [gpu]", "profiles: [cpu]", "worker-gpu: it has the profiles ['cpu']"),
        ("    profiles: [cpu]\n", "", "worker-cpu: it has the profiles ()"),
        ('["127.0.0.1:8000:8000"]', '["8000:8000"]', "api: it publishes ['8000:8000']"),
        ("    shm_size: 256m", '    ports: ["5432:5432"]', "postgres: it publishes"),
        ("networks: [inside]", "networks: [outside]", "redis: it is in ['outside']"),
        ("  scratch:\n", "", "sweeper: there is no volume scratch"),
        ("scratch:/var/lib/aggpose", "scratch:/data", "worker-cpu: its data folder is not on"),
        ("  mem_limit: 4g\n", "", "worker-cpu: a video may take all of the memory"),
        ("period: 45s", "period: 20s", "worker-preview: it is killed after 20 s"),
        ("  init: true\n", "", "api: init is None"),
        ("  read_only: true\n  tmpfs", "  read_only: false\n  tmpfs", "api: its root can be writ"),
        ("cap_drop: [ALL]", "cap_drop: []", "sweeper: cap_drop is []"),
        ("${S3_ACCESS_KEY_ID:?is needed, see docker/example.env}\n      ROOT_SECRET",
         "aggpose\n      ROOT_SECRET", "s3: a secret stands in ROOT_ACCESS_KEY_ID"),
        ("REDISCLI_AUTH: ${REDIS_PASSWORD:?is needed, see docker/example.env}",
         "REDISCLI_AUTH: ${REDIS_PASSWORD:-secret}", "redis: a secret stands in REDISCLI_AUTH"),
        (":${REDIS_PASSWORD:?is needed, see docker/example.env}@", ":secret@",
         "api: a secret stands in AGGPOSE_BROKER_URL"),
        ("- ${REDIS_PASSWORD:?is needed, see docker/example.env}", "- secret",
         "redis: a secret stands in --requirepass"),
        ("POSTGRES_PASSWORD", "DATABASE_PASSWORD", "the example lacks DATABASE_PASSWORD"),
        ("POSTGRES_PASSWORD", "DATABASE_PASSWORD", "nothing asks for POSTGRES_PASSWORD"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_service_is_found(old: str, new: str, problem: str) -> None:
    assert old in DEPLOYMENT.compose
    broken = dataclasses.replace(DEPLOYMENT, compose=DEPLOYMENT.compose.replace(old, new))
    assert problem in "\n".join(compose_problems(broken))


def test_settings_take_the_environment_of_every_service(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = [one for one in DEPLOYMENT.services(VALUES).values() if one.image is not None]
    assert len(ours) == 7
    for service in ours:
        with monkeypatch.context() as patch:
            for name, value in service.environment.items():
                patch.setenv(name, value)
            settings = Settings.read()
        url = "postgresql://aggpose:postgres_password-value@postgres:5432/aggpose"
        assert settings.database_url.get_secret_value() == url
        assert settings.blob_url == "s3://aggpose"
        assert settings.s3_secret_access_key is not None


@pytest.mark.parametrize("missing", VALUES)
def test_nothing_starts_without_a_secret(missing: str) -> None:
    with pytest.raises(UnsetError, match=missing):
        DEPLOYMENT.services(VALUES | {missing: ""})


def test_variables_are_filled_in_as_compose_does_it() -> None:
    assert fill("a ${X:?why} ${Y:-else} ${Z} $$HOME", {"X": "x"}) == "a x else  $HOME"


def test_redis_keeps_messages_and_throws_none_away() -> None:
    words = DEPLOYMENT.services()["redis"].words
    pairs = dict(zip(words[1::2], words[2::2], strict=True))
    assert (pairs["--appendonly"], pairs["--maxmemory-policy"]) == ("yes", "noeviction")
