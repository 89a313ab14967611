/* What the ledger's tests share: a directory, an Ed25519 key for the log and one for a cosigner, and a SQLite database whose
 * commit thread feeds a tree. */
#ifndef KITH_TESTS_LEDGER_TEST_H
#define KITH_TESTS_LEDGER_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../test.h"
#include "base/buf.h"
#include "keys/crypto.h"
#include "keys/key.h"
#include "ledger/note.h"
#include "ledger/tree.h"
#include "model/event.h"
#include "store/commit.h"
#include "store/db.h"
#include "store/tables.h"

#define TEST_ORIGIN "kith.example/log/01"

#define LAB_WHERE_MAX 256

struct lab {
    char dir[64], where[LAB_WHERE_MAX];
    struct key *key[2]; /* the log's, a cosigner's */
    struct note_key note_key[2];
    struct tree *tree;
    struct commit *commit;
    struct db *db;
    int64_t now_ms;
    struct buf file; /* what a test makes of it */
};

static inline int64_t lab_now(void *ctx)
{
    return ((struct lab *)ctx)->now_ms++;
}

static inline bool lab_random(void *ctx, void *p, size_t n)
{
    (void)ctx;
    return random_bytes(p, n, NULL);
}

static inline void lab_keys(struct lab *t)
{
    struct err e = {0};
    struct key_env env = {0};
    snprintf(t->dir, sizeof(t->dir), "/tmp/kith-ledger-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    assert_ok(crypto_init(&e), e);
    for (int i = 0; i < 2; i++) {
        char ref[128];
        snprintf(ref, sizeof(ref), "file:%s/key%d?plain", t->dir, i);
        assert_ok(key_generate(&env, ref, KEY_ED25519, &t->key[i], &e), e);
        assert_ok(note_key_make(&crypto_openssl, i ? "signer.kith.example" : TEST_ORIGIN,
                                i ? NOTE_COSIGNATURE : NOTE_ED25519, key_get0_spki(t->key[i]), &t->note_key[i], &e),
                  e);
    }
}

static inline void lab_start(struct lab *t)
{
    struct err e = {0};
    assert_ok(tree_new(&crypto_openssl, 1, &t->tree, &e), e);
    struct commit_config cfg = {
        .where = t->where,
        .node = 1,
        .origin = TEST_ORIGIN,
        .crypto = &crypto_openssl,
        .now_ms = lab_now,
        .random = lab_random,
        .ctx = t,
        .hooks = tree_hooks(t->tree),
    };
    assert_ok(commit_start(&cfg, &t->commit, &e), e);
    assert_ok(db_open(t->where, false, &t->db, &e), e);
}

static inline void lab_stop(struct lab *t)
{
    db_free(t->db);
    commit_stop(t->commit);
    tree_free(t->tree);
    t->db = NULL;
    t->commit = NULL;
    t->tree = NULL;
}

/* `where` NULL: SQLite, in the lab's directory. */
static inline struct lab *lab_new_in(const char *where)
{
    struct lab *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    lab_keys(t);
    t->now_ms = 1700000000000;
    if (where)
        snprintf(t->where, sizeof(t->where), "%s", where);
    else
        snprintf(t->where, sizeof(t->where), "sqlite:%s/kith.db", t->dir);
    lab_start(t);
    return t;
}

static inline struct lab *lab_new(void)
{
    return lab_new_in(NULL);
}

static inline void lab_free(struct lab *t)
{
    char cmd[96];
    lab_stop(t);
    for (int i = 0; i < 2; i++)
        key_free(t->key[i]);
    snprintf(cmd, sizeof(cmd), "rm -rf %s", t->dir);
    if (system(cmd) != 0)
        abort();
    buf_clear(&t->file);
    free(t);
}

static inline int lab_teardown(void **state)
{
    lab_free(*state);
    return 0;
}

/* One job that adds, changes or removes `n` models from number `first` on, each in its own entry; fails at the end if asked. */
struct lab_job {
    struct job job;
    unsigned first, n;
    const char *settings; /* NULL: remove */
    bool fail;
};

static inline bool lab_job_run(struct tx *tx, struct job *job, struct err *e)
{
    struct lab_job *j = (struct lab_job *)job;
    for (unsigned i = j->first; i < j->first + j->n; i++) {
        uint8_t fields[256];
        char name[32];
        struct slice s;
        struct writer w = WRITER_ARRAY(fields);
        snprintf(name, sizeof(name), "model-%06u", i);
        struct event_draft d = event_draft_of(j->settings ? EVENT_MODEL_ADDED : EVENT_MODEL_CHANGED);
        event_set_text(&d, "who", "operator:alice");
        event_set_text(&d, "model", name);
        if (!event_write(&d, &w, e) || !writer_done(&w, &s))
            return false;
        struct value cols[MODEL_COLS] = {value_text(name), value_text(j->settings), value_int(1700000000)};
        struct change ch = {.table = &table_model, .cols = cols, .remove = !j->settings};
        if (!tx_record(tx, &(struct event){(uint16_t)d.kind->type, s, NULL}, &ch, 1, NULL, e))
            return false;
    }
    return !j->fail || err_set(e, ERR_POLICY, "asked to fail");
}

static inline bool lab_models(struct lab *t, unsigned first, unsigned n, const char *settings, bool fail)
{
    struct err e = {0};
    struct lab_job j = {{.run = lab_job_run}, first, n, settings, fail};
    bool ok = commit_run(t->commit, &j.job, &e);
    if (!ok && !fail)
        fail_msg("%s", e.what);
    return ok;
}

/* The signed and cosigned checkpoint over the committed tree. */
static inline struct slice lab_checkpoint(struct lab *t, uint8_t *buf, size_t cap)
{
    struct err e = {0};
    struct checkpoint c = {.origin = SLICE_LIT(TEST_ORIGIN)};
    struct writer w = writer_of(buf, cap);
    tree_root(t->tree, &c.size, &c.root);
    checkpoint_write(&w, &c);
    struct slice text = writer_slice(&w);
    writer_put(&w, SLICE_LIT("\n"));
    for (int i = 0; i < 2; i++) {
        struct signer s = key_signer(t->key[i]);
        assert_ok(note_sign(&t->note_key[i], &s, text, 1700000123, &w, &e), e);
    }
    assert_true(writer_ok(&w));
    return writer_slice(&w);
}

#endif
