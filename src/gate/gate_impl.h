/* Inside of the gate: who may touch what.
 *
 * Readers (any thread) see struct snap only, between gate_enter() and gate_leave().  Everything else belongs to the one
 * feeding thread (the helper, or the caller of gate_feed() in tests); the reference counts of what snapshots share are
 * its own, so they need no atomics. */
#ifndef KITH_GATE_GATE_IMPL_H
#define KITH_GATE_GATE_IMPL_H

#include <openssl/types.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "base/buf.h"
#include "core/revset.h"
#include "gate/gate.h"
#include "gate/identity.h"
#include "keys/key.h"
#include "model/feed.h"
#include "model/serial.h"
#include "model/topics.h"

#define GATE_STATE_MAX  (256u << 20)
#define GATE_SKEW_S     300
#define GATE_DEVICES    (4u << 20)
#define GATE_CACHE_SETS 2048
#define GATE_CACHE_WAYS 4
#define GATE_ACKS       16

struct gate_conf {
    const char *url, *issuer, *ca, *cert, *key, *module, *pin_file, *origin;
    int64_t grace_s, retry_min_ms, retry_max_ms, stall_ms;
    int unlisted; /* 0 admit, 1 refuse */
};

struct shard {
    unsigned refs;
    struct feed_set set;
    struct feed_row row;
    struct revset revoked, held; /* into set */
};

struct dev {
    unsigned refs;
    uint64_t epoch; /* of the directory in which it came last */
    char id[DEVICE_ID_SIZE];
    struct slice model, tags;
    uint8_t bytes[]; /* the whole frame body, for the disk; model and tags point into it */
};

struct dev_list {
    unsigned refs;
    size_t n;
    struct dev *v[]; /* by id */
};

struct policy {
    unsigned refs;
    struct topics *topics;
    struct slice text;
    uint8_t bytes[];
};

/* What is known of the platform at one moment.  Immutable once published. */
struct snap {
    uint64_t seq;
    uint8_t hash[SHA256_SIZE];
    int64_t time_at, next_at;
    enum err_code trouble; /* why this must not be used; ERR_NONE: it may */
    char trouble_what[ERR_WHAT_MAX];
    struct dev_list *devs;
    struct policy *policy;
    size_t head_n;
    uint8_t *head; /* the COSE message, for the disk */
    size_t shard_n;
    struct shard *shards[]; /* by key */
};

struct cache_row {
    uint64_t used;
    struct gate_peer peer; /* cert_id 0: empty */
};

/* A head that is in force and on disk; acknowledged when the sessions that it ends are gone. */
struct ack {
    uint64_t seq, generation;
};

struct gate {
    const struct env *env;
    struct arena arena;
    struct gate_conf conf;
    char *dir;
    struct identity_issuer *issuer;

    /* Readers: snap.c */
    _Atomic(struct snap *) snap;
    atomic_uint side;
    atomic_long readers[2];
    _Atomic int64_t seen_at;
    atomic_uint_fast64_t generation;
    pthread_mutex_t cache_lock; /* readers only try it */
    struct cache_row (*cache)[GATE_CACHE_WAYS];
    uint64_t cache_clock;

    /* The feeding thread: feed_in.c, feed_dir.c, disk.c */
    uint64_t top_seq; /* highest ever, with its hash: kept apart on disk */
    uint8_t top_hash[SHA256_SIZE];
    uint64_t epoch;
    bool directory_whole; /* until the first DEVICES_DONE of a connection */
    struct snap *pending; /* a snapshot whose rows are still coming */
    struct slice pending_rows;
    size_t pending_left;
    struct dev **changes; /* directory records since the last publication */
    size_t change_n, change_cap;
    bool changes_drop; /* the directory is whole: who did not come is gone */
    bool devices_dirty, feed_dirty;
    bool devices_urgent;    /* to be written at once: policy, a whole directory */
    int64_t devices_due_ms; /* else not before (monotonic): the file is written whole */
    bool has_cursor;        /* of the directory in force */
    uint8_t cursor[FEED_CURSOR_SIZE];

    /* What others may look at */
    pthread_mutex_t lock;
    uint64_t acked_seq, ack_want;
    struct ack acks[GATE_ACKS]; /* ascending; if there are more, the last stands for all that follow */
    size_t ack_n;
    bool sweeps;
    uint64_t swept; /* generation */
    bool connected;
    uint64_t refused; /* feeds in a row that did not verify */
    char last_error[ERR_WHAT_MAX];

    /* The helper */
    pthread_t thread, ack_thread;
    bool has_thread, has_ack_thread;
    atomic_bool stop;
    pthread_cond_t wake;
    struct key_env keys;                /* the token of its key, if that is on one */
    struct http_client *stream, *acker; /* under lock; the threads own them */
    bool want_whole;                    /* the deltas did not fit: ask for a snapshot */
    bool got_head;
    int64_t stream_ms; /* monotonic: when the connection began */
    struct buf stream_buf;
};

/* snap.c */
struct snap *gate_enter(struct gate *g, unsigned *side);
void gate_leave(struct gate *g, unsigned side);
/* Makes `next` the one that readers see, waits for those who still use the one before, frees it. */
void gate_publish(struct gate *g, struct snap *next);
struct snap *snap_new(size_t shard_n);
struct snap *snap_current(struct gate *g); /* for the feeding thread, which alone replaces it */
/* A new one that shares directory and policy with the one before. */
struct snap *snap_after(struct gate *g, size_t shard_n, struct err *e);
/* The same state again, to change something of it. */
struct snap *snap_again(struct gate *g, struct err *e);
void snap_free(struct snap *s);
struct shard *shard_new(struct feed_set *set, const struct feed_row *row, struct err *e); /* takes the set */
struct shard *snap_find(const struct snap *s, struct feed_key key);
struct dev *dev_find(const struct dev_list *l, const char *id);
struct dev *dev_new(const struct feed_device *d, uint64_t epoch);
void dev_drop(struct dev *d);
void dev_list_drop(struct dev_list *l);
void policy_drop(struct policy *p);
void gate_note_time(struct gate *g, int64_t at);

/* feed_in.c */
MUST_USE bool feed_in_frame(struct gate *g, struct slice body, struct err *e);
void feed_in_reset(struct gate *g); /* a new connection begins */
/* For tests: frames as they stand in the stream. */
MUST_USE bool gate_feed(struct gate *g, struct slice stream, struct err *e);
void gate_trouble(struct gate *g, const struct err *e); /* publishes: refuse everybody, and why */

/* feed_dir.c: what frames of directory and policy do */
MUST_USE bool feed_dir_device(struct gate *g, const struct feed_device *d, struct err *e);
MUST_USE bool feed_dir_done(struct gate *g, struct err *e);
MUST_USE bool feed_dir_policy(struct gate *g, struct slice text, struct err *e);
MUST_USE bool feed_dir_resumed(struct gate *g, struct err *e);
MUST_USE bool feed_dir_cursor(struct gate *g, struct slice cursor, struct err *e);
/* After a run of frames: what gathered becomes visible. */
MUST_USE bool feed_dir_settle(struct gate *g, struct err *e);
void feed_dir_reset(struct gate *g);

/* disk.c */
void disk_load(struct gate *g);
MUST_USE bool disk_save(struct gate *g, struct err *e);
void gate_path(const struct gate *g, const char *name, char out[512]); /* of a file in the state directory */
void disk_flush(struct gate *g);                                       /* what disk_save() put off, too */

/* credential.c: this gateway's own credential and the root it trusts; read again for each connection, for both are renewed */
#define GATE_CHAIN_MAX 8
struct credential {
    EVP_PKEY *key;
    struct slice chain[GATE_CHAIN_MAX], root; /* DER, malloc'ed */
    size_t chain_n;
};
MUST_USE bool credential_load(const struct gate *g, struct credential *c, struct err *e);
void credential_clear(struct credential *c);
bool gate_key_is_on_token(const struct gate *g);
MUST_USE bool gate_token_open(struct gate *g, struct err *e); /* if the key is on one */

/* feed_thread.c */
MUST_USE bool feed_thread_start(struct gate *g, struct err *e);
void feed_thread_ack(struct gate *g); /* under the lock: after acks or swept changed */
void feed_thread_stop(struct gate *g);

#endif
