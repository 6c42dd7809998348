"""The launch of a run: checks before anything is written, locks, errors of memory and processes."""

import contextlib
from collections.abc import Callable, Sequence

from mlmt_jax.config import Config
from mlmt_jax.errors import RunError
from mlmt_jax.runs.folder import RunFolder
from mlmt_jax.runs.lock import locked
from mlmt_jax.runs.resume_plan import check_start
from mlmt_jax.runs.same_run import Corpora, check_same_run, data_records, digests
from mlmt_jax.runs.survey import folder_contents
from mlmt_jax.training import processes
from mlmt_jax.training.device import require_memory
from mlmt_jax.training.divergence import DivergedError
from mlmt_jax.training.replica_set import device_mesh
from mlmt_jax.training.run import train
from mlmt_jax.training.run_tables import describe_corpora, describe_run, print_findings
from mlmt_jax.training.setup import Setup, prepare_replicas
from mlmt_jax.training.signals import TrainingStopped
from mlmt_jax.training.tensorboard_log import require_tensorboard


def describe(config: Config) -> str:
    """Return the tables of a run that is not started; raise InputError if config or data cannot be used."""
    with processes.refusing_together():
        setups = prepare_replicas(config)
        require_memory(setups)
    return describe_run(setups[0])


def launch(
    config: Config,
    *,
    resume: bool,
    distributed: bool,
    finish: Callable[[RunFolder, Sequence[Setup]], None] = lambda folder, setups: None,
    verbose: bool = False,
) -> None:
    """Train the run of a config in its folder.

    Args:
        config: config of the run.
        resume: continue the run that the folder holds.
        distributed: compare config and data with those of the other processes.
        finish: called with the folder and the replicas' setups after the training, in the first process.
        verbose: print all scores of each evaluation.

    Raises:
        InputError: if config, data or folder cannot be used, memory is too small, or another process is lost.
        TrainingStopped: on Ctrl-C or SIGTERM, once the states are saved.
    """
    assert config.training.output is not None
    folder = RunFolder(config.training.output)
    with contextlib.ExitStack() as stack:
        with processes.refusing_together():
            if processes.is_first():
                require_tensorboard(config)
                check_start(folder_contents(folder), resume=resume)
                if resume:
                    if folder.holds_run:
                        folder.config()  # An unreadable one is reported before the data is read.
                    stack.enter_context(locked(folder.path))
            print("reading the data", flush=True)
            setups = prepare_replicas(config)
            require_memory(setups)
            print_findings(dict.fromkeys(f for setup in setups for f in setup.corpus.findings))
            device_mesh(len(setups), config.training.data_parallel)  # refuses before anything is written
            corpora = [(setup.config, setup.corpus) for setup in setups]
            inputs = digests(corpora) if distributed else {}
        processes.check_alike(inputs)
        with processes.refusing_together():
            if processes.is_first():
                _open_folder(folder, config, corpora, resume, stack)
        has_samples = len({id(setup.corpus) for setup in setups}) > 1
        note = "data of replica 0; the others have samples of their own\n" if has_samples else ""
        print(f"run folder: {folder.path}\n\n{note}{describe_corpora(setups[0])}\n", flush=True)
        _train(setups, folder, config, verbose=verbose)
        if processes.is_first():
            finish(folder, setups)


def _open_folder(
    folder: RunFolder, config: Config, corpora: Corpora, resume: bool, stack: contextlib.ExitStack
) -> None:
    """Create the folder of a new run, or check that of a resumed one; lock it and those of its replicas.

    With ``resume`` the folder is locked by the caller. A folder without a run is created also then.

    Args:
        folder: folder of the run.
        config: config of the run.
        corpora: config and corpus of each replica.
        resume: continue the run that the folder holds.
        stack: holds the locks until it is closed.

    Raises:
        InputError: if the folder is in use, cannot be written, or holds another run.
    """
    if resume and folder.holds_run:
        check_same_run(folder, config, corpora)
    else:
        if not resume:
            stack.enter_context(locked(folder.path))
            check_start(folder_contents(folder), resume=False)  # Another process may have been quicker.
        folder.create(config, [(c, data_records(c, corpus)) for c, corpus in corpora])
    if len(corpora) > 1:
        for replica_folder in folder.runs(len(corpora)):
            stack.enter_context(locked(replica_folder.path))


def _train(setups: Sequence[Setup], folder: RunFolder, config: Config, *, verbose: bool) -> None:
    """Train the replicas in the folder of the run.

    The configs in the folder are updated once the states on disk are known to be usable.

    Raises:
        RunError: if memory is too small, another process is lost, or as ``train``; other errors of JAX pass.
    """

    def update_configs() -> None:
        if processes.is_first():
            folder.update_configs(config, [setup.config for setup in setups])

    try:
        with processes.exit_on_failure((TrainingStopped, DivergedError)):
            train(setups, folder, update_configs, verbose=verbose)
    except (RuntimeError, ValueError, MemoryError) as error:  # JAX's errors are the first two
        if processes.is_lost_process(error):
            reason = str(error).partition("\n")[0]
            raise RunError(f"--distributed: another process has failed or is lost: {reason}") from error
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise RunError(
            f"{folder.path}: the run needs more memory than there is; expected a smaller model, smaller "
            "batches (batch_size, eval_batch_size, max_len) or fewer replicas"
        ) from None
