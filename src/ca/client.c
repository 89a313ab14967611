#include "ca/client.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/frame.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/wake.h"
#include "core/cbor.h"

#define WAITING_MAX    65536
#define READ_SIZE      (256 * 1024)
#define OUT_MAX        (256u << 20)
#define RETRY_MIN_MS   20
#define CALL_TIMEOUT_S 10
#define RETRY_MAX_MS   1000

struct waiting {
    uint64_t id; /* 0: free */
    client_answer *answer;
    void *arg;
};

struct client {
    const struct env *env;
    char path[108];
    void (*on_connect)(void *arg);
    void *arg;
    pthread_t thread;
    int wake;
    /* under the lock */
    pthread_mutex_t lock;
    struct buf out;
    struct waiting *waiting; /* by id modulo WAITING_MAX */
    size_t waiting_n;
    uint64_t last_id;
    bool connected;
    atomic_bool stop;
    /* the thread's own */
    int fd;
    struct frame_in in;
    struct buf writing;
};

static bool gone(struct err *e)
{
    err_set(e, ERR_SIGNER_GONE, "the signer does not answer");
    return err_try(e, "kith doctor, and the log of kithd");
}

/* Fails everything that waits. */
static void fail_all(struct client *c)
{
    struct err e;
    gone(&e);
    for (size_t i = 0; i < WAITING_MAX; i++) {
        pthread_mutex_lock(&c->lock);
        struct waiting w = c->waiting[i];
        c->waiting[i].id = 0;
        c->waiting_n -= w.id != 0;
        bool none = c->waiting_n == 0;
        pthread_mutex_unlock(&c->lock);
        if (w.id)
            w.answer(w.arg, NULL, 0, &e);
        if (none && !w.id)
            return;
    }
}

static void disconnect(struct client *c)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    frame_in_clear(&c->in);
    buf_clear(&c->writing);
    pthread_mutex_lock(&c->lock);
    c->connected = false;
    buf_clear(&c->out);
    pthread_mutex_unlock(&c->lock);
    LOG(c->env, WARN, "client", "signer gone", log_str("socket", c->path));
    fail_all(c);
}

static bool connect_once(struct client *c)
{
    struct err e;
    if (!frame_connect(c->path, c->env, 0, &c->fd, &e)) {
        c->fd = -1;
        return false;
    }
    frame_in_init(&c->in, REQUEST_FRAME_MAX);
    buf_init(&c->writing, OUT_MAX);
    pthread_mutex_lock(&c->lock);
    c->connected = true;
    pthread_mutex_unlock(&c->lock);
    if (c->on_connect)
        c->on_connect(c->arg);
    return true;
}

/* What the signer's files or its token do not let it do, whatever is asked for. */
static bool is_its_own(enum err_code code)
{
    return err_class_of(code) == ERR_CLASS_IO || code == ERR_P11_PIN || code == ERR_P11_OBJECT ||
           code == ERR_P11_REFUSED;
}

/* To who asks that is a signer that is away: nothing was refused, and where its files are is nobody's business.  The signer's
 * log has its own words. */
static void not_the_askers(struct err *e)
{
    enum err_code own = e->code;
    if (!is_its_own(own))
        return;
    err_set(e, ERR_SIGNER_GONE, "the signer cannot use its %s", err_class_of(own) == ERR_CLASS_IO ? "files" : "token");
    err_why(e, "its own error is %s", err_slug(own));
    err_try(e, "ask again later; on the platform's host kith doctor and the signer's log say what is wrong");
}

static void answered(struct client *c, struct slice frame)
{
    struct err e = {0};
    struct reader r = reader_of(frame), peek = r;
    size_t n;
    cbor_get_array(&peek);
    uint64_t id = cbor_get_uint(&peek);
    pthread_mutex_lock(&c->lock);
    struct waiting *w = &c->waiting[id % WAITING_MAX], taken = *w;
    bool known = reader_ok(&peek) && id && w->id == id;
    if (known) {
        w->id = 0;
        c->waiting_n--;
    }
    pthread_mutex_unlock(&c->lock);
    if (!known)
        return;
    bool ok = answer_get(&r, &n, &e);
    if (!ok)
        not_the_askers(&e);
    taken.answer(taken.arg, ok ? &r : NULL, ok ? n : 0, ok ? NULL : &e);
}

static bool read_some(struct client *c, char *buf)
{
    struct err e;
    ssize_t got = read(c->fd, buf, READ_SIZE);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    struct slice bytes = slice_of(buf, (size_t)got);
    bool ok = true;
    wake_hold();
    while (ok && bytes.n) {
        struct slice frame;
        bool have;
        ok = frame_feed(&c->in, &bytes, &frame, &have, &e);
        if (!ok)
            LOG(c->env, ERROR, "client", "signer talks nonsense", log_err(&e));
        else if (have)
            answered(c, frame);
    }
    wake_release();
    return ok;
}

static bool write_some(struct client *c)
{
    if (c->writing.n == 0) {
        pthread_mutex_lock(&c->lock);
        struct buf full = c->out;
        c->out = c->writing;
        buf_reset(&c->out);
        c->writing = full;
        pthread_mutex_unlock(&c->lock);
    }
    if (c->writing.n == 0)
        return true;
    ssize_t n = send(c->fd, c->writing.p, c->writing.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0)
        buf_drop(&c->writing, (size_t)n);
    /* What was put meanwhile has given its word already: nobody would wake us for it. */
    if (n > 0 && c->writing.n == 0)
        return write_some(c);
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

static void *client_thread(void *arg)
{
    struct client *c = arg;
    char *buf = malloc(READ_SIZE);
    int retry_ms = RETRY_MIN_MS;
    while (buf && !c->stop) {
        if (c->fd < 0 && !connect_once(c)) {
            struct pollfd wait = {.fd = c->wake, .events = POLLIN};
            poll(&wait, 1, retry_ms);
            retry_ms = retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : retry_ms * 2;
            continue;
        }
        retry_ms = RETRY_MIN_MS;
        if (!write_some(c)) {
            disconnect(c);
            continue;
        }
        struct pollfd p[] = {{.fd = c->wake, .events = POLLIN},
                             {.fd = c->fd, .events = (short)(POLLIN | (c->writing.n ? POLLOUT : 0))}};
        poll(p, 2, -1);
        uint64_t count;
        if (p[0].revents && read(c->wake, &count, sizeof count) < 0 && errno != EAGAIN)
            break;
        if (p[1].revents & (POLLIN | POLLHUP | POLLERR) && !read_some(c, buf))
            disconnect(c);
    }
    disconnect(c);
    fail_all(c);
    free(buf);
    return NULL;
}

bool client_new(const char *socket_path, const struct env *env, void (*on_connect)(void *arg), void *arg,
                struct client **out, struct err *e)
{
    *out = NULL;
    if (strlen(socket_path) >= sizeof((struct client *)0)->path)
        return err_set(e, ERR_USAGE, "\"%s\" is too long for a socket", ERR_QUOTE(slice_str(socket_path)));
    struct client *c = calloc(1, sizeof *c);
    if (!c || !(c->waiting = calloc(WAITING_MAX, sizeof *c->waiting))) {
        free(c);
        return err_set(e, ERR_NOMEM, "client");
    }
    c->env = env;
    c->on_connect = on_connect;
    c->arg = arg;
    c->fd = -1;
    c->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    strncpy(c->path, socket_path, sizeof c->path - 1);
    pthread_mutex_init(&c->lock, NULL);
    buf_init(&c->out, OUT_MAX);
    buf_init(&c->writing, OUT_MAX);
    if (c->wake < 0 || pthread_create(&c->thread, NULL, client_thread, c) != 0) {
        if (c->wake >= 0)
            close(c->wake);
        free(c->waiting);
        free(c);
        return err_set(e, ERR_IO, "thread: %s", strerror(errno));
    }
    *out = c;
    return true;
}

void client_close(struct client *c)
{
    if (!c || atomic_exchange(&c->stop, true))
        return;
    wake_fd(c->wake);
    pthread_join(c->thread, NULL);
}

void client_free(struct client *c)
{
    if (!c)
        return;
    client_close(c);
    close(c->wake);
    buf_clear(&c->out);
    free(c->waiting);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

bool client_send(struct client *c, enum request_type type, struct slice fields, size_t n, client_answer *answer,
                 void *arg, struct err *e)
{
    uint8_t head[32], length[FRAME_HEADER];
    struct writer w = WRITER_ARRAY(head), l = WRITER_ARRAY(length);
    if (fields.n > REQUEST_FRAME_MAX - sizeof head)
        return err_set(e, ERR_LIMIT, "a request of %zu bytes to the signer", fields.n);
    pthread_mutex_lock(&c->lock);
    uint64_t id = c->last_id + 1;
    size_t before = c->out.n;
    struct waiting *slot = &c->waiting[id % WAITING_MAX];
    bool ok = c->connected && !c->stop;
    if (!ok) {
        gone(e);
    } else if (slot->id) {
        ok = err_set(e, ERR_SIGNER_GONE, "the signer is %d requests behind", WAITING_MAX);
    } else {
        request_put(&w, id, type, n);
        writer_u32(&l, (uint32_t)(w.n + fields.n));
        buf_put(&c->out, writer_slice(&l));
        buf_put(&c->out, writer_slice(&w));
        buf_put(&c->out, fields);
        ok = buf_ok(&c->out) || err_set(e, ERR_NOMEM, "requests to the signer");
        if (!ok) { /* no half of a frame stays */
            c->out.bad = false;
            buf_cut(&c->out, before);
        }
    }
    bool was_empty = ok && before == 0;
    if (ok) {
        c->last_id = id;
        c->waiting_n++;
        *slot = (struct waiting){.id = id, .answer = answer, .arg = arg};
    }
    pthread_mutex_unlock(&c->lock);
    if (was_empty)
        wake_fd(c->wake);
    return ok;
}

/* Shared by who waits and the connection's thread; whoever comes last frees it. */
struct sync_call {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done, abandoned, ok;
    struct buf *out;
    size_t n;
    struct err e;
};

static void sync_free(struct sync_call *s)
{
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->cond);
    free(s);
}

static void sync_answer(void *arg, struct reader *fields, size_t n, const struct err *e)
{
    struct sync_call *s = arg;
    pthread_mutex_lock(&s->lock);
    bool abandoned = s->abandoned;
    s->ok = e == NULL;
    if (e)
        s->e = *e;
    if (!e && !abandoned) {
        buf_put(s->out, reader_rest(fields));
        s->n = n;
        s->ok = buf_ok(s->out) || err_set(&s->e, ERR_NOMEM, "answer");
    }
    s->done = true;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->lock);
    if (abandoned)
        sync_free(s);
}

/* A signer that hangs must not hang who asks. */
static bool sync_wait(struct sync_call *s)
{
    struct timespec until = mono_end(CALL_TIMEOUT_S * 1000);
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    while (!s->done && rc == 0)
        rc = pthread_cond_clockwait(&s->cond, &s->lock, CLOCK_MONOTONIC, &until);
    bool done = s->done;
    s->abandoned = !done;
    pthread_mutex_unlock(&s->lock);
    return done;
}

bool client_call(struct client *c, enum request_type type, struct slice fields, size_t n, struct buf *out,
                 size_t *out_n, struct err *e)
{
    *out_n = 0;
    struct sync_call *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(e, ERR_NOMEM, "request");
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->cond, NULL);
    s->out = out;
    if (!client_send(c, type, fields, n, sync_answer, s, e)) {
        sync_free(s);
        return false;
    }
    if (!sync_wait(s))
        return gone(e);
    bool ok = s->ok;
    *out_n = s->n;
    if (!ok && e)
        *e = s->e;
    sync_free(s);
    return ok;
}

bool client_is_connected(struct client *c)
{
    pthread_mutex_lock(&c->lock);
    bool yes = c->connected;
    pthread_mutex_unlock(&c->lock);
    return yes;
}
