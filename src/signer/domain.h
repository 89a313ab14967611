/* One domain of keys as its process holds it: issuing (certificates, CRLs, revocation heads, claims) or ledger (checkpoints).
 * One thread.  What is here survives by the journal and a snapshot of the state beside it. */
#ifndef KITH_SIGNER_DOMAIN_H
#define KITH_SIGNER_DOMAIN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/env.h"
#include "ca/journal.h"
#include "ca/profile.h"
#include "ca/request.h"
#include "ca/root_list.h"
#include "ca/roster.h"
#include "keys/key.h"
#include "keys/p11.h"
#include "model/settings.h"
#include "signer/cover.h"
#include "signer/serve.h"
#include "signer/shards.h"
#include "x509/cert.h"

#define DOMAIN_HEAD_MAX (256 * 1024)

struct domain {
    const char *name; /* "issuing", "ledger" */
    const struct settings *settings;
    const struct env *env;
    const struct crypto *crypto;
    struct arena arena; /* lives as long as the process */

    struct p11 *token; /* NULL: keys are files */
    int64_t token_checked_ms;
    struct key *vouch_key; /* Ed25519: signs (ledger) or cosigns (issuing) checkpoints */
    struct cover cover;
    struct journal *journal;
    struct journal_mark snapshot_at; /* the state on disk covers the journal up to here */
    /* The chain that the snapshot at the start stood for is checked while the signer works: from its beginning to here. */
    struct journal_mark verified, verify_to;
    int64_t verified_ms;
    struct err damage;           /* it does not fit: nothing is signed */
    uint8_t set_up[SHA256_SIZE]; /* what its journal begins with: digest of the roster, or of the log's key */
    int64_t last_time;           /* of anything that was signed; never goes back */
    /* Time as the signer counts it by the monotonic clock, since it took the wall clock's, at most a day ago if they agree. */
    int64_t counted_s, counted_mono_ms;
    int64_t clock_off_s; /* how far the wall clock is from it; 0: they agree */
    uint64_t snapshot_leaves;
    const char *state_path, *vouch_name;
    /* What this batch did, to be taken back if it cannot be recorded: digests of what was signed, struct domain_step. */
    struct buf pending, steps;

    /* issuing only */
    struct key *ca_key;
    struct slice ca_der;
    struct cert ca, root;
    const char *root_list_path;
    struct root_list root_list; /* number and digest of the newest that was gone by; no older one counts */
    struct err root_refusal;    /* what the root's list said when it was looked at last; code 0: the CA may issue */
    int64_t root_looked_ms;
    bool root_looked;
    uint8_t claim_key[SHA256_SIZE], serial_key[SHA256_SIZE];
    struct roster roster;
    struct profile_issuer issuer;
    struct shards shards;
    uint64_t head_seq;
    uint8_t head_prev[SHA256_SIZE];
    int64_t rate_window; /* minute of the monotonic clock */
    int64_t rate_count;
    struct crl_build *crl;    /* one that is being streamed, or NULL */
    uint64_t issued, refused; /* since the start */
};

/* One change of what is revoked or held, of the chain of heads, or of the root's list. */
struct domain_step {
    enum journal_kind kind;
    uint8_t node;
    uint16_t shard;
    uint32_t index;
    uint64_t seq; /* JOURNAL_HEAD, JOURNAL_ROOT_LIST: what stood before */
    uint8_t prev[SHA256_SIZE];
};

/* Opens keys, roster, state and journal of a domain.  Errors: whatever is missing or wrong; nothing is signed then. */
MUST_USE bool domain_open(struct domain *d, const char *name, const struct settings *s, const struct key_env *keys,
                          const struct env *env, const struct crypto *crypto, struct err *e);
/* The same for who rehearses it: all that would be read is read, nothing is made or changed, nothing can be recorded. */
MUST_USE bool domain_look(struct domain *d, const char *name, const struct settings *s, const struct key_env *keys,
                          const struct env *env, const struct crypto *crypto, struct err *e);
/* Writes the snapshot; harmless to leave out, the journal has it all. */
MUST_USE bool domain_snapshot(struct domain *d, struct err *e);
/* For struct serve.  A request that fails, and a batch that cannot be made durable, leave nothing behind. */
bool domain_handle(struct domain *d, request_handler *handler, uint64_t id, struct reader *r, size_t n, struct buf *out,
                   struct err *e);
bool domain_sync(struct domain *d, struct err *e);
void domain_idle(struct domain *d);

/* At the start the last signature is all that the clock can be compared with. */
void domain_start_clock(struct domain *d);
/* The time: of the wall clock, as long as that goes on as the signer counts itself.  A clock that jumps, in either direction,
 * changes nothing but clock_off_s, in seconds, until it returns. */
int64_t domain_clock(struct domain *d);
/* The time of heads, lists and checkpoints: never before what was signed last. */
int64_t domain_now(struct domain *d);
/* Errors: ERR_CLOCK, if the two differ. */
MUST_USE bool domain_check_clock(struct domain *d, struct err *e);
/* After domain_open(): the wall clock is right, says who started the signer, whatever was signed last. */
MUST_USE bool domain_accept_clock(struct domain *d, struct err *e);
/* Opens what domain_watch_root() needs. */
MUST_USE bool domain_read_root(struct domain *d, struct err *e);
/* Looks at the root's list, if it did not within the last second; one that is newer is in the journal from the next sync on. */
void domain_watch_root(struct domain *d);
/* Whether the root lets the issuing CA issue, as its list said then.  Errors: ERR_CA_REVOKED, ERR_ROOT_CRL. */
MUST_USE bool domain_check_root(const struct domain *d, struct err *e);
/* Journals a record (from the next sync on it is durable) and, if ref is not NULL, expects a ledger entry that names it. */
MUST_USE bool domain_record(struct domain *d, struct slice record, const uint8_t *ref, struct err *e);

/* To be told before each change. */
MUST_USE bool domain_step(struct domain *d, const struct domain_step *step, struct err *e);

bool serial_is_ours(const struct domain *d, const struct serial *s);
void serial_fill_tail(const struct domain *d, struct serial *s);

extern request_handler *const issuing_handlers[REQUEST_TYPES];
extern request_handler *const ledger_handlers[REQUEST_TYPES];

request_handler signer_status, signer_issue, signer_revoke, signer_hold, signer_head, signer_sets, signer_crl,
    signer_leaves, signer_cosign, signer_claim, signer_journal;

#endif
