#include "server/signers.h"

#include <pthread.h>
#include <stdio.h>

#include "base/log.h"
#include "base/str.h"
#include "ca/in_step.h"
#include "core/cbor.h"
#include "server/notary.h"

static struct {
    pthread_mutex_t lock;
    struct signer_state state[SIGNERS];
    bool told[SIGNERS]; /* what the ledger was told last: it answers */
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

const char *signer_name(int i)
{
    return i == SIGNER_ISSUING ? "issuing" : "ledger";
}

bool signer_ask(struct client *c, struct signer_state *out, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    struct signer_status s;
    size_t n;
    buf_init(&b, 8192);
    *out = (struct signer_state){0};
    if (!client_call(c, REQUEST_STATUS, (struct slice){0}, 0, &b, &n, e))
        return false;
    struct reader r = reader_of(buf_slice(&b));
    signer_status_get(&r, &s);
    if (!answer_end(&r, e))
        return false;
    *out = (struct signer_state){.answers = true,
                                 .leaves = s.leaves,
                                 .uncovered = s.uncovered,
                                 .issued = s.issued,
                                 .refused = s.refused,
                                 .clock_off_s = s.clock_off_s,
                                 .vouched_size = s.vouched_size,
                                 .forked = s.forked,
                                 .root_list.number = s.root_list};
    str_copy_slice(out->token, sizeof out->token, s.token);
    str_copy_slice(out->fault, sizeof out->fault, s.fault);
    str_copy_slice(out->damage, sizeof out->damage, s.damage);
    memcpy(out->vouched_root.b, s.vouched_root.p, SHA256_SIZE);
    memcpy(out->root_list.digest, s.root_digest.p, SHA256_SIZE);
    return true;
}

bool signers_vouched(struct app *app, uint64_t *size, struct merkle_hash *root, struct err *e)
{
    struct signer_state s;
    if (!signer_ask(app->issuing, &s, e))
        return false;
    *size = s.vouched_size;
    *root = s.vouched_root;
    return true;
}

static bool record(struct app *app, const char *domain, bool answers, const char *why, struct err *e)
{
    struct event_draft d = event_draft_of(answers ? EVENT_SIGNER_STARTED : EVENT_SIGNER_LOST);
    event_set_text(&d, "who", "system:server");
    event_set_text(&d, "domain", domain);
    event_set_text(&d, answers ? "version" : "why", answers ? KITH_VERSION : why);
    return app_record(app, &d, e);
}

void signers_poll(struct app *app)
{
    struct client *clients[SIGNERS] = {app->issuing, app->ledger};
    for (int i = 0; i < SIGNERS; i++) {
        struct err e = {0};
        struct signer_state s;
        char why[200];
        bool down, answers;
        int64_t asked_ms = env_mono_ms(&app->env);
        uint64_t signed_size = notary_size(app->notary);
        answers = signer_ask(clients[i], &s, &e);
        s.asked_ms = asked_ms;
        s.signed_size = answers ? signed_size : 0;
        down = strcmp(s.token, "down") == 0;
        snprintf(why, sizeof why, "%.199s", down ? s.fault : e.what);
        answers = answers && !down;
        pthread_mutex_lock(&all.lock);
        if (!s.answers)
            s.root_list = all.state[i].root_list;
        bool same = strcmp(all.state[i].token, s.token) == 0 && all.state[i].token_since;
        s.token_since = same ? all.state[i].token_since : app_now(app);
        all.state[i] = s;
        bool news = all.told[i] != answers;
        all.told[i] = answers;
        pthread_mutex_unlock(&all.lock);
        if (news && !record(app, signer_name(i), answers, why, &e))
            LOG(&app->env, WARN, "signers", "not entered", log_err(&e));
    }
}

bool signers_check_empty(struct app *app, struct err *e)
{
    AUTO(buf_clear) struct buf b = {0};
    uint8_t from[16];
    size_t n;
    struct writer w = WRITER_ARRAY(from);
    buf_init(&b, REQUEST_FRAME_MAX);
    cbor_put_uint(&w, 0);
    if (!client_call(app->issuing, REQUEST_JOURNAL, writer_slice(&w), 1, &b, &n, e))
        return false;
    struct reader r = reader_of(buf_slice(&b));
    cbor_get_uint(&r); /* next */
    uint64_t end = cbor_get_uint(&r), records = cbor_get_array(&r);
    if (!reader_ok(&r))
        return err_set(e, ERR_SIGNER_PROTOCOL, "a journal that is malformed");
    if (records <= 1) /* it was set up, and no more */
        return true;
    const char *file = settings_database_file(&app->settings);
    err_set(e, ERR_STORE_LOST, "the database%s%s is empty, but the issuing signer's journal has %llu bytes",
            file ? " " : "", file ? file : "", (unsigned long long)end);
    err_why(e, "this platform has issued certificates; a new ledger would not know them");
    return err_try(e, "put the database back to its place, or restore its last copy");
}

bool signers_check_in_step(struct app *app, struct err *e)
{
    struct client *clients[SIGNERS] = {app->issuing, app->ledger};
    struct last_checkpoint last = {0};
    bool ok = in_step_last(app_db(app), &app->settings, app->crypto, &last, e);
    const struct in_step_log log = {.signed_size = last.size, .size = tree_size(app->tree)};
    for (int i = 0; ok && i < SIGNERS; i++) {
        struct signer_state s;
        ok = signer_ask(clients[i], &s, e) && in_step_judge(&log, signer_name(i), s.vouched_size, e);
    }
    return ok;
}

void signers_state(struct signer_state out[SIGNERS])
{
    pthread_mutex_lock(&all.lock);
    memcpy(out, all.state, sizeof all.state);
    pthread_mutex_unlock(&all.lock);
}
