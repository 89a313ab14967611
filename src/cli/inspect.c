/* kith inspect: what is in a file?  Looks at the bytes, not at the name; trusts nothing and verifies what can be verified by
 * the bytes alone. */
#include "base/pem.h"
#include "ca/profile.h"
#include "cli/client.h"
#include "cli/view.h"
#include "core/revset.h"
#include "keys/crypto.h"
#include "model/token.h"
#include "x509/crl.h"
#include "x509/csr.h"

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
    bool ok = view_export(v, s) || view_statement(v, s) || view_note(v, s) || view_vkeys(v, s) || view_token(v, s) ||
              view_profile(v, s) || view_gateway_state(v, s) || view_base64(v, s) || view_bytes(v, s);
    if (v->json)
        json_out_end(&v->o);
    if (ok)
        return true;
    size_t whole = der_length(s);
    if (whole > s.n)
        return err_set(e, ERR_SYNTAX, "DER, cut at byte %zu of %zu", s.n, whole);
    if (view_says_of_cbor(s, e))
        return false;
    err_set(e, ERR_SYNTAX, "none of the forms that are known here");
    return err_try(e, "certificate, CSR, CRL (PEM or DER), CBOR, COSE, checkpoint, ledger export, statement, "
                      "revocation set, profile");
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
