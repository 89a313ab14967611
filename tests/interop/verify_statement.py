#!/usr/bin/python3
"""Verifies the statement that a device is gone by doc/spec/ledger.md alone.

verify_statement.py FILE VKEY...    VKEYs: the keys that must have signed.
Prints device, state, time and entry, and exits with 0; else 6."""
import re
import sys

from cryptography.exceptions import InvalidSignature

from verify_export import Bad, check_entry, check_note, decode, read_vkey, sha, unbase64

STATE, RETIRED = 62, 63  # events.md: device.state, device.retired; their fields
DEVICE, TO = 2, 4
GONE = ("revoked", "retired", "scrapped")


def root_from(index, size, leaf, path):
    """RFC 9162 section 2.1.3.2."""
    if index >= size:
        raise Bad("index")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        if sn == 0:
            raise Bad("too many hashes")
        if fn & 1 or fn == sn:
            r = sha(b"\x01", p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha(b"\x01", r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise Bad("too few hashes")
    return r


def verify(data, vkeys):
    head, sep, note = data.partition(b"\n\n")
    magic, extra, index, *path = head.decode().split("\n")
    if not sep or magic != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra ") or not re.fullmatch("index (0|[1-9][0-9]*)", index):
        raise Bad("not a statement")
    _origin, size, root = check_note(note, [read_vkey(v) for v in vkeys])
    leaf, salt, payload = decode(unbase64(extra[6:]))
    path = [unbase64(p) for p in path]
    if any(len(p) != 32 for p in path):
        raise Bad("a hash of another length")
    index = int(index[6:])
    if root_from(index, size, sha(b"\x00", leaf), path) != root:
        raise Bad("not in the tree")
    if check_entry(leaf, salt, payload) is True:
        raise Bad("erased")
    _version, _node, time_ms, kind, _commitment, _ref = decode(leaf)
    fields, _changes = decode(payload)
    state = "retired" if kind == RETIRED else fields.get(TO) if kind == STATE else None
    if state not in GONE:
        raise Bad("it says of no device that it is gone")
    return fields[DEVICE], state, time_ms, index


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    try:
        print(*verify(data, sys.argv[2:]))
    except (Bad, InvalidSignature, ValueError, TypeError, LookupError, EOFError) as error:
        print(f"{type(error).__name__}: {error}")
        return 6
    return 0


if __name__ == "__main__":
    sys.exit(main())
