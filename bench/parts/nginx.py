# SPDX-License-Identifier: Apache-2.0
"""nginx under full load: what hooks leave of its rate, and whether all of it is captured."""

import re
import shutil
import socket
import subprocess
from collections import namedtuple
from contextlib import ExitStack

from harness import proc
from harness.lab import OURS, VARIANTS, Skip
from harness.report import Goal, Result
from harness.stats import by_turns, ratios, shown
from lib import wait, web

HOOKED = ("SSL_read", "SSL_write")  # by the empty pairs; nginx calls no others for data
SIZE = 1024
SECONDS = 20
ROUNDS = 3
GOAL = 0.85  # of the rate that the empty pairs leave, for public
GOAL_AUTO = 0.62  # of the rate without hooks, for auto
WARM_S = 1  # of load, in which the inner functions prove themselves

# A connection lasts as long as wrk wants, nothing is written to disk, and stub_status, by plain
# HTTP, is the account that a capture is compared with.
CONF = """
daemon off;
user root;
worker_processes 4;
pid {root}/nginx.pid;
error_log {root}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    server {{
        listen {address}:{port} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        root {root}/files;
    }}
    server {{
        listen unix:{root}/status;
        location / {{ stub_status; }}
    }}
}}
"""

REQUEST_LINE_END = b" HTTP/1.1\\r\\n"  # as JSON writes it; a request has one
CONNECTION = re.compile(rb'"conn":{"id":(\d+),')
STATUS = re.compile(rb"connections: (\d+) .*requests *\n \d+ \d+ (\d+)", re.DOTALL)
TROUBLE = re.compile(r"Non-2xx|Socket errors: (?!connect 0, read 0, write 0)")

Load = namedtuple("Load", "rate cpu_us asked captured lost own_cpu peak")


class Server(web.Nginx):
    """nginx that counts."""

    n_asked = 0  # by us

    def _status(self):
        """Connections and requests so far; this is one of each."""
        self.n_asked += 1
        with socket.socket(socket.AF_UNIX) as status:
            status.connect(str(self.root / "status"))
            status.sendall(b"GET / HTTP/1.0\r\n\r\n")
            found = STATUS.search(status.makefile("rb").read())
        return tuple(map(int, found.groups()))

    def requests(self):
        """How many requests it has had from others, once their connections are closed."""
        wait.until(lambda: self._status()[0] == 1, 20, "the connections are closed")
        return self._status()[1] - self.n_asked


def captured(path):
    """How many requests a capture has: request lines in what nginx read, also if cut in two."""
    count, tails = 0, {}
    with open(path, "rb") as lines:
        for line in lines:
            if b'"dir":"recv"' not in line:
                continue
            conn = CONNECTION.search(line)[1]
            text = tails.get(conn, b"") + line.partition(b'"text":"')[2].removesuffix(b'"}\n')
            count += text.count(REQUEST_LINE_END)
            tails[conn] = text[1 - len(REQUEST_LINE_END) :]
    return count


def wrk(server, seconds):
    """Requests per second that wrk got answers for."""
    url = f"https://{web.ADDRESS}:{server.port}/{SIZE}"
    done = subprocess.run(
        ["wrk", "-t2", "-c64", f"-d{seconds:.0f}s", url],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert not TROUBLE.search(done.stdout), done.stdout
    return float(re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)[1])


def load(lab, server, run, variant):
    """Let wrk ask for a while; requests are counted from the first one on."""
    before = server.requests()
    if run:
        wrk(server, WARM_S)
    if variant == "auto":
        wait.until(lambda: not lab.is_hooked("read", "write"), 20, "the public hooks go")
    warm, cpu = server.requests(), proc.cpu_ns(*server.pids)
    own = proc.cpu_ns(run.pid) if run else 0
    rate = wrk(server, lab.seconds(SECONDS))
    cpu = proc.cpu_ns(*server.pids) - cpu
    asked = server.requests()
    cpu_us = cpu / (asked - warm) / 1000
    if not run:
        return Load(rate, cpu_us, asked - before, 0, 0, 0.0, 0)
    run.settle()
    own = proc.cpu_ns(run.pid) - own
    peak = proc.status_bytes(run.pid, "VmHWM") - proc.ring_bytes(run.pid)
    return Load(
        rate, cpu_us, asked - before, captured(run.json), 0, own / 1e9, peak / proc.MIB
    )


def one(lab, server, variant):
    with lab.hooks(variant, *HOOKED) as hooks:
        found = load(lab, server, hooks if variant in OURS else None, variant)
    if variant not in OURS:
        return found
    return found._replace(lost=hooks.counts.lost + hooks.counts.left_out)


def measure(lab):
    for tool in ("nginx", "wrk"):
        if not shutil.which(tool, path=lab.env["PATH"] + ":/usr/sbin"):
            raise Skip(f"{tool} is missing: scripts/deps demo bench")
    with ExitStack() as stack:
        root = stack.enter_context(lab.folder())
        server = Server(root, *web.make_certificate(root), [SIZE], conf=CONF, env=lab.env)
        stack.callback(server.close)
        loads = by_turns(
            VARIANTS, lab.rounds(ROUNDS), lambda variant: one(lab, server, variant)
        )
    return report(loads)


def report(loads):
    result = Result(["hooks", "requests/s", "÷ none", "÷ empty", "CPU µs of nginx per request"])
    rates = {variant: [found.rate for found in loads[variant]] for variant in VARIANTS}
    for variant in VARIANTS:
        cpu = shown([found.cpu_us for found in loads[variant]], "{:.1f}")
        over = [shown(ratios(rates[variant], rates[base])) for base in ("none", "empty")]
        result.rows.append([variant, shown(rates[variant], "{:,.0f}"), *over, cpu])
    over_empty = ratios(rates["public"], rates["empty"])
    result.goals = [
        Goal("requests/s, public ÷ empty", over_empty, ">=", GOAL),
        Goal("requests/s, auto ÷ none", ratios(rates["auto"], rates["none"]), ">=", GOAL_AUTO),
    ]
    for variant in OURS:
        account(result, variant, loads[variant])
    return result


def account(result, variant, found):
    """What one of ours has seen, and what it took."""
    missing = [abs(load.asked - load.captured) for load in found]
    result.goals += [
        Goal(f"{variant}: calls lost", [load.lost for load in found], "<=", 0, "{:,.0f}"),
        Goal(f"{variant}: requests missing in the capture", missing, "<=", 0, "{:,.0f}"),
    ]
    result.notes += [
        f"{variant}: requests in a round: {shown([load.asked for load in found], '{:,.0f}')}",
        f"{variant}: ecapture's own CPU, s: {shown([load.own_cpu for load in found], '{:.1f}')}",
        f"{variant}: its peak memory beside the ring, MiB: "
        f"{shown([load.peak for load in found], '{:.1f}')}",
    ]
