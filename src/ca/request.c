#include "ca/request.h"

#include "base/str.h"
#include "core/cbor.h"

#define AUTHORITY_FIELDS 6

static void authority_put(struct writer *w, const struct authority *a)
{
    cbor_put_array(w, AUTHORITY_FIELDS);
    cbor_put_uint(w, a->kind);
    cbor_put_bstr(w, a->nonce);
    cbor_put_int(w, a->expires_at);
    cbor_put_bstr(w, a->claim);
    cbor_put_bstr(w, a->certificate);
    cbor_put_bstr(w, a->who);
}

static void authority_get(struct reader *r, struct authority *a)
{
    cbor_get_array_n(r, AUTHORITY_FIELDS);
    a->kind = (enum authority_kind)cbor_get_uint_max(r, AUTHORITY_SERVER);
    a->nonce = cbor_get_bstr(r);
    a->expires_at = cbor_get_int(r);
    a->claim = cbor_get_bstr(r);
    a->certificate = cbor_get_bstr(r);
    a->who = cbor_get_bstr(r);
}

void issue_request_put(struct writer *w, const struct issue_request *r)
{
    cbor_put_tstr(w, r->profile);
    cbor_put_bstr(w, r->spki);
    cbor_put_bstr(w, r->csr_san);
    authority_put(w, &r->authority);
    cbor_put_array(w, r->facts_n);
    for (size_t i = 0; i < r->facts_n; i++) {
        cbor_put_array(w, 2);
        cbor_put_tstr(w, r->facts[i].name);
        cbor_put_tstr(w, r->facts[i].value);
    }
}

void issue_request_get(struct reader *r, struct issue_request *out)
{
    *out = (struct issue_request){.profile = cbor_get_tstr(r), .spki = cbor_get_bstr(r), .csr_san = cbor_get_bstr(r)};
    authority_get(r, &out->authority);
    size_t n = cbor_get_array(r);
    if (n > FACTS_MAX)
        reader_fail(r);
    for (size_t i = 0; reader_ok(r) && i < n; i++) {
        cbor_get_array_n(r, 2);
        out->facts[i].name = cbor_get_tstr(r);
        out->facts[i].value = cbor_get_tstr(r);
    }
    out->facts_n = reader_ok(r) ? n : 0;
}

void signer_status_put(struct writer *w, const struct signer_status *s)
{
    cbor_put_tstr(w, s->domain);
    cbor_put_uint(w, s->leaves);
    cbor_put_uint(w, s->uncovered);
    cbor_put_uint(w, s->journal_at);
    cbor_put_bstr(w, s->vouch_spki);
    cbor_put_uint(w, s->head_seq);
    cbor_put_uint(w, s->issued);
    cbor_put_uint(w, s->refused);
    cbor_put_int(w, s->signed_at);
    cbor_put_tstr(w, s->token);
    cbor_put_tstr(w, s->fault);
    cbor_put_int(w, s->clock_off_s);
    cbor_put_tstr(w, s->damage);
    cbor_put_uint(w, s->vouched_size);
    cbor_put_uint(w, s->forked);
    cbor_put_bstr(w, s->vouched_root);
    cbor_put_uint(w, s->root_list);
    cbor_put_bstr(w, s->root_digest);
}

void signer_status_get(struct reader *r, struct signer_status *out)
{
    struct signer_status s = {0};
    s.domain = cbor_get_tstr(r);
    s.leaves = cbor_get_uint(r);
    s.uncovered = cbor_get_uint(r);
    s.journal_at = cbor_get_uint(r);
    s.vouch_spki = cbor_get_bstr(r);
    s.head_seq = cbor_get_uint(r);
    s.issued = cbor_get_uint(r);
    s.refused = cbor_get_uint(r);
    s.signed_at = cbor_get_int(r);
    s.token = cbor_get_tstr(r);
    s.fault = cbor_get_tstr(r);
    s.clock_off_s = cbor_get_int(r);
    s.damage = cbor_get_tstr(r);
    s.vouched_size = cbor_get_uint(r);
    s.forked = cbor_get_uint_max(r, 1) != 0;
    s.vouched_root = cbor_get_bstr_n(r, SHA256_SIZE);
    s.root_list = cbor_get_uint(r);
    s.root_digest = cbor_get_bstr_n(r, SHA256_SIZE);
    *out = reader_ok(r) ? s : (struct signer_status){0};
}

void request_put(struct writer *w, uint64_t id, enum request_type type, size_t n)
{
    cbor_put_array(w, 2 + n);
    cbor_put_uint(w, id);
    cbor_put_uint(w, type);
}

bool request_get(struct reader *r, uint64_t *id, enum request_type *type, size_t *n, struct err *e)
{
    size_t items = cbor_get_array(r);
    *id = cbor_get_uint(r);
    uint64_t t = cbor_get_uint(r);
    *n = items >= 2 ? items - 2 : 0;
    *type = (enum request_type)t;
    if (reader_ok(r) && items >= 2 && t > 0 && t < REQUEST_TYPES)
        return true;
    return err_set(e, ERR_SIGNER_PROTOCOL, "not a request that a signer knows (type %llu)", (unsigned long long)t);
}

void answer_put(struct writer *w, uint64_t id, size_t n)
{
    cbor_put_array(w, 2 + n);
    cbor_put_uint(w, id);
    cbor_put_uint(w, 0);
}

void answer_put_error(struct writer *w, uint64_t id, const struct err *error)
{
    cbor_put_array(w, 5);
    cbor_put_uint(w, id);
    cbor_put_uint(w, error->code ? error->code : ERR_INTERNAL);
    cbor_put_bstr(w, slice_str(error->what));
    cbor_put_bstr(w, slice_str(error->why));
    cbor_put_bstr(w, slice_str(error->hint));
}

static bool protocol_error(struct err *e)
{
    return err_set(e, ERR_SIGNER_PROTOCOL, "an answer that is not one");
}

bool answer_get(struct reader *r, size_t *n, struct err *e)
{
    size_t items = cbor_get_array(r);
    cbor_get_uint(r);
    uint64_t code = cbor_get_uint_max(r, INT32_MAX);
    *n = items >= 2 ? items - 2 : 0;
    if (!reader_ok(r) || items < 2)
        return protocol_error(e);
    if (code == 0)
        return true;
    struct slice what = cbor_get_bstr(r), why = cbor_get_bstr(r), hint = cbor_get_bstr(r);
    if (items != 5 || !reader_end(r))
        return protocol_error(e);
    if (e) {
        e->code = (enum err_code)code;
        str_copy_slice(e->what, sizeof e->what, what);
        str_copy_slice(e->why, sizeof e->why, why);
        str_copy_slice(e->hint, sizeof e->hint, hint);
    }
    return false;
}

bool answer_end(const struct reader *r, struct err *e)
{
    return reader_end(r) || protocol_error(e);
}

bool journal_record_read(struct slice record, struct reader *fields, enum journal_kind *kind, int64_t *at,
                         struct err *e)
{
    static const uint8_t items[] = {
        [JOURNAL_CERT] = 7, [JOURNAL_REVOKE] = 4, [JOURNAL_HOLD] = 3,  [JOURNAL_RELEASE] = 3, [JOURNAL_HEAD] = 5,
        [JOURNAL_CRL] = 6,  [JOURNAL_COSIGN] = 4, [JOURNAL_SETUP] = 3, [JOURNAL_CLOCK] = 2,   [JOURNAL_ROOT_LIST] = 4};
    struct reader r = reader_of(record);
    size_t n = cbor_get_array(&r);
    *kind = (enum journal_kind)cbor_get_uint_max(&r, ARRAY_LEN(items) - 1);
    *at = cbor_get_int(&r);
    *fields = r;
    return (reader_ok(&r) && *kind && n == items[*kind] && cbor_valid(record)) ||
           err_set(e, ERR_JOURNAL, "a record of %zu bytes that is malformed", record.n);
}

bool journal_record_ref(const struct crypto *c, enum journal_kind kind, struct reader *fields, uint8_t ref[SHA256_SIZE],
                        struct err *e)
{
    struct slice der, digest = {0};
    err_clear(e);
    if (kind == JOURNAL_CERT) {
        der = cbor_get_bstr(fields);
        c->sha256(&der, 1, ref);
    } else if (kind == JOURNAL_HEAD || kind == JOURNAL_CRL) {
        for (int numbers = kind == JOURNAL_CRL ? 3 : 1; numbers; numbers--)
            cbor_get_uint(fields);
        digest = cbor_get_bstr_n(fields, SHA256_SIZE);
        if (reader_ok(fields))
            memcpy(ref, digest.p, SHA256_SIZE);
    } else {
        return false;
    }
    return reader_ok(fields) || err_set(e, ERR_JOURNAL, "a record whose fields are malformed");
}

void claim_derive(struct slice key, struct slice device, struct slice nonce, int64_t expires_at,
                  void (*hmac)(struct slice key, struct slice msg, uint8_t out[SHA256_SIZE]),
                  char out[CLAIM_TEXT_SIZE + 1])
{
    uint8_t msg[128], mac[SHA256_SIZE];
    struct writer w = WRITER_ARRAY(msg);
    out[0] = 0;
    writer_put(&w, SLICE_LIT("kith-claim-v1"));
    writer_u8(&w, 0);
    writer_put(&w, device);
    writer_u8(&w, 0);
    writer_put(&w, nonce);
    writer_u64(&w, (uint64_t)expires_at);
    if (!writer_ok(&w)) /* a device id that long is none of ours; the empty claim matches nothing */
        return;
    hmac(key, writer_slice(&w), mac);
    if (!codec_encode(CODEC_BASE32, slice_of(mac, 20), out, CLAIM_TEXT_SIZE + 1))
        out[0] = 0;
}
