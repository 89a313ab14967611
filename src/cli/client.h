/* The connection to the platform: the local socket of --dir, or HTTPS with an operator's certificate.  Made at the first
 * call, one for the whole run; a platform that gives no sign of life within 5 s is not waited for. */
#ifndef KITH_CLI_CLIENT_H
#define KITH_CLI_CLIENT_H

#include "cli/cli.h"

#define CLI_ANSWER_MAX (8u << 20)

/* Before something is made that a platform which is not there would leave half made; the calls below do it themselves.
 * Errors: unavailable, and what is wrong with the caller's certificate and key. */
MUST_USE bool cli_connect(struct cli *cli, struct err *e);
/* Calls PATH ("/v1/..."), with a JSON body or NULL; `reply` gets the answer's bytes.  wait_ms: how long the server may take
 * beside the usual half minute.  Errors: unavailable (with how to start it), denied, and what the server says. */
MUST_USE bool cli_call(struct cli *cli, const char *method, const char *path, const struct buf *body, int64_t wait_ms,
                       struct buf *reply, struct err *e);
/* The same with the answer read as JSON; `reply` keeps its text. */
MUST_USE bool cli_call_json(struct cli *cli, const char *method, const char *path, const struct buf *body,
                            int64_t wait_ms, struct buf *reply, struct json **out, struct err *e);
/* GETs what a platform that is well says at once: how it is. */
MUST_USE bool cli_ask(struct cli *cli, const char *path, struct buf *reply, struct json **out, struct err *e);
/* The same with a body of JSON lines. */
MUST_USE bool cli_call_lines(struct cli *cli, const char *path, const struct buf *lines, struct buf *reply,
                             struct json **out, struct err *e);
/* A download piece by piece. */
MUST_USE bool cli_fetch(struct cli *cli, const char *path, bool (*on_data)(struct slice part, void *arg), void *arg,
                        struct err *e);
/* prefix, the segment percent-encoded, suffix; in the arena.  NULL, which cli_call() and those that stand on it refuse, if the
 * segment is too long to name anything. */
const char *cli_path(struct cli *cli, const char *prefix, const char *segment, const char *suffix);
/* Appends ?name=value or &name=value; nothing for NULL. */
void cli_put_query(struct buf *b, const char *name, const char *value);
bool cli_key_is_on_token(const char *key); /* as --key has it */
/* True if the server's socket is not there, and yet kithd runs; *e says so. */
bool cli_socket_is_lost(struct cli *cli, const struct settings *s, struct err *e);
void cli_client_close(struct cli *cli);

#endif
