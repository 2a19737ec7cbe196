"""A stand-in for pywin32, for scripts that drive the two products: `install_pywin32` makes it importable.

The modules here bear pywin32's own names (`pythoncom`, `pywintypes`, `win32com.client`, ...) and are put under them
into `sys.modules`; what they offer is what scripts of these products use, for our ProgIDs and CLSIDs alone.

Source of the behaviour: pywin32's documentation of win32com.client, pythoncom and pywintypes.
"""
