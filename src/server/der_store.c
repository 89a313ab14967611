#include "server/der_store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compress.h"

#define KINDS_MAX    8  /* that are compressed; more take turns */
#define KNOWN_MAX    32 /* bases for reading */
#define PROFILE_SIZE 64

/* Worth it only below that share; else the certificate is the base of those after it. */
static size_t worth(size_t n)
{
    return n / 4 * 3;
}

struct packing {
    char profile[PROFILE_SIZE];
    size_t spki_n;
    int64_t id;
    struct compressor *compressor;
};

struct known {
    int64_t id; /* 0: free */
    uint8_t der[DER_STORE_MAX];
    size_t n;
};

struct der_store {
    struct packing packing[KINDS_MAX]; /* the commit thread's */
    size_t packing_next;
    pthread_mutex_t lock; /* of what follows */
    struct known known[KNOWN_MAX];
    size_t known_next;
    struct decompressor *decompressor;
};

bool der_store_new(struct der_store **out, struct err *e)
{
    struct der_store *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return err_set(e, ERR_NOMEM, "certificates");
    pthread_mutex_init(&s->lock, NULL);
    if (!decompressor_new(&s->decompressor, e)) {
        der_store_free(s);
        return false;
    }
    *out = s;
    return true;
}

void der_store_free(struct der_store *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < KINDS_MAX; i++)
        compressor_free(s->packing[i].compressor);
    decompressor_free(s->decompressor);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- packing: in the commit thread ---- */

static struct packing *packing_of(struct der_store *s, const char *profile, size_t spki_n)
{
    for (size_t i = 0; i < KINDS_MAX; i++)
        if (s->packing[i].compressor && s->packing[i].spki_n == spki_n && strcmp(s->packing[i].profile, profile) == 0)
            return &s->packing[i];
    return NULL;
}

void der_store_pack(struct der_store *s, const char *profile, size_t spki_n, struct slice der, uint8_t *buf,
                    struct value *base, struct value *stored)
{
    const struct packing *p = packing_of(s, profile, spki_n);
    size_t n;
    *base = value_null();
    *stored = value_blob(der);
    if (!p || der.n > DER_STORE_MAX || !compressor_put(p->compressor, der, buf, worth(der.n), &n))
        return;
    *base = value_int(p->id);
    *stored = value_blob(slice_of(buf, n));
}

void der_store_offer(struct der_store *s, const char *profile, size_t spki_n, int64_t id, struct slice der)
{
    struct packing *p = packing_of(s, profile, spki_n);
    struct compressor *c;
    uint8_t buf[DER_STORE_MAX];
    size_t n;
    if (p && compressor_put(p->compressor, der, buf, worth(der.n), &n))
        return; /* several were under way when the first came */
    if (der.n > DER_STORE_MAX || strlen(profile) >= PROFILE_SIZE || !compressor_new(der, &c, NULL))
        return;
    if (!p)
        p = &s->packing[s->packing_next++ % KINDS_MAX];
    compressor_free(p->compressor);
    *p = (struct packing){.spki_n = spki_n, .id = id, .compressor = c};
    snprintf(p->profile, sizeof p->profile, "%s", profile);
}

/* ---- unpacking ---- */

static struct known *known_find(struct der_store *s, int64_t id)
{
    for (size_t i = 0; i < KNOWN_MAX; i++)
        if (s->known[i].id == id)
            return &s->known[i];
    return NULL;
}

static const struct sql sql_base = {"SELECT der FROM certificate WHERE id = $1 AND base IS NULL"};

/* False with no error: the base is not known. */
static bool unpack_known(struct der_store *s, int64_t id, struct slice stored, uint8_t *buf, size_t *n, struct err *e)
{
    pthread_mutex_lock(&s->lock);
    const struct known *k = known_find(s, id);
    bool ok = k && decompressor_get(s->decompressor, stored, slice_of(k->der, k->n), buf, DER_STORE_MAX, n, e);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* Reads a base that is not known yet; without the lock, for the database may take its time.  It is kept and used under one
 * lock: between two, as many others as there is room for might come. */
static bool unpack_read(struct der_store *s, struct db *db, int64_t id, struct slice stored, uint8_t *buf, size_t *n,
                        struct err *e)
{
    AUTO(rows_close) struct rows r = {0};
    const struct value args[] = {value_int(id)};
    if (!db_query_row(db, &sql_base, args, 1, &r, e))
        return e->code ? false : err_set(e, ERR_CERT, "certificate %lld, the base of others, is gone", (long long)id);
    struct slice der = rows_blob(&r, 0);
    if (der.n == 0 || der.n > DER_STORE_MAX)
        return err_set(e, ERR_CERT, "a stored certificate of %zu bytes", der.n);
    pthread_mutex_lock(&s->lock);
    if (!known_find(s, id)) {
        struct known *k = &s->known[s->known_next++ % KNOWN_MAX];
        k->id = id;
        k->n = der.n;
        memcpy(k->der, der.p, der.n);
    }
    bool ok = decompressor_get(s->decompressor, stored, der, buf, DER_STORE_MAX, n, e);
    pthread_mutex_unlock(&s->lock);
    return ok;
}

bool der_store_unpack(struct der_store *s, struct db *db, const struct rows *r, int base_col, int der_col, uint8_t *buf,
                      size_t *n, struct err *e)
{
    struct slice stored = rows_blob(r, der_col);
    *n = 0;
    err_clear(e);
    if (rows_is_null(r, base_col)) {
        if (stored.n == 0 || stored.n > DER_STORE_MAX)
            return err_set(e, ERR_CERT, "a stored certificate of %zu bytes", stored.n);
        memcpy(buf, stored.p, stored.n);
        *n = stored.n;
        return true;
    }
    int64_t id = rows_int(r, base_col);
    if (id > 0 && unpack_known(s, id, stored, buf, n, e))
        return true;
    return e->code == ERR_NONE && unpack_read(s, db, id, stored, buf, n, e);
}
