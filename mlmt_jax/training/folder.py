"""The run folder: which files a run leaves, and how they are written. JSON, text and orbax arrays only."""

import json
import os
from pathlib import Path
from typing import Any

from mlmt_jax.config import Config, parse_config
from mlmt_jax.data.corpus import Corpus, Vocabulary
from mlmt_jax.errors import RunError

__all__ = ["RunFolder"]

FORMAT = 1  # of the files below; a newer one is refused


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

    def check_same(self, config: Config, corpus: Corpus) -> None:
        """Raises ``RunError`` where the folder's run is not the one that config and data describe.

        How long a run goes on may change, and where its data is; what it trains may not.
        """

        def essence(data: dict[str, Any]) -> dict[str, Any]:
            free = ("max_step", "max_epoch", "patience", "output", "gpu", "eval_batch_size")
            training = {key: value for key, value in data["training"].items() if key not in free}
            return {**data, "training": training, "data_root": None, "$schema": None}

        mine, theirs = essence(config.resolved()), essence(self.config().resolved())
        if mine != theirs:
            different = [key for key in mine if mine[key] != theirs.get(key)]
            raise RunError(
                f"{self.path}: the run was started with another config (different: {', '.join(different)});\n"
                "give --resume the same config, or start anew with another --output"
            )
        for name, data in _data_files(config, corpus).items():
            found = self.read(name)
            # Runs of before it was written may go on without.
            if found != {key: value for key, value in data.items() if key != "seen" or key in found}:
                raise RunError(
                    f"{self.path}: the data is not what the run was started with: {name} would differ;\n"
                    "give --resume the same files, or start anew with another --output"
                )

    def create(self, config: Config, corpus: Corpus) -> None:
        """Makes the folder and writes what is known before the first step.

        Raises:
            RunError: where the folder cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for name, data in _data_files(config, corpus).items():
                self.write(name, data)
            # The config comes last: where it stands, the others are whole.
            self.write("config.json", config.resolved())
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error.strerror}") from None

    def write(self, name: str, data: Any) -> None:
        """Writes a JSON file, whole or not at all."""
        temporary = self.path / f".{name}.part"
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False, indent=None if name == "vocab.json" else 2)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path / name)

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
        except (ValueError, OSError) as error:
            raise RunError(f"{path}: cannot be read: {error}") from None

    def config(self) -> Config:
        """The resolved config of the run; no file that it names needs to exist."""
        return parse_config(self.read("config.json"), str(self.path / "config.json"))

    def vocabulary(self) -> tuple[Vocabulary, dict[str, dict[str, Any]]]:
        """The vocabulary, and by dataset the ``scheme`` of its files and whether its IO tags are ``bare``."""
        data = self.read("vocab.json")
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            found = data.get("format") if isinstance(data, dict) else type(data).__name__
            raise RunError(f"{self.path / 'vocab.json'}: its format is {found!r}, expected {FORMAT}")
        try:
            return Vocabulary.from_json(data), data["schemes"]
        except (KeyError, TypeError, AttributeError) as error:
            raise RunError(f"{self.path / 'vocab.json'}: not a vocabulary of a run: {error!r}") from None


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
        }
        for dataset in datasets
    }
    return {
        "vocab.json": {"format": FORMAT, "schemes": schemes, **corpus.vocabulary.as_json()},
        "samples.json": samples,
    }
