#!/usr/bin/python3
"""A stranger uses it: a platform in three commands, slips of the keyboard, answers for programs, and help.

    use.py"""
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time

from est import show_with_second_key
from kithtest import BIN, SOFTHSM, Kith, World, run, say, timed, wait_for


def is_problem(p):
    """What every failure says with --json: one JSON map on stderr, and nothing else there."""
    try:
        said = json.loads(p.stderr)
    except ValueError:
        return False
    return said.get("v") == 1 and set(said["error"]) == {"code", "what", "why", "try"} and said["error"]["what"]


def three_commands_make_a_device(k):
    """init and kithd are done; the third is the first word that the platform hears."""
    p = k.kith("device", "add", "--model", "pump", "--serial", "SN-1", "--token")
    assert re.fullmatch(r"kith1_[A-Za-z0-9_-]+\n", p.stdout), p.stdout
    assert 'model "pump" is new' in p.stderr, p.stderr
    run(os.path.join(BIN, "kith-agent"), "enroll", "--dir", k.w.path("agent"), input=p.stdout)
    assert k.kith_json("device", "show", "SN-1")["state"] == "active"
    assert k.kith_json("model", "show", "pump")["settings"] == {}
    added = [f for _, _, _, f in k.entries() if f.get("model") == "pump" and "settings" in f]
    assert len(added) == 1 and added[0]["who"], added
    code, said = k.check_database()
    assert code == 0, said


def a_slip_makes_no_model(k):
    for serial, name, wanted in [("SN-2", "pmup", 'did you mean "pump"'), ("SN-3", "meter", 'kith model add "meter"')]:
        p = k.kith("device", "add", "--model", name, "--serial", serial, "--token", ok=False)
        assert p.returncode == 3 and wanted in p.stderr and 'model add "' in p.stderr, p.stderr
        assert p.stdout == "", p.stdout
    assert [m["name"] for m in k.kith_json("model", "ls")["models"]] == ["pump"]


def settings_change_one_by_one(k):
    k.kith("model", "set", "pump", "renew_expired_days=30", "quarantine_on_second_key=yes")
    p = k.kith("model", "set", "pump", "renew_expired_days=14")
    assert "before: renew_expired_days=30" in p.stderr, p.stderr
    assert k.kith_json("model", "show", "pump")["settings"] == {
        "quarantine_on_second_key": True, "renew_expired_days": 14}
    k.kith("model", "set", "pump", "--unset", "quarantine_on_second_key")
    assert k.kith_json("model", "show", "pump")["settings"] == {"renew_expired_days": 14}
    for words, code in [(["--unset", "quarantine_on_second_key"], 3), ([], 2), (["renew_expired_days"], 2)]:
        p = k.kith("model", "set", "pump", *words, ok=False)
        assert p.returncode == code and "try: " in p.stderr, p.stderr


# command line, exit code, what stands in the answer
SLIPS = [
    ("ledger ls --type cert.isued", 2, 'did you mean "cert.issued"'),
    ("ledger show abc", 2, "no entry's number"),
    ("ledger prove abc", 2, "no entry's number"),
    ("ledger prove 999999999999999999999", 2, "no entry's number"),
    ("ledger prove 999999999", 3, "the ledger has"),
    ("cert show 999999999999999999999", 3, "999999999999999999999"),
    ("cert show zz", 3, "neither"),
    ("device show ''", 2, "is empty"),
    ("device show", 2, "try: device show DEVICE"),
    ("device show SN-1 SN-2", 2, '"SN-2" is too much'),
    ("device show SN-77", 3, "kith device ls"),
    ("device", 2, "ls, show, history"),
    ("device frobnicate", 2, "ls, show, history"),
    ("device ad", 2, 'did you mean "device add"'),
    ("devise show SN-1", 2, 'did you mean "device show"'),
    ("statsu", 2, 'did you mean "status"'),
    ("device add --model", 2, "--model needs a value"),
    ("device add --model pump --serial", 2, "--serial needs a value"),
    ("device add --modle pump", 2, "did you mean --model"),
    ("device add --model pump --serial ''", 2, "1 to 64 characters"),
    ("device ls --limit many", 2, "not a whole number"),
    ("device ls --state gone", 2, "there are ordered, made,"),
    ("device ls --state clamed", 2, 'did you mean "claimed"'),
    ("device revoke SN-1 --reason bogus", 2, "there are unspecified, keyCompromise"),
    ("device revoke SN-1 --reason certificateHold", 2, "no reason to revoke for good"),
    ("cert revoke 00 --reason supperseded", 2, 'did you mean "superseded"'),
    ("ca crl --root-dir {D} --revoke 00 --reason certificateHold", 2, "no reason to revoke for good"),
    ("operator add bob --role amdin", 2, 'did you mean "admin"'),
    ("device add --model pump --from nope", 3, "or - for standard input"),
    ("inspect {D}", 1, "a regular file"),
    ("device show " + 2000 * "x", 2, "names nothing"),
    ("device claim SN-1", 2, "try: --owner NAME"),
    ("gateway add g --feed-url ftp://x", 2, "try: --feed-url https://HOST"),
    ("gateway add g --user nobody-here", 3, 'no user "nobody-here"'),
    ("operator add bob --role admin --out {D}/bob", 2, "in the directory of a platform"),
    ("help nothing", 2, "no command"),
    ("explain not-fuond", 3, "explain not-found"),
    ("explain zzzzz", 3, "the code that stands in"),
    ("inspect /nowhere", 3, "No such file"),
    ("completion fish", 2, "completion bash"),
    ("model set nix a=1", 3, "nix"),
    ("cert revoke 123456", 3, "not known"),
    ("device add --model pump --serial SN-9 --expires 1h", 2, "--expires needs --token"),
    ("device add --model pump --from x --tags a=b", 2, "--tags and --from exclude each other"),
    ("device add --model pump --serial SN-9 --out x", 2, "--out needs --from"),
    ("device add --model pump --serial SN-9 --failures x", 2, "--failures needs --from"),
    ("device revoke SN-1 --wait-time 1s", 2, "--wait-time needs --wait"),
    ("operator add bob --role admin --csr x --key-type p384", 2, "--csr and --key-type exclude each other"),
    ("gateway config --gate {W}/gate --bind a_b", 2, "try: --bind"),
    ("gateway config --check x --gate y", 2, "--check and --gate exclude each other"),
    ("ca crl --root-dir {D} --reason superseded", 2, "--reason needs --revoke"),
    ("ledger ls --keys x", 2, "--keys needs --export"),
    ("status --cert x", 2, "--cert needs --url"),
    ("anchor add own {D}/ca/root.cer", 6, "is the root of this platform"),
    ("anchor add own {D}/ca/issuing.cer", 6, "is the issuing CA of this platform"),
    ("device add --model pump --serial SN-9 --tags a=b,a=c", 2, "comes twice"),
]


def slips_are_told(k):
    import shlex
    for line, code, wanted in SLIPS:
        line = line.replace("{D}", k.dir).replace("{W}", k.w.path())
        p = k.kith(*shlex.split(line), ok=False)
        assert p.returncode == code and wanted in p.stderr, f"{line}: exit {p.returncode}\n{p.stderr}"
        assert p.stderr.startswith("error[") and "\ntry: " in p.stderr, f"{line}: {p.stderr}"
        for hint in re.findall(r"^try: (.*)$", p.stderr, re.M):
            assert hint == hint.strip() and hint, f"{line}: try: [{hint}]"
        p = k.kith("--json", *shlex.split(line), ok=False)
        assert p.returncode == code and is_problem(p), f"--json {line}: {p.stdout}{p.stderr}"


# Every command with --json, in an order in which each can succeed; {D} the platform, {W} the test's directory.
JSON_LINES = [
    "status", "doctor disk", "doctor --list", "model add valve", "model ls", "model show valve",
    "model set valve renew_expired_days=3", "device add --model pump --serial J-1 --token",
    "device add --model pump --serial J-2", "device add --model pump --from {W}/many.csv --failures {W}/failures",
    "device ls", "device show J-1", "device history J-1",
    "device claim J-1 --owner Waterworks", "device transfer J-1 --owner Harbour", "device suspend J-1", "device resume J-1", "device token J-1", "device tags J-1 site=berlin", "device revoke J-1", "device retire J-2", "device statement J-2",
    "cert ls", "cert show {serial}", "cert revoke {serial}",
    "operator add alice --role auditor --out {W}/alice", "operator ls", "operator rm alice",
    "operator request bea --key pkcs11:token=card;object=bea --module {module} --pin-file {W}/pin",
    "gateway add gate --hostnames localhost --user root --out {W}/gate", "gateway config --gate {W}/gate",
    "gateway config --gate {W}/gate --user root --out {W}/mosquitto.conf", "gateway config --check {W}/mosquitto.conf",
    "gateway ls", "gateway rm gate",
    "ca ls", "ca export root", "ca export issuing --out {W}/issuing.pem",
    "ca init-root --dir {W}/R --name Root", "anchor add maker {W}/R/root.cer --model pump", "anchor ls", "anchor rm maker", "init --dir {W}/D2 --offline-root",
    "ca sign-request {W}/D2/ca/issuing.csr --root-dir {W}/R", "ca sign-request {W}/D2/ca/issuing.csr --root-dir {W}/R --out {W}/s.pem",
    "ca install {W}/s.pem --dir {W}/D2", "ca crl --root-dir {W}/R --out {W}/root.crl",
    "alarm ls", "alarm end {alarm}", "ledger checkpoint", "ledger adopt", "ledger ls --limit 3", "ledger ls --type device.* --who local:0", "ledger show 1", "ledger prove 1", "ledger verify", "ledger export {W}/json.export",
    "ledger verify --export {W}/json.export", "ledger ls --export {W}/json.export --limit 3", "inspect {D}/ca/root.cer", "help", "help device", "help device add",
    "explain io", "explain row-edited", "completion bash", "manual",
]


def no_word_is_swallowed(k):
    """--wait is a flag: what stands behind it is a device, a number too."""
    for serial in ("45", "46"):
        k.kith("device", "add", "--model", "pump", "--serial", serial)
    for act, state in (("suspend", "suspended"), ("resume", "claimed"), ("revoke", "revoked")):
        p = k.kith("device", act, "--wait", "45", "46", "--wait-time", "1s")
        assert p.stdout.count(f" {state}\n") == 2, p.stdout + p.stderr
    for serial in ("45", "46"):
        assert k.kith_json("device", "show", serial)["state"] == "revoked"


def it_may_be_said_twice(k):
    for act, serial in (("suspend", "SN-8"), ("revoke", "45"), ("retire", "SN-8")):
        if act == "suspend":
            k.kith("device", "add", "--model", "pump", "--serial", serial)
        if act != "revoke":
            k.kith("device", act, serial)
        history = k.kith_json("device", "history", serial)
        p = k.kith("device", act, serial)
        assert "already" in p.stderr and p.stdout.split()[1] in ("suspended", "revoked", "retired"), p.stderr
        assert k.kith_json("device", act, serial)["already"] is True
        assert k.kith_json("device", "history", serial) == history, "what was done already is entered again"
    p = k.kith("device", "suspend", "SN-8", ok=False)
    assert p.returncode in (5, 6), p.stderr


def files_that_are_no_such(k):
    for name, text, words, code, wanted in [
            ("empty.csv", "", ["device", "add", "--model", "pump", "--from"], 2, "is empty"),
            ("titles.csv", "serial\n", ["device", "add", "--model", "pump", "--from"], 2, "no device stands in it"),
            ("twice.csv", "serial,serial\nA,B\n", ["device", "add", "--model", "pump", "--from"], 6, 'column "serial" comes twice'),
            ("no.keys", "nonsense\n", ["ledger", "prove", "1", "--keys"], None, "ledger.vkeys")]:
        k.w.write(name, text)
        p = k.kith(*words, k.w.path(name), ok=False)
        assert p.returncode == (code or p.returncode) != 0 and wanted in p.stderr and "try: " in p.stderr, p.stderr


def a_hint_leads_on(k):
    """A serial number of a device that is gone serves no other; one that is there gets a new token."""
    p = k.kith("device", "add", "--model", "pump", "--serial", "45", "--token", ok=False)
    assert p.returncode == 5 and "for good" in p.stderr and "device token" not in p.stderr, p.stderr
    p = k.kith("device", "add", "--model", "pump", "--serial", "SN-1", "--token", ok=False)
    assert p.returncode == 5 and "try: kith device token SN-1" in p.stderr, p.stderr
    used = k.kith_json("device", "add", "--model", "pump", "--serial", "SN-7", "--token")
    enrol = lambda d, ok=True: run(os.path.join(BIN, "kith-agent"), "enroll", "--dir", k.w.path(d), "--wait", "0",
                                   input=used["token"] + "\n", ok=ok)
    enrol("sn7")
    assert "the key that it was used with" in enrol("sn7-other", ok=False).stderr
    assert k.kith("device", "token", "SN-7").stdout.startswith("kith1_")


def a_certificate_is_shown_as_pem(k):
    serial = k.kith_json("device", "show", "SN-1")["certificates"][0]["serial"]
    p = run("openssl", "x509", "-noout", "-serial", input=k.kith("cert", "show", serial).stdout)
    assert p.stdout.lower().strip().endswith(serial), p.stdout


def a_killed_init_goes_on(k):
    """Wherever it is killed: the same command ends what it began."""
    r, went_on, start = random.Random(7), 0, time.monotonic()
    run(os.path.join(BIN, "kith"), "init", "--dir", k.w.path("whole"), env=k.w.env)
    whole = time.monotonic() - start
    for i in range(30):
        d = k.w.path(f"killed-{i}")
        p = subprocess.Popen([os.path.join(BIN, "kith"), "init", "--dir", d], env=k.w.env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        time.sleep(r.uniform(0.05, 1) * whole)
        p.kill()
        if p.wait() == 0:
            continue
        again = run(os.path.join(BIN, "kith"), "init", "--dir", d, env=k.w.env, ok=False)
        assert again.returncode == 0 or "is a Kith installation already" in again.stderr, again.stderr
        went_on += "went on" in again.stdout
        run(os.path.join(BIN, "kith"), "--dir", d, "doctor", "keys", "issuing", env=k.w.env)
    assert went_on, "none was killed on its way"


def a_broken_add_leads_on(k):
    """The platform knows the party, its certificate never came: what is said leads to one."""
    for kind, more in (("gateway", ["--user", "root"]), ("operator", ["--role", "auditor"])):
        d = k.w.path("half-" + kind)
        add = [kind, "add", "half", *more, "--out", d]
        k.kith(*add)
        p = k.kith(*add, ok=False)
        assert p.returncode == 5 and "it is complete" in p.stderr, p.stderr
        with open(d + "/key.pem") as f:
            key = f.read()
        for f in pathlib.Path(d).iterdir():
            if f.name != "key.pem":
                f.unlink()
        p = k.kith(*add, ok=False)
        assert p.returncode == 5 and f"try: kith {kind} rm half" in p.stderr, p.stderr
        k.kith(kind, "rm", "half")
        k.kith(*add)
        with open(d + "/key.pem") as f:
            assert f.read() == key and os.path.exists(d + "/cert.pem")
        k.kith(kind, "rm", "half")


def an_export_without_room_leaves_nothing(k):
    to = k.w.path("no-room.export")
    kith = f"{BIN}/kith --dir {k.dir} ledger export {to}"
    p = run("bash", "-c", f"trap '' XFSZ; ulimit -f 1; exec {kith}", ok=False, env=k.w.env)
    assert p.returncode == 1 and to in p.stderr, p.stderr
    assert not os.path.exists(to) and not os.path.exists(to + ".part")


def an_export_replaces_an_export_only(k):
    of_others, again = k.w.write("of-others", "root:x:0:0\n"), k.w.write("empty", "")
    p = k.kith("ledger", "export", of_others, ok=False)
    assert p.returncode == 5 and "is no export" in p.stderr and "try: " in p.stderr, p.stderr
    with open(of_others) as f:
        assert f.read() == "root:x:0:0\n"
    for _ in range(2):
        k.kith("ledger", "export", again)
    assert os.path.getsize(again) > 1000


def several_alarms_end_at_once(k):
    end = lambda *words, **kw: k.kith("alarm", "end", *words, **kw)
    assert end(ok=False).returncode == end("x", "--all", ok=False).returncode == 2
    for words in (lambda names: names, lambda names: ["--all"]):
        for i in range(3):
            show_with_second_key(k, k.add_device(f"ALARM-{len(words([]))}-{i}"))
        names = [a["name"] for a in k.must("GET", "/v1/alarms")["alarms"]]
        assert len(names) >= 3
        end(*words(names), "--why", "looked at")
        assert not k.must("GET", "/v1/alarms")["alarms"]


def a_gateway_is_its_brokers(k):
    """Root's broker goes on as mosquitto: the directory is given to it, and what keeps it out is named."""
    if os.getuid() != 0:
        return
    gate, conf = k.w.path("given"), k.w.path("given.conf")
    p = k.kith("gateway", "add", "given", "--out", gate)
    assert f"mosquitto may not pass {k.w.dir}: chmod" in p.stderr, p.stderr
    owners = {f.owner() for f in [pathlib.Path(gate), *pathlib.Path(gate).iterdir()]}
    assert owners == {"mosquitto"}, owners
    k.kith("gateway", "config", "--gate", gate, "--out", conf)
    p = k.kith("gateway", "config", "--check", conf, ok=False)
    assert p.returncode == 6 and f"plugin_opt_dir: mosquitto may not read {gate}" in p.stdout, p.stdout
    assert f"{conf}:0" not in p.stdout, p.stdout
    os.chmod(k.w.dir, 0o711)
    k.kith("gateway", "config", "--check", conf)
    os.chown(gate + "/key.pem", 0, 0)
    p = k.kith("gateway", "config", "--check", conf, ok=False)
    assert p.returncode == 6 and "keyfile: mosquitto may not read" in p.stdout, p.stdout
    out = run("timeout", "5", "/usr/sbin/mosquitto", "-c", conf, ok=False)
    assert "ermission denied" in out.stderr, out.stderr
    os.chmod(gate, 0o777)
    out = run("timeout", "5", "/usr/sbin/mosquitto", "-c", conf, ok=False)
    assert "has mode 0777" in out.stderr and "try: chmod go-w " + gate in out.stderr, out.stderr
    os.chmod(gate, 0o700)
    os.chown(gate, 0, 0)
    out = run("timeout", "5", "/usr/sbin/mosquitto", "-c", conf, ok=False)
    assert "chown -R" in out.stderr, out.stderr
    os.chmod(k.w.dir, 0o700)


def tags_and_the_statement(k):
    k.kith("device", "add", "--model", "pump", "--serial", "T-1", "--tags", "site=berlin,line=3")
    k.kith("device", "tags", "T-1", "line=4", "floor=2")
    k.kith("device", "tags", "T-1", "--remove", "floor")
    assert k.kith_json("device", "show", "T-1")["tags"] == {"site": "berlin", "line": "4"}
    assert "berlin" in k.kith("device", "tags", "T-1").stdout
    for words, code, wanted in [(["--remove", "floor"], 3, "no tag"), (["a=1", "a=2"], 2, "comes twice"), (["a"], 2, "NAME=VALUE")]:
        p = k.kith("device", "tags", "T-1", *words, ok=False)
        assert p.returncode == code and wanted in p.stderr, p.stderr
    p = k.kith("device", "statement", "T-1", ok=False)
    assert p.returncode == 5 and "claimed" in p.stderr, p.stderr
    assert "6 h unless set" in k.kith("device", "retire", "T-1").stderr
    assert k.kith("device", "statement", "T-1").stdout.startswith("c2sp.org/tlog-proof@v1\n")


def every_command_answers_in_json(k):
    k.w.write("many.csv", "serial\nJ-3\nJ-4\n")
    k.w.softhsm("card")
    serial = k.kith_json("device", "show", "SN-1")["certificates"][0]["serial"]
    alarm = show_with_second_key(k, k.add_device("J-ALARM"))["name"]
    every = {c["name"] for c in k.kith_json("help")["commands"]}
    done, wrong = set(), []
    for line in JSON_LINES:
        words = [w.format(D=k.dir, W=k.w.dir, serial=serial, module=SOFTHSM, alarm=alarm) for w in line.split(" ")]
        own_dir = "--dir" in words
        p = (run(os.path.join(BIN, "kith"), "--json", *words, ok=False, env=k.w.env) if own_dir
             else k.kith("--json", *words, ok=False))
        done.add(next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in every), line))
        try:
            said = [json.loads(x) for x in p.stdout.splitlines()]
            if p.returncode or not said or any(s.get("v") != 1 for s in said):
                wrong.append(f"{line}: exit {p.returncode}: {p.stdout[:200]} {p.stderr[:300]}")
        except ValueError:
            wrong.append(f"{line}: no JSON: {p.stdout[:100]!r} {p.stderr[:200]}")
    assert not wrong, "\n".join(wrong)
    assert done == every, f"not tried: {every - done}"
    # And each that is refused: by an option that is unknown, and by a platform that is not there.
    for name in sorted(every):
        p = k.kith("--json", *name.split(" "), "--no-such-option", ok=False)
        assert p.returncode == 2 and is_problem(p), f"{name}: {p.stdout}{p.stderr}"


def limits_and_settings_are_told(k):
    """Lists and models: a value that is not taken is a refusal that names what is, never another list."""
    for path in ("/v1/certs?limit=", "/v1/devices?limit="):
        for value in ("100000", "0", "-1", "x", "", "1e3", "99999999999999999999"):
            a = k.api("GET", path + value)
            assert a.status == 400 and a.code == "usage" and "from 1 to " in a.json["detail"] and "limit=" in a.json["try"], (value, a)
        assert k.api("GET", path + "1").status == 200
    assert k.api("GET", "/v1/certs?after=x").status == 400
    p = k.kith("model", "add", "foo", "bar=1", ok=False)
    assert p.returncode == 2 and '"bar"' in p.stderr and "renew_expired_days" in p.stderr and "channel_binding" in p.stderr, p.stderr
    p = k.kith("model", "add", "foo", "profil=ldevid", ok=False)
    assert p.returncode == 2 and 'try: did you mean "profile"?' in p.stderr, p.stderr
    for name in os.listdir(os.path.join(k.dir, "profiles")):
        name, ending = os.path.splitext(name)
        if ending == ".profile" and name != "ldevid":
            p = k.kith("model", "add", "foo", "profile=" + name, ok=False)
            assert p.returncode == 2 and "is not for devices" in p.stderr and "try: profile=ldevid" in p.stderr, (name, p.stderr)
    assert k.kith("model", "show", "foo", ok=False).returncode == 3


def a_serial_number_is_shown_and_taken(k):
    """`ca ls` has what `ca crl --revoke` wants, in either case and with colons."""
    serial = run("openssl", "x509", "-inform", "DER", "-in", k.dir + "/ca/issuing.cer", "-noout", "-serial").stdout.split("=")[1].strip()
    assert re.search(f"serial +{serial.lower()}\n", k.kith("ca", "ls").stdout), k.kith("ca", "ls").stdout
    assert k.kith_json("ca", "ls")["issuing"]["serial"] == serial.lower()
    root = k.w.path("serials")
    run(os.path.join(BIN, "kith"), "ca", "init-root", "--dir", root, "--name", "Root")
    os.makedirs(root + "/issued", exist_ok=True)
    run("cp", k.dir + "/ca/issuing.cer", f"{root}/issued/{serial.lower()}.cer")
    colons = ":".join(serial.upper()[i:i + 2] for i in range(0, len(serial), 2))
    crl = lambda number, ok: run(os.path.join(BIN, "kith"), "ca", "crl", "--root-dir", root, "--revoke", number,
                                 "--out", k.w.path("serials.crl"), ok=ok)
    crl(colons, True)
    said = run("openssl", "crl", "-in", k.w.path("serials.crl"), "-noout", "-text").stdout
    assert serial.upper() in said, said
    assert "in the list already" in crl(serial.upper(), False).stderr
    p = crl("xyz", False)
    assert p.returncode == 2 and '"xyz"' in p.stderr and "try: kith ca ls" in p.stderr, p.stderr
    os.rename(root + "/root.crl", root + "/kept")
    p = crl(serial, False)
    assert p.returncode and "root.crl" in p.stderr and not os.path.exists(root + "/root.crl"), p.stderr


def a_profile_and_a_gateways_state_are_known(k):
    said = k.kith_json("inspect", k.dir + "/profiles/ldevid.profile")["things"][0]
    assert said["type"] == "certificate profile" and said["name"] == "ldevid" and said["version"] >= 1, said
    k.w.write("feed.state", "kith-gate 1 feed\nx")
    assert k.kith_json("inspect", k.w.path("feed.state"))["things"][0]["form"] == "kith-gate 1 feed"


def doctor_takes_the_servers_names(k):
    p = k.kith("doctor", "disk", "server/store", "server/feed")
    assert p.stdout.count("\n") == 3 and "server/store" in p.stdout and "server/feed" in p.stdout, p.stdout
    p = k.kith("doctor", "server/stor", ok=False)
    assert p.returncode == 2 and "try: server/store" in p.stderr, p.stderr


def the_token_is_asked_all_the_time():
    """Its health is not older than the moment that it is told."""
    with World("use-token") as w:
        k = Kith(w, *w.softhsm())
        assert k.rehearse().returncode == 0
        w.write("pin", "000000")
        p = k.rehearse()
        assert p.returncode and "PIN" in p.stderr and p.stderr.count("error[") == 1, p.stderr
        w.write("pin", "135790")
        k.start()
        line = lambda: next(x for x in k.api("GET", "/readyz").body.decode().split("\n") if " token: " in x)
        wait_for(lambda: line().startswith("ok"), "a healthy token")
        assert "healthy since 20" in line(), line()
        os.rename(w.path("tokens"), w.path("gone"))
        at = time.monotonic()
        wait_for(lambda: not line().startswith("ok"), "the loss to be told", 10)
        say(f"token gone: told after {time.monotonic() - at:.1f} s: {line()}")
        assert k.api("GET", "/readyz").status == 503
        p = k.kith("doctor", "token", ok=False)
        assert p.returncode == 1 and "FAIL  token" in p.stdout and "try: " in p.stdout, p.stdout
        os.rename(w.path("gone"), w.path("tokens"))
        wait_for(lambda: line().startswith("ok"), "the token to be back", 40)
        k.stop()


def every_program_says_what_it_is(k):
    """--help and --version, alone and in JSON: nothing has to be given, nothing is started."""
    versions = set()
    for program in ("kith", "kithd", "kith-agent", "kith-server", "kith-signer"):
        said = lambda *words: run(os.path.join(BIN, program), *words, env=k.w.env)
        for words in (["--help"], ["-h"]):
            assert said(*words).stdout.startswith(f"usage: {program} "), said(*words).stdout
        text = said("--version").stdout
        assert text.startswith(program + " "), text
        for words in (["--version", "--json"], ["--json", "--version"]):
            assert json.loads(said(*words).stdout) == {"v": 1, "program": program, "version": text.split()[1]}
        versions.add(text.split()[1])
    assert versions == {k.must("GET", "/v1/status")["version"]}, versions


def main():
    with World("use") as w:
        k = Kith(w)
        k.start()
        for check in (every_program_says_what_it_is, three_commands_make_a_device, a_slip_makes_no_model, settings_change_one_by_one, no_word_is_swallowed, it_may_be_said_twice, files_that_are_no_such, a_hint_leads_on,
                      a_killed_init_goes_on, a_broken_add_leads_on,
                      several_alarms_end_at_once, an_export_without_room_leaves_nothing, an_export_replaces_an_export_only,
                      a_certificate_is_shown_as_pem, a_gateway_is_its_brokers, tags_and_the_statement, slips_are_told, every_command_answers_in_json,
                      
                      limits_and_settings_are_told, a_serial_number_is_shown_and_taken, a_profile_and_a_gateways_state_are_known,
                      doctor_takes_the_servers_names):
            timed(check, k)
        k.stop()
    the_token_is_asked_all_the_time()
    return 0


if __name__ == "__main__":
    sys.exit(main())
