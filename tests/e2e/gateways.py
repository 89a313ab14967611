#!/usr/bin/python3
"""Gateways of two sites on a real platform: what each is told of devices, a device that moves, a directory that goes on where
it was, a gateway that is withdrawn while it listens, and one that falls silent."""
import hashlib
import http.client
import io
import json
import os
import ssl
import threading
import time

import cbor2

from kithtest import Broker, Kith, Mqtt, World, run, say, wait_for

CURSOR, RESUMED, POLICY, DONE, DEVICE, SNAPSHOT = 9, 8, 6, 5, 4, 1


CA_INSTALLED, GATEWAY_SILENT, LEDGER_EXPORTED = 10, 53, 115


def connect(k, name):
    ctx = ssl.create_default_context(cafile=k.root_pem)
    ctx.load_cert_chain(k.w.path(name + "/cert.pem"), k.w.path(name + "/key.pem"))
    return http.client.HTTPSConnection("localhost", k.tls_port, timeout=30, context=ctx)


class Listener:
    """A gateway that takes the feed and remembers every byte."""

    def __init__(self, k, name, query=""):
        self.http = connect(k, name)
        self.http.request("GET", "/gate/v1/feed" + query)
        self.answer = self.http.getresponse()
        self.status, self.raw, self.ended_at = self.answer.status, b"", None
        if self.status == 200:
            self.thread = threading.Thread(target=self.listen, daemon=True)
            self.thread.start()
        else:
            self.raw = self.answer.read()

    def listen(self):
        try:
            while True:
                part = self.answer.read1(65536)
                if not part:
                    break
                self.raw += part
        except (OSError, ValueError, AttributeError, http.client.HTTPException):  # closed under its reader
            pass
        self.ended_at = time.monotonic()

    def frames(self):
        f, out = io.BytesIO(self.raw), []
        while True:
            head = f.read(4)
            body = f.read(int.from_bytes(head, "big")) if len(head) == 4 else b""
            if not body or len(body) < int.from_bytes(head, "big"):
                return out
            out.append(cbor2.loads(body))

    def kinds(self):
        return [f[0] for f in self.frames()]

    def directory(self):
        """{device id: model} as a gateway has it."""
        out = {}
        for f in self.frames():
            if f[0] == DEVICE:
                out.pop(f[1], None)
                if not f[6]:
                    out[f[1]] = f[3]
        return out

    def cursor(self):
        return [f[1] for f in self.frames() if f[0] == CURSOR][-1].hex()

    def ready(self):
        wait_for(lambda: CURSOR in self.kinds() or RESUMED in self.kinds(), "the directory")
        return self

    def close(self):
        try:
            self.http.sock.shutdown(2)
        except (OSError, AttributeError):
            pass
        self.http.close()


def add_gateway(k, name, site):
    k.kith("gateway", "add", name, "--out", k.w.path(name), *(["--site", site] if site else []))


def each_gets_its_sites_devices(k, north, south, all_sites):
    assert north["id"] in all_sites.directory() and south["id"] in all_sites.directory()
    at_north, at_south = Listener(k, "n1").ready(), Listener(k, "s1").ready()
    assert set(at_north.directory()) == {north["id"]}, at_north.directory()
    assert set(at_south.directory()) == {south["id"]}, at_south.directory()
    return at_north, at_south


def a_device_moves(k, north, south, at_north, at_south, elsewhere):
    k.must("POST", f"/v1/devices/{north['id']}/tags", {"tags": {"site": "south", "line": "a"}})
    wait_for(lambda: north["id"] in at_south.directory(), "the record at the new site")
    wait_for(lambda: north["id"] not in at_north.directory(), "the removal at the old site")
    k.must("POST", f"/v1/devices/{north['id']}/tags", {"tags": {}})
    wait_for(lambda: north["id"] not in at_south.directory(), "the removal without a site")
    k.must("POST", f"/v1/devices/{north['id']}/tags", {"tags": {"site": "north"}})
    wait_for(lambda: north["id"] in at_north.directory(), "the return")
    k.must("POST", f"/v1/devices/{south['id']}/suspend", {"why": "test"})
    wait_for(lambda: south["id"] not in at_south.directory(), "the removal of a device that is suspended")
    k.must("POST", f"/v1/devices/{south['id']}/resume", {"why": "test"})
    wait_for(lambda: south["id"] in at_south.directory(), "its return")
    # What comes last and is theirs comes behind all that was not.
    k.must("POST", f"/v1/devices/{north['id']}/suspend", {"why": "test"})
    wait_for(lambda: north["id"] not in at_north.directory(), "the last removal at the north")
    k.must("POST", f"/v1/devices/{north['id']}/resume", {"why": "test"})
    wait_for(lambda: north["id"] in at_north.directory(), "the last record at the north")
    west = k.add_device("SN-west", tags={"site": "west"})
    k.curl_enrol("west", west)
    wait_for(lambda: west["id"] in elsewhere.directory(), "the record at the third site")
    assert south["id"].encode() not in at_north.raw, "a gateway learned of another site's device"
    for device in (north, south):
        assert device["id"].encode() not in elsewhere.raw, "a gateway of a third site learned of a device"


def the_directory_goes_on(k, north, at_north):
    cursor = at_north.cursor()
    at_north.close()
    same = Listener(k, "n1", "?dir=" + cursor).ready()
    assert RESUMED in same.kinds() and DONE not in same.kinds() and not same.directory(), same.kinds()
    same.close()
    more = k.add_device("SN-N2", tags={"site": "north"})
    k.curl_enrol("n2", more)
    k.stop()
    k.start()
    later = Listener(k, "n1", "?dir=" + cursor).ready()
    wait_for(lambda: more["id"] in later.directory(), "what changed")
    assert DONE not in later.kinds() and north["id"].encode() not in later.raw, "the whole was sent again"
    wait_for(lambda: CURSOR in later.kinds() and later.cursor() != cursor, "the next cursor")
    # Of another site, another history, a future, or nothing at all: the whole.
    wrong_time = cursor[:31] + ("0" if cursor[31] != "0" else "1") + cursor[32:]
    future = cursor[:8] + "ffffffff" + cursor[16:]
    for name, query in (("s1", cursor), ("n1", wrong_time), ("n1", future), ("n1", cursor[2:]), ("n1", "zz")):
        other = Listener(k, name, "?dir=" + query).ready()
        assert DONE in other.kinds() and RESUMED not in other.kinds(), (name, query, other.kinds())
        other.close()
    return later


def ends_when_withdrawn(k, listener, name, act):
    assert listener.ended_at is None
    at = time.monotonic()
    act()
    wait_for(lambda: listener.ended_at, "the end of the feed")
    say(f"withdrawn to feed ended: {1000 * (listener.ended_at - at):.0f} ms")
    again = Listener(k, name)
    assert again.status in (401, 403), again.status
    again.close()


def revoke_certificate_of(k, name):
    serial = run("openssl", "x509", "-in", k.w.path(name + "/cert.pem"), "-noout", "-serial").stdout.strip().split("=")[1]
    k.kith("cert", "revoke", serial.lower())


def the_broker_holds_to_the_site(k, north, n_key, n_pem, south, s_key, s_pem):
    broker = Broker(k, "broker-n", site="north")
    allowed = lambda: broker.publish(north["id"], n_key, n_pem)
    wait_for(allowed, "the device of its site")
    assert not broker.publish(south["id"], s_key, s_pem), "a device of another site was let in"
    session = Mqtt(broker, north["id"], n_key, n_pem)
    k.must("POST", f"/v1/devices/{north['id']}/tags", {"tags": {"site": "south"}})
    wait_for(lambda: session.ended_at, "the end of the session of a device that moved away")
    assert not allowed(), "it came back"
    k.must("POST", f"/v1/devices/{south['id']}/tags", {"tags": {"site": "north"}})
    wait_for(lambda: broker.publish(south["id"], s_key, s_pem), "the device that moved here")


def newest_head(k):
    return k.must("GET", "/v1/status")["feed"]["seq"]


def acknowledge(k, name, seq, status=204):
    c = connect(k, name)
    c.request("POST", "/gate/v1/ack", json.dumps({"seq": seq}), {"Content-Type": "application/json"})
    answer = c.getresponse()
    text = answer.read().decode()
    assert answer.status == status, text
    c.close()
    return text


def what_was_never_made_is_not_acknowledged():
    """A number from nowhere would count its gateway among those that know of every later revocation."""
    with World("gateways-ahead") as w:
        k = Kith(w)
        k.start()
        add_gateway(k, "hasty", None)
        k.add_model("pump")
        d = k.add_device("SN-1")
        k.curl_enrol("SN-1", d)
        wait_for(lambda: newest_head(k), "the first head", 20, 0.1)
        for never in (newest_head(k) + 1000, 2**63 - 1):
            text = acknowledge(k, "hasty", never, 409)
            assert "but the newest is" in text and "acknowledge the head that comes" in text, text
        acknowledge(k, "hasty", newest_head(k))
        p = k.kith("device", "revoke", d["id"], "--why", "lost", "--wait", "--wait-time", "2s", ok=False)
        assert "hasty" in p.stdout + p.stderr, p.stdout + p.stderr
        k.stop()


def who_falls_silent_is_entered_once():
    with World("gateways-silent") as w:
        k = Kith(w)
        k.configure("feed", interval="2s")
        k.start()
        for name in ("mute", "keen"):
            add_gateway(k, name, None)
        wait_for(lambda: newest_head(k), "the first head", 20, 0.1)
        over = threading.Event()

        def be_keen():
            while not over.wait(0.5):
                acknowledge(k, "keen", 1)

        keen = threading.Thread(target=be_keen)
        keen.start()
        silent = lambda: [f for _, _, kind, f in k.entries() if kind == GATEWAY_SILENT]
        try:
            wait_for(silent, "the entry of who is silent", 40, 0.5)
            known = newest_head(k)
            acknowledge(k, "mute", known)
            wait_for(lambda: len(silent()) > 1, "the entry of who is silent again", 40, 0.5)
            then = newest_head(k)
            wait_for(lambda: newest_head(k) > then + 3, "three more heads", 40, 0.1)
        finally:
            over.set()
            keen.join()
        assert [(f["gateway"], f["seq"]) for f in silent()] == [("mute", 0), ("mute", known)], silent()
        k.must_verify()
        k.stop()


def each_ca_and_each_export_is_entered_once(k):
    """Over a start, too; a certificate that is another than the ledger's is entered again."""
    found = lambda kind: [f for _, _, type_, f in k.entries() if type_ == kind]
    names = lambda: [f["ca"] for f in found(CA_INSTALLED)]
    assert names() == ["root", "issuing"], names()
    for f in found(CA_INSTALLED):
        with open(os.path.join(k.dir, "ca", f["ca"] + ".cer"), "rb") as der:
            assert hashlib.sha256(der.read()).digest() == f["digest"], f
    exported = found(LEDGER_EXPORTED)  # twice before this one, which is entered behind its checkpoint
    assert len(exported) == 2 and exported[0]["who"].startswith("local:"), exported
    k.stop()
    k.sql("UPDATE setting SET value = '00' WHERE key = 'ca:issuing'")
    k.start()
    assert names() == ["root", "issuing", "issuing"], names()
    k.must_verify()


def main():
    who_falls_silent_is_entered_once()
    what_was_never_made_is_not_acknowledged()
    with World("gateways") as w:
        k = Kith(w)
        k.start()
        k.add_model("pump")
        north, south = (k.add_device(f"SN-{s}", tags={"site": s}) for s in ("north", "south"))
        n_key, n_pem = k.curl_enrol("north", north)
        s_key, s_pem = k.curl_enrol("south", south)
        for name, site in (("n1", "north"), ("s1", "south"), ("w1", "west"), ("all", None)):
            add_gateway(k, name, site)
        everything, elsewhere = Listener(k, "all").ready(), Listener(k, "w1").ready()
        at_north, at_south = each_gets_its_sites_devices(k, north, south, everything)
        a_device_moves(k, north, south, at_north, at_south, elsewhere)
        at_north = the_directory_goes_on(k, north, at_north)
        at_south = Listener(k, "s1").ready()
        ends_when_withdrawn(k, at_south, "s1", lambda: k.kith("gateway", "rm", "s1"))
        ends_when_withdrawn(k, at_north, "n1", lambda: revoke_certificate_of(k, "n1"))
        the_broker_holds_to_the_site(k, north, n_key, n_pem, south, s_key, s_pem)
        each_ca_and_each_export_is_entered_once(k)
        k.stop()
        say("ok")


main()
