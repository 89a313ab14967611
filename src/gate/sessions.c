#include "gate/sessions.h"

#include <stdlib.h>

#define NONE UINT32_MAX

/* Rows live in one array that grows to the maximum; two chained indexes over it, by pointer and by client id. */
struct node {
    struct session s;
    uint32_t by_key, by_client; /* the next of the chain */
};

struct sessions {
    struct node *v;
    size_t n, cap, max;
    uint32_t *keys, *clients; /* heads of chains */
    size_t buckets;
    uint32_t free; /* chain through by_key */
    size_t live_or_away;
};

static size_t hash_bytes(const void *p, size_t n)
{
    const uint8_t *b = p;
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 29);
}

static size_t bucket_key(const struct sessions *t, const void *key)
{
    return hash_bytes(&key, sizeof key) & (t->buckets - 1);
}

static size_t bucket_client(const struct sessions *t, const char *client)
{
    return hash_bytes(client, strlen(client)) & (t->buckets - 1);
}

struct sessions *sessions_new(size_t max)
{
    struct sessions *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->max = max;
    t->free = NONE;
    for (t->buckets = 64; t->buckets < max; t->buckets *= 2)
        ;
    t->keys = malloc(t->buckets * sizeof *t->keys);
    t->clients = malloc(t->buckets * sizeof *t->clients);
    if (!t->keys || !t->clients) {
        sessions_free(t);
        return NULL;
    }
    memset(t->keys, 0xff, t->buckets * sizeof *t->keys);
    memset(t->clients, 0xff, t->buckets * sizeof *t->clients);
    return t;
}

void sessions_free(struct sessions *t)
{
    if (!t)
        return;
    free(t->keys);
    free(t->clients);
    free(t->v);
    free(t);
}

static uint32_t find(const struct sessions *t, const void *key)
{
    uint32_t i = t->keys[bucket_key(t, key)];
    while (i != NONE && t->v[i].s.key != key)
        i = t->v[i].by_key;
    return i;
}

struct session *sessions_find(struct sessions *t, const void *key)
{
    uint32_t i = find(t, key);
    return i == NONE ? NULL : &t->v[i].s;
}

/* The client chain is by the name the session had when it was linked: link after the name is set. */
static void unlink_client(struct sessions *t, uint32_t i)
{
    uint32_t *at = &t->clients[bucket_client(t, t->v[i].s.client)];
    while (*at != NONE && *at != i)
        at = &t->v[*at].by_client;
    if (*at == i)
        *at = t->v[i].by_client;
}

static void remove_at(struct sessions *t, uint32_t i)
{
    uint32_t *at = &t->keys[bucket_key(t, t->v[i].s.key)];
    while (*at != NONE && *at != i)
        at = &t->v[*at].by_key;
    if (*at == i)
        *at = t->v[i].by_key;
    unlink_client(t, i);
    t->v[i].s = (struct session){0};
    t->v[i].by_key = t->free;
    t->free = i;
    t->live_or_away--;
}

void sessions_remove(struct sessions *t, const void *key)
{
    uint32_t i = find(t, key);
    if (i != NONE)
        remove_at(t, i);
}

static bool make_room(struct sessions *t)
{
    if (t->free != NONE)
        return true;
    if (t->n == t->cap && t->cap < t->max) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        if (cap > t->max)
            cap = t->max;
        struct node *v = realloc(t->v, cap * sizeof *v);
        if (v) {
            t->v = v;
            t->cap = cap;
        }
    }
    if (t->n < t->cap) {
        t->v[t->n] = (struct node){.by_key = NONE};
        t->free = (uint32_t)t->n++;
        return true;
    }
    for (uint32_t i = 0; i < t->n; i++)
        if (t->v[i].s.state == SESSION_AWAY) {
            remove_at(t, i);
            return true;
        }
    return false;
}

struct session *sessions_add(struct sessions *t, const void *key, const char *client)
{
    sessions_remove(t, key);
    if (strlen(client) >= GATE_CLIENT_MAX || !make_room(t))
        return NULL;
    uint32_t i = t->free;
    struct node *n = &t->v[i];
    t->free = n->by_key;
    n->s = (struct session){.key = key, .state = SESSION_LIVE};
    memcpy(n->s.client, client, strlen(client) + 1);
    size_t k = bucket_key(t, key), c = bucket_client(t, client);
    n->by_key = t->keys[k];
    t->keys[k] = i;
    n->by_client = t->clients[c];
    t->clients[c] = i;
    t->live_or_away++;
    return &n->s;
}

void sessions_drop_away(struct sessions *t, const char *client, const void *but)
{
    uint32_t i = t->clients[bucket_client(t, client)];
    while (i != NONE) {
        uint32_t next = t->v[i].by_client;
        if (t->v[i].s.state == SESSION_AWAY && t->v[i].s.key != but && !strcmp(t->v[i].s.client, client))
            remove_at(t, i);
        i = next;
    }
}

struct session *sessions_by_client(struct sessions *t, const char *client)
{
    uint32_t i = t->clients[bucket_client(t, client)];
    struct session *got = NULL;
    /* New ones stand first in a chain: of two live under one id (a takeover under way) that is the newer. */
    for (; i != NONE && !got; i = t->v[i].by_client)
        if (t->v[i].s.state == SESSION_LIVE && !strcmp(t->v[i].s.client, client))
            got = &t->v[i].s;
    return got;
}

struct session *sessions_step(struct sessions *t, size_t *at)
{
    while (*at < t->n) {
        struct session *s = &t->v[(*at)++].s;
        if (s->state != SESSION_FREE)
            return s;
    }
    return NULL;
}

size_t sessions_count(const struct sessions *t)
{
    return t->live_or_away;
}
