/* kith inspect: what is in a file?  Looks at the bytes, not at the name; trusts nothing and verifies what can be verified by
 * the bytes alone. */
#include <stdlib.h>

#include "base/pem.h"
#include "base/rfc3339.h"
#include "ca/profile.h"
#include "cli/client.h"
#include "cli/pki.h"
#include "cli/view.h"
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
    view_put_text(v, key, buf_str(&b));
}

static bool view_cbor(struct view *v, struct slice s)
{
    if (!cbor_valid(s))
        return false;
    view_put_text(v, "type", "CBOR, deterministic");
    put_diag(v, "content", s);
    view_put_digest(v, s);
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
            view_put_slice(v, names[i], cbor_get_tstr(&r));
        else if (t == CBOR_BSTR)
            view_put_bytes(v, names[i], cbor_get_bstr(&r));
        else if (i >= 4)
            view_put_time(v, names[i], (int64_t)cbor_get_uint_max(&r, INT64_MAX));
        else
            view_put_int(v, names[i], (int64_t)cbor_get_uint_max(&r, INT64_MAX));
    }
    view_put_int(v, "shards", (int64_t)cbor_get_array(&r));
}

static bool view_cose(struct view *v, struct slice s)
{
    struct cose_sign1 m;
    struct err e;
    if (!cose_read_sign1(s, &m, &e))
        return false;
    bool head = slice_eq(m.content_type, SLICE_LIT(FEED_CONTENT_TYPE));
    view_put_text(v, "type", head ? "head of the revocation feed (COSE_Sign1)" : "COSE_Sign1");
    view_put_text(v, "signed with", alg_name(m.alg) ? alg_name(m.alg) : "an algorithm that is not known");
    if (m.content_type.n)
        view_put_slice(v, "content type", m.content_type);
    if (m.kid.n)
        view_put_bytes(v, "key id", m.kid);
    put_diag(v, "protected", m.protected_map);
    if (m.detached)
        view_put_text(v, "payload", "detached");
    else if (head)
        put_head(v, m.payload);
    else if (cbor_valid(m.payload))
        put_diag(v, "payload", m.payload);
    else
        view_put_bytes(v, "payload", m.payload);
    view_put_digest(v, s);
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
            view_put_slice(v, "signed by", s->name);
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
        view_put_text(v, "type", "checkpoint of a log (C2SP signed note)");
        view_put_slice(v, "origin", c.origin);
        view_put_int(v, "entries", (int64_t)c.size);
        view_put_bytes(v, "root", SLICE_ARRAY(c.root.b));
    } else {
        view_put_text(v, "type", "signed note (C2SP)");
        view_put_slice(v, "text", n.text);
    }
    put_signers(v, &n);
    view_put_text(v, "signatures are", "not checked: kith ledger verify does it");
    return true;
}

static bool view_export(struct view *v, struct slice s)
{
    size_t magic = strlen(EXPORT_MAGIC);
    if (s.n < magic || memcmp(s.p, EXPORT_MAGIC, magic) != 0)
        return false;
    view_put_text(v, "type", "export of a ledger");
    struct slice rest = slice_of(s.p + magic, s.n - magic);
    if (v->json)
        json_out_list(&v->o, "keys");
    while (rest.n > 4 && memcmp(rest.p, "key ", 4) == 0) {
        struct slice line = slice_take_line(&rest);
        line = slice_of(line.p + 4, line.n - 4);
        if (v->json)
            json_out_slice(&v->o, NULL, line);
        else
            view_put_slice(v, "key", line);
    }
    if (v->json)
        json_out_end(&v->o);
    struct slice line = slice_take_line(&rest);
    size_t n = 0;
    for (size_t i = 5; i < line.n && line.p[i] >= '0' && line.p[i] <= '9' && n < NOTE_MAX; i++)
        n = 10 * n + (size_t)(line.p[i] - '0');
    struct note note;
    struct checkpoint c;
    struct err e;
    if (n <= rest.n && note_read(slice_of(rest.p, n), &note, &e) && checkpoint_read(note.text, &c, &e)) {
        view_put_slice(v, "origin", c.origin);
        view_put_int(v, "entries", (int64_t)c.size);
        view_put_bytes(v, "root", SLICE_ARRAY(c.root.b));
        put_signers(v, &note);
    } else {
        view_put_text(v, "fault", "its checkpoint is malformed");
    }
    view_put_int(v, "bytes", (int64_t)s.n);
    view_put_text(v, "signatures are", "not checked: kith ledger verify --export does it");
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
    view_put_text(v, "type", "revocation set");
    view_put_int(v, "universe", set.universe);
    view_put_int(v, "members", set.count);
    view_put_int(v, "bytes", (int64_t)s.n);
    buf_init(&b, OUT_MAX / 4);
    struct revset_iter it = revset_iter(&set);
    for (size_t i = 0; i < ENTRIES_MAX && revset_next(&it, &index); i++)
        buf_printf(&b, "%s%u", i ? ", " : "", index);
    if (b.n)
        view_put_text(v, set.count > ENTRIES_MAX ? "first members" : "indexes", buf_str(&b));
    view_put_digest(v, s);
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
    view_put_text(v, "type", "enrolment token (secret: it is worth a device's identity)");
    view_put_text(v, "url", t.url);
    view_put_bytes(v, "root sha256", slice_of(t.root_sha256, SHA256_SIZE));
    view_put_text(v, "device", t.device);
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
static void view_unknown(struct view *v, const struct pem_block *b, struct slice der)
{
    struct cert c;
    struct csr r;
    struct crl l;
    struct err e = {0};
    view_put_slice(v, "type", b->label);
    bool ok = pem_is(b, PEM_CERT)  ? cert_read(der, &c, &e)
              : pem_is(b, PEM_CSR) ? csr_read(der, &r, &e)
              : pem_is(b, PEM_CRL) ? crl_read(der, &l, &e)
                                   : err_set(&e, ERR_SYNTAX, "not looked into");
    if (!ok)
        view_put_text(v, "fault", e.what);
    view_put_int(v, "bytes", (int64_t)der.n);
}

static void view_block(struct view *v, const struct pem_block *b)
{
    static const char secret[] = "PRIVATE KEY";
    struct err e;
    AUTO(buf_wipe) struct buf der = {0};
    buf_init(&der, INSPECT_MAX);
    if (memmem(b->label.p, b->label.n, secret, sizeof secret - 1))
        view_put_text(v, "type", "private key (not looked into)");
    else if (!pem_decode(b, &der, &e))
        view_put_text(v, "fault", e.what);
    else if (!(pem_is(b, "PUBLIC KEY") ? view_public_key(v, buf_slice(&der)) : view_bytes(v, buf_slice(&der))))
        view_unknown(v, b, buf_slice(&der));
}

static bool view_pem(struct view *v, struct slice text)
{
    struct pem_block block;
    struct err e;
    bool found = true;
    size_t i = 0;
    while (found) {
        bool ok = pem_next(&text, &block, &found, &e);
        if (ok && !found)
            break;
        next_thing(v, i++);
        if (ok)
            view_block(v, &block);
        else
            view_put_text(v, "fault", e.what);
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

/* How long the SEQUENCE is that the file begins with; 0 if it begins with none. */
static size_t der_length(struct slice s)
{
    if (s.n < 4 || s.p[0] != 0x30)
        return 0;
    size_t n = s.p[1] & 0x7f, length = 0;
    if (s.p[1] < 0x80)
        return 2 + n;
    if (n == 0 || n > 3 || s.n < 2 + n)
        return 0;
    for (size_t i = 0; i < n; i++)
        length = length << 8 | s.p[2 + i];
    return 2 + n + length;
}

/* ledger.vkeys: a verifier key of C2SP signed notes in each line; '#' begins a comment line. */
static bool next_key_line(struct slice *rest, struct slice *line)
{
    while (rest->n) {
        *line = slice_take_line(rest);
        if (line->n && line->p[0] != '#')
            return true;
    }
    return false;
}

static bool view_vkeys(struct view *v, struct slice s)
{
    struct note_key key;
    struct err ignored;
    struct slice rest = s, line;
    size_t n = 0;
    for (; next_key_line(&rest, &line); n++)
        if (!note_key_read(&crypto_openssl, line, &key, &ignored))
            return false;
    if (n == 0)
        return false;
    view_put_text(v, "type", "keys that sign a log's checkpoints (C2SP)");
    if (v->json)
        json_out_list(&v->o, "keys");
    for (rest = s; next_key_line(&rest, &line);) {
        if (v->json)
            json_out_slice(&v->o, NULL, line);
        else
            view_put_slice(v, "key", line);
    }
    if (v->json)
        json_out_end(&v->o);
    return true;
}

static bool view_profile(struct view *v, struct slice s)
{
    struct profile p;
    struct err ignored;
    if (!profile_parse(&crypto_openssl, s, &p, &ignored))
        return false;
    view_put_text(v, "type", "certificate profile");
    view_put_text(v, "name", p.name);
    view_put_int(v, "version", p.version);
    view_put_bytes(v, "SHA-256", SLICE_ARRAY(p.digest));
    return true;
}

/* What a gateway keeps for itself begins with a line that names it; its plugin alone reads on. */
static bool view_gateway_state(struct view *v, struct slice s)
{
    static const char mark[] = "kith-gate 1 ";
    struct slice rest = s;
    if (s.n < sizeof mark || memcmp(s.p, mark, sizeof mark - 1) != 0)
        return false;
    view_put_text(v, "type", "state of a gateway: what it knows while the platform is away");
    view_put_slice(v, "form", slice_take_line(&rest));
    view_put_int(v, "bytes", (int64_t)s.n);
    return true;
}

static bool view_any(struct view *v, struct slice s, struct err *e)
{
    if (view_pem(v, s))
        return true;
    next_thing(v, 0);
    bool ok = view_export(v, s) || view_note(v, s) || view_vkeys(v, s) || view_token(v, s) || view_profile(v, s) ||
              view_gateway_state(v, s) || view_base64(v, s) || view_bytes(v, s);
    if (v->json)
        json_out_end(&v->o);
    if (ok)
        return true;
    size_t whole = der_length(s);
    if (whole > s.n)
        return err_set(e, ERR_SYNTAX, "DER, cut at byte %zu of %zu", s.n, whole);
    err_set(e, ERR_SYNTAX, "none of the forms that are known here");
    return err_try(
        e, "certificate, CSR, CRL (PEM or DER), CBOR, COSE, checkpoint, ledger export, revocation set, profile");
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
