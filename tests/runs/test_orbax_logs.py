"""Logs during and after writes of orbax."""

import logging

import pytest

from mlmt_jax.runs import orbax_logs
from mlmt_jax.runs.orbax_logs import silence_logs


def test_a_failed_write_silences_the_logs_for_good(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(orbax_logs, "_silenced_writes", set())
    logger = logging.getLogger("asyncio")
    with silence_logs():
        logger.error("during a write")
    logger.error("after a write")
    with pytest.raises(ValueError, match="full"), silence_logs():
        raise ValueError("full")
    logger.error("after a failed write")
    assert [record.getMessage() for record in caplog.records] == ["after a write"]
