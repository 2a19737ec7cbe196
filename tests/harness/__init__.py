"""What the tests stand on: private libvirt daemons, real guests, and the namespaces they live in.

Nothing here imports vpcshim, so a fault of the product cannot hide behind a fault of its own test tools.
"""
