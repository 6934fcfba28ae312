"""The folder of one video's results: all that lies in it belongs to one extraction."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from model.spec.files import writing, written_aside
from workers.pipeline.outputs.journal import Journal

PREVIEW: Final = "preview.mp4"
RESULTS: Final = (
    "keypoints.csv",
    "keypoints.json",
    "keypoints-filtered.csv",
    "keypoints-filtered.json",
    "quality.json",
    "quality.png",
    PREVIEW,
    "preview.masks.csv",
)
"""Every file that an extraction may leave, beside its stills."""
_STILLS: Final = "stills"
_DONE: Final = ".done"
_JOURNAL: Final = ".journal-"
_HALF: Final = ".part"
"""Ends the names of files that `written_aside` has not finished."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a video.

    Attributes:
        frames: Decoded frames.
        by_status: How many of each status.
        cut_short: Whether the file ends before the video does.
        was_done: Nothing was done, because the folder holds just this already.
    """

    frames: int
    by_status: dict[str, int]
    cut_short: bool
    was_done: bool


@dataclass(frozen=True, kw_only=True)
class Digests:
    """Say what a folder's files belong to.

    Attributes:
        rows: The same where the same rows are found: all that the journal depends on.
        results: The same where the same results are made of them.
    """

    rows: str
    results: str


class ResultFolder:
    """The results of one extraction, which replace those of any other.

    Args:
        path: Where; made by `begin`.
        digests: Which extraction it is.
    """

    def __init__(self, path: Path, digests: Digests) -> None:
        self.path, self.digests = path, digests

    def outcome(self) -> Outcome | None:
        """That of an earlier call for just this; None where something of it is not there."""
        try:
            said = json.loads((self.path / _DONE).read_text())
            sizes = self._sizes()
        except (OSError, ValueError):  # not there, or cut short: it is done again
            return None
        if said["digest"] != self.digests.results or said["files"] != sizes:
            return None
        return Outcome(**said["outcome"], was_done=True)

    def begin(self) -> tuple[Journal, bool]:
        """Remove what belongs to no extraction, or to another.

        Nothing of another patient, who had a film of the same name, may stay beside new results.

        Returns:
            The journal to go on with, and whether one of another extraction was removed.

        Raises:
            OutputError: The folder cannot be written to.
        """
        journal = self.path / f"{_JOURNAL}{self.digests.rows[:16]}"
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            others = [path for path in self.path.glob(f"{_JOURNAL}*") if path != journal]
            (self.path / _DONE).unlink(missing_ok=True)
            for path in (*others, *self._results()):
                path.unlink()
            stills = self.path / _STILLS
            if stills.is_dir() and not any(stills.iterdir()):
                stills.rmdir()
        return Journal(journal), bool(others)

    def write_still(self, index: int, jpeg: bytes) -> None:
        """Write a frame's still.

        Raises:
            OutputError: It cannot be written.
        """
        stills = self.path / _STILLS
        with writing(stills):
            stills.mkdir(exist_ok=True)
        with written_aside(stills / f"{index:07}.jpg") as aside:
            aside.write_bytes(jpeg)

    def finish(self, outcome: Outcome) -> None:
        """Note that all results are there, and forget the way to them.

        Raises:
            OutputError: The folder cannot be written to.
        """
        facts = asdict(outcome)
        del facts["was_done"]
        with writing(self.path), written_aside(self.path / _DONE) as aside:
            said = {"digest": self.digests.results, "outcome": facts, "files": self._sizes()}
            aside.write_text(json.dumps(said) + "\n")
            for journal in self.path.glob(f"{_JOURNAL}*"):
                journal.unlink()

    def _sizes(self) -> dict[str, int]:
        """Bytes of every finished result by its name."""
        finished = [path for path in self._results() if path.suffix != _HALF]
        return {
            path.relative_to(self.path).as_posix(): path.stat().st_size for path in sorted(finished)
        }

    def _results(self) -> list[Path]:
        """All results that are there, with those that a killed call left half written."""
        names = [*RESULTS, *(f".{name}{_HALF}" for name in RESULTS)]
        there = [path for name in names if (path := self.path / name).exists()]
        stills = self.path / _STILLS
        return [*there, *stills.glob("*.jpg"), *stills.glob(f".*.jpg{_HALF}")]
