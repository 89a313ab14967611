/* How many connections each address has, over all workers. */
#include <stdlib.h>

#include "base/http_conn.h"

#define SLOTS 4096

struct entry {
    struct entry *next;
    uint8_t key[8];
    unsigned n;
};

struct address_table {
    pthread_mutex_t lock;
    struct entry *slot[SLOTS];
};

struct address_table *address_table_new(void)
{
    struct address_table *t = calloc(1, sizeof(*t));
    if (t)
        pthread_mutex_init(&t->lock, NULL);
    return t;
}

void address_table_free(struct address_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < SLOTS; i++) {
        while (t->slot[i]) {
            struct entry *gone = t->slot[i];
            t->slot[i] = gone->next;
            free(gone);
        }
    }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* Whoever makes addresses collide pays with a list as long as the connections he holds; the total bounds it. */
static struct entry **place(struct address_table *t, const uint8_t key[8])
{
    uint64_t h;
    memcpy(&h, key, 8);
    h *= 0x9e3779b97f4a7c15u;
    struct entry **p = &t->slot[h >> 52];
    while (*p && memcmp((*p)->key, key, 8) != 0)
        p = &(*p)->next;
    return p;
}

bool address_table_take(struct address_table *t, const uint8_t key[8], unsigned max)
{
    pthread_mutex_lock(&t->lock);
    struct entry **p = place(t, key);
    if (!*p) {
        *p = calloc(1, sizeof(**p));
        if (*p)
            memcpy((*p)->key, key, 8);
    }
    bool ok = *p && (*p)->n < max;
    if (ok)
        (*p)->n++;
    else if (*p && (*p)->n == 0) {
        struct entry *unused = *p;
        *p = unused->next;
        free(unused);
    }
    pthread_mutex_unlock(&t->lock);
    return ok;
}

void address_table_give(struct address_table *t, const uint8_t key[8])
{
    pthread_mutex_lock(&t->lock);
    struct entry **p = place(t, key);
    if (*p && --(*p)->n == 0) {
        struct entry *gone = *p;
        *p = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&t->lock);
}
