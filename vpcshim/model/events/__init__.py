"""Events: the interfaces, what libvirt tells made into them, who hears of it, and the scripts that they start."""
