#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes doc/user/screen.svg, the picture in README.md: what ecapture shows on a terminal.

usage: sudo scripts/picture.py    (needs build/ecapture, nginx and curl; root)

The output is real: of build/ecapture, on the host on which the tests run the examples of the user
pages. tests/e2e/test_documentation.py compares the picture with what comes out.
"""

import html
import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.dont_write_bytecode = True

from lib import web  # noqa: E402
from lib.readers_host import OtherTerminal, ReadersHost, Running  # noqa: E402

PICTURE = ROOT / "doc/user/screen.svg"
COLUMNS = 96
COMMAND = "sudo ecapture tls -u 1000 --redact"
URL = "https://api.example.com/users/42"
MEANWHILE = (
    f"curl -s -o /dev/null {URL}",
    f"curl -s -o /dev/null -X DELETE -H 'Authorization: Bearer e2c4' {URL}",
)
LAST = "</html>"

CELL_WIDTH, LINE_HEIGHT, FONT_SIZE, MARGIN = 8.4, 18, 14, 16
SGR = re.compile(r"\x1b\[([\d;]*)m")
STYLES = {"1": "b", "2": "d", "31": "r", "32": "g", "35": "m", "36": "c"}
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" \
width="{width:.0f}" height="{height:.0f}" role="img" aria-label="ecapture on a terminal">
<style>
text {{ font: {size}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; fill: #d8dee9;
  white-space: pre; }}
.b {{ font-weight: bold; fill: #ffffff; }} .d {{ fill: #8791a5; }}
.c {{ fill: #7fc8e0; }} .g {{ fill: #a3d977; }} .r {{ fill: #f28b82; }} .m {{ fill: #d9a0e0; }}
</style>
<rect width="100%" height="100%" rx="8" fill="#20242c" stroke="#5b6473"/>
"""


def session(binary, folder):
    """The lines of the terminal, with its colours."""
    host = ReadersHost(folder, shutil.copy(binary, folder / "program"), web.REQ_CONF)
    running = other = None
    try:
        running = Running(host, f"{COMMAND} --color=always", folder)
        running.out.wait_for(lambda line: line.startswith("ecapture: capturing"), 30, "the start")
        other = OtherTerminal(host, folder)
        for command in MEANWHILE:
            other.enter(command)
        running.out.wait_for(lambda line: line.strip() == LAST, 20, "the last line")
        running.press_ctrl_c()
        lines, _ = running.finish()
    finally:
        for part in (running, other, host):
            if part:
                part.close()
    end = next(i for i, line in enumerate(lines) if line.startswith("ecapture: seen"))
    return [f"$ {COMMAND}", *lines[:end], "^C" + lines[end], *lines[end + 1 :]]


def pieces_of(line):
    """(classes, text) of each stretch of a line that looks the same."""
    classes, at = [], 0
    for code in [*SGR.finditer(line), None]:
        text = line[at : code.start() if code else len(line)]
        if text:
            yield " ".join(classes), text
        if code:
            at = code.end()
            numbers = code[1].split(";")
            classes = [] if code[1] in ("", "0") else [STYLES[number] for number in numbers]


def rows_of(line):
    """The rows that a line takes on the terminal, each a list of (column, classes, text)."""
    rows, column = [[]], 0
    for classes, text in pieces_of(line):
        while text:
            part, text = text[: COLUMNS - column], text[COLUMNS - column :]
            rows[-1].append((column, classes, part))
            column += len(part)
            if column == COLUMNS and text:
                rows.append([])
                column = 0
    return rows


def escape(text):
    """As XML has it; what numbers an exchange is not to be taken for the number of an issue."""
    return html.escape(text).replace("#", "&#35;")


def span(column, classes, text):
    """Text at its column, as wide as on a terminal whatever the font."""
    x, length = MARGIN + column * CELL_WIDTH, len(text) * CELL_WIDTH
    looks = f' class="{classes}"' if classes else ""
    return f'<tspan x="{x:.1f}" textLength="{length:.1f}"{looks}>{escape(text)}</tspan>'


def to_svg(lines):
    """The picture."""
    rows = [row for line in lines for row in rows_of(line)]
    width = COLUMNS * CELL_WIDTH + 2 * MARGIN
    height = len(rows) * LINE_HEIGHT + 2 * MARGIN
    out = [HEAD.format(width=width, height=height, size=FONT_SIZE)]
    for number, row in enumerate(rows, 1):
        y = MARGIN + number * LINE_HEIGHT - (LINE_HEIGHT - FONT_SIZE)
        spans = "".join(span(*piece) for piece in row)
        if spans:
            out.append(f'<text y="{y}" xml:space="preserve">{spans}</text>\n')
    return "".join(out) + "</svg>\n"


def text_of(svg):
    """The rows of a picture that have something on them, without colours."""
    rows = re.findall(r"<text [^>]*>(.*)</text>", svg)
    return [html.unescape(re.sub(r"<[^>]*>", "", row)) for row in rows]


def main():
    with tempfile.TemporaryDirectory(prefix="ecapture-picture-") as folder:
        Path(folder).chmod(0o755)
        lines = session(ROOT / "build/ecapture", Path(folder))
    PICTURE.write_text(to_svg(lines))
    print(f"{PICTURE.relative_to(ROOT)}: {len(lines)} lines")


if __name__ == "__main__":
    main()
