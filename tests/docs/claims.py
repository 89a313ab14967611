#!/usr/bin/python3
"""Every test that doc/threat-model.md names exists, every link of a page leads somewhere, and every row has an answer."""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *glob.glob("doc/**/*.md", recursive=True, root_dir=ROOT)]


def read(path):
    with open(os.path.join(ROOT, path), errors="replace") as f:
        return f.read()


def sources(name):
    """The files that a name in the threat model may mean."""
    found = [f"tests/{name}{end}" for end in ("", ".c", ".py") if os.path.isfile(f"{ROOT}/tests/{name}{end}")]
    if not found and os.path.isdir(f"{ROOT}/tests/{name}"):
        found = [f"tests/{name}/" + f for f in os.listdir(f"{ROOT}/tests/{name}") if f.endswith((".c", ".py"))]
    return found


def wrong_claims(text):
    claims = text[text.index("## Claims"):text.index("## Known and accepted")]
    for row in re.findall(r"^\| .* \|$", claims, re.M):
        shown = row.strip("| ").split(" | ")[-1]
        if shown in ("shown by",) or set(shown) <= {"-", "|"}:
            continue
        if "not yet" not in shown and "`" not in shown:
            yield f"no test and no \"not yet\": {row}"
        files = []
        for quoted in re.findall(r"`([^`]+)`", shown):
            place, _, test = quoted.partition(": ")
            if "/" in place:
                files = sources(place.rstrip("/"))
                if not files:
                    yield f"there is no tests/{place}"
            elif not test:
                test = quoted
            if test and not any(re.search(rf"\b{test}\b", read(f)) for f in files) and \
                    not any(test in read(f) for f in sources("unit/x509")):
                yield f"there is no test {test} in {files}"


def dead_links(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", read(page)):
        if not os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)):
            yield f"{page}: {target} is not there"


bad = list(wrong_claims(read("doc/threat-model.md")))
for page in PAGES:
    bad += dead_links(page)
print("\n".join(bad) if bad else "every claim has its test, every link its file")
sys.exit(1 if bad else 0)
