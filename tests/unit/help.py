#!/usr/bin/python3
"""The help texts of kith-agent and kithd are those kept here, option by option; tests/unit/cli/help.txt has those of kith.

    help.py KITH_AGENT KITHD          KITH_GOLDEN_WRITE=1 writes them anew"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VERBS = {"kith-agent": ["enroll", "run", "status"], "kithd": []}


def text_of(path, verbs):
    calls = [["--help"]] + [[v, "--help"] for v in verbs]
    return "\n".join(subprocess.run([path, *c], capture_output=True, text=True, check=True, timeout=20).stdout for c in calls)


bad = 0
for path in sys.argv[1:]:
    name = os.path.basename(path)
    kept, now = os.path.join(HERE, "help", name + ".txt"), text_of(path, VERBS[name])
    if os.environ.get("KITH_GOLDEN_WRITE"):
        with open(kept, "w") as f:
            f.write(now)
    with open(kept) as f:
        if f.read() != now:
            bad = 1
            print(f"{name}: an option has changed: KITH_GOLDEN_WRITE=1 tests/unit/help.py {' '.join(sys.argv[1:])}")
sys.exit(bad)
