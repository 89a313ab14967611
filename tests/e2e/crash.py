#!/usr/bin/python3
"""kill -9 of the server and of each signer at random moments while devices enrol, and of kithd at the end.

Afterwards every certificate that was answered is in the database and in the ledger, every device that asked has one that
works, checkpoints go on (the signers sign none that lacks what their journals hold) and the export verifies.

    crash.py [SECONDS [SEED]]"""
import base64
import hashlib
import http.client
import os
import random
import signal
import ssl
import sys
import threading
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from kithtest import Kith, World, say, wait_for

VICTIMS = ("kith-server", "kith-signer issuing", "kith-signer ledger")
THREADS = 4
DER = serialization.Encoding.DER


class Load:
    """Devices that enrol, one after the other, each with one key until it has its certificate."""

    def __init__(self, k):
        self.k, self.n, self.lock = k, 0, threading.Lock()
        self.context = k.tls()
        self.answered = {}  # device id: [DER, ...]: more than one only if the first was never delivered
        self.keys, self.retries, self.odd = {}, 0, []
        self.stopping = False
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(THREADS)]
        self.waiting = []

    def fill(self, n):
        lines = "".join('{"model":"pump","serial":"CR-%06d","token":true}\n' % (self.n + i) for i in range(n))
        self.n += n
        added = self.k.must("POST", "/v1/devices/batch", lines.encode())
        assert added["added"] == n, added["failed"][:3]
        self.waiting += added["devices"]

    def ask(self, body, headers):
        c = http.client.HTTPSConnection("localhost", self.k.tls_port, timeout=10, context=self.context)
        try:
            c.request("POST", "/.well-known/est/simpleenroll", body, headers)
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def work(self):
        while not self.stopping:
            with self.lock:
                if not self.waiting:
                    return
                device = self.waiting.pop()
            self.enrol(device)

    def enrol(self, device):
        key = ec.generate_private_key(ec.SECP256R1())
        self.keys[device["id"]] = key
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
        basic = base64.b64encode(f"{device['id']}:{device['claim']}".encode()).decode()
        headers = {"Content-Type": "application/pkcs10", "Authorization": "Basic " + basic}
        until = time.monotonic() + 60
        while time.monotonic() < until:
            csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
            try:
                status, body = self.ask(base64.b64encode(csr.public_bytes(DER)), headers)
            except (OSError, ssl.SSLError, http.client.HTTPException):
                status, body = 0, b""
            if status == 200:
                cert, = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
                self.answered[device["id"]] = cert.public_bytes(DER)
                return
            if status not in (0, 429, 500, 503):
                self.odd.append((device["id"], status, body[:300]))
                return
            self.retries += 1
            time.sleep(0.05)
        self.odd.append((device["id"], 0, b"no answer within 60 s"))


    def finish(self):
        """All that asked have their answer."""
        self.stopping = True
        for t in self.threads:
            t.join(70)
            assert not t.is_alive(), "a device waits for ever"
        say(f"{len(self.answered)} certificates, {self.retries} retries")
        assert not self.odd, self.odd[:5]


def kill_one(k, rng):
    victim = rng.choice(VICTIMS)
    pid = k.pids().get(victim)
    if pid is None:
        return None  # it is being started again after the last one
    os.kill(pid, signal.SIGKILL)
    return victim


def kill_at_random(k, load, seconds, rng):
    killed = dict.fromkeys(VICTIMS, 0)
    until = time.monotonic() + seconds
    while time.monotonic() < until or not all(killed.values()):  # slow machines kill fewer
        time.sleep(rng.uniform(0.02, 1.2))
        victim = kill_one(k, rng)
        if victim:
            killed[victim] += 1
            # Now and then another one falls before the first is back.
            if rng.random() < 0.8:
                wait_for(lambda: children_ready(k), "everything to run again after " + victim, 30, 0.02)
        if len(load.waiting) < 500 and children_ready(k):
            try:
                load.fill(1000)
            except (OSError, AssertionError):
                pass  # the server fell meanwhile
    return killed


def children_ready(k):
    assert k.daemon.poll() is None, "kithd ended"
    try:
        return set(k.pids()) >= set(VICTIMS) and k.api("GET", "/readyz", seconds=5).status == 200
    except OSError:
        return False


def check(k, load):
    note = k.api("POST", "/v1/ledger/checkpoint", {}, seconds=30)
    assert note.status == 200, f"no checkpoint: {note}"
    size = int(note.body.split(b"\n")[1])
    stored = {bytes(der): (revoked, subject) for der, revoked, subject in
              k.rows("SELECT unpack(base, der), CASE WHEN hold = 1 THEN 1 ELSE revoked_at END, subject FROM certificate")}
    entered = {}
    leaves = k.leaves()
    assert len(leaves) >= size, "entries are missing"
    for seq, leaf in enumerate(leaves):
        entered.setdefault(leaf[5], []).append(seq)
    for device, der in load.answered.items():
        assert der in stored, f"an answered certificate of {device} is not in the database"
        assert stored[der] == (None, device), f"an answered certificate of {device} is stored as {stored[der]}"
        assert hashlib.sha256(der).digest() in entered, f"an answered certificate of {device} is not in the ledger"
    for der, (_revoked, subject) in stored.items():
        seqs = entered.get(hashlib.sha256(der).digest(), [])
        assert len(seqs) == 1, f"a certificate of {subject} has the entries {seqs}"
    valid = {}
    for _der, (revoked, subject) in stored.items():
        if revoked is None:
            valid[subject] = valid.get(subject, 0) + 1
    assert all(valid.get(d) == 1 for d in load.answered), "a device has two valid certificates"
    k.must_verify()
    return sum(1 for revoked, _ in stored.values() if revoked)


def work_still(k, load):
    """Some devices say hello with what they got."""
    for device in list(load.answered)[-3:]:
        key, pem = k.w.key_files("h", load.keys[device], load.answered[device])
        a = k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"}, pem, key)
        assert a.status == 200, a


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
    say(f"seed {seed}")
    with World("crash") as w:
        k = Kith(w)
        k.start()
        k.add_model("pump")
        load = Load(k)
        load.fill(2000)
        for t in load.threads:
            t.start()
        killed = kill_at_random(k, load, seconds, random.Random(seed))
        wait_for(lambda: children_ready(k), "everything to run again", 30, 0.05)
        say(f"killed: {killed}")
        load.finish()
        assert len(load.answered) > 100
        lost = check(k, load)
        say(f"{lost} certificates were signed and not delivered; they wait or are revoked, and are in the ledger")
        work_still(k, load)
        # The supervisor too: its children end with it, and the next one begins where it was.
        before = k.pids()
        k.daemon.kill()
        k.daemon.wait()
        wait_for(lambda: not any(os.path.exists(f"/proc/{p}") for p in before.values()), "the children's end", 10)
        k.start()
        check(k, load)
        work_still(k, load)
        k.stop()
        say("ok")


if __name__ == "__main__":
    main()
