#!/usr/bin/python3
"""Who may do what: every party at every route of the operator API over mutual TLS; what an owner sees; and what refusals leave
in the ledger.  doc/openapi.json says which right a route asks for (openapi.py holds it against the sources); which role has
which right stands here a second time, on purpose."""
import collections
import datetime
import http.client
import json
import os
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kithtest import BIN, ROOT, Kith, World, run, say, wait_for

RIGHTS = {
    "admin": {"read", "add", "act", "set", "grant"},
    "security": {"read", "add", "act", "set"},
    "factory": {"read", "add"},
    "release": {"read"},
    "data": {"read"},
    "auditor": {"read"},
    "owner": {"owner"},
    "device": set(),
    "gateway": set(),
    "removed": set(),     # an operator that was removed
    "unknown": set(),     # no certificate
    "stranger": set(),    # a certificate of somebody else
    "forger": set(),      # the admin's certificate with another key, and a signature of its own
}
ROLES = ("admin", "security", "factory", "release", "data", "auditor", "owner")
OWNERS = ("harbour", "waterworks")
EACH, FLOOD = 10, 20000  # REFUSALS_EACH of src/server/refusals.h


class Party:
    """One who asks, on a connection that stays."""

    def __init__(self, k, name, pem=None, key=None):
        self.k, self.name, self.files, self.c = k, name, (pem, key), None
        self.refused = 0

    def ask(self, method, path, body=None, kind="application/json", again=True):
        if not self.c:
            self.c = http.client.HTTPSConnection("localhost", self.k.tls_port, timeout=30, context=self.k.tls(*self.files))
        try:
            self.c.request(method, path, json.dumps(body) if isinstance(body, dict) else body,
                           {"Content-Type": kind} if body is not None else {})
            r = self.c.getresponse()
            data = r.read()
        except (http.client.RemoteDisconnected, ConnectionError):
            self.c = None
            if not again:
                raise
            return self.ask(method, path, body, kind, False)
        self.refused += 400 <= r.status
        return r.status, data

    def json(self, method, path, body=None, status=200):
        got, data = self.ask(method, path, body)
        assert got == status, f"{self.name}: {method} {path}: {got} {data[:300]!r}"
        return json.loads(data)


def operator(k, name, role):
    out = k.w.path("op-" + name)
    k.kith("operator", "add", name, "--role", role, "--out", out)
    return Party(k, "operator:" + name, out + "/cert.pem", out + "/key.pem")


def stranger(k):
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")]), datetime.datetime.utcnow()
    cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
            .not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
            .sign(key, hashes.SHA256()))
    return party_of(k, "stranger", key, cert)


def party_of(k, name, key, cert):
    key_file, pem = k.w.key_files(name, key, cert.public_bytes(serialization.Encoding.DER))
    return Party(k, "unknown", pem, key_file)


def forger(k, pem):
    """A certificate with everything that another's has, but for key and signature."""
    with open(pem, "rb") as f:
        real = x509.load_pem_x509_certificate(f.read())
    key = ec.generate_private_key(ec.SECP256R1())
    b = (x509.CertificateBuilder().subject_name(real.subject).issuer_name(real.issuer).public_key(key.public_key())
         .serial_number(real.serial_number).not_valid_before(real.not_valid_before).not_valid_after(real.not_valid_after))
    for x in real.extensions:
        b = b.add_extension(x.value, x.critical)
    return party_of(k, "forger-" + os.path.basename(os.path.dirname(pem)), key, b.sign(key, hashes.SHA256()))


def parties(k):
    cast = {r: operator(k, "the-" + r, r) for r in ROLES}
    cast["removed"] = operator(k, "gone", "admin")
    k.kith("operator", "rm", "gone")
    d = k.add_device("ACCESS-1")
    key, pem = k.curl_enrol("access", d)
    cast["device"] = Party(k, "device:" + d["id"], pem, key)
    k.kith("gateway", "add", "gate", "--out", k.w.path("gate"))
    cast["gateway"] = Party(k, "gateway:gate", k.w.path("gate/cert.pem"), k.w.path("gate/key.pem"))
    cast["unknown"] = Party(k, "unknown")
    cast["stranger"] = stranger(k)
    cast["forger"] = forger(k, cast["admin"].files[0])
    return cast


def routes():
    with open(os.path.join(ROOT, "doc", "openapi.json")) as f:
        doc = json.load(f)
    for path, item in doc["paths"].items():
        for method, op in item.items():
            if op.get("x-right"):
                wants = {op["x-right"]} | ({"owner"} if op.get("x-owner") else set())
                for p in op.get("parameters", []):
                    path = path.replace("{%s}" % p["name"], "revoke" if p["name"] == "act" else "nobody")
                yield method.upper(), path, wants


def is_refusal(status, data):
    codes = {401: ("denied", "http-auth"), 403: ("forbidden",)}  # nobody known, or one who may not
    return status in codes and json.loads(data)["code"] in codes[status]


def every_party_at_every_route(k, cast):
    """Requests that change nothing even where they are allowed: about nobody, or without what they need."""
    n = 0
    for method, path, wants in routes():
        for name, party in cast.items():
            status, data = party.ask(method, path, None if method in ("GET", "DELETE") else {})
            assert status < 500, f"{name}: {method} {path}: {status} {data[:200]!r}"
            may = bool(RIGHTS[name] & wants)
            assert may != is_refusal(status, data), f"{name} {'may' if may else 'may not'} {method} {path}: {status} {data[:200]!r}"
            known = party.name != "unknown" and name != "removed"
            assert may or status == (403 if known else 401), f"{name}: {method} {path}: {status}"  # RFC 9110 section 15.5
            n += 1
    assert n > 400, n
    say(f"{n} requests")


def no_route_takes_what_it_does_not_know(k, admin):
    """A slip in a name is no request without it: 400, with the nearest word, and nothing is changed."""
    dev = k.add_device("STRICT-1")
    cert = k.must("GET", "/v1/certs?limit=1")["certificates"][0]
    k.must("PUT", "/v1/models/pump", {"settings": {"renew_expired_days": 9}})
    lists = ("/v1/models", "/v1/devices?limit=1000", "/v1/topics", "/v1/gateways", "/v1/operators", "/v1/anchors")
    shown = [k.must("GET", p) for p in lists]
    here = {"/v1/models/nobody": "/v1/models/pump", "/v1/certs/nobody/revoke": f"/v1/certs/{cert['id']}/revoke"}
    n = 0
    for method, path, _ in routes():
        if not path.startswith("/v1/"):
            continue
        path = here.get(path, path.replace("/v1/devices/nobody", "/v1/devices/" + dev["id"]))
        a = k.api(method, path + "?limmit=1")
        assert a.status == 400 and a.code == "usage" and '"limmit"' in a.json["detail"] and a.json["try"], (method, path, a)
        n += 1
        if path == "/v1/devices/batch":
            continue  # lines
        for body, code in (({"frobnicate": 1}, "usage"), ([], "json"), ([1], "json")):
            a = k.api(method, path, body)
            assert a.status == 400 and a.code == code and (code != "usage" or '"frobnicate"' in a.json["detail"]), (method, path, body, a)
            n += 1
    for path, body, near in ((f"/v1/devices/{dev['id']}/revoke", {"reson": "keyCompromise"}, "reason"),
                             (f"/v1/certs/{cert['id']}/revoke", {"reasn": "keyCompromise"}, "reason"),
                             ("/v1/models", {"name": "valves", "setings": {}}, "settings")):
        a = k.api("POST", path, body)
        assert a.status == 400 and a.code == "usage" and a.json["try"] == f'did you mean "{near}"?', (path, a)
    for body in ({"setings": {"renew_expired_days": 3}}, {}, {"settings": None}, None):
        a = k.api("PUT", "/v1/models/pump", body)
        assert a.status == 400 and a.code == "usage", (body, a)
    a = k.api("GET", "/v1/devices?limit=1&limit=2")
    assert a.status == 400 and a.code == "usage" and "twice" in a.json["detail"], a
    refused = admin.ask("POST", f"/v1/devices/{dev['id']}/revoke", {"reason": "keyCompromise"}, "application/x-www-form-urlencoded")
    assert refused[0] == 400 and json.loads(refused[1])["code"] == "usage", refused
    a = k.api("POST", "/v1/devices/batch", b'{"model":"pump","serial":"S-1","frobnicate":1}\n')
    assert a.json["added"] == 0 and a.json["failed"][0]["code"] == "usage", a
    for body in (b"", b"\n\n", b"nonsense", b'[{"model":"pump","serial":"S-1"}]', b'{"devices":[{"model":"pump","serial":"S-1"}]}',
                 b'{\n"model": "pump",\n"serial": "S-1"\n}\n', b"\xff\xfe\n", b"{}\n"):
        a = k.api("POST", "/v1/devices/batch", body)
        assert a.status == 400 and a.code in ("usage", "json") and a.json["rule"] and a.json["try"], (body, a)
    a = k.api("POST", "/v1/devices/batch", b'nonsense\n{"model":"pump"}\n')
    assert a.status == 200 and [f["line"] for f in a.json["failed"]] == [1, 2], a
    assert shown == [k.must("GET", p) for p in lists]
    assert "revoked_at" not in k.must("GET", f"/v1/certs/{cert['id']}")
    say(f"{n} requests")


def adopted_entries_are_acknowledged_at_the_host(k, admin):
    """Who forged them may have made himself an admin."""
    for path in ("/v1/alarms/adopted/end", "/v1/ledger/adopt"):
        status, data = admin.ask("POST", path, {})
        assert status == 403 and json.loads(data)["code"] == "policy", (path, status, data)
    assert k.must("POST", "/v1/ledger/adopt")["cleared"] is False


def the_local_socket_is_for_root_and_its_own_user(k):
    assert k.api("GET", "/v1/status").status == 200
    if os.getuid() != 0:
        say("SKIPPED: another user at the local socket: only root can become one")
        return
    # Its mode keeps others out; the peer's user has to count even so.
    ask = ("import socket,sys;s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);"
           "s.sendall(b'GET /v1/status HTTP/1.1\\r\\nHost: k\\r\\nConnection: close\\r\\n\\r\\n');print(s.recv(9999).decode())")
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", ask, k.socket]
    shut = run(*as_nobody, ok=False)
    assert shut.returncode != 0 and "Permission" in shut.stderr, shut
    at = k.socket
    modes = {}
    while at not in ("/", "/tmp"):
        modes[at] = os.stat(at).st_mode
        os.chmod(at, 0o777)
        at = os.path.dirname(at)
    try:
        answer = run(*as_nobody).stdout
    finally:
        for path, mode in modes.items():
            os.chmod(path, mode & 0o7777)
    assert answer.startswith("HTTP/1.1 401 "), answer


def a_name_that_is_taken_gets_no_second_certificate(k, cast):
    """Its key would be the asker's, and every operator may fetch certificates."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gate")])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = csr.public_bytes(serialization.Encoding.PEM).decode()
    for path, body in (("/v1/gateways", {"name": "gate"}), ("/v1/operators", {"name": "the-admin", "role": "auditor"})):
        before = len(k.must("GET", "/v1/certs?limit=1000&subject=" + body["name"])["certificates"])
        status, data = cast["admin"].ask("POST", path, {**body, "csr": pem})
        assert status == 409, data
        assert len(k.must("GET", "/v1/certs?limit=1000&subject=" + body["name"])["certificates"]) == before == 1


# ---- owners ----

def hidden(party, method, path, body=None):
    """As if it did not exist: the same status, code and words as for a name that was never given out."""
    status, data = party.ask(method, path, body)
    assert status == 404, f"{party.name}: {method} {path}: {status} {data[:200]!r}"
    return {n: v for n, v in json.loads(data).items() if n in ("code", "title", "try", "rule")}


def an_owner_sees_its_own_devices_and_no_others(k, cast):
    k.add_model("valve")
    own = {o: operator(k, o, "owner") for o in OWNERS}
    dev = {o: k.add_device("OWN-" + o, owner=o) for o in OWNERS}
    # One serial number, two devices: to say that it is not unique would tell of the other.
    twins = {"harbour": k.add_device("TWIN", owner="harbour"), "waterworks": k.add_device("TWIN", "valve", owner="waterworks")}
    free = k.add_device("FREE")
    for o in OWNERS:
        k.curl_enrol(o, dev[o])
    certs = {o: k.must("GET", "/v1/devices/" + dev[o]["id"])["certificates"][0] for o in OWNERS}
    for me, other in (OWNERS, OWNERS[::-1]):
        p, mine, theirs = own[me], dev[me], dev[other]
        for query in ("", "?owner=" + me, "?limit=1000", "?model=pump"):
            ids = {d["id"] for d in p.json("GET", "/v1/devices" + query)["devices"]}
            want = {mine["id"], twins[me]["id"]}
            assert ids <= want and (mine["id"] in ids), (query, ids)
        assert p.json("GET", "/v1/devices?serial=OWN-" + other)["devices"] == []
        assert is_refusal(*p.ask("GET", "/v1/devices?owner=" + other)) and p.json("GET", "/v1/devices?owner=" + me)["devices"]
        assert p.json("GET", "/v1/devices/TWIN")["id"] == twins[me]["id"]
        assert p.json("GET", "/v1/devices/" + mine["serial"])["owner"] == me
        assert any(e["type"] == "cert.issued" for e in p.json("GET", f"/v1/devices/{mine['id']}/history")["entries"])
        assert [c["subject"] for c in p.json("GET", "/v1/certs")["certificates"]] == [mine["id"]]
        assert p.json("GET", "/v1/certs?subject=" + theirs["id"])["certificates"] == []
        assert p.json("GET", f"/v1/certs/{certs[me]['id']}")["subject"] == mine["id"]
        for form in ("/v1/devices/%s", "/v1/devices/%s/history", "/v1/devices/%s/statement"):
            nothing = hidden(p, "GET", form % "dev_00000000000000000000000000")
            for name in (theirs["id"], theirs["serial"], twins[other]["id"], free["id"], "FREE"):
                assert hidden(p, "GET", form % name) == nothing, (form, name)
        nothing = hidden(p, "GET", "/v1/certs/1")
        for name in (certs[other]["id"], certs[other]["serial"], certs[other]["id"] + 1000):
            assert hidden(p, "GET", f"/v1/certs/{name}") == nothing, name
        nothing = hidden(p, "POST", "/v1/devices/NOBODY/owner", {"owner": me})
        for name in (theirs["id"], "FREE"):
            assert hidden(p, "POST", f"/v1/devices/{name}/owner", {"owner": me}) == nothing
        for method, path in (("POST", f"/v1/devices/{mine['id']}/suspend"), ("POST", f"/v1/devices/{theirs['id']}/revoke"),
                             ("POST", f"/v1/devices/{mine['id']}/token"), ("POST", "/v1/devices/batch"),
                             ("POST", f"/v1/certs/{certs[me]['id']}/revoke"), ("GET", "/v1/ledger/export")):
            assert is_refusal(*p.ask(method, path, None if method == "GET" else {})), path
        assert k.must("GET", "/v1/devices/" + theirs["id"])["state"] == "active"
    a_device_goes_from_owner_to_owner(k, own, dev, free)
    return own


def a_device_goes_from_owner_to_owner(k, own, dev, free):
    h, w = own["harbour"], own["waterworks"]
    path = f"/v1/devices/{dev['harbour']['id']}"
    secret = len(k.history(dev["harbour"]["id"]))
    hidden(h, "POST", path + "/owner", {"owner": "nobody-such"})  # it would be nobody's to see
    h.json("POST", path + "/owner", {"owner": "waterworks", "why": "sold"})
    hidden(h, "GET", path)
    hidden(h, "POST", path + "/owner", {"owner": "harbour"})
    assert w.json("GET", path)["owner"] == "waterworks"
    assert w.json("GET", path + "/history")["entries"] == [], "the new owner reads what was before"
    k.must("POST", path + "/suspend", {"why": "looked at"})
    assert [e["type"] for e in w.json("GET", path + "/history")["entries"]] == ["device.state", "cert.held"]
    entry = k.history(dev["harbour"]["id"])[2]
    assert entry["type"] == "device.owner" and entry["fields"]["who"] == "operator:harbour", entry
    assert len(k.history(dev["harbour"]["id"])) == secret + 3
    # As an operator types it.
    assert k.kith("device", "claim", "FREE", "--owner", "harbour").stdout.endswith("belongs to harbour\n")
    assert k.kith("device", "claim", "FREE", "--owner", "waterworks", ok=False).returncode == 5
    assert h.json("GET", "/v1/devices/FREE")["owner"] == "harbour"
    assert h.json("GET", "/v1/devices/FREE/history")["entries"] == []
    k.kith("device", "transfer", "FREE", "--owner", "waterworks", "--why", "moved")
    hidden(h, "GET", "/v1/devices/FREE")
    types = [e["type"] for e in k.history(free["id"])]
    assert types[:2] == ["device.owner", "device.claimed"], types
    listed = run(os.path.join(BIN, "kith"), "--url", k.url, "--cert", w.files[0], "--key", w.files[1], "--json", "device", "ls",
                 env=k.w.env)
    assert {d["owner"] for d in json.loads(listed.stdout)["devices"]} == {"waterworks"}


# ---- what refusals leave ----

def flood(party, n, method="GET", path="/v1/operators"):
    at = time.monotonic()
    for _ in range(n):
        status, data = party.ask(method, path)
        assert is_refusal(status, data), (status, data)
    return time.monotonic() - at


def refusals_are_in_the_ledger_with_who_and_what(k, cast):
    told, counted = collections.defaultdict(list), collections.Counter()
    wait_for(lambda: any(t == 100 for _, _, t, _ in k.entries()), "refusals in the ledger", 5)
    for _, _, kind, f in k.entries():
        if kind == 100:
            told[f["who"]].append(f)
        elif kind == 101:
            counted[f["who"]] += f["count"]
    for name, p in cast.items():
        if p.name == "unknown":
            assert p.name not in told, told[p.name]
            continue
        if not p.refused:
            continue
        entries = told[p.name]
        assert entries, f"{p.name} was refused {p.refused} times, and the ledger does not say so"
        assert all(e["what"].split()[0] in ("GET", "POST", "PUT", "DELETE") and e["what"].split()[1].startswith("/v1/") or
                   e["what"] == "GET /metrics" for e in entries), entries
        assert len(entries) + counted[p.name] == p.refused, (p.name, len(entries), counted[p.name], p.refused)
        assert len(entries) <= EACH * 4, f"{len(entries)} entries of {p.name}"
    unknown = sum(cast[who].refused for who in ("unknown", "stranger", "forger"))
    assert counted["system:server"] >= unknown, (counted, unknown)


def a_flood_leaves_a_handful_of_entries(k, cast):
    before = len(k.entries())
    took = flood(cast["unknown"], FLOOD)
    known = flood(cast["device"], 2000)
    k.stop()  # what was counted is written
    k.start()
    entries = k.entries()[before:]
    kinds = collections.Counter((kind, f.get("who")) for _, _, kind, f in entries if kind in (100, 101))
    sums = collections.Counter()
    for _, _, kind, f in entries:
        if kind == 101:
            sums[f["who"]] += f["count"]
            assert f["prefix"] in ("127.0.0.0/24", "local"), f
    minutes = 2 + int((took + known) / 60)
    assert sums["system:server"] >= FLOOD, sums
    assert kinds[101, "system:server"] <= 4 * minutes, kinds
    name = cast["device"].name
    assert kinds[100, name] <= EACH * minutes and kinds[101, name] <= 2 * minutes, kinds
    assert kinds[100, name] + sums[name] >= 2000, (kinds, sums)
    say(f"{FLOOD} refusals of unknown parties in {took:.1f} s: {kinds[101, 'system:server']} entries; 2000 of one device: "
        f"{kinds[100, name]} and {kinds[101, name]}")


def main():
    with World("access") as w:
        k = Kith(w)
        k.start()
        k.add_model("pump")
        cast = parties(k)
        every_party_at_every_route(k, cast)
        say("ok every_party_at_every_route")
        no_route_takes_what_it_does_not_know(k, cast["admin"])
        say("ok no_route_takes_what_it_does_not_know")
        adopted_entries_are_acknowledged_at_the_host(k, cast["admin"])
        say("ok adopted_entries_are_acknowledged_at_the_host")
        the_local_socket_is_for_root_and_its_own_user(k)
        say("ok the_local_socket_is_for_root_and_its_own_user")
        a_name_that_is_taken_gets_no_second_certificate(k, cast)
        say("ok a_name_that_is_taken_gets_no_second_certificate")
        cast.update(an_owner_sees_its_own_devices_and_no_others(k, cast))
        say("ok an_owner_sees_its_own_devices_and_no_others")
        a_flood_leaves_a_handful_of_entries(k, cast)
        say("ok a_flood_leaves_a_handful_of_entries")
        refusals_are_in_the_ledger_with_who_and_what(k, cast)
        say("ok refusals_are_in_the_ledger_with_who_and_what")
        k.must_verify()
        k.stop()


main()
