#include "server/issuer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/crash_point.h"
#include "base/log.h"
#include "base/mono.h"
#include "core/cbor.h"
#include "core/crl_reason.h"
#include "keys/crypto.h"
#include "server/feed_hub.h"
#include "x509/csr.h"

struct issuer {
    struct app *app;
    pthread_mutex_t lock;
    pthread_cond_t idle, released;
    bool held;
    unsigned under_way;
    struct issuance *waiting, **waiting_end; /* while held */
    struct reservations reservations;
};

bool issuer_new(struct app *app, struct issuer **out, struct err *e)
{
    struct issuer *i = calloc(1, sizeof *i);
    *out = i;
    if (!i)
        return err_set(e, ERR_NOMEM, "issuer");
    i->app = app;
    pthread_mutex_init(&i->lock, NULL);
    pthread_cond_init(&i->idle, NULL);
    pthread_cond_init(&i->released, NULL);
    i->waiting_end = &i->waiting;
    reservations_init(&i->reservations);
    return true;
}

struct reservations *issuer_get0_reservations(struct issuer *i)
{
    return &i->reservations;
}

void issuer_enter(struct issuer *i)
{
    pthread_mutex_lock(&i->lock);
    while (i->held)
        pthread_cond_wait(&i->released, &i->lock);
    i->under_way++;
    pthread_mutex_unlock(&i->lock);
}

void issuer_leave(struct issuer *i)
{
    pthread_mutex_lock(&i->lock);
    if (--i->under_way == 0)
        pthread_cond_broadcast(&i->idle);
    pthread_mutex_unlock(&i->lock);
}

bool issuer_hold(struct issuer *i, int timeout_ms)
{
    struct timespec until = mono_end(timeout_ms);
    pthread_mutex_lock(&i->lock);
    i->held = true;
    int rc = 0;
    while (i->under_way && rc == 0)
        rc = pthread_cond_clockwait(&i->idle, &i->lock, CLOCK_MONOTONIC, &until);
    bool ok = i->under_way == 0;
    pthread_mutex_unlock(&i->lock);
    return ok;
}

static void sign(struct issuance *is);

void issuer_release(struct issuer *i)
{
    pthread_mutex_lock(&i->lock);
    i->held = false;
    struct issuance *list = i->waiting;
    i->waiting = NULL;
    i->waiting_end = &i->waiting;
    for (struct issuance *is = list; is; is = is->next)
        i->under_way++;
    pthread_cond_broadcast(&i->released);
    pthread_mutex_unlock(&i->lock);
    while (list) {
        struct issuance *is = list;
        list = is->next;
        sign(is);
    }
}

/* Counts it in, or puts it aside while held. */
static bool enter_or_wait(struct issuer *i, struct issuance *is)
{
    pthread_mutex_lock(&i->lock);
    bool held = i->held;
    if (held) {
        is->next = NULL;
        *i->waiting_end = is;
        i->waiting_end = &is->next;
    } else {
        i->under_way++;
    }
    pthread_mutex_unlock(&i->lock);
    return !held;
}

static void end(struct issuance *is, const struct err *e)
{
    reservations_drop(&is->app->issuer->reservations, &is->reservation);
    marks_clear(&is->marks);
    is->done(is, e);
}

static void finish(struct issuance *is, const struct err *e)
{
    issuer_leave(is->app->issuer);
    end(is, e);
}

/* What was signed and must not count is revoked like anything else. */
static void mark_voided(const struct issuance *is)
{
    struct cert c;
    struct err e;
    struct feed_mark m = {.kind = MARK_REVOKE, .reason = CRL_REASON_CESSATION};
    if (!cert_read(slice_of(is->der, is->der_n), &c, &e) || c.serial.n != SERIAL_SIZE)
        return;
    memcpy(m.serial, c.serial.p, SERIAL_SIZE);
    feed_hub_mark(is->app->feed, &m, 1);
}

static void tell_gateways(const struct issuance *is)
{
    if (is->marks.n)
        marks_tell(is->app, &is->marks);
    if (is->kind == CERT_DEVICE)
        feed_hub_device(is->app->feed, is->cert_id);
}

static void stored(struct job *job, const struct err *e)
{
    struct issuance *is = (struct issuance *)job;
    crash_point("server.stored");
    if (!e && is->is_base)
        der_store_offer(is->app->ders, is->profile, is->spki_n, is->cert_id, slice_of(is->der, is->der_n));
    if (!e && is->voided.code) {
        mark_voided(is);
        e = &is->voided;
    }
    if (!e)
        tell_gateways(is);
    finish(is, e);
}

static bool run_store(struct tx *tx, struct job *job, struct err *e)
{
    return issue_store(tx, (struct issuance *)job, e);
}

static void signed_(void *arg, struct reader *fields, size_t n, const struct err *e)
{
    struct issuance *is = arg;
    struct err bad;
    crash_point("server.answered");
    if (e) {
        finish(is, e);
        return;
    }
    struct slice der = cbor_get_bstr(fields);
    if (n != 1 || !answer_end(fields, &bad) || der.n > sizeof is->der) {
        err_set(&bad, ERR_SIGNER_PROTOCOL, "no certificate in the signer's answer");
        finish(is, &bad);
        return;
    }
    memcpy(is->der, der.p, der.n);
    is->der_n = der.n;
    is->job = (struct job){.run = run_store, .done = stored};
    commit_submit(is->app->commit, &is->job);
}

static void add_fact(struct issue_request *r, const char *name, const char *value)
{
    if (value[0] && r->facts_n < FACTS_MAX)
        r->facts[r->facts_n++] = (struct fact){slice_str(name), slice_str(value)};
}

/* Asks the signer; the issuance is counted in. */
static void sign(struct issuance *is)
{
    struct err e;
    crash_point("server.reserved");
    uint8_t fields[REQUEST_SMALL_MAX];
    struct writer w = WRITER_ARRAY(fields);
    struct issue_request r = {
        .profile = slice_str(is->profile),
        .spki = slice_of(is->spki, is->spki_n),
        .csr_san = slice_of(is->san, is->san_n),
        .authority = {.kind = is->authority,
                      .claim = slice_str(is->claim),
                      .expires_at = is->claim_expires_at,
                      .certificate = slice_of(is->old_der, is->old_der_n),
                      .who = slice_str(is->who)},
    };
    if (is->authority == AUTHORITY_CLAIM)
        r.authority.nonce = SLICE_ARRAY(is->nonce);
    add_fact(&r, is->kind == CERT_DEVICE ? "id" : "name", is->subject);
    add_fact(&r, "model", is->model);
    add_fact(&r, "serial", is->serial);
    add_fact(&r, "owner", is->owner);
    issue_request_put(&w, &r);
    struct slice bytes;
    if (!writer_done(&w, &bytes)) {
        err_set(&e, ERR_LIMIT, "a request of more than %d bytes", REQUEST_SMALL_MAX);
        finish(is, &e);
    } else if (!client_send(is->app->issuing, REQUEST_ISSUE, bytes, 5, signed_, is, &e)) {
        finish(is, &e);
    }
}

static bool run_reserve(struct tx *tx, struct job *job, struct err *e)
{
    return issue_reserve(tx, (struct issuance *)job, e);
}

static void reserved(struct job *job, const struct err *e)
{
    struct issuance *is = (struct issuance *)job;
    if (!e && is->waiting && !is->delivered) {
        is->job = (struct job){.run = run_reserve, .done = reserved}; /* the same again, to write */
        commit_submit(is->app->commit, &is->job);
        return;
    }
    if (!e && is->delivered) {
        crash_point("server.delivered");
        tell_gateways(is);
    }
    if (e || is->repeated) {
        end(is, e);
    } else if (enter_or_wait(is->app->issuer, is)) {
        sign(is);
    }
}

bool issue_take_csr(struct issuance *is, const struct csr *csr, struct err *e)
{
    if (csr->spki.n > sizeof is->spki || csr->san.n > sizeof is->san) {
        err_set(e, ERR_LIMIT, "the request has a key of %zu bytes and names of %zu", csr->spki.n, csr->san.n);
        err_why(e, "a key may have %zu, all names together %zu", sizeof is->spki, sizeof is->san);
        return err_try(e, "fewer names, or another type of key");
    }
    memcpy(is->spki, csr->spki.p, csr->spki.n);
    is->spki_n = csr->spki.n;
    if (csr->san.n)
        memcpy(is->san, csr->san.p, csr->san.n);
    is->san_n = csr->san.n;
    return true;
}

void issuer_submit(struct issuer *i, struct issuance *is)
{
    is->app = i->app;
    sha256(slice_of(is->spki, is->spki_n), is->spki_hash);
    is->job = (struct job){.run = run_reserve, .done = reserved, .looks = true};
    commit_submit(i->app->commit, &is->job);
}

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool finished;
    struct err e;
};

static void finished(struct issuance *is, const struct err *e)
{
    struct waiting *w = is->arg;
    pthread_mutex_lock(&w->lock);
    if (e)
        w->e = *e;
    w->finished = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

bool issuer_wait(struct issuer *i, struct issuance *is, struct err *e)
{
    struct waiting w = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    is->done = finished;
    is->arg = &w;
    issuer_submit(i, is);
    pthread_mutex_lock(&w.lock);
    while (!w.finished)
        pthread_cond_wait(&w.cond, &w.lock);
    pthread_mutex_unlock(&w.lock);
    if (w.e.code && e)
        *e = w.e;
    return w.e.code == ERR_NONE;
}
