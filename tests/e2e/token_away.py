#!/usr/bin/python3
"""The token goes away while devices enrol and comes back: nothing is restarted, nobody's request is lost, and what was answered
is in the ledger."""
import os
import signal
import sys
import time

from crash import THREADS, Load, check, work_still
from kithtest import Kith, World, say, wait_for


def a_start_waits_for_it(k):
    """Who asks is told, and nothing is entered that nobody could sign: entries would be adopted at one start after the other."""
    adopted = lambda: k.w.log("kithd.log").count("adopted entries that nobody had signed")
    said = lambda: (lambda text: text if "the token of the issuing signer does not answer" in text else None)(k.readyz())
    before = adopted()
    os.rename(k.w.path("tokens"), k.w.path("away"))
    wait_for(lambda: k.api("GET", "/readyz").status == 503, "/readyz to say it", 20, 0.1)
    wait_for(lambda: "down" in k.api("GET", "/readyz").body.decode(), "the signers to know", 20, 0.1)
    os.kill(k.pids()["kith-server"], signal.SIGKILL)
    text = wait_for(said, "who asks to be told", 20, 0.2)
    assert text.startswith("FAIL signer-issuing: ") and "once it is back" in text, text
    pids = k.pids()
    time.sleep(3)
    assert k.pids() == pids and adopted() == before, "it was tried again and again"
    os.rename(k.w.path("away"), k.w.path("tokens"))
    k.wait_ready(60)
    assert adopted() <= before + 1, "what stood there at the kill, once at most"
    k.must_verify()


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
        a_start_waits_for_it(k)
        k.stop()
        say("ok")


if __name__ == "__main__":
    sys.exit(main())
