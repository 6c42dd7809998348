"""The examination of all files of a config: errors that training refuses, and warnings."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from mlmt_jax.check.scan import Scan, scan_file
from mlmt_jax.check.splits import find_between_datasets, find_between_splits, find_long_sentences
from mlmt_jax.check.tag_mistakes import find_likely_spans, find_tag_mistakes
from mlmt_jax.check.wrong_columns import find_wrong_columns
from mlmt_jax.config import Config, DatasetConfig, EmbeddingConfig
from mlmt_jax.config.consistency import missing_files
from mlmt_jax.config.problems import format_path
from mlmt_jax.corpus.corpora import word_counts
from mlmt_jax.corpus.dataset import Dataset, column_format, draw_sample, make_dataset
from mlmt_jax.corpus.misplaced_files import find_misplaced_files
from mlmt_jax.corpus.tag_inventory import find_unseen_tags, tag_errors, task_tags
from mlmt_jax.corpus.word_tables import build_word_table, read_component_vectors
from mlmt_jax.errors import DataError, InputError
from mlmt_jax.text.columns import ColumnFormat, cell_column
from mlmt_jax.text.findings import Finding, Findings
from mlmt_jax.text.lines import open_text
from mlmt_jax.training.plan import check_weights, task_weights


@dataclass(frozen=True)
class Examination:
    """The findings about a config and its files, in the order of the config."""

    findings: list[Finding]
    files: int  # number of files that were read

    @property
    def errors(self) -> list[Finding]:
        """The findings that training refuses."""
        return [finding for finding in self.findings if finding.is_error]

    def __str__(self) -> str:
        """Format each finding as one or two lines, and count them in a last line."""
        lines = [f"{'error' if finding.is_error else 'warning'}: {finding}" for finding in self.findings]
        errors = len(self.errors)
        counts = (_count(errors, "error"), _count(len(self.findings) - errors, "warning"))
        return "\n".join([*lines, f"{', '.join(counts)} in {_count(self.files, 'file')}"])


def _count(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def examine(config: Config, source: str) -> Examination:
    """Examine all data and vector files of a config. Nothing is raised: errors are among the findings.

    Args:
        config: a config whose files need not exist.
        source: path of the config, for findings about the config itself.
    """
    missing = Findings(source, collect_errors=True)
    for problem in missing_files(config):
        missing.refuse(f"{format_path(problem.path)}: {problem.message}")
    scans = {spec.name: _scan_files(config, spec) for spec in config.datasets}
    datasets: dict[str, Dataset] = {}  # those that have training sentences
    wholes: dict[str, Dataset] = {}  # the same before a sample is drawn
    for spec in config.datasets:
        sentences = {split: scan.sentences for split, scan in scans[spec.name].items()}
        if sentences.get("train"):
            whole = make_dataset(config, spec, sentences)
            wholes[spec.name] = whole
            datasets[spec.name] = draw_sample(whole, spec, config.training.effective_sample_seed)
    tags, spans, task_findings = _examine_tasks(config, datasets, source)
    findings = [*missing]
    for spec in config.datasets:
        of_dataset = [finding for scan in scans[spec.name].values() for finding in scan.findings]
        if dataset := datasets.get(spec.name):
            of_dataset += _examine_dataset(spec, dataset, scans[spec.name])
            unknown = find_unseen_tags(config, {spec.name: dataset}, tags, spans)
            of_dataset += _with_tag_columns(unknown, column_format(spec))
        same_task = [other.name for other in config.datasets if other.task == spec.task]
        of_dataset += find_between_datasets(scans, spec.name, same_task)
        order = [str(config.path(file)) for file in spec.files.by_split.values()]
        of_dataset.sort(key=lambda f: (order.index(f.path), f.line is None, f.line, f.column or 0))
        findings += of_dataset
    files = {scan.path for splits in scans.values() for scan in splits.values()}
    for spec in config.components:
        if isinstance(spec, EmbeddingConfig) and spec.file and os.path.isfile(config.path(spec.file)):
            files.add(str(config.path(spec.file)))
            findings += _examine_vectors(config, spec, datasets)
    # Findings are equal if a file serves two data sets.
    misplaced = find_misplaced_files(config, wholes)
    return Examination(list(dict.fromkeys([*findings, *misplaced, *task_findings])), len(files))


def _scan_files(config: Config, spec: DatasetConfig) -> dict[str, Scan]:
    """Scan the files of a data set that exist, by split."""
    files = {split: config.path(file) for split, file in spec.files.by_split.items()}
    # os.path.isfile is False for a name that is too long; Path.is_file raises an error.
    existing = {split: file for split, file in files.items() if os.path.isfile(file)}
    return {split: scan_file(file, column_format(spec)) for split, file in existing.items()}


def _examine_dataset(spec: DatasetConfig, dataset: Dataset, scans: Mapping[str, Scan]) -> Iterator[Finding]:
    """Yield findings about the tags, columns and sentences of a data set, those of the data set included."""
    form, are_spans = column_format(spec), dataset.scheme != "none"
    yield from _with_tag_columns(dataset.findings, form)
    for split, scan in scans.items():
        yield from find_wrong_columns(scan, form, are_spans=are_spans)
        yield from _with_tag_columns(find_tag_mistakes(scan, dataset.scheme, are_bare=dataset.bare), form)
        if not are_spans and spec.parser.scheme == "auto":
            yield from _with_tag_columns(find_likely_spans(scan), form)
        yield from find_long_sentences(scan, spec.max_len if split == "train" else None)
    yield from find_between_splits(scans)


def _with_tag_columns(findings: Iterable[Finding], form: ColumnFormat) -> Iterator[Finding]:
    """Yield findings about tags; those with a line and no column get the column where the tag starts."""
    for finding in findings:
        if finding.line is not None and finding.column is None:
            lines = open_text(Findings(finding.path, collect_errors=True), form.encoding)
            line = next(islice(lines, finding.line - 1, None)).removesuffix("\n").removesuffix("\r")
            line = line.removeprefix("\ufeff") if finding.line == 1 else line
            finding = finding._replace(column=cell_column(line, form, form.label_col))
        yield finding


def _examine_tasks(
    config: Config, datasets: Mapping[str, Dataset], source: str
) -> tuple[dict[str, tuple[str, ...]], dict[str, bool], Findings]:
    """Collect the tags of each task, and check the settings that depend on the data.

    Args:
        config: the config.
        datasets: the data sets that have training sentences, by name.
        source: path of the config, for the findings.

    Returns:
        By task with training data, its tags, and whether they are spans; errors about settings that do not
        fit the data.
    """
    tags: dict[str, tuple[str, ...]] = {}
    spans: dict[str, bool] = {}
    findings, errors = Findings(source, collect_errors=True), list[InputError]()
    for task in dict.fromkeys(dataset.task for dataset in datasets.values()):
        try:
            inventory = task_tags({name: part for name, part in datasets.items() if part.task == task})
            tags |= inventory[0]
            spans |= inventory[1]
        except DataError as error:
            errors.append(error)
    errors += tag_errors(config, spans)
    if len(datasets) == len(config.datasets):
        counts = {task.name: len(datasets[task.dataset].splits["train"]) for task in config.tasks}
        try:
            check_weights(config, task_weights(config, counts))
        except InputError as error:
            errors.append(error)
    for message in dict.fromkeys(map(str, errors)):
        text, _, advice = message.partition("\n")
        findings.refuse(text, advice=advice)
    return tags, spans, findings


def _examine_vectors(
    config: Config, spec: EmbeddingConfig, datasets: Mapping[str, Dataset]
) -> Iterable[Finding]:
    """Return the findings about the vector file of a component; an error of the reader is one of them."""
    try:
        counts = word_counts(config, spec.name, datasets)
        return build_word_table(spec, counts, read_component_vectors(config, spec, counts)).findings
    except DataError as error:
        findings = Findings(config.path(spec.file or ""), collect_errors=True)
        # The message begins with the file and, in a text file, the line: "path:7: problem".
        line, _, message = str(error).removeprefix(findings.path).partition(": ")
        text, _, advice = message.partition("\n")
        findings.refuse(text, int(line[1:]) if line else None, advice=advice)
        return findings
