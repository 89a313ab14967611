/* What a gateway (broker, application front end) links to judge device certificates from local state.
 *
 * gate_open() reads DIR/gate.conf and the state on disk and, unless told otherwise, starts one helper thread that holds the
 * feed connection to the platform (mutual TLS), verifies what comes, writes it to disk and publishes immutable snapshots.
 * Verdicts read the newest snapshot: they take microseconds, never wait for the helper, and may be asked from any thread.
 * Whatever is missing, stale, damaged, forged or rolled back means no, and the verdict says so. */
#ifndef KITH_GATE_GATE_H
#define KITH_GATE_GATE_H

#include "base/env.h"
#include "core/err.h"
#include "model/device.h"
#include "model/topics.h"

struct gate;

#define GATE_CLIENT_MAX 128

/* Who a certificate speaks for.  Plain bytes: copy it, keep it, ask again with gate_still(). */
struct gate_peer {
    char device[DEVICE_ID_SIZE];
    uint8_t cert_hash[32]; /* SHA-256 of the DER */
    int64_t cert_id;       /* model/serial.h */
    int64_t not_before, not_after;
};

enum gate_health {
    GATE_OK,
    GATE_WAITING, /* never had a feed */
    GATE_OFFLINE, /* the last head has ended, still within the grace period */
    GATE_STALE,   /* refuses everything until a new head comes */
    GATE_BROKEN,  /* state damaged, forged, rolled back or forked: refuses everything */
};

struct gate_status {
    enum gate_health health;
    const char *health_name;
    char why[320];
    uint64_t seq, acked_seq, generation;
    int64_t head_at, next_at, refuse_at; /* refuse_at: next + grace */
    int64_t seen_at;                     /* highest time seen */
    uint64_t devices, shards, set_bytes;
    bool connected;
    uint64_t refused; /* feeds in a row that did not verify; why has the last */
};

struct gate_opts {
    const struct env *env; /* borrowed; must outlive the gate */
    bool no_thread;        /* tests: feed it with gate_feed() */
    bool sweeps;           /* the caller ends sessions: a head is acknowledged only after gate_swept() */
};

/* Errors: config, not-found, io, file-mode (others may write the directory, gate.conf or the issuers), what certificates say.  A bad state file is no error here: the gate opens and refuses. */
MUST_USE bool gate_open(const char *dir, const struct gate_opts *opts, struct gate **out, struct err *e);
void gate_close(struct gate *g);
AUTO_FREE_FN(struct gate *, gate_close);

/* May this certificate's holder be here now?  now_at: Unix seconds; the highest time seen counts if it is later.
 * Errors: gate-refused and its kin (err_codes.h 1100-1199); `what` is one line for the log. */
MUST_USE bool gate_verdict(struct gate *g, struct slice cert_der, int64_t now_at, struct gate_peer *out, struct err *e);
/* The same for a peer admitted before: no certificate needed, well under a microsecond. */
MUST_USE bool gate_still(struct gate *g, const struct gate_peer *peer, int64_t now_at, struct err *e);
/* May the device use this topic?  Errors: gate-topic. */
MUST_USE bool gate_may(struct gate *g, const char *device, struct slice topic, enum gate_right right, struct err *e);

/* Does the directory name the device now?  For what stands in a device's name without a session.  Errors: gate-device. */
MUST_USE bool gate_lists(struct gate *g, const char *device, struct err *e);

/* Goes up whenever an answer may have changed; compare it on each tick and ask gate_still() again for each session. */
uint64_t gate_generation(const struct gate *g);
/* Every session that this generation ends is gone (gate_opts.sweeps): the heads up to it may be acknowledged. */
void gate_swept(struct gate *g, uint64_t generation);

void gate_status(struct gate *g, int64_t now_at, struct gate_status *out);

#endif
