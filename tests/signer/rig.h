/* A platform in a temporary directory and its real signers, started and killed as a test wants, with a client on each.  What
 * the issuing signer signed is kept as digests, to be entered into a ledger of our own. */
#ifndef KITH_TESTS_SIGNER_RIG_H
#define KITH_TESTS_SIGNER_RIG_H

#include <sys/types.h>

#include "../unit/test.h"

#include "base/buf.h"
#include "base/env.h"
#include "ca/client.h"
#include "core/merkle.h"
#include "keys/key.h"
#include "x509/cert.h"

enum rig_domain { RIG_ISSUING, RIG_LEDGER, RIG_DOMAINS };

#define RIG_OPEN_MAX 4096
#define RIG_ORIGIN   "rig.example/log/01"

struct rig {
    const char *kith, *signer; /* executables */
    char dir[64];
    char conf[128];
    struct env env;
    int listener[RIG_DOMAINS];
    pid_t pid[RIG_DOMAINS];
    struct client *client[RIG_DOMAINS];
    const char *preload; /* LD_PRELOAD of the next start; it finds its files in dir */
    long fsize;          /* RLIMIT_FSIZE (soft) of the next start, 0: none */
    struct buf ca_der;
    struct cert ca;
    /* our ledger */
    struct merkle_frontier tree;
    struct buf leaves; /* CBOR byte strings */
    uint64_t streamed[RIG_DOMAINS];
    uint8_t open[RIG_OPEN_MAX][SHA256_SIZE];
    size_t open_n;
};

/* The programs that are tested, as each test gets them: kith, kith-signer, ...; false if they are not there. */
bool rig_programs(int argc, char **argv);
/* kith init; rate: of the roster, 0 as init has it.  Nothing is started. */
void rig_make(struct rig *r, int rate);
/* As if kith init had written this roster; before the issuing signer was started. */
void rig_set_roster(struct rig *r, struct slice text);
void rig_remove(struct rig *r);
void rig_run(const char *const *argv);                       /* a program that has to end with 0 */
const char *rig_path(const struct rig *r, const char *name); /* one of four static buffers */

void rig_start(struct rig *r, enum rig_domain d); /* and waits until it answers */
void rig_kill(struct rig *r, enum rig_domain d, int sig);
/* Starts it, expects that it ends by itself within 10 s; its exit code.  log gets its standard error. */
int rig_start_refused(struct rig *r, enum rig_domain d, char *log, size_t cap);
void rig_set_fsize(struct rig *r, enum rig_domain d, long n); /* of one that runs, started with fsize */
void rig_spawn(struct rig *r, enum rig_domain d);

bool rig_call(struct rig *r, enum rig_domain d, enum request_type t, struct slice fields, size_t n, struct buf *out,
              struct err *e);
/* A connection without client. */
int rig_socket(struct rig *r, enum rig_domain d);
/* Its numbers; texts and digests are gone. */
struct signer_status rig_status(struct rig *r, enum rig_domain d);

/* ---- requests ---- */
struct key *rig_key(struct rig *r, enum key_type t); /* kept until the end */
bool rig_claim(struct rig *r, const char *device, int64_t expires_at, uint8_t nonce[16], char text[33], struct err *e);
bool rig_issue(struct rig *r, const struct issue_request *q, struct buf *der, struct err *e);
/* An ldevid of device `id` on an operator's word; der may be NULL. */
bool rig_try_device_cert(struct rig *r, const char *id, struct key *k, struct buf *der, struct err *e);
void rig_device_cert(struct rig *r, const char *id, struct buf *der); /* of a new key */
struct rig_serial {
    uint8_t b[15];
};
struct rig_serial rig_serial_of(struct slice der);

struct rig_head {
    uint64_t seq, rows;
    uint8_t prev[SHA256_SIZE], hash[SHA256_SIZE];
    uint64_t universe; /* in all */
    uint64_t revoked, held;
};
bool rig_revoke(struct rig *r, const struct rig_serial *s, size_t n, int reason, struct rig_head *h, struct err *e);
bool rig_hold(struct rig *r, const struct rig_serial *hold, size_t hold_n, const struct rig_serial *release,
              size_t release_n, struct rig_head *h, struct err *e);
bool rig_head(struct rig *r, struct rig_head *h, struct err *e);

/* ---- our ledger ---- */
void rig_enter(struct rig *r, const uint8_t *ref); /* NULL: an entry that names nothing */
void rig_enter_all(struct rig *r);                 /* whatever is open */
bool rig_stream(struct rig *r, enum rig_domain d, struct err *e);
bool rig_cosign(struct rig *r, enum rig_domain d, const char *origin, struct err *e);

#endif
