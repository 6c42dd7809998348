"""The events of a training, as the loop yields them and as printing, metrics and checkpoints consume them."""

from collections.abc import Mapping
from typing import NamedTuple

from mlmt_jax.runs.progress import Progress
from mlmt_jax.training.recent_steps import RecentSteps
from mlmt_jax.training.run_scores import Scores
from mlmt_jax.training.state import RunState
from mlmt_jax.types import Params


class Compiling(NamedTuple):
    """A step waits for its program; repeated twice a second."""

    number: int  # of the program, from 1
    total: int  # programs of the run's steps
    seconds: float  # that the step has waited


class StepTaken(NamedTuple):
    """A step whose losses have arrived from the device, some steps after it was started."""

    step: int  # from 1
    task: str
    loss: float | None  # nats per sentence, mean over the replicas that are still training; None without any


class Evaluating(NamedTuple):
    """The beginning of an evaluation."""

    step: int


class ReplicaEvaluation(NamedTuple):
    """The evaluation of one replica."""

    scores: Scores
    score: float  # development score of the target, in [0, 1]
    best_params: Params | None  # its parameters, in its own shapes, if they are the best so far
    progress: Progress  # after the evaluation
    recent: RecentSteps  # before it

    @property
    def is_best(self) -> bool:
        """True if the parameters are the best so far."""
        return self.best_params is not None


class Evaluated(NamedTuple):
    """An evaluation of all replicas that are still training."""

    step: int
    seconds: float  # of training and evaluation until then
    replicas: Mapping[int, ReplicaEvaluation]  # by number; empty in all processes but the first


class StateReached(NamedTuple):
    """States to resume from. The next step donates their arrays: copy them before the next event."""

    replicas: Mapping[int, tuple[RunState, Progress]]  # by number; empty in all processes but the first


class Diverged(NamedTuple):
    """A replica whose numbers are not finite: it ends."""

    replica: int
    step: int
    message: str
    others: bool  # other replicas are still training


class Stopped(NamedTuple):
    """A training that was asked to stop by a signal; its states were yielded before."""

    signum: int
    step: int


class Finished(NamedTuple):
    """A training that has come to its end."""

    step: int
    progress: Mapping[int, Progress]  # by replica
    divergences: Mapping[int, str]  # messages by replica, of those that diverged


Event = Compiling | StepTaken | Evaluating | Evaluated | StateReached | Diverged | Stopped | Finished
