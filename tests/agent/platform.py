#!/usr/bin/python3
"""kith-agent against the real platform: kithd with its server and signers, on loopback.

    platform.py [KILLS]"""
import os
import random
import shutil
import subprocess
import sys
import time

from est_server import AGENT, agent, status, test_each
from kithtest import SOFTHSM, Kith, World

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 25


def token(k, serial, model="meter"):
    return k.kith_json("device", "add", "--model", model, "--serial", serial, "--token")["token"]


def certificates(k, device):
    return k.kith_json("device", "show", device)["certificates"]


def enrols_and_renews(k, state):
    agent("enroll", "--dir", state, stdin=token(k, "1"))
    first = status(state)
    agent("run", "--dir", state, "--once", "--renew")
    second = status(state)
    assert first["certificate"]["serial"] != second["certificate"]["serial"]
    assert len(certificates(k, first["device"])) == 2
    agent("run", "--dir", state, "--once")
    assert status(state)["certificate"] == second["certificate"]


def binds_its_requests_where_the_model_wants_it(k, state):
    k.kith("model", "add", "bound", "channel_binding=yes")
    agent("enroll", "--dir", state, stdin=token(k, "bound-1", "bound"))
    first = status(state)
    agent("run", "--dir", state, "--once", "--renew")
    assert first["certificate"]["serial"] != status(state)["certificate"]["serial"]
    # one that enrolled before the model wanted it renews with it
    agent("enroll", "--dir", state + "b", stdin=token(k, "bound-2"))
    k.kith("model", "set", "meter", "channel_binding=yes")
    agent("run", "--dir", state + "b", "--once", "--renew")
    k.kith("model", "set", "meter", "channel_binding=no")


def is_refused_with_a_used_token(k, state):
    t = token(k, "2")
    agent("enroll", "--dir", state, stdin=t)
    agent("enroll", "--dir", state + "b", "--wait", "0", stdin=t, want=6)
    agent("run", "--dir", state, "--once")


def survives_kills_at_any_moment(k, state):
    """At random times, so beyond the named steps; the claim and each key are good for one certificate each."""
    t = token(k, "3")
    rng = random.Random(3)
    for i in range(KILLS):
        p = subprocess.Popen([AGENT, "enroll", "--dir", state], stdin=subprocess.PIPE,
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
    assert len(certificates(k, device)) == 1, certificates(k, device)
    for i in range(KILLS):
        p = subprocess.Popen([AGENT, "run", "--dir", state, "--once", "--renew"],
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.random() * 0.15)
        p.kill()
        p.wait()
        assert status(state)["state"] == "enrolled"
    agent("run", "--dir", state, "--once", "--renew")
    assert len(os.listdir(state + "/credentials")) == 1 and not os.path.lexists(state + "/next")


def keeps_keys_on_a_token(k, state):
    words = k.w.softhsm("dev tok", "1234")
    env, pin = k.w.env, words[words.index("--pin-file") + 1]
    for kind in ("p256", "p384", "rsa2048"):
        agent("enroll", "--dir", state + kind, "--key", "pkcs11:token=dev%20tok;object=" + kind, "--key-type", kind,
              "--module", SOFTHSM, "--pin-file", pin, stdin=token(k, "hsm-" + kind), env=env)
        for i in range(2):
            agent("run", "--dir", state + kind, "--once", "--renew", env=env)
        assert not os.path.exists(state + kind + "/current/key.pem")
        assert status(state + kind)["certificate"]["key_type"] == kind
        assert "object=%s-3\n" % kind in open(state + kind + "/current/key.ref").read()
    # one that is retired takes its objects from the token, and no others
    objects = lambda: sum(f.endswith(".object") and f != "token.object" for _, _, files in os.walk(k.w.path("tokens")) for f in files)
    before = objects()
    k.kith("device", "retire", "hsm-p256", "--why", "test")
    agent("run", "--dir", state + "p256", "--once", want=6, env=env)
    assert status(state + "p256")["state"] == "retired" and (before, objects()) == (6, 4), (before, objects())
    agent("run", "--dir", state + "p384", "--once", "--renew", env=env)
    # whose certificate it is, is seen without the token
    shutil.copy(state + "p384/current/cert.pem", state + "rsa2048/current/cert.pem")
    p = agent("status", "--dir", state + "rsa2048", want=6)
    assert "agent-cert" in p.stderr and status(state + "p384")["device"] in p.stderr, p


def keeps_its_keys_when_only_revoked(k, state):
    """Nor does it wipe them when it is suspended or quarantined, or when one certificate is taken back."""
    key = lambda serial: open(state + serial + "/current/key.pem").read()
    for i, (words, code) in enumerate(((["revoke", "--reason", "superseded"], 6), (["revoke", "--reason", "keyCompromise"], 6),
                                       (["suspend", "--why", "test"], 4))):
        serial = "5-%d" % i
        agent("enroll", "--dir", state + serial, stdin=token(k, serial))
        was = key(serial)
        k.kith("device", words[0], serial, *words[1:])
        for more in ([], ["--renew"]):
            p = agent("run", "--dir", state + serial, "--once", *more, want=code)
            assert "wiped" not in p.stderr and ("error[tombstone]" in p.stderr) == (code == 6), p.stderr
        assert key(serial) == was and status(state + serial)["state"] == "enrolled"
    k.kith("device", "resume", serial)
    agent("run", "--dir", state + serial, "--once")
    was = key(serial)
    k.kith("cert", "revoke", status(state + serial)["certificate"]["serial"])
    agent("run", "--dir", state + serial, "--once", want=4)
    assert key(serial) == was


def does_not_act_for_another(k, state):
    """Key and certificate of another device in its directory fit each other: it sees that they are not its own."""
    for name in "ab":
        agent("enroll", "--dir", state + name, stdin=token(k, "swap-" + name))
    theirs = status(state + "b")["device"]
    for file in os.listdir(state + "b/current"):
        shutil.copy(f"{state}b/current/{file}", f"{state}a/current/{file}")
    for verb in (("run", "--once", "--renew"), ("run", "--once")):
        p = agent(verb[0], "--dir", state + "a", *verb[1:], want=6)
        assert "agent-cert" in p.stderr and theirs in p.stderr, p
    assert len(certificates(k, theirs)) == 1
    # nor is it enrolled already: a token is used, and gives it its own again
    ours = k.kith_json("device", "show", "swap-a")["id"]
    again = k.kith_json("device", "token", "swap-a")["token"]
    agent("enroll", "--dir", state + "a", stdin=again)
    agent("run", "--dir", state + "a", "--once")
    assert status(state + "a")["device"] == ours and len(certificates(k, ours)) == 2


def is_wiped_when_retired(k, state):
    agent("enroll", "--dir", state, stdin=token(k, "4"))
    k.kith("device", "retire", "4", "--why", "test")
    agent("run", "--dir", state, "--once", want=6)
    assert status(state)["state"] == "retired" and os.listdir(state + "/credentials") == []


TESTS = [v for v in list(globals().values()) if getattr(getattr(v, "__code__", None), "co_varnames", ())[:2] == ("k", "state")]


def main():
    with World("agent-platform") as w:
        k = Kith(w)
        k.start()
        k.kith("model", "add", "meter", f"live_certificates={KILLS + 4}")  # each that was not killed in time renewed
        test_each(w, TESTS, k)
        k.stop()


if __name__ == "__main__":
    main()
