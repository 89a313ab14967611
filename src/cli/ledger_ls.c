/* kith ledger ls: what the ledger says, from the platform or from an export of it. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/rfc3339.h"
#include "cli/client.h"
#include "cli/entry_list.h"
#include "cli/ledger.h"
#include "keys/crypto.h"
#include "ledger/entry_print.h"
#include "model/event.h"

#define PAGE      500
#define FOUND_MAX (1u << 30) /* bytes of what is found in an export */
#define DROP_AT   16         /* times the limit: what is kept before the oldest are dropped */

struct ls_opts {
    struct opt_list types;
    const char *who, *subject, *device, *since, *until, *from, *export_file, *keys;
    int64_t limit;
    bool oldest;
};

#define AT(field) .offset = offsetof(struct ls_opts, field)
static const struct opt ls_rows[] = {
    {NULL, "type", OPT_LIST, .arg = "EVENT,...", .help = "only these: cert.issued, or device.* for all that begin so",
     AT(types)},
    {NULL, "who", OPT_TEXT, 1, ENTRY_QUERY_NAME_MAX, .arg = "WHO",
     .help = "only what was done by operator:alice, or by alice of any kind", AT(who)},
    {NULL, "device", OPT_TEXT, 1, ENTRY_QUERY_NAME_MAX, .arg = "DEVICE",
     .help = "only what names this device, by id or serial number", AT(device)},
    {NULL, "subject", OPT_TEXT, 1, ENTRY_QUERY_NAME_MAX, .arg = "NAME",
     .help = "only what names this device (by its id), gateway, operator or anchor", AT(subject)},
    {NULL, "since", OPT_TEXT, .arg = "TIME", .help = "2026-11-23T11:00:00Z, 2026-11-23 (UTC), or 7d ago", AT(since)},
    {NULL, "until", OPT_TEXT, .arg = "TIME", .help = "only what was before", AT(until)},
    {NULL, "from", OPT_TEXT, .arg = "ENTRY", .help = "begin at this entry", AT(from)},
    {NULL, "oldest", OPT_BOOL, .help = "the oldest first, not the newest", AT(oldest)},
    {NULL, "limit", OPT_INT, 1, 1000000000, .arg = "N", .help = "at most so many", AT(limit)},
    {NULL, "export", OPT_PATH, .arg = "FILE",
     .help = "of an export instead of the platform, once all of it is verified; - for stdin", AT(export_file)},
    {NULL, "keys", OPT_PATH, .needs = "export", .arg = "FILE",
     .help = "verifier keys that are trusted; DIR/" PATH_VKEYS " with --dir", AT(keys)},
};

/* ---- what is asked for ---- */

static const char *joined(struct cli *cli, const struct opt_list *words)
{
    const char *text = words->n ? words->v[0] : NULL;
    for (size_t i = 1; i < words->n; i++)
        text = arena_printf(&cli->arena, "%s,%s", text, words->v[i]);
    return text;
}

static const char *number(struct cli *cli, int64_t n)
{
    return n < 0 ? NULL : arena_printf(&cli->arena, "%lld", (long long)n);
}

static const char *time_text(struct cli *cli, int64_t ms)
{
    char text[RFC3339_MAX];
    return ms == INT64_MIN || ms == INT64_MAX ? NULL : arena_printf(&cli->arena, "%s", rfc3339_format_ms(ms, text));
}

/* By the same reader as the server's, so that an export is filtered in the same way, and a slip is told without it. */
static bool read_query(struct cli *cli, const struct ls_opts *o, struct entry_query *q, struct err *e)
{
    const struct {
        const char *name, *value;
    } given[] = {
        {"type", joined(cli, &o->types)},
        {"who", o->who},
        {"subject", o->subject},
        {"device", o->device},
        {"since", o->since},
        {"until", o->until},
        {"from", o->from},
    };
    int64_t now_ms = env_now_ms(&cli->env);
    entry_query_init(q);
    q->oldest_first = o->oldest;
    for (size_t i = 0; i < ARRAY_LEN(given); i++)
        if (given[i].value && !entry_query_set(q, given[i].name, given[i].value, now_ms, e))
            return false;
    return arena_ok(&cli->arena, e);
}

/* ---- from the platform ---- */

static void put_path(struct cli *cli, const struct ls_opts *o, const struct entry_query *q, int64_t from, int64_t left,
                     struct buf *path)
{
    buf_reset(path);
    buf_put_str(path, "/v1/ledger/entries");
    cli_put_query(path, "type", joined(cli, &o->types));
    cli_put_query(path, "who", o->who);
    cli_put_query(path, "subject", o->subject);
    cli_put_query(path, "device", o->device);
    cli_put_query(path, "since", time_text(cli, q->since_ms));
    cli_put_query(path, "until", time_text(cli, q->until_ms));
    cli_put_query(path, "order", o->oldest ? "oldest" : NULL);
    cli_put_query(path, "from", number(cli, from));
    cli_put_query(path, "limit", number(cli, left < PAGE ? left : PAGE));
}

/* Page by page. */
static bool list_live(struct cli *cli, const struct ls_opts *o, const struct entry_query *q, struct entry_list *l,
                      struct err *e)
{
    AUTO(buf_clear) struct buf reply = {0}, path = {0};
    int64_t left = o->limit ? o->limit : INT64_MAX, from = q->from == ENTRY_SEQ_NONE ? -1 : (int64_t)q->from;
    buf_init(&reply, CLI_ANSWER_MAX);
    buf_init(&path, 8192);
    for (bool more = true; more && left > 0;) {
        AUTO(json_free_auto) struct json *j = NULL;
        const struct json *list;
        put_path(cli, o, q, from, left, &path);
        if (!cli_call_json(cli, "GET", buf_str(&path), NULL, 0, &reply, &j, e) ||
            !json_get_list(j, "entries", &list, e))
            return false;
        for (size_t i = 0; i < json_count(list); i++)
            if (!entry_list_put(l, json_item(list, i), e))
                return false;
        left -= (int64_t)json_count(list);
        more = json_has(j, "next");
        if (more && !json_get_int(j, "next", 0, INT64_MAX, &from, e))
            return false;
    }
    return true;
}

/* ---- from an export ---- */

/* What was found, in the file's order; shown once the whole export was verified. */
struct kept {
    struct entry_found f; /* its payload is in the bytes, up to here */
    size_t end;
};

struct found {
    struct entry_query q;
    const char *device; /* as it was asked for; q has the id once it is known */
    int64_t limit;
    struct buf bytes;
    struct kept *kept;
    size_t n, cap;
    unsigned devices; /* with this id or serial number */
    bool no_memory;
};

/* Of the newest only the last ones are kept. */
static void drop_old(struct found *f)
{
    size_t keep = (size_t)f->limit, drop = f->n - keep, bytes = f->kept[drop - 1].end;
    buf_drop(&f->bytes, bytes);
    memmove(f->kept, f->kept + drop, keep * sizeof *f->kept);
    for (size_t i = 0; i < keep; i++)
        f->kept[i].end -= bytes;
    f->n = keep;
}

static void keep(struct found *f, const struct entry_found *found, struct slice payload)
{
    if (f->limit && f->n == (size_t)f->limit && f->q.oldest_first)
        return;
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 1024;
        struct kept *more = realloc(f->kept, cap * sizeof *more);
        f->no_memory = f->no_memory || !more;
        if (!more)
            return;
        f->kept = more;
        f->cap = cap;
    }
    buf_put(&f->bytes, payload);
    f->kept[f->n++] = (struct kept){*found, f->bytes.n};
    if (f->limit && f->n == DROP_AT * (size_t)f->limit)
        drop_old(f);
}

/* Which device has a serial number is said by the entry that made it known, before all others about it. */
static void learn_device(struct found *f, const struct entry_found *found)
{
    struct slice asked = slice_str(f->device);
    struct slice id = event_get_text(found->type, found->payload.fields, "device");
    if (found->type != EVENT_DEVICE_ADDED || id.n == 0 || id.n > ENTRY_QUERY_NAME_MAX ||
        (!slice_eq(id, asked) && !slice_eq(event_get_text(found->type, found->payload.fields, "serial"), asked)))
        return;
    f->devices++;
    memcpy(f->q.device, id.p, id.n);
    f->q.device[id.n] = 0;
}

static void on_entry(void *ctx, uint64_t seq, const struct entry *en, struct slice payload,
                     const struct entry_payload *p)
{
    struct found *f = ctx;
    struct entry_found found = {.seq = seq, .time_ms = en->time_ms, .type = en->type, .erased = !p};
    if (p)
        found.payload = *p;
    if (f->device)
        learn_device(f, &found);
    bool after = f->q.oldest_first ? seq >= f->q.from : seq <= f->q.from;
    if ((after || f->q.from == ENTRY_SEQ_NONE) && entry_query_matches(&f->q, &found))
        keep(f, &found, payload);
}

static void on_finding(void *ctx, const struct finding *finding)
{
    (void)ctx; /* they are counted */
    (void)finding;
}

static bool check_found(const struct found *f, const char *file, const struct verify_report *r, struct err *e)
{
    struct slice all;
    if (r->findings) {
        err_set(e, ERR_FINDINGS, "%s is not as it was signed (%llu findings): nothing of it is shown", file,
                (unsigned long long)r->findings);
        return err_try(e, "kith ledger verify --export %s names what was altered", file);
    }
    if (f->devices > 1) {
        err_set(e, ERR_CONFLICT, "%u devices have the serial number \"%s\"", f->devices,
                ERR_QUOTE(slice_str(f->device)));
        return err_try(e, "--device with its id: kith ledger ls --export %s --type device.added", file);
    }
    if (f->device && f->devices == 0 && f->n == 0) {
        err_set(e, ERR_NOTFOUND, "%s has no device with the id or serial number \"%s\"", file,
                ERR_QUOTE(slice_str(f->device)));
        return err_try(e, "kith ledger ls --export %s --type device.added", file);
    }
    return f->no_memory ? err_set(e, ERR_NOMEM, "%zu entries of %s", f->n, file) : buf_done(&f->bytes, &all, e);
}

static bool show_one(const struct found *f, size_t i, struct buf *text, struct entry_list *l, struct err *e)
{
    AUTO(json_free_auto) struct json *entry = NULL;
    struct entry_found found = f->kept[i].f;
    size_t at = i ? f->kept[i - 1].end : 0;
    struct slice bytes = slice_of(f->bytes.p + at, f->kept[i].end - at), all;
    if (!found.erased && !entry_read_payload(bytes, &found.payload, e))
        return false;
    struct json_out o = json_out_of(text);
    buf_reset(text);
    entry_print_begin(&o, NULL, &found);
    entry_print_end(&o, &found);
    return buf_done(text, &all, e) && json_read(all, CLI_ANSWER_MAX, &entry, e) && entry_list_put(l, entry, e);
}

static bool show_found(const struct found *f, struct entry_list *l, struct err *e)
{
    AUTO(buf_clear) struct buf text = {0};
    buf_init(&text, CLI_ANSWER_MAX);
    for (size_t i = 0; i < f->n && (!f->limit || i < (size_t)f->limit); i++)
        if (!show_one(f, f->q.oldest_first ? i : f->n - 1 - i, &text, l, e))
            return false;
    return true;
}

static bool list_export(struct cli *cli, const struct ls_opts *o, const struct entry_query *q, struct entry_list *l,
                        struct err *e)
{
    struct found f = {.q = *q, .device = o->device, .limit = o->limit};
    struct trusted trusted;
    struct verify_report r;
    buf_init(&f.bytes, FOUND_MAX);
    if (!ledger_find_keys(cli, o->keys, &trusted, e))
        return false;
    const struct verify_opts vo = {.crypto = &crypto_openssl,
                                   .keys = trusted.keys,
                                   .keys_n = trusted.n,
                                   .found = on_finding,
                                   .entry = on_entry,
                                   .ctx = &f};
    bool ok = ledger_verify_file(o->export_file, &vo, &r, e) && check_found(&f, o->export_file, &r, e);
    if (ok && r.keys_from_file)
        fputs("note: the keys are those in the file itself; --keys FILE says whom you trust\n", cli->talk);
    ok = ok && show_found(&f, l, e);
    buf_clear(&f.bytes);
    free(f.kept);
    return ok;
}

static bool run_ls(void *ctx, const void *opts, const struct args_words *words, struct err *e)
{
    struct cli *cli = ctx;
    const struct ls_opts *o = opts;
    struct entry_query q;
    struct entry_list l;
    (void)words;
    if (!read_query(cli, o, &q, e))
        return false;
    entry_list_init(&l, cli);
    bool ok = (o->export_file ? list_export : list_live)(cli, o, &q, &l, e) && entry_list_end(&l, e);
    entry_list_clear(&l);
    return ok;
}

static const struct opt show_rows[] = {
    {NULL, "keys", OPT_PATH, .arg = "FILE", .help = "verifier keys that are trusted; DIR/" PATH_VKEYS " with --dir",
     .offset = offsetof(struct ledger_show_opts, keys)},
};

const struct verb ledger_list_verbs[] = {
    {"ledger ls", NULL,
     "what the ledger says, the newest first: who did what, when, to whom\n"
     "From the platform, or with --export from a file, offline. doc/spec/events.md has the events and their fields.",
     ls_rows, ARRAY_LEN(ls_rows), sizeof(struct ls_opts), 0, 0, run_ls},
    {"ledger show", "ENTRY",
     "one entry in full, with the proof that it was said and stands in the signed ledger\n"
     "What is shown was read from the bytes that the entry committed to, not from the server's words about them.",
     show_rows, ARRAY_LEN(show_rows), sizeof(struct ledger_show_opts), 1, 1, ledger_run_show},
};
const size_t ledger_list_verbs_n = ARRAY_LEN(ledger_list_verbs);
