"""The `model` and `training` sections of a configuration. Free of TensorFlow, so that they are checked early."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.spec.augmentation_config import DualAugmentation
from models.spec.examples_config import EVERY_EVENT, EventWeights, ExamplesConfig
from models.spec.history_config import HistoryEncoderConfig, Recency, SelfAttention
from models.spec.loss_config import LossConfig, Softmax
from models.spec.negatives_config import ExactFrequency, FrequencyConfig, InBatchNegatives, NegativesConfig
from models.spec.strict import Strict


class TowerConfig(Strict):
    """What stands between a tower's concatenated inputs and its embedding."""

    layers: tuple[int, ...] = ()
    """Widths of the hidden layers; a linear projection to the embedding follows."""
    activation: Literal["relu", "gelu", "tanh"] = "gelu"
    """Activation of the hidden layers."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the inputs, and of each hidden layer's outputs, that a training step drops."""
    layer_norm: bool = False
    """Normalise each hidden layer before its activation (Ba et al. 2016)."""
    cross_layers: int = Field(default=0, ge=0, le=8)
    """Layers that multiply the inputs with each other before the hidden ones (DCN-v2, Wang et al. 2021)."""
    residual: bool = True
    """Add the pooled history (query tower) or the id's embedding (candidate tower) to the projection."""
    projection: bool = True
    """`false`: the tower is that pooled history or that id's embedding, plus a learned vector common to all, so that a
    few events an item have no further weights to fit (FISM, Kabbur et al. 2013). For towers without features."""

    @model_validator(mode="after")
    def _without_projection_nothing_is_to_be_set(self) -> "TowerConfig":
        # Compared with the defaults, so that what is written out can be read again.
        if not self.projection and self.model_copy(update={"projection": True}) != TowerConfig():
            raise ValueError("a tower without projection has no layers or other settings; leave them out")
        return self

    @model_validator(mode="after")
    def _widths_are_positive(self) -> "TowerConfig":
        if any(width < 1 for width in self.layers):
            raise ValueError(f"'layers' are widths of at least 1, not {list(self.layers)}")
        return self


class ModelConfig(Strict):
    """Two towers that meet in a dot product."""

    embedding_dim: int = Field(default=64, ge=1, le=4096)
    """Length of query and candidate embeddings, and of a row of the table of candidate ids."""
    query_tower: TowerConfig = TowerConfig(layers=(128,))
    """From the query's features, the context's and the pooled history to the query's embedding."""
    candidate_tower: TowerConfig = TowerConfig()
    """From the candidate's id and features to its embedding."""
    history_encoder: HistoryEncoderConfig = Recency(type="recency")
    """`recency` or `attention`, means with learned weights; or, where events have an order, `gru` or `self_attention`,
    which read it, or `{type: NAME, …}` with parameters; see `models.spec.history_config`."""
    example_age: bool = False
    """The query tower is told in training how many days before the newest event an example was, as log(1 + days), and
    0 when serving: so it learns what is of today (Covington et al. 2016)."""
    popularity_bias: bool = False
    """Each candidate has a learned number that is added to its scores, as one more dimension of the embeddings: the
    score stays their dot product."""
    siamese: bool = False
    """One set of weights for both towers (Bromley et al. 1993): the query tower takes its pooled history for a
    candidate. For models of the history and the candidate id alone; settings of `query_tower` hold for both."""
    score: Literal["cosine", "dot"] = "cosine"
    """`cosine`: both embeddings have length 1. `dot`: they are left as they are."""
    temperature: Literal["auto", "learned"] | Annotated[float, Field(gt=0)] = "auto"
    """Training divides scores by it; lower looks harder at the strongest negatives. `auto`: of cosines the one of
    several that validation finds best after a few epochs; 1 of dot products, whose embeddings learn how long to be.
    `learned`: a parameter as others are, from 0.1 on. Only for losses that scale scores: `models.spec.loss_config`."""
    share_item_embedding: bool = True
    """The history and the candidate tower use one table of ids. Apart, the history overfits on small data."""
    id_dropout: float = Field(default=0.05, ge=0, lt=1)
    """Share of candidate ids a training step replaces by the out-of-vocabulary one, which so learns to serve new
    candidates while their features learn to speak."""

    augmentation: DualAugmentation | None = None
    """Vectors by which each tower learns of the other side (DAT); see `models.spec.augmentation_config`."""

    @model_validator(mode="after")
    def _augmentation_has_embeddings_to_mimic(self) -> "ModelConfig":
        if self.augmentation is not None and (self.siamese or self.popularity_bias):
            raise ValueError("augmentation mimics embeddings of two towers; leave siamese and popularity_bias out")
        return self

    @model_validator(mode="after")
    def _towers_without_projection_have_one_input(self) -> "ModelConfig":
        if not (self.query_tower.projection and self.candidate_tower.projection) and self.augmentation is not None:
            raise ValueError("augmentation is for towers with a projection, which reads its vectors")
        if not self.query_tower.projection and self.example_age:
            raise ValueError("example_age is for query towers with a projection, which reads it")
        return self

    @model_validator(mode="after")
    def _heads_divide_the_embedding(self) -> "ModelConfig":
        encoder = self.history_encoder
        if isinstance(encoder, SelfAttention) and self.embedding_dim % encoder.heads:
            raise ValueError(f"{encoder.heads} heads do not divide an embedding_dim of {self.embedding_dim}")
        return self

    @model_validator(mode="after")
    def _siamese_towers_share_everything(self) -> "ModelConfig":
        if self.siamese and not self.share_item_embedding:
            raise ValueError("siamese towers have one table of ids; leave share_item_embedding: true")
        if self.siamese and self.candidate_tower not in (TowerConfig(), self.query_tower):
            raise ValueError("siamese towers are both configured by query_tower; leave candidate_tower out")
        if self.siamese and (self.popularity_bias or self.example_age):
            raise ValueError("siamese towers are the same for both sides; leave popularity_bias and example_age out")
        return self


class TrainingConfig(Strict):
    """How the model is fitted, and when to stop."""

    batch_size: int = Field(default=1024, ge=2)
    """Events a step; with in-batch negatives also how many candidates compete."""
    examples: ExamplesConfig = EVERY_EVENT
    """What an epoch learns from: `events`, all alike; `per_query` (and its `n`); `recent` (and its `half_life_days`);
    or `sequences`, all positions of a query's events in one pass; see `models.spec.examples_config`."""
    labels: Literal["auto", "next", "later"] = "auto"
    """What a history has to predict. `next`: the event right after it. `later`: one of all events after it; the history
    of an event ends at a random place before it, so that what is learnt is what a query wants in the long run, for
    answers that stay as they are for long (the all-action prediction of PinnerFormer, Pancha et al. 2022). `auto`:
    with a split in time, under which the histories of evaluation stay as they are, the one of both that validation
    finds better after a few epochs; else `next`."""
    max_epochs: int = Field(default=30, ge=1)
    """Passes over the training events at most."""
    learning_rate: float = Field(default=0.003, gt=0)
    """Step size. Adagrad wants one about ten times Adam's."""
    learning_rate_schedule: Literal["constant", "cosine"] = "constant"
    """`cosine`: from the learning rate to 0 at the end of `max_epochs`, along half a wave (Loshchilov & Hutter 2017);
    for trainings that go on to that end."""
    optimizer: Literal["lazy_adam", "adam", "adagrad"] = "lazy_adam"
    """`lazy_adam` and `adagrad` touch only the embedding rows of the batch; `adam` moves every row at each step."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled decay (AdamW) a step, times the learning rate; of embeddings only the batch's rows decay."""
    loss: LossConfig = Softmax(type="auto")
    """A name, or `{type: NAME, …}` with its parameters: `auto`, `full_softmax`, `in_batch_softmax`, `sampled_softmax`,
    `bpr`, `gbce`, `cosine_contrastive`, `contrastive`, `triplet`, `gramian`; see
    `models.spec.loss_config`."""
    full_softmax_budget: float = Field(default=2e12, gt=0)
    """Floating-point operations an epoch of the full softmax may take before `auto` turns to mixed negatives."""
    negatives: NegativesConfig = InBatchNegatives(type="in_batch")
    """What a named loss other than `full_softmax` compares positives with: `in_batch`, or `{type: NAME, n: DRAWS}` with
    `uniform`, `popularity` (and its `alpha`), `mixed`, `cross_batch` or `mined`; see `models.spec.negatives_config`."""
    mask_known: bool = True
    """Whether a query's other known positives, earlier and later ones, are left out of its negatives. `false`: it is
    learnt that they were not the next, as SASRec does; for data where much depends on what comes right after what."""
    frequency: FrequencyConfig = ExactFrequency(type="exact")
    """How the frequency of in-batch negatives is known: `exact`, or `streaming` with its parameters."""
    logq_exponent: float = Field(default=1.0, ge=0, le=1)
    """`in_batch_softmax` and `sampled_softmax` correct scores by −exponent·log(frequency) (Yi et al. 2019): 1 removes
    the bias towards what is often a negative, 0 leaves it in."""
    use_weights: bool = True
    """Events count by their weight, where the data have weights."""
    event_weights: EventWeights | None = None
    """Events count by what kind of action they are; see `models.spec.examples_config`."""
    metric: Literal["recall@10", "recall@20", "recall@50", "ndcg@10", "ndcg@20", "ndcg@50"] = "recall@10"
    """Validation metric that chooses the weights to keep: exact, over the full catalogue."""
    patience: int = Field(default=5, ge=1)
    """Training stops after so many validations without a better one."""
    validation_steps: int | None = Field(default=None, ge=1)
    """Training steps between validations; an epoch's if absent."""
    validation_queries: int = Field(default=20_000, ge=1)
    """Queries validated at most: a random but fixed sample of those with a validation event."""
    final_fit: bool = False
    """Fit once more on all events, for the chosen number of steps, and push that model."""
    distribution: Literal["none", "mirrored", "multi_worker"] = "none"
    """`mirrored`: all GPUs of the machine share each batch, and negatives come from the whole of it; so do, with
    `multi_worker`, the machines that TF_CONFIG names. What is learnt is the same, but for what dropout drops."""

    @model_validator(mode="after")
    def _loss_has_its_negatives(self) -> "TrainingConfig":
        loss, negatives = self.loss.type, self.negatives.type
        if loss in ("auto", "full_softmax") and negatives != "in_batch":
            raise ValueError(
                f"loss '{loss}' may compare with every candidate; negatives '{negatives}' need another loss"
            )
        if negatives == "cross_batch" and loss not in ("in_batch_softmax", "sampled_softmax"):
            raise ValueError("cross_batch negatives need in_batch_softmax or sampled_softmax, which correct scores")
        if loss == "in_batch_softmax" and negatives not in ("in_batch", "mixed", "cross_batch"):
            raise ValueError(f"in_batch_softmax has no {negatives} negatives; use sampled_softmax")
        return self

    @model_validator(mode="after")
    def _replicas_need_no_memory(self) -> "TrainingConfig":
        remembers = self.negatives.type in ("cross_batch", "mined") or self.frequency.type == "streaming"
        if self.distribution != "none" and remembers:
            raise ValueError(
                f"distribution: {self.distribution} has no cross_batch or mined negatives and no streaming frequency, "
                f"which remember what one process has seen"
            )
        if self.distribution == "multi_worker" and self.final_fit:
            raise ValueError("distribution: multi_worker has no final_fit; train that with another distribution")
        return self

    @model_validator(mode="after")
    def _event_weights_are_used(self) -> "TrainingConfig":
        if self.event_weights is not None and not self.use_weights:
            raise ValueError("event_weights have no effect with use_weights: false; leave one of them out")
        return self

    @model_validator(mode="after")
    def _frequency_is_used(self) -> "TrainingConfig":
        corrected = ("in_batch_softmax", "sampled_softmax", "gramian")
        other = self.negatives.type not in ("in_batch", "mixed")
        if self.frequency.type == "streaming" and (other or self.loss.type not in corrected):
            raise ValueError(
                f"streaming frequency needs in_batch or mixed negatives and one of the losses {', '.join(corrected)}"
            )
        return self
