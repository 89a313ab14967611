/* A connection to a signer: requests from any thread, answers in the connection's own thread.  If the signer goes away, what
 * waits fails with ERR_SIGNER_GONE (it may have been signed: the signer's journal tells), and the thread connects again. */
#ifndef KITH_CA_CLIENT_H
#define KITH_CA_CLIENT_H

#include "base/buf.h"
#include "base/env.h"
#include "ca/request.h"

struct client;

/* `fields`: what follows the answer's head, n items; NULL with *e if it failed.  Runs in the connection's thread: be quick. */
typedef void client_answer(void *arg, struct reader *fields, size_t n, const struct err *e);

/* Starts the thread; the signer need not be there yet.  on_connect (may be NULL) runs in the thread after each connecting. */
MUST_USE bool client_new(const char *socket_path, const struct env *env, void (*on_connect)(void *arg), void *arg,
                         struct client **out, struct err *e);
void client_close(struct client *c); /* ends the thread and fails what waits; what is sent later fails.  NULL is fine */
void client_free(struct client *c);  /* closes it, too */

/* Sends [id, type, fields...]; `fields` is the encoding of n items.  `answer` is called exactly once if this returns true. */
MUST_USE bool client_send(struct client *c, enum request_type type, struct slice fields, size_t n,
                          client_answer *answer, void *arg, struct err *e);
/* Sends and waits.  out gets the encoding of the answer's fields.  Not from the connection's thread. */
MUST_USE bool client_call(struct client *c, enum request_type type, struct slice fields, size_t n, struct buf *out,
                          size_t *out_n, struct err *e);
bool client_is_connected(struct client *c);

#endif
