#include "base/frame.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"

#define RETRY_MS 20
#define BACKLOG  128

static bool length_fits(uint32_t n, size_t max, struct err *e)
{
    if (n == 0)
        return err_set(e, ERR_FRAME, "a frame of 0 bytes");
    return n <= max || err_set(e, ERR_FRAME, "a frame of %u bytes, more than %zu", n, max);
}

static uint32_t head_length(const uint8_t h[FRAME_HEADER])
{
    return (uint32_t)h[0] << 24 | (uint32_t)h[1] << 16 | (uint32_t)h[2] << 8 | h[3];
}

void frame_in_init(struct frame_in *f, uint32_t max)
{
    *f = (struct frame_in){0};
    buf_init(&f->buf, max);
}

void frame_in_clear(struct frame_in *f)
{
    uint32_t max = (uint32_t)f->buf.max;
    buf_clear(&f->buf);
    frame_in_init(f, max);
}

bool frame_in_is_partial(const struct frame_in *f)
{
    return !f->ready && f->head_n > 0;
}

static struct slice take(struct slice *in, size_t n)
{
    struct slice s = slice_of(in->p, n < in->n ? n : in->n);
    *in = slice_of(in->n ? in->p + s.n : in->p, in->n - s.n);
    return s;
}

bool frame_feed(struct frame_in *f, struct slice *in, struct slice *frame, bool *have, struct err *e)
{
    *have = false;
    *frame = (struct slice){0};
    if (f->ready) {
        f->ready = false;
        f->head_n = 0;
        buf_reset(&f->buf);
    }
    if (f->head_n < FRAME_HEADER) {
        struct slice h = take(in, FRAME_HEADER - f->head_n);
        if (h.n)
            memcpy(f->head + f->head_n, h.p, h.n);
        f->head_n += h.n;
        if (f->head_n < FRAME_HEADER)
            return true;
        f->want = head_length(f->head);
    }
    /* Also on each later feed: a stream that went wrong stays wrong. */
    if (!length_fits(f->want, f->buf.max, e))
        return false;
    buf_put(&f->buf, take(in, f->want - f->buf.n));
    if (!buf_ok(&f->buf))
        return err_set(e, ERR_NOMEM, "no memory for a frame of %u bytes", f->want);
    if (f->buf.n == f->want) {
        f->ready = *have = true;
        *frame = buf_slice(&f->buf);
    }
    return true;
}

static void put_head(uint8_t h[FRAME_HEADER], uint32_t n)
{
    for (int i = 0; i < FRAME_HEADER; i++)
        h[i] = (uint8_t)(n >> (24 - 8 * i));
}

bool frame_put(struct buf *b, struct slice payload, uint32_t max, struct err *e)
{
    uint8_t h[FRAME_HEADER];
    if (payload.n > UINT32_MAX)
        return err_set(e, ERR_FRAME, "a frame of %zu bytes", payload.n);
    if (!length_fits((uint32_t)payload.n, max, e))
        return false;
    put_head(h, (uint32_t)payload.n);
    size_t before = b->n;
    buf_put(b, SLICE_ARRAY(h));
    buf_put(b, payload);
    if (buf_ok(b))
        return true;
    buf_cut(b, before);
    return err_set(e, ERR_TOO_BIG, "more than %zu bytes wait to be sent", b->max);
}

/* Milliseconds until the deadline for poll(2): -1 for no deadline, 0 if it is over. */
static int left_ms(const struct env *env, int64_t deadline)
{
    if (deadline < 0)
        return -1;
    int64_t left = deadline - env_mono_ms(env);
    return left < 0 ? 0 : left > 1000000 ? 1000000 : (int)left;
}

static int64_t deadline_of(const struct env *env, int timeout_ms)
{
    return timeout_ms < 0 ? -1 : env_mono_ms(env) + timeout_ms;
}

static bool wait_for(int fd, short what, const struct env *env, int64_t deadline, struct err *e)
{
    struct pollfd p = {.fd = fd, .events = what};
    for (;;) {
        int n = poll(&p, 1, left_ms(env, deadline));
        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return err_set(e, ERR_IO, "cannot wait for the socket: %m");
        if (n == 0 && left_ms(env, deadline) == 0)
            return err_set(e, ERR_UNAVAILABLE, "the other side did not answer in time");
    }
}

/* Up to n bytes; 0 at the end of the stream. */
static bool read_some(int fd, const struct env *env, int64_t deadline, void *p, size_t n, size_t *got, struct err *e)
{
    for (;;) {
        ssize_t r = recv(fd, p, n, MSG_DONTWAIT);
        if (r >= 0) {
            *got = (size_t)r;
            return true;
        }
        if (errno == EINTR)
            continue;
        if (errno == ECONNRESET)
            return err_set(e, ERR_UNAVAILABLE, "the other side broke the connection");
        if (errno != EAGAIN)
            return err_set(e, ERR_IO, "cannot read from the socket: %m");
        if (!wait_for(fd, POLLIN, env, deadline, e))
            return false;
    }
}

bool frame_read(int fd, const struct env *env, int timeout_ms, struct buf *out, bool *closed, struct err *e)
{
    int64_t deadline = deadline_of(env, timeout_ms);
    uint8_t h[FRAME_HEADER];
    size_t got, have = 0;
    if (closed)
        *closed = false;
    buf_reset(out);
    for (; have < FRAME_HEADER; have += got) {
        if (!read_some(fd, env, deadline, h + have, FRAME_HEADER - have, &got, e))
            return false;
        if (got == 0) {
            if (closed)
                *closed = have == 0;
            return err_set(e, ERR_UNAVAILABLE, "the other side closed the connection");
        }
    }
    uint32_t want = head_length(h);
    if (!length_fits(want, out->max < FRAME_MAX ? out->max : FRAME_MAX, e))
        return false;
    while (out->n < want) {
        size_t step = want - out->n < 65536 ? want - out->n : 65536;
        char *p = buf_space(out, step);
        if (!p)
            return err_set(e, ERR_NOMEM, "no memory for a frame of %u bytes", want);
        if (!read_some(fd, env, deadline, p, step, &got, e))
            return false;
        if (got == 0)
            return err_set(e, ERR_UNAVAILABLE, "the other side closed the connection within a frame");
        buf_added(out, got);
    }
    return true;
}

static bool write_all(int fd, const struct env *env, int64_t deadline, struct slice s, int flags, struct err *e)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL | MSG_DONTWAIT | flags);
        if (n >= 0) {
            s = slice_of(s.p + n, s.n - (size_t)n);
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET)
            return err_set(e, ERR_UNAVAILABLE, "the other side closed the connection");
        if (errno != EINTR && errno != EAGAIN)
            return err_set(e, ERR_IO, "cannot write to the socket: %m");
        if (errno == EAGAIN && !wait_for(fd, POLLOUT, env, deadline, e))
            return false;
    }
    return true;
}

bool frame_write(int fd, const struct env *env, int timeout_ms, struct slice payload, struct err *e)
{
    uint8_t h[FRAME_HEADER];
    if (payload.n > FRAME_MAX)
        return err_set(e, ERR_FRAME, "a frame of %zu bytes, more than %u", payload.n, FRAME_MAX);
    if (!length_fits((uint32_t)payload.n, FRAME_MAX, e))
        return false;
    put_head(h, (uint32_t)payload.n);
    int64_t deadline = deadline_of(env, timeout_ms);
    return write_all(fd, env, deadline, SLICE_ARRAY(h), MSG_MORE, e) && write_all(fd, env, deadline, payload, 0, e);
}

static bool address_of(const char *path, struct sockaddr_un *sa, struct err *e)
{
    *sa = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof sa->sun_path) {
        err_set(e, ERR_USAGE, "\"%s\" is too long for a socket", ERR_QUOTE(slice_str(path)));
        return err_why(e, "unix(7): at most %zu characters", sizeof sa->sun_path - 1);
    }
    memcpy(sa->sun_path, path, strlen(path) + 1);
    return true;
}

static bool fail(struct err *e, const char *act, const char *path)
{
    int n = errno;
    const char *q = ERR_QUOTE(slice_str(path));
    errno = n;
    bool away = n == ENOENT || n == ECONNREFUSED || n == EAGAIN;
    return err_set(e, away ? ERR_UNAVAILABLE : n == EACCES ? ERR_DENIED : ERR_IO, "cannot %s \"%s\": %m", act, q);
}

/* A socket file may be left over from a process that died: then nobody accepts on it. */
static bool clear_stale(const char *path, const struct sockaddr_un *sa, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT || fail(e, "look at", path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_CONFLICT, "\"%s\" exists and is no socket", ERR_QUOTE(slice_str(path)));
    AUTO(file_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(e, "make the socket", path);
    if (connect(fd, (const struct sockaddr *)sa, sizeof *sa) == 0 || errno == EAGAIN) {
        err_set(e, ERR_LOCKED, "somebody listens on \"%s\" already", ERR_QUOTE(slice_str(path)));
        return err_try(e, "stop that process first");
    }
    if (errno != ECONNREFUSED)
        return fail(e, "ask who listens on", path);
    return unlink(path) == 0 || fail(e, "remove", path);
}

bool frame_listen(const char *path, int *out, struct err *e)
{
    struct sockaddr_un sa;
    *out = -1;
    if (!address_of(path, &sa, e) || !clear_stale(path, &sa, e))
        return false;
    AUTO(file_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(e, "make the socket", path);
    /* bind(2) makes the file with the mode of the socket less the umask: no moment at which it is open to others. */
    if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)&sa, sizeof sa) != 0)
        return fail(e, "make the socket", path);
    if (listen(fd, BACKLOG) != 0) {
        fail(e, "listen on", path);
        unlink(path);
        return false;
    }
    *out = fd;
    fd = -1;
    return true;
}

bool frame_peer_of(int fd, struct frame_peer *peer, struct err *e)
{
    struct ucred c;
    socklen_t n = sizeof c;
    *peer = (struct frame_peer){.uid = (uid_t)-1, .gid = (gid_t)-1};
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) != 0)
        return err_set(e, ERR_IO, "cannot ask the socket who is there: %m");
    *peer = (struct frame_peer){.pid = c.pid, .uid = c.uid, .gid = c.gid};
    return true;
}

bool frame_accept(int listener, uid_t allowed_uid, int *out, struct frame_peer *peer, struct err *e)
{
    struct frame_peer who;
    *out = -1;
    AUTO(file_close) int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return true;
        return err_set(e, ERR_IO, "cannot take a connection: %m");
    }
    if (!frame_peer_of(fd, &who, e))
        return false;
    if (peer)
        *peer = who;
    bool further = allowed_uid != (uid_t)-1 && who.uid == allowed_uid;
    if (who.uid != geteuid() && who.uid != 0 && !further)
        return err_set(e, ERR_PEER, "process %ld of user %u is not let in", (long)who.pid, (unsigned)who.uid);
    *out = fd;
    fd = -1;
    return true;
}

static bool pause_for(const struct env *env, int64_t deadline)
{
    int left = left_ms(env, deadline);
    if (left == 0)
        return false;
    poll(NULL, 0, left > 0 && left < RETRY_MS ? left : RETRY_MS);
    return true;
}

bool frame_connect(const char *path, const struct env *env, int timeout_ms, int *out, struct err *e)
{
    struct sockaddr_un sa;
    int64_t deadline = deadline_of(env, timeout_ms);
    *out = -1;
    if (!address_of(path, &sa, e))
        return false;
    for (;;) {
        AUTO(file_close) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
            return fail(e, "make a socket for", path);
        if (connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0) {
            *out = fd;
            fd = -1;
            return true;
        }
        int why = errno;
        bool again = why == ENOENT || why == ECONNREFUSED || why == EAGAIN || why == EINTR;
        if (!again || !pause_for(env, deadline)) {
            errno = why;
            return fail(e, "connect to", path);
        }
    }
}
