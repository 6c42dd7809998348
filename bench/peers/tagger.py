# pyright: reportMissingImports=false
"""The tagger of mlmt_jax in idiomatic PyTorch: a peer to measure against.

It computes the same function: a word table with character CNN and highway layers, a packed ``nn.LSTM``, a
universal and a specific linear layer with a gate, and the CRF of pytorch-crf. Task models share modules as in
mlmt_jax they share components. Each has an SGD optimizer with momentum, whose learning rate decays with the
steps of its task.
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

Activation = Callable[[Tensor], Tensor]


class Sentences(NamedTuple):
    """A batch padded to its longest sentence and word, without the empty sentences that pad ours."""

    words: Tensor  # (B, n) int64
    chars: Tensor  # (W, c) int64, of the W words within the lengths
    lengths: Tensor  # (B,) int64, on the CPU, as packing requires
    tags: Tensor  # (B, n) int64
    mask: Tensor  # (B, n) bool


def sentences(batch: Batch) -> Sentences:
    """Convert a batch to tensors on the device; each occurrence of a word has its own characters."""
    distinct, word_ids, packed = Batch.from_arrays([*map(np.asarray, batch.arrays)])
    is_real = packed.lengths > 0
    lengths = packed.lengths[is_real]
    n = int(lengths.max())
    mask = np.arange(n) < lengths[:, None]
    tokens = word_ids[packed.packed_index[is_real, :n][mask]]
    words = np.zeros(mask.shape, np.int32)
    words[mask] = distinct.table_rows[distinct.row_index][tokens]
    ends = distinct.segment_ends
    first = np.concatenate([[0], ends[:-1]])[tokens, None]
    place = first + np.arange(np.max(ends[tokens, None] - first))
    inside = place < ends[tokens, None]
    chars = np.where(inside, distinct.chars[np.where(inside, place, 0)], 0)
    tags = packed.tags[is_real, :n]
    integers = lambda x: torch.from_numpy(np.ascontiguousarray(x, np.int64))
    tensors = integers(words), integers(chars), integers(tags), torch.from_numpy(mask)
    moved = [x.to(device()) for x in tensors]
    return Sentences(moved[0], moved[1], integers(lengths), moved[2], moved[3])


class CharCNN(nn.Module):
    """Maximum over time of relu(conv(E(c))); a word shorter than a filter is padded with zeros."""

    def __init__(self, characters: int, dimension: int, filters: tuple[tuple[int, int], ...]):
        super().__init__()
        self.table = nn.Embedding(characters, dimension, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv1d(dimension, count, width) for width, count in filters)
        self.widths = [width for width, _ in filters]

    def forward(self, chars: Tensor) -> Tensor:
        """Compute the features of words: (W, c) -> (W, features)."""
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
    """Highway layers, each g * f(W x + b) + (1 - g) * x with g = sigmoid(W_g x + b_g)."""

    def __init__(self, features: int, num_layers: int, activation: Activation):
        super().__init__()
        self.gates = nn.ModuleList(nn.Linear(features, features) for _ in range(num_layers))
        self.transforms = nn.ModuleList(nn.Linear(features, features) for _ in range(num_layers))
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layers: (..., d) -> (..., d)."""
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
        """Apply the layers: (..., d) -> (..., features)."""
        for layer in self.hidden:
            x = self.activation(layer(x))
        return self.output(x)


class Encoder(nn.Module):
    """``nn.LSTM`` over packed sentences. Its second bias of each gate stays 0: mlmt_jax has only one."""

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
        """Encode sentences: (B, n, d), (B,) -> (B, n, features), 0 beyond the lengths."""
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True)[0]


class Modules(NamedTuple):
    """The modules of one task model, by role; other task models may share them."""

    word_embed: nn.Embedding
    lstm: Encoder
    univ_layer: nn.Module
    crf: CRF
    char_embed: CharCNN | None = None
    char_highway: Highway | None = None
    spec_layer: nn.Module | None = None
    gate: nn.Module | None = None


class TaskTagger(nn.Module):
    """One task model."""

    def __init__(self, modules: Modules, dropouts: tuple[float, float, float]):
        """Build the tagger; ``dropouts`` are the rates after the features, the LSTM and the tag scores."""
        super().__init__()
        self.word_embed, self.char_embed = modules.word_embed, modules.char_embed
        self.char_highway, self.lstm, self.crf = modules.char_highway, modules.lstm, modules.crf
        self.univ_layer, self.spec_layer, self.gate = modules.univ_layer, modules.spec_layer, modules.gate
        self.embed_dropout, self.lstm_dropout, self.linear_dropout = map(nn.Dropout, dropouts)

    def emissions(self, batch: Sentences) -> Tensor:
        """Compute tag scores (B, n, t), nats."""
        x = self.word_embed(batch.words)
        if self.char_embed is not None:
            features = self.char_embed(batch.chars)
            if self.char_highway is not None:
                features = self.char_highway(features)
            padded = features.new_zeros(*batch.words.shape, features.shape[1])
            padded[batch.mask] = features
            x = torch.cat([x, padded], 2)
        h = self.lstm_dropout(self.lstm(self.embed_dropout(x), batch.lengths))
        e = self.univ_layer(h)
        if self.spec_layer is not None and self.gate is not None:
            g = torch.sigmoid(self.gate(h))
            e = g * self.spec_layer(h) + (1.0 - g) * e
        return self.linear_dropout(e)

    def forward(self, batch: Sentences) -> Tensor:
        """Compute the mean of log Z - score(gold), () nats per sentence."""
        return -self.crf(self.emissions(batch), batch.tags, batch.mask, reduction="mean")


class Trainer:
    """A task model with its optimizer."""

    def __init__(self, module: TaskTagger, spec: TaskConfig):
        self.module = module.to(device())
        table = module.word_embed.weight
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self._clipped = [parameter for parameter in trained if parameter is not table]
        self._clipping = spec.gradient_clipping
        self._optimizer = torch.optim.SGD(trained, spec.learning_rate, spec.momentum, fused=True)
        decay = lambda step: spec.decay_rate ** (step / spec.decay_step)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, decay)

    def compile(self) -> None:
        """Compile character features and linear layers with ``torch.compile``, for dynamic sizes.

        The loops over words are not compiled: that of pytorch-crf would be a program for each length, each of
        which takes half a minute.
        """
        roles = ("char_embed", "char_highway", "univ_layer", "spec_layer", "gate")
        for part in (getattr(self.module, role) for role in roles):
            if part is not None:
                part.compile(dynamic=True)

    def train_step(self, batch: Batch | Sentences) -> float:
        """Train one step with dropout; return the loss before it, nats per sentence."""
        self.module.train()
        self._optimizer.zero_grad()
        loss = self.module(sentences(batch) if isinstance(batch, Batch) else batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self._clipped, self._clipping)
        self._optimizer.step()
        self._schedule.step()
        return loss.item()

    def loss(self, batch: Batch) -> Tensor:
        """Compute the mean loss without dropout, () nats per sentence."""
        self.module.eval()
        return self.module(sentences(batch))

    @torch.no_grad()
    def decode(self, batch: Batch) -> list[list[int]]:
        """Return the best tags of every sentence that is not empty."""
        self.module.eval()
        tensors = sentences(batch)
        mask: Any = tensors.mask  # pytorch-crf annotates bytes, but takes booleans
        return self.module.crf.decode(self.module.emissions(tensors), mask)
