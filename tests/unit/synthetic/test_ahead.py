"""Work ahead: results in order, bounded, errors and endings that leave no thread behind."""

import threading
import time

import pytest

from model.synthetic.ahead import worked_ahead


def _idle() -> bool:
    return not any(thread.name.startswith("ahead") for thread in threading.enumerate())


def test_results_come_in_order_whichever_is_finished_first() -> None:
    second_done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert second_done.wait(10), "two work at once"
        if number == 1:
            second_done.set()
        return number * number

    assert list(worked_ahead(work, 9)) == [n * n for n in range(9)]
    assert _idle()


@pytest.mark.parametrize("count", [0, 1, 4, 5])
def test_any_number_of_results(count: int) -> None:
    assert list(worked_ahead(str, count)) == [str(n) for n in range(count)]


def test_only_so_many_are_begun_before_one_is_taken() -> None:
    begun: list[int] = []
    results = worked_ahead(begun.append, 50, threads=2)
    next(results)
    time.sleep(0.05)
    assert max(begun) <= 4
    results.close()  # type: ignore[attr-defined]
    assert _idle()
    assert max(begun) <= 4


def test_an_error_comes_through_in_its_turn() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError(number)
        return number

    taken: list[int] = []
    results = worked_ahead(work, 6)
    with pytest.raises(ValueError, match="3"):
        taken.extend(results)
    assert taken == [0, 1, 2]
    assert _idle()


def test_an_interrupt_ends_the_threads() -> None:
    begun: list[int] = []

    def consume() -> None:
        for _ in worked_ahead(begun.append, 1000):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert _idle()
    assert len(begun) < 10
