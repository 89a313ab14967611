#include "../test.h"

#include <pthread.h>
#include <unistd.h>

#include "base/queue.h"

static void bounds_what_waits(void **state)
{
    (void)state;
    struct err e = {0};
    int items[4];
    void *got[4];
    AUTO(queue_free_auto) struct queue *q = NULL;
    assert_ok(queue_new(3, &q, &e), e);
    assert_int_equal(queue_wait(q, got, 4, 1), 0);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            assert_true(queue_put(q, &items[i]));
        assert_false(queue_put(q, &items[3]));
        assert_int_equal(queue_take(q, got, 2), 2);
        assert_ptr_equal(got[0], &items[0]);
        assert_ptr_equal(got[1], &items[1]);
        assert_int_equal(queue_wait(q, got, 4, 1000), 1);
        assert_ptr_equal(got[0], &items[2]);
    }
    assert_true(queue_put(q, &items[0]));
    queue_close(q);
    assert_false(queue_put(q, &items[1]));
    assert_int_equal(queue_wait(q, got, 4, 1000), 1);
    assert_int_equal(queue_wait(q, got, 4, -1), 0);
    struct queue *none;
    assert_err(queue_new(0, &none, &e), e, ERR_INTERNAL);
    assert_null(none);
}

#define THREADS 4
#define EACH    20000

struct producer {
    struct queue *q;
    uintptr_t base;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (uintptr_t i = 1; i <= EACH; i++)
        while (!queue_put(p->q, (void *)(p->base + i)))
            usleep(50);
    return NULL;
}

static void loses_nothing_among_threads(void **state)
{
    (void)state;
    struct err e = {0};
    pthread_t t[THREADS];
    struct producer p[THREADS];
    uintptr_t last[THREADS] = {0};
    AUTO(queue_free_auto) struct queue *q = NULL;
    assert_ok(queue_new(64, &q, &e), e);
    for (size_t i = 0; i < THREADS; i++) {
        p[i] = (struct producer){.q = q, .base = i << 20};
        assert_int_equal(pthread_create(&t[i], NULL, produce, &p[i]), 0);
    }
    for (size_t seen = 0; seen < THREADS * EACH;) {
        void *items[16];
        size_t n = queue_wait(q, items, 16, 10000);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++, seen++) {
            uintptr_t who = (uintptr_t)items[i] >> 20, no = (uintptr_t)items[i] & 0xfffff;
            assert_int_equal(no, last[who] + 1);
            last[who] = no;
        }
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(queue_wait(q, &(void *){NULL}, 1, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_what_waits),
        cmocka_unit_test(loses_nothing_among_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
