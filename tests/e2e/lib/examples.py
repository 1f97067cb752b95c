# SPDX-License-Identifier: Apache-2.0
"""The examples of the user pages: blocks of ```console, and how what they show is compared.

    $ COMMAND          what a reader types; a backslash at the end goes on in the next line
    ...                on a line of its own: lines that the page leaves out
    ^C                 at the beginning of a line: here the reader presses Ctrl-C

Everything else is what the command prints, on both outputs. Nothing shown means that it prints
nothing. What differs from run to run (times, process ids, versions) is made the same on both
sides, so a page shows it as it once was. The commands of a page run one after the other in one
folder. A command that ends by ^C stays open while the block runs that the text after it
announces with "another terminal". Where a line is too long for a page, it may end in " ...".
"""

import re
from dataclasses import dataclass, field

LEFT_OUT = "..."
CTRL_C = "^C"
NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
FENCE = re.compile(r"( *)```(\w*)")

# What differs from run to run, and what both sides are given instead.
VARIES = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "TIME"),
    (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "TIME"),
    (r"\d\d:\d\d:\d\d(\.\d+)?", "TIME"),
    (r"\b[\d.]+ ?(µs|us|ms|s)\b", "DURATION"),
    (r"\[\d+\]", "[PID]"),
    (r"^ {2,}\d+ ", "    PID "),
    (r'("[pt]?pid": ?|\bpid |\btid |/proc/)\d+', r"\1PID"),
    (r"HTTP/2, \d+ bytes", "HTTP/2, N bytes"),
    (r"\battach=[a-z-]+", "attach=HOW"),
    (r"\.so(\.\d+)+", ".so.N"),
    (r"\b\d+\.\d+[\w.+-]*\b", "VERSION"),
)


@dataclass
class Step:
    """One command and what the page shows of its output."""

    command: str
    line: int
    shown: list = field(default_factory=list)

    @property
    def ends_by_ctrl_c(self):
        return any(line.startswith(CTRL_C) for line in self.shown)

    def until_ctrl_c(self):
        """What is shown before Ctrl-C is pressed, and all of it, without the mark."""
        at = next(i for i, line in enumerate(self.shown) if line.startswith(CTRL_C))
        rest = self.shown[at].removeprefix(CTRL_C)
        return self.shown[:at], self.shown[:at] + ([rest] if rest else []) + self.shown[at + 1 :]


@dataclass
class Block:
    """One fenced block."""

    language: str
    line: int
    steps: list
    not_run: str | None
    elsewhere: bool  # the text before it says "another terminal"


def steps_of(lines, first):
    """The commands of a block with what each of them shows."""
    steps = []
    for number, line in enumerate(lines, first):
        if steps and not steps[-1].shown and steps[-1].command.endswith("\\"):
            steps[-1].command = steps[-1].command[:-1] + line.strip()
        elif line.startswith("$ "):
            steps.append(Step(line[2:], number))
        else:
            assert steps, f"line {number}: a console block begins with a command"
            steps[-1].shown.append(line)
    return steps


def blocks_of(text):
    """All fenced blocks of a page."""
    blocks, body, start, before = [], None, None, []
    for number, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if body is None and fence:
            body, start = [], (number, fence[2], len(fence[1]))
        elif body is None:
            before.append(line)
        elif fence:
            at, language, _ = start
            last = " ".join(line for line in before if line.strip())
            mark = NOT_RUN.fullmatch(before[-1].strip()) if before else None
            steps = steps_of(body, at + 1) if language == "console" and not mark else []
            elsewhere = "another terminal" in last
            blocks.append(Block(language, at, steps, mark and mark[1], elsewhere))
            body, before = None, []
        else:
            body.append(line[start[2] :] if not line[: start[2]].strip() else line)
    assert body is None, f"line {start[0]}: this block does not end"
    return blocks


def same_for_all(line):
    """A line without what differs from run to run."""
    for pattern, instead in VARIES:
        line = re.sub(pattern, instead, line)
    return line.rstrip()


def is_line(shown, printed):
    """Whether one line is the other, of which the end may be left out."""
    if shown.endswith(" " + LEFT_OUT):
        return printed.startswith(shown.removesuffix(LEFT_OUT))
    return shown == printed


def matches(shown, printed):
    """Whether a page shows what was printed; "..." stands for any number of lines."""
    shown = [same_for_all(line) for line in shown]
    printed = [same_for_all(line) for line in printed]
    reached = {0}  # how many of the printed lines the shown ones so far may stand for
    for line in shown:
        if line.strip() == LEFT_OUT:
            reached = set(range(min(reached), len(printed) + 1)) if reached else reached
        else:
            reached = {n + 1 for n in reached if n < len(printed) and is_line(line, printed[n])}
    return len(printed) in reached
