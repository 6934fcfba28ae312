"""What is wrong with the images; each check gives sentences, and none where all is well."""

import re
from collections.abc import Iterator, Sequence

from tests.unit.docker.deployment import KNOWN, Deployment, misunderstood
from tests.unit.docker.dockerfile import Image, read_dockerfile


def image_problems(deployment: Deployment) -> list[str]:
    """All that is wrong with the Dockerfile."""
    problems = [*_bases(deployment), *_sources(deployment), *_extras(deployment)]
    for name, image in deployment.images().items():
        problems += [f"{name}: {what}" for what in (*_contents(image), *_running(image))]
    return problems


def image_name_problem(name: str) -> str | None:
    """What is wrong with the name of an image: no host, and a tag that says a version."""
    path, _, tag = name.partition(":")
    if "." in path.partition("/")[0] or name.count(":") > 1:
        return f"{name} names a registry's host"
    if not re.fullmatch(r"v?\d[\w.-]*", tag):
        return f"{name} is not pinned"
    return None


def _bases(deployment: Deployment) -> Iterator[str]:
    for image in read_dockerfile(deployment.dockerfile).values():
        if what := image_name_problem(image.base):
            yield what
    hosts = re.findall(r"\b[\w-]+\.(?:com|io|net|org)\b", deployment.dockerfile)
    yield from (f"{host} is a host" for host in hosts)


def _sources(deployment: Deployment) -> Iterator[str]:
    """Whether everything that is copied is there."""
    stages = read_dockerfile(deployment.dockerfile)
    for name, image in stages.items():
        for one in image.copied():
            if one.stage is None:
                yield from _from_repository(deployment, one.sources)
            elif one.stage not in stages:
                yield f"{name}: there is no stage {one.stage}"
            else:
                made = " ".join(stages[one.stage].every("RUN"))
                files = [source.rpartition("/")[2] for source in one.sources]
                yield from (f"{name}: nothing makes {f}" for f in files if f"> {f}" not in made)
        for source in re.findall(r"--mount=\S*from=([\w-]+)", " ".join(image.every("RUN"))):
            if source not in stages:
                yield f"{name}: there is no stage {source}"


def _from_repository(deployment: Deployment, sources: Sequence[str]) -> Iterator[str]:
    for source in sources:
        files = deployment.in_git(source)
        if not files:
            yield f"{source} is not in git"
        yield from (f".dockerignore keeps {f} out" for f in files if deployment.is_ignored(f))


def _extras(deployment: Deployment) -> Iterator[str]:
    """Whether the project has every extra that an image asks for."""
    known = deployment.project["optional-dependencies"]
    for words in re.findall(r"requirements\.py([\w ]*)>", deployment.dockerfile):
        yield from (f"there is no extra {extra}" for extra in words.split() if extra not in known)


def _contents(image: Image) -> Iterator[str]:
    """Whether packages are pinned, and caches thrown away."""
    commands = [one.strip() for text in image.every("RUN") for one in text.split("&&")]
    for command in commands:
        if "pip install" in command:
            if "--no-cache-dir" not in command:
                yield "pip keeps its cache"
            pinned = "--constraint /opt/aggpose/constraints.txt", "--no-index --no-deps"
            if not any(one in command for one in pinned):
                yield f"not pinned: {command}"
        if command.startswith("apt-get install") and "rm -rf /var/lib/apt/lists/*" not in commands:
            yield "apt keeps its lists"
    if not any(command.endswith("/package/*.whl") for command in commands):
        yield "the program is not installed"
    for name in image.environment():
        if name.startswith("AGGPOSE_") and name not in KNOWN:
            yield f"{name} is no setting"


def _running(image: Image) -> Iterator[str]:
    """Whether it runs what is there, as nobody in particular, and can be asked how it is."""
    user = image.last("USER")
    if user is None or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user):
        yield f"expected a fixed user who is not root, got {user}"
    elif not any(f"--uid {user.partition(':')[0]} " in text for text in image.every("RUN")):
        yield f"there is no user {user}"
    if what := misunderstood([*image.words("ENTRYPOINT"), *image.words("CMD")]):
        yield what
    check = image.last("HEALTHCHECK")
    if check is None:
        yield "there is no health check"
    elif check != "NONE":
        yield from script_problems(image, image.words("HEALTHCHECK"))


def script_problems(image: Image, words: list[str]) -> Iterator[str]:
    """What is wrong with the call of a script of ours."""
    if words[:1] != ["python"] or len(words) < 2 or not words[1].startswith("/"):
        yield f"expected python and a script, got {words}"
    elif image.origin(words[1]) is None:
        yield f"{words[1]} is not copied"
