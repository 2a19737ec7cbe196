"""Wine: where it is, the private prefix that scripts run in, the host program, and starting it."""
