#include "server/crls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crash_point.h"
#include "base/file.h"
#include "core/cbor.h"
#include "keys/crypto.h"
#include "model/serial.h"
#include "server/issuer.h"
#include "x509/crl.h"

#define CACHED_MAX     256
#define ENTRIES_A_PART 20000
#define CRL_FILE_MAX   (64u << 20)

struct cached {
    uint8_t node;
    uint16_t shard;
    int64_t made_at, entries; /* how many were withdrawn when it was made, and the newest of them */
    int64_t newest_at;
    void *der;
    size_t n;
};

static struct {
    pthread_mutex_t lock; /* also: one CRL is made at a time */
    struct cached v[CACHED_MAX];
    size_t n;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct sql sql_state = {
    "SELECT COUNT(*), COALESCE(MAX(revoked_at), 0), CAST(COALESCE(SUM(hold), 0) AS BIGINT) FROM certificate WHERE "
    "id >= $1 AND id < $2 AND (revoked_at IS NOT NULL OR hold = 1)"};
static const struct sql sql_entries = {
    "SELECT id, serial_tail, revoked_at, reason, issued_at FROM certificate WHERE id >= $1 AND "
    "id < $2 AND (revoked_at IS NOT NULL OR hold = 1) ORDER BY id"};

static void range(uint8_t node, uint16_t shard, struct value args[2])
{
    struct serial from = {.issuer = ISSUER_ISSUING, .node = node, .shard = shard};
    int64_t id = serial_cert_id(&from);
    args[0] = value_int(id);
    args[1] = value_int(id + (1ll << 32));
}

static bool send_part(struct app *app, uint8_t node, uint16_t shard, const char *url, bool more, size_t n,
                      struct buf *items, struct buf *out, struct err *e)
{
    AUTO(buf_clear) struct buf fields = {0};
    uint8_t head[512];
    size_t got;
    struct writer w = WRITER_ARRAY(head);
    cbor_put_uint(&w, node);
    cbor_put_uint(&w, shard);
    cbor_put_tstr(&w, slice_str(url));
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
    cbor_put_int(&w, held ? 6 : revocation_reason_is_final((int)rows_int(r, 3)) ? rows_int(r, 3) : 0);
    buf_put(items, writer_slice(&w));
    return true;
}

/* Streams the shard's entries to the signer, which checks them against what it knows. */
static bool stream_crl(struct app *app, struct db *db, uint8_t node, uint16_t shard, struct buf *out, int64_t *entries,
                       struct err *e)
{
    char url[256];
    size_t n = 0;
    struct value args[2];
    AUTO(buf_clear) struct buf items = {0};
    AUTO(rows_close) struct rows r = {0};
    snprintf(url, sizeof url, "%s/crl/issuing-%02x-%04x.crl", app->settings.plain_url, node, shard);
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
            if (!send_part(app, node, shard, url, true, n, &items, out, e))
                return false;
            n = 0;
        }
    }
    return !e->code && send_part(app, node, shard, url, false, n, &items, out, e);
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

static struct cached *find(uint8_t node, uint16_t shard)
{
    for (size_t i = 0; i < cache.n; i++)
        if (cache.v[i].node == node && cache.v[i].shard == shard)
            return &cache.v[i];
    if (cache.n == CACHED_MAX) {
        free(cache.v[0].der);
        cache.v[0] = cache.v[--cache.n];
    }
    cache.v[cache.n] = (struct cached){.node = node, .shard = shard};
    return &cache.v[cache.n++];
}

static bool is_current(struct app *app, struct cached *c, struct err *e)
{
    struct value args[2];
    AUTO(rows_close) struct rows r = {0};
    range(c->node, c->shard, args);
    if (!db_query_row(app_db(app), &sql_state, args, 2, &r, e))
        return false;
    int64_t entries = rows_int(&r, 0) * 2 + rows_int(&r, 2), newest = rows_int(&r, 1);
    bool same = c->der && c->entries == entries && c->newest_at == newest &&
                app_now(app) - c->made_at < app->settings.crl_refresh_s;
    c->entries = entries;
    c->newest_at = newest;
    return same;
}

static bool is_shard(struct app *app, uint8_t node, uint16_t shard)
{
    return node == app->settings.node && shard_end(shard) >= app_now(app) &&
           (shard == SHARD_NEVER || shard <= shard_of(app->ca.not_after));
}

static void serve_root(struct app *app, struct http_request *req)
{
    AUTO(buf_clear) struct buf b = {0};
    struct err e;
    struct arena a;
    arena_init(&a, 4096);
    buf_init(&b, CRL_FILE_MAX);
    const char *path = settings_path(&app->settings, &a, PATH_ROOT_CRL);
    if (path && file_read(path, CRL_FILE_MAX, &b, &e))
        http_answer(req, 200, "application/pkix-crl", buf_slice(&b), NULL, 0);
    else
        http_error(req, &e);
    arena_clear(&a);
}

void crls_serve(struct app *app, struct http_request *req, const char *name)
{
    struct err e = {0};
    unsigned node, shard;
    int n = 0;
    if (strcmp(name, "root.crl") == 0) {
        serve_root(app, req);
        return;
    }
    if (sscanf(name, "issuing-%2x-%4x.crl%n", &node, &shard, &n) != 2 || n == 0 || name[n] ||
        !is_shard(app, (uint8_t)node, (uint16_t)shard)) {
        err_set(&e, ERR_NOTFOUND, "no CRL of that name");
        http_error(req, &e);
        return;
    }
    pthread_mutex_lock(&cache.lock);
    struct cached *c = find((uint8_t)node, (uint16_t)shard);
    bool ok = is_current(app, c, &e) || (!e.code && make_crl(app, c, &e));
    if (ok)
        http_answer(req, 200, "application/pkix-crl", slice_of(c->der, c->n), NULL, 0);
    else
        c->entries = -1;
    pthread_mutex_unlock(&cache.lock);
    if (!ok)
        http_error(req, &e);
}
