/* The signer's journal: what it signed, durable before it answers.
 *
 * A file of batches: length (u32 big-endian), check (first 4 bytes of SHA-256 over the previous batch's digest and the
 * length), records, SHA-256 over the previous batch's digest and the records.  A record is
 * a length (u32) and bytes.  One fdatasync a batch.  The digests form a chain, so a batch that was changed, taken out or put
 * in is found.  Only the last batch can be torn by a crash: it is short, or the file has its length and not all of its
 * sectors.  It was never answered, so it is cut off at opening.  A last batch that is whole and does not fit its digest was
 * changed or damaged, and may have been answered: it is refused.
 * One thread. */
#ifndef KITH_CA_JOURNAL_H
#define KITH_CA_JOURNAL_H

#include "core/crypto.h"

struct journal;

/* Where a batch begins, and the digest of what stands before it. */
struct journal_mark {
    uint64_t at;
    uint8_t digest[SHA256_SIZE];
};

#define JOURNAL_BATCH_MAX (4u << 20)

/* Calls `each` for every record of the batches from `from` on (its digest must fit), in order; false from it stops.
 * `next` is the mark behind the record's batch. */
typedef bool journal_each(void *ctx, struct slice record, const struct journal_mark *next, struct err *e);

/* Makes the journal of a signer that has never signed: its first record pins what the signer may sign (the roster) or as
 * which log (its key), so that no other's passes, with a snapshot or without.  For `kith init`; a signer never makes one.
 * Errors: conflict (it is there), io. */
MUST_USE bool journal_set_up(const char *path, const struct crypto *crypto, const uint8_t pinned[SHA256_SIZE],
                             int64_t now_s, struct err *e);
/* Opens path, reads all behind `from` through `each` and stands ready to append.  *torn: bytes cut off.
 * Errors: ERR_JOURNAL_LOST (not there, or nothing in it), ERR_JOURNAL (a digest that does not fit, not at the end). */
MUST_USE bool journal_open(const char *path, const struct crypto *crypto, const struct journal_mark *from,
                           journal_each *each, void *ctx, struct journal **out, uint64_t *torn, struct err *e);
/* The same without opening it for writing: nothing is made and nothing cut.  The chain before `from` is checked, too. */
MUST_USE bool journal_check(const char *path, const struct crypto *crypto, const struct journal_mark *from,
                            journal_each *each, void *ctx, struct err *e);
/* The chain from *done on (zero at first) to `to`, for about so many bytes; *done moves on.  Errors: ERR_JOURNAL. */
MUST_USE bool journal_verify(struct journal *j, const struct journal_mark *to, uint64_t bytes,
                             struct journal_mark *done, struct err *e);
void journal_free(struct journal *j);
AUTO_FREE_FN(struct journal *, journal_free);

/* Adds a record to the batch in memory. */
MUST_USE bool journal_append(struct journal *j, struct slice record, struct err *e);
/* Makes the batch durable.  After an error nothing of it counts: it is dropped, and the file is as before. */
MUST_USE bool journal_sync(struct journal *j, struct err *e);
void journal_drop(struct journal *j);             /* forgets the batch in memory */
size_t journal_batch(const struct journal *j);    /* its size */
void journal_cut(struct journal *j, size_t size); /* takes it back to one that it had */

struct journal_mark journal_end(const struct journal *j);
/* Reads batches again from a mark's place, until `each` says stop or the durable end. */
MUST_USE bool journal_read(struct journal *j, uint64_t at, journal_each *each, void *ctx, struct err *e);

#endif
