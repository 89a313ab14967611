#!/usr/bin/python3
"""Each row of the catalogue of events has a writer: a file of src that names the event and makes a draft."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
rows = re.findall(r"^EVENT_ROW\(\s*(\w+),", (ROOT / "src/model/event_table.h").read_text(), re.M)
written = set()
for path in (ROOT / "src").rglob("*.c"):
    text = path.read_text()
    if "event_draft_of(" in text:  # what is compared with is read, not written
        written.update(re.findall(r"(?<![=<>!]= )(?<![<>] )\bEVENT_([A-Z_]+)\b", text))
silent = [row for row in rows if row not in written]
for row in silent:
    print(f"lint: event {row}: nothing in src writes it; take its row out of src/model/event_table.h", file=sys.stderr)
sys.exit(not rows or bool(silent))
