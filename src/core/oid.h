/* Object identifiers of PKIX as the content of their DER: compare with what der_oid() yields, write with der_put_oid().
 * The dotted form stands beside each; a test holds the two against each other. */
#ifndef KITH_CORE_OID_H
#define KITH_CORE_OID_H

#include "core/slice.h"

/* A constant slice, fit for static tables too. */
#define OID_SLICE(s) ((struct slice){(const uint8_t *)("" s), sizeof(s) - 1})

/* Signatures */
#define OID_RSA_PSS OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a") /* 1.2.840.113549.1.1.10 */
#define OID_MGF1    OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08") /* 1.2.840.113549.1.1.8 */

/* Digests */
#define OID_SHA256 OID_SLICE("\x60\x86\x48\x01\x65\x03\x04\x02\x01") /* 2.16.840.1.101.3.4.2.1 */
#define OID_SHA384 OID_SLICE("\x60\x86\x48\x01\x65\x03\x04\x02\x02") /* 2.16.840.1.101.3.4.2.2 */

/* Attribute types of names */
#define OID_CN            OID_SLICE("\x55\x04\x03")                             /* 2.5.4.3 */
#define OID_SERIAL_NUMBER OID_SLICE("\x55\x04\x05")                             /* 2.5.4.5 */
#define OID_C             OID_SLICE("\x55\x04\x06")                             /* 2.5.4.6 */
#define OID_L             OID_SLICE("\x55\x04\x07")                             /* 2.5.4.7 */
#define OID_ST            OID_SLICE("\x55\x04\x08")                             /* 2.5.4.8 */
#define OID_O             OID_SLICE("\x55\x04\x0a")                             /* 2.5.4.10 */
#define OID_OU            OID_SLICE("\x55\x04\x0b")                             /* 2.5.4.11 */
#define OID_TITLE         OID_SLICE("\x55\x04\x0c")                             /* 2.5.4.12 */
#define OID_UID           OID_SLICE("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01") /* 0.9.2342.19200300.100.1.1 */
#define OID_DC            OID_SLICE("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19") /* 0.9.2342.19200300.100.1.25 */
#define OID_EMAIL         OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01")     /* 1.2.840.113549.1.9.1 */

/* Certificate and CRL extensions */
#define OID_SUBJECT_KEY_ID        OID_SLICE("\x55\x1d\x0e")                         /* 2.5.29.14 */
#define OID_KEY_USAGE             OID_SLICE("\x55\x1d\x0f")                         /* 2.5.29.15 */
#define OID_SUBJECT_ALT_NAME      OID_SLICE("\x55\x1d\x11")                         /* 2.5.29.17 */
#define OID_BASIC_CONSTRAINTS     OID_SLICE("\x55\x1d\x13")                         /* 2.5.29.19 */
#define OID_CRL_NUMBER            OID_SLICE("\x55\x1d\x14")                         /* 2.5.29.20 */
#define OID_CRL_REASON            OID_SLICE("\x55\x1d\x15")                         /* 2.5.29.21 */
#define OID_DELTA_CRL             OID_SLICE("\x55\x1d\x1b")                         /* 2.5.29.27 */
#define OID_ISSUING_DIST_POINT    OID_SLICE("\x55\x1d\x1c")                         /* 2.5.29.28 */
#define OID_NAME_CONSTRAINTS      OID_SLICE("\x55\x1d\x1e")                         /* 2.5.29.30 */
#define OID_CRL_DIST_POINTS       OID_SLICE("\x55\x1d\x1f")                         /* 2.5.29.31 */
#define OID_CERT_POLICIES         OID_SLICE("\x55\x1d\x20")                         /* 2.5.29.32 */
#define OID_ANY_POLICY            OID_SLICE("\x55\x1d\x20\x00")                     /* 2.5.29.32.0 */
#define OID_AUTHORITY_KEY_ID      OID_SLICE("\x55\x1d\x23")                         /* 2.5.29.35 */
#define OID_EXT_KEY_USAGE         OID_SLICE("\x55\x1d\x25")                         /* 2.5.29.37 */
#define OID_AUTHORITY_INFO_ACCESS OID_SLICE("\x2b\x06\x01\x05\x05\x07\x01\x01")     /* 1.3.6.1.5.5.7.1.1 */
#define OID_AD_OCSP               OID_SLICE("\x2b\x06\x01\x05\x05\x07\x30\x01")     /* 1.3.6.1.5.5.7.48.1 */
#define OID_AD_CA_ISSUERS         OID_SLICE("\x2b\x06\x01\x05\x05\x07\x30\x02")     /* 1.3.6.1.5.5.7.48.2 */
#define OID_OCSP_NOCHECK          OID_SLICE("\x2b\x06\x01\x05\x05\x07\x30\x01\x05") /* 1.3.6.1.5.5.7.48.1.5 */

/* Extended key usages */
#define OID_EKU_ANY           OID_SLICE("\x55\x1d\x25\x00")                 /* 2.5.29.37.0 */
#define OID_EKU_SERVER_AUTH   OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x01") /* 1.3.6.1.5.5.7.3.1 */
#define OID_EKU_CLIENT_AUTH   OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x02") /* 1.3.6.1.5.5.7.3.2 */
#define OID_EKU_CODE_SIGNING  OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x03") /* 1.3.6.1.5.5.7.3.3 */
#define OID_EKU_EMAIL         OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x04") /* 1.3.6.1.5.5.7.3.4 */
#define OID_EKU_TIME_STAMPING OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x08") /* 1.3.6.1.5.5.7.3.8 */
#define OID_EKU_OCSP_SIGNING  OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x09") /* 1.3.6.1.5.5.7.3.9 */
#define OID_EKU_CMC_RA        OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x1c") /* 1.3.6.1.5.5.7.3.28 */

/* Other names in subjectAltName */
#define OID_HARDWARE_MODULE_NAME OID_SLICE("\x2b\x06\x01\x05\x05\x07\x08\x04") /* 1.3.6.1.5.5.7.8.4 */

/* Attributes of requests (PKCS #9) */
#define OID_EXTENSION_REQUEST  OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e") /* 1.2.840.113549.1.9.14 */
#define OID_CHALLENGE_PASSWORD OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07") /* 1.2.840.113549.1.9.7 */

/* CMS */
#define OID_CMS_DATA        OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01") /* 1.2.840.113549.1.7.1 */
#define OID_CMS_SIGNED_DATA OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02") /* 1.2.840.113549.1.7.2 */

#endif
