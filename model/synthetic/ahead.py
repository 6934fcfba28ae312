"""Work that threads do ahead of the one that takes the results, in order."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def worked_ahead(
    work: Callable[[int], Result], count: int, *, threads: int = 2
) -> Iterator[Result]:
    """Results of `work` for 0, 1, ... count - 1, in that order.

    Args:
        work: What to do for a number; it runs for several at once, so it must change nothing
            that they share.
        count: How many numbers there are.
        threads: How many work; at most twice as many results wait to be taken.

    Raises:
        Exception: What `work` raised, when its turn comes. Whether it ends so, by an interrupt or
            because no more results are taken, nothing new is begun and the threads are gone.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="ahead") as pool:
        try:
            for number in range(count):
                waiting.append(pool.submit(work, number))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
