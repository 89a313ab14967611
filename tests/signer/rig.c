#include "rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/file.h"
#include "base/frame.h"
#include "ca/journal.h"
#include "ca/roster.h"
#include "core/cbor.h"
#include "keys/crypto.h"
#include "ledger/note.h"
#include "model/feed.h"
#include "model/serial.h"
#include "store/entry.h"

static const char *const names[] = {"issuing", "ledger"};

const char *rig_path(const struct rig *r, const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/p/%s", r->dir, name);
    return p;
}

void rig_run(const char *const *argv)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

void rig_set_roster(struct rig *r, struct slice text)
{
    struct err e;
    uint8_t digest[SHA256_SIZE];
    const char *journal = rig_path(r, "signers/issuing/journal");
    sha256(text, digest);
    assert_ok(file_write_atomic(rig_path(r, "signers/issuing/roster"), 0600, text, &e), e);
    assert_ok(file_remove(journal, &e), e);
    assert_ok(journal_set_up(journal, &crypto_openssl, digest, env_now_s(&r->env), &e), e);
}

static void set_rate(struct rig *r, int rate)
{
    struct err e;
    AUTO(buf_clear) struct buf in, out;
    buf_init(&in, 65536);
    buf_init(&out, 65536);
    assert_ok(file_read(rig_path(r, "signers/issuing/roster"), 65536, &in, &e), e);
    const char *at = strstr(buf_str(&in), "rate_per_minute"), *end = at ? strchr(at, '\n') : NULL;
    assert_non_null(end);
    buf_printf(&out, "%.*srate_per_minute = %d%s", (int)(at - buf_str(&in)), buf_str(&in), rate, end);
    rig_set_roster(r, buf_slice(&out));
}

static void listen_on(struct rig *r, enum rig_domain d)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/p/run/signer-%s.sock", r->dir, names[d]);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    r->listener[d] = fcntl(fd, F_DUPFD_CLOEXEC, 20);
    close(fd);
    assert_int_equal(bind(r->listener[d], (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(r->listener[d], 16), 0);
}

static const char *programs[2];

bool rig_programs(int argc, char **argv)
{
    for (int i = 0; i < 2 && argc > 2; i++)
        programs[i] = argv[1 + i];
    return argc > 2;
}

void rig_make(struct rig *r, int rate)
{
    struct err e;
    *r = (struct rig){.kith = programs[0], .signer = programs[1]};
    strcpy(r->dir, "/tmp/kith-rig-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_ok(crypto_init(&e), e);
    env_init_real(&r->env, NULL);
    char where[128];
    snprintf(where, sizeof where, "%s/p", r->dir);
    rig_run((const char *[]){r->kith, "--dir", where, "init", "--name", "Rig", "--origin", RIG_ORIGIN, NULL});
    snprintf(r->conf, sizeof r->conf, "%s/p/kith.conf", r->dir);
    if (rate)
        set_rate(r, rate);
    buf_init(&r->ca_der, CERT_MAX);
    buf_init(&r->leaves, 16u << 20);
    assert_ok(file_read(rig_path(r, "ca/issuing.cer"), CERT_MAX, &r->ca_der, &e), e);
    assert_ok(cert_read(buf_slice(&r->ca_der), &r->ca, &e), e);
    for (int d = 0; d < RIG_DOMAINS; d++)
        listen_on(r, (enum rig_domain)d);
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *f)
{
    (void)st;
    (void)type;
    (void)f;
    return remove(path);
}

void rig_remove(struct rig *r)
{
    for (int d = 0; d < RIG_DOMAINS; d++) {
        rig_kill(r, (enum rig_domain)d, SIGKILL);
        client_free(r->client[d]);
        close(r->listener[d]);
    }
    buf_clear(&r->ca_der);
    buf_clear(&r->leaves);
    nftw(r->dir, drop, 16, FTW_DEPTH | FTW_PHYS);
}

static void child(struct rig *r, enum rig_domain d)
{
    char log[128];
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not come to rig_remove() */
    snprintf(log, sizeof log, "%s/log-%s", r->dir, names[d]);
    int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(fd, 2);
    close(fd);
    dup2(r->listener[d], 3);
    if (r->preload) {
        setenv("LD_PRELOAD", r->preload, 1);
        setenv("KITH_PROBE_DIR", r->dir, 1);
    }
    if (r->fsize) {
        struct rlimit lim;
        getrlimit(RLIMIT_FSIZE, &lim);
        lim.rlim_cur = (rlim_t)r->fsize;
        setrlimit(RLIMIT_FSIZE, &lim);
        signal(SIGXFSZ, SIG_IGN); /* stays over exec */
    }
    execl(r->signer, r->signer, "--config", r->conf, "--domain", names[d], "--fd", "3", (char *)NULL);
    _exit(127);
}

void rig_spawn(struct rig *r, enum rig_domain d)
{
    r->pid[d] = fork();
    if (r->pid[d] == 0)
        child(r, d);
    assert_true(r->pid[d] > 0);
}

void rig_set_fsize(struct rig *r, enum rig_domain d, long n)
{
    struct rlimit lim;
    assert_int_equal(prlimit(r->pid[d], RLIMIT_FSIZE, NULL, &lim), 0);
    lim.rlim_cur = (rlim_t)n;
    assert_int_equal(prlimit(r->pid[d], RLIMIT_FSIZE, &lim, NULL), 0);
}

static void drain(struct rig *r, enum rig_domain d)
{
    /* What waited on a signer that died is not to be taken by the next one. */
    int fd;
    while ((fd = accept(r->listener[d], NULL, NULL)) >= 0)
        close(fd);
}

static bool ask_status(struct rig *r, enum rig_domain d, struct signer_status *status, struct err *e)
{
    AUTO(buf_clear) struct buf out;
    buf_init(&out, 4096);
    if (!rig_call(r, d, REQUEST_STATUS, (struct slice){0}, 0, &out, e))
        return false;
    struct reader rd = reader_of(buf_slice(&out));
    signer_status_get(&rd, status);
    return answer_end(&rd, e);
}

struct signer_status rig_status(struct rig *r, enum rig_domain d)
{
    struct err e;
    struct signer_status status;
    assert_ok(ask_status(r, d, &status, &e), e);
    return status;
}

void rig_start(struct rig *r, enum rig_domain d)
{
    struct err e;
    struct signer_status status;
    if (!r->client[d])
        assert_ok(client_new(rig_path(r, d == RIG_ISSUING ? "run/signer-issuing.sock" : "run/signer-ledger.sock"),
                             &r->env, NULL, NULL, &r->client[d], &e),
                  e);
    rig_spawn(r, d);
    for (int i = 0; i < 1000; i++) {
        usleep(20000);
        if (waitpid(r->pid[d], NULL, WNOHANG) == r->pid[d]) {
            r->pid[d] = 0;
            fail_msg("the %s signer ended", names[d]);
        }
        if (!client_is_connected(r->client[d]) || !ask_status(r, d, &status, &e))
            continue;
        r->streamed[d] = status.leaves;
        return;
    }
    fail_msg("the %s signer does not answer", names[d]);
}

void rig_kill(struct rig *r, enum rig_domain d, int sig)
{
    if (r->pid[d] <= 0)
        return;
    kill(r->pid[d], sig);
    waitpid(r->pid[d], NULL, 0);
    r->pid[d] = 0;
    for (int i = 0; r->client[d] && client_is_connected(r->client[d]) && i < 100; i++) {
        usleep(1000);
        drain(r, d);
    }
}

int rig_start_refused(struct rig *r, enum rig_domain d, char *log, size_t cap)
{
    int status = 0;
    char path[128];
    rig_spawn(r, d);
    for (int i = 0; i < 1000 && waitpid(r->pid[d], &status, WNOHANG) == 0; i++) {
        usleep(10000);
        if (i == 999)
            fail_msg("the signer went on");
    }
    r->pid[d] = 0;
    snprintf(path, sizeof path, "%s/log-%s", r->dir, names[d]);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, log, cap - 1);
    close(fd);
    log[n > 0 ? n : 0] = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool rig_call(struct rig *r, enum rig_domain d, enum request_type t, struct slice fields, size_t n, struct buf *out,
              struct err *e)
{
    size_t got;
    err_clear(e);
    return client_call(r->client[d], t, fields, n, out, &got, e);
}

int rig_socket(struct rig *r, enum rig_domain d)
{
    int fd;
    struct err e;
    assert_ok(frame_connect(rig_path(r, d == RIG_ISSUING ? "run/signer-issuing.sock" : "run/signer-ledger.sock"),
                            &r->env, 1000, &fd, &e),
              e);
    return fd;
}

/* ---- requests ---- */

struct key *rig_key(struct rig *r, enum key_type t)
{
    static int n;
    char ref[128];
    struct err e;
    struct key *k;
    struct key_env none = {0};
    snprintf(ref, sizeof ref, "file:%s/device-%d.key?plain", r->dir, n++);
    assert_ok(key_generate(&none, ref, t, &k, &e), e);
    return k;
}

bool rig_claim(struct rig *r, const char *device, int64_t expires_at, uint8_t nonce[16], char text[33], struct err *e)
{
    uint8_t fields[128];
    struct writer w = WRITER_ARRAY(fields);
    AUTO(buf_clear) struct buf out;
    buf_init(&out, 4096);
    assert_true(env_random(&r->env, nonce, 16, e));
    cbor_put_text(&w, device);
    cbor_put_bstr(&w, slice_of(nonce, 16));
    cbor_put_int(&w, expires_at);
    if (!rig_call(r, RIG_ISSUING, REQUEST_CLAIM, writer_slice(&w), 3, &out, e))
        return false;
    struct reader rd = reader_of(buf_slice(&out));
    struct slice s = cbor_get_tstr(&rd);
    assert_int_equal(s.n, 32);
    memcpy(text, s.p, 32);
    text[32] = 0;
    return answer_end(&rd, e);
}

static void remember(struct rig *r, const uint8_t ref[SHA256_SIZE])
{
    assert_true(r->open_n < RIG_OPEN_MAX);
    memcpy(r->open[r->open_n++], ref, SHA256_SIZE);
}

bool rig_issue(struct rig *r, const struct issue_request *q, struct buf *der, struct err *e)
{
    uint8_t fields[REQUEST_SMALL_MAX], ref[SHA256_SIZE];
    struct writer w = WRITER_ARRAY(fields);
    AUTO(buf_clear) struct buf out;
    buf_init(&out, 65536);
    issue_request_put(&w, q);
    assert_true(writer_ok(&w));
    if (!rig_call(r, RIG_ISSUING, REQUEST_ISSUE, writer_slice(&w), 5, &out, e))
        return false;
    struct reader rd = reader_of(buf_slice(&out));
    struct slice s = cbor_get_bstr(&rd);
    assert_ok(answer_end(&rd, e), *e);
    sha256(s, ref);
    remember(r, ref);
    if (der) {
        buf_reset(der);
        buf_put(der, s);
    }
    return true;
}

bool rig_try_device_cert(struct rig *r, const char *id, struct key *k, struct buf *der, struct err *e)
{
    struct issue_request q = {.profile = SLICE_LIT("ldevid"),
                              .spki = key_get0_spki(k),
                              .authority = {.kind = AUTHORITY_OPERATOR, .who = SLICE_LIT("rig")},
                              .facts = {{SLICE_LIT("id"), slice_str(id)}, {SLICE_LIT("serial"), SLICE_LIT("S1")}},
                              .facts_n = 2};
    return rig_issue(r, &q, der, e);
}

void rig_device_cert(struct rig *r, const char *id, struct buf *der)
{
    struct err e;
    struct key *k = rig_key(r, KEY_P256);
    buf_init(der, CERT_MAX);
    assert_ok(rig_try_device_cert(r, id, k, der, &e), e);
    key_free(k);
}

struct rig_serial rig_serial_of(struct slice der)
{
    struct err e;
    struct cert c;
    struct rig_serial s;
    assert_ok(cert_read(der, &c, &e), e);
    assert_int_equal(c.serial.n, sizeof s.b);
    memcpy(s.b, c.serial.p, sizeof s.b);
    return s;
}

static bool take_head(struct rig *r, struct slice answer, struct rig_head *out, struct err *e)
{
    struct reader rd = reader_of(answer);
    struct slice head = cbor_get_bstr(&rd), delta = cbor_get_bstr(&rd);
    struct feed_head h;
    struct feed_row row;
    struct feed_delta d;
    *out = (struct rig_head){0};
    assert_ok(answer_end(&rd, e), *e);
    assert_ok(feed_head_read(head, &crypto_openssl, r->ca.spki, SIG_ES256, &h, out->hash, e), *e);
    assert_ok(feed_delta_read(delta, &d, e), *e);
    assert_int_equal(d.seq, h.seq);
    out->seq = h.seq;
    out->rows = h.row_n;
    memcpy(out->prev, h.prev, SHA256_SIZE);
    for (struct reader rows = feed_rows(&h); feed_row_next(&rows, &row);) {
        out->universe += row.universe;
        out->revoked += row.revoked_n;
        out->held += row.held_n;
    }
    remember(r, out->hash);
    return true;
}

static bool call_head(struct rig *r, enum request_type t, const struct writer *w, size_t n, struct rig_head *h,
                      struct err *e)
{
    AUTO(buf_clear) struct buf out;
    struct rig_head ignored;
    buf_init(&out, 1u << 20);
    return rig_call(r, RIG_ISSUING, t, writer_slice(w), n, &out, e) &&
           take_head(r, buf_slice(&out), h ? h : &ignored, e);
}

bool rig_revoke(struct rig *r, const struct rig_serial *s, size_t n, int reason, struct rig_head *h, struct err *e)
{
    uint8_t fields[4096];
    struct writer w = WRITER_ARRAY(fields);
    cbor_put_array(&w, n);
    for (size_t i = 0; i < n; i++) {
        cbor_put_array(&w, 2);
        cbor_put_bstr(&w, SLICE_ARRAY(s[i].b));
        cbor_put_int(&w, reason);
    }
    return call_head(r, REQUEST_REVOKE, &w, 1, h, e);
}

bool rig_hold(struct rig *r, const struct rig_serial *hold, size_t hold_n, const struct rig_serial *release,
              size_t release_n, struct rig_head *h, struct err *e)
{
    uint8_t fields[4096];
    struct writer w = WRITER_ARRAY(fields);
    cbor_put_array(&w, hold_n);
    for (size_t i = 0; i < hold_n; i++)
        cbor_put_bstr(&w, SLICE_ARRAY(hold[i].b));
    cbor_put_array(&w, release_n);
    for (size_t i = 0; i < release_n; i++)
        cbor_put_bstr(&w, SLICE_ARRAY(release[i].b));
    return call_head(r, REQUEST_HOLD, &w, 2, h, e);
}

bool rig_head(struct rig *r, struct rig_head *h, struct err *e)
{
    struct writer none = {0};
    return call_head(r, REQUEST_HEAD, &none, 0, h, e);
}

/* ---- our ledger ---- */

void rig_enter(struct rig *r, const uint8_t *ref)
{
    uint8_t leaf[ENTRY_LEAF_OURS], head[16];
    struct merkle_hash h;
    struct writer w = WRITER_ARRAY(leaf), hw = WRITER_ARRAY(head);
    entry_put_leaf(
        &w,
        &(struct entry){.node = 1, .time_ms = 1000 + (int64_t)r->tree.size, .type = 1, .commitment = {1}, .ref = ref});
    merkle_leaf(&crypto_openssl, writer_slice(&w), &h);
    merkle_append(&crypto_openssl, &r->tree, &h, NULL, NULL);
    cbor_put_head(&hw, CBOR_BSTR, w.n);
    buf_put(&r->leaves, writer_slice(&hw));
    buf_put(&r->leaves, writer_slice(&w));
}

void rig_enter_all(struct rig *r)
{
    for (size_t i = 0; i < r->open_n; i++)
        rig_enter(r, r->open[i]);
    r->open_n = 0;
}

bool rig_stream(struct rig *r, enum rig_domain d, struct err *e)
{
    AUTO(buf_clear) struct buf fields, out;
    uint8_t head[32];
    struct writer w = WRITER_ARRAY(head);
    struct reader rd = reader_of(buf_slice(&r->leaves));
    for (uint64_t i = 0; i < r->streamed[d]; i++)
        cbor_get_bstr(&rd);
    assert_true(reader_ok(&rd));
    cbor_put_uint(&w, r->streamed[d]);
    cbor_put_array(&w, r->tree.size - r->streamed[d]);
    buf_init(&fields, 16u << 20);
    buf_init(&out, 64);
    buf_put(&fields, writer_slice(&w));
    buf_put(&fields, reader_rest(&rd));
    if (!rig_call(r, d, REQUEST_LEAVES, buf_slice(&fields), 2, &out, e))
        return false;
    r->streamed[d] = r->tree.size;
    return true;
}

bool rig_cosign(struct rig *r, enum rig_domain d, const char *origin, struct err *e)
{
    uint8_t text[512], fields[600];
    struct writer t = WRITER_ARRAY(text), w = WRITER_ARRAY(fields);
    struct checkpoint c = {.origin = slice_str(origin), .size = r->tree.size};
    AUTO(buf_clear) struct buf out;
    buf_init(&out, 4096);
    merkle_root(&crypto_openssl, &r->tree, &c.root);
    checkpoint_write(&t, &c);
    cbor_put_tstr(&w, writer_slice(&t));
    return rig_call(r, d, REQUEST_COSIGN, writer_slice(&w), 1, &out, e);
}
