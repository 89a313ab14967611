/* Snapshots: made by one thread, read by all.
 *
 * Readers count themselves in on one of two sides before they load the pointer.  The feeding thread swaps the pointer,
 * then twice turns the side and waits for the other to empty (sleepable RCU): a reader who took the old side's number late
 * is caught by the second turn.  Readers do two atomic additions and never wait. */
#include "gate/gate_impl.h"

#include <stdlib.h>
#include <unistd.h>

#define DRAIN_US 50

struct snap *gate_enter(struct gate *g, unsigned *side)
{
    *side = atomic_load(&g->side) & 1;
    atomic_fetch_add(&g->readers[*side], 1);
    return atomic_load(&g->snap);
}

void gate_leave(struct gate *g, unsigned side)
{
    atomic_fetch_sub(&g->readers[side], 1);
}

void gate_publish(struct gate *g, struct snap *next)
{
    struct snap *old = atomic_exchange(&g->snap, next);
    atomic_fetch_add(&g->generation, 1);
    for (int turn = 0; turn < 2; turn++) {
        unsigned was = atomic_fetch_add(&g->side, 1) & 1;
        while (atomic_load(&g->readers[was]) > 0)
            usleep(DRAIN_US);
    }
    snap_free(old);
}

void gate_note_time(struct gate *g, int64_t at)
{
    int64_t seen = atomic_load(&g->seen_at);
    while (at > seen && !atomic_compare_exchange_weak(&g->seen_at, &seen, at))
        ;
}

/* ---- parts ---- */

static void shard_drop(struct shard *s)
{
    if (!s || --s->refs)
        return;
    feed_set_clear(&s->set);
    free(s);
}

struct snap *snap_current(struct gate *g)
{
    return atomic_load(&g->snap);
}

struct snap *snap_after(struct gate *g, size_t shard_n, struct err *e)
{
    struct snap *s = snap_new(shard_n), *cur = snap_current(g);
    if (!s) {
        err_set(e, ERR_NOMEM, "snapshot of %zu shards", shard_n);
        return NULL;
    }
    if (cur && (s->devs = cur->devs))
        s->devs->refs++;
    if (cur && (s->policy = cur->policy))
        s->policy->refs++;
    return s;
}

struct snap *snap_again(struct gate *g, struct err *e)
{
    struct snap *cur = snap_current(g), *s = snap_after(g, cur->shard_n, e);
    if (!s)
        return NULL;
    s->seq = cur->seq;
    memcpy(s->hash, cur->hash, sizeof s->hash);
    s->time_at = cur->time_at;
    s->next_at = cur->next_at;
    s->trouble = cur->trouble;
    memcpy(s->trouble_what, cur->trouble_what, sizeof s->trouble_what);
    if (cur->head_n && !(s->head = malloc(cur->head_n))) {
        snap_free(s);
        err_set(e, ERR_NOMEM, "head of %zu bytes", cur->head_n);
        return NULL;
    }
    if (cur->head_n)
        memcpy(s->head, cur->head, s->head_n = cur->head_n);
    for (size_t i = 0; i < cur->shard_n; i++) {
        s->shards[i] = cur->shards[i];
        s->shards[i]->refs++;
    }
    return s;
}

struct shard *shard_new(struct feed_set *set, const struct feed_row *row, struct err *e)
{
    struct shard *s = calloc(1, sizeof *s);
    if (!s) {
        feed_set_clear(set);
        err_set(e, ERR_NOMEM, "shard");
        return NULL;
    }
    s->refs = 1;
    s->set = *set;
    s->row = *row;
    *set = (struct feed_set){0};
    if (!revset_open(s->set.revoked, &s->revoked, e) || !revset_open(s->set.held, &s->held, e)) {
        shard_drop(s);
        return NULL;
    }
    return s;
}

struct dev *dev_new(const struct feed_device *d, uint64_t epoch)
{
    struct writer size = writer_counting();
    const struct feed_frame f = {.kind = FEED_DEVICE, .device = *d};
    feed_frame_put(&size, &f);
    struct dev *dev = size.bad ? NULL : calloc(1, sizeof *dev + size.n);
    if (!dev)
        return NULL;
    struct writer w = writer_of(dev->bytes, size.n);
    feed_frame_put(&w, &f);
    struct feed_frame own;
    if (!feed_frame_read(slice_of(dev->bytes + 4, size.n - 4), &own, NULL) || own.device.id.n >= DEVICE_ID_SIZE) {
        free(dev);
        return NULL;
    }
    dev->refs = 1;
    dev->epoch = epoch;
    memcpy(dev->id, own.device.id.p, own.device.id.n);
    dev->model = own.device.model;
    dev->tags = own.device.tags;
    return dev;
}

void dev_drop(struct dev *d)
{
    if (d && --d->refs == 0)
        free(d);
}

void dev_list_drop(struct dev_list *l)
{
    if (!l || --l->refs)
        return;
    for (size_t i = 0; i < l->n; i++)
        dev_drop(l->v[i]);
    free(l);
}

void policy_drop(struct policy *p)
{
    if (!p || --p->refs)
        return;
    topics_free(p->topics);
    free(p);
}

struct snap *snap_new(size_t shard_n)
{
    struct snap *s = calloc(1, sizeof *s + shard_n * sizeof(struct shard *));
    if (s)
        s->shard_n = shard_n;
    return s;
}

void snap_free(struct snap *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->shard_n; i++)
        shard_drop(s->shards[i]);
    dev_list_drop(s->devs);
    policy_drop(s->policy);
    free(s->head);
    free(s);
}

struct shard *snap_find(const struct snap *s, struct feed_key key)
{
    for (size_t lo = 0, hi = s->shard_n; lo < hi;) {
        size_t mid = lo + (hi - lo) / 2;
        int c = s->shards[mid] ? feed_key_cmp(s->shards[mid]->set.key, key) : 1;
        if (!c)
            return s->shards[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

struct dev *dev_find(const struct dev_list *l, const char *id)
{
    for (size_t lo = 0, hi = l ? l->n : 0; lo < hi;) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(l->v[mid]->id, id);
        if (!c)
            return l->v[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}
