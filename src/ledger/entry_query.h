/* Which entries somebody wants to see: the filters of GET /v1/ledger/entries and of `kith ledger ls`, read from text in one
 * place, and whether an entry passes them.  No I/O; the clock is handed in. */
#ifndef KITH_LEDGER_ENTRY_QUERY_H
#define KITH_LEDGER_ENTRY_QUERY_H

#include "store/entry.h"

#define ENTRY_QUERY_TYPES_MAX 128
#define ENTRY_QUERY_NAME_MAX  80
#define ENTRY_QUERY_LIMIT     100
#define ENTRY_QUERY_LIMIT_MAX 1000

/* An entry as it was found in a database or an export. */
struct entry_found {
    uint64_t seq;
    int64_t time_ms;
    unsigned type;
    bool erased;
    struct entry_payload payload; /* borrowed; empty if it was erased */
};

struct entry_query {
    uint16_t types[ENTRY_QUERY_TYPES_MAX]; /* one of these; none: any */
    size_t types_n;
    char who[ENTRY_QUERY_NAME_MAX + 1];     /* "operator:alice", or "alice" of any kind; "": anybody */
    char subject[ENTRY_QUERY_NAME_MAX + 1]; /* named in any field of these, or who acts; "": any */
    char device[ENTRY_QUERY_NAME_MAX + 1];  /* the same; a serial number until the caller has put the id in its place */
    int64_t since_ms, until_ms;             /* since <= time < until */
    uint64_t from;                          /* the first to look at; ENTRY_SEQ_NONE: that at the beginning or end */
    bool oldest_first;
    int64_t limit;
    unsigned given; /* a bit for each parameter that was set */
};

void entry_query_init(struct entry_query *q);
/* Everything that names this device, newest first. */
void entry_query_of_device(struct entry_query *q, const char *id, int64_t since_ms);
/* The parameters' names: "type" ("cert.issued,device.*"), "who", "subject", "device", "since" and "until" (RFC 3339, a date,
 * or "7d" ago), "from", "order" ("newest", "oldest"), "limit".  Only "type" may be set again.  Errors: usage. */
MUST_USE bool entry_query_set(struct entry_query *q, const char *name, const char *value, int64_t now_ms,
                              struct err *e);
/* Without from, order and limit: those are about the list. */
bool entry_query_matches(const struct entry_query *q, const struct entry_found *f);

/* Whom an entry names: device, subject, operator, gateway, anchor, and who acted without what he is. */
#define ENTRY_NAMES 6
void entry_names(unsigned type, struct slice fields, struct slice out[ENTRY_NAMES]);
/* "alice" of "operator:alice"; all of it if there is no colon. */
struct slice entry_actor(struct slice who);

#endif
