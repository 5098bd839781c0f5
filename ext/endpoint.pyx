"""What an operation and the peer that it calls are called: by names without ids, and never by the path as requested."""

cdef enum:
    LONGEST_ENDPOINT = 300      # characters; names of 50 kB would otherwise be kept as keys


cdef inline object attribute_value(object items, str name):
    """A dict's value, None where it is missing or where comparing the keys fails."""
    cdef PyObject* found = find_quietly(items, name)
    return None if found == NULL else <object> found


cdef object endpoint_of(object attributes, object name):
    """The route, else the remote method with its service, else the name of the span.

    The method is "pkg.Service/Method" under the present conventions, and in two attributes under the former ones.
    """
    cdef str found, service
    if attributes is None:
        return name
    found = exact_text(attribute_value(attributes, "http.route"))   # which a member of an enum of strings may be
    if found is not None:
        return found
    found = exact_text(attribute_value(attributes, "rpc.method"))
    if found is None:
        return name
    service = exact_text(attribute_value(attributes, "rpc.service"))
    return found if service is None else f"{service}/{found}"


cdef str called_peer(object attributes):
    """The host that a client called, by the present and the former names; None where no attribute tells."""
    for name in ("server.address", "net.peer.name"):
        peer = exact_text(attribute_value(attributes, name))
        if peer is not None:
            return peer
    for name in ("url.full", "http.url"):
        url = exact_text(attribute_value(attributes, name))
        if url is not None:
            return fingerprint.host_of(PyUnicode_Substring(url, 0, LONGEST_ENDPOINT))
    return None


cdef str peer_of(object attributes):
    """The host that was called; where no attribute names it, the address at the other end of the connection."""
    cdef str found
    if attributes is None:
        return None
    found = called_peer(attributes)
    if found is None:
        for name in ("network.peer.address", "net.peer.ip", "net.sock.peer.addr"):
            found = exact_text(attribute_value(attributes, name))
            if found is not None:
                break
    return found
