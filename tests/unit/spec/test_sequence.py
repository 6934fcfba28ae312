"""Rows and flags are checked, cut and joined; a header's skeleton has names that fit columns."""

import sys
from subprocess import run

import numpy as np
import pytest

from model.spec.errors import ArrayError, SequenceError
from model.spec.sequence import (
    ALL_FLAGS,
    FILLED,
    OUTLIER,
    SWAPPED,
    FilteredRows,
    Rows,
    SequenceSkeleton,
)
from tests.sequences import assert_same, usual_rows


def filtered_rows(count: int) -> FilteredRows:
    flags = np.random.default_rng(0).integers(0, ALL_FLAGS + 1, (count, 3)).astype(np.uint8)
    return FilteredRows(usual_rows(count, keypoints=3), flags)


def test_flags_are_bits_of_their_own() -> None:
    assert (FILLED, OUTLIER, SWAPPED, ALL_FLAGS) == (1, 2, 4, 7)


def test_filtered_rows_are_cut_and_joined_with_their_flags() -> None:
    whole = filtered_rows(10)
    parts = [whole[:3], whole[3:3], whole[3:]]
    assert [len(part) for part in parts] == [3, 0, 7]
    assert np.array_equal(parts[2].flags, whole.flags[3:])
    again = FilteredRows.joined(parts)
    assert_same(again.rows, whole.rows)
    assert np.array_equal(again.flags, whole.flags)


def test_flags_that_do_not_fit_are_refused() -> None:
    rows = usual_rows(2, keypoints=3)
    with pytest.raises(ArrayError, match=r"flags: expected uint8 \(2, 3\), got uint8 \(2, 2\)"):
        FilteredRows(rows, np.zeros((2, 2), np.uint8))
    with pytest.raises(ArrayError, match=r"flags: expected uint8 \(2, 3\), got int64 \(2, 3\)"):
        FilteredRows(rows, np.zeros((2, 3), np.int64))
    with pytest.raises(ArrayError, match="flags: expected 0 to 7, got 8"):
        FilteredRows(rows, np.full((2, 3), 8, np.uint8))


def test_a_status_that_does_not_exist_is_refused() -> None:
    columns = vars(usual_rows(2, keypoints=3)) | {"status": np.array([0, 4], np.uint8)}
    with pytest.raises(ArrayError, match="status: expected 0 to 3, got 4"):
        Rows(**columns)


def test_only_shapes_are_shown() -> None:
    assert repr(filtered_rows(4)) == "FilteredRows(4 frames, 3 keypoints)"
    assert repr(filtered_rows(4).rows) == "Rows(4 frames, 3 keypoints)"


@pytest.mark.parametrize("names", [(), ("a", "a"), ("a,b",), ("",), ("A",), ("a\n",)])
def test_names_that_do_not_fit_a_column_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(SequenceError, match="keypoints: expected different names"):
        SequenceSkeleton("odd", names, ())


def test_the_service_can_import_the_formats_without_pictures_or_pydantic() -> None:
    code = (
        "import sys; import model.spec.sequence_csv, model.spec.sequence_json;"
        "print(sorted({'cv2', 'pydantic', 'torch', 'scipy', 'onnxruntime'} & set(sys.modules)))"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
