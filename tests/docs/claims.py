#!/usr/bin/python3
"""Every test that doc/threat-model.md names exists, every link of a page leads somewhere, every row has an answer, and every
command of a page is run by tests/docs/run, but for a few."""
import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", *glob.glob("doc/**/*.md", recursive=True, root_dir=ROOT)]


def read(path):
    with open(os.path.join(ROOT, path), errors="replace") as f:
        return f.read()


def path_of(name):
    """What a name in the threat model stands for: a file with or without its ending, or a folder."""
    paths = [f"tests/{name.rstrip('/')}{end}" for end in ("", ".c", ".py")]
    return next((p for p in paths if os.path.exists(os.path.join(ROOT, p))), None)


def has_test(path, name):
    """As one that is run: a row of cmocka's table, by a macro of the file; in Python one that is named again, or taken by its
    parameters (agent/run.py, agent/platform.py)."""
    text = read(path) if os.path.isfile(os.path.join(ROOT, path)) else ""
    if path.endswith(".c"):
        return re.search(rf"\b(T|ROW|cmocka_unit_test\w*)\({name}\b", text)
    return re.search(rf"^def {name}\(", text, re.M) and (len(re.findall(rf"\b{name}\b", text)) > 1 or "co_varnames" in text)


def wrong_claims(text):
    claims = text[text.index("## Claims"):text.index("## Known and accepted")]
    for row in re.findall(r"^\| .* \|$", claims, re.M):
        shown = row.strip("| ").split(" | ")[-1]
        if shown in ("shown by",) or set(shown) <= {"-", "|"}:
            continue
        if "not yet" not in shown and "`" not in shown:
            yield f"no test and no \"not yet\": {row}"
        path = None
        for quoted in re.findall(r"`([^`]+)`", shown):
            place, _, test = quoted.partition(": ")
            if "/" in place:
                path = path_of(place)
                if not path:
                    yield f"there is no tests/{place}"
            elif not test and re.fullmatch(r"\w+", quoted):
                test = quoted
            if path and test and not has_test(path, test):
                yield f"there is no test {test} in {path}"
            if not path and test:
                yield f"no file for {test}: {row}"


NOT_RUN = {  # how a block begins: why
    "./dev demo": "it runs the tests",
    "ninja -C build && meson test": "it is the tests",
    "createuser kith": "needs a server of the machine; e2e/first_slice_postgres does it on a cluster of its own",
    "kith init --dir platform --hsm /usr/lib/x86_64-linux-gnu/opencryptoki": "needs its daemon; e2e/opencryptoki.py does it",
}

# Needs root and a machine of its own; e2e/install.py does it line by line.
OF_A_MACHINE = "doc/guide/install.md"


def not_run(page):
    with open(os.path.join(ROOT, "tests", "docs", "meson.build")) as f:
        listed = f"'{page}'" in f.read()
    if page == OF_A_MACHINE:
        return
    for kind, block in re.findall(r"^```(sh\b.*)\n((?:.*\n)*?)```$", read(page), re.M):
        if not (listed and kind == "sh test") and not any(block.startswith(b) for b in NOT_RUN):
            yield f"{page}: nothing runs: {block.splitlines()[0]}"


def dead_links(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", read(page)):
        if not os.path.exists(os.path.join(ROOT, os.path.dirname(page), target)):
            yield f"{page}: {target} is not there"


bad = list(wrong_claims(read("doc/threat-model.md")))
for page in PAGES:
    bad += [*dead_links(page), *not_run(page)]
print("\n".join(bad) if bad else "every claim has its test, every link its file")
sys.exit(1 if bad else 0)
