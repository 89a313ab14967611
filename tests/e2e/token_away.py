#!/usr/bin/python3
"""The token goes away while devices enrol and comes back: nothing is restarted, nobody's request is lost, and what was answered
is in the ledger."""
import os
import sys
import time

from crash import THREADS, Load, check, work_still
from kithtest import Kith, World, say, wait_for


def main():
    with World("token") as w:
        k = Kith(w, *w.softhsm())
        k.start()
        k.add_model("pump")
        load = Load(k)
        load.fill(2000)
        before = k.pids()
        for t in load.threads:
            t.start()
        for _ in range(2):
            n = len(load.answered)
            wait_for(lambda: len(load.answered) > n + 50, "enrolments", 30)
            os.rename(w.path("tokens"), w.path("away"))
            wait_for(lambda: k.api("GET", "/readyz").status == 503, "/readyz to say it", 20, 0.1)
            n, retries = len(load.answered), load.retries
            wait_for(lambda: load.retries > retries + 50, "devices that are refused", 30)
            assert len(load.answered) <= n + THREADS, "certificates without a token"
            os.rename(w.path("away"), w.path("tokens"))
            back = time.monotonic()
            n = len(load.answered)
            wait_for(lambda: len(load.answered) > n + 20, "enrolments after the token came back", 40)
            say(f"token back: {time.monotonic() - back:.1f} s until 20 more had enrolled")
        load.finish()
        assert k.pids() == before, "something was restarted"
        wait_for(lambda: k.api("GET", "/readyz").status == 200, "readiness", 30, 0.1)
        check(k, load)
        work_still(k, load)
        k.stop()
        say("ok")


if __name__ == "__main__":
    sys.exit(main())
