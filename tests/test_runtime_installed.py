"""How messages and documents say what to install."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks.sweep import main as sweep
from lgrnet.plots import require_matplotlib
from runtime.installed import how_to_install

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"][
    "optional-dependencies"
]
FOLDERS = ("runtime", "lgrnet", "export", "benchmarks", "docs")


def texts():
    for folder in FOLDERS:
        yield from (path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".md"))
    yield from ROOT.glob("*.md")


CLONE, WHEEL = ({"url": "file:///src/lgrnet", **kind} for kind in (
    {"dir_info": {"editable": True}},
    {"archive_info": {"hash": "sha256=00"}},
))  # fmt: skip


@pytest.mark.parametrize(
    ("origin", "editable"),
    [(CLONE, True), (WHEEL, False), ({**CLONE, "dir_info": {}}, False), (None, False)],
    ids=["pip install -e .", "a wheel", "pip install .", "from a folder of wheels"],
)
def test_pip_is_told_what_there_is_in_a_clone(monkeypatch, tmp_path, origin, editable):
    """As pip writes it into `direct_url.json`; a copy must not become editable."""
    info = tmp_path / "lgrnet-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.4\nName: lgrnet\nVersion: 0.1.0\n")
    if origin:
        (info / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(tmp_path)
    said = how_to_install("export", "cpu")
    command = re.match(r'pip install -c (\S+) (-e )?"\.\[([\w,]+)\]"', said)
    assert (ROOT / command[1]).is_file()
    assert bool(command[2]) == editable
    assert command[3].split(",") == ["export", "cpu"]


def test_a_clone_that_is_only_on_the_path_becomes_editable(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert ' -e ".[cpu]"' in how_to_install("cpu")


def test_every_extra_that_is_named_exists():
    named = set()
    for path in texts():
        text = path.read_text("utf-8")
        for call in re.findall(r"how_to_install\(([^()]*)\)", text):
            named |= set(re.findall(r"[\"'](\w+)[\"']", call))
        for extras in re.findall(r'-e "\.\[([\w,]+)\]"', text):
            named |= set(extras.split(","))
    assert {"parquet", "bench", "export", "headless"} <= named <= EXTRAS.keys()


def test_nothing_sends_anyone_to_a_package_index_for_lgrnet():
    for path in texts():
        if path.name in ("CHANGELOG.md", "installed.py"):
            continue
        assert not re.search(r"pip install [\"']?lgrnet\[", path.read_text("utf-8")), path


@pytest.mark.parametrize("otherwise", ["", "leave out --page"])
def test_without_matplotlib_it_is_said_how_to_get_it(monkeypatch, otherwise):
    require_matplotlib(otherwise)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    with pytest.raises(ImportError) as caught:
        require_matplotlib(otherwise)
    said = str(caught.value)
    assert said.startswith("Matplotlib does not load (")
    assert said.endswith(how_to_install("bench") + (", or leave out --page" if otherwise else ""))


def test_the_sweep_draws_nothing_without_matplotlib(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    assert sweep(["draw"]) == 2
    assert "error: Matplotlib does not load" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "module", "extra"),
    [
        ("lgrnet.evaluate", "torch", "train"),
        ("lgrnet.tables", "torch", "train"),
        ("lgrnet.faces.generate", "numba", "faces"),
        ("lgrnet.faces.lookalike", "scipy", "faces"),
        ("benchmarks.precision", "onnx", "bench"),
    ],
)
def test_commands_say_how_to_install_what_they_import_first(tmp_path, command, module, extra):
    (tmp_path / "sitecustomize.py").write_text(_LACKS.format(module=module))
    done = _started("-m", command, "--help", path=tmp_path)
    said = f"error: No module named '{module}': {how_to_install(extra)}\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


def test_a_benchmark_that_is_run_as_a_script_says_so_too(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(_LACKS.format(module="onnx"))
    done = _started(str(ROOT / "benchmarks" / "fps.py"), "--help", path=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"error: No module named 'onnx': {how_to_install('bench')}\n"


def test_programs_get_the_error_as_python_tells_it(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(_LACKS.format(module="torch"))
    done = _started("-c", "import lgrnet.evaluate", path=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'torch'\n")


_LACKS = """
import sys

class Lacks:
    def find_spec(name, *_):
        if name.partition(".")[0] == "{module}":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Lacks)
"""


def _started(*arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(path), str(ROOT)])}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
