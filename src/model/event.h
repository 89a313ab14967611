/* What the ledger's entries say: one catalogue (event_table.h) of all kinds of events with their fields, from which come the
 * enum, the check of every entry that is written, the printing, and doc/spec/events.md.
 *
 * An event's fields are a deterministic CBOR map from field numbers (their places in the catalogue's row, from 1) to values.
 * They are set by name on a draft in any order;
 * event_write() refuses what the catalogue does not have, what has another type, and what lacks a field.
 *     struct event_draft d = event_draft_of(EVENT_DEVICE_STATE);
 *     event_set_text(&d, "who", "operator:alice"); ...
 *     if (!event_write(&d, &w, e)) ...
 * No I/O, no heap; values are borrowed until event_write() has returned. */
#ifndef KITH_MODEL_EVENT_H
#define KITH_MODEL_EVENT_H

#include "core/err.h"
#include "core/reader.h"
#include "core/writer.h"

enum event_type {
    EVENT_NONE = 0,
#define EVENT_ROW(id, number, name, help, ...) EVENT_##id = number,
#include "model/event_table.h"
#undef EVENT_ROW
};

#define EVENT_FIELDS_MAX 20
#define EVENT_WRITE_MAX  16384 /* bytes of an event's fields at most */

enum event_field_type { EVENT_END, EVENT_TEXT, EVENT_INT, EVENT_BYTES, EVENT_FLAG };

struct event_field {
    const char *name;
    enum event_field_type type;
    bool optional;
};

struct event_kind {
    enum event_type type;
    const char *name; /* "cert.issued" */
    const char *help;
    struct event_field fields[EVENT_FIELDS_MAX + 1]; /* ended by EVENT_END */
};

const struct event_kind *event_kind_of(unsigned type); /* NULL: none */
const struct event_kind *event_kind_from_name(struct slice name);
const struct event_kind *event_kind_at(size_t i); /* all, by number; NULL past the end */
const char *event_name(unsigned type);            /* "unknown" if there is none */

struct event_value {
    bool set;
    int64_t i; /* FLAG: 0 or 1 */
    struct slice s;
};

struct event_draft {
    const struct event_kind *kind; /* NULL: no such type */
    struct event_value values[EVENT_FIELDS_MAX];
    const char *bad;   /* the first name that was wrong */
    const char *fault; /* what is wrong with it */
};

struct event_draft event_draft_of(enum event_type type);
/* A NULL text or one with NULL bytes leaves an optional field out. */
void event_set_text(struct event_draft *d, const char *name, const char *v);
void event_set_slice(struct event_draft *d, const char *name, struct slice v); /* text that is not NUL-terminated */
void event_set_int(struct event_draft *d, const char *name, int64_t v);
void event_set_bytes(struct event_draft *d, const char *name, struct slice v);
void event_set_flag(struct event_draft *d, const char *name, bool v);

/* Appends the map.  Errors: event (names the field), limit (w too small). */
MUST_USE bool event_write(const struct event_draft *d, struct writer *w, struct err *e);

/* Reads a map back, strictly by the catalogue; what an entry of a later version says may be read with event_get().
 * Errors: event. */
MUST_USE bool event_read(unsigned type, struct slice fields, struct event_draft *out, struct err *e);
/* One field of any map of numbers to values: its encoded value. */
MUST_USE bool event_get(struct slice fields, unsigned number, struct slice *value);
/* The text of a field of this type of event; empty if it is not there or no text. */
struct slice event_get_text(unsigned type, struct slice fields, const char *name);
/* False if it is not there or no integer. */
MUST_USE bool event_get_int(unsigned type, struct slice fields, const char *name, int64_t *out);

/* doc/spec/events.md; a test holds the file against it. */
void event_manual(struct writer *w);

#endif
