/* Opening, verdicts, status. */
#include "gate/gate_impl.h"

#include "base/config.h"
#include "base/file.h"
#include "keys/crypto.h"
#include "keys/p11.h"

#include <stdio.h>
#include <stdlib.h>

#define CONF_ROW(name_, type_, field_, ...)                                                                            \
    {                                                                                                                  \
        .section = "gate", .name = name_, .type = type_, .offset = OPT_TARGET(struct gate_conf, field_), __VA_ARGS__   \
    }

static const char *const unlisted_words[] = {"admit", "refuse", NULL};

static const struct opt conf_rows[] = {
    CONF_ROW("url", OPT_TEXT, url, .max = 512,
             .help = "the platform, as https://HOST:PORT; absent: nothing but the state on disk"),
    CONF_ROW("issuer", OPT_PATH, issuer, .required = true, .help = "issuing CA's certificate, then its issuers (PEM)"),
    CONF_ROW("ca", OPT_PATH, ca, .help = "root that the platform's TLS certificate leads to (PEM)"),
    CONF_ROW("cert", OPT_PATH, cert, .help = "this gateway's certificate, then its issuers (PEM)"),
    CONF_ROW("key", OPT_TEXT, key, .max = 512,
             .help = "its private key: a PEM file, or pkcs11:token=LABEL;object=NAME"),
    CONF_ROW("module", OPT_PATH, module, .help = "PKCS#11 module of the token that holds the key"),
    CONF_ROW("pin-file", OPT_PATH, pin_file, .help = "the token's PIN"),
    CONF_ROW("origin", OPT_TEXT, origin, .help = "the only feed that is taken, by name"),
    CONF_ROW("grace", OPT_SECONDS, grace_s, .def = "1h", .max = 30 * 86400,
             .help = "how long after its last head has ended ([feed] valid) devices are still let in"),
    CONF_ROW("unlisted", OPT_ENUM, unlisted, .def = "admit", .words = unlisted_words,
             .help = "devices with a good certificate that the directory does not name"),
    CONF_ROW("retry-min", OPT_MS, retry_min_ms, .def = "200ms", .min = 10, .max = 60000,
             .help = "first wait before the feed is connected again"),
    CONF_ROW("retry-max", OPT_MS, retry_max_ms, .def = "30s", .min = 10, .max = 3600000, .help = "longest wait"),
    CONF_ROW("stall", OPT_MS, stall_ms, .def = "90s", .min = 1000, .max = 3600000,
             .help = "a feed that is silent for so long is connected again"),
};

/* Paths in the file are relative to its directory. */
static const char *path_of(struct gate *g, const char *path)
{
    return path && path[0] != '/' ? arena_printf(&g->arena, "%s/%s", g->dir, path) : path;
}

static bool conf_load(struct gate *g, struct err *e)
{
    struct buf text;
    buf_init(&text, CONFIG_MAX);
    const char *file = arena_printf(&g->arena, "%s/gate.conf", g->dir);
    bool ok = file && file_check_trusted(g->dir, true, e) && file_read_trusted(file, CONFIG_MAX, &text, e) &&
              config_read(file, buf_slice(&text), conf_rows, ARRAY_LEN(conf_rows), &g->arena, &g->conf, e);
    buf_clear(&text);
    g->conf.issuer = path_of(g, g->conf.issuer);
    g->conf.ca = path_of(g, g->conf.ca);
    g->conf.cert = path_of(g, g->conf.cert);
    g->conf.pin_file = path_of(g, g->conf.pin_file);
    if (g->conf.key && !gate_key_is_on_token(g))
        g->conf.key = path_of(g, g->conf.key);
    return ok && arena_ok(&g->arena, e);
}

static bool issuer_load(struct gate *g, struct err *e)
{
    struct buf pem;
    buf_init(&pem, 256 << 10);
    bool ok =
        file_read_trusted(g->conf.issuer, pem.max, &pem, e) && identity_issuer_read(buf_slice(&pem), &g->issuer, e);
    buf_clear(&pem);
    return ok || err_ctx(e, "%s", g->conf.issuer);
}

bool gate_open(const char *dir, const struct gate_opts *opts, struct gate **out, struct err *e)
{
    *out = NULL;
    struct gate *g = calloc(1, sizeof *g);
    struct snap *empty = snap_new(0);
    if (!g || !empty) {
        free(g);
        free(empty);
        return err_set(e, ERR_NOMEM, "gate");
    }
    g->env = opts->env;
    g->sweeps = opts->sweeps;
    arena_init(&g->arena, CONFIG_MAX);
    pthread_mutex_init(&g->lock, NULL);
    pthread_mutex_init(&g->cache_lock, NULL);
    pthread_cond_init(&g->wake, NULL);
    buf_init(&g->stream_buf, FEED_FRAME_MAX + (1u << 20));
    empty->trouble = ERR_GATE_NO_STATE;
    snprintf(empty->trouble_what, sizeof empty->trouble_what, "no feed was ever received");
    atomic_store(&g->snap, empty);
    g->dir = strdup(dir);
    g->cache = calloc(GATE_CACHE_SETS, sizeof *g->cache);
    if (!g->dir || !g->cache) {
        gate_close(g);
        return err_set(e, ERR_NOMEM, "gate");
    }
    if (!crypto_init(e) || !conf_load(g, e) || !issuer_load(g, e)) {
        gate_close(g);
        return false;
    }
    feed_in_reset(g);
    disk_load(g);
    gate_note_time(g, env_now_s(g->env));
    if (!opts->no_thread && g->conf.url && !feed_thread_start(g, e)) {
        gate_close(g);
        return false;
    }
    *out = g;
    return true;
}

void gate_close(struct gate *g)
{
    if (!g)
        return;
    feed_thread_stop(g);
    p11_free(g->keys.p11);
    if (g->epoch)
        feed_in_reset(g);
    snap_free(atomic_load(&g->snap));
    identity_issuer_free(g->issuer);
    buf_clear(&g->stream_buf);
    arena_clear(&g->arena);
    pthread_mutex_destroy(&g->lock);
    pthread_mutex_destroy(&g->cache_lock);
    pthread_cond_destroy(&g->wake);
    free(g->changes);
    free(g->cache);
    free(g->dir);
    free(g);
}

/* ---- verified certificates ---- */

static struct cache_row *cache_set(struct gate *g, const uint8_t hash[SHA256_SIZE])
{
    return g->cache[((unsigned)hash[0] | (unsigned)hash[1] << 8) % GATE_CACHE_SETS];
}

static bool cache_get(struct gate *g, const uint8_t hash[SHA256_SIZE], struct gate_peer *out)
{
    bool hit = false;
    if (pthread_mutex_trylock(&g->cache_lock) != 0)
        return false;
    struct cache_row *set = cache_set(g, hash);
    for (size_t i = 0; i < GATE_CACHE_WAYS && !hit; i++) {
        hit = set[i].peer.cert_id && !memcmp(set[i].peer.cert_hash, hash, SHA256_SIZE);
        if (hit) {
            set[i].used = ++g->cache_clock;
            *out = set[i].peer;
        }
    }
    pthread_mutex_unlock(&g->cache_lock);
    return hit;
}

static void cache_put(struct gate *g, const struct gate_peer *peer)
{
    if (pthread_mutex_trylock(&g->cache_lock) != 0)
        return;
    struct cache_row *set = cache_set(g, peer->cert_hash), *oldest = set;
    for (size_t i = 1; i < GATE_CACHE_WAYS; i++)
        if (set[i].used < oldest->used)
            oldest = &set[i];
    *oldest = (struct cache_row){++g->cache_clock, *peer};
    pthread_mutex_unlock(&g->cache_lock);
}

/* ---- verdicts ---- */

static bool fresh(const struct gate *g, const struct snap *s, int64_t now, struct err *e)
{
    if (s->trouble) {
        err_set(e, s->trouble, "everybody is refused: %s", s->trouble_what);
        return err_why(e, "%s", err_explain(s->trouble));
    }
    if (now > s->next_at + g->conf.grace_s)
        return err_set(e, ERR_GATE_STALE, "everybody is refused: feed head %llu is %lld s old and its grace is over",
                       (unsigned long long)s->seq, (long long)(now - s->time_at));
    return true;
}

static bool judge(const struct gate *g, const struct snap *s, const struct gate_peer *p, int64_t now, struct err *e)
{
    if (!fresh(g, s, now, e))
        return false;
    if (now < p->not_before || now > p->not_after || now > identity_not_after(g->issuer))
        return err_set(e, ERR_GATE_VALIDITY, "%s: its certificate %s", p->device,
                       now < p->not_before ? "is not valid yet" : "has expired");
    struct serial serial = serial_of_cert_id(p->cert_id);
    const struct shard *shard = snap_find(s, (struct feed_key){serial.issuer, serial.node, serial.shard});
    if (!shard)
        return err_set(e, ERR_GATE_SHARD, "%s: feed head %llu knows no certificates of shard %u/%u/%u", p->device,
                       (unsigned long long)s->seq, serial.issuer, serial.node, serial.shard);
    /* An index at or above the universe was given out after this head was made; the next one decides. */
    if (serial.index < shard->set.universe) {
        if (revset_has(&shard->revoked, serial.index))
            return err_set(e, ERR_GATE_REVOKED, "%s: its certificate was revoked", p->device);
        if (revset_has(&shard->held, serial.index))
            return err_set(e, ERR_GATE_HELD, "%s: its certificate is held", p->device);
    }
    if (g->conf.unlisted && !dev_find(s->devs, p->device))
        return err_set(e, ERR_GATE_DEVICE, "%s is not in the directory of this gateway", p->device);
    return true;
}

static int64_t now_or_later(struct gate *g, int64_t now_at)
{
    int64_t seen = atomic_load(&g->seen_at);
    if (now_at > seen)
        gate_note_time(g, now_at);
    return now_at > seen ? now_at : seen;
}

bool gate_still(struct gate *g, const struct gate_peer *peer, int64_t now_at, struct err *e)
{
    unsigned side;
    int64_t now = now_or_later(g, now_at);
    const struct snap *s = gate_enter(g, &side);
    bool ok = judge(g, s, peer, now, e);
    gate_leave(g, side);
    return ok;
}

bool gate_verdict(struct gate *g, struct slice cert_der, int64_t now_at, struct gate_peer *out, struct err *e)
{
    *out = (struct gate_peer){0};
    uint8_t hash[SHA256_SIZE];
    struct gate_peer peer;
    sha256(cert_der, hash);
    if (!cache_get(g, hash, &peer)) {
        if (!identity_read(g->issuer, cert_der, &peer, e))
            return false;
        memcpy(peer.cert_hash, hash, SHA256_SIZE);
        cache_put(g, &peer);
    }
    if (!gate_still(g, &peer, now_at, e))
        return false;
    *out = peer;
    return true;
}

bool gate_may(struct gate *g, const char *device, struct slice topic, enum gate_right right, struct err *e)
{
    unsigned side;
    const struct snap *s = gate_enter(g, &side);
    const struct dev *d = dev_find(s->devs, device);
    struct topics_who who = {.device = slice_str(device)};
    if (d) {
        who.model = d->model;
        who.tags = d->tags;
    }
    bool ok = fresh(g, s, atomic_load(&g->seen_at), e) &&
              topics_may(s->policy ? s->policy->topics : NULL, &who, topic, right, e);
    gate_leave(g, side);
    return ok;
}

bool gate_lists(struct gate *g, const char *device, struct err *e)
{
    unsigned side;
    const struct snap *s = gate_enter(g, &side);
    bool ok = fresh(g, s, atomic_load(&g->seen_at), e) &&
              (dev_find(s->devs, device) ||
               err_set(e, ERR_GATE_DEVICE, "%s is not in the directory of this gateway", ERR_QUOTE(slice_str(device))));
    gate_leave(g, side);
    return ok;
}

uint64_t gate_generation(const struct gate *g)
{
    return atomic_load(&g->generation);
}

void gate_swept(struct gate *g, uint64_t generation)
{
    pthread_mutex_lock(&g->lock);
    g->swept = generation;
    feed_thread_ack(g);
    pthread_mutex_unlock(&g->lock);
}

/* ---- status ---- */

void gate_status(struct gate *g, int64_t now_at, struct gate_status *out)
{
    static const char *const names[] = {"ok", "waiting", "offline", "stale", "broken"};
    unsigned side;
    *out = (struct gate_status){.generation = gate_generation(g)};
    int64_t now = now_or_later(g, now_at);
    const struct snap *s = gate_enter(g, &side);
    out->seq = s->seq;
    out->head_at = s->time_at;
    out->next_at = s->next_at;
    out->refuse_at = s->next_at + g->conf.grace_s;
    out->seen_at = now;
    out->devices = s->devs ? s->devs->n : 0;
    out->shards = s->shard_n;
    for (size_t i = 0; i < s->shard_n; i++)
        out->set_bytes += s->shards[i]->set.revoked.n + s->shards[i]->set.held.n;
    out->health = s->trouble == ERR_GATE_NO_STATE ? GATE_WAITING
                  : s->trouble                    ? GATE_BROKEN
                  : now > out->refuse_at          ? GATE_STALE
                  : now > s->next_at              ? GATE_OFFLINE
                                                  : GATE_OK;
    out->health_name = names[out->health];
    if (s->trouble)
        snprintf(out->why, sizeof out->why, "%s", s->trouble_what);
    gate_leave(g, side);
    pthread_mutex_lock(&g->lock);
    out->acked_seq = g->acked_seq;
    out->connected = g->connected;
    out->refused = g->refused;
    if (!out->why[0])
        snprintf(out->why, sizeof out->why, "%s", g->last_error);
    pthread_mutex_unlock(&g->lock);
}
