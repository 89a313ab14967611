#!/usr/bin/python3
"""The second token: opencryptoki's software token, with its own daemon (pkcsslotd) beside the platform.

Debian 12 has version 3.8, whose software token knows RSA and no elliptic curves: so the CA's keys are RSA and the ledger's
keys sealed files, which init and doctor have to say.  Its places are fixed: /etc/opencryptoki, /var/lib/opencryptoki,
/run/lock/opencryptoki.  Where the machine allows it, the test has these for itself (a mount namespace); in a container that
does not, root's are put aside and put back."""
import fcntl
import os
import shutil
import sys

from kithtest import Kith, World, run, say, stop, wait_for

MODULE = "/usr/lib/x86_64-linux-gnu/opencryptoki/libopencryptoki.so"
ETC, LIB, LOCK, SHM = "/etc/opencryptoki", "/var/lib/opencryptoki", "/run/lock/opencryptoki", "/dev/shm"
CONF = "version opencryptoki-3.1\nslot 0\n{\nstdll = libpkcs11_sw.so\n}\n"
SO_PIN, PIN = "24681357", "97531864"
APART = "KITH_APART"
SKIPPED = 77


def have_namespaces(words):
    return run("unshare", *words, "true", ok=False).returncode == 0


def come_apart():
    """Runs this program again in namespaces of its own, if it can."""
    if os.environ.get(APART):
        return
    words = ["--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if have_namespaces(words):
        os.environ[APART] = "yes"
        os.execvp("unshare", ["unshare", *words, sys.executable, *sys.argv])
    if os.getuid() != 0:
        say("not run: pkcsslotd wants root")
        sys.exit(SKIPPED)
    say("no namespaces here: the machine's own places are used and put back")


class Places:
    """/etc/opencryptoki and the others: ours alone, or put aside."""

    def __enter__(self):
        self.aside = []
        if os.environ.get(APART):
            for path in (ETC, LIB, SHM, "/run"):
                run("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", path)
        else:
            self.lock = open("/run/lock/kith-opencryptoki-test", "w")
            fcntl.flock(self.lock, fcntl.LOCK_EX)
            assert not os.path.exists("/proc/%s" % self.daemon()), "pkcsslotd runs already"
            for path in (ETC + "/opencryptoki.conf", LIB + "/swtok", LOCK):
                if os.path.lexists(path):
                    os.rename(path, path + ".kith-test")
                    self.aside.append(path)
        for path in (LIB + "/swtok/TOK_OBJ", LOCK + "/swtok"):
            os.makedirs(path)
        run("chgrp", "-R", "pkcs11", LIB, LOCK)
        run("chmod", "-R", "0770", LIB, LOCK)
        with open(ETC + "/opencryptoki.conf", "w") as f:
            f.write(CONF)
        return self

    def __exit__(self, *_):
        self.end()
        if os.environ.get(APART):
            return
        for path in (LIB + "/swtok", LOCK):
            shutil.rmtree(path)
        for path in (ETC + "/opencryptoki.conf", SHM + "/var.lib.opencryptoki.swtok", "/run/pkcsslotd.pid"):
            if os.path.lexists(path):
                os.unlink(path)
        for path in self.aside:
            os.rename(path + ".kith-test", path)

    def daemon(self):
        """Its process id, or none."""
        try:
            with open("/run/pkcsslotd.pid") as f:
                pid = int(f.read())
            with open(f"/proc/{pid}/comm") as f:
                return pid if f.read() == "pkcsslotd\n" else None
        except (OSError, ValueError):
            return None

    def begin(self):
        run("/usr/sbin/pkcsslotd")
        wait_for(lambda: self.daemon() and os.path.exists("/run/pkcsslotd.socket"), "pkcsslotd")

    def end(self):
        pid = self.daemon()
        if pid:
            os.kill(pid, 15)
            wait_for(lambda: not os.path.exists(f"/proc/{pid}/exe"), "the end of pkcsslotd")


def pkcsconf(verb, *lines):
    run("pkcsconf", "-c", "0", verb, input="".join(x + "\n" for x in lines))


def make_token(label):
    run("pkcs11-tool", "--module", MODULE, "--slot", "0", "--init-token", "--label", label, "--so-pin", "87654321")
    pkcsconf("-P", "87654321", SO_PIN, SO_PIN)
    pkcsconf("-u", SO_PIN, PIN, PIN)


def mechanisms():
    return run("pkcs11-tool", "--module", MODULE, "--slot", "0", "-M").stdout


def doctor(k):
    checks = {c["name"]: c for c in k.kith_json("doctor", ok=False)["checks"]}
    return checks["token"]


def says_what_the_token_cannot(w, words):
    """No elliptic curves: refused with the way on, and nothing is left behind."""
    assert "EC-KEY-PAIR-GEN" not in mechanisms(), "this version has curves: let the test use them"
    p = run(os.path.join(os.environ["KITH_BIN"], "kith"), "--dir", w.path("E"), "init", *words, ok=False, env=w.env)
    assert p.returncode != 0 and "makes no p256 keys" in p.stderr and "--key-type rsa3072" in p.stderr, p.stderr
    assert not os.path.exists(w.path("E")), "something is left"


def signed_by_token(k):
    text = run("openssl", "x509", "-inform", "DER", "-in", k.dir + "/ca/issuing.cer", "-noout", "-text").stdout
    assert "Public-Key: (3072 bit)" in text and "rsassaPss" in text, text
    run("openssl", "x509", "-inform", "DER", "-in", k.dir + "/ca/issuing.cer", "-out", k.w.path("issuing.pem"))
    listed = run("pkcs11-tool", "--module", MODULE, "--slot", "0", "--login", "--pin", PIN, "-O").stdout
    for name in ("kith-root", "kith-issuing"):
        assert f"label:      {name}" in listed, listed
    assert "kith-ledger" not in listed, listed


def enrols(k, name):
    device = k.add_device(name)
    key, pem = k.curl_enrol(name, device)
    run("openssl", "verify", "-CAfile", k.root_pem, "-untrusted", k.w.path("issuing.pem"), pem)
    hello = k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"}, pem, key)
    assert hello.status == 200, hello
    return device, key, pem


def revokes(k, device, key, pem):
    k.must("POST", f"/v1/devices/{device['serial']}/revoke", {"reason": "keyCompromise"})
    hello = k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"}, pem, key)
    assert hello.status in (401, 403), hello


def ready(k):
    return k.api("GET", "/readyz").status == 200


def main():
    come_apart()
    with Places() as places, World("opencryptoki") as w:
        places.begin()
        make_token("kith")
        pin = w.write("pin", PIN)
        words = ["--hsm", MODULE, "--token", "kith", "--pin-file", pin, "--hsm-paths", ",".join((ETC, LIB, LOCK, SHM))]
        says_what_the_token_cannot(w, words)
        k = Kith(w, "--key-type", "rsa3072", *words)
        try:
            signed_by_token(k)
            k.start()
            k.add_model()
            d = enrols(k, "OC1")
            revokes(k, *d)
            found = doctor(k)
            say(f"doctor: {found}")
            assert found["ok"] and "IBM" in found["detail"] and "no Ed25519" in found["detail"], found
            k.stop()
            k.start()
            enrols(k, "OC2")
            say("after a restart: ok")
            code, text = k.check_database()
            assert code == 0, text
            k.stop()
        finally:
            if k.daemon:
                stop(k.daemon)
        say("ok")


if __name__ == "__main__":
    main()
