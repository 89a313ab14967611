#include "model/device.h"

static const char *const names[DEVICE_STATES + 1] = {
    [DEVICE_NONE] = "none",           [DEVICE_ORDERED] = "ordered",         [DEVICE_MADE] = "made",
    [DEVICE_SHIPPED] = "shipped",     [DEVICE_CLAIMED] = "claimed",         [DEVICE_ACTIVE] = "active",
    [DEVICE_SUSPENDED] = "suspended", [DEVICE_QUARANTINED] = "quarantined", [DEVICE_RETIRED] = "retired",
    [DEVICE_REVOKED] = "revoked",     [DEVICE_SCRAPPED] = "scrapped",
};

#define TO(s) (1u << DEVICE_##s)
#define ENDS  (TO(RETIRED) | TO(REVOKED) | TO(SCRAPPED))

/* The one table of legal transitions. */
static const unsigned next[DEVICE_STATES] = {
    [DEVICE_NONE] = TO(ORDERED) | TO(CLAIMED),
    [DEVICE_ORDERED] = TO(MADE) | TO(SCRAPPED),
    [DEVICE_MADE] = TO(SHIPPED) | TO(CLAIMED) | ENDS,
    [DEVICE_SHIPPED] = TO(CLAIMED) | ENDS,
    [DEVICE_CLAIMED] = TO(ACTIVE) | TO(SUSPENDED) | TO(QUARANTINED) | ENDS,
    [DEVICE_ACTIVE] = TO(SUSPENDED) | TO(QUARANTINED) | ENDS,
    [DEVICE_SUSPENDED] = TO(ACTIVE) | TO(CLAIMED) | ENDS,
    [DEVICE_QUARANTINED] = TO(ACTIVE) | TO(CLAIMED) | TO(SUSPENDED) | ENDS,
};

const char *device_state_name(enum device_state s)
{
    return (unsigned)s < DEVICE_STATES ? names[s] : "none";
}

const char *const *device_state_names(void)
{
    return names + 1;
}

enum device_state device_state_from_name(const char *name)
{
    for (unsigned s = 1; s < DEVICE_STATES; s++)
        if (strcmp(names[s], name) == 0)
            return (enum device_state)s;
    return DEVICE_NONE;
}

bool device_transition(enum device_state from, enum device_state to, struct err *e)
{
    if ((unsigned)from < DEVICE_STATES && (unsigned)to < DEVICE_STATES && next[from] & 1u << to)
        return true;
    err_set(e, ERR_DEVICE_STATE, "a device that is %s cannot become %s", device_state_name(from),
            device_state_name(to));
    if (device_state_is_permanent(from))
        err_why(e, "%s is permanent", device_state_name(from));
    else
        err_why(e, "no step leads from the one to the other");
    return err_try(e, "kith device show, to see its state and history");
}

bool device_state_is_permanent(enum device_state s)
{
    return s == DEVICE_RETIRED || s == DEVICE_REVOKED || s == DEVICE_SCRAPPED;
}

bool device_refuse_gone(const char *id, enum device_state s, struct err *e)
{
    err_set(e, ERR_TOMBSTONE, "device %s is %s", id, device_state_name(s));
    err_why(e, "that is for good: no door lets it in again");
    return err_try(e, "kith device add, with a serial number of its own for the new device");
}

bool device_may_enrol(enum device_state s)
{
    return s == DEVICE_CLAIMED || s == DEVICE_ACTIVE;
}

bool device_may_renew(enum device_state s)
{
    return s == DEVICE_ACTIVE;
}

bool device_may_connect(enum device_state s)
{
    return s == DEVICE_ACTIVE;
}

bool label_check(const char *what, struct slice name, size_t max, struct err *e)
{
    static const char marks[] = "._:/+-@";
    bool ok = name.n >= 1 && name.n <= max && name.p[0] != ' ' && name.p[name.n - 1] != ' ';
    for (size_t i = 0; ok && i < name.n; i++) {
        uint8_t c = name.p[i];
        ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' ||
             memchr(marks, c, sizeof marks - 1);
    }
    if (ok)
        return true;
    err_set(e, ERR_NAME, "%s \"%s\" cannot be used", what, ERR_QUOTE(name));
    err_why(e, "1 to %zu letters, digits, inner spaces or any of %s", max, marks);
    return err_try(e, "another %s, such as pump-7.north", what);
}

bool name_check(const char *what, struct slice name, size_t max, struct err *e)
{
    if (!label_check(what, name, max, e))
        return false;
    if (name.p[0] != '-')
        return true;
    err_set(e, ERR_NAME, "%s \"%s\" cannot be used", what, ERR_QUOTE(name));
    err_why(e, "with '-' at the beginning a command would take it for an option");
    return err_try(e, "another %s, such as pump-7.north", what);
}

bool party_name_check(const char *what, struct slice name, size_t max, struct err *e)
{
    if (!name_check(what, name, max, e))
        return false;
    if (name.p[0] != '.' && !memchr(name.p, '/', name.n))
        return true;
    err_set(e, ERR_NAME, "%s \"%s\" cannot be used", what, ERR_QUOTE(name));
    err_why(e, "it becomes a directory's name: no '/', and no '.' at the beginning");
    return err_try(e, "another %s, such as pump-7.north", what);
}
