#!/usr/bin/python3
"""Verifies an export of the ledger by doc/spec/ledger.md alone: a second implementation, for the differential test.

verify_export.py FILE [VKEY...]    VKEYs: the keys that must have signed; default: those in the file.
Prints what it finds, one line each; exit 0: sound, 6: findings."""
import base64
import hashlib
import io
import sys

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Bad(Exception):
    pass


def unbase64(text):
    """RFC 4648 section 3.5: the bits that padding leaves over are zero, so a value has one text."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data) != (text if isinstance(text, bytes) else text.encode()):
        raise Bad("base64 in another form than its one")
    return data


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def root_of(hashes):
    """RFC 9162 section 2.1.1, with a stack of complete subtrees."""
    if not hashes:
        return sha()
    stack = []
    for h in hashes:
        size = 1
        while stack and stack[-1][0] == size:
            h = sha(b"\x01", stack.pop()[1], h)
            size *= 2
        stack.append((size, h))
    h = stack.pop()[1]
    while stack:
        h = sha(b"\x01", stack.pop()[1], h)
    return h


def read_vkey(text):
    name, key_id, key = text.split("+", 2)
    key = unbase64(key)
    if len(key) != 33 or key[0] not in (1, 4):
        raise Bad(f"key {name}: not Ed25519")
    if sha(name.encode(), b"\n", key)[:4].hex() != key_id:
        raise Bad(f"key {name}: another id")
    return name, bytes.fromhex(key_id), key[0], Ed25519PublicKey.from_public_bytes(key[1:])


def check_note(note, keys):
    text, sep, sigs = note.rpartition(b"\n\n")
    if not sep or not sigs.endswith(b"\n"):
        raise Bad("note: no signatures")
    text += b"\n"
    signed = set()
    for line in sigs.decode().splitlines():
        dash, name, blob = line.split(" ")
        blob = unbase64(blob)
        if dash != "\u2014":
            raise Bad("note: signature line")
        for key in keys:
            if key[0] != name or key[1] != blob[:4]:
                continue
            message, sig = text, blob[4:]
            if key[2] == 4:
                at = int.from_bytes(sig[:8], "big")
                message, sig = b"cosignature/v1\ntime %d\n" % at + text, sig[8:]
            key[3].verify(sig, message)
            signed.add(key[1])
    for key in keys:
        if key[1] not in signed:
            raise Bad(f"note: not signed by {key[0]}")
    origin, size, root = text.decode().split("\n")[:3]
    return origin, int(size), unbase64(root)


def decode(data):
    """One item, and nothing but its deterministic form."""
    value = cbor2.loads(data)
    if cbor2.dumps(value, canonical=True) != data:
        raise Bad("not deterministic CBOR")
    return value


ENTRY_ERASED, ERASED_ENTRY = 114, 2  # events.md: the event, and which of its fields names the entry


def check_entry(leaf, salt, payload):
    """True: it is erased; a number: the entry that it says was erased."""
    version, node, time, type_, commitment, ref = decode(leaf)
    if version != 1 or not 1 <= node <= 127 or time < 0 or not (ref is None or len(ref) == 32):
        raise Bad("not a leaf")
    if salt is None and payload is None:
        return True
    if salt is None or payload is None or len(salt) != 16 or sha(salt, payload) != commitment:
        raise Bad("salt and payload do not give the commitment")
    fields, changes = decode(payload)
    if not isinstance(fields, dict) or not isinstance(changes, list):
        raise Bad("not a payload")
    for table, key, rowhash in changes:
        if not 0 <= table <= 255 or not key or not all(v is None or type(v) in (int, str, bytes) for v in key):
            raise Bad("not the key of a row")
        if rowhash is not None and (type(rowhash) is not bytes or len(rowhash) != 32):
            raise Bad("not the hash of a row")
    return fields[ERASED_ENTRY] if type_ == ENTRY_ERASED else None


def verify(data, trusted):
    findings = []
    f = io.BytesIO(data)
    if f.readline() != b"kith-ledger-export 1\n":
        raise Bad("first line")
    keys, line = [], f.readline()
    while line.startswith(b"key "):
        keys.append(read_vkey(line[4:-1].decode()))
        line = f.readline()
    if not keys or not line.startswith(b"note "):
        raise Bad("head")
    note = f.read(int(line[5:-1]))
    _origin, size, root = check_note(note, keys + [read_vkey(v) for v in trusted])
    decoder, listed, erased, said = cbor2.CBORDecoder(f), [], set(), set()
    for seq in range(size):
        if seq % 256 == 0:
            block = decoder.decode()
            if not isinstance(block, bytes) or len(block) != 32 * min(256, size - seq):
                raise Bad(f"entry {seq}: list of hashes")
            listed += [block[i : i + 32] for i in range(0, len(block), 32)]
        try:
            leaf, salt, payload = decoder.decode()
            if sha(b"\x00", leaf) != listed[seq]:
                raise Bad("altered")
            what = check_entry(leaf, salt, payload)
            if what is True:
                erased.add(seq)
            elif what is not None:
                said.add(what)
        except (Bad, ValueError, TypeError, LookupError, MemoryError) as error:
            findings.append(f"entry {seq}: {error}")
    findings += [f"entry {seq}: erased, and no entry says so" for seq in sorted(erased - said)]
    findings += [f"entry {seq}: said to be erased, but it is there" for seq in said - erased]
    if f.read(1):
        findings.append("something behind the last entry")
    if root_of(listed) != root:
        findings.append("the listed hashes do not give the root")
    return size, findings


def main():
    with open(sys.argv[1], "rb") as f:
        data = f.read()
    try:
        size, findings = verify(data, sys.argv[2:])
    except (Bad, InvalidSignature, ValueError, TypeError, EOFError, MemoryError, cbor2.CBORDecodeError) as error:
        size, findings = 0, [f"{type(error).__name__}: {error}"]
    for finding in findings:
        print(finding)
    print(f"{size} entries, {len(findings)} findings")
    return 6 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
