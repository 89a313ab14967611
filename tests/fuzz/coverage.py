"""Sums what gcov counted (see tests/fuzz/coverage): lines reached in each file that reads bytes from outside."""
import gzip
import json
import os
import subprocess
import sys

BAR = 90.0
FILES = """
core/reader.c core/der.c core/cbor.c core/cose.c core/revset.c core/merkle.c
base/config.c base/pem.c base/json.c base/http1.c base/frame.c base/host.c
x509/name.c x509/san.c x509/csr.c x509/cert.c x509/crl.c x509/chain.c x509/signed.c x509/certs_only.c
store/entry.c
model/feed.c model/feed_frame.c model/feed_set.c model/token.c
ledger/note.c ledger/statement.c ledger/verify_export.c
ca/profile.c ca/profile_text.c ca/request.c
model/topics.c
""".split()

# Only these functions count: the rest of the file moves bytes over sockets and interprets none.
ONLY = {"base/frame.c": {"length_fits", "frame_in_init", "frame_in_clear", "frame_in_is_partial", "frame_feed", "put_head",
                         "frame_put"}}


def lines_of(build, file):
    """{line: times reached}; a line in several functions counts once."""
    room, name = file.split("/")
    data = f"{build}/src/{room}/lib{room}.a.p/{name}.gcda"
    if not os.path.exists(data):
        return None
    run = subprocess.run(["gcov", "--json-format", "--stdout", data], check=True, capture_output=True).stdout
    report = json.loads(gzip.decompress(run) if run[:2] == b"\x1f\x8b" else run)
    lines = {}
    for source in report["files"]:
        if not source["file"].endswith("src/" + file):
            continue
        for row in source["lines"]:
            if file in ONLY and row.get("function_name") not in ONLY[file]:
                continue
            lines[row["line_number"]] = max(row["count"], lines.get(row["line_number"], 0))
    return lines


def main():
    build, show = sys.argv[1], "-m" in sys.argv[2:]
    bad = []
    for file in FILES:
        lines = lines_of(build, file)
        if lines is None:
            print(f"   -  %  {file}: no target reaches it")
            bad.append(file)
            continue
        reached = sum(1 for count in lines.values() if count)
        percent = 100.0 * reached / len(lines)
        if percent < BAR:
            bad.append(file)
        print(f"{percent:6.1f} %  {reached:4}/{len(lines):<4}  {file}{'' if percent >= BAR else '   BELOW'}")
        if show:
            with open("src/" + file, encoding="utf-8") as f:
                source = f.read().splitlines()
            for number in sorted(n for n, count in lines.items() if not count):
                print(f"          {number}: {source[number - 1].strip()}")
    if bad:
        print(f"below {BAR:.0f} % of lines: {' '.join(bad)}")
    return 1 if bad else 0


sys.exit(main())
