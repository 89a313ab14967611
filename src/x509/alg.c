#include "x509/alg.h"

#include "core/der.h"
#include "core/oid.h"

/* RSASSA-PSS-params (RFC 4055 section 3.1): digest, MGF1 with the same, salt as long as the digest. */
#define PSS_ID(hash, salt)                                                                                             \
    OID_SLICE("\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34"                                           \
              "\xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02" hash "\x05\x00"                               \
              "\xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"                                           \
              "\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02" hash "\x05\x00\xa2\x03\x02\x01" salt)

/* The first row of an algorithm is what is written; the others are forms that are read as well. */
static const struct alg_row {
    enum sig_alg alg;
    const char *name;
    struct slice id;
} algs[] = {
    {SIG_ES256, "ecdsa-sha256", {(const uint8_t *)"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02", 12}},
    {SIG_ES384, "ecdsa-sha384", {(const uint8_t *)"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03", 12}},
    {SIG_EDDSA, "ed25519", {(const uint8_t *)"\x30\x05\x06\x03\x2b\x65\x70", 7}},
    {SIG_RS256, "rsa-sha256", {(const uint8_t *)"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00", 15}},
    {SIG_RS384, "rsa-sha384", {(const uint8_t *)"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00", 15}},
    {SIG_PS256, "rsa-pss-sha256", PSS_ID("\x01", "\x20")},
    {SIG_PS384, "rsa-pss-sha384", PSS_ID("\x02", "\x30")},
    /* RFC 4055 section 5: a verifier takes absent parameters like NULL. */
    {SIG_RS256, NULL, {(const uint8_t *)"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", 13}},
    {SIG_RS384, NULL, {(const uint8_t *)"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", 13}},
};

static const struct alg_row *row_of(enum sig_alg alg)
{
    for (size_t i = 0; i < ARRAY_LEN(algs); i++)
        if (algs[i].alg == alg)
            return &algs[i];
    return NULL;
}

struct slice alg_id(enum sig_alg alg)
{
    const struct alg_row *row = row_of(alg);
    return row ? row->id : (struct slice){0};
}

const char *alg_name(enum sig_alg alg)
{
    const struct alg_row *row = row_of(alg);
    return row ? row->name : "unknown";
}

/* AlgorithmIdentifier of a digest: 256 or 384, parameters absent or NULL (RFC 4055 section 2.1). */
static unsigned digest_bits(struct reader *r)
{
    struct reader in = der_enter(r, DER_SEQUENCE);
    struct slice oid = der_oid(&in);
    if (der_peek(&in) == DER_NULL)
        der_null(&in);
    der_leave(r, &in);
    return slice_eq(oid, OID_SHA256) ? 256 : slice_eq(oid, OID_SHA384) ? 384 : 0;
}

/* RSASSA-PSS with any of the four ways to write the parameters of its digests. */
static enum sig_alg pss_from_id(struct slice whole)
{
    struct reader r = reader_of(whole), id = der_enter(&r, DER_SEQUENCE);
    if (!slice_eq(der_oid(&id), OID_RSA_PSS))
        return SIG_NONE;
    struct reader p = der_enter(&id, DER_SEQUENCE);
    struct reader hash = der_enter(&p, DER_CONTEXT_CONS(0));
    unsigned bits = digest_bits(&hash);
    der_leave(&p, &hash);
    struct reader mask = der_enter(&p, DER_CONTEXT_CONS(1)), mgf = der_enter(&mask, DER_SEQUENCE);
    bool mgf1 = slice_eq(der_oid(&mgf), OID_MGF1);
    unsigned mgf_bits = digest_bits(&mgf);
    der_leave(&mask, &mgf);
    der_leave(&p, &mask);
    struct reader salt = der_enter(&p, DER_CONTEXT_CONS(2));
    int64_t salt_n = der_int64(&salt);
    der_leave(&p, &salt);
    der_leave(&id, &p);
    der_leave(&r, &id);
    if (!reader_end(&r) || !mgf1 || bits == 0 || mgf_bits != bits || salt_n != bits / 8)
        return SIG_NONE;
    return bits == 256 ? SIG_PS256 : SIG_PS384;
}

enum sig_alg alg_from_id(struct slice whole)
{
    for (size_t i = 0; i < ARRAY_LEN(algs); i++)
        if (slice_eq(algs[i].id, whole))
            return algs[i].alg;
    return pss_from_id(whole);
}

static const struct eku_row {
    uint32_t bit;
    struct slice oid;
} ekus[] = {
    {EKU_SERVER_AUTH, OID_EKU_SERVER_AUTH},
    {EKU_CLIENT_AUTH, OID_EKU_CLIENT_AUTH},
    {EKU_CODE_SIGNING, OID_EKU_CODE_SIGNING},
    {EKU_EMAIL, OID_EKU_EMAIL},
    {EKU_TIME_STAMPING, OID_EKU_TIME_STAMPING},
    {EKU_OCSP_SIGNING, OID_EKU_OCSP_SIGNING},
    {EKU_ANY, OID_EKU_ANY},
    {EKU_CMC_RA, OID_EKU_CMC_RA},
};

const char *const eku_names[] = {"serverAuth",          "clientAuth",   "codeSigning",
                                 "emailProtection",     "timeStamping", "OCSPSigning",
                                 "anyExtendedKeyUsage", "cmcRA",        NULL};
const char *const ku_names[] = {
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
    "keyCertSign",      "cRLSign",        "encipherOnly",    "decipherOnly",     NULL};

static uint32_t bit_from_name(const char *const *names, struct slice name)
{
    for (unsigned i = 0; names[i]; i++)
        if (slice_eq(slice_str(names[i]), name))
            return 1u << i;
    return 0;
}

uint32_t ku_from_name(struct slice name)
{
    return bit_from_name(ku_names, name);
}

uint32_t eku_from_name(struct slice name)
{
    return bit_from_name(eku_names, name);
}

uint32_t eku_from_oid(struct slice oid)
{
    for (size_t i = 0; i < ARRAY_LEN(ekus); i++)
        if (slice_eq(ekus[i].oid, oid))
            return ekus[i].bit;
    return EKU_OTHER;
}

void eku_put(struct writer *w, uint32_t eku)
{
    size_t seq = der_open(w, DER_SEQUENCE);
    for (size_t i = 0; i < ARRAY_LEN(ekus); i++)
        if (eku & ekus[i].bit)
            der_put_oid(w, ekus[i].oid);
    der_close(w, seq);
}

uint32_t eku_read(struct reader *r)
{
    struct reader in = der_enter(r, DER_SEQUENCE);
    uint32_t eku = 0;
    if (!reader_left(&in)) /* SIZE (1..MAX) */
        reader_fail(&in);
    while (reader_left(&in))
        eku |= eku_from_oid(der_oid(&in));
    der_leave(r, &in);
    return eku;
}
