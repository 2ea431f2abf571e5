"""Vectors that let each tower describe what the other tower has seen (DAT, Yu et al. 2021). Free of TensorFlow."""

from pydantic import Field

from models.spec.strict import Strict


class CategoryAlignment(Strict):
    """Pulls the covariance of each category's candidates towards that of the batch's largest category."""

    feature: str
    """Categorical candidate feature that gives the category. If it has several values, the first one counts."""
    weight: float = Field(default=1.0, gt=0)
    """Weight in the loss of the squared distances between the categories' covariances and the largest one's."""


class DualAugmentation(Strict):
    """A learned vector for each query and each candidate, an additional input of its tower.

    Training pulls the vector towards the embeddings that the other tower gave to what this query or candidate was seen
    with. So each tower knows about the other side before the dot product.
    """

    query_id: str
    """Query feature of type `id` that names the owner of each vector."""
    weight: float = Field(default=0.1, gt=0)
    """Weight in the loss of the squared distances to the other tower's embeddings."""
    alignment: CategoryAlignment | None = None
    """Category alignment; off if absent."""
