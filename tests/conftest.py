import gc
import os

import pytest

from runtime.backends.telemetry import silence_onnxruntime

# Triton decides when it is imported whether it compiles kernels or interprets them on the CPU. Here
# it interprets; a test that compiles starts a process without this.
os.environ["TRITON_INTERPRET"] = "1"

silence_onnxruntime()  # some tests import it themselves


def pytest_collection_finish():
    """Keep what was imported out of garbage collections, each of which took half a second."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish():
    """Let Python end as ever: libraries complain about what they still find."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def toy_rig_file(tmp_path_factory):
    """Return the path of a rig made by code, in the real rig's format."""
    import toy_rig

    return toy_rig.write(tmp_path_factory.mktemp("rig") / "toy_rig.npz")


@pytest.fixture(
    scope="session", params=["toy", "real"] if os.environ.get("LGRNET_FACE_RIG") else ["toy"]
)
def any_studio(request):
    """Return the studio of the toy rig, then that of the real rig if there is one."""
    from lgrnet.faces.head.rig import load_rig
    from lgrnet.faces.person.identity import open_studio

    if request.param == "toy":
        return request.getfixturevalue("toy_studio")
    return open_studio(load_rig())


@pytest.fixture(scope="session")
def toy_studio(toy_rig_file):
    """Return what rendering needs, derived from the toy rig."""
    from lgrnet.faces.head.rig import load_rig
    from lgrnet.faces.person.identity import open_studio

    return open_studio(load_rig(toy_rig_file))


@pytest.fixture
def model(tmp_path):
    """Return the path of a tiny model that puts a mean face where its spot is."""
    from test_runtime_fixtures import write_model

    return write_model(tmp_path / "tiny.onnx")


@pytest.fixture
def finder():
    """Return a finder of spots."""
    from test_runtime_fixtures import SpotFinder

    return SpotFinder()


@pytest.fixture
def detector(tmp_path, finder):
    """Return a detector that follows spots, with a tiny model for two at a time."""
    from test_runtime_fixtures import write_model

    from runtime.detector import Detector

    return Detector(write_model(tmp_path / "m.onnx", batch=2), finder=finder, verify_every=5)
