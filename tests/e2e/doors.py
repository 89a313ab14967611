#!/usr/bin/python3
"""Every state of a device at every door, and what must not pass any of them: a key under two devices at once, manufacturers
that count no more, a second key for a claim; and bodies that are no requests, from parties that are known."""
import concurrent.futures
import datetime
import os
import ssl
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from est import CLAIM_REFUSED, Doors, Maker, csr_of, new_key, refused
from kithtest import Kith, World, say, timed, wait_for

REFUSED_ONE, REFUSED_COUNTED = 100, 101  # src/model/event_table.h
REFUSALS_EACH = 10  # src/server/refusals.h


class Unit:
    """One device that has a way through each door: its certificate, its claim (used), a claim that waits, its IDevID."""

    def __init__(self, k, d, maker):
        self.k = k
        self.dev, self.key, self.key_file, self.pem = d.enrolled()
        key, pem = maker.idevid(self.dev["serial"])
        self.idevid = k.w.key_files("idevid-" + self.dev["serial"], key, pem)
        self.waiting = k.must("POST", f"/v1/devices/{self.dev['id']}/token", {})

    def doors(self):
        k, id, mine = self.k, self.dev["id"], {"cert": self.pem, "key": self.key_file}
        idevid = {"cert": self.idevid[1], "key": self.idevid[0]}
        json_type = {"Content-Type": "application/json"}
        return {
            "the claim that it used": lambda: k.enrol(csr_of(self.key), id, self.dev["claim"]),
            "a new claim": lambda: k.enrol(csr_of(new_key()), id, self.waiting["claim"]),
            "a new claim and its certificate": lambda: k.enrol(csr_of(new_key()), id, self.waiting["claim"], **mine),
            "renewal": lambda: k.enrol(csr_of(new_key()), verb="simplereenroll", **mine),
            "renewal with the same key": lambda: k.enrol(csr_of(self.key), verb="simplereenroll", **mine),
            "renewal at the first door": lambda: k.enrol(csr_of(new_key()), **mine),
            "IDevID": lambda: k.enrol(csr_of(new_key()), **idevid),
            "hello": lambda: k.https("POST", "/device/v1/hello", b"{}", json_type, self.pem, self.key_file),
        }

    def act(self, name, **body):
        return self.k.must("POST", f"/v1/devices/{self.dev['id']}/{name}", body)


def no_door_opens_in_a_state_that_stops(k, d, maker):
    for act, state, back in (("suspend", "suspended", True), ("quarantine", "quarantined", True), ("revoke", "revoked", False),
                             ("retire", "retired", False)):
        u = Unit(k, d, maker)
        u.act(act, why="a test")
        assert k.must("GET", "/v1/devices/" + u.dev["id"])["state"] == state
        issued = len(k.must("GET", "/v1/devices/" + u.dev["id"])["certificates"])
        for name, door in u.doors().items():
            a = door()
            by_certificate = name.startswith("renewal") or name == "hello"  # one that is on hold is as good as none
            said = (403, "device-retired" if act == "retire" and by_certificate else "tombstone") if not back else (401, "denied") if by_certificate else (409, "device-state")
            refused(a, *said)
        assert len(k.must("GET", "/v1/devices/" + u.dev["id"])["certificates"]) == issued, f"{state}: a certificate was made"
        if not back:
            refused(k.api("POST", f"/v1/devices/{u.dev['id']}/resume", {}), 409, "device-state")
            continue
        u.act("resume", wait_ms=3000)
        for name in ("hello", "renewal", "IDevID"):
            assert u.doors()[name]().status == 200, f"{state} and back: {name}"


def a_tombstone_is_never_added_again(k, d, maker):
    u = Unit(k, d, maker)
    u.act("retire", why="sold")
    again = {"model": "pump", "serial": u.dev["serial"], "token": True}
    refused(k.api("POST", "/v1/devices", again), 409, "conflict")
    refused(k.api("POST", f"/v1/devices/{u.dev['id']}/token", {}), 403, "tombstone")
    line = f'{{"model":"pump","serial":"{u.dev["serial"]}"}}\n'.encode()
    report = k.api("POST", "/v1/devices/batch", line).json
    assert report["added"] == 0 and report["failed"][0]["code"] == "conflict", report
    k.must("DELETE", "/v1/anchors/maker")
    k.must("POST", "/v1/anchors", {"name": "maker", "certificate": maker.root, "model": "pump", "register": True})
    refused(u.doors()["IDevID"](), 403, "tombstone")
    assert k.must("GET", "/v1/devices/" + u.dev["serial"])["state"] == "retired"


def one_key_at_the_same_instant_is_one_devices(k, d):
    """The second is refused while the first is still being signed, whichever comes first."""
    for _ in range(5):
        key, devices = new_key(), [d.device() for _ in range(6)]
        requests = [(csr_of(key), x["id"], x["claim"]) for x in devices]
        with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
            answers = list(pool.map(lambda r: k.enrol(*r), requests))
        assert [a.status for a in answers].count(200) == 1, answers
        assert all(a.status == 200 or a.code in ("key-taken", "in-progress") for a in answers), answers
        assert sum(len(k.must("GET", "/v1/devices/" + x["id"])["certificates"]) for x in devices) == 1
        for x, a in zip(devices, answers):  # the others are unhurt: with a key of their own they come in
            assert a.status == 200 or k.enrol(csr_of(new_key()), x["id"], x["claim"]).status == 200


def quarantines_for_a_second_key_where_the_model_says_so(k, d):
    k.add_model("nervous", quarantine_on_second_key="yes")
    dev = k.add_device("NERVOUS-1", "nervous")
    key = new_key()
    assert k.enrol(csr_of(key), dev["id"], dev["claim"]).status == 200
    assert k.enrol(csr_of(key), dev["id"], dev["claim"]).status == 200  # its own key again is no alarm
    assert k.must("GET", "/v1/devices/" + dev["id"])["state"] == "active"
    refused(k.enrol(csr_of(new_key()), dev["id"], dev["claim"]), 403, "claim-other-key")
    wait_for(lambda: k.must("GET", "/v1/devices/" + dev["id"])["state"] == "quarantined", "the quarantine", 5)
    assert k.must("GET", "/v1/devices/" + dev["id"])["locked"] == "its claim was shown with a second key"
    history = lambda: {e["type"]: e["fields"] for e in k.history(dev["id"])}
    entries = wait_for(lambda: "claim.refused" in history() and history(), "the refusal in its history", 5)
    assert entries["claim.refused"]["alarm"] is True and entries["device.state"]["who"] == "system:rule", entries
    dev, maker = k.add_device("NERVOUS-0", "nervous"), Maker("Nervous Inc")
    k.must("POST", "/v1/anchors", {"name": "nervous", "certificate": maker.root, "model": "nervous"})
    assert shown(k, maker, dev).status == 200
    refused(shown(k, maker, dev), 403, "idevid-other")
    wait_for(lambda: k.must("GET", "/v1/devices/" + dev["id"])["state"] == "quarantined", "the quarantine", 5)
    assert k.must("GET", "/v1/devices/" + dev["id"])["locked"] == "a second IDevID came for it"
    k.must("DELETE", "/v1/anchors/nervous")
    # A claim that is wrong is no second key: whoever guesses stops nobody.
    other = k.add_device("NERVOUS-2", "nervous")
    assert k.enrol(csr_of(new_key()), other["id"], other["claim"]).status == 200
    for claim in ("a" * 32, dev["claim"]):
        refused(k.enrol(csr_of(new_key()), other["id"], claim), 401, "claim")
    last, key = k.add_device("NERVOUS-3", "nervous"), new_key()  # whose second key is told behind those
    assert k.enrol(csr_of(key), last["id"], last["claim"]).status == 200
    refused(k.enrol(csr_of(new_key()), last["id"], last["claim"]), 403, "claim-other-key")
    wait_for(lambda: k.must("GET", "/v1/devices/" + last["id"])["state"] == "quarantined", "the quarantine", 5)
    assert k.must("GET", "/v1/devices/" + other["id"])["state"] == "active"


def a_manufacturers_devices_are_found_when_its_ca_has_failed(k, d):
    """Which anchor and which IDevID stand in the ledger; the list by the anchor outlives the anchor."""
    good, bad = Maker("Good Inc"), Maker("Bad Inc")
    k.must("POST", "/v1/anchors", {"name": "good", "certificate": good.root, "model": "pump"})
    k.must("POST", "/v1/anchors", {"name": "bad", "certificate": bad.root, "model": "pump", "register": True})

    def enrol(maker, serial):
        key, pem = maker.idevid(serial)
        key_file, cert = k.w.key_files("found-" + serial, key, pem)
        assert k.enrol(csr_of(new_key()), cert=cert, key=key_file).status == 200
        return k.must("GET", "/v1/devices/" + serial)["id"], x509.load_pem_x509_certificate(pem.encode())

    by_claim, dev = d.enrolled()[0], d.device()
    mine, _ = enrol(good, dev["serial"])
    theirs = {}
    for n in range(3):
        theirs.update([enrol(bad, f"BORN-{n}")])
    k.must("DELETE", "/v1/anchors/bad")
    for id, idevid in theirs.items():
        told = {e["type"]: e["fields"] for e in k.history(id)}
        assert told["device.added"]["who"] == "anchor:bad", told
        issued = told["cert.issued"]
        assert issued["anchor"] == "bad" and issued["idevid"] == idevid.fingerprint(hashes.SHA256()).hex(), issued
        assert int(issued["idevid_serial"], 16) == idevid.serial_number, issued
    assert "anchor" not in {e["type"]: e["fields"] for e in k.history(by_claim["id"])}["cert.issued"]
    ls = lambda *words: {x["id"] for x in k.kith_json("device", "ls", *words)["devices"]}
    assert ls("--anchor", "bad") == set(theirs) and ls("--anchor", "good") == {mine} and ls("--anchor", "nobody") == set()
    page = k.must("GET", "/v1/devices?anchor=bad&limit=2")
    rest = k.must("GET", "/v1/devices?anchor=bad&limit=2&after=" + page["next"])
    assert [x["id"] for x in page["devices"] + rest["devices"]] == sorted(theirs)
    refused(k.api("GET", "/v1/devices?anchor=" + "b" * 64), 400, "usage")  # a filter that is not understood is no filter that is not there
    refused(k.api("GET", "/v1/devices?serial=" + "b" * 65), 400, "usage")
    # By another manufacturer's word when the first counts no more: it is found by both.
    refused(k.api("POST", "/v1/anchors", {"name": "bad", "certificate": bad.root, "model": "nope"}), 404, "not-found")
    k.must("POST", "/v1/anchors", {"name": "bad", "certificate": bad.root, "model": "pump"})
    refused(shown(k, bad, dev), 403, "idevid-other")
    k.must("DELETE", "/v1/anchors/good")
    assert enrol(bad, dev["serial"])[0] == mine
    assert mine in ls("--anchor", "bad") and ls("--anchor", "good", "--state", "active") == {mine}
    k.must("DELETE", "/v1/anchors/bad")


def shown(k, maker, dev):
    """A new IDevID of that manufacturer for the device, at the door."""
    key, cert = k.w.key_files("shown-" + dev["serial"], *maker.idevid(dev["serial"]))
    return k.enrol(csr_of(new_key()), cert=cert, key=key)


def a_second_idevid_of_a_device_is_refused_and_alarmed(k, d, maker):
    """The first stands; which of them is the copy is for somebody to find out.  A name of two devices is nobody's."""
    dev, alarms = d.device(), lambda: {a.get("device"): a for a in k.must("GET", "/v1/alarms")["alarms"]}
    own = dict(zip(("key", "cert"), k.w.key_files("first-" + dev["serial"], *maker.idevid(dev["serial"]))))
    ask = lambda: k.enrol(csr_of(new_key()), **own)
    assert ask().status == 200 and ask().status == 200  # the first, as often as it comes
    assert dev["id"] not in alarms()
    for _ in range(2):
        a = shown(k, maker, dev)
        refused(a, 403, "idevid-other")
        assert "tell who runs the platform" in a.json["try"] and "token" not in a.json["try"], a
    alarm = wait_for(lambda: alarms().get(dev["id"]), "the alarm")
    assert alarm["name"] == "claim:" + dev["id"] and alarm["warning"] and "second IDevID" in alarm["text"], alarm
    entry, = [e["fields"] for e in k.history(dev["id"]) if e["type"] == "claim.refused"]  # one in a minute
    assert entry["alarm"] is True and entry["code"] == "idevid-other" and "anchor maker" in entry["why"], entry
    assert k.must("GET", "/v1/devices/" + dev["id"])["state"] == "active" and ask().status == 200
    claim = k.must("POST", f"/v1/devices/{dev['id']}/token", {})["claim"]  # what an operator decides
    assert k.enrol(csr_of(new_key()), dev["id"], claim).status == 200
    k.kith("alarm", "end", alarm["name"])

    at_once = d.device()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        files = [dict(zip(("key", "cert"), k.w.key_files(f"at-once-{i}", *maker.idevid(at_once["serial"])))) for i in range(5)]
        answers = list(pool.map(lambda f: k.enrol(csr_of(new_key()), **f), files))
    assert [a.status for a in answers].count(200) == 1, answers
    assert all(a.status == 200 or a.code in ("idevid-other", "in-progress") for a in answers), answers

    two = [d.device(), d.device()]
    names = [x509.NameAttribute(NameOID.SERIAL_NUMBER, x["serial"]) for x in two]
    for i, subject in enumerate((x509.Name(names), x509.Name([x509.RelativeDistinguishedName(names)]))):
        key = new_key()
        key_file, cert = k.w.key_files(f"two-{i}", key, maker.certificate(subject, key, False))
        a = k.enrol(csr_of(new_key()), cert=cert, key=key_file)
        refused(a, 401, "denied")
        assert "more than one serialNumber" in a.json["detail"], a
    assert {k.must("GET", "/v1/devices/" + x["id"])["state"] for x in two} == {"claimed"}


def one_anchor_too_many_shuts_no_door(k, d, maker):
    names = []
    while len(k.must("GET", "/v1/anchors")["anchors"]) < 32:
        names.append(f"many-{len(names)}")
        k.must("POST", "/v1/anchors", {"name": names[-1], "certificate": Maker(names[-1]).root})
    refused(k.api("POST", "/v1/anchors", {"name": "one-more", "certificate": Maker("One More").root}), 413, "limit")
    dev = d.device()
    key, pem = maker.idevid(dev["serial"])
    key_file, cert = k.w.key_files("many-" + dev["serial"], key, pem)
    assert k.enrol(csr_of(new_key()), cert=cert, key=key_file).status == 200
    for name in names:
        k.must("DELETE", "/v1/anchors/" + name)


def who_proved_a_right_is_refused_by_name(k, d, maker):
    """A good right with a request that is not: the device's history says so, a bounded number of times in a minute.  Who
    shows no good right is counted only, as anybody."""
    k.add_model("bound", channel_binding="yes")
    claimed, born, bound, used = d.device(), d.device(), k.add_device("BOUND-1", "bound"), d.enrolled()[0]
    key, pem = maker.idevid(born["serial"])
    idevid = dict(zip(("key", "cert"), k.w.key_files("refused-" + born["serial"], key, pem)))
    sha1, p521 = csr_of(new_key(), digest=hashes.SHA1()), csr_of(ec.generate_private_key(ec.SECP521R1()))
    named = csr_of(new_key(), [x509.DNSName("example.com")])
    forged = csr_of(new_key())[:-1] + b"\0"
    told = lambda id: [e["fields"] for e in k.history(id) if e["type"] == "request.refused"]
    for dev, requests, how in ((claimed, (sha1, p521, named, forged, b""), {"user": claimed["id"], "claim": claimed["claim"]}),
                               (born, (sha1, p521, named, forged, b""), idevid),
                               (bound, (csr_of(new_key()), sha1), {"user": bound["id"], "claim": bound["claim"]})):
        codes = []
        for csr in requests:
            a = k.enrol(csr, **how)
            assert 400 <= a.status < 500, a
            codes.append(a.code)
        wait_for(lambda: len(told(dev["id"])) >= len(requests), "the refusals in its history", 5)
        assert sorted(e["code"] for e in told(dev["id"])) == sorted(codes), (codes, told(dev["id"]))
        assert {(e["who"], e["via"]) for e in told(dev["id"])} == {("device:" + dev["id"], "est")}, told(dev["id"])

    before, at = len(k.entries()), time.monotonic()
    for csr in (sha1, p521, forged) * 60:
        for id, claim in ((claimed["id"], "a" * 32), (claimed["id"], used["claim"]), (used["id"], used["claim"])):
            assert k.enrol(csr, id, claim).status in (400, 401, 403, 409, 422)
    for csr in (sha1, forged) * 60:
        k.enrol(csr, claimed["id"], claimed["claim"])
    minutes = 2 + int((time.monotonic() - at) / 60)
    k.stop()  # what was counted is written
    k.start()
    new = [(kind, f) for _, _, kind, f in k.entries()[before:] if kind in (REFUSED_ONE, REFUSED_COUNTED, CLAIM_REFUSED)]
    mine = "device:" + claimed["id"]
    assert 0 < sum(kind == REFUSED_ONE for kind, _ in new) <= REFUSALS_EACH * minutes, new
    assert {f["who"] for kind, f in new if kind == REFUSED_ONE} == {mine}, new
    assert sum(kind == CLAIM_REFUSED for kind, _ in new) <= minutes and len(new) <= 30 * minutes, new
    counted = {who: sum(f["count"] for kind, f in new if kind == REFUSED_COUNTED and f["who"] == who) for who in (mine, "system:server")}
    assert counted[mine] >= 120 - REFUSALS_EACH * minutes and counted["system:server"] >= 400, counted
    assert k.enrol(csr_of(new_key()), claimed["id"], claimed["claim"]).status == 200  # its claim is as good as it was


def manufacturers_that_do_not_count(k, d, maker):
    """Unknown ones, one whose CA has expired, a wrong serial number, a leaf that plays CA."""
    dev = d.device()

    def ask(name, key, pem):
        key_file, cert = k.w.key_files("maker-" + name, key, pem)
        return k.enrol(csr_of(new_key()), cert=cert, key=key_file)

    refused(ask("unknown", *Maker("Nobody Inc").idevid(dev["serial"])), 401, "denied")
    old = Maker("Old Inc")
    old.root = old.certificate(old.name, old.key, True, days=-2)
    refused(k.api("POST", "/v1/anchors", {"name": "old", "certificate": old.root, "model": "pump"}), 403, "policy")
    old.root = old.certificate(old.name, old.key, True, days=6 / 86400)  # enough to be added in
    k.must("POST", "/v1/anchors", {"name": "old", "certificate": old.root, "model": "pump"})
    end = x509.load_pem_x509_certificate(old.root.encode()).not_valid_after
    wait_for(lambda: datetime.datetime.utcnow() > end + datetime.timedelta(seconds=1), "the end of its CA")
    a = ask("expired", *old.idevid(dev["serial"]))  # it lets nobody in
    refused(a, 401, "denied")
    assert "expired at" in a.json["detail"] and "clocks" in a.json["try"] and "kith " not in a.json["try"], a
    wrong = k.add_model("other") and k.must("POST", "/v1/devices", {"model": "other", "serial": "ONLY-OTHER"})
    k.must("DELETE", "/v1/anchors/maker")
    k.must("POST", "/v1/anchors", {"name": "maker", "certificate": maker.root, "model": "pump"})
    refused(ask("wrong-model", *maker.idevid(wrong["serial"])), 404, "not-found")
    refused(ask("wrong-serial", *maker.idevid("NO-SUCH-SERIAL")), 404, "not-found")
    key, pem = maker.idevid(dev["serial"])
    child = Maker("unit")
    child.key = key
    child.name = x509.load_pem_x509_certificate(pem.encode()).subject
    key, forged = child.idevid(dev["serial"])
    refused(ask("leaf-as-ca", key, forged + pem), 401, "denied")
    nameless = new_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, dev["serial"])])
    refused(ask("nameless", nameless, maker.certificate(name, nameless, False)), 401, "denied")
    assert k.must("GET", "/v1/devices/" + dev["id"])["state"] == "claimed"


def what_a_manufacturer_certified_for_another_use_is_no_device(k, d, maker):
    """RFC 5280 sections 4.2.1.3 and 4.2.1.12: TLS by a client's signature, or nothing."""
    client, server, code, any_ = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH,
                                  ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    sign = ("digital_signature",)
    rows = [("a-web-server", {"purposes": [server]}, "extended key usage"), ("a-program", {"purposes": [code]}, "extended key usage"),
            ("both-of-those", {"purposes": [server, code]}, "extended key usage"), ("agreement", {"usage": ("key_agreement",)}, "key usage"),
            ("web-server-rsa", {"usage": ("key_encipherment",)}, "key usage"), ("signs-certs", {"usage": ("key_cert_sign",)}, "key usage"),
            ("a-ca", {"ca": True}, "key usage"), ("a-ca-that-signs", {"ca": True, "usage": sign + ("key_cert_sign",)}, "a CA's"),
            ("a-ca-of-any-use", {"ca": True, "usage": ()}, "a CA's"),
            ("silent", {"usage": ()}, None), ("for-clients", {"purposes": [client]}, None), ("for-any", {"purposes": [code, any_]}, None),
            ("for-both", {"usage": sign + ("key_agreement",), "purposes": [server, client]}, None)]
    for name, kw, why in rows:
        dev = d.device()
        key, cert = k.w.key_files("use-" + name, *maker.idevid(dev["serial"], **kw))
        a = k.enrol(csr_of(new_key()), cert=cert, key=key)
        if why is None:
            assert a.status == 200, (name, a)
            continue
        refused(a, 401, "denied")
        assert why in a.json["detail"] and a.json["rule"] and "kith " not in a.json["try"], (name, a)
        assert "manufacturer" in a.json["try"], (name, a)
        assert k.must("GET", "/v1/devices/" + dev["id"])["state"] == "claimed", name
    web = Maker("Web Inc")  # nor is its CA one for devices
    for kw in ({"purposes": [server]}, {"usage": ("crl_sign",)}):
        root = web.certificate(web.name, web.key, True, **kw)
        refused(k.api("POST", "/v1/anchors", {"name": "web", "certificate": root}), 403, "policy")


def a_claim_and_an_idevid_that_come_together_name_one_device(k, d, maker):
    one, two = d.device(), d.device()

    def ask(name, ca, serial):
        key, cert = k.w.key_files("both-" + name, *ca.idevid(serial))
        return k.enrol(csr_of(new_key()), one["id"], one["claim"], cert=cert, key=key)

    for name, serial in (("another", two["serial"]), ("unknown", "NOT-ADDED")):
        refused(ask(name, maker, serial), 409, "two-devices")
    told = lambda: [e["fields"]["code"] for e in k.history(one["id"]) if e["type"] == "request.refused"]
    wait_for(lambda: told().count("two-devices") == 2, "the refusals in its history", 5)
    k.must("DELETE", "/v1/anchors/maker")  # an anchor of another model names another device, too
    k.add_model("valve")
    k.must("POST", "/v1/anchors", {"name": "maker", "certificate": maker.root, "model": "valve"})
    refused(ask("other-model", maker, one["serial"]), 409, "two-devices")
    k.must("DELETE", "/v1/anchors/maker")
    k.must("POST", "/v1/anchors", {"name": "maker", "certificate": maker.root, "model": "pump"})
    assert k.must("GET", "/v1/devices/" + one["id"])["state"] == "claimed"
    assert ask("own", maker, one["serial"]).status == 200
    assert next(e["fields"] for e in k.history(one["id"]) if e["type"] == "cert.issued")["auth"] == "claim"
    one = d.device()  # a certificate of nobody who is known says nothing
    assert ask("stranger", Maker("Strangers Inc"), two["serial"]).status == 200


def an_anchor_that_cannot_be_read_lets_nobody_in(k, d, maker):
    """Nobody knows then whose device an IDevID names: a claim beside it does not count either."""
    one = d.device()
    key, cert = k.w.key_files("unread", *maker.idevid(d.device()["serial"]))
    (whole,), = k.rows("SELECT hex(der) FROM anchor WHERE name = 'maker'")
    k.sql("UPDATE anchor SET der = x'3000' WHERE name = 'maker'")
    for claim in ((), (one["id"], one["claim"])):
        a = k.enrol(csr_of(new_key()), *claim, cert=cert, key=key)
        assert (a.status, a.code) == (500, "store-corrupt"), a
    k.sql(f"UPDATE anchor SET der = x'{whole}' WHERE name = 'maker'")
    assert k.must("GET", "/v1/devices/" + one["id"])["state"] == "claimed"


def one_ca_is_one_anchor(k, d, maker):
    """Under two names the removal of one would not end the trust in it; the list says whose it is and until when."""
    twin = maker.certificate(maker.name, maker.key, True, days=99)  # the same CA in a newer certificate
    for again in (maker.root, twin):
        a = k.api("POST", "/v1/anchors", {"name": "second", "certificate": again})
        refused(a, 409, "conflict")
        assert '"maker"' in a.json["detail"] and 'kith anchor rm "maker"' in a.json["try"], a
    row, = (x for x in k.must("GET", "/v1/anchors")["anchors"] if x["name"] == "maker")
    end = x509.load_pem_x509_certificate(maker.root.encode()).not_valid_after
    assert row["subject"] == "CN=Pumps Inc" and row["not_after"] == end.strftime("%Y-%m-%dT%H:%M:%SZ") and row["added_at"], row
    assert "CN=Pumps Inc" in k.kith("anchor", "ls").stdout
    k.must("DELETE", "/v1/anchors/maker")
    k.must("POST", "/v1/anchors", {"name": "maker", "certificate": twin, "model": "pump"})
    k.must("DELETE", "/v1/anchors/maker")
    k.must("POST", "/v1/anchors", {"name": "maker", "certificate": maker.root, "model": "pump"})


def an_idevid_leads_to_its_root_by_what_the_device_sends(k, d, maker):
    """The CAs between an IDevID and the anchor come in TLS and are believed as far as they are signed and no further."""
    sub, stranger = maker.below("sub"), Maker("Strangers Inc")
    lower = sub.below("lower")
    foreign, expired, no_ca = stranger.below("sub"), maker.below("old", days=-2), maker.below("unit", ca=False)
    lone = maker.below("short", path_len=0)
    many = "".join(stranger.below(f"s{i}").root for i in range(8))
    rows = [("sent", sub, sub.root, 200), ("with-root", sub, sub.root + maker.root, 200), ("three", lower, lower.root + sub.root, 200),
            ("any-order", lower, sub.root + lower.root, 200), ("not-sent", sub, "", 401), ("one-missing", lower, lower.root, 401),
            ("no-ca", no_ca, no_ca.root, 401), ("foreign", foreign, foreign.root, 401), ("foreign-ends-here", foreign, sub.root, 401),
            ("expired", expired, expired.root, 401), ("foreign-root", foreign, foreign.root + stranger.root, 401),
            ("too-long", lone.below("deep"), None, 401), ("too-many", sub, sub.root + many, 413)]
    for name, ca, chain, status in rows:
        dev = d.device()
        key, pem = ca.idevid(dev["serial"])
        chain = ca.root + lone.root if chain is None else chain
        key, cert = k.w.key_files("chain-" + name, key, pem + chain)
        a = k.enrol(csr_of(new_key()), cert=cert, key=key)
        assert a.status == status, (name, a)
        if status == 200:
            told = next(e["fields"] for e in k.history(dev["id"]) if e["type"] == "cert.issued")
            assert told["anchor"] == "maker", told  # the root in the ledger, whatever came between
        else:
            assert a.json["try"] and "kith " not in a.json["try"], (name, a)
            assert k.must("GET", "/v1/devices/" + dev["id"])["state"] == "claimed"
    key, cert = k.w.key_files("chain-root", maker.key, maker.root)  # the anchor's own key is no device's
    refused(k.enrol(csr_of(new_key()), cert=cert, key=key), 401, "denied")


def survives_bodies_from_those_who_are_known(k, d):
    """On the routes that strangers never reach: below 500 or a closed connection, and all goes on."""
    dev, _, key, pem = d.enrolled()
    k.kith("gateway", "add", "bodies", "--out", k.w.path("bodies"))
    gate = (k.w.path("bodies/cert.pem"), k.w.path("bodies/key.pem"))
    bodies = (b"", b"\0", b"{", b"}", b"[]", b"null", b'""', b'{"seq":-1}', b'{"seq":1e999}', b'{"seq":99999999999999999999}',
              b'{"a":1,"a":2}', b"[" * 5000, b'{"why":"' + b"x" * 5000 + b'"}', b'{"why":"\xff\xfe"}', b'{"why":"\\u0000"}',
              b'{"text":{}}', b'{"settings":[]}', b'{"settings":{"profile":7}}', b'{"tags":{"a":[]}}', b'{"owner":7}',
              b'{"owner":""}', b'{"wait_ms":-1}', b'{"reason":7}', b"A" * (3 << 20), os.urandom(4000))
    known = [("POST", "/device/v1/hello", (pem, key)), ("POST", "/gate/v1/ack", gate)]
    local = [("PUT", "/v1/models/pump"), ("PUT", "/v1/topics"), ("POST", f"/v1/devices/{dev['id']}/owner"),
             ("POST", f"/v1/devices/{dev['id']}/tags"), ("POST", f"/v1/devices/{dev['id']}/nonsense"),
             ("POST", "/v1/certs/1/revoke"), ("POST", "/v1/ledger/checkpoint"), ("DELETE", "/v1/anchors/none"),
             ("GET", "/v1/ledger/prove?entry=-1"), ("GET", "/v1/ledger/prove?entry=99999999999999999999"),
             ("GET", "/v1/devices?limit=-5&after=%00&state=%ff"), ("GET", "/v1/certs?after=x&limit=0"),
             ("GET", "/v1/devices/" + "x" * 4000), ("GET", "/v1/certs/" + "9" * 40), ("GET", "/v1/devices/%2e%2e%2f")]
    n = 0
    for body in bodies:
        for method, path, files in known:
            n += below_500(lambda: k.https(method, path, body, {"Content-Type": "application/json"}, *files))
        for method, path in local:
            n += below_500(lambda: k.api(method, path, body))
    assert k.api("GET", "/readyz").status == 200
    assert k.must("GET", "/v1/devices/" + dev["id"])["state"] == "active"
    say(f"{n} answers")


def below_500(ask):
    try:
        a = ask()
    except (ConnectionError, ssl.SSLError):
        return 0
    assert a.status < 500, a
    return 1


def main():
    with World("doors") as w:
        k = Kith(w)
        k.start()
        k.add_model("pump")
        d, maker = Doors(k), Maker("Pumps Inc")
        k.must("POST", "/v1/anchors", {"name": "maker", "certificate": maker.root, "model": "pump"})
        for test, more in ((no_door_opens_in_a_state_that_stops, [maker]), (a_tombstone_is_never_added_again, [maker]),
                           (one_key_at_the_same_instant_is_one_devices, []),
                           (quarantines_for_a_second_key_where_the_model_says_so, []),
                           (a_manufacturers_devices_are_found_when_its_ca_has_failed, []),
                           (a_second_idevid_of_a_device_is_refused_and_alarmed, [maker]), (one_anchor_too_many_shuts_no_door, [maker]),
                           (who_proved_a_right_is_refused_by_name, [maker]), (manufacturers_that_do_not_count, [maker]),
                           (what_a_manufacturer_certified_for_another_use_is_no_device, [maker]),
                           (an_anchor_that_cannot_be_read_lets_nobody_in, [maker]), (one_ca_is_one_anchor, [maker]),
                           (a_claim_and_an_idevid_that_come_together_name_one_device, [maker]),
                           (an_idevid_leads_to_its_root_by_what_the_device_sends, [maker]), (survives_bodies_from_those_who_are_known, [])):
            timed(test, k, d, *more)
        k.must_verify()
        code, text = k.check_database()
        assert code == 0, text
        k.stop()


main()
