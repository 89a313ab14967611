#!/usr/bin/python3
"""Channel binding at the EST door (RFC 7030 section 3.5): tls-unique on TLS 1.2, RFC 9266's tls-exporter on TLS 1.3, in the
CSR's challengePassword; wanted where the model says so, checked wherever one is given.  On 1.2 python3's own ssl is the
client, on both channel.c.

    binding.py [PATH OF est_channel]"""
import base64
import http.client
import os
import socket
import ssl
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AttributeOID, NameOID

from kithtest import ROOT, Answer, Kith, World, certs_only, run, say

CHANNEL = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build", "tests", "e2e", "est_channel")
ENROL = "/.well-known/est/simpleenroll"


def csr(challenge=None, key=None):
    b = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")]))
    if challenge is not None:
        b = b.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge)
    return b.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def headers(device):
    basic = base64.b64encode(f"{device['id']}:{device['claim']}".encode()).decode()
    return {"Authorization": "Basic " + basic, "Content-Type": "application/pkcs10"}


class Channel:
    """A connection by channel.c; .binding is its own."""

    def __init__(self, k, version):
        self.p = subprocess.Popen([CHANNEL, str(k.tls_port), k.root_pem, version], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        k.w.running.append(self.p)
        self.binding = self.p.stdout.readline().strip()
        assert len(self.binding) == (16 if version == "1.2" else 44), self.binding

    def enrol(self, device, der):
        body = base64.b64encode(der)
        head = [f"POST {ENROL} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}"]
        head += [f"{n}: {v}" for n, v in headers(device).items()]
        out, _ = self.p.communicate("\r\n".join(head).encode() + b"\r\n\r\n" + body, timeout=30)
        first, _, data = out.partition(b"\r\n\r\n")
        return Answer(int(first.split()[1]), {}, data)


class Tls12:
    """The same by python3's ssl; `session` of an earlier one is resumed."""

    def __init__(self, k, session=None):
        self.context = session.context if session else k.tls()
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        raw = socket.create_connection(("localhost", k.tls_port), timeout=10)
        self.s = self.context.wrap_socket(raw, server_hostname="localhost", session=session and session.s.session)
        assert bool(session) == self.s.session_reused
        self.binding = base64.b64encode(self.s.get_channel_binding("tls-unique"))

    def enrol(self, device, der):
        c = http.client.HTTPConnection("localhost")
        c.sock = self.s
        c.request("POST", ENROL, base64.b64encode(der), headers(device))
        r = c.getresponse()
        return Answer(r.status, r.headers, r.read())


def refused(a):
    assert a.status == 401 and a.code == "channel-binding", a


def taken(a):
    assert a.status == 200, a
    certs_only(a.body)


def binds_each_version(k, devices, kind):
    new = {"1.2 resumed": lambda: Tls12(k, Tls12(k)), "1.2 by python": lambda: Tls12(k), "1.2": lambda: Channel(k, "1.2"),
           "1.3": lambda: Channel(k, "1.3")}[kind]
    dev = next(devices)
    for wrong in (None, b"x", base64.b64encode(bytes(32)), base64.b64encode(bytes(12))):
        refused(new().enrol(dev, csr(wrong)))
    c = new()
    refused(c.enrol(dev, csr(c.binding[:-4])))
    c = new()
    taken(c.enrol(dev, csr(c.binding)))


def refuses_a_request_made_for_another_connection(k, devices):
    """Who stands between takes the device's request from the one and sends it over a connection of his own, claim and all."""
    for of, over in (("1.3", "1.3"), ("1.2", "1.2"), ("1.2", "1.3"), ("1.3", "1.2")):
        dev = next(devices)
        device, relay = Channel(k, of), Channel(k, over)
        assert device.binding != relay.binding
        request = csr(device.binding)
        refused(relay.enrol(dev, request))
        taken(device.enrol(dev, request))  # and the device itself was not hurt by it


def checks_one_that_nobody_asked_for(k):
    dev = k.add_device("FREE-1", "free")
    device, relay = Channel(k, "1.3"), Channel(k, "1.3")
    request = csr(device.binding)
    refused(relay.enrol(dev, request))
    taken(k.enrol(csr(), dev["id"], dev["claim"]))


def wants_it_of_renewals_too(k, devices):
    """The door of a renewal is the same: without one it stays shut."""
    dev = next(devices)
    key, c = ec.generate_private_key(ec.SECP256R1()), Channel(k, "1.3")
    a = c.enrol(dev, csr(c.binding, key))
    taken(a)
    key_file, pem = k.w.key_files("bound", key, certs_only(a.body))
    refused(k.enrol(csr(), verb="simplereenroll", cert=pem, key=key_file))
    attrs = k.https("GET", "/.well-known/est/csrattrs", cert=pem, key=key_file)
    assert b"challengePassword" in run("openssl", "asn1parse", "-inform", "DER", input=base64.b64decode(attrs.body),
                                       text=False).stdout
    k.must("PUT", "/v1/models/bound", {"settings": {"channel_binding": "no"}})
    assert k.enrol(csr(), verb="simplereenroll", cert=pem, key=key_file).status == 200
    assert k.https("GET", "/.well-known/est/csrattrs", cert=pem, key=key_file).body == b"MAA="


def main():
    with World("binding") as w:
        k = Kith(w)
        k.start()
        k.add_model("bound", channel_binding="yes")
        k.add_model("free")
        assert k.api("POST", "/v1/models", {"name": "odd", "settings": {"channel_binding": "maybe"}}).status == 400
        devices = (k.add_device(f"BOUND-{i}", "bound") for i in range(100))
        for kind in ("1.3", "1.2", "1.2 by python", "1.2 resumed"):
            binds_each_version(k, devices, kind)
            say(f"ok binds TLS {kind}")
        refuses_a_request_made_for_another_connection(k, devices)
        say("ok refuses_a_request_made_for_another_connection")
        checks_one_that_nobody_asked_for(k)
        say("ok checks_one_that_nobody_asked_for")
        wants_it_of_renewals_too(k, devices)
        say("ok wants_it_of_renewals_too")
        k.stop()


main()
