#include "x509/san.h"

#include <arpa/inet.h>

#include "base/host.h"
#include "core/der.h"
#include "core/oid.h"
#include "x509/oid_text.h"

/* GeneralName tags (RFC 5280 section 4.2.1.6) */
#define GN_OTHER  DER_CONTEXT_CONS(0)
#define GN_RFC822 DER_CONTEXT(1)
#define GN_DNS    DER_CONTEXT(2)
#define GN_X400   DER_CONTEXT_CONS(3)
#define GN_DIR    DER_CONTEXT_CONS(4)
#define GN_EDI    DER_CONTEXT_CONS(5)
#define GN_URI    DER_CONTEXT(6)
#define GN_IP     DER_CONTEXT(7)
#define GN_RID    DER_CONTEXT(8)

static struct san read_other_name(struct reader *r)
{
    struct reader look = *r, in = der_enter(r, GN_OTHER);
    struct slice whole = der_raw(&look), oid = der_oid(&in);
    struct reader value = der_enter(&in, DER_CONTEXT_CONS(0));
    struct san out = {.type = SAN_OTHER, .value = whole};
    if (slice_eq(oid, OID_HARDWARE_MODULE_NAME)) {
        struct reader hw = der_enter(&value, DER_SEQUENCE);
        struct slice type = der_oid(&hw), serial = der_octets(&hw);
        der_leave(&value, &hw);
        out = (struct san){SAN_HARDWARE_MODULE, serial, type};
    } else {
        (void)der_raw(&value);
    }
    der_leave(&in, &value);
    der_leave(r, &in);
    return out;
}

static struct san read_text(struct reader *r, enum san_type type, uint8_t tag)
{
    struct slice s = der_ia5_as(r, tag);
    /* A control character or NUL in a name only serves to mislead who prints or compares it. */
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f)
            reader_fail(r);
    if (s.n == 0)
        reader_fail(r);
    return (struct san){.type = type, .value = s};
}

bool san_next(struct reader *r, struct san *out)
{
    struct san s = {0};
    *out = s;
    if (!reader_ok(r) || !reader_left(r))
        return false;
    switch (der_peek(r)) {
    case GN_RFC822:
        s = read_text(r, SAN_RFC822, GN_RFC822);
        break;
    case GN_DNS:
        s = read_text(r, SAN_DNS, GN_DNS);
        break;
    case GN_URI:
        s = read_text(r, SAN_URI, GN_URI);
        break;
    case GN_IP:
        s = (struct san){.type = SAN_IP, .value = der_expect(r, GN_IP)};
        if (s.value.n != 4 && s.value.n != 16)
            reader_fail(r);
        break;
    case GN_OTHER:
        s = read_other_name(r);
        break;
    case GN_X400:
    case GN_DIR:
    case GN_EDI:
    case GN_RID:
        s = (struct san){.type = SAN_OTHER, .value = der_raw(r)};
        if (!der_valid(s.value))
            reader_fail(r);
        break;
    default:
        reader_fail(r);
    }
    if (!reader_ok(r))
        return false;
    *out = s;
    return true;
}

static bool bad_san(struct err *e, const char *what)
{
    err_set(e, ERR_SAN, "subjectAltName: %s", what);
    return err_why(e, "RFC 5280 section 4.2.1.6");
}

bool san_read(struct slice general_names, struct san *out, size_t cap, size_t *n, struct err *e)
{
    struct reader r = reader_of(general_names), in = der_enter(&r, DER_SEQUENCE);
    struct san s;
    size_t count = 0;
    *n = 0;
    while (san_next(&in, &s)) {
        if (count == cap)
            return bad_san(e, "too many names");
        out[count++] = s;
    }
    der_leave(&r, &in);
    if (!reader_end(&r))
        return bad_san(e, "malformed");
    if (count == 0)
        return bad_san(e, "no name in it");
    *n = count;
    return true;
}

bool san_eq(const struct san *a, const struct san *b)
{
    if (a->type != b->type || a->value.n != b->value.n || !slice_eq(a->hw_type, b->hw_type))
        return false;
    if (a->type != SAN_DNS)
        return slice_eq(a->value, b->value);
    for (size_t i = 0; i < a->value.n; i++) { /* DNS names compare without case (RFC 5280 section 7.2) */
        uint8_t x = a->value.p[i], y = b->value.p[i];
        x |= x >= 'A' && x <= 'Z' ? 0x20 : 0;
        y |= y >= 'A' && y <= 'Z' ? 0x20 : 0;
        if (x != y)
            return false;
    }
    return true;
}

bool san_holds(struct slice general_names, const struct san *s)
{
    struct reader r = reader_of(general_names), in = der_enter(&r, DER_SEQUENCE);
    struct san it;
    while (san_next(&in, &it))
        if (san_eq(&it, s))
            return true;
    return false;
}

static void put_hardware_module(struct writer *w, const struct san *s)
{
    if (!s->hw_type.n || !s->value.n)
        return writer_fail(w);
    size_t other = der_open(w, GN_OTHER);
    der_put_oid(w, OID_HARDWARE_MODULE_NAME);
    size_t value = der_open(w, DER_CONTEXT_CONS(0)), hw = der_open(w, DER_SEQUENCE);
    der_put_oid(w, s->hw_type);
    der_put_octets(w, s->value);
    der_close(w, hw);
    der_close(w, value);
    der_close(w, other);
}

static void put_text(struct writer *w, uint8_t tag, struct slice s)
{
    if (!s.n || !der_is_ia5(s))
        return writer_fail(w);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] == 0x7f)
            return writer_fail(w);
    der_put(w, tag, s);
}

void san_put(struct writer *w, const struct san *s)
{
    switch (s->type) {
    case SAN_RFC822:
        return put_text(w, GN_RFC822, s->value);
    case SAN_DNS:
        return put_text(w, GN_DNS, s->value);
    case SAN_URI:
        return put_text(w, GN_URI, s->value);
    case SAN_IP:
        if (s->value.n != 4 && s->value.n != 16)
            return writer_fail(w);
        return der_put(w, GN_IP, s->value);
    case SAN_HARDWARE_MODULE:
        return put_hardware_module(w, s);
    case SAN_OTHER:
        return der_put_raw(w, s->value);
    default:
        writer_fail(w);
    }
}

void san_put_all(struct writer *w, const struct san *s, size_t n)
{
    size_t seq = der_open(w, DER_SEQUENCE);
    for (size_t i = 0; i < n; i++)
        san_put(w, &s[i]);
    der_close(w, seq);
}

/* ---- text ---- */

static const struct prefix {
    enum san_type type;
    const char *text;
} prefixes[] = {
    {SAN_RFC822, "email:"}, {SAN_DNS, "dns:"}, {SAN_URI, "uri:"}, {SAN_IP, "ip:"}, {SAN_HARDWARE_MODULE, "hw:"}};

static void put_str(struct writer *w, const char *s)
{
    writer_put(w, slice_str(s));
}

static void ip_text(struct writer *w, struct slice ip)
{
    char t[INET6_ADDRSTRLEN];
    put_str(w, inet_ntop(ip.n == 4 ? AF_INET : AF_INET6, ip.p, t, sizeof t) ? t : "?");
}

void san_text(struct writer *w, const struct san *s)
{
    char quoted[300];
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
        if (prefixes[i].type == s->type)
            put_str(w, prefixes[i].text);
    if (s->type == SAN_OTHER || s->type == SAN_NONE)
        return put_str(w, "other");
    if (s->type == SAN_IP)
        return ip_text(w, s->value);
    if (s->type == SAN_HARDWARE_MODULE) {
        oid_text(w, s->hw_type);
        put_str(w, ":");
    }
    put_str(w, err_quote(s->value, quoted, sizeof quoted));
}

static bool ip_from_text(struct slice text, struct writer *store, struct san *out)
{
    uint8_t b[16];
    size_t n = host_address(text, b), at = store->n;
    writer_put(store, slice_of(b, n));
    *out = (struct san){.type = SAN_IP, .value = slice_of(store->buf + at, n)};
    return n && writer_ok(store);
}

/* "1.2.3.4:serial" */
static bool hw_from_text(struct slice text, struct writer *store, struct san *out)
{
    const uint8_t *colon = text.n ? memchr(text.p, ':', text.n) : NULL;
    if (!colon)
        return false;
    size_t at = store->n, oid_n = (size_t)(colon - text.p);
    oid_from_text(store, slice_of(text.p, oid_n));
    *out = (struct san){SAN_HARDWARE_MODULE, slice_of(colon + 1, text.n - oid_n - 1),
                        slice_of(store->buf + at, store->n - at)};
    return out->value.n && writer_ok(store);
}

bool san_from_text(struct slice text, struct writer *store, struct san *out, struct err *e)
{
    *out = (struct san){0};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        const struct prefix *p = &prefixes[i];
        size_t n = strlen(p->text);
        if (text.n <= n || memcmp(text.p, p->text, n) != 0)
            continue;
        struct slice rest = slice_of(text.p + n, text.n - n);
        struct san s = {.type = p->type, .value = rest};
        bool good = p->type == SAN_IP                ? ip_from_text(rest, store, &s)
                    : p->type == SAN_HARDWARE_MODULE ? hw_from_text(rest, store, &s)
                                                     : true;
        struct writer probe = writer_counting();
        san_put(&probe, &s);
        if (good && writer_ok(&probe)) {
            *out = s;
            return true;
        }
        err_set(e, ERR_SAN, "\"%s\" is not a name of its kind", ERR_QUOTE(text));
        return err_why(e, "RFC 5280 section 4.2.1.6");
    }
    err_set(e, ERR_SAN, "\"%s\" is not an alternative name", ERR_QUOTE(text));
    return err_try(e, "write dns:, uri:, ip:, email: or hw:OID: before it");
}
