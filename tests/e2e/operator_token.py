#!/usr/bin/python3
"""An operator whose key never leaves a token: the request is made there, the platform certifies it, and the command line shows
it in TLS.  SoftHSM2 plays the smart card."""
import json
import os
import subprocess

from kithtest import BIN, SOFTHSM, Kith, World, run, say


def kith(w, *words, want=0):
    p = subprocess.run([os.path.join(BIN, "kith"), *words], capture_output=True, text=True, timeout=60, env=w.env)
    assert p.returncode == want, "%s: exit %d, not %d\n%s%s" % (words, p.returncode, want, p.stdout, p.stderr)
    assert "135790" not in p.stdout + p.stderr, "the PIN was printed"
    return p


def main():
    with World("operator-token") as w:
        pin = w.softhsm("my card")[5]
        token = ["--module", SOFTHSM, "--pin-file", pin]
        k = Kith(w)
        k.start()
        k.add_model("pump")
        for kind in ("p256", "p384", "rsa3072"):
            key = ["--key", f"pkcs11:token=my%20card;object=alice-{kind}"]
            csr, out = w.path(kind + ".csr"), w.path("alice-" + kind)
            kith(w, "operator", "request", "alice-" + kind, "--key-type", kind, "--out", csr, *key, *token)
            again = kith(w, "operator", "request", "alice-" + kind, *key, *token).stdout  # the same key
            assert public(csr) == public(w.write("again.csr", again))
            k.kith("operator", "add", "alice-" + kind, "--role", "security", "--csr", csr, "--out", out)
            assert os.listdir(out) == ["cert.pem"], "a key was made"
            remote = ["--url", f"https://localhost:{k.tls_port}", "--cert", out + "/cert.pem"]
            listed = json.loads(kith(w, "--json", "model", "ls", *remote, *key, *token).stdout)
            assert [m["name"] for m in listed["models"]] == ["pump"], listed
            added = json.loads(kith(w, "--json", "device", "add", "--model", "pump", "--serial", kind, *remote, *key, *token).stdout)
            assert k.history(added["id"])[-1]["fields"]["who"] == "operator:alice-" + kind, k.history(added["id"])
            say(f"ok acts with a {kind} key on a token")

        # what is wrong is said
        p = kith(w, "model", "ls", *remote, "--key", "pkcs11:token=my%20card;object=alice-p256", *token, want=6)
        assert "error[tls]" in p.stderr, p.stderr  # another key than the certificate's
        p = kith(w, "model", "ls", *remote, *key, want=2)
        assert "--module" in p.stderr and "--pin-file" in p.stderr, p.stderr
        p = kith(w, "model", "ls", *remote, "--key", "pkcs11:token=my%20card;object=nobody", *token, want=3)
        assert "error[" in p.stderr, p.stderr
        p = kith(w, "model", "ls", *remote, "--key", "pkcs11:token=no%20card;object=alice-p256", *token, want=7)
        bad = w.write("bad.csr", open(csr).read().replace("MII", "MIJ", 1))
        p = kith(w, "--dir", k.dir, "operator", "add", "bob", "--role", "security", "--csr", bad, "--out", w.path("bob"), want=6)
        assert "bad.csr" in p.stderr and not os.path.exists(w.path("bob")), p.stderr
        say("ok says what is wrong")
        k.stop()


def public(csr):
    return run("openssl", "req", "-in", csr, "-noout", "-pubkey").stdout


main()
