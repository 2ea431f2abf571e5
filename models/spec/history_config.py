"""How the query tower reads the history. Free of TensorFlow.

Like a loss, each is named (`history_encoder: gru`) or given with its parameters.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from models.spec.loss_config import named
from models.spec.strict import Strict


class Recency(Strict):
    """A mean whose weights are learned, one a position; alike where events have no order."""

    type: Literal["recency"]


class Attention(Strict):
    """A mean whose weights are learned functions of the event, and of its position where events have an order."""

    type: Literal["attention"]


class GRU(Strict):
    """The last state of a gated recurrent unit (GRU4Rec, Hidasi et al. 2016), as wide as the embedding."""

    type: Literal["gru"]
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the event embeddings' numbers that a training step drops."""


class SelfAttention(Strict):
    """The last state of causal transformer blocks with learned positions (SASRec, Kang & McAuley 2018)."""

    type: Literal["self_attention"]
    blocks: int = Field(default=2, ge=1, le=24)
    """Blocks of attention and feed-forward layers, each normalised before and added to its input (pre-norm)."""
    heads: int = Field(default=2, ge=1, le=64)
    """Parts of the embedding that attend apart; they divide `embedding_dim`."""
    expansion: int = Field(default=1, ge=1, le=8)
    """Width of the feed-forward layer, in multiples of `embedding_dim`; SASRec has 1, most transformers 4."""
    recency_bias: bool = False
    """Add a learned number to the attention's logits by head and by how many events ago it was (as T5 and HSTU do,
    Raffel et al. 2020, Zhai et al. 2024), which starts as ALiBi's fixed one (Press et al. 2022): the older the less."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the numbers that a training step drops of event embeddings and of what a layer adds to them."""


HistoryEncoderConfig: TypeAlias = Annotated[
    Annotated[Recency | Attention | GRU | SelfAttention, Field(discriminator="type")], BeforeValidator(named)
]
