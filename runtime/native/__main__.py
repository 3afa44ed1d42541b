"""``python -m runtime.native``: compile the engine for this machine, and say for what."""

import argparse
import sys
from collections.abc import Sequence

from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.native.compile import CompileError, compile_engine
from runtime.native.library import TARGETS, open_library


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments; None for those of the process.

    Returns:
        Exit code: 0, 1 where the engine could not be compiled, 2 where it can be written nowhere.
    """
    parser = argparse.ArgumentParser(
        prog="python -m runtime.native",
        description="Compile the native engine for this machine; needs a C++ compiler.",
    )
    parser.add_argument(
        "--target", choices=TARGETS, help="instruction set (default: the fastest that runs here)"
    )
    args = parser.parse_args(argv)
    try:
        path = compile_engine(args.target)
        library = open_library(path)
        if library is None:
            raise CompileError(f"{path} does not run on this processor: give another --target")
    except (CompileError, InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1 if isinstance(error, CompileError) else 2
    print(f"compiled for {library.lgrnet_instruction_set().decode()}: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
