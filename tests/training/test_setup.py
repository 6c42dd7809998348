"""What a run is made of."""

import importlib.metadata

import pytest

from mlmt_jax.training.setup import versions


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
