# SPDX-License-Identifier: Apache-2.0
"""What the kernel itself says about BPF objects: bpftool and /proc/PID/fdinfo."""

import json
import os
import subprocess
from pathlib import Path

from lib import wait

KINDS = ("prog", "map", "link")
LINK_TYPE = {"multi": "uprobe_multi", "perf-cookie": "perf_event", "perf": "perf_event"}
GONE_WITHIN_S = 5
# What is remembered of processes, in maps of a limited size.
TABLES = ("ecap_procs", "ecap_threads", "ecap_streams")
FORGOTTEN_WITHIN_S = 30


def bpftool(kind, *what):
    """The kernel's list of all objects of a kind, or what else is asked of that kind."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    out = subprocess.run(
        ["bpftool", "-j", kind, *(what or ("list",))],
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "PATH": path},
        timeout=wait.seconds(30),
    ).stdout
    return json.loads(out)


def all_ids():
    """The (kind, id) of every BPF object that is alive."""
    return frozenset((kind, entry["id"]) for kind in KINDS for entry in bpftool(kind))


def owned_ids(pid):
    """The (kind, id) of every BPF object that a process holds a descriptor of."""
    owned = set()
    try:
        infos = list(Path(f"/proc/{pid}/fdinfo").iterdir())
    except OSError:
        return owned
    for info in infos:
        try:
            lines = info.read_text().splitlines()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in lines if ":" in line)
        # A link's descriptor also names its program, which another process may have loaded.
        kinds = ("link",) if "link_id" in fields else KINDS
        owned |= {(kind, int(fields[f"{kind}_id"])) for kind in kinds if f"{kind}_id" in fields}
    return owned


def held_by_others(pid):
    """What every process but pid holds: other people may use BPF while the tests run."""
    pids = (int(name) for name in os.listdir("/proc") if name.isdigit())
    return set().union(*(owned_ids(other) for other in pids if other != pid))


def created_since(before, pid):
    """The objects that the process pid has made since all_ids() returned before."""
    return (all_ids() - before - held_by_others(pid)) | owned_ids(pid)


def assert_gone(ids):
    """None of these ids is alive within five seconds."""
    wait.until(lambda: not ids & all_ids(), GONE_WITHIN_S, f"the kernel lets go of {sorted(ids)}")


def assert_nothing_left(before):
    """What is new since before and held by no process is gone within five seconds."""

    def clean():
        new = all_ids() - before
        return not new or not new - held_by_others(os.getpid())

    wait.until(clean, GONE_WITHIN_S, "nothing new is left in the kernel")


def link_of(fd):
    """What a descriptor is of; None: it was closed meanwhile."""
    try:
        return os.readlink(fd)
    except OSError:
        return None


def attachments(pid):
    """How the process pid has attached uprobes: the types of its links, and its perf events."""
    owned = owned_ids(pid)
    types = {link["type"] for link in bpftool("link") if ("link", link["id"]) in owned}
    event = "anon_inode:[perf_event]"
    fds = [link_of(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]
    # Before Linux 5.15 a program on a perf event is no link, only the event is there to see. The
    # others, which tell of new processes, are mapped.
    if fds.count(event) > Path(f"/proc/{pid}/maps").read_text().count(event):
        types.add(LINK_TYPE["perf"])
    return types & set(LINK_TYPE.values())


def assert_rung(pid, rung):
    """The process pid has attached uprobes in the way of this rung, and in no other."""
    types = attachments(pid)
    assert types == {LINK_TYPE[rung]}, f"{rung} was asked for, the links are {types}"


def assert_no_uprobes(pid):
    """The process pid holds no uprobe link of any kind."""
    types = attachments(pid)
    assert not types, f"nothing should be attached: {types}"


def entries(pid):
    """How many entries each of the TABLES has that the process pid holds."""
    owned = owned_ids(pid)
    found = {
        entry["name"]: len(bpftool("map", "dump", "id", str(entry["id"])))
        for entry in bpftool("map")
        if ("map", entry["id"]) in owned and entry["name"] in TABLES
    }
    assert set(found) == set(TABLES), f"{pid} holds only {set(found)}"
    return found


def entries_at_last(pid, before):
    """entries() as soon as they are as before again, or else after half a minute."""
    last = {}

    def as_before():
        last.update(entries(pid))
        return last == before

    try:
        wait.until(as_before, FORGOTTEN_WITHIN_S, "all is forgotten")
    except AssertionError:
        pass  # what the caller says of it is more than "not in time"
    return last
