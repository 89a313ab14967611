#include "x509/signed.h"

#include "core/der.h"
#include "core/oid.h"
#include "keys/key.h"
#include "x509/alg.h"
#include "x509/san.h"

bool signed_read(struct slice der, struct signed_parts *out)
{
    struct signed_parts s = {0};
    *out = s;
    struct reader r = reader_of(der), seq = der_enter(&r, DER_SEQUENCE), look = seq;
    s.tbs = der_raw_as(&look, DER_SEQUENCE);
    s.inside = der_enter(&seq, DER_SEQUENCE);
    s.alg = der_raw_as(&seq, DER_SEQUENCE);
    s.sig = der_bits(&seq);
    der_leave(&r, &seq);
    if (!reader_end(&r))
        return false;
    *out = s;
    return true;
}

bool signed_verify(const struct crypto *c, enum sig_alg alg, struct slice spki, struct slice tbs, struct slice sig,
                   struct err *e)
{
    uint8_t raw[SIG_MAX];
    size_t raw_n;
    if (alg == SIG_NONE) {
        err_set(e, ERR_SIG_ALG, "signature algorithm not taken");
        return err_try(e, "sign by ECDSA, RSA or RSA-PSS with SHA-256 or SHA-384, or by Ed25519");
    }
    if (!sig_from_der(alg, sig, raw, sizeof raw, &raw_n, e))
        return false;
    return c->verify(alg, spki, &tbs, 1, slice_of(raw, raw_n), e);
}

bool signed_assemble(struct slice tbs, enum sig_alg alg, struct slice sig, struct writer *w, struct err *e)
{
    uint8_t der[SIG_MAX];
    size_t n;
    struct slice id = alg_id(alg);
    if (!id.n)
        return err_set(e, ERR_SIG_ALG, "signature algorithm %d cannot stand in X.509", (int)alg);
    if (!sig_to_der(alg, sig, der, sizeof der, &n, e))
        return false;
    der_put_head(w, DER_SEQUENCE, tbs.n + id.n + der_head_size(n + 1) + n + 1);
    writer_put(w, tbs);
    writer_put(w, id);
    der_put_bits(w, slice_of(der, n));
    return writer_ok(w) || err_set(e, ERR_TEMPLATE, "the buffer is too small for what is signed");
}

bool signed_write(struct slice tbs, const struct signer *s, struct writer *w, struct err *e)
{
    uint8_t sig[SIG_MAX];
    size_t n;
    return s->sign(s->ctx, &tbs, 1, sig, &n, e) && signed_assemble(tbs, s->alg, slice_of(sig, n), w, e);
}

struct extensions extensions_enter(struct reader *r)
{
    return (struct extensions){.list = der_enter(r, DER_SEQUENCE)};
}

bool extensions_next(struct extensions *x, struct extension *out)
{
    *out = (struct extension){0};
    if (!reader_ok(&x->list) || !reader_left(&x->list))
        return false;
    struct reader in = der_enter(&x->list, DER_SEQUENCE);
    struct extension ext = {.oid = der_oid(&in)};
    ext.critical = der_bool_default_false(&in);
    ext.value = der_octets(&in);
    der_leave(&x->list, &in);
    for (size_t i = 0; i < x->n; i++)
        if (slice_eq(x->seen[i], ext.oid))
            reader_fail(&x->list);
    if (x->n == EXTENSIONS_MAX)
        reader_fail(&x->list);
    if (!reader_ok(&x->list))
        return false;
    x->seen[x->n++] = ext.oid;
    *out = ext;
    return true;
}

void extensions_leave(struct reader *r, const struct extensions *x)
{
    der_leave(r, &x->list);
}

struct extension_mark extension_open(struct writer *w, struct slice oid, bool critical)
{
    struct extension_mark x;
    x.seq = der_open(w, DER_SEQUENCE);
    der_put_oid(w, oid);
    if (critical)
        der_put_bool(w, true);
    x.octets = der_open(w, DER_OCTET_STRING);
    return x;
}

void extension_close(struct writer *w, struct extension_mark x)
{
    der_close(w, x.octets);
    der_close(w, x.seq);
}

void extension_put_aki(struct writer *w, struct slice key_id)
{
    if (!key_id.n)
        return;
    struct extension_mark x = extension_open(w, OID_AUTHORITY_KEY_ID, false);
    size_t seq = der_open(w, DER_SEQUENCE);
    der_put(w, DER_CONTEXT(0), key_id);
    der_close(w, seq);
    extension_close(w, x);
}

struct slice extension_get_aki(struct reader *r)
{
    struct reader in = der_enter(r, DER_SEQUENCE);
    struct slice key_id = {0};
    if (der_peek(&in) == DER_CONTEXT(0))
        key_id = der_expect(&in, DER_CONTEXT(0));
    if (der_peek(&in) == DER_CONTEXT_CONS(1))
        (void)der_raw(&in);
    if (der_peek(&in) == DER_CONTEXT(2))
        (void)der_raw(&in);
    der_leave(r, &in);
    return key_id;
}

void extension_put_point(struct writer *w, struct slice uri)
{
    size_t name = der_open(w, DER_CONTEXT_CONS(0)), full = der_open(w, DER_CONTEXT_CONS(0));
    san_put(w, &(struct san){.type = SAN_URI, .value = uri});
    der_close(w, full);
    der_close(w, name);
}

struct slice extension_get_uri(struct reader *r)
{
    struct slice uri = {0};
    struct san s;
    while (san_next(r, &s))
        if (s.type == SAN_URI && !uri.n)
            uri = s.value;
    return uri;
}
