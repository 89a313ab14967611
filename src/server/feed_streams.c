#include "server/feed_streams.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/codec.h"
#include "base/log.h"
#include "base/mono.h"
#include "server/access.h"
#include "server/directory.h"

#define PENDING_HIGH (1u << 20) /* bytes that a gateway has not taken; the server would drop it at four times that */
#define PENDING_LOW  (1u << 18)
#define IDLE_MS      1000
#define BURST_MS     10   /* changes that come together are read together */
#define CURSOR_EVERY 5000 /* entries that changed nothing: the cursor moves on all the same */

enum phase { PHASE_NEW, PHASE_WHOLE, PHASE_FOLLOWS };

struct feed_stream {
    struct feed_streams *of;
    struct http_request *req;
    char gateway[72], site[TAG_MAX + 1];
    int64_t cert_id, not_after;
    bool resumes;
    uint8_t cursor[FEED_CURSOR_SIZE];
    atomic_bool over; /* cut, gone, or out of memory: nothing more is written */
    struct feed_stream *next;
    /* the thread's */
    enum phase phase;
    char after[DEVICE_ID_SIZE + 1];
    int64_t pos, told; /* ledger: what it has everything up to, and what its cursor says */
};

struct feed_streams {
    struct app *app;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stop, woken, policy;
    struct feed_stream *first; /* added under the lock at the front; taken out by the thread */
    struct directory_changes changes;
};

/* ---- writing ---- */

void feed_stream_write(void *stream, const struct feed_frame *f)
{
    struct feed_stream *s = stream;
    struct writer count = writer_counting();
    if (atomic_load(&s->over))
        return;
    feed_frame_put(&count, f);
    uint8_t *bytes = malloc(count.n);
    struct writer w = writer_of(bytes, bytes ? count.n : 0);
    struct slice frame;
    feed_frame_put(&w, f);
    if (!bytes || !writer_done(&w, &frame) || !http_stream_write(s->req, frame))
        atomic_store(&s->over, true); /* a frame is missing: it has to connect again */
    free(bytes);
}

static void wake(struct feed_streams *l)
{
    l->woken = true;
    pthread_cond_signal(&l->wake);
}

void feed_streams_send(struct feed_streams *l, const struct feed_frame *f)
{
    pthread_mutex_lock(&l->lock);
    for (struct feed_stream *s = l->first; s; s = s->next)
        feed_stream_write(s, f);
    pthread_mutex_unlock(&l->lock);
}

void feed_streams_wake(struct feed_streams *l, bool policy)
{
    pthread_mutex_lock(&l->lock);
    l->policy |= policy;
    if (l->first)
        wake(l);
    pthread_mutex_unlock(&l->lock);
}

void feed_streams_cut(struct feed_streams *l, int64_t cert_id)
{
    pthread_mutex_lock(&l->lock);
    for (struct feed_stream *s = l->first; s; s = s->next)
        if (s->cert_id == cert_id)
            atomic_store(&s->over, true);
    wake(l);
    pthread_mutex_unlock(&l->lock);
}

size_t feed_streams_count(struct feed_streams *l)
{
    size_t n = 0;
    pthread_mutex_lock(&l->lock);
    for (struct feed_stream *s = l->first; s; s = s->next)
        n += !atomic_load(&s->over);
    pthread_mutex_unlock(&l->lock);
    return n;
}

/* ---- beginning ---- */

/* The request is looked up, for the stream may be gone already while this was on its way. */
static void on_close(struct http_request *req, void *arg)
{
    struct feed_streams *l = arg;
    pthread_mutex_lock(&l->lock);
    for (struct feed_stream *s = l->first; s; s = s->next)
        if (s->req == req)
            atomic_store(&s->over, true);
    wake(l);
    pthread_mutex_unlock(&l->lock);
}

static void on_drain(struct http_request *req, void *arg)
{
    struct feed_streams *l = arg;
    (void)req;
    pthread_mutex_lock(&l->lock);
    wake(l);
    pthread_mutex_unlock(&l->lock);
}

bool feed_stream_new(struct feed_streams *l, struct http_request *req, struct feed_stream **out, struct err *e)
{
    const struct who *w = access_who(req);
    char hex[2 * FEED_CURSOR_SIZE + 2];
    size_t n;
    struct err ignored;
    struct feed_stream *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return err_set(e, ERR_NOMEM, "stream");
    if (!gateway_site(app_db(l->app), w->subject, s->site, sizeof s->site, e)) {
        free(s);
        return false;
    }
    s->of = l;
    s->req = req;
    s->cert_id = w->cert_id;
    s->not_after = w->cert.not_after;
    snprintf(s->gateway, sizeof s->gateway, "%s", w->subject);
    s->resumes = http_query(req, "dir", hex, sizeof hex) &&
                 codec_decode(CODEC_HEX, slice_str(hex), s->cursor, sizeof s->cursor, &n, &ignored) &&
                 n == sizeof s->cursor;
    *out = s;
    return true;
}

void feed_stream_free(struct feed_stream *s)
{
    free(s);
}

void feed_stream_start(struct feed_stream *s)
{
    const struct http_stream events = {.on_close = on_close, .on_drain = on_drain, .arg = s->of, .low = PENDING_LOW};
    http_stream_start(s->req, 200, "application/kith-feed", NULL, 0, &events);
}

void feed_streams_add(struct feed_stream *s)
{
    struct feed_streams *l = s->of;
    pthread_mutex_lock(&l->lock);
    s->next = l->first;
    l->first = s;
    wake(l);
    pthread_mutex_unlock(&l->lock);
}

/* ---- the thread ---- */

/* Those that are over, and those whose certificate has expired. */
static void reap(struct feed_streams *l)
{
    pthread_mutex_lock(&l->lock);
    for (struct feed_stream **p = &l->first; *p;) {
        struct feed_stream *s = *p;
        if (!atomic_load(&s->over) && app_now(l->app) <= s->not_after) {
            p = &s->next;
            continue;
        }
        *p = s->next;
        LOG(&l->app->env, INFO, "feed", "gateway gone", log_str("gateway", s->gateway));
        http_stream_end(s->req);
        free(s);
    }
    pthread_mutex_unlock(&l->lock);
}

static const struct sql sql_party = {"SELECT g.site FROM gateway g, certificate c WHERE g.name = $1 AND c.id = $2 AND "
                                     "c.revoked_at IS NULL AND c.hold = 0"};

/* Again, now that a withdrawal would find the stream: one that came just before found none. */
static bool still_counts(struct db *db, const struct feed_stream *s, struct err *e)
{
    const struct value args[] = {value_text(s->gateway), value_int(s->cert_id)};
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    return db_query_row(db, &sql_party, args, 2, &r, e);
}

static void send_policy(struct db *db, struct feed_stream *only, struct feed_streams *l, struct err *e)
{
    char *text = malloc(TOPICS_SETTING_MAX + 1);
    if (text && topics_setting(db, text, TOPICS_SETTING_MAX + 1, e)) {
        const struct feed_frame f = {.kind = FEED_POLICY, .policy = slice_str(text)};
        if (only)
            feed_stream_write(only, &f);
        else
            feed_streams_send(l, &f);
    } else if (only) {
        atomic_store(&only->over, true); /* a gateway without a policy allows nothing; it connects again */
    } else {
        feed_streams_wake(l, true);
    }
    free(text);
}

static void tell_cursor(struct db *db, struct feed_stream *s, struct err *e)
{
    uint8_t cursor[FEED_CURSOR_SIZE];
    if (directory_cursor(db, s->pos, s->site, cursor, e))
        feed_stream_write(s, &(struct feed_frame){.kind = FEED_CURSOR, .cursor = SLICE_ARRAY(cursor)});
    s->told = s->pos;
}

static void begin(struct db *db, struct feed_stream *s, struct err *e)
{
    uint8_t node = (uint8_t)s->of->app->settings.node;
    if (!still_counts(db, s, e)) {
        atomic_store(&s->over, true);
        return;
    }
    LOG(&s->of->app->env, INFO, "feed", "gateway listens", log_str("gateway", s->gateway));
    send_policy(db, s, s->of, e);
    if (s->resumes && directory_resumes(db, node, s->cursor, s->site, &s->pos, e)) {
        feed_stream_write(s, &(struct feed_frame){.kind = FEED_RESUMED});
        s->phase = PHASE_FOLLOWS;
        s->told = s->pos;
    } else if (directory_newest(db, node, &s->pos, e)) {
        s->phase = PHASE_WHOLE; /* what changes from here on is told afterwards */
    }
}

static void page(struct db *db, struct feed_stream *s, struct err *e)
{
    bool end;
    if (!directory_page(db, s->site, s->after, feed_stream_write, s, &end, e)) {
        LOG(&s->of->app->env, WARN, "feed", "directory", log_err(e));
        atomic_store(&s->over, true);
        return;
    }
    if (!end)
        return;
    feed_stream_write(s, &(struct feed_frame){.kind = FEED_DEVICES_DONE});
    tell_cursor(db, s, e);
    s->phase = PHASE_FOLLOWS;
}

static bool is_held_up(const struct feed_stream *s)
{
    return http_stream_pending(s->req) > PENDING_HIGH;
}

/* One step for those that are furthest behind: those who are level share what is read.  True if somebody got further. */
static bool follow(struct feed_streams *l, struct db *db, struct feed_stream *first, struct err *e)
{
    int64_t from = INT64_MAX;
    for (struct feed_stream *s = first; s; s = s->next)
        if (s->phase == PHASE_FOLLOWS && !atomic_load(&s->over) && !is_held_up(s) && s->pos < from)
            from = s->pos;
    int64_t to = from;
    if (from == INT64_MAX || !directory_changes(db, (uint8_t)l->app->settings.node, &to, &l->changes, e) || to == from)
        return false;
    for (size_t i = 0; i < l->changes.n; i++) {
        struct directory_record rec;
        if (!directory_read(db, l->changes.v[i].device, &rec, e)) {
            if (e->code == ERR_NOTFOUND)
                continue;
            return false; /* the same again, later */
        }
        for (struct feed_stream *s = first; s; s = s->next)
            if (s->phase == PHASE_FOLLOWS && s->pos == from)
                directory_tell(&l->changes.v[i], &rec, s->site, feed_stream_write, s);
    }
    for (struct feed_stream *s = first; s; s = s->next)
        if (s->phase == PHASE_FOLLOWS && s->pos == from) {
            s->pos = to;
            if (l->changes.n || to - s->told > CURSOR_EVERY)
                tell_cursor(db, s, e);
        }
    return true;
}

/* One step for each stream; true if there is more to do at once. */
static bool step(struct feed_streams *l, struct db *db)
{
    struct err e = {0};
    bool more = false;
    reap(l);
    pthread_mutex_lock(&l->lock);
    struct feed_stream *first = l->first; /* those behind it stay until this thread reaps them */
    bool policy = l->policy;
    l->policy = false;
    pthread_mutex_unlock(&l->lock);
    if (policy)
        send_policy(db, NULL, l, &e);
    for (struct feed_stream *s = first; s; s = s->next) {
        if (atomic_load(&s->over) || is_held_up(s))
            continue;
        if (s->phase == PHASE_NEW)
            begin(db, s, &e);
        else if (s->phase == PHASE_WHOLE)
            page(db, s, &e);
        more |= s->phase == PHASE_WHOLE;
    }
    return follow(l, db, first, &e) || more;
}

static bool wait_ms(struct feed_streams *l, int ms)
{
    struct timespec until = mono_end(ms);
    pthread_mutex_lock(&l->lock);
    int rc = 0;
    while (!l->stop && !l->woken && rc == 0)
        rc = pthread_cond_clockwait(&l->wake, &l->lock, CLOCK_MONOTONIC, &until);
    l->woken = false;
    bool stop = l->stop;
    pthread_mutex_unlock(&l->lock);
    return !stop;
}

static void *run(void *arg)
{
    struct feed_streams *l = arg;
    struct db *db = NULL;
    struct err e = {0};
    struct log_trouble trouble = {0};
    for (int ms = IDLE_MS; wait_ms(l, ms);) {
        bool open = db || db_open(l->app->settings.database, false, &db, &e);
        log_trouble(&l->app->env, &trouble, "feed", "no directory of devices for gateways", open ? NULL : &e);
        if (!open)
            continue;
        ms = step(l, db) ? 0 : IDLE_MS;
        nanosleep(&(struct timespec){.tv_nsec = ms ? BURST_MS * 1000000l : 0}, NULL);
    }
    db_free(db);
    return NULL;
}

bool feed_streams_new(struct app *app, struct feed_streams **out, struct err *e)
{
    struct feed_streams *l = calloc(1, sizeof *l);
    *out = l;
    if (!l)
        return err_set(e, ERR_NOMEM, "streams");
    l->app = app;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->wake, NULL);
    l->has_thread = pthread_create(&l->thread, NULL, run, l) == 0;
    return l->has_thread || err_set(e, ERR_IO, "directory thread");
}

void feed_streams_stop(struct feed_streams *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    wake(l);
    pthread_mutex_unlock(&l->lock);
    if (l->has_thread)
        pthread_join(l->thread, NULL);
    for (struct feed_stream *s = l->first; s; s = s->next)
        atomic_store(&s->over, true);
    reap(l);
}

void feed_streams_free(struct feed_streams *l)
{
    free(l);
}
