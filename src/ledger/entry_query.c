#include "ledger/entry_query.h"

#include <stdio.h>

#include "base/nearest.h"
#include "base/opt.h"
#include "base/rfc3339.h"
#include "model/event.h"

#define FROM_MAX ((INT64_C(1) << 53) - 1) /* what JSON's numbers hold everywhere */

void entry_query_init(struct entry_query *q)
{
    *q = (struct entry_query){
        .since_ms = INT64_MIN, .until_ms = INT64_MAX, .from = ENTRY_SEQ_NONE, .limit = ENTRY_QUERY_LIMIT};
}

void entry_query_of_device(struct entry_query *q, const char *id, int64_t since_ms)
{
    entry_query_init(q);
    snprintf(q->device, sizeof q->device, "%s", id);
    q->since_ms = since_ms;
}

/* ---- names ---- */

struct slice entry_actor(struct slice who)
{
    const uint8_t *colon = who.n ? memchr(who.p, ':', who.n) : NULL;
    return colon ? slice_of(colon + 1, who.n - (size_t)(colon + 1 - who.p)) : who;
}

void entry_names(unsigned type, struct slice fields, struct slice out[ENTRY_NAMES])
{
    static const char *const names[ENTRY_NAMES] = {"device", "subject", "operator", "gateway", "anchor", "who"};
    for (size_t i = 0; i < ENTRY_NAMES; i++)
        out[i] = event_get_text(type, fields, names[i]);
    out[ENTRY_NAMES - 1] = entry_actor(out[ENTRY_NAMES - 1]);
}

static bool is_named(const struct entry_found *f, const char *name)
{
    struct slice names[ENTRY_NAMES];
    bool is = !name[0];
    if (is)
        return true;
    entry_names(f->type, f->payload.fields, names);
    for (size_t i = 0; i < ENTRY_NAMES && !is; i++)
        is = slice_eq(names[i], slice_str(name));
    return is;
}

static bool is_by(const struct entry_found *f, const char *who)
{
    if (!who[0])
        return true;
    struct slice by = event_get_text(f->type, f->payload.fields, "who");
    return slice_eq(by, slice_str(who)) || (by.n && slice_eq(entry_actor(by), slice_str(who)));
}

bool entry_query_matches(const struct entry_query *q, const struct entry_found *f)
{
    bool of_type = q->types_n == 0;
    for (size_t i = 0; i < q->types_n && !of_type; i++)
        of_type = q->types[i] == f->type;
    return of_type && f->time_ms >= q->since_ms && f->time_ms < q->until_ms && is_by(f, q->who) &&
           is_named(f, q->subject) && is_named(f, q->device);
}

/* ---- reading ---- */

static bool put_type(struct entry_query *q, unsigned type, struct err *e)
{
    for (size_t i = 0; i < q->types_n; i++)
        if (q->types[i] == type)
            return true;
    if (q->types_n == ENTRY_QUERY_TYPES_MAX) {
        err_set(e, ERR_USAGE, "more than %d kinds of events", ENTRY_QUERY_TYPES_MAX);
        err_why(e, "so many are looked for at once");
        return err_try(e, "leave type out: then it is all of them");
    }
    q->types[q->types_n++] = (uint16_t)type;
    return true;
}

/* "device.*": all whose names begin so. */
static bool add_family(struct entry_query *q, struct slice word, bool *any, struct err *e)
{
    size_t n = word.n - 1;
    for (size_t i = 0; event_kind_at(i); i++) {
        const struct event_kind *k = event_kind_at(i);
        if (strlen(k->name) <= n || memcmp(k->name, word.p, n) != 0)
            continue;
        *any = true;
        if (!put_type(q, k->type, e))
            return false;
    }
    return true;
}

static bool add_type(struct entry_query *q, struct slice word, struct err *e)
{
    const struct event_kind *k = event_kind_from_name(word);
    struct nearest near = nearest_of(word);
    bool any = false;
    if (k)
        return put_type(q, k->type, e);
    if (word.n > 2 && memcmp(word.p + word.n - 2, ".*", 2) == 0 && (!add_family(q, word, &any, e) || any))
        return any;
    for (size_t i = 0; event_kind_at(i); i++)
        nearest_offer(&near, event_kind_at(i)->name);
    err_set(e, ERR_USAGE, "there is no event \"%s\"", ERR_QUOTE(word));
    err_why(e, "doc/spec/events.md lists them; \"device.*\" is all that begin so");
    return nearest_word(&near) ? err_try(e, "did you mean \"%s\"?", nearest_word(&near))
                               : err_try(e, "type=cert.issued,device.*");
}

static bool set_types(struct entry_query *q, const char *value, int64_t now_ms, struct err *e)
{
    (void)now_ms;
    for (;; value++) {
        size_t n = strcspn(value, ",");
        if (!add_type(q, slice_of(value, n), e))
            return false;
        value += n;
        if (!*value)
            return true;
    }
}

static bool set_name(char *dst, const char *what, const char *value, struct err *e)
{
    size_t n = strlen(value);
    if (n == 0 || n > ENTRY_QUERY_NAME_MAX) {
        err_set(e, ERR_USAGE, "%s \"%s\" is %s", what, ERR_QUOTE(slice_str(value)), n ? "too long" : "empty");
        err_why(e, "a name has 1 to %d bytes", ENTRY_QUERY_NAME_MAX);
        return err_try(e, "leave %s out, or name one", what);
    }
    memcpy(dst, value, n + 1);
    return true;
}

/* A time, a day (its beginning, UTC), or how long ago. */
static bool read_time(const char *what, const char *value, int64_t now_ms, int64_t *out, struct err *e)
{
    char day[RFC3339_MAX];
    int64_t span_s;
    struct err ignored;
    if (rfc3339_parse_ms(value, out, &ignored))
        return true;
    if (strlen(value) == 10 && snprintf(day, sizeof day, "%sT00:00:00Z", value) > 0 &&
        rfc3339_parse_ms(day, out, &ignored))
        return true;
    size_t n = strlen(value);
    bool has_unit = n > 1 && value[0] != '-' && strchr("smhdw", value[n - 1]);
    if (has_unit && opt_parse_seconds(slice_str(value), &span_s, &ignored) && span_s <= now_ms / 1000) {
        *out = now_ms - span_s * 1000;
        return true;
    }
    err_set(e, ERR_USAGE, "%s \"%s\" is no time", what, ERR_QUOTE(slice_str(value)));
    err_why(e, "RFC 3339 section 5.6, a date (its beginning in UTC), or how long ago (s, m, h, d, w)");
    return err_try(e, "%s=2026-11-23T11:00:00Z, %s=2026-11-23 or %s=7d", what, what, what);
}

static bool check_times(const struct entry_query *q, struct err *e)
{
    if (q->since_ms < q->until_ms)
        return true;
    char since[RFC3339_MAX], until[RFC3339_MAX];
    err_set(e, ERR_USAGE, "nothing is since %s and before %s", rfc3339_format_ms(q->since_ms, since),
            rfc3339_format_ms(q->until_ms, until));
    err_why(e, "since is the earlier of the two");
    return err_try(e, "the two the other way round");
}

static bool set_since(struct entry_query *q, const char *value, int64_t now_ms, struct err *e)
{
    return read_time("since", value, now_ms, &q->since_ms, e) && check_times(q, e);
}

static bool set_until(struct entry_query *q, const char *value, int64_t now_ms, struct err *e)
{
    return read_time("until", value, now_ms, &q->until_ms, e) && check_times(q, e);
}

static bool set_from(struct entry_query *q, const char *value, int64_t now_ms, struct err *e)
{
    int64_t n;
    (void)now_ms;
    if (!opt_parse_int("from", slice_str(value), 0, FROM_MAX, &n, e)) {
        err_why(e, "it is an entry's number, or the `next` of the page before");
        return err_try(e, "leave it out: the list begins with the newest, with order=oldest at 0");
    }
    q->from = (uint64_t)n;
    return true;
}

static bool set_limit(struct entry_query *q, const char *value, int64_t now_ms, struct err *e)
{
    (void)now_ms;
    if (opt_parse_int("limit", slice_str(value), 1, ENTRY_QUERY_LIMIT_MAX, &q->limit, e))
        return true;
    err_why(e, "one answer is one page");
    return err_try(e, "limit=%d, and ask again with from = the `next` of each page", ENTRY_QUERY_LIMIT_MAX);
}

static bool set_order(struct entry_query *q, const char *value, int64_t now_ms, struct err *e)
{
    (void)now_ms;
    q->oldest_first = strcmp(value, "oldest") == 0;
    if (q->oldest_first || strcmp(value, "newest") == 0)
        return true;
    err_set(e, ERR_USAGE, "order \"%s\" is none", ERR_QUOTE(slice_str(value)));
    err_why(e, "which entry comes first");
    return err_try(e, "order=newest or order=oldest");
}

static const struct param {
    const char *name;
    bool (*set)(struct entry_query *q, const char *value, int64_t now_ms, struct err *e);
    size_t offset; /* of a name, without set */
    bool again;
} params[] = {
    {"type", set_types, 0, true},
    {"who", NULL, offsetof(struct entry_query, who), false},
    {"subject", NULL, offsetof(struct entry_query, subject), false},
    {"device", NULL, offsetof(struct entry_query, device), false},
    {"since", set_since, 0, false},
    {"until", set_until, 0, false},
    {"from", set_from, 0, false},
    {"order", set_order, 0, false},
    {"limit", set_limit, 0, false},
};

bool entry_query_set(struct entry_query *q, const char *name, const char *value, int64_t now_ms, struct err *e)
{
    struct nearest near = nearest_of(slice_str(name));
    for (size_t i = 0; i < ARRAY_LEN(params); i++) {
        nearest_offer(&near, params[i].name);
        if (strcmp(params[i].name, name) != 0)
            continue;
        if ((q->given >> i & 1) && !params[i].again) {
            err_set(e, ERR_USAGE, "%s comes twice", name);
            err_why(e, "it is not known which of the two is meant");
            return err_try(e, "%s once", name);
        }
        q->given |= 1u << i;
        return params[i].set ? params[i].set(q, value, now_ms, e)
                             : set_name((char *)q + params[i].offset, name, value, e);
    }
    err_set(e, ERR_USAGE, "there is no parameter \"%s\"", ERR_QUOTE(slice_str(name)));
    err_why(e, "a filter that is not understood would show what nobody asked for");
    return nearest_word(&near) ? err_try(e, "did you mean \"%s\"?", nearest_word(&near))
                               : err_try(e, "type, who, subject, device, since, until, from, order, limit");
}
