#!/usr/bin/python3
"""The life of a device, short: a platform is made, a device enrols with curl, speaks to a broker, is revoked while it does,
is cut off and stays out; the ledger has it all and shows a byte that somebody changed.

    first_slice.py [hsm|postgres]      on keys in a token; on PostgreSQL"""
import os
import re
import sys
import time

from kithtest import BIN, Broker, Kith, Mqtt, World, flip, run, say, wait_for

CUT_S = 20  # it was told, and did not find out by the next head, a minute later; the bench holds it to one second


def init_words(w, variant):
    if variant == "hsm":
        return w.softhsm()
    if variant == "postgres":
        return ["--database", w.postgres()]
    return []


def says_that_the_database_is_new(k):
    """An empty one is no obstacle: a start makes its tables."""
    p = k.rehearse()
    assert p.returncode == 0 and "warning[store-empty]: [store] database: the database is empty" in p.stderr and "error" not in p.stderr, p.stderr


def tells_what_it_made(k, variant):
    assert re.fullmatch("[0-9a-f]{64}", k.made["root_sha256"]), k.made
    digest = run("openssl", "x509", "-in", k.root_pem, "-noout", "-fingerprint", "-sha256").stdout.split("=")[1]
    assert digest.strip().replace(":", "").lower() == k.made["root_sha256"]
    status = k.must("GET", "/v1/status")
    assert status["ready"] and status["url"] == k.url, status
    wait_for(lambda: all(s["connected"] for s in k.must("GET", "/v1/status")["signers"]), "both signers in the status")


def no_child_has_a_capability(k):
    """Whoever starts kithd: what talks to the network and what holds keys is root in name only."""
    for name, pid in k.pids().items():
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/status") as f:
                sets = dict(line.split(":\t") for line in f.read().splitlines() if line.startswith("Cap"))
            left = {s for s, v in sets.items() if int(v, 16) and (s != "CapBnd" or os.getuid() == 0)}
            assert len(sets) == 5 and not left, (name, sets)


def certificate_is_good(k, device, pem):
    run("openssl", "x509", "-inform", "DER", "-in", k.dir + "/ca/issuing.cer", "-out", k.w.path("issuing.pem"))
    run("openssl", "verify", "-CAfile", k.root_pem, "-untrusted", k.w.path("issuing.pem"), "-purpose", "sslclient", pem)
    shown = k.must("GET", "/v1/devices/" + device["id"])
    assert shown["state"] == "active" and len(shown["certificates"]) == 1, shown
    text = run("openssl", "x509", "-in", pem, "-noout", "-serial").stdout
    assert text.strip().split("=")[1].lower().lstrip("0") == shown["certificates"][0]["serial"].lstrip("0"), text


def is_cut_off(k, broker, device, key, pem, others):
    session = Mqtt(broker, device["id"], key, pem)
    session.subscribe(f"kith/{device['id']}/#")
    session.publish(f"kith/{device['id']}/temperature", b"21.5")
    at = time.monotonic()
    answer = k.must("POST", f"/v1/devices/{device['serial']}/revoke", {"reason": "keyCompromise", "wait_ms": 20000})
    answered = time.monotonic()
    wait_for(lambda: session.ended_at, "the end of the live session", CUT_S)
    say(f"revoked to session gone: {1000 * (session.ended_at - at):.0f} ms; "
        f"to all gateways having acknowledged: {1000 * (answered - at):.0f} ms")
    assert session.ended_at - at < CUT_S
    assert answer["gateways"] == {"silent": [], "acknowledged": 1}, answer
    cannot_return(k, broker, device, key, pem)
    assert all(o.ended_at is None for o in others), "another device was cut off too"


def cannot_return(k, broker, device, key, pem):
    for _ in range(2):
        assert not broker.publish(device["id"], key, pem), "it came back"
    hello = k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"}, pem, key)
    assert hello.status in (401, 403), hello
    with open(k.w.path("unit1.csr"), "rb") as f:
        csr = f.read()
    again = k.enrol(csr, device["id"], device["claim"])
    assert again.status == 403 and again.code == "tombstone", again
    again = k.enrol(csr, verb="simplereenroll", cert=pem, key=key)
    assert again.status in (401, 403), again
    new_claim = k.api("POST", f"/v1/devices/{device['id']}/token", {})
    assert new_claim.status in (403, 409), new_claim


def ledger_holds(k, device):
    names = [e["type"] for e in k.history(device["id"])]
    for wanted in ("device.added", "cert.issued", "device.state", "cert.revoked"):
        assert wanted in names, f"{wanted} not in {names}"
    path = k.export()
    code, ours, theirs = k.check_export(path)
    assert code == 0, ours + theirs
    say(theirs.strip())
    with open(path, "rb") as f:
        data = f.read()
    # A letter of the device's own name, in the payload of the entry that added it.
    at = data.index(device["serial"].encode())
    code, ours, theirs = k.check_export(flip(path, path + ".flipped", at))
    assert code == 6, ours + theirs
    named = re.search(r"entry (\d+)", theirs).group(1)
    assert re.search(rf"\bentry {named}\b", ours), f"ours does not name entry {named}:\n{ours}"
    say(f"one bit turned in byte {at}: found in entry {named}")


def storage_of(k, device):
    return next((e["fields"]["storage"], e["fields"]["evidence"]) for e in k.history(device) if e["type"] == "cert.issued")


def enrols_by_one_token(k, broker):
    """What the quick start says: the token that one command prints is what the other reads."""
    token = k.kith("device", "add", "--model", "pump", "--serial", "SN-0099", "--token").stdout
    assert re.fullmatch(r"kith1_[A-Za-z0-9_-]+\n", token), token
    state = k.w.path("agent")
    run(os.path.join(BIN, "kith-agent"), "enroll", "--dir", state, input=token)
    device = k.kith_json("device", "show", "SN-0099")
    assert device["state"] == "active", device
    assert storage_of(k, device["id"]) == ("file", "declared"), "where the agent says that its key is"
    assert broker.publish(device["id"], state + "/current/key.pem", state + "/current/cert.pem")
    again = run(os.path.join(BIN, "kith-agent"), "enroll", "--dir", state + "2", "--wait", "0", input=token, ok=False)
    assert again.returncode == 6 and "claim" in again.stderr, again.stderr


def finds_an_edited_row(k, variant, device):
    code, said = k.check_database()
    assert code == 0, said
    k.sql(f"UPDATE device SET owner = 'thief' WHERE id = '{device['id']}'")
    code, said = k.check_database()
    assert code == 6 and device["id"] in said, f"an edited row is not named: {said}"
    say("edited row: " + next(line for line in said.split("\n") if device["id"] in line))


def notices_another_writer(k):
    """Another server, of a copied directory say, wrote as this node: nothing is written any more, and who asks is told."""
    device = k.add_device("SN-0100")
    k.sql("INSERT INTO entry SELECT pos + 1, time_ms, type, leaf, salt, payload FROM entry ORDER BY pos DESC LIMIT 1")
    a = k.api("POST", f"/v1/devices/{device['id']}/suspend", {"why": "test"})
    assert a.code == "store-writer", a
    a = k.api("GET", "/readyz")
    assert a.status == 503 and b"store-writer" in a.body, a
    say("another writer: " + next(line for line in a.body.decode().split("\n") if "store-writer" in line))


def main():
    variant = sys.argv[1] if len(sys.argv) > 1 else "file"
    with World("first-" + variant) as w:
        k = Kith(w, *init_words(w, variant))
        if variant == "postgres":
            says_that_the_database_is_new(k)
        k.start()
        tells_what_it_made(k, variant)
        no_child_has_a_capability(k)
        k.add_model("pump")
        device, other = k.add_device("SN-0001"), k.add_device("SN-0002")
        key, pem = k.curl_enrol("unit1", device)
        other_key, other_pem = k.curl_enrol("unit2", other)
        certificate_is_good(k, device, pem)
        assert storage_of(k, device["id"]) == ("unknown", "none"), "curl said nothing"
        broker = Broker(k)
        assert broker.publish(device["id"], key, pem), "mosquitto_pub is refused"
        assert not broker.publish(device["id"], key, pem, topic=f"kith/{other['id']}/x"), "it publishes as another"
        typo = k.api("PUT", "/v1/topics", {"text": "publsh kith/%i/#\n"})
        assert typo.status == 400 and "publsh" in typo.json["detail"], typo
        with_other = Mqtt(broker, other["id"], other_key, other_pem)
        is_cut_off(k, broker, device, key, pem, [with_other])
        assert broker.publish(other["id"] + "/b", other_key, other_pem, topic=f"kith/{other['id']}/x")
        enrols_by_one_token(k, broker)
        ledger_holds(k, device)
        finds_an_edited_row(k, variant, other)
        if variant == "postgres":
            notices_another_writer(k)
        with_other.close()
        k.stop()
        say("ok")


main()
