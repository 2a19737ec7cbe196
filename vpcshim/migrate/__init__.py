"""The products' own file formats. Knows neither libvirt nor COM's objects."""
