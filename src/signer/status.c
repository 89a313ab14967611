/* What a signer says of itself, and its journal for a server that has to catch up. */
#include "core/cbor.h"
#include "signer/domain.h"

#define JOURNAL_PART_MAX (1u << 20)

bool signer_status(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    uint8_t answer[4096];
    struct writer a = WRITER_ARRAY(answer);
    struct p11_health token = {0};
    if (d->token)
        p11_health(d->token, &token);
    if (n != 0 || !reader_end(r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "a request for the status that is malformed");
    domain_clock(d);
    const struct signer_status status = {
        .domain = slice_str(d->name),
        .leaves = d->cover.tree.size,
        .uncovered = d->cover.open_n,
        .journal_at = journal_end(d->journal).at,
        .vouch_spki = key_get0_spki(d->vouch_key),
        .head_seq = d->head_seq,
        .issued = d->issued,
        .refused = d->refused,
        .signed_at = d->last_time,
        .token = slice_str(d->token ? p11_state_name(token.state) : "none"),
        .fault = slice_str(token.last_fault),
        .clock_off_s = d->clock_off_s,
        .damage = slice_str(d->damage.what),
        .vouched_size = d->cover.vouched_size,
        .forked = d->cover.forked,
        .vouched_root = slice_of(d->cover.vouched_root.b, SHA256_SIZE),
        .root_list = d->root_list.number,
        .root_digest = SLICE_ARRAY(d->root_list.digest),
    };
    answer_put(&a, id, SIGNER_STATUS_FIELDS);
    signer_status_put(&a, &status);
    buf_put(out, writer_slice(&a));
    return writer_ok(&a) || err_set(e, ERR_INTERNAL, "status");
}

struct part {
    struct buf records;
    size_t n;
    uint64_t next;
};

static bool take_record(void *ctx, struct slice record, const struct journal_mark *next, struct err *e)
{
    (void)e;
    struct part *p = ctx;
    /* Only whole batches are given, so that `next` is where one begins. */
    if (p->records.n >= JOURNAL_PART_MAX && next->at != p->next)
        return false;
    uint8_t head[16];
    struct writer w = WRITER_ARRAY(head);
    cbor_put_head(&w, CBOR_BSTR, record.n);
    buf_put(&p->records, writer_slice(&w));
    buf_put(&p->records, record);
    p->n++;
    p->next = next->at;
    return true;
}

bool signer_journal(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    uint64_t from = cbor_get_uint(r);
    if (n != 1 || !reader_end(r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "a request for the journal that is malformed");
    struct part p = {.next = from};
    buf_init(&p.records, REQUEST_FRAME_MAX - 1024);
    bool ok = journal_read(d->journal, from, take_record, &p, e);
    if (ok) {
        uint8_t head[64];
        struct writer a = WRITER_ARRAY(head);
        answer_put(&a, id, 3);
        cbor_put_uint(&a, p.next);
        cbor_put_uint(&a, journal_end(d->journal).at);
        cbor_put_array(&a, p.n);
        buf_put(out, writer_slice(&a));
        buf_put(out, buf_slice(&p.records));
    }
    buf_clear(&p.records);
    return ok;
}

request_handler *const issuing_handlers[REQUEST_TYPES] = {
    [REQUEST_STATUS] = signer_status, [REQUEST_ISSUE] = signer_issue,     [REQUEST_REVOKE] = signer_revoke,
    [REQUEST_HOLD] = signer_hold,     [REQUEST_HEAD] = signer_head,       [REQUEST_SETS] = signer_sets,
    [REQUEST_CRL] = signer_crl,       [REQUEST_LEAVES] = signer_leaves,   [REQUEST_COSIGN] = signer_cosign,
    [REQUEST_CLAIM] = signer_claim,   [REQUEST_JOURNAL] = signer_journal,
};

request_handler *const ledger_handlers[REQUEST_TYPES] = {
    [REQUEST_STATUS] = signer_status,
    [REQUEST_LEAVES] = signer_leaves,
    [REQUEST_COSIGN] = signer_cosign,
    [REQUEST_JOURNAL] = signer_journal,
};
