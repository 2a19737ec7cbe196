"""How other programs reach the model: the script engines' host, the pywin32 stand-in."""
