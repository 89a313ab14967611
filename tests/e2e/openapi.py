#!/usr/bin/python3
"""Holds doc/openapi.json against a running platform: every example of every route is sent, in the file's order, and the answer's
status, type and shape have to be what the file says.  A route that only the server or only the file has fails.

    openapi.py --static      the file alone, and its routes against the sources"""
import glob
import json
import os
import re
import sys
import urllib.parse

from est import show_with_second_key
from kithtest import ROOT, Kith, UnixConnection, World, say

FILE = os.path.join(ROOT, "doc", "openapi.json")
METHODS = ("get", "put", "post", "delete")
# Spoken by devices and gateways: RFC 7030, doc/guide/writing-a-device.md, doc/spec/feed.md.
ELSEWHERE = re.compile(r"/\.well-known/|/device/v1/|/gate/v1/")
ROUTE = re.compile(r'^\s*\{"(GET|POST|PUT|DELETE|PATCH)",\s*"(/[^"]*)",(.*)$', re.M)
RIGHT = re.compile(r"ACCESS_(READ|ADD|ACT|SET|GRANT)")


# ---- a schema: the subset of JSON Schema 2020-12 that the file uses; anything else in it is an error ----

KNOWN = {"$ref", "type", "description", "required", "properties", "additionalProperties", "items", "minItems", "enum", "const",
         "pattern", "format", "minimum", "maximum", "minLength", "maxLength", "default"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
FORMATS = {"date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "base64": r"[A-Za-z0-9+/]*={0,2}", "int64": None, "binary": None}


class Mismatch(Exception):
    pass


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def resolve(doc, ref):
    at = doc
    for part in ref.removeprefix("#/").split("/"):
        at = at[part]
    return at


def check_text(value, schema, where):
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 1 << 62):
        raise Mismatch(f"{where}: a text of {len(value)} characters")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        raise Mismatch(f"{where}: {value[:80]!r} does not match {schema['pattern']}")
    form = FORMATS[schema["format"]] if "format" in schema else None
    if form and not re.fullmatch(form, value):
        raise Mismatch(f"{where}: {value[:80]!r} is no {schema['format']}")


def check_object(doc, value, schema, where):
    for name in schema.get("required", []):
        if name not in value:
            raise Mismatch(f"{where}: {name} is missing")
    known, more = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name, v in value.items():
        if name in known:
            check(doc, v, known[name], f"{where}.{name}")
        elif isinstance(more, dict):
            check(doc, v, more, f"{where}.{name}")
        elif not more:
            raise Mismatch(f"{where}: {name} is not in the file")


def check(doc, value, schema, where="body"):
    if "$ref" in schema:
        return check(doc, value, resolve(doc, schema["$ref"]), where)
    strange = set(schema) - KNOWN
    if strange:
        raise Mismatch(f"{where}: this test does not know {strange}")
    types = schema.get("type")
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, t) for t in types):
        raise Mismatch(f"{where}: {value!r} is no {' or '.join(types)}")
    if "enum" in schema and value not in schema["enum"] or "const" in schema and value != schema["const"]:
        raise Mismatch(f"{where}: {value!r} is not among {schema.get('enum', [schema.get('const')])}")
    if isinstance(value, str):
        check_text(value, schema, where)
    elif isinstance(value, dict):
        check_object(doc, value, schema, where)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            raise Mismatch(f"{where}: {len(value)} items")
        for i, v in enumerate(value):
            check(doc, v, schema.get("items", {}), f"{where}[{i}]")
    elif is_type(value, "integer") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        raise Mismatch(f"{where}: {value} is out of range")


# ---- the file against the sources ----

def routes_of_sources():
    found = {}
    for path in glob.glob(os.path.join(ROOT, "src", "server", "**", "*.c"), recursive=True):
        with open(path) as f:
            for method, route, rest in ROUTE.findall(f.read()):
                route = route.replace("...}", "}")
                if not ELSEWHERE.match(route):
                    right = RIGHT.search(rest)
                    found[method.lower(), route] = (right and right[1].lower(), "ACCESS_OWNER" in rest)
    return found


def operations(doc):
    for path, item in doc["paths"].items():
        for method, op in item.items():
            assert method in METHODS, f"{path}: {method}"
            yield method, path, op


def check_static(doc):
    ours, theirs = {(m, p): (op.get("x-right"), op.get("x-owner", False)) for m, p, op in operations(doc)}, routes_of_sources()
    assert len(theirs) > 20, "the sources' route tables are not found"
    wrong = [f"{m.upper()} {p}: only the {'server' if (m, p) in theirs else 'file'} has it" for m, p in set(ours) ^ set(theirs)]
    wrong += [f"{m.upper()} {p}: the file says {ours[m, p]}, the server {theirs[m, p]}"
              for m, p in set(ours) & set(theirs) if ours[m, p] != theirs[m, p]]
    assert not wrong, "\n".join(sorted(wrong))
    assert doc["openapi"].startswith("3.1."), doc["openapi"]
    names = [op["operationId"] for _, _, op in operations(doc)]
    assert len(names) == len(set(names)), "an operationId is there twice"
    for method, path, op in operations(doc):
        where = f"{method.upper()} {path}"
        assert op["summary"].endswith("."), f"{where}: summary"
        declared = {p["name"] for p in op.get("parameters", []) if p["in"] == "path"}
        assert declared == set(re.findall(r"\{(\w+)\}", path)), f"{where}: parameters {declared}"
        for media in op.get("requestBody", {}).get("content", {}).values():
            assert "example" in media or "examples" in media, f"{where}: no example"


# ---- sending ----

def cases(op):
    """One request an example: [(name, {parameter: value}, body or None, type or None)]."""
    content = op.get("requestBody", {}).get("content", {})
    kind, media = next(iter(content.items()), (None, {}))
    bodies = {n: x["value"] for n, x in media.get("examples", {}).items()} or {"": media.get("example")}
    params = op.get("parameters", [])
    names = [n for p in params for n in p.get("examples", {})] or list(bodies)
    for name in dict.fromkeys(names):
        values = {p["name"]: p["examples"].get(name, {}).get("value") if "examples" in p else p.get("example") for p in params}
        yield name, values, bodies[name] if name in bodies else next(iter(bodies.values())), kind


def send(k, method, path, op, values, body, kind, linked):
    query = {}
    for p in op.get("parameters", []):
        value = linked.get((op["operationId"], p["name"]), values[p["name"]])
        if p["in"] == "path":
            assert value is not None, f"{path}: {p['name']} has neither example nor link"
            path = path.replace("{%s}" % p["name"], urllib.parse.quote(str(value)))
        elif value is not None:
            query[p["name"]] = value
    if query:
        path += "?" + urllib.parse.urlencode(query)
    data = body.encode() if isinstance(body, str) else None if body is None else json.dumps(body).encode()
    c = UnixConnection(k.socket, 30)
    try:
        c.request(method.upper(), path, data, {"Content-Type": kind} if kind else {})
        r = c.getresponse()
        return path, r.status, r.headers.get("Content-Type", ""), r.read()
    finally:
        c.close()


def check_answer(doc, op, status, kind, body):
    said = op["responses"].get(str(status))
    if not said or status >= 300:
        raise Mismatch(f"status {status}: {body[:300]!r}")
    media = said["content"].get(kind.split(";")[0])
    if media is None:
        raise Mismatch(f"Content-Type {kind}")
    schema = media["schema"]
    if kind.startswith("application/json"):
        value = json.loads(body)
    elif schema.get("format") == "binary":
        if not body:
            raise Mismatch("an empty body")
        return None
    else:
        value = body.decode()
    check(doc, value, schema)
    return value


def follow(op, value, linked):
    """OpenAPI links: what a later operation's parameter is taken from."""
    for link in op["responses"].get("200", {}).get("links", {}).values():
        for name, expression in link["parameters"].items():
            at = value
            for part in expression.removeprefix("$response.body#/").split("/"):
                at = at[int(part) if isinstance(at, list) else part]
            linked[link["operationId"], name] = at


def check_problem(doc, op, a, wanted, where):
    """An error as RFC 9457 has it, and as the file promises it for this operation."""
    assert a.status in wanted, f"{where}: {a}"
    media = resolve(doc, op["responses"]["4XX"]["$ref"])["content"]
    assert a.headers["Content-Type"] in media, f"{where}: {a.headers['Content-Type']}"
    check(doc, a.json, media["application/problem+json"]["schema"], where)
    assert a.json["status"] == a.status and a.json["title"] and a.json["detail"], f"{where}: {a}"


def check_problems(doc, k):
    """Each operation in each way that it can be asked wrongly."""
    n = 0
    for method, path, op in operations(doc):
        if "4XX" not in op["responses"]:
            continue
        where, content = f"{method.upper()} {path}", op.get("requestBody", {}).get("content", {})
        named = re.sub(r"\{\w+\}", "no-such", path)
        body = next(iter(cases(op)))[2]
        if op.get("x-right"):
            check_problem(doc, op, k.https(method.upper(), named), (401,), where + " by a stranger")
            n += 1
        if named != path:
            data = body.encode() if isinstance(body, str) else body
            check_problem(doc, op, k.api(method.upper(), named, data), (400, 404), where + " of nothing")
            n += 1
        if "application/json" in content:
            for bad in (b"{", b"[1]", b'{"a":1,"a":2}', b"\xff", b""):
                a = k.api(method.upper(), named, bad)
                if op["requestBody"].get("required"):
                    check_problem(doc, op, a, (400, 404), f"{where} with {bad!r}")
                    n += 1
    problem = {"responses": {"4XX": {"$ref": "#/components/responses/Problem"}}}
    for method, path, body, status in (("GET", "/v1/devices/nobody", None, 404), ("GET", "/v1/nothing", None, 404),
                                       ("DELETE", "/v1/status", None, 405), ("POST", "/v1/models", {"name": "pump"}, 409),
                                       ("POST", "/v1/devices", {"model": "pump"}, 400)):
        check_problem(doc, problem, k.api(method, path, body), (status,), f"{method} {path}")
    return n + 5


def check_reasons(doc, k):
    """The reasons that a request may give are those that its route takes, no more and no fewer."""
    serial = k.must("GET", "/v1/certs")["certificates"][0]["serial"]
    places = {"/v1/devices/{id}/{act}": lambda n: f"/v1/devices/{k.add_device(f'REASON-{n}', 'lamp')['id']}/revoke",
              "/v1/certs/{id}/revoke": lambda n: f"/v1/certs/{serial}/revoke"}
    for path, place in places.items():
        schema = doc["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]["reason"]
        for n, reason in enumerate(resolve(doc, "#/components/schemas/Reason")["enum"]):
            a = k.api("POST", place(n), {"reason": reason})
            wanted = (200, 409) if reason in resolve(doc, schema["$ref"])["enum"] else (400,)  # 409: revoked already
            assert a.status in wanted, f"{path} {reason}: {a}"


def main():
    with open(FILE) as f:
        doc = json.load(f)
    check_static(doc)
    if "--static" in sys.argv:
        return
    bad, sent, linked = [], 0, {}
    with World("openapi") as w:
        k = Kith(w)
        k.start()
        for method, path, op in operations(doc):
            if op["operationId"] == "listAlarms":
                k.add_model("lamp")
                show_with_second_key(k, k.add_device("ALARM-1", "lamp"))
            for name, values, body, kind in cases(op):
                if body is not None and kind == "application/json":
                    check(doc, body, op["requestBody"]["content"][kind]["schema"], f"example of {op['operationId']}")
                at, status, got, answer = send(k, method, path, op, values, body, kind, linked)
                sent += 1
                try:
                    follow(op, check_answer(doc, op, status, got, answer), linked)
                except Mismatch as m:
                    bad.append(f"{method.upper()} {at} {name}: {m}")
        problems = check_problems(doc, k)
        check_reasons(doc, k)
        assert not bad, "\n" + "\n".join(bad)
        k.stop()
    say(f"{sent} examples and {problems} errors on {len(list(operations(doc)))} operations: ok")


if __name__ == "__main__":
    main()
