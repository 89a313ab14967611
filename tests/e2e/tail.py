#!/usr/bin/python3
"""Who can write the database and has no key: what is entered while the platform rests, and what becomes of it."""
import hashlib
import os
import sqlite3
import time

import cbor2

from kithtest import Kith, World, timed, wait_for

OPERATOR = 6  # src/store/tables.c
OPERATOR_ADDED, ADOPTED, RAISED, CLEARED, STOPPED = 40, 117, 120, 121, 3


def forge(k):
    """An auditor is made admin, with an entry that has the right form, salt and hashes; the entry's number."""
    db = sqlite3.connect(k.dir + "/data/kith.db")
    pos, = db.execute("SELECT max(pos) FROM entry").fetchone()
    pos, salt = pos + 1, os.urandom(16)
    db.execute("UPDATE operator SET role = 'admin' WHERE name = 'eve'")
    row = db.execute("SELECT name, role, spki, cert_id, added_at FROM operator WHERE name = 'eve'").fetchone()
    h = lambda *parts: hashlib.sha256(b"".join(parts)).digest()
    fields = {1: "local:0", 2: "eve", 3: "admin", 4: "certificate"}
    payload = cbor2.dumps([fields, [[OPERATOR, ["eve"], h(salt, cbor2.dumps(list(row)))]]], canonical=True)
    now = int(time.time() * 1000)
    leaf = cbor2.dumps([1, pos >> 56, now, OPERATOR_ADDED, h(salt, payload), None])
    db.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", (pos, now, OPERATOR_ADDED, leaf, salt, payload))
    db.commit()
    db.close()
    return pos & (1 << 56) - 1


def ready_line(k, name):
    return next(x for x in k.api("GET", "/readyz").body.decode().split("\n") if f" {name}: " in x)


def a_clean_end_leaves_no_tail(k):
    before = k.types()
    k.stop()
    code, said = k.check_database()
    assert code == 0, said
    (last,), = k.rows("SELECT type FROM entry ORDER BY pos DESC LIMIT 1")
    assert last == STOPPED, last
    k.start()
    assert ADOPTED not in k.types()[len(before):]
    assert ready_line(k, "alarms").startswith("ok")


def adopts_loudly(k, end, clean):
    """What was forged behind this end: verify names it, the next start adopts it with an alarm, which the host's user ends."""
    before = k.types().count(CLEARED)
    end()
    seq = forge(k)
    code, said = k.check_database()
    assert code == 6 and "[unsigned]" in said and " 1 findings" in said and "verify again" in said, said
    assert not clean or f"entry {seq} [unsigned]" in said, said
    k.start()
    adopted = [x for x in k.entries() if x[2] == ADOPTED][-1][3]
    assert adopted["first"] <= seq < adopted["first"] + adopted["count"] and adopted["sensitive"] == 1, adopted
    assert not clean or (adopted["first"], adopted["count"]) == (seq, 1), adopted
    digest = bytes(32)
    for leaf, in k.rows(f"SELECT leaf FROM entry WHERE (pos & 0xffffffff) >= {adopted['first']} AND "
                        f"(pos & 0xffffffff) < {adopted['first'] + adopted['count']} ORDER BY pos"):
        digest = hashlib.sha256(digest + leaf).digest()
    assert adopted["digest"] == digest, adopted
    assert RAISED in k.types()
    line = ready_line(k, "alarms")
    assert line.startswith("FAIL") and f"operator.added, entry {seq}" in line, line
    p = k.kith("doctor", ok=False)
    assert p.returncode == 1 and "ledger adopt" in p.stdout, p.stdout
    alarm, = k.kith_json("status")["alarms"]
    assert alarm["name"] == "adopted" and str(seq) in alarm["text"], alarm
    assert ("behind a clean end" in alarm["text"]) == clean, alarm
    assert "adopted" in k.kith("status").stdout
    assert "acknowledged" in k.kith("ledger", "adopt").stderr
    assert k.types().count(CLEARED) == before + 1 and ready_line(k, "alarms").startswith("ok")
    assert "no such alarm" in k.kith("ledger", "adopt").stderr
    assert k.types().count(CLEARED) == before + 1
    k.stop()
    code, said = k.check_database()
    assert code == 0, said
    k.start()


def adopts_loudly_what_was_entered_after_a_clean_end(k):
    adopts_loudly(k, k.stop, True)


def adopts_it_loudly_after_a_kill(k):
    k.kith("ledger", "checkpoint")
    adopts_loudly(k, k.kill, False)


def a_foreign_trigger_is_named(k):
    """It changes what is written, and no row differs from its entry."""
    k.sql("CREATE TRIGGER eve AFTER UPDATE ON operator BEGIN SELECT 1; END")
    code, said = k.check_database()
    assert code == 6 and "operator eve [schema]: trigger" in said and " 1 findings" in said, said
    p = k.rehearse()
    assert p.returncode == 0 and "warning[store-schema]: trigger \"eve\" on \"operator\"" in p.stderr, p.stderr
    p = k.kith("doctor", ok=False)
    assert p.returncode == 1 and "trigger \"eve\" on \"operator\"" in p.stdout, p.stdout
    k.sql("DROP TRIGGER eve")
    code, said = k.check_database()
    assert code == 0, said


def a_forged_checkpoint_stops_no_true_one(k):
    """One that nobody signed, of more entries than there will be."""
    k.stop()
    k.sql("INSERT INTO checkpoint SELECT node, 1000000000, note, made_at FROM checkpoint ORDER BY size DESC LIMIT 1")
    k.start()
    k.add_device("T-forged")
    k.kith("ledger", "checkpoint")
    code, said = k.check_database()
    assert code == 6 and "a checkpoint was made at 1000000000 entries" in said, said
    k.sql("DELETE FROM checkpoint WHERE size = 1000000000")


def newest(k):
    (pos, of_type), = k.rows("SELECT pos, type FROM entry ORDER BY pos DESC LIMIT 1")
    return pos & (1 << 56) - 1, of_type


def cut_is_no_alarm(k):
    """What an honest platform left unsigned is named, and is no reason to stay away; what was adopted of it, if anything was.
    (The issuing signer is the first to sign: there may be no checkpoint yet and nothing to adopt.)"""
    code, said = k.check_database()
    assert (code == 6 and "[unsigned]" in said and " 1 findings" in said) or code == 0, said
    at = newest(k)[0]
    k.start()
    assert ready_line(k, "alarms").startswith("ok")
    adopted = [x[3] for x in k.entries() if x[0] > at and x[2] == ADOPTED]
    assert len(adopted) <= (code == 6), adopted
    return adopted


def a_start_that_is_cut_is_no_alarm(k):
    """After a clean end, before its first checkpoint: what stands behind platform.stopped is the platform's own."""
    for _ in range(20):
        k.stop()
        stopped, of_type = newest(k)
        assert of_type == STOPPED
        k.launch()
        wait_for(lambda: newest(k)[0] > stopped, "platform.started", 20, 0.001)
        k.kill()
        for adopted in cut_is_no_alarm(k):
            if adopted["first"] == stopped + 1:
                return
    raise AssertionError("no start was cut before its first checkpoint")


def what_a_kill_cuts_is_no_alarm(k):
    """The last second of an honest platform."""
    for _ in range(40):
        k.add_device(f"T-{time.monotonic_ns()}")
    k.kill()
    cut_is_no_alarm(k)


def main():
    with World("tail") as w:
        k = Kith(w)
        k.start()
        k.add_model()
        k.kith("operator", "add", "eve", "--role", "auditor", "--out", w.path("eve"))
        for check in (a_foreign_trigger_is_named, a_forged_checkpoint_stops_no_true_one, a_clean_end_leaves_no_tail, a_start_that_is_cut_is_no_alarm,
                      adopts_loudly_what_was_entered_after_a_clean_end, what_a_kill_cuts_is_no_alarm,
                      adopts_it_loudly_after_a_kill):
            timed(check, k)
        k.stop()


if __name__ == "__main__":
    main()
