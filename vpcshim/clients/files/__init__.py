"""Scripting.FileSystemObject over this machine's files, with the letters of the drive map."""
