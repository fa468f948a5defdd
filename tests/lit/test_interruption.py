"""Signals are held back while a model is at work, and handed to whoever handled them before."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from timepro_lit.lit.interruption import Interruption
from timepro_lit.runs import signals
from timepro_lit.runs.signals import Stopped, ended_by_signals


@pytest.fixture(autouse=True)
def handlers_stay() -> Iterator[None]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(number) for number in numbers]
    begun = [signal.SIG_DFL, signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL]
    for number, handler in zip(numbers, begun, strict=True):  # a shell may have this process ignore some
        signal.signal(number, handler)
    yield
    after = [signal.getsignal(number) for number in numbers]
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    assert after == begun


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 128 + signal.SIGUSR1)]
)
def test_a_signal_waits_until_nothing_is_lost(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    interruption, done = Interruption(), []
    with pytest.raises(Stopped) as stopped, ended_by_signals(), interruption.held():
        os.kill(os.getpid(), number)
        done.append(interruption.agreed())
    assert (done, stopped.value.code) == ([number], code)
    assert capsys.readouterr().err == f"stopped by {number.name}\n"


def test_a_second_one_does_not_wait() -> None:
    with pytest.raises(Stopped), ended_by_signals(), Interruption().held():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("it went on")


def test_whoever_handled_a_signal_before_decides() -> None:
    heard: list[int] = []
    for number in (signal.SIGTERM, signal.SIGUSR2):
        signal.signal(number, lambda n, _: heard.append(n))
    try:
        with ended_by_signals(), Interruption().held() as _:
            os.kill(os.getpid(), signal.SIGTERM)
            assert heard == []
        assert heard == [signal.SIGTERM]  # and the work went on
        with Interruption().held():
            os.kill(os.getpid(), signal.SIGUSR2)
        assert heard == [signal.SIGTERM, signal.SIGUSR2]
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGUSR2, signal.SIG_DFL)


def test_without_anything_held_a_signal_ends_at_once() -> None:
    with pytest.raises(Stopped, match="143"), ended_by_signals():
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("rank", "waits"), [("0", []), ("1", [60.0])])
def test_nobody_leaves_before_the_job_is_queued_again(
    rank: str, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RANK", rank), ("SLURM_JOB_ID", "7"), ("PATH", "")):
        monkeypatch.setenv(name, value)
    waited: list[float] = []
    monkeypatch.setattr(signals.time, "sleep", waited.append)
    with pytest.raises(Stopped), ended_by_signals():
        os.kill(os.getpid(), signal.SIGUSR1)
    assert waited == waits
