"""Tables of a run before its first step: shared components, sizes, corpora and coverage of the vectors."""

import sys
from collections.abc import Iterable

import jax

from mlmt_jax.text.findings import Finding
from mlmt_jax.training.setup import Setup
from mlmt_jax.training.tables import table


def print_findings(findings: Iterable[Finding]) -> None:
    """Print findings to standard error as warnings, a line or two each."""
    for finding in findings:
        print(f"warning: {finding}", file=sys.stderr)


def describe_run(setup: Setup) -> str:
    """Return the tables of shared components, of parameters, and of corpora."""
    return "\n\n".join((_sharing(setup), _parameters(setup), describe_corpora(setup)))


def _sharing(setup: Setup) -> str:
    """Return a table of the component in each role of each task model, and of the task weights."""
    names = list(setup.model.tasks)
    roles: dict[str, dict[str, str]] = {}
    for name, task in setup.model.tasks.items():
        for role, part in task.parts.items():
            roles.setdefault(role, {})[name] = part.name
    rows = [(role, *(components.get(name, "-") for name in names)) for role, components in roles.items()]
    rows.append(("chance of a step", *(f"{setup.weights[name]:.3f}" for name in names)))
    return table(("role", *names), rows)


def _parameters(setup: Setup) -> str:
    """Return a table of the number of parameters of each component, and of the task models that use it."""
    params = setup.shapes.params
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(tree)) for name, tree in params.items()}
    users = {
        name: sum(name in {part.name for part in task.parts.values()} for task in setup.model.tasks.values())
        for name in sizes
    }
    rows = [(name, f"{size}", f"{users[name]}") for name, size in sizes.items()]
    return table(("component", "parameters", "tasks"), [*rows, ("all", f"{sum(sizes.values())}", "")])


def describe_corpora(setup: Setup) -> str:
    """Return a table of file sizes, and of the shares of words that are known and that have a vector."""
    rows = []
    for task in setup.config.tasks:
        dataset = setup.corpus.datasets[task.dataset]
        vocabulary = setup.corpus.vocabulary.words[task.model.word_embed]
        vectors = setup.corpus.pretrained.get(task.model.word_embed)
        rows_with_vector = set() if vectors is None else set(vectors[0].tolist())
        for split, sentences in dataset.splits.items():
            words = [vocabulary.row(word) for sentence in sentences for word in sentence.tokens]
            total = max(len(words), 1)
            spans = sum(tag[:2] in ("B-", "S-") for sentence in sentences for tag in sentence.tags)
            with_vector = f"{100 * sum(row in rows_with_vector for row in words) / total:.1f}%"
            rows.append(
                (
                    dataset.name,
                    split,
                    dataset.scheme,
                    len(sentences),
                    len(words),
                    spans if dataset.scheme != "none" else "-",
                    max((len(sentence.tokens) for sentence in sentences), default=0),
                    f"{100 * sum(row > 0 for row in words) / total:.1f}%",
                    with_vector if rows_with_vector else "-",
                )
            )
    header = ("dataset", "split", "scheme", "sentences", "words", "spans", "longest", "known", "with vector")
    return table(header, rows)
