#!/usr/bin/python3
"""EST clients of other people at the doors: strongSwan's `pki`, which speaks TLS 1.2 without extended master secret."""
from cryptography import x509

from kithtest import Kith, World, run, say


class StrongSwan:
    def __init__(self, k):
        self.k, self.url = k, f"https://localhost:{k.tls_port}"

    def pki(self, *words, **kw):
        return run("pki", *words, **kw)

    def request(self, name):
        """A new key and a request for it -> their files."""
        key = self.k.w.write(name + ".key", self.pki("--gen", "--type", "ecdsa", "--size", "256", "--outform", "pem").stdout)
        request = self.k.w.path(name + ".csr")
        der = self.pki("--req", "--type", "ecdsa", "--in", key, "--dn", "CN=ignored", text=False).stdout
        with open(request, "wb") as f:
            f.write(der)
        return key, request

    def est(self, request, *who, ok=True):
        return self.pki("--est", "--url", self.url, "--cacert", self.k.root_pem, "--cacert", self.k.w.path("ca-1.pem"), "--in", request,
                        "--outform", "pem", *who, ok=ok)


def fetches_the_cas(k, swan):
    p = swan.pki("--estca", "--url", swan.url, "--cacert", k.root_pem, "--caout", k.w.path("ca"), "--outform", "pem")
    assert "Root CA cert is trusted" in p.stderr and "Sub CA cert is trusted" in p.stderr, p.stderr


def enrols_and_renews(k, swan):
    dev = k.add_device("SWAN-1")
    key, request = swan.request("first")
    wrong = swan.est(request, "--userpass", dev["id"] + ":" + "a" * 32, ok=False)
    assert wrong.returncode and not wrong.stdout, wrong
    first = swan.est(request, "--userpass", f"{dev['id']}:{dev['claim']}")
    assert "Issued certificate is trusted" in first.stderr, first.stderr
    cert = k.w.write("first.pem", first.stdout)
    _, request = swan.request("second")
    second = swan.est(request, "--cert", cert, "--key", key)
    assert "Issued certificate is trusted" in second.stderr, second.stderr
    serials = {f"{x509.load_pem_x509_certificate(p.stdout.encode()).serial_number:030x}" for p in (first, second)}
    assert {c["serial"] for c in k.must("GET", "/v1/devices/" + dev["id"])["certificates"]} == serials


def main():
    with World("est-clients") as w:
        k = Kith(w)
        k.start()
        k.add_model("pump")
        swan = StrongSwan(k)
        fetches_the_cas(k, swan)
        enrols_and_renews(k, swan)
        k.must_verify()
    say("strongSwan's pki fetches the CAs, enrols and renews")


main()
