/* What gateways are told of devices: id, site, model, tags, certificates. */
#ifndef KITH_SERVER_DIRECTORY_H
#define KITH_SERVER_DIRECTORY_H

#include "model/device.h"
#include "model/feed.h"
#include "store/db.h"

#define DIRECTORY_TAGS_MAX  2048
#define DIRECTORY_CERTS_MAX 512

struct directory_record {
    struct feed_frame frame; /* borrows what follows */
    char id[DEVICE_ID_SIZE + 1], model[MODEL_NAME_MAX + 1], site[TAG_MAX + 1];
    uint8_t tags[DIRECTORY_TAGS_MAX], certs[DIRECTORY_CERTS_MAX];
};

/* A device that may not connect comes as removed. */
MUST_USE bool directory_read(struct db *db, const char *device, struct directory_record *out, struct err *e);
/* All devices of a site that may connect; "" is every site. */
MUST_USE bool directory_send(struct db *db, const char *site, void (*send)(void *ctx, const struct feed_frame *f),
                             void *ctx, struct err *e);
/* Which topics devices may use (the lines of doc/guide/gateway.md): the setting "topics", or the default, under which a device
 * has kith/ID/# to itself. */
#define TOPICS_SETTING     "topics"
#define TOPICS_SETTING_MAX (64 * 1024)
MUST_USE bool topics_setting(struct db *db, char *out, size_t cap, struct err *e);
/* Errors: ERR_NOTFOUND. */
MUST_USE bool gateway_site(struct db *db, const char *gateway, char *out, size_t cap, struct err *e);

#endif
