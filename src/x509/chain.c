#include "x509/chain.h"

#include <time.h>

#include "core/der.h"
#include "core/oid.h"
#include "x509/name.h"

struct search {
    const struct crypto *crypto;
    const struct cert *pool, *anchors;
    size_t pool_n, anchors_n;
    const struct chain_rules *rules;
    struct chain path;
    unsigned tries;
    struct err best; /* of the path that went furthest */
    size_t best_depth;
};

/* Keeps the error of the longest path so far; returns false. */
static bool note(struct search *s, const struct err *e)
{
    if (s->best.code == ERR_NONE || s->path.n > s->best_depth) {
        s->best = *e;
        s->best_depth = s->path.n;
    }
    return false;
}

static void time_text(int64_t at, char out[32])
{
    time_t t = (time_t)at;
    struct tm tm;
    if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
        out[0] = 0;
}

static bool check_time(struct search *s, const struct cert *c, bool may_be_expired)
{
    struct err e = {0};
    char text[32];
    if (s->rules->at < c->not_before) {
        time_text(c->not_before, text);
        err_set(&e, ERR_CHAIN_TIME, "certificate of \"%s\" is not valid before %s", NAME_QUOTE(c->subject), text);
    } else if (s->rules->at > c->not_after && !may_be_expired) {
        time_text(c->not_after, text);
        err_set(&e, ERR_CHAIN_TIME, "certificate of \"%s\" expired at %s", NAME_QUOTE(c->subject), text);
    } else {
        return true;
    }
    err_why(&e, "RFC 5280 section 6.1.3 (a)(2)");
    err_try(&e, "check the clock, or renew the certificate");
    return note(s, &e);
}

static bool refuse(struct search *s, const struct cert *c, const char *what, const char *why)
{
    struct err e = {0};
    err_set(&e, ERR_CHAIN_RULE, "certificate of \"%s\": %s", NAME_QUOTE(c->subject), what);
    err_why(&e, "%s", why);
    return note(s, &e);
}

/* ---- name constraints (section 4.2.1.10) ---- */

static bool same_letters(struct slice a, struct slice b)
{
    struct san x = {.type = SAN_DNS, .value = a}, y = {.type = SAN_DNS, .value = b};
    return san_eq(&x, &y);
}

/* True if name is base, or ends in "." base; a base of "" holds all. */
static bool under_domain(struct slice name, struct slice base)
{
    if (base.n == 0)
        return true;
    if (base.p[0] == '.') /* only what is below */
        return name.n > base.n && same_letters(slice_of(name.p + name.n - base.n, base.n), base);
    if (name.n == base.n)
        return same_letters(name, base);
    return name.n > base.n && name.p[name.n - base.n - 1] == '.' &&
           same_letters(slice_of(name.p + name.n - base.n, base.n), base);
}

static struct slice host_of_uri(struct slice uri)
{
    for (size_t i = 0; i + 2 < uri.n; i++) {
        if (memcmp(uri.p + i, "://", 3) != 0)
            continue;
        size_t start = i + 3, end = start;
        while (end < uri.n && uri.p[end] != '/' && uri.p[end] != ':' && uri.p[end] != '?' && uri.p[end] != '#') {
            if (uri.p[end] == '@')
                start = end + 1;
            end++;
        }
        return slice_of(uri.p + start, end - start);
    }
    return (struct slice){0};
}

static struct slice domain_of(const struct san *s)
{
    if (s->type == SAN_URI)
        return host_of_uri(s->value);
    const uint8_t *at = s->type == SAN_RFC822 ? memchr(s->value.p, '@', s->value.n) : NULL;
    return at ? slice_of(at + 1, (size_t)(s->value.p + s->value.n - at) - 1) : s->value;
}

static bool subtree_holds(const struct san *base, const struct san *name)
{
    if (name->type == SAN_RFC822 && memchr(base->value.p, '@', base->value.n))
        return same_letters(base->value, name->value);
    if (name->type == SAN_URI && (!base->value.n || base->value.p[0] != '.')) /* a host, exactly */
        return same_letters(domain_of(name), base->value);
    return under_domain(domain_of(name), base->value);
}

enum verdict { NOTHING, HOLDS, MISSES, UNKNOWN };

/* Does a list of subtrees hold the name?  NOTHING: no subtree of its kind. */
static enum verdict in_subtrees(struct slice list, const struct san *name)
{
    struct reader r = reader_of(list);
    enum verdict v = NOTHING;
    while (reader_left(&r)) {
        struct reader one = der_enter(&r, DER_SEQUENCE);
        uint8_t tag = der_peek(&one);
        struct san base = {.type = tag == DER_CONTEXT(1)   ? SAN_RFC822
                                   : tag == DER_CONTEXT(2) ? SAN_DNS
                                   : tag == DER_CONTEXT(6) ? SAN_URI
                                                           : SAN_OTHER};
        base.value = der_next(&one).content;
        der_leave(&r, &one); /* minimum and maximum must be absent (section 4.2.1.10) */
        if (!reader_ok(&r) || base.type == SAN_OTHER)
            return UNKNOWN;
        if (base.type == name->type && v != HOLDS)
            v = subtree_holds(&base, name) ? HOLDS : MISSES;
    }
    return reader_ok(&r) ? v : UNKNOWN;
}

/* A CA's constraints against the names of one certificate below it. */
static bool names_allowed(const struct cert *ca, const struct cert *below)
{
    struct reader r = reader_of(ca->name_constraints), in = der_enter(&r, DER_SEQUENCE);
    struct slice permitted = {0}, excluded = {0};
    if (der_peek(&in) == DER_CONTEXT_CONS(0))
        permitted = der_expect(&in, DER_CONTEXT_CONS(0));
    if (der_peek(&in) == DER_CONTEXT_CONS(1))
        excluded = der_expect(&in, DER_CONTEXT_CONS(1));
    der_leave(&r, &in);
    struct san probe = {.type = SAN_NONE};
    if (!reader_end(&r) || in_subtrees(permitted, &probe) == UNKNOWN || in_subtrees(excluded, &probe) == UNKNOWN)
        return false;
    if (!below->san.n)
        return true;
    struct reader sans = reader_of(below->san), names = der_enter(&sans, DER_SEQUENCE);
    struct san s;
    while (san_next(&names, &s)) {
        if (in_subtrees(permitted, &s) == MISSES || in_subtrees(excluded, &s) == HOLDS)
            return false;
    }
    return reader_end(&names);
}

/* ---- one certificate ---- */

static bool check_leaf(struct search *s, const struct cert *c)
{
    if (c->unknown_critical.n)
        return refuse(s, c, "a critical extension in it is not known", "RFC 5280 section 4.2");
    if (!cert_allows(c, s->rules->key_usage, 0))
        return refuse(s, c, "its key usage forbids this use", "RFC 5280 section 4.2.1.3");
    if (!cert_allows(c, 0, s->rules->eku))
        return refuse(s, c, "its extended key usage forbids this use", "RFC 5280 section 4.2.1.12");
    return check_time(s, c, s->rules->leaf_may_be_expired);
}

/* As an issuer with the path so far below it. */
static bool check_issuer(struct search *s, const struct cert *ca)
{
    int below = 0; /* intermediates that are not self-issued */
    if (ca->unknown_critical.n)
        return refuse(s, ca, "a critical extension in it is not known", "RFC 5280 section 4.2");
    if (!ca->is_ca)
        return refuse(s, ca, "it is not a CA, but signed another", "RFC 5280 section 6.1.4 (k)");
    if (!cert_allows(ca, KU_KEY_CERT_SIGN, 0))
        return refuse(s, ca, "its key usage lacks keyCertSign", "RFC 5280 section 6.1.4 (n)");
    for (size_t i = 1; i < s->path.n; i++)
        below += !cert_is_self_issued(s->path.path[i]);
    if (ca->path_len >= 0 && below > ca->path_len)
        return refuse(s, ca, "the path below it is longer than it allows", "RFC 5280 section 6.1.4 (m)");
    if (!cert_allows(ca, 0, s->rules->eku))
        return refuse(s, ca, "its extended key usage forbids what the path is for", "RFC 5280 section 4.2.1.12");
    if (ca->name_constraints.n)
        for (size_t i = 0; i < s->path.n; i++)
            if (!names_allowed(ca, s->path.path[i]))
                return refuse(s, ca, "its name constraints forbid a name below it", "RFC 5280 section 6.1.3 (b), (c)");
    return check_time(s, ca, false);
}

static bool could_issue(const struct cert *ca, const struct cert *c)
{
    if (!slice_eq(ca->subject, c->issuer))
        return false;
    return !ca->ski.n || !c->aki.n || slice_eq(ca->ski, c->aki);
}

static bool on_path(const struct search *s, const struct cert *c)
{
    for (size_t i = 0; i < s->path.n; i++)
        if (slice_eq(s->path.path[i]->der, c->der))
            return true;
    return false;
}

/* Puts ca on top of the path if it issued what is there now. */
static bool climb(struct search *s, const struct cert *ca)
{
    const struct cert *top = s->path.path[s->path.n - 1];
    struct err e = {0};
    if (s->path.n == CHAIN_DEPTH_MAX || s->tries >= CHAIN_TRIES_MAX || !could_issue(ca, top) || on_path(s, ca) ||
        !check_issuer(s, ca))
        return false;
    s->tries++;
    if (!cert_verify(s->crypto, top, ca->spki, &e))
        return note(s, &e);
    s->path.path[s->path.n++] = ca;
    return true;
}

/* Depth first, by at most CHAIN_DEPTH_MAX levels and CHAIN_TRIES_MAX signatures. */
static bool find(struct search *s)
{
    for (size_t i = 0; i < s->anchors_n; i++)
        if (climb(s, &s->anchors[i]))
            return true;
    for (size_t i = 0; i < s->pool_n; i++) {
        if (!climb(s, &s->pool[i]))
            continue;
        if (find(s))
            return true;
        s->path.n--;
    }
    return false;
}

bool chain_verify(const struct crypto *c, const struct cert *leaf, const struct cert *pool, size_t pool_n,
                  const struct cert *anchors, size_t anchors_n, const struct chain_rules *rules, struct chain *out,
                  struct err *e)
{
    struct search s = {.crypto = c, .pool = pool, .pool_n = pool_n, .anchors = anchors, .anchors_n = anchors_n};
    *out = (struct chain){0};
    s.rules = rules;
    if (check_leaf(&s, leaf)) {
        bool found = false;
        s.path.path[s.path.n++] = leaf;
        for (size_t i = 0; i < anchors_n; i++)
            found |= slice_eq(anchors[i].der, leaf->der);
        if (found || find(&s)) {
            *out = s.path;
            return true;
        }
    }
    if (s.best.code != ERR_NONE) {
        if (e)
            *e = s.best;
        return false;
    }
    err_set(e, ERR_CHAIN_UNTRUSTED, "certificate of \"%s\": its issuer \"%s\" is not trusted here",
            NAME_QUOTE(leaf->subject), NAME_QUOTE(leaf->issuer));
    err_why(e, "RFC 5280 section 6.1");
    return err_try(e, "kith anchor add, with the issuer's certificate");
}
