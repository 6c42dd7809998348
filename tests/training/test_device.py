"""The choice of the device, and the versions of packages."""

import importlib.metadata
import os

import jax
import pytest

from mlmt_jax.training.device import choose_device, versions


def test_version_of_a_checkout_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    version = importlib.metadata.version

    def version_of_others(package: str) -> str:
        if package == "mlmt-jax":
            raise importlib.metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(importlib.metadata, "version", version_of_others)
    assert versions()["mlmt-jax"] == "unknown"
    assert versions()["jax"] == version("jax")


def test_run_without_a_gpu_uses_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    updates = {}
    monkeypatch.setattr(jax.config, "update", updates.__setitem__)
    choose_device(None)
    assert updates == {}
    choose_device(False)
    assert updates == {"jax_platforms": "cpu"}


def test_devices_that_share_a_batch_have_enough_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    # Both calls register the variable with monkeypatch, which restores it at the end.
    monkeypatch.setenv("NPROC", "")
    monkeypatch.delenv("NPROC")
    choose_device(None)
    assert "NPROC" not in os.environ
    choose_device(None, sharing=2)
    assert int(os.environ["NPROC"]) >= 10 + 1
    monkeypatch.setenv("NPROC", "3")
    choose_device(None, sharing=2)
    assert os.environ["NPROC"] == "3"  # The user's value stays.
