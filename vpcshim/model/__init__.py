"""The IVM* objects: where a libvirt fact becomes a COM answer."""
