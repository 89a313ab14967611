/* The checks of `kith doctor`, each one function of a row, and what they all say with. */
#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>

void doctor_fine(struct doctor_finding *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->detail, sizeof f->detail, fmt, ap);
    va_end(ap);
}

void doctor_skip(struct doctor_finding *f, const char *why)
{
    f->skipped = true;
    doctor_fine(f, "%s", why);
}

void doctor_bad(struct doctor_finding *f, const char *hint, const char *fmt, ...)
{
    va_list ap;
    f->failed = true;
    snprintf(f->hint, sizeof f->hint, "%s", hint ? hint : "");
    va_start(ap, fmt);
    vsnprintf(f->detail, sizeof f->detail, fmt, ap);
    va_end(ap);
}

void doctor_bad_err(struct doctor_finding *f, const struct err *e, const char *hint)
{
    doctor_bad(f, e->hint[0] ? e->hint : hint, "%s", e->what);
}

const char *doctor_path(struct doctor *d, const char *name)
{
    const char *p = settings_path(d->s, &d->cli->arena, name);
    return p ? p : "";
}

const struct doctor_check doctor_checks[] = {
    {"clock", "not before what the ledger has seen", .run = doctor_check_clock},
    {"entropy", "the kernel's randomness", .run = doctor_check_entropy},
    {"crypto", "OpenSSL, and which newer algorithms it has", .run = doctor_check_crypto},
    {"sandbox", "Landlock and seccomp", .run = doctor_check_sandbox},
    {"disk", "room for ledger and journals", .run = doctor_check_disk},
    {"settings", "kith.conf: values that go together, and with what init made", .run = doctor_check_settings},
    {"permissions", "directories, keys and journals closed to others", .run = doctor_check_permissions},
    {"passphrase", "the file that opens the keys", .run = doctor_check_passphrase},
    {"token", "the PKCS#11 token", .run = doctor_check_token},
    {"keys", "each opens, signs, and is the one that the platform was set up with", .run = doctor_check_keys},
    {"roster", "profiles as the signer was set up with", .run = doctor_check_roster},
    {"signers", "each would start: its keys, its roster, the whole of its journal", .run = doctor_check_signers},
    {"root", "the root's certificate", .run = doctor_check_root},
    {"issuing", "the issuing CA's certificate", .run = doctor_check_issuing},
    {"root-crl", "the root's CRL", .run = doctor_check_root_crl},
    {"database", "opens, its schema, its integrity, as new as the signers and they as it",
     .run = doctor_check_database},
    {"ports", "free, or answering while the server runs", .run = doctor_check_ports},
    {"server", "the running server", .run = doctor_check_socket, .as_asker = true},
};
const size_t doctor_checks_n = ARRAY_LEN(doctor_checks);
