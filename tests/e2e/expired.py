#!/usr/bin/python3
"""A device that slept past the end of its certificate: it renews if its model lets it, and not a day longer.

The profile gives certificates for seconds; days pass by the clock of server and signers."""
import base64
import http.client
import os
import re
import shutil
import ssl
import time

from cryptography import x509
from crashpoints import CrashKith, Plan
from est import csr_of, new_key
from kithtest import BIN, ROOT, World, run, say

VALID_S, DAY = 10, 86400


def short_lived(w):
    """The shipped profiles, with an ldevid of seconds."""
    shutil.copytree(os.path.join(ROOT, "profiles"), w.path("profiles"))
    path = w.path("profiles", "ldevid.profile")
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(re.sub(r"(?m)^validity = .*$", f"validity = {VALID_S}s", text))
    return w.path("profiles")


class Agent:
    def __init__(self, k, name, model):
        self.k, self.dir = k, k.w.path("agent-" + name)
        self.device = k.add_device("EX-" + name, model)
        self("enroll", input=self.device["token"])
        self.first = self.serial()

    def __call__(self, *words, **kw):
        return run(os.path.join(BIN, "kith-agent"), *words, "--dir", self.dir, **kw)

    def files(self):
        return self.dir + "/current/cert.pem", self.dir + "/current/key.pem"

    def serial(self):
        with open(self.files()[0], "rb") as f:
            return x509.load_pem_x509_certificate(f.read()).serial_number

    def hello(self):
        a = self.k.https("POST", "/device/v1/hello", b"{}", {"Content-Type": "application/json"}, *self.files())
        assert a.status == 200 or a.json["rule"] and "enroll --again" in a.json["try"], a
        return a.status

    def renew_by_hand(self):
        """Without a look at the server's certificate: that is of another day."""
        context = ssl._create_unverified_context()
        context.load_cert_chain(*self.files())
        c = http.client.HTTPSConnection("localhost", self.k.tls_port, timeout=10, context=context)
        try:
            c.request("POST", "/.well-known/est/simplereenroll", base64.b64encode(csr_of(new_key())),
                      {"Content-Type": "application/pkcs10"})
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()


def main():
    with World("expired") as w:
        k = CrashKith(w, "--profiles", short_lived(w))
        plan = Plan(k.dir + "/crash.plan", [])
        k.start()
        k.add_model("strict")
        k.add_model("late", renew_expired_days="1")
        late = Agent(k, "late", "late")
        assert late.hello() == 200
        strict, sleeper = Agent(k, "strict", "strict"), Agent(k, "sleeper", "late")
        time.sleep(VALID_S + 1)
        assert late.hello() in (401, 403), "an expired certificate opens no other door"
        p = strict("run", "--once", "--renew", ok=False)
        assert p.returncode != 0 and strict.serial() == strict.first and "expired" in p.stderr, p.stderr
        last = p.stderr[p.stderr.rindex("error["):]  # the renewal's, which leads on; not that of the hello after it
        assert "renewal: the certificate expired at" in last and "renew_expired_days" in last, p.stderr
        assert "kith-agent enroll --again" in last, p.stderr
        late("run", "--once", "--renew")
        assert late.serial() != late.first and late.hello() == 200
        say("ok renews_what_has_just_expired_if_the_model_lets_it")
        k.stop()
        plan.set_clock(2 * DAY)
        k.start()
        status, said = sleeper.renew_by_hand()
        assert status in (401, 403) and b"expired" in said, (status, said)
        k.kith("model", "set", "late", "renew_expired_days=3")
        status, said = sleeper.renew_by_hand()
        assert status == 200, (status, said)
        say("ok renews_nothing_that_expired_longer_ago")
        code, said = k.check_database()
        assert code == 0, said
        k.stop()


main()
