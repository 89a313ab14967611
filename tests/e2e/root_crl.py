#!/usr/bin/python3
"""What the root's list says of the issuing CA: one that revokes it, and one that says nothing or is older than one that was
gone by, stop every certificate but the server's own, which says so at each door; revocations go on.  All of it while the platform
runs and over a start."""
import datetime
import os
import urllib.error

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crl import get
from est import csr_of, new_key
from kithtest import BIN, Kith, World, run, timed, wait_for

DER = serialization.Encoding.DER


class Root:
    def __init__(self, k):
        self.k, self.n = k, 0
        self.list = os.path.join(k.dir, "ca/root.crl")
        self.good = self.read("root.crl")
        self.device = k.add_device("RC-early")
        assert k.enrol(csr_of(new_key()), self.device["id"], self.device["claim"]).status == 200

    def read(self, name):
        with open(os.path.join(self.k.dir, "ca", name), "rb") as f:
            return f.read()

    def put(self, data):
        """As whoever may write the directory does, past `ca install`."""
        if data is None:
            os.remove(self.list)
        else:
            os.rename(self.write("root.crl.new", data), self.list)

    def write(self, name, data):
        with open(self.k.w.path(name), "wb") as f:
            f.write(data)
        return self.k.w.path(name)

    def enrol(self):
        self.n += 1
        device = self.k.add_device(f"RC-{self.n:04}")
        return self.k.enrol(csr_of(new_key()), device["id"], device["claim"])

    def made(self, key=None, until=30, number=99):
        """A list over nothing by the root's key, or another."""
        if key is None:
            with open(self.k.dir + "-secrets/passphrase", "rb") as f:
                secret = f.read().strip()
            with open(self.k.dir + "/keys/root.key", "rb") as f:
                key = serialization.load_pem_private_key(f.read(), secret)
        now = datetime.datetime.now(datetime.timezone.utc)
        day = datetime.timedelta(days=1)
        root = x509.load_der_x509_certificate(self.read("root.cer"))
        b = x509.CertificateRevocationListBuilder().issuer_name(root.subject).last_update(now - 60 * day)
        b = b.next_update(now + until * day).add_extension(x509.CRLNumber(number), critical=False)
        b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), critical=False)
        return b.sign(key, hashes.SHA256()).public_bytes(DER)

    def published(self):
        """Whether the list is given to who checks certificates."""
        try:
            got = get(f"http://127.0.0.1:{self.k.plain_port}/crl/root.crl")
        except urllib.error.HTTPError as e:
            assert e.code == 503 and b"root-crl" in e.read(), e
            return False
        assert got == self.read("root.crl")
        return True

    def stopped(self, code, who="root-crl"):
        """`who`: the check of doctor that knows it."""
        wait_for(lambda: self.enrol().status == 503, "certificates to be refused", step=0.2)
        a, where = self.enrol(), self.k.dir
        assert a.code == code and a.json["try"] and where not in str(a.json), a
        a = self.k.api("GET", "/readyz")
        assert a.status == 503 and b"FAIL root-crl" in a.body and code.encode() in a.body, a
        p = self.k.kith("doctor", who, ok=False)
        assert p.returncode == 1 and "root" in p.stdout and "try: " in p.stdout, p.stdout
        assert self.published() == (code == "ca-revoked")
        p = self.k.rehearse()
        assert p.returncode and f"error[{code}]: signer issuing" in p.stderr, p.stderr

    def goes_on(self):
        wait_for(lambda: self.enrol().status == 200, "certificates", step=0.2)
        self.k.wait_ready()
        assert self.published()
        p = self.k.rehearse()
        assert p.returncode == 0, p.stderr

    def restart(self):
        """It starts, not ready."""
        if self.k.daemon.poll() is None:
            self.k.stop()
        self.k.launch()

        def is_up():
            try:
                a = self.k.api("GET", "/readyz")  # before it has heard the signers it does not know
                return a.status == 503 and b"FAIL root-crl" in a.body
            except OSError:
                return False
        wait_for(is_up, "the server to answer", 20, 0.1)


def a_list_of_no_use_stops_it(t):
    flipped = bytearray(t.good)
    flipped[-5] ^= 1
    for data in (None, b"", t.good[:-9], b"garbage", bytes(flipped), t.made(ec.generate_private_key(ec.SECP256R1()))):
        t.put(data)
        t.stopped("root-crl")
        t.put(t.good)
        t.goes_on()


def an_old_list_is_told(t):
    old = t.made(until=-1)
    p = t.k.kith("ca", "install", t.write("old.crl", old), ok=False)
    assert p.returncode and "was due to be renewed" in p.stderr, p.stderr
    t.put(old)
    t.goes_on()
    finding, = [c for c in t.k.must("GET", "/v1/doctor")["checks"] if c["name"] == "ca-expiry"]
    assert not finding["ok"] and "was due to be renewed" in finding["detail"], finding
    assert "was due to be renewed" in t.k.kith("doctor", "root-crl", ok=False).stdout
    t.good = t.made(number=100)
    t.put(t.good)
    t.goes_on()


def a_list_that_revokes_the_ca_stops_it(t):
    serial = "%x" % x509.load_der_x509_certificate(t.read("issuing.cer")).serial_number
    serial = "0" * (len(serial) % 2) + serial
    root = t.k.w.path("root-machine")
    os.makedirs(root)
    run("cp", "-a", t.k.dir + "/.", root)  # where the root is
    run(os.path.join(BIN, "kith"), "ca", "crl", "--root-dir", root, "--revoke", serial, "--out", t.k.w.path("r.pem"), env=t.k.w.env)
    p = t.k.kith("ca", "install", t.k.w.path("r.pem"))
    assert "issues nothing more" in p.stdout, p.stdout
    t.stopped("ca-revoked")
    p = t.k.kith("ca", "install", os.path.join(t.k.dir, "ca/issuing.cer"), ok=False)
    assert p.returncode and "error[ca-revoked]" in p.stderr, p.stderr
    t.restart()
    t.stopped("ca-revoked")
    a = t.k.must("POST", f"/v1/devices/{t.device['id']}/revoke", {"wait_ms": 5000})
    assert a["state"] == "revoked", a
    t.put(t.made(number=102))  # as it must never be: only to see that it was the list
    t.goes_on()


def a_list_that_was_put_back_stops_it(t):
    """What it revoked would be good again: by hand or by `ca install`, running, over a start, a kill, and without the snapshot."""
    newer = t.read("root.crl")
    p = t.k.kith("ca", "install", t.write("older.crl", t.good), ok=False)
    assert p.returncode == 5 and "list 100 is older than the one that was there before (102)" in p.stderr, p.stderr
    assert t.read("root.crl") == newer
    for older in (t.good, t.made(number=102, until=40)):
        t.put(older)
        t.stopped("root-crl", "server/root-crl")
    t.put(t.good)
    t.restart()
    t.stopped("root-crl", "server/root-crl")
    t.k.kill()
    os.remove(os.path.join(t.k.dir, "signers/issuing/state"))
    p = t.k.rehearse()
    assert p.returncode and "list 100 is older than the one that was there before (102)" in p.stderr, p.stderr
    t.restart()
    t.stopped("root-crl", "signers")
    t.k.kith("ca", "install", t.write("newer.crl", newer))
    t.goes_on()


def main():
    with World("root-crl") as w:
        k = Kith(w)
        k.start()
        k.add_model("pump")
        t = Root(k)
        for test in (a_list_of_no_use_stops_it, an_old_list_is_told, a_list_that_revokes_the_ca_stops_it,
                     a_list_that_was_put_back_stops_it):
            timed(test, t)
        k.stop()


if __name__ == "__main__":
    main()
