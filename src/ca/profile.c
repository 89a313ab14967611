#include "ca/profile.h"

#include "base/nearest.h"
#include "ca/profile_text.h"
#include "x509/name.h"
#include "x509/oid_text.h"

#define DAY_S          86400
#define DURATION_MAX_S (INT64_C(200) * 366 * DAY_S)

/* Where we are in the file, and what is made of it. */
struct parse {
    struct slice text;
    struct profile *p;
    unsigned line;
    const uint8_t *line_start;
    uint64_t seen; /* one bit a row of keys[] */
};

static bool bad_at(const struct parse *in, const uint8_t *at, struct err *e, const char *what, struct slice word)
{
    err_set(e, ERR_PROFILE, "line %u, column %u: %s: \"%s\"", in->line, (unsigned)(at - in->line_start) + 1, what,
            ERR_QUOTE(word));
    return false;
}

static bool bad_word(const struct parse *in, struct slice word, const char *const *list, struct err *e)
{
    const char *near = nearest_in(word, list);
    bad_at(in, word.p, e, "not a word that can stand here", word);
    return near ? err_try(e, "did you mean %s?", near) : false;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice trim(struct slice s)
{
    while (s.n && is_blank(s.p[0]))
        s = slice_of(s.p + 1, s.n - 1);
    while (s.n && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

/* The next word of a list that commas or blanks divide; empty at the end. */
static struct slice next_word(struct slice *list)
{
    size_t i = 0, start;
    while (i < list->n && (is_blank(list->p[i]) || list->p[i] == ','))
        i++;
    start = i;
    while (i < list->n && !is_blank(list->p[i]) && list->p[i] != ',')
        i++;
    struct slice word = slice_of(list->p + start, i - start);
    *list = slice_of(list->p + i, list->n - i);
    return word;
}

/* ---- values ---- */

static bool take_flag(const struct parse *in, struct slice v, bool *out, struct err *e)
{
    static const char *const words[] = {"yes", "no", NULL};
    *out = slice_eq(v, SLICE_LIT("yes"));
    return *out || slice_eq(v, SLICE_LIT("no")) || bad_word(in, v, words, e);
}

static bool take_number(const struct parse *in, struct slice v, int64_t max, int64_t *out, struct err *e)
{
    int64_t n = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] < '0' || v.p[i] > '9' || n > max)
            return bad_at(in, v.p + i, e, "not a number that can stand here", v);
        n = n * 10 + (v.p[i] - '0');
    }
    if (!v.n || n > max)
        return bad_at(in, v.p, e, "not a number that can stand here", v);
    *out = n;
    return true;
}

/* "90d", "12h", "30m", "45s", "10y"; "never" is 0. */
static bool take_duration(const struct parse *in, struct slice v, int64_t *out, struct err *e)
{
    static const struct {
        uint8_t unit;
        int64_t s;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', DAY_S}, {'y', 365 * DAY_S}};
    *out = 0;
    if (slice_eq(v, SLICE_LIT("never")))
        return true;
    for (size_t i = 0; v.n && i < ARRAY_LEN(units); i++) {
        if (v.p[v.n - 1] != units[i].unit)
            continue;
        if (!take_number(in, slice_of(v.p, v.n - 1), DURATION_MAX_S / units[i].s, out, e))
            return false;
        *out *= units[i].s;
        return true;
    }
    bad_at(in, v.p, e, "not a duration", v);
    return err_try(e, "write a number and s, m, h, d or y: 90d");
}

static bool take_text(const struct parse *in, struct slice v, char *out, size_t cap, struct err *e)
{
    if (v.n >= cap)
        return bad_at(in, v.p, e, "too long", v);
    memcpy(out, v.p, v.n);
    out[v.n] = 0;
    return true;
}

/* ---- rows ---- */

static bool set_name(struct parse *in, struct slice v, struct err *e)
{
    for (size_t i = 0; i < v.n; i++)
        if (!((v.p[i] >= 'a' && v.p[i] <= 'z') || (v.p[i] >= '0' && v.p[i] <= '9') || v.p[i] == '-'))
            return bad_at(in, v.p + i, e, "a profile's name has a-z, 0-9 and '-'", v);
    return v.n ? take_text(in, v, in->p->name, sizeof in->p->name, e) : bad_at(in, v.p, e, "no name", v);
}

static bool set_keys(struct parse *in, struct slice v, struct err *e)
{
    static const char *const words[] = {"p256", "p384", "ed25519", "rsa2048", "rsa3072", "rsa4096", NULL};
    for (struct slice w = next_word(&v); w.n; w = next_word(&v)) {
        char name[16] = {0};
        if (w.n < sizeof name)
            memcpy(name, w.p, w.n);
        enum key_type type = key_type_from_name(name);
        if (type == KEY_NONE)
            return bad_word(in, w, words, e);
        in->p->key_types |= 1u << type;
    }
    return true;
}

static bool set_key_usage(struct parse *in, struct slice v, struct err *e)
{
    for (struct slice w = next_word(&v); w.n; w = next_word(&v)) {
        uint32_t bit = ku_from_name(w);
        if (!bit)
            return bad_word(in, w, ku_names, e);
        in->p->key_usage |= bit;
    }
    return true;
}

static bool set_eku(struct parse *in, struct slice v, struct err *e)
{
    for (struct slice w = next_word(&v); w.n; w = next_word(&v)) {
        uint32_t bit = eku_from_name(w);
        if (!bit)
            return bad_word(in, w, eku_names, e);
        in->p->eku |= bit;
    }
    return true;
}

/* Adds the place to what profile_text_check() found. */
static bool check_template(const struct parse *in, struct slice v, const char *text, bool is_name, struct err *e)
{
    if (profile_text_check(slice_str(text), is_name, e))
        return true;
    if (e)
        e->code = ERR_PROFILE;
    return err_ctx(e, "line %u, column %u", in->line, (unsigned)(v.p - in->line_start) + 1);
}

static bool set_subject(struct parse *in, struct slice v, struct err *e)
{
    return take_text(in, v, in->p->subject, sizeof in->p->subject, e) && check_template(in, v, in->p->subject, true, e);
}

static const struct san_word {
    const char *name;
    enum san_type type;
} san_words[] = {
    {"uri", SAN_URI}, {"dns", SAN_DNS}, {"email", SAN_RFC822}, {"hw", SAN_HARDWARE_MODULE}, {"ip", SAN_IP}};
static const char *const san_names[] = {"uri", "dns", "email", "hw", "ip", NULL};

static enum san_type san_type_of(struct slice word)
{
    for (size_t i = 0; i < ARRAY_LEN(san_words); i++)
        if (slice_eq(slice_str(san_words[i].name), word))
            return san_words[i].type;
    return SAN_NONE;
}

static bool set_san(struct parse *in, struct slice v, struct err *e)
{
    for (struct slice w = next_word(&v); w.n; w = next_word(&v)) {
        const uint8_t *colon = memchr(w.p, ':', w.n);
        struct slice kind = slice_of(w.p, colon ? (size_t)(colon - w.p) : w.n);
        enum san_type type = san_type_of(kind);
        if (!colon || type == SAN_NONE || type == SAN_IP)
            return bad_word(in, kind, san_names, e);
        if (in->p->san_n == PROFILE_SANS)
            return bad_at(in, w.p, e, "too many names", w);
        struct profile_san *s = &in->p->san[in->p->san_n++];
        s->type = type;
        struct slice text = slice_of(colon + 1, w.n - kind.n - 1);
        if (!take_text(in, text, s->text, sizeof s->text, e) || !check_template(in, w, s->text, false, e))
            return false;
    }
    return true;
}

static bool set_san_request(struct parse *in, struct slice v, struct err *e)
{
    for (struct slice w = next_word(&v); w.n; w = next_word(&v)) {
        enum san_type type = san_type_of(w);
        if (type == SAN_NONE || type == SAN_HARDWARE_MODULE)
            return bad_word(in, w, san_names, e);
        in->p->san_request |= 1u << type;
    }
    return true;
}

static const char *const by_names[] = {"claim",   "idevid",  "renewal", "server",  "admin", "security",
                                       "factory", "release", "data",    "station", NULL};

uint32_t profile_by_from_name(struct slice name)
{
    for (unsigned i = 0; by_names[i]; i++)
        if (slice_eq(slice_str(by_names[i]), name))
            return 1u << i;
    return 0;
}

static bool set_for(struct parse *in, struct slice v, struct err *e)
{
    for (struct slice w = next_word(&v); w.n; w = next_word(&v)) {
        uint32_t bit = profile_by_from_name(w);
        if (!bit)
            return bad_word(in, w, by_names, e);
        in->p->by |= bit;
    }
    return true;
}

static bool set_policies(struct parse *in, struct slice v, struct err *e)
{
    struct profile *p = in->p;
    for (struct slice w = next_word(&v); w.n; w = next_word(&v)) {
        if (p->policies_n == PROFILE_POLICIES)
            return bad_at(in, w.p, e, "too many policies", w);
        struct writer oid = WRITER_ARRAY(p->policy_oids[p->policies_n]);
        oid_from_text(&oid, w);
        if (!writer_ok(&oid))
            return bad_at(in, w.p, e, "not an object identifier", w);
        p->policy_oid_n[p->policies_n++] = (uint8_t)oid.n;
    }
    return true;
}

/* A row has its own setter, or says where a value of the type goes. */
enum row_kind { ROW_OWN, ROW_FLAG, ROW_NUMBER, ROW_DURATION };

#define FLAG(field)          .kind = ROW_FLAG, .offset = offsetof(struct profile, field)
#define NUMBER(field, limit) .kind = ROW_NUMBER, .offset = offsetof(struct profile, field), .max = (limit)
#define DURATION(field)      .kind = ROW_DURATION, .offset = offsetof(struct profile, field)

static const struct key_row {
    const char *name;
    bool needed;
    enum row_kind kind;
    size_t offset; /* of a bool, an int or an int64_t (seconds) */
    int64_t max;
    bool (*set)(struct parse *in, struct slice v, struct err *e);
} keys[] = {
    {"name", true, .set = set_name},
    {"version", true, NUMBER(version, 1000000)},
    {"for", true, .set = set_for},
    {"keys", true, .set = set_keys},
    {"validity", true, DURATION(validity_s)},
    {"validity-max", true, DURATION(validity_max_s)},
    {"backdate", false, DURATION(backdate_s)},
    {"subject", true, .set = set_subject},
    {"san", false, .set = set_san},
    {"san-from-request", false, .set = set_san_request},
    {"key-usage", true, .set = set_key_usage},
    {"extended-key-usage", false, .set = set_eku},
    {"extended-key-usage-critical", false, FLAG(eku_critical)},
    {"ca", false, FLAG(is_ca)},
    {"path-length", false, NUMBER(path_len, 6)},
    {"basic-constraints", false, FLAG(basic_constraints)},
    {"subject-key-id", false, FLAG(subject_key_id)},
    {"outlives-issuer", false, FLAG(outlives_issuer)},
    {"crl", false, FLAG(crl_url)},
    {"authority-info", false, FLAG(aia)},
    {"ocsp-no-check", false, FLAG(ocsp_no_check)},
    {"policies", false, .set = set_policies},
    {"renew-expired-days", false, NUMBER(renew_expired_days, 3650)},
};

static bool set_key(const struct key_row *row, struct parse *in, struct slice v, struct err *e)
{
    void *to = (char *)in->p + row->offset;
    int64_t n;
    switch (row->kind) {
    case ROW_FLAG:
        return take_flag(in, v, to, e);
    case ROW_NUMBER:
        if (!take_number(in, v, row->max, &n, e))
            return false;
        *(int *)to = (int)n;
        return true;
    case ROW_DURATION:
        return take_duration(in, v, to, e);
    case ROW_OWN:
        break;
    }
    return row->set(in, v, e);
}

static bool unknown_key(const struct parse *in, struct slice key, struct err *e)
{
    struct nearest near = nearest_of(key);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        nearest_offer(&near, keys[i].name);
    bad_at(in, key.p, e, "not a key of profiles", key);
    return nearest_word(&near) ? err_try(e, "did you mean %s?", nearest_word(&near)) : false;
}

static bool read_line(struct parse *in, struct slice line, struct err *e)
{
    line = trim(line);
    if (!line.n || line.p[0] == '#')
        return true;
    const uint8_t *equals = memchr(line.p, '=', line.n);
    if (!equals)
        return bad_at(in, line.p, e, "not \"key = value\"", line);
    struct slice key = trim(slice_of(line.p, (size_t)(equals - line.p)));
    struct slice value = trim(slice_of(equals + 1, (size_t)(line.p + line.n - equals) - 1));
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (!slice_eq(slice_str(keys[i].name), key))
            continue;
        if (in->seen & UINT64_C(1) << i)
            return bad_at(in, key.p, e, "comes twice", key);
        in->seen |= UINT64_C(1) << i;
        return set_key(&keys[i], in, value, e);
    }
    return unknown_key(in, key, e);
}

static bool rule(struct err *e, const char *what, const char *why)
{
    err_set(e, ERR_PROFILE, "%s", what);
    return err_why(e, "%s", why);
}

/* What only the whole tells. */
static bool check_whole(const struct parse *in, struct err *e)
{
    const struct profile *p = in->p;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (keys[i].needed && !(in->seen & UINT64_C(1) << i))
            return err_set(e, ERR_PROFILE, "the key \"%s\" is missing", keys[i].name);
    if (!p->key_types || !p->key_usage || !p->by)
        return err_set(e, ERR_PROFILE, "keys, key-usage and for need a word each");
    if (p->validity_max_s && (!p->validity_s || p->validity_s > p->validity_max_s))
        return err_set(e, ERR_PROFILE, "validity is longer than validity-max");
    if (!p->is_ca && (p->path_len >= 0 || p->key_usage & KU_KEY_CERT_SIGN))
        return rule(e, "path-length and keyCertSign need \"ca = yes\"", "RFC 5280 section 4.2.1.9");
    if (p->is_ca && (!(p->key_usage & KU_KEY_CERT_SIGN) || p->path_len < 0))
        return rule(e, "a CA needs keyCertSign and a path-length", "RFC 5280 section 4.2.1.9");
    if (!p->subject[0] && !p->san_n)
        return rule(e, "the certificate would name nobody", "RFC 5280 section 4.1.2.6");
    return true;
}

bool profile_parse(const struct crypto *c, struct slice text, struct profile *out, struct err *e)
{
    struct profile p = {.path_len = -1, .subject_key_id = true, .basic_constraints = true};
    struct parse in = {.text = text, .p = &p};
    *out = (struct profile){0};
    if (text.n > PROFILE_FILE_MAX)
        return err_set(e, ERR_PROFILE, "longer than %d bytes", PROFILE_FILE_MAX);
    for (size_t i = 0; i < text.n;) {
        size_t start = i;
        while (i < text.n && text.p[i] != '\n')
            if (text.p[i++] == 0)
                return err_set(e, ERR_PROFILE, "line %u: a zero byte", in.line + 1);
        in.line++;
        in.line_start = text.p + start;
        if (!read_line(&in, slice_of(text.p + start, i - start), e))
            return false;
        i++;
    }
    if (!check_whole(&in, e))
        return false;
    if (p.is_ca)
        p.basic_constraints = true;
    c->sha256(&text, 1, p.digest);
    *out = p;
    return true;
}
