/* Checkpoints: leaves come in as they are appended; a checkpoint is signed (ledger) or cosigned (issuing) once it is of that
 * tree and names everything that this signer signed. */
#include "base/crash_point.h"
#include "core/cbor.h"
#include "ledger/note.h"
#include "signer/domain.h"

#define VOUCH_LINE_MAX 512

bool signer_leaves(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    uint64_t first = cbor_get_uint(r);
    size_t count = cbor_get_array(r);
    if (n != 2 || !reader_ok(r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "leaves that are malformed");
    if (first != d->cover.tree.size)
        return err_set(e, ERR_CONFLICT, "the next leaf is %llu, not %llu", (unsigned long long)d->cover.tree.size,
                       (unsigned long long)first);
    for (size_t i = 0; i < count; i++) {
        struct slice leaf = cbor_get_bstr(r);
        if (!reader_ok(r))
            return err_set(e, ERR_SIGNER_PROTOCOL, "leaves that are malformed");
        if (!cover_leaf(&d->cover, leaf, e))
            return err_ctx(e, "leaf %llu", (unsigned long long)(first + i));
    }
    if (!reader_end(r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "leaves that are malformed");
    uint8_t answer[32];
    struct writer a = WRITER_ARRAY(answer);
    answer_put(&a, id, 1);
    cbor_put_uint(&a, d->cover.tree.size);
    buf_put(out, writer_slice(&a));
    return true;
}

static bool record_vouch(struct domain *d, const struct checkpoint *c, struct err *e)
{
    uint8_t record[80];
    struct writer w = WRITER_ARRAY(record);
    cbor_put_array(&w, 4);
    cbor_put_uint(&w, JOURNAL_COSIGN);
    cbor_put_int(&w, domain_now(d));
    cbor_put_uint(&w, c->size);
    cbor_put_bstr(&w, slice_of(c->root.b, SHA256_SIZE));
    return domain_record(d, writer_slice(&w), NULL, e);
}

bool signer_cosign(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e)
{
    struct slice text = cbor_get_tstr(r);
    struct checkpoint c;
    struct note_key key;
    if (n != 1 || !reader_end(r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "a checkpoint that is malformed");
    if (!checkpoint_read(text, &c, e))
        return false;
    if (!slice_eq(c.origin, slice_str(d->settings->origin)) || c.extension.n)
        return err_set(e, ERR_POLICY, "a checkpoint of \"%s\", which is not this platform's log", ERR_QUOTE(c.origin));
    if (!cover_check(&d->cover, c.size, &c.root, e))
        return false;
    bool is_log = d->ca_key == NULL;
    uint8_t line[VOUCH_LINE_MAX], answer[VOUCH_LINE_MAX + 32];
    struct writer w = WRITER_ARRAY(line), a = WRITER_ARRAY(answer);
    struct signer signer = key_signer(d->vouch_key);
    if (!note_key_make(d->crypto, d->vouch_name, is_log ? NOTE_ED25519 : NOTE_COSIGNATURE, key_get0_spki(d->vouch_key),
                       &key, e) ||
        !note_sign(&key, &signer, text, domain_now(d), &w, e) || !record_vouch(d, &c, e))
        return false;
    crash_point(is_log ? "signer.vouched-ledger" : "signer.vouched-issuing");
    cover_vouched(&d->cover, c.size, &c.root);
    /* Everything in the journal up to here has its entry. */
    answer_put(&a, id, 2);
    cbor_put_bstr(&a, writer_slice(&w));
    cbor_put_uint(&a, journal_end(d->journal).at);
    buf_put(out, writer_slice(&a));
    return true;
}
