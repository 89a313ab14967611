#!/usr/bin/python3
"""core/der beside OpenSSL: both see the same elements in what OpenSSL makes, and the object identifiers of core/oid.h are
what OpenSSL encodes for the dotted form beside them."""
import os
import re
import subprocess
import sys
import tempfile


def openssl(*args):
    return subprocess.run(["openssl", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


def structure(path):
    """asn1parse's offset, depth, header length and length of each element."""
    rows = []
    for line in openssl("asn1parse", "-inform", "DER", "-in", path).decode().splitlines():
        m = re.match(r"\s*(\d+):d=(\d+)\s+hl=(\d+)\s+l=\s*(\d+)", line)
        rows.append("%s:d=%s hl=%s l=%s" % m.groups())
    return rows


def compare(tool, path):
    ours = subprocess.run([tool, path], stdout=subprocess.PIPE)
    assert ours.returncode == 0, path + " refused"
    assert ours.stdout.decode().split("\n")[:-1] == structure(path), path


def check_oids(header):
    text = open(header).read()
    rows = re.findall(r'#define (OID_\w+)[\s\\]+OID_SLICE\("([^"]+)"\)[\s\\]+/\* ([\d.]+) \*/', text)
    assert len(rows) > 30, len(rows)
    assert len(rows) == len(re.findall(r"#define OID_\w+\s", text)), "a line of another form"
    with tempfile.TemporaryDirectory() as d:
        conf = os.path.join(d, "oids.cnf")
        with open(conf, "w") as f:
            f.write("asn1=SEQUENCE:all\n[all]\n")
            f.writelines(f"f{i}=OID:{dotted}\n" for i, (_, _, dotted) in enumerate(rows))
        out = os.path.join(d, "oids.der")
        openssl("asn1parse", "-genconf", conf, "-noout", "-out", out)
        der = open(out, "rb").read()
    at = der.index(b"\x06", 2)
    for name, escaped, dotted in rows:
        n = der[at + 1]
        content = der[at + 2:at + 2 + n]
        assert content == bytes.fromhex(escaped.replace("\\x", "")), (name, dotted, content.hex())
        at += 2 + n
    assert at == len(der)
    return len(rows)


def main():
    tool, source = sys.argv[1], sys.argv[2]
    n = check_oids(os.path.join(source, "src/core/oid.h"))
    files = 0
    with tempfile.TemporaryDirectory() as d:
        for kind, args in {"ec": ["-pkeyopt", "ec_paramgen_curve:P-256"], "ed25519": [],
                           "rsa": ["-pkeyopt", "rsa_keygen_bits:2048"]}.items():
            key, crt, csr, pub = (os.path.join(d, kind + x) for x in (".key", ".crt", ".csr", ".pub"))
            openssl("genpkey", "-algorithm", kind.upper(), *args, "-out", key)
            openssl("req", "-new", "-x509", "-key", key, "-days", "20000", "-subj", "/C=CH/O=Küng & Co/CN=device*1",
                    "-utf8", "-addext", "subjectAltName=DNS:a.example,email:a@b.example,IP:10.0.0.1",
                    "-addext", "keyUsage=critical,digitalSignature,keyAgreement", "-outform", "DER", "-out", crt)
            openssl("req", "-new", "-key", key, "-subj", "/CN=x", "-outform", "DER", "-out", csr)
            openssl("pkey", "-in", key, "-pubout", "-outform", "DER", "-out", pub)
            for path in (crt, csr, pub):
                compare(tool, path)
                files += 1
    print(f"{n} object identifiers, {files} structures")


main()
