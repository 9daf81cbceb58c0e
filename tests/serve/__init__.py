"""The service: over its application, over loopback, and as a process."""
