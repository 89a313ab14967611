#!/usr/bin/python3
"""A user's installation: `meson install`, then doc/guide/install.md line by line, with what the units say about user, rights and
command.  As root in mount and network namespaces of our own, where the prefix, /etc and /var/lib are places of the test; only
systemctl is played, by a few lines that read the unit files."""
import fcntl
import glob
import json
import os
import pwd
import re
import shlex
import socket
import struct
import subprocess
import sys

from kithtest import BIN, ROOT, World, run, say, stop, wait_for

BUILD = os.path.dirname(BIN)
NOBODY = 65534
READY_S = 60


def as_user(name, *words):
    """With no right but that user's, as the units have it."""
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups", "--no-new-privs", "--bounding-set=-all",
            "--inh-caps=-all", *words]


def install(*more):
    return run("meson", "install", "-C", BUILD, "--no-rebuild", *more)


def files_below(*dirs):
    return sorted(os.path.join(at, f) for d in dirs for at, _, names in os.walk(d) for f in names)


class Unit:
    def __init__(self, path):
        with open(path) as f:
            rows = re.findall(r"^(\w+)=(.*)$", f.read(), re.M)
        self.all = lambda key: [value for name, value in rows if name == key]
        self.user, self.umask = self.all("User")[0], int(self.all("UMask")[0], 8)
        self.commands = self.all("ExecStartPre"), self.all("ExecStart")
        self.for_good = [int(word) for word in self.all("RestartPreventExitStatus")[0].split()]
        self.dirs = ["/var/lib/" + word for word in self.all("StateDirectory")[0].split()]
        self.conditions = self.all("ConditionPathExists")


class Machine:
    """What the guide is done on."""

    def __init__(self, w, prefix):
        self.w, self.prefix, self.running = w, prefix, {}
        self.units = prefix + "/lib/systemd/system/"
        self.env = dict(w.env, PATH=f"{prefix}/sbin:{prefix}/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME=w.path("home"))
        w.env = self.env
        for place in (prefix, "/var/lib", "/etc", BUILD + "/meson-logs"):  # the last has what `uninstall` removes
            mine = w.path("at" + place.replace("/", "_"))
            if place == "/etc":
                run("cp", "-a", place, mine)
            else:
                os.makedirs(mine, 0o755)
            run("mount", "--bind", mine, place)
        os.mkdir(self.env["HOME"])
        with open("/etc/hosts", "a") as f:
            f.write("\n127.0.0.1 localhost kith.example.com\n")
        with socket.socket() as s:  # lo is up: SIOCSIFFLAGS, IFF_UP
            fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 1))
        with open(os.path.join(ROOT, "doc", "guide", "install.md")) as f:
            parts = re.split(r"^## (.*)\n", f.read(), flags=re.M)
        self.guide = dict(zip(parts[1::2], parts[2::2]))

    def follow(self, section):
        """The lines of one section, one by one."""
        blocks = re.findall(r"^```sh\n(.*?)^```$", self.guide[section], re.M | re.S)
        assert blocks, f"the guide says nothing under {section}"
        for line in "".join(blocks).replace("\\\n", "").splitlines():
            words = shlex.split(line)
            if words[0] == "systemctl":
                self.systemctl(*words[1:])
            elif line != "./dev build":
                line = line.replace("-C build ", f"-C {shlex.quote(BUILD)} ")
                p = run("bash", "-euo", "pipefail", "-c", line, env=self.env, cwd=self.env["HOME"], ok=False, seconds=120)
                assert p.returncode == 0, f"{line}: exit {p.returncode}\n{p.stdout}{p.stderr}"
        say(f"ok {section}")

    # ---- systemd's part ----

    def systemctl(self, verb, *words):
        name = words[-1] if words else None
        assert verb in ("daemon-reload", "start", "stop", "restart", "enable", "disable"), verb
        if verb in ("enable", "disable"):
            assert words[0] == "--now" and os.path.exists(self.units + name + ".service")
        if verb in ("stop", "disable", "restart"):
            p = self.running.pop(name)
            stop(p)
            assert p.returncode == 0, f"{name}: exit {p.returncode}"
        if verb in ("start", "enable", "restart"):
            code = self.start(name)
            assert code is None, f"{name}: exit {code}\n{self.w.log(name + '.log')}"

    def start(self, name):
        """Its exit code; None once it said that it is ready."""
        unit = Unit(self.units + name + ".service")
        for path in unit.conditions:
            assert os.path.exists(path), path
        for d in unit.dirs:  # systemd would make them, but they were needed before
            st = os.stat(d)
            assert (st.st_uid, st.st_mode & 0o777) == (pwd.getpwnam(unit.user).pw_uid, 0o700), d
        before, (command,) = unit.commands
        for line in before:
            code = subprocess.run(as_user(unit.user, *shlex.split(line)), env=self.env).returncode
            if code:
                return code
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind("\0" + self.w.path("notify"))
            s.setblocking(False)
            self.env["NOTIFY_SOCKET"] = "@" + self.w.path("notify")
            p = self.w.start(as_user(unit.user, *shlex.split(command)), name + ".log", cwd="/", umask=unit.umask)
            del self.env["NOTIFY_SOCKET"]

            def told():
                try:
                    return b"READY=1" in s.recv(4096).split(b"\n")
                except BlockingIOError:
                    return p.poll() is not None
            wait_for(told, f"{name} to be ready", READY_S)
        if p.poll() is not None:
            return p.returncode
        self.running[name] = p
        return None


def is_whole_where_it_is_put(w, prefix):
    """A tree of DESTDIR, anywhere: each program finds the others, and profiles as they are in the tree."""
    tree = w.path("tree")
    install("--destdir", tree)
    top = tree + prefix
    with open(top + "/share/kith/profiles/ldevid.profile", "a") as f:
        f.write("# of this tree\n")
    home = w.path("somebody")
    os.mkdir(home)
    os.chown(home, NOBODY, NOBODY)
    run(*as_user(NOBODY), top + "/bin/kith", "init", "--dir", home + "/D", "--name", "Acme", env=w.env)
    with open(home + "/D/profiles/ldevid.profile") as f:
        assert f.read().endswith("# of this tree\n")
    run(*as_user(NOBODY), top + "/sbin/kithd", "-t", "--config", home + "/D/kith.conf", env=w.env)
    for tag, has, lacks in (("agent", "bin/kith-agent", "sbin/kithd"), ("platform", "sbin/kithd", "bin/kith-agent"),
                            ("gateway", "lib/kith/kith_mosquitto.so", "bin/kith")):
        install("--destdir", w.path(tag), "--tags", tag)
        assert os.path.exists(f"{w.path(tag)}{prefix}/{has}") and not os.path.exists(f"{w.path(tag)}{prefix}/{lacks}"), tag
    say("ok a tree of DESTDIR")


def belongs_to_its_users_alone():
    for owner, others, dirs in (("kith", ("kith-agent", "nobody"), ("/var/lib/kith", "/var/lib/kith-secrets")),
                                ("kith-agent", ("kith", "nobody"), ("/var/lib/kith-agent",))):
        uid = pwd.getpwnam(owner).pw_uid
        for path in files_below(*dirs):
            assert os.lstat(path).st_uid == uid, f"{path} is not {owner}'s"
        for d in dirs:
            for other in others:
                p = run(*as_user(str(pwd.getpwnam(other).pw_uid)), "ls", d, ok=False)
                assert p.returncode and "Permission denied" in p.stderr, f"{other} reads {d}: {p.stdout}"
        p = run(*as_user(str(uid)), "cat", "/etc/shadow", ok=False)
        assert p.returncode and not p.stdout, f"{owner} reads /etc/shadow"
    say("ok what others may not read")


def ends_for_good_where_a_start_would_not_help(m):
    for_good = Unit(m.units + "kithd.service").for_good
    conf, passphrase = "/var/lib/kith/kith.conf", "/var/lib/kith-secrets/passphrase"
    assert m.start("kithd") in for_good, "another kithd"
    m.systemctl("stop", "kithd")
    for what, spoil in (("a wrong line", f"echo nonsense >> {conf}"), ("root's file", f"chown root {conf}"),
                        ("a missing file", f"rm {conf}"), ("an open passphrase", f"chmod 644 {passphrase}")):
        run("cp", "-a", conf, m.w.path("kept"))
        run("sh", "-c", spoil)
        code = m.start("kithd")
        assert code in for_good, f"{what}: exit {code}\n{m.w.log('kithd.log')}"
        run("cp", "-a", m.w.path("kept"), conf)
        os.chmod(passphrase, 0o600)
    m.systemctl("start", "kithd")
    say("ok no loop of restarts")


def follow_all(w, prefix):
    m = Machine(w, prefix)
    is_whole_where_it_is_put(w, prefix)
    m.follow("Build and install")
    for path in glob.glob(m.units + "*.service"):
        p = run("systemd-analyze", "verify", path, env=m.env, ok=False)
        assert p.returncode == 0 and not p.stdout + p.stderr, p.stdout + p.stderr
    p = run(prefix + "/bin/kith", "init", "--dir", "/var/lib/kith", ok=False)
    assert p.returncode and "try: do it as that user (runuser" in p.stderr and not os.listdir("/var/lib/kith"), p.stderr
    m.follow("Initialise and start")
    m.follow("A device")
    run("openssl", "verify", "-CAfile", "/var/lib/kith-agent/root.pem", "-untrusted", "/var/lib/kith-agent/current/cert.pem",
        "/var/lib/kith-agent/current/cert.pem")
    kith, gate = prefix + "/bin/kith", w.path("gate")
    run(kith, "--dir", "/var/lib/kith", "gateway", "add", "b", "--hostnames", "localhost", "--user", "root", "--out", gate)
    plugin, = re.findall(r"^plugin (.*)$", run(kith, "gateway", "config", "--gate", gate).stdout, re.M)
    assert os.path.realpath(plugin) == prefix + "/lib/kith/kith_mosquitto.so", plugin
    belongs_to_its_users_alone()
    m.follow("Upgrade")
    ends_for_good_where_a_start_would_not_help(m)
    m.follow("Remove")
    left = files_below(prefix, "/var/lib")
    assert not left, left


def main():
    if os.getuid() != 0:
        say("not as root: nobody else installs services")
        return 77
    if "inside" not in sys.argv:
        words = ["unshare", "--mount", "--net", "--propagation", "private"]
        if run(*words, "true", ok=False).returncode:
            say("no namespaces of our own here")
            return 77
        os.execvp(words[0], [*words, sys.executable, os.path.abspath(__file__), "inside"])
    options = json.loads(run("meson", "introspect", "--buildoptions", BUILD).stdout)
    prefix = next(o["value"] for o in options if o["name"] == "prefix")
    if prefix in ("/", "/usr"):
        say(f"what is tested is installed to {prefix}, which the test itself stands on")
        return 77
    with World("install") as w:
        os.chmod(w.dir, 0o711)
        follow_all(w, prefix)
    return 0


if __name__ == "__main__":
    sys.exit(main())
