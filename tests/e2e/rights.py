#!/usr/bin/python3
"""kithd -t and doctor, started by root, judge with the rights that the server has: no capability, so no passing where only
somebody else may pass.  A PostgreSQL that root reaches and the server does not is no "ok"."""
import os
import sys

from kithtest import Kith, World, say


def main():
    if os.getuid() != 0:
        say("not as root: nobody has more rights here than the server")
        return 77
    with World("rights") as w:
        database = w.postgres()
        k = Kith(w, "--database", database)
        where = database.split("host=")[1].split("&")[0]
        k.start()
        k.stop()
        for running in (False, True):
            p, d = k.rehearse(), k.kith("doctor", "database", ok=False)
            assert p.returncode == 0 and d.returncode == 0, p.stderr + d.stdout
            os.chmod(where, 0o700)
            p, d = k.rehearse(), k.kith("doctor", "database", ok=False)
            os.chmod(where, 0o755)
            assert p.returncode and "[store] database" in p.stderr and "ermission denied" in p.stderr, p.stderr
            assert d.returncode == 1 and "FAIL  database" in d.stdout and "ermission denied" in d.stdout, d.stdout
            if not running:
                k.start()
        k.stop()
        say("judged with the server's rights")
    return 0


if __name__ == "__main__":
    sys.exit(main())
