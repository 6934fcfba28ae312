"""What is wrong with docker-compose.yml; each check gives sentences, and none where all is well."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from service.processes import GRACE_S as PROCESSES_GRACE_S
from service.queue import EXTRACT_QUEUE, PREVIEW_QUEUE
from tests.unit.docker.compose_file import VARIABLE, Service
from tests.unit.docker.deployment import KNOWN, Deployment, misunderstood
from tests.unit.docker.image_checks import image_name_problem, script_problems
from workers.app import GRACE_S as WORKER_GRACE_S

SECRET = re.compile(r"PASSWORD|SECRET|KEY|AUTH$")
PROFILES = {"worker-cpu": ["cpu"], "worker-gpu": ["gpu"]}
WANTED: Mapping[str, object] = {
    "init": True, "read_only": True, "cap_drop": ["ALL"], "tmpfs": ["/tmp:size=64m"],  # noqa: S108 - inside a container
    "security_opt": ["no-new-privileges:true"],
}  # fmt: skip
"""Of all services of ours."""


def compose_problems(deployment: Deployment) -> list[str]:
    """All that is wrong with the compose file."""
    content = yaml.safe_load(deployment.compose)
    services = deployment.services()
    problems = [*_secrets(deployment), *_queues(services)]
    for name, service in services.items():
        found = [
            *_image(deployment, service), *_command(service), *_environment(service, services),
            *_order(service, services), *_safety(service), *_places(service, content),
        ]  # fmt: skip
        problems += [f"{name}: {what}" for what in found]
    return problems


def _secrets(deployment: Deployment) -> Iterator[str]:
    asked = {name for name, kind, _ in VARIABLE.findall(deployment.compose) if kind == "?"}
    listed = set(deployment.secrets())
    yield from (f"the example lacks {name}" for name in sorted(asked - listed))
    yield from (f"nothing asks for {name}" for name in sorted(listed - asked))
    for name, service in deployment.services().items():
        words = service.words
        values = {a: b for a, b in pairwise(words) if "pass" in a}
        values |= service.facts.get("environment", {})
        for key, value in values.items():
            if not _is_kept(key, str(value)):
                yield f"{name}: a secret stands in {key}"


def _is_kept(key: str, value: str) -> bool:
    """Whether a value, where it is secret or holds a secret, comes from the environment."""
    needed = r"\$\{\w+:\?[^}]+\}"
    if SECRET.search(key) or key.startswith("--"):
        return re.fullmatch(needed, value) is not None
    login = re.match(r"\w+://([^/]*)@", value)
    return login is None or re.fullmatch(rf"\w*:{needed}", login[1]) is not None


def _queues(services: Mapping[str, Service]) -> Iterator[str]:
    """Whether both kinds of work are done with each of the profiles."""
    for profile in ("cpu", "gpu"):
        served: set[str] = set()
        for service in services.values():
            if not service.profiles or profile in service.profiles:
                words = service.words
                pairs = pairwise(words)
                served |= {queue for option, queue in pairs if option == "--queue"}
        if served != {EXTRACT_QUEUE, PREVIEW_QUEUE}:
            yield f"with the profile {profile}, workers serve {sorted(served)}"


def _image(deployment: Deployment, service: Service) -> Iterator[str]:
    name = service.facts["image"]
    if what := image_name_problem(name):
        yield what
    if build := service.facts.get("build"):
        target = build["target"]
        if target not in deployment.images():
            yield f"there is no target {target}"
        if name != f"aggpose-{target}:{deployment.project['version']}":
            yield f"{name} is not the name of this version's {target}"
        if (build["context"], build["dockerfile"]) != (".", "docker/Dockerfile"):
            yield "it is built from something else"


def _command(service: Service) -> Iterator[str]:
    if service.image is None:
        return
    if "entrypoint" in service.facts:
        yield from script_problems(service.image, service.words)
    elif what := misunderstood(service.words):
        yield what


def _environment(service: Service, services: Mapping[str, Service]) -> Iterator[str]:
    before = _all_before(service, services)
    for key, value in service.environment.items():
        if key.startswith("AGGPOSE_") and key not in KNOWN:
            yield f"{key} is no setting"
        host = urlsplit(VARIABLE.sub("x", value)).hostname
        if host is None or key == "AGGPOSE_BLOB_URL":
            continue
        if host not in services:
            yield f"{key} names {host}, which is no service"
        elif host not in before and service.name not in _ONCE:
            yield f"it needs {host} and does not wait for it"


_ONCE = ("create-bucket", "migrate")
"""They need one server each, and know the addresses of all."""


def _all_before(service: Service, services: Mapping[str, Service]) -> set[str]:
    found: set[str] = set()
    for name in service.needs:
        found |= {name} | (_all_before(services[name], services) if name in services else set())
    return found


def _order(service: Service, services: Mapping[str, Service]) -> Iterator[str]:
    for name, how in service.needs.items():
        if name not in services:
            yield f"it waits for {name}, which is no service"
        elif services[name].profiles:
            yield f"it waits for {name}, which may not be asked for"
        elif how["condition"] == "service_healthy":
            if not services[name].health:
                yield f"it waits for the health of {name}, which nobody checks"
        elif how["condition"] != "service_completed_successfully":
            yield f"it waits for {name} to be {how['condition']}"
        elif services[name].facts["restart"] != "no":
            yield f"it waits for the end of {name}, which is started again"
    if service.profiles != PROFILES.get(service.name, ()):
        yield f"it has the profiles {service.profiles}"


def _safety(service: Service) -> Iterator[str]:
    facts = service.facts
    if service.image is not None:
        yield from (
            f"{key} is {facts.get(key)}" for key, v in WANTED.items() if facts.get(key) != v
        )
    if facts.get("read_only") is not True:
        yield "its root can be written"
    if facts["restart"] != ("no" if service.name in _ONCE else "unless-stopped"):
        yield f"restart is {facts['restart']}"
    if service.image is None and not service.health:
        yield "nobody checks its health"
    grace_s = float(facts.get("stop_grace_period", "10s").removesuffix("s"))
    needed_s = {"worker": WORKER_GRACE_S, "serve": PROCESSES_GRACE_S}
    if service.image is not None and grace_s <= needed_s.get([*service.words, ""][1], 0):
        yield f"it is killed after {grace_s:g} s"


def _places(service: Service, content: Mapping[str, Any]) -> Iterator[str]:
    """Whether ports, networks and volumes are those that they should be."""
    ports = service.facts.get("ports", [])
    if ports != (["127.0.0.1:8000:8000"] if service.name == "api" else []):
        yield f"it publishes {ports}"
    networks = service.facts["networks"]
    if networks != (["inside", "outside"] if service.name == "api" else ["inside"]):
        yield f"it is in {networks}"
    yield from (f"there is no network {one}" for one in networks if one not in content["networks"])
    mounts = dict(one.split(":", 1) for one in service.facts.get("volumes", []))
    yield from (f"there is no volume {one}" for one in mounts if one not in content["volumes"])
    if service.words[1:2] == ["worker"]:
        if service.environment["AGGPOSE_DATA_DIR"] not in mounts.values():
            yield "its data folder is not on a disk"
        if "mem_limit" not in service.facts:
            yield "a video may take all of the memory"
