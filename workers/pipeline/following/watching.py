"""One window as the detector sees it: when it looks, and where the infant is in between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workers.pipeline.extraction_settings import ExtractionSettings
from workers.pipeline.following.detecting import Look
from workers.pipeline.following.memory import Memory
from workers.pipeline.video import VideoFrame


@dataclass(frozen=True, eq=False)
class FollowedBoxes:
    """Where the followed infant is in each frame of a window.

    Attributes:
        xyxy: float64 (B, 4) px of the displayed picture; NaN where it is not known, and in
            damaged frames.
        score: float64 (B,), the detector's, interpolated like the box.
        held: bool (B,): the detector lost the infant, this is the last box that it gave.
    """

    xyxy: NDArray[np.float64]
    score: NDArray[np.float64]
    held: NDArray[np.bool_]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether there is a box: bool (B,)."""
        return np.isfinite(self.score)


class Watch:
    """The looks at one window.

    The detector looks at the first frame that can be read of every `detect_every`, and at the
    first of the next window, so that boxes are known to both sides of every frame; the last window
    is looked at in its last frame instead. Between a look that has the infant and one that has not
    it looks again in the middle, until the change is found or `extra_looks` are used up.

    Args:
        window: Frames of the window.
        ahead: Frames of the next window; empty behind the last one.
        memory: What was remembered at the end of the window before.
        look: Runs the detector on a frame.
        settings: The numbers to go by.
    """

    def __init__(
        self,
        window: Sequence[VideoFrame],
        ahead: Sequence[VideoFrame],
        memory: Memory,
        *,
        look: Callable[[VideoFrame], Look],
        settings: ExtractionSettings,
    ) -> None:
        self._window, self._memory, self._look = window, memory, look
        self._settings = settings
        self._extra_looks = settings.extra_looks
        self._looks: dict[int, Look] = {}
        self._readable = {f.index: f for f in window if f.picture is not None}
        every = settings.detect_every
        blocks = [window[start : start + every] for start in range(0, len(window), every)]
        firsts = [_first_readable(block) for block in blocks]
        last = _first_readable(ahead[:every]) or _first_readable(window[::-1])
        for frame in (*firsts, last):
            self._look_once(frame)
        self._settle()

    def _look_once(self, frame: VideoFrame | None) -> None:
        seen_before = frame is None or frame.index <= self._memory.looked_at
        if frame is not None and not seen_before and frame.index not in self._looks:
            self._looks[frame.index] = self._look(frame)

    @property
    def looks(self) -> list[Look]:
        """All looks so far, in the frames' order."""
        return [self._looks[index] for index in sorted(self._looks)]

    @property
    def memories(self) -> list[Memory]:
        """What is remembered at the start and after each look."""
        memories, memory = [self._memory], self._memory.expecting(self.looks, self._settings)
        for look in self.looks:
            memory = memory.after(look, self._settings)
            memories.append(memory)
        return memories

    def look_again(self, index: int) -> None:
        """Look at one more frame of the window, if that was not done yet."""
        if index in self._readable:
            self._look_once(self._readable[index])
            self._settle()

    def _settle(self) -> None:
        """Look between looks that have the infant and looks that have not."""
        while self._extra_looks > 0 and (frame := self._middle_of_a_change()) is not None:
            self._extra_looks -= 1
            self._look_once(frame)

    def _middle_of_a_change(self) -> VideoFrame | None:
        for before, after in pairwise(self.memories):
            if (before.in_sight is None) == (after.in_sight is None):
                continue
            between = [i for i in self._readable if before.looked_at < i < after.looked_at]
            if between:
                return self._readable[between[len(between) // 2]]
        return None

    def boxes(self) -> FollowedBoxes:
        """Where the followed infant is, interpolated between the looks that found it."""
        index = np.array([frame.index for frame in self._window])
        count = len(index)
        xyxy, score = np.full((count, 4), np.nan), np.full(count, np.nan)
        held = np.zeros(count, np.bool_)
        memories = self.memories
        for last in [memory.followed for memory in memories if memory.followed]:
            after = index - last.frame_index
            near = (after >= 0) & (after <= self._settings.hold_frames)
            xyxy[near], score[near], held[near] = last.xyxy, last.score, after[near] > 0
        for before, now in pairwise(memories):
            one, two = before.followed, now.in_sight
            if one is None or two is None:
                continue
            step = two.frame_index - one.frame_index
            apart_s = two.time_s - one.time_s
            soon = 0 <= apart_s < self._settings.elsewhere_after_s  # else another place
            if before.in_sight or (soon and step <= self._settings.detect_every):
                share = (index - one.frame_index) / step
                part = (share >= 0) & (share <= 1)
                weight = share[part, None]
                xyxy[part] = (1 - weight) * np.array(one.xyxy) + weight * np.array(two.xyxy)
                score[part] = (1 - share[part]) * one.score + share[part] * two.score
                held[part] = False
        damaged = np.array([frame.picture is None for frame in self._window])
        xyxy[damaged], score[damaged], held[damaged] = np.nan, np.nan, False
        return FollowedBoxes(xyxy, score, held)


def _first_readable(frames: Sequence[VideoFrame]) -> VideoFrame | None:
    return next((frame for frame in frames if frame.picture is not None), None)
