"""Some frames cut out of a file are the file that would have been written of them alone."""

from hypothesis import given
from hypothesis import strategies as st

from model.spec.sequence import FilteredRows, Rows
from model.spec.sequence_csv import CsvWriter
from model.spec.sequence_json import JsonWriter
from service.results import Form
from service.spans import Span, cut
from tests.sequences import any_filtered_rows, any_rows, header_of


def test_a_span_of_everything_is_known_as_such() -> None:
    assert Span().is_all
    assert not Span(0, 3).is_all
    assert not Span(1).is_all


def written(form: Form, rows: Rows | FilteredRows) -> bytes:
    """A whole file."""
    header = header_of("filtered" if isinstance(rows, FilteredRows) else "raw")
    writer = CsvWriter(header) if form == "csv" else JsonWriter(header)
    return writer.header() + b"".join(writer.rows(rows)) + writer.end()


@given(
    rows=any_rows() | any_filtered_rows(), first=st.integers(0, 12),
    behind=st.none() | st.integers(0, 12), piece=st.integers(1, 400),
)  # fmt: skip
def test_what_is_cut_is_what_would_be_written(
    rows: Rows | FilteredRows, first: int, behind: int | None, piece: int
) -> None:
    forms: tuple[Form, ...] = ("csv", "json")
    for form in forms:
        whole = written(form, rows)
        pieces = (whole[at : at + piece] for at in range(0, len(whole), piece))
        got = b"".join(cut(pieces, form, Span(first, behind)))
        assert got == written(
            form, rows[first : max(first, behind) if behind is not None else None]
        )
