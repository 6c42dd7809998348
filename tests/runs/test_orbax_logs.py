"""What a failed write leaves behind says nothing, and all else is heard."""

import logging
import sys
from types import SimpleNamespace

import pytest

from mlmt_jax.runs import orbax_logs as quiet


def test_late_ends_of_a_failed_write(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []
    monkeypatch.setattr(quiet, "_writes", set())
    monkeypatch.setattr(sys, "unraisablehook", lambda found: heard.append(str(found.exc_value)))

    def end_late(number: int) -> None:
        for text in ("Event loop is closed", f"other {number}"):
            sys.unraisablehook(SimpleNamespace(exc_value=RuntimeError(text)))  # type: ignore[arg-type]
        logging.getLogger("asyncio").error("log %d", number)

    with quiet.silent():
        end_late(1)
    end_late(2)
    with pytest.raises(ValueError, match="full"), quiet.silent():
        raise ValueError("full")
    end_late(3)
    assert heard == ["other 1", "Event loop is closed", "other 2", "other 3"]
    assert [record.getMessage() for record in caplog.records] == ["log 2"]
