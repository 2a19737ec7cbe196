"""What `vpcshim run` may do about each call of a script: trace it, end the script at a failure, only pretend."""
