"""The config models, one for each block of the JSON file except components, with all defaults."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mlmt_jax.config.components import KINDS, Component
from mlmt_jax.config.fields import (
    LAX,
    Block,
    Count,
    Encoding,
    FileName,
    Folder,
    Name,
    NamedBlock,
    Positive,
    Probability,
    Sample,
    Seed,
    Size,
    Weight,
)

#: Number of steps between two updates of the average of the parameters.
AVERAGE_INTERVAL = 10


class TrainingConfig(Block):
    """Training settings of a run: length, evaluation, seeds, sampling of tasks, devices."""

    eval_freq: Count = 1000
    """Number of steps between two evaluations."""
    max_step: Count | None = None
    """Maximum number of steps; with both `max_step` and `max_epoch` the first limit reached ends the run."""
    max_epoch: Count | None = None
    """Maximum number of epochs over the target's training data; required if `max_step` is `null`."""
    gpu: bool | None = None
    """If true, warn if there is no GPU; if false, use the CPU; `null`: use the device that is available."""
    seed: Seed = 1
    """Seed of the samples, the initial parameters, the batches and dropout."""
    sample_seed: Seed | None = None
    """Seed of the training sentences that `sample` draws; `null`: `seed`."""
    replicas: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Number of runs in one program (in turn on a CPU); replica r, from 0, is a single run of `seed` + r."""
    resample: bool = True
    """If true, replica r draws its own `sample`, with seed `sample_seed` + r; if false, all share one."""
    data_parallel: Count = 1
    """Number of devices that share each batch of a run; the other devices train other replicas."""
    output: Folder | None = None
    """Run folder, relative to the working directory; `null`: `runs/` and the name of the config file."""
    mixing: Literal["sqrt", "prob"] = "sqrt"
    """How tasks are sampled: by `"sqrt"` of their number of sentences, or by each task's `prob`."""
    aux_task_weight: Weight = 0.1
    """With `"mixing": "sqrt"`, weight factor of the tasks whose `task` is not the target's."""
    aux_language_weight: Weight = 0.1
    """With `"mixing": "sqrt"`, weight factor of the tasks whose `language` is not the target's."""
    patience: Count | None = None
    """Number of evaluations without a better target score that end the run; `null`: no early stopping."""
    eval_batch_size: Size = 128
    """Number of sentences per evaluation batch; batches of sentences of more than 32 words have fewer."""
    keep: Count = 2
    """Number of latest training states kept; `--resume` uses an older one if the newest is damaged."""
    unknown_rate: Probability = 0.1
    """Probability, in training, that a word or character that occurs once is replaced by the unknown one."""
    average_steps: Annotated[int, Field(ge=0, le=1_000_000, multiple_of=AVERAGE_INTERVAL)] = 0
    """Window of the moving average of the parameters, which is evaluated and kept; 0: the parameters are."""
    word_ends: bool = False
    """If true, two more characters mark the beginning and the end of each word."""
    log_to: list[Literal["tensorboard"]] = []  # noqa: RUF012 - pydantic copies it
    """Further logs of evaluations; `"tensorboard"`: event files in the run folder, by tensorboardX."""

    @property
    def effective_sample_seed(self) -> int:
        """Seed of the training sentences that ``sample`` draws: ``sample_seed``, or else ``seed``."""
        return self.seed if self.sample_seed is None else self.sample_seed


class ParserConfig(Block):
    """The format of a data set's files."""

    format: Literal["conll"] = "conll"
    """File format: columns, one token per line, an empty line between sentences; includes CoNLL-U."""
    token_col: int = 0
    """Column of the token, from 0; negative numbers count from the last column."""
    label_col: int = 1
    """Column of the tag, from 0; negative numbers count from the last column."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """Text between columns; `" "`: runs of spaces; `null`: tabs in lines with a tab, else runs of spaces."""
    skip_comment: bool = True
    """If true, skip lines that begin with `#`, in a sentence only those with another number of columns."""
    scheme: Literal["auto", "iob1", "iob2", "bioes", "io", "none"] = "auto"
    """Tag scheme of spans; `"none"`: tags of single words; `"auto"`: detected from the training file."""
    encoding: Encoding = "utf-8"
    """Text encoding; a byte-order mark is accepted."""


class FilesConfig(Block):
    """The files of a data set, relative to `data_root`."""

    train: FileName
    """File of training sentences."""
    dev: FileName
    """File of development sentences, which select the checkpoint."""
    test: FileName | None = None
    """File of test sentences, scored after training."""

    @property
    def by_split(self) -> dict[str, str]:
        """File names by split (`train`, `dev`, `test`); a split without a file is left out."""
        return self.model_dump(exclude_none=True)


class DatasetConfig(NamedBlock):
    """A data set: labelled sentences of one task in one language."""

    language: Name
    """Language of the sentences."""
    type: Literal["sequence"] = "sequence"
    """Kind of data: sentences with one tag per word."""
    task: Name
    """Task of the tags, such as `ner` or `pos`."""
    parser: ParserConfig = ParserConfig()
    """Format of the files."""
    files: FilesConfig
    """Files of the splits."""
    sample: Sample = "all"
    """Training sentences drawn at random: `"all"`, a number (`1`: one, `0`: none) or a share (`1.0`: all)."""
    batch_size: Size = 19
    """Number of sentences per training batch."""
    max_len: Count = 10_000
    """Maximum length of a training sentence in words; longer ones are left out, in training only."""


class ModelConfig(Block):
    """The components of a task model, by role."""

    model: Literal["lstm_crf"] = "lstm_crf"
    """Kind of tagger."""
    word_embed: Name
    """Word vectors: an `embedding`."""
    char_embed: Name | None = None
    """Character features: a `char_cnn`; required unless `use_char_embedding` is false."""
    char_highway: Name | None = None
    """Layers over the character features: a `highway`."""
    lstm: Name
    """Encoder: an `lstm`."""
    univ_layer: Name
    """Tag scores, shared by the languages of the task: a `linear`."""
    spec_layer: Name | None = None
    """Tag scores of this language, combined with those of `univ_layer` by a gate: a `linear`."""
    crf: Name
    """CRF over the tags: a `crf`."""
    embed_dropout: Probability = 0.0
    """Dropout rate of the word and character features."""
    lstm_dropout: Probability = 0.0
    """Dropout rate of the encoder's states."""
    linear_dropout: Probability = 0.0
    """Dropout rate of the tag scores."""
    use_char_embedding: bool = True
    """If true, the model uses the character features (`char_embed`, `char_highway`)."""

    def component_names(self) -> dict[str, str]:
        """Return the component of each role in use, in the order of the forward pass."""
        unused = () if self.use_char_embedding else ("char_embed", "char_highway")
        names = {role: getattr(self, role) for role in ROLES if role not in unused}
        return {role: name for role, name in names.items() if name is not None}


#: The kind of component that each role of a task model takes, in the order of the forward pass.
ROLES = {
    "word_embed": "embedding",
    "char_embed": "char_cnn",
    "char_highway": "highway",
    "lstm": "lstm",
    "univ_layer": "linear",
    "spec_layer": "linear",
    "crf": "crf",
}


class TaskConfig(Block):
    """A task model: one task in one language."""

    name: Name
    """Unique name, used in tables, scores and `--task`."""
    language: Name
    """Language, the same as that of the data set and of `word_embed`."""
    task: Name
    """Task, the same as that of the data set; task models with the same `task` have one tag set."""
    dataset: Name
    """Data set of this task model."""
    model: ModelConfig
    """Components of this task model."""
    ref: bool = False
    """If true, this is the target, whose development score selects the checkpoint; exactly one task is."""
    require_eval: bool = True
    """If true, every evaluation scores this task; required for the target."""
    learning_rate: Positive = 0.02
    """Learning rate at the first step of this task."""
    decay_rate: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Factor by which the learning rate falls over `decay_step` steps of this task."""
    decay_step: Count = 10_000
    """Number of steps of this task over which the learning rate falls by `decay_rate`."""
    momentum: Probability = 0.9
    """Momentum of SGD."""
    gradient_clipping: Positive = 5.0
    """Maximum global norm of the gradient, word vectors excluded."""
    prob: Weight = 1.0
    """With `"mixing": "prob"`, sampling weight of this task."""
    metric: Literal["auto", "span_f1", "accuracy"] = "auto"
    """Score; `"auto"`: strict span F1 for spans, accuracy for tags of single words."""
    gpu: bool | None = None
    """Accepted without effect: `training.gpu` holds for the whole run."""


class Config(Block):
    """A run: its data sets, its task models and the components that they share."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    """JSON Schema for editors, as printed by `mlmt config`."""
    recipe: Literal["lin2018", "lowres-1"] = "lin2018"
    """Named set of defaults: that of the paper, or the better one of [the table](#recipes)."""
    data_root: Folder = Path(".")
    """Folder of all data files, relative to the config file, or with `--set` to the working directory."""
    training: TrainingConfig
    """Training settings."""
    datasets: Annotated[tuple[DatasetConfig, ...], LAX, Field(min_length=1)]
    """Data sets."""
    tasks: Annotated[tuple[TaskConfig, ...], LAX, Field(min_length=1)]
    """Task models."""
    components: Annotated[tuple[Component, ...], LAX, Field(min_length=1)]
    """Shared components."""

    def replica(self, number: int) -> "Config":
        """Return the config of replica ``number`` (from 0) as that of a single run."""
        training = self.training
        seed = training.seed + number
        sample_seed = training.effective_sample_seed + (number if training.resample else 0)
        replica_training = {
            "seed": seed,
            "sample_seed": None if sample_seed == seed else sample_seed,
            "replicas": 1,
            "output": training.output and training.output / "replicas" / str(number),
        }
        return self.model_copy(update={"training": training.model_copy(update=replica_training)})

    @property
    def target(self) -> TaskConfig:
        """The task model with `ref`."""
        return next(task for task in self.tasks if task.ref)

    def dataset(self, name: str) -> DatasetConfig:
        """Return the data set named ``name``; the name must exist."""
        return next(dataset for dataset in self.datasets if dataset.name == name)

    def task(self, name: str) -> TaskConfig:
        """Return the task model named ``name``; the name must exist."""
        return next(task for task in self.tasks if task.name == name)

    def component(self, name: str) -> Component:
        """Return the component named ``name``; the name must exist."""
        return next(component for component in self.components if component.name == name)

    def path(self, name: str | Path) -> Path:
        """Return the path of a file: ``name`` in ``data_root``, or ``name`` itself if it is absolute."""
        return self.data_root / name

    def resolved(self) -> dict[str, Any]:
        """Return the config with all defaults as JSON values; they parse to an equal config.

        Keys whose value is null are left out: null is their default.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


#: The model of each block, by its JSON path without indices; components by their kind.
BLOCKS: dict[tuple[str, ...], type[Block]] = {
    (): Config,
    ("training",): TrainingConfig,
    ("datasets",): DatasetConfig,
    ("datasets", "parser"): ParserConfig,
    ("datasets", "files"): FilesConfig,
    ("tasks",): TaskConfig,
    ("tasks", "model"): ModelConfig,
    **{("components", kind): block for kind, block in KINDS.items()},
}
