"""How commands show their options."""

import argparse


class DefaultsHelp(argparse.ArgumentDefaultsHelpFormatter):
    """Help with the defaults, but for options whose default is to be left out."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False or action.default == []:
            return action.help
        return super()._get_help_string(action)
