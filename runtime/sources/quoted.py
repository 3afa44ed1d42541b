"""Names as they may stand in a command that somebody copies."""

import shlex
import sys


def quoted(name: object) -> str:
    """Quote a path or an address for the shell of this system, where it must be.

    Args:
        name: The path or address.

    Returns:
        It, with quotation marks if it has a character that shells take for something else.
    """
    text = str(name)
    if sys.platform != "win32":
        return shlex.quote(text)
    # Names have no quotation marks there, and both of its shells take these.
    return f'"{text}"' if set(text) & set(" &()[]{}^=;!'+,`~@$#%") else text
