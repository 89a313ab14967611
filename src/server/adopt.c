#include "server/adopt.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "server/alarms.h"
#include "server/recover.h"
#include "server/signers.h"
#include "store/entry.h"

struct adoption {
    struct job job;
    uint64_t first, count, sensitive;
    bool clean;     /* they stand behind a clean end */
    char named[64]; /* the first of those that are sensitive */
    uint8_t digest[SHA256_SIZE];
    struct alarm alarm; /* that was raised */
};

/* Kinds of entries that change who may do what, or what is believed.  `first`: a platform's own first entries are not. */
static bool is_sensitive(unsigned type, bool first)
{
    bool birth = type == EVENT_PROFILE_LOADED || (type >= EVENT_LOG_OPENED && type <= EVENT_COSIGNER_ADDED);
    return (birth && !first) || type == EVENT_SETTING_CHANGED || type == EVENT_ALARM_CLEARED ||
           (type >= EVENT_MODEL_ADDED && type <= EVENT_GATEWAY_REMOVED);
}

static const struct sql sql_leaf = {"SELECT leaf FROM entry WHERE pos = $1"};
static const struct sql sql_leaves = {"SELECT pos, leaf FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos"};

/* The last entry that was vouched for, as it was: a leaf that was altered does not lead to the root. */
static bool is_clean_end(struct app *app, struct db *db, uint64_t size, const struct merkle_hash *root, bool *clean,
                         struct err *e)
{
    struct merkle_proof proof;
    struct merkle_hash leaf;
    struct entry en;
    const struct value at = value_int(entry_pos((uint8_t)app->settings.node, size - 1));
    AUTO(rows_close) struct rows r = {0};
    if (!tree_prove_inclusion(app->tree, db, size - 1, size, &proof, e))
        return false;
    if (!db_query_row(db, &sql_leaf, &at, 1, &r, e))
        return e->code ? false : err_set(e, ERR_LEDGER, "entry %" PRIu64 " is missing", size - 1);
    merkle_leaf(app->crypto, rows_blob(&r, 0), &leaf);
    if (!merkle_verify_inclusion(app->crypto, &leaf, size - 1, size, merkle_proof_bytes(&proof), root, e)) {
        err_ctx(e, "the first %" PRIu64 " entries of the database are not those that the signers vouched for", size);
        return err_try(e, "kith ledger verify names what was altered; restore the last copy");
    }
    if (!entry_read(rows_blob(&r, 0), &en, e))
        return false;
    *clean = en.type == EVENT_PLATFORM_STOPPED;
    return true;
}

static bool look(struct app *app, struct db *db, uint64_t from, uint64_t size, struct adoption *a, struct err *e)
{
    uint8_t node = (uint8_t)app->settings.node;
    const struct value range[] = {value_int(entry_pos(node, from)), value_int(entry_pos(node, size))};
    AUTO(rows_close) struct rows r = {0};
    a->first = from;
    if (!db_query(db, &sql_leaves, range, 2, &r, e))
        return false;
    for (; rows_next(&r, e); a->count++) {
        struct entry en;
        struct slice leaf = rows_blob(&r, 1);
        if (!entry_read(leaf, &en, e))
            return err_ctx(e, "entry %" PRIu64, entry_seq(rows_int(&r, 0)));
        /* A chain: the log may have grown long while no signer was there. */
        uint8_t before[SHA256_SIZE];
        memcpy(before, a->digest, sizeof before);
        app->crypto->sha256((const struct slice[]){SLICE_ARRAY(before), leaf}, 2, a->digest);
        if (is_sensitive(en.type, from == 0) && a->sensitive++ == 0)
            snprintf(a->named, sizeof a->named, "%s, entry %" PRIu64, event_name(en.type), entry_seq(rows_int(&r, 0)));
    }
    return e->code == ERR_NONE;
}

static bool run_adopt(struct tx *tx, struct job *job, struct err *e)
{
    struct adoption *a = (struct adoption *)job;
    uint8_t fields[256];
    struct event ev;
    struct event_draft d = event_draft_of(EVENT_LOG_ADOPTED);
    event_set_text(&d, "who", "system:server");
    event_set_int(&d, "first", (int64_t)a->first);
    event_set_int(&d, "count", (int64_t)a->count);
    event_set_int(&d, "sensitive", (int64_t)a->sensitive);
    event_set_bytes(&d, "digest", SLICE_ARRAY(a->digest));
    if (!event_make(&d, NULL, fields, sizeof fields, &ev, e) || !tx_record(tx, &ev, NULL, 0, NULL, e))
        return false;
    if (!a->sensitive)
        return true;
    a->alarm = (struct alarm){.name = ALARM_ADOPTED};
    snprintf(a->alarm.text, sizeof a->alarm.text,
             "%" PRIu64 " of the %" PRIu64 " entries from %" PRIu64
             " on, which nobody had signed at the start%s, change who may do what (first: %s)",
             a->sensitive, a->count, a->first, a->clean ? " and which stand behind a clean end" : "", a->named);
    return alarm_raise(tx, &a->alarm, e);
}

bool adopt_tail(struct app *app, struct err *e)
{
    struct adoption a = {.job = {.run = run_adopt}};
    struct db *db = app_db(app);
    struct merkle_hash root;
    uint64_t vouched, size = tree_size(app->tree);
    if (!signers_vouched(app, &vouched, &root, e))
        return false;
    if (size <= vouched)
        return true;
    if (vouched && !is_clean_end(app, db, vouched, &root, &a.clean, e))
        return false;
    if (!look(app, db, vouched, size, &a, e) || !recover_check(app, vouched, e) || !commit_run(app->commit, &a.job, e))
        return false;
    LOG(&app->env, WARN, "server",
        a.clean ? "adopted entries that nobody had signed and that stand behind a clean end"
                : "adopted entries that nobody had signed",
        log_int("first", (int64_t)a.first), log_int("entries", (int64_t)a.count),
        log_int("sensitive", (int64_t)a.sensitive));
    if (a.alarm.name[0])
        alarm_log(app, &a.alarm);
    return true;
}
