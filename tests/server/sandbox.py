#!/usr/bin/python3
"""What kith-server may do: each act is done inside the real process (tests/lib/probe.c, preloaded), once with the sandbox off,
where it succeeds, and once with it on.  The argument is the probe.

kithd hands no LD_PRELOAD to its children, so the signers and the server are started here as kithd starts them."""
import ctypes
import errno
import os
import re
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from kithtest import BIN, Kith, World, free_ports, say, wait_for  # noqa: E402

PROBE = sys.argv[1]
DENIED = (errno.EPERM, errno.EACCES)
LIBC = ctypes.CDLL(None, use_errno=True)


class Probed:
    """An installation whose server has the probe in it."""

    def __init__(self, w, sandbox):
        self.w, self.k = w, Kith(w)
        with open(self.path("kith.conf")) as f:
            text = f.read()
        assert "[server]" in text and "sandbox =" not in text
        w.write("D/kith.conf", text.replace("[server]", f"[server]\nsandbox = {'yes' if sandbox else 'no'}"))
        w.write("ask", "")
        w.write("answers", "")
        self.signers = [self.start_signer(d) for d in ("issuing", "ledger")]
        self.server = self.start_server()

    def path(self, *parts):
        return os.path.join(self.k.dir, *parts)

    def start_signer(self, domain):
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        s.bind(self.path("run", f"signer-{domain}.sock"))
        s.listen(16)
        argv = [os.path.join(BIN, "kith-signer"), "--config", self.path("kith.conf"), "--domain", domain, "--fd",
                str(s.fileno())]
        p = self.w.start(argv, f"signer-{domain}.log", pass_fds=[s.fileno()])
        s.close()
        return p

    def start_server(self):
        kept = dict(self.w.env)
        self.w.env.update(LD_PRELOAD=PROBE, KITH_PROBE_DIR=self.w.dir)
        try:
            p = self.w.start([os.path.join(BIN, "kith-server"), "--config", self.path("kith.conf")], "server.log")
        finally:
            self.w.env = kept
        self.k.daemon = p
        self.k.wait_ready()
        return p

    def threads(self):
        return sorted(int(t) for t in os.listdir(f"/proc/{self.server.pid}/task"))

    def ask(self, act, thread=None):
        """The errno of one act, done by a thread; None if the process ended over it."""
        self.w.write("ask", act)
        self.w.write("answers", "")
        assert LIBC.tgkill(self.server.pid, thread or self.server.pid, signal.SIGRTMIN) == 0, "the server is gone"

        def answer():
            text = self.w.log("answers")
            return text.endswith("\n") and text or self.server.poll() is not None and "ended"
        got = wait_for(answer, f'an answer to "{act}"', 10, 0.002)
        assert got[0] != "-", f'the probe knows no act "{act}"'
        return None if got == "ended" else int(got)

    def works(self, serial):
        """The server does what it is for, whatever was tried in it."""
        if not self.k.api("GET", "/v1/models").json["models"]:
            self.k.add_model()
        self.k.curl_enrol(serial, self.k.add_device(serial))
        assert self.k.https("GET", "/healthz").status == 200


def acts(p, listener):
    """What a server that was taken over would like to do, and no server needs."""
    other, = free_ports(1)
    secrets = re.search(r"^passphrase_file *= *(.+)$", p.w.log("D/kith.conf"), re.M).group(1).strip()
    secrets = os.path.normpath(os.path.join(p.k.dir, secrets))
    assert os.path.isfile(secrets) and not secrets.startswith(p.k.dir + "/"), secrets
    rows = [
        "read " + p.path("keys", "issuing.key"),
        "read " + p.path("keys", "ledger.key"),
        "read " + secrets,
        "read " + p.path("kith.conf"),
        "write " + p.path("kith.conf"),
        "read " + p.path("signers", "issuing", "journal"),
        "write " + p.path("signers", "issuing", "journal"),
        "read " + p.path("signers", "ledger", "journal"),
        "write " + p.path("signers", "issuing", "roster"),
        "write " + p.path("ca", "root.cer"),
        "make " + p.path("ca", "more.cer"),
        "write " + p.path("profiles", "ldevid.profile"),
        "write " + p.path("ledger.vkeys"),
        "read " + p.w.path("outside"),
        "make " + p.w.path("made"),
        "read " + f"/proc/{p.signers[0].pid}/status",
        "write " + f"/proc/{p.signers[0].pid}/mem",
        f"connect {listener}",
        f"connect-by-send {listener}",
        f"bind {other}",
        "bind 0",
        "listen",
        f"kill {p.signers[0].pid}",
        f"limit {p.signers[0].pid}",
        "become",
        f"socket {socket.AF_NETLINK} {socket.SOCK_RAW} 0",
        f"socket {socket.AF_INET} {socket.SOCK_DGRAM} 0",
        "fork",
    ]
    if os.getuid() == 0:
        rows += [f"socket {socket.AF_PACKET} {socket.SOCK_RAW} 0"]
        rows += [f"socket {socket.AF_INET} {socket.SOCK_RAW} {socket.IPPROTO_ICMP}"]
    for path in (r.split(" ", 1)[1] for r in rows if r.startswith(("read /", "write /"))):
        assert os.path.exists(path), path
    return rows


def ends_by(p, act, status):
    assert p.ask(act) is None and p.server.returncode == status, f"{act}: exit {p.server.returncode}"


def denies(p, rows):
    for act in rows:
        for thread in (None, p.threads()[-1]):
            code = p.ask(act, thread)
            assert code in DENIED, f"{act}: {errno.errorcode.get(code, code)} with the sandbox on"
    # What it is for: the probe itself could open this, so the refusals above are the sandbox's.
    assert p.ask("read " + p.path("ca", "root.cer")) == 0
    assert p.ask("write " + p.path("data", "kith.db")) == 0
    assert p.ask("exec /bin/true") in DENIED
    p.works("AFTER")
    ends_by(p, "ptrace", -signal.SIGSYS)


def gives(p, rows):
    for act in rows:
        code = p.ask(act)
        assert code == 0, f"{act}: {errno.errorcode.get(code, code)} with the sandbox off"
    ends_by(p, "exec /bin/true", 0)
    stop_listening(p)
    p.server = p.start_server()
    assert p.ask("ptrace") == 0
    p.server.kill()


def stop_listening(p):
    path = p.path("run", "kith.sock")
    if os.path.exists(path):
        os.unlink(path)


def main():
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = listener.getsockname()[1]
    for sandbox in (False, True):
        at = time.monotonic()
        with World("sandbox") as w:
            p = Probed(w, sandbox)
            w.write("outside", "x")
            p.works("BEFORE")
            rows = acts(p, port)
            (denies if sandbox else gives)(p, rows)
        say(f"ok {len(rows) + 2} acts {'are denied in the sandbox' if sandbox else 'succeed without it'} "
            f"{time.monotonic() - at:.1f} s")


main()
