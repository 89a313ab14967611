/* What anybody may fetch: CA certificates, CRLs, the ledger's checkpoint and tiles, and how we are. */
#include <stdio.h>
#include <stdlib.h>

#include "base/pem.h"
#include "server/access.h"
#include "server/crls.h"
#include "server/health.h"
#include "server/notary.h"

#define TILE_MAX (256 * 65538u)

static void get_ca(struct http_request *req, void *arg)
{
    struct app *app = arg;
    const char *name = http_param(req, "name");
    static const char *const names[] = {"root.cer", "issuing.cer", "root.pem", "issuing.pem"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        struct slice der = i % 2 ? app->ca_der : app->root_der;
        AUTO(buf_clear) struct buf pem = {0};
        buf_init(&pem, 32768);
        pem_put(&pem, PEM_CERT, der);
        http_answer(req, 200, i < 2 ? "application/pkix-cert" : "application/x-pem-file", i < 2 ? der : buf_slice(&pem),
                    NULL, 0);
        return;
    }
    struct err e;
    err_set(&e, ERR_NOTFOUND, "no certificate of that name: root.cer, issuing.cer, root.pem, issuing.pem");
    http_error(req, &e);
}

static void get_crl(struct http_request *req, void *arg)
{
    crls_serve(arg, req, http_param(req, "name"));
}

static void get_checkpoint(struct http_request *req, void *arg)
{
    struct app *app = arg;
    char note[NOTARY_NOTE_MAX];
    uint64_t size;
    int64_t at;
    struct err e;
    if (notary_get_note(app->notary, note, &size, &at)) {
        static const struct http_field cache = {"Cache-Control", "max-age=1"};
        http_answer(req, 200, "text/plain; charset=utf-8", slice_str(note), &cache, 1);
        return;
    }
    err_set(&e, ERR_NOT_READY, "there is no checkpoint yet");
    http_error(req, &e);
}

static void get_tile(struct http_request *req, void *arg)
{
    struct app *app = arg;
    struct tile_path p;
    struct err e;
    char path[128];
    snprintf(path, sizeof path, "tile/%s", http_param(req, "path"));
    if (!tile_path_read(slice_str(path), &p)) {
        err_set(&e, ERR_NOTFOUND, "no tile of that name");
        http_error(req, &e);
        return;
    }
    size_t cap = p.entries ? TILE_MAX : 8192;
    uint8_t *bytes = malloc(cap);
    struct writer w = writer_of(bytes, cap);
    if (bytes && tree_tile(app->tree, app_db(app), &p, &w, &e)) {
        static const struct http_field cache = {"Cache-Control", "max-age=31536000, immutable"};
        http_answer(req, 200, "application/octet-stream", writer_slice(&w), p.width == 256 ? &cache : NULL,
                    p.width == 256);
    } else {
        if (!bytes)
            err_set(&e, ERR_NOMEM, "tile");
        http_error(req, &e);
    }
    free(bytes);
}

static void get_healthz(struct http_request *req, void *arg)
{
    (void)arg;
    http_answer_text(req, 200, "ok\n");
}

/* The details have names of files, tokens and devices, and numbers. */
static void get_readyz(struct http_request *req, void *arg)
{
    struct health h;
    AUTO(buf_clear) struct buf b = {0};
    bool inside = http_door(req) == HTTP_DOOR_LOCAL;
    health_check(arg, &h);
    buf_init(&b, 8192);
    for (size_t i = 0; i < h.n; i++) {
        const struct health_finding *f = &h.checks[i];
        buf_printf(&b, "%s %s: %s\n",
                   !f->ok     ? "FAIL"
                   : f->warns ? "warn"
                              : "ok  ",
                   f->name,
                   inside               ? f->detail
                   : f->ok && !f->warns ? "fine"
                                        : HEALTH_INSIDE);
    }
    http_answer_text(req, h.ready ? 200 : 503, buf_str(&b));
}

static void get_metrics(struct http_request *req, void *arg)
{
    struct app *app = arg;
    struct http_counts *n = calloc(1, sizeof *n);
    struct feed_hub_status f;
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 64 * 1024);
    if (n) {
        http_server_count(app->http, n);
        feed_hub_status(app->feed, &f);
        buf_printf(&b, "kith_connections_accepted_total %llu\nkith_connections_open %llu\nkith_requests_total %llu\n",
                   (unsigned long long)n->accepted, (unsigned long long)n->open, (unsigned long long)n->requests);
        buf_printf(&b, "kith_handshakes_total %llu\nkith_handshake_failures_total %llu\n",
                   (unsigned long long)n->handshakes, (unsigned long long)n->handshake_failures);
        for (size_t i = 1; i < ARRAY_LEN(n->by_class); i++)
            buf_printf(&b, "kith_answers_total{class=\"%zuxx\"} %llu\n", i, (unsigned long long)n->by_class[i]);
        buf_printf(&b, "kith_ledger_entries %llu\nkith_feed_seq %llu\nkith_feed_listening %zu\n",
                   (unsigned long long)tree_size(app->tree), (unsigned long long)f.seq, f.listening);
    }
    free(n);
    http_answer(req, 200, "text/plain; version=0.0.4", buf_slice(&b), NULL, 0);
}

#define EVERYWHERE (HTTP_DOOR_TLS | HTTP_DOOR_PLAIN | HTTP_DOOR_LOCAL)

const struct http_route public_routes[] = {
    {"GET", "/ca/{name}", get_ca, .doors = EVERYWHERE},
    {"GET", "/crl/{name}", get_crl, .doors = EVERYWHERE},
    {"GET", "/ledger/checkpoint", get_checkpoint, .doors = EVERYWHERE},
    {"GET", "/ledger/tile/{path...}", get_tile, .doors = EVERYWHERE},
    {"GET", "/healthz", get_healthz, .doors = EVERYWHERE},
    {"GET", "/readyz", get_readyz, .doors = EVERYWHERE},
    {"GET", "/metrics", get_metrics, .doors = HTTP_DOOR_TLS | HTTP_DOOR_LOCAL, .auth = ACCESS_READ},
};
const size_t public_routes_n = ARRAY_LEN(public_routes);
