#include "signer/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/log.h"

#define CONNECTIONS_MAX 16
#define BATCH_FRAMES    128 /* of one connection in a batch */
#define BATCH_MS        5   /* then what waits on other connections (revocations) gets its turn */
#define READ_SIZE       (256 * 1024)
#define OUT_MAX         (64u << 20) /* a peer that does not read its answers is cut off */
#define PENDING_MAX     (4u << 20)  /* who does not read is asked nothing more, until he does */
#define IDLE_MS         1000

struct connection {
    int fd;
    struct frame_in in;
    struct buf unread; /* bytes read beyond the frames of this batch */
    struct buf out;    /* answers that may go */
    struct buf held;   /* answers of this batch */
    uint64_t ids[BATCH_FRAMES];
    size_t ids_n;
    bool closing;
};

struct loop {
    const struct serve *s;
    struct connection *c[CONNECTIONS_MAX];
    size_t n;
    char *read_buf;
    struct buf answer;
};

static void connection_free(struct connection *c)
{
    close(c->fd);
    frame_in_clear(&c->in);
    buf_clear(&c->unread);
    buf_clear(&c->out);
    buf_clear(&c->held);
    free(c);
}

static void accept_all(struct loop *l)
{
    const struct env *env = l->s->env;
    for (;;) {
        int fd;
        struct err e;
        struct frame_peer peer;
        if (!frame_accept(l->s->listener, l->s->allowed_uid, &fd, &peer, &e)) {
            LOG(env, WARN, "signer", "connection refused", log_err(&e));
            return; /* out of descriptors it would be the same again; poll tells if more wait */
        }
        if (fd < 0)
            return;
        struct connection *c = l->n < CONNECTIONS_MAX ? calloc(1, sizeof *c) : NULL;
        if (!c) {
            LOG(env, WARN, "signer", "too many connections", log_int("pid", peer.pid));
            close(fd);
            continue;
        }
        c->fd = fd;
        frame_in_init(&c->in, REQUEST_FRAME_MAX);
        buf_init(&c->unread, OUT_MAX);
        buf_init(&c->out, OUT_MAX);
        buf_init(&c->held, OUT_MAX);
        l->c[l->n++] = c;
        LOG(env, INFO, "signer", "connected", log_int("pid", peer.pid), log_int("uid", peer.uid));
    }
}

/* Answers of refused and failed requests look alike: [id, code, what, why, try]. */
static void put_error(struct buf *b, uint64_t id, const struct err *e)
{
    uint8_t text[2048];
    struct err ignored;
    struct writer w = WRITER_ARRAY(text);
    answer_put_error(&w, id, e);
    if (!frame_put(b, writer_slice(&w), REQUEST_FRAME_MAX, &ignored))
        b->bad = true;
}

static void handle(struct loop *l, struct connection *c, struct slice frame)
{
    struct err e = {0};
    struct reader r = reader_of(frame);
    uint64_t id = 0;
    enum request_type type;
    size_t n;
    buf_reset(&l->answer);
    bool ok = request_get(&r, &id, &type, &n, &e);
    if (ok && !l->s->handlers[type])
        ok = err_set(&e, ERR_POLICY, "this signer does not do that (request type %d)", (int)type);
    ok = ok && l->s->handle(l->s->domain, l->s->handlers[type], id, &r, n, &l->answer, &e);
    c->ids[c->ids_n++] = id;
    struct slice answer;
    if (ok && buf_done(&l->answer, &answer, &e) && frame_put(&c->held, answer, REQUEST_FRAME_MAX, &e))
        return;
    LOG(l->s->env, NOTICE, "signer", "refused", log_int("request", (int64_t)type), log_err(&e));
    put_error(&c->held, id, &e);
}

static bool is_full(const struct connection *c)
{
    return c->out.n + c->held.n > PENDING_MAX;
}

/* Takes frames from what was read until the batch is full; keeps the rest. */
static void take_frames(struct loop *l, struct connection *c, struct slice bytes, int64_t until)
{
    struct err e;
    while (bytes.n && c->ids_n < BATCH_FRAMES && !is_full(c)) {
        struct slice frame;
        bool have;
        if (!frame_feed(&c->in, &bytes, &frame, &have, &e)) {
            LOG(l->s->env, WARN, "signer", "closed", log_err(&e));
            c->closing = true;
            return;
        }
        if (have)
            handle(l, c, frame);
        if (env_mono_ms(l->s->env) >= until)
            break;
    }
    buf_put(&c->unread, bytes);
}

static void read_some(struct loop *l, struct connection *c, int64_t until)
{
    if (c->unread.n) {
        struct buf rest = c->unread;
        buf_init(&c->unread, OUT_MAX);
        take_frames(l, c, buf_slice(&rest), until);
        buf_clear(&rest);
        return;
    }
    /* What comes while the batch is being signed belongs to it: the journal is synced once for all. */
    ssize_t n;
    do {
        n = read(c->fd, l->read_buf, READ_SIZE);
        if (n > 0)
            take_frames(l, c, slice_of(l->read_buf, (size_t)n), until);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            c->closing = true;
    } while (n > 0 && !c->closing && !c->unread.n && !is_full(c) && c->ids_n < BATCH_FRAMES);
}

static void finish_batch(struct loop *l)
{
    struct err e = {0};
    size_t answers = 0;
    for (size_t i = 0; i < l->n; i++)
        answers += l->c[i]->ids_n;
    if (answers == 0)
        return;
    bool ok = l->s->sync(l->s->domain, &e);
    for (size_t i = 0; i < l->n; i++) {
        struct connection *c = l->c[i];
        if (!ok) {
            buf_reset(&c->held);
            for (size_t k = 0; k < c->ids_n; k++)
                put_error(&c->held, c->ids[k], &e);
        }
        buf_put(&c->out, buf_slice(&c->held));
        if (!buf_ok(&c->held) || !buf_ok(&c->out))
            c->closing = true;
        buf_reset(&c->held);
        c->ids_n = 0;
    }
    if (!ok)
        LOG(l->s->env, ERROR, "signer", "a batch was not recorded, so none of it counts", log_err(&e));
    l->s->idle(l->s->domain);
}

static void write_some(struct connection *c)
{
    ssize_t n = send(c->fd, c->out.p, c->out.n, MSG_NOSIGNAL);
    if (n > 0)
        buf_drop(&c->out, (size_t)n);
    else if (n < 0 && errno != EAGAIN && errno != EINTR)
        c->closing = true;
}

static bool turn(struct loop *l, struct err *e)
{
    struct pollfd p[CONNECTIONS_MAX + 1] = {{.fd = l->s->listener, .events = POLLIN}};
    bool unread = false;
    for (size_t i = 0; i < l->n; i++) {
        short in = is_full(l->c[i]) ? 0 : POLLIN, out = l->c[i]->out.n ? POLLOUT : 0;
        p[i + 1] = (struct pollfd){.fd = l->c[i]->fd, .events = (short)(in | out)};
        unread = unread || (in && l->c[i]->unread.n);
    }
    int ready = poll(p, l->n + 1, unread ? 0 : IDLE_MS);
    if (ready < 0 && errno != EINTR)
        return err_set(e, ERR_IO, "poll: %s", strerror(errno));
    if (ready <= 0 && !unread) {
        l->s->idle(l->s->domain);
        return true;
    }
    int64_t until = env_mono_ms(l->s->env) + BATCH_MS;
    for (size_t i = 0; i < l->n; i++)
        if (!is_full(l->c[i]) && (p[i + 1].revents & (POLLIN | POLLHUP | POLLERR) || l->c[i]->unread.n))
            read_some(l, l->c[i], until);
    finish_batch(l);
    for (size_t i = l->n; i-- > 0;) {
        struct connection *c = l->c[i];
        if (c->out.n)
            write_some(c);
        if (c->closing) {
            connection_free(c);
            l->c[i] = l->c[--l->n];
        }
    }
    if (p[0].revents & POLLIN)
        accept_all(l);
    return true;
}

bool serve_run(const struct serve *s, struct err *e)
{
    struct loop l = {.s = s, .read_buf = malloc(READ_SIZE)};
    if (!l.read_buf)
        return err_set(e, ERR_NOMEM, "read buffer");
    buf_init(&l.answer, REQUEST_FRAME_MAX);
    bool ok = true;
    while (ok && !*s->stop)
        ok = turn(&l, e);
    for (size_t i = 0; i < l.n; i++)
        connection_free(l.c[i]);
    buf_clear(&l.answer);
    free(l.read_buf);
    return ok;
}
