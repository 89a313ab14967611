/* Collects what a verifier finds. */
#ifndef KITH_TESTS_LEDGER_FOUND_H
#define KITH_TESTS_LEDGER_FOUND_H

#include "ledger/verify.h"
#include "ledger_test.h"
#include "store/entry.h"

struct found {
    size_t n;
    unsigned kinds; /* 1 << kind */
    enum finding_kind first;
    uint64_t seq;
    char table[32], key[64], text[400];
};

static inline void found_add(void *ctx, const struct finding *f)
{
    struct found *t = ctx;
    t->kinds |= 1u << f->kind;
    if (t->n++)
        return;
    t->first = f->kind;
    t->seq = f->seq;
    snprintf(t->table, sizeof(t->table), "%s", f->table ? f->table : "");
    snprintf(t->key, sizeof(t->key), "%s", f->key);
    snprintf(t->text, sizeof(t->text), "%s", f->text);
}

static inline struct verify_opts found_opts(struct lab *t, struct found *f)
{
    *f = (struct found){0};
    return (struct verify_opts){
        .crypto = &crypto_openssl, .keys = t->note_key, .keys_n = 2, .running = true, .found = found_add, .ctx = f};
}

#endif
