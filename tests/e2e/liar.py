#!/usr/bin/python3
"""A server that lies to an operator who asks for a proof: kith believes the keys, not the server."""
import base64
import json
import os
import socket
import threading

from kithtest import Kith, World, say


class Liar:
    """Stands where the platform's socket was; `ask` alters the request, `tell` the answer's members."""

    def __init__(self, k):
        self.real = k.socket + ".real"
        self.ask = self.tell = lambda x: x
        os.rename(k.socket, self.real)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(k.socket)
        self.listener.listen(5)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            with client, socket.socket(socket.AF_UNIX) as up:
                up.connect(self.real)
                up.sendall(self.ask(client.recv(65536)).replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n", 1))
                head, _, body = b"".join(iter(lambda: up.recv(65536), b"")).partition(b"\r\n\r\n")
                if b"application/json" in head:
                    body = json.dumps(self.tell(json.loads(body))).encode()
                status = head.split(b"\r\n")[0]
                client.sendall(b"%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" %
                               (status, len(body), body))


def with_path(j, path):
    return {**j, "path": [base64.b64encode(h).decode() for h in path]}


def path_of(j):
    return [base64.b64decode(h) for h in j["path"]]


def flipped_leaf(j):
    leaf = bytearray(base64.b64decode(j["leaf"]))
    leaf[-1] ^= 1
    return {**j, "leaf": base64.b64encode(leaf).decode()}


def main():
    with World("liar") as w:
        k = Kith(w)
        k.start()
        k.add_model("pump")
        for n in range(5):
            k.add_device(f"SN-{n}")
        liar = Liar(k)
        prove = lambda *words: k.kith("ledger", "prove", "7", *words, ok=False)
        assert prove().returncode == 0, prove()
        same = lambda x: x
        for name, ask, tell in [
                ("another entry's proof", lambda q: q.replace(b"entry=7 ", b"entry=3 "), same),
                ("its number altered as well", lambda q: q.replace(b"entry=7 ", b"entry=3 "), lambda j: {**j, "index": 7}),
                ("another leaf", same, flipped_leaf),
                ("a path of one hash less", same, lambda j: with_path(j, path_of(j)[:-1])),
                ("hashes cut elsewhere", same, lambda j: with_path(j, [b"".join(path_of(j))])),
                ("another root", same, lambda j: {**j, "checkpoint": j["checkpoint"].replace("\n", "\nA", 2)}),
                ("no signature", same, lambda j: {**j, "checkpoint": j["checkpoint"].split("\n\n")[0] + "\n\n"})]:
            liar.ask, liar.tell = ask, tell
            p = prove()
            assert p.returncode and "stands in" not in p.stdout, f"{name}: believed: {p.stdout}"
            assert p.returncode != 2, p.stderr
        liar.ask = liar.tell = same
        assert prove().returncode == 0
        os.rename(liar.real, k.socket)  # for the end
        k.stop()
        say("ok")


main()
