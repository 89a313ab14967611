#include "ledger/finding.h"

#include "core/cbor.h"
#include "store/entry.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

const char *finding_name(enum finding_kind k)
{
    static const char *const names[] = {
        [FINDING_FORM] = "form",
        [FINDING_CHECKPOINT] = "checkpoint",
        [FINDING_TRUNCATED] = "truncated",
        [FINDING_ENTRY] = "entry",
        [FINDING_ERASURE] = "erasure",
        [FINDING_TILE] = "tile",
        [FINDING_ROW_EDITED] = "row-edited",
        [FINDING_ROW_UNKNOWN] = "row-unknown",
        [FINDING_ROW_MISSING] = "row-missing",
        [FINDING_UNSIGNED] = "unsigned",
        [FINDING_SCHEMA] = "schema",
    };
    return (size_t)k < ARRAY_LEN(names) && names[k] ? names[k] : "unknown";
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
