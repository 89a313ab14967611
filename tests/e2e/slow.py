#!/usr/bin/python3
"""Whoever is slow harms only itself: slowhttptest and clients that drip, against the TLS listener, while a bystander works."""
import base64
import select
import socket
import ssl
import subprocess
import threading
import time

from kithtest import Kith, World, run, say, wait_for

CONNECTIONS = 200
SECONDS = 14
LIMITS = {"connections_per_address": "250", "handshake": "4s", "header": "4s", "body": "4s", "idle": "5s"}
TOTAL_S = 4
SLACK_S = 5          # what a loaded machine may add to a deadline
BYSTANDER_MOST_S = 3.5  # less than TOTAL_S: it does not wait for others to be dropped
ATTACKER, CROWD, BYSTANDER = "127.0.0.1", "127.0.0.3", "127.0.0.2"


def connect(k, source, seconds=10):
    return socket.create_connection(("127.0.0.1", k.tls_port), timeout=seconds, source_address=(source, 0))


def tls(k, source=ATTACKER):
    return k.tls().wrap_socket(connect(k, source), server_hostname="localhost")


def get(k, source, path="/healthz", head="GET", body=b""):
    """One request on a connection of its own; the answer's status."""
    with tls(k, source) as s:
        more = b"".join(b"%s: %s\r\n" % row for row in {
            b"Host": b"localhost", b"Connection": b"close", b"Content-Length": str(len(body)).encode()}.items())
        s.sendall(b"%s %s HTTP/1.1\r\n" % (head.encode(), path.encode()) + more + b"\r\n" + body)
        return int(s.recv(4096).split(b" ")[1])


class Bystander:
    """Every 0.2 s, from another address: reads, and with each fifth an enrolment of a new device."""

    def __init__(self, k, devices):
        self.k, self.devices, self.took, self.enrolled, self.failed = k, devices, [], 0, []
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join(30)

    def once(self, n):
        if n % 5 == 0:
            device, csr = self.devices.pop()
            with tls(self.k, BYSTANDER) as s:
                user = base64.b64encode(f"{device['id']}:{device['claim']}".encode())
                s.sendall(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                          b"Content-Type: application/pkcs10\r\nAuthorization: Basic %s\r\nContent-Length: %d\r\n\r\n"
                          % (user, len(csr)) + csr)
                answer = s.recv(4096)
                assert answer.startswith(b"HTTP/1.1 200 "), answer
            self.enrolled += 1
        else:
            assert get(self.k, BYSTANDER) == 200

    def run(self):
        n = 0
        while not self.ends.is_set():
            at = time.monotonic()
            try:
                self.once(n)
            except Exception as e:
                self.failed.append(repr(e))
            self.took.append(time.monotonic() - at)
            n += 1
            self.ends.wait(0.2)

    def check(self):
        assert not self.failed, self.failed[:3]
        assert max(self.took) < BYSTANDER_MOST_S, f"one took {max(self.took):.2f} s"
        return f"bystander: {len(self.took)} of {len(self.took)}, {self.enrolled} enrolments, slowest {max(self.took):.2f} s"


def new_devices(k, n):
    """Devices with requests that are ready to be sent, so that the bystander spends its time at the door."""
    out = []
    for _ in range(n):
        new_devices.n += 1
        device = k.add_device(f"SLOW-{new_devices.n:03}")
        csr = run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                  k.w.path("slow.key"), "-subj", "/CN=x", "-outform", "DER", text=False).stdout
        out.append((device, base64.b64encode(csr)))
    return out


new_devices.n = 0


def connections(k):
    """How many the attacker's address has at the TLS listener."""
    mine, n = f"0100007F:{k.tls_port:04X}", 0
    with open("/proc/net/tcp") as f:
        for row in f.readlines()[1:]:
            words = row.split()
            n += words[1] == mine and words[2].startswith("0100007F:") and words[3] == "01"
    return n


def attack(k, name, *words, dropped=True):
    """slowhttptest beside the bystander.  It has to have brought its connections up; it ends before its time when it has lost
    all of them."""
    url = f"https://127.0.0.1:{k.tls_port}"
    with Bystander(k, new_devices(k, 25)) as b:
        p = subprocess.Popen(["slowhttptest", "-c", str(CONNECTIONS), "-r", str(CONNECTIONS), "-l", str(SECONDS), "-v", "1",
                              "-p", "5", *words[:-1], "-u", url + words[-1]], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        k.w.running.append(p)
        counts, at = [], time.monotonic()
        while p.poll() is None and time.monotonic() - at < 3 * SECONDS:
            counts.append(connections(k))
            time.sleep(0.1)
        took = time.monotonic() - at
        out = p.communicate(timeout=10)[0]
    k.w.running.remove(p)
    assert max(counts) >= CONNECTIONS * 3 // 4, f"{name}: at most {max(counts)} connections\n{out[-2000:]}"
    assert not dropped or took < SECONDS - 1, f"{name}: it went on for {took:.1f} s\n{out[-2000:]}"
    wait_for(lambda: connections(k) == 0, "the attack's connections to be gone")
    say(f"ok {name}: {max(counts)} connections at once, over after {took:.1f} s; {b.check()}")


def drips(k, name, begin, rest, least=TOTAL_S - 0.5):
    """A byte each 0.1 s from many at once: each is dropped at the deadline in all, not at one for each byte."""
    socks = [begin() for _ in range(20)]
    at, gone = time.monotonic(), {}
    for i in range(1000):
        for n, s in enumerate(socks):
            if n in gone:
                continue
            try:
                s.sendall(rest[i % len(rest):i % len(rest) + 1])
                s.settimeout(0.001)
                while s.recv(4096):  # a refusal may come before the end
                    pass
                gone[n] = time.monotonic() - at
            except (TimeoutError, ssl.SSLWantReadError):
                pass
            except OSError:
                gone[n] = time.monotonic() - at
        if len(gone) == len(socks):
            break
        assert time.monotonic() - at < 4 * TOTAL_S, f"{name}: {len(socks) - len(gone)} go on after {4 * TOTAL_S} s"
        time.sleep(0.1)
    for s in socks:
        s.close()
    assert least <= min(gone.values()) and max(gone.values()) <= TOTAL_S + SLACK_S, \
        f"{name}: dropped after {min(gone.values()):.2f} to {max(gone.values()):.2f} s"
    say(f"ok {name}: dropped after {min(gone.values()):.2f} to {max(gone.values()):.2f} s")


def client_hello(k):
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    o = k.tls().wrap_bio(into, out, server_hostname="localhost")
    try:
        o.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def drops_who_drips(k):
    def request(text):
        def begin():
            s = tls(k)
            s.sendall(text)
            return s
        return begin
    with Bystander(k, new_devices(k, 40)) as b:
        drips(k, "a header that drips", request(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "), b"a")
        drips(k, "a body that drips", request(b"POST /.well-known/est/simpleenroll HTTP/1.1\r\nHost: localhost\r\n"
                                              b"Content-Type: application/pkcs10\r\nAuthorization: Basic YTpi\r\n"
                                              b"Content-Length: 900\r\n\r\n"), b"A")
        hello = client_hello(k)
        drips(k, "a handshake that drips", lambda: connect(k, ATTACKER), hello)
    say("ok " + b.check())


def count_closed(socks, quiet=0.5):
    """How many were closed at the other end; until none was for a while."""
    poll, gone = select.poll(), 0
    for s in socks:
        poll.register(s, select.POLLIN | select.POLLHUP)
    while ended := poll.poll(quiet * 1000):
        for fd, _ in ended:
            poll.unregister(fd)
        gone += len(ended)
    return gone


def lets_an_address_have_its_share_only(k):
    most, over = int(LIMITS["connections_per_address"]), 30
    with Bystander(k, new_devices(k, 10)) as b:
        at = time.monotonic()
        held = [connect(k, CROWD) for _ in range(most + over)]
        gone = count_closed(held)
        assert time.monotonic() - at < TOTAL_S, "too slow to tell the share from the deadline"
        assert gone == over, f"{gone} of {len(held)} were dropped"
        for s in held:
            s.close()
        wait_for(lambda: serves(k, CROWD), "the address to be served again")
    say(f"ok an address has {most} connections and no more; {b.check()}")


def serves(k, source):
    try:
        return get(k, source) == 200
    except OSError:
        return False


def main():
    with World("slow") as w:
        k = Kith(w)
        k.configure("limits", **LIMITS)
        k.start()
        k.add_model("pump")
        pid = k.pids()["kith-server"]
        drops_who_drips(k)
        lets_an_address_have_its_share_only(k)
        attack(k, "slow headers", "-H", "-i", "1", "-t", "GET", "/healthz")
        attack(k, "slow bodies", "-B", "-i", "1", "-s", "8192", "-t", "POST", "/.well-known/est/simpleenroll")
        attack(k, "slow reads", "-X", "-k", "10", "-n", "1", "-w", "1", "-y", "2", "-z", "1", "/.well-known/est/cacerts",
               dropped=False)  # an answer has longer than this test
        assert k.pids()["kith-server"] == pid, "the server was started anew"
        k.stop()


main()
