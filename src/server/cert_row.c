#include "server/cert_row.h"

#include "keys/crypto.h"
#include "server/app.h"

bool cert_row_make(struct cert_row *r, struct slice der, const struct cert_origin *from, struct err *e)
{
    struct cert c;
    *r = (struct cert_row){0};
    if (!cert_read(der, &c, e) || !serial_get(c.serial, ISSUER_ISSUING, &r->serial, e))
        return false;
    r->id = serial_cert_id(&r->serial);
    sha256(der, r->digest);
    sha256(c.spki, r->spki_hash);
    struct value *v = r->cols;
    v[CERTIFICATE_ID] = value_int(r->id);
    v[CERTIFICATE_TAIL] = value_blob(SLICE_ARRAY(r->serial.tail));
    v[CERTIFICATE_SUBJECT] = value_text(from->subject);
    v[CERTIFICATE_SUBJECT_KIND] = value_int(from->kind);
    v[CERTIFICATE_PROFILE] = value_text(from->profile);
    v[CERTIFICATE_SPKI] = value_blob(SLICE_ARRAY(r->spki_hash));
    v[CERTIFICATE_NOT_BEFORE] = value_int(c.not_before);
    v[CERTIFICATE_NOT_AFTER] = value_int(c.not_after);
    v[CERTIFICATE_HOLD] = value_int(0);
    v[CERTIFICATE_DER] = value_blob(der);
    v[CERTIFICATE_ISSUED_AT] = value_int(from->issued_at);
    return true;
}

bool cert_row_enter(struct tx *tx, const struct cert_row *r, const struct event_draft *d, struct err *e)
{
    uint8_t fields[512];
    struct event ev;
    const struct change change = {.table = &table_certificate, .cols = r->cols, .insert = true};
    return event_make(d, r->digest, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, &change, 1, NULL, e);
}

void cert_cols_revoke(struct value cols[CERTIFICATE_COLS], const struct tx *tx, int reason)
{
    cols[CERTIFICATE_REVOKED_AT] = value_int(tx_now_ms(tx) / 1000);
    cols[CERTIFICATE_REASON] = value_int(reason);
}
