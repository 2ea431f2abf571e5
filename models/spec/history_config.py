"""How the query tower reads the history. Free of TensorFlow.

Like a loss, each is named (`history_encoder: gru`) or given with its parameters.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from models.spec.loss_config import named
from models.spec.strict import Strict


class Recency(Strict):
    """A mean with one learned weight per position; a plain mean if events have no order."""

    type: Literal["recency"]


class Attention(Strict):
    """A mean whose weights are a learned function of the event and, if events have an order, of its position."""

    type: Literal["attention"]


class GRU(Strict):
    """The last state of a gated recurrent unit as wide as the embedding (GRU4Rec, Hidasi et al. 2016)."""

    type: Literal["gru"]
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Fraction of the event embeddings' values that a training step drops."""


class SelfAttention(Strict):
    """The last state of causal transformer blocks with learned positions (SASRec, Kang & McAuley 2018)."""

    type: Literal["self_attention"]
    blocks: int = Field(default=2, ge=1, le=24)
    """Pre-norm blocks: attention and feed-forward layers, each normalised before and added to its input."""
    heads: int = Field(default=2, ge=1, le=64)
    """Attention heads; they must divide `embedding_dim`."""
    expansion: int = Field(default=1, ge=1, le=8)
    """Width of the feed-forward layer in multiples of `embedding_dim`. SASRec uses 1, most transformers use 4."""
    recency_bias: bool = False
    """Add a learned bias to the attention logits, per head and per distance in events (T5, Raffel et al. 2020; HSTU,
    Zhai et al. 2024). It is initialised as in ALiBi (Press et al. 2022), which favours recent events."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Fraction that a training step drops of the event embeddings and of each layer's output before it is added."""


HistoryEncoderConfig: TypeAlias = Annotated[
    Annotated[Recency | Attention | GRU | SelfAttention, Field(discriminator="type")], BeforeValidator(named)
]
