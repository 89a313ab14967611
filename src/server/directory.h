/* What gateways are told of devices: id, site, model, tags; and how they are told only what changed.
 *
 * Each change of a device stands in the ledger, so a place in the ledger is a version of the directory: who has had all up
 * to there needs only the devices that later entries name.  The cursor names such a place, with the entry's time (a
 * database that was restored has other entries at the same numbers) and the site; gateways keep it and give it back. */
#ifndef KITH_SERVER_DIRECTORY_H
#define KITH_SERVER_DIRECTORY_H

#include "model/device.h"
#include "model/feed.h"
#include "store/db.h"

#define DIRECTORY_TAGS_MAX 2048
#define DIRECTORY_PAGE     256    /* devices read at once */
#define DIRECTORY_SCAN     1000   /* entries read at once */
#define DIRECTORY_BEHIND   200000 /* entries: who is further behind gets the whole */

struct directory_record {
    struct feed_frame frame; /* borrows what follows */
    char id[DEVICE_ID_SIZE + 1], model[MODEL_NAME_MAX + 1], site[TAG_MAX + 1];
    uint8_t tags[DIRECTORY_TAGS_MAX];
};

typedef void directory_send_fn(void *ctx, const struct feed_frame *f);

/* A device that may not connect comes as removed, without model and tags. */
MUST_USE bool directory_read(struct db *db, const char *device, struct directory_record *out, struct err *e);
/* Some devices after the id `after` (it moves on), those of the site ("": of all) that may connect are sent; *end: no more. */
MUST_USE bool directory_page(struct db *db, const char *site, char after[DEVICE_ID_SIZE + 1], directory_send_fn *send,
                             void *ctx, bool *end, struct err *e);

struct directory_change {
    char device[DEVICE_ID_SIZE];
    char left[TAG_MAX + 1]; /* the site that its tags named before; "": they did not change */
};
struct directory_changes {
    size_t n;
    struct directory_change v[DIRECTORY_SCAN];
};
/* What the next entries after *pos changed; *pos moves to the last one read. */
MUST_USE bool directory_changes(struct db *db, uint8_t node, int64_t *pos, struct directory_changes *out,
                                struct err *e);
/* To a gateway of `site` that had everything up to the change: the record, its removal, or nothing. */
void directory_tell(const struct directory_change *c, const struct directory_record *rec, const char *site,
                    directory_send_fn *send, void *ctx);

MUST_USE bool directory_newest(struct db *db, uint8_t node, int64_t *pos, struct err *e);
MUST_USE bool directory_cursor(struct db *db, int64_t pos, const char *site, uint8_t out[FEED_CURSOR_SIZE],
                               struct err *e);
/* False (e clear) if what follows the cursor cannot be told from the ledger: another history or site, too far behind. */
MUST_USE bool directory_resumes(struct db *db, uint8_t node, const uint8_t cursor[FEED_CURSOR_SIZE], const char *site,
                                int64_t *pos, struct err *e);

/* Which topics devices may use (the lines of doc/guide/gateway.md): the setting "topics", or the default, under which a device
 * has kith/ID/# to itself. */
#define TOPICS_SETTING     "topics"
#define TOPICS_SETTING_MAX (64 * 1024)
MUST_USE bool topics_setting(struct db *db, char *out, size_t cap, struct err *e);
/* Errors: ERR_NOTFOUND. */
MUST_USE bool gateway_site(struct db *db, const char *gateway, char *out, size_t cap, struct err *e);

#endif
