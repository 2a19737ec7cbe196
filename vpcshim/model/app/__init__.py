"""The members of IVMVirtualServer and IVMVirtualPC, a module for each concern."""
