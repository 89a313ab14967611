/* The signer's loop: one thread takes requests from its socket in batches, lets the domain answer each, makes the journal
 * durable once a batch, and only then sends the answers.  If that fails, every answer of the batch becomes the error. */
#ifndef KITH_SIGNER_SERVE_H
#define KITH_SIGNER_SERVE_H

#include <sys/types.h>

#include "base/buf.h"
#include "base/env.h"
#include "ca/request.h"

struct domain; /* what the handlers work on: issuing or ledger */

/* Reads the request's fields from r (n of them) and writes a whole answer (answer_put ...) to out.  False: *e is sent. */
typedef bool request_handler(struct domain *d, uint64_t id, struct reader *r, size_t n, struct buf *out, struct err *e);

struct serve {
    const struct env *env;
    int listener;
    uid_t allowed_uid;
    struct domain *domain;
    request_handler *const *handlers; /* by request_type; NULL: not in this domain */
    /* Lets a handler do its work; what it did before it failed is taken back. */
    bool (*handle)(struct domain *d, request_handler *handler, uint64_t id, struct reader *r, size_t n, struct buf *out,
                   struct err *e);
    /* Makes durable what the batch signed; false refuses all of it.  Called after each batch. */
    bool (*sync)(struct domain *d, struct err *e);
    void (*idle)(struct domain *d); /* after each batch, and now and then */
    volatile bool *stop;
};

/* Returns when *stop is set.  Errors: io. */
MUST_USE bool serve_run(const struct serve *s, struct err *e);

#endif
