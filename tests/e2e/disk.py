#!/usr/bin/python3
"""Disks that are full: of the database, of the issuing signer, of a device.  Real file systems in a mount namespace of its own.

Who asks is told so (503), nothing that was answered is lost, and all goes on without a start once there is room."""
import os
import shutil
import sys
import time

from cryptography import x509
from est import csr_of, new_key
from kithtest import BIN, Kith, World, run, say, wait_for


def own_namespace():
    if os.environ.get("KITH_DISK_INSIDE"):
        return
    if run("unshare", "-rm", "true", ok=False).returncode != 0:
        say("no mount namespaces here")
        sys.exit(77)
    os.environ["KITH_DISK_INSIDE"] = "1"
    os.execvp("unshare", ["unshare", "-rm", sys.executable, os.path.abspath(__file__)])


class Disk:
    """A small file system in the place of a directory, with what was there."""

    def __init__(self, path, size):
        self.path, self.balloon = path, path + "/balloon"
        kept = path + ".kept"
        shutil.copytree(path, kept)
        run("mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", path)
        for name in os.listdir(kept):
            shutil.copy2(os.path.join(kept, name), path)
        shutil.rmtree(kept)

    def fill(self, leave=0):
        with open(self.balloon, "wb", 0) as f:
            try:
                while True:
                    f.write(b"x" * 65536)
            except OSError:
                pass
            try:
                while True:
                    f.write(b"x" * 512)
            except OSError:
                pass
            f.truncate(max(0, f.tell() - leave))

    def empty(self):
        os.unlink(self.balloon)

    def unmount(self):
        run("umount", "-l", self.path, ok=False)


class Test:
    def __init__(self, k):
        self.k, self.n, self.answered = k, 0, []

    def device(self):
        self.n += 1
        return self.k.add_device(f"DK-{self.n:04}")

    def devices(self, n):
        return [(self.device(), new_key()) for _ in range(n)]

    def enrol(self, device, key):
        a = self.k.enrol(csr_of(key), device["id"], device["claim"])
        if a.status == 200:
            self.answered.append((device["id"], a.certificate))
        return a


def says_that_it_is_full(t):
    """Who balances load asks /readyz, an operator doctor: both say it, and what to do, and neither says a path."""
    a = t.k.api("GET", "/readyz")
    assert a.status == 503 and "FAIL store: " in a.body.decode() and t.k.dir not in a.body.decode(), a
    found, = [c for c in t.k.must("GET", "/v1/doctor")["checks"] if c["name"] == "store"]
    assert not found["ok"] and "KiB left" in found["detail"] and "make room" in found["try"], found
    p = t.k.kith("doctor", "server/store", ok=False)
    assert p.returncode == 1 and "FAIL  server/store" in p.stdout and "try: make room" in p.stdout, p.stdout + p.stderr


def full_and_over(t, disk, code, leave):
    pids = t.k.pids()
    devices, told = t.devices(40), 0
    disk.fill(leave)
    for device, key in devices:
        a = t.enrol(device, key)
        assert a.status == 200 or (a.status == 503 and a.code == code), a
        told += a.status == 503
        assert t.k.dir not in a.body.decode(), f"a path of the platform's: {a}"
    says_that_it_is_full(t)
    assert told >= 5, f"{told} of {len(devices)} were told that the disk is full"
    disk.empty()
    wait_for(lambda: t.enrol(*devices[-1]).status == 200, "certificates", step=0.2)
    for device, key in devices:
        a = t.enrol(device, key)
        assert a.status == 200, a
    assert t.k.pids() == pids, "something was started again"
    wait_for(lambda: t.k.api("POST", "/v1/ledger/checkpoint", {}).status == 200, "a checkpoint", step=0.2)
    wait_for(lambda: t.k.api("GET", "/readyz").status == 200, "readiness", 20, 0.2)
    say(f"ok {code}: {told} of {len(devices)} were refused, all have their certificates after")


def check(t):
    stored = {f"{int(c['serial'], 16):x}": device for device in {d for d, _ in t.answered}
              for c in t.k.must("GET", "/v1/devices/" + device)["certificates"] if "revoked_at" not in c and not c.get("hold")}
    for device, pem in t.answered:
        number = f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:x}"
        assert stored.get(number) == device, f"an answered certificate of {device} is not there"
    code, ours, theirs = t.k.check_export(t.k.export())
    assert code == 0, ours + theirs
    code, said = t.k.check_database()
    assert code == 0, said


def a_device_keeps_its_credential(t):
    state = t.k.w.path("agent")
    os.mkdir(state, 0o700)
    disk = Disk(state, "1m")
    agent = lambda *words, **kw: run(os.path.join(BIN, "kith-agent"), *words, "--dir", state, **kw)
    token = t.device()["token"]
    disk.fill()
    p = agent("enroll", "--wait", "0", input=token, ok=False)
    assert p.returncode != 0 and "space" in p.stderr.lower(), p.stderr
    disk.empty()
    agent("enroll", input=token)
    current = lambda: x509.load_pem_x509_certificate(open(state + "/current/cert.pem", "rb").read()).serial_number
    works = lambda: t.k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"},
                              state + "/current/cert.pem", state + "/current/key.pem").status == 200
    first = current()
    for leave in (0, 512, 4096, 8192, 12288, 16384):  # it is full at this step or at another
        disk.fill(leave)
        agent("run", "--once", "--renew", ok=False)
        assert works(), f"with {leave} bytes left the device has no credential that works"
        disk.empty()
    agent("run", "--once", "--renew")
    assert works() and current() != first
    disk.unmount()
    say("ok a_device_keeps_its_credential")


def a_start_waits_for_room(t, disk):
    """kithd -t and doctor say it before, /readyz says it meanwhile, and with room it goes on by itself."""
    k = t.k
    k.stop()
    disk.fill()
    p = k.rehearse()
    assert p.returncode == 7 and "error[store-full]: database: 0 KiB left" in p.stderr and "try: make room" in p.stderr, p.stderr
    p = k.kith("doctor", "disk", ok=False)
    assert p.returncode == 1 and "FAIL  disk" in p.stdout and "make room" in p.stdout, p.stdout
    k.launch()
    told = lambda: (lambda text: text if text.startswith("FAIL store: ") else None)(k.readyz())  # it waits for its signers first
    text = wait_for(told, "who asks to be told", step=0.2)
    assert text.startswith("FAIL store: database: 0 KiB left; make room"), text
    pids = k.pids()
    time.sleep(2)
    assert k.readyz() == text and k.pids() == pids, "it ends and starts again and again"
    disk.empty()
    k.wait_ready()
    say("ok a_start_waits_for_room")


def main():
    own_namespace()
    with World("disk") as w:
        k = Kith(w)
        disks = [Disk(k.dir + "/data", "24m"), Disk(k.dir + "/signers/issuing", "4m")]
        k.start()
        k.add_model("pump", live_certificates="20")  # one device renews again and again
        t = Test(k)
        full_and_over(t, disks[0], "store-full", 16384)
        check(t)
        full_and_over(t, disks[1], "signer-gone", 4096)
        check(t)
        a_start_waits_for_room(t, disks[0])
        check(t)
        a_device_keeps_its_credential(t)
        k.stop()
        k.start()
        check(t)
        k.stop()
        for d in disks:
            d.unmount()


main()
