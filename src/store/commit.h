/* The one writer of a node: a thread that takes jobs, runs many in one transaction, commits durably, and only then reports
 * each done (group commit).
 *
 * A job reads what it needs through the transaction, decides, and writes.  A job that fails before it wrote anything is
 * refused alone.  If a job fails after it wrote, or the commit fails with a conflict (SQLSTATE 40001), the batch is rolled
 * back and its jobs run again one by one, so `run` must be able to run twice.
 *
 * No change of state without its ledger entry: tables that are not exempt change only through tx_record(), which writes the
 * rows and the entry with their salted hashes together.  Scratch tables (acknowledgements, marks) have tx_scratch().
 * The tables are in store/tables.h, the canonical form of a row and its hashes in store/row.h.
 *
 * If the connection is lost during a commit, the thread connects again and looks whether its entries are there.  While it
 * cannot, jobs fail with store-unavailable; such a job may turn out to be committed, and asking again must be harmless. */
#ifndef KITH_STORE_COMMIT_H
#define KITH_STORE_COMMIT_H

#include "core/crypto.h"
#include "store/db.h"

struct column {
    const char *name;
    enum value_type type;
    bool null_ok;
};

/* A table as data.  The first nkeys columns are the primary key; the first nfixed (at least those) stay in a row as they were
 * when it was made.  `number` stands in ledger entries and never changes.
 * The canonical form of a row is the deterministic CBOR array of its columns in this order (int, text, bytes or null). */
struct table {
    uint8_t number;
    const char *name;
    const struct column *cols;
    uint8_t ncols, nkeys, nfixed;
    const char *exempt; /* why its rows have no entries; NULL: they have, and change only with them */
};

#define TABLE_COLS_MAX DB_ARGS_MAX

/* One row in its new form, whole (`cols` has table->ncols values); with `remove` only the keys are read.  With `insert` no
 * such row may be there (ERR_STORE_EXISTS): what names itself, a serial number above all, is never written over. */
struct change {
    const struct table *table;
    const struct value *cols;
    bool remove, insert;
};

/* One fact.  `fields` is a CBOR map by the catalogue in model/event.h; `ref` is the SHA-256 of a signed object (certificate,
 * CRL, head) that some signer's journal holds, or NULL. */
struct event {
    uint16_t type;
    struct slice fields;
    const uint8_t *ref;
};

struct tx;
struct job;

struct job {
    bool (*run)(struct tx *tx, struct job *job, struct err *e); /* in the commit thread */
    void (*done)(struct job *job, const struct err *e); /* after the commit, in the commit thread; e NULL: done */
    struct job *next;                                   /* the queue's */
    bool last;  /* once it is queued, only others that are marked so are taken: what is done at a clean end */
    bool looks; /* writes nothing: runs before the others of its batch and does not wait for their commit */
};

struct db *tx_db(struct tx *tx); /* for reading; sees this transaction's writes */
int64_t tx_now_ms(const struct tx *tx);
uint8_t tx_node(const struct tx *tx);
/* Writes rows and their entry.  *seq (may be NULL) gets the entry's number. */
MUST_USE bool tx_record(struct tx *tx, const struct event *ev, const struct change *changes, size_t n, uint64_t *seq,
                        struct err *e);
/* Upserts or removes a row of a table that is exempt. */
MUST_USE bool tx_scratch(struct tx *tx, const struct change *change, struct err *e);
/* Erases what an entry says (salt and payload); its leaf, and every proof over it, stays.  `said` tells it and is recorded
 * first: erase_entry() in ledger/erase.h makes it, and is what others call. */
MUST_USE bool tx_entry_erase(struct tx *tx, uint64_t seq, const struct event *said, struct err *e);
/* For src/ledger: a full tile (C2SP tlog-tiles, 256 hashes), from within `appended` or a job. */
MUST_USE bool tx_tile_put(struct tx *tx, unsigned level, uint64_t idx, struct slice data, struct err *e);

struct commit; /* the thread */

/* What the tree needs to know, in the order of events; all in the commit thread (`opened` in the caller's, before it starts).
 * Entries that were appended either become committed or are rolled back; every entry is told once for each time it is
 * written. */
struct commit_hooks {
    /* The log has `size` entries; `db` is for reading tiles and leaves, during this call only. */
    MUST_USE bool (*opened)(void *ctx, struct db *db, uint64_t size, struct err *e);
    /* One entry, in its transaction.  Failing fails the job. */
    MUST_USE bool (*appended)(void *ctx, struct tx *tx, uint64_t seq, struct slice leaf_data, struct err *e);
    /* Entries from `size` on were undone: the log has `size` entries again. */
    void (*rolled_back)(void *ctx, uint64_t size);
    /* Entries [from, to) are durable; called before the `done` of their jobs, only if from < to. */
    void (*committed)(void *ctx, uint64_t from, uint64_t to);
    void *ctx;
};

struct commit_config {
    const char *where;  /* as db_open */
    uint8_t node;       /* 1 to 127 */
    const char *origin; /* the log's name, for a new database; another one than the database's is refused (NULL: any) */
    size_t batch_max;   /* jobs a transaction; 0: 256 */
    const struct crypto *crypto;
    int64_t (*now_ms)(void *ctx);
    MUST_USE bool (*random)(void *ctx, void *p, size_t n);
    void *ctx;                 /* of now_ms and random */
    struct commit_hooks hooks; /* each may be NULL */
};

/* Opens or creates the database, applies migrations, starts the thread. */
MUST_USE bool commit_start(const struct commit_config *cfg, struct commit **out, struct err *e);
void commit_submit(struct commit *c, struct job *job); /* from any thread; the job belongs to the thread until done */
/* Runs a job and waits for it; its `done` is not called.  Not from a job or the commit thread. */
MUST_USE bool commit_run(struct commit *c, struct job *job, struct err *e);
/* Finishes what is queued and ends the thread.  Who submits later is refused at once, in its own thread.  NULL is fine. */
void commit_close(struct commit *c);
void commit_stop(struct commit *c); /* closes and frees; nobody may submit any more.  NULL is fine */

/* The store's last attempt to write failed, and what it said; from any thread.  *age_s: how long ago. */
bool commit_is_failing(struct commit *c, int64_t *age_s, struct err *why);
/* Looks whether the store is there, without waiting: when nobody writes, nobody would know that it went away or is back.  To be
 * called now and then, by one thread. */
void commit_probe(struct commit *c);

#endif
