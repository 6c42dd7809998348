"""What is told before a run: who shares what, how large it all is, what vectors cover, what is odd."""

import sys
from collections.abc import Iterable

import jax

from mlmt_jax.model import init_params
from mlmt_jax.text.findings import Finding
from mlmt_jax.training.printing import table
from mlmt_jax.training.setup import Setup

__all__ = ["describe_corpora", "describe_run", "print_findings"]


def print_findings(findings: Iterable[Finding]) -> None:
    """Prints what is suspicious in the data to standard error, a line or two each."""
    for finding in findings:
        print(f"warning: {finding}", file=sys.stderr)


def describe_run(setup: Setup) -> str:
    """Tables of sharing, parameters, corpora and coverage."""
    return "\n\n".join((_sharing(setup), _parameters(setup), describe_corpora(setup)))


def _sharing(setup: Setup) -> str:
    names = list(setup.model.tasks)
    roles: dict[str, dict[str, str]] = {}
    for name, task in setup.model.tasks.items():
        for role, part in task.parts.items():
            roles.setdefault(role, {})[name] = part.name
    rows = [(role, *(used.get(name, "-") for name in names)) for role, used in roles.items()]
    rows.append(("chance of a step", *(f"{setup.weights[name]:.3f}" for name in names)))
    return table(("role", *names), rows)


def _parameters(setup: Setup) -> str:
    params = jax.eval_shape(lambda: init_params(setup.model, jax.random.key(0)))
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(tree)) for name, tree in params.items()}
    users = {
        name: sum(name in {part.name for part in task.parts.values()} for task in setup.model.tasks.values())
        for name in sizes
    }
    rows = [(name, f"{size}", f"{users[name]}") for name, size in sizes.items()]
    return table(("component", "parameters", "tasks"), [*rows, ("all", f"{sum(sizes.values())}", "")])


def describe_corpora(setup: Setup) -> str:
    """Sizes of all files, and the shares of their words that are known and that have a vector."""
    rows = []
    for task in setup.config.tasks:
        dataset = setup.corpus.datasets[task.dataset]
        vocab = setup.corpus.vocabulary.words[task.model.word_embed]
        vectors = setup.corpus.pretrained.get(task.model.word_embed)
        with_vector = set() if vectors is None else set(vectors[0].tolist())
        for split, examples in dataset.splits.items():
            words = [vocab.row(word) for example in examples for word in example.tokens]
            total = max(len(words), 1)
            spans = [tag for e in examples for tag in e.tags if tag[:2] in ("B-", "S-")]
            rows.append(
                (
                    dataset.name,
                    split,
                    dataset.scheme,
                    len(examples),
                    len(words),
                    len(spans) if dataset.scheme != "none" else "-",
                    max((len(e.tokens) for e in examples), default=0),
                    f"{100 * sum(row > 0 for row in words) / total:.1f}%",
                    f"{100 * sum(row in with_vector for row in words) / total:.1f}%" if with_vector else "-",
                )
            )
    header = ("dataset", "split", "scheme", "sentences", "words", "spans", "longest", "known", "with vector")
    return table(header, rows)
