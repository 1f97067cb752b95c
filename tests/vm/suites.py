# SPDX-License-Identifier: Apache-2.0
"""What is tried on each kernel: one row per suite. tests/vm/guest/suites.sh has what it runs there.

Suites with the same kernel parameters share a machine, in this order; one that hangs ends it, and
those after it get another.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    text: str  # what works if it passes, in users' words
    deadline_s: int
    append: str = ""  # kernel parameters
    archs: tuple = ("amd64", "arm64")
    quick: str = ""  # for each change: "" not, "all" on all kernels, "some" on those marked quick
    is_hidden: bool = False  # only for the tests of the machinery itself


SUITES = {
    "stuck": Suite("one case passes, then the machine stands still", 20, is_hidden=True),
    "hang": Suite("one case passes, the next one never ends", 5, is_hidden=True),
    "programs": Suite("all BPF programs load", 300, is_hidden=True),
    "load": Suite("all BPF programs load, and each way to attach works or says why not", 600,
                  quick="all"),
    "e2e": Suite("TLS of OpenSSL and GnuTLS and lines of bash are shown byte for byte", 1800,
                 quick="some"),
    "nobtf": Suite("the same without kernel BTF", 1800, quick="some"),
    "bare": Suite("without tracefs, and with a memory lock limit of 64 KiB", 900),
    "privileges": Suite("with fewer privileges, as the manual says", 900),
    "unit": Suite("unit tests that user emulation can not run", 300, archs=("arm64",)),
    "integrity": Suite("with lockdown=integrity", 900, append="lockdown=integrity"),
    "confidentiality": Suite("with lockdown=confidentiality", 900,
                             append="lockdown=confidentiality"),
}  # fmt: skip

# What is more than Linux 5.10 has, and since when there is that. A kernel that lacks what a program
# needs has to refuse it: what is claimed of kernels is tested, both ways.
SINCE = {
    "cookie": "bpf_get_attach_cookie is there from Linux 5.15 on",
    "bpf_loop": "bpf_loop is there from Linux 5.17 on",
}
WAYS = {"perf": (), "perf-cookie": ("cookie",), "multi": ("cookie",), "-": ()}
TRIALS = {"trial_plain": (), "trial_cookie": ("cookie",), "trial_loop": ("bpf_loop",)}


def needs(program, way):
    """What of this a program needs to be loaded for a way to attach."""
    if program in TRIALS:
        return TRIALS[program]
    return WAYS[way] + (("bpf_loop",) if program.endswith("_looped") else ())
