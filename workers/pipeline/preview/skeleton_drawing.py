"""Drawing an infant's skeleton over a picture, so that left and right tell apart for all eyes.

Blue and orange differ for every kind of colour blindness, and a dark seam makes both readable on
skin, cloth and mosaic alike. What the network is not sure of is thin and hollow.
"""

from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from model.spec.skeleton import Skeleton

Colour = tuple[int, int, int]
Side = Literal["left", "right", "middle"]

COLOURS: Final[dict[Side, Colour]] = {
    "left": (70, 160, 255),
    "right": (255, 140, 20),
    "middle": (240, 240, 240),
}
"""RGB; sides are the infant's."""
SEAM: Final[Colour] = (20, 20, 20)
"""RGB of the dark edge around everything that is drawn."""
FONT: Final = cv2.FONT_HERSHEY_SIMPLEX

_FINE: Final = 4
"""Bits behind the binary point of coordinates, so that points do not jump from pixel to pixel."""
_FAR_PX: Final = 8000.0
"""Points farther out than this are not drawn: the numbers that lines take end."""
_TEXT: Final = 0.38
"""Height of names, in the font's own scale."""
_TRIES_PX: Final = (4, -9, 17, -22, 30)
"""Where a name may stand below its point, the first that is free."""


def side_of(name: str) -> Side:
    """The side that a keypoint's name says."""
    for side in ("left", "right"):
        if name.startswith(f"{side}_"):
            return side
    return "middle"


def draw_skeleton(
    picture_rgb: NDArray[np.uint8],
    points_xy: NDArray[np.floating],
    sure: NDArray[np.bool_],
    skeleton: Skeleton,
) -> None:
    """Draw bones and keypoints, in place.

    Args:
        picture_rgb: uint8 (H, W, 3).
        points_xy: (K, 2) px of this picture; what is NaN is left out.
        sure: bool (K,), keypoints whose score is good; the others are drawn thin and hollow.
        skeleton: Says which bones there are.
    """
    known = _drawable(points_xy)
    thick = _thick(picture_rgb)
    for a, b in skeleton.edges:
        if known[a] and known[b]:
            colour = COLOURS[_side_of_bone(skeleton, a, b)]
            ends = _fine(points_xy[a]), _fine(points_xy[b])
            if sure[a] and sure[b]:
                _line(picture_rgb, *ends, SEAM, thick + 2)
                _line(picture_rgb, *ends, colour, thick)
            else:
                _line(picture_rgb, *ends, _dimmed(colour), 1)
    draw_keypoints(picture_rgb, points_xy, sure, skeleton)


def draw_keypoints(
    picture_rgb: NDArray[np.uint8],
    points_xy: NDArray[np.floating],
    sure: NDArray[np.bool_],
    skeleton: Skeleton,
) -> None:
    """Draw keypoints without bones, in place; arguments as for `draw_skeleton`."""
    thick = _thick(picture_rgb)
    for k in np.flatnonzero(_drawable(points_xy)):
        colour = COLOURS[side_of(skeleton.keypoints[k])]
        mark(picture_rgb, points_xy[k], colour, sure=bool(sure[k]), radius=1.7 * thick)


def draw_names(
    picture_rgb: NDArray[np.uint8], points_xy: NDArray[np.floating], skeleton: Skeleton
) -> None:
    """Write each keypoint's name beside it, in place; colours say which side it is on."""
    known = _drawable(points_xy)
    if not known.any():
        return
    middle_x = float(points_xy[known, 0].mean())
    taken: list[tuple[int, int, int, int]] = []
    for k in np.flatnonzero(known):
        name = skeleton.keypoints[k]
        text = name.removeprefix(f"{side_of(name)}_").replace("_", " ")
        (wide, tall), _ = cv2.getTextSize(text, FONT, _TEXT, 1)
        x, y = (round(float(v)) for v in points_xy[k])
        left = x + 8 if x >= middle_x else x - 8 - wide
        left = min(max(left, 1), picture_rgb.shape[1] - wide - 1)
        for box in ((left, y + down - tall, left + wide, y + down) for down in _TRIES_PX):
            if not any(_overlap(box, other) for other in taken):
                taken.append(box)
                ground = (left - 2, box[1] - 2), (left + wide + 1, box[3] + 3)
                cv2.rectangle(picture_rgb, *ground, SEAM, -1)
                write(picture_rgb, text, (left, box[3]), COLOURS[side_of(name)], _TEXT)
                break


def write(
    picture_rgb: NDArray[np.uint8], text: str, xy: tuple[int, int], colour: Colour, scale: float
) -> None:
    """Write text, in place; xy is the left end of its base line."""
    cv2.putText(picture_rgb, text, xy, FONT, scale, colour, 1, cv2.LINE_AA)


def mark(
    picture_rgb: NDArray[np.uint8],
    xy: NDArray[np.floating],
    colour: Colour,
    *,
    sure: bool,
    radius: float,
) -> None:
    """Draw a keypoint, in place: full, or a ring where it is not sure."""
    middle = _fine(xy)
    if sure:
        _disc(picture_rgb, middle, radius + 1.5, SEAM, -1)
        _disc(picture_rgb, middle, radius, colour, -1)
    else:
        _disc(picture_rgb, middle, radius + 1, SEAM, 3)
        _disc(picture_rgb, middle, radius + 1, colour, 1)


def _drawable(points_xy: NDArray[np.floating]) -> NDArray[np.bool_]:
    return np.asarray((np.abs(points_xy) < _FAR_PX).all(-1))  # NaN compares as false


def _thick(picture_rgb: NDArray[np.uint8]) -> int:
    """Of a bone, px."""
    longer_px: int = max(picture_rgb.shape[:2])
    return max(1, round(longer_px / 320))


def _side_of_bone(skeleton: Skeleton, a: int, b: int) -> Side:
    sides = {side_of(skeleton.keypoints[a]), side_of(skeleton.keypoints[b])} - {"middle"}
    return sides.pop() if len(sides) == 1 else "middle"


def _dimmed(colour: Colour) -> Colour:
    return tuple(round(0.7 * value) for value in colour)  # type: ignore[return-value]


def _fine(xy: NDArray[np.floating]) -> tuple[int, int]:
    x, y = np.rint(np.asarray(xy, np.float64) * 2**_FINE).astype(int)
    return int(x), int(y)


def _line(
    picture: NDArray[np.uint8], a: tuple[int, int], b: tuple[int, int], colour: Colour, thick: int
) -> None:
    cv2.line(picture, a, b, colour, thick, cv2.LINE_AA, _FINE)


def _disc(
    picture: NDArray[np.uint8], xy: tuple[int, int], radius: float, colour: Colour, thick: int
) -> None:
    cv2.circle(picture, xy, round(radius * 2**_FINE), colour, thick, cv2.LINE_AA, _FINE)


def _overlap(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    apart = one[0] > other[2] + 3 or other[0] > one[2] + 3
    return not (apart or one[1] > other[3] + 4 or other[1] > one[3] + 4)
