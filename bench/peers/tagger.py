# pyright: reportMissingImports=false
"""The tagger of mlmt_jax in PyTorch, written as one writes it there: a peer to measure against.

It computes the same function: character CNN and highway layers beside a word table, a packed ``nn.LSTM``,
a universal and a specific linear layer with a gate, and the CRF of pytorch-crf. Task models share modules
as ours share components; each has its own SGD with momentum, whose rate falls by the task's own steps.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torchcrf import CRF

from mlmt_jax.config import TaskConfig
from mlmt_jax.types import Batch
from peers.devices import device

__all__ = ["MLP", "CharCNN", "Encoder", "Highway", "Sentences", "TaskTagger", "Trainer", "sentences"]

Activation = Callable[[Tensor], Tensor]


class Sentences(NamedTuple):
    """A batch cut to its own longest sentence and word, without the empty rows that fill it up."""

    words: Tensor  # (B, n) int64
    chars: Tensor  # (W, c) int64, of the W words that are there
    lengths: Tensor  # (B,) int64, on the CPU, where packing wants them
    tags: Tensor  # (B, n) int64
    mask: Tensor  # (B, n) bool


def sentences(batch: Batch) -> Sentences:
    """The tensors of a batch of NumPy arrays; each occurrence of a word stands by itself."""
    distinct, word_ids, packed = Batch.from_arrays([*map(np.asarray, batch.arrays)])
    there = packed.lengths > 0
    lengths = packed.lengths[there]
    n = int(lengths.max())
    mask = np.arange(n) < lengths[:, None]
    tokens = word_ids[packed.packed_index[there, :n][mask]]
    words = np.zeros(mask.shape, np.int32)
    words[mask] = distinct.table_rows[distinct.row_index][tokens]
    ends = distinct.segment_ends
    first = np.concatenate([[0], ends[:-1]])[tokens, None]
    place = first + np.arange(np.max(ends[tokens, None] - first))
    inside = place < ends[tokens, None]
    chars = np.where(inside, distinct.chars[np.where(inside, place, 0)], 0)
    tags = packed.tags[there, :n]
    whole = lambda x: torch.from_numpy(np.ascontiguousarray(x, np.int64))
    moved = [x.to(device()) for x in (whole(words), whole(chars), whole(tags), torch.from_numpy(mask))]
    return Sentences(moved[0], moved[1], whole(lengths), moved[2], moved[3])


class CharCNN(nn.Module):
    """max over time of relu(conv(E(c))); a word shorter than a filter is filled up with zeros."""

    def __init__(self, characters: int, dimension: int, filters: tuple[tuple[int, int], ...]):
        super().__init__()
        self.table = nn.Embedding(characters, dimension, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv1d(dimension, count, width) for width, count in filters)
        self.widths = [width for width, _ in filters]

    def forward(self, chars: Tensor) -> Tensor:
        """(W, c) -> (W, features)."""
        lengths, places = (chars > 0).sum(1), torch.arange(chars.shape[1], device=chars.device)
        padded = nn.functional.pad(chars, (0, max(self.widths) - 1))
        x = self.table(padded).transpose(1, 2)  # (W, d, c + widest - 1)
        pooled = []
        for width, convolution in zip(self.widths, self.convolutions, strict=True):
            windows = torch.relu(convolution(x))[:, :, : len(places)]
            outside = places > (lengths - width).clamp(min=0)[:, None]
            pooled.append(windows.masked_fill(outside[:, None], 0.0).amax(2))
        return torch.cat(pooled, 1)


class Highway(nn.Module):
    """g * f(W x + b) + (1 - g) * x, g = sigmoid(W_g x + b_g)."""

    def __init__(self, features: int, num_layers: int, activation: Activation):
        super().__init__()
        self.gates = nn.ModuleList(nn.Linear(features, features) for _ in range(num_layers))
        self.transforms = nn.ModuleList(nn.Linear(features, features) for _ in range(num_layers))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) -> (..., d)."""
        for gate, transform in zip(self.gates, self.transforms, strict=True):
            g = torch.sigmoid(gate(x))
            x = g * self.activation(transform(x)) + (1.0 - g) * x
        return x


class MLP(nn.Module):
    """Hidden layers, each with the activation, then a linear layer."""

    def __init__(self, sizes: tuple[int, ...], activation: Activation):
        super().__init__()
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        self.hidden, self.output = nn.ModuleList(layers[:-1]), layers[-1]
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """(..., d) -> (..., features)."""
        for layer in self.hidden:
            x = self.activation(layer(x))
        return self.output(x)


class Encoder(nn.Module):
    """``nn.LSTM`` over packed sentences. Of its two biases a gate the second stays 0: ours has one."""

    def __init__(self, features: int, hidden_size: int, num_layers: int, bidirectional: bool, dropout: float):
        super().__init__()
        self.lstm = nn.LSTM(
            features,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
            bidirectional=bidirectional,
        )
        for name, parameter in self.lstm.named_parameters():
            if name.startswith("bias_hh"):
                nn.init.zeros_(parameter.requires_grad_(False))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, n, d), (B,) -> (B, n, features), 0 beyond the lengths."""
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]


class TaskTagger(nn.Module):
    """One task model over modules that others may hold too."""

    def __init__(
        self,
        word_embed: nn.Embedding,
        char_embed: CharCNN | None,
        char_highway: Highway | None,
        lstm: Encoder,
        univ_layer: nn.Module,
        spec_layer: nn.Module | None,
        gate: nn.Module | None,
        crf: CRF,
        dropouts: tuple[float, float, float],  # after the features, the LSTM and the tag scores
    ):
        super().__init__()
        self.word_embed, self.char_embed, self.char_highway = word_embed, char_embed, char_highway
        self.lstm, self.crf = lstm, crf
        self.univ_layer, self.spec_layer, self.gate = univ_layer, spec_layer, gate
        self.embed_dropout, self.lstm_dropout, self.linear_dropout = map(nn.Dropout, dropouts)

    def emissions(self, batch: Sentences) -> Tensor:
        """Tag scores (B, n, t), nats."""
        x = self.word_embed(batch.words)
        if self.char_embed is not None:
            letters = self.char_embed(batch.chars)
            if self.char_highway is not None:
                letters = self.char_highway(letters)
            placed = letters.new_zeros(*batch.words.shape, letters.shape[1])
            placed[batch.mask] = letters
            x = torch.cat([x, placed], 2)
        h = self.lstm_dropout(self.lstm(self.embed_dropout(x), batch.lengths))
        e = self.univ_layer(h)
        if self.spec_layer is not None and self.gate is not None:
            g = torch.sigmoid(self.gate(h))
            e = g * self.spec_layer(h) + (1.0 - g) * e
        return self.linear_dropout(e)

    def forward(self, batch: Sentences) -> Tensor:
        """Mean of log Z - score(gold), () nats per sentence."""
        return -self.crf(self.emissions(batch), batch.tags, batch.mask, reduction="mean")


class Trainer:
    """A task model with its optimizer."""

    def __init__(self, module: TaskTagger, spec: TaskConfig):
        self.module = module.to(device())
        table = module.word_embed.weight
        own = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._clipped = [parameter for parameter in own if parameter is not table]
        self._clipping = spec.gradient_clipping
        self._optimizer = torch.optim.SGD(own, spec.learning_rate, spec.momentum, fused=True)
        decay = lambda step: spec.decay_rate ** (step / spec.decay_step)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, decay)

    def compile(self) -> None:
        """From now on ``torch.compile`` runs the character features and the linear layers, sizes left open.

        Not the loops over words: of pytorch-crf's it makes a program for each length, in half a minute each.
        """
        roles = ("char_embed", "char_highway", "univ_layer", "spec_layer", "gate")
        for part in (getattr(self.module, role) for role in roles):
            if part is not None:
                part.compile(dynamic=True)

    def train_step(self, batch: Batch) -> float:
        """One update, with dropout; gives the loss before it, nats per sentence."""
        self.module.train()
        self._optimizer.zero_grad()
        loss = self.module(sentences(batch))
        loss.backward()
        nn.utils.clip_grad_norm_(self._clipped, self._clipping)
        self._optimizer.step()
        self._schedule.step()
        return loss.item()

    def loss(self, batch: Batch) -> Tensor:
        """The mean loss without dropout, () nats per sentence."""
        self.module.eval()
        return self.module(sentences(batch))

    @torch.no_grad()
    def decode(self, batch: Batch) -> list[list[int]]:
        """The best tags of every sentence."""
        self.module.eval()
        given = sentences(batch)
        mask: Any = given.mask  # pytorch-crf's annotation asks for bytes, its code for booleans
        return self.module.crf.decode(self.module.emissions(given), mask)
