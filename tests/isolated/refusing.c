/* Preloaded: allocations of a call fail, those of its thread and until it returns.

   glibc only: its allocator is reached by names that are not interposed. */
#include <errno.h>
#include <stddef.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *PyObject_CallFunctionObjArgs(void *function, ...);

#define HERE static __thread __attribute__((tls_model("initial-exec")))

HERE long to_go;    /* allocations until the first that is refused; 0: none is */
HERE long more;     /* how many are refused from there on */
HERE long chance;   /* one in so many is refused; 0: not at random */
HERE unsigned long long state;
HERE long refused;

static int is_refused(void) {
    if (chance) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state % chance == 0;
    }
    if (to_go == 0)
        return 0;
    if (to_go > 1) {
        to_go--;
        return 0;
    }
    if (more-- > 0)
        return 1;
    to_go = 0;
    return 0;
}

static int refuse(void) {
    if (!is_refused())
        return 0;
    refused++;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return refuse() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return refuse() ? NULL : __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { return refuse() ? NULL : __libc_realloc(block, size); }

/* What function(argument) returns, or NULL with its exception set; `count` tells how many allocations were refused.
   `how`: so many from the nth on; negative: one in -how, where nth is the seed. */
void *call_refusing(void *function, void *argument, long nth, long how, long *count) {
    void *result;
    refused = 0;
    more = how;
    to_go = how > 0 ? nth : 0;
    state = nth * 0x9E3779B97F4A7C15ull;
    chance = how < 0 ? -how : 0;
    result = PyObject_CallFunctionObjArgs(function, argument, (void *) NULL);
    to_go = chance = 0;
    *count = refused;
    return result;
}
