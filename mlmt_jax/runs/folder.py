"""The run folder: the list of its files, and how its JSON files are read and written."""

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlmt_jax.config import Config, parse_config
from mlmt_jax.corpus.stored_vocabulary import find_problem
from mlmt_jax.corpus.tag_inventory import tag_errors
from mlmt_jax.corpus.vocabulary import Vocabulary
from mlmt_jax.errors import RunError
from mlmt_jax.runs.atomic_files import replace_text, sync, write_errors
from mlmt_jax.runs.run_json import SEALED, Identity, checksum, read_identity, write_identity
from mlmt_jax.runs.safe_open import check_no_link, read_regular

#: What a run writes before its first step, besides hidden files.
FIRST_FILES = ("run.json", "replicas", *SEALED)
#: Files with these names may be a stranger's if there is no ``run.json`` beside them.
RESULT_FILES = ("summary.json", "diverged.json")

#: The temperatures of probabilities, in a sealed file that is written after the training.
TEMPERATURES = "temperatures.json"

#: Every number of the target's scores, also written after the training.
EVALUATION = "evaluation.json"


class RunFolder:
    """Paths and JSON files of one run, or of one replica of a run."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.checkpoints = self.path / "checkpoints"  # folder of the checkpoints (orbax)
        self.metrics = self.path / "metrics.jsonl"  # one JSON object a line for each evaluation
        self.summary = self.path / "summary.json"  # scores of the best checkpoint, once the run is finished
        self.divergence = self.path / "diverged.json"  # step and message of a replica that diverged

    def replica(self, number: int) -> "RunFolder":
        """Return the folder of a replica, a whole run folder itself; raise RunError if it is a link."""
        path = self.path / "replicas" / str(number)
        for folder in (path.parent, path):
            check_no_link(folder)
        return RunFolder(path)

    def runs(self, count: int) -> list["RunFolder"]:
        """Return the folders of ``count`` replicas; for one, this folder."""
        return [self] if count == 1 else [self.replica(number) for number in range(count)]

    @property
    def is_replica(self) -> bool:
        """True for the folder of a replica within the folder of its run."""
        parent = self.path.absolute().parent
        return parent.name == "replicas" and (parent.parent / "run.json").exists()

    @property
    def holds_run(self) -> bool:
        """True if a run has been started here."""
        return any((self.path / name).exists() for name in ("config.json", "checkpoints", "metrics.jsonl"))

    @property
    def id(self) -> str:
        """The id that the run's checkpoints are sealed with.

        Raises:
            RunError: if the folder holds no run, or one of a format that this version cannot read.
        """
        identity = read_identity(self.path)
        if identity is None:
            raise RunError(f"{self.path}: run.json is missing; expected the folder of a run")
        return identity.id

    def create(self, config: Config, records: Sequence[tuple[Config, Mapping[str, Any]]]) -> None:
        """Create the folder and write what is known before the first step.

        Args:
            config: config of the run.
            records: config of each replica, and what its folder records of the data (``data_records``).

        Raises:
            RunError: if the folder cannot be written.
        """
        with write_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            sync(self.path.parent)
        files = dict(records[0][1]) if len(records) == 1 else {}
        # config.json is written last: if it exists, the other files are whole.
        files["config.json"] = config.resolved()
        texts = {name: _json_text(name, data) for name, data in files.items()}
        checksums = {name: [checksum(text.encode())] for name, text in texts.items()}
        write_identity(self.path, Identity(uuid.uuid4().hex, checksums))
        if len(records) > 1:
            for folder, record in zip(self.runs(len(records)), records, strict=True):
                folder.create(record[0], [record])
        for name, text in texts.items():
            self._replace(name, text)

    def update_configs(self, config: Config, replica_configs: Sequence[Config]) -> None:
        """Store the configs of a resumed run and of its replicas where they differ from those on disk."""
        folders = self.runs(len(replica_configs))
        for folder, current in [*zip(folders, replica_configs, strict=True), (self, config)]:
            if folder.read("config.json") != current.resolved():
                folder.write("config.json", current.resolved())

    def write(self, name: str, data: Any) -> None:
        """Write a JSON file, whole or not at all, and its checksum if it has one in ``run.json``.

        Raises:
            RunError: if it cannot be written.
        """
        text = _json_text(name, data)
        identity = read_identity(self.path) if name in SEALED else None
        if identity is None:
            self._replace(name, text)
            return
        # Whenever a crash comes, run.json lists the checksum of the file that is there.
        before, new = identity.checksums.get(name, []), checksum(text.encode())
        write_identity(self.path, identity._replace(checksums={**identity.checksums, name: [*before, new]}))
        self._replace(name, text)
        write_identity(self.path, identity._replace(checksums={**identity.checksums, name: [new]}))

    def _replace(self, name: str, text: str) -> None:
        """Write a file of the folder, whole or not at all; raise RunError if the system refuses."""
        with write_errors(self.path / name):
            replace_text(self.path / name, text)

    def read(self, name: str) -> Any:
        """Read a JSON file.

        Raises:
            RunError: if it is missing, damaged, or does not have the checksum that ``run.json`` lists.
        """
        path = self.path / name
        try:
            data = read_regular(path)
            if name in SEALED:
                self._check_checksum(name, data)
            return json.loads(data.decode("utf-8"))
        except FileNotFoundError:
            raise RunError(f"{self.path}: {name} is missing; expected the folder of a run") from None
        except (ValueError, OSError, RecursionError) as error:
            raise RunError(f"{path}: cannot be read: {error}") from None

    def _check_checksum(self, name: str, data: bytes) -> None:
        """Compare the content of a file with the checksums that ``run.json`` lists for its name.

        A folder without ``run.json`` passes; a file that ``run.json`` does not list is refused.

        Raises:
            RunError: if none of the listed checksums is that of ``data``.
        """
        identity = read_identity(self.path)
        if identity is None or checksum(data) in identity.checksums.get(name, []):
            return
        remedy = "or train anew with another --output"
        if name == TEMPERATURES:
            remedy = "or delete it: probabilities are then those of temperature 1"
        if name == "config.json":  # It may have been edited in good faith.
            remedy = "train longer with --resume --set training.max_step=N, or anew with another --output"
        raise RunError(
            f"{self.path / name}: not what the run wrote: its checksum is not the one in run.json;\n"
            f"put the file back as it was, {remedy}"
        )

    def config(self) -> Config:
        """Return the resolved config of the run; the files that it names need not exist."""
        read_identity(self.path)  # An unreadable format is reported before its consequences.
        return parse_config(self.read("config.json"), str(self.path / "config.json"))

    def vocabulary(self) -> tuple[Vocabulary, dict[str, dict[str, Any]]]:
        """Return the vocabulary, and by data set the ``scheme`` of its files and if IO tags are ``bare``.

        Raises:
            InputError: if it is missing, damaged, or does not fit the run's config.
        """
        config, data = self.config(), self.read("vocab.json")
        problem = find_problem(data, config)
        if problem:
            raise RunError(f"{self.path / 'vocab.json'}: not a vocabulary of a run: {problem}")
        vocabulary = Vocabulary.from_json(data)
        for error in tag_errors(config, vocabulary.spans):
            raise error
        return vocabulary, data["schemes"]

    def temperatures(self, best_steps: Sequence[int | None]) -> dict[str, float]:
        """Return the temperatures of probabilities by task model; {} if they were not fitted.

        Args:
            best_steps: step of the parameters in use, of each replica that tags. If ``temperatures.json`` is
                of other parameters, its values do not count.

        Raises:
            RunError: if the file is damaged.
        """
        if not (self.path / TEMPERATURES).exists():
            return {}
        data = self.read(TEMPERATURES)
        try:
            values = {name: float(fit["temperature"]) for name, fit in data["tasks"].items()}
            if all(0 < value < float("inf") for value in values.values()):
                return values if data["best_steps"] == list(best_steps) else {}
        except (LookupError, TypeError, ValueError, AttributeError):
            pass
        raise RunError(f"{self.path / TEMPERATURES}: not what a run writes there")

    def read_divergence(self) -> tuple[int, str] | None:
        """Return step and message of ``diverged.json``; None if the file is missing.

        Raises:
            RunError: if it does not hold just that.
        """
        if not self.divergence.exists():
            return None
        data = self.read(self.divergence.name)
        if isinstance(data, dict) and data.keys() == {"step", "message"}:
            step, message = data["step"], data["message"]
            if isinstance(step, int) and isinstance(message, str):
                return step, message
        raise RunError(f'{self.divergence}: not what a run writes there; expected "step" and "message"')


def _json_text(name: str, data: Any) -> str:
    """Return the text of a JSON file; only ``vocab.json``, which is long, is on one line."""
    return json.dumps(data, ensure_ascii=False, indent=None if name == "vocab.json" else 2) + "\n"
