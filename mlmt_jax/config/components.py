"""The kinds of components: named sets of parameters that task models share."""

from typing import Annotated, Literal

from pydantic import Field

from mlmt_jax.config.fields import (
    Activation,
    Block,
    Count,
    FileName,
    Filters,
    Layers,
    Name,
    Probability,
    Size,
    Sizes,
)

__all__ = [
    "KINDS",
    "CRFConfig",
    "CharCNNConfig",
    "Component",
    "EmbeddingConfig",
    "HighwayConfig",
    "LSTMConfig",
    "LinearConfig",
]


class EmbeddingConfig(Block):
    """Word vectors of one language."""

    name: Name
    """Name by which tasks refer to it."""
    model: Literal["embedding"]
    """Kind of component."""
    language: Name | None = None
    """Language of the words; where given, the tasks that use it must be in it."""
    dimension: Size
    """Length of a word vector."""
    file: FileName | None = None
    """Pre-trained vectors: word2vec, fastText or GloVe text, gzip of these, or word2vec binary."""
    trainable: bool = True
    """Whether training changes the vectors."""
    ignore_case: bool = False
    """Whether all words are lower-cased first."""
    vocabulary: Literal["file", "data"] = "file"
    """`"file"`: the words of the file and of the training data; `"data"`: of the training data only."""
    max_words: Count = 400_000
    """At most so many words of the file, from its start."""
    stats: bool | None = None
    """Accepted, without effect: whether the file has a header line is seen from the line."""
    padding: int | None = None
    """Accepted, without effect: the rows kept for special words follow from the model."""
    padding_idx: int | None = None
    """Accepted, without effect: padding is masked and needs no row."""
    sparse: bool | None = None
    """Accepted, without effect: only the rows that a batch needs are read and written."""
    allow_gpu: bool | None = None
    """Accepted, without effect: the table lives where the model lives."""


class CharCNNConfig(Block):
    """Word features from characters: convolution, ReLU, maximum over the word."""

    name: Name
    """Name by which tasks refer to it."""
    model: Literal["char_cnn"]
    """Kind of component."""
    dimension: Size
    """Length of a character vector."""
    filters: Filters
    """Pairs of filter width (characters) and number of filters of this width."""

    @property
    def output_size(self) -> int:
        """Features a word."""
        return sum(count for _, count in self.filters)


class HighwayConfig(Block):
    """Highway layers over the character features."""

    name: Name
    """Name by which tasks refer to it."""
    model: Literal["highway"]
    """Kind of component."""
    position: Literal["char"] = "char"
    """Where it stands: after the character features."""
    num_layers: Layers = 1
    """Layers on top of each other."""
    activation: Activation = "relu"
    """Non-linearity: the name of any element-wise function of `jax.nn`, such as `"selu"`."""


class LSTMConfig(Block):
    """The recurrent encoder of the sentence."""

    name: Name
    """Name by which tasks refer to it."""
    model: Literal["lstm"]
    """Kind of component."""
    hidden_size: Size
    """Size of the state of each direction."""
    bidirectional: bool = True
    """Whether a second LSTM reads the sentence from its end."""
    forget_bias: float = 1.0
    """Start value of the forget gate's bias."""
    num_layers: Layers = 1
    """Layers on top of each other."""
    dropout: Probability = 0.0
    """Dropout between the layers; there must be two for it."""
    batch_first: bool | None = None
    """Accepted, without effect: the axis order is not a choice."""

    @property
    def output_size(self) -> int:
        """Features a word, over both directions."""
        return self.hidden_size * (2 if self.bidirectional else 1)


class LinearConfig(Block):
    """A layer from the encoder's states to tag scores."""

    name: Name
    """Name by which tasks refer to it."""
    model: Literal["linear"]
    """Kind of component."""
    position: Literal["output"] = "output"
    """Where it stands: before the CRF."""
    hidden: Sizes = ()
    """Sizes of hidden layers before the linear one; empty: none."""
    activation: Activation = "tanh"
    """Non-linearity of the hidden layers: the name of any element-wise function of `jax.nn`."""


class CRFConfig(Block):
    """The linear-chain CRF over tags."""

    name: Name
    """Name by which tasks refer to it."""
    model: Literal["crf"]
    """Kind of component."""
    constrain: bool | None = None
    """Whether ill-formed tag sequences are impossible in training and decoding; null: for span tasks."""


Component = Annotated[
    EmbeddingConfig | CharCNNConfig | HighwayConfig | LSTMConfig | LinearConfig | CRFConfig,
    Field(discriminator="model"),
]

#: The block of each value of `model`.
KINDS: dict[str, type[Block]] = {
    "embedding": EmbeddingConfig,
    "char_cnn": CharCNNConfig,
    "highway": HighwayConfig,
    "lstm": LSTMConfig,
    "linear": LinearConfig,
    "crf": CRFConfig,
}
