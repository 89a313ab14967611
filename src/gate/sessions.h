/* The broker's live sessions, keyed by the broker's own pointer (on a takeover the new connection is judged before the old
 * one is reported gone, so the client id is no key).  Bounded; the broker's one thread uses it. */
#ifndef KITH_GATE_SESSIONS_H
#define KITH_GATE_SESSIONS_H

#include "gate/gate.h"

#define SESSIONS_MAX (1u << 18)

enum session_state {
    SESSION_FREE,
    SESSION_LIVE,
    SESSION_AWAY, /* disconnected; the broker may still queue for it, or send its will */
};

struct session {
    const void *key;
    enum session_state state;
    bool passing; /* away, and its session ends with it */
    bool kicked;  /* told to go; nothing is allowed any more */
    char client[GATE_CLIENT_MAX];
    struct gate_peer peer;
};

struct sessions;

struct sessions *sessions_new(size_t max);
void sessions_free(struct sessions *t);
/* The session of this pointer, or NULL. */
struct session *sessions_find(struct sessions *t, const void *key);
/* A new one, or the one there is, emptied; makes room at the cost of one that is away; NULL if
 * all are live or the client id is too long. */
struct session *sessions_add(struct sessions *t, const void *key, const char *client);
/* The live session that the broker means by this client id (the newest). */
struct session *sessions_by_client(struct sessions *t, const char *client);
void sessions_remove(struct sessions *t, const void *key);
/* Those away under a client id: its session goes on in the new connection. */
void sessions_drop_away(struct sessions *t, const char *client, const void *but);
/* Walks all in steps: from *at (start with 0) the next one, NULL at the end.  Removing the one just got is fine. */
struct session *sessions_step(struct sessions *t, size_t *at);
size_t sessions_count(const struct sessions *t);

#endif
