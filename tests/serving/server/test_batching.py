import asyncio
import threading
import time
from collections.abc import Coroutine, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from serving.server.batching import Batcher, BatchingOptions, QueueFullError


class Model:
    """Doubles numbers; a negative one breaks the whole batch it is in, 13 only its own answer."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        assert self.gate.wait(10)
        if min(items) < 0:
            raise ArithmeticError(f"negative among {len(items)}")
        return [ValueError("thirteen") if item == 13 else 2 * item for item in items]


async def ask(batcher: Batcher[int, int], items: Sequence[int], **options: Any) -> list[Any]:
    options = {"key": "", "rows": 1, **options}
    return await asyncio.gather(*(batcher.submit(item, **options) for item in items), return_exceptions=True)


async def behind_a_busy_model(model: Model, batcher: Batcher[int, int], work: Coroutine[Any, Any, Any]) -> Any:
    """Lets `work` queue up while the model answers 0, then sets the model going."""
    model.gate.clear()
    first = asyncio.create_task(batcher.submit(0, key="first", rows=1))
    task = asyncio.create_task(work)
    for _ in range(20):
        await asyncio.sleep(0.001)
    model.gate.set()
    assert await first == 0
    return await task


ONE_THREAD = BatchingOptions(num_batch_threads=1, wait_ms=1000, max_batch_size=4, max_enqueued_batches=3)


def test_an_idle_model_is_asked_at_once() -> None:
    model = Model()
    began = time.monotonic()
    assert asyncio.run(ask(Batcher(model, BatchingOptions(wait_ms=10_000)), [1])) == [2]
    assert time.monotonic() - began < 5


def test_what_arrives_while_the_model_is_busy_is_joined() -> None:
    model = Model()
    batcher = Batcher(model, ONE_THREAD)
    answers = asyncio.run(behind_a_busy_model(model, batcher, ask(batcher, range(1, 7))))
    assert answers == [2, 4, 6, 8, 10, 12]
    assert model.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert batcher.queued_rows == 0


def test_a_full_batch_or_the_end_of_the_wait_takes_a_free_thread() -> None:
    model = Model()
    model.gate.clear()

    async def run(items: int, wait_ms: float) -> None:
        options = BatchingOptions(num_batch_threads=2, wait_ms=wait_ms, max_batch_size=4)
        batcher, before = Batcher(model, options), len(model.batches)
        tasks = [asyncio.create_task(ask(batcher, range(items)))]
        for _ in range(200):
            await asyncio.sleep(0.005)
            if len(model.batches) == before + 2:
                break
        assert len(model.batches) == before + 2
        model.gate.set()
        await asyncio.gather(*tasks)
        model.gate.clear()

    asyncio.run(run(5, 60_000))
    assert model.batches[:2] == [[0], [1, 2, 3, 4]]
    asyncio.run(run(3, 20))
    assert model.batches[2:4] == [[0], [1, 2]]


def test_without_a_wait_each_is_asked_alone() -> None:
    model = Model()
    batcher = Batcher(model, BatchingOptions(num_batch_threads=1, wait_ms=0))
    assert asyncio.run(ask(batcher, range(5))) == [0, 2, 4, 6, 8]
    assert model.batches == [[0], [1], [2], [3], [4]]


def test_only_equal_keys_are_joined_and_the_oldest_goes_first() -> None:
    model = Model()
    batcher = Batcher(model, ONE_THREAD)

    async def work() -> list[list[int]]:
        return await asyncio.gather(*(ask(batcher, [number], key=number % 2) for number in range(1, 7)))

    assert asyncio.run(behind_a_busy_model(model, batcher, work())) == [[2], [4], [6], [8], [10], [12]]
    assert model.batches == [[0], [1, 3, 5], [2, 4, 6]]


def test_an_error_is_its_own_requests_only() -> None:
    model = Model()
    batcher = Batcher(model, ONE_THREAD)
    answers = asyncio.run(behind_a_busy_model(model, batcher, ask(batcher, [1, 13, -1, 2])))
    assert [answers[0], answers[3]] == [2, 4]
    assert [str(answers[1]), str(answers[2])] == ["thirteen", "negative among 1"]


def test_a_full_queue_refuses_and_recovers() -> None:
    model = Model()
    batcher = Batcher(model, ONE_THREAD)
    answers = asyncio.run(behind_a_busy_model(model, batcher, ask(batcher, range(1, 9), rows=2)))
    assert answers[:6] == [2, 4, 6, 8, 10, 12]
    assert all(isinstance(answer, QueueFullError) for answer in answers[6:])
    assert "12 rows are waiting already" in str(answers[6])
    assert asyncio.run(ask(Batcher(model, ONE_THREAD), [1], rows=100)) == [2]  # larger than the queue, but alone


def test_who_gave_up_is_not_asked_for() -> None:
    model = Model()
    batcher = Batcher(model, ONE_THREAD)

    async def impatient() -> str:
        try:
            async with asyncio.timeout(0.001):
                await batcher.submit(99, key="", rows=1)
        except TimeoutError:
            return "gave up"
        return "was answered"

    async def work() -> tuple[str, list[int]]:
        return await asyncio.gather(impatient(), ask(batcher, [1, 2]))

    assert asyncio.run(behind_a_busy_model(model, batcher, work())) == ["gave up", [2, 4]]
    assert model.batches == [[0], [1, 2]]
    assert batcher.queued_rows == 0


@settings(max_examples=40)
@given(
    items=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 5), st.integers(0, 2)), max_size=40),
    options=st.builds(
        BatchingOptions,
        max_batch_size=st.integers(1, 8),
        max_enqueued_batches=st.just(100),
        num_batch_threads=st.integers(1, 3),
        wait_ms=st.sampled_from([0.0, 0.5, 5.0]),
    ),
)
def test_everybody_gets_their_own_answer(items: list[tuple[int, int, int]], options: BatchingOptions) -> None:
    model = Model()
    batcher = Batcher(model, options)

    async def work() -> list[Any]:
        calls = (batcher.submit(item, key=key, rows=rows) for item, rows, key in items)
        return await asyncio.gather(*calls, return_exceptions=True)

    for (item, _, _), answer in zip(items, asyncio.run(work()), strict=True):
        assert (str(answer) == "thirteen") if item == 13 else answer == 2 * item
    assert sum(map(len, model.batches)) == len(items)
