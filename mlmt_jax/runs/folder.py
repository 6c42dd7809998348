"""The run folder: which files a run leaves, and how they are written. JSON, text and orbax arrays only."""

import contextlib
import json
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlmt_jax.config import Config
from mlmt_jax.config import parse_config
from mlmt_jax.corpus.corpora import Corpus, Vocabulary
from mlmt_jax.corpus.tag_inventory import check_tags
from mlmt_jax.corpus.stored_vocabulary import find_wrong
from mlmt_jax.runs.atomic_files import replace_text, sync, writing
from mlmt_jax.errors import RunError
from mlmt_jax.runs.data_record import config_differences, data_difference, data_files, essence
from mlmt_jax.runs.run_json import SEALED, Identity, checksum, read_identity, write_identity
from mlmt_jax.runs.metrics_file import read_metrics
from mlmt_jax.runs.safe_open import check_no_link, read_own

__all__ = ["RunFolder"]


# What a run writes beside ``run.json``, by which a folder is known as its own.
_FILES = (*SEALED, "summary.json", "diverged.json")

# Keys of ``training`` that may change when a run goes on.
_FREE = ("max_step", "max_epoch", "patience", "output", "gpu", "eval_batch_size", "keep", "data_parallel")


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
        """The folder of one of several runs, which is a whole run folder itself.

        Raises:
            RunError: where it is a link.
        """
        path = self.path / "replicas" / str(number)
        for own in (path.parent, path):
            check_no_link(own)
        return RunFolder(path)

    @property
    def is_replica(self) -> bool:
        """Whether it is the folder of one of several runs."""
        above = self.path.absolute().parent
        return above.name == "replicas" and (above.parent / "run.json").exists()

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
            chosen = self.replica(replica)
            if chosen.diverged.exists() and chosen._best_score() is None:
                raise RunError(
                    f"{self.path}: replica {replica} diverged before it was evaluated;\n"
                    f"{chosen.diverged} says how"
                )
            return chosen
        return max(self.members(), key=lambda folder: folder._best_score() or 0.0)

    def members(self) -> list["RunFolder"]:
        """The folders of all replicas that did not diverge; where all did, of those that were evaluated.

        Raises:
            RunError: where there are none; where one is missing or was not evaluated, which those left are
                another run without.
        """
        count = self.config().training.replicas
        every = [self.replica(number) for number in range(count)] if count > 1 else []
        lost = [folder.path for folder in every if not folder.path.is_dir()]
        if lost and len(lost) < count:
            raise RunError(
                f"{lost[0]}: is missing; expected the {count} replicas of the run, or --replica for one alone"
            )
        found = [folder for folder in every if folder._best_score() is not None]
        healthy = [folder for folder in every if not folder.diverged.exists()]
        if not found:
            if every and not healthy:
                raise RunError(f"{self.path}: all replicas diverged before they were evaluated")
            raise RunError(f"{self.path}: no replicas; expected a run of several that were evaluated")
        unevaluated = [folder for folder in healthy if folder not in found]
        if unevaluated:
            raise RunError(
                f"{unevaluated[0].metrics}: holds no score; expected one of each replica that did not "
                "diverge, or --replica for one alone"
            )
        return healthy or found

    def _best_score(self) -> float | None:
        """The target's best development score so far."""
        scores = []
        for _, _, record in read_metrics(self.metrics):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                scores.append(float(record["best_score"]))
        return scores[-1] if scores else None

    def holds_run(self) -> bool:
        """Whether a run has been started here."""
        return any((self.path / name).exists() for name in ("config.json", "checkpoints", "metrics.jsonl"))

    def check_free(self, *, resume: bool) -> None:
        """Raises ``RunError`` where a new run would meet an old one, or a resumed one none or only a part.

        A folder whose run was ended before it had written all of its first files can be resumed: it starts.
        """
        if self.holds_run() and not resume:
            raise RunError(
                f"{self.path}: this folder already holds a run;\n"
                "continue it with --resume, or choose another folder with --output"
            )
        foreign = [name for name in _FILES if not resume and (self.path / name).exists()]
        if foreign and not (self.path / "run.json").exists():
            raise RunError(
                f"{self.path / foreign[0]}: is not of a run, which would write a file of this name;\n"
                "choose another folder with --output"
            )
        if resume and self.is_replica:
            raise RunError(
                f"{self.path}: is a replica of a run, which would not know of its further steps;\n"
                "resume the whole run, or a copy of this folder elsewhere"
            )
        if resume and self.holds_run():
            self.config()
        elif resume and not self._is_begun():
            raise RunError(f"{self.path}: there is no run to resume; start it without --resume")

    def _is_begun(self) -> bool:
        """Whether nothing is there but what ``create`` and ``locked`` leave when they are ended."""
        if not self.path.is_dir():
            return False
        own = {"run.json", "replicas", *SEALED}
        return all(path.name in own or path.name.startswith(".") for path in self.path.iterdir())

    @property
    def id(self) -> str:
        """What tells this run's checkpoints from those of others.

        Raises:
            RunError: where the folder holds no run, or one of a format that this version cannot read.
        """
        identity = read_identity(self.path)
        if identity is None:
            raise RunError(f"{self.path}: run.json is missing; expected the folder of a run")
        return identity.id

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
        mine, theirs = essence(config, _FREE), essence(self.config(), _FREE)
        if mine != theirs:
            different = config_differences(theirs, mine)
            raise RunError(
                f"{self.path}: the run was started with another config (different: {', '.join(different)});\n"
                "give --resume the same config, or start anew with another --output"
            )

    def _check_data(self, config: Config, corpus: Corpus) -> None:
        for name, data in data_files(config, corpus).items():
            before = self.read(name)
            if before != data:
                raise RunError(
                    f"{self.path}: the data is not what the run was started with: "
                    f"{data_difference(name, before, data)};\n"
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
        files = data_files(*corpora[0]) if len(corpora) == 1 else {}
        # The config comes last: where it stands, the others are whole.
        files["config.json"] = config.resolved()
        texts = {name: _text(name, data) for name, data in files.items()}
        sums = {name: [checksum(text.encode())] for name, text in texts.items()}
        write_identity(self.path, Identity(uuid.uuid4().hex, sums))
        if len(corpora) > 1:
            for folder, own in zip(self.runs(len(corpora)), corpora, strict=True):
                folder.create(own[0], [own])
        for name, text in texts.items():
            self._replace(name, text)

    def go_on(self, config: Config, runs: Sequence[Config]) -> None:
        """Notes how long the run goes on now; ``runs``: of each replica, its own config."""
        for folder, own in [*zip(self.runs(len(runs)), runs, strict=True), (self, config)]:
            if folder.read("config.json") != own.resolved():
                folder.write("config.json", own.resolved())

    def write(self, name: str, data: Any) -> None:
        """Writes a JSON file, whole or not at all, and notes its checksum where it has one.

        Raises:
            RunError: where it cannot be written.
        """
        text = _text(name, data)
        identity = read_identity(self.path) if name in SEALED else None
        if identity is None:
            self._replace(name, text)
            return
        # At no time does the file have a checksum that is not noted.
        before, new = identity.sums.get(name, []), checksum(text.encode())
        write_identity(self.path, identity._replace(sums={**identity.sums, name: [*before, new]}))
        self._replace(name, text)
        write_identity(self.path, identity._replace(sums={**identity.sums, name: [new]}))

    def _replace(self, name: str, text: str) -> None:
        with writing(self.path / name):
            replace_text(self.path / name, text)

    def read(self, name: str) -> Any:
        """Reads a JSON file.

        Raises:
            RunError: naming the file, where it is missing, broken, or not what its checksum says.
        """
        path = self.path / name
        try:
            data = read_own(path)
            if name in SEALED:
                self._check_seal(name, data)
            return json.loads(data.decode("utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.path}: {name} is missing; expected the folder of a run") from None
        except (ValueError, OSError, RecursionError) as error:
            raise RunError(f"{path}: cannot be read: {error}") from None

    def _check_seal(self, name: str, data: bytes) -> None:
        identity = read_identity(self.path)
        if identity is None or checksum(data) in identity.sums.get(name, []):
            return
        remedy = "or train anew with another --output"
        if name == "config.json":  # may have been edited in good faith
            remedy = "train longer with --resume --set training.max_step=N, or anew with another --output"
        raise RunError(
            f"{self.path / name}: not what the run wrote: its checksum is not the one in run.json;\n"
            f"put the file back as it was, {remedy}"
        )

    def config(self) -> Config:
        """The resolved config of the run; no file that it names needs to exist."""
        read_identity(self.path)  # a format that cannot be read comes before all that may follow from it
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


def _text(name: str, data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, indent=None if name == "vocab.json" else 2) + "\n"
