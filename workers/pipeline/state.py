"""What an extraction must know to go on at a window's end, as a small JSON value."""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from model.runtime.engines import EngineOptions
from model.spec.onnx_file import ModelFile
from workers.pipeline.errors import StateError
from workers.pipeline.following.memory import Memory
from workers.pipeline.posing.posture import Posture

Plain = str | int | float | bool | None
Facts = dict[str, dict[str, Plain]]
"""What an extraction is made of: `video`, `settings`, `pose` and `detector`, each by name."""

_BEFORE: Final[dict[str, Plain]] = {"video.pixel_aspect_ratio": "1"}
"""What states went by that are older than a fact, so that those of running jobs still hold."""
_JUDGED: Final = ("video.variable_frame_rate", "video.frame_rate_header")
"""Facts that a version may judge otherwise than the one before; no row depends on them."""


@dataclass(frozen=True)
class ExtractionState:
    """The end of a window.

    Attributes:
        schema_version: Of this value.
        next_frame: The first frame that was not extracted yet.
        memory: Which infant is followed, and where others are.
        posture: How it lies; None where that must be found out.
        made_of: The video, settings and models that this belongs to.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid", strict=True)

    schema_version: Literal[1]
    next_frame: int
    memory: Memory
    posture: Posture | None
    made_of: Facts

    @classmethod
    def at_start(cls, made_of: Facts) -> Self:
        """Before the first frame."""
        return cls(1, 0, Memory(), None, made_of)

    def to_json(self) -> str:
        """One line of JSON; numbers read back exactly."""
        return json.dumps(asdict(self), allow_nan=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a state.

        Raises:
            StateError: It is none, or of another version.
        """
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "all of it"
            raise StateError(
                f"expected the state of an extraction, got one with a wrong {where}: {first['msg']}"
            ) from error

    def check_made_of(self, made_of: Facts) -> None:
        """Refuse to go on with anything else than what this state belongs to.

        Raises:
            StateError: The message names the first thing that differs.
        """
        for part in sorted(self.made_of.keys() | made_of.keys()):
            own, facts = self.made_of.get(part, {}), made_of.get(part, {})
            for name in sorted(own.keys() | facts.keys()):
                fact = f"{part}.{name}"
                had, got = own.get(name, _BEFORE.get(fact)), facts.get(name)
                if had != got and fact not in _JUDGED:
                    raise StateError(f"cannot go on: expected {fact} = {had!r}, got {got!r}")


def plain_facts(value: Any) -> dict[str, Plain]:  # noqa: ANN401 - any dataclass
    """A dataclass' fields as plain JSON values; what is no such value as text."""
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def model_facts(model_file: ModelFile, options: EngineOptions) -> dict[str, Plain]:
    """A model and how it is run: all of it that numbers depend on."""
    return {
        "name": model_file.manifest.name,
        "version": model_file.manifest.version,
        "sha256": model_file.sha256,
        "weights_sha256": model_file.manifest.weights_sha256,
        "engine": options.engine,
        "precision": options.precision,
        "batch_size": options.batch_size,
    }


def _plain(value: object) -> Plain:
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)
