"""What PyInstaller is told of the package, without a PyInstaller."""

import re
import runpy
import sys
import tomllib
from fnmatch import fnmatch
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import ModuleType

import cv2
import pytest

from runtime.commands import COMMANDS
from runtime.finders.cascade import CASCADE, cascade_path
from runtime.finders.grids_opencv import MODEL
from runtime.native.library import TARGETS, library_path

ROOT = Path(__file__).parents[1]


@pytest.fixture
def told(monkeypatch):
    """What the hook asks PyInstaller for: function → arguments, a call each."""
    asked: dict[str, list[tuple]] = {}

    def stand_in(name):
        def function(package, **options):
            asked.setdefault(name, []).append((package, options))
            if (name, package) == ("copy_metadata", "onnxruntime-gpu"):
                raise PackageNotFoundError(package)
            return [(name, package)]

        return function

    hooks = ModuleType("PyInstaller.utils.hooks")
    for name in ("collect_data_files", "collect_dynamic_libs", "collect_submodules"):
        setattr(hooks, name, stand_in(name))
    hooks.copy_metadata = stand_in("copy_metadata")
    for name in ("PyInstaller", "PyInstaller.utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", hooks)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    module, function = project["entry-points"]["pyinstaller40"]["hook-dirs"].split(":")
    (folder,) = getattr(import_module(module), function)()
    return runpy.run_path(str(Path(folder, "hook-runtime.py"))), asked


def test_files_that_are_opened_by_their_place_are_taken(told):
    hook, asked = told
    files = dict(asked["collect_data_files"])
    assert files["runtime"] == {}  # all of them, the packaged face finder as well
    assert MODEL.is_relative_to(ROOT / "runtime")
    (cascade,) = files["cv2"]["includes"]
    assert Path(cascade).name == CASCADE
    if cascade_path() is not None:
        assert Path(cv2.__file__).parent / cascade == cascade_path()
    assert {("collect_data_files", "runtime"), ("collect_data_files", "cv2")} <= set(hook["datas"])
    assert ("copy_metadata", "lgrnet") in hook["datas"]


def test_the_compiled_engine_is_taken(told):
    hook, asked = told
    (pattern,) = dict(asked["collect_dynamic_libs"])["runtime"]["search_patterns"]
    assert all(fnmatch(library_path(target).name, pattern) for target in TARGETS)
    assert ("collect_dynamic_libs", "runtime") in hook["binaries"]


def test_what_openvino_opens_by_its_name_is_taken(told):
    openvino = pytest.importorskip("openvino")
    patterns = dict(told[1]["collect_dynamic_libs"])["openvino"]["search_patterns"]
    names = [path.name for path in Path(openvino.__file__).parent.rglob("*")]
    assert all(any(fnmatch(name, pattern) for name in names) for pattern in patterns)


def test_modules_that_are_imported_by_their_name_are_taken(told):
    """PyInstaller reads imports only; no other module of ours may be missing in silence."""
    hook, _ = told
    assert hook["hiddenimports"] == [("collect_submodules", "runtime.commands")]
    assert all((ROOT / "runtime" / "commands" / f"{name}.py").is_file() for name in COMMANDS)
    by_name = {
        str(path.relative_to(ROOT / "runtime").as_posix()): found
        for path in sorted((ROOT / "runtime").rglob("*.py"))
        if (found := re.findall(r"\bimport_module\((.*?)\)", path.read_text("utf-8")))
    }
    assert by_name == {
        "backends/tensorrt_plan.py": ["FLAVOURS[flavour]"],  # TensorRT itself
        "commands/__init__.py": ['f"runtime.commands.{name}"'],
    }
