#!/usr/bin/python3
"""kith-agent against the real platform: kithd with its server and signers, on loopback.

    platform.py BIN_DIRECTORY [KILLS]"""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

BIN = os.path.abspath(sys.argv[1])
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 25
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
WORK = tempfile.mkdtemp(prefix="kith-agent-platform-")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(program, *args, stdin="", want=0):
    p = subprocess.run([os.path.join(BIN, program)] + list(args), input=stdin, capture_output=True, text=True, timeout=90)
    assert p.returncode == want, "%s %s: exit %d, not %d\n%s%s" % (program, args, p.returncode, want, p.stdout, p.stderr)
    return p.stdout


def kith(*args):
    return run("kith", "--dir", WORK + "/D", *args)


def agent(*args, stdin="", want=0):
    return run("kith-agent", *args, stdin=stdin, want=want)


def token(serial, model="meter"):
    return json.loads(kith("--json", "device", "add", "--model", model, "--serial", serial, "--token"))["token"]


def status(state):
    return json.loads(agent("status", "--dir", state, "--json"))


def certificates(device):
    return json.loads(kith("--json", "device", "show", device))["certificates"]


def enrols_and_renews(state):
    agent("enroll", "--dir", state, stdin=token("1"))
    first = status(state)
    agent("run", "--dir", state, "--once", "--renew")
    second = status(state)
    assert first["certificate"]["serial"] != second["certificate"]["serial"]
    assert len(certificates(first["device"])) == 2
    agent("run", "--dir", state, "--once")
    assert status(state)["certificate"] == second["certificate"]


def binds_its_requests_where_the_model_wants_it(state):
    kith("model", "add", "bound", "channel_binding=yes")
    agent("enroll", "--dir", state, stdin=token("bound-1", "bound"))
    first = status(state)
    agent("run", "--dir", state, "--once", "--renew")
    assert first["certificate"]["serial"] != status(state)["certificate"]["serial"]
    # one that enrolled before the model wanted it renews with it
    agent("enroll", "--dir", state + "b", stdin=token("bound-2"))
    kith("model", "set", "meter", "channel_binding=yes")
    agent("run", "--dir", state + "b", "--once", "--renew")
    kith("model", "set", "meter", "channel_binding=no")


def is_refused_with_a_used_token(state):
    t = token("2")
    agent("enroll", "--dir", state, stdin=t)
    agent("enroll", "--dir", state + "b", "--wait", "0", stdin=t, want=6)
    agent("run", "--dir", state, "--once")


def survives_kills_at_any_moment(state):
    """At random times, so beyond the named steps; the claim and each key are good for one certificate each."""
    t = token("3")
    rng = random.Random(3)
    for i in range(KILLS):
        p = subprocess.Popen([os.path.join(BIN, "kith-agent"), "enroll", "--dir", state], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        try:
            p.stdin.write(t)
            p.stdin.close()
        except OSError:
            pass
        time.sleep(rng.random() * 0.15)
        p.kill()
        p.wait()
    agent("enroll", "--dir", state, stdin=t)
    device = status(state)["device"]
    assert len(certificates(device)) == 1, certificates(device)
    for i in range(KILLS):
        p = subprocess.Popen([os.path.join(BIN, "kith-agent"), "run", "--dir", state, "--once", "--renew"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.random() * 0.15)
        p.kill()
        p.wait()
        assert status(state)["state"] == "enrolled"
    agent("run", "--dir", state, "--once", "--renew")
    assert len(os.listdir(state + "/credentials")) == 1 and not os.path.lexists(state + "/next")


def keeps_keys_on_a_token(state):
    if not os.path.exists(SOFTHSM):
        return
    os.makedirs(WORK + "/tokens")
    with open(WORK + "/softhsm.conf", "w") as f:
        f.write("directories.tokendir = %s/tokens\nobjectstore.backend = file\n" % WORK)
    os.environ["SOFTHSM2_CONF"] = WORK + "/softhsm.conf"
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "dev tok", "--so-pin", "5678", "--pin", "1234"],
                   check=True, stdout=subprocess.DEVNULL)
    with open(os.open(WORK + "/pin", os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
        f.write("1234\n")
    for kind in ("p256", "p384", "rsa2048"):
        agent("enroll", "--dir", state + kind, "--key", "pkcs11:token=dev%20tok;object=" + kind, "--key-type", kind,
              "--module", SOFTHSM, "--pin-file", WORK + "/pin", stdin=token("hsm-" + kind))
        for i in range(2):
            agent("run", "--dir", state + kind, "--once", "--renew")
        assert not os.path.exists(state + kind + "/current/key.pem")
        assert status(state + kind)["certificate"]["key_type"] == kind
        assert "object=%s-3\n" % kind in open(state + kind + "/current/key.ref").read()
    # one that is retired takes its objects from the token, and no others
    objects = lambda: sum(f.endswith(".object") and f != "token.object" for _, _, files in os.walk(WORK + "/tokens") for f in files)
    before = objects()
    kith("device", "retire", "hsm-p256", "--why", "test")
    agent("run", "--dir", state + "p256", "--once", want=6)
    assert status(state + "p256")["state"] == "retired" and (before, objects()) == (6, 4), (before, objects())
    agent("run", "--dir", state + "p384", "--once", "--renew")


def is_wiped_when_retired(state):
    agent("enroll", "--dir", state, stdin=token("4"))
    kith("device", "retire", "4", "--why", "test")
    agent("run", "--dir", state, "--once", want=6)
    assert status(state)["state"] == "retired" and os.listdir(state + "/credentials") == []


def main():
    kithd, failed = None, 0
    tests = [v for v in list(globals().values()) if getattr(getattr(v, "__code__", None), "co_varnames", ())[:1] == ("state",)
             and v.__name__ not in ("status",)]
    try:
        run("kith", "init", "--dir", WORK + "/D", "--name", "Test", "--listen", "127.0.0.1:%d" % free_port(), "--plain-listen",
            "127.0.0.1:%d" % free_port())
        kithd = subprocess.Popen([os.path.join(BIN, "kithd"), "--config", WORK + "/D/kith.conf"],
                                 stderr=open(WORK + "/kithd.log", "w"))
        end = time.time() + 30
        while subprocess.run([os.path.join(BIN, "kith"), "--dir", WORK + "/D", "status"], capture_output=True).returncode:
            assert time.time() < end and kithd.poll() is None, open(WORK + "/kithd.log").read()
            time.sleep(0.1)
        kith("model", "add", "meter")
        for i, test in enumerate(tests):
            try:
                test(os.path.join(WORK, "state%d" % i))
                print("ok   %s" % test.__name__, flush=True)
            except Exception as e:
                failed += 1
                print("FAIL %s: %s %s" % (test.__name__, type(e).__name__, e), flush=True)
    finally:
        if kithd:
            kithd.send_signal(signal.SIGTERM)
            try:
                kithd.wait(20)
            except subprocess.TimeoutExpired:
                kithd.kill()
        if failed:
            print(open(WORK + "/kithd.log").read()[-3000:])
        shutil.rmtree(WORK, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
