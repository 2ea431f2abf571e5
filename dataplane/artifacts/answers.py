"""`answers.json` of an Evaluation: what the model recommends, for people to look at; no gate reads it."""

from typing import ClassVar

from dataplane.artifacts.document import Document, Part


class Band(Part):
    """Candidates that are about equally popular."""

    candidates: int
    training_events: int
    """With these candidates."""
    answers: int
    """Places that these candidates take in the lists."""


class Favourite(Part):
    """A candidate that is recommended often."""

    candidate_id: str
    answers: int
    """Lists that it is in."""


class Place(Part):
    """Where a candidate is on the map."""

    candidate_id: str
    x: float
    y: float


class CandidateMap(Part):
    """A sample of the candidate embeddings in the plane of their two principal components."""

    explained: tuple[float, float]
    """Share of the variance along x and along y."""
    places: tuple[Place, ...]


class Wanted(Part):
    """A relevant candidate of a query."""

    candidate_id: str
    rank: int | None
    """In the ranking of the whole catalogue; None if it is below the largest cut-off."""


class ExampleQuery(Part):
    """A test query that was drawn at random."""

    query_id: str
    history: tuple[str, ...]
    """Candidates of its latest seen events, most recent first."""
    answers: tuple[str, ...]
    """Recommended candidates, best first."""
    wanted: tuple[Wanted, ...]
    """Its relevant candidates, best rank first."""


class Answers(Document):
    """The first `k` answers to the test queries."""

    FILE: ClassVar[str] = "answers.json"

    k: int
    queries: int
    """Test queries that were asked."""
    recommended: int
    """Distinct candidates in the lists."""
    bands: tuple[Band, ...]
    """Tenths of the catalogue by training events, the most popular first."""
    favourites: tuple[Favourite, ...]
    """The most recommended candidates."""
    map: CandidateMap
    examples: tuple[ExampleQuery, ...]
