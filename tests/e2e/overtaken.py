#!/usr/bin/python3
"""A device is resumed just when the server, started anew, has read that it is suspended and not yet said so: the last
word counts, for the signer, its list and the gateways, whoever says it later."""
from cryptography import x509

from crash_table import AWAY, Device, get_crl, shards, until_done
from crashpoints import CrashKith, Plan, points_of_source
from kithtest import World, say, wait_for

POINT = "server.missing"


def list_of(k):
    name, = shards(k)
    return get_crl(k, name.decode())


def has(crl, number):
    return crl is not None and number in {r.serial_number for r in x509.load_der_x509_crl(crl)}


def main():
    with World("overtaken") as w:
        k = CrashKith(w)
        plan = Plan(k.dir + "/crash.plan", points_of_source())
        k.start()
        k.add_model("pump")
        d = Device(k, k.must("POST", "/v1/devices", {"model": "pump", "serial": "OT-1", "token": True}))
        d.enrol()
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
        k.stop()
        say("ok")


main()
