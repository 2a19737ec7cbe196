"""Configuration values: the tree of keys of .vmc files, answered from the domain where libvirt knows the value."""
