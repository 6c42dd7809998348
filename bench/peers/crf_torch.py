# pyright: reportMissingImports=false
"""CRFs in PyTorch: pytorch-crf (``torchcrf``) and torch-struct. Importing it needs torch alone."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np
import torch
from crf_tasks import K_BEST, LOSS, MARGINALS, TASKS, VITERBI, Case, Implementation, K, Program

from peers.devices import device

__all__ = ["PYTORCH_CRF", "TORCH_STRUCT"]

_FORBIDDEN = -1e9  # as torch-struct has it; its sums do not take -inf


def _tensors(case: Case) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor], torch.Tensor]:
    """Emissions, tags, [transitions, start, end] and lengths on the device."""
    move = lambda x: torch.from_numpy(np.array(x)).to(device())
    return move(case.emissions), move(case.tags).long(), [*map(move, case.chain)], move(case.lengths).long()


def _finished(run: Callable[[], Any]) -> Callable[[], Any]:
    if device().type == "cpu":
        return run

    def waiting() -> Any:
        out = run()
        torch.cuda.synchronize()
        return out

    return waiting


def _arrays(out: Any) -> Any:
    return jax.tree.map(lambda x: x.detach().cpu().numpy(), out)


def prepare_pytorch_crf(case: Case, task: str) -> Program:
    """A program of pytorch-crf, whose ``decode`` returns a list of lists."""
    from torchcrf import CRF

    emissions, tags, scores, lengths = _tensors(case)
    n, t = emissions.shape[1:]
    mask: Any = torch.arange(n, device=device()) < lengths[:, None]
    model = CRF(t, batch_first=True).to(device())
    parameters = [model.transitions, model.start_transitions, model.end_transitions]
    with torch.no_grad():
        for parameter, value in zip(parameters, scores, strict=True):
            parameter.copy_(value)

    def loss_and_gradient():
        leaf = emissions.requires_grad_()
        loss = -model(leaf, tags, mask=mask, reduction="mean")
        return loss, *torch.autograd.grad(loss, [leaf, *parameters], materialize_grads=True)

    @torch.no_grad()
    def viterbi():
        return model.decode(emissions, mask=mask)

    def padded(paths: list[list[int]]) -> np.ndarray:
        return np.array([path + [0] * (n - len(path)) for path in paths])

    if task == LOSS:
        return Program(_finished(loss_and_gradient), _arrays)
    return Program(_finished(viterbi), padded)


@cache
def _linear_chain() -> Any:
    import torch_struct

    class LinearChain(torch_struct.LinearChainCRF):
        arg_constraints: dict[str, Any] = {}  # noqa: RUF012  torch warns of distributions without it

    return LinearChain


def _potentials(emissions, scores, lengths) -> torch.Tensor:
    """(B, n, t, t) [to, from]; a word before the first, of tag 0, makes sentences of one word possible."""
    transitions, start, end = scores
    n, t = emissions.shape[1:]
    moves = transitions.T.expand(n - 1, t, t)
    only_first = torch.full((t, t), _FORBIDDEN, device=emissions.device)
    only_first[:, 0] = 0.0
    edges = torch.cat([(only_first + start[:, None])[None], moves])
    ends = torch.arange(n, device=emissions.device) == lengths[:, None] - 1
    return edges + (emissions + ends[..., None] * end)[..., None]


def _events(tags: torch.Tensor, t: int, lengths: torch.Tensor) -> torch.Tensor:
    """Tags as torch-struct has them: (B, n, t, t) [to, from] of 0 and 1."""
    B, n = tags.shape
    sentence, word = torch.nonzero(torch.arange(n, device=tags.device) < lengths[:, None], as_tuple=True)
    before = torch.nn.functional.pad(tags[:, :-1], (1, 0))
    events = torch.zeros(B, n, t, t, device=tags.device)
    events[sentence, word, tags[sentence, word], before[sentence, word]] = 1.0
    return events


def prepare_torch_struct(case: Case, task: str) -> Program:
    """A program of torch-struct; its edges are built from emissions and chain, and summed up to tags."""
    make = _linear_chain()
    emissions, tags, scores, lengths = _tensors(case)
    t = emissions.shape[2]
    chain = lambda emissions, scores: make(_potentials(emissions, scores, lengths), lengths=lengths + 1)
    into = lambda edges: edges.detach().sum(-1)

    def loss_and_gradient():
        leaves = [x.requires_grad_() for x in (emissions, *scores)]
        loss = -chain(leaves[0], leaves[1:]).log_prob(_events(tags, t, lengths)).mean()
        return loss, *torch.autograd.grad(loss, leaves)

    tasks: dict[str, Callable[[], Any]] = {
        LOSS: loss_and_gradient,
        VITERBI: lambda: into(chain(emissions, scores).argmax).argmax(-1),
        MARGINALS: lambda: into(chain(emissions, scores).marginals),
        K_BEST: lambda: into(chain(emissions, scores).topk(K)).argmax(-1).transpose(0, 1),
    }
    return Program(_finished(tasks[task]), _arrays)


def torch_struct_bytes(case: Case, task: str) -> int:
    """Of the largest array: all pairs of moves, and for the k best all pairs of candidates of these."""
    B, n, t = case.emissions.shape
    pairs = 4 * B * (1 << (n - 1).bit_length()) // 2 * t**3
    return pairs * K**2 if task == K_BEST else pairs


PYTORCH_CRF = Implementation((LOSS, VITERBI), prepare_pytorch_crf)
TORCH_STRUCT = Implementation(TASKS, prepare_torch_struct, torch_struct_bytes)
