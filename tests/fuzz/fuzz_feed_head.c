/* A head of the feed as a signed message, or its payload alone, which is then signed here: what is read is written again
 * and must be the same payload.  And a delta by itself. */
#include "core/cose.h"
#include "fuzz.h"
#include "model/feed.h"

#define ROWS_MAX 64

static const struct signer signer = {.alg = SIG_EDDSA, .sign = fuzz_sign};
static const struct slice none;

static void same_again(struct slice payload, const struct feed_head *h, const uint8_t hash[SHA256_SIZE])
{
    static struct feed_row rows[ROWS_MAX];
    struct feed_row row;
    struct cose_sign1 m;
    struct err e = {0};
    size_t n = 0, cap = feed_head_payload_max(ROWS_MAX);
    uint8_t *scratch = malloc(cap), *out = malloc(cap + SIG_MAX + 256), again[SHA256_SIZE];
    HOLDS(scratch && out);
    for (struct reader r = feed_rows(h); n < ROWS_MAX && feed_row_next(&r, &rows[n]); n++) {
        HOLDS(feed_row_find(h, rows[n].key, &row));
        HOLDS(row.universe == rows[n].universe);
    }
    if (n == h->row_n) {
        struct writer w = writer_of(out, cap + SIG_MAX + 256);
        HOLDS(feed_head_write(&w, &signer, &fuzz_crypto, h, rows, n, scratch, cap, again, &e));
        HOLDS(memcmp(again, hash, SHA256_SIZE) == 0);
        HOLDS(cose_read_sign1(writer_slice(&w), &m, &e) && slice_eq(m.payload, payload));
        if (n > 1) { /* rows that do not ascend */
            struct writer x = writer_counting();
            rows[0] = rows[1];
            HOLDS(!feed_head_write(&x, &signer, &fuzz_crypto, h, rows, n, scratch, cap, again, &e));
        }
        struct writer y = writer_counting();
        HOLDS(!feed_head_write(&y, &signer, &fuzz_crypto, h, rows, n, scratch, 8, again, &e));
    }
    HOLDS(!feed_row_find(h, (struct feed_key){.issuer = 255, .node = 255, .shard = 0xffff}, &row) || row.universe);
    free(scratch);
    free(out);
}

static void as_payload(struct slice s, const char *type)
{
    uint8_t *out = malloc(s.n + SIG_MAX + 256), hash[SHA256_SIZE];
    struct writer w = writer_of(out, s.n + SIG_MAX + 256);
    struct feed_head h;
    struct err e = {0};
    HOLDS(cose_write_sign1(&w, &signer, &(struct cose_opts){.content_type = type}, s, &e));
    if (feed_head_read(writer_slice(&w), &fuzz_crypto, none, SIG_EDDSA, &h, hash, &e))
        same_again(s, &h, hash);
    else
        HOLDS(h.seq == 0 && h.rows.p == NULL);
    free(out);
}

static size_t list_of(struct slice list, uint32_t *out, size_t cap)
{
    size_t n = 0;
    for (struct reader r = feed_indexes(list); n < cap && feed_index_next(&r, &out[n]);)
        n++;
    return n;
}

static void as_delta(struct slice s)
{
    struct feed_delta d;
    struct feed_delta_row row;
    struct err e = {0};
    if (!feed_delta_read(s, &d, &e)) {
        HOLDS(e.code == ERR_FEED);
        return;
    }
    uint32_t *lists = calloc(3 * s.n + 3, sizeof *lists);
    uint8_t *out = malloc(s.n);
    HOLDS(lists && out);
    struct writer w = writer_of(out, s.n);
    feed_delta_begin(&w, d.seq, d.row_n);
    for (struct reader r = feed_delta_rows(&d); feed_delta_row_next(&r, &row);) {
        struct feed_indexes l[3];
        const struct slice in[3] = {row.revoked, row.held, row.released};
        for (size_t i = 0; i < 3; i++)
            l[i] = (struct feed_indexes){lists + i * s.n, list_of(in[i], lists + i * s.n, s.n)};
        feed_delta_row_put(&w, row.key, row.universe, l[0], l[1], l[2]);
    }
    HOLDS(writer_ok(&w) && slice_eq(writer_slice(&w), s));
    free(lists);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n);
    struct feed_head h;
    struct err e = {0};
    uint8_t hash[SHA256_SIZE];
    struct cose_sign1 m;
    if (feed_head_read(s, &fuzz_crypto, none, SIG_EDDSA, &h, hash, &e)) {
        HOLDS(cose_read_sign1(s, &m, &e));
        same_again(m.payload, &h, hash);
    }
    as_payload(s, FEED_CONTENT_TYPE);
    as_payload(s, "application/cbor");
    as_delta(s);
    return 0;
}
