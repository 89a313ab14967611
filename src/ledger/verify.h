/* Does the ledger say the truth?  Two readers of it: of the live database (every row against the entries, every entry
 * against the tree, the tree against the signed checkpoints) and of an export (offline, without a database).
 *
 * Both go on after a finding and report each to a callback; the functions fail only if they could not look (I/O). */
#ifndef KITH_LEDGER_VERIFY_H
#define KITH_LEDGER_VERIFY_H

#include "ledger/note.h"
#include "store/commit.h"
#include "store/entry.h"

enum finding_kind {
    FINDING_FORM = 1,    /* bytes that are not in their form */
    FINDING_CHECKPOINT,  /* signature missing or wrong, or the root is another */
    FINDING_TRUNCATED,   /* fewer entries than a checkpoint signed */
    FINDING_ENTRY,       /* an entry was altered */
    FINDING_ERASURE,     /* an entry was erased and none says so, or one says so that is not true */
    FINDING_TILE,        /* a stored hash is not that of its entries */
    FINDING_ROW_EDITED,  /* a row is not what its last entry says */
    FINDING_ROW_UNKNOWN, /* a row that no entry speaks of */
    FINDING_ROW_MISSING, /* an entry's row is gone */
    FINDING_UNSIGNED,    /* entries after the last checkpoint that carries all signatures */
    FINDING_SCHEMA,      /* a trigger, view, table, index ... that Kith did not make, or one of its own that is gone */
};
const char *finding_name(enum finding_kind k); /* "row-edited" */
const char *finding_explain(const char *name); /* a sentence for people; NULL: no finding has that name */

struct finding {
    enum finding_kind kind;
    uint64_t seq;      /* entry, or ENTRY_SEQ_NONE */
    const char *table; /* NULL: none */
    const char *key;   /* printable, "" if none */
    const char *text;  /* a sentence */
};

struct verify_report {
    uint64_t entries, erased; /* erased: salt and payload are not kept */
    uint64_t checkpoints;     /* whose signatures and root are right */
    uint64_t signed_size;     /* of the largest of those */
    uint64_t unsigned_n;      /* live database: entries after signed_size */
    uint64_t rows;            /* compared */
    uint64_t findings;
    struct merkle_hash root; /* of all entries (of the last node's) */
    bool keys_from_file;     /* export: nobody said which keys to trust; those in the file were used */
};

struct verify_opts {
    const struct crypto *crypto;
    /* keys[0] is the log's own key; the others must have cosigned.  None: signatures are not checked in a live database;
     * an export's own are used. */
    const struct note_key *keys;
    size_t keys_n;
    bool running;      /* live database: a server writes it, which signs the newest entries within a second */
    size_t memory_max; /* of the fold; 0: 512 MiB.  With less the log is read several times */
    void (*found)(void *ctx, const struct finding *f);
    /* Each entry of an export whose salt and payload are as it committed to (p NULL: erased); may be NULL.  What it stands in
     * is proven only when verify_export() has ended without a finding. */
    void (*entry)(void *ctx, uint64_t seq, const struct entry *en, struct slice payload, const struct entry_payload *p);
    void (*progress)(void *ctx, uint64_t done, uint64_t of); /* may be NULL */
    void *ctx;
};

/* The live database.  Takes a snapshot, so writers go on.  `node`: the log whose checkpoints are signed by keys.
 * Rows are compared with the entries of all nodes. */
MUST_USE bool verify_database(struct db *db, uint8_t node, const struct verify_opts *o, struct verify_report *out,
                              struct err *e);

/* An export, read to its end through `read`: *n gets 0 at the end. */
typedef bool verify_read_fn(void *ctx, void *p, size_t cap, size_t *n, struct err *e);
MUST_USE bool verify_export(verify_read_fn *read, void *read_ctx, const struct verify_opts *o,
                            struct verify_report *out, struct err *e);

#endif
