#!/usr/bin/python3
"""A wrong PIN in kith-agent's PIN file reaches the token once, whatever starts again; the right one, written to the file, is enough
to go on.  The argument is the shim, which counts."""
import os
import socket
import sys

from est_server import AGENT, PLATFORM, agent, serve, status, token
from kithtest import World, stop, timed, wait_for
from token_faults import Shim

LABEL, PIN = "dev", "1234"


class Device:
    def __init__(self, w, url):
        self.w, self.state = w, w.path("state")
        words = w.softhsm(LABEL, PIN)
        self.pin_file = words[words.index("--pin-file") + 1]
        self.shim = Shim(w)
        self.shim.plan("pin_lock=1")
        self.agent("enroll", "--key", f"pkcs11:token={LABEL};object=id", "--module", sys.argv[1], "--pin-file", self.pin_file,
                   stdin=token(url))

    def agent(self, verb, *words, **kw):
        return agent(verb, "--dir", self.state, *words, env=self.w.env, **kw)

    def run(self):
        return self.w.start([AGENT, "run", "--dir", self.state], "agent.log")

    def waited(self):
        return self.w.log("agent.log").count("another PIN file is waited for")

    def waits(self, n):
        wait_for(lambda: self.waited() == n, "the agent to wait", 20, 0.1)

    def pin(self, text):
        self.w.write("pin", text)

    def tried(self, n):
        assert self.shim.count("login") == n, f"{n} tries, not these:\n" + self.w.log("shim/log")


def restarts_try_it_once(d):
    d.pin("9999")
    for i in range(5):
        p = d.agent("run", "--once", want=4)
        assert "error[p11-pin]" in p.stderr and f'to "{d.pin_file}"' in p.stderr and ("refused before" in p.stderr) == (i > 0), p.stderr
    d.agent("enroll", want=4)
    d.tried(1)
    d.pin(PIN)
    d.agent("run", "--once")
    d.agent("run", "--once")


def waits_for_another_file(d):
    """As a service: it is there, but does not end, for a restart would not help."""
    d.pin("9999")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(d.w.path("notify"))
        told.settimeout(20)
        d.w.env["NOTIFY_SOCKET"] = d.w.path("notify")
        for i in range(4):
            p = d.run()
            d.waits(i + 1)
            while told.recv(100) != b"READY=1":
                pass
            p.kill() if i % 2 else stop(p)
            assert p.wait() == (-9 if i % 2 else 0)  # and its lock is free
        del d.w.env["NOTIFY_SOCKET"]
    d.tried(1)
    p = d.run()
    d.waits(5)
    assert status(d.state)["error"]["code"] == "p11-pin"
    d.pin("99999")
    d.waits(6)
    d.tried(2)
    heard = PLATFORM.hellos
    d.pin(PIN)
    wait_for(lambda: PLATFORM.hellos > heard, "hello", 20, 0.1)
    d.tried(3)
    wait_for(lambda: "error" not in status(d.state), "the status", 10, 0.1)
    stop(p)
    assert p.wait() == 0


def tries_no_pin_that_was_changed_meanwhile(d):
    """Logged in with a PIN that the token does not take any more, as the next loss of sessions shows."""
    with open(d.state + "/agent.conf", "r+") as f:
        text = f.read().replace("hello = 21600s", "hello = 1s")
        f.seek(0)
        f.write(text)
        f.truncate()
    heard, waited = PLATFORM.hellos, d.waited()
    p = d.run()
    wait_for(lambda: PLATFORM.hellos > heard, "hello", 20, 0.1)
    d.shim.plan("pin_lock=1\ndrop=1\nnew_pin=1")
    d.waits(waited + 1)
    d.tried(2)
    heard = PLATFORM.hellos
    d.shim.plan("pin_lock=1\ndrop=1")
    os.utime(d.pin_file)
    wait_for(lambda: PLATFORM.hellos > heard, "hello", 20, 0.1)
    d.tried(3)
    assert p.poll() is None
    stop(p)


def main():
    server, url = serve()
    with World("agent-pin") as w:
        d = Device(w, url)
        for test in (restarts_try_it_once, waits_for_another_file, tries_no_pin_that_was_changed_meanwhile):
            d.w.write("shim/log", "")
            timed(test, d)
    server.shutdown()


if __name__ == "__main__":
    main()
