#!/usr/bin/python3
"""What was lost, damaged, edited or put back: each start, `kithd -t`, doctor and verify name it, and nothing is signed on it.

    lost.py"""
import datetime
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from kithtest import BIN, ROOT, Kith, World, run, stop, timed, wait_for
from use import three_commands_make_a_device


AT_ONCE_S = 5  # behind it kith says that nothing came


def a_closed_installation_is_no_missing_one(k):
    if os.getuid() != 0:
        return
    program = k.w.path("kith")
    shutil.copy(os.path.join(BIN, "kith"), program)
    os.chmod(k.w.dir, 0o711)
    p = subprocess.run([program, "--dir", k.dir, "status"], capture_output=True, text=True, user=65534, group=65534, extra_groups=[],
                       cwd="/", timeout=20)
    assert p.returncode != 0 and "Permission denied" in p.stderr and "no installation" not in p.stderr, p.stderr
    os.chmod(k.w.dir, 0o700)


def a_ledger_that_cannot_be_read_is_not_empty(k):
    d = k.w.path("unread")
    run(os.path.join(BIN, "kith"), "init", "--dir", d, env=k.w.env)
    with sqlite3.connect(os.path.join(k.dir, "data/kith.db")) as db, sqlite3.connect(d + "/data/kith.db") as copy:
        db.backup(copy)
        copy.execute("ALTER TABLE entry RENAME COLUMN time_ms TO other")
    p = run(os.path.join(BIN, "kith"), "--dir", d, "doctor", "database", env=k.w.env, ok=False)
    assert p.returncode == 1 and "no such column" in p.stdout and "empty" not in p.stdout, p.stdout


def a_lost_database_is_not_begun_anew(k):
    """It is moved away while the platform rests: no new one takes its place, and back in its place all is as it was."""
    k.stop()
    data, away = os.path.join(k.dir, "data"), k.w.path("away")
    os.rename(data, away)
    os.mkdir(data, 0o700)
    t = k.rehearse()
    assert t.returncode == 1 and "error[store-lost]" in t.stderr and "try: put" in t.stderr, t.stderr
    p = k.kith("doctor", "database", ok=False)
    assert p.returncode != 0 and "has issued certificates" in p.stdout, p.stdout
    daemon = k.w.start(k.kithd(), "lost.log")
    wait_for(lambda: "code=store-lost" in k.w.log("lost.log"), "the refusal", 20)
    assert not os.listdir(data), os.listdir(data)
    stop(daemon)
    # An empty file, and one with nothing but the schema in it, are no databases of this platform either.
    file = os.path.join(data, "kith.db")
    begin_anew = sqlite3.connect(os.path.join(away, "kith.db")).execute(
        "SELECT group_concat(sql, ';') FROM sqlite_schema WHERE sql IS NOT NULL").fetchone()[0]
    for script in (None, begin_anew):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
        if script:
            with sqlite3.connect(file) as db:
                db.executescript(script)
                for table in ("schema_version",):
                    rows = sqlite3.connect(os.path.join(away, "kith.db")).execute("SELECT * FROM " + table).fetchall()
                    db.executemany(f"INSERT INTO {table} VALUES ({','.join('?' * len(rows[0]))})", rows)
        size = os.path.getsize(file)
        t = k.rehearse()
        assert t.returncode == 1 and t.stderr.count("error[") == 1 and "error[store-lost]" in t.stderr, t.stderr
        p = k.kith("doctor", "database", ok=False)
        assert p.returncode != 0 and "certificates" in p.stdout and "last copy" in p.stdout, p.stdout
        daemon = k.w.start(k.kithd(), "empty.log")
        wait_for(lambda: "code=store-lost" in k.w.log("empty.log"), "the refusal", 20)
        stop(daemon)
        if not script:
            assert os.path.getsize(file) == size == 0 and os.listdir(data) == ["kith.db"], os.listdir(data)
        os.remove(k.w.path("empty.log"))
    p = k.kith("ledger", "verify", ok=False)
    assert p.returncode != 0 and "init" not in p.stderr, p.stderr
    for name in os.listdir(data):
        os.remove(os.path.join(data, name))
    p = k.kith("ledger", "verify", ok=False)
    assert p.returncode != 0 and "init" not in p.stderr and "last copy" in p.stderr, p.stderr
    os.rmdir(data)
    os.rename(away, data)
    k.start()
    assert k.kith_json("device", "show", "SN-1")["state"] == "active"
    code, said = k.check_database()
    assert code == 0, said


def a_damaged_journal_signs_nothing(k):
    """One bit of what the signer's snapshot stands for."""
    k.stop()
    path, at = os.path.join(k.dir, "signers/issuing/journal"), 300
    assert os.path.exists(os.path.join(k.dir, "signers/issuing/state"))

    def flip():
        with open(path, "r+b") as f:
            f.seek(at)
            b = f.read(1)[0]
            f.seek(at)
            f.write(bytes([b ^ 8]))

    flip()
    t = k.rehearse()
    assert t.returncode != 0 and "error[journal]" in t.stderr and "last copy" in t.stderr, t.stderr
    daemon = k.w.start(k.kithd(), "damaged.log")
    wait_for(lambda: "code=journal" in k.w.log("damaged.log"), "the refusal", 20)

    def says_why():
        try:
            a = k.api("GET", "/readyz")
        except OSError:
            return False
        return a.status == 503 and b"FAIL signer-issuing" in a.body

    wait_for(says_why, "/readyz to name the signer", 20, 0.1)
    stop(daemon)
    flip()
    k.start()


# what is broken, in a shell in the platform's directory; exit code of kithd -t; what it says
FLIP = "python3 -c 'f = open(\"ca/%s.cer\", \"rb+\"); b = bytearray(f.read()); b[-1] ^= 1; f.seek(0); f.write(b)'"
WRONG_KEYS = [
    ("sed -i 's#^ledger_key = .*#ledger_key = file:keys/cosign.key#' kith.conf", 6, "error[key-mismatch]: signer ledger: [ca] ledger_key"),
    ("sed -i 's#^cosign_key = .*#cosign_key = file:keys/ledger.key#' kith.conf", 6, "error[key-mismatch]: signer issuing: [ca] cosign_key"),
    ("sed -i 's#^derive_key = .*#derive_key = file:keys/ledger.key#' kith.conf", 6, "error[key-mismatch]: signer issuing: [ca] derive_key"),
    ("cp keys/cosign.key keys/derive.key", 6, "error[key-mismatch]: signer issuing: [ca] derive_key"),
    ("rm ledger.vkeys", None, "No such file or directory"),
    (FLIP % "issuing", None, "signer issuing: ca/issuing.cer is not what the root signed"),
    (FLIP % "root", None, "signer issuing: ca/root.cer is not what the root signed"),
]

BROKEN = [
    ("head -c 24 /dev/zero | tr '\\0' x > ../D-secrets/passphrase", 4, "error[key-passphrase]: signer issuing"),
    ("echo garbage > keys/ledger.key", 6, "error[key-file]: signer ledger"),
    ("cp keys/cosign.key keys/issuing.key", 6, "is not the certificate of the issuing key"),
    *WRONG_KEYS,
    ("rm signers/ledger/state; printf X | dd of=signers/ledger/journal bs=1 seek=30 conv=notrunc status=none", 1, "error[journal]: signer ledger"),
    ("rm signers/issuing/journal", 1, "error[journal-lost]: signer issuing"),
    ("rm signers/ledger/state; : > signers/ledger/journal", 1, "error[journal-lost]: signer ledger"),
    ("echo '# x' >> profiles/ldevid.profile", 2, "not the file that the roster names"),
    ("rm -f data/kith.db-*; echo nonsense > data/kith.db", None, "[store] database"),
    ("head -c 100 ca/root.cer > ca/issuing.cer", 6, "ca/issuing.cer"),
    ("rm ca/issuing.cer", 3, "error[setup]: issuing certificate"),
    ("echo nonsense > ledger.vkeys", None, "ledger.vkeys"),
    ("head -c 100 ca/root.crl > x; cat x > ca/root.crl; rm x", None, "ca/root.crl"),
    ("cp ca/root.cer ca/root.crl", None, "ca/root.crl"),
    ("chmod 644 signers/issuing/journal", 6, "error[file-mode]: signer issuing"),
    ("chmod 640 keys/ledger.key", 6, "error[file-mode]: [ca] ledger_key"),
    ("echo x > keys/old.key; chmod 644 keys/old.key", 6, "error[file-mode]: key"),
    ("sed -i 's/^origin = .*/origin = other.test/' kith.conf", 2, "[platform] origin: \"other.test\""),
    ("sed -i 's/^origin = /node = 2\\norigin = /' kith.conf", None, "is that of node 1, the configuration says node \"2\""),
    ("sed -i 's#^url = .*#url = ftp://h.test#' kith.conf", 2, "url: \"ftp://h.test\""),
    ("sed -i 's#^url = .*#url = https://my_host:1#' kith.conf", 2, "url: \"https://my_host:1\" is not a URL"),
    ("sed -i 's/^listen = /hostnames = bad_host\\nlisten = /' kith.conf", 2, "[server] hostnames: \"bad_host\""),
    ("sed -i 's/^listen = .*/listen = 127.0.0.1:99999/' kith.conf", 2, "listen: \"127.0.0.1:99999\""),
    ("printf '[feed]\\ninterval = 2h\\n' >> kith.conf", 2, "interval: \"2h\" is not less than valid"),
    ("sed -i 's/^listen = .*/listen = 192.0.2.1:1/' kith.conf", 1, "[server] listen: 192.0.2.1:1"),
    ("sed -i 's/^plain_listen = .*/plain_listen = 127.0.0.1:%(taken)d/' kith.conf", 5, "[server] plain_listen"),
]
if os.getuid() == 0:  # what root may open, and a server without capabilities not
    BROKEN += [
        ("chown 65534 data", None, "[store] database: \""),
        ("chown 65534 ca/root.crl; chmod 600 ca/root.crl", None, "the root's list is of no use: it cannot be read"),
    ]


def a_start_with_wrong_keys_signs_nothing(k):
    """What was signed by another key than auditors hold can never be taken back: the signers do not start at all."""
    k.stop()
    for i, (command, _, wanted) in enumerate(WRONG_KEYS):
        kept, log = k.w.path("right"), f"wrong-{i}.log"
        run("cp", "-a", k.dir, kept)
        run("sh", "-c", command, cwd=k.dir)
        daemon = k.w.start(k.kithd(), log)
        domain = "issuing" if "signer issuing" in wanted else "ledger"
        refused = rf"signer stopped domain={domain} .*" + re.escape(wanted.split(": ")[-1])
        wait_for(lambda: re.search(refused, k.w.log(log)), command, 20)
        stop(daemon)
        assert f"ready domain={domain}" not in k.w.log(log), k.w.log(log)
        shutil.rmtree(k.dir)
        os.rename(kept, k.dir)
    k.start()


def a_rehearsal_names_what_a_start_would_meet(k):
    """kithd -t: each line with its problem; two of them are two problems; nothing is changed by looking."""
    k.stop()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = {"taken": taken.getsockname()[1]}
        for command, code, wanted in BROKEN:
            os.makedirs(k.w.path("kept"), exist_ok=True)
            run("cp", "-a", k.dir, k.dir + "-secrets", k.w.path("kept"))
            run("sh", "-c", command % words if "taken" in command else command, cwd=k.dir)
            p = k.rehearse()
            assert p.returncode and (code is None or p.returncode == code), f"{command}: {p.returncode}\n{p.stderr}"
            assert wanted in p.stderr and re.search(r"\d problems?\n$", p.stderr), f"{command}:\n{p.stderr}"
            assert "try: " in p.stderr or "why: " in p.stderr, p.stderr
            shutil.rmtree(k.dir)
            shutil.rmtree(k.dir + "-secrets")
            for part in os.listdir(k.w.path("kept")):
                os.rename(k.w.path("kept", part), k.w.path(part))
    # SQLite tidies its own files up whenever somebody looks: ledger verify is the judge of those.
    sums = lambda: run("find", k.dir, "-type", "f", "!", "-name", "kith.db*", "-exec", "sha256sum", "{}", "+").stdout
    before = sums()
    p = k.rehearse()
    assert p.returncode == 0 and not p.stderr, p.stderr
    changed = set(sums().split("\n")) ^ set(before.split("\n"))
    assert not changed, changed
    k.start()
    assert k.rehearse().returncode == 0, "its own ports are not in its way"


def a_rehearsal_warns_where_it_would_start(k):
    """Before the offline root has signed, and when the root's list is over, a start is possible: warnings, exit code 0."""
    where = k.w.path("off")
    run(os.path.join(BIN, "kith"), "init", "--dir", where, "--offline-root", "--listen", "127.0.0.1:1", "--plain-listen", "127.0.0.1:2")
    test = lambda d: run(os.path.join(BIN, "kithd"), "-t", "--config", os.path.join(d, "kith.conf"), ok=False, env=k.w.env)
    p = test(where)
    assert p.returncode == 0 and "with warnings" in p.stdout, p.stdout + p.stderr
    assert p.stderr.count("warning[setup]") == 2 and "error" not in p.stderr and "kith ca install" in p.stderr, p.stderr
    list_that_is_over(k)
    p = test(k.dir)
    assert p.returncode == 0 and "ca/root.crl: the list was due to be renewed" in p.stderr, p.stdout + p.stderr
    run(os.path.join(BIN, "kith"), "ca", "crl", "--root-dir", k.dir, env=k.w.env)


def list_that_is_over(k):
    """The next one that the root signs, of last year."""
    root = x509.load_der_x509_certificate(pathlib.Path(k.dir, "ca/root.cer").read_bytes())
    secret = pathlib.Path(k.dir + "-secrets", "passphrase").read_bytes().strip()
    key = serialization.load_pem_private_key(pathlib.Path(k.dir, "keys/root.key").read_bytes(), secret)
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=400)
    ski = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    crl = (x509.CertificateRevocationListBuilder().issuer_name(root.subject).last_update(then)
           .next_update(then + datetime.timedelta(days=30)).add_extension(x509.CRLNumber(2), False)
           .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ski), False)
           .sign(key, root.signature_hash_algorithm))
    pathlib.Path(k.dir, "ca/root.crl").write_bytes(crl.public_bytes(serialization.Encoding.DER))


def open_files_are_refused_at_the_start(k):
    """A key or a passphrase that others may read: kithd -t, the start and each signer say the same, and what to do."""
    k.stop()
    config = os.path.join(k.dir, "kith.conf")
    for path in (os.path.join(k.dir, "keys", "issuing.key"), os.path.join(k.dir + "-secrets", "passphrase")):
        os.chmod(path, 0o644)
        for words in (["kithd", "-t", "--config", config], ["kithd", "--config", config],
                      ["kith-signer", "--check", "--domain", "issuing", "--config", config]):
            p = run(os.path.join(BIN, words[0]), *words[1:], ok=False, env=k.w.env)
            assert p.returncode == 6 and "error[file-mode]" in p.stderr and f"try: chmod 600 {path}" in p.stderr, (words, p.stderr)
        os.chmod(path, 0o600)
    k.start()


def an_edited_model_is_named(k):
    k.stop()
    was = k.rows("SELECT settings FROM model WHERE name = 'pump'")
    k.sql("UPDATE model SET settings = '{' WHERE name = 'pump'")
    k.start()
    for words in (["model", "ls"], ["model", "show", "pump"]):
        p = k.kith(*words, ok=False)
        assert p.returncode and 'model "pump"' in p.stderr and "try: kith ledger verify" in p.stderr, p.stderr
    k.stop()
    k.sql(f"UPDATE model SET settings = '{was[0][0]}' WHERE name = 'pump'")
    k.start()


def a_rehearsal_answers_in_json(k):
    p = k.rehearse("--json")
    assert json.loads(p.stdout) == {"v": 1, "config": os.path.join(k.dir, "kith.conf"), "problems": [], "ok": True, "errors": 0,
                                    "warnings": 0}, p.stdout
    secret = os.path.join(k.dir + "-secrets", "passphrase")
    os.chmod(secret, 0o644)
    p = k.rehearse("--json")
    os.chmod(secret, 0o600)
    said = json.loads(p.stdout)
    assert p.returncode and not said["ok"] and said["errors"] >= 1, (p.returncode, said)
    assert said["problems"][0]["level"] == "error" and said["problems"][0]["code"] == "file-mode" and said["problems"][0]["try"], said
    assert "error[file-mode]" not in p.stderr, p.stderr
    # What server and signers find when they rehearse, too.
    roster = os.path.join(k.dir, "signers/issuing/roster")
    os.rename(roster, roster + ".away")
    with open(roster, "w") as f:
        f.write("nonsense\n")
    p, plain = k.rehearse("--json"), k.rehearse()
    os.rename(roster + ".away", roster)
    said = json.loads(p.stdout)
    assert p.returncode == plain.returncode != 0 and not p.stderr, (p.returncode, plain.returncode, p.stderr)
    assert said["errors"] == len(said["problems"]) == plain.stderr.count("error[") >= 1, (said, plain.stderr)
    for x in said["problems"]:
        assert f"error[{x['code']}]: {x['what']}\n" in plain.stderr and x["try"], (x, plain.stderr)
    assert run(os.path.join(BIN, "kithd"), "--json", "--config", "x", ok=False).returncode == 2


# what somebody does in the database of a platform that rests; what `ledger verify` names
EDITS = [
    ("DELETE FROM setting", "setting"),
    ("DELETE FROM model WHERE name = 'pump'", "pump"),
    ("DELETE FROM device WHERE serial = 'SN-1'", "device"),
    ("DELETE FROM certificate WHERE id = (SELECT min(id) FROM certificate)", "certificate"),
    ("DELETE FROM entry WHERE pos = (SELECT pos FROM entry ORDER BY pos LIMIT 1 OFFSET 7)", "entry 7"),
    ("DELETE FROM tile WHERE level = 0 AND idx = 0", "tile"),
    ("UPDATE tile SET data = zeroblob(length(data)) WHERE level = 0 AND idx = 0", "tile"),
    ("UPDATE entry SET salt = NULL, payload = NULL WHERE pos = (SELECT min(pos) FROM entry)", "entry 0 [erasure]"),
    ("UPDATE log SET origin = 'other.kith/log/01'", "another log"),
]


def what_is_taken_out_of_the_database_is_named(k):
    k.must("PUT", "/v1/topics", {"text": "both kith/%i/#\n"})
    k.w.write("fleet.csv", "serial\n" + "".join(f"F-{i}\n" for i in range(300)))
    k.kith("device", "add", "--model", "pump", "--from", k.w.path("fleet.csv"))
    k.kith("ledger", "checkpoint")
    k.stop()
    code, said = k.check_database()
    assert code == 0 and " entries (0 erased), " in said, said
    report = json.loads(k.kith("--json", "ledger", "verify").stdout)
    with open(os.path.join(ROOT, "doc/spec/ledger.md")) as f:
        listed = [line for line in f if line.startswith("| `")]
    assert listed == [f"| `{x['table']}` | {x['why']} |\n" for x in report["exempt"]], report["exempt"]
    data = os.path.join(k.dir, "data")
    for statement, wanted in EDITS:
        run("cp", "-a", data, k.w.path("kept-data"))
        k.sql(statement)
        code, said = k.check_database()
        assert code == 6 and wanted in said, f"{statement}: exit {code}: {said}"
        shutil.rmtree(data)
        os.rename(k.w.path("kept-data"), data)
    # An entry of tomorrow: the clock was set back.
    k.sql("UPDATE entry SET time_ms = time_ms + 86400000 WHERE pos = (SELECT max(pos) FROM entry)")
    p = k.kith("doctor", "clock", ok=False)
    assert p.returncode == 1 and "last entry is of" in p.stdout and "try: " in p.stdout, p.stdout
    k.sql("UPDATE entry SET time_ms = time_ms - 86400000 WHERE pos = (SELECT max(pos) FROM entry)")
    k.start()


def main():
    with World("lost") as w:
        k = Kith(w)
        k.start()
        three_commands_make_a_device(k)
        for check in (a_closed_installation_is_no_missing_one,
                      a_ledger_that_cannot_be_read_is_not_empty,
                      a_lost_database_is_not_begun_anew,
                      a_damaged_journal_signs_nothing,
                      a_start_with_wrong_keys_signs_nothing,
                      a_rehearsal_names_what_a_start_would_meet,
                      an_edited_model_is_named,
                      a_rehearsal_warns_where_it_would_start,
                      open_files_are_refused_at_the_start,
                      a_rehearsal_answers_in_json,
                      what_is_taken_out_of_the_database_is_named):
            timed(check, k)
        k.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
