"""Physical cores of systems that we do not have here: their calls are stood in for."""

import ctypes
import struct
import sys
from types import SimpleNamespace

import pytest

from runtime.backends import cores
from runtime.backends.cores import counted_cores, records_of_cores

CORE, CACHE = 0, 2


def record(about: int, length: int) -> bytes:
    return struct.pack("<II", about, length) + b"x" * (length - 8)


ANSWER = record(CORE, 48) + record(CACHE, 60) + record(CORE, 48) + record(CORE, 64)


def test_records_are_counted_by_what_they_are_about():
    assert records_of_cores(ANSWER) == 3
    assert records_of_cores(b"") == 0
    assert records_of_cores(record(CORE, 8) + struct.pack("<II", CORE, 0)) == 2  # no endless loop
    with pytest.raises(struct.error):
        records_of_cores(ANSWER + b"1234")


@pytest.mark.parametrize(("answer", "count"), [(ANSWER, 3), (b"", None)])
def test_windows(monkeypatch, answer, count):
    def ask(about, buffer, length):
        assert about == CORE
        length._obj.value = len(answer)
        if buffer is None or not answer:
            return 0
        ctypes.memmove(buffer, answer, len(answer))
        return 1

    kernel = SimpleNamespace(GetLogicalProcessorInformationEx=ask)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel), raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert counted_cores() == count


@pytest.mark.parametrize(
    ("known", "count"),
    [
        ({b"hw.perflevel0.physicalcpu": 4, b"hw.physicalcpu": 8}, 4),
        ({b"hw.physicalcpu": 6}, 6),
        ({}, None),
    ],
)
def test_macos(monkeypatch, known, count):
    def sysctlbyname(name, value, size, _new, _length):
        assert size._obj.value == 4
        value._obj.value = known.get(name, 0)
        return 0 if name in known else -1

    system = SimpleNamespace(sysctlbyname=sysctlbyname)
    monkeypatch.setattr(cores.ctypes, "CDLL", lambda _: system)
    monkeypatch.setattr(sys, "platform", "darwin")
    assert counted_cores() == count


def test_others_are_not_asked(monkeypatch):
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert counted_cores() is None


def test_a_windows_without_this_call(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(ctypes, "windll", raising=False)
    assert counted_cores() is None
