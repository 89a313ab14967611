/* Who may use which topic: the policy text of the feed, its patterns and how they are matched.
 *
 *     # what   pattern                     for which devices
 *     publish   t/%i/#
 *     subscribe c/%i/+/set                 model=thermo-1
 *     both      site/%{tag:line}/%i/#      tag:line=a7
 *
 * %i is the device id, %m its model, %{tag:NAME} a tag's value, %% a percent sign.  A value that is missing, empty or holds
 * '/', '+', '#' or a control character makes the line mean nothing for this device.  `subscribe` covers what is delivered,
 * too.  A subscription filter must be covered: each topic that it could match must be matched by one pattern.  Wildcards
 * do not reach into topics that begin with '$', and a shared subscription needs a pattern that begins with "$share/".
 * Nothing is allowed by default. */
#ifndef KITH_MODEL_TOPICS_H
#define KITH_MODEL_TOPICS_H

#include "core/err.h"
#include "core/slice.h"

enum gate_right { GATE_PUBLISH, GATE_SUBSCRIBE, GATE_READ }; /* topic, topic filter, topic */

#define TOPICS_TEXT_MAX (256u << 10)
#define TOPICS_LINES    256
#define TOPIC_MAX       1024
#define TOPIC_LEVELS    64

struct topics;

struct topics_who {
    struct slice device, model; /* model may be empty: not known */
    struct slice tags;          /* encoded map (model/feed.h), may be empty */
};

/* Errors: config (with the line), limit, out-of-memory. */
MUST_USE bool topics_read(struct slice text, struct topics **out, struct err *e);
void topics_free(struct topics *t);
/* Errors: gate-topic. */
MUST_USE bool topics_may(const struct topics *t, const struct topics_who *who, struct slice topic,
                         enum gate_right right, struct err *e);

/* Pure parts, for tests: does `pattern` (nothing to substitute) match a topic, cover a filter? */
bool topic_matches(struct slice pattern, struct slice topic);
bool topic_covers(struct slice pattern, struct slice filter);
/* MQTT 5.0 section 4.7: where wildcards may stand, no NUL, not empty. */
bool topic_name_ok(struct slice topic);
bool topic_filter_ok(struct slice filter);

#endif
