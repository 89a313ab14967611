#include "x509/name.h"

#include "core/der.h"
#include "core/oid.h"
#include "x509/oid_text.h"

/* The value's type: section and appendix A.1 of RFC 5280 (C, serialNumber: Printable; DC, email: IA5). */
static const struct attr {
    const char *name;
    struct slice oid;
    uint8_t tag; /* 0: PrintableString where it suffices, else UTF8String */
    size_t max;
} attrs[] = {
    {"CN", OID_CN, 0, 64},
    {"serialNumber", OID_SERIAL_NUMBER, DER_PRINTABLE_STRING, 64},
    {"O", OID_O, 0, 64},
    {"OU", OID_OU, 0, 64},
    {"C", OID_C, DER_PRINTABLE_STRING, 2},
    {"ST", OID_ST, 0, 128},
    {"L", OID_L, 0, 128},
    {"title", OID_TITLE, 0, 64},
    {"UID", OID_UID, 0, 256},
    {"DC", OID_DC, DER_IA5_STRING, 63},
    {"emailAddress", OID_EMAIL, DER_IA5_STRING, 255},
};

struct pair {
    struct slice oid;
    const struct attr *attr; /* NULL: written as an OID in dots */
    struct slice value;      /* unescaped */
    bool joined;             /* by '+' with the one before it */
};

/* What stands in a Name, while it is made: unescaped bytes go to store. */
struct build {
    struct slice text;
    size_t i;
    struct pair pairs[NAME_ATTRS_MAX];
    size_t n;
    uint8_t store[NAME_TEXT_MAX];
    struct writer w;
};

static bool bad_dn(struct err *e, struct slice text, const char *what)
{
    err_set(e, ERR_DN, "name \"%s\": %s", ERR_QUOTE(text), what);
    return err_why(e, "RFC 4514 section 3");
}

static void skip_blanks(struct build *b)
{
    while (b->i < b->text.n && b->text.p[b->i] == ' ')
        b->i++;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static bool same_word(struct slice s, const char *word)
{
    size_t n = strlen(word);
    if (s.n != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (lower(s.p[i]) != lower((uint8_t)word[i]))
            return false;
    return true;
}

static bool read_type(struct build *b, struct pair *p, struct err *e)
{
    skip_blanks(b);
    size_t start = b->i;
    while (b->i < b->text.n && b->text.p[b->i] != '=' && b->text.p[b->i] != ' ')
        b->i++;
    struct slice word = slice_of(b->text.p + start, b->i - start);
    skip_blanks(b);
    if (b->i == b->text.n || b->text.p[b->i++] != '=')
        return bad_dn(e, b->text, "an attribute without '='");
    for (size_t i = 0; i < ARRAY_LEN(attrs); i++)
        if (same_word(word, attrs[i].name)) {
            p->attr = &attrs[i];
            p->oid = attrs[i].oid;
            return true;
        }
    size_t at = b->w.n;
    oid_from_text(&b->w, word);
    p->oid = slice_of(b->store + at, b->w.n - at);
    if (!writer_ok(&b->w)) {
        err_set(e, ERR_DN, "name \"%s\": attribute \"%s\" is not known", ERR_QUOTE(b->text), ERR_QUOTE(word));
        return err_try(e, "use CN, serialNumber, O, OU, C, ST, L, title, UID, DC, emailAddress or an OID");
    }
    return true;
}

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* The byte after a backslash: itself, or two hex digits. */
static bool read_escape(struct build *b)
{
    if (b->i >= b->text.n)
        return false;
    uint8_t c = b->text.p[b->i++];
    int hi = hex_digit(c), lo = b->i < b->text.n ? hex_digit(b->text.p[b->i]) : -1;
    if (hi >= 0 && lo >= 0) {
        b->i++;
        writer_u8(&b->w, (uint8_t)(hi << 4 | lo));
        return true;
    }
    if (!memchr(" \"#+,;<=>\\", c, 10))
        return false;
    writer_u8(&b->w, c);
    return true;
}

static bool read_value(struct build *b, struct pair *p, struct err *e)
{
    skip_blanks(b);
    size_t at = b->w.n, keep = at; /* keep: behind the last byte that is no bare blank */
    if (b->i < b->text.n && b->text.p[b->i] == '#')
        return bad_dn(e, b->text, "values in hexadecimal ('#') are not taken");
    while (b->i < b->text.n && b->text.p[b->i] != ',' && b->text.p[b->i] != '+') {
        uint8_t c = b->text.p[b->i++];
        if (c == '\\') {
            if (!read_escape(b))
                return bad_dn(e, b->text, "a '\\' that escapes nothing");
            keep = b->w.n;
            continue;
        }
        if (c == '"' || c == ';' || c == '<' || c == '>' || c == 0)
            return bad_dn(e, b->text, "a special character without '\\' before it");
        writer_u8(&b->w, c);
        if (c != ' ')
            keep = b->w.n;
    }
    if (!writer_ok(&b->w))
        return bad_dn(e, b->text, "too long");
    b->w.n = keep;
    p->value = slice_of(b->store + at, keep - at);
    return p->value.n ? true : bad_dn(e, b->text, "an attribute without a value");
}

static bool check_value(const struct build *b, const struct pair *p, struct err *e)
{
    uint8_t tag = p->attr ? p->attr->tag : 0;
    bool fits = tag == DER_PRINTABLE_STRING ? der_is_printable(p->value)
                : tag == DER_IA5_STRING     ? der_is_ia5(p->value)
                                            : der_is_utf8(p->value);
    if (!fits)
        return bad_dn(e, b->text, "a character that the attribute does not take");
    size_t chars = 0;
    for (size_t i = 0; i < p->value.n; i++)
        chars += (p->value.p[i] & 0xc0) != 0x80;
    if (p->attr && chars > p->attr->max) {
        err_set(e, ERR_DN, "name \"%s\": %s takes at most %zu characters", ERR_QUOTE(b->text), p->attr->name,
                p->attr->max);
        return err_why(e, "RFC 5280 appendix A.1");
    }
    return true;
}

static bool read_pairs(struct build *b, struct err *e)
{
    bool joined = false;
    skip_blanks(b);
    if (b->i == b->text.n)
        return true;
    for (;;) {
        if (b->n == NAME_ATTRS_MAX)
            return bad_dn(e, b->text, "too many attributes");
        struct pair *p = &b->pairs[b->n++];
        *p = (struct pair){.joined = joined};
        if (!read_type(b, p, e) || !read_value(b, p, e) || !check_value(b, p, e))
            return false;
        if (b->i == b->text.n)
            return true;
        joined = b->text.p[b->i++] == '+';
    }
}

static void put_pair(struct writer *w, const struct pair *p)
{
    size_t seq = der_open(w, DER_SEQUENCE);
    der_put_oid(w, p->oid);
    if (p->attr && p->attr->tag)
        der_put(w, p->attr->tag, p->value);
    else
        der_put_string(w, p->value);
    der_close(w, seq);
}

bool name_write(struct writer *w, struct slice text, struct err *e)
{
    struct build b = {.text = text};
    b.w = WRITER_ARRAY(b.store);
    if (!read_pairs(&b, e))
        return false;
    size_t start = w->n, seq = der_open(w, DER_SEQUENCE);
    for (size_t end = b.n; end > 0;) { /* from the last relative name to the first */
        size_t first = end - 1;
        while (b.pairs[first].joined)
            first--;
        size_t set = der_open(w, DER_SET);
        for (size_t i = first; i < end; i++)
            put_pair(w, &b.pairs[i]);
        der_close_set_of(w, set);
        end = first;
    }
    der_close(w, seq);
    if (!writer_ok(w) || w->n - start > NAME_DER_MAX)
        return bad_dn(e, text, "too long");
    return true;
}

/* ---- reading ---- */

struct item {
    struct slice oid, value;
    uint8_t tag;
    bool joined;
};

static bool value_is_string(uint8_t tag)
{
    return tag == DER_UTF8_STRING || tag == DER_PRINTABLE_STRING || tag == DER_IA5_STRING;
}

static struct item read_item(struct reader *set)
{
    struct reader in = der_enter(set, DER_SEQUENCE), look;
    struct item it = {.oid = der_oid(&in)};
    look = in;
    struct der_item value = der_next(&in);
    it.tag = value.tag;
    it.value = value.content;
    if (value_is_string(value.tag))
        (void)der_string(&look, NULL);
    if (!reader_ok(&look))
        reader_fail(&in);
    der_leave(set, &in);
    return it;
}

static bool read_items(struct slice name, struct item items[NAME_ATTRS_MAX], size_t *n)
{
    struct reader r = reader_of(name), seq = der_enter(&r, DER_SEQUENCE);
    size_t count = 0;
    *n = 0;
    while (reader_left(&seq)) {
        struct reader set = der_enter_set_of(&seq, DER_SET);
        bool joined = false;
        if (!reader_left(&set))
            reader_fail(&set);
        while (reader_left(&set)) {
            struct item it = read_item(&set);
            it.joined = joined;
            if (!reader_ok(&set) || count == NAME_ATTRS_MAX)
                return false;
            items[count++] = it;
            joined = true;
        }
        der_leave(&seq, &set);
    }
    der_leave(&r, &seq);
    if (!reader_end(&r) || name.n > NAME_DER_MAX)
        return false;
    *n = count;
    return true;
}

bool name_valid(struct slice name)
{
    struct item items[NAME_ATTRS_MAX];
    size_t n;
    return read_items(name, items, &n);
}

bool name_is_empty(struct slice name)
{
    return name.n == 2;
}

struct slice name_get0(struct slice name, struct slice oid)
{
    struct item items[NAME_ATTRS_MAX];
    size_t n;
    if (!read_items(name, items, &n))
        return (struct slice){0};
    while (n--)
        if (value_is_string(items[n].tag) && slice_eq(items[n].oid, oid))
            return items[n].value;
    return (struct slice){0};
}

size_t name_count(struct slice name, struct slice oid)
{
    struct item items[NAME_ATTRS_MAX];
    size_t n, count = 0;
    if (!read_items(name, items, &n))
        return 0;
    while (n--)
        count += slice_eq(items[n].oid, oid);
    return count;
}

struct slice name_get0_cn(struct slice name)
{
    return name_get0(name, OID_CN);
}

struct slice name_get0_serial_number(struct slice name)
{
    return name_get0(name, OID_SERIAL_NUMBER);
}

static void put_hex(struct writer *w, uint8_t c)
{
    static const char digits[] = "0123456789ABCDEF";
    writer_u8(w, (uint8_t)digits[c >> 4]);
    writer_u8(w, (uint8_t)digits[c & 15]);
}

void name_escape(struct writer *w, struct slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        uint8_t c = value.p[i];
        bool edge = (c == ' ' && (i == 0 || i + 1 == value.n)) || (c == '#' && i == 0);
        if (c < ' ' || c == 0x7f) {
            writer_u8(w, '\\');
            put_hex(w, c);
            continue;
        }
        if (edge || memchr("\"+,;<=>\\", c, 8))
            writer_u8(w, '\\');
        writer_u8(w, c);
    }
}

static void put_item(struct writer *w, const struct item *it)
{
    const char *known = NULL;
    for (size_t i = 0; i < ARRAY_LEN(attrs); i++)
        if (slice_eq(attrs[i].oid, it->oid))
            known = attrs[i].name;
    if (known)
        writer_put(w, slice_str(known));
    else
        oid_text(w, it->oid);
    writer_u8(w, '=');
    if (value_is_string(it->tag))
        return name_escape(w, it->value);
    writer_u8(w, '#'); /* RFC 4514 section 2.4: the bytes of the value's DER */
    put_hex(w, it->tag);
    if (it->value.n >= 0x80)
        put_hex(w, it->value.n > 0xff ? 0x82 : 0x81);
    if (it->value.n > 0xff)
        put_hex(w, (uint8_t)(it->value.n >> 8));
    put_hex(w, (uint8_t)it->value.n);
    for (size_t i = 0; i < it->value.n; i++)
        put_hex(w, it->value.p[i]);
}

bool name_text(struct slice name, struct writer *w, struct err *e)
{
    struct item items[NAME_ATTRS_MAX];
    size_t n;
    if (!read_items(name, items, &n)) {
        err_set(e, ERR_DN, "the name is malformed");
        return err_why(e, "RFC 5280 section 4.1.2.4");
    }
    for (size_t end = n; end > 0;) {
        size_t first = end - 1;
        while (items[first].joined)
            first--;
        for (size_t i = first; i < end; i++) {
            if (i > first)
                writer_u8(w, '+');
            put_item(w, &items[i]);
        }
        end = first;
        if (end)
            writer_put(w, SLICE_LIT(", "));
    }
    return writer_ok(w) || err_set(e, ERR_DN, "the name is too long to show");
}

char *name_quote(struct slice name, char *dst, size_t cap)
{
    uint8_t text[NAME_TEXT_MAX];
    struct writer w = WRITER_ARRAY(text);
    if (!name_text(name, &w, NULL))
        return err_quote(SLICE_LIT("(malformed name)"), dst, cap);
    return err_quote(writer_slice(&w), dst, cap);
}
