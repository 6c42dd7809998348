# pyright: reportMissingImports=false
"""A whole run in PyTorch alone: it reads the files of a config, trains, and scores as a run of mlmt_jax does.

It imports no JAX. Batches hold sentences of similar length, steps draw their tasks in the order of mlmt_jax,
and development files are scored as often, of the same task models.

    python bench/peers/run_torch.py configs/masakhane_xho.json --set data_root=../shared/data
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torchcrf import CRF

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mlmt_jax.config import Config, DatasetConfig, TaskConfig, load_config
from mlmt_jax.metrics.scores import score_spans, score_tokens
from mlmt_jax.text.tag_schemes import detect_scheme, to_bioes
from mlmt_jax.training.plan import plan_steps, task_weights
from peers.tagger import CharCNN, Encoder, Highway, Modules, Sentences, TaskTagger, Trainer

LONGEST_WORD = 64


class Sentence(NamedTuple):
    """A sentence of a file."""

    tokens: list[str]
    tags: list[str]  # in BIOES if they are spans


class Encoded(NamedTuple):
    """A sentence as indices."""

    words: list[int]
    chars: list[list[int]]
    tags: list[int]


def read_conll(path: Path, spec: DatasetConfig) -> list[Sentence]:
    """Read a column file with blank lines between sentences."""
    sentences, rows = [], []
    for line in [*path.read_text(encoding="utf-8").split("\n"), ""]:
        cells = [cell for cell in line.strip().split("\t" if "\t" in line else " ") if cell]
        if len(cells) > 1:
            rows.append((cells[spec.parser.token_col], cells[spec.parser.label_col]))
        elif rows:
            sentences.append(Sentence(*map(list, zip(*rows, strict=True))))
            rows = []
    return sentences


def read_dataset(config: Config, spec: DatasetConfig) -> dict[str, list[Sentence]]:
    """Read the files of a data set by split; the training sentences are a random sample."""
    splits = {split: read_conll(config.path(file), spec) for split, file in spec.files.by_split.items()}
    scheme = detect_scheme(sentence.tags for sentence in splits["train"])
    for split, sentences in splits.items():
        splits[split] = [Sentence(tokens, to_bioes(tags, scheme)[0]) for tokens, tags in sentences]
    if isinstance(spec.sample, int):
        chosen = np.random.default_rng(config.training.seed).permutation(len(splits["train"]))[: spec.sample]
        splits["train"] = [splits["train"][i] for i in chosen]
    return splits


def read_vectors(path: Path, words: set[str]) -> dict[str, np.ndarray]:
    """Read the vectors of some words from a text file."""
    vectors = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            word, _, numbers = line.rstrip().partition(" ")
            if word in words:
                vectors[word] = np.array(numbers.split(), np.float32)
    return {word: vector for word, vector in vectors.items() if len(vector) > 1}


class Run:
    """All task models of a config with their data."""

    def __init__(self, config: Config):
        self.config = config
        datasets = {spec.name: read_dataset(config, spec) for spec in config.datasets}
        self.splits = {task.name: datasets[task.dataset] for task in config.tasks}
        train = [sentence for splits in datasets.values() for sentence in splits["train"]]
        characters = sorted({c for sentence in train for token in sentence.tokens for c in token})
        self.characters = {c: i for i, c in enumerate(characters, 2)}
        self.words: dict[str, dict[str, int]] = {}
        self.tags: dict[str, list[str]] = {}
        for task in config.tasks:
            tags = {tag for sentence in self.splits[task.name]["train"] for tag in sentence.tags}
            self.tags[task.task] = sorted({*self.tags.get(task.task, ()), *tags})
        self._modules: dict[str, nn.Module] = {}
        self.trainers = {task.name: self._build(task) for task in config.tasks}
        self.encoded = {
            task.name: {
                split: [self._encode(task, sentence) for sentence in sentences]
                for split, sentences in self.splits[task.name].items()
            }
            for task in config.tasks
        }

    def _build(self, task: TaskConfig) -> Trainer:
        """Build a task model; components of one name are one module."""
        roles: dict[str, Any] = {}
        features = 0
        for role, name in task.model.component_names().items():
            if name not in self._modules:
                self._modules[name] = self._build_component(role, name, task, features)
            roles[role] = self._modules[name]
            spec: Any = self.config.component(name)
            if role == "word_embed":
                features += spec.dimension
            elif role == "char_embed":
                features += sum(count for _, count in spec.filters)
            elif role == "lstm":
                features = spec.hidden_size * (2 if spec.bidirectional else 1)
        if "spec_layer" in roles:
            roles["gate"] = nn.Linear(features, len(self.tags[task.task]))
        rates = task.model.embed_dropout, task.model.lstm_dropout, task.model.linear_dropout
        return Trainer(TaskTagger(Modules(**roles), rates), task)

    def _build_component(self, role: str, name: str, task: TaskConfig, features: int) -> nn.Module:
        """Build a component for its role, with ``features`` of input."""
        spec: Any = self.config.component(name)
        tags = len(self.tags[task.task])
        match role:
            case "word_embed":
                return self._build_word_table(spec)
            case "char_embed":
                return CharCNN(len(self.characters) + 2, spec.dimension, spec.filters)
            case "char_highway":
                table: Any = self._modules[task.model.word_embed]
                return Highway(
                    features - table.embedding_dim, spec.num_layers, getattr(nn.functional, spec.activation)
                )
            case "lstm":
                return Encoder(features, spec.hidden_size, spec.num_layers, spec.bidirectional, spec.dropout)
            case "crf":
                return CRF(tags, batch_first=True)
            case _:
                return nn.Linear(features, tags)

    def _build_word_table(self, spec: Any) -> nn.Embedding:
        """Build a word table of all training words and of further words that have a vector."""
        tasks = [task for task in self.config.tasks if task.model.word_embed == spec.name]
        splits = [self.splits[task.name] for task in tasks]
        words = {word for parts in splits for part in parts.values() for s in part for word in s.tokens}
        vectors = read_vectors(self.config.path(spec.file), words) if spec.file else {}
        trained = {word for parts in splits for s in parts["train"] for word in s.tokens}
        known = sorted(trained | vectors.keys())
        self.words[spec.name] = {word: i for i, word in enumerate(known, 1)}
        table = nn.Embedding(len(known) + 1, spec.dimension)
        with torch.no_grad():
            for word, vector in vectors.items():
                table.weight[self.words[spec.name][word]] = torch.from_numpy(vector)
        return table

    def _encode(self, task: TaskConfig, sentence: Sentence) -> Encoded:
        """Encode a sentence; unknown words are 0, unknown characters 1, unknown tags 0."""
        words, tags = self.words[task.model.word_embed], self.tags[task.task]
        index = {tag: i for i, tag in enumerate(tags)}
        return Encoded(
            [words.get(token, 0) for token in sentence.tokens],
            [[self.characters.get(c, 1) for c in token[:LONGEST_WORD]] for token in sentence.tokens],
            [index.get(tag, 0) for tag in sentence.tags],
        )

    def batches(self, task: TaskConfig) -> Iterator[Sentences]:
        """Yield training batches of sentences of similar length without end, in a random order."""
        random = np.random.default_rng(self.config.training.seed)
        sentences = self.encoded[task.name]["train"]
        lengths = np.array([len(sentence.words) for sentence in sentences])
        count = -(-len(sentences) // self.config.dataset(task.dataset).batch_size)
        while True:
            order = np.argsort(lengths + random.uniform(0, 4, len(lengths)))
            parts = np.array_split(order, count)
            for i in random.permutation(count):
                yield to_tensors([sentences[j] for j in parts[i]])

    @torch.no_grad()
    def score(self, task: TaskConfig, split: str) -> float:
        """Return the strict span F1, or the accuracy, of one file."""
        module, names = self.trainers[task.name].module.eval(), self.tags[task.task]
        gold, encoded = self.splits[task.name][split], self.encoded[task.name][split]
        order = np.argsort([len(sentence.words) for sentence in encoded])
        predicted: list[list[str]] = [[]] * len(gold)
        size = self.config.training.eval_batch_size
        for first in range(0, len(order), size):
            chosen = order[first : first + size]
            batch = to_tensors([encoded[i] for i in chosen])
            mask: Any = batch.mask
            for i, tags in zip(chosen, module.crf.decode(module.emissions(batch), mask), strict=True):
                predicted[i] = [names[tag] for tag in tags]
        score = score_spans if any(name[:2] in ("B-", "S-") for name in names) else score_tokens
        arguments = [sentence.tags for sentence in gold], predicted
        if score is score_spans:
            return score_spans(*arguments, "bioes").as_json()["f1"]
        return score_tokens(*arguments).as_json()["accuracy"]


def to_tensors(batch: Sequence[Encoded]) -> Sentences:
    """Pad sentences to the longest one and words to the longest one."""
    lengths = torch.tensor([len(sentence.words) for sentence in batch])
    mask = torch.arange(int(lengths.max())) < lengths[:, None]
    words, tags = torch.zeros(2, *mask.shape, dtype=torch.int64)
    words[mask] = torch.tensor([word for sentence in batch for word in sentence.words])
    tags[mask] = torch.tensor([tag for sentence in batch for tag in sentence.tags])
    spelled = [torch.tensor(chars) for sentence in batch for chars in sentence.chars]
    return Sentences(words, nn.utils.rnn.pad_sequence(spelled, batch_first=True), lengths, tags, mask)


def main() -> None:
    """Train a config, printing scores at each evaluation and at the end."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    args = parser.parse_args()
    config = load_config(args.config, args.settings)
    started, training = time.perf_counter(), config.training
    torch.manual_seed(training.seed)
    run = Run(config)
    weights = task_weights(config, {name: len(splits["train"]) for name, splits in run.splits.items()})
    batches = {task.name: run.batches(task) for task in config.tasks}
    print(f"read and built after {time.perf_counter() - started:.1f} s", flush=True)
    for planned in plan_steps(weights, 0, dict.fromkeys(weights, 0)):
        run.trainers[planned.task].train_step(next(batches[planned.task]))
        step = planned.step + 1
        if step % training.eval_freq == 0:
            scores = {task.name: round(100 * run.score(task, "dev"), 2) for task in config.tasks}
            print(f"step {step}, {time.perf_counter() - started:.1f} s: dev {scores}", flush=True)
        if step == training.max_step:
            break
    for split in ("dev", "test"):
        scores = {task.name: round(100 * run.score(task, split), 2) for task in config.tasks}
        print(f"{split} {scores}, {time.perf_counter() - started:.1f} s", flush=True)
    assert "jax" not in sys.modules


if __name__ == "__main__":
    main()
