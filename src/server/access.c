#include "server/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rfc3339.h"
#include "keys/crypto.h"
#include "model/serial.h"
#include "server/app.h"
#include "server/der_store.h"
#include "server/records.h"
#include "store/row.h"
#include "x509/name.h"

/* What each role may.  Who is an operator is for admin alone, or `security` could make itself one. */
static const struct {
    const char *name;
    unsigned rights;
} roles[] = {
    {"admin", ACCESS_READ | ACCESS_ADD | ACCESS_ACT | ACCESS_SET | ACCESS_GRANT},
    {"security", ACCESS_READ | ACCESS_ADD | ACCESS_ACT | ACCESS_SET},
    {"factory", ACCESS_READ | ACCESS_ADD},
    {"release", ACCESS_READ},
    {"data", ACCESS_READ},
    {"auditor", ACCESS_READ},
    {"owner", ACCESS_OWNER},
};

const char *access_role(size_t i)
{
    return i < ARRAY_LEN(roles) ? roles[i].name : NULL;
}

const struct who *access_who(const struct http_request *req)
{
    static const struct who nobody = {.name = "unknown"};
    const struct who *w = http_get0_who(req);
    return w ? w : &nobody;
}

static void local_party(struct http_request *req, struct who *w)
{
    uid_t uid;
    gid_t gid;
    pid_t pid;
    if (!http_peer_cred(req, &uid, &gid, &pid) || (uid != 0 && uid != getuid()))
        return;
    w->party = PARTY_LOCAL;
    snprintf(w->name, sizeof w->name, "local:%u", (unsigned)uid);
    snprintf(w->subject, sizeof w->subject, "%u", (unsigned)uid);
    snprintf(w->role, sizeof w->role, "admin");
}

static const struct sql sql_cert = {
    "SELECT subject, subject_kind, revoked_at, hold, base, der FROM certificate WHERE id = $1"};
static const struct sql sql_role = {"SELECT role FROM operator WHERE name = $1"};

#define ANOTHER_BY_TOKEN "a new token (kith device token SERIAL, on the platform), then kith-agent enroll --again"

/* What leads on from a certificate that serves no more. */
static bool try_another(const struct who *w, struct err *e)
{
    return err_try(e, "%s",
                   w->party == PARTY_DEVICE ? ANOTHER_BY_TOKEN
                                            : "another certificate, from who runs the platform (kith operator or "
                                              "gateway: rm, then add)");
}

static bool refuse_revoked(const struct who *w, struct err *e)
{
    err_set(e, ERR_DENIED, "the certificate of %s is revoked", w->name);
    err_why(e, "RFC 5280 section 5.3.1: it is not good again, whatever it was revoked for");
    return try_another(w, e);
}

static bool refuse_held(const struct who *w, struct err *e)
{
    err_set(e, ERR_DENIED, "the certificate of %s is on hold", w->name);
    err_why(e, "its device is suspended or quarantined, or another one of it is waited for");
    return err_try(e, "later again; kith device show, on the platform, says what the device is");
}

/* Why a device's certificate is revoked.  Only one that was retired is told to wipe its keys, and only when it has shown one of
 * them: what is revoked may be looked into. */
static bool revoked(struct app *app, const struct who *w, struct err *e)
{
    struct device_row dev;
    struct err ignored;
    bool is_device = w->party == PARTY_DEVICE && device_row_read(app_db(app), w->subject, &dev, &ignored);
    if (!is_device || !device_state_is_permanent(dev.state))
        return refuse_revoked(w, e);
    if (dev.state != DEVICE_RETIRED)
        return device_refuse_gone(dev.id, dev.state, e);
    err_set(e, ERR_DEVICE_RETIRED, "%s is retired", w->name);
    err_why(e, "that is for good");
    return err_try(e, "on the device: destroy its keys");
}

/* The stored certificate decides, byte for byte: no signature has to be verified for that. */
static bool cert_party(struct app *app, struct http_request *req, struct who *w, struct err *e)
{
    static const struct {
        enum party party;
        const char *prefix;
    } kinds[] = {[CERT_DEVICE] = {PARTY_DEVICE, "device"},
                 [CERT_GATEWAY] = {PARTY_GATEWAY, "gateway"},
                 [CERT_OPERATOR] = {PARTY_OPERATOR, "operator"},
                 [CERT_SERVER] = {PARTY_OTHER, "server"},
                 [CERT_CA] = {PARTY_OTHER, "ca"}};
    struct slice der = http_peer_cert(req);
    struct serial serial;
    uint8_t stored[DER_STORE_MAX];
    size_t n;
    if (!cert_read(der, &w->cert, e) || !serial_get(w->cert.serial, ISSUER_ISSUING, &serial, e))
        return true; /* not one of ours: unknown */
    AUTO(rows_close) struct rows r = {0};
    const struct value args[] = {value_int(serial_cert_id(&serial))};
    err_clear(e);
    if (!db_query_row(app_db(app), &sql_cert, args, 1, &r, e))
        return e->code == ERR_NONE;
    int64_t kind = rows_int(&r, 1);
    if (!der_store_unpack(app->ders, app_db(app), &r, 4, 5, stored, &n, e))
        return false;
    if (!slice_eq(slice_of(stored, n), der) || kind < 0 || (size_t)kind >= ARRAY_LEN(kinds))
        return true;
    w->party = kinds[kind].party;
    w->cert_id = args[0].i;
    snprintf(w->subject, sizeof w->subject, "%s", rows_text(&r, 0));
    snprintf(w->name, sizeof w->name, "%s:%s", kinds[kind].prefix, w->subject);
    if (!rows_is_null(&r, 2))
        return revoked(app, w, e);
    if (rows_int(&r, 3))
        return refuse_held(w, e);
    return true;
}

/* Expired ones may still renew, where the model says so; that is for the door to judge. */
static bool check_time(const struct app *app, const struct who *w, const struct http_route *route, struct err *e)
{
    if (w->party == PARTY_UNKNOWN || w->party == PARTY_LOCAL || route->auth == ACCESS_ANY)
        return true;
    if (app_now(app) <= w->cert.not_after)
        return true;
    err_set(e, ERR_DENIED, "the certificate of %s expired at %s", w->name, RFC3339(w->cert.not_after));
    err_why(e, "RFC 5280 section 4.1.2.5: it is good until then%s",
            w->party == PARTY_DEVICE ? "; renewed it may be as long as its model says (renew_expired_days)" : "");
    return try_another(w, e);
}

static bool operator_role(struct app *app, struct who *w, struct err *e)
{
    if (w->party != PARTY_OPERATOR)
        return true;
    AUTO(rows_close) struct rows r = {0};
    const struct value args[] = {value_text(w->subject)};
    err_clear(e);
    if (db_query_row(app_db(app), &sql_role, args, 1, &r, e))
        snprintf(w->role, sizeof w->role, "%s", rows_text(&r, 0));
    else if (!e->code)
        w->party = PARTY_OTHER; /* removed */
    return e->code == ERR_NONE;
}

static unsigned rights_of(const struct who *w)
{
    if (w->party == PARTY_DEVICE)
        return ACCESS_DEVICE;
    if (w->party == PARTY_GATEWAY)
        return ACCESS_GATEWAY;
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if ((w->party == PARTY_OPERATOR || w->party == PARTY_LOCAL) && strcmp(roles[i].name, w->role) == 0)
            return roles[i].rights;
    return 0;
}

/* Signed by our CA and yet not in the database. */
static bool is_forgotten(const struct app *app, const struct http_request *req, const struct who *w)
{
    struct err ignored;
    return http_peer_cert(req).n && w->cert.spki.n && slice_eq(w->cert.issuer, app->ca.subject) &&
           cert_verify(app->crypto, &w->cert, app->ca.spki, &ignored);
}

bool access_admit(struct http_request *req, const struct http_route *route, void *arg, struct err *e)
{
    struct app *app = arg;
    struct who *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, ERR_NOMEM, "request");
    snprintf(w->name, sizeof w->name, "unknown");
    http_set0_who(req, w, free);
    err_clear(e);
    if (http_door(req) == HTTP_DOOR_LOCAL)
        local_party(req, w);
    else if (http_peer_cert(req).n && !cert_party(app, req, w, e)) {
        w->refused = *e; /* a door that judges by itself must see it */
        return route->auth == ACCESS_ANY ? (err_clear(e), true) : false;
    }
    if (!operator_role(app, w, e) || !check_time(app, w, route, e))
        return false;
    w->rights = rights_of(w);
    if (route->auth == ACCESS_ANY || (w->rights & route->auth))
        return true;
    if (w->party == PARTY_UNKNOWN && is_forgotten(app, req, w)) {
        err_set(e, ERR_DENIED, "the certificate is one of this CA, but the platform does not know it");
        err_why(e, "the platform was restored from an older copy, or the record of the certificate is lost");
        return err_try(e, ANOTHER_BY_TOKEN);
    }
    err_set(e, w->party == PARTY_UNKNOWN ? ERR_DENIED : ERR_FORBIDDEN, "%s may not %s %s", w->name, http_method(req),
            http_path(req));
    return err_try(e, "ask with the certificate of an operator whose role allows it, or over the local socket");
}
