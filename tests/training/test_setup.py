"""The setups of runs and replicas."""

from pathlib import Path
from typing import Any

import pytest
import tiny_corpus
from tiny_runs import sampled_config

from mlmt_jax.config import load_config
from mlmt_jax.training import setup as module
from mlmt_jax.training.setup import prepare, prepare_replicas


def test_rare_words_are_replaced_at_the_rate_of_the_config(tiny_config: Path, tmp_path: Path) -> None:
    data = tiny_corpus.lean("nld ner")
    data["data_root"] = str(tiny_config.parent)
    oov_words = {}
    for rate in (0.0, 0.9):
        config = {**data, "training": {**data["training"], "unknown_rate": rate}}
        batches = prepare(load_config(tiny_corpus.write_config(tmp_path, config))).batches["nld ner"]
        oov_words[rate] = sum(int((batches.batch(step).words.table_rows == 0)[:1].sum()) for step in range(8))
    assert oov_words[0.0] < oov_words[0.9]


def test_shared_corpus_is_encoded_once(tiny_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode_corpus, corpora = module._encode_corpus, []

    def recorded(config: Any, corpus: Any) -> Any:
        corpora.append(corpus)
        return encode_corpus(config, corpus)

    monkeypatch.setattr(module, "_encode_corpus", recorded)
    prepare_replicas(load_config(tiny_config, ["training.replicas=3"]))
    assert len(corpora) == 1


def test_replicas_without_resampling_share_a_sample(corpus: Path) -> None:
    path = tiny_corpus.write_config(corpus, sampled_config(replicas=3, resample=False), "one_sample.json")
    setups = prepare_replicas(load_config(path))
    assert len({id(setup.corpus) for setup in setups}) == 1
    assert [setup.config.training.seed for setup in setups] == [3, 4, 5]
    assert [setup.config.training.effective_sample_seed for setup in setups] == [3, 3, 3]
    first = load_config(path).replica(0).training
    assert (first.replicas, first.sample_seed) == (1, None)
