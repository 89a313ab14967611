#include "keys/p11_template.h"

#include <string.h>

#include "keys/p11.h"

#define WORD_MAX 48

/* Words of the configuration.  What only one half of a pair can have needs no prefix. */
static const struct {
    const char *word;
    enum p11_side side;
    CK_ATTRIBUTE_TYPE type;
} words[] = {
    {"private", P11_PRIVATE, CKA_PRIVATE},
    {"sensitive", P11_PRIVATE, CKA_SENSITIVE},
    {"extractable", P11_PRIVATE, CKA_EXTRACTABLE},
    {"sign", P11_PRIVATE, CKA_SIGN},
    {"sign_recover", P11_PRIVATE, CKA_SIGN_RECOVER},
    {"decrypt", P11_PRIVATE, CKA_DECRYPT},
    {"unwrap", P11_PRIVATE, CKA_UNWRAP},
    {"derive", P11_PRIVATE, CKA_DERIVE},
    {"modifiable", P11_PRIVATE, CKA_MODIFIABLE},
    {"always_authenticate", P11_PRIVATE, CKA_ALWAYS_AUTHENTICATE},
    {"verify", P11_PUBLIC, CKA_VERIFY},
    {"verify_recover", P11_PUBLIC, CKA_VERIFY_RECOVER},
    {"encrypt", P11_PUBLIC, CKA_ENCRYPT},
    {"wrap", P11_PUBLIC, CKA_WRAP},
    {"public_private", P11_PUBLIC, CKA_PRIVATE},
    {"public_modifiable", P11_PUBLIC, CKA_MODIFIABLE},
};

/* By the vendors' manuals; only SoftHSM2 and opencryptoki were at hand (doc/guide/hsm.md says so).
 *
 * generic: the order matters: a token that refuses is asked again with the first of these only, see p11_template_put().
 * nshield: card sets and softcards.  nshield-pool: accelerator slots hold no private objects.
 * luna: partitions keep to what was asked at generation; nothing may change later.
 * cloudhsm: CKA_PRIVATE has to be true for both halves. */
static const struct {
    const char *name, *text;
    unsigned steps;
} profiles[] = {
    {"generic", "sign=yes sensitive=yes extractable=no private=yes decrypt=no unwrap=no derive=no verify=yes", 2},
    {"nshield", "private=yes sensitive=yes extractable=no sign=yes unwrap=no derive=no verify=yes", 0},
    {"nshield-pool", "private=no sensitive=yes extractable=no sign=yes unwrap=no derive=no verify=yes", 0},
    {"luna",
     "private=yes sensitive=yes extractable=no modifiable=no sign=yes decrypt=no unwrap=no derive=no "
     "verify=yes encrypt=no wrap=no",
     0},
    {"cloudhsm", "private=yes sensitive=yes extractable=no sign=yes public_private=yes verify=yes", 0},
};

/* What a shorter generic template keeps of the private side: sign; with sensitive and extractable. */
static const size_t kept[] = {P11_TEMPLATE_MAX, 3, 1};

static void set(struct p11_template *t, size_t word, const CK_BBOOL *value)
{
    enum p11_side side = words[word].side;
    size_t i = 0;
    while (i < t->n[side] && t->row[side][i].type != words[word].type)
        i++;
    if (value) {
        t->row[side][i].type = words[word].type;
        t->row[side][i].value = *value;
        t->n[side] += i == t->n[side];
    } else if (i < t->n[side]) {
        memmove(&t->row[side][i], &t->row[side][i + 1], (t->n[side] - i - 1) * sizeof t->row[side][0]);
        t->n[side]--;
    }
}

/* name=yes, name=no, name=omit */
static bool apply(struct p11_template *t, const char *word, struct err *e)
{
    static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    const char *eq = strchr(word, '=');
    size_t n = eq ? (size_t)(eq - word) : 0;
    for (size_t i = 0; eq && i < ARRAY_LEN(words); i++) {
        if (strlen(words[i].word) != n || memcmp(words[i].word, word, n) != 0)
            continue;
        bool is_yes = strcmp(eq + 1, "yes") == 0, is_no = strcmp(eq + 1, "no") == 0;
        if (!is_yes && !is_no && strcmp(eq + 1, "omit") != 0)
            break;
        if ((words[i].type == CKA_SENSITIVE && is_no) || (words[i].type == CKA_EXTRACTABLE && is_yes)) {
            err_set(e, ERR_CONFIG, "hsm_template: \"%s\" would let the key leave the token",
                    ERR_QUOTE(slice_str(word)));
            return err_why(e, "PKCS#11 v2.40 section 4.9");
        }
        set(t, i, is_yes ? &yes : is_no ? &no : NULL);
        return true;
    }
    err_set(e, ERR_CONFIG, "hsm_template: \"%s\" is no attribute that can be set", ERR_QUOTE(slice_str(word)));
    return err_try(e, "a device first (generic, nshield, nshield-pool, luna, cloudhsm), then NAME=yes, =no or =omit");
}

/* The next word; words are parted by commas and spaces. */
static bool next(const char **at, char word[WORD_MAX], bool *too_long)
{
    *at += strspn(*at, ", \t");
    size_t n = strcspn(*at, ", \t");
    *too_long = n >= WORD_MAX;
    memcpy(word, *at, *too_long ? 0 : n);
    word[*too_long ? 0 : n] = 0;
    *at += n;
    return n > 0;
}

static bool apply_all(struct p11_template *t, const char *text, struct err *e)
{
    char word[WORD_MAX];
    bool too_long;
    while (next(&text, word, &too_long))
        if (too_long || !apply(t, word, e))
            return too_long ? err_set(e, ERR_CONFIG, "hsm_template: a word is too long") : false;
    return true;
}

bool p11_template_read(const char *text, struct p11_template *out, struct err *e)
{
    struct p11_template t = {0};
    const char *rest = text ? text : "";
    char first[WORD_MAX];
    bool too_long;
    size_t which = 0;
    *out = t;
    next(&rest, first, &too_long);
    bool named = first[0] && !strchr(first, '=');
    while (named && which < ARRAY_LEN(profiles) && strcmp(profiles[which].name, first) != 0)
        which++;
    if (which == ARRAY_LEN(profiles)) {
        err_set(e, ERR_CONFIG, "hsm_template: no device is known as \"%s\"", ERR_QUOTE(slice_str(first)));
        return err_try(e, "generic, nshield, nshield-pool, luna or cloudhsm");
    }
    if (!named)
        rest = text ? text : "";
    if (!apply_all(&t, profiles[which].text, e))
        return false;
    /* Who says what he wants gets that and nothing else. */
    t.steps = rest[strspn(rest, ", \t")] ? 0 : profiles[which].steps;
    if (!apply_all(&t, rest, e))
        return false;
    *out = t;
    return true;
}

bool p11_template_check(const char *text, struct err *e)
{
    struct p11_template ignored;
    return p11_template_read(text, &ignored, e);
}

CK_ULONG p11_template_put(const struct p11_template *tpl, enum p11_side side, unsigned step, CK_ATTRIBUTE *t)
{
    static const CK_BBOOL yes = CK_TRUE;
    size_t most = side == P11_PRIVATE ? kept[step] : step < 2 ? P11_TEMPLATE_MAX : 0;
    CK_ULONG n = 0;
    t[n++] = (CK_ATTRIBUTE){CKA_TOKEN, (void *)(uintptr_t)&yes, sizeof yes};
    for (size_t i = 0; i < tpl->n[side] && i < most; i++)
        t[n++] = (CK_ATTRIBUTE){tpl->row[side][i].type, (void *)(uintptr_t)&tpl->row[side][i].value, sizeof(CK_BBOOL)};
    return n;
}
