/* What is said to a signer, what it answers: the head and, of an issuance, the fields.  What is read is written the same.
 * What its journal has. */
#include "ca/request.h"
#include "core/cbor.h"
#include "fuzz.h"

static void cheap_hmac(struct slice key, struct slice msg, uint8_t out[SHA256_SIZE])
{
    fuzz_crypto.sha256((struct slice[]){key, msg}, 2, out);
}

static void issue(struct reader r, uint64_t id, size_t fields, struct slice whole, uint8_t *buf)
{
    struct issue_request req;
    char claim[CLAIM_TEXT_SIZE + 1];
    issue_request_get(&r, &req);
    if (!reader_end(&r)) {
        HOLDS(req.facts_n <= FACTS_MAX);
        return;
    }
    struct writer w = writer_of(buf, whole.n);
    request_put(&w, id, REQUEST_ISSUE, fields);
    issue_request_put(&w, &req);
    HOLDS(writer_ok(&w) && slice_eq(writer_slice(&w), whole));
    claim_derive(SLICE_LIT("key"), req.profile, req.authority.nonce, req.authority.expires_at, cheap_hmac, claim);
    HOLDS(strlen(claim) == CLAIM_TEXT_SIZE || claim[0] == 0);
}

static void as_request(struct slice s, uint8_t *buf)
{
    struct reader r = reader_of(s);
    uint64_t id;
    enum request_type type;
    size_t fields;
    struct err e = {0};
    if (!request_get(&r, &id, &type, &fields, &e)) {
        HOLDS(e.code == ERR_SIGNER_PROTOCOL);
        return;
    }
    struct writer w = writer_of(buf, s.n);
    request_put(&w, id, type, fields);
    HOLDS(writer_ok(&w) && slice_eq(writer_slice(&w), slice_of(s.p, (size_t)(r.p - s.p))));
    if (type == REQUEST_ISSUE)
        issue(r, id, fields, s, buf);
}

static void as_status(struct slice s, uint8_t *buf)
{
    struct reader r = reader_of(s);
    struct signer_status status;
    signer_status_get(&r, &status);
    if (!reader_end(&r))
        return;
    struct writer w = writer_of(buf, s.n);
    signer_status_put(&w, &status);
    HOLDS(writer_ok(&w) && slice_eq(writer_slice(&w), s));
}

static void as_answer(struct slice s, uint8_t *body)
{
    struct reader r = reader_of(s), again;
    uint8_t buf[1024];
    size_t fields;
    struct err e = {0}, twice = {0};
    if (answer_get(&r, &fields, &e)) {
        struct writer w = WRITER_ARRAY(buf);
        answer_put(&w, 7, fields);
        HOLDS(writer_ok(&w));
        as_status(slice_of(r.p, reader_left(&r)), body);
        while (reader_ok(&r) && reader_left(&r))
            cbor_skip(&r);
        HOLDS(answer_end(&r, &e) == reader_end(&r));
        return;
    }
    HOLDS(e.code != ERR_NONE);
    struct writer w = WRITER_ARRAY(buf);
    answer_put_error(&w, 7, &e);
    HOLDS(writer_ok(&w));
    again = reader_of(writer_slice(&w));
    HOLDS(!answer_get(&again, &fields, &twice));
    HOLDS(twice.code == e.code && strcmp(twice.what, e.what) == 0 && strcmp(twice.hint, e.hint) == 0);
}

static void as_record(struct slice s)
{
    struct reader r;
    enum journal_kind kind;
    int64_t at;
    uint8_t ref[SHA256_SIZE];
    struct err e = {0};
    if (!journal_record_read(s, &r, &kind, &at, &e)) {
        HOLDS(e.code == ERR_JOURNAL);
        return;
    }
    if (journal_record_ref(&fuzz_crypto, kind, &r, ref, &e))
        HOLDS(kind == JOURNAL_CERT || kind == JOURNAL_HEAD || kind == JOURNAL_CRL);
    else
        HOLDS(e.code == ERR_NONE || e.code == ERR_JOURNAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *buf = malloc(n + 1);
    HOLDS(buf != NULL);
    as_request(slice_of(data, n), buf);
    as_answer(slice_of(data, n), buf);
    as_record(slice_of(data, n));
    free(buf);
    return 0;
}
