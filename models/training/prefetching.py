"""Makes what a loop needs next ahead of time, in a thread that ends with the loop."""

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class _Ended:
    """Why no more items come."""

    error: BaseException


class Prefetched(Generic[Item]):
    """Iterates over items of which a thread has some ready; for use in one `with` block.

    When the block ends, however it does, the thread has ended: nothing is left for the interpreter to wait for. An
    error in the making of an item is raised where that item is asked for, and a loop over finitely many items ends.

        with Prefetched(range(3), ahead=2) as ready:
            for number in ready:
                print(number)
    """

    def __init__(self, items: Iterable[Item], *, ahead: int) -> None:
        """Prepares; the thread starts with the block.

        Args:
            items: what to iterate over, in that thread.
            ahead: how many items may be ready or under way.
        """
        self._items = items
        self._room = threading.Semaphore(ahead)
        self._ready: queue.SimpleQueue[Item | _Ended] = queue.SimpleQueue()
        self._ended: _Ended | None = None
        self._closed = False
        # A daemon, so that a second interrupt while the block ends does not leave a thread to be waited for.
        self._thread = threading.Thread(target=self._make, name="prefetch", daemon=True)

    def __enter__(self) -> Self:
        """Starts to make items."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the thread, after the item it is making."""
        self._closed = True
        self._room.release()
        self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        """Itself."""
        return self

    def __next__(self) -> Item:
        """The next item.

        Raises:
            BaseException: what the items raised; StopIteration if there are no more.
        """
        if self._ended is None:
            item = self._ready.get()
            if not isinstance(item, _Ended):
                self._room.release()
                return item
            self._ended = item
        raise self._ended.error

    def _make(self) -> None:
        items = iter(self._items)
        while True:
            self._room.acquire()
            if self._closed:
                return
            try:
                item = next(items)
            except BaseException as error:  # belongs to whoever asks for the item
                self._ready.put(_Ended(error))
                return
            self._ready.put(item)
