"""How commands show their options."""

import argparse
import re


def purpose(doc: str | None) -> str:
    """Take what a command does from the first paragraph of its module's docstring.

    Args:
        doc: The docstring, in which the command itself stands in double backticks, before or after
            a colon.

    Returns:
        A sentence without the command.
    """
    text = " ".join((doc or "").strip().split("\n\n")[0].split())
    text = re.sub(r"^``[^`]*``: ", "", text)
    text = re.sub(r": ``[^`]*``\.?$|:: .*$|\s*::$", "", text).replace("`", "").rstrip(" .:")
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('?') else '.'}"


class DefaultsHelp(argparse.ArgumentDefaultsHelpFormatter):
    """Help with the defaults, but for options whose default is to be left out."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        default = action.default
        if default is None or default is False or default in ([], (), ""):
            return action.help
        if isinstance(default, list | tuple) and action.help and "%(default)" not in action.help:
            return f"{action.help} (default: {' '.join(map(str, default))})".replace("%", "%%")
        return super()._get_help_string(action)
