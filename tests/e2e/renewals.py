#!/usr/bin/python3
"""How many certificates of one device are good at once: a copied key collects no more, and who renews is never locked out.

Hours pass by the clock of server and signers."""
import concurrent.futures
import os
import sys

from crashpoints import CrashKith, Plan, points_of_source
from est import Maker, csr_of, new_key, refused
from kithtest import BIN, World, run, timed, wait_for
from recovery import Test

LIVE, HOUR, EACH = 4, 3600, 10  # src/server/live_certs.h, src/server/refusals.h
REFUSED, COUNTED = 100, 101  # src/model/event_table.h


class Renewals(Test):
    def __init__(self, k, plan):
        super().__init__(k, plan)
        self.hours = 0

    def later(self, hours=2):
        self.hours += hours
        self.k.stop()
        self.plan.set_clock(self.hours * HOUR)
        self.k.start()

    def enrolled(self):
        """A device, and what it shows from then on."""
        device, key = self.device(), new_key()
        return device, self.files(device["id"], key, self.enrol(device, key).certificate)

    def renew(self, who, key=None):
        return self.k.enrol(csr_of(key or new_key()), verb="simplereenroll", **who)

    def renewed(self, device, who):
        key = new_key()
        a = self.renew(who, key)
        assert a.status == 200, a
        return self.files(f"{device['id']}-{self.serial(a.certificate)}", key, a.certificate)

    def live(self, device):
        return {s for s, state in self.certificates(device).items() if state == "valid"}

    def says_hello(self, who):
        return self.k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"}, **who).status == 200


def a_copied_key_collects_no_certificates(t):
    device, who = t.enrolled()
    first, = t.live(device)
    answers = [t.renew(who) for _ in range(20)]
    assert [a.status for a in answers] == [200] * (LIVE - 1) + [429] * (21 - LIVE), [a.status for a in answers]
    for a in answers[LIVE - 1:]:
        assert a.code == "live-certificates" and HOUR - 60 <= int(a.headers["Retry-After"]) <= HOUR, (a, a.headers)
    assert first in t.live(device) and len(t.live(device)) == LIVE
    assert t.says_hello(who), "the owner was pushed out"
    t.k.stop()
    t.k.start()
    mine = [(kind, f) for _, _, kind, f in t.k.entries() if kind in (REFUSED, COUNTED) and f["who"] == "device:" + device["id"]]
    told, counted = [f for kind, f in mine if kind == REFUSED], sum(f["count"] for kind, f in mine if kind == COUNTED)
    assert {f["code"] for f in told} == {"live-certificates"} and len(told) <= 2 * EACH, told
    assert len(told) + counted == 21 - LIVE, (len(told), counted)


def what_is_an_hour_old_makes_room(t):
    device, who = t.enrolled()
    first, = t.live(device)
    second = t.renewed(device, who)
    oldest, = t.live(device) - {first}
    t.later()
    for _ in range(LIVE - 2):
        t.renewed(device, who)
    before = t.live(device)
    assert len(before) == LIVE
    newest = t.renewed(device, who)
    assert before - t.live(device) == {oldest}, "not the one that is shown, and the oldest of the others"
    assert len(t.live(device)) == LIVE
    gone = next(c for c in t.k.must("GET", "/v1/devices/" + device["id"])["certificates"] if c["serial"] == oldest)
    assert gone["reason"] == "superseded", gone
    entry, = [e["fields"] for e in t.k.history(device["id"]) if e["type"] == "cert.revoked"]
    assert entry["who"] == "system:server" and entry["reason"] == "superseded" and "made room" in entry["why"], entry
    assert t.says_hello(who) and t.says_hello(newest) and not t.says_hello(second)
    refused(t.renew(second), 401, "denied")
    wait_for(lambda: t.k.must("GET", "/v1/status")["feed"]["pending"] == 0, "gateways to be told")
    refused(t.renew(who), 429, "live-certificates")


def a_new_claim_is_never_refused(t):
    """An operator gave it; what the device had before makes room, however young."""
    device, who = t.enrolled()
    for _ in range(LIVE - 1):
        t.renewed(device, who)
    for _ in range(2):
        key = new_key()
        a = t.enrol(device, key, t.k.must("POST", f"/v1/devices/{device['id']}/token", {})["claim"])
        assert a.status == 200 and t.says_hello(t.files(t.serial(a.certificate), key, a.certificate)), a
        assert t.serial(a.certificate) in t.live(device) and len(t.live(device)) == LIVE


def an_idevid_collects_none(t):
    maker, device = Maker("Pumps Inc"), t.device()
    t.k.must("POST", "/v1/anchors", {"name": "pumps", "certificate": maker.root, "model": "pump"})
    key, pem = maker.idevid(device["serial"])
    key, pem = t.k.w.key_files("idevid", key, pem)
    answers = [t.k.enrol(csr_of(new_key()), cert=pem, key=key) for _ in range(LIVE + 4)]
    assert [a.status for a in answers] == [200] * LIVE + [429] * 4, answers
    assert len(t.live(device)) == LIVE


def the_last_place_is_given_once(t):
    device, who = t.enrolled()
    for _ in range(LIVE - 2):
        t.renewed(device, who)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: t.renew(who), range(8)))
    assert {a.status for a in answers} <= {200, 429, 503} and len([a for a in answers if a.status == 200]) == 1, answers
    assert len(t.live(device)) == LIVE


def what_was_never_answered_takes_a_place_when_it_is_delivered(t):
    device, who = t.enrolled()
    for _ in range(LIVE - 1):
        t.renewed(device, who)
    t.later()
    before, key = t.live(device), new_key()
    t.lose(lambda: t.renew(who, key))
    assert t.live(device) == before, "it counts already"
    a = t.renew(who, key)
    assert a.status == 200 and t.serial(a.certificate) in t.live(device) - before, a
    assert len(t.live(device)) == LIVE and t.says_hello(who)


def the_agent_is_never_locked_out(t):
    """At the least that a model may say, too."""
    k, state = t.k, t.k.w.path("agent")
    device = k.add_device("AGENT", "sparse")
    agent = lambda *words, **kw: run(os.path.join(BIN, "kith-agent"), *words, "--dir", state, **kw)
    agent("enroll", input=device["token"])
    for n in range(2, 6):
        t.later()
        agent("run", "--once", "--renew")
        assert len(t.certificates(device)) == n and len(t.live(device)) == 2, t.certificates(device)


def main(words):
    with World("renewals") as w:
        k = CrashKith(w, *(["--database", w.postgres()] if words == ["postgres"] else []))
        plan = Plan(k.dir + "/crash.plan", points_of_source())
        k.start()
        k.add_model("pump")
        for bad in ("1", "1001", "-4", "many", ""):
            refused(k.api("POST", "/v1/models", {"name": "odd", "settings": {"live_certificates": bad}}), 400, "usage")
        k.add_model("sparse", live_certificates="2")
        t = Renewals(k, plan)
        for test in (a_copied_key_collects_no_certificates, what_is_an_hour_old_makes_room, a_new_claim_is_never_refused,
                     an_idevid_collects_none, the_last_place_is_given_once,
                     what_was_never_answered_takes_a_place_when_it_is_delivered, the_agent_is_never_locked_out):
            timed(test, t)
        k.must_verify()
        k.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
