#include "model/topics.h"

#include "model/feed.h"

#include <stdlib.h>

struct line {
    bool publish, subscribe;
    struct slice pattern;
    struct slice only_model;           /* empty: any */
    struct slice only_tag, only_value; /* empty: any */
};

struct topics {
    uint8_t *text;
    size_t n;
    struct line lines[TOPICS_LINES];
};

/* ---- levels ---- */

struct levels {
    struct slice rest;
    bool more;
};

static struct levels levels_of(struct slice s)
{
    return (struct levels){s, true};
}

static bool level_next(struct levels *l, struct slice *out)
{
    *out = (struct slice){0};
    if (!l->more)
        return false;
    const uint8_t *slash = l->rest.n ? memchr(l->rest.p, '/', l->rest.n) : NULL;
    size_t n = slash ? (size_t)(slash - l->rest.p) : l->rest.n;
    *out = slice_of(l->rest.p, n);
    l->more = slash != NULL;
    if (slash)
        l->rest = slice_of(slash + 1, l->rest.n - n - 1);
    return true;
}

static bool is(struct slice level, char c)
{
    return level.n == 1 && level.p[0] == c;
}

static bool topic_bytes_ok(struct slice s)
{
    size_t slashes = 0;
    if (!s.n || s.n > TOPIC_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
        slashes += s.p[i] == '/';
    }
    return slashes < TOPIC_LEVELS;
}

bool topic_name_ok(struct slice topic)
{
    return topic_bytes_ok(topic) && !memchr(topic.p, '+', topic.n) && !memchr(topic.p, '#', topic.n);
}

bool topic_filter_ok(struct slice filter)
{
    if (!topic_bytes_ok(filter))
        return false;
    struct levels l = levels_of(filter);
    struct slice level;
    while (level_next(&l, &level)) {
        bool wild = level.n && (memchr(level.p, '+', level.n) || memchr(level.p, '#', level.n));
        if (wild && level.n != 1)
            return false;
        if (is(level, '#') && l.more)
            return false;
    }
    return true;
}

/* One walk for both: a topic is a filter without wildcards.  Level by level the pattern has to admit at least what the
 * filter admits. */
static bool covers(struct slice pattern, struct slice filter)
{
    struct levels pl = levels_of(pattern), fl = levels_of(filter);
    struct slice p, f;
    for (bool first = true;; first = false) {
        bool have_p = level_next(&pl, &p), have_f = level_next(&fl, &f);
        if (!have_p)
            return !have_f;
        /* MQTT 5.0 section 4.7.2: a leading wildcard does not match '$'. */
        if (first && have_f && f.n && f.p[0] == '$' && (is(p, '#') || is(p, '+')))
            return false;
        if (is(p, '#'))
            return true; /* the parent level, too: section 4.7.1.2 */
        if (!have_f || is(f, '#'))
            return false;
        if (is(p, '+'))
            continue;
        if (is(f, '+') || !slice_eq(p, f))
            return false;
    }
}

bool topic_matches(struct slice pattern, struct slice topic)
{
    return topic_name_ok(topic) && covers(pattern, topic);
}

bool topic_covers(struct slice pattern, struct slice filter)
{
    return topic_filter_ok(filter) && covers(pattern, filter);
}

/* ---- substitution ---- */

static bool value_ok(struct slice v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] < 0x20 || v.p[i] == 0x7f || v.p[i] == '/' || v.p[i] == '+' || v.p[i] == '#')
            return false;
    return v.n && v.p[0] != '$';
}

/* Takes "{tag:NAME}" from the front of s. */
static bool tag_ref(struct slice *s, struct slice *name)
{
    static const char head[] = "{tag:";
    const size_t n = sizeof head - 1;
    if (s->n <= n || memcmp(s->p, head, n) != 0)
        return false;
    const uint8_t *end = memchr(s->p, '}', s->n);
    if (!end || end == s->p + n)
        return false;
    *name = slice_of(s->p + n, (size_t)(end - s->p) - n);
    *s = slice_of(end + 1, s->n - (size_t)(end + 1 - s->p));
    return true;
}

/* The value that stands behind '%'; false if there is none for this device, *known false if there is no such word. */
static bool word_value(struct slice *s, const struct topics_who *who, struct slice *value, bool *known)
{
    struct slice name;
    *known = true;
    if (tag_ref(s, &name))
        return feed_tag_find(who->tags, name, value) && value_ok(*value);
    uint8_t c = s->n ? s->p[0] : 0;
    *known = c == 'i' || c == 'm' || c == '%';
    if (!*known)
        return false;
    *value = c == 'i' ? who->device : c == 'm' ? who->model : slice_of(s->p, 1);
    *s = slice_of(s->p + 1, s->n - 1);
    return c == '%' || value_ok(*value);
}

static bool pattern_fill(struct slice pattern, const struct topics_who *who, uint8_t out[TOPIC_MAX], struct slice *got)
{
    struct writer w = writer_of(out, TOPIC_MAX);
    for (struct slice s = pattern; s.n;) {
        if (s.p[0] != '%') {
            writer_u8(&w, s.p[0]);
            s = slice_of(s.p + 1, s.n - 1);
            continue;
        }
        s = slice_of(s.p + 1, s.n - 1);
        struct slice value;
        bool known;
        if (!word_value(&s, who, &value, &known))
            return false;
        writer_put(&w, value);
    }
    return writer_done(&w, got);
}

/* ---- the text ---- */

static struct slice word_take(struct slice *s)
{
    size_t i = 0, n;
    while (i < s->n && (s->p[i] == ' ' || s->p[i] == '\t' || s->p[i] == '\r'))
        i++;
    for (n = 0; i + n < s->n && s->p[i + n] != ' ' && s->p[i + n] != '\t' && s->p[i + n] != '\r'; n++)
        ;
    struct slice word = slice_of(s->p + i, n);
    *s = slice_of(s->p + i + n, s->n - i - n);
    return word;
}

static bool cut(struct slice word, struct slice prefix, struct slice *rest)
{
    if (!slice_take_prefix(&word, prefix) || !word.n)
        return false;
    *rest = word;
    return true;
}

static bool condition_read(struct slice word, struct line *l)
{
    struct slice tag;
    if (!l->only_model.n && cut(word, SLICE_LIT("model="), &l->only_model))
        return true;
    if (l->only_tag.n || !cut(word, SLICE_LIT("tag:"), &tag))
        return false;
    const uint8_t *eq = memchr(tag.p, '=', tag.n);
    if (!eq || eq == tag.p || eq + 1 == tag.p + tag.n)
        return false;
    l->only_tag = slice_of(tag.p, (size_t)(eq - tag.p));
    l->only_value = slice_of(eq + 1, tag.n - l->only_tag.n - 1);
    return true;
}

/* Fills it with stand-ins, to see that the words exist and that wildcards stand where they may. */
static bool pattern_ok(struct slice pattern)
{
    uint8_t out[TOPIC_MAX];
    size_t n = 0;
    for (struct slice s = pattern; s.n; n++) {
        if (n == sizeof out)
            return false;
        out[n] = s.p[0];
        bool percent = s.p[0] == '%';
        s = slice_of(s.p + 1, s.n - 1);
        if (!percent)
            continue;
        struct slice value, x = SLICE_LIT("x");
        bool known;
        (void)word_value(&s, &(struct topics_who){.device = x, .model = x}, &value, &known);
        if (!known)
            return false;
        out[n] = 'x';
    }
    return topic_filter_ok(slice_of(out, n));
}

static bool line_read(struct slice text, struct line *l, struct err *e)
{
    struct slice what = word_take(&text);
    *l = (struct line){.publish = slice_eq(what, SLICE_LIT("publish")),
                       .subscribe = slice_eq(what, SLICE_LIT("subscribe"))};
    if (slice_eq(what, SLICE_LIT("both")))
        l->publish = l->subscribe = true;
    if (!l->publish && !l->subscribe)
        return err_set(e, ERR_CONFIG, "\"%s\" is none of publish, subscribe, both", ERR_QUOTE(what));
    l->pattern = word_take(&text);
    if (!pattern_ok(l->pattern))
        return err_set(e, ERR_CONFIG, "\"%s\" is no topic pattern", ERR_QUOTE(l->pattern));
    for (struct slice word; (word = word_take(&text)).n;)
        if (!condition_read(word, l))
            return err_set(e, ERR_CONFIG, "\"%s\" is none of model=NAME, tag:NAME=VALUE", ERR_QUOTE(word));
    return true;
}

static bool lines_read(struct topics *t, struct slice text, struct err *e)
{
    for (unsigned no = 1; text.n; no++) {
        struct slice line = slice_take_line(&text);
        struct slice probe = line, first = word_take(&probe);
        if (!first.n || first.p[0] == '#')
            continue;
        if (t->n == TOPICS_LINES)
            return err_set(e, ERR_LIMIT, "topic policy: more than %d lines", TOPICS_LINES);
        if (!line_read(line, &t->lines[t->n++], e))
            return err_ctx(e, "topic policy, line %u", no);
    }
    return true;
}

bool topics_read(struct slice text, struct topics **out, struct err *e)
{
    *out = NULL;
    if (text.n > TOPICS_TEXT_MAX)
        return err_set(e, ERR_LIMIT, "topic policy of %zu bytes; the most is %u", text.n, TOPICS_TEXT_MAX);
    struct topics *t = calloc(1, sizeof *t);
    if (!t || !(t->text = malloc(text.n + 1))) {
        free(t);
        return err_set(e, ERR_NOMEM, "topic policy of %zu bytes", text.n);
    }
    if (text.n)
        memcpy(t->text, text.p, text.n);
    if (!lines_read(t, slice_of(t->text, text.n), e)) {
        topics_free(t);
        return false;
    }
    *out = t;
    return true;
}

void topics_free(struct topics *t)
{
    if (t)
        free(t->text);
    free(t);
}

static bool line_is_for(const struct line *l, const struct topics_who *who)
{
    struct slice value;
    if (l->only_model.n && !slice_eq(l->only_model, who->model))
        return false;
    return !l->only_tag.n || (feed_tag_find(who->tags, l->only_tag, &value) && slice_eq(value, l->only_value));
}

bool topics_may(const struct topics *t, const struct topics_who *who, struct slice topic, enum gate_right right,
                struct err *e)
{
    static const char *const verb[] = {"publish to", "subscribe to", "receive"};
    uint8_t filled[TOPIC_MAX];
    struct slice pattern;
    bool ok = right == GATE_SUBSCRIBE ? topic_filter_ok(topic) : topic_name_ok(topic);
    for (size_t i = 0; ok && t && i < t->n; i++) {
        const struct line *l = &t->lines[i];
        if ((right == GATE_PUBLISH ? l->publish : l->subscribe) && line_is_for(l, who) &&
            pattern_fill(l->pattern, who, filled, &pattern) && covers(pattern, topic))
            return true;
    }
    err_set(e, ERR_GATE_TOPIC, "%s may not %s \"%s\"", ERR_QUOTE(who->device), verb[right], ERR_QUOTE(topic));
    return err_why(e, ok ? t ? "no topic pattern covers it" : "the platform has sent no topic policy"
                         : "MQTT 5.0 section 4.7: not a topic");
}
