"""What the first signal does, and the second."""

import signal
import subprocess
import sys

import pytest

from mlmt_jax.training.signals import StopRequest


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_one_is_noted_and_the_second_ends_at_once(signum: signal.Signals) -> None:
    before = {known: signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)}
    with StopRequest() as stop:
        assert stop.signum is None
        signal.raise_signal(signum)
        assert stop.signum == signum
        assert {signal.getsignal(known) for known in before} == {signal.SIG_DFL}
    assert {known: signal.getsignal(known) for known in before} == before


@pytest.mark.skipif(sys.platform == "win32", reason="a signal's number is not the exit status there")
def test_two_of_them_in_a_process_of_its_own() -> None:
    code = (
        "import signal\nfrom mlmt_jax.training.signals import StopRequest\n"
        "with StopRequest() as stop:\n"
        "    signal.raise_signal(signal.SIGINT)\n    print(int(stop.signum), flush=True)\n"
        "    signal.raise_signal(signal.SIGINT)\n    print('still there')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGINT, f"{int(signal.SIGINT)}\n")


def test_what_the_shell_has_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopRequest() as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.signum is None
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
