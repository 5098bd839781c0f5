"""The first matching rule wins."""

cdef enum:
    HEAD = 0            # no rule matched, or the action `head`: the head sampler's decision stands
    KEEP = 1
    DROP = 2            # a rule said drop
    SAMPLED_OUT = 3     # the P% of a rule did not include this trace
    SUPPRESSED = 4      # the limit of a rule was spent

cdef enum:
    TH_AS_IS = 0        # trace state as the head sampler wrote it
    TH_SET = 1          # write Decision.threshold (0: kept with certainty)
    TH_ERASED = 2       # the rate is unknown: errsample.suppressed carries the count instead

cdef struct Decision:
    int action
    int rule            # index in the table, -1 where none matched
    int weight          # one of TH_*
    uint64_t threshold  # 56 bits
    uint64_t carried    # suppressed since the last kept span of this rule and key; given back if this span is lost
    uint32_t limiter    # which limiter and slot to give back to; limiter 0: none
    uint32_t slot
