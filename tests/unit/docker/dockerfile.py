"""What a Dockerfile says, as far as ours goes: stages, and what each inherits from its base."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Instruction:
    """One instruction, its lines joined.

    Attributes:
        keyword: In capitals, as in `COPY`.
        text: All that follows.
    """

    keyword: str
    text: str


@dataclass(frozen=True)
class Copied:
    """What a COPY brings.

    Attributes:
        stage: Where it is taken from; None for the repository.
        sources: What is taken.
        target: Where it lands; a folder where it ends with a slash.
    """

    stage: str | None
    sources: Sequence[str]
    target: str


@dataclass(frozen=True)
class Image:
    """A stage with all that came before it in its chain of bases.

    Attributes:
        base: The outside image that it stands on.
        instructions: From the base on.
        own: Those of its last stage alone.
    """

    base: str
    instructions: Sequence[Instruction]
    own: Sequence[Instruction]

    def every(self, keyword: str) -> list[str]:
        """The texts of all instructions of this kind."""
        return [one.text for one in self.instructions if one.keyword == keyword]

    def last(self, keyword: str) -> str | None:
        """The text of the instruction of this kind that holds."""
        found = self.every(keyword)
        return found[-1] if found else None

    def words(self, keyword: str) -> list[str]:
        """The words of CMD, ENTRYPOINT or HEALTHCHECK's CMD, which are JSON."""
        text = self.last(keyword) or "[]"
        found: list[str] = json.loads(text[text.index("[") :])
        return found

    def environment(self) -> dict[str, str]:
        """The variables that ENV sets."""
        pairs = [pair for text in self.every("ENV") for pair in shlex.split(text)]
        return dict(pair.split("=", 1) for pair in pairs)

    def copied(self) -> list[Copied]:
        """What every COPY brings."""
        return [_copied(text) for text in self.every("COPY")]

    def origin(self, path: str) -> str | None:
        """Which file of the repository lies at this place in the image."""
        for one in self.copied():
            for source in one.sources:
                lands = one.target + source.rpartition("/")[2]
                if one.stage is None and one.target.endswith("/") and lands == path:
                    return source
        return None


def read_dockerfile(text: str) -> dict[str, Image]:
    """The stages of a Dockerfile by their names."""
    images: dict[str, Image] = {}
    name = ""
    for one in _instructions(text):
        if one.keyword == "FROM":
            base, word, name = one.text.split()
            assert word.upper() == "AS"
            before = images.get(base)
            images[name] = Image(
                before.base if before else base, before.instructions if before else (), ()
            )
        else:
            image = images[name]
            images[name] = Image(image.base, (*image.instructions, one), (*image.own, one))
    return images


def targets(text: str) -> dict[str, Image]:
    """The stages that no other stage uses: the images that are shipped."""
    used = set(re.findall(r"(?:^FROM |--from=|,from=)([\w-]+)", text, re.MULTILINE))
    return {name: image for name, image in read_dockerfile(text).items() if name not in used}


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    pairs = [line.split(maxsplit=1) for line in joined.splitlines()]
    return [Instruction(keyword.upper(), rest) for keyword, rest in pairs]


def _copied(text: str) -> Copied:
    words = text.split()
    flags: Mapping[str, str] = dict(
        word.removeprefix("--").split("=", 1) for word in words if word.startswith("--")
    )
    *sources, target = [word for word in words if not word.startswith("--")]
    return Copied(flags.get("from"), sources, target)
