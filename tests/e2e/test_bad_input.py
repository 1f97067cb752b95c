# SPDX-License-Identifier: Apache-2.0
"""Wrong usage and failures: the exit status, one line that says why, nothing left behind."""

import os
import re
import struct
import subprocess

import pytest

from lib import kernel, wait
from lib.capture import assert_same
from lib.peer import library_of
from lib.process import as_nobody

FAILED, USAGE = 1, 2

# Types of sections (elf.h).
SHT_PROGBITS, SHT_SYMTAB, SHT_DYNSYM = 1, 2, 11

# What is asked, the exit status, what the line has to name.
CASES = {
    "libssl-missing": (["--libssl", "/no/such/libssl.so"], FAILED, ["/no/such/libssl.so"]),
    "libssl-folder": (["--libssl", "/etc"], FAILED, ["/etc"]),
    "libssl-no-tls": (["--libssl", "/bin/true"], FAILED, ["/bin/true"]),
    "libssl-empty": (["--libssl", "/dev/null"], FAILED, ["/dev/null"]),
    "pid-zero": (["-p", "0"], USAGE, ["0"]),
    "pid-word": (["-p", "abc"], USAGE, ["abc"]),
    "pid-list": (["-p", "1,abc"], USAGE, ["abc"]),
    "pid-empty": (["-p", ""], USAGE, ["-p"]),
    "pid-negative": (["-p", "-5"], USAGE, ["-5"]),
    "pid-too-large": (["-p", "99999999999999999999"], USAGE, ["99999999999999999999"]),
    "pid-absent": (["-p"], USAGE, ["-p"]),
    "uid-word": (["-u", "abc"], USAGE, ["abc"]),
    "uid-negative": (["-u", "-1"], USAGE, ["-1"]),
    "uid-list": (["-u", "0,,1"], USAGE, ["0,,1"]),
    "two-on-stdout": (["-o", "text", "-o", "json"], USAGE, ["standard output"]),
    "twice-on-stdout": (["-o", "json", "-o", "json=-"], USAGE, ["standard output"]),
    "flag-unknown": (["--bogus"], USAGE, ["--bogus"]),
    "format-unknown": (["-o", "yaml"], USAGE, ["yaml"]),
    "attach-unknown": (["--attach=bogus"], USAGE, ["bogus"]),
    "word-too-many": (["surplus"], USAGE, ["surplus"]),
    "flag-to-come": (["-m", "pcap"], USAGE, ["-m"]),
    "output-no-folder": (["-o", "json=/no/such/dir/x"], FAILED, ["/no/such/dir/x"]),
    "output-is-folder": (["-o", "text=/etc"], FAILED, ["/etc"]),
}


def run(binary, args, wrap=lambda command: command):
    return subprocess.run(
        wrap([str(binary), "tls", *map(str, args)]),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=wait.seconds(10),
        check=False,
    )


def assert_refused(done, status, names):
    """Ended with this status and one line on stderr that has all of these in it."""
    lines = done.stderr.decode().splitlines()
    assert done.returncode == status, f"exit status {done.returncode}: {lines}"
    assert len(lines) == 1, f"not one line: {lines}"
    for name in names:
        assert name in lines[0], f"{name} is not named: {lines[0]}"
    assert not done.stdout, "errors do not belong on stdout"


@pytest.mark.parametrize("case", CASES)
def test_refused(binary, kernel_ids, case):
    args, status, names = CASES[case]
    assert_refused(run(binary, args), status, names)
    kernel.assert_nothing_left(kernel_ids)


def test_command_unknown(binary):
    done = subprocess.run(
        [binary, "surplus"], stdin=subprocess.DEVNULL, capture_output=True, timeout=wait.seconds(30)
    )
    assert_refused(done, USAGE, ["surplus"])


def test_libssl_not_elf(binary, kernel_ids, tmp_path):
    text = tmp_path / "libssl.so"
    text.write_text("no library at all, however long this text may be\n" * 100)
    assert_refused(run(binary, ["--libssl", text]), FAILED, [str(text)])
    kernel.assert_nothing_left(kernel_ids)


def assert_explained(binary, path, words):
    """One line says what is wrong with the file, in words, and what to do."""
    done = run(binary, ["--libssl", path])
    assert_refused(done, FAILED, [str(path), words])
    assert ": Bad message" not in done.stderr.decode()
    assert "does not define" not in done.stderr.decode(), "that is not the reason"


def test_libssl_cut_off(binary, kernel_ids, tmp_path):
    """The beginning of a real program: sections and symbols lie beyond its end."""
    part = tmp_path / "libssl.so"
    part.write_bytes(open("/usr/bin/openssl", "rb").read(5000))
    assert_explained(binary, part, "cut off: it has 5000 bytes")
    kernel.assert_nothing_left(kernel_ids)


def each_section(data):
    """Where the headers of the sections lie, and their types."""
    (start,) = struct.unpack_from("<Q", data, 0x28)
    size, count = struct.unpack_from("<HH", data, 0x3A)
    for at in range(start, start + size * count, size):
        yield at, struct.unpack_from("<I", data, at + 4)[0]


def drop_section_headers(data):
    data[0x28:0x30] = bytes(8)
    data[0x3C:0x40] = bytes(4)


def drop_symbols(data):
    for at, kind in each_section(data):
        if kind in (SHT_SYMTAB, SHT_DYNSYM):
            struct.pack_into("<I", data, at + 4, SHT_PROGBITS)


def damage_symbols(data):
    """Symbols of another size than any machine's."""
    for at, kind in each_section(data):
        if kind == SHT_DYNSYM:
            struct.pack_into("<Q", data, at + 0x38, 25)


DAMAGES = [
    (drop_section_headers, "has no section headers"),
    (drop_symbols, "has no symbols"),
    (damage_symbols, "damaged: its headers or symbol tables"),
]


@pytest.mark.parametrize("change, words", DAMAGES, ids=lambda x: getattr(x, "__name__", None))
def test_libssl_damaged(binary, kernel_ids, peer, tmp_path, change, words):
    """A copy of a good library in which the first header or one of a section differs."""
    data = bytearray(library_of(peer("nonblock").pid).read_bytes())
    change(data)
    library = tmp_path / "libssl.so"
    library.write_bytes(data)
    assert_explained(binary, library, words)
    kernel.assert_nothing_left(kernel_ids)


def test_libssl_stripped_program(binary, kernel_ids, tmp_path):
    """A program that contains everything and names nothing."""
    program = tmp_path / "program"
    subprocess.run(
        ["gcc", "-static", "-s", "-x", "c", "-o", program, "-"],
        input=b"int main(void) { return 0; }", check=True,
    )  # fmt: skip
    assert_explained(binary, program, "has no symbols")
    kernel.assert_nothing_left(kernel_ids)


def test_pid_is_gone(binary, kernel_ids):
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert_refused(run(binary, ["-p", gone.pid]), FAILED, [str(gone.pid)])
    kernel.assert_nothing_left(kernel_ids)


def test_one_pid_of_two_is_gone(binary, kernel_ids):
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert_refused(run(binary, ["-p", f"{os.getpid()},{gone.pid}"]), FAILED, [str(gone.pid)])
    kernel.assert_nothing_left(kernel_ids)


def test_without_root(public_binary, kernel_ids):
    done = run(public_binary, [], as_nobody)
    assert_refused(done, FAILED, [])
    assert re.search(r"root|CAP_", done.stderr.decode())
    kernel.assert_nothing_left(kernel_ids)


def test_output_not_ours_is_kept(binary, tmp_path):
    """A run that is refused has not emptied a file that was there."""
    kept = tmp_path / "kept.json"
    kept.write_text("kept")
    assert_refused(run(binary, ["-o", f"json={kept}", "-p", "0"]), USAGE, ["0"])
    assert kept.read_text() == "kept"


def without_stdout(command):
    """The command with no descriptor 1 at all."""
    return ["sh", "-c", 'exec "$@" >&-', "sh", *command]


@pytest.mark.parametrize("args", [[], ["-o", "json"], ["-o", "text=-"]], ids=" ".join)
def test_stdout_is_closed(binary, kernel_ids, args):
    done = run(binary, args, without_stdout)
    assert_refused(done, FAILED, [])
    assert re.search("standard output|(text|json)=-", done.stderr.decode()), done.stderr
    kernel.assert_nothing_left(kernel_ids)


def test_stdout_is_closed_and_not_needed(ecapture, peer):
    actor = peer("nonblock")
    run = ecapture("-p", actor.pid, wrap=without_stdout)
    report = actor.play()
    assert_same(run.finish(), report)


@pytest.mark.parametrize("kind", ["spelling", "hard-link", "symbolic-link"])
def test_one_file_with_two_names(binary, kernel_ids, tmp_path, kind):
    """Two outputs would overwrite each other: refused, and what the file held is still there."""
    first = tmp_path / "aa"
    first.write_text("kept")
    second = f"{tmp_path}/./aa" if kind == "spelling" else tmp_path / "bb"
    if kind == "hard-link":
        second.hardlink_to(first)
    elif kind == "symbolic-link":
        second.symlink_to(first)
    done = run(binary, ["-o", f"text={first}", "-o", f"json={second}"])
    assert done.returncode in (FAILED, USAGE), done
    assert_refused(done, done.returncode, [])
    line = done.stderr.decode()
    assert str(first) in line or str(second) in line, f"the file is not named: {line}"
    assert first.read_text() == "kept"
    kernel.assert_nothing_left(kernel_ids)


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for a little."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def assert_full(run, path):
    """It ended by itself with 1 and named the full file; returns what was written, what not."""
    assert run.wait_end() == FAILED, run.err.tail()
    named = [line for line in run.err.lines if str(path) in line and "No space left" in line]
    assert named, f"no line about the full disk:\n{run.err.tail()}"
    return run.told_unwritten()


def test_device_full(ecapture, peer, kernel_ids):
    actor = peer("write")
    run = ecapture("-p", actor.pid, outputs=["json=/dev/full"])
    actor.play()
    written, lost = assert_full(run, "/dev/full")
    assert (written, lost > 0) == (0, True)
    kernel.assert_nothing_left(kernel_ids)


def test_disk_full(ecapture, peer, small_disk, kernel_ids):
    """What fitted is there: whole lines from the beginning."""
    actor = peer("write")
    path = small_disk / "out.json"
    run = ecapture("-p", actor.pid, outputs=[f"json={path}"])
    run.json = path
    actor.play()
    written, lost = assert_full(run, path)
    assert run.capture(cut_off=True).n_lines == written > 0 and lost > 0
    kernel.assert_nothing_left(kernel_ids)


@pytest.mark.parametrize("output", ["text", "json"])
def test_reader_leaves(ecapture, peer, kernel_ids, output):
    """`ecapture | head -1`: the end of the reader is a good end, while the target goes on."""
    target = peer("stream", "--size", "64")
    run = ecapture("-p", target.pid, outputs=[output], stdout=subprocess.PIPE)
    with run.process.stdout as out:
        head = subprocess.Popen(["head", "-1"], stdin=out, stdout=subprocess.PIPE)
    target.go()
    line, _ = head.communicate(timeout=wait.seconds(30))
    assert line.endswith(b"\n")
    assert run.wait_end() == 0, run.err.tail()
    target.wait_progress(target.progress())
    target.tell("stop")
    target.report()
    kernel.assert_nothing_left(kernel_ids)
