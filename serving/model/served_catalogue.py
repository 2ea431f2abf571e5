"""The candidates that are served: those of the data, or those of a later table."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from dataplane.artifacts import Catalogue, ServingModel
from dataplane.artifacts.catalogue import CatalogueChanges
from dataplane.artifacts.identity import Identity
from dataplane.dataset.sequences import Dataset, Entities, read_entities
from dataplane.errors import DataError
from models.ragged import offsets_of
from models.ranking.ranking import CandidateLists


@dataclass(frozen=True)
class ServedCatalogue:
    """The served candidates, and the stored events in terms of them.

    Attributes:
        dataset: queries and their events.
        candidates: the served candidates.
        refresh_of: identity of the model whose index is refreshed; None if the data's own candidates are served.
    """

    dataset: Dataset
    candidates: Entities
    refresh_of: Identity | None

    @classmethod
    def of(cls, dataset: Dataset, catalogue: Catalogue | None) -> "ServedCatalogue":
        """The candidates of `catalogue`, or of the data without one."""
        if catalogue is None:
            return cls(dataset, dataset.candidates, None)
        refresh_of = CatalogueChanges.read(catalogue).refresh_of
        return cls(dataset, read_entities(catalogue.path / "candidates"), refresh_of)

    def exported_embeddings(self, serving_model: ServingModel) -> np.ndarray:
        """Candidate embeddings of a serving model, float32 `[candidates, dim]`.

        Raises:
            DataError: the serving model has other candidates.
        """
        from models.saved_models.embeddings import exported_embeddings

        embeddings = exported_embeddings(serving_model.path / "exact")
        if len(embeddings) != len(self.candidates):
            raise DataError(
                f"the serving model has {len(embeddings)} candidates and the data {len(self.candidates)}; index again"
            )
        return embeddings

    def seen(self, start: int, stop: int) -> CandidateLists:
        """Served candidates in the events of queries `start:stop`, as rows of `candidates`."""
        events = self.dataset.events
        offsets = events.offsets[start : stop + 1] - events.offsets[start]
        rows = np.asarray(events.candidate[events.offsets[start] : events.offsets[stop]])
        if self.refresh_of is None:
            return CandidateLists(offsets, rows)
        named = self.dataset.candidates.ids.take(rows)
        served = pc.fill_null(pc.index_in(named, value_set=self.candidates.ids), -1).to_numpy(zero_copy_only=False)
        kept_before = offsets_of(served >= 0)
        return CandidateLists(kept_before[offsets], served[served >= 0])
