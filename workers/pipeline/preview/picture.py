"""One picture of a preview: first covered, then the skeleton, then the caption below it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.spec.errors import ArrayError
from model.spec.geometry import Size
from model.spec.head_mask import SOLID_GREY
from model.spec.sequence import STATUSES, Rows
from model.spec.skeleton import Skeleton
from workers.pipeline.masking.plan import MaskPlan, MaskSettings, Reason
from workers.pipeline.masking.record import MaskRecord
from workers.pipeline.preview.caption import Caption
from workers.pipeline.preview.skeleton_drawing import draw_keypoints, draw_names, draw_skeleton
from workers.pipeline.timing import StageClock
from workers.pipeline.video import Picture


@dataclass(frozen=True, kw_only=True)
class PreviewSettings:
    """How a preview looks.

    Attributes:
        masks: What is covered.
        max_wh: The picture is made to fit into this, px; it never grows.
        skeleton: Whether bones and keypoints are drawn.
        names: Whether keypoints are drawn and named, with or without bones.
        sure_score: Keypoints scored lower are drawn hollow.
        still_every_s: Time between stills.
        quality: The film coder's constant rate factor, 10 fine to 45 coarse.
        jpeg_quality: Of stills, 1 to 100.

    Raises:
        ArrayError: A value out of range.
    """

    masks: MaskSettings = field(default_factory=MaskSettings)
    max_wh: Size = (640, 1280)
    skeleton: bool = True
    names: bool = False
    sure_score: float = 0.3
    still_every_s: float = 1.0
    quality: int = 25
    jpeg_quality: int = 85

    def __post_init__(self) -> None:
        if min(self.max_wh) < 16:
            raise ArrayError(f"max_wh: expected at least 16 px, got {self.max_wh}")
        if not self.still_every_s > 0:
            raise ArrayError(f"still_every_s: expected more than 0, got {self.still_every_s}")
        if not (10 <= self.quality <= 45 and 1 <= self.jpeg_quality <= 100):
            raise ArrayError(
                f"expected a quality of 10 to 45, and 1 to 100 for stills, got {self.quality} "
                f"and {self.jpeg_quality}"
            )


def preview_wh(displayed_wh: Size, max_wh: Size) -> Size:
    """Size of a preview's picture: even numbers in the video's proportions, within bounds."""
    shrink = min(1.0, max_wh[0] / displayed_wh[0], max_wh[1] / displayed_wh[1])
    width, height = (max(2, 2 * int(side * shrink / 2 + 1e-9)) for side in displayed_wh)
    return width, height


class PreviewPainter:
    """Paints the frames of one preview.

    Attributes:
        picture_wh: Size of the covered picture, px.
        film_wh: Size with the caption below it, px; even numbers.
    """

    def __init__(
        self, plan: MaskPlan, rows: Rows, skeleton: Skeleton, settings: PreviewSettings
    ) -> None:
        self._plan, self._rows, self._skeleton, self._settings = plan, rows, skeleton, settings
        self.picture_wh = preview_wh(plan.displayed_wh, settings.max_wh)
        self._caption = Caption(self.picture_wh[0], legend=settings.skeleton or settings.names)
        self.film_wh = (self.picture_wh[0], self.picture_wh[1] + self._caption.height_px)
        self._covered = np.ones(len(rows), np.float32)
        self._reasons = plan.reasons.copy()
        scale = np.divide(self.picture_wh, plan.displayed_wh)
        self._points_xy = rows.keypoints_xy * scale + (scale - 1) / 2
        self._sure = rows.scores >= settings.sure_score  # NaN compares as false

    def paint(self, i: int, picture: Picture | None, clock: StageClock) -> NDArray[np.uint8]:
        """Frame i, covered and drawn over.

        Args:
            i: The frame.
            picture: None where it is damaged: the frame is grey.
            clock: Told how long covering and drawing take.

        Returns:
            uint8 (H, W, 3) RGB of `film_wh`.
        """
        width, height = self.film_wh
        frame = np.empty((height, width, 3), np.uint8)
        with clock.stage("mask"):
            frame[: self.picture_wh[1]] = self._cover(i, picture)
        with clock.stage("draw"):
            self._draw(i, frame)
        return frame

    def record(self) -> MaskRecord:
        """What covered the frames that were painted."""
        return MaskRecord(self._rows.frame_index, self._reasons, self._covered, self._plan.cell_px)

    def _cover(self, i: int, picture: Picture | None) -> NDArray[np.uint8]:
        width, height = self.picture_wh
        if picture is None:
            self._reasons[i] |= Reason.WHOLE_FRAME
            return np.full((height, width, 3), SOLID_GREY, np.uint8)
        mask = self._plan.mask(i, self.picture_wh)
        self._covered[i] = mask.mean()
        return self._plan.fill(i, picture.rgb(self.picture_wh), mask)

    def _draw(self, i: int, frame: NDArray[np.uint8]) -> None:
        shown = frame[: self.picture_wh[1]]
        points_xy, sure = self._points_xy[i], self._sure[i]
        if self._settings.skeleton:
            draw_skeleton(shown, points_xy, sure, self._skeleton)
        if self._settings.names:
            if not self._settings.skeleton:
                draw_keypoints(shown, points_xy, sure, self._skeleton)
            draw_names(shown, points_xy, self._skeleton)
        frame[self.picture_wh[1] :] = self._caption.draw(
            float(self._rows.time_s[i]), i, STATUSES[self._rows.status[i]]
        )
