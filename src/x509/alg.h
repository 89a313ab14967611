/* Signature algorithms and key purposes as X.509 writes them: one table each. */
#ifndef KITH_X509_ALG_H
#define KITH_X509_ALG_H

#include "core/crypto.h"
#include "core/reader.h"
#include "core/writer.h"

/* The AlgorithmIdentifier, whole; empty if the algorithm is not one of ours. */
struct slice alg_id(enum sig_alg alg);
/* From the whole of an AlgorithmIdentifier; SIG_NONE if it is not one of ours. */
enum sig_alg alg_from_id(struct slice whole);
const char *alg_name(enum sig_alg alg); /* "ecdsa-sha256" ... */

/* KeyUsage (RFC 5280 section 4.2.1.3): named bit i is 1 << i. */
#define KU_DIGITAL_SIGNATURE 0x001u
#define KU_NON_REPUDIATION   0x002u
#define KU_KEY_ENCIPHERMENT  0x004u
#define KU_DATA_ENCIPHERMENT 0x008u
#define KU_KEY_AGREEMENT     0x010u
#define KU_KEY_CERT_SIGN     0x020u
#define KU_CRL_SIGN          0x040u
#define KU_ENCIPHER_ONLY     0x080u
#define KU_DECIPHER_ONLY     0x100u

/* ExtKeyUsage (section 4.2.1.12) as a set. */
#define EKU_SERVER_AUTH   0x01u
#define EKU_CLIENT_AUTH   0x02u
#define EKU_CODE_SIGNING  0x04u
#define EKU_EMAIL         0x08u
#define EKU_TIME_STAMPING 0x10u
#define EKU_OCSP_SIGNING  0x20u
#define EKU_ANY           0x40u
#define EKU_CMC_RA        0x80u  /* RFC 6402 section 2.10: a registrar, here the platform's own server */
#define EKU_OTHER         0x100u /* one that has no bit here; never written */

uint32_t eku_from_oid(struct slice oid);
/* Writes ExtKeyUsageSyntax; reads it (the whole SEQUENCE) with failure in the reader. */
void eku_put(struct writer *w, uint32_t eku);
uint32_t eku_read(struct reader *r);

/* Names in files and messages: "digitalSignature", "clientAuth" ...; 0 if unknown; NULL-terminated lists for hints. */
uint32_t ku_from_name(struct slice name);
uint32_t eku_from_name(struct slice name);
extern const char *const ku_names[], *const eku_names[];

#endif
