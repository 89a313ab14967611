#!/usr/bin/python3
"""core/cbor beside python3-cbor2: what cbor2 encodes canonically is taken and comes back the same; what is taken, cbor2
decodes and encodes to the same bytes again.  Order of keys: cbor2's canonical form is that of RFC 7049 (shorter first),
ours RFC 8949's (bytewise); for the keys used here, whose encodings compare alike in both, they agree."""
import random
import struct
import subprocess
import sys

import cbor2

random.seed(1)


def key_like(sample):
    """Keys of one kind and one encoded length, so that both orders are the same."""
    return random.sample(sample, random.randint(0, min(6, len(sample))))


def value(depth):
    kind = random.randrange(9 if depth else 6)
    if kind == 0:
        return random.choice([0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, random.getrandbits(40)])
    if kind == 1:
        return -1 - random.choice([0, 23, 24, 255, 256, 65536, 2**32, 2**64 - 1, random.getrandbits(20)])
    if kind == 2:
        return bytes(random.getrandbits(8) for _ in range(random.choice([0, 1, 23, 24, 300])))
    if kind == 3:
        return "".join(random.choice("aZ9 ü水𐅑\"\\") for _ in range(random.choice([0, 1, 8, 30])))
    if kind == 4:
        return random.choice([True, False, None])
    if kind == 5:
        return random.randrange(24)
    if kind == 6:
        return [value(depth - 1) for _ in range(random.choice([0, 1, 3, 25]))]
    if kind == 7:
        return cbor2.CBORTag(random.choice([6, 18, 61, 1000]), value(depth - 1))
    keys = key_like(random.choice([range(24), range(24, 256), ["ab", "cd", "ef", "gh"], range(-24, 0)]))
    return {k: value(depth - 1) for k in keys}


def mutate(b):
    b = bytearray(b)
    for _ in range(random.randint(1, 2)):
        at = random.randrange(len(b))
        act = random.randrange(3)
        if act == 0:
            b[at] ^= 1 << random.randrange(8)
        elif act == 1:
            del b[at:]
        else:
            b.insert(at, b[at])
        if not b:
            break
    return bytes(b)


def ask(tool, frames):
    data = b"".join(struct.pack(">I", len(f)) + f for f in frames)
    out = subprocess.run([tool], input=data, stdout=subprocess.PIPE, check=True).stdout
    at, answers = 0, []
    for _ in frames:
        good = out[at]
        at += 1
        if good:
            n = struct.unpack_from(">I", out, at)[0]
            answers.append(out[at + 4:at + 4 + n])
            at += 4 + n
        else:
            answers.append(None)
    assert at == len(out)
    return answers


def resort(v):
    """The same value with maps in RFC 8949's order: cbor2 keeps the order of a dict when it is not canonical."""
    if isinstance(v, list):
        return [resort(x) for x in v]
    if isinstance(v, cbor2.CBORTag):
        return cbor2.CBORTag(v.tag, resort(v.value))
    if isinstance(v, dict):
        return {k: resort(v[k]) for k in sorted(v, key=cbor2.dumps)}
    return v


def main():
    tool = sys.argv[1]
    good = [cbor2.dumps(value(4), canonical=True) for _ in range(3000)]
    good = [g for g in good if 0 < len(g) < 60000]
    for g, answer in zip(good, ask(tool, good)):
        assert answer == g, "refused or changed: " + g.hex()
    bad = [mutate(random.choice(good)[:4000]) for _ in range(20000)]
    bad = [b for b in bad if b]
    taken = 0
    for b, answer in zip(bad, ask(tool, bad)):
        if answer is None:
            continue
        taken += 1
        assert answer == b, b.hex()
        try:
            v = cbor2.loads(b)
        except Exception:  # a tag whose content cbor2 interprets (dates, bignums) or a key that Python cannot hash
            continue
        if "FrozenDict" in repr(v) or any(c in repr(v) for c in ("datetime", "Fraction", "Decimal", "UUID")):
            continue
        try:
            back = cbor2.dumps(resort(v))
        except Exception:
            continue
        if cbor2.loads(back) == v and len(back) == len(b):
            assert back == b, f"{b.hex()} but cbor2 writes {back.hex()}"
    print(f"{len(good)} values, {len(bad)} mutations of which {taken} were taken")


main()
