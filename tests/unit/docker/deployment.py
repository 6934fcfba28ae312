"""All files that say how the service is deployed, as texts: a test can change one of them."""

import re
import subprocess
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click

from service.settings import PREFIX, ClientSettings, Settings
from tests.unit.docker.compose_file import Service, read_services
from tests.unit.docker.dockerfile import Image, targets
from workers.cli import app

ROOT = Path(__file__).parents[3]
KNOWN = {PREFIX + name.upper() for name in (*Settings.model_fields, *ClientSettings.model_fields)}
"""The variables that settings know."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The files' texts, the project, and which files are in git.

    Attributes:
        dockerfile: docker/Dockerfile.
        compose: docker-compose.yml.
        ignored: .dockerignore.
        example: docker/example.env.
        project: pyproject.toml's [project].
        tracked: Paths from the repository's root.
    """

    dockerfile: str
    compose: str
    ignored: str
    example: str
    project: Mapping[str, Any]
    tracked: Sequence[str]

    @classmethod
    def read(cls) -> "Deployment":
        """As it is in the repository."""
        listed = subprocess.run(
            ["/usr/bin/env", "git", "ls-files"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
        return cls(
            dockerfile=(ROOT / "docker" / "Dockerfile").read_text(),
            compose=(ROOT / "docker-compose.yml").read_text(),
            ignored=(ROOT / ".dockerignore").read_text(),
            example=(ROOT / "docker" / "example.env").read_text(),
            project=tomllib.loads((ROOT / "pyproject.toml").read_text())["project"],
            tracked=listed.stdout.splitlines(),
        )

    def images(self) -> dict[str, Image]:
        """The images that are shipped."""
        return targets(self.dockerfile)

    def services(self, variables: Mapping[str, str] | None = None) -> dict[str, Service]:
        """Of the compose file; its variables filled in where they are given."""
        return read_services(self.compose, self.dockerfile, variables)

    def secrets(self) -> list[str]:
        """The names that the example file lists."""
        return re.findall(r"^(\w+)=", self.example, re.MULTILINE)

    def in_git(self, path: str) -> list[str]:
        """The file itself, or all files of the folder."""
        return [name for name in self.tracked if name == path or name.startswith(f"{path}/")]

    def is_ignored(self, path: str) -> bool:
        """Whether .dockerignore keeps it from the build: the last line that fits decides."""
        ignored = False
        for line in self.ignored.splitlines():
            named = line.removeprefix("!")
            if not line.startswith("#") and _shape(named).fullmatch(path):
                ignored = named == line
        return ignored


@cache
def _shape(pattern: str) -> re.Pattern[str]:
    """What a line of .dockerignore means: paths of this shape, and all below them."""
    parts = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    shape = re.sub(
        r"\*\*/|\*|\?|[^*?]+", lambda found: parts.get(found[0], re.escape(found[0])), pattern
    )
    return re.compile(f"{shape}(?:/.*)?")


def misunderstood(words: list[str]) -> str | None:
    """What our command does not understand of these words; None where it takes all of them."""
    if words[:1] != ["aggpose"]:
        return f"expected a command of the package, got {' '.join(words[:1])}"
    name, rest = words[0], list(words[1:])
    command: click.Command = app
    context = None
    try:
        while isinstance(command, click.Group):
            context = command.make_context(name, rest, parent=context)
            left = [*context._protected_args, *context.args]  # noqa: SLF001 - click has no other way
            found, next_command, rest = command.resolve_command(context, left)
            assert next_command is not None
            name, command = found or "", next_command
        command.make_context(name, rest, parent=context)
    except click.exceptions.Exit:
        pass  # --help
    except click.ClickException as error:
        return error.format_message()
    return None
