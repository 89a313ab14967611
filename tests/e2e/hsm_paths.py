#!/usr/bin/python3
"""A token in a directory of its user's own: the sandbox lets the signers at it by hsm_paths only.  Without them everything says so,
from `kith init` on, and nothing is started or entered; with them the platform works, and nothing has to be made again."""
import os
import sys

from kithtest import Kith, World, say, wait_for


def names_the_sandbox_and_what_to_write(k, said):
    conf = k.w.env["SOFTHSM2_CONF"]
    assert "sandbox" in said and "hsm_paths = " in said and "tokendir" in said and conf in said, said


def everything_says_so(k):
    assert k.init.returncode and "is made, but kithd would not start" in k.init.stderr, k.init.stderr
    names_the_sandbox_and_what_to_write(k, k.init.stderr)
    p = k.rehearse()
    assert p.returncode and "1 problem" in p.stderr, p.stdout + p.stderr
    names_the_sandbox_and_what_to_write(k, p.stderr)
    p = k.kith("doctor", "token", "keys", "signers", ok=False)
    assert p.returncode == 1 and "FAIL  signers" in p.stdout and p.stdout.count("FAIL") == 1, p.stdout
    names_the_sandbox_and_what_to_write(k, p.stdout)


def a_start_waits_and_says_so(k):
    k.launch()
    text = wait_for(k.readyz, "/readyz", 20, 0.2)
    assert text.startswith("FAIL signer-issuing: ") and "kithd -t" in text, text
    wait_for(lambda: k.w.log("kithd.log").count("started child=\"signer issuing\"") > 3, "four starts of the signer", 20, 0.2)
    log = k.w.log("kithd.log")
    assert "in the signer's sandbox: " in log and "hsm_paths: /etc/softhsm" in log, log
    assert "adopted" not in log and log.count("started child=server") == 1, log
    assert not os.path.exists(k.dir + "/data/kith.db"), "a ledger was begun that nobody can sign"
    k.stop()


def works_with_them(k, paths):
    with open(k.dir + "/kith.conf") as f:
        text = f.read()
    with open(k.dir + "/kith.conf", "w") as f:
        f.write(text.replace("[keys]\n", f"[keys]\nhsm_paths = {paths}\n"))
    p = k.rehearse()
    assert p.returncode == 0, p.stdout + p.stderr
    k.start()
    assert k.kith("doctor", "token", "keys", "signers").stdout.count("ok ") == 3
    k.add_model("pump")
    k.curl_enrol("one", k.add_device("HP-1"))
    k.must_verify()
    k.stop()


def main():
    with World("hsm-paths") as w:
        words = w.softhsm()
        at = words.index("--hsm-paths")
        k = Kith(w, *words[:at], ok=False)
        everything_says_so(k)
        a_start_waits_and_says_so(k)
        works_with_them(k, words[at + 1])
        say("ok")


if __name__ == "__main__":
    sys.exit(main())
