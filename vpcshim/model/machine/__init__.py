"""The members of IVMVirtualMachine, a module for each concern."""
