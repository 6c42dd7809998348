# pyright: reportMissingImports=false
"""A tagger in PyTorch whose state dict has the names and shapes of the original's, and files of such.

It computes one sentence at a time, so that there is no padding.
"""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

BIOES = ("O", "B-PER", "E-PER", "S-LOC")
FILTERS = ((2, 5), (3, 4), (4, 3))
UNKNOWN = 1
PAD, UNK = "<$PAD$>", "<$UNK$>"
WORDS = ("Sarel", "Steyn", "woont", "4 uur", "oont.")  # all of five characters


class Convolutions(nn.Module):
    """Character features: the maximum of every filter over the positions in a word."""

    def __init__(self, characters: int, dimension: int = 6):
        super().__init__()
        self.embedding = nn.Embedding(characters, dimension)
        self.convs = nn.ModuleList(nn.Conv2d(1, count, (width, dimension)) for width, count in FILTERS)

    def forward(self, chars: Tensor) -> Tensor:
        """Return the features of n words, (n, c) -> (n, features)."""
        image = self.embedding(chars)[:, None]
        return torch.cat([torch.relu(conv(image)).amax((2, 3)) for conv in self.convs], 1)


class Gates(nn.Module):
    """Highway layers; ``spelling`` is their name in the older or in the newer version."""

    def __init__(self, spelling: str, layers: int, activation: str):
        super().__init__()
        size = sum(count for _, count in FILTERS)
        self.gate = nn.ModuleList(nn.Linear(size, size) for _ in range(layers))
        self.add_module(spelling, nn.ModuleList(nn.Linear(size, size) for _ in range(layers)))
        self.spelling, self.activation = spelling, getattr(nn.functional, activation)

    def forward(self, x: Tensor) -> Tensor:
        """Return the transformed features, (n, features) -> (n, features)."""
        for gate, transform in zip(self.gate, getattr(self, self.spelling), strict=True):
            share = torch.sigmoid(gate(x))
            x = x + share * (self.activation(transform(x)) - x)
        return x


class Hidden(nn.Module):
    """A layer of label scores with one hidden layer."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.linears = nn.ModuleList([nn.Linear(inputs, 4)])
        self.output_linear = nn.Linear(4, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores, (n, inputs) -> (n, outputs)."""
        return self.output_linear(torch.tanh(self.linears[0](x)))


class Transitions(nn.Module):
    """Scores ``[to, from]`` of labels, start and end."""

    def __init__(self, labels: int):
        super().__init__()
        self.transition = nn.Parameter(torch.randn(labels + 2, labels + 2))
        self.transition.data[:, labels + 1] = -100.0
        self.transition.data[labels] = -100.0


class LstmCrf(nn.Module):
    """One task model; other task models may share its modules."""

    def __init__(self, **parts: nn.Module):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        if "spec_fc_layer" in parts:
            spec: Any = parts["spec_fc_layer"]
            self.spec_gate = nn.Linear(spec.in_features, spec.out_features)

    def forward(self, words: list[int], chars: list[list[int]]) -> np.ndarray:
        """Return the label scores of one sentence, (n, labels)."""
        parts: Any = self
        letters = parts.char_embedding(torch.tensor(chars))
        if hasattr(self, "char_highway"):
            letters = parts.char_highway(letters)
        states, _ = parts.lstm(torch.cat([parts.word_embedding(torch.tensor(words)), letters], 1))
        scores = parts.univ_fc_layer(states)
        if hasattr(self, "spec_fc_layer"):
            share = torch.sigmoid(self.spec_gate(states))
            scores = share * parts.spec_fc_layer(states) + (1 - share) * scores
        return scores.detach().numpy()

    def best(self, scores: np.ndarray) -> list[int]:
        """Return the best labels, found by enumeration."""
        parts: Any = self
        transition = parts.crf.transition.detach().numpy()
        start, end = len(transition) - 2, len(transition) - 1

        def score(path: tuple[int, ...]) -> float:
            steps = zip((start, *path), (*path, end), strict=True)
            return sum(scores[i, y] for i, y in enumerate(path)) + sum(transition[b, a] for a, b in steps)

        return list(max(product(range(start), repeat=len(scores)), key=score))


def heads(labels: int, dead: int | None, *, specific: int = 0, hidden: bool = False) -> list[nn.Module]:
    """Return the universal layer of label scores and specific ones; the label ``dead`` is never the best."""
    layers: list[Any] = [Hidden(14, labels) if hidden else nn.Linear(14, labels)]
    layers += [nn.Linear(14, labels) for _ in range(specific)]
    for head in layers:
        if dead is not None:
            last = head.output_linear if hidden else head
            last.bias.data[dead] = -30.0
    return layers


def vocabulary(names: tuple[str, ...] | list[str], **special: int) -> dict[str, int]:
    """Return indices from 2, in another order than that of the names."""
    indices = range(len(names) + 1, 1, -1)
    return dict(zip(names, indices, strict=True)) | special


def newer(*, multi: bool = False, hidden: bool = False) -> tuple[dict[str, Any], dict[str, LstmCrf]]:
    """Return what the newer scripts save, and the model: the target alone, with a padding label.

    With several tasks, a label has the index of the padding label, and the last score belongs to no label.
    """
    torch.manual_seed(multi + 2 * hidden)
    letters = sorted(set("".join(WORDS)) - {"y"})
    tokens = ("steyn", *WORDS[:1], "sarel", WORDS[2], "woon0")
    labels = {name: i + (not multi) for i, name in enumerate(BIOES)} | {PAD: 0}
    univ, *spec = heads(5, 4 if multi else 0, specific=int(multi), hidden=hidden)
    parts: dict[str, nn.Module] = {
        "word_embedding": nn.Embedding(len(tokens) + 2, 8),
        "char_embedding": Convolutions(len(letters) + 2),
        "lstm": nn.LSTM(20, 7, bidirectional=True, batch_first=True),
        "univ_fc_layer": univ,
        "crf": Transitions(5),
    }
    if spec:
        parts["spec_fc_layer"] = spec[0]
    if not hidden:
        parts["char_highway"] = Gates("non_linear", 1, "leaky_relu")
    model = LstmCrf(**parts)
    special = {PAD: 0, UNK: 1}
    suffix = "_tgt" if multi else ""
    state = {
        "model": {"lstm_crf": model.state_dict(), "lstm": parts["lstm"].state_dict()},
        "args": {
            f"train{suffix}": "a/train.bio",
            f"dev{suffix}": "a/dev.bio",
            f"test{suffix}": None,
            "charhw_func": "leaky_relu",
            "batch_size": 10,
            "lr": 0.005,
            "feat_dropout": 0.5,
            "lstm_dropout": 0.6,
            "max_epoch": 50,
        },
        "vocab": {
            "token": vocabulary(tokens, **special),
            "char": vocabulary(letters, **special),
            "label": labels,
        },
    }
    return state, {"tgt": model}


def older_multi() -> tuple[dict[str, Any], dict[str, LstmCrf]]:
    """Return what the older script saves, and its four task models, without a padding label."""
    torch.manual_seed(4)
    letters = sorted(set("".join(WORDS)) - {"y"})
    tokens = {1: ("sarel", "steyn", "woont"), 2: ("woont", "steyn", "4 uur", "oont.")}
    labels = {1: {name: 3 - i for i, name in enumerate(BIOES)}, 2: {"VERB": 0, "NOUN": 1, "NUM": 2}}
    shared: dict[str, nn.Module] = {
        "char_embedding": Convolutions(len(letters) + 2),
        "char_highway": Gates("nonlinear", 2, "selu"),
        "lstm": nn.LSTM(20, 7, bidirectional=True),
    }
    tables = {language: nn.Embedding(len(names) + 2, 8) for language, names in tokens.items()}
    linears = {kind: heads(len(names), None, specific=2) for kind, names in labels.items()}
    chains = {kind: Transitions(len(names)) for kind, names in labels.items()}
    models = {
        name: LstmCrf(
            **shared,
            word_embedding=tables[language],
            univ_fc_layer=linears[kind][0],
            spec_fc_layer=linears[kind][language],
            crf=chains[kind],
        )
        for name, language, kind in (("tgt", 1, 1), ("cl", 2, 1), ("ct", 1, 2), ("clct", 2, 2))
    }
    state = {
        "model": {f"lstm_crf_{name}": model.state_dict() for name, model in models.items()},
        "args": {"word_ignore_case": True, "embed_dropout": 0.2, "train_clct": "b/pos.conllu"},
        "vocab": {
            **{f"token_{language}": vocabulary(names) for language, names in tokens.items()},
            **{f"label_{kind}": names for kind, names in labels.items()},
            "char": vocabulary(letters),
        },
    }
    return state, models


def indices(state: dict[str, Any], task: str, words: list[str]) -> tuple[list[int], list[list[int]]]:
    """Return the word and character indices of a sentence in the original."""
    vocab = state["vocab"]
    tokens = vocab["token"] if "token" in vocab else vocab["token_2" if task.startswith("cl") else "token_1"]
    lower = state["args"].get("word_ignore_case")
    rows = [tokens.get(word.lower() if lower else word, UNKNOWN) for word in words]
    return rows, [[vocab["char"].get(letter, UNKNOWN) for letter in word] for word in words]


def labels_of(state: dict[str, Any], task: str) -> dict[int, str]:
    """Return the labels by index, without the padding label."""
    vocab = state["vocab"]
    names = vocab["label"] if "label" in vocab else vocab["label_2" if "ct" in task else "label_1"]
    return {index: name for name, index in names.items() if name != PAD}


def save(state: Any, path: Path, *, old_format: bool = False) -> Path:
    """Write a file in the format of PyTorch, or in that before version 1.6."""
    torch.save(state, path, _use_new_zipfile_serialization=not old_format)
    return path


def save_from_gpu(state: Any, path: Path) -> Path:
    """Write a file in the old format as if its tensors were on a GPU."""
    data = save(state, path, old_format=True).read_bytes()
    swaps = {
        b"ctorch\nFloatStorage\n": b"ctorch.cuda\nFloatStorage\n",
        b"X\x03\0\0\0cpu": b"X\x06\0\0\0cuda:0",
    }
    for cpu, gpu in swaps.items():
        assert cpu in data
        data = data.replace(cpu, gpu)
    path.write_bytes(data)
    return path
