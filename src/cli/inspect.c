/* kith inspect: what is in a file?  Looks at the bytes, not at the name; trusts nothing and verifies what can be verified by
 * the bytes alone. */
#include <stdlib.h>

#include "base/rfc3339.h"
#include "cli/client.h"
#include "cli/pki.h"
#include "core/cose.h"
#include "core/der.h"
#include "core/revset.h"
#include "core/utf8.h"
#include "keys/crypto.h"
#include "keys/spki.h"
#include "ledger/export.h"
#include "model/device.h"
#include "model/feed.h"
#include "model/token.h"
#include "x509/crl.h"
#include "x509/name.h"
#include "x509/oid_text.h"

#define INSPECT_MAX (256u << 20)
#define OUT_MAX     (64u << 20)
#define ENTRIES_MAX 1000 /* of a list that are shown */
#define BYTES_SHOWN 64
#define DIAG_DEPTH  CBOR_DEPTH_MAX

/* One thing after another, as lines or as JSON. */
struct view {
    bool json;
    struct buf b;
    struct json_out o;
};

/* "not before" is not_before in JSON. */
static const char *json_key_of(const char *key, char dst[32])
{
    size_t i = 0;
    for (; key[i] && i < 31; i++)
        dst[i] = key[i] == ' ' || key[i] == '-' ? '_' : key[i];
    dst[i] = 0;
    return dst;
}
#define JSON_KEY(key) json_key_of((key), (char[32]){0})

static void put_text(struct view *v, const char *key, const char *text)
{
    if (v->json)
        json_out_text(&v->o, JSON_KEY(key), text);
    else
        buf_printf(&v->b, "%-14s %s\n", key, text);
}

static void put_int(struct view *v, const char *key, int64_t n)
{
    if (v->json)
        json_out_int(&v->o, JSON_KEY(key), n);
    else
        buf_printf(&v->b, "%-14s %lld\n", key, (long long)n);
}

static void put_bytes(struct view *v, const char *key, struct slice s)
{
    AUTO(buf_clear) struct buf hex = {0};
    buf_init(&hex, INSPECT_MAX);
    codec_put(&hex, CODEC_HEX, s);
    put_text(v, key, buf_str(&hex));
}

/* Text from outside: escaped. */
static void put_slice(struct view *v, const char *key, struct slice s)
{
    if (v->json)
        json_out_slice(&v->o, JSON_KEY(key), s);
    else
        put_text(v, key, ERR_QUOTE(s));
}

static void put_time(struct view *v, const char *key, int64_t at)
{
    put_text(v, key, RFC3339(at));
}

static void put_digest(struct view *v, struct slice s)
{
    uint8_t digest[SHA256_SIZE];
    sha256(s, digest);
    put_bytes(v, "sha256", SLICE_ARRAY(digest));
}

static void put_verdict(struct view *v, const char *key, bool ok, const struct err *e)
{
    put_text(v, key, ok ? "good" : e->what);
}

static void put_name(struct view *v, const char *key, struct slice name)
{
    char text[NAME_TEXT_MAX];
    put_text(v, key, name_is_empty(name) ? "(empty)" : name_quote(name, text, sizeof text));
}

static void put_words(struct view *v, const char *key, uint32_t set, const char *const *names,
                      uint32_t (*from_name)(struct slice))
{
    AUTO(buf_clear) struct buf b = {0};
    buf_init(&b, 1024);
    for (size_t i = 0; names[i]; i++)
        if (set & from_name(slice_str(names[i])))
            buf_printf(&b, "%s%s", b.n ? ", " : "", names[i]);
    if (b.n)
        put_text(v, key, buf_str(&b));
}

static void put_san(struct view *v, struct slice general_names)
{
    struct san san[SAN_COUNT_MAX];
    size_t n = 0;
    uint8_t text[4096];
    struct writer w = WRITER_ARRAY(text);
    struct err ignored;
    if (!general_names.n || !san_read(general_names, san, SAN_COUNT_MAX, &n, &ignored))
        return;
    for (size_t i = 0; i < n; i++) {
        writer_put(&w, i ? SLICE_LIT(", ") : SLICE_LIT(""));
        san_text(&w, &san[i]);
    }
    put_slice(v, "names", writer_slice(&w));
}

static void put_key(struct view *v, struct slice spki)
{
    struct spki key;
    struct err e;
    const char *name = key_type_name(key_type_of_spki(spki));
    if (!spki_read(spki, &key, &e))
        put_text(v, "key", e.what);
    else if (key.family == SPKI_RSA)
        put_int(v, "rsa bits", key.rsa_bits);
    else
        put_text(v, "key", name ? name : "unknown");
    uint8_t digest[SHA256_SIZE];
    sha256(spki, digest);
    put_bytes(v, "key sha256", SLICE_ARRAY(digest));
}

/* ---- X.509 ---- */

static bool view_cert(struct view *v, struct slice der)
{
    struct cert c;
    struct err e;
    if (!cert_read(der, &c, &e))
        return false;
    put_text(v, "type", "certificate");
    put_name(v, "subject", c.subject);
    put_name(v, "issuer", c.issuer);
    put_bytes(v, "serial", c.serial);
    put_time(v, "not before", c.not_before);
    if (c.not_after == DER_TIME_NEVER)
        put_text(v, "not after", "never (99991231235959Z)");
    else
        put_time(v, "not after", c.not_after);
    put_key(v, c.spki);
    put_text(v, "signed with", c.sig_alg ? alg_name(c.sig_alg) : "an algorithm that is not known");
    put_san(v, c.san);
    if (c.is_ca)
        put_int(v, "ca path length", c.path_len);
    put_words(v, "key usage", c.key_usage, ku_names, ku_from_name);
    put_words(v, "ext key usage", c.eku, eku_names, eku_from_name);
    if (c.crl_url.n)
        put_slice(v, "crl", c.crl_url);
    if (cert_is_self_issued(&c))
        put_verdict(v, "self-signature", cert_verify(&crypto_openssl, &c, c.spki, &e), &e);
    put_digest(v, der);
    return true;
}

static bool view_csr(struct view *v, struct slice der)
{
    struct csr c;
    struct err e;
    if (!csr_read(der, &c, &e))
        return false;
    put_text(v, "type", "certificate request");
    put_name(v, "subject", c.subject);
    put_key(v, c.spki);
    put_san(v, c.san);
    put_words(v, "key usage", c.key_usage, ku_names, ku_from_name);
    put_words(v, "ext key usage", c.eku, eku_names, eku_from_name);
    if (c.challenge.n)
        put_text(v, "challenge", "(there is one; not shown)");
    put_verdict(v, "possession", csr_verify(&crypto_openssl, &c, &e), &e);
    put_digest(v, der);
    return true;
}

static void put_revoked(struct view *v, const struct crl *c)
{
    struct reader r = reader_of(c->entries);
    struct crl_entry en;
    size_t n = 0;
    if (v->json)
        json_out_list(&v->o, "revoked");
    for (; crl_next(&r, &en); n++) {
        if (n >= ENTRIES_MAX)
            continue;
        if (v->json)
            json_out_map(&v->o, NULL);
        put_bytes(v, "serial", en.serial);
        put_time(v, v->json ? "at" : "  at", en.revoked_at);
        put_text(v, v->json ? "reason" : "  reason", revocation_reason_name(en.reason));
        if (v->json)
            json_out_end(&v->o);
    }
    if (v->json)
        json_out_end(&v->o);
    put_int(v, "entries", (int64_t)n);
    if (!reader_end(&r))
        put_text(v, "fault", "an entry is malformed");
}

static bool view_crl(struct view *v, struct slice der)
{
    struct crl c;
    struct err e;
    if (!crl_read(der, &c, &e))
        return false;
    put_text(v, "type", "certificate revocation list");
    put_name(v, "issuer", c.issuer);
    put_time(v, "this update", c.this_update);
    if (c.next_update)
        put_time(v, "next update", c.next_update);
    if (c.has_number)
        put_int(v, "number", (int64_t)c.number);
    if (c.idp_uri.n)
        put_slice(v, "covers", c.idp_uri);
    put_text(v, "signed with", c.sig_alg ? alg_name(c.sig_alg) : "an algorithm that is not known");
    put_revoked(v, &c);
    put_digest(v, der);
    return true;
}

/* ---- CBOR as diagnostic notation (RFC 8949 section 8) ---- */

static void diag(struct buf *b, struct reader *r, unsigned depth);

static void diag_bytes(struct buf *b, struct slice s)
{
    buf_put_str(b, "h'");
    codec_put(b, CODEC_HEX, slice_of(s.p, s.n < BYTES_SHOWN ? s.n : BYTES_SHOWN));
    buf_put_char(b, '\'');
    if (s.n > BYTES_SHOWN)
        buf_printf(b, " /... %zu bytes/", s.n);
}

static void diag_items(struct buf *b, struct reader *r, uint64_t n, bool map, unsigned depth)
{
    buf_put_char(b, map ? '{' : '[');
    for (uint64_t i = 0; i < n && reader_ok(r) && buf_ok(b); i++) {
        buf_put_str(b, i ? ", " : "");
        diag(b, r, depth + 1);
        if (map) {
            buf_put_str(b, ": ");
            diag(b, r, depth + 1);
        }
    }
    buf_put_char(b, map ? '}' : ']');
}

static void diag(struct buf *b, struct reader *r, unsigned depth)
{
    enum cbor_type type = cbor_peek(r);
    if (depth > DIAG_DEPTH) {
        reader_fail(r);
        return;
    }
    if (type == CBOR_BSTR) {
        diag_bytes(b, cbor_get_bstr(r));
        return;
    }
    if (type == CBOR_TSTR) {
        json_out_put_string(b, cbor_get_tstr(r));
        return;
    }
    uint64_t n = cbor_get_head(r, &type);
    if (type == CBOR_UINT)
        buf_printf(b, "%llu", (unsigned long long)n);
    else if (type == CBOR_NINT)
        buf_printf(b, n == UINT64_MAX ? "-18446744073709551616" : "-%llu", (unsigned long long)n + 1);
    else if (type == CBOR_ARRAY || type == CBOR_MAP)
        diag_items(b, r, n, type == CBOR_MAP, depth);
    else if (type == CBOR_SIMPLE)
        buf_put_str(b, n == 20 ? "false" : n == 21 ? "true" : "null");
    else if (type == CBOR_TAG) {
        buf_printf(b, "%llu(", (unsigned long long)n);
        diag(b, r, depth + 1);
        buf_put_char(b, ')');
    }
}

static void put_diag(struct view *v, const char *key, struct slice cbor)
{
    AUTO(buf_clear) struct buf b = {0};
    struct reader r = reader_of(cbor);
    buf_init(&b, OUT_MAX / 2);
    diag(&b, &r, 0);
    put_text(v, key, buf_str(&b));
}

static bool view_cbor(struct view *v, struct slice s)
{
    if (!cbor_valid(s))
        return false;
    put_text(v, "type", "CBOR, deterministic");
    put_diag(v, "content", s);
    put_digest(v, s);
    return true;
}

/* ---- COSE, feed heads ---- */

static void put_head(struct view *v, struct slice payload)
{
    static const char *const names[] = {"version", "origin", "number", "before", "time", "next"};
    struct reader r = reader_of(payload);
    if (cbor_get_array(&r) != 7)
        return;
    for (size_t i = 0; i < ARRAY_LEN(names) && reader_ok(&r); i++) {
        enum cbor_type t = cbor_peek(&r);
        if (t == CBOR_TSTR)
            put_slice(v, names[i], cbor_get_tstr(&r));
        else if (t == CBOR_BSTR)
            put_bytes(v, names[i], cbor_get_bstr(&r));
        else if (i >= 4)
            put_time(v, names[i], (int64_t)cbor_get_uint_max(&r, INT64_MAX));
        else
            put_int(v, names[i], (int64_t)cbor_get_uint_max(&r, INT64_MAX));
    }
    put_int(v, "shards", (int64_t)cbor_get_array(&r));
}

static bool view_cose(struct view *v, struct slice s)
{
    struct cose_sign1 m;
    struct err e;
    if (!cose_read_sign1(s, &m, &e))
        return false;
    bool head = slice_eq(m.content_type, SLICE_LIT(FEED_CONTENT_TYPE));
    put_text(v, "type", head ? "head of the revocation feed (COSE_Sign1)" : "COSE_Sign1");
    put_text(v, "signed with", alg_name(m.alg) ? alg_name(m.alg) : "an algorithm that is not known");
    if (m.content_type.n)
        put_slice(v, "content type", m.content_type);
    if (m.kid.n)
        put_bytes(v, "key id", m.kid);
    put_diag(v, "protected", m.protected_map);
    if (m.detached)
        put_text(v, "payload", "detached");
    else if (head)
        put_head(v, m.payload);
    else if (cbor_valid(m.payload))
        put_diag(v, "payload", m.payload);
    else
        put_bytes(v, "payload", m.payload);
    put_digest(v, s);
    return true;
}

/* ---- ledger ---- */

static void put_signers(struct view *v, const struct note *n)
{
    if (v->json)
        json_out_list(&v->o, "signatures");
    for (size_t i = 0; i < n->sigs_n; i++) {
        const struct note_sig *s = &n->sigs[i];
        if (v->json)
            json_out_slice(&v->o, NULL, s->name);
        else
            put_slice(v, "signed by", s->name);
    }
    if (v->json)
        json_out_end(&v->o);
}

static bool view_note(struct view *v, struct slice s)
{
    struct note n;
    struct checkpoint c;
    struct err e;
    if (!note_read(s, &n, &e))
        return false;
    if (checkpoint_read(n.text, &c, &e)) {
        put_text(v, "type", "checkpoint of a log (C2SP signed note)");
        put_slice(v, "origin", c.origin);
        put_int(v, "entries", (int64_t)c.size);
        put_bytes(v, "root", SLICE_ARRAY(c.root.b));
    } else {
        put_text(v, "type", "signed note (C2SP)");
        put_slice(v, "text", n.text);
    }
    put_signers(v, &n);
    put_text(v, "signatures are", "not checked: kith ledger verify does it");
    return true;
}

static struct slice take_line(struct slice *rest)
{
    const uint8_t *end = memchr(rest->p, '\n', rest->n);
    struct slice line = slice_of(rest->p, end ? (size_t)(end - rest->p) : rest->n);
    size_t used = line.n + (end != NULL);
    *rest = slice_of(rest->p + used, rest->n - used);
    return line;
}

static bool view_export(struct view *v, struct slice s)
{
    size_t magic = strlen(EXPORT_MAGIC);
    if (s.n < magic || memcmp(s.p, EXPORT_MAGIC, magic) != 0)
        return false;
    put_text(v, "type", "export of a ledger");
    struct slice rest = slice_of(s.p + magic, s.n - magic);
    if (v->json)
        json_out_list(&v->o, "keys");
    while (rest.n > 4 && memcmp(rest.p, "key ", 4) == 0) {
        struct slice line = take_line(&rest);
        line = slice_of(line.p + 4, line.n - 4);
        if (v->json)
            json_out_slice(&v->o, NULL, line);
        else
            put_slice(v, "key", line);
    }
    if (v->json)
        json_out_end(&v->o);
    struct slice line = take_line(&rest);
    size_t n = 0;
    for (size_t i = 5; i < line.n && line.p[i] >= '0' && line.p[i] <= '9' && n < NOTE_MAX; i++)
        n = 10 * n + (size_t)(line.p[i] - '0');
    struct note note;
    struct checkpoint c;
    struct err e;
    if (n <= rest.n && note_read(slice_of(rest.p, n), &note, &e) && checkpoint_read(note.text, &c, &e)) {
        put_slice(v, "origin", c.origin);
        put_int(v, "entries", (int64_t)c.size);
        put_bytes(v, "root", SLICE_ARRAY(c.root.b));
        put_signers(v, &note);
    } else {
        put_text(v, "fault", "its checkpoint is malformed");
    }
    put_int(v, "bytes", (int64_t)s.n);
    put_text(v, "signatures are", "not checked: kith ledger verify --export does it");
    return true;
}

/* ---- the others ---- */

static bool view_revset(struct view *v, struct slice s)
{
    struct revset set;
    struct err e;
    uint32_t index;
    AUTO(buf_clear) struct buf b = {0};
    if (!revset_open(s, &set, &e))
        return false;
    put_text(v, "type", "revocation set");
    put_int(v, "universe", set.universe);
    put_int(v, "members", set.count);
    put_int(v, "bytes", (int64_t)s.n);
    buf_init(&b, OUT_MAX / 4);
    struct revset_iter it = revset_iter(&set);
    for (size_t i = 0; i < ENTRIES_MAX && revset_next(&it, &index); i++)
        buf_printf(&b, "%s%u", i ? ", " : "", index);
    if (b.n)
        put_text(v, set.count > ENTRIES_MAX ? "first members" : "indexes", buf_str(&b));
    put_digest(v, s);
    return true;
}

static bool view_token(struct view *v, struct slice s)
{
    while (s.n && (s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    struct token t;
    struct err e;
    if (!token_parse(s, &t, &e))
        return false;
    put_text(v, "type", "enrolment token (secret: it is worth a device's identity)");
    put_text(v, "url", t.url);
    put_bytes(v, "root sha256", slice_of(t.root_sha256, SHA256_SIZE));
    put_text(v, "device", t.device);
    return true;
}

/* Binary forms; the order matters: what has a signature of its own first. */
static bool view_bytes(struct view *v, struct slice s)
{
    return view_cert(v, s) || view_csr(v, s) || view_crl(v, s) || view_cose(v, s) || view_revset(v, s) ||
           view_cbor(v, s);
}

static void next_thing(struct view *v, size_t i)
{
    if (v->json)
        json_out_map(&v->o, NULL);
    else if (i)
        buf_put_char(&v->b, '\n');
}

/* A certificate that cannot be read says why: so do the others of a PEM block. */
static void view_unknown(struct view *v, const char *label, struct slice der)
{
    struct cert c;
    struct csr r;
    struct crl l;
    struct err e = {0};
    put_text(v, "type", label);
    bool ok = strcmp(label, "CERTIFICATE") == 0           ? cert_read(der, &c, &e)
              : strcmp(label, "CERTIFICATE REQUEST") == 0 ? csr_read(der, &r, &e)
              : strcmp(label, "X509 CRL") == 0            ? crl_read(der, &l, &e)
                                                          : err_set(&e, ERR_SYNTAX, "not looked into");
    if (!ok)
        put_text(v, "fault", e.what);
    put_int(v, "bytes", (int64_t)der.n);
}

static bool view_pem(struct view *v, struct slice text, struct err *e)
{
    char label[64];
    struct slice base64;
    size_t i = 0, n;
    while (pki_pem_block(&text, label, sizeof label, &base64)) {
        AUTO(buf_wipe) struct buf der = {0};
        buf_init(&der, INSPECT_MAX);
        char *space = buf_space(&der, base64.n + 4);
        bool secret = strstr(label, "PRIVATE KEY");
        next_thing(v, i++);
        if (secret)
            put_text(v, "type", "private key (not looked into)");
        else if (!space || !codec_decode_lines(base64, space, base64.n + 4, &n, e))
            put_text(v, "fault", e->what);
        else if (!view_bytes(v, slice_of(space, n)))
            view_unknown(v, label, slice_of(space, n));
        if (v->json)
            json_out_end(&v->o);
    }
    return i > 0;
}

/* DER in base64 without PEM's lines, as EST and many logs have it.  Only what is a thing of X.509: CBOR fits anything. */
static bool view_base64(struct view *v, struct slice text)
{
    AUTO(buf_clear) struct buf der = {0};
    struct err ignored;
    size_t n;
    if (text.n < 64 || memcmp(text.p, "MI", 2) != 0)
        return false;
    buf_init(&der, INSPECT_MAX);
    char *space = buf_space(&der, text.n + 4);
    if (!space || !codec_decode_lines(text, space, text.n + 4, &n, &ignored))
        return false;
    struct slice s = slice_of(space, n);
    return view_cert(v, s) || view_csr(v, s) || view_crl(v, s);
}

static bool view_any(struct view *v, struct slice s, struct err *e)
{
    if (view_pem(v, s, e))
        return true;
    next_thing(v, 0);
    bool ok = view_export(v, s) || view_note(v, s) || view_token(v, s) || view_base64(v, s) || view_bytes(v, s);
    if (v->json)
        json_out_end(&v->o);
    if (ok)
        return true;
    err_set(e, ERR_SYNTAX, "none of the forms that are known here");
    return err_try(e, "certificate, CSR, CRL (PEM or DER), CBOR, COSE, checkpoint, ledger export, revocation set");
}

static bool run_inspect(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    AUTO(buf_clear) struct buf file = {0};
    struct view v = {.json = cli->g.json};
    (void)opts;
    buf_init(&file, INSPECT_MAX);
    if (!cli_read_input(words->v[0], &file, e))
        return false;
    buf_init(&v.b, OUT_MAX);
    v.o = json_out_of(&v.b);
    if (v.json) {
        json_out_map(&v.o, NULL);
        json_out_int(&v.o, "v", 1);
        json_out_list(&v.o, "things");
    }
    bool ok = view_any(&v, buf_slice(&file), e) || err_ctx(e, "%s", words->v[0]);
    if (v.json) {
        json_out_end(&v.o);
        json_out_end(&v.o);
        buf_put_char(&v.b, '\n');
    }
    ok = ok && cli_write(cli, &v.b, e);
    buf_clear(&v.b);
    return ok;
}

const struct verb inspect_verbs[] = {
    {"inspect", "FILE",
     "what is in a file: certificate, CSR, CRL, CBOR, COSE, checkpoint, ledger export, ...\n"
     "PEM or binary; - is standard input. Nothing is trusted; private keys are not looked into.",
     NULL, 0, 1, 1, 1, run_inspect},
};
const size_t inspect_verbs_n = ARRAY_LEN(inspect_verbs);
