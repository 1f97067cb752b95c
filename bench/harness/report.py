# SPDX-License-Identifier: Apache-2.0
"""Tables, goals, and the places for them in bench/README.md."""

import re
from dataclasses import dataclass, field
from statistics import median

from harness.stats import shown


@dataclass
class Goal:
    """A limit for the median: "<=" or ">=" of `limit`."""

    what: str
    samples: list
    sign: str
    limit: float
    form: str = "{:.2f}"

    @property
    def met(self):
        value = median(self.samples)
        return value <= self.limit if self.sign == "<=" else value >= self.limit

    def __str__(self):
        limit = f"{self.sign} {self.form.format(self.limit)}"
        return (
            f"{self.what}: {shown(self.samples, self.form)}, goal {limit}: "
            f"{'met' if self.met else '**missed**'}"
        )


@dataclass
class Result:
    """What a part found."""

    head: list
    rows: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    goals: list = field(default_factory=list)

    def markdown(self):
        lines = [row_of(self.head), row_of(["---"] + ["---:"] * (len(self.head) - 1))]
        lines += map(row_of, self.rows)
        if self.notes or self.goals:
            lines += ["", *(f"- {line}" for line in (*self.notes, *self.goals))]
        return "\n".join(lines)


def row_of(cells):
    return "| " + " | ".join(map(str, cells)) + " |"


def write_block(path, name, text):
    """Replace what is between the markers of a block."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, found, rest = path.read_text().partition(begin)
    _old, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise LookupError(f"{path} has no place for {name}")
    path.write_text(f"{before}{begin}\n{text}\n{end}{after}")


def plain(text):
    """Markdown for a terminal: the columns of each table aligned."""
    lines = text.splitlines()
    cells = [re.split(r" ?\| ?", line)[1:-1] for line in lines if line.startswith("|")]
    widths = [max(map(len, column)) for column in zip(*cells)]
    for number, line in enumerate(lines):
        if line.startswith("|") and cells:
            row = [cell.ljust(width) for cell, width in zip(cells.pop(0), widths)]
            lines[number] = "  ".join(row).rstrip()
    return "\n".join(line for line in lines if not re.fullmatch(r"[-: ]+", line) or not line)
