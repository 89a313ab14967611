/* The append-only tree of one node's log: its right edge in memory, full tiles in the database (table tile), leaves in the
 * entries.  The commit thread appends (tree_hooks), other threads read what is committed; tiles and bundles are served in the
 * form of C2SP tlog-tiles.
 *
 * At start the partial tiles are computed from the full ones below them: at most 255 tiles a level are read, whatever the
 * size of the log.  A reader hands in its own connection; it must not be within a snapshot older than the tree's size. */
#ifndef KITH_LEDGER_TREE_H
#define KITH_LEDGER_TREE_H

#include "core/merkle.h"
#include "store/commit.h"

#define TILE_HEIGHT 8
#define TILE_WIDTH  256
#define TILE_BYTES  (TILE_WIDTH * SHA256_SIZE)
#define TILE_LEVELS 7 /* 256^7 leaves: more than entry_pos() can number */

struct tree;

/* `crypto` must outlive it. */
MUST_USE bool tree_new(const struct crypto *crypto, uint8_t node, struct tree **out, struct err *e);
void tree_free(struct tree *t);
AUTO_FREE_FN(struct tree *, tree_free);

/* What commit_start() is to call.  Without a commit thread (command line), tree_load() does what `opened` does. */
struct commit_hooks tree_hooks(struct tree *t);
/* Errors: ledger (a tile or entry is missing), whatever the database says. */
MUST_USE bool tree_load(struct tree *t, struct db *db, uint64_t size, struct err *e);

/* The committed state; any thread. */
uint64_t tree_size(struct tree *t);
void tree_root(struct tree *t, uint64_t *size, struct merkle_hash *root);

/* ---- proofs; any thread ---- */

/* Errors: proof (index or size out of range), ledger (a tile is missing), the database's. */
MUST_USE bool tree_prove_inclusion(struct tree *t, struct db *db, uint64_t index, uint64_t size,
                                   struct merkle_proof *out, struct err *e);
MUST_USE bool tree_prove_consistency(struct tree *t, struct db *db, uint64_t old_size, uint64_t new_size,
                                     struct merkle_proof *out, struct err *e);
MUST_USE bool tree_root_at(struct tree *t, struct db *db, uint64_t size, struct merkle_hash *out, struct err *e);

/* ---- tiles over HTTP; any thread ---- */

struct tile_path {
    bool entries; /* a bundle of entries, not hashes */
    unsigned level;
    uint64_t index;
    unsigned width; /* 1 to 256 */
};
/* "tile/<L>/<N>[.p/<W>]" and "tile/entries/<N>[.p/<W>]" (tlog-tiles).  False: no such path. */
MUST_USE bool tile_path_read(struct slice path, struct tile_path *out);
void tile_path_write(struct writer *w, const struct tile_path *p);

/* Appends the bytes of a tile or bundle.  Errors: tile (not there (yet)), limit (w too small), the database's. */
MUST_USE bool tree_tile(struct tree *t, struct db *db, const struct tile_path *p, struct writer *w, struct err *e);

#endif
