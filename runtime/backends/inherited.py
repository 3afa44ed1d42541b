"""Models that a forked process has inherited: they are never let go of in it.

A model's library waits for its threads when it lets go of it, and a forked process has none of
them: it would hang, in ``close()`` or at its end, even if it has never touched the model.
"""

import ctypes
import os
import weakref

_opened: "weakref.WeakSet[object]" = weakref.WeakSet()


def remember(model: object) -> None:
    """Keep what an object's attributes hold alive in processes that are forked from now on.

    Args:
        model: What holds a library's model. Here it is freed as any other object.
    """
    _opened.add(model)


def _keep() -> None:
    for model in _opened:
        for held in vars(model).values():
            # A reference that nobody gives back, as at the end even globals are let go of.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_keep)
