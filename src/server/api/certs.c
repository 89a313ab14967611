/* Certificates and the CA's own. */
#include <errno.h>
#include <stdlib.h>

#include "base/pem.h"
#include "core/crl_reason.h"
#include "server/api/api.h"
#include "server/cert_acts.h"
#include "server/der_store.h"
#include "server/gateways.h"
#include "server/records.h"
#include "x509/name.h"

#define LIST_MAX 1000

static const struct sql sql_list = {"SELECT id, serial_tail, subject, subject_kind, profile, not_before, not_after, "
                                    "revoked_at, reason, hold FROM certificate "
                                    "WHERE id > $1 AND ($2 = '' OR subject = $2) ORDER BY id LIMIT $3"};
static const struct sql sql_list_owner = {
    "SELECT c.id, c.serial_tail, c.subject, c.subject_kind, c.profile, c.not_before, c.not_after, c.revoked_at, "
    "c.reason, c.hold FROM device d JOIN certificate c ON c.subject = d.id AND c.subject_kind = 0 "
    "WHERE c.id > $1 AND ($2 = '' OR c.subject = $2) AND d.owner = $4 ORDER BY c.id LIMIT $3"};
static const struct sql sql_one = {"SELECT id, serial_tail, subject, subject_kind, profile, not_before, not_after, "
                                   "revoked_at, reason, hold, base, der FROM certificate "
                                   "WHERE id = $1"};

static void put_cert(struct call *c, const struct rows *r)
{
    uint8_t serial[SERIAL_SIZE];
    json_out_int(&c->out, "id", rows_int(r, 0));
    if (serial_of_row(rows_int(r, 0), rows_blob(r, 1), serial))
        json_out_bytes(&c->out, "serial", CODEC_HEX, SLICE_ARRAY(serial));
    json_out_text(&c->out, "subject", rows_text(r, 2));
    json_out_text(&c->out, "kind", cert_subject_name((enum cert_subject)rows_int(r, 3)));
    json_out_text(&c->out, "profile", rows_text(r, 4));
    json_out_time(&c->out, "not_before", rows_int(r, 5));
    json_out_time(&c->out, "not_after", rows_int(r, 6));
    if (!rows_is_null(r, 7)) {
        json_out_time(&c->out, "revoked_at", rows_int(r, 7));
        json_out_text(&c->out, "reason", crl_reason_name(rows_int(r, 8)));
    }
    json_out_bool(&c->out, "hold", rows_int(r, 9) != 0);
}

static bool list(struct call *c, struct err *e)
{
    char subject[80];
    int64_t last = 0, n = 0, limit, after;
    if (!call_query(c, "subject", subject, sizeof subject, e) ||
        !call_query_int(c, "limit", 1, LIST_MAX, 100, &limit, e) ||
        !call_query_int(c, "after", 0, INT64_MAX, 0, &after, e))
        return false;
    const struct value args[] = {value_int(after), value_text(subject), value_int(limit), value_text(call_owner(c))};
    bool all = !call_owner(c);
    AUTO(rows_close) struct rows r = {0};
    if (!db_query(c->db, all ? &sql_list : &sql_list_owner, args, all ? 3 : 4, &r, e))
        return false;
    json_out_list(&c->out, "certificates");
    for (; rows_next(&r, e); n++) {
        last = rows_int(&r, 0);
        json_out_map(&c->out, NULL);
        put_cert(c, &r);
        json_out_end(&c->out);
    }
    json_out_end(&c->out);
    if (n == limit)
        json_out_int(&c->out, "next", last);
    return e->code == ERR_NONE;
}

/* {id} is the database's number or the serial number in hex (30 digits). */
static bool id_of(struct call *c, int64_t *id, struct err *e)
{
    const char *text = http_param(c->req, "id");
    uint8_t bytes[SERIAL_SIZE];
    struct serial s;
    size_t n;
    char *end;
    struct err ignored;
    if (strlen(text) == 2 * SERIAL_SIZE &&
        codec_decode(CODEC_HEX, slice_str(text), bytes, sizeof bytes, &n, &ignored) &&
        serial_get(slice_of(bytes, n), ISSUER_ISSUING, &s, &ignored)) {
        *id = serial_cert_id(&s);
        return true;
    }
    errno = 0;
    *id = strtoll(text, &end, 10);
    return (*text && !*end && errno == 0) ||
           err_set(e, ERR_NOTFOUND, "\"%s\" is neither a certificate's number nor its serial number",
                   ERR_QUOTE(slice_str(text))) ||
           err_try(e, "kith cert ls");
}

/* An owner sees those of its own devices; false without an error: no. */
static bool may_see(const struct call *c, const struct rows *r, struct err *e)
{
    struct device_row d;
    if (!call_owner(c))
        return true;
    if (rows_int(r, 3) != CERT_DEVICE || !device_row_read(c->db, rows_text(r, 2), &d, e))
        return e->code == ERR_NOTFOUND ? (err_clear(e), false) : false;
    return strcmp(d.owner, call_owner(c)) == 0;
}

static bool show(struct call *c, struct err *e)
{
    int64_t id;
    uint8_t der[DER_STORE_MAX];
    size_t n;
    if (!id_of(c, &id, e))
        return false;
    const struct value args[] = {value_int(id)};
    AUTO(rows_close) struct rows r = {0};
    if (!db_query_row(c->db, &sql_one, args, 1, &r, e) || !may_see(c, &r, e))
        return !e->code &&
               (err_set(e, ERR_NOTFOUND, "certificate %lld is not known", (long long)id) || err_try(e, "kith cert ls"));
    if (!der_store_unpack(c->app->ders, c->db, &r, 10, 11, der, &n, e))
        return err_ctx(e, "certificate %lld", (long long)id);
    put_cert(c, &r);
    AUTO(buf_clear) struct buf pem = {0};
    buf_init(&pem, 16384);
    pem_put(&pem, PEM_CERT, slice_of(der, n));
    json_out_text(&c->out, "pem", buf_str(&pem));
    return true;
}

static bool revoke(struct call *c, struct err *e)
{
    int64_t id, wait_ms;
    uint64_t ticket;
    int reason;
    if (!id_of(c, &id, e) || !call_reason(c, CRL_REASON_UNSPECIFIED, &reason, e) ||
        !call_int(c, "wait_ms", 0, 60000, 0, &wait_ms, e))
        return false;
    if (!cert_revoke(c->app, id, reason, c->who->name, &ticket, e))
        return false;
    json_out_int(&c->out, "id", id);
    json_out_text(&c->out, "reason", crl_reason_name(reason));
    if (wait_ms)
        gateways_wait(c, ticket, wait_ms);
    return true;
}

static void put_ca(struct call *c, const char *key, const struct cert *cert)
{
    uint8_t digest[SHA256_SIZE];
    char name[256];
    c->app->crypto->sha256(&cert->der, 1, digest);
    json_out_map(&c->out, key);
    json_out_text(&c->out, "subject", name_quote(cert->subject, name, sizeof name));
    json_out_bytes(&c->out, "serial", CODEC_HEX, cert->serial);
    json_out_bytes(&c->out, "sha256", CODEC_HEX, SLICE_ARRAY(digest));
    json_out_time(&c->out, "not_before", cert->not_before);
    json_out_time(&c->out, "not_after", cert->not_after);
    json_out_end(&c->out);
}

static bool show_ca(struct call *c, struct err *e)
{
    (void)e;
    put_ca(c, "root", &c->app->root);
    put_ca(c, "issuing", &c->app->ca);
    return true;
}

const struct api_row api_certs[] = {
    {"GET", "/v1/certs", list, ACCESS_READ | ACCESS_OWNER, TAKES("subject", "limit", "after")},
    {"GET", "/v1/certs/{id}", show, ACCESS_READ | ACCESS_OWNER, NULL},
    {"POST", "/v1/certs/{id}/revoke", revoke, ACCESS_ACT, TAKES("reason", "wait_ms")},
    {"GET", "/v1/ca", show_ca, ACCESS_READ | ACCESS_OWNER, NULL},
};
const size_t api_certs_n = ARRAY_LEN(api_certs);
