/* What the feed hub knows: the newest head, the sets under it, and the steps that led to it lately.  The hub's lock guards
 * it; nothing here locks. */
#ifndef KITH_SERVER_FEED_STATE_H
#define KITH_SERVER_FEED_STATE_H

#include "model/feed.h"
#include "server/app.h"

#define FEED_STEPS_KEPT 1024

struct feed_step {
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
    struct slice head, delta; /* both in mem */
    void *mem;
};

struct feed_state {
    uint64_t seq; /* 0: nothing yet */
    int64_t head_at;
    uint8_t hash[SHA256_SIZE];
    void *head_mem;
    struct slice head;
    struct feed_set *sets; /* sorted by key */
    size_t sets_n;
    struct feed_step steps[FEED_STEPS_KEPT]; /* by seq modulo the size */
};

void feed_state_clear(struct feed_state *s);
/* From the answer to REQUEST_SETS: the head (read and verified already) and the reader before the rows. */
MUST_USE bool feed_state_load(struct feed_state *s, struct app *app, struct slice head, struct reader *rows,
                              struct err *e);
/* One head and its delta; refused if it does not follow. */
MUST_USE bool feed_state_step(struct feed_state *s, struct app *app, struct slice head, struct slice delta,
                              struct err *e);
bool feed_state_has(const struct feed_state *s, struct feed_key key);
/* The steps since a head that the gateway has (seq in decimal, hash in hex), else a snapshot. */
void feed_state_send(const struct feed_state *s, const char *since, const char *prev,
                     void (*send)(void *ctx, const struct feed_frame *f), void *ctx);
/* Marks what the database has revoked or held and the sets lack, or the other way round for holds. */
struct feed_hub;
struct feed_mark;
MUST_USE bool feed_state_missing(const struct feed_state *s, struct db *db, int64_t now, struct feed_hub *h,
                                 struct err *e);
/* Makes holds and releases of what the database says now.  Threads mark after their commits and may overtake each other, or
 * feed_state_missing(); whoever committed last marks after that, so the last word is told in the end. */
MUST_USE bool feed_state_holds(struct db *db, struct feed_mark *m, size_t n, struct err *e);

#endif
