"""The command line: `vpcshim accountant`, `vpcshim api`, `vpcshim doctor`; one module per command."""
