"""The config file: one model a block. Defaults live here and in the components' module only."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mlmt_jax.config.components import KINDS, Component
from mlmt_jax.config.fields import (
    Block,
    Count,
    Encoding,
    FileName,
    Folder,
    FromJson,
    Name,
    Positive,
    Probability,
    Sample,
    Seed,
    Size,
    Weight,
)

__all__ = [
    "BLOCKS",
    "ROLES",
    "Config",
    "DatasetConfig",
    "FilesConfig",
    "ModelConfig",
    "ParserConfig",
    "TaskConfig",
    "TrainingConfig",
]


class TrainingConfig(Block):
    """How long, on what and from which seed a run trains."""

    eval_freq: Count = 1000
    """Steps between evaluations."""
    max_step: Count | None = None
    """Steps of the run. One of `max_step` and `max_epoch` is needed; of both, the first reached ends it."""
    max_epoch: Count | None = None
    """Epochs of the run, counted in the target's training data."""
    gpu: bool | None = None
    """true: warn where there is none; false: use the CPU; null: use what is there."""
    seed: Seed = 1
    """Decides samples, start values, which sentences share a batch, and dropout."""
    sample_seed: Seed | None = None
    """Decides which sentences `sample` takes; null: `seed` does."""
    replicas: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Runs in one program, on a CPU in turn; replica r, from 0, is the run that `seed` + r gives alone."""
    resample: bool = True
    """Whether each replica draws its own `sample` (`sample_seed` counts up as well); false: one for all."""
    data_parallel: Count = 1
    """Devices that share each batch of a run; the replicas are spread over devices beyond these."""
    output: Folder | None = None
    """Run folder, relative to the working directory; null: `runs/` and the config file's name."""
    mixing: Literal["sqrt", "prob"] = "sqrt"
    """What the chance of a task to be drawn follows: `"sqrt"` of its sentences, or the tasks' `prob`."""
    aux_task_weight: Weight = 0.1
    """With `"sqrt"`: factor of the tasks whose `task` is not the target's."""
    aux_language_weight: Weight = 0.1
    """With `"sqrt"`: factor of the tasks whose `language` is not the target's."""
    patience: Count | None = None
    """Evaluations without a better score of the target that end the run; null: none do."""
    eval_batch_size: Size = 128
    """Sentences in a batch of evaluation, fewer where they have more than 32 words."""
    keep: Count = 2
    """Last states that stay in the run folder, to go on from an older one where the newest is damaged."""
    unknown_rate: Probability = 0.1
    """Chance, in training, that a word or character seen once is replaced by the unknown one."""

    @property
    def seed_of_samples(self) -> int:
        """What decides which sentences ``sample`` takes."""
        return self.seed if self.sample_seed is None else self.sample_seed


class ParserConfig(Block):
    """How the files of a data set are read."""

    format: Literal["conll"] = "conll"
    """One token a line, in columns; an empty line between sentences. CoNLL-U is read as well."""
    token_col: int = 0
    """Column of the token, from 0; negative ones count from the last."""
    label_col: int = 1
    """Column of the tag, likewise."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """Text between columns; `" "`: runs of spaces; null: a tab where the line has one, else those."""
    skip_comment: bool = True
    """Whether lines that begin with `#` are comments; within a sentence, those with other columns."""
    scheme: Literal["auto", "iob1", "iob2", "bioes", "io", "none"] = "auto"
    """Tag scheme of spans; `"none"`: tags of single words; `"auto"`: seen from the training file."""
    encoding: Encoding = "utf-8"
    """Text encoding; a byte-order mark is accepted."""


class FilesConfig(Block):
    """The files of a data set, relative to `data_root`."""

    train: FileName
    """Training sentences."""
    dev: FileName
    """Development sentences, for the choice of the checkpoint."""
    test: FileName | None = None
    """Test sentences, scored at the end."""

    @property
    def by_split(self) -> dict[str, str]:
        """The files that are given, by `train`, `dev` and `test`."""
        return self.model_dump(exclude_none=True)


class DatasetConfig(Block):
    """Labelled sentences of one language and one task."""

    name: Name
    """Name by which tasks refer to it."""
    language: Name
    """Name of its language."""
    type: Literal["sequence"] = "sequence"
    """Sentences with one tag a word."""
    task: Name
    """Name of what its tags are, such as `ner` or `pos`."""
    parser: ParserConfig = ParserConfig()
    """How its files are read."""
    files: FilesConfig
    """Where its files are."""
    sample: Sample = "all"
    """Training sentences: `"all"`, a number (`1` is one, `0` none), a share (`1.0` is all); drawn by seed."""
    batch_size: Size = 19
    """Sentences in a batch of training."""
    max_len: Count = 10_000
    """Longest training sentence, in words; longer ones are left out of training only."""


class ModelConfig(Block):
    """Which components a task model is made of, by role."""

    model: Literal["lstm_crf"] = "lstm_crf"
    """Kind of tagger."""
    word_embed: Name
    """Word vectors: an `embedding`."""
    char_embed: Name | None = None
    """Character features: a `char_cnn`; needed unless `use_char_embedding` is false."""
    char_highway: Name | None = None
    """Layers over the character features: a `highway`."""
    lstm: Name
    """Encoder: an `lstm`."""
    univ_layer: Name
    """Tag scores, shared by the languages of the task: a `linear`."""
    spec_layer: Name | None = None
    """Tag scores of this language of the task, mixed in by a gate: a `linear`."""
    crf: Name
    """Tag sequences: a `crf`."""
    embed_dropout: Probability = 0.0
    """Dropout of the word and character features."""
    lstm_dropout: Probability = 0.0
    """Dropout of the encoder's states."""
    linear_dropout: Probability = 0.0
    """Dropout of the tag scores."""
    use_char_embedding: bool = True
    """Whether the character features (`char_embed`, `char_highway`) are used."""

    def uses(self) -> dict[str, str]:
        """The component of each role that is filled, in the order of the forward pass."""
        roles = ROLES if self.use_char_embedding else ROLES.keys() - {"char_embed", "char_highway"}
        named = {role: getattr(self, role) for role in ROLES if role in roles}
        return {role: name for role, name in named.items() if name is not None}


#: The kind of component that each role of a task model takes.
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
    """Name in tables, scores and `--task`."""
    language: Name
    """Its language, as its data set and its `word_embed` have it."""
    task: Name
    """Its task, as its data set has it; tasks with one `task` have one tag set."""
    dataset: Name
    """Data set it learns from."""
    model: ModelConfig
    """Components it is made of."""
    ref: bool = False
    """Marks the target, whose development score chooses the checkpoint; exactly one task has it."""
    require_eval: bool = True
    """Whether it is scored at every evaluation; the target must be."""
    learning_rate: Positive = 0.02
    """Learning rate at its first step."""
    decay_rate: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Factor of the learning rate over `decay_step` of its own steps."""
    decay_step: Count = 10_000
    """Steps of this task over which the rate falls by `decay_rate`."""
    momentum: Probability = 0.9
    """Momentum of its SGD."""
    gradient_clipping: Positive = 5.0
    """Largest global norm of its gradient, word vectors apart."""
    prob: Weight = 1.0
    """With `mixing` `"prob"`: its weight when a task is drawn."""
    metric: Literal["auto", "span_f1", "accuracy"] = "auto"
    """Its score: `"auto"` is strict span F1 for spans and accuracy for tags of single words."""
    gpu: bool | None = None
    """Accepted, without effect: devices are chosen for the whole run, see `training.gpu`."""


class Config(Block):
    """A run: its data sets, its task models and the components they share."""

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    """JSON Schema for editors, as `python -m mlmt_jax.config` prints it."""
    data_root: Folder = Path(".")
    """Where relative paths of data and vectors start; from the config's folder, by `--set` the shell's."""
    training: TrainingConfig
    """How the run trains."""
    datasets: Annotated[tuple[DatasetConfig, ...], FromJson, Field(min_length=1)]
    """Labelled data."""
    tasks: Annotated[tuple[TaskConfig, ...], FromJson, Field(min_length=1)]
    """Task models."""
    components: Annotated[tuple[Component, ...], FromJson, Field(min_length=1)]
    """Shared sets of parameters."""

    def replica(self, number: int) -> "Config":
        """The run that is replica ``number`` (from 0), as a config of its own."""
        training = self.training
        seed = training.seed + number
        sample = training.seed_of_samples + (number if training.resample else 0)
        output = training.output and training.output / "replicas" / str(number)
        own = {
            "seed": seed,
            "sample_seed": None if sample == seed else sample,
            "replicas": 1,
            "output": output,
        }
        return self.model_copy(update={"training": training.model_copy(update=own)})

    @property
    def target(self) -> TaskConfig:
        """The task with `ref`."""
        return next(task for task in self.tasks if task.ref)

    def dataset(self, name: str) -> DatasetConfig:
        """The data set of this name."""
        return next(dataset for dataset in self.datasets if dataset.name == name)

    def task(self, name: str) -> TaskConfig:
        """The task model of this name."""
        return next(task for task in self.tasks if task.name == name)

    def component(self, name: str) -> Component:
        """The component of this name."""
        return next(component for component in self.components if component.name == name)

    def path(self, relative: str | Path) -> Path:
        """Where a path of the config is on this machine; absolute ones stay."""
        return self.data_root / relative

    def resolved(self) -> dict[str, Any]:
        """The config with all defaults, ready for JSON; it loads again as an equal config.

        Keys that are null are left out: null is the default of each that may be.
        """
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


#: Every block by its JSON path without indices; components by their kind.
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
