#!/usr/bin/python3
"""A wrong PIN in the PIN file reaches the token once: not by each signer, not by the supervisor's restarts, not by a restart of
kithd, kithd -t, doctor or ca; nor does that of an offline root by each command.  The right PIN, written to the file, is enough to go on.  The argument is the shim, which counts."""
import os
import signal
import sys

from kithtest import BIN, Kith, World, run, say, stop, wait_for
from token_faults import Shim, doctor

PIN, SIGNERS = "135790", 2


def starts(k):
    return k.w.log("kithd.log").count('started child="signer ')


def both_are_held_again(k, act):
    """Each signer was started once by it, and ended."""
    held = lambda: k.w.log("kithd.log").count("not started again until the PIN file")
    before, begun = held(), starts(k)
    act()
    wait_for(lambda: held() == before + SIGNERS, "both signers to be held", 20, 0.1)
    assert starts(k) == begun + SIGNERS, k.w.log("kithd.log")


def end(k):
    stop(k.daemon)
    k.w.running.remove(k.daemon)


def logins(shim):
    """In which a PIN was compared: SoftHSM2, while another process writes to the token, may say that it has none (0x102)."""
    return shim.count("login") - shim.count("login 102")


def put(file, pin):
    with open(file, "w", encoding="ascii") as f:
        f.write(pin)


def is_refused_unasked(k, *words):
    p = k.kith(*words, ok=False)
    assert p.returncode == 4 and "refused before" in p.stderr, p


def offline_root_tries_once(k, shim, module):
    root, pin_file = k.w.path("root"), k.w.write("root-pin", PIN)
    os.chmod(pin_file, 0o600)
    run(os.path.join(BIN, "kith"), "ca", "init-root", "--dir", root, "--name", "Root", "--hsm", module, "--token", "offline",
        "--pin-file", pin_file, env=k.w.env)
    put(pin_file, "999999")
    before = logins(shim)
    p = k.kith("ca", "crl", "--root-dir", root, ok=False)
    assert p.returncode == 4 and logins(shim) == before + 1, p
    is_refused_unasked(k, "ca", "crl", "--root-dir", root)
    assert logins(shim) == before + 1, k.w.log("shim/log")
    put(pin_file, PIN)
    k.kith("ca", "crl", "--root-dir", root)


def main():
    with World("pin") as w:
        w.softhsm("offline", PIN)
        words = w.softhsm(pin=PIN)
        shim = Shim(w)
        words[words.index("--hsm") + 1] = sys.argv[1]
        words[words.index("--hsm-paths") + 1] += "," + w.path("shim")
        pin_file = words[words.index("--pin-file") + 1]
        k = Kith(w, *words)
        k.start()
        k.stop()
        offline_root_tries_once(k, shim, sys.argv[1])
        os.unlink(shim.log)
        put(pin_file, "999999")
        both_are_held_again(k, k.launch)
        tried = logins(shim)
        assert tried == 1, f"the wrong PIN was tried {tried} times:\n" + w.log("shim/log") + w.log("kithd.log")
        both_are_held_again(k, lambda: k.daemon.send_signal(signal.SIGHUP))
        end(k)
        for _ in range(2):
            both_are_held_again(k, k.launch)
            end(k)
        p = k.rehearse()
        assert p.returncode == 4 and "refused before" in p.stderr and pin_file in p.stderr, p
        both_are_held_again(k, k.launch)
        found = doctor(k, "token")
        assert not found["ok"] and "refused before" in found["detail"], found
        is_refused_unasked(k, "ca", "crl", "--root-dir", k.dir)
        is_refused_unasked(k, "ca", "install", os.path.join(k.dir, "ca", "issuing.cer"))
        assert logins(shim) == 1, "tried again:\n" + w.log("shim/log")
        put(pin_file, PIN)
        k.wait_ready()
        assert doctor(k, "token")["ok"]
        # Two signers; doctor's token and keys, and the two signers that it rehearses.
        assert logins(shim) - 1 <= 6, w.log("shim/log")
        end(k)
        say("ok")


if __name__ == "__main__":
    main()
