/* A statement that is read is written the same; one that verifies names a device, its end and a place in the tree. */
#include "fuzz.h"
#include "keys/crypto.h"
#include "ledger/statement.h"

/* Signatures hold, so that mutations reach what stands behind them; hashes are real, for the seeds were made with them. */
static bool verify(enum sig_alg alg, struct slice spki, const struct slice *parts, size_t n, struct slice sig,
                   struct err *e)
{
    (void)alg, (void)spki, (void)parts, (void)n, (void)sig, (void)e;
    return true;
}

static void write_again(const struct statement *s, struct slice file)
{
    struct merkle_proof proof = {.n = s->path_n / SHA256_SIZE};
    AUTO(buf_clear) struct buf again = {0};
    buf_init(&again, STATEMENT_MAX);
    memcpy(proof.path, s->path, s->path_n);
    statement_write(&again, &s->kept, s->index, &proof, s->note);
    HOLDS(buf_ok(&again) && slice_eq(buf_slice(&again), file));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct crypto crypto = {.verify = verify};
    static struct note_key log;
    struct slice file = slice_of(data, n);
    struct statement s;
    struct err e = {0};
    AUTO(buf_clear) struct buf extra = {0};
    if (!crypto.sha256) {
        HOLDS(crypto_init(&e));
        crypto.sha256 = crypto_openssl.sha256;
        HOLDS(note_key_read(&crypto, SLICE_LIT("log+959c93b5+AQABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"), &log, &e));
    }
    if (!statement_read(&crypto, file, &extra, &s, &e)) {
        HOLDS(e.code != ERR_NONE && !s.note.n && !s.path_n);
        return 0;
    }
    write_again(&s, file);
    HOLDS(!statement_verify(&crypto, &s, NULL, 0, &e));
    if (statement_verify(&crypto, &s, &log, 1, &e))
        HOLDS(statement_device(&s).n && statement_state(&s) && s.index < s.checkpoint.size);
    return 0;
}
