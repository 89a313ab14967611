/* PKCS#11 URIs (RFC 7512), as far as they name a key on a token: token, serial, manufacturer, model, object, id, type=private.
 * Where module and PIN are says the configuration, so every query attribute is refused, a PIN in clear above all. */
#ifndef KITH_KEYS_P11_URI_H
#define KITH_KEYS_P11_URI_H

#include "core/err.h"
#include "core/slice.h"
#include "core/writer.h"

#define P11_URI_VALUE_MAX 64

struct p11_uri_value {
    uint8_t bytes[P11_URI_VALUE_MAX + 1]; /* NUL-terminated */
    size_t n;
    bool given;
};

struct p11_uri {
    struct p11_uri_value token, serial, manufacturer, model, object, id, type;
};

/* Errors: usage (ERR_KEY_REF), section of RFC 7512 in err->why.  At least one of object and id is there. */
MUST_USE bool p11_uri_read(const char *uri, struct p11_uri *out, struct err *e);
/* Appends a value percent-encoded as RFC 7512 section 2.3 has it, so that any label can stand in a URI. */
void p11_uri_put(struct writer *w, struct slice value);
const char *p11_uri_text(const struct p11_uri_value *v); /* NULL if not given */

#endif
