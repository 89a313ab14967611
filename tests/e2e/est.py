#!/usr/bin/python3
"""The EST door (RFC 7030): what it refuses, what it repeats, and what it writes down about it."""
import base64
import concurrent.futures
import datetime
import hashlib
import json
import os
import re
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from kithtest import Kith, World, run, say, timed, wait_for

DER = serialization.Encoding.DER
PEM = serialization.Encoding.PEM
CLAIM_REFUSED, ALARM_RAISED = 72, 120  # src/model/event_table.h
ALARM_CLAIMS_MAX = 100  # src/server/alarms.h


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def csr_of(key, names=(), cn="anything", digest=hashes.SHA256()):
    b = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)]))
    if names:
        b = b.add_extension(x509.SubjectAlternativeName(names), False)
    return b.sign(key, digest).public_bytes(DER)


class Doors:
    """Devices with serial numbers that nobody else has."""

    def __init__(self, k):
        self.k, self.n = k, 0

    def device(self, **more):
        self.n += 1
        return self.k.add_device(f"EST-{self.n:04}", **more)

    def enrolled(self, **more):
        """A device with its key and certificate in files: (device, key object, key file, certificate file)."""
        d, key = self.device(**more), new_key()
        a = self.k.enrol(csr_of(key), d["id"], d["claim"])
        assert a.status == 200, a
        return d, key, *self.k.w.key_files(d["serial"], key, a.certificate)


def show_with_second_key(k, dev):
    """The device's claim is used and then shown with another key; the alarm that stands then."""
    assert k.enrol(csr_of(new_key()), dev["id"], dev["claim"]).status == 200
    a = k.enrol(csr_of(new_key()), dev["id"], dev["claim"])
    refused(a, 403, "claim-other-key")
    assert "tell who runs the platform" in a.json["try"] and "token" not in a.json["try"], a  # a thief reads it too
    return wait_for(lambda: next((a for a in k.must("GET", "/v1/alarms")["alarms"] if a.get("device") == dev["id"]), None), "the alarm")


def refused(a, status, code):
    assert (a.status, a.code) == (status, code), f"wanted {status} {code}, got {a}"
    assert a.json.get("rule") and a.json.get("try"), a


# ---- claims ----

def refuses_a_wrong_claim(k, d):
    dev, other = d.device(), d.device()
    csr = csr_of(new_key())
    wrong, unknown = (401, "claim"), (404, "not-found")
    for user, claim, answer in (
            (dev["id"], "a" * 32, wrong), (dev["id"], other["claim"], wrong), (other["id"], dev["claim"], wrong),
            (dev["id"], "", wrong), (dev["id"], dev["claim"] + "a", wrong), (dev["id"], dev["claim"].upper(), wrong),
            ("", "", wrong), ("x" * 4000, dev["claim"], wrong), ("dev_00000000000000000000000000", dev["claim"], unknown),
            (dev["serial"], dev["claim"], unknown)):
        a = k.enrol(csr, user, claim)
        refused(a, *answer)
        assert a.status != 401 or "Basic" in a.headers.get("WWW-Authenticate", ""), a.headers
    refused(k.enrol(csr), 401, "denied")
    assert k.enrol(csr, dev["id"], dev["claim"]).status == 200, "its own claim after all that"


def repeats_the_answer_to_the_same_key(k, d):
    dev, key = d.device(), new_key()
    answers = {k.enrol(csr_of(key), dev["id"], dev["claim"]).certificate for _ in range(3)}
    assert len(answers) == 1 and None not in answers
    assert len(k.must("GET", "/v1/devices/" + dev["id"])["certificates"]) == 1


def refuses_a_used_claim_with_another_key_and_raises_an_alarm(k, d):
    dev, key, key_file, pem = d.enrolled()
    refused(k.enrol(csr_of(new_key()), dev["id"], dev["claim"]), 403, "claim-other-key")
    alarm = lambda: [e for e in k.history(dev["id"]) if e["type"] == "claim.refused"]
    entry = wait_for(alarm, "the alarm in the ledger")[0]
    assert entry["fields"]["alarm"] is True and entry["fields"]["code"] == "claim-other-key", entry
    assert k.must("GET", "/v1/devices/" + dev["id"])["state"] == "active", "a photographed token stopped a live device"
    hello = k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"}, pem, key_file)
    assert hello.status == 200, hello


def stands_until_somebody_has_looked(k, d):
    """Of alarms, one for each device: it warns in status and doctor, stops nothing, and a command ends it."""
    for a in k.must("GET", "/v1/alarms")["alarms"]:
        k.kith("alarm", "end", a["name"])
    assert k.kith("alarm", "ls").stderr == "none\n"
    dev = d.device()
    alarm = show_with_second_key(k, dev)
    assert alarm["name"] == "claim:" + dev["id"] and alarm["warning"] and "second key" in alarm["text"], alarm
    assert k.kith_json("status")["alarms"] == [alarm] and k.kith_json("status")["ready"] is True
    assert re.search(r"^alarms +" + alarm["name"], k.kith("status").stdout, re.M)
    ready = k.api("GET", "/readyz")
    assert ready.status == 200 and b"warn alarms: 1 " in ready.body and dev["id"].encode() not in ready.body, ready.body
    p = k.kith("doctor", "server/alarms")
    assert p.stdout.startswith("warn ") and "try: kith alarm ls" in p.stdout, p.stdout
    check, = k.kith_json("doctor", "server/alarms")["checks"]
    assert check["ok"] and check["warning"] and check["try"], check
    wait_for(lambda: f"alarm={alarm['name']}" in k.w.log("kithd.log"), "the alarm in the log")
    raised = lambda: [e["fields"] for e in k.history(dev["id"]) if e["type"].startswith("alarm.")]
    assert [f["subject"] for f in raised()] == [dev["id"]], raised()
    k.stop()
    k.start()  # forgets what was told in this minute
    refused(k.enrol(csr_of(new_key()), dev["id"], dev["claim"]), 403, "claim-other-key")
    wait_for(lambda: [e["type"] for e in k.history(dev["id"])].count("claim.refused") == 2, "the second refusal")
    assert len(raised()) == 1 and k.kith_json("status")["alarms"] == [alarm], raised()
    k.kith("alarm", "end", alarm["name"], "--why", "reset at the workshop")
    ended, = [f for f in raised() if "text" not in f]
    assert ended["why"] == "reset at the workshop" and ended["who"].startswith("local:"), ended
    assert k.kith_json("status")["alarms"] == [] and b"ok   alarms: none" in k.api("GET", "/readyz").body
    p = k.kith("alarm", "end", alarm["name"], ok=False)
    assert p.returncode == 3 and "try: kith alarm ls" in p.stderr, p.stderr
    code, said = k.check_database()
    assert code == 0, said


def many_claims_fill_no_table(k, d):
    """Behind ALARM_CLAIMS_MAX devices one more alarm stands for all others."""
    lines = "".join(json.dumps({"model": "pump", "serial": f"MANY-{i}", "token": True}) + "\n" for i in range(ALARM_CLAIMS_MAX + 3))
    devices = k.must("POST", "/v1/devices/batch", lines.encode())["devices"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for key in (new_key, new_key):
            list(pool.map(lambda x: k.enrol(csr_of(key()), x["id"], x["claim"]), devices))
    names = lambda: [a["name"] for a in k.must("GET", "/v1/alarms")["alarms"]]
    wait_for(lambda: "claim:others" in names(), "the alarm about all others")
    assert len(names()) == ALARM_CLAIMS_MAX + 1, names()
    assert len([x for x in k.types() if x == ALARM_RAISED]) < ALARM_CLAIMS_MAX + 10
    p = k.kith("status")
    assert p.stdout.count("claim:") == 5 and f"and {ALARM_CLAIMS_MAX - 4} more: kith alarm ls" in p.stdout, p.stdout


def a_new_claim_voids_the_one_before(k, d):
    dev = d.device()
    refused(k.api("POST", "/v1/devices", {"model": "pump", "serial": "EST-X", "token": True, "expires_s": 0}), 400, "usage")
    again = k.must("POST", f"/v1/devices/{dev['id']}/token", {})
    refused(k.enrol(csr_of(new_key()), dev["id"], dev["claim"]), 401, "claim")
    assert k.enrol(csr_of(new_key()), dev["id"], again["claim"]).status == 200


def one_claim_at_the_same_instant_makes_one_certificate(k, d):
    for _ in range(5):
        dev = d.device()
        csrs = [csr_of(new_key()) for _ in range(8)]
        with concurrent.futures.ThreadPoolExecutor(len(csrs)) as pool:
            answers = list(pool.map(lambda c: k.enrol(c, dev["id"], dev["claim"]), csrs))
        good = [a for a in answers if a.status == 200]
        assert len(good) == 1, [a.status for a in answers]
        assert all(a.status in (200, 403, 409, 503) for a in answers), answers
        assert len(k.must("GET", "/v1/devices/" + dev["id"])["certificates"]) == 1


def the_same_key_at_the_same_instant_makes_one_certificate(k, d):
    dev, key = d.device(), new_key()
    csrs = [csr_of(key) for _ in range(8)]
    with concurrent.futures.ThreadPoolExecutor(len(csrs)) as pool:
        answers = list(pool.map(lambda c: k.enrol(c, dev["id"], dev["claim"]), csrs))
    assert {a.status for a in answers} <= {200, 503}, answers
    assert len({a.certificate for a in answers if a.status == 200}) == 1
    assert len(k.must("GET", "/v1/devices/" + dev["id"])["certificates"]) == 1


# ---- requests ----

def refuses_requests_that_are_not_good_enough(k, d):
    dev, other = d.device(), d.device()
    good = bytearray(csr_of(new_key()))
    good[-1] ^= 1
    forged = bytes(good)
    uri = lambda s: [x509.UniformResourceIdentifier(s)]
    weak = rsa.generate_private_key(65537, 1024)
    table = (
        ("a signature of another", forged, "csr-pop"),
        ("RSA of 1024 bits", csr_of(weak), "key-type"),
        ("secp256k1", csr_of(ec.generate_private_key(ec.SECP256K1())), "key-type"),
        ("P-521", csr_of(ec.generate_private_key(ec.SECP521R1())), "key-type"),
        ("SHA-1", csr_of(new_key(), digest=hashes.SHA1()), "sig-alg"),
        ("the name of another device", csr_of(new_key(), uri("urn:kith:device:" + other["id"])), "profile-san"),
        ("a host name", csr_of(new_key(), [x509.DNSName("example.com")]), "profile-san"),
        ("an address", csr_of(new_key(), [x509.RFC822Name("a@example.com")]), "profile-san"),
        ("truncated", csr_of(new_key())[:-20], "csr"),
        ("something behind", csr_of(new_key()) + b"\0", "csr"),
        ("no CSR", b"\x30\x03\x02\x01\x00", "csr"),
        ("empty", b"", "csr"),
        ("a certificate", run("openssl", "x509", "-in", k.root_pem, "-outform", "DER", text=False).stdout, "csr"),
    )
    for name, csr, code in table:
        a = k.enrol(csr, dev["id"], dev["claim"])
        assert (a.status, a.code) == (400 if code.startswith("csr") else 403, code), f"{name}: {a}"
    own = csr_of(new_key(), uri("urn:kith:device:" + dev["id"]))
    assert k.enrol(own, dev["id"], dev["claim"]).status == 200, "its own name"


def takes_every_key_of_the_profile(k, d):
    for key, digest in ((ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
                        (ed25519.Ed25519PrivateKey.generate(), None), (rsa.generate_private_key(65537, 2048),
                                                                       hashes.SHA256())):
        dev = d.device()
        a = k.enrol(csr_of(key, digest=digest), dev["id"], dev["claim"])
        assert a.status == 200, a
        got = x509.load_pem_x509_certificate(a.certificate.encode())
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        assert got.public_key().public_bytes(DER, public) == key.public_key().public_bytes(DER, public)


def refuses_one_key_under_two_devices(k, d):
    dev, key, *_ = d.enrolled()
    second = d.device()
    refused(k.enrol(csr_of(key), second["id"], second["claim"]), 409, "key-taken")
    assert k.enrol(csr_of(new_key()), second["id"], second["claim"]).status == 200


# ---- renewal ----

def renews_with_the_current_certificate(k, d):
    dev, key, key_file, pem = d.enrolled()
    renewed = new_key()
    a = k.enrol(csr_of(renewed), verb="simplereenroll", cert=pem, key=key_file)
    assert a.status == 200, a
    again = k.enrol(csr_of(renewed), verb="simplereenroll", cert=pem, key=key_file)
    assert again.certificate == a.certificate, "the repeated request got another certificate"
    key_file, pem = k.w.key_files(dev["serial"] + "b", renewed, a.certificate)
    hello = k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"}, pem, key_file)
    assert hello.status == 200, hello
    types = [e["type"] for e in k.history(dev["id"])]
    assert "cert.renewed" in types, types
    refused(k.enrol(csr_of(new_key()), verb="simplereenroll"), 401, "denied")
    refused(k.enrol(csr_of(new_key()), dev["id"], dev["claim"], verb="simplereenroll"), 401, "denied")
    taken = d.enrolled()[1]
    refused(k.enrol(csr_of(taken), verb="simplereenroll", cert=pem, key=key_file), 409, "key-taken")


def lets_nobody_in_who_is_gone(k, d):
    for act, state, body in (("revoke", "revoked", {"reason": "keyCompromise"}), ("retire", "retired", {"why": "sold"})):
        dev, key, key_file, pem = d.enrolled()
        waiting = d.device()
        k.must("POST", f"/v1/devices/{dev['id']}/{act}", body)
        k.must("POST", f"/v1/devices/{waiting['id']}/{act}", body)
        assert k.must("GET", "/v1/devices/" + dev["id"])["state"] == state
        told = "device-retired" if act == "retire" else "tombstone"  # to its own certificate; to a claim it is the same
        refused(k.enrol(csr_of(new_key()), verb="simplereenroll", cert=pem, key=key_file), 403, told)
        refused(k.enrol(csr_of(key), verb="simplereenroll", cert=pem, key=key_file), 403, told)
        refused(k.enrol(csr_of(new_key()), verb="simpleenroll", cert=pem, key=key_file), 403, told)
        refused(k.enrol(csr_of(key), dev["id"], dev["claim"]), 403, "tombstone")
        refused(k.enrol(csr_of(new_key()), dev["id"], dev["claim"]), 403, "tombstone")
        refused(k.enrol(csr_of(new_key()), waiting["id"], waiting["claim"]), 403, "tombstone")
        hello = k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"}, pem, key_file)
        refused(hello, 403, told)
        refused(k.api("POST", f"/v1/devices/{dev['id']}/token", {}), 403, "tombstone")
        refused(k.api("POST", f"/v1/devices/{dev['id']}/resume", {}), 409, "device-state")
        refused(k.api("POST", "/v1/devices", {"model": "pump", "serial": dev["serial"], "token": True}), 409, "conflict")
        second = d.device()
        refused(k.enrol(csr_of(key), second["id"], second["claim"]), 409, "key-taken")


def revokes_for_good_or_not_at_all(k, d):
    """A reason that is not for good is refused at the door; one word must not stop the feed for all."""
    dev = d.device()
    for reason in ("certificateHold", "removeFromCRL", "nonsense"):
        refused(k.api("POST", f"/v1/devices/{dev['id']}/revoke", {"reason": reason}), 400, "usage")
    for bad, code in (("", "name"), ("a\nb", "name"), ("x" * 65, "usage")):
        refused(k.api("POST", "/v1/models", {"name": bad}), 400, code)
    for setting in ({"profile": "nope"}, {"profile": "../x"}, {"renew_expired_days": "abc"}, {"renew_expired_days": "99999"}):
        refused(k.api("POST", "/v1/models", {"name": "odd", "settings": setting}), 400, "usage")
    refused(k.api("POST", "/v1/gateways", {"name": "../../x", "site": "", "csr": ""}), 400, "name")
    assert k.must("GET", "/v1/status")["feed"]["pending"] == 0


def suspends_and_resumes(k, d):
    dev, key, key_file, pem = d.enrolled()
    k.must("POST", f"/v1/devices/{dev['id']}/suspend", {"why": "to be looked at"})
    assert k.must("GET", "/v1/devices/" + dev["id"])["locked"] == "to be looked at"
    refused(k.enrol(csr_of(new_key()), verb="simplereenroll", cert=pem, key=key_file), 401, "denied")
    refused(k.enrol(csr_of(new_key()), dev["id"], dev["claim"]), 409, "device-state")
    k.must("POST", f"/v1/devices/{dev['id']}/resume", {"wait_ms": 3000})
    assert "locked" not in k.must("GET", "/v1/devices/" + dev["id"])
    assert k.enrol(csr_of(new_key()), verb="simplereenroll", cert=pem, key=key_file).status == 200


# ---- IDevIDs ----

KEY_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")


class Maker:
    """A manufacturer with a CA of its own."""

    def __init__(self, name):
        self.key = new_key()
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.root = self.certificate(self.name, self.key, True)

    def below(self, name, **kw):
        """An intermediate CA."""
        sub = Maker(name)
        sub.root = self.certificate(sub.name, sub.key, **{"ca": True, **kw})
        return sub

    def certificate(self, subject, key, ca, days=3650, path_len=None, usage=None, purposes=()):
        """usage: names of the bits of keyUsage, () for none of that extension; purposes: extendedKeyUsage, if any."""
        if usage is None:
            usage = ("key_cert_sign", "crl_sign") if ca else ("digital_signature",)
        now = datetime.datetime.utcnow()
        b = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
             .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1 if days > 0 else 9))
             .not_valid_after(now + datetime.timedelta(days=days))
             .add_extension(x509.BasicConstraints(ca, path_len), True))
        if usage:
            b = b.add_extension(x509.KeyUsage(**{bit: bit in usage for bit in KEY_USAGES}), True)
        if purposes:
            b = b.add_extension(x509.ExtendedKeyUsage(purposes), False)
        return b.sign(self.key, hashes.SHA256()).public_bytes(PEM).decode()

    def idevid(self, serial, ca=False, **kw):
        key = new_key()
        return key, self.certificate(x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, serial),
                                                x509.NameAttribute(NameOID.COMMON_NAME, "unit")]), key, ca, **kw)


def enrols_by_the_idevid_of_a_registered_maker(k, d):
    maker, stranger = Maker("Pumps Inc"), Maker("Pumps Inc")
    dev, other = d.device(), d.device()
    files = {}
    for name, m, serial, kw in (("good", maker, dev["serial"], {}), ("stranger", stranger, other["serial"], {}),
                                ("unknown", maker, "NOT-THERE", {}), ("expired", maker, other["serial"], {"days": -2})):
        key, pem = m.idevid(serial, **kw)
        files[name] = k.w.key_files("idevid-" + name, key, pem)
    ask = lambda name: k.enrol(csr_of(new_key()), cert=files[name][1], key=files[name][0])
    refused(ask("good"), 401, "denied")  # nobody trusts the maker yet
    k.must("POST", "/v1/anchors", {"name": "pumps", "certificate": maker.root, "model": "pump"})
    a = ask("good")
    assert a.status == 200, a
    assert k.must("GET", "/v1/devices/" + dev["id"])["state"] == "active"
    entry = next(e for e in k.history(dev["id"]) if e["type"] == "cert.issued")
    assert entry["fields"]["auth"] == "idevid", entry
    # What the entry leaves to the certificate is told all the same.
    told, cert = entry["fields"], x509.load_pem_x509_certificate(a.certificate.encode())
    spki = cert.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert told["digest"] == cert.fingerprint(hashes.SHA256()).hex() and told["spki"] == hashlib.sha256(spki).hexdigest()
    assert told["serial"] == "%030x" % cert.serial_number and told["subject"] == dev["id"], told
    assert told["not_after"] == int(cert.not_valid_after.replace(tzinfo=datetime.timezone.utc).timestamp()), told
    assert (told["profile"], told["subject_kind"], told["storage"]) == ("ldevid", "device", "unknown"), told
    a = ask("unknown")
    refused(a, 404, "not-found")
    assert "kith " not in a.json["try"], a  # no operator reads it
    for name in ("stranger", "expired"):
        refused(ask(name), 401, "denied")
    k.must("POST", f"/v1/devices/{dev['id']}/retire", {"why": "sold"})
    refused(ask("good"), 403, "tombstone")
    last = d.device()
    key, pem = maker.idevid(last["serial"])
    files["good"] = k.w.key_files("idevid-last", key, pem)
    k.must("DELETE", "/v1/anchors/pumps")
    refused(ask("good"), 401, "denied")
    refused(k.api("POST", "/v1/anchors", {"name": "any", "certificate": maker.root, "register": True}), 400, "usage")
    k.must("POST", "/v1/anchors", {"name": "born", "certificate": maker.root, "model": "pump", "register": True})
    assert ask("unknown").status == 200  # its maker's word is enough, if the operator says so
    assert k.must("GET", "/v1/devices/NOT-THERE")["state"] == "active"
    refused(ask("stranger"), 401, "denied")
    k.must("DELETE", "/v1/anchors/born")


# ---- bytes ----

def survives_bodies_of_every_kind(k, d):
    """Each route with each body: an answer below 500 or a closed connection, and the platform goes on."""
    dev = d.device()
    basic = "Basic " + base64.b64encode(f"{dev['id']}:{dev['claim']}".encode()).decode()
    good = base64.b64encode(csr_of(new_key()))
    bodies = (b"", b"\0", b"A", b"=" * 64, good[:-7], good + b"!", b"\xff" * 3000, os.urandom(5000), b"A" * 15000, b"A" * 20000,
              b"A" * (3 << 20), b"{", b"[" * 5000, b'{"seq":1e999}', b"-----BEGIN CERTIFICATE REQUEST-----\n" + good)
    routes = [("POST", "/.well-known/est/" + v, t) for v, t in
              (("simpleenroll", "application/pkcs10"), ("simplereenroll", "application/pkcs10"),
               ("serverkeygen", "application/pkcs10"), ("fullcmc", "application/pkcs7-mime"), ("csrattrs", "text/plain"),
               ("cacerts", "text/plain"), ("nothing", "text/plain"))]
    routes += [("POST", p, "application/json") for p in ("/device/v1/hello", "/gate/v1/ack", "/v1/devices", "/v1/status")]
    n = 0
    for method, path, kind in routes:
        for body in bodies:
            n += 1
            try:
                a = k.https(method, path, body, {"Content-Type": kind, "Authorization": basic}, seconds=10)
                assert 400 <= a.status < 500 or (a.status == 501 and "est" in path), f"{path} with {body[:20]!r}: {a}"
            except (ConnectionError, ssl.SSLError):
                pass  # too much: the connection is closed
    for path in ("/v1/models", "/v1/devices", "/v1/devices/batch", "/v1/gateways", "/v1/operators", "/v1/anchors",
                 f"/v1/devices/{dev['id']}/token", f"/v1/devices/{dev['id']}/tags", "/v1/devices/x/revoke"):
        for body in bodies:
            n += 1
            try:
                a = k.api("POST", path, body)
                known = path.endswith("token") or path.endswith("batch")
                assert a.status < 500 and (a.status >= 400 or known), f"{path} with {body[:20]!r}: {a}"
            except ConnectionError:
                pass
    assert k.api("GET", "/readyz").status == 200
    say(f"{n} bodies on {len(routes) + 9} routes")


def survives_bytes_that_are_no_http(k, d):
    for data in (b"\x16\x03\x01" + b"\xff" * 600, b"GET / HTTP/1.1\r\n" * 3, b"\0" * 100000, os.urandom(50000), b"G"):
        for port in (k.tls_port, k.plain_port):
            with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except OSError:
                    pass
    assert k.api("GET", "/readyz").status == 200


def answers_what_rfc_7030_asks(k, d):
    a = k.https("GET", "/.well-known/est/cacerts")
    assert a.status == 200 and a.headers["Content-Type"].startswith("application/pkcs7-mime"), a
    p = run("openssl", "pkcs7", "-inform", "DER", "-print_certs", input=base64.b64decode(a.body), text=False).stdout
    assert p.count(b"BEGIN CERTIFICATE") == 2
    assert k.https("GET", "/.well-known/est/csrattrs").status == 200
    for verb in ("serverkeygen", "fullcmc"):
        refused(k.https("POST", "/.well-known/est/" + verb, b"x", {"Content-Type": "application/pkcs10"}), 501, "not-offered")
    dev = d.device()
    basic = {"Authorization": "Basic " + base64.b64encode(f"{dev['id']}:{dev['claim']}".encode()).decode()}
    refused(k.https("POST", "/.well-known/est/simpleenroll", base64.b64encode(csr_of(new_key())),
                    {**basic, "Content-Type": "text/plain"}), 400, "est")
    lines = base64.encodebytes(csr_of(new_key()))  # with line ends, as RFC 7030 clients send it
    large = base64.b64encode(bytes(5000))  # 429 would have it come again
    refused(k.https("POST", "/.well-known/est/simpleenroll", large, {**basic, "Content-Type": "application/pkcs10"}), 413, "too-big")
    a = k.https("POST", "/.well-known/est/simpleenroll", lines, {**basic, "Content-Type": "application/pkcs10"})
    assert a.status == 200, a


def main():
    with World("est") as w:
        k = Kith(w)
        k.start()
        k.add_model("pump")
        d = Doors(k)
        for test in (answers_what_rfc_7030_asks, refuses_a_wrong_claim, a_new_claim_voids_the_one_before,
                     repeats_the_answer_to_the_same_key,
                     refuses_a_used_claim_with_another_key_and_raises_an_alarm, stands_until_somebody_has_looked,
                     one_claim_at_the_same_instant_makes_one_certificate,
                     the_same_key_at_the_same_instant_makes_one_certificate, refuses_requests_that_are_not_good_enough,
                     takes_every_key_of_the_profile, refuses_one_key_under_two_devices,
                     renews_with_the_current_certificate, lets_nobody_in_who_is_gone, revokes_for_good_or_not_at_all, suspends_and_resumes,
                     enrols_by_the_idevid_of_a_registered_maker, survives_bodies_of_every_kind,
                     survives_bytes_that_are_no_http, many_claims_fill_no_table):
            timed(test, k, d)
        k.must_verify()
        k.stop()


if __name__ == "__main__":
    main()
