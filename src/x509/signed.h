/* What certificates, CSRs and CRLs are made of alike: SEQUENCE { to be signed, AlgorithmIdentifier, BIT STRING } (RFC 5280
 * sections 4.1 and 5.1, RFC 2986 section 4.2), and Extensions.  What is read borrows the input. */
#ifndef KITH_X509_SIGNED_H
#define KITH_X509_SIGNED_H

#include "core/crypto.h"
#include "core/reader.h"
#include "core/writer.h"

#define EXTENSIONS_MAX 32 /* in one list */

struct signed_parts {
    struct slice tbs;     /* whole: what is signed */
    struct reader inside; /* of its content */
    struct slice alg;     /* AlgorithmIdentifier, whole */
    struct slice sig;     /* as X.509 has it */
};

/* False if `der` is not exactly one such structure; what stands inside `tbs` is not looked at. */
MUST_USE bool signed_read(struct slice der, struct signed_parts *out);
/* Errors: ERR_SIG_ALG (SIG_NONE, or a signature that is not of this kind), and as crypto->verify. */
MUST_USE bool signed_verify(const struct crypto *c, enum sig_alg alg, struct slice spki, struct slice tbs,
                            struct slice sig, struct err *e);
/* Writes it, of a signature in COSE form.  Errors: ERR_SIG_ALG, ERR_TEMPLATE (the writer is too small). */
MUST_USE bool signed_assemble(struct slice tbs, enum sig_alg alg, struct slice sig, struct writer *w, struct err *e);
/* signed_assemble() with the signature made by s. */
MUST_USE bool signed_write(struct slice tbs, const struct signer *s, struct writer *w, struct err *e);

struct extension {
    struct slice oid; /* content */
    bool critical;
    struct slice value; /* extnValue's content */
};

/* One after the other: struct extensions x = extensions_enter(&r); while (extensions_next(&x, &ext)) ...; then
 * extensions_leave(&r, &x), which fails `r` if the list was malformed, had more than EXTENSIONS_MAX, or one of them twice
 * (section 4.2). */
struct extensions {
    struct reader list;
    struct slice seen[EXTENSIONS_MAX]; /* OIDs */
    size_t n;
};
struct extensions extensions_enter(struct reader *r);
MUST_USE bool extensions_next(struct extensions *x, struct extension *out);
void extensions_leave(struct reader *r, const struct extensions *x);

/* Writing: what is put between the two is the extension's value. */
struct extension_mark {
    size_t seq, octets;
};
MUST_USE struct extension_mark extension_open(struct writer *w, struct slice oid, bool critical);
void extension_close(struct writer *w, struct extension_mark x);

/* AuthorityKeyIdentifier (section 4.2.1.1) as an extension; nothing for no key id. */
void extension_put_aki(struct writer *w, struct slice key_id);
/* The key id of its value; issuer and serial number are passed over: names chain without them. */
struct slice extension_get_aki(struct reader *r);
/* DistributionPointName (section 4.2.1.13) with this URI as full name. */
void extension_put_point(struct writer *w, struct slice uri);
/* The first URI of its full name, whose GeneralNames stand in *r. */
struct slice extension_get_uri(struct reader *r);

#endif
