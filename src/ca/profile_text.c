#include "ca/profile_text.h"

#include "base/nearest.h"
#include "x509/name.h"

static const char *const placeholder_names[] = {"id", "model", "serial", "owner", "name", "csr.cn", "tag:NAME", NULL};

/* The fact of a placeholder; false if there is no such placeholder. */
static bool fact_of(const struct profile_facts *f, struct slice name, struct slice *out)
{
    const struct {
        struct slice name, value;
    } rows[] = {
        {SLICE_LIT("id"), f->id},       {SLICE_LIT("model"), f->model}, {SLICE_LIT("serial"), f->serial},
        {SLICE_LIT("owner"), f->owner}, {SLICE_LIT("name"), f->name},   {SLICE_LIT("csr.cn"), f->csr_cn},
    };
    *out = (struct slice){0};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (slice_eq(rows[i].name, name)) {
            *out = rows[i].value;
            return true;
        }
    if (name.n <= 4 || memcmp(name.p, "tag:", 4) != 0)
        return false;
    for (size_t i = 0; i < f->tags_n; i++)
        if (slice_eq(f->tags[i].name, slice_of(name.p + 4, name.n - 4)))
            *out = f->tags[i].value;
    return true;
}

static void put_percent(struct writer *w, struct slice v)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < v.n; i++) {
        uint8_t c = v.p[i];
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c && memchr("-._~:/+", c, 7))) {
            writer_u8(w, c);
            continue;
        }
        writer_u8(w, '%');
        writer_u8(w, (uint8_t)hex[c >> 4]);
        writer_u8(w, (uint8_t)hex[c & 15]);
    }
}

static void put_value(struct writer *w, struct slice v, enum profile_quoting quoting)
{
    if (quoting == PROFILE_QUOTE_DN)
        name_escape(w, v);
    else if (quoting == PROFILE_QUOTE_URI)
        put_percent(w, v);
    else
        writer_put(w, v);
}

/* The placeholder at the beginning of s: its name in *name and its whole length, or 0. */
static size_t placeholder_at(struct slice s, struct slice *name)
{
    if (s.n < 3 || s.p[0] != '%' || s.p[1] != '{')
        return 0;
    const uint8_t *end = memchr(s.p, '}', s.n);
    if (!end)
        return 0;
    *name = slice_of(s.p + 2, (size_t)(end - s.p) - 2);
    return (size_t)(end - s.p) + 1;
}

bool profile_text_expand(struct slice text, const struct profile_facts *f, enum profile_quoting quoting,
                         struct writer *w, struct err *e)
{
    for (size_t i = 0; i < text.n;) {
        struct slice name, value;
        size_t n = placeholder_at(slice_of(text.p + i, text.n - i), &name);
        if (!n) {
            writer_u8(w, text.p[i++]);
            continue;
        }
        if (!fact_of(f, name, &value) || !value.n) {
            err_set(e, ERR_PROFILE_FACT, "%%{%s} is not known of this subject", ERR_QUOTE(name));
            return err_try(e, "set it, or take it out of the profile");
        }
        put_value(w, value, quoting);
        i += n;
    }
    return writer_ok(w) || err_set(e, ERR_PROFILE_FACT, "\"%s\" with its facts put in is too long", ERR_QUOTE(text));
}

bool profile_text_check(struct slice text, bool is_name, struct err *e)
{
    const struct profile_facts none = {0};
    uint8_t sample[PROFILE_TEXT_MAX], der[NAME_DER_MAX];
    struct writer w = WRITER_ARRAY(sample), d = WRITER_ARRAY(der);
    for (size_t i = 0; i < text.n;) {
        struct slice name, value;
        size_t n = placeholder_at(slice_of(text.p + i, text.n - i), &name);
        if (!n && text.p[i] == '%')
            return err_set(e, ERR_PROFILE, "a '%%' that begins no %%{word}: \"%s\"", ERR_QUOTE(text));
        if (n && !fact_of(&none, name, &value)) {
            const char *near = nearest_in(name, placeholder_names);
            err_set(e, ERR_PROFILE, "%%{%s} is not a placeholder", ERR_QUOTE(name));
            return near ? err_try(e, "did you mean %%{%s}?", near) : false;
        }
        writer_u8(&w, n ? 'x' : text.p[i]);
        i += n ? n : 1;
    }
    if (!writer_ok(&w))
        return err_set(e, ERR_PROFILE, "too long: \"%s\"", ERR_QUOTE(text));
    return !is_name || name_write(&d, writer_slice(&w), e);
}
