#include "server/refusals.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "server/access.h"
#include "server/alarms.h"

#define COUNTERS_MAX 1024 /* then the rest of the minute is counted under "other" */
#define CLAIMS_MAX   256
#define PARTIES_MAX  1024 /* known parties that are told apart in a minute; the others are counted at once */
#define PROBES_MAX   8

#define UNKNOWN "system:server"

struct counter {
    int64_t minute;
    char who[80], prefix[48], via[16], code[32]; /* who: "system:server" for all that are not known */
    int64_t n;
};

/* One table for the process: refusals come from every worker. */
static struct {
    pthread_mutex_t lock;
    struct counter v[COUNTERS_MAX + 1];
    size_t n;
    struct {
        char device[DEVICE_ID_SIZE];
        int64_t minute;
    } claims[CLAIMS_MAX];
    struct {
        char who[80];
        int64_t minute;
        unsigned n;
    } parties[PARTIES_MAX];
} counts = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* IPv4 by /24, IPv6 by /48, in a form that a person reads. */
static void prefix_of(const char *peer, char *out, size_t cap)
{
    const char *end = peer + strlen(peer);
    bool v6 = strchr(peer, ':') != NULL;
    size_t parts = 0;
    for (const char *p = peer; *p; p++)
        if (*p == (v6 ? ':' : '.') && ++parts == 3) {
            end = p;
            break;
        }
    if (parts < 3)
        snprintf(out, cap, "%s", peer);
    else
        snprintf(out, cap, "%.*s%s", (int)(end - peer), peer, v6 ? "::/48" : ".0/24");
}

static bool is_alike(const struct counter *a, const struct counter *b)
{
    return a->minute == b->minute && strcmp(a->prefix, b->prefix) == 0 && strcmp(a->who, b->who) == 0 &&
           strcmp(a->via, b->via) == 0 && strcmp(a->code, b->code) == 0;
}

static void count(struct app *app, const char *who, const char *peer, const char *via, const char *code)
{
    struct counter c = {.minute = app_now(app) / 60};
    prefix_of(peer, c.prefix, sizeof c.prefix);
    snprintf(c.who, sizeof c.who, "%s", who);
    snprintf(c.via, sizeof c.via, "%s", via);
    snprintf(c.code, sizeof c.code, "%s", code);
    pthread_mutex_lock(&counts.lock);
    size_t i = 0;
    while (i < counts.n && !is_alike(&counts.v[i], &c))
        i++;
    if (i >= COUNTERS_MAX) {
        i = COUNTERS_MAX;
        snprintf(c.prefix, sizeof c.prefix, "other");
        snprintf(c.who, sizeof c.who, UNKNOWN);
    }
    if (i == counts.n) {
        counts.v[i] = c;
        counts.n++;
    }
    counts.v[i].n++;
    pthread_mutex_unlock(&counts.lock);
}

struct note_job {
    struct job job;
    struct app *app;
    enum event_type type;
    struct counter counter;
    char who[80], via[16], what[160], code[32], why[ERR_WHAT_MAX], peer[64];
    enum err_code alarm; /* it is worth one; ERR_NONE: it is not */
    struct alarm raised; /* by this */
    uint8_t spki[SHA256_SIZE];
};

static bool record(struct tx *tx, struct job *job, struct err *e)
{
    struct note_job *j = (struct note_job *)job;
    uint8_t fields[1024];
    struct event ev;
    struct event_draft d = event_draft_of(j->type);
    event_set_text(&d, "who", j->who);
    event_set_text(&d, "via", j->via);
    event_set_text(&d, "code", j->code);
    if (j->type == EVENT_REFUSALS_COUNTED) {
        event_set_int(&d, "minute_at", j->counter.minute * 60);
        event_set_text(&d, "prefix", j->counter.prefix);
        event_set_int(&d, "count", j->counter.n);
    } else {
        event_set_text(&d, "why", j->why);
        event_set_text(&d, "prefix", j->peer);
    }
    if (j->type == EVENT_REQUEST_REFUSED)
        event_set_text(&d, "what", j->what);
    if (j->type == EVENT_CLAIM_REFUSED) {
        event_set_text(&d, "device", j->what);
        event_set_flag(&d, "alarm", j->alarm != ERR_NONE);
        event_set_bytes(&d, "spki", SLICE_ARRAY(j->spki));
    }
    return event_make(&d, NULL, fields, sizeof fields, &ev, e) && tx_record(tx, &ev, NULL, 0, NULL, e) &&
           (!j->alarm || alarm_raise_claim(tx, j->what, j->alarm, &j->raised, e));
}

static void recorded(struct job *job, const struct err *e)
{
    struct note_job *j = (struct note_job *)job;
    if (e)
        LOG(&j->app->env, ERROR, "refusals", "not recorded", log_err(e));
    else if (j->raised.name[0])
        alarm_log(j->app, &j->raised);
    free(j);
}

static struct note_job *note_new(struct app *app, enum event_type type, const char *who, const char *via,
                                 const char *code)
{
    struct note_job *j = calloc(1, sizeof *j);
    if (!j)
        return NULL;
    j->job = (struct job){.run = record, .done = recorded};
    j->app = app;
    j->type = type;
    snprintf(j->who, sizeof j->who, "%s", who);
    snprintf(j->via, sizeof j->via, "%s", via);
    snprintf(j->code, sizeof j->code, "%s", code);
    return j;
}

static uint32_t hash_of(const char *text, uint32_t h)
{
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 16777619u;
    return h;
}

/* Is this among the first refusals of a known party in this minute? */
static bool of_first(const char *who, int64_t minute)
{
    bool first = false;
    uint32_t h = hash_of(who, 2166136261u);
    pthread_mutex_lock(&counts.lock);
    for (size_t i = 0; i < PROBES_MAX; i++) {
        unsigned at = (h + i) % PARTIES_MAX;
        if (counts.parties[at].minute == minute && strcmp(counts.parties[at].who, who) != 0)
            continue;
        if (counts.parties[at].minute != minute) {
            counts.parties[at].minute = minute;
            counts.parties[at].n = 0;
            snprintf(counts.parties[at].who, sizeof counts.parties[at].who, "%s", who);
        }
        first = counts.parties[at].n++ < REFUSALS_EACH;
        break;
    }
    pthread_mutex_unlock(&counts.lock);
    return first;
}

void refusal_note(struct app *app, const struct http_request *req, const char *who, const char *via,
                  const struct err *e)
{
    if (!who && access_who(req)->party != PARTY_UNKNOWN)
        who = access_who(req)->name;
    if (!who || !of_first(who, app_now(app) / 60)) {
        count(app, who ? who : UNKNOWN, http_peer(req), via, err_slug(e->code));
        return;
    }
    struct note_job *j = note_new(app, EVENT_REQUEST_REFUSED, who, via, err_slug(e->code));
    if (!j)
        return;
    snprintf(j->what, sizeof j->what, "%s %s", http_method(req), http_path(req));
    snprintf(j->why, sizeof j->why, "%s", e->what);
    snprintf(j->peer, sizeof j->peer, "%s", http_peer(req));
    commit_submit(app->commit, &j->job);
}

bool refusal_alarms(enum err_code code)
{
    return code == ERR_CLAIM_OTHER_KEY || code == ERR_IDEVID_OTHER;
}

/* An alarm is told even if something lesser was told of the device just now. */
static bool first_this_minute(const char *device, bool alarm, int64_t minute)
{
    uint32_t h = hash_of(device, alarm ? 2166136261u : 84696351u);
    pthread_mutex_lock(&counts.lock);
    bool same =
        counts.claims[h % CLAIMS_MAX].minute == minute && strcmp(counts.claims[h % CLAIMS_MAX].device, device) == 0;
    counts.claims[h % CLAIMS_MAX].minute = minute;
    snprintf(counts.claims[h % CLAIMS_MAX].device, DEVICE_ID_SIZE, "%s", device);
    pthread_mutex_unlock(&counts.lock);
    return !same;
}

void refusal_note_claim(struct app *app, const char *device, const char *via, const char *peer, const struct err *e,
                        const uint8_t spki_hash[SHA256_SIZE])
{
    struct note_job *j;
    bool alarm = refusal_alarms(e->code);
    if (!first_this_minute(device, alarm, app_now(app) / 60) ||
        !(j = note_new(app, EVENT_CLAIM_REFUSED, "system:server", via, err_slug(e->code))))
        return;
    snprintf(j->what, sizeof j->what, "%s", device);
    snprintf(j->why, sizeof j->why, "%s", e->what);
    snprintf(j->peer, sizeof j->peer, "%s", peer);
    j->alarm = alarm ? e->code : ERR_NONE;
    memcpy(j->spki, spki_hash, SHA256_SIZE);
    if (j->alarm)
        LOG(&app->env, WARN, "est", "somebody came for a device with another key", log_str("device", device),
            log_str("code", j->code));
    commit_submit(app->commit, &j->job);
}

void refusals_flush(struct app *app, bool all)
{
    int64_t minute = app_now(app) / 60;
    for (;;) {
        pthread_mutex_lock(&counts.lock);
        size_t i = 0;
        while (i < counts.n && !all && counts.v[i].minute >= minute)
            i++;
        bool found = i < counts.n;
        struct counter c = {0};
        if (found) {
            c = counts.v[i];
            counts.v[i] = counts.v[--counts.n];
        }
        pthread_mutex_unlock(&counts.lock);
        if (!found)
            return;
        struct note_job *j = note_new(app, EVENT_REFUSALS_COUNTED, c.who, c.via, c.code);
        if (!j)
            return;
        j->counter = c;
        commit_submit(app->commit, &j->job);
    }
}
