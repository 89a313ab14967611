/* Figures of the gateway's set at 1 % of 1 M certificates: bytes a revoked certificate, and a look-up.  Bare: the bytes that
 * information theory asks for, log2 C(N, r) / 8, and a binary search among the sorted indexes.
 *
 *     bench_revset */
#include <math.h>
#include <stdlib.h>

#include "core/revset.h"
#include "kit.h"

#define UNIVERSE 1000000
#define REVOKED  10000
#define LOOKUPS  20000000

/* xorshift: the same set in each run */
static uint32_t next(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

static size_t fill(uint32_t *sorted)
{
    static bool in[UNIVERSE];
    uint32_t x = 2463534242u;
    size_t n = 0;
    for (size_t i = 0; i < REVOKED; i++) {
        uint32_t v = next(&x) % UNIVERSE;
        while (in[v])
            v = next(&x) % UNIVERSE;
        in[v] = true;
    }
    for (uint32_t v = 0; v < UNIVERSE; v++)
        if (in[v])
            sorted[n++] = v;
    return n;
}

static bool search(const uint32_t *v, size_t n, uint32_t key)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (v[mid] < key)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < n && v[lo] == key;
}

int main(void)
{
    static uint32_t sorted[REVOKED];
    static uint8_t bytes[1 << 20];
    struct writer w = WRITER_ARRAY(bytes);
    struct revset set;
    struct err e;
    size_t n = fill(sorted), hits = 0, bare_hits = 0;
    if (!revset_build(sorted, n, UNIVERSE, &w, &e) || !revset_open(writer_slice(&w), &set, &e))
        kit_die("revset");
    double bound = (lgamma(UNIVERSE + 1.0) - lgamma(REVOKED + 1.0) - lgamma(UNIVERSE - REVOKED + 1.0)) / log(2) / 8;
    kit_print("set_bytes", (double)w.n / REVOKED, "B", bound / REVOKED, "log2 C(N,r)", (double)w.n / bound, "<= 1.15");
    uint32_t x = 88172645;
    double start = kit_cpu_s();
    for (size_t i = 0; i < LOOKUPS; i++)
        hits += revset_has(&set, next(&x) % UNIVERSE);
    double took = (kit_cpu_s() - start) / LOOKUPS;
    x = 88172645;
    start = kit_cpu_s();
    for (size_t i = 0; i < LOOKUPS; i++)
        bare_hits += search(sorted, n, next(&x) % UNIVERSE);
    double bare = (kit_cpu_s() - start) / LOOKUPS;
    if (hits != bare_hits)
        kit_die("the set and the list differ");
    kit_print("set_lookup", took * 1e9, "ns", bare * 1e9, "binary search", took / bare, "<= 300");
    return 0;
}
