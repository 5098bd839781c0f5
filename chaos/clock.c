/* A wall clock that steps: what the file named by CHAOS_CLOCK holds, a number of seconds, is added to it.

   Time that passes (CLOCK_MONOTONIC) is left alone, as it is when an administrator or NTP sets the clock. Who waits on
   the wall clock waits until the kernel's, which knows of no step: such waits are taken back to it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void find(void)
{
    const char *path = getenv("CHAOS_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *place = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (place != MAP_FAILED)
        ahead = place;
    if (file >= 0)
        close(file);
}

static int64_t step(void) { return ahead ? *ahead : 0; }

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static __typeof__(&clock_gettime) next;
    if (!next)
        next = NEXT(clock_gettime);
    int result = next(clock, now);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += step();
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    static __typeof__(&gettimeofday) next;
    if (!next)
        next = NEXT(gettimeofday);
    int result = next(now, zone);
    if (!result)
        now->tv_sec += step();
    return result;
}

time_t time(time_t *place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place)
        *place = now.tv_sec;
    return now.tv_sec;
}

static struct timespec kernels(const struct timespec *until)
{
    struct timespec back = *until;
    back.tv_sec -= step();
    return back;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    static __typeof__(&sem_timedwait) next;
    if (!next)
        next = NEXT(sem_timedwait);
    struct timespec back = kernels(until);
    return next(semaphore, &back);
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    static __typeof__(&pthread_cond_timedwait) next;
    if (!next)
        next = NEXT(pthread_cond_timedwait);
    /* A condition may have been made for the monotonic clock, whose seconds are those since the start of the system. */
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    struct timespec back = until->tv_sec > wall.tv_sec / 2 ? kernels(until) : *until;
    return next(condition, mutex, &back);
}
