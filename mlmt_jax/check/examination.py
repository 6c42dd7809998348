"""All files of a config, examined: what training would refuse, and what it would take and should not."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from mlmt_jax.check.scan import Scan, scan_file
from mlmt_jax.check.splits import find_between_datasets, find_between_splits, find_long_sentences
from mlmt_jax.check.tag_mistakes import find_likely_spans, find_tag_mistakes
from mlmt_jax.check.wrong_columns import find_wrong_columns
from mlmt_jax.config import Config, DatasetConfig, EmbeddingConfig
from mlmt_jax.config.consistency import missing_files
from mlmt_jax.config.problems import format_path
from mlmt_jax.corpus.corpora import word_counts
from mlmt_jax.corpus.dataset import Dataset, column_format, draw_sample, make_dataset
from mlmt_jax.corpus.tag_inventory import find_unseen_tags, tag_errors, task_tags
from mlmt_jax.corpus.word_tables import build_word_table, read_component_vectors
from mlmt_jax.errors import DataError, InputError
from mlmt_jax.text.columns import ColumnFormat, cell_column
from mlmt_jax.text.findings import Finding, Findings
from mlmt_jax.text.lines import open_text
from mlmt_jax.training.plan import check_weights, task_weights

__all__ = ["Examination", "examine"]

_AFTER_FILE = re.compile(r"(?::([0-9]+))?: (.*)", re.DOTALL)


@dataclass(frozen=True)
class Examination:
    """What was found, file by file in the order of the config."""

    findings: list[Finding]
    files: int

    @property
    def errors(self) -> list[Finding]:
        """The findings that training refuses."""
        return [finding for finding in self.findings if finding.is_error]

    def __str__(self) -> str:
        """A line or two for each finding, and one that counts them."""
        lines = [f"{'error' if finding.is_error else 'warning'}: {finding}" for finding in self.findings]
        errors = len(self.errors)
        counts = (_count(errors, "error"), _count(len(self.findings) - errors, "warning"))
        return "\n".join([*lines, f"{', '.join(counts)} in {_count(self.files, 'file')}"])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def examine(config: Config, source: str) -> Examination:
    """Examines all data and vector files of a config.

    Args:
        config: a config that was loaded, with or without a look at its files.
        source: what findings about the config itself name as the file.
    """
    findings = [
        Finding(source, None, f"{format_path(problem.path)}: {problem.message}", is_error=True)
        for problem in missing_files(config)
    ]
    files: set[Path] = set()
    datasets: dict[str, Dataset] = {}
    by_dataset: dict[str, list[Finding]] = {}
    scans: dict[str, dict[str, Scan]] = {}
    for spec in config.datasets:
        scans[spec.name] = {
            split: scan_file(config.path(file), column_format(spec))
            for split, file in spec.files.by_split.items()
            if os.path.isfile(config.path(file))  # false as well where the name is too long, say
        }
        files |= {Path(scan.path) for scan in scans[spec.name].values()}
        by_dataset[spec.name], dataset = _examine_dataset(config, spec, scans[spec.name])
        if dataset is not None:
            datasets[spec.name] = dataset
    tags, spans, about_tasks = _examine_tasks(config, datasets, source)
    for spec in config.datasets:
        unknown = find_unseen_tags(config, {k: v for k, v in datasets.items() if k == spec.name}, tags, spans)
        found = [*by_dataset[spec.name], *_at_tags(unknown, column_format(spec))]
        same_task = [other.name for other in config.datasets if other.task == spec.task]
        found += find_between_datasets(scans, spec.name, same_task)
        order = [str(config.path(file)) for file in spec.files.by_split.values()]
        findings += sorted(
            found, key=lambda one: (order.index(one.path), one.line is None, one.line, one.column or 0)
        )
    for spec in config.components:
        if (
            isinstance(spec, EmbeddingConfig)
            and spec.file is not None
            and os.path.isfile(config.path(spec.file))
        ):
            files.add(config.path(spec.file))
            findings += _examine_vectors(config, spec, datasets)
    # A file may serve two data sets.
    return Examination(list(dict.fromkeys([*findings, *about_tasks])), len(files))


def _examine_dataset(
    config: Config, spec: DatasetConfig, scans: dict[str, Scan]
) -> tuple[list[Finding], Dataset | None]:
    """What the files of a data set show, and the data set where there is something to train on."""
    form = column_format(spec)
    findings = [finding for scan in scans.values() for finding in scan.findings]
    if "train" not in scans or not scans["train"].sentences:
        return findings, None
    whole = make_dataset(config, spec, {split: scan.sentences for split, scan in scans.items()})
    dataset = draw_sample(whole, spec, config.training.effective_sample_seed)
    findings += _at_tags(dataset.findings, form)
    repeated = find_between_splits(scans)
    for split, scan in scans.items():
        findings += find_wrong_columns(scan, form, are_spans=dataset.scheme != "none")
        findings += _at_tags(find_tag_mistakes(scan, dataset.scheme, are_bare=dataset.bare), form)
        if dataset.scheme == "none" and spec.parser.scheme == "auto":
            findings += _at_tags(find_likely_spans(scan), form)
        findings += find_long_sentences(scan, spec.max_len if split == "train" else None)
        findings += repeated[split]
    return findings, dataset


def _at_tags(findings: Iterable[Finding], form: ColumnFormat) -> list[Finding]:
    """Findings that name the line of a tag and no column, with the column where the tag starts."""
    placed = []
    for finding in findings:
        if finding.line is not None and finding.column is None:
            lines = open_text(Findings(finding.path, collect_errors=True), form.encoding)
            line = next(islice(lines, finding.line - 1, None)).removesuffix("\n").removesuffix("\r")
            line = line.removeprefix("\ufeff") if finding.line == 1 else line
            finding = finding._replace(column=cell_column(line, form, form.label_col))
        placed.append(finding)
    return placed


def _examine_tasks(
    config: Config, datasets: dict[str, Dataset], source: str
) -> tuple[dict[str, tuple[str, ...]], dict[str, bool], list[Finding]]:
    """The tags of each task and whether they are spans, and what of the config does not fit them."""
    tags: dict[str, tuple[str, ...]] = {}
    spans: dict[str, bool] = {}
    errors: list[InputError] = []
    for task in dict.fromkeys(dataset.task for dataset in datasets.values()):
        try:
            found = task_tags({name: one for name, one in datasets.items() if one.task == task})
        except DataError as error:
            errors.append(error)
        else:
            tags |= found[0]
            spans |= found[1]
    errors += tag_errors(config, spans)
    if len(datasets) == len(config.datasets):
        counts = {task.name: len(datasets[task.dataset].splits["train"]) for task in config.tasks}
        try:
            check_weights(config, task_weights(config, counts))
        except InputError as error:
            errors.append(error)
    return tags, spans, [_refused(source, None, str(error)) for error in errors]


def _examine_vectors(config: Config, spec: EmbeddingConfig, datasets: dict[str, Dataset]) -> list[Finding]:
    try:
        counts = word_counts(config, spec.name, datasets)
        file = read_component_vectors(config, spec, counts)
    except DataError as error:
        path = str(config.path(spec.file or ""))
        # The message begins with the file, and in text with the line.
        match = _AFTER_FILE.fullmatch(str(error).removeprefix(path))
        line, text = match.groups() if match else (None, str(error))
        return [_refused(path, int(line) if line else None, text)]
    return build_word_table(spec, counts, file).findings


def _refused(path: str, line: int | None, message: str) -> Finding:
    text, _, advice = message.partition("\n")
    return Finding(path, line, text, advice=advice, is_error=True)
