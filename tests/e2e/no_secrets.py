#!/usr/bin/python3
"""Passphrase and PIN come as systemd credentials ($CREDENTIALS_DIRECTORY names the directory, as LoadCredential= does), and no
secret shows in a process that runs: not in its arguments, its environment or the logs, nor would a core file have it."""
import os
import re
import secrets
import sys

from kithtest import BIN, Kith, World, run, say, stop, wait_for

GROUP = 65534


def marked():
    """Words that give what is started a group of its own, where we may: see is_dumpable()."""
    return ["setpriv", f"--regid={GROUP}", "--clear-groups"] if os.getuid() == 0 else []


def is_dumpable(pid):
    """The kernel gives the files of /proc/PID to root, user and group, once a process is not dumpable."""
    st = os.stat(f"/proc/{pid}/mem")
    own = (0, GROUP) if os.getuid() == 0 else (os.getuid(), os.getgid())
    assert (st.st_uid, st.st_gid) in (own, (0, 0)), st
    return (st.st_uid, st.st_gid) == own


def look_into(pid, name, words, hardened):
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        shown = f.read()
    with open(f"/proc/{pid}/environ", "rb") as f:
        shown += f.read()
    for what, word in words.items():
        assert word.encode() not in shown, f"{what} shows in the arguments or the environment of {name}"
    assert is_dumpable(pid) != hardened, f"{name} would{'' if hardened else ' not'} be dumped"
    with open(f"/proc/{pid}/limits") as f:
        core = re.search(r"^Max core file size +(\S+) +(\S+)", f.read(), re.M).groups()
    assert not hardened or core == ("0", "0"), f"{name}: core files of {core}"


def into_credential(w, k, row, name):
    """The file that init wrote or was given becomes a credential, and is gone where it was.  What it has in it."""
    text = w.log("D/kith.conf")
    was, = re.findall(rf"^{row} = (.+)$", text, re.M)
    was = os.path.normpath(os.path.join(k.dir, was.strip('"')))
    os.makedirs(w.path("credentials"), exist_ok=True)
    os.rename(was, w.path("credentials", name))
    os.chmod(w.path("credentials", name), 0o440)  # as systemd has them
    w.write("D/kith.conf", re.sub(rf"(?m)^{row} = .+$", f"{row} = credential:{name}", text))
    with open(w.path("credentials", name)) as f:
        return f.read().strip()


def wants_the_credential(w, k):
    """Without it a signer says what is missing, and where it would come from."""
    env = {n: v for n, v in w.env.items() if n != "CREDENTIALS_DIRECTORY"}
    p = run(os.path.join(BIN, "kith-signer"), "--config", k.dir + "/kith.conf", "--domain", "issuing", "--fd", "3", ok=False,
            env=env)
    assert p.returncode != 0 and "no systemd credential" in p.stderr, p.stderr
    p = k.rehearse(env=env)
    assert p.returncode == 0 and "LoadCredential" in p.stdout + p.stderr, p.stdout + p.stderr


def enrols_an_agent(w, k, words):
    token = k.add_device("AG1")
    words["the device's claim"] = token["claim"]
    words["the enrolment token"] = token["token"]
    words["the passphrase of the agent"] = secrets.token_hex(16)
    w.write("agent-pass", words["the passphrase of the agent"])
    state = w.path("agent")
    p = run(os.path.join(BIN, "kith-agent"), "enroll", "--dir", state, "--passphrase-file", w.path("agent-pass"),
            input=token["token"], env=w.env)
    assert not any(x in p.stdout + p.stderr for x in words.values()), p.stdout + p.stderr
    agent = w.start([*marked(), os.path.join(BIN, "kith-agent"), "run", "--dir", state], "agent.log")
    wait_for(lambda: os.path.basename(os.readlink(f"/proc/{agent.pid}/exe")) == "kith-agent" and not is_dumpable(agent.pid),
             "the agent to run")
    look_into(agent.pid, "kith-agent", words, True)
    return agent


def runs_from(words_of_init, row, name):
    with World("secrets") as w:
        k = Kith(w, *words_of_init(w))
        words = {row: into_credential(w, k, row, name)}
        assert len(words[row]) >= 6, row
        wants_the_credential(w, k)
        w.env["CREDENTIALS_DIRECTORY"] = w.path("credentials")
        k.daemon = w.start([*marked(), *k.kithd()], "kithd.log")
        k.wait_ready()
        k.add_model()
        agent = enrols_an_agent(w, k, words)
        look_into(k.daemon.pid, "kithd", words, False)  # has no secret, and shows that the others' files would be seen
        pids = k.pids()
        assert set(pids) == {"kith-server", "kith-signer issuing", "kith-signer ledger"}, pids
        for child, pid in pids.items():
            look_into(pid, child, words, True)
        stop(agent)
        stop(k.daemon)
        for path in w.logs:
            with open(path) as f:
                text = f.read()
            for what, word in words.items():
                assert word not in text, f"{what} is in {os.path.basename(path)}"
        say(f"ok {row} = credential:{name}; {len(pids) + 2} processes looked into for {len(words)} secrets")


def main():
    runs_from(lambda w: [], "passphrase_file", "kith-passphrase")
    runs_from(lambda w: w.softhsm(pin=secrets.token_hex(6)), "hsm_pin_file", "kith-pin")


if __name__ == "__main__":
    sys.exit(main())
