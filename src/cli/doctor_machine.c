/* What `kith doctor` looks at on this machine: clock, randomness, libraries, sandbox, disks. */
#include <errno.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/file.h"
#include "base/rfc3339.h"
#include "base/sandbox.h"
#include "cli/doctor.h"

#define CLOCK_SLACK_S  60
#define DISK_LEAST_MIB 512

void doctor_check_clock(struct doctor *d, struct doctor_finding *f)
{
    struct timex t = {0};
    int64_t last;
    struct err ignored; /* the check of the database tells it */
    (void)!doctor_last_entry_at(d, &last, &ignored);
    bool synchronised = adjtimex(&t) != TIME_ERROR;
    if (last && d->now + CLOCK_SLACK_S < last)
        doctor_bad(f, "set the clock: timedatectl set-ntp true", "it is %s, but the ledger's last entry is of %s",
                   RFC3339(d->now), RFC3339(last));
    else
        doctor_fine(f, "%s%s", RFC3339(d->now),
                    synchronised ? "" : "; the kernel does not say that it is synchronised");
}

void doctor_check_entropy(struct doctor *d, struct doctor_finding *f)
{
    uint8_t b[16];
    struct err e;
    if (!env_random(&d->cli->env, b, sizeof b, &e))
        doctor_bad_err(f, &e, "rng-tools, or virtio-rng in a virtual machine");
    else
        doctor_fine(f, "the kernel gives random bytes");
}

void doctor_check_sandbox(struct doctor *d, struct doctor_finding *f)
{
    int abi = sandbox_landlock_abi();
    if (!d->s->sandbox)
        doctor_bad(f, "sandbox = yes in [server] of kith.conf", "it is off by configuration");
    else if (abi == 0)
        doctor_bad(f, "a kernel of 5.13 or later with landlock in its lsm= list",
                   "the kernel has no Landlock: files are not closed to server and signers");
    else if (d->s->hsm_module && d->s->hsm_network)
        doctor_fine(f, "Landlock version %d, seccomp; signers reach their token at %s%s", abi, d->s->hsm_network,
                    d->s->hsm_network[0] != '/' && abi < SANDBOX_ABI_PORTS
                        ? ", and this kernel cannot hold them to its port"
                        : "");
    else
        doctor_fine(f, "Landlock version %d, seccomp; signers reach no network", abi);
}

static bool has_room(const char *dir, uint64_t *least_mib, struct doctor_finding *f)
{
    struct statvfs v;
    if (!dir || !file_exists(dir))
        return true;
    if (statvfs(dir, &v) != 0) {
        doctor_bad(f, "look at that file system", "%s: %s", dir, strerror(errno));
        return false;
    }
    uint64_t mib = (uint64_t)v.f_bavail * v.f_frsize >> 20;
    *least_mib = mib < *least_mib ? mib : *least_mib;
    if (mib < DISK_LEAST_MIB)
        doctor_bad(f, "make room: nothing is issued when ledger and journals cannot be written", "%s: %llu MiB left",
                   dir, (unsigned long long)mib);
    else if (v.f_files && v.f_favail < 1000)
        doctor_bad(f, "remove files", "%s: %llu inodes left", dir, (unsigned long long)v.f_favail);
    return !f->failed;
}

/* They may be on file systems of their own. */
void doctor_check_disk(struct doctor *d, struct doctor_finding *f)
{
    uint64_t mib = UINT64_MAX;
    if (has_room(d->s->dir, &mib, f) && has_room(settings_database_dir(d->s, &d->cli->arena), &mib, f) &&
        has_room(doctor_path(d, PATH_SIGNERS "/issuing"), &mib, f) &&
        has_room(doctor_path(d, PATH_SIGNERS "/ledger"), &mib, f))
        doctor_fine(f, "%llu MiB left", (unsigned long long)mib);
}

void doctor_check_crypto(struct doctor *d, struct doctor_finding *f)
{
    static const char *const newer[] = {"ML-DSA-65", "ML-KEM-768", "SLH-DSA-SHA2-128s"};
    char found[100] = "";
    (void)d;
    for (size_t i = 0; i < ARRAY_LEN(newer); i++) {
        EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, newer[i], NULL);
        if (c)
            snprintf(found + strlen(found), sizeof found - strlen(found), " %s", newer[i]);
        EVP_PKEY_CTX_free(c);
    }
    doctor_fine(f, "%s; newer algorithms:%s", OpenSSL_version(OPENSSL_VERSION), found[0] ? found : " none");
}
