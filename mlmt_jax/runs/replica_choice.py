"""The choice among the replicas of a run: the best one, one by its number, or all that can tag together."""

import contextlib

from mlmt_jax.errors import RunError
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.metrics_file import read_metrics


def best_score(folder: RunFolder) -> float | None:
    """Return the best development score of the target that a run's metrics hold; None if there is none."""
    scores = []
    for line in read_metrics(folder.metrics)[0]:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            scores.append(float(line.record["best_score"]))
    return scores[-1] if scores else None


def choose_replica(folder: RunFolder, number: int | None) -> RunFolder:
    """Return the folder of a replica, or of the one with the best score if ``number`` is None.

    The folder of a run alone is its own only replica.

    Raises:
        RunError: if there is no such replica, or none was evaluated.
    """
    count = folder.config().training.replicas
    if number is not None and not 0 <= number < count:
        raise RunError(f"{folder.path}: no replica {number}; the run has {count}, counted from 0")
    if count == 1:
        return folder
    if number is None:
        return max(usable_replicas(folder), key=lambda replica: best_score(replica) or 0.0)
    replica = folder.replica(number)
    if replica.divergence.exists() and best_score(replica) is None:
        raise RunError(
            f"{folder.path}: replica {number} diverged before it was evaluated;\n"
            f"{replica.divergence} says how"
        )
    return replica


def usable_replicas(folder: RunFolder) -> list[RunFolder]:
    """Return the folders of all replicas that did not diverge; if all did, of those that were evaluated.

    Raises:
        RunError: if the run has no replicas, or if one of them is missing or has no score: without it the
            others are another run.
    """
    count = folder.config().training.replicas
    replicas = folder.runs(count) if count > 1 else []
    missing = [replica.path for replica in replicas if not replica.path.is_dir()]
    if missing and len(missing) < count:
        raise RunError(
            f"{missing[0]}: is missing; expected the {count} replicas of the run, or --replica for one alone"
        )
    evaluated = [replica for replica in replicas if best_score(replica) is not None]
    healthy = [replica for replica in replicas if not replica.divergence.exists()]
    if not evaluated:
        if replicas and not healthy:
            raise RunError(f"{folder.path}: all replicas diverged before they were evaluated")
        raise RunError(f"{folder.path}: no replicas; expected a run of several that were evaluated")
    unevaluated = [replica for replica in healthy if replica not in evaluated]
    if unevaluated:
        raise RunError(
            f"{unevaluated[0].metrics}: holds no score; expected one of each replica that did not "
            "diverge, or --replica for one alone"
        )
    return healthy or evaluated
