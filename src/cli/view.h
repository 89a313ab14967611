/* What `kith inspect` shows: names and values, as lines or as JSON; and the readers that have a file of their own (inspect_*.c). */
#ifndef KITH_CLI_VIEW_H
#define KITH_CLI_VIEW_H

#include "cli/cli.h"

#define INSPECT_MAX (256u << 20)
#define OUT_MAX     (64u << 20)
#define ENTRIES_MAX 1000 /* of a list that are shown */
#define BYTES_SHOWN 64
#define DIAG_DEPTH  CBOR_DEPTH_MAX

/* One thing after another, as lines or as JSON. */
struct view {
    bool json;
    struct buf b;
    struct json_out o;
};

void view_put_text(struct view *v, const char *key, const char *text);
void view_put_int(struct view *v, const char *key, int64_t n);
void view_put_bytes(struct view *v, const char *key, struct slice s);
void view_put_slice(struct view *v, const char *key, struct slice s);
void view_put_time(struct view *v, const char *key, int64_t at);
void view_put_digest(struct view *v, struct slice s);
void view_put_verdict(struct view *v, const char *key, bool ok, const struct err *e);
void view_put_name(struct view *v, const char *key, struct slice name);
/* A list in JSON; as lines each item has its key before it. */
void view_list(struct view *v, const char *key);
void view_put_item(struct view *v, const char *key, struct slice s);
void view_list_end(struct view *v);

/* False if it is none; then nothing was put. */
bool view_cert(struct view *v, struct slice der);
bool view_public_key(struct view *v, struct slice der); /* SubjectPublicKeyInfo */
bool view_csr(struct view *v, struct slice der);
bool view_crl(struct view *v, struct slice der);
bool view_cbor(struct view *v, struct slice s);
/* True if it is CBOR all the same, but not deterministic; *e says so. */
bool view_says_of_cbor(struct slice s, struct err *e);
bool view_cose(struct view *v, struct slice s);
bool view_note(struct view *v, struct slice s);
bool view_statement(struct view *v, struct slice s);
bool view_export(struct view *v, struct slice s);
bool view_vkeys(struct view *v, struct slice s);

#endif
