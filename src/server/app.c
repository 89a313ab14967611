#include "server/app.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/opt.h"
#include "ca/own_key.h"

/* Each thread reads by a connection of its own, closed when the thread ends. */
static pthread_key_t db_key;
static pthread_once_t db_once = PTHREAD_ONCE_INIT;

static void close_db(void *db)
{
    db_free(db);
}

static void make_key(void)
{
    if (pthread_key_create(&db_key, close_db) != 0)
        abort();
}

struct db *app_db(struct app *app)
{
    struct err e;
    struct db *db;
    pthread_once(&db_once, make_key);
    db = pthread_getspecific(db_key);
    if (!db && db_open(app->settings.database, false, &db, &e))
        pthread_setspecific(db_key, db);
    return db;
}

bool event_make(const struct event_draft *d, const uint8_t *ref, uint8_t *buf, size_t cap, struct event *out,
                struct err *e)
{
    struct writer w = writer_of(buf, cap);
    if (!event_write(d, &w, e))
        return false;
    *out = (struct event){.type = (uint16_t)d->kind->type, .fields = writer_slice(&w), .ref = ref};
    return true;
}

struct record_job {
    struct job job;
    const struct event_draft *draft;
};

static bool run_record(struct tx *tx, struct job *job, struct err *e)
{
    uint8_t fields[1024];
    struct event ev;
    const struct event_draft *d = ((const struct record_job *)job)->draft;
    return event_make(d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, NULL, 0, NULL, e);
}

bool app_record(struct app *app, const struct event_draft *d, struct err *e)
{
    struct record_job j = {.job = {.run = run_record}, .draft = d};
    return commit_run(app->commit, &j.job, e);
}

bool app_vkeys(struct app *app, struct note_key *keys, struct err *e)
{
    return own_key_vkeys(app->crypto, &app->settings, keys, e);
}

bool app_listen_at(const char *text, char *host, size_t cap, uint16_t *port, struct err *e)
{
    return opt_split_address(slice_str(text), host, cap, port) ||
           err_set(e, ERR_CONFIG, "\"%s\" is not ADDRESS:PORT", ERR_QUOTE(slice_str(text)));
}
