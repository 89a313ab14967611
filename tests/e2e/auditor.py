#!/usr/bin/python3
"""An auditor asks the ledger: every filter beside a reading of the whole log, page by page and in both orders, from the platform and
from an export; one entry with its proof; what is asked wrongly; and a server or a file that says what was never entered."""
import datetime
import itertools
import json
import os
import urllib.parse

from kithtest import BIN, ROOT, Kith, World, run, say, timed, wait_for

KITH = os.path.join(BIN, "kith")
STATEMENT = os.path.join(ROOT, "tests", "interop", "verify_statement.py")
NAMES = ("device", "subject", "operator", "gateway", "anchor")


def ask(k, **query):
    """(entries, next)"""
    a = k.must("GET", "/v1/ledger/entries?" + urllib.parse.urlencode(query))
    return a["entries"], a.get("next")


def pages(k, limit, **query):
    """All of it, page by page."""
    out, query = [], dict(query, limit=limit)
    while True:
        entries, after = ask(k, **query)
        assert len(entries) <= limit, (len(entries), limit)
        out += [e["seq"] for e in entries]
        if after is None:
            return out
        query["from"] = after


def seqs(p):
    return [json.loads(line)["seq"] for line in p.stdout.splitlines()]


def types():
    """{number: name} of doc/spec/events.md."""
    out = {}
    with open(os.path.join(ROOT, "doc", "spec", "events.md")) as f:
        for line in f:
            cells = [c.strip() for c in line.split("|")]
            if len(cells) > 3 and cells[1].isdigit():
                out[int(cells[1])] = cells[2].strip("`")
    return out


def live(k):
    """A platform on which something has happened; {name: device}."""
    k.add_model("pump")
    dev = {n: k.add_device(n) for n in ("SN-1", "SN-2")}
    for n, d in dev.items():
        k.curl_enrol(n, d)
    k.kith("operator", "add", "alice", "--role", "security", "--out", k.w.path("alice"))
    k.kith("gateway", "add", "gate", "--out", k.w.path("gate"))
    k.w.write("fleet.csv", "serial\n" + "".join(f"F-{i}\n" for i in range(900)))
    k.kith("device", "add", "--model", "pump", "--from", k.w.path("fleet.csv"))
    alice = ["--url", k.url, "--cert", k.w.path("alice/cert.pem"), "--key", k.w.path("alice/key.pem")]
    for words in (["device", "suspend", "F-3", "--why", "seen elsewhere"], ["device", "revoke", "SN-1", "--why", "lost"]):
        run(KITH, *alice, *words, env=k.w.env)
    k.kith("operator", "rm", "alice")
    wait_for(lambda: len(k.rows("SELECT pos FROM entry_filter")) >= 3, "the filters", 20, 0.1)
    return dev


def wanted(log, names, query):
    """The same by a reading of the whole log: [seq], newest first."""
    out = []
    for seq, time_ms, kind, f in log:
        who = f.get("who", "")
        named = {f.get(n) for n in NAMES} | {who.partition(":")[2]}
        if (("type" not in query or any(names[kind] == t or (t.endswith(".*") and names[kind].startswith(t[:-1]))
                                        for t in query["type"].split(","))) and
                ("who" not in query or query["who"] in (who, who.partition(":")[2])) and
                ("subject" not in query or query["subject"] in named) and
                ("device" not in query or query["device"] in named) and
                ("since" not in query or time_ms >= query["since_ms"]) and
                ("until" not in query or time_ms < query["until_ms"])):
            out.insert(0, seq)
    return out


def stamp(ms):
    return datetime.datetime.utcfromtimestamp(ms / 1000).isoformat(timespec="milliseconds") + "Z"


def every_filter_is_right(k, dev):
    log, names = k.entries(), types()
    size = len(log)
    middle = log[size // 2][1]
    given = {
        "type": ["cert.issued", "cert.*,claim.created", "device.added", "alarm.raised", "operator.*"],
        "who": ["operator:alice", "alice", "local:0", "0", "system:server", "nobody"],
        "subject": ["alice", "gate", dev["SN-1"]["id"], "nobody"],
        "since": [stamp(middle)],
        "until": [stamp(middle)],
    }
    queries = [{}] + [{n: v} for n, vs in given.items() for v in vs]
    queries += [dict([a, b]) for (x, y) in itertools.combinations(given, 2)
                for a in [(x, v) for v in given[x][:2]] for b in [(y, v) for v in given[y][:2]] if (x, y) != ("since", "until")]
    queries += [{"device": dev["SN-1"]["id"]}, {"device": dev["SN-1"]["id"], "type": "cert.revoked"}]
    export = k.w.path("entries.export")  # what log was read from
    found = 0
    for q in queries:
        want = wanted(log, names, dict(q, since_ms=middle, until_ms=middle))
        assert pages(k, 1000, until=q.get("until", stamp(log[-1][1] + 1)), **{n: v for n, v in q.items() if n != "until"}) == want, q
        assert pages(k, 1000, order="oldest", **q)[:len(want)] == want[::-1], q
        words = [w for n, v in q.items() for w in ("--" + n, v)]
        assert seqs(k.kith("--json", "ledger", "ls", "--export", export, *words)) == want, q
        found += len(want)
    assert found > 2000, found
    want = wanted(log, names, {"type": "cert.*"})
    for limit in (1, 2, 7):
        for order in ("newest", "oldest"):
            got = pages(k, limit, type="cert.*", order=order)
            assert got == (want if order == "newest" else want[::-1]), (limit, order, got, want)
    for at in (0, 1, 255, 256, 257, size - 2):
        assert pages(k, 1000, **{"from": at}) == list(range(at, -1, -1)), at
        assert pages(k, 1000, **{"from": at, "order": "oldest"})[:size - at] == list(range(at, size)), at
    assert pages(k, 1000, **{"from": 10 ** 9, "order": "oldest"}) == []
    assert pages(k, 1000, **{"from": 10 ** 9})[-1] == 0
    say(f"{len(queries)} queries over {size} entries")


def the_commands_answer(k, dev):
    """The questions of doc/guide/auditor.md."""
    p = k.kith("ledger", "ls", "--device", "SN-1", "--type", "cert.issued,claim.*", "--oldest")
    assert [line.split()[2] for line in p.stdout.splitlines()[1:]] == ["claim.created", "cert.issued"], p.stdout
    p = k.kith("ledger", "ls", "--device", "SN-1", "--type", "cert.revoked")
    assert len(p.stdout.splitlines()) == 2 and "operator:alice" in p.stdout and "why=lost" in p.stdout, p.stdout
    entries = [json.loads(x) for x in k.kith("--json", "ledger", "ls", "--who", "operator:alice", "--since", "7d").stdout.splitlines()]
    assert {e["type"] for e in entries} >= {"device.state", "cert.revoked"} and all(e["v"] == 1 for e in entries), entries
    state = next(e for e in entries if e["type"] == "device.state")
    assert state["changes"] == [{"table": "device", "key": [state["fields"]["device"]]}], state
    assert len(k.kith("ledger", "ls", "--limit", "700").stdout.splitlines()) == 702  # two tables
    assert len(seqs(k.kith("--json", "ledger", "ls", "--limit", "700"))) == 700
    assert k.kith("ledger", "ls", "--type", "alarm.raised").stderr == "none\n"
    history = k.history("SN-1")
    listed, _ = ask(k, device="SN-1")
    assert listed == history, "two views of one entry"


def is_refused(k, query, wanted, status=400, path="/v1/ledger/entries"):
    a = k.api("GET", path + query)
    said = a.json
    assert a.status == status, f"{query}: {a}"
    assert said["code"] and wanted in said["detail"] and said["rule"] and said["try"], f"{query}: {said}"


def what_is_asked_wrongly_is_refused(k):
    for query, says in (
            ("type=cert.isued", "cert.isued"), ("type=", "no event"), ("type=nosuch.*", "nosuch"), ("who=", "empty"),
            ("who=" + "x" * 81, "too long"), ("subject=", "empty"), ("subject=" + "x" * 81, "too long"), ("device=", "empty"),
            ("device=" + "x" * 81, "too long"), ("since=yesterday", "no time"), ("since=7", "no time"), ("until=2026-13-01", "no time"),
            ("since=2026-02-02&until=2026-02-01", "nothing is since"), ("from=-1", "no number"), ("from=9007199254740992", "no number"),
            ("from=x", "no number"), ("limit=0", "from 1 to 1000"), ("limit=1001", "from 1 to 1000"), ("limit=ten", "from 1 to 1000"),
            ("order=up", "order"), ("who=a&who=b", "twice"), ("limit=1&limit=2", "twice"), ("page=2", "no parameter"),
            ("=5", "no parameter"), ("who=%zz", "malformed"), ("who=%00", "malformed"), ("type=" + "a" * 1100, "malformed"),
            ("x" * 70 + "=1", "malformed")):
        is_refused(k, "?" + query, says)
    assert k.api("GET", "/v1/ledger/entries?device=nobody").status == 404
    for number, status in (("x", 400), ("-1", 400), ("1e3", 400), ("9007199254740992", 400), ("99999999", 404)):
        a = k.api("GET", "/v1/ledger/entries/" + number)
        assert a.status == status and a.json["try"], a
    for words, code, says in (
            (["ls", "--type", "cert.isued"], 2, 'did you mean "cert.issued"'), (["ls", "--since", "soon"], 2, "no time"),
            (["ls", "--from", "x"], 2, "no number"), (["ls", "--device", "nobody"], 3, "nobody"), (["ls", "--keys", "k"], 2, "--export"),
            (["ls", "--limit", "0"], 2, "limit"), (["show", "x"], 2, "no entry's number"), (["show", "99999999"], 3, "the ledger has"),
            (["ls", "--export", "/nowhere"], 3, "/nowhere"), (["ls", "--export", "entries.export", "--device", "nobody"], 3, "nobody")):
        p = k.kith("ledger", *words, ok=False, cwd=k.w.dir)
        assert p.returncode == code and says in p.stderr and not p.stdout, f"{words}: exit {p.returncode}: {p.stderr}"


def an_entry_is_shown_with_its_proof(k, dev):
    entry, = ask(k, device="SN-1", type="cert.issued")[0]
    shown = k.kith_json("ledger", "show", str(entry["seq"]))
    assert shown["entry"]["fields"]["via"] == "est" and shown["payload"] == "as committed to", shown
    assert shown["digest"] == entry["fields"]["digest"] and shown["checkpoint"]["signed_by"] == 2, shown
    assert shown["checkpoint"]["size"] > entry["seq"]
    text = k.kith("ledger", "show", str(entry["seq"])).stdout
    assert "as committed to" in text and "cert.issued" in text, text


def a_server_that_lies_is_found_out(k):
    """A payload that was edited in the database is listed, for a list proves nothing; show and the export's list do not believe it."""
    seq = ask(k, type="device.state", limit=1)[0][0]["seq"]
    where = f"pos = (1 << 56) + {seq}"
    before = k.rows(f"SELECT hex(payload) FROM entry WHERE {where}")[0][0]
    lie = before.replace(b"local:0".hex().upper(), b"local:9".hex().upper()).replace(b"alice".hex().upper(), b"bob__".hex().upper())
    assert lie != before
    k.sql(f"UPDATE entry SET payload = x'{lie}' WHERE {where}")
    p = k.kith("ledger", "show", str(seq), ok=False)
    assert p.returncode == 6 and "commitment" in p.stderr and "try: " in p.stderr and not p.stdout, p.stderr
    path = k.export("lie.export")
    p = k.kith("ledger", "ls", "--export", path, ok=False)
    assert p.returncode == 6 and "nothing of it is shown" in p.stderr and not p.stdout, p.stderr
    k.sql(f"UPDATE entry SET payload = x'{before}' WHERE {where}")
    assert k.kith("ledger", "show", str(seq)).stdout
    # A file that is cut, and one that others signed.
    path = k.export("whole.export")
    with open(path, "rb") as f:
        data = f.read()
    with open(k.w.path("cut.export"), "wb") as f:
        f.write(data[:-100])
    p = k.kith("ledger", "ls", "--export", k.w.path("cut.export"), ok=False)
    assert p.returncode == 6 and not p.stdout, p.stderr
    keys = k.w.write("other.keys", "\n".join(k.other_keys) + "\n")
    for words in (["ls", "--export", path], ["show", "1"]):
        p = k.kith("ledger", *words, "--keys", keys, ok=False)
        assert p.returncode == 6 and not p.stdout, f"{words}: {p.stdout}{p.stderr}"
    p = run(KITH, "ledger", "ls", "--export", path, "--limit", "1", env=k.w.env)
    assert "the keys are those in the file itself" in p.stderr, p.stderr


def a_statement_convinces_a_stranger(k):
    """By kith without a platform, and by who knows the specification only: they agree about every bit."""
    gone = {"retired": k.add_device("GONE-1"), "revoked": k.add_device("GONE-2")}
    for verb, (state, d) in zip(("retire", "revoke"), gone.items()):
        k.kith("device", verb, d["id"], "--why", "sold")
        path, keys = k.w.path(state + ".stmt"), k.w.write("trusted.vkeys", "\n".join(k.vkeys()) + "\n")
        k.kith("device", "statement", d["id"], "--out", path)
        theirs = run("/usr/bin/python3", STATEMENT, path, *k.vkeys()).stdout.split()
        p = run(KITH, "--json", "ledger", "verify", "--statement", path, "--keys", keys, env=k.w.env, cwd="/")
        ours = json.loads(p.stdout)
        assert theirs[:2] == [d["id"], state] and int(theirs[3]) == ours["entry"]["seq"], (theirs, ours)
        assert ours["entry"]["fields"]["device"] == d["id"] and f"device {d['id']} is {state} for good" in p.stderr, (ours, p.stderr)
        assert ours["entry"]["fields"]["why"] == "sold" and ours["checkpoint"]["signed_by"] == 2, ours
        text = k.kith("ledger", "verify", "--statement", path).stdout
        assert d["id"] in text and "operator" not in k.kith("inspect", path).stderr, text
        seen = k.kith_json("inspect", path)["things"][0]
        assert seen["fields"]["device"] == d["id"] and seen["entry"] == ours["entry"]["seq"] and "fault" not in seen, seen
    with open(path, "rb") as f:
        sound = f.read()
    changed = {"cut": sound[:-40], "index": sound.replace(b"\nindex ", b"\nindex 1"), "empty": b"", "tail": sound + b"\n",
               "entry": sound.replace(b"extra ", b"extra A"), "head": sound.replace(b"@v1", b"@v2")}
    for at in range(0, len(sound), len(sound) // 12):
        changed[f"bit{at}"] = sound[:at] + bytes([sound[at] ^ 1 << at % 8]) + sound[at + 1:]
    for name, data in changed.items():
        with open(k.w.path("changed.stmt"), "wb") as f:
            f.write(data)
        p = run(KITH, "ledger", "verify", "--statement", k.w.path("changed.stmt"), "--keys", keys, env=k.w.env, ok=False)
        assert p.returncode == 6 and not p.stdout and "try: " in p.stderr, f"{name}: exit {p.returncode}: {p.stderr}"
        theirs = run("/usr/bin/python3", STATEMENT, k.w.path("changed.stmt"), *k.vkeys(), ok=False)
        assert theirs.returncode == 6, f"{name}: {theirs.stdout}"
    others = k.w.write("other.keys", "\n".join(k.other_keys) + "\n")
    p = run(KITH, "ledger", "verify", "--statement", path, "--keys", others, env=k.w.env, ok=False)
    assert p.returncode == 6 and "not signed" in p.stderr, p.stderr
    p = run(KITH, "ledger", "verify", "--statement", path, env=k.w.env, ok=False)
    assert p.returncode == 2 and "--keys FILE" in p.stderr, p.stderr


def a_lost_filter_hides_nothing(k):
    """Filters are bookkeeping: without some of them, and with a clock that went back, lists are the same."""
    log, names = k.entries(), types()
    want = wanted(log, names, {"type": "device.state,operator.*"})
    k.sql("DELETE FROM entry_filter WHERE pos = (SELECT min(pos) FROM entry_filter)")
    k.sql("UPDATE entry_filter SET data = x'00' WHERE pos = (SELECT min(pos) FROM entry_filter)")
    assert pages(k, 1000, type="device.state,operator.*") == want
    k.sql("UPDATE entry_filter SET data = zeroblob(20) WHERE pos = (SELECT max(pos) FROM entry_filter)")
    p = k.kith("ledger", "verify", ok=False)
    assert p.returncode == 6 and p.stdout.count("entry_filter") >= 2 and "makes them anew" in p.stdout, p.stdout + p.stderr
    k.sql("DELETE FROM entry_filter")
    k.must_verify()
    k.stop()
    k.sql("DELETE FROM entry_filter")
    k.sql("UPDATE entry SET time_ms = 1000 WHERE pos = (1 << 56) + 300")
    k.start()
    wait_for(lambda: len(k.rows("SELECT pos FROM entry_filter")) >= 3, "the filters", 20, 0.1)
    assert pages(k, 1000, until="1970-01-02") == [300]
    assert 300 not in pages(k, 1000, since="1970-01-02") and 299 in pages(k, 1000, since="1970-01-02")


def an_erased_entry_stands_in_the_list(k):
    entry = ask(k, type="device.added", order="oldest", limit=1)[0][0]
    device = entry["fields"]["device"]
    k.sql(f"UPDATE entry SET salt = NULL, payload = NULL WHERE pos = (1 << 56) + {entry['seq']}")
    gone = ask(k, type="device.added", order="oldest", limit=1)[0][0]
    assert gone["seq"] == entry["seq"] and gone["erased"] and gone["fields"] == {} and gone["changes"] == [], gone
    assert entry["seq"] not in pages(k, 1000, subject=device)
    shown = k.kith_json("ledger", "show", str(entry["seq"]))
    assert shown["payload"] == "erased" and shown["entry"]["erased"], shown
    assert "(erased)" in k.kith("ledger", "ls", "--type", "device.added", "--oldest", "--limit", "1").stdout


def a_damaged_certificate_hides_no_entry(k):
    entry = ask(k, type="cert.issued", limit=1)[0][0]
    k.sql(f"UPDATE certificate SET der = x'3000', base = NULL WHERE id = {entry['fields']['cert']}")
    again = ask(k, type="cert.issued", limit=1)[0][0]
    assert again["seq"] == entry["seq"] and again["fields"]["unreadable"] and again["fields"]["via"], again


def main():
    with World("auditor") as w, World("auditor-other") as other:
        k = Kith(w)
        k.other_keys = Kith(other, name="Other").vkeys()
        k.start()
        dev = live(k)
        for check in (every_filter_is_right, the_commands_answer, an_entry_is_shown_with_its_proof):
            timed(check, k, dev)
        for check in (what_is_asked_wrongly_is_refused, a_statement_convinces_a_stranger, a_server_that_lies_is_found_out):
            timed(check, k)
        k.must_verify()
        for check in (a_lost_filter_hides_nothing, an_erased_entry_stands_in_the_list, a_damaged_certificate_hides_no_entry):
            timed(check, k)
        k.stop()


main()
