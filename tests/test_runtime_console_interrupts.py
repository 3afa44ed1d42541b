"""Ctrl-C and SIGTERM, raised where nothing is half done."""

import signal
import threading
from contextlib import suppress

import pytest

from runtime.console.interrupts import Interrupts, Terminated


@pytest.fixture(autouse=True)
def ctrl_c_is_heard():
    """What a script runs in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Other(Exception):
    """What is raised beside."""


def send(*signals):
    for number in signals:
        signal.raise_signal(number)


def do(interrupts, done, *steps):
    """Send signals that are held, and note each step behind."""
    with interrupts.held():
        for step in steps:
            if isinstance(step, signal.Signals):
                send(step)
            elif isinstance(step, Exception):
                raise step
            else:
                done.extend(step)
    done.append("behind it")


@pytest.mark.parametrize(
    ("sent", "wanted"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_signals_wait_for_the_end_of_what_is_held(sent, wanted):
    done = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt) as raised:
        do(interrupts, done, "a", sent, "b")
    assert raised.type is wanted
    assert done == ["a", "b"]


def test_signals_are_raised_at_once_where_nothing_is_held():
    with Interrupts(), pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


def test_waiting_for_the_next_one_ends():
    def items():
        yield 1
        send(signal.SIGINT)
        yield 2

    done = []
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            do(interrupts, done, interrupts.each(items()))
        assert done == [1]
        with pytest.raises(KeyboardInterrupt):
            do(interrupts, done, signal.SIGINT, interrupts.each(items()))
        assert done == [1]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_what_was_lost_is_raised_at_the_next_one(sent):
    """As Python prints and forgets what is raised in a finaliser."""

    def items():
        with suppress(KeyboardInterrupt):
            send(sent)
        yield 1
        yield 2

    done = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        do(interrupts, done, interrupts.each(items()))
    assert done == [1]


def test_where_it_may_wait_for_ever_it_ends_and_holds_again_behind():
    def sent():
        with interrupts.heeded():
            yield 1
        send(signal.SIGINT)
        yield 2
        with interrupts.heeded():  # what was noted before does not keep it from trying
            yield 3
            send(signal.SIGINT)
            yield 4

    done = []
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt):
        do(interrupts, done, sent())
    assert done == [1, 2, 3]


def test_what_is_held_may_fail_of_itself():
    done = []
    with Interrupts() as interrupts:
        with pytest.raises(Other):
            do(interrupts, done, signal.SIGINT, Other())
        with pytest.raises(KeyboardInterrupt):  # and is not forgotten
            do(interrupts, done, interrupts.each("ab"))
    assert done == []


def test_who_asks_again_after_a_while_is_not_kept_waiting(monkeypatch):
    done, often = [], [signal.SIGINT] * 3
    with Interrupts() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            do(interrupts, done, *often, "a")
        monkeypatch.setattr("runtime.console.interrupts.IMPATIENT", -1)
        with pytest.raises(KeyboardInterrupt):
            do(interrupts, done, *often, "b")
    assert done == ["a"]


def test_sigterm_is_raised_once_and_ctrl_c_again():
    with Interrupts():
        with pytest.raises(Terminated):
            send(signal.SIGTERM)
        send(signal.SIGTERM)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                send(signal.SIGINT)


def test_handlers_are_as_before_and_another_one_of_ctrl_c_stays():
    def another(*_):
        raise Other

    terminate, interrupt = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) is not interrupt
    assert signal.getsignal(signal.SIGINT) is interrupt
    signal.signal(signal.SIGINT, another)
    with Interrupts(), pytest.raises(Other):
        send(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is terminate


def test_another_thread_has_no_signals_to_take_care_of():
    done = []

    def work():
        with Interrupts() as interrupts:
            do(interrupts, done, interrupts.each("ab"))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == ["a", "b", "behind it"]
    assert signal.getsignal(signal.SIGTERM) is before


def load(*signals):
    """Load a library that makes an error of its own of what a signal's handler raises."""
    try:
        send(*signals)
    except KeyboardInterrupt as stop:
        raise ImportError("initialization failed") from stop


def go_on_and_fail(*signals, error=Other):
    with suppress(KeyboardInterrupt):
        send(*signals)
    raise error


@pytest.mark.parametrize(
    ("sent", "wanted"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_a_library_that_is_broken_off_while_it_loads(sent, wanted):
    with pytest.raises(KeyboardInterrupt) as raised, Interrupts():
        load(sent)
    assert raised.type is wanted


def test_other_errors_are_told():
    with pytest.raises(Other), Interrupts():
        go_on_and_fail(signal.SIGINT)
    with pytest.raises(ImportError), Interrupts():
        go_on_and_fail(error=ImportError)
