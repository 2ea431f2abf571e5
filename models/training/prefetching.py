"""Prepares the items of a loop ahead of time, in a thread that ends with the loop."""

import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class _Ended:
    """Marks the end of the items; `error` is StopIteration or the error that ended them."""

    error: BaseException


class Prefetched(Generic[Item]):
    """Iterates over items that a thread prepares ahead; use it in one `with` block.

    The thread has ended when the block ends, also after an error. An error while an item is prepared is raised when
    that item is requested. A loop over finitely many items ends as usual.

        with Prefetched(range(3), ahead=2) as ready:
            for number in ready:
                print(number)
    """

    def __init__(self, items: Iterable[Item], *, ahead: int) -> None:
        """Prepares the thread, which starts with the block.

        Args:
            items: iterated over in the thread.
            ahead: maximum number of items that are prepared or being prepared.
        """
        self._items = items
        self._room = threading.Semaphore(ahead)
        self._ready: queue.SimpleQueue[Item | _Ended] = queue.SimpleQueue()
        self._ended: _Ended | None = None
        self._closed = False
        # Daemon, so that a second interrupt while the block ends does not leave a thread that the interpreter waits
        # for.
        self._thread = threading.Thread(target=self._make, name="prefetch", daemon=True)

    def __enter__(self) -> Self:
        """Starts the thread."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends the thread after the item that it is preparing."""
        self._closed = True
        self._room.release()
        self._thread.join()

    def __iter__(self) -> Iterator[Item]:
        """Returns itself."""
        return self

    def __next__(self) -> Item:
        """The next item.

        Raises:
            BaseException: the error raised by the items; StopIteration if there are no more.
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
            except BaseException as error:  # raised when the item is requested
                self._ready.put(_Ended(error))
                return
            self._ready.put(item)
