#include "server/notary.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "base/mono.h"
#include "ca/in_step.h"
#include "core/cbor.h"
#include "ledger/note.h"
#include "server/issuer.h"
#include "server/recover.h"
#include "server/signers.h"
#include "store/row.h"

#define INTERVAL_MS    800 /* so that what is answered is covered within a second */
#define HOLD_MS        2000
#define LEAVES_A_FRAME 8192
#define LEAVES_BYTES   (8u << 20)
#define RETRY_MS       200

struct notary {
    struct app *app;
    struct db *db; /* the thread's own */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, made;
    atomic_bool stop;
    bool wanted;
    struct log_trouble trouble; /* the thread's */
    char note[NOTARY_NOTE_MAX];
    uint64_t size;
    int64_t at;
};

static bool call(struct client *c, enum request_type type, const struct buf *fields, size_t n, struct buf *out,
                 struct err *e)
{
    size_t got;
    buf_init(out, REQUEST_FRAME_MAX);
    return client_call(c, type, fields ? buf_slice(fields) : (struct slice){0}, n, out, &got, e);
}

static const struct sql sql_leaves = {"SELECT leaf FROM entry WHERE pos >= $1 AND pos < $2 ORDER BY pos"};

/* One frame of leaves [from, ...) below `to`; *next is the first that did not fit. */
static bool put_leaves(struct notary *n, uint64_t from, uint64_t to, struct buf *fields, uint64_t *next, struct err *e)
{
    AUTO(buf_clear) struct buf items = {0};
    AUTO(rows_close) struct rows r = {0};
    uint8_t node = (uint8_t)n->app->settings.node, head[32];
    uint64_t last = to - from > LEAVES_A_FRAME ? from + LEAVES_A_FRAME : to, count = 0;
    const struct value args[] = {value_int(entry_pos(node, from)), value_int(entry_pos(node, last))};
    buf_init(&items, LEAVES_BYTES + 65536);
    if (!db_query(n->db, &sql_leaves, args, 2, &r, e))
        return false;
    while (items.n < LEAVES_BYTES && rows_next(&r, e)) {
        struct slice leaf = rows_blob(&r, 0);
        struct writer w = WRITER_ARRAY(head);
        cbor_put_head(&w, CBOR_BSTR, leaf.n);
        buf_put(&items, writer_slice(&w));
        buf_put(&items, leaf);
        count++;
    }
    if (e->code)
        return false;
    if (count == 0)
        return err_set(e, ERR_INTERNAL, "entry %llu is not in the database", (unsigned long long)from);
    struct writer w = WRITER_ARRAY(head);
    cbor_put_uint(&w, from);
    cbor_put_array(&w, count);
    buf_put(fields, writer_slice(&w));
    buf_put(fields, buf_slice(&items));
    *next = from + count;
    return true;
}

/* Brings a signer up to `to` leaves; not one that has forgotten what it vouched for since it was started anew. */
static bool stream_leaves(struct notary *n, int which, uint64_t to, struct err *e)
{
    struct signer_state signer;
    struct client *c = which == SIGNER_ISSUING ? n->app->issuing : n->app->ledger;
    const struct in_step_log log = {.signed_size = n->size, .size = tree_size(n->app->tree)};
    if (!signer_ask(c, &signer, e) || !in_step_judge(&log, signer_name(which), signer.vouched_size, e))
        return false;
    for (uint64_t from = signer.leaves; from < to;) {
        AUTO(buf_clear) struct buf fields = {0};
        AUTO(buf_clear) struct buf out = {0};
        buf_init(&fields, REQUEST_FRAME_MAX);
        buf_init(&out, 64);
        if (!put_leaves(n, from, to, &fields, &from, e) || !call(c, REQUEST_LEAVES, &fields, 2, &out, e))
            return false;
    }
    return true;
}

static bool cosign(struct client *c, struct slice text, struct buf *note, uint64_t *journal_at, struct err *e)
{
    AUTO(buf_clear) struct buf fields = {0};
    AUTO(buf_clear) struct buf out = {0};
    uint8_t item[512];
    struct writer w = WRITER_ARRAY(item);
    cbor_put_tstr(&w, text);
    buf_init(&fields, 1024);
    buf_init(&out, 64);
    buf_put(&fields, writer_slice(&w));
    if (!call(c, REQUEST_COSIGN, &fields, 1, &out, e))
        return false;
    struct reader r = reader_of(buf_slice(&out));
    buf_put(note, cbor_get_bstr(&r));
    *journal_at = cbor_get_uint(&r);
    return answer_end(&r, e);
}

struct note_job {
    struct job job;
    struct app *app;
    uint64_t size, journal_at;
    struct slice note;
};

static bool store_note(struct tx *tx, struct job *job, struct err *e)
{
    struct note_job *j = (struct note_job *)job;
    const struct value cols[CHECKPOINT_COLS] = {
        [CHECKPOINT_NODE] = value_int(j->app->settings.node),
        [CHECKPOINT_SIZE] = value_int((int64_t)j->size),
        [CHECKPOINT_NOTE] = {.type = VALUE_TEXT, .s = j->note},
        [CHECKPOINT_AT] = value_int(tx_now_ms(tx) / 1000),
    };
    const struct value mark[JOURNAL_MARK_COLS] = {
        [JOURNAL_MARK_SIGNER] = value_text("issuing"), [JOURNAL_MARK_POSITION] = value_int((int64_t)j->journal_at)};
    return tx_scratch(tx, &(struct change){.table = &table_checkpoint, .cols = cols}, e) &&
           tx_scratch(tx, &(struct change){.table = &table_journal_mark, .cols = mark}, e);
}

/* A checkpoint on its way to being a note. */
struct making {
    uint8_t text[512];
    struct writer w; /* over text */
    uint64_t size, journal_at;
    struct buf issuing, ledger; /* signature lines */
    bool last;                  /* of this server */
};

static bool cosign_issuing(struct notary *n, struct making *m, struct err *e)
{
    struct app *app = n->app;
    struct checkpoint c = {.origin = slice_str(app->settings.origin)};
    tree_root(app->tree, &c.size, &c.root);
    m->w = WRITER_ARRAY(m->text);
    m->size = c.size;
    checkpoint_write(&m->w, &c);
    buf_reset(&m->issuing);
    return stream_leaves(n, SIGNER_ISSUING, c.size, e) &&
           cosign(app->issuing, writer_slice(&m->w), &m->issuing, &m->journal_at, e);
}

/* A signer that died between its journal and its answer leaves something that nobody entered.  While all are held nothing is
 * under way, so whatever the journal has beyond the ledger is such. */
static bool cosign_covered(struct notary *n, struct making *m, struct err *e)
{
    size_t found;
    if (cosign_issuing(n, m, e))
        return true;
    if (e->code != ERR_UNCOVERED || !recover_journal(n->app, &found, e))
        return false;
    LOG(&n->app->env, NOTICE, "notary", "entered from the signer's journal what was never answered",
        log_int("records", (int64_t)found));
    return cosign_issuing(n, m, e);
}

static bool run_stopped(struct tx *tx, struct job *job, struct err *e)
{
    uint8_t fields[64];
    struct event ev;
    struct event_draft d = event_draft_of(EVENT_PLATFORM_STOPPED);
    (void)job;
    event_set_text(&d, "who", "system:server");
    return event_make(&d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, NULL, 0, NULL, e);
}

/* While all are held; what a signer's journal has beyond the ledger has to be entered first. */
static bool record_stopped(struct notary *n, struct err *e)
{
    size_t found;
    struct job j = {.run = run_stopped, .last = true};
    return recover_journal(n->app, &found, e) && commit_run(n->app->commit, &j, e);
}

/* Only the issuing signer has something to wait for, so only its part is made while all are held. */
static bool sign_text(struct notary *n, struct making *m, struct err *e)
{
    struct app *app = n->app;
    uint64_t unused;
    /* Most leaves go before the hold, so that it is short. */
    if (!stream_leaves(n, SIGNER_ISSUING, tree_size(app->tree), e))
        return false;
    bool ok = issuer_hold(app->issuer, HOLD_MS) || err_set(e, ERR_UNAVAILABLE, "signatures are still under way");
    ok = ok && (!m->last || record_stopped(n, e)) && cosign_covered(n, m, e);
    issuer_release(app->issuer);
    crash_point("server.cosigned");
    return ok && stream_leaves(n, SIGNER_LEDGER, m->size, e) &&
           cosign(app->ledger, writer_slice(&m->w), &m->ledger, &unused, e);
}

static bool publish(struct notary *n, const struct making *m, struct err *e)
{
    AUTO(buf_clear) struct buf note = {0};
    buf_init(&note, NOTARY_NOTE_MAX - 1);
    buf_put(&note, writer_slice(&m->w));
    buf_put_char(&note, '\n');
    buf_put(&note, buf_slice(&m->ledger));
    buf_put(&note, buf_slice(&m->issuing));
    struct note_job j = {.job = {.run = store_note, .last = m->last},
                         .app = n->app,
                         .size = m->size,
                         .journal_at = m->journal_at,
                         .note = buf_slice(&note)};
    if (!buf_ok(&note))
        return err_set(e, ERR_LIMIT, "a note of more than %d bytes", NOTARY_NOTE_MAX);
    crash_point("server.noted");
    if (!commit_run(n->app->commit, &j.job, e))
        return false;
    crash_point("server.published");
    pthread_mutex_lock(&n->lock);
    memcpy(n->note, buf_str(&note), note.n + 1);
    n->size = m->size;
    n->at = app_now(n->app);
    pthread_cond_broadcast(&n->made);
    pthread_mutex_unlock(&n->lock);
    return true;
}

static bool checkpoint(struct notary *n, bool last, struct err *e)
{
    struct making m = {.last = last};
    buf_init(&m.issuing, NOTARY_NOTE_MAX);
    buf_init(&m.ledger, NOTARY_NOTE_MAX);
    bool ok = sign_text(n, &m, e) && publish(n, &m, e);
    buf_clear(&m.issuing);
    buf_clear(&m.ledger);
    return ok;
}

static void sleep_until_due(struct notary *n, int ms)
{
    struct timespec until = mono_end(ms);
    pthread_mutex_lock(&n->lock);
    int rc = 0;
    while (!n->stop && !n->wanted && rc == 0)
        rc = pthread_cond_clockwait(&n->wake, &n->lock, CLOCK_MONOTONIC, &until);
    n->wanted = false;
    pthread_mutex_unlock(&n->lock);
}

static void load_last(struct notary *n)
{
    struct err e;
    AUTO(buf_clear) struct buf note = {0};
    struct last_checkpoint last = {.note = &note};
    buf_init(&note, NOTARY_NOTE_MAX - 1);
    if (!in_step_last(n->db, &n->app->settings, n->app->crypto, &last, &e) || !buf_ok(&note))
        return;
    pthread_mutex_lock(&n->lock);
    n->size = last.size;
    n->at = last.made_at;
    memcpy(n->note, buf_str(&note), note.n + 1);
    pthread_mutex_unlock(&n->lock);
}

static void *notary_thread(void *arg)
{
    struct notary *n = arg;
    struct err e;
    while (!n->stop && !db_open(n->app->settings.database, false, &n->db, &e))
        sleep_until_due(n, RETRY_MS);
    if (n->db)
        load_last(n);
    while (!n->stop) {
        bool due = tree_size(n->app->tree) > n->size;
        if (due)
            log_trouble(&n->app->env, &n->trouble, "notary", "no checkpoint", checkpoint(n, false, &e) ? NULL : &e);
        sleep_until_due(n, INTERVAL_MS);
    }
    return NULL;
}

bool notary_new(struct app *app, struct notary **out, struct err *e)
{
    struct notary *n = calloc(1, sizeof *n);
    *out = n;
    if (!n)
        return err_set(e, ERR_NOMEM, "notary");
    n->app = app;
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->wake, NULL);
    pthread_cond_init(&n->made, NULL);
    return pthread_create(&n->thread, NULL, notary_thread, n) == 0 || err_set(e, ERR_IO, "notary thread");
}

static void end_thread(struct notary *n)
{
    pthread_mutex_lock(&n->lock);
    bool first = !n->stop;
    n->stop = true;
    pthread_cond_broadcast(&n->wake);
    pthread_mutex_unlock(&n->lock);
    if (first)
        pthread_join(n->thread, NULL);
}

void notary_free(struct notary *n)
{
    if (!n)
        return;
    end_thread(n);
    db_free(n->db);
    free(n);
}

bool notary_finish(struct notary *n, struct err *e)
{
    end_thread(n);
    return n->db ? checkpoint(n, true, e) : err_set(e, ERR_UNAVAILABLE, "the database was never opened");
}

bool notary_get_note(struct notary *n, char out[NOTARY_NOTE_MAX], uint64_t *size, int64_t *at)
{
    pthread_mutex_lock(&n->lock);
    memcpy(out, n->note, sizeof n->note);
    *size = n->size;
    *at = n->at;
    pthread_mutex_unlock(&n->lock);
    return out[0] != 0;
}

uint64_t notary_size(struct notary *n)
{
    pthread_mutex_lock(&n->lock);
    uint64_t size = n->size;
    pthread_mutex_unlock(&n->lock);
    return size;
}

bool notary_wait(struct notary *n, uint64_t size, int timeout_ms, struct err *e)
{
    struct timespec until = mono_end(timeout_ms);
    pthread_mutex_lock(&n->lock);
    n->wanted = true;
    pthread_cond_broadcast(&n->wake);
    int rc = 0;
    while (n->size < size && rc == 0)
        rc = pthread_cond_clockwait(&n->made, &n->lock, CLOCK_MONOTONIC, &until);
    bool ok = n->size >= size;
    pthread_mutex_unlock(&n->lock);
    return ok || err_set(e, ERR_UNAVAILABLE, "no checkpoint of %llu entries in time", (unsigned long long)size);
}
