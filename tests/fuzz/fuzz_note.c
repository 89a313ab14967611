/* What is read as a note, checkpoint or verifier key and written again is the same. */
#include "fuzz.h"
#include "ledger/note.h"

#define SIGNATURE 64

static bool sign(void *ctx, const struct slice *parts, size_t n, uint8_t *sig, size_t *sig_n, struct err *e)
{
    (void)ctx;
    (void)e;
    fuzz_crypto.sha256(parts, n, sig);
    fuzz_crypto.sha256(&(struct slice){sig, SHA256_SIZE}, 1, sig + SHA256_SIZE);
    *sig_n = SIGNATURE;
    return true;
}

static bool verify(enum sig_alg alg, struct slice spki, const struct slice *parts, size_t n, struct slice sig,
                   struct err *e)
{
    uint8_t want[SIGNATURE];
    size_t want_n;
    (void)alg, (void)spki;
    return (sign(NULL, parts, n, want, &want_n, e) && slice_eq(sig, SLICE_ARRAY(want))) ||
           err_set(e, ERR_CRYPTO, "signature");
}

static const struct crypto crypto = {.verify = verify};

/* A text that we sign twice over is a note that we open; changed, it is not. */
static void sign_and_open(struct slice text, struct slice name)
{
    static const uint8_t spki[44] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 1};
    struct crypto c = {.sha256 = fuzz_crypto.sha256, .verify = crypto.verify};
    const struct signer signer = {.alg = SIG_EDDSA, .sign = sign}, wrong = {.alg = SIG_ES256, .sign = sign};
    struct note_key keys[3], bad;
    struct note n;
    struct err e = {0};
    char label[NOTE_NAME_MAX + 1] = "";
    if (name.n < sizeof label && !memchr(name.p, 0, name.n))
        memcpy(label, name.p, name.n);
    HOLDS(!note_key_make(&c, "a b", NOTE_ED25519, SLICE_ARRAY(spki), &bad, &e));
    HOLDS(!note_key_make(&c, "a", NOTE_ED25519, slice_of(spki, 43), &bad, &e));
    if (!note_key_make(&c, label, NOTE_ED25519, SLICE_ARRAY(spki), &keys[0], &e))
        HOLDS(note_key_make(&c, "log", NOTE_ED25519, SLICE_ARRAY(spki), &keys[0], &e));
    HOLDS(note_key_make(&c, "witness", NOTE_COSIGNATURE, SLICE_ARRAY(spki), &keys[1], &e));
    HOLDS(note_key_make(&c, "absent", NOTE_ED25519, SLICE_ARRAY(spki), &keys[2], &e));
    char vkey[NOTE_VKEY_MAX];
    uint8_t digest[SHA256_SIZE], own[SHA256_SIZE];
    for (size_t i = 0; i < 2; i++) {
        note_key_write(&keys[i], vkey);
        note_key_digest(&c, &keys[i], digest);
        c.sha256(&(struct slice){(const uint8_t *)vkey, strlen(vkey)}, 1, own);
        HOLDS(memcmp(digest, own, sizeof own) == 0);
        HOLDS(note_key_read(&c, slice_str(vkey), &bad, &e) && memcmp(&bad, &keys[i], sizeof bad) == 0);
    }
    size_t cap = text.n + 3 * NOTE_LINE_MAX;
    uint8_t *out = malloc(cap);
    HOLDS(out != NULL);
    struct writer w = writer_of(out, cap), tight = writer_of(out, 10);
    writer_put(&w, text);
    writer_u8(&w, '\n');
    HOLDS(!note_sign(&keys[0], &wrong, text, 0, &tight, &e));
    if (note_sign(&keys[0], &signer, text, 0, &w, &e) && note_sign(&keys[1], &signer, text, 1795435200, &w, &e) &&
        note_open(&c, writer_slice(&w), keys, 2, &n, &e)) {
        HOLDS(n.sigs_n >= 2);
        HOLDS(!note_open(&c, writer_slice(&w), keys, 3, &n, &e));
        out[0] ^= 1;
        HOLDS(!note_open(&c, writer_slice(&w), keys, 2, &n, &e));
        out[0] ^= 1;
        HOLDS(!note_sign(&keys[0], &signer, text, 0, &tight, &e));
    }
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice s = slice_of(data, n);
    struct err e = {0};
    struct note note;
    struct checkpoint c;
    struct note_key k;
    uint8_t buf[NOTE_MAX + 256];
    char vkey[NOTE_VKEY_MAX];
    if (note_read(s, &note, &e)) {
        HOLDS(note.sigs_n > 0 && note.text.n > 1 && note.text.p[note.text.n - 1] == '\n');
        HOLDS(note.text.p == data && note.all.n == n);
        if (checkpoint_read(note.text, &c, &e)) {
            struct writer w = writer_of(buf, sizeof buf);
            checkpoint_write(&w, &c);
            HOLDS(slice_eq(writer_slice(&w), note.text));
        }
    } else {
        HOLDS(e.code == ERR_NOTE && note.sigs_n == 0);
    }
    sign_and_open(s, slice_of(data, n < 8 ? n : 8));
    struct note_key both[NOTE_KEYS];
    struct slice rest = s, line;
    while (slice_take_said_line(&rest, &line))
        HOLDS(line.n && line.p[0] != '#');
    HOLDS(note_keys_read(&fuzz_crypto, s, both, &e) || e.code != ERR_NONE);
    if (note_key_read(&fuzz_crypto, s, &k, &e)) {
        note_key_write(&k, vkey);
        HOLDS(slice_eq(slice_str(vkey), s));
        note.sigs_n = 0;
        (void)!note_open(&fuzz_crypto, s, &k, 1, &note, &e);
    }
    return 0;
}
