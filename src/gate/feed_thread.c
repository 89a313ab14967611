/* The helper: one thread holds the stream, another acknowledges, so that a slow answer never delays a revocation. */
#include "gate/gate_impl.h"

#include "base/codec.h"
#include "base/http_client.h"
#include "base/log.h"
#include "base/mono.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define ACK_MS 5000

static bool client_new(const struct credential *c, struct http_client **out, struct err *e)
{
    const struct http_client_opts opts = {
        .tls = {.root = c->root, .platform = true, .key = c->key, .chain = c->chain, .chain_n = c->chain_n},
        .user_agent = "kith-gate",
    };
    return http_client_new(&opts, out, e);
}

/* ---- the stream ---- */

struct stream {
    struct gate *g;
    struct err e; /* what made us hang up */
};

static void note_error(struct gate *g, const char *what)
{
    pthread_mutex_lock(&g->lock);
    snprintf(g->last_error, sizeof g->last_error, "%s", what);
    pthread_mutex_unlock(&g->lock);
}

static bool take_frames(struct gate *g, struct err *e)
{
    size_t at = 0, taken;
    struct slice body, all = buf_slice(&g->stream_buf);
    do {
        if (!feed_frame_split(slice_of(all.p + at, all.n - at), &body, &taken, e) ||
            (taken && !feed_in_frame(g, body, e)))
            return false;
        at += taken;
    } while (taken && at < all.n);
    buf_drop(&g->stream_buf, at);
    return feed_dir_settle(g, e);
}

void feed_thread_ack(struct gate *g)
{
    size_t n = 0;
    while (n < g->ack_n && (!g->sweeps || g->acks[n].generation <= g->swept))
        g->ack_want = g->acks[n++].seq;
    if (!n)
        return;
    memmove(g->acks, g->acks + n, (g->ack_n -= n) * sizeof g->acks[0]);
    pthread_cond_broadcast(&g->wake);
}

/* A feed that was refused comes again in the same way: only one that has held for a while proves that it is over. */
static bool has_held(const struct gate *g)
{
    return g->got_head && env_mono_ms(g->env) - g->stream_ms >= g->conf.retry_max_ms;
}

/* Visible, then durable, then in force for live sessions, then acknowledged. */
static void after_frames(struct gate *g)
{
    struct err e = {0};
    bool had_head = g->feed_dirty;
    if (!disk_save(g, &e)) {
        note_error(g, e.what);
        LOG(g->env, ERROR, "gate", "state cannot be written; it is not acknowledged", log_err(&e));
        return;
    }
    g->got_head = g->got_head || had_head;
    pthread_mutex_lock(&g->lock);
    g->connected = true;
    if (g->refused && has_held(g))
        g->refused = 0;
    if (!g->refused)
        g->last_error[0] = 0;
    if (had_head) {
        g->ack_n -= g->ack_n == GATE_ACKS;
        g->acks[g->ack_n++] = (struct ack){g->top_seq, gate_generation(g)};
        feed_thread_ack(g);
    }
    pthread_mutex_unlock(&g->lock);
}

static bool on_data(struct slice part, void *arg)
{
    struct stream *s = arg;
    struct gate *g = s->g;
    if (atomic_load(&g->stop))
        return false;
    buf_put(&g->stream_buf, part);
    if (!buf_ok(&g->stream_buf)) {
        err_set(&s->e, ERR_TOO_BIG, "the feed sent a frame that does not fit");
        return false;
    }
    bool ok = take_frames(g, &s->e);
    after_frames(g);
    return ok;
}

/* What this gateway has, so that only the rest is sent. */
static void url_make(struct gate *g, char *url, size_t cap)
{
    const struct snap *s = atomic_load(&g->snap);
    char hash[2 * SHA256_SIZE + 1], cursor[2 * FEED_CURSOR_SIZE + 1];
    const char *mark = "?";
    int n = snprintf(url, cap, "%s/gate/v1/feed", g->conf.url);
    if (g->want_whole)
        return;
    if (s->seq && !s->trouble && codec_encode(CODEC_HEX, SLICE_ARRAY(s->hash), hash, sizeof hash)) {
        n += snprintf(url + n, cap - (size_t)n, "?since=%llu&prev=%s", (unsigned long long)s->seq, hash);
        mark = "&";
    }
    if (g->has_cursor && codec_encode(CODEC_HEX, SLICE_ARRAY(g->cursor), cursor, sizeof cursor))
        snprintf(url + n, cap - (size_t)n, "%sdir=%s", mark, cursor);
}

static void set_client(struct gate *g, struct http_client **where, struct http_client *c)
{
    pthread_mutex_lock(&g->lock);
    struct http_client *old = *where;
    *where = c;
    pthread_mutex_unlock(&g->lock);
    http_client_free(old);
}

static bool stream_once(struct gate *g, bool *refused, struct err *e)
{
    struct credential cred = {0};
    struct http_client *client = NULL;
    struct stream s = {.g = g};
    struct http_reply reply = {0};
    char url[1024];
    g->got_head = false;
    bool ok = credential_load(g, &cred, e) && client_new(&cred, &client, e);
    if (ok) {
        set_client(g, &g->stream, client);
        feed_in_reset(g);
        buf_reset(&g->stream_buf);
        url_make(g, url, sizeof url);
        g->want_whole = false;
        g->stream_ms = env_mono_ms(g->env);
        const struct http_call call = {
            .url = url, .timeout_ms = -1, .on_data = on_data, .arg = &s, .stall_ms = g->conf.stall_ms};
        ok = http_client_call(client, &call, &reply, e);
        http_reply_clear(&reply);
        set_client(g, &g->stream, NULL);
    }
    credential_clear(&cred);
    *refused = s.e.code != ERR_NONE;
    if (*refused) {
        /* What does not fit may still be a gap that a whole snapshot closes; that one has to follow, too. */
        g->want_whole = true;
        *e = s.e;
        return false;
    }
    return ok;
}

/* Waits, unless the gate is closed; jitter spreads a fleet of gateways whose platform comes back. */
static void back_off(struct gate *g, int64_t *wait_ms)
{
    uint32_t r = 0;
    struct err ignored = {0};
    if (!env_random(g->env, &r, sizeof r, &ignored))
        r = (uint32_t)env_mono_ms(g->env);
    int64_t ms = *wait_ms / 2 + (int64_t)(r % (uint32_t)(*wait_ms / 2 + 1));
    *wait_ms = *wait_ms * 2 > g->conf.retry_max_ms ? g->conf.retry_max_ms : *wait_ms * 2;
    struct timespec until = mono_end(ms);
    pthread_mutex_lock(&g->lock);
    while (!atomic_load(&g->stop) && pthread_cond_clockwait(&g->wake, &g->lock, CLOCK_MONOTONIC, &until) == 0)
        ;
    pthread_mutex_unlock(&g->lock);
}

/* What the status says of a connection that ended, and how long to wait before the next. */
static void after_stream(struct gate *g, bool refused, const char *why, int64_t *wait_ms)
{
    bool held = has_held(g);
    pthread_mutex_lock(&g->lock);
    g->connected = false;
    g->refused = (held ? 0 : g->refused) + refused;
    unsigned long long n = g->refused;
    if (refused)
        snprintf(g->last_error, sizeof g->last_error, "the feed was refused, %llu in a row: %.240s", n, why);
    else if (!n)
        snprintf(g->last_error, sizeof g->last_error, "%s", why);
    pthread_mutex_unlock(&g->lock);
    if (held || (g->got_head && !n))
        *wait_ms = g->conf.retry_min_ms;
}

static void *stream_run(void *arg)
{
    struct gate *g = arg;
    int64_t wait_ms = g->conf.retry_min_ms;
    while (!atomic_load(&g->stop)) {
        struct err e = {0};
        bool refused = false, ok = stream_once(g, &refused, &e);
        disk_flush(g);
        if (atomic_load(&g->stop))
            break;
        after_stream(g, refused, ok ? "the platform ended the feed" : e.what, &wait_ms);
        if (!ok)
            LOG(g->env, WARN, "gate", refused ? "feed refused" : "feed lost", log_err(&e));
        back_off(g, &wait_ms);
    }
    return NULL;
}

/* ---- acknowledging ---- */

static bool ack_once(struct gate *g, uint64_t seq, struct err *e)
{
    struct credential cred = {0};
    struct http_client *client = NULL;
    struct http_reply reply = {0};
    char url[1024], body[48];
    bool ok = credential_load(g, &cred, e) && client_new(&cred, &client, e);
    if (ok) {
        snprintf(url, sizeof url, "%s/gate/v1/ack", g->conf.url);
        int n = snprintf(body, sizeof body, "{\"seq\":%llu}", (unsigned long long)seq);
        set_client(g, &g->acker, client);
        const struct http_call call = {.method = "POST",
                                       .url = url,
                                       .type = "application/json",
                                       .body = slice_of(body, (size_t)n),
                                       .timeout_ms = ACK_MS};
        ok = http_client_call(client, &call, &reply, e);
        http_reply_clear(&reply);
        set_client(g, &g->acker, NULL);
    }
    credential_clear(&cred);
    return ok;
}

static void *ack_run(void *arg)
{
    struct gate *g = arg;
    int64_t wait_ms = g->conf.retry_min_ms;
    for (;;) {
        pthread_mutex_lock(&g->lock);
        while (!atomic_load(&g->stop) && g->ack_want == g->acked_seq)
            pthread_cond_wait(&g->wake, &g->lock);
        uint64_t seq = g->ack_want;
        pthread_mutex_unlock(&g->lock);
        if (atomic_load(&g->stop))
            return NULL;
        struct err e = {0};
        if (ack_once(g, seq, &e)) {
            pthread_mutex_lock(&g->lock);
            g->acked_seq = seq;
            pthread_mutex_unlock(&g->lock);
            wait_ms = g->conf.retry_min_ms;
        } else {
            LOG(g->env, WARN, "gate", "head not acknowledged", log_int("seq", (int64_t)seq), log_err(&e));
            back_off(g, &wait_ms);
        }
    }
}

/* The broker's signals are the broker's: its threads handle them, ours do not. */
static bool thread_new(pthread_t *t, void *(*run)(void *), struct gate *g)
{
    sigset_t all, was;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &was);
    bool ok = pthread_create(t, NULL, run, g) == 0;
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    return ok;
}

bool feed_thread_start(struct gate *g, struct err *e)
{
    struct credential cred = {0};
    bool ok = gate_token_open(g, e) && credential_load(g, &cred, e);
    credential_clear(&cred);
    if (!ok)
        return false;
    g->has_ack_thread = thread_new(&g->ack_thread, ack_run, g);
    g->has_thread = g->has_ack_thread && thread_new(&g->thread, stream_run, g);
    return g->has_thread || err_set(e, ERR_UNAVAILABLE, "the feed's thread could not be started");
}

void feed_thread_stop(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    atomic_store(&g->stop, true);
    if (g->stream)
        http_client_cancel(g->stream);
    if (g->acker)
        http_client_cancel(g->acker);
    pthread_cond_broadcast(&g->wake);
    pthread_mutex_unlock(&g->lock);
    if (g->has_thread)
        pthread_join(g->thread, NULL);
    if (g->has_ack_thread)
        pthread_join(g->ack_thread, NULL);
    g->has_thread = g->has_ack_thread = false;
}
