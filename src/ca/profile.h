/* Profiles: what a certificate may be.  A profile is a text file (`key = value` lines, '#' comments; profiles/README.md has
 * the keys); its SHA-256 goes into the ledger and the signer's roster, so that nobody changes what is signed by editing a
 * file.
 *
 * profile_apply() turns a profile, the facts about a subject and a public key into a certificate template, or refuses.  It
 * is a pure function: the signer calls it on what it knows itself. */
#ifndef KITH_CA_PROFILE_H
#define KITH_CA_PROFILE_H

#include "core/crypto.h"
#include "keys/key.h"
#include "x509/cert.h"

#define PROFILE_FILE_MAX  16384
#define PROFILE_NAME_MAX  32
#define PROFILE_TEXT_MAX  192
#define PROFILE_SANS      8  /* templates in a profile */
#define PROFILE_SANS_MADE 24 /* names in one certificate */
#define PROFILE_POLICIES  4
#define PROFILE_WORK_SIZE 4096

/* On whose word a certificate is made: `for =` in the file. */
#define PROFILE_BY_CLAIM    0x001u /* a one-time claim */
#define PROFILE_BY_IDEVID   0x002u /* an IDevID of a registered manufacturer */
#define PROFILE_BY_RENEWAL  0x004u /* a certificate of the same profile */
#define PROFILE_BY_SERVER   0x008u /* the platform for itself */
#define PROFILE_BY_ADMIN    0x010u
#define PROFILE_BY_SECURITY 0x020u
#define PROFILE_BY_FACTORY  0x040u
#define PROFILE_BY_RELEASE  0x080u
#define PROFILE_BY_DATA     0x100u
#define PROFILE_BY_STATION  0x200u

struct profile_san {
    enum san_type type;
    char text[PROFILE_TEXT_MAX]; /* with placeholders; hardware module: the serial, hw_type is a fact */
};

struct profile {
    char name[PROFILE_NAME_MAX];
    int version;
    uint32_t key_types; /* 1 << enum key_type */
    int64_t validity_s; /* 0: no end (99991231235959Z) */
    int64_t validity_max_s;
    int64_t backdate_s;
    uint32_t key_usage, eku;
    bool eku_critical, is_ca, basic_constraints, subject_key_id;
    int path_len;
    bool outlives_issuer; /* notAfter is not cut to the issuer's (IDevID) */
    char subject[PROFILE_TEXT_MAX];
    struct profile_san san[PROFILE_SANS];
    size_t san_n;
    uint32_t san_request; /* 1 << enum san_type: kinds taken from the request as they are */
    uint32_t by;
    bool crl_url, aia, ocsp_no_check;
    int renew_expired_days;
    uint8_t policy_oids[PROFILE_POLICIES][32];
    uint8_t policy_oid_n[PROFILE_POLICIES];
    size_t policies_n;
    uint8_t digest[SHA256_SIZE];
};

/* Errors: ERR_PROFILE with line, column and the nearest word. */
MUST_USE bool profile_parse(const struct crypto *c, struct slice text, struct profile *out, struct err *e);

struct profile_tag {
    struct slice name, value;
};

/* What is known of the subject (not what it says of itself); what the request asks for stands apart. */
struct profile_facts {
    struct slice id, model, serial, owner; /* %{id} %{model} %{serial} %{owner} */
    struct slice name;                     /* %{name}: of an operator, gateway, application, CA */
    const struct profile_tag *tags;        /* %{tag:NAME} */
    size_t tags_n;
    struct slice hw_type; /* OID content of hardwareModuleName: the manufacturer's arc for the model */
    /* from the request */
    struct slice csr_cn;  /* %{csr.cn} */
    struct slice csr_san; /* GeneralNames, whole, or empty */
    int64_t validity_s;   /* 0: the profile's */
};

struct profile_issuer {
    struct slice subject; /* Name */
    struct slice key_id;
    enum sig_alg sig_alg;
    int64_t not_after;
    const char *plain_url; /* where lists are fetched; NULL: none is named */
    uint8_t node;          /* whose list it is */
    struct slice aia_ocsp, aia_issuers;
};

/* Memory for what the template points to. */
struct profile_work {
    uint8_t buf[PROFILE_WORK_SIZE];
    struct san san[PROFILE_SANS_MADE];
    struct slice policies[PROFILE_POLICIES];
};

/* Fills everything but t->serial (which depends on t->not_after).  The template borrows p, spki, issuer and work.
 * Errors: ERR_PROFILE_KEY, ERR_PROFILE_SAN (a name asked for that is not this subject's), ERR_SAN (a DNS name asked for that is
 * none), ERR_PROFILE_VALIDITY, ERR_PROFILE_FACT (a placeholder without a value). */
MUST_USE bool profile_apply(const struct profile *p, const struct profile_facts *f, struct slice spki,
                            const struct profile_issuer *issuer, int64_t now, struct cert_template *t,
                            struct profile_work *work, struct err *e);

/* "claim", "admin" ... of one PROFILE_BY_ bit; 0 if unknown. */
uint32_t profile_by_from_name(struct slice name);

#endif
