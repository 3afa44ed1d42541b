"""Reported figures against the text of the paper, where that text is at hand.

The paper is not part of the repository. ``LGRNET_PAPER`` names its text (pdftotext's), if it is not
``../shared/paper/lgrnet.txt``.
"""

import os
import re
import unicodedata
from pathlib import Path

import pytest

from lgrnet.tables import published

PAPER = Path(
    os.environ.get("LGRNET_PAPER", Path(__file__).parents[2] / "shared" / "paper" / "lgrnet.txt")
)
TITLES = {"I": 1, "II": 2, "III": 3, "IV": 4, "V": 5}
COLUMNS = {"I": 9, "II": 13, "III": 9, "IV": 13, "V": 2}


def numbers_below_names(table):
    """Read a table's rows: a line that begins with a name, and the figures behind or below it.

    Args:
        table: Its number, in Roman numerals.
    """
    text = unicodedata.normalize("NFC", PAPER.read_text("utf-8"))
    (part,) = re.findall(rf"^TABLE {table}$(.*?)(?:^TABLE |\Z)", text, re.MULTILINE | re.DOTALL)
    names = (
        r"(EAC-Net \[14\]|MLCR \[22\]|JAA-Net \[28\]|LP-Net \[23\]|ARL \[30\]|JÂA-Net(?: \[29\])?|"
        r"LGRNet(?: \(Ours\))?|w/o full|w/o F&R|w/o S-B|w/ Bi)"
    )
    figures = r"((?:\d+\.\d+[ ]?){" + str(COLUMNS[table]) + r"})$"
    rows = re.findall(rf"^{names}[√\s]+{figures}", part, re.MULTILINE)
    return {name.removesuffix(" (Ours)"): tuple(values.split()) for name, values in rows}


@pytest.mark.skipif(not PAPER.is_file(), reason=f"the paper's text is not at {PAPER}")
@pytest.mark.parametrize("table", TITLES)
def test_reported_rows_are_those_of_the_paper(table):
    found = numbers_below_names(table)
    ours = getattr(published, f"TABLE_{TITLES[table]}")
    if table == "V":
        kept = {name: (f"{row['disfa']:.2f}", f"{row['bp4d']:.2f}") for name, row in ours.items()}
    else:
        kept = {row.name: tuple(f"{value:.1f}" for value in (*row.f1, row.average)) for row in ours}
    assert list(kept) == list(found)
    assert kept == found
