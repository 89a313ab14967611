#!/usr/bin/python3
"""Devices enrol while the token behind the signers misbehaves as real ones do (tests/p11shim): nothing is restarted, nobody's
request is lost, and each certificate that was answered is in the ledger, once.  Then the PIN is changed: it is tried once a
signer, never again, and /readyz and doctor say what is wrong.  The argument is the shim."""
import os
import sys
import time

from crash import Load, check, work_still
from est import csr_of, new_key, refused
from kithtest import SOFTHSM, Kith, World, say, wait_for

SHIM = sys.argv[1]
MORE = 40  # enrolments that a fault has to let pass before the next

# Each is on while that many more devices enrol; what a plan counts up, it counts up once.
FAULTS = [
    ("sessions drop", ["drop=1", "drop=2", "drop=3", "drop=4", "drop=5"]),
    ("sessions drop at every 7th signature", ["drop=5\ndrop_every=7"]),
    ("handles are forgotten", ["drop=5\nforget=1", "drop=5\nforget=2", "drop=5\nforget=3"]),
    ("each signature takes 30 ms", ["drop=5\nforget=3\ndelay_ms=30"]),
    ("every third signature fails in the device", ["drop=5\nforget=3\nfail_every=3\nfail_rv=0x30"]),
    ("sessions idle out after 50 ms", ["drop=5\nforget=3\nidle_ms=50"]),
]
LAST = "drop=5\nforget=3"
AWAY = [("the token is away", LAST + "\nabsent=1", LAST),
        ("the token is away, and back only for a new C_Initialize", LAST + "\nabsent=1\nsticky=1", LAST + "\nsticky=1"),
        ("the token is back without its keys at first", LAST + "\nabsent=1\nhidden=1", LAST + "\nhidden=1")]


class Shim:
    def __init__(self, w):
        os.makedirs(w.path("shim"))
        self.w, self.log = w, w.path("shim", "log")
        w.env["P11SHIM_CONTROL"] = w.path("shim", "control")
        self.plan("")

    def plan(self, faults):
        self.w.write("shim/control.new", f"module={SOFTHSM}\nlog={self.log}\n{faults}\n")
        os.rename(self.w.path("shim", "control.new"), self.w.path("shim", "control"))

    def count(self, what):
        return sum(1 for line in self.w.log("shim/log").splitlines() if line.startswith(what))


def grow(load, n, seconds=40):
    at = len(load.answered)
    wait_for(lambda: len(load.answered) > at + n, f"{n} more enrolments", seconds)


def readyz(k):
    return k.api("GET", "/readyz")


def token_line(k):
    return next((line for line in readyz(k).body.decode().splitlines() if "token" in line), "")


def goes_through_faults(k, shim, load):
    for name, plans in FAULTS:
        at = time.monotonic()
        for plan in plans:
            shim.plan(plan)
            grow(load, MORE)
        say(f"{name}: {len(plans) * MORE / (time.monotonic() - at):.0f} enrolments/s")
    assert load.retries == 0, f"{load.retries} requests were refused"


def goes_through_absence(k, shim, load):
    for name, away, back in AWAY:
        shim.plan(away)
        wait_for(lambda: readyz(k).status == 503, "/readyz to say it", 20, 0.1)
        line = token_line(k)
        assert "FAIL token" in line and ("down" in line or "degraded" in line), readyz(k).body
        n = len(load.answered)
        time.sleep(0.5)
        assert len(load.answered) <= n + 4, "certificates without a token"
        at = time.monotonic()
        shim.plan(back)
        if "hidden" in back:
            time.sleep(1)
            shim.plan(LAST)
        grow(load, MORE, 60)
        say(f"{name}: {time.monotonic() - at:.1f} s until {MORE} more had enrolled")
        wait_for(lambda: readyz(k).status == 200, "readiness", 30, 0.1)


def doctor(k, name):
    checks = {c["name"]: c for c in k.kith_json("doctor", ok=False)["checks"]}
    return checks[name]


def never_tries_a_changed_pin_again(k, shim):
    """Signers that are logged in find out at the next loss of sessions."""
    os.unlink(shim.log)
    shim.plan(LAST.replace("drop=5", "drop=6") + "\nnew_pin=1\npin_lock=1")
    wait_for(lambda: readyz(k).status == 503, "/readyz to say it", 20, 0.1)
    device = k.add_device("PIN1")
    for _ in range(20):  # devices go on asking
        refused(k.enrol(csr_of(new_key()), device["id"], device["claim"]), 503, "signer-gone")
        time.sleep(0.2)
    line = token_line(k)
    assert "FAIL token" in line and "PIN" in line, readyz(k).body
    tried, signers = shim.count("login a"), 2
    assert 1 <= tried <= signers, f"the wrong PIN was tried {tried} times:\n" + k.w.log("shim/log")
    found = doctor(k, "token")  # asks the token itself, once
    assert not found["ok"] and "PIN" in found["detail"], found
    assert shim.count("login a") <= tried + 1
    found = doctor(k, "server/token")
    assert not found["ok"] and "PIN" in found["detail"] and "restart kithd" in found["try"], found


def main():
    with World("faults") as w:
        words = w.softhsm()
        shim = Shim(w)
        words[words.index("--hsm") + 1] = SHIM
        words[words.index("--hsm-paths") + 1] += "," + w.path("shim")
        k = Kith(w, *words)
        k.start()
        k.add_model("pump")
        load = Load(k)
        load.fill(2000)
        load.fill(2000)
        before = k.pids()
        for t in load.threads:
            t.start()
        grow(load, MORE)
        goes_through_faults(k, shim, load)
        goes_through_absence(k, shim, load)
        load.finish()
        assert k.pids() == before, "something was restarted"
        check(k, load)
        work_still(k, load)
        never_tries_a_changed_pin_again(k, shim)
        assert k.pids() == before, "something was restarted"
        k.stop()
        say("ok")


if __name__ == "__main__":
    main()
