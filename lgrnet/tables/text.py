"""Tables as Markdown and LaTeX, in the paper's form: best figures bold, second best underlined."""

from collections.abc import Sequence

from lgrnet.tables.paper import Row, Table

MISSING = "missing"
UNREPORTED = "–"

_LATEX = {
    **{letter: "\\" + letter for letter in "&%#_${}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": "", "√": r"$\surd$",
    "×": r"$\times$",
}  # fmt: skip
"""What LaTeX reads as something else, or its standard fonts lack."""

_SIZE = (
    r"\ifdim\textwidth<380pt\scriptsize\setlength{\tabcolsep}{1.5pt}"
    r"\else\footnotesize\setlength{\tabcolsep}{2.5pt}\fi"
)
"""Of letters and gaps; ``article`` is 345 pt wide in one column, 410 pt in two."""


def ranks(table: Table) -> list[list[int | None]]:
    """Rank the figures of each column: 0 the best, 1 the second best, equal ones alike.

    Figures on synthetic data are ranked among themselves, as they do not compare with others. An F1
    of 0 is never the best.

    Args:
        table: The table.

    Returns:
        For each row, the rank of each figure; None where it has none.
    """
    found: list[list[int | None]] = [[None] * len(table.higher) for _ in table.rows]
    for synthetic in (False, True):
        members = [i for i, row in enumerate(table.rows) if row.synthetic == synthetic]
        for column, higher in enumerate(table.higher):
            shown = {i: _rounded(table.rows[i].values[column], table) for i in members}
            if higher:
                shown = {i: value or None for i, value in shown.items()}
            known = sorted({v for v in shown.values() if v is not None}, reverse=higher)
            for i, value in shown.items():
                found[i][column] = None if value is None else known.index(value)
    return found


def to_markdown(tables: Sequence[Table]) -> str:
    """Write tables as Markdown, with their notes.

    Args:
        tables: The tables.

    Returns:
        The text.
    """
    synthetic = any(row.synthetic for table in tables for row in table.rows)
    title = "# Tables on synthetic data, not on BP4D and DISFA" if synthetic else "# Tables"
    parts = [
        title,
        "Rows marked *reported* are the paper's own figures, the others were measured here; F1 of "
        "all frames of a fold, averaged over the folds. Best **bold**, second best <u>underlined"
        "</u>.",
    ]
    for table in tables:
        heads = ["Method", *table.heads]
        lines = [
            f"## Table {table.number}: {table.title} ({table.epochs})",
            "",
            "| " + " | ".join(heads) + " |",
            "|---|" + "---:|" * len(table.heads),
        ]
        for row, of in zip(table.rows, ranks(table), strict=True):
            name = f"{row.name} *(reported)*" if row.reported else row.name
            cells = [name, *row.marks, *_cells(table, row, of, "**{}**", "<u>{}</u>")]
            lines.append("| " + " | ".join(cells) + " |")
        lines += [line for note in table.notes for line in ("", note)]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def to_latex(tables: Sequence[Table]) -> str:
    """Write tables as LaTeX, without packages beyond the standard classes.

    Args:
        tables: The tables.

    Returns:
        The text, a ``table*`` environment each. Tables II and IV are as wide as two columns; where
        the page is narrower, all are set smaller.
    """
    parts = []
    for table in tables:
        caption = _escape(f"{table.title} ({table.epochs}).")
        lines = [
            r"\begin{table*}[t]",
            r"\centering",
            rf"\caption{{{caption} $\dagger$: as reported.}}",
            rf"\label{{tab:lgrnet-{table.number}-{table.epochs.split()[0]}}}\smallskip",
            _SIZE,
            r"\begin{tabular}{l" + "c" * len(table.heads) + "}",
            r"\hline",
            " & ".join(map(_escape, ("Method", *table.heads))) + r" \\",
            r"\hline",
        ]
        reported = True
        for row, of in zip(table.rows, ranks(table), strict=True):
            if reported and not row.reported:
                lines.append(r"\hline")
            reported = row.reported
            name = _escape(row.name) + (r"$^\dagger$" if row.reported else "")
            marks = [r"$\surd$" if mark else "" for mark in row.marks]
            figures = _cells(table, row, of, r"\textbf{{{}}}", r"\underline{{{}}}")
            if set(figures) == {MISSING}:
                figures = [rf"\multicolumn{{{len(figures)}}}{{c}}{{{MISSING}}}"]
            cells = [name, *marks, *figures]
            lines.append(" & ".join(cells) + r" \\")
        lines += [r"\hline", r"\end{tabular}"]
        lines += [rf"\par\smallskip\raggedright {_escape(note)}" for note in table.notes]
        parts.append("\n".join([*lines, r"\end{table*}"]))
    return "\n\n".join(parts) + "\n"


def _cells(table: Table, row: Row, of: Sequence[int | None], best: str, second: str) -> list[str]:
    cells = []
    for value, rank in zip(row.values, of, strict=True):
        shown = _rounded(value, table)
        if shown is None:
            cells.append(UNREPORTED if row.reported else MISSING)
            continue
        form = "{}" if rank is None else (best, second, "{}")[min(rank, 2)]
        cells.append(form.format(f"{shown:.{_digits(table)}f}"))
    return cells


def _digits(table: Table) -> int:
    """Tell how many decimals the paper prints: 2 for landmark errors, 1 for F1."""
    return 1 if table.higher[0] else 2


def _rounded(value: float | None, table: Table) -> float | None:
    return None if value is None else round(value, _digits(table))


def _escape(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)
