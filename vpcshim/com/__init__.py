"""COM itself: HRESULTs, VARIANTs, how interfaces are declared and called. Nothing here knows libvirt."""
