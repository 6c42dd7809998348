"""All replicas of a run: their groups, and the devices that they are spread over."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tiny_corpus
from config_edits import GONE, edited
from tiny_runs import sampled_config

from mlmt_jax.config import load_config
from mlmt_jax.errors import ConfigError
from mlmt_jax.training.plan import RunLength
from mlmt_jax.training.replica_set import ReplicaSet, device_mesh, group_replicas
from mlmt_jax.training.setup import prepare_replicas

ROOT = Path(__file__).resolve().parents[2]


def tagged_setup(**tags: tuple[str, ...]) -> Any:
    """Return what ``group_replicas`` reads of a setup with these tags by task."""
    return SimpleNamespace(corpus=SimpleNamespace(vocabulary=SimpleNamespace(tags=tags)))


def test_replicas_with_the_same_tags_are_one_group() -> None:
    setups = [tagged_setup(ner=tags) for tags in (("O", "S-PER"), ("O", "S-LOC"), ("O", "S-PER"))]
    assert group_replicas(setups) == [[0, 2], [1]]
    assert group_replicas([tagged_setup(ner=("O",)), tagged_setup(ner=("O",))]) == [[0, 1]]


def test_samples_with_other_words_are_one_group(corpus: Path) -> None:
    edits = {"datasets.1.sample": 2, "datasets.3.sample": 2, "training.replicas": 2}
    config = load_config(tiny_corpus.write_config(corpus, edited(tiny_corpus.config(), edits), "words.json"))
    setups = prepare_replicas(config)
    assert setups[0].model.sizes.words != setups[1].model.sizes.words
    assert group_replicas(setups) == [[0, 1]]


def test_length_counts_epochs_of_the_target(corpus: Path) -> None:
    data = edited(tiny_corpus.lean("nld ner", max_epoch=2), {"training.max_step": GONE})
    replicas = ReplicaSet(
        prepare_replicas(load_config(tiny_corpus.write_config(corpus, data, "epochs.json")))
    )
    assert replicas.length == RunLength(None, "nld ner", 2 * tiny_corpus.SENTENCES // 4)


def test_one_device_needs_no_mesh() -> None:
    assert device_mesh(3, 1) is None
    with pytest.raises(ConfigError, match=r"training\.data_parallel: got 2, but JAX has 1 device;"):
        device_mesh(3, 2)


FOUR_DEVICES = """
import sys
from mlmt_jax.config import load_config
from mlmt_jax.training.replica_group import ReplicaGroup
from mlmt_jax.training.replica_set import device_mesh
from mlmt_jax.training.setup import fresh_state, prepare_replicas
setups = prepare_replicas(load_config(sys.argv[1], ["training.replicas=3"]))
for data_parallel, shape in (1, dict(replica=3, data=1)), (2, dict(replica=2, data=2)):
    mesh = device_mesh(3, data_parallel)
    assert dict(mesh.shape) == shape, mesh.shape
    group = ReplicaGroup(setups, mesh)
    for leaf in group.stack([fresh_state(setup) for setup in setups]):
        starts = {shard.index[0].start for shard in leaf.addressable_shards}
        assert len(starts) == shape["replica"], starts
    [name] = group.batches
    tags = group.place(group.batches[name].batch(0)).sentences.tags
    assert len(tags.addressable_shards) == shape["replica"] * shape["data"]
    assert tags.addressable_shards[0].data.size * shape["replica"] * shape["data"] == tags.size
"""


def test_replicas_and_batches_are_spread_over_devices(corpus: Path) -> None:
    config = tiny_corpus.write_config(corpus, sampled_config(), "spread.json")
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "4", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", FOUR_DEVICES, str(config)]
    subprocess.run(command, env=environment, check=True, timeout=300)
