#!/usr/bin/python3
"""Certificates whose answer was lost: who gets them, who does not, and what becomes of them; holds and releases while a signer
does not answer.

Each lost answer is made by a server that dies when the signer has answered it."""
import concurrent.futures
import os
import signal
import sys
import time
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from crashpoints import CrashKith, Plan, points_of_source
from est import csr_of, new_key
from kithtest import World, say, timed, wait_for

VOID, UNANSWERED, REVOKED, DELIVERED = 82, 83, 84, 87  # src/model/event_table.h


class Test:
    def __init__(self, k, plan):
        self.k, self.plan, self.n = k, plan, 0

    def device(self):
        self.n += 1
        return self.k.add_device(f"RC-{self.n:04}")

    def certificates(self, device):
        """{serial number: "valid", "held" or "revoked"}"""
        certs = self.k.must("GET", "/v1/devices/" + device["id"])["certificates"]
        return {c["serial"]: "revoked" if "revoked_at" in c else "held" if c.get("hold") else "valid" for c in certs}

    def lose(self, ask, point="server.answered"):
        """Its certificate is signed, and the server falls: before it is stored, unless another point is named."""
        before = self.k.pids()["kith-server"]
        self.plan.arm(point, 1)
        try:
            a = ask()
            raise AssertionError(f"an answer came: {a}")
        except OSError:
            pass
        wait_for(lambda: self.k.pids().get("kith-server") not in (None, before), "another server")
        self.k.wait_ready()

    def enrol(self, device, key, claim=None):
        return self.k.enrol(csr_of(key), device["id"], claim or device["claim"])

    def lost(self):
        device, key = self.device(), new_key()
        self.lose(lambda: self.enrol(device, key))
        (serial, state), = self.certificates(device).items()
        assert state == "held", state
        return device, key, serial

    def files(self, name, key, pem):
        return dict(zip(("key", "cert"), self.k.w.key_files(name, key, pem)))

    def serial(self, pem):
        return "%030x" % x509.load_pem_x509_certificate(pem.encode()).serial_number

    def is_revoked(self, device, serial):
        return wait_for(lambda: self.certificates(device)[serial] == "revoked", serial + " to be revoked")


def delivers_it_to_who_asks_again(t):
    device, key, serial = t.lost()
    a = t.enrol(device, key)
    assert a.status == 200 and t.serial(a.certificate) == serial, a
    assert t.certificates(device)[serial] == "valid"
    assert t.enrol(device, key).certificate == a.certificate
    assert t.enrol(device, new_key()).status in (403, 409)
    hello = t.k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"},
                      **t.files(device["id"], key, a.certificate))
    assert hello.status == 200, hello


def revokes_it_when_another_key_comes(t):
    device, key, serial = t.lost()
    a = t.enrol(device, new_key())
    assert a.status == 200 and t.serial(a.certificate) != serial, a
    t.is_revoked(device, serial)
    assert t.enrol(device, key).status in (403, 409)


def gives_it_to_no_other_claim(t):
    device, key, serial = t.lost()
    again = t.k.must("POST", f"/v1/devices/{device['id']}/token", {})
    assert t.enrol(device, key).status == 401
    assert t.certificates(device)[serial] == "held"
    a = t.enrol(device, key, again["claim"])
    assert a.status == 200 and t.serial(a.certificate) != serial, a
    t.is_revoked(device, serial)


def revokes_it_with_a_change_of_state(t):
    device, key, serial = t.lost()
    t.k.must("POST", f"/v1/devices/{device['id']}/suspend", {"why": "looked at"})
    t.is_revoked(device, serial)
    t.k.must("POST", f"/v1/devices/{device['id']}/resume", {})
    assert t.certificates(device)[serial] == "revoked", "resuming made a certificate good that nobody was given"
    a = t.enrol(device, key)
    assert a.status == 200 and t.serial(a.certificate) != serial, a
    device, key, serial = t.lost()
    t.k.must("POST", f"/v1/devices/{device['id']}/revoke", {"reason": "keyCompromise"})
    t.is_revoked(device, serial)
    assert t.enrol(device, key).code == "tombstone"


def delivers_a_renewal(t):
    device, key = t.device(), new_key()
    old = t.files(device["id"], key, t.enrol(device, key).certificate)
    first, = t.certificates(device)
    renewed = new_key()
    ask = lambda who: t.k.enrol(csr_of(renewed), verb="simplereenroll", **who)
    t.lose(lambda: ask(old))
    lost, = set(t.certificates(device)) - {first}
    assert t.certificates(device)[lost] == "held"
    a = ask(old)
    assert a.status == 200 and t.serial(a.certificate) == lost, a
    assert t.certificates(device)[lost] == "valid"


PARTIES = (("gateway", {}), ("operator", {"role": "auditor"}))


def ask_party(t, kind, name, more):
    csr = x509.load_der_x509_csr(csr_of(new_key())).public_bytes(serialization.Encoding.PEM).decode()
    return t.k.api("POST", f"/v1/{kind}s", {"name": name, "csr": csr, **more})


def revokes_a_partys(t):
    """What a gateway or an operator was never given is entered as what it is, and good for nothing; asking again works."""
    for kind, more in PARTIES:
        ask = lambda: ask_party(t, kind, "lost-" + kind, more)
        t.lose(ask)
        listed, = t.k.must("GET", "/v1/certs?subject=lost-" + kind)["certificates"]
        assert listed["kind"] == listed["profile"] == kind and "revoked_at" in listed, listed
        a = ask()
        assert a.status == 201, a


def makes_a_party_known_with_its_certificate(t):
    """There is no moment at which one of the two is in the database alone."""
    for kind, more in PARTIES:
        t.lose(lambda: ask_party(t, kind, "new-" + kind, more), "server.stored")
        assert "new-" + kind in [p["name"] for p in t.k.must("GET", f"/v1/{kind}s")[kind + "s"]]
        listed, = t.k.must("GET", "/v1/certs?subject=new-" + kind)["certificates"]
        assert "revoked_at" not in listed, listed
        assert ask_party(t, kind, "new-" + kind, more).status == 409


def gives_a_name_to_one_of_two(t):
    """Both are asked for while the signer does not answer; the certificate of the second is revoked as it is stored."""
    for kind, more in PARTIES:
        pid = t.k.pids()["kith-signer issuing"]
        os.kill(pid, signal.SIGSTOP)
        try:
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                begun = t.plan.state("server.reserved")[0]
                asked = [pool.submit(ask_party, t, kind, "one-" + kind, more) for _ in range(2)]
                wait_for(lambda: t.plan.state("server.reserved")[0] == begun + 2, "both to be on their way to the signer")
                os.kill(pid, signal.SIGCONT)
                answers = [a.result() for a in asked]
        finally:
            os.kill(pid, signal.SIGCONT)
        assert sorted(a.status for a in answers) == [201, 409], answers
        listed = t.k.must("GET", "/v1/certs?subject=one-" + kind)["certificates"]
        assert sorted("revoked_at" in c for c in listed) == [False, True], listed


def revokes_it_after_a_day(t):
    """The day passes by its row: the last test before the database is compared no more."""
    device, _, serial = t.lost()
    t.k.sql("UPDATE certificate SET issued_at = issued_at - 86401 WHERE hold = 1")
    t.is_revoked(device, serial)


def listed(t, pem, serials):
    """What the CRL of a certificate's shard says of serial numbers: reasons, or None."""
    url = x509.load_pem_x509_certificate(pem.encode()).extensions \
        .get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value
    with urllib.request.urlopen(f"http://127.0.0.1:{t.k.plain_port}/crl/" + url.rpartition("/")[2], timeout=10) as f:
        crl = x509.load_der_x509_crl(f.read())
    entries = [crl.get_revoked_certificate_by_serial_number(n) for n in serials]
    return [r and r.extensions.get_extension_for_class(x509.CRLReason).value.reason.value for r in entries]


def finds_a_mark_again_that_there_was_no_memory_for(t):
    """The first of a new server: the job's own mark (1) and the one for the gateways (2) need memory."""
    device, key = t.device(), new_key()
    a = t.enrol(device, key)
    t.plan.arm("nomem", 2)
    t.k.must("POST", f"/v1/devices/{device['id']}/suspend", {"why": "a", "wait_ms": 20000})
    assert t.plan.state("nomem")[1:] == (0, 1), t.plan.state("nomem")
    held = listed(t, a.certificate, [int(t.serial(a.certificate), 16)])
    assert held == ["certificateHold"], f"said to be with the gateways: {held}"


def keeps_the_order_of_holds_and_releases(t):
    """While the signer does not answer, words about one certificate gather; the last one counts."""
    devices, serials = [], []
    for _ in range(3):
        device, key = t.device(), new_key()
        a = t.enrol(device, key)
        assert a.status == 200, a
        devices.append(device["id"])
        serials.append(int(t.serial(a.certificate), 16))
    t.k.must("POST", f"/v1/devices/{devices[0]}/suspend", {"why": "a", "wait_ms": 20000})
    pid = t.k.pids()["kith-signer issuing"]
    os.kill(pid, signal.SIGSTOP)
    try:
        t.k.must("POST", f"/v1/devices/{devices[2]}/suspend", {"why": "it is being asked for this one"})
        time.sleep(0.1)
        for device, acts in zip(devices, (("resume", "suspend"), ("suspend", "resume"), ("resume", "retire"))):
            for act in acts:
                t.k.must("POST", f"/v1/devices/{device}/{act}", {"why": "b"})
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: t.k.must("GET", "/v1/status")["feed"]["pending"] == 0, "the marks to be signed")
    now = listed(t, a.certificate, serials)
    assert now[:2] == ["certificateHold", None] and now[2] not in (None, "certificateHold"), now


def refuses_a_renewal_with_a_revoked_certificate(t):
    """The device is active and may renew; this certificate of it may not, at EST's own door."""
    device, key = t.device(), new_key()
    a = t.enrol(device, key)
    who = t.files(device["id"], key, a.certificate)
    assert t.k.enrol(csr_of(new_key()), verb="simplereenroll", **who).status == 200
    t.k.kith("cert", "revoke", t.serial(a.certificate))
    for verb in ("simplereenroll", "simpleenroll"):
        for again in (key, new_key()):
            a = t.k.enrol(csr_of(again), verb=verb, **who)
            assert a.status in (401, 403) and a.code == "denied", f"{verb}: {a}"  # not the signer's "authority"
    assert t.k.must("GET", "/v1/devices/" + device["id"])["state"] == "active"


def the_history_has_what_recovery_entered(t):
    device, key, _ = t.lost()
    assert t.enrol(device, key).status == 200
    types = [e["type"] for e in t.k.history(device["id"])]
    assert {"device.added", "cert.unanswered", "cert.delivered"} <= set(types), types


def main(node):
    with World("recovery") as w:
        k = CrashKith(w)
        with open(k.dir + "/kith.conf") as f:
            text = f.read()
        w.write("D/kith.conf", text.replace("[platform]", f"[platform]\nnode = {node}", 1))
        plan = Plan(k.dir + "/crash.plan", points_of_source() + ["nomem"])
        k.start()
        k.add_model("pump")
        t = Test(k, plan)
        for test in (finds_a_mark_again_that_there_was_no_memory_for, delivers_it_to_who_asks_again,
                     revokes_it_when_another_key_comes, gives_it_to_no_other_claim, revokes_it_with_a_change_of_state,
                     delivers_a_renewal, keeps_the_order_of_holds_and_releases,
                     refuses_a_renewal_with_a_revoked_certificate, revokes_a_partys,
                     makes_a_party_known_with_its_certificate, gives_a_name_to_one_of_two,
                     the_history_has_what_recovery_entered):
            timed(test, t)
        k.must_verify()
        revokes_it_after_a_day(t)
        say("ok revokes_it_after_a_day")
        types = k.types()
        assert types.count(DELIVERED) == 3 and types.count(UNANSWERED) == 10 and types.count(VOID) == 2, types
        k.stop()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "1")
