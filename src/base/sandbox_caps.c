#include "base/sandbox_caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PORT_PRIVILEGED 1024
#define MASK(cap)       (UINT64_C(1) << (cap))

static bool set_caps(uint64_t caps, struct err *e)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = (uint32_t)caps, .permitted = (uint32_t)caps},
        {.effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32)},
    };
    return syscall(SYS_capset, &h, d) == 0 || err_set(e, ERR_SANDBOX, "the kernel keeps the capabilities: %m");
}

static uint64_t held(void)
{
    struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capget, &h, d) == 0 ? (uint64_t)d[1].permitted << 32 | d[0].permitted : 0;
}

static uint64_t needed(const struct sandbox_policy *p)
{
    bool low = p->listen && p->any_bind;
    for (size_t i = 0; i < p->bind_n && p->listen; i++)
        low = low || p->bind_ports[i] < PORT_PRIVILEGED;
    return low ? MASK(CAP_NET_BIND_SERVICE) : 0;
}

bool sandbox_caps_drop(const struct sandbox_policy *p, struct err *e)
{
    /* What an execve() as root would bring back.  Without CAP_SETPCAP it stays, and is nothing: no_new_privs is set. */
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0UL, 0UL, 0UL) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0UL, 0UL, 0UL) != 0 && errno != EPERM)
            return err_set(e, ERR_SANDBOX, "the kernel keeps capability %lu: %m", cap);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0UL, 0UL, 0UL) != 0)
        return err_set(e, ERR_SANDBOX, "the kernel keeps the ambient capabilities: %m");
    return set_caps(held() & needed(p), e);
}

bool sandbox_caps_end_listening(struct err *e)
{
    return set_caps(0, e);
}
