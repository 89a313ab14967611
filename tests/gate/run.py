#!/usr/bin/python3
"""mosquitto with Kith's plugin: real broker, real clients, a small feed.

    run.py FEEDTOOL PLUGIN

Every server listens on loopback only and is ended by its process id."""
import http.server
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import kithtest  # noqa: E402
from kithtest import free_ports, say, wait_for  # noqa: E402

FEEDTOOL, PLUGIN = (os.path.abspath(p) for p in sys.argv[1:3])
DEV = ["dev_01arz3ndektsv4rrffq69g5f%02d" % i for i in range(10)]
RETRY_MIN_S = 0.05


class Feed(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    acked = 0
    dir = None
    streams = []      # when each began
    up = True
    turned_away = 0   # while it is not
    spoil = b""       # sent after a good head
    on_ack = None     # called with the number, before the answer

    def log_message(self, *args):
        pass

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def do_GET(self):
        if not Feed.up:
            Feed.turned_away += 1
            self.close_connection = True
            return
        Feed.streams.append(time.monotonic())
        names = [int(n.split(".")[0]) for n in os.listdir(Feed.dir) if n.endswith(".snap")]
        seq = max(names)
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        read = lambda name: open(os.path.join(Feed.dir, name), "rb").read()
        try:
            self.chunk(read("%d.snap" % seq))
            self.chunk(Feed.spoil or read("rest.frames"))
            while Feed.up:
                if os.path.exists(os.path.join(Feed.dir, "%d.snap" % (seq + 1))):
                    seq += 1
                    self.chunk(read("%d.delta" % seq))
                else:
                    time.sleep(0.005)
        except OSError:
            pass
        self.close_connection = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        seq = int(body.split(b":")[1].rstrip(b"}"))
        if Feed.on_ack:
            Feed.on_ack(seq)
        Feed.acked = max(Feed.acked, seq)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args):
        pass


class World(kithtest.World):
    def __init__(self, before="", after="", gate="retry-max = 200ms\n", acks=True, token=False):
        super().__init__("broker")
        Feed.acked, Feed.up, Feed.spoil, Feed.on_ack, Feed.turned_away, Feed.streams = 0, True, b"", None, 0, []
        Feed.dir = self.dir
        self.port, = free_ports(1)
        self.tool = self.child([FEEDTOOL, self.dir, PLUGIN, self.port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.tool.stdout.readline() == "ready\n"
        self.index = {}
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        ctx.load_verify_locations(self.path("ca.pem"))
        ctx.verify_mode = ssl.CERT_REQUIRED
        self.http = Server(("127.0.0.1", 0), Feed)
        self.http.socket = ctx.wrap_socket(self.http.socket, server_side=True)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.write("gate.conf", "[gate]\nurl = https://127.0.0.1:%d\nissuer = ca.pem\nca = ca.pem\ncert = gateway.pem\n"
                   "key = %s\nretry-min = %dms\n%s"
                   % (self.http.server_port, self.token() if token else "gateway.key", 1000 * RETRY_MIN_S, gate))
        self.write("mosquitto.conf", before + self.log("mosquitto.conf") + after + ("user root\n" if os.getuid() == 0 else "") +
                   "log_type all\nlog_dest file %s\n" % self.path("broker.log"))
        self.logs.append(self.path("broker.log"))
        self.broker = self.start(["/usr/sbin/mosquitto", "-c", self.path("mosquitto.conf")], "broker.out")
        self.wait(lambda: Feed.acked >= 1 if acks else os.path.exists(self.path("feed.state")), "the feed")

    def token(self):
        """The gateway's key goes into SoftHSM2; the file goes."""
        os.mkdir(self.path("tokens"))
        self.env["SOFTHSM2_CONF"] = self.write("softhsm.conf", "directories.tokendir = %s\n" % self.path("tokens"))
        self.write("pin", "4711")
        for words in (("--init-token", "--free", "--label", "gw", "--so-pin", "86420"),
                      ("--import", self.path("gateway.key"), "--token", "gw", "--label", "feed", "--id", "01")):
            kithtest.run("softhsm2-util", *words, "--pin", "4711", env=self.env)
        os.unlink(self.path("gateway.key"))
        return "pkcs11:token=gw;object=feed\nmodule = /usr/lib/softhsm/libsofthsm2.so\npin-file = pin"

    def child(self, argv, **kw):
        """One that is spoken to, or whose words are nobody's."""
        kw.setdefault("stdout", subprocess.DEVNULL)
        p = subprocess.Popen([str(a) for a in argv], **kw)
        self.running.append(p)
        return p

    def said(self):
        return self.log("broker.log")

    def wait(self, what, name, seconds=20, step=0.01):
        def got():
            assert self.broker.poll() is None, "the broker ended"
            return what()
        return wait_for(got, name, seconds, step)

    def down(self):
        """The feed goes away: its stream has ended, and the gateway found the door shut."""
        Feed.turned_away, Feed.up = 0, False
        self.wait(lambda: Feed.turned_away, "the gateway to ask in vain")

    def tell(self, *words):
        self.tool.stdin.write(" ".join(words) + "\n")
        self.tool.stdin.flush()
        return self.tool.stdout.readline().strip()

    def device(self, dev):
        self.index[dev] = self.tell("device", dev)

    def args(self, cert, client):
        return ["-h", "127.0.0.1", "-p", str(self.port), "--cafile", self.path("ca.pem"), "--cert",
                self.path(cert + ".pem"), "--key", self.path(cert + ".key"), "-i", client, "-V", "mqttv5"]

    def pub(self, cert, client=None, topic=None, more=(), message="hello"):
        return kithtest.run("mosquitto_pub", *self.args(cert, cert if client is None else client), "-q", "1", "-t",
                            topic or "t/%s/x" % cert, "-m", message, *more, ok=False, seconds=20)

    def sub(self, cert, client=None, topic=None, out=None, more=()):
        with open(out or os.devnull, "w") as f:
            return self.child(["mosquitto_sub", *self.args(cert, cert if client is None else client), "-q", "1", "-t",
                               topic or "c/%s/#" % cert, *more], stdout=f, stderr=subprocess.DEVNULL)

    def live(self, client):
        """The broker's log says that the client has subscribed."""
        return "Received SUBSCRIBE from " + client in self.said()

    def close(self):
        Feed.up = False
        if self.dir:
            super().close()
            self.http.shutdown()


def connects_and_publishes(w):
    w.device(DEV[0])
    assert w.pub(DEV[0]).returncode == 0
    assert w.pub(DEV[0], client=DEV[0] + "/second").returncode == 0
    w.wait(lambda: Feed.acked >= 1, "an acknowledgement")


def cuts_a_live_session_and_keeps_it_out(w):
    times = []
    for dev in DEV[1:5]:
        w.device(dev)
        s = w.sub(dev)
        w.wait(lambda: w.live(dev), "the subscription")
        t = time.monotonic()
        w.tell("revoke", w.index[dev])
        w.wait(lambda: "refused live session by " + dev in w.said(), "the kick")
        times.append(time.monotonic() - t)
        assert w.pub(dev).returncode != 0, "came back"
        s.terminate()
        s.wait(5)
    say("  revoke to cut: %s ms" % ", ".join("%.0f" % (1000 * t) for t in times))


def acknowledges_only_when_the_session_is_gone(w):
    gone = {}
    Feed.on_ack = lambda seq: gone.setdefault(seq, w.said().count("refused live session by"))
    for i in range(8):
        name = "dev_01arz3ndektsv4rrffq69g5h%02d" % i
        w.device(name)
        s = w.sub(name)
        w.wait(lambda: w.live(name), "the subscription")
        kicked = w.said().count("refused live session by")
        seq = int(w.tell("revoke", w.index[name]))
        w.wait(lambda: Feed.acked >= seq, "the acknowledgement")
        first = min(n for n in gone if n >= seq)
        assert gone[first] == kicked + 1, "head %d was acknowledged before the session was gone" % first
        s.wait(5)
    Feed.on_ack = None


def backs_off_from_a_feed_that_it_refuses(w):
    """A good head, then a policy that is none: each connection ends the same way, and each wait is twice the one before, of
    which up to a half is chance."""
    body = b"\x82\x06\x78\x1d" + b"publish without any pattern +#"[:29]
    Feed.spoil = len(body).to_bytes(4, "big") + body
    w.down()
    Feed.streams, Feed.up = [], True
    w.wait(lambda: len(Feed.streams) > 6, "seven connections", 45)  # the first wait may be long: the feed was down
    at = Feed.streams
    for i in range(6):
        assert at[i + 1] - at[i] >= RETRY_MIN_S / 2 * 2 ** i, "wait %d: %.3f s" % (i, at[i + 1] - at[i])
    refused = [line for line in w.said().splitlines() if "the feed was refused, " in line]
    assert refused and "in a row: topic policy, line 1" in refused[-1], refused
    Feed.spoil = b""
    w.device(DEV[0])
    w.wait(lambda: w.pub(DEV[0]).returncode == 0, "the feed's return", 20)


def lets_a_held_device_back_after_release(w):
    dev = DEV[5]
    w.device(dev)
    assert w.pub(dev).returncode == 0
    seq = int(w.tell("hold", w.index[dev]))
    w.wait(lambda: Feed.acked >= seq, "the acknowledgement")
    assert w.pub(dev).returncode != 0
    seq = int(w.tell("release", w.index[dev]))
    w.wait(lambda: Feed.acked >= seq, "the acknowledgement")
    assert w.pub(dev).returncode == 0


def refuses_the_client_id_and_user_name_of_another(w):
    w.device(DEV[6])
    victim = w.sub(DEV[0], client=DEV[0] + "/victim")
    w.wait(lambda: w.live(DEV[0] + "/victim"), "the subscription")
    for client in (DEV[0], DEV[0] + "/victim", DEV[6] + "x", DEV[6] + "/", DEV[6] + "/a/b", "anything", ""):
        assert w.pub(DEV[6], client=client).returncode != 0, client
    assert w.pub(DEV[6], more=["-u", DEV[0], "-P", "x"]).returncode != 0
    assert w.pub(DEV[6], more=["-u", DEV[6]]).returncode == 0
    assert victim.poll() is None
    victim.terminate()
    victim.wait(5)


def refuses_who_has_no_device_certificate(w):
    assert w.pub("gateway", client=DEV[0]).returncode != 0
    p = subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(w.port), "--cafile", w.path("ca.pem"), "-i",
                        DEV[0], "-t", "t/x", "-m", "x"], capture_output=True, timeout=20)
    assert p.returncode != 0


def holds_topics_to_the_policy(w):
    out = w.path("got.txt")
    w.device(DEV[7])
    spy = w.sub(DEV[7], topic="#", more=["-t", "+/+/x", "-t", "t/%s/#" % DEV[0], "-t", "shared/a"], out=out)
    w.wait(lambda: w.live(DEV[7]), "the subscription")
    w.pub(DEV[0])
    w.pub(DEV[0], topic="t/%s/x" % DEV[7])
    w.pub(DEV[0], topic="shared/a", message="last")
    w.wait(lambda: "last" in open(out).read(), "the one message that is allowed")
    assert open(out).read() == "last\n", open(out).read()
    spy.terminate()
    spy.wait(5)


def survives_sighup(w):
    dev = DEV[8]
    w.device(dev)
    out = w.path("hup.txt")
    s = w.sub(dev, topic="shared/hup", out=out)
    w.wait(lambda: w.live(dev), "the subscription")
    for n in range(3):
        def asked_and_done():  # a signal that comes while mosquitto still reads its file is lost
            w.broker.send_signal(signal.SIGHUP)
            return w.said().count("Reloading config.") > n
        w.wait(asked_and_done, "the broker to read its file again", step=0.5)
    assert s.poll() is None, "the session was dropped"
    w.pub(DEV[0], topic="shared/hup")
    w.wait(lambda: "hello" in open(out).read(), "a message after SIGHUP")
    w.tell("revoke", w.index[dev])
    w.wait(lambda: "refused live session by " + dev in w.said(), "the kick after SIGHUP")
    assert w.pub(dev).returncode != 0
    s.terminate()
    s.wait(5)


def comes_back_when_the_feed_does(w):
    dev = DEV[9]
    w.device(dev)
    w.wait(lambda: w.pub(dev).returncode == 0, "the device")
    w.down()
    seq = int(w.tell("revoke", w.index[dev]))
    assert w.pub(dev).returncode == 0, "offline within the grace period: nobody has told it"
    Feed.up = True
    w.wait(lambda: Feed.acked >= seq, "the feed's return")
    assert w.pub(dev).returncode != 0


def the_will_of_a_withdrawn_device_is_not_published(w):
    out = w.path("will.txt")
    for dev in DEV[:3]:
        w.device(dev)
    reader = w.sub(DEV[0], topic="shared/#", out=out)
    will = lambda dev, said: ["--will-topic", "shared/will", "--will-payload", said, "--will-qos", "1"]
    ends, stays = w.sub(DEV[1], more=will(DEV[1], "withdrawn")), w.sub(DEV[2], more=will(DEV[2], "died"))
    for dev in DEV[:3]:
        w.wait(lambda: w.live(dev), "the subscription")
    w.tell("revoke", w.index[DEV[1]])
    w.wait(lambda: "refused live session by " + DEV[1] in w.said(), "the kick")
    stays.kill()
    w.wait(lambda: "died" in open(out).read(), "the will of a device that counts")
    assert "withdrawn" not in open(out).read()
    for p in (reader, ends, stays):
        p.kill()
        p.wait(5)


def queued_messages_wait_for_nobody_who_is_withdrawn(w):
    out, dev = w.path("queue.txt"), DEV[3]
    w.device(dev)
    lasting = ["-c", "-x", "3600"]
    s = w.sub(dev, topic="shared/q", more=lasting)
    w.wait(lambda: w.live(dev), "the subscription")
    s.terminate()
    s.wait(5)
    w.pub(DEV[0], topic="shared/q")
    seq = int(w.tell("revoke", w.index[dev]))
    w.wait(lambda: Feed.acked >= seq, "the acknowledgement")
    s = w.sub(dev, topic="shared/q", more=lasting, out=out)
    s.wait(10)
    assert open(out).read() == "", "it got what had waited for it"
    assert s.returncode != 0


def retained_messages_come_from_devices_that_count(w):
    bad, good = DEV[4:6]
    topic = lambda dev: "shared/kept/" + dev
    # In the order of the topics asked for.
    first = lambda *devs: kithtest.run("mosquitto_sub", *w.args(DEV[0], DEV[0] + "/r"), "-v", "-C", "1", "-W", "10",
                                       *(word for dev in devs for word in ("-t", topic(dev)))).stdout
    for dev in (bad, good):
        w.device(dev)
        w.pub(dev, topic=topic(dev), more=["-r"])
        assert first(dev) == topic(dev) + " hello\n", "what a good device left is not delivered"
    assert first(bad, good) == topic(bad) + " hello\n"
    w.tell("revoke", w.index[bad])
    seq = int(w.tell("remove", bad))
    w.wait(lambda: Feed.acked >= seq, "the acknowledgement")
    assert first(bad, good) == topic(good) + " hello\n", "what a withdrawn device left is still delivered"


def refuses_shared_subscriptions_and_system_topics(w):
    out = w.path("share.txt")
    w.device(DEV[6])
    s = w.sub(DEV[6], topic="$share/g/shared/s", more=["-t", "$SYS/#", "-t", "$share/g/#", "-t", "+/s", "-t", "shared/last"],
              out=out)
    w.wait(lambda: w.live(DEV[6]), "the subscription")
    w.pub(DEV[0], topic="shared/s")
    w.pub(DEV[0], topic="shared/last", message="last")
    w.wait(lambda: "last" in open(out).read(), "the one message that is allowed")
    assert open(out).read() == "last\n", open(out).read()
    s.terminate()
    s.wait(5)


def a_takeover_leaves_one_session_and_it_can_be_ended(w):
    """The new connection is judged before the old one is reported gone."""
    dev = DEV[7]
    w.device(dev)
    old = w.sub(dev, topic="shared/t")
    w.wait(lambda: w.live(dev), "the subscription")
    out = w.path("takeover.txt")
    new = w.sub(dev, topic="shared/t", out=out, more=["-d"])
    old_gone = lambda: w.said().count("Received SUBSCRIBE from " + dev) >= 2
    w.wait(old_gone, "the second subscription")
    old.kill()
    old.wait(5)
    w.pub(DEV[0], topic="shared/t")
    w.wait(lambda: "hello" in open(out).read(), "a message to the new session")
    w.tell("revoke", w.index[dev])
    w.wait(lambda: "refused live session by " + dev in w.said(), "the kick")
    w.wait(lambda: w.pub(dev).returncode != 0, "the refusal")
    new.kill()
    new.wait(5)


def connack(w, dev, session=None):
    """CONNECT (MQTT 3.1.1) over TLS; the code, the TLS session, and whether it was resumed."""
    ctx = connack.contexts.setdefault(dev, ssl.create_default_context(cafile=w.path("ca.pem")))
    ctx.load_cert_chain(w.path(dev + ".pem"), w.path(dev + ".key"))
    with socket.create_connection(("127.0.0.1", w.port), timeout=10) as raw:
        with ctx.wrap_socket(raw, server_hostname="localhost", session=session) as s:
            body = b"\x00\x04MQTT\x04\x02\x00\x3c" + len(dev).to_bytes(2, "big") + dev.encode()
            s.sendall(b"\x10" + bytes([len(body)]) + body)
            answer = s.recv(4)
            return (answer[3] if len(answer) == 4 else None), s.session, s.session_reused


connack.contexts = {}


def a_resumed_tls_session_is_judged_like_a_new_one(w):
    dev = DEV[8]
    w.device(dev)
    code, session, _ = connack(w, dev)
    assert code == 0
    code, session, resumed = connack(w, dev, session)
    assert code == 0 and resumed, "the broker resumes no sessions: this test shows nothing"
    seq = int(w.tell("revoke", w.index[dev]))
    w.wait(lambda: Feed.acked >= seq, "the acknowledgement")
    code, _, resumed = connack(w, dev, session)
    assert code != 0 and resumed, (code, resumed)


def everybody_goes_when_the_feed_is_stale(w):
    w.device(DEV[0])
    s = w.sub(DEV[0])
    w.wait(lambda: w.live(DEV[0]), "the subscription")
    seq = int(w.tell("every", "1"))
    w.wait(lambda: Feed.acked >= seq, "the acknowledgement")
    w.wait(lambda: "refused live session by " + DEV[0] in w.said(), "the end of the session")
    assert "[gate-stale]" in w.said() and w.pub(DEV[0]).returncode != 0
    w.tell("every", "60")
    w.wait(lambda: w.pub(DEV[0]).returncode == 0, "a new head")
    s.wait(5)


def holds_the_feed_with_a_key_in_a_token(w):
    """The broker goes on and ends in good order, too: a module's remains at exit have crashed other programs.  A wrong PIN is tried
    once, however often it starts."""
    w.device(DEV[0])
    w.device(DEV[1])
    w.wait(lambda: w.pub(DEV[0]).returncode == 0, "the device")
    w.broker.send_signal(signal.SIGHUP)
    seq = int(w.tell("revoke", w.index[DEV[0]]))
    w.wait(lambda: Feed.acked >= seq, "the acknowledgement")
    w.broker.terminate()
    assert w.broker.wait(10) == 0, "the broker ended by %d" % w.broker.returncode
    w.write("pin", "9999")
    argv = w.broker.args
    for told in ("C_Login: CKR_PIN_INCORRECT", "refused before, not tried again"):  # systemd starts a broker again that ended so
        assert told not in w.said() and w.start(argv, "broker.out").wait(10) != 0 and told in w.said(), w.said()[-2000:]
    w.write("pin", "4711")
    w.broker = w.start(argv, "broker.out")
    w.wait(lambda: w.pub(DEV[1]).returncode == 0, "a device")


def gives_nothing_to_sessions_that_passed_it_by(w):
    """use_identity_as_username: the broker admits clients without asking."""
    w.device(DEV[0])
    w.tell("revoke", w.index[DEV[0]])
    w.pub(DEV[0])
    w.wait(lambda: "refused access by %s" % DEV[0] in w.said(), "the refusal")
    assert "without asking this plugin" in w.said()


def each_message_is_judged_when_no_tick_cuts_the_session(w):
    """per_listener_settings: the broker never calls the tick, so nobody is cut off; the access check is what is left."""
    talks = {}

    def says(dev):
        talks[dev].stdin.write(b"hello\n")
        talks[dev].stdin.flush()
        return w.said()

    for dev in DEV[1:3]:
        w.device(dev)
    for dev in DEV[1:3]:  # from the first of them on it has five seconds (TICK_SILENCE_MS), in which all this has to happen
        talks[dev] = w.child(["mosquitto_pub", *w.args(dev, dev), "-q", "1", "-t", "t/%s/x" % dev, "-l"], stdin=subprocess.PIPE)
    for dev in DEV[1:3]:
        w.wait(lambda: "Received PUBLISH from " + dev in says(dev), "its session")
    assert "refused access" not in w.said()
    w.tell("revoke", w.index[DEV[1]])
    w.wait(lambda: re.search("refused access by %s.*gate-revoked" % DEV[1], says(DEV[1])), "the refusal")
    assert "refused access by " + DEV[2] not in says(DEV[2])
    silent = lambda: re.search("refused access by %s.*per_listener_settings" % DEV[2], says(DEV[2]))
    w.wait(silent, "silence of the tick", 30, 0.2)


def refuses_all_when_ticks_stop(w):
    """per_listener_settings: the broker never calls the tick."""
    w.device(DEV[0])
    w.wait(lambda: w.pub(DEV[0]).returncode == 0, "the device")
    w.wait(lambda: w.pub(DEV[0]).returncode != 0, "silence of the tick", 30, 0.2)
    assert "is per_listener_settings on?" in w.said()
    assert not Feed.acked, "acknowledged what it cannot carry out"


def run(tests, **conf):
    with World(**conf) as w:
        for test in tests:
            kithtest.timed(test, w)


def main():
    run((connects_and_publishes, cuts_a_live_session_and_keeps_it_out,
         acknowledges_only_when_the_session_is_gone, lets_a_held_device_back_after_release,
         refuses_the_client_id_and_user_name_of_another, refuses_who_has_no_device_certificate,
         holds_topics_to_the_policy, survives_sighup, comes_back_when_the_feed_does))
    run((the_will_of_a_withdrawn_device_is_not_published, queued_messages_wait_for_nobody_who_is_withdrawn,
         retained_messages_come_from_devices_that_count, refuses_shared_subscriptions_and_system_topics,
         a_takeover_leaves_one_session_and_it_can_be_ended, a_resumed_tls_session_is_judged_like_a_new_one))
    run((everybody_goes_when_the_feed_is_stale,), gate="grace = 1s\n")
    run((holds_the_feed_with_a_key_in_a_token,), token=True)
    run((each_message_is_judged_when_no_tick_cuts_the_session,), before="per_listener_settings true\n", acks=False)
    run((refuses_all_when_ticks_stop,), before="per_listener_settings true\n", acks=False)
    run((backs_off_from_a_feed_that_it_refuses,), gate="retry-max = 5s\n")
    run((gives_nothing_to_sessions_that_passed_it_by,), after="use_identity_as_username true\n")


main()
