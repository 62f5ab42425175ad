"""SERVICE: nights copied to a USB stick; whatever touches the stick runs in a child process (decision 0801)."""
