import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from models.training.prefetching import Prefetched


def prefetching() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_items_come_in_order_and_the_loop_ends():
    with Prefetched(range(20), ahead=3) as ready:
        assert list(ready) == list(range(20))
        assert list(ready) == [], "and stays ended"
    assert prefetching() == []


def test_no_more_items_are_prepared_than_allowed():
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in itertools.count():
            made.append(number)
            yield number

    with Prefetched(numbers(), ahead=3) as ready:
        until = time.monotonic() + 30
        while len(made) < 3 and time.monotonic() < until:
            time.sleep(0.001)
        assert next(ready) == 0
        assert len(made) <= 4
    assert len(made) <= 5, "the end of the block asks for no more"
    assert prefetching() == []


def test_an_error_is_raised_when_its_item_is_requested():
    def broken() -> Iterator[int]:
        yield 1
        raise ValueError("no second one")

    with Prefetched(broken(), ahead=4) as ready:
        assert next(ready) == 1
        for _ in range(2):
            with pytest.raises(ValueError, match="no second one"):
                next(ready)
    assert prefetching() == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_thread_ends_with_the_block_whatever_ends_it(error):
    def loop() -> None:
        for _ in ready:
            raise error

    with pytest.raises(error), Prefetched(itertools.count(), ahead=2) as ready:
        loop()
    assert prefetching() == []


def test_a_block_that_requests_no_item_ends():
    with Prefetched(itertools.count(), ahead=1):
        pass
    assert prefetching() == []
