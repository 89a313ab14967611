#!/usr/bin/python3
"""Database and signers of different times: an older copy of either put back, a journal that was cut.  The start is refused and
enters nothing; `kithd -t`, doctor, the log and /readyz say the same.

    older.py"""
import os
import re
import shutil
import signal

from kithtest import BIN, Kith, World, journal_batches, run, stop, timed, wait_for

CERT = 1  # doc/spec/signer.md


def refused(k, code, *words):
    """How all that can be asked says it; twice, for a start that is refused leaves nothing behind."""
    entries = k.rows("SELECT count(*) FROM entry")
    t = k.rehearse()
    assert t.returncode and t.stderr.count("error[") == 1 and f"error[{code}]" in t.stderr, t.stderr
    what = next(x for x in t.stderr.split("\n") if code in x).partition("database: ")[2]
    assert all(w in what for w in words) and "why: " in t.stderr and "try: " in t.stderr, t.stderr
    doctor = k.kith("doctor", "database", ok=False)
    assert doctor.returncode == 1 and what in doctor.stdout and "try: " in doctor.stdout, doctor.stdout
    for _ in range(2):
        log = f"refused-{len(k.w.logs)}.log"
        daemon = k.w.start(k.kithd(), log)
        wait_for(lambda: re.search(f"code={code} error=.* why=.* try=", k.w.log(log)), "the refusal", 20)
        text = wait_for(k.readyz, "/readyz to answer", 20)
        assert "FAIL ledger" in text and what in text, text
        for words in (("status",), ("device", "add", "--model", "pump", "--serial", "LATER-2")):
            p = k.kith(*words, ok=False)
            assert p.returncode and f"error[{code}]: {what}" in p.stderr, p.stderr
            assert "why: " in p.stderr and "try: " in p.stderr, p.stderr
        doctor = k.kith("doctor", "server", "database", ok=False)
        assert doctor.returncode and doctor.stdout.count(what) == 2, doctor.stdout
        stop(daemon)
        assert k.rows("SELECT count(*) FROM entry") == entries, "a start that was refused entered something"


class PutBack:
    """What is done to the directory within it is undone."""

    def __init__(self, k):
        self.k, self.kept = k, k.w.path("kept")

    def __enter__(self):
        run("cp", "-a", self.k.dir, self.kept)

    def __exit__(self, kind, value, trace):
        if not kind:
            shutil.rmtree(self.k.dir)
            os.rename(self.kept, self.k.dir)


def put_older(k, older, name):
    shutil.rmtree(os.path.join(k.dir, name))
    run("cp", "-a", os.path.join(older, name), os.path.join(k.dir, name))


def an_older_copy_is_refused(k):
    """Of the database, of each signer, and of both; nothing of it while all are of one time."""
    k.stop()
    older = k.w.path("older")
    run("cp", "-a", k.dir, older)
    assert "ok" in run(os.path.join(BIN, "kith"), "--dir", older, "doctor", "database").stdout
    k.start()
    k.add_device("LATER-1")
    k.kith("ledger", "checkpoint")
    k.stop()
    for names, code, words in ((["data"], "store-behind", ["it is an older copy"]),
                               (["signers/issuing"], "journal-behind", ["the issuing signer", "older copy, or was cut"]),
                               (["signers/ledger"], "journal-behind", ["the ledger signer", "older copy, or was cut"]),
                               (["signers/ledger", "signers/issuing"], "journal-behind", ["the issuing signer"])):
        with PutBack(k):
            for name in names:
                put_older(k, older, name)
            refused(k, code, *words)
    with PutBack(k):
        for name in ("data", "signers"):
            put_older(k, older, name)
        k.start()
        k.stop()
    k.start()
    k.must_verify()


def a_journal_that_was_cut_is_refused(k):
    """As a crash would have left it, with the snapshot away: the last checkpoint shows that it was not a crash."""
    for signer in ("issuing", "ledger"):
        k.stop()
        with PutBack(k):
            os.remove(f"{k.dir}/signers/{signer}/state")
            journal = f"{k.dir}/signers/{signer}/journal"
            os.truncate(journal, os.path.getsize(journal) - 70)
            refused(k, "journal-behind", f"the {signer} signer")
        k.start()


def a_lost_snapshot_alone_is_nothing(k):
    k.stop()
    for signer in ("issuing", "ledger"):
        os.remove(f"{k.dir}/signers/{signer}/state")
    k.start()
    k.must_verify()


def what_no_checkpoint_has_yet_is_missed(k):
    """A certificate that was answered in the last moments of a platform that was killed: its entry names it."""
    k.kith("ledger", "checkpoint")
    os.kill(k.pids()["kith-signer ledger"], signal.SIGSTOP)  # no further checkpoint is stored
    k.curl_enrol("cut", k.add_device("CUT-1"))
    k.kill()
    journal, state = (f"{k.dir}/signers/issuing/{name}" for name in ("journal", "state"))
    with PutBack(k):
        if os.path.exists(state):
            os.remove(state)
        os.truncate(journal, max(at for at, records in journal_batches(journal) if any(r[0] == CERT for r in records)))
        refused(k, "journal-behind", "names something that the issuing signer signed")
    k.start()
    k.must_verify()


def a_signer_that_comes_back_older_vouches_for_nothing(k):
    """Under a server that runs: the platform is not ready any more, and says why."""
    k.stop()
    older = k.w.path("older-signer")
    run("cp", "-a", k.dir, older)
    k.start()
    k.kith("ledger", "checkpoint")
    put_older(k, older, "signers/issuing")
    os.kill(k.pids()["kith-signer issuing"], signal.SIGKILL)  # its last act would be a snapshot
    wait_for(lambda: b"FAIL ledger: journal-behind: the database has a checkpoint of" in k.api("GET", "/readyz").body,
             "/readyz to name it", 20, 0.1)
    assert k.api("GET", "/readyz").status == 503
    k.add_device("LATER-3")
    wait_for(lambda: re.search('"no checkpoint" code=journal-behind .*why=', k.w.log("kithd.log")), "the log", 20)
    assert b"FAIL ledger: journal-behind" in k.api("GET", "/readyz").body
    k.kill()


def main():
    with World("older") as w:
        k = Kith(w)
        k.start()
        k.add_model()
        k.curl_enrol("first", k.add_device("FIRST-1"))
        for check in (an_older_copy_is_refused, a_journal_that_was_cut_is_refused, a_lost_snapshot_alone_is_nothing,
                      what_no_checkpoint_has_yet_is_missed, a_signer_that_comes_back_older_vouches_for_nothing):
            timed(check, k)


if __name__ == "__main__":
    main()
