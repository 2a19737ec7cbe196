"""What a script host in another process is served with: frames, handles, the host's own objects."""
