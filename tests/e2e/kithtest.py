"""What the end-to-end tests share: a whole platform in a temporary directory, devices, a broker, and their end.

Every server listens on loopback, on ports that were free, and is ended by its process id; every wait has a deadline."""
import atexit
import base64
import ctypes
import glob
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("KITH_BIN", os.path.join(ROOT, "build", "bin"))
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"


def free_ports(n):
    """n ports that nobody has; they are held together so that they differ."""
    held = [socket.socket() for _ in range(n)]
    for s in held:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def wait_for(what, name, seconds=20, step=0.01):
    end = time.monotonic() + seconds
    while True:
        got = what()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {name}")
        time.sleep(step)


def run(*argv, ok=True, seconds=60, text=True, **kw):
    p = subprocess.run([str(a) for a in argv], capture_output=True, timeout=seconds, text=text, **kw)
    if ok and p.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, argv))}: exit {p.returncode}\n{p.stdout}\n{p.stderr}")
    return p


def unpack(base, der):
    """A stored certificate by doc/spec/ledger.md: `der` as it is, or a Zstandard frame with `base` as its dictionary."""
    if base is None:
        return der
    zstd = ctypes.CDLL("libzstd.so.1")
    for name in ("ZSTD_createDCtx", "ZSTD_decompress_usingDict"):
        getattr(zstd, name).restype = ctypes.c_void_p
    frame, out = b"\x28\xb5\x2f\xfd" + der, ctypes.create_string_buffer(4096)
    size = ctypes.c_size_t
    ctx = ctypes.c_void_p(zstd.ZSTD_createDCtx())
    n = zstd.ZSTD_decompress_usingDict(ctx, out, size(len(out)), frame, size(len(frame)), base, size(len(base)))
    zstd.ZSTD_freeDCtx(ctx)
    assert n is not None and n <= len(out), "not a frame"
    return out.raw[:n]


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        """The error's code, of problem+json."""
        try:
            return self.json.get("code", "")
        except ValueError:
            return ""

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, seconds):
        super().__init__("kith", timeout=seconds)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def children_of(pid):
    """{program name and arguments: pid} of the processes that pid started."""
    found = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat) as f:
                text = f.read()
            with open(os.path.dirname(stat) + "/cmdline", "rb") as f:
                argv = f.read().split(b"\0")
        except OSError:
            continue
        state, parent = text.rpartition(")")[2].split()[:2]
        if int(parent) == pid and state != "Z":
            words = [a.decode(errors="replace") for a in argv]
            name = os.path.basename(words[0])
            if "--domain" in words:
                name += " " + words[words.index("--domain") + 1]
            found[name] = int(os.path.basename(os.path.dirname(stat)))
    return found


class World:
    """A temporary directory with what runs in it.  Use as a context: leaving it ends everything."""

    def __init__(self, name="kith", apart=False):
        self.apart = apart  # what is started does not hear the terminal's Ctrl-C, and may go on after us
        self.dir = tempfile.mkdtemp(prefix=f"kith-e2e-{name}-")
        self.running = []
        self.env = dict(os.environ, LC_ALL="C.UTF-8")
        self.logs = []
        atexit.register(self.close)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind and issubclass(kind, Exception):
            for path in self.logs:
                name = os.path.basename(path)
                print(f"---- {name}\n" + self.log(name)[-6000:], file=sys.stderr)
        self.close()

    def close(self):
        for p in reversed(self.running):
            stop(p)
        self.running = []
        if self.dir and not os.environ.get("KITH_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)
        self.dir = None

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def write(self, name, text, mode=0o600):
        fd = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(fd, "w") as f:
            f.write(text)
        return self.path(name)

    def key_files(self, name, key, certificate):
        """A key and what certifies it (PEM or DER), for a TLS connection; the paths of both."""
        from cryptography.hazmat.primitives import serialization
        text = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        pem = certificate if isinstance(certificate, str) else ssl.DER_cert_to_PEM_cert(certificate)
        return self.write(name + ".key", text.decode()), self.write(name + ".pem", pem)

    def start(self, argv, log, **kw):
        path = self.path(log)
        if path not in self.logs:
            self.logs.append(path)
        with open(path, "ab") as out:
            p = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.env,
                                 start_new_session=self.apart, **kw)
        self.running.append(p)
        return p

    def log(self, name):
        try:
            with open(self.path(name), errors="replace") as f:
                return f.read()
        except OSError:
            return ""

    # ---- what a platform may stand on ----

    def softhsm(self, label="kith", pin="135790"):
        """A fresh SoftHSM2 token; returns the options of `kith init`."""
        os.makedirs(self.path("tokens"), exist_ok=True)
        conf = self.write("softhsm2.conf", f"directories.tokendir = {self.path('tokens')}\nobjectstore.backend = file\n"
                                           "log.level = ERROR\nslots.removable = false\n")
        self.env["SOFTHSM2_CONF"] = conf
        run("softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "86420", env=self.env)
        pin_file = self.write("pin", pin)
        return ["--hsm", SOFTHSM, "--token", label, "--pin-file", pin_file, "--hsm-paths",
                f"{self.path('tokens')},{conf}"]

    def postgres(self, database="kith"):
        """A cluster of its own on a unix socket; returns where the database is."""
        binaries = glob.glob("/usr/lib/postgresql/*/bin")
        assert binaries, "PostgreSQL is not installed"
        where = tempfile.mkdtemp(prefix="kith-e2e-pg-")
        atexit.register(shutil.rmtree, where, True)
        as_user = []
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(where, owner.pw_uid, owner.pw_gid)
            as_user = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        tool = lambda name: [*as_user, os.path.join(binaries[0], name)]
        run(*tool("initdb"), "-D", where + "/data", "-U", "kith", "-A", "trust", "-E", "UTF8", "--locale=C", "-N",
            cwd=where)
        p = self.start([*tool("postgres"), "-D", where + "/data", "-k", where, "-c", "listen_addresses=", "-c",
                        "fsync=off"], "postgres.log", cwd=where)
        p.end_signal = signal.SIGINT
        ready = lambda: run(*tool("pg_isready"), "-h", where, "-U", "kith", ok=False).returncode == 0
        wait_for(ready, "PostgreSQL", 30, 0.1)
        run(*tool("createdb"), "-h", where, "-U", "kith", database)
        os.chmod(where, 0o755)  # as the one of a real server: whoever may connect may pass
        return f"postgresql:///{database}?host={where}&user=kith"


def stop(p, seconds=30):
    if p.poll() is not None:
        return
    p.send_signal(getattr(p, "end_signal", signal.SIGTERM))
    try:
        p.wait(seconds)
    except subprocess.TimeoutExpired:
        p.kill()
        p.wait()


class Kith:
    """One installation: `kith init`, then kithd with its server and signers."""

    def __init__(self, world, *init_words, name="Acme", ok=True):
        self.w = world
        self.dir = world.path("D")
        self.database = init_words[init_words.index("--database") + 1] if "--database" in init_words else None
        self.tls_port, self.plain_port = free_ports(2)
        self.init = self.kith("init", "--json", "--name", name, "--listen", f"127.0.0.1:{self.tls_port}",
                              "--plain-listen", f"127.0.0.1:{self.plain_port}", *init_words, ok=ok)
        self.made = json.loads(self.init.stdout)
        self.socket = os.path.join(self.dir, "run", "kith.sock")
        self.root_pem = world.path("root.pem")
        run("openssl", "x509", "-inform", "DER", "-in", os.path.join(self.dir, "ca", "root.cer"), "-out", self.root_pem)
        self.url = f"https://localhost:{self.tls_port}"
        self.daemon = None

    def configure(self, section, **rows):
        """A section that `kith init` does not write, before the start."""
        with open(os.path.join(self.dir, "kith.conf"), "r+") as f:
            assert f"[{section}]" not in f.read()
            f.write(f"\n[{section}]\n" + "".join(f"{name} = {value}\n" for name, value in rows.items()))

    def kith(self, *words, ok=True, **kw):
        """The command, as an operator types it."""
        return run(os.path.join(BIN, "kith"), "--dir", self.dir, *words, ok=ok, env=self.w.env, **kw)

    def kith_json(self, *words, **kw):
        return json.loads(self.kith("--json", *words, **kw).stdout)

    def kithd(self, *words):
        """Its command line."""
        return [os.path.join(BIN, "kithd"), "--config", os.path.join(self.dir, "kith.conf"), *words]

    def rehearse(self, *words, env=None):
        """kithd -t"""
        return run(*self.kithd("-t", *words), ok=False, env=env or self.w.env)

    def launch(self):
        """Without waiting for anything."""
        self.daemon = self.w.start(self.kithd(), "kithd.log")

    def start(self):
        self.launch()
        self.wait_ready()

    def wait_ready(self, seconds=30, ask="/readyz"):
        def ready():
            assert self.daemon.poll() is None, "kithd ended"
            try:
                return self.api("GET", ask).status == 200
            except OSError:
                return False
        wait_for(ready, "the platform to be ready", seconds, 0.02)

    def stop(self):
        stop(self.daemon)
        self.w.running.remove(self.daemon)
        assert self.daemon.returncode == 0, f"kithd: exit {self.daemon.returncode}"

    def kill(self):
        """All of its processes at once, at a moment that none of them knows of."""
        for pid in (self.daemon.pid, *self.pids().values()):
            os.kill(pid, signal.SIGKILL)
        self.daemon.wait()
        self.w.running.remove(self.daemon)

    def pids(self):
        """{"kith-server": pid, "kith-signer issuing": pid, "kith-signer ledger": pid}"""
        return children_of(self.daemon.pid)

    # ---- the local socket ----

    def api(self, method, path, body=None, seconds=30):
        c = UnixConnection(self.socket, seconds)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            c.request(method, path, data, {"Content-Type": "application/json"} if data is not None else {})
            r = c.getresponse()
            return Answer(r.status, r.headers, r.read())
        finally:
            c.close()

    def readyz(self, outside=False, path="/readyz"):
        """What is said over the local socket, or on the plain port; "" while nobody answers."""
        try:
            c = http.client.HTTPConnection("127.0.0.1", self.plain_port, timeout=10) if outside else UnixConnection(self.socket, 10)
            c.request("GET", path)
            text = c.getresponse().read().decode()
            c.close()
            return text
        except (OSError, http.client.HTTPException):
            return ""

    def must(self, method, path, body=None, **kw):
        a = self.api(method, path, body, **kw)
        assert 200 <= a.status < 300, f"{method} {path}: {a}"
        return a.json

    def add_model(self, name="pump", **settings):
        return self.must("POST", "/v1/models", {"name": name, "settings": settings})

    def add_device(self, serial, model="pump", **more):
        return self.must("POST", "/v1/devices", {"model": model, "serial": serial, "token": True, **more})

    def history(self, device):
        return self.must("GET", f"/v1/devices/{device}/history")["entries"]

    # ---- EST ----

    def tls(self, cert=None, key=None):
        ctx = ssl.create_default_context(cafile=self.root_pem)
        if cert:
            ctx.load_cert_chain(cert, key)
        return ctx

    def https(self, method, path, body=None, headers=None, cert=None, key=None, seconds=30):
        c = http.client.HTTPSConnection("localhost", self.tls_port, timeout=seconds, context=self.tls(cert, key))
        try:
            c.request(method, path, body, headers or {})
            r = c.getresponse()
            return Answer(r.status, r.headers, r.read())
        finally:
            c.close()

    def enrol(self, csr_der, user=None, claim=None, verb="simpleenroll", cert=None, key=None, **kw):
        """EST with a CSR in DER; .certificate is what came, in PEM."""
        headers = {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64"}
        if user is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{claim}".encode()).decode()
        a = self.https("POST", "/.well-known/est/" + verb, base64.b64encode(csr_der), headers, cert, key, **kw)
        a.certificate = certs_only(a.body) if a.status == 200 else None
        return a

    def curl_enrol(self, name, device):
        """A device as anybody can build one: openssl and curl.  Leaves NAME.key and NAME.pem; returns their paths."""
        key, csr, b64, p7, pem = (self.w.path(f"{name}.{x}") for x in ("key", "csr", "b64", "p7", "pem"))
        run("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
            "-subj", "/CN=anything", "-outform", "DER", "-out", csr)
        run("openssl", "base64", "-A", "-in", csr, "-out", b64)
        run("curl", "-sS", "--fail-with-body", "--cacert", self.root_pem, "-u", f"{device['id']}:{device['claim']}",
            "-H", "Content-Type: application/pkcs10", "--data-binary", "@" + b64, "-o", p7,
            self.url + "/.well-known/est/simpleenroll")
        with open(p7, "rb") as f:
            text = certs_only(f.read())
        with open(pem, "w") as f:
            f.write(text)
        return key, pem

    # ---- the ledger ----

    def export(self, name="log.export"):
        a = self.api("GET", "/v1/ledger/export", seconds=60)
        assert a.status == 200, a
        with open(self.w.path(name), "wb") as f:
            f.write(a.body)
        return self.w.path(name)

    def vkeys(self):
        with open(os.path.join(self.dir, "ledger.vkeys")) as f:
            return f.read().split("\n")[:-1]

    def check_export(self, path):
        """By both verifiers: ours, and the one that knows the specification only.  They must agree; what they say."""
        theirs = run("/usr/bin/python3", os.path.join(ROOT, "tests", "interop", "verify_export.py"), path, *self.vkeys(),
                     ok=False)
        ours = self.kith("ledger", "verify", "--export", path, ok=False)
        assert ours.returncode == theirs.returncode, f"ours:\n{ours.stdout}{ours.stderr}\ntheirs:\n{theirs.stdout}"
        return ours.returncode, ours.stdout + ours.stderr, theirs.stdout

    def check_database(self):
        """Every row against its entries; (exit code, what it says)."""
        p = self.kith("ledger", "verify", ok=False)
        return p.returncode, p.stdout + p.stderr

    def must_verify(self):
        """The database and an export of it, each by both verifiers."""
        code, said = self.check_database()
        assert code == 0, said
        if not self.database:
            run("/usr/bin/python3", os.path.join(ROOT, "tests", "interop", "verify_rows.py"), self.dir + "/data/kith.db")
        code, ours, theirs = self.check_export(self.export())
        assert code == 0, ours + theirs

    def entries(self):
        """The log's entries as [(sequence number, time in ms, type, fields by name)], from an export."""
        import cbor2
        path, names = self.export("entries.export"), event_fields()
        with open(path, "rb") as f:
            f.readline()
            line = f.readline()
            while line.startswith(b"key "):
                line = f.readline()
            note = f.read(int(line[5:-1]))
            size, out = int(note.split(b"\n")[1]), []
            decoder = cbor2.CBORDecoder(f)
            for seq in range(size):
                if seq % 256 == 0:
                    decoder.decode()
                leaf, _salt, payload = decoder.decode()
                leaf = cbor2.loads(leaf)
                fields, changes = cbor2.loads(payload) if payload else ({}, [])
                fields = {names[leaf[3]][n]: v for n, v in fields.items()}
                if 80 <= leaf[3] <= 87 and changes:  # what a certificate's entry does not say twice
                    fields["cert"] = changes[0][1][0]
                    if leaf[5]:
                        fields["digest"] = leaf[5]
                out.append((seq, leaf[2], leaf[3], fields))
        return out

    def leaves(self):
        """The leaf of each entry, [version, node, time, type, commitment, ref], from an export."""
        import cbor2
        with open(self.export("leaves.export"), "rb") as f:
            f.readline()
            line = f.readline()
            while line.startswith(b"key "):
                line = f.readline()
            size = int(f.read(int(line[5:-1])).split(b"\n")[1])
            decoder, out = cbor2.CBORDecoder(f), []
            for seq in range(size):
                if seq % 256 == 0:
                    decoder.decode()
                out.append(cbor2.loads(decoder.decode()[0]))
        return out

    def refs(self):
        """Digests of signed things that entries name."""
        return [leaf[5] for leaf in self.leaves() if leaf[5]]

    def types(self):
        """Numbers of src/model/event_table.h."""
        return [leaf[3] for leaf in self.leaves()]

    def sql(self, statement):
        """What somebody does who has the database in his hands."""
        if self.database:
            run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement, self.database)
        else:
            run("sqlite3", "-cmd", ".timeout 10000", self.dir + "/data/kith.db", statement)

    def rows(self, sql):
        """SQLite only.  unpack(base, der) in it gives a certificate's DER."""
        import sqlite3
        db, other = (sqlite3.connect(f"file:{self.dir}/data/kith.db?mode=ro", uri=True, timeout=10) for _ in range(2))
        base_of = lambda id: id and other.execute("SELECT der FROM certificate WHERE id = ?", (id,)).fetchone()[0]
        db.create_function("unpack", 2, lambda base, der: unpack(base_of(base), der))
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()
            other.close()


def journal_batches(path):
    """A signer's journal (doc/spec/signer.md): where each batch begins, and its records."""
    import cbor2
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        begin, (n,), records = at, struct.unpack_from(">I", data, at), []
        at, end = at + 8, at + 8 + n
        while at < end:
            size, = struct.unpack_from(">I", data, at)
            records.append(cbor2.loads(data[at + 4:at + 4 + size]))
            at += 4 + size
        yield begin, records
        at += 32


def event_fields():
    """{type: {number of a field: its name}}, from the catalogue as people read it."""
    with open(os.path.join(ROOT, "doc", "spec", "events.md")) as f:
        rows = re.findall(r"^\| (\d+) \| `[^`]+` \|.*\| ([^|]*) \|$", f.read(), re.M)
    return {int(n): {int(i): name for i, name in re.findall(r"(\d+) (\w+) \w+", fields)} for n, fields in rows}


def certs_only(body):
    """PKCS#7 as EST answers it, to PEM."""
    p = run("openssl", "pkcs7", "-inform", "DER", "-print_certs", input=base64.b64decode(body), text=False)
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", p.stdout.decode(), re.S)
    assert len(blocks) == 1, f"{len(blocks)} certificates"
    return blocks[0]


class Broker:
    """mosquitto with Kith's plugin, configured by `kith gateway`."""

    def __init__(self, kith, name="gate1", site=None):
        w, self.kith = kith.w, kith
        self.dir = w.path(name)
        self.port, = free_ports(1)
        site_words = ["--site", site] if site else []
        kith.kith("gateway", "add", name, "--hostnames", "localhost", "--out", self.dir, "--user", "root", *site_words)
        text = kith.kith("gateway", "config", "--gate", self.dir, "--port", str(self.port), "--bind", "127.0.0.1").stdout
        more = f"log_type all\nlog_dest file {w.path(name + '.log')}\n"
        if os.getuid() == 0:
            more += "user root\n"
        w.write(name + ".conf", text + more)
        self.log_name = name + ".log"
        w.logs.append(w.path(self.log_name))
        self.process = w.start(["/usr/sbin/mosquitto", "-c", w.path(name + ".conf")], name + ".out")
        acked = lambda: self.state(name).get("acked_seq") is not None
        wait_for(acked, "the broker to have the feed", 20, 0.05)

    def state(self, name):
        return next(g for g in self.kith.must("GET", "/v1/gateways")["gateways"] if g["name"] == name)

    def log(self):
        return self.kith.w.log(self.log_name)

    def words(self, device, key, pem):
        return ["-h", "localhost", "-p", str(self.port), "--cafile", self.kith.root_pem, "--cert", pem, "--key", key,
                "-i", device, "-V", "mqttv5"]

    def publish(self, device, key, pem, topic=None, message="hello"):
        """By mosquitto_pub; whether it was taken (a refused topic is a warning to it, and exit 0)."""
        p = run("mosquitto_pub", *self.words(device, key, pem), "-q", "1", "-t", topic or f"kith/{device}/x", "-m", message,
                ok=False, seconds=20)
        return p.returncode == 0 and "failed" not in p.stderr


class Mqtt:
    """A live session (MQTT 3.1.1): as little of a client as holds one and knows when it ends."""

    def __init__(self, broker, device, key, pem, seconds=10):
        raw = socket.create_connection(("localhost", broker.port), timeout=seconds)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = broker.kith.tls(pem, key).wrap_socket(raw, server_hostname="localhost")
        client = device.encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(client).to_bytes(2, "big") + client
        self.send(0x10, body)
        kind, answer = self.packet()
        if kind != 0x20 or answer[1] != 0:
            raise ConnectionRefusedError(f"CONNACK {answer!r}")
        self.ended_at, self.got = None, []
        self.waiting = {}
        self.number = 0
        self.sock.settimeout(None)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def send(self, kind, body):
        n, size = len(body), b""
        while True:
            size += bytes([n % 128 | (128 if n > 127 else 0)])
            n //= 128
            if not n:
                break
        self.sock.sendall(bytes([kind]) + size + body)

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise ConnectionResetError("the broker closed the session")
            data += more
        return data

    def packet(self):
        kind, size, shift = self.exactly(1)[0], 0, 0
        while True:
            b = self.exactly(1)[0]
            size |= (b & 127) << shift
            shift += 7
            if not b & 128:
                return kind, self.exactly(size)

    def listen(self):
        try:
            while True:
                kind, body = self.packet()
                if kind >> 4 == 3:
                    n = int.from_bytes(body[:2], "big")
                    self.got.append((body[2:2 + n].decode(), body[2 + n + (2 if kind & 6 else 0):]))
                elif kind >> 4 in (4, 9):
                    self.waiting.pop(int.from_bytes(body[:2], "big"), threading.Event()).set()
        except (OSError, ValueError):
            self.ended_at = time.monotonic()

    def acknowledged(self, kind, body_of, seconds=10):
        self.number += 1
        done = self.waiting[self.number] = threading.Event()
        self.send(kind, body_of(self.number.to_bytes(2, "big")))
        assert done.wait(seconds), "no acknowledgement"

    def publish(self, topic, message=b"hello"):
        t = topic.encode()
        self.acknowledged(0x32, lambda n: len(t).to_bytes(2, "big") + t + n + message)

    def subscribe(self, topic):
        t = topic.encode()
        self.acknowledged(0x82, lambda n: n + len(t).to_bytes(2, "big") + t + b"\x01")

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()


def say(text):
    print(text, flush=True)


def timed(test, *args):
    """Runs a test and says how long it took."""
    at = time.monotonic()
    test(*args)
    say(f"ok {test.__name__} {time.monotonic() - at:.1f} s")


def flip(path, out, at):
    """A copy with one bit of one byte turned."""
    with open(path, "rb") as f:
        data = bytearray(f.read())
    data[at] ^= 1
    with open(out, "wb") as f:
        f.write(data)
    return out
