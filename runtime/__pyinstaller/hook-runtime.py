"""Tells PyInstaller what a program with `runtime` takes and no import names."""

from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec

from PyInstaller.utils.hooks import (
    collect_data_files,
    collect_dynamic_libs,
    collect_submodules,
    copy_metadata,
)

# Models, the face finder, the demo clip, the native engine's sources, which its name is made of;
# the face cascade, which OpenCV 5 does not bring.
datas = collect_data_files("runtime")
datas += collect_data_files("cv2", includes=["data/haarcascade_frontalface_alt2.xml"])
# Versions: `--version`, and what `doctor` finds.
for package in ("lgrnet", "onnxruntime", "onnxruntime-gpu", "openvino"):
    with suppress(PackageNotFoundError):
        datas += copy_metadata(package)

# The native engine, where it was compiled in this installation.
binaries = collect_dynamic_libs("runtime", search_patterns=["lgrnet-*.so"])
if find_spec("openvino") is not None:  # it opens these itself, by their names
    openvino = ["*openvino_onnx_frontend*", "*openvino_intel_cpu_plugin*"]
    binaries += collect_dynamic_libs("openvino", search_patterns=openvino)

hiddenimports = collect_submodules("runtime.commands")
