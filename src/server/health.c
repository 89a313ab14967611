#include "server/health.h"

#include <stdio.h>

#include "base/file.h"
#include "base/rfc3339.h"
#include "ca/in_step.h"
#include "ca/root_list.h"
#include "model/settings_check.h"
#include "server/alarms.h"
#include "server/notary.h"
#include "server/signers.h"
#include "store/entry.h"

#define CHECKPOINT_LATE_S 10
#define STALE_MS          5000 /* the signers are asked each second, and ask their token each second */
#define DAY_S             86400

/* What a signer said last is worth something for so long: one that hangs over its token says nothing at all. */
static bool is_stale(struct app *app, const struct signer_state *s, struct health_finding *f)
{
    if (!s->asked_ms) {
        snprintf(f->detail, sizeof f->detail, "no word yet");
        return true;
    }
    int64_t age_ms = env_mono_ms(&app->env) - s->asked_ms;
    if (age_ms <= STALE_MS)
        return false;
    snprintf(f->detail, sizeof f->detail, "no word for %lld s", (long long)(age_ms / 1000));
    return true;
}

static bool check_answers(struct app *app, int which, struct health_finding *f)
{
    struct signer_state s[SIGNERS];
    signers_state(s);
    if (is_stale(app, &s[which], f))
        return false;
    bool damaged = s[which].damage[0];
    if (damaged)
        f->hint = "restore the signer's directory from its last copy; do not cut the journal";
    snprintf(f->detail, sizeof f->detail, "%s",
             damaged            ? s[which].damage
             : s[which].answers ? "answers"
                                : "does not answer");
    return s[which].answers && !damaged;
}

static bool check_issuing(struct app *app, struct health_finding *f)
{
    return check_answers(app, SIGNER_ISSUING, f);
}

static bool check_ledger(struct app *app, struct health_finding *f)
{
    return check_answers(app, SIGNER_LEDGER, f);
}

/* Each signer has its own login; the one that is worse off is told. */
static bool check_token(struct app *app, struct health_finding *f)
{
    static const char *const states[] = {"", "none", "healthy", "degraded", "down"};
    struct signer_state all[SIGNERS], *s = &all[SIGNER_ISSUING];
    size_t worst = 0;
    signers_state(all);
    if (!app->settings.hsm_module) { /* how the signers are is told by themselves */
        snprintf(f->detail, sizeof f->detail, "none");
        return true;
    }
    for (size_t i = 0; i < SIGNERS; i++)
        if (is_stale(app, &all[i], f))
            return false;
    for (size_t i = 0; i < SIGNERS; i++)
        for (size_t k = worst + 1; k < ARRAY_LEN(states); k++)
            if (strcmp(all[i].token, states[k]) == 0) {
                worst = k;
                s = &all[i];
            }
    bool ok = worst < 3;
    if (!ok && strstr(s->fault, "PIN")) /* a signer that runs does not try another */
        f->hint = "write the right PIN to the PIN file, and restart kithd";
    if (worst == 1)
        snprintf(f->detail, sizeof f->detail, "none");
    else
        snprintf(f->detail, sizeof f->detail, "%s since %s%s%s", worst ? states[worst] : "not known",
                 RFC3339(s->token_since), ok ? "" : ": ", ok ? "" : s->fault);
    return ok;
}

static const struct sql sql_entry_time = {"SELECT time_ms FROM entry WHERE pos = $1"};

/* When the oldest entry that no checkpoint has was made; else of the last checkpoint. */
static int64_t unsigned_since(struct app *app, uint64_t size, int64_t checkpoint_at)
{
    AUTO(rows_close) struct rows r = {0};
    struct err ignored = {0};
    const struct value args[] = {value_int(entry_pos((uint8_t)app->settings.node, size))};
    bool found = db_query_row(app_db(app), &sql_entry_time, args, 1, &r, &ignored);
    return found ? rows_int(&r, 0) / 1000 : checkpoint_at;
}

static bool check_checkpoint(struct app *app, struct health_finding *f)
{
    char note[NOTARY_NOTE_MAX];
    uint64_t size, want = tree_size(app->tree);
    int64_t at;
    (void)notary_get_note(app->notary, note, &size, &at);
    int64_t late = size >= want ? 0 : app_now(app) - unsigned_since(app, size, at);
    snprintf(f->detail, sizeof f->detail, "%llu of %llu entries, %lld s behind", (unsigned long long)size,
             (unsigned long long)want, (long long)late);
    return late <= CHECKPOINT_LATE_S;
}

/* A signer whose leaves went another way vouches for nothing any more. */
static bool check_tree(struct app *app, struct health_finding *f)
{
    struct signer_state s[SIGNERS];
    struct err e;
    signers_state(s);
    for (int i = 0; i < SIGNERS; i++) {
        const struct in_step_log log = {.signed_size = s[i].signed_size, .size = tree_size(app->tree)};
        if (s[i].forked)
            snprintf(f->detail, sizeof f->detail, "store-behind: the %s signer vouched for another ledger than this",
                     signer_name(i));
        else if (!in_step_judge(&log, signer_name(i), s[i].vouched_size, &e))
            snprintf(f->detail, sizeof f->detail, "%s: %.280s", err_slug(e.code), e.what);
        else
            continue;
        return false;
    }
    snprintf(f->detail, sizeof f->detail, "the one that the signers vouched for");
    return true;
}

static bool check_feed(struct app *app, struct health_finding *f)
{
    struct feed_hub_status s;
    feed_hub_status(app->feed, &s);
    int64_t late = s.head_at ? s.head_age_s - app->settings.feed_interval_s : 0;
    snprintf(f->detail, sizeof f->detail, "head %llu, %zu gateways listen, %zu changes wait, %llu refused",
             (unsigned long long)s.seq, s.listening, s.pending, (unsigned long long)s.refused);
    return s.seq != 0 && late <= CHECKPOINT_LATE_S && s.pending_ms <= CHECKPOINT_LATE_S * 1000 && s.refused == 0;
}

static bool read_root_list(struct app *app, struct root_list *out, struct err *e)
{
    struct signer_state s[SIGNERS];
    struct arena a;
    signers_state(s);
    arena_init(&a, 4096);
    const char *file = settings_path(&app->settings, &a, PATH_ROOT_CRL);
    bool ok = arena_ok(&a, e) &&
              root_list_check(app->crypto, file, &app->root, &app->ca, &s[SIGNER_ISSUING].root_list, out, e);
    arena_clear(&a);
    return ok;
}

/* The signer judges by the same list. */
static bool check_root_list(struct app *app, struct health_finding *f)
{
    struct root_list list;
    struct err e = {0};
    bool ok = read_root_list(app, &list, &e);
    if (ok)
        snprintf(f->detail, sizeof f->detail, "list %llu lets the issuing CA be", (unsigned long long)list.number);
    else
        snprintf(f->detail, sizeof f->detail, "%s: %.100s", err_slug(e.code), e.what);
    return ok;
}

static bool check_ca(struct app *app, struct health_finding *f)
{
    struct root_list list;
    struct err ignored; /* told by check_root_list() */
    int64_t now = app_now(app), left = app->ca.not_after - now;
    if (read_root_list(app, &list, &ignored) && list.next_update && list.next_update < now) {
        snprintf(f->detail, sizeof f->detail, "the root's list was due to be renewed at %s", RFC3339(list.next_update));
        f->hint = "kith ca crl where the root is, then kith ca install FILE";
        return false;
    }
    snprintf(f->detail, sizeof f->detail, "the issuing CA's certificate ends in %lld days", (long long)(left / DAY_S));
    return left > 90 * DAY_S;
}

/* Against what the signers count; entries of the ledger carry the server's. */
static bool check_clock(struct app *app, struct health_finding *f)
{
    struct signer_state s[SIGNERS];
    (void)app;
    signers_state(s);
    int64_t off = s[SIGNER_ISSUING].clock_off_s ? s[SIGNER_ISSUING].clock_off_s : s[SIGNER_LEDGER].clock_off_s;
    if (off)
        snprintf(f->detail, sizeof f->detail, "%lld s off; certificates are refused", (long long)off);
    else
        snprintf(f->detail, sizeof f->detail, "as the signers count it");
    return off == 0;
}

/* What somebody has to look at; it stays until somebody says so. */
static bool check_alarms(struct app *app, struct health_finding *f)
{
    struct alarm a;
    struct err e = {0};
    size_t warnings = 0;
    bool ok = true;
    AUTO(rows_close) struct rows r = {0};
    snprintf(f->detail, sizeof f->detail, "none");
    if (db_query(app_db(app), &alarm_rows, NULL, 0, &r, &e))
        while (rows_next(&r, &e)) {
            alarm_of_row(&r, &a);
            warnings += a.is_warning;
            if (!a.is_warning && ok)
                ok = snprintf(f->detail, sizeof f->detail, "%s", a.text) < 0;
        }
    if (e.code)
        ok = snprintf(f->detail, sizeof f->detail, "%s: they cannot be read", err_slug(e.code)) < 0;
    if (ok && warnings) {
        f->warns = true;
        f->hint = "kith alarm ls names them; kith alarm end NAME, once each was looked at";
        snprintf(f->detail, sizeof f->detail, "%zu of devices that were asked for with a second key", warnings);
    }
    return ok;
}

#define STORE_FAULT_S 60 /* a fault that nobody has met again since then may be over */

/* The store as it was met by who wrote last, and the room that the next one finds. */
static bool check_store(struct app *app, struct health_finding *f)
{
    struct err why;
    struct arena a;
    int64_t age_s;
    arena_init(&a, 16384);
    const char *file = settings_database_file(&app->settings);
    bool ok = !file || file_exists(file) ||
              snprintf(f->detail, sizeof f->detail, "%s was moved or removed while it was open", file) < 0;
    if (ok && !settings_check_room(&app->settings, &a, &why))
        ok = snprintf(f->detail, sizeof f->detail, "%s", why.what) < 0;
    arena_clear(&a);
    /* Who was overtaken by another writer never writes again. */
    if (ok && commit_is_failing(app->commit, &age_s, &why) && (age_s < STORE_FAULT_S || why.code == ERR_STORE_WRITER))
        ok = snprintf(f->detail, sizeof f->detail, "%s: nothing could be written %lld s ago: %.200s",
                      err_slug(why.code), (long long)age_s, why.what) < 0;
    else if (ok)
        snprintf(f->detail, sizeof f->detail, "writes, and has room");
    return ok;
}

static const struct {
    const char *name, *hint;
    bool (*check)(struct app *app, struct health_finding *f);
    bool needed; /* to be ready */
} checks[] = {
    {"signer-issuing", "look at the log of kithd: token, PIN file, passphrase file", check_issuing, true},
    {"signer-ledger", "look at the log of kithd: passphrase file, disk", check_ledger, true},
    {"store",
     "make room on that file system, put the file back, or look at the database server: it goes on by itself; of a "
     "store-writer: end the other server, then restart kithd",
     check_store, true},
    {"token", "look at the token; Kith logs in again by itself once it is back", check_token, true},
    {"checkpoint", "look at the log: the signers say why they do not sign", check_checkpoint, false},
    {"ledger", "stop kithd and restore the newest copy of the database, or of the signers if they are behind",
     check_tree, true},
    {"feed", "look at the log: the issuing signer makes the heads", check_feed, true},
    {"clock", "set the clock; if it is right, start kithd once with --accept-clock", check_clock, true},
    {"alarms", "look at the entries that it names; if they are right: kith --dir DIR ledger adopt", check_alarms,
     false},
    {"root-crl", "kith explain, with the code, says what to do", check_root_list, true},
    {"ca-expiry", "make a new issuing CA before it ends", check_ca, false},
};

void health_check(struct app *app, struct health *out)
{
    *out = (struct health){.ready = true};
    for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
        struct health_finding *f = &out->checks[out->n++];
        f->name = checks[i].name;
        f->hint = checks[i].hint;
        f->ok = checks[i].check(app, f);
        if (checks[i].needed && !f->ok)
            out->ready = false;
    }
}
