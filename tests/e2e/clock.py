#!/usr/bin/python3
"""Clocks that are set back and ahead, of the whole machine or of a signer alone, while it runs and over a start.

Certificates are refused while the clock is off; revocations, checkpoints and the feed go on, with a time that is neither before
what was signed nor ahead; all goes on by itself when the clock returns.  Who signed with a clock that was ahead gets out by one
option and without editing a file."""
import os
import time

from crashpoints import CrashKith, Plan
from est import csr_of, new_key, refused
from kithtest import World, timed, wait_for

HOUR, DAY = 3600, 86400
JUMPED = 123  # src/model/event_table.h


class Clocks:
    def __init__(self, k, plan):
        self.k, self.plan, self.n = k, plan, 0

    def enrol(self):
        self.n += 1
        device = self.k.add_device(f"CL-{self.n:04}")
        return self.k.enrol(csr_of(new_key()), device["id"], device["claim"])

    def works(self):
        wait_for(lambda: self.enrol().status == 200, "certificates", step=0.2)
        self.finding(True)

    def finding(self, ok):
        """What /readyz and doctor say of the clock, once the server has asked the signers, which it does each second."""
        time.sleep(1.3)
        said = lambda: next(c for c in self.k.must("GET", "/v1/doctor")["checks"] if c["name"] == "clock")
        return wait_for(lambda: (found := said())["ok"] == ok and found, f"the clock to be {'good' if ok else 'off'}", step=0.1)

    def refuses(self):
        a = self.enrol()
        assert a.status == 503 and a.code == "clock" and "--accept-clock" in a.json["try"], a
        self.finding(False)
        assert self.k.api("GET", "/readyz").status == 503, "nobody is certified here now"

    def goes_on(self):
        """A head and a checkpoint of now; the true now, up to seconds."""
        before = self.k.must("GET", "/v1/status")["feed"]["seq"]
        device = self.k.add_device(f"CL-x{self.n}{time.monotonic_ns()}")
        del device
        note = self.k.api("POST", "/v1/ledger/checkpoint", {})
        assert note.status == 200, note
        wait_for(lambda: self.k.must("GET", "/v1/status")["feed"]["seq"] > before, "a head", 20, 0.2)

    def accepts_it_once(self):
        """A signer that is started again later has to say for itself that the clock is right."""
        words = lambda pid: open(f"/proc/{pid}/cmdline").read().split("\0")
        signer = lambda: self.k.pids().get("kith-signer issuing")
        first = signer()
        assert "--accept-clock" in words(first), words(first)
        os.kill(first, 9)
        wait_for(lambda: signer() not in (None, first), "the next signer")
        assert "--accept-clock" not in words(signer()), words(signer())
        self.works()

    def stop(self):
        self.k.stop()

    def start(self, *words):
        self.k.start(*words)

    def start_unready(self):
        self.k.launch()
        self.k.wait_ready(ask="/v1/status")  # the server itself: while it waits for signers it says no more than that

    def jumps(self):
        return self.k.types().count(JUMPED)


def jumps_while_it_runs(t):
    for by in (2 * HOUR, -2 * HOUR, 3 * DAY):
        before = t.jumps()
        t.plan.set_clock(by)
        t.refuses()
        t.goes_on()
        t.plan.set_clock(0)
        t.works()
        t.goes_on()
        wait_for(lambda: t.jumps() >= before + 2, "the entries of both jumps", step=0.2)
        assert t.jumps() == before + 2, f"{t.jumps() - before} entries say that the clock jumped"


def small_steps_are_nothing(t):
    before = t.jumps()
    for by in (30, -20, 0):
        t.plan.set_clock(by)
        t.works()
    assert t.jumps() == before


def steps_that_add_up_are_a_jump(t):
    t.plan.set_clock(50 * 60)
    t.works()
    t.plan.set_clock(100 * 60)
    t.refuses()
    t.goes_on()
    t.plan.set_clock(0)
    t.works()


def a_claim_ends_with_its_time(t):
    """All in small steps, after which the clock is believed."""
    early, late = (t.k.add_device(f"CL-{name}", expires_s=120) for name in ("early", "late"))
    ask = lambda device: t.k.enrol(csr_of(new_key()), device["id"], device["claim"])
    t.plan.set_clock(60)
    assert ask(early).status == 200
    t.plan.set_clock(122)
    refused(ask(late), 401, "claim")
    t.plan.set_clock(0)
    assert ask(late).status == 200


def a_signer_alone_has_another_clock(t):
    for by in (365 * DAY, -365 * DAY):
        t.plan.set_clock(by, who=(1, 2))
        t.refuses()
        t.goes_on()
        t.plan.set_clock(0)
        t.works()


def starts_with_a_wrong_clock(t):
    for by in (-365 * DAY, 365 * DAY):
        t.stop()
        t.plan.set_clock(by)
        t.start_unready()
        t.refuses()
        t.stop()
        t.plan.set_clock(0)
        t.start()
        t.works()


def gets_out_of_a_time_that_was_ahead(t):
    t.stop()
    t.plan.set_clock(20 * DAY)  # it may have been off for so long
    t.start()  # certifies the server: something was signed
    t.finding(True)
    t.stop()
    t.plan.set_clock(0)
    t.start_unready()
    off = t.finding(False)
    assert "--accept-clock" in off["try"], off
    t.stop()
    t.start("--accept-clock")
    t.works()
    t.accepts_it_once()
    for p in t.k.pids().values():  # without a snapshot: the journal has it
        os.kill(p, 9)
    t.k.daemon.kill()
    t.k.daemon.wait()
    t.k.start()
    t.works()
    t.goes_on()


def main():
    with World("clock") as w:
        k = CrashKith(w)
        k.configure("feed", interval="2s")
        plan = Plan(k.dir + "/crash.plan", [])
        k.start()
        k.add_model("pump")
        t = Clocks(k, plan)
        for test in (small_steps_are_nothing, a_claim_ends_with_its_time, steps_that_add_up_are_a_jump, jumps_while_it_runs,
                     a_signer_alone_has_another_clock, starts_with_a_wrong_clock,
                     gets_out_of_a_time_that_was_ahead):
            timed(test, t)
        k.must_verify()
        k.stop()


main()
