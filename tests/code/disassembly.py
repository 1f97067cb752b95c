# SPDX-License-Identifier: Apache-2.0
"""What llvm-objdump shows of functions, and what follows from it: the account to compare with.

It shares nothing with our decoder but the machine's manual.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass, field

OBJDUMP = "llvm-objdump-19"

LINE = re.compile(r"^ *([0-9a-f]+):\s+(\S+)\s*(.*)$")
TARGET = re.compile(r"0x([0-9a-f]+)(?: <(.*)>)?")
FRAME_ADDRESS = {
    "amd64": re.compile(r"^(?:movq\s+%rsp|leaq\s+(?:0x\w+)?\(%rsp\)), %(\w+)$"),
    "arm64": re.compile(r"^(?:mov\s+(\w+), sp|add\s+(\w+), sp, #0x\w+)$"),
}
ARGUMENTS = {
    "amd64": ["rdi", "rsi", "rdx", "rcx", "r8", "r9"],
    "arm64": ["x0", "x1", "x2", "x3", "x4", "x5"],
}
MOVES_STACK = {
    "amd64": [
        (re.compile(r"^pushq "), 1),
        (re.compile(r"^popq "), -1),
        (re.compile(r"^subq \$0x(\w+), %rsp$"), 1),
        (re.compile(r"^addq \$0x(\w+), %rsp$"), -1),
    ],
    "arm64": [
        (re.compile(r"^stp \w+, \w+, \[sp, #-0x(\w+)\]!"), 1),
        (re.compile(r"^ldp \w+, \w+, \[sp\], #0x(\w+)"), -1),
        (re.compile(r"^sub sp, sp, #0x(\w+)"), 1),
        (re.compile(r"^add sp, sp, #0x(\w+)"), -1),
    ],
}
STORES_LINK = re.compile(r"^stp x29, x30, \[sp(?:, #0x(\w+))?\]$")
CALLS = {"amd64": "callq", "arm64": "bl"}
JUMPS = {"amd64": "jmp", "arm64": "b"}
# What the first instructions are, as ecap_code_kind_text() has it.
KINDS = [
    (re.compile(r"^(endbr64|bti)"), "mark"),
    (re.compile(r"^pushq\s+%|^stp\s+x29, x30, \[sp, #-\w+\]!"), "push"),
    (re.compile(r"^subq\s+\$\w+, %rsp|^sub\s+sp, sp, #"), "sub-sp"),
    (re.compile(r"^(mov|movz|movk|movq|movl|movslq|movabsq|sxtw)\b"), "mov"),
    (re.compile(r"^nop$"), "nop"),
    (re.compile(r"^(j\w+|b|b\.\w+|cbn?z|tbn?z)\b"), "jump"),
    (re.compile(r"^(callq|bl|blr)\b"), "call"),
]


def objdump(path, *options):
    done = subprocess.run(
        [OBJDUMP, "--no-show-raw-insn", *options, path], capture_output=True, text=True, check=True
    )
    return done.stdout


def is_there():
    return shutil.which(OBJDUMP) is not None


@dataclass
class Function:
    """One function's instructions: (address, text)."""

    arch: str
    lines: list = field(default_factory=list)

    def targets(self, mnemonic):
        """(address of the next instruction, target, its name) of each call or jump."""
        after = [address for address, _ in self.lines[1:]] + [None]
        for (_, text), following in zip(self.lines, after):
            word, _, rest = text.partition(" ")
            found = TARGET.search(rest)
            if word == mnemonic and found:
                yield following, int(found[1], 16), found[2] or ""

    def calls(self):
        """Calls within the file, that is, not through a stub."""
        return [call for call in self.targets(CALLS[self.arch]) if "@plt" not in call[2]]

    def jumps_to(self):
        """The function that a stub leads to, if this one only jumps to it."""
        if any(self.targets(CALLS[self.arch])):
            return None
        names = [name for _, _, name in self.targets(JUMPS[self.arch])]
        return names[0].removesuffix("@plt") if len(names) == 1 else None

    def frame_argument(self, address):
        """Which argument of the call that returns to an address is one in the frame."""
        wanted = None
        for at, text in self.lines:
            if at == address:
                return wanted
            found = FRAME_ADDRESS[self.arch].match(text.split("#")[0].strip() if "//" in text
                                                   else text)
            register = next(filter(None, found.groups()), None) if found else None
            if register in ARGUMENTS[self.arch]:
                wanted = ARGUMENTS[self.arch].index(register) + 1
        return None

    def frame(self, address):
        """Before the call that returns to an address: how far up the stack pointer was at the
        entry, and how far up the return address lies, both as the callee sees it."""
        depth = deepest = 0
        link = 0  # from the stack pointer at the entry
        for at, text in self.lines:
            if at == address:
                pushed = 8 if self.arch == "amd64" else 0
                return depth + pushed, depth + link + pushed
            if text.startswith(("ret", "jmp ", "b ")):
                depth = deepest  # what follows comes from elsewhere in the function
            for pattern, sign in MOVES_STACK[self.arch]:
                if found := pattern.match(text):
                    depth += sign * (int(found[1], 16) if found.groups() else 8)
            deepest = max(deepest, depth)
            if found := STORES_LINK.match(text):
                link = int(found[1] or "0", 16) + 8 - depth
            elif text.startswith("stp x29, x30, [sp, #-"):
                link = 8 - depth
        return None


def functions(path, arch, names):
    """The functions of these names that the file exports."""
    text = objdump(path, f"--disassemble-symbols={','.join(names)}")
    found, current = {}, None
    for line in text.splitlines():
        head = re.match(r"^[0-9a-f]+ <(.*)>:$", line)
        if head:
            current = found.setdefault(head[1], Function(arch))
        elif current and (insn := LINE.match(line)):
            words = f"{insn[2]} {insn[3]}".strip()
            current.lines.append((int(insn[1], 16), re.sub(r"\s+", " ", words)))
    return found


def targets_in(path, address, size):
    """Where the calls and jumps in @size bytes of code lead to."""
    text = objdump(path, "-d", f"--start-address={address}", f"--stop-address={address + size}")
    mnemonics = {*CALLS.values(), *JUMPS.values()}
    found = [insn for line in text.splitlines() if (insn := LINE.match(line))]
    return [
        int(target[1], 16)
        for insn in found
        if insn[2] in mnemonics and (target := TARGET.search(insn[3]))
    ]


def first_instructions(path, address, n):
    """(address, kind) of the instructions at an address."""
    start = f"--start-address={address}"
    text = objdump(path, "-d", start, f"--stop-address={address + 16 * n}")
    lines = [insn for line in text.splitlines() if (insn := LINE.match(line))]
    for insn in lines[:n]:
        words = f"{insn[2]} {insn[3]}".strip()
        kinds = [kind for pattern, kind in KINDS if pattern.match(words)]
        yield int(insn[1], 16), kinds[0] if kinds else "other"
