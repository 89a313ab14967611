/* A policy text, a zero byte, a filter: whoever may subscribe to a filter may receive what it matches. */
#include "fuzz.h"

#include "model/topics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
    struct slice text = slice_of(data, zero ? (size_t)(zero - data) : size), topic = {0};
    if (zero)
        topic = slice_of(zero + 1, size - text.n - 1);
    (void)topic_matches(text, topic);
    if (topic_name_ok(topic) && topic_covers(text, topic) != topic_matches(text, topic))
        __builtin_trap();
    const struct topics_who who = {SLICE_LIT("dev_1"), SLICE_LIT("m"), {0}};
    struct topics *t;
    struct err e = {0};
    if (!topics_read(text, &t, &e))
        return 0;
    bool sub = topics_may(t, &who, topic, GATE_SUBSCRIBE, &e), read = topics_may(t, &who, topic, GATE_READ, &e);
    (void)!topics_may(t, &who, topic, GATE_PUBLISH, &e);
    if (topic_name_ok(topic) && sub != read)
        __builtin_trap();
    topics_free(t);
    return 0;
}
