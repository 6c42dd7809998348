# pyright: reportMissingImports=false
"""CRFs in PyTorch: pytorch-crf (``torchcrf``) and torch-struct; importing this module needs only torch."""

from collections.abc import Callable
from functools import cache
from typing import Any

import jax
import numpy as np
import torch
from crf_tasks import K_BEST, LOSS, MARGINALS, TASKS, VITERBI, Case, Implementation, K, Program

from peers.devices import device

_FORBIDDEN = -1e9  # as in torch-struct, whose sums cannot handle -inf


def _tensors(case: Case) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor], torch.Tensor]:
    """Return emissions, tags, [transitions, start, end] and lengths on the device."""
    move = lambda x: torch.from_numpy(np.array(x)).to(device())
    return move(case.emissions), move(case.tags).long(), [*map(move, case.chain)], move(case.lengths).long()


def _synchronized(run: Callable[[], Any]) -> Callable[[], Any]:
    """Return a call that also waits for the GPU."""
    if device().type == "cpu":
        return run

    def waiting() -> Any:
        out = run()
        torch.cuda.synchronize()
        return out

    return waiting


def _arrays(out: Any) -> Any:
    """Convert the tensors of a result to NumPy arrays."""
    return jax.tree.map(lambda x: x.detach().cpu().numpy(), out)


def prepare_pytorch_crf(case: Case, task: str) -> Program:
    """Prepare a task of pytorch-crf."""
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
        return Program(_synchronized(loss_and_gradient), _arrays)
    return Program(_synchronized(viterbi), padded)


@cache
def _linear_chain() -> Any:
    """Return the distribution class of torch-struct."""
    import torch_struct

    class LinearChain(torch_struct.LinearChainCRF):
        arg_constraints: dict[str, Any] = {}  # noqa: RUF012  torch warns about distributions without it

    return LinearChain


def _potentials(emissions, scores, lengths) -> torch.Tensor:
    """Return the potentials of torch-struct, (B, n, t, t) [to, from].

    torch-struct needs two words: each sentence begins with an extra word of tag 0.
    """
    transitions, start, end = scores
    n, t = emissions.shape[1:]
    moves = transitions.T.expand(n - 1, t, t)
    only_first = torch.full((t, t), _FORBIDDEN, device=emissions.device)
    only_first[:, 0] = 0.0
    edges = torch.cat([(only_first + start[:, None])[None], moves])
    ends = torch.arange(n, device=emissions.device) == lengths[:, None] - 1
    return edges + (emissions + ends[..., None] * end)[..., None]


def _events(tags: torch.Tensor, t: int, lengths: torch.Tensor) -> torch.Tensor:
    """Return tags (B, n) as the edges (B, n, t, t) [to, from] of 0 and 1 that torch-struct expects."""
    B, n = tags.shape
    sentence, word = torch.nonzero(torch.arange(n, device=tags.device) < lengths[:, None], as_tuple=True)
    before = torch.nn.functional.pad(tags[:, :-1], (1, 0))
    events = torch.zeros(B, n, t, t, device=tags.device)
    events[sentence, word, tags[sentence, word], before[sentence, word]] = 1.0
    return events


def prepare_torch_struct(case: Case, task: str) -> Program:
    """Prepare a task of torch-struct: build its edges from emissions and chain, and sum them to tags."""
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
    return Program(_synchronized(tasks[task]), _arrays)


def torch_struct_bytes(case: Case, task: str) -> int:
    """Return the bytes of torch-struct's largest array: pairs of transitions, times k^2 for k-best."""
    B, n, t = case.emissions.shape
    pairs = 4 * B * (1 << (n - 1).bit_length()) // 2 * t**3
    return pairs * K**2 if task == K_BEST else pairs


PYTORCH_CRF = Implementation((LOSS, VITERBI), prepare_pytorch_crf)
TORCH_STRUCT = Implementation(TASKS, prepare_torch_struct, torch_struct_bytes)
