"""The shape of a film's pixels: many cameras record ones that are wider or narrower than high.

A ratio is a coded pixel's width over its height, as it is displayed.
"""

from fractions import Fraction


def square_wh(coded_wh: tuple[int, int], ratio: Fraction) -> tuple[int, int]:
    """Size in square px of a coded picture, before it is turned.

    The width is stretched by the ratio and rounded, the height stays. So a ratio below 1 makes the
    picture narrower, never higher: 720x480 of 8:9 is displayed as 640x480, as most players do it.
    """
    width, height = coded_wh
    return max(1, round(width * ratio)), height


def is_plausible(ratio: Fraction, most: float) -> bool:
    """Whether pixels have at most this ratio of the longer to the shorter side."""
    return ratio > 0 and max(ratio, 1 / ratio) <= most
