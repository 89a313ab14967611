/* GeneralNames (RFC 5280 section 4.2.1.6): what subjectAltName holds, read one by one and written. */
#ifndef KITH_X509_SAN_H
#define KITH_X509_SAN_H

#include "core/err.h"
#include "core/reader.h"
#include "core/writer.h"

enum san_type {
    SAN_NONE,
    SAN_RFC822,
    SAN_DNS,
    SAN_URI,
    SAN_IP,              /* 4 or 16 bytes */
    SAN_HARDWARE_MODULE, /* otherName hardwareModuleName (RFC 4108 section 5): hw_type and the serial number in value */
    SAN_OTHER,           /* well-formed, of a kind not looked into: value is the whole element */
};

struct san {
    enum san_type type;
    struct slice value;
    struct slice hw_type; /* SAN_HARDWARE_MODULE: OID content */
};

#define SAN_COUNT_MAX 64

/* Reads GeneralNames (the whole SEQUENCE) into up to `cap` rows that borrow it.  Errors: ERR_SAN. */
MUST_USE bool san_read(struct slice general_names, struct san *out, size_t cap, size_t *n, struct err *e);
/* One name of what stands inside the SEQUENCE; false at the end or on failure (ask reader_ok()). */
MUST_USE bool san_next(struct reader *inside, struct san *out);
/* True if the SEQUENCE holds this name. */
bool san_holds(struct slice general_names, const struct san *s);
bool san_eq(const struct san *a, const struct san *b);

/* Writes one GeneralName, or GeneralNames; a value that its type cannot hold fails the writer. */
void san_put(struct writer *w, const struct san *s);
void san_put_all(struct writer *w, const struct san *s, size_t n);

/* "uri:urn:...", "dns:...", "ip:192.0.2.1", "email:...", "hw:1.2.3:serial" for messages and `inspect`. */
void san_text(struct writer *w, const struct san *s);
/* The reverse; bytes other than the text's go to `store`.  Errors: ERR_SAN. */
MUST_USE bool san_from_text(struct slice text, struct writer *store, struct san *out, struct err *e);

#endif
