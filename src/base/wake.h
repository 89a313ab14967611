/* Wake-ups of threads that wait for an eventfd.  Whoever hands over many things in a row holds its wake-ups until the last:
 * each of the others wakes once and finds them all.  Held is what the calling thread would write, by itself; what another
 * thread adds meanwhile to what is held may wait for the release as well, so nothing is done between that could block. */
#ifndef KITH_BASE_WAKE_H
#define KITH_BASE_WAKE_H

/* Makes the eventfd readable, now or at this thread's wake_release(). */
void wake_fd(int fd);
void wake_hold(void); /* does not nest */
void wake_release(void);

#endif
