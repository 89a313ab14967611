/* What the verbs of kith ledger share: whose signatures count, and what was proven with them. */
#ifndef KITH_CLI_LEDGER_H
#define KITH_CLI_LEDGER_H

#include "cli/cli.h"
#include "ledger/entry_query.h"
#include "ledger/export.h"
#include "ledger/verify.h"

struct trusted {
    struct note_key keys[EXPORT_KEYS_MAX];
    size_t n;
};
/* Those of --keys, else those of the installation, else none. */
MUST_USE bool ledger_find_keys(struct cli *cli, const char *file, struct trusted *out, struct err *e);

struct proven {
    uint8_t leaf[ENTRY_LEAF_MAX];
    size_t leaf_n;
    struct checkpoint checkpoint; /* borrows the answer */
};
/* The leaf of an entry, and the checkpoint that it stands in by the proof that the server gives; *j is the answer. */
MUST_USE bool ledger_get_proof(struct cli *cli, const char *entry, const struct trusted *t, struct buf *reply,
                               struct json **j, struct proven *out, struct err *e);

/* An export, or standard input for "-". */
MUST_USE bool ledger_verify_file(const char *file, const struct verify_opts *vo, struct verify_report *r,
                                 struct err *e);

/* What was proven of an entry, for people or for programs. */
MUST_USE bool ledger_write_shown(struct cli *cli, const struct entry *leaf, const struct entry_found *f,
                                 const struct checkpoint *c, const struct trusted *t, struct err *e);
/* kith ledger verify --statement (ledger_show.c). */
MUST_USE bool ledger_verify_statement(struct cli *cli, const char *file, const struct trusted *t, struct err *e);
/* That whoever asks for a proof named keys.  Errors: option. */
MUST_USE bool ledger_wants_keys(const struct trusted *t, struct err *e);

struct ledger_opts {
    const char *export_file, *statement, *keys, *out;
    int64_t memory;
};
/* kith ledger verify (ledger_verify.c). */
bool ledger_run_verify(void *ctx, const void *opts, const struct args_words *words, struct err *e);

/* kith ledger show (ledger_show.c); its row stands beside ls. */
struct ledger_show_opts {
    const char *keys;
};
bool ledger_run_show(void *ctx, const void *opts, const struct args_words *words, struct err *e);

#endif
