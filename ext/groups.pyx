"""The resource and scope of buffered spans, encoded once and shared by all their records."""

cdef enum:
    # Distinct (resource, scope) pairs remembered. An application has tens; one that makes a tracer per request must
    # not grow us. Records keep the groups they need.
    MOST_GROUPS = 512
    LEAST_SPAN = 4096       # bytes that hold ids, name, status and the most telling attributes


cdef class Groups:
    """(resource, scope) -> Group, by identity first, by encoded content second."""

    cdef dict table                 # (id, id) -> (resource, scope, Group); the references keep the ids ours
    cdef object last_resource, last_scope
    cdef Group last

    def __cinit__(self):
        self.table = {}

    cdef Group of(self, object span):
        """The group of a span; encodes resource and scope when they are met for the first time."""
        cdef object resource = span_resource(span)
        cdef object scope = span_scope(span)
        cdef Group group
        if resource is self.last_resource and scope is self.last_scope and self.last is not None:
            return self.last
        key = (id(resource), id(scope))
        known = self.table.get(key)
        group = None if known is None else <Group> (<tuple> known)[2]
        if group is None or group.unread:
            if len(self.table) >= MOST_GROUPS:
                self.table.clear()
            group = self.equal(encoded_group(resource, scope))
            self.table[key] = (resource, scope, group)
        # Dropping the former ones may run a finaliser, and that a hook: it must not find new keys beside the old group.
        self.last = None
        self.last_resource, self.last_scope = resource, scope
        self.last = None if group.unread else group
        return group

    cdef Group equal(self, Group fresh):
        """The group already known under other objects of the same content, else `fresh`."""
        cdef Group other
        for known in list(self.table.values()):
            other = <Group> (<tuple> known)[2]
            if (other.resource_head == fresh.resource_head and other.resource_tail == fresh.resource_tail
                    and other.scope_head == fresh.scope_head and other.scope_tail == fresh.scope_tail):
                other.unread &= fresh.unread
                return other
            # A tracer per request must not cost a copy of the resource each.
            if other.resource_head == fresh.resource_head:
                fresh.resource_head = other.resource_head
        return fresh

    cdef void clear(self):
        self.table = {}
        self.last_resource = self.last_scope = self.last = None


def group_of(resource, scope):
    """A group outside any table. For tests and tools."""
    return encoded_group(resource, scope)


def group_from(bytes resource_head not None, bytes resource_tail not None, bytes scope_head not None,
               bytes scope_tail not None):
    """The group of parts that were encoded before."""
    cdef Group group = Group.__new__(Group)
    group.resource_head, group.resource_tail = resource_head, resource_tail
    group.scope_head, group.scope_tail = scope_head, scope_tail
    group.overhead = overhead_of(group)
    return group


cdef Group encoded_group(object resource, object scope):
    cdef Group group = Group.__new__(Group)
    group.resource_head = resource_field(resource, &group.unread)
    group.resource_tail = schema_url_field(resource, &group.unread)
    group.scope_head = scope_field(scope, &group.unread)
    group.scope_tail = schema_url_field(scope, &group.unread)
    group.overhead = overhead_of(group)
    return group


cdef inline size_t overhead_of(Group group):
    """With two tags and two lengths of at most five bytes each."""
    return (len(group.resource_head) + len(group.resource_tail) + len(group.scope_head) + len(group.scope_tail) + 12)


cdef inline size_t room_for(size_t most, Group group) noexcept:
    """Bytes for one encoded span; a resource that leaves almost none must not cost the span its identity."""
    return max(most, group.overhead + LEAST_SPAN) - group.overhead
