#include "model/event.h"

#include "core/cbor.h"

#define FIELD_TEXT(n)                                                                                                  \
    {                                                                                                                  \
#n, EVENT_TEXT, false                                                                                          \
    }
#define FIELD_INT(n)                                                                                                   \
    {                                                                                                                  \
#n, EVENT_INT, false                                                                                           \
    }
#define FIELD_BYTES(n)                                                                                                 \
    {                                                                                                                  \
#n, EVENT_BYTES, false                                                                                         \
    }
#define FIELD_FLAG(n)                                                                                                  \
    {                                                                                                                  \
#n, EVENT_FLAG, false                                                                                          \
    }
#define T(n) FIELD_TEXT(n)
#define I(n) FIELD_INT(n)
#define B(n) FIELD_BYTES(n)
#define F(n) FIELD_FLAG(n)
#define OPT_T(n)                                                                                                       \
    {                                                                                                                  \
#n, EVENT_TEXT, true                                                                                           \
    }
#define OPT_I(n)                                                                                                       \
    {                                                                                                                  \
#n, EVENT_INT, true                                                                                            \
    }
#define OPT_B(n)                                                                                                       \
    {                                                                                                                  \
#n, EVENT_BYTES, true                                                                                          \
    }

static const struct event_kind kinds[] = {
#define EVENT_ROW(id, number, name, help, ...) {EVENT_##id, name, help, {__VA_ARGS__}},
#include "model/event_table.h"
#undef EVENT_ROW
};

const struct event_kind *event_kind_of(unsigned type)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].type == type)
            return &kinds[i];
    return NULL;
}

const struct event_kind *event_kind_from_name(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (slice_eq(slice_str(kinds[i].name), name))
            return &kinds[i];
    return NULL;
}

const struct event_kind *event_kind_at(size_t i)
{
    return i < ARRAY_LEN(kinds) ? &kinds[i] : NULL;
}

const char *event_name(unsigned type)
{
    const struct event_kind *k = event_kind_of(type);
    return k ? k->name : "unknown";
}

/* ---- drafts ---- */

struct event_draft event_draft_of(enum event_type type)
{
    return (struct event_draft){.kind = event_kind_of(type)};
}

static void draft_fault(struct event_draft *d, const char *name, const char *fault)
{
    if (d->fault)
        return;
    d->bad = name;
    d->fault = fault;
}

/* The place of the field, or that of the row's end. */
static size_t field_named(const struct event_kind *k, const char *name)
{
    size_t i = 0;
    while (k->fields[i].type && strcmp(k->fields[i].name, name) != 0)
        i++;
    return i;
}

static size_t field_index(const struct event_kind *k, uint64_t number)
{
    size_t i = 0;
    while (k->fields[i].type && i + 1 != number)
        i++;
    return i;
}

/* The place for a field's value, or NULL with the draft's fault set. */
static struct event_value *draft_place(struct event_draft *d, const char *name, enum event_field_type type)
{
    if (!d->kind) {
        draft_fault(d, name, "there is no such event");
        return NULL;
    }
    size_t i = field_named(d->kind, name);
    const char *fault = !d->kind->fields[i].type          ? "the event has no such field"
                        : d->kind->fields[i].type != type ? "the field is of another type"
                        : d->values[i].set                ? "the field is there twice"
                                                          : NULL;
    if (fault) {
        draft_fault(d, name, fault);
        return NULL;
    }
    return &d->values[i];
}

static void draft_set_slice(struct event_draft *d, const char *name, enum event_field_type type, struct slice v)
{
    struct event_value *p = draft_place(d, name, type);
    if (p && v.p)
        *p = (struct event_value){.set = true, .s = v};
}

static void draft_set_int(struct event_draft *d, const char *name, enum event_field_type type, int64_t v)
{
    struct event_value *p = draft_place(d, name, type);
    if (p)
        *p = (struct event_value){.set = true, .i = v};
}

void event_set_text(struct event_draft *d, const char *name, const char *v)
{
    draft_set_slice(d, name, EVENT_TEXT, v ? slice_str(v) : (struct slice){0});
}

void event_set_slice(struct event_draft *d, const char *name, struct slice v)
{
    draft_set_slice(d, name, EVENT_TEXT, v);
}

void event_set_int(struct event_draft *d, const char *name, int64_t v)
{
    draft_set_int(d, name, EVENT_INT, v);
}

void event_set_bytes(struct event_draft *d, const char *name, struct slice v)
{
    draft_set_slice(d, name, EVENT_BYTES, v);
}

void event_set_flag(struct event_draft *d, const char *name, bool v)
{
    draft_set_int(d, name, EVENT_FLAG, v);
}

/* ---- writing ---- */

static bool draft_check(const struct event_draft *d, struct err *e)
{
    const char *name = d->kind ? d->kind->name : "unknown";
    const char *bad = d->bad, *fault = d->fault;
    if (!d->kind)
        fault = "there is no such event";
    for (size_t i = 0; !fault && d->kind->fields[i].type; i++) {
        if (d->values[i].set || d->kind->fields[i].optional)
            continue;
        bad = d->kind->fields[i].name;
        fault = "the field is missing";
    }
    if (!fault)
        return true;
    err_set(e, ERR_EVENT, "event %s: %s%s%s", name, bad ? bad : "", bad ? ": " : "", fault);
    return err_why(e, "doc/spec/events.md lists the fields of each event");
}

bool event_write(const struct event_draft *d, struct writer *w, struct err *e)
{
    if (!draft_check(d, e))
        return false;
    size_t n = 0, start = w->n;
    for (size_t i = 0; d->kind->fields[i].type; i++)
        n += d->values[i].set;
    cbor_put_map(w, n);
    for (size_t i = 0; d->kind->fields[i].type; i++) {
        const struct event_field *f = &d->kind->fields[i];
        const struct event_value *v = &d->values[i];
        if (!v->set)
            continue;
        bool before = writer_ok(w);
        cbor_put_uint(w, i + 1);
        if (f->type == EVENT_TEXT)
            cbor_put_tstr(w, v->s);
        else if (f->type == EVENT_BYTES)
            cbor_put_bstr(w, v->s);
        else if (f->type == EVENT_FLAG)
            cbor_put_bool(w, v->i != 0);
        else
            cbor_put_int(w, v->i);
        if (before && !writer_ok(w))
            return err_set(e, ERR_LIMIT, "event %s: %s: too long, or not UTF-8", d->kind->name, f->name);
    }
    if (!writer_ok(w) || w->n - start > EVENT_WRITE_MAX)
        return err_set(e, ERR_LIMIT, "event %s: more than %d bytes", d->kind->name, EVENT_WRITE_MAX);
    return true;
}

/* ---- reading ---- */

static void draft_read_field(struct event_draft *d, uint64_t number, struct reader *r)
{
    size_t i = field_index(d->kind, number);
    const struct event_field *f = &d->kind->fields[i];
    struct event_value *v = &d->values[i];
    switch (f->type) {
    case EVENT_TEXT:
        v->s = cbor_get_tstr(r);
        break;
    case EVENT_BYTES:
        v->s = cbor_get_bstr(r);
        break;
    case EVENT_INT:
        v->i = cbor_get_int(r);
        break;
    case EVENT_FLAG:
        v->i = cbor_get_bool(r);
        break;
    case EVENT_END:
        draft_fault(d, NULL, "it has a field that is not in the catalogue");
        cbor_skip(r);
        return;
    }
    v->set = true;
    if (!reader_ok(r))
        draft_fault(d, f->name, "the field is of another type");
}

bool event_read(unsigned type, struct slice fields, struct event_draft *out, struct err *e)
{
    struct event_draft d = event_draft_of((enum event_type)type);
    *out = (struct event_draft){0};
    struct reader r = reader_of(fields);
    if (d.kind) {
        struct cbor_map m = cbor_get_map(&r);
        while (cbor_map_next(&r, &m)) {
            uint64_t number = cbor_get_uint(&r);
            draft_read_field(&d, number, &r);
        }
        if (!reader_end(&r))
            draft_fault(&d, NULL, "the fields are not a deterministic CBOR map");
    }
    if (!draft_check(&d, e))
        return false;
    *out = d;
    return true;
}

bool event_get(struct slice fields, unsigned number, struct slice *value)
{
    struct reader r = reader_of(fields);
    struct cbor_map m = cbor_get_map(&r);
    *value = (struct slice){0};
    while (cbor_map_next(&r, &m)) {
        uint64_t key = cbor_get_uint(&r);
        struct slice raw = cbor_take_raw(&r);
        if (!reader_ok(&r) || key != number)
            continue;
        *value = raw;
        return true;
    }
    return false;
}

/* The encoded value of a field by its name; empty if it is not there. */
static struct slice get_named(unsigned type, struct slice fields, const char *name)
{
    const struct event_kind *k = event_kind_of(type);
    struct slice raw = {0};
    size_t i = k ? field_named(k, name) : 0;
    if (k && k->fields[i].type && event_get(fields, (unsigned)i + 1, &raw))
        return raw;
    return (struct slice){0};
}

bool event_get_int(unsigned type, struct slice fields, const char *name, int64_t *out)
{
    struct reader r = reader_of(get_named(type, fields, name));
    int64_t v = cbor_get_int(&r);
    bool ok = reader_end(&r);
    *out = ok ? v : 0;
    return ok;
}

struct slice event_get_text(unsigned type, struct slice fields, const char *name)
{
    struct reader r = reader_of(get_named(type, fields, name));
    struct slice s = cbor_get_tstr(&r);
    return reader_end(&r) ? s : (struct slice){0};
}

/* ---- the manual ---- */

static void put(struct writer *w, const char *s)
{
    writer_put(w, slice_str(s));
}

static void put_number(struct writer *w, unsigned v)
{
    char digits[12];
    size_t n = sizeof(digits);
    do
        digits[--n] = (char)('0' + v % 10);
    while (v /= 10);
    writer_put(w, slice_of(digits + n, sizeof(digits) - n));
}

void event_manual(struct writer *w)
{
    static const char *const types[] = {
        [EVENT_TEXT] = "text", [EVENT_INT] = "int", [EVENT_BYTES] = "bytes", [EVENT_FLAG] = "flag"};
    put(w, "# Events of the ledger\n\n"
           "Made from `src/model/event_table.h`; a test holds this file against it. The bytes around an event are in\n"
           "[ledger.md](ledger.md). Fields are a map in deterministic CBOR from the number before each name to its "
           "value;\n"
           "those in brackets may be left out. Types: text, int, bytes, flag (true or false). Times end in `_at` (Unix "
           "seconds) or `_ms` (milliseconds; `latency_ms` "
           "is a\n"
           "span). `who` is the actor as `kind:name`, such as `operator:alice`, `device:dev_...`, `system:server`.\n"
           "Each event here is written by some act of the platform; a number that is not here is reserved for one to "
           "come.\n\n"
           "| no. | event | what it says | fields |\n|---|---|---|---|\n");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        const struct event_kind *k = &kinds[i];
        put(w, "| ");
        put_number(w, k->type);
        put(w, " | `");
        put(w, k->name);
        put(w, "` | ");
        put(w, k->help);
        put(w, " | ");
        for (size_t f = 0; k->fields[f].type; f++) {
            put(w, f ? ", " : "");
            put(w, k->fields[f].optional ? "[" : "");
            put_number(w, (unsigned)f + 1);
            put(w, " ");
            put(w, k->fields[f].name);
            put(w, " ");
            put(w, types[k->fields[f].type]);
            put(w, k->fields[f].optional ? "]" : "");
        }
        put(w, " |\n");
    }
}
