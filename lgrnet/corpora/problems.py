"""What is wrong with a corpus on disc: all of it is gathered before any work, and told at once."""

from collections.abc import Iterable
from pathlib import Path

from lgrnet.data.shards import DatasetError

_PER_FILE = 5
"""Problems of one file that are listed; one wrong column would fill the screen otherwise."""

_LONGEST = 600  # letters of a problem, which may quote what stands in a damaged file


class CorpusError(DatasetError):
    """A corpus is not as it should be.

    Attributes:
        problems: What is wrong, each a line that names the file, and its line if it has any.

    Args:
        problems: As above.
        state: What that means for the data set.
    """

    def __init__(self, problems: Iterable[str], state: str = "nothing was prepared") -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        count = len(self.problems)
        head = "1 problem" if count == 1 else f"{count} problems"
        super().__init__("\n  ".join([f"{head}, {state}:", *self.problems]))

    def __reduce__(self) -> tuple:
        """Travel from one process to another with the problems, not only the message."""
        return type(self), (self.problems,)


class Problems:
    """Gathers problems, a few of each file."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._counts: dict[Path, int] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def add(self, path: Path, what: str, line: int | None = None) -> None:
        """Add a problem.

        Args:
            path: The file or folder.
            what: What is wrong with it, and what to do if that is not plain.
            line: Line of the file, from 1.
        """
        self._counts[path] = self._counts.get(path, 0) + 1
        if self._counts[path] <= _PER_FILE:
            place = "" if line is None else f", line {line}"
            if len(what) > _LONGEST:
                what = what[:_LONGEST] + " …"
            self._lines.append(f"{path}{place}: {what}")

    def take(self, others: "Problems") -> None:
        """Add what was gathered elsewhere about other files."""
        self._lines += others._lines
        self._counts |= others._counts

    def lines(self) -> list[str]:
        """Return what was gathered, in order."""
        more = {path: count - _PER_FILE for path, count in self._counts.items()}
        return self._lines + [
            f"{path}: {count} more like these" for path, count in more.items() if count > 0
        ]
