/* Object identifiers of PKIX as the content of their DER: compare with what der_oid() yields, write with der_put_oid().
 * The dotted form stands beside each; a test holds the two against each other. */
#ifndef KITH_CORE_OID_H
#define KITH_CORE_OID_H

#include "core/slice.h"

/* A constant slice, fit for static tables too. */
#define OID_SLICE(s) ((struct slice){(const uint8_t *)("" s), sizeof(s) - 1})

/* Key algorithms and signatures */
#define OID_EC_PUBLIC_KEY OID_SLICE("\x2a\x86\x48\xce\x3d\x02\x01")         /* 1.2.840.10045.2.1 */
#define OID_P256          OID_SLICE("\x2a\x86\x48\xce\x3d\x03\x01\x07")     /* 1.2.840.10045.3.1.7 */
#define OID_P384          OID_SLICE("\x2b\x81\x04\x00\x22")                 /* 1.3.132.0.34 */
#define OID_P521          OID_SLICE("\x2b\x81\x04\x00\x23")                 /* 1.3.132.0.35 */
#define OID_RSA           OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01") /* 1.2.840.113549.1.1.1 */
#define OID_RSA_SHA256    OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b") /* 1.2.840.113549.1.1.11 */
#define OID_RSA_SHA384    OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c") /* 1.2.840.113549.1.1.12 */
#define OID_RSA_SHA512    OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d") /* 1.2.840.113549.1.1.13 */
#define OID_RSA_PSS       OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a") /* 1.2.840.113549.1.1.10 */
#define OID_MGF1          OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08") /* 1.2.840.113549.1.1.8 */
#define OID_ECDSA_SHA256  OID_SLICE("\x2a\x86\x48\xce\x3d\x04\x03\x02")     /* 1.2.840.10045.4.3.2 */
#define OID_ECDSA_SHA384  OID_SLICE("\x2a\x86\x48\xce\x3d\x04\x03\x03")     /* 1.2.840.10045.4.3.3 */
#define OID_ECDSA_SHA512  OID_SLICE("\x2a\x86\x48\xce\x3d\x04\x03\x04")     /* 1.2.840.10045.4.3.4 */
#define OID_X25519        OID_SLICE("\x2b\x65\x6e")                         /* 1.3.101.110 */
#define OID_ED25519       OID_SLICE("\x2b\x65\x70")                         /* 1.3.101.112 */
#define OID_ED448         OID_SLICE("\x2b\x65\x71")                         /* 1.3.101.113 */
#define OID_ML_DSA_44     OID_SLICE("\x60\x86\x48\x01\x65\x03\x04\x03\x11") /* 2.16.840.1.101.3.4.3.17 */
#define OID_ML_DSA_65     OID_SLICE("\x60\x86\x48\x01\x65\x03\x04\x03\x12") /* 2.16.840.1.101.3.4.3.18 */
#define OID_ML_DSA_87     OID_SLICE("\x60\x86\x48\x01\x65\x03\x04\x03\x13") /* 2.16.840.1.101.3.4.3.19 */

/* Digests and ciphers */
#define OID_SHA1               OID_SLICE("\x2b\x0e\x03\x02\x1a")                 /* 1.3.14.3.2.26 */
#define OID_SHA256             OID_SLICE("\x60\x86\x48\x01\x65\x03\x04\x02\x01") /* 2.16.840.1.101.3.4.2.1 */
#define OID_SHA384             OID_SLICE("\x60\x86\x48\x01\x65\x03\x04\x02\x02") /* 2.16.840.1.101.3.4.2.2 */
#define OID_SHA512             OID_SLICE("\x60\x86\x48\x01\x65\x03\x04\x02\x03") /* 2.16.840.1.101.3.4.2.3 */
#define OID_HMAC_SHA1          OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x02\x07")     /* 1.2.840.113549.2.7 */
#define OID_HMAC_SHA256        OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x02\x09")     /* 1.2.840.113549.2.9 */
#define OID_PBMAC1             OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0e") /* 1.2.840.113549.1.5.14 */
#define OID_PBKDF2             OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0c") /* 1.2.840.113549.1.5.12 */
#define OID_PASSWORD_BASED_MAC OID_SLICE("\x2a\x86\x48\x86\xf6\x7d\x07\x42\x0d") /* 1.2.840.113533.7.66.13 */
#define OID_AES128_CBC         OID_SLICE("\x60\x86\x48\x01\x65\x03\x04\x01\x02") /* 2.16.840.1.101.3.4.1.2 */
#define OID_AES256_CBC         OID_SLICE("\x60\x86\x48\x01\x65\x03\x04\x01\x2a") /* 2.16.840.1.101.3.4.1.42 */

/* Attribute types of names */
#define OID_CN            OID_SLICE("\x55\x04\x03")                             /* 2.5.4.3 */
#define OID_SURNAME       OID_SLICE("\x55\x04\x04")                             /* 2.5.4.4 */
#define OID_SERIAL_NUMBER OID_SLICE("\x55\x04\x05")                             /* 2.5.4.5 */
#define OID_C             OID_SLICE("\x55\x04\x06")                             /* 2.5.4.6 */
#define OID_L             OID_SLICE("\x55\x04\x07")                             /* 2.5.4.7 */
#define OID_ST            OID_SLICE("\x55\x04\x08")                             /* 2.5.4.8 */
#define OID_STREET        OID_SLICE("\x55\x04\x09")                             /* 2.5.4.9 */
#define OID_O             OID_SLICE("\x55\x04\x0a")                             /* 2.5.4.10 */
#define OID_OU            OID_SLICE("\x55\x04\x0b")                             /* 2.5.4.11 */
#define OID_TITLE         OID_SLICE("\x55\x04\x0c")                             /* 2.5.4.12 */
#define OID_GIVEN_NAME    OID_SLICE("\x55\x04\x2a")                             /* 2.5.4.42 */
#define OID_DN_QUALIFIER  OID_SLICE("\x55\x04\x2e")                             /* 2.5.4.46 */
#define OID_UID           OID_SLICE("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01") /* 0.9.2342.19200300.100.1.1 */
#define OID_DC            OID_SLICE("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19") /* 0.9.2342.19200300.100.1.25 */
#define OID_EMAIL         OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01")     /* 1.2.840.113549.1.9.1 */

/* Certificate and CRL extensions */
#define OID_SUBJECT_KEY_ID        OID_SLICE("\x55\x1d\x0e")                         /* 2.5.29.14 */
#define OID_KEY_USAGE             OID_SLICE("\x55\x1d\x0f")                         /* 2.5.29.15 */
#define OID_SUBJECT_ALT_NAME      OID_SLICE("\x55\x1d\x11")                         /* 2.5.29.17 */
#define OID_ISSUER_ALT_NAME       OID_SLICE("\x55\x1d\x12")                         /* 2.5.29.18 */
#define OID_BASIC_CONSTRAINTS     OID_SLICE("\x55\x1d\x13")                         /* 2.5.29.19 */
#define OID_CRL_NUMBER            OID_SLICE("\x55\x1d\x14")                         /* 2.5.29.20 */
#define OID_CRL_REASON            OID_SLICE("\x55\x1d\x15")                         /* 2.5.29.21 */
#define OID_INVALIDITY_DATE       OID_SLICE("\x55\x1d\x18")                         /* 2.5.29.24 */
#define OID_DELTA_CRL             OID_SLICE("\x55\x1d\x1b")                         /* 2.5.29.27 */
#define OID_ISSUING_DIST_POINT    OID_SLICE("\x55\x1d\x1c")                         /* 2.5.29.28 */
#define OID_CERTIFICATE_ISSUER    OID_SLICE("\x55\x1d\x1d")                         /* 2.5.29.29 */
#define OID_NAME_CONSTRAINTS      OID_SLICE("\x55\x1d\x1e")                         /* 2.5.29.30 */
#define OID_CRL_DIST_POINTS       OID_SLICE("\x55\x1d\x1f")                         /* 2.5.29.31 */
#define OID_CERT_POLICIES         OID_SLICE("\x55\x1d\x20")                         /* 2.5.29.32 */
#define OID_ANY_POLICY            OID_SLICE("\x55\x1d\x20\x00")                     /* 2.5.29.32.0 */
#define OID_AUTHORITY_KEY_ID      OID_SLICE("\x55\x1d\x23")                         /* 2.5.29.35 */
#define OID_POLICY_CONSTRAINTS    OID_SLICE("\x55\x1d\x24")                         /* 2.5.29.36 */
#define OID_EXT_KEY_USAGE         OID_SLICE("\x55\x1d\x25")                         /* 2.5.29.37 */
#define OID_FRESHEST_CRL          OID_SLICE("\x55\x1d\x2e")                         /* 2.5.29.46 */
#define OID_AUTHORITY_INFO_ACCESS OID_SLICE("\x2b\x06\x01\x05\x05\x07\x01\x01")     /* 1.3.6.1.5.5.7.1.1 */
#define OID_SUBJECT_INFO_ACCESS   OID_SLICE("\x2b\x06\x01\x05\x05\x07\x01\x0b")     /* 1.3.6.1.5.5.7.1.11 */
#define OID_TLS_FEATURE           OID_SLICE("\x2b\x06\x01\x05\x05\x07\x01\x18")     /* 1.3.6.1.5.5.7.1.24 */
#define OID_AD_OCSP               OID_SLICE("\x2b\x06\x01\x05\x05\x07\x30\x01")     /* 1.3.6.1.5.5.7.48.1 */
#define OID_AD_CA_ISSUERS         OID_SLICE("\x2b\x06\x01\x05\x05\x07\x30\x02")     /* 1.3.6.1.5.5.7.48.2 */
#define OID_AD_CA_REPOSITORY      OID_SLICE("\x2b\x06\x01\x05\x05\x07\x30\x05")     /* 1.3.6.1.5.5.7.48.5 */
#define OID_OCSP_BASIC            OID_SLICE("\x2b\x06\x01\x05\x05\x07\x30\x01\x01") /* 1.3.6.1.5.5.7.48.1.1 */
#define OID_OCSP_NONCE            OID_SLICE("\x2b\x06\x01\x05\x05\x07\x30\x01\x02") /* 1.3.6.1.5.5.7.48.1.2 */
#define OID_OCSP_NOCHECK          OID_SLICE("\x2b\x06\x01\x05\x05\x07\x30\x01\x05") /* 1.3.6.1.5.5.7.48.1.5 */

/* Extended key usages */
#define OID_EKU_ANY           OID_SLICE("\x55\x1d\x25\x00")                 /* 2.5.29.37.0 */
#define OID_EKU_SERVER_AUTH   OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x01") /* 1.3.6.1.5.5.7.3.1 */
#define OID_EKU_CLIENT_AUTH   OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x02") /* 1.3.6.1.5.5.7.3.2 */
#define OID_EKU_CODE_SIGNING  OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x03") /* 1.3.6.1.5.5.7.3.3 */
#define OID_EKU_EMAIL         OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x04") /* 1.3.6.1.5.5.7.3.4 */
#define OID_EKU_TIME_STAMPING OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x08") /* 1.3.6.1.5.5.7.3.8 */
#define OID_EKU_OCSP_SIGNING  OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x09") /* 1.3.6.1.5.5.7.3.9 */
#define OID_EKU_CMC_CA        OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x1b") /* 1.3.6.1.5.5.7.3.27 */
#define OID_EKU_CMC_RA        OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x1c") /* 1.3.6.1.5.5.7.3.28 */
#define OID_EKU_CM_KGA        OID_SLICE("\x2b\x06\x01\x05\x05\x07\x03\x20") /* 1.3.6.1.5.5.7.3.32 */

/* Other names in subjectAltName */
#define OID_HARDWARE_MODULE_NAME OID_SLICE("\x2b\x06\x01\x05\x05\x07\x08\x04") /* 1.3.6.1.5.5.7.8.4 */
#define OID_PERMANENT_IDENTIFIER OID_SLICE("\x2b\x06\x01\x05\x05\x07\x08\x03") /* 1.3.6.1.5.5.7.8.3 */

/* Attributes of requests (PKCS #9, RFC 7030, RFC 9908) and SCEP */
#define OID_EXTENSION_REQUEST      OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e") /* 1.2.840.113549.1.9.14 */
#define OID_CHALLENGE_PASSWORD     OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07") /* 1.2.840.113549.1.9.7 */
#define OID_UNSTRUCTURED_NAME      OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02") /* 1.2.840.113549.1.9.2 */
#define OID_EXTENSION_REQ_TEMPLATE OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x3e") /* 1.2.840.113549.1.9.62 */
#define OID_CERTIFICATION_REQ_INFO_TEMPLATE                                                                            \
    OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x3d") /* 1.2.840.113549.1.9.16.2.61 */
#define OID_ASYMM_DECRYPT_KEY_ID                                                                                       \
    OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x02\x36")                          /* 1.2.840.113549.1.9.16.2.54 */
#define OID_SMIME_CAPABILITIES   OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0f")     /* 1.2.840.113549.1.9.15 */
#define OID_CONTENT_TYPE         OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03")     /* 1.2.840.113549.1.9.3 */
#define OID_MESSAGE_DIGEST       OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04")     /* 1.2.840.113549.1.9.4 */
#define OID_SIGNING_TIME         OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05")     /* 1.2.840.113549.1.9.5 */
#define OID_SCEP_MESSAGE_TYPE    OID_SLICE("\x60\x86\x48\x01\x86\xf8\x45\x01\x09\x02") /* 2.16.840.1.113733.1.9.2 */
#define OID_SCEP_PKI_STATUS      OID_SLICE("\x60\x86\x48\x01\x86\xf8\x45\x01\x09\x03") /* 2.16.840.1.113733.1.9.3 */
#define OID_SCEP_FAIL_INFO       OID_SLICE("\x60\x86\x48\x01\x86\xf8\x45\x01\x09\x04") /* 2.16.840.1.113733.1.9.4 */
#define OID_SCEP_SENDER_NONCE    OID_SLICE("\x60\x86\x48\x01\x86\xf8\x45\x01\x09\x05") /* 2.16.840.1.113733.1.9.5 */
#define OID_SCEP_RECIPIENT_NONCE OID_SLICE("\x60\x86\x48\x01\x86\xf8\x45\x01\x09\x06") /* 2.16.840.1.113733.1.9.6 */
#define OID_SCEP_TRANSACTION_ID  OID_SLICE("\x60\x86\x48\x01\x86\xf8\x45\x01\x09\x07") /* 2.16.840.1.113733.1.9.7 */

/* CMS and CMC */
#define OID_CMS_DATA           OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")         /* 1.2.840.113549.1.7.1 */
#define OID_CMS_SIGNED_DATA    OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02")         /* 1.2.840.113549.1.7.2 */
#define OID_CMS_ENVELOPED_DATA OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03")         /* 1.2.840.113549.1.7.3 */
#define OID_CMC_PKI_DATA       OID_SLICE("\x2b\x06\x01\x05\x05\x07\x0c\x02")             /* 1.3.6.1.5.5.7.12.2 */
#define OID_CMC_PKI_RESPONSE   OID_SLICE("\x2b\x06\x01\x05\x05\x07\x0c\x03")             /* 1.3.6.1.5.5.7.12.3 */
#define OID_TST_INFO           OID_SLICE("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x04") /* 1.2.840.113549.1.9.16.1.4 */

#endif
