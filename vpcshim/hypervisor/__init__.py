"""libvirt: connections, domain XML, counters, state, errors, events. Nothing here knows COM."""
