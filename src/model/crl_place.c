#include "model/crl_place.h"

#include <stdlib.h>

#define BEFORE_NODE  "issuing-"
#define BEFORE_SHARD "-"
#define AFTER        ".crl"

static void put_text(struct writer *w, const char *text)
{
    writer_put(w, slice_str(text));
}

static void put_hex(struct writer *w, unsigned v, int digits)
{
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
        writer_u8(w, (uint8_t) "0123456789abcdef"[v >> shift & 15]);
}

static void put_name(struct writer *w, uint8_t node, uint16_t shard)
{
    put_text(w, BEFORE_NODE);
    put_hex(w, node, 2);
    put_text(w, BEFORE_SHARD);
    put_hex(w, shard, 4);
    put_text(w, AFTER);
}

void crl_url_put(struct writer *w, const char *plain_url, uint8_t node, uint16_t shard)
{
    put_text(w, plain_url);
    put_text(w, CRL_PATH);
    put_name(w, node, shard);
}

bool crl_name_get(const char *name, uint8_t *node, uint16_t *shard)
{
    static const size_t node_at = sizeof BEFORE_NODE - 1, shard_at = sizeof BEFORE_NODE BEFORE_SHARD - 1 + 2;
    uint8_t again[64];
    struct writer w = WRITER_ARRAY(again);
    size_t n = strlen(name);
    *node = n > node_at ? (uint8_t)strtoul(name + node_at, NULL, 16) : 0;
    *shard = n > shard_at ? (uint16_t)strtoul(name + shard_at, NULL, 16) : 0;
    put_name(&w, *node, *shard);
    return slice_eq(writer_slice(&w), slice_str(name));
}
