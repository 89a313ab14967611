#!/usr/bin/python3
"""What is refused leaves nothing behind, and says what is wrong with which word.

    refused.py"""
import json
import os
import shlex
import sys

from kithtest import BIN, Kith, World, run, timed


def parties_leave_nothing(k):
    """Neither a directory nor a key of somebody whom the platform did not take; a key that was there before stays."""
    k.kith("operator", "add", "alice", "--role", "auditor", "--out", k.w.path("alice"))
    k.kith("gateway", "add", "gate", "--user", "root", "--out", k.w.path("gate"))
    remote = ["--url", f"https://localhost:{k.tls_port}", "--cert", k.w.path("alice/cert.pem"), "--key", k.w.path("alice/key.pem")]
    csr = k.w.path("bob.csr")
    run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", k.w.path("bob.key"),
        "-subj", "/CN=bob", "-out", csr)
    there = k.w.path("there")
    os.mkdir(there, 0o700)
    os.rename(k.w.path("bob.key"), there + "/key.pem")
    os.chmod(there + "/key.pem", 0o600)
    out = k.w.path("out")
    for words, code in (
            (["operator", "add", "alice", "--role", "admin", "--out", out], 5),
            (["operator", "add", "alice", "--role", "admin", "--csr", csr, "--out", out], 5),
            (["operator", "add", "alice", "--role", "admin", "--out", there], 5),
            (["gateway", "add", "gate", "--user", "root", "--out", out], 5),
            (remote + ["operator", "add", "bob", "--role", "admin", "--out", out], 4),
            (["operator", "add", "bob", "--role", "admin", "--url", "https://localhost:1", *remote[2:], "--out", out], 7)):
        p = (run(os.path.join(BIN, "kith"), *words, ok=False, env=k.w.env) if "--url" in words else k.kith(*words, ok=False))
        assert p.returncode == code and "\ntry: " in p.stderr, f"{words}: exit {p.returncode}: {p.stderr}"
        assert not os.path.exists(out), (words, os.listdir(out))
    assert os.listdir(there) == ["key.pem"]
    k.stop()
    p = k.kith("operator", "add", "bob", "--role", "admin", "--out", out, ok=False)
    assert p.returncode == 7 and not os.path.exists(out), p.stderr
    k.start()
    k.kith("operator", "add", "bob", "--role", "auditor", "--out", there)  # by the key that was there
    assert sorted(os.listdir(there)) == ["cert.pem", "key.pem"]


def a_list_may_have_tags(k):
    path = k.w.write("tags.csv", 'serial,tags,tag:floor\nT-1,site=berlin;line=3,2\nT-2,"site=bonn,line=4",\nT-3,,\nT-4,nonsense,\n'
                                 "T-5,floor=1,2\nT-6,site=x/y,\n")
    p = k.kith("device", "add", "--model", "pump", "--from", path, ok=False)
    assert p.returncode == 8, p.stderr
    tags = lambda serial: k.must("GET", "/v1/devices/" + serial)["tags"]
    assert [tags(f"T-{i}") for i in (1, 2, 3, 6)] == [
        {"site": "berlin", "line": "3", "floor": "2"}, {"site": "bonn", "line": "4"}, {}, {"site": "x/y"}]
    with open(path + ".failures") as f:
        told = [json.loads(line) for line in f]
    assert [t["line"] for t in told] == [5, 6] and "NAME=VALUE" in told[0]["detail"] and "twice" in told[1]["detail"], told


def failures_are_in_the_order_of_lines(k):
    """Those that the command finds and those that the server finds, in one batch and in several."""
    rows = ["serial", "too,many", "O-1", "semi;colon", "too,many", "also;bad"]
    rows += [f"P-{i}" for i in range(1500)] + ["too,many", "again;bad"]
    path = k.w.write("order.csv", "\n".join(rows) + "\n")
    p = k.kith("device", "add", "--model", "pump", "--from", path, ok=False)
    assert p.returncode == 8 and "6 failed" in p.stderr, p.stderr
    with open(path + ".failures") as f:
        assert [json.loads(line)["line"] for line in f] == [2, 4, 5, 6, 1507, 1508]
    path = k.w.write("only.csv", "serial\n" + "too,many\n" * 1001)
    p = k.kith("device", "add", "--model", "pump", "--from", path, ok=False)
    with open(path + ".failures") as f:
        assert p.returncode == 8 and [json.loads(line)["line"] for line in f] == list(range(2, 1003))


def lists_are_whole(k):
    """Without --limit all of it, in pages; with it so many: of certificates as of devices."""
    k.add_model("cheap")
    ids = [k.add_device(f"L-{i}", "cheap")["id"] for i in range(3)]
    for id in ids:
        token = k.kith("device", "token", id).stdout
        run(os.path.join(BIN, "kith-agent"), "enroll", "--dir", k.w.path(id), "--wait", "0", input=token, env=k.w.env)
    for noun, list in (("device", "devices"), ("cert", "certificates")):
        have = len(k.kith_json(noun, "ls")[list])
        assert have == k.must("GET", "/v1/status")[list] or noun == "cert" and have >= 3, have
        assert len(k.kith_json(noun, "ls", "--limit", "2")[list]) == 2
        assert len(k.kith(noun, "ls", "--limit", "100000").stdout.splitlines()) >= have
    assert [c["subject"] for c in k.kith_json("cert", "ls", "--subject", ids[0])["certificates"]] == [ids[0]]


def a_serial_number_is_no_id(k):
    """A device is named by either: the one's id as another's serial number would stand for both."""
    id = k.add_device("N-1")["id"]
    a = k.api("POST", "/v1/devices", {"model": "pump", "serial": id})
    assert a.status == 400 and a.code == "name" and a.json["rule"] and a.json["try"], a
    a = k.api("POST", "/v1/devices/batch", json.dumps({"model": "pump", "serial": id}).encode() + b"\n")
    assert a.json["added"] == 0 and a.json["failed"][0]["code"] == "name", a
    k.add_device(id[:-1])  # another form


LONG = 70 * "x"
# command line, exit code, what stands in the answer
LINES = [
    ("", 2, "a command is missing"),
    ("status --key x", 2, "--key needs --url"),
    ("status --pin-file x", 2, "--pin-file needs --key"),
    ("--url https://h --pin-file x init", 2, "--pin-file needs --hsm"),
    ("--key pkcs11:token=none;object=x --module /nope operator request bea", 7, "/nope"),
    ("operator request bea", 2, "--key is missing"),
    ("model add " + LONG, 2, "at most 64"),
    (f"model set pump profile={LONG}", 2, "at most 63"),
    ("gateway add g --site " + LONG, 2, "at most 64"),
    ("operator add " + LONG + " --role admin", 2, "1 to 63"),
    ("anchor add " + LONG + " {D}/ca/root.cer", 2, "at most 63"),
    (f"device add --model {LONG} --serial x", 2, "1 to 64"),
    (f"device claim N-1 --owner {LONG}", 2, "1 to 64"),
    (f"device tags N-1 {LONG}=x", 2, "1 to 64"),
    (f"device ls --model {LONG}", 2, "64 characters"),
    ("gateway rm nobody", 3, "kith gateway ls"),
    ("operator rm nobody", 3, "kith operator ls"),
    ("anchor rm nobody", 3, "kith anchor ls"),
]


def every_refusal_says_why_and_what_to_try(k):
    for line, code, wanted in LINES:
        p = k.kith(*shlex.split(line.replace("{D}", k.dir)), ok=False)
        assert p.returncode == code and wanted in p.stderr and "\ntry: " in p.stderr, f"{line}: exit {p.returncode}\n{p.stderr}"
    assert not [f for f in os.listdir(".") if LONG in f or f == "g"]
    with open(k.w.path("alice/cert.pem")) as f:
        leaf = f.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    for method, path, body, status in (
            ("POST", "/v1/gateways", {"name": "g"}, 400), ("POST", "/v1/operators", {"name": "g", "role": "x"}, 400),
            ("POST", "/v1/anchors", {"name": "a", "certificate": leaf}, 403),
            ("POST", "/v1/devices/nobody/revoke", {}, 404), ("POST", "/v1/devices/N-1/dance", {}, 404),
            ("POST", "/v1/devices/N-1/tags", {}, 400), ("POST", "/v1/devices/N-1/tags", {"tags": {"a": 1}}, 400),
            ("POST", "/v1/devices", {"model": "nope", "serial": "x"}, 404), ("POST", "/v1/models", {"name": "pump"}, 409),
            ("POST", "/v1/devices", {"model": "pump", "serial": "N-1"}, 409), ("GET", "/v1/devices?model=" + LONG, None, 400),
            ("GET", "/v1/devices/N-1/statement", None, 409), ("GET", "/v1/ledger/prove", None, 400),
            ("GET", "/v1/ledger/prove?entry=999999", None, 404)):
        a = k.api(method, path, body)
        assert a.status == status and a.json.get("rule") and a.json.get("try"), f"{method} {path} {body}: {a}"
    k.add_model("valve")
    k.add_device("N-1", "valve")
    a = k.api("GET", "/v1/devices/N-1")
    assert a.status == 409 and a.json["rule"] and a.json["try"], a
    k.kith("device", "retire", k.add_device("N-2")["id"])
    a = k.api("POST", "/v1/devices/N-2/token", {})
    assert a.status == 403 and a.code == "tombstone" and a.json["rule"] and a.json["try"], a
    a = k.api("POST", "/v1/devices/N-2/tags", {"tags": {}})
    assert a.status == 403 and a.code == "tombstone" and a.json["rule"] and a.json["try"], a


def main():
    with World("refused") as w:
        os.chdir(w.dir)
        k = Kith(w)
        k.start()
        k.add_model("pump")
        for check in (parties_leave_nothing, a_list_may_have_tags, failures_are_in_the_order_of_lines, lists_are_whole, a_serial_number_is_no_id,
                      every_refusal_says_why_and_what_to_try):
            timed(check, k)
        k.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
