"""A small EST server with faults at will, of Python's own ssl and cryptography, and what the agent's tests share.

It listens on loopback only."""
import base64
import datetime
import hashlib
import http.server
import json
import os
import socketserver
import ssl
import subprocess
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from kithtest import BIN, World, say, timed  # noqa: E402

AGENT = os.path.join(BIN, "kith-agent")
DEVICE = "dev_01jdabcdefghjkmnpqrstvwxyz"
CLAIM = "abcdefghijklmnopqrstuvwxyz234567"
CMC_RA = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.28")  # the platform's own server
GATEWAY = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER


def now():
    return datetime.datetime.utcnow()


def name(cn):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])


def builder(subject, key, issuer, days=30, backdate=86400, seconds=None):
    life = datetime.timedelta(seconds=seconds) if seconds is not None else datetime.timedelta(days=days)
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(now() - datetime.timedelta(seconds=backdate))
            .not_valid_after(now() + life))


def ca(cn, issuer_cert=None, issuer_key=None):
    key = ec.generate_private_key(ec.SECP256R1())
    b = builder(name(cn), key.public_key(), issuer_cert.subject if issuer_cert else name(cn))
    b = b.add_extension(x509.BasicConstraints(True, None), True).add_extension(
        x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
    return b.sign(issuer_key or key, hashes.SHA256()), key


class Platform:
    """What the server knows and does; tests set the fields."""

    def __init__(self):
        self.root, self.root_key = ca("Test Root")
        self.issuing, self.issuing_key = ca("Test Issuing", self.root, self.root_key)
        self.reset()

    def reset(self):
        self.life_s = 3600
        self.pending = self.unavailable = 0  # how many enrolments get 202, or 503
        self.other_key = self.other_ca = self.hello_denied = False
        self.gone = None  # the code of the answer to everybody
        self.binding = None  # "asked": csrattrs says so; "unsaid": only the refusal does
        self.closes = 0  # how many answers of csrattrs are the last on their connection
        self.posts = 0
        self.asked, self.hellos, self.by = [], 0, []
        self.heard = 0  # how many requests came with a secret
        self.claims = {DEVICE: CLAIM}
        self.issued = {}

    def issue(self, csr, expired=False):
        spki = csr.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.asked.append(hashlib.sha256(spki).hexdigest())
        if self.asked[-1] in self.issued and not expired:
            return self.issued[self.asked[-1]]
        key = ec.generate_private_key(ec.SECP256R1()).public_key() if self.other_key else csr.public_key()
        issuer, issuer_key = ca("Other CA") if self.other_ca else (self.issuing, self.issuing_key)
        b = builder(csr.subject, key, issuer.subject, seconds=self.life_s)
        b = b.add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), True)
        b = b.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        cert = b.sign(issuer_key, hashes.SHA256())
        if not self.other_key and not self.other_ca:
            self.issued[self.asked[-1]] = cert
        return cert


PLATFORM = Platform()


class Est(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, kind="text/plain", body=b"", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for k, v in headers.items():
            self.send_header(k.replace("_", "-"), v)
        self.end_headers()
        self.wfile.write(body)

    def problem(self, status, code, detail, **headers):
        self.answer(status, "application/problem+json",
                    json.dumps({"code": code, "detail": detail, "status": status}).encode(), **headers)

    def certs(self, certs):
        body = base64.b64encode(pkcs7.serialize_certificates(certs, DER))
        self.answer(200, "application/pkcs7-mime; smime-type=certs-only", body)

    def do_GET(self):
        if self.path == "/.well-known/est/cacerts":
            return self.certs([PLATFORM.issuing, PLATFORM.root])
        if self.path == "/.well-known/est/csrattrs":
            if PLATFORM.closes:
                PLATFORM.closes -= 1
                self.close_connection = True
            if PLATFORM.binding == "asked":  # among others: an attribute with values, and a bare name
                return self.answer(200, "application/csrattrs", b"MDIGCSqGSIb3DQEJBzASBgcqhkjOPQIBMQcGBSuBBAAiBgcrBgEBAQEWBggqhkjOPQQDAw==")
        self.answer(404)

    def peer(self):
        der = self.connection.getpeercert(True) if isinstance(self.connection, ssl.SSLSocket) else None
        return x509.load_der_x509_certificate(der) if der else None

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        peer = self.peer()
        PLATFORM.heard += "Authorization" in self.headers
        if PLATFORM.gone:
            return self.problem(403, PLATFORM.gone, "device %s is not what it was" % DEVICE)
        if self.path == "/device/v1/hello":
            PLATFORM.hellos += 1
            if not peer or PLATFORM.hello_denied:
                return self.problem(401, "denied", "not known")
            told = {"v": 1, "server_time": now().strftime("%Y-%m-%dT%H:%M:%SZ")}
            return self.answer(200, "application/json", json.dumps(told).encode())
        if self.path.endswith("/simpleenroll"):
            want = "Basic " + base64.b64encode(("%s:%s" % (DEVICE, PLATFORM.claims.get(DEVICE))).encode()).decode()
            if self.headers.get("Authorization") != want:
                return self.problem(401, "claim", "no such claim", WWW_Authenticate='Basic realm="t"')
        elif not self.path.endswith("/simplereenroll") or not peer:
            return self.problem(401, "denied", "nothing shows who asks")
        assert b"\n" not in body and self.headers["Content-Type"] == "application/pkcs10"
        csr = x509.load_der_x509_csr(base64.b64decode(body, validate=True))
        assert csr.is_signature_valid
        PLATFORM.posts += 1
        said = [a.value for a in csr.attributes if a.oid == x509.oid.AttributeOID.CHALLENGE_PASSWORD]
        if PLATFORM.binding:
            if said != [base64.b64encode(self.connection.get_channel_binding("tls-unique"))]:
                return self.problem(401, "channel-binding", "not of this connection")
        else:
            assert said == [], said
        PLATFORM.by.append(self.path.rsplit("/", 1)[1])
        if PLATFORM.unavailable:
            PLATFORM.unavailable -= 1
            return self.problem(503, "unavailable", "later", Retry_After="1")
        if PLATFORM.pending:
            PLATFORM.pending -= 1
            return self.answer(202, Retry_After="1")
        self.certs([PLATFORM.issue(csr)])


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


def serve(backdate=86400, seconds=None, version=None, usages=(ExtendedKeyUsageOID.SERVER_AUTH, CMC_RA), by=PLATFORM):
    """The server, to be shut down, and its URL."""
    key = ec.generate_private_key(ec.SECP256R1())
    b = builder(name("localhost"), key.public_key(), by.issuing.subject, backdate=backdate, seconds=seconds)
    b = b.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    b = b.add_extension(x509.ExtendedKeyUsage(usages), False)
    chain = (b.sign(by.issuing_key, hashes.SHA256()), by.issuing, by.root)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with World("est") as w:
        key_file, pem = w.key_files("server", key, "".join(c.public_bytes(PEM).decode() for c in chain))
        ctx.load_cert_chain(pem, key_file)
    if version:
        ctx.maximum_version = version
    ctx.load_verify_locations(cadata=PLATFORM.root.public_bytes(PEM).decode())
    ctx.verify_mode = ssl.CERT_OPTIONAL
    server = Server(("127.0.0.1", 0), Est)
    server.socket = ctx.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, "https://localhost:%d" % server.server_address[1]


def cbor_text(s):
    head = bytes([0x60 + len(s)]) if len(s) < 24 else bytes([0x78, len(s)])
    return head + s.encode()


def token(url, root=None, claim=CLAIM, device=DEVICE):
    root = root or PLATFORM.root.fingerprint(hashes.SHA256())
    body = b"\x85\x01" + cbor_text(url) + b"\x58\x20" + root + cbor_text(device) + cbor_text(claim)
    return "kith1_" + base64.urlsafe_b64encode(body).rstrip(b"=").decode() + "\n"


def agent(*args, stdin="", want=0, env=None):
    p = subprocess.run([AGENT] + list(args), input=stdin, capture_output=True, text=True, timeout=90, env=env)
    assert p.returncode == want, "%s: exit %d, not %d\n%s%s" % (args, p.returncode, want, p.stdout, p.stderr)
    assert CLAIM not in p.stderr + p.stdout, "the claim was printed"
    return p


def status(state):
    return json.loads(agent("status", "--dir", state, "--json").stdout)


def test_each(w, tests, *args):
    """Calls each with args and a state directory of its own, whatever becomes of the others."""
    failed = []
    for i, test in enumerate(tests):
        PLATFORM.reset()
        try:
            timed(test, *args, w.path("state%d" % i))
        except Exception as e:
            failed.append(test.__name__)
            say("FAIL %s: %s %s" % (test.__name__, type(e).__name__, e))
    assert not failed, failed
