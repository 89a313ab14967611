/* How the signers are, asked once a second, for /readyz, status and doctor; their coming and going is entered in the ledger. */
#ifndef KITH_SERVER_SIGNERS_H
#define KITH_SERVER_SIGNERS_H

#include "ca/root_list.h"
#include "server/app.h"

struct signer_state {
    bool answers;
    uint64_t leaves; /* of the ledger, that it has seen */
    uint64_t issued, refused, uncovered;
    char token[16]; /* "none", "healthy", "degraded", "down" */
    char fault[96];
    char damage[160];      /* its journal is damaged: it signs nothing */
    uint64_t vouched_size; /* entries of the tree that it vouched for last */
    struct merkle_hash vouched_root;
    uint64_t signed_size;       /* entries under the newest checkpoint when it was asked */
    bool forked;                /* the leaves that it got are those of another tree */
    int64_t clock_off_s;        /* the clock against the time that the signer counts */
    int64_t asked_ms;           /* of the monotonic clock: what is here is not newer */
    struct root_list root_list; /* the newest of the root's that it went by, also while it does not answer */
    int64_t token_since;        /* the token has been so since */
};
enum { SIGNER_ISSUING, SIGNER_LEDGER, SIGNERS };

/* Asks one now. */
MUST_USE bool signer_ask(struct client *c, struct signer_state *out, struct err *e);

/* Asks both; from the main thread. */
void signers_poll(struct app *app);
void signers_state(struct signer_state out[SIGNERS]);
const char *signer_name(int i);

/* The last tree that the issuing signer vouched for; it is the first to sign each checkpoint. */
MUST_USE bool signers_vouched(struct app *app, uint64_t *size, struct merkle_hash *root, struct err *e);

/* A database without any entry beside an issuing signer that has signed: it was moved away or lost, and a new one would go on
 * as if nothing had been.  Errors: ERR_STORE_LOST. */
MUST_USE bool signers_check_empty(struct app *app, struct err *e);

/* Signers and database are of one time (ca/in_step.h).  Errors: ERR_STORE_BEHIND, ERR_JOURNAL_BEHIND. */
MUST_USE bool signers_check_in_step(struct app *app, struct err *e);

#endif
