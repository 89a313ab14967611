#include "gate/identity.h"

#include "base/id.h"
#include "base/pem.h"
#include "keys/key.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define CERT_FILE_MAX (64 << 10)

struct identity_issuer {
    X509 *cert;
    EVP_PKEY *key;
    uint8_t *spki;
    size_t spki_n;
    enum sig_alg alg;
    int64_t not_after;
};

AUTO_FREE_FN(X509 *, X509_free);

static bool time_get(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(t, &tm))
        return false;
    *out = (int64_t)timegm(&tm);
    return true;
}

/* The next certificate; NULL at the end.  A row of dashes outside of PEM's blocks was one of them before it was damaged. */
static bool cert_next(struct slice *pem, X509 **out, struct err *e)
{
    struct pem_block block;
    bool found;
    AUTO(buf_clear) struct buf der = {0};
    buf_init(&der, CERT_FILE_MAX);
    *out = NULL;
    if (!pem_next(pem, &block, &found, e))
        return false;
    if (block.before.n && memmem(block.before.p, block.before.n, "-----", 5))
        return err_set(e, ERR_SYNTAX, "a PEM block whose first line is damaged");
    if (!found)
        return true;
    if (!pem_is(&block, PEM_CERT))
        return err_set(e, ERR_SYNTAX, "\"%s\" is no certificate", ERR_QUOTE(block.label));
    if (!pem_decode(&block, &der, e))
        return false;
    const uint8_t *p = (const uint8_t *)der.p;
    AUTO(X509_free_auto) X509 *x = d2i_X509(NULL, &p, (long)der.n);
    if (!x || p != (const uint8_t *)der.p + der.n)
        return err_set(e, ERR_SYNTAX, "a certificate that is malformed");
    *out = x;
    x = NULL;
    return true;
}

static bool has_issued(X509 *above, X509 *below)
{
    return X509_check_ca(above) == 1 && X509_check_issued(above, below) == X509_V_OK &&
           X509_verify(below, X509_get0_pubkey(above)) == 1;
}

/* Each certificate that follows in the file must have issued the one before. */
static bool chain_check(struct slice pem, X509 *first, struct err *e)
{
    AUTO(X509_free_auto) X509 *below = NULL;
    for (size_t certs = 1;; certs++) {
        AUTO(X509_free_auto) X509 *above = NULL;
        if (!cert_next(&pem, &above, e)) {
            err_set(e, ERR_GATE_CERT, "issuer file: after %zu certificates comes what is none, or is damaged", certs);
            return err_try(e, "issuer.pem as kith gateway add wrote it");
        }
        if (!above)
            return true;
        if (!has_issued(above, below ? below : first))
            return err_set(e, ERR_GATE_CERT, "issuer file: a certificate did not issue the one before it");
        X509_free(below);
        below = above;
        above = NULL;
    }
}

static bool issuer_take(struct identity_issuer *i, struct slice pem, struct err *e)
{
    bool ok = cert_next(&pem, &i->cert, e) && i->cert && X509_check_ca(i->cert) == 1 &&
              (i->key = X509_get0_pubkey(i->cert)) && time_get(X509_get0_notAfter(i->cert), &i->not_after);
    int n = ok ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(i->cert), &i->spki) : 0;
    i->spki_n = n > 0 ? (size_t)n : 0;
    i->alg = sig_alg_of_spki(identity_get0_spki(i));
    if (i->alg == SIG_NONE)
        return err_set(e, ERR_GATE_CERT, "issuer file: its first certificate is no CA certificate that is understood");
    return chain_check(pem, i->cert, e);
}

bool identity_issuer_read(struct slice pem, struct identity_issuer **out, struct err *e)
{
    *out = NULL;
    struct identity_issuer *i = calloc(1, sizeof *i);
    if (!i)
        return err_set(e, ERR_NOMEM, "issuer of %zu bytes", pem.n);
    bool ok = issuer_take(i, pem, e);
    ERR_clear_error();
    if (ok)
        *out = i;
    else
        identity_issuer_free(i);
    return ok;
}

void identity_issuer_free(struct identity_issuer *i)
{
    if (!i)
        return;
    X509_free(i->cert);
    OPENSSL_free(i->spki);
    free(i);
}

struct slice identity_get0_spki(const struct identity_issuer *i)
{
    return slice_of(i->spki, i->spki_n);
}

enum sig_alg identity_sig_alg(const struct identity_issuer *i)
{
    return i->alg;
}

int64_t identity_not_after(const struct identity_issuer *i)
{
    return i->not_after;
}

static bool device_id(X509 *x, char out[DEVICE_ID_SIZE])
{
    X509_NAME *name = X509_get_subject_name(x);
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return false;
    const ASN1_STRING *s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    if (ASN1_STRING_length(s) != DEVICE_ID_SIZE - 1)
        return false;
    memcpy(out, ASN1_STRING_get0_data(s), DEVICE_ID_SIZE - 1);
    out[DEVICE_ID_SIZE - 1] = 0;
    return strlen(out) == DEVICE_ID_SIZE - 1 && id_is_valid("dev_", out);
}

bool identity_read(const struct identity_issuer *i, struct slice der, struct gate_peer *out, struct err *e)
{
    *out = (struct gate_peer){0};
    struct gate_peer peer = {0};
    const uint8_t *p = der.p;
    AUTO(X509_free_auto) X509 *x = der.n && der.n < INT32_MAX ? d2i_X509(NULL, &p, (long)der.n) : NULL;
    if (!x || p != der.p + der.n)
        return err_set(e, ERR_GATE_CERT, "not a certificate (%zu bytes)", der.n);
    /* Reads the extensions; a critical one that is not understood, or a malformed one, shows in the flags. */
    if (X509_check_purpose(x, X509_PURPOSE_SSL_CLIENT, 0) != 1 ||
        X509_get_extension_flags(x) & (EXFLAG_INVALID | EXFLAG_CRITICAL | EXFLAG_CA))
        return err_set(e, ERR_GATE_CERT, "the certificate is not for TLS clients");
    if (X509_check_issued(i->cert, x) != X509_V_OK || X509_verify(x, i->key) != 1)
        return err_set(e, ERR_GATE_CERT, "the certificate is not from this platform's issuing CA");
    const ASN1_INTEGER *sn = X509_get0_serialNumber(x);
    struct serial serial;
    if (ASN1_STRING_type(sn) != V_ASN1_INTEGER ||
        !serial_get(slice_of(ASN1_STRING_get0_data(sn), (size_t)ASN1_STRING_length(sn)), ISSUER_ISSUING, &serial, e))
        return err_set(e, ERR_GATE_CERT, "the certificate's serial number is not one of this platform");
    if (!device_id(x, peer.device))
        return err_set(e, ERR_GATE_CERT, "the certificate names no device");
    if (!time_get(X509_get0_notBefore(x), &peer.not_before) || !time_get(X509_get0_notAfter(x), &peer.not_after) ||
        shard_of(peer.not_after) != serial.shard)
        return err_set(e, ERR_GATE_CERT, "the certificate's times do not fit its serial number");
    peer.cert_id = serial_cert_id(&serial);
    *out = peer;
    return true;
}
