"""The taggers: with a single trained model, and with an ensemble of replicas."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mlmt_jax.config import Config
from mlmt_jax.corpus.vocabulary import Vocabulary
from mlmt_jax.errors import RunError
from mlmt_jax.exported import write_exported
from mlmt_jax.model.build import build_model, init_params
from mlmt_jax.model.stablehlo import export_programs
from mlmt_jax.runs.checkpoints import load_best_params, newest_best_step
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.packed import unpacked
from mlmt_jax.runs.replica_choice import choose_replica, usable_replicas
from mlmt_jax.tagger.sentence_models import Schemes, TaskContext, TrainedModel, mean_model
from mlmt_jax.tagger.sentence_tagger import SentenceTagger
from mlmt_jax.training.run_model import Inference
from mlmt_jax.types import Params


class Tagger(SentenceTagger):
    """A tagger with one task model of a run; `Tagger.load` or `mlmt_jax.fit` makes one.

    Attributes:
        metrics: the records of all evaluations of the training; empty unless `fit` made the tagger.
    """

    model: TrainedModel
    metrics: Sequence[dict[str, Any]] = ()

    def __init__(
        self,
        config: Config,
        vocabulary: Vocabulary,
        schemes: Schemes,
        params: Params,
        task: str | None = None,
    ):
        """Build the task model with trained parameters.

        Args:
            config: the run's config.
            vocabulary: the run's vocabulary.
            schemes: the tag schemes of the run's datasets, by dataset: "scheme" and "bare".
            params: the parameters of the run, by component; their shapes are not checked.
            task: the name of a task model of the run; None for the target.

        Raises:
            RunError: if the run has no such task model.
        """
        models = build_model(config, vocabulary.sizes).tasks
        name = config.target.name if task is None else task
        if name not in models:
            raise RunError(f"task {name!r} is not in the run; expected one of {', '.join(map(repr, models))}")
        context = TaskContext(config, vocabulary, schemes, config.task(name))
        super().__init__(TrainedModel(context, models[name], params, Inference(models[name], params)))

    @classmethod
    def load(
        cls,
        run: str | Path,
        task: str | None = None,
        vectors: str | Path | None = None,
        replica: int | None = None,
    ) -> "Tagger":
        """Restore the best checkpoint of a run folder, which has all that a tagger needs.

        If training diverged, a warning is printed to standard error.

        Args:
            run: the folder that training wrote, or a file that `mlmt_jax.pack` wrote.
            task: the name of a task model of the run; None for the target.
            vectors: a file with vectors of words that are out of the run's vocabulary, for this task's
                language and of the same training as the run's vectors. Such a word gets its vector from the
                file, or that of the word of the file to which it falls back.
            replica: the number of a replica, from 0; None for the best on the target's development data. The
                only number of a run without replicas is 0.

        Raises:
            RunError: if the folder holds no run, the run has no such task or replica or no checkpoint, or
                `vectors` are given and its word table did not start from vectors.
            DataError: if the vectors cannot be read, have another dimension or are of another training.
        """
        if Path(run).is_file():
            with unpacked(Path(run)) as packed:
                return cls.load(packed.path, task, vectors, replica)
        folder = choose_replica(RunFolder(run), replica)
        config = folder.config()
        if folder.divergence.exists():
            warning = "training diverged; the tagger uses the best checkpoint from before that"
            print(f"warning: {folder.path}: {warning}", file=sys.stderr)
        vocabulary, schemes = folder.vocabulary()
        model = build_model(config, vocabulary.sizes)
        shapes = jax.eval_shape(lambda key: init_params(model, key), jax.random.key(0))
        params = load_best_params(folder.checkpoints, folder.id, shapes)
        tagger = cls(config, vocabulary, schemes, params, task)
        if vectors is not None:
            vocabulary, params = tagger.model.extend_word_table(vectors)
            tagger = cls(config, vocabulary, schemes, params, task)
        return tagger.with_temperatures(folder.temperatures([newest_best_step(folder.checkpoints)]))

    def for_task(self, task: str) -> "Tagger":
        """Return the tagger of another task model of the same run. Both share the parameters.

        Words from `vectors` are known to the other task model if it has the same word table.

        Args:
            task: the name of the task model, one of `tasks`.

        Raises:
            RunError: if the run has no such task model.
        """
        context = self.model.context
        tagger = Tagger(context.config, context.vocabulary, context.schemes, self.model.params, task)
        return tagger.with_temperatures(self.model.temperatures)

    def export(self, path: str | Path) -> None:
        """Write the tagger as one file, for `mlmt_jax.exported.ExportedTagger`.

        The file holds StableHLO programs, parameters and vocabulary of this task model alone, with the words
        that `vectors` added. It runs on CPUs and NVIDIA GPUs, without the model's code. An existing file is
        replaced once the new one is complete.

        Args:
            path: the file; its folder must exist.

        Raises:
            RunError: if the file cannot be written.
        """
        context, vocabulary = self.model.context, self.model.context.vocabulary
        word_embed = context.task.model.word_embed
        words = {word_embed: vocabulary.words[word_embed]}
        tags, spans = {context.task.task: self.tag_names}, {context.task.task: context.tags.are_spans}
        about = {
            "task": self.task,
            "temperature": self.temperature,
            "batch_size": context.config.training.eval_batch_size,
            **context.file_scheme,
            "vocabulary": Vocabulary(words, vocabulary.characters, tags, spans).as_json(),
        }
        programs, params = export_programs(self.model.task_model, self.model.params)
        write_exported(path, about, programs, [np.asarray(leaf) for leaf in params])


class Ensemble(SentenceTagger):
    """A tagger with the mean of several taggers' marginals (`MeanModel`); `Ensemble.load` makes one."""

    def __init__(self, members: Sequence[Tagger]):
        """Combine taggers for one task; each may know other words and tags.

        The scheme of the tags is that of the first member. That the members' tasks agree is not checked.

        Raises:
            ValueError: if there are no members.
        """
        if not members:
            raise ValueError("members: got none; expected at least one tagger")
        super().__init__(mean_model([member.model for member in members]))
        self.members = tuple(members)

    @classmethod
    def load(cls, run: str | Path, task: str | None = None, vectors: str | Path | None = None) -> "Ensemble":
        """Restore the best checkpoint of every replica of a run; arguments and Raises as in `Tagger.load`.

        Replicas that diverged are left out, unless all of them diverged; then those that were evaluated are
        used.

        Raises:
            RunError: if the run has no replicas, or one is missing or has no score.
        """
        if Path(run).is_file():
            raise RunError(f"{run}: a packed run has one replica; expected the folder of a run of several")
        folders = usable_replicas(RunFolder(run))
        ensemble = cls([Tagger.load(folder.path, task, vectors) for folder in folders])
        steps = [newest_best_step(folder.checkpoints) for folder in folders]
        return ensemble.with_temperatures(RunFolder(run).temperatures(steps))

    def for_task(self, task: str) -> "Ensemble":
        """Return the ensemble for another task model of the same run. Both share the parameters.

        Raises:
            RunError: if the run has no task model of that name.
        """
        ensemble = Ensemble([member.for_task(task) for member in self.members])
        return ensemble.with_temperatures(self.model.temperatures)
