#include "signer/crl.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/cbor.h"
#include "core/crl_reason.h"
#include "keys/crypto.h"
#include "model/crl_place.h"
#include "model/device.h"
#include "signer/domain.h"
#include "x509/crl.h"

/* Entries are kept as they go into the list: index, time, reason; the serial follows from the index. */
struct item {
    uint32_t index;
    uint8_t reason;
    int64_t at;
};

struct crl_build {
    const struct domain *d;
    uint8_t node;
    uint16_t number;
    char url[CRL_URL_MAX + 1];
    struct item *v;
    size_t n, cap, next;
    uint8_t serial[SERIAL_SIZE];
};

void crl_build_free(struct crl_build *b)
{
    if (b)
        free(b->v);
    free(b);
}

static bool add(struct crl_build *b, struct reader *r, struct err *e)
{
    struct serial s;
    int64_t now = b->d->last_time;
    cbor_get_array_n(r, 3);
    struct slice bytes = cbor_get_bstr(r);
    int64_t at = cbor_get_int(r), reason = cbor_get_int(r);
    if (!reader_ok(r) || at < 0 || !crl_reason_is_known(reason) || reason == CRL_REASON_REMOVED)
        return err_set(e, ERR_SIGNER_PROTOCOL, "an entry of a CRL that is malformed");
    if (!serial_get(bytes, ISSUER_ISSUING, &s, e))
        return false;
    const struct shard *shard = shards_find(&b->d->shards, b->node, b->number);
    bool ascends = b->n == 0 || s.index > b->v[b->n - 1].index;
    bool is_hold = reason == CRL_REASON_HOLD;
    if (!shard || s.node != b->node || s.shard != b->number || !ascends || !serial_is_ours(b->d, &s) ||
        !bits_has(is_hold ? &shard->held : &shard->revoked, s.index))
        return err_set(e, ERR_CRL_OMITS, "\"%s\" does not belong in this list here", ERR_QUOTE(bytes));
    if (b->n == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 256;
        struct item *v = reallocarray(b->v, cap, sizeof *v);
        if (!v)
            return err_set(e, ERR_NOMEM, "CRL");
        b->v = v;
        b->cap = cap;
    }
    /* A date to come would mean that it is still good. */
    b->v[b->n++] = (struct item){.index = s.index, .reason = (uint8_t)reason, .at = at > now ? now : at};
    return true;
}

static bool rewind_list(void *ctx, struct err *e)
{
    (void)e;
    ((struct crl_build *)ctx)->next = 0;
    return true;
}

static bool next_entry(void *ctx, struct crl_entry *out, struct err *e)
{
    (void)e;
    struct crl_build *b = ctx;
    if (b->next == b->n)
        return false;
    const struct item *i = &b->v[b->next++];
    struct serial s = {.issuer = ISSUER_ISSUING, .node = b->node, .shard = b->number, .index = i->index};
    serial_fill_tail(b->d, &s);
    serial_put(&s, b->serial);
    *out = (struct crl_entry){.serial = SLICE_ARRAY(b->serial), .revoked_at = i->at, .reason = i->reason};
    return true;
}

static bool complete(const struct crl_build *b, const struct shard *shard, struct err *e)
{
    size_t want = shard ? (size_t)shard->revoked.count + shard->held.count : 0;
    if (b->n == want)
        return true;
    err_set(e, ERR_CRL_OMITS, "the list of shard %04x has %zu entries; %zu certificates are revoked or held", b->number,
            b->n, want);
    return err_why(e, "a CRL that leaves out what was revoked is not signed");
}

static bool record_crl(struct domain *d, struct shard *shard, struct slice der, struct err *e)
{
    uint8_t record[96], ref[SHA256_SIZE];
    struct writer w = WRITER_ARRAY(record);
    sha256(der, ref);
    cbor_put_array(&w, 6);
    cbor_put_uint(&w, JOURNAL_CRL);
    cbor_put_int(&w, d->last_time);
    cbor_put_uint(&w, shard->node);
    cbor_put_uint(&w, shard->number);
    cbor_put_uint(&w, shard->crl_number);
    cbor_put_bstr(&w, SLICE_ARRAY(ref));
    return domain_record(d, writer_slice(&w), ref, e);
}

static bool sign_list(struct domain *d, uint64_t id, struct crl_build *b, struct buf *out, struct err *e)
{
    struct shard *shard = shards_need(&d->shards, b->node, b->number);
    if (!shard || !complete(b, shard, e))
        return shard ? false : err_set(e, ERR_NOMEM, "shard");
    int64_t now = domain_now(d);
    struct signer signer = key_signer(d->ca_key);
    struct crl_source src = {.rewind = rewind_list, .next = next_entry, .ctx = b};
    struct crl_template t = {.issuer = d->ca.subject,
                             .this_update = now,
                             .next_update = now + d->settings->crl_span_s,
                             .number = ++shard->crl_number,
                             .aki = d->ca.ski,
                             .idp_uri = slice_str(b->url)};
    size_t size;
    struct slice der;
    if (!crl_measure(&t, &src, signer.alg, &size, e))
        return false;
    uint8_t *bytes = malloc(size), head[32];
    bool ok = bytes || err_set(e, ERR_NOMEM, "CRL of %zu bytes", size);
    ok = ok && crl_write(&t, &src, &signer, bytes, size, &der, e) && record_crl(d, shard, der, e);
    if (ok) {
        struct writer a = WRITER_ARRAY(head);
        answer_put(&a, id, 2);
        cbor_put_head(&a, CBOR_BSTR, der.n);
        buf_put(out, writer_slice(&a));
        buf_put(out, der);
        a = WRITER_ARRAY(head);
        cbor_put_uint(&a, shard->crl_number);
        buf_put(out, writer_slice(&a));
    }
    free(bytes);
    return ok;
}

/* A list says by its URL what it is complete for: under another's it would clear what that one has. */
static bool check_place(const struct domain *d, uint8_t node, uint16_t number, struct slice url, struct err *e)
{
    uint8_t own[CRL_URL_MAX];
    struct writer w = WRITER_ARRAY(own);
    crl_url_put(&w, d->settings->plain_url, node, number);
    if (!shards_find(&d->shards, node, number) && (node != d->settings->node || shard_end(number) < d->last_time ||
                                                   (number != SHARD_NEVER && number > shard_of(d->ca.not_after))))
        return err_set(e, ERR_POLICY, "node %u has no shard %04x", node, number);
    if (slice_eq(writer_slice(&w), url))
        return true;
    err_set(e, ERR_POLICY, "\"%s\" is not where the list of shard %04x is", ERR_QUOTE(url), number);
    return err_why(e, "RFC 5280 section 5.2.5: it would be a list of another scope");
}

static bool begin(struct domain *d, uint8_t node, uint16_t number, struct slice url, struct err *e)
{
    if (d->crl && d->crl->node == node && d->crl->number == number && slice_eq(slice_str(d->crl->url), url))
        return true;
    crl_build_free(d->crl);
    d->crl = NULL;
    if (!check_place(d, node, number, url, e))
        return false;
    d->crl = calloc(1, sizeof *d->crl);
    if (!d->crl)
        return err_set(e, ERR_NOMEM, "CRL");
    *d->crl = (struct crl_build){.d = d, .node = node, .number = number};
    memcpy(d->crl->url, url.p, url.n);
    return true;
}

static bool take_part(struct domain *d, struct reader *r, size_t n, bool *more, struct err *e)
{
    uint8_t node = (uint8_t)cbor_get_uint_max(r, 0x7f);
    uint16_t number = (uint16_t)cbor_get_uint_max(r, UINT16_MAX);
    struct slice url = cbor_get_tstr(r);
    *more = cbor_get_bool(r);
    size_t count = cbor_get_array(r);
    domain_now(d);
    if (n != 5 || !reader_ok(r) || url.n > CRL_URL_MAX)
        return err_set(e, ERR_SIGNER_PROTOCOL, "a part of a CRL that is malformed");
    if (!begin(d, node, number, url, e))
        return false;
    for (size_t i = 0; i < count; i++)
        if (!add(d->crl, r, e))
            return false;
    return reader_end(r) || err_set(e, ERR_SIGNER_PROTOCOL, "a part of a CRL that is malformed");
}

bool signer_crl(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    bool more = false;
    bool ok = take_part(d, r, n, &more, e);
    if (ok && more) {
        uint8_t answer[16];
        struct writer a = WRITER_ARRAY(answer);
        answer_put(&a, id, 0);
        buf_put(out, writer_slice(&a));
        return true;
    }
    ok = ok && sign_list(d, id, d->crl, out, e);
    crl_build_free(d->crl);
    d->crl = NULL;
    return ok;
}
