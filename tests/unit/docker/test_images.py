"""The Dockerfile holds together, and what does not is found."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.docker.deployment import ROOT, Deployment, misunderstood
from tests.unit.docker.image_checks import image_name_problem, image_problems

DEPLOYMENT = Deployment.read()


def test_nothing_is_wrong_with_the_images() -> None:
    assert sorted(DEPLOYMENT.images()) == ["api", "trainer", "worker-cpu", "worker-gpu"]
    assert image_problems(DEPLOYMENT) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("COPY workers workers", "COPY wokers workers", "wokers is not in git"),
        ("docker/health.py /", "docker/helth.py /", "docker/helth.py is not in git"),
        ("README.md LICENSE", "README.md samples", ".dockerignore keeps samples/README.md out"),
        ("from=requirements /", "from=requirement /", "there is no stage requirement"),
        ("from=package,", "from=packages,", "there is no stage packages"),
        ("requirements.py cpu >", "requirements.py cpus >", "there is no extra cpus"),
        ("> worker-gpu.txt", "> gpu.txt", "worker-gpu: nothing makes worker-gpu.txt"),
        ("USER 10001:10001", "USER root", "api: expected a fixed user who is not root"),
        ("USER 10001:10001\n", "", "api: expected a fixed user who is not root, got None"),
        ("USER 10001:10001", "USER 10002:10002", "api: there is no user 10002:10002"),
        ("HEALTHCHECK NONE\n", "", "trainer: there is no health check"),
        ('health.py", "worker', 'healthy.py", "worker', "healthy.py is not copied"),
        ("AGGPOSE_DATA_DIR=", "AGGPOSE_DATA_FOLDER=", "AGGPOSE_DATA_FOLDER is no setting"),
        ('CMD ["worker"]', 'CMD ["works"]', "worker-cpu: No such command 'works'"),
        ('"--queue", "extract"', '"--queue", "extra"', "worker-gpu: Invalid value for '--queue'"),
        ('ENTRYPOINT ["aggpose"]', 'ENTRYPOINT ["agpose"]', "expected a command of the package"),
        (":3.11-slim-trixie AS requ", ":latest AS requ", "python:latest is not pinned"),
        ("FROM python:3", "FROM registry.example:5000/python:3", "names a registry's host"),
        ("PIP_INDEX_URL=...", "PIP_INDEX_URL=https://some.index.org", "index.org is a host"),
        ("    --constraint /opt/aggpose/constraints.txt -", "    -", "api: not pinned: pip"),
        ("--no-cache-dir --no-index", "--no-index", "api: pip keeps its cache"),
        ("rm -rf /var/lib/apt/lists/*", "true", "worker-gpu: apt keeps its lists"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_image_is_found(old: str, new: str, problem: str) -> None:
    assert old in DEPLOYMENT.dockerfile
    text = DEPLOYMENT.dockerfile.replace(old, new)
    broken = dataclasses.replace(DEPLOYMENT, dockerfile=text)
    assert problem in "\n".join(image_problems(broken))


@pytest.mark.parametrize("line", ["!service\n", "!docker/*.py\n", "!LICENSE\n"])
def test_what_is_kept_out_of_the_build_is_found(line: str) -> None:
    assert line in DEPLOYMENT.ignored
    broken = dataclasses.replace(DEPLOYMENT, ignored=DEPLOYMENT.ignored.replace(line, ""))
    assert any(what.startswith(".dockerignore keeps") for what in image_problems(broken))


def test_only_what_is_named_goes_into_the_build() -> None:
    for path in (".env", ".git/config", "samples/landscape.mp4", "runs/a/best.pt", "docker/.env"):
        assert DEPLOYMENT.is_ignored(path), path
    assert DEPLOYMENT.is_ignored("service/api/__pycache__/app.pyc")
    assert not DEPLOYMENT.is_ignored("model/weights/aggpose-t-infant21.onnx")


def test_names_of_images() -> None:
    assert image_name_problem("postgres:18") is None
    assert image_name_problem("versity/versitygw:v1.8.0") is None
    for name in ("postgres", "postgres:latest", "host.example/postgres:18", "host:5000/p:18"):
        assert image_name_problem(name) is not None, name


def test_commands_are_parsed_by_the_command_itself() -> None:
    assert misunderstood(["aggpose", "db", "upgrade"]) is None
    assert misunderstood(["aggpose", "train", "--help"]) is None
    assert misunderstood(["aggpose", "db", "upgrade", "--now"]) == "No such option '--now'."
    assert misunderstood(["aggpose", "keys", "create"]) == "Missing option '--tenant'."
    assert misunderstood(["bash"]) == "expected a command of the package, got bash"


def test_requirements_are_those_of_the_project() -> None:
    def asked(*extras: str) -> set[str]:
        words = [sys.executable, str(Path("docker") / "requirements.py"), *extras]
        done = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True)
        return set(done.stdout.splitlines())

    base = set(DEPLOYMENT.project["dependencies"])
    extras = DEPLOYMENT.project["optional-dependencies"]
    assert asked() == base
    assert asked("train", "cpu") == base | set(extras["train"]) | set(extras["cpu"])
    assert not {line for line in base if line.startswith(("torch", "onnxruntime", "openvino"))}
    with pytest.raises(subprocess.CalledProcessError):
        asked("cpus")
