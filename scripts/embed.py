#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a file as a C array, so that the program carries it.

usage: embed.py IN OUT SYMBOL

OUT defines SYMBOL[], with a terminator, and SYMBOL_len, which does not count it.
"""

import sys
from pathlib import Path


def literal(line):
    """Bytes as a C string literal; octal, which unlike \\x ends after three digits."""
    text = ""
    for byte in line:
        char = chr(byte)
        if char in '"\\?':  # ? could begin a trigraph
            text += "\\" + char
        elif 0x20 <= byte < 0x7F:
            text += char
        else:
            text += "\\n" if char == "\n" else f"\\{byte:03o}"
    return f'"{text}"'


def main(argv):
    if len(argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    source, out, symbol = argv[1:]
    lines = Path(source).read_bytes().splitlines(keepends=True) or [b""]
    body = "\n".join("\t" + literal(line) for line in lines)
    Path(out).write_text(
        f"/* made by embed.py from {Path(source).name} */\n"
        f"extern const char {symbol}[];\n"
        f"extern const unsigned long {symbol}_len;\n\n"
        f"const char {symbol}[] =\n{body};\n"
        f"const unsigned long {symbol}_len = sizeof({symbol}) - 1;\n",
        encoding="ascii",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
