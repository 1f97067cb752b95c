# SPDX-License-Identifier: Apache-2.0
"""-p on uprobe multi: the kernel binds the hooks to the processes, no other one meets them."""


from lib import kernel
from lib.capture import assert_same
from lib.code import is_hooked
from lib.peer import library_of

MAX_BOUND = 16

def link_pids(run):
    """The processes to which the uprobe links of a run are bound; 0: to none."""
    owned = kernel.owned_ids(run.pid)
    links = [link for link in kernel.bpftool("link") if ("link", link["id"]) in owned]
    return {link["pid"] for link in links if "libssl" in link.get("path", "")}


def test_bystander_is_not_touched(ecapture, private, rung):
    """On multi only the chosen process has hooks; on the others all have, and BPF filters."""
    chosen, bystander = private("every"), private("every")
    assert not is_hooked(chosen.pid)
    run = ecapture("-p", chosen.pid, "--libssl", library_of(chosen.pid), rung=rung)
    assert is_hooked(chosen.pid)
    assert is_hooked(bystander.pid) == (rung != "multi")
    if rung == "multi":
        assert link_pids(run) == {chosen.pid}
        assert run.err.find(lambda line: line.endswith("attach=multi (bound to 1 process)"))
    reports = [actor.play() for actor in (chosen, bystander)]
    capture = run.finish()
    assert_same(capture, reports[0])
    assert not capture.of(bystander.pid)


def test_two_processes_are_bound(ecapture, peer):
    actors = [peer("every") for _ in range(3)]
    run = ecapture("-p", f"{actors[0].pid},{actors[1].pid},{actors[0].pid}", rung="multi")
    assert link_pids(run) == {actors[0].pid, actors[1].pid}
    reports = [actor.play() for actor in actors]
    capture = run.finish()
    for report in reports[:2]:
        assert_same(capture, report)
    assert not capture.of(actors[2].pid)


def test_too_many_to_be_bound(ecapture, peer):
    """Beyond the limit BPF filters, and the start line says so."""
    actors = [peer("nonblock") for _ in range(MAX_BOUND + 1)]
    run = ecapture("-p", ",".join(str(actor.pid) for actor in actors), rung="multi")
    assert link_pids(run) == {0}
    assert run.err.find(lambda line: "not bound to the processes: they are more than 16" in line)
    reports = [actor.play() for actor in actors]
    capture = run.finish()
    for report in reports:
        assert_same(capture, report)
