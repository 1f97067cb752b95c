# SPDX-License-Identifier: Apache-2.0
"""Runs a command as a user who has certain capabilities and no others.

usage: restrict.py UID CAP[,CAP...]|- MEMLOCK COMMAND...

CAP is a name of CAPS, MEMLOCK a limit in bytes, "max" the largest that can be had. The command has
the capabilities in all sets, and can not get others, even if UID is 0. It stays the same process.
"""

import ctypes
import os
import resource
import struct
import sys

CAPS = {
    "chown": 0,
    "dac_override": 1,
    "dac_read_search": 2,
    "sys_ptrace": 19,
    "sys_admin": 21,
    "sys_nice": 23,
    "sys_resource": 24,
    "perfmon": 38,
    "bpf": 39,
    "checkpoint_restore": 40,
}  # include/uapi/linux/capability.h
PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 8, 24, 47, 2
VERSION_3 = 0x20080522
libc = ctypes.CDLL(None, use_errno=True)


def mask_of(caps):
    """The set of these capabilities as the kernel shows it."""
    return sum(1 << CAPS[cap] for cap in caps)


def checked(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), what)


def prctl(*args):
    checked(libc.prctl(*map(ctypes.c_ulong, args)), f"prctl{args}")


def restrict(uid, caps):
    mask = mask_of(caps)
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as last:
        for cap in range(int(last.read()) + 1):
            if not mask >> cap & 1:
                prctl(PR_CAPBSET_DROP, cap, 0, 0, 0)
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    header, data = struct.pack("=Ii", VERSION_3, 0), struct.pack("=6I", *[low] * 3, *[high] * 3)
    checked(libc.capset(header, data), "capset")
    for cap in caps:
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAPS[cap], 0, 0)


def limit_memlock(limit):
    try:
        number = resource.RLIM_INFINITY if limit == "max" else int(limit)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (number, number))
    except ValueError:
        if limit != "max":
            raise


def main():
    uid, caps, memlock, *command = sys.argv[1:]
    limit_memlock(memlock)
    restrict(int(uid), [] if caps == "-" else caps.split(","))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
