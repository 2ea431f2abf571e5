"""The `model` and `training` sections of a configuration. Free of TensorFlow, so they can be checked early."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from models.spec.augmentation_config import DualAugmentation
from models.spec.examples_config import EVERY_EVENT, EventWeights, ExamplesConfig
from models.spec.history_config import HistoryEncoderConfig, Recency, SelfAttention
from models.spec.loss_config import LossConfig, Softmax
from models.spec.negatives_config import ExactFrequency, FrequencyConfig, InBatchNegatives, NegativesConfig
from models.spec.strict import Strict
from models.spec.warm_start_config import WarmStart, WarmStartConfig


class TowerConfig(Strict):
    """The layers between a tower's concatenated inputs and its embedding."""

    layers: tuple[int, ...] = ()
    """Widths of the hidden layers. A linear projection to the embedding follows them."""
    activation: Literal["relu", "gelu", "tanh"] = "gelu"
    """Activation of the hidden layers."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Fraction of the inputs, and of each hidden layer's outputs, that a training step drops."""
    layer_norm: bool = False
    """Apply layer normalisation to each hidden layer before its activation (Ba et al. 2016)."""
    cross_layers: int = Field(default=0, ge=0, le=8)
    """Cross layers, which multiply the inputs with each other, before the hidden layers (DCN-v2, Wang et al. 2021)."""
    residual: bool = True
    """Add the pooled history (query tower) or the id's embedding (candidate tower) to the projection."""
    projection: bool = True
    """`false`: the embedding is the pooled history (query tower) or the id's embedding (candidate tower) plus one
    learned vector. Such a tower has few weights, which suits data with few events per item (FISM, Kabbur et al. 2013).
    It reads no features."""

    @model_validator(mode="after")
    def _towers_without_projection_have_no_settings(self) -> "TowerConfig":
        # Compares with the defaults, so that a configuration written out in full can be read again.
        if not self.projection and self.model_copy(update={"projection": True}) != TowerConfig():
            raise ValueError("a tower without projection has no layers or other settings; leave them out")
        return self

    @model_validator(mode="after")
    def _widths_are_positive(self) -> "TowerConfig":
        if any(width < 1 for width in self.layers):
            raise ValueError(f"'layers' must be widths of at least 1, not {list(self.layers)}")
        return self


DEFAULT_WIDTH = 64
"""Length of the embeddings of trained towers where the configuration names none."""


class ModelConfig(Strict):
    """Two towers whose embeddings meet in a dot product."""

    embedding_dim: Literal["auto"] | Annotated[int, Field(ge=1, le=4096)] = "auto"
    """Length of the query and candidate embeddings, and of each row in the table of candidate ids. `auto`: 64 for
    towers that are trained in steps, 128 for bags of ids; for a closed form, the one from 64 to 768 that validates
    best."""
    query_tower: TowerConfig = TowerConfig(layers=(128,))
    """Maps the query features, the context features and the pooled history to the query embedding."""
    candidate_tower: TowerConfig = TowerConfig()
    """Maps the candidate's id and features to its embedding."""
    history_encoder: HistoryEncoderConfig = Recency(type="recency")
    """`recency` and `attention` are weighted means with learned weights. `gru` and `self_attention` read the events in
    order and need ordered events. `{type: NAME, …}` sets parameters; see `models.spec.history_config`."""
    example_age: bool = False
    """In training the query tower also reads log(1 + days), the days from the event to the newest one. Serving passes
    0, so the model learns what is popular now (Covington et al. 2016)."""
    popularity_bias: bool = False
    """Add a learned bias per candidate to its scores. The bias is one more dimension of the embeddings, so a score is
    still their dot product."""
    siamese: bool = False
    """Both towers share one set of weights (Bromley et al. 1993): the query tower treats its pooled history as if it
    were a candidate. Only for models that read nothing but the history and the candidate id. `query_tower` configures
    both."""
    score: Literal["cosine", "dot"] = "cosine"
    """`cosine`: both embeddings are scaled to length 1. `dot`: embeddings keep their length."""
    temperature: Literal["auto", "learned"] | Annotated[float, Field(gt=0)] = "auto"
    """Training divides scores by the temperature. A lower one puts more weight on the strongest negatives. `auto`: for
    cosine scores, the one of several that validates best after a few epochs; for dot products 1, since their embeddings
    learn their length. `learned`: a trained parameter that starts at 0.1. Only for losses that scale scores; see
    `models.spec.loss_config`."""
    share_item_embedding: bool = True
    """The history and the candidate tower share one embedding table. Separate tables overfit on small data."""
    id_dropout: float = Field(default=0.05, ge=0, lt=1)
    """Fraction of candidate ids that a training step replaces by the out-of-vocabulary id. That row then serves new
    candidates, and the features learn to carry information of their own."""

    augmentation: DualAugmentation | None = None
    """Vectors that describe the other tower's side (DAT); see `models.spec.augmentation_config`."""

    @property
    def width(self) -> int:
        """Length of the embeddings of towers that are trained."""
        return DEFAULT_WIDTH if self.embedding_dim == "auto" else self.embedding_dim

    @model_validator(mode="after")
    def _augmentation_has_embeddings_to_mimic(self) -> "ModelConfig":
        if self.augmentation is not None and (self.siamese or self.popularity_bias):
            raise ValueError("augmentation needs two separate towers; leave siamese and popularity_bias out")
        return self

    @model_validator(mode="after")
    def _towers_without_projection_have_one_input(self) -> "ModelConfig":
        if not (self.query_tower.projection and self.candidate_tower.projection) and self.augmentation is not None:
            raise ValueError("augmentation needs towers with a projection, which reads its vectors")
        if not self.query_tower.projection and self.example_age:
            raise ValueError("example_age needs a query tower with a projection, which reads it")
        return self

    @model_validator(mode="after")
    def _heads_divide_the_embedding(self) -> "ModelConfig":
        encoder = self.history_encoder
        if isinstance(encoder, SelfAttention) and self.width % encoder.heads:
            raise ValueError(f"embedding_dim {self.width} is not divisible by {encoder.heads} heads")
        return self

    @model_validator(mode="after")
    def _siamese_towers_share_everything(self) -> "ModelConfig":
        if self.siamese and not self.share_item_embedding:
            raise ValueError("siamese towers share one table of ids; leave share_item_embedding: true")
        if self.siamese and self.candidate_tower not in (TowerConfig(), self.query_tower):
            raise ValueError("query_tower configures both siamese towers; leave candidate_tower out")
        if self.siamese and (self.popularity_bias or self.example_age):
            raise ValueError("siamese towers have equal inputs; leave popularity_bias and example_age out")
        return self


class TrainingConfig(Strict):
    """How the model is fitted and when training stops."""

    method: Literal["auto", "gradient", "closed_form"] = "auto"
    """`gradient`: trains the towers of `model` in steps. `closed_form`: computes the vectors of the candidate ids from
    a truncated SVD of the interactions, without steps (see `models.training.spectrum`). It reads only the history and
    the candidate id, and no setting of the towers but `model.embedding_dim`. Once validation has chosen the form, it is
    computed with the validation events too. `auto`: with ids alone and no setting of the towers or the loss other than
    its default, the recipe that validates best (see `models.spec.recipes`); otherwise `gradient`."""
    batch_size: int = Field(default=1024, ge=2)
    """Events per step. With in-batch negatives, also the number of candidates that compete."""
    examples: ExamplesConfig = EVERY_EVENT
    """Which events an epoch learns from: all of them (`events`); `n` per query (`per_query`); recent ones more often
    (`recent`, with `half_life_days`); or all positions of a query's events in one pass (`sequences`). See
    `models.spec.examples_config`."""
    labels: Literal["auto", "next", "later"] = "auto"
    """What a history has to predict. `next`: the event right after it. `later`: any event after it. The history of an
    event then ends at a random place before it, so the model learns long-term interests, which suits answers that are
    used for a long time (the all-action prediction of PinnerFormer, Pancha et al. 2022). `auto`: with `split.method:
    time`, where the evaluated histories do not grow, the one that validates better after a few epochs; otherwise
    `next`."""
    max_epochs: int = Field(default=30, ge=1)
    """Maximum number of passes over the training events."""
    learning_rate: float = Field(default=0.003, gt=0)
    """Step size. Adagrad needs about ten times the learning rate of Adam."""
    learning_rate_schedule: Literal["constant", "cosine"] = "constant"
    """`cosine`: decays from the learning rate to 0 at the end of `max_epochs` (Loshchilov & Hutter 2017). For trainings
    that run all epochs."""
    optimizer: Literal["lazy_adam", "adam", "adagrad"] = "lazy_adam"
    """`lazy_adam` and `adagrad` update only the embedding rows of the batch; `adam` updates every row at each step."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled weight decay (AdamW) per step, times the learning rate. Of embeddings only the batch's rows decay."""
    loss: LossConfig = Softmax(type="auto")
    """A name, or `{type: NAME, …}` with its parameters: `auto`, `full_softmax`, `in_batch_softmax`, `sampled_softmax`,
    `bpr`, `gbce`, `cosine_contrastive`, `contrastive`, `triplet`, `gramian`; see `models.spec.loss_config`."""
    full_softmax_budget: float = Field(default=2e12, gt=0)
    """Floating-point operations per epoch above which `auto` replaces the full softmax by mixed negatives."""
    negatives: NegativesConfig = InBatchNegatives(type="in_batch")
    """The negatives of a named loss other than `full_softmax`: `in_batch`, or `{type: NAME, n: DRAWS}` with `uniform`,
    `popularity` (and its `alpha`), `mixed`, `cross_batch` or `mined`; see `models.spec.negatives_config`."""
    mask_known: bool = True
    """Exclude a query's other known positives, earlier and later ones, from its negatives. `false`: they count as
    negatives, as in SASRec; for data where the next event depends strongly on the one before it."""
    frequency: FrequencyConfig = ExactFrequency(type="exact")
    """How the frequency of in-batch negatives is known: `exact` counts, or a `streaming` estimate with parameters."""
    logq_exponent: float = Field(default=1.0, ge=0, le=1)
    """`in_batch_softmax` and `sampled_softmax` correct scores by −exponent·log(frequency) (Yi et al. 2019). 1 removes
    the bias against frequent negatives, 0 keeps it."""
    use_weights: bool = True
    """Weight events by the weight column, if the data have one."""
    event_weights: EventWeights | None = None
    """Weight events by their kind of action; see `models.spec.examples_config`."""
    metric: Literal["recall@10", "recall@20", "recall@50", "ndcg@10", "ndcg@20", "ndcg@50"] = "recall@10"
    """Validation metric that selects the weights to keep. It is exact and ranks the full catalogue."""
    patience: int = Field(default=5, ge=1)
    """Training stops after this many validations without an improvement."""
    validation_steps: int | None = Field(default=None, ge=1)
    """Training steps between validations; one epoch if absent."""
    validation_queries: int = Field(default=20_000, ge=1)
    """Maximum number of queries validated: a fixed random sample of those with a validation event."""
    warm_start: WarmStartConfig = WarmStart()
    """`off`, `published` or `run:ID`: the model whose weights the training starts from, with rows aligned by id; or
    `{base: NAME, …}` with what is carried. See `models.spec.warm_start_config`."""
    final_fit: bool = False
    """Fit once more on all events, for the number of steps that validated best, and push that model."""
    distribution: Literal["none", "mirrored", "multi_worker"] = "none"
    """`mirrored`: all GPUs of the machine share each batch, and negatives come from the whole batch. `multi_worker`:
    the machines named in TF_CONFIG do the same. Except for dropout, the model learns the same as on one device."""

    @model_validator(mode="after")
    def _loss_has_its_negatives(self) -> "TrainingConfig":
        loss, negatives = self.loss.type, self.negatives.type
        if loss in ("auto", "full_softmax") and negatives != "in_batch":
            raise ValueError(f"loss '{loss}' compares with every candidate; negatives '{negatives}' need another loss")
        if negatives == "cross_batch" and loss not in ("in_batch_softmax", "sampled_softmax"):
            raise ValueError("cross_batch negatives need loss in_batch_softmax or sampled_softmax")
        if loss == "in_batch_softmax" and negatives not in ("in_batch", "mixed", "cross_batch"):
            raise ValueError(f"in_batch_softmax does not support {negatives} negatives; use sampled_softmax")
        return self

    @model_validator(mode="after")
    def _replicas_keep_no_state_of_their_own(self) -> "TrainingConfig":
        remembers = self.negatives.type in ("cross_batch", "mined") or self.frequency.type == "streaming"
        if self.distribution != "none" and remembers:
            raise ValueError(
                f"distribution: {self.distribution} does not support cross_batch or mined negatives or streaming "
                f"frequency, whose state lives in one process"
            )
        if self.distribution == "multi_worker" and self.final_fit:
            raise ValueError("distribution: multi_worker does not support final_fit; use another distribution")
        if self.distribution == "multi_worker" and self.warm_start.is_on:
            raise ValueError("distribution: multi_worker does not support warm_start; use another distribution")
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
