"""What ``python -m runtime`` can do beside running sources: a file a command."""

from collections.abc import Callable, Sequence
from importlib import import_module

COMMANDS = ("doctor", "models", "plot")
"""Names of the commands; each is a module of this package with a ``main(argv) -> int``."""


def find_command(name: str) -> Callable[[Sequence[str]], int] | None:
    """Return a command's ``main``, or None where there is no such command."""
    if name not in COMMANDS:
        return None
    return import_module(f"runtime.commands.{name}").main
