"""CONTRIBUTING.md, by which people find their way: what it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
TABLES = [line for line in TEXT.splitlines() if line.startswith("|")]


def test_what_the_tables_name_is_there():
    names = {
        name
        for line in TABLES
        for name in re.findall(r"`([\w./]+/|[\w./]+\.(?:py|md|toml|json))`", line)
    }
    folders = (ROOT, ROOT / "tests", *_packages())
    assert len(names) > 60
    assert [name for name in names if not any((each / name).exists() for each in folders)] == []


def test_every_package_is_on_the_map():
    missing = [
        str(folder.relative_to(ROOT))
        for folder in _packages()
        if not any(f"{folder.name}/" in line for line in TABLES)
    ]
    assert missing == []


def _packages() -> list[Path]:
    names = ("runtime", "lgrnet", "export")
    return [path.parent for name in names for path in (ROOT / name).rglob("__init__.py")]
