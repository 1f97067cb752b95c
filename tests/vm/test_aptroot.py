# SPDX-License-Identifier: Apache-2.0
"""scripts/aptroot.py, with a package source in a folder: what it takes, keeps and refuses."""

import hashlib
import shutil
import subprocess

import pytest

import aptroot

pytestmark = pytest.mark.skipif(not shutil.which("apt-get"), reason="no apt here")


class Source:
    """A package source in a folder, with what apt has to be told about it."""

    def __init__(self, folder):
        self.folder = folder
        self.index = ""
        folder.mkdir()

    def add(self, name, version, depends=""):
        """Add a package with one file, which says what it is from."""
        tree = self.folder / f"tree-{name}-{version}"
        control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n"
        control += f"Depends: {depends}\n" if depends else ""
        control += "Maintainer: nobody <nobody@localhost>\nDescription: a test\n"
        for path, text in {f"usr/share/{name}": version, "DEBIAN/control": control}.items():
            (tree / path).parent.mkdir(parents=True)
            (tree / path).write_text(text)
        deb = self.folder / f"{len(self.index)}.deb"
        subprocess.run(["dpkg-deb", "--build", tree, deb], check=True, stdout=subprocess.DEVNULL)
        data = deb.read_bytes()
        self.index += f"{control}Filename: ./{deb.name}\nSize: {len(data)}\n"
        self.index += f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n"
        (self.folder / "Packages").write_text(self.index)

    def paragraph(self):
        return f"Types: deb\nURIs: file:{self.folder}\nSuites: ./\nTrusted: yes\n"


@pytest.fixture
def source(tmp_path, monkeypatch):
    """The only package source. The cache is empty."""
    monkeypatch.setenv("ECAPTURE_CACHE", str(tmp_path / "cache"))
    source = Source(tmp_path / "source")
    monkeypatch.setattr(aptroot, "sources_to_try", lambda suite: [source.paragraph()])
    return source


def left_in_cache():
    return {path.name for path in aptroot.cache_dir().iterdir()}


def test_newest_versions_in_one_folder(source):
    source.add("first", "1:1.9-2")
    source.add("first", "1:1.10-1")
    source.add("second", "3+dfsg-1")
    root = aptroot.unpack("any", ["second", "first"])
    assert (root / "usr/share/first").read_text() == "1:1.10-1"
    assert (root / "usr/share/second").read_text() == "3+dfsg-1"
    assert ":" not in str(root), "loaders could not be told of it"
    assert left_in_cache() == {"packages"}


def test_second_call_needs_nothing(source, monkeypatch):
    source.add("first", "1")
    root = aptroot.unpack("any", ["first"])
    shutil.rmtree(source.folder)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert aptroot.unpack("any", ["first"]) == root
    assert (root / "usr/share/first").read_text() == "1"


def test_other_packages_are_another_folder(source):
    source.add("first", "1")
    source.add("second", "2")
    roots = [aptroot.unpack("any", names) for names in (["first"], ["first", "second"], ["second"])]
    assert len(set(roots)) == 3
    assert [(root / "usr/share/second").exists() for root in roots] == [False, True, True]
    with pytest.raises(aptroot.Unavailable):
        aptroot.unpack("any", ["first"], "arm64")


def test_dependencies_come_along_if_asked_for(source):
    source.add("first", "1", depends="second")
    source.add("second", "2", depends="third")
    source.add("third", "3")
    without, complete = (aptroot.unpack("any", ["first"], dependencies=d) for d in (False, True))
    assert not (without / "usr/share/second").exists()
    assert (complete / "usr/share/third").read_text() == "3"
    assert aptroot.unpack("any", ["first"], dependencies=True) == complete


def test_newer_version_is_another_folder(source):
    source.add("first", "1")
    old = aptroot.unpack("any", ["first"])
    source.add("first", "2")
    assert aptroot.unpack("any", ["first"]) == old
    shutil.rmtree(old.parent)
    new = aptroot.unpack("any", ["first"])
    assert new != old
    assert (new / "usr/share/first").read_text() == "2"


def test_version_that_is_named(source):
    source.add("first", "1")
    source.add("first", "2")
    newest, old = (aptroot.unpack("any", [name]) for name in ("first", "first=1"))
    assert (newest / "usr/share/first").read_text() == "2"
    assert (old / "usr/share/first").read_text() == "1"
    assert aptroot.unpack("any", ["first=1"]) == old
    with pytest.raises(aptroot.Unavailable, match="no first=3 in any"):
        aptroot.unpack("any", ["first=3"])


def test_package_is_not_there(source):
    source.add("first", "1")
    with pytest.raises(aptroot.Unavailable, match="no second in any"):
        aptroot.unpack("any", ["first", "second"])
    assert not left_in_cache()


def test_source_is_not_there(source):
    shutil.rmtree(source.folder)
    with pytest.raises(aptroot.Unavailable, match=r"no first in any: .*source"):
        aptroot.unpack("any", ["first"])


def test_package_is_not_what_the_source_says(source):
    source.add("first", "1")
    (source.folder / "0.deb").write_bytes(b"something else")
    with pytest.raises(aptroot.Unavailable):
        aptroot.unpack("any", ["first"])
    assert not left_in_cache()


def test_apt_is_not_there(source, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(aptroot.Unavailable, match="apt-config is not installed"):
        aptroot.unpack("any", ["first"])
