#!/usr/bin/python3
"""kith-agent against a small EST server with faults at will (est_server.py).

    run.py [TEST...]

Every process is ended by its id."""
import datetime
import fcntl
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from est_server import (AGENT, CLAIM, DER, DEVICE, GATEWAY, PEM, PLATFORM, Est, Platform, Server, agent, now, serve, status,
                        test_each, token)
from kithtest import World, wait_for


def public(x):
    return x.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def pair(state):
    """The credential in use: its key must be the certificate's."""
    key = serialization.load_pem_private_key(open(state + "/current/key.pem", "rb").read(), None)
    cert = x509.load_pem_x509_certificate(open(state + "/current/cert.pem", "rb").read())
    assert public(key) == public(cert), "key and certificate do not belong together"
    return cert


def next_token(url):
    """Another one for the same device, as `kith device token` makes it."""
    PLATFORM.claims[DEVICE] = "c" * len(CLAIM)
    return token(url, claim=PLATFORM.claims[DEVICE])


def age(state):
    """Its certificate came long ago: it is time to renew."""
    path = state + "/current/cert.pem"
    text = open(path).read()
    came = (now() - datetime.timedelta(hours=20)).strftime("%Y-%m-%dT%H:%M:%SZ")
    old, n = re.subn(r"\A(.*)\d{4}-\d\d-\d\dT\S+\n", r"\g<1>%s\n" % came, text)
    assert n == 1, text
    with open(path, "w") as f:
        f.write(old)


def conf(state, section, line):
    path = state + "/agent.conf"
    text = open(path).read()
    word = line.split(" = ")[0]
    kept = [l for l in text.split("\n") if not l.startswith(word + " = ")]
    kept.insert(kept.index("[%s]" % section) + 1, line)
    with open(path, "w") as f:
        f.write("\n".join(kept))

def enrols_with_a_token_on_standard_input(url, state):
    p = agent("enroll", "--dir", state, stdin=token(url))
    assert p.stdout.strip() == DEVICE
    s = status(state)
    assert s["state"] == "enrolled" and s["device"] == DEVICE and s["v"] == 1, s
    pair(state)
    assert not os.path.exists(state + "/claim") and not os.path.lexists(state + "/next")
    assert open(state + "/root.cer", "rb").read() == PLATFORM.root.public_bytes(DER)
    # The chain that lies there is what OpenSSL wants.
    check = subprocess.run(["openssl", "verify", "-CAfile", state + "/root.pem", "-untrusted",
                            state + "/current/cert.pem", state + "/current/cert.pem"], capture_output=True)
    assert check.returncode == 0, check.stderr
    # Once more does nothing.
    asked = len(PLATFORM.asked)
    agent("enroll", "--dir", state, stdin=token(url))
    assert len(PLATFORM.asked) == asked and PLATFORM.hellos == 1
    for dirpath, dirs, files in os.walk(state):
        for f in dirs + files:
            path = os.path.join(dirpath, f)
            mode = os.lstat(path).st_mode & 0o077
            assert os.path.islink(path) or f in ("root.cer", "root.pem") or mode == 0, "%s is open" % path


def makes_keys_of_each_type(url, state):
    for kind in ("p384", "ed25519", "rsa2048"):
        agent("enroll", "--dir", state + kind, "--key-type", kind, stdin=token(url))
        assert status(state + kind)["certificate"]["key_type"] == kind
        pair(state + kind)


def waits_while_the_platform_has_not_decided(url, state):
    PLATFORM.pending = PLATFORM.unavailable = 1
    agent("enroll", "--dir", state, "--wait", "30s", stdin=token(url))
    assert len(PLATFORM.by) == 3 and len(set(PLATFORM.asked)) == 1
    pair(state)


def keeps_its_key_when_told_to_come_back(url, state):
    PLATFORM.pending = 1
    p = agent("enroll", "--dir", state, "--wait", "0", stdin=token(url), want=7)
    assert "error[agent-pending]" in p.stderr
    assert status(state)["state"] == "enrolling"
    before = open(state + "/next/key.pem").read()
    agent("run", "--dir", state, "--once")  # the claim lies there
    assert open(state + "/current/key.pem").read() == before
    pair(state)


def refuses_a_platform_with_another_root(url, state):
    p = agent("enroll", "--dir", state, stdin=token(url, root=b"\1" * 32), want=6)
    assert "error[tls-trust]" in p.stderr or "error[tls]" in p.stderr, p.stderr
    assert not PLATFORM.asked


def refuses_certificates_that_are_not_its_own(url, state):
    for fault, word in (("other_key", "agent-cert"), ("other_ca", "chain")):
        setattr(PLATFORM, fault, True)
        p = agent("enroll", "--dir", state, stdin=token(url), want=6)
        assert word in p.stderr, p.stderr
        assert not os.path.exists(state + "/next/cert.pem")
        setattr(PLATFORM, fault, False)
    agent("enroll", "--dir", state, stdin="")  # goes on with what it has
    assert len(set(PLATFORM.asked)) == 1


def says_what_is_wrong(url, state):
    assert "error[token]" in agent("enroll", "--dir", state, stdin="hello\n", want=6).stderr
    assert "error[token]" in agent("enroll", "--dir", state, stdin="", want=6).stderr
    assert "error[claim]" in agent("enroll", "--dir", state, stdin=token(url, claim="b" * 32), want=4).stderr
    assert "error[token]" in agent("enroll", "--dir", state, stdin="", want=6).stderr  # the dead claim is gone
    assert "error[unavailable]" in agent("enroll", "--dir", state, "--wait", "0",
                                         stdin=token("https://localhost:1"), want=7).stderr
    assert "error[not-found]" in agent("status", "--dir", state + "x", want=3).stderr
    os.mkdir(state + "y", 0o700)
    assert "error[agent-not-enrolled]" in agent("run", "--dir", state + "y", want=3).stderr
    p = agent("enroll", "--dir", state + "y", "--key-type", "foo", want=2)
    assert "one of p256, p384" in p.stderr and "try: --key-type p256\n" in p.stderr, p.stderr
    agent("enrol", want=2)
    agent(want=2)
    agent("--help")
    agent("enroll", "--help")


# what somebody does to a state directory; what `status` and `run --once` say then (None: all is well)
DAMAGE = [
    ("true > current/key.pem", "key-file", "key-file"),
    ("echo garbage > current/key.pem", "key-file", "key-file"),
    ("rm current/key.pem", "not-found", "not-found"),
    ("chmod 644 current/key.pem", "file-mode", "file-mode"),
    ("true > current/cert.pem", "agent-state", "agent-state"),
    ("echo garbage > current/cert.pem", "agent-state", "agent-state"),
    ("head -c 300 current/cert.pem > x; mv x current/cert.pem", None, None),
    ("rm current/cert.pem", "agent-state", "agent-state"),
    ("true > current/key.ref", "agent-state", "agent-state"),
    ("echo garbage > current/key.ref", "agent-state", "agent-state"),
    ("rm current/key.ref", "not-found", "not-found"),
    ("sed -i 's/^root_sha256 = ..../root_sha256 = 0000/' agent.conf", "agent-root", "tls-trust"),
    ("rm current", "agent-state", ""),
    ("rm current && ln -s /nowhere current", "agent-state", ""),
    ("true > agent.conf", "agent-state", "agent-state"),
    ("echo nonsense > agent.conf", "config", "config"),
    ("rm agent.conf", "agent-state", "agent-state"),
    ("chmod 755 .", "file-mode", "file-mode"),
    ("chmod 777 .", "file-mode", "file-mode"),
    ("echo '{' > status.json", "", ""),
    ("rm root.cer root.pem lock", "agent-state", ""),
]

ALIEN = Platform()
ALIEN_FILES = {"root.cer": ALIEN.root.public_bytes(DER), "root.pem": ALIEN.root.public_bytes(PEM)}
# what other programs read: what happens to it, and whether `status` says that it is away or that it is something else
OTHERS = {
    "missing": (lambda name, was: None, "agent-state"),
    "empty": (lambda name, was: b"", "agent-root"),
    "truncated": (lambda name, was: was[:len(was) // 2], "agent-root"),
    "garbage": (lambda name, was: b"garbage\n", "agent-root"),
    "another platform's": (lambda name, was: ALIEN_FILES[name], "agent-root"),
    "another platform's beside it": (lambda name, was: was + ALIEN_FILES[name], "agent-root"),
}


def is_told(p, code, case):
    """One problem with code, what, why or try; with nothing to tell, exit 0."""
    lines = p.stderr.split("\n")
    told = [l for l in lines if l.startswith("error[")]
    if code == "":
        assert p.returncode == 0 and not told, "%s: %s" % (case, p.stderr)
    else:
        assert p.returncode != 0 and len(told) == 1, "%s: exit %d: %s" % (case, p.returncode, p.stderr)
        assert code is None or told[0].startswith("error[%s]: " % code), "%s: %s" % (case, told[0])
        assert any(l.startswith("try: ") for l in lines), "%s has no next step: %s" % (case, p.stderr)


def damage_is_told_and_loses_nothing(url, state):
    agent("enroll", "--dir", state, stdin=token(url))
    was = pair(state)
    for command, of_status, of_run in DAMAGE:
        d = state + "-damaged"
        subprocess.run(["cp", "-a", state, d], check=True)
        subprocess.run(["sh", "-c", command], cwd=d, check=True)
        ask = lambda *words: subprocess.run([AGENT, *words, "--dir", d], input="", capture_output=True, text=True, timeout=60)
        is_told(ask("status"), of_status, "status after " + command)
        said = json.loads(ask("status", "--json").stdout or '{"v":1,"state":"unread"}')
        assert said["v"] == 1 and (said["state"] in ("damaged", "unread")) == (of_status != ""), (command, said)
        is_told(ask("run", "--once"), of_run, "run after " + command)
        p = ask("enroll", "--wait", "0")
        assert p.returncode in ((0,) if of_run == "" else (2, 6, 1)), "enroll after %s: %s" % (command, p.stderr)
        # What was not damaged is still there: with the rest put back all goes on, be it by a renewal that was begun.
        os.chmod(d, 0o700)
        for name in ("agent.conf", "credentials/1/key.pem", "credentials/1/cert.pem", "credentials/1/key.ref"):
            shutil.copy2(state + "/" + name, d + "/" + name)
        agent("run", "--once", "--dir", d)
        assert public(pair(d)) == public(was) or "cert.pem" in command, "another key after " + command
        shutil.rmtree(d)


def damage(state, names, how):
    """What was there."""
    was = {}
    for name in names:
        with open(state + "/" + name, "rb") as f:
            was[name] = f.read()
        spoilt = OTHERS[how][0](name, was[name])
        os.unlink(state + "/" + name)
        if spoilt is not None:
            with open(state + "/" + name, "wb") as f:
                f.write(spoilt)
    return was


def files(state, names):
    return {name: open(state + "/" + name, "rb").read() for name in names if os.path.exists(state + "/" + name)}


def the_root_for_other_programs_is_made_anew(url, state):
    """From the other file without the platform, else from what it sends; trusted is only what has the token's fingerprint."""
    agent("enroll", "--dir", state, stdin=token(url))
    away = "https://localhost:1"
    for how, (_, code) in OTHERS.items():
        for names in (("root.cer",), ("root.pem",), ("root.cer", "root.pem")):
            case = "%s %s" % (" and ".join(names), how)
            was = damage(state, names, how)
            whole = len(names) == 2 and "beside" not in how  # nothing of it is left here
            p = agent("status", "--dir", state, want=1 if code == "agent-state" else 6)
            assert "error[%s]: %s/%s" % (code, state, names[0]) in p.stderr, case + ": " + p.stderr
            assert "why: " in p.stderr and "try: kith-agent run --once" in p.stderr, p.stderr
            conf(state, "platform", "url = " + away)
            p = agent("run", "--once", "--dir", state, want=7)
            assert (files(state, names) == was) == (not whole), case
            if whole:
                assert p.stderr.count(names[0]) and "a file for other programs is not made anew" in p.stderr, case + p.stderr
            conf(state, "platform", "url = " + url)
            agent("run", "--once", "--dir", state)
            assert files(state, names) == was, case
            status(state)
    damage(state, ("root.cer", "root.pem"), "garbage")
    agent("enroll", "--dir", state, stdin=token(url))  # the same token again mends it too
    status(state)


def a_lost_root_comes_from_no_other_platform(url, state):
    """Whoever stands in the platform's place gives none; and the hook is told of none that is wrong."""
    agent("enroll", "--dir", state, stdin=token(url))
    server, other = serve(by=ALIEN)
    conf(state, "platform", "url = " + other)
    conf(state, "hook", "command = /bin/touch %s/ran" % state)
    damage(state, ("root.cer", "root.pem"), "another platform's")
    p = agent("run", "--once", "--dir", state, want=6)
    assert "error[tls-trust]" in p.stderr and not os.path.exists(state + "/ran"), p.stderr
    server.shutdown()
    conf(state, "platform", "url = " + url)
    agent("run", "--once", "--dir", state)
    assert os.path.exists(state + "/ran")
    status(state)


def issuers_behind_the_certificate_are_put_back(url, state):
    """A broker would not know what the device's certificate leads to."""
    agent("enroll", "--dir", state, stdin=token(url))
    path = state + "/current/cert.pem"
    was = open(path).read()
    leaf = was[:was.index("-----END") + len("-----END CERTIFICATE-----\n")]
    for text in (leaf, leaf + ALIEN.issuing.public_bytes(PEM).decode()):
        with open(path, "w") as f:
            f.write(text)
        p = agent("status", "--dir", state, want=6)
        assert "/cert.pem: " in p.stderr and "try: kith-agent run --once" in p.stderr, p.stderr
        asked = len(PLATFORM.asked)
        agent("run", "--once", "--dir", state)
        assert open(path).read() == was and len(PLATFORM.asked) == asked
        status(state)


def a_damaged_credential_is_replaced_by_a_token(url, state):
    for command in ("true > current/key.pem", "rm current/cert.pem", "rm agent.conf"):
        shutil.rmtree(state, ignore_errors=True)
        PLATFORM.reset()
        agent("enroll", "--dir", state, stdin=token(url))
        subprocess.run(["sh", "-c", command], cwd=state, check=True)
        agent("enroll", "--dir", state, "--again", stdin=next_token(url))
        pair(state)
        agent("run", "--once", "--dir", state)


def a_claim_of_its_own_is_shown_once(url, state):
    """With another key the platform would take it for a stolen copy, and raise an alarm."""
    agent("enroll", "--dir", state, stdin=token(url))
    was, heard = pair(state), PLATFORM.heard
    for broken in (False, True):
        if broken:
            os.truncate(state + "/current/key.pem", 0)
        p = agent("enroll", "--dir", state, "--again", stdin=token(url), want=6)
        assert "error[claim-used]" in p.stderr and "why: " in p.stderr and "kith device token " + DEVICE in p.stderr, p.stderr
        assert PLATFORM.heard == heard and not os.path.exists(state + "/claim")
    agent("enroll", "--dir", state, "--again", stdin=next_token(url))
    assert PLATFORM.heard == heard + 1 and pair(state) != was
    assert "error[claim-used]" in agent("enroll", "--dir", state, "--again", stdin=next_token(url), want=6).stderr


def what_is_no_state_or_token_is_told(url, state):
    with open(state, "w") as f:
        f.write("x" * 5000)
    for verb, d in [(v, d) for v in ("enroll", "run", "status") for d in (state, state + "/below", state + "-no/where")]:
        is_told(subprocess.run([AGENT, verb, "--dir", d], input="", capture_output=True, text=True), None, verb + " " + d)
    os.truncate(state, 0)
    for path, code in ((state, "token"), (state + "-no", "not-found"), (AGENT, "too-big")):
        p = subprocess.run([AGENT, "enroll", "--dir", state + "-d", "--token-file", path], capture_output=True, text=True)
        is_told(p, code, path)
        assert path in p.stderr and "standard input" not in p.stderr, p.stderr
    with open(state, "w", newline="") as f:
        f.write(token(url).strip() + "\r\n\r\n")
    agent("enroll", "--dir", state + "-d", "--token-file", state)
    with subprocess.Popen(["sh", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$@"', "sh", AGENT, "run", "--once", "--dir", state + "-d"],
                          stderr=subprocess.PIPE, text=True) as p:
        told = p.stderr.read()
    assert "error[io]" in told and "is there room on its disk" in told, told


def two_agents_do_not_share_a_directory(url, state):
    agent("enroll", "--dir", state, stdin=token(url))
    with open(state + "/lock") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        for verb in ("run", "enroll"):
            p = agent(verb, "--dir", state, want=5)
            assert "error[locked]" in p.stderr and "try: stop that process" in p.stderr, p.stderr
        assert status(state)["state"] == "enrolled"
    agent("run", "--once", "--dir", state)


def a_full_disk_loses_nothing(url, state):
    """No file can grow: what is there stays, and with room again it goes on."""
    limited = lambda *words, **kw: subprocess.run(["sh", "-c", 'trap "" XFSZ; ulimit -f 0; exec "$@"', "sh", AGENT, *words],
                                                  capture_output=True, text=True, timeout=60, **kw)
    p = limited("enroll", "--dir", state, "--wait", "0", input=token(url))
    assert p.returncode > 0 and "error[" in p.stderr, p
    agent("enroll", "--dir", state, stdin=token(url))
    was = pair(state)
    p = limited("run", "--once", "--renew", "--dir", state, input="")
    assert p.returncode > 0 and "error[" in p.stderr, p
    assert pair(state) == was
    agent("run", "--once", "--dir", state)


def tokens_that_are_wrong_are_told(url, state):
    whole = token(url)
    for text, code, want in [
        (whole[:40], "token", 6), (whole[:-5] + "\n", "token", 6), (whole.upper(), "token", 6), ("kith1_\n", "token", 6),
        (token(url, root=b"\1" * 32), "tls-trust", 6),
        (token(url, claim="b" * 32), "claim", 4),
        (token("https://localhost:1"), "unavailable", 7),
        (token("https://nowhere.invalid:8443"), "unavailable", 7),
        (token("http://localhost:8080"), "token", 6),
    ]:
        p = agent("enroll", "--dir", state, "--wait", "0", stdin=text, want=want)
        assert "error[%s]" % code in p.stderr and "try: " in p.stderr, p.stderr
        problem = json.loads(agent("enroll", "--dir", state, "--wait", "0", "--json", stdin=text, want=want)
                             .stderr.strip().split("\n")[-1])
        assert problem["v"] == 1 and problem["error"]["code"] == code and problem["error"]["try"], problem
    said = json.loads(agent("enroll", "--dir", state, "--json", stdin=whole).stdout)
    assert said["v"] == 1 and said["state"] == "enrolled" and said["device"] == DEVICE, said
    assert json.loads(agent("run", "--once", "--json", "--dir", state).stdout)["state"] == "enrolled"


def a_clock_far_off_is_told(url, state):
    """To a device whose clock is years behind, or ahead, the server's certificate is not valid."""
    year = 365 * 86400
    for backdate, seconds in ((-year, 2 * year), (2 * year, -year)):
        server, other = serve(backdate, seconds)
        p = agent("enroll", "--wait", "0", "--dir", state, stdin=token(other), want=6)
        server.shutdown()
        assert "error[tls-trust]" in p.stderr and "why: by this machine's clock" in p.stderr and "try: " in p.stderr, p
    agent("enroll", "--dir", state, stdin=token(url))


def binds_its_request_to_the_connection(url, state):
    """tls-unique on TLS 1.2, as python3's ssl sees it; tls-exporter is held against the real platform (platform.py)."""
    server, old = serve(version=ssl.TLSVersion.TLSv1_2)
    for i, (wish, closes) in enumerate((("asked", 0), ("unsaid", 0), ("asked", 2))):
        PLATFORM.reset()
        PLATFORM.binding, PLATFORM.closes = wish, closes
        d = state + str(i)
        agent("enroll", "--dir", d, "--wait", "0", stdin=token(old))
        assert PLATFORM.posts == (2 if wish == "unsaid" else 1), PLATFORM.posts
        PLATFORM.closes = closes
        agent("run", "--dir", d, "--once", "--renew")
        assert PLATFORM.by == ["simpleenroll", "simplereenroll"]
        pair(d)
    # A connection that is never kept: nothing of the request is sent over another.
    PLATFORM.reset()
    PLATFORM.binding, PLATFORM.closes = "asked", 100
    p = agent("enroll", "--dir", state, "--wait", "0", stdin=token(old), want=4)
    assert "error[channel-binding]" in p.stderr and "try: " in p.stderr and PLATFORM.posts == 0, p.stderr
    PLATFORM.closes = 0
    agent("enroll", "--dir", state, stdin="")  # the claim is still there
    server.shutdown()


def a_token_for_another_device_does_not_replace_it(url, state):
    agent("enroll", "--dir", state, stdin=token(url))
    other = token(url, device="dev_01jdabcdefghjkmnpqrstvwxy0")
    assert "error[agent-enrolled]" in agent("enroll", "--dir", state, "--again", stdin=other, want=5).stderr
    pair(state)


def renews_with_a_new_key_and_runs_the_hook(url, state):
    agent("enroll", "--dir", state, stdin=token(url))
    first = pair(state)
    hook = os.path.join(state, "hook.sh")
    with open(hook, "w") as f:
        f.write("#!/bin/sh\n[ $1 = word ] && cat $KITH_CERT $KITH_KEY $KITH_ROOT >/dev/null && env >%s/ran\n" % state)
    os.chmod(hook, 0o700)
    conf(state, "hook", "command = %s word" % hook)
    agent("run", "--dir", state, "--once")
    assert pair(state) == first, "renewed before its time"
    age(state)
    agent("run", "--dir", state, "--once")
    second = pair(state)
    assert public(first) != public(second) and PLATFORM.by[-1] == "simplereenroll"
    env = open(state + "/ran").read()
    assert "KITH_DEVICE=" + DEVICE in env and "HOME=" not in env, env
    assert len(os.listdir(state + "/credentials")) == 1
    os.unlink(state + "/ran")
    conf(state, "renew", "rekey = no")
    age(state)
    PLATFORM.issued = {}
    agent("run", "--dir", state, "--once")
    third = pair(state)
    assert public(third) == public(second) and third != second and os.path.exists(state + "/ran")


def keeps_the_old_credential_until_the_new_one_was_used(url, state):
    agent("enroll", "--dir", state, stdin=token(url))
    first = pair(state)
    age(state)
    PLATFORM.hello_denied = True
    agent("run", "--dir", state, "--once", want=4)
    assert pair(state) == first
    asked = len(PLATFORM.asked)
    PLATFORM.hello_denied = False
    agent("run", "--dir", state, "--once")
    assert pair(state) != first and len(PLATFORM.asked) == asked, "asked twice"


def what_fails_is_told_although_the_platform_is_content(url, state):
    """The hello that follows goes well and takes nothing back; what goes well later does."""
    agent("enroll", "--dir", state, stdin=token(url))
    conf(state, "hook", "command = /bin/false")
    heard = PLATFORM.hellos
    assert "error[agent-hook]" in agent("run", "--dir", state, "--once", want=1).stderr
    assert status(state)["error"]["code"] == "agent-hook" and PLATFORM.hellos > heard, status(state)
    conf(state, "hook", "command = /bin/true")
    PLATFORM.unavailable = 1
    agent("run", "--dir", state, "--once", "--renew", want=7)
    assert status(state)["error"]["code"] == "unavailable", status(state)
    agent("run", "--dir", state, "--once")
    assert "error" not in status(state), status(state)


def renews_by_itself_and_stops_when_told(url, state):
    PLATFORM.life_s = 5
    agent("enroll", "--dir", state, stdin=token(url))
    seen = {pair(state).serial_number}
    p = subprocess.Popen([AGENT, "run", "--dir", state], stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: open(state + "/lock").read().strip() == str(p.pid), "the agent to run")
        assert "error[locked]" in agent("run", "--dir", state, want=5).stderr

        def renewed():
            try:
                seen.add(pair(state).serial_number)
            except (OSError, AssertionError):  # between two reads of ours
                pass
            return len(seen) >= 3

        wait_for(renewed, "two renewals", 60, 0.2)
    finally:
        p.send_signal(signal.SIGTERM)
    assert p.wait(30) == 0, p.stderr.read()


def wipes_its_keys_when_the_device_is_retired(url, state):
    agent("enroll", "--dir", state, stdin=token(url))
    PLATFORM.gone = "device-retired"
    assert "error[agent-retired]" in agent("run", "--dir", state, "--once", want=6).stderr
    assert status(state)["state"] == "retired"
    assert os.listdir(state + "/credentials") == [] and not os.path.lexists(state + "/current")
    PLATFORM.gone = None
    assert "error[agent-retired]" in agent("enroll", "--dir", state, stdin=token(url), want=6).stderr


def wipes_nothing_that_was_only_revoked(url, state):
    """Nor by any other refusal, nor by an answer to a claim, which proves nothing of who asked."""
    agent("enroll", "--dir", state, stdin=token(url))
    was = pair(state)
    for code in ("tombstone", "denied", "device-state"):
        PLATFORM.gone = code
        for words in ([], ["--renew"]):
            p = agent("run", "--dir", state, "--once", *words, want=6 if code == "tombstone" else 4 if code == "denied" else 5)
            assert "error[%s]" % code in p.stderr and pair(state) == was, p.stderr
    PLATFORM.gone = "device-retired"
    p = agent("enroll", "--dir", state, "--again", "--wait", "0", stdin=next_token(url), want=6)
    assert "error[device-retired]" in p.stderr and "wiped" not in p.stderr and pair(state) == was, p.stderr
    assert "keys are wiped" in agent("run", "--dir", state, "--once", want=6).stderr  # the certificate is shown


def a_gateway_of_the_same_name_gets_no_claim(url, state):
    server, other = serve(usages=GATEWAY)
    p = agent("enroll", "--dir", state, stdin=token(other), want=6)
    assert "error[tls-trust]" in p.stderr and "id-kp-cmcRA" in p.stderr, p.stderr
    assert (PLATFORM.heard, PLATFORM.asked) == (0, []), PLATFORM.heard
    server.shutdown()
    agent("enroll", "--dir", state + "b", stdin=token(url))  # the same from the platform itself
    assert PLATFORM.heard == 1
    pair(state + "b")


def a_forged_answer_wipes_nothing(url, state):
    """Whoever stands in the platform's place: with a CA of the same names, with a device's or a gateway's certificate, without TLS."""
    agent("enroll", "--dir", state, stdin=token(url))
    was = pair(state)
    PLATFORM.gone = "device-retired"
    forged = [dict(by=Platform()), dict(usages=[ExtendedKeyUsageOID.CLIENT_AUTH]), dict(usages=GATEWAY)]
    for fault in forged:
        server, other = serve(**fault)
        conf(state, "platform", "url = " + other)
        for verb in (["run", "--once"], ["run", "--once", "--renew"]):
            p = agent(*verb, "--dir", state, want=6)
            assert "error[tls-trust]" in p.stderr and "wiped" not in p.stderr, p.stderr
        assert pair(state) == was and not os.path.exists(state + "/retired")
        server.shutdown()
    plain = Server(("127.0.0.1", 0), Est)
    threading.Thread(target=plain.serve_forever, daemon=True).start()
    for scheme in ("http", "https"):
        conf(state, "platform", "url = %s://localhost:%d" % (scheme, plain.server_address[1]))
        p = subprocess.run([AGENT, "run", "--once", "--dir", state], capture_output=True, text=True, timeout=60)
        assert p.returncode and "wiped" not in p.stderr and pair(state) == was, p.stderr
    plain.shutdown()
    conf(state, "platform", "url = " + url)
    p = agent("run", "--once", "--dir", state, want=6)  # the same answer from the platform itself
    assert "keys are wiped" in p.stderr and os.listdir(state + "/credentials") == [], p.stderr


TESTS = [v for v in list(globals().values()) if getattr(getattr(v, "__code__", None), "co_varnames", ())[:2] == ("url", "state")]


def main():
    named = [t for t in TESTS if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    assert len(named) == (len(sys.argv) - 1 or len(TESTS)), "there are: " + " ".join(t.__name__ for t in TESTS)
    server, url = serve()
    with World("agent") as w:
        test_each(w, named, url)
    server.shutdown()


if __name__ == "__main__":
    main()
