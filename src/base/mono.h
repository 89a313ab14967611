/* The clock that never goes back, for waits and rates.  What it says decides nothing that is recorded: for that there is
 * base/env.h, which tests script. */
#ifndef KITH_BASE_MONO_H
#define KITH_BASE_MONO_H

#include <stdint.h>
#include <time.h>

int64_t mono_us(void); /* no defined start */
int64_t mono_ms(void);
/* The end of a wait of so long, for pthread_cond_clockwait(…, CLOCK_MONOTONIC, …) and its like. */
struct timespec mono_end(int64_t wait_ms);

#endif
