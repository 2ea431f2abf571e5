"""`answers.json` of an Evaluation: recommendations of the model for people to inspect; no gate reads it."""

from typing import ClassVar

from dataplane.artifacts.document import Document, Part


class Band(Part):
    """Candidates that are about equally popular."""

    candidates: int
    training_events: int
    """Number of training events with these candidates."""
    answers: int
    """Number of places in the lists that have these candidates."""


class Favourite(Part):
    """A candidate that is recommended often."""

    candidate_id: str
    answers: int
    """Number of lists that contain the candidate."""


class Place(Part):
    """Position of a candidate on the map."""

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
    """Rank in the whole catalogue; None if it is below the largest cut-off."""


class ExampleQuery(Part):
    """A randomly drawn test query."""

    query_id: str
    history: tuple[str, ...]
    """Candidates of the latest seen events, most recent first."""
    answers: tuple[str, ...]
    """Recommended candidates, best first."""
    wanted: tuple[Wanted, ...]
    """Relevant candidates, best rank first."""


class Answers(Document):
    """The first `k` answers to the test queries."""

    FILE: ClassVar[str] = "answers.json"

    k: int
    queries: int
    """Number of test queries."""
    recommended: int
    """Number of distinct candidates in the lists."""
    bands: tuple[Band, ...]
    """Tenths of the catalogue by training events, the most popular first."""
    favourites: tuple[Favourite, ...]
    """The most recommended candidates."""
    map: CandidateMap
    examples: tuple[ExampleQuery, ...]
