# SPDX-License-Identifier: Apache-2.0
"""Packages of any Debian suite, unpacked into folders; what this machine has installed stays as is.

They come through an apt that has its own lists, state and cache, from this machine's Debian mirrors
or from Debian's archive. What was unpacked stays in a cache folder, $ECAPTURE_CACHE or else
$XDG_CACHE_HOME/ecapture or ~/.cache/ecapture: newer packages are looked for after their folder
there was removed. No privilege is needed.
"""

import fnmatch
import hashlib
import os
import re
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path


class Unavailable(Exception):
    """What was asked for can not be had here: a program, a suite, a package, the network."""


def output_of(command, **kwargs):
    """The standard output of a command that has to succeed."""
    try:
        done = subprocess.run(
            [str(c) for c in command], check=True, capture_output=True, text=True, **kwargs
        )
    except FileNotFoundError:
        raise Unavailable(f"{command[0]} is not installed") from None
    except subprocess.CalledProcessError as e:
        last = (e.stderr.strip() or "no message").splitlines()[-1]
        raise Unavailable(f"{' '.join(map(str, command[:2]))}: {last}") from None
    return done.stdout


def cache_dir():
    own = os.environ.get("ECAPTURE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    path = Path(own) if own else Path(base) / "ecapture"
    path.mkdir(parents=True, exist_ok=True)
    return path.resolve()


# ------------------------------------------------------------------------------- package sources

ARCHIVE = "http://archive.debian.org"  # where suites go that mirrors no longer have
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def os_release():
    fields = {}
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        if Path(path).is_file():
            for line in Path(path).read_text().splitlines():
                key, _, value = line.partition("=")
                fields.setdefault(key, value.strip("\"'"))
    return fields


def deb822_paragraphs(text):
    """The fields of each paragraph, names in lower case, continuation lines kept as they are."""
    for block in re.split(r"\n[ \t]*\n", text):
        fields, name = {}, None
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and name:
                fields[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if fields.get("enabled", "yes").lower() not in ("no", "false"):
            yield fields


def one_line_sources(text):
    """What "deb [option=value ...] URI suite component..." says, as deb822 fields."""
    for line in text.splitlines():
        found = re.match(r"deb\s+(?:\[(.*?)\]\s*)?(\S+)\s+(\S+)(.*)", line.strip())
        if not found:
            continue
        options, uri, suite, components = found.groups()
        fields = {"types": "deb", "uris": uri, "suites": suite, "components": components}
        for option in (options or "").split():
            key, _, value = option.partition("=")
            fields[key.lower()] = value
        yield fields


def machine_sources():
    """All package sources that this machine has."""
    etc = Path("/etc/apt")
    for path in [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]:
        if path.suffix == ".sources":
            yield from deb822_paragraphs(path.read_text())
        elif path.suffix == ".list" and path.is_file():
            yield from one_line_sources(path.read_text())


def mirrors():
    """(URI, keyring) of this machine's Debian mirrors: the main ones, and those for security."""
    codename = os_release().get("VERSION_CODENAME", "")
    rolling = ("stable", "testing", "unstable", "sid")
    plain = {codename, *rolling}
    security = {f"{name}-security" for name in plain} | {f"{name}/updates" for name in plain}
    main_mirrors, security_mirrors = {}, {}
    for fields in machine_sources():
        kinds, components = (fields.get(name, "").split() for name in ("types", "components"))
        if "deb" not in kinds or "main" not in components:
            continue
        suites = {suite.rstrip("/") for suite in fields.get("suites", "").split()}
        for uri in fields.get("uris", "").split():
            if suites & plain:
                main_mirrors.setdefault(uri, fields.get("signed-by"))
            if suites & security:
                security_mirrors.setdefault(uri, fields.get("signed-by"))
    return main_mirrors, security_mirrors


def source_paragraph(uri, suite, keyring):
    text = f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\n"
    if not keyring and Path(KEYRING).is_file():
        keyring = KEYRING
    return text + (f"Signed-By: {keyring}\n" if keyring else "")


def sources_to_try(suite):
    """Lists of sources, the better one first. A suite that left the mirrors is in the archive."""
    main_mirrors, security_mirrors = mirrors()
    if main_mirrors or security_mirrors:
        yield "\n".join(
            [source_paragraph(uri, suite, key) for uri, key in main_mirrors.items()]
            + [source_paragraph(uri, f"{suite}-security", k) for uri, k in security_mirrors.items()]
        )
    if os_release().get("ID") == "debian" or Path(KEYRING).is_file():
        yield "\n".join(
            [
                source_paragraph(f"{ARCHIVE}/debian", suite, None),
                source_paragraph(f"{ARCHIVE}/debian-security", f"{suite}-security", None),
            ]
        )


# ------------------------------------------------------------------------------ fetch and unpack


class PrivateApt:
    """An apt that has its own sources, lists and cache, and the machine's proxies and keys."""

    def __init__(self, root, arch):
        self.root = root
        for name in ("state/lists/partial", "cache/archives/partial"):
            (root / name).mkdir(parents=True)
        settings = {
            "APT::Architecture": arch,
            "APT::Architectures": arch,
            "APT::Sandbox::User": "root",  # the folder need not be open to others
            "Acquire::Check-Valid-Until": "false",  # archived suites are never signed again
            "Acquire::Languages": "none",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "Acquire::https::Timeout": "20",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
            "Dir::State": root / "state",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": root / "cache",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",  # hooks of the machine's apt are not ours
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::sourcelist": root / "debian.sources",
        }
        dump = output_of(["apt-config", "dump"])
        access = re.findall(r"^Acquire::(?:\w+::)*Proxy.*|^Acquire::https?::.*", dump, re.MULTILINE)
        own = [f'{key} "{value}";' for key, value in settings.items()]
        (root / "apt.conf").write_text("\n".join(access + own) + "\n")
        self.env = {**os.environ, "APT_CONFIG": str(root / "apt.conf"), "LC_ALL": "C"}

    def update(self, sources):
        """Read the lists; returns what went wrong. Some sources may have failed, others not."""
        (self.root / "debian.sources").write_text(sources)
        done = subprocess.run(
            ["apt-get", "-q", "update"], env=self.env, stderr=subprocess.STDOUT,
            stdout=subprocess.PIPE, text=True,
        )
        problems = re.findall(r"^[EW]: (.*)", done.stdout, re.MULTILINE)
        return problems[0] if problems else "not among its packages"

    def newest(self, pattern):
        """"name=version" of the newest package that matches, or None."""
        pattern, _, version = pattern.partition("=")
        names = output_of(["apt-cache", "pkgnames", pattern.split("*")[0]], env=self.env).split()
        names = fnmatch.filter(names, pattern)
        rows = output_of(["apt-cache", "madison", *names], env=self.env) if names else ""
        found = [tuple(cell.strip() for cell in row.split("|")[:2]) for row in rows.splitlines()]
        found = [row for row in found if version in ("", row[1])]
        if not found:
            return None
        return "=".join(max(found, key=lambda row: (natural(row[0]), natural(row[1]))))

    def find(self, suite, patterns):
        """newest() of each pattern, from the first sources of the suite that have them all."""
        reasons = []
        for sources in sources_to_try(suite):
            problem = self.update(sources)
            found = [self.newest(pattern) for pattern in patterns]
            if all(found):
                return found
            reasons.append(f"no {patterns[found.index(None)]} in {suite}: {problem}")
        raise Unavailable(reasons[0] if reasons else "this machine has no Debian package sources")

    def with_dependencies(self, packages):
        """These packages, as "name=version", and all that they depend on, in the same form."""
        plan = output_of(
            ["apt-get", "-s", "-q", "--no-install-recommends", "-o", "Debug::NoLocking=1",
             "install", *packages],
            env=self.env,
        )  # fmt: skip
        found = re.findall(r"^Inst (\S+) \((\S+) ", plan, re.MULTILINE)
        return ["=".join(pair) for pair in found]

    def unpack(self, packages):
        """Fetch packages, given as "name=version", and unpack them into one folder; returns it."""
        output_of(["apt-get", "-q", "download", *packages], env=self.env, cwd=self.root)
        tree = self.root / "tree"
        for deb in sorted(self.root.glob("*.deb")):
            output_of(["dpkg", "-x", deb, tree])
        return tree


def natural(text):
    """A key that sorts 5.10.0-9 before 5.10.0-46."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


@contextmanager
def fetched(suite, patterns, arch="amd64", dependencies=False):
    """The newest packages that match, as "name=version", and a folder with their files.

    With dependencies, their files are there, too, but they are not named. The folder is gone at the
    end. It lies where settle() can move it, and what is put beside it.
    """
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="fetch-") as scratch:
        apt = PrivateApt(Path(scratch), arch)
        packages = apt.find(suite, patterns)
        files = apt.with_dependencies(packages) if dependencies else packages
        yield packages, apt.unpack(files)


def settle(ready, folder):
    """Give a folder that is complete its name in the cache, unless somebody else was faster."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        ready.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def unpacked(shelf, names):
    """The latest folder on a shelf of the cache that has these packages and no others, or None."""
    found, wanted = [], set(names)
    for versions in shelf.glob("*/versions"):
        have = versions.read_text().split()
        if {line if line in wanted else line.partition("=")[0] for line in have} == wanted:
            found.append(versions)
    latest = max(found, key=lambda path: path.stat().st_mtime, default=None)
    return latest and latest.parent / "root"


def unpack(suite, packages, arch="amd64", dependencies=False):
    """A folder in the cache with the files of these packages; the versions stand beside it.

    With dependencies, those of all that they depend on are there, too. A package is a name, for its
    newest version, or "name=version".
    What is there once needs no network. Raises Unavailable.
    """
    shelf = cache_dir() / "packages" / f"{suite}-{arch}{'-complete' if dependencies else ''}"
    have = unpacked(shelf, packages)
    if have:
        return have
    with fetched(suite, sorted(set(packages)), arch, dependencies) as (versions, tree):
        text = "".join(f"{version}\n" for version in versions)
        folder = shelf / hashlib.sha256(text.encode()).hexdigest()[:16]
        ready = tree.parent / "ready"
        ready.mkdir()
        (ready / "versions").write_text(text)
        tree.rename(ready / "root")
        settle(ready, folder)
    return folder / "root"
