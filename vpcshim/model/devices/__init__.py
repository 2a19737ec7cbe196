"""The objects that a machine or the application hands out: drives, adapters, ports, displays, the host."""
