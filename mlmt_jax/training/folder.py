"""The run folder: which files a run leaves, and how they are written. JSON, text and orbax arrays only."""

import contextlib
import hashlib
import itertools
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlmt_jax.config import Config, parse_config
from mlmt_jax.data.corpus import Corpus, Example, Vocabulary
from mlmt_jax.data.task_tags import check_tags
from mlmt_jax.data.vocab_check import find_wrong
from mlmt_jax.errors import RunError
from mlmt_jax.training.durable import replace_text, sync, writing

__all__ = ["RunFolder"]

FORMAT = 2  # of the files below and the checkpoints; any other one is refused


class RunFolder:
    """Paths and files of one run."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    @property
    def checkpoints(self) -> Path:
        """Where orbax writes."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """One JSON object a line for each evaluation."""
        return self.path / "metrics.jsonl"

    @property
    def summary(self) -> Path:
        """Scores of the best checkpoint; there once the run is finished."""
        return self.path / "summary.json"

    @property
    def diverged(self) -> Path:
        """Step and message of a replica that diverged."""
        return self.path / "diverged.json"

    def replica(self, number: int) -> "RunFolder":
        """The folder of one of several runs, which is a whole run folder itself."""
        return RunFolder(self.path / "replicas" / str(number))

    def member(self, replica: int | None) -> "RunFolder":
        """The folder of one replica, of the best one where none is named; this one where there are none.

        Raises:
            RunError: where there is no such replica, or none was evaluated.
        """
        count = self.config().training.replicas
        if replica is not None and not 0 <= replica < count:
            raise RunError(f"{self.path}: no replica {replica}; the run has {count}, counted from 0")
        if count == 1:
            return self
        if replica is not None:
            return self.replica(replica)
        return max(self.members(), key=lambda folder: folder._best_score() or 0.0)

    def members(self) -> list["RunFolder"]:
        """The folders of all replicas that were evaluated, of those that diverged only where all did.

        Raises:
            RunError: where there are none.
        """
        count = self.config().training.replicas
        # As many as the folder has: a config may say any number.
        there = itertools.takewhile(lambda f: f.path.is_dir(), map(self.replica, range(count)))
        found = [] if count == 1 else [folder for folder in there if folder._best_score() is not None]
        if not found:
            raise RunError(f"{self.path}: no replicas; expected a run of several that were evaluated")
        return [folder for folder in found if not folder.diverged.exists()] or found

    def _best_score(self) -> float | None:
        """The target's best development score so far."""
        scores = []
        if self.metrics.exists():
            for line in self.metrics.read_text(encoding="utf-8", errors="replace").splitlines():
                # Cut off as it was written, say.
                with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
                    scores.append(float(json.loads(line)["best_score"]))
        return scores[-1] if scores else None

    def holds_run(self) -> bool:
        """Whether a run has been started here."""
        return any((self.path / name).exists() for name in ("config.json", "checkpoints", "metrics.jsonl"))

    def check_free(self, *, resume: bool) -> None:
        """Raises ``RunError`` where a new run would meet an old one, or a resumed one would find none."""
        if self.holds_run() and not resume:
            raise RunError(
                f"{self.path}: this folder already holds a run;\n"
                "continue it with --resume, or choose another folder with --output"
            )
        if resume:
            self.config()

    def check_format(self) -> None:
        """Raises ``RunError`` where the folder has a format that this version cannot read."""
        if not (self.path / "run.json").exists():
            if not (self.path / "vocab.json").exists():
                return  # not a run
            found = 1  # had no such file
        else:
            data = self.read("run.json")
            found = data.get("format") if isinstance(data, dict) else None
            if not isinstance(found, int) or not isinstance(data.get("id"), str):
                raise RunError(f"{self.path / 'run.json'}: not what a run writes there")
        if found != FORMAT:
            remedy = "install a newer mlmt_jax" if found > FORMAT else "use the mlmt_jax that wrote it"
            raise RunError(
                f"{self.path}: the run has format {found}, but this version reads format {FORMAT};\n"
                f"{remedy}, or train anew with another --output"
            )

    @property
    def id(self) -> str:
        """What tells this run's checkpoints from those of others.

        Raises:
            RunError: as ``check_format``.
        """
        self.check_format()
        return self.read("run.json")["id"]

    def check_same(self, config: Config, corpora: Sequence[tuple[Config, Corpus]]) -> None:
        """Raises ``RunError`` where the folder's run is not the one that config and data describe.

        How long a run goes on may change, and where its data is; what it trains may not.

        Args:
            config: of the run.
            corpora: of each replica, its own config and data; one pair of a run alone.
        """
        self._check_config(config)
        for folder, (own, corpus) in zip(self.runs(len(corpora)), corpora, strict=True):
            folder._check_config(own)
            folder._check_data(own, corpus)

    def runs(self, count: int) -> list["RunFolder"]:
        """The folders of so many runs: this one, or one within it for each of several."""
        return [self] if count == 1 else [self.replica(number) for number in range(count)]

    def _check_config(self, config: Config) -> None:

        def essence(data: dict[str, Any]) -> dict[str, Any]:
            free = ("max_step", "max_epoch", "patience", "output", "gpu", "eval_batch_size", "keep")
            free = (*free, "data_parallel")
            training = {key: value for key, value in data["training"].items() if key not in free}
            return {**data, "training": training, "data_root": None, "$schema": None}

        mine, theirs = essence(config.resolved()), essence(self.config().resolved())
        if mine != theirs:
            different = [key for key in mine if mine[key] != theirs.get(key)]
            raise RunError(
                f"{self.path}: the run was started with another config (different: {', '.join(different)});\n"
                "give --resume the same config, or start anew with another --output"
            )

    def _check_data(self, config: Config, corpus: Corpus) -> None:
        for name, data in _data_files(config, corpus).items():
            before = self.read(name)
            if before != data:
                raise RunError(
                    f"{self.path}: the data is not what the run was started with: "
                    f"{_difference(name, before, data)};\n"
                    "give --resume the same files, or start anew with another --output"
                )

    def create(self, config: Config, corpora: Sequence[tuple[Config, Corpus]]) -> None:
        """Makes the folder and writes what is known before the first step; arguments as in ``check_same``.

        Raises:
            RunError: where the folder cannot be written.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            sync(self.path.parent)
        self.write("run.json", {"format": FORMAT, "id": uuid.uuid4().hex})
        if len(corpora) == 1:
            for name, data in _data_files(*corpora[0]).items():
                self.write(name, data)
        else:
            for folder, own in zip(self.runs(len(corpora)), corpora, strict=True):
                folder.create(own[0], [own])
        # The config comes last: where it stands, the others are whole.
        self.write("config.json", config.resolved())

    def go_on(self, config: Config, runs: Sequence[Config]) -> None:
        """Notes how long the run goes on now; ``runs``: of each replica, its own config."""
        for folder, own in zip(self.runs(len(runs)), runs, strict=True):
            folder.write("config.json", own.resolved())
        self.write("config.json", config.resolved())

    def write(self, name: str, data: Any) -> None:
        """Writes a JSON file, whole or not at all.

        Raises:
            RunError: where it cannot be written.
        """
        indent = None if name == "vocab.json" else 2
        text = json.dumps(data, ensure_ascii=False, indent=indent) + "\n"
        with writing(self.path / name):
            replace_text(self.path / name, text)

    def read(self, name: str) -> Any:
        """Reads a JSON file.

        Raises:
            RunError: naming the file, where it is missing or broken.
        """
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.path}: {name} is missing; expected the folder of a run") from None
        except (ValueError, OSError, RecursionError) as error:
            raise RunError(f"{path}: cannot be read: {error}") from None

    def config(self) -> Config:
        """The resolved config of the run; no file that it names needs to exist."""
        self.check_format()
        return parse_config(self.read("config.json"), str(self.path / "config.json"))

    def vocabulary(self) -> tuple[Vocabulary, dict[str, dict[str, Any]]]:
        """The vocabulary, and by dataset the ``scheme`` of its files and whether its IO tags are ``bare``.

        Raises:
            InputError: where it is missing, broken, or not one of the run's config.
        """
        config, data = self.config(), self.read("vocab.json")
        wrong = find_wrong(data, config)
        if wrong:
            raise RunError(f"{self.path / 'vocab.json'}: not a vocabulary of a run: {wrong}")
        vocabulary = Vocabulary.from_json(data)
        for error in check_tags(config, vocabulary.spans):
            raise error
        return vocabulary, data["schemes"]


def _data_files(config: Config, corpus: Corpus) -> dict[str, dict[str, Any]]:
    """What a run folder keeps of the data, by file name."""
    datasets = corpus.datasets.values()
    schemes = {dataset.name: {"scheme": dataset.scheme, "bare": dataset.bare} for dataset in datasets}
    samples = {
        dataset.name: {
            "file": config.dataset(dataset.name).files.train,
            "available": dataset.available,
            "sentences": dataset.sample.tolist(),
            "lines": [example.line for example in dataset.splits["train"]],
            "digests": {split: _digest(examples) for split, examples in dataset.splits.items()},
        }
        for dataset in datasets
    }
    return {
        "vocab.json": {"schemes": schemes, **corpus.vocabulary.as_json()},
        "samples.json": samples,
    }


def _digest(examples: Sequence[Example]) -> str:
    """SHA-256 of the words and tags of sentences."""
    text = json.dumps([(example.tokens, example.tags) for example in examples])
    return hashlib.sha256(text.encode()).hexdigest()


def _difference(name: str, theirs: Any, mine: dict[str, Any]) -> str:
    """What differs in a file of the data: the splits whose words or tags do, if it is no more than that."""
    if name == "samples.json" and isinstance(theirs, dict):
        for dataset, own in mine.items():
            before = theirs.get(dataset)
            if isinstance(before, dict) and {**before, "digests": None} == {**own, "digests": None}:
                splits = [s for s, digest in own["digests"].items() if before["digests"].get(s) != digest]
                if splits:
                    return f"words or tags of {dataset!r} have changed ({', '.join(splits)})"
    return f"{name} would differ"
