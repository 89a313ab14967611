/* Rows of the database as structs: what use cases ask again and again. */
#ifndef KITH_SERVER_RECORDS_H
#define KITH_SERVER_RECORDS_H

#include "ca/request.h"
#include "model/device.h"
#include "store/db.h"
#include "store/tables.h"

struct claim_row {
    bool found, used;
    uint8_t digest[32], nonce[CLAIM_NONCE_SIZE]; /* a claim that was used has no nonce any more */
    int64_t expires_at, used_at, used_spki64;
};

/* The text is the claim that was given out last, whether it serves or not. */
bool claim_is_genuine(const struct claim_row *c, const char *text);
/* It serves: nobody has used it, and its time is not over. */
bool claim_is_open(const struct claim_row *c, int64_t now);

struct device_row {
    char id[DEVICE_ID_SIZE + 1];
    char model[MODEL_NAME_MAX + 1], serial[DEVICE_SERIAL_MAX + 1], owner[OWNER_NAME_MAX + 1];
    enum device_state state;
    int64_t created_at, updated_at;
    char lock_reason[DEVICE_WHY_MAX + 1]; /* why it is suspended or in quarantine; "": not, or nobody said */
    struct claim_row claim;
};
/* Errors: ERR_NOTFOUND. */
MUST_USE bool device_row_read(struct db *db, const char *id, struct device_row *out, struct err *e);
/* The same for who changes the row: all its columns are in *rows, which the caller closes. */
MUST_USE bool device_row_open(struct db *db, const char *id, struct rows *rows, struct device_row *out, struct err *e);
/* By id, or by serial number where that is unique; `model`, `owner` NULL: any.  The device of another owner is not found. */
MUST_USE bool device_find(struct db *db, const char *id_or_serial, const char *model, const char *owner,
                          struct device_row *out, struct err *e);

/* The device that this key belongs to, "" if none: the first certificate with it says so. */
MUST_USE bool key_owner(struct db *db, const uint8_t spki_hash[32], char *out, size_t cap, struct err *e);

/* A text, number ("30") or truth value ("yes", "no") as text. */
struct json;
MUST_USE bool setting_as_text(const struct json *map, const char *name, char *out, size_t cap, struct err *e);
/* Members of a model's settings, or their def.  Errors: ERR_NOTFOUND (no such model). */
struct setting_text {
    const char *name, *def;
    char *out;
    size_t cap;
};
MUST_USE bool model_settings_text(struct db *db, const char *model, const struct setting_text *want, size_t n,
                                  struct err *e);
MUST_USE bool model_setting_text(struct db *db, const char *model, const char *name, const char *def, char *out,
                                 size_t cap, struct err *e);

const char *cert_subject_name(enum cert_subject k);

#endif
