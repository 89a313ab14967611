/* An entry for programs: the one form that it has in every list (GET /v1/ledger/entries, a device's history,
 * `kith ledger ls` of an export). */
#ifndef KITH_LEDGER_ENTRY_PRINT_H
#define KITH_LEDGER_ENTRY_PRINT_H

#include "base/json_out.h"
#include "ledger/entry_query.h"

/* Opens {"seq", "time", "type", "fields": {...; the caller may add fields.  key NULL in lists. */
void entry_print_begin(struct json_out *o, const char *key, const struct entry_found *f);
/* Ends the fields and the map: "changes" as [{"table", "key", "removed" if the row is gone}], "erased" if it was. */
void entry_print_end(struct json_out *o, const struct entry_found *f);

/* The number of the certificate that an entry of one is about (cert.issued to cert.delivered); 0: none. */
int64_t entry_cert(const struct entry_found *f);

#endif
