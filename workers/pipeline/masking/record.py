"""What covered each frame of a preview, to be kept beside it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.spec.arrays import check_array
from workers.pipeline.masking.plan import Reason

COLUMNS = ("frame_index", "reasons", "covered", "cell_px")


@dataclass(frozen=True, eq=False, repr=False)
class MaskRecord:
    """N frames, in columns.

    Attributes:
        frame_index: int64 (N,).
        reasons: uint16 (N,), bits of `Reason`.
        covered: float32 (N,), the share of the picture's pixels that is covered.
        cell_px: float32 (N,), side of the mosaic's squares in px of the displayed picture.

    Raises:
        ArrayError: Wrong shape or dtype.
    """

    frame_index: NDArray[np.int64]
    reasons: NDArray[np.uint16]
    covered: NDArray[np.float32]
    cell_px: NDArray[np.float32]

    def __post_init__(self) -> None:
        sizes = check_array("frame_index", self.frame_index, ("N",), np.int64)
        check_array("reasons", self.reasons, ("N",), np.uint16, sizes)
        check_array("covered", self.covered, ("N",), np.float32, sizes)
        check_array("cell_px", self.cell_px, ("N",), np.float32, sizes)

    def __len__(self) -> int:
        return len(self.frame_index)

    def __repr__(self) -> str:
        return f"MaskRecord({len(self)} frames)"

    def csv_lines(self) -> Iterator[str]:
        """The record as CSV, line by line: a header, then a row a frame; reasons joined by `+`."""
        yield ",".join(COLUMNS) + "\n"
        for index, reasons, covered, cell_px in zip(
            self.frame_index, self.reasons, self.covered, self.cell_px, strict=True
        ):
            yield f"{index},{'+'.join(names_of(int(reasons)))},{covered:.4f},{cell_px:.1f}\n"


def names_of(reasons: int) -> list[str]:
    """Names of the reasons in a bit set, lower case, in the order of their bits."""
    return [one.name.lower() for one in Reason if one & reasons and one.name]
