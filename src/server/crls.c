#include "server/crls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crash_point.h"
#include "base/file.h"
#include "base/log.h"
#include "base/queue.h"
#include "ca/root_list.h"
#include "core/cbor.h"
#include "core/crl_reason.h"
#include "keys/crypto.h"
#include "model/crl_place.h"
#include "model/serial.h"
#include "server/issuer.h"
#include "server/signers.h"
#include "x509/crl.h"

#define CACHED_MAX     256
#define ENTRIES_A_PART 20000
#define CRL_FILE_MAX   (64u << 20)
#define QUEUE_MAX      256
#define SETTLE_TRIES   30
#define SETTLE_MS      100

/* What a list says, in short: revocation is for good, so a count tells; what is on hold may change places. */
struct state {
    int64_t revoked;
    uint8_t held[SHA256_SIZE]; /* digests, each over the one before and the next id */
};

struct cached {
    uint8_t node;
    uint16_t shard;
    int64_t made_at;
    struct state state; /* just before it was made */
    void *der;          /* NULL: not made yet */
    size_t n;
};

struct wanted {
    struct app *app;
    struct http_request *req;
    char name[64];
};

struct crls {
    struct queue *queue; /* of struct wanted */
    pthread_t thread;
    bool has_thread;
    struct cached cached[CACHED_MAX]; /* the thread's alone */
    size_t cached_n;
};

static const struct sql sql_revoked = {
    "SELECT COUNT(*) FROM certificate WHERE id >= $1 AND id < $2 AND revoked_at IS NOT NULL"};
static const struct sql sql_held = {
    "SELECT id FROM certificate WHERE id >= $1 AND id < $2 AND hold = 1 AND revoked_at IS NULL ORDER BY id"};
/* Each half by its index: with OR every certificate of the shard would be read. */
#define ENTRY_COLS "SELECT id, serial_tail, revoked_at, reason, issued_at FROM certificate WHERE id >= $1 AND id < $2 "
static const struct sql sql_entries = {ENTRY_COLS "AND revoked_at IS NOT NULL UNION ALL " ENTRY_COLS
                                                  "AND hold = 1 AND revoked_at IS NULL ORDER BY id"};

static void range(uint8_t node, uint16_t shard, struct value args[2])
{
    struct serial from = {.issuer = ISSUER_ISSUING, .node = node, .shard = shard};
    int64_t id = serial_cert_id(&from);
    args[0] = value_int(id);
    args[1] = value_int(id + (1ll << 32));
}

static bool send_part(struct app *app, uint8_t node, uint16_t shard, bool more, size_t n, struct buf *items,
                      struct buf *out, struct err *e)
{
    AUTO(buf_clear) struct buf fields = {0};
    uint8_t head[512], url[CRL_URL_MAX];
    size_t got;
    struct writer w = WRITER_ARRAY(head), u = WRITER_ARRAY(url);
    crl_url_put(&u, app->settings.plain_url, node, shard);
    cbor_put_uint(&w, node);
    cbor_put_uint(&w, shard);
    cbor_put_tstr(&w, writer_slice(&u));
    cbor_put_bool(&w, more);
    cbor_put_array(&w, n);
    buf_init(&fields, REQUEST_FRAME_MAX);
    buf_put(&fields, writer_slice(&w));
    buf_put(&fields, buf_slice(items));
    buf_reset(items);
    buf_reset(out);
    return client_call(app->issuing, REQUEST_CRL, buf_slice(&fields), 5, out, &got, e);
}

static bool put_entry(struct buf *items, const struct rows *r, struct err *e)
{
    uint8_t item[64], serial[SERIAL_SIZE];
    struct writer w = WRITER_ARRAY(item);
    bool held = rows_is_null(r, 2);
    if (!serial_of_row(rows_int(r, 0), rows_blob(r, 1), serial))
        return err_set(e, ERR_SERIAL, "certificate %lld has no serial number", (long long)rows_int(r, 0));
    cbor_put_array(&w, 3);
    cbor_put_bstr(&w, SLICE_ARRAY(serial));
    cbor_put_int(&w, held ? rows_int(r, 4) : rows_int(r, 2));
    cbor_put_int(&w, held ? CRL_REASON_HOLD : crl_reason_is_final(rows_int(r, 3)) ? rows_int(r, 3) : 0);
    buf_put(items, writer_slice(&w));
    return true;
}

/* Streams the shard's entries to the signer, which checks them against what it knows. */
static bool stream_crl(struct app *app, struct db *db, uint8_t node, uint16_t shard, struct buf *out, int64_t *entries,
                       struct err *e)
{
    size_t n = 0;
    struct value args[2];
    AUTO(buf_clear) struct buf items = {0};
    AUTO(rows_close) struct rows r = {0};
    buf_init(&items, 8u << 20);
    range(node, shard, args);
    *entries = 0;
    if (!db_query(db, &sql_entries, args, 2, &r, e))
        return false;
    while (rows_next(&r, e)) {
        if (!put_entry(&items, &r, e))
            return false;
        ++*entries;
        if (++n == ENTRIES_A_PART) {
            if (!send_part(app, node, shard, true, n, &items, out, e))
                return false;
            n = 0;
        }
    }
    return !e->code && send_part(app, node, shard, false, n, &items, out, e);
}

struct crl_job {
    struct job job;
    uint8_t node;
    uint16_t shard;
    int64_t number, entries;
    const struct crl *crl;
};

static bool record_crl(struct tx *tx, struct job *job, struct err *e)
{
    const struct crl_job *j = (const struct crl_job *)job;
    uint8_t digest[SHA256_SIZE], fields[512];
    struct event ev;
    struct event_draft d = event_draft_of(EVENT_CRL_ISSUED);
    sha256(j->crl->der, digest);
    event_set_text(&d, "who", "signer:issuing");
    event_set_text(&d, "issuer", "issuing");
    event_set_int(&d, "node", j->node);
    event_set_int(&d, "shard", j->shard);
    event_set_int(&d, "number", j->number);
    event_set_int(&d, "entries", j->entries);
    event_set_int(&d, "this_update", j->crl->this_update);
    event_set_int(&d, "next_update", j->crl->next_update);
    event_set_bytes(&d, "digest", SLICE_ARRAY(digest));
    return event_make(&d, digest, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, NULL, 0, NULL, e);
}

static bool make_crl(struct app *app, struct cached *c, struct err *e)
{
    AUTO(buf_clear) struct buf out = {0};
    struct crl crl;
    struct crl_job j = {.job = {.run = record_crl}, .node = c->node, .shard = c->shard, .crl = &crl};
    buf_init(&out, CRL_FILE_MAX);
    issuer_enter(app->issuer);
    bool ok = stream_crl(app, app_db(app), c->node, c->shard, &out, &j.entries, e);
    if (ok) {
        struct reader r = reader_of(buf_slice(&out));
        struct slice der = cbor_get_bstr(&r);
        j.number = (int64_t)cbor_get_uint(&r);
        void *copy = NULL;
        crash_point("server.crl");
        ok = answer_end(&r, e) && crl_read(der, &crl, e) && commit_run(app->commit, &j.job, e);
        if (ok && !(copy = malloc(der.n)))
            ok = err_set(e, ERR_NOMEM, "CRL");
        if (ok) {
            memcpy(copy, der.p, der.n);
            free(c->der);
            c->der = copy;
            c->n = der.n;
            c->made_at = app_now(app);
        }
    }
    issuer_leave(app->issuer);
    return ok;
}

/* What was withdrawn a moment ago is on its way to the signer by the feed; until it is there the two do not agree. */
static bool make_settled_crl(struct app *app, struct cached *c, struct err *e)
{
    for (int tries = 0; !make_crl(app, c, e); tries++) {
        if (e->code != ERR_CRL_OMITS)
            return false;
        if (tries == SETTLE_TRIES) {
            LOG(&app->env, ERROR, "crls", "database and signer do not agree on what is revoked",
                log_int("shard", c->shard), log_err(e));
            return false;
        }
        usleep(SETTLE_MS * 1000);
    }
    return true;
}

/* Where there is no room, another is forgotten. */
static struct cached *find(struct crls *l, uint8_t node, uint16_t shard)
{
    for (size_t i = 0; i < l->cached_n; i++)
        if (l->cached[i].node == node && l->cached[i].shard == shard)
            return &l->cached[i];
    if (l->cached_n == CACHED_MAX) {
        free(l->cached[0].der);
        l->cached[0] = l->cached[--l->cached_n];
    }
    l->cached[l->cached_n] = (struct cached){.node = node, .shard = shard};
    return &l->cached[l->cached_n++];
}

static bool read_state(struct db *db, const struct cached *c, struct state *out, struct err *e)
{
    struct value args[2];
    struct state s = {0};
    AUTO(rows_close) struct rows count = {0};
    AUTO(rows_close) struct rows held = {0};
    range(c->node, c->shard, args);
    if (!db_query_row(db, &sql_revoked, args, 2, &count, e) || !db_query(db, &sql_held, args, 2, &held, e))
        return false;
    s.revoked = rows_int(&count, 0);
    while (rows_next(&held, e)) {
        uint8_t both[SHA256_SIZE + sizeof(int64_t)];
        int64_t id = rows_int(&held, 0);
        memcpy(both, s.held, SHA256_SIZE);
        memcpy(both + SHA256_SIZE, &id, sizeof id);
        sha256(SLICE_ARRAY(both), s.held);
    }
    *out = s;
    return !e->code;
}

static bool is_current(const struct app *app, const struct cached *c, const struct state *now)
{
    return c->der && c->state.revoked == now->revoked && memcmp(c->state.held, now->held, SHA256_SIZE) == 0 &&
           app_now(app) - c->made_at < app->settings.crl_refresh_s;
}

static bool is_shard(struct app *app, uint8_t node, uint16_t shard)
{
    return node == app->settings.node && shard_end(shard) >= app_now(app) &&
           (shard == SHARD_NEVER || shard <= shard_of(app->ca.not_after));
}

/* What is not the root's, or older than what the signer went by, would tell the world that a revoked CA is good. */
static void serve_root(struct app *app, struct http_request *req)
{
    AUTO(buf_clear) struct buf b = {0};
    struct signer_state s[SIGNERS];
    struct err e;
    struct arena a;
    signers_state(s);
    arena_init(&a, 4096);
    buf_init(&b, ROOT_LIST_MAX);
    const char *path = settings_path(&app->settings, &a, PATH_ROOT_CRL);
    if (arena_ok(&a, &e) && root_list_get(app->crypto, path, &app->root, &s[SIGNER_ISSUING].root_list, &b, &e))
        http_answer(req, 200, "application/pkix-crl", buf_slice(&b), NULL, 0);
    else
        http_error(req, &e);
    arena_clear(&a);
}

/* The list as it has to be now; borrowed until the next call. */
static bool get_crl(struct app *app, const char *name, struct slice *out, struct err *e)
{
    uint8_t node;
    uint16_t shard;
    struct state now;
    struct db *db = app_db(app);
    if (!crl_name_get(name, &node, &shard) || !is_shard(app, node, shard))
        return err_set(e, ERR_NOTFOUND, "no CRL of that name");
    struct cached *c = find(app->crls, node, shard);
    if (!read_state(db, c, &now, e))
        return false;
    if (!is_current(app, c, &now)) {
        if (!make_settled_crl(app, c, e))
            return false;
        c->state = now;
    }
    *out = slice_of(c->der, c->n);
    return true;
}

static void answer(const struct wanted *w)
{
    struct err e = {0};
    struct slice der;
    if (strcmp(w->name, CRL_ROOT_NAME) == 0)
        serve_root(w->app, w->req);
    else if (get_crl(w->app, w->name, &der, &e))
        http_answer(w->req, 200, "application/pkix-crl", der, NULL, 0);
    else
        http_error(w->req, &e);
}

static void *maker_thread(void *arg)
{
    struct crls *l = arg;
    void *item;
    while ((item = queue_take(l->queue))) {
        answer(item);
        free(item);
    }
    return NULL;
}

bool crls_new(struct crls **out, struct err *e)
{
    struct crls *l = calloc(1, sizeof *l);
    *out = l;
    if (!l)
        return err_set(e, ERR_NOMEM, "CRLs");
    if (!queue_new(QUEUE_MAX, &l->queue, e))
        return false;
    l->has_thread = pthread_create(&l->thread, NULL, maker_thread, l) == 0;
    return l->has_thread || err_set(e, ERR_IO, "CRL thread");
}

void crls_stop(struct crls *l)
{
    if (!l || !l->has_thread)
        return;
    queue_close(l->queue);
    pthread_join(l->thread, NULL);
    l->has_thread = false;
}

void crls_free(struct crls *l)
{
    if (!l)
        return;
    queue_free(l->queue);
    for (size_t i = 0; i < l->cached_n; i++)
        free(l->cached[i].der);
    free(l);
}

void crls_serve(struct app *app, struct http_request *req, const char *name)
{
    struct err e;
    struct wanted *w = malloc(sizeof *w);
    if (w) {
        *w = (struct wanted){.app = app, .req = req};
        snprintf(w->name, sizeof w->name, "%s", name);
        if (queue_put(app->crls->queue, w))
            return;
    }
    free(w);
    err_set(&e, ERR_UNAVAILABLE, "too many ask for CRLs at once");
    err_try(&e, "ask again in a minute, and keep what you got until its nextUpdate");
    http_error(req, &e);
}
