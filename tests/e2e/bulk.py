#!/usr/bin/python3
"""kith device add --from: many devices in one go, from CSV and JSON lines, cut off by kill -9 of the command and of the server,
taken up again, with exactly the wished devices at the end and every bad line reported.

    bulk.py [N]       devices of each run (10,000)"""
import json
import os
import pty
import random
import resource
import signal
import subprocess
import sys
import time

from kithtest import BIN, Kith, World, run, say, wait_for

BAD = {  # what stands in a line: what is said of it
    "csv": (('"no end', "syntax"), ("too,many,fields,here", "syntax"), ("semi;colon,x", "name"), (",", None), ("x" * 65 + ",a", None)),
    "jsonl": (('{"serial":', "json"), ('{"serial":7}', None), ('{"serial":"A","colour":"red"}', None), ('[1]', "json"),
              ('{"serial":"a\\tb"}', None), ('{"owner":"me"}', None), ('{"serial":"N"}\0', "json")),
}


def write_list(w, kind, n, prefix):
    """A list of n good lines with bad ones among them; where it is, and {line: code or None} of the bad."""
    r, bad, lines = random.Random(n), {}, ["serial,owner"] if kind == "csv" else []
    places = sorted(r.sample(range(n), len(BAD[kind]) - 1)) if kind == "csv" else sorted(r.sample(range(n), len(BAD[kind])))
    wrong = list(BAD[kind][1:] if kind == "csv" else BAD[kind])
    for i in range(n):
        if places and i == places[0]:
            places.pop(0)
            text, code = wrong.pop(0)
            lines.append(text)
            bad[len(lines)] = code
        lines.append(f"{prefix}-{i:06},yard" if kind == "csv" else json.dumps({"serial": f"{prefix}-{i:06}", "tags": {"n": str(i)}}))
    if kind == "csv":
        lines.append(BAD[kind][0][0])
        bad[len(lines)] = BAD[kind][0][1]
    return w.write(f"{prefix}.{kind}", "\n".join(lines) + "\n"), bad


def count(k):
    return k.must("GET", "/v1/status")["devices"]


def start(k, path, **kw):
    return subprocess.Popen([os.path.join(BIN, "kith"), "--dir", k.dir, "device", "add", "--model", "pump", "--from", path],
                            env=k.w.env, text=True, **kw)


def check_failures(path, bad):
    with open(path + ".failures") as f:
        lines = [json.loads(line) for line in f]
    told = {x["line"]: x for x in lines}
    assert [x["line"] for x in lines] == sorted(told), "not in the order of lines"
    assert set(told) == set(bad), f"told {sorted(told)}, wanted {sorted(bad)}"
    for line, code in bad.items():
        assert told[line]["detail"] and (code is None or told[line]["code"] == code), told[line]


def is_cut_off_and_taken_up_again(k, kind, n):
    """kill -9 of the command, then of the server under the next one, which goes on by itself."""
    path, bad = write_list(k.w, kind, n, "CUT" + kind)
    before = count(k)
    p = start(k, path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: count(k) - before >= n // 5, "a part of them", 60, 0.002)
    p.kill()
    p.wait()
    part = count(k) - before
    assert 0 < part < n, f"{part} of {n}: the command was done before it was killed"
    p = start(k, path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wait_for(lambda: count(k) - before >= min(n - 1, part + n // 5), "some more", 60, 0.002)
    os.kill(k.pids()["kith-server"], signal.SIGKILL)
    talk = p.communicate(timeout=120)[1]
    k.wait_ready()
    assert p.returncode == 8, f"exit {p.returncode}: {talk}"  # partly done: the bad lines
    assert count(k) - before == n, f"{count(k) - before} of {n}"
    again = start(k, path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, talk = again.communicate(timeout=120)
    assert again.returncode == 8 and not out and f"{n} known already" in talk and f"{len(bad)} failed" in talk, (out, talk)
    assert count(k) - before == n
    check_failures(path, bad)
    say(f"{kind}: killed at {part} of {n}, all there in the end, {len(bad)} bad lines named")


def is_done_at_once(k, kind, n):
    path, bad = write_list(k.w, kind, n, "ALL" + kind)
    before, at = count(k), time.monotonic()
    p = start(k, path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, talk = p.communicate(timeout=400)
    took = time.monotonic() - at
    assert p.returncode == 8 and len(out.splitlines()) == n == count(k) - before, (p.returncode, talk)
    ids = [line.split("\t")[0] for line in out.splitlines()]
    assert len(set(ids)) == n
    check_failures(path, bad)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    say(f"{kind}: {n} devices in {took:.2f} s, {n / took:.0f}/s; the command took at most {peak} MB")


def tells_how_far_it_is(k, n):
    """On a terminal."""
    path, _ = write_list(k.w, "csv", n, "TTY")
    master, slave = pty.openpty()
    p = start(k, path, stdout=subprocess.DEVNULL, stderr=slave)
    os.close(slave)
    text = b""
    while True:
        try:
            more = os.read(master, 65536)
        except OSError:
            break
        if not more:
            break
        text += more
    p.wait()
    os.close(master)
    told = [line for line in text.decode().split("\r") if " of " in line]
    assert len(told) >= 2 and f" of {n + len(BAD['csv'])}: " in told[0], text


def gives_each_device_its_token(k):
    path = k.w.write("tokens.csv", "serial\n" + "".join(f"TOKEN-{i}\n" for i in range(200)))
    lines = k.kith("device", "add", "--model", "pump", "--token", "--from", path).stdout.splitlines()
    assert len({line.split("\t")[2] for line in lines}) == 200 and all("\tkith1_" in line for line in lines)


def gives_lost_tokens_anew(k):
    """The command is killed behind the server's answer: the same command says which rows wait, --again gives them new tokens."""
    path = k.w.write("lost.csv", "serial\n" + "".join(f"LOST-{i}\n" for i in range(20)))
    add = ["device", "add", "--model", "pump", "--token", "--from", path]
    k.kith(*add)  # what it printed is lost
    agent = lambda n, token, ok: run(os.path.join(BIN, "kith-agent"), "enroll", "--wait", "0", "--dir", k.w.path(f"lost-{n}"),
                                     input=token + "\n", ok=ok, env=k.w.env)
    used = k.kith("device", "token", "LOST-3").stdout.strip()
    agent(3, used, True)
    p = k.kith(*add)
    assert not p.stdout and "19 that were known have no certificate yet" in p.stderr and "--again" in p.stderr, p.stderr
    assert "; lines 2-4, 6-21\n" in p.stderr, p.stderr  # of the file, titles in line 1
    first = [line.split("\t") for line in k.kith(*add, "--again").stdout.splitlines()]
    said = [json.loads(line) for line in k.kith(*add, "--again", "--json").stdout.splitlines()]
    assert [x[1] for x in first] == [x["serial"] for x in said[:-1]] == [f"LOST-{i}" for i in range(20) if i != 3], first
    assert agent(0, first[0][2], False).returncode == 4  # void since
    agent(1, said[1]["token"], True)
    assert k.kith(*add[:4], "--again", "--serial", "x", ok=False).returncode == 2


def keeps_tokens_in_a_file_of_its_own(k, n):
    """Killed by and by, each time another part of the way: at the end every device has one line, with a token that serves."""
    path = k.w.write("kept.csv", "serial\n" + "".join(f"KEPT-{i}\n" for i in range(n)))
    out, first = k.w.path("kept.tokens"), {}
    add = ["device", "add", "--model", "pump", "--token", "--from", path, "--out", out]
    rows = lambda: [line.split("\t") for line in open(out).read().splitlines()]
    for part in (0, 1, 2):
        before = count(k)
        p = subprocess.Popen([os.path.join(BIN, "kith"), "--dir", k.dir, *add], env=k.w.env, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        wait_for(lambda: p.poll() is not None or count(k) > before + part, "some of them", 300, 0.002)
        p.kill()
        p.wait()
        assert os.stat(out).st_mode & 0o777 == 0o600
        if part == 0:
            with open(out) as f:
                text = f.read()
            with open(out, "w") as f:  # the end of what was written is lost, in the middle of a line
                f.write("".join(text.splitlines(True)[:5]) + "dev_0123")
            first = {row[0]: row[2] for row in rows()[:-1]}
    p = k.kith(*add, seconds=300)  # a commit for each token that is given anew
    assert not p.stdout, p.stdout
    told = rows()
    assert sorted(r[1] for r in told) == sorted(f"KEPT-{i}" for i in range(n)), len(told)
    assert all(token == first.get(id, token) for id, _, token in told)  # what was written down stays good
    assert k.kith(*add, seconds=300).stderr and rows() == told  # and again: nothing is new
    for row in (told[0], told[-1]):
        run(os.path.join(BIN, "kith-agent"), "enroll", "--wait", "0", "--dir", k.w.path("kept-" + row[1]), input=row[2] + "\n",
            env=k.w.env)
    os.chmod(out, 0o644)
    p = k.kith(*add, ok=False)
    assert p.returncode == 6 and "file-mode" in p.stderr and rows() == told, p.stderr
    for text in ("a passphrase", "a passphrase\n", "dev_1\n"):  # what is something else is never cut
        other = k.w.write("other", text)
        os.chmod(other, 0o600)
        assert k.kith(*add[:-1], other, ok=False).returncode != 0 and open(other).read() == text
    assert k.kith("device", "add", "--model", "pump", "--serial", "x", "--token", "--out", out, ok=False).returncode == 2


def history_finds_every_entry(k, n):
    """Beside a reading of the whole log: entries of devices old and new, in blocks with filters and behind the last of them."""
    names = [f"ALLcsv-{i:06}" for i in (0, 1, 255, n // 2, n - 1)] + ["TOKEN-7", "TOKEN-199"]
    for name in names[::2]:
        for act in ("suspend", "resume"):
            k.must("POST", f"/v1/devices/{name}/{act}", {})
    size = k.must("GET", "/v1/status")["ledger"]["size"]
    wait_for(lambda: len(k.rows("SELECT pos FROM entry_filter")) >= (size - 256) // 256, "the filters", 20, 0.1)
    ids = {name: k.must("GET", "/v1/devices/" + name)["id"] for name in names}
    wanted = {name: [] for name in names}
    for seq, _, _, fields in k.entries():
        for name, id in ids.items():
            if id in (fields.get("device"), fields.get("subject"), fields["who"].removeprefix("device:")):
                wanted[name].insert(0, seq)
    for name in names:
        got = [e["seq"] for e in k.history(ids[name])]
        assert got == wanted[name] and len(got) >= 1 + 2 * (name in names[::2]), (name, got, wanted[name])
    data = k.rows("SELECT SUM(LENGTH(data)) FROM entry_filter")[0][0]
    say(f"history of {len(names)} devices is whole; filters take {data / size:.2f} bytes an entry")


def makes_the_first_model(k):
    """As a single device does; of two models none is known to be meant.  One reason for all is said, with what to try."""
    two = k.w.write("two.csv", "model,serial\npump,A\npmup,B\n")
    p = k.kith("device", "add", "--from", two, ok=False)
    with open(two + ".failures") as f:
        assert [json.loads(line)["try"] for line in f] == ['kith model add "pump"', 'kith model add "pmup"']
    assert p.returncode == 8 and not k.must("GET", "/v1/models")["models"], p.stderr
    one = k.w.write("one.csv", "serial\nFIRST-1\nFIRST-2\n")
    p = k.kith("device", "add", "--model", "pump", "--from", one)
    assert p.stderr.count('model "pump" is new') == 1 and "2 added, 0 known already, 0 failed" in p.stderr, p.stderr
    p = k.kith("device", "add", "--model", "pmup", "--from", one, ok=False)
    assert p.returncode == 8 and '2 of the 2: model "pmup" is not known\ntry: did you mean "pump"' in p.stderr, p.stderr


def tells_who_is_gone(k):
    path = k.w.write("gone.csv", "serial\nFIRST-1\nFIRST-2\n")
    k.kith("device", "retire", "FIRST-1")
    p = k.kith("device", "add", "--model", "pump", "--token", "--from", path, ok=False)
    assert p.returncode == 8 and "1 known already, 1 failed" in p.stderr and "FIRST-1 exists already" in p.stderr, p.stderr
    assert "a serial number of its own" in p.stderr, p.stderr
    with open(path + ".failures") as f:
        assert json.loads(f.read())["code"] == "conflict"


def adds_nothing_of_an_open_quote(k):
    path = k.w.write("open.csv", 'serial\nOPEN-1\n"OPEN-2\nOPEN-3\n')
    p = k.kith("device", "add", "--model", "pump", "--from", path, ok=False)
    assert p.returncode == 8 and "1 added, 0 known already, 1 failed" in p.stderr and "does not end" in p.stderr, p.stderr
    assert [k.api("GET", f"/v1/devices/OPEN-{i}").status for i in (1, 2, 3)] == [200, 404, 404]


def a_long_list_has_titles_once(k):
    """It comes page by page, which a program that reads it need not know."""
    lines = k.kith("device", "ls", "--limit", "1100").stdout.splitlines()
    assert len(lines) == 1101 and [line.split()[0] == "ID" for line in lines].index(False) == 1, len(lines)
    assert len({line.split()[0] for line in lines}) == 1101


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10000
    with World("bulk") as w:
        k = Kith(w)
        k.start()
        makes_the_first_model(k)
        tells_who_is_gone(k)
        adds_nothing_of_an_open_quote(k)
        for kind in ("csv", "jsonl"):
            is_done_at_once(k, kind, n)
        for kind in ("csv", "jsonl"):
            is_cut_off_and_taken_up_again(k, kind, n)
        a_long_list_has_titles_once(k)
        tells_how_far_it_is(k, n)
        gives_each_device_its_token(k)
        gives_lost_tokens_anew(k)
        keeps_tokens_in_a_file_of_its_own(k, 1100)
        history_finds_every_entry(k, n)
        server = k.pids()["kith-server"]
        with open(f"/proc/{server}/status") as f:
            say("server " + " ".join(line.split(":")[0] + line.split(":")[1].replace("\t", " ").strip("\n") for line in f if
                                     line.startswith(("VmHWM", "RssAnon"))))
        at = time.monotonic()
        code, text = k.check_database()
        assert code == 0, text
        say(f"ledger verify {time.monotonic() - at:.1f} s: {text.strip().splitlines()[-1]}")
        k.stop()


main()
