#!/usr/bin/python3
"""What is withdrawn is withdrawn whole: every certificate of a device however often it renewed, and a claim in the very moment
of its use."""
import base64
import concurrent.futures
import os
import signal
import time

from est import Doors, csr_of, new_key
from kithtest import Broker, Kith, World, timed, wait_for

RENEWALS = 300
VOID, REVOKED, HELD, RELEASED = 82, 84, 85, 86  # src/model/event_table.h


def act(k, device, verb, **more):
    return k.must("POST", f"/v1/devices/{device['id']}/{verb}", {"why": "a test", "wait_ms": 20000, **more}, seconds=60)


def renewed(k, d):
    """A device with hundreds of certificates: itself, and key and certificate of its first and its last."""
    device, _, key_file, pem_file = d.enrolled()
    keys = [new_key() for _ in range(RENEWALS)]
    answers = [k.enrol(csr_of(key), verb="simplereenroll", cert=pem_file, key=key_file) for key in keys]
    assert all(a.status == 200 for a in answers), [a for a in answers if a.status != 200][:3]
    return device, (key_file, pem_file), k.w.key_files("last", keys[-1], answers[-1].certificate)


def states(k, device):
    """{(on hold, revoked): how many}"""
    return dict(((hold, gone), n) for hold, gone, n in k.rows(
        f"SELECT hold, revoked_at IS NOT NULL, count(*) FROM certificate WHERE subject = '{device['id']}' GROUP BY 1, 2"))


def a_change_of_state_is_for_every_certificate(k, d):
    device, first, last = renewed(k, d)
    broker, every = Broker(k), RENEWALS + 1
    let_in = lambda: [broker.publish(device["id"], *files) for files in (first, last)]
    assert let_in() == [True, True]
    for verb, wanted in (("quarantine", (1, 0)), ("suspend", (1, 0)), ("resume", (0, 0)), ("revoke", (0, 1))):
        act(k, device, verb)
        assert states(k, device) == {wanted: every}, f"{verb}: {states(k, device)}"
        good = wanted == (0, 0)
        wait_for(lambda: let_in() == [good, good], f"the broker's word after {verb}: {good}")
    types = k.types()
    assert [types.count(t) for t in (REVOKED, HELD, RELEASED)] == [every] * 3, "an entry for each, when it changes"


def race_of_claims(k, device, key):
    """The signer has both to answer, the new claim first; the two then race for the database."""
    signer = k.pids()["kith-signer issuing"]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        os.kill(signer, signal.SIGSTOP)
        try:
            token = pool.submit(k.must, "POST", f"/v1/devices/{device['id']}/token", {})
            time.sleep(0.3)
            answer = pool.submit(k.enrol, csr_of(key), device["id"], device["claim"])
            time.sleep(0.3)
        finally:
            os.kill(signer, signal.SIGCONT)
        return token.result()["claim"], answer.result()


def a_claim_that_is_replaced_while_the_signer_signs_is_void(k, d):
    """If the new claim stands in the database first, the certificate comes back to a device with another claim."""
    for _ in range(20):
        device, key, late = d.device(), new_key(), new_key()
        claim, answer = race_of_claims(k, device, key)
        good = k.enrol(csr_of(late), device["id"], claim)
        assert good.status == 200, f"the claim that took its place was burnt: {good}"
        if answer.status != 200:
            assert answer.status == 401 and answer.code == "claim", answer
            assert states(k, device) == {(0, 1): 1, (0, 0): 1} and VOID in k.types(), "signed, recorded, worth nothing"
            return
    raise AssertionError("the enrolment was always first: the race was not run")


def a_party_goes_with_its_certificates_or_not_at_all(k, d):
    """A certificate that cannot be revoked, for its row is damaged, keeps its holder on the list, to be removed again."""
    for kind, words in (("operators", {"role": "auditor"}), ("gateways", {"site": "x"})):
        csr = base64.encodebytes(csr_of(new_key(), cn="leaver")).decode()
        pem = f"-----BEGIN CERTIFICATE REQUEST-----\n{csr}-----END CERTIFICATE REQUEST-----\n"
        k.must("POST", "/v1/" + kind, {"name": "leaver", "csr": pem, **words})
        listed = lambda: any(p["name"] == "leaver" for p in k.must("GET", "/v1/" + kind)[kind])
        (number, tail), = k.rows("SELECT id, hex(serial_tail) FROM certificate WHERE subject = 'leaver' AND revoked_at IS NULL")
        set_tail = lambda text: k.sql(f"UPDATE certificate SET serial_tail = x'{text}' WHERE id = {number}")
        set_tail(tail + "00")
        a = k.api("DELETE", f"/v1/{kind}/leaver")
        assert a.code == "serial", a
        assert listed(), f"gone from the {kind}, and its certificate is good"
        set_tail(tail)
        k.must("DELETE", f"/v1/{kind}/leaver")
        assert not listed()
    left = k.rows("SELECT count(*) FROM certificate WHERE subject = 'leaver' AND revoked_at IS NULL")
    assert left == [(0,)], left


def main():
    with World("withdrawn") as w:
        k = Kith(w)
        k.start()
        k.add_model(live_certificates=str(RENEWALS + 1))
        d = Doors(k)
        timed(a_change_of_state_is_for_every_certificate, k, d)
        timed(a_claim_that_is_replaced_while_the_signer_signs_is_void, k, d)
        timed(a_party_goes_with_its_certificates_or_not_at_all, k, d)
        k.must_verify()
        k.stop()


if __name__ == "__main__":
    main()
