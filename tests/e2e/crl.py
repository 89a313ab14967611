#!/usr/bin/python3
"""CRLs over HTTP, at the URL that stands in the certificates: they say what is revoked and what is on hold as it is now, their
number only rises, openssl verifies them, and a list that waits for the signer holds up nobody else."""
import os
import re
import signal
import sys
import threading
import urllib.error
import urllib.request

from kithtest import Kith, World, run, say, wait_for


def crl_url(pem):
    text = run("openssl", "x509", "-in", pem, "-noout", "-ext", "crlDistributionPoints").stdout
    return re.search(r"URI:(\S+)", text).group(1)


def serial_of(pem):
    return run("openssl", "x509", "-in", pem, "-noout", "-serial").stdout.strip().split("=")[1].upper().lstrip("0")


def get(url, seconds=20):
    with urllib.request.urlopen(url, timeout=seconds) as answer:
        return answer.read()


class List:
    """What a CRL says: {serial: reason or None}."""

    def __init__(self, k, url):
        path = k.w.path("list.crl")
        with open(path, "wb") as f:
            f.write(get(url))
        checked = run("openssl", "crl", "-inform", "DER", "-in", path, "-CAfile", k.w.path("cas.pem"), "-noout", "-text")
        assert "verify OK" in checked.stderr + checked.stdout, checked.stderr
        text = checked.stdout
        self.number = int(re.search(r"X509v3 CRL Number:\s*\n\s*(0x[0-9A-Fa-f]+|\d+)", text).group(1), 0)
        assert url in text, "issuingDistributionPoint is another: " + text
        self.entries = {}
        for part in text.split("Serial Number: ")[1:]:
            reason = re.search(r"CRL Reason Code:\s*\n\s*(.+)", part.split("Serial Number: ")[0])
            self.entries[part.split()[0].lstrip("0")] = reason.group(1).strip() if reason else None


def says_what_is(k, url, a, b):
    first = List(k, url)
    assert first.entries == {}, first.entries
    assert List(k, url).number == first.number, "a list was made anew though nothing changed"
    k.must("POST", f"/v1/devices/{a['id']}/suspend", {})
    held = List(k, url)
    assert held.entries == {a["number"]: "Certificate Hold"}, held.entries
    assert held.number > first.number
    # As many on hold as before, and others: counting them would not tell.
    k.must("POST", f"/v1/devices/{a['id']}/resume", {})
    k.must("POST", f"/v1/devices/{b['id']}/suspend", {})
    other = List(k, url)
    assert other.entries == {b["number"]: "Certificate Hold"}, other.entries
    assert other.number > held.number
    k.must("POST", f"/v1/devices/{a['id']}/revoke", {"reason": "keyCompromise"})
    k.must("POST", f"/v1/devices/{b['id']}/revoke", {})
    last = List(k, url)
    assert last.entries == {a["number"]: "Key Compromise", b["number"]: None}, last.entries
    assert last.number > other.number
    return last.number


def openssl_refuses_what_is_on_it(k, pem):
    run("openssl", "crl", "-inform", "DER", "-in", k.w.path("list.crl"), "-out", k.w.path("list.pem"))
    checked = run("openssl", "verify", "-CAfile", k.w.path("cas.pem"), "-crl_check", "-CRLfile", k.w.path("list.pem"),
                  "-partial_chain", pem, ok=False)
    assert checked.returncode != 0 and "revoked" in checked.stderr, checked.stderr


def goes_on_after_a_restart(k, url, number):
    k.stop()
    k.start()
    again = List(k, url)
    assert again.number > number and len(again.entries) == 2, (again.number, number)


def waits_alone(k, url):
    """While the signer stands still lists are asked for; whoever wants something else is answered."""
    signer = k.pids()["kith-signer issuing"]
    base, shard = re.fullmatch(r"(.*-)([0-9a-f]{4})\.crl", url).groups()
    got = []

    def ask(n):
        try:
            got.append(len(get(f"{base}{int(shard, 16) + n:04x}.crl", 60)))
        except (OSError, urllib.error.URLError) as e:
            got.append(e)

    askers = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
    os.kill(signer, signal.SIGSTOP)
    try:
        for t in askers:
            t.start()
        wait_for(lambda: k.must("GET", "/v1/status") is not None, "the status")
        for _ in range(20):
            assert get(url.split("/crl/")[0] + "/healthz", 5) == b"ok\n"
        assert all(not isinstance(g, Exception) for g in got), got
    finally:
        os.kill(signer, signal.SIGCONT)
    for t in askers:
        t.join()
    assert len(got) == 8 and all(isinstance(g, int) and g > 100 for g in got), got


def main():
    with World("crl") as w:
        k = Kith(w)
        k.start()
        k.add_model("pump")
        units = [k.add_device(f"SN-{n}") for n in range(2)]
        for n, unit in enumerate(units):
            _, unit["pem"] = k.curl_enrol(f"unit{n}", unit)
            unit["number"] = serial_of(unit["pem"])
        run("openssl", "x509", "-inform", "DER", "-in", k.dir + "/ca/issuing.cer", "-out", w.path("cas.pem"))
        url = crl_url(units[0]["pem"]).replace("localhost", "127.0.0.1")
        assert f":{k.plain_port}/" in url, url
        url = crl_url(units[0]["pem"])
        number = says_what_is(k, url, *units)
        openssl_refuses_what_is_on_it(k, units[0]["pem"])
        goes_on_after_a_restart(k, url, number)
        waits_alone(k, url)
        k.stop()
        say("ok")


if __name__ == "__main__":
    sys.exit(main())
