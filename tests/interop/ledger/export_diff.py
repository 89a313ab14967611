#!/usr/bin/python3
"""Our verifier of an export beside the one in Python, which was written from doc/spec/ledger.md alone: they agree about a
sound export and about each of its bytes flipped, each length cut, and bytes doubled."""
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import cbor2
import verify_export
from cryptography.exceptions import InvalidSignature

REFUSED = (verify_export.Bad, InvalidSignature, ValueError, TypeError, EOFError, MemoryError, cbor2.CBORDecodeError)


def sound(data):
    try:
        return not verify_export.verify(data, [])[1]
    except REFUSED:
        return False


def variants(data):
    yield data
    for i in range(len(data)):
        yield data[:i] + bytes([data[i] ^ (1 << i % 8)]) + data[i + 1 :]
    for i in range(0, len(data), 7):
        yield data[:i]
        yield data[: i + 1] + data[i:]


def main():
    tool = sys.argv[1]
    with tempfile.TemporaryDirectory() as d:
        path = os.path.join(d, "export")
        subprocess.run([tool, "make", path], check=True)
        with open(path, "rb") as f:
            data = f.read()
    all_variants = list(variants(data))
    frames = b"".join(struct.pack(">I", len(v)) + v for v in all_variants)
    ours = subprocess.run([tool, "verify"], input=frames, stdout=subprocess.PIPE, check=True).stdout
    assert len(ours) == len(all_variants)
    assert ours[0:1] == b"1", "the sound export is refused"
    for i, (verdict, v) in enumerate(zip(ours, all_variants)):
        theirs = sound(v)
        assert (verdict == ord("1")) == theirs, f"variant {i}: we say {chr(verdict)}, Python says {theirs}"
    print(f"{len(all_variants)} variants of {len(data)} bytes: the same verdict")


main()
