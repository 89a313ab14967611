#include "ledger/note.h"

#include "base/codec.h"
#include "core/utf8.h"

#include <inttypes.h>
#include <stdio.h>

#define EM_DASH "\xe2\x80\x94"

/* SubjectPublicKeyInfo of Ed25519 up to the key (RFC 8410 section 4). */
static const uint8_t ed25519_spki[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

#define SIGNATURE_SIZE 64

static bool bad_note(struct err *e, const char *what)
{
    err_set(e, ERR_NOTE, "signed note: %s", what);
    return err_why(e, "c2sp.org/signed-note");
}

/* ---- keys ---- */

/* Not empty, no white space of Unicode, no plus (c2sp.org/signed-note, "Verifiers"). */
static bool name_valid(struct slice s)
{
    static const char *const spaces[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8",
                                         "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
    if (s.n == 0 || s.n > NOTE_NAME_MAX || !utf8_valid(s))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] == '+' || s.p[i] == 0x7f)
            return false;
        if (i + 2 < s.n && s.p[i] == 0xe2 && s.p[i + 1] == 0x80 && s.p[i + 2] >= 0x80 && s.p[i + 2] <= 0x8a)
            return false; /* U+2000 to U+200A */
        for (size_t k = 0; k < ARRAY_LEN(spaces); k++) {
            size_t n = strlen(spaces[k]);
            if (s.n - i >= n && memcmp(s.p + i, spaces[k], n) == 0)
                return false;
        }
    }
    return true;
}

static void key_id(const struct crypto *c, struct note_key *k)
{
    uint8_t hash[SHA256_SIZE];
    uint8_t sep[] = {'\n', k->type};
    c->sha256((struct slice[]){slice_str(k->name), SLICE_ARRAY(sep), SLICE_ARRAY(k->pub)}, 3, hash);
    memcpy(k->id, hash, sizeof(k->id));
}

bool note_name_check(const char *name, struct err *e)
{
    if (name_valid(slice_str(name)))
        return true;
    err_set(e, ERR_NOTE, "key name \"%s\" is not one", ERR_QUOTE(slice_str(name)));
    return err_why(e, "c2sp.org/signed-note: not empty, no spaces, no plus");
}

bool note_key_make(const struct crypto *c, const char *name, enum note_key_type type, struct slice spki,
                   struct note_key *out, struct err *e)
{
    struct note_key k = {.type = (uint8_t)type};
    memset(out, 0, sizeof(*out));
    if (!note_name_check(name, e))
        return false;
    if (spki.n != sizeof(ed25519_spki) + sizeof(k.pub) || memcmp(spki.p, ed25519_spki, sizeof(ed25519_spki)) != 0) {
        err_set(e, ERR_POLICY, "key of %s is not Ed25519", ERR_QUOTE(slice_str(name)));
        return err_why(e, "c2sp.org/tlog-checkpoint; RFC 8410 section 4");
    }
    memcpy(k.name, name, strlen(name) + 1);
    memcpy(k.pub, spki.p + sizeof(ed25519_spki), sizeof(k.pub));
    key_id(c, &k);
    *out = k;
    return true;
}

bool note_key_read(const struct crypto *c, struct slice vkey, struct note_key *out, struct err *e)
{
    struct note_key k = {0};
    uint8_t id[4], key[33];
    size_t n;
    memset(out, 0, sizeof(*out));
    const uint8_t *plus = vkey.n ? memchr(vkey.p, '+', vkey.n) : NULL;
    struct slice name = slice_of(vkey.p, plus ? (size_t)(plus - vkey.p) : 0);
    struct slice rest = plus ? slice_of(plus + 1, vkey.n - name.n - 1) : (struct slice){0};
    if (!name_valid(name) || rest.n != 8 + 1 + 44 || rest.p[8] != '+' ||
        !codec_decode(CODEC_HEX, slice_of(rest.p, 8), id, sizeof(id), &n, NULL) ||
        !codec_decode(CODEC_BASE64, slice_of(rest.p + 9, 44), key, sizeof(key), &n, NULL) || n != sizeof(key))
        return bad_note(e, "verifier key is not name+id+base64");
    if (key[0] != NOTE_ED25519 && key[0] != NOTE_COSIGNATURE)
        return bad_note(e, "verifier key is neither Ed25519 nor cosignature/v1");
    memcpy(k.name, name.p, name.n);
    k.type = key[0];
    memcpy(k.pub, key + 1, sizeof(k.pub));
    key_id(c, &k);
    if (memcmp(k.id, id, sizeof(id)) != 0)
        return bad_note(e, "verifier key has another id than its name and key give");
    *out = k;
    return true;
}

bool note_keys_read(const struct crypto *c, struct slice text, struct note_key keys[NOTE_KEYS], struct err *e)
{
    struct slice rest = text, line;
    memset(keys, 0, NOTE_KEYS * sizeof *keys);
    for (size_t i = 0; i < NOTE_KEYS; i++) {
        if (!slice_take_said_line(&rest, &line))
            return bad_note(e, "fewer verifier keys than two");
        if (!note_key_read(c, line, &keys[i], e))
            return false;
    }
    return true;
}

void note_key_write(const struct note_key *k, char out[NOTE_VKEY_MAX])
{
    uint8_t key[33] = {k->type};
    char text[45] = "", id[9] = "";
    memcpy(key + 1, k->pub, sizeof(k->pub));
    if (!codec_encode(CODEC_BASE64, SLICE_ARRAY(key), text, sizeof(text)) ||
        !codec_encode(CODEC_HEX, SLICE_ARRAY(k->id), id, sizeof(id)))
        text[0] = '\0'; /* cannot be: the sizes are fixed */
    snprintf(out, NOTE_VKEY_MAX, "%s+%s+%s", k->name, id, text);
}

void note_key_digest(const struct crypto *c, const struct note_key *k, uint8_t out[SHA256_SIZE])
{
    char text[NOTE_VKEY_MAX];
    note_key_write(k, text);
    struct slice s = slice_str(text);
    c->sha256(&s, 1, out);
}

/* ---- reading ---- */

static bool note_chars(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((s.p[i] < ' ' && s.p[i] != '\n') || s.p[i] == 0x7f)
            return false;
    return utf8_valid(s);
}

static bool sig_read(struct slice line, struct note_sig *out)
{
    if (!slice_take_prefix(&line, SLICE_LIT(EM_DASH " ")))
        return false;
    const uint8_t *space = line.n ? memchr(line.p, ' ', line.n) : NULL;
    if (!space)
        return false;
    out->name = slice_of(line.p, (size_t)(space - line.p));
    out->base64 = slice_of(space + 1, line.n - out->name.n - 1);
    /* Signatures of other kinds may be long (ML-DSA: 2,420 bytes). */
    uint8_t blob[8192];
    size_t n;
    if (!name_valid(out->name) || !codec_decode(CODEC_BASE64, out->base64, blob, sizeof(blob), &n, NULL) || n < 5)
        return false;
    memcpy(out->id, blob, sizeof(out->id));
    return true;
}

bool note_read(struct slice bytes, struct note *out, struct err *e)
{
    struct note *n = out;
    memset(out, 0, sizeof(*out));
    if (bytes.n > NOTE_MAX)
        return bad_note(e, "longer than 65536 bytes");
    if (!note_chars(bytes))
        return bad_note(e, "control characters, or not UTF-8");
    /* The last empty line parts text and signatures. */
    size_t cut = bytes.n;
    while (cut >= 2 && !(bytes.p[cut - 1] == '\n' && bytes.p[cut - 2] == '\n'))
        cut--;
    if (cut < 2)
        return bad_note(e, "no empty line before the signatures");
    if (cut == 2)
        return bad_note(e, "empty text");
    struct slice rest = slice_of(bytes.p + cut, bytes.n - cut), line;
    size_t sigs_n = 0;
    while (rest.n) {
        if (sigs_n == NOTE_SIGS_MAX) {
            memset(out, 0, sizeof(*out));
            return bad_note(e, "more than 64 signatures");
        }
        if (!slice_take_ended_line(&rest, &line) || !sig_read(line, &n->sigs[sigs_n++])) {
            memset(out, 0, sizeof(*out));
            return bad_note(e, "a signature line is not `EM DASH name base64`");
        }
    }
    if (sigs_n == 0)
        return bad_note(e, "no signature");
    n->sigs_n = sigs_n;
    n->text = slice_of(bytes.p, cut - 1);
    n->all = bytes;
    return true;
}

/* ---- signatures ---- */

static struct slice cosign_head(int64_t at, char buf[64])
{
    int n = snprintf(buf, 64, "cosignature/v1\ntime %" PRId64 "\n", at);
    return slice_of(buf, (size_t)n);
}

static bool sig_verify(const struct crypto *c, const struct note_key *k, struct slice text, const struct note_sig *s,
                       int64_t *at, struct err *e)
{
    uint8_t blob[4 + 8 + SIGNATURE_SIZE], spki[sizeof(ed25519_spki) + sizeof(k->pub)];
    bool cosignature = k->type == NOTE_COSIGNATURE;
    size_t n, want = 4 + SIGNATURE_SIZE + (cosignature ? 8 : 0);
    char head[64];
    struct slice parts[2] = {{0}, text};
    struct err why = {0};
    *at = 0;
    if (!codec_decode(CODEC_BASE64, s->base64, blob, sizeof(blob), &n, &why) || n != want)
        return err_set(e, ERR_NOTE_SIG, "signature by %s has another length than its kind", ERR_QUOTE(s->name));
    struct reader r = reader_of(slice_of(blob + 4, n - 4));
    if (cosignature) {
        uint64_t time = reader_u64(&r);
        if (time > INT64_MAX)
            return err_set(e, ERR_NOTE_SIG, "cosignature by %s has no time", ERR_QUOTE(s->name));
        *at = (int64_t)time;
        parts[0] = cosign_head(*at, head);
    }
    memcpy(spki, ed25519_spki, sizeof(ed25519_spki));
    memcpy(spki + sizeof(ed25519_spki), k->pub, sizeof(k->pub));
    if (!c->verify(SIG_EDDSA, SLICE_ARRAY(spki), parts, 2, reader_rest(&r), &why))
        return err_set(e, ERR_NOTE_SIG, "signature by %s does not verify", ERR_QUOTE(s->name));
    return true;
}

bool note_verify(const struct crypto *c, const struct note *n, const struct note_key *keys, size_t keys_n,
                 struct note_signed *by, struct err *e)
{
    memset(by, 0, keys_n * sizeof(*by));
    for (size_t s = 0; s < n->sigs_n; s++) {
        for (size_t k = 0; k < keys_n; k++) {
            if (memcmp(keys[k].id, n->sigs[s].id, 4) != 0 || !slice_eq(slice_str(keys[k].name), n->sigs[s].name))
                continue;
            if (!sig_verify(c, &keys[k], n->text, &n->sigs[s], &by[k].at, e)) {
                memset(by, 0, keys_n * sizeof(*by));
                return err_why(e, "c2sp.org/signed-note: a known key whose signature fails rejects the note");
            }
            by[k].by = true;
        }
    }
    return true;
}

bool note_open(const struct crypto *c, struct slice bytes, const struct note_key *keys, size_t keys_n, struct note *out,
               struct err *e)
{
    struct note_signed by[NOTE_SIGS_MAX];
    memset(out, 0, sizeof(*out));
    if (keys_n > ARRAY_LEN(by))
        return err_set(e, ERR_LIMIT, "%zu keys for one note", keys_n);
    if (!note_read(bytes, out, e))
        return false;
    bool ok = note_verify(c, out, keys, keys_n, by, e);
    for (size_t k = 0; ok && k < keys_n; k++)
        if (!by[k].by)
            ok = err_set(e, ERR_NOTE_SIG, "not signed by %s", keys[k].name);
    if (!ok)
        memset(out, 0, sizeof(*out));
    return ok;
}

bool note_sign(const struct note_key *k, const struct signer *signer, struct slice text, int64_t at, struct writer *w,
               struct err *e)
{
    uint8_t sig[SIG_MAX], blob[4 + 8 + SIGNATURE_SIZE];
    char head[64], line[144];
    struct slice parts[2] = {{0}, text}, out;
    size_t sig_n = 0;
    if (text.n == 0 || text.p[text.n - 1] != '\n' || !note_chars(text))
        return bad_note(e, "text to be signed has no newline at its end, or control characters");
    if (signer->alg != SIG_EDDSA)
        return err_set(e, ERR_POLICY, "%s signs with another algorithm than Ed25519", k->name);
    struct writer b = WRITER_ARRAY(blob);
    writer_put(&b, SLICE_ARRAY(k->id));
    if (k->type == NOTE_COSIGNATURE) {
        parts[0] = cosign_head(at, head);
        writer_u64(&b, (uint64_t)at);
    }
    if (!signer->sign(signer->ctx, parts, 2, sig, &sig_n, e))
        return false;
    writer_put(&b, slice_of(sig, sig_n));
    if (sig_n != SIGNATURE_SIZE || !writer_done(&b, &out) || !codec_encode(CODEC_BASE64, out, line, sizeof(line)))
        return err_set(e, ERR_INTERNAL, "Ed25519 signature of %zu bytes", sig_n);
    writer_put(w, SLICE_LIT(EM_DASH " "));
    writer_put(w, slice_str(k->name));
    writer_put(w, SLICE_LIT(" "));
    writer_put(w, slice_str(line));
    writer_put(w, SLICE_LIT("\n"));
    return writer_ok(w) || err_set(e, ERR_LIMIT, "no room for the signature of %s", k->name);
}

/* ---- checkpoints ---- */

static bool bad_checkpoint(struct err *e, const char *what)
{
    err_set(e, ERR_NOTE, "checkpoint: %s", what);
    return err_why(e, "c2sp.org/tlog-checkpoint");
}

bool checkpoint_read(struct slice text, struct checkpoint *out, struct err *e)
{
    struct checkpoint c = {0};
    struct slice rest = text, size, root, line;
    size_t n;
    *out = c;
    if (!slice_take_ended_line(&rest, &c.origin) || !slice_take_ended_line(&rest, &size) ||
        !slice_take_ended_line(&rest, &root))
        return bad_checkpoint(e, "fewer than three lines");
    if (c.origin.n == 0)
        return bad_checkpoint(e, "no origin");
    if (!slice_take_decimal(&size, UINT64_MAX, &c.size) || size.n)
        return bad_checkpoint(e, "the size is not a decimal number");
    if (root.n != 44 || !codec_decode(CODEC_BASE64, root, c.root.b, sizeof(c.root.b), &n, NULL) || n != SHA256_SIZE)
        return bad_checkpoint(e, "the root is not 32 bytes in base64");
    c.extension = rest;
    while (rest.n)
        if (!slice_take_ended_line(&rest, &line) || line.n == 0)
            return bad_checkpoint(e, "an extension line is empty or has no end");
    *out = c;
    return true;
}

void checkpoint_write(struct writer *w, const struct checkpoint *c)
{
    char text[96], root[48];
    if (!codec_encode(CODEC_BASE64, SLICE_ARRAY(c->root.b), root, sizeof(root)))
        writer_fail(w);
    snprintf(text, sizeof(text), "\n%" PRIu64 "\n%s\n", c->size, root);
    writer_put(w, c->origin);
    writer_put(w, slice_str(text));
    writer_put(w, c->extension);
}
