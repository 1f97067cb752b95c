# SPDX-License-Identifier: Apache-2.0
"""The kernels that ecapture is tried on, in virtual machines: one row each.

A row says where the kernel comes from, and what is claimed of it. The claims are tested, those of
what a kernel lacks, too.
"""

from dataclasses import dataclass

RUNGS = ("multi", "perf-cookie", "perf")  # the best one first, as src/engine/trial.h has them


@dataclass(frozen=True)
class Kernel:
    suite: str  # of Debian
    package: str  # pattern; the newest package that matches is taken
    arch: str = "amd64"
    rungs: tuple = RUNGS
    has_loop: bool = True  # the helper bpf_loop
    quick: bool = False  # the suites "e2e" and "nobtf" run on it for each change

    def features(self):
        """What programs and ways to attach may need; see tests/vm/suites.py."""
        have = set(self.rungs) | ({"bpf_loop"} if self.has_loop else set())
        return have | ({"cookie"} if "perf-cookie" in self.rungs else set())


KERNELS = {
    "5.10": Kernel(
        "bullseye", "linux-image-5.10.0-*-cloud-amd64", rungs=RUNGS[2:], has_loop=False, quick=True
    ),
    "6.1": Kernel("bookworm", "linux-image-6.1.0-*-cloud-amd64", rungs=RUNGS[1:]),
    "6.12": Kernel("trixie", "linux-image-6.12.*-cloud-amd64"),
    "7": Kernel("trixie-backports", "linux-binary-7.*-cloud-amd64", quick=True),
    "6.1-arm64": Kernel(
        "bookworm", "linux-image-6.1.0-*-cloud-arm64", "arm64", rungs=RUNGS[1:]
    ),
    "7-arm64": Kernel("trixie-backports", "linux-binary-7.*-cloud-arm64", "arm64"),
}
