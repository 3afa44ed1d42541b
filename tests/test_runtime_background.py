"""Threads that read beside the program, where the system has none left."""

import atexit
import threading

import pytest

from runtime.sources.background import Background


def test_a_thread_that_does_not_start_is_not_waited_for(monkeypatch):
    def none_left(_):
        raise RuntimeError("can't start new thread")

    at_exit = []
    monkeypatch.setattr(threading.Thread, "start", none_left)
    monkeypatch.setattr(atexit, "register", at_exit.append)
    monkeypatch.setattr(atexit, "unregister", lambda done: done in at_exit and at_exit.remove(done))
    thread = Background(lambda: None, "lgrnet-test")
    with pytest.raises(RuntimeError, match="can't start new thread"):
        thread.start()
    assert at_exit == []
    thread.stop()
    assert not thread.started
