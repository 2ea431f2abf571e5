"""StatisticsGen over a window: statistics of known spans are merged, and the result is that of reading all rows."""

import pyarrow as pa
import pyarrow.parquet as pq

from components.base import Params
from components.statistics_gen import StatisticsGen
from dataplane.artifacts import Examples, Statistics
from dataplane.artifacts.examples import SpanOfExamples, WindowOfExamples
from dataplane.artifacts.statistics import StatisticsReport
from dataplane.files.digests import digests_below
from dataplane.parts import Parts
from tests.contexts import in_process


class Windows:
    """Computes statistics of windows over spans of two pieces, one of which has no rows."""

    def __init__(self, directory):
        self.directory = directory
        self.count = 0

    def run(self, *days, spans=True, cold=False):
        """Statistics of a window; returns the digests of their files, and the number of new parts."""
        self.count += 1
        examples = Examples(self.directory / f"examples-{self.count}")
        (examples.path / "interactions").mkdir(parents=True)
        for place, day in enumerate(days):
            rows = {
                "query_id": [f"u{(day + n) % 5}" for n in range(9)],
                "candidate_id": [f"i{n % (2 + day % 3)}" for n in range(9)],
                "price": [float(day * n) for n in range(9)],
            }
            pq.write_table(pa.table(rows), examples.path / f"interactions/part-{2 * place:05d}.parquet")
        pq.write_table(pa.table({"query_id": ["u0", "u7"]}), self._table(examples, "queries"))
        if spans:
            listed = [SpanOfExamples(span=str(day), rows=9, dead=0, filtered=0, pieces=2) for day in days]
            WindowOfExamples(span=str(days[-1]), missing=(), spans=tuple(listed)).write(examples)
        statistics = Statistics(self.directory / f"statistics-{self.count}")
        statistics.path.mkdir()
        parts = Parts(self.directory / (f"cold-{self.count}" if cold else "parts"), "code")
        known = {part.key for part in parts.every()}
        context = in_process(scratch=self.directory / "scratch", parts=parts)
        StatisticsGen(Params()).execute(StatisticsGen.Inputs(examples), StatisticsGen.Outputs(statistics), context)
        return digests_below(statistics.path), len(parts.used - known)

    def report(self):
        """The statistics of the last window."""
        return dict(StatisticsReport.read(Statistics(self.directory / f"statistics-{self.count}")).root)

    @staticmethod
    def _table(examples, name):
        (examples.path / name).mkdir()
        return examples.path / name / "part-00000.parquet"


def without_spans(report):
    """The statistics of all rows, without the numbers of rows by span."""
    return report | {"interactions": report["interactions"].model_copy(update={"spans": {}})}


def test_a_window_reads_new_spans_and_equals_a_cold_run(tmp_path):
    windows = Windows(tmp_path)
    assert windows.run(1, 2, 3)[1] == 3
    files, new = windows.run(2, 3, 4)
    assert new == 1
    assert files == windows.run(2, 3, 4, cold=True)[0]
    report = windows.report()
    assert report["interactions"].spans == {"2": 9, "3": 9, "4": 9}
    windows.run(2, 3, 4, spans=False)
    assert windows.report() == without_spans(report)
    assert windows.run(2, 3, 4)[1] == 0, "all statistics may be known"


def test_spans_of_the_same_rows_count_twice(tmp_path):
    windows = Windows(tmp_path)
    windows.run(3, 6)  # the rows of day 6 differ from those of day 3 in `price` alone
    same = tmp_path / "examples-1/interactions"
    windows.run(3, 6, cold=True)
    report = windows.report()
    windows.run(3, 6, spans=False)
    assert windows.report() == without_spans(report)
    assert len(list(same.iterdir())) == 2
