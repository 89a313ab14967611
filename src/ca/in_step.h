/* Are a database and the signers beside it of one time, or is one of them an older copy, or cut?  Each knows of the other: a
 * signer's journal which tree it vouched for last; the database which checkpoints carry a signer's signature, and which things
 * its entries name that a signer signed.  A signer's journal is durable before it answers, so no crash leaves a journal that
 * knows less than the database.
 *
 * The start asks the signers and is refused by what is said here; `kithd -t` and doctor read the journals, beside signers that
 * run or do not, and say the same.  Nothing here keeps a server that was taken over from not asking. */
#ifndef KITH_CA_IN_STEP_H
#define KITH_CA_IN_STEP_H

#include "ledger/last_checkpoint.h"
#include "ledger/named.h"
#include "model/settings.h"

/* Of a signer that runs, or may: signed_size is read before it is asked, size behind it. */
struct in_step_log {
    uint64_t signed_size; /* entries under the newest checkpoint that all signed */
    uint64_t size;        /* entries in all */
};
/* The newest checkpoint that all of ledger.vkeys signed; its size is a signed_size. */
MUST_USE bool in_step_last(struct db *db, const struct settings *s, const struct crypto *c, struct last_checkpoint *out,
                           struct err *e);
/* `vouched`: entries of the tree that the signer vouched for last.  Errors: ERR_STORE_BEHIND, ERR_JOURNAL_BEHIND. */
MUST_USE bool in_step_judge(const struct in_step_log *log, const char *signer, uint64_t vouched, struct err *e);

/* The place in the issuing signer's journal before which all has its entry. */
MUST_USE bool in_step_mark(struct db *db, uint64_t *at, struct err *e);
/* A record behind that place: what it is about is met. */
MUST_USE bool in_step_meet(struct named *named, const struct crypto *c, struct slice record, struct err *e);
/* What entries name that are not among the `vouched` first was met in the journal.  Errors: ERR_JOURNAL_BEHIND. */
MUST_USE bool in_step_all_met(const struct named *named, uint64_t vouched, struct err *e);

/* All of it, by the files.  What cannot be read is for others to tell.  Errors: the same. */
MUST_USE bool in_step_check(struct db *db, const struct settings *s, const struct crypto *c, struct err *e);

#endif
