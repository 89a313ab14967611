#include "server/reservations.h"

void reservations_init(struct reservations *r)
{
    *r = (struct reservations){0};
    pthread_mutex_init(&r->lock, NULL);
}

static size_t device_bucket(const char *device)
{
    uint32_t h = 2166136261u;
    for (const char *p = device; *p; p++)
        h = (h ^ (uint8_t)*p) * 16777619u;
    return h % RESERVATION_BUCKETS;
}

static size_t key_bucket(const uint8_t *hash)
{
    return (size_t)(hash[0] << 8 | hash[1]) % RESERVATION_BUCKETS;
}

bool reservations_key_taken(struct err *e)
{
    err_set(e, ERR_KEY_TAKEN, "this key belongs to another device");
    err_why(e, "one key, one device: who holds it could pass for either");
    return err_try(e, "a new key");
}

static bool is_free(const struct reservations *r, const char *device, const uint8_t *hash, struct err *e)
{
    for (const struct reservation *n = r->by_key[key_bucket(hash)]; n; n = n->next_key)
        if (memcmp(n->spki_hash, hash, 32) == 0 && strcmp(n->device, device) != 0)
            return reservations_key_taken(e);
    for (const struct reservation *n = r->by_device[device_bucket(device)]; n; n = n->next_device)
        if (strcmp(n->device, device) == 0)
            return err_set(e, ERR_IN_PROGRESS, "another request of %s is being answered", device) ||
                   err_why(e, "a device gets one certificate at a time") || err_try(e, "the same again in a moment");
    return true;
}

bool reservations_take(struct reservations *r, struct reservation *n, const char *device, const uint8_t spki_hash[32],
                       struct err *e)
{
    if (n->held)
        return true;
    pthread_mutex_lock(&r->lock);
    bool ok = is_free(r, device, spki_hash, e);
    if (ok) {
        struct reservation **d = &r->by_device[device_bucket(device)], **k = &r->by_key[key_bucket(spki_hash)];
        *n = (struct reservation){
            .device = device, .spki_hash = spki_hash, .next_device = *d, .next_key = *k, .held = true};
        *d = *k = n;
    }
    pthread_mutex_unlock(&r->lock);
    return ok;
}

void reservations_drop(struct reservations *r, struct reservation *n)
{
    if (!n->held)
        return;
    pthread_mutex_lock(&r->lock);
    struct reservation **d = &r->by_device[device_bucket(n->device)], **k = &r->by_key[key_bucket(n->spki_hash)];
    while (*d && *d != n)
        d = &(*d)->next_device;
    while (*k && *k != n)
        k = &(*k)->next_key;
    if (*d)
        *d = n->next_device;
    if (*k)
        *k = n->next_key;
    n->held = false;
    pthread_mutex_unlock(&r->lock);
}
