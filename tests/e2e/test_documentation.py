# SPDX-License-Identifier: Apache-2.0
"""Every example of README.md and the user pages does what the page shows (lib/examples.py)."""

import difflib
import re
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

import picture
import pytest

from lib import examples, wait, web
from lib.readers_host import OtherTerminal, ReadersHost, Running

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "doc/user").rglob("*.md"))]
READY = "ecapture: capturing"
N_NOT_RUN = 2  # a reader's trust in examples is worth the count


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks_of(page):
    return examples.blocks_of(page.read_text())


@pytest.fixture(scope="module")
def host(public_binary, public_dir):
    folder = public_dir / "examples"
    folder.mkdir()
    started = ReadersHost(folder, public_binary, web.REQ_CONF)
    yield started
    started.close()


class Reader:
    """Types what a page says, and compares."""

    def __init__(self, host, page, folder):
        self.host = host
        self.page = page
        self.folder = folder
        self.running = []

    @cached_property
    def other_terminal(self):
        return OtherTerminal(self.host, self.folder)

    def start(self, step):
        self.running.append(Running(self.host, step.command, self.folder))
        return self.running[-1]

    def do(self, step):
        lines, status = self.start(step).finish()
        self.compare(step, step.shown, lines)
        assert status == 0 or step.shown, f"{self.at(step)}: exit status {status}"

    def do_until_ctrl_c(self, step, meanwhile):
        """Leave the command running for as long as the steps of the other block take."""
        before, shown = step.until_ctrl_c()
        running = self.start(step)
        running.out.wait_for(lambda line: line.startswith(READY), 30, READY)
        for other in meanwhile:
            self.compare(other, other.shown, self.other_terminal.enter(other.command))
        try:
            wait.until(lambda: examples.matches(before, running.out.lines), 20, "what is shown")
        except AssertionError:
            self.compare(step, before, list(running.out.lines))
        running.press_ctrl_c()
        self.compare(step, shown, running.finish()[0])

    def at(self, step):
        return f"{name_of(self.page)}:{step.line}: $ {step.command}"

    def compare(self, step, shown, lines):
        if examples.matches(shown, lines):
            return
        want, got = ([examples.same_for_all(line) for line in side] for side in (shown, lines))
        diff = "\n".join(difflib.unified_diff(want, got, "the page", "what came out", lineterm=""))
        pytest.fail(f"{self.at(step)}\n{diff}\n\n" + "\n".join(lines), pytrace=False)

    def read(self, blocks):
        """All blocks of a page, in order."""
        blocks = [block for block in blocks if block.steps]
        while blocks:
            block = blocks.pop(0)
            for step in block.steps:
                if step.ends_by_ctrl_c:
                    beside = blocks and blocks[0].elsewhere
                    self.do_until_ctrl_c(step, blocks.pop(0).steps if beside else [])
                else:
                    self.do(step)

    def close(self):
        for running in self.running:
            running.close()
        if "other_terminal" in vars(self):
            self.other_terminal.close()


@pytest.fixture
def reader(host, public_binary):
    """Somebody who does what a page says, in a folder that has no more than what was built."""
    readers = []

    def start(page):
        folder = Path(tempfile.mkdtemp(dir=host.folder))
        folder.chmod(0o755)
        (folder / "build").mkdir()
        shutil.copy(public_binary, folder / "build/ecapture")  # as in a clone
        readers.append(Reader(host, page, folder))
        return readers[-1]

    yield start
    for one in readers:
        one.close()


WITH_EXAMPLES = [page for page in PAGES if any(block.steps for block in blocks_of(page))]


@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_examples(reader, page):
    reader(page).read(blocks_of(page))


@pytest.mark.parametrize(
    "page",
    [
        "```console\n$ echo one\ntwo\n```",
        "```console\n$ echo one\n```",
        "```console\n$ true\none\n```",
        "```console\n$ false\n```",
        "```console\n$ sudo ecapture -- true\necapture: capturing ...\n```",
    ],
)
def test_a_page_that_is_wrong_is_noticed(reader, page):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        reader(PAGES[0]).read(examples.blocks_of(page))


def test_what_is_not_run_has_a_reason():
    """Commands stand in blocks that are run; those that are not are few, and each says why."""
    marked = []
    for page in PAGES:
        for block in blocks_of(page):
            if block.not_run:
                marked.append(f"{name_of(page)}:{block.line}: {block.not_run}")
            else:
                where = f"{name_of(page)}:{block.line}"
                assert block.language not in ("", "sh", "bash", "shell"), f"{where}: not ```console"
    assert len(marked) == N_NOT_RUN, "\n".join(marked)


def test_the_picture(public_binary, public_dir):
    """It shows what comes out today; scripts/picture.py makes it anew."""
    folder = public_dir / "picture"
    folder.mkdir()
    shown = picture.text_of(picture.PICTURE.read_text())
    printed = picture.text_of(picture.to_svg(picture.session(public_binary, folder)))
    want, got = ([examples.same_for_all(line) for line in side] for side in (shown, printed))
    assert want == got, "run scripts/picture.py and look at what changed"


ALTERED = [
    (["a 12:00:00.1", "b"], ["a 13:59:01.234", "b"], True),
    (["curl[17] took 3 ms"], ["curl[9] took 812 µs"], True),
    (["curl[17] 40 bytes"], ["curl[17] 41 bytes"], False),
    (["a", "b"], ["a"], False),
    (["a"], ["a", "b"], False),
    (["a", "...", "d"], ["a", "b", "c", "d"], True),
    (["a", "...", "d"], ["a", "d"], True),
    (["a", "...", "d"], ["a", "b", "c"], False),
    (["...", "b", "..."], ["a", "b"], True),
    (["...", "b", "..."], ["a", "c"], False),
    ([], ["a"], False),
    (["a: b ..."], ["a: b c d"], True),
    (["a: b ..."], ["a: c"], False),
]


@pytest.mark.parametrize("shown, printed, same", ALTERED)
def test_compare(shown, printed, same):
    assert examples.matches(shown, printed) == same


LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{name_of(page)} links to {target}"
