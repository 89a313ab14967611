#include "gate/identity.h"

#include "base/id.h"
#include "keys/key.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct identity_issuer {
    X509 *cert;
    EVP_PKEY *key;
    uint8_t *spki;
    size_t spki_n;
    enum sig_alg alg;
    int64_t not_after;
};

AUTO_FREE_FN(X509 *, X509_free);
AUTO_FREE_FN(BIO *, BIO_free_all);

static bool time_get(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(t, &tm))
        return false;
    *out = (int64_t)timegm(&tm);
    return true;
}

/* Each certificate that follows in the file must have issued the one before.  OpenSSL stops at what it cannot read and passes
 * over what is none: each has its four rows of dashes, and there are no others. */
static bool chain_read(struct slice pem, BIO *in, X509 *first, struct err *e)
{
    X509 *below = first;
    X509 *above;
    size_t dashes = 0, certs = 1;
    bool ok = true;
    for (size_t i = 0; i + 5 <= pem.n; i++)
        if (memcmp(pem.p + i, "-----", 5) == 0) {
            dashes++;
            i += 4;
        }
    for (; ok && (above = PEM_read_bio_X509(in, NULL, NULL, NULL)); certs++) {
        ok = X509_check_ca(above) == 1 && X509_check_issued(above, below) == X509_V_OK &&
             X509_verify(below, X509_get0_pubkey(above)) == 1;
        if (below != first)
            X509_free(below);
        below = above;
    }
    if (below != first)
        X509_free(below);
    ERR_clear_error();
    if (ok && dashes != 4 * certs) {
        err_set(e, ERR_GATE_CERT, "issuer file: after %zu certificates comes what is none, or is damaged", certs);
        return err_try(e, "issuer.pem as kith gateway add wrote it");
    }
    return ok || err_set(e, ERR_GATE_CERT, "issuer file: a certificate did not issue the one before it");
}

bool identity_issuer_read(struct slice pem, struct identity_issuer **out, struct err *e)
{
    *out = NULL;
    struct identity_issuer *i = calloc(1, sizeof *i);
    AUTO(BIO_free_all_auto) BIO *in = pem.n < INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
    if (!i || !in) {
        free(i);
        return err_set(e, ERR_NOMEM, "issuer of %zu bytes", pem.n);
    }
    i->cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
    bool ok = i->cert && X509_check_ca(i->cert) == 1 && (i->key = X509_get0_pubkey(i->cert)) &&
              time_get(X509_get0_notAfter(i->cert), &i->not_after);
    int n = ok ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(i->cert), &i->spki) : 0;
    i->spki_n = n > 0 ? (size_t)n : 0;
    i->alg = sig_alg_of_spki(identity_get0_spki(i));
    if (i->alg == SIG_NONE) {
        identity_issuer_free(i);
        return err_set(e, ERR_GATE_CERT, "issuer file: its first certificate is no CA certificate that is understood");
    }
    if (!chain_read(pem, in, i->cert, e)) {
        identity_issuer_free(i);
        return false;
    }
    *out = i;
    return true;
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
