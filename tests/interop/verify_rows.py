#!/usr/bin/python3
"""Compares every row of a SQLite database with its last entry, by doc/spec/ledger.md and doc/spec/tables.md alone.

verify_rows.py FILE    Prints what it finds, one line each; exit 0: sound, 6: findings."""
import hashlib
import os
import re
import sqlite3
import sys

import cbor2

SPEC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "doc", "spec")


def tables_of_spec():
    """{number: (name, columns, how many of them are the key)}"""
    with open(os.path.join(SPEC, "tables.md")) as f:
        rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*) \|$", f.read(), re.M)
    return {int(n): (name, re.findall(r"(\w+) (?:int|text|bytes)", columns), columns.count("**") // 2)
            for n, name, columns in rows}


def last_entries(db):
    """{(table, key): (node, time, entry, salt, rowhash)}"""
    last = {}
    for pos, leaf, salt, payload in db.execute("SELECT pos, leaf, salt, payload FROM entry ORDER BY pos"):
        if payload is None:
            continue
        node, time = pos >> 56, cbor2.loads(leaf)[2]
        for table, key, rowhash in cbor2.loads(payload)[1]:
            before = last.get((table, cbor2.dumps(key)))
            if not before or before[0] == node or before[1] <= time:
                last[table, cbor2.dumps(key)] = node, time, pos & (1 << 56) - 1, salt, rowhash
    return last


def findings(path):
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    db.execute("BEGIN")
    found, last = [], last_entries(db)
    for number, (name, columns, keys) in tables_of_spec().items():
        for row in db.execute(f"SELECT {', '.join(columns)} FROM {name}"):
            entry = last.pop((number, cbor2.dumps(row[:keys])), None)
            if not entry or entry[4] != hashlib.sha256(entry[3] + cbor2.dumps(row)).digest():
                found.append(f"{name} {row[:keys]}: {f'not as entry {entry[2]} says' if entry else 'no entry'}")
    found += [f"table {table} {cbor2.loads(key)}: gone since entry {entry[2]}"
              for (table, key), entry in last.items() if entry[4] is not None]
    db.close()
    return found


def main():
    found = findings(sys.argv[1])
    for finding in found:
        print(finding)
    return 6 if found else 0


if __name__ == "__main__":
    sys.exit(main())
