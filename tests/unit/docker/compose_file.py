"""What docker-compose.yml says: variables filled in as Compose does it, and services by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml  # type: ignore[import-untyped] # PyYAML ships no types

from tests.unit.docker.dockerfile import Image, read_dockerfile

VARIABLE = re.compile(r"\$\{(\w+)(?::([?-])([^}]*))?\}")


class UnsetError(Exception):
    """A variable that is needed is not set."""


def fill(text: str, variables: Mapping[str, str]) -> str:
    """A text of the file with its variables' values.

    Raises:
        UnsetError: One with `:?` is missing or empty.
    """

    def value(found: re.Match[str]) -> str:
        name, kind, rest = found.groups()
        if given := variables.get(name):
            return given
        if kind == "?":
            raise UnsetError(f"{name} {rest}")
        return rest or ""

    return VARIABLE.sub(value, text).replace("$$", "$")


@dataclass(frozen=True)
class Service:
    """One service.

    Attributes:
        name: In the file.
        facts: All that the file says of it.
        image: The image of ours that it runs from; None for others' images.
    """

    name: str
    facts: Mapping[str, Any]
    image: Image | None

    @property
    def environment(self) -> dict[str, str]:
        """The variables that its process has, those of its image among them."""
        own: dict[str, str] = self.facts.get("environment", {})
        return (self.image.environment() if self.image else {}) | own

    @property
    def words(self) -> list[str]:
        """The command that it runs; of others' images, the part that the file gives."""
        given: list[str] = self.facts.get("command", [])
        if "entrypoint" in self.facts or self.image is None:
            return [*self.facts.get("entrypoint", []), *given]
        return [*self.image.words("ENTRYPOINT"), *(given or self.image.words("CMD"))]

    @property
    def health(self) -> list[str]:
        """The command of its health check; empty where there is none."""
        own = self.facts.get("healthcheck")
        if own is not None:
            found: list[str] = [] if own.get("disable") else own["test"]
            return found
        return self.image.words("HEALTHCHECK") if self.image else []

    @property
    def needs(self) -> Mapping[str, Mapping[str, str]]:
        """The services that are started before it, and what is awaited of each."""
        found: Mapping[str, Mapping[str, str]] = self.facts.get("depends_on", {})
        return found

    @property
    def profiles(self) -> Sequence[str]:
        """Those that it belongs to."""
        found: Sequence[str] = self.facts.get("profiles", ())
        return found


def read_services(
    compose: str, dockerfile: str, variables: Mapping[str, str] | None = None
) -> dict[str, Service]:
    """The services by name, variables as they are written or, where given, filled in."""
    images = read_dockerfile(dockerfile)
    content = yaml.safe_load(compose)
    if variables is not None:
        content = _filled(content, variables)
    return {
        name: Service(name, facts, images.get(facts.get("build", {}).get("target")))
        for name, facts in content["services"].items()
    }


def _filled(node: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - whatever YAML holds
    if isinstance(node, str):
        return fill(node, variables)
    if isinstance(node, list):
        return [_filled(one, variables) for one in node]
    if isinstance(node, dict):
        return {key: _filled(value, variables) for key, value in node.items()}
    return node
