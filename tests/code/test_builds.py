# SPDX-License-Identifier: Apache-2.0
"""Real builds of OpenSSL and others: is what we find what is there?

The account to compare with is llvm-objdump's, and where a library is linked into a program, the
names in its symbol table.
"""

import platform
import shutil
import subprocess

import pytest

import disassembly
from builds import (
    BORINGSSL, GROUPS, LIBRARY_FOLDERS, MACHINES, NO_ARGUMENTS, OPENSSL, TIME_SCALE, Build,
    machines_libssl, node_program, unavailable,
)  # fmt: skip

each_openssl = pytest.mark.parametrize("build", OPENSSL, ids=str)
THIS_MACHINES = [build for build in OPENSSL if MACHINES[build.arch] == platform.machine()]
each_group = pytest.mark.parametrize("group", GROUPS)


@pytest.fixture
def library(build, unpacked, tmp_path):
    """A copy: what is mapped privately shows the breakpoints of whoever hooks the file."""
    return shutil.copy(build.path(unpacked), tmp_path)


def place(analyse, path, group, what="place"):
    words = [f"{name}:{','.join(map(str, args))}" for name, args in GROUPS[group].items()]
    return analyse(path, what, *words, *NO_ARGUMENTS)


def derive(path, arch, group):
    """The callee, its out argument and where it returns to, as llvm-objdump shows them."""
    if not disassembly.is_there():
        unavailable(f"{disassembly.OBJDUMP} is not installed")
    functions = disassembly.functions(path, arch, GROUPS[group])
    assert set(list(GROUPS[group])[:2]) <= set(functions)
    vias = {name: f.jumps_to() for name, f in functions.items()}
    callers = {name: f.calls() for name, f in functions.items() if not vias[name]}
    shared = set.intersection(*({target for _, target, _ in calls} for calls in callers.values()))
    assert len(shared) == 1
    callee = shared.pop()
    returns = {
        name: [after for after, target, _ in callers.get(name, []) if target == callee]
        for name in functions
    }
    plain = list(GROUPS[group])[0]
    out = functions[plain].frame_argument(returns[plain][0])
    frames = {
        name: [list(functions[name].frame(after)) for after in each]
        for name, each in returns.items()
    }
    return callee, out, vias, returns, frames


@each_group
@each_openssl
def test_callee(analyse, build, library, group):
    """The function that all call, where it returns to, its arguments, how it begins."""
    found = place(analyse, library, group)
    callee, out, vias, returns, frames = derive(library, build.arch, group)
    assert found["kind"] == "callee", found["reason"]
    assert found["places"][0]["address"] == callee
    assert found["args"] == [1, 2, 3, out]
    assert {name: c["via"] for name, c in found["callers"].items()} == vias
    assert {name: c["returns"] for name, c in found["callers"].items()} == returns
    assert {name: c["frames"] for name, c in found["callers"].items()} == frames
    first = list(disassembly.first_instructions(library, callee, 2))
    places = [(place["address"], place["kind"]) for place in found["places"]]
    assert places == (first if first[0][1] == "mark" else first[:1])


@each_group
@pytest.mark.parametrize("build", THIS_MACHINES, ids=str)
def test_callee_found_by_a_child(analyse, build, library, group):
    """The child process says the same. It reads files of this machine's kind only."""
    here, there = (place(analyse, library, group, what) for what in ("place", "apart"))
    for found in (here, there):
        del found["us"], found["peak_kb"]
    assert here == there


# In SSL_write: the instruction that extends the length, and one that passes on something else.
ALTERATIONS = {
    "amd64": [
        ("4863d2", "4887f7"),  # movslq %edx, %rdx: xchg %rsi, %rdi
        ("89d2", "87f7"),  # movl %edx, %edx: xchgl %esi, %edi
    ],
    "arm64": [
        ("427c4093", "e00301aa"),  # sxtw x2, w2: mov x0, x1
        ("e203022a", "e00301aa"),  # mov w2, w2: mov x0, x1
    ],
}


def alter(path, start, size, alterations):
    """Replace the one place in the file where one of the alterations fits."""
    with open(path, "r+b") as file:
        file.seek(start)
        code = file.read(size)
        pairs = [tuple(map(bytes.fromhex, pair)) for pair in alterations]
        [(old, new)] = [(old, new) for old, new in pairs if code.count(old) == 1]
        file.seek(start + code.index(old))
        file.write(new)


@each_openssl
def test_altered_code_is_refused(analyse, build, library):
    """Other arguments than before: nothing is proven any more, and the other groups still are."""
    start = analyse(library, "function", "SSL_write")["address"]  # offsets here are the same
    alter(library, start, 0x40, ALTERATIONS[build.arch])
    found = place(analyse, library, "write")
    assert found["kind"] == "unproven"
    assert "with other arguments" in found["reason"]
    assert place(analyse, library, "read")["kind"] == "callee"


@each_openssl
def test_another_callee_is_refused(analyse, build, library):
    """One of the functions calls somewhere else: the group no longer shares a callee."""
    after = place(analyse, library, "read")["callers"]["SSL_read"]["returns"][0]
    with open(library, "r+b") as file:
        file.seek(after - 4)
        word = int.from_bytes(file.read(4), "little")
        file.seek(after - 4)
        file.write((word + 4).to_bytes(4, "little"))
    found = place(analyse, library, "read")
    assert found["kind"] == "unproven"
    assert found["reason"]


@pytest.fixture(scope="module", params=["bullseye", "bookworm", "trixie", "sid"])
def program(request, unpacked, tmp_path_factory):
    """A program that contains an OpenSSL, with its symbol table; it never runs."""
    if platform.machine() != "x86_64":
        pytest.skip("the linker makes programs of this machine's kind only")
    root = unpacked(request.param, "amd64", "libssl-dev")
    folder = tmp_path_factory.mktemp(request.param)
    names = [name for group in GROUPS.values() for name in list(group)[:2]]
    calls = "\n".join(f"int {name}(void); int (*use_{name})(void) = {name};" for name in names)
    (folder / "main.c").write_text(calls + "\nint main(void) { return 0; }\n")
    libraries = root / "usr" / "lib" / LIBRARY_FOLDERS["amd64"]
    # another release's C library may have what this machine's has not; nothing of it is called
    subprocess.run(
        ["gcc", "-static", "-w", "-o", folder / "main", folder / "main.c", f"-L{libraries}",
         "-lssl", "-lcrypto", "-Wl,--unresolved-symbols=ignore-all"],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "main"


def symbols(path):
    text = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in text.splitlines()]
    return {row[2]: int(row[0], 16) for row in rows if len(row) == 3}


@each_group
def test_callee_has_the_right_name(analyse, program, group):
    """Linked into a program it has a name: is it the one that the source calls so?"""
    found = place(analyse, program, group)
    assert found["kind"] == "callee", found["reason"]
    assert found["places"][0]["address"] == symbols(program)[f"ssl_{group}_internal"]


@each_group
@pytest.mark.parametrize("build", [BORINGSSL], ids=["boringssl"])
def test_nothing_to_compare_with(analyse, library, group):
    """BoringSSL has no functions with an out argument: its public ones stay."""
    found = place(analyse, library, group)
    assert (found["kind"], found["reason"]) == ("unproven", "too few functions to compare")
    [(name, caller)] = found["callers"].items()
    address = analyse(library, "function", name)["address"]
    assert [(address, caller["begins"])] == list(
        disassembly.first_instructions(library, address, 1)
    )


def test_jump_to_a_sibling(analyse, unpacked):
    """GnuTLS: gnutls_record_send only jumps to gnutls_record_send2, with the same arguments."""
    build = Build("bookworm", "amd64", "libgnutls30", "libgnutls.so.30")
    found = analyse(build.path(unpacked), "function", "gnutls_record_send")
    assert found["gap"] == "complete"
    [call] = found["calls"]
    assert call["returns_to"] == 0 and call["slot"]
    assert call["args"][:3] == [[1, "whole"], [2, "whole"], [3, "whole"]]


@each_openssl
def test_cost(analyse, build, library):
    """One group of a library: 20 ms and 10 MB are plenty, all of the process included."""
    times = [place(analyse, library, "write")["us"] for _ in range(5)]
    assert min(times) < 20_000 * TIME_SCALE
    assert place(analyse, library, "write")["peak_kb"] < 10 * 1024


def test_cost_of_a_large_file(analyse, unpacked):
    """47 MB without OpenSSL in it: only what is asked for is read."""
    build = Build("bookworm", "amd64", "libnode108", "libnode.so.108")
    path = build.path(unpacked)
    times = []
    for _ in range(3):
        found = place(analyse, path, "write")
        assert found["kind"] == "unproven" and not found["callers"]
        times.append(found["us"])
    assert min(times) < 200_000 * TIME_SCALE


def measure(analyse, path):
    """The analysis of all groups of a file in a line of text."""
    rounds = [[place(analyse, path, group) for group in GROUPS] for _ in range(5)]
    apart = [[place(analyse, path, group, "apart")["us"] for group in GROUPS] for _ in range(5)]
    ms = min(sum(found["us"] for found in each) for each in rounds) / 1000
    ms_apart = min(map(sum, apart)) / 1000
    peak = max(found["peak_kb"] for each in rounds for found in each) / 1024
    kinds = ", ".join(f"{group} {found['kind']}" for group, found in zip(GROUPS, rounds[0]))
    size = path.stat().st_size / 1e6
    return (
        f"analysis of {path.name} ({size:.1f} MB; {kinds}): {ms:.1f} ms in {len(GROUPS)} groups, "
        f"{ms_apart:.1f} ms in child processes, {peak:.1f} MiB at most"
    )


def test_measure_this_machines_library(analyse, report):
    report(measure(analyse, machines_libssl()))


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is for x86-64")
def test_measure_a_program_that_contains_openssl(analyse, report, cache):
    """More than 90 MB, with OpenSSL's functions among 88000 exported symbols."""
    path = node_program(cache)
    assert path.stat().st_size > 90e6
    assert place(analyse, path, "write")["callers"]["SSL_write_ex"]
    report(measure(analyse, path))
