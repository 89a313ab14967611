#include "server/doors/idevid.h"

#include <stdio.h>

#include "base/json.h"
#include "core/oid.h"
#include "server/device_add.h"
#include "server/records.h"
#include "store/row.h"
#include "x509/chain.h"
#include "x509/name.h"

#define POLICY_MAX 1024

struct anchors {
    uint8_t bytes[ANCHORS_DER_MAX];
    size_t used, n;
    struct cert cert[ANCHORS_MAX];
    char name[ANCHORS_MAX][ANCHOR_NAME_MAX + 1], model[ANCHORS_MAX][MODEL_NAME_MAX + 1];
    bool registers[ANCHORS_MAX]; /* devices that are not known yet are added */
};

static bool take_anchor(struct anchors *a, const char *name, struct slice der, const char *policy, struct err *e)
{
    AUTO(json_free_auto) struct json *j = NULL;
    const char *model = "";
    bool registers = false;
    if (a->n == ANCHORS_MAX || der.n > sizeof a->bytes - a->used)
        return err_set(e, ERR_LIMIT, "more than %d anchors", ANCHORS_MAX);
    memcpy(a->bytes + a->used, der.p, der.n);
    if (!cert_read(slice_of(a->bytes + a->used, der.n), &a->cert[a->n], e)) {
        e->code = ERR_STORE_CORRUPT; /* ours, not the one that is judged by it */
        return err_ctx(e, "anchor %s", name);
    }
    a->used += der.n;
    if (policy[0] && (!json_read(slice_str(policy), POLICY_MAX, &j, e) ||
                      (json_has(j, "model") && !json_get_text(j, "model", MODEL_NAME_MAX, &model, e))))
        return false;
    if (j && json_has(j, "register") && !json_get_bool(j, "register", &registers, e))
        return false;
    snprintf(a->name[a->n], sizeof a->name[0], "%s", name);
    snprintf(a->model[a->n], sizeof a->model[0], "%s", model);
    a->registers[a->n] = registers && model[0];
    a->n++;
    return true;
}

static const struct sql sql_anchors = {"SELECT name, der, policy FROM anchor ORDER BY name"};

static bool read_anchors(struct db *db, struct anchors *a, struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    a->used = a->n = 0;
    if (!db_query(db, &sql_anchors, NULL, 0, &r, e))
        return false;
    while (rows_next(&r, e))
        if (!take_anchor(a, rows_text(&r, 0), rows_blob(&r, 1), rows_text(&r, 2), e))
            return false;
    return e->code == ERR_NONE;
}

/* What came along in TLS, to find a way by: not trusted. */
struct sent {
    uint8_t der[TLS_PEER_CHAIN_BYTES];
    struct cert cert[TLS_PEER_CHAIN_MAX];
    size_t n;
};

/* One that cannot be read is no step of a path; *unread says why. */
static bool read_sent(SSL *ssl, struct sent *s, struct err *unread, struct err *e)
{
    struct slice der[TLS_PEER_CHAIN_MAX];
    size_t n = 0;
    s->n = 0;
    if (ssl && !tls_peer_chain(ssl, s->der, der, &n, e))
        return false;
    for (size_t i = 0; i < n; i++)
        s->n += cert_read(der[i], &s->cert[s->n], unread);
    return true;
}

/* The next step is the device's; what its operator can do is said as such. */
static bool refuse_path(const struct err *unread, struct err *e)
{
    if (e->code == ERR_CHAIN_UNTRUSTED && unread->code)
        err_why(e, "a certificate that came with it cannot be read: %.120s", unread->what);
    if (e->code == ERR_CHAIN_UNTRUSTED)
        err_try(e,
                "send the CAs between it and its manufacturer's root along in TLS; the platform has to know that root");
    else if (e->code == ERR_CHAIN_TIME)
        err_try(e, "look at the clocks of both; what has expired lets nobody in: a token of the platform does");
    else
        err_try(e, "a certificate of the manufacturer that may be used so, or a token of the platform");
    e->code = ERR_DENIED;
    return err_ctx(e, "the client certificate");
}

/* Which anchor vouches for it. */
static bool find_anchor(struct app *app, SSL *ssl, const struct cert *leaf, const struct anchors *a, size_t *which,
                        struct err *e)
{
    static _Thread_local struct sent sent;
    struct err unread = {0};
    struct chain path;
    /* What else a manufacturer certifies (a web server, a program) is no device. */
    const struct chain_rules rules = {.at = app_now(app), .key_usage = KU_DIGITAL_SIGNATURE, .eku = EKU_CLIENT_AUTH};
    if (!read_sent(ssl, &sent, &unread, e))
        return false;
    if (!chain_verify(app->crypto, leaf, sent.cert, sent.n, a->cert, a->n, &rules, &path, e))
        return refuse_path(&unread, e);
    if (leaf->is_ca) { /* an anchor itself is one, too */
        err_set(e, ERR_DENIED, "the client certificate is a CA's");
        err_why(e, "IEEE 802.1AR-2018 section 8: an IDevID is one device's");
        return err_try(e, "the certificate that the manufacturer gave the device");
    }
    *which = (size_t)(path.path[path.n - 1] - a->cert);
    return true;
}

/* A device that its manufacturer's word is enough for. */
static bool register_device(struct app *app, const char *anchor, const char *model, const char *serial,
                            struct device_row *out, struct err *e)
{
    char who[sizeof "anchor:" + ANCHOR_NAME_MAX];
    struct device_new d = {.model = model, .serial = serial};
    struct err each = {0};
    snprintf(who, sizeof who, "anchor:%s", anchor);
    if (!device_prepare(app, &d, e) || !device_add(app, &d, 1, who, &each, e))
        return false;
    if (each.code && each.code != ERR_CONFLICT) /* somebody else has just added it */
        return err_set(e, each.code, "%s", each.what);
    return device_find(app_db(app), serial, model, NULL, out, e);
}

/* Whom a registered manufacturer says that the holder of the certificate is. */
struct vouched {
    struct cert leaf;
    struct anchors *anchors;
    size_t which;
    const char *model; /* NULL: any */
    char serial[DEVICE_SERIAL_MAX + 1];
};

static bool vouch(struct app *app, SSL *ssl, struct slice der, struct vouched *v, struct err *e)
{
    static _Thread_local struct anchors a;
    *v = (struct vouched){.anchors = &a};
    if (!cert_read(der, &v->leaf, e) || !read_anchors(app_db(app), &a, e) ||
        !find_anchor(app, ssl, &v->leaf, &a, &v->which, e))
        return false;
    struct slice sn = name_get0_serial_number(v->leaf.subject);
    size_t n = name_count(v->leaf.subject, OID_SERIAL_NUMBER);
    if (n != 1 || sn.n == 0 || sn.n >= sizeof v->serial)
        return err_set(e, ERR_DENIED, "an IDevID with%s in its subject",
                       n > 1 ? " more than one serialNumber" : "out serialNumber") ||
               err_why(e, "IEEE 802.1AR-2018 section 8: it says which of the manufacturer's devices this is") ||
               err_try(e, "a certificate of the manufacturer with one, or a token of the platform");
    memcpy(v->serial, sn.p, sn.n);
    v->model = a.model[v->which][0] ? a.model[v->which] : NULL;
    return true;
}

bool idevid_is_not_anothers(struct app *app, const char *id, SSL *ssl, struct slice der, struct err *e)
{
    struct vouched v;
    struct device_row dev;
    if (!vouch(app, ssl, der, &v, e)) /* a certificate that says nothing here says nothing against the claim */
        return e->code == ERR_DENIED || e->code == ERR_CERT;
    if (!device_row_read(app_db(app), id, &dev, e))
        return e->code == ERR_NOTFOUND; /* the claim's to be refused for */
    if (strcmp(dev.serial, v.serial) == 0 && (!v.model || strcmp(dev.model, v.model) == 0))
        return true;
    err_set(e, ERR_TWO_DEVICES, "the IDevID in TLS is serial number \"%s\"'s, the claim another device's",
            ERR_QUOTE(slice_str(v.serial)));
    err_why(e, "a claim and an IDevID that come together name one device");
    return err_try(e, "the claim of this device, or the IDevID alone");
}

bool est_by_idevid(struct app *app, struct issuance *is, SSL *ssl, struct slice der, struct err *e)
{
    struct vouched v;
    struct device_row dev;
    if (der.n > sizeof is->old_der)
        return err_set(e, ERR_LIMIT, "a certificate of %zu bytes", der.n);
    if (!vouch(app, ssl, der, &v, e))
        return false;
    if (!device_find(app_db(app), v.serial, v.model, NULL, &dev, e) &&
        (e->code != ERR_NOTFOUND || !v.anchors->registers[v.which] ||
         !register_device(app, v.anchors->name[v.which], v.model, v.serial, &dev, e)))
        return false;
    memcpy(is->old_der, der.p, der.n);
    is->old_der_n = der.n;
    is->idevid_serial = slice_of(is->old_der + (v.leaf.serial.p - der.p), v.leaf.serial.n);
    is->authority = AUTHORITY_IDEVID;
    is->proven = true;
    snprintf(is->anchor, sizeof is->anchor, "%s", v.anchors->name[v.which]);
    snprintf(is->subject, sizeof is->subject, "%s", dev.id);
    snprintf(is->who, sizeof is->who, "device:%s", dev.id);
    return true;
}
