/* Who gets a certificate: the checks and changes of the two transactions of an issuance, on the database alone. */
#include <stdlib.h>

#include "base/codec.h"
#include "base/crash_point.h"
#include "base/json.h"
#include "base/rfc3339.h"
#include "base/str.h"
#include "core/crl_reason.h"
#include "keys/crypto.h"
#include "keys/key.h"
#include "model/serial.h"
#include "server/cert_row.h"
#include "server/der_store.h"
#include "server/issuer.h"
#include "server/live_certs.h"
#include "server/records.h"
#include "server/unanswered.h"
#include "store/row.h"
#include "x509/name.h"

#define REPEAT_S        86400 /* the same request gets the same answer for a day */
#define DEFAULT_PROFILE "ldevid"
#define NEWEST_CLAIM    "of a device the newest claim is good, and no other"

static const struct sql sql_repeat = {"SELECT base, der, id FROM certificate WHERE subject = $1 AND spki = $2 AND "
                                      "issued_at > $3 AND revoked_at IS NULL AND hold = 0 AND profile = $4 "
                                      "ORDER BY id DESC"};

static bool is_claim(const struct issuance *is)
{
    return is->authority == AUTHORITY_CLAIM;
}

/* The first time that a request is looked at: what its model says of it. */
static bool read_model(struct tx *tx, struct issuance *is, struct err *e)
{
    char bind[8], live[8];
    const struct setting_text want[] = {{"profile", DEFAULT_PROFILE, is->profile, sizeof is->profile},
                                        {"channel_binding", "no", bind, sizeof bind},
                                        {"live_certificates", LIVE_CERTS_DEFAULT, live, sizeof live}};
    if (!model_settings_text(tx_db(tx), is->model, want, ARRAY_LEN(want), e))
        return false;
    long n = strtol(live, NULL, 10);
    is->live_max = n < LIVE_CERTS_MIN ? LIVE_CERTS_MIN : n > LIVE_CERTS_MAX ? LIVE_CERTS_MAX : (int)n;
    if (is->bound || strcmp(bind, "yes") != 0)
        return true;
    is->profile[0] = 0; /* or a second run of the job would pass */
    err_set(e, ERR_CHANNEL_BINDING, "model %s wants requests that name their TLS connection", is->model);
    err_why(e, "RFC 7030 section 3.5, RFC 9266");
    return err_try(e, "tls-exporter (TLS 1.3) or tls-unique (TLS 1.2) in base64 as challengePassword");
}

/* Fills what the profile's templates need and looks whether the device may have a certificate at all. */
static bool check_device(struct tx *tx, struct issuance *is, const struct device_row *dev, struct err *e)
{
    str_copy(is->model, sizeof is->model, dev->model);
    str_copy(is->serial, sizeof is->serial, dev->serial);
    str_copy(is->owner, sizeof is->owner, dev->owner);
    if (device_state_is_permanent(dev->state))
        return device_refuse_gone(is->subject, dev->state, e);
    bool may = is->authority == AUTHORITY_RENEWAL ? device_may_renew(dev->state) : device_may_enrol(dev->state);
    if (!may) {
        err_set(e, ERR_DEVICE_STATE, "device %s is %s", is->subject, device_state_name(dev->state));
        if (dev->state != DEVICE_SUSPENDED && dev->state != DEVICE_QUARANTINED)
            return false;
        err_why(e, dev->state == DEVICE_SUSPENDED ? "an operator suspended it" : "an operator or a rule put it there");
        return err_try(e, "kith device resume %s, on the platform", dev->serial);
    }
    return is->profile[0] ? true : read_model(tx, is, e);
}

/* It has no certificate yet: none is counted. */
static bool is_first(const struct device_row *dev)
{
    return dev->state == DEVICE_CLAIMED;
}

/* What the same subject got for the same key and profile within a day. */
static bool find_repeat(struct tx *tx, struct issuance *is, struct err *e)
{
    int64_t since = tx_now_ms(tx) / 1000 - REPEAT_S;
    const struct value args[] = {value_text(is->subject), value_blob(SLICE_ARRAY(is->spki_hash)), value_int(since),
                                 value_text(is->profile)};
    AUTO(rows_close) struct rows r = {0};
    if (!db_query_row(tx_db(tx), &sql_repeat, args, ARRAY_LEN(args), &r, e))
        return e->code == ERR_NONE;
    if (!der_store_unpack(is->app->ders, tx_db(tx), &r, 0, 1, is->der, &is->der_n, e))
        return err_ctx(e, "certificate %lld", (long long)rows_int(&r, 2));
    is->repeated = true;
    return true;
}

/* What its model wants when somebody comes for the device with a second key. */
static bool read_quarantine(struct tx *tx, struct issuance *is, struct err *e)
{
    char rule[8];
    if (!model_setting_text(tx_db(tx), is->model, "quarantine_on_second_key", "no", rule, sizeof rule, e))
        return false;
    is->quarantine = strcmp(rule, "yes") == 0;
    return true;
}

/* Anchors are few, and with each the device is found by the table's key. */
static const struct sql sql_idevids = {
    "SELECT i.digest FROM anchor a JOIN idevid i ON i.anchor = a.name WHERE i.device = $1"};

/* The IDevID that a device came in by stands as long as its anchor does: another of the same serial number may be a copy's. */
static bool check_idevid(struct tx *tx, struct issuance *is, struct err *e)
{
    uint8_t digest[SHA256_SIZE];
    const struct value device = value_text(is->subject);
    bool others = false;
    AUTO(rows_close) struct rows r = {0};
    sha256(slice_of(is->old_der, is->old_der_n), digest);
    if (!db_query(tx_db(tx), &sql_idevids, &device, 1, &r, e))
        return false;
    while (rows_next(&r, e)) {
        if (slice_eq(rows_blob(&r, 0), SLICE_ARRAY(digest)))
            return true;
        others = true;
    }
    if (e->code || !others)
        return e->code == ERR_NONE;
    char shown[2 * CERT_SERIAL_MAX + 1];
    if (!read_quarantine(tx, is, e))
        return false;
    if (!codec_encode(CODEC_HEX, is->idevid_serial, shown, sizeof shown))
        return err_set(e, ERR_INTERNAL, "a serial number of %zu bytes", is->idevid_serial.n);
    err_set(e, ERR_IDEVID_OTHER, "device %s came in by another IDevID than certificate %s of anchor %s", is->subject,
            shown, is->anchor);
    err_why(e, "IEEE 802.1AR-2018: an IDevID is for the life of its device; a second one may be a copy's");
    return err_try(e, "kith device token %s, on the platform, lets it in", is->serial);
}

static bool check_claim(struct tx *tx, struct issuance *is, const struct claim_row *c, struct err *e)
{
    if (!is->claim_is_genuine)
        return err_set(e, ERR_CLAIM, "the claim is not the one of device %s", is->subject) || err_why(e, NEWEST_CLAIM);
    memcpy(is->nonce, c->nonce, sizeof is->nonce);
    is->claim_expires_at = c->expires_at;
    if (c->used) {
        bool same_key = c->used_spki64 == spki64_of(is->spki_hash);
        if (same_key && !find_repeat(tx, is, e))
            return false;
        if (is->repeated)
            return true;
        if (!same_key && !read_quarantine(tx, is, e))
            return false;
        err_set(e, same_key ? ERR_CLAIM_USED : ERR_CLAIM_OTHER_KEY, "the claim of device %s was used %s", is->subject,
                same_key ? "more than a day ago" : "with another key");
        err_why(e, "a claim is good for one certificate; the same key gets the same again for a day");
        return err_try(e, "kith device token %s, on the platform, makes a new claim for it", is->serial);
    }
    if (tx_now_ms(tx) / 1000 > c->expires_at)
        return err_set(e, ERR_CLAIM, "the claim of device %s has expired", is->subject) ||
               err_why(e, "it was good until %s", RFC3339(c->expires_at));
    return true;
}

/* One key, one device; *known: it is this device's already. */
static bool check_key(struct tx *tx, const struct issuance *is, bool *known, struct err *e)
{
    char owner[72];
    if (!key_owner(tx_db(tx), is->spki_hash, owner, sizeof owner, e))
        return false;
    if (owner[0] && strcmp(owner, is->subject) != 0)
        return reservations_key_taken(e);
    *known = owner[0] != 0;
    return true;
}

bool party_is_taken(const struct table *t, const char *name, struct err *e)
{
    err_set(e, ERR_CONFLICT, "%s \"%s\" exists already", t->name, ERR_QUOTE(slice_str(name)));
    err_why(e, "each %s has a name of its own", t->name);
    return err_try(e, "another name, or kith %s rm first", t->name);
}

/* A certificate is good for all that its name may do, so a name that is taken gets no second one. */
static bool check_party(struct tx *tx, const struct issuance *is, struct err *e)
{
    const struct value key = value_text(is->subject);
    AUTO(rows_close) struct rows r = {0};
    if (!is->party)
        return true;
    err_clear(e);
    if (row_read(tx_db(tx), is->party, &key, &r, e))
        return party_is_taken(is->party, is->subject, e);
    return e->code == ERR_NONE;
}

static const char *authority_name(enum authority_kind k)
{
    static const char *const names[] = {[AUTHORITY_CLAIM] = "claim",
                                        [AUTHORITY_IDEVID] = "idevid",
                                        [AUTHORITY_RENEWAL] = "renewal",
                                        [AUTHORITY_OPERATOR] = "operator",
                                        [AUTHORITY_SERVER] = "server"};
    return names[k];
}

const char *cert_subject_name(enum cert_subject k)
{
    static const char *const names[] = {"device", "gateway", "operator", "server", "ca"};
    return names[k];
}

/* Who acts is mostly the subject itself. */
static void set_subject(const struct issuance *is, const char *who, struct event_draft *d)
{
    const char *kind = cert_subject_name(is->kind);
    size_t n = strlen(kind);
    bool self = strncmp(who, kind, n) == 0 && who[n] == ':' && strcmp(who + n + 1, is->subject) == 0;
    event_set_text(d, "who", who);
    event_set_text(d, "subject", self ? NULL : is->subject);
}

/* The rows that change with a certificate. */
struct storing {
    struct cert_row row;
    struct value device[DEVICE_COLS], idevid[IDEVID_COLS];
    uint8_t packed[DER_STORE_MAX], idevid_digest[SHA256_SIZE];
    struct rows device_rows;
    struct change changes[3];
    size_t n;
    bool same_key;
};

static void storing_close(struct storing *s)
{
    rows_close(&s->device_rows);
}

/* On whose word a device came in, and by which certificate of that manufacturer. */
static void set_idevid(const struct issuance *is, const uint8_t digest[SHA256_SIZE], struct event_draft *d)
{
    if (is->authority != AUTHORITY_IDEVID)
        return;
    event_set_text(d, "anchor", is->anchor);
    event_set_bytes(d, "idevid", slice_of(digest, SHA256_SIZE));
    event_set_bytes(d, "idevid_serial", is->idevid_serial);
}

static void draft_issued(const struct issuance *is, const struct storing *s, struct event_draft *d)
{
    bool renewed = is->authority == AUTHORITY_RENEWAL;
    *d = event_draft_of(renewed ? EVENT_CERT_RENEWED : EVENT_CERT_ISSUED);
    set_subject(is, is->who, d);
    event_set_text(d, "via", is->via);
    event_set_text(d, "auth", authority_name(is->authority));
    event_set_text(d, "storage", is->storage[0] ? is->storage : NULL);
    event_set_text(d, "evidence", is->storage[0] ? "declared" : NULL);
    set_idevid(is, s->idevid_digest, d);
    if (renewed)
        event_set_flag(d, "same_key", s->same_key);
}

/* A rule was looked at and says no; that the rows could not be read says nothing of the certificate. */
static bool is_refusal(const struct err *e)
{
    enum err_class c = err_class_of(e->code);
    return c != ERR_CLASS_UNAVAILABLE && c != ERR_CLASS_IO && c != ERR_CLASS_INTERNAL;
}

/* The state changed while the signer signed: the certificate is recorded as revoked and never delivered. */
static bool store_void(struct tx *tx, struct issuance *is, struct cert_row *row, struct err *e)
{
    struct event_draft d = event_draft_of(EVENT_CERT_VOID);
    set_subject(is, "system:server", &d);
    event_set_text(&d, "why", is->voided.what);
    cert_cols_revoke(row->cols, tx, CRL_REASON_CESSATION);
    row->cols[CERTIFICATE_SPKI64] = value_null();
    return cert_row_enter(tx, row, &d, e);
}

static bool cert_values(struct issuance *is, int64_t now, struct storing *s, struct err *e)
{
    const struct cert_origin from = {
        .kind = is->kind, .subject = is->subject, .profile = is->profile, .issued_at = now};
    struct slice der = slice_of(is->der, is->der_n);
    if (!cert_row_make(&s->row, der, &from, e))
        return false;
    der_store_pack(is->app->ders, is->profile, is->spki_n, der, s->packed, &s->row.cols[CERTIFICATE_BASE],
                   &s->row.cols[CERTIFICATE_DER]);
    is->is_base = s->row.cols[CERTIFICATE_BASE].type == VALUE_NULL;
    is->cert_id = s->row.id;
    s->changes[s->n++] = (struct change){.table = &table_certificate, .cols = s->row.cols, .insert = true};
    return true;
}

/* The device came in by that anchor: it is found by it as long as the device is known. */
static bool idevid_values(struct tx *tx, const struct issuance *is, int64_t now, struct storing *s, struct err *e)
{
    const struct value anchor = value_text(is->anchor);
    AUTO(rows_close) struct rows r = {0};
    if (!row_read(tx_db(tx), &table_anchor, &anchor, &r, e))
        return e->code ? false : err_set(e, ERR_DENIED, "anchor %s was withdrawn meanwhile", is->anchor);
    sha256(slice_of(is->old_der, is->old_der_n), s->idevid_digest);
    s->idevid[IDEVID_ANCHOR] = anchor;
    s->idevid[IDEVID_DEVICE] = value_text(is->subject);
    s->idevid[IDEVID_DIGEST] = value_blob(SLICE_ARRAY(s->idevid_digest));
    s->idevid[IDEVID_SERIAL_NO] = value_blob(is->idevid_serial);
    s->idevid[IDEVID_SEEN_AT] = value_int(now);
    s->changes[s->n++] = (struct change){.table = &table_idevid, .cols = s->idevid};
    return true;
}

/* What a device's certificate changes with it: the key is the device's, its claim is used, it is active.  Its row is open. */
static bool device_values(struct tx *tx, const struct issuance *is, const struct device_row *dev, int64_t now,
                          struct storing *s, struct err *e)
{
    if (!check_key(tx, is, &s->same_key, e))
        return false;
    if (!s->same_key)
        s->row.cols[CERTIFICATE_SPKI64] = value_int(spki64_of(is->spki_hash));
    if (is->authority == AUTHORITY_IDEVID && !idevid_values(tx, is, now, s, e))
        return false;
    if (is_claim(is) && !dev->claim.found)
        return err_set(e, ERR_CLAIM, "the claim was withdrawn") || err_why(e, "while the signer signed");
    if (is_claim(is) && dev->claim.used)
        return err_set(e, ERR_CLAIM_USED, "the claim of device %s was used meanwhile", is->subject) ||
               err_why(e, "a claim is good for one certificate");
    if (is_claim(is) && memcmp(dev->claim.nonce, is->nonce, sizeof is->nonce) != 0)
        return err_set(e, ERR_CLAIM, "a new claim of device %s was made meanwhile", is->subject) ||
               err_why(e, NEWEST_CLAIM);
    if (!is_claim(is) && dev->state != DEVICE_CLAIMED)
        return true;
    row_values(&s->device_rows, &table_device, s->device);
    if (is_claim(is)) {
        s->device[DEVICE_CLAIM_USED_AT] = value_int(now);
        s->device[DEVICE_CLAIM_SPKI64] = value_int(spki64_of(is->spki_hash));
        s->device[DEVICE_CLAIM_NONCE] = value_null();
    }
    if (dev->state == DEVICE_CLAIMED)
        s->device[DEVICE_STATE] = value_int(DEVICE_ACTIVE);
    s->device[DEVICE_UPDATED_AT] = value_int(now);
    s->changes[s->n++] = (struct change){.table = &table_device, .cols = s->device};
    return true;
}

bool issue_store(struct tx *tx, struct issuance *is, struct err *e)
{
    struct device_row dev = {0};
    uint8_t fields[1024];
    AUTO(storing_close) struct storing s = {0};
    int64_t now = tx_now_ms(tx) / 1000;
    if (!cert_values(is, now, &s, e))
        return false;
    err_clear(&is->voided);
    bool may = is->kind != CERT_DEVICE
                   ? check_party(tx, is, &is->voided)
                   : device_row_open(tx_db(tx), is->subject, &s.device_rows, &dev, &is->voided) &&
                         check_device(tx, is, &dev, &is->voided) && device_values(tx, is, &dev, now, &s, &is->voided);
    if (!may && !is_refusal(&is->voided)) {
        *e = is->voided;
        return false;
    }
    if (!may)
        return store_void(tx, is, &s.row, e);
    struct event ev;
    struct event_draft d;
    draft_issued(is, &s, &d);
    is->marks.n = 0;
    crash_point("server.storing");
    return event_make(&d, s.row.digest, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, s.changes, s.n, NULL, e) &&
           (!is->party || is->enlist(tx, is, e)) &&
           (is->kind != CERT_DEVICE ||
            (unanswered_revoke(tx, is->subject, "never delivered; the device has another", &is->marks, e) &&
             (is_first(&dev) || live_certs_keep(tx, is, e))));
}

/* ---- the first transaction ---- */

/* Signed before, and the answer was lost: it counts from now on, as if it had just been stored. */
static bool deliver(struct tx *tx, struct issuance *is, int64_t id, struct err *e)
{
    struct device_row dev;
    uint8_t fields[512];
    struct event ev;
    const struct value key = value_int(id);
    AUTO(rows_close) struct rows row = {0};
    AUTO(storing_close) struct storing s = {0};
    if (!row_read(tx_db(tx), &table_certificate, &key, &row, e))
        return false;
    row_values(&row, &table_certificate, s.row.cols);
    struct feed_mark mark = {.kind = MARK_RELEASE};
    if (!serial_of_row(id, s.row.cols[CERTIFICATE_TAIL].s, mark.serial))
        return err_set(e, ERR_SERIAL, "certificate %lld has no serial number", (long long)id);
    if (!der_store_unpack(is->app->ders, tx_db(tx), &row, CERTIFICATE_BASE, CERTIFICATE_DER, is->der, &is->der_n, e))
        return err_ctx(e, "certificate %lld", (long long)id);
    s.row.cols[CERTIFICATE_HOLD] = value_int(0);
    s.changes[s.n++] = (struct change){.table = &table_certificate, .cols = s.row.cols};
    struct event_draft d = event_draft_of(EVENT_CERT_DELIVERED);
    set_subject(is, is->who, &d);
    is->cert_id = id;
    is->repeated = is->delivered = true;
    crash_point("server.delivering");
    if (!device_row_open(tx_db(tx), is->subject, &s.device_rows, &dev, e) ||
        !device_values(tx, is, &dev, tx_now_ms(tx) / 1000, &s, e))
        return false;
    set_idevid(is, s.idevid_digest, &d);
    return event_make(&d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, s.changes, s.n, NULL, e) &&
           unanswered_forget(tx, id, e) && marks_add(&is->marks, &mark, e) &&
           (is_first(&dev) || live_certs_keep(tx, is, e));
}

bool issue_reserve(struct tx *tx, struct issuance *is, struct err *e)
{
    struct device_row dev;
    bool known;
    is->repeated = is->delivered = false;
    is->waiting = is->again_s = 0;
    is->marks.n = 0;
    if (is->kind != CERT_DEVICE)
        return check_party(tx, is, e);
    if (!device_row_read(tx_db(tx), is->subject, &dev, e))
        return false;
    if (is_claim(is)) {
        is->claim_is_genuine = claim_is_genuine(&dev.claim, is->claim);
        is->proven = is->claim_is_genuine && claim_is_open(&dev.claim, tx_now_ms(tx) / 1000);
    }
    if (!check_device(tx, is, &dev, e) || (is_claim(is) && !check_claim(tx, is, &dev.claim, e)) ||
        (is->authority == AUTHORITY_IDEVID && !check_idevid(tx, is, e)))
        return false;
    if (!is->repeated && !is_claim(is) && !find_repeat(tx, is, e))
        return false;
    if (is->repeated)
        return true;
    return check_key(tx, is, &known, e) &&
           reservations_take(issuer_get0_reservations(is->app->issuer), &is->reservation, is->subject, is->spki_hash,
                             e) &&
           unanswered_find(tx, is, &is->waiting, e) &&
           (is->waiting ? is->job.looks || deliver(tx, is, is->waiting, e)
                        : is_claim(is) || is_first(&dev) || live_certs_check(tx, is, e));
}
