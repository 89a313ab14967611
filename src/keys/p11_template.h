/* Inside src/keys only: which attributes a token is asked for when it makes a pair of keys. */
#ifndef KITH_KEYS_P11_TEMPLATE_H
#define KITH_KEYS_P11_TEMPLATE_H

#include <p11-kit/pkcs11.h>
#include <stdbool.h>

#include "core/err.h"

#define P11_TEMPLATE_MAX 12

enum p11_side { P11_PRIVATE, P11_PUBLIC, P11_SIDES };

struct p11_template {
    struct {
        CK_ATTRIBUTE_TYPE type;
        CK_BBOOL value;
    } row[P11_SIDES][P11_TEMPLATE_MAX];
    size_t n[P11_SIDES];
    unsigned steps; /* how often a refusal is answered by a shorter template; 0: what is configured, and nothing else */
};

/* text: NULL for "generic".  Errors: ERR_CONFIG. */
MUST_USE bool p11_template_read(const char *text, struct p11_template *out, struct err *e);
/* The attributes of one side after so many refusals, CKA_TOKEN first; what identifies the key is the caller's.  t takes
 * P11_TEMPLATE_MAX + 1; borrows from tpl. */
CK_ULONG p11_template_put(const struct p11_template *tpl, enum p11_side side, unsigned step, CK_ATTRIBUTE *t);

#endif
