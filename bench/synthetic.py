"""Synthetic data files for a config, of the sizes of the real ones: for measuring speed, not scores."""

from pathlib import Path

import numpy as np

from mlmt_jax.config import Config, load_config

# As in MasakhaNER 2.0 and MasakhaPOS for isiXhosa and isiZulu: sentences have 15 words on average (median 13)
# and words six characters.
_TRAINING_SENTENCES = {"ner": 5800}
_OTHER_SENTENCES = 750
_HELD_OUT_SENTENCES = 100
_LOG_LENGTH, _LOG_SPREAD, _LONGEST = 2.58, 0.55, 76  # natural logarithm of a sentence's number of words
_VOCABULARY, _ZIPF = 30_000, 0.9
_WORD_LOG_LENGTH, _WORD_LOG_SPREAD, _LONGEST_WORD = 1.6, 0.8, 25
_LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,-'()"))
_SPAN_TYPES, _SPAN_RATE = ("DATE", "LOC", "ORG", "PER"), 0.06
_WORD_TAGS = [f"TAG{i}" for i in range(16)]


def load_with_data(path: Path, data_root: Path, folder: Path) -> tuple[Config, bool]:
    """Load a config with its data, or with synthetic data if a training file is missing.

    Args:
        path: config file.
        data_root: folder of the real data.
        folder: folder for synthetic data.

    Returns:
        The config, and True if the data is real.
    """
    config = load_config(path, [f"data_root={data_root}"], check_files=False)
    is_real = all(config.path(dataset.files.train).exists() for dataset in config.datasets)
    if not is_real:
        print(f"{config.data_root}: no data there; synthetic data of the same sizes is used")
        write_data(folder, config)
    return load_config(path, [f"data_root={data_root if is_real else folder}"]), is_real


def write_data(folder: Path, config: Config, seed: int = 0) -> None:
    """Write every data and vector file of a config below ``folder``, its new ``data_root``.

    Sentence and word lengths are log-normal, words follow Zipf's law. Data sets of the task "ner" get IOB2
    spans of four types, others one of 16 tags a word. Only columns 0 and 1 are written.

    Args:
        folder: where the files are written.
        config: names the files.
        seed: of the random numbers.
    """
    random = np.random.default_rng(seed)
    languages: dict[str, np.ndarray] = {}
    for dataset in config.datasets:
        words = languages.setdefault(dataset.language, _vocabulary(random))
        for split in ("train", "dev", "test"):
            name = getattr(dataset.files, split)
            if name is None:
                continue
            count = _TRAINING_SENTENCES.get(dataset.task, _OTHER_SENTENCES)
            count = count if split == "train" else _HELD_OUT_SENTENCES
            blocks = [_sentence(random, words, dataset.task) for _ in range(count)]
            _write(folder / name, "\n\n".join(blocks) + "\n")
    for task in config.tasks:
        table = config.component(task.model.word_embed)
        name, dimension = getattr(table, "file", None), getattr(table, "dimension", 0)
        if name is not None and not (folder / name).exists():
            vectors = random.normal(size=(_VOCABULARY, dimension))
            rows = zip(languages[task.language], vectors, strict=True)
            lines = [f"{word} {' '.join(f'{x:.4f}' for x in vector)}" for word, vector in rows]
            _write(folder / name, f"{_VOCABULARY} {dimension}\n" + "\n".join(lines) + "\n")


def _write(path: Path, text: str) -> None:
    """Write a UTF-8 file; create its folder if it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _vocabulary(random: np.random.Generator) -> np.ndarray:
    """Draw distinct words, the most frequent first."""
    lengths = _lengths(random, _WORD_LOG_LENGTH, _WORD_LOG_SPREAD, _LONGEST_WORD, 2 * _VOCABULARY)
    words = dict.fromkeys("".join(random.choice(_LETTERS, n)) for n in lengths)
    return np.array(list(words)[:_VOCABULARY])


def _lengths(random: np.random.Generator, mean: float, spread: float, longest: int, count: int) -> np.ndarray:
    """Draw ``count`` log-normal lengths between 1 and ``longest``."""
    return np.clip(np.round(random.lognormal(mean, spread, count)), 1, longest).astype(int)


def _sentence(random: np.random.Generator, words: np.ndarray, task: str) -> str:
    """Draw a sentence as lines of word and tag."""
    (n,) = _lengths(random, _LOG_LENGTH, _LOG_SPREAD, _LONGEST, 1)
    # The inverse distribution function of a power law between the first and the last rank.
    power = 1 - _ZIPF
    ranks = (1 + random.random(n) * (len(words) ** power - 1)) ** (1 / power)
    chosen = words[np.minimum(ranks.astype(int), len(words)) - 1]
    tags = _spans(random, n) if task == "ner" else random.choice(_WORD_TAGS, n)
    return "\n".join(f"{word} {tag}" for word, tag in zip(chosen, tags, strict=True))


def _spans(random: np.random.Generator, n: int) -> list[str]:
    """Draw IOB2 tags of n words, with spans of one or two words."""
    tags = ["O"] * n
    for start in np.flatnonzero(random.random(n) < _SPAN_RATE):
        kind = random.choice(_SPAN_TYPES)
        tags[start] = f"B-{kind}"
        if start + 1 < n and random.random() < 0.5:
            tags[start + 1] = f"I-{kind}"
    return tags
