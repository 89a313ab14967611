/* The gateways that listen to the feed, and the thread that tells them policy and directory.
 *
 * Heads are sent by the hub under its own lock, so that they follow one another.  All else goes through one thread, which
 * reads and then sends: of two versions of a record a gateway gets the newer one last.  It sends the directory in pages as
 * fast as each gateway takes it; afterwards it follows the ledger.  A stream is freed by that thread only. */
#ifndef KITH_SERVER_FEED_STREAMS_H
#define KITH_SERVER_FEED_STREAMS_H

#include "model/feed.h"
#include "server/app.h"

struct feed_streams;
struct feed_stream;

MUST_USE bool feed_streams_new(struct app *app, struct feed_streams **out, struct err *e);
/* Ends the thread and all streams.  Free after the server's workers, who may still tell of a client that went away. */
void feed_streams_stop(struct feed_streams *l);
void feed_streams_free(struct feed_streams *l);

/* A stream in two steps, so that the caller can send the sets between them: it takes the request over; then it is one of
 * those that feed_streams_send() reaches.  Errors: ERR_NOTFOUND (no such gateway), out-of-memory. */
MUST_USE bool feed_stream_new(struct feed_streams *l, struct http_request *req, struct feed_stream **out,
                              struct err *e);
void feed_stream_free(struct feed_stream *s); /* one that was not added */
void feed_stream_start(struct feed_stream *s);
void feed_stream_write(void *stream, const struct feed_frame *f);
void feed_streams_add(struct feed_stream *s);

void feed_streams_send(struct feed_streams *l, const struct feed_frame *f); /* to all */
/* A device, or the topic policy, changed; the thread looks. */
void feed_streams_wake(struct feed_streams *l, bool policy);
/* Nothing more for who holds this certificate. */
void feed_streams_cut(struct feed_streams *l, int64_t cert_id);
size_t feed_streams_count(struct feed_streams *l);

#endif
