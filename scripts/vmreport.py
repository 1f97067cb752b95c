# SPDX-License-Identifier: Apache-2.0
"""What scripts/vmtest makes of its results: verdicts, the table, the page for users."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "vm"))
from suites import SINCE, SUITES, needs

GROWTH_PERCENT = 10
KEPT = Path(__file__).resolve().parents[1] / "tests" / "vm" / "instructions.txt"
KEPT_HEAD = "# Verified instructions: kernel, number, program. `make vmtest KEEP=1` makes this.\n"


@dataclass
class Cell:
    """What came of one case of a suite on one kernel."""

    kernel: str
    suite: str
    case: str
    verdict: str  # PASS, FAIL, SKIP or HUNG
    seconds: float = 0.0
    reason: str = ""
    instructions: int = 0

    def text(self):
        reason = f" ({self.reason})" if self.verdict != "PASS" and self.reason else ""
        return f"{self.verdict}{reason}"


def cell_of_load(kernel_name, kernel, suite, fields):
    """The cell of a line of tests/vm/load.c; None: this kernel has nothing of the kind."""
    path, program, way, result, instructions, log = (*fields, "")[:6]
    if way == "multi" and "multi" not in kernel.rungs:
        return None
    case = f"{Path(path).name.partition('.')[0]}/{program}" + (f" {way}" if way != "-" else "")
    cell = Cell(kernel_name, suite, case, "PASS", instructions=int(instructions))
    lacking = [SINCE[what] for what in needs(program, way) if what not in kernel.features()]
    if lacking:
        cell.instructions = 0
        refused = result != "0"
        cell.verdict = "SKIP" if refused else "FAIL"
        cell.reason = lacking[0] if refused else f"loads, but scripts/kernels.py says: {lacking[0]}"
    elif result != "0":
        cell.verdict, cell.reason = "FAIL", f"errno {result}: {log}"
    return cell


# ------------------------------------------------------------------------ verified instructions


def read_kept(path=KEPT):
    """{(kernel, case): instructions} as they were when somebody last looked."""
    kept = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        if not line.startswith("#"):
            kernel, number, case = line.split(None, 2)
            kept[kernel, case] = int(number)
    return kept


def write_kept(cells, path=KEPT):
    """Keep the numbers of these cells; those of kernels that are not among them stay."""
    kept = {
        key: n for key, n in read_kept(path).items() if key[0] not in {c.kernel for c in cells}
    }
    kept |= {(c.kernel, c.case): c.instructions for c in cells if c.instructions}
    lines = [f"{kernel:<10} {n:>7}  {case}\n" for (kernel, case), n in sorted(kept.items())]
    path.write_text(KEPT_HEAD + "".join(lines))


def growth(cells, kept):
    """A line for each program that takes over a tenth more instructions than were kept."""
    lines = []
    for cell in cells:
        before = kept.get((cell.kernel, cell.case))
        if before and cell.instructions * 100 > before * (100 + GROWTH_PERCENT):
            percent = cell.instructions * 100 // before - 100
            lines.append(
                f"GREW  {cell.kernel}: {cell.case} has {cell.instructions} verified instructions, "
                f"{percent} % more than {before}"
            )
    return lines


# -------------------------------------------------------------------------------------- the table


def by_case(cells):
    """{(suite, case): {kernel: cell}}, in the order in which they came."""
    rows = {}
    order = {name: i for i, name in enumerate(SUITES)}
    for cell in sorted(cells, key=lambda cell: order.get(cell.suite, 99)):
        rows.setdefault((cell.suite, cell.case), {})[cell.kernel] = cell
    return rows


def table(cells, kernels):
    """Lines: suite, case, and a verdict per kernel; below it the reason of each that is no PASS."""
    rows = by_case(cells)
    width = max([len(f"{suite}  {case}") for suite, case in rows], default=4)
    lines = ["  ".join(["case".ljust(width), *kernels]).rstrip()]
    reasons = {}
    for (suite, case), of_kernel in rows.items():
        line = f"{suite}  {case}".ljust(width)
        for kernel in kernels:
            cell = of_kernel.get(kernel)
            line += "  " + (cell.verdict if cell else "-").ljust(len(kernel))
            if cell and cell.verdict != "PASS":
                key = (cell.verdict, suite, case, cell.reason)
                reasons.setdefault(key, []).append(kernel)
        lines.append(line.rstrip())
    lines += [""] if reasons else []
    for (verdict, suite, case, reason), where in reasons.items():
        reason = reason or "no reason given"
        lines.append(f"{verdict}  {suite}  {case}  {', '.join(where)}: {reason}")
    return lines


def sums(cells, times):
    """A line for each suite on each kernel: its cells by verdict, and how long it took."""
    groups = {}
    for cell in cells:
        groups.setdefault((cell.kernel, cell.suite), []).append(cell.verdict)
    lines = []
    for (kernel, suite), verdicts in groups.items():
        counts = [f"{verdicts.count(v)} {v}" for v in ("PASS", "FAIL", "HUNG", "SKIP")
                  if v in verdicts]  # fmt: skip
        lines.append(f"{kernel:<10} {suite:<16} {times.get((kernel, suite), 0):6.0f} s  "
                     + ", ".join(counts))  # fmt: skip
    return lines


# ----------------------------------------------------------------------------------- for users

PAGE_HEAD = """\
<!-- Written by `make vmtest`; do not edit. -->
# Kernels

ecapture was tried on these kernels on {date}, as Debian builds them, in virtual machines. Others
between them should do as well: what a kernel can is tried at each start, never inferred from its
version.{brief}

{table}

What the columns mean:

{meaning}
"""
BRIEF = """ It was a brief run: TLS and bash with the best way to attach and bodies up to
2 MiB; the other ways with a write of 256 KiB."""
RUNG_WORDS = {
    "multi": "the cheapest: one link for many functions, and hooks inside libraries",
    "perf-cookie": "hooks inside libraries; each function is a link of its own",
    "perf": "public functions only, each hooked by itself: more expensive, as complete",
}
HEADINGS = {
    "e2e": "TLS and bash",
    "nobtf": "without BTF",
    "bare": "no tracefs, 64 KiB memlock",
    "privileges": "fewer privileges",
    "integrity": "lockdown integrity",
    "confidentiality": "lockdown confidentiality",
}


def verdict_of(cells):
    """One word for a suite on a kernel."""
    verdicts = [cell.verdict for cell in cells]
    if not verdicts:
        return "not tried"
    if set(verdicts) & {"FAIL", "HUNG"}:
        bad = sum(v in ("FAIL", "HUNG") for v in verdicts)
        return f"**no**: {bad} of {len(verdicts)}"
    return "yes" if "PASS" in verdicts else "not tried"


def not_working(cells):
    """What users should know of a kernel: what failed, and which limits it has."""
    lines = []
    for cell in cells:
        if cell.verdict in ("FAIL", "HUNG"):
            word = "did not end" if cell.verdict == "HUNG" else "failed"
            lines.append(f"- {cell.suite}: `{cell.case}` {word}: {cell.reason}")
    return lines


def limits(kernel):
    lines = []
    if not kernel.has_loop:
        lines.append("- One call that reads or writes more than 1 MiB is shown up to there; the "
                     "rest is a loss with its size. The kernel lacks `bpf_loop` (Linux 5.17).")
    if "perf-cookie" not in kernel.rungs:
        lines.append("- Hooks sit on public functions only, and each function loads programs of "
                     "its own, so starting takes longer. The kernel lacks "
                     "`bpf_get_attach_cookie` (Linux 5.15).")
    if "multi" not in kernel.rungs:
        lines.append("- With `-p`, other processes that use the same library pay for the hooks, "
                     "too. The kernel lacks uprobe multi links (Linux 6.6).")
    return lines


def page(result, kernels):
    """The page doc/user/kernels.md."""
    cells = [Cell(**cell) for cell in result["cells"]]
    head = ["kernel", "release", "attaches by", *HEADINGS.values()]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    details = []
    for name, kernel in kernels.items():
        own = [cell for cell in cells if cell.kernel == name]
        if not own:
            continue
        words = [verdict_of([c for c in own if c.suite == suite]) for suite in HEADINGS]
        release = result["releases"].get(name, "?")
        row = [f"{name.partition('-')[0]}, {kernel.arch}", release, f"`{kernel.rungs[0]}`", *words]
        rows.append("| " + " | ".join(row) + " |")
        more = not_working(own) + limits(kernel)
        details += ["", f"## Linux {release}, {kernel.arch}", "",
                    *(more or ["Everything that was tried works, without limits."])]  # fmt: skip
    meaning = [f"- *{HEADINGS[suite]}*: {SUITES[suite].text}." for suite in HEADINGS]
    meaning += [f"- Attaches by `{rung}`: {text}." for rung, text in RUNG_WORDS.items()]
    brief = BRIEF if result.get("is_brief") else ""
    text = PAGE_HEAD.format(
        date=result["date"], brief=brief, table="\n".join(rows), meaning="\n".join(meaning)
    )
    return text + "\n".join(details) + "\n"


def as_data(cells):
    return [asdict(cell) for cell in cells]
