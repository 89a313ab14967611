#!/usr/bin/python3
"""Operators that wait for silent gateways stop nobody else, not even the end of the platform; who waits for nothing is told so; an export that cannot be completed is
refused, not handed over."""
import json
import os
import shutil
import signal
import stat
import threading
import time

from est import csr_of, new_key
from kithtest import BIN, Kith, World, run, say, stop, wait_for

STOPPED = 3  # src/model/event_table.h
WAITS = 20  # more than the server has threads for all of its operators


class Waits:
    """Operators that each suspend a device and wait for the gateways."""

    def __init__(self, k, devices, seconds):
        self.k, self.answers = k, []
        self.threads = [threading.Thread(target=self.ask, args=(d, seconds)) for d in devices]
        for t in self.threads:
            t.start()

    def ask(self, device, seconds):
        body = {"why": "test", "wait_ms": 1000 * seconds}
        self.answers.append(self.k.api("POST", f"/v1/devices/{device['id']}/suspend", body, seconds=seconds + 30))

    def join(self):
        for t in self.threads:
            t.join()
        return self.answers


def states(k, devices):
    return {k.must("GET", f"/v1/devices/{d['id']}")["state"] for d in devices}


def acts_before_it_waits(k, devices):
    waits = Waits(k, devices, 10)
    wait_for(lambda: states(k, devices) == {"suspended"}, "all suspensions")
    k.must("GET", "/v1/status")
    assert not waits.answers, "the operators did not wait, so nothing was shown"
    for a in waits.join():
        assert a.status == 200 and a.json["gateways"]["silent"] == ["mute"], a
    # Said again it is not refused, and not taken for done either.
    for _ in range(2):
        p = k.kith("--json", "device", "suspend", devices[0]["id"], "--wait", "--wait-time", "1s", ok=False)
        answer = json.loads(p.stdout)
        assert p.returncode == 8 and answer["already"] and answer["gateways"] == {"silent": ["mute"], "acknowledged": 0}, p.stdout


def takes_requests_again(k, devices):
    """As many as there were threads, one after the other: none of them ended."""
    for _ in range(2):
        for d in devices:
            k.must("POST", f"/v1/devices/{d['id']}/resume", {"why": "test"})
            k.must("POST", f"/v1/devices/{d['id']}/suspend", {"why": "test"})


def ends_in_good_order_meanwhile(k, devices):
    for d in devices:
        k.must("POST", f"/v1/devices/{d['id']}/resume", {"why": "test"})
    waits = Waits(k, devices, 60)
    wait_for(lambda: states(k, devices) == {"suspended"}, "all suspensions")
    k.stop()  # within its time, and with exit 0
    waits.join()
    k.start()
    assert k.types().count(STOPPED) == 1, "no clean end"


def nobody_waits_for_a_server_that_is_stopped(k):
    """Its kernel still takes connections.  Every command gives up in the time of a breath, and says what to look at."""
    k.kith("operator", "add", "ann", "--role", "auditor", "--out", k.w.path("ann"))
    by_url = ["--url", k.url, "--cert", k.w.path("ann/cert.pem"), "--key", k.w.path("ann/key.pem")]
    server = k.pids()["kith-server"]
    os.kill(server, signal.SIGSTOP)
    try:
        for words in (["status"], ["device", "ls"], ["device", "add", "--model", "pump", "--serial", "LATE"]):
            p = k.kith(*words, ok=False, seconds=20)
            assert p.returncode == 7 and "does not answer: nothing came within 5 s" in p.stderr, p.stderr
            assert "why: " in p.stderr and "try: look at the log of kithd" in p.stderr and "timed out" not in p.stderr, p.stderr
        p = run(os.path.join(BIN, "kith"), *by_url, "status", ok=False, env=k.w.env, seconds=20)
        assert p.returncode == 7 and "there is no connection within 5 s" in p.stderr and "try: " in p.stderr, p.stderr
        p = k.kith("doctor", ok=False, seconds=30)
        assert p.returncode == 1 and "FAIL  server " in p.stdout and "nothing came within 5 s" in p.stdout, p.stdout
    finally:
        os.kill(server, signal.SIGCONT)
    wait_for(lambda: k.kith("status", ok=False).returncode == 0, "the answer")


def said(k, part, **outside):
    """What /readyz says of it while it is not ready; None: nothing yet."""
    text = k.readyz(**outside)
    return text if f"FAIL {part}: " in text else None


def nothing_is_told_outside(k, part, path="/v1/status"):
    """Whoever reaches the plain port learns which part it is, and neither a file nor a host of the platform's."""
    text = wait_for(lambda: said(k, part, outside=True), f"{part} to be told outside", 20, 0.1)
    text += wait_for(lambda: k.readyz(outside=True, path=path), "a refusal", 20, 0.1)
    assert "kith doctor, on the platform" in text, text
    for word in (k.dir, "ca/", "data/", "kith.db", "postgresql", "refused"):
        assert word not in text, (word, text)


def is_told(k, part, *words):
    """By /readyz, and in the same words by status and doctor."""
    text = wait_for(lambda: said(k, part), f"{part} to be told", 20, 0.1)
    what = text.split(": ", 1)[1].split("; ")[0]
    p, d = k.kith("status", ok=False), k.kith("doctor", "server", ok=False)
    assert p.returncode and what in p.stderr and "try: " in p.stderr, (text, p.stderr)
    assert d.returncode and what in d.stdout and "try: " in d.stdout, (text, d.stdout)
    for word in words:
        assert word in text, (word, text)
    nothing_is_told_outside(k, part)


def a_lost_certificate_of_the_ca_is_asked_for_as_it_can_be_had(k):
    """No offline root will send this one: /readyz, doctor and kithd -t say to restore it."""
    path = k.dir + "/ca/issuing.cer"
    os.rename(path, path + ".away")
    os.kill(k.pids()["kith-server"], signal.SIGKILL)
    is_told(k, "ca", path, "restore it")
    assert "offline" not in said(k, "ca")
    for p in (k.kith("doctor", "issuing", ok=False), k.rehearse()):
        assert p.returncode and "restore it" in p.stdout + p.stderr and "offline" not in p.stdout + p.stderr, p.stdout + p.stderr
    k.kith("ca", "install", path + ".away")
    k.wait_ready()


def emptied(k, *files):
    for name in files:
        os.truncate(os.path.join(k.dir, name), 0)


def damaged(k, name, at):
    with open(os.path.join(k.dir, name), "r+b") as f:
        whence = os.SEEK_END if at < 0 else os.SEEK_SET
        f.seek(at, whence)
        byte = f.read(1)[0]
        f.seek(at, whence)
        f.write(bytes([byte ^ 8]))


# what is broken while nothing runs; the part; what is said; that it goes on by itself once it is mended
HELD_UP = [
    (lambda k: emptied(k, "ca/root.cer"), "ca", ["ca/root.cer", "restore it"], True),
    (lambda k: emptied(k, "ca/issuing.cer"), "ca", ["ca/issuing.cer", "restore it"], True),
    (lambda k: damaged(k, "ca/root.cer", 0), "ca", ["ca/root.cer", "restore it"], True),
    (lambda k: damaged(k, "ca/issuing.cer", -1), "ca", ["ca/issuing.cer is not what the root signed", "restore ca/issuing.cer"], True),
    (lambda k: emptied(k, "signers/ledger/journal", "signers/ledger/state"), "signer-ledger", ["the ledger signer does not come up", "kithd -t"], True),
    (lambda k: emptied(k, "signers/issuing/journal", "signers/issuing/state"), "signer-issuing", ["the issuing signer does not come up"], True),
    (lambda k: emptied(k, "data/kith.db"), "database", ["kith.db", "put the database back"], False),
]


def a_start_that_is_held_up_says_by_what(k):
    whole = k.w.path("whole")
    k.stop()
    shutil.copytree(k.dir, whole, ignore=shutil.ignore_patterns("run", "*.lock"))
    for broken, part, words, by_itself in HELD_UP:
        broken(k)
        k.launch()
        is_told(k, part, *words)
        server = k.pids()["kith-server"]
        if not by_itself:
            k.stop()
        shutil.copytree(whole, k.dir, dirs_exist_ok=True)
        if not by_itself:
            k.launch()
        k.wait_ready(40)
        assert not by_itself or k.pids()["kith-server"] == server, f"{part}: started again"
        k.stop()
        shutil.copytree(k.dir, whole, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run", "*.lock"))
    k.start()


def started_again(w, postgres):
    back = w.start(postgres.args, "postgres.log", cwd=postgres.args[postgres.args.index("-k") + 1])
    back.end_signal = postgres.end_signal
    return back


def a_database_server_that_goes_away_is_told(k, postgres):
    """By status and doctor though nobody writes, with all that is known without it, and in the log once; with it all is well
    again at once."""
    k.add_model("pump")
    device = k.add_device("AWAY-1")
    time.sleep(2.5)  # nothing is under way any more that would meet it
    stop(postgres)
    says = lambda: next(c["detail"] for c in k.must("GET", "/v1/doctor")["checks"] if c["name"] == "store")
    wait_for(lambda: "connection to server" in says(), "the last thing that was met", 20, 0.2)  # not what it said when it went
    p = k.kith("status")
    assert "\nready          false\n" in p.stdout and "store: store-unavailable: " in p.stdout and "\ndevices " not in p.stdout, p.stdout
    p = k.kith("doctor", ok=False)
    assert p.returncode == 1 and "FAIL  server/store" in p.stdout and "try: " in p.stdout, p.stdout
    nothing_is_told_outside(k, "store", path="/ledger/tile/entries/000.p/1")
    a = k.enrol(csr_of(new_key()), device["id"], device["claim"])
    assert (a.status, a.code) == (503, "store-unavailable") and a.json["rule"] and a.json["try"], a
    assert "postgres" not in a.body.decode() and "/" not in a.json["detail"], a
    log = lambda: k.w.log("kithd.log")
    wait_for(lambda: "no filters of the ledger" in log(), "the log to have it", 20, 0.2)
    time.sleep(3)
    assert log().count('"no filters of the ledger" code=') == 1, log()
    back = started_again(k.w, postgres)
    k.wait_ready(20)
    wait_for(lambda: ' over was="no filters of the ledger"' in log(), "the end of it in the log", 20, 0.2)
    status = k.kith_json("status")
    assert status["ready"] and status["devices"] == 1 and status["alarms"] == [], status
    return back


def a_database_server_that_is_away_is_waited_for(w):
    k = Kith(w, "--database", w.postgres())
    k.start()
    postgres = a_database_server_that_goes_away_is_told(k, w.running[0])
    k.stop()
    stop(postgres)
    k.launch()
    is_told(k, "database", "database server")
    server = k.pids()["kith-server"]
    started_again(w, postgres)
    k.wait_ready()
    assert k.pids()["kith-server"] == server, "started again"
    k.stop()


def sockets_that_somebody_removes_come_back(k):
    """With run/ the files go by which server, signers and command line find each other."""
    shutil.rmtree(k.dir + "/run")
    wait_for(lambda: k.kith("status", ok=False).returncode == 0, "the command line", 20, 0.1)
    k.wait_ready(30)
    pids = k.pids()
    os.kill(pids["kith-signer issuing"], signal.SIGKILL)
    wait_for(lambda: k.pids().get("kith-signer issuing", pids["kith-signer issuing"]) != pids["kith-signer issuing"], "the signer")
    k.curl_enrol("after-run", k.add_device("AFTER-RUN"))
    again = lambda: k.w.log("kithd.log").count("its socket was removed")
    wait_for(lambda: again() >= 3, "all three to be started again")
    assert again() == 3, "who was started again?"
    assert stat.S_IMODE(os.stat(k.dir + "/run").st_mode) == 0o700
    # While nothing can be made there, the platform goes on for all but the command line, and doctor says what is missing.
    device = k.add_device("WITHOUT-RUN")
    shutil.rmtree(k.dir + "/run")
    with open(k.dir + "/run", "x"):
        pass
    wait_for(lambda: "cannot be made again" in k.w.log("kithd.log"), "the word of kithd")
    p = k.kith("doctor", "server", ok=False)
    assert p.returncode == 1 and "FAIL  server" in p.stdout and "kith.sock is not there" in p.stdout, p.stdout + p.stderr
    p = k.kith("status", ok=False)
    assert p.returncode == 7 and "kithd runs as process" in p.stderr and "try: " in p.stderr, p.stderr
    k.curl_enrol("without-run", device)
    os.unlink(k.dir + "/run")
    wait_for(lambda: k.kith("status", ok=False).returncode == 0, "the command line", 20, 0.1)
    k.wait_ready(30)


def another_server_on_our_port_is_told(k):
    """Whoever listens there has to be the platform: that something answers, by TLS too, says nothing."""
    assert "answer" in k.kith("doctor", "ports").stdout
    k.stop()
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", k.w.path("alien.key"), "-out", k.w.path("alien.pem"))
    alien = k.w.start(["openssl", "s_server", "-accept", f"127.0.0.1:{k.tls_port}", "-cert", k.w.path("alien.pem"), "-key",
                       k.w.path("alien.key"), "-quiet", "-www"], "alien.log")
    k.launch()
    said = lambda: (lambda t: t if "does not lead to the root" in t else None)(k.kith("doctor", "ports", ok=False).stdout)
    text = wait_for(said, "the alien to be told", 20, 0.2)
    assert text.startswith("FAIL  ports") and str(k.tls_port) in text and "try: ss -ltnp" in text, text
    stop(alien)
    k.w.running.remove(alien)
    k.wait_ready(60)
    assert "answer" in k.kith("doctor", "ports").stdout


def misses_its_database(k):
    """Its file is moved away while it is open: nothing is answered that would be lost; with the file it goes on."""
    path = k.dir + "/data/kith.db"
    os.rename(path, path + ".away")
    answer = k.kith("device", "add", "--model", "pump", "--serial", "WT-AWAY", ok=False)
    assert answer.returncode, answer
    a = k.api("GET", "/readyz")
    assert a.status == 503 and b"moved or removed" in a.body, a
    nothing_is_told_outside(k, "store")
    os.rename(path + ".away", path)
    wait_for(lambda: k.kith("device", "add", "--model", "pump", "--serial", "WT-BACK", ok=False).returncode == 0, "the store")
    k.wait_ready(30)


def refuses_a_cut_export(k):
    good, cut = k.w.path("good.export"), k.w.path("cut.export")
    k.kith("ledger", "export", good)
    middle = len(k.leaves()) // 2
    k.sql(f"DELETE FROM entry WHERE pos = (SELECT pos FROM entry ORDER BY pos LIMIT 1 OFFSET {middle})")
    answer = k.kith("ledger", "export", cut, ok=False)
    assert answer.returncode != 0, answer
    assert not os.path.exists(cut), "half an export was handed over"
    run("test", "-s", good)
    pipe = k.w.path("pipe")
    os.mkfifo(pipe)
    answer = k.kith("ledger", "export", pipe, ok=False)
    assert answer.returncode and "not a regular file" in answer.stderr and stat.S_ISFIFO(os.lstat(pipe).st_mode), answer


def main():
    with World("waits") as w:
        k = Kith(w)
        k.start()
        k.add_model("pump")
        k.kith("gateway", "add", "mute", "--out", w.path("mute"))
        devices = [k.add_device(f"SN-{i}") for i in range(WAITS)]
        for n, d in enumerate(devices):
            k.curl_enrol(f"d{n}", d)
        acts_before_it_waits(k, devices)
        takes_requests_again(k, devices)
        ends_in_good_order_meanwhile(k, devices)
        nobody_waits_for_a_server_that_is_stopped(k)
        a_lost_certificate_of_the_ca_is_asked_for_as_it_can_be_had(k)
        sockets_that_somebody_removes_come_back(k)
        a_start_that_is_held_up_says_by_what(k)
        another_server_on_our_port_is_told(k)
        misses_its_database(k)
        refuses_a_cut_export(k)
        k.stop()
    with World("waits-pg") as w:
        a_database_server_that_is_away_is_waited_for(w)
    say("ok")


main()
