"""What a run is made of."""

import importlib.metadata
from pathlib import Path

import jax
import pytest
import tiny_corpus

from mlmt_jax.config import load_config
from mlmt_jax.training import setup as module
from mlmt_jax.training.device import choose_device, versions
from mlmt_jax.training.setup import prepare, prepare_replicas


def test_a_checkout_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def of_others(package: str) -> str:
        if package == "mlmt-jax":
            raise importlib.metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(importlib.metadata, "version", of_others)
    found = versions()
    assert found["mlmt-jax"] == "unknown"
    assert found["jax"] == version("jax")


def test_a_run_without_a_gpu_keeps_to_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to = {}
    monkeypatch.setattr(jax.config, "update", set_to.__setitem__)
    choose_device(None)
    assert set_to == {}
    choose_device(False)
    assert set_to == {"jax_platforms": "cpu"}


def test_rare_words_are_replaced_as_the_config_says(tiny_config: Path, tmp_path: Path) -> None:
    data = tiny_corpus.lean("nld ner")
    data["data_root"] = str(tiny_config.parent)
    rates = {rate: {**data, "training": {**data["training"], "unknown_rate": rate}} for rate in (0.0, 0.9)}
    unknown = {}
    for rate, own in rates.items():
        batches = prepare(load_config(tiny_corpus.write_config(tmp_path, own))).batches["nld ner"]
        unknown[rate] = sum(int((batches.batch(step).words.table_rows == 0)[:1].sum()) for step in range(8))
    assert unknown[0.0] < unknown[0.9]


def test_what_replicas_share_is_encoded_once(tiny_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, encoded = module._encode_corpus, []

    def noted(config, corpus):
        encoded.append(corpus)
        return encode(config, corpus)

    monkeypatch.setattr(module, "_encode_corpus", noted)
    prepare_replicas(load_config(tiny_config, ["training.replicas=3"]))
    assert len(encoded) == 1
