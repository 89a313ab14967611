/* Operators, gateways and manufacturers' anchors. */
#include <stdio.h>
#include <stdlib.h>

#include "base/pem.h"
#include "base/rfc3339.h"
#include "core/crl_reason.h"
#include "keys/crypto.h"
#include "server/api/api.h"
#include "server/cert_acts.h"
#include "server/doors/idevid.h"
#include "server/issuer.h"
#include "store/row.h"
#include "x509/csr.h"
#include "x509/name.h"

#define NAME_MAX_   63
#define CSR_DER_MAX 4096

/* ---- one row of a party with its entry ---- */

static bool record(struct tx *tx, const struct event_draft *d, const struct change *change, struct err *e)
{
    uint8_t fields[4096];
    struct event ev;
    return event_make(d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, change, 1, NULL, e);
}

/* ---- those that get a certificate ---- */

/* They become known with it, in one transaction: no certificate of theirs is good before its name is theirs. */
struct newcomer {
    struct issuance is;
    const char *site, *role;
};

static bool certify(struct call *c, const struct table *t, enum cert_subject kind, const char *name,
                    struct newcomer *new, struct err *e)
{
    const char *pem;
    AUTO(buf_clear) struct buf der = {0};
    struct csr csr;
    struct issuance *is = &new->is;
    buf_init(&der, CSR_DER_MAX);
    if (!call_text(c, "csr", 16384, NULL, &pem, e) || !pem_get(slice_str(pem), PEM_CSR, &der, e) ||
        !csr_read(buf_slice(&der), &csr, e) || !csr_verify(c->app->crypto, &csr, e) || !issue_take_csr(is, &csr, e))
        return false;
    is->authority = AUTHORITY_OPERATOR;
    is->kind = kind;
    is->party = t;
    is->via = "api";
    snprintf(is->who, sizeof is->who, "%s", c->who->name);
    snprintf(is->profile, sizeof is->profile, "%s", t->name);
    snprintf(is->subject, sizeof is->subject, "%s", name);
    return issuer_wait(c->app->issuer, is, e);
}

static void put_certificate(struct call *c, const struct issuance *is)
{
    AUTO(buf_clear) struct buf pem = {0};
    buf_init(&pem, 32768);
    pem_put(&pem, PEM_CERT, slice_of(is->der, is->der_n));
    json_out_text(&c->out, "certificate", buf_str(&pem));
    buf_reset(&pem);
    pem_put(&pem, PEM_CERT, c->app->ca_der);
    pem_put(&pem, PEM_CERT, c->app->root_der);
    json_out_text(&c->out, "chain", buf_str(&pem));
}

/* ---- a row by itself ---- */

struct party_job {
    struct job job;
    const struct table *table;
    const struct value *cols; /* the new row; NULL: remove */
    const char *name;
    struct event_draft draft;
    bool must_exist;
    bool (*check)(struct tx *tx, const struct party_job *j, struct err *e); /* what else a new row has to keep */
    /* With it every certificate of the name is revoked. */
    bool revokes;
    enum cert_subject kind;
    struct cert_act act;
    struct marks marks;
};

static bool run_party(struct tx *tx, struct job *job, struct err *e)
{
    struct party_job *j = (struct party_job *)job;
    const struct value key = value_text(j->name);
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    j->marks.n = 0;
    bool found = row_read(tx_db(tx), j->table, &key, &r, e);
    if (!found && e->code)
        return false;
    if (found && !j->must_exist)
        return party_is_taken(j->table, j->name, e);
    if (!found && j->must_exist) {
        err_set(e, ERR_NOTFOUND, "%s \"%s\" is not known", j->table->name, ERR_QUOTE(slice_str(j->name)));
        err_why(e, "there is none of this name, or it was removed already");
        return err_try(e, "kith %s ls", j->table->name);
    }
    if (j->check && !j->check(tx, j, e))
        return false;
    const struct change change = {
        .table = j->table, .cols = j->cols ? j->cols : &key, .remove = !j->cols, .insert = !found};
    return record(tx, &j->draft, &change, e) &&
           (!j->revokes || cert_act_all(tx, &j->act, j->name, j->kind, &j->marks, e));
}

/* Whoever is removed is revoked too, in one transaction. */
static bool remove_party(struct call *c, const struct table *t, enum cert_subject kind, enum event_type type,
                         const char *field, struct err *e)
{
    const char *name = http_param(c->req, "name");
    struct event_draft d = event_draft_of(type);
    event_set_text(&d, "who", c->who->name);
    event_set_text(&d, field, name);
    struct party_job j = {.job = {.run = run_party},
                          .table = t,
                          .name = name,
                          .draft = d,
                          .must_exist = true,
                          .revokes = kind != CERT_CA, /* an anchor's certificate is not ours */
                          .kind = kind,
                          .act = {.kind = MARK_REVOKE, .reason = CRL_REASON_CESSATION, .who = c->who->name}};
    bool ok = commit_run(c->app->commit, &j.job, e);
    if (ok) {
        marks_tell(c->app, &j.marks);
        json_out_text(&c->out, "name", name);
    }
    marks_clear(&j.marks);
    return ok;
}

/* ---- gateways ---- */

static bool enlist_gateway(struct tx *tx, const struct issuance *is, struct err *e)
{
    const struct newcomer *new = (const struct newcomer *)is;
    struct event_draft d = event_draft_of(EVENT_GATEWAY_ADDED);
    event_set_text(&d, "who", is->who);
    event_set_text(&d, "gateway", is->subject);
    event_set_text(&d, "site", new->site);
    event_set_int(&d, "cert", is->cert_id);
    const struct value cols[GATEWAY_COLS] = {
        [GATEWAY_NAME] = value_text(is->subject),
        [GATEWAY_SITE] = value_text(new->site),
        [GATEWAY_CERT_ID] = value_int(is->cert_id),
        [GATEWAY_ADDED_AT] = value_int(tx_now_ms(tx) / 1000),
    };
    return record(tx, &d, &(struct change){.table = &table_gateway, .cols = cols, .insert = true}, e);
}

static bool gateway_add(struct call *c, struct err *e)
{
    const char *name;
    struct newcomer *new = calloc(1, sizeof *new);
    bool ok = new || err_set(e, ERR_NOMEM, "gateway");
    ok = ok && call_text(c, "name", NAME_MAX_, NULL, &name, e) && call_text(c, "site", TAG_MAX, "", &new->site, e) &&
         party_name_check("gateway", slice_str(name), NAME_MAX_, e) &&
         (!new->site[0] || name_check("site", slice_str(new->site), TAG_MAX, e));
    if (ok) {
        new->is.enlist = enlist_gateway;
        ok = certify(c, &table_gateway, CERT_GATEWAY, name, new, e);
    }
    if (ok) {
        c->status = 201;
        json_out_text(&c->out, "name", name);
        json_out_text(&c->out, "origin", c->app->settings.origin);
        put_certificate(c, &new->is);
    }
    free(new);
    return ok;
}

static const struct sql sql_gateways = {
    "SELECT g.name, g.site, g.added_at, a.seq, a.acked_at FROM gateway g LEFT JOIN gateway_ack a "
    "ON a.gateway = g.name ORDER BY g.name"};

static void put_gateway(struct call *c, const struct rows *r)
{
    json_out_text(&c->out, "name", rows_text(r, 0));
    json_out_text(&c->out, "site", rows_text(r, 1));
    json_out_time(&c->out, "added_at", rows_int(r, 2));
    if (!rows_is_null(r, 3)) {
        json_out_int(&c->out, "acked_seq", rows_int(r, 3));
        json_out_time(&c->out, "acked_at", rows_int(r, 4));
    }
}

static bool gateway_list(struct call *c, struct err *e)
{
    return call_list(c, "gateways", &sql_gateways, NULL, 0, put_gateway, NULL, e);
}

static bool gateway_remove(struct call *c, struct err *e)
{
    return remove_party(c, &table_gateway, CERT_GATEWAY, EVENT_GATEWAY_REMOVED, "gateway", e);
}

/* ---- operators ---- */

static bool enlist_operator(struct tx *tx, const struct issuance *is, struct err *e)
{
    const struct newcomer *new = (const struct newcomer *)is;
    struct event_draft d = event_draft_of(EVENT_OPERATOR_ADDED);
    event_set_text(&d, "who", is->who);
    event_set_text(&d, "operator", is->subject);
    event_set_text(&d, "role", new->role);
    event_set_text(&d, "auth", "certificate");
    event_set_bytes(&d, "spki", SLICE_ARRAY(is->spki_hash));
    event_set_int(&d, "cert", is->cert_id);
    const struct value cols[OPERATOR_COLS] = {
        [OPERATOR_NAME] = value_text(is->subject),
        [OPERATOR_ROLE] = value_text(new->role),
        [OPERATOR_SPKI] = value_blob(SLICE_ARRAY(is->spki_hash)),
        [OPERATOR_CERT_ID] = value_int(is->cert_id),
        [OPERATOR_ADDED_AT] = value_int(tx_now_ms(tx) / 1000),
    };
    return record(tx, &d, &(struct change){.table = &table_operator, .cols = cols, .insert = true}, e);
}

static bool check_role(const char *role, struct err *e)
{
    for (size_t i = 0; access_role(i); i++)
        if (strcmp(access_role(i), role) == 0)
            return true;
    err_set(e, ERR_USAGE, "\"%s\" is no role", ERR_QUOTE(slice_str(role)));
    err_why(e, "a role is what an operator may do");
    return err_try(e, "one of admin, security, factory, release, data, auditor, owner");
}

static bool operator_add(struct call *c, struct err *e)
{
    const char *name;
    struct newcomer *new = calloc(1, sizeof *new);
    bool ok = new || err_set(e, ERR_NOMEM, "operator");
    ok = ok && call_text(c, "name", NAME_MAX_, NULL, &name, e) && call_text(c, "role", 16, NULL, &new->role, e) &&
         party_name_check("operator", slice_str(name), NAME_MAX_, e) && check_role(new->role, e);
    if (ok) {
        new->is.enlist = enlist_operator;
        ok = certify(c, &table_operator, CERT_OPERATOR, name, new, e);
    }
    if (ok) {
        c->status = 201;
        json_out_text(&c->out, "name", name);
        json_out_text(&c->out, "role", new->role);
        put_certificate(c, &new->is);
    }
    free(new);
    return ok;
}

static void put_operator(struct call *c, const struct rows *r)
{
    json_out_text(&c->out, "name", rows_text(r, OPERATOR_NAME));
    json_out_text(&c->out, "role", rows_text(r, OPERATOR_ROLE));
    json_out_time(&c->out, "added_at", rows_int(r, OPERATOR_ADDED_AT));
}

static bool operator_list(struct call *c, struct err *e)
{
    return call_list(c, "operators", row_select_all(&table_operator), NULL, 0, put_operator, NULL, e);
}

static bool operator_remove(struct call *c, struct err *e)
{
    return remove_party(c, &table_operator, CERT_OPERATOR, EVENT_OPERATOR_REMOVED, "operator", e);
}

/* ---- anchors ---- */

static const struct sql sql_anchors = {"SELECT COUNT(*), COALESCE(SUM(LENGTH(der)), 0) FROM anchor"};

/* One more than the door looks through would shut it for all. */
static bool check_room(struct call *c, size_t der_n, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    if (!db_query_row(c->db, &sql_anchors, NULL, 0, &r, e))
        return false;
    if (rows_int(&r, 0) < ANCHORS_MAX && rows_int(&r, 1) + (int64_t)der_n <= ANCHORS_DER_MAX)
        return true;
    err_set(e, ERR_LIMIT, "anchors are %d at most, of %d bytes together", ANCHORS_MAX, ANCHORS_DER_MAX);
    err_why(e, "each enrolment by an IDevID looks through all of them");
    return err_try(e, "kith anchor rm NAME, for one that is needed no more");
}

/* A model that is not there would refuse every device later. */
static bool check_model(struct call *c, const char *model, struct err *e)
{
    const struct value key = value_text(model);
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    if (!model[0] || row_read(c->db, &table_model, &key, &r, e))
        return true;
    if (e->code)
        return false;
    err_set(e, ERR_NOTFOUND, "model \"%s\" is not known", ERR_QUOTE(key.s));
    err_why(e, "every device of this manufacturer would be refused by it");
    return err_try(e, "kith model ls, or kith model add NAME first");
}

/* Whoever holds a certificate of this platform would otherwise count as a device with a manufacturer's. */
static bool check_foreign(struct call *c, const struct cert *cert, struct err *e)
{
    bool root = slice_eq(cert->spki, c->app->root.spki);
    if (!root && !slice_eq(cert->spki, c->app->ca.spki))
        return true;
    err_set(e, ERR_POLICY, "the certificate is the %s of this platform", root ? "root" : "issuing CA");
    err_why(e, "an anchor is a manufacturer's CA; what this platform issued is no word of a manufacturer");
    return err_try(e, "the root certificate that the manufacturer gave you");
}

static const struct sql sql_anchor_certs = {"SELECT name, der FROM anchor ORDER BY name"};

/* One CA, one anchor: under two names the removal of one would not end the trust in it.  By its key, for a CA may have several
 * certificates. */
static bool check_one_name(struct tx *tx, const struct party_job *j, struct err *e)
{
    struct cert new, old;
    AUTO(rows_close) struct rows r = {0};
    err_clear(e);
    if (!cert_read(j->cols[ANCHOR_DER].s, &new, e) || !db_query(tx_db(tx), &sql_anchor_certs, NULL, 0, &r, e))
        return false;
    while (rows_next(&r, e)) {
        if (!cert_read(rows_blob(&r, 1), &old, e))
            return err_ctx(e, "anchor %s", rows_text(&r, 0));
        if (!slice_eq(old.spki, new.spki))
            continue;
        bool same = slice_eq(old.der, new.der);
        err_set(e, ERR_CONFLICT, "anchor \"%s\" is %s", rows_text(&r, 0),
                same ? "this certificate already" : "another certificate of the same key");
        err_why(e, "under two names, the removal of one would not end the trust in it");
        return err_try(e, "kith anchor rm \"%s\" first, if it is to have another name, certificate or model",
                       rows_text(&r, 0));
    }
    return e->code == ERR_NONE;
}

static bool check_ca(struct call *c, const struct cert *cert, struct err *e)
{
    if (!cert->is_ca) {
        err_set(e, ERR_POLICY, "the certificate is no CA's");
        err_why(e, "RFC 5280 section 4.2.1.9: without cA in basicConstraints it vouches for nothing");
        return err_try(e, "the certificate of the CA that signed the manufacturer's IDevIDs");
    }
    if (!cert_allows(cert, KU_KEY_CERT_SIGN, EKU_CLIENT_AUTH)) {
        err_set(e, ERR_POLICY, "the certificate is not for signing those of TLS clients");
        err_why(e,
                "RFC 5280 sections 4.2.1.3, 4.2.1.12: its key usage or extended key usage lets in no IDevID below it");
        return err_try(e, "the certificate of the CA that signed the manufacturer's IDevIDs");
    }
    if (cert->not_after < app_now(c->app)) {
        err_set(e, ERR_POLICY, "the certificate expired at %s", RFC3339(cert->not_after));
        err_why(e, "RFC 5280 section 6.1.3 (a)(2): no IDevID below it would be let in");
        return err_try(e, "the manufacturer's newer certificate of this CA, or a claim for each device");
    }
    return check_foreign(c, cert, e);
}

static bool anchor_add(struct call *c, struct err *e)
{
    const char *name, *pem, *model;
    uint8_t digest[SHA256_SIZE];
    char policy[160];
    AUTO(buf_clear) struct buf der = {0};
    bool registers = false;
    struct cert cert;
    struct event_draft d = event_draft_of(EVENT_ANCHOR_ADDED);
    buf_init(&der, CERT_MAX);
    if (!call_text(c, "name", NAME_MAX_, NULL, &name, e) || !call_text(c, "certificate", 32768, NULL, &pem, e) ||
        !call_text(c, "model", MODEL_NAME_MAX, "", &model, e) ||
        !name_check("anchor", slice_str(name), ANCHOR_NAME_MAX, e) ||
        (model[0] && !name_check("model", slice_str(model), MODEL_NAME_MAX, e)) ||
        !pem_get(slice_str(pem), PEM_CERT, &der, e) || !cert_read(buf_slice(&der), &cert, e) ||
        !check_room(c, der.n, e) || !check_ca(c, &cert, e) || !check_model(c, model, e))
        return false;
    if (json_has(c->in, "register") && !call_member(json_get_bool(c->in, "register", &registers, e), e))
        return false;
    if (registers && !model[0]) {
        err_set(e, ERR_USAGE, "\"register\" needs a \"model\" for the devices that are added");
        err_why(e, "a device that registers itself says nothing of its model");
        return err_try(e, "\"model\": NAME (kith anchor add --model NAME --register)");
    }
    snprintf(policy, sizeof policy, model[0] ? "{\"model\":\"%s\",\"register\":%s}" : "{}", model,
             registers ? "true" : "false");
    sha256(cert.der, digest);
    event_set_text(&d, "who", c->who->name);
    event_set_text(&d, "anchor", name);
    event_set_bytes(&d, "digest", SLICE_ARRAY(digest));
    event_set_text(&d, "policy", policy);
    const struct value cols[ANCHOR_COLS] = {
        [ANCHOR_NAME] = value_text(name),
        [ANCHOR_DER] = value_blob(cert.der),
        [ANCHOR_ADDED_AT] = value_int(app_now(c->app)),
        [ANCHOR_POLICY] = value_text(policy),
    };
    c->status = 201;
    json_out_text(&c->out, "name", name);
    json_out_bytes(&c->out, "sha256", CODEC_HEX, SLICE_ARRAY(digest));
    struct party_job j = {.job = {.run = run_party},
                          .table = &table_anchor,
                          .cols = cols,
                          .name = name,
                          .draft = d,
                          .check = check_one_name};
    return commit_run(c->app->commit, &j.job, e);
}

static void put_anchor(struct call *c, const struct rows *r)
{
    uint8_t digest[SHA256_SIZE];
    char name[160];
    struct cert cert;
    struct err ignored;
    sha256(rows_blob(r, ANCHOR_DER), digest);
    json_out_text(&c->out, "name", rows_text(r, ANCHOR_NAME));
    if (cert_read(rows_blob(r, ANCHOR_DER), &cert, &ignored)) {
        json_out_text(&c->out, "subject", name_quote(cert.subject, name, sizeof name));
        json_out_time(&c->out, "not_after", cert.not_after);
    }
    json_out_time(&c->out, "added_at", rows_int(r, ANCHOR_ADDED_AT));
    json_out_bytes(&c->out, "sha256", CODEC_HEX, SLICE_ARRAY(digest));
    json_out_raw(&c->out, "policy", slice_str(rows_text(r, ANCHOR_POLICY)));
}

static bool anchor_list(struct call *c, struct err *e)
{
    return call_list(c, "anchors", row_select_all(&table_anchor), NULL, 0, put_anchor, NULL, e);
}

static bool anchor_remove(struct call *c, struct err *e)
{
    return remove_party(c, &table_anchor, CERT_CA, EVENT_ANCHOR_REMOVED, "anchor", e);
}

const struct api_row api_parties[] = {
    {"GET", "/v1/gateways", gateway_list, ACCESS_READ, NULL},
    {"POST", "/v1/gateways", gateway_add, ACCESS_SET, TAKES("name", "site", "csr")},
    {"DELETE", "/v1/gateways/{name}", gateway_remove, ACCESS_SET, NULL},
    {"GET", "/v1/operators", operator_list, ACCESS_READ, NULL},
    {"POST", "/v1/operators", operator_add, ACCESS_GRANT, TAKES("name", "role", "csr")},
    {"DELETE", "/v1/operators/{name}", operator_remove, ACCESS_GRANT, NULL},
    {"GET", "/v1/anchors", anchor_list, ACCESS_READ, NULL},
    {"POST", "/v1/anchors", anchor_add, ACCESS_SET, TAKES("name", "certificate", "model", "register")},
    {"DELETE", "/v1/anchors/{name}", anchor_remove, ACCESS_SET, NULL},
};
const size_t api_parties_n = ARRAY_LEN(api_parties);
