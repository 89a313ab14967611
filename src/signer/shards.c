#include "signer/shards.h"

#include <stdlib.h>

#include "core/revset.h"

void shards_clear(struct shards *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->v[i].revoked.words);
        free(s->v[i].held.words);
    }
    free(s->v);
    *s = (struct shards){0};
}

static int order(const struct shard *s, uint8_t node, uint16_t number)
{
    int a = s->node << 16 | s->number, b = node << 16 | number;
    return (a > b) - (a < b);
}

/* The place where (node, number) is or belongs. */
static size_t place(const struct shards *s, uint8_t node, uint16_t number)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (order(&s->v[mid], node, number) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct shard *shards_find(const struct shards *s, uint8_t node, uint16_t number)
{
    size_t i = place(s, node, number);
    return i < s->n && order(&s->v[i], node, number) == 0 ? &s->v[i] : NULL;
}

struct shard *shards_need(struct shards *s, uint8_t node, uint16_t number)
{
    size_t i = place(s, node, number);
    if (i < s->n && order(&s->v[i], node, number) == 0)
        return &s->v[i];
    if (s->n == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 16;
        struct shard *v = reallocarray(s->v, cap, sizeof *v);
        if (!v)
            return NULL;
        s->v = v;
        s->cap = cap;
    }
    memmove(&s->v[i + 1], &s->v[i], (s->n - i) * sizeof *s->v);
    s->n++;
    s->v[i] = (struct shard){.node = node, .number = number, .stale = true};
    return &s->v[i];
}

bool shard_is_live(const struct shard *s, int64_t now)
{
    return s->universe && shard_end(s->number) >= now;
}

bool bits_has(const struct bits *b, uint32_t i)
{
    return i / 64 < b->cap && b->words[i / 64] >> (i % 64) & 1;
}

bool bits_set(struct bits *b, uint32_t i, bool *ok)
{
    uint32_t word = i / 64;
    if (bits_has(b, i))
        return false;
    if (word >= b->cap) {
        uint32_t cap = word < 64 ? 64 : word + word / 2 + 1;
        uint64_t *words = reallocarray(b->words, cap, sizeof *words);
        if (!words) {
            *ok = false;
            return false;
        }
        memset(words + b->cap, 0, (cap - b->cap) * sizeof *words);
        b->words = words;
        b->cap = cap;
    }
    b->words[word] |= 1ull << (i % 64);
    b->count++;
    return true;
}

bool bits_unset(struct bits *b, uint32_t i)
{
    if (!bits_has(b, i))
        return false;
    b->words[i / 64] &= ~(1ull << (i % 64));
    b->count--;
    return true;
}

uint32_t bits_next(const struct bits *b, uint32_t i)
{
    uint32_t word = i / 64;
    if (word >= b->cap)
        return UINT32_MAX;
    uint64_t w = b->words[word] & ~0ull << (i % 64);
    while (w == 0) {
        if (++word == b->cap)
            return UINT32_MAX;
        w = b->words[word];
    }
    return word * 64 + (uint32_t)__builtin_ctzll(w);
}

bool shard_encode_set(const struct shard *s, const struct bits *b, uint8_t **out, size_t *n, struct err *e)
{
    *out = NULL;
    *n = 0;
    uint32_t *sorted = malloc((b->count + 1) * sizeof *sorted);
    if (!sorted)
        return err_set(e, ERR_NOMEM, "set of %u", b->count);
    size_t count = 0;
    for (uint32_t i = bits_next(b, 0); i != UINT32_MAX && count < b->count; i = bits_next(b, i + 1))
        sorted[count++] = i;
    struct writer w = writer_counting();
    bool ok = revset_build(sorted, count, s->universe, &w, e);
    uint8_t *bytes = ok ? malloc(w.n) : NULL;
    if (ok && !bytes)
        ok = err_set(e, ERR_NOMEM, "set of %zu bytes", w.n);
    if (ok) {
        w = writer_of(bytes, w.n);
        ok = revset_build(sorted, count, s->universe, &w, e);
    }
    free(sorted);
    if (!ok) {
        free(bytes);
        return false;
    }
    *out = bytes;
    *n = w.n;
    return true;
}

static bool digest_of(const struct shard *s, const struct bits *b, const struct crypto *crypto,
                      uint8_t digest[SHA256_SIZE], struct err *e)
{
    uint8_t *bytes;
    size_t n;
    if (!shard_encode_set(s, b, &bytes, &n, e))
        return false;
    struct slice set = slice_of(bytes, n);
    crypto->sha256(&set, 1, digest);
    free(bytes);
    return true;
}

bool shard_refresh(struct shard *s, const struct crypto *crypto, struct err *e)
{
    if (!s->stale)
        return true;
    if (!digest_of(s, &s->revoked, crypto, s->revoked_digest, e) || !digest_of(s, &s->held, crypto, s->held_digest, e))
        return false;
    s->stale = false;
    return true;
}
