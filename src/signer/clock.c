/* The signer's own count of time, and the wall clock beside it (signer/domain.h). */
#include "base/log.h"
#include "core/cbor.h"
#include "signer/domain.h"

/* A running clock is wrong when it leaves what is counted; one at the start when it is before the last signature, or after
 * more time than a platform is ever off.  The count begins anew from the wall clock once a day and not at each agreement, so
 * that a clock in small steps goes no further in a day than in one. */
#define CLOCK_LEAP_S     3600
#define CLOCK_TAKE_S     86400
#define CLOCK_OFF_DUTY_S (31 * 86400)

static int64_t counted(const struct domain *d)
{
    return d->counted_s + (env_mono_ms(d->env) - d->counted_mono_ms) / 1000;
}

static void take_clock(struct domain *d, int64_t now)
{
    d->counted_s = now;
    d->counted_mono_ms = env_mono_ms(d->env);
}

void domain_start_clock(struct domain *d)
{
    int64_t wall = env_now_s(d->env);
    bool far = d->last_time && (wall < d->last_time - CLOCK_LEAP_S || wall > d->last_time + CLOCK_OFF_DUTY_S);
    take_clock(d, far ? d->last_time : wall);
    domain_clock(d);
}

bool domain_accept_clock(struct domain *d, struct err *e)
{
    uint8_t record[32];
    struct writer w = WRITER_ARRAY(record);
    int64_t wall = env_now_s(d->env);
    cbor_put_array(&w, 2);
    cbor_put_uint(&w, JOURNAL_CLOCK);
    cbor_put_int(&w, wall);
    if (!journal_append(d->journal, writer_slice(&w), e) || !journal_sync(d->journal, e))
        return false;
    LOG(d->env, WARN, "signer", "the clock is right, says who started this", log_str("domain", d->name),
        log_int("last_signed_at", d->last_time), log_int("now", wall));
    d->last_time = wall;
    d->clock_off_s = 0;
    take_clock(d, wall);
    return true;
}

int64_t domain_clock(struct domain *d)
{
    int64_t wall = env_now_s(d->env), own = counted(d), off = wall - own;
    bool was_off = d->clock_off_s != 0;
    if (off <= CLOCK_LEAP_S && off >= -CLOCK_LEAP_S) {
        d->clock_off_s = 0;
        if (env_mono_ms(d->env) - d->counted_mono_ms >= CLOCK_TAKE_S * 1000)
            take_clock(d, wall);
        own = wall;
    } else {
        d->clock_off_s = off;
    }
    if (was_off != (d->clock_off_s != 0))
        LOG(d->env, WARN, "signer", was_off ? "the clock is back" : "the clock left the time that is counted here",
            log_str("domain", d->name), log_int("off_s", off));
    return own;
}

bool domain_check_clock(struct domain *d, struct err *e)
{
    domain_clock(d);
    if (!d->clock_off_s)
        return true;
    err_set(e, ERR_CLOCK, "the clock is %lld s from the time that the signer counts", (long long)d->clock_off_s);
    return err_try(e, "set the clock; if it is right, start kithd once with --accept-clock");
}

int64_t domain_now(struct domain *d)
{
    int64_t now = domain_clock(d);
    if (now > d->last_time)
        d->last_time = now;
    return d->last_time;
}
