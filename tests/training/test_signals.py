"""The first signal and the second."""

import signal
import subprocess
import sys

import pytest

from mlmt_jax.training.signals import StopRequest


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_is_noted_and_the_second_has_its_default_effect(signum: signal.Signals) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with StopRequest() as stop:
        assert stop.signum is None
        signal.raise_signal(signum)
        assert stop.signum == signum
        assert {signal.getsignal(number) for number in before} == {signal.SIG_DFL}
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.skipif(
    sys.platform == "win32", reason="the exit status is not the number of the signal on Windows"
)
def test_second_signal_ends_the_process() -> None:
    code = (
        "import signal\nfrom mlmt_jax.training.signals import StopRequest\n"
        "with StopRequest() as stop:\n"
        "    signal.raise_signal(signal.SIGINT)\n    print(int(stop.signum), flush=True)\n"
        "    signal.raise_signal(signal.SIGINT)\n    print('not ended')\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (-signal.SIGINT, f"{int(signal.SIGINT)}\n")


def test_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.signum is None
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_is_acknowledged_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGINT)
        assert capfd.readouterr().err == "\nstopping after this step; Ctrl-C again ends at once\n"
    assert stop.signum == signal.SIGINT
