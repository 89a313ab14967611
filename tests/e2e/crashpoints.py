"""A platform of the programs in build/tests/crash, whose crash points kill (src/base/crash_point.h)."""
import glob
import mmap
import os
import re
import struct

from kithtest import BIN, ROOT, Kith, journal_batches, run, unpack

CRASH_BIN = os.environ.get("KITH_CRASH_BIN", os.path.join(os.path.dirname(BIN), "tests", "crash"))


def points_of_source():
    names = set()
    for path in glob.glob(ROOT + "/src/**/*.c", recursive=True):
        with open(path) as f:
            for call in re.findall(r"crash_point\(([^;]*)\);", f.read()):
                names |= set(re.findall(r'"([^"]+)"', call))
    return sorted(names)


class Plan:
    """tests/crash/crash_point.c has the other half."""
    SLOT = struct.Struct("=48sIIII")

    def __init__(self, path, names):
        self.names = names
        with open(path, "w+b") as f:
            f.truncate(64 * self.SLOT.size)
            self.map = mmap.mmap(f.fileno(), 64 * self.SLOT.size)
        for i, name in enumerate(names):
            self.SLOT.pack_into(self.map, i * self.SLOT.size, name.encode(), 0, 0, 0, 0)

    def arm(self, name, count):
        struct.pack_into("=I", self.map, self.names.index(name) * self.SLOT.size + 52, count)

    def stall(self, name, ms):
        """Who gets there stays that long; 0 lets go whoever is there."""
        struct.pack_into("=I", self.map, self.names.index(name) * self.SLOT.size + 60, ms)

    def set_clock(self, seconds, who=(0, 1, 2)):
        """How far the clocks of the server and the signers issuing and ledger are off."""
        for i in who:
            struct.pack_into("=q", self.map, 63 * self.SLOT.size + 8 * i, seconds)

    def state(self, name):
        """(reached, armed, died)"""
        return self.SLOT.unpack_from(self.map, self.names.index(name) * self.SLOT.size)[1:4]


class CrashKith(Kith):
    def launch(self, *words):
        self.daemon = self.w.start([CRASH_BIN + "/kithd", "--config", self.dir + "/kith.conf", "--libexec", CRASH_BIN, *words],
                                   "kithd.log")

    def start(self, *words):
        self.launch(*words)
        self.wait_ready()

    def certificates(self):
        """{DER: (subject, counts)}"""
        what = ("c.subject, CASE WHEN c.revoked_at IS NULL AND c.hold = 0 THEN 1 ELSE 0 END "
                "FROM certificate c LEFT JOIN certificate b ON b.id = c.base")
        if not self.database:
            return {unpack(base, der): (subject, bool(good))
                    for base, der, subject, good in self.rows("SELECT b.der, c.der, " + what)}
        out = run("psql", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-c",
                  "SELECT encode(b.der, 'hex'), encode(c.der, 'hex'), " + what, self.database)
        rows = [line.split("|") for line in out.stdout.split()]
        return {unpack(bytes.fromhex(base) or None, bytes.fromhex(der)): (subject, good == "1")
                for base, der, subject, good in rows}

    def journal(self):
        """The certificates in the issuing signer's journal."""
        return [r[2] for _, records in journal_batches(self.dir + "/signers/issuing/journal") for r in records if r[0] == 1]
