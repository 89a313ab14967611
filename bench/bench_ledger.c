/* Figures of the ledger's tree among N entries (10 M): an inclusion proof, and the start.  The tree's full tiles and the
 * entries of its partial end are put into a fresh SQLite file; the other entries no proof reads.  The bare operation is one
 * SHA-256 over 65 bytes: a node.
 *
 *     bench_ledger [N] */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commit_load.h"
#include "keys/crypto.h"
#include "kit.h"
#include "ledger/tree.h"
#include "store/db.h"
#include "store/tables.h"

#define PROOFS 2000
#define HASHES 1000000

struct filler {
    sqlite3_stmt *tile, *entry;
    struct merkle_hash tiles[TILE_LEVELS][TILE_WIDTH];
    bool bad;
};

static void put(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *h)
{
    struct filler *f = ctx;
    unsigned l = level / TILE_HEIGHT;
    if (level % TILE_HEIGHT || l >= TILE_LEVELS)
        return;
    f->tiles[l][index % TILE_WIDTH] = *h;
    if (index % TILE_WIDTH < TILE_WIDTH - 1)
        return;
    sqlite3_bind_int64(f->tile, 1, l);
    sqlite3_bind_int64(f->tile, 2, (int64_t)(index / TILE_WIDTH));
    sqlite3_bind_blob(f->tile, 3, f->tiles[l], TILE_BYTES, SQLITE_STATIC);
    f->bad = f->bad || sqlite3_step(f->tile) != SQLITE_DONE;
    sqlite3_reset(f->tile);
}

/* Leaf i is the eight bytes of i. */
static struct slice leaf_of(uint64_t i, uint8_t buf[8])
{
    struct writer w = writer_of(buf, 8);
    writer_u64(&w, i);
    return writer_slice(&w);
}

static bool fill(const char *path, uint64_t n, struct merkle_hash *root)
{
    static struct filler f;
    static struct merkle_frontier frontier;
    uint8_t leaf[8];
    sqlite3 *db;
    bool ok =
        sqlite3_open(path, &db) == SQLITE_OK &&
        sqlite3_exec(db, "PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "INSERT INTO tile VALUES (1, ?, ?, ?)", -1, &f.tile, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "INSERT INTO entry VALUES (?, 1, 1, ?, NULL, NULL)", -1, &f.entry, NULL) == SQLITE_OK;
    for (uint64_t i = 0; ok && i < n; i++) {
        struct merkle_hash h;
        struct slice s = leaf_of(i, leaf);
        merkle_leaf(&crypto_openssl, s, &h);
        merkle_append(&crypto_openssl, &frontier, &h, put, &f);
        if (i < n / TILE_WIDTH * TILE_WIDTH)
            continue;
        sqlite3_bind_int64(f.entry, 1, entry_pos(1, i));
        sqlite3_bind_blob(f.entry, 2, s.p, (int)s.n, SQLITE_STATIC);
        ok = sqlite3_step(f.entry) == SQLITE_DONE;
        sqlite3_reset(f.entry);
    }
    merkle_root(&crypto_openssl, &frontier, root);
    sqlite3_finalize(f.tile);
    sqlite3_finalize(f.entry);
    ok = ok && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    sqlite3_close(db);
    return ok && !f.bad;
}

static bool prove(struct tree *t, struct db *db, uint64_t n, const struct merkle_hash *root, struct err *e)
{
    for (unsigned k = 0; k < PROOFS; k++) {
        uint8_t leaf[8];
        struct merkle_proof p;
        struct merkle_hash h;
        uint64_t index = k * UINT64_C(2654435761) % n;
        merkle_leaf(&crypto_openssl, leaf_of(index, leaf), &h);
        if (!tree_prove_inclusion(t, db, index, n, &p, e) ||
            !merkle_verify_inclusion(&crypto_openssl, &h, index, n, merkle_proof_bytes(&p), root, e))
            return false;
    }
    return true;
}

static double bare_node_us(void)
{
    struct merkle_hash h = {{0}};
    double start = kit_now_s();
    for (unsigned i = 0; i < HASHES; i++)
        merkle_node(&crypto_openssl, &h, &h, &h);
    return (kit_now_s() - start) * 1e6 / HASHES;
}

static bool measure(const char *where, const char *path, uint64_t n, struct err *e)
{
    const struct commit_load none = {.where = where, .node = 1, .origin = "bench"};
    struct merkle_hash root;
    (void)commit_load_run(&none); /* makes the tables */
    if (!fill(path, n, &root))
        return err_set(e, ERR_IO, "%s: cannot be filled", path);
    AUTO(db_free_auto) struct db *db = NULL;
    AUTO(tree_free_auto) struct tree *t = NULL;
    if (!db_open(where, false, &db, e) || !tree_new(&crypto_openssl, 1, &t, e))
        return false;
    double start = kit_now_s();
    if (!tree_load(t, db, n, e))
        return false;
    double load_ms = (kit_now_s() - start) * 1e3;
    start = kit_now_s();
    if (!prove(t, db, n, &root, e))
        return false;
    double proof_ms = (kit_now_s() - start) * 1e3 / PROOFS, bare_ms = bare_node_us() / 1e3;
    kit_print("ledger_proof", proof_ms, "ms", bare_ms, "one node", proof_ms / bare_ms, "< 1");
    kit_print("ledger_start", load_ms, "ms", bare_ms, "one node", load_ms / bare_ms, "< 1000");
    return true;
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/kith-bench-XXXXXX", path[64], where[80], name[80];
    struct err e = {0};
    uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000 - 1;
    if (!crypto_init(&e) || n == 0 || !mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/kith.db", dir);
    snprintf(where, sizeof(where), "sqlite:%s", path);
    bool ok = measure(where, path, n, &e);
    if (!ok)
        fprintf(stderr, "bench_ledger: %s (%s)\n", e.what, e.why);
    static const char *const tails[] = {"", "-wal", "-shm", "-writer"};
    for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
        snprintf(name, sizeof(name), "%s%s", path, tails[i]);
        unlink(name);
    }
    rmdir(dir);
    return ok ? 0 : 1;
}
