/* Events for people and for programs.  Any well-formed map is printed, one of an unknown type too. */
#ifndef KITH_MODEL_EVENT_PRINT_H
#define KITH_MODEL_EVENT_PRINT_H

#include "base/json_out.h"
#include "model/event.h"

/* The fields as members of the object that is open: bytes as hex, order as in the catalogue. */
void event_print_json(struct json_out *o, unsigned type, struct slice fields);
/* "cert.issued who=operator:alice device=dev_... ": one line, no newline. */
void event_print_text(struct buf *b, unsigned type, struct slice fields);

/* One CBOR value as JSON, taken from the reader; key NULL in lists. */
void event_print_value(struct json_out *o, const char *key, struct reader *r);

#endif
