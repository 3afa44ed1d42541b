"""The paper's tables from runs on folds: ``python -m lgrnet.tables runs/bp4d runs/disfa``.

Writes Tables I to V as ``tables.md``, ``tables.tex`` and ``tables.json``: of the last epochs, and
apart of those that were best on the test people, as published figures mostly are. Rows of the paper
stand beside and are marked as reported; what is not trained is shown as missing. The JSON holds the
counts of every fold, from which all figures can be computed again.
"""

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from lgrnet.evaluation.fold_scores import ScoresError
from lgrnet.tables.fold_means import find_runs
from lgrnet.tables.paper import Table, make_tables
from lgrnet.tables.text import to_latex, to_markdown
from runtime.console.help import purpose
from runtime.console.stoppable import stoppable
from runtime.errors import InputError
from runtime.files.atomic import PendingFile

logger = logging.getLogger(__name__)

FORMAT = "lgrnet-tables-1"


def to_json(tables: Sequence[Table], sources: dict[str, dict]) -> str:
    """Write tables and what they are made of as JSON.

    Args:
        tables: The tables; figures in %.
        sources: What they are made of; F1 and errors as fractions.

    Returns:
        The text.
    """
    shown = [
        {
            "table": table.number, "epochs": table.epochs, "title": table.title,
            "columns": list(table.heads[len(table.rows[0].marks):]),
            "rows": [
                {"name": row.name, "reported": row.reported, "synthetic": row.synthetic,
                 "values": list(row.values)}
                for row in table.rows
            ],
            "notes": list(table.notes),
        }
        for table in tables
    ]  # fmt: skip
    record = {"format": FORMAT, "tables": shown, "measured": sources}
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


@stoppable()
def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lgrnet.tables", description=purpose(__doc__))
    add = parser.add_argument
    add("runs", type=Path, nargs="+", help="folders of runs, searched with all below them")
    add("-o", "--out", type=Path, default=Path("out/tables"),
        help="where to; .md, .tex and .json are appended (default: %(default)s)")  # fmt: skip
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        tables, sources = make_tables(find_runs(args.runs))
        text = {
            ".md": to_markdown(tables), ".tex": to_latex(tables), ".json": to_json(tables, sources)
        }  # fmt: skip
        for suffix, content in text.items():
            with PendingFile(args.out.with_name(args.out.name + suffix)) as part:
                part.write_text(content, "utf-8")
    except (InputError, OSError, ScoresError) as error:
        logger.error("%s", error)
        return 2
    logger.info("written to %s.md, .tex and .json", args.out)
    print(text[".md"])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
