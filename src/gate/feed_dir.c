/* Of the feed: the directory of devices and the topic policy.  Records gather until the directory is there whole, or until
 * what came together is over; then one snapshot makes them visible.  The feeding thread only. */
#include "gate/gate_impl.h"

#include <stdlib.h>

bool feed_dir_device(struct gate *g, const struct feed_device *d, struct err *e)
{
    if (d->id.n != DEVICE_ID_SIZE - 1)
        return err_set(e, ERR_FEED, "a directory record of \"%s\", which is no device id", ERR_QUOTE(d->id));
    if (g->change_n == g->change_cap) {
        size_t cap = g->change_cap ? g->change_cap * 2 : 64;
        struct dev **v = cap > GATE_DEVICES ? NULL : realloc(g->changes, cap * sizeof(struct dev *));
        if (!v)
            return err_set(e, ERR_LIMIT, "more than %u directory records", GATE_DEVICES);
        g->changes = v;
        g->change_cap = cap;
    }
    struct dev *dev = dev_new(d, d->removed ? 0 : g->epoch);
    if (!dev)
        return err_set(e, ERR_NOMEM, "directory record");
    g->changes[g->change_n++] = dev;
    return true;
}

/* By id; of two records of one device the later one comes last (mergesort is stable; qsort need not be). */
static int by_id(const void *a, const void *b)
{
    return strcmp((*(struct dev *const *)a)->id, (*(struct dev *const *)b)->id);
}

static void changes_sort(struct dev **v, size_t n, struct dev **tmp)
{
    if (n < 2)
        return;
    size_t half = n / 2, i = 0, j = half, k = 0;
    changes_sort(v, half, tmp);
    changes_sort(v + half, n - half, tmp);
    while (i < half || j < n)
        tmp[k++] = j == n || (i < half && by_id(&v[i], &v[j]) <= 0) ? v[i++] : v[j++];
    memcpy(v, tmp, n * sizeof *v);
}

/* Takes d (a reference) into the list, or drops it if the device is gone. */
static void list_add(struct gate *g, struct dev_list *l, struct dev *d)
{
    if (!d->epoch || (g->changes_drop && d->epoch != g->epoch))
        dev_drop(d);
    else
        l->v[l->n++] = d;
}

static bool devices_publish(struct gate *g, struct err *e)
{
    struct dev_list *was = snap_current(g)->devs;
    size_t was_n = was ? was->n : 0, n = g->change_n;
    struct dev_list *l = calloc(1, sizeof *l + (was_n + n) * sizeof(struct dev *));
    struct dev **tmp = malloc((n + 1) * sizeof(struct dev *));
    struct snap *s = l && tmp ? snap_again(g, e) : NULL;
    if (!s) {
        free(l);
        free(tmp);
        return err_set(e, ERR_NOMEM, "directory of %zu devices", was_n + n);
    }
    changes_sort(g->changes, n, tmp);
    free(tmp);
    l->refs = 1;
    for (size_t i = 0, j = 0; i < was_n || j < n;) {
        while (j + 1 < n && !strcmp(g->changes[j]->id, g->changes[j + 1]->id))
            dev_drop(g->changes[j++]);
        int c = i == was_n ? 1 : j == n ? -1 : strcmp(was->v[i]->id, g->changes[j]->id);
        if (c < 0) {
            was->v[i]->refs++;
            list_add(g, l, was->v[i++]);
        } else {
            list_add(g, l, g->changes[j++]);
            i += c == 0;
        }
    }
    g->devices_urgent |= g->changes_drop;
    g->has_cursor &= !g->changes_drop;
    g->change_n = 0;
    g->changes_drop = false;
    dev_list_drop(s->devs);
    s->devs = l;
    g->devices_dirty = true;
    gate_publish(g, s);
    return true;
}

/* A directory that came whole; else the changes wait for feed_dir_settle(). */
bool feed_dir_done(struct gate *g, struct err *e)
{
    g->changes_drop = g->directory_whole;
    g->directory_whole = false;
    return g->changes_drop ? devices_publish(g, e) : true;
}

bool feed_dir_policy(struct gate *g, struct slice text, struct err *e)
{
    struct topics *t;
    if (!topics_read(text, &t, e))
        return false;
    struct policy *p = calloc(1, sizeof *p + text.n);
    struct snap *s = p ? snap_again(g, e) : NULL;
    if (!s) {
        topics_free(t);
        free(p);
        return err_set(e, ERR_NOMEM, "topic policy");
    }
    p->refs = 1;
    p->topics = t;
    if (text.n)
        memcpy(p->bytes, text.p, text.n);
    p->text = slice_of(p->bytes, text.n);
    policy_drop(s->policy);
    s->policy = p;
    g->devices_dirty = g->devices_urgent = true;
    gate_publish(g, s);
    return true;
}

bool feed_dir_resumed(struct gate *g, struct err *e)
{
    if (!g->has_cursor || !g->directory_whole || g->change_n)
        return err_set(e, ERR_FEED, "the directory is to go on where nothing is known to begin");
    g->directory_whole = false;
    return true;
}

bool feed_dir_settle(struct gate *g, struct err *e)
{
    return g->change_n && !g->directory_whole ? devices_publish(g, e) : true;
}

/* Names what is in force, so what came before has to be. */
bool feed_dir_cursor(struct gate *g, struct slice cursor, struct err *e)
{
    if (g->directory_whole)
        return err_set(e, ERR_FEED, "a cursor within a directory");
    if (!feed_dir_settle(g, e))
        return false;
    memcpy(g->cursor, cursor.p, FEED_CURSOR_SIZE);
    g->has_cursor = g->devices_dirty = true;
    return true;
}

void feed_dir_reset(struct gate *g)
{
    for (size_t i = 0; i < g->change_n; i++)
        dev_drop(g->changes[i]);
    g->change_n = 0;
    g->changes_drop = false;
    g->directory_whole = true;
    g->epoch++;
}
