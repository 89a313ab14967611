/* How the two verifiers report.  Internal to src/ledger. */
#ifndef KITH_LEDGER_FINDING_H
#define KITH_LEDGER_FINDING_H

#include "ledger/verify.h"

struct verify_run {
    const struct verify_opts *o;
    struct verify_report *report;
};

void finding_put(struct verify_run *run, enum finding_kind kind, uint64_t seq, const char *fmt, ...) PRINTF_LIKE(4, 5);
void finding_put_row(struct verify_run *run, enum finding_kind kind, uint64_t seq, const char *table, const char *key,
                     const char *fmt, ...) PRINTF_LIKE(6, 7);
void finding_progress(struct verify_run *run, uint64_t done, uint64_t of);

#define KEY_TEXT_MAX 256
/* The values of an encoded array for people: "dev_01" or "acme/17/0aff". */
void finding_key_text(struct slice keys, char out[KEY_TEXT_MAX]);

#endif
