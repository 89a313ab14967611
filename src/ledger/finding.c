#include "ledger/finding.h"

#include "core/cbor.h"
#include "store/entry.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *name, *says;
} kinds[] = {
    [FINDING_FORM] = {"form", "Bytes that are not in their form."},
    [FINDING_CHECKPOINT] = {"checkpoint", "A checkpoint's signature is missing or wrong, or its root is another."},
    [FINDING_TRUNCATED] = {"truncated", "There are fewer entries than a checkpoint signed: the end was cut off."},
    [FINDING_ENTRY] = {"entry", "An entry was altered: it is not what the tree has in its place."},
    [FINDING_ERASURE] = {"erasure", "An entry was erased and none says so, or one says so that is not true."},
    [FINDING_TILE] = {"tile", "A stored hash of the tree is not that of its entries."},
    [FINDING_ROW_EDITED] = {"row-edited", "A row of the database is not what its last entry says."},
    [FINDING_ROW_UNKNOWN] = {"row-unknown", "A row of the database of which no entry speaks."},
    [FINDING_ROW_MISSING] = {"row-missing", "An entry's row is gone from the database."},
    [FINDING_UNSIGNED] = {"unsigned", "Entries behind the last checkpoint that carries all signatures."},
    [FINDING_SCHEMA] = {"schema",
                        "A trigger, view, table or index that Kith did not make, or one of its own that is gone."},
};

const char *finding_name(enum finding_kind k)
{
    return (size_t)k < ARRAY_LEN(kinds) && kinds[k].name ? kinds[k].name : "unknown";
}

const char *finding_explain(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].name && strcmp(kinds[i].name, name) == 0)
            return kinds[i].says;
    return NULL;
}

static void report(struct verify_run *run, const struct finding *f)
{
    run->report->findings++;
    if (run->o->found)
        run->o->found(run->o->ctx, f);
}

void finding_put(struct verify_run *run, enum finding_kind kind, uint64_t seq, const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    report(run, &(struct finding){kind, seq, NULL, "", text});
}

void finding_put_row(struct verify_run *run, enum finding_kind kind, uint64_t seq, const char *table, const char *key,
                     const char *fmt, ...)
{
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    report(run, &(struct finding){kind, seq, table, key, text});
}

void finding_progress(struct verify_run *run, uint64_t done, uint64_t of)
{
    if (run->o->progress)
        run->o->progress(run->o->ctx, done, of);
}

static void key_value(struct reader *r, char *out, size_t cap)
{
    struct slice s;
    switch (cbor_peek(r)) {
    case CBOR_UINT:
    case CBOR_NINT:
        snprintf(out, cap, "%" PRId64, cbor_get_int(r));
        break;
    case CBOR_TSTR:
        err_quote(cbor_get_tstr(r), out, cap);
        break;
    case CBOR_BSTR:
        s = cbor_get_bstr(r);
        for (size_t i = 0; i < s.n && 2 * i + 2 < cap; i++)
            snprintf(out + 2 * i, cap - 2 * i, "%02x", s.p[i]);
        break;
    default:
        cbor_skip(r);
        snprintf(out, cap, "null");
    }
}

void finding_key_text(struct slice keys, char out[KEY_TEXT_MAX])
{
    struct reader r = reader_of(keys);
    size_t n = cbor_get_array(&r), at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n && reader_ok(&r) && at + 2 < KEY_TEXT_MAX; i++) {
        if (i)
            out[at++] = '/';
        out[at] = '\0';
        key_value(&r, out + at, KEY_TEXT_MAX - at);
        at += strlen(out + at);
    }
}
