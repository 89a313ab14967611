#include "server/feed_hub.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "base/mono.h"
#include "core/cbor.h"
#include "core/crl_reason.h"
#include "keys/crypto.h"
#include "keys/key.h"
#include "model/feed.h"
#include "server/feed_state.h"
#include "server/feed_streams.h"
#include "server/issuer.h"

#define MARKS_A_HEAD 20000
#define RETRY_MS     500
#define HEAD_GAP_MS  20 /* a burst shares heads: each is a signature, an entry, and work for every gateway */

struct feed_hub {
    struct app *app;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, sent;
    bool stop;
    struct marks marks;       /* waiting, in order */
    uint64_t marked, covered; /* tickets: how many marks came, how many stand in a head */
    bool unsure;              /* a mark was lost: what is covered is known when nothing waits any more */
    atomic_bool stale;        /* the signer's sets and what the database has more than they are to be taken anew */
    uint64_t refused;         /* marks that the signer does not take */
    int64_t pending_since_ms; /* 0: nothing waits */
    bool head_wanted;
    /* the thread's: the signer made a head that was not taken, or one before it was lost, or the database does not say what is
     * held: the signer refused nothing */
    bool behind;
    struct feed_streams *streams;
    struct feed_state state; /* heads and sets; under the lock */
    int64_t head_mono_ms;    /* when the last one came */
};

/* ---- the signer ---- */

static bool ask(struct feed_hub *h, enum request_type type, struct slice fields, size_t n, struct buf *out,
                struct err *e)
{
    size_t got;
    buf_init(out, REQUEST_FRAME_MAX);
    return client_call(h->app->urgent, type, fields, n, out, &got, e);
}

/* The event that says that a head was signed; its reference is what the signer waits for. */
struct head_job {
    struct job job;
    struct feed_head head;
    uint8_t hash[SHA256_SIZE];
};

static bool record_head(struct tx *tx, struct job *job, struct err *e)
{
    struct head_job *j = (struct head_job *)job;
    uint8_t fields[512];
    struct event ev;
    struct feed_row row;
    int64_t revoked = 0, held = 0;
    for (struct reader r = feed_rows(&j->head); feed_row_next(&r, &row);) {
        revoked += row.revoked_n;
        held += row.held_n;
    }
    struct event_draft d = event_draft_of(EVENT_FEED_HEAD);
    event_set_text(&d, "who", "signer:issuing");
    event_set_int(&d, "seq", (int64_t)j->head.seq);
    event_set_int(&d, "revoked", revoked);
    event_set_int(&d, "held", held);
    event_set_int(&d, "time_at", j->head.time_at);
    event_set_int(&d, "next_at", j->head.next_at);
    event_set_bytes(&d, "digest", SLICE_ARRAY(j->hash));
    return event_make(&d, j->hash, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, NULL, 0, NULL, e);
}

static bool take_head(struct feed_hub *h, struct slice message, struct err *e)
{
    struct head_job j = {.job = {.run = record_head}};
    crash_point("server.head");
    return feed_head_read(message, h->app->crypto, h->app->ca.spki, sig_alg_of_spki(h->app->ca.spki), &j.head, j.hash,
                          e) &&
           commit_run(h->app->commit, &j.job, e);
}

/* All sets from the signer, at the start. */
static bool load_sets(struct feed_hub *h, struct err *e)
{
    AUTO(buf_clear) struct buf answer = {0};
    if (!ask(h, REQUEST_SETS, (struct slice){0}, 0, &answer, e))
        return false;
    struct reader r = reader_of(buf_slice(&answer));
    struct slice head = cbor_get_bstr(&r);
    if (!reader_ok(&r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "no head among the sets");
    if (!take_head(h, head, e))
        return false;
    pthread_mutex_lock(&h->lock);
    bool ok = feed_state_load(&h->state, h->app, head, &r, e);
    if (ok)
        h->head_mono_ms = env_mono_ms(&h->app->env);
    pthread_mutex_unlock(&h->lock);
    return ok;
}

static bool take_step(struct feed_hub *h, struct slice answer, struct err *e)
{
    struct reader r = reader_of(answer);
    struct slice head = cbor_get_bstr(&r), delta = cbor_get_bstr(&r);
    if (!answer_end(&r, e) || !take_head(h, head, e))
        return false;
    pthread_mutex_lock(&h->lock);
    bool ok = feed_state_step(&h->state, h->app, head, delta, e);
    if (ok) {
        h->head_mono_ms = env_mono_ms(&h->app->env);
        feed_streams_send(h->streams, &(struct feed_frame){.kind = FEED_DELTA, .head = head, .delta = delta});
    }
    pthread_mutex_unlock(&h->lock);
    return ok;
}

static bool step(struct feed_hub *h, enum request_type type, struct slice fields, size_t n, struct err *e)
{
    AUTO(buf_clear) struct buf answer = {0};
    issuer_enter(h->app->issuer);
    bool asked = ask(h, type, fields, n, &answer, e), ok = asked && take_step(h, buf_slice(&answer), e);
    h->behind = asked && !ok;
    issuer_leave(h->app->issuer);
    return ok;
}

/* Revocations first: they need nothing from the database, and wait for no look at each hold. */
static bool publish(struct feed_hub *h, struct db *db, struct feed_mark *m, size_t n, struct err *e)
{
    AUTO(buf_clear) struct buf fields = {0};
    bool ok = true;
    buf_init(&fields, REQUEST_FRAME_MAX);
    if (marks_have(m, n, true)) {
        marks_put(&fields, m, n, MARK_REVOKE);
        ok = step(h, REQUEST_REVOKE, buf_slice(&fields), 1, e);
        buf_reset(&fields);
    }
    if (ok && marks_have(m, n, false)) {
        h->behind = !feed_state_holds(db, m, n, e);
        if (h->behind)
            return false;
        marks_put(&fields, m, n, MARK_HOLD);
        marks_put(&fields, m, n, MARK_RELEASE);
        ok = step(h, REQUEST_HOLD, buf_slice(&fields), 2, e);
    }
    return ok && (n || step(h, REQUEST_HEAD, (struct slice){0}, 0, e));
}

/* The signer refused: what it takes goes on, what it does not take stops nothing else. */
static bool publish_each(struct feed_hub *h, struct db *db, struct feed_mark *m, size_t n, struct err *e)
{
    for (size_t i = 0; i < n; i++) {
        if (publish(h, db, &m[i], 1, e))
            continue;
        if (h->behind || err_class_of(e->code) == ERR_CLASS_UNAVAILABLE)
            return false;
        LOG(&h->app->env, ERROR, "feed", "the signer refuses a mark; gateways do not get it",
            log_hex("serial", SLICE_ARRAY(m[i].serial)), log_err(e));
        pthread_mutex_lock(&h->lock);
        h->refused++;
        pthread_mutex_unlock(&h->lock);
    }
    return true;
}

/* ---- streams ---- */

void feed_hub_policy(struct feed_hub *h)
{
    feed_streams_wake(h->streams, true);
}

void feed_hub_cut(struct feed_hub *h, int64_t cert_id)
{
    feed_streams_cut(h->streams, cert_id);
}

void feed_hub_serve(struct feed_hub *h, struct http_request *req)
{
    struct err e = {0};
    char since[24], prev[80];
    struct feed_stream *s;
    if (!feed_stream_new(h->streams, req, &s, &e)) {
        http_error(req, &e);
        return;
    }
    bool resumes = http_query(req, "since", since, sizeof since) && http_query(req, "prev", prev, sizeof prev);
    pthread_mutex_lock(&h->lock);
    bool ready = h->state.seq != 0;
    if (ready) {
        feed_stream_start(s);
        feed_state_send(&h->state, resumes ? since : NULL, resumes ? prev : NULL, feed_stream_write, s);
        feed_streams_add(s);
    }
    pthread_mutex_unlock(&h->lock);
    if (!ready) {
        err_set(&e, ERR_NOT_READY, "the feed has no head yet");
        http_error(req, &e);
        feed_stream_free(s);
    }
}

/* ---- the thread ---- */

/* Waits until there is something to do or the next head is due; takes the marks. */
static size_t wait_marks(struct feed_hub *h, struct feed_mark **out)
{
    struct timespec until = mono_end(h->app->settings.feed_interval_s * 1000);
    pthread_mutex_lock(&h->lock);
    int rc = 0;
    while (!h->stop && !h->marks.n && !h->head_wanted && !h->stale && rc == 0)
        rc = pthread_cond_clockwait(&h->wake, &h->lock, CLOCK_MONOTONIC, &until);
    size_t n = h->marks.n < MARKS_A_HEAD ? h->marks.n : MARKS_A_HEAD;
    *out = n ? malloc(n * sizeof **out) : NULL;
    if (*out)
        memcpy(*out, h->marks.v, n * sizeof **out);
    else
        n = 0;
    h->head_wanted = h->head_wanted || rc != 0;
    pthread_mutex_unlock(&h->lock);
    return n;
}

static void marks_done(struct feed_hub *h, size_t n)
{
    pthread_mutex_lock(&h->lock);
    h->marks.n -= n;
    if (h->marks.n) /* before the first mark there is no memory */
        memmove(h->marks.v, h->marks.v + n, h->marks.n * sizeof *h->marks.v);
    h->unsure = h->unsure && (h->stale || h->marks.n);
    if (!h->unsure)
        h->covered = h->marked - h->marks.n;
    h->pending_since_ms = h->marks.n ? env_mono_ms(&h->app->env) : 0;
    h->head_wanted = false;
    pthread_cond_broadcast(&h->sent);
    pthread_mutex_unlock(&h->lock);
}

static void pause_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000}, NULL);
}

/* Sets from the signer, and marks for what only the database knows. */
static bool begin(struct feed_hub *h, struct db *db, struct err *e)
{
    h->stale = false;
    issuer_enter(h->app->issuer);
    bool ok = load_sets(h, e);
    issuer_leave(h->app->issuer);
    ok = ok && feed_state_missing(&h->state, db, app_now(h->app), h, e) &&
         (!h->stale || err_set(e, ERR_NOMEM, "marks for the gateways"));
    if (!ok)
        h->stale = true;
    return ok;
}

static void *hub_thread(void *arg)
{
    struct feed_hub *h = arg;
    struct err e = {0};
    struct db *db = NULL;
    struct log_trouble trouble = {0};
    while (!h->stop) {
        if (h->stale) {
            bool ready = (db || db_open(h->app->settings.database, false, &db, &e)) && begin(h, db, &e);
            log_trouble(&h->app->env, &trouble, "feed", "not ready", ready ? NULL : &e);
            if (!ready)
                pause_ms(RETRY_MS);
            continue;
        }
        struct feed_mark *m;
        size_t taken = wait_marks(h, &m), n = marks_settle(m, &taken);
        bool due = n || h->head_wanted;
        if (due && !h->stop && !publish(h, db, m, n, &e) &&
            (h->behind || err_class_of(e.code) == ERR_CLASS_UNAVAILABLE || n == 0 || !publish_each(h, db, m, n, &e))) {
            /* The signer may have gone on without us: take its sets anew before the marks are tried again. */
            LOG(&h->app->env, WARN, "feed", "no head", log_err(&e));
            h->stale = true;
            pause_ms(RETRY_MS);
        } else if (due) {
            marks_done(h, taken);
            pause_ms(HEAD_GAP_MS);
        }
        free(m);
    }
    db_free(db);
    return NULL;
}

bool feed_hub_new(struct app *app, struct feed_hub **out, struct err *e)
{
    struct feed_hub *h = calloc(1, sizeof *h);
    *out = h;
    if (!h)
        return err_set(e, ERR_NOMEM, "feed");
    h->app = app;
    h->stale = true;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->wake, NULL);
    pthread_cond_init(&h->sent, NULL);
    if (!feed_streams_new(app, &h->streams, e))
        return false;
    h->has_thread = pthread_create(&h->thread, NULL, hub_thread, h) == 0;
    return h->has_thread || err_set(e, ERR_IO, "feed thread");
}

void feed_hub_stop(struct feed_hub *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->stop = true;
    pthread_cond_broadcast(&h->wake);
    pthread_cond_broadcast(&h->sent);
    pthread_mutex_unlock(&h->lock);
    if (h->has_thread)
        pthread_join(h->thread, NULL);
    h->has_thread = false;
    if (h->streams)
        feed_streams_stop(h->streams);
}

void feed_hub_free(struct feed_hub *h)
{
    if (!h)
        return;
    feed_streams_free(h->streams);
    feed_state_clear(&h->state);
    marks_clear(&h->marks);
    free(h);
}

uint64_t feed_hub_mark(struct feed_hub *h, const struct feed_mark *m, size_t n)
{
    pthread_mutex_lock(&h->lock);
    size_t before = h->marks.n;
    struct err ignored;
    for (size_t i = 0; i < n; i++)
        if (!marks_add(&h->marks, &m[i], &ignored)) {
            /* the database has them, and with a head after it who waits is told */
            h->stale = h->unsure = h->head_wanted = true;
            h->marks.n = before;
            break;
        }
    h->marked += n;
    if (h->marks.n > before && !h->pending_since_ms)
        h->pending_since_ms = env_mono_ms(&h->app->env);
    uint64_t ticket = h->marked;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    return ticket;
}

bool feed_hub_wait(struct feed_hub *h, uint64_t ticket, int timeout_ms, uint64_t *seq, struct err *e)
{
    struct timespec until = mono_end(timeout_ms + 1000);
    pthread_mutex_lock(&h->lock);
    int rc = 0;
    while (h->covered < ticket && rc == 0 && !h->stop)
        rc = pthread_cond_clockwait(&h->sent, &h->lock, CLOCK_MONOTONIC, &until);
    bool ok = h->covered >= ticket;
    *seq = h->state.seq;
    pthread_mutex_unlock(&h->lock);
    return ok || err_set(e, ERR_SIGNER_GONE, "it is done here, but the signer has not yet told the gateways");
}

void feed_hub_device(struct feed_hub *h, int64_t cert_id)
{
    struct serial s = serial_of_cert_id(cert_id);
    struct feed_key key = {.issuer = s.issuer, .node = s.node, .shard = s.shard};
    feed_streams_wake(h->streams, false);
    if (!cert_id)
        return;
    /* Gateways refuse a shard that no head has named. */
    pthread_mutex_lock(&h->lock);
    if (h->state.seq && !feed_state_has(&h->state, key)) {
        h->head_wanted = true;
        pthread_cond_signal(&h->wake);
    }
    pthread_mutex_unlock(&h->lock);
}

void feed_hub_status(struct feed_hub *h, struct feed_hub_status *out)
{
    pthread_mutex_lock(&h->lock);
    *out = (struct feed_hub_status){
        .seq = h->state.seq, .head_at = h->state.head_at, .pending = h->marks.n, .refused = h->refused};
    out->head_age_s = (env_mono_ms(&h->app->env) - h->head_mono_ms) / 1000;
    out->pending_ms = h->pending_since_ms ? env_mono_ms(&h->app->env) - h->pending_since_ms : 0;
    pthread_mutex_unlock(&h->lock);
    out->listening = feed_streams_count(h->streams);
}
