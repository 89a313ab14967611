#!/usr/bin/python3
"""Writes the seeds that random bytes do not reach: signed paths, heads of the feed, frames, requests (keys are new each time).

Run by hand after a format has changed: tests/fuzz/make_seeds.py; then tests/fuzz/coverage.
"""
import base64
import datetime
import hashlib
import io
import ipaddress
import os
import struct

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds")
NOW = datetime.datetime(2026, 11, 23)
AT = 1795392000
YEAR = datetime.timedelta(days=365)


def put(target, name, data):
    os.makedirs(f"{SEEDS}/{target}", exist_ok=True)
    with open(f"{SEEDS}/{target}/{name}", "wb") as f:
        f.write(data)


# ---- paths ----

class Ca:
    """A name, a key, and certificates signed by it."""

    def __init__(self, cn):
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
        self.key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, subject, ca=True, path_len=None, usage=None, eku=None, constraints=None, sans=None, unknown=False,
             before=NOW - YEAR, after=NOW + YEAR, ids=True):
        b = (x509.CertificateBuilder().subject_name(subject.name).issuer_name(self.name)
             .public_key(subject.key.public_key()).serial_number(int.from_bytes(os.urandom(8), "big") | 1)
             .not_valid_before(before).not_valid_after(after)
             .add_extension(x509.BasicConstraints(ca, path_len), True))
        if usage is None:
            usage = ca
        b = b.add_extension(x509.KeyUsage(not ca, False, False, False, False, usage, usage, False, False), True)
        if ids:
            b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(subject.key.public_key()), False)
            b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        if eku:
            b = b.add_extension(x509.ExtendedKeyUsage(eku), False)
        if constraints:
            b = b.add_extension(x509.NameConstraints(*constraints), True)
        if sans:
            b = b.add_extension(x509.SubjectAlternativeName(sans), False)
        if unknown:
            b = b.add_extension(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00"), True)
        return b.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def path(name, *certs, flags=1, at=AT, anchors=1):
    rows = b"".join(struct.pack(">H", len(c)) + c for c in certs)
    put("chain", name, struct.pack(">BIB", flags, at, anchors) + rows)


def chains():
    root, mid, low, leaf, other = Ca("Root"), Ca("Mid"), Ca("Low"), Ca("dev_1"), Ca("Other")
    top, mid_c, low_c = root.sign(root), root.sign(mid), mid.sign(low)
    good = low.sign(leaf, ca=False)
    path("three-levels", good, low_c, mid_c, top)
    path("wrong-order", good, mid_c, top, low_c, top)
    path("untrusted", good, low_c, other.sign(other))
    path("anchor-is-leaf", top, top)
    path("dead-end", good, other.sign(low, ids=False), low_c, root.sign(mid, after=NOW - YEAR / 2), mid_c, top)
    path("path-too-long", good, low_c, mid_c, root.sign(root, path_len=0))
    path("not-a-ca", low.sign(leaf, ca=False), mid.sign(low, ca=False), mid_c, top)
    path("no-cert-sign", good, mid.sign(low, usage=False), mid_c, top)
    path("unknown-critical", good, mid.sign(low, unknown=True), mid_c, top)
    path("leaf-unknown-critical", low.sign(leaf, ca=False, unknown=True), low_c, mid_c, top)
    path("not-yet", good, low_c, mid_c, top, at=AT - 3 * 365 * 86400)
    path("expired", good, low_c, mid_c, top, at=AT + 3 * 365 * 86400)
    path("expired-leaf-will-do", low.sign(leaf, ca=False, after=NOW - YEAR / 2), low_c, mid_c, top, flags=3)
    server = low.sign(leaf, ca=False, eku=[ExtendedKeyUsageOID.SERVER_AUTH])
    client = low.sign(leaf, ca=False, eku=[ExtendedKeyUsageOID.CLIENT_AUTH])
    path("eku-of-leaf", server, low_c, mid_c, top, flags=5)
    path("eku-fits", client, low_c, mid_c, top, flags=13)
    path("eku-of-ca", client, mid.sign(low, eku=[ExtendedKeyUsageOID.SERVER_AUTH]), mid_c, top, flags=5)
    path("usage-of-leaf", low.sign(leaf), low_c, mid_c, top, flags=9)
    bad = bytearray(good)
    bad[-1] ^= 1
    path("bad-signature", bytes(bad), low_c, mid_c, top)
    loop = [root.sign(mid), mid.sign(root), root.sign(root), mid.sign(mid)]
    path("cross-signed", mid.sign(leaf, ca=False), *loop, other.sign(other))

    dns, mail, uri = x509.DNSName, x509.RFC822Name, x509.UniformResourceIdentifier
    names = [dns("A.Example"), mail("meter@b.example"), uri("mqtts://u@c.example:8883/x?y")]
    permitted = [dns("example"), dns(".a.example"), mail("meter@b.example"), uri(".example")]
    for label, inside, outside in (
            ("permits", permitted, None), ("misses", [dns("other")], None), ("excludes", None, [mail("b.example")]),
            ("host", [uri("c.example")], None), ("host-misses", [uri("d.example")], None),
            ("excludes-dot", None, [dns(".example")]), ("excludes-all", None, [dns("")]),
            ("ip", [x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))], None)):
        cut = mid.sign(low, constraints=(inside, outside))
        path("names-" + label, low.sign(leaf, ca=False, sans=names), cut, mid_c, top)
    path("names-none", good, mid.sign(low, constraints=(permitted, None)), mid_c, top)
    path("any-signature", other.sign(leaf, ca=False), *[other.sign(other) for _ in range(8)], flags=0)
    many = x509.CertificateBuilder().subject_name(leaf.name).issuer_name(root.name)
    many = many.public_key(leaf.key.public_key()).serial_number(5).not_valid_before(NOW).not_valid_after(NOW + YEAR)
    for i in range(33):
        many = many.add_extension(x509.UnrecognizedExtension(ObjectIdentifier(f"1.3.6.1.4.1.55555.{i}"), b"\x05\x00"), False)
    put("cert", "extensions-33", many.sign(root.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
    put("cert", "serial-21", long_serial(good))
    put("cert", "too-long", b"\x30\x82\x40\x10" + bytes(0x4010))


def long_serial(der):
    """The same with a serial number of 21 bytes (its signature no longer fits, which nobody asks)."""
    old = der[der.index(b"\xa0\x03\x02\x01\x02") + 5:]
    n = 2 + old[1]
    grown = 23 - n
    der = der.replace(old[:n], b"\x02\x15\x01" + bytes(20), 1)
    head = [2, 6]  # the lengths of the certificate and of its tbs, both 30 82 xx xx
    for at in head:
        der = der[:at] + struct.pack(">H", struct.unpack(">H", der[at:at + 2])[0] + grown) + der[at + 2:]
    return der


# ---- alternative names ----

def tlv(tag, *parts):
    body = b"".join(parts)
    head = bytes([len(body)]) if len(body) < 128 else b"\x81" + bytes([len(body)])
    return bytes([tag]) + head + body


def sans():
    hw_oid = bytes.fromhex("06082b06010505070804")
    hw = tlv(0xa0, hw_oid, tlv(0xa0, tlv(0x30, b"\x06\x03\x2b\x06\x01", tlv(4, b"SN-42"))))
    upn = tlv(0xa0, bytes.fromhex("060a2b060104018237140203"), tlv(0xa0, tlv(0x0c, b"u@x")))
    kinds = {"dns": tlv(0x82, b"Meter.Example"), "mail": tlv(0x81, b"m@x"), "uri": tlv(0x86, b"urn:dev:1"),
             "ip4": tlv(0x87, bytes([10, 0, 0, 1])), "ip6": tlv(0x87, bytes(15) + b"\x01"), "hw": hw, "upn": upn,
             "dir": tlv(0xa4, tlv(0x30)), "rid": tlv(0x88, b"\x2a\x03")}
    for name, one in kinds.items():
        put("san", name, tlv(0x30, one))
    put("san", "all", tlv(0x30, *kinds.values(), tlv(0x82, b"meter.example")))
    put("san", "case", tlv(0x30, tlv(0x82, b"Meter.Example"), tlv(0x82, b"meter.exampla"), tlv(0x82, b"METER.example")))
    put("san", "none", tlv(0x30))
    put("san", "ip5", tlv(0x30, tlv(0x87, b"12345")))
    put("san", "space", tlv(0x30, tlv(0x82, b"a b")))
    put("san", "kind-9", tlv(0x30, tlv(0x89, b"a")))
    put("san", "many", tlv(0x30, *[tlv(0x82, b"x")] * 30))
    put("san", "too-many", b"\x30\x81\xc3" + tlv(0x82, b"x") * 65)
    for i, text in enumerate(("dns:a.example", "email:m@x", "uri:urn:dev:1", "ip:192.0.2.1", "ip:2001:db8::1", "ip:300.1",
                              "hw:1.3.6.1:SN-42", "hw:1.3.6.1", "hw:x:1", "dns:a b", "dns:", "host:a", "ip:" + "1" * 60)):
        put("san", f"text-{i:02}", text.encode())


# ---- the feed ----

def row(key, universe=100, revoked=2, held=1, digest=hashlib.sha256(b"").digest()):
    return [*key, universe, revoked, digest, held, digest]


def head(rows, seq=3, version=1, origin="kith.example/log/01", at=AT, until=AT + 60, prev=bytes(32)):
    return cbor2.dumps([version, origin, seq, prev, at, until, rows])


def frame(*items):
    body = cbor2.dumps(list(items))
    return struct.pack(">I", len(body)) + body


def sign1(payload, content_type="application/kith-feed-head+cbor", protected=None, unprotected=None):
    protected = {1: -8, 3: content_type} if protected is None else protected
    encoded = cbor2.dumps(protected, canonical=True) if protected else b""
    return cbor2.dumps(cbor2.CBORTag(18, [encoded, unprotected or {}, payload, bytes(32)]), canonical=True)


def feed():
    two = [row((1, 1, 900)), row((2, 1, 901))]
    put("feed_head", "two-rows", head(two))
    put("feed_head", "no-rows", head([]))
    put("feed_head", "descending", head(two[::-1]))
    put("feed_head", "twice", head(two[:1] * 2))
    put("feed_head", "version-2", head(two, version=2))
    put("feed_head", "seq-0", head(two, seq=0))
    put("feed_head", "ends-before", head(two, until=AT - 1))
    put("feed_head", "long-origin", head(two, origin="x" * 256))
    put("feed_head", "counts-beyond", head([row((1, 1, 900), universe=1)]))
    put("feed_head", "row-of-7", head([two[0][:7]]))
    put("feed_head", "many-rows", head([row((1, 1, i)) for i in range(66)]))
    put("feed_head", "node-0", head([row((1, 300, 900))]))
    put("feed_head", "message", sign1(head(two)))
    put("feed_head", "message-detached", sign1(None))
    put("feed_head", "message-other-type", sign1(head(two), content_type="text/plain"))
    delta = lambda rows, seq=4: cbor2.dumps([seq, rows])
    first, second = [1, 1, 900, 100, [1, 5, 9], [2], []], [2, 1, 901, 70000, [], [], [6]]
    put("feed_head", "delta", delta([first, second]))
    put("feed_head", "delta-descending", delta([second, first]))
    put("feed_head", "delta-indexes", delta([[1, 1, 900, 100, [5, 5], [], []]]))
    put("feed_head", "delta-beyond", delta([[1, 1, 900, 4, [5], [], []]]))
    put("feed_head", "delta-short", delta([[1, 1, 900]]))
    device = ["dev_01jd3z7x9k2m4n6p8q0r2s4t6v", "hall 7", "meter", {"line": "a7", "zone": "2"}, [1, 5, 1 << 40], False]
    put("feed", "device", frame(4, *device) + frame(5))
    put("feed", "device-removed", frame(4, "dev_1", "", "", {}, [], True))
    put("feed", "device-certs-descend", frame(4, "dev_1", "", "", {}, [5, 1], False))
    put("feed", "device-tags-33", frame(4, "dev_1", "", "", {f"{i:02}": "x" for i in range(33)}, [], False))
    put("feed", "kind-3", frame(3, sign1(head(two))))
    put("feed", "delta-two", frame(2, b"x", delta([first, second])))
    put("feed", "delta-held-and-revoked", frame(2, b"x", delta([[1, 1, 900, 100, [1, 2], [1], []]])))
    put("feed", "delta-releases-nothing", frame(2, b"x", delta([[1, 1, 900, 100, [], [], [3]]])))
    put("feed", "delta-large", frame(2, b"x", delta([[1, 1, 900, 100000, list(range(0, 99000, 331)), [7, 8, 9], []]])))
    held = frame(2, b"x", delta([[1, 1, 900, 1000, [1, 500], [2, 3, 9], []]]))
    put("feed", "delta-then-release", held + frame(2, b"x", delta([[1, 1, 900, 1000, [4, 600], [5], [3, 9]]], seq=5)))
    put("feed", "delta-then-again", held + frame(2, b"x", delta([[1, 1, 900, 1000, [500], [], []]], seq=5)))
    put("feed", "delta-then-no-such", held + frame(2, b"x", delta([[1, 1, 900, 1000, [], [], [4]]], seq=5)))
    put("feed", "kind-99", frame(99, "later", [1, {2: 3}]))
    put("feed", "kind-1-short", frame(1))
    put("feed", "kind-0", frame(0, 1))
    put("feed", "row-bad-set", frame(7, 1, 1, 900, b"KRS\x01", b"KRS\x01"))
    put("feed", "too-long", struct.pack(">I", (16 << 20) + 1) + b"x")
    put("feed", "empty", bytes(4))
    put("feed", "cut", struct.pack(">I", 5) + b"x")
    payload = b"payload"
    put("cose", "content-type", sign1(payload, protected={1: -7, 3: "text/plain", 4: b"k"}))
    put("cose", "content-format", sign1(payload, protected={1: -7, 3: 60}))
    put("cose", "content-format-65536", sign1(payload, protected={1: -7, 3: 65536}))
    put("cose", "crit", sign1(payload, protected={1: -7, 2: [99], 99: 1}))
    put("cose", "alg-unprotected", sign1(payload, protected={3: 60}, unprotected={1: -7}))
    put("cose", "no-alg", sign1(payload, protected={4: b"k"}))
    put("cose", "empty-protected", sign1(payload, protected={}))
    put("cose", "twice", sign1(payload, protected={1: -7, 4: b"k"}, unprotected={4: b"k"}))
    put("cose", "x5chain", sign1(payload, unprotected={4: b"kid", 33: b"der"}))
    put("cose", "text-label", sign1(payload, unprotected={"later": [1, 2]}))
    put("cose", "kid-text", sign1(payload, unprotected={4: "kid"}))
    put("cose", "alg-text", sign1(payload, protected={1: "ES256"}))
    put("cose", "array-of-3", cbor2.dumps(cbor2.CBORTag(18, [b"\xa1\x01\x26", {}, payload])))
    put("cose", "no-signature", cbor2.dumps(cbor2.CBORTag(18, [b"\xa1\x01\x26", {}, payload, b""])))


# ---- exports: what somebody altered ----

def exports():
    with open(f"{SEEDS}/export/sound", "rb") as f:
        sound = f.read()
    key, note_line = sound.index(b"key "), sound.index(b"note ")
    at = sound.index(b"\n", note_line) + 1
    size = int(sound[note_line + 5:at - 1])
    start, note, rest = sound[:note_line], sound[at:at + size], sound[at + size:]
    items, stream = [], io.BytesIO(rest)
    while stream.tell() < len(rest):
        items.append(cbor2.load(stream))
    hashes, entries = items[0], items[1:]

    def export(name, hashes=hashes, entries=entries, note=note, start=start, tail=b""):
        body = b"".join(cbor2.dumps(x) for x in [hashes, *entries])
        put("export", name, start + b"note %d\n" % len(note) + note + body + tail)

    def altered(i, leaf=None, salt=None, payload=None):
        new = [list(x) for x in entries]
        for k, v in enumerate((leaf, salt, payload)):
            if v is not None:
                new[i][k] = v
        return new

    export("magic", start=b"kith-ledger-export 2\n" + start[key:])
    export("no-key", start=sound[:key])
    export("keys-33", start=sound[:key] + sound[key:sound.index(b"\n", key) + 1] * 33)
    export("bad-key", start=sound[:key] + b"key nothing\n")
    export("unknown-key", start=sound[:key] + b"key go.example+c6e9a9d9+AbpV5T9EPhJ7UGwTmjYcfVPtDqDOvWSLBzQBIkVtdK3E\n")
    put("export", "no-end", start[:-1])
    put("export", "note-of-x", start + b"note x\n" + note)
    put("export", "note-too-long", start + b"note 99999\n" + note)
    export("note-no-checkpoint", note=b"one\ntwo\nthree\n" + note[note.index(b"\n\n") + 1:])
    export("note-no-note", note=b"text\n")
    export("hashes-cut", hashes=hashes[:-1])
    export("hash-altered", hashes=bytes(32) + hashes[32:])
    export("leaf-altered", entries=altered(0, leaf=entries[0][0][:-1] + b"\x00"))
    export("leaf-no-entry", entries=altered(0, leaf=b"\xa0"))
    export("payload-altered", entries=altered(0, payload=b"\x80"))
    export("erased", entries=[[x[0], None, None] for x in entries])
    export("half-erased", entries=[[x[0], None, x[2]] for x in entries])
    export("missing", entries=entries[:-1])
    export("tail", tail=b"\x00")
    export("altered-then-missing", hashes=bytes(32) + hashes[32:], entries=entries[:-1])


# ---- entries: each part in its forms, and what is one step beside them ----

def entries():
    zero = bytes(32)
    fields = {1: "operator:alice", 2: "dev_1", 3: "active", 4: "suspended", 5: "why", 6: -5}
    change = [2, ["dev_1"], zero]
    leaf = [1, 1, 1700000000000, 62, zero, None]
    for name, part in (("leaf", leaf), ("leaf-ref", leaf[:5] + [zero]), ("leaf-version", [2] + leaf[1:]),
                       ("leaf-node-0", [1, 0] + leaf[2:]), ("leaf-ref-short", leaf[:5] + [b"x"]),
                       ("payload", [fields, [change]]), ("payload-alone", [fields, []]),
                       ("payload-keys", [{}, [[35, [1, "device", -2, b"x", None], None], change]]),
                       ("payload-no-key", [{}, [[2, [], zero]]]), ("payload-key-map", [{}, [[2, [{}], zero]]]),
                       ("payload-hash-short", [{}, [[2, [1], b"x"]]]), ("payload-no-map", [[], []]),
                       ("fields", fields), ("fields-less", {1: "x"}), ("fields-more", {**fields, 99: 1}),
                       ("fields-type", {**fields, 2: 1}), ("fields-flag", {1: "a", 2: b"\0" * 32, 3: True})):
        put("entry", name, cbor2.dumps(part, canonical=True))


def notes():
    sig = "\u2014 log rYx3xc4om+V6sFf2kZ+8U2pC77pmesvLp7ot0eS7bySmP1UikOMYtZ41oT6GDPZyxo5FFYa1gkoA877ubW1UJ37ZtwI=\n"
    root = "bjmd8eGz0MRY7ndQqMnkSoL9DHwQcP6WMoD0zOyxnqM=\n"
    for name, text in (("text-empty", "\n\n" + sig), ("no-signature", "a\n\n"), ("control", "a\x01\n\n" + sig),
                       ("sigs-65", "a\n\n" + sig * 65), ("no-dash", "a\n\n- log x\n"), ("no-line-end", "a\n\n" + sig[:-1]),
                       ("name-space", "a\n\n" + sig.replace("log", "l\u2003g")), ("no-empty-line", "a\n" + sig),
                       ("name-nbsp", "a\n\n" + sig.replace("log", "l\u00a0g")), ("bad-base64", "a\n\n\u2014 log rYx3=xc\n"),
                       ("no-origin", "\n1\n" + root + "\n" + sig), ("size-01", "o\n01\n" + root + "\n" + sig),
                       ("size-2-64", "o\n18446744073709551616\n" + root + "\n" + sig),
                       ("root-short", "o\n1\nbjmd\n\n" + sig), ("extension", "o\n1\n" + root + "more\nlines\n\n" + sig),
                       ("extension-empty", "o\n1\n" + root + "\nmore\n\n" + sig),
                       ("vkey-type-9", "log+01020304+CW/YUUgDCZ6Bsi72HwU5caITb9dN3FoHyyH2FfHVwoLv")):
        put("note", name, text.encode())
    put("note", "too-long", b"a" * 65536 + b"\n")


# ---- statements: an entry in a tree of its own, signed by the key that the target trusts ----

class Stated:
    """A device that is gone, two entries behind another: all that a statement has, each part to be another one."""
    salt, kind, index, size = bytes(range(16)), 62, 2, 3
    fields = {1: "operator:alice", 2: "dev_1", 3: "active", 4: "revoked", 5: "why"}
    magic, tail = b"c2sp.org/tlog-proof@v1\n", b""
    path = [hashlib.sha256(b"the other two").digest()]
    extra = leaf = index_line = note = None

    def __init__(self, **parts):
        for name, value in parts.items():
            setattr(self, name, value)

    def write(self):
        payload = cbor2.dumps([self.fields, []], canonical=True)
        committed = hashlib.sha256((self.salt or b"") + payload).digest()
        leaf = self.leaf or cbor2.dumps([1, 1, 1700000000000, self.kind, committed, None])
        root = hashlib.sha256(b"\1" + self.path[0] + hashlib.sha256(b"\0" + leaf).digest()).digest() if self.path else bytes(32)
        extra = self.extra or cbor2.dumps([leaf, self.salt, payload if self.salt else None])
        key = hashlib.sha256(b"log\n\1" + bytes(range(32))).digest()[:4]
        note = self.note or b"log\n%d\n%s\n\n\xe2\x80\x94 log %s\n" % (
            self.size, base64.b64encode(root), base64.b64encode(key + bytes(64)))
        lines = [b"extra " + base64.b64encode(extra), self.index_line or b"index %d" % self.index]
        lines += [base64.b64encode(h) for h in self.path] + [b"", note]
        return self.magic + b"\n".join(lines) + self.tail


def statements():
    hashes = [hashlib.sha256(bytes([i])).digest() for i in range(66)]
    for name, parts in (("revoked", {}), ("retired", {"kind": 63, "fields": {**Stated.fields, 4: 1}}), ("of-a-model", {"kind": 1}),
                        ("suspended", {"fields": {**Stated.fields, 4: "suspended"}}), ("to-long", {"fields": {**Stated.fields, 4: "r" * 40}}),
                        ("to-nothing", {"fields": {**Stated.fields, 4: ""}}), ("no-device", {"fields": {4: "revoked"}}),
                        ("erased", {"salt": None}), ("salt-short", {"salt": b"x"}), ("leaf-no-entry", {"leaf": b"\xa0"}),
                        ("leaf-of-another", {"leaf": cbor2.dumps([1, 1, 1700000000000, 62, bytes(32), None])}),
                        ("extra-no-cbor", {"extra": b"\xff"}), ("extra-more", {"extra": b"\x80\x00"}), ("other-magic", {"magic": b"c2sp.org/tlog-proof@v2\n"}),
                        ("no-magic", {"magic": b""}), ("index-01", {"index_line": b"index 01"}), ("index-2-63", {"index_line": b"index %d" % 2**63}),
                        ("no-index", {"index_line": b"indes 2"}), ("index-outside", {"index": 3}), ("place-of-another", {"index": 0}),
                        ("path-empty", {"path": []}), ("path-65", {"path": hashes[:65]}), ("path-66", {"path": hashes}), ("hash-short", {"path": [b"x"]}),
                        ("note-no-note", {"note": b"text\n"}), ("note-no-checkpoint", {"note": b"text\n\n\xe2\x80\x94 log AAAAAAA=\n"}),
                        ("by-another", {"note": b"log\n3\n%s\n\n\xe2\x80\x94 go AAAAAAA=\n" % base64.b64encode(bytes(32))}), ("tail", {"tail": b"\n"})):
        put("statement", name, Stated(**parts).write())
    whole = Stated().write()
    put("statement", "extra-no-base64", whole.replace(b"extra ", b"extra !"))
    put("statement", "no-extra", whole.replace(b"extra ", b"extr "))
    put("statement", "cut-in-path", whole[:whole.index(b"\n\n")])


# ---- the signer ----

def requests():
    nonce, claim = bytes(16), b"a" * 32
    spki = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    facts = [["id", "dev_01jd3z7x9k2m4n6p8q0r2s4t6v"], ["model", "meter"], ["tag:site", "hall 7"]]

    def issue(kind=1, facts=facts, profile="device", tail=()):
        return cbor2.dumps([7, 2, profile, spki, b"", [kind, nonce, AT, claim, b"", b"who"], facts, *tail])

    put("request", "issue", issue())
    put("request", "issue-operator", issue(kind=4, facts=[]))
    put("request", "issue-kind-9", issue(kind=9))
    put("request", "issue-facts-33", issue(facts=[["a", "b"]] * 33))
    put("request", "issue-tail", issue(tail=[1]))
    put("request", "issue-long-profile", issue(profile="x" * 200))
    for name, fields in (("cert", [b"der", 1, bytes(32), "device", "dev_1"]), ("head", [7, bytes(32), [1]]), ("crl", [1, 2, 3, bytes(32)])):
        kind = {"cert": 1, "head": 5, "crl": 6}[name]
        put("request", "record-" + name, cbor2.dumps([kind, 1_700_000_000, *fields]))
        put("request", "record-odd-" + name, cbor2.dumps([kind, 1_700_000_000, *fields[::-1]]))
    put("request", "record-hold", cbor2.dumps([3, 1_700_000_000, bytes(15)]))
    put("request", "status", cbor2.dumps([1, 1]))
    put("request", "revoke", cbor2.dumps([2, 3, [[bytes(15), 1]]]))
    put("request", "type-0", cbor2.dumps([2, 0]))
    put("request", "type-99", cbor2.dumps([2, 99, "x"]))
    put("request", "one-item", cbor2.dumps([2]))
    put("request", "answer", cbor2.dumps([2, 0, b"certificate"]))
    put("request", "answer-status",
        cbor2.dumps([2, 0, "issuing", 7, 1, 70000, b"key", 3, 1 << 20, 2, AT, "healthy", "", -5, "", 6, 1, bytes(32), 4, bytes(32)]))
    put("request", "answer-cut", cbor2.dumps([2, 0, b"certificate"])[:-2])
    put("request", "refusal", cbor2.dumps([2, 1 << 16 | 5, b"what", b"why", b"try"]))
    put("request", "refusal-long", cbor2.dumps([2, 1 << 16 | 5, b"w" * 2000, b"", b""]))
    put("request", "refusal-of-4", cbor2.dumps([2, 7, b"what", b"why"]))


chains()
sans()
feed()
exports()
entries()
notes()
statements()
requests()
