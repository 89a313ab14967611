/* EST (RFC 7030, clarified by RFC 8951 and 9908): cacerts, simpleenroll, simplereenroll, csrattrs.  A device may enrol with a
 * claim (HTTP Basic) or an IDevID, and renew with its current certificate. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/rfc3339.h"
#include "base/str.h"
#include "base/tls.h"
#include "keys/crypto.h"
#include "server/access.h"
#include "server/app.h"
#include "server/device_acts.h"
#include "server/doors/idevid.h"
#include "server/issuer.h"
#include "server/records.h"
#include "server/refusals.h"
#include "x509/certs_only.h"
#include "x509/csr.h"
#include "x509/name.h"

#define CSR_DER_MAX 4096
#define ANSWER_MAX  (8 * 1024)
#define CERTS_ONLY  "application/pkcs7-mime; smime-type=certs-only"
#define DAY_S       86400

struct enrolment {
    struct issuance is;
    struct http_request *req;
};

static void answer_certs(struct http_request *req, const struct slice *certs, size_t n)
{
    uint8_t der[ANSWER_MAX];
    char text[2 * ANSWER_MAX];
    struct writer w = WRITER_ARRAY(der);
    struct slice message;
    struct err e;
    certs_only_write(&w, certs, n);
    if (!writer_done(&w, &message) || !codec_encode(CODEC_BASE64, message, text, sizeof text)) {
        err_set(&e, ERR_INTERNAL, "certificates of %zu bytes", w.n);
        http_error(req, &e);
        return;
    }
    http_answer(req, 200, CERTS_ONLY, slice_str(text), NULL, 0);
}

static void refuse(struct app *app, struct http_request *req, const char *who, int64_t again_s, const struct err *e)
{
    static const struct http_field challenge = {"WWW-Authenticate", "Basic realm=\"kith\""};
    char seconds[24];
    const struct http_field again = {"Retry-After", seconds};
    snprintf(seconds, sizeof seconds, "%lld", (long long)again_s);
    refusal_note(app, req, who, "est", e);
    if (again_s)
        http_problem(req, err_http_status(e->code), e, &again, 1);
    else if (err_class_of(e->code) == ERR_CLASS_AUTH)
        http_problem(req, 401, e, &challenge, 1);
    else
        http_error(req, e);
}

static void get_cacerts(struct http_request *req, void *arg)
{
    struct app *app = arg;
    const struct slice certs[] = {app->ca_der, app->root_der};
    answer_certs(req, certs, ARRAY_LEN(certs));
}

/* RFC 9908: what a CSR should have beyond the defaults: challengePassword, if the device that asks is of a model that wants
 * the channel bound. */
static void get_csrattrs(struct http_request *req, void *arg)
{
    struct app *app = arg;
    const struct who *w = access_who(req);
    const char *id = w->party == PARTY_DEVICE ? w->subject : NULL, *password;
    struct device_row dev;
    char bind[8] = "no";
    struct err e;
    bool known = (id || http_basic(req, &id, &password)) && device_row_read(app_db(app), id, &dev, &e) &&
                 model_setting_text(app_db(app), dev.model, "channel_binding", "no", bind, sizeof bind, &e);
    bool wanted = known && strcmp(bind, "yes") == 0;
    http_answer(req, 200, "application/csrattrs", wanted ? SLICE_LIT("MAsGCSqGSIb3DQEJBw==") : SLICE_LIT("MAA="), NULL,
                0);
}

static void not_offered(struct http_request *req, void *arg)
{
    (void)arg;
    struct err e;
    err_set(&e, ERR_NOT_OFFERED, "%s is not offered", http_path(req));
    err_why(&e, "RFC 7030 sections 4.3 and 4.4 make it optional");
    err_try(&e, "simpleenroll with a key that the device makes itself");
    http_problem(req, 501, &e, NULL, 0);
}

/* A claim that the platform gave out, shown when it serves no more; or an IDevID beside the device's own. */
static bool is_refused_claim(const struct issuance *is, enum err_code code)
{
    return refusal_alarms(code) || code == ERR_CLAIM_USED || (code == ERR_CLAIM && is->claim_is_genuine);
}

/* The rules say to the operator what to try; who asks here is a device, or somebody with its token. */
static void try_of_device(struct err *e)
{
    static const struct {
        enum err_code code;
        const char *hint;
    } hints[] = {
        {ERR_CLAIM, "a new token, from who runs the platform"},
        {ERR_CLAIM_USED, "the key and certificate that it gave; without them a new token, from who runs the platform"},
        {ERR_CLAIM_OTHER_KEY,
         "the key that it was used with; if this device never had one, tell who runs the platform"},
        {ERR_IDEVID_OTHER, "the IDevID that it came in by; if this device never did, tell who runs the platform"},
        {ERR_DEVICE_STATE, "later again: who runs the platform decides about it"},
        {ERR_NOTFOUND, "is the URL that of this device's platform? Who runs it has to add the device first"},
        {ERR_TOMBSTONE, "ask no more: that is for good"},
        {ERR_CONFLICT, "tell who runs the platform: a model for this manufacturer's anchor makes it clear"},
    };
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (hints[i].code == e->code)
            err_try(e, "%s", hints[i].hint);
}

static void answer_refusal(struct issuance *is, struct http_request *req, struct err e)
{
    try_of_device(&e);
    if (is_refused_claim(is, e.code)) {
        refusal_note_claim(is->app, is->subject, "est", http_peer(req), &e, is->spki_hash);
        if (is->quarantine)
            device_quarantine(is->app, is->subject,
                              e.code == ERR_IDEVID_OTHER ? "a second IDevID came for it"
                                                         : "its claim was shown with a second key");
        http_error(req, &e);
    } else if (err_class_of(e.code) == ERR_CLASS_UNAVAILABLE) {
        static const struct http_field again = {"Retry-After", "2"};
        http_problem(req, 503, &e, &again, 1);
    } else {
        refuse(is->app, req, is->proven ? is->who : NULL, is->again_s, &e);
    }
}

static void done(struct issuance *is, const struct err *refused)
{
    struct enrolment *en = (struct enrolment *)is;
    struct slice cert = slice_of(is->der, is->der_n);
    if (refused)
        answer_refusal(is, en->req, *refused);
    else
        answer_certs(en->req, &cert, 1);
    free(en);
}

/* The channel binding of RFC 7030 section 3.5: who put one in the CSR wants it checked.  Whether there has to be one is the
 * model's to say (issue_rules.c). */
static bool check_binding(struct http_request *req, const struct csr *csr, bool *bound, struct err *e)
{
    uint8_t exporter[32], unique[TLS_BINDING_MAX];
    char text[128];
    size_t n = 0;
    struct err ignored;
    SSL *ssl = http_tls(req);
    *bound = csr->challenge.n > 0;
    if (!*bound)
        return true;
    if (ssl && tls_exporter(ssl, exporter, &ignored) &&
        codec_encode(CODEC_BASE64, SLICE_ARRAY(exporter), text, sizeof text) &&
        slice_eq_ct(slice_str(text), csr->challenge))
        return true;
    if (ssl && tls_unique(ssl, unique, &n, &ignored) &&
        codec_encode(CODEC_BASE64, slice_of(unique, n), text, sizeof text) &&
        slice_eq_ct(slice_str(text), csr->challenge))
        return true;
    err_set(e, ERR_CHANNEL_BINDING, "the challengePassword is not this connection's tls-unique or tls-exporter");
    err_why(e, "RFC 7030 section 3.5, RFC 9266");
    return err_try(e, "that of the connection that the request goes over, with no proxy between; or none");
}

static bool read_csr(struct app *app, struct http_request *req, uint8_t der[CSR_DER_MAX], struct csr *csr, bool *bound,
                     struct err *e)
{
    size_t n;
    if (!http_is_type(req, "application/pkcs10")) {
        err_set(e, ERR_EST, "Content-Type is not application/pkcs10");
        err_why(e, "RFC 7030 section 4.2.1");
        return err_try(e, "Content-Type: application/pkcs10");
    }
    if (!codec_decode_lines(http_body(req), der, CSR_DER_MAX, &n, e)) {
        err_ctx(e, "the body");
        err_why(e, "RFC 8951 section 3.1: base64 of a PKCS #10 request");
        return err_try(e, "send base64 alone, of at most %d bytes", CSR_DER_MAX);
    }
    return csr_read(slice_of(der, n), csr, e) && csr_verify(app->crypto, csr, e) && check_binding(req, csr, bound, e);
}

static bool fill(struct enrolment *en, const struct csr *csr, struct err *e)
{
    struct issuance *is = &en->is;
    if (!issue_take_csr(is, csr, e))
        return false;
    is->kind = CERT_DEVICE;
    is->via = "est";
    is->done = done;
    return true;
}

/* Nothing shows that it is so: it is recorded as declared. */
static void declared_storage(const struct http_request *req, struct issuance *is)
{
    static const char *const known[] = {"file", "pkcs11", "tpm2", "secure-element"};
    const char *says = http_header(req, "kith-key-storage");
    for (size_t i = 0; says && i < ARRAY_LEN(known); i++)
        if (strcmp(says, known[i]) == 0)
            snprintf(is->storage, sizeof is->storage, "%s", known[i]);
}

static bool by_claim(struct enrolment *en, const char *user, const char *password, struct err *e)
{
    struct issuance *is = &en->is;
    if (strlen(password) != CLAIM_TEXT_SIZE || strlen(user) >= sizeof is->subject)
        return err_set(e, ERR_CLAIM, "no claim that this platform gave out") ||
               err_why(e, "HTTP Basic: the user is the device's id, the password its claim");
    is->authority = AUTHORITY_CLAIM;
    str_copy(is->subject, sizeof is->subject, user);
    str_copy(is->claim, sizeof is->claim, password);
    snprintf(is->who, sizeof is->who, "device:%s", user);
    return true;
}

/* Of a request that goes no further: whether it came with a right that is good.  A claim is looked up here, for nobody did. */
static bool is_proven(struct app *app, const struct issuance *is)
{
    struct device_row dev;
    struct err ignored;
    if (is->authority != AUTHORITY_CLAIM)
        return is->proven;
    return device_row_read(app_db(app), is->subject, &dev, &ignored) && claim_is_genuine(&dev.claim, is->claim) &&
           claim_is_open(&dev.claim, app_now(app));
}

/* A current certificate of ours; one that has expired, if the model lets it. */
static bool by_renewal(struct app *app, struct enrolment *en, const struct who *w, struct slice der, struct err *e)
{
    struct issuance *is = &en->is;
    struct device_row dev;
    char days[16];
    if (!device_row_read(app_db(app), w->subject, &dev, e))
        return false;
    if (device_state_is_permanent(dev.state))
        return device_refuse_gone(w->subject, dev.state, e);
    if (!model_setting_text(app_db(app), dev.model, "renew_expired_days", "0", days, sizeof days, e))
        return false;
    int64_t late = app_now(app) - w->cert.not_after;
    if (late > strtol(days, NULL, 10) * DAY_S) {
        err_set(e, ERR_DENIED, "the certificate expired at %s", RFC3339(w->cert.not_after));
        err_why(e, "its model lets one renew for %s days after that (renew_expired_days)", days);
        return err_try(e, "kith-agent enroll --again with a new token, from who runs the platform");
    }
    if (der.n > sizeof is->old_der)
        return err_set(e, ERR_LIMIT, "a certificate of %zu bytes", der.n);
    memcpy(is->old_der, der.p, der.n);
    is->old_der_n = der.n;
    is->shown_id = w->cert_id;
    is->authority = AUTHORITY_RENEWAL;
    snprintf(is->subject, sizeof is->subject, "%s", w->subject);
    snprintf(is->who, sizeof is->who, "%s", w->name);
    return true;
}

static void enrol(struct app *app, struct http_request *req, bool renew)
{
    struct err e;
    struct csr csr;
    uint8_t der[CSR_DER_MAX];
    const char *user, *password;
    const struct who *w = access_who(req);
    struct enrolment *en = calloc(1, sizeof *en);
    bool ok = en || err_set(&e, ERR_NOMEM, "enrolment");
    if (ok && !renew && http_basic(req, &user, &password))
        ok = by_claim(en, user, password, &e) &&
             (w->party != PARTY_UNKNOWN || !http_peer_cert(req).n ||
              idevid_is_not_anothers(app, user, http_tls(req), http_peer_cert(req), &e));
    else if (ok && w->refused.code)
        ok = (e = w->refused, false);
    else if (ok && w->party == PARTY_DEVICE)
        ok = by_renewal(app, en, w, http_peer_cert(req), &e);
    else if (ok && !renew && http_peer_cert(req).n)
        ok = est_by_idevid(app, &en->is, http_tls(req), http_peer_cert(req), &e);
    else if (ok)
        ok = err_set(&e, ERR_DENIED, "nothing shows who asks") ||
             err_why(&e, "RFC 7030 section 3.3: a client shows who it is before it is certified") ||
             err_try(&e, "a claim by HTTP Basic, or a client certificate");
    ok = ok && read_csr(app, req, der, &csr, &en->is.bound, &e) && fill(en, &csr, &e);
    if (!ok) {
        try_of_device(&e);
        refuse(app, req, en && is_proven(app, &en->is) ? en->is.who : NULL, 0, &e);
        free(en);
        return;
    }
    declared_storage(req, &en->is);
    en->req = req;
    issuer_submit(app->issuer, &en->is);
}

static void post_enroll(struct http_request *req, void *arg)
{
    enrol(arg, req, false);
}

static void post_reenroll(struct http_request *req, void *arg)
{
    enrol(arg, req, true);
}

const struct http_route est_routes[] = {
    {"GET", "/.well-known/est/cacerts", get_cacerts, .doors = HTTP_DOOR_TLS | HTTP_DOOR_PLAIN},
    {"GET", "/.well-known/est/csrattrs", get_csrattrs, .doors = HTTP_DOOR_TLS},
    {"POST", "/.well-known/est/simpleenroll", post_enroll, .doors = HTTP_DOOR_TLS, .body_max = 16384},
    {"POST", "/.well-known/est/simplereenroll", post_reenroll, .doors = HTTP_DOOR_TLS, .body_max = 16384},
    {"POST", "/.well-known/est/serverkeygen", not_offered, .doors = HTTP_DOOR_TLS, .body_max = 16384},
    {"POST", "/.well-known/est/fullcmc", not_offered, .doors = HTTP_DOOR_TLS, .body_max = 65536},
};
const size_t est_routes_n = ARRAY_LEN(est_routes);
