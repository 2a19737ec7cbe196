"""Three sources of NIC counters that give the same answer at different cost, and the choice between them.

`perdevice` (interfaceStats) is the reference and works everywhere; `bulk` is one call for all domains; `hostlinks`
asks the kernel of this machine. Each serves the NICs it can prove and says why it does not serve the others, which
then go to the next. No NIC is ever guessed.
"""
