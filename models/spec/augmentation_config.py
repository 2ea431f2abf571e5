"""Vectors by which each tower tells of what the other one has seen (DAT, Yu et al. 2021). Free of TensorFlow."""

from pydantic import Field

from models.spec.strict import Strict


class CategoryAlignment(Strict):
    """Candidates of every category are to vary as those of the batch's largest one do, which has most to learn from."""

    feature: str
    """Categorical candidate feature; of several values the first one counts."""
    weight: float = Field(default=1.0, gt=0)
    """Of the distances between the categories' covariances and the largest one's, in the loss."""


class DualAugmentation(Strict):
    """A learned vector for each query and each candidate, an input of its tower beside the others.

    Training pulls it to the embeddings of the other tower that the query or candidate was seen with, so that the towers
    get to know each other's side before they meet in the dot product.
    """

    query_id: str
    """Feature of the queries that has the vectors' owners: one of type `id`."""
    weight: float = Field(default=0.1, gt=0)
    """Of the squared distances to the other tower's embeddings, in the loss."""
    alignment: CategoryAlignment | None = None
    """Category alignment, none if absent."""
