#include "keys/p11_uri.h"

#include <stddef.h>
#include <string.h>

static const struct attr {
    const char *name;
    size_t at;
    bool text; /* a NUL in it makes no sense */
} attrs[] = {
    {"token", offsetof(struct p11_uri, token), true},
    {"serial", offsetof(struct p11_uri, serial), true},
    {"manufacturer", offsetof(struct p11_uri, manufacturer), true},
    {"model", offsetof(struct p11_uri, model), true},
    {"object", offsetof(struct p11_uri, object), true},
    {"id", offsetof(struct p11_uri, id), false},
    {"type", offsetof(struct p11_uri, type), true},
};

static bool bad(struct err *e, const char *what, struct slice where)
{
    err_set(e, ERR_KEY_REF, "pkcs11 URI: %s \"%s\"", what, ERR_QUOTE(where));
    return err_why(e, "RFC 7512 section 2.3");
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* pk11-path-res-avail and what RFC 3986 leaves unreserved. */
static bool stands_for_itself(uint8_t c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("-._~:[]@!$'()*+,=&", c));
}

static bool value_read(struct slice s, bool text, struct p11_uri_value *v, struct err *e)
{
    for (size_t i = 0; i < s.n; i++) {
        int c = s.p[i];
        if (c == '%') {
            bool whole = s.n - i > 2;
            int hi = whole ? hex(s.p[i + 1]) : -1, lo = whole ? hex(s.p[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return bad(e, "broken percent escape in", s);
            c = hi << 4 | lo;
            i += 2;
        } else if (!stands_for_itself((uint8_t)c)) {
            return bad(e, "a character must be percent-encoded in", s);
        }
        if (v->n == P11_URI_VALUE_MAX || (text && c == 0))
            return bad(e, "value not taken:", s);
        v->bytes[v->n++] = (uint8_t)c;
    }
    v->given = true;
    return v->n > 0 || bad(e, "empty value", s);
}

static bool attr_read(struct slice pair, struct p11_uri *out, struct err *e)
{
    const uint8_t *eq = memchr(pair.p, '=', pair.n);
    if (!eq)
        return bad(e, "no value in", pair);
    struct slice name = slice_of(pair.p, (size_t)(eq - pair.p));
    struct slice value = slice_of(eq + 1, pair.n - name.n - 1);
    for (size_t i = 0; i < ARRAY_LEN(attrs); i++) {
        if (!slice_eq(name, slice_str(attrs[i].name)))
            continue;
        struct p11_uri_value *v = (struct p11_uri_value *)(void *)((char *)out + attrs[i].at);
        return v->given ? bad(e, "twice:", name) : value_read(value, attrs[i].text, v, e);
    }
    return bad(e, "attribute not taken:", name);
}

bool p11_uri_read(const char *uri, struct p11_uri *out, struct err *e)
{
    static const char scheme[] = "pkcs11:";
    struct p11_uri u = {0};
    *out = u;
    if (strncmp(uri, scheme, sizeof scheme - 1) != 0)
        return bad(e, "not one:", slice_str(uri));
    const char *at = uri + sizeof scheme - 1;
    if (strchr(at, '?')) { /* not quoted: it may hold a PIN */
        err_set(e, ERR_KEY_REF, "pkcs11 URI: a query (module, PIN) is not taken");
        return err_try(e, "name module and PIN file in the configuration");
    }
    while (*at) {
        size_t n = strcspn(at, ";");
        if (!attr_read(slice_of(at, n), &u, e))
            return false;
        at += n;
        if (*at == ';' && *++at == 0)
            return bad(e, "ends with a semicolon:", slice_str(uri));
    }
    if (!u.object.given && !u.id.given)
        return bad(e, "neither object nor id in", slice_str(uri));
    if (u.type.given && strcmp((const char *)u.type.bytes, "private") != 0)
        return bad(e, "only private keys are taken, not type", slice_of(u.type.bytes, u.type.n));
    *out = u;
    return true;
}

void p11_uri_put(struct writer *w, struct slice value)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];
        const char escaped[] = {'%', digits[c >> 4], digits[c & 15]};
        if (c && strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~", c))
            writer_put(w, slice_of(&value.p[i], 1));
        else
            writer_put(w, slice_of(escaped, sizeof escaped));
    }
}

const char *p11_uri_text(const struct p11_uri_value *v)
{
    return v->given ? (const char *)v->bytes : NULL;
}
