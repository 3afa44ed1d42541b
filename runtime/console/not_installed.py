"""How a command ends that imports what is not installed: in a line that says how to install it."""

import sys
from collections.abc import Mapping
from types import TracebackType

from runtime.console.messages import tell
from runtime.installed import how_to_install

NOT_INSTALLED = 2


def end_in_a_line(extras: Mapping[str, str]) -> None:
    """Have a missing module end the process with a line and code 2 instead of a traceback.

    For commands that import such modules at their top, where no code of theirs can catch the error:
    ``__init__.py`` of their package calls it, which ``python -m`` runs before the command.

    Args:
        extras: Module → the optional part of this package that brings it.
    """
    before = sys.excepthook

    def tell_how(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        name = error.name if isinstance(error, ModuleNotFoundError) else None
        extra = extras.get((name or "").partition(".")[0])
        if extra is None:
            before(kind, error, trace)
            return
        tell(f"error: {error}: {how_to_install(extra)}")
        raise SystemExit(NOT_INSTALLED)

    sys.excepthook = tell_how
