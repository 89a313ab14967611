#!/usr/bin/python3
"""What is told to the signer and the gateways while other things happen.

A device is resumed just when the server, started anew, has read that it is suspended and not yet said so: the last word
counts, for the signer, its list and the gateways, whoever says it later.  And a revocation does not wait until the database
was asked for each of the holds that came with it."""
from cryptography import x509

from crash_table import AWAY, Device, get_crl, shards, until_done
from crashpoints import CrashKith, Plan, points_of_source
from kithtest import World, say, wait_for

POINT = "server.missing"
LOOK, HEAD = "server.holds", "server.head"


def list_of(k):
    name, = shards(k)
    return get_crl(k, name.decode())


def has(crl, number):
    return crl is not None and number in {r.serial_number for r in x509.load_der_x509_crl(crl)}


def feed(k):
    return k.must("GET", "/v1/status")["feed"]


def new_device(k, serial):
    d = Device(k, k.must("POST", "/v1/devices", {"model": "pump", "serial": serial, "token": True}))
    d.enrol()
    return d


def a_revocation_waits_for_no_hold(k, plan):
    a, b, c = (new_device(k, f"OT-{i}") for i in "abc")
    wait_for(lambda: feed(k)["pending"] == 0, "the signer to be told")
    looks, heads, seq = plan.state(LOOK)[0], plan.state(HEAD)[0], feed(k)["seq"]
    plan.stall(HEAD, 60000)  # until the other two wait behind it
    k.must("POST", f"/v1/devices/{a.id}/suspend", {})
    wait_for(lambda: plan.state(HEAD)[0] > heads, "the head of the first hold")
    k.must("POST", f"/v1/devices/{b.id}/suspend", {})
    k.must("POST", f"/v1/devices/{c.id}/revoke", {"reason": "keyCompromise"})
    plan.stall(LOOK, 60000)
    plan.stall(HEAD, 0)
    wait_for(lambda: plan.state(LOOK)[0] == looks + 2, "the look at the second hold")
    told = feed(k)["seq"] - seq
    plan.stall(LOOK, 0)
    assert told == 2, f"{told} heads, not the first hold's and the revocation's"
    wait_for(lambda: feed(k)["pending"] == 0, "the signer to be told")


def main():
    with World("overtaken") as w:
        k = CrashKith(w)
        plan = Plan(k.dir + "/crash.plan", points_of_source())
        k.start()
        k.add_model("pump")
        d = new_device(k, "OT-1")
        number = x509.load_der_x509_certificate(d.der).serial_number
        plan.stall(POINT, 60000)  # until it is taken back, below: the resume has come by then, or did not
        plan.arm("server.state", 1)
        try:
            k.api("POST", f"/v1/devices/{d.id}/suspend", {})
        except AWAY:
            pass
        wait_for(lambda: plan.state(POINT)[0], "the server to see what the signer lacks")
        until_done(lambda: k.must("POST", f"/v1/devices/{d.id}/resume", {}), "the device to be resumed")
        plan.stall(POINT, 0)
        wait_for(lambda: k.must("GET", "/v1/status")["feed"]["pending"] == 0, "the signer to be told")
        assert not has(wait_for(lambda: list_of(k), "a list that both agree on", 20), number), "resumed, and still on the list"
        k.must("POST", f"/v1/devices/{d.id}/suspend", {})
        wait_for(lambda: has(list_of(k), number), "the list to have it again", 20)
        a_revocation_waits_for_no_hold(k, plan)
        k.stop()
        say("ok")


main()
