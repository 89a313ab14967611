#!/usr/bin/python3
"""Every crash point of server and signers, each many times: the process that reaches it dies there by SIGKILL.

Each round arms one point (base/crash_point.h), then devices enrol, one is suspended and resumed, a CRL and a checkpoint are
asked for, each until it succeeds.  At the end the signer's journal, the database and the ledger have the same certificates,
each once; what was answered counts; lists and checkpoints go on; both verifiers are content.  A point that was never reached
is a failure, so a new one in the source needs its way here.

    crash_table.py [ROUNDS [postgres [SEED]]]"""
import base64
import concurrent.futures
import hashlib
import http.client
import os
import random
import re
import signal
import ssl
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

from crashpoints import CrashKith, Plan, points_of_source
from kithtest import World, say, wait_for

DER = serialization.Encoding.DER
DEVICES = 3  # that enrol in a round
AWAY = (OSError, ssl.SSLError, http.client.HTTPException)
# Reached only after something else fell: then that falls first.
AFTER = {name: "server.answered" for name in ("server.recovering", "server.recovered", "server.delivering", "server.delivered")}
AFTER["server.missing"] = "server.state"


def until_done(what, name, seconds=30):
    """Asks until it is answered; who is away is asked again."""
    def once():
        try:
            return what()
        except AWAY:
            return None
    return wait_for(once, name, seconds, 0.02)


class Device:
    def __init__(self, k, row):
        self.k, self.id, self.claim = k, row["id"], row["claim"]
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.asked, self.der = 0, None

    def ask(self):
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
        csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self.key, hashes.SHA256())
        basic = base64.b64encode(f"{self.id}:{self.claim}".encode()).decode()
        self.asked += 1
        a = self.k.https("POST", "/.well-known/est/simpleenroll", base64.b64encode(csr.public_bytes(DER)),
                         {"Content-Type": "application/pkcs10", "Authorization": "Basic " + basic}, seconds=10)
        assert a.status in (200, 429, 500, 503), f"{self.id}: {a}"
        if a.status != 200:
            return None
        cert, = pkcs7.load_der_pkcs7_certificates(base64.b64decode(a.body))
        return cert.public_bytes(DER)

    def enrol(self):
        self.der = until_done(self.ask, f"{self.id} to be answered")

    def set_state(self, act, state):
        def once():
            self.k.api("POST", f"/v1/devices/{self.id}/{act}", {"why": "round"}, seconds=10)
            return self.k.must("GET", "/v1/devices/" + self.id)["state"] == state
        until_done(once, f"{self.id} {act}")

    def suspend_and_resume(self):
        self.set_state("suspend", "suspended")
        self.set_state("resume", "active")

    def hello(self):
        key, pem = self.k.w.key_files(self.id, self.key, self.der)
        a = self.k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"}, pem, key)
        assert a.status == 200, f"{self.id}: {a}"


def shards(k):
    with open(k.dir + "/signers/issuing/journal", "rb") as f:
        return sorted(set(re.findall(rb"/crl/(issuing-01-[0-9a-f]{4}\.crl)", f.read())))


def get_crl(k, name):
    c = http.client.HTTPConnection("127.0.0.1", k.plain_port, timeout=10)
    try:
        c.request("GET", "/crl/" + name)
        r = c.getresponse()
        body = r.read()
        return body if r.status == 200 else None
    finally:
        c.close()


def checkpoint(k):
    return k.api("POST", "/v1/ledger/checkpoint", {}, seconds=10).status == 200


def stop_signer(k):
    """In good order: it writes its snapshot."""
    os.kill(wait_for(lambda: k.pids().get("kith-signer issuing"), "the issuing signer"), signal.SIGTERM)


def one_round(k, plan, point, count, devices, old, pool):
    died = plan.state(point)[2]
    if point in AFTER:
        plan.arm(AFTER[point], 1)
    plan.arm(point, 1 if point in AFTER or "snapshot" in point else count)
    jobs = [pool.submit(d.enrol) for d in devices]
    if old:
        jobs.append(pool.submit(old.suspend_and_resume))
    if "crl" in point and old:
        name = shards(k)[-1].decode()
        jobs.append(pool.submit(until_done, lambda: get_crl(k, name), name))
        plan.arm(point, 1)
    if "snapshot" in point:
        stop_signer(k)
    if "snapshot" not in point:
        jobs.append(pool.submit(until_done, lambda: checkpoint(k), "a checkpoint"))
    for j in jobs:
        j.result(60)
    fell = nudge(k, plan, point, died)
    plan.arm(point, 0)
    return fell


def nudge(k, plan, point, died, seconds=3):
    """What is made now and then only may come later."""
    until = time.monotonic() + seconds
    while plan.state(point)[2] == died and time.monotonic() < until:
        try:
            checkpoint(k)
        except AWAY:
            pass
        time.sleep(0.02)
    return plan.state(point)[2] > died


def check(k, devices):
    until_done(lambda: checkpoint(k), "a checkpoint")
    stored, signed, refs = k.certificates(), k.journal(), k.refs()
    assert len(signed) == len(set(signed))
    assert set(signed) == set(stored), \
        f"{len(set(signed) - set(stored))} outside the store, {len(set(stored) - set(signed))} not of the signer"
    for der, (subject, _) in stored.items():
        n = refs.count(hashlib.sha256(der).digest())
        assert n == 1, f"a certificate of {subject} has {n} entries"
    counts = {}
    for subject, good in stored.values():
        counts[subject] = counts.get(subject, 0) + good
    for d in devices:
        assert stored.get(d.der) == (d.id, True), f"what {d.id} was given is stored as {stored.get(d.der)}"
        assert counts[d.id] == 1, f"{d.id} has {counts[d.id]} certificates that count"
    # The signer signs no list that differs from what it knows itself.
    for name in shards(k):
        body = until_done(lambda: get_crl(k, name.decode()), name.decode())
        listed = {r.serial_number for r in x509.load_der_x509_crl(body)}
        serials = [x509.load_der_x509_certificate(der).serial_number for der, (_, good) in stored.items() if not good]
        wanted = {n for n in serials if n >> 96 == int(name[8:10] + name[11:15], 16)}
        assert listed == wanted, f"{name}: {len(listed)} listed, {len(wanted)} withdrawn"
    k.must_verify()
    code, said = k.check_database()
    assert code == 0, said
    return len(stored), sum(not good for _, good in stored.values())


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    postgres = "postgres" in sys.argv[2:]
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    with World("crash-table") as w:
        k = CrashKith(w, *(["--database", w.postgres()] if postgres else []))
        names = points_of_source()
        plan = Plan(k.dir + "/crash.plan", names)
        k.start()
        k.add_model("pump")
        lines = "".join('{"model":"pump","serial":"CT-%05d","token":true}\n' % i for i in range(rounds * DEVICES))
        added = k.must("POST", "/v1/devices/batch", lines.encode(), seconds=60)["devices"]
        devices, done, began = [Device(k, row) for row in added], [], time.monotonic()
        turns = [names[i % len(names)] for i in range(rounds)]
        with concurrent.futures.ThreadPoolExecutor(DEVICES + 4) as pool:
            for i, point in enumerate(turns):
                now = devices[i * DEVICES:(i + 1) * DEVICES]
                at = time.monotonic()
                fell = one_round(k, plan, point, rng.choice((1, 1, 2)), now, done[-1] if done else None, pool)
                done += now
                if os.environ.get("KITH_SLOW"):
                    say(f"{i} {point} {'fell' if fell else 'stood'} {time.monotonic() - at:.2f} s")
        until_done(lambda: k.api("GET", "/readyz").status == 200, "everything to run again")
        took = time.monotonic() - began
        say(f"{'point':28} reached  died")
        for name in names:
            reached, _, died = plan.state(name)
            say(f"{name:28} {reached:7} {died:5}")
        never = [name for name in names if plan.state(name)[2] == 0]
        assert not never, f"never reached: {never}"
        total, withdrawn = check(k, done)
        for d in done[-5:]:
            d.hello()
        types = k.types()
        delivered, unanswered = types.count(87), types.count(83)
        assert delivered and unanswered >= delivered
        before = k.pids()
        k.stop()
        assert not any(os.path.exists(f"/proc/{p}") for p in before.values())
        k.start()
        check(k, done)
        k.stop()
        say(f"{rounds} rounds in {took:.0f} s: {total} certificates, {unanswered} were unanswered, {delivered} of them "
            f"delivered, {withdrawn} do not count; {sum(d.asked for d in done)} requests of {len(done)} devices")


if __name__ == "__main__":
    main()
