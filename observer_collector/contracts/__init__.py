"""The execution contracts of the running container."""
