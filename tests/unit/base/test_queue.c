#include "../test.h"

#include <pthread.h>
#include <unistd.h>

#include "base/queue.h"

static void bounds_what_waits(void **state)
{
    (void)state;
    struct err e = {0};
    int items[4];
    AUTO(queue_free_auto) struct queue *q = NULL;
    assert_ok(queue_new(3, &q, &e), e);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            assert_true(queue_put(q, &items[i]));
        assert_false(queue_put(q, &items[3]));
        for (int i = 0; i < 3; i++)
            assert_ptr_equal(queue_take(q), &items[i]);
    }
    assert_true(queue_put(q, &items[0]));
    queue_close(q);
    assert_false(queue_put(q, &items[1]));
    assert_ptr_equal(queue_take(q), &items[0]);
    assert_null(queue_take(q));
    struct queue *none;
    assert_err(queue_new(0, &none, &e), e, ERR_INTERNAL);
    assert_null(none);
}

#define THREADS 4
#define EACH    20000

struct worker {
    struct queue *q;
    uintptr_t base;
    size_t n;
    uint64_t sum;
};

static void *produce(void *arg)
{
    struct worker *p = arg;
    for (uintptr_t i = 1; i <= EACH; i++)
        while (!queue_put(p->q, (void *)(p->base + i)))
            usleep(50);
    return NULL;
}

/* What one taker gets of one producer comes in order. */
static void *consume(void *arg)
{
    struct worker *c = arg;
    uintptr_t item, last[THREADS] = {0};
    for (; (item = (uintptr_t)queue_take(c->q)); c->n++, c->sum += item) {
        uintptr_t *before = &last[item >> 20];
        if (item <= *before)
            return NULL;
        *before = item;
    }
    return c;
}

static void loses_nothing_among_threads(void **state)
{
    (void)state;
    struct err e = {0};
    pthread_t put[THREADS], take[THREADS];
    struct worker p[THREADS], c[THREADS];
    uint64_t n = 0, sum = 0, want = 0;
    AUTO(queue_free_auto) struct queue *q = NULL;
    assert_ok(queue_new(64, &q, &e), e);
    for (size_t i = 0; i < THREADS; i++) {
        p[i] = (struct worker){.q = q, .base = i << 20};
        c[i] = (struct worker){.q = q};
        want += (uint64_t)EACH * p[i].base + (uint64_t)EACH * (EACH + 1) / 2;
        assert_int_equal(pthread_create(&take[i], NULL, consume, &c[i]), 0);
        assert_int_equal(pthread_create(&put[i], NULL, produce, &p[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(put[i], NULL);
    queue_close(q);
    for (size_t i = 0; i < THREADS; i++) {
        void *in_order;
        pthread_join(take[i], &in_order);
        assert_non_null(in_order);
        n += c[i].n;
        sum += c[i].sum;
    }
    assert_int_equal(n, THREADS * EACH);
    assert_int_equal(sum, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_what_waits),
        cmocka_unit_test(loses_nothing_among_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
