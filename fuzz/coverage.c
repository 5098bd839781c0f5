/* Tells libFuzzer what gcc's -fsanitize-coverage=trace-pc,trace-cmp sees; built without instrumentation itself.

   gcc has no inline counters, and libFuzzer no longer listens to trace-pc. So each place in the code gets a counter,
   picked by its distance from this object: the same in every run wherever the library is mapped, and shared with another
   place now and then, which hides a little and invents nothing. libFuzzer is a part of atheris and not among the symbols
   that all see, so it is handed in. */

#include <dlfcn.h>
#include <stdint.h>

#define BITS 17
#define COUNTERS (1 << BITS)
#define INNER __attribute__((visibility("hidden")))

struct place { uintptr_t pc, flags; };

static uint8_t counters[COUNTERS];
static struct place places[COUNTERS];

INNER void __sanitizer_cov_trace_pc(void) {
    uintptr_t distance = (uintptr_t) __builtin_return_address(0) - (uintptr_t) counters;
    counters[distance * UINT64_C(0x9E3779B97F4A7C15) >> (64 - BITS)]++;
}

/* Operands of comparisons, of which libFuzzer makes inputs that pass them. It tells comparisons apart by their return
   address, so what follows must stay a jump and not become a call: no work after it, and at least -O2. */
#define FORWARD(name, type)                                       \
    static void no_##name(type left, type right) {                \
        (void) left, (void) right;                                \
    }                                                             \
    static void (*heard_##name)(type, type) = no_##name;          \
    INNER void __sanitizer_cov_trace_##name(type left, type right) { \
        heard_##name(left, right);                                \
    }

FORWARD(cmp1, uint8_t)
FORWARD(cmp2, uint16_t)
FORWARD(cmp4, uint32_t)
FORWARD(cmp8, uint64_t)
FORWARD(const_cmp1, uint8_t)
FORWARD(const_cmp2, uint16_t)
FORWARD(const_cmp4, uint32_t)
FORWARD(const_cmp8, uint64_t)
FORWARD(cmpf, float)        /* these two libFuzzer does not have */
FORWARD(cmpd, double)

static void no_switch(uint64_t value, uint64_t* cases) {
    (void) value, (void) cases;
}
static void (*heard_switch)(uint64_t, uint64_t*) = no_switch;
INNER void __sanitizer_cov_trace_switch(uint64_t value, uint64_t* cases) {
    heard_switch(value, cases);
}

#define HEAR(name) *(void**) &heard_##name = dlsym(libfuzzer, "__sanitizer_cov_trace_" #name)

/* Begin to tell the libFuzzer in a handle of dlopen; -1 where there is none in it. */
int errsample_listen(void* libfuzzer) {
    void (*take_counters)(uint8_t*, uint8_t*);
    void (*take_places)(struct place*, struct place*);
    *(void**) &take_counters = dlsym(libfuzzer, "__sanitizer_cov_8bit_counters_init");
    *(void**) &take_places = dlsym(libfuzzer, "__sanitizer_cov_pcs_init");
    if (!take_counters || !take_places || !dlsym(libfuzzer, "__sanitizer_cov_trace_cmp1"))
        return -1;
    for (uintptr_t number = 0; number < COUNTERS; number++)
        places[number].pc = number + 1;     /* libFuzzer wants as many as counters, and 0 is none */
    take_counters(counters, counters + COUNTERS);
    take_places(places, places + COUNTERS);
    HEAR(cmp1);
    HEAR(cmp2);
    HEAR(cmp4);
    HEAR(cmp8);
    HEAR(const_cmp1);
    HEAR(const_cmp2);
    HEAR(const_cmp4);
    HEAR(const_cmp8);
    HEAR(switch);
    return 0;
}
