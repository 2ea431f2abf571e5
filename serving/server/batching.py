"""Joins concurrent requests into batches, which a model answers faster than one request after another.

A request that finds the model idle runs at once, so a lone client never waits. Requests that arrive while a batch runs
are gathered. They become the next batch when the running batch is done, when they have `max_batch_size` rows, or when
the first of them has waited `wait_ms` and a thread is free.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class QueueFullError(Exception):
    """The queue has no room for another request; the client may send the request again later."""


@dataclass(frozen=True)
class BatchingOptions:
    """How requests are joined; the first three options have TensorFlow Serving's names.

    Attributes:
        max_batch_size: the most rows of a batch that several requests share.
        max_enqueued_batches: the most rows that may wait, in batches of `max_batch_size`; further requests are refused.
        num_batch_threads: the number of batches that run at the same time.
        wait_ms: the longest time that a request waits for others while a thread is free; 0 runs each request alone.
    """

    max_batch_size: int = 64
    max_enqueued_batches: int = 32
    num_batch_threads: int = 2
    wait_ms: float = 5.0


@dataclass(frozen=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    rows: int
    arrived: float
    answer: "asyncio.Future[Result]"


class Batcher(Generic[Item, Result]):
    """Runs items in batches in its own threads; one event loop submits all items."""

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        options: BatchingOptions,
        *,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        """Starts with an empty queue.

        Args:
            run: returns a result or an error for each item of a batch; called from several threads. If `run` raises
                for a batch, each item runs alone, so that only the item at fault gets the error.
            options: how items are joined.
            on_batch: called with the number of rows of each batch.
        """
        self._run, self._options, self._on_batch = run, options, on_batch
        self._waiting: dict[Hashable, deque[_Waiting[Item, Result]]] = {}
        self._threads = ThreadPoolExecutor(options.num_batch_threads, thread_name_prefix="batch")
        self._running = 0
        self._timer: asyncio.TimerHandle | None = None
        self.queued_rows = 0
        """Number of rows that wait."""

    async def submit(self, item: Item, *, key: Hashable, rows: int) -> Result:
        """Returns the result for one item; an item that is cancelled while it waits never runs.

        Args:
            item: passed to `run`.
            key: only items with equal keys share a batch.
            rows: number of rows of the item.

        Raises:
            QueueFullError: too many rows wait.
            Exception: the error that `run` returned or raised for the item.
        """
        limit = self._options.max_batch_size * self._options.max_enqueued_batches
        if self.queued_rows and self.queued_rows + rows > limit:
            raise QueueFullError(
                f"{self.queued_rows} rows are waiting already, at most {limit} may wait; try again later"
            )
        loop = asyncio.get_running_loop()
        waiting = _Waiting[Item, Result](item, rows, loop.time(), loop.create_future())
        self._waiting.setdefault(key, deque()).append(waiting)
        self.queued_rows += rows
        self._start_due(loop)
        return await waiting.answer

    def _start_due(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting and self._running < self._options.num_batch_threads:
            key = min(self._waiting, key=lambda key: self._waiting[key][0].arrived)
            due = self._waiting[key][0].arrived + self._options.wait_ms / 1000
            if self._running and loop.time() < due and not self._fills_a_batch(key):
                self._wait_until(due, loop)
                return
            batch = self._take(key)
            if batch:
                self._running += 1
                self._threads.submit(self._work, batch, loop)

    def _fills_a_batch(self, key: Hashable) -> bool:
        return sum(waiting.rows for waiting in self._waiting[key]) >= self._options.max_batch_size

    def _wait_until(self, due: float, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(due, self._start_due, loop)

    def _take(self, key: Hashable) -> list[_Waiting[Item, Result]]:
        """Takes the next batch from the queue, without cancelled items; empty if all were cancelled."""
        queue, batch, rows = self._waiting[key], list[_Waiting[Item, Result]](), 0
        while queue and (not batch or (self._options.wait_ms and rows + queue[0].rows <= self._options.max_batch_size)):
            waiting = queue.popleft()
            self.queued_rows -= waiting.rows
            if not waiting.answer.done():
                batch.append(waiting)
                rows += waiting.rows
        if not queue:
            del self._waiting[key]
        return batch

    def _work(self, batch: Sequence[_Waiting[Item, Result]], loop: asyncio.AbstractEventLoop) -> None:
        self._on_batch(sum(waiting.rows for waiting in batch))
        results = self._results([waiting.item for waiting in batch])
        loop.call_soon_threadsafe(self._finish, batch, results, loop)

    def _results(self, items: Sequence[Item]) -> Sequence[Result | Exception]:
        try:
            return self._run(items)
        except Exception as error:  # any error is the answer to a request
            return [error] if len(items) == 1 else [self._results([item])[0] for item in items]

    def _finish(
        self,
        batch: Sequence[_Waiting[Item, Result]],
        results: Sequence[Result | Exception],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._running -= 1
        for waiting, result in zip(batch, results, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(result, Exception):
                waiting.answer.set_exception(result)
            else:
                waiting.answer.set_result(result)
        self._start_due(loop)
