"""The configs of components: named sets of parameters that task models share."""

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
    NamedBlock,
    Probability,
    Size,
    Sizes,
)


class EmbeddingConfig(NamedBlock):
    """A table of word vectors of one language."""

    model: Literal["embedding"]
    """Kind of component."""
    language: Name | None = None
    """Language of the words; if set, the tasks that use the table must have this language."""
    dimension: Size
    """Size d of a word vector."""
    file: FileName | None = None
    """File of pre-trained vectors: word2vec, fastText or GloVe text, gzip of these, or word2vec binary."""
    trainable: bool = True
    """If true, training updates the vectors."""
    ignore_case: bool = False
    """If true, all words are lower-cased before the look-up."""
    vocabulary: Literal["file", "data"] = "file"
    """Words of the table: those of the training data, with `"file"` also those of the vector file."""
    max_words: Count = 400_000
    """Maximum number of words read from the vector file, from its start."""
    rotate: bool = False
    """If true, rotate the vectors onto the target's, by the words spelled alike in both files."""
    stats: bool | None = None
    """Accepted without effect: the reader detects a header line in the vector file."""
    padding: int | None = None
    """Accepted without effect: the model determines the rows of special words."""
    padding_idx: int | None = None
    """Accepted without effect: padding is masked and needs no row."""
    sparse: bool | None = None
    """Accepted without effect: a step always reads and writes only the rows of its batch."""
    allow_gpu: bool | None = None
    """Accepted without effect: the table is stored on the device of the model."""


class CharCNNConfig(NamedBlock):
    """Character features of a word: convolution, ReLU and maximum over the word's characters."""

    model: Literal["char_cnn"]
    """Kind of component."""
    dimension: Size
    """Size d of a character vector."""
    filters: Filters
    """Pairs of filter width (characters) and number of filters of this width."""
    start: Literal["xavier", "normal"] = "xavier"
    """Initial character vectors: `"xavier"`: of variance 2 / (rows + d); `"normal"`: of variance 1."""

    @property
    def output_size(self) -> int:
        """Number of features per word."""
        return sum(count for _, count in self.filters)


class HighwayConfig(NamedBlock):
    """Highway layers over the character features of a word."""

    model: Literal["highway"]
    """Kind of component."""
    position: Literal["char"] = "char"
    """Position in the model: after the character features."""
    num_layers: Layers = 1
    """Number of layers."""
    activation: Activation = "relu"
    """Activation function: the name of an element-wise function of `jax.nn`, such as `"selu"`."""


class LSTMConfig(NamedBlock):
    """The recurrent encoder of a sentence."""

    model: Literal["lstm"]
    """Kind of component."""
    hidden_size: Size
    """Size of the hidden state of each direction."""
    bidirectional: bool = True
    """If true, a second LSTM reads the sentence from its end."""
    forget_bias: float = 1.0
    """Initial bias of the forget gate."""
    num_layers: Layers = 1
    """Number of layers."""
    dropout: Probability = 0.0
    """Dropout rate between two layers; it needs `num_layers` of at least 2."""
    batch_first: bool | None = None
    """Accepted without effect: the axis order is fixed."""

    @property
    def output_size(self) -> int:
        """Number of features per word, both directions included."""
        return self.hidden_size * (2 if self.bidirectional else 1)


class LinearConfig(NamedBlock):
    """A layer that maps the encoder's states to tag scores."""

    model: Literal["linear"]
    """Kind of component."""
    position: Literal["output"] = "output"
    """Position in the model: before the CRF."""
    hidden: Sizes = ()
    """Sizes of hidden layers before the linear layer; empty for none."""
    activation: Activation = "tanh"
    """Activation function of the hidden layers: the name of an element-wise function of `jax.nn`."""


class CRFConfig(NamedBlock):
    """A linear-chain CRF over tags."""

    model: Literal["crf"]
    """Kind of component."""
    constrain: bool | None = None
    """If true, training and decoding exclude ill-formed tag sequences; `null`: true for tasks with spans."""


Component = Annotated[
    EmbeddingConfig | CharCNNConfig | HighwayConfig | LSTMConfig | LinearConfig | CRFConfig,
    Field(discriminator="model"),
]

#: The config class of each value of `model`.
KINDS: dict[str, type[Block]] = {
    "embedding": EmbeddingConfig,
    "char_cnn": CharCNNConfig,
    "highway": HighwayConfig,
    "lstm": LSTMConfig,
    "linear": LinearConfig,
    "crf": CRFConfig,
}
